// SPDX-License-Identifier: BSD-2-Clause
/* Shared anonymous memory: one page for all, through swap and back, and what happens when swap fails. */
#include "faulty_fixture.h"

#include "mm/file.h"

#define RW (MM_PROT_READ | MM_PROT_WRITE)

/*
 *	P [a][b]  shared, anonymous;  C forked:  both see both, with no fault to tell that it is written to
 */
static void shared_by_fork(void **state)
{
	struct mm *p = engine_mm(&e), *c;
	uint64_t a = map_with(&e, p, 0, 2, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);

	(void)state;
	poke(&e, p, a, 1);
	c = engine_fork(&e, p);
	assert_int_equal(peek(&e, c, a), 1);
	poke(&e, c, a, 2);
	poke(&e, c, a + PAGE, 3);
	assert_int_equal(peek(&e, p, a), 2);
	assert_int_equal(peek(&e, p, a + PAGE), 3);
	assert_int_equal(memory_of(&e).shmem, 2);
	assert_int_equal(memory_of(&e).file, 0);
	assert_int_equal(memory_of(&e).dirty, 0);
	mm_put(p);
	assert_int_equal(peek(&e, c, a), 2);
	mm_put(c);
	settle(&e);
	assert_int_equal(memory_of(&e).shmem, 0);
}

/* Out to swap: entries are empty, the file's tree keeps the slot; back at the first touch by anybody. */
static void out_and_in(void **state)
{
	struct mm *p = engine_mm(&e), *c;
	uint64_t a = map_with(&e, p, 0, 2, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);

	(void)state;
	poke(&e, p, a, 1);
	poke(&e, p, a + PAGE, 2);
	c = engine_fork(&e, p);
	push_out();
	assert_int_equal(page_info(p, a).state, MM_PAGE_NONE);
	assert_int_equal(memory_of(&e).shmem, 0);
	assert_int_equal(memory_of(&e).swap_used, 2);
	assert_int_equal(counters_of(&e).swap_out, 2);
	assert_int_equal(peek(&e, c, a), 1);
	assert_int_equal(memory_of(&e).swap_used, 1);
	poke(&e, c, a, 5);
	assert_int_equal(peek(&e, p, a), 5);
	assert_true(same_frame(p, a, c, a));
	push_out();
	poke(&e, p, a, 6);
	assert_int_equal(peek(&e, c, a), 6);
	mm_put(p);
	mm_put(c);
	settle(&e);
	assert_int_equal(memory_of(&e).swap_used, 0);
}

/* Written through the mapping that read it first: no fault tells, the entry's dirty bit does. */
static void written_after_a_read_fault(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_with(&e, mm, 0, 1, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0), faults;

	(void)state;
	assert_int_equal(peek(&e, mm, a), 0);
	faults = counters_of(&e).faults;
	poke(&e, mm, a, 8);
	assert_int_equal(counters_of(&e).faults, faults);
	push_out();
	assert_int_equal(peek(&e, mm, a), 8);
	mm_put(mm);
}

/* Only looked at since it came back: its slot is gone, so it must be written again. */
static void out_again_unwritten(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_with(&e, mm, 0, 1, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);

	(void)state;
	poke(&e, mm, a, 8);
	for (int i = 0; i < 3; i++) {
		push_out();
		assert_int_equal(page_info(mm, a).state, MM_PAGE_NONE);
		assert_int_equal(peek(&e, mm, a), 8);
	}
	mm_put(mm);
}

/* Never written to: there is nothing to keep, and it reads as zeros again. */
static void clean_page_is_dropped(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_with(&e, mm, 0, 1, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);

	(void)state;
	assert_int_equal(peek(&e, mm, a), 0);
	push_out();
	assert_int_equal(memory_of(&e).shmem, 0);
	assert_int_equal(memory_of(&e).swap_used, 0);
	assert_int_equal(peek(&e, mm, a), 0);
	mm_put(mm);
}

/* Swap cannot be written: the page waits in the cache and comes back from there. */
static void failed_write(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_with(&e, mm, 0, 1, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);

	(void)state;
	poke(&e, mm, a, 1);
	testport_fail(tp, TESTPORT_SWAP_WRITE, 1, TESTPORT_EVER_AFTER);
	push_out();
	testport_fail_none(tp);
	assert_int_equal(memory_of(&e).swap_cache, 1);
	assert_int_equal(peek(&e, mm, a), 1);
	assert_int_equal(memory_of(&e).swap_cache, 0);
	push_out();
	assert_int_equal(peek(&e, mm, a), 1);
	mm_put(mm);
}

/* Swap cannot be read: SIGBUS, and the contents are still there. */
static void failed_read(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_with(&e, mm, 0, 1, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);

	(void)state;
	poke(&e, mm, a, 1);
	push_out();
	testport_fail(tp, TESTPORT_SWAP_READ, 1, TESTPORT_ONCE);
	assert_int_equal(touch_read(&e, mm, a), RMAP_EIO);
	testport_fail_none(tp);
	assert_int_equal(peek(&e, mm, a), 1);
	mm_put(mm);
}

/* Truncation drops slots, cached ones too. */
static void truncated_while_out(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = shmem_file(&e, 4);
	uint64_t a = map_with(&e, mm, 0, 4, RW, MM_MAP_SHARED, file, 0);

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		poke(&e, mm, a + i * PAGE, i + 1);
	testport_fail(tp, TESTPORT_SWAP_WRITE, 4, TESTPORT_ONCE);
	reclaim_all(e.sys);
	testport_fail_none(tp);
	engine_check(&e);
	assert_int_equal(STEP(&e, mm_file_truncate(file, 2 * PAGE + 8)), 0);
	assert_int_equal(peek(&e, mm, a + PAGE), 2);
	assert_int_equal(peek(&e, mm, a + 2 * PAGE), 3);
	assert_int_equal(touch_read(&e, mm, a + 3 * PAGE), RMAP_EIO);
	assert_int_equal(STEP(&e, mm_file_truncate(file, 0)), 0);
	assert_int_equal(memory_of(&e).swap_used, 0);
	mm_put(mm);
	mm_file_put(file);
}

/* A file of 104 bytes with 7 at its beginning and, by a mapping, 9 behind its end: in swap. */
static struct mm_file *ends_within_a_page(struct mm *mm, uint64_t *a)
{
	struct mm_file *file;

	assert_int_equal(mm_file_create(e.sys, NULL, 104, &file), 0);
	*a = map_with(&e, mm, 0, 1, RW, MM_MAP_SHARED, file, 0);
	poke(&e, mm, *a, 7);
	poke(&e, mm, *a + 200, 9);
	push_out();
	assert_int_equal(memory_of(&e).swap_used, 1);
	return file;
}

/* What a mapping wrote behind the end never was the file's: where it grows it reads as zeros, be the page in memory or in swap. */
static void grows_while_its_end_is_out(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a, word = 5;
	struct mm_file *file = ends_within_a_page(mm, &a);

	(void)state;
	assert_int_equal(STEP(&e, mm_file_truncate(file, PAGE)), 0);
	assert_int_equal(peek(&e, mm, a), 7);
	assert_int_equal(peek(&e, mm, a + 200), 0);
	mm_file_put(file);
	mm_put(mm);
	mm = engine_mm(&e);
	file = ends_within_a_page(mm, &a);
	assert_int_equal(STEP(&e, mm_file_write(file, 304, &word, 8, NULL)), 0);
	assert_int_equal(peek(&e, mm, a), 7);
	assert_int_equal(peek(&e, mm, a + 200), 0);
	assert_int_equal(peek(&e, mm, a + 304), 5);
	mm_file_put(file);
	mm_put(mm);
}

/* And where the page cannot be read the file stays as long as it is. */
static void cannot_grow_while_its_end_is_out(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a, word = 5, done;
	struct mm_file *file = ends_within_a_page(mm, &a);

	(void)state;
	testport_fail(tp, TESTPORT_SWAP_READ, 1, TESTPORT_EVER_AFTER);
	assert_int_equal(STEP(&e, mm_file_truncate(file, PAGE)), RMAP_EIO);
	assert_int_equal(STEP(&e, mm_file_write(file, 304, &word, 8, &done)), RMAP_EIO);
	assert_int_equal(done, 0);
	testport_fail_none(tp);
	assert_int_equal(mm_file_size(file), 104);
	assert_int_equal(peek(&e, mm, a), 7);
	mm_file_put(file);
	mm_put(mm);
}

/* Through read(2) and write(2), and with a private mapping that copies. */
static void read_write_and_private(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = shmem_file(&e, 2);
	uint64_t b = map_with(&e, mm, 0, 2, RW, MM_MAP_PRIVATE, file, 0), word = 7;

	(void)state;
	assert_int_equal(STEP(&e, mm_file_write(file, PAGE, &word, 8, NULL)), 0);
	push_out();
	assert_int_equal(memory_of(&e).swap_used, 1);
	poke(&e, mm, b + PAGE + 8, 8);
	assert_int_equal(peek(&e, mm, b + PAGE), 7);
	assert_int_equal(STEP(&e, mm_file_read(file, PAGE + 8, &word, 8, NULL)), 0);
	assert_int_equal(word, 0);
	assert_int_equal(mm_file_sync(file), 0);
	mm_put(mm);
	mm_file_put(file);
}

/* 400 shared pages in 128 frames, used by two. */
static void more_than_memory(void **state)
{
	struct mm *p = engine_mm(&e), *c;
	uint64_t a = map_with(&e, p, 0, 400, RW,
			      MM_MAP_SHARED | MM_MAP_ANONYMOUS | MM_MAP_NORESERVE, NULL, 0);

	(void)state;
	c = engine_fork(&e, p);
	for (uint64_t i = 0; i < 400; i++)
		assert_int_equal(hosted_write(e.cpu, i & 1 ? p : c, a + i * PAGE, &i, 8, NULL), 0);
	engine_check(&e);
	for (uint64_t i = 0; i < 400; i++) {
		uint64_t word;

		assert_int_equal(hosted_read(e.cpu, i & 1 ? c : p, a + i * PAGE, &word, 8, NULL),
				 0);
		assert_int_equal(word, i);
	}
	mm_put(p);
	mm_put(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(shared_by_fork, setup, teardown),
		cmocka_unit_test_setup_teardown(out_and_in, setup, teardown),
		cmocka_unit_test_setup_teardown(written_after_a_read_fault, setup, teardown),
		cmocka_unit_test_setup_teardown(out_again_unwritten, setup, teardown),
		cmocka_unit_test_setup_teardown(clean_page_is_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(failed_write, setup, teardown),
		cmocka_unit_test_setup_teardown(failed_read, setup, teardown),
		cmocka_unit_test_setup_teardown(truncated_while_out, setup, teardown),
		cmocka_unit_test_setup_teardown(grows_while_its_end_is_out, setup, teardown),
		cmocka_unit_test_setup_teardown(cannot_grow_while_its_end_is_out, setup, teardown),
		cmocka_unit_test_setup_teardown(read_write_and_private, setup, teardown),
		cmocka_unit_test_setup_teardown(more_than_memory, setup_small, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
