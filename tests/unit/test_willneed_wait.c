// SPDX-License-Identifier: BSD-2-Clause
/*
 * While MADV_WILLNEED reads ahead it holds no lock of the address space: whatever others do to that meanwhile another thread does here
 * while the device is at it (meanwhile.h). With mmap_lock held each of these calls would wait for ever. Behind it the rest of the range
 * is looked up anew.
 */
#include "mm/reclaim.h"

#include "meanwhile_file.h"

/* |7 8|, both in swap, and the swap cache empty */
static void map_in_swap(uint32_t flags)
{
	map_with(&e, mm, BASE, 2, RW, flags | MM_MAP_ANONYMOUS, NULL, 0);
	poke(&e, mm, BASE, 7);
	poke(&e, mm, BASE + PAGE, 8);
	reclaim_all(e.sys);
	engine_check(&e);
}

static int read_ahead(uint64_t pages)
{
	return STEP(&e, mm_madvise(mm, BASE, pages * PAGE, MM_MADV_WILLNEED));
}

static uint64_t swap_cached(void)
{
	struct mm_memory memory;

	mm_get_memory(e.sys, &memory);
	return memory.swap_cache;
}

/* ---------------------------------------------------------------- a file */

/* covers: 1.11-5 */
static void test_file(void **state)
{
	(void)state;
	map_file(MM_MAP_SHARED);
	meanwhile = forks;
	assert_int_equal(read_ahead(2), 0);
	assert_non_null(child);
	assert_int_equal(reads, 2);
	assert_int_equal(page_info(mm, BASE).state, MM_PAGE_NONE);
	(void)peek(&e, mm, BASE);
	(void)peek(&e, child, BASE + PAGE);
	assert_int_equal(reads, 2);
}

/* What was to be read is the file's, whoever still maps it. */
static void test_file_unmapped(void **state)
{
	(void)state;
	map_file(MM_MAP_PRIVATE);
	meanwhile = unmaps_all;
	assert_int_equal(read_ahead(2), 0);
	assert_int_equal(reads, 2);
	assert_int_equal(touch_read(&e, mm, BASE), RMAP_EFAULT);
}

/* Nobody but the one who reads ahead has the file any more: with that it goes. */
static void test_file_goes(void **state)
{
	(void)state;
	map_file(MM_MAP_SHARED);
	meanwhile = forgets;
	assert_int_equal(read_ahead(2), 0);
	assert_int_equal(touch_read(&e, mm, BASE), RMAP_EFAULT);
}

/* f0 is on its way when the file is cut to it. f1 is not read any more, or cut off behind that. */
static void test_file_cut(void **state)
{
	(void)state;
	map_file(MM_MAP_SHARED);
	comes = truncates;
	comes_to_wait = writer_waits;
	meanwhile = forks;
	assert_int_equal(mm_madvise(mm, BASE, 2 * PAGE, MM_MADV_WILLNEED), 0);
	await();
	assert_int_equal(touch_read(&e, mm, BASE + PAGE), RMAP_EIO);
	assert_int_equal(touch_read(&e, child, BASE), 0);
}

/* ---------------------------------------------------------------- what is in swap */

/* covers: 1.11-5 */
static void test_swap(void **state)
{
	(void)state;
	map_in_swap(MM_MAP_PRIVATE);
	meanwhile = forks;
	assert_int_equal(read_ahead(2), 0);
	assert_non_null(child);
	assert_int_equal(reads, 2);
	assert_int_equal(swap_cached(), 2);
	assert_int_equal(page_info(mm, BASE).state, MM_PAGE_SWAPPED);
	assert_int_equal(peek(&e, mm, BASE), 7);
	assert_int_equal(peek(&e, child, BASE + PAGE), 8);
	assert_int_equal(reads, 2);
	/* What the cache has is not asked for again. */
	assert_int_equal(read_ahead(2), 0);
	assert_int_equal(reads, 2);
}

/* The page that is read is nobody's by then, and does not stay. What is mapped no more is missing, as it would be a moment earlier. */
static void test_swap_unmapped(void **state)
{
	(void)state;
	map_in_swap(MM_MAP_PRIVATE);
	meanwhile = unmaps_all;
	assert_int_equal(read_ahead(2), RMAP_ENOMEM);
	assert_int_equal(reads, 1);
	assert_int_equal(swap_cached(), 0);
}

/* The rest is still there, and read. */
static void test_swap_unmapped_in_part(void **state)
{
	(void)state;
	map_in_swap(MM_MAP_PRIVATE);
	meanwhile = unmaps;
	assert_int_equal(read_ahead(2), 0);
	assert_int_equal(reads, 2);
	assert_int_equal(swap_cached(), 1);
	assert_int_equal(peek(&e, mm, BASE + PAGE), 8);
}

static void test_swap_moved(void **state)
{
	(void)state;
	map_in_swap(MM_MAP_PRIVATE);
	meanwhile = moves;
	assert_int_equal(read_ahead(2), RMAP_ENOMEM);
	assert_int_equal(swap_cached(), 1);
	assert_int_equal(peek(&e, mm, FAR), 7);
	assert_int_equal(peek(&e, mm, FAR + PAGE), 8);
}

/* Only advice: each page by itself. */
static void test_swap_error(void **state)
{
	(void)state;
	map_in_swap(MM_MAP_PRIVATE);
	device_error = RMAP_EIO;
	assert_int_equal(read_ahead(2), 0);
	assert_int_equal(reads, 2);
	device_error = 0;
	assert_int_equal(peek(&e, mm, BASE), 7);
}

static void test_shared(void **state)
{
	(void)state;
	map_in_swap(MM_MAP_SHARED);
	meanwhile = forks;
	assert_int_equal(read_ahead(2), 0);
	assert_non_null(child);
	assert_int_equal(reads, 2);
	assert_int_equal(swap_cached(), 2);
	assert_int_equal(peek(&e, child, BASE), 7);
	assert_int_equal(peek(&e, mm, BASE + PAGE), 8);
	assert_int_equal(reads, 2);
}

/* |7 8|, 8 in memory: that is no reason to read, be it in the range or behind it. */
static void test_shared_partly_there(void **state)
{
	(void)state;
	map_in_swap(MM_MAP_SHARED);
	assert_int_equal(peek(&e, mm, BASE + PAGE), 8);
	assert_int_equal(read_ahead(1), 0);
	assert_int_equal(reads, 2);
	assert_int_equal(read_ahead(2), 0);
	assert_int_equal(peek(&e, mm, BASE), 7);
	assert_int_equal(reads, 2);
}

/* Nobody but the one who reads ahead has it any more: it goes with what was read. */
static void test_shared_unmapped(void **state)
{
	(void)state;
	map_in_swap(MM_MAP_SHARED);
	meanwhile = unmaps_all;
	assert_int_equal(read_ahead(2), 0);
	assert_int_equal(swap_cached(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_file, tear_down_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_file),
		TEST(test_file_unmapped),
		TEST(test_file_goes),
		TEST(test_file_cut),
		TEST(test_swap),
		TEST(test_swap_unmapped),
		TEST(test_swap_unmapped_in_part),
		TEST(test_swap_moved),
		TEST(test_swap_error),
		TEST(test_shared),
		TEST(test_shared_partly_there),
		TEST(test_shared_unmapped),
	};

	return cmocka_run_group_tests_name("willneed_wait", tests, NULL, NULL);
}
