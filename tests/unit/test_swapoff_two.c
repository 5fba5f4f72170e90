// SPDX-License-Identifier: BSD-2-Clause
/*
 * One swapoff at a time: what others who switch swap on or off are told while one is under way, and that it stays off (or in use) as
 * the one who was first has left it.
 */
#include "mm/reclaim.h"

#include "meanwhile.h"

static int told; /* who came second */

/* |7 8|, both in swap */
static int set_up(void **state)
{
	(void)state;
	meanwhile_begins(NULL);
	told = 0;
	map_anon(&e, mm, BASE, 2);
	poke(&e, mm, BASE, 7);
	poke(&e, mm, BASE + PAGE, 8);
	swap_out(&e, mm, BASE);
	swap_out(&e, mm, BASE + PAGE);
	return 0;
}

static int switches_off(void)
{
	told = mm_swapoff(e.sys);
	return 0;
}

/* Its device fails, and works again for the one who was first. */
static int switches_off_in_vain(void)
{
	device_error = RMAP_EIO;
	told = mm_swapoff(e.sys);
	device_error = 0;
	return 0;
}

static int switches_on(void)
{
	told = mm_swapon(e.sys);
	return 0;
}

static void assert_goes_out(bool expected)
{
	reclaim_all(e.sys);
	engine_check(&e);
	assert_int_equal(page_info(mm, BASE).state == MM_PAGE_SWAPPED, expected);
}

/* All is back, nothing goes out; and it can be switched on once. */
static void assert_off(void)
{
	struct mm_memory memory;

	mm_get_memory(e.sys, &memory);
	assert_int_equal(memory.swap_used, 0);
	assert_int_equal(peek(&e, mm, BASE), 7);
	assert_int_equal(peek(&e, mm, BASE + PAGE), 8);
	assert_goes_out(false);
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), RMAP_EINVAL);
	assert_int_equal(mm_swapon(e.sys), 0);
	assert_int_equal(mm_swapon(e.sys), RMAP_EBUSY);
	assert_goes_out(true);
	assert_int_equal(peek(&e, mm, BASE), 7);
}

/* covers: 1.6-6 */
static void second_is_told(void **state)
{
	(void)state;
	meanwhile = switches_off;
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), 0);
	assert_int_equal(told, RMAP_EINVAL);
	assert_off();
}

/* What the second one meets is no reason to give slots out again. */
static void second_would_fail(void **state)
{
	(void)state;
	meanwhile = switches_off_in_vain;
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), 0);
	assert_int_equal(told, RMAP_EINVAL);
	assert_int_equal(reads, 2);
	assert_off();
}

static void on_meanwhile(void **state)
{
	(void)state;
	meanwhile = switches_on;
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), 0);
	assert_int_equal(told, RMAP_EBUSY);
	assert_off();
}

/* Swap stays in use, although another one has asked for its end meanwhile: that one was refused. */
static void first_fails(void **state)
{
	(void)state;
	meanwhile = switches_off;
	device_error = RMAP_EIO;
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), RMAP_EIO);
	device_error = 0;
	assert_int_equal(told, RMAP_EINVAL);
	assert_int_equal(mm_swapon(e.sys), RMAP_EBUSY);
	assert_int_equal(peek(&e, mm, BASE), 7);
	assert_goes_out(true);
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), 0);
	assert_off();
}

/* Shared memory comes back behind all that page tables name. */
static void second_at_shared_memory(void **state)
{
	(void)state;
	map_with(&e, mm, FAR, 1, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
	poke(&e, mm, FAR, 9);
	assert_int_equal(peek(&e, mm, BASE), 7);
	assert_int_equal(peek(&e, mm, BASE + PAGE), 8);
	assert_goes_out(true);
	assert_int_equal(STEP(&e, mm_munmap(mm, BASE, PAGE)), 0);
	map_anon(&e, mm, BASE, 1);
	poke(&e, mm, BASE, 7);
	reads = 0;
	assert_int_equal(peek(&e, mm, BASE + PAGE), 8);
	assert_int_equal(reads, 1);
	meanwhile = switches_off_in_vain;
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), 0);
	assert_int_equal(told, RMAP_EINVAL);
	assert_int_equal(reads, 2);
	assert_off();
	assert_int_equal(peek(&e, mm, FAR), 9);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, meanwhile_ends)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(second_is_told), TEST(second_would_fail),	     TEST(on_meanwhile),
		TEST(first_fails),    TEST(second_at_shared_memory),
	};

	return cmocka_run_group_tests_name("swapoff_two", tests, NULL, NULL);
}
