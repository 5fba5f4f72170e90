// SPDX-License-Identifier: BSD-2-Clause
/*
 * Stands before cmocka's own _fail(), which every assertion ends in; see failed.h.
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
