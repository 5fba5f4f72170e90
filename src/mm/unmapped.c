// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where a new mapping goes, as Linux 6.18 on x86-64 decides: at the fixed address; at the hint, if that is free; else at the
 * highest free place below mmap_base, or from the bottom of the upper two thirds if there is none.
 *
 * A kernel that is built for huge pages puts anonymous mappings of whole 2 MiB (without a hint), and files that cover such a
 * stretch, at 2 MiB boundaries. No huge page is made here, but the addresses are the same.
 */
#include "layout.h"

#define HUGE_SIZE ((uint64_t)1 << PT_LEVEL_SHIFT(2))

/* A free place for len bytes: the hint or by search. */
static int search(const struct mm *mm, uint64_t hint, uint64_t len, uint64_t *out)
{
	hint &= RMAP_PAGE_MASK;
	if (hint && len <= MM_TASK_SIZE && hint <= MM_TASK_SIZE - len) {
		const struct vma *vma = vma_find(mm, hint);

		if (!vma || hint + len <= vma_guard_start(vma)) {
			*out = hint;
			return 0;
		}
	}
	return vma_find_gap(mm, len, out);
}

/* The same at a boundary where offset (bytes) has a boundary too. False: no such place, or not worth it. */
static bool search_aligned(const struct mm *mm, uint64_t hint, uint64_t len, uint64_t offset,
			   uint64_t *out)
{
	uint64_t aligned = (offset + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);
	uint64_t end = offset + len;
	uint64_t padded = len + HUGE_SIZE;
	uint64_t addr, shift;

	/* Offsets are signed, so near the largest one a boundary may lie before the range, and far away. */
	if ((int64_t)end <= (int64_t)aligned || end - aligned < HUGE_SIZE)
		return false;
	if (search(mm, hint, padded, &addr))
		return false;
	if (hint && addr == hint) {
		*out = addr;
		return true;
	}
	shift = (offset - addr) & (HUGE_SIZE - 1);
	*out = shift ? addr + shift : addr + HUGE_SIZE;
	return true;
}

static bool wants_alignment(const struct mm *mm, const struct mm_file *file, uint64_t hint,
			    uint64_t len)
{
	if (file)
		return !mm_file_is_shmem(file);
	/* Until 6.7 no anonymous mapping was aligned, until 6.13 any that is large enough. */
	if (!mm_since(mm->sys, 6, 13))
		return mm_since(mm->sys, 6, 7);
	return !hint && (len & (HUGE_SIZE - 1)) == 0;
}

int mm_unmapped_area(const struct mm *mm, const struct mm_file *file, uint64_t addr, uint64_t len,
		     uint64_t pgoff, bool fixed, uint64_t *out)
{
	int error;

	if (len > MM_TASK_SIZE)
		return RMAP_ENOMEM;
	if (!fixed &&
	    !(wants_alignment(mm, file, addr, len) &&
	      search_aligned(mm, addr, len, file ? pgoff << RMAP_PAGE_SHIFT : 0, &addr))) {
		error = search(mm, addr, len, &addr);
		if (error)
			return error;
	}
	if (addr > MM_TASK_SIZE - len)
		return RMAP_ENOMEM;
	if (page_offset(addr))
		return RMAP_EINVAL;
	if (addr < mm->sys->config.mmap_min_addr)
		return RMAP_EPERM;
	*out = addr;
	return 0;
}
