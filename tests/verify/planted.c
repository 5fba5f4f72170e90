// SPDX-License-Identifier: BSD-2-Clause
/*
 * Mistakes for the referee to find: a command whose engine is wrong in one place.
 *
 * The linker puts these functions before libmm's own (--wrap), so the engine's sources know nothing of them. PLANTED picks
 * one; each makes an executable of its own, rmap_planted_NAME.
 */
#include <mm/mm_types.h>
#include <mm/page.h>
#include <mm/table.h>
#include <mm/vma.h>

#define MERGE 1 /* a new mapping is not joined with the one behind it */
#define COW   2 /* a page that two processes share is written in place */
#define ERRNO 3 /* madvise over a hole says EINVAL */
#define COPY  4 /* a page that one process has alone again is copied before it is written */

#if PLANTED == MERGE

struct vma *__real_vma_merge_new(struct mm *mm, uint64_t start, uint64_t end, uint64_t pgoff,
				 uint64_t flags, struct mm_file *file, struct vma *copied_from,
				 bool just_expand);
struct vma *__wrap_vma_merge_new(struct mm *mm, uint64_t start, uint64_t end, uint64_t pgoff,
				 uint64_t flags, struct mm_file *file, struct vma *copied_from,
				 bool just_expand);

struct vma *__wrap_vma_merge_new(struct mm *mm, uint64_t start, uint64_t end, uint64_t pgoff,
				 uint64_t flags, struct mm_file *file, struct vma *copied_from,
				 bool just_expand)
{
	return __real_vma_merge_new(mm, start, end, pgoff, flags, file, copied_from,
				    just_expand || !copied_from);
}

#elif PLANTED == COW

int __real_fault_cow(struct fault *f);
int __wrap_fault_cow(struct fault *f);

int __wrap_fault_cow(struct fault *f)
{
	struct page *page = pfn_to_page(f->mm->sys, pte_pfn(f->old));

	if (!(f->old & PTE_SPECIAL) && f->write && rmap_page_is_anon(&page->rmap) &&
	    rmap_page_mapcount(&page->rmap) == 2) {
		pte_exchange(f->pte, pte_make(pte_pfn(f->old), vma_pte_bits(f->vma, true) |
								       PTE_ACCESSED | PTE_DIRTY));
		rmap_spin_unlock(f->ptl);
		return 0;
	}
	return __real_fault_cow(f);
}

#elif PLANTED == ERRNO

int __real_mm_madvise(struct mm *mm, uint64_t addr, uint64_t len, int advice);
int __wrap_mm_madvise(struct mm *mm, uint64_t addr, uint64_t len, int advice);

int __wrap_mm_madvise(struct mm *mm, uint64_t addr, uint64_t len, int advice)
{
	int error = __real_mm_madvise(mm, addr, len, advice);

	return error == RMAP_ENOMEM ? RMAP_EINVAL : error;
}

#elif PLANTED == COPY

int __real_fault_cow(struct fault *f);
int __wrap_fault_cow(struct fault *f);

int __wrap_fault_cow(struct fault *f)
{
	struct mm_system *sys = f->mm->sys;
	struct page *page = pfn_to_page(sys, pte_pfn(f->old));
	bool held = !(f->old & PTE_SPECIAL);
	int error;

	if (held)
		page_get(page);
	error = __real_fault_cow(f);
	if (held)
		page_put(sys, page);
	return error;
}

#else
#error "PLANTED says which mistake"
#endif
