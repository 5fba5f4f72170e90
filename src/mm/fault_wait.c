// SPDX-License-Identifier: BSD-2-Clause
/*
 * A fault waits for a device, or for who waits for one, without a lock of the address space.
 *
 *   meets, its VMA's lock (or mmap_lock) held                    waits, nothing held, for
 *   -----------------------------------------------------------  ----------------------------------------------------
 *   a swap entry whose page is not cached, or locked             the slot's page in the swap cache
 *   a file's page that is not cached, or locked; or the file     the page in the file's cache (shared memory's comes
 *     is being cut                                                 out of swap there)
 *   a page that wants to become dirty and is locked: it is       its lock
 *     being written, perhaps
 *
 * So a slow device keeps nobody from changing the address space. Meanwhile the page lock and the file's invalidate lock are held as by
 * anybody who reads a page. Then all begins anew, since anything may have changed: the fault looks its VMA up, and finds what is
 * there now. It has the page with it, so that nobody reclaims it in between, or the error, so that a bad device is not asked twice:
 * that is still this slot's, or this place's in this file, if the fault comes to the same one.
 *
 * It lets go once. If the page is gone again when it comes back, it waits with its lock held, as do those who cannot let go: they hold
 * mmap_lock for writing. A phantom system transfers nothing, so there is nothing to wait for.
 *
 * A fault that never waits pays for this with one write to its stack.
 */
#include "file.h"
#include "swap.h"
#include "table.h"

/* The VMA that the fault is in holds the file; behind its back only this reference does. */
void fault_wait_file(struct fault *f, struct mm_file *file, uint64_t index)
{
	mm_file_get(file);
	f->wait.what = WAIT_FILE;
	f->wait.at = index;
	f->wait.file = file;
	f->wait.file_id = file->id;
}

bool fault_lock_page(struct fault *f, struct page *page)
{
	if (!fault_may_wait(f)) {
		page_lock(f->mm->sys, page);
		return true;
	}
	if (page_trylock(page))
		return true;
	f->wait.what = WAIT_PAGE;
	f->wait.page = page;
	return false;
}

/* That the file ends before the page, or that its frame is bad, the fault finds out again, and no device is asked for that. */
static int lasting_error(int error)
{
	return error == RMAP_ENXIO || error == RMAP_EHWPOISON ? 0 : error;
}

void fault_wait(struct mm_system *sys, struct fault_wait *wait)
{
	bool was_cached;

	if (wait->what == WAIT_SLOT)
		wait->error = swap_read_page(sys, wait->at, &wait->page, &was_cached);
	else if (wait->what == WAIT_FILE)
		wait->error = lasting_error(file_get_page(wait->file, wait->at, &wait->page));
	else
		page_lock(sys, wait->page);
	if (wait->page)
		page_unlock(sys, wait->page);
	/* The last one, perhaps: then all its pages go. */
	if (wait->what == WAIT_FILE)
		mm_file_put(wait->file);
}

void fault_wait_end(struct mm_system *sys, struct fault_wait *wait)
{
	if (wait->what <= WAIT_NOT_YET)
		return;
	if (wait->page)
		swap_put_page(sys, wait->page);
	wait->what = WAIT_NOT_YET;
}
