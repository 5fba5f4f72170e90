// SPDX-License-Identifier: BSD-2-Clause
/*
 * Splitting and merging VMAs, by Linux 6.18's rules.
 *
 * A merge is tried whenever a range comes to look like its neighbours. P is the VMA before, N the one behind, M the one whose
 * range changes (or none, where the range is new); lower case: what the neighbour takes over.
 *
 *   new range       PPPP....NNNN   both:  PPPPPPPPPPPP   N removed
 *                                  left:  PPPPPPPPNNNN
 *                                  right: PPPPNNNNNNNN
 *
 *   all of M        PPPPMMMMNNNN   both:  PPPPPPPPPPPP   M and N removed
 *                                  left:  PPPPPPPPNNNN   M removed
 *                                  right: PPPPNNNNNNNN   M removed (never the reverse: a walker may read the flags of
 *                                                        what stays as soon as the trees are unlocked, and N's are right)
 *   M's beginning   PPPPmmMMNNNN   left:  PPPPPPMMNNNN
 *   M's end         PPPPMMmmNNNN   right: PPPPMMNNNNNN
 *
 * Neighbours can be merged if flags, file and linear page numbers agree, and if their anonymous pages may have one origin:
 * the same group; or only one of the two has a group, and was not inherited by fork (a chain with ancestors would be spread
 * over memory that they never had). All that can fail is done before any bound changes; what was imported for it is given back.
 */
#include "layout.h"

#include "file.h"
#include "vma_lock.h"

struct merge {
	struct mm *mm;
	struct vma *prev, *middle, *next; /* middle NULL: the range is new */
	uint64_t start, end, pgoff;
	uint64_t flags;
	struct rmap_file *file;
	const struct vma *origin; /* whose group the range has, or NULL */
	struct vma *copied_from;  /* whose pages will be moved into the range, or NULL */
	bool just_expand;
};

static uint64_t group_of(const struct vma *vma)
{
	return vma ? atomic_load_explicit(&vma->group, memory_order_relaxed) : 0;
}

/* ---------------------------------------------------------------- may they merge? */

static bool forked(const struct vma *vma)
{
	return vma && vma->forked;
}

/*
 * Linux's is_mergeable_anon_vma: target is the neighbour that would take over the range. Until 6.16 an unfaulted one never took over
 * a faulted range.
 */
static bool origins_agree(const struct merge *m, const struct vma *target)
{
	uint64_t source = group_of(m->origin);

	if (!group_of(target) && source)
		return mm_since(vma_mm(target)->sys, 6, 16) && !forked(m->middle) &&
		       !forked(m->copied_from);
	if (group_of(target) && !source)
		return !forked(target);
	return group_of(target) == source;
}

static bool alike(const struct merge *m, const struct vma *target)
{
	return target->flags == m->flags && target->rmap.file == m->file &&
	       origins_agree(m, target);
}

static bool can_merge_left(const struct merge *m)
{
	return m->prev && m->prev->rmap.end == m->start && alike(m, m->prev) &&
	       m->prev->rmap.pgoff + vma_pages(m->prev) == m->pgoff;
}

static bool can_merge_right(const struct merge *m, bool left)
{
	if (!m->next || m->next->rmap.start != m->end || !alike(m, m->next) ||
	    m->next->rmap.pgoff != m->pgoff + PAGES(m->end - m->start))
		return false;
	/* That each agrees with the range does not mean that they agree with each other. */
	return !left || !group_of(m->prev) || !group_of(m->next) ||
	       group_of(m->prev) == group_of(m->next);
}

/* ---------------------------------------------------------------- doing it */

/* target is about to grow over memory of source (NULL: none). The layout decided; what the design thinks of it is counted. */
static int import(struct vma *target, struct vma *source, bool *imported)
{
	struct rmap *rmap;
	bool got = false;
	int error;

	if (!source || source == target)
		return 0;
	rmap = mm_rmap_of(vma_mm(target));
	(void)rmap_vma_may_merge(rmap, &target->rmap, &source->rmap);
	error = rmap_vma_merge_prepare(rmap, &target->rmap, &source->rmap, &got);
	if (error)
		return error;
	*imported |= got;
	return 0;
}

/* Everything that can fail, for up to two sources. On failure target is as before. */
static int import_all(struct vma *target, struct vma *first, struct vma *second)
{
	struct vma *source = group_of(first) ? first : second;
	bool imported = false;
	int error = import(target, first, &imported);

	if (!error)
		error = import(target, second, &imported);
	if (error) {
		if (imported)
			rmap_vma_merge_undo(mm_rmap_of(vma_mm(target)), &target->rmap);
		return error;
	}
	if (!group_of(target) && group_of(source)) {
		atomic_store_explicit(&target->group, group_of(source), memory_order_release);
		target->forked = source->forked;
	}
	return 0;
}

struct bounds {
	uint64_t start, end, pgoff;
};

/* Faults that look for their VMA read bounds without a lock. */
static void store_bound(uint64_t *bound, uint64_t value)
{
	atomic_store_explicit((_Atomic uint64_t *)bound, value, memory_order_relaxed);
}

static void set_bounds(struct vma *vma, const struct bounds *b)
{
	MM_ASSERT(vma_mm(vma)->sys, vma_is_marked(vma) && "no fault is in a VMA that changes");
	rmap_assert_spin_held(&vma_mm(vma)->vma_lock);
	store_bound(&vma->rmap.start, b->start);
	store_bound(&vma->rmap.end, b->end);
	vma->rmap.pgoff = b->pgoff;
}

static struct bounds bounds_of(const struct vma *vma)
{
	return (struct bounds){ vma->rmap.start, vma->rmap.end, vma->rmap.pgoff };
}

/*
 * The VMAs that a merge touches: vma[0] takes over, the others give up a part (bound) or all (removed) of theirs.
 */
struct commit {
	struct vma *vma[3];
	struct bounds bound[3];
	bool removed[3];
};

static void commit_merge(struct mm *mm, struct commit *c)
{
	struct rmap_adjust adjust = { 0 };

	for (int i = 0; i < 3; i++) {
		adjust.vma[i] = c->vma[i] ? &c->vma[i]->rmap : NULL;
		adjust.removed[i] = c->removed[i];
	}
	rmap_adjust_begin(mm_rmap_of(mm), &adjust);
	rmap_spin_lock(&mm->vma_lock);
	for (int i = 0; i < 3; i++)
		if (c->vma[i] && c->removed[i])
			vma_tree_erase_locked(mm, c->vma[i]);
	for (int i = 0; i < 3; i++)
		if (c->vma[i] && !c->removed[i])
			set_bounds(c->vma[i], &c->bound[i]);
	for (int i = 0; i < 3; i++)
		if (c->vma[i] && !c->removed[i])
			vma_tree_changed(mm, c->vma[i]);
	rmap_spin_unlock(&mm->vma_lock);
	rmap_adjust_end(mm_rmap_of(mm), &adjust);
	for (int i = 0; i < 3; i++)
		if (c->vma[i] && c->removed[i])
			vma_free(c->vma[i]);
	COUNT(mm->sys, merges, 1);
}

void vma_set_bounds(struct vma *vma, uint64_t start, uint64_t end, uint64_t pgoff)
{
	struct mm *mm = vma_mm(vma);
	struct rmap_adjust adjust = { .vma = { &vma->rmap } };
	struct bounds b = { start, end, pgoff };

	vma_start_write(vma);
	rmap_adjust_begin(mm_rmap_of(mm), &adjust);
	rmap_spin_lock(&mm->vma_lock);
	set_bounds(vma, &b);
	vma_tree_changed(mm, vma);
	rmap_spin_unlock(&mm->vma_lock);
	rmap_adjust_end(mm_rmap_of(mm), &adjust);
}

/* ---------------------------------------------------------------- a new range */

static struct vma *merge_new(struct merge *m)
{
	bool left = can_merge_left(m);
	bool right = !m->just_expand && can_merge_right(m, left);
	struct commit c = { 0 };

	if (!left && !right)
		return NULL;
	if (left)
		vma_start_write(m->prev);
	if (right)
		vma_start_write(m->next);
	if (m->copied_from)
		vma_start_write(m->copied_from);
	if (import_all(left ? m->prev : m->next, left && right ? m->next : NULL, m->copied_from))
		return NULL;
	c.vma[0] = left ? m->prev : m->next;
	c.bound[0].start = left ? m->prev->rmap.start : m->start;
	c.bound[0].end = right ? m->next->rmap.end : m->end;
	c.bound[0].pgoff = left ? m->prev->rmap.pgoff : m->pgoff;
	if (left && right) {
		c.vma[1] = m->next;
		c.removed[1] = true;
	}
	commit_merge(m->mm, &c);
	return c.vma[0];
}

static struct vma *last_below(const struct mm *mm, uint64_t addr, struct vma **next)
{
	const struct rb_node *last;

	*next = vma_find(mm, addr);
	if (*next)
		return vma_prev(*next);
	last = rb_last(&mm->vmas);
	return last ? rmap_container_of(last, struct vma, node) : NULL;
}

struct vma *vma_merge_new(struct mm *mm, uint64_t start, uint64_t end, uint64_t pgoff,
			  uint64_t flags, struct mm_file *file, struct vma *copied_from,
			  bool just_expand)
{
	struct merge m = {
		.mm = mm,
		.start = start,
		.end = end,
		.pgoff = pgoff,
		.flags = flags,
		.file = file ? &file->rmap : NULL,
		.origin = copied_from,
		.copied_from = copied_from,
		.just_expand = just_expand,
	};

	m.prev = last_below(mm, start, &m.next);
	return merge_new(&m);
}

struct vma *vma_merge_extend(struct vma *vma, uint64_t delta)
{
	struct merge m = {
		.mm = vma_mm(vma),
		.prev = vma,
		.next = vma_next(vma),
		.start = vma->rmap.end,
		.end = vma->rmap.end + delta,
		.pgoff = vma->rmap.pgoff + vma_pages(vma),
		.flags = vma->flags,
		.file = vma->rmap.file,
		.origin = vma,
	};

	return merge_new(&m);
}

/* ---------------------------------------------------------------- a range of a VMA */

/* Both neighbours, or the left one, take over the beginning (or all) of middle. */
static int merge_left(struct merge *m, bool right, struct vma **out)
{
	struct vma *middle = m->middle;
	struct commit c = { 0 };
	int error = import_all(m->prev, right ? m->next : NULL, middle);

	if (error)
		return error;
	c.vma[0] = m->prev;
	c.bound[0] = bounds_of(m->prev);
	c.bound[0].end = right ? m->next->rmap.end : m->end;
	c.vma[1] = middle;
	c.removed[1] = m->end == middle->rmap.end;
	c.bound[1] = bounds_of(middle);
	c.bound[1].start = m->end;
	c.bound[1].pgoff += PAGES(m->end - middle->rmap.start);
	if (right) {
		c.vma[2] = m->next;
		c.removed[2] = true;
	}
	commit_merge(m->mm, &c);
	*out = m->prev;
	return 0;
}

/* The right neighbour takes over the end (or all) of middle. */
static int merge_right(struct merge *m, struct vma **out)
{
	struct vma *middle = m->middle;
	struct commit c = { 0 };
	int error = import_all(m->next, middle, NULL);

	if (error)
		return error;
	c.vma[0] = m->next;
	c.bound[0] = bounds_of(m->next);
	c.bound[0].start = m->start;
	c.bound[0].pgoff -= PAGES(m->end - m->start);
	c.vma[1] = middle;
	c.removed[1] = m->start == middle->rmap.start;
	c.bound[1] = bounds_of(middle);
	c.bound[1].end = m->start;
	commit_merge(m->mm, &c);
	*out = m->next;
	return 0;
}

/* *out: the VMA that has the range now, NULL if nothing could be merged. RMAP_ENOMEM with nothing changed. */
static int merge_existing(struct merge *m, struct vma **out)
{
	bool left_side = m->start == m->middle->rmap.start;
	bool right_side = m->end == m->middle->rmap.end;
	bool left, right;

	*out = NULL;
	left = left_side && can_merge_left(m);
	right = right_side && can_merge_right(m, left);
	if (left)
		vma_start_write(m->prev);
	if (right)
		vma_start_write(m->next);
	if (left)
		return merge_left(m, right, out);
	if (right)
		return merge_right(m, out);
	return 0;
}

int vma_modify(struct vma *vma, uint64_t start, uint64_t end, uint64_t flags, struct vma **out)
{
	struct merge m = {
		.mm = vma_mm(vma),
		.prev = vma_prev(vma),
		.middle = vma,
		.next = vma_next(vma),
		.start = start,
		.end = end,
		.pgoff = rmap_vma_index(&vma->rmap, start),
		.flags = flags,
		.file = vma->rmap.file,
		.origin = vma,
	};
	int error;

	vma_start_write(vma);
	error = merge_existing(&m, out);
	if (error || *out)
		return error;
	if (vma->rmap.start < start) {
		error = vma_split(vma, start, true, false);
		if (error)
			return error;
	}
	if (vma->rmap.end > end) {
		error = vma_split(vma, end, false, false);
		if (error)
			return error;
	}
	vma_set_flags(vma, flags);
	*out = vma;
	return 0;
}

/* ---------------------------------------------------------------- splitting */

int vma_split(struct vma *vma, uint64_t addr, bool new_below, bool ignore_limit)
{
	struct mm *mm = vma_mm(vma);
	uint64_t delta = PAGES(addr - vma->rmap.start);
	struct rmap_adjust adjust = { 0 };
	struct bounds rest = bounds_of(vma);
	struct vma *half;
	int error;

	if (!ignore_limit && mm->map_count >= mm->sys->config.max_map_count)
		return RMAP_ENOMEM;
	half = vma_dup(mm, vma);
	if (!half)
		return RMAP_ENOMEM;
	vma_start_write(vma);
	if (new_below) {
		half->rmap.end = addr;
		rest.start = addr;
		rest.pgoff += delta;
	} else {
		rest.end = addr;
		half->rmap.start = addr;
		half->rmap.pgoff += delta;
	}
	error = rmap_vma_clone(mm_rmap_of(mm), &half->rmap, &vma->rmap);
	if (error) {
		vma_free(half);
		return error;
	}
	atomic_store_explicit(&half->group, group_of(vma), memory_order_relaxed);
	half->forked = vma->forked;

	adjust.vma[0] = &vma->rmap;
	adjust.insert = &half->rmap;
	rmap_adjust_begin(mm_rmap_of(mm), &adjust);
	rmap_spin_lock(&mm->vma_lock);
	set_bounds(vma, &rest);
	vma_tree_changed(mm, vma);
	vma_tree_insert_locked(mm, half);
	rmap_spin_unlock(&mm->vma_lock);
	rmap_adjust_end(mm_rmap_of(mm), &adjust);
	COUNT(mm->sys, splits, 1);
	return 0;
}
