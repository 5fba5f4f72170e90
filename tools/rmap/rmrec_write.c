// SPDX-License-Identifier: BSD-2-Clause
/*
 * Writing a record: events are packed into blocks as they come, the blocks wait in memory (a record
 * is small), and the header, which holds counts and the file table, is made at the end and goes in
 * front. The file appears under its name only when it is whole.
 */
#include "rmrec.h"
#include "rmrec_code.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#define RMREC_EVENT_MAX 128u /* bytes of the longest event, and more */
#define RMREC_LEVEL	19   /* zstd's: slow to write, small for good */

struct buffer {
	uint8_t *data;
	size_t len, cap;
};

struct write_file {
	char *path;
	uint64_t size, dev, ino;
};

struct rmrec_writer {
	uint32_t page_size;
	unsigned int page_shift;
	ZSTD_CCtx *cctx;
	struct buffer stream; /* finished blocks */
	struct buffer block;  /* the one being filled */
	struct rmrec_delta *procs;
	uint32_t nr_procs, cap_procs;
	uint32_t last_proc;
	uint32_t vmas_left;
	uint64_t vma_end;
	uint64_t nr_events, nr_faults;
	struct write_file *files;
	uint32_t nr_files, cap_files;
	bool no_memory; /* sticky: something was lost, finish refuses */
};

/* -- bytes ------------------------------------------------------------------------------------ */

static bool buffer_room(struct buffer *b, size_t more)
{
	if (b->cap - b->len >= more)
		return true;

	size_t cap = b->cap ? b->cap : 4096;

	while (cap - b->len < more)
		cap *= 2;

	uint8_t *data = realloc(b->data, cap);

	if (!data)
		return false;
	b->data = data;
	b->cap = cap;
	return true;
}

static void put_byte(struct buffer *b, unsigned int byte)
{
	b->data[b->len++] = (uint8_t)byte;
}

static void put_u(struct buffer *b, uint64_t v)
{
	for (; v > 0x7f; v >>= 7)
		put_byte(b, (v & 0x7f) | 0x80);
	put_byte(b, (unsigned int)v);
}

static void put_addr(struct buffer *b, uint64_t addr, uint64_t *last)
{
	put_u(b, rmrec_zigzag(addr - *last));
	*last = addr;
}

static bool put_string(struct buffer *b, const char *s)
{
	size_t n = strlen(s);

	if (!buffer_room(b, n + 64))
		return false;
	put_u(b, n);
	memcpy(b->data + b->len, s, n);
	b->len += n;
	return true;
}

/* -- life ------------------------------------------------------------------------------------- */

struct rmrec_writer *rmrec_writer_new(uint32_t page_size)
{
	struct rmrec_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	assert(page_size >= 4096 && page_size <= 65536 && !(page_size & (page_size - 1)));
	w->page_size = page_size;
	for (w->page_shift = 12; 1u << w->page_shift < page_size;)
		w->page_shift++;
	w->cctx = ZSTD_createCCtx();
	if (!w->cctx || !buffer_room(&w->block, RMREC_BLOCK_SIZE)) {
		rmrec_writer_free(w);
		return NULL;
	}
	return w;
}

void rmrec_writer_free(struct rmrec_writer *w)
{
	if (!w)
		return;
	for (uint32_t i = 0; i < w->nr_files; i++)
		free(w->files[i].path);
	ZSTD_freeCCtx(w->cctx);
	free(w->files);
	free(w->procs);
	free(w->stream.data);
	free(w->block.data);
	free(w);
}

uint32_t rmrec_writer_procs(const struct rmrec_writer *w)
{
	return w->nr_procs;
}

uint32_t rmrec_add_file(struct rmrec_writer *w, const char *path, uint64_t dev, uint64_t ino)
{
	if (w->nr_files == w->cap_files) {
		uint32_t cap = w->cap_files ? 2 * w->cap_files : 64;
		struct write_file *files = realloc(w->files, cap * sizeof(*files));

		if (!files || cap > RMREC_MAX_FILES * 2)
			return 0;
		w->files = files;
		w->cap_files = cap;
	}

	char *copy = strndup(path, RMREC_MAX_PATH);

	if (!copy)
		return 0;
	w->files[w->nr_files++] = (struct write_file){ .path = copy, .dev = dev, .ino = ino };
	return w->nr_files;
}

void rmrec_file_size(struct rmrec_writer *w, uint32_t id, uint64_t at_least)
{
	assert(id && id <= w->nr_files);
	if (w->files[id - 1].size < at_least)
		w->files[id - 1].size = at_least;
}

/* -- events ----------------------------------------------------------------------------------- */

static int flush_block(struct rmrec_writer *w)
{
	size_t bound = ZSTD_compressBound(w->block.len), n;
	uint8_t *head;

	if (!w->block.len)
		return 0;
	if (!buffer_room(&w->stream, bound + RMREC_BLOCK_HEAD))
		return -ENOMEM;
	head = w->stream.data + w->stream.len;
	n = ZSTD_compressCCtx(w->cctx, head + RMREC_BLOCK_HEAD, bound, w->block.data, w->block.len,
			      RMREC_LEVEL);
	if (ZSTD_isError(n))
		return -ENOMEM;
	rmrec_le32(head, (uint32_t)w->block.len);
	rmrec_le32(head + 4, (uint32_t)n);
	rmrec_le64(head + 8, XXH64(head + RMREC_BLOCK_HEAD, n, 0));
	w->stream.len += RMREC_BLOCK_HEAD + n;
	w->block.len = 0;
	return 0;
}

static int add_proc(struct rmrec_writer *w, const struct rmrec_delta *from)
{
	struct rmrec_delta d = { .alive = 1 };

	if (from)
		d = *from;
	if (w->nr_procs >= RMREC_MAX_PROCS)
		return -E2BIG;
	if (w->nr_procs == w->cap_procs) {
		uint32_t cap = w->cap_procs ? 2 * w->cap_procs : 64;
		struct rmrec_delta *procs = realloc(w->procs, cap * sizeof(*procs));

		if (!procs)
			return -ENOMEM;
		w->procs = procs;
		w->cap_procs = cap;
	}
	w->procs[w->nr_procs++] = d;
	return 0;
}

static void put_range(struct buffer *b, const struct rmrec_event *ev, struct rmrec_delta *d)
{
	put_u(b, ev->error);
	put_addr(b, ev->addr, &d->addr);
	put_u(b, ev->len);
}

static void put_mmap(struct buffer *b, const struct rmrec_event *ev, struct rmrec_delta *d)
{
	put_u(b, ev->error);
	if (!ev->error)
		put_addr(b, ev->result, &d->addr);
	if (!ev->addr) {
		put_u(b, RMREC_HINT_NONE);
	} else if (!ev->error && ev->addr == ev->result) {
		put_u(b, RMREC_HINT_RESULT);
	} else {
		put_u(b, RMREC_HINT_OTHER);
		put_u(b, ev->addr);
	}
	put_u(b, ev->len);
	put_u(b, ev->prot);
	put_u(b, ev->flags);
	put_u(b, ev->file);
	if (ev->file)
		put_u(b, ev->offset);
}

static void put_vma(struct rmrec_writer *w, struct buffer *b, const struct rmrec_event *ev)
{
	uint64_t mask = w->page_size - 1;

	assert(w->vmas_left && ev->len && !((ev->addr | ev->len | ev->offset) & mask));
	put_u(b, rmrec_zigzag((uint64_t)((int64_t)(ev->addr - w->vma_end) >> w->page_shift)));
	put_u(b, ev->len >> w->page_shift);
	put_u(b, (ev->prot & 7) | (uint64_t)(ev->vma_flags & 15) << 3);
	put_u(b, ev->file);
	if (ev->file)
		put_u(b, ev->offset >> w->page_shift);
	w->vma_end = ev->addr + ev->len;
	w->vmas_left--;
}

static void put_fault(struct rmrec_writer *w, struct buffer *b, const struct rmrec_event *ev,
		      struct rmrec_delta *d)
{
	uint64_t page = ev->addr >> w->page_shift;

	if (page != d->page + 1)
		put_u(b, rmrec_zigzag(page - d->page));
	d->page = page;
	w->nr_faults++;
}

static void put_body(struct rmrec_writer *w, const struct rmrec_event *ev, struct rmrec_delta *d)
{
	struct buffer *b = &w->block;

	switch (ev->kind) {
	case RMREC_EXEC:
		put_u(b, ev->count);
		put_u(b, ev->file);
		put_addr(b, ev->addr, &d->addr);
		w->vmas_left = ev->count;
		w->vma_end = 0;
		break;
	case RMREC_VMA:
		put_vma(w, b, ev);
		break;
	case RMREC_MMAP:
		put_mmap(b, ev, d);
		break;
	case RMREC_MPROTECT:
		put_range(b, ev, d);
		put_u(b, ev->prot);
		break;
	case RMREC_MREMAP:
		put_range(b, ev, d);
		put_u(b, ev->new_len);
		put_u(b, ev->flags);
		put_u(b, ev->new_addr);
		if (!ev->error)
			put_addr(b, ev->result, &d->addr);
		break;
	case RMREC_MADVISE:
	case RMREC_MLOCK:
	case RMREC_MSYNC:
		put_range(b, ev, d);
		put_u(b, ev->flags);
		break;
	case RMREC_MUNMAP:
	case RMREC_MUNLOCK:
		put_range(b, ev, d);
		break;
	case RMREC_BRK:
		put_u(b, ev->addr);
		put_addr(b, ev->result, &d->addr);
		break;
	case RMREC_MLOCKALL:
		put_u(b, ev->error);
		put_u(b, ev->flags);
		break;
	case RMREC_MUNLOCKALL:
		put_u(b, ev->error);
		break;
	case RMREC_EXIT:
		d->alive = 0;
		break;
	case RMREC_FAULT:
		put_fault(w, b, ev, d);
		break;
	case RMREC_FORK:
	case RMREC_SHARE:
	case RMREC_THREAD:
	case RMREC_THREAD_EXIT:
	case RMREC_NR_KINDS:
		break;
	}
}

static unsigned int first_byte(const struct rmrec_writer *w, const struct rmrec_event *ev)
{
	unsigned int first = ev->kind;

	if (ev->kind == RMREC_FAULT) {
		first = RMREC_B_FAULT | (ev->fault & 0x1f);
		if (ev->addr >> w->page_shift == w->procs[ev->proc].page + 1)
			first |= RMREC_B_NEXT;
	}
	if (ev->proc != w->last_proc)
		first |= RMREC_B_PROC;
	return first;
}

int rmrec_put(struct rmrec_writer *w, const struct rmrec_event *ev)
{
	int ret = 0;

	if (w->no_memory)
		return -ENOMEM;
	if (!w->nr_procs) {
		assert(ev->kind == RMREC_EXEC && ev->proc == 0);
		ret = add_proc(w, NULL);
	}
	if (!ret && w->block.len + RMREC_EVENT_MAX > RMREC_BLOCK_SIZE)
		ret = flush_block(w);
	if (ret)
		goto lost;
	assert(ev->proc < w->nr_procs && w->procs[ev->proc].alive);
	assert((ev->kind == RMREC_VMA) == (w->vmas_left != 0));
	assert(ev->file <= w->nr_files);

	if (ev->kind == RMREC_FORK || ev->kind == RMREC_SHARE) {
		struct rmrec_delta from = w->procs[ev->proc];

		assert(ev->child == w->nr_procs);
		ret = add_proc(w, &from);
		if (ret)
			goto lost;
	}
	put_byte(&w->block, first_byte(w, ev));
	if (ev->proc != w->last_proc)
		put_u(&w->block, ev->proc);
	w->last_proc = ev->proc;
	put_body(w, ev, &w->procs[ev->proc]);
	w->nr_events++;
	return 0;
lost:
	w->no_memory = true;
	return ret;
}

/* -- the end ---------------------------------------------------------------------------------- */

static bool put_meta(struct rmrec_writer *w, const struct rmrec_info *info, struct buffer *b)
{
	if (!put_string(b, info->machine ? info->machine : "") ||
	    !put_string(b, info->clock ? info->clock : "") ||
	    !put_string(b, info->command ? info->command : ""))
		return false;
	for (uint32_t i = 0; i < w->nr_files; i++) {
		const struct write_file *f = &w->files[i];

		if (!put_string(b, f->path) || !buffer_room(b, 64))
			return false;
		put_u(b, f->size);
		put_u(b, f->dev);
		put_u(b, f->ino);
	}
	return true;
}

int rmrec_finish_mem(struct rmrec_writer *w, const struct rmrec_info *info, void **bytes,
		     size_t *size)
{
	struct buffer meta = { 0 }, out = { 0 };
	size_t n = 0, bound;
	uint8_t *h;

	assert(!w->vmas_left);
	if (w->no_memory || flush_block(w) || !put_meta(w, info, &meta))
		goto fail;
	bound = ZSTD_compressBound(meta.len);
	if (meta.len > RMREC_MAX_META ||
	    !buffer_room(&out, RMREC_HEADER_SIZE + bound + w->stream.len))
		goto fail;
	h = out.data;
	n = ZSTD_compressCCtx(w->cctx, h + RMREC_HEADER_SIZE, bound, meta.data, meta.len,
			      RMREC_LEVEL);
	if (ZSTD_isError(n))
		goto fail;
	memset(h, 0, RMREC_HEADER_SIZE);
	memcpy(h, RMREC_MAGIC, sizeof(RMREC_MAGIC) - 1);
	rmrec_le32(h + 8, RMREC_VERSION);
	rmrec_le32(h + 12, w->page_size);
	rmrec_le64(h + 16, w->nr_events);
	rmrec_le64(h + 24, w->nr_faults);
	rmrec_le64(h + 32, info->dropped);
	rmrec_le64(h + 40, info->misfits);
	rmrec_le64(h + 48, info->swap_ins);
	rmrec_le64(h + 56, info->memory_limit);
	rmrec_le64(h + 64, info->time);
	rmrec_le32(h + 72, w->nr_procs);
	rmrec_le32(h + 76, w->nr_files);
	rmrec_le32(h + 80, (uint32_t)meta.len);
	rmrec_le32(h + 84, (uint32_t)n);
	rmrec_le64(h + 88, XXH64(h + RMREC_HEADER_SIZE, n, 0));
	rmrec_le64(h + 96, w->stream.len);
	rmrec_le64(h + 120, XXH64(h, 120, 0));
	out.len = RMREC_HEADER_SIZE + n;
	if (w->stream.len)
		memcpy(out.data + out.len, w->stream.data, w->stream.len);
	out.len += w->stream.len;
	free(meta.data);
	*bytes = out.data;
	*size = out.len;
	return 0;
fail:
	free(meta.data);
	free(out.data);
	return -ENOMEM;
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t put = write(fd, p, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		p += put;
		n -= (size_t)put;
	}
	return 0;
}

/* A device or a pipe is written as it is; a file is made beside its name and then renamed. */
static int write_file(const char *path, const uint8_t *p, size_t n)
{
	struct stat st;
	bool direct = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
	size_t len = strlen(path) + 32;
	char *temp = malloc(len);
	int fd, ret;

	if (!temp)
		return -ENOMEM;
	snprintf(temp, len, direct ? "%s" : "%s.%ld.part", path, (long)getpid());
	fd = open(temp, O_WRONLY | O_CLOEXEC | (direct ? 0 : O_CREAT | O_TRUNC), 0666);
	if (fd < 0) {
		ret = -errno;
		free(temp);
		return ret;
	}
	ret = write_all(fd, p, n);
	if (close(fd) && !ret)
		ret = -errno;
	if (!direct && !ret && rename(temp, path))
		ret = -errno;
	if (!direct && ret)
		unlink(temp);
	free(temp);
	return ret;
}

int rmrec_finish(struct rmrec_writer *w, const char *path, const struct rmrec_info *info,
		 char err[RMREC_ERR_SIZE])
{
	void *bytes;
	size_t size;
	int ret = rmrec_finish_mem(w, info, &bytes, &size);

	if (ret) {
		snprintf(err, RMREC_ERR_SIZE, "no memory to write the record");
		return ret;
	}
	ret = write_file(path, bytes, size);
	free(bytes);
	if (ret)
		snprintf(err, RMREC_ERR_SIZE, "cannot be written: %s", strerror(-ret));
	return ret;
}
