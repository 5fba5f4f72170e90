// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage: the tree of nodes. See lineage.h for the idea; this file makes nodes, links them at fork, and takes the dead out.
 *
 * A node that is dead and has at most one child leaves the tree, though pages may name it:
 *
 *        p                     p
 *        |                     |            n is a *forwarder* now: its pages are looked for in c and all below. What can map them
 *        n (dead)     →        c            (n's children born after the page came, and theirs) is below c, if it is anywhere.
 *        |                    /|\
 *        c                  n ~ ~ ~> c
 *       /|\
 *
 * So the tree never has more than twice as many nodes as there are address spaces, less one. Forwarders are known to the node that
 * they forward to: when it goes, they are sent on, so that a line of a hundred thousand generations keeps no more of them than
 * there are forwarders with pages; only a node with many is kept as a hub instead.
 *
 * Locks: tree_lock of parent, node and child, in this order; they are the innermost of all. A node's links are guarded by its
 * parent's. The counted references need no lock, so that pages can be freed in any context.
 */
#include "lineage.h"
#include "count.h"

static void lock_first(struct rmap *rmap, struct lineage *n)
{
	count_event(&rmap_counting(rmap)->locks_mm);
	rmap_spin_lock(&n->tree_lock);
}

static void lock_inside(struct rmap *rmap, struct lineage *n)
{
	count_event(&rmap_counting(rmap)->locks_mm);
	rmap_spin_lock_nested(&n->tree_lock);
}

static void unlock(struct lineage *n)
{
	rmap_spin_unlock(&n->tree_lock);
}

/* ---------------------------------------------------------------- life */

static struct lineage *node_alloc(struct rmap *rmap, struct rmap_mm *mm)
{
	struct lineage *n = rmap_object_alloc(rmap, RMAP_KIND_LINEAGE, sizeof(*n));

	if (!n)
		return NULL;
	rmap_spin_init(&n->tree_lock, RMAP_LOCK_LINEAGE);
	rmap_spin_init(&n->lock, RMAP_LOCK_DISPLACED);
	atomic_init(&n->mm, mm);
	atomic_init(&n->refs, 1); /* the tree's */
	return n;
}

static void node_free(void *ctx, struct rmap_rcu *rcu)
{
	struct lineage *n = rmap_container_of(rcu, struct lineage, rcu);

	(void)ctx;
	rmap_object_free(n->rmap, RMAP_KIND_LINEAGE, n, sizeof(*n));
}

int lineage_mm_init(struct rmap *rmap, struct rmap_mm *mm)
{
	struct lineage *n = node_alloc(rmap, mm);

	if (!n)
		return RMAP_ENOMEM;
	mm->design = (void *)lineage_name(n);
	return RMAP_OK;
}

/*
 * The clock stops one below the last birth, so that it is always a stamp as it is: those who come after that have one birth, above
 * every stamp, and are always looked at.
 */
static uint32_t next_birth(const struct lineage *parent)
{
	return lineage_clock(parent) + 1;
}

int lineage_mm_fork_begin(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent)
{
	struct lineage *p = lineage_of_mm(parent);
	struct lineage *n = node_alloc(rmap, child);
	struct lineage *first;

	if (!n)
		return RMAP_ENOMEM;
	child->design = (void *)lineage_name(n);
	atomic_init(&n->birth, next_birth(p));
	atomic_init(&n->parent, p);
	lock_first(rmap, p);
	RMAP_DEBUG_ASSERT(rmap->port, lineage_valid(p));
	first = lineage_head(p);
	atomic_init(&n->next, first);
	if (first)
		first->prev = n;
	/* From here on a walker meets it; there is nothing to find yet. */
	atomic_store_explicit(&p->head, n, memory_order_release);
	unlock(p);
	if (rmap_unlikely(atomic_load_explicit(&rmap->spare.wanted, memory_order_relaxed)))
		lineage_spare_fill(rmap);
	return RMAP_OK;
}

/* Also where copying failed: the child then is an ordinary one that maps little. */
void lineage_mm_fork_end(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent,
			 bool copied)
{
	struct lineage *p = lineage_of_mm(parent);
	uint32_t clock = lineage_clock(p);

	(void)rmap;
	(void)child;
	(void)copied;
	if (rmap_likely(clock < LINEAGE_STAMP_MAX))
		atomic_store_explicit(&p->clock, clock + 1, memory_order_release);
}

void lineage_mm_exit(struct rmap *rmap, struct rmap_mm *mm)
{
	struct lineage *n = lineage_of_mm(mm);

	RMAP_ASSERT(rmap->port, !n->displaced.node);
	/* From the moment its mm is gone another may take the node out, and free it, before we come to do so. */
	lineage_rcu_enter(rmap);
	atomic_store_explicit(&n->mm, NULL, memory_order_release);
	mm->design = NULL;
	lineage_reap(rmap, n);
	lineage_rcu_leave(rmap);
}

/* ---------------------------------------------------------------- forwarders and references */

/* n, gone, forwards to target, of which the caller has a reference to give. target's tree_lock. */
static void forwarder_enter(struct lineage *n, struct lineage *target)
{
	rmap_assert_spin_held(&target->tree_lock);
	n->forwarder_next = target->forwarders;
	if (n->forwarder_next)
		n->forwarder_next->forwarder_link = &n->forwarder_next;
	n->forwarder_link = &target->forwarders;
	target->forwarders = n;
	target->nr_forwarders++;
	atomic_store_explicit(&n->head, target, memory_order_release);
}

/* target's tree_lock. The reference is the caller's now. */
static void forwarder_leave(struct lineage *n, struct lineage *target)
{
	rmap_assert_spin_held(&target->tree_lock);
	*n->forwarder_link = n->forwarder_next;
	if (n->forwarder_next)
		n->forwarder_next->forwarder_link = n->forwarder_link;
	n->forwarder_link = NULL;
	target->nr_forwarders--;
}

/*
 * Lock the node that n, gone, forwards to, which may change until then. NULL: to none. inside: n is locked, too; it was above. RCU.
 */
static struct lineage *lock_target(struct rmap *rmap, const struct lineage *n, bool inside)
{
	for (;;) {
		struct lineage *target = lineage_head(n);

		if (!target)
			return NULL;
		if (inside)
			lock_inside(rmap, target);
		else
			lock_first(rmap, target);
		if (lineage_head(n) == target)
			return target;
		unlock(target);
	}
}

bool lineage_try_get(struct lineage *n)
{
	uint64_t refs = atomic_load_explicit(&n->refs, memory_order_relaxed);

	while (refs != 0) {
		if (atomic_compare_exchange_weak_explicit(
			    &n->refs, &refs, refs + 1, memory_order_acquire, memory_order_relaxed))
			return true;
	}
	return false;
}

/* Tree_locks of both. The caller has a reference on n. */
static void hand_on_forwarders(struct lineage *n, struct lineage *heir)
{
	while (n->forwarders) {
		struct lineage *forwarder = n->forwarders;

		forwarder_leave(forwarder, n);
		forwarder_enter(forwarder, heir);
		lineage_get(heir, 1);
		/* Not the last: the caller's is left. */
		atomic_fetch_sub_explicit(&n->refs, 1, memory_order_relaxed);
	}
}

/*
 * A hub that nobody names but one or two forwarders is of no use: in a line where the first one's page lives on, hubs would pile
 * up. hub's tree_lock, RCU; the caller has a reference and is about to put it.
 */
static void bypass(struct rmap *rmap, struct lineage *hub)
{
	struct lineage *heir;

	rmap_assert_spin_held(&hub->tree_lock);
	if (!lineage_gone(hub) || !hub->forwarders || hub->nr_forwarders > 2 ||
	    atomic_load_explicit(&hub->refs, memory_order_relaxed) !=
		    (uint64_t)hub->nr_forwarders + 1)
		return;
	heir = lock_target(rmap, hub, true);
	if (!heir)
		return;
	hand_on_forwarders(hub, heir);
	unlock(heir);
}

/* Nobody names n any more. Returns the node that it forwarded to, whose reference the caller has to put. */
static struct lineage *forwarder_end(struct rmap *rmap, struct lineage *n)
{
	struct lineage *target;

	lineage_rcu_enter(rmap);
	target = lock_target(rmap, n, false);
	if (target) {
		/* On the list, unless somebody redirects it: he has a reference, and so it would not be the last. */
		forwarder_leave(n, target);
		bypass(rmap, target);
		unlock(target);
	}
	n->rmap = rmap;
	rmap->port->call_rcu(rmap->port->ctx, &n->rcu, node_free);
	lineage_rcu_leave(rmap);
	return target;
}

/* The caller's may be the last reference of a hub that is not a forwarder's. */
static void bypass_first(struct rmap *rmap, struct lineage *n)
{
	lineage_rcu_enter(rmap);
	lock_first(rmap, n);
	bypass(rmap, n);
	unlock(n);
	lineage_rcu_leave(rmap);
}

void lineage_put(struct rmap *rmap, struct lineage *n)
{
	while (n) {
		uint64_t old = atomic_load_explicit(&n->refs, memory_order_relaxed);

		if (rmap_unlikely(old <= LINEAGE_FEW && old > 1 && lineage_gone(n)))
			bypass_first(rmap, n);
		old = atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel);
		RMAP_ASSERT(rmap->port, old != 0);
		if (old != 1)
			return;
		n = forwarder_end(rmap, n);
	}
}

void lineage_put_last(struct rmap *rmap, struct lineage *n)
{
	n = forwarder_end(rmap, n);
	if (n)
		lineage_put(rmap, n);
}

struct lineage *lineage_resolve(struct lineage *n, uint64_t *steps)
{
	while (n && lineage_gone(n)) {
		n = lineage_head(n);
		++*steps;
	}
	return n;
}

/* Both have references that keep them: n the caller's, heir the one that is taken here. */
static void redirect(struct rmap *rmap, struct lineage *n, struct lineage *heir)
{
	struct lineage *target = lock_target(rmap, n, false);
	bool mine = target && target != heir && n->forwarder_link;

	if (mine)
		forwarder_leave(n, target);
	if (target)
		unlock(target);
	if (!mine) {
		lineage_put(rmap, heir);
		return;
	}
	/* On no list: nobody else redirects it meanwhile. */
	lock_first(rmap, heir);
	forwarder_enter(n, heir);
	unlock(heir);
	lineage_put(rmap, target);
}

void lineage_compress(struct rmap *rmap, struct lineage *n, struct lineage *heir)
{
	if (lineage_head(n) == heir || !lineage_try_get(n))
		return;
	if (lineage_try_get(heir))
		redirect(rmap, n, heir);
	lineage_put(rmap, n);
}

struct lineage *lineage_root_get(struct rmap *rmap, struct lineage *n)
{
	struct lineage *root, *parent;

	lineage_rcu_enter(rmap);
	do {
		for (root = n; (parent = lineage_parent(root)) != NULL; root = parent)
			;
	} while (!lineage_try_get(root));
	lineage_rcu_leave(rmap);
	return root;
}

/* ---------------------------------------------------------------- out of the tree */

static bool may_go(const struct lineage *n)
{
	const struct lineage *child = lineage_head(n);

	return !lineage_mm(n) && !lineage_gone(n) && !n->pins && (!child || !lineage_next(child));
}

/*
 * The only child takes n's place: birth and sibling before parent, see lineage.h. n keeps next and parent as they are, for
 * walkers that stand on it. Tree_locks of parent and n.
 */
static void put_in_place(struct rmap *rmap, struct lineage *child, struct lineage *n,
			 struct lineage *parent)
{
	struct lineage *next = lineage_next(n);

	lock_inside(rmap, child);
	/* With many, n stays behind as their hub. */
	if (n->nr_forwarders <= LINEAGE_HUB)
		hand_on_forwarders(n, child);
	lineage_get(child, 1);
	forwarder_enter(n, child);
	unlock(child);
	/* After n's going: see too_old(). */
	atomic_store_explicit(&child->birth, lineage_birth(n), memory_order_release);
	child->prev = n->prev;
	atomic_store_explicit(&child->next, next, memory_order_release);
	if (next)
		next->prev = child;
	atomic_store_explicit(&child->parent, parent, memory_order_release);
}

/* Tree_locks of parent (if there is one) and n. */
static void take_out(struct rmap *rmap, struct lineage *n, struct lineage *parent)
{
	struct lineage *child = lineage_head(n);
	struct lineage *next = lineage_next(n);
	struct lineage *heir = child ? child : next;

	rmap_assert_spin_held(&n->tree_lock);
	atomic_store_explicit(&n->gone, 1, memory_order_release);
	if (child)
		put_in_place(rmap, child, n, parent);
	else if (next)
		next->prev = n->prev;
	if (n->prev)
		atomic_store_explicit(&n->prev->next, heir, memory_order_release);
	else if (parent)
		atomic_store_explicit(&parent->head, heir, memory_order_release);
}

/* One node. True: it went; *was_leaf says whether its parent has one child less. False and *again: the parent is another now. */
static bool reap_one(struct rmap *rmap, struct lineage *n, struct lineage *parent, bool *was_leaf,
		     bool *again)
{
	bool goes = false;

	if (parent) {
		lock_first(rmap, parent);
		lock_inside(rmap, n);
	} else {
		lock_first(rmap, n);
	}
	*again = lineage_parent(n) != parent;
	if (!*again && may_go(n)) {
		goes = true;
		*was_leaf = !lineage_head(n);
		take_out(rmap, n, parent);
	}
	unlock(n);
	if (parent)
		unlock(parent);
	return goes;
}

void lineage_reap(struct rmap *rmap, struct lineage *n)
{
	lineage_rcu_enter(rmap);
	while (n) {
		struct lineage *parent = lineage_parent(n);
		bool was_leaf = false, again;

		if (reap_one(rmap, n, parent, &was_leaf, &again)) {
			lineage_put(rmap, n);
			n = was_leaf ? parent : NULL;
		} else if (!again) {
			break;
		}
	}
	lineage_rcu_leave(rmap);
}

const struct rmap_ops rmap_lineage = {
	.name = "lineage",
	.walks_file_pages = true,
	.locks_every_move = true,
	/* mapping, index, stamp; a word; a pointer and whether it forked; mapping and stamp */
	.bytes = { .page = 20, .vma = 8, .mm = 12, .slot = 12 },
	.counted = LINEAGE_MAPPING_COUNTED,
	.end = lineage_spare_end,
	.mm_init = lineage_mm_init,
	.mm_fork_begin = lineage_mm_fork_begin,
	.mm_fork_end = lineage_mm_fork_end,
	.mm_exit = lineage_mm_exit,
	.vma_faulted = lineage_vma_faulted,
	.vma_prepare = lineage_vma_prepare,
	.vma_fork = lineage_vma_fork,
	.vma_clone = lineage_vma_clone,
	.vma_may_merge = lineage_vma_may_merge,
	.merge_prepare = lineage_merge_prepare,
	.merge_undo = lineage_vma_unlink,
	.adjust_begin = lineage_adjust_begin,
	.adjust_end = lineage_adjust_end,
	.move_begin = lineage_move_begin,
	.move_end = lineage_move_end,
	.vma_unlink = lineage_vma_unlink,
	.page_index = lineage_index,
	.page_new = lineage_page_new,
	.page_alone = lineage_page_alone,
	.page_slid = lineage_page_slid,
	.page_adopt = lineage_page_adopt,
	.page_leave = lineage_page_leave,
	.page_pin = lineage_page_pin,
	.page_replace = lineage_page_replace,
	.page_free = lineage_page_free,
	.slot_fill = lineage_slot_fill,
	.slot_dup = lineage_slot_dup,
	.slot_restore = lineage_slot_restore,
	.slot_rejoin = lineage_slot_rejoin,
	.slot_refill = lineage_slot_fill,
	.slot_free = lineage_slot_free,
	.walk = lineage_walk,
	.vma_links = lineage_vma_links,
	.page_owner = lineage_page_owner,
	.vma_check = lineage_vma_check,
	.page_check = lineage_page_check,
};
