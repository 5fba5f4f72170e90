// SPDX-License-Identifier: BSD-2-Clause
/* Stacks that grow: by a touch below them, as far as the guard and the limits allow; and exec's stack. */
#include "faulty.h"
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

static void map_stack(struct mm *mm, unsigned int page, unsigned int pages)
{
	map_with(&e, mm, AT(page), pages, RW, ANON | MM_MAP_GROWSDOWN, NULL, 0);
}

/*
 *	.......|ss|  touch four below  ...|ssssss|: bounds, offset, accounts; the pages keep their numbers
 *
 * covers: 1.8-5, 1.1-1, 1.1-2, I3, I7
 */
static void test_grows(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_stack(mm, 500, 2);
	poke(&e, mm, AT(501), 1);
	poke(&e, mm, AT(496), 2);
	assert_layout(&e, mm, AT(0), AT(1000), "rw-p 6 @0");
	assert_int_equal(page_info(mm, AT(496)).index, AT(496) / PAGE);
	assert_int_equal(stats_of(mm).stack_vm, 6);
	assert_int_equal(committed(&e), 6);
	assert_int_equal(peek(&e, mm, AT(501)), 1);
	assert_int_equal(walk_from(&e, mm, AT(501), false).found, 1);
	/* A read grows it, too. */
	assert_int_equal(peek(&e, mm, AT(490)), 0);
	assert_layout(&e, mm, AT(0), AT(1000), "rw-p 12 @0");
	assert_int_equal(counters_of(&e).stack_growths, 2);
	mm_put(mm);
	assert_int_equal(committed(&e), 0);
}

/*
 * Shared with relatives: pages below and above the old start are found in all of them.
 *
 * covers: 1.8-5, 1.10-6
 */
static void test_grows_after_fork(void **state)
{
	struct mm *mm = engine_mm(&e), *child;

	(void)state;
	map_stack(mm, 500, 2);
	poke(&e, mm, AT(500), 1);
	poke(&e, mm, AT(498), 2);
	child = engine_fork(&e, mm);
	poke(&e, child, AT(490), 3);
	poke(&e, mm, AT(495), 4);
	assert_layout(&e, child, AT(0), AT(1000), "rw-p 12 @0");
	assert_layout(&e, mm, AT(0), AT(1000), "rw-p 7 @0");
	assert_int_equal(walk_from(&e, child, AT(500), false).found, 2);
	assert_int_equal(walk_from(&e, child, AT(490), false).found, 1);
	mm_put(mm);
	assert_int_equal(peek(&e, child, AT(498)), 2);
	mm_put(child);
}

/*
 *	|rw|xxxxxxxx 256 pages xxxxxxxx|ss|     the guard stays; not below PROT_NONE, not below another stack
 *
 * covers: 1.8-5
 */
static void test_guard(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 1);
	map_stack(mm, 300, 1);
	assert_int_equal(touch_write(&e, mm, AT(256)), RMAP_EFAULT);
	assert_int_equal(touch_write(&e, mm, AT(257)), 0);
	assert_int_equal(protect(&e, mm, 0, 1, MM_PROT_NONE), 0);
	assert_int_equal(touch_write(&e, mm, AT(10)), 0);
	assert_int_equal(touch_write(&e, mm, AT(1)), 0);
	assert_int_equal(unmap(&e, mm, 0, 1000), 0);
	map_stack(mm, 0, 1);
	map_stack(mm, 300, 1);
	assert_int_equal(touch_write(&e, mm, AT(2)), 0);
	mm_put(mm);
}

/* covers: 1.8-5, 1.8-6 */
static void test_limits(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_stack(mm, 500, 2);
	mm_set_limit(mm, MM_LIMIT_STACK, 8 * PAGE);
	assert_int_equal(touch_write(&e, mm, AT(493)), RMAP_EFAULT);
	assert_int_equal(touch_write(&e, mm, AT(494)), 0);
	mm_set_limit(mm, MM_LIMIT_STACK, MM_LIMIT_INFINITY);
	mm_set_limit(mm, MM_LIMIT_AS, 10 * PAGE);
	assert_int_equal(touch_write(&e, mm, AT(491)), RMAP_EFAULT);
	assert_int_equal(touch_write(&e, mm, AT(492)), 0);
	mm_set_limit(mm, MM_LIMIT_AS, MM_LIMIT_INFINITY);
	assert_int_equal(STEP(&e, mm_mlock(mm, AT(492), PAGE, 0)), 0);
	mm_set_limit(mm, MM_LIMIT_MEMLOCK, 3 * PAGE);
	assert_int_equal(touch_write(&e, mm, AT(489)), RMAP_EFAULT);
	assert_int_equal(touch_write(&e, mm, AT(490)), 0);
	assert_int_equal(stats_of(mm).locked_vm, 3);
	/* Below all VMAs there is nothing to grow; far below the lowest address it may not. */
	assert_int_equal(unmap(&e, mm, 0, 1000), 0);
	assert_int_equal(touch_write(&e, mm, AT(480)), RMAP_EFAULT);
	map_with(&e, mm, 65536, 1, RW, ANON | MM_MAP_GROWSDOWN, NULL, 0);
	assert_int_equal(touch_write(&e, mm, 65536 - PAGE), RMAP_EFAULT);
	mm_put(mm);
}

/*
 * No memory for the origin: the stack does not grow, nothing is lost, and the next touch succeeds. What pte_chain wants memory for
 * is the page's mapping: then the stack has grown, and the fault says why it has failed.
 *
 * covers: 1.8-5, B12
 */
static void test_growth_fails_cleanly(void **state)
{
	struct testport *tp;
	struct mm *mm;

	(void)state;
	engine_teardown(&e);
	faulty_setup(&e, &tp, NULL);
	mm = engine_mm(&e);
	map_stack(mm, 500, 2);
	for (uint64_t n = 1;; n++) {
		uint64_t failed;
		int error;

		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
		error = mm_fault(mm, AT(496), MM_ACCESS_WRITE);
		failed = testport_fail_none(tp);
		engine_check(&e);
		if (!failed) {
			assert_int_equal(error, 0);
			break;
		}
		if (engine_design_is("pte_chain")) {
			assert_int_equal(error, RMAP_ENOMEM);
			assert_layout(&e, mm, AT(0), AT(1000), "rw-p 6 @0");
			assert_int_equal(page_info(mm, AT(496)).state, MM_PAGE_NONE);
			assert_int_equal(committed(&e), 6);
			continue;
		}
		assert_int_equal(error, RMAP_EFAULT);
		assert_layout(&e, mm, AT(0), AT(1000), "rw-p 2 @0");
	}
	assert_layout(&e, mm, AT(0), AT(1000), "rw-p 6 @0");
	mm_put(mm);
	faulty_teardown(&e, tp);
	engine_setup(&e, NULL);
}

/* ---------------------------------------------------------------- exec */

struct stack {
	struct mm_vma_info info;
	unsigned int vmas;
};

static void note_stack(const struct mm_vma_info *vma, void *arg)
{
	struct stack *s = arg;

	s->vmas++;
	if (vma->growsdown)
		s->info = *vma;
}

/*
 *	|text|data|bss|heap…                  …|+++ 128 KiB +++|args| stack_top            | MM_TASK_SIZE
 *
 * The arguments' pages came from the top of the address space and kept their numbers: they are found where they are now.
 *
 * covers: 1.10-6
 */
static void test_exec(void **state)
{
	struct mm *old = engine_mm(&e), *mm;
	struct mm_file *file = pattern_file(&e, 8, 3);
	const struct mm_exec_segment segments[] = {
		{ .addr = AT(0),
		  .len = 4 * PAGE,
		  .prot = MM_PROT_READ | MM_PROT_EXEC,
		  .file = file },
		{ .addr = AT(4), .len = 2 * PAGE, .prot = RW, .file = file, .offset = 4 * PAGE },
		{ .addr = AT(6), .len = 3 * PAGE, .prot = RW },
		{ .addr = AT(9), .len = 0, .prot = RW },
	};
	struct mm_exec exec = {
		.segments = segments,
		.nr_segments = 4,
		.stack_top = MM_TASK_SIZE - 64 * PAGE,
		.args_len = 5 * PAGE,
	};
	struct stack stack = { .vmas = 0 };

	(void)state;
	mm_set_limit(old, MM_LIMIT_MEMLOCK, 123 * PAGE);
	assert_int_equal(STEP(&e, mm_exec(old, &exec, &mm)), 0);
	mm_put(old);
	assert_int_equal(mm_get_limit(mm, MM_LIMIT_MEMLOCK), 123 * PAGE);
	layout_is(&e, mm, "r-xp 4 @0 | rw-p 2 @4 | rw-p 3 @65542");
	mm_for_each_vma(mm, note_stack, &stack);
	assert_int_equal(stack.vmas, 4);
	assert_true(stack.info.stack);
	assert_int_equal(stack.info.end, exec.stack_top);
	assert_int_equal(stack.info.end - stack.info.start, (6 + 32) * PAGE);
	/* Linear numbers from before the move. */
	assert_int_equal(stack.info.pgoff, (stack.info.start + 64 * PAGE) / PAGE);
	for (unsigned int i = 1; i <= 6; i++) {
		assert_int_equal(page_info(mm, exec.stack_top - i * PAGE).state, MM_PAGE_PRESENT);
		assert_int_equal(walk_from(&e, mm, exec.stack_top - i * PAGE, false).found, 1);
	}
	assert_int_equal(stats_of(mm).rss_anon, 6);
	assert_int_equal(touch_read(&e, mm, MM_TASK_SIZE - PAGE), RMAP_EFAULT);
	assert_int_equal(peek(&e, mm, AT(0)), pattern_word(3, 0));
	assert_int_equal(stats_of(mm).brk_start, AT(9));
	assert_int_equal(mm_brk(mm, AT(11)), AT(11));
	layout_is(&e, mm, "r-xp 4 @0 | rw-p 2 @4 | rw-p 3 @65542 | rw-p 2 @65545");
	poke(&e, mm, stack.info.start - 10 * PAGE, 1);
	mm_put(mm);
	mm_file_put(file);
	assert_int_equal(committed(&e), 0);
}

/*
 * The arguments overlap their own way down; no move at all; no arguments; a small limit.
 *
 * covers: 1.10-6
 */
static void test_exec_stack_places(void **state)
{
	const uint64_t tops[] = { MM_TASK_SIZE, MM_TASK_SIZE - PAGE, MM_TASK_SIZE - 3 * PAGE,
				  (uint64_t)1 << 32, 0 };

	(void)state;
	for (unsigned int i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
		struct mm_exec exec = { .stack_top = tops[i],
					.args_len = i == 1 ? 0 : 10 * PAGE + 5 };
		struct mm *old = engine_mm(&e), *mm;
		struct stack stack = { .vmas = 0 };

		assert_int_equal(STEP(&e, mm_exec(old, &exec, &mm)), 0);
		mm_for_each_vma(mm, note_stack, &stack);
		assert_int_equal(stack.vmas, 1);
		if (tops[i])
			assert_int_equal(stack.info.end, tops[i]);
		assert_int_equal(stats_of(mm).rss_anon, i == 1 ? 1 : 11);
		poke(&e, mm, stack.info.end - 8, i);
		mm_put(mm);
		mm_set_limit(old, MM_LIMIT_STACK, 8 * PAGE);
		if (i != 1)
			assert_int_equal(STEP(&e, mm_exec(old, &exec, &mm)), RMAP_ENOMEM);
		mm_put(old);
	}
}

/*
 *   arguments of 300 pages where there are 128 frames: those at the top are in swap when the stack slides
 *
 *   [ . . . . | p p p p p p s s s s ]        slides down by 4: the first s goes where the last p but three stands, which
 *                                            must be gone from there by then
 *
 * covers: 1.10-6
 */
static void exec_moves_a_stack_that_is_half_in_swap(void **state)
{
	const uint64_t slides[] = { 1, 4, 31, 32, 33, 512 };

	(void)state;
	for (unsigned int d = 0; rmap_designs[d]; d++) {
		struct engine_config config = {
			.machine = { .nr_frames = 128, .nr_swap_slots = 1024 },
			.mm = { .design = rmap_designs[d] },
		};
		struct engine small;

		engine_setup(&small, &config);
		for (unsigned int i = 0; i < sizeof(slides) / sizeof(slides[0]); i++) {
			struct mm_exec exec = { .stack_top = MM_TASK_SIZE - slides[i] * PAGE,
						.args_len = 299 * PAGE };
			struct mm *old = engine_mm(&small), *mm;

			assert_int_equal(mm_exec(old, &exec, &mm), 0);
			engine_check(&small);
			assert_true(stats_of(mm).swap_entries > 100);
			assert_int_equal(stats_of(mm).rss_anon + stats_of(mm).swap_entries, 300);
			for (unsigned int n = 1; n <= 300; n++)
				assert_int_equal(peek(&small, mm, exec.stack_top - n * PAGE), 0);
			engine_check(&small);
			mm_put(mm);
			mm_put(old);
		}
		engine_teardown(&small);
	}
}

static void test_exec_errors(void **state)
{
	struct mm *old = engine_mm(&e), *mm;
	struct mm_exec_segment segment = { .addr = AT(0), .len = PAGE, .prot = RW };
	struct mm_exec exec = { .segments = &segment, .nr_segments = 1 };

	(void)state;
	segment.addr = AT(0) + 1;
	assert_int_equal(STEP(&e, mm_exec(old, &exec, &mm)), RMAP_EINVAL);
	segment.addr = MM_TASK_SIZE;
	assert_int_equal(STEP(&e, mm_exec(old, &exec, &mm)), RMAP_EINVAL);
	segment.addr = 0;
	assert_int_equal(STEP(&e, mm_exec(old, &exec, &mm)), RMAP_EINVAL);
	segment = (struct mm_exec_segment){ .addr = AT(0), .len = PAGE, .prot = 64 };
	assert_int_equal(STEP(&e, mm_exec(old, &exec, &mm)), RMAP_EINVAL);
	segment.prot = RW;
	exec.stack_top = MM_TASK_SIZE + PAGE;
	assert_int_equal(STEP(&e, mm_exec(old, &exec, &mm)), RMAP_EINVAL);
	exec.stack_top = 16 * PAGE;
	assert_int_equal(STEP(&e, mm_exec(old, &exec, &mm)), RMAP_ENOMEM);
	exec.stack_top = 0;
	exec.args_len = UINT64_MAX;
	assert_int_equal(STEP(&e, mm_exec(old, &exec, &mm)), RMAP_EINVAL);
	mm_put(old);
}

/*
 * exec that fails at any allocation leaves nothing behind.
 *
 * covers: B12, 1.10-6
 */
static void test_exec_fails_cleanly(void **state)
{
	const struct mm_exec_segment segments[] = {
		{ .addr = AT(0), .len = 4 * PAGE, .prot = RW },
		{ .addr = AT(8), .len = 4 * PAGE, .prot = MM_PROT_READ },
	};
	const struct mm_exec exec = { .segments = segments,
				      .nr_segments = 2,
				      .args_len = 3 * PAGE };
	struct testport *tp;
	struct mm *old, *mm;

	(void)state;
	engine_teardown(&e);
	faulty_setup(&e, &tp, NULL);
	old = engine_mm(&e);
	for (uint64_t n = 1;; n++) {
		uint64_t failed;
		int error;

		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
		error = mm_exec(old, &exec, &mm);
		failed = testport_fail_none(tp);
		engine_check(&e);
		if (!failed) {
			assert_int_equal(error, 0);
			break;
		}
		assert_int_equal(error, RMAP_ENOMEM);
		assert_int_equal(committed(&e), 0);
	}
	mm_put(mm);
	mm_put(old);
	faulty_teardown(&e, tp);
	engine_setup(&e, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_grows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grows_after_fork, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guard, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_growth_fails_cleanly, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exec, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exec_stack_places, setup, teardown),
		cmocka_unit_test(exec_moves_a_stack_that_is_half_in_swap),
		cmocka_unit_test_setup_teardown(test_exec_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exec_fails_cleanly, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
