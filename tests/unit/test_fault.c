// SPDX-License-Identifier: BSD-2-Clause
/*
 * Page faults of anonymous memory: what a read maps, what a write maps, what is refused, what memory runs out.
 */
#include "engine.h"

/*
 *      a          a+1        a+2
 *   |  read    |  write    |  untouched |
 *   | zero page| own page  |    empty   |
 *
 * covers: 1.6-1, 1.4-1, 1.0-3
 */
static void read_maps_the_zero_page_write_an_own_one(void **state)
{
	struct engine e;
	struct mm_stats stats;

	(void)state;
	engine_setup(&e, NULL);
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 3);

	assert_int_equal(peek(&e, mm, a), 0);
	assert_int_equal(page_info(mm, a).state, MM_PAGE_ZERO);
	assert_chained_objects(&e, RMAP_KIND_ANON_VMA, 0);

	poke(&e, mm, a + PAGE, 42);
	struct mm_page_info info = page_info(mm, a + PAGE);

	assert_int_equal(info.state, MM_PAGE_PRESENT);
	assert_true(info.anon && info.exclusive && info.writable && info.dirty && info.accessed);
	assert_int_equal(info.mapcount, 1);
	assert_int_equal(info.index, (a + PAGE) >> RMAP_PAGE_SHIFT);
	if (engine_design_is("anon_vma_chain")) {
		assert_chained_objects(&e, RMAP_KIND_ANON_VMA, 1);
		assert_chained_objects(&e, RMAP_KIND_AVC, 1);
	}

	assert_int_equal(page_info(mm, a + 2 * PAGE).state, MM_PAGE_NONE);
	mm_get_stats(mm, &stats);
	assert_int_equal(stats.rss_anon, 1);

	/* A write to the zero page gives an own one, zeroed. */
	poke(&e, mm, a + 8, 1);
	assert_int_equal(peek(&e, mm, a), 0);
	assert_int_equal(peek(&e, mm, a + 8), 1);
	assert_int_equal(page_info(mm, a).state, MM_PAGE_PRESENT);
	assert_int_equal(counters_of(&e).fault_zero_page, 1);
	assert_int_equal(counters_of(&e).fault_zero_fill, 2);
	mm_put(mm);
	engine_teardown(&e);
}

/*
 *   rw-p | r--p | ---p |  nothing
 *
 * Which signal, by what stands there.
 * covers: 1.6-1
 */
static void refusals(void **state)
{
	struct engine e;
	uint64_t base = 0x10000000;

	(void)state;
	engine_setup(&e, NULL);
	struct mm *mm = engine_mm(&e);

	map_anon(&e, mm, base, 1);
	map_with(&e, mm, base + PAGE, 1, MM_PROT_READ, MM_MAP_PRIVATE | MM_MAP_ANONYMOUS, NULL, 0);
	map_with(&e, mm, base + 2 * PAGE, 1, MM_PROT_NONE, MM_MAP_PRIVATE | MM_MAP_ANONYMOUS, NULL,
		 0);
	assert_int_equal(touch_write(&e, mm, base), 0);
	assert_int_equal(touch_read(&e, mm, base + PAGE), 0);
	assert_int_equal(touch_write(&e, mm, base + PAGE), RMAP_EACCES);
	assert_int_equal(touch_read(&e, mm, base + 2 * PAGE), RMAP_EACCES);
	assert_int_equal(touch_write(&e, mm, base + 2 * PAGE), RMAP_EACCES);
	assert_int_equal(touch_read(&e, mm, base + 3 * PAGE), RMAP_EFAULT);
	assert_int_equal(touch_read(&e, mm, base - PAGE), RMAP_EFAULT);
	assert_int_equal(touch_read(&e, mm, 0), RMAP_EFAULT);
	assert_int_equal(STEP(&e, mm_fault(mm, UINT64_MAX, MM_ACCESS_READ)), RMAP_EFAULT);
	assert_int_equal(STEP(&e, mm_fault(mm, MM_TASK_SIZE, MM_ACCESS_WRITE)), RMAP_EFAULT);
	assert_int_equal(STEP(&e, mm_fault(mm, base, MM_ACCESS_EXEC)), RMAP_EACCES);

	/* A fetch of a page that is not there brings it in first, by the right to read, as x86 does. */
	map_anon(&e, mm, base + 4 * PAGE, 1);
	assert_int_equal(STEP(&e, mm_fault(mm, base + 4 * PAGE, MM_ACCESS_EXEC)), 0);
	assert_int_equal(page_info(mm, base + 4 * PAGE).state, MM_PAGE_ZERO);
	assert_int_equal(STEP(&e, mm_fault(mm, base + 4 * PAGE, MM_ACCESS_EXEC)), RMAP_EACCES);
	assert_int_equal(STEP(&e, mm_fault(mm, base + 2 * PAGE, MM_ACCESS_EXEC)), RMAP_EACCES);
	assert_int_equal(page_info(mm, base + 2 * PAGE).state, MM_PAGE_NONE);

	/* Rights that go away are gone for the processor at once, though it has the translation. */
	poke(&e, mm, base, 5);
	assert_int_equal(STEP(&e, mm_mprotect(mm, base, PAGE, MM_PROT_READ)), 0);
	assert_int_equal(touch_write(&e, mm, base), RMAP_EACCES);
	assert_int_equal(peek(&e, mm, base), 5);
	assert_int_equal(STEP(&e, mm_mprotect(mm, base, PAGE, MM_PROT_NONE)), 0);
	assert_int_equal(touch_read(&e, mm, base), RMAP_EACCES);
	assert_int_equal(STEP(&e, mm_mprotect(mm, base, PAGE, MM_PROT_READ | MM_PROT_WRITE)), 0);
	assert_int_equal(peek(&e, mm, base), 5);
	mm_put(mm);
	engine_teardown(&e);
}

/*
 * More pages than frames and no swap: an error, everything that was written stays.
 */
static void out_of_memory_is_an_error(void **state)
{
	struct engine_config config = {
		.machine = { .nr_frames = 128, .nr_swap_slots = UINT64_MAX },
		.mm = { .overcommit = MM_OVERCOMMIT_ALWAYS },
	};
	struct engine e;
	uint64_t n = 0;
	uint64_t value;
	int error;

	(void)state;
	engine_setup(&e, &config);
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 256);

	do {
		value = n + 1;
		error = STEP(&e,
			     hosted_write(e.cpu, mm, a + n * PAGE, &value, sizeof(value), NULL));
		n++;
	} while (!error && n < 256);
	assert_int_equal(error, RMAP_ENOMEM);
	n--;
	assert_true(n > 64);
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(peek(&e, mm, a + i * PAGE), i + 1);
	/* Memory that is given back is there for the next. */
	assert_int_equal(STEP(&e, mm_munmap(mm, a, PAGE)), 0);
	poke(&e, mm, a + n * PAGE, 77);
	mm_put(mm);
	engine_teardown(&e);
}

/* mm_read and mm_write fault by themselves, cross pages, and stop where memory ends. */
static void reads_and_writes_without_a_processor(void **state)
{
	unsigned char out[3 * 4096], in[3 * 4096];
	struct engine e;
	uint64_t done;

	(void)state;
	engine_setup(&e, NULL);
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0x10000000, 3);

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (unsigned char)(i * 7);
	assert_int_equal(STEP(&e, mm_write(mm, a + 100, out, 2 * PAGE, &done)), 0);
	assert_int_equal(done, 2 * PAGE);
	assert_int_equal(STEP(&e, mm_read(mm, a + 100, in, 2 * PAGE, &done)), 0);
	assert_memory_equal(in, out, 2 * PAGE);
	assert_int_equal(STEP(&e, mm_write(mm, a + 2 * PAGE + 10, out, 2 * PAGE, &done)),
			 RMAP_EFAULT);
	assert_int_equal(done, PAGE - 10);
	assert_int_equal(STEP(&e, mm_read(mm, UINT64_MAX - 2, in, 16, &done)), RMAP_EFAULT);
	assert_int_equal(done, 0);
	mm_put(mm);
	engine_teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_maps_the_zero_page_write_an_own_one),
		cmocka_unit_test(refusals),
		cmocka_unit_test(out_of_memory_is_an_error),
		cmocka_unit_test(reads_and_writes_without_a_processor),
	};

	return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
