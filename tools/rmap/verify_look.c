// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading /proc: maps and smaps are text, pagemap and kpagecount are arrays of 64-bit words.
 */
#include "verify_look.h"

#include <mm/mm_types.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __x86_64__

#define TEXT_SIZE   (4u << 20)
/* What the maps of every process show above user addresses. */
#define KERNEL_HALF ((uint64_t)1 << 63)

struct look {
	char *text; /* of maps or smaps, TEXT_SIZE */
	int kpagecount;
	uint64_t zero_frame;
	void *own; /* a page of this process's, for look_drain() */
	bool no_scan;
};

/* The kernel's struct pm_scan_arg and page_region (6.7 and later). */
struct scan_region {
	uint64_t start, end, categories;
};
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, category_inverted,
		category_mask, category_anyof_mask, return_mask;
};
#define SCAN_IOCTL   _IOWR('f', 16, struct scan_arg)
#define SCAN_PRESENT ((uint64_t)1 << 3)
#define SCAN_SWAPPED ((uint64_t)1 << 4)

/* ---------------------------------------------------------------- files in common */

static int find_zero_frame(struct look *look, char *error)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	volatile char *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t entry = 0;
	ssize_t got = -1;

	if (fd >= 0 && page != MAP_FAILED) {
		(void)*page;
		got = pread(fd, &entry, sizeof(entry),
			    (off_t)((uint64_t)(uintptr_t)page / 4096 * 8));
	}
	if (page != MAP_FAILED)
		munmap((void *)(uintptr_t)page, 4096);
	if (fd >= 0)
		close(fd);
	look->zero_frame = entry & PM_FRAME;
	if (got == sizeof(entry) && (entry & PM_PRESENT) && look->zero_frame)
		return 0;
	snprintf(error, LIVE_ERROR, "/proc/self/pagemap shows no frame numbers (that needs root)");
	return -1;
}

int look_new(struct look **out, char error[LIVE_ERROR])
{
	struct look *look = calloc(1, sizeof(*look));

	if (look)
		look->text = malloc(TEXT_SIZE);
	if (!look || !look->text) {
		free(look);
		snprintf(error, LIVE_ERROR, "out of memory");
		return -1;
	}
	look->kpagecount = open("/proc/kpagecount", O_RDONLY | O_CLOEXEC);
	if (look->kpagecount < 0) {
		snprintf(error, LIVE_ERROR, "/proc/kpagecount: %s", strerror(errno));
		look_free(look);
		return -1;
	}
	look->own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (look->own == MAP_FAILED)
		look->own = NULL;
	if (find_zero_frame(look, error)) {
		look_free(look);
		return -1;
	}
	*out = look;
	return 0;
}

void look_free(struct look *look)
{
	if (look->kpagecount >= 0)
		close(look->kpagecount);
	if (look->own)
		munmap(look->own, 4096);
	free(look->text);
	free(look);
}

uint64_t look_zero_frame(const struct look *look)
{
	return look->zero_frame;
}

/* ---------------------------------------------------------------- layouts */

static const struct {
	char name[3];
	uint64_t flag;
} flag_names[] = {
	{ "rd", VM_READ },	  { "wr", VM_WRITE },	   { "ex", VM_EXEC },
	{ "sh", VM_SHARED },	  { "mr", VM_MAYREAD },	   { "mw", VM_MAYWRITE },
	{ "me", VM_MAYEXEC },	  { "ms", VM_MAYSHARE },   { "gd", VM_GROWSDOWN },
	{ "lo", VM_LOCKED },	  { "ac", VM_ACCOUNT },	   { "nr", VM_NORESERVE },
	{ "sr", VM_SEQ_READ },	  { "rr", VM_RAND_READ },  { "dc", VM_DONTCOPY },
	{ "dd", VM_DONTDUMP },	  { "wf", VM_WIPEONFORK }, { "de", VM_DONTEXPAND },
	{ "lf", VM_LOCKONFAULT }, { "hg", VM_HUGEPAGE },   { "nh", VM_NOHUGEPAGE },
};

uint64_t look_flags(void)
{
	uint64_t all = 0;

	for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++)
		all |= flag_names[i].flag;
	return all;
}

static uint64_t hex(const char **p)
{
	uint64_t n = 0;

	for (;; (*p)++) {
		char c = **p;

		if (c >= '0' && c <= '9')
			n = n << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n << 4 | (uint64_t)(c - 'a' + 10);
		else
			return n;
	}
}

static struct look_vma *add_vma(struct look_layout *out)
{
	if (out->nr == out->room) {
		size_t room = out->room ? out->room * 2 : 64;
		struct look_vma *vmas = realloc(out->vmas, room * sizeof(*vmas));

		if (!vmas)
			return NULL;
		out->vmas = vmas;
		out->room = room;
	}
	return &out->vmas[out->nr];
}

/* "7f00-7f01 rw-p 00001000 fe:00 12  name": a line of maps. False: it is another line of smaps. */
static bool parse_line(const char *p, struct look_vma *vma)
{
	const char *start = p;

	vma->start = hex(&p);
	if (p == start || *p != '-')
		return false;
	p++;
	vma->end = hex(&p);
	if (*p++ != ' ')
		return false;
	vma->flags = (p[0] == 'r' ? VM_READ : 0) | (p[1] == 'w' ? VM_WRITE : 0) |
		     (p[2] == 'x' ? VM_EXEC : 0) | (p[3] == 's' ? VM_MAYSHARE : 0);
	p += 5;
	vma->offset = hex(&p);
	p++;
	vma->device = hex(&p) << 32;
	p++;
	vma->device |= hex(&p);
	p++;
	vma->inode = strtoull(p, NULL, 10);
	return true;
}

static uint64_t parse_flags(const char *p)
{
	uint64_t flags = 0;

	for (; *p && *p != '\n'; p++)
		for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++)
			if (p[-1] == ' ' && p[0] == flag_names[i].name[0] &&
			    p[1] == flag_names[i].name[1])
				flags |= flag_names[i].flag;
	return flags;
}

static const char *const count_names[LOOK_COUNTS] = {
	[LOOK_RSS] = "Rss:",	       [LOOK_PSS] = "Pss:",   [LOOK_ANONYMOUS] = "Anonymous:",
	[LOOK_LAZYFREE] = "LazyFree:", [LOOK_SWAP] = "Swap:", [LOOK_SWAP_PSS] = "SwapPss:",
	[LOOK_LOCKED] = "Locked:",
};

const char *look_count_name(enum look_count count)
{
	return count_names[count];
}

static void parse_count(const char *line, struct look_vma *vma)
{
	for (unsigned int i = 0; i < LOOK_COUNTS; i++) {
		size_t len = strlen(count_names[i]);

		if (!strncmp(line, count_names[i], len)) {
			vma->counts[i] = strtoull(line + len, NULL, 10);
			return;
		}
	}
}

static bool outside(const struct look_vma *vma)
{
	return (vma->start >= HOUSE_BASE && vma->end <= HOUSE_BASE + HOUSE_SIZE) ||
	       vma->start >= KERNEL_HALF;
}

static ssize_t read_all(int fd, char *text)
{
	size_t nr = 0;

	for (;;) {
		ssize_t got = pread(fd, text + nr, TEXT_SIZE - 1 - nr, (off_t)nr);

		if (got < 0)
			return -1;
		nr += (size_t)got;
		text[nr] = '\0';
		if (!got)
			return (ssize_t)nr;
		if (nr == TEXT_SIZE - 1)
			return -1;
	}
}

int look_layout(struct look *look, struct puppet *p, bool flags, struct look_layout *out)
{
	ssize_t len = read_all(flags ? live_smaps(p) : live_maps(p), look->text);
	struct look_vma *last = NULL;

	out->nr = 0;
	out->has_flags = flags;
	if (len < 0)
		return -1;
	for (const char *line = look->text; *line;) {
		const char *end = strchr(line, '\n');
		struct look_vma *vma = add_vma(out);

		if (!vma)
			return -1;
		if ((*line < 'A' || *line > 'Z') && parse_line(line, vma)) {
			last = outside(vma) ? NULL : vma;
			out->nr += last != NULL;
		} else if (last && !strncmp(line, "VmFlags:", 8)) {
			/* add_vma() may have moved them. */
			out->vmas[out->nr - 1].flags = parse_flags(line + 9);
		} else if (last) {
			parse_count(line, &out->vmas[out->nr - 1]);
		}
		if (!end)
			break;
		line = end + 1;
	}
	return 0;
}

static uint64_t field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) * 1024 / RMAP_PAGE_SIZE : 0;
}

int look_sizes(struct look *look, struct puppet *p, struct look_sizes *out)
{
	if (read_all(live_status(p), look->text) <= 0)
		return -1;
	out->total_vm = field(look->text, "VmSize:") - HOUSE_SIZE / RMAP_PAGE_SIZE;
	out->locked_vm = field(look->text, "VmLck:");
	out->data_vm = field(look->text, "VmData:");
	out->stack_vm = field(look->text, "VmStk:");
	return 0;
}

/* ---------------------------------------------------------------- pages */

int look_entries(struct puppet *p, uint64_t addr, uint64_t nr, uint64_t *entries)
{
	size_t size = nr * sizeof(*entries);
	ssize_t got = pread(live_pagemap(p), entries, size,
			    (off_t)(addr / RMAP_PAGE_SIZE * sizeof(*entries)));

	return got == (ssize_t)size ? 0 : -1;
}

/* Without PAGEMAP_SCAN: by reading. */
static int used_by_reading(struct puppet *p, uint64_t addr, uint64_t end, uint64_t *first,
			   uint64_t *last)
{
	uint64_t entries[512];

	for (*first = 0; addr < end;) {
		uint64_t nr = (end - addr) / RMAP_PAGE_SIZE;

		nr = nr < 512 ? nr : 512;
		if (look_entries(p, addr, nr, entries))
			return -1;
		for (uint64_t i = 0; i < nr; i++, addr += RMAP_PAGE_SIZE) {
			bool used = entries[i] & (PM_PRESENT | PM_SWAP);

			if (used && !*first)
				*first = addr;
			if (!used && *first) {
				*last = addr;
				return 1;
			}
		}
	}
	*last = end;
	return *first != 0;
}

int look_used(struct look *look, struct puppet *p, uint64_t addr, uint64_t end, uint64_t *first,
	      uint64_t *last)
{
	struct scan_region region = { 0 };
	struct scan_arg arg = {
		.size = sizeof(arg),
		.start = addr,
		.end = end,
		.vec = (uint64_t)(uintptr_t)&region,
		.vec_len = 1,
		.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
		.return_mask = SCAN_PRESENT | SCAN_SWAPPED,
	};
	int nr;

	if (look->no_scan)
		return used_by_reading(p, addr, end, first, last);
	nr = ioctl(live_pagemap(p), SCAN_IOCTL, &arg);
	if (nr < 0) {
		look->no_scan = true;
		return used_by_reading(p, addr, end, first, last);
	}
	*first = region.start;
	*last = region.end;
	return nr;
}

int64_t look_mapcount(struct look *look, uint64_t frame)
{
	uint64_t count;

	if (pread(look->kpagecount, &count, sizeof(count), (off_t)(frame * sizeof(count))) !=
	    sizeof(count))
		return -1;
	return (int64_t)count;
}

int look_bytes(struct puppet *p, uint64_t addr, void *page)
{
	return pread(live_mem(p), page, RMAP_PAGE_SIZE, (off_t)addr) == (ssize_t)RMAP_PAGE_SIZE
		       ? 0
		       : -1;
}

/* Advice on a page of one's own that it is cold empties this processor's lists first. */
void look_drain(struct look *look)
{
	if (look->own)
		madvise(look->own, 4096, MADV_COLD);
}

#endif
