// SPDX-License-Identifier: BSD-2-Clause
/* The heap: grows by merging, shrinks by unmapping, never says why not. */
#include "vmas.h"

static struct engine e;

static int setup(void **state)
{
	(void)state;
	engine_setup(&e, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	engine_teardown(&e);
	return 0;
}

static uint64_t brk_to(struct mm *mm, uint64_t brk)
{
	uint64_t now = mm_brk(mm, brk);

	engine_check(&e);
	return now;
}

static struct mm *with_heap(void)
{
	struct mm *mm = engine_mm(&e);

	assert_int_equal(STEP(&e, mm_set_brk(mm, AT(0))), 0);
	return mm;
}

/*
 *	|hhhh|  grow  |hhhhhhhh|  to the middle of a page: its page stays  |hhh|
 *
 * covers: 1.8-4
 */
static void test_grow_and_shrink(void **state)
{
	struct mm *mm = with_heap();

	(void)state;
	assert_int_equal(brk_to(mm, 0), AT(0));
	assert_int_equal(brk_to(mm, AT(4)), AT(4));
	layout_is(&e, mm, "rw-p 4 @0");
	poke(&e, mm, AT(3), 3);
	assert_int_equal(brk_to(mm, AT(8)), AT(8));
	layout_is(&e, mm, "rw-p 8 @0");
	assert_int_equal(brk_to(mm, AT(2) + 1), AT(2) + 1);
	layout_is(&e, mm, "rw-p 3 @0");
	assert_int_equal(brk_to(mm, AT(2) + 100), AT(2) + 100);
	assert_int_equal(brk_to(mm, AT(5)), AT(5));
	assert_int_equal(peek(&e, mm, AT(3)), 0);
	assert_int_equal(stats_of(mm).data_vm, 5);
	assert_int_equal(committed(&e), 5);
	assert_int_equal(brk_to(mm, AT(0)), AT(0));
	layout_is(&e, mm, "");
	assert_int_equal(committed(&e), 0);
	mm_put(mm);
}

/*
 * What cannot be leaves the break: below the beginning; into (or within a page of) another mapping; over a limit.
 *
 *	|hh|....|x|
 *
 * covers: 1.8-4, 1.8-6
 */
static void test_refusals(void **state)
{
	struct mm *mm = with_heap();

	(void)state;
	assert_int_equal(brk_to(mm, AT(2)), AT(2));
	map_with(&e, mm, AT(6), 1, MM_PROT_READ, ANON, NULL, 0);
	assert_int_equal(brk_to(mm, AT(0) - 1), AT(2));
	assert_int_equal(brk_to(mm, AT(7)), AT(2));
	assert_int_equal(brk_to(mm, AT(6)), AT(2));
	assert_int_equal(brk_to(mm, AT(5)), AT(5));
	assert_int_equal(brk_to(mm, UINT64_MAX), AT(5));
	assert_int_equal(brk_to(mm, MM_TASK_SIZE), AT(5));
	assert_int_equal(unmap(&e, mm, 6, 1), 0);
	mm_set_limit(mm, MM_LIMIT_DATA, 7 * PAGE);
	assert_int_equal(brk_to(mm, AT(7) + 1), AT(5));
	assert_int_equal(brk_to(mm, AT(7)), AT(7));
	mm_set_limit(mm, MM_LIMIT_DATA, MM_LIMIT_INFINITY);
	mm_set_limit(mm, MM_LIMIT_AS, 8 * PAGE);
	assert_int_equal(brk_to(mm, AT(9)), AT(7));
	assert_int_equal(brk_to(mm, AT(8)), AT(8));
	mm_put(mm);
}

/*
 * A growing stack above keeps its guard.
 *
 *	|hh|......xxxx guard xxxx|stack|
 *
 * covers: 1.8-4, 1.8-5
 */
static void test_guard(void **state)
{
	struct mm *mm = with_heap();

	(void)state;
	map_with(&e, mm, AT(300), 1, RW, ANON | MM_MAP_GROWSDOWN, NULL, 0);
	assert_int_equal(brk_to(mm, AT(300 - 256)), AT(0));
	assert_int_equal(brk_to(mm, AT(300 - 256 - 1)), AT(43));
	mm_put(mm);
}

/*
 * Only the heap's own VMA grows: not what stands just below its beginning, not one that was inherited faulted, not one whose
 * rights have been changed.
 *
 *	|bss|hh|       child |HH|hh|
 *
 * covers: 1.8-4, 1.9-4
 */
static void test_when_a_new_vma_appears(void **state)
{
	struct mm *mm = engine_mm(&e), *child;

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	assert_int_equal(STEP(&e, mm_set_brk(mm, AT(2))), 0);
	assert_int_equal(brk_to(mm, AT(4)), AT(4));
	layout_is(&e, mm, "rw-p 2 @0 | rw-p 2 @2");
	poke(&e, mm, AT(2), 1);
	child = engine_fork(&e, mm);
	assert_int_equal(brk_to(child, AT(6)), AT(6));
	layout_is(&e, child, "rw-p 2 @0 | rw-p 2 @2 | rw-p 2 @4");
	assert_int_equal(brk_to(mm, AT(6)), AT(6));
	layout_is(&e, mm, "rw-p 2 @0 | rw-p 4 @2");
	assert_int_equal(protect(&e, mm, 2, 4, MM_PROT_READ), 0);
	assert_int_equal(brk_to(mm, AT(8)), AT(8));
	layout_is(&e, mm, "rw-p 2 @0 | r--p 4 @2 | rw-p 2 @6");
	mm_put(child);
	mm_put(mm);
}

/*
 * mlockall(MCL_FUTURE): what the heap grows by is locked and there at once, within the limit.
 *
 * covers: 1.8-4, 1.11-7
 */
static void test_locked_heap(void **state)
{
	struct mm *mm = with_heap();

	(void)state;
	assert_int_equal(STEP(&e, mm_mlockall(mm, MM_MCL_FUTURE)), 0);
	assert_int_equal(brk_to(mm, AT(3)), AT(3));
	assert_int_equal(stats_of(mm).rss_anon, 3);
	assert_int_equal(stats_of(mm).locked_vm, 3);
	mm_set_limit(mm, MM_LIMIT_MEMLOCK, 4 * PAGE);
	assert_int_equal(brk_to(mm, AT(5)), AT(3));
	assert_int_equal(brk_to(mm, AT(4)), AT(4));
	mm_put(mm);
}

static void test_set_brk(void **state)
{
	struct mm *mm = with_heap();

	(void)state;
	assert_int_equal(brk_to(mm, AT(1)), AT(1));
	assert_int_equal(mm_set_brk(mm, AT(100)), RMAP_EINVAL);
	assert_int_equal(brk_to(mm, AT(0)), AT(0));
	assert_int_equal(mm_set_brk(mm, MM_TASK_SIZE), RMAP_EINVAL);
	assert_int_equal(mm_set_brk(mm, AT(100)), 0);
	assert_int_equal(brk_to(mm, AT(101)), AT(101));
	assert_int_equal(stats_of(mm).brk_start, AT(100));
	mm_put(mm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_grow_and_shrink, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guard, setup, teardown),
		cmocka_unit_test_setup_teardown(test_when_a_new_vma_appears, setup, teardown),
		cmocka_unit_test_setup_teardown(test_locked_heap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_brk, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
