// SPDX-License-Identifier: BSD-2-Clause
/*
 * Unmapping.
 *
 *        start                 end                     1. split what reaches out of the range: all that can fail
 *   |AAAA:AAAA|    |BBBB|   |CC:CCCC|                  2. keep faults out; empty the entries, flush, free pages
 *        |xxxx|    |xxxx|   |xx|                       3. take the VMAs out of the reverse map and of the tree
 *   |AAAA|                     |CCCC|                  4. free the tables that nobody reaches any more
 *
 * Entries go before the VMAs leave the reverse map, tables after it: a walker always finds what it can still reach.
 */
#include "layout.h"

#include "table.h"
#include "vma_lock.h"

int unmap_split(struct mm *mm, uint64_t start, uint64_t end)
{
	struct vma *vma = vma_first_in(mm, start, end);
	int error;

	if (!vma)
		return 0;
	if (vma->rmap.start < start) {
		/* The count may go above the limit for a moment, so that memory can be given back; it may not stay there. */
		if (vma->rmap.end > end && mm->map_count >= mm->sys->config.max_map_count)
			return RMAP_ENOMEM;
		error = vma_split(vma, start, true, true);
		if (error)
			return error;
	}
	vma = vma_find(mm, end - 1);
	if (vma && vma->rmap.start < end && vma->rmap.end > end)
		return vma_split(vma, end, false, true);
	return 0;
}

static void zap_vmas(struct mm *mm, struct vma *first, uint64_t end)
{
	struct gather g;

	gather_begin(&g, mm, MM_FLUSH_UNMAP);
	for (struct vma *vma = first; vma && vma->rmap.start < end; vma = vma_next(vma))
		zap_range(&g, vma, vma->rmap.start, vma->rmap.end, ZAP_ALL);
	gather_end(&g);
}

/* No entry of it is left: settle its accounts. Returns its pages that were accounted. */
static uint64_t forget_vma(struct mm *mm, struct vma *vma)
{
	uint64_t pages = vma_pages(vma);

	rmap_assert_write_held(&mm->mmap_lock);
	if (vma->flags & VM_LOCKED)
		mm->locked_vm -= pages;
	mm_account(mm, vma->flags, -(int64_t)pages);
	return vma->flags & VM_ACCOUNT ? pages : 0;
}

uint64_t unmap_vmas(struct mm *mm, uint64_t start, uint64_t end)
{
	struct vma *vma = vma_first_in(mm, start, end);
	uint64_t accounted = 0;
	struct vma *prev, *next;

	if (!vma)
		return 0;
	for (next = vma; next && next->rmap.start < end; next = vma_next(next))
		vma_start_write(next);
	zap_vmas(mm, vma, end);
	prev = vma_prev(vma);
	for (; vma && vma->rmap.start < end; vma = next) {
		next = vma_next(vma);
		accounted += forget_vma(mm, vma);
		rmap_vma_unlink(mm_rmap_of(mm), &vma->rmap);
		vma_tree_erase(mm, vma);
		vma_free(vma);
	}
	table_free_range(mm, start, end, prev ? prev->rmap.end : 0,
			 vma ? vma->rmap.start : MM_ADDRESS_END);
	return accounted;
}

int mm_unmap_locked(struct mm *mm, uint64_t start, uint64_t end)
{
	int error;

	rmap_assert_write_held(&mm->mmap_lock);
	error = unmap_split(mm, start, end);
	if (error)
		return error;
	mm_uncharge(mm->sys, unmap_vmas(mm, start, end));
	return 0;
}

static void unlink_vma(struct mm *mm, struct vma *vma)
{
	rmap_vma_unlink(mm_rmap_of(mm), &vma->rmap);
	vma_detach(vma);
	vma_free(vma);
}

void mm_unmap_all(struct mm *mm)
{
	uint64_t accounted = 0;
	struct vma *vma;

	zap_vmas(mm, vma_first(mm), MM_ADDRESS_END);
	vma_for_each(vma, mm)
		accounted += forget_vma(mm, vma);
	/* Nobody will look for a VMA again: the tree need not be kept in order for each that goes. */
	vma_tree_dismantle(mm, unlink_vma);
	mm_uncharge(mm->sys, accounted);
	/* Also the tables without a VMA, which a fork that failed has left. */
	table_free_range(mm, 0, MM_ADDRESS_END, 0, MM_ADDRESS_END);
}

int mm_munmap(struct mm *mm, uint64_t addr, uint64_t len)
{
	int error;

	if (page_offset(addr) || addr > MM_TASK_SIZE || len > MM_TASK_SIZE - addr || !len)
		return RMAP_EINVAL;
	mm_write_lock(mm);
	error = mm_unmap_locked(mm, addr, addr + page_align(len));
	mm_write_unlock(mm);
	return error;
}
