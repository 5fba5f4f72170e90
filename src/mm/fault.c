// SPDX-License-Identifier: BSD-2-Clause
/*
 * Page faults: which case is it?
 *
 *   entry          read                                   write
 *   -------------  -------------------------------------  ------------------------------------------------
 *   empty, anon    the zero page, no page of our own      a zeroed page of our own
 *   empty, file    the file's page, mapped                shared: the file's page, dirty; private: a copy
 *   swap           the page comes back                    the page comes back, then as "read-only"
 *   migration      wait until it is a page again          the same
 *   poisoned       RMAP_EHWPOISON                         RMAP_EHWPOISON
 *   read-only      (somebody else was first)              shared: dirty tracking; private: ours already, or a copy
 *
 * A fault decides by the entry it has seen, prepares without locks whatever it needs, then takes the PTL and looks again: if the
 * entry is another one now, somebody else was first and the processor simply tries again.
 *
 * The lock that it holds meanwhile is its VMA's (vma_lock.h). mmap_lock for reading takes its place where the VMA is being changed,
 * where none is found (then a stack may have to grow, or it is a mistake), and for the first anonymous page of a VMA, whose
 * origin depends on the VMA's neighbours.
 *
 * None of them is held while a page comes from a device: the fault lets go of all, waits, and begins anew (fault_wait.c).
 */
#include "file.h"
#include "reclaim.h"
#include "swap.h"
#include "table.h"
#include "valid.h"
#include "vma.h"
#include "vma_lock.h"

/* A new anonymous page stands where old stood. PTL held. */
static inline void leave_old(struct fault *f, struct rmap_page *rpage)
{
	struct mm_system *sys = f->mm->sys;
	struct page *old = page_of_rmap(rpage);

	/* One anonymous page for another is no more and no less. */
	if (!rmap_page_is_anon(rpage)) {
		cpu_rss_add(f->cpu, f->mm, RSS_ANON, 1);
		cpu_rss_add(f->cpu, f->mm, page_rss_kind(old), -1);
	}
	if (f->old & PTE_MLOCKED)
		lru_munlock(sys, old);
	if (rmap_page_unmap(&sys->rmap, &rpage, 1, &f->vma->rmap, f->addr, f->pte))
		page_put(sys, old);
}

bool fault_install_anon(struct fault *f, struct page *page)
{
	struct mm_system *sys = f->mm->sys;
	struct rmap_page *rpage = &page->rmap;
	struct rmap_page *old_rpage = NULL;
	pte_t bits;

	page_set_first(page, PG_UPTODATE | PG_SWAPBACKED);
	/* Dirty also where nobody writes (yet): what it says stands nowhere else, which MADV_FREE and reclaim tell by that. */
	bits = vma_pte_bits(f->vma, !f->force && !f->unshare) | PTE_ACCESSED | PTE_DIRTY;
	rmap_spin_lock(f->ptl);
	if (pte_read(f->pte) != f->old) {
		rmap_spin_unlock(f->ptl);
		page_put(sys, page);
		return false;
	}
	if (pte_present(f->old)) {
		/* No processor may write to, or read from, the old page once the new one can be seen. */
		if (pte_maybe_cached(pte_exchange(f->pte, 0)))
			cpu_flush(f->cpu, f->mm, f->addr, f->addr + RMAP_PAGE_SIZE, MM_FLUSH_FAULT);
		if (!(f->old & PTE_SPECIAL))
			old_rpage = &pfn_to_page(sys, pte_pfn(f->old))->rmap;
	}
	/* The first mapping of a page needs nothing that was set aside. */
	rmap_page_map(&sys->rmap, &rpage, 1, &f->vma->rmap, f->addr, f->pte,
		      RMAP_MAP_NEW | RMAP_MAP_EXCLUSIVE, NULL);
	cpu_sum_add(f->cpu, SUM_ANON, 1);
	bits |= vma_mlock_bit(f->vma, page);
	pte_write(f->pte, pte_make(page_to_pfn(sys, page), bits));
	/* After the new page is in, so that at no moment both sharers of old seem to be one. */
	if (old_rpage)
		leave_old(f, old_rpage);
	else
		cpu_rss_add(f->cpu, f->mm, RSS_ANON, 1);
	lru_add_on(sys, f->cpu, page);
	rmap_spin_unlock(f->ptl);
	return true;
}

/* First read of anonymous memory: all share the zero page, and nothing of the reverse map is needed. */
static int fault_zero_page(struct fault *f)
{
	struct mm_system *sys = f->mm->sys;
	bool lost;

	rmap_spin_lock(f->ptl);
	lost = pte_read(f->pte) != f->old;
	if (!lost)
		pte_write(f->pte, pte_make(page_to_pfn(sys, sys->zero_page), 0) |
					  vma_pte_bits(f->vma, false) | PTE_SPECIAL | PTE_ACCESSED);
	rmap_spin_unlock(f->ptl);
	if (lost)
		COUNT_ON(f->cpu, fault_spurious, 1);
	else
		COUNT_ON(f->cpu, fault_zero_page, 1);
	return 0;
}

static int fault_anon(struct fault *f)
{
	struct mm_system *sys = f->mm->sys;
	struct page *page;
	int error;

	if (!f->write && !f->unshare)
		return fault_zero_page(f);
	error = fault_prepare_anon(f);
	if (error)
		return error;
	page = page_alloc_on(sys, f->cpu, PAGE_ALLOC_ZERO);
	if (!page)
		return RMAP_ENOMEM;
	if (fault_install_anon(f, page))
		COUNT_ON(f->cpu, fault_zero_fill, 1);
	else
		COUNT_ON(f->cpu, fault_spurious, 1);
	return 0;
}

/* An entry is there and allows reading. */
static int fault_present(struct fault *f)
{
	rmap_spin_lock(f->ptl);
	if (pte_read(f->pte) != f->old) {
		/* The MMU may have set a bit meanwhile: not worth telling apart, the processor tries again. */
		rmap_spin_unlock(f->ptl);
		COUNT_ON(f->cpu, fault_spurious, 1);
		return 0;
	}
	if ((f->write && !(f->old & PTE_WRITE)) || f->unshare) {
		if (f->vma->flags & VM_SHARED)
			return fault_file_mkwrite(f, pfn_to_page(f->mm->sys, pte_pfn(f->old)));
		return fault_cow(f);
	}
	rmap_spin_unlock(f->ptl);
	COUNT_ON(f->cpu, fault_spurious, 1);
	return 0;
}

int fault_prepare_anon(struct fault *f)
{
	if (vma_faulted(f->vma))
		return 0;
	return f->vma_locked ? FAULT_NEEDS_MMAP : vma_prepare_anon(f->vma);
}

/* Whatever is changed of a VMA, it is not changed now. */
static inline void assert_locked(const struct fault *f)
{
	if (f->vma_locked)
		rmap_assert_bit_held(&f->vma->lock);
	else
		rmap_assert_read_held(&f->mm->mmap_lock);
}

int fault_handle(struct fault *f)
{
	assert_locked(f);
	MM_DEBUG_ASSERT(f->mm->sys, fault_valid(f));
	f->pte = table_make(f->mm, f->addr);
	if (!f->pte)
		return RMAP_ENOMEM;
	f->ptl = table_ptl(f->mm->sys, f->pte);
	f->old = pte_read(f->pte);
	if (!f->old)
		return vma_is_anonymous(f->vma) ? fault_anon(f) : fault_file(f);
	if (pte_present(f->old))
		return fault_present(f);
	if (pte_is_swap(f->old))
		return fault_swap(f);
	if (pte_is_migration(f->old)) {
		migration_wait(f->mm->sys, f->pte, f->old);
		return 0;
	}
	return RMAP_EHWPOISON;
}

/* Does the VMA allow this access? Any right lets a page be read, as on x86. */
static bool access_allowed(const struct vma *vma, enum mm_access access)
{
	switch (access) {
	case MM_ACCESS_WRITE:
		return vma->flags & VM_WRITE;
	case MM_ACCESS_EXEC:
		return vma->flags & VM_EXEC;
	case MM_ACCESS_READ:
		break;
	}
	return vma->flags & VM_ACCESS;
}

/*
 * addr is below a VMA that grows down: grow it. That changes bounds, so mmap_lock is needed for writing; in the time without
 * any lock all may have changed, and the fault starts anew.
 */
static int grow_for(struct mm *mm, uint64_t addr)
{
	struct vma *vma;
	int error = 0;

	mm_write_lock(mm);
	vma = vma_find(mm, addr);
	if (!vma)
		error = RMAP_EFAULT;
	else if (addr < vma->rmap.start)
		error = vma->flags & VM_GROWSDOWN ? stack_grow(vma, addr) : RMAP_EFAULT;
	mm_write_unlock(mm);
	return error;
}

/*
 * Find the VMA for addr with mmap_lock held for reading on return, growing a stack if that is what it takes. On an error no lock
 * is held.
 */
static int lock_vma(struct mm *mm, uint64_t addr, struct vma **out)
{
	for (;;) {
		struct vma *vma;
		bool grows;
		int error;

		mm_read_lock(mm);
		vma = vma_find(mm, addr);
		if (vma && addr >= vma->rmap.start) {
			*out = vma;
			return 0;
		}
		grows = vma && (vma->flags & VM_GROWSDOWN);
		mm_read_unlock(mm);
		if (!grows)
			return RMAP_EFAULT;
		/* Whatever forbids growth (a limit, the guard gap, no memory): to the program nothing is mapped there. */
		error = grow_for(mm, addr);
		if (error)
			return RMAP_EFAULT;
	}
}

/* What somebody wants of a page. */
struct wish {
	enum mm_access access;
	bool unshare, force; /* fault_on_behalf() */
};

/*
 * An instruction fetch where nothing is mapped yet looks like a read on x86: the page is brought in by the right to read, and
 * only the next fault, with the page there, is refused.
 */
static bool fetch_looks_like_read(const struct fault *f, struct wish w)
{
	pte_t *pte;

	if (w.access != MM_ACCESS_EXEC || !access_allowed(f->vma, MM_ACCESS_READ))
		return false;
	pte = table_find(f->mm, f->addr);
	return !pte || !pte_present(pte_read(pte));
}

/* Some lock is held that keeps f->vma as it is. */
static inline int fault_locked(struct fault *f, struct wish w)
{
	f->unshare = w.unshare && vma_is_cow(f->vma);
	if (!access_allowed(f->vma, w.access) && !fetch_looks_like_read(f, w)) {
		/* A debugger may write to, or read from, private memory that its owner may only ever have been allowed to. */
		f->force = w.force && f->write && vma_is_cow(f->vma);
		if (!w.force || !(f->write ? f->force : (f->vma->flags & VM_MAYREAD) != 0))
			return RMAP_EACCES;
	}
	return fault_handle(f);
}

/* The VMA's lock would not do. */
static int fault_under_mmap_lock(struct fault *f, struct wish w)
{
	int error;

	f->vma_locked = false;
	f->force = false;
	COUNT_ON(f->cpu, fault_mmap_lock, 1);
	error = lock_vma(f->mm, f->addr, &f->vma);
	if (error)
		return error;
	error = fault_locked(f, w);
	mm_read_unlock(f->mm);
	return error;
}

/* Under the lock of its VMA if possible, else under mmap_lock. In line, since most wishes are plain ones. */
static inline __attribute__((always_inline)) int fault_once(struct fault *f, struct wish w)
{
	int error;

	f->vma = vma_read_lock(f->mm, f->addr);
	if (rmap_unlikely(!f->vma))
		return fault_under_mmap_lock(f, w);
	f->vma_locked = true;
	error = fault_locked(f, w);
	vma_read_unlock(f->vma);
	return rmap_unlikely(error == FAULT_NEEDS_MMAP) ? fault_under_mmap_lock(f, w) : error;
}

/* No lock is held: wait for the page, then do it all again, since anything may have changed. */
static __attribute__((noinline)) int fault_again(struct fault *f, struct wish w)
{
	int error;

	fault_wait(f->mm->sys, &f->wait);
	f->force = false;
	error = fault_once(f, w);
	fault_wait_end(f->mm->sys, &f->wait);
	return error;
}

/* What a fault is about. Field by field: an initializer would clear the rest, too, by an instruction that takes longer than all this. */
static inline void fault_begin(struct fault *f, struct mm *mm, uint64_t addr, bool write)
{
	f->mm = mm;
	f->cpu = this_cpu(mm->sys);
	f->addr = addr;
	f->write = write;
	f->unshare = false;
	f->force = false;
	f->wait.what = WAIT_NOT_YET;
}

static inline __attribute__((always_inline)) int fault_run(struct fault *f, struct wish w)
{
	int error;

	COUNT_ON(f->cpu, faults, 1);
	if (f->addr >= MM_TASK_SIZE)
		return RMAP_EFAULT;
	error = fault_once(f, w);
	return rmap_unlikely(error == FAULT_NEEDS_PAGE) ? fault_again(f, w) : error;
}

int mm_fault(struct mm *mm, uint64_t addr, enum mm_access access)
{
	const struct wish w = { .access = access };
	struct fault f;
	int error;

	fault_begin(&f, mm, addr & RMAP_PAGE_MASK, access == MM_ACCESS_WRITE);
	error = fault_run(&f, w);
	if (rmap_unlikely(error))
		COUNT_ON(f.cpu, fault_errors, 1);
	return error;
}

int fault_on_behalf(struct mm *mm, uint64_t addr, bool write, bool unshare, bool force)
{
	const struct wish w = {
		.access = write ? MM_ACCESS_WRITE : MM_ACCESS_READ,
		.unshare = unshare,
		.force = force,
	};
	struct fault f;

	fault_begin(&f, mm, addr, write);
	return fault_run(&f, w);
}
