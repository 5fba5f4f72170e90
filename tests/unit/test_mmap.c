// SPDX-License-Identifier: BSD-2-Clause
/*
 * mmap and munmap: arguments and which error wins, what a mapping over others does, what is accounted.
 */
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

static int map(struct mm *mm, struct mm_mmap args)
{
	uint64_t at;

	return STEP(&e, mm_mmap(mm, &args, &at));
}

/*
 * One wrong argument each, and with two the one that is looked at first.
 *
 * covers: 1.8-1
 */
static void test_errors(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 4, 1);
	const uint32_t fixed = ANON | MM_MAP_FIXED;
	const struct {
		struct mm_mmap args;
		int error;
	} cases[] = {
		{ { .addr = AT(0), .len = 0, .flags = fixed }, RMAP_EINVAL },
		{ { .addr = AT(0), .len = PAGE, .flags = fixed, .offset = 1 }, RMAP_EINVAL },
		{ { .addr = AT(0), .len = UINT64_MAX, .flags = fixed }, RMAP_ENOMEM },
		{ { .addr = AT(0) + 1, .len = PAGE, .flags = fixed }, RMAP_EINVAL },
		{ { .addr = MM_TASK_SIZE - PAGE, .len = 2 * PAGE, .flags = fixed }, RMAP_ENOMEM },
		{ { .addr = MM_TASK_SIZE, .len = PAGE, .flags = fixed }, RMAP_ENOMEM },
		{ { .addr = 0, .len = MM_TASK_SIZE + PAGE, .flags = ANON }, RMAP_ENOMEM },
		{ { .addr = 0, .len = PAGE, .flags = fixed }, RMAP_EPERM },
		{ { .addr = 65536 - PAGE, .len = PAGE, .flags = fixed }, RMAP_EPERM },
		/* No type, both types, a type that files alone have. */
		{ { .addr = AT(0), .len = PAGE, .flags = MM_MAP_ANONYMOUS | MM_MAP_FIXED },
		  RMAP_EINVAL },
		{ { .addr = AT(0),
		    .len = PAGE,
		    .flags = MM_MAP_ANONYMOUS | MM_MAP_SHARED_VALIDATE },
		  RMAP_EINVAL },
		{ { .addr = AT(0), .len = PAGE, .flags = MM_MAP_PRIVATE }, RMAP_EINVAL },
		{ { .addr = AT(0), .len = PAGE, .flags = SHM | MM_MAP_GROWSDOWN }, RMAP_EINVAL },
		/* Files: end of the largest file, how it was opened. */
		{ { .len = PAGE,
		    .flags = MM_MAP_PRIVATE,
		    .file = file,
		    .file_mode = MM_FILE_READ,
		    .offset = (uint64_t)INT64_MAX & ~(PAGE - 1) },
		  RMAP_EOVERFLOW },
		{ { .len = PAGE,
		    .flags = MM_MAP_PRIVATE,
		    .file = file,
		    .file_mode = MM_FILE_WRITE },
		  RMAP_EACCES },
		{ { .len = PAGE, .flags = MM_MAP_SHARED, .file = file, .file_mode = MM_FILE_WRITE },
		  RMAP_EACCES },
		{ { .len = PAGE,
		    .flags = MM_MAP_SHARED,
		    .prot = RW,
		    .file = file,
		    .file_mode = MM_FILE_READ },
		  RMAP_EACCES },
		{ { .len = PAGE,
		    .flags = MM_MAP_PRIVATE | MM_MAP_GROWSDOWN,
		    .file = file,
		    .file_mode = MM_FILE_READ },
		  RMAP_EINVAL },
		{ { .len = PAGE,
		    .flags = MM_MAP_SHARED_VALIDATE | 0x80000u,
		    .file = file,
		    .file_mode = MM_FILE_READ },
		  RMAP_EOPNOTSUPP },
		/* Which comes first: no address before no type; no offset before the rest. */
		{ { .addr = 0, .len = PAGE, .flags = MM_MAP_ANONYMOUS | MM_MAP_FIXED },
		  RMAP_EPERM },
		{ { .addr = AT(0), .len = 0, .flags = MM_MAP_PRIVATE, .offset = 1 }, RMAP_EINVAL },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(map(mm, cases[i].args), cases[i].error);
	layout_is(&e, mm, "");
	assert_int_equal(stats_of(mm).map_count, 0);
	mm_put(mm);
	mm_file_put(file);
}

/*
 * What may be done with a mapping follows from how the file was opened: read-only and shared can never become writable.
 *
 * covers: 1.8-1
 */
static void test_read_only_file(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 4, 1);
	struct mm_mmap args = { .addr = AT(0),
				.len = 2 * PAGE,
				.prot = MM_PROT_READ,
				.flags = MM_MAP_SHARED | MM_MAP_FIXED,
				.file = file,
				.file_mode = MM_FILE_READ };

	(void)state;
	assert_int_equal(map(mm, args), 0);
	assert_int_equal(protect(&e, mm, 0, 1, RW), RMAP_EACCES);
	args.flags = MM_MAP_PRIVATE | MM_MAP_FIXED;
	assert_int_equal(map(mm, args), 0);
	assert_int_equal(protect(&e, mm, 0, 1, RW), 0);
	poke(&e, mm, AT(0), 9);
	mm_put(mm);
	mm_file_put(file);
}

/*
 *	before  aaaa bbbb cccc       over the middle of all   aa xxxxxxxx cc
 *
 * covers: 1.8-2, I10, I13
 */
static void test_fixed_replaces(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_with(&e, mm, AT(0), 4, MM_PROT_READ, ANON, NULL, 0);
	map_anon(&e, mm, AT(4), 4);
	map_with(&e, mm, AT(8), 4, MM_PROT_READ, SHM, NULL, 0);
	for (unsigned int i = 4; i < 8; i++)
		poke(&e, mm, AT(i), i);
	assert_int_equal(committed(&e), 4 + 4);
	map_with(&e, mm, AT(2), 8, RWX, ANON, NULL, 0);
	assert_int_equal(stats_of(mm).map_count, 3);
	assert_int_equal(stats_of(mm).total_vm, 12);
	assert_int_equal(stats_of(mm).rss_anon, 0);
	/* What is left of the shared memory keeps all that was promised for it. */
	assert_int_equal(committed(&e), 8 + 4);
	assert_int_equal(peek(&e, mm, AT(5)), 0);
	mm_put(mm);
	assert_int_equal(committed(&e), 0);
}

/*
 * FIXED_NOREPLACE refuses what is taken, also in part; where there is room it is as good as FIXED.
 *
 * covers: 1.8-1
 */
static void test_noreplace(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(2), 2);
	poke(&e, mm, AT(2), 7);
	assert_int_equal(try_map(&e, mm, 0, 3, RW, ANON | MM_MAP_FIXED_NOREPLACE), RMAP_EEXIST);
	assert_int_equal(try_map(&e, mm, 3, 3, RW, ANON | MM_MAP_FIXED_NOREPLACE), RMAP_EEXIST);
	assert_int_equal(try_map(&e, mm, 4, 2, RW, ANON | MM_MAP_FIXED_NOREPLACE), 0);
	layout_is(&e, mm, "rw-p 4 @0");
	assert_int_equal(peek(&e, mm, AT(2)), 7);
	mm_put(mm);
}

/*
 * A mapping that is refused for a limit leaves what it would have replaced.
 *
 * covers: 1.8-2
 */
static void test_refused_leaves_the_old(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 4);
	poke(&e, mm, AT(1), 3);
	mm_set_limit(mm, MM_LIMIT_AS, 5 * PAGE);
	assert_int_equal(try_map(&e, mm, 0, 6, RW, ANON | MM_MAP_FIXED), RMAP_ENOMEM);
	layout_is(&e, mm, "rw-p 4 @0");
	assert_int_equal(peek(&e, mm, AT(1)), 3);
	/* What is replaced does not count. */
	assert_int_equal(try_map(&e, mm, 0, 5, RW, ANON | MM_MAP_FIXED), 0);
	mm_put(mm);
}

/*
 * Offsets: private memory has its address, shared memory begins at 0 of a file of its own.
 *
 * covers: 1.8-1, I12
 */
static void note_info(const struct mm_vma_info *vma, void *arg)
{
	((struct mm_vma_info *)arg)[vma->start == AT(0) ? 0 : 1] = *vma;
}

static void test_offsets(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_vma_info info[2];

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	map_with(&e, mm, AT(4), 2, RW, SHM, NULL, 0);
	mm_for_each_vma(mm, note_info, info);
	assert_int_equal(info[0].pgoff, AT(0) / PAGE);
	assert_int_equal(info[0].offset, 0);
	assert_null(info[0].file);
	assert_false(info[0].shared);
	assert_int_equal(info[1].pgoff, 0);
	assert_non_null(info[1].file);
	assert_true(mm_file_is_shmem(info[1].file));
	assert_true(info[1].shared);
	mm_put(mm);
}

/*
 * POPULATE: everything is there afterwards, writable memory with frames of its own; NONBLOCK takes it back.
 *
 * covers: 1.8-1
 */
static void test_populate(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_with(&e, mm, AT(0), 4, RW, ANON | MM_MAP_POPULATE, NULL, 0);
	assert_int_equal(stats_of(mm).rss_anon, 4);
	map_with(&e, mm, AT(8), 4, MM_PROT_READ, ANON | MM_MAP_POPULATE, NULL, 0);
	assert_int_equal(page_info(mm, AT(9)).state, MM_PAGE_ZERO);
	map_with(&e, mm, AT(16), 4, RW, ANON | MM_MAP_POPULATE | MM_MAP_NONBLOCK, NULL, 0);
	assert_int_equal(page_info(mm, AT(17)).state, MM_PAGE_NONE);
	map_with(&e, mm, AT(24), 4, RW, SHM | MM_MAP_POPULATE, NULL, 0);
	assert_int_equal(stats_of(mm).rss_shmem, 4);
	map_with(&e, mm, AT(32), 4, MM_PROT_NONE, ANON | MM_MAP_POPULATE, NULL, 0);
	assert_int_equal(page_info(mm, AT(33)).state, MM_PAGE_NONE);
	mm_put(mm);
}

/* ---------------------------------------------------------------- munmap */

/*
 *	aaaaaaaaaaaa -> aaaa....aaaa -> ..aa....aaaa -> nothing
 *
 * covers: 1.8-3, I10
 */
static void test_munmap(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 12);
	for (unsigned int i = 0; i < 12; i++)
		poke(&e, mm, AT(i), i);
	assert_int_equal(unmap(&e, mm, 4, 4), 0);
	layout_is(&e, mm, "rw-p 4 @0 | ~4 | rw-p 4 @8");
	assert_int_equal(stats_of(mm).rss_anon, 8);
	assert_int_equal(unmap(&e, mm, 0, 2), 0);
	assert_int_equal(peek(&e, mm, AT(9)), 9);
	assert_int_equal(touch_read(&e, mm, AT(5)), RMAP_EFAULT);
	assert_int_equal(unmap(&e, mm, 100, 5), 0);
	assert_int_equal(unmap(&e, mm, 0, 100), 0);
	layout_is(&e, mm, "");
	assert_int_equal(stats_of(mm).table_pages, 1);
	assert_int_equal(committed(&e), 0);
	mm_put(mm);
}

/* covers: 1.8-3 */
static void test_munmap_errors(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	assert_int_equal(STEP(&e, mm_munmap(mm, AT(0) + 1, PAGE)), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_munmap(mm, AT(0), 0)), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_munmap(mm, AT(0), UINT64_MAX)), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_munmap(mm, MM_TASK_SIZE + PAGE, PAGE)), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_munmap(mm, MM_TASK_SIZE - PAGE, 2 * PAGE)), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_munmap(mm, MM_TASK_SIZE - PAGE, PAGE)), 0);
	assert_int_equal(STEP(&e, mm_munmap(mm, 0, MM_TASK_SIZE)), 0);
	layout_is(&e, mm, "");
	mm_put(mm);
}

/*
 * Page tables that nobody reaches any more are freed, those with a neighbour stay.
 *
 *	|aa|............ 1 GiB ............|bb|   unmap b, then a
 *
 * covers: 1.1-4, 1.8-3
 */
static void test_tables_go(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t far = (uint64_t)1 << 18; /* pages: 1 GiB */

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	map_anon(&e, mm, AT(4), 2);
	map_anon(&e, mm, AT(far), 2);
	poke(&e, mm, AT(0), 1);
	poke(&e, mm, AT(4), 2);
	poke(&e, mm, AT(far), 3);
	/* The top; level 3; two of level 2 and two of level 1. */
	assert_int_equal(stats_of(mm).table_pages, 6);
	assert_int_equal(unmap(&e, mm, far, 2), 0);
	assert_int_equal(stats_of(mm).table_pages, 4);
	assert_int_equal(unmap(&e, mm, 0, 2), 0);
	assert_int_equal(stats_of(mm).table_pages, 4);
	assert_int_equal(peek(&e, mm, AT(4)), 2);
	assert_int_equal(unmap(&e, mm, 4, 2), 0);
	assert_int_equal(stats_of(mm).table_pages, 1);
	mm_put(mm);
}

/* ---------------------------------------------------------------- mprotect */

/* covers: 1.9-8 */
static void test_mprotect_errors(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	map_anon(&e, mm, AT(4), 2);
	assert_int_equal(STEP(&e, mm_mprotect(mm, AT(0) + 1, PAGE, RW)), RMAP_EINVAL);
	assert_int_equal(protect(&e, mm, 0, 1, 0x100), RMAP_EINVAL);
	assert_int_equal(protect(&e, mm, 0, 1, MM_PROT_GROWSDOWN | MM_PROT_GROWSUP), RMAP_EINVAL);
	assert_int_equal(protect(&e, mm, 0, 1, MM_PROT_GROWSDOWN | MM_PROT_READ), RMAP_EINVAL);
	assert_int_equal(protect(&e, mm, 0, 1, MM_PROT_GROWSUP | MM_PROT_READ), RMAP_EINVAL);
	assert_int_equal(protect(&e, mm, 0, 0, RW), 0);
	assert_int_equal(STEP(&e, mm_mprotect(mm, AT(0), UINT64_MAX, RW)), RMAP_ENOMEM);
	assert_int_equal(protect(&e, mm, 2, 2, RW), RMAP_ENOMEM);
	assert_int_equal(protect(&e, mm, 100, 2, RW), RMAP_ENOMEM);
	/* A hole: what stands before it is changed. */
	assert_int_equal(protect(&e, mm, 0, 6, MM_PROT_READ), RMAP_ENOMEM);
	layout_is(&e, mm, "r--p 2 @0 | ~2 | rw-p 2 @4");
	mm_put(mm);
}

/*
 * Rights hold at once, for pages that are mapped already, and come back without a copy where the page is nobody else's.
 *
 * covers: 1.9-8
 */
static void test_mprotect_rights(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t copies;

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	poke(&e, mm, AT(0), 1);
	assert_int_equal(protect(&e, mm, 0, 2, MM_PROT_READ), 0);
	assert_int_equal(touch_write(&e, mm, AT(0)), RMAP_EACCES);
	assert_int_equal(peek(&e, mm, AT(0)), 1);
	assert_int_equal(protect(&e, mm, 0, 2, MM_PROT_NONE), 0);
	assert_int_equal(touch_read(&e, mm, AT(0)), RMAP_EACCES);
	copies = counters_of(&e).fault_cow_copy;
	assert_int_equal(protect(&e, mm, 0, 2, RW), 0);
	poke(&e, mm, AT(0), 2);
	assert_int_equal(peek(&e, mm, AT(0)), 2);
	assert_int_equal(counters_of(&e).fault_cow_copy, copies);
	/* GROWSDOWN reaches down to the beginning of a stack. */
	map_with(&e, mm, AT(600), 8, RW, ANON | MM_MAP_GROWSDOWN, NULL, 0);
	assert_int_equal(protect(&e, mm, 604, 2, MM_PROT_READ | MM_PROT_GROWSDOWN), 0);
	assert_layout(&e, mm, AT(600), AT(700), "r--p 6 @0 | rw-p 2 @6");
	mm_put(mm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_only_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fixed_replaces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_noreplace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_leaves_the_old, setup, teardown),
		cmocka_unit_test_setup_teardown(test_offsets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_populate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_munmap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_munmap_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tables_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mprotect_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mprotect_rights, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
