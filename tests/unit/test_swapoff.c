// SPDX-License-Identifier: BSD-2-Clause
/* Swapoff: everything comes back as it went, or stays where it is. */
#include "faulty_fixture.h"

#include "mm/mm_types.h"

#define RW (MM_PROT_READ | MM_PROT_WRITE)

/*
 *	P [x][s]      x: exclusive, s: shared with C by a fork before it went out
 *	C    [s]      back: x exclusive, s not; both read-only and not accessed
 *
 * covers: 1.6-6
 */
static void back_as_it_went(void **state)
{
	struct mm *p = engine_mm(&e), *c;
	uint64_t a = map_anon(&e, p, 0, 2);
	struct mm_page_info info;

	(void)state;
	poke(&e, p, a + PAGE, 2);
	c = engine_fork(&e, p);
	poke(&e, p, a, 1);
	push_out();
	assert_int_equal(memory_of(&e).swap_used, 2);
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), 0);
	assert_int_equal(memory_of(&e).swap_used, 0);
	info = page_info(p, a);
	assert_int_equal(info.state, MM_PAGE_PRESENT);
	assert_true(info.exclusive);
	assert_false(info.writable);
	assert_false(info.accessed);
	info = page_info(p, a + PAGE);
	assert_int_equal(info.state, MM_PAGE_PRESENT);
	assert_false(info.exclusive);
	assert_true(same_frame(p, a + PAGE, c, a + PAGE));
	assert_int_equal(walk_from(&e, c, a + PAGE, false).found, 2);
	poke(&e, c, a + PAGE, 3);
	assert_int_equal(peek(&e, p, a + PAGE), 2);
	assert_int_equal(peek(&e, p, a), 1);
	mm_put(c);
	mm_put(p);
}

/* Nothing goes out while it is off, and all does again once it is on. */
static void off_and_on(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 1);

	(void)state;
	poke(&e, mm, a, 1);
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), 0);
	push_out();
	assert_int_equal(page_info(mm, a).state, MM_PAGE_PRESENT);
	assert_int_equal(mm_swapon(e.sys), 0);
	push_out();
	assert_int_equal(page_info(mm, a).state, MM_PAGE_SWAPPED);
	assert_int_equal(peek(&e, mm, a), 1);
	mm_put(mm);
}

/* Shared memory's slots stand in its tree, not in page tables. */
static void shared_memory(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_with(&e, mm, 0, 100, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);

	(void)state;
	for (uint64_t i = 0; i < 100; i += 3)
		poke(&e, mm, a + i * PAGE, i + 1);
	push_out();
	assert_int_equal(memory_of(&e).swap_used, 34);
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), 0);
	assert_int_equal(memory_of(&e).swap_used, 0);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(peek(&e, mm, a + i * PAGE), i % 3 ? 0 : i + 1);
	mm_put(mm);
}

/* An orphan in the swap cache, a locked VMA, an unmapped part: all are dealt with. */
static void odd_ones(void **state)
{
	struct mm *p = engine_mm(&e), *c;
	uint64_t a = map_anon(&e, p, 0, 6);

	(void)state;
	for (uint64_t i = 0; i < 6; i++)
		poke(&e, p, a + i * PAGE, i + 1);
	c = engine_fork(&e, p);
	push_out();
	peek(&e, c, a);
	assert_int_equal(STEP(&e, mm_munmap(c, a + 2 * PAGE, PAGE)), 0);
	assert_int_equal(STEP(&e, mm_mprotect(c, a + 3 * PAGE, PAGE, MM_PROT_NONE)), 0);
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), 0);
	for (uint64_t i = 0; i < 6; i++)
		assert_int_equal(peek(&e, p, a + i * PAGE), i + 1);
	assert_int_equal(touch_read(&e, c, a + 3 * PAGE), RMAP_EACCES);
	assert_int_equal(STEP(&e, mm_mprotect(c, a + 3 * PAGE, PAGE, MM_PROT_READ)), 0);
	assert_int_equal(peek(&e, c, a + 3 * PAGE), 4);
	mm_put(c);
	mm_put(p);
}

/* Not enough memory for it: an error, swap goes on, and nothing is lost. */
static void does_not_fit(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 300);

	(void)state;
	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(hosted_write(e.cpu, mm, a + i * PAGE, &i, 8, NULL), 0);
	engine_check(&e);
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), RMAP_ENOMEM);
	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(peek(&e, mm, a + i * PAGE), i);
	mm_put(mm);
}

/* A slot that cannot be read: an error, and what is back is back. */
static void unreadable(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 3);

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		poke(&e, mm, a + i * PAGE, i + 1);
	push_out();
	testport_fail(tp, TESTPORT_SWAP_READ, 2, TESTPORT_ONCE);
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), RMAP_EIO);
	testport_fail_none(tp);
	assert_int_equal(memory_of(&e).swap_used, 2);
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), 0);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(peek(&e, mm, a + i * PAGE), i + 1);
	mm_put(mm);
}

/*
 *	P [ anonymous pages ... ]   fork needs frames for the child's tables, and gets them by pushing P's pages out
 *
 * What was a page when fork began is a swap entry when it is copied. swapoff must know the child all the same.
 *
 * covers: 1.7-2, 1.6-6
 */
static void fork_pushes_out_what_it_copies(void **state)
{
	struct engine_config config = { .machine = { .nr_frames = 128 } };
	uint64_t swapped = 0;

	(void)state;
	for (uint64_t spare = 0; spare < 6; spare++) {
		struct mm_stats stats;
		struct mm_memory memory;
		struct engine m;
		struct mm *p, *c;
		uint64_t a, n = 0;
		int error;

		engine_setup(&m, &config);
		p = engine_mm(&m);
		a = map_anon(&m, p, 0, 128);
		/* As many as fit without reclaim, but for a few. */
		do {
			poke(&m, p, a + n * PAGE, n);
			n++;
			mm_get_memory(m.sys, &memory);
		} while (memory.free > m.sys->watermark[WATERMARK_MIN] + spare);
		mm_get_stats(p, &stats);
		assert_int_equal(stats.swap_entries, 0);
		c = engine_fork(&m, p);
		mm_get_stats(c, &stats);
		swapped += stats.swap_entries;
		/* It comes back, or (there are hardly frames enough) says so; it does not go round in circles. */
		error = STEP(&m, mm_swapoff(m.sys));
		assert_true(error == 0 || error == RMAP_ENOMEM);
		for (uint64_t i = 0; i < n; i++)
			assert_int_equal(peek(&m, c, a + i * PAGE), i);
		mm_put(c);
		mm_put(p);
		engine_teardown(&m);
	}
	assert_true(swapped > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(back_as_it_went, setup, teardown),
		cmocka_unit_test_setup_teardown(off_and_on, setup, teardown),
		cmocka_unit_test_setup_teardown(shared_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(odd_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(does_not_fit, setup_small, teardown),
		cmocka_unit_test_setup_teardown(unreadable, setup, teardown),
		cmocka_unit_test(fork_pushes_out_what_it_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
