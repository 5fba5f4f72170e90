/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Has this test failed? cmocka tells nobody, and shows what failed only behind the tear-down: one that asserts or aborts on the
 * half-finished machine that a failed test leaves would hide the reason. So the place of a failure is printed at once, and
 * tear-downs ask here and leave a failed test's machine alone.
 */
#ifndef TESTS_FAILED_H
#define TESTS_FAILED_H

#include <stdbool.h>

/* At every set-up. */
void test_begins(void);
bool test_has_failed(void);

#endif
