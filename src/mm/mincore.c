// SPDX-License-Identifier: BSD-2-Clause
/*
 * mincore(2): which pages would be had without I/O: those that are mapped, in the swap cache, or in their file's cache.
 */
#include "layout.h"

#include "file.h"
#include "swap.h"
#include "table.h"

static bool in_core(struct vma *vma, uint64_t addr)
{
	struct mm *mm = vma_mm(vma);
	const pte_t *pte = table_find(mm, addr);
	pte_t v = pte ? pte_read(pte) : 0;

	if (!v)
		return vma->rmap.file &&
		       file_is_cached(vma_file(vma), rmap_vma_index(&vma->rmap, addr));
	if (pte_is_swap(v))
		return swap_is_cached(mm->sys, pte_pfn(v));
	/* Present, or on its way to another frame, or bad: no I/O would help. */
	return true;
}

int mm_mincore(struct mm *mm, uint64_t addr, uint64_t len, uint8_t *vec)
{
	uint64_t end;
	int error = 0;

	if (page_offset(addr))
		return RMAP_EINVAL;
	if (addr > MM_TASK_SIZE || len > MM_TASK_SIZE - addr)
		return RMAP_ENOMEM;
	end = addr + page_align(len);
	mm_read_lock(mm);
	while (addr < end) {
		struct vma *vma = vma_at(mm, addr);
		uint64_t stop;

		if (!vma) {
			error = RMAP_ENOMEM;
			break;
		}
		stop = vma->rmap.end < end ? vma->rmap.end : end;
		for (; addr < stop; addr += RMAP_PAGE_SIZE)
			*vec++ = in_core(vma, addr);
	}
	mm_read_unlock(mm);
	return error;
}
