// SPDX-License-Identifier: BSD-2-Clause
/*
 * anon_vma_chain: the way from a page to its anon_vma, and the walk.
 *
 * The hard part is the first step. A walker may have nothing but a reference to the page; the page's mapping names an anon_vma
 * that may be going away at this very moment, with the last VMA that maps the page. Why it is safe nevertheless:
 *
 *  - In an RCU section, an anon_vma that was alive at some moment of the section stays readable memory, and stays *an*
 *    anon_vma, since the port reuses such objects only as their own kind. It may have become another one.
 *  - A mapped page keeps its anon_vma alive: the VMA that maps it is linked there. So mapping is read first and the map count
 *    after it; only if that is not zero is the anon_vma touched.
 *  - VMAs are unlinked under the root's lock for writing, after their pages were unmapped. So who holds the root's lock for
 *    reading and then (again) finds the page mapped, with the same mapping, has an anon_vma that cannot go until the lock is
 *    dropped. Who does not find it so has locked something that may be stale, and has done nothing but that: it lets go.
 *
 * If the lock is taken, sleeping for it must be outside the RCU section; then a reference keeps the anon_vma, and it its
 * root. The reference is only taken of one that has any, and only in this case, so that walkers do not meet in one counter.
 *
 * Dropping the lock touches its word once more if somebody waits, when the lock is already another's, who may be freeing it.
 * So whoever has no reference drops it in an RCU section, which the usual walk never leaves in between.
 */
#include "anon_vma_chain.h"
#include "count.h"
#include "walk.h"

static inline void rcu_enter(const struct rmap *rmap)
{
	rmap->port->rcu_read_lock(rmap->port->ctx);
}

static inline void rcu_leave(const struct rmap *rmap)
{
	rmap->port->rcu_read_unlock(rmap->port->ctx);
}

/* A reference, unless there is none any more. */
static bool get_not_zero(struct anon_vma *anon_vma)
{
	uint32_t n = atomic_load_explicit(&anon_vma->refcount, memory_order_relaxed);

	while (n != 0) {
		if (atomic_compare_exchange_weak_explicit(&anon_vma->refcount, &n, n + 1,
							  memory_order_acquire,
							  memory_order_relaxed))
			return true;
	}
	return false;
}

void anon_vma_put(struct rmap *rmap, struct anon_vma *anon_vma)
{
	while (atomic_fetch_sub_explicit(&anon_vma->refcount, 1, memory_order_acq_rel) == 1) {
		struct anon_vma *root = anon_vma_root(anon_vma);

		RMAP_ASSERT(rmap->port, !anon_vma->rb_root.node);
		rmap_object_free(rmap, RMAP_KIND_ANON_VMA, anon_vma, sizeof(*anon_vma));
		if (root == anon_vma)
			return;
		anon_vma = root; /* it was held by its member */
	}
}

/* What a walker holds: the anon_vma with its root's lock for reading. */
struct owner_lock {
	struct anon_vma *anon_vma; /* NULL: the page has none that need be asked */
	struct anon_vma *root;
	bool pinned; /* a reference is held too */
};

/* With the root's lock held: is it the right one, and is the page still to be found? */
static bool still_owner(const struct owner_lock *lock, const struct rmap_page *page,
			uintptr_t mapping, const struct rmap_walk_state *state)
{
	return atomic_load_explicit(&page->mapping, memory_order_acquire) == mapping &&
	       walk_wants(state, page) && anon_vma_root(lock->anon_vma) == lock->root;
}

/* Without sleeping. True: this is decided (locked, nothing to lock, or *busy). False: look again. */
static bool try_lock_owner(struct rmap *rmap, struct rmap_page *page,
			   const struct rmap_walk_state *state, struct owner_lock *lock, bool *busy)
{
	uintptr_t mapping = atomic_load_explicit(&page->mapping, memory_order_acquire);

	lock->anon_vma = NULL;
	if (!(mapping & RMAP_MAPPING_ANON) || !walk_wants(state, page))
		return true;
	lock->anon_vma = mapping_owner(mapping);
	lock->root = anon_vma_root(lock->anon_vma);
	if (rmap_read_trylock(&lock->root->rwsem)) {
		if (still_owner(lock, page, mapping, state))
			return true;
		rmap_read_unlock(&lock->root->rwsem, rmap->port);
		return false;
	}
	*busy = true;
	if (!(state->walk->flags & RMAP_WALK_TRYLOCK))
		lock->pinned = get_not_zero(lock->anon_vma);
	return true;
}

/* The pinned anon_vma's lock, sleeping for it. False: it was not the page's any more; nothing is held. */
static bool lock_pinned_owner(struct rmap *rmap, struct rmap_page *page,
			      const struct rmap_walk_state *state, struct owner_lock *lock)
{
	uintptr_t mapping = (uintptr_t)lock->anon_vma | RMAP_MAPPING_ANON;

	lock->root = anon_vma_root(lock->anon_vma);
	rmap_read_lock(&lock->root->rwsem, rmap->port);
	if (still_owner(lock, page, mapping, state))
		return true;
	rmap_read_unlock(&lock->root->rwsem, rmap->port);
	anon_vma_put(rmap, lock->anon_vma);
	return false;
}

/*
 * Locked, unless lock->anon_vma is NULL or RMAP_EAGAIN is returned. The usual way, without a reference, stays in the RCU section
 * that unlock_owner() leaves: leaving it here and entering it there again would be two more calls for nothing, since a walk
 * does not sleep.
 */
static int lock_owner(struct rmap *rmap, struct rmap_page *page,
		      const struct rmap_walk_state *state, struct owner_lock *lock)
{
	for (;;) {
		bool busy = false;
		bool decided;

		lock->pinned = false;
		rcu_enter(rmap);
		decided = try_lock_owner(rmap, page, state, lock, &busy);
		if (decided && !busy && lock->anon_vma)
			return RMAP_OK;
		rcu_leave(rmap);
		if (!decided)
			continue;
		if (!busy)
			return RMAP_OK;
		if (state->walk->flags & RMAP_WALK_TRYLOCK)
			return RMAP_EAGAIN;
		/* Without a reference it was just dying, and the page is unmapped or has got another owner. */
		if (lock->pinned && lock_pinned_owner(rmap, page, state, lock))
			return RMAP_OK;
	}
}

static void unlock_owner(struct rmap *rmap, const struct owner_lock *lock)
{
	if (lock->pinned) {
		rmap_read_unlock(&lock->root->rwsem, rmap->port);
		anon_vma_put(rmap, lock->anon_vma);
		return;
	}
	rmap_read_unlock(&lock->root->rwsem, rmap->port);
	rcu_leave(rmap);
}

/*
 * Every VMA linked to the page's anon_vma that covers the page's index, by rising page offset, ties in order of insertion:
 * parents before children. While the root's lock is held none of them can be unlinked, and page tables are freed after that;
 * so pte_find() has mm, VMA and tables to look at.
 */
int avc_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state)
{
	struct owner_lock lock;
	struct rb_node *node;
	uint64_t index;
	int error = lock_owner(rmap, page, state, &lock);

	if (error || !lock.anon_vma)
		return error;
	state->family_locks++;
	index = page->index;
	node = itree_first(&lock.anon_vma->rb_root, index, index, &avc_tree, &state->walk->steps);
	while (node && walk_vma(state, page, node_avc(node)->vma))
		node = itree_next(node, index, index, &avc_tree, &state->walk->steps);
	unlock_owner(rmap, &lock);
	return RMAP_OK;
}

void *avc_page_pin(struct rmap *rmap, struct rmap_page *page)
{
	struct anon_vma *anon_vma = NULL;
	bool pinned = false;
	uintptr_t mapping;

	rcu_enter(rmap);
	mapping = atomic_load_explicit(&page->mapping, memory_order_acquire);
	if ((mapping & RMAP_MAPPING_ANON) && rmap_page_mapcount(page) != 0) {
		anon_vma = mapping_owner(mapping);
		pinned = get_not_zero(anon_vma);
	}
	rcu_leave(rmap);
	if (!pinned)
		return NULL;
	/* Still mapped: so it was this page's owner that was pinned, and not one that took the place of it. */
	if (rmap_page_mapcount(page) != 0)
		return anon_vma;
	anon_vma_put(rmap, anon_vma);
	return NULL;
}

void avc_page_unpin(struct rmap *rmap, void *pin)
{
	anon_vma_put(rmap, pin);
}
