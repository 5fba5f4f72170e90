// SPDX-License-Identifier: BSD-2-Clause
/*
 * Swapoff: everything comes back, then swap is not used any more.
 *
 * There is no way from a slot to the entries that name it, so it is asked the other way round: every address space that may have
 * swap entries (they stand on a list) is searched by its page tables, and every shared memory file by its tree. A page comes back
 * as it went: exclusive if and only if the entry says so, read-only, not accessed; what it may become is for the next fault to
 * find out.
 *
 * New slots are refused from the start, so a pass that brings back all it meets makes progress; what forks or exits meanwhile
 * moves entries to where the pass has been, so passes go on until no slot is in use.
 *
 * That holds because nobody gives slots out again while it goes on: as on Linux, who comes second is told that there is nothing to
 * switch off, and who wants to switch it on that it is in use.
 */
#include "file.h"
#include "mm.h"
#include "table.h"
#include "vma.h"

/* The page of an entry that has gone bad: who touches it is told so. PTL held. */
static void unuse_poisoned(struct vma *vma, pte_t *pte, pte_t entry, struct page *page)
{
	struct mm *mm = vma_mm(vma);

	pte_write(pte, pte_make(page_to_pfn(mm->sys, page), PTE_KIND_POISON));
	mm_rss_add(mm, RSS_SWAP, -1);
	swap_free(mm->sys, pte_pfn(entry));
}

/* Page and PTL locked, the entry still stands. */
static void unuse_map(struct vma *vma, uint64_t addr, pte_t *pte, pte_t entry, struct page *page,
		      struct rmap_reserve *reserve)
{
	struct mm *mm = vma_mm(vma);
	struct mm_system *sys = mm->sys;
	struct rmap_page *rpage = &page->rmap;
	uint64_t slot = pte_pfn(entry);
	unsigned int flags = entry & PTE_SWP_EXCLUSIVE ? RMAP_MAP_EXCLUSIVE : 0;

	if (!rmap_page_is_anon(rpage)) {
		flags |= RMAP_MAP_NEW;
		rmap_slot_restore(&sys->rmap, &sys->swap.slots[slot].rmap, rpage, &vma->rmap, addr);
		sum_add(sys, SUM_ANON, 1);
	} else if (!flags) {
		rmap_slot_rejoin(&sys->rmap, &sys->swap.slots[slot].rmap, rpage);
	}
	if (rmap_page_map(&sys->rmap, &rpage, 1, &vma->rmap, addr, pte, flags, reserve))
		page_get(page);
	pte_write(pte, pte_make(page_to_pfn(sys, page),
				vma_pte_bits(vma, false) | vma_mlock_bit(vma, page)));
	mm_rss_add(mm, RSS_ANON, 1);
	mm_rss_add(mm, RSS_SWAP, -1);
	swap_free(sys, slot);
}

/* Page locked. 0 also where somebody else was faster. */
static int unuse_locked(struct vma *vma, uint64_t addr, pte_t *pte, pte_t entry, struct page *page,
			struct rmap_reserve *reserve)
{
	struct mm *mm = vma_mm(vma);
	struct rmap_spinlock *ptl = table_ptl(mm->sys, pte);
	bool poisoned = page_test(page, PG_POISON);

	if (!poisoned && rmap_page_is_anon(&page->rmap) &&
	    !rmap_page_fits(&mm->sys->rmap, &page->rmap, &vma->rmap, addr)) {
		struct fault f = {
			.mm = mm,
			.cpu = this_cpu(mm->sys),
			.vma = vma,
			.addr = addr,
			.unshare = true, /* read-only, as what comes back otherwise */
			.pte = pte,
			.ptl = ptl,
			.old = entry,
		};

		return fault_swap_copy(&f, page);
	}
	rmap_spin_lock(ptl);
	if (pte_read(pte) == entry) {
		if (poisoned)
			unuse_poisoned(vma, pte, entry, page);
		else
			unuse_map(vma, addr, pte, entry, page, reserve);
	}
	rmap_spin_unlock(ptl);
	return 0;
}

/* One swap entry. */
static int unuse_entry(struct vma *vma, uint64_t addr, pte_t *pte, pte_t entry)
{
	struct mm_system *sys = vma_mm(vma)->sys;
	struct rmap_reserve reserve = { 0 };
	struct page *page;
	bool was_cached;
	int error = rmap_reserve(&sys->rmap, &reserve, 1);

	if (error)
		return error;
	error = swap_read_page(sys, pte_pfn(entry), &page, &was_cached);
	if (!error && page) {
		error = unuse_locked(vma, addr, pte, entry, page, &reserve);
		swap_try_free(sys, page);
		page_unlock(sys, page);
		page_put(sys, page);
	}
	rmap_unreserve(&sys->rmap, &reserve);
	return error;
}

static int unuse_range(struct vma *vma, uint64_t addr, uint64_t end)
{
	const struct mm *mm = vma_mm(vma);

	while ((addr = table_next(mm, addr, end)) < end) {
		uint64_t stop = table_end(addr, end);
		pte_t *pte = table_find(mm, addr);

		for (; addr < stop; addr += RMAP_PAGE_SIZE, pte++) {
			pte_t entry = pte_read(pte);
			int error;

			if (!pte_is_swap(entry))
				continue;
			error = unuse_entry(vma, addr, pte, entry);
			if (error)
				return error;
		}
	}
	return 0;
}

/* mmap_lock for reading keeps tables and VMAs. */
static int unuse_mm(struct mm *mm)
{
	struct vma *vma;
	int error = 0;

	mm_read_lock(mm);
	vma_for_each(vma, mm) {
		if (vma_faulted(vma))
			error = unuse_range(vma, vma->rmap.start, vma->rmap.end);
		if (error)
			break;
	}
	mm_read_unlock(mm);
	return error;
}

/* The next mm behind pos that has a user, held; NULL: none. pos, which is held, stays on the list. */
static struct mm *next_mm(struct mm_system *sys, struct mm *pos)
{
	struct list_head *head = &sys->swap.mms, *link;
	struct mm *found = NULL;

	rmap_spin_lock(&sys->swap.mms_lock);
	for (link = pos ? pos->swap_list.next : head->next; link != head; link = link->next) {
		struct mm *mm = list_entry(link, struct mm, swap_list);

		if (mm_try_get(mm)) {
			found = mm;
			break;
		}
	}
	rmap_spin_unlock(&sys->swap.mms_lock);
	return found;
}

static int unuse_mms(struct mm_system *sys)
{
	struct mm *mm = next_mm(sys, NULL), *next;
	int error = 0;

	while (mm) {
		error = unuse_mm(mm);
		next = error ? NULL : next_mm(sys, mm);
		mm_put(mm);
		mm = next;
	}
	return error;
}

void swap_drop_caches(struct mm_system *sys)
{
	uint64_t end;

	rmap_spin_lock(&sys->swap.lock);
	end = sys->swap.next;
	rmap_spin_unlock(&sys->swap.lock);
	for (uint64_t slot = 0; slot < end; slot++) {
		struct page *page = swap_cache_get(sys, slot);

		if (!page)
			continue;
		page_lock(sys, page);
		if (page_test(page, PG_SWAPCACHE) && page->private == slot)
			swap_try_free(sys, page);
		page_unlock(sys, page);
		page_put(sys, page);
	}
}

/* False: it is not as it was to be. */
static bool change_state(struct mm_system *sys, enum swap_state from, enum swap_state to)
{
	bool is;

	rmap_spin_lock(&sys->swap.lock);
	is = sys->swap.state == from;
	if (is)
		sys->swap.state = to;
	rmap_spin_unlock(&sys->swap.lock);
	return is;
}

static uint64_t slots_in_use(struct mm_system *sys)
{
	uint64_t used;

	rmap_spin_lock(&sys->swap.lock);
	used = sys->swap.used;
	rmap_spin_unlock(&sys->swap.lock);
	return used;
}

int mm_swapoff(struct mm_system *sys)
{
	int error = 0;

	if (!change_state(sys, SWAP_ON, SWAP_DRAINING))
		return RMAP_EINVAL;
	if (!mm_commit_holds(sys))
		error = RMAP_ENOMEM;
	while (!error && slots_in_use(sys)) {
		error = unuse_mms(sys);
		if (!error)
			error = shmem_unuse(sys);
		swap_drop_caches(sys);
		/* What is left is held by somebody who is under way: a fork, a fault. */
		if (!error && slots_in_use(sys))
			rmap_cpu_relax();
	}
	(void)change_state(sys, SWAP_DRAINING, error ? SWAP_ON : SWAP_OFF);
	return error == RMAP_ENXIO ? RMAP_EIO : error;
}

int mm_swapon(struct mm_system *sys)
{
	return change_state(sys, SWAP_OFF, SWAP_ON) ? 0 : RMAP_EBUSY;
}
