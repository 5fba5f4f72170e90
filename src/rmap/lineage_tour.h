/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lineage: what the parts of a walk share. lineage_walk.c goes from node to node, lineage_look.c looks in one address space,
 * lineage_settle.c keeps what was found.
 */
#ifndef RMAP_LINEAGE_TOUR_H
#define RMAP_LINEAGE_TOUR_H

#include "lineage.h"
#include "walk.h"

enum {
	HITS_KEPT = 48, /* more are sieved, not listed */
};

/* What is kept of a walk for the page's sake. */
enum lineage_keep {
	KEEP_NOTHING,
	KEEP_HITS,  /* who has it; few */
	KEEP_COVER, /* the lowest node above all who have it; many */
	KEEP_SIEVE, /* a second walk: which of the cover's children lead to them */
};

struct tour {
	struct rmap *rmap;
	struct rmap_page *page;
	struct rmap_walk_state *state;
	uint64_t index;
	/* Where to look first among the places of one mm, and where it was: see look_locked(). */
	uint32_t place, seen;
	uint64_t wanted;    /* where the walk may stop, if there is nothing to settle */
	unsigned int since; /* nodes since the RCU section began */
	uint64_t nodes;	    /* that the walk came by, with the page or without */
	enum lineage_keep keep;
	bool stopped;
	int error;
	/* KEEP_HITS: who has it, with their clocks on arrival; a reference on each */
	unsigned int nr_hits;
	struct lineage *hit[HITS_KEPT];
	uint32_t clock[HITS_KEPT];
	/* KEEP_COVER, KEEP_SIEVE */
	struct lineage *cover;
	struct lineage_cursor sieve;
	/* What the sieve that the page is walked by was good for; 0: there is none, or it is not known yet. */
	uint32_t sieve_looks, sieve_found;
};

/* Offer one place. False: stop the walk. */
static inline bool lineage_look_at(struct tour *t, struct rmap_mm *mm, uint64_t number,
				   struct rmap_vma *vma)
{
	return walk_candidate(t->state, t->page, mm, vma, number << RMAP_PAGE_SHIFT);
}

static inline bool lineage_look_home(struct tour *t, struct rmap_mm *mm)
{
	return t->index >= LINEAGE_FRESH || lineage_look_at(t, mm, t->index, NULL);
}

/* lineage_look.c: look for the page in mm, whose node is n, wherever it may stand. False: stop the walk. RCU. */
bool lineage_look_with_lock(struct tour *t, struct lineage *n, struct rmap_mm *mm);

/* lineage_walk.c: from the page's owners down. RCU. */
void lineage_walk_owners(struct tour *t);

/* lineage_settle.c */

/* Is the page lock held, and shall the walk leave a trace? */
static inline bool lineage_may_learn(const struct rmap_walk_state *state)
{
	const unsigned int not_then = RMAP_WALK_CHECK | RMAP_WALK_ENTRIES;

	return (state->walk->flags & (RMAP_WALK_SETTLE | not_then)) == RMAP_WALK_SETTLE;
}

/* The walk may learn: what of? */
void lineage_keep_begin(struct tour *t);
/* n, which had clock on arrival, has the page. False: all are found that there were, and none costs more than it should. RCU. */
bool lineage_note_hit(struct tour *t, struct lineage *n, uint32_t clock);
/* The walk is over. To be asked in its RCU section: does the page get new owners? */
bool lineage_keep_ask(struct tour *t);
/* Outside: it gets them, if it may. References that were taken go to the page, or back. */
void lineage_keep_end(struct tour *t, bool may);

#endif
