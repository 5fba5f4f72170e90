/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interval trees: which of these ranges overlap that one?
 *
 * A red-black tree ordered by the first number of each range, ties in order of insertion, where every node also knows the
 * largest last number below it. A search goes left while the left side may still reach the wanted range; it never enters a
 * subtree without a candidate. Ranges are inclusive: [first, last].
 *
 * The user describes its node by a constant struct itree; the functions are inlined and the description melts away, so that a
 * tree of VMAs and a tree of chain objects each get code of their own. Nothing here locks.
 */
#ifndef RMAP_INTERVAL_TREE_H
#define RMAP_INTERVAL_TREE_H

#include <rmap/rbtree.h>

struct itree {
	uint64_t (*first)(const struct rb_node *node);
	uint64_t (*last)(const struct rb_node *node);
	uint64_t *(*subtree_last)(struct rb_node *node); /* the augmented value */
	rb_update *update;				 /* itree_update() with this description */
};

#define ITREE_INLINE static inline __attribute__((always_inline))

ITREE_INLINE uint64_t itree_below(const struct rb_node *node, const struct itree *const t)
{
	return *t->subtree_last((struct rb_node *)(uintptr_t)node);
}

/* What node's augmented value should be, from its range and its children's values. */
ITREE_INLINE uint64_t itree_compute(const struct rb_node *node, const struct itree *const t)
{
	uint64_t max = t->last(node);

	if (node->left && itree_below(node->left, t) > max)
		max = itree_below(node->left, t);
	if (node->right && itree_below(node->right, t) > max)
		max = itree_below(node->right, t);
	return max;
}

ITREE_INLINE bool itree_update(struct rb_node *node, const struct itree *const t)
{
	uint64_t max = itree_compute(node, t);

	if (*t->subtree_last(node) == max)
		return false;
	*t->subtree_last(node) = max;
	return true;
}

/* Enter node behind all that have the same first number. */
ITREE_INLINE void itree_insert(struct rb_root *root, struct rb_node *node,
			       const struct itree *const t)
{
	uint64_t first = t->first(node);
	uint64_t last = t->last(node);
	struct rb_node **link = &root->node;
	struct rb_node *parent = NULL;

	while (*link) {
		parent = *link;
		/* On the way down, so that the climb in rb_insert() ends at once. */
		if (itree_below(parent, t) < last)
			*t->subtree_last(parent) = last;
		link = first < t->first(parent) ? &parent->left : &parent->right;
	}
	rb_insert(root, node, parent, link, t->update);
}

/* Enter node right behind prev, which has the same first number: before others of that number. */
ITREE_INLINE void itree_insert_after(struct rb_root *root, struct rb_node *node,
				     struct rb_node *prev, const struct itree *const t)
{
	struct rb_node *parent = prev;
	struct rb_node **link = &prev->right;

	while (*link) {
		parent = *link;
		link = &parent->left;
	}
	rb_insert(root, node, parent, link, t->update);
}

ITREE_INLINE void itree_erase(struct rb_root *root, struct rb_node *node,
			      const struct itree *const t)
{
	rb_erase(root, node, t->update);
}

/* The lowest node below (and with) node that overlaps [lo, hi]; node's subtree reaches lo. steps: nodes touched. */
ITREE_INLINE struct rb_node *itree_descend(struct rb_node *node, uint64_t lo, uint64_t hi,
					   const struct itree *const t, uint64_t *steps)
{
	for (;;) {
		++*steps;
		/*
		 * If somebody on the left reaches lo, the answer is there or nowhere: should it begin behind hi, so does
		 * everybody further right.
		 */
		if (node->left && itree_below(node->left, t) >= lo) {
			node = node->left;
			continue;
		}
		if (t->first(node) > hi)
			return NULL;
		if (t->last(node) >= lo)
			return node;
		if (!node->right || itree_below(node->right, t) < lo)
			return NULL;
		node = node->right;
	}
}

/* The first range, in order, that overlaps [lo, hi], or NULL. */
ITREE_INLINE struct rb_node *itree_first(const struct rb_root *root, uint64_t lo, uint64_t hi,
					 const struct itree *const t, uint64_t *steps)
{
	if (!root->node || itree_below(root->node, t) < lo)
		return NULL;
	return itree_descend(root->node, lo, hi, t, steps);
}

/* The one after node. */
ITREE_INLINE struct rb_node *itree_next(struct rb_node *node, uint64_t lo, uint64_t hi,
					const struct itree *const t, uint64_t *steps)
{
	for (;;) {
		struct rb_node *from;

		if (node->right && itree_below(node->right, t) >= lo)
			return itree_descend(node->right, lo, hi, t, steps);
		do {
			from = node;
			node = rb_parent(node);
			if (!node)
				return NULL;
		} while (from == node->right);
		/* Not a step: the way up leads over nodes that the descent counted. */
		if (t->first(node) > hi)
			return NULL;
		if (t->last(node) >= lo)
			return node;
	}
}

/* For checkers: is node in root's tree, in order with its neighbours, and are the values right from it to the top? */
ITREE_INLINE bool itree_node_valid(const struct rb_root *root, const struct rb_node *node,
				   const struct itree *const t)
{
	const struct rb_node *prev;
	const struct rb_node *next;
	const struct rb_node *n = node;

	if (!rb_is_linked(node))
		return false;
	for (int height = 0; n; height++) {
		if (height > 128 || itree_below(n, t) != itree_compute(n, t))
			return false;
		if (!rb_parent(n))
			break;
		n = rb_parent(n);
	}
	if (n != root->node)
		return false;
	prev = rb_prev(node);
	next = rb_next(node);
	return (!prev || t->first(prev) <= t->first(node)) &&
	       (!next || t->first(node) <= t->first(next));
}

#endif
