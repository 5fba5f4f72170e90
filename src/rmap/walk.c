// SPDX-License-Identifier: BSD-2-Clause
/*
 * Walks: find every PTE that maps a page.
 *
 * A page's mapping says who knows: a file's map of VMAs, or the design. Either offers candidates; the page table decides. See
 * walk.h for the division of labour, rmap/rmap.h for what looks, steps and found mean.
 */
#include "walk.h"
#include "count.h"

/* The walker may have wanted to pass by the VMA, and a design that knows none has to look it up to tell. */
static __attribute__((noinline)) bool skipped(struct rmap_walk_state *state, struct rmap_hit *hit)
{
	const struct rmap_port *port = state->port;

	hit->vma = port->vma_find(port->tables_ctx, hit->mm, hit->addr);
	state->walk->steps++;
	return hit->vma && state->walk->skip(hit->vma, state->walk->arg);
}

bool walk_hit(struct rmap_walk_state *state, struct rmap_hit *hit)
{
	struct rmap_walk *walk = state->walk;
	enum rmap_visit next = RMAP_VISIT_NEXT;

	if (rmap_likely(hit->vma || !walk->skip) || !skipped(state, hit)) {
		walk->found++;
		if (walk->visit)
			next = walk->visit(hit, walk->arg);
	}
	state->port->pte_unlock(state->port->tables_ctx, hit);
	return next == RMAP_VISIT_NEXT && walk->found < state->limit;
}

bool walk_candidate(struct rmap_walk_state *state, struct rmap_page *page, struct rmap_mm *mm,
		    struct rmap_vma *vma, uint64_t addr)
{
	const struct rmap_port *port = state->port;
	struct rmap_walk *walk = state->walk;
	enum rmap_find_result result;
	struct rmap_hit hit = { .vma = vma };

	result = port->pte_find(port->tables_ctx, mm, addr, page, state->find_flags, &hit);
	if (result == RMAP_FIND_NO_SLOT)
		return true;
	walk->looks++;
	if (result != RMAP_FIND_HIT)
		return true;
	hit.vma = vma;
	return walk_hit(state, &hit);
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

/*
 * The packed word: five fields, each with its upper half as head room for the additions of others between one that reaches it and
 * its unpacking. A short walk adds at most a 64th of that.
 */
enum {
	WALKS_SHIFT = 0,  /* 12 bits */
	LOCKS_SHIFT = 12, /* 12 */
	FOUND_SHIFT = 24, /* 13 */
	LOOKS_SHIFT = 37, /* 13 */
	STEPS_SHIFT = 50, /* 14 */
	SHORT_WALK = 63,  /* steps of the longest that is packed */
};

#define FULL                                                                                       \
	((uint64_t)1 << (LOCKS_SHIFT - 1) | (uint64_t)1 << (FOUND_SHIFT - 1) |                     \
	 (uint64_t)1 << (LOOKS_SHIFT - 1) | (uint64_t)1 << (STEPS_SHIFT - 1) | (uint64_t)1 << 63)

static inline uint64_t field(uint64_t packed, unsigned int shift, unsigned int bits)
{
	return packed >> shift & (((uint64_t)1 << bits) - 1);
}

static void unpack_recent(struct rmap_counters *all, struct rmap_walk_counters *c)
{
	uint64_t packed = atomic_exchange_explicit(&c->recent, 0, memory_order_relaxed);

	count_add(&c->walks, field(packed, WALKS_SHIFT, 12));
	count_add(&all->locks_family, field(packed, LOCKS_SHIFT, 12));
	count_add(&c->found, field(packed, FOUND_SHIFT, 13));
	count_add(&c->looks, field(packed, LOOKS_SHIFT, 13));
	count_add(&c->steps, field(packed, STEPS_SHIFT, 14));
}

static inline uint64_t counted(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_walks(const struct rmap_walk_counters *c, struct rmap_walk_counts *out)
{
	out->walks += counted(&c->walks);
	out->looks += counted(&c->looks);
	out->steps += counted(&c->steps);
	out->found += counted(&c->found);
	if (counted(&c->max_looks) > out->max_looks)
		out->max_looks = counted(&c->max_looks);
}

static void add_counts(struct rmap_counters *c, struct rmap_counts *out)
{
	for (unsigned int i = 0; i < RMAP_WALK_PURPOSES; i++) {
		unpack_recent(c, &c->walk[i]);
		add_walks(&c->walk[i], &out->walk[i]);
	}
	for (unsigned int i = 0; i < RMAP_KIND_TIER1_END; i++)
		out->object[i].allocated += counted(&c->object[i].freed);
	out->anon_vma_reused += counted(&c->anon_vma_reused);
	out->anon_vma_shared += counted(&c->anon_vma_shared);
	out->adopted += counted(&c->adopted);
	out->merges_refused += counted(&c->merges_refused);
	out->locks_page += counted(&c->locks_page);
	out->locks_mm += counted(&c->locks_mm);
	out->locks_family += counted(&c->locks_family);
	out->locks_file += counted(&c->locks_file);
}

void rmap_get_counts(struct rmap *rmap, struct rmap_counts *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < rmap->nr_cpus; i++)
		add_counts(&rmap->cpus[i].count, out);
	for (unsigned int i = 0; i < RMAP_KIND_TIER1_END; i++) {
		struct rmap_object_counts *o = &out->object[i];

		o->objects = rmap_objects(rmap, (enum rmap_kind)i);
		o->allocated += o->objects;
		o->bytes = rmap_bytes(rmap, (enum rmap_kind)i);
		o->peak_bytes = rmap_peak_bytes(rmap, (enum rmap_kind)i);
	}
	out->peak_bytes = rmap_peak_bytes(rmap, RMAP_KIND_TIER1_END);
}

/* Most designs take only locks of one scope: an atomic for none of another is left out. */
static inline void count_locks(struct rmap_counters *all, const struct rmap_walk_state *state)
{
	if (rmap_unlikely(state->page_locks))
		count_add(&all->locks_page, state->page_locks);
	if (rmap_unlikely(state->mm_locks))
		count_add(&all->locks_mm, state->mm_locks);
}

static void count_long_walk(struct rmap_counters *all, const struct rmap_walk_state *state,
			    struct rmap_walk_counters *c, unsigned int family_locks)
{
	const struct rmap_walk *walk = state->walk;

	count_event(&c->walks);
	count_add(&all->locks_family, family_locks);
	count_add(&c->looks, walk->looks);
	count_add(&c->steps, walk->steps);
	count_add(&c->found, walk->found);
}

static void count_walk(struct rmap *rmap, const struct rmap_walk *walk,
		       const struct rmap_walk_state *state)
{
	struct rmap_counters *all = rmap_counting(rmap);
	struct rmap_walk_counters *c = &all->walk[walk->purpose];
	/* Whoever probes measures others' walks: locks are theirs. */
	unsigned int family_locks = state->family_locks;

	count_peak(&c->max_looks, walk->looks);
	if (walk->purpose == RMAP_WALK_PROBE)
		family_locks = 0;
	else
		count_locks(all, state);
	RMAP_DEBUG_ASSERT(rmap->port, family_locks <= 1);
	/* Whoever finds a PTE looked at it, but a look need not be a step: scan reads tables without one. */
	if (rmap_likely(walk->steps <= SHORT_WALK && walk->looks <= SHORT_WALK / 2)) {
		uint64_t packed = (uint64_t)1 << WALKS_SHIFT |
				  (uint64_t)family_locks << LOCKS_SHIFT |
				  walk->found << FOUND_SHIFT | walk->looks << LOOKS_SHIFT |
				  walk->steps << STEPS_SHIFT;

		packed += atomic_fetch_add_explicit(&c->recent, packed, memory_order_relaxed);
		if (rmap_unlikely(packed & FULL))
			unpack_recent(all, c);
		return;
	}
	count_long_walk(all, state, c, family_locks);
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
	else if ((mapping & RMAP_MAPPING_ANON) || ops_of(rmap)->walks_file_pages)
		result = ops_of(rmap)->walk(rmap, page, &state);
	else if (mapping)
		result = file_map_walk(rmap, (struct rmap_file *)mapping, page, &state);
	if (!(walk->flags & RMAP_WALK_CHECK))
		count_walk(rmap, walk, &state);
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
