// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reclaim: frames back from those who have not used them lately.
 *
 * Pages are taken in batches from the tails of the inactive lists and go through the same gates as on Linux, in this order: lock
 * (only tried) · may it go at all? · was it used since last asked (second chance)? · a swap slot · out of every page table ·
 * pinned? · contents to their store · nobody came meanwhile? · free. Whoever fails at a gate returns to its list, active if it
 * was used or cannot go now, and nothing of it is lost.
 *
 * Second chance: a page that two PTEs, or one PTE twice in a row, have used becomes active, and so does a program's text; one
 * that was used once stays for another round. Active pages return to the inactive list from the tail, without being asked, when
 * there are fewer inactive than active ones.
 *
 * Anonymous pages are scanned at 60 % and file pages at 140 % of their list's share (Linux's swappiness of 60), and anonymous
 * ones only while swap has room. Priority starts at a 4,096th of the lists and doubles until enough is freed.
 *
 * Nothing here allocates. Called from allocations, with mmap_lock, a file's invalidate lock and page locks perhaps held by the
 * caller: so page locks are tried, and the first two never taken. It holds no spin lock across I/O.
 */
#include "reclaim.h"

#include "file.h"

#define RECLAIM_BATCH	 32
#define RECLAIM_PRIORITY 12
#define SWAPPINESS	 60 /* of 200 */

enum outcome {
	OUTCOME_FREED,	  /* the caller's reference is the last */
	OUTCOME_KEEP,	  /* back to its list */
	OUTCOME_ACTIVATE, /* to the active one */
	OUTCOME_GO_ON,	  /* through the next gate */
	OUTCOME_CLEAN,	  /* the same, but it is not worth writing */
};

/* ---------------------------------------------------------------- the gates; page locked, isolated */

static enum outcome check_references(struct mm_system *sys, struct page *page)
{
	uint64_t vm_flags = 0;
	int used = page_referenced(sys, page, true, &vm_flags);
	bool again;

	/* Somebody locks it, or is busy with its relatives. */
	if ((vm_flags & VM_LOCKED) || used < 0)
		return OUTCOME_KEEP;
	again = page_clear(page, PG_REFERENCED);
	if (used) {
		page_set(page, PG_REFERENCED);
		if (again || used > 1 || ((vm_flags & VM_EXEC) && !page_test(page, PG_SWAPBACKED)))
			return OUTCOME_ACTIVATE;
		return OUTCOME_KEEP;
	}
	return again && !page_test(page, PG_SWAPBACKED) ? OUTCOME_CLEAN : OUTCOME_GO_ON;
}

/* An anonymous page needs a good slot before its entries can name one. */
static bool has_slot(struct mm_system *sys, struct page *page)
{
	if (!page_test(page, PG_SWAPCACHE))
		return !page_maybe_pinned(page) && swap_add(sys, page);
	/* What swapoff has brought back for one stays, or it would go round in circles where memory is short. */
	if (swap_is_off(sys))
		return false;
	if (swap_slot_again(sys, page))
		return true;
	/* Its slot has failed: another one, unless entries name that one already. */
	return swap_try_free(sys, page) && swap_add(sys, page);
}

static enum outcome unmap(struct mm_system *sys, struct mm_cpu *cpu, struct page *page)
{
	bool anon = rmap_page_is_anon(&page->rmap);

	if (rmap_page_mapcount(&page->rmap)) {
		if (anon && page_test(page, PG_SWAPBACKED) && !has_slot(sys, page))
			return OUTCOME_ACTIVATE;
		if (!page_unmap_all(sys, cpu, page, 0))
			return page_test(page, PG_MLOCKED) ? OUTCOME_KEEP : OUTCOME_ACTIVATE;
	}
	return page_maybe_pinned(page) ? OUTCOME_ACTIVATE : OUTCOME_GO_ON;
}

/* Its contents must stand in a store, unless nobody needs them. */
static enum outcome save(struct mm_system *sys, struct mm_cpu *cpu, struct page *page,
			 bool clean_only)
{
	struct mm_file *file = page_file(page);

	if (!page_test(page, PG_DIRTY))
		return OUTCOME_GO_ON;
	if (clean_only)
		return OUTCOME_KEEP;
	if (file && file->handle)
		return file_write_page(sys, page) ? OUTCOME_ACTIVATE : OUTCOME_GO_ON;
	if (file && !shmem_swap_out(sys, page))
		return OUTCOME_ACTIVATE;
	if (page_test(page, PG_SWAPCACHE))
		return swap_write_page(sys, cpu, page) ? OUTCOME_ACTIVATE : OUTCOME_GO_ON;
	/* Lazily freed, but written to since; or nobody's at all. */
	if (!page_test(page, PG_SWAPBACKED))
		page_set(page, PG_SWAPBACKED);
	return page_refs(page) == 1 ? OUTCOME_GO_ON : OUTCOME_ACTIVATE;
}

/* Out of its store's index, so that nobody can find it any more. */
static enum outcome forget(struct mm_system *sys, struct page *page)
{
	struct mm_file *file = page_file(page);
	bool out;

	if (page_test(page, PG_SWAPCACHE))
		out = swap_cache_reclaim(sys, page);
	else if (file && file_holds_page(file, page->rmap.index, page))
		out = file_remove_page(sys, page);
	else
		out = page_refs(page) == 1;
	if (out && rmap_page_is_anon(&page->rmap) && !page_test(page, PG_SWAPBACKED))
		COUNT(sys, lazyfree_dropped, 1);
	return out ? OUTCOME_FREED : OUTCOME_KEEP;
}

static enum outcome reclaim_page(struct mm_system *sys, struct mm_cpu *cpu, struct page *page,
				 bool ignore_references)
{
	enum outcome outcome = OUTCOME_GO_ON;
	bool clean_only;

	if (page_test(page, PG_MLOCKED | PG_POISON | PG_WRITEBACK))
		return OUTCOME_KEEP;
	if (!ignore_references)
		outcome = check_references(sys, page);
	clean_only = outcome == OUTCOME_CLEAN;
	if (outcome != OUTCOME_GO_ON && !clean_only)
		return outcome;
	outcome = unmap(sys, cpu, page);
	if (outcome != OUTCOME_GO_ON)
		return outcome;
	outcome = save(sys, cpu, page, clean_only);
	if (outcome != OUTCOME_GO_ON)
		return outcome;
	return forget(sys, page);
}

/* ---------------------------------------------------------------- one batch */

static void put_back(struct mm_system *sys, struct page *page, enum outcome outcome)
{
	if (outcome == OUTCOME_ACTIVATE) {
		page_set(page, PG_ACTIVE);
		COUNT(sys, reclaim_activated, 1);
	}
	/* It will be used: its slot is wanted more by others where slots are few. */
	if (page_test(page, PG_SWAPCACHE) && outcome == OUTCOME_ACTIVATE && swap_is_tight(sys))
		swap_try_free(sys, page);
}

uint64_t reclaim_pages(struct mm_system *sys, struct list_head *pages, bool ignore_references)
{
	struct mm_cpu *cpu = this_cpu(sys);
	struct page *gone[RECLAIM_BATCH];
	uint64_t freed = 0, scanned = 0;
	unsigned int nr = 0;

	for (; !list_empty(pages); scanned++) {
		struct page *page = list_entry(pages->next, struct page, lru);
		enum outcome outcome = OUTCOME_KEEP;

		list_del_init(&page->lru);
		if (page_trylock(page)) {
			outcome = reclaim_page(sys, cpu, page, ignore_references);
			if (outcome != OUTCOME_FREED)
				put_back(sys, page, outcome);
			page_unlock(sys, page);
		}
		if (outcome == OUTCOME_FREED)
			freed++;
		else
			lru_put_back(sys, page);
		if (page_put_is_last(page))
			gone[nr++] = page;
		if (nr == RECLAIM_BATCH) {
			pages_free(sys, gone, nr);
			nr = 0;
		}
	}
	pages_free(sys, gone, nr);
	COUNT_ON(cpu, reclaim_scanned, scanned);
	COUNT_ON(cpu, reclaim_freed, freed);
	return freed;
}

static uint64_t shrink_inactive(struct mm_system *sys, enum lru_list list, unsigned int nr)
{
	struct list_head pages;

	list_init(&pages);
	lru_isolate(sys, list, nr, &pages);
	return reclaim_pages(sys, &pages, false);
}

/* Ageing without the lock is for anonymous pages; a file's may lose its owner meanwhile. */
static bool text_in_use(struct mm_system *sys, struct page *page)
{
	uint64_t vm_flags = 0;
	bool anon = rmap_page_is_anon(&page->rmap);
	int used;

	if (!anon && !page_trylock(page))
		return false;
	used = page_referenced(sys, page, !anon, &vm_flags);
	if (!anon)
		page_unlock(sys, page);
	return used > 0 && (vm_flags & VM_EXEC) && !page_test(page, PG_SWAPBACKED);
}

static void shrink_active(struct mm_system *sys, enum lru_list list, unsigned int nr)
{
	struct list_head pages;

	list_init(&pages);
	lru_isolate(sys, list, nr, &pages);
	while (!list_empty(&pages)) {
		struct page *page = list_entry(pages.next, struct page, lru);

		list_del_init(&page->lru);
		if (!text_in_use(sys, page))
			page_clear(page, PG_ACTIVE);
		lru_put_back(sys, page);
		page_put(sys, page);
	}
}

/* ---------------------------------------------------------------- which lists, how much */

static uint64_t list_size(const struct mm_system *sys, enum lru_list list)
{
	return atomic_load_explicit(&sys->nr_lru[list], memory_order_relaxed);
}

/* Large memories need a smaller part of it inactive: one in sqrt(10 × GiB). */
static bool inactive_is_low(const struct mm_system *sys, enum lru_list inactive)
{
	uint64_t few = list_size(sys, inactive), many = list_size(sys, inactive + 1);
	uint64_t gib = ((few + many) << RMAP_PAGE_SHIFT) >> 30, ratio = 1;

	while (gib && (ratio + 1) * (ratio + 1) <= 10 * gib)
		ratio++;
	return few * ratio < many;
}

/* How many pages of each list to look at in this round. */
static bool scan_counts(struct mm_system *sys, unsigned int priority, uint64_t nr[LRU_UNEVICTABLE])
{
	bool anon = swap_has_room(sys), any = false;

	lru_drain(sys);
	for (unsigned int list = 0; list < LRU_UNEVICTABLE; list++) {
		bool is_anon = list == LRU_INACTIVE_ANON || list == LRU_ACTIVE_ANON;
		uint64_t size = list_size(sys, list);

		nr[list] = size >> priority;
		if (priority)
			nr[list] = nr[list] * (is_anon ? SWAPPINESS : 200 - SWAPPINESS) / 100;
		if (is_anon && !anon)
			nr[list] = 0;
		any |= nr[list] != 0;
	}
	return any;
}

static unsigned int take_batch(uint64_t *nr)
{
	unsigned int n = *nr < RECLAIM_BATCH ? (unsigned int)*nr : RECLAIM_BATCH;

	*nr -= n;
	return n;
}

/* One round over all lists at a priority, until target are freed. */
static uint64_t shrink_lists(struct mm_system *sys, unsigned int priority, uint64_t target)
{
	uint64_t nr[LRU_UNEVICTABLE], freed = 0;

	if (!scan_counts(sys, priority, nr))
		return 0;
	while (freed < target && (nr[0] | nr[1] | nr[2] | nr[3])) {
		for (unsigned int list = 0; list < LRU_UNEVICTABLE; list += 2) {
			unsigned int inactive = take_batch(&nr[list]);
			unsigned int active = take_batch(&nr[list + 1]);

			if (active && inactive_is_low(sys, list))
				shrink_active(sys, list + 1, active);
			if (inactive)
				freed += shrink_inactive(sys, list, inactive);
		}
	}
	return freed;
}

uint64_t reclaim_direct(struct mm_system *sys, uint64_t nr)
{
	uint64_t freed = 0;

	for (int priority = RECLAIM_PRIORITY; priority >= 0 && freed < nr; priority--)
		freed += shrink_lists(sys, (unsigned int)priority, nr - freed);
	return freed;
}

uint64_t reclaim_all(struct mm_system *sys)
{
	uint64_t freed = 0, before;

	do {
		before = freed;
		lru_drain(sys);
		for (unsigned int list = 0; list < LRU_UNEVICTABLE; list++) {
			/* Who stays returns to the head: each is looked at once. */
			uint64_t nr = list_size(sys, list);

			while (nr) {
				struct list_head pages;

				list_init(&pages);
				if (!lru_isolate(sys, list, take_batch(&nr), &pages))
					break;
				freed += reclaim_pages(sys, &pages, true);
			}
		}
	} while (freed != before);
	return freed;
}

/* ---------------------------------------------------------------- the calls */

uint64_t mm_reclaim(struct mm_system *sys, uint64_t nr)
{
	uint64_t freed = 0, now;

	do {
		now = reclaim_direct(sys, nr - freed);
		freed += now;
	} while (now && freed < nr);
	return freed;
}

void mm_balance(struct mm_system *sys)
{
	uint64_t high = sys->watermark[WATERMARK_HIGH];
	uint64_t free = frames_free(sys);

	if (free < sys->watermark[WATERMARK_LOW])
		mm_reclaim(sys, high - free);
}
