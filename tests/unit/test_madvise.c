// SPDX-License-Identifier: BSD-2-Clause
/* madvise: errors, flags and the splits that they make, and what happens to pages. */
#include "faulty.h"
#include "vmas.h"

#include "mm/layout.h"

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

static void fill(struct mm *mm, unsigned int page, unsigned int pages)
{
	for (unsigned int i = page; i < page + pages; i++)
		poke(&e, mm, AT(i), 1000 + i);
}

static const int all_advice[] = {
	MM_MADV_NORMAL,		MM_MADV_RANDOM,		 MM_MADV_SEQUENTIAL,
	MM_MADV_WILLNEED,	MM_MADV_DONTNEED,	 MM_MADV_FREE,
	MM_MADV_DONTFORK,	MM_MADV_DOFORK,		 MM_MADV_DONTDUMP,
	MM_MADV_DODUMP,		MM_MADV_WIPEONFORK,	 MM_MADV_KEEPONFORK,
	MM_MADV_COLD,		MM_MADV_PAGEOUT,	 MM_MADV_POPULATE_READ,
	MM_MADV_POPULATE_WRITE, MM_MADV_DONTNEED_LOCKED, MM_MADV_HUGEPAGE,
	MM_MADV_NOHUGEPAGE,
};
#define NR_ADVICE (sizeof(all_advice) / sizeof(all_advice[0]))

/*
 * Whatever the advice: unaligned, unknown and wrapping are EINVAL, nothing is fine, a hole is ENOMEM at the end.
 *
 * covers: 1.11-1
 */
static void test_arguments(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	map_anon(&e, mm, AT(4), 2);
	assert_int_equal(advise(&e, mm, 0, 1, 99), RMAP_EINVAL);
	assert_int_equal(advise(&e, mm, 0, 0, 99), RMAP_EINVAL);
	for (unsigned int i = 0; i < NR_ADVICE; i++) {
		int advice = all_advice[i];

		assert_int_equal(STEP(&e, mm_madvise(mm, AT(0) + 1, PAGE, advice)), RMAP_EINVAL);
		assert_int_equal(STEP(&e, mm_madvise(mm, AT(0), UINT64_MAX, advice)), RMAP_EINVAL);
		assert_int_equal(STEP(&e, mm_madvise(mm, AT(0), UINT64_MAX - 2 * PAGE, advice)),
				 RMAP_EINVAL);
		assert_int_equal(advise(&e, mm, 0, 0, advice), 0);
		assert_int_equal(advise(&e, mm, 100, 0, advice), 0);
		assert_int_equal(advise(&e, mm, 0, 2, advice), 0);
		assert_int_equal(advise(&e, mm, 0, 6, advice), RMAP_ENOMEM);
		assert_int_equal(advise(&e, mm, 0, 3, advice), RMAP_ENOMEM);
		assert_int_equal(advise(&e, mm, 2, 2, advice), RMAP_ENOMEM);
		assert_int_equal(advise(&e, mm, 3, 2, advice), RMAP_ENOMEM);
		assert_int_equal(advise(&e, mm, 100, 2, advice), RMAP_ENOMEM);
	}
	mm_put(mm);
}

/*
 * Holes are passed by: what lies behind one is advised all the same.
 *
 *	aa..bb   DONTNEED over all
 *
 * covers: 1.11-1, 1.11-2
 */
static void test_behind_a_hole(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	map_anon(&e, mm, AT(4), 2);
	fill(mm, 0, 2);
	fill(mm, 4, 2);
	assert_int_equal(advise(&e, mm, 0, 6, MM_MADV_DONTNEED), RMAP_ENOMEM);
	assert_int_equal(stats_of(mm).rss_anon, 0);
	mm_put(mm);
}

/* ---------------------------------------------------------------- flags */

/*
 * Each flag splits off the range it is for, and merges it again when it goes.
 *
 *	aaaaaa -> aaBBaa -> aaaaaa
 *
 * covers: 1.11-6, 1.11-5, 1.9-8
 */
static void test_flags_split_and_merge(void **state)
{
	static const int pairs[][2] = {
		{ MM_MADV_RANDOM, MM_MADV_NORMAL },	    { MM_MADV_SEQUENTIAL, MM_MADV_NORMAL },
		{ MM_MADV_DONTFORK, MM_MADV_DOFORK },	    { MM_MADV_DONTDUMP, MM_MADV_DODUMP },
		{ MM_MADV_WIPEONFORK, MM_MADV_KEEPONFORK }, { MM_MADV_HUGEPAGE, MM_MADV_HUGEPAGE },
		{ MM_MADV_NOHUGEPAGE, MM_MADV_NOHUGEPAGE },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct mm *mm = engine_mm(&e);

		map_anon(&e, mm, AT(0), 6);
		fill(mm, 0, 6);
		assert_int_equal(advise(&e, mm, 2, 2, pairs[i][0]), 0);
		layout_is(&e, mm, "rw-p 2 @0 | rw-p 2 @2 | rw-p 2 @4");
		assert_int_equal(advise(&e, mm, 2, 2, pairs[i][0]), 0);
		assert_int_equal(advise(&e, mm, 0, 6, pairs[i][1]), 0);
		layout_is(&e, mm, "rw-p 6 @0");
		assert_chained_objects(&e, RMAP_KIND_ANON_VMA, 1);
		assert_int_equal(peek(&e, mm, AT(3)), 1003);
		mm_put(mm);
	}
}

/*
 * DONTFORK: the child has a hole. WIPEONFORK: it has zeros, and nothing of the parent's.
 *
 *	parent aaBBcc   child aa..00
 *
 * covers: 1.11-5, 1.7-1
 */
static void test_fork_advice(void **state)
{
	struct mm *mm = engine_mm(&e), *child;

	(void)state;
	map_anon(&e, mm, AT(0), 6);
	map_with(&e, mm, AT(10), 2, RW, SHM, NULL, 0);
	fill(mm, 0, 6);
	assert_int_equal(advise(&e, mm, 2, 2, MM_MADV_DONTFORK), 0);
	assert_int_equal(advise(&e, mm, 4, 2, MM_MADV_WIPEONFORK), 0);
	assert_int_equal(advise(&e, mm, 10, 2, MM_MADV_WIPEONFORK), RMAP_EINVAL);
	child = engine_fork(&e, mm);
	layout_is(&e, child, "rw-p 2 @0 | ~2 | rw-p 2 @4 | ~4 | rw-s 2 @-65536");
	assert_int_equal(peek(&e, child, AT(1)), 1001);
	assert_int_equal(touch_read(&e, child, AT(2)), RMAP_EFAULT);
	assert_int_equal(peek(&e, child, AT(4)), 0);
	poke(&e, child, AT(4), 1);
	assert_int_equal(walk_from(&e, child, AT(4), false).found, 1);
	assert_int_equal(peek(&e, mm, AT(4)), 1004);
	mm_put(child);
	mm_put(mm);
}

/* ---------------------------------------------------------------- DONTNEED, FREE */

/*
 * Private memory is zero again, a private mapping shows its file again, shared memory keeps what it has.
 *
 * covers: 1.11-2
 */
static void test_dontneed(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 4, 5);

	(void)state;
	map_anon(&e, mm, AT(0), 4);
	map_with(&e, mm, AT(10), 4, RW, MM_MAP_PRIVATE, file, 0);
	map_with(&e, mm, AT(20), 4, RW, SHM, NULL, 0);
	fill(mm, 0, 4);
	fill(mm, 10, 4);
	fill(mm, 20, 4);
	assert_int_equal(advise(&e, mm, 3, 1, MM_MADV_PAGEOUT), 0);
	assert_int_equal(advise(&e, mm, 1, 3, MM_MADV_DONTNEED), 0);
	assert_int_equal(peek(&e, mm, AT(0)), 1000);
	assert_int_equal(peek(&e, mm, AT(1)), 0);
	assert_int_equal(peek(&e, mm, AT(3)), 0);
	assert_int_equal(stats_of(mm).swap_entries, 0);
	assert_int_equal(advise(&e, mm, 10, 4, MM_MADV_DONTNEED), 0);
	assert_int_equal(peek(&e, mm, AT(11)), pattern_word(5, PAGE));
	assert_int_equal(advise(&e, mm, 20, 4, MM_MADV_DONTNEED), 0);
	assert_int_equal(page_info(mm, AT(21)).state, MM_PAGE_NONE);
	assert_int_equal(peek(&e, mm, AT(21)), 1021);
	mm_put(mm);
	mm_file_put(file);
}

/*
 * Locked memory is not thrown away, unless the caller says that he knows.
 *
 * covers: 1.11-2, 1.11-3, 1.11-4
 */
static void test_locked_memory(void **state)
{
	static const int refused[] = { MM_MADV_DONTNEED, MM_MADV_FREE, MM_MADV_COLD,
				       MM_MADV_PAGEOUT };
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 4);
	fill(mm, 0, 4);
	assert_int_equal(STEP(&e, mm_mlock(mm, AT(2), PAGE, 0)), 0);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(advise(&e, mm, 2, 1, refused[i]), RMAP_EINVAL);
	/* What stands before it is done. */
	assert_int_equal(advise(&e, mm, 1, 3, MM_MADV_DONTNEED), RMAP_EINVAL);
	assert_int_equal(peek(&e, mm, AT(1)), 0);
	assert_int_equal(peek(&e, mm, AT(2)), 1002);
	assert_int_equal(peek(&e, mm, AT(3)), 1003);
	assert_int_equal(advise(&e, mm, 2, 1, MM_MADV_DONTNEED_LOCKED), 0);
	assert_int_equal(peek(&e, mm, AT(2)), 0);
	mm_put(mm);
}

/*
 * FREE: contents may go when memory is needed. A write afterwards keeps the page; what is in swap goes at once.
 *
 * covers: 1.11-3, B22
 */
static void test_lazy_free(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_smaps smaps;

	(void)state;
	map_anon(&e, mm, AT(0), 4);
	map_with(&e, mm, AT(10), 1, RW, SHM, NULL, 0);
	fill(mm, 0, 4);
	assert_int_equal(advise(&e, mm, 3, 1, MM_MADV_PAGEOUT), 0);
	assert_int_equal(advise(&e, mm, 10, 1, MM_MADV_FREE), RMAP_EINVAL);
	assert_int_equal(advise(&e, mm, 0, 4, MM_MADV_FREE), 0);
	assert_int_equal(stats_of(mm).swap_entries, 0);
	assert_int_equal(mm_smaps(mm, AT(0), &smaps), 0);
	assert_int_equal(smaps.lazyfree, 3 * PAGE);
	assert_int_equal(peek(&e, mm, AT(0)), 1000);
	poke(&e, mm, AT(1), 7);
	assert_int_equal(mm_smaps(mm, AT(0), &smaps), 0);
	assert_int_equal(smaps.lazyfree, 2 * PAGE);
	(void)mm_reclaim(e.sys, 2000);
	engine_check(&e);
	assert_int_equal(peek(&e, mm, AT(1)), 7);
	assert_int_equal(peek(&e, mm, AT(2)), 0);
	assert_int_equal(peek(&e, mm, AT(3)), 0);
	assert_true(counters_of(&e).lazyfree_dropped >= 1);
	mm_put(mm);
}

/*
 * A relative's data survives: the child frees what it shares with its parent.
 *
 * covers: B22, 1.11-3
 */
static void test_free_of_shared_pages(void **state)
{
	struct mm *mm = engine_mm(&e), *child;

	(void)state;
	map_anon(&e, mm, AT(0), 3);
	fill(mm, 0, 3);
	assert_int_equal(advise(&e, mm, 2, 1, MM_MADV_PAGEOUT), 0);
	child = engine_fork(&e, mm);
	assert_int_equal(advise(&e, child, 0, 3, MM_MADV_FREE), 0);
	(void)mm_reclaim(e.sys, 2000);
	engine_check(&e);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(peek(&e, mm, AT(i)), 1000 + i);
	mm_put(child);
	mm_put(mm);
}

/*
 * The same with pages that both have read back from swap: clean in all tables, in memory alone, or still in the swap cache.
 *
 * covers: B22, 1.11-3
 */
static void test_free_of_shared_pages_from_swap(void **state)
{
	struct mm *mm = engine_mm(&e), *child;

	(void)state;
	map_anon(&e, mm, AT(0), 3);
	fill(mm, 0, 3);
	assert_int_equal(advise(&e, mm, 0, 3, MM_MADV_PAGEOUT), 0);
	child = engine_fork(&e, mm);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(peek(&e, child, AT(i)), 1000 + i);
		assert_int_equal(peek(&e, mm, AT(i)), 1000 + i);
	}
	assert_int_equal(peek(&e, child, AT(2)), 1002);
	assert_int_equal(advise(&e, child, 0, 3, MM_MADV_FREE), 0);
	(void)mm_reclaim(e.sys, 2000);
	engine_check(&e);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(peek(&e, mm, AT(i)), 1000 + i);
	mm_put(child);
	mm_put(mm);
}

/*
 * Dirty by a holder's writes and not by the entry: freed all the same. Held: kept.
 *
 * covers: B22, 1.11-3
 */
static void test_free_of_pinned_pages(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct page *page, *held;

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	fill(mm, 0, 2);
	assert_int_equal(mm_pin(mm, AT(0), MM_PIN_WRITE, &page), 0);
	assert_int_equal(mm_pin(mm, AT(1), 0, &held), 0);
	mm_unpin(e.sys, page, MM_PIN_WRITE);
	assert_int_equal(advise(&e, mm, 0, 2, MM_MADV_FREE), 0);
	(void)mm_reclaim(e.sys, 2000);
	engine_check(&e);
	assert_int_equal(peek(&e, mm, AT(0)), 0);
	assert_int_equal(peek(&e, mm, AT(1)), 1001);
	mm_unpin(e.sys, held, 0);
	mm_put(mm);
}

/*
 * A copy that was made for a long-term reader was never written to, but nothing else holds what it says: fork shares it, the child
 * frees its part, the parent's stays.
 *
 * covers: B22, 1.11-3
 */
static void test_free_of_an_unshared_copy(void **state)
{
	struct mm *mm = engine_mm(&e), *first, *child;
	struct page *page;

	(void)state;
	map_anon(&e, mm, AT(0), 1);
	fill(mm, 0, 1);
	first = engine_fork(&e, mm);
	assert_int_equal(mm_pin(mm, AT(0), MM_PIN_LONGTERM, &page), 0);
	mm_unpin(e.sys, page, MM_PIN_LONGTERM);
	engine_check(&e);
	child = engine_fork(&e, mm);
	assert_int_equal(advise(&e, child, 0, 1, MM_MADV_FREE), 0);
	(void)mm_reclaim(e.sys, 2000);
	engine_check(&e);
	assert_int_equal(peek(&e, mm, AT(0)), 1000);
	assert_int_equal(peek(&e, first, AT(0)), 1000);
	mm_put(child);
	mm_put(first);
	mm_put(mm);
}

/* ---------------------------------------------------------------- COLD, PAGEOUT, WILLNEED */

/*
 * PAGEOUT puts out what only the caller has, COLD makes it the next to go; pages that others have too stay.
 *
 * covers: 1.11-4
 */
static void test_pageout_and_cold(void **state)
{
	struct mm *mm = engine_mm(&e), *child;

	(void)state;
	map_anon(&e, mm, AT(0), 8);
	fill(mm, 0, 8);
	assert_int_equal(advise(&e, mm, 0, 4, MM_MADV_PAGEOUT), 0);
	assert_int_equal(stats_of(mm).swap_entries, 4);
	assert_int_equal(stats_of(mm).rss_anon, 4);
	assert_int_equal(peek(&e, mm, AT(2)), 1002);
	assert_int_equal(advise(&e, mm, 4, 4, MM_MADV_COLD), 0);
	for (unsigned int i = 4; i < 8; i++)
		assert_false(page_info(mm, AT(i)).accessed);
	child = engine_fork(&e, mm);
	assert_int_equal(advise(&e, mm, 4, 4, MM_MADV_PAGEOUT), 0);
	assert_int_equal(page_info(mm, AT(4)).state, MM_PAGE_PRESENT);
	mm_put(child);
	assert_int_equal(advise(&e, mm, 0, 8, MM_MADV_PAGEOUT), 0);
	assert_int_equal(stats_of(mm).rss_anon, 0);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(peek(&e, mm, AT(i)), 1000 + i);
	mm_put(mm);
}

/*
 * PAGEOUT of file pages: clean ones are dropped, dirty shared ones written first.
 *
 * covers: 1.11-4
 */
static void test_pageout_of_files(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 4, 5);

	(void)state;
	map_with(&e, mm, AT(0), 4, RW, MM_MAP_SHARED, file, 0);
	poke(&e, mm, AT(1), 77);
	assert_int_equal(touch_read(&e, mm, AT(0)), 0);
	assert_int_equal(advise(&e, mm, 0, 4, MM_MADV_PAGEOUT), 0);
	assert_int_equal(stats_of(mm).rss_file, 0);
	assert_int_equal(peek(&e, mm, AT(1)), 77);
	assert_int_equal(peek(&e, mm, AT(0)), pattern_word(5, 0));
	mm_put(mm);
	mm_file_put(file);
}

/*
 * WILLNEED reads ahead, and maps nothing: from swap into its cache, from the file into the page cache.
 *
 * covers: 1.11-5
 */
static void test_willneed(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 4, 5);
	struct mm_counters before, after;

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	map_with(&e, mm, AT(10), 4, MM_PROT_READ, MM_MAP_PRIVATE, file, 0);
	map_with(&e, mm, AT(20), 4, MM_PROT_READ, MM_MAP_PRIVATE, file, 3 * PAGE);
	fill(mm, 0, 2);
	assert_int_equal(advise(&e, mm, 0, 1, MM_MADV_PAGEOUT), 0);
	assert_int_equal(advise(&e, mm, 1, 1, MM_MADV_PAGEOUT), 0);
	assert_int_equal(advise(&e, mm, 0, 2, MM_MADV_WILLNEED), 0);
	assert_int_equal(page_info(mm, AT(0)).state, MM_PAGE_SWAPPED);
	before = counters_of(&e);
	assert_int_equal(peek(&e, mm, AT(0)), 1000);
	after = counters_of(&e);
	assert_int_equal(after.swap_in, before.swap_in);
	assert_int_equal(advise(&e, mm, 10, 4, MM_MADV_WILLNEED), 0);
	assert_int_equal(page_info(mm, AT(11)).state, MM_PAGE_NONE);
	before = counters_of(&e);
	assert_int_equal(before.file_in, after.file_in + 4);
	assert_int_equal(peek(&e, mm, AT(11)), pattern_word(5, PAGE));
	assert_int_equal(counters_of(&e).file_in, before.file_in);
	/* Behind the end of the file there is nothing to read. */
	assert_int_equal(advise(&e, mm, 20, 4, MM_MADV_WILLNEED), 0);
	mm_put(mm);
	mm_file_put(file);
}

/*
 *	shmem  [ in swap | never touched ... ]   WILLNEED brings the first back and makes none of the others
 *
 * covers: 1.11-5
 */
static void test_willneed_shared(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_memory memory;
	uint8_t core[4];

	(void)state;
	map_with(&e, mm, AT(0), 4, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
	poke(&e, mm, AT(0), 5);
	assert_int_equal(advise(&e, mm, 0, 1, MM_MADV_PAGEOUT), 0);
	assert_int_equal(mm_mincore(mm, AT(0), 4 * PAGE, core), 0);
	assert_int_equal(core[0], 0);
	assert_int_equal(advise(&e, mm, 0, 4, MM_MADV_WILLNEED), 0);
	assert_int_equal(mm_mincore(mm, AT(0), 4 * PAGE, core), 0);
	assert_int_equal(core[0], 1);
	assert_int_equal(core[1] | core[2] | core[3], 0);
	mm_get_memory(e.sys, &memory);
	/* Into the swap cache: the file holds the slot until somebody needs the page. */
	assert_int_equal(memory.shmem, 0);
	assert_int_equal(memory.swap_cache, 1);
	assert_int_equal(peek(&e, mm, AT(0)), 5);
	mm_put(mm);
}

/*
 * MADV_FREE, then mlock or MADV_POPULATE_WRITE: the page counts as written, and is not given up any more.
 *
 * covers: 1.11-3, 1.11-7
 */
static void test_populate_after_free(void **state)
{
	(void)state;
	for (unsigned int lock = 0; lock < 2; lock++) {
		struct mm *mm = engine_mm(&e);
		struct mm_smaps smaps;

		map_anon(&e, mm, AT(0), 1);
		poke(&e, mm, AT(0), 5);
		assert_int_equal(advise(&e, mm, 0, 1, MM_MADV_FREE), 0);
		assert_int_equal(mm_smaps(mm, AT(0), &smaps), 0);
		assert_int_equal(smaps.lazyfree, PAGE);
		if (lock)
			assert_int_equal(STEP(&e, mm_mlock(mm, AT(0), PAGE, 0)), 0);
		else
			assert_int_equal(advise(&e, mm, 0, 1, MM_MADV_POPULATE_WRITE), 0);
		assert_int_equal(mm_smaps(mm, AT(0), &smaps), 0);
		assert_int_equal(smaps.lazyfree, 0);
		assert_int_equal(STEP(&e, mm_munlock(mm, AT(0), PAGE)), 0);
		mm_reclaim(e.sys, 100);
		mm_reclaim(e.sys, 100);
		assert_int_equal(peek(&e, mm, AT(0)), 5);
		mm_put(mm);
	}
}

/* ---------------------------------------------------------------- REMOVE, POPULATE */

/*
 * REMOVE: a hole in the file, for all who map it; private copies stay.
 *
 * covers: 1.11-5
 */
static void test_remove(void **state)
{
	(void)state;
	for (unsigned int shm = 0; shm < 2; shm++) {
		struct mm *mm = engine_mm(&e);
		struct mm_file *file = shm ? shmem_file(&e, 4) : pattern_file(&e, 4, 5);

		map_with(&e, mm, AT(0), 4, RW, MM_MAP_SHARED, file, 0);
		map_with(&e, mm, AT(10), 4, RW, MM_MAP_PRIVATE, file, 0);
		fill(mm, 0, 4);
		poke(&e, mm, AT(12), 5);
		assert_int_equal(touch_read(&e, mm, AT(11)), 0);
		assert_int_equal(advise(&e, mm, 10, 4, MM_MADV_REMOVE), RMAP_EACCES);
		assert_int_equal(advise(&e, mm, 1, 2, MM_MADV_REMOVE), 0);
		assert_int_equal(peek(&e, mm, AT(0)), 1000);
		assert_int_equal(peek(&e, mm, AT(1)), 0);
		assert_int_equal(peek(&e, mm, AT(2)), 0);
		assert_int_equal(peek(&e, mm, AT(3)), 1003);
		assert_int_equal(peek(&e, mm, AT(11)), 0);
		assert_int_equal(peek(&e, mm, AT(12)), 5);
		assert_int_equal(STEP(&e, mm_mlock(mm, AT(0), PAGE, 0)), 0);
		assert_int_equal(advise(&e, mm, 0, 1, MM_MADV_REMOVE), RMAP_EINVAL);
		map_anon(&e, mm, AT(20), 1);
		assert_int_equal(advise(&e, mm, 20, 1, MM_MADV_REMOVE), RMAP_EINVAL);
		mm_put(mm);
		mm_file_put(file);
	}
}

/*
 *	file  |0|    mapped once to three times, and pinned for reading
 *
 * REMOVE: the mappers read zeros, who holds the page by the pin goes on reading what it said, however many map it.
 *
 * covers: 1.11-5
 */
static void test_remove_pinned(void **state)
{
	(void)state;
	for (unsigned int mappers = 1; mappers <= 3; mappers++) {
		struct mm *mm = engine_mm(&e);
		struct mm_file *file = pattern_file(&e, 1, 5);
		struct page *page;

		for (unsigned int i = 0; i < mappers; i++) {
			map_with(&e, mm, AT(i), 1, RW, MM_MAP_SHARED, file, 0);
			assert_int_equal(peek(&e, mm, AT(i)), pattern_word(5, 0));
		}
		assert_int_equal(page_info(mm, AT(0)).mapcount, mappers);
		assert_int_equal(STEP(&e, mm_pin(mm, AT(0), 0, &page)), 0);
		assert_int_equal(advise(&e, mm, 0, 1, MM_MADV_REMOVE), 0);
		assert_int_equal(peek(&e, mm, AT(0)), 0);
		assert_int_equal(*(uint64_t *)mm_page_data(e.sys, page), pattern_word(5, 0));
		mm_unpin(e.sys, page, 0);
		mm_put(mm);
		mm_file_put(file);
	}
}

/*
 * POPULATE: like touching every page, with the errors that a touch would have raised as a signal.
 *
 * covers: 1.11-5
 */
static void test_populate(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 2, 5);

	(void)state;
	map_anon(&e, mm, AT(0), 4);
	map_with(&e, mm, AT(10), 4, MM_PROT_READ, MM_MAP_SHARED, file, 0);
	map_with(&e, mm, AT(20), 4, MM_PROT_WRITE, ANON, NULL, 0);
	assert_int_equal(advise(&e, mm, 0, 4, MM_MADV_POPULATE_READ), 0);
	assert_int_equal(page_info(mm, AT(3)).state, MM_PAGE_ZERO);
	assert_int_equal(advise(&e, mm, 0, 4, MM_MADV_POPULATE_WRITE), 0);
	assert_int_equal(stats_of(mm).rss_anon, 4);
	assert_int_equal(advise(&e, mm, 10, 2, MM_MADV_POPULATE_READ), 0);
	assert_int_equal(stats_of(mm).rss_file, 2);
	assert_int_equal(advise(&e, mm, 10, 2, MM_MADV_POPULATE_WRITE), RMAP_EINVAL);
	assert_int_equal(advise(&e, mm, 10, 4, MM_MADV_POPULATE_READ), RMAP_EFAULT);
	assert_int_equal(advise(&e, mm, 20, 4, MM_MADV_POPULATE_READ), RMAP_EINVAL);
	assert_int_equal(advise(&e, mm, 20, 4, MM_MADV_POPULATE_WRITE), 0);
	assert_int_equal(mm_poison(mm, AT(1)), 0);
	assert_int_equal(advise(&e, mm, 0, 4, MM_MADV_POPULATE_WRITE), RMAP_EHWPOISON);
	mm_put(mm);
	mm_file_put(file);
}

/*
 * Advice that is a flag and no more, one after the other: each changes what it is about and nothing else, whatever was said before.
 *
 * covers: 1.11-5
 */
static void test_flags_one_after_the_other(void **state)
{
	static const struct {
		int advice;
		uint64_t about, sets;
	} flags[] = {
		{ MM_MADV_NORMAL, VM_RAND_READ | VM_SEQ_READ, 0 },
		{ MM_MADV_SEQUENTIAL, VM_RAND_READ | VM_SEQ_READ, VM_SEQ_READ },
		{ MM_MADV_RANDOM, VM_RAND_READ | VM_SEQ_READ, VM_RAND_READ },
		{ MM_MADV_DONTFORK, VM_DONTCOPY, VM_DONTCOPY },
		{ MM_MADV_DOFORK, VM_DONTCOPY, 0 },
		{ MM_MADV_WIPEONFORK, VM_WIPEONFORK, VM_WIPEONFORK },
		{ MM_MADV_KEEPONFORK, VM_WIPEONFORK, 0 },
		{ MM_MADV_HUGEPAGE, VM_HUGEPAGE | VM_NOHUGEPAGE, VM_HUGEPAGE },
		{ MM_MADV_NOHUGEPAGE, VM_HUGEPAGE | VM_NOHUGEPAGE, VM_NOHUGEPAGE },
		{ MM_MADV_DONTDUMP, VM_DONTDUMP, VM_DONTDUMP },
		{ MM_MADV_DODUMP, VM_DONTDUMP, 0 },
	};
	enum { NR = sizeof(flags) / sizeof(flags[0]) };
	struct mm *mm = engine_mm(&e);
	uint64_t expected;

	(void)state;
	map_anon(&e, mm, AT(0), 1);
	expected = vma_at(mm, AT(0))->flags;
	for (unsigned int i = 0; i < NR; i++) {
		for (unsigned int j = 0; j < 2 * NR; j++) {
			unsigned int k = j % 2 ? j / 2 : i;

			assert_int_equal(advise(&e, mm, 0, 1, flags[k].advice), 0);
			expected = (expected & ~flags[k].about) | flags[k].sets;
			assert_int_equal(vma_at(mm, AT(0))->flags, expected);
		}
	}
	mm_put(mm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_behind_a_hole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flags_split_and_merge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flags_one_after_the_other, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fork_advice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dontneed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_locked_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lazy_free, setup, teardown),
		cmocka_unit_test_setup_teardown(test_free_of_shared_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_free_of_shared_pages_from_swap, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_free_of_pinned_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_free_of_an_unshared_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pageout_and_cold, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pageout_of_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_willneed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_willneed_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_populate_after_free, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_pinned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_populate, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
