// SPDX-License-Identifier: BSD-2-Clause
/*
 * brk(2): the heap's end. It never fails with an error; what cannot be leaves the break where it is.
 */
#include "layout.h"

/* Has the heap a VMA above its beginning that ends at addr (where nothing is mapped, see may_grow())? Only that may grow. */
static bool heap_ends_at(const struct mm *mm, uint64_t addr)
{
	return addr > mm->start_brk && vma_at(mm, addr - 1);
}

/* Map [start, end) as heap. */
static int heap_grow(struct mm *mm, uint64_t start, uint64_t end)
{
	uint64_t pages = PAGES(end - start);
	uint64_t flags = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_ACCOUNT |
			 mm->def_flags;
	struct vma *vma;

	if (!mm_may_expand(mm, flags, pages) || mm->map_count > mm->sys->config.max_map_count ||
	    mm_charge(mm, pages))
		return RMAP_ENOMEM;
	if (!heap_ends_at(mm, start) ||
	    !vma_merge_new(mm, start, end, PAGES(start), flags, NULL, NULL, true)) {
		vma = vma_alloc(mm, start, end, PAGES(start), flags, NULL);
		if (!vma) {
			mm_uncharge(mm->sys, pages);
			return RMAP_ENOMEM;
		}
		vma_tree_insert(mm, vma);
	}
	mm_account(mm, flags, (int64_t)pages);
	if (flags & VM_LOCKED)
		mm->locked_vm += pages;
	return 0;
}

/* May the heap grow from start to end, as far as limits and neighbours go? One page and a stack's guard stay free above it. */
static bool may_grow(const struct mm *mm, uint64_t start, uint64_t end)
{
	const struct vma *next = vma_find(mm, start);
	uint64_t addr;

	if (mm_unmapped_area(mm, NULL, start, end - start, 0, true, &addr) ||
	    !mm_lock_fits(mm, mm->def_flags, end - start))
		return false;
	return !next || end + RMAP_PAGE_SIZE <= vma_guard_start(next);
}

static int heap_shrink(struct mm *mm, uint64_t new_end, uint64_t old_end)
{
	return vma_first_in(mm, new_end, old_end) ? mm_unmap_locked(mm, new_end, old_end)
						  : RMAP_ENOMEM;
}

/* mmap write. 0 if brk is the break now; *populate: memory was added that must be faulted in. */
static int set_break(struct mm *mm, uint64_t brk, bool *populate)
{
	uint64_t old_end = page_align(mm->brk);
	uint64_t new_end = page_align(brk);
	int error = 0;

	if (brk < mm->start_brk || brk - mm->start_brk > mm_get_limit(mm, MM_LIMIT_DATA) ||
	    new_end < brk)
		return RMAP_ENOMEM;
	if (new_end < old_end) {
		error = heap_shrink(mm, new_end, old_end);
	} else if (new_end > old_end) {
		if (!may_grow(mm, old_end, new_end))
			return RMAP_ENOMEM;
		error = heap_grow(mm, old_end, new_end);
		*populate = mm->def_flags & VM_LOCKED;
	}
	if (!error)
		mm->brk = brk;
	return error;
}

uint64_t mm_brk(struct mm *mm, uint64_t brk)
{
	bool populate = false;
	uint64_t old, now;
	int error;

	mm_write_lock(mm);
	old = mm->brk;
	error = set_break(mm, brk, &populate);
	now = mm->brk;
	mm_write_unlock(mm);
	if (!error && populate)
		(void)mm_populate(mm, page_align(old), page_align(brk), true);
	return now;
}

int mm_set_brk(struct mm *mm, uint64_t start_brk)
{
	int error = 0;

	if (start_brk >= MM_TASK_SIZE)
		return RMAP_EINVAL;
	mm_write_lock(mm);
	if (mm->brk != mm->start_brk) {
		error = RMAP_EINVAL;
	} else {
		mm->start_brk = start_brk;
		mm->brk = start_brk;
	}
	mm_write_unlock(mm);
	return error;
}
