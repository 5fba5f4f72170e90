/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The structures of the cow_context design. docs/designs/cow_context.md explains them with a drawing.
 */
#ifndef RMAP_COW_CONTEXT_H
#define RMAP_COW_CONTEXT_H

#include "design.h"
#include "owner.h"

#include "../base/interval_tree.h"

/*
 * One distance over one range of page offsets. Ranges of one distance neither overlap nor touch; those of different distances lie
 * as they like. In two trees: a walk has an offset and wants every distance, a change has the distance.
 */
struct remap {
	struct rb_node rb;	    /* in remaps; owner.lock */
	uint64_t below;		    /* largest last page offset in its subtree; owner.lock */
	uint64_t first, last;	    /* by remap_number(); owner.lock */
	int64_t distance;	    /* pages from home; not 0; owner.lock */
	struct rb_node by_distance; /* in distances; owner.lock */
};

/* One address space, and who was forked from it. */
struct cow_context {
	struct rmap_owner
		owner; /* one reference by the mm, one a child, a pin, a filled slot, a walker */
	struct rmap_mm *mm;	    /* NULL after exit; owner.lock */
	struct cow_context *parent; /* fixed; kept by our reference */
	struct list_head children;  /* in order of birth; owner.lock */
	struct list_head sibling;   /* parent's lock */
	union {
		struct {
			struct rb_root remaps;	  /* interval tree; owner.lock */
			struct rb_root distances; /* the same by distance; owner.lock */
		};
		struct rmap_rcu rcu; /* once nobody refers to it: its mm and its remaps are gone */
	};
	struct remap *spare; /* for an adjustment that may not fail; mmap write */
	struct rmap *rmap;   /* fixed */
};

/* What remaps, and all that is asked about them, have for a page offset: in order, whether the offset is negative or not. */
static inline uint64_t remap_number(uint64_t index)
{
	return index ^ (uint64_t)1 << 63;
}

/* remap may be NULL. */
void remap_free(struct rmap *rmap, struct remap *remap);
struct remap *remap_alloc(struct rmap *rmap);

/* The remap of this distance that meets [first, last], the last one if there are several, or NULL. Lock held. */
struct remap *remaps_find(const struct cow_context *context, uint64_t first, uint64_t last,
			  int64_t distance);

/*
 * [first, last] stands at distance. Grows what it touches; only where it touches nothing *fresh is used up (and set NULL). Lock
 * held for writing.
 */
void remaps_add(struct cow_context *context, uint64_t first, uint64_t last, int64_t distance,
		struct remap **fresh);

/*
 * Nothing of [first, last] stands at distance any more. Where that cuts a remap in two, *fresh is used up; false: there was none,
 * and the remap is left as it was. Lock held for writing.
 */
bool remaps_remove(struct cow_context *context, uint64_t first, uint64_t last, int64_t distance,
		   struct remap **fresh);

/* Free them all. Lock held for writing. */
void remaps_clear(struct cow_context *context);

/* What is wrong with both trees at this remap, or NULL. Lock held. */
const char *remaps_check(const struct cow_context *context, const struct remap *remap);

/* The remaps that hold a number, whatever their distance: the first, or the next, or NULL. Nodes touched are added to *steps. */
struct remap *remaps_first_at(const struct cow_context *context, uint64_t number, uint64_t *steps);
struct remap *remaps_next_at(struct remap *remap, uint64_t number, uint64_t *steps);

#endif
