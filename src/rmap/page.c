// SPDX-License-Identifier: BSD-2-Clause
/*
 * Events about pages at PTEs, and about swap slots.
 *
 * None of them fails, sleeps or takes a lock here: the callers' are enough, but for spin locks of a design's own. Map counts, result
 * masks and the exclusive flag are kept here for all designs; owners are the design's. Runs of pages come in one call, so what does not
 * depend on the page is decided once for up to 64 of them.
 */
#include "count.h"
#include "design.h"
#include "valid.h"

/* A page that nobody else knows. Owner and index were stored before: whoever sees the count sees them. */
static inline void map_new(struct rmap_page *page, uint32_t exclusive)
{
	atomic_store_explicit(&page->exclusive, exclusive, memory_order_relaxed);
	atomic_store_explicit(&page->mapcount, 1, memory_order_release);
}

static uint64_t map_new_pages(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			      struct rmap_vma *vma, uint64_t addr, unsigned int flags)
{
	bool exclusive = flags & RMAP_MAP_EXCLUSIVE;
	uint64_t index = rmap_page_index(rmap, vma, addr);

	RMAP_ASSERT(rmap->port,
		    ops_of(rmap)->vma_faulted == NULL || ops_of(rmap)->vma_faulted(vma));
	for (unsigned int i = 0; i < nr; i++) {
		RMAP_ASSERT(rmap->port, rmap_page_mapcount(pages[i]) == 0);
		pages[i]->index = index + i;
	}
	if (ops_of(rmap)->page_new)
		ops_of(rmap)->page_new(rmap, pages, nr, vma, addr, exclusive);
	for (unsigned int i = 0; i < nr; i++)
		map_new(pages[i], exclusive);
	return ~(uint64_t)0 >> (64 - nr);
}

uint64_t rmap_page_index(const struct rmap *rmap, const struct rmap_vma *vma, uint64_t addr)
{
	if (ops_of(rmap)->page_index)
		return ops_of(rmap)->page_index(vma, addr);
	return rmap_vma_index(vma, addr);
}

/* Has the page the index of this place? A design without owners does not care for that of an anonymous page. */
__attribute__((unused)) static inline bool rmap_page_index_valid(const struct rmap *rmap,
								 const struct rmap_page *page,
								 const struct rmap_vma *vma,
								 uint64_t addr)
{
	if (!rmap_page_is_anon(page))
		return page->index == rmap_vma_index(vma, addr);
	return !ops_of(rmap)->page_owner || page->index == rmap_page_index(rmap, vma, addr);
}

static uint64_t map_known_pages(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
				struct rmap_vma *vma, uint64_t addr, unsigned int flags)
{
	uint64_t was_unmapped = 0;

	for (unsigned int i = 0; i < nr; i++) {
		struct rmap_page *page = pages[i];

		/* Whose alone it is may have moved the entry that stood for it, and the design numbers it anew. */
		RMAP_DEBUG_ASSERT(
			rmap->port,
			(flags & RMAP_MAP_EXCLUSIVE) ||
				rmap_page_index_valid(rmap, page, vma,
						      addr + ((uint64_t)i << RMAP_PAGE_SHIFT)));
		if (atomic_fetch_add_explicit(&page->mapcount, 1, memory_order_relaxed) == 0)
			was_unmapped |= (uint64_t)1 << i;
		else
			RMAP_ASSERT(rmap->port, !(flags & RMAP_MAP_EXCLUSIVE));
		if (!(flags & RMAP_MAP_EXCLUSIVE))
			continue;
		atomic_store_explicit(&page->exclusive, 1, memory_order_relaxed);
		if (ops_of(rmap)->page_alone)
			ops_of(rmap)->page_alone(rmap, page, vma,
						 addr + ((uint64_t)i << RMAP_PAGE_SHIFT));
	}
	(void)vma;
	(void)addr;
	return was_unmapped;
}

uint64_t rmap_page_map(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
		       struct rmap_vma *vma, uint64_t addr, void *pte, unsigned int flags,
		       struct rmap_reserve *reserve)
{
	uint64_t was_unmapped;

	RMAP_ASSERT(rmap->port, nr >= 1 && nr <= RMAP_RUN_MAX);
	if (flags & RMAP_MAP_NEW)
		was_unmapped = map_new_pages(rmap, pages, nr, vma, addr, flags);
	else
		was_unmapped = map_known_pages(rmap, pages, nr, vma, addr, flags);
	if (ops_of(rmap)->page_map)
		ops_of(rmap)->page_map(rmap, pages, nr, vma, addr, pte, flags, reserve);
	for (unsigned int i = 0; i < nr; i++)
		RMAP_DEBUG_ASSERT(rmap->port, rmap_page_valid(pages[i]));
	return was_unmapped;
}

/* Others may have the page, which vma's mm is about to unmap: only if it ever forked can they have it from there. */
static inline void leave_page(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma)
{
	if (ops_of(rmap)->page_leave && rmap_page_is_anon(page) &&
	    atomic_load_explicit(&vma->mm->forked, memory_order_relaxed))
		ops_of(rmap)->page_leave(rmap, page, vma);
}

/* True when nothing maps the page now. */
static inline bool unmap_one(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma)
{
	uint32_t old;

	/*
	 * Of an exclusive page this is the only PTE and its PTL is held: nobody else can change the count, and the store spares
	 * an interlocked operation per page at exit.
	 */
	if (rmap_page_is_exclusive(page)) {
		RMAP_ASSERT(rmap->port, rmap_page_mapcount(page) == 1);
		atomic_store_explicit(&page->exclusive, 0, memory_order_relaxed);
		atomic_store_explicit(&page->mapcount, 0, memory_order_release);
		return true;
	}
	leave_page(rmap, page, vma);
	old = atomic_fetch_sub_explicit(&page->mapcount, 1, memory_order_release);
	RMAP_ASSERT(rmap->port, old != 0);
	return old == 1;
}

uint64_t rmap_page_unmap(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			 struct rmap_vma *vma, uint64_t addr, void *pte)
{
	uint64_t now_unmapped = 0;

	RMAP_ASSERT(rmap->port, nr >= 1 && nr <= RMAP_RUN_MAX);
	for (unsigned int i = 0; i < nr; i++)
		RMAP_DEBUG_ASSERT(rmap->port, rmap_page_valid(pages[i]));
	/* First, since where others map a page too, it may be gone as soon as the count no longer counts this one. */
	if (ops_of(rmap)->page_unmap)
		ops_of(rmap)->page_unmap(rmap, pages, nr, vma, addr, pte);
	for (unsigned int i = 0; i < nr; i++) {
		if (unmap_one(rmap, pages[i], vma))
			now_unmapped |= (uint64_t)1 << i;
	}
	return now_unmapped;
}

void rmap_page_moved(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
		     struct rmap_vma *dst, uint64_t new_addr, void *new_pte, struct rmap_vma *src,
		     uint64_t old_addr, void *old_pte)
{
	if (ops_of(rmap)->page_moved)
		ops_of(rmap)->page_moved(rmap, pages, nr, dst, new_addr, new_pte, src, old_addr,
					 old_pte);
	if (src == dst && ops_of(rmap)->page_slid)
		ops_of(rmap)->page_slid(rmap, pages, nr, dst, new_addr);
}

bool rmap_page_may_move(const struct rmap *rmap, const struct rmap_page *page, bool entry)
{
	return !ops_of(rmap)->page_may_move || !rmap_page_is_anon(page) ||
	       ops_of(rmap)->page_may_move(page, entry);
}

bool rmap_page_fits(const struct rmap *rmap, const struct rmap_page *page,
		    const struct rmap_vma *vma, uint64_t addr)
{
	return !ops_of(rmap)->page_fits || ops_of(rmap)->page_fits(page, vma, addr);
}

void rmap_page_adopt(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma, uint64_t addr)
{
	RMAP_ASSERT(rmap->port, rmap_page_is_anon(page) && rmap_page_mapcount(page) == 1);
	if (ops_of(rmap)->page_adopt)
		ops_of(rmap)->page_adopt(rmap, page, vma, addr);
	atomic_store_explicit(&page->exclusive, 1, memory_order_relaxed);
	count_event(&rmap_counting(rmap)->adopted);
}

void *rmap_page_pin(struct rmap *rmap, struct rmap_page *page)
{
	if (!ops_of(rmap)->page_pin || !rmap_page_is_anon(page))
		return NULL;
	return ops_of(rmap)->page_pin(rmap, page);
}

void rmap_page_unpin(struct rmap *rmap, void *pin)
{
	if (pin)
		ops_of(rmap)->page_unpin(rmap, pin);
}

bool rmap_page_to_entry(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
			uint64_t addr, void *pte)
{
	bool last = unmap_one(rmap, page, vma);

	if (ops_of(rmap)->page_to_entry)
		ops_of(rmap)->page_to_entry(rmap, page, pte);
	else if (ops_of(rmap)->page_unmap)
		ops_of(rmap)->page_unmap(rmap, &page, 1, vma, addr, pte);
	return last;
}

bool rmap_page_from_entry(struct rmap *rmap, struct rmap_page *page, struct rmap_page *old_page,
			  struct rmap_vma *vma, uint64_t addr, void *pte, unsigned int flags)
{
	bool first = map_known_pages(rmap, &page, 1, vma, addr, flags) != 0;

	if (ops_of(rmap)->page_from_entry)
		ops_of(rmap)->page_from_entry(rmap, page, old_page, pte);
	else if (ops_of(rmap)->page_map)
		ops_of(rmap)->page_map(rmap, &page, 1, vma, addr, pte, flags, NULL);
	return first;
}

void rmap_entry_copied(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
		       uint64_t addr, void *pte, struct rmap_reserve *reserve)
{
	(void)vma;
	(void)addr;
	if (ops_of(rmap)->entry_copied)
		ops_of(rmap)->entry_copied(rmap, page, pte, reserve);
}

void rmap_entry_gone(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma, uint64_t addr,
		     void *pte)
{
	(void)vma;
	(void)addr;
	if (ops_of(rmap)->entry_gone)
		ops_of(rmap)->entry_gone(rmap, page, pte);
}

void rmap_migrate_end(struct rmap *rmap, struct rmap_page *new_page, struct rmap_page *old_page)
{
	if (ops_of(rmap)->migrate_end)
		ops_of(rmap)->migrate_end(rmap, new_page, old_page);
}

void rmap_page_replace(struct rmap *rmap, struct rmap_page *new_page, struct rmap_page *old_page)
{
	RMAP_ASSERT(rmap->port,
		    rmap_page_mapcount(old_page) == 0 && rmap_page_mapcount(new_page) == 0);
	new_page->index = old_page->index;
	atomic_store_explicit(&new_page->exclusive, rmap_page_is_exclusive(old_page),
			      memory_order_relaxed);
	atomic_store_explicit(&new_page->mapping,
			      atomic_load_explicit(&old_page->mapping, memory_order_relaxed),
			      memory_order_release);
	if (ops_of(rmap)->page_replace)
		ops_of(rmap)->page_replace(rmap, new_page, old_page);
}

void rmap_page_free(struct rmap *rmap, struct rmap_page *page)
{
	uintptr_t mapping = atomic_load_explicit(&page->mapping, memory_order_relaxed);

	RMAP_ASSERT(rmap->port, rmap_page_mapcount(page) == 0);
	if (ops_of(rmap)->page_free &&
	    (!ops_of(rmap)->counted || (mapping & ops_of(rmap)->counted)))
		ops_of(rmap)->page_free(rmap, page);
	atomic_store_explicit(&page->mapping, 0, memory_order_relaxed);
	atomic_store_explicit(&page->exclusive, 0, memory_order_relaxed);
	/* In one piece: a checker may look at a table page that is on its way out. */
	__atomic_store_n(&page->index, 0, __ATOMIC_RELAXED);
	atomic_store_explicit(&page->design, 0, memory_order_relaxed);
}

void rmap_page_set_file(struct rmap_page *page, struct rmap_file *file, uint64_t index)
{
	page->index = index;
	atomic_store_explicit(&page->mapping, (uintptr_t)file, memory_order_release);
}

void rmap_page_clear_file(struct rmap_page *page)
{
	atomic_store_explicit(&page->mapping, 0, memory_order_release);
}

/* ---------------------------------------------------------------- what is set aside */

int rmap_reserve(struct rmap *rmap, struct rmap_reserve *reserve, unsigned int n)
{
	if (!ops_of(rmap)->reserve)
		return RMAP_OK;
	if (!reserve->objects.next)
		list_init(&reserve->objects);
	RMAP_DEBUG_ASSERT(rmap->port, rmap_reserve_valid(reserve));
	return ops_of(rmap)->reserve(rmap, reserve, n);
}

void rmap_unreserve(struct rmap *rmap, struct rmap_reserve *reserve)
{
	RMAP_DEBUG_ASSERT(rmap->port, rmap_reserve_valid(reserve));
	if (ops_of(rmap)->unreserve && reserve->nr)
		ops_of(rmap)->unreserve(rmap, reserve);
}

/* ---------------------------------------------------------------- swap slots */

void rmap_slot_fill(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	if (ops_of(rmap)->slot_fill)
		ops_of(rmap)->slot_fill(rmap, slot, page);
	RMAP_DEBUG_ASSERT(rmap->port, rmap_slot_valid(slot));
}

void rmap_slot_dup(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	if (ops_of(rmap)->slot_dup)
		ops_of(rmap)->slot_dup(rmap, slot, page);
	RMAP_DEBUG_ASSERT(rmap->port, rmap_slot_valid(slot));
}

void rmap_slot_restore(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page,
		       struct rmap_vma *vma, uint64_t addr)
{
	if (ops_of(rmap)->slot_restore)
		ops_of(rmap)->slot_restore(rmap, slot, page, vma, addr);
	RMAP_DEBUG_ASSERT(rmap->port, rmap_slot_valid(slot));
}

void rmap_slot_rejoin(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	if (ops_of(rmap)->slot_rejoin)
		ops_of(rmap)->slot_rejoin(rmap, slot, page);
	RMAP_DEBUG_ASSERT(rmap->port, rmap_slot_valid(slot));
}

void rmap_slot_refill(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	if (ops_of(rmap)->slot_refill)
		ops_of(rmap)->slot_refill(rmap, slot, page);
	RMAP_DEBUG_ASSERT(rmap->port, rmap_slot_valid(slot));
}

void rmap_slot_free(struct rmap *rmap, struct rmap_slot *slot)
{
	if (ops_of(rmap)->slot_free &&
	    (!ops_of(rmap)->counted || (slot->owner & ops_of(rmap)->counted)))
		ops_of(rmap)->slot_free(rmap, slot);
	slot->owner = 0;
	slot->index = 0;
}
