// SPDX-License-Identifier: BSD-2-Clause
/*
 * The reverse map is rebuilt through its ordinary events.
 *
 *	image:  P  base P       known: P          a family:  P's VMA     prepared
 *	        C  base P              ├── C                 C's VMA     forked from P's
 *	        G  base C              │   └── G             G's VMA     forked from P's
 *	        C2 base P              └── C2
 *	        G2 base C2                 └── G2            G2's VMA    forked from P's
 *
 * First all address spaces, each forked from its base, without a VMA. Then the VMAs, one family after the other. The first is prepared
 * as at a first fault; further VMAs of its origin are cloned from it as by a split. In every other address space an origin is forked
 * from that first one, whoever is between: what two of a family will ever share they share now, and that belongs to the family's root.
 * (Who is forked later inherits from whom he is forked from, as always.)
 *
 * So an origin that was inherited from nobody is a root again, and one that was inherited is not: what the layout knows of a VMA
 * (forked) and what its design will say of it remain the same.
 *
 * Whether an address space descends from another is seen at numbers: each is made known with all its descendants right behind it.
 */
#include "mm.h"
#include "resume.h"
#include "sort.h"

/* ---------------------------------------------------------------- address spaces */

static struct resumed_mm *base_of(const struct reader *r, const struct resumed_mm *rm)
{
	return &r->mms[rm->base];
}

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
	struct mm *base = base_of(r, rm)->mm, *mm = rm->mm;
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

/* Who is forked from whom, in the order of the image. */
static void find_children(struct reader *r)
{
	for (uint32_t i = r->nr_mms; i-- > 0;) {
		struct resumed_mm *rm = &r->mms[i], *base = base_of(r, rm);

		if (base == rm)
			continue;
		rm->sibling = base->child;
		base->child = rm;
	}
}

/* Nobody descends from rm, the last one so far: who comes next in its tree? NULL: that was all of it. */
static struct resumed_mm *next_branch(const struct reader *r, struct resumed_mm *rm)
{
	uint32_t last = rm->order;

	for (;;) {
		rm->last = last;
		if (rm->sibling || base_of(r, rm) == rm)
			return rm->sibling;
		rm = base_of(r, rm);
	}
}

/* root, forked from nobody, and all its descendants. nr: how many are known; grows. */
static int link_tree(struct reader *r, struct resumed_mm *root, uint32_t *nr)
{
	struct resumed_mm *rm = root;

	while (rm) {
		int error = rm == root ? link_first(r, rm) : link_child(r, rm);

		if (error)
			return error;
		rm->order = (*nr)++;
		rm = rm->child ? rm->child : next_branch(r, rm);
	}
	return 0;
}

static int link_mms(struct reader *r)
{
	uint32_t nr = 0;
	int error = 0;

	find_children(r);
	for (uint32_t i = 0; i < r->nr_mms && !error; i++)
		if (r->mms[i].base == i)
			error = link_tree(r, &r->mms[i], &nr);
	/* Who is left descends from himself. */
	return error || nr == r->nr_mms ? error : RMAP_EBADMSG;
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

/*
 * Is rv's origin, which comes behind root in the order, root's own or a fork of it? Else it was inherited from nobody, or not from there,
 * and two origins would be taken for one.
 */
static bool is_related(const struct reader *r, const struct resumed_vma *rv,
		       const struct resumed_vma *root)
{
	if (rv->mm == root->mm)
		return true;
	return rv->vma->forked && rv->order <= r->mms[root->mm].last;
}

/* ---------------------------------------------------------------- VMAs */

/* Write locks of an address space and of one that it descends from, which may be the same. */
static void lock_both(struct mm *elder, struct mm *mm)
{
	mm_write_lock(elder);
	if (elder != mm)
		rmap_write_lock_nested(&mm->mmap_lock, mm_os(mm));
}

static void unlock_both(struct mm *elder, struct mm *mm)
{
	if (elder != mm)
		mm_write_unlock(mm);
	mm_write_unlock(elder);
}

/* from: whose pages vma may have; NULL: nobody's. Write locks of both address spaces. */
static int link_origin(struct vma *vma, struct vma *from)
{
	struct rmap *rmap = &vma_mm(vma)->sys->rmap;
	int error = 0;

	if (from && vma_mm(from) != vma_mm(vma))
		return rmap_vma_fork(rmap, &vma->rmap, &from->rmap);
	if (from)
		error = rmap_vma_clone(rmap, &vma->rmap, &from->rmap);
	else if (vma_faulted(vma))
		error = rmap_vma_prepare(rmap, &vma->rmap, NULL, NULL);
	if (!error)
		rmap_vma_link(rmap, &vma->rmap);
	return error;
}

static int link_vma(struct reader *r, struct resumed_vma *rv, struct vma *from)
{
	struct vma *vma = rv->vma;
	struct mm *mm = vma_mm(vma), *elder = from ? vma_mm(from) : mm;
	int error;

	lock_both(elder, mm);
	error = link_origin(vma, from);
	if (!error) {
		vma_tree_insert(mm, vma);
		rv->linked = true;
		mm_account(mm, vma->flags, (int64_t)vma_pages(vma));
		if (vma->flags & VM_LOCKED)
			mm->locked_vm += vma_pages(vma);
		/* It was granted when it was mapped, and perhaps in smaller pieces: nobody asks again. */
		if (vma->flags & VM_ACCOUNT)
			mm_commit(r->sys, (int64_t)vma_pages(vma));
	}
	unlock_both(elder, mm);
	return error;
}

static int link_vmas(struct reader *r)
{
	const struct resumed_vma *root = NULL;
	int error = check_origins(r);

	for (uint64_t i = 0; i < r->nr_vmas; i++)
		r->vmas[i].order = r->mms[r->vmas[i].mm].order;
	sort_array(r->vmas, r->nr_vmas, sizeof(*r->vmas), family_less);
	for (uint64_t i = 0; i < r->nr_vmas && !error; i++) {
		struct resumed_vma *rv = &r->vmas[i];
		struct vma *from = NULL;

		if (i && same_origin(rv - 1, rv))
			from = rv[-1].vma;
		else if (!root || !rv->family || rv->family != root->family)
			root = rv;
		else if (is_related(r, rv, root))
			from = root->vma;
		else
			error = RMAP_EBADMSG;
		if (!error)
			error = link_vma(r, rv, from);
	}
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
