// SPDX-License-Identifier: BSD-2-Clause
/* Views: VMAs, single pages, smaps, figures. */
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

struct seen {
	struct mm_vma_info vma[8];
	unsigned int n;
};

static void see(const struct mm_vma_info *vma, void *arg)
{
	struct seen *s = arg;

	s->vma[s->n++] = *vma;
}

/*
 *	|anon|file at 3|shared|heap|stack|     in order of address, each as /proc/PID/maps shows it
 */
static void test_vmas(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 8, 1);
	struct seen s = { .n = 0 };

	(void)state;
	map_with(&e, mm, AT(400), 2, RW, ANON | MM_MAP_GROWSDOWN, NULL, 0);
	map_with(&e, mm, AT(10), 2, MM_PROT_READ | MM_PROT_EXEC, MM_MAP_PRIVATE, file, 3 * PAGE);
	map_with(&e, mm, AT(20), 2, RW, SHM | MM_MAP_LOCKED, NULL, 0);
	map_anon(&e, mm, AT(0), 2);
	assert_int_equal(mm_set_brk(mm, AT(30)), 0);
	assert_int_equal(mm_brk(mm, AT(31)), AT(31));
	poke(&e, mm, AT(0), 1);
	mm_for_each_vma(mm, see, &s);
	assert_int_equal(s.n, 5);
	assert_int_equal(s.vma[0].start, AT(0));
	assert_int_equal(s.vma[0].end, AT(2));
	assert_int_equal(s.vma[0].prot, RW);
	assert_true(s.vma[0].faulted && !s.vma[0].shared && !s.vma[0].heap);
	assert_int_equal(s.vma[1].offset, 3 * PAGE);
	assert_int_equal(s.vma[1].pgoff, 3);
	assert_ptr_equal(s.vma[1].file, file);
	assert_true(s.vma[2].shared && s.vma[2].locked && !s.vma[2].faulted);
	assert_true(s.vma[3].heap);
	assert_true(s.vma[4].growsdown && !s.vma[4].heap);
	mm_put(mm);
	mm_file_put(file);
}

static void test_page_states(void **state)
{
	struct mm *mm = engine_mm(&e), *child;
	struct mm_page_info info;

	(void)state;
	map_anon(&e, mm, AT(0), 4);
	assert_int_equal(page_info(mm, AT(0)).state, MM_PAGE_NONE);
	assert_int_equal(page_info(mm, UINT64_MAX).state, MM_PAGE_NONE);
	assert_int_equal(touch_read(&e, mm, AT(0)), 0);
	assert_int_equal(page_info(mm, AT(0)).state, MM_PAGE_ZERO);
	poke(&e, mm, AT(1), 1);
	info = page_info(mm, AT(1));
	assert_int_equal(info.state, MM_PAGE_PRESENT);
	assert_true(info.anon && info.exclusive && info.writable && info.dirty && info.accessed);
	assert_int_equal(info.mapcount, 1);
	assert_int_equal(info.index, AT(1) / PAGE);
	child = engine_fork(&e, mm);
	info = page_info(child, AT(1));
	assert_true(!info.exclusive && !info.writable);
	assert_int_equal(info.mapcount, 2);
	mm_put(child);
	assert_int_equal(advise(&e, mm, 1, 1, MM_MADV_PAGEOUT), 0);
	info = page_info(mm, AT(1));
	assert_int_equal(info.state, MM_PAGE_SWAPPED);
	assert_int_equal(info.swap_count, 1);
	poke(&e, mm, AT(2), 1);
	assert_int_equal(mm_poison(mm, AT(2)), 0);
	assert_int_equal(page_info(mm, AT(2)).state, MM_PAGE_POISONED);
	mm_put(mm);
}

/*
 * Shares: a page that two map counts half in each, and is shared; the zero page counts nowhere.
 *
 *	parent  P P P Z s     child  P' P P - -
 */
static void test_smaps(void **state)
{
	struct mm *mm = engine_mm(&e), *child;
	struct mm_smaps s;

	(void)state;
	map_anon(&e, mm, AT(0), 8);
	for (unsigned int i = 0; i < 3; i++)
		poke(&e, mm, AT(i), i);
	poke(&e, mm, AT(4), 4);
	assert_int_equal(touch_read(&e, mm, AT(3)), 0);
	assert_int_equal(advise(&e, mm, 4, 1, MM_MADV_PAGEOUT), 0);
	child = engine_fork(&e, mm);
	poke(&e, child, AT(0), 9);
	assert_int_equal(mm_smaps(mm, AT(5), &s), 0);
	assert_int_equal(s.size, 8 * PAGE);
	assert_int_equal(s.rss, 3 * PAGE);
	assert_int_equal(s.pss, 2 * PAGE);
	assert_int_equal(s.private_dirty, PAGE);
	assert_int_equal(s.shared_dirty, 2 * PAGE);
	assert_int_equal(s.shared_clean + s.private_clean, 0);
	assert_int_equal(s.anonymous, 3 * PAGE);
	assert_int_equal(s.swap, PAGE);
	assert_int_equal(s.swap_pss, PAGE / 2);
	assert_int_equal(s.locked, 0);
	mm_put(child);
	assert_int_equal(STEP(&e, mm_mlock(mm, AT(0), 8 * PAGE, MM_MLOCK_ONFAULT)), 0);
	assert_int_equal(mm_smaps(mm, AT(0), &s), 0);
	assert_int_equal(s.locked, 3 * PAGE);
	assert_int_equal(mm_smaps(mm, AT(8), &s), RMAP_ENOENT);
	mm_put(mm);
}

/*
 * Files: clean pages and dirty ones; shared memory in swap is known though no entry is left.
 */
static void test_smaps_of_files(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 4, 1);
	struct mm_smaps s;

	(void)state;
	map_with(&e, mm, AT(0), 4, RW, MM_MAP_SHARED, file, 0);
	map_with(&e, mm, AT(10), 4, RW, SHM, NULL, 0);
	poke(&e, mm, AT(1), 1);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(touch_read(&e, mm, AT(i)), 0);
	assert_int_equal(mm_smaps(mm, AT(0), &s), 0);
	assert_int_equal(s.rss, 4 * PAGE);
	assert_int_equal(s.private_dirty, PAGE);
	assert_int_equal(s.private_clean, 3 * PAGE);
	assert_int_equal(s.anonymous, 0);
	poke(&e, mm, AT(11), 1);
	assert_int_equal(advise(&e, mm, 10, 4, MM_MADV_PAGEOUT), 0);
	assert_int_equal(mm_smaps(mm, AT(10), &s), 0);
	assert_int_equal(s.rss, 0);
	assert_int_equal(s.swap, PAGE);
	mm_put(mm);
	mm_file_put(file);
}

/* covers: I10 */
static void test_stats(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_stats s;

	(void)state;
	map_anon(&e, mm, AT(0), 4);
	map_with(&e, mm, AT(10), 2, MM_PROT_READ | MM_PROT_EXEC, ANON, NULL, 0);
	map_with(&e, mm, AT(600), 3, RW, ANON | MM_MAP_GROWSDOWN, NULL, 0);
	map_with(&e, mm, AT(20), 5, RW, SHM, NULL, 0);
	poke(&e, mm, AT(0), 1);
	poke(&e, mm, AT(20), 1);
	s = stats_of(mm);
	assert_int_equal(s.map_count, 4);
	assert_int_equal(s.total_vm, 14);
	assert_int_equal(s.data_vm, 4);
	assert_int_equal(s.exec_vm, 2);
	assert_int_equal(s.stack_vm, 3);
	assert_int_equal(s.rss_anon, 1);
	assert_int_equal(s.rss_shmem, 1);
	assert_int_equal(s.table_pages, 4);
	mm_put(mm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vmas, setup, teardown),
		cmocka_unit_test_setup_teardown(test_page_states, setup, teardown),
		cmocka_unit_test_setup_teardown(test_smaps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_smaps_of_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stats, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
