// SPDX-License-Identifier: BSD-2-Clause
/*
 * Changing the rights of entries after the VMA's have changed.
 *
 * Rights are taken away at once. The right to write is given only where a write needs no fault of its own: to a private page
 * that is exclusively ours, or to a shared file page that is dirty already. Everything else is left to the next write fault,
 * which knows whether to copy.
 */
#include "table.h"
#include "vma.h"

static bool may_write_now(const struct mm_system *sys, const struct vma *vma, pte_t pte)
{
	const struct page *page = pfn_to_page(sys, pte_pfn(pte));

	if (!(vma->flags & VM_WRITE) || (pte & PTE_SPECIAL))
		return false;
	if (vma->flags & VM_SHARED)
		return pte & PTE_DIRTY;
	return rmap_page_is_anon(&page->rmap) && rmap_page_is_exclusive(&page->rmap);
}

static void protect_entry(struct gather *g, struct vma *vma, pte_t *pte, uint64_t addr)
{
	pte_t kept = PTE_PFN_MASK | PTE_ACCESSED | PTE_DIRTY | PTE_SPECIAL | PTE_MLOCKED;
	pte_t old = pte_read(pte);
	pte_t now;

	if (!old)
		return;
	if (!pte_present(old)) {
		/* A migration entry that would come back writable must not: the next write asks again. */
		if (pte_is_migration(old) && !(vma->flags & VM_WRITE))
			pte_write(pte, old & ~PTE_MIG_WRITE);
		return;
	}
	/*
	 * Again if the MMU set its accessed or dirty bit meanwhile. Not by taking it out: a walker that saw the PTL free reads the
	 * slot without it, and must not take for unmapped what is only being changed.
	 */
	do
		now = (old & kept) | vma_pte_bits(vma, may_write_now(g->mm->sys, vma, old));
	while (!pte_compare_exchange(pte, &old, now));
	/* The right to execute is taken away by setting a bit, and given by clearing it. */
	if (pte_maybe_cached(old) && ((old & ~now & ~PTE_NX) | (now & ~old & PTE_NX)))
		gather_address(g, addr);
}

void protect_range(struct gather *g, struct vma *vma, uint64_t start, uint64_t end)
{
	rmap_assert_write_held(&g->mm->mmap_lock);
	while ((start = table_next(g->mm, start, end)) < end) {
		uint64_t stop = table_end(start, end);
		pte_t *pte = table_find(g->mm, start);
		struct rmap_spinlock *ptl = table_ptl(g->mm->sys, pte);

		rmap_spin_lock(ptl);
		for (; start < stop; start += RMAP_PAGE_SIZE, pte++)
			protect_entry(g, vma, pte, start);
		gather_flush(g);
		rmap_spin_unlock(ptl);
	}
}
