/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The structures of the anon_vma_chain design. docs/designs/anon_vma_chain.md explains them with drawings.
 */
#ifndef RMAP_ANON_VMA_CHAIN_H
#define RMAP_ANON_VMA_CHAIN_H

#include "design.h"

#include "../base/interval_tree.h"

/*
 * An origin of anonymous pages: what they name in their mapping. It holds all VMAs that may map such a page.
 *
 * The lock of a whole family is its root's; that of any other member is never used. Type-stable: a reader under RCU may still
 * read root and refcount of one that was freed, and take and drop its rwsem; so neither rwsem nor refcount is ever
 * initialised again.
 */
struct anon_vma {
	_Atomic(struct anon_vma *) root; /* itself for a root; fixed while refcount > 0 */
	struct rmap_rwsem rwsem;	 /* RMAP_LOCK_ANON_VMA; used in roots */
	_Atomic uint32_t refcount; /* 1 for being linked, 1 a pin; in a root also 1 a member */
	uint32_t num_children;	   /* whose parent this is; a root counts itself; root lock */
	uint32_t num_active_vmas;  /* VMAs whose new pages go here; root lock */
	struct anon_vma *parent;   /* of the VMA it was forked from; a root's: itself; fixed */
	struct rb_root rb_root;	   /* interval tree of AVCs by page offset; root lock */
};

/* A link between a VMA and an anon_vma: one line of the many-to-many table, in two lists. */
struct anon_vma_chain {
	struct rmap_vma *vma;	   /* fixed */
	struct anon_vma *anon_vma; /* fixed */
	struct list_head same_vma; /* in the VMA's chain; mmap + root lock to change */
	struct rb_node rb;	   /* in the anon_vma's tree; root lock */
	uint64_t rb_subtree_last;  /* largest last page offset below rb; root lock */
};

_Static_assert(sizeof(struct anon_vma_chain) == 64, "a link fills one cache line");

/* The anon_vma for a VMA's new pages; NULL: unfaulted. */
static inline struct anon_vma *vma_own(const struct rmap_vma *vma)
{
	return atomic_load_explicit(&vma->design.avc.anon_vma, memory_order_acquire);
}

static inline struct anon_vma *anon_vma_root(const struct anon_vma *anon_vma)
{
	return atomic_load_explicit(&anon_vma->root, memory_order_acquire);
}

static inline struct anon_vma_chain *chain_entry(const struct list_head *entry)
{
	return list_entry((uintptr_t)entry, struct anon_vma_chain, same_vma);
}

static inline struct anon_vma_chain *node_avc(const struct rb_node *node)
{
	return rmap_container_of((uintptr_t)node, struct anon_vma_chain, rb);
}

/* ---------------------------------------------------------------- the interval tree of links */

static inline uint64_t avc_first(const struct rb_node *node)
{
	return node_avc(node)->vma->pgoff;
}

static inline uint64_t avc_last(const struct rb_node *node)
{
	const struct rmap_vma *vma = node_avc(node)->vma;

	return vma->pgoff + ((vma->end - vma->start) >> RMAP_PAGE_SHIFT) - 1;
}

static inline uint64_t *avc_subtree_last(struct rb_node *node)
{
	return &node_avc(node)->rb_subtree_last;
}

bool avc_update(struct rb_node *node);

static const struct itree avc_tree = {
	.first = avc_first,
	.last = avc_last,
	.subtree_last = avc_subtree_last,
	.update = avc_update,
};

/* ---------------------------------------------------------------- what each must satisfy by itself (see valid.h) */

/* Root lock; one that is linked or pinned. */
static inline bool anon_vma_valid(const struct anon_vma *anon_vma)
{
	const struct anon_vma *root = anon_vma_root(anon_vma);
	bool is_root = root == anon_vma;

	return root && atomic_load_explicit(&anon_vma->refcount, memory_order_relaxed) != 0 &&
	       is_root == (anon_vma->parent == anon_vma) && anon_vma->parent &&
	       (!is_root || anon_vma->num_children != 0);
}

/* Root lock; its VMA not hidden. */
static inline bool anon_vma_chain_valid(const struct anon_vma_chain *avc)
{
	return avc->vma && avc->anon_vma && list_valid(&avc->same_vma) &&
	       avc->rb_subtree_last >= avc_last(&avc->rb);
}

/* ---------------------------------------------------------------- lifetime (anon_vma_chain_walk.c) */

/* Drop a reference; the last one frees. No lock of the family held. */
void anon_vma_put(struct rmap *rmap, struct anon_vma *anon_vma);

int avc_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state);
void *avc_page_pin(struct rmap *rmap, struct rmap_page *page);
void avc_page_unpin(struct rmap *rmap, void *pin);

/* ---------------------------------------------------------------- questions (anon_vma_chain_check.c) */

void avc_vma_links(const struct rmap_vma *vma,
		   void (*emit)(const struct rmap_link_info *info, void *arg), void *arg);
const char *avc_vma_check(const struct rmap *rmap, const struct rmap_vma *vma);

#endif
