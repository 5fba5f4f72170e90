// SPDX-License-Identifier: BSD-2-Clause
/*
 * Faults on memory that maps a file, shared memory included.
 *
 *   nothing mapped, read        the file's page, read-only (shared memory: with the VMA's rights, since nobody tracks its dirt);
 *                               besides, what is cached around it (fault_around bytes) is mapped at once
 *   nothing mapped, write       shared: the file's page, dirty from now on; private: a copy of it
 *   read-only, shared write     the page becomes dirty, then writable (fault_file_mkwrite)
 *
 * The file's page is mapped under its lock and only while it stands in the file: truncation, which takes that lock per page,
 * so meets every entry that was made, or its maker finds the file too short. A private copy is put in place under the same
 * lock for the same reason.
 *
 * A page that is not in memory yet is waited for without the VMA's lock, and so is a locked one (fault_wait.c).
 *
 * Around a fault only what costs no waiting is mapped: up to date and not locked by anybody.
 */
#include "file.h"
#include "table.h"
#include "vma.h"

/* ---------------------------------------------------------------- mapping one page */

/* Shared memory has no store that could be behind: no fault needs to tell that it is written to. */
static bool writable_at_once(const struct fault *f)
{
	return (f->vma->flags & VM_SHARED) && (f->write || mm_file_is_shmem(vma_file(f->vma)));
}

/*
 * Map a locked page of the file at an empty slot; PTL held. The mapping takes a reference of its own if it is the first.
 */
static void map_page(struct fault *f, struct page *page, uint64_t addr, pte_t *pte, pte_t bits,
		     struct rmap_reserve *reserve)
{
	struct mm_system *sys = f->mm->sys;
	struct rmap_page *rpage = &page->rmap;

	if (rmap_page_map(&sys->rmap, &rpage, 1, &f->vma->rmap, addr, pte, 0, reserve))
		page_get(page);
	mm_rss_add(f->mm, page_rss_kind(page), 1);
	bits |= vma_mlock_bit(f->vma, page);
	pte_write(pte, pte_make(page_to_pfn(sys, page), bits));
}

/* Map the page that was faulted for, if its slot is still empty. Page locked. */
static int map_faulted(struct fault *f, struct page *page)
{
	struct mm_system *sys = f->mm->sys;
	struct rmap_reserve reserve = { 0 };
	pte_t bits = vma_pte_bits(f->vma, writable_at_once(f)) | PTE_ACCESSED;
	bool lost;
	int error = rmap_reserve(&sys->rmap, &reserve, 1);

	if (error)
		return error;
	if (f->write) {
		bits |= PTE_DIRTY;
		file_set_dirty(page, sys); /* before anybody can write */
	}
	rmap_spin_lock(f->ptl);
	lost = pte_read(f->pte) != f->old;
	if (!lost)
		map_page(f, page, f->addr, f->pte, bits, &reserve);
	rmap_spin_unlock(f->ptl);
	rmap_unreserve(&sys->rmap, &reserve);
	if (lost)
		COUNT(sys, fault_spurious, 1);
	else
		COUNT(sys, fault_file_map, 1);
	return 0;
}

/* ---------------------------------------------------------------- around a read fault */

/* The addresses to look at: an aligned window around the fault, within the VMA and the fault's table. */
static void window(const struct fault *f, uint64_t *start, uint64_t *end)
{
	uint64_t size = f->mm->sys->config.fault_around, table;

	*start = f->addr & ~(size - 1);
	*end = *start + size;
	table = f->addr & ~(((uint64_t)1 << PT_LEVEL_SHIFT(2)) - 1);
	if (*start < table)
		*start = table;
	if (*start < f->vma->rmap.start)
		*start = f->vma->rmap.start;
	*end = table_end(f->addr, *end);
	if (*end > f->vma->rmap.end)
		*end = f->vma->rmap.end;
}

/* The cached page for addr, locked and with a reference, if that takes no waiting; else NULL. */
static struct page *try_page(struct fault *f, uint64_t addr)
{
	struct mm_system *sys = f->mm->sys;
	struct mm_file *file = vma_file(f->vma);
	uint64_t index = rmap_vma_index(&f->vma->rmap, addr);
	struct page *page = index < file_pages(file) ? file_find_page(file, index) : NULL;

	if (!page)
		return NULL;
	if (page_trylock(page)) {
		if (page_test(page, PG_UPTODATE) && !page_test(page, PG_POISON) &&
		    index < file_pages(file) && file_holds_page(file, index, page))
			return page;
		page_unlock(sys, page);
	}
	page_put(sys, page);
	return NULL;
}

/* => it was mapped, and by us */
static bool map_around_one(struct fault *f, uint64_t addr, pte_t *pte)
{
	struct mm_system *sys = f->mm->sys;
	struct rmap_reserve reserve = { 0 };
	pte_t bits = vma_pte_bits(f->vma, writable_at_once(f)) | PTE_ACCESSED;
	struct page *page = try_page(f, addr);
	bool mapped = false;

	if (!page)
		return false;
	if (!rmap_reserve(&sys->rmap, &reserve, 1)) {
		rmap_spin_lock(f->ptl);
		mapped = !pte_read(pte);
		if (mapped)
			map_page(f, page, addr, pte, bits, &reserve);
		rmap_spin_unlock(f->ptl);
		rmap_unreserve(&sys->rmap, &reserve);
	}
	page_unlock(sys, page);
	page_put(sys, page);
	return mapped;
}

/* Map what is cached around the fault. True: the page faulted for was among it. */
static bool map_around(struct fault *f)
{
	uint64_t start, end;
	bool ours = false;

	if (f->mm->sys->config.fault_around <= RMAP_PAGE_SIZE)
		return false;
	window(f, &start, &end);
	for (uint64_t addr = start; addr < end; addr += RMAP_PAGE_SIZE) {
		/* All in one table. */
		pte_t *pte =
			f->pte + ((ptrdiff_t)pt_index(addr, 1) - (ptrdiff_t)pt_index(f->addr, 1));

		if (!pte_read(pte) && map_around_one(f, addr, pte) && addr == f->addr)
			ours = true;
	}
	if (pte_read(f->pte) == f->old)
		return false;
	if (ours)
		COUNT(f->mm->sys, fault_file_map, 1);
	else /* another thread's fault was first */
		COUNT(f->mm->sys, fault_spurious, 1);
	return true;
}

/* ---------------------------------------------------------------- the cases */

/*
 * The file's page that the fault is for, as file_get_page(); FAULT_NEEDS_PAGE. What came of it when it was waited for is the same
 * page's still, if the fault is for that.
 */
static int faulted_page(struct fault *f, struct page **page)
{
	struct mm_file *file = vma_file(f->vma);
	uint64_t index = rmap_vma_index(&f->vma->rmap, f->addr);
	const struct fault_wait *wait = &f->wait;
	int error;

	if (fault_may_wait(f)) {
		error = file_get_page_nowait(file, index, page);
		if (error != FILE_GET_WAITS)
			return error;
		fault_wait_file(f, file, index);
		return FAULT_NEEDS_PAGE;
	}
	if (wait->what == WAIT_FILE && wait->error && wait->file_id == file->id &&
	    wait->at == index)
		return wait->error;
	return file_get_page(file, index, page);
}

/* A write to private memory: the copy is installed while the file's page is locked. */
static int fault_private_copy(struct fault *f)
{
	struct mm_system *sys = f->mm->sys;
	struct page *page, *copy;
	bool installed;
	int error = fault_prepare_anon(f);

	if (error)
		return error;
	copy = page_alloc(sys, 0);
	if (!copy)
		return RMAP_ENOMEM;
	error = faulted_page(f, &page);
	if (error) {
		page_put(sys, copy);
		return error;
	}
	page_copy(sys, copy, page);
	installed = fault_install_anon(f, copy);
	page_unlock(sys, page);
	page_put(sys, page);
	if (installed)
		COUNT(sys, fault_file_cow, 1);
	else
		COUNT(sys, fault_spurious, 1);
	return 0;
}

static int fault_map(struct fault *f)
{
	struct mm_system *sys = f->mm->sys;
	struct page *page;
	int error;

	if (!f->write && map_around(f))
		return 0;
	error = faulted_page(f, &page);
	if (error)
		return error;
	error = map_faulted(f, page);
	page_unlock(sys, page);
	page_put(sys, page);
	return error;
}

int fault_file(struct fault *f)
{
	bool copy = (f->write || f->unshare) && !(f->vma->flags & VM_SHARED);
	int error = copy ? fault_private_copy(f) : fault_map(f);

	return error == RMAP_ENXIO ? RMAP_EIO : error; /* behind the end: SIGBUS */
}

int fault_file_mkwrite(struct fault *f, struct page *page)
{
	struct mm_system *sys = f->mm->sys;
	struct mm_file *file = vma_file(f->vma);
	bool lost = true;

	rmap_assert_spin_held(f->ptl);
	page_get(page);
	rmap_spin_unlock(f->ptl);
	/* waits for write-back, so that what is written now is not lost to it */
	if (!fault_lock_page(f, page))
		return FAULT_NEEDS_PAGE;
	if (file_holds_page(file, page->rmap.index, page)) {
		file_set_dirty(page, sys);
		rmap_spin_lock(f->ptl);
		lost = pte_read(f->pte) != f->old;
		if (!lost)
			pte_write(f->pte, pte_make(pte_pfn(f->old),
						   vma_pte_bits(f->vma, true) | PTE_ACCESSED |
							   PTE_DIRTY | (f->old & PTE_MLOCKED)));
		rmap_spin_unlock(f->ptl);
	}
	page_unlock(sys, page);
	page_put(sys, page);
	if (lost)
		COUNT(sys, fault_spurious, 1);
	else
		COUNT(sys, fault_mkwrite, 1);
	return 0;
}
