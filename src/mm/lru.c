// SPDX-License-Identifier: BSD-2-Clause
/*
 * The LRU lists: which page to take next when memory is short.
 *
 * Five lists as on Linux: anonymous pages and file pages, each inactive and active, and the pages that cannot go. New pages
 * enter at the head of their inactive list, reclaim takes from the tails. Which list a page belongs on is said by its flags;
 * which list it *is* on stands in three more bits of them, since the flags may change before the page is moved.
 *
 * A list holds no reference. page_free() takes a page off its list, so whoever meets a page here must first get a reference,
 * which fails for a page on its way out; such pages are passed by. One spin lock guards all lists; every function is O(1) but
 * the batch of lru_isolate().
 */
#include "mm_types.h"

void lru_init(struct mm_system *sys)
{
	rmap_spin_init(&sys->lru_lock, RMAP_LOCK_LRU);
	for (int i = 0; i < LRU_LISTS; i++) {
		list_init(&sys->lru[i]);
		atomic_store_explicit(&sys->nr_lru[i], 0, memory_order_relaxed);
	}
}

enum lru_list lru_list_of(const struct page *page)
{
	uint32_t flags = atomic_load_explicit(&page->flags, memory_order_relaxed);

	if (flags & PG_MLOCKED)
		return LRU_UNEVICTABLE;
	if (flags & PG_SWAPBACKED)
		return flags & PG_ACTIVE ? LRU_ACTIVE_ANON : LRU_INACTIVE_ANON;
	return flags & PG_ACTIVE ? LRU_ACTIVE_FILE : LRU_INACTIVE_FILE;
}

/* LRU lock held; the page is on no list. */
static void link_page(struct mm_system *sys, struct page *page)
{
	enum lru_list list = lru_list_of(page);
	uint32_t set = PG_LRU | ((uint32_t)list << PG_LRU_LIST_SHIFT);

	rmap_assert_spin_held(&sys->lru_lock);
	if (list == LRU_UNEVICTABLE)
		set |= PG_UNEVICTABLE;
	atomic_fetch_or_explicit(&page->flags, set, memory_order_relaxed);
	list_add(&page->lru, &sys->lru[list]);
	atomic_fetch_add_explicit(&sys->nr_lru[list], 1, memory_order_relaxed);
}

/* LRU lock held; the page is on a list. */
static void unlink_page(struct mm_system *sys, struct page *page)
{
	enum lru_list list = lru_list_on(page);

	rmap_assert_spin_held(&sys->lru_lock);
	list_del_init(&page->lru);
	atomic_fetch_sub_explicit(&sys->nr_lru[list], 1, memory_order_relaxed);
	atomic_fetch_and_explicit(&page->flags, ~(uint32_t)(PG_LRU | PG_LRU_LIST | PG_UNEVICTABLE),
				  memory_order_relaxed);
}

void lru_add(struct mm_system *sys, struct page *page)
{
	rmap_spin_lock(&sys->lru_lock);
	if (!page_test(page, PG_LRU))
		link_page(sys, page);
	rmap_spin_unlock(&sys->lru_lock);
}

bool lru_del(struct mm_system *sys, struct page *page)
{
	bool on;

	rmap_spin_lock(&sys->lru_lock);
	on = page_test(page, PG_LRU);
	if (on)
		unlink_page(sys, page);
	rmap_spin_unlock(&sys->lru_lock);
	return on;
}

void lru_move(struct mm_system *sys, struct page *page)
{
	rmap_spin_lock(&sys->lru_lock);
	if (page_test(page, PG_LRU)) {
		unlink_page(sys, page);
		link_page(sys, page);
	}
	rmap_spin_unlock(&sys->lru_lock);
}

void lru_mark_accessed(struct mm_system *sys, struct page *page)
{
	if (!page_set(page, PG_REFERENCED))
		return;
	if (page_test(page, PG_ACTIVE | PG_MLOCKED))
		return;
	page_set(page, PG_ACTIVE);
	page_clear(page, PG_REFERENCED);
	lru_move(sys, page);
}

unsigned int lru_isolate(struct mm_system *sys, enum lru_list list, unsigned int max,
			 struct list_head *out)
{
	struct list_head *pos, *before;
	unsigned int taken = 0;

	rmap_spin_lock(&sys->lru_lock);
	for (pos = sys->lru[list].prev; pos != &sys->lru[list] && taken < max; pos = before) {
		struct page *page = list_entry(pos, struct page, lru);

		before = pos->prev;
		if (!page_try_get(page))
			continue;
		unlink_page(sys, page);
		list_add_tail(&page->lru, out);
		taken++;
	}
	rmap_spin_unlock(&sys->lru_lock);
	return taken;
}

void lru_mlock(struct mm_system *sys, struct page *page)
{
	if (!page_set(page, PG_MLOCKED))
		lru_move(sys, page);
}

void lru_munlock(struct mm_system *sys, struct page *page)
{
	if (page_clear(page, PG_MLOCKED))
		lru_move(sys, page);
}
