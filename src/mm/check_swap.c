// SPDX-License-Identifier: BSD-2-Clause
/*
 * Swap slots: how many entries name each, who caches it, and which are free.
 *
 * The entries were counted from the page tables and from the trees of shared memory files. Slots from map->next on were never
 * used and are not looked at.
 */
#include "check.h"

static int check_cache(struct check *c, uint64_t number, const struct swap_slot *slot)
{
	const struct page *page = slot->cache;
	uint64_t pfn;

	if (page < c->sys->pages || page >= c->sys->pages + c->nr_pages)
		return check_wrong(c, "slot %lu: it is cached in what is no page", number);
	pfn = page_to_pfn(c->sys, page);
	if (page_refs(page) == 0 || !page_test(page, PG_SWAPCACHE) || page->private != number)
		return check_wrong(c, "slot %lu: it is cached in page %lu, which does not say so",
				   number, pfn);
	c->pages[pfn].facts |= FACT_CACHE;
	return 0;
}

static int check_slot(struct check *c, uint64_t number, const struct swap_slot *slot)
{
	if (slot->count != c->slot_entries[number])
		return check_wrong(c, "slot %lu: it counts %u entries, %u name it", number,
				   slot->count, c->slot_entries[number]);
	if (!(slot->flags & SWAP_SLOT_USED)) {
		if (slot->count || slot->cache)
			return check_wrong(c, "slot %lu: it is free, but %s", number,
					   slot->cache ? "cached" : "entries name it");
		return 0;
	}
	if (!slot->count && !slot->cache)
		return check_wrong(c, "slot %lu: it is in use, but nothing names or caches it",
				   number);
	return slot->cache ? check_cache(c, number, slot) : 0;
}

/* Those that may be handed out again are on the list, each once, and no others. */
static int check_free_slots(struct check *c, uint64_t free)
{
	const struct swap_map *swap = &c->sys->swap;
	uint64_t number = swap->free, listed = 0;

	for (; number != SWAP_NONE && listed <= free; number = swap->slots[number].next_free) {
		if (number >= swap->next ||
		    swap->slots[number].flags & (SWAP_SLOT_USED | SWAP_SLOT_BAD))
			return check_wrong(c,
					   "slot %lu is on the list of free slots, but is not free",
					   number);
		listed++;
	}
	if (listed != free)
		return check_wrong(c, "%lu swap slots are free, on the list are %s", free,
				   listed < free ? "less" : "more");
	return 0;
}

static int check_slots(struct check *c)
{
	const struct swap_map *swap = &c->sys->swap;
	uint64_t used = 0, cached = 0, bad = 0, free = 0;

	for (uint64_t number = 0; number < swap->next; number++) {
		const struct swap_slot *slot = &swap->slots[number];
		int error = check_slot(c, number, slot);

		if (error)
			return error;
		used += slot->flags & SWAP_SLOT_USED ? 1 : 0;
		cached += slot->cache ? 1 : 0;
		bad += slot->flags & SWAP_SLOT_BAD ? 1 : 0;
		free += slot->flags & (SWAP_SLOT_USED | SWAP_SLOT_BAD) ? 0 : 1;
	}
	if (used != swap->used || cached != swap->cached || bad != swap->bad)
		return check_wrong(
			c,
			"swap counts %lu slots in use, %lu cached, %lu bad, and has %lu, %lu, %lu",
			swap->used, swap->cached, swap->bad, used, cached, bad);
	return check_free_slots(c, free);
}

/* Where swapoff looks: only address spaces that are there. */
static int check_mms(struct check *c)
{
	struct list_head *head = &c->sys->swap.mms, *pos;
	uint64_t nr;
	int error = check_list(c, head, "address spaces with swap entries", &nr);

	if (error)
		return error;
	list_for_each(pos, head) {
		const struct mm *mm = list_entry(pos, struct mm, swap_list);

		if (!check_map_find(&c->mm_of, &mm->rmap, false))
			return check_wrong(
				c, "swapoff would look into an address space that is not there");
	}
	return 0;
}

int check_swap(struct check *c)
{
	struct swap_map *swap = &c->sys->swap;
	int error;

	rmap_spin_lock(&swap->lock);
	error = check_slots(c);
	rmap_spin_unlock(&swap->lock);
	if (error)
		return error;
	rmap_spin_lock(&swap->mms_lock);
	error = check_mms(c);
	rmap_spin_unlock(&swap->mms_lock);
	return error;
}
