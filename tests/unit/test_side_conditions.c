// SPDX-License-Identifier: BSD-2-Clause
/*
 * Conditions that one situation alone decides, of calls that other files test at length: hints that are no page's address, a heap
 * without memory, slots that are few, a machine that is balanced, a file that cannot be made while an image is resumed, a page that
 * is on its way while one is taken.
 */
#include "faulty.h"
#include "image_memory.h"

#include <stdlib.h>
#include <string.h>

#include "mm/mm_types.h"
#include "mm/table.h"

#include "one_mm.h"

#define RW (MM_PROT_READ | MM_PROT_WRITE)
#define A  0x10000000ull

/* ---------------------------------------------------------------- places */

/* A hint is rounded down to a page; a fixed address is not. */
static void test_a_hint_within_a_page(void **state)
{
	struct mm_mmap args = { .addr = A + 0x123,
				.len = PAGE,
				.prot = RW,
				.flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS };
	uint64_t at = 0;

	(void)state;
	assert_int_equal(STEP(&e, mm_mmap(mm, &args, &at)), 0);
	assert_int_equal(at, A);
	args.flags |= MM_MAP_FIXED;
	assert_int_equal(STEP(&e, mm_mmap(mm, &args, &at)), RMAP_EINVAL);
}

/* A length that is nothing once it is rounded up to pages is too large, not nothing. */
static void test_a_length_that_wraps(void **state)
{
	(void)state;
	map_anon(&e, mm, A, 1);
	assert_int_equal(STEP(&e, mm_mprotect(mm, A, 0, RW)), 0);
	assert_int_equal(STEP(&e, mm_mprotect(mm, A, UINT64_MAX, RW)), RMAP_ENOMEM);
	/* Before anything else is wrong with it. */
	assert_int_equal(STEP(&e, mm_mprotect(mm, A, UINT64_MAX, 1u << 20)), RMAP_ENOMEM);
	assert_int_equal(STEP(&e, mm_mprotect(mm, A, PAGE, 1u << 20)), RMAP_EINVAL);
}

/* A file that is nearly as large as all there is: not at the hint, where it would end behind the end, but where it fits. */
static void test_a_hint_for_nearly_everything(void **state)
{
	struct engine_config config = { .mm.overcommit = MM_OVERCOMMIT_ALWAYS };
	const uint64_t len = MM_TASK_SIZE - ((uint64_t)1 << 30);
	struct mm_mmap args = {
		.addr = (uint64_t)1 << 33, .len = len, .prot = MM_PROT_READ, .flags = MM_MAP_PRIVATE
	};
	uint64_t at = 0;

	(void)state;
	engine_setup(&e, &config);
	mm = engine_mm(&e);
	args.file = pattern_file(&e, 1, 3);
	args.file_mode = MM_FILE_READ;
	assert_int_equal(STEP(&e, mm_mmap(mm, &args, &at)), 0);
	assert_true(at < args.addr);
	mm_put(mm);
	mm_file_put(args.file);
	engine_teardown(&e);
}

/* A heap that cannot grow for want of a VMA stays as it is, and what was promised for it is given back. */
static void test_no_vma_for_the_heap(void **state)
{
	struct testport *tp;
	uint64_t committed;

	(void)state;
	faulty_setup(&e, &tp, NULL);
	mm = engine_mm(&e);
	assert_int_equal(STEP(&e, mm_set_brk(mm, A)), 0);
	committed = memory_of(&e).committed;
	testport_fail_alloc(tp, RMAP_KIND_VMA, 1, TESTPORT_ONCE);
	assert_int_equal(mm_brk(mm, A + 2 * PAGE), A);
	assert_int_equal(testport_fail_none(tp), 1);
	engine_check(&e);
	assert_int_equal(memory_of(&e).committed, committed);
	assert_int_equal(mm_brk(mm, A + 2 * PAGE), A + 2 * PAGE);
	poke(&e, mm, A + PAGE, 1);
	mm_put(mm);
	faulty_teardown(&e, tp);
}

/* ---------------------------------------------------------------- few slots, few frames */

/*
 *	[0 1 2 3 4 5]   out, in a swap of 8 slots; what is read again keeps its slot while no more than half of them are used
 */
static void test_slots_are_kept_while_there_are_many(void **state)
{
	struct engine_config config = { .machine.nr_swap_slots = 8 };

	(void)state;
	for (uint64_t out = 1; out <= 6; out++) {
		engine_setup(&e, &config);
		mm = engine_mm(&e);
		map_anon(&e, mm, A, 6);
		for (uint64_t i = 0; i < out; i++)
			poke(&e, mm, A + i * PAGE, i);
		for (uint64_t i = 0; i < out; i++)
			swap_out(&e, mm, A + i * PAGE);
		assert_int_equal(peek(&e, mm, A), 0);
		assert_int_equal(page_info(mm, A).swapcache, out <= 4);
		mm_put(mm);
		engine_teardown(&e);
	}
}

/* Below the low watermark a machine is brought up to the high one; above, it is left alone. */
static void test_balance(void **state)
{
	struct engine_config config = { .machine = { .nr_frames = 256, .nr_swap_slots = 256 },
					.mm.watermark_min = 16 };
	uint64_t low, high, n = 0;

	(void)state;
	engine_setup(&e, &config);
	low = e.sys->watermark[WATERMARK_LOW];
	high = e.sys->watermark[WATERMARK_HIGH];
	mm = engine_mm(&e);
	map_anon(&e, mm, A, 256);
	for (; memory_of(&e).free > low; n++)
		poke(&e, mm, A + n * PAGE, n);
	mm_balance(e.sys);
	assert_int_equal(memory_of(&e).free, low);
	poke(&e, mm, A + n * PAGE, n);
	assert_int_equal(memory_of(&e).free, low - 1);
	mm_balance(e.sys);
	engine_check(&e);
	assert_true(memory_of(&e).free >= high);
	assert_true(memory_of(&e).free <= high + 64);
	mm_put(mm);
	engine_teardown(&e);
}

/* ---------------------------------------------------------------- images */

static struct image_memory image;
static const struct mm_stream stream = IMAGE_MEMORY_STREAM(&image);

static int give_file(void *arg, uint64_t id, uint64_t size, void **handle)
{
	struct hosted_file *file;

	(void)arg;
	(void)id;
	assert_int_equal(hosted_file_temp(e.h, size, 5, &file), 0);
	*handle = file;
	return 0;
}

static struct mm *resumed;

static void take_mm(void *arg, uint64_t id, struct mm *back)
{
	(void)arg;
	(void)id;
	resumed = back;
}

/* Each allocation of resuming fails in turn. The file that was opened for it is closed each time: the machine's end finds none. */
static void test_no_memory_for_a_file(void **state)
{
	static const uint64_t id = 1;
	static const struct mm_resume resume = { .file = give_file, .mm = take_mm };
	struct testport *tp;
	struct mm_file *file;
	int error = -1;

	(void)state;
	faulty_setup(&e, &tp, NULL);
	mm = engine_mm(&e);
	file = pattern_file(&e, 2, 5);
	map_with(&e, mm, A, 2, RW, MM_MAP_PRIVATE, file, 0);
	poke(&e, mm, A, 1);
	image = (struct image_memory){ 0 };
	assert_int_equal(STEP(&e, mm_hibernate(e.sys, &mm, &id, 1, &stream)), 0);
	mm_put(mm);
	mm_file_put(file);
	settle(&e);
	for (uint64_t n = 1; error; n++) {
		image.pos = 0;
		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
		error = mm_resume_image(e.sys, &stream, &resume);
		if (!testport_fail_none(tp))
			assert_int_equal(error, 0);
		engine_check(&e);
		settle(&e);
	}
	assert_int_equal(peek(&e, resumed, A), 1);
	assert_int_equal(peek(&e, resumed, A + PAGE), pattern_word(5, PAGE));
	mm_put(resumed);
	free(image.data);
	settle(&e);
	faulty_teardown(&e, tp);
}

/* A page that is just being migrated: the machine is not written, and goes on. */
static void test_no_image_of_a_page_that_moves(void **state)
{
	static const uint64_t id = 1;
	pte_t *pte, before;

	(void)state;
	map_anon(&e, mm, A, 2);
	poke(&e, mm, A, 1);
	poke(&e, mm, A + PAGE, 2);
	assert_int_equal(STEP(&e, mm_mlock(mm, A, PAGE, 0)), 0);
	pte = table_find(mm, A);
	before = *pte;
	inject_test_system(NULL); /* the checker knows of no such migration */
	*pte = (before & PTE_PFN_MASK) | PTE_KIND_MIGRATION;
	image = (struct image_memory){ 0 };
	assert_int_equal(mm_hibernate(e.sys, &mm, &id, 1, &stream), RMAP_EBUSY);
	*pte = before;
	inject_test_system(e.sys);
	engine_check(&e);
	assert_int_equal(peek(&e, mm, A + PAGE), 2);
	assert_int_equal(STEP(&e, mm_hibernate(e.sys, &mm, &id, 1, &stream)), 0);
	free(image.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ONE_MM(test_a_hint_within_a_page),
		WITH_ONE_MM(test_a_length_that_wraps),
		cmocka_unit_test(test_a_hint_for_nearly_everything),
		cmocka_unit_test(test_no_vma_for_the_heap),
		cmocka_unit_test(test_slots_are_kept_while_there_are_many),
		cmocka_unit_test(test_balance),
		cmocka_unit_test(test_no_memory_for_a_file),
		WITH_ONE_MM(test_no_image_of_a_page_that_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
