// SPDX-License-Identifier: BSD-2-Clause
/*
 * Frames: handed out, taken back, locked.
 *
 * Free frames stand on one list, the last freed first, since its lines are still in a cache. Frames that were never used stand on
 * no list at all but behind sys->untouched: a system of a hundred million frames is made without touching a descriptor.
 *
 * An allocation that finds no more than the min watermark reclaims by itself, in batches up to the high one; only those that
 * help to free memory may go below (PAGE_ALLOC_RESERVE). There is no daemon: mm_balance() is what one would call.
 */
#include "mm_types.h"
#include "reclaim.h"
#include "valid.h"

int frames_init(struct mm_system *sys)
{
	rmap_spin_init(&sys->frame_lock, RMAP_LOCK_FRAMES);
	list_init(&sys->free_frames);
	sys->zero_page = pfn_to_page(sys, 0);
	sys->untouched = 1;
	atomic_store(&sys->nr_free, sys->nr_frames - 1);
	atomic_store(&sys->zero_page->refs, 1);
	atomic_store(&sys->zero_page->flags, PG_RESERVED | PG_UPTODATE);
	list_init(&sys->zero_page->lru);
	page_zero(sys, sys->zero_page);
	return 0;
}

void frames_destroy(struct mm_system *sys)
{
	uint64_t poisoned = 0;

	for (uint64_t pfn = 1; pfn < sys->untouched; pfn++)
		poisoned += page_test(pfn_to_page(sys, pfn), PG_POISON) != 0;
	MM_ASSERT(sys, atomic_load(&sys->nr_free) + poisoned + 1 == sys->nr_frames);
}

/* The frame lock is held: no interlocked operation is needed, only that readers without it see whole values. */
static void set_free(struct mm_system *sys, uint64_t nr)
{
	atomic_store_explicit(&sys->nr_free, nr, memory_order_relaxed);
}

/* A frame off the free list, or NULL where only the reserve is left. */
static struct page *frame_take(struct mm_system *sys, unsigned int flags)
{
	uint64_t floor = flags & PAGE_ALLOC_RESERVE ? 0 : sys->watermark[WATERMARK_MIN];
	struct page *page = NULL;
	uint64_t free;

	rmap_spin_lock(&sys->frame_lock);
	free = atomic_load_explicit(&sys->nr_free, memory_order_relaxed);
	if (free > floor) {
		if (!list_empty(&sys->free_frames)) {
			page = list_entry(sys->free_frames.next, struct page, lru);
			list_del(&page->lru);
		} else {
			page = pfn_to_page(sys, sys->untouched++);
		}
		set_free(sys, free - 1);
	}
	rmap_spin_unlock(&sys->frame_lock);
	return page;
}

/*
 * How often an allocation reclaims before it gives up, and waits. A round that frees nothing is no reason to: where all pages are in use it
 * has cleared their accessed bits, and the next one finds some that are not. Where nothing can be reclaimed at all a round is short.
 */
#define ALLOC_TRIES 8

static struct page *frame_take_hard(struct mm_system *sys, unsigned int flags)
{
	struct page *page = NULL;

	for (int i = 0; i < ALLOC_TRIES && !page; i++) {
		uint64_t free = atomic_load_explicit(&sys->nr_free, memory_order_relaxed);
		uint64_t high = sys->watermark[WATERMARK_HIGH];

		(void)reclaim_direct(sys, free < high ? high - free : 1);
		page = frame_take(sys, flags);
	}
	/*
	 * Page tables that wait for their grace period are memory too. While we waited others may have taken all that came back, and
	 * filled it with tables that wait for the next one: so more than once. With nothing deferred a barrier costs nothing.
	 */
	for (int i = 0; i < ALLOC_TRIES && !page; i++) {
		sys->port->os.rcu_barrier(sys->port->os.ctx);
		page = frame_take(sys, flags);
	}
	return page;
}

struct page *page_alloc(struct mm_system *sys, unsigned int flags)
{
	struct page *page = frame_take(sys, flags);

	if (rmap_unlikely(!page)) {
		if (flags & PAGE_ALLOC_NO_RECLAIM)
			return NULL;
		page = frame_take_hard(sys, flags);
		if (!page)
			return NULL;
	}
	list_init(&page->lru);
	page->private = 0;
	atomic_store_explicit(&page->refs, 1, memory_order_relaxed);
	if (flags & PAGE_ALLOC_TABLE)
		memset(page_address(sys, page), 0, RMAP_PAGE_SIZE);
	else if (flags & PAGE_ALLOC_ZERO)
		page_zero(sys, page);
	return page;
}

void page_free(struct mm_system *sys, struct page *page)
{
	uint32_t flags = atomic_load_explicit(&page->flags, memory_order_relaxed);

	MM_ASSERT(sys, rmap_page_mapcount(&page->rmap) == 0);
	MM_ASSERT(sys, !(flags & (PG_LOCKED | PG_SWAPCACHE | PG_WRITEBACK | PG_RESERVED)));
	if (flags & PG_LRU)
		lru_del(sys, page);
	if (flags & PG_TABLE)
		atomic_fetch_sub_explicit(&sys->nr_tables, 1, memory_order_relaxed);
	else if (rmap_page_is_anon(&page->rmap))
		atomic_fetch_sub_explicit(&sys->nr_anon, 1, memory_order_relaxed);
	rmap_page_free(&sys->rmap, &page->rmap);
	atomic_store_explicit(&page->flags, flags & PG_POISON, memory_order_relaxed);
	if (flags & PG_POISON)
		return;
	rmap_spin_lock(&sys->frame_lock);
	list_add(&page->lru, &sys->free_frames);
	set_free(sys, atomic_load_explicit(&sys->nr_free, memory_order_relaxed) + 1);
	rmap_spin_unlock(&sys->frame_lock);
}

bool page_trylock(struct page *page)
{
	if (atomic_fetch_or_explicit(&page->flags, PG_LOCKED, memory_order_acquire) & PG_LOCKED)
		return false;
	rmap_bit_lock_got(&page->flags, RMAP_LOCK_PAGE);
	return true;
}

void page_lock(struct mm_system *sys, struct page *page)
{
	const struct rmap_port *os = &sys->port->os;

	rmap_bit_lock_wait(&page->flags, RMAP_LOCK_PAGE);
	while (!page_trylock(page)) {
		uint32_t v;

		if (!os->wait) {
			rmap_cpu_relax();
			continue;
		}
		v = atomic_fetch_or_explicit(&page->flags, PG_WAITERS, memory_order_relaxed);
		if (v & PG_LOCKED)
			os->wait(os->ctx, &page->flags, v | PG_WAITERS);
	}
}

void page_unlock(struct mm_system *sys, struct page *page)
{
	const struct rmap_port *os = &sys->port->os;
	uint32_t old;

	MM_DEBUG_ASSERT(sys, page_valid(page));
	rmap_bit_lock_released(&page->flags, RMAP_LOCK_PAGE);
	old = atomic_fetch_and_explicit(&page->flags, ~(uint32_t)(PG_LOCKED | PG_WAITERS),
					memory_order_release);
	MM_ASSERT(sys, old & PG_LOCKED);
	if (rmap_unlikely(old & PG_WAITERS) && os->wake)
		os->wake(os->ctx, &page->flags);
}

void page_zero(struct mm_system *sys, struct page *page)
{
	void *data = page_data(sys, page);

	if (data)
		memset(data, 0, RMAP_PAGE_SIZE);
}

void page_copy(struct mm_system *sys, struct page *dst, struct page *src)
{
	void *data = page_data(sys, dst);

	if (data)
		memcpy(data, page_data(sys, src), RMAP_PAGE_SIZE);
}
