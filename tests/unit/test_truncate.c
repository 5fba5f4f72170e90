// SPDX-License-Identifier: BSD-2-Clause
/* Truncation and hole punching: who loses what, and who keeps it. */
#include "faulty_fixture.h"

#include "mm/file.h"

#define RW (MM_PROT_READ | MM_PROT_WRITE)

/*
 *	file   [0][1][2][3]          ->  [0][1]
 *	P, sh   x  x  x  x                x  x SIGBUS
 *	Q, pr   x  x' x' x                x  x' SIGBUS       private copies behind the end go, too
 */
static void mapped_pages_go(void **state)
{
	struct mm *p = engine_mm(&e), *q = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 4, 5);
	uint64_t a = map_with(&e, p, 0, 4, RW, MM_MAP_SHARED, file, 0);
	uint64_t b = map_with(&e, q, 0, 4, RW, MM_MAP_PRIVATE, file, 0);

	(void)state;
	for (uint64_t i = 0; i < 4; i++) {
		poke(&e, p, a + i * PAGE, 10 + i);
		peek(&e, q, b + i * PAGE);
	}
	poke(&e, q, b + PAGE, 21);
	poke(&e, q, b + 2 * PAGE, 22);
	assert_int_equal(STEP(&e, mm_file_truncate(file, 2 * PAGE)), 0);
	assert_int_equal(mm_file_size(file), 2 * PAGE);
	assert_int_equal(peek(&e, p, a + PAGE), 11);
	assert_int_equal(peek(&e, q, b + PAGE), 21);
	for (uint64_t i = 2; i < 4; i++) {
		assert_int_equal(touch_read(&e, p, a + i * PAGE), RMAP_EIO);
		assert_int_equal(touch_write(&e, q, b + i * PAGE), RMAP_EIO);
	}
	assert_int_equal(memory_of(&e).file, 2);
	assert_int_equal(memory_of(&e).dirty, 2);
	assert_int_equal(memory_of(&e).anon, 1);
	mm_put(p);
	mm_put(q);
	mm_file_put(file);
}

/* Private copies that are out in swap go as well, and their slots are free. */
static void swapped_copies_go(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 2, 5);
	uint64_t a = map_with(&e, mm, 0, 2, RW, MM_MAP_PRIVATE, file, 0);

	(void)state;
	poke(&e, mm, a + PAGE, 1);
	swap_out(&e, mm, a + PAGE);
	assert_int_equal(STEP(&e, mm_file_truncate(file, PAGE)), 0);
	assert_int_equal(page_info(mm, a + PAGE).state, MM_PAGE_NONE);
	assert_int_equal(memory_of(&e).swap_used, 0);
	mm_put(mm);
	mm_file_put(file);
}

/* The page that is cut keeps its head; what was behind reads as zeros once the file grows again. */
static void partial_page(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 2, 5);
	uint64_t a = map_with(&e, mm, 0, 2, RW, MM_MAP_SHARED, file, 0);

	(void)state;
	poke(&e, mm, a + 96, 7);
	poke(&e, mm, a + 104, 8);
	assert_int_equal(STEP(&e, mm_file_truncate(file, 104)), 0);
	assert_int_equal(peek(&e, mm, a + 96), 7);
	assert_int_equal(peek(&e, mm, a + 104), 0);
	assert_int_equal(touch_read(&e, mm, a + PAGE), RMAP_EIO);
	assert_int_equal(STEP(&e, mm_file_truncate(file, PAGE)), 0);
	assert_int_equal(peek(&e, mm, a + 104), 0);
	/* Also where it was not in memory, and comes from the store afterwards. */
	mm_put(mm);
	mm_file_put(file);
	file = pattern_file(&e, 1, 5);
	assert_int_equal(STEP(&e, mm_file_truncate(file, 8)), 0);
	assert_int_equal(mm_file_sync(file), 0);
	mm_reclaim(e.sys, 100);
	assert_int_equal(memory_of(&e).file, 0);
	assert_int_equal(STEP(&e, mm_file_truncate(file, PAGE)), 0);
	mm = engine_mm(&e);
	a = map_with(&e, mm, 0, 1, RW, MM_MAP_SHARED, file, 0);
	assert_int_equal(peek(&e, mm, a), pattern_word(5, 0));
	assert_int_equal(peek(&e, mm, a + 8), 0);
	mm_put(mm);
	mm_file_put(file);
}

/* If the page that is cut cannot be read, nothing is truncated. */
static void cut_page_unreadable(void **state)
{
	struct mm_file *file = pattern_file(&e, 2, 5);

	(void)state;
	testport_fail(tp, TESTPORT_FILE_READ, 1, TESTPORT_ONCE);
	assert_int_equal(STEP(&e, mm_file_truncate(file, 100)), RMAP_EIO);
	testport_fail_none(tp);
	assert_int_equal(mm_file_size(file), 2 * PAGE);
	assert_int_equal(STEP(&e, mm_file_truncate(file, 100)), 0);
	mm_file_put(file);
}

/*
 * A split VMA and one at another offset: truncation finds each by its own bounds.
 *
 *	P  |0 1 2 3|4 5 6 7|  split in the middle by mprotect
 *	Q  |5 6|              mapped from offset 5
 *	file is cut to 3 pages
 *
 * covers: B26
 */
static void split_and_offset(void **state)
{
	struct mm *p = engine_mm(&e), *q = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 8, 5);
	uint64_t a = map_with(&e, p, 0, 8, RW, MM_MAP_SHARED, file, 0);
	uint64_t b = map_with(&e, q, 0, 2, RW, MM_MAP_SHARED, file, 5 * PAGE);

	(void)state;
	for (uint64_t i = 0; i < 8; i++)
		poke(&e, p, a + i * PAGE, i);
	poke(&e, q, b, 50);
	assert_int_equal(STEP(&e, mm_mprotect(p, a + 4 * PAGE, 4 * PAGE, MM_PROT_READ)), 0);
	assert_int_equal(STEP(&e, mm_file_truncate(file, 6 * PAGE)), 0);
	assert_int_equal(peek(&e, p, a + 5 * PAGE), 50);
	assert_int_equal(touch_read(&e, p, a + 6 * PAGE), RMAP_EIO);
	assert_int_equal(touch_read(&e, q, b + PAGE), RMAP_EIO);
	assert_int_equal(STEP(&e, mm_mprotect(p, a, 8 * PAGE, RW)), 0);
	assert_int_equal(STEP(&e, mm_file_truncate(file, 3 * PAGE)), 0);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(touch_write(&e, p, a + i * PAGE), i < 3 ? 0 : RMAP_EIO);
	assert_int_equal(touch_read(&e, q, b), RMAP_EIO);
	assert_int_equal(memory_of(&e).file, 3);
	mm_put(p);
	mm_put(q);
	mm_file_put(file);
}

/* A hole in shared memory: pages and slots go, private copies of it stay. covers: 1.11-5 */
static void punch(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = shmem_file(&e, 4);
	uint64_t a = map_with(&e, mm, 0, 4, RW, MM_MAP_SHARED, file, 0);
	uint64_t b = map_with(&e, mm, 0, 4, RW, MM_MAP_PRIVATE, file, 0);

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		poke(&e, mm, a + i * PAGE, 10 + i);
	poke(&e, mm, b + PAGE, 99);
	swap_out(&e, mm, b + PAGE);
	rmap_write_lock(&file->invalidate_lock, &e.sys->port->os);
	file_punch(file, 1, 2);
	rmap_write_unlock(&file->invalidate_lock, &e.sys->port->os);
	engine_check(&e);
	assert_int_equal(peek(&e, mm, a), 10);
	assert_int_equal(peek(&e, mm, a + PAGE), 0);
	assert_int_equal(peek(&e, mm, a + 2 * PAGE), 0);
	assert_int_equal(peek(&e, mm, a + 3 * PAGE), 13);
	assert_int_equal(peek(&e, mm, b + PAGE), 99);
	mm_put(mm);
	mm_file_put(file);
}

/* A dirty page that is truncated is not written, and not counted any more. */
static void dirty_page_is_not_written(void **state)
{
	struct mm_file *file = pattern_file(&e, 3, 5);
	uint64_t word = 1;

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(STEP(&e, mm_file_write(file, i * PAGE, &word, 8, NULL)), 0);
	assert_int_equal(memory_of(&e).dirty, 3);
	assert_int_equal(STEP(&e, mm_file_truncate(file, PAGE)), 0);
	assert_int_equal(memory_of(&e).dirty, 1);
	assert_int_equal(mm_file_sync(file), 0);
	assert_int_equal(counters_of(&e).file_out, 1);
	mm_file_put(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(mapped_pages_go, setup, teardown),
		cmocka_unit_test_setup_teardown(swapped_copies_go, setup, teardown),
		cmocka_unit_test_setup_teardown(partial_page, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_page_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(split_and_offset, setup, teardown),
		cmocka_unit_test_setup_teardown(punch, setup, teardown),
		cmocka_unit_test_setup_teardown(dirty_page_is_not_written, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
