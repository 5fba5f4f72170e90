// SPDX-License-Identifier: BSD-2-Clause
/*
 * Swap: slots and their counts, the swap cache, who has a page exclusively when it is back, and what happens when the device
 * fails.
 */
#include "faulty_fixture.h"

#include "mm/mm_types.h"

static int setup_small_swap(void **state)
{
	struct engine_config config = { .machine.nr_swap_slots = 4 };

	(void)state;
	return setup_as(&config);
}

/*
 *	P  [a][b][c]  ->  [s][s][s]  ->  [a][b][c]       exclusive again, and writable
 *
 * covers: 1.6-4, 1.5-9, I9
 */
static void out_and_in(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 3);
	struct mm_stats stats;

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		poke(&e, mm, a + i * PAGE, 100 + i);
	push_out();
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(page_info(mm, a + i * PAGE).state, MM_PAGE_SWAPPED);
		assert_int_equal(page_info(mm, a + i * PAGE).swap_count, 1);
	}
	mm_get_stats(mm, &stats);
	assert_int_equal(stats.rss_anon, 0);
	assert_int_equal(stats.swap_entries, 3);
	assert_int_equal(memory_of(&e).swap_used, 3);
	assert_int_equal(memory_of(&e).swap_cache, 0);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(peek(&e, mm, a + i * PAGE), 100 + i);
		assert_true(page_info(mm, a + i * PAGE).exclusive);
	}
	assert_int_equal(counters_of(&e).swap_out, 3);
	assert_int_equal(counters_of(&e).swap_in, 3);
	assert_int_equal(counters_of(&e).fault_cow_copy, 0);
	poke(&e, mm, a, 7);
	assert_int_equal(counters_of(&e).fault_cow_copy, 0);
	mm_put(mm);
	assert_int_equal(memory_of(&e).swap_used, 0);
}

/* Read back and not written to, the copy on disk still is right: going out again costs no I/O. */
static void clean_copy_is_kept(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 1);

	(void)state;
	poke(&e, mm, a, 5);
	push_out();
	assert_int_equal(peek(&e, mm, a), 5);
	assert_true(page_info(mm, a).swapcache);
	push_out();
	assert_int_equal(page_info(mm, a).state, MM_PAGE_SWAPPED);
	assert_int_equal(counters_of(&e).swap_out, 1);
	/* Written to, it must go out again. */
	assert_int_equal(peek(&e, mm, a), 5);
	poke(&e, mm, a, 6);
	push_out();
	assert_int_equal(counters_of(&e).swap_out, 2);
	assert_int_equal(peek(&e, mm, a), 6);
	mm_put(mm);
}

/* A private copy that nobody has written to, made for a reader who stays: no entry is dirty, but it is nowhere else. */
static void unwritten_copy(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 1, 6);
	uint64_t a = map_with(&e, mm, 0, 1, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_PRIVATE, file, 0);
	struct page *page;

	(void)state;
	assert_int_equal(STEP(&e, mm_pin(mm, a, MM_PIN_LONGTERM, &page)), 0);
	assert_true(page_info(mm, a).anon);
	mm_unpin(e.sys, page, MM_PIN_LONGTERM);
	push_out();
	assert_int_equal(page_info(mm, a).state, MM_PAGE_SWAPPED);
	assert_int_equal(peek(&e, mm, a), pattern_word(6, 0));
	mm_put(mm);
	mm_file_put(file);
}

/*
 *	P [a]--+               P [s]--+
 *	       page     ->            slot, counted twice     ->   one page again, whoever comes first
 *	C [a]--+               C [s]--+
 */
static void shared_comes_back_once(void **state)
{
	struct mm *p = engine_mm(&e), *c;
	uint64_t a = map_anon(&e, p, 0, 1);

	(void)state;
	poke(&e, p, a, 1);
	c = engine_fork(&e, p);
	push_out();
	assert_int_equal(page_info(p, a).swap_count, 2);
	assert_int_equal(page_info(p, a).slot, page_info(c, a).slot);
	assert_int_equal(peek(&e, c, a), 1);
	assert_int_equal(peek(&e, p, a), 1);
	assert_true(same_frame(p, a, c, a));
	assert_false(page_info(p, a).exclusive);
	assert_int_equal(counters_of(&e).swap_in, 1);
	poke(&e, c, a, 2);
	assert_int_equal(peek(&e, p, a), 1);
	mm_put(c);
	mm_put(p);
}

/*
 * The first to map it again is the child, which then goes: the page must not be owned by what goes with it.
 *
 * covers: B4
 */
static void first_mapper_goes(void **state)
{
	struct mm *p = engine_mm(&e), *c;
	uint64_t a = map_anon(&e, p, 0, 1);

	(void)state;
	poke(&e, p, a, 1);
	c = engine_fork(&e, p);
	push_out();
	assert_int_equal(peek(&e, c, a), 1);
	assert_int_equal(peek(&e, p, a), 1);
	mm_put(c);
	engine_check(&e);
	assert_int_equal(walk_from(&e, p, a, false).found, 1);
	push_out();
	assert_int_equal(peek(&e, p, a), 1);
	mm_put(p);
}

/* One of two takes a write fault from swap: it copies, unless it is the last. */
static void write_from_swap(void **state)
{
	struct mm *p = engine_mm(&e), *c;
	uint64_t a = map_anon(&e, p, 0, 1);

	(void)state;
	poke(&e, p, a, 1);
	c = engine_fork(&e, p);
	push_out();
	poke(&e, c, a, 2);
	assert_int_equal(page_info(p, a).state, MM_PAGE_SWAPPED);
	assert_int_equal(peek(&e, p, a), 1);
	assert_int_equal(peek(&e, c, a), 2);
	mm_put(c);
	poke(&e, p, a, 3);
	assert_true(page_info(p, a).exclusive);
	mm_put(p);
}

/* Slots that were freed are handed out again, and the device fills to the last one. */
static void slots_are_reused(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 6);
	unsigned int swapped = 0;

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < 6; i++)
			poke(&e, mm, a + i * PAGE, i + 10);
		push_out();
		swapped = 0;
		for (uint64_t i = 0; i < 6; i++)
			swapped += page_info(mm, a + i * PAGE).state == MM_PAGE_SWAPPED;
		assert_int_equal(swapped, 4);
		assert_int_equal(memory_of(&e).swap_used, 4);
		for (uint64_t i = 0; i < 6; i++)
			assert_int_equal(peek(&e, mm, a + i * PAGE), i + 10);
	}
	mm_put(mm);
	assert_int_equal(memory_of(&e).swap_used, 0);
}

/*
 * A slot that cannot be written is never used again; the page stays, with its contents, and later goes to another slot.
 */
static void failed_write_keeps_the_page(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 1);

	(void)state;
	poke(&e, mm, a, 42);
	testport_fail(tp, TESTPORT_SWAP_WRITE, 1, TESTPORT_ONCE);
	reclaim_all(e.sys);
	assert_int_equal(testport_fail_none(tp), 1);
	engine_check(&e);
	assert_int_equal(peek(&e, mm, a), 42);
	assert_int_equal(e.sys->swap.bad, 1);
	push_out();
	assert_int_equal(page_info(mm, a).state, MM_PAGE_SWAPPED);
	assert_int_not_equal(page_info(mm, a).slot, 0);
	assert_int_equal(peek(&e, mm, a), 42);
	mm_put(mm);
	/* The bad slot is in use by nobody, and by nobody ever. */
	assert_int_equal(memory_of(&e).swap_used, 0);
}

/* All slots bad: nothing goes out any more, nothing is lost, nothing hangs. */
static void device_dies(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 6);

	(void)state;
	for (uint64_t i = 0; i < 6; i++)
		poke(&e, mm, a + i * PAGE, i);
	testport_fail(tp, TESTPORT_SWAP_WRITE, 1, TESTPORT_EVER_AFTER);
	for (int i = 0; i < 3; i++) {
		push_out();
		for (uint64_t k = 0; k < 6; k++)
			assert_int_equal(peek(&e, mm, a + k * PAGE), k);
	}
	testport_fail_none(tp);
	assert_int_equal(e.sys->swap.bad, 4);
	mm_put(mm);
}

/* A slot that cannot be read is SIGBUS for who asks; the entry stays, and the next attempt may be lucky. */
static void failed_read(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 1);

	(void)state;
	poke(&e, mm, a, 42);
	push_out();
	testport_fail(tp, TESTPORT_SWAP_READ, 1, TESTPORT_ONCE);
	assert_int_equal(touch_read(&e, mm, a), RMAP_EIO);
	testport_fail_none(tp);
	assert_int_equal(page_info(mm, a).state, MM_PAGE_SWAPPED);
	assert_int_equal(memory_of(&e).swap_cache, 0);
	assert_int_equal(peek(&e, mm, a), 42);
	mm_put(mm);
}

/*
 * The page found in the cache may have left it before its lock is taken, and the slot may be another's by then: the fault looks
 * at its entry again. Here the entry goes between two reads.
 *
 * covers: B21
 */
static void slot_freed_under_a_reader(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 1), slot;
	struct page *page = NULL;
	bool was_cached;

	(void)state;
	poke(&e, mm, a, 42);
	push_out();
	slot = page_info(mm, a).slot;
	assert_int_equal(STEP(&e, mm_madvise(mm, a, PAGE, MM_MADV_DONTNEED)), 0);
	assert_int_equal(swap_read_page(e.sys, slot, &page, &was_cached), 0);
	assert_null(page);
	assert_int_equal(peek(&e, mm, a), 0);
	mm_put(mm);
}

/* The last entry goes while the page is cached: cache and slot go with it. */
static void last_entry_takes_the_cache_along(void **state)
{
	struct mm *p = engine_mm(&e), *c;
	uint64_t a = map_anon(&e, p, 0, 1);

	(void)state;
	poke(&e, p, a, 1);
	c = engine_fork(&e, p);
	push_out();
	assert_int_equal(peek(&e, p, a), 1);
	assert_int_equal(memory_of(&e).swap_cache, 1);
	mm_put(c);
	engine_check(&e);
	assert_int_equal(memory_of(&e).swap_used, 0);
	assert_int_equal(memory_of(&e).swap_cache, 0);
	assert_int_equal(peek(&e, p, a), 1);
	mm_put(p);
}

/* fork copies entries: one more in the count, and nobody's exclusively any more. covers: 1.7-2 */
static void fork_of_entries(void **state)
{
	struct mm *p = engine_mm(&e), *c;
	uint64_t a = map_anon(&e, p, 0, 2);

	(void)state;
	poke(&e, p, a, 1);
	poke(&e, p, a + PAGE, 2);
	push_out();
	c = engine_fork(&e, p);
	assert_int_equal(page_info(c, a).swap_count, 2);
	assert_false(page_info(p, a).exclusive);
	poke(&e, p, a, 3);
	assert_int_equal(peek(&e, c, a), 1);
	mm_put(p);
	assert_int_equal(peek(&e, c, a + PAGE), 2);
	mm_put(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(out_and_in, setup, teardown),
		cmocka_unit_test_setup_teardown(clean_copy_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(unwritten_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(shared_comes_back_once, setup, teardown),
		cmocka_unit_test_setup_teardown(first_mapper_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(write_from_swap, setup, teardown),
		cmocka_unit_test_setup_teardown(slots_are_reused, setup_small_swap, teardown),
		cmocka_unit_test_setup_teardown(failed_write_keeps_the_page, setup, teardown),
		cmocka_unit_test_setup_teardown(device_dies, setup_small_swap, teardown),
		cmocka_unit_test_setup_teardown(failed_read, setup, teardown),
		cmocka_unit_test_setup_teardown(slot_freed_under_a_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(last_entry_takes_the_cache_along, setup, teardown),
		cmocka_unit_test_setup_teardown(fork_of_entries, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
