// SPDX-License-Identifier: BSD-2-Clause
/* What has lost its last reference cannot be held again; what has any can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/refs.h"

static void test_try_get(void **state)
{
	_Atomic uint32_t refs = 0;

	(void)state;
	assert_false(refs_try_get(&refs));
	assert_int_equal(refs, 0);
	refs = 1;
	assert_true(refs_try_get(&refs));
	assert_true(refs_try_get(&refs));
	assert_int_equal(refs, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_try_get) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
