// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage: blocks for lists of co-owners, put by for reclaim.
 *
 * Reclaim walks while there is no memory, and may not ask for any; but it is the one that would gain by a list: it looks who uses a
 * page, and then, or the next time, takes the page from all of them. So a few blocks are kept for it. Nothing is allocated before
 * reclaim has found too little; then the next fork, which allocates anyway, brings the spare ones up to 16 (fork is what there would
 * be no lists without). A fork that gets none goes on without.
 */
#include "lineage.h"
#include "count.h"

enum {
	SPARE_BLOCKS = 16,
	SPARE_FEW = 8, /* one list of 48: with less, more are wanted */
};

static void want_more(struct rmap *rmap)
{
	atomic_store_explicit(&rmap->spare.wanted, 1, memory_order_relaxed);
}

static uint32_t spare_blocks(const struct rmap *rmap)
{
	return atomic_load_explicit(&rmap->spare.nr, memory_order_relaxed);
}

/* One came or went. Lock. */
static void set_spare_blocks(struct rmap *rmap, uint32_t nr)
{
	rmap_assert_spin_held(&rmap->lock);
	atomic_store_explicit(&rmap->spare.nr, nr, memory_order_relaxed);
}

bool lineage_spare_any(struct rmap *rmap)
{
	if (spare_blocks(rmap))
		return true;
	want_more(rmap);
	return false;
}

struct co_owners *lineage_block_get(struct rmap *rmap, bool may_alloc)
{
	struct co_owners *set;

	if (may_alloc)
		return rmap_object_alloc(rmap, RMAP_KIND_CO_OWNERS, sizeof(*set));
	rmap_spin_lock(&rmap->lock);
	set = rmap->spare.objects;
	if (set) {
		rmap->spare.objects = set->more;
		set_spare_blocks(rmap, spare_blocks(rmap) - 1);
	}
	if (spare_blocks(rmap) < SPARE_FEW)
		want_more(rmap);
	rmap_spin_unlock(&rmap->lock);
	return set;
}

/* False: there are enough. */
static bool keep(struct rmap *rmap, struct co_owners *set)
{
	bool kept;

	rmap_spin_lock(&rmap->lock);
	kept = spare_blocks(rmap) < SPARE_BLOCKS;
	if (kept) {
		set->more = rmap->spare.objects;
		rmap->spare.objects = set;
		set_spare_blocks(rmap, spare_blocks(rmap) + 1);
	}
	rmap_spin_unlock(&rmap->lock);
	return kept;
}

void lineage_block_put(struct rmap *rmap, struct co_owners *set, bool may_alloc)
{
	if (may_alloc || !keep(rmap, set))
		rmap_object_free(rmap, RMAP_KIND_CO_OWNERS, set, sizeof(*set));
}

void lineage_spare_fill(struct rmap *rmap)
{
	atomic_store_explicit(&rmap->spare.wanted, 0, memory_order_relaxed);
	for (;;) {
		struct co_owners *set = rmap_object_alloc(rmap, RMAP_KIND_CO_OWNERS, sizeof(*set));

		if (!set) {
			want_more(rmap);
			return;
		}
		if (!keep(rmap, set)) {
			rmap_object_free(rmap, RMAP_KIND_CO_OWNERS, set, sizeof(*set));
			return;
		}
	}
}

void lineage_spare_end(struct rmap *rmap)
{
	struct co_owners *set;

	while ((set = rmap->spare.objects) != NULL) {
		rmap->spare.objects = set->more;
		rmap_object_free(rmap, RMAP_KIND_CO_OWNERS, set, sizeof(*set));
	}
}
