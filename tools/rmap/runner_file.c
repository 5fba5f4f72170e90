// SPDX-License-Identifier: BSD-2-Clause
/*
 * Files as the runner knows them: the store that the port keeps, and what each page must hold.
 *
 * A file of a workload is a stand-in whose bytes are computed until they are written. Shared anonymous memory is a file, too,
 * one that libmm makes by itself: it is entered here when a VMA that shows it is first met, and leaves when no VMA does.
 */
#include "runner_int.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- contents */

static uint64_t page_of(uint64_t offset)
{
	return offset & RMAP_PAGE_MASK;
}

int rfile_expected(struct rfile *f, uint64_t offset, void *buf, size_t *len)
{
	uint64_t at = page_of(offset);
	uint64_t stamp = shadow_get(f->pages, at);
	uint64_t valid = RMAP_PAGE_SIZE, tail;

	*len = RMAP_PAGE_SIZE;
	if (f->size > at && f->size - at < RMAP_PAGE_SIZE)
		*len = f->size - at; /* what is behind the end of the file is nobody's */
	if (stamp == STAMP_UNKNOWN)
		return 0;
	if (stamp & STAMP_WRITTEN) {
		pattern_fill(buf, stamp & STAMP_VALUE);
		tail = shadow_get(f->tails, at);
		if (tail & STAMP_WRITTEN)
			valid = tail & STAMP_VALUE;
	} else {
		if (f->seed)
			hosted_pattern_page(f->seed, at >> RMAP_PAGE_SHIFT, buf);
		else
			memset(buf, 0, RMAP_PAGE_SIZE);
		valid = f->base_size <= at ? 0 : f->base_size - at;
	}
	if (valid < RMAP_PAGE_SIZE)
		memset((char *)buf + valid, 0, RMAP_PAGE_SIZE - valid);
	return 1;
}

/* ---------------------------------------------------------------- copies that nobody wrote */

/*
 * Populating and locking break COW without a write: such a copy holds what the file held then, and has no stamp. As long as
 * the file does not change that needs none; when it is about to, the copies of that page get theirs.
 */
static bool keep_copy(struct space *space, const struct layout_vma *vma, const struct rfile *f,
		      uint64_t at)
{
	uint64_t addr = vma->start + (at - vma->offset), stamp;
	struct mm_page_info info;

	if (shadow_get(space->shadow, addr) != STAMP_NONE)
		return true;
	mm_page_info(space->mm, addr, &info);
	if (info.state == MM_PAGE_NONE || info.state == MM_PAGE_POISONED ||
	    (info.state == MM_PAGE_PRESENT && !info.anon))
		return true;
	stamp = shadow_get(f->pages, at);
	if (stamp == STAMP_NONE)
		stamp = f->seed ? STAMP_UNKNOWN : STAMP_WRITTEN;
	else if (shadow_get(f->tails, at) != STAMP_NONE)
		stamp = STAMP_UNKNOWN;
	return shadow_set(space->shadow, addr, stamp);
}

/* Of the file's pages in [from, end), which are about to change. */
static bool keep_copies(struct runner *r, struct rfile *f, uint64_t from, uint64_t end)
{
	if (!f->copied)
		return true;
	for (struct process *proc = r->procs; proc; proc = proc->next) {
		struct space *space = proc->space;
		const struct layout *layout = space->maps_files ? space_layout(space) : NULL;

		for (size_t i = 0; layout && space->shadow && i < layout->nr; i++) {
			const struct layout_vma *vma = &layout->vmas[i];
			uint64_t vma_end = vma->offset + (vma->end - vma->start);
			uint64_t at = from > vma->offset ? from : vma->offset;

			if (vma->file != f->file || vma->shared)
				continue;
			for (; at < end && at < vma_end; at += RMAP_PAGE_SIZE)
				if (!keep_copy(space, vma, f, at))
					return false;
		}
	}
	return true;
}

void runner_copied(struct runner *r, struct space *space, uint64_t start, uint64_t len)
{
	const struct layout *layout = space->maps_files ? space_layout(space) : NULL;
	uint64_t end = start + len < start ? UINT64_MAX : start + len;

	for (size_t i = 0; layout && i < layout->nr; i++) {
		const struct layout_vma *vma = &layout->vmas[i];
		struct rfile *f;

		if (!vma->file || vma->shared || vma->end <= start || vma->start >= end)
			continue;
		f = rfile_of(r, vma->file);
		if (f)
			f->copied = true;
	}
}

/* ---------------------------------------------------------------- changes */

bool rfile_written(struct runner *r, struct rfile *f, uint64_t offset, uint64_t stamp)
{
	uint64_t at = page_of(offset);
	uint64_t valid =
		f->size > at && f->size - at < RMAP_PAGE_SIZE ? f->size - at : RMAP_PAGE_SIZE;

	/* Bytes behind the end are not written: should the file grow over them, they are zeros. */
	return keep_copies(r, f, at, at + RMAP_PAGE_SIZE) && shadow_set(f->pages, at, stamp) &&
	       shadow_set(f->tails, at,
			  valid < RMAP_PAGE_SIZE ? STAMP_WRITTEN | valid : STAMP_NONE);
}

/* Whole pages become zeros; unless sure, of a file with a store, or stay as they were. */
bool rfile_punched(struct runner *r, struct rfile *f, uint64_t offset, uint64_t len, bool sure)
{
	uint64_t end;

	if (!f)
		return false;
	end = offset + len < f->size ? offset + len : f->size;
	if (!keep_copies(r, f, page_of(offset), end))
		return false;
	sure = sure || !f->handle;
	if (!f->seed && sure) /* what was never written is zeros */
		return shadow_clear(f->pages, offset, len) && shadow_clear(f->tails, offset, len);
	for (uint64_t at = page_of(offset); at < end; at += RMAP_PAGE_SIZE)
		if (!shadow_set(f->pages, at, sure ? STAMP_WRITTEN : STAMP_UNKNOWN) ||
		    !shadow_set(f->tails, at, STAMP_NONE))
			return false;
	return true;
}

/* ---------------------------------------------------------------- the list */

static struct rfile **bucket(struct runner *r, struct mm_file *file)
{
	return &r->files[mm_file_id(file) % FILE_BUCKETS];
}

static void free_rfile(struct rfile *f)
{
	shadow_free(f->pages);
	shadow_free(f->tails);
	free(f);
}

static struct rfile *new_rfile(struct runner *r, struct mm_file *file)
{
	struct rfile *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->pages = shadow_new();
	f->tails = shadow_new();
	if (!f->pages || !f->tails) {
		free_rfile(f);
		return NULL;
	}
	f->file = file;
	f->id = mm_file_id(file);
	f->size = mm_file_size(file);
	f->next = *bucket(r, file);
	*bucket(r, file) = f;
	r->nr_files++;
	return f;
}

void runner_files_sweep(struct runner *r)
{
	for (unsigned int b = 0; b < FILE_BUCKETS; b++)
		for (struct rfile *f = r->files[b]; f; f = f->next)
			f->seen = f->named != 0;
	for (struct process *proc = r->procs; proc; proc = proc->next) {
		const struct layout *layout = space_layout(proc->space);

		for (size_t i = 0; layout && i < layout->nr; i++)
			for (struct rfile *f =
				     layout->vmas[i].file ? *bucket(r, layout->vmas[i].file) : NULL;
			     f; f = f->next)
				f->seen |= f->id == mm_file_id(layout->vmas[i].file);
	}
	for (unsigned int b = 0; b < FILE_BUCKETS; b++)
		for (struct rfile **p = &r->files[b]; *p;) {
			struct rfile *f = *p;

			if (f->seen) {
				p = &f->next;
				continue;
			}
			*p = f->next;
			free_rfile(f);
			r->nr_files--;
		}
	r->sweep_files_at = r->nr_files * 2 + 1024;
}

struct rfile *rfile_of(struct runner *r, struct mm_file *file)
{
	struct rfile *f = *bucket(r, file);

	while (f && f->id != mm_file_id(file))
		f = f->next;
	if (f)
		return f;
	if (r->nr_files >= r->sweep_files_at)
		runner_files_sweep(r);
	f = new_rfile(r, file);
	return f;
}

struct rfile *rfile_named(struct runner *r, uint32_t number)
{
	return number < r->nr_named ? r->named[number] : NULL;
}

/* The same file on a machine that was resumed. */
void rfile_rebind(struct runner *r, struct rfile *f, struct mm_file *file)
{
	for (unsigned int b = 0; b < FILE_BUCKETS; b++)
		for (struct rfile **p = &r->files[b]; *p; p = &(*p)->next)
			if (*p == f) {
				*p = f->next;
				break;
			}
	f->file = file;
	f->id = mm_file_id(file);
	f->next = *bucket(r, file);
	*bucket(r, file) = f;
}

void runner_files_down(struct runner *r)
{
	for (unsigned int b = 0; b < FILE_BUCKETS; b++)
		while (r->files[b]) {
			struct rfile *f = r->files[b];

			r->files[b] = f->next;
			if (f->named && f->file)
				mm_file_put(f->file);
			free_rfile(f);
		}
	free(r->named);
	r->named = NULL;
	r->nr_named = 0;
}

/* ---------------------------------------------------------------- operations */

static bool room_for(struct runner *r, uint32_t number)
{
	uint32_t n = number < 64 ? 64 : number * 2;
	struct rfile **named;

	if (number < r->nr_named)
		return true;
	if (number > 1u << 24)
		return false;
	named = realloc(r->named, n * sizeof(struct rfile *));
	if (!named)
		return false;
	memset(named + r->nr_named, 0, (n - r->nr_named) * sizeof(struct rfile *));
	r->named = named;
	r->nr_named = n;
	return true;
}

static enum runner_result do_open(struct runner *r, const struct op *op)
{
	uint64_t seed = op->flags & OP_FILE_SPARSE ? 0 : op->file * 2654435761u + 1;
	struct hosted_file *handle = NULL;
	struct mm_file *file;
	struct rfile *f;
	int error;

	if (rfile_named(r, op->file))
		return runner_bad(r, "the file is open already");
	if (op->len >> 62)
		return runner_bad(r, "a file has at most 2^62 bytes");
	if (!room_for(r, op->file))
		return runner_no_memory(r);
	if (!(op->flags & OP_FILE_SHMEM)) {
		error = hosted_file_temp(r->hosted, op->len, seed, &handle);
		if (error)
			return runner_bad(r, "the file cannot be made: %s", rmap_error_name(error));
	}
	error = mm_file_create(r->sys, handle, op->len, &file);
	if (error) {
		if (handle)
			hosted_file_close(handle);
		return runner_outcome(r, error, "");
	}
	f = new_rfile(r, file);
	if (!f) {
		mm_file_put(file);
		return runner_no_memory(r);
	}
	f->handle = handle;
	f->seed = handle ? seed : 0;
	f->base_size = op->len;
	f->named = op->file;
	r->named[op->file] = f;
	return runner_outcome(r, 0, "");
}

/* Private copies behind the new end have gone, too. */
static enum runner_result copies_cut(struct runner *r, struct rfile *f, uint64_t size)
{
	uint64_t end = (size + RMAP_PAGE_SIZE - 1) & RMAP_PAGE_MASK;

	for (struct process *proc = r->procs; proc; proc = proc->next) {
		struct space *space = proc->space;
		const struct layout *layout = space->maps_files ? space_layout(space) : NULL;

		for (size_t i = 0; layout && i < layout->nr; i++) {
			const struct layout_vma *vma = &layout->vmas[i];
			uint64_t len = vma->end - vma->start;
			uint64_t keep = end > vma->offset ? end - vma->offset : 0;

			if (vma->file == f->file && keep < len &&
			    !shadow_clear(space->shadow, vma->start + keep, len - keep))
				return runner_no_memory(r);
		}
	}
	return RUNNER_OK;
}

/*
 * The file may become longer. What its last page has behind the old end reads as zeros then; a copy has what stood there, which
 * who maps the page may write to.
 */
static bool rfile_grown(struct runner *r, struct rfile *f, uint64_t size)
{
	uint64_t at = page_of(f->size);

	if (size <= f->size)
		return true;
	if (f->size != at && !keep_copies(r, f, at, at + RMAP_PAGE_SIZE))
		return false;
	f->size = size;
	return true;
}

static enum runner_result do_truncate(struct runner *r, const struct op *op, struct rfile *f)
{
	uint64_t at = page_of(op->len), cut = op->len - at;
	enum runner_result ret;
	int error;

	if (op->len >> 62)
		return runner_bad(r, "a file has at most 2^62 bytes");
	error = mm_file_truncate(f->file, op->len);
	if (!error && f->handle)
		error = hosted_file_resize(f->handle, op->len);
	ret = runner_outcome(r, error, "");
	if (ret != RUNNER_OK || error)
		return ret;
	if (op->len < f->size) {
		uint64_t tail = shadow_get(f->tails, at);

		if (cut && !keep_copies(r, f, at, at + RMAP_PAGE_SIZE))
			return runner_no_memory(r);
		if (op->len < f->base_size)
			f->base_size = op->len;
		if (!shadow_clear(f->pages, at + (cut ? RMAP_PAGE_SIZE : 0), UINT64_MAX - at) ||
		    !shadow_clear(f->tails, at + (cut ? RMAP_PAGE_SIZE : 0), UINT64_MAX - at))
			return runner_no_memory(r);
		if (cut && shadow_get(f->pages, at) != STAMP_NONE &&
		    (!(tail & STAMP_WRITTEN) || (tail & STAMP_VALUE) > cut) &&
		    !shadow_set(f->tails, at, STAMP_WRITTEN | cut))
			return runner_no_memory(r);
		if (!r->phantom)
			ret = copies_cut(r, f, op->len);
		f->size = op->len;
	}
	return rfile_grown(r, f, op->len) ? ret : runner_no_memory(r);
}

static enum runner_result do_write(struct runner *r, const struct op *op, struct rfile *f)
{
	uint64_t end = op->offset + op->len;
	enum runner_result ret = RUNNER_OK;
	int error = 0;

	if (op->offset & ~RMAP_PAGE_MASK)
		return runner_bad(r, "filewrite begins at a page");
	if (end < op->offset || end >> 62)
		return runner_bad(r, "a file has at most 2^62 bytes");
	if (op->len > RUNNER_MAX_RANGE)
		return runner_bad(r, "more than %llu GiB are to be written",
				  (unsigned long long)(RUNNER_MAX_RANGE >> 30));
	if (end & ~RMAP_PAGE_MASK && end < f->size)
		return runner_bad(r, "filewrite ends at the end of a page, or of the file");
	for (uint64_t at = op->offset, n = 0; at < end && !error && ret == RUNNER_OK;
	     at += RMAP_PAGE_SIZE, n++) {
		uint64_t value = op->has_value ? op->value + (op->value_steps ? n : 0)
					       : (uint64_t)1 << 61 | ++r->version;
		uint64_t len = end - at < RMAP_PAGE_SIZE ? end - at : RMAP_PAGE_SIZE;

		pattern_fill(r->page, value & STAMP_VALUE);
		error = mm_file_write(f->file, at, r->page, len, NULL);
		if (error)
			break;
		if (!rfile_grown(r, f, at + len) ||
		    !rfile_written(r, f, at, STAMP_WRITTEN | (value & STAMP_VALUE)))
			ret = runner_no_memory(r);
	}
	if (f->handle && f->size > hosted_file_size(f->handle) &&
	    hosted_file_resize(f->handle, f->size))
		return runner_bad(r, "the file cannot grow");
	return ret == RUNNER_OK ? runner_outcome(r, error, "") : ret;
}

static enum runner_result do_read(struct runner *r, const struct op *op, struct rfile *f)
{
	char is[96], must[96];
	uint64_t end = op->offset + op->len, n = 0;
	int error = 0;

	if (end < op->offset)
		end = UINT64_MAX;
	if (end > f->size)
		end = f->size;
	if (end > op->offset && end - op->offset > RUNNER_MAX_RANGE)
		return runner_bad(r, "more than %llu GiB are to be read",
				  (unsigned long long)(RUNNER_MAX_RANGE >> 30));
	for (uint64_t at = page_of(op->offset); at < end; at += RMAP_PAGE_SIZE, n++) {
		uint64_t len = end - at < RMAP_PAGE_SIZE ? end - at : RMAP_PAGE_SIZE;
		uint64_t value = op->value + (op->value_steps ? n : 0);
		size_t counted;

		error = mm_file_read(f->file, at, r->page, len, NULL);
		if (error)
			break;
		if (r->phantom)
			continue;
		if (rfile_expected(f, at, r->page2, &counted) &&
		    memcmp(r->page, r->page2, len) != 0)
			return runner_broken(
				r, "contents: offset 0x%llx of the file: expected %s, found %s",
				(unsigned long long)at,
				pattern_name(r->page2, len, must, sizeof(must)),
				pattern_name(r->page, len, is, sizeof(is)));
		if (op->has_value && !pattern_matches(r->page, len, value))
			return runner_failed(r, "fileread at 0x%llx: expected value %llu, found %s",
					     (unsigned long long)at, (unsigned long long)value,
					     pattern_name(r->page, len, is, sizeof(is)));
	}
	return runner_outcome(r, error, "");
}

enum runner_result runner_file_op(struct runner *r, const struct op *op)
{
	struct rfile *f;
	int error;

	if (op->kind == OP_FILE)
		return do_open(r, op);
	f = rfile_named(r, op->file);
	if (!f)
		return runner_bad(r, "the file is not open");
	switch (op->kind) {
	case OP_FILE_TRUNCATE:
		return do_truncate(r, op, f);
	case OP_FILE_WRITE:
		return do_write(r, op, f);
	case OP_FILE_READ:
		return do_read(r, op, f);
	case OP_FILE_SYNC:
		error = mm_file_sync(f->file);
		if (f->handle && f->size < hosted_file_size(f->handle))
			hosted_file_resize(f->handle, f->size);
		return runner_outcome(r, error, "");
	default: /* close: mappings go on */
		r->named[op->file] = NULL;
		f->named = 0;
		mm_file_put(f->file);
		return RUNNER_OK;
	}
}

/* ---------------------------------------------------------------- the end */

struct stored {
	struct runner *r;
	struct rfile *f;
	enum runner_result result;
};

static bool stored_page(uint64_t offset, uint64_t stamp, void *arg)
{
	struct stored *s = arg;
	struct runner *r = s->r;
	const struct mm_port *port = mm_system_port(r->sys);
	char is[96], must[96];
	size_t len;

	(void)stamp;
	if (offset >= s->f->size || !rfile_expected(s->f, offset, r->page2, &len))
		return true;
	if (port->file_read(port->ctx, s->f->handle, offset >> RMAP_PAGE_SHIFT, r->page))
		return true;
	r->verified_pages++;
	if (!memcmp(r->page, r->page2, len))
		return true;
	s->result = runner_broken(
		r,
		"contents: offset 0x%llx of a file, as stored after a write-back: "
		"expected %s, found %s",
		(unsigned long long)offset, pattern_name(r->page2, len, must, sizeof(must)),
		pattern_name(r->page, len, is, sizeof(is)));
	return false;
}

enum runner_result runner_files_written(struct runner *r)
{
	struct stored s = { .r = r };

	if (r->phantom)
		return RUNNER_OK;
	for (uint32_t i = 0; i < r->nr_named && s.result == RUNNER_OK; i++) {
		s.f = r->named[i];
		if (!s.f || !s.f->handle || mm_file_sync(s.f->file))
			continue;
		shadow_for_each(s.f->pages, 0, UINT64_MAX, stored_page, &s);
	}
	return s.result;
}
