// SPDX-License-Identifier: BSD-2-Clause
/*
 * Write-back: what was written through mappings or write(2) reaches the file's store.
 *
 * A shared file page is mapped writable only after a fault has made it dirty (fault_file_mkwrite). Writing it turns that around:
 * first every entry that maps it loses its right to write and its dirty bit (page_mkclean), then the page's own dirty bit goes,
 * then its contents. Whoever writes meanwhile faults, waits for the page lock, and makes it dirty anew; so no write falls between
 * two copies. The other order would lose what is written between the copy and the protection.
 *
 * Who syncs waits for what others are writing, too: such a page is clean already, and its store has not got it yet.
 *
 * A page that could not be written is dirty again and stays. The error is kept with the file for the next sync, which reports it
 * once, as fsync(2) does.
 */
#include "file.h"

#include "reclaim.h"

/* What a mapping wrote behind the end of the file does not belong to it. */
static void zero_behind_end(struct mm_file *file, struct page *page, void *data)
{
	uint64_t size = mm_file_size(file), start = page->rmap.index << RMAP_PAGE_SHIFT;

	if (size - start < RMAP_PAGE_SIZE)
		memset((unsigned char *)data + (size - start), 0, RMAP_PAGE_SIZE - (size - start));
}

/* Under write-back. */
static int write_store(struct mm_system *sys, struct mm_file *file, struct page *page)
{
	void *data = page_data(sys, page);
	int error = 0;

	if (page->rmap.index >= file_pages(file))
		return 0; /* truncation is about to take it */
	if (data) {
		zero_behind_end(file, page, data);
		error = sys->port->file_write(sys->port->ctx, file->handle, page->rmap.index, data);
	}
	if (error) {
		file_set_dirty(page, sys);
		atomic_store_explicit(&file->error, error, memory_order_relaxed);
	} else {
		COUNT(sys, file_out, 1);
	}
	return error;
}

int file_write_page(struct mm_system *sys, struct page *page)
{
	struct mm_file *file = page_file(page);
	int error;

	rmap_assert_bit_held(&page->flags);
	if (!file || !file->handle || !page_test(page, PG_DIRTY))
		return 0;
	page_mkclean(sys, page);
	file_write_begin(file, page);
	error = write_store(sys, file, page);
	file_write_end(file, page);
	return error;
}

int file_write_range(struct mm_file *file, uint64_t first, uint64_t last)
{
	struct mm_system *sys = file->sys;
	uint64_t index = first;
	int first_error = 0;
	void *entry;

	if (!file->handle || !atomic_load_explicit(&file->nr_unsaved, memory_order_acquire))
		return 0;
	while ((entry = file_next_entry(file, &index)) != NULL) {
		struct page *page = entry;
		int error = 0;

		if (index <= last && page_test(page, PG_DIRTY | PG_WRITEBACK)) {
			page_lock(sys, page);
			if (file_holds_page(file, index, page))
				error = file_write_page(sys, page);
			page_unlock(sys, page);
		}
		page_put(sys, page);
		if (!first_error)
			first_error = error;
		if (index >= last)
			break;
		index++;
	}
	return first_error;
}

int file_sync_range(struct mm_file *file, uint64_t first, uint64_t last)
{
	int error = file_write_range(file, first, last);
	int kept = atomic_exchange_explicit(&file->error, 0, memory_order_acq_rel);

	return error ? error : kept;
}

int mm_file_sync(struct mm_file *file)
{
	return file_sync_range(file, 0, UINT64_MAX);
}
