// SPDX-License-Identifier: BSD-2-Clause
/*
 * Populating: faulting in what nobody has touched yet, for mlock, MAP_POPULATE, MADV_POPULATE_*.
 *
 * Private writable memory is faulted for writing, so that copies are made now and not at the first write; shared memory only
 * for reading, since a write fault would make its pages dirty for nothing. Memory that may not be read but may be written or
 * executed is faulted all the same; PROT_NONE is not.
 */
#include "layout.h"

#include "table.h"

/*
 * Is there an entry that allows what a fault would be for? One that would be written counts as written, as after a fault: what
 * was given up by MADV_FREE is wanted again.
 */
static bool entry_ready(const struct mm *mm, uint64_t addr, bool write)
{
	pte_t *pte = table_find(mm, addr);
	pte_t v = pte ? pte_read(pte) : 0;
	struct rmap_spinlock *ptl;
	bool ready;

	if (!pte_present(v) || (write && !(v & PTE_WRITE)))
		return false;
	if (!write || (v & PTE_DIRTY))
		return true;
	ptl = table_ptl(mm->sys, pte);
	rmap_spin_lock(ptl);
	v = pte_read(pte);
	ready = pte_present(v) && (v & PTE_WRITE);
	if (ready)
		atomic_fetch_or_explicit((_Atomic pte_t *)pte, PTE_ACCESSED | PTE_DIRTY,
					 memory_order_acq_rel);
	rmap_spin_unlock(ptl);
	return ready;
}

int page_populate(struct vma *vma, uint64_t addr, bool write)
{
	struct mm *mm = vma_mm(vma);

	while (!entry_ready(mm, addr, write)) {
		struct fault f = {
			.mm = mm,
			.cpu = this_cpu(mm->sys),
			.vma = vma,
			.addr = addr,
			.write = write,
		};
		int error;

		COUNT(mm->sys, faults, 1);
		error = fault_handle(&f);
		if (error) {
			COUNT(mm->sys, fault_errors, 1);
			return error;
		}
	}
	return 0;
}

int page_unshare(struct vma *vma, uint64_t addr)
{
	struct mm *mm = vma_mm(vma);
	struct fault f = {
		.mm = mm,
		.cpu = this_cpu(mm->sys),
		.vma = vma,
		.addr = addr,
		.unshare = true,
	};
	int error;

	COUNT(mm->sys, faults, 1);
	error = fault_handle(&f);
	if (error)
		COUNT(mm->sys, fault_errors, 1);
	return error;
}

int vma_populate(struct vma *vma, uint64_t start, uint64_t end)
{
	bool write = (vma->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;
	int error = 0;

	if (vma->flags & VM_LOCKONFAULT)
		return 0;
	if (!vma_is_accessible(vma))
		return RMAP_EFAULT;
	for (; start < end && !error; start += RMAP_PAGE_SIZE)
		error = page_populate(vma, start, write);
	return error;
}

int mm_populate(struct mm *mm, uint64_t start, uint64_t end, bool ignore_errors)
{
	while (start < end) {
		struct vma *vma;
		uint64_t stop;
		int error;

		mm_read_lock(mm);
		vma = vma_first_in(mm, start, end);
		if (!vma) {
			mm_read_unlock(mm);
			return 0;
		}
		if (start < vma->rmap.start)
			start = vma->rmap.start;
		/* One table's worth at a time, so that whoever wants to change the layout need not wait for all of it. */
		stop = table_end(start, end < vma->rmap.end ? end : vma->rmap.end);
		error = vma_populate(vma, start, stop);
		if (error && ignore_errors)
			stop = vma->rmap.end;
		mm_read_unlock(mm);
		if (error && !ignore_errors)
			return error;
		start = stop;
	}
	return 0;
}
