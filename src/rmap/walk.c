// SPDX-License-Identifier: BSD-2-Clause
/*
 * Walks: find every PTE that maps a page.
 *
 * A page's mapping says who knows: a file's map of VMAs, or the design. Either offers candidates; the page table decides. See
 * walk.h for the division of labour, rmap/rmap.h for what looks, steps and found mean.
 */
#include "walk.h"
#include "count.h"

bool walk_candidate(struct rmap_walk_state *state, struct rmap_page *page, struct rmap_mm *mm,
		    struct rmap_vma *vma, uint64_t addr)
{
	const struct rmap_port *port = state->port;
	struct rmap_walk *walk = state->walk;
	enum rmap_visit next = RMAP_VISIT_NEXT;
	enum rmap_find_result result;
	struct rmap_hit hit = { .vma = vma };

	result = port->pte_find(port->tables_ctx, mm, addr, page, state->find_flags, &hit);
	if (result == RMAP_FIND_NO_SLOT)
		return true;
	walk->looks++;
	if (result != RMAP_FIND_HIT)
		return true;
	walk->found++;
	hit.vma = vma;
	if (walk->visit)
		next = walk->visit(&hit, walk->arg);
	port->pte_unlock(port->tables_ctx, &hit);
	return next == RMAP_VISIT_NEXT && walk->found < state->limit;
}

bool walk_vma(struct rmap_walk_state *state, struct rmap_page *page, struct rmap_vma *vma)
{
	uint64_t addr;

	state->walk->steps++;
	if (!rmap_vma_address(vma, page->index, &addr))
		return true;
	if (state->walk->skip && state->walk->skip(vma, state->walk->arg))
		return true;
	return walk_candidate(state, page, vma->mm, vma, addr);
}

static void count_walk(struct rmap *rmap, const struct rmap_walk *walk)
{
	struct rmap_walk_counters *c = &rmap->count.walk[walk->purpose];

	count_event(&c->walks);
	count_add(&c->looks, walk->looks);
	count_add(&c->steps, walk->steps);
	count_add(&c->found, walk->found);
	count_peak(&c->max_looks, walk->looks);
}

int rmap_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk *walk)
{
	struct rmap_walk_state state = { .walk = walk, .port = rmap->port, .limit = UINT64_MAX };
	uintptr_t mapping = atomic_load_explicit(&page->mapping, memory_order_acquire);
	int result = RMAP_OK;

	RMAP_ASSERT(rmap->port, walk->purpose < RMAP_WALK_PURPOSES);
	walk->looks = 0;
	walk->steps = 0;
	walk->found = 0;
	if (walk->flags & RMAP_WALK_ENTRIES)
		state.find_flags = RMAP_FIND_ENTRIES;
	else if (walk->flags & RMAP_WALK_STOP_AT_MAPCOUNT)
		state.limit = rmap_page_mapcount(page);

	if (!walk_wants(&state, page))
		; /* the answer is known: nowhere */
	else if ((mapping & RMAP_MAPPING_ANON) || rmap->ops->walks_file_pages)
		result = rmap->ops->walk(rmap, page, &state);
	else if (mapping)
		result = file_map_walk(rmap, (struct rmap_file *)mapping, page, &state);
	if (!(walk->flags & RMAP_WALK_CHECK))
		count_walk(rmap, walk);
	return result;
}

struct rmap_vma *rmap_hit_vma(struct rmap *rmap, struct rmap_walk *walk, struct rmap_hit *hit)
{
	if (!hit->vma) {
		hit->vma = rmap->port->vma_find(rmap->port->tables_ctx, hit->mm, hit->addr);
		walk->steps++;
	}
	return hit->vma;
}
