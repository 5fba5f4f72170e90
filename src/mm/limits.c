// SPDX-License-Identifier: BSD-2-Clause
/*
 * What an address space may have: its counts by kind of memory, and the limits on them.
 *
 * Kinds as Linux tells them apart: code (executable, not writable, no stack), stacks (VM_GROWSDOWN), data (private and
 * writable). The rest counts in the total alone.
 */
#include "layout.h"

void mm_set_limit(struct mm *mm, enum mm_limit limit, uint64_t bytes)
{
	if ((unsigned int)limit < MM_LIMITS)
		atomic_store_explicit(&mm->limit[limit], bytes, memory_order_relaxed);
}

uint64_t mm_get_limit(const struct mm *mm, enum mm_limit limit)
{
	if ((unsigned int)limit >= MM_LIMITS)
		return 0;
	return atomic_load_explicit(&mm->limit[limit], memory_order_relaxed);
}

void mm_set_capabilities(struct mm *mm, uint32_t capabilities)
{
	atomic_store_explicit(&mm->capabilities, capabilities, memory_order_relaxed);
}

bool mm_capable(const struct mm *mm, uint32_t capability)
{
	return atomic_load_explicit(&mm->capabilities, memory_order_relaxed) & capability;
}

static bool is_data(uint64_t flags)
{
	return (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) == VM_WRITE;
}

void mm_account(struct mm *mm, uint64_t flags, int64_t pages)
{
	uint64_t n = (uint64_t)pages; /* wraps for negative ones, and so do the sums */

	rmap_assert_write_held(&mm->mmap_lock);
	mm->total_vm += n;
	if ((flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) == VM_EXEC)
		mm->exec_vm += n;
	else if (flags & VM_GROWSDOWN)
		mm->stack_vm += n;
	else if (is_data(flags))
		mm->data_vm += n;
}

bool mm_may_expand(const struct mm *mm, uint64_t flags, uint64_t pages)
{
	if (mm->total_vm + pages > PAGES(mm_get_limit(mm, MM_LIMIT_AS)))
		return false;
	/* A limit of 0 is none here (but for brk): on Linux only the hard limit counts then, which nobody sets. */
	return !is_data(flags) || !mm_get_limit(mm, MM_LIMIT_DATA) ||
	       mm->data_vm + pages <= PAGES(mm_get_limit(mm, MM_LIMIT_DATA));
}

bool mm_can_lock(const struct mm *mm)
{
	return mm_get_limit(mm, MM_LIMIT_MEMLOCK) != 0 || mm_capable(mm, MM_CAP_IPC_LOCK);
}

bool mm_lock_fits(const struct mm *mm, uint64_t flags, uint64_t bytes)
{
	if (!(flags & VM_LOCKED) || mm_capable(mm, MM_CAP_IPC_LOCK))
		return true;
	return PAGES(bytes) + mm->locked_vm <= PAGES(mm_get_limit(mm, MM_LIMIT_MEMLOCK));
}
