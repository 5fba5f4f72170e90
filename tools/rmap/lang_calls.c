// SPDX-License-Identifier: BSD-2-Clause
/*
 * Statements that do something. There are three shapes:
 *
 *	P munmap heap 4p		a process and what it does
 *	heap = P mmap 16p rw		the same, and a name for the result
 *	reclaim 32			the machine, or a file
 *
 * One table says for each verb which shape it has and which function reads its arguments.
 */
#include "lang.h"

#include <limits.h>
#include <string.h>

struct word_bits {
	const char *word;
	uint32_t bits;
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool accept_bits(struct parser *p, const struct word_bits *words, size_t n, uint32_t *bits)
{
	for (size_t i = 0; i < n; i++)
		if (lang_accept(p, words[i].word)) {
			*bits |= words[i].bits;
			return true;
		}
	return false;
}

/* name= */
static bool accept_key(struct parser *p, const char *key)
{
	if (!lang_is_word(lang_peek(p), key) || !lang_is_punct(lang_peek(p) + 1, '='))
		return false;
	p->pos += 2;
	return true;
}

/* Everything up to an outcome has been read. */
static bool at_stop(struct parser *p)
{
	return lang_at_end(p) || lang_is_punct(lang_peek(p), PUNCT_ARROW);
}

static bool unexpected(struct parser *p, const char *wanted)
{
	char buf[64];

	return lang_fail(p, "expected %s, found %s", wanted, lang_show(lang_peek(p), buf));
}

static bool addr_len(struct parser *p)
{
	struct op *op = &p->st->op;

	return lang_addr(p, "an address", &op->addr) && lang_number(p, "a length", &op->len);
}

/* flags=NUMBER: bits that the language has no word for. */
static bool accept_raw(struct parser *p, const char *key, uint32_t *bits, bool *ok)
{
	uint64_t value = 0;

	if (!accept_key(p, key))
		return false;
	*ok = lang_constant(p, "a number", &value);
	if (*ok && value > UINT32_MAX)
		*ok = lang_fail(p, "%s has more than 32 bits", key);
	*bits |= (uint32_t)value;
	return true;
}

/* ---------------------------------------------------------------- processes */

static bool parse_none(struct parser *p)
{
	(void)p;
	return true;
}

static bool parse_exec_segment(struct parser *p, struct op_segment *segment)
{
	memset(segment, 0, sizeof(*segment));
	if (!lang_constant(p, "the address of a segment", &segment->addr) ||
	    !lang_constant(p, "the length of a segment", &segment->len))
		return false;
	if (!lang_accept_prot(p, &segment->prot))
		return unexpected(p, "a protection (none, r, rw, rx, rwx)");
	if (accept_key(p, "file") && !lang_file(p, &segment->file))
		return false;
	if (accept_key(p, "offset") && !lang_constant(p, "an offset", &segment->offset))
		return false;
	return true;
}

static bool parse_exec_segments(struct parser *p)
{
	struct op_segment segments[LANG_MAX_SEGMENTS];
	struct op *op = &p->st->op;
	uint32_t n = 0;

	do {
		if (n == LANG_MAX_SEGMENTS)
			return lang_fail(p, "more than %u segments", LANG_MAX_SEGMENTS);
		if (!parse_exec_segment(p, &segments[n++]))
			return false;
	} while (lang_accept_punct(p, ','));
	op->segments = lang_block(p, segments, n * sizeof(segments[0]));
	op->nr_segments = n;
	return op->segments ? true : lang_fail(p, "out of memory");
}

static bool parse_exec(struct parser *p)
{
	struct op *op = &p->st->op;
	struct token *t = lang_peek(p);

	if ((t->type == TOKEN_NUMBER || lang_is_word(t, "MAX") || lang_is_word(t, "TASK_SIZE")) &&
	    !parse_exec_segments(p))
		return false;
	while (!at_stop(p)) {
		if (accept_key(p, "args")) {
			if (!lang_number(p, "a length", &op->len))
				return false;
		} else if (accept_key(p, "stack")) {
			if (!lang_number(p, "an address", &op->addr.off))
				return false;
		} else if (accept_key(p, "brk")) {
			if (!lang_number(p, "an address", &op->new_addr.off))
				return false;
		} else {
			return unexpected(p, "args=, stack= or brk=");
		}
	}
	return true;
}

static bool parse_limit(struct parser *p)
{
	static const char *const names[MM_LIMITS] = { "as", "data", "stack", "memlock" };
	struct op *op = &p->st->op;

	for (op->flags = 0; op->flags < MM_LIMITS; op->flags++)
		if (lang_accept(p, names[op->flags]))
			break;
	if (op->flags == MM_LIMITS)
		return unexpected(p, "as, data, stack or memlock");
	op->value = MM_LIMIT_INFINITY;
	return lang_accept(p, "unlimited") || lang_number(p, "a size, or 'unlimited'", &op->value);
}

static bool parse_caps(struct parser *p)
{
	static const struct word_bits words[] = {
		{ "none", 0 },
		{ "ipc_lock", MM_CAP_IPC_LOCK },
		{ "sys_admin", MM_CAP_SYS_ADMIN },
	};
	uint32_t n = 0;

	while (accept_bits(p, words, COUNT(words), &p->st->op.flags))
		n++;
	return n ? true : unexpected(p, "none, ipc_lock or sys_admin");
}

/* ---------------------------------------------------------------- calls */

static bool parse_mode(struct parser *p, uint32_t *mode)
{
	static const struct word_bits words[] = {
		{ "r", MM_FILE_READ },
		{ "w", MM_FILE_WRITE },
		{ "rw", MM_FILE_READ | MM_FILE_WRITE },
	};

	*mode = 0;
	return accept_bits(p, words, COUNT(words), mode) ? true : unexpected(p, "r, w or rw");
}

static bool parse_mmap(struct parser *p)
{
	static const struct word_bits words[] = {
		{ "private", MM_MAP_PRIVATE },
		{ "shared", MM_MAP_SHARED },
		{ "shared_validate", MM_MAP_SHARED_VALIDATE },
		{ "anon", MM_MAP_ANONYMOUS },
		{ "fixed", MM_MAP_FIXED },
		{ "noreplace", MM_MAP_FIXED_NOREPLACE },
		{ "growsdown", MM_MAP_GROWSDOWN },
		{ "denywrite", MM_MAP_DENYWRITE },
		{ "populate", MM_MAP_POPULATE },
		{ "nonblock", MM_MAP_NONBLOCK },
		{ "noreserve", MM_MAP_NORESERVE },
		{ "locked", MM_MAP_LOCKED },
		{ "stack", MM_MAP_STACK },
	};
	struct op *op = &p->st->op;
	bool ok = true, raw = false;

	op->file_mode = MM_FILE_READ | MM_FILE_WRITE;
	if (!lang_number(p, "a length", &op->len))
		return false;
	if (!lang_accept_prot(p, &op->prot))
		op->prot = MM_PROT_READ | MM_PROT_WRITE;
	while (!at_stop(p)) {
		if (accept_bits(p, words, COUNT(words), &op->flags))
			continue;
		if (accept_key(p, "file"))
			ok = lang_file(p, &op->file);
		else if (accept_key(p, "offset"))
			ok = lang_number(p, "an offset", &op->offset);
		else if (accept_key(p, "at"))
			ok = lang_addr(p, "an address", &op->addr);
		else if (accept_key(p, "mode"))
			ok = parse_mode(p, &op->file_mode);
		else if (accept_raw(p, "flags", &op->flags, &ok))
			raw = true;
		else if (!accept_raw(p, "prot", &op->prot, &ok))
			return unexpected(p, "an option of mmap (see rmap-workload(5))");
		if (!ok)
			return false;
	}
	/* With raw flags the line means what it says, also when that is wrong. */
	if (!raw && !(op->flags & (MM_MAP_SHARED | MM_MAP_PRIVATE)))
		op->flags |= MM_MAP_PRIVATE;
	if (!raw && !op->file)
		op->flags |= MM_MAP_ANONYMOUS;
	return true;
}

static bool parse_mprotect(struct parser *p)
{
	static const struct word_bits words[] = {
		{ "growsdown", MM_PROT_GROWSDOWN },
		{ "growsup", MM_PROT_GROWSUP },
	};
	struct op *op = &p->st->op;
	bool ok = true;

	if (!addr_len(p))
		return false;
	if (!lang_accept_prot(p, &op->prot) && !accept_raw(p, "prot", &op->prot, &ok))
		return unexpected(p, "a protection (none, r, rw, rx, rwx)");
	while (ok && (accept_bits(p, words, COUNT(words), &op->prot) ||
		      accept_raw(p, "prot", &op->prot, &ok)))
		;
	return ok;
}

static bool parse_mremap(struct parser *p)
{
	static const struct word_bits words[] = {
		{ "maymove", MM_MREMAP_MAYMOVE },
		{ "dontunmap", MM_MREMAP_DONTUNMAP },
		{ "fixed", MM_MREMAP_FIXED },
	};
	struct op *op = &p->st->op;
	bool ok = true;

	if (!addr_len(p) || !lang_number(p, "the new length", &op->new_len))
		return false;
	while (!at_stop(p)) {
		if (accept_bits(p, words, COUNT(words), &op->flags))
			continue;
		if (accept_key(p, "to")) {
			op->flags |= MM_MREMAP_FIXED | MM_MREMAP_MAYMOVE;
			ok = lang_addr(p, "an address", &op->new_addr);
		} else if (accept_key(p, "hint")) {
			ok = lang_addr(p, "an address", &op->new_addr);
		} else if (!accept_raw(p, "flags", &op->flags, &ok)) {
			return unexpected(p, "maymove, to=, dontunmap, fixed, hint= or flags=");
		}
		if (!ok)
			return false;
	}
	return true;
}

static bool parse_madvise(struct parser *p)
{
	static const struct word_bits words[] = {
		{ "normal", MM_MADV_NORMAL },
		{ "random", MM_MADV_RANDOM },
		{ "sequential", MM_MADV_SEQUENTIAL },
		{ "willneed", MM_MADV_WILLNEED },
		{ "dontneed", MM_MADV_DONTNEED },
		{ "free", MM_MADV_FREE },
		{ "remove", MM_MADV_REMOVE },
		{ "dontfork", MM_MADV_DONTFORK },
		{ "dofork", MM_MADV_DOFORK },
		{ "dontdump", MM_MADV_DONTDUMP },
		{ "dodump", MM_MADV_DODUMP },
		{ "wipeonfork", MM_MADV_WIPEONFORK },
		{ "keeponfork", MM_MADV_KEEPONFORK },
		{ "cold", MM_MADV_COLD },
		{ "pageout", MM_MADV_PAGEOUT },
		{ "populate_read", MM_MADV_POPULATE_READ },
		{ "populate_write", MM_MADV_POPULATE_WRITE },
		{ "dontneed_locked", MM_MADV_DONTNEED_LOCKED },
	};
	struct op *op = &p->st->op;
	uint64_t number;

	if (!addr_len(p))
		return false;
	if (accept_bits(p, words, COUNT(words), &op->flags))
		return true;
	if (lang_peek(p)->type != TOKEN_NUMBER)
		return unexpected(p, "an advice (see rmap-workload(5))");
	if (!lang_constant(p, "an advice", &number))
		return false;
	if (number > INT32_MAX)
		return lang_fail(p, "an advice has more than 31 bits");
	op->flags = (uint32_t)number;
	return true;
}

static bool parse_brk(struct parser *p)
{
	struct op *op = &p->st->op;

	if (lang_is_punct(lang_peek(p), '+') || lang_is_punct(lang_peek(p), '-')) {
		op->relative = true;
		lang_accept_punct(p, '+');
		return lang_number(p, "a distance", &op->new_len);
	}
	return lang_addr(p, "an address", &op->addr);
}

static bool parse_addr(struct parser *p)
{
	return lang_addr(p, "an address", &p->st->op.addr);
}

static bool parse_mlock(struct parser *p)
{
	static const struct word_bits words[] = { { "onfault", MM_MLOCK_ONFAULT } };
	bool ok = true;

	if (!addr_len(p))
		return false;
	if (!accept_bits(p, words, COUNT(words), &p->st->op.flags))
		accept_raw(p, "flags", &p->st->op.flags, &ok);
	return ok;
}

static bool parse_mlockall(struct parser *p)
{
	static const struct word_bits words[] = {
		{ "current", MM_MCL_CURRENT },
		{ "future", MM_MCL_FUTURE },
		{ "onfault", MM_MCL_ONFAULT },
	};
	bool ok = true;

	while (accept_bits(p, words, COUNT(words), &p->st->op.flags))
		;
	accept_raw(p, "flags", &p->st->op.flags, &ok);
	return ok;
}

static bool parse_mincore(struct parser *p)
{
	struct op *op = &p->st->op;

	if (!addr_len(p))
		return false;
	if (!lang_accept_punct(p, '='))
		return true;
	if (!lang_need_string(p, "a 0 or 1 for each page", &op->text))
		return false;
	if (op->text[strspn(op->text, "01")])
		return lang_fail(p, "a page is 0 or 1 in mincore's result, found '%c'",
				 op->text[strspn(op->text, "01")]);
	return true;
}

static bool parse_msync(struct parser *p)
{
	static const struct word_bits words[] = {
		{ "async", MM_MS_ASYNC },
		{ "sync", MM_MS_SYNC },
		{ "invalidate", MM_MS_INVALIDATE },
	};
	bool ok = true;

	if (!addr_len(p))
		return false;
	while (accept_bits(p, words, COUNT(words), &p->st->op.flags))
		;
	accept_raw(p, "flags", &p->st->op.flags, &ok);
	return ok;
}

/* ADDR [LEN] */
static bool addr_maybe_len(struct parser *p)
{
	if (!parse_addr(p))
		return false;
	if (at_stop(p) || lang_is_punct(lang_peek(p), '='))
		return true;
	return lang_number(p, "a length", &p->st->op.len);
}

static bool parse_access(struct parser *p)
{
	return addr_maybe_len(p) && lang_value(p);
}

static bool parse_pin(struct parser *p)
{
	static const struct word_bits words[] = {
		{ "write", MM_PIN_WRITE },
		{ "longterm", MM_PIN_LONGTERM },
		{ "force", MM_PIN_FORCE },
	};

	if (!parse_addr(p))
		return false;
	while (accept_bits(p, words, COUNT(words), &p->st->op.flags))
		;
	return true;
}

/* ---------------------------------------------------------------- pins, files, the machine */

static bool pin_name(struct parser *p)
{
	struct token *t = lang_peek(p);
	struct symbol *symbol = t->type == TOKEN_WORD ? lang_lookup(p->prog, t->s, t->len) : NULL;
	char buf[64];

	if (!symbol || symbol->kind != SYMBOL_PIN)
		return lang_fail(p, "expected the name of a pin, found %s", lang_show(t, buf));
	p->st->op.pin = symbol->id;
	p->pos++;
	return true;
}

static bool parse_pin_read(struct parser *p)
{
	return pin_name(p) && lang_value(p);
}

static bool parse_pin_write(struct parser *p)
{
	if (!pin_name(p))
		return false;
	if (!lang_is_punct(lang_peek(p), '='))
		return unexpected(p, "= and a value");
	return lang_value(p);
}

static bool parse_file(struct parser *p)
{
	static const struct word_bits words[] = {
		{ "shmem", OP_FILE_SHMEM },
		{ "sparse", OP_FILE_SPARSE },
	};
	struct op *op = &p->st->op;

	if (!lang_define(p, lang_peek(p), SYMBOL_FILE, &op->file))
		return false;
	p->pos++;
	if (!lang_number(p, "a size", &op->len))
		return false;
	while (accept_bits(p, words, COUNT(words), &op->flags))
		;
	return true;
}

static bool parse_file_name(struct parser *p)
{
	return lang_file(p, &p->st->op.file);
}

static bool parse_truncate(struct parser *p)
{
	return parse_file_name(p) && lang_number(p, "a size", &p->st->op.len);
}

static bool parse_file_range(struct parser *p)
{
	struct op *op = &p->st->op;

	return parse_file_name(p) && lang_number(p, "an offset", &op->offset) &&
	       lang_number(p, "a length", &op->len);
}

static bool parse_file_read(struct parser *p)
{
	return parse_file_range(p) && lang_value(p);
}

static bool parse_reclaim(struct parser *p)
{
	p->st->op.len = 32;
	return at_stop(p) || lang_number(p, "a number of frames", &p->st->op.len);
}

static bool parse_fail(struct parser *p)
{
	struct op *op = &p->st->op;

	p->prog->source.config.injects = true;
	for (op->flags = 0; op->flags < OP_FAIL_POINTS; op->flags++)
		if (lang_accept(p, op_fail_point_name(op->flags)))
			break;
	if (op->flags == OP_FAIL_POINTS)
		return unexpected(p, "alloc, swapwrite, swapread, filewrite or fileread");
	op->value = 1;
	return at_stop(p) || lang_number(p, "which one", &op->value);
}

static bool parse_phase(struct parser *p)
{
	return lang_need_string(p, "the phase's name", &p->st->op.text);
}

static bool parse_probe(struct parser *p)
{
	struct op *op = &p->st->op;

	return lang_proc(p, &op->proc) && parse_addr(p) &&
	       lang_need_string(p, "what the page is", &op->text);
}

static bool parse_process(struct parser *p)
{
	struct token *t = lang_peek(p);

	p->pos += t->type != TOKEN_END;
	return lang_proc_new(p, t, &p->st->op.proc);
}

/* ---------------------------------------------------------------- the table */

enum result { RESULT_NONE, RESULT_MARK, RESULT_PROC, RESULT_PIN };

static const struct verb {
	const char *word;
	enum op_kind kind;
	bool of_process;
	enum result result;
	bool (*parse)(struct parser *p);
} verbs[] = {
	{ "fork", OP_FORK, true, RESULT_PROC, parse_none },
	{ "share", OP_SHARE, true, RESULT_PROC, parse_none },
	{ "vfork", OP_SHARE, true, RESULT_PROC, parse_none },
	{ "exec", OP_EXEC, true, RESULT_NONE, parse_exec },
	{ "exit", OP_EXIT, true, RESULT_NONE, parse_none },
	{ "limit", OP_LIMIT, true, RESULT_NONE, parse_limit },
	{ "caps", OP_CAPS, true, RESULT_NONE, parse_caps },
	{ "mmap", OP_MMAP, true, RESULT_MARK, parse_mmap },
	{ "munmap", OP_MUNMAP, true, RESULT_NONE, addr_len },
	{ "mprotect", OP_MPROTECT, true, RESULT_NONE, parse_mprotect },
	{ "mremap", OP_MREMAP, true, RESULT_MARK, parse_mremap },
	{ "madvise", OP_MADVISE, true, RESULT_NONE, parse_madvise },
	{ "brk", OP_BRK, true, RESULT_MARK, parse_brk },
	{ "setbrk", OP_SET_BRK, true, RESULT_NONE, parse_addr },
	{ "mlock", OP_MLOCK, true, RESULT_NONE, parse_mlock },
	{ "munlock", OP_MUNLOCK, true, RESULT_NONE, addr_len },
	{ "mlockall", OP_MLOCKALL, true, RESULT_NONE, parse_mlockall },
	{ "munlockall", OP_MUNLOCKALL, true, RESULT_NONE, parse_none },
	{ "mincore", OP_MINCORE, true, RESULT_NONE, parse_mincore },
	{ "msync", OP_MSYNC, true, RESULT_NONE, parse_msync },
	{ "read", OP_READ, true, RESULT_NONE, parse_access },
	{ "write", OP_WRITE, true, RESULT_NONE, parse_access },
	{ "fetch", OP_FETCH, true, RESULT_NONE, addr_maybe_len },
	{ "pin", OP_PIN, true, RESULT_PIN, parse_pin },
	{ "migrate", OP_MIGRATE, true, RESULT_NONE, addr_maybe_len },
	{ "poison", OP_POISON, true, RESULT_NONE, parse_addr },
	{ "frame", OP_FRAME, true, RESULT_MARK, parse_addr },

	{ "process", OP_NEW, false, RESULT_NONE, parse_process },
	{ "pinread", OP_PIN_READ, false, RESULT_NONE, parse_pin_read },
	{ "pinwrite", OP_PIN_WRITE, false, RESULT_NONE, parse_pin_write },
	{ "unpin", OP_UNPIN, false, RESULT_NONE, pin_name },
	{ "file", OP_FILE, false, RESULT_NONE, parse_file },
	{ "truncate", OP_FILE_TRUNCATE, false, RESULT_NONE, parse_truncate },
	{ "fileread", OP_FILE_READ, false, RESULT_NONE, parse_file_read },
	{ "filewrite", OP_FILE_WRITE, false, RESULT_NONE, parse_file_read },
	{ "fsync", OP_FILE_SYNC, false, RESULT_NONE, parse_file_name },
	{ "close", OP_FILE_CLOSE, false, RESULT_NONE, parse_file_name },
	{ "reclaim", OP_RECLAIM, false, RESULT_NONE, parse_reclaim },
	{ "balance", OP_BALANCE, false, RESULT_NONE, parse_none },
	{ "swapoff", OP_SWAPOFF, false, RESULT_NONE, parse_none },
	{ "swapon", OP_SWAPON, false, RESULT_NONE, parse_none },
	{ "hibernate", OP_HIBERNATE, false, RESULT_NONE, parse_none },
	{ "fail", OP_FAIL, false, RESULT_NONE, parse_fail },
	{ "phase", OP_PHASE, false, RESULT_NONE, parse_phase },
	{ "check", OP_CHECK, false, RESULT_NONE, parse_none },
	{ "verify", OP_VERIFY, false, RESULT_NONE, parse_none },
	{ "snapshot", OP_SNAPSHOT, false, RESULT_NONE, parse_none },
	{ "probe", OP_PROBE, false, RESULT_NONE, parse_probe },
};

static const struct verb *find_verb(const struct token *t, bool of_process)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (verbs[i].of_process == of_process && lang_is_word(t, verbs[i].word))
			return &verbs[i];
	return NULL;
}

/* ---------------------------------------------------------------- outcomes */

static bool accept_error(struct parser *p, int *error)
{
	static const int errors[] = {
		RMAP_EPERM,   RMAP_ENOENT,     RMAP_EINTR,     RMAP_EIO,    RMAP_ENXIO,
		RMAP_EAGAIN,  RMAP_ENOMEM,     RMAP_EACCES,    RMAP_EFAULT, RMAP_EBUSY,
		RMAP_EEXIST,  RMAP_ENODEV,     RMAP_EINVAL,    RMAP_ENOSPC, RMAP_EOVERFLOW,
		RMAP_EBADMSG, RMAP_EOPNOTSUPP, RMAP_EHWPOISON,
	};

	for (size_t i = 0; i < COUNT(errors); i++)
		if (lang_accept(p, rmap_error_name(errors[i]))) {
			*error = errors[i];
			return true;
		}
	return false;
}

static bool is_access(enum op_kind kind)
{
	return kind == OP_READ || kind == OP_WRITE || kind == OP_FETCH;
}

bool lang_outcome(struct parser *p)
{
	struct op *op = &p->st->op;

	if (!lang_accept_punct(p, PUNCT_ARROW))
		return true;
	if (lang_accept(p, "ok"))
		return true;
	if (lang_accept(p, "any")) {
		op->outcome = OP_MAY_FAIL;
		return true;
	}
	if (is_access(op->kind)) {
		for (unsigned int i = 1; op_signal_name(i); i++)
			if (lang_accept(p, op_signal_name(i))) {
				op->outcome = OP_MUST_SIGNAL;
				op->error = (int)i;
				return true;
			}
		return unexpected(
			p, "SEGV_MAPERR, SEGV_ACCERR, SIGBUS, SIGBUS_MCEERR, OOM, ok or any");
	}
	if (accept_error(p, &op->error)) {
		op->outcome = OP_MUST_FAIL;
		return true;
	}
	if (op->kind != OP_MMAP && op->kind != OP_MREMAP && op->kind != OP_BRK)
		return unexpected(p, "an error as ENOMEM, ok or any");
	op->outcome = OP_MUST_BE;
	return lang_addr(p, "an error as ENOMEM, ok, any or an address", &op->want);
}

/* ---------------------------------------------------------------- the statement */

static bool define_result(struct parser *p, const struct verb *verb, uint32_t name, uint32_t after)
{
	struct op *op = &p->st->op;
	uint32_t back = p->pos;
	bool ok = true;

	switch (verb->result) {
	case RESULT_NONE:
		return lang_fail(p, "%s has no result that could have a name", verb->word);
	case RESULT_PROC:
		p->pos = name + 1;
		ok = lang_proc_new(p, &p->tokens[name], &op->target);
		break;
	case RESULT_MARK:
	case RESULT_PIN:
		if (after != name + 1)
			return lang_fail(p, "only processes have an index");
		ok = lang_define(p, &p->tokens[name],
				 verb->result == RESULT_PIN ? SYMBOL_PIN : SYMBOL_MARK, &op->out);
		if (verb->result == RESULT_PIN)
			op->pin = op->out;
		break;
	}
	if (ok)
		p->pos = back;
	return ok;
}

/* NAME = or NAME[...] =: the token behind the name's part, or 0. */
static uint32_t result_name(struct parser *p)
{
	uint32_t i = p->pos + 1;

	if (lang_peek(p)->type != TOKEN_WORD)
		return 0;
	if (lang_is_punct(&p->tokens[i], '[')) {
		while (p->tokens[i].type != TOKEN_END && !lang_is_punct(&p->tokens[i], ']'))
			i++;
		i += p->tokens[i].type != TOKEN_END;
	}
	return lang_is_punct(&p->tokens[i], '=') ? i : 0;
}

static bool of_process(struct parser *p)
{
	uint32_t name = p->pos, after = result_name(p);
	const struct verb *verb;
	struct op *op = &p->st->op;
	char buf[64];

	if (after)
		p->pos = after + 1;
	if (!lang_proc(p, &op->proc))
		return false;
	verb = find_verb(lang_peek(p), true);
	if (!verb)
		return lang_fail(p, "a process cannot do %s",
				 lang_at_end(p) ? "nothing" : lang_show(lang_peek(p), buf));
	op->kind = verb->kind;
	p->pos++;
	if (!verb->parse(p))
		return false;
	if (after)
		return define_result(p, verb, name, after);
	if (verb->result == RESULT_PROC || verb->result == RESULT_PIN || op->kind == OP_FRAME)
		return lang_fail(p, "the result needs a name: 'name = process %s ...'", verb->word);
	return true;
}

bool lang_statement(struct parser *p)
{
	const struct verb *verb;
	struct token *t = lang_peek(p);
	char buf[64];
	bool ok;

	/* A process may be called as a verb of the machine is, but not the other way round: verbs come first. */
	verb = result_name(p) ? NULL : find_verb(t, false);
	if (verb) {
		p->st->op.kind = verb->kind;
		p->pos++;
		ok = verb->parse(p);
	} else if (t->type == TOKEN_WORD && !result_name(p) &&
		   !lang_lookup(p->prog, t->s, t->len)) {
		return lang_fail(p, "%s is neither a statement nor the name of a process",
				 lang_show(t, buf));
	} else {
		ok = of_process(p);
	}
	return ok && lang_outcome(p);
}
