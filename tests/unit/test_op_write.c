// SPDX-License-Identifier: BSD-2-Clause
/*
 * Operations as lines: what is written, parsed again, is the same operation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "verify.h"

#include <stdio.h>
#include <string.h>

static struct op_source *open_text(const char *text)
{
	char err[OPS_ERR_SIZE] = "";
	struct op_source *source = NULL;

	if (lang_open_text("t.rmw", text, strlen(text), &source, err))
		fail_msg("%s\n%s", err, text);
	return source;
}

static void assert_same(const struct op *a, const struct op *b, const char *line)
{
#define SAME(field)                                                                                \
	do {                                                                                       \
		if (a->field != b->field)                                                          \
			fail_msg("'%s': " #field " differs", line);                                \
	} while (0)
	SAME(kind);
	SAME(proc);
	SAME(target);
	SAME(addr.mark);
	SAME(addr.off);
	SAME(new_addr.mark);
	SAME(new_addr.off);
	SAME(len);
	SAME(new_len);
	SAME(offset);
	SAME(prot);
	SAME(flags);
	SAME(file);
	SAME(file_mode);
	SAME(value);
	SAME(has_value);
	SAME(value_steps);
	SAME(relative);
	SAME(outcome);
	SAME(error);
	SAME(out);
#undef SAME
}

/* Write every operation of text, parse what was written, and hold both against each other. */
static void there_and_back(const char *text)
{
	static char written[1 << 16];
	char line[1024], err[OPS_ERR_SIZE];
	struct op_source *first = open_text(text), *second;
	struct op a, b;
	int more;

	written[0] = '\0';
	while ((more = first->next(first, &a, err)) > 0) {
		op_write(&a, first, line, sizeof(line));
		strcat(written, line);
		strcat(written, "\n");
	}
	assert_int_equal(more, 0);
	first->close(first);
	first = open_text(text);
	second = open_text(written);
	while (first->next(first, &a, err) > 0) {
		if (second->next(second, &b, err) <= 0)
			fail_msg("too few operations:\n%s", written);
		assert_same(&a, &b, op_write(&a, first, line, sizeof(line)));
	}
	assert_int_equal(second->next(second, &b, err), 0);
	first->close(first);
	second->close(second);
}

static void processes_and_limits(void **state)
{
	(void)state;
	there_and_back(
		"process P\n"
		"C = P fork\nT = C share\nT exit\n"
		"C[3] = P fork -> ENOMEM\n"
		"P limit as 40p\nP limit data unlimited\nP limit stack 5000\nP limit memlock 0\n"
		"P caps none\nP caps ipc_lock sys_admin\n");
}

static void calls(void **state)
{
	(void)state;
	there_and_back(
		"process P\nfile f 5p\nfile g 9000 shmem\nfile h 7p sparse\n"
		"m1 = P mmap 4p\nP mmap 5000 none shared anon\n"
		"P mmap 1p rwx private file=f offset=2p at=0x10000000 fixed populate locked -> "
		"EAGAIN\n"
		"P mmap 1p x shared file=g mode=r noreserve noreplace at=0x20000000 -> any\n"
		"P mmap 1p w growsdown stack denywrite nonblock at=0x20000001\n"
		"P mmap 1p r shared_validate file=h mode=w\n"
		"P mmap 0 rw flags=0x22 -> EINVAL\nP mmap MAX rw flags=0x10020 -> ENOMEM\n"
		"P mmap 1p rw flags=0 prot=0x100 -> any\nP mmap 1p rw flags=0x80022\n"
		"P munmap 0x10000001 1p -> EINVAL\nP munmap m1+1p 2p\n"
		"P mprotect 0x10000000 3p none\nP mprotect 0x10000000 3 rx growsdown -> any\n"
		"P mprotect 0x10000000 3p rw growsup -> EINVAL\n"
		"P mprotect 0x10000000 3p rwx prot=0x40 -> EINVAL\n"
		"m2 = P mremap m1 4p 8p maymove\nP mremap m2 4p 4p to=0x30000000\n"
		"P mremap m2 4p 4p dontunmap maymove\nP mremap m2 4p 4p to=0x30000000 dontunmap\n"
		"P mremap m2 4p 4p fixed hint=0x40000000 -> EINVAL\nP mremap m2 4p 4p flags=0x80 "
		"-> any\n"
		"P madvise m2 4p dontneed\nP madvise m2 4p normal\nP madvise m2 4p 99 -> EINVAL\n"
		"P madvise m2 4p populate_write -> any\n"
		"P setbrk 0x1000000\nP brk 0x1004000\nP brk +100\nP brk -1 -> ENOMEM\n"
		"P mlock m2 4p\nP mlock m2 4p onfault\nP mlock m2 4p flags=6 -> EINVAL\nP munlock "
		"m2 1\n"
		"P mlockall current future onfault\nP mlockall flags=8 -> EINVAL\nP mlockall -> "
		"EINVAL\n"
		"P munlockall\nP mincore m2 4p\nP msync m2 4p async invalidate\nP msync m2 1p "
		"flags=32\n");
}

static void accesses_files_and_the_machine(void **state)
{
	(void)state;
	there_and_back(
		"process P\nfile f 5p\na = P mmap 9p\n"
		"P read a\nP read a 4p = 7 step\nP write a+1p 4p\nP write 0x5000 = 3 -> "
		"SEGV_MAPERR\n"
		"P fetch a 2p -> SEGV_ACCERR\nP write a -> any\n"
		"truncate f 3p\nfileread f 0 2p\nfilewrite f 1p 2p = 5 step\nfsync f\nclose f\n"
		"reclaim 5\nbalance\nswapoff\nswapon\nhibernate\nP migrate a 2p -> any\n"
		"phase \"x\"\ncheck\nverify\nsnapshot\n");
}

/* A line that is too long for its buffer is cut, and still a string. */
static void short_buffers(void **state)
{
	struct op op;
	char buf[16];

	(void)state;
	op_init(&op, OP_MMAP);
	op.proc = 1;
	op.len = 4096;
	op.flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS;
	assert_ptr_equal(op_write(&op, NULL, buf, sizeof(buf)), buf);
	assert_true(strlen(buf) < sizeof(buf));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_and_limits),
		cmocka_unit_test(calls),
		cmocka_unit_test(accesses_files_and_the_machine),
		cmocka_unit_test(short_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
