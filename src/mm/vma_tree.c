// SPDX-License-Identifier: BSD-2-Clause
/*
 * The VMAs of an address space, in a red-black tree by address that knows its gaps.
 *
 *        prev          gap of vma                  vma
 *      |--------|.......................xxxxxxxxxx|--------|
 *               ^ prev's end            ^ vma_guard_start()
 *
 * Each VMA keeps how many bytes below it are free: the distance to the VMA before. Each node keeps the largest gap of its
 * subtree, so the highest or lowest gap of a length is found in a descent: O(log n), unless many gaps are large but cut by the
 * limits of the search. What lies behind the last VMA is no VMA's gap and looked at apart.
 *
 * The guard below a VM_GROWSDOWN VMA is kept free by whoever searches: a gap that ends in one is given up, and the search goes on
 * below the guard's start. As on Linux, that may be far below the VMA before: a stack may have grown near one that cannot be
 * accessed, and then its guard takes gaps away that lie below both.
 *
 * Finding wants mmap_lock for reading (or vma_lock), everything else both for writing. vma_lock.c has a descent of its own, beside writers.
 */
#include "layout.h"
#include "valid.h"
#include "vma_lock.h"

static inline struct vma *vma_of_node(const struct rb_node *node)
{
	return node ? rmap_container_of(node, struct vma, node) : NULL;
}

static uint64_t gap_max_of(const struct rb_node *node)
{
	uint64_t max = vma_of_node(node)->gap;

	if (node->left && vma_of_node(node->left)->gap_max > max)
		max = vma_of_node(node->left)->gap_max;
	if (node->right && vma_of_node(node->right)->gap_max > max)
		max = vma_of_node(node->right)->gap_max;
	return max;
}

static bool update_gap_max(struct rb_node *node)
{
	struct vma *vma = vma_of_node(node);
	uint64_t max = gap_max_of(node);

	if (vma->gap_max == max)
		return false;
	vma->gap_max = max;
	return true;
}

uint64_t vma_guard_start(const struct vma *vma)
{
	uint64_t guard;

	if (!(vma->flags & VM_GROWSDOWN))
		return vma->rmap.start;
	guard = vma_mm(vma)->sys->config.stack_guard_gap;
	return vma->rmap.start > guard ? vma->rmap.start - guard : 0;
}

static uint64_t gap_between(const struct vma *prev, const struct vma *vma)
{
	return vma->rmap.start - (prev ? prev->rmap.end : 0);
}

static uint64_t gap_below(const struct vma *vma)
{
	return gap_between(vma_prev(vma), vma);
}

/* ---------------------------------------------------------------- finding */

struct vma *vma_find(const struct mm *mm, uint64_t addr)
{
	const struct rb_node *node = mm->vmas.node;
	struct vma *found = NULL;

	while (node) {
		struct vma *vma = vma_of_node(node);

		if (addr < vma->rmap.end) {
			found = vma;
			if (addr >= vma->rmap.start)
				break;
			node = node->left;
		} else {
			node = node->right;
		}
	}
	return found;
}

struct vma *vma_at(const struct mm *mm, uint64_t addr)
{
	struct vma *vma = vma_find(mm, addr);

	return vma && addr >= vma->rmap.start ? vma : NULL;
}

struct vma *vma_first_in(const struct mm *mm, uint64_t start, uint64_t end)
{
	struct vma *vma = vma_find(mm, start);

	return vma && vma->rmap.start < end ? vma : NULL;
}

struct vma *vma_next(const struct vma *vma)
{
	return vma_of_node(rb_next(&vma->node));
}

struct vma *vma_prev(const struct vma *vma)
{
	return vma_of_node(rb_prev(&vma->node));
}

struct vma *vma_first(const struct mm *mm)
{
	return vma_of_node(rb_first(&mm->vmas));
}

/* ---------------------------------------------------------------- changing */

static void set_gap(struct vma *vma, uint64_t gap)
{
	if (gap == vma->gap)
		return;
	vma->gap = gap;
	rb_update_path(&vma->node, update_gap_max);
}

static void refresh_gap(struct vma *vma)
{
	set_gap(vma, gap_below(vma));
}

static void insert_between(struct mm *mm, struct vma *vma, struct vma *prev, struct vma *next,
			   struct rb_node *parent, struct rb_node **link)
{
	vma->gap = gap_between(prev, vma);
	vma->gap_max = 0;
	if (next)
		set_gap(next, gap_between(vma, next));
	rb_insert(&mm->vmas, &vma->node, parent, link, update_gap_max);
	mm->map_count++;
	MM_DEBUG_ASSERT(mm->sys, vma_valid(vma));
}

void vma_tree_insert_locked(struct mm *mm, struct vma *vma)
{
	struct rb_node **link = &mm->vmas.node;
	struct vma *prev = NULL, *next = NULL;
	struct rb_node *parent = NULL;

	rmap_assert_spin_held(&mm->vma_lock);
	while (*link) {
		struct vma *other = vma_of_node(*link);

		parent = *link;
		MM_DEBUG_ASSERT(mm->sys, vma->rmap.end <= other->rmap.start ||
						 vma->rmap.start >= other->rmap.end);
		if (vma->rmap.start < other->rmap.start) {
			next = other;
			link = &parent->left;
		} else {
			prev = other;
			link = &parent->right;
		}
	}
	insert_between(mm, vma, prev, next, parent, link);
}

void vma_tree_append(struct mm *mm, struct vma *vma, struct vma *last)
{
	rmap_spin_lock(&mm->vma_lock);
	if (last)
		insert_between(mm, vma, last, NULL, &last->node, &last->node.right);
	else
		insert_between(mm, vma, NULL, NULL, NULL, &mm->vmas.node);
	rmap_spin_unlock(&mm->vma_lock);
}

void vma_tree_erase_locked(struct mm *mm, struct vma *vma)
{
	struct vma *next = vma_next(vma);

	MM_ASSERT(mm->sys, vma_is_marked(vma) && "no fault is in a VMA that goes");
	rmap_assert_spin_held(&mm->vma_lock);
	vma_detach(vma);
	rb_erase(&mm->vmas, &vma->node, update_gap_max);
	if (next)
		refresh_gap(next);
	mm->map_count--;
}

void vma_tree_insert(struct mm *mm, struct vma *vma)
{
	rmap_spin_lock(&mm->vma_lock);
	vma_tree_insert_locked(mm, vma);
	rmap_spin_unlock(&mm->vma_lock);
}

void vma_tree_erase(struct mm *mm, struct vma *vma)
{
	rmap_spin_lock(&mm->vma_lock);
	vma_tree_erase_locked(mm, vma);
	rmap_spin_unlock(&mm->vma_lock);
}

void vma_tree_changed(struct mm *mm, struct vma *vma)
{
	struct vma *next = vma_next(vma);

	rmap_assert_spin_held(&mm->vma_lock);
	refresh_gap(vma);
	if (next)
		refresh_gap(next);
}

static struct rb_node *first_leaf(struct rb_node *node)
{
	while (node && (node->left || node->right))
		node = node->left ? node->left : node->right;
	return node;
}

void vma_tree_dismantle(struct mm *mm, void (*take)(struct mm *mm, struct vma *vma))
{
	struct rb_node *node = first_leaf(mm->vmas.node);

	mm->vmas.node = NULL;
	mm->map_count = 0;
	while (node) {
		struct rb_node *parent = rb_parent(node), *next = parent;

		/* Children before their parents, since take may give the node's memory back. */
		if (parent && node == parent->left && parent->right)
			next = first_leaf(parent->right);
		take(mm, vma_of_node(node));
		node = next;
	}
}

/* ---------------------------------------------------------------- gaps */

/* [gap's low end, gap's high end) cut to [low, high): does len fit? */
static bool cut_gap(const struct vma *vma, uint64_t len, uint64_t *low, uint64_t *high)
{
	uint64_t end = vma->rmap.start;
	uint64_t start = end - vma->gap;

	if (vma->gap < len)
		return false;
	if (start < *low)
		start = *low;
	if (end > *high)
		end = *high;
	if (end < start || end - start < len)
		return false;
	*low = start;
	*high = end;
	return true;
}

static bool worth(const struct rb_node *node, uint64_t len)
{
	return node && vma_of_node(node)->gap_max >= len;
}

/* The free space behind the last VMA. */
static bool cut_tail(const struct mm *mm, uint64_t len, uint64_t *low, uint64_t *high)
{
	const struct vma *last = vma_of_node(rb_last(&mm->vmas));

	if (last && last->rmap.end > *low)
		*low = last->rmap.end;
	return *high >= *low && *high - *low >= len;
}

/* From node up to the first ancestor that it is on the given side of. */
static const struct rb_node *climb_from(const struct rb_node *node, bool from_right)
{
	const struct rb_node *parent = rb_parent(node);

	while (parent && node == (from_right ? parent->left : parent->right)) {
		node = parent;
		parent = rb_parent(node);
	}
	return parent;
}

/* The highest gap within limits, guards not looked at. */
static int free_highest(const struct mm *mm, uint64_t len, uint64_t low, uint64_t high,
			uint64_t *addr)
{
	const struct rb_node *node = mm->vmas.node;
	uint64_t a = low, b = high;

	if (cut_tail(mm, len, &a, &b)) {
		*addr = b - len;
		return 0;
	}
	if (!worth(node, len))
		return RMAP_ENOMEM;
	for (;;) {
		/* Gaps on the right lie above this VMA; none of them is of use if it ends above high. */
		while (worth(node->right, len) && vma_of_node(node)->rmap.end < high)
			node = node->right;
		for (;;) {
			a = low;
			b = high;
			if (cut_gap(vma_of_node(node), len, &a, &b)) {
				*addr = b - len;
				return 0;
			}
			if (vma_of_node(node)->rmap.start <= low)
				return RMAP_ENOMEM;
			if (worth(node->left, len))
				break;
			node = climb_from(node, true);
			if (!node)
				return RMAP_ENOMEM;
		}
		node = node->left;
	}
}

int gap_highest(const struct mm *mm, uint64_t len, uint64_t low, uint64_t high, uint64_t *addr)
{
	for (;;) {
		const struct vma *next;
		uint64_t found;
		int error = free_highest(mm, len, low, high, &found);

		if (error)
			return error;
		next = vma_find(mm, found);
		if (!next || vma_guard_start(next) >= found + len) {
			*addr = found;
			return 0;
		}
		high = vma_guard_start(next);
	}
}

static int free_lowest(const struct mm *mm, uint64_t len, uint64_t low, uint64_t high,
		       uint64_t *addr)
{
	const struct rb_node *node = mm->vmas.node;
	uint64_t a, b;

	while (worth(node, len)) {
		/* Gaps on the left lie below this VMA; none of them is of use if it begins below low. */
		while (worth(node->left, len) && vma_of_node(node)->rmap.start > low)
			node = node->left;
		for (;;) {
			a = low;
			b = high;
			if (cut_gap(vma_of_node(node), len, &a, &b)) {
				*addr = a;
				return 0;
			}
			if (worth(node->right, len))
				break;
			node = climb_from(node, false);
			if (!node)
				break;
		}
		if (!node)
			break;
		node = node->right;
	}
	a = low;
	b = high;
	if (!cut_tail(mm, len, &a, &b))
		return RMAP_ENOMEM;
	*addr = a;
	return 0;
}

int gap_lowest(const struct mm *mm, uint64_t len, uint64_t low, uint64_t high, uint64_t *addr)
{
	for (;;) {
		const struct vma *next;
		uint64_t found;
		int error = free_lowest(mm, len, low, high, &found);

		if (error)
			return error;
		next = vma_find(mm, found);
		if (!next || vma_guard_start(next) >= found + len) {
			*addr = found;
			return 0;
		}
		low = next->rmap.end;
	}
}

/* Bottom-up searches begin at a third of the address space, as on Linux. */
#define BOTTOM_UP_BASE ((MM_TASK_SIZE / 3 + RMAP_PAGE_SIZE - 1) & RMAP_PAGE_MASK)

int vma_find_gap(const struct mm *mm, uint64_t len, uint64_t *addr)
{
	uint64_t min = mm->sys->config.mmap_min_addr;

	if (!gap_highest(mm, len, min, mm->mmap_base, addr))
		return 0;
	return gap_lowest(mm, len, BOTTOM_UP_BASE, MM_TASK_SIZE, addr);
}

/* ---------------------------------------------------------------- checking */

const char *vma_tree_check(const struct mm *mm)
{
	const struct vma *prev = NULL;
	uint64_t n = 0;

	for (const struct rb_node *node = rb_first(&mm->vmas); node; node = rb_next(node)) {
		const struct vma *vma = vma_of_node(node);

		if (prev && vma->rmap.start < prev->rmap.end)
			return "its tree of VMAs is out of order";
		if (vma->gap != gap_below(vma))
			return "a VMA's gap is not what lies between it and the one before";
		if (vma->gap_max != gap_max_of(node))
			return "a node of the tree of VMAs has another largest gap below it than "
			       "it says";
		prev = vma;
		n++;
	}
	return n == mm->map_count ? NULL : "it has another number of VMAs than its tree";
}
