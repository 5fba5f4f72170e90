// SPDX-License-Identifier: BSD-2-Clause
/*
 * Files as the virtual memory manager sees them: a size, and a cache of pages by offset in front of a store.
 *
 * A page enters the cache locked, before it is read; whoever finds it meanwhile waits for the lock and looks again whether it
 * stayed. So what is in the tree and not locked is up to date, and a failed read leaves nothing behind.
 *
 * Looking again means asking the tree under the file's lock whether the page still stands where it was found: between finding
 * and locking it may have been truncated, reclaimed or migrated. That one test covers all three.
 *
 * The tree holds one reference to each page. A reclaimer takes a page out only while his is the only other one, which he decides
 * under the file's lock, where new ones would come from. Dirty pages are counted under the same lock, so that the count is right
 * although processors' dirty bits reach the page (file_set_dirty) while it may be leaving the tree.
 */
#include "file.h"

#include "../base/refs.h"
#include "reclaim.h"

/* ---------------------------------------------------------------- life of a file */

int mm_file_create(struct mm_system *sys, void *handle, uint64_t size, struct mm_file **out)
{
	struct mm_file *file = mm_alloc(sys, RMAP_KIND_FILE, sizeof(*file));

	if (!file)
		return RMAP_ENOMEM;
	memset(file, 0, sizeof(*file));
	rmap_file_init(&file->rmap);
	rmap_rwsem_init(&file->invalidate_lock, RMAP_LOCK_INVALIDATE);
	rmap_spin_init(&file->lock, RMAP_LOCK_FILE_PAGES);
	file->sys = sys;
	file->handle = handle;
	file->id = take_id(sys);
	atomic_store_explicit(&file->refs, 1, memory_order_relaxed);
	atomic_store_explicit(&file->size, size, memory_order_relaxed);
	rmap_spin_lock(&sys->list_lock);
	list_add_tail(&file->list, &sys->files);
	rmap_spin_unlock(&sys->list_lock);
	*out = file;
	return 0;
}

void mm_file_get(struct mm_file *file)
{
	atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
}

bool file_try_get(struct mm_file *file)
{
	return refs_try_get(&file->refs);
}

struct mm_file *file_next(struct mm_system *sys, struct mm_file *pos)
{
	struct mm_file *found = NULL;
	struct list_head *link;

	rmap_spin_lock(&sys->list_lock);
	for (link = pos ? pos->list.next : sys->files.next; !found && link != &sys->files;
	     link = link->next) {
		struct mm_file *file = list_entry(link, struct mm_file, list);

		if (file_try_get(file))
			found = file;
	}
	rmap_spin_unlock(&sys->list_lock);
	if (pos)
		mm_file_put(pos);
	return found;
}

void mm_file_put(struct mm_file *file)
{
	struct mm_system *sys = file->sys;

	if (atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) != 1)
		return;
	MM_ASSERT(sys, file->rmap.nr_vmas == 0);
	/* Nobody is left to hear of an error; as with a last close(2), whoever cares has synced before. */
	if (file->handle)
		file_write_range(file, 0, UINT64_MAX);
	rmap_write_lock(&file->invalidate_lock, &sys->port->os);
	file_drop_range(file, 0, UINT64_MAX);
	rmap_write_unlock(&file->invalidate_lock, &sys->port->os);
	MM_ASSERT(sys, file->pages.count == 0 && atomic_load(&file->nr_unsaved) == 0);
	rmap_spin_lock(&sys->list_lock);
	list_del(&file->list);
	rmap_spin_unlock(&sys->list_lock);
	if (file->accounted)
		mm_uncharge(sys, file->accounted);
	if (file->handle && sys->port->file_release)
		sys->port->file_release(sys->port->ctx, file->handle);
	mm_free(sys, RMAP_KIND_FILE, file, sizeof(*file));
}

uint64_t mm_file_size(const struct mm_file *file)
{
	return atomic_load_explicit(&file->size, memory_order_acquire);
}

void *mm_file_handle(const struct mm_file *file)
{
	return file->handle;
}

uint64_t mm_file_id(const struct mm_file *file)
{
	return file->id;
}

bool mm_file_is_shmem(const struct mm_file *file)
{
	return file->handle == NULL;
}

/* ---------------------------------------------------------------- finding */

/* What stands at index; a page comes with a reference. */
static void *entry_get(struct mm_file *file, uint64_t index)
{
	void *entry;

	rmap_spin_lock(&file->lock);
	entry = file_tree_get(&file->pages, index);
	if (entry && !file_entry_is_slot(entry))
		page_get(entry);
	rmap_spin_unlock(&file->lock);
	return entry;
}

void *file_next_entry(struct mm_file *file, uint64_t *index)
{
	void *entry;

	rmap_spin_lock(&file->lock);
	entry = file_tree_next(&file->pages, index);
	if (entry && !file_entry_is_slot(entry))
		page_get(entry);
	rmap_spin_unlock(&file->lock);
	return entry;
}

bool file_holds_page(struct mm_file *file, uint64_t index, const struct page *page)
{
	bool still;

	rmap_assert_bit_held(&page->flags);
	rmap_spin_lock(&file->lock);
	still = file_tree_get(&file->pages, index) == page;
	rmap_spin_unlock(&file->lock);
	return still;
}

struct page *file_find_page(struct mm_file *file, uint64_t index)
{
	void *entry = entry_get(file, index);

	return file_entry_is_slot(entry) ? NULL : entry;
}

bool file_is_hole(struct mm_file *file, uint64_t index)
{
	void *entry = mm_file_is_shmem(file) ? entry_get(file, index) : NULL;

	if (entry && !file_entry_is_slot(entry))
		page_put(file->sys, entry);
	return mm_file_is_shmem(file) && !entry;
}

bool file_is_cached(struct mm_file *file, uint64_t index)
{
	void *entry = entry_get(file, index);
	struct page *page = entry;

	if (!entry)
		return false;
	if (file_entry_is_slot(entry))
		page = swap_cache_get(file->sys, file_entry_slot(entry));
	if (!page)
		return false;
	page_put(file->sys, page);
	return true;
}

/* ---------------------------------------------------------------- entering and leaving the tree */

static void count_pages(struct mm_file *file, int64_t n)
{
	sum_add(file->sys, file->handle ? SUM_FILE : SUM_SHMEM, n);
}

/*
 * Enter a fresh locked page, for which the tree takes a reference. 0 with *entered false: somebody was first. RMAP_ENOMEM.
 */
static int enter_page(struct mm_file *file, uint64_t index, struct page *page, bool *entered)
{
	struct mm_system *sys = file->sys;
	struct file_tree_spare spare = { 0 };
	unsigned int missing;
	int error = 0;

	for (;;) {
		rmap_spin_lock(&file->lock);
		missing = file_tree_missing(&file->pages, index);
		if (missing <= spare.nr)
			break;
		rmap_spin_unlock(&file->lock);
		error = file_tree_reserve(sys, &spare, missing);
		if (error) {
			file_tree_unreserve(sys, &spare);
			return error;
		}
	}
	*entered = !file_tree_get(&file->pages, index);
	if (*entered) {
		page_get(page);
		if (!file->handle)
			page_set(page, PG_SWAPBACKED);
		rmap_page_set_file(&page->rmap, &file->rmap, index);
		file_tree_set(sys, &file->pages, index, page, &spare);
		count_pages(file, 1);
	}
	rmap_spin_unlock(&file->lock);
	file_tree_unreserve(sys, &spare);
	return 0;
}

/* file->lock and page lock held; page stands in the tree. The tree's reference passes to the caller. */
static void leave_tree(struct mm_file *file, struct page *page)
{
	rmap_assert_spin_held(&file->lock);
	rmap_assert_bit_held(&page->flags);
	MM_ASSERT(file->sys, !rmap_page_mapcount(&page->rmap));
	file_tree_remove(file->sys, &file->pages, page->rmap.index);
	if (page_clear(page, PG_DIRTY) && file->handle) {
		atomic_fetch_sub_explicit(&file->nr_unsaved, 1, memory_order_relaxed);
		sum_add(file->sys, SUM_DIRTY, -1);
	}
	rmap_page_clear_file(&page->rmap);
	count_pages(file, -1);
}

bool file_forget_page(struct mm_file *file, struct page *page)
{
	bool in;

	rmap_assert_bit_held(&page->flags);
	rmap_spin_lock(&file->lock);
	in = page_file(page) == file && file_tree_get(&file->pages, page->rmap.index) == page;
	if (in)
		leave_tree(file, page);
	rmap_spin_unlock(&file->lock);
	if (in)
		page_put(file->sys, page);
	return in;
}

bool file_remove_page(struct mm_system *sys, struct page *page)
{
	struct mm_file *file = page_file(page);
	uint32_t two = 2;
	bool out = false;

	rmap_assert_bit_held(&page->flags);
	MM_ASSERT(sys, file && !rmap_page_mapcount(&page->rmap));
	rmap_spin_lock(&file->lock);
	if (file_tree_get(&file->pages, page->rmap.index) == page &&
	    atomic_compare_exchange_strong_explicit(&page->refs, &two, 1, memory_order_acq_rel,
						    memory_order_relaxed)) {
		/* Nobody else can reach it now, so that what is dirty was made so before. */
		out = !page_test(page, PG_DIRTY);
		if (out)
			leave_tree(file, page);
		else
			atomic_store_explicit(&page->refs, 2, memory_order_release);
	}
	rmap_spin_unlock(&file->lock);
	return out;
}

bool file_replace_page(struct mm_system *sys, struct page *old, struct page *new_page)
{
	struct mm_file *file = page_file(old);
	struct file_tree_spare none = { 0 };
	bool alone;

	rmap_assert_bit_held(&old->flags);
	rmap_assert_bit_held(&new_page->flags);
	MM_ASSERT(sys, file != NULL);
	rmap_spin_lock(&file->lock);
	MM_ASSERT(sys, file_tree_get(&file->pages, old->rmap.index) == old);
	alone = page_refs(old) == 2;
	if (alone) {
		page_get(new_page);
		/* old keeps its owner until the migrator has gone through its entries; that it is not in the tree any more is what counts. */
		rmap_page_set_file(&new_page->rmap, &file->rmap, old->rmap.index);
		file_tree_set(sys, &file->pages, old->rmap.index, new_page, &none);
		if (page_clear(old, PG_DIRTY))
			page_set(new_page, PG_DIRTY);
	}
	rmap_spin_unlock(&file->lock);
	if (alone)
		page_put(sys, old);
	return alone;
}

/* ---------------------------------------------------------------- getting a page */

/* The contents of a page that has just entered the tree. 0 or an error of the port's. */
static int fill_page(struct mm_file *file, uint64_t index, struct page *page, unsigned int flags)
{
	struct mm_system *sys = file->sys;
	void *data = page_data(sys, page);
	int error = 0;

	if (!file->handle) {
		page_zero(sys, page);
	} else if (!(flags & FILE_GET_OVERWRITE)) {
		if (data)
			error = sys->port->file_read(sys->port->ctx, file->handle, index, data);
		if (error)
			return error;
		COUNT(sys, file_in, 1);
	}
	page_set(page, PG_UPTODATE);
	return 0;
}

/* Nothing is cached at index: make a page. *out NULL and 0: somebody was first. */
static int get_fresh(struct mm_file *file, uint64_t index, unsigned int flags, struct page **out)
{
	struct mm_system *sys = file->sys;
	struct page *page = page_alloc(sys, 0);
	bool entered = false;
	int error;

	*out = NULL;
	if (!page)
		return RMAP_ENOMEM;
	page_lock(sys, page);
	error = enter_page(file, index, page, &entered);
	if (!error && entered) {
		error = fill_page(file, index, page, flags);
		if (!error) {
			lru_add(sys, page);
			*out = page;
			return 0;
		}
		file_forget_page(file, page);
	}
	page_unlock(sys, page);
	page_put(sys, page);
	return error;
}

/* A page was found: lock it. *out NULL and 0: it left the tree meanwhile. */
static int lock_found(struct mm_file *file, uint64_t index, struct page *page, unsigned int flags,
		      struct page **out)
{
	int error = 0;

	if (!(flags & FILE_GET_NOWAIT)) {
		page_lock(file->sys, page);
	} else if (!page_trylock(page)) {
		page_put(file->sys, page);
		return FILE_GET_WAITS;
	}
	if (file_holds_page(file, index, page)) {
		if (!page_test(page, PG_POISON)) {
			*out = page;
			return 0;
		}
		error = RMAP_EHWPOISON;
	}
	page_unlock(file->sys, page);
	page_put(file->sys, page);
	return error;
}

/* Nothing there that could be had at once: neither a page nor a hole of shared memory's, nor what the swap cache has. */
static bool must_wait(struct mm_file *file, const void *entry)
{
	if (!entry)
		return !mm_file_is_shmem(file);
	return file_entry_is_slot(entry) && !swap_is_ready(file->sys, file_entry_slot(entry));
}

int file_get_page_held(struct mm_file *file, uint64_t index, unsigned int flags, struct page **out)
{
	rmap_assert_read_held(&file->invalidate_lock);
	for (;;) {
		void *entry;
		int error;

		*out = NULL;
		if (!(flags & FILE_GET_BEYOND) && index >= file_pages(file))
			return RMAP_ENXIO;
		entry = entry_get(file, index);
		if ((flags & FILE_GET_NOWAIT) && must_wait(file, entry))
			return FILE_GET_WAITS;
		if (!entry) {
			error = get_fresh(file, index, flags, out);
		} else if (file_entry_is_slot(entry)) {
			error = shmem_swap_in(file, index, entry, out);
		} else {
			error = lock_found(file, index, entry, flags, out);
		}
		if (error || *out)
			return error;
	}
}

int file_get_page(struct mm_file *file, uint64_t index, struct page **page)
{
	int error;

	rmap_read_lock(&file->invalidate_lock, &file->sys->port->os);
	error = file_get_page_held(file, index, 0, page);
	rmap_read_unlock(&file->invalidate_lock, &file->sys->port->os);
	return error;
}

int file_get_page_nowait(struct mm_file *file, uint64_t index, struct page **page)
{
	int error;

	if (!rmap_read_trylock(&file->invalidate_lock))
		return FILE_GET_WAITS;
	error = file_get_page_held(file, index, FILE_GET_NOWAIT, page);
	rmap_read_unlock(&file->invalidate_lock, &file->sys->port->os);
	return error;
}

/* ---------------------------------------------------------------- dirty pages */

void file_set_dirty(struct page *page, struct mm_system *sys)
{
	struct mm_file *file = page_file(page);

	if (page_test(page, PG_DIRTY))
		return;
	if (!file) {
		page_set(page, PG_DIRTY);
		return;
	}
	/* The file cannot go meanwhile: the caller holds the page's lock, or that of an entry in a VMA of the file. */
	rmap_spin_lock(&file->lock);
	if (!page_set(page, PG_DIRTY) && page_file(page) == file && file->handle) {
		if (!page_test(page, PG_WRITEBACK))
			atomic_fetch_add_explicit(&file->nr_unsaved, 1, memory_order_relaxed);
		sum_add(sys, SUM_DIRTY, 1);
	}
	rmap_spin_unlock(&file->lock);
}

void file_write_begin(struct mm_file *file, struct page *page)
{
	rmap_assert_bit_held(&page->flags);
	rmap_spin_lock(&file->lock);
	page_set(page, PG_WRITEBACK);
	page_clear(page, PG_DIRTY);
	sum_add(file->sys, SUM_DIRTY, -1);
	rmap_spin_unlock(&file->lock);
	/*
	 * What is written to the store is read after this. Who unmaps a dirty page, has flushed what wrote to it and finds the bit set
	 * leaves it to us (file_set_dirty() has no lock then): so either he sees it cleared, or we see what was written. What he has on
	 * his side is the flush, a barrier on every machine.
	 */
	atomic_thread_fence(memory_order_seq_cst);
}

void file_write_end(struct mm_file *file, struct page *page)
{
	rmap_assert_bit_held(&page->flags);
	rmap_spin_lock(&file->lock);
	page_clear(page, PG_WRITEBACK);
	/* Whoever finds none unsaved finds them written. */
	if (!page_test(page, PG_DIRTY))
		atomic_fetch_sub_explicit(&file->nr_unsaved, 1, memory_order_release);
	rmap_spin_unlock(&file->lock);
}
