// SPDX-License-Identifier: BSD-2-Clause
/*
 * A page that several entries lock: it stays until the last of them is unlocked or gone, whichever way, and then it may go. The
 * checker holds every page's count against the entries after each step.
 */
#include "faulty.h"
#include "vmas.h"

#include "mm/system.h"

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

static void lock(struct mm *mm, unsigned int page, uint64_t pages)
{
	assert_int_equal(STEP(&e, mm_mlock(mm, AT(page), pages * PAGE, 0)), 0);
}

static void unlock(struct mm *mm, unsigned int page, uint64_t pages)
{
	assert_int_equal(STEP(&e, mm_munlock(mm, AT(page), pages * PAGE)), 0);
}

static bool locked(struct mm *mm, unsigned int page)
{
	return page_info(mm, AT(page)).locked;
}

/*
 * Two pages, read-only, so that mlock does not copy them:
 *
 *	p   LL      both locked
 *	c   LL      the same two pages, and both locked here
 */
static struct mm *two_lockers(struct mm *p)
{
	struct mm *c;

	map_anon(&e, p, AT(0), 2);
	poke(&e, p, AT(0), 7);
	poke(&e, p, AT(1), 8);
	assert_int_equal(protect(&e, p, 0, 2, MM_PROT_READ), 0);
	c = engine_fork(&e, p);
	assert_false(locked(p, 0));
	lock(p, 0, 2);
	lock(c, 0, 2);
	assert_true(same_frame(p, AT(0), c, AT(0)));
	assert_int_equal(memory_of(&e).unevictable, 2);
	return c;
}

/* ---------------------------------------------------------------- ways to go */

static void by_munlock(struct mm **mm)
{
	unlock(*mm, 0, 2);
}

static void by_munlockall(struct mm **mm)
{
	assert_int_equal(STEP(&e, mm_munlockall(*mm)), 0);
}

static void by_munmap(struct mm **mm)
{
	assert_int_equal(unmap(&e, *mm, 0, 2), 0);
}

static void by_exit(struct mm **mm)
{
	mm_put(*mm);
	*mm = NULL;
	engine_check(&e);
}

static void by_another_mapping(struct mm **mm)
{
	map_anon(&e, *mm, AT(0), 2);
}

static void by_shrinking(struct mm **mm)
{
	assert_int_equal(remap(&e, *mm, 0, 2, 1, 0, 0), 0);
	assert_int_equal(unmap(&e, *mm, 0, 1), 0);
}

/* The copies are locked, and go on being so; nobody but this one has them. */
static void by_copying(struct mm **mm)
{
	assert_int_equal(protect(&e, *mm, 0, 2, RW), 0);
	poke(&e, *mm, AT(0), 9);
	poke(&e, *mm, AT(1), 9);
	assert_true(locked(*mm, 0));
	by_exit(mm);
}

/* Elsewhere it is locked still; gone from there it is not. */
static void by_moving_and_munmap(struct mm **mm)
{
	assert_int_equal(remap(&e, *mm, 0, 2, 2, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, 100), 0);
	assert_true(locked(*mm, 100));
	assert_int_equal(unmap(&e, *mm, 100, 2), 0);
}

static void (*const ways[])(struct mm **mm) = {
	by_munlock,	    by_munlockall, by_munmap,  by_exit,
	by_another_mapping, by_shrinking,  by_copying, by_moving_and_munmap,
};

/*
 *	p  LL        p  ..  (or gone)        p  ..
 *	c  LL   ->   c  LL             ->    c  ..   and whatever way they go, the pages can go now, not before
 *
 * covers: 1.11-7, 1.5-7
 */
static void test_the_last_one_counts(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		for (int parent = 0; parent < 2; parent++) {
			struct mm *p = engine_mm(&e), *c = two_lockers(p);
			struct mm **first = parent ? &p : &c, **last = parent ? &c : &p;

			ways[i](first);
			assert_true(locked(*last, 0));
			assert_true(locked(*last, 1));
			assert_int_equal(memory_of(&e).unevictable, 2);
			(void)mm_reclaim(e.sys, 4000);
			engine_check(&e);
			assert_int_equal(page_info(*last, AT(0)).state, MM_PAGE_PRESENT);
			unlock(*last, 0, 2);
			assert_false(locked(*last, 1));
			assert_int_equal(memory_of(&e).unevictable, 0);
			if (*first)
				mm_put(*first);
			swap_out(&e, *last, AT(0));
			assert_int_equal(peek(&e, *last, AT(0)), 7);
			mm_put(*last);
		}
}

/*
 * A third one has the pages, unlocked. It cannot give up what one of the others still locks.
 *
 * covers: 1.11-7
 */
static void test_a_third_cannot_give_up(void **state)
{
	struct mm *p = engine_mm(&e), *c = two_lockers(p), *t = engine_fork(&e, c);
	struct mm_smaps smaps;

	(void)state;
	assert_int_equal(unmap(&e, p, 0, 2), 0);
	assert_int_equal(advise(&e, t, 0, 2, MM_MADV_FREE), 0);
	assert_int_equal(mm_smaps(t, AT(0), &smaps), 0);
	assert_int_equal(smaps.lazyfree, 0);
	unlock(c, 0, 1);
	assert_int_equal(advise(&e, t, 0, 2, MM_MADV_FREE), 0);
	assert_int_equal(mm_smaps(t, AT(0), &smaps), 0);
	assert_int_equal(smaps.lazyfree, PAGE);
	mm_put(t);
	mm_put(c);
	mm_put(p);
}

/*
 * One process, one page of a file, two mappings: each counts.
 *
 *	page   0  1  .  4  5  .  8
 *	       f0 f1    f0 f1    f1
 *
 * covers: 1.11-7
 */
static void test_twice_in_one_process(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = shmem_file(&e, 2);

	(void)state;
	map_with(&e, mm, AT(0), 2, RW, MM_MAP_SHARED | MM_MAP_LOCKED, file, 0);
	map_with(&e, mm, AT(4), 2, RW, MM_MAP_SHARED | MM_MAP_LOCKED, file, 0);
	map_with(&e, mm, AT(8), 1, RW, MM_MAP_SHARED, file, PAGE);
	peek(&e, mm, AT(8));
	assert_int_equal(unmap(&e, mm, 0, 1), 0);
	assert_true(locked(mm, 4));
	unlock(mm, 4, 2);
	assert_false(locked(mm, 4));
	assert_true(locked(mm, 8));
	/* Locked again where it is locked: no second time. */
	lock(mm, 1, 1);
	assert_int_equal(STEP(&e, mm_mlock(mm, AT(1), PAGE, MM_MLOCK_ONFAULT)), 0);
	unlock(mm, 1, 1);
	assert_false(locked(mm, 8));
	/* A hole is punched under two locks. */
	lock(mm, 4, 2);
	lock(mm, 1, 1);
	assert_int_equal(advise(&e, mm, 8, 1, MM_MADV_REMOVE), 0);
	assert_int_equal(memory_of(&e).unevictable, 1);
	peek(&e, mm, AT(8));
	assert_false(locked(mm, 8));
	mm_put(mm);
	mm_file_put(file);
}

/* ---------------------------------------------------------------- pages that move, or come back */

/*
 * In another frame it has as many locks, and loses them by as many steps.
 *
 * covers: 1.11-7
 */
static void test_migration_keeps_the_count(void **state)
{
	struct mm *p = engine_mm(&e), *c = two_lockers(p);
	uint64_t pfn = page_info(p, AT(0)).pfn;

	(void)state;
	assert_int_equal(STEP(&e, mm_migrate(c, AT(0))), 0);
	assert_int_not_equal(page_info(p, AT(0)).pfn, pfn);
	assert_true(same_frame(p, AT(0), c, AT(0)));
	assert_int_equal(memory_of(&e).unevictable, 2);
	unlock(p, 0, 2);
	assert_true(locked(c, 0));
	unlock(c, 0, 2);
	assert_int_equal(memory_of(&e).unevictable, 0);
	mm_put(c);
	mm_put(p);
}

/*
 * A pinned page's migration ends where it began, all its entries gone and back.
 *
 * covers: 1.11-7
 */
static void test_migration_that_fails(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = shmem_file(&e, 1);
	struct page *page;

	(void)state;
	map_with(&e, mm, AT(0), 1, RW, MM_MAP_SHARED | MM_MAP_LOCKED, file, 0);
	map_with(&e, mm, AT(2), 1, RW, MM_MAP_SHARED | MM_MAP_LOCKED, file, 0);
	assert_int_equal(STEP(&e, mm_pin(mm, AT(0), MM_PIN_WRITE | MM_PIN_LONGTERM, &page)), 0);
	assert_int_equal(STEP(&e, mm_migrate(mm, AT(0))), RMAP_EAGAIN);
	mm_unpin(e.sys, page, MM_PIN_WRITE | MM_PIN_LONGTERM);
	unlock(mm, 0, 1);
	assert_true(locked(mm, 0));
	unlock(mm, 2, 1);
	assert_false(locked(mm, 0));
	mm_put(mm);
	mm_file_put(file);
}

/*
 * The frame of locked shared memory goes bad: nothing maps it any more, so nothing locks it.
 *
 * covers: 1.11-7
 */
static void test_bad_frame(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = shmem_file(&e, 1);

	(void)state;
	map_with(&e, mm, AT(0), 1, RW, MM_MAP_SHARED | MM_MAP_LOCKED, file, 0);
	map_with(&e, mm, AT(2), 1, RW, MM_MAP_SHARED | MM_MAP_LOCKED, file, 0);
	assert_int_equal(STEP(&e, mm_poison(mm, AT(0))), 0);
	assert_int_equal(page_info(mm, AT(2)).state, MM_PAGE_POISONED);
	assert_int_equal(memory_of(&e).unevictable, 0);
	mm_put(mm);
	mm_file_put(file);
}

/*
 * Entries that are made writable again, of a page whose sharers have gone, and of a file's page that was written back, still lock.
 *
 * covers: 1.11-7
 */
static void test_writable_again(void **state)
{
	struct mm *mm = engine_mm(&e), *child;
	struct mm_file *file = pattern_file(&e, 1, 3);

	(void)state;
	map_with(&e, mm, AT(0), 1, RW, ANON | MM_MAP_LOCKED, NULL, 0);
	child = engine_fork(&e, mm);
	mm_put(child);
	poke(&e, mm, AT(0), 1);
	assert_int_equal(counters_of(&e).fault_cow_reuse, 1);
	assert_true(locked(mm, 0));
	map_with(&e, mm, AT(2), 1, RW, MM_MAP_SHARED | MM_MAP_LOCKED, file, 0);
	poke(&e, mm, AT(2), 1);
	assert_int_equal(STEP(&e, mm_msync(mm, AT(2), PAGE, MM_MS_SYNC)), 0);
	assert_false(page_info(mm, AT(2)).writable);
	poke(&e, mm, AT(2), 2);
	assert_true(locked(mm, 2));
	unlock(mm, 0, 1);
	unlock(mm, 2, 1);
	assert_int_equal(memory_of(&e).unevictable, 0);
	mm_put(mm);
	mm_file_put(file);
}

/*
 * Out when they were locked, on fault: each that brings it back, a touch or swapoff, counts.
 *
 * covers: 1.11-7
 */
static void test_back_from_swap(void **state)
{
	struct mm *p = engine_mm(&e), *c;

	(void)state;
	map_anon(&e, p, AT(0), 2);
	poke(&e, p, AT(0), 7);
	poke(&e, p, AT(1), 8);
	assert_int_equal(protect(&e, p, 0, 2, MM_PROT_READ), 0);
	swap_out(&e, p, AT(0));
	swap_out(&e, p, AT(1));
	c = engine_fork(&e, p);
	assert_int_equal(STEP(&e, mm_mlock(p, AT(0), 2 * PAGE, MM_MLOCK_ONFAULT)), 0);
	assert_int_equal(STEP(&e, mm_mlock(c, AT(0), 2 * PAGE, MM_MLOCK_ONFAULT)), 0);
	assert_int_equal(peek(&e, p, AT(0)), 7);
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), 0);
	assert_int_equal(page_info(c, AT(1)).state, MM_PAGE_PRESENT);
	unlock(c, 0, 2);
	assert_true(locked(p, 0));
	assert_true(locked(p, 1));
	unlock(p, 0, 2);
	assert_int_equal(memory_of(&e).unevictable, 0);
	mm_put(c);
	mm_put(p);
}

/* Read-only pages, and nr address spaces that share and lock them, one after the other. */
static void make_lockers(struct mm **mm, unsigned int nr, unsigned int pages)
{
	mm[0] = engine_mm(&e);
	map_anon(&e, mm[0], AT(0), pages);
	for (unsigned int i = 0; i < pages; i++)
		poke(&e, mm[0], AT(i), 7 + i);
	assert_int_equal(protect(&e, mm[0], 0, pages, MM_PROT_READ), 0);
	for (unsigned int i = 1; i < nr; i++)
		mm[i] = engine_fork(&e, mm[0]);
	for (unsigned int i = 0; i < nr; i++)
		lock(mm[i], 0, pages);
}

/*
 * More than a page can count: those that are not counted still keep it, once reclaim meets them.
 *
 * covers: 1.11-7, 1.5-7
 */
static void test_more_than_can_be_counted(void **state)
{
	enum { MMS = 40 };
	struct mm *mm[MMS];

	(void)state;
	make_lockers(mm, MMS, 1);
	/* In the order in which they came: those that were counted go first. */
	for (unsigned int i = 0; i < MMS - 1; i++)
		unlock(mm[i], 0, 1);
	(void)mm_reclaim(e.sys, 4000);
	engine_check(&e);
	for (unsigned int i = 0; i < MMS; i++)
		assert_int_equal(page_info(mm[i], AT(0)).state, MM_PAGE_PRESENT);
	assert_true(locked(mm[0], 0));
	unlock(mm[MMS - 1], 0, 1);
	assert_int_equal(memory_of(&e).unevictable, 0);
	for (unsigned int i = 0; i < MMS; i++)
		mm_put(mm[i]);
}

/* ---------------------------------------------------------------- what Linux forgets */

/*
 * DONTUNMAP unlocks all of the VMA, and leaves on the count what was not moved: also when that is unmapped, for whoever has it still.
 *
 *	p  LLLL   ->   p  a--d ... LL   ->   p  ---- ... LL
 *	                                     c  abcd          a and d cannot go, b and c, once p has unlocked them, can
 *
 * covers: 1.11-7
 */
static void test_stranded(void **state)
{
	struct mm *p = engine_mm(&e), *c;

	(void)state;
	map_anon(&e, p, AT(0), 4);
	for (unsigned int i = 0; i < 4; i++)
		poke(&e, p, AT(i), i);
	c = engine_fork(&e, p);
	assert_int_equal(protect(&e, p, 0, 4, MM_PROT_READ), 0);
	lock(p, 0, 4);
	assert_int_equal(remap(&e, p, 1, 2, 2, MM_MREMAP_MAYMOVE | MM_MREMAP_DONTUNMAP, 100), 0);
	assert_true(locked(c, 0));
	/* Locked and unlocked again: what was forgotten stays so. */
	lock(p, 0, 1);
	unlock(p, 0, 1);
	assert_true(locked(c, 0));
	assert_int_equal(unmap(&e, p, 0, 4), 0);
	assert_int_equal(STEP(&e, mm_munlockall(p)), 0);
	assert_true(locked(c, 0));
	assert_true(locked(c, 3));
	assert_int_equal(memory_of(&e).unevictable, 2);
	mm_put(p);
	assert_int_equal(advise(&e, c, 0, 4, MM_MADV_PAGEOUT), 0);
	assert_int_equal(page_info(c, AT(0)).state, MM_PAGE_PRESENT);
	assert_int_equal(page_info(c, AT(1)).state, MM_PAGE_SWAPPED);
	assert_int_equal(page_info(c, AT(3)).state, MM_PAGE_PRESENT);
	mm_put(c);
}

/*
 * What its page could not count is not forgotten either: the first 31 of 33 are counted, and when they have unlocked, nothing keeps the page
 * that the last one did not move.
 *
 *	last  LL   ->   last  a- ... L
 *
 * covers: 1.11-7
 */
static void test_uncounted_is_not_stranded(void **state)
{
	enum { MMS = 33 };
	struct mm *mm[MMS];

	(void)state;
	make_lockers(mm, MMS, 2);
	assert_int_equal(
		remap(&e, mm[MMS - 1], 1, 1, 1, MM_MREMAP_MAYMOVE | MM_MREMAP_DONTUNMAP, 100), 0);
	for (unsigned int i = 0; i < MMS - 1; i++)
		unlock(mm[i], 0, 2);
	assert_false(locked(mm[0], 0));
	assert_false(e.sys->mlock_stranded);
	/* anonmm's moved page is a copy, of which nobody else counts. */
	assert_int_equal(memory_of(&e).unevictable, engine_design_is("anonmm"));
	for (unsigned int i = 0; i < MMS - 1; i++)
		mm_put(mm[i]);
	swap_out(&e, mm[MMS - 1], AT(0));
	assert_int_equal(peek(&e, mm[MMS - 1], AT(0)), 7);
	mm_put(mm[MMS - 1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_last_one_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_third_cannot_give_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_twice_in_one_process, setup, teardown),
		cmocka_unit_test_setup_teardown(test_migration_keeps_the_count, setup, teardown),
		cmocka_unit_test_setup_teardown(test_migration_that_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(test_writable_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_back_from_swap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_more_than_can_be_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stranded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_uncounted_is_not_stranded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
