// SPDX-License-Identifier: BSD-2-Clause
/*
 * madvise's work on pages: dropping them, marking them as droppable, making them old, pushing them out, bringing them in.
 *
 * Lazily freed pages (MADV_FREE) stay mapped, clean and no longer backed by swap. Reclaim drops them without writing if they
 * are still clean then; a write before that makes the entry dirty again, and the page is kept.
 *
 * All want mmap_lock for reading. Who reads ahead, or makes holes in files, lets go of it meanwhile.
 */
#include "layout.h"

#include "file.h"
#include "reclaim.h"
#include "swap.h"
#include "table.h"

/* So many pages go off their lists under one lock. */
#define ADVICE_PAGES 32

/* What the entries of one table have come to. */
struct advice {
	struct gather g;
	struct page *chosen[ADVICE_PAGES]; /* to go out, a reference of each */
	unsigned int nr;
	struct list_head isolated; /* off their lists, too */
};

/* Called for each entry that is not empty, PTL held. */
typedef void entry_fn(struct advice *a, pte_t *pte, uint64_t addr);

/* Whoever is on no list is in somebody else's hands. */
static void advice_isolate(struct advice *a)
{
	struct mm_system *sys = a->g.mm->sys;
	unsigned int left = lru_take(sys, a->chosen, a->nr, &a->isolated);

	for (unsigned int i = 0; i < left; i++)
		page_put(sys, a->chosen[i]);
	a->nr = 0;
}

/*
 * Call fn for the entries of [start, end), table by table; then flush before the PTL is released, since an entry that lost its
 * dirty bit must not be written to through an old translation. Pages that fn has chosen go to reclaim after each table.
 */
static void for_each_entry(struct vma *vma, uint64_t start, uint64_t end, entry_fn *fn)
{
	struct mm *mm = vma_mm(vma);
	struct mm_system *sys = mm->sys;
	struct advice a;

	a.nr = 0;
	list_init(&a.isolated);
	gather_begin(&a.g, mm, MM_FLUSH_ADVISE);
	while ((start = table_next(mm, start, end)) < end) {
		uint64_t stop = table_end(start, end);
		pte_t *pte = table_find(mm, start);
		struct rmap_spinlock *ptl = table_ptl(sys, pte);

		rmap_spin_lock(ptl);
		for (; start < stop; start += RMAP_PAGE_SIZE, pte++)
			if (pte_read(pte))
				fn(&a, pte, start);
		gather_flush(&a.g);
		rmap_spin_unlock(ptl);
		if (a.nr)
			advice_isolate(&a);
		if (!list_empty(&a.isolated))
			(void)reclaim_pages(sys, &a.isolated, true);
	}
	gather_end(&a.g);
}

/* The page of a present entry, NULL for the zero page and for entries of other kinds. */
static struct page *entry_page(const struct mm_system *sys, pte_t v)
{
	return (v & (PTE_PRESENT | PTE_SPECIAL)) == PTE_PRESENT ? pfn_to_page(sys, pte_pfn(v))
								: NULL;
}

void madvise_dontneed(struct vma *vma, uint64_t start, uint64_t end)
{
	struct gather g;

	gather_begin(&g, vma_mm(vma), MM_FLUSH_UNMAP);
	zap_range(&g, vma, start, end, ZAP_ALL);
	gather_end(&g);
}

/* ---------------------------------------------------------------- FREE */

/* Swapped out (or bad) already: nothing to keep it for. */
static void free_absent(struct mm *mm, pte_t *pte, pte_t v)
{
	if (pte_is_migration(v))
		return;
	pte_write(pte, 0);
	if (!pte_is_swap(v))
		return;
	mm_rss_add(mm, RSS_SWAP, -1);
	swap_free(mm->sys, pte_pfn(v));
}

/* May a page with a copy on disk, or one that may have, be forgotten? Then it has none afterwards. */
static bool forget_copy(struct mm_system *sys, struct page *page)
{
	bool ok;

	if (!page_test(page, PG_SWAPCACHE | PG_DIRTY))
		return true;
	if (!page_trylock(page))
		return false;
	/* Others who map it still need what it says. */
	ok = rmap_page_mapcount(&page->rmap) == 1 &&
	     (!page_test(page, PG_SWAPCACHE) || swap_try_free(sys, page));
	if (ok)
		page_clear(page, PG_DIRTY);
	page_unlock(sys, page);
	return ok;
}

/* From now on reclaim may drop it, before any page that has a copy to be written. */
static void mark_lazyfree(struct mm_system *sys, struct page *page)
{
	if (!page_test(page, PG_LRU) ||
	    page_test(page, PG_SWAPCACHE | PG_MLOCKED | PG_UNEVICTABLE) ||
	    !page_clear(page, PG_SWAPBACKED))
		return;
	page_clear(page, PG_ACTIVE);
	page_clear(page, PG_REFERENCED);
	lru_move(sys, page);
}

static void free_entry(struct advice *a, pte_t *pte, uint64_t addr)
{
	struct mm *mm = a->g.mm;
	pte_t v = pte_read(pte);
	struct page *page;

	if (!pte_present(v)) {
		free_absent(mm, pte, v);
		return;
	}
	/* It is anonymous: the VMA has nothing else. */
	page = entry_page(mm->sys, v);
	if (!page || !forget_copy(mm->sys, page))
		return;
	if (v & (PTE_ACCESSED | PTE_DIRTY)) {
		pte_clear_bits(pte, PTE_ACCESSED | PTE_DIRTY);
		gather_address(&a->g, addr);
	}
	mark_lazyfree(mm->sys, page);
}

void madvise_free(struct vma *vma, uint64_t start, uint64_t end)
{
	for_each_entry(vma, start, end, free_entry);
}

/* ---------------------------------------------------------------- COLD, PAGEOUT */

/* Pages that others map too are none of this caller's business. */
static struct page *private_lru_page(const struct mm_system *sys, pte_t v)
{
	struct page *page = entry_page(sys, v);

	if (!page || !page_test(page, PG_LRU) || page_test(page, PG_UNEVICTABLE) ||
	    rmap_page_mapcount(&page->rmap) != 1)
		return NULL;
	return page;
}

static void cold_entry(struct advice *a, pte_t *pte, uint64_t addr)
{
	struct mm_system *sys = a->g.mm->sys;
	struct page *page = private_lru_page(sys, pte_read(pte));

	if (!page)
		return;
	if (pte_clear_bits(pte, PTE_ACCESSED) & PTE_ACCESSED)
		gather_address(&a->g, addr);
	page_clear(page, PG_REFERENCED);
	page_clear(page, PG_ACTIVE);
	lru_move(sys, page);
}

void madvise_cold(struct vma *vma, uint64_t start, uint64_t end)
{
	for_each_entry(vma, start, end, cold_entry);
}

static void pageout_entry(struct advice *a, pte_t *pte, uint64_t addr)
{
	struct page *page = private_lru_page(a->g.mm->sys, pte_read(pte));

	(void)addr;
	if (!page)
		return;
	page_clear(page, PG_REFERENCED);
	page_get(page);
	a->chosen[a->nr++] = page;
	if (a->nr == ADVICE_PAGES)
		advice_isolate(a);
}

void madvise_pageout(struct vma *vma, uint64_t start, uint64_t end)
{
	for_each_entry(vma, start, end, pageout_entry);
}

/* ---------------------------------------------------------------- WILLNEED, REMOVE */

/*
 * The slot of the first page in [*start, end) that is out and not on its way back, SWAP_NONE if there is none; *start is where its
 * entry stands.
 */
static uint64_t next_out(struct vma *vma, uint64_t *start, uint64_t end)
{
	struct mm *mm = vma_mm(vma);

	while ((*start = table_next(mm, *start, end)) < end) {
		uint64_t stop = table_end(*start, end);
		pte_t *pte = table_find(mm, *start);

		for (; *start < stop; *start += RMAP_PAGE_SIZE, pte++) {
			pte_t v = pte_read(pte);

			if (pte_is_swap(v) && !swap_is_cached(mm->sys, pte_pfn(v)))
				return pte_pfn(v);
		}
	}
	return SWAP_NONE;
}

/* Into the swap cache. Whatever the slot holds by now: nobody minds, who has it finds its page there sooner. 0 or its error. */
static int read_slot_ahead(struct mm_system *sys, uint64_t slot)
{
	struct page *page;
	bool was_cached;
	int error = swap_read_page(sys, slot, &page, &was_cached);

	if (page) {
		page_unlock(sys, page);
		swap_put_page(sys, page);
	}
	return error;
}

/* Where the fault to come will find it. Only advice: errors are left to that fault. */
static uint64_t willneed_swap(struct vma *vma, uint64_t start, uint64_t end)
{
	struct mm *mm = vma_mm(vma);
	uint64_t slot = next_out(vma, &start, end);

	if (slot == SWAP_NONE)
		return end;
	mm_read_unlock(mm);
	(void)read_slot_ahead(mm->sys, slot);
	mm_read_lock(mm);
	return start + RMAP_PAGE_SIZE;
}

/*
 * Shared memory that was never touched stays so: only what is in swap comes back, and only into the swap cache. The file goes on
 * holding the slot until somebody needs the page.
 */
static void willneed_shmem(struct mm_file *file, uint64_t index, uint64_t last)
{
	void *entry;

	for (; (entry = file_next_entry(file, &index)) != NULL && index <= last; index++) {
		if (!file_entry_is_slot(entry))
			page_put(file->sys, entry);
		else if (read_slot_ahead(file->sys, file_entry_slot(entry)))
			return;
	}
	if (entry && !file_entry_is_slot(entry))
		page_put(file->sys, entry);
}

static void willneed_store(struct mm_file *file, uint64_t index, uint64_t last)
{
	uint64_t pages = file_pages(file);
	struct page *page;

	for (; index <= last && index < pages && !file_get_page(file, index, &page); index++) {
		page_unlock(file->sys, page);
		page_put(file->sys, page);
	}
}

/* The file is all that it needs of the mapping. */
static void willneed_file(struct vma *vma, uint64_t start, uint64_t end)
{
	struct mm *mm = vma_mm(vma);
	struct mm_file *file = vma_file(vma);
	uint64_t first = rmap_vma_index(&vma->rmap, start);
	uint64_t last = rmap_vma_index(&vma->rmap, end - 1);

	mm_file_get(file);
	mm_read_unlock(mm);
	if (mm_file_is_shmem(file))
		willneed_shmem(file, first, last);
	else
		willneed_store(file, first, last);
	mm_file_put(file);
	mm_read_lock(mm);
}

/*
 * The device is waited for without mmap_lock, so that it keeps nobody from changing the address space; what is advised next is then
 * looked up anew. Of a private mapping of a file only the file is read ahead, as on Linux.
 */
uint64_t madvise_willneed(struct vma *vma, uint64_t start, uint64_t end)
{
	if (!vma->rmap.file)
		return willneed_swap(vma, start, end);
	willneed_file(vma, start, end);
	return end;
}

/*
 * A page of the cache that may be filled with zeros, locked, with a reference. Who holds the one that is there by a pin goes on
 * seeing what it held: it is written back and leaves, and another is read.
 */
static int page_to_zero(struct mm_file *file, uint64_t index, struct page **page)
{
	int error = file_get_page_held(file, index, 0, page);
	uint32_t refs;

	if (error)
		return error;
	/*
	 * The cache's and ours, and one of all mappings together. Nobody maps it while we have its lock, but they may pin and unmap it: were
	 * the mappings counted first, a pin could pass for their reference, which has gone.
	 */
	refs = page_refs(*page);
	if (refs <= 2u + !rmap_page_is_unmapped(&(*page)->rmap))
		return 0;
	page_unlock(file->sys, *page);
	page_put(file->sys, *page);
	error = file_write_range(file, index, index);
	if (error)
		return error;
	file_punch(file, index, index);
	return file_get_page_held(file, index, 0, page);
}

/*
 * The page becomes zeros, and what the store has of it, before anybody can write to it again: who has the right to loses it first, and
 * gets it back by a fault, which waits for the page lock. What came between the two would stay in the store, though what is written
 * over it goes with the page. Page lock.
 */
static int zero_page(struct mm_file *file, struct page *page)
{
	struct mm_system *sys = file->sys;

	page_mkclean(sys, page);
	page_zero(sys, page);
	file_set_dirty(page, sys);
	return file_write_page(sys, page);
}

/* invalidate_lock held for writing. */
static int zero_range(struct mm_file *file, uint64_t first, uint64_t last)
{
	uint64_t pages = mm_file_is_shmem(file) ? 0 : file_pages(file);
	int error, first_error = 0;

	/* The store knows no holes: it gets zeros written, by way of pages that then go like those of shared memory. */
	for (uint64_t index = first; index <= last && index < pages; index++) {
		struct page *page;

		error = page_to_zero(file, index, &page);
		if (error == RMAP_ENXIO)
			break;
		if (error)
			return error;
		error = zero_page(file, page);
		if (!first_error)
			first_error = error;
		page_unlock(file->sys, page);
		page_put(file->sys, page);
	}
	if (!first_error)
		file_punch(file, first, last);
	return first_error;
}

/* One at a time: between the zeros and their way to the store another one's punch would drop them. */
int file_zero_range(struct mm_file *file, uint64_t first, uint64_t last)
{
	const struct rmap_port *os = &file->sys->port->os;
	int error;

	rmap_write_lock(&file->invalidate_lock, os);
	error = zero_range(file, first, last);
	rmap_write_unlock(&file->invalidate_lock, os);
	return error;
}
