// SPDX-License-Identifier: BSD-2-Clause
/*
 * mprotect(2): new rights for a range, one VMA after the other. Where one fails, those before it stay changed.
 */
#include "layout.h"

#include "table.h"

#define PROT_SEM 8u /* accepted and ignored, as on Linux */

/* Account for memory that becomes writable. *flags gets or loses VM_ACCOUNT; *charged: pages to return on failure. */
static int charge_for(struct vma *vma, uint64_t pages, uint64_t *flags, uint64_t *charged)
{
	struct mm *mm = vma_mm(vma);
	uint64_t old = vma->flags;

	*charged = 0;
	if (!(*flags & VM_WRITE)) {
		/* A promise can be taken back only while it is certain that nothing was written. */
		if ((old & VM_ACCOUNT) && vma_is_anonymous(vma) && !vma_faulted(vma))
			*flags &= ~VM_ACCOUNT;
		return 0;
	}
	if (!mm_may_expand(mm, *flags, pages) && mm_may_expand(mm, old, pages))
		return RMAP_ENOMEM;
	if (old & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE))
		return 0;
	if (mm_charge(mm, pages))
		return RMAP_ENOMEM;
	*charged = pages;
	*flags |= VM_ACCOUNT;
	return 0;
}

/* One VMA's part of the range. */
static int protect_vma(struct gather *g, struct vma *vma, uint64_t start, uint64_t end,
		       uint64_t flags)
{
	struct mm *mm = vma_mm(vma);
	uint64_t old = vma->flags, pages = PAGES(end - start), charged;
	struct vma *now;
	int error;

	if (flags == old)
		return 0;
	error = charge_for(vma, pages, &flags, &charged);
	if (error)
		return error;
	error = vma_modify(vma, start, end, flags, &now);
	if (error) {
		mm_uncharge(mm->sys, charged);
		return error;
	}
	protect_range(g, now, start, end);
	if ((old & VM_ACCOUNT) && !(flags & VM_ACCOUNT))
		mm_uncharge(mm->sys, pages);
	mm_account(mm, old, -(int64_t)pages);
	mm_account(mm, flags, (int64_t)pages);
	/* Locked private memory that becomes writable: make the copies now, so that no write has to wait for one. */
	if ((old & (VM_WRITE | VM_SHARED | VM_LOCKED)) == VM_LOCKED && (flags & VM_WRITE)) {
		gather_flush(g);
		(void)vma_populate(now, start, end);
	}
	return 0;
}

static int protect_vmas(struct gather *g, struct mm *mm, uint64_t start, uint64_t end,
			uint32_t prot)
{
	while (start < end) {
		struct vma *vma = vma_at(mm, start);
		uint64_t flags, stop;
		int error;

		if (!vma)
			return RMAP_ENOMEM;
		flags = vm_prot_flags(prot) | (vma->flags & ~VM_ACCESS);
		/* VM_MAY* stand four bits above VM_*. */
		if (flags & ~(flags >> 4) & VM_ACCESS)
			return RMAP_EACCES;
		stop = vma->rmap.end < end ? vma->rmap.end : end;
		error = protect_vma(g, vma, start, stop, flags);
		if (error)
			return error;
		start = stop;
	}
	return 0;
}

/* Where PROT_GROWSDOWN lets the range begin, and whether it may. */
static int find_start(const struct mm *mm, uint32_t prot, uint64_t *start, uint64_t end)
{
	const struct vma *vma = vma_first_in(mm, *start, end);

	if (!vma)
		return RMAP_ENOMEM;
	if (prot & MM_PROT_GROWSDOWN) {
		*start = vma->rmap.start;
		return vma->flags & VM_GROWSDOWN ? 0 : RMAP_EINVAL;
	}
	if (vma->rmap.start > *start)
		return RMAP_ENOMEM;
	/* x86-64 has no VMA that grows up. */
	return prot & MM_PROT_GROWSUP ? RMAP_EINVAL : 0;
}

int mm_mprotect(struct mm *mm, uint64_t addr, uint64_t len, uint32_t prot)
{
	const uint32_t grows = MM_PROT_GROWSDOWN | MM_PROT_GROWSUP;
	uint64_t end = addr + page_align(len);
	struct gather g;
	int error;

	if ((prot & grows) == grows || page_offset(addr))
		return RMAP_EINVAL;
	if (!len)
		return 0;
	if (end <= addr)
		return RMAP_ENOMEM;
	if (prot & ~(grows | MM_PROT_READ | MM_PROT_WRITE | MM_PROT_EXEC | PROT_SEM))
		return RMAP_EINVAL;
	mm_write_lock(mm);
	error = find_start(mm, prot, &addr, end);
	if (!error) {
		gather_begin(&g, mm, MM_FLUSH_PROTECT);
		error = protect_vmas(&g, mm, addr, end, prot);
		gather_end(&g);
	}
	mm_write_unlock(mm);
	return error;
}
