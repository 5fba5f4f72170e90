// SPDX-License-Identifier: BSD-2-Clause
/*
 * msync(2): write back what was changed through shared file mappings. Holes are passed by and reported at the end.
 */
#include "layout.h"

#include "file.h"

/* Write back the part of vma's file that [start, end) shows. mmap read on entry, released: I/O should not block faults. */
static int sync_part(struct mm *mm, const struct vma *vma, uint64_t start, uint64_t end)
{
	struct mm_file *file = vma_file(vma);
	uint64_t first = rmap_vma_index(&vma->rmap, start);
	uint64_t last = rmap_vma_index(&vma->rmap, end - 1);
	int error;

	mm_file_get(file);
	mm_read_unlock(mm);
	error = file_sync_range(file, first, last);
	mm_file_put(file);
	return error;
}

/* One VMA (or hole) at *start, which is left behind it. mmap read held on entry, released. */
static int sync_step(struct mm *mm, uint64_t *start, uint64_t end, uint32_t flags, bool *hole)
{
	const struct vma *vma = vma_find(mm, *start);
	uint64_t from, to;
	int error = 0;

	if (!vma ||
	    (*start < vma->rmap.start && (flags == MM_MS_ASYNC || vma->rmap.start >= end))) {
		*start = end;
		*hole = true;
		mm_read_unlock(mm);
		return 0;
	}
	*hole |= *start < vma->rmap.start;
	from = *start > vma->rmap.start ? *start : vma->rmap.start;
	to = vma->rmap.end < end ? vma->rmap.end : end;
	*start = to;
	if ((flags & MM_MS_INVALIDATE) && (vma->flags & VM_LOCKED))
		error = RMAP_EBUSY;
	else if ((flags & MM_MS_SYNC) && vma->rmap.file && (vma->flags & VM_SHARED))
		return sync_part(mm, vma, from, to);
	mm_read_unlock(mm);
	return error;
}

int mm_msync(struct mm *mm, uint64_t addr, uint64_t len, uint32_t flags)
{
	uint64_t end = addr + page_align(len);
	bool hole = false;
	int error = 0;

	if ((flags & ~(uint32_t)(MM_MS_ASYNC | MM_MS_INVALIDATE | MM_MS_SYNC)) ||
	    page_offset(addr) || ((flags & MM_MS_ASYNC) && (flags & MM_MS_SYNC)))
		return RMAP_EINVAL;
	if (end < addr)
		return RMAP_ENOMEM;
	while (addr < end && !error) {
		mm_read_lock(mm);
		error = sync_step(mm, &addr, end, flags, &hole);
	}
	return !error && hole ? RMAP_ENOMEM : error;
}
