// SPDX-License-Identifier: BSD-2-Clause
/*
 * mremap(2): shrink, grow in place, or move, by Linux 6.18's rules.
 *
 *        old  [ a b c d ]                     old  (unmapped, or kept empty with DONTUNMAP)
 *                             move →
 *        new  . . . . . .                     new  [ a b c d . . ]
 *
 * A move makes the new VMA (or lets a neighbour of the new place take it), moves the entries, and unmaps the old place. The
 * pages' linear numbers do not change, so a VMA that has anonymous pages takes its pgoff along, and can be merged with a
 * neighbour only where it comes home. An unfaulted one gets the pgoff of its new place. Where moving the entries fails half way
 * (no table), they are moved back and the new place is unmapped instead.
 *
 * Since 6.17 a move that keeps the length (FIXED) may span several VMAs: they are moved one after the other, and their
 * distances stay. If one of them cannot be, those before it have been moved.
 */
#include "layout.h"

#include "table.h"
#include "vma_lock.h"

struct remap {
	struct mm *mm;
	uint64_t addr, old_len, new_len, new_addr;
	uint32_t flags;
	struct vma *vma;  /* covers addr; looked up again whenever it may have changed */
	uint64_t charged; /* pages */
	uint64_t
		populate; /* bytes at the end of the new place to fault in, since the VMA is locked */
};

static bool implies_new_addr(const struct remap *r)
{
	return r->flags & (MM_MREMAP_FIXED | MM_MREMAP_DONTUNMAP);
}

/* Bytes that are added; 0 for a shrink. */
static uint64_t growth(const struct remap *r)
{
	return r->new_len > r->old_len ? r->new_len - r->old_len : 0;
}

/* ---------------------------------------------------------------- checks */

/* What can be said without looking at the layout. mmap write, for map_count. */
static int check_arguments(const struct remap *r)
{
	const uint32_t known = MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED | MM_MREMAP_DONTUNMAP;

	if ((r->flags & ~known) || page_offset(r->addr) || !r->new_len || r->new_len > MM_TASK_SIZE)
		return RMAP_EINVAL;
	if (!implies_new_addr(r))
		return 0;
	if (r->new_addr > MM_TASK_SIZE - r->new_len || page_offset(r->new_addr) ||
	    !(r->flags & MM_MREMAP_MAYMOVE))
		return RMAP_EINVAL;
	if ((r->flags & MM_MREMAP_DONTUNMAP) && r->old_len != r->new_len)
		return RMAP_EINVAL;
	if (r->addr + r->old_len > r->new_addr && r->new_addr + r->new_len > r->addr)
		return RMAP_EINVAL;
	/* Both places may be split in three; a failure for that reason must come before anything is unmapped. */
	if (r->mm->map_count + 2 + 3 >= r->mm->sys->config.max_map_count)
		return RMAP_ENOMEM;
	return 0;
}

static int check_vma(const struct remap *r)
{
	uint64_t kept = r->new_len < r->old_len ? r->new_len : r->old_len;
	const struct vma *vma = r->vma;

	if (!vma)
		return RMAP_EFAULT;
	/* What stays in place need not even be mapped all over. */
	if (r->new_len <= r->old_len && !implies_new_addr(r))
		return 0;
	/* Length 0 asks for a second mapping of the same memory, which private memory cannot have. */
	if (!r->old_len && !(vma->flags & (VM_SHARED | VM_MAYSHARE)))
		return RMAP_EINVAL;
	if (kept > vma->rmap.end - r->addr)
		return RMAP_EFAULT;
	if (r->new_len <= r->old_len)
		return 0;
	if (!mm_lock_fits(r->mm, vma->flags, growth(r)))
		return RMAP_EAGAIN;
	return mm_may_expand(r->mm, vma->flags, PAGES(growth(r))) ? 0 : RMAP_ENOMEM;
}

/* ---------------------------------------------------------------- accounts */

static int charge(struct remap *r)
{
	uint64_t pages = PAGES(r->flags & MM_MREMAP_DONTUNMAP ? r->new_len : growth(r));

	if (!(r->vma->flags & VM_ACCOUNT) || !pages)
		return 0;
	if (mm_charge(r->mm, pages))
		return RMAP_ENOMEM;
	r->charged = pages;
	return 0;
}

static void account(struct mm *mm, uint64_t flags, uint64_t bytes)
{
	mm_account(mm, flags, (int64_t)PAGES(bytes));
	if (flags & VM_LOCKED)
		mm->locked_vm += PAGES(bytes);
}

/* ---------------------------------------------------------------- in place */

static bool can_grow_in_place(const struct remap *r)
{
	const struct vma *vma = r->vma;
	uint64_t end = vma->rmap.end + growth(r), addr;

	if (vma->rmap.end - r->addr != r->old_len || vma_first_in(r->mm, vma->rmap.end, end))
		return false;
	return !mm_unmapped_area(r->mm, NULL, vma->rmap.start, end - vma->rmap.start, 0, true,
				 &addr);
}

static int grow_in_place(struct remap *r)
{
	struct vma *vma;
	int error = charge(r);

	if (error)
		return error;
	vma = vma_merge_extend(r->vma, growth(r));
	if (!vma) {
		mm_uncharge(r->mm->sys, r->charged);
		return RMAP_ENOMEM;
	}
	account(r->mm, vma->flags, growth(r));
	if (vma->flags & VM_LOCKED)
		r->populate = growth(r);
	r->new_addr = r->addr;
	return 0;
}

/* ---------------------------------------------------------------- moving */

/* The VMA for the new place: a neighbour that was grown, or a copy of the old one. */
static struct vma *copy_vma(struct remap *r, bool *merged)
{
	struct mm *mm = r->mm;
	struct vma *vma = r->vma, *copy;
	uint64_t start = r->new_addr, end = start + r->new_len;
	uint64_t pgoff = rmap_vma_index(&vma->rmap, r->addr);

	if (vma_is_anonymous(vma) && !vma_faulted(vma))
		pgoff = PAGES(start);
	copy = vma_merge_new(mm, start, end, pgoff, vma->flags, vma_file(vma), vma, false);
	*merged = copy != NULL;
	if (copy) {
		/* An unfaulted VMA may have been merged with the new range beside it. */
		r->vma = vma_at(mm, r->addr);
		return copy;
	}
	copy = vma_dup(mm, vma);
	if (!copy)
		return NULL;
	copy->rmap.start = start;
	copy->rmap.end = end;
	copy->rmap.pgoff = pgoff;
	if (rmap_vma_clone(mm_rmap_of(mm), &copy->rmap, &vma->rmap)) {
		vma_free(copy);
		return NULL;
	}
	atomic_store_explicit(&copy->group, atomic_load_explicit(&vma->group, memory_order_relaxed),
			      memory_order_relaxed);
	copy->forked = vma->forked;
	vma_tree_insert(mm, copy);
	rmap_vma_link(mm_rmap_of(mm), &copy->rmap);
	return copy;
}

/*
 * Unmap a place whose promise of memory has passed to the other one. If that cannot be (no memory to split its VMA), it stays
 * mapped and empty, with a promise of its own.
 */
static void unmap_moved(struct mm *mm, uint64_t start, uint64_t end)
{
	if (!unmap_split(mm, start, end))
		(void)unmap_vmas(mm, start, end);
	else if (vma_at(mm, start)->flags & VM_ACCOUNT)
		mm_commit(mm->sys, (int64_t)PAGES(end - start));
}

/*
 * The old place stays, empty: unlocked, and if all of its VMA was moved, as if it had never been touched. Linux forgets to take the
 * unlocked pages off locked_vm (up to 6.18 at least), so that they count against RLIMIT_MEMLOCK until the process ends; so it is
 * here. It also leaves the mark on what was not moved of the VMA: such pages stay unevictable until they are freed.
 */
static void keep_empty(struct remap *r, const struct vma *copy)
{
	struct mm *mm = r->mm;
	struct vma *vma = r->vma;

	if (vma->flags & VM_LOCKED) {
		mm->locked_lost += vma_pages(vma);
		vma_set_flags(vma, vma->flags & ~VM_LOCKED_MASK);
		vma_strand_locks(vma);
	}
	if (copy == vma || vma->rmap.start != r->addr || vma->rmap.end != r->addr + r->old_len)
		return;
	rmap_vma_forget(mm_rmap_of(mm), &vma->rmap);
	atomic_store_explicit(&vma->group, 0, memory_order_relaxed);
	vma->forked = false;
	/* Its pgoff stays what it was, as on Linux 6.18: if it had come from elsewhere, it merges with nothing new here. */
}

static int move_vma(struct remap *r)
{
	struct mm *mm = r->mm;
	uint64_t moved, flags = r->vma->flags;
	struct vma *copy;
	bool merged;
	int error;

	if (mm->map_count + 3 >= mm->sys->config.max_map_count)
		return RMAP_ENOMEM;
	error = charge(r);
	if (error)
		return error;
	vma_start_write(r->vma);
	copy = copy_vma(r, &merged);
	if (!copy) {
		mm_uncharge(mm->sys, r->charged);
		return RMAP_ENOMEM;
	}
	account(mm, flags, r->new_len);
	moved = move_range(copy, r->new_addr, r->vma, r->addr, r->old_len, merged);
	if (moved < r->old_len) {
		/* Back again, where all tables still are. Between new and old a walker may pass in either direction now. */
		(void)move_range(r->vma, r->addr, copy, r->new_addr, moved, true);
		unmap_moved(mm, r->new_addr, r->new_addr + r->new_len);
		mm_uncharge(mm->sys, r->charged);
		return RMAP_ENOMEM;
	}
	COUNT(mm->sys, moves, 1);
	if (r->flags & MM_MREMAP_DONTUNMAP)
		keep_empty(r, copy);
	else if (r->old_len)
		unmap_moved(mm, r->addr, r->addr + r->old_len);
	if (flags & VM_LOCKED)
		r->populate = growth(r);
	return 0;
}

static int find_new_addr(struct remap *r)
{
	uint64_t hint = implies_new_addr(r) ? r->new_addr : 0;

	return mm_unmapped_area(r->mm, vma_file(r->vma), hint, r->new_len,
				rmap_vma_index(&r->vma->rmap, r->addr), r->flags & MM_MREMAP_FIXED,
				&r->new_addr);
}

/* ---------------------------------------------------------------- the call */

static int shrink(struct remap *r)
{
	uint64_t start = r->addr + r->new_len;
	int error;

	/* What goes need not be mapped, but must be where something could be. */
	if (start > MM_TASK_SIZE || r->old_len - r->new_len > MM_TASK_SIZE - start)
		return RMAP_EINVAL;
	error = mm_unmap_locked(r->mm, start, r->addr + r->old_len);
	r->vma = vma_at(r->mm, r->addr);
	return error;
}

/* To a given place, or (DONTUNMAP) to any. */
static int remap_to(struct remap *r)
{
	struct mm *mm = r->mm;
	int error;

	if (r->flags & MM_MREMAP_FIXED) {
		error = mm_unmap_locked(mm, r->new_addr, r->new_addr + r->new_len);
		if (error)
			return error;
		r->vma = vma_at(mm, r->addr);
		if (!r->vma)
			return RMAP_EFAULT;
	}
	if (r->new_len < r->old_len) {
		error = shrink(r);
		if (error)
			return error;
		r->old_len = r->new_len;
	}
	if ((r->flags & MM_MREMAP_DONTUNMAP) &&
	    !mm_may_expand(mm, r->vma->flags, PAGES(r->old_len)))
		return RMAP_ENOMEM;
	error = find_new_addr(r);
	return error ? error : move_vma(r);
}

/* Where it is, if possible. */
static int remap_at(struct remap *r)
{
	int error;

	if (r->new_len <= r->old_len) {
		r->new_addr = r->addr;
		return r->new_len < r->old_len ? shrink(r) : 0;
	}
	if (can_grow_in_place(r))
		return grow_in_place(r);
	if (!(r->flags & MM_MREMAP_MAYMOVE))
		return RMAP_ENOMEM;
	error = find_new_addr(r);
	return error ? error : move_vma(r);
}

/* One VMA, or the part of it at addr. */
static int remap_one(struct remap *r)
{
	int error = check_vma(r);

	if (error)
		return error;
	return implies_new_addr(r) ? remap_to(r) : remap_at(r);
}

/* All VMAs in the range, to a given place; holes between them and at the end are kept, one at the beginning is an error. */
static int remap_many(const struct remap *all)
{
	uint64_t at = all->addr, end = all->addr + all->old_len;
	uint64_t delta = all->new_addr - all->addr;

	if (!vma_at(all->mm, at))
		return RMAP_EFAULT;
	for (;;) {
		struct remap r = *all;
		int error;

		r.vma = vma_first_in(all->mm, at, end);
		if (!r.vma)
			return 0;
		r.addr = at > r.vma->rmap.start ? at : r.vma->rmap.start;
		at = r.vma->rmap.end < end ? r.vma->rmap.end : end;
		r.old_len = at - r.addr;
		r.new_len = r.old_len;
		r.new_addr = r.addr + delta;
		error = remap_one(&r);
		if (error)
			return error;
		if (at == end)
			return 0;
	}
}

static int remap_locked(struct remap *r)
{
	int error = check_arguments(r);

	if (error)
		return error;
	if ((r->flags & MM_MREMAP_FIXED) && r->old_len == r->new_len && mm_since(r->mm->sys, 6, 17))
		return remap_many(r);
	r->vma = vma_at(r->mm, r->addr);
	return remap_one(r);
}

int mm_mremap(struct mm *mm, uint64_t addr, uint64_t old_len, uint64_t new_len, uint32_t flags,
	      uint64_t new_addr, uint64_t *result)
{
	struct remap r = {
		.mm = mm,
		.addr = addr,
		.old_len = page_align(old_len),
		.new_len = page_align(new_len),
		.new_addr = new_addr,
		.flags = flags,
	};
	uint64_t end;
	int error;

	mm_write_lock(mm);
	error = remap_locked(&r);
	mm_write_unlock(mm);
	if (error)
		return error;
	end = r.new_addr + r.new_len;
	if (r.populate)
		(void)mm_populate(mm, end - r.populate, end, true);
	*result = r.new_addr;
	return 0;
}
