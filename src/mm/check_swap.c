// SPDX-License-Identifier: BSD-2-Clause
/*
 * Swap slots: how many entries name each, and who caches it.
 *
 * The entries were counted from the page tables and from the trees of shared memory files. The search for slots in use ends
 * where as many were found as the map says; if entries name others, the map is wrong about how many there are.
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
		return check_wrong(c, "slot %lu: it is cached in page %lu, which does not say so", number, pfn);
	c->pages[pfn].facts |= FACT_CACHE;
	return 0;
}

static int check_slot(struct check *c, uint64_t number, const struct swap_slot *slot)
{
	if (slot->count != c->slot_entries[number])
		return check_wrong(c, "slot %lu: it counts %u entries, %u name it", number, slot->count,
				   c->slot_entries[number]);
	if (!(slot->flags & SWAP_SLOT_USED)) {
		if (slot->count || slot->cache)
			return check_wrong(c, "slot %lu: it is free, but %s", number,
					   slot->cache ? "cached" : "entries name it");
		return 0;
	}
	if (!slot->count && !slot->cache)
		return check_wrong(c, "slot %lu: it is in use, but nothing names or caches it", number);
	return slot->cache ? check_cache(c, number, slot) : 0;
}

int check_swap(struct check *c)
{
	const struct swap_map *swap = &c->sys->swap;
	uint64_t used = 0, cached = 0, number = 0, entries = 0;
	int error = 0;

	while (number < swap->nr_slots && used < swap->used && !error) {
		const struct swap_slot *slot = &swap->slots[number];

		if (slot->flags & SWAP_SLOT_USED)
			used++;
		if (slot->cache)
			cached++;
		entries += c->slot_entries[number];
		error = check_slot(c, number++, slot);
	}
	for (; entries < c->swap_entries && !error; number++) {
		entries += c->slot_entries[number];
		if (swap->slots[number].flags & SWAP_SLOT_USED)
			used++;
		if (c->slot_entries[number])
			error = check_slot(c, number, &swap->slots[number]);
	}
	if (error)
		return error;
	if (used != swap->used || cached != swap->cached)
		return check_wrong(c, "swap counts %lu slots in use, %lu cached, and has %lu, %lu cached", swap->used,
				   swap->cached, used, cached);
	return 0;
}
