// SPDX-License-Identifier: BSD-2-Clause
/*
 * Stack growth: a touch below a VM_GROWSDOWN VMA moves its start down to there.
 *
 *        prev            at least the guard gap        address         vma
 *      |--------|......................................|+++++++++++|----------|
 *
 * The guard keeps a stack from running into other memory in one step. It is not asked for below other stacks, and not below
 * memory that nobody may touch.
 *
 * Bounds are keys of the reverse map's trees, so they change hidden from them; and they change under mmap_lock for writing, as
 * newer kernels do it, so that no reader of the VMA tree sees them move.
 */
#include "layout.h"

#include "vma_lock.h"

static bool guard_is_free(const struct vma *vma, uint64_t addr)
{
	const struct vma *prev = vma_prev(vma);

	return !prev || (prev->flags & VM_GROWSDOWN) || !vma_is_accessible(prev) ||
	       addr - prev->rmap.end >= vma_mm(vma)->sys->config.stack_guard_gap;
}

static bool within_limits(const struct vma *vma, uint64_t size, uint64_t pages)
{
	const struct mm *mm = vma_mm(vma);

	return mm_may_expand(mm, vma->flags, pages) && size <= mm_get_limit(mm, MM_LIMIT_STACK) &&
	       mm_lock_fits(mm, vma->flags, pages << RMAP_PAGE_SHIFT);
}

int stack_grow(struct vma *vma, uint64_t addr)
{
	struct mm *mm = vma_mm(vma);
	uint64_t pages;
	int error;

	if (addr < mm->sys->config.mmap_min_addr)
		return RMAP_EPERM;
	if (!guard_is_free(vma, addr))
		return RMAP_ENOMEM;
	/* Pages come at once, and neighbours must not change what they would decide by: so before the bounds do. */
	vma_start_write(vma);
	error = vma_prepare_anon(vma);
	if (error)
		return error;
	pages = PAGES(vma->rmap.start - addr);
	if (pages > vma->rmap.pgoff || !within_limits(vma, vma->rmap.end - addr, pages))
		return RMAP_ENOMEM;
	if ((vma->flags & VM_ACCOUNT) && mm_charge(mm, pages))
		return RMAP_ENOMEM;
	vma_set_bounds(vma, addr, vma->rmap.end, vma->rmap.pgoff - pages);
	mm_account(mm, vma->flags, (int64_t)pages);
	if (vma->flags & VM_LOCKED)
		mm->locked_vm += pages;
	COUNT(mm->sys, stack_growths, 1);
	return 0;
}
