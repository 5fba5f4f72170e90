// SPDX-License-Identifier: BSD-2-Clause
/*
 * Releases of Linux: what is known to have changed from 6.1 to 6.18, each on both sides of the release that changed it.
 */
#include "engine.h"

#include <mm/mm_types.h>

#define AT(n) ((uint64_t)0x10000000 + (n)*PAGE)
#define RW    (MM_PROT_READ | MM_PROT_WRITE)
#define ANON  (MM_MAP_PRIVATE | MM_MAP_ANONYMOUS)
#define MOVE  (MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED)
#define HUGE  ((uint64_t)2 << 20)

static struct mm *machine(struct engine *e, uint32_t release)
{
	struct engine_config config = { .mm.release = release };

	engine_setup(e, &config);
	return engine_mm(e);
}

static void done(struct engine *e, struct mm *mm)
{
	mm_put(mm);
	engine_teardown(e);
}

/*
 * Two VMAs with a hole between them, moved in one call:
 *
 *	AA.B.  ->  (6.17) AA.B. elsewhere; (before) EFAULT, since A ends before the range does
 *
 * covers: 1.10-1
 */
static void test_moves_of_several(void **state)
{
	struct engine e;
	struct mm *mm = machine(&e, MM_RELEASE(6, 16));
	uint64_t at;

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	map_anon(&e, mm, AT(3), 1);
	assert_int_equal(STEP(&e, mm_mremap(mm, AT(0), 5 * PAGE, 5 * PAGE, MOVE, AT(100), &at)),
			 RMAP_EFAULT);
	done(&e, mm);
	mm = machine(&e, MM_RELEASE(6, 17));
	map_anon(&e, mm, AT(0), 2);
	map_anon(&e, mm, AT(3), 1);
	assert_int_equal(STEP(&e, mm_mremap(mm, AT(0), 5 * PAGE, 5 * PAGE, MOVE, AT(100), &at)), 0);
	poke(&e, mm, AT(103), 1);
	done(&e, mm);
}

/* A file's page, used once by memory with this advice: is it kept for another round? And is it noted when the mapping goes? */
static void use_once(uint32_t release, int advice, bool kept)
{
	struct hosted_file *handle;
	struct mm_file *file;
	struct page *page;
	struct engine e;
	struct mm *mm = machine(&e, release);
	uint64_t at;

	assert_int_equal(hosted_file_temp(e.h, PAGE, 3, &handle), 0);
	assert_int_equal(mm_file_create(e.sys, handle, PAGE, &file), 0);
	at = map_with(&e, mm, AT(0), 1, MM_PROT_READ, MM_MAP_SHARED, file, 0);
	assert_int_equal(STEP(&e, mm_madvise(mm, at, PAGE, advice)), 0);
	peek(&e, mm, at);
	assert_int_equal(mm_reclaim(e.sys, 1), kept ? 0 : 1);
	engine_check(&e);
	peek(&e, mm, at);
	page = page_info(mm, at).page;
	assert_false(page_test(page, PG_ACTIVE));
	page_clear(page, PG_REFERENCED);
	assert_int_equal(STEP(&e, mm_munmap(mm, at, PAGE)), 0);
	assert_int_equal(page_test(page, PG_REFERENCED) != 0, kept);
	mm_file_put(file);
	done(&e, mm);
}

/*
 * Who reads at random will not come back to a page any more than who reads in order.
 *
 *	[r] --reclaim--> (6.3) [.]; (before) [r], and its frame was used when it is unmapped
 *
 * covers: 1.5-7
 */
static void test_random_readers(void **state)
{
	(void)state;
	use_once(MM_RELEASE(6, 3), MM_MADV_RANDOM, false);
	use_once(MM_RELEASE(6, 2), MM_MADV_RANDOM, true);
	use_once(MM_RELEASE(6, 3), MM_MADV_SEQUENTIAL, false);
	use_once(MM_RELEASE(6, 2), MM_MADV_SEQUENTIAL, false);
	use_once(MM_RELEASE(6, 3), MM_MADV_NORMAL, true);
	use_once(MM_RELEASE(6, 2), MM_MADV_NORMAL, true);
}

static uint64_t vmas_of(struct mm *mm)
{
	struct mm_stats stats;

	mm_get_stats(mm, &stats);
	return stats.map_count;
}

/*
 * A faulted range becomes like its unfaulted neighbour:
 *
 *	uuFF  (mprotect FF as uu)  ->  one VMA since 6.16, two before
 *
 * covers: 1.9-4
 */
static void test_unfaulted_takes_faulted(void **state)
{
	static const uint32_t releases[] = { MM_RELEASE(6, 15), MM_RELEASE(6, 16) };

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct engine e;
		struct mm *mm = machine(&e, releases[i]);

		map_anon(&e, mm, AT(0), 2);
		map_with(&e, mm, AT(2), 2, RW | MM_PROT_EXEC, ANON, NULL, 0);
		poke(&e, mm, AT(2), 7);
		assert_int_equal(STEP(&e, mm_mprotect(mm, AT(2), 2 * PAGE, RW)), 0);
		assert_int_equal(vmas_of(mm), i ? 1 : 2);
		done(&e, mm);
	}
}

/* A pin below a stack grows it until 6.5. */
static void test_pins_and_stacks(void **state)
{
	static const uint32_t releases[] = { MM_RELEASE(6, 4), MM_RELEASE(6, 5) };

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct engine e;
		struct mm *mm = machine(&e, releases[i]);
		struct page *page;

		map_with(&e, mm, AT(100), 2, RW, ANON | MM_MAP_GROWSDOWN, NULL, 0);
		assert_int_equal(STEP(&e, mm_pin(mm, AT(95), MM_PIN_WRITE, &page)),
				 i ? RMAP_EFAULT : 0);
		if (!i)
			mm_unpin(e.sys, page, MM_PIN_WRITE);
		done(&e, mm);
	}
}

/* Nobody pins a stored file's shared page for long writes since 6.4; shared memory may be. */
static void test_pins_of_files(void **state)
{
	static const uint32_t releases[] = { MM_RELEASE(6, 3), MM_RELEASE(6, 4) };
	const uint32_t flags = MM_PIN_WRITE | MM_PIN_LONGTERM;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct engine e;
		struct mm *mm = machine(&e, releases[i]);
		struct hosted_file *store;
		struct mm_file *file;
		struct page *page;

		assert_int_equal(hosted_file_temp(e.h, 2 * PAGE, 0, &store), 0);
		assert_int_equal(mm_file_create(e.sys, store, 2 * PAGE, &file), 0);
		map_with(&e, mm, AT(0), 2, RW, MM_MAP_SHARED, file, 0);
		map_with(&e, mm, AT(8), 2, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
		mm_file_put(file);
		assert_int_equal(STEP(&e, mm_pin(mm, AT(0), flags, &page)), i ? RMAP_EFAULT : 0);
		if (!i)
			mm_unpin(e.sys, page, flags);
		assert_int_equal(STEP(&e, mm_pin(mm, AT(8), flags, &page)), 0);
		mm_unpin(e.sys, page, flags);
		done(&e, mm);
	}
}

/* MAP_STACK keeps huge pages away since 6.7, and so does not merge with memory that was mapped without it. */
static void test_stack_mappings(void **state)
{
	static const uint32_t releases[] = { MM_RELEASE(6, 6), MM_RELEASE(6, 7) };

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct engine e;
		struct mm *mm = machine(&e, releases[i]);

		map_anon(&e, mm, AT(0), 1);
		map_with(&e, mm, AT(1), 1, RW, ANON | MM_MAP_STACK, NULL, 0);
		assert_int_equal(vmas_of(mm), i ? 2 : 1);
		done(&e, mm);
	}
}

static bool aligned_at(uint32_t release, uint64_t len)
{
	struct mm_mmap args = { .len = len, .prot = RW, .flags = ANON };
	struct engine e;
	struct mm *mm = machine(&e, release);
	uint64_t at;

	map_anon(&e, mm, 0, 1);
	assert_int_equal(STEP(&e, mm_mmap(mm, &args, &at)), 0);
	done(&e, mm);
	return !(at & (HUGE - 1));
}

/* Large anonymous mappings begin at 2 MiB: none until 6.7, all until 6.13, then those of whole 2 MiB. */
static void test_alignment(void **state)
{
	(void)state;
	assert_false(aligned_at(MM_RELEASE(6, 6), HUGE));
	assert_true(aligned_at(MM_RELEASE(6, 7), HUGE));
	assert_true(aligned_at(MM_RELEASE(6, 12), HUGE + PAGE));
	assert_false(aligned_at(MM_RELEASE(6, 13), HUGE + PAGE));
	assert_true(aligned_at(MM_RELEASE(6, 13), HUGE));
	assert_true(aligned_at(0, HUGE));
}

/* Releases that nobody knows are refused. */
static void test_unknown(void **state)
{
	struct hosted_config machine_config = { .nr_frames = 256 };
	char error[HOSTED_ERROR];
	struct mm_system *sys;
	struct hosted *h;

	(void)state;
	assert_int_equal(hosted_create(&machine_config, &h, error), 0);
	for (uint32_t bad = 0; bad < 2; bad++) {
		struct mm_config config = { .release = bad ? MM_RELEASE_LATEST + 1
							   : MM_RELEASE_FIRST - 1 };

		assert_int_equal(mm_system_create(&config, hosted_port(h), &sys), RMAP_EINVAL);
	}
	assert_int_equal(hosted_destroy(h, NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moves_of_several),
		cmocka_unit_test(test_unfaulted_takes_faulted),
		cmocka_unit_test(test_pins_and_stacks),
		cmocka_unit_test(test_random_readers),
		cmocka_unit_test(test_pins_of_files),
		cmocka_unit_test(test_stack_mappings),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
