// SPDX-License-Identifier: BSD-2-Clause
/* See sight.h. */
#include "sight.h"

#include <stdio.h>
#include <string.h>

struct taking {
	struct sight *s;
	struct mm *mm;
	uint64_t proc, vmas;
	struct vma_range {
		uint64_t start, end, rights;
	} * range;
	uint32_t nr_ranges, room;
};

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 29;
}

static uint64_t rights_of(const struct mm_vma_info *vma)
{
	/* Equal for every page of it, and for those of its neighbour if they could be one VMA. */
	uint64_t place = vma->file ? vma->offset - vma->start : 0;
	uint64_t hash = mix(vma->prot, vma->flags);

	hash = mix(hash, (uint64_t)(vma->shared | vma->locked << 1 | vma->growsdown << 2));
	/* Shared memory that is made once more has another number. */
	return mix(hash, mix(vma->file && !mm_file_is_shmem(vma->file) ? mm_file_id(vma->file)
								       : vma->file != NULL,
			     place));
}

static void take_vma(const struct mm_vma_info *vma, void *arg)
{
	struct taking *t = arg;

	t->vmas++;
	if (t->nr_ranges == t->room) {
		t->s->full = true;
		return;
	}
	t->range[t->nr_ranges++] = (struct vma_range){ vma->start, vma->end, rights_of(vma) };
}

static void take_page(struct taking *t, uint64_t addr, uint64_t rights)
{
	struct sight *s = t->s;
	struct mm_page_info info;
	struct seen *seen;

	if (s->nr_pages == SIGHT_PAGES) {
		s->full = true;
		return;
	}
	mm_page_info(t->mm, addr, &info);
	seen = &s->page[s->nr_pages++];
	*seen = (struct seen){ .proc = t->proc, .addr = addr, .rights = rights };
	seen->state = info.state;
	seen->anon = info.state == MM_PAGE_PRESENT && info.anon;
}

static void take_pages(struct taking *t, uint64_t start, uint64_t end, uint64_t rights)
{
	uint64_t ends = SIGHT_ENDS * RMAP_PAGE_SIZE;

	for (uint64_t addr = start; addr < end; addr += RMAP_PAGE_SIZE) {
		if (end - start > 2 * ends && addr == start + ends)
			addr = end - ends;
		take_page(t, addr, rights);
	}
}

static void take_proc(uint64_t id, struct mm *mm, void *arg)
{
	static struct vma_range ranges[SIGHT_PAGES];
	struct sight *s = arg;
	/* By the order of their making: names may come in any. */
	struct taking t = { s, mm, s->nr_procs, 0, ranges, 0, SIGHT_PAGES };
	struct mm_stats stats;
	uint32_t i, next;

	(void)id;
	mm_for_each_vma(mm, take_vma, &t);
	/* Neighbours of the same kind are one, however they are cut. */
	for (i = 0; i < t.nr_ranges; i = next) {
		for (next = i + 1; next < t.nr_ranges && ranges[next].rights == ranges[i].rights &&
				   ranges[next].start == ranges[next - 1].end;)
			next++;
		take_pages(&t, ranges[i].start, ranges[next - 1].end, ranges[i].rights);
	}
	if (s->nr_procs == SIGHT_PROCS) {
		s->full = true;
		return;
	}
	mm_get_stats(mm, &stats);
	s->proc[s->nr_procs++] = (struct seen_proc){
		.proc = t.proc,
		.total_vm = stats.total_vm,
		.locked_vm = stats.locked_vm,
		.data_vm = stats.data_vm,
		.exec_vm = stats.exec_vm,
		.stack_vm = stats.stack_vm,
		.brk = stats.brk,
		.vmas = t.vmas,
	};
}

void sight_take(struct runner *r, struct sight *s)
{
	struct mm_counters c;
	struct mm_memory memory;

	s->nr_pages = s->nr_procs = s->nr_files = 0;
	s->full = false;
	if (!r->sys)
		return;
	runner_for_each(r, take_proc, s);
	for (uint32_t i = 0; i < r->nr_named && s->nr_files < SIGHT_FILES; i++)
		s->file[s->nr_files++] =
			r->named[i] && r->named[i]->file ? mm_file_size(r->named[i]->file) : 0;
	mm_get_memory(r->sys, &memory);
	s->committed = memory.committed;
	mm_get_counters(r->sys, &c);
	s->moved = c.swap_out + c.reclaim_scanned + c.file_out + c.swap_in + c.lazyfree_dropped;
}

/* ---------------------------------------------------------------- two moments */

/* => the page in s, NULL: not mapped; *at moves on, since both are sorted */
static const struct seen *find(const struct sight *s, const struct seen *like, uint32_t *at)
{
	while (*at < s->nr_pages &&
	       (s->page[*at].proc != like->proc || s->page[*at].addr < like->addr)) {
		if (s->page[*at].proc > like->proc)
			return NULL;
		(*at)++;
	}
	return *at < s->nr_pages && s->page[*at].addr == like->addr ? &s->page[*at] : NULL;
}

static bool same_rights(const struct seen *a, const struct seen *b)
{
	return a && b ? a->rights == b->rights : a == b;
}

static bool same_state(const struct seen *a, const struct seen *b)
{
	return a && b && a->state == b->state && a->anon == b->anon;
}

/* Nothing came where something may come: pages that a call brings in behind its success are no promise. */
static bool not_yet(const struct seen *page, const struct seen *was)
{
	return page->state == MM_PAGE_NONE && (!was || was->state == MM_PAGE_NONE);
}

static bool pages_same(const struct sight *now, const struct sight *before,
		       const struct sight *after, enum sight_how how, char *sentence, size_t size)
{
	bool moved = now->moved != before->moved || (after && after->moved != before->moved);
	uint32_t b = 0, a = 0;

	for (uint32_t i = 0; i < now->nr_pages; i++) {
		const struct seen *page = &now->page[i];
		const struct seen *was = find(before, page, &b);
		const struct seen *will = after ? find(after, page, &a) : NULL;

		if (!same_rights(page, was) && !(how == SIGHT_BETWEEN && same_rights(page, will))) {
			snprintf(sentence, size, "0x%llx of process %llu %s",
				 (unsigned long long)page->addr, (unsigned long long)page->proc,
				 was ? "has other rights" : "was not mapped and is");
			return false;
		}
		if (!moved && !same_state(page, was) &&
		    !(how == SIGHT_BETWEEN &&
		      (same_state(page, will) || not_yet(page, was) || not_yet(page, will))) &&
		    !(how == SIGHT_PAGES_MAY_LACK &&
		      (same_state(page, will) || page->state == MM_PAGE_NONE))) {
			snprintf(sentence, size,
				 "the page at 0x%llx of process %llu was %s and is %s%s",
				 (unsigned long long)page->addr, (unsigned long long)page->proc,
				 was ? op_page_state_name(was->state) : "not mapped",
				 op_page_state_name(page->state), page->anon ? ", anonymous" : "");
			return false;
		}
	}
	return true;
}

/* Nothing is missing that both before and after have, or, unless part is set, before has. */
static bool none_lost(const struct sight *now, const struct sight *before,
		      const struct sight *after, enum sight_how how, const struct sight_gap *gap,
		      char *sentence, size_t size)
{
	uint32_t n = 0, a = 0;

	for (uint32_t i = 0; i < before->nr_pages; i++) {
		const struct seen *was = &before->page[i];

		if (find(now, was, &n) || (gap && was->addr >= gap->start && was->addr < gap->end))
			continue;
		if (how == SIGHT_BETWEEN && after && !find(after, was, &a))
			continue;
		snprintf(sentence, size, "0x%llx of process %llu is no longer mapped",
			 (unsigned long long)was->addr, (unsigned long long)was->proc);
		return false;
	}
	return true;
}

static bool accounts_same(const struct sight *now, const struct sight *before, char *sentence,
			  size_t size)
{
	for (uint32_t i = 0; i < now->nr_procs; i++) {
		struct seen_proc a = now->proc[i], b = before->proc[i];

		/* A failed call may leave VMAs split. */
		a.vmas = b.vmas = 0;
		if (memcmp(&a, &b, sizeof(a))) {
			snprintf(sentence, size, "accounts of process %llu changed",
				 (unsigned long long)a.proc);
			return false;
		}
	}
	if (now->committed != before->committed) {
		snprintf(sentence, size, "committed memory was %llu and is %llu",
			 (unsigned long long)before->committed, (unsigned long long)now->committed);
		return false;
	}
	return true;
}

bool sight_same(const struct sight *now, const struct sight *before, const struct sight *after,
		enum sight_how how, const struct sight_gap *gap, char *sentence, size_t size)
{
	if (now->full || before->full || (after && after->full))
		return true;
	if (now->nr_procs != before->nr_procs) {
		snprintf(sentence, size, "there were %u processes and are %u", before->nr_procs,
			 now->nr_procs);
		return false;
	}
	if (!pages_same(now, before, after, how, sentence, size) ||
	    !none_lost(now, before, after, how, gap, sentence, size) ||
	    (how != SIGHT_BETWEEN && !accounts_same(now, before, sentence, size)))
		return false;
	for (uint32_t i = 0; how != SIGHT_BETWEEN && i < now->nr_files && i < before->nr_files; i++)
		if (now->file[i] != before->file[i]) {
			snprintf(sentence, size, "the size of a file changed");
			return false;
		}
	return true;
}
