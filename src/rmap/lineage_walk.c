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
 * What it found may be worth keeping: see lineage_settle.c.
 */
#include "lineage_tour.h"

#include "../base/refs.h"
#include "count.h"

enum {
	BREATH = 256, /* nodes in one RCU section */
};

/*
 * Where no VMA is displaced the page is at home, or not in this mm, or it was on the move while we looked: then something is
 * displaced now, or the count has changed. False: stop the walk.
 */
static bool look_in(struct tour *t, struct lineage *n, struct rmap_mm *mm)
{
	uint64_t found = t->state->walk->found;
	uint32_t seq = atomic_load_explicit(&n->seq, memory_order_acquire);

	if (rmap_unlikely(atomic_load_explicit(&n->nr_displaced, memory_order_acquire) != 0))
		return lineage_look_with_lock(t, n, mm);
	if (!lineage_look_home(t, mm))
		return false;
	if (t->state->walk->found != found)
		return true;
	/* What emptied the slot that was read (a move from home, a zap) came after what is read now, or is seen in it. */
	atomic_thread_fence(memory_order_acquire);
	if (!(seq & 1) && atomic_load_explicit(&n->nr_displaced, memory_order_acquire) == 0 &&
	    atomic_load_explicit(&n->seq, memory_order_acquire) == seq)
		return true;
	return lineage_look_with_lock(t, n, mm);
}

/* False: stop the walk. */
static bool visit(struct tour *t, struct lineage *n)
{
	struct rmap_mm *mm = lineage_mm(n);
	/* Before the look: the stamp that n would own the page with. */
	uint32_t clock = lineage_clock(n);
	uint64_t found = t->state->walk->found;
	bool go_on;

	if (!mm)
		return true;
	go_on = look_in(t, n, mm);
	if (go_on && t->keep != KEEP_NOTHING && t->state->walk->found != found)
		go_on = lineage_note_hit(t, n, clock);
	t->stopped = !go_on;
	return go_on;
}

/* ---------------------------------------------------------------- from node to node */

/*
 * Leave the RCU section for a moment. The node where we stand stays in the tree by its pin, so its links are good; top is held by
 * a reference. If either cannot be had, another time will do.
 */
static void breathe(struct tour *t, struct lineage *n, struct lineage *top)
{
	struct rmap *rmap = t->rmap;
	struct lineage *cover = t->keep == KEEP_COVER ? t->cover : NULL;
	bool pinned = false;

	if (!lineage_try_get(top))
		return;
	if (cover && !lineage_try_get(cover)) {
		t->keep = KEEP_NOTHING;
		cover = NULL;
	}
	if (lineage_try_get(n)) {
		t->state->mm_locks++;
		rmap_spin_lock(&n->tree_lock);
		pinned = !lineage_gone(n);
		if (pinned)
			n->pins++;
		rmap_spin_unlock(&n->tree_lock);
		if (pinned) {
			lineage_rcu_leave(rmap);
			t->since = 0;
			lineage_rcu_enter(rmap);
			t->state->mm_locks++;
			rmap_spin_lock(&n->tree_lock);
			n->pins--;
			rmap_spin_unlock(&n->tree_lock);
			if (!lineage_mm(n))
				lineage_reap(rmap, n);
		}
		lineage_put(rmap, n);
	}
	/* In the section that has just begun it is still good, as it was in the one before. */
	if (cover)
		lineage_put(rmap, cover);
	lineage_put(rmap, top);
}

/* Where we go on, for the one who went on from: top may be another by now. */
struct place {
	struct lineage *top; /* NULL: it left no heir, so there is nothing below */
	uint32_t stamp;
	struct lineage_cursor
		sieve; /* which of top's children are not to be looked at; none if its set is NULL */
};

/*
 * Whoever stands in top's place now; in that case the page's children are all of his. It may be nobody: then what we stand on has gone,
 * too, and the walk ends where it would go on beside that.
 */
static void follow_top(struct tour *t, struct place *at)
{
	if (!at->top || rmap_likely(!lineage_gone(at->top)))
		return;
	at->top = lineage_resolve(at->top, &t->state->walk->steps);
	at->stamp = 0;
	at->sieve.set = NULL;
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
	/* If it was child itself that took top's place, it is to be looked at, whatever birth it took. */
	return child != at->top && birth <= at->stamp;
}

/*
 * Is n held back by the sieve? Only a child of top can be, by its birth, which is to be believed as above. Top itself is, if it has not
 * got the page; what is below it is another matter.
 */
static bool sieved(struct tour *t, const struct lineage *n, struct place *at)
{
	if (n == at->top)
		return !at->sieve.set->sieve.own;
	if (lineage_parent(n) != at->top || lineage_sieve_passes(&at->sieve, lineage_birth(n)))
		return false;
	follow_top(t, at);
	return at->sieve.set != NULL;
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

	/* Below top there is nobody (had it gone, its heir would be there): whoever is born to it now is copied behind the look. */
	if (!child)
		return n == at->top ? NULL : next_beside(t, n, at);
	/* If n has just gone, child is the heir that it forwards to. */
	return n == at->top && too_old(t, child, at) ? NULL : child;
}

/* All that owner with stamp (and sieve) covers. False: stopped. */
static bool walk_owner(struct tour *t, struct lineage *owner, uint32_t stamp,
		       struct co_owners *sieve)
{
	struct place at = { .top = owner, .stamp = stamp, .sieve.set = sieve };
	struct lineage *n, *next;

	follow_top(t, &at);
	if (at.top && at.top != owner && !(t->state->walk->flags & RMAP_WALK_CHECK))
		lineage_compress(t->rmap, owner, at.top);
	for (n = at.top; n; n = next) {
		bool is_top = n == at.top, passes = !at.sieve.set || !sieved(t, n, &at);

		t->state->walk->steps++;
		t->nodes++;
		t->since++;
		if (passes && !visit(t, n))
			return false;
		if (rmap_unlikely(t->since >= BREATH) && at.top)
			breathe(t, n, at.top);
		next = passes || is_top ? next_node(t, n, &at) : next_beside(t, n, &at);
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
		go_on = go_on && walk_owner(t, o.node[i], o.stamp[i], NULL);
		if (entangled)
			lineage_put(t->rmap, o.node[i]);
	}
}

/*
 * Is what mapping names, which was read before, good for this RCU section? If the page holds a reference, yes; else as long as somebody
 * maps the page (see lineage_page.c): the map count is read behind the mapping. Pages with migration entries hold one.
 */
static bool may_ask(const struct tour *t, uintptr_t mapping)
{
	if (!(mapping & RMAP_MAPPING_ANON))
		return false;
	if (mapping & LINEAGE_MAPPING_COUNTED)
		return true;
	atomic_thread_fence(memory_order_acquire);
	return !(t->state->walk->flags & RMAP_WALK_ENTRIES) && rmap_page_mapcount(t->page) != 0;
}

void lineage_walk_owners(struct tour *t)
{
	uintptr_t mapping = atomic_load_explicit(&t->page->mapping, memory_order_acquire);
	struct co_owners *set;

	t->index = lineage_page_index(t->page);
	if (!may_ask(t, mapping))
		return;
	if (!(mapping & LINEAGE_MAPPING_SET)) {
		(void)walk_owner(t, lineage_named(mapping), lineage_stamp(t->page), NULL);
		return;
	}
	/* Without the page lock it may be no page's any more by the time we come back from a breath. */
	set = lineage_co_owners(mapping);
	if (!refs_try_get(&set->refs))
		return;
	if (set->nr)
		walk_set(t, set);
	else
		(void)walk_owner(t, set->sieve.top, 0, set);
	lineage_mapping_put(t->rmap, mapping);
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

	if (where != was && lineage_may_learn(state))
		atomic_store_explicit(&page->design, where, memory_order_relaxed);
	return error;
}

int lineage_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state)
{
	uintptr_t mapping = atomic_load_explicit(&page->mapping, memory_order_acquire);
	struct tour t;
	bool may;

	/* Who asks for entries may ask for a page that nobody has. */
	if (!mapping)
		return RMAP_OK;
	if (!(mapping & RMAP_MAPPING_ANON))
		return walk_file_page(rmap, (struct rmap_file *)mapping, page, state);
	t.rmap = rmap;
	t.page = page;
	t.state = state;
	t.wanted = state->limit;
	t.since = 0;
	t.nodes = 0;
	t.keep = KEEP_NOTHING;
	t.nr_hits = 0;
	t.place = t.seen = lineage_word(page) >> LINEAGE_PLACE_SHIFT;
	t.stopped = false;
	t.error = RMAP_OK;
	if (lineage_may_learn(state))
		lineage_keep_begin(&t);
	lineage_rcu_enter(rmap);
	lineage_walk_owners(&t);
	may = t.keep != KEEP_NOTHING && !t.stopped && lineage_keep_ask(&t);
	lineage_rcu_leave(rmap);
	if (may || t.nr_hits || t.seen != t.place)
		lineage_keep_end(&t, may);
	return t.error;
}
