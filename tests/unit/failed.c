// SPDX-License-Identifier: BSD-2-Clause
/*
 * Stands before cmocka's own _fail(), which every assertion ends in; see failed.h. And one test alone: RMAP_TEST=NAME, in which * and ?
 * stand for any letters, runs no other of a program.
 */
#include "failed.h"

#include "oom/inject.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static _Atomic bool failed;

__attribute__((constructor)) static void choose_tests(void)
{
	const char *only = getenv("RMAP_TEST");

	if (only)
		cmocka_set_test_filter(only);
}

void test_begins(void)
{
	atomic_store(&failed, false);
	inject_test_begins();
}

bool test_has_failed(void)
{
	return atomic_load(&failed);
}

void _fail(const char *const file, const int line)
{
	void (*next)(const char *file, int line) = NULL;

	inject_test_failed();
	*(void **)(void *)&next = dlsym(RTLD_NEXT, "_fail");
	atomic_store(&failed, true);
	fprintf(stderr, "%s:%d: failed\n", file, line);
	if (next)
		next(file, line);
	abort();
}
