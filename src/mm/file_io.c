// SPDX-License-Identifier: BSD-2-Clause
/*
 * read(2) and write(2) through the page cache.
 *
 * A read is page by page what a fault would see, but makes no pages of shared memory's holes. A write within the file excludes truncation only; one that extends the file
 * excludes everybody else, so that the end moves in order: first what a mapping may have left behind the old end in its last
 * page becomes zeros, then bytes are written, then the size covers them. That last before the page is unlocked: write-back knows
 * nothing of the writer, and takes for nobody's what lies behind the end.
 *
 * A page that is overwritten whole is not read before.
 */
#include "file.h"

/* The part of [offset, offset + len) that lies in one page. */
static uint64_t part_of_page(uint64_t offset, uint64_t len)
{
	uint64_t room = RMAP_PAGE_SIZE - (offset & ~RMAP_PAGE_MASK);

	return len < room ? len : room;
}

int mm_file_read(struct mm_file *file, uint64_t offset, void *data, uint64_t len, uint64_t *done)
{
	struct mm_system *sys = file->sys;
	unsigned char *to = data;
	uint64_t moved = 0, n;
	int error = 0;

	for (; moved < len; moved += n) {
		uint64_t at = offset + moved, size = mm_file_size(file);
		struct page *page;
		void *from;

		if (at >= size)
			break;
		n = part_of_page(at, len - moved);
		if (n > size - at)
			n = size - at;
		if (file_is_hole(file, at >> RMAP_PAGE_SHIFT)) {
			if (to)
				memset(to + moved, 0, n);
			continue;
		}
		error = file_get_page(file, at >> RMAP_PAGE_SHIFT, &page);
		if (error)
			break;
		from = page_data(sys, page);
		if (from && to)
			memcpy(to + moved, (unsigned char *)from + (at & ~RMAP_PAGE_MASK), n);
		lru_mark_accessed(sys, page);
		page_unlock(sys, page);
		page_put(sys, page);
	}
	if (done)
		*done = moved;
	/* The file ended under our hands: that is its end. A frame gone bad is an I/O error to those who do not map it. */
	return error == RMAP_ENXIO ? 0 : error == RMAP_EHWPOISON ? RMAP_EIO : error;
}

/* One page's part of a write; invalidate_lock held. */
static int write_part(struct mm_file *file, uint64_t at, const unsigned char *from, uint64_t n)
{
	struct mm_system *sys = file->sys;
	unsigned int flags = FILE_GET_BEYOND | (n == RMAP_PAGE_SIZE ? FILE_GET_OVERWRITE : 0);
	struct page *page;
	void *to;
	int error;

	error = file_get_page_held(file, at >> RMAP_PAGE_SHIFT, flags, &page);
	if (error)
		return error;
	to = page_data(sys, page);
	if (to && from)
		memcpy((unsigned char *)to + (at & ~RMAP_PAGE_MASK), from, n);
	else if (to && (flags & FILE_GET_OVERWRITE))
		page_zero(sys, page); /* nobody gave bytes: let none of a former owner's show */
	file_set_dirty(page, sys);
	/* Only for who excludes everybody: others write within the file. */
	if (at + n > mm_file_size(file))
		atomic_store_explicit(&file->size, at + n, memory_order_release);
	lru_mark_accessed(sys, page);
	page_unlock(sys, page);
	page_put(sys, page);
	return 0;
}

/* Lock for a write up to end; returns whether it is the writer's lock. */
static bool lock_for_write(struct mm_file *file, uint64_t end)
{
	const struct rmap_port *os = &file->sys->port->os;

	if (end <= mm_file_size(file)) {
		rmap_read_lock(&file->invalidate_lock, os);
		if (end <= mm_file_size(file))
			return false;
		rmap_read_unlock(&file->invalidate_lock, os);
	}
	rmap_write_lock(&file->invalidate_lock, os);
	return true;
}

int mm_file_write(struct mm_file *file, uint64_t offset, const void *data, uint64_t len,
		  uint64_t *done)
{
	const struct rmap_port *os = &file->sys->port->os;
	uint64_t moved = 0, n;
	bool extends;
	int error = 0;

	if (done)
		*done = 0;
	if (offset + len < offset)
		return RMAP_EINVAL;
	if (!len)
		return 0;
	extends = lock_for_write(file, offset + len);
	if (extends && offset + len > mm_file_size(file))
		error = file_zero_tail(file, mm_file_size(file));
	for (; moved < len && !error; moved += n) {
		uint64_t at = offset + moved;

		n = part_of_page(at, len - moved);
		error = write_part(file, at, data ? (const unsigned char *)data + moved : NULL, n);
		if (error)
			break;
	}
	if (extends)
		rmap_write_unlock(&file->invalidate_lock, os);
	else
		rmap_read_unlock(&file->invalidate_lock, os);
	if (done)
		*done = moved;
	return error == RMAP_EHWPOISON ? RMAP_EIO : error;
}
