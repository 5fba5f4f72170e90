// SPDX-License-Identifier: BSD-2-Clause
/*
 * A write to a page mapped read-only in a private VMA.
 *
 *   the page is …                               then
 *   exclusive (nobody else can have it)         it is written in place
 *   anonymous, and turns out to be unshared     it is adopted: exclusive from now on, and its owner is this VMA
 *   anything else                               it is copied; the copy is exclusive
 *
 * "Turns out to be unshared" is: map count one, and no reference but that of the mapping (and of the swap cache, which is given
 * up). A reference too many, whoever holds it, makes a copy: that is what keeps a reader through another reference from seeing
 * what is written here.
 */
#include "swap.h"
#include "table.h"
#include "vma.h"

/* PTL held, the entry still is f->old. */
static void reuse(struct fault *f)
{
	pte_t bits = vma_pte_bits(f->vma, !f->force && !f->unshare) | PTE_ACCESSED;

	if (f->write)
		bits |= PTE_DIRTY;
	/* Rights only grow: no flush. The exchange keeps nothing of the old bits but what stays true. */
	pte_exchange(f->pte,
		     pte_make(pte_pfn(f->old), bits | (f->old & (PTE_DIRTY | PTE_MLOCKED))));
	rmap_spin_unlock(f->ptl);
	COUNT_ON(f->cpu, fault_cow_reuse, 1);
}

/* May the anonymous page become ours? PTL held; the page lock is taken where it is free. */
static bool adopt(struct fault *f, struct page *page)
{
	struct mm_system *sys = f->mm->sys;
	uint32_t cache = page_test(page, PG_SWAPCACHE) ? 1 : 0;
	bool mine;

	if (!rmap_page_is_mapped_once(&page->rmap) || page_refs(page) > 1 + cache)
		return false;
	if (!page_trylock(page))
		return false;
	if (page_test(page, PG_SWAPCACHE))
		swap_try_free(sys, page);
	/* In this order: another address space may pin the page and unmap it just now. */
	mine = rmap_page_is_mapped_once(&page->rmap) && page_refs(page) == 1;
	if (mine) {
		rmap_page_adopt(&sys->rmap, &page->rmap, &f->vma->rmap, f->addr);
		atomic_store_explicit(&page->rmap.exclusive, 1, memory_order_relaxed);
	}
	page_unlock(sys, page);
	return mine;
}

/* No lock held, a reference to old (NULL: the zero page). */
static int copy(struct fault *f, struct page *old)
{
	struct mm_system *sys = f->mm->sys;
	struct page *page;
	int error = fault_prepare_anon(f);

	if (error)
		return error;
	page = page_alloc_on(sys, f->cpu, old ? 0 : PAGE_ALLOC_ZERO);
	if (!page)
		return RMAP_ENOMEM;
	if (old)
		page_copy(sys, page, old);
	if (!fault_install_anon(f, page))
		COUNT_ON(f->cpu, fault_spurious, 1);
	else if (!old)
		COUNT_ON(f->cpu, fault_zero_fill, 1);
	else if (rmap_page_is_anon(&old->rmap))
		COUNT_ON(f->cpu, fault_cow_copy, 1);
	else
		COUNT_ON(f->cpu, fault_file_cow, 1);
	return 0;
}

int fault_cow(struct fault *f)
{
	struct mm_system *sys = f->mm->sys;
	struct page *page = pfn_to_page(sys, pte_pfn(f->old));
	int error;

	rmap_assert_spin_held(f->ptl);
	if (f->old & PTE_SPECIAL) {
		rmap_spin_unlock(f->ptl);
		return copy(f, NULL);
	}
	if (rmap_page_is_anon(&page->rmap) &&
	    (rmap_page_is_exclusive(&page->rmap) || adopt(f, page))) {
		reuse(f);
		return 0;
	}
	page_get(page);
	rmap_spin_unlock(f->ptl);
	error = copy(f, page);
	swap_put_page(sys, page);
	return error;
}
