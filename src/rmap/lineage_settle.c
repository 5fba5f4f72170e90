// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage: what is kept of a walk, so that the next one is shorter.
 *
 * After a complete walk that looked at many and found few, the page is given to those who have it. How, depends on how many they are:
 *
 *      one                         he is the owner
 *      up to 48                    all are: a list of co-owners
 *      more                        a *sieve*: the lowest node above them all is the owner, and a bit for each of its children
 *                                  says whether the page is anywhere below that one
 *
 *            P            clock 8            sieve: top P, up to birth 8, bits for births 8 … 1: 1 0 0 1 0 1 1 0
 *      / / / | \ \ \ \
 *     8 7 6 5 4 3 2 1                        looked at: P, 8, 5, 3, 2, and who is born after 8
 *
 * Each owner's stamp is its clock as it was before the look at it; a child that is forked later gets the page from one who has it, after
 * that, and is covered by him. docs/designs/lineage.md has the argument.
 *
 * A list needs no step for those that are not on it, but 12 bytes for each that is. A sieve needs a step for every child and a bit: at
 * most 16 for each look that there was, so that even where births are few and far between, and several share a bit, hardly any is
 * looked at for the other's sake.
 *
 * It takes a second walk to make a sieve, since only the first one knows where its top is. Who is below a child of the top that leads to
 * somebody is looked at, though he may not have the page: a sieve sees one generation. Where it does not help it is not made again
 * until things change (worth()).
 */
#include "lineage_tour.h"
#include "count.h"

enum {
	SIEVE_SHARE = 16,   /* bits for a look */
	SIEVE_MOST = 65536, /* bits */
	CLIMB_MOST = 32,    /* generations between the top and who has the page */
	STEPS_SPARE = 4,    /* nodes that a walk may pass by for nothing */
};

/* ---------------------------------------------------------------- while walking */

/*
 * Few found for so many looks? The tenth more is what a list of PTEs would be better by at the most. Of a page that has a sieve as
 * many looks as it took when it was new are no reason, as long as it finds as many.
 *
 * Who has no table where the page would be costs no look, but a step. A list spares those, too. A tree has at most one dead node for
 * each that lives, so that more than two a PTE are those that live and have nothing.
 */
static bool worth(const struct tour *t)
{
	const struct rmap_walk *walk = t->state->walk;

	if (t->keep == KEEP_HITS && t->nodes > 2 * walk->found + STEPS_SPARE)
		return true;
	if (walk->looks * 10 <= walk->found * 11)
		return false;
	return walk->looks * 10 > (uint64_t)t->sieve_looks * 11 ||
	       walk->found * 10 < (uint64_t)t->sieve_found * 9;
}

void lineage_keep_begin(struct tour *t)
{
	struct rmap_walk_state *state = t->state;
	uintptr_t mapping = atomic_load_explicit(&t->page->mapping, memory_order_relaxed);

	t->cover = NULL;
	t->sieve.set = NULL;
	t->sieve_looks = t->sieve_found = 0;
	/* Who passes by VMAs does not find all. */
	if (state->walk->skip)
		return;
	if (rmap_page_mapcount(t->page) <= HITS_KEPT)
		t->keep = KEEP_HITS;
	else if (state->walk->flags & RMAP_WALK_MAY_ALLOC)
		t->keep = KEEP_COVER;
	else
		return;
	state->limit = UINT64_MAX;
	if (t->keep == KEEP_COVER && (mapping & LINEAGE_MAPPING_SET)) {
		const struct co_owners *set = lineage_co_owners(mapping);

		if (!set->nr) {
			t->sieve_looks =
				atomic_load_explicit(&set->sieve.looks, memory_order_relaxed);
			t->sieve_found = set->sieve.found;
		}
	}
}

/* From n up to the one whose parent is top, or to top itself; NULL: top is not above n, or too far. */
static struct lineage *branch_of(struct tour *t, struct lineage *n, const struct lineage *top)
{
	if (n == top)
		return n;
	for (unsigned int i = 0; n && i < CLIMB_MOST; i++) {
		struct lineage *parent = lineage_parent(n);

		if (parent == top)
			return n;
		t->state->walk->steps++;
		n = parent;
	}
	return NULL;
}

static void rise_above(struct tour *t, struct lineage *n)
{
	struct lineage *top = t->cover ? t->cover : n;

	for (unsigned int i = 0; top && i < CLIMB_MOST; i++) {
		if (branch_of(t, n, top)) {
			t->cover = top;
			return;
		}
		top = lineage_parent(top);
	}
	t->keep = KEEP_NOTHING;
}

/* The page is below this child of the top. One that was born since the walk began is covered by the top, if that one has the page. */
static bool let_pass(struct tour *t, struct lineage *n)
{
	struct co_owners *set = t->sieve.set;
	struct lineage *branch = branch_of(t, n, t->cover);
	uint32_t birth;

	if (!branch)
		return false;
	if (branch == t->cover) {
		set->sieve.own = true;
		return true;
	}
	birth = lineage_birth(branch);
	if (birth > set->sieve.upto)
		set->sieve.newer = true;
	else
		*lineage_sieve_word(&t->sieve, lineage_sieve_bit(set, birth)) |=
			(uint64_t)1 << lineage_sieve_bit(set, birth) % 64;
	return true;
}

/* All are found, but to keep who they are one must go on to the end: is there room for them? */
static bool may_keep(const struct tour *t)
{
	return t->nr_hits == 1 || (t->state->walk->flags & RMAP_WALK_MAY_ALLOC) ||
	       lineage_spare_any(t->rmap);
}

/* n is one of those who have it. */
static void keep_hit(struct tour *t, struct lineage *n, uint32_t clock)
{
	if (t->nr_hits < HITS_KEPT && lineage_try_get(n)) {
		t->hit[t->nr_hits] = n;
		t->clock[t->nr_hits++] = clock;
	} else {
		/* Forks while we walk: more than there were. */
		t->keep = KEEP_NOTHING;
	}
}

bool lineage_note_hit(struct tour *t, struct lineage *n, uint32_t clock)
{
	if (t->keep == KEEP_SIEVE) {
		if (!let_pass(t, n))
			t->keep = KEEP_NOTHING;
		return t->keep == KEEP_SIEVE;
	}
	/* Mostly the first is the last, and nothing is to be kept. */
	if (t->state->walk->found >= t->wanted && !worth(t))
		return false;
	if (t->keep == KEEP_COVER)
		rise_above(t, n);
	else
		keep_hit(t, n, clock);
	if (t->keep == KEEP_NOTHING)
		t->state->limit = t->wanted;
	return t->state->walk->found < t->wanted || (t->keep != KEEP_NOTHING && may_keep(t));
}

/* ---------------------------------------------------------------- one, or a list */

/*
 * Has one of those who have the page a child that it forked since we came? Then that one may be among them, too, and would be met
 * twice if both were owners. Under way counts.
 */
static bool forked_since(const struct tour *t)
{
	for (unsigned int i = 0; i < t->nr_hits; i++) {
		const struct lineage *child = lineage_head(t->hit[i]);

		if (lineage_clock(t->hit[i]) != t->clock[i] ||
		    (!lineage_gone(t->hit[i]) && child && lineage_birth(child) > t->clock[i]))
			return true;
	}
	return false;
}

/* The references on the hits go to the page, or back. */
static void settle_hits(struct tour *t, bool may)
{
	if (may && lineage_page_own(t->rmap, t->page, t->hit, t->clock, t->nr_hits,
				    t->state->walk->flags & RMAP_WALK_MAY_ALLOC) == RMAP_OK)
		return;
	for (unsigned int i = 0; i < t->nr_hits; i++)
		lineage_put(t->rmap, t->hit[i]);
}

/* ---------------------------------------------------------------- a sieve */

/* The walk that fills it, of all that the page's owners cover. What it costs is counted with the walk that it is made for. */
static bool fill_sieve(struct tour *t)
{
	struct rmap_walk walk = { .flags = t->state->walk->flags & RMAP_WALK_TRYLOCK };
	struct rmap_walk_state state = { .walk = &walk,
					 .port = t->state->port,
					 .limit = UINT64_MAX };
	struct rmap_walk_state *outer = t->state;
	struct co_owners *set = t->sieve.set;
	int error = t->error;
	bool whole;

	t->state = &state;
	t->keep = KEEP_SIEVE;
	t->since = 0;
	lineage_rcu_enter(t->rmap);
	lineage_walk_owners(t);
	whole = !t->stopped && walk.found && !lineage_gone(t->cover) &&
		(set->sieve.own || !set->sieve.newer);
	lineage_rcu_leave(t->rmap);
	set->sieve.found = (uint32_t)walk.found;
	t->state = outer;
	t->error = error;
	outer->walk->looks += walk.looks;
	outer->walk->steps += walk.steps;
	return whole;
}

/* The reference on the cover goes to the sieve, or back. */
static void settle_sieve(struct tour *t)
{
	uint64_t bits = t->state->walk->looks * SIEVE_SHARE;
	uint32_t upto = lineage_clock(t->cover);
	struct co_owners *set;

	/* A bit for each birth, if that is less. */
	if (bits > SIEVE_MOST)
		bits = SIEVE_MOST;
	if (bits > upto)
		bits = upto ? upto : 1;
	set = lineage_sieve_alloc(t->rmap, (uint32_t)bits);
	if (!set) {
		lineage_put(t->rmap, t->cover);
		return;
	}
	set->sieve.top = t->cover;
	set->sieve.upto = upto;
	t->sieve = (struct lineage_cursor){ .set = set };
	if (fill_sieve(t))
		lineage_page_own_set(t->rmap, t->page, set);
	else
		lineage_sieve_drop(t->rmap, set);
}

/* ---------------------------------------------------------------- behind the walk */

/* What a walk by a sieve takes, once it is known. It was not stopped, and under the page lock the page has its sieve still. */
static void note_sieve(const struct tour *t)
{
	uintptr_t mapping = atomic_load_explicit(&t->page->mapping, memory_order_relaxed);

	if (t->sieve_found && !t->sieve_looks)
		atomic_store_explicit(&lineage_co_owners(mapping)->sieve.looks,
				      (uint32_t)t->state->walk->looks, memory_order_relaxed);
}

bool lineage_keep_ask(struct tour *t)
{
	if (t->keep == KEEP_COVER)
		note_sieve(t);
	if (!worth(t))
		return false;
	if (t->keep == KEEP_COVER)
		return (!t->sieve_found || t->sieve_looks ||
			t->state->walk->found * 10 < (uint64_t)t->sieve_found * 9) &&
		       t->cover && lineage_try_get(t->cover);
	if (!t->nr_hits)
		return false;
	/* One cannot be met twice. */
	return t->nr_hits == 1 || !forked_since(t);
}

/* The page has the owner that it shall have; its word gets the place, too. */
static void keep_place(const struct tour *t)
{
	if (t->seen != t->place && lineage_may_learn(t->state))
		atomic_store_explicit(&t->page->design,
				      lineage_stamp(t->page) | t->seen << LINEAGE_PLACE_SHIFT,
				      memory_order_relaxed);
}

void lineage_keep_end(struct tour *t, bool may)
{
	settle_hits(t, may && t->keep == KEEP_HITS);
	if (may && t->keep == KEEP_COVER)
		settle_sieve(t);
	keep_place(t);
}
