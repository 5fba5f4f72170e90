// SPDX-License-Identifier: BSD-2-Clause
/*
 * madvise(2): what the caller knows about its memory, VMA by VMA. Advice about treatment (NORMAL … KEEPONFORK) becomes flags, so
 * VMAs split and merge; advice about contents (DONTNEED … POPULATE_*) works on pages and is in madvise_pages.c.
 *
 * Holes are passed by and reported with RMAP_ENOMEM at the end; any other error stops at once.
 */
#include "layout.h"

#include "file.h"
#include "table.h"

static bool advice_known(int advice)
{
	switch (advice) {
	case MM_MADV_NORMAL:
	case MM_MADV_RANDOM:
	case MM_MADV_SEQUENTIAL:
	case MM_MADV_WILLNEED:
	case MM_MADV_DONTNEED:
	case MM_MADV_FREE:
	case MM_MADV_REMOVE:
	case MM_MADV_DONTFORK:
	case MM_MADV_DOFORK:
	case MM_MADV_HUGEPAGE:
	case MM_MADV_NOHUGEPAGE:
	case MM_MADV_DONTDUMP:
	case MM_MADV_DODUMP:
	case MM_MADV_WIPEONFORK:
	case MM_MADV_KEEPONFORK:
	case MM_MADV_COLD:
	case MM_MADV_PAGEOUT:
	case MM_MADV_POPULATE_READ:
	case MM_MADV_POPULATE_WRITE:
	case MM_MADV_DONTNEED_LOCKED:
		return true;
	default:
		return false;
	}
}

/* Advice that changes no VMA's flags needs mmap_lock only for reading. */
static bool advice_is_flags(int advice)
{
	switch (advice) {
	case MM_MADV_NORMAL:
	case MM_MADV_RANDOM:
	case MM_MADV_SEQUENTIAL:
	case MM_MADV_DONTFORK:
	case MM_MADV_DOFORK:
	case MM_MADV_HUGEPAGE:
	case MM_MADV_NOHUGEPAGE:
	case MM_MADV_DONTDUMP:
	case MM_MADV_DODUMP:
	case MM_MADV_WIPEONFORK:
	case MM_MADV_KEEPONFORK:
		return true;
	default:
		return false;
	}
}

/* ---------------------------------------------------------------- flags */

static int new_flags(const struct vma *vma, int advice, uint64_t *out)
{
	uint64_t flags = vma->flags;

	switch (advice) {
	case MM_MADV_NORMAL:
		flags &= ~(VM_RAND_READ | VM_SEQ_READ);
		break;
	case MM_MADV_SEQUENTIAL:
		flags = (flags & ~VM_RAND_READ) | VM_SEQ_READ;
		break;
	case MM_MADV_RANDOM:
		flags = (flags & ~VM_SEQ_READ) | VM_RAND_READ;
		break;
	case MM_MADV_DONTFORK:
		flags |= VM_DONTCOPY;
		break;
	case MM_MADV_DOFORK:
		flags &= ~VM_DONTCOPY;
		break;
	case MM_MADV_WIPEONFORK:
		if (!vma_is_anonymous(vma)) /* what is shared is of some file */
			return RMAP_EINVAL;
		flags |= VM_WIPEONFORK;
		break;
	case MM_MADV_KEEPONFORK:
		flags &= ~VM_WIPEONFORK;
		break;
	case MM_MADV_HUGEPAGE:
		flags = (flags & ~VM_NOHUGEPAGE) | VM_HUGEPAGE;
		break;
	case MM_MADV_NOHUGEPAGE:
		flags = (flags & ~VM_HUGEPAGE) | VM_NOHUGEPAGE;
		break;
	case MM_MADV_DONTDUMP:
		flags |= VM_DONTDUMP;
		break;
	case MM_MADV_DODUMP:
		flags &= ~VM_DONTDUMP;
		break;
	}
	*out = flags;
	return 0;
}

static int advise_flags(struct vma *vma, uint64_t start, uint64_t end, int advice)
{
	uint64_t flags;
	int error = new_flags(vma, advice, &flags);

	if (error || flags == vma->flags)
		return error;
	error = vma_modify(vma, start, end, flags, &vma);
	/* "Temporarily out of some resource", in madvise's words. */
	return error == RMAP_ENOMEM ? RMAP_EAGAIN : error;
}

/* ---------------------------------------------------------------- contents */

static int advise_remove(struct vma *vma, uint64_t start, uint64_t end)
{
	const uint64_t writable = VM_SHARED | VM_MAYWRITE;
	struct mm *mm = vma_mm(vma);
	struct mm_file *file = vma_file(vma);
	uint64_t first, last;
	int error;

	if ((vma->flags & VM_LOCKED) || !file)
		return RMAP_EINVAL;
	if ((vma->flags & writable) != writable)
		return RMAP_EACCES;
	first = rmap_vma_index(&vma->rmap, start);
	last = rmap_vma_index(&vma->rmap, end - 1);
	/* The file's own locks come before ours: without mmap_lock. The caller looks the next VMA up again. */
	mm_file_get(file);
	mm_read_unlock(mm);
	error = file_zero_range(file, first, last);
	mm_file_put(file);
	mm_read_lock(mm);
	return error;
}

/* *stop: so far it is to go; how far it has come. */
static int advise_pages(struct vma *vma, uint64_t start, uint64_t *stop, int advice)
{
	uint64_t end = *stop;
	bool locked = vma->flags & VM_LOCKED;

	switch (advice) {
	case MM_MADV_REMOVE:
		return advise_remove(vma, start, end);
	case MM_MADV_WILLNEED:
		*stop = madvise_willneed(vma, start, end);
		return 0;
	case MM_MADV_DONTNEED:
		if (locked)
			return RMAP_EINVAL;
		/* fall through */
	case MM_MADV_DONTNEED_LOCKED:
		madvise_dontneed(vma, start, end);
		return 0;
	case MM_MADV_FREE:
		if (locked || !vma_is_anonymous(vma))
			return RMAP_EINVAL;
		madvise_free(vma, start, end);
		return 0;
	case MM_MADV_COLD:
		if (locked)
			return RMAP_EINVAL;
		madvise_cold(vma, start, end);
		return 0;
	case MM_MADV_PAGEOUT:
		if (locked)
			return RMAP_EINVAL;
		madvise_pageout(vma, start, end);
		return 0;
	default:
		return advise_flags(vma, start, end, advice);
	}
}

static int advise_vmas(struct mm *mm, uint64_t start, uint64_t end, int advice)
{
	int hole = 0;

	while (start < end) {
		struct vma *vma = vma_find(mm, start);
		uint64_t stop;
		int error;

		if (!vma || vma->rmap.start >= end)
			return RMAP_ENOMEM;
		if (start < vma->rmap.start) {
			hole = RMAP_ENOMEM;
			start = vma->rmap.start;
		}
		stop = vma->rmap.end < end ? vma->rmap.end : end;
		error = advise_pages(vma, start, &stop, advice);
		if (error)
			return error;
		start = stop;
	}
	return hole;
}

/* ---------------------------------------------------------------- prefaulting */

/* In madvise's words. */
static int populate_error(int error)
{
	switch (error) {
	case 0:
	case FAULT_NEEDS_PAGE:
	case RMAP_EHWPOISON:
	case RMAP_ENOMEM:
		return error;
	default:
		return RMAP_EFAULT;
	}
}

static int advise_populate_page(struct mm *mm, uint64_t addr, bool write, struct fault_wait *wait)
{
	struct vma *vma;
	int error;

	mm_read_lock(mm);
	vma = vma_at(mm, addr);
	if (!vma)
		error = RMAP_ENOMEM;
	else if (!(vma->flags & (write ? VM_WRITE : VM_READ)))
		error = RMAP_EINVAL;
	else
		error = populate_error(page_populate(vma, addr, write, wait));
	mm_read_unlock(mm);
	return error;
}

static int advise_populate(struct mm *mm, uint64_t start, uint64_t end, bool write)
{
	struct fault_wait wait = { .what = WAIT_NOT_YET };
	int error = 0;

	for (; start < end && !error; start += RMAP_PAGE_SIZE) {
		error = advise_populate_page(mm, start, write, &wait);
		if (error == FAULT_NEEDS_PAGE) {
			fault_wait(mm->sys, &wait);
			error = advise_populate_page(mm, start, write, &wait);
		}
	}
	/* What was waited for may not be mapped any more. */
	fault_wait_end(mm->sys, &wait);
	return error;
}

int mm_madvise(struct mm *mm, uint64_t addr, uint64_t len, int advice)
{
	uint64_t end = addr + page_align(len);
	int error;

	if (!advice_known(advice) || page_offset(addr) || (len && !page_align(len)) || end < addr)
		return RMAP_EINVAL;
	if (end == addr)
		return 0;
	if (advice == MM_MADV_POPULATE_READ || advice == MM_MADV_POPULATE_WRITE)
		return advise_populate(mm, addr, end, advice == MM_MADV_POPULATE_WRITE);
	if (advice_is_flags(advice)) {
		mm_write_lock(mm);
		error = advise_vmas(mm, addr, end, advice);
		mm_write_unlock(mm);
	} else {
		mm_read_lock(mm);
		error = advise_vmas(mm, addr, end, advice);
		mm_read_unlock(mm);
	}
	return error;
}
