// SPDX-License-Identifier: BSD-2-Clause
/*
 * The file map: page → file → VMAs (object-based reverse mapping, McCracken 2003).
 *
 * A file lists the VMAs that map it, in an interval tree by page offset. A page at offset index stands in each of them at
 * start + (index - pgoff), whatever part of the file the VMA maps; whether it is mapped there the page table says. One node
 * per VMA, inside it: no memory, nothing to do at faults, and private mappings are in the tree like shared ones, since they map
 * the file's pages until they are written.
 *
 * Price: a walk looks at every VMA that covers the offset, mapped there or not; and all processes that map one file meet at its
 * lock in mmap, fork and exit. A walk that may stop at the map count need not pay the first, if somebody remembers where the page
 * was found last time (file_map_walk_first()).
 *
 * VMAs of the same offset stand in order of insertion, except that fork enters the child right behind its parent: whoever
 * walks the tree while PTEs are copied (truncation, migration) and has passed the parent still meets the child.
 */
#include "file_map.h"
#include "count.h"
#include "valid.h"
#include "walk.h"

#include "../base/interval_tree.h"

static inline struct rmap_vma *node_vma(const struct rb_node *node)
{
	return rmap_container_of((uintptr_t)node, struct rmap_vma, file_node);
}

static inline uint64_t vma_first(const struct rb_node *node)
{
	return node_vma(node)->pgoff;
}

static inline uint64_t vma_last(const struct rb_node *node)
{
	const struct rmap_vma *vma = node_vma(node);

	return vma->pgoff + ((vma->end - vma->start) >> RMAP_PAGE_SHIFT) - 1;
}

static inline uint64_t *vma_subtree_last(struct rb_node *node)
{
	return &node_vma(node)->file_last;
}

static bool vma_update(struct rb_node *node);

static const struct itree vma_tree = {
	.first = vma_first,
	.last = vma_last,
	.subtree_last = vma_subtree_last,
	.update = vma_update,
};

static bool vma_update(struct rb_node *node)
{
	return itree_update(node, &vma_tree);
}

void file_map_lock(struct rmap *rmap, struct rmap_file *file)
{
	count_event(&rmap_counting(rmap)->locks_file);
	rmap_write_lock(&file->lock, rmap->port);
}

void file_map_unlock(struct rmap *rmap, struct rmap_file *file)
{
	RMAP_DEBUG_ASSERT(rmap->port, rmap_file_valid(file));
	rmap_write_unlock(&file->lock, rmap->port);
}

static inline bool may_write_file(const struct rmap_vma *vma)
{
	return (vma->flags & RMAP_VMA_SHARED) && (vma->flags & RMAP_VMA_MAY_WRITE);
}

static void account(struct rmap_vma *vma)
{
	vma->file->nr_vmas++;
	if (may_write_file(vma))
		vma->file->writable++;
}

void file_map_insert(struct rmap_vma *vma)
{
	rmap_assert_write_held(&vma->file->lock);
	itree_insert(&vma->file->vmas, &vma->file_node, &vma_tree);
	account(vma);
}

void file_map_erase(struct rmap_vma *vma)
{
	if (!rb_is_linked(&vma->file_node))
		return;
	rmap_assert_write_held(&vma->file->lock);
	itree_erase(&vma->file->vmas, &vma->file_node, &vma_tree);
	vma->file->nr_vmas--;
	if (may_write_file(vma))
		vma->file->writable--;
}

void file_map_link_after(struct rmap *rmap, struct rmap_vma *vma, struct rmap_vma *prev)
{
	file_map_lock(rmap, vma->file);
	if (rmap_likely(vma->file == prev->file && vma->pgoff == prev->pgoff))
		itree_insert_after(&vma->file->vmas, &vma->file_node, &prev->file_node, &vma_tree);
	else
		itree_insert(&vma->file->vmas, &vma->file_node, &vma_tree);
	account(vma);
	file_map_unlock(rmap, vma->file);
}

void file_map_unlink(struct rmap *rmap, struct rmap_vma *vma)
{
	file_map_lock(rmap, vma->file);
	file_map_erase(vma);
	file_map_unlock(rmap, vma->file);
}

/* ---------------------------------------------------------------- walks */

static int lock_for_walk(struct rmap *rmap, struct rmap_file *file, unsigned int flags)
{
	if (!(flags & RMAP_WALK_CHECK))
		count_event(&rmap_counting(rmap)->locks_file);
	if (!(flags & RMAP_WALK_TRYLOCK))
		rmap_read_lock(&file->lock, rmap->port);
	else if (!rmap_read_trylock(&file->lock))
		return RMAP_EAGAIN;
	return RMAP_OK;
}

/*
 * Which VMAs of those that cover the page are meant: all, or by their order in the tree, of which bit n stands for the n-th, n + 32nd
 * and so on.
 */
struct round {
	uint32_t wanted;
	uint32_t looked, found; /* of these bits: results */
};

/* False: stop. */
static bool walk_vmas(struct rmap_file *file, struct rmap_page *page, struct rmap_walk_state *state,
		      struct round *round)
{
	struct rmap_walk *walk = state->walk;
	uint64_t index = page->index;
	/* walk_vma() counts the VMAs that it sees, and here a node is a VMA: only the others are added. */
	uint64_t nodes = 0, visited = 0;
	struct rb_node *node = itree_first(&file->vmas, index, index, &vma_tree, &nodes);
	uint32_t bit = 1;
	bool go_on = true;

	for (; node; node = itree_next(node, index, index, &vma_tree, &nodes)) {
		uint64_t found = walk->found;

		if (round->wanted & bit) {
			visited++;
			go_on = walk_vma(state, page, node_vma(node));
			round->looked |= bit;
			round->found |= walk->found != found ? bit : 0;
			if (!go_on)
				break;
		}
		bit = bit << 1 | bit >> 31;
	}
	walk->steps += nodes > visited ? nodes - visited : 0;
	return go_on;
}

int file_map_walk_first(struct rmap *rmap, struct rmap_file *file, struct rmap_page *page,
			struct rmap_walk_state *state, uint32_t *where)
{
	struct round first = { .wanted = *where }, rest = { .wanted = ~*where };
	bool go_on = true;

	if (lock_for_walk(rmap, file, state->walk->flags))
		return RMAP_EAGAIN;
	if (first.wanted)
		go_on = walk_vmas(file, page, state, &first);
	if (go_on)
		(void)walk_vmas(file, page, state, &rest);
	rmap_read_unlock(&file->lock, rmap->port);
	*where = first.found | rest.found | (*where & ~first.looked);
	return RMAP_OK;
}

int file_map_walk(struct rmap *rmap, struct rmap_file *file, struct rmap_page *page,
		  struct rmap_walk_state *state)
{
	uint32_t where = 0;

	return file_map_walk_first(rmap, file, page, state, &where);
}

int rmap_walk_file(struct rmap *rmap, struct rmap_file *file, uint64_t first, uint64_t last,
		   void (*visit)(struct rmap_vma *vma, uint64_t first, uint64_t last, void *arg),
		   void *arg)
{
	struct rmap_walk_counters *count;
	struct rb_node *node;
	uint64_t steps = 0;

	if (first > last)
		return RMAP_EINVAL;
	(void)lock_for_walk(rmap, file, 0);
	node = itree_first(&file->vmas, first, last, &vma_tree, &steps);
	while (node) {
		uint64_t from = vma_first(node);
		uint64_t to = vma_last(node);

		visit(node_vma(node), from > first ? from : first, to < last ? to : last, arg);
		node = itree_next(node, first, last, &vma_tree, &steps);
	}
	rmap_read_unlock(&file->lock, rmap->port);
	count = &rmap_counting(rmap)->walk[RMAP_WALK_TRUNCATE];
	count_event(&count->walks);
	count_add(&count->steps, steps);
	return RMAP_OK;
}
