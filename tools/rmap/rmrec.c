// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading a record. The file is hostile until proven otherwise: each length is held against what
 * is left before it is used, each block carries a checksum, and what is allocated is bounded by
 * constants and by the processes that really appear, so a file that claims 2^60 events costs no
 * more than its own bytes and one block.
 */
#include "rmrec.h"
#include "rmrec_code.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

struct rmrec {
	/* where the bytes come from: a descriptor, or memory */
	int fd;
	const uint8_t *mem;
	uint64_t size;
	uint64_t stream_start;

	struct rmrec_info info;
	char *strings; /* the meta section, unpacked; info and files point into it */
	struct rmrec_file *files;
	ZSTD_DCtx *dctx;

	/* the current block, unpacked */
	uint8_t *block;
	uint8_t *packed;
	size_t packed_cap;
	const uint8_t *p, *end;
	uint64_t pos; /* of the next block in the file */
	uint64_t nr_block;

	/* the state of the stream */
	struct rmrec_delta *procs;
	uint32_t nr_procs, cap_procs;
	uint32_t last_proc;
	uint32_t vmas_left; /* of the layout being read */
	uint64_t vma_end;
	uint64_t nr_events, nr_faults;
	unsigned int page_shift;
	bool failed;
	char error[RMREC_ERR_SIZE];
};

static const char *const kind_names[RMREC_NR_KINDS] = {
	[RMREC_EXEC] = "exec",	       [RMREC_VMA] = "vma",
	[RMREC_MMAP] = "mmap",	       [RMREC_MUNMAP] = "munmap",
	[RMREC_MPROTECT] = "mprotect", [RMREC_MREMAP] = "mremap",
	[RMREC_MADVISE] = "madvise",   [RMREC_BRK] = "brk",
	[RMREC_MLOCK] = "mlock",       [RMREC_MUNLOCK] = "munlock",
	[RMREC_MLOCKALL] = "mlockall", [RMREC_MUNLOCKALL] = "munlockall",
	[RMREC_MSYNC] = "msync",       [RMREC_FORK] = "fork",
	[RMREC_SHARE] = "share",       [RMREC_THREAD] = "thread",
	[RMREC_EXIT] = "exit",	       [RMREC_THREAD_EXIT] = "thread-exit",
	[RMREC_FAULT] = "fault",
};

const char *rmrec_kind_name(enum rmrec_kind kind)
{
	if ((unsigned int)kind >= RMREC_NR_KINDS || !kind_names[kind])
		return "unknown";
	return kind_names[kind];
}

__attribute__((format(printf, 2, 3))) static int damaged(struct rmrec *r, const char *fmt, ...)
{
	va_list ap;

	if (!r->failed) {
		int n = snprintf(r->error, sizeof(r->error), "the record is damaged: ");

		va_start(ap, fmt);
		vsnprintf(r->error + n, sizeof(r->error) - (size_t)n, fmt, ap);
		va_end(ap);
	}
	r->failed = true;
	r->p = r->end = NULL;
	return -1;
}

/* -- bytes ------------------------------------------------------------------------------------ */

static int src_read(struct rmrec *r, uint64_t off, void *buf, size_t n)
{
	uint8_t *to = buf;

	if (off > r->size || n > r->size - off)
		return damaged(r, "it ends too early, %zu bytes are wanted at %" PRIu64, n, off);
	if (r->mem) {
		memcpy(buf, r->mem + off, n);
		return 0;
	}
	while (n) {
		ssize_t got = pread(r->fd, to, n, (off_t)off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return damaged(r, "reading failed at %" PRIu64 ": %s", off,
				       strerror(errno));
		if (got == 0)
			return damaged(r, "it became shorter while it was read");
		to += got;
		off += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

static uint64_t take_u(struct rmrec *r)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		if (r->p == r->end)
			break;

		uint64_t byte = *r->p++;

		if (shift == 63 && byte > 1)
			break;
		v |= (byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
	damaged(r, "a number is cut off or too large in block %" PRIu64, r->nr_block);
	return 0;
}

static uint32_t take_u32(struct rmrec *r)
{
	uint64_t v = take_u(r);

	if (v > UINT32_MAX) {
		damaged(r, "%" PRIu64 " does not fit in 32 bits in block %" PRIu64, v, r->nr_block);
		return 0;
	}
	return (uint32_t)v;
}

static uint64_t take_addr(struct rmrec *r, uint64_t *last)
{
	*last += rmrec_unzigzag(take_u(r));
	return *last;
}

/* -- opening ---------------------------------------------------------------------------------- */

/* A string of the meta section, which stays in place: the length before it is overwritten. */
static const char *take_string(struct rmrec *r)
{
	uint64_t n = take_u(r);

	if (r->failed)
		return "";
	if (n > (uint64_t)(r->end - r->p)) {
		damaged(r, "a string in its header is longer than the header");
		return "";
	}
	if (memchr(r->p, 0, (size_t)n)) {
		damaged(r, "a string in its header holds a zero byte");
		return "";
	}

	/* the length took at least one byte, so there is room to shift by one and close with 0 */
	char *s = r->strings + (r->p - (const uint8_t *)r->strings) - 1;

	memmove(s, s + 1, (size_t)n);
	s[n] = 0;
	r->p += n;
	return s;
}

static int read_meta(struct rmrec *r, uint32_t raw, const uint8_t *packed, uint32_t len)
{
	if (ZSTD_getFrameContentSize(packed, len) != raw)
		return damaged(r, "its header claims a size that its contents deny");
	r->strings = malloc((size_t)raw + 1);
	if (!r->strings)
		return damaged(r, "no memory for its header");
	if (ZSTD_decompressDCtx(r->dctx, r->strings, raw, packed, len) != raw)
		return damaged(r, "its header does not unpack");

	r->p = (const uint8_t *)r->strings;
	r->end = r->p + raw;
	r->info.machine = take_string(r);
	r->info.clock = take_string(r);
	r->info.command = take_string(r);
	/* a file takes four bytes at the least */
	if (r->failed || r->info.nr_files > RMREC_MAX_FILES || r->info.nr_files > raw / 4)
		return damaged(r, "it claims %" PRIu32 " files", r->info.nr_files);
	r->files = calloc((size_t)r->info.nr_files + 1, sizeof(*r->files));
	if (!r->files)
		return damaged(r, "no memory for its files");
	for (uint32_t i = 0; i < r->info.nr_files; i++) {
		r->files[i].path = take_string(r);
		r->files[i].size = take_u(r);
		r->files[i].dev = take_u(r);
		r->files[i].ino = take_u(r);
		if (r->failed)
			return -1;
		if (strlen(r->files[i].path) > RMREC_MAX_PATH || r->files[i].size > INT64_MAX)
			return damaged(r, "its file %" PRIu32 " is absurd", i + 1);
	}
	if (r->p != r->end)
		return damaged(r, "its header has bytes to spare");
	return 0;
}

static int read_header(struct rmrec *r)
{
	uint8_t h[RMREC_HEADER_SIZE];

	if (r->size < sizeof(h) || src_read(r, 0, h, sizeof(h)) ||
	    memcmp(h, RMREC_MAGIC, sizeof(RMREC_MAGIC) - 1)) {
		r->failed = true;
		snprintf(r->error, sizeof(r->error), "this is not a record made by rmap");
		return -1;
	}
	r->info.version = rmrec_get32(h + 8);
	if (r->info.version != RMREC_VERSION) {
		r->failed = true;
		snprintf(r->error, sizeof(r->error),
			 "the record has version %" PRIu32 ", this program reads version %u",
			 r->info.version, RMREC_VERSION);
		return -1;
	}
	if (rmrec_get64(h + 120) != XXH64(h, 120, 0))
		return damaged(r, "its header has a wrong checksum");

	r->info.page_size = rmrec_get32(h + 12);
	r->info.nr_events = rmrec_get64(h + 16);
	r->info.nr_faults = rmrec_get64(h + 24);
	r->info.dropped = rmrec_get64(h + 32);
	r->info.misfits = rmrec_get64(h + 40);
	r->info.swap_ins = rmrec_get64(h + 48);
	r->info.memory_limit = rmrec_get64(h + 56);
	r->info.time = rmrec_get64(h + 64);
	r->info.nr_procs = rmrec_get32(h + 72);
	r->info.nr_files = rmrec_get32(h + 76);

	uint32_t raw = rmrec_get32(h + 80), len = rmrec_get32(h + 84);
	uint64_t stream = rmrec_get64(h + 96);

	if (r->info.page_size < 4096 || r->info.page_size > 65536 ||
	    (r->info.page_size & (r->info.page_size - 1)))
		return damaged(r, "its page size is %" PRIu32, r->info.page_size);
	for (r->page_shift = 12; 1u << r->page_shift < r->info.page_size;)
		r->page_shift++;
	if (r->info.nr_procs > RMREC_MAX_PROCS)
		return damaged(r, "it claims %" PRIu32 " processes", r->info.nr_procs);
	if (raw > RMREC_MAX_META || len > RMREC_MAX_META || len > r->size - sizeof(h))
		return damaged(r, "its header claims %" PRIu32 " bytes", len);
	r->stream_start = sizeof(h) + (uint64_t)len;
	if (stream != r->size - r->stream_start)
		return damaged(r, "%" PRIu64 " bytes of events are claimed, %" PRIu64 " are there",
			       stream, r->size - r->stream_start);

	uint8_t *packed = malloc((size_t)len + 1);
	int ret;

	if (!packed)
		return damaged(r, "no memory for its header");
	ret = src_read(r, sizeof(h), packed, len);
	if (!ret && XXH64(packed, len, 0) != rmrec_get64(h + 88))
		ret = damaged(r, "its file table has a wrong checksum");
	if (!ret)
		ret = read_meta(r, raw, packed, len);
	free(packed);
	return ret;
}

static int open_common(struct rmrec *r, struct rmrec **out, char err[RMREC_ERR_SIZE])
{
	r->dctx = ZSTD_createDCtx();
	r->block = malloc(RMREC_BLOCK_SIZE);
	r->packed_cap = ZSTD_compressBound(RMREC_BLOCK_SIZE);
	r->packed = malloc(r->packed_cap);
	if (!r->dctx || !r->block || !r->packed) {
		snprintf(err, RMREC_ERR_SIZE, "no memory to read the record");
		rmrec_close(r);
		return -ENOMEM;
	}
	if (read_header(r)) {
		snprintf(err, RMREC_ERR_SIZE, "%s", r->error);
		rmrec_close(r);
		return -EINVAL;
	}
	rmrec_rewind(r);
	*out = r;
	return 0;
}

int rmrec_open(const char *path, struct rmrec **out, char err[RMREC_ERR_SIZE])
{
	struct rmrec *r = calloc(1, sizeof(*r));
	struct stat st;
	int ret = 0;

	if (!r) {
		snprintf(err, RMREC_ERR_SIZE, "no memory to read the record");
		return -ENOMEM;
	}
	r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (r->fd < 0 || fstat(r->fd, &st)) {
		ret = -errno;
		snprintf(err, RMREC_ERR_SIZE, "cannot be read: %s", strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		ret = -EINVAL;
		snprintf(err, RMREC_ERR_SIZE, "is no regular file");
	}
	if (ret) {
		rmrec_close(r);
		return ret;
	}
	r->size = (uint64_t)st.st_size;
	return open_common(r, out, err);
}

int rmrec_open_mem(const void *bytes, size_t size, struct rmrec **out, char err[RMREC_ERR_SIZE])
{
	struct rmrec *r = calloc(1, sizeof(*r));

	if (!r) {
		snprintf(err, RMREC_ERR_SIZE, "no memory to read the record");
		return -ENOMEM;
	}
	r->fd = -1;
	r->mem = size ? bytes : (const void *)"";
	r->size = size;
	return open_common(r, out, err);
}

void rmrec_close(struct rmrec *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	ZSTD_freeDCtx(r->dctx);
	free(r->block);
	free(r->packed);
	free(r->strings);
	free(r->files);
	free(r->procs);
	free(r);
}

const struct rmrec_info *rmrec_info(const struct rmrec *r)
{
	return &r->info;
}

const struct rmrec_file *rmrec_file(const struct rmrec *r, uint32_t id)
{
	return id && id <= r->info.nr_files ? &r->files[id - 1] : NULL;
}

const char *rmrec_error(const struct rmrec *r)
{
	return r->error;
}

void rmrec_rewind(struct rmrec *r)
{
	r->pos = r->stream_start;
	r->p = r->end = r->block;
	r->nr_block = 0;
	r->nr_procs = 0;
	r->last_proc = 0;
	r->vmas_left = 0;
	r->nr_events = r->nr_faults = 0;
	r->failed = false;
	r->error[0] = 0;
}

/* -- events ----------------------------------------------------------------------------------- */

/* 1: a block is there; 0: the stream ended; -1: damaged */
static int next_block(struct rmrec *r)
{
	uint8_t head[RMREC_BLOCK_HEAD];

	if (r->pos == r->size) {
		if (r->vmas_left)
			return damaged(r, "it ends in the middle of a layout");
		if (r->nr_events != r->info.nr_events || r->nr_procs != r->info.nr_procs ||
		    r->nr_faults != r->info.nr_faults)
			return damaged(r, "it holds %" PRIu64 " events and claims %" PRIu64,
				       r->nr_events, r->info.nr_events);
		return 0;
	}
	if (src_read(r, r->pos, head, sizeof(head)))
		return -1;

	uint32_t raw = rmrec_get32(head), len = rmrec_get32(head + 4);

	r->nr_block++;
	if (!raw || raw > RMREC_BLOCK_SIZE || len > r->packed_cap)
		return damaged(r, "block %" PRIu64 " claims %" PRIu32 " bytes in %" PRIu32,
			       r->nr_block, raw, len);
	if (src_read(r, r->pos + sizeof(head), r->packed, len))
		return -1;
	if (XXH64(r->packed, len, 0) != rmrec_get64(head + 8))
		return damaged(r, "block %" PRIu64 " has a wrong checksum", r->nr_block);
	if (ZSTD_decompressDCtx(r->dctx, r->block, raw, r->packed, len) != raw)
		return damaged(r, "block %" PRIu64 " does not unpack", r->nr_block);
	r->pos += sizeof(head) + len;
	r->p = r->block;
	r->end = r->block + raw;
	return 1;
}

static int add_proc(struct rmrec *r, uint32_t *id, const struct rmrec_delta *from)
{
	struct rmrec_delta d = { .alive = 1 };

	if (from)
		d = *from;
	if (r->nr_procs >= r->info.nr_procs)
		return damaged(r, "it has more processes than the %" PRIu32 " that it claims",
			       r->info.nr_procs);
	if (r->nr_procs == r->cap_procs) {
		uint32_t cap = r->cap_procs ? 2 * r->cap_procs : 64;
		struct rmrec_delta *procs = realloc(r->procs, cap * sizeof(*procs));

		if (!procs)
			return damaged(r, "no memory for its processes");
		r->procs = procs;
		r->cap_procs = cap;
	}
	*id = r->nr_procs;
	r->procs[r->nr_procs++] = d;
	return 0;
}

static uint32_t take_file(struct rmrec *r)
{
	uint32_t id = take_u32(r);

	if (id > r->info.nr_files) {
		damaged(r, "file %" PRIu32 " is not in its table", id);
		return 0;
	}
	return id;
}

static void take_vma(struct rmrec *r, struct rmrec_event *ev)
{
	uint64_t pages, bits;

	r->vma_end += rmrec_unzigzag(take_u(r)) << r->page_shift;
	ev->addr = r->vma_end;
	pages = take_u(r);
	bits = take_u(r);
	ev->prot = bits & 7;
	ev->vma_flags = bits >> 3 & 15;
	ev->file = take_file(r);
	if (ev->file) {
		uint64_t pgoff = take_u(r);

		ev->offset = pgoff << r->page_shift;
		if (ev->offset >> r->page_shift != pgoff)
			damaged(r, "a file offset is too large");
	}
	ev->len = pages << r->page_shift;
	if (!pages || bits >> 7 || ev->len >> r->page_shift != pages ||
	    ev->addr + ev->len < ev->addr || ev->addr & (r->info.page_size - 1))
		damaged(r, "a VMA of a layout is absurd");
	r->vma_end = ev->addr + ev->len;
	r->vmas_left--;
}

static void take_mmap(struct rmrec *r, struct rmrec_event *ev, struct rmrec_delta *d)
{
	uint32_t hint;

	ev->error = take_u32(r);
	if (!ev->error)
		ev->result = take_addr(r, &d->addr);
	hint = take_u32(r);
	if (hint == RMREC_HINT_RESULT)
		ev->addr = ev->result;
	else if (hint == RMREC_HINT_OTHER)
		ev->addr = take_u(r);
	else if (hint != RMREC_HINT_NONE)
		damaged(r, "an mmap has a hint of kind %" PRIu32, hint);
	ev->len = take_u(r);
	ev->prot = take_u32(r);
	ev->flags = take_u(r);
	ev->file = take_file(r);
	if (ev->file)
		ev->offset = take_u(r);
}

static void take_range(struct rmrec *r, struct rmrec_event *ev, struct rmrec_delta *d)
{
	ev->error = take_u32(r);
	ev->addr = take_addr(r, &d->addr);
	ev->len = take_u(r);
}

static void take_exec(struct rmrec *r, struct rmrec_event *ev, struct rmrec_delta *d)
{
	ev->count = take_u32(r);
	ev->file = take_file(r);
	ev->addr = take_addr(r, &d->addr);
	if (!ev->count || ev->count > RMREC_MAX_VMAS)
		damaged(r, "a layout claims %" PRIu32 " VMAs", ev->count);
	r->vmas_left = ev->count;
	r->vma_end = 0;
}

/* What follows the first byte and the process of an event that is no fault. */
static void take_body(struct rmrec *r, struct rmrec_event *ev, struct rmrec_delta *d)
{
	switch (ev->kind) {
	case RMREC_EXEC:
		take_exec(r, ev, d);
		break;
	case RMREC_VMA:
		take_vma(r, ev);
		break;
	case RMREC_MMAP:
		take_mmap(r, ev, d);
		break;
	case RMREC_MPROTECT:
		take_range(r, ev, d);
		ev->prot = take_u32(r);
		break;
	case RMREC_MREMAP:
		take_range(r, ev, d);
		ev->new_len = take_u(r);
		ev->flags = take_u(r);
		ev->new_addr = take_u(r);
		if (!ev->error)
			ev->result = take_addr(r, &d->addr);
		break;
	case RMREC_MADVISE:
	case RMREC_MLOCK:
	case RMREC_MSYNC:
		take_range(r, ev, d);
		ev->flags = take_u(r);
		break;
	case RMREC_MUNMAP:
	case RMREC_MUNLOCK:
		take_range(r, ev, d);
		break;
	case RMREC_BRK:
		ev->addr = take_u(r);
		ev->result = take_addr(r, &d->addr);
		break;
	case RMREC_MLOCKALL:
		ev->error = take_u32(r);
		ev->flags = take_u(r);
		break;
	case RMREC_MUNLOCKALL:
		ev->error = take_u32(r);
		break;
	case RMREC_FORK:
	case RMREC_SHARE:
		add_proc(r, &ev->child, d);
		break;
	case RMREC_EXIT:
		d->alive = 0;
		break;
	case RMREC_THREAD:
	case RMREC_THREAD_EXIT:
		break;
	case RMREC_FAULT:
	case RMREC_NR_KINDS:
	default:
		damaged(r, "an event has the unknown kind %u", (unsigned int)ev->kind);
	}
}

static void take_fault(struct rmrec *r, struct rmrec_event *ev, struct rmrec_delta *d,
		       unsigned int first)
{
	ev->fault = first & 0x1f;
	if (first & RMREC_B_NEXT)
		d->page++;
	else
		d->page += rmrec_unzigzag(take_u(r));
	d->page &= UINT64_MAX >> r->page_shift;
	ev->addr = d->page << r->page_shift;
	r->nr_faults++;
}

int rmrec_next(struct rmrec *r, struct rmrec_event *ev)
{
	memset(ev, 0, sizeof(*ev));
	if (r->failed)
		return -1;
	if (r->p == r->end) {
		int ret = next_block(r);

		if (ret <= 0)
			return ret;
	}

	unsigned int first = *r->p++;
	uint32_t proc = r->last_proc;

	ev->kind = first & RMREC_B_FAULT ? RMREC_FAULT : (enum rmrec_kind)(first & 0x1f);
	if (!(first & RMREC_B_FAULT) && (first & RMREC_B_NEXT))
		return damaged(r, "an event has an unknown mark in block %" PRIu64, r->nr_block);
	if (first & RMREC_B_PROC)
		proc = take_u32(r);
	if (!r->failed && r->nr_procs == 0) {
		if (ev->kind != RMREC_EXEC || proc != 0)
			return damaged(r, "it does not begin with an exec");
		if (add_proc(r, &proc, NULL))
			return -1;
	}
	if (r->failed || proc >= r->nr_procs || !r->procs[proc].alive)
		return damaged(r, "process %" PRIu32 " is not there in block %" PRIu64, proc,
			       r->nr_block);
	if ((ev->kind == RMREC_VMA) != (r->vmas_left != 0) ||
	    (ev->kind == RMREC_VMA && proc != r->last_proc))
		return damaged(r, "a layout is broken off in block %" PRIu64, r->nr_block);
	r->last_proc = proc;
	ev->proc = proc;

	/* a copy, since a new process may move the table */
	struct rmrec_delta d = r->procs[proc];

	if (ev->kind == RMREC_FAULT)
		take_fault(r, ev, &d, first);
	else
		take_body(r, ev, &d);
	if (r->failed)
		return -1;
	r->procs[proc] = d;
	r->nr_events++;
	return 1;
}
