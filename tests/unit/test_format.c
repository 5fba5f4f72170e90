// SPDX-License-Identifier: BSD-2-Clause
/*
 * format_sentence() against the C library's own, and at the edges of its buffer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mm/format.h"

#define SAME_AS_LIBC(...)                                                                          \
	do {                                                                                       \
		char ours[200], theirs[200];                                                       \
                                                                                                   \
		memset(ours, 'x', sizeof(ours));                                                   \
		assert_ptr_equal(format_sentence(ours, sizeof(ours), __VA_ARGS__), ours);          \
		snprintf(theirs, sizeof(theirs), __VA_ARGS__);                                     \
		assert_string_equal(ours, theirs);                                                 \
	} while (0)

static void test_every_conversion_is_as_in_the_c_library(void **state)
{
	(void)state;
	SAME_AS_LIBC("%s", "no numbers");
	SAME_AS_LIBC("%s%s", "", "");
	SAME_AS_LIBC("%d %d %d %d", 0, -1, INT32_MAX, INT32_MIN);
	SAME_AS_LIBC("%u %u", 0u, UINT32_MAX);
	SAME_AS_LIBC("%lu %lu", (uint64_t)0, UINT64_MAX);
	SAME_AS_LIBC("%ld %ld", INT64_MAX, INT64_MIN);
	SAME_AS_LIBC("%lx %lx %lx", (uint64_t)0, (uint64_t)0x7ffffffff000, UINT64_MAX);
	SAME_AS_LIBC("%p", (void *)&state);
	SAME_AS_LIBC("100%% of mm %lu at 0x%lx", (uint64_t)3, (uint64_t)0x1000);
}

static void test_a_null_string_is_written_as_one(void **state)
{
	char buf[20];
	const char *volatile nothing = NULL;

	(void)state;
	assert_string_equal(format_sentence(buf, sizeof(buf), "<%s>", nothing), "<(null)>");
}

/* A mistake in a sentence shows in it. */
static void test_an_unknown_conversion_is_written_as_it_stands(void **state)
{
	char buf[20];
	const char *volatile odd = "%q and %lq";

	(void)state;
	assert_string_equal(format_sentence(buf, sizeof(buf), odd, 0), "%q and %lq");
}

static void test_what_does_not_fit_is_cut(void **state)
{
	(void)state;
	for (size_t size = 1; size <= 40; size++) {
		char buf[41], whole[41];

		memset(buf, 'x', sizeof(buf));
		format_sentence(buf, size, "page %lu of %s is lost", (uint64_t)1234567, "somebody");
		snprintf(whole, sizeof(whole), "page %lu of %s is lost", (uint64_t)1234567,
			 "somebody");
		assert_memory_equal(buf, whole,
				    size - 1 < strlen(whole) ? size - 1 : strlen(whole));
		assert_int_equal(buf[size - 1 < strlen(whole) ? size - 1 : strlen(whole)], '\0');
		for (size_t i = size; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 'x');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_conversion_is_as_in_the_c_library),
		cmocka_unit_test(test_a_null_string_is_written_as_one),
		cmocka_unit_test(test_an_unknown_conversion_is_written_as_it_stands),
		cmocka_unit_test(test_what_does_not_fit_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
