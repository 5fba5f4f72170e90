/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of a walk that all designs share.
 *
 * A design finds places where the page may be mapped and offers each to walk_candidate(), which looks at the page table (the
 * only truth), counts, visits, and says whether to go on. So the rules of early stop and the counting stand here once, and no
 * design can report what its own bookkeeping believes.
 */
#ifndef RMAP_WALK_H
#define RMAP_WALK_H

#include "design.h"

struct rmap_walk_state {
	struct rmap_walk *walk;
	const struct rmap_port *port;
	unsigned int find_flags; /* enum rmap_find_flags */
	uint64_t limit;		 /* stop when so many PTEs were found */
	/* taken by the design, by scope; counted with the walk. Of a family's one at the most. */
	unsigned int family_locks, mm_locks, page_locks;
};

/*
 * Must a walk of this page look on? Without the page lock the last PTE may go at any time; the answer counts while a lock is
 * held that keeps PTEs' VMAs in the tree.
 */
static inline bool walk_wants(const struct rmap_walk_state *state, const struct rmap_page *page)
{
	return (state->walk->flags & RMAP_WALK_ENTRIES) || rmap_page_mapcount(page) != 0;
}

/*
 * The page may stand at addr in mm; vma covers addr, or is NULL where the design knows none. True: go on with the next
 * candidate.
 */
bool walk_candidate(struct rmap_walk_state *state, struct rmap_page *page, struct rmap_mm *mm,
		    struct rmap_vma *vma, uint64_t addr);

/*
 * For designs that find slots by themselves: the page stands at *hit, whose table lock is held and is released here; the look was
 * counted. True: go on.
 */
bool walk_hit(struct rmap_walk_state *state, struct rmap_hit *hit);

/* The same for a VMA met in a tree by the page's index: skipped where the walker skips it. Counts the VMA as a step. */
bool walk_vma(struct rmap_walk_state *state, struct rmap_page *page, struct rmap_vma *vma);

/* A walk by the file map: the page's mapping is file. (file_map.c) */
int file_map_walk(struct rmap *rmap, struct rmap_file *file, struct rmap_page *page,
		  struct rmap_walk_state *state);

/*
 * The same, but those VMAs come first where *where says that the page was found; behind the walk it says where it was now (and what it
 * said before of those that the walk did not come to). A hint and no more: 0 is right, and so is any other value. Of more than 32 VMAs
 * some share a bit. (file_map.c)
 */
int file_map_walk_first(struct rmap *rmap, struct rmap_file *file, struct rmap_page *page,
			struct rmap_walk_state *state, uint32_t *where);

#endif
