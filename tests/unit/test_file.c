// SPDX-License-Identifier: BSD-2-Clause
/* Mapped files: faults, what is mapped around them, private copies, read and write through the cache, errors of the store. */
#include "faulty_fixture.h"

#include <string.h>

#include "mm/file.h"

static int setup_single(void **state)
{
	struct engine_config config = { .mm.fault_around = PAGE };

	(void)state;
	return setup_as(&config);
}

static int setup_around(void **state)
{
	struct engine_config config = { .mm.fault_around = 8 * PAGE };

	(void)state;
	return setup_as(&config);
}

#define RW (MM_PROT_READ | MM_PROT_WRITE)

/*
 *	mm  [r][w][ ]  private          file [0][1][2]
 *	     |  copy                          |
 *	     +--------------------------------+
 *
 * covers: 1.6-2
 */
static void private_mapping(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 3, 5);
	uint64_t a = map_with(&e, mm, 0, 3, RW, MM_MAP_PRIVATE, file, 0), word;

	(void)state;
	assert_int_equal(peek(&e, mm, a), pattern_word(5, 0));
	assert_true(page_info(mm, a).file);
	assert_false(page_info(mm, a).writable);
	poke(&e, mm, a + PAGE, 1);
	assert_true(page_info(mm, a + PAGE).anon);
	assert_true(page_info(mm, a + PAGE).exclusive);
	assert_int_equal(peek(&e, mm, a + PAGE + 8), pattern_word(5, PAGE + 8));
	/* Read first, then written. */
	poke(&e, mm, a, 2);
	assert_true(page_info(mm, a).anon);
	assert_int_equal(counters_of(&e).fault_file_cow, 2);
	/* The file never hears of it. */
	assert_int_equal(STEP(&e, mm_file_read(file, 0, &word, 8, NULL)), 0);
	assert_int_equal(word, pattern_word(5, 0));
	assert_int_equal(memory_of(&e).dirty, 0);
	mm_put(mm);
	mm_file_put(file);
}

/* Two address spaces, one page; a write by one is seen by the other and by read(2). covers: 1.6-2 */
static void shared_mapping(void **state)
{
	struct mm *p = engine_mm(&e), *q = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 3, 5);
	uint64_t a = map_with(&e, p, 0, 3, RW, MM_MAP_SHARED, file, 0);
	uint64_t b = map_with(&e, q, 0, 2, RW, MM_MAP_SHARED, file, PAGE);
	uint64_t word;

	(void)state;
	assert_int_equal(peek(&e, q, b), pattern_word(5, PAGE));
	poke(&e, p, a + PAGE, 1);
	assert_true(same_frame(p, a + PAGE, q, b));
	assert_int_equal(peek(&e, q, b), 1);
	assert_int_equal(memory_of(&e).dirty, 1);
	assert_int_equal(STEP(&e, mm_file_read(file, PAGE, &word, 8, NULL)), 0);
	assert_int_equal(word, 1);
	word = 2;
	assert_int_equal(STEP(&e, mm_file_write(file, PAGE, &word, 8, NULL)), 0);
	assert_int_equal(peek(&e, p, a + PAGE), 2);
	mm_put(p);
	mm_put(q);
	mm_file_put(file);
}

/* Mapped read-only by the first touch, a write makes it dirty, then writable. covers: 1.6-3 */
static void read_then_write(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 1, 5);
	uint64_t a = map_with(&e, mm, 0, 1, RW, MM_MAP_SHARED, file, 0);

	(void)state;
	peek(&e, mm, a);
	assert_false(page_info(mm, a).writable);
	assert_int_equal(memory_of(&e).dirty, 0);
	poke(&e, mm, a, 9);
	assert_true(page_info(mm, a).writable);
	assert_int_equal(memory_of(&e).dirty, 1);
	assert_int_equal(counters_of(&e).fault_mkwrite, 1);
	mm_put(mm);
	mm_file_put(file);
}

/* Behind the end of the file there is nothing: SIGBUS, for reading, writing and private writing alike. */
static void behind_the_end(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 1, 5);
	uint64_t a = map_with(&e, mm, 0, 3, RW, MM_MAP_SHARED, file, 0);
	uint64_t b = map_with(&e, mm, 0, 3, RW, MM_MAP_PRIVATE, file, 0);

	(void)state;
	assert_int_equal(touch_read(&e, mm, a), 0);
	assert_int_equal(touch_read(&e, mm, a + PAGE), RMAP_EIO);
	assert_int_equal(touch_write(&e, mm, a + PAGE), RMAP_EIO);
	assert_int_equal(touch_read(&e, mm, b + 2 * PAGE), RMAP_EIO);
	assert_int_equal(touch_write(&e, mm, b + 2 * PAGE), RMAP_EIO);
	assert_int_equal(memory_of(&e).anon, 0);
	mm_put(mm);
	mm_file_put(file);
}

/*
 *	cached   [0][1][ ][3][4][5][6][7] | [8]        window of eight pages
 *	fault              ^
 *	mapped    x  x  x  x  x  x  x  x     -
 */
static void maps_around(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 16, 5);
	uint64_t a = map_with(&e, mm, 0x10000000, 16, RW, MM_MAP_PRIVATE, file, 0), word;

	(void)state;
	for (uint64_t i = 0; i < 9; i++)
		if (i != 2)
			assert_int_equal(mm_file_read(file, i * PAGE, &word, 8, NULL), 0);
	/* Page 2 is not cached: it is read, and what is around it is mapped, too. */
	assert_int_equal(peek(&e, mm, a + 2 * PAGE), pattern_word(5, 2 * PAGE));
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(page_info(mm, a + i * PAGE).state, MM_PAGE_PRESENT);
	assert_int_equal(page_info(mm, a + 8 * PAGE).state, MM_PAGE_NONE);
	assert_int_equal(counters_of(&e).faults, 1);
	/* One that is cached needs no reading. */
	assert_int_equal(peek(&e, mm, a + 8 * PAGE), pattern_word(5, 8 * PAGE));
	assert_int_equal(counters_of(&e).file_in, 9);
	for (uint64_t i = 9; i < 16; i++)
		assert_int_equal(page_info(mm, a + i * PAGE).state, MM_PAGE_NONE);
	mm_put(mm);
	mm_file_put(file);
}

/* The window ends with the VMA, with the file, and leaves entries that stand alone. */
static void around_stays_inside(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 6, 5);
	uint64_t a = map_with(&e, mm, 0x10000000, 8, RW, MM_MAP_PRIVATE, file, 0), word;
	uint64_t b = map_with(&e, mm, 0x20000000, 3, MM_PROT_READ, MM_MAP_PRIVATE, file, 0);

	(void)state;
	for (uint64_t i = 0; i < 6; i++)
		assert_int_equal(mm_file_read(file, i * PAGE, &word, 8, NULL), 0);
	peek(&e, mm, b);
	assert_int_equal(page_info(mm, b + 2 * PAGE).state, MM_PAGE_PRESENT);
	assert_int_equal(page_info(mm, b + 3 * PAGE).state, MM_PAGE_NONE);
	assert_int_equal(STEP(&e, mm_munmap(mm, a, PAGE)), 0);
	poke(&e, mm, a + 4 * PAGE, 77);
	assert_int_equal(STEP(&e, mm_file_truncate(file, 5 * PAGE)), 0);
	assert_int_equal(peek(&e, mm, a + 2 * PAGE), pattern_word(5, 2 * PAGE));
	assert_int_equal(page_info(mm, a).state, MM_PAGE_NONE);
	assert_true(page_info(mm, a + PAGE).file);
	assert_true(page_info(mm, a + 3 * PAGE).file);
	assert_true(page_info(mm, a + 4 * PAGE).anon);
	assert_int_equal(page_info(mm, a + 5 * PAGE).state, MM_PAGE_NONE);
	mm_put(mm);
	mm_file_put(file);
}

/* A store that cannot be read: SIGBUS, nothing is cached, and the next attempt may be lucky. */
static void failed_read(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 1, 5);
	uint64_t a = map_with(&e, mm, 0, 1, RW, MM_MAP_PRIVATE, file, 0), word, done = 1;

	(void)state;
	testport_fail(tp, TESTPORT_FILE_READ, 1, TESTPORT_EVER_AFTER);
	assert_int_equal(touch_read(&e, mm, a), RMAP_EIO);
	assert_int_equal(touch_write(&e, mm, a), RMAP_EIO);
	assert_int_equal(STEP(&e, mm_file_read(file, 0, &word, 8, &done)), RMAP_EIO);
	assert_int_equal(done, 0);
	assert_int_equal(memory_of(&e).file, 0);
	testport_fail_none(tp);
	assert_int_equal(peek(&e, mm, a), pattern_word(5, 0));
	mm_put(mm);
	mm_file_put(file);
}

/* read(2) and write(2) cross pages, stop at the end, and extend. */
static void read_and_write(void **state)
{
	struct mm_file *file = pattern_file(&e, 2, 5);
	unsigned char buf[3 * PAGE], model[3 * PAGE];
	uint64_t done;

	(void)state;
	for (uint64_t i = 0; i < 2 * PAGE; i++)
		model[i] = hosted_pattern_byte(5, i);
	assert_int_equal(STEP(&e, mm_file_read(file, 100, buf, sizeof(buf), &done)), 0);
	assert_int_equal(done, 2 * PAGE - 100);
	assert_memory_equal(buf, model + 100, done);
	assert_int_equal(STEP(&e, mm_file_read(file, 2 * PAGE, buf, 1, &done)), 0);
	assert_int_equal(done, 0);
	assert_int_equal(STEP(&e, mm_file_read(file, UINT64_MAX, buf, 100, &done)), 0);
	assert_int_equal(done, 0);

	memset(buf, 0xab, 1000);
	assert_int_equal(STEP(&e, mm_file_write(file, 2 * PAGE - 500, buf, 1000, &done)), 0);
	assert_int_equal(done, 1000);
	assert_int_equal(mm_file_size(file), 2 * PAGE + 500);
	memset(model + 2 * PAGE - 500, 0xab, 1000);
	assert_int_equal(STEP(&e, mm_file_read(file, 0, buf, sizeof(buf), &done)), 0);
	assert_int_equal(done, 2 * PAGE + 500);
	assert_memory_equal(buf, model, done);
	assert_int_equal(mm_file_write(file, UINT64_MAX - 10, buf, 100, &done), RMAP_EINVAL);

	/* A hole reads as zeros. */
	assert_int_equal(STEP(&e, mm_file_write(file, 5 * PAGE + 7, "x", 1, &done)), 0);
	assert_int_equal(mm_file_size(file), 5 * PAGE + 8);
	assert_int_equal(STEP(&e, mm_file_read(file, 4 * PAGE, buf, PAGE + 8, &done)), 0);
	assert_int_equal(done, PAGE + 8);
	for (uint64_t i = 0; i < PAGE + 7; i++)
		assert_int_equal(buf[i], 0);
	assert_int_equal(buf[PAGE + 7], 'x');
	mm_file_put(file);
}

/* A page that is overwritten whole is not read before. */
static void overwriting_does_not_read(void **state)
{
	struct mm_file *file = pattern_file(&e, 4, 5);
	unsigned char buf[3 * PAGE];

	(void)state;
	memset(buf, 1, sizeof(buf));
	testport_fail(tp, TESTPORT_FILE_READ, 0, TESTPORT_ONCE);
	assert_int_equal(STEP(&e, mm_file_write(file, PAGE / 2, buf, 3 * PAGE, NULL)), 0);
	assert_int_equal(testport_reached(tp, TESTPORT_FILE_READ), 2);
	mm_file_put(file);
}

/* What mappings have written behind the end is not the file's, also when it grows over it. */
static void growing_over_what_was_behind(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 1, 0);
	uint64_t a = map_with(&e, mm, 0, 1, RW, MM_MAP_SHARED, file, 0), word = 1;

	(void)state;
	assert_int_equal(STEP(&e, mm_file_truncate(file, 100)), 0);
	poke(&e, mm, a, 1);
	poke(&e, mm, a + 200, 2);
	assert_int_equal(peek(&e, mm, a + 200), 2);
	assert_int_equal(STEP(&e, mm_file_write(file, 300, "y", 1, NULL)), 0);
	assert_int_equal(STEP(&e, mm_file_read(file, 200, &word, 8, NULL)), 0);
	assert_int_equal(word, 0);
	assert_int_equal(peek(&e, mm, a), 1);
	poke(&e, mm, a + 400, 3);
	assert_int_equal(STEP(&e, mm_file_truncate(file, PAGE)), 0);
	assert_int_equal(peek(&e, mm, a + 400), 0);
	mm_put(mm);
	mm_file_put(file);
}

/* No memory, at every allocation in turn: an error, and all as before. */
static void no_memory(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 4, 5);
	uint64_t a = map_with(&e, mm, 0, 4, RW, MM_MAP_PRIVATE, file, 0);

	(void)state;
	for (uint64_t n = 1;; n++) {
		uint64_t failed;
		int error;

		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
		error = hosted_write(e.cpu, mm, a + PAGE, &n, 8, NULL);
		failed = testport_fail_none(tp);
		engine_check(&e);
		if (!failed) {
			assert_int_equal(error, 0);
			break;
		}
		assert_int_equal(error, RMAP_ENOMEM);
		assert_int_equal(page_info(mm, a + PAGE).state, MM_PAGE_NONE);
	}
	mm_put(mm);
	mm_file_put(file);
}

/* Readers of one page at once, of whom one reads it from the store: the count of files, and that a file outlives its creator. */
static void mappings_hold_the_file(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 2, 5);
	uint64_t a = map_with(&e, mm, 0, 2, RW, MM_MAP_SHARED, file, 0);

	(void)state;
	mm_file_put(file);
	poke(&e, mm, a, 3);
	assert_int_equal(peek(&e, mm, a), 3);
	assert_int_equal(objects_of(&e, RMAP_KIND_FILE), 1);
	mm_put(mm);
}

/* A size so large that rounding it up to pages would wrap. */
static void a_file_of_all_bytes(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = shmem_file(&e, 4);
	uint64_t a = map_with(&e, mm, 0, 4, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_SHARED, file, 0);

	(void)state;
	poke(&e, mm, a, 5);
	assert_int_equal(STEP(&e, mm_file_truncate(file, UINT64_MAX)), 0);
	assert_int_equal(peek(&e, mm, a), 5);
	assert_int_equal(STEP(&e, mm_madvise(mm, a, PAGE, MM_MADV_WILLNEED)), 0);
	assert_int_equal(STEP(&e, mm_madvise(mm, a, PAGE, MM_MADV_REMOVE)), 0);
	assert_int_equal(peek(&e, mm, a), 0);
	mm_put(mm);
	mm_file_put(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(private_mapping, setup_single, teardown),
		cmocka_unit_test_setup_teardown(shared_mapping, setup_single, teardown),
		cmocka_unit_test_setup_teardown(read_then_write, setup_single, teardown),
		cmocka_unit_test_setup_teardown(behind_the_end, setup_single, teardown),
		cmocka_unit_test_setup_teardown(maps_around, setup_around, teardown),
		cmocka_unit_test_setup_teardown(around_stays_inside, setup_around, teardown),
		cmocka_unit_test_setup_teardown(failed_read, setup_single, teardown),
		cmocka_unit_test_setup_teardown(read_and_write, setup_single, teardown),
		cmocka_unit_test_setup_teardown(overwriting_does_not_read, setup_single, teardown),
		cmocka_unit_test_setup_teardown(growing_over_what_was_behind, setup_single,
						teardown),
		cmocka_unit_test_setup_teardown(no_memory, setup_single, teardown),
		cmocka_unit_test_setup_teardown(mappings_hold_the_file, setup_single, teardown),
		cmocka_unit_test_setup_teardown(a_file_of_all_bytes, setup_single, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
