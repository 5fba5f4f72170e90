// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reclaim: who goes first, who gets a second chance, who may not go; and that a machine with too little memory works on without
 * losing a byte.
 */
#include "faulty_fixture.h"

#include "mm/mm_types.h"

static int setup_no_swap(void **state)
{
	struct engine_config config = { .machine = { .nr_frames = 128,
						     .nr_swap_slots = UINT64_MAX },
					.mm.overcommit = MM_OVERCOMMIT_ALWAYS };

	(void)state;
	return setup_as(&config);
}

/* One round over everything: each page that is on an inactive list is looked at once. */
static void one_round(void)
{
	struct list_head pages;

	list_init(&pages);
	lru_isolate(e.sys, LRU_INACTIVE_ANON, 1000, &pages);
	lru_isolate(e.sys, LRU_INACTIVE_FILE, 1000, &pages);
	reclaim_pages(e.sys, &pages, false);
	engine_check(&e);
}

/*
 *	used since last asked?   yes, once:  stays for another round
 *	                         then no:    goes
 *	                         then yes again: active
 *
 * covers: 1.12, 1.5-7
 */
static void second_chance(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 2);

	(void)state;
	poke(&e, mm, a, 1);
	poke(&e, mm, a + PAGE, 2);
	one_round();
	assert_int_equal(page_info(mm, a).state, MM_PAGE_PRESENT);
	assert_int_equal(page_info(mm, a + PAGE).state, MM_PAGE_PRESENT);
	assert_int_equal(peek(&e, mm, a), 1);
	one_round();
	assert_int_equal(page_info(mm, a).state, MM_PAGE_PRESENT);
	assert_int_equal(page_info(mm, a + PAGE).state, MM_PAGE_SWAPPED);
	assert_int_equal(atomic_load(&e.sys->nr_lru[LRU_ACTIVE_ANON]), 1);
	assert_int_equal(counters_of(&e).reclaim_activated, 1);
	mm_put(mm);
}

/*
 *	P [s s s s … 150]   shared memory, written by P; C, forked, has read most of it, and reads all of it again
 *	C [s s s s … 150]   in 128 frames
 *
 * When C needs a page, all that are in memory have been used: a round of reclaim clears their accessed bits and frees none. That is not
 * out of memory. (Found by failing allocations: a second try did not succeed.)
 */
static void all_in_use(void **state)
{
	const uint64_t pages = 150;
	struct mm *mm[2];
	uint64_t s;

	(void)state;
	mm[0] = engine_mm(&e);
	s = map_with(&e, mm[0], 0, pages, MM_PROT_READ | MM_PROT_WRITE,
		     MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
	for (uint64_t i = 0; i < pages; i++)
		poke(&e, mm[0], s + i * PAGE, i + 1);
	mm[1] = engine_fork(&e, mm[0]);
	for (uint64_t most = 60; most <= pages; most += 5) {
		for (uint64_t i = 0; i < most; i++)
			assert_int_equal(peek(&e, mm[1], s + i * PAGE), i + 1);
		for (uint64_t i = 0; i < pages; i++)
			assert_int_equal(peek(&e, mm[1], s + i * PAGE), i + 1);
	}
	mm_put(mm[1]);
	mm_put(mm[0]);
}

/* Two address spaces have used it: active at once. */
static void two_users_activate(void **state)
{
	struct mm *p = engine_mm(&e), *c;
	uint64_t a = map_anon(&e, p, 0, 1);

	(void)state;
	poke(&e, p, a, 1);
	c = engine_fork(&e, p);
	peek(&e, p, a);
	peek(&e, c, a);
	one_round();
	assert_int_equal(atomic_load(&e.sys->nr_lru[LRU_ACTIVE_ANON]), 1);
	mm_put(c);
	mm_put(p);
}

/* A program's text that was used once is active at once; data of a file gets one more round. */
static void text_activates(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 2, 3);
	uint64_t text =
		map_with(&e, mm, 0, 1, MM_PROT_READ | MM_PROT_EXEC, MM_MAP_PRIVATE, file, 0);
	uint64_t data = map_with(&e, mm, 0, 1, MM_PROT_READ, MM_MAP_PRIVATE, file, PAGE);

	(void)state;
	peek(&e, mm, text);
	peek(&e, mm, data);
	one_round();
	assert_int_equal(atomic_load(&e.sys->nr_lru[LRU_ACTIVE_FILE]), 1);
	assert_int_equal(atomic_load(&e.sys->nr_lru[LRU_INACTIVE_FILE]), 1);
	mm_put(mm);
	mm_file_put(file);
}

/* Pages of a mapping that is read sequentially say nothing by having been used. */
static void sequential_reader(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 4, 3);
	uint64_t a = map_with(&e, mm, 0, 4, MM_PROT_READ, MM_MAP_PRIVATE, file, 0);

	(void)state;
	assert_int_equal(STEP(&e, mm_madvise(mm, a, 4 * PAGE, MM_MADV_SEQUENTIAL)), 0);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(peek(&e, mm, a + i * PAGE), pattern_word(3, i * PAGE));
	one_round();
	assert_int_equal(memory_of(&e).file, 0);
	mm_put(mm);
	mm_file_put(file);
}

/* Its owner may not lose it, and neither may the one who shares it with him. covers: 1.5-9 */
static void locked_memory_stays(void **state)
{
	struct mm *p = engine_mm(&e), *c;
	uint64_t a = map_anon(&e, p, 0, 1);

	(void)state;
	poke(&e, p, a, 1);
	c = engine_fork(&e, p);
	assert_int_equal(STEP(&e, mm_mlock(c, a, PAGE, 0)), 0);
	reclaim_all(e.sys);
	engine_check(&e);
	assert_int_equal(page_info(c, a).state, MM_PAGE_PRESENT);
	mm_put(c);
	engine_check(&e);
	reclaim_all(e.sys);
	engine_check(&e);
	assert_int_equal(peek(&e, p, a), 1);
	mm_put(p);
}

/* A pinned page is not taken from under its holder. covers: 1.12 */
static void pinned_page_stays(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 1);
	struct page *page;

	(void)state;
	poke(&e, mm, a, 1);
	assert_int_equal(STEP(&e, mm_pin(mm, a, MM_PIN_WRITE | MM_PIN_LONGTERM, &page)), 0);
	reclaim_all(e.sys);
	engine_check(&e);
	*(uint64_t *)mm_page_data(e.sys, page) = 77;
	assert_int_equal(peek(&e, mm, a), 77);
	mm_unpin(e.sys, page, MM_PIN_WRITE | MM_PIN_LONGTERM);
	reclaim_all(e.sys);
	engine_check(&e);
	assert_int_equal(page_info(mm, a).state, MM_PAGE_SWAPPED);
	assert_int_equal(peek(&e, mm, a), 77);
	mm_put(mm);
}

/*
 * A plain reference keeps the frame, too: the page may be unmapped, but what its holder sees is what the owner finds later.
 */
static void referenced_page_is_the_same_again(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 1);
	struct page *page;

	(void)state;
	poke(&e, mm, a, 1);
	assert_int_equal(STEP(&e, mm_pin(mm, a, MM_PIN_WRITE, &page)), 0);
	reclaim_all(e.sys);
	*(uint64_t *)mm_page_data(e.sys, page) = 78;
	mm_unpin(e.sys, page, MM_PIN_WRITE);
	engine_check(&e);
	assert_int_equal(peek(&e, mm, a), 78);
	reclaim_all(e.sys);
	assert_int_equal(peek(&e, mm, a), 78);
	mm_put(mm);
}

/*
 * Lazily freed: (a) written to again, it is kept; (b) shared with a child, the other's data survive; (c) looked at through a
 * reference, it is kept. Otherwise it goes without a write.
 *
 * covers: B22, 1.11-3
 */
static void lazy_free(void **state)
{
	struct mm *p = engine_mm(&e), *c;
	uint64_t a = map_anon(&e, p, 0, 4);
	struct page *page;

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		poke(&e, p, a + i * PAGE, 10 + i);
	assert_int_equal(STEP(&e, mm_madvise(p, a, 3 * PAGE, MM_MADV_FREE)), 0);
	poke(&e, p, a, 20);
	assert_int_equal(STEP(&e, mm_pin(p, a + PAGE, 0, &page)), 0);
	reclaim_all(e.sys);
	engine_check(&e);
	assert_int_equal(peek(&e, p, a), 20);
	assert_int_equal(peek(&e, p, a + PAGE), 11);
	assert_int_equal(peek(&e, p, a + 2 * PAGE), 0);
	assert_int_equal(counters_of(&e).lazyfree_dropped, 1);
	mm_unpin(e.sys, page, 0);

	c = engine_fork(&e, p);
	assert_int_equal(STEP(&e, mm_madvise(c, a + 3 * PAGE, PAGE, MM_MADV_FREE)), 0);
	reclaim_all(e.sys);
	engine_check(&e);
	assert_int_equal(peek(&e, p, a + 3 * PAGE), 13);
	mm_put(c);
	mm_put(p);
}

/* What MADV_PAGEOUT leaves alone: pages that others map, and locked ones. covers: 1.11-4 */
static void pageout(void **state)
{
	struct mm *p = engine_mm(&e), *c;
	uint64_t a = map_anon(&e, p, 0, 2), b;

	(void)state;
	poke(&e, p, a, 1);
	c = engine_fork(&e, p);
	poke(&e, p, a + PAGE, 2);
	b = a + PAGE;
	assert_int_equal(STEP(&e, mm_madvise(p, a, 2 * PAGE, MM_MADV_PAGEOUT)), 0);
	assert_int_equal(page_info(p, a).state, MM_PAGE_PRESENT);
	assert_int_equal(page_info(p, b).state, MM_PAGE_SWAPPED);
	assert_int_equal(peek(&e, p, b), 2);
	mm_put(c);
	mm_put(p);
}

/*
 * 600 pages in a memory of 128 frames, written twice over and read back; a file's pages come and go between them.
 */
static void works_in_little_memory(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 200, 9);
	uint64_t a = map_anon(&e, mm, 0, 600);
	uint64_t f = map_with(&e, mm, 0, 200, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_SHARED, file, 0);

	(void)state;
	for (uint64_t round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < 600; i++) {
			uint64_t word = i << 8 | round;

			assert_int_equal(hosted_write(e.cpu, mm, a + i * PAGE, &word, 8, NULL), 0);
			if (i % 3)
				continue;
			word = round + 1;
			assert_int_equal(hosted_write(e.cpu, mm, f + i / 3 * PAGE, &word, 8, NULL),
					 0);
			engine_check(&e);
		}
	}
	engine_check(&e);
	for (uint64_t i = 0; i < 600; i++) {
		uint64_t word = 0;

		assert_int_equal(hosted_read(e.cpu, mm, a + i * PAGE, &word, 8, NULL), 0);
		assert_int_equal(word, i << 8 | 1);
	}
	for (uint64_t i = 0; i < 200; i++) {
		uint64_t words[2] = { 0 };

		assert_int_equal(hosted_read(e.cpu, mm, f + i * PAGE, words, 16, NULL), 0);
		assert_int_equal(words[0], 2);
		assert_int_equal(words[1], pattern_word(9, i * PAGE + 8));
	}
	engine_check(&e);
	mm_put(mm);
	mm_file_put(file);
}

/* No swap to speak of: the last frames are refused, with all as before; giving some back makes it work again. */
static void out_of_memory(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 200), n = 0;
	int error = 0;

	(void)state;
	while (n < 200 && !error) {
		uint64_t word = n;

		error = hosted_write(e.cpu, mm, a + n * PAGE, &word, 8, NULL);
		engine_check(&e);
		n += !error;
	}
	assert_int_equal(error, RMAP_ENOMEM);
	assert_in_range(n, 64, 128);
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(peek(&e, mm, a + i * PAGE), i);
	assert_int_equal(STEP(&e, mm_madvise(mm, a, 8 * PAGE, MM_MADV_DONTNEED)), 0);
	poke(&e, mm, a + n * PAGE, 1);
	mm_put(mm);
}

/* Clean pages of a file are what goes first where there is no swap. */
static void file_pages_make_room(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 300, 4);
	uint64_t f = map_with(&e, mm, 0, 300, MM_PROT_READ, MM_MAP_PRIVATE, file, 0);

	(void)state;
	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(peek(&e, mm, f + i * PAGE), pattern_word(4, i * PAGE));
	assert_true(counters_of(&e).reclaim_freed >= 172);
	assert_int_equal(counters_of(&e).file_out, 0);
	mm_put(mm);
	mm_file_put(file);
}

/* The watermarks are held from outside by mm_balance(). */
static void balance(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 300);

	(void)state;
	mm_balance(e.sys);
	assert_int_equal(counters_of(&e).reclaim_scanned, 0);
	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(touch_write(&e, mm, a + i * PAGE), 0);
	mm_balance(e.sys);
	engine_check(&e);
	assert_true(atomic_load(&e.sys->nr_free) >= e.sys->watermark[WATERMARK_LOW]);
	mm_put(mm);
}

/* Before hibernation everything goes, more than one batch of it, used or not, but what is locked; and it says how much that was. */
static void all_that_can_go(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 2, 4);
	uint64_t a = map_anon(&e, mm, 0, 100);
	uint64_t f = map_with(&e, mm, 0, 2, MM_PROT_READ, MM_MAP_PRIVATE, file, 0);

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		poke(&e, mm, a + i * PAGE, i);
	for (uint64_t i = 0; i < 2; i++)
		(void)peek(&e, mm, f + i * PAGE);
	assert_int_equal(STEP(&e, mm_mlock(mm, a, 3 * PAGE, 0)), 0);
	assert_int_equal(reclaim_all(e.sys), 97 + 2);
	assert_int_equal(reclaim_all(e.sys), 0);
	engine_check(&e);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(peek(&e, mm, a + i * PAGE), i);
	mm_put(mm);
	mm_file_put(file);
}

/* Reclaim is what is done when there is nothing left to allocate: it asks for no object and no frame. */
static void allocates_nothing(void **state)
{
	struct mm *p = engine_mm(&e), *c;
	struct mm_file *file = pattern_file(&e, 8, 4);
	uint64_t a = map_anon(&e, p, 0, 8);
	uint64_t s = map_with(&e, p, 0, 8, MM_PROT_READ | MM_PROT_WRITE,
			      MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
	uint64_t f = map_with(&e, p, 0, 8, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_SHARED, file, 0);
	uint64_t free;

	(void)state;
	for (uint64_t i = 0; i < 8; i++) {
		poke(&e, p, a + i * PAGE, i);
		poke(&e, p, s + i * PAGE, i);
		poke(&e, p, f + i * PAGE, i);
	}
	c = engine_fork(&e, p);
	free = memory_of(&e).free;
	testport_fail(tp, TESTPORT_ALLOC, 1, TESTPORT_EVER_AFTER);
	reclaim_all(e.sys);
	assert_int_equal(testport_reached(tp, TESTPORT_ALLOC), 0);
	testport_fail_none(tp);
	engine_check(&e);
	assert_int_equal(memory_of(&e).free, free + 24);
	mm_put(c);
	mm_put(p);
	mm_file_put(file);
}

/* Writing to disk fails: the page stays dirty, comes back to its list, and goes once the disk works again. */
static void failed_writes(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 1, 4);
	uint64_t f = map_with(&e, mm, 0, 1, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_SHARED, file, 0);

	(void)state;
	poke(&e, mm, f, 5);
	testport_fail(tp, TESTPORT_FILE_WRITE, 1, TESTPORT_EVER_AFTER);
	reclaim_all(e.sys);
	engine_check(&e);
	testport_fail_none(tp);
	assert_int_equal(memory_of(&e).file, 1);
	assert_int_equal(memory_of(&e).dirty, 1);
	assert_int_equal(peek(&e, mm, f), 5);
	reclaim_all(e.sys);
	engine_check(&e);
	assert_int_equal(memory_of(&e).file, 0);
	assert_int_equal(peek(&e, mm, f), 5);
	/* The first failure is remembered for who asks. */
	assert_int_equal(mm_file_sync(file), RMAP_EIO);
	assert_int_equal(mm_file_sync(file), 0);
	mm_put(mm);
	mm_file_put(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(second_chance, setup, teardown),
		cmocka_unit_test_setup_teardown(all_in_use, setup_small, teardown),
		cmocka_unit_test_setup_teardown(two_users_activate, setup, teardown),
		cmocka_unit_test_setup_teardown(text_activates, setup, teardown),
		cmocka_unit_test_setup_teardown(sequential_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(locked_memory_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(pinned_page_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(referenced_page_is_the_same_again, setup, teardown),
		cmocka_unit_test_setup_teardown(lazy_free, setup, teardown),
		cmocka_unit_test_setup_teardown(pageout, setup, teardown),
		cmocka_unit_test_setup_teardown(works_in_little_memory, setup_small, teardown),
		cmocka_unit_test_setup_teardown(out_of_memory, setup_no_swap, teardown),
		cmocka_unit_test_setup_teardown(file_pages_make_room, setup_no_swap, teardown),
		cmocka_unit_test_setup_teardown(balance, setup_small, teardown),
		cmocka_unit_test_setup_teardown(all_that_can_go, setup, teardown),
		cmocka_unit_test_setup_teardown(allocates_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(failed_writes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
