// SPDX-License-Identifier: BSD-2-Clause
/* mlock and its family, mincore, msync. */
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

#define lock_(mm, page, pages, flags)                                                              \
	STEP(&e, mm_mlock(mm, AT(page), (uint64_t)(pages)*PAGE, flags))
#define unlock_(mm, page, pages) STEP(&e, mm_munlock(mm, AT(page), (uint64_t)(pages)*PAGE))

/*
 *	aaaaaa -> aaLLaa -> aaaaaa;   what is locked is there and stays
 *
 * covers: 1.11-7, 1.5-7
 */
static void test_lock_and_unlock(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 6);
	poke(&e, mm, AT(2), 2);
	assert_int_equal(STEP(&e, mm_mlock(mm, AT(2) + 5, PAGE, 0)), 0);
	layout_is(&e, mm, "rw-p 2 @0 | rw-p 2 @2 | rw-p 2 @4");
	assert_int_equal(stats_of(mm).locked_vm, 2);
	assert_int_equal(stats_of(mm).rss_anon, 2);
	assert_true(page_info(mm, AT(2)).locked);
	assert_true(page_info(mm, AT(3)).locked);
	poke(&e, mm, AT(0), 1);
	(void)mm_reclaim(e.sys, 4000);
	engine_check(&e);
	assert_int_equal(page_info(mm, AT(3)).state, MM_PAGE_PRESENT);
	assert_int_equal(unlock_(mm, 0, 6), 0);
	layout_is(&e, mm, "rw-p 6 @0");
	assert_int_equal(stats_of(mm).locked_vm, 0);
	assert_false(page_info(mm, AT(2)).locked);
	assert_int_equal(memory_of(&e).unevictable, 0);
	mm_put(mm);
}

/* covers: 1.11-7 */
static void test_errors(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	map_with(&e, mm, AT(4), 2, MM_PROT_NONE, ANON, NULL, 0);
	assert_int_equal(lock_(mm, 0, 1, 2), RMAP_EINVAL);
	assert_int_equal(lock_(mm, 0, 0, 0), 0);
	assert_int_equal(lock_(mm, 100, 1, 0), RMAP_ENOMEM);
	assert_int_equal(unlock_(mm, 100, 1), RMAP_ENOMEM);
	assert_int_equal(STEP(&e, mm_mlock(mm, UINT64_MAX - PAGE, PAGE, 0)), RMAP_EINVAL);
	/* A hole: what stands before it is locked. */
	assert_int_equal(lock_(mm, 0, 4, 0), RMAP_ENOMEM);
	assert_int_equal(stats_of(mm).locked_vm, 2);
	assert_int_equal(stats_of(mm).rss_anon, 0);
	/* PROT_NONE: locked, but nothing can be brought in. */
	assert_int_equal(lock_(mm, 4, 2, 0), RMAP_ENOMEM);
	assert_int_equal(stats_of(mm).locked_vm, 4);
	mm_set_limit(mm, MM_LIMIT_MEMLOCK, 0);
	assert_int_equal(lock_(mm, 0, 1, 0), RMAP_EPERM);
	assert_int_equal(STEP(&e, mm_mlockall(mm, MM_MCL_CURRENT)), RMAP_EPERM);
	assert_int_equal(try_map(&e, mm, 20, 1, RW, ANON | MM_MAP_FIXED | MM_MAP_LOCKED),
			 RMAP_EPERM);
	assert_int_equal(unlock_(mm, 0, 2), 0);
	mm_put(mm);
}

/*
 * The limit counts pages once, however often they are locked; who may lock without limit does.
 *
 * covers: 1.11-7, 1.8-6
 */
static void test_limit(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 10);
	mm_set_limit(mm, MM_LIMIT_MEMLOCK, 4 * PAGE);
	assert_int_equal(lock_(mm, 0, 5, 0), RMAP_ENOMEM);
	assert_int_equal(lock_(mm, 0, 4, 0), 0);
	assert_int_equal(lock_(mm, 1, 3, 0), 0);
	assert_int_equal(lock_(mm, 1, 4, 0), RMAP_ENOMEM);
	assert_int_equal(try_map(&e, mm, 20, 1, RW, ANON | MM_MAP_FIXED | MM_MAP_LOCKED),
			 RMAP_EAGAIN);
	assert_int_equal(STEP(&e, mm_mlockall(mm, MM_MCL_CURRENT)), RMAP_ENOMEM);
	mm_set_capabilities(mm, MM_CAP_IPC_LOCK);
	assert_int_equal(lock_(mm, 0, 10, 0), 0);
	assert_int_equal(stats_of(mm).locked_vm, 10);
	mm_put(mm);
}

/*
 * ONFAULT: locked when they come, not brought in.
 *
 * covers: 1.11-7
 */
static void test_onfault(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 4);
	poke(&e, mm, AT(0), 1);
	assert_int_equal(lock_(mm, 0, 4, MM_MLOCK_ONFAULT), 0);
	assert_int_equal(stats_of(mm).locked_vm, 4);
	assert_int_equal(stats_of(mm).rss_anon, 1);
	assert_true(page_info(mm, AT(0)).locked);
	poke(&e, mm, AT(2), 1);
	assert_true(page_info(mm, AT(2)).locked);
	/* Locked in full: the rest is brought in, the count stays. */
	assert_int_equal(lock_(mm, 0, 4, 0), 0);
	assert_int_equal(stats_of(mm).rss_anon, 4);
	assert_int_equal(stats_of(mm).locked_vm, 4);
	mm_put(mm);
}

/*
 * The child's memory is not locked; its copies neither.
 *
 * covers: 1.11-7, 1.7-1
 */
static void test_child_is_not_locked(void **state)
{
	struct mm *mm = engine_mm(&e), *child;

	(void)state;
	map_with(&e, mm, AT(0), 2, RW, ANON | MM_MAP_LOCKED, NULL, 0);
	child = engine_fork(&e, mm);
	assert_int_equal(stats_of(child).locked_vm, 0);
	poke(&e, child, AT(0), 1);
	assert_false(page_info(child, AT(0)).locked);
	assert_true(page_info(mm, AT(0)).locked);
	mm_put(child);
	mm_put(mm);
}

/*
 * mlockall: now, from now on, or both; and undone.
 *
 * covers: 1.11-7
 */
static void test_mlockall(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	map_with(&e, mm, AT(4), 2, MM_PROT_NONE, ANON, NULL, 0);
	assert_int_equal(STEP(&e, mm_mlockall(mm, 0)), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_mlockall(mm, MM_MCL_ONFAULT)), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_mlockall(mm, 8)), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_mlockall(mm, MM_MCL_FUTURE)), 0);
	map_anon(&e, mm, AT(10), 3);
	assert_int_equal(stats_of(mm).locked_vm, 3);
	assert_int_equal(stats_of(mm).rss_anon, 3);
	assert_int_equal(STEP(&e, mm_mlockall(mm, MM_MCL_CURRENT)), 0);
	assert_int_equal(stats_of(mm).locked_vm, 7);
	assert_int_equal(stats_of(mm).rss_anon, 5);
	/* CURRENT alone ends FUTURE. */
	map_anon(&e, mm, AT(20), 1);
	assert_int_equal(stats_of(mm).locked_vm, 7);
	assert_int_equal(STEP(&e, mm_munlockall(mm)), 0);
	assert_int_equal(stats_of(mm).locked_vm, 0);
	assert_int_equal(STEP(&e, mm_mlockall(mm, MM_MCL_FUTURE | MM_MCL_ONFAULT)), 0);
	map_anon(&e, mm, AT(30), 3);
	assert_int_equal(stats_of(mm).locked_vm, 3);
	assert_int_equal(page_info(mm, AT(30)).state, MM_PAGE_NONE);
	mm_put(mm);
}

/* Of what need not be brought in there may be any amount: it is not gone through table by table. */
static void test_terabytes_on_demand(void **state)
{
	const uint64_t len = (uint64_t)1 << 46;
	struct mm *mm = engine_mm(&e);
	const struct mm_mmap args = { .addr = BASE,
				      .len = len,
				      .prot = RW,
				      .flags = ANON | MM_MAP_NORESERVE | MM_MAP_FIXED };
	uint64_t at;

	(void)state;
	mm_set_capabilities(mm, MM_CAP_IPC_LOCK);
	assert_int_equal(STEP(&e, mm_mmap(mm, &args, &at)), 0);
	assert_int_equal(STEP(&e, mm_mlock(mm, at, len, MM_MLOCK_ONFAULT)), 0);
	assert_int_equal(stats_of(mm).locked_vm, len / PAGE);
	poke(&e, mm, at + len / 2, 1);
	assert_true(page_info(mm, at + len / 2).locked);
	assert_int_equal(STEP(&e, mm_mlockall(mm, MM_MCL_CURRENT | MM_MCL_ONFAULT)), 0);
	assert_int_equal(STEP(&e, mm_munlockall(mm)), 0);
	assert_int_equal(stats_of(mm).locked_vm, 0);
	mm_put(mm);
}

/*
 * Locked read-only private memory that becomes writable: the copies are made by mprotect, not by the first write.
 *
 * covers: 1.11-7
 */
static void test_protect_makes_copies(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 2, 3);
	uint64_t faults;

	(void)state;
	map_with(&e, mm, AT(0), 2, MM_PROT_READ, MM_MAP_PRIVATE | MM_MAP_LOCKED, file, 0);
	assert_int_equal(stats_of(mm).rss_file, 2);
	assert_int_equal(protect(&e, mm, 0, 2, RW), 0);
	assert_int_equal(stats_of(mm).rss_anon, 2);
	faults = counters_of(&e).faults;
	poke(&e, mm, AT(1), 1);
	assert_int_equal(counters_of(&e).faults, faults);
	mm_put(mm);
	mm_file_put(file);
}

/* ---------------------------------------------------------------- mincore */

/*
 *	anonymous: touched, swapped out, in the swap cache, never touched; a file: what its cache has, mapped or not
 *
 * covers: 1.11-7
 */
static void test_mincore(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 4, 3);
	uint8_t vec[6];

	(void)state;
	map_anon(&e, mm, AT(0), 4);
	for (unsigned int i = 0; i < 3; i++)
		poke(&e, mm, AT(i), i);
	assert_int_equal(advise(&e, mm, 1, 1, MM_MADV_PAGEOUT), 0);
	assert_int_equal(advise(&e, mm, 2, 1, MM_MADV_PAGEOUT), 0);
	assert_int_equal(advise(&e, mm, 2, 1, MM_MADV_WILLNEED), 0);
	assert_int_equal(STEP(&e, mm_mincore(mm, AT(0), 4 * PAGE - 1, vec)), 0);
	assert_int_equal(vec[0], 1);
	assert_int_equal(vec[1], 0);
	assert_int_equal(vec[2], 1);
	assert_int_equal(vec[3], 0);
	map_with(&e, mm, AT(4), 4, MM_PROT_READ, MM_MAP_PRIVATE, file, 0);
	assert_int_equal(mm_file_read(file, 2 * PAGE, vec, 1, NULL), 0);
	assert_int_equal(STEP(&e, mm_mincore(mm, AT(3), 5 * PAGE, vec)), 0);
	assert_int_equal(vec[1], 0);
	assert_int_equal(vec[3], 1);
	assert_int_equal(vec[4], 0);
	/* A hole: what comes before it is answered. */
	vec[0] = 9;
	assert_int_equal(STEP(&e, mm_mincore(mm, AT(7), 2 * PAGE, vec)), RMAP_ENOMEM);
	assert_int_equal(vec[0], 0);
	assert_int_equal(STEP(&e, mm_mincore(mm, AT(0) + 1, PAGE, vec)), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_mincore(mm, AT(0), 0, vec)), 0);
	assert_int_equal(STEP(&e, mm_mincore(mm, AT(0), UINT64_MAX, vec)), RMAP_ENOMEM);
	mm_put(mm);
	mm_file_put(file);
}

/* ---------------------------------------------------------------- msync */

/* covers: 1.11-7 */
static void test_msync_errors(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	map_anon(&e, mm, AT(4), 2);
	assert_int_equal(STEP(&e, mm_msync(mm, AT(0), PAGE, 8)), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_msync(mm, AT(0) + 1, PAGE, 0)), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_msync(mm, AT(0), PAGE, MM_MS_ASYNC | MM_MS_SYNC)),
			 RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_msync(mm, AT(0), UINT64_MAX - 2 * PAGE, MM_MS_SYNC)),
			 RMAP_ENOMEM);
	assert_int_equal(STEP(&e, mm_msync(mm, AT(0), 0, MM_MS_SYNC)), 0);
	assert_int_equal(STEP(&e, mm_msync(mm, AT(0), 2 * PAGE, 0)), 0);
	for (uint32_t flags = 0; flags < 5; flags++) {
		assert_int_equal(STEP(&e, mm_msync(mm, AT(1), 4 * PAGE, flags)), RMAP_ENOMEM);
		assert_int_equal(STEP(&e, mm_msync(mm, AT(4), 4 * PAGE, flags)), RMAP_ENOMEM);
		assert_int_equal(STEP(&e, mm_msync(mm, AT(2), PAGE, flags)), RMAP_ENOMEM);
	}
	assert_int_equal(lock_(mm, 0, 2, 0), 0);
	assert_int_equal(STEP(&e, mm_msync(mm, AT(0), PAGE, MM_MS_INVALIDATE)), RMAP_EBUSY);
	assert_int_equal(STEP(&e, mm_msync(mm, AT(0), PAGE, MM_MS_SYNC)), 0);
	mm_put(mm);
}

/*
 * SYNC writes the range, also behind a hole; ASYNC and private mappings write nothing.
 *
 *	ff..ff   dirty all four, sync from the second to the third
 *
 * covers: 1.11-7
 */
static void test_msync_writes(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 8, 3);

	(void)state;
	map_with(&e, mm, AT(0), 2, RW, MM_MAP_SHARED, file, 0);
	map_with(&e, mm, AT(4), 2, RW, MM_MAP_SHARED, file, 4 * PAGE);
	map_with(&e, mm, AT(10), 2, RW, MM_MAP_PRIVATE, file, 0);
	poke(&e, mm, AT(0), 1);
	poke(&e, mm, AT(1), 2);
	poke(&e, mm, AT(4), 3);
	poke(&e, mm, AT(5), 4);
	poke(&e, mm, AT(10), 5);
	assert_int_equal(STEP(&e, mm_msync(mm, AT(0), 2 * PAGE, MM_MS_ASYNC)), 0);
	assert_int_equal(STEP(&e, mm_msync(mm, AT(10), 2 * PAGE, MM_MS_SYNC)), 0);
	assert_int_equal(counters_of(&e).file_out, 0);
	assert_int_equal(STEP(&e, mm_msync(mm, AT(1), 4 * PAGE, MM_MS_SYNC)), RMAP_ENOMEM);
	assert_int_equal(counters_of(&e).file_out, 2);
	assert_false(page_info(mm, AT(1)).dirty);
	assert_true(page_info(mm, AT(0)).dirty);
	/* Clean now: the next write says so again. */
	assert_false(page_info(mm, AT(4)).writable);
	poke(&e, mm, AT(4), 6);
	assert_true(page_info(mm, AT(4)).dirty);
	mm_put(mm);
	mm_file_put(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lock_and_unlock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_onfault, setup, teardown),
		cmocka_unit_test_setup_teardown(test_child_is_not_locked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mlockall, setup, teardown),
		cmocka_unit_test_setup_teardown(test_terabytes_on_demand, setup, teardown),
		cmocka_unit_test_setup_teardown(test_protect_makes_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mincore, setup, teardown),
		cmocka_unit_test_setup_teardown(test_msync_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_msync_writes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
