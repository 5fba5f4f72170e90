/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An owner of anonymous pages, seen from a walker: what the page's mapping names, and how to get hold of it.
 *
 * A walker may have nothing but a reference to the page, and the owner may be going away at this very moment, with the last
 * address space that maps the page. Rules for a design that uses this:
 *
 *  - Owners are type-stable and have a struct rmap_owner as their first member. Lock and count are never initialised again.
 *  - A mapped page's owner has at least one reference; it is dropped only after the page was unmapped.
 *  - What a walk reads below the owner is changed under its lock for writing, after PTEs are gone and before they come.
 *
 * Then whoever finds the page mapped, with the same mapping, after he got a reference, has the right owner and keeps it. (An
 * owner that was freed meanwhile may be another page's now; the walker has done nothing but count in it, and lets go.)
 *
 * Usually the lock is free: then it is taken without a reference, and the walk stays in one RCU section, in which it is dropped
 * again. Only who must sleep for it takes a reference first.
 */
#ifndef RMAP_OWNER_H
#define RMAP_OWNER_H

#include "walk.h"

struct rmap_owner {
	struct rmap_rwsem lock; /* RMAP_LOCK_ANON_VMA */
	_Atomic uint32_t refs;	/* 0: free */
};

/* Of an object from alloc, fresh if it was never one before: one reference. The other members were set before. */
void owner_init(struct rmap_owner *owner, bool fresh);

static inline void owner_get(struct rmap_owner *owner)
{
	atomic_fetch_add_explicit(&owner->refs, 1, memory_order_relaxed);
}

/* See valid.h. A reference. */
static inline bool rmap_owner_valid(const struct rmap_owner *owner)
{
	return atomic_load_explicit(&owner->refs, memory_order_relaxed) != 0;
}

/* A reference, unless there is none any more. */
bool owner_try_get(struct rmap_owner *owner);

/* One less; true: it was the last, the caller frees the object. */
static inline bool owner_put(struct rmap_owner *owner)
{
	return atomic_fetch_sub_explicit(&owner->refs, 1, memory_order_acq_rel) == 1;
}

/* Drop a reference that may be the last; no lock held. */
typedef void owner_release(struct rmap *rmap, struct rmap_owner *owner);

/*
 * The owner of page with a reference; NULL: it has none that need be asked. entries: nothing need map it (its owner is
 * pinned).
 */
struct rmap_owner *owner_of_page(struct rmap *rmap, const struct rmap_page *page, bool entries,
				 owner_release *release);

/* A walker's hold on an owner, whose lock it has for reading. */
struct owner_hold {
	struct rmap_owner *owner; /* NULL: nobody need be asked, nothing is held */
	bool referenced;	  /* else: in an RCU section */
};

/* 0, or RMAP_EAGAIN for a walker that may not wait. */
int owner_lock_page(struct rmap *rmap, const struct rmap_page *page,
		    const struct rmap_walk_state *state, owner_release *release,
		    struct owner_hold *hold);
void owner_unlock(struct rmap *rmap, const struct owner_hold *hold, owner_release *release);

#endif
