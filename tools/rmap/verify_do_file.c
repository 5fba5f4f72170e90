// SPDX-License-Identifier: BSD-2-Clause
/*
 * Files of a workload on the live side: real ones, without names, that hold what the engine's must hold.
 */
#include "verify_do.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __x86_64__

/* A file that is written out in full. */
#define FILE_MOST ((uint64_t)64 << 20)

struct verify_file *verify_file_of(struct verify_session *s, uint32_t number)
{
	if (number >= s->nr_files || !s->files[number].open)
		return NULL;
	return &s->files[number];
}

static bool room_for_file(struct verify_session *s, uint32_t number)
{
	uint32_t nr = number < 16 ? 16 : number * 2;
	struct verify_file *files;

	if (number < s->nr_files)
		return true;
	files = realloc(s->files, nr * sizeof(*files));
	if (!files)
		return false;
	memset(files + s->nr_files, 0, (nr - s->nr_files) * sizeof(*files));
	s->files = files;
	s->nr_files = nr;
	return true;
}

/* Without a name from the beginning, so that nothing is left of it. */
static int nameless(void)
{
	const char *dir = getenv("TMPDIR");
	char path[4096];
	int fd;

	dir = dir && *dir ? dir : "/tmp";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "%s/rmap-verify-XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static void close_file(struct verify_file *f)
{
	for (int i = 0; i < 4; i++)
		if (f->open && f->fd[i] >= 0)
			close(f->fd[i]);
	f->open = false;
}

void verify_close_files(struct verify_session *s)
{
	for (uint32_t i = 0; i < s->nr_files; i++)
		close_file(&s->files[i]);
	free(s->files);
	s->files = NULL;
	s->nr_files = 0;
}

/* What the engine's file must hold in [offset, end) is written to the file, a page at a time. Its page cache is not disturbed. */
static bool copy_out(struct verify_session *s, uint32_t number, uint64_t offset, uint64_t end)
{
	struct rfile *f = rfile_named(s->runner, number);
	int fd = s->files[number].fd[MM_FILE_READ | MM_FILE_WRITE];

	for (uint64_t at = offset; at < end; at += RMAP_PAGE_SIZE) {
		uint64_t len = end - at < RMAP_PAGE_SIZE ? end - at : RMAP_PAGE_SIZE;
		size_t valid;

		if (!rfile_expected(f, at, s->page, &valid) ||
		    pwrite(fd, s->page, len, (off_t)at) != (ssize_t)len)
			return false;
	}
	return true;
}

static enum verify_result do_open(struct verify_session *s, const struct op *op)
{
	struct verify_file *f;
	struct stat st;
	char path[64];

	if (!room_for_file(s, op->file))
		return verify_say(s, VERIFY_BAD, "out of memory");
	if (!(op->flags & (OP_FILE_SHMEM | OP_FILE_SPARSE)) && op->len > FILE_MOST)
		return verify_say(s, VERIFY_UNABLE, "a file of more than %llu MiB",
				  (unsigned long long)(FILE_MOST >> 20));
	f = &s->files[op->file];
	f->shmem = op->flags & OP_FILE_SHMEM;
	f->fd[3] = f->shmem ? memfd_create("rmap-file", MFD_CLOEXEC) : nameless();
	if (f->fd[3] < 0)
		return verify_say(s, VERIFY_UNABLE, "a file cannot be made: %s", strerror(errno));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd[3]);
	f->open = true;
	f->fd[0] = open(path, O_PATH | O_CLOEXEC);
	f->fd[MM_FILE_READ] = open(path, O_RDONLY | O_CLOEXEC);
	f->fd[MM_FILE_WRITE] = open(path, O_WRONLY | O_CLOEXEC);
	for (int i = 1; i < 4; i++)
		posix_fadvise(f->fd[i], 0, 0, POSIX_FADV_RANDOM);
	if (ftruncate(f->fd[3], (off_t)op->len) || fstat(f->fd[3], &st))
		return verify_say(s, VERIFY_UNABLE, "a file of %llu bytes: %s",
				  (unsigned long long)op->len, strerror(errno));
	f->device = (uint64_t)(st.st_dev >> 8 & 0xfff) << 32 |
		    ((st.st_dev & 0xff) | (st.st_dev >> 12 & 0xfff00));
	f->inode = st.st_ino;
	/* A file that is gone may have had the same number. */
	for (size_t i = 0; i < s->nr_pairs; i++)
		if (s->pairs[i].device == f->device && s->pairs[i].inode == f->inode)
			s->pairs[i--] = s->pairs[--s->nr_pairs];
	f->size = op->len;
	if (!(op->flags & (OP_FILE_SHMEM | OP_FILE_SPARSE)) && !copy_out(s, op->file, 0, op->len))
		return verify_say(s, VERIFY_UNABLE, "a file cannot be written: %s",
				  strerror(errno));
	return VERIFY_AGREE;
}

enum verify_result verify_do_file(struct verify_session *s, const struct op *op)
{
	struct verify_file *f;
	int fd;

	if (op->kind == OP_FILE)
		return do_open(s, op);
	f = verify_file_of(s, op->file);
	if (!f)
		return verify_say(s, VERIFY_BAD, "the file is not open");
	fd = f->fd[MM_FILE_READ | MM_FILE_WRITE];
	switch (op->kind) {
	case OP_FILE_TRUNCATE:
		if (ftruncate(fd, (off_t)op->len))
			s->live_error = -errno;
		else
			f->size = op->len;
		break;
	case OP_FILE_WRITE:
		if (!s->engine_error && !copy_out(s, op->file, op->offset, op->offset + op->len))
			s->live_error = -errno;
		if (!s->engine_error && op->offset + op->len > f->size)
			f->size = op->offset + op->len;
		break;
	case OP_FILE_SYNC:
		if (fsync(fd))
			s->live_error = -errno;
		break;
	case OP_FILE_CLOSE:
		close_file(f);
		break;
	default: /* a read: contents are compared at the end, and in between wherever they are mapped; but it fills the cache */
		for (uint64_t at = 0; at < op->len && at < FILE_MOST; at += RMAP_PAGE_SIZE)
			if (pread(fd, s->page, RMAP_PAGE_SIZE, (off_t)(op->offset + at)) <= 0)
				break;
		break;
	}
	s->touched.around_all = true;
	return VERIFY_AGREE;
}

void verify_sync_files(struct verify_session *s)
{
	for (uint32_t i = 0; i < s->nr_files; i++) {
		struct verify_file *f = verify_file_of(s, i);
		struct rfile *r = f && !f->shmem ? rfile_named(s->runner, i) : NULL;

		if (r && !mm_file_sync(r->file) && fsync(f->fd[3]))
			s->live_error = -errno;
	}
}

enum verify_result verify_files(struct verify_session *s)
{
	unsigned char live[RMAP_PAGE_SIZE];

	for (uint32_t i = 0; i < s->nr_files; i++) {
		struct verify_file *f = verify_file_of(s, i);
		struct rfile *r = f ? rfile_named(s->runner, i) : NULL;
		struct stat st;

		if (!r)
			continue;
		if (fstat(f->fd[3], &st) || (uint64_t)st.st_size != mm_file_size(r->file))
			return verify_say(s, VERIFY_DIFFER,
					  "a file's size: live %llu bytes, engine %llu",
					  (unsigned long long)st.st_size,
					  (unsigned long long)mm_file_size(r->file));
		for (uint64_t at = 0; at < f->size && at < FILE_MOST; at += RMAP_PAGE_SIZE) {
			uint64_t len =
				f->size - at < RMAP_PAGE_SIZE ? f->size - at : RMAP_PAGE_SIZE;

			if (mm_file_read(r->file, at, s->page, len, NULL))
				continue;
			s->count.contents++;
			if (pread(f->fd[3], live, len, (off_t)at) == (ssize_t)len &&
			    !memcmp(live, s->page, len))
				continue;
			return verify_say(s, VERIFY_DIFFER,
					  "the contents of a file at offset 0x%llx differ",
					  (unsigned long long)at);
		}
	}
	return VERIFY_AGREE;
}

#endif
