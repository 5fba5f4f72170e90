// SPDX-License-Identifier: BSD-2-Clause
/*
 * The table of variants, and the counting.
 *
 * A variant is a kind of operation and a condition on one of its fields; an operation may be of several ("private", "fixed",
 * "populate"). Its outcomes are those that say something about it and that Linux can give here; any other is counted, too.
 */
#include "verify_coverage.h"

#include <stdlib.h>
#include <string.h>

#define COVERAGE_OUTCOMES 12u

enum field { ANY, FLAGS, PROT, LEN_ZERO, LENGTHS, LIMIT_BELOW };

struct variant {
	enum op_kind kind;
	const char *name;
	enum field field;
	uint32_t mask, value;
	int file; /* mmap: 1 of a file, 0 not, -1 either */
	const char *outcomes;
};

#define ANON  MM_MAP_ANONYMOUS
#define TYPE  0xfu
#define MOVES (MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED | MM_MREMAP_DONTUNMAP)

/* Whatever mask and value are compared with, by field. */
static const struct variant variants[] = {
	{ OP_NEW, "", ANY, 0, 0, -1, "ok" },
	{ OP_FORK, "", ANY, 0, 0, -1, "ok" },
	{ OP_SHARE, "", ANY, 0, 0, -1, "ok" },
	{ OP_EXEC, "", ANY, 0, 0, -1, "ok" },
	{ OP_EXIT, "", ANY, 0, 0, -1, "ok" },
	{ OP_LIMIT, "as", FLAGS, ~0u, MM_LIMIT_AS, -1, "ok" },
	{ OP_LIMIT, "data", FLAGS, ~0u, MM_LIMIT_DATA, -1, "ok" },
	{ OP_LIMIT, "stack", FLAGS, ~0u, MM_LIMIT_STACK, -1, "ok" },
	{ OP_LIMIT, "memlock", FLAGS, ~0u, MM_LIMIT_MEMLOCK, -1, "ok" },
	{ OP_CAPS, "", ANY, 0, 0, -1, "ok" },

	{ OP_MMAP, "private anonymous", FLAGS, ANON | TYPE, ANON | MM_MAP_PRIVATE, 0,
	  "ok EINVAL ENOMEM EAGAIN EPERM EEXIST" },
	{ OP_MMAP, "shared anonymous", FLAGS, ANON | TYPE, ANON | MM_MAP_SHARED, 0,
	  "ok EINVAL ENOMEM EAGAIN EPERM EEXIST" },
	{ OP_MMAP, "private file", FLAGS, TYPE, MM_MAP_PRIVATE, 1,
	  "ok EINVAL ENOMEM EAGAIN EPERM EEXIST EACCES EOVERFLOW" },
	{ OP_MMAP, "shared file", FLAGS, TYPE, MM_MAP_SHARED, 1,
	  "ok EINVAL ENOMEM EAGAIN EPERM EEXIST EACCES EOVERFLOW" },
	{ OP_MMAP, "shared file, validated", FLAGS, TYPE, MM_MAP_SHARED_VALIDATE, 1,
	  "ok EINVAL ENOMEM EACCES EOPNOTSUPP" },
	{ OP_MMAP, "no type", FLAGS, TYPE, 0, -1, "EINVAL" },
	{ OP_MMAP, "fixed", FLAGS, MM_MAP_FIXED, MM_MAP_FIXED, -1,
	  "ok EINVAL ENOMEM EAGAIN EPERM EACCES" },
	{ OP_MMAP, "noreplace", FLAGS, MM_MAP_FIXED_NOREPLACE, MM_MAP_FIXED_NOREPLACE, -1,
	  "ok EINVAL ENOMEM EEXIST EPERM EACCES" },
	{ OP_MMAP, "anywhere", FLAGS, MM_MAP_FIXED | MM_MAP_FIXED_NOREPLACE, 0, -1,
	  "ok EINVAL ENOMEM EAGAIN EACCES" },
	{ OP_MMAP, "populate", FLAGS, MM_MAP_POPULATE, MM_MAP_POPULATE, -1, "ok ENOMEM EINVAL" },
	{ OP_MMAP, "locked", FLAGS, MM_MAP_LOCKED, MM_MAP_LOCKED, -1, "ok EAGAIN EPERM ENOMEM" },
	{ OP_MMAP, "noreserve", FLAGS, MM_MAP_NORESERVE, MM_MAP_NORESERVE, -1, "ok ENOMEM" },
	{ OP_MMAP, "growsdown", FLAGS, MM_MAP_GROWSDOWN, MM_MAP_GROWSDOWN, -1, "ok EINVAL ENOMEM" },
	{ OP_MMAP, "stack", FLAGS, MM_MAP_STACK, MM_MAP_STACK, -1, "ok ENOMEM" },
	{ OP_MMAP, "nonblock", FLAGS, MM_MAP_NONBLOCK, MM_MAP_NONBLOCK, -1, "ok" },
	{ OP_MMAP, "denywrite", FLAGS, MM_MAP_DENYWRITE, MM_MAP_DENYWRITE, -1, "ok" },
	{ OP_MMAP, "no protection", PROT, 7, 0, -1, "ok" },
	{ OP_MMAP, "read only", PROT, 7, MM_PROT_READ, -1, "ok" },
	{ OP_MMAP, "execute", PROT, MM_PROT_EXEC, MM_PROT_EXEC, -1, "ok" },
	{ OP_MMAP, "length 0", LEN_ZERO, 0, 0, -1, "EINVAL" },

	{ OP_MUNMAP, "", ANY, 0, 0, -1, "ok EINVAL" },

	{ OP_MPROTECT, "none", PROT, ~0u, 0, -1, "ok EINVAL ENOMEM" },
	{ OP_MPROTECT, "r", PROT, ~0u, MM_PROT_READ, -1, "ok EINVAL ENOMEM" },
	{ OP_MPROTECT, "rw", PROT, ~0u, MM_PROT_READ | MM_PROT_WRITE, -1,
	  "ok EINVAL ENOMEM EACCES" },
	{ OP_MPROTECT, "w", PROT, ~0u, MM_PROT_WRITE, -1, "ok EINVAL ENOMEM EACCES" },
	{ OP_MPROTECT, "with x", PROT, MM_PROT_EXEC, MM_PROT_EXEC, -1, "ok EINVAL ENOMEM EACCES" },
	{ OP_MPROTECT, "growsdown", PROT, MM_PROT_GROWSDOWN, MM_PROT_GROWSDOWN, -1,
	  "ok EINVAL ENOMEM" },
	{ OP_MPROTECT, "growsup", PROT, MM_PROT_GROWSUP, MM_PROT_GROWSUP, -1, "EINVAL ENOMEM" },
	{ OP_MPROTECT, "unknown bits", PROT, 0x40, 0x40, -1, "EINVAL ENOMEM" },
	{ OP_MPROTECT, "length 0", LEN_ZERO, 0, 0, -1, "ok" },

	{ OP_MREMAP, "in place", FLAGS, MOVES, 0, -1, "ok EINVAL ENOMEM EFAULT EAGAIN" },
	{ OP_MREMAP, "may move", FLAGS, MOVES, MM_MREMAP_MAYMOVE, -1,
	  "ok EINVAL ENOMEM EFAULT EAGAIN" },
	{ OP_MREMAP, "to", FLAGS, MOVES, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, -1,
	  "ok EINVAL ENOMEM EFAULT EAGAIN EPERM" },
	{ OP_MREMAP, "dontunmap", FLAGS, MOVES, MM_MREMAP_MAYMOVE | MM_MREMAP_DONTUNMAP, -1,
	  "ok EINVAL ENOMEM EFAULT" },
	{ OP_MREMAP, "dontunmap to", FLAGS, MOVES, MOVES, -1, "ok EINVAL ENOMEM EFAULT EPERM" },
	{ OP_MREMAP, "fixed without maymove", FLAGS, MOVES, MM_MREMAP_FIXED, -1, "EINVAL" },
	{ OP_MREMAP, "unknown flag", FLAGS, 8, 8, -1, "EINVAL" },
	{ OP_MREMAP, "old length 0", LEN_ZERO, 0, 0, -1, "ok EINVAL ENOMEM EFAULT" },
	{ OP_MREMAP, "shrinks", LENGTHS, 0, 1, -1, "ok EINVAL EFAULT" },
	{ OP_MREMAP, "same length", LENGTHS, 0, 0, -1, "ok EINVAL ENOMEM EFAULT" },
	{ OP_MREMAP, "grows", LENGTHS, 0, 2, -1, "ok EINVAL ENOMEM EFAULT EAGAIN" },

	{ OP_MADVISE, "normal", FLAGS, ~0u, MM_MADV_NORMAL, -1, "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "random", FLAGS, ~0u, MM_MADV_RANDOM, -1, "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "sequential", FLAGS, ~0u, MM_MADV_SEQUENTIAL, -1, "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "willneed", FLAGS, ~0u, MM_MADV_WILLNEED, -1, "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "dontneed", FLAGS, ~0u, MM_MADV_DONTNEED, -1, "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "free", FLAGS, ~0u, MM_MADV_FREE, -1, "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "remove", FLAGS, ~0u, MM_MADV_REMOVE, -1, "ok EINVAL ENOMEM EACCES" },
	{ OP_MADVISE, "dontfork", FLAGS, ~0u, MM_MADV_DONTFORK, -1, "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "dofork", FLAGS, ~0u, MM_MADV_DOFORK, -1, "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "hugepage", FLAGS, ~0u, MM_MADV_HUGEPAGE, -1, "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "nohugepage", FLAGS, ~0u, MM_MADV_NOHUGEPAGE, -1, "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "dontdump", FLAGS, ~0u, MM_MADV_DONTDUMP, -1, "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "dodump", FLAGS, ~0u, MM_MADV_DODUMP, -1, "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "wipeonfork", FLAGS, ~0u, MM_MADV_WIPEONFORK, -1, "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "keeponfork", FLAGS, ~0u, MM_MADV_KEEPONFORK, -1, "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "cold", FLAGS, ~0u, MM_MADV_COLD, -1, "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "pageout", FLAGS, ~0u, MM_MADV_PAGEOUT, -1, "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "populate_read", FLAGS, ~0u, MM_MADV_POPULATE_READ, -1,
	  "ok EINVAL ENOMEM EFAULT" },
	{ OP_MADVISE, "populate_write", FLAGS, ~0u, MM_MADV_POPULATE_WRITE, -1,
	  "ok EINVAL ENOMEM EFAULT" },
	{ OP_MADVISE, "dontneed_locked", FLAGS, ~0u, MM_MADV_DONTNEED_LOCKED, -1,
	  "ok EINVAL ENOMEM" },
	{ OP_MADVISE, "unknown (above)", FLAGS, ~0u, 1000, -1, "EINVAL" },
	{ OP_MADVISE, "unknown (below)", FLAGS, ~0u, 5, -1, "EINVAL" },

	{ OP_BRK, "", ANY, 0, 0, -1, "ok ENOMEM" },
	{ OP_SET_BRK, "", ANY, 0, 0, -1, "ok EINVAL" },
	{ OP_MLOCK, "", FLAGS, ~0u, 0, -1, "ok EINVAL ENOMEM EPERM" },
	{ OP_MLOCK, "onfault", FLAGS, ~0u, MM_MLOCK_ONFAULT, -1, "ok EINVAL ENOMEM EPERM" },
	{ OP_MLOCK, "unknown flag", FLAGS, 2, 2, -1, "EINVAL" },
	{ OP_MUNLOCK, "", ANY, 0, 0, -1, "ok EINVAL ENOMEM" },
	{ OP_MLOCKALL, "current", FLAGS, MM_MCL_CURRENT, MM_MCL_CURRENT, -1, "ok ENOMEM EPERM" },
	{ OP_MLOCKALL, "future", FLAGS, MM_MCL_FUTURE, MM_MCL_FUTURE, -1, "ok ENOMEM EPERM" },
	{ OP_MLOCKALL, "onfault", FLAGS, MM_MCL_ONFAULT, MM_MCL_ONFAULT, -1, "ok EINVAL EPERM" },
	{ OP_MLOCKALL, "wrong flags", FLAGS, 3, 0, -1, "EINVAL" },
	{ OP_MUNLOCKALL, "", ANY, 0, 0, -1, "ok" },
	{ OP_MINCORE, "", ANY, 0, 0, -1, "ok EINVAL ENOMEM" },
	{ OP_MSYNC, "async", FLAGS, ~0u, MM_MS_ASYNC, -1, "ok EINVAL ENOMEM" },
	{ OP_MSYNC, "sync", FLAGS, ~0u, MM_MS_SYNC, -1, "ok EINVAL ENOMEM" },
	{ OP_MSYNC, "invalidate", FLAGS, MM_MS_INVALIDATE, MM_MS_INVALIDATE, -1,
	  "ok EINVAL ENOMEM EBUSY" },
	{ OP_MSYNC, "wrong flags", FLAGS, MM_MS_ASYNC | MM_MS_SYNC, MM_MS_ASYNC | MM_MS_SYNC, -1,
	  "EINVAL" },

	{ OP_READ, "", ANY, 0, 0, -1, "ok SEGV_MAPERR SEGV_ACCERR SIGBUS" },
	{ OP_WRITE, "", ANY, 0, 0, -1, "ok SEGV_MAPERR SEGV_ACCERR SIGBUS" },

	{ OP_PIN, "reference", FLAGS, ~0u, 0, -1, "ok EFAULT" },
	{ OP_PIN, "longterm", FLAGS, MM_PIN_LONGTERM, MM_PIN_LONGTERM, -1, "ok EFAULT" },
	{ OP_PIN_READ, "", ANY, 0, 0, -1, "ok" },
	{ OP_PIN_WRITE, "", ANY, 0, 0, -1, "ok" },
	{ OP_UNPIN, "", ANY, 0, 0, -1, "ok" },

	{ OP_FILE, "", ANY, 0, 0, -1, "ok" },
	{ OP_FILE_TRUNCATE, "", ANY, 0, 0, -1, "ok" },
	{ OP_FILE_WRITE, "", ANY, 0, 0, -1, "ok" },
	{ OP_FILE_READ, "", ANY, 0, 0, -1, "ok" },
	{ OP_FILE_SYNC, "", ANY, 0, 0, -1, "ok" },
	{ OP_FILE_CLOSE, "", ANY, 0, 0, -1, "ok" },
};

#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

/* What happens inside, by name: of struct mm_counters. */
static const struct {
	const char *name;
	size_t offset;
} events[] = {
	{ "faults", offsetof(struct mm_counters, faults) },
	{ "zero page mapped", offsetof(struct mm_counters, fault_zero_page) },
	{ "page made", offsetof(struct mm_counters, fault_zero_fill) },
	{ "copied on write", offsetof(struct mm_counters, fault_cow_copy) },
	{ "reused on write", offsetof(struct mm_counters, fault_cow_reuse) },
	{ "file page mapped", offsetof(struct mm_counters, fault_file_map) },
	{ "file page copied", offsetof(struct mm_counters, fault_file_cow) },
	{ "shared page dirtied", offsetof(struct mm_counters, fault_mkwrite) },
	{ "swapped in by fault", offsetof(struct mm_counters, fault_swap_in) },
	{ "fault refused", offsetof(struct mm_counters, fault_errors) },
	{ "stack grown", offsetof(struct mm_counters, stack_growths) },
	{ "forks", offsetof(struct mm_counters, forks) },
	{ "exits", offsetof(struct mm_counters, exits) },
	{ "VMAs merged", offsetof(struct mm_counters, merges) },
	{ "VMAs split", offsetof(struct mm_counters, splits) },
	{ "VMAs moved", offsetof(struct mm_counters, moves) },
	{ "entries moved", offsetof(struct mm_counters, moved_ptes) },
	{ "swapped out", offsetof(struct mm_counters, swap_out) },
	{ "lazily freed", offsetof(struct mm_counters, lazyfree_dropped) },
};

#define EVENTS (sizeof(events) / sizeof(events[0]))

/* An outcome's place: its name as in the table. */
struct outcome {
	const char *name;
	uint64_t count;
};

struct coverage {
	struct outcome outcome[VARIANTS][COVERAGE_OUTCOMES];
	uint64_t event[EVENTS];
	uint64_t processes, depth;
	char names[4096]; /* of the outcomes in the table */
	size_t names_used;
};

/* ---------------------------------------------------------------- making */

/* The name stays as long as c. */
static const char *keep_name(struct coverage *c, const char *name, size_t len)
{
	char *at = c->names;

	for (; at < c->names + c->names_used; at += strlen(at) + 1)
		if (strlen(at) == len && !memcmp(at, name, len))
			return at;
	if (c->names_used + len + 1 > sizeof(c->names))
		return "?";
	memcpy(at, name, len);
	at[len] = '\0';
	c->names_used += len + 1;
	return at;
}

struct coverage *coverage_new(void)
{
	struct coverage *c = calloc(1, sizeof(*c));

	for (size_t v = 0; c && v < VARIANTS; v++) {
		const char *at = variants[v].outcomes;

		for (size_t i = 0; *at && i < COVERAGE_OUTCOMES; i++) {
			size_t len = strcspn(at, " ");

			c->outcome[v][i].name = keep_name(c, at, len);
			at += len + (at[len] == ' ');
		}
	}
	return c;
}

void coverage_free(struct coverage *c)
{
	free(c);
}

/* ---------------------------------------------------------------- counting */

static bool is_variant(const struct variant *v, const struct op *op)
{
	if (v->kind != op->kind || (v->file >= 0 && v->file != (op->file != 0)))
		return false;
	switch (v->field) {
	case FLAGS:
		return (op->flags & v->mask) == v->value;
	case PROT:
		return (op->prot & v->mask) == v->value;
	case LEN_ZERO:
		return op->len == 0;
	case LENGTHS:
		return op->len && v->value == (op->new_len < op->len   ? 1u
					       : op->new_len > op->len ? 2u
								       : 0u);
	default:
		return true;
	}
}

static const char *outcome_name(const struct op *op, int error)
{
	bool access = op->kind == OP_READ || op->kind == OP_WRITE || op->kind == OP_FETCH;

	if (!error)
		return "ok";
	if (access && error == RMAP_EFAULT)
		return op_signal_name(OP_SEGV_MAPERR);
	if (access && error == RMAP_EACCES)
		return op_signal_name(OP_SEGV_ACCERR);
	if (access && error == RMAP_EIO)
		return op_signal_name(OP_SIGBUS);
	return rmap_error_name(error);
}

void coverage_note(struct coverage *c, const struct op *op, int error)
{
	const char *name = outcome_name(op, error);

	for (size_t v = 0; v < VARIANTS; v++) {
		struct outcome *o = c->outcome[v];

		if (!is_variant(&variants[v], op))
			continue;
		for (size_t i = 0; i < COVERAGE_OUTCOMES; i++) {
			if (!o[i].name)
				o[i].name = name;
			if (strcmp(o[i].name, name) != 0)
				continue;
			o[i].count++;
			break;
		}
	}
}

void coverage_machine(struct coverage *c, struct runner *runner)
{
	struct mm_counters counters;

	mm_get_counters(runner_system(runner), &counters);
	for (size_t i = 0; i < EVENTS; i++)
		c->event[i] += *(const uint64_t *)((const char *)&counters + events[i].offset);
}

void coverage_tree(struct coverage *c, uint64_t processes, uint64_t depth)
{
	if (processes > c->processes)
		c->processes = processes;
	if (depth > c->depth)
		c->depth = depth;
}

void coverage_sum(const struct coverage *c, uint64_t *all, uint64_t *reached)
{
	*all = *reached = 0;
	for (size_t v = 0; v < VARIANTS; v++)
		for (size_t i = 0; i < COVERAGE_OUTCOMES; i++) {
			const struct outcome *o = &c->outcome[v][i];

			*all += o->name != NULL;
			*reached += o->name && o->count;
		}
}

/* ---------------------------------------------------------------- printing */

static const char *title(const struct variant *v, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", op_kind_name(v->kind), v->name[0] ? " " : "", v->name);
	return buf;
}

void coverage_print(const struct coverage *c, FILE *out)
{
	uint64_t all, reached;
	char name[80];

	fprintf(out, "coverage, by operation and outcome\n");
	for (size_t v = 0; v < VARIANTS; v++) {
		fprintf(out, "  %-30s", title(&variants[v], name, sizeof(name)));
		for (size_t i = 0; i < COVERAGE_OUTCOMES && c->outcome[v][i].name; i++)
			if (c->outcome[v][i].count)
				fprintf(out, " %s %llu", c->outcome[v][i].name,
					(unsigned long long)c->outcome[v][i].count);
		fprintf(out, "\n");
	}
	fprintf(out, "inside the engine\n");
	for (size_t i = 0; i < EVENTS; i++)
		fprintf(out, "  %-30s %llu\n", events[i].name, (unsigned long long)c->event[i]);
	fprintf(out, "  %-30s %llu, %llu generations\n", "processes at a time, at most",
		(unsigned long long)c->processes, (unsigned long long)c->depth);
	coverage_sum(c, &all, &reached);
	fprintf(out, "reached: %llu of %llu\nnever reached:", (unsigned long long)reached,
		(unsigned long long)all);
	for (size_t v = 0; v < VARIANTS; v++)
		for (size_t i = 0; i < COVERAGE_OUTCOMES && c->outcome[v][i].name; i++)
			if (!c->outcome[v][i].count)
				fprintf(out, "\n  %s: %s", title(&variants[v], name, sizeof(name)),
					c->outcome[v][i].name);
	fprintf(out, "%s\n", reached == all ? " nothing" : "");
}

json_t *coverage_json(const struct coverage *c)
{
	json_t *top = json_object(), *table = json_object(), *never = json_array();
	json_t *inside = json_object();
	char name[80], pair[160];

	for (size_t v = 0; v < VARIANTS; v++) {
		json_t *outcomes = json_object();

		title(&variants[v], name, sizeof(name));
		for (size_t i = 0; i < COVERAGE_OUTCOMES && c->outcome[v][i].name; i++) {
			const struct outcome *o = &c->outcome[v][i];

			snprintf(pair, sizeof(pair), "%s: %s", name, o->name);
			if (o->count)
				json_object_set_new(outcomes, o->name,
						    json_integer((json_int_t)o->count));
			else
				json_array_append_new(never, json_string(pair));
		}
		json_object_set_new(table, name, outcomes);
	}
	for (size_t i = 0; i < EVENTS; i++)
		json_object_set_new(inside, events[i].name, json_integer((json_int_t)c->event[i]));
	json_object_set_new(top, "operations", table);
	json_object_set_new(top, "inside", inside);
	json_object_set_new(top, "processes", json_integer((json_int_t)c->processes));
	json_object_set_new(top, "generations", json_integer((json_int_t)c->depth));
	json_object_set_new(top, "never", never);
	return top;
}
