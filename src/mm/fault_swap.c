// SPDX-License-Identifier: BSD-2-Clause
/*
 * A page comes back from swap.
 *
 * All who share a slot meet in the swap cache and map one page again. The entry itself says whether the page was exclusive when
 * it went out; besides, whoever finds that nobody else is left (no entry, no mapping, no reference) has it exclusively. A page
 * that is not exclusive is owned by the family's root, since the first to map it again need not live as long as the others
 * (2.6.34 gave it to the first, and paid for it).
 */
#include "swap.h"
#include "table.h"
#include "vma.h"

/* Is it worth keeping the slot, so that a page that stays clean need not be written again? */
static bool give_up_slot(struct fault *f)
{
	struct mm_system *sys = f->mm->sys;

	return f->write || (f->vma->flags & VM_LOCKED) || swap_is_tight(sys);
}

/*
 * Page and PTL locked, the entry still stands: map the page there. Returns the new entry.
 */
static pte_t map(struct fault *f, struct page *page, uint64_t slot, struct rmap_reserve *reserve)
{
	struct mm_system *sys = f->mm->sys;
	struct rmap_page *rpage = &page->rmap;
	bool exclusive = f->old & PTE_SWP_EXCLUSIVE;
	unsigned int flags = 0;
	pte_t pte;

	if (!rmap_page_is_anon(rpage)) {
		flags |= RMAP_MAP_NEW;
		rmap_slot_restore(&sys->rmap, &sys->swap.slots[slot].rmap, rpage, &f->vma->rmap,
				  f->addr);
		cpu_sum_add(f->cpu, SUM_ANON, 1);
	} else if (!exclusive) {
		rmap_slot_rejoin(&sys->rmap, &sys->swap.slots[slot].rmap, rpage);
	}
	swap_free(sys, slot);
	if (give_up_slot(f))
		swap_try_free(sys, page);
	/* The only reference is the caller's, and nothing but this entry led to it. */
	if (!page_test(page, PG_SWAPCACHE) && page_refs(page) == 1)
		exclusive = true;
	if (exclusive)
		flags |= RMAP_MAP_EXCLUSIVE;
	pte = pte_make(page_to_pfn(sys, page), 0) |
	      vma_pte_bits(f->vma, exclusive && !f->force && !f->unshare) | PTE_ACCESSED;
	if (f->write && exclusive)
		pte |= PTE_DIRTY;
	if (rmap_page_map(&sys->rmap, &rpage, 1, &f->vma->rmap, f->addr, f->pte, flags, reserve))
		page_get(page);
	pte |= vma_mlock_bit(f->vma, page);
	pte_write(f->pte, pte);
	cpu_rss_add(f->cpu, f->mm, RSS_ANON, 1);
	cpu_rss_add(f->cpu, f->mm, RSS_SWAP, -1);
	return pte;
}

int fault_swap_copy(struct fault *f, struct page *cached)
{
	struct mm_system *sys = f->mm->sys;
	struct page *page = page_alloc_on(sys, f->cpu, 0);

	if (!page)
		return RMAP_ENOMEM;
	page_copy(sys, page, cached);
	if (!fault_install_anon(f, page)) {
		COUNT_ON(f->cpu, fault_spurious, 1);
		return 0;
	}
	cpu_rss_add(f->cpu, f->mm, RSS_SWAP, -1);
	swap_free(sys, pte_pfn(f->old));
	swap_try_free(sys, cached);
	COUNT_ON(f->cpu, fault_swap_in, 1);
	return 0;
}

/* The page must be read, or somebody is at it: is that waited for without a lock of the address space (fault_wait.c)? */
static bool leaves(struct fault *f, uint64_t slot)
{
	if (!fault_may_wait(f) || swap_is_ready(f->mm->sys, slot))
		return false;
	f->wait.what = WAIT_SLOT;
	f->wait.at = slot;
	return true;
}

/*
 * The slot's page, locked; as swap_read_page(). It may have been waited for. Then an error is this slot's still: what cannot be read is
 * given to nobody else.
 */
static int slot_page(struct fault *f, uint64_t slot, struct page **page)
{
	struct fault_wait *wait = &f->wait;
	bool was_cached;

	*page = NULL;
	if (wait->what == WAIT_SLOT && wait->at == slot) {
		if (wait->error)
			return wait->error;
		if (wait->page)
			*page = swap_lock_page(f->mm->sys, wait->page, slot);
		wait->page = NULL;
	}
	return *page ? 0 : swap_read_page(f->mm->sys, slot, page, &was_cached);
}

int fault_swap(struct fault *f)
{
	struct mm_system *sys = f->mm->sys;
	uint64_t slot = pte_pfn(f->old);
	struct rmap_reserve reserve = { 0 };
	struct page *page = NULL;
	pte_t pte;
	int error = fault_prepare_anon(f);

	if (!error && leaves(f, slot))
		return FAULT_NEEDS_PAGE;
	if (!error)
		error = slot_page(f, slot, &page);
	if (error || !page)
		return error;
	if (page_test(page, PG_POISON)) {
		error = RMAP_EHWPOISON;
		goto unlock;
	}
	if (rmap_page_is_anon(&page->rmap) &&
	    !rmap_page_fits(&sys->rmap, &page->rmap, &f->vma->rmap, f->addr)) {
		error = fault_swap_copy(f, page);
		goto unlock;
	}
	/* A page that nobody has mapped yet will be a new one to tier 1, which needs nothing for that. Only who has its lock maps it. */
	if (rmap_page_is_anon(&page->rmap)) {
		error = rmap_reserve(&sys->rmap, &reserve, 1);
		if (error)
			goto unlock;
	}
	rmap_spin_lock(f->ptl);
	if (pte_read(f->pte) != f->old) {
		rmap_spin_unlock(f->ptl);
		COUNT_ON(f->cpu, fault_spurious, 1);
		goto unlock;
	}
	pte = map(f, page, slot, &reserve);
	rmap_spin_unlock(f->ptl);
	page_unlock(sys, page);
	page_put(sys, page);
	rmap_unreserve(&sys->rmap, &reserve);
	COUNT_ON(f->cpu, fault_swap_in, 1);
	if ((!f->write || (pte & PTE_WRITE)) && !f->unshare)
		return 0;
	/* A write (or a pin) wants more: go on as if the processor had met the read-only entry. */
	rmap_spin_lock(f->ptl);
	f->old = pte_read(f->pte);
	if (f->old != pte) {
		rmap_spin_unlock(f->ptl);
		return 0;
	}
	return fault_cow(f);

unlock:
	page_unlock(sys, page);
	swap_put_page(sys, page);
	rmap_unreserve(&sys->rmap, &reserve);
	return error;
}
