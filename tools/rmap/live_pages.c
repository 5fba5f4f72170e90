// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading pagemap, kpagecount and kpageflags in batches.
 */
#include "live_pages.h"
#include "live_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SCAN_FROM  (1024u * LIVE_PAGE_SIZE) /* ranges below are read as they are */
#define SCAN_GAP   (32u * LIVE_PAGE_SIZE)   /* holes that are read through */
/*
 * The kernel keeps the highest of 32 types of swap areas for entries that are none: pages that migrate, belong to a device or
 * have gone bad, and marks. It uses at most nine; so many swap areas nobody has.
 */
#define SWAP_TYPES 23u

/* The kernel's struct pm_scan_arg (6.7 and later). */
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, category_inverted,
		category_mask, category_anyof_mask, return_mask;
};
#define SCAN_IOCTL   _IOWR('f', 16, struct scan_arg)
#define SCAN_PRESENT ((uint64_t)1 << 3)
#define SCAN_SWAPPED ((uint64_t)1 << 4)

bool live_is_swapped(uint64_t entry)
{
	if (!(entry & LIVE_SWAP) || entry & (LIVE_PRESENT | LIVE_GUARD))
		return false;
	return (entry & 31) < SWAP_TYPES;
}

/* -- one process ------------------------------------------------------------------------------ */

int live_pagemap_open(int proc)
{
	int fd = openat(proc, "pagemap", O_RDONLY | O_CLOEXEC);

	return fd >= 0 ? fd : errno == ENOENT ? -ESRCH : -errno;
}

ssize_t live_pagemap_read(int pagemap, uint64_t addr, size_t nr, uint64_t *entries)
{
	ssize_t got;

	do
		got = pread(pagemap, entries, nr * sizeof(*entries),
			    (off_t)((addr >> LIVE_PAGE_SHIFT) * sizeof(*entries)));
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got / (ssize_t)sizeof(*entries);
}

int live_pagemap_at(int pagemap, uint64_t addr, uint64_t *entry)
{
	ssize_t got = live_pagemap_read(pagemap, addr, 1, entry);

	return got == 1 ? 0 : got < 0 ? (int)got : -ESRCH;
}

void live_cursor_init(struct live_cursor *c, int pagemap, uint64_t start, uint64_t end)
{
	c->pagemap = pagemap;
	c->at = c->part = c->scanned = start;
	c->end = end;
	c->no_scan = end - start < SCAN_FROM;
	c->next = c->nr = 0;
}

/* What is populated from c->scanned on. */
static void scan(struct live_cursor *c)
{
	struct scan_arg arg = {
		.size = sizeof(arg),
		.start = c->scanned,
		.end = c->end,
		.vec = (uint64_t)(uintptr_t)c->regions,
		.vec_len = LIVE_REGIONS,
		.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
		.return_mask = SCAN_PRESENT | SCAN_SWAPPED,
	};
	int nr = ioctl(c->pagemap, SCAN_IOCTL, &arg);

	c->next = c->nr = 0;
	if (nr < 0 || arg.walk_end <= c->scanned || arg.walk_end > c->end) {
		c->no_scan = true;
		return;
	}
	c->nr = (unsigned int)nr;
	c->scanned = arg.walk_end;
}

/* Finds the next part to read: [at, part). False: there is none. */
static bool next_part(struct live_cursor *c)
{
	while (c->at >= c->part) {
		if (c->no_scan) {
			c->part = c->end;
			return c->at < c->end;
		}
		if (c->next == c->nr) {
			if (c->scanned >= c->end)
				return false;
			c->at = c->part = c->scanned;
			scan(c);
			continue;
		}
		c->at = c->regions[c->next].start;
		c->part = c->regions[c->next++].end;
		while (c->next < c->nr && c->regions[c->next].start - c->part <= SCAN_GAP)
			c->part = c->regions[c->next++].end;
	}
	return true;
}

ssize_t live_cursor_next(struct live_cursor *c, uint64_t *addr, uint64_t *entries)
{
	uint64_t nr;
	ssize_t got;

	if (!next_part(c))
		return 0;
	nr = (c->part - c->at) >> LIVE_PAGE_SHIFT;
	got = live_pagemap_read(c->pagemap, c->at, nr < LIVE_BATCH ? (size_t)nr : LIVE_BATCH,
				entries);
	if (got <= 0)
		return got;
	*addr = c->at;
	c->at += (uint64_t)got << LIVE_PAGE_SHIFT;
	return got;
}

/* -- frames ----------------------------------------------------------------------------------- */

void live_frames_open(int root, struct live_frames *f, char err[LIVE_ERR_SIZE])
{
	err[0] = '\0';
	f->count = openat(root, "kpagecount", O_RDONLY | O_CLOEXEC);
	if (f->count < 0)
		live_fail(err, "/proc/kpagecount: %s", strerror(errno));
	f->flags = openat(root, "kpageflags", O_RDONLY | O_CLOEXEC);
	if (f->flags < 0)
		live_fail(err, "/proc/kpageflags: %s", strerror(errno));
}

void live_frames_close(struct live_frames *f)
{
	if (f->count >= 0)
		close(f->count);
	if (f->flags >= 0)
		close(f->flags);
	f->count = f->flags = -1;
}

static bool word_at(int fd, uint64_t pfn, uint64_t *word)
{
	return fd >= 0 && pread(fd, word, sizeof(*word), (off_t)(pfn * sizeof(*word))) ==
				  (ssize_t)sizeof(*word);
}

int64_t live_frame_count(const struct live_frames *f, uint64_t pfn)
{
	uint64_t word;

	return word_at(f->count, pfn, &word) ? (int64_t)(word & INT64_MAX) : -1;
}

uint64_t live_frame_flags(const struct live_frames *f, uint64_t pfn)
{
	uint64_t word;

	return word_at(f->flags, pfn, &word) ? word : 0;
}

void live_frame_counts(const struct live_frames *f, uint64_t pfn, size_t nr, uint64_t *counts)
{
	ssize_t got = f->count < 0 ? -1
				   : pread(f->count, counts, nr * sizeof(*counts),
					   (off_t)(pfn * sizeof(*counts)));
	size_t have = got > 0 ? (size_t)got / sizeof(*counts) : 0;

	memset(counts + have, 0, (nr - have) * sizeof(*counts));
}

const char *live_flag_names(uint64_t flags, char *buf, size_t size)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} names[] = {
		{ 0, "locked" },
		{ 2, "referenced" },
		{ 3, "uptodate" },
		{ 4, "dirty" },
		{ 5, "lru" },
		{ 6, "active" },
		{ 7, "slab" },
		{ 8, "writeback" },
		{ 9, "reclaim" },
		{ 10, "buddy" },
		{ 11, "mmap" },
		{ LIVE_KPF_ANON, "anon" },
		{ 13, "swapcache" },
		{ 14, "swapbacked" },
		{ 15, "head" },
		{ 16, "tail" },
		{ LIVE_KPF_HUGE, "hugetlb" },
		{ 18, "unevictable" },
		{ 19, "hwpoison" },
		{ 20, "nopage" },
		{ 21, "ksm" },
		{ 22, "thp" },
		{ 23, "offline" },
		{ LIVE_KPF_ZERO, "zero" },
		{ 25, "idle" },
		{ 26, "page-table" },
	};
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && len < size; i++)
		if (flags >> names[i].bit & 1)
			len += (size_t)snprintf(buf + len, size - len, "%s%s", len ? " " : "",
						names[i].name);
	return buf;
}

/* A page of our own, this function's argument, surely has a frame. */
bool live_sees_frames(int root)
{
	volatile char here = 0;
	uint64_t entry = 0;
	int fd = openat(root, "self/pagemap", O_RDONLY | O_CLOEXEC);
	bool sees;

	if (fd < 0)
		return false;
	here = 1;
	sees = !live_pagemap_at(fd, (uint64_t)(uintptr_t)&here, &entry) && (entry & LIVE_PRESENT) &&
	       (entry & LIVE_FRAME);
	close(fd);
	return sees && here;
}
