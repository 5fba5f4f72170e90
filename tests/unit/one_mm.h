/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine with one address space, in e and mm, for the tests that want no other; those of the same program that do set up e
 * themselves. To be included last, for its short names.
 */
#ifndef TESTS_ONE_MM_H
#define TESTS_ONE_MM_H

#include "engine.h"
#include "failed.h"

static struct engine e;
static struct mm *mm;

static inline int one_mm_begins(void **state)
{
	(void)state;
	engine_setup(&e, NULL);
	mm = engine_mm(&e);
	return 0;
}

static inline int one_mm_ends(void **state)
{
	(void)state;
	if (test_has_failed())
		return 0;
	mm_put(mm);
	engine_teardown(&e);
	return 0;
}

#define WITH_ONE_MM(test) cmocka_unit_test_setup_teardown(test, one_mm_begins, one_mm_ends)

#endif
