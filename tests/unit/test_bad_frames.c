// SPDX-License-Identifier: BSD-2-Clause
/*
 * Frames that go bad, and devices that fail, where a page is in two places at once: in the swap cache, in a file that nobody maps, in
 * an image. Who still has a way to the page is told; nobody else is hurt.
 */
#include "faulty_fixture.h"

#define A  0x10000000ull
#define RW (MM_PROT_READ | MM_PROT_WRITE)

/*
 *	P  [s]   one slot of two entries; C has its page back, which is in the swap cache, when its frame goes bad
 *	C  [p!]
 */
static void bad_in_the_swap_cache(struct mm **p, struct mm **c)
{
	*p = engine_mm(&e);
	map_anon(&e, *p, A, 2);
	poke(&e, *p, A, 1);
	poke(&e, *p, A + PAGE, 2);
	*c = engine_fork(&e, *p);
	push_out();
	assert_int_equal(peek(&e, *c, A), 1);
	assert_true(page_info(*c, A).swapcache);
	assert_int_equal(page_info(*p, A).state, MM_PAGE_SWAPPED);
	assert_int_equal(STEP(&e, mm_poison(*c, A)), 0);
	assert_int_equal(touch_read(&e, *c, A), RMAP_EHWPOISON);
}

static void put_both(struct mm *p, struct mm *c)
{
	mm_put(c);
	mm_put(p);
	settle(&e);
	assert_int_equal(memory_of(&e).swap_used, 0);
}

/* P comes for it by its entry. */
static void found_by_the_other(void **state)
{
	struct mm *p, *c;

	(void)state;
	bad_in_the_swap_cache(&p, &c);
	assert_int_equal(touch_read(&e, p, A), RMAP_EHWPOISON);
	assert_int_equal(peek(&e, p, A + PAGE), 2);
	put_both(p, c);
}

/* swapoff brings P's pages back: the one that is lost becomes a poison entry, not a reason to fail. */
static void found_by_swapoff(void **state)
{
	struct mm *p, *c;

	(void)state;
	bad_in_the_swap_cache(&p, &c);
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), 0);
	assert_int_equal(page_info(p, A).state, MM_PAGE_POISONED);
	assert_int_equal(touch_read(&e, p, A), RMAP_EHWPOISON);
	assert_int_equal(peek(&e, p, A + PAGE), 2);
	assert_int_equal(peek(&e, c, A + PAGE), 2);
	assert_int_equal(mm_swapon(e.sys), 0);
	put_both(p, c);
}

/* Somebody relies on the very frame: it cannot be taken from under it. */
static void pinned(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct page *page;

	(void)state;
	map_anon(&e, mm, A, 1);
	poke(&e, mm, A, 1);
	assert_int_equal(STEP(&e, mm_pin(mm, A, MM_PIN_WRITE | MM_PIN_LONGTERM, &page)), 0);
	assert_int_equal(STEP(&e, mm_poison(mm, A)), RMAP_EBUSY);
	assert_int_equal(peek(&e, mm, A), 1);
	mm_unpin(e.sys, page, MM_PIN_WRITE | MM_PIN_LONGTERM);
	assert_int_equal(STEP(&e, mm_poison(mm, A)), 0);
	assert_int_equal(touch_read(&e, mm, A), RMAP_EHWPOISON);
	mm_put(mm);
}

/* Locked memory that cannot be brought in: ENOMEM, as POSIX has no other word for it. */
static void locking_what_is_not_there(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 1, 3);
	uint64_t f = map_with(&e, mm, A, 2, RW, MM_MAP_SHARED, file, 0);
	uint64_t none = map_with(&e, mm, A + 16 * PAGE, 1, MM_PROT_NONE,
				 MM_MAP_PRIVATE | MM_MAP_ANONYMOUS, NULL, 0);

	(void)state;
	assert_int_equal(STEP(&e, mm_mlock(mm, f, 2 * PAGE, 0)), RMAP_ENOMEM);
	assert_int_equal(STEP(&e, mm_mlock(mm, none, PAGE, 0)), RMAP_ENOMEM);
	assert_int_equal(STEP(&e, mm_munlockall(mm)), 0);
	poke(&e, mm, f, 1);
	assert_int_equal(STEP(&e, mm_poison(mm, f)), 0);
	assert_int_equal(STEP(&e, mm_mlock(mm, f, PAGE, 0)), RMAP_ENOMEM);
	mm_put(mm);
	mm_file_put(file);
}

/* WILLNEED is a wish: what cannot be read is left where it is, and who touches it is told. */
static void read_ahead_fails(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 4, 3), *shmem = shmem_file(&e, 4);
	uint64_t f = map_with(&e, mm, A, 4, MM_PROT_READ, MM_MAP_PRIVATE, file, 0);
	uint64_t a = map_anon(&e, mm, A + 16 * PAGE, 2);
	uint64_t s = map_with(&e, mm, A + 32 * PAGE, 4, RW, MM_MAP_SHARED, shmem, 0);

	(void)state;
	poke(&e, mm, a, 1);
	poke(&e, mm, s, 2);
	poke(&e, mm, s + 3 * PAGE, 3);
	push_out();
	testport_fail(tp, TESTPORT_FILE_READ, 2, TESTPORT_EVER_AFTER);
	assert_int_equal(STEP(&e, mm_madvise(mm, f, 4 * PAGE, MM_MADV_WILLNEED)), 0);
	assert_int_equal(testport_fail_none(tp), 1);
	testport_fail(tp, TESTPORT_SWAP_READ, 1, TESTPORT_EVER_AFTER);
	assert_int_equal(STEP(&e, mm_madvise(mm, a, 2 * PAGE, MM_MADV_WILLNEED)), 0);
	assert_int_equal(testport_fail_none(tp), 1);
	testport_fail(tp, TESTPORT_SWAP_READ, 1, TESTPORT_EVER_AFTER);
	assert_int_equal(STEP(&e, mm_madvise(mm, s, 4 * PAGE, MM_MADV_WILLNEED)), 0);
	assert_int_equal(testport_fail_none(tp), 1);
	/* Only what lies in the range: the next one in swap is behind it. */
	assert_int_equal(STEP(&e, mm_madvise(mm, s + PAGE, PAGE, MM_MADV_WILLNEED)), 0);
	assert_int_equal(peek(&e, mm, f), pattern_word(3, 0));
	assert_int_equal(peek(&e, mm, a), 1);
	assert_int_equal(peek(&e, mm, s), 2);
	assert_int_equal(peek(&e, mm, s + 3 * PAGE), 3);
	mm_put(mm);
	mm_file_put(file);
	mm_file_put(shmem);
}

/* A file in shared memory at its edges: what was never touched is zeros, and stays untouched. */
static void holes(void **state)
{
	struct mm_file *shmem = shmem_file(&e, 4), *file = pattern_file(&e, 2, 3);
	char bytes[32] = "something";
	uint64_t done;

	(void)state;
	assert_int_equal(STEP(&e, mm_file_read(shmem, PAGE - 8, NULL, 16, &done)), 0);
	assert_int_equal(done, 16);
	assert_int_equal(STEP(&e, mm_file_read(shmem, PAGE - 8, bytes, 16, NULL)), 0);
	assert_int_equal(bytes[0] | bytes[15], 0);
	assert_int_equal(STEP(&e, mm_file_truncate(shmem, 2 * PAGE + 100)), 0);
	assert_int_equal(memory_of(&e).shmem, 0);
	/* A part of a page written without bytes leaves what is there. */
	assert_int_equal(STEP(&e, mm_file_write(file, 8, NULL, 8, &done)), 0);
	assert_int_equal(done, 8);
	assert_int_equal(STEP(&e, mm_file_read(file, 8, bytes, 8, NULL)), 0);
	assert_int_equal(*(uint64_t *)(void *)bytes, pattern_word(3, 8));
	mm_file_put(shmem);
	mm_file_put(file);
}

/*
 * Shared memory is cut in the middle of a page whose frame has gone bad: that is no reason to keep the rest, and it stays bad.
 *
 *	file   [0 1! 2 3] --truncate to 1 and a half--> [0 1!)
 */
static void cut_in_a_bad_page(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *shmem = shmem_file(&e, 4);
	uint64_t s = map_with(&e, mm, A, 4, RW, MM_MAP_SHARED, shmem, 0);

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		poke(&e, mm, s + i * PAGE, i + 1);
	assert_int_equal(STEP(&e, mm_poison(mm, s + PAGE)), 0);
	assert_int_equal(STEP(&e, mm_file_truncate(shmem, PAGE + PAGE / 2)), 0);
	assert_int_equal(mm_file_size(shmem), PAGE + PAGE / 2);
	assert_int_equal(memory_of(&e).shmem, 2);
	assert_int_equal(peek(&e, mm, s), 1);
	assert_int_equal(touch_read(&e, mm, s + PAGE), RMAP_EHWPOISON);
	assert_int_equal(touch_read(&e, mm, s + 2 * PAGE), RMAP_EIO);
	assert_int_equal(STEP(&e, mm_file_truncate(shmem, 3 * PAGE)), 0);
	assert_int_equal(touch_read(&e, mm, s + PAGE), RMAP_EHWPOISON);
	assert_int_equal(peek(&e, mm, s + 2 * PAGE), 0);
	mm_put(mm);
	mm_file_put(shmem);
}

/*
 * Pages of programs that run stay where pages that were only read go: as long as they were used since they were looked at last.
 */
static void text_stays(void **state)
{
	enum { PAGES = 24 };
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 2 * PAGES, 3);
	uint64_t text =
		map_with(&e, mm, A, PAGES, MM_PROT_READ | MM_PROT_EXEC, MM_MAP_PRIVATE, file, 0);
	uint64_t data = map_with(&e, mm, A + 64 * PAGE, PAGES, MM_PROT_READ, MM_MAP_PRIVATE, file,
				 PAGES * PAGE);
	unsigned int texts = 0, datas = 0;

	(void)state;
	for (unsigned int round = 0; round < 6; round++) {
		for (unsigned int i = 0; i < PAGES; i++) {
			assert_int_equal(touch_read(&e, mm, text + i * PAGE), 0);
			assert_int_equal(touch_read(&e, mm, data + i * PAGE), 0);
		}
		mm_reclaim(e.sys, 8);
		engine_check(&e);
	}
	mm_reclaim(e.sys, PAGES);
	for (unsigned int i = 0; i < PAGES; i++) {
		texts += page_info(mm, text + i * PAGE).state == MM_PAGE_PRESENT;
		datas += page_info(mm, data + i * PAGE).state == MM_PAGE_PRESENT;
	}
	assert_true(texts >= datas);
	mm_put(mm);
	mm_file_put(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(found_by_the_other, setup, teardown),
		cmocka_unit_test_setup_teardown(found_by_swapoff, setup, teardown),
		cmocka_unit_test_setup_teardown(pinned, setup, teardown),
		cmocka_unit_test_setup_teardown(locking_what_is_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(read_ahead_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(holes, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_in_a_bad_page, setup, teardown),
		cmocka_unit_test_setup_teardown(text_stays, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
