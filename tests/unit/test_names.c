// SPDX-License-Identifier: BSD-2-Clause
/*
 * Names for people: each is another's than all others, and a number that is none has one, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rmap/mm.h>

static const char *kind_name(unsigned int kind)
{
	return rmap_kind_name((enum rmap_kind)kind);
}

static const char *lock_name(unsigned int lock_class)
{
	return rmap_lock_name((enum rmap_lock_class)lock_class);
}

static const char *purpose_name(unsigned int purpose)
{
	return rmap_walk_purpose_name((enum rmap_walk_purpose)purpose);
}

static const char *flush_name(unsigned int why)
{
	return mm_flush_name((enum mm_flush)why);
}

/* "?" for what is none, as the numbers of [gap, behind) that nothing has. */
static void expect_names(const char *(*name)(unsigned int), unsigned int nr, unsigned int gap,
			 unsigned int behind)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (i >= gap && i < behind) {
			assert_string_equal(name(i), "?");
			continue;
		}
		assert_string_not_equal(name(i), "?");
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(name(i), name(j));
	}
	assert_string_equal(name(nr), "?");
	assert_string_equal(name(nr + 1), "?");
	assert_string_equal(name(1u << 30), "?");
}

static void test_kinds(void **state)
{
	(void)state;
	/* The end of tier 1's kinds is no kind; room for more is behind it. */
	expect_names(kind_name, RMAP_KINDS, RMAP_KIND_TIER1_END, RMAP_KIND_MM);
}

static void test_locks(void **state)
{
	(void)state;
	expect_names(lock_name, RMAP_LOCK_CLASSES, 0, 0);
}

static void test_purposes(void **state)
{
	(void)state;
	expect_names(purpose_name, RMAP_WALK_PURPOSES, 0, 0);
}

static void test_flushes(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < MM_FLUSH_REASONS; i++)
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(flush_name(i), flush_name(j));
	assert_string_equal(flush_name(MM_FLUSH_REASONS), "no reason");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_locks),
		cmocka_unit_test(test_purposes),
		cmocka_unit_test(test_flushes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
