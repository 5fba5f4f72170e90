// SPDX-License-Identifier: BSD-2-Clause
/*
 * Red-black trees (Guibas and Sedgewick, 1978) with one augmented value per node.
 *
 * Insertion and removal cost one descent by the caller, at most two or three rotations and, for the augmented values, a
 * climb that ends at the first node whose value does not change. The two mirror images of each case are one piece of code
 * that is told the side.
 *
 * How the augmented values stay right: first the path above the place that changed is brought up to date, then the tree is
 * rebalanced. A rotation leaves the set of nodes below its top as it was, so it only has to recompute the two nodes that it
 * turns, lower one first, and nothing above them.
 */
#include <rmap/rbtree.h>

#define BLACK ((uintptr_t)1)

enum side {
	LEFT,
	RIGHT,
};

static inline bool is_black(const struct rb_node *n)
{
	return !n || (n->parent_color & BLACK);
}

static inline void set_black(struct rb_node *n)
{
	n->parent_color |= BLACK; // NOLINT(clang-analyzer-core.NullDereference): see erase_fixup
}

static inline void set_red(struct rb_node *n)
{
	n->parent_color &= ~BLACK;
}

static inline void set_parent(struct rb_node *n, struct rb_node *parent)
{
	n->parent_color = (uintptr_t)parent | (n->parent_color & BLACK);
}

static inline struct rb_node **child(struct rb_node *n, enum side side)
{
	return side == LEFT ? &n->left : &n->right;
}

static inline enum side other(enum side side)
{
	return side == LEFT ? RIGHT : LEFT;
}

static inline void replace_child(struct rb_root *root, struct rb_node *parent, struct rb_node *old,
				 struct rb_node *now)
{
	if (!parent)
		rb_store(&root->node, now);
	else if (parent->left == old)
		rb_store(&parent->left, now);
	else
		rb_store(&parent->right, now);
}

/* x goes down to the given side; its child on the other side takes its place. */
static void rotate(struct rb_root *root, struct rb_node *x, enum side side, rb_update *update)
{
	struct rb_node *y = *child(x, other(side));
	struct rb_node *middle = *child(y, side);
	struct rb_node *parent = rb_parent(x);

	rb_store(child(x, other(side)), middle);
	if (middle)
		set_parent(middle, x);
	set_parent(y, parent);
	replace_child(root, parent, x, y);
	rb_store(child(y, side), x);
	set_parent(x, y);
	if (update) {
		update(x);
		update(y);
	}
}

/* From node upwards, as far as values change. */
static inline void climb(struct rb_node *node, rb_update *update)
{
	while (node && update(node))
		node = rb_parent(node);
}

static void insert_fixup(struct rb_root *root, struct rb_node *node, rb_update *update)
{
	struct rb_node *parent;

	while ((parent = rb_parent(node)) && !is_black(parent)) {
		struct rb_node *grand = rb_parent(parent); /* a red node is not the root */
		enum side side = parent == grand->left ? LEFT : RIGHT;
		struct rb_node *uncle = *child(grand, other(side));

		if (!is_black(uncle)) {
			set_black(parent);
			set_black(uncle);
			set_red(grand);
			node = grand;
			continue;
		}
		if (node == *child(parent, other(side))) {
			rotate(root, parent, side, update);
			parent = node;
		}
		set_black(parent);
		set_red(grand);
		rotate(root, grand, other(side), update);
		break;
	}
	set_black(root->node);
}

void rb_insert(struct rb_root *root, struct rb_node *node, struct rb_node *parent,
	       struct rb_node **link, rb_update *update)
{
	node->parent_color = (uintptr_t)parent; /* red */
	rb_store(&node->left, NULL);
	rb_store(&node->right, NULL);
	rb_store(link, node);
	if (update) {
		update(node);
		climb(parent, update);
	}
	insert_fixup(root, node, update);
}

/*
 * A black node is missing on the way to x, a child of parent (x may be NULL). So there is one more on the other side: the
 * sibling is never NULL, and neither is what the last rotation turns up; an analyser cannot know it.
 */
static void erase_fixup(struct rb_root *root, struct rb_node *x, struct rb_node *parent,
			rb_update *update)
{
	while (x != root->node && is_black(x)) {
		enum side side = x == parent->left ? LEFT : RIGHT;
		struct rb_node *sibling = *child(parent, other(side));

		if (!is_black(sibling)) {
			set_black(sibling);
			set_red(parent);
			rotate(root, parent, side, update);
			sibling = *child(parent, other(side));
		}
		// NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
		if (is_black(sibling->left) && is_black(sibling->right)) {
			set_red(sibling);
			x = parent;
			parent = rb_parent(x);
			continue;
		}
		if (is_black(*child(sibling, other(side)))) {
			set_black(*child(sibling, side));
			set_red(sibling);
			rotate(root, sibling, other(side), update);
			sibling = *child(parent, other(side));
		}
		sibling->parent_color =
			(sibling->parent_color & ~BLACK) | (parent->parent_color & BLACK);
		set_black(parent);
		set_black(*child(sibling, other(side)));
		rotate(root, parent, side, update);
		x = root->node;
		break;
	}
	if (x)
		set_black(x);
}

/*
 * node has two children: its successor takes its place and colour. Returns the node below which the black height may now be
 * short, and in *orphan the child there.
 */
static struct rb_node *erase_inner(struct rb_root *root, struct rb_node *node,
				   struct rb_node **orphan, bool *black, rb_update *update)
{
	struct rb_node *next = node->right;
	struct rb_node *parent;

	while (next->left)
		next = next->left;
	*orphan = next->right;
	*black = is_black(next);
	if (next == node->right) {
		parent = next;
	} else {
		parent = rb_parent(next);
		rb_store(&parent->left, *orphan);
		if (*orphan)
			set_parent(*orphan, parent);
		rb_store(&next->right, node->right);
		set_parent(next->right, next);
	}
	rb_store(&next->left, node->left);
	set_parent(next->left, next);
	next->parent_color = node->parent_color;
	replace_child(root, rb_parent(node), node, next);
	if (update) {
		/* next stands in for node: no value up to it may be trusted, so no early end. */
		for (struct rb_node *n = parent; n != next; n = rb_parent(n))
			update(n);
		update(next);
		climb(rb_parent(next), update);
	}
	return parent;
}

void rb_erase(struct rb_root *root, struct rb_node *node, rb_update *update)
{
	struct rb_node *orphan;
	struct rb_node *parent;
	bool black;

	if (node->left && node->right) {
		parent = erase_inner(root, node, &orphan, &black, update);
	} else {
		orphan = node->left ? node->left : node->right;
		parent = rb_parent(node);
		black = is_black(node);
		if (orphan)
			set_parent(orphan, parent);
		replace_child(root, parent, node, orphan);
		if (update)
			climb(parent, update);
	}
	if (black)
		erase_fixup(root, orphan, parent, update);
	rb_clear(node);
}

void rb_update_path(struct rb_node *node, rb_update *update)
{
	climb(node, update);
}

struct rb_node *rb_first(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->left)
		n = n->left;
	return n;
}

struct rb_node *rb_last(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->right)
		n = n->right;
	return n;
}

struct rb_node *rb_next(const struct rb_node *node)
{
	struct rb_node *parent;

	if (node->right) {
		struct rb_node *n = node->right;

		while (n->left)
			n = n->left;
		return n;
	}
	while ((parent = rb_parent(node)) && node == parent->right)
		node = parent;
	return parent;
}

struct rb_node *rb_prev(const struct rb_node *node)
{
	struct rb_node *parent;

	if (node->left) {
		struct rb_node *n = node->left;

		while (n->right)
			n = n->right;
		return n;
	}
	while ((parent = rb_parent(node)) && node == parent->left)
		node = parent;
	return parent;
}

/* Black nodes from node up to the root; -1 when the way does not end there (a tree of 2^63 nodes is 126 high). */
static int black_height(const struct rb_root *root, const struct rb_node *node)
{
	int height = 0;

	for (int i = 0; i < 128; i++) {
		const struct rb_node *parent = rb_parent(node);

		height += is_black(node);
		if (!parent)
			return node == root->node ? height : -1;
		if (parent->left != node && parent->right != node)
			return -1;
		node = parent;
	}
	return -1;
}

bool rb_valid(const struct rb_root *root)
{
	int height = -1;

	if (!root->node)
		return true;
	if (rb_parent(root->node) || !is_black(root->node))
		return false;
	for (const struct rb_node *n = rb_first(root); n; n = rb_next(n)) {
		int h = black_height(root, n);

		if (h < 0)
			return false;
		/* A left child is passed by before n, and leads to n only if it is n's. */
		if (n->right && rb_parent(n->right) != n)
			return false;
		if (!is_black(n) && (!is_black(n->left) || !is_black(n->right)))
			return false;
		if (n->left && n->right)
			continue;
		if (height < 0)
			height = h;
		if (h != height)
			return false;
	}
	return true;
}
