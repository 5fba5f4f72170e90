// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hibernation: an image is taken, the machine is destroyed, another one resumes it. Contents and figures are what they were, on a machine
 * that is like the first, or larger, or smaller.
 */
#include "failed.h"
#include "two_machines.h"

#include <stdlib.h>
#include <string.h>

#include "mm/mm_types.h"
#include "mm/reclaim.h"

/* ---------------------------------------------------------------- contents and figures */

/*
 *	[heap: w w . w]   [file, private: r w]   [file, shared: w]   [shared anonymous: w .]
 */
static void contents(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a, f, s, m;
	struct mm_stats before, after;

	(void)state;
	file_seed = 5;
	kept_file = pattern_file(&e, 4, 5);
	a = map_anon(&e, mm, 0, 4);
	f = map_with(&e, mm, 0, 2, RW, MM_MAP_PRIVATE, kept_file, PAGE);
	s = map_with(&e, mm, 0, 2, MM_PROT_READ, MM_MAP_SHARED, kept_file, 0);
	m = map_with(&e, mm, 0, 2, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
	assert_int_equal(STEP(&e, mm_set_brk(mm, 0x40000000)), 0);
	assert_int_equal(mm_brk(mm, 0x40000000 + 3 * PAGE), 0x40000000 + 3 * PAGE);
	poke(&e, mm, 0x40000000, 70);
	poke(&e, mm, a, 1);
	poke(&e, mm, a + PAGE, 2);
	poke(&e, mm, a + 3 * PAGE, 4);
	peek(&e, mm, a + 2 * PAGE);
	peek(&e, mm, f);
	poke(&e, mm, f + PAGE, 6);
	peek(&e, mm, s);
	poke(&e, mm, m, 8);
	mm_set_limit(mm, MM_LIMIT_STACK, 12345 * PAGE);
	mm_set_capabilities(mm, MM_CAP_IPC_LOCK);
	mm_get_stats(mm, &before);
	through_an_image(&mm, 1);

	mm_get_stats(mm, &after);
	assert_int_equal(after.map_count, before.map_count);
	assert_int_equal(after.total_vm, before.total_vm);
	assert_int_equal(after.data_vm, before.data_vm);
	assert_int_equal(after.brk, before.brk);
	assert_int_equal(mm_get_limit(mm, MM_LIMIT_STACK), 12345 * PAGE);
	assert_int_equal(peek(&e, mm, 0x40000000), 70);
	assert_int_equal(peek(&e, mm, a), 1);
	assert_int_equal(peek(&e, mm, a + PAGE), 2);
	assert_int_equal(peek(&e, mm, a + 2 * PAGE), 0);
	assert_int_equal(peek(&e, mm, a + 3 * PAGE), 4);
	assert_int_equal(peek(&e, mm, f), pattern_word(5, PAGE));
	assert_int_equal(peek(&e, mm, f + PAGE), 6);
	assert_int_equal(peek(&e, mm, f + PAGE + 8), pattern_word(5, 2 * PAGE + 8));
	assert_int_equal(peek(&e, mm, s), pattern_word(5, 0));
	assert_int_equal(peek(&e, mm, m), 8);
	assert_int_equal(peek(&e, mm, m + PAGE), 0);
	assert_true(page_info(mm, a).exclusive);
	assert_int_equal(mm_brk(mm, 0x40000000 + 9 * PAGE), 0x40000000 + 9 * PAGE);
	poke(&e, mm, a + 2 * PAGE, 3);
	assert_true(counters_of(&e).swap_out > 0);
}

/* Everything that can go is out of memory in the image's machine, and the machine is usable still. */
static void pushed_out_and_usable(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 8);

	(void)state;
	for (uint64_t i = 0; i < 8; i++)
		poke(&e, mm, a + i * PAGE, i);
	hibernate(&mm, 1);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(page_info(mm, a + i * PAGE).state, MM_PAGE_SWAPPED);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(peek(&e, mm, a + i * PAGE), i);
	poke(&e, mm, a, 9);
	mm_put(mm);
}

/* Locked memory is in memory before and after. */
static void locked_memory(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 4);
	struct mm_stats stats;

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		poke(&e, mm, a + i * PAGE, i + 1);
	assert_int_equal(STEP(&e, mm_mlock(mm, a, 2 * PAGE, 0)), 0);
	through_an_image(&mm, 1);
	mm_get_stats(mm, &stats);
	assert_int_equal(stats.locked_vm, 2);
	assert_int_equal(page_info(mm, a).state, MM_PAGE_PRESENT);
	assert_int_equal(memory_of(&e).unevictable, 2);
	reclaim_all(e.sys);
	engine_check(&e);
	assert_int_equal(peek(&e, mm, a + PAGE), 2);
	assert_int_equal(peek(&e, mm, a + 3 * PAGE), 4);
}

/*
 * A page that two lock goes on being locked by two.
 *
 *	p  L   c  L   one page, read-only
 */
static void locked_by_two(void **state)
{
	struct mm *mms[2] = { engine_mm(&e) };
	uint64_t a = map_anon(&e, mms[0], 0, 1);

	(void)state;
	poke(&e, mms[0], a, 7);
	assert_int_equal(STEP(&e, mm_mprotect(mms[0], a, PAGE, MM_PROT_READ)), 0);
	mms[1] = engine_fork(&e, mms[0]);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(STEP(&e, mm_mlock(mms[i], a, PAGE, 0)), 0);
	through_an_image(mms, 2);
	assert_int_equal(memory_of(&e).unevictable, 1);
	assert_true(same_frame(mms[0], a, mms[1], a));
	assert_int_equal(STEP(&e, mm_munlock(mms[0], a, PAGE)), 0);
	assert_true(page_info(mms[0], a).locked);
	assert_int_equal(STEP(&e, mm_munlock(mms[1], a, PAGE)), 0);
	assert_int_equal(memory_of(&e).unevictable, 0);
}

/*
 * What counts as locked without a VMA that locks it, since mremap left the old one unlocked, goes on to count.
 *
 *	[L L . .] --DONTUNMAP--> [. . . .] [L L . .], four count
 */
static void locked_by_nobody(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 2), to;
	struct mm_stats stats;

	(void)state;
	poke(&e, mm, a, 1);
	assert_int_equal(STEP(&e, mm_mlock(mm, a, 2 * PAGE, 0)), 0);
	assert_int_equal(STEP(&e, mm_mremap(mm, a, 2 * PAGE, 2 * PAGE,
					    MM_MREMAP_MAYMOVE | MM_MREMAP_DONTUNMAP, 0, &to)),
			 0);
	mm_get_stats(mm, &stats);
	assert_int_equal(stats.locked_vm, 4);
	through_an_image(&mm, 1);
	mm_get_stats(mm, &stats);
	assert_int_equal(stats.locked_vm, 4);
	assert_int_equal(STEP(&e, mm_munmap(mm, to, 2 * PAGE)), 0);
	mm_get_stats(mm, &stats);
	assert_int_equal(stats.locked_vm, 2);
	mm_set_limit(mm, MM_LIMIT_MEMLOCK, 2 * PAGE);
	assert_int_equal(STEP(&e, mm_mlock(mm, a, PAGE, 0)), RMAP_ENOMEM);
}

static void note_file(const struct mm_vma_info *vma, void *arg)
{
	*(struct mm_file **)arg = vma->file;
}

/*
 * What was written to a file is lost with its frame. That is for the file's next sync to say, on whatever machine it is, and none of
 * hibernation's business.
 *
 *	file  [w!]  --hibernate, resume-->  [store's]  --sync--> EIO, once
 */
static void lost_before(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file;
	uint64_t f;

	(void)state;
	file_seed = 3;
	kept_file = pattern_file(&e, 2, 3);
	f = map_with(&e, mm, 0, 2, RW, MM_MAP_SHARED, kept_file, 0);
	poke(&e, mm, f, 2);
	peek(&e, mm, f + PAGE);
	assert_int_equal(STEP(&e, mm_poison(mm, f)), 0);
	hibernate(&mm, 1);
	assert_int_equal(STEP(&e, mm_file_sync(kept_file)), RMAP_EIO);
	assert_int_equal(STEP(&e, mm_file_sync(kept_file)), 0);
	poke(&e, mm, f + PAGE, 3);
	assert_int_equal(STEP(&e, mm_poison(mm, f + PAGE)), 0);
	through_an_image(&mm, 1);
	mm_for_each_vma(mm, note_file, &file);
	assert_int_equal(touch_read(&e, mm, f + PAGE), RMAP_EHWPOISON);
	assert_int_equal(STEP(&e, mm_file_sync(file)), RMAP_EIO);
	assert_int_equal(STEP(&e, mm_file_sync(file)), 0);
}

/* ---------------------------------------------------------------- machines of other sizes */

/* 300 pages resume in 128 frames: what does not fit is out. */
static void into_less_memory(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 300), m;

	(void)state;
	m = map_with(&e, mm, 0, 50, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(hosted_write(e.cpu, mm, a + i * PAGE, &i, 8, NULL), 0);
	for (uint64_t i = 0; i < 50; i++)
		assert_int_equal(hosted_write(e.cpu, mm, m + i * PAGE, &i, 8, NULL), 0);
	hibernate(&mm, 1);
	next_machine(&mm, 1, 128, 1024);
	assert_int_equal(STEP(&e, try_resume()), 0);
	mm = resumed[0];
	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(peek(&e, mm, a + i * PAGE), i);
	for (uint64_t i = 0; i < 50; i++)
		assert_int_equal(peek(&e, mm, m + i * PAGE), i);
}

/* There is no swap on the other machine: what was out is in memory. */
static void without_swap(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 30);

	(void)state;
	for (uint64_t i = 0; i < 30; i++)
		poke(&e, mm, a + i * PAGE, i);
	hibernate(&mm, 1);
	next_machine(&mm, 1, 256, UINT64_MAX);
	assert_int_equal(STEP(&e, try_resume()), 0);
	for (uint64_t i = 0; i < 30; i++)
		assert_int_equal(peek(&e, resumed[0], a + i * PAGE), i);
}

/* It does not fit at all: RMAP_ENOMEM, and the machine is empty again. */
static void does_not_fit(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 300);

	(void)state;
	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(hosted_write(e.cpu, mm, a + i * PAGE, &i, 8, NULL), 0);
	hibernate(&mm, 1);
	next_machine(&mm, 1, 128, 64);
	assert_int_equal(STEP(&e, try_resume()), RMAP_ENOMEM);
	assert_int_equal(memory_of(&e).anon, 0);
	assert_int_equal(memory_of(&e).swap_used, 0);
	assert_int_equal(objects_of(&e, RMAP_KIND_MM), 0);
}

/* Phantom frames: who shares what, without contents. */
static void phantom(void **state)
{
	struct mm *mm[2];
	uint64_t a;

	(void)state;
	mm[0] = engine_mm(&e);
	a = map_anon(&e, mm[0], 0, 2);
	assert_int_equal(touch_write(&e, mm[0], a), 0);
	assert_int_equal(touch_write(&e, mm[0], a + PAGE), 0);
	mm[1] = engine_fork(&e, mm[0]);
	assert_int_equal(touch_write(&e, mm[1], a + PAGE), 0);
	through_an_image(mm, 2);
	assert_int_equal(touch_read(&e, mm[0], a), 0);
	assert_int_equal(touch_read(&e, mm[1], a), 0);
	assert_true(same_frame(mm[0], a, mm[1], a));
	assert_int_equal(touch_read(&e, mm[1], a + PAGE), 0);
	assert_true(page_info(mm[1], a + PAGE).exclusive);
}

/* What a bad frame has taken is not there afterwards either, and is not zeros. */
static void poisoned(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 2);

	(void)state;
	poke(&e, mm, a, 1);
	poke(&e, mm, a + PAGE, 2);
	assert_int_equal(STEP(&e, mm_poison(mm, a)), 0);
	assert_int_equal(touch_read(&e, mm, a), RMAP_EHWPOISON);
	through_an_image(&mm, 1);
	assert_int_equal(touch_read(&e, mm, a), RMAP_EHWPOISON);
	assert_int_equal(peek(&e, mm, a + PAGE), 2);
}

/* Not into a machine that is in use. */
static void not_fresh(void **state)
{
	struct mm *mm[2];

	(void)state;
	make_an_image(mm);
	assert_int_equal(try_resume(), RMAP_EBUSY);
	mm_put(mm[0]);
	mm_put(mm[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(contents, setup, teardown),
		cmocka_unit_test_setup_teardown(pushed_out_and_usable, setup, teardown),
		cmocka_unit_test_setup_teardown(locked_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(locked_by_two, setup, teardown),
		cmocka_unit_test_setup_teardown(locked_by_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(into_less_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(without_swap, setup, teardown),
		cmocka_unit_test_setup_teardown(does_not_fit, setup, teardown),
		cmocka_unit_test_setup_teardown(phantom, setup_phantom, teardown),
		cmocka_unit_test_setup_teardown(poisoned, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_before, setup, teardown),
		cmocka_unit_test_setup_teardown(not_fresh, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
