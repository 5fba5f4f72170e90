// SPDX-License-Identifier: BSD-2-Clause
/*
 * Truncation: what is behind the new end of a file leaves the cache and every address space, private copies too.
 *
 * The order is Linux's, and each step closes a door:
 *
 *  1. The new size is published. From here a fault behind it is SIGBUS; faults that looked before may still be on their way.
 *  2. The range is unmapped everywhere, VMA by VMA through the file's tree. That is for speed: pages are rarely still mapped in
 *     the next step.
 *  3. Each page is locked, unmapped once more if a late fault had mapped it, and taken out of the tree. A fault maps a page under
 *     its lock and only while it stands in the tree, so nobody maps this one again.
 *  4. The range is unmapped again: private copies are made under the lock of the file's page, so what late faults made of the
 *     pages of step 3 is there now and goes with them.
 *
 * invalidate_lock, held for writing, keeps pages from entering and shared memory's swap slots from becoming pages meanwhile.
 */
#include "file.h"

#include "table.h"

/* ---------------------------------------------------------------- unmapping */

static void unmap_visit(struct rmap_vma *rvma, uint64_t first, uint64_t last, void *arg)
{
	const enum zap_what *what = arg;
	uint64_t start = rvma->start + ((first - rvma->pgoff) << RMAP_PAGE_SHIFT);
	struct gather gather;

	gather_begin(&gather, mm_of_rmap(rvma->mm), MM_FLUSH_UNMAP);
	zap_range(&gather, vma_of_rmap(rvma), start,
		  start + ((last - first + 1) << RMAP_PAGE_SHIFT), *what);
	gather_end(&gather);
}

static void unmap_range(struct mm_file *file, uint64_t first, uint64_t last, enum zap_what what)
{
	rmap_walk_file(&file->sys->rmap, &file->rmap, first, last, unmap_visit, &what);
}

/* ---------------------------------------------------------------- dropping */

/* A slot of shared memory; true if it was still there. */
static bool drop_slot(struct mm_file *file, uint64_t index, void *entry)
{
	bool same;

	rmap_spin_lock(&file->lock);
	same = file_tree_get(&file->pages, index) == entry;
	if (same)
		file_tree_remove(file->sys, &file->pages, index);
	rmap_spin_unlock(&file->lock);
	if (same)
		swap_free(file->sys, file_entry_slot(entry));
	return same;
}

/* A page, with our reference; true if it was still there. */
static bool drop_page(struct mm_file *file, uint64_t index, struct page *page)
{
	struct mm_system *sys = file->sys;
	bool gone;

	page_lock(sys, page);
	if (rmap_page_mapcount(&page->rmap) && page_file(page) == file)
		unmap_range(file, index, index, ZAP_KEEP_PRIVATE);
	gone = file_forget_page(file, page);
	page_unlock(sys, page);
	page_put(sys, page);
	return gone;
}

void file_drop_range(struct mm_file *file, uint64_t first, uint64_t last)
{
	uint64_t index = first;
	void *entry;

	rmap_assert_write_held(&file->invalidate_lock);
	while ((entry = file_next_entry(file, &index)) != NULL) {
		bool gone;

		if (index > last) {
			if (!file_entry_is_slot(entry))
				page_put(file->sys, entry);
			break;
		}
		gone = file_entry_is_slot(entry) ? drop_slot(file, index, entry)
						 : drop_page(file, index, entry);
		/* Reclaim or migration may have changed the entry: then look at the same place again. */
		if (gone)
			index++;
	}
}

static void drop_everywhere(struct mm_file *file, uint64_t first, uint64_t last, enum zap_what what)
{
	unmap_range(file, first, last, what);
	file_drop_range(file, first, last);
	unmap_range(file, first, last, what);
}

/* ---------------------------------------------------------------- the partial page at the end */

static void zero_from(struct mm_system *sys, struct page *page, uint64_t size)
{
	unsigned char *data = page_data(sys, page);
	uint64_t from = size & ~RMAP_PAGE_MASK;

	if (data)
		memset(data + from, 0, RMAP_PAGE_SIZE - from);
}

/* The page at index, locked, with a reference; NULL where it is zeros behind the end of the file. It may leave the tree just before its lock is ours. */
static int get_tail_page(struct mm_file *file, uint64_t index, struct page **page)
{
	*page = file_find_page(file, index);
	if (*page) {
		page_lock(file->sys, *page);
		return 0;
	}
	/* In its store a file ends with zeros. Shared memory went to swap as it was. */
	if (!mm_file_is_shmem(file) || file_is_hole(file, index))
		return 0;
	return file_get_page_held(file, index, 0, page);
}

int file_zero_tail(struct mm_file *file, uint64_t size)
{
	struct mm_system *sys = file->sys;
	uint64_t index = size >> RMAP_PAGE_SHIFT;
	bool zeroed = !(size & ~RMAP_PAGE_MASK);

	rmap_assert_write_held(&file->invalidate_lock);
	while (!zeroed) {
		struct page *page;
		int error = get_tail_page(file, index, &page);

		if (error || !page)
			return error;
		zeroed = file_holds_page(file, index, page); /* else it migrated */
		if (zeroed)
			zero_from(sys, page, size);
		page_unlock(sys, page);
		page_put(sys, page);
	}
	return 0;
}

/*
 * The page that the new end will cut, locked, or NULL where there is nothing to cut. What can fail of truncation is here.
 */
static int get_cut_page(struct mm_file *file, uint64_t size, struct page **page)
{
	uint64_t index = size >> RMAP_PAGE_SHIFT;
	int error;

	*page = NULL;
	/* A hole of shared memory is zeros anyway. */
	if (!(size & ~RMAP_PAGE_MASK) || file_is_hole(file, index))
		return 0;
	error = file_get_page_held(file, index, 0, page);
	/* Nobody will read what its frame held: a bad page can be cut like any other. */
	return error == RMAP_EHWPOISON ? 0 : error;
}

/* ---------------------------------------------------------------- the calls */

int mm_file_truncate(struct mm_file *file, uint64_t size)
{
	struct mm_system *sys = file->sys;
	uint64_t old, end = (size >> RMAP_PAGE_SHIFT) + ((size & ~RMAP_PAGE_MASK) != 0);
	struct page *cut;
	int error = 0;

	rmap_write_lock(&file->invalidate_lock, &sys->port->os);
	old = mm_file_size(file);
	if (size >= old) {
		/* A mapping may have written behind the old end; the file never had that. */
		if (size > old)
			error = file_zero_tail(file, old);
		if (!error)
			atomic_store_explicit(&file->size, size, memory_order_release);
		goto out;
	}
	error = get_cut_page(file, size, &cut);
	if (error)
		goto out;
	atomic_store_explicit(&file->size, size, memory_order_release);
	if (cut) {
		zero_from(sys, cut, size);
		file_set_dirty(cut, sys);
		page_unlock(sys, cut);
		page_put(sys, cut);
	}
	drop_everywhere(file, end, UINT64_MAX, ZAP_ALL);
out:
	rmap_write_unlock(&file->invalidate_lock, &sys->port->os);
	return error;
}

void file_punch(struct mm_file *file, uint64_t first, uint64_t last)
{
	rmap_assert_write_held(&file->invalidate_lock);
	drop_everywhere(file, first, last, ZAP_KEEP_PRIVATE);
}
