// SPDX-License-Identifier: BSD-2-Clause
/*
 * Shared anonymous memory: a file whose store is swap.
 *
 * A page of it stands either in the file's tree or, when it was taken for reclaim, in the swap cache; never in both. Going out,
 * the slot takes the page's place in the tree (replacing an entry allocates nothing) and counts as one entry of the slot's; from
 * then on the page is written and freed as any page of the swap cache. Coming back, whoever needs the page finds the slot, gets
 * the page through the swap cache, be it still there or on disk, and puts it back in the tree; the slot is free again.
 *
 * So a write that fails loses nothing: the page waits in the cache, dirty, and comes back from there.
 *
 * A page that was never written is not dirty; reclaim drops it, and the next access gets zeros again.
 */
#include "file.h"

bool shmem_swap_out(struct mm_system *sys, struct page *page)
{
	struct mm_file *file = page_file(page);
	struct file_tree_spare none = { 0 };
	bool in;

	rmap_assert_bit_held(&page->flags);
	MM_ASSERT(sys, file && !file->handle && !rmap_page_mapcount(&page->rmap));
	if (page_refs(page) != 2 || !swap_add(sys, page))
		return false;
	swap_dup(sys, page->private, page, true);
	rmap_spin_lock(&file->lock);
	in = file_tree_get(&file->pages, page->rmap.index) == page;
	if (in) {
		file_tree_set(sys, &file->pages, page->rmap.index,
			      file_entry_of_slot(page->private), &none);
		rmap_page_clear_file(&page->rmap);
		sum_add(sys, SUM_SHMEM, -1);
	}
	rmap_spin_unlock(&file->lock);
	if (in) {
		page_put(sys, page); /* the tree's */
		return true;
	}
	swap_free(sys, page->private);
	swap_try_free(sys, page);
	return false;
}

/* page, locked and in the swap cache, takes the place of entry. False: something else stands there now. */
static bool put_back(struct mm_file *file, uint64_t index, void *entry, struct page *page)
{
	struct file_tree_spare none = { 0 };
	bool same;

	rmap_spin_lock(&file->lock);
	same = file_tree_get(&file->pages, index) == entry;
	if (same) {
		page_get(page);
		rmap_page_set_file(&page->rmap, &file->rmap, index);
		file_tree_set(file->sys, &file->pages, index, page, &none);
		sum_add(file->sys, SUM_SHMEM, 1);
	}
	rmap_spin_unlock(&file->lock);
	return same;
}

int shmem_swap_in(struct mm_file *file, uint64_t index, void *entry, struct page **out)
{
	struct mm_system *sys = file->sys;
	uint64_t slot = file_entry_slot(entry);
	struct page *page;
	bool was_cached;
	int error;

	*out = NULL;
	error = swap_read_page(sys, slot, &page, &was_cached);
	if (error || !page)
		return error;
	if (!put_back(file, index, entry, page)) {
		page_unlock(sys, page);
		page_put(sys, page);
		return 0;
	}
	page_set(page, PG_DIRTY); /* the slot goes */
	swap_cache_del(sys, page);
	swap_free(sys, slot);
	*out = page;
	return 0;
}

/* Only if it is there still: the file may have been cut, and then no page may come behind its end. */
static int unuse_slot(struct mm_file *file, uint64_t index, void *entry)
{
	struct mm_system *sys = file->sys;
	struct page *page;
	int error;

	rmap_read_lock(&file->invalidate_lock, &sys->port->os);
	error = shmem_swap_in(file, index, entry, &page);
	rmap_read_unlock(&file->invalidate_lock, &sys->port->os);
	if (page) {
		page_unlock(sys, page);
		page_put(sys, page);
	}
	return error;
}

static int unuse_file(struct mm_file *file)
{
	struct mm_system *sys = file->sys;
	uint64_t index = 0;
	void *entry;

	while ((entry = file_next_entry(file, &index)) != NULL) {
		int error;

		if (!file_entry_is_slot(entry)) {
			page_put(sys, entry);
		} else {
			error = unuse_slot(file, index, entry);
			if (error)
				return error;
		}
		index++;
	}
	return 0;
}

int shmem_unuse(struct mm_system *sys)
{
	struct mm_file *file = NULL;
	int error = 0;

	while (!error && (file = file_next(sys, file)) != NULL)
		if (mm_file_is_shmem(file))
			error = unuse_file(file);
	if (file)
		mm_file_put(file);
	return error;
}
