// SPDX-License-Identifier: BSD-2-Clause
/*
 * mlock(2) and its family: VM_LOCKED for a range, its pages marked so that reclaim passes them by, and what is missing faulted
 * in (unless ONFAULT).
 *
 * A page counts the entries of locked VMAs that map it (PG_MLOCKED), and goes when the last of them is unlocked or gone. Each
 * entry that is counted says so (PTE_MLOCKED): between the flag and the pass over the entries, walkers, who hold no mmap_lock, bring
 * and take away entries of the VMA, and nobody could tell from the flag whether the pass had come by. Linux counts since 5.18, in
 * the page's place on the list of unevictable pages, and may count too few; a mark that is missed there is made up for by reclaim.
 */
#include "layout.h"

#include "table.h"

static pte_t count_entry(struct mm_system *sys, struct page *page)
{
	return lru_mlock(sys, page) ? PTE_MLOCKED : 0;
}

static void lock_page_entry(struct mm_system *sys, pte_t *pte, struct page *page)
{
	if (!(pte_read(pte) & PTE_MLOCKED))
		pte_set_bits(pte, count_entry(sys, page));
}

pte_t vm_mlock_bit(struct mm_system *sys, uint64_t flags, struct page *page)
{
	return flags & VM_LOCKED ? count_entry(sys, page) : 0;
}

pte_t vma_mlock_bit(const struct vma *vma, struct page *page)
{
	return vm_mlock_bit(vma_mm(vma)->sys, vma_flags(vma), page);
}

bool hit_mlock_perhaps(const struct rmap_hit *hit, struct page *page)
{
	bool locked = hit_vm_flags(hit) & VM_LOCKED;

	if (locked)
		lock_page_entry(mm_of_rmap(hit->mm)->sys, hit->pte, page);
	return locked;
}

static void lock_entry(const struct vma *vma, pte_t *pte, struct page *page)
{
	if (vma->flags & VM_LOCKED)
		lock_page_entry(vma_mm(vma)->sys, pte, page);
	else if (pte_clear_bits(pte, PTE_MLOCKED) & PTE_MLOCKED)
		lru_munlock(vma_mm(vma)->sys, page);
}

/* Linux forgets that these entries lock their pages: so the pages stay, as long as anybody has them. */
static void strand_entry(const struct vma *vma, pte_t *pte, struct page *page)
{
	(void)page;
	if (pte_clear_bits(pte, PTE_MLOCKED) & PTE_MLOCKED)
		atomic_store_explicit(&vma_mm(vma)->sys->mlock_stranded, true,
				      memory_order_relaxed);
}

static void for_each_page(const struct vma *vma, uint64_t start, uint64_t end,
			  void (*visit)(const struct vma *vma, pte_t *pte, struct page *page))
{
	struct mm *mm = vma_mm(vma);
	struct mm_system *sys = mm->sys;

	while ((start = table_next(mm, start, end)) < end) {
		uint64_t stop = table_end(start, end);
		pte_t *pte = table_find(mm, start);
		struct rmap_spinlock *ptl = table_ptl(sys, pte);

		rmap_spin_lock(ptl);
		for (; start < stop; start += RMAP_PAGE_SIZE, pte++) {
			pte_t v = pte_read(pte);

			if ((v & (PTE_PRESENT | PTE_SPECIAL)) == PTE_PRESENT)
				visit(vma, pte, pfn_to_page(sys, pte_pfn(v)));
		}
		rmap_spin_unlock(ptl);
	}
}

void vma_strand_locks(const struct vma *vma)
{
	for_each_page(vma, vma->rmap.start, vma->rmap.end, strand_entry);
}

/* Give [start, end) of vma the lock flags in flags. */
static int lock_vma_range(struct vma *vma, uint64_t start, uint64_t end, uint64_t lock)
{
	struct mm *mm = vma_mm(vma);
	uint64_t old = vma->flags, pages = PAGES(end - start);
	uint64_t flags = (old & ~VM_LOCKED_MASK) | lock;
	struct vma *now;
	int error;

	if (flags == old)
		return 0;
	error = vma_modify(vma, start, end, flags, &now);
	if (error)
		return error;
	if ((flags & VM_LOCKED) == (old & VM_LOCKED))
		return 0;
	if (flags & VM_LOCKED)
		mm->locked_vm += pages;
	else
		mm->locked_vm -= pages;
	for_each_page(now, start, end, lock_entry);
	return 0;
}

/* The same for a range without holes; RMAP_ENOMEM where one is met, and what comes before it stays done. */
static int lock_range(struct mm *mm, uint64_t start, uint64_t end, uint64_t lock)
{
	if (end < start)
		return RMAP_EINVAL;
	while (start < end) {
		struct vma *vma = vma_at(mm, start);
		uint64_t stop;
		int error;

		if (!vma)
			return RMAP_ENOMEM;
		stop = vma->rmap.end < end ? vma->rmap.end : end;
		error = lock_vma_range(vma, start, stop, lock);
		if (error)
			return error;
		start = stop;
	}
	return 0;
}

/* Pages of the range that are locked already: they do not count against the limit again. */
static uint64_t locked_in(const struct mm *mm, uint64_t start, uint64_t end)
{
	const struct vma *vma;
	uint64_t pages = 0;

	vma_for_each_range(vma, mm, start, end) {
		uint64_t from = vma->rmap.start > start ? vma->rmap.start : start;
		uint64_t to = vma->rmap.end < end ? vma->rmap.end : end;

		if (vma->flags & VM_LOCKED)
			pages += PAGES(to - from);
	}
	return pages;
}

static bool may_lock(const struct mm *mm, uint64_t start, uint64_t len)
{
	uint64_t limit = PAGES(mm_get_limit(mm, MM_LIMIT_MEMLOCK));
	uint64_t pages = PAGES(len) + mm->locked_vm;

	if (pages <= limit || mm_capable(mm, MM_CAP_IPC_LOCK))
		return true;
	/* A range that wraps is refused, but only after this. */
	return pages - locked_in(mm, start, start + len < start ? UINT64_MAX : start + len) <=
	       limit;
}

/* What a fault says, in the words of POSIX's mlock. */
static int lock_error(int error)
{
	switch (error) {
	case RMAP_EFAULT:
	case RMAP_EACCES:
	case RMAP_EIO:
	case RMAP_EHWPOISON:
		return RMAP_ENOMEM;
	case RMAP_ENOMEM:
		return RMAP_EAGAIN;
	default:
		return error;
	}
}

int mm_mlock(struct mm *mm, uint64_t addr, uint64_t len, uint32_t flags)
{
	uint64_t lock = VM_LOCKED | (flags & MM_MLOCK_ONFAULT ? VM_LOCKONFAULT : 0);
	int error = RMAP_ENOMEM;

	if (flags & ~(uint32_t)MM_MLOCK_ONFAULT)
		return RMAP_EINVAL;
	if (!mm_can_lock(mm))
		return RMAP_EPERM;
	len = page_align(len + page_offset(addr));
	addr &= RMAP_PAGE_MASK;
	mm_write_lock(mm);
	if (may_lock(mm, addr, len))
		error = lock_range(mm, addr, addr + len, lock);
	mm_write_unlock(mm);
	return error ? error : lock_error(mm_populate(mm, addr, addr + len, false));
}

int mm_munlock(struct mm *mm, uint64_t addr, uint64_t len)
{
	int error;

	len = page_align(len + page_offset(addr));
	addr &= RMAP_PAGE_MASK;
	mm_write_lock(mm);
	error = lock_range(mm, addr, addr + len, 0);
	mm_write_unlock(mm);
	return error;
}

/* Every VMA there is; one that cannot be split off is passed by, as on Linux. */
static void lock_all(struct mm *mm, uint64_t lock)
{
	for (uint64_t at = 0; at < MM_TASK_SIZE;) {
		struct vma *vma = vma_find(mm, at);

		if (!vma)
			return;
		at = vma->rmap.end;
		(void)lock_vma_range(vma, vma->rmap.start, vma->rmap.end, lock);
	}
}

int mm_mlockall(struct mm *mm, uint32_t flags)
{
	const uint32_t known = MM_MCL_CURRENT | MM_MCL_FUTURE | MM_MCL_ONFAULT;
	uint64_t lock = VM_LOCKED | (flags & MM_MCL_ONFAULT ? VM_LOCKONFAULT : 0);
	bool fits;

	if (!flags || (flags & ~known) || flags == MM_MCL_ONFAULT)
		return RMAP_EINVAL;
	if (!mm_can_lock(mm))
		return RMAP_EPERM;
	mm_write_lock(mm);
	fits = !(flags & MM_MCL_CURRENT) || mm_capable(mm, MM_CAP_IPC_LOCK) ||
	       mm->total_vm <= PAGES(mm_get_limit(mm, MM_LIMIT_MEMLOCK));
	if (fits) {
		mm->def_flags &= ~VM_LOCKED_MASK;
		if (flags & MM_MCL_FUTURE)
			mm->def_flags |= lock;
		if (flags & MM_MCL_CURRENT)
			lock_all(mm, lock);
	}
	mm_write_unlock(mm);
	if (!fits)
		return RMAP_ENOMEM;
	if (flags & MM_MCL_CURRENT)
		(void)mm_populate(mm, 0, MM_TASK_SIZE, true);
	return 0;
}

int mm_munlockall(struct mm *mm)
{
	mm_write_lock(mm);
	mm->def_flags &= ~VM_LOCKED_MASK;
	lock_all(mm, 0);
	mm_write_unlock(mm);
	return 0;
}
