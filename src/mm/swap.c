// SPDX-License-Identifier: BSD-2-Clause
/*
 * The swap map: slots, their counts, and the swap cache.
 *
 * Free slots are found in constant time: those that were used before stand on a list through the slots themselves, those that
 * never were lie behind map->next. So a full device costs no search, and an unused one no memory writes.
 *
 * The cache of a slot is a pointer in it. It holds a reference to the page and is what makes a page that several address spaces
 * share come back from disk once. The rules that keep it right:
 *
 *  - PG_SWAPCACHE and page->private change with the page lock *and* the map's lock; slot->cache with the map's lock.
 *  - A page found here may leave the cache before its lock is taken: look again under the page lock (CVE-like tales of 2010
 *    are made of that).
 *  - The page leaves by reclaim only when the cache's and the reclaimer's are the only references, decided under the map's
 *    lock, where new ones would come from.
 *
 * A slot on which I/O has failed is never handed out again. Its contents stay in memory, in the cache, dirty.
 *
 * Who sees a slot's owner again: swap_add() tells tier 1 with rmap_slot_fill(); the one who maps the page anew (fault_swap,
 * swapoff) calls rmap_slot_restore() for a page that has no owner yet, since only he knows the VMA, and rmap_slot_rejoin() for one
 * that has. A page that goes out once more by the slot that it kept tells that with rmap_slot_refill(), if no entry names it.
 */
#include "mm_types.h"
#include "valid.h"

int swap_init(struct mm_system *sys)
{
	struct swap_map *map = &sys->swap;

	rmap_spin_init(&map->lock, RMAP_LOCK_SWAP);
	rmap_spin_init(&map->mms_lock, RMAP_LOCK_MM_LIST);
	list_init(&map->mms);
	map->nr_slots = sys->port->nr_swap_slots;
	map->free = SWAP_NONE;
	if (!map->nr_slots)
		return 0;
	map->slots = mm_alloc(sys, RMAP_KIND_SYSTEM, map->nr_slots * sizeof(*map->slots));
	return map->slots ? 0 : RMAP_ENOMEM;
}

void swap_destroy(struct mm_system *sys)
{
	struct swap_map *map = &sys->swap;

	MM_ASSERT(sys, map->used == 0 && map->cached == 0);
	MM_ASSERT(sys, list_empty(&map->mms));
	if (map->slots)
		mm_free(sys, RMAP_KIND_SYSTEM, map->slots, map->nr_slots * sizeof(*map->slots));
	map->slots = NULL;
}

static struct swap_slot *slot_get(struct mm_system *sys, uint64_t slot)
{
	MM_ASSERT(sys, slot < sys->swap.nr_slots);
	return &sys->swap.slots[slot];
}

/* ---------------------------------------------------------------- slots; map lock held */

static uint64_t slot_alloc(struct swap_map *map)
{
	uint64_t slot = map->free;

	rmap_assert_spin_held(&map->lock);
	if (map->state != SWAP_ON)
		return SWAP_NONE;
	if (slot != SWAP_NONE)
		map->free = map->slots[slot].next_free;
	else if (map->next < map->nr_slots)
		slot = map->next++;
	else
		return SWAP_NONE;
	map->slots[slot].rmap = (struct rmap_slot){ 0 };
	map->slots[slot].flags |= SWAP_SLOT_USED;
	map->used++;
	return slot;
}

/* Neither counted nor cached any more. */
static void slot_release(struct mm_system *sys, struct swap_slot *s)
{
	struct swap_map *map = &sys->swap;

	rmap_assert_spin_held(&map->lock);
	if (s->flags & SWAP_SLOT_ANON)
		rmap_slot_free(&sys->rmap, &s->rmap);
	s->flags &= SWAP_SLOT_BAD;
	map->used--;
	if (s->flags & SWAP_SLOT_BAD)
		return;
	s->next_free = map->free;
	map->free = (uint64_t)(s - map->slots);
}

static void slot_mark_bad(struct mm_system *sys, uint64_t slot)
{
	struct swap_map *map = &sys->swap;
	struct swap_slot *s = slot_get(sys, slot);

	rmap_spin_lock(&map->lock);
	if (!(s->flags & SWAP_SLOT_BAD)) {
		s->flags |= SWAP_SLOT_BAD;
		map->bad++;
	}
	rmap_spin_unlock(&map->lock);
}

/* ---------------------------------------------------------------- the cache; map lock and page lock held */

/* flags: what else is true of it from now on. */
static void cache_enter(struct mm_system *sys, struct page *page, uint64_t slot, uint32_t flags)
{
	struct swap_slot *s = slot_get(sys, slot);

	rmap_assert_spin_held(&sys->swap.lock);
	rmap_assert_bit_held(&page->flags);
	MM_ASSERT(sys, !s->cache && !page_test(page, PG_SWAPCACHE));
	page_get(page);
	page->private = slot;
	atomic_fetch_or_explicit(&page->flags, PG_SWAPCACHE | flags, memory_order_acq_rel);
	s->cache = page;
	sys->swap.cached++;
	MM_DEBUG_ASSERT(sys, swap_map_valid(&sys->swap) && swap_slot_valid(s));
}

/* The cache's reference passes to the caller. */
static void cache_leave(struct mm_system *sys, struct page *page)
{
	struct swap_slot *s = slot_get(sys, page->private);

	rmap_assert_spin_held(&sys->swap.lock);
	rmap_assert_bit_held(&page->flags);
	MM_ASSERT(sys, page_test(page, PG_SWAPCACHE) && s->cache == page);
	page_clear(page, PG_SWAPCACHE);
	page->private = 0;
	s->cache = NULL;
	sys->swap.cached--;
	if (!s->count)
		slot_release(sys, s);
	MM_DEBUG_ASSERT(sys, swap_map_valid(&sys->swap) && swap_slot_valid(s));
}

bool swap_add(struct mm_system *sys, struct page *page)
{
	struct swap_map *map = &sys->swap;
	struct swap_slot *s;
	uint64_t slot;

	rmap_spin_lock(&map->lock);
	slot = slot_alloc(map);
	if (slot == SWAP_NONE) {
		rmap_spin_unlock(&map->lock);
		return false;
	}
	s = slot_get(sys, slot);
	if (rmap_page_is_anon(&page->rmap)) {
		s->flags |= SWAP_SLOT_ANON;
		rmap_slot_fill(&sys->rmap, &s->rmap, &page->rmap);
	}
	cache_enter(sys, page, slot, PG_DIRTY); /* the slot has not got the contents yet */
	rmap_spin_unlock(&map->lock);
	return true;
}

void swap_cache_del(struct mm_system *sys, struct page *page)
{
	rmap_spin_lock(&sys->swap.lock);
	cache_leave(sys, page);
	rmap_spin_unlock(&sys->swap.lock);
	page_put(sys, page);
}

void swap_cache_replace(struct mm_system *sys, struct page *old, struct page *new_page)
{
	uint64_t slot = old->private;

	rmap_assert_bit_held(&old->flags);
	rmap_spin_lock(&sys->swap.lock);
	MM_ASSERT(sys, page_test(old, PG_SWAPCACHE) && slot_get(sys, slot)->cache == old);
	page_clear(old, PG_SWAPCACHE);
	old->private = 0;
	slot_get(sys, slot)->cache = NULL;
	sys->swap.cached--;
	cache_enter(sys, new_page, slot, 0);
	rmap_spin_unlock(&sys->swap.lock);
	page_put(sys, old);
}

bool swap_try_free(struct mm_system *sys, struct page *page)
{
	struct swap_map *map = &sys->swap;
	bool out;

	rmap_assert_bit_held(&page->flags);
	if (!page_test(page, PG_SWAPCACHE))
		return false;
	rmap_spin_lock(&map->lock);
	out = slot_get(sys, page->private)->count == 0;
	if (out) {
		page_set(page, PG_DIRTY); /* the contents are nowhere else now */
		cache_leave(sys, page);
	}
	rmap_spin_unlock(&map->lock);
	if (out)
		page_put(sys, page);
	return out;
}

void swap_leave(struct mm_system *sys, struct page *page)
{
	if (page_test(page, PG_SWAPCACHE) && !rmap_page_mapcount(&page->rmap) &&
	    page_trylock(page)) {
		if (!rmap_page_mapcount(&page->rmap))
			swap_try_free(sys, page);
		page_unlock(sys, page);
	}
}

void swap_put_page(struct mm_system *sys, struct page *page)
{
	swap_leave(sys, page);
	page_put(sys, page);
}

bool swap_cache_reclaim(struct mm_system *sys, struct page *page)
{
	struct swap_map *map = &sys->swap;
	uint32_t two = 2;
	bool out = false;

	rmap_assert_bit_held(&page->flags);
	rmap_spin_lock(&map->lock);
	if (atomic_compare_exchange_strong_explicit(&page->refs, &two, 1, memory_order_acq_rel,
						    memory_order_relaxed)) {
		/* Nobody else can reach it now, so that what is dirty was made so before. */
		if (page_test(page, PG_DIRTY) && slot_get(sys, page->private)->count) {
			atomic_store_explicit(&page->refs, 2, memory_order_release);
		} else {
			cache_leave(sys, page);
			out = true;
		}
	}
	rmap_spin_unlock(&map->lock);
	return out;
}

struct page *swap_cache_get(struct mm_system *sys, uint64_t slot)
{
	struct page *page;

	rmap_spin_lock(&sys->swap.lock);
	page = slot_get(sys, slot)->cache;
	if (page)
		page_get(page); /* the cache has one, as long as it is there */
	rmap_spin_unlock(&sys->swap.lock);
	return page;
}

/* ---------------------------------------------------------------- counts */

void swap_dup(struct mm_system *sys, uint64_t slot, struct page *page, bool exclusive)
{
	struct swap_slot *s = slot_get(sys, slot);

	if (page)
		rmap_assert_bit_held(&page->flags);
	rmap_spin_lock(&sys->swap.lock);
	MM_ASSERT(sys, (s->flags & SWAP_SLOT_USED) && s->count < UINT32_MAX);
	s->count++;
	/* Shared memory's, of which no page table has an entry, say that they are. */
	if (!exclusive)
		rmap_slot_dup(&sys->rmap, &s->rmap, page ? &page->rmap : NULL);
	rmap_spin_unlock(&sys->swap.lock);
}

/*
 * The last entry of a cached slot has gone: what the cache keeps is of no use to anybody but the page's mappers, if it has any.
 * Best effort, without sleeping: if the page is busy, its holder or reclaim do it.
 */
static void drop_idle_cache(struct mm_system *sys, struct page *page, uint64_t slot)
{
	if (page_trylock(page)) {
		if (page_test(page, PG_SWAPCACHE) && page->private == slot)
			swap_try_free(sys, page);
		page_unlock(sys, page);
	}
	page_put(sys, page);
}

void swap_free(struct mm_system *sys, uint64_t slot)
{
	struct swap_slot *s = slot_get(sys, slot);
	struct page *idle = NULL;

	rmap_spin_lock(&sys->swap.lock);
	MM_ASSERT(sys, (s->flags & SWAP_SLOT_USED) && s->count > 0);
	if (--s->count == 0) {
		if (!s->cache)
			slot_release(sys, s);
		else
			page_get(idle = s->cache);
	}
	rmap_spin_unlock(&sys->swap.lock);
	if (idle)
		drop_idle_cache(sys, idle, slot);
}

bool swap_slot_of(struct mm_system *sys, const struct page *page, uint64_t *slot, uint32_t *count)
{
	bool cached;

	if (!page_test(page, PG_SWAPCACHE))
		return false;
	rmap_spin_lock(&sys->swap.lock);
	cached = page_test(page, PG_SWAPCACHE);
	if (cached) {
		*slot = page->private;
		*count = slot_get(sys, page->private)->count;
	}
	rmap_spin_unlock(&sys->swap.lock);
	return cached;
}

uint32_t swap_count(struct mm_system *sys, uint64_t slot)
{
	uint32_t count;

	rmap_spin_lock(&sys->swap.lock);
	count = slot_get(sys, slot)->count;
	rmap_spin_unlock(&sys->swap.lock);
	return count;
}

bool swap_is_cached(struct mm_system *sys, uint64_t slot)
{
	bool cached;

	rmap_spin_lock(&sys->swap.lock);
	cached = slot_get(sys, slot)->cache != NULL;
	rmap_spin_unlock(&sys->swap.lock);
	return cached;
}

bool swap_has_room(struct mm_system *sys)
{
	struct swap_map *map = &sys->swap;
	bool room;

	rmap_spin_lock(&map->lock);
	room = map->cached ||
	       (map->state == SWAP_ON && (map->free != SWAP_NONE || map->next < map->nr_slots));
	rmap_spin_unlock(&map->lock);
	return room;
}

bool swap_is_tight(struct mm_system *sys)
{
	struct swap_map *map = &sys->swap;
	bool tight;

	rmap_spin_lock(&map->lock);
	tight = map->state != SWAP_ON || map->used * 2 > map->nr_slots - map->bad;
	rmap_spin_unlock(&map->lock);
	return tight;
}

bool swap_slot_again(struct mm_system *sys, struct page *page)
{
	struct swap_slot *s = slot_get(sys, page->private);
	bool good;

	rmap_assert_bit_held(&page->flags);
	rmap_spin_lock(&sys->swap.lock);
	good = !(s->flags & SWAP_SLOT_BAD);
	if (good && !s->count)
		rmap_slot_refill(&sys->rmap, &s->rmap, &page->rmap);
	rmap_spin_unlock(&sys->swap.lock);
	return good;
}

bool swap_is_off(struct mm_system *sys)
{
	bool off;

	rmap_spin_lock(&sys->swap.lock);
	off = sys->swap.state != SWAP_ON;
	rmap_spin_unlock(&sys->swap.lock);
	return off;
}

/* ---------------------------------------------------------------- address spaces that have entries */

void swap_note_mm(struct mm_system *sys, struct mm *mm)
{
	struct swap_map *map = &sys->swap;

	if (atomic_load_explicit(&mm->swap_listed, memory_order_relaxed))
		return;
	rmap_spin_lock(&map->mms_lock);
	if (list_empty(&mm->swap_list))
		list_add_tail(&mm->swap_list, &map->mms);
	atomic_store_explicit(&mm->swap_listed, 1, memory_order_relaxed);
	rmap_spin_unlock(&map->mms_lock);
}

void swap_forget_mm(struct mm_system *sys, struct mm *mm)
{
	/* Whoever was the last to give it an entry had its PTL, which unmapping took after him. */
	if (!atomic_load_explicit(&mm->swap_listed, memory_order_relaxed))
		return;
	rmap_spin_lock(&sys->swap.mms_lock);
	list_del_init(&mm->swap_list);
	atomic_store_explicit(&mm->swap_listed, 0, memory_order_relaxed);
	rmap_spin_unlock(&sys->swap.mms_lock);
}

/* ---------------------------------------------------------------- reading and writing */

int swap_write_page(struct mm_system *sys, struct mm_cpu *cpu, struct page *page)
{
	uint64_t slot = page->private;
	const struct swap_slot *s = slot_get(sys, slot);
	void *data = page_data(sys, page);
	bool wanted, bad;
	int error = 0;

	rmap_assert_bit_held(&page->flags);
	MM_ASSERT(sys, page_test(page, PG_SWAPCACHE));
	rmap_spin_lock(&sys->swap.lock);
	wanted = s->count != 0;
	bad = s->flags & SWAP_SLOT_BAD;
	rmap_spin_unlock(&sys->swap.lock);
	if (!wanted)
		return 0;
	if (bad)
		return RMAP_EIO;
	page_set(page, PG_WRITEBACK);
	page_clear(page, PG_DIRTY);
	if (data && sys->port->swap_write(sys->port->ctx, slot, data) != 0)
		error = RMAP_EIO;
	if (error) {
		slot_mark_bad(sys, slot);
		page_set(page, PG_DIRTY);
	} else {
		COUNT_ON(cpu, swap_out, 1);
	}
	page_clear(page, PG_WRITEBACK);
	return error;
}

/* Fill a locked page from the slot that it caches. 0 or RMAP_EIO. */
static int read_slot(struct mm_system *sys, struct mm_cpu *cpu, struct page *page)
{
	void *data = page_data(sys, page);

	if (data && sys->port->swap_read(sys->port->ctx, page->private, data) != 0) {
		slot_mark_bad(sys, page->private);
		return RMAP_EIO;
	}
	page_set(page, PG_UPTODATE);
	COUNT_ON(cpu, swap_in, 1);
	return 0;
}

struct page *swap_lock_page(struct mm_system *sys, struct page *page, uint64_t slot)
{
	page_lock(sys, page);
	if (page_test(page, PG_SWAPCACHE) && page->private == slot)
		return page;
	page_unlock(sys, page);
	page_put(sys, page);
	return NULL;
}

bool swap_is_ready(struct mm_system *sys, uint64_t slot)
{
	const struct page *page;
	bool ready;

	rmap_spin_lock(&sys->swap.lock);
	page = slot_get(sys, slot)->cache;
	ready = page && !page_test(page, PG_LOCKED);
	rmap_spin_unlock(&sys->swap.lock);
	return ready;
}

/* Put a fresh locked page in the cache of slot, unless somebody was first or the slot is free. */
static bool cache_fresh(struct mm_system *sys, struct page *page, uint64_t slot)
{
	struct swap_slot *s = slot_get(sys, slot);
	bool entered = false;

	rmap_spin_lock(&sys->swap.lock);
	if (s->count && !s->cache) {
		cache_enter(sys, page, slot, 0);
		entered = true;
	}
	rmap_spin_unlock(&sys->swap.lock);
	return entered;
}

/* No page caches slot: read it into a new one. *page NULL and 0: somebody was first. */
static int read_fresh(struct mm_system *sys, uint64_t slot, struct page **out)
{
	struct mm_cpu *cpu = this_cpu(sys);
	struct page *page = page_alloc_on(sys, cpu, 0);
	int error;

	*out = NULL;
	if (!page)
		return RMAP_ENOMEM;
	page_lock(sys, page);
	page_set(page, PG_SWAPBACKED);
	if (!cache_fresh(sys, page, slot)) {
		page_unlock(sys, page);
		page_put(sys, page);
		return 0;
	}
	error = read_slot(sys, cpu, page);
	if (error) {
		swap_cache_del(sys, page);
		page_unlock(sys, page);
		page_put(sys, page);
		return error;
	}
	lru_add_on(sys, cpu, page);
	*out = page;
	return 0;
}

int swap_read_page(struct mm_system *sys, uint64_t slot, struct page **out, bool *was_cached)
{
	for (;;) {
		struct swap_slot *s = slot_get(sys, slot);
		struct page *page;
		bool used;
		int error;

		rmap_spin_lock(&sys->swap.lock);
		used = s->count != 0;
		page = s->cache;
		if (page)
			page_get(page);
		rmap_spin_unlock(&sys->swap.lock);
		*out = NULL;
		if (!used && !page)
			return 0;
		if (page) {
			*out = swap_lock_page(sys, page, slot);
			if (!*out)
				continue;
			*was_cached = true;
			COUNT(sys, swap_cache_hits, 1);
			return 0;
		}
		error = read_fresh(sys, slot, out);
		if (error || *out) {
			*was_cached = false;
			return error;
		}
	}
}
