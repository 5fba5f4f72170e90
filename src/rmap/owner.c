// SPDX-License-Identifier: BSD-2-Clause
/*
 * Owners of anonymous pages: see owner.h for the rules and the argument.
 */
#include "owner.h"

void owner_init(struct rmap_owner *owner, bool fresh)
{
	/* The lock of one that lived before may be held by a late reader. */
	if (fresh)
		rmap_rwsem_init(&owner->lock, RMAP_LOCK_ANON_VMA);
	atomic_store_explicit(&owner->refs, 1, memory_order_release);
}

bool owner_try_get(struct rmap_owner *owner)
{
	uint32_t n = atomic_load_explicit(&owner->refs, memory_order_relaxed);

	while (n != 0) {
		if (atomic_compare_exchange_weak_explicit(
			    &owner->refs, &n, n + 1, memory_order_acquire, memory_order_relaxed))
			return true;
	}
	return false;
}

static inline void rcu_enter(const struct rmap *rmap)
{
	rmap->port->rcu_read_lock(rmap->port->ctx);
}

static inline void rcu_leave(const struct rmap *rmap)
{
	rmap->port->rcu_read_unlock(rmap->port->ctx);
}

/* What the page names, if it must be asked. In an RCU section. */
static struct rmap_owner *named(const struct rmap_page *page, bool entries)
{
	uintptr_t mapping = atomic_load_explicit(&page->mapping, memory_order_acquire);

	/* The map count is read after the owner: if it is not zero, the owner was alive. */
	atomic_thread_fence(memory_order_acquire);
	if (!(mapping & RMAP_MAPPING_ANON) || (!entries && rmap_page_mapcount(page) == 0))
		return NULL;
	return mapping_owner(mapping);
}

struct rmap_owner *owner_of_page(struct rmap *rmap, const struct rmap_page *page, bool entries,
				 owner_release *release)
{
	for (;;) {
		struct rmap_owner *owner;
		bool got;

		rcu_enter(rmap);
		owner = named(page, entries);
		got = owner && owner_try_get(owner);
		rcu_leave(rmap);
		if (!owner)
			return NULL;
		if (!got)
			continue;
		/* Still the page's: so it was this one that was got, and not one that took its place. */
		if (named(page, entries) == owner)
			return owner;
		release(rmap, owner);
	}
}

int owner_lock_page(struct rmap *rmap, const struct rmap_page *page,
		    const struct rmap_walk_state *state, owner_release *release,
		    struct owner_hold *hold)
{
	bool entries = state->walk->flags & RMAP_WALK_ENTRIES;

	for (;;) {
		struct rmap_owner *owner;

		hold->referenced = false;
		rcu_enter(rmap);
		owner = hold->owner = named(page, entries);
		if (owner && rmap_read_trylock(&owner->lock)) {
			if (named(page, entries) == owner)
				return RMAP_OK;
			rmap_read_unlock(&owner->lock, rmap->port);
			rcu_leave(rmap);
			continue;
		}
		rcu_leave(rmap);
		if (!owner)
			return RMAP_OK;
		if (state->walk->flags & RMAP_WALK_TRYLOCK)
			return RMAP_EAGAIN;
		hold->owner = owner_of_page(rmap, page, entries, release);
		if (!hold->owner)
			return RMAP_OK;
		hold->referenced = true;
		rmap_read_lock(&hold->owner->lock, rmap->port);
		if (named(page, entries) == hold->owner)
			return RMAP_OK;
		rmap_read_unlock(&hold->owner->lock, rmap->port);
		release(rmap, hold->owner);
	}
}

void owner_unlock(struct rmap *rmap, const struct owner_hold *hold, owner_release *release)
{
	rmap_read_unlock(&hold->owner->lock, rmap->port);
	if (hold->referenced)
		release(rmap, hold->owner);
	else
		rcu_leave(rmap);
}
