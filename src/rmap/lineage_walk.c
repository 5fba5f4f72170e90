// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage: the walk.
 *
 * From the owner down: the owner itself, its children newest first until one is too old to have the page, everything below those.
 * It needs no lock on the tree and no memory: where it stands says where it has been.
 *
 *      visit a node, then            its newest child, if it has one
 *                      else          its next older sibling, else its parent's, else …, until it is back at the owner
 *
 * A node is looked at before its children are read: whatever is copied to a child that is not on the list yet is copied after the
 * look, and shows what the look made of it.
 *
 * The walk stays in one RCU section, which keeps address spaces, tables and nodes (also those that left the tree, whose links lead
 * back into it). Every few hundred nodes it lets go of it, holding the node where it stands in the tree meanwhile.
 *
 * What it found may be worth keeping (settle): after a walk that looked at many and found few, the page is theirs who have it.
 */
#include "lineage.h"
#include "count.h"
#include "walk.h"

enum {
	BREATH = 256,	/* nodes in one RCU section */
	HITS_KEPT = 48, /* more are not worth a list of co-owners */
};

struct tour {
	struct rmap *rmap;
	struct rmap_page *page;
	struct rmap_walk_state *state;
	uint64_t index;
	uint32_t place,
		seen; /* where to look first among the places of one mm, and where it was: see look_locked() */
	uint64_t wanted;    /* where the walk may stop, if there is nothing to settle */
	unsigned int since; /* nodes since the RCU section began */
	bool settling;
	bool stopped;
	int error;
	/* who has it, with their clocks on arrival */
	unsigned int nr_hits;
	struct lineage *hit[HITS_KEPT];
	uint32_t clock[HITS_KEPT];
};

/* Is the page lock held, and shall the walk leave a trace? */
static bool may_learn(const struct rmap_walk_state *state)
{
	const unsigned int not_then = RMAP_WALK_CHECK | RMAP_WALK_ENTRIES;

	return (state->walk->flags & (RMAP_WALK_SETTLE | not_then)) == RMAP_WALK_SETTLE;
}

/* ---------------------------------------------------------------- in one address space */

/* False: stop the walk. */
static bool look_at(struct tour *t, struct rmap_mm *mm, uint64_t number, struct rmap_vma *vma)
{
	return walk_candidate(t->state, t->page, mm, vma, number << RMAP_PAGE_SHIFT);
}

static bool look_home(struct tour *t, struct rmap_mm *mm)
{
	return t->index >= LINEAGE_FRESH || look_at(t, mm, t->index, NULL);
}

static bool look_displaced(struct tour *t, const struct lineage_displaced *d)
{
	struct rmap_vma *vma = d->vma;

	/* The number that it would have if the VMA were at home, less how far it is from there. */
	t->state->walk->steps++;
	return look_at(t, vma->mm,
		       t->index - vma->pgoff - d->shift + (vma->start >> RMAP_PAGE_SHIFT), vma);
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
		go_on = look_home(t, mm);
	else if (t->place)
		go_on = look_displaced_ones(t, n, true, &away);
	if (go_on && t->state->walk->found == found)
		go_on = look_displaced_ones(t, n, false, &away);
	if (!go_on || t->state->walk->found != found || t->place == PLACE_HOME)
		return go_on;
	go_on = look_home(t, mm);
	if (away && t->state->walk->found != found)
		t->seen = PLACE_HOME;
	return go_on;
}

/* The lock is somebody's, and the walk may not wait: at home it may be found all the same. */
static bool look_without(struct tour *t, struct rmap_mm *mm)
{
	uint64_t found = t->state->walk->found;

	if (!look_home(t, mm))
		return false;
	if (t->state->walk->found != found)
		return true;
	t->error = RMAP_EAGAIN;
	return false;
}

static bool look_with_lock(struct tour *t, struct lineage *n, struct rmap_mm *mm)
{
	bool go_on;

	if (!(t->state->walk->flags & RMAP_WALK_TRYLOCK))
		rmap_spin_lock(&n->lock);
	else if (!rmap_spin_trylock(&n->lock))
		return look_without(t, mm);
	go_on = look_locked(t, n, mm);
	rmap_spin_unlock(&n->lock);
	return go_on;
}

/*
 * Where no VMA is displaced the page is at home, or not in this mm, or it was on the move while we looked: then something is
 * displaced now, or the count has changed.
 */
static bool look_in(struct tour *t, struct lineage *n, struct rmap_mm *mm)
{
	uint64_t found = t->state->walk->found;
	uint32_t seq = atomic_load_explicit(&n->seq, memory_order_acquire);

	if (rmap_unlikely(atomic_load_explicit(&n->nr_displaced, memory_order_acquire) != 0))
		return look_with_lock(t, n, mm);
	if (!look_home(t, mm))
		return false;
	if (t->state->walk->found != found)
		return true;
	/* What emptied the slot that was read (a move from home, a zap) came after what is read now, or is seen in it. */
	atomic_thread_fence(memory_order_acquire);
	if (!(seq & 1) && atomic_load_explicit(&n->nr_displaced, memory_order_acquire) == 0 &&
	    atomic_load_explicit(&n->seq, memory_order_acquire) == seq)
		return true;
	return look_with_lock(t, n, mm);
}

/* Few found for so many looks? The tenth more is what a list of PTEs would be better by at the most. */
static bool worth_settling(const struct rmap_walk *walk)
{
	return walk->looks * 10 > walk->found * 11;
}

/* n has the page. False: all are found that there were, and none costs more than it should. */
static bool note_hit(struct tour *t, struct lineage *n, uint32_t clock)
{
	const struct rmap_walk *walk = t->state->walk;

	if (t->nr_hits < HITS_KEPT && lineage_try_get(n)) {
		t->hit[t->nr_hits] = n;
		t->clock[t->nr_hits++] = clock;
	} else {
		/* Forks while we walk: more than there were. */
		t->settling = false;
		t->state->limit = t->wanted;
	}
	return walk->found < t->wanted || worth_settling(walk);
}

/* False: stop the walk. */
static bool visit(struct tour *t, struct lineage *n)
{
	struct rmap_mm *mm = lineage_mm(n);
	/* Before the look: the stamp that n would own the page with. */
	uint32_t clock = lineage_clock(n);
	uint64_t found = t->state->walk->found;

	t->state->walk->steps++;
	t->since++;
	if (!mm)
		return true;
	if (!look_in(t, n, mm)) {
		t->stopped = true;
		return false;
	}
	if (t->settling && t->state->walk->found != found && !note_hit(t, n, clock)) {
		t->stopped = true;
		return false;
	}
	return true;
}

/* ---------------------------------------------------------------- from node to node */

/*
 * Leave the RCU section for a moment. The node where we stand stays in the tree by its pin, so its links are good; top is held by
 * a reference. If either cannot be had, another time will do.
 */
static void breathe(struct tour *t, struct lineage *n, struct lineage *top)
{
	struct rmap *rmap = t->rmap;
	bool pinned = false;

	if (!lineage_try_get(top))
		return;
	if (lineage_try_get(n)) {
		rmap_spin_lock(&n->tree_lock);
		pinned = !lineage_gone(n);
		if (pinned)
			n->pins++;
		rmap_spin_unlock(&n->tree_lock);
		if (pinned) {
			lineage_rcu_leave(rmap);
			t->since = 0;
			lineage_rcu_enter(rmap);
			rmap_spin_lock(&n->tree_lock);
			n->pins--;
			rmap_spin_unlock(&n->tree_lock);
			if (!lineage_mm(n))
				lineage_reap(rmap, n);
		}
		lineage_put(rmap, n);
	}
	lineage_put(rmap, top);
}

/* Where we go on, for the one who went on from: top may be another by now. */
struct place {
	struct lineage *top; /* NULL: it left no heir, so there is nothing below */
	uint32_t stamp;
};

/* Whoever stands in top's place now; in that case the page's children are all of his. */
static void follow_top(struct tour *t, struct place *at)
{
	if (rmap_likely(!lineage_gone(at->top)))
		return;
	at->top = lineage_resolve(at->top, &t->state->walk->steps);
	at->stamp = 0;
}

/*
 * Is child, which was read as top's, too old to have the page? Its birth may be another's by now: if top went meanwhile, the last of
 * its children took its place and its birth. Top is asked behind it (and may be another then, whose children are all the page's).
 */
static bool too_old(struct tour *t, const struct lineage *child, struct place *at)
{
	uint32_t birth = lineage_birth(child);

	if (birth > at->stamp)
		return false;
	follow_top(t, at);
	return birth <= at->stamp;
}

/*
 * The node after n and all below it. NULL: the walk is at its end. Parent before sibling (see lineage.h); then top, since if n came
 * up to where top was, its sibling is none of ours.
 */
static struct lineage *next_beside(struct tour *t, struct lineage *n, struct place *at)
{
	for (;;) {
		struct lineage *parent, *next;

		parent = lineage_parent(n);
		next = lineage_next(n);
		follow_top(t, at);
		if (!at->top || n == at->top)
			return NULL;
		if (next)
			return parent == at->top && too_old(t, next, at) ? NULL : next;
		if (!parent)
			return NULL;
		n = parent;
		if (n == at->top)
			return NULL;
	}
}

static struct lineage *next_node(struct tour *t, struct lineage *n, struct place *at)
{
	struct lineage *child = lineage_head(n);

	if (!child)
		return next_beside(t, n, at);
	/* If n has just gone, child is the heir that it forwards to. */
	return n == at->top && too_old(t, child, at) ? NULL : child;
}

/* All that owner with stamp covers. False: stopped. */
static bool walk_owner(struct tour *t, struct lineage *owner, uint32_t stamp)
{
	struct place at = { .top = owner, .stamp = stamp };
	struct lineage *n;

	follow_top(t, &at);
	if (at.top && at.top != owner && !(t->state->walk->flags & RMAP_WALK_CHECK))
		lineage_compress(t->rmap, owner, at.top);
	for (n = at.top; n; n = next_node(t, n, &at)) {
		if (!visit(t, n))
			return false;
		if (rmap_unlikely(t->since >= BREATH) && at.top)
			breathe(t, n, at.top);
	}
	return true;
}

/* ---------------------------------------------------------------- co-owners */

struct owners {
	unsigned int nr;
	struct lineage *node[HITS_KEPT]; /* NULL: nothing to be walked from there */
	uint32_t stamp[HITS_KEPT];
};

/* Is i below another owner, by a child that is young enough? Then the other's walk comes by. */
static bool covered_by_other(struct tour *t, const struct owners *o, unsigned int i)
{
	struct lineage *child = o->node[i], *n;

	for (n = lineage_parent(child); n; child = n, n = lineage_parent(n)) {
		t->state->walk->steps++;
		for (unsigned int j = 0; j < o->nr; j++)
			if (o->node[j] == n && lineage_birth(child) > o->stamp[j])
				return true;
	}
	return false;
}

/*
 * Owners do not overlap, when they are made and while they are in the tree. But one that has gone forwards to an heir with all that
 * is below it, and that may be another of them. Each then gets its heir for the time of this walk, with a reference; and who is
 * another's, or below one, is left to that one.
 */
static void disentangle(struct tour *t, struct owners *o)
{
	bool covered[HITS_KEPT];

	for (unsigned int i = 0; i < o->nr; i++) {
		struct lineage *n = o->node[i];

		do
			n = lineage_resolve(n, &t->state->walk->steps);
		while (n && !lineage_try_get(n));
		if (n != o->node[i])
			o->stamp[i] = 0;
		o->node[i] = n;
		for (unsigned int j = 0; n && j < i; j++) {
			if (o->node[j] != n)
				continue;
			if (o->stamp[i] < o->stamp[j])
				o->stamp[j] = o->stamp[i];
			lineage_put(t->rmap, n);
			o->node[i] = NULL;
			break;
		}
	}
	for (unsigned int i = 0; i < o->nr; i++)
		covered[i] = o->node[i] && covered_by_other(t, o, i);
	for (unsigned int i = 0; i < o->nr; i++) {
		if (!covered[i])
			continue;
		lineage_put(t->rmap, o->node[i]);
		o->node[i] = NULL;
	}
}

static void walk_set(struct tour *t, const struct co_owners *set)
{
	struct owners o = { .nr = 0 };
	bool entangled = false, go_on = true;

	for (; set; set = set->more) {
		t->state->walk->steps++;
		for (uint32_t i = 0; i < set->nr && o.nr < HITS_KEPT; i++, o.nr++) {
			o.node[o.nr] = set->node[i];
			o.stamp[o.nr] = set->stamp[i];
			entangled |= lineage_gone(set->node[i]);
		}
	}
	if (entangled)
		disentangle(t, &o);
	for (unsigned int i = 0; i < o.nr; i++) {
		if (!o.node[i])
			continue;
		go_on = go_on && walk_owner(t, o.node[i], o.stamp[i]);
		if (entangled)
			lineage_put(t->rmap, o.node[i]);
	}
}

static void walk_owners(struct tour *t, uintptr_t mapping)
{
	if (!(mapping & LINEAGE_MAPPING_SET)) {
		(void)walk_owner(t, mapping_owner(mapping), lineage_stamp(t->page));
		return;
	}
	/* Without the page lock it may be no page's any more by the time we come back from a breath. */
	if (!lineage_mapping_try_get(mapping))
		return;
	walk_set(t, mapping_owner(mapping));
	lineage_mapping_put(t->rmap, mapping);
}

/* ---------------------------------------------------------------- keeping what was found */

/*
 * Has one of those who have the page a child that it forked since we came? Then that one may be among them, too, and would be met
 * twice if both were owners. Under way counts.
 */
static bool forked_since(const struct tour *t)
{
	for (unsigned int i = 0; i < t->nr_hits; i++) {
		const struct lineage *child = lineage_head(t->hit[i]);

		if (lineage_clock(t->hit[i]) != t->clock[i] ||
		    (!lineage_gone(t->hit[i]) && child &&
		     lineage_birth(child) > lineage_stamp_of(t->clock[i])))
			return true;
	}
	return false;
}

static bool may_settle(const struct tour *t)
{
	if (!t->settling || t->stopped || !t->nr_hits || !worth_settling(t->state->walk))
		return false;
	/* One cannot be met twice. */
	return t->nr_hits == 1 ||
	       ((t->state->walk->flags & RMAP_WALK_MAY_ALLOC) && !forked_since(t));
}

/* The page has the owner that it shall have; its word gets the place, too. Page lock. */
static void keep_place(const struct tour *t)
{
	if (t->seen != t->place && may_learn(t->state))
		atomic_store_explicit(&t->page->design,
				      lineage_stamp(t->page) | t->seen << LINEAGE_PLACE_SHIFT,
				      memory_order_relaxed);
}

/* Outside the RCU section. The references on the hits go to the page, or back. */
static void settle(struct tour *t, bool may)
{
	for (unsigned int i = 0; i < t->nr_hits; i++)
		t->clock[i] = lineage_stamp_of(t->clock[i]);
	if (may && lineage_page_own(t->rmap, t->page, t->hit, t->clock, t->nr_hits) == RMAP_OK)
		return;
	for (unsigned int i = 0; i < t->nr_hits; i++)
		lineage_put(t->rmap, t->hit[i]);
}

/*
 * A file's page: its word (a stamp, were it anonymous) says where among the VMAs over its offset it was found last. Walks that may stop
 * look there first.
 */
static int walk_file_page(struct rmap *rmap, struct rmap_file *file, struct rmap_page *page,
			  struct rmap_walk_state *state)
{
	uint32_t was = lineage_word(page);
	uint32_t where = state->limit != UINT64_MAX ? was : 0;
	int error = file_map_walk_first(rmap, file, page, state, &where);

	if (!error && where != was && may_learn(state))
		atomic_store_explicit(&page->design, where, memory_order_relaxed);
	return error;
}

int lineage_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state)
{
	uintptr_t mapping = atomic_load_explicit(&page->mapping, memory_order_acquire);
	struct tour t;
	bool may;

	if (!(mapping & RMAP_MAPPING_ANON))
		return walk_file_page(rmap, (struct rmap_file *)mapping, page, state);
	t.rmap = rmap;
	t.page = page;
	t.state = state;
	t.wanted = state->limit;
	t.since = 0;
	t.settling = may_learn(state) && rmap_page_mapcount(page) <= HITS_KEPT;
	t.place = t.seen = lineage_word(page) >> LINEAGE_PLACE_SHIFT;
	t.stopped = false;
	t.error = RMAP_OK;
	t.nr_hits = 0;
	if (t.settling)
		state->limit = UINT64_MAX;
	lineage_rcu_enter(rmap);
	mapping = atomic_load_explicit(&page->mapping, memory_order_acquire);
	t.index = lineage_page_index(page);
	if (mapping & RMAP_MAPPING_ANON)
		walk_owners(&t, mapping);
	may = may_settle(&t);
	lineage_rcu_leave(rmap);
	settle(&t, may);
	keep_place(&t);
	return t.error;
}
