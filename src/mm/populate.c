// SPDX-License-Identifier: BSD-2-Clause
/*
 * Populating: faulting in what nobody has touched yet, for mlock, MAP_POPULATE, MADV_POPULATE_*.
 *
 * Private writable memory is faulted for writing, so that copies are made now and not at the first write; shared memory only
 * for reading, since a write fault would make its pages dirty for nothing. Memory that may not be read but may be written or
 * executed is faulted all the same; PROT_NONE is not.
 *
 * What has to come from a device is waited for without mmap_lock; behind that the VMA is looked up anew, and what is mapped there by
 * then is populated. Where nothing is any more, that is no error, as on Linux. mprotect, which holds mmap_lock for writing, cannot let go.
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

int page_populate(struct vma *vma, uint64_t addr, bool write, struct fault_wait *wait)
{
	struct mm *mm = vma_mm(vma);
	int error = 0;

	while (!error && !entry_ready(mm, addr, write)) {
		struct fault f = {
			.mm = mm,
			.cpu = this_cpu(mm->sys),
			.vma = vma,
			.addr = addr,
			.write = write,
		};

		if (wait)
			f.wait = *wait;
		if (f.wait.what <= WAIT_NOT_YET)
			COUNT(mm->sys, faults, 1);
		error = fault_handle(&f);
		if (wait)
			*wait = f.wait;
		if (error == FAULT_NEEDS_PAGE)
			return error;
	}
	if (error)
		COUNT(mm->sys, fault_errors, 1);
	if (wait)
		fault_wait_end(mm->sys, wait);
	return error;
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

/* From *start on, which is where it stopped when it returns. 0, an error of mm_fault, or, with wait, FAULT_NEEDS_PAGE. */
static int populate_from(struct vma *vma, uint64_t *start, uint64_t end, struct fault_wait *wait)
{
	bool write = (vma->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;

	if (vma->flags & VM_LOCKONFAULT) {
		*start = end;
		return 0;
	}
	if (!vma_is_accessible(vma))
		return RMAP_EFAULT;
	for (; *start < end; *start += RMAP_PAGE_SIZE) {
		int error = page_populate(vma, *start, write, wait);

		if (error)
			return error;
	}
	return 0;
}

int vma_populate(struct vma *vma, uint64_t start, uint64_t end)
{
	return populate_from(vma, &start, end, NULL);
}

/* How far one look goes: a table's worth, so that whoever wants to change the layout need not wait for all. What takes no time goes whole. */
static uint64_t part_end(const struct vma *vma, uint64_t start, uint64_t end)
{
	uint64_t stop = end < vma->rmap.end ? end : vma->rmap.end;

	return vma->flags & VM_LOCKONFAULT ? stop : table_end(start, stop);
}

/*
 * The next part of [*start, end), which begins behind it when this returns.
 */
static int populate_part(struct mm *mm, uint64_t *start, uint64_t end, bool ignore_errors,
			 struct fault_wait *wait)
{
	struct vma *vma;
	int error = 0;

	mm_read_lock(mm);
	vma = vma_first_in(mm, *start, end);
	if (!vma) {
		*start = end;
	} else {
		if (*start < vma->rmap.start)
			*start = vma->rmap.start;
		error = populate_from(vma, start, part_end(vma, *start, end), wait);
		if (error && error != FAULT_NEEDS_PAGE && ignore_errors) {
			*start = vma->rmap.end;
			error = 0;
		}
	}
	mm_read_unlock(mm);
	return error;
}

int mm_populate(struct mm *mm, uint64_t start, uint64_t end, bool ignore_errors)
{
	struct fault_wait wait = { .what = WAIT_NOT_YET };
	int error = 0;

	while (start < end && !error) {
		error = populate_part(mm, &start, end, ignore_errors, &wait);
		if (error == FAULT_NEEDS_PAGE) {
			fault_wait(mm->sys, &wait);
			error = 0;
		}
	}
	/* What was waited for may not be mapped any more. */
	fault_wait_end(mm->sys, &wait);
	return error;
}
