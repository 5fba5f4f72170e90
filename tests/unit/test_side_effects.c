// SPDX-License-Identifier: BSD-2-Clause
/*
 * What calls do beside what they are called for: page tables that go, pages that become unevictable, errors that wait for the next
 * sync, pages that only look as if they were pinned, bytes that only look like another kind.
 */
#include "faulty.h"

#include <string.h>

#include "mm/image.h"
#include "mm/mm_types.h"
#include "mm/reclaim.h"

#include "one_mm.h"

#define RW (MM_PROT_READ | MM_PROT_WRITE)
#define A  0x10000000ull

/* The table of the last page that there is goes with it. */
static void test_the_uppermost_page(void **state)
{
	const uint64_t top = MM_TASK_SIZE - PAGE;
	uint64_t tables;

	(void)state;
	tables = memory_of(&e).tables;
	map_anon(&e, mm, top, 1);
	poke(&e, mm, top, 1);
	assert_true(memory_of(&e).tables > tables);
	assert_int_equal(STEP(&e, mm_munmap(mm, top, PAGE)), 0);
	settle(&e);
	assert_int_equal(memory_of(&e).tables, tables);
}

/* MLOCK_ONFAULT: a page of a file is unevictable as soon as it is there, and not before. */
static void test_locked_on_fault(void **state)
{
	struct mm_file *file;

	(void)state;
	file = pattern_file(&e, 64, 3);
	map_with(&e, mm, A, 4, MM_PROT_READ, MM_MAP_SHARED, file, 16 * PAGE);
	assert_int_equal(STEP(&e, mm_mlock(mm, A, 4 * PAGE, MM_MLOCK_ONFAULT)), 0);
	assert_int_equal(memory_of(&e).unevictable, 0);
	peek(&e, mm, A);
	assert_true(memory_of(&e).unevictable >= 1);
	(void)mm_reclaim(e.sys, 4000);
	engine_check(&e);
	assert_int_equal(page_info(mm, A).state, MM_PAGE_PRESENT);
	mm_file_put(file);
}

/* Reclaim cannot write a page: whoever syncs the file hears of it, once, though the page can be written by then. */
static void test_an_error_waits_for_the_sync(void **state)
{
	struct testport *tp;
	struct mm_file *file;

	(void)state;
	faulty_setup(&e, &tp, NULL);
	mm = engine_mm(&e);
	file = pattern_file(&e, 2, 3);
	map_with(&e, mm, A, 2, RW, MM_MAP_SHARED, file, 0);
	poke(&e, mm, A, 1);
	testport_fail(tp, TESTPORT_FILE_WRITE, 1, TESTPORT_ONCE);
	(void)mm_madvise(mm, A, PAGE, MM_MADV_PAGEOUT);
	assert_int_equal(testport_fail_none(tp), 1);
	engine_check(&e);
	assert_int_equal(peek(&e, mm, A), 1);
	assert_int_equal(mm_file_sync(file), RMAP_EIO);
	assert_int_equal(mm_file_sync(file), 0);
	mm_put(mm);
	mm_file_put(file);
	faulty_teardown(&e, tp);
}

/* A page that many hold has as many references as a pin is. Nobody has pinned anything, so a fork shares it like any other. */
static void test_many_are_no_pin(void **state)
{
	enum { HOLDERS = 1100 };
	struct mm *last;
	struct page *page;

	(void)state;
	map_anon(&e, mm, A, 1);
	poke(&e, mm, A, 1);
	page = page_info(mm, A).page;
	for (unsigned int i = 0; i < HOLDERS; i++)
		page_get(page);
	assert_true(page_maybe_pinned(page));
	assert_int_equal(mm_fork(mm, &last), 0);
	assert_int_equal(counters_of(&e).fork_pages_copied, 0);
	assert_true(same_frame(mm, A, last, A));
	for (unsigned int i = 0; i < HOLDERS; i++)
		page_put(e.sys, page);
	engine_check(&e);
	mm_put(last);
}

/*
 *	[f F]  pages of a file, read and written      [s]  in swap, read again: clean, and still swap-backed      [l]  MADV_FREE
 */
static void test_only_advised_pages_are_lazily_free(void **state)
{
	struct mm_smaps smaps;
	struct mm_file *file;

	(void)state;
	file = pattern_file(&e, 2, 3);
	map_with(&e, mm, A, 2, RW, MM_MAP_PRIVATE, file, 0);
	peek(&e, mm, A);
	assert_int_equal(mm_smaps(mm, A, &smaps), 0);
	assert_true(smaps.rss >= PAGE);
	assert_int_equal(smaps.lazyfree, 0);
	map_anon(&e, mm, A + 16 * PAGE, 1);
	poke(&e, mm, A + 16 * PAGE, 1);
	swap_out(&e, mm, A + 16 * PAGE);
	peek(&e, mm, A + 16 * PAGE);
	assert_int_equal(mm_smaps(mm, A + 16 * PAGE, &smaps), 0);
	assert_int_equal(smaps.rss, PAGE);
	assert_int_equal(smaps.lazyfree, 0);
	map_anon(&e, mm, A + 32 * PAGE, 1);
	poke(&e, mm, A + 32 * PAGE, 1);
	assert_int_equal(STEP(&e, mm_madvise(mm, A + 32 * PAGE, PAGE, MM_MADV_FREE)), 0);
	assert_int_equal(mm_smaps(mm, A + 32 * PAGE, &smaps), 0);
	assert_int_equal(smaps.lazyfree, PAGE);
	mm_file_put(file);
}

/* A shrinking move that cannot split what it leaves behind: what stood where it would have gone is gone, as in Linux, and nothing else. */
static void test_no_vma_for_the_rest(void **state)
{
	struct testport *tp;
	uint64_t at = 0;

	(void)state;
	faulty_setup(&e, &tp, NULL);
	mm = engine_mm(&e);
	map_anon(&e, mm, A, 8);
	for (uint64_t i = 0; i < 8; i++)
		poke(&e, mm, A + i * PAGE, i);
	assert_int_equal(STEP(&e, mm_mprotect(mm, A + 4 * PAGE, 4 * PAGE, MM_PROT_READ)), 0);
	assert_int_equal(STEP(&e, mm_mprotect(mm, A + 4 * PAGE, 4 * PAGE, RW)), 0);
	testport_fail_alloc(tp, RMAP_KIND_VMA, 1, TESTPORT_EVER_AFTER);
	assert_int_equal(mm_mremap(mm, A + PAGE, 4 * PAGE, 2 * PAGE,
				   MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, A + 64 * PAGE, &at),
			 RMAP_ENOMEM);
	assert_true(testport_fail_none(tp) >= 1);
	engine_check(&e);
	assert_layout(&e, mm, A, A + 80 * PAGE, "rw-p 8 @0");
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(peek(&e, mm, A + i * PAGE), i);
	mm_put(mm);
	faulty_teardown(&e, tp);
}

/* Who asks whether a page was used clears the marks that say so: without a use in between nobody has. */
static void test_referenced_once(void **state)
{
	struct mm_smaps smaps;
	struct mm *child;
	struct page *page;
	uint64_t flags;

	(void)state;
	map_anon(&e, mm, A, 1);
	poke(&e, mm, A, 1);
	child = engine_fork(&e, mm);
	peek(&e, child, A);
	peek(&e, mm, A);
	page = page_info(mm, A).page;
	page_lock(e.sys, page);
	assert_int_equal(page_referenced(e.sys, page, true, &flags), 2);
	assert_int_equal(page_referenced(e.sys, page, true, &flags), 0);
	page_unlock(e.sys, page);
	assert_int_equal(mm_smaps(mm, A, &smaps), 0);
	assert_int_equal(smaps.referenced, 0);
	peek(&e, child, A);
	assert_int_equal(mm_smaps(mm, A, &smaps), 0);
	assert_int_equal(smaps.referenced, 0);
	assert_int_equal(mm_smaps(child, A, &smaps), 0);
	assert_int_equal(smaps.referenced, PAGE);
	page_lock(e.sys, page);
	assert_int_equal(page_referenced(e.sys, page, true, &flags), 1);
	page_unlock(e.sys, page);
	mm_put(child);
}

/* A page of a file that is unmapped was used, if its last mapping says so and is not of those who read once and in order. */
static void test_used_until_it_was_unmapped(void **state)
{
	static const int advice[] = { MM_MADV_NORMAL, MM_MADV_SEQUENTIAL };
	struct mm_file *file;
	struct page *page;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		file = pattern_file(&e, 1, 3);
		map_with(&e, mm, A, 1, MM_PROT_READ, MM_MAP_SHARED, file, 0);
		assert_int_equal(STEP(&e, mm_madvise(mm, A, PAGE, advice[i])), 0);
		peek(&e, mm, A);
		page = page_info(mm, A).page;
		assert_false(page_test(page, PG_REFERENCED | PG_ACTIVE));
		assert_int_equal(STEP(&e, mm_munmap(mm, A, PAGE)), 0);
		assert_int_equal(page_test(page, PG_REFERENCED | PG_ACTIVE) != 0, i == 0);
		mm_file_put(file);
		settle(&e);
	}
}

/* ---------------------------------------------------------------- the image's checksum */

static struct {
	unsigned char data[256];
	uint64_t len;
} written;

static int keep(void *ctx, const void *data, uint64_t len)
{
	(void)ctx;
	assert_true(len <= sizeof(written.data) - written.len);
	memcpy(written.data + written.len, data, len);
	written.len += len;
	return 0;
}

static uint64_t checksum_of(const char *text)
{
	const struct mm_stream stream = { .write = keep };
	struct image image;
	uint64_t sum = 0;

	written.len = 0;
	assert_int_equal(image_open(e.sys, &image, &stream), 0);
	image_begin(&image, IMAGE_HEADER);
	image_put(&image, text, (uint32_t)strlen(text));
	image_end(&image);
	assert_int_equal(image.error, 0);
	image_close(e.sys, &image);
	assert_int_equal(written.len, 8 + strlen(text) + 8);
	for (unsigned int i = 0; i < 8; i++)
		sum |= (uint64_t)written.data[written.len - 8 + i] << 8 * i;
	return sum;
}

/* Version 1 of the format has this checksum: images that were written before must be taken tomorrow. */
static void test_checksum(void **state)
{
	(void)state;
	engine_setup(&e, NULL);
	assert_int_equal(checksum_of(""), 0xbc8208b10257da5ull);
	assert_int_equal(checksum_of("a page"), 0xbd6864ca8d79ca37ull);
	assert_int_equal(checksum_of("eight by"), 0x41136779d8e08813ull);
	assert_int_equal(checksum_of("twenty-one characters"), 0x39ab5fe48535ec46ull);
	engine_teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ONE_MM(test_the_uppermost_page),
		WITH_ONE_MM(test_locked_on_fault),
		cmocka_unit_test(test_an_error_waits_for_the_sync),
		WITH_ONE_MM(test_many_are_no_pin),
		WITH_ONE_MM(test_only_advised_pages_are_lazily_free),
		cmocka_unit_test(test_no_vma_for_the_rest),
		WITH_ONE_MM(test_referenced_once),
		WITH_ONE_MM(test_used_until_it_was_unmapped),
		cmocka_unit_test(test_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
