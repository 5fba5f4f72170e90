// SPDX-License-Identifier: BSD-2-Clause
/* The entries of a design, each with the clock before and behind it. */
#include "timed_int.h"

#include <rmap/walk.h>

/* ---------------------------------------------------------------- address spaces */

static int timed_mm_init(struct rmap *rmap, struct rmap_mm *mm)
{
	struct timed *t = timed_of(rmap);
	int ret;

	timed_begin(t, TIMED_MM_INIT, 1);
	ret = t->inner->mm_init(rmap, mm);
	timed_end(t);
	return ret;
}

/* These two are there whatever the design has: they say what belongs to a fork. */
static int timed_mm_fork_begin(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent)
{
	struct timed *t = timed_of(rmap);
	int ret = RMAP_OK;

	t->forking = true;
	if (t->inner->mm_fork_begin) {
		timed_begin(t, TIMED_MM_FORK_BEGIN, 1);
		ret = t->inner->mm_fork_begin(rmap, child, parent);
		timed_end(t);
	}
	if (ret)
		t->forking = false;
	return ret;
}

static void timed_mm_fork_end(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent,
			      bool copied)
{
	struct timed *t = timed_of(rmap);

	if (t->inner->mm_fork_end) {
		timed_begin(t, TIMED_MM_FORK_END, 1);
		t->inner->mm_fork_end(rmap, child, parent, copied);
		timed_end(t);
	}
	t->forking = false;
}

static void timed_mm_exit(struct rmap *rmap, struct rmap_mm *mm)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_MM_EXIT, 1);
	t->inner->mm_exit(rmap, mm);
	timed_end(t);
}

/* ---------------------------------------------------------------- VMAs */

static int timed_vma_prepare(struct rmap *rmap, struct rmap_vma *vma, struct rmap_vma *next,
			     struct rmap_vma *prev)
{
	struct timed *t = timed_of(rmap);
	int ret;

	timed_begin(t, TIMED_VMA_PREPARE, 1);
	ret = t->inner->vma_prepare(rmap, vma, next, prev);
	timed_end(t);
	return ret;
}

static int timed_vma_fork(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	struct timed *t = timed_of(rmap);
	int ret;

	timed_begin(t, TIMED_VMA_FORK, 1);
	ret = t->inner->vma_fork(rmap, dst, src);
	timed_end(t);
	return ret;
}

static int timed_vma_clone(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	struct timed *t = timed_of(rmap);
	int ret;

	timed_begin(t, TIMED_VMA_CLONE, 1);
	ret = t->inner->vma_clone(rmap, dst, src);
	timed_end(t);
	return ret;
}

static int timed_merge_prepare(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src,
			       bool *imported)
{
	struct timed *t = timed_of(rmap);
	int ret;

	timed_begin(t, TIMED_MERGE_PREPARE, 1);
	ret = t->inner->merge_prepare(rmap, dst, src, imported);
	timed_end(t);
	return ret;
}

static void timed_merge_undo(struct rmap *rmap, struct rmap_vma *dst)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_MERGE_UNDO, 1);
	t->inner->merge_undo(rmap, dst);
	timed_end(t);
}

static void timed_adjust_begin(struct rmap *rmap, struct rmap_adjust *adjust)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_ADJUST_BEGIN, 1);
	t->inner->adjust_begin(rmap, adjust);
	timed_end(t);
}

static void timed_adjust_end(struct rmap *rmap, struct rmap_adjust *adjust)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_ADJUST_END, 1);
	t->inner->adjust_end(rmap, adjust);
	timed_end(t);
}

static int timed_shift_prepare(struct rmap *rmap, struct rmap_vma *vma)
{
	struct timed *t = timed_of(rmap);
	int ret;

	timed_begin(t, TIMED_SHIFT_PREPARE, 1);
	ret = t->inner->vma_shift_prepare(rmap, vma);
	timed_end(t);
	return ret;
}

static void timed_move_begin(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_MOVE_BEGIN, 1);
	t->inner->move_begin(rmap, dst, src);
	timed_end(t);
}

static void timed_move_end(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_MOVE_END, 1);
	t->inner->move_end(rmap, dst, src);
	timed_end(t);
}

static void timed_vma_unlink(struct rmap *rmap, struct rmap_vma *vma)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_VMA_UNLINK, 1);
	t->inner->vma_unlink(rmap, vma);
	timed_end(t);
}

/* ---------------------------------------------------------------- pages */

static int timed_reserve(struct rmap *rmap, struct rmap_reserve *reserve, unsigned int n)
{
	struct timed *t = timed_of(rmap);
	int ret;

	timed_begin(t, TIMED_RESERVE, n);
	ret = t->inner->reserve(rmap, reserve, n);
	timed_end(t);
	return ret;
}

static void timed_unreserve(struct rmap *rmap, struct rmap_reserve *reserve)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_UNRESERVE, 1);
	t->inner->unreserve(rmap, reserve);
	timed_end(t);
}

void timed_page_new(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
		    struct rmap_vma *vma, uint64_t addr, bool exclusive)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_PAGE_NEW, nr);
	t->inner->page_new(rmap, pages, nr, vma, addr, exclusive);
	timed_end(t);
}

static void timed_page_map(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			   struct rmap_vma *vma, uint64_t addr, void *pte, unsigned int flags,
			   struct rmap_reserve *reserve)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_PAGE_MAP, nr);
	t->inner->page_map(rmap, pages, nr, vma, addr, pte, flags, reserve);
	timed_end(t);
}

static void timed_page_unmap(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			     struct rmap_vma *vma, uint64_t addr, void *pte)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_PAGE_UNMAP, nr);
	t->inner->page_unmap(rmap, pages, nr, vma, addr, pte);
	timed_end(t);
}

static void timed_page_moved(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			     struct rmap_vma *dst, uint64_t new_addr, void *new_pte,
			     struct rmap_vma *src, uint64_t old_addr, void *old_pte)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_PAGE_MOVED, nr);
	t->inner->page_moved(rmap, pages, nr, dst, new_addr, new_pte, src, old_addr, old_pte);
	timed_end(t);
}

static void timed_page_slid(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			    struct rmap_vma *vma, uint64_t addr)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_PAGE_MOVED, nr);
	t->inner->page_slid(rmap, pages, nr, vma, addr);
	timed_end(t);
}

static void timed_page_adopt(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
			     uint64_t addr)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_PAGE_ADOPT, 1);
	t->inner->page_adopt(rmap, page, vma, addr);
	timed_end(t);
}

static void timed_page_leave(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_PAGE_LEAVE, 1);
	t->inner->page_leave(rmap, page, vma);
	timed_end(t);
}

static void timed_page_to_entry(struct rmap *rmap, struct rmap_page *page, void *pte)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_PAGE_TO_ENTRY, 1);
	t->inner->page_to_entry(rmap, page, pte);
	timed_end(t);
}

static void timed_page_from_entry(struct rmap *rmap, struct rmap_page *page,
				  struct rmap_page *old_page, void *pte)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_PAGE_FROM_ENTRY, 1);
	t->inner->page_from_entry(rmap, page, old_page, pte);
	timed_end(t);
}

static void timed_entry_copied(struct rmap *rmap, struct rmap_page *page, void *pte,
			       struct rmap_reserve *reserve)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_ENTRY_COPIED, 1);
	t->inner->entry_copied(rmap, page, pte, reserve);
	timed_end(t);
}

static void timed_entry_gone(struct rmap *rmap, struct rmap_page *page, void *pte)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_ENTRY_GONE, 1);
	t->inner->entry_gone(rmap, page, pte);
	timed_end(t);
}

static void timed_migrate_end(struct rmap *rmap, struct rmap_page *new_page,
			      struct rmap_page *old_page)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_MIGRATE_END, 1);
	t->inner->migrate_end(rmap, new_page, old_page);
	timed_end(t);
}

static void *timed_page_pin(struct rmap *rmap, struct rmap_page *page)
{
	struct timed *t = timed_of(rmap);
	void *ret;

	timed_begin(t, TIMED_PAGE_PIN, 1);
	ret = t->inner->page_pin(rmap, page);
	timed_end(t);
	return ret;
}

static void timed_page_unpin(struct rmap *rmap, void *pin)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_PAGE_UNPIN, 1);
	t->inner->page_unpin(rmap, pin);
	timed_end(t);
}

static void timed_page_replace(struct rmap *rmap, struct rmap_page *new_page,
			       struct rmap_page *old_page)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_PAGE_REPLACE, 1);
	t->inner->page_replace(rmap, new_page, old_page);
	timed_end(t);
}

static void timed_page_free(struct rmap *rmap, struct rmap_page *page)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_PAGE_FREE, 1);
	t->inner->page_free(rmap, page);
	timed_end(t);
}

/* ---------------------------------------------------------------- swap slots */

static void timed_slot_fill(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_SLOT_FILL, 1);
	t->inner->slot_fill(rmap, slot, page);
	timed_end(t);
}

static void timed_slot_dup(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_SLOT_DUP, 1);
	t->inner->slot_dup(rmap, slot, page);
	timed_end(t);
}

static void timed_slot_restore(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page,
			       struct rmap_vma *vma, uint64_t addr)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_SLOT_RESTORE, 1);
	t->inner->slot_restore(rmap, slot, page, vma, addr);
	timed_end(t);
}

static void timed_slot_rejoin(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_SLOT_RESTORE, 1);
	t->inner->slot_rejoin(rmap, slot, page);
	timed_end(t);
}

static void timed_slot_refill(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_SLOT_FILL, 1);
	t->inner->slot_refill(rmap, slot, page);
	timed_end(t);
}

static void timed_slot_free(struct rmap *rmap, struct rmap_slot *slot)
{
	struct timed *t = timed_of(rmap);

	timed_begin(t, TIMED_SLOT_FREE, 1);
	t->inner->slot_free(rmap, slot);
	timed_end(t);
}

/* ---------------------------------------------------------------- walks */

struct visitor {
	struct timed *t;
	enum rmap_visit (*visit)(struct rmap_hit *hit, void *arg);
	bool (*skip)(const struct rmap_vma *vma, void *arg);
	void *arg;
};

static enum rmap_visit visit(struct rmap_hit *hit, void *arg)
{
	struct visitor *v = arg;
	enum rmap_visit ret;

	timed_pause(v->t);
	ret = v->visit(hit, v->arg);
	timed_resume(v->t);
	return ret;
}

static bool skip(const struct rmap_vma *vma, void *arg)
{
	struct visitor *v = arg;

	return v->skip(vma, v->arg);
}

/* As rmap_walk() would have gone on. */
static int walk_inner(struct timed *t, struct rmap *rmap, struct rmap_page *page,
		      struct rmap_walk_state *state)
{
	struct rmap_file *file = rmap_page_file(page);

	if (!file || t->inner->walks_file_pages)
		return t->inner->walk(rmap, page, state);
	return file_map_walk(rmap, file, page, state);
}

static int timed_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state)
{
	struct timed *t = timed_of(rmap);
	struct rmap_walk *walk = state->walk;
	struct visitor v = { .t = t, .visit = walk->visit, .skip = walk->skip, .arg = walk->arg };
	int ret;

	if (walk->flags & RMAP_WALK_CHECK)
		return walk_inner(t, rmap, page, state);
	walk->visit = v.visit ? visit : NULL;
	walk->skip = v.skip ? skip : NULL;
	walk->arg = &v;
	timed_begin(t, walk->purpose == RMAP_WALK_PROBE ? TIMED_PROBE : TIMED_WALK, 1);
	ret = walk_inner(t, rmap, page, state);
	timed_end(t);
	walk->visit = v.visit;
	walk->skip = v.skip;
	walk->arg = v.arg;
	return ret;
}

/* ---------------------------------------------------------------- all of them */

void timed_take_over(struct timed *t)
{
	struct rmap_ops *o = &t->ops;

#define TAKE(entry, function)                                                                      \
	do {                                                                                       \
		if (o->entry)                                                                      \
			o->entry = (function);                                                     \
	} while (0)
	TAKE(mm_init, timed_mm_init);
	o->mm_fork_begin = timed_mm_fork_begin;
	o->mm_fork_end = timed_mm_fork_end;
	TAKE(mm_exit, timed_mm_exit);
	TAKE(vma_prepare, timed_vma_prepare);
	TAKE(vma_fork, timed_vma_fork);
	TAKE(vma_clone, timed_vma_clone);
	TAKE(merge_prepare, timed_merge_prepare);
	TAKE(merge_undo, timed_merge_undo);
	TAKE(adjust_begin, timed_adjust_begin);
	TAKE(adjust_end, timed_adjust_end);
	TAKE(vma_shift_prepare, timed_shift_prepare);
	TAKE(move_begin, timed_move_begin);
	TAKE(move_end, timed_move_end);
	TAKE(vma_unlink, timed_vma_unlink);
	TAKE(reserve, timed_reserve);
	TAKE(unreserve, timed_unreserve);
	TAKE(page_new, timed_page_new);
	TAKE(page_map, timed_page_map);
	TAKE(page_unmap, timed_page_unmap);
	TAKE(page_moved, timed_page_moved);
	TAKE(page_slid, timed_page_slid);
	TAKE(page_adopt, timed_page_adopt);
	TAKE(page_leave, timed_page_leave);
	TAKE(page_to_entry, timed_page_to_entry);
	TAKE(page_from_entry, timed_page_from_entry);
	TAKE(entry_copied, timed_entry_copied);
	TAKE(entry_gone, timed_entry_gone);
	TAKE(migrate_end, timed_migrate_end);
	TAKE(page_pin, timed_page_pin);
	TAKE(page_unpin, timed_page_unpin);
	TAKE(page_replace, timed_page_replace);
	TAKE(page_free, timed_page_free);
	TAKE(slot_fill, timed_slot_fill);
	TAKE(slot_dup, timed_slot_dup);
	TAKE(slot_restore, timed_slot_restore);
	TAKE(slot_rejoin, timed_slot_rejoin);
	TAKE(slot_refill, timed_slot_refill);
	TAKE(slot_free, timed_slot_free);
#undef TAKE
	o->walk = timed_walk;
	o->walks_file_pages = true;
}
