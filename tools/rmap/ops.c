// SPDX-License-Identifier: BSD-2-Clause
/*
 * The names of operations and of what expectations ask for: one table each, used by the parser, by messages and by the
 * summary, so that they cannot differ.
 */
#include "ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	bool changes;
} kinds[OP_KINDS] = {
	[OP_NONE] = { "nothing", false },
	[OP_NEW] = { "process", true },
	[OP_FORK] = { "fork", true },
	[OP_SHARE] = { "share", true },
	[OP_EXEC] = { "exec", true },
	[OP_EXIT] = { "exit", true },
	[OP_LIMIT] = { "limit", false },
	[OP_CAPS] = { "caps", false },
	[OP_MMAP] = { "mmap", true },
	[OP_MUNMAP] = { "munmap", true },
	[OP_MPROTECT] = { "mprotect", true },
	[OP_MREMAP] = { "mremap", true },
	[OP_MADVISE] = { "madvise", true },
	[OP_BRK] = { "brk", true },
	[OP_SET_BRK] = { "setbrk", true },
	[OP_MLOCK] = { "mlock", true },
	[OP_MUNLOCK] = { "munlock", true },
	[OP_MLOCKALL] = { "mlockall", true },
	[OP_MUNLOCKALL] = { "munlockall", true },
	[OP_MINCORE] = { "mincore", false },
	[OP_MSYNC] = { "msync", true },
	[OP_READ] = { "read", true },
	[OP_WRITE] = { "write", true },
	[OP_FETCH] = { "fetch", true },
	[OP_PIN] = { "pin", true },
	[OP_PIN_READ] = { "pinread", false },
	[OP_PIN_WRITE] = { "pinwrite", true },
	[OP_UNPIN] = { "unpin", true },
	[OP_FILE] = { "file", true },
	[OP_FILE_TRUNCATE] = { "truncate", true },
	[OP_FILE_READ] = { "fileread", true },
	[OP_FILE_WRITE] = { "filewrite", true },
	[OP_FILE_SYNC] = { "fsync", true },
	[OP_FILE_CLOSE] = { "close", true },
	[OP_RECLAIM] = { "reclaim", true },
	[OP_BALANCE] = { "balance", true },
	[OP_SWAPOFF] = { "swapoff", true },
	[OP_SWAPON] = { "swapon", true },
	[OP_MIGRATE] = { "migrate", true },
	[OP_POISON] = { "poison", true },
	[OP_HIBERNATE] = { "hibernate", true },
	[OP_FAIL] = { "fail", false },
	[OP_PHASE] = { "phase", false },
	[OP_CHECK] = { "check", false },
	[OP_VERIFY] = { "verify", true },
	[OP_SNAPSHOT] = { "snapshot", false },
	[OP_FRAME] = { "frame", false },
	[OP_PROBE] = { "probe", false },
	[OP_EXPECT_LAYOUT] = { "expect layout", false },
	[OP_EXPECT_SHARED] = { "expect shared", false },
	[OP_EXPECT_PAGE] = { "expect page", false },
	[OP_EXPECT_CONTENT] = { "expect content", false },
	[OP_EXPECT_STAT] = { "expect stat", false },
	[OP_EXPECT_SMAPS] = { "expect smaps", false },
	[OP_EXPECT_WALK] = { "expect walk", false },
	[OP_EXPECT_COUNT] = { "expect count", false },
	[OP_EXPECT_GROWN] = { "expect grown", false },
	[OP_EXPECT_OWNER] = { "expect owner", false },
	[OP_EXPECT_ORIGIN] = { "expect origin", false },
	[OP_EXPECT_LINKS] = { "expect links", false },
	[OP_EXPECT_FILE] = { "expect file", false },
};

const char *op_kind_name(enum op_kind kind)
{
	return (unsigned int)kind < OP_KINDS ? kinds[kind].name : "nothing";
}

bool op_is_expectation(enum op_kind kind)
{
	return kind >= OP_EXPECT_LAYOUT && kind < OP_KINDS;
}

bool op_changes(enum op_kind kind)
{
	return (unsigned int)kind < OP_KINDS && kinds[kind].changes;
}

void op_init(struct op *op, enum op_kind kind)
{
	memset(op, 0, sizeof(*op));
	op->kind = kind;
}

bool op_for_design(const struct op *op, const char *design)
{
	const char *p = op->only;
	size_t len = strlen(design);
	bool negate, listed = false;

	if (!p)
		return true;
	negate = *p == '!';
	p += negate;
	while (*p) {
		size_t word = strcspn(p, ",");

		listed |= word == len && !memcmp(p, design, len);
		p += word;
		p += *p == ',';
	}
	return listed != negate;
}

static const char *name_of(const char *const *names, unsigned int n, unsigned int i)
{
	return i < n ? names[i] : NULL;
}

#define NAMES(function, ...)                                                                       \
	const char *function(unsigned int i)                                                       \
	{                                                                                          \
		static const char *const names[] = { __VA_ARGS__ };                                \
                                                                                                   \
		return name_of(names, sizeof(names) / sizeof(names[0]), i);                        \
	}

NAMES(op_page_field_name, "state", "anon", "file", "exclusive", "writable", "dirty", "accessed",
      "swapcache", "locked", "mapcount", "swapcount", "index", "frame")
NAMES(op_stat_field_name, "map_count", "total_vm", "locked_vm", "data_vm", "exec_vm", "stack_vm",
      "rss", "rss_anon", "rss_file", "rss_shmem", "swap", "tables", "brk", "brk_start")
NAMES(op_smaps_field_name, "size", "rss", "pss", "shared_clean", "shared_dirty", "private_clean",
      "private_dirty", "referenced", "anonymous", "lazyfree", "swap", "swap_pss", "locked")
NAMES(op_walk_field_name, "looks", "steps", "found")
NAMES(op_page_state_name, "none", "present", "swapped", "migrating", "poisoned", "zero")
NAMES(op_signal_name, "success", "SEGV_MAPERR", "SEGV_ACCERR", "SIGBUS", "SIGBUS_MCEERR", "OOM")
NAMES(op_fail_point_name, "alloc", "swapwrite", "swapread", "filewrite", "fileread")
NAMES(op_cmp_name, "=", "!=", "<", "<=", ">", ">=")

bool op_compare(uint64_t found, unsigned int cmp, uint64_t wanted)
{
	switch (cmp) {
	case OP_NE:
		return found != wanted;
	case OP_LT:
		return found < wanted;
	case OP_LE:
		return found <= wanted;
	case OP_GT:
		return found > wanted;
	case OP_GE:
		return found >= wanted;
	default:
		return found == wanted;
	}
}

int ops_parse_size(const char *text, uint64_t *bytes)
{
	uint64_t n = 0, unit = 1;
	const char *p = text;

	if (*p < '0' || *p > '9')
		return -1;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return -1;
	switch (*p) {
	case '\0':
		break;
	case 'k':
	case 'K':
		unit = 1u << 10;
		p++;
		break;
	case 'm':
	case 'M':
		unit = 1u << 20;
		p++;
		break;
	case 'g':
	case 'G':
		unit = 1u << 30;
		p++;
		break;
	case 't':
	case 'T':
		unit = (uint64_t)1 << 40;
		p++;
		break;
	case 'p':
		unit = RMAP_PAGE_SIZE;
		p++;
		break;
	default:
		return -1;
	}
	if (*p || __builtin_mul_overflow(n, unit, bytes))
		return -1;
	return 0;
}

uint32_t ops_parse_release(const char *text)
{
	char *end;
	unsigned long major, minor;

	if (*text < '0' || *text > '9')
		return 0;
	major = strtoul(text, &end, 10);
	if (*end != '.' || end[1] < '0' || end[1] > '9' || major > 255)
		return 0;
	minor = strtoul(end + 1, &end, 10);
	return minor > 255 || (*end && *end != '.' && *end != '-' && *end != '+')
		       ? 0
		       : MM_RELEASE(major, minor);
}
