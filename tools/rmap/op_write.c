// SPDX-License-Identifier: BSD-2-Clause
/*
 * An operation as a line of the workload language: the parser's way back.
 *
 * Lines are for people first (words where there are words) and exact all the same: what has no word is said by flags= and
 * prot=, so that what is printed can be run again.
 */
#include "verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct words {
	uint32_t bits;
	const char *word;
};

struct line {
	char *buf;
	size_t size, len;
	struct op_source *source;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *l, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(l->buf + l->len, l->size - l->len, format, args);
	va_end(args);
	if (n > 0)
		l->len = l->len + (size_t)n < l->size ? l->len + (size_t)n : l->size - 1;
}

/* Words for bits; what is left over comes back. */
static uint32_t put_words(struct line *l, const struct words *words, uint32_t bits)
{
	for (; words->word; words++)
		if ((bits & words->bits) == words->bits) {
			put(l, " %s", words->word);
			bits &= ~words->bits;
		}
	return bits;
}

static const char *proc_name(struct line *l, uint64_t proc, char buf[80])
{
	if (l->source && l->source->proc_name)
		return l->source->proc_name(l->source, proc, buf, 80);
	snprintf(buf, 80, "P%llu", (unsigned long long)proc);
	return buf;
}

static void put_file(struct line *l, uint32_t file)
{
	char buf[80];

	if (l->source && l->source->file_name)
		put(l, "%s", l->source->file_name(l->source, file, buf, sizeof(buf)));
	else
		put(l, "f%u", file);
}

/* Pages where that is exact, else bytes. */
static void put_size(struct line *l, uint64_t bytes)
{
	if (bytes && !(bytes % RMAP_PAGE_SIZE) && bytes < (uint64_t)1 << 40)
		put(l, " %llup", (unsigned long long)(bytes / RMAP_PAGE_SIZE));
	else
		put(l, " 0x%llx", (unsigned long long)bytes);
}

static void put_at(struct line *l, const struct op_addr *addr)
{
	if (!addr->mark)
		put(l, "0x%llx", (unsigned long long)addr->off);
	else if (addr->off)
		put(l, "m%u+0x%llx", addr->mark, (unsigned long long)addr->off);
	else
		put(l, "m%u", addr->mark);
}

static void put_prot(struct line *l, uint32_t prot)
{
	put(l, " %s%s%s%s", prot & MM_PROT_READ ? "r" : "", prot & MM_PROT_WRITE ? "w" : "",
	    prot & MM_PROT_EXEC ? "x" : "", prot & 7 ? "" : "none");
}

/* The bits that have no letter, and no word either. */
static void put_raw_prot(struct line *l, uint32_t prot)
{
	if (prot & ~7u)
		put(l, " prot=0x%x", prot & ~7u);
}

static void put_value(struct line *l, const struct op *op)
{
	if (op->has_value)
		put(l, " = %llu%s", (unsigned long long)op->value, op->value_steps ? " step" : "");
}

/* ---------------------------------------------------------------- calls */

static void put_mmap(struct line *l, const struct op *op)
{
	static const struct words words[] = {
		{ MM_MAP_SHARED_VALIDATE, "shared_validate" },
		{ MM_MAP_SHARED, "shared" },
		{ MM_MAP_PRIVATE, "private" },
		{ MM_MAP_ANONYMOUS, "anon" },
		{ MM_MAP_FIXED, "fixed" },
		{ MM_MAP_FIXED_NOREPLACE, "noreplace" },
		{ MM_MAP_GROWSDOWN, "growsdown" },
		{ MM_MAP_DENYWRITE, "denywrite" },
		{ MM_MAP_POPULATE, "populate" },
		{ MM_MAP_NONBLOCK, "nonblock" },
		{ MM_MAP_NORESERVE, "noreserve" },
		{ MM_MAP_LOCKED, "locked" },
		{ MM_MAP_STACK, "stack" },
		{ 0, NULL },
	};
	bool raw = !(op->flags & MM_MAP_SHARED_VALIDATE) ||
		   !(op->file || op->flags & MM_MAP_ANONYMOUS);
	uint32_t left;

	put(l, " mmap");
	put_size(l, op->len);
	put_prot(l, op->prot);
	put_raw_prot(l, op->prot);
	if (op->addr.mark || op->addr.off) {
		put(l, " at=");
		put_at(l, &op->addr);
	}
	left = put_words(l, words, op->flags);
	if (left || raw)
		put(l, " flags=0x%x", left);
	if (op->file) {
		put(l, " file=");
		put_file(l, op->file);
		if (op->file_mode && op->file_mode != (MM_FILE_READ | MM_FILE_WRITE))
			put(l, " mode=%s", op->file_mode == MM_FILE_READ ? "r" : "w");
	}
	if (op->offset)
		put(l, " offset=0x%llx", (unsigned long long)op->offset);
}

static void put_mremap(struct line *l, const struct op *op)
{
	static const struct words words[] = {
		{ MM_MREMAP_MAYMOVE, "maymove" },
		{ MM_MREMAP_DONTUNMAP, "dontunmap" },
		{ 0, NULL },
	};
	bool to = (op->flags & MM_MREMAP_FIXED) && (op->flags & MM_MREMAP_MAYMOVE);
	uint32_t flags = op->flags & ~(uint32_t)(to ? MM_MREMAP_FIXED | MM_MREMAP_MAYMOVE : 0);

	put(l, " mremap ");
	put_at(l, &op->addr);
	put_size(l, op->len);
	put_size(l, op->new_len);
	if (to || op->new_addr.mark || op->new_addr.off) {
		put(l, to ? " to=" : " hint=");
		put_at(l, &op->new_addr);
	}
	flags = put_words(l, words, flags);
	if (flags == MM_MREMAP_FIXED)
		put(l, " fixed");
	else if (flags)
		put(l, " flags=0x%x", flags);
}

static void put_advice(struct line *l, uint32_t advice)
{
	static const struct words words[] = {
		{ MM_MADV_NORMAL, "normal" },
		{ MM_MADV_RANDOM, "random" },
		{ MM_MADV_SEQUENTIAL, "sequential" },
		{ MM_MADV_WILLNEED, "willneed" },
		{ MM_MADV_DONTNEED, "dontneed" },
		{ MM_MADV_FREE, "free" },
		{ MM_MADV_REMOVE, "remove" },
		{ MM_MADV_DONTFORK, "dontfork" },
		{ MM_MADV_DOFORK, "dofork" },
		{ MM_MADV_DONTDUMP, "dontdump" },
		{ MM_MADV_DODUMP, "dodump" },
		{ MM_MADV_WIPEONFORK, "wipeonfork" },
		{ MM_MADV_KEEPONFORK, "keeponfork" },
		{ MM_MADV_COLD, "cold" },
		{ MM_MADV_PAGEOUT, "pageout" },
		{ MM_MADV_POPULATE_READ, "populate_read" },
		{ MM_MADV_POPULATE_WRITE, "populate_write" },
		{ MM_MADV_DONTNEED_LOCKED, "dontneed_locked" },
		{ 0, NULL },
	};

	for (const struct words *w = words; w->word; w++)
		if (w->bits == advice) {
			put(l, " %s", w->word);
			return;
		}
	put(l, " %u", advice);
}

static void put_range(struct line *l, const char *verb, const struct op *op)
{
	put(l, " %s ", verb);
	put_at(l, &op->addr);
	put_size(l, op->len);
}

static void put_flags(struct line *l, const struct words *words, uint32_t flags)
{
	flags = put_words(l, words, flags);
	if (flags)
		put(l, " flags=0x%x", flags);
}

static void put_call(struct line *l, const struct op *op)
{
	static const struct words lock[] = { { MM_MLOCK_ONFAULT, "onfault" }, { 0, NULL } };
	static const struct words all[] = { { MM_MCL_CURRENT, "current" },
					    { MM_MCL_FUTURE, "future" },
					    { MM_MCL_ONFAULT, "onfault" },
					    { 0, NULL } };
	static const struct words sync[] = { { MM_MS_ASYNC, "async" },
					     { MM_MS_SYNC, "sync" },
					     { MM_MS_INVALIDATE, "invalidate" },
					     { 0, NULL } };

	switch (op->kind) {
	case OP_MMAP:
		put_mmap(l, op);
		break;
	case OP_MREMAP:
		put_mremap(l, op);
		break;
	case OP_MPROTECT:
		put_range(l, "mprotect", op);
		put_prot(l, op->prot);
		if (op->prot & MM_PROT_GROWSDOWN)
			put(l, " growsdown");
		if (op->prot & MM_PROT_GROWSUP)
			put(l, " growsup");
		put_raw_prot(l, op->prot & ~(uint32_t)(MM_PROT_GROWSDOWN | MM_PROT_GROWSUP));
		break;
	case OP_MADVISE:
		put_range(l, "madvise", op);
		put_advice(l, op->flags);
		break;
	case OP_MLOCK:
		put_range(l, "mlock", op);
		put_flags(l, lock, op->flags);
		break;
	case OP_MLOCKALL:
		put(l, " mlockall");
		put_flags(l, all, op->flags);
		break;
	case OP_MUNLOCKALL:
		put(l, " munlockall");
		break;
	case OP_MSYNC:
		put_range(l, "msync", op);
		put_flags(l, sync, op->flags);
		break;
	case OP_BRK:
	case OP_SET_BRK:
		put(l, op->kind == OP_BRK ? " brk " : " setbrk ");
		if (!op->relative)
			put_at(l, &op->addr);
		else if ((int64_t)op->new_len < 0)
			put(l, "-%llu", (unsigned long long)(0 - op->new_len));
		else
			put(l, "+%llu", (unsigned long long)op->new_len);
		break;
	default:
		put_range(l, op_kind_name(op->kind), op);
		break;
	}
}

/* ---------------------------------------------------------------- the rest */

static void put_exec(struct line *l, const struct op *op)
{
	put(l, " exec");
	for (uint32_t i = 0; i < op->nr_segments; i++) {
		const struct op_segment *s = &op->segments[i];

		put(l, "%s 0x%llx", i ? "," : "", (unsigned long long)s->addr);
		put_size(l, s->len);
		put_prot(l, s->prot);
		if (s->file) {
			put(l, " file=");
			put_file(l, s->file);
			put(l, " offset=0x%llx", (unsigned long long)s->offset);
		}
	}
	if (op->len)
		put(l, " args=%llu", (unsigned long long)op->len);
}

static void put_process(struct line *l, const struct op *op)
{
	static const char *const limits[MM_LIMITS] = { "as", "data", "stack", "memlock" };
	char name[80];

	switch (op->kind) {
	case OP_FORK:
		put(l, " fork");
		break;
	case OP_SHARE:
		put(l, " share");
		break;
	case OP_LIMIT:
		put(l, " limit %s", op->flags < MM_LIMITS ? limits[op->flags] : "?");
		if (op->value == MM_LIMIT_INFINITY)
			put(l, " unlimited");
		else
			put_size(l, op->value);
		break;
	case OP_CAPS:
		put(l, " caps%s%s%s", op->flags & MM_CAP_IPC_LOCK ? " ipc_lock" : "",
		    op->flags & MM_CAP_SYS_ADMIN ? " sys_admin" : "", op->flags ? "" : " none");
		break;
	case OP_READ:
	case OP_WRITE:
	case OP_FETCH:
	case OP_MIGRATE:
		put(l, " %s ", op_kind_name(op->kind));
		put_at(l, &op->addr);
		if (op->len)
			put_size(l, op->len);
		put_value(l, op);
		break;
	case OP_PIN:
		put(l, " pin ");
		put_at(l, &op->addr);
		put(l, "%s%s%s", op->flags & MM_PIN_WRITE ? " write" : "",
		    op->flags & MM_PIN_LONGTERM ? " longterm" : "",
		    op->flags & MM_PIN_FORCE ? " force" : "");
		break;
	case OP_EXEC:
		put_exec(l, op);
		break;
	case OP_POISON:
		put(l, " poison ");
		put_at(l, &op->addr);
		break;
	case OP_PROBE:
		put(l, "probe %s ", proc_name(l, op->proc, name));
		put_at(l, &op->addr);
		put(l, " \"%s\"", op->text ? op->text : "walk");
		break;
	case OP_EXIT:
		put(l, " exit");
		break;
	default:
		put(l, " %s", op_kind_name(op->kind));
		break;
	}
}

static void put_machine(struct line *l, const struct op *op)
{
	static const char *const fails[OP_FAIL_POINTS] = { "alloc", "swapwrite", "swapread",
							   "filewrite", "fileread" };
	char name[80];

	switch (op->kind) {
	case OP_NEW:
		put(l, "process %s", proc_name(l, op->proc, name));
		break;
	case OP_PIN_READ:
	case OP_PIN_WRITE:
		put(l, "%s x%u", op_kind_name(op->kind), op->pin);
		put_value(l, op);
		break;
	case OP_UNPIN:
		put(l, "unpin x%u", op->pin);
		break;
	case OP_FILE:
		put(l, "file ");
		put_file(l, op->file);
		put_size(l, op->len);
		put(l, "%s%s", op->flags & OP_FILE_SHMEM ? " shmem" : "",
		    op->flags & OP_FILE_SPARSE ? " sparse" : "");
		break;
	case OP_FILE_TRUNCATE:
		put(l, "truncate ");
		put_file(l, op->file);
		put_size(l, op->len);
		break;
	case OP_FILE_READ:
	case OP_FILE_WRITE:
		put(l, op->kind == OP_FILE_READ ? "fileread " : "filewrite ");
		put_file(l, op->file);
		put(l, " 0x%llx", (unsigned long long)op->offset);
		put_size(l, op->len);
		put_value(l, op);
		break;
	case OP_FILE_SYNC:
		put(l, "fsync ");
		put_file(l, op->file);
		break;
	case OP_FILE_CLOSE:
		put(l, "close ");
		put_file(l, op->file);
		break;
	case OP_RECLAIM:
		put(l, "reclaim %llu", (unsigned long long)op->len);
		break;
	case OP_PHASE:
		put(l, "phase \"%s\"", op->text ? op->text : "");
		break;
	case OP_FAIL:
		put(l, "fail %s %llu", op->flags < OP_FAIL_POINTS ? fails[op->flags] : "?",
		    (unsigned long long)op->value);
		break;
	case OP_BALANCE:
	case OP_SWAPOFF:
	case OP_SWAPON:
	case OP_HIBERNATE:
	case OP_CHECK:
	case OP_VERIFY:
	case OP_SNAPSHOT:
		put(l, "%s", op_kind_name(op->kind));
		break;
	default:
		put(l, "# %s", op_kind_name(op->kind));
		break;
	}
}

static void put_outcome(struct line *l, const struct op *op)
{
	switch (op->outcome) {
	case OP_MAY_FAIL:
		put(l, " -> any");
		break;
	case OP_MUST_FAIL:
		put(l, " -> %s", rmap_error_name(op->error));
		break;
	case OP_MUST_SIGNAL:
		put(l, " -> %s", op_signal_name((unsigned int)op->error));
		break;
	case OP_MUST_BE:
		put(l, " -> ");
		put_at(l, &op->want);
		break;
	default:
		break;
	}
}

static bool of_process(enum op_kind kind)
{
	return (kind >= OP_FORK && kind <= OP_CAPS) || (kind >= OP_MMAP && kind <= OP_FETCH) ||
	       kind == OP_MIGRATE || kind == OP_POISON || kind == OP_PROBE || kind == OP_PIN;
}

const char *op_write(const struct op *op, struct op_source *source, char *buf, size_t size)
{
	struct line l = { .buf = buf, .size = size, .source = source };
	char name[80];

	buf[0] = '\0';
	if (!of_process(op->kind)) {
		put_machine(&l, op);
	} else {
		if (op->kind == OP_FORK || op->kind == OP_SHARE)
			put(&l, "%s = ", proc_name(&l, op->target, name));
		else if (op->kind == OP_PIN)
			put(&l, "x%u = ", op->pin);
		else if (op->out)
			put(&l, "m%u = ", op->out);
		if (op->kind != OP_PROBE)
			put(&l, "%s", proc_name(&l, op->proc, name));
		if (op->kind >= OP_MMAP && op->kind <= OP_MSYNC)
			put_call(&l, op);
		else
			put_process(&l, op);
	}
	if (buf[0] != '#' && op->kind != OP_PROBE && op->kind != OP_FAIL)
		put_outcome(&l, op);
	return buf;
}
