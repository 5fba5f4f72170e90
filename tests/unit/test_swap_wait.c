// SPDX-License-Identifier: BSD-2-Clause
/*
 * While a fault waits for its page to come from swap it holds no lock of the address space: whatever others do to that meanwhile another
 * thread does here while the device is at it (meanwhile.h). With the VMA's lock held each of these calls would wait for ever.
 */
#include "meanwhile.h"

/* |7 8|, the first of them in swap */
static int set_up(void **state)
{
	(void)state;
	meanwhile_begins(NULL);
	map_anon(&e, mm, BASE, 2);
	poke(&e, mm, BASE, 7);
	poke(&e, mm, BASE + PAGE, 8);
	swap_out(&e, mm, BASE);
	return 0;
}

/* covers: 1.1-4 */
static void test_fork(void **state)
{
	(void)state;
	meanwhile = forks;
	assert_int_equal(peek(&e, mm, BASE), 7);
	assert_non_null(child);
	/* One page for both, brought in once. */
	assert_int_equal(peek(&e, child, BASE), 7);
	assert_true(same_frame(mm, BASE, child, BASE));
	assert_int_equal(reads, 1);
	poke(&e, mm, BASE, 9);
	assert_int_equal(peek(&e, child, BASE), 7);
}

static void test_unmap(void **state)
{
	(void)state;
	meanwhile = unmaps;
	assert_int_equal(touch_read(&e, mm, BASE), RMAP_EFAULT);
	assert_int_equal(peek(&e, mm, BASE + PAGE), 8);
}

static void test_protect(void **state)
{
	(void)state;
	meanwhile = forbids;
	assert_int_equal(touch_write(&e, mm, BASE), RMAP_EACCES);
	assert_int_equal(peek(&e, mm, BASE), 7);
}

/* The page that is read is not the one that is there now. */
static void test_replace(void **state)
{
	(void)state;
	meanwhile = replaces;
	poke(&e, mm, BASE, 5);
	assert_int_equal(peek(&e, mm, BASE), 5);
}

static void test_move(void **state)
{
	(void)state;
	meanwhile = moves;
	assert_int_equal(touch_read(&e, mm, BASE), RMAP_EFAULT);
	assert_int_equal(peek(&e, mm, FAR), 7);
}

/* The error is for who still has the page. */
static void test_error(void **state)
{
	(void)state;
	device_error = RMAP_EIO;
	assert_int_equal(touch_read(&e, mm, BASE), RMAP_EIO);
	assert_int_equal(reads, 1);
	meanwhile = replaces;
	assert_int_equal(touch_read(&e, mm, BASE), 0);
	assert_int_equal(reads, 2);
	device_error = 0;
	assert_int_equal(peek(&e, mm, BASE), 0);
}

static void test_pin(void **state)
{
	struct page *page;

	(void)state;
	meanwhile = forks;
	assert_int_equal(mm_pin(mm, BASE, MM_PIN_WRITE, &page), 0);
	assert_non_null(child);
	mm_unpin(e.sys, page, MM_PIN_WRITE);
	poke(&e, mm, BASE, 9);
	assert_int_equal(peek(&e, child, BASE), 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, meanwhile_ends)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fork), TEST(test_unmap), TEST(test_protect), TEST(test_replace),
		TEST(test_move), TEST(test_error), TEST(test_pin),
	};

	return cmocka_run_group_tests_name("swap_wait", tests, NULL, NULL);
}
