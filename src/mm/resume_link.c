// SPDX-License-Identifier: BSD-2-Clause
/*
 * The reverse map is rebuilt through its ordinary events.
 *
 *	image:  P  base P       known: P          family 1:  P's VMA            prepared
 *	        C  base P              ├── C                 C's VMA            forked from P's
 *	        G  base C              │   └── G             (stand-in in C2)   forked from P's
 *	        C2 base P              └── C2                    └── G2's VMA   forked from that
 *	        G2 base C2                 └── G2
 *
 * First all address spaces, each forked from its base, without a VMA. Then the VMAs, one family after the other, and in a family those
 * of a base before those of whoever was forked from it. The first is prepared as at a first fault; further VMAs of its origin are
 * cloned from it as by a split. In every other address space an origin is forked from the base's VMA of this family. Where the base
 * has none, or one with other bounds, a temporary VMA stands in, in no tree of the layout, as if the base had mapped the
 * memory, forked, and unmapped it again.
 *
 * So an origin that was inherited from nobody is a root again, and one that was inherited is not: what the layout knows of a VMA
 * (forked) and what its design will say of it remain the same.
 */
#include "mm.h"
#include "resume.h"
#include "sort.h"

/* ---------------------------------------------------------------- address spaces */

static int link_first(struct reader *r, struct resumed_mm *rm)
{
	int error = rmap_mm_init(&r->sys->rmap, &rm->mm->rmap);

	if (error)
		return error;
	mm_publish(rm->mm);
	rm->known = true;
	return 0;
}

static int link_child(struct reader *r, struct resumed_mm *rm)
{
	struct mm *base = r->mms[rm->base].mm, *mm = rm->mm;
	int error;

	mm_write_lock(base);
	error = rmap_mm_fork_begin(&r->sys->rmap, &mm->rmap, &base->rmap);
	if (!error) {
		mm_publish(mm);
		rm->known = true;
		mm->generation = base->generation + 1;
		rmap_mm_fork_end(&r->sys->rmap, &mm->rmap, &base->rmap, true);
	}
	mm_write_unlock(base);
	return error;
}

/* rm and all that it descends from. nr: how many are known; grows. */
static int link_line(struct reader *r, uint32_t number, uint32_t *nr)
{
	uint32_t at = number, steps = 0;

	while (!r->mms[at].known && r->mms[at].base != at) {
		uint32_t base = r->mms[at].base;

		if (++steps > r->nr_mms)
			return RMAP_EBADMSG; /* a circle */
		r->mms[base].below = at;
		at = base;
	}
	for (;;) {
		struct resumed_mm *rm = &r->mms[at];

		if (!rm->known) {
			int error = rm->base == at ? link_first(r, rm) : link_child(r, rm);

			if (error)
				return error;
			rm->order = (*nr)++;
		}
		if (at == number)
			return 0;
		at = rm->below;
	}
}

static int link_mms(struct reader *r)
{
	uint32_t nr = 0;
	int error = 0;

	for (uint32_t i = 0; i < r->nr_mms && !error; i++)
		error = link_line(r, i, &nr);
	return error;
}

/* ---------------------------------------------------------------- the order of VMAs */

static uint64_t group_of(const struct resumed_vma *rv)
{
	return atomic_load_explicit(&rv->vma->group, memory_order_relaxed);
}

/* Families together, in them bases before their children, in an address space VMAs of one origin together, unforked ones first. */
static bool family_less(const void *a, const void *b)
{
	const struct resumed_vma *x = a, *y = b;

	if (x->family != y->family)
		return x->family < y->family;
	if (x->order != y->order)
		return x->order < y->order;
	if (x->vma->forked != y->vma->forked)
		return y->vma->forked;
	if (group_of(x) != group_of(y))
		return group_of(x) < group_of(y);
	return x->vma->rmap.start < y->vma->rmap.start;
}

/* As they were read: to find them by. */
static bool address_less(const void *a, const void *b)
{
	const struct resumed_vma *x = a, *y = b;

	return x->mm != y->mm ? x->mm < y->mm : x->vma->rmap.start < y->vma->rmap.start;
}

/* ---------------------------------------------------------------- families */

static bool same_bounds(const struct vma *a, const struct vma *b)
{
	return a->rmap.start == b->rmap.start && a->rmap.end == b->rmap.end &&
	       a->rmap.pgoff == b->rmap.pgoff && a->rmap.file == b->rmap.file;
}

/* A VMA of mm with the bounds of vma, known to tier 1 only. NULL: no memory. */
static struct vma *stand_in(struct mm *mm, const struct vma *vma)
{
	struct vma *temp = vma_dup(mm, vma);

	if (temp)
		temp->rmap.flags |= RMAP_VMA_STAND_IN;
	return temp;
}

static void drop_stand_in(struct vma *temp)
{
	rmap_vma_unlink(&vma_mm(temp)->sys->rmap, &temp->rmap);
	vma_free(temp);
}

/* vma, of an address space forked from base's, becomes what a fork of base's member would be. */
static int fork_member(struct reader *r, const struct resumed_mm *base, struct vma *vma)
{
	struct rmap *rmap = &r->sys->rmap;
	struct vma *temp;
	int error;

	if (same_bounds(base->member, vma))
		return rmap_vma_fork(rmap, &vma->rmap, &base->member->rmap);
	temp = stand_in(base->mm, vma);
	if (!temp)
		return RMAP_ENOMEM;
	error = rmap_vma_clone(rmap, &temp->rmap, &base->member->rmap);
	rmap_vma_link(rmap, &temp->rmap);
	if (!error)
		error = rmap_vma_fork(rmap, &vma->rmap, &temp->rmap);
	drop_stand_in(temp);
	return error;
}

/* Its first VMA of the family. */
static void set_member(struct reader *r, struct resumed_mm *rm, struct vma *vma)
{
	rm->family = r->family;
	rm->member = vma;
}

/* Write locks of an address space and its base. */
static void lock_both(const struct reader *r, const struct resumed_mm *rm)
{
	struct mm *base = r->mms[rm->base].mm;

	mm_write_lock(base);
	if (base != rm->mm)
		rmap_write_lock_nested(&rm->mm->mmap_lock, mm_os(rm->mm));
}

static void unlock_both(const struct reader *r, const struct resumed_mm *rm)
{
	struct mm *base = r->mms[rm->base].mm;

	if (base != rm->mm)
		mm_write_unlock(rm->mm);
	mm_write_unlock(base);
}

/* The base of rm has a member of the family, rm has none: one that stands in, like vma, until the family is linked. */
static int make_stand_in(struct reader *r, struct resumed_mm *rm, const struct vma *vma)
{
	struct vma *temp;
	int error = RMAP_ENOMEM;

	lock_both(r, rm);
	temp = stand_in(rm->mm, vma);
	if (temp)
		error = fork_member(r, &r->mms[rm->base], temp);
	unlock_both(r, rm);
	if (error) {
		if (temp)
			vma_free(temp);
		return error;
	}
	set_member(r, rm, temp);
	rm->stand_ins = r->stand_ins;
	r->stand_ins = (uint32_t)(rm - r->mms) + 1;
	return 0;
}

/* Everybody between the family's root and this one has a member of it afterwards, and so has this one. RMAP_EBADMSG: no descendant. */
static int make_members(struct reader *r, uint32_t number, const struct vma *vma)
{
	uint32_t at = number;

	while (r->mms[at].family != r->family) {
		uint32_t base = r->mms[at].base;

		if (base == at)
			return RMAP_EBADMSG;
		r->mms[base].below = at;
		at = base;
	}
	while (at != number) {
		int error;

		at = r->mms[at].below;
		error = make_stand_in(r, &r->mms[at], vma);
		if (error)
			return error;
	}
	return 0;
}

static void end_family(struct reader *r)
{
	while (r->stand_ins) {
		struct resumed_mm *rm = &r->mms[r->stand_ins - 1];

		drop_stand_in(rm->member);
		r->stand_ins = rm->stand_ins;
	}
	r->family = 0;
}

/* ---------------------------------------------------------------- VMAs */

/* Faulted, in one address space, and of one group: the layout lets them merge. */
static bool same_origin(const struct resumed_vma *x, const struct resumed_vma *y)
{
	return group_of(x) && group_of(x) == group_of(y) && x->mm == y->mm;
}

static bool origin_less(const void *a, const void *b)
{
	const struct resumed_vma *x = a, *y = b;

	return x->mm != y->mm ? x->mm < y->mm : group_of(x) < group_of(y);
}

/* An origin's VMAs must agree on what it is. */
static int check_origins(struct reader *r)
{
	sort_array(r->vmas, r->nr_vmas, sizeof(*r->vmas), origin_less);
	for (uint64_t i = 1; i < r->nr_vmas; i++) {
		const struct resumed_vma *rv = &r->vmas[i];

		if (same_origin(rv - 1, rv) &&
		    (rv[-1].family != rv->family || rv[-1].vma->forked != rv->vma->forked))
			return RMAP_EBADMSG;
	}
	return 0;
}

/* The family is under way. first: the VMA of the same origin that was linked before, or NULL. */
static int link_origin(struct reader *r, const struct resumed_vma *rv, const struct vma *first)
{
	struct resumed_mm *rm = &r->mms[rv->mm];
	struct rmap *rmap = &r->sys->rmap;
	struct vma *vma = rv->vma;
	int error = 0;

	if (rv->family && !first) {
		if (rv->mm != r->root)
			return fork_member(r, &r->mms[rm->base], vma);
		first = rm->family == rv->family ? rm->member : NULL;
	}
	if (first)
		error = rmap_vma_clone(rmap, &vma->rmap,
				       (struct rmap_vma *)(uintptr_t)&first->rmap);
	else if (vma_faulted(vma))
		error = rmap_vma_prepare(rmap, &vma->rmap, NULL, NULL);
	if (!error)
		rmap_vma_link(rmap, &vma->rmap);
	return error;
}

/* Whatever family it is of, its base has a member of it afterwards. */
static int prepare_family(struct reader *r, const struct resumed_vma *rv)
{
	const struct resumed_mm *rm = &r->mms[rv->mm];

	if (rv->family != r->family) {
		end_family(r);
		r->family = rv->family;
		r->root = rv->mm;
	}
	if (!rv->family || rv->mm == r->root)
		return 0;
	/* What was inherited from nobody, and its relatives' are not below it: then two origins would be taken for one. */
	if (!rv->vma->forked || rm->base == rv->mm)
		return RMAP_EBADMSG;
	return make_members(r, rm->base, rv->vma);
}

static int link_vma(struct reader *r, struct resumed_vma *rv, const struct vma *first)
{
	struct resumed_mm *rm = &r->mms[rv->mm];
	struct vma *vma = rv->vma;
	struct mm *mm = rm->mm;
	int error = prepare_family(r, rv);

	if (error)
		return error;
	/* It was granted when it was mapped, and perhaps in smaller pieces: nobody asks again. */
	if (vma->flags & VM_ACCOUNT)
		mm_commit(r->sys, (int64_t)vma_pages(vma));
	lock_both(r, rm);
	error = link_origin(r, rv, first);
	if (!error) {
		vma_tree_insert(mm, vma);
		rv->linked = true;
		mm_account(mm, vma->flags, (int64_t)vma_pages(vma));
		if (vma->flags & VM_LOCKED)
			mm->locked_vm += vma_pages(vma);
		if (rv->family && rm->family != rv->family)
			set_member(r, rm, vma);
	} else if (vma->flags & VM_ACCOUNT) {
		mm_uncharge(r->sys, vma_pages(vma));
	}
	unlock_both(r, rm);
	return error;
}

static int link_vmas(struct reader *r)
{
	int error = check_origins(r);

	for (uint64_t i = 0; i < r->nr_vmas; i++)
		r->vmas[i].order = r->mms[r->vmas[i].mm].order;
	sort_array(r->vmas, r->nr_vmas, sizeof(*r->vmas), family_less);
	for (uint64_t i = 0; i < r->nr_vmas && !error; i++) {
		struct resumed_vma *rv = &r->vmas[i];
		bool again = i && same_origin(rv - 1, rv);

		error = link_vma(r, rv, again ? rv[-1].vma : NULL);
	}
	end_family(r);
	sort_array(r->vmas, r->nr_vmas, sizeof(*r->vmas), address_less);
	return error;
}

int resume_link(struct reader *r)
{
	int error;

	if (r->linked)
		return 0;
	r->linked = true;
	if (r->nr_mms != r->max_mms || r->nr_vmas != r->max_vmas || r->nr_files != r->max_files ||
	    r->nr_families > r->nr_vmas)
		return bad(r);
	error = link_mms(r);
	if (!error)
		error = link_vmas(r);
	return error ? fail(r, error) : 0;
}
