// SPDX-License-Identifier: BSD-2-Clause
/*
 * A radix tree of 64-way nodes: from a page offset to what is cached there.
 *
 * Offsets of a file are dense where there are any, so a node of 64 pointers (520 bytes) is mostly full and costs 8 bytes a page;
 * a search is one step per six bits of the largest offset. The tree is only as high as that offset asks, grows at the root and
 * shrinks there too, and frees a node when its last entry goes.
 *
 * Entering may need nodes, and the tree is changed under a spin lock. So: file_tree_missing() under the lock says how many,
 * file_tree_reserve() without it sets them aside, and file_tree_set() under the lock again uses them, if by then they are still
 * enough. Replacing and removing need none, which is why reclaim can do both.
 *
 * The file's lock is held around each function but reserve and unreserve.
 */
#include "file.h"
#include "valid.h"

#define LEVELS_MAX ((64 + FILE_TREE_SHIFT - 1) / FILE_TREE_SHIFT)

/* The largest index that a tree of this height has a place for. */
static uint64_t last_index(unsigned int height)
{
	unsigned int bits = height * FILE_TREE_SHIFT;

	return bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
}

static unsigned int slot_of(uint64_t index, unsigned int level)
{
	return (unsigned int)(index >> (level * FILE_TREE_SHIFT)) & (FILE_TREE_WAYS - 1);
}

static unsigned int height_for(uint64_t index)
{
	unsigned int height = 1;

	while (index > last_index(height))
		height++;
	return height;
}

void *file_tree_get(const struct file_tree *tree, uint64_t index)
{
	const struct file_tree_node *node = tree->root;

	if (!node || index > last_index(tree->height))
		return NULL;
	for (unsigned int level = tree->height - 1; level > 0 && node; level--)
		node = node->slot[slot_of(index, level)];
	return node ? node->slot[slot_of(index, 0)] : NULL;
}

/*
 * Go down towards index. Where nothing is, set index to the first one behind what is missing and return NULL; *end: there is
 * nothing behind it.
 */
static void *next_below(const struct file_tree *tree, uint64_t *index, bool *end)
{
	const struct file_tree_node *node = tree->root;

	for (unsigned int level = tree->height - 1;; level--) {
		unsigned int shift = level * FILE_TREE_SHIFT, i = slot_of(*index, level);
		uint64_t below = ((uint64_t)1 << shift) - 1;

		if (!node->slot[i]) {
			while (++i < FILE_TREE_WAYS && !node->slot[i])
				*index = (*index | below) + 1;
			/* At the node's end this carries into the level above. */
			*index = (*index | below) + 1;
			*end = *index == 0 || *index > last_index(tree->height);
			return NULL;
		}
		if (level == 0)
			return node->slot[i];
		node = node->slot[i];
	}
}

void *file_tree_next(const struct file_tree *tree, uint64_t *index)
{
	bool end = !tree->root || *index > last_index(tree->height);

	while (!end) {
		void *entry = next_below(tree, index, &end);

		if (entry)
			return entry;
	}
	return NULL;
}

unsigned int file_tree_missing(const struct file_tree *tree, uint64_t index)
{
	const struct file_tree_node *node = tree->root;
	unsigned int height = height_for(index), missing = 0;

	if (!node)
		return height;
	if (height > tree->height) {
		/* New roots above the old one; below the topmost, the path to index is all new. */
		missing = height - tree->height;
		return missing + height - 1;
	}
	for (unsigned int level = tree->height - 1; level > 0; level--) {
		node = node->slot[slot_of(index, level)];
		if (!node)
			return level;
	}
	return 0;
}

int file_tree_reserve(struct mm_system *sys, struct file_tree_spare *spare, unsigned int nr)
{
	while (spare->nr < nr) {
		struct file_tree_node *node = mm_alloc(sys, RMAP_KIND_FILE_NODE, sizeof(*node));

		if (!node)
			return RMAP_ENOMEM;
		memset(node, 0, sizeof(*node));
		node->slot[0] = spare->nodes;
		spare->nodes = node;
		spare->nr++;
	}
	return 0;
}

static struct file_tree_node *spare_take(struct mm_system *sys, struct file_tree_spare *spare)
{
	struct file_tree_node *node = spare->nodes;

	MM_ASSERT(sys, node != NULL);
	spare->nodes = node->slot[0];
	spare->nr--;
	node->slot[0] = NULL;
	return node;
}

void file_tree_unreserve(struct mm_system *sys, struct file_tree_spare *spare)
{
	while (spare->nr) {
		struct file_tree_node *node = spare_take(sys, spare);

		mm_free(sys, RMAP_KIND_FILE_NODE, node, sizeof(*node));
	}
}

/* Put roots on top until there is a place for index. */
static void grow(struct mm_system *sys, struct file_tree *tree, uint64_t index,
		 struct file_tree_spare *spare)
{
	unsigned int height = height_for(index);

	if (!tree->root) {
		tree->root = spare_take(sys, spare);
		tree->height = height;
		return;
	}
	while (tree->height < height) {
		struct file_tree_node *root = spare_take(sys, spare);

		root->slot[0] = tree->root;
		root->count = 1;
		tree->root = root;
		tree->height++;
	}
}

void file_tree_set(struct mm_system *sys, struct file_tree *tree, uint64_t index, void *entry,
		   struct file_tree_spare *spare)
{
	struct file_tree_node *node;
	void **slot;

	MM_ASSERT(sys, entry != NULL);
	grow(sys, tree, index, spare);
	node = tree->root;
	for (unsigned int level = tree->height - 1; level > 0; level--) {
		slot = &node->slot[slot_of(index, level)];
		if (!*slot) {
			*slot = spare_take(sys, spare);
			node->count++;
		}
		node = *slot;
	}
	slot = &node->slot[slot_of(index, 0)];
	if (!*slot) {
		node->count++;
		tree->count++;
	}
	*slot = entry;
	MM_DEBUG_ASSERT(sys, file_tree_valid(tree) && file_tree_node_valid(node));
}

/* The largest offset went: roots that lead only to their first child are not needed. */
static void shrink(struct mm_system *sys, struct file_tree *tree)
{
	struct file_tree_node *root = tree->root;

	while (tree->height > 1 && root->count == 1 && root->slot[0]) {
		tree->root = root->slot[0];
		tree->height--;
		mm_free(sys, RMAP_KIND_FILE_NODE, root, sizeof(*root));
		root = tree->root;
	}
}

void *file_tree_remove(struct mm_system *sys, struct file_tree *tree, uint64_t index)
{
	struct file_tree_node *path[LEVELS_MAX], *node = tree->root;
	unsigned int level;
	void *entry;

	if (!node || index > last_index(tree->height))
		return NULL;
	for (level = tree->height - 1;; level--) {
		path[level] = node;
		if (!node->slot[slot_of(index, level)])
			return NULL;
		if (level == 0)
			break;
		node = node->slot[slot_of(index, level)];
	}
	entry = node->slot[slot_of(index, 0)];
	tree->count--;
	for (; level < tree->height; level++) {
		node = path[level];
		node->slot[slot_of(index, level)] = NULL;
		if (--node->count)
			break;
		mm_free(sys, RMAP_KIND_FILE_NODE, node, sizeof(*node));
	}
	if (level == tree->height) {
		tree->root = NULL;
		tree->height = 0;
	} else {
		shrink(sys, tree);
	}
	return entry;
}
