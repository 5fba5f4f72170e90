// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage: the look in one address space.
 *
 * A page stands at home there, or at one of the displaced VMAs over its number, and once at the most. Usually nothing is displaced, and
 * the look is one at home, without a lock. Else the looks are made under the node's lock, under which nothing moves.
 */
#include "lineage_tour.h"

static bool look_displaced(struct tour *t, const struct lineage_displaced *d)
{
	struct rmap_vma *vma = d->vma;

	/* The number that it would have if the VMA were at home, less how far it is from there. */
	t->state->walk->steps++;
	return lineage_look_at(t, vma->mm,
			       t->index - vma->pgoff - d->shift + (vma->start >> RMAP_PAGE_SHIFT),
			       vma);
}

/*
 * Places in one mm that a page's number may mean: each displaced VMA over it, in order, and home. Which of them it was is kept with the
 * page's stamp: a hint, no more.
 */
enum {
	PLACE_LAST = 14, /* this and those behind it */
	PLACE_HOME = 15,
};

/* The displaced VMAs: the one that t->place says (preferred), or the others. False: stop. */
static bool look_displaced_ones(struct tour *t, struct lineage *n, bool preferred, bool *away)
{
	struct rmap_walk *walk = t->state->walk;
	uint64_t found = walk->found;
	struct lineage_displaced *d = lineage_displaced_first(n, t->index, &walk->steps);

	for (uint32_t place = 1; d; place += place < PLACE_LAST) {
		if ((place == t->place) == preferred) {
			bool go_on = look_displaced(t, d);

			*away = true;
			if (walk->found != found)
				t->seen = place > 1 ? place : 0; /* the first comes first anyway */
			/* An mm has a page once. */
			if (!go_on || walk->found != found)
				return go_on;
		}
		d = lineage_displaced_next(d, t->index, &walk->steps);
	}
	return true;
}

/*
 * Under the node's lock nothing moves: the page is at one of the displaced VMAs over its number, or at home, or not in this mm. At
 * home last, since whoever takes a place that pages have moved away from gets other numbers (home_is_taken()): as long as a
 * displaced VMA covers the number, home is most likely not where it is.
 */
static bool look_locked(struct tour *t, struct lineage *n, struct rmap_mm *mm)
{
	uint64_t found = t->state->walk->found;
	bool away = false, go_on = true;

	if (t->place == PLACE_HOME)
		go_on = lineage_look_home(t, mm);
	else if (t->place)
		go_on = look_displaced_ones(t, n, true, &away);
	if (go_on && t->state->walk->found == found)
		go_on = look_displaced_ones(t, n, false, &away);
	if (!go_on || t->state->walk->found != found || t->place == PLACE_HOME)
		return go_on;
	go_on = lineage_look_home(t, mm);
	if (away && t->state->walk->found != found)
		t->seen = PLACE_HOME;
	return go_on;
}

/* The lock is somebody's, and the walk may not wait: at home it may be found all the same. */
static bool look_without(struct tour *t, struct rmap_mm *mm)
{
	uint64_t found = t->state->walk->found;

	if (!lineage_look_home(t, mm))
		return false;
	if (t->state->walk->found != found)
		return true;
	t->error = RMAP_EAGAIN;
	return false;
}

bool lineage_look_with_lock(struct tour *t, struct lineage *n, struct rmap_mm *mm)
{
	bool go_on;

	if (!(t->state->walk->flags & RMAP_WALK_TRYLOCK))
		rmap_spin_lock(&n->lock);
	else if (!rmap_spin_trylock(&n->lock))
		return look_without(t, mm);
	t->state->mm_locks++;
	go_on = look_locked(t, n, mm);
	rmap_spin_unlock(&n->lock);
	return go_on;
}
