// SPDX-License-Identifier: BSD-2-Clause
/*
 * The two states, held against each other: VMAs, page-table entries, who shares a frame with whom, bytes, sizes.
 *
 * Frame numbers mean nothing, only which of them are the same. So a comparison (a *round*, over one or more processes) pairs
 * each live frame with the engine's frame at the same place; a second place where either comes with another partner is a
 * difference in sharing. Within and across processes that is the whole of who shares with whom.
 */
#include "verify_int.h"

#include <mm/mm_types.h>
#include <mm/page.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifdef __x86_64__

/* A mapping of more pages is not gone through page by page. */
#define LARGE_VMA ((uint64_t)1024)

/* ---------------------------------------------------------------- layouts */

struct gather {
	struct verify_session *s;
	bool failed;
};

static void gather_vma(const struct mm_vma_info *info, void *arg)
{
	struct gather *g = arg;
	struct verify_session *s = g->s;
	struct look_vma *vma;

	if (s->nr_engine_vmas == s->room_engine_vmas) {
		size_t room = s->room_engine_vmas ? s->room_engine_vmas * 2 : 64;
		struct look_vma *vmas = realloc(s->engine_vmas, room * sizeof(*vmas));
		struct mm_file **files =
			vmas ? realloc(s->engine_files, room * sizeof(*files)) : NULL;

		if (vmas)
			s->engine_vmas = vmas;
		if (!files) {
			g->failed = true;
			return;
		}
		s->engine_files = files;
		s->room_engine_vmas = room;
	}
	s->engine_files[s->nr_engine_vmas] = info->file;
	vma = &s->engine_vmas[s->nr_engine_vmas++];
	vma->start = info->start;
	vma->end = info->end;
	vma->offset = info->offset;
	vma->flags = info->flags;
	vma->device = 0;
	vma->inode = info->file ? mm_file_id(info->file) : 0;
}

static void add_layout(char *text, size_t size, const struct look_vma *vmas, size_t nr,
		       uint64_t mask)
{
	for (size_t i = 0; i < nr; i++) {
		const struct look_vma *v = &vmas[i];

		verify_add(text, size, "  0x%llx-0x%llx (%llup) %c%c%c%c offset=0x%llx",
			   (unsigned long long)v->start, (unsigned long long)v->end,
			   (unsigned long long)((v->end - v->start) / RMAP_PAGE_SIZE),
			   v->flags & VM_READ ? 'r' : '-', v->flags & VM_WRITE ? 'w' : '-',
			   v->flags & VM_EXEC ? 'x' : '-', v->flags & VM_MAYSHARE ? 's' : 'p',
			   (unsigned long long)v->offset);
		if (v->inode)
			verify_add(text, size, " file %llu", (unsigned long long)v->inode);
		verify_add(text, size, " flags=0x%llx\n", (unsigned long long)(v->flags & mask));
	}
}

static enum verify_result layout_differs(struct verify_session *s, struct puppet *p,
					 const char *what, uint64_t mask)
{
	char who[80];

	add_layout(s->difference.live, sizeof(s->difference.live), s->layout.vmas, s->layout.nr,
		   mask);
	add_layout(s->difference.engine, sizeof(s->difference.engine), s->engine_vmas,
		   s->nr_engine_vmas, mask);
	return verify_say(s, VERIFY_DIFFER, "the layout of %s differs: %s",
			  verify_who(s, p, who, sizeof(who)), what);
}

/* Is the live inode this file of the engine? Named files are known, others are paired when first met. */
static bool same_file(struct verify_session *s, const struct look_vma *live, struct mm_file *file)
{
	for (uint32_t i = 0; i < s->nr_files; i++) {
		const struct verify_file *f = &s->files[i];

		if (f->open && f->inode == live->inode && f->device == live->device) {
			struct rfile *r = rfile_named(s->runner, i);

			return r && r->file == file;
		}
	}
	for (size_t i = s->nr_pairs; i-- > 0;) {
		const struct file_pair *pair = &s->pairs[i];

		if (pair->inode == live->inode && pair->device == live->device)
			return pair->id == mm_file_id(file);
		if (pair->id == mm_file_id(file))
			return false;
	}
	if (s->nr_pairs == s->room_pairs) {
		size_t room = s->room_pairs ? s->room_pairs * 2 : 64;
		struct file_pair *pairs = realloc(s->pairs, room * sizeof(*pairs));

		if (!pairs)
			return true;
		s->pairs = pairs;
		s->room_pairs = room;
	}
	s->pairs[s->nr_pairs++] = (struct file_pair){ live->device, live->inode, mm_file_id(file) };
	return true;
}

static enum verify_result compare_layout(struct verify_session *s, struct puppet *p, struct mm *mm,
					 bool flags)
{
	/* maps shows whether a mapping is shared by VM_MAYSHARE. */
	uint64_t mask = flags ? look_flags() : VM_READ | VM_WRITE | VM_EXEC | VM_MAYSHARE;
	struct gather g = { .s = s };
	size_t nr;

	s->nr_engine_vmas = 0;
	mm_for_each_vma(mm, gather_vma, &g);
	if (g.failed || look_layout(s->look, p, flags, &s->layout))
		return verify_say(s, VERIFY_UNABLE, "the layout cannot be read");
	nr = s->nr_engine_vmas < s->layout.nr ? s->nr_engine_vmas : s->layout.nr;
	s->count.vmas += nr;
	for (size_t i = 0; i < nr; i++) {
		const struct look_vma *live = &s->layout.vmas[i], *ours = &s->engine_vmas[i];

		if (live->start != ours->start || live->end != ours->end)
			return layout_differs(s, p, "bounds", mask);
		if ((live->flags ^ ours->flags) & mask)
			return layout_differs(s, p, "flags", mask);
		if (live->offset != ours->offset)
			return layout_differs(s, p, "offsets", mask);
		if (!live->inode != !ours->inode ||
		    (live->inode && !same_file(s, live, s->engine_files[i])))
			return layout_differs(s, p, "files", mask);
	}
	if (s->nr_engine_vmas != s->layout.nr)
		return layout_differs(s, p, "the number of VMAs", mask);
	return VERIFY_AGREE;
}

/* ---------------------------------------------------------------- sizes */

static enum verify_result compare_sizes(struct verify_session *s, struct puppet *p, struct mm *mm)
{
	struct look_sizes live;
	struct mm_stats ours;
	char who[80];

	if (look_sizes(s->look, p, &live))
		return verify_say(s, VERIFY_UNABLE, "/proc/PID/status cannot be read");
	mm_get_stats(mm, &ours);
	if (live.total_vm == ours.total_vm && live.data_vm == ours.data_vm &&
	    live.stack_vm == ours.stack_vm && live.locked_vm == ours.locked_vm)
		return VERIFY_AGREE;
	VERIFY_LIVE(s, "  total %llup, locked %llup, data %llup, stack %llup\n",
		    (unsigned long long)live.total_vm, (unsigned long long)live.locked_vm,
		    (unsigned long long)live.data_vm, (unsigned long long)live.stack_vm);
	VERIFY_ENGINE(s, "  total %llup, locked %llup, data %llup, stack %llup\n",
		      (unsigned long long)ours.total_vm, (unsigned long long)ours.locked_vm,
		      (unsigned long long)ours.data_vm, (unsigned long long)ours.stack_vm);
	return verify_say(s, VERIFY_DIFFER, "sizes of %s differ",
			  verify_who(s, p, who, sizeof(who)));
}

/*
 * smaps' counts, VMA by VMA. The kernel adds up shares of a page in 4,096ths of a byte, so the last KiB may differ. They are
 * of the time before what the comparison of pages trims, and so come behind it.
 */
static enum verify_result compare_counts(struct verify_session *s, struct puppet *p, struct mm *mm)
{
	char who[80];

	if (s->engine_swaps || s->machine_swaps || s->reclaimed || s->copies_at_move)
		return VERIFY_AGREE;
	/* MADV_FREE has done with a page when it comes off this processor's list. */
	look_drain(s->look);
	if (look_layout(s->look, p, true, &s->layout))
		return verify_say(s, VERIFY_UNABLE, "the layout cannot be read");
	for (size_t i = 0; i < s->layout.nr; i++) {
		const struct look_vma *live = &s->layout.vmas[i];
		struct mm_smaps ours;

		if (mm_smaps(mm, live->start, &ours))
			continue;
		const uint64_t bytes[LOOK_COUNTS] = {
			[LOOK_RSS] = ours.rss,
			[LOOK_PSS] = ours.pss,
			[LOOK_ANONYMOUS] = ours.anonymous,
			[LOOK_LAZYFREE] = ours.lazyfree,
			[LOOK_SWAP] = ours.swap,
			[LOOK_SWAP_PSS] = ours.swap_pss,
			[LOOK_LOCKED] = ours.locked,
		};

		for (unsigned int k = 0; k < LOOK_COUNTS; k++) {
			uint64_t kib = bytes[k] / 1024;

			if (kib - live->counts[k] + 1 <= 2)
				continue;
			if (k == LOOK_LAZYFREE && (s->options.swap || s->count.rules[RULE_PINS])) {
				verify_rule(s, RULE_LAZYFREE);
				continue;
			}
			return verify_say(
				s, VERIFY_DIFFER,
				"smaps of %s at 0x%llx: %s %llu kB live, %llu kB in the engine",
				verify_who(s, p, who, sizeof(who)), (unsigned long long)live->start,
				look_count_name((enum look_count)k),
				(unsigned long long)live->counts[k], (unsigned long long)kib);
		}
	}
	return VERIFY_AGREE;
}

/* ---------------------------------------------------------------- frames */

void verify_round(struct verify_session *s)
{
	s->round++;
}

static struct frame_pair *find_pair(struct verify_session *s, struct frame_pair *table,
				    uint64_t key, bool by_live)
{
	uint64_t i = key * 0x9e3779b97f4a7c15u >> 48;

	for (;; i = (i + 1) % FRAME_PAIRS) {
		struct frame_pair *pair = &table[i];

		if (pair->round != s->round || (by_live ? pair->live : pair->engine) == key)
			return pair;
	}
}

static const char *place(struct verify_session *s, const struct frame_pair *pair, char *buf,
			 size_t size)
{
	struct puppet *p = NULL;
	char who[80] = "?";

	while ((p = live_next(s->live, p)))
		if (p->number == pair->owner)
			verify_who(s, p, who, sizeof(who));
	snprintf(buf, size, "0x%llx of %s", (unsigned long long)pair->addr, who);
	return buf;
}

/* The page at addr is the live frame and the engine's: are both new, or both known and partners? */
static enum verify_result pair_frames(struct verify_session *s, struct puppet *p, uint64_t addr,
				      uint64_t live, uint64_t engine)
{
	struct frame_pair *a = find_pair(s, s->by_live, live, true);
	struct frame_pair *b = find_pair(s, s->by_engine, engine, false);
	bool known_live = a->round == s->round, known_engine = b->round == s->round;
	char who[80], one[128];

	if (!known_live && !known_engine) {
		struct frame_pair pair = { .live = live,
					   .engine = engine,
					   .round = s->round,
					   .owner = p->number,
					   .addr = addr };

		*a = pair;
		*b = pair;
		return VERIFY_AGREE;
	}
	if (known_live && known_engine && a->engine == engine)
		return VERIFY_AGREE;
	VERIFY_LIVE(s, "  %s\n", known_live ? "one frame with" : "a frame of its own");
	if (known_live)
		VERIFY_LIVE(s, "    %s\n", place(s, a, one, sizeof(one)));
	VERIFY_ENGINE(s, "  %s\n", known_engine ? "one frame with" : "a frame of its own");
	if (known_engine)
		VERIFY_ENGINE(s, "    %s\n", place(s, b, one, sizeof(one)));
	return verify_say(s, VERIFY_DIFFER, "the page at 0x%llx of %s is shared differently",
			  (unsigned long long)addr, verify_who(s, p, who, sizeof(who)));
}

/* ---------------------------------------------------------------- pages */

enum state { NONE, ZERO, FILE_PAGE, ANON_PAGE, SWAPPED };

static const char *const state_names[] = { "absent", "the page of zeros", "a page of a file",
					   "an anonymous page", "in swap" };

static enum state live_state(struct verify_session *s, uint64_t entry)
{
	if (!(entry & PM_PRESENT))
		return entry & PM_SWAP ? SWAPPED : NONE;
	if ((entry & PM_FRAME) == look_zero_frame(s->look))
		return ZERO;
	return entry & PM_FILE ? FILE_PAGE : ANON_PAGE;
}

static enum state engine_state(const struct mm_page_info *info)
{
	switch (info->state) {
	case MM_PAGE_PRESENT:
		return info->anon ? ANON_PAGE : FILE_PAGE;
	case MM_PAGE_ZERO:
		return ZERO;
	case MM_PAGE_SWAPPED:
	case MM_PAGE_MIGRATING:
	case MM_PAGE_POISONED:
		return SWAPPED;
	default:
		return NONE;
	}
}

#define SLOT_KEY ((uint64_t)1 << 63)

/*
 * What the engine's page is told apart by. Where only the engine swaps, a page of the swap cache and an entry that names its slot
 * are one page on the live side.
 */
static uint64_t engine_key(const struct verify_session *s, const struct mm_page_info *info)
{
	if (info->state == MM_PAGE_SWAPPED)
		return info->slot | SLOT_KEY;
	if (s->engine_swaps && !s->options.swap && info->state == MM_PAGE_PRESENT &&
	    info->swapcache)
		return info->page->private | SLOT_KEY;
	return info->pfn;
}

static enum verify_result state_differs(struct verify_session *s, struct puppet *p, uint64_t addr,
					enum state live, enum state ours)
{
	char who[80];

	return verify_say(s, VERIFY_DIFFER, "the page at 0x%llx of %s: live %s, engine %s",
			  (unsigned long long)addr, verify_who(s, p, who, sizeof(who)),
			  state_names[live], state_names[ours]);
}

/* The map count, which the kernel's "exclusive" bit says where it is one. */
static enum verify_result compare_count(struct verify_session *s, struct puppet *p, uint64_t addr,
					uint64_t entry, const struct mm_page_info *info)
{
	int64_t live = entry & PM_EXCLUSIVE ? 1 : look_mapcount(s->look, entry & PM_FRAME);
	char who[80];

	if (live < 0)
		return verify_say(s, VERIFY_UNABLE, "/proc/kpagecount cannot be read");
	if ((uint64_t)live == info->mapcount)
		return VERIFY_AGREE;
	/* One that is partly in swap in the engine, or was unmapped elsewhere by its reclaim, has fewer there. */
	if (s->engine_swaps && (info->swapcache || info->swap_count)) {
		verify_rule(s, RULE_NO_SWAP);
		return VERIFY_AGREE;
	}
	if (s->reclaimed && info->file && (uint64_t)live > info->mapcount) {
		verify_rule(s, RULE_RECLAIM);
		return VERIFY_AGREE;
	}
	return verify_say(
		s, VERIFY_DIFFER,
		"the page at 0x%llx of %s is mapped %lld times live, %u times in the engine",
		(unsigned long long)addr, verify_who(s, p, who, sizeof(who)), (long long)live,
		info->mapcount);
}

static enum verify_result compare_bytes(struct verify_session *s, struct puppet *p, uint64_t addr,
					const struct mm_page_info *info)
{
	const struct mm_port *port = mm_system_port(s->runner->sys);
	const char *ours = (const char *)port->frames + (info->pfn << RMAP_PAGE_SHIFT);
	char who[80], is[96], must[96];

	if (info->state != MM_PAGE_PRESENT)
		return VERIFY_AGREE;
	s->count.contents++;
	if (look_bytes(p, addr, s->page))
		return verify_say(s, VERIFY_DIFFER, "the page at 0x%llx of %s cannot be read live",
				  (unsigned long long)addr, verify_who(s, p, who, sizeof(who)));
	if (!memcmp(s->page, ours, RMAP_PAGE_SIZE))
		return VERIFY_AGREE;
	return verify_say(s, VERIFY_DIFFER, "contents at 0x%llx of %s: live %s, engine %s",
			  (unsigned long long)addr, verify_who(s, p, who, sizeof(who)),
			  pattern_name(s->page, RMAP_PAGE_SIZE, is, sizeof(is)),
			  pattern_name(ours, RMAP_PAGE_SIZE, must, sizeof(must)));
}

struct bytes {
	uint64_t from, to, limit;
};

static bool anonymous(enum state state)
{
	return state == ANON_PAGE || state == SWAPPED;
}

/* Who shares the page, and how many map it. */
static enum verify_result compare_sharing(struct verify_session *s, struct puppet *p, uint64_t addr,
					  uint64_t entry, enum state live,
					  const struct mm_page_info *info)
{
	uint64_t key = live == SWAPPED ? (entry & PM_FRAME) | SLOT_KEY : entry & PM_FRAME;
	enum verify_result ret;

	/* Where both swap, and not the same pages: a slot says nothing of who has its page in memory. */
	if (s->engine_swaps && s->options.swap &&
	    (live == SWAPPED || info->state == MM_PAGE_SWAPPED || info->swapcache)) {
		verify_rule(s, RULE_NO_SWAP);
		return VERIFY_AGREE;
	}
	ret = pair_frames(s, p, addr, key, engine_key(s, info));
	if (ret == VERIFY_AGREE && live != SWAPPED && info->state == MM_PAGE_PRESENT)
		ret = compare_count(s, p, addr, entry, info);
	return ret;
}

static enum verify_result compare_page(struct verify_session *s, struct puppet *p, struct mm *mm,
				       uint64_t addr, uint64_t entry, struct bytes *bytes)
{
	enum verify_result ret = VERIFY_AGREE;
	enum state live = live_state(s, entry), ours;
	struct mm_page_info info;
	bool copied;

	mm_page_info(mm, addr, &info);
	ours = engine_state(&info);
	copied = s->copies_at_move && anonymous(live) && anonymous(ours);
	s->count.pages++;
	if (live == NONE && ours == NONE)
		return VERIFY_AGREE;
	if (live != ours && !copied) {
		if (live == SWAPPED && ours == ANON_PAGE && !s->options.swap) {
			s->machine_swaps = true;
			verify_rule(s, RULE_NO_SWAP);
			return VERIFY_AGREE;
		}
		if (ours != SWAPPED || !s->engine_swaps || (live != ANON_PAGE && live != FILE_PAGE))
			return state_differs(s, p, addr, live, ours);
		verify_rule(s, RULE_NO_SWAP);
	}
	if (live == ZERO)
		return VERIFY_AGREE;
	if (!copied)
		ret = compare_sharing(s, p, addr, entry, live, &info);
	if (ret == VERIFY_AGREE && live != SWAPPED && bytes->limit && addr >= bytes->from &&
	    addr < bytes->to) {
		bytes->limit--;
		ret = compare_bytes(s, p, addr, &info);
	}
	return ret;
}

/* ---------------------------------------------------------------- fault-around */

/* May the kernel have brought in this file page beside one that was asked for? It maps up to 16 with it. */
static bool around(const struct verify_session *s, uint64_t addr)
{
	const struct touched *t = &s->touched;
	uint64_t most = (uint64_t)15 * RMAP_PAGE_SIZE;

	if (t->around_all || s->reclaimed)
		return true;
	return addr >= (t->start > most ? t->start - most : 0) && addr < t->end + most;
}

/*
 * Is this entry the kernel's alone, and may it be? File pages that were mapped around a fault; what the engine's reclaim has
 * dropped (file pages, and pages that were given up by MADV_FREE).
 */
static bool surplus(struct verify_session *s, struct puppet *p, struct mm *mm, uint64_t addr,
		    uint64_t entry)
{
	enum state live = live_state(s, entry);
	struct mm_page_info info;
	struct process *proc;

	if (live != FILE_PAGE && !(live == ANON_PAGE && s->reclaimed))
		return false;
	if (live == FILE_PAGE && !around(s, addr))
		return false;
	mm_page_info(mm, addr, &info);
	if (info.state != MM_PAGE_NONE)
		return false;
	if (live == FILE_PAGE)
		return true;
	proc = runner_find(s->runner, p->id);
	return proc && shadow_get(proc->space->shadow, addr) & STAMP_MAYBE;
}

/* Unmap the surplus in [addr, addr + nr pages), whose entries have been read. */
static enum verify_result trim(struct verify_session *s, struct puppet *p, struct mm *mm,
			       const struct look_vma *vma, uint64_t addr, uint64_t nr)
{
	uint64_t advice = vma->flags & VM_LOCKED ? MM_MADV_DONTNEED_LOCKED : MM_MADV_DONTNEED;

	for (uint64_t i = 0; i < nr; i++) {
		uint64_t at = addr + i * RMAP_PAGE_SIZE, n = 0;

		while (i + n < nr && surplus(s, p, mm, at + n * RMAP_PAGE_SIZE, s->entries[i + n]))
			n++;
		if (!n)
			continue;
		if (live_call(p, SYS_madvise, at, n * RMAP_PAGE_SIZE, advice, 0, 0, 0))
			return verify_say(s, VERIFY_UNABLE, "fault-around cannot be undone");
		verify_rule(s, s->reclaimed ? RULE_RECLAIM : RULE_FAULT_AROUND);
		i += n - 1;
	}
	return VERIFY_AGREE;
}

/* ---------------------------------------------------------------- a process */

/* One pass over a process's entries. */
struct pass {
	struct puppet *p;
	struct mm *mm;
	const struct look_vma *vma;
	bool trims;	     /* take away the surplus; else compare */
	struct bytes *bytes; /* whose bytes are to be compared */
	uint64_t used;	     /* entries that are present or swapped */
};

static enum verify_result pass_range(struct verify_session *s, struct pass *pass, uint64_t addr,
				     uint64_t end)
{
	enum verify_result ret = VERIFY_AGREE;

	while (addr < end && ret == VERIFY_AGREE) {
		uint64_t nr = (end - addr) / RMAP_PAGE_SIZE;

		nr = nr < ENTRIES ? nr : ENTRIES;
		if (look_entries(pass->p, addr, nr, s->entries))
			return verify_say(s, VERIFY_UNABLE, "/proc/PID/pagemap cannot be read");
		if (pass->trims)
			ret = trim(s, pass->p, pass->mm, pass->vma, addr, nr);
		for (uint64_t i = 0; i < nr && ret == VERIFY_AGREE && !pass->trims; i++) {
			enum state state = live_state(s, s->entries[i]);

			pass->used += state != NONE && state != ZERO;
			ret = compare_page(s, pass->p, pass->mm, addr + i * RMAP_PAGE_SIZE,
					   s->entries[i], pass->bytes);
		}
		addr += nr * RMAP_PAGE_SIZE;
	}
	return ret;
}

/*
 * Of a large mapping only what the kernel says is there; what only the engine has is then found by the number of entries.
 */
static enum verify_result pass_vma(struct verify_session *s, struct pass *pass)
{
	uint64_t addr = pass->vma->start, end = pass->vma->end, first, last;
	enum verify_result ret = VERIFY_AGREE;
	int more = 1;

	if (end - addr <= LARGE_VMA * RMAP_PAGE_SIZE)
		return pass_range(s, pass, addr, end);
	while (addr < end && ret == VERIFY_AGREE) {
		more = look_used(s->look, pass->p, addr, end, &first, &last);
		if (more <= 0)
			break;
		ret = pass_range(s, pass, first, last);
		addr = last;
	}
	return more < 0 ? verify_say(s, VERIFY_UNABLE, "/proc/PID/pagemap cannot be read") : ret;
}

static enum verify_result compare_pages(struct verify_session *s, struct puppet *p, struct mm *mm,
					struct bytes *bytes)
{
	struct pass pass = { .p = p, .mm = mm, .bytes = bytes, .trims = true };
	enum verify_result ret = VERIFY_AGREE;
	struct mm_stats stats;
	uint64_t ours;
	char who[80];

	for (size_t i = 0; i < s->layout.nr && ret == VERIFY_AGREE; i++) {
		pass.vma = &s->engine_vmas[i];
		if (pass.vma->inode || s->reclaimed)
			ret = pass_vma(s, &pass);
	}
	pass.trims = false;
	for (size_t i = 0; i < s->layout.nr && ret == VERIFY_AGREE; i++) {
		pass.vma = &s->engine_vmas[i];
		ret = pass_vma(s, &pass);
	}
	if (ret != VERIFY_AGREE)
		return ret;
	mm_get_stats(mm, &stats);
	ours = stats.rss_anon + stats.rss_file + stats.rss_shmem + stats.swap_entries;
	if (pass.used == ours)
		return VERIFY_AGREE;
	return verify_say(s, VERIFY_DIFFER, "%s has %llu pages live, %llu in the engine",
			  verify_who(s, p, who, sizeof(who)), (unsigned long long)pass.used,
			  (unsigned long long)ours);
}

enum verify_result verify_process(struct verify_session *s, struct puppet *p, uint64_t from,
				  uint64_t to, uint64_t limit, bool flags)
{
	struct bytes bytes = { .from = from, .to = to, .limit = limit };
	struct mm *mm = runner_mm(s->runner, p->id);
	enum verify_result ret;

	if (!mm)
		return verify_say(s, VERIFY_BAD, "a process lives only on the live side");
	s->count.comparisons++;
	ret = compare_layout(s, p, mm, flags);
	if (ret == VERIFY_AGREE && flags)
		ret = compare_sizes(s, p, mm);
	if (ret == VERIFY_AGREE)
		ret = compare_pages(s, p, mm, &bytes);
	if (ret == VERIFY_AGREE && limit == UINT64_MAX)
		ret = compare_counts(s, p, mm);
	return ret;
}

#endif
