/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An intrusive red-black tree with one augmented value per node.
 *
 * Two users: the interval trees (augmented by the last page offset below a node) and the VMA trees (augmented by the
 * largest free gap below a node). The caller finds the place for a new node itself, so there is no comparison callback.
 * An update function recomputes a node's augmented value from the node and its two children and says whether it changed;
 * NULL where nothing is augmented. No function locks.
 *
 * A reader may descend beside a writer, by rb_load() from the root on, in an RCU section, if nodes are freed after a grace period
 * and the descent is bounded: every link is stored whole, and a node's contents before the link to it. Such a reader may miss a
 * node (a rotation passed under it) and may meet one that has just left; it must verify what it found.
 */
#ifndef RMAP_RBTREE_H
#define RMAP_RBTREE_H

#include <rmap/types.h>

struct rb_node {
	uintptr_t parent_color; /* bit 0: black */
	struct rb_node *left;
	struct rb_node *right;
};

struct rb_root {
	struct rb_node *node;
};

/* A link (a root's, a node's left or right) as it is read beside a writer. */
static inline struct rb_node *rb_load(struct rb_node *const *link)
{
	return atomic_load_explicit((_Atomic(struct rb_node *) *)(uintptr_t)link,
				    memory_order_acquire);
}

/* Store a link so that others may descend by rb_load() meanwhile. The writer itself reads links as they are. */
static inline void rb_store(struct rb_node **link, struct rb_node *node)
{
	atomic_store_explicit((_Atomic(struct rb_node *) *)link, node, memory_order_release);
}

/* Recomputes node's augmented value; true when it changed. */
typedef bool rb_update(struct rb_node *node);

/* NULL for the root. */
static inline struct rb_node *rb_parent(const struct rb_node *n)
{
	return (struct rb_node *)(n->parent_color & ~(uintptr_t)3);
}

/* A node outside every tree points at itself; rb_clear makes it so and rb_is_linked asks. */
static inline void rb_clear(struct rb_node *n)
{
	n->parent_color = (uintptr_t)n;
	rb_store(&n->left, NULL);
	rb_store(&n->right, NULL);
}

/* Is it in a tree? Needs rb_clear() before the first insertion; zeroes look like a root. */
static inline bool rb_is_linked(const struct rb_node *n)
{
	return (n->parent_color & ~(uintptr_t)3) != (uintptr_t)n;
}

/*
 * Link node at *link below parent (NULL parent: the tree is empty) and rebalance. The augmented values on the path to
 * the root are brought up to date.
 */
void rb_insert(struct rb_root *root, struct rb_node *node, struct rb_node *parent,
	       struct rb_node **link, rb_update *update);

/* Unlink node, rebalance, bring the path up to date. node is rb_clear()ed. */
void rb_erase(struct rb_root *root, struct rb_node *node, rb_update *update);

/* After node's own key or value changed in place (without changing its order): bring the path to the root up to date. */
void rb_update_path(struct rb_node *node, rb_update *update);

/* The ends, NULL of an empty tree; the neighbours in order, NULL behind the last. */
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);

/* True when colours, black heights and parent pointers are right everywhere. For checkers. */
bool rb_valid(const struct rb_root *root);

#endif
