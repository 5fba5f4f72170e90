// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is asked behind a first question that is nearly always enough: faults on pages that are there, pages that were advised about
 * and then go bad, pages of zeros, pages that were not used when they went, objects of many sizes.
 */
#include "faulty.h"
#include "image_memory.h"

#include <stdlib.h>

#include "mm/mm_types.h"
#include "mm/page.h"
#include "mm/reclaim.h"
#include "mm/system.h"
#include "mm/vma.h"

#include "one_mm.h"

#define RW (MM_PROT_READ | MM_PROT_WRITE)
#define A  0x10000000ull
#define B  0x20000000ull

/* ---------------------------------------------------------------- faults and advice */

/* A processor whose TLB was behind asks for a page that is there and may be read: nothing happens to it. */
static void test_a_read_that_needs_nothing(void **state)
{
	struct mm_counters before, after;
	struct mm *parent, *child;

	(void)state;
	engine_setup(&e, NULL);
	parent = engine_mm(&e);
	map_anon(&e, parent, A, 1);
	poke(&e, parent, A, 7);
	child = engine_fork(&e, parent);
	before = counters_of(&e);
	assert_int_equal(STEP(&e, mm_fault(child, A, MM_ACCESS_READ)), 0);
	after = counters_of(&e);
	assert_int_equal(after.fault_spurious, before.fault_spurious + 1);
	assert_int_equal(after.fault_cow_copy, before.fault_cow_copy);
	assert_true(same_frame(parent, A, child, A));
	mm_put(child);
	mm_put(parent);
	engine_teardown(&e);
}

/* What is of no use any more has not been used: neither the PTE nor the page says so behind MADV_FREE. */
static void test_advice_forgets_uses(void **state)
{
	struct mm_smaps smaps;

	(void)state;
	map_anon(&e, mm, A, 1);
	poke(&e, mm, A, 7);
	lru_mark_accessed(e.sys, page_info(mm, A).page);
	assert_int_equal(STEP(&e, mm_madvise(mm, A, PAGE, MM_MADV_FREE)), 0);
	assert_int_equal(mm_smaps(mm, A, &smaps), 0);
	assert_int_equal(smaps.lazyfree, PAGE);
	assert_int_equal(smaps.referenced, 0);
}

/* It might have been dropped at any time; but it was not, and who comes for it is told that it went bad. */
static void test_an_advised_page_goes_bad(void **state)
{
	(void)state;
	map_anon(&e, mm, A, 1);
	poke(&e, mm, A, 7);
	assert_int_equal(STEP(&e, mm_madvise(mm, A, PAGE, MM_MADV_FREE)), 0);
	assert_int_equal(STEP(&e, mm_poison(mm, A)), 0);
	assert_int_equal(touch_read(&e, mm, A), RMAP_EHWPOISON);
}

/*
 *	file  [0 1 2 3]	all are said to be cold, then 0 is read; that is known when they are unmapped, and of no other
 */
static void test_what_was_used_when_it_went(void **state)
{
	struct mm_file *file;
	struct page *page[4];

	(void)state;
	file = pattern_file(&e, 4, 3);
	(void)map_with(&e, mm, A, 4, RW, MM_MAP_SHARED, file, 0);
	for (uint64_t i = 0; i < 4; i++) {
		(void)peek(&e, mm, A + i * PAGE);
		page[i] = page_info(mm, A + i * PAGE).page;
	}
	assert_int_equal(STEP(&e, mm_madvise(mm, A, 4 * PAGE, MM_MADV_COLD)), 0);
	(void)peek(&e, mm, A);
	assert_int_equal(STEP(&e, mm_munmap(mm, A, 4 * PAGE)), 0);
	assert_true(page_test(page[0], PG_REFERENCED));
	for (unsigned int i = 1; i < 4; i++)
		assert_false(page_test(page[i], PG_REFERENCED | PG_ACTIVE));
	mm_file_put(file);
}

/* Whoever changes a VMA's bounds has the locks that lead to it: a page's users cannot be asked then, and that is not "none". */
static void test_users_that_cannot_be_asked(void **state)
{
	struct rmap_adjust adjust = { .insert = NULL };
	struct mm_file *file;
	struct page *page;
	uint64_t vm_flags;

	(void)state;
	file = pattern_file(&e, 1, 3);
	(void)map_with(&e, mm, A, 1, RW, MM_MAP_SHARED, file, 0);
	(void)peek(&e, mm, A);
	page = page_info(mm, A).page;
	adjust.vma[0] = &vma_find(mm, A)->rmap;
	/* These two ask every table, or know the PTEs: no VMA is in their way. */
	if (!engine_design_is("scan") && !engine_design_is("pte_chain")) {
		rmap_adjust_begin(mm_system_rmap(e.sys), &adjust);
		assert_int_equal(page_referenced(e.sys, page, false, &vm_flags), -1);
		rmap_adjust_end(mm_system_rmap(e.sys), &adjust);
	}
	assert_int_equal(page_referenced(e.sys, page, false, &vm_flags), 1);
	assert_int_equal(page_referenced(e.sys, page, false, &vm_flags), 0);
	engine_check(&e);
	mm_file_put(file);
}

/*
 *	parent - c0 c1 … c9	nine have their own page; a walk that only checks, or that looks for entries, keeps nothing of that, one that
 *				learns does
 */
static void test_who_only_checks_leaves_no_trace(void **state)
{
	struct engine_config config = { .mm.design = &rmap_lineage };
	static const unsigned int flags[] = { RMAP_WALK_CHECK, RMAP_WALK_ENTRIES, 0 };
	struct mm *parent, *child[10];
	uint64_t vm_flags;

	(void)state;
	engine_setup(&e, &config);
	parent = engine_mm(&e);
	map_anon(&e, parent, A, 1);
	poke(&e, parent, A, 7);
	for (unsigned int i = 0; i < 10; i++)
		child[i] = engine_fork(&e, parent);
	poke(&e, parent, A, 8);
	for (unsigned int i = 1; i < 10; i++)
		poke(&e, child[i], A, i);
	/* Nor does who ages a page that he has not locked. */
	assert_int_equal(page_referenced(e.sys, page_info(child[0], A).page, false, &vm_flags), 0);
	assert_int_equal(walk_from(&e, child[0], A, true).looks, 11);
	for (unsigned int i = 0; i < 3; i++) {
		struct rmap_walk walk = { .flags = flags[i] };

		assert_int_equal(mm_walk_page(e.sys, page_info(child[0], A).page, &walk), 0);
		assert_int_equal(walk_from(&e, child[0], A, true).looks, i < 2 ? 11 : 1);
	}
	engine_check(&e);
	for (unsigned int i = 0; i < 10; i++)
		mm_put(child[i]);
	mm_put(parent);
	engine_teardown(&e);
}

/*
 *	A [w]  moved to B; where it was a new VMA stands, whose pages must have other numbers: the record of that is what there is no
 *	memory for. Then there is no page either, until there is memory.
 */
static void test_no_memory_to_be_elsewhere(void **state)
{
	struct engine_config config = { .mm.design = &rmap_lineage };
	struct testport *tp;
	uint64_t to;

	(void)state;
	faulty_setup(&e, &tp, &config);
	mm = engine_mm(&e);
	map_anon(&e, mm, A, 1);
	poke(&e, mm, A, 7);
	assert_int_equal(
		STEP(&e, mm_mremap(mm, A, PAGE, PAGE, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, B, &to)),
		0);
	map_anon(&e, mm, A, 1);
	testport_fail_alloc(tp, RMAP_KIND_REMAP, 1, TESTPORT_ONCE);
	assert_int_equal(touch_write(&e, mm, A), RMAP_ENOMEM);
	assert_int_equal(testport_fail_none(tp), 1);
	assert_int_equal(page_info(mm, A).state, MM_PAGE_NONE);
	poke(&e, mm, A, 8);
	assert_int_equal(peek(&e, mm, B), 7);
	/* Neither is looked for where the other is. */
	assert_int_equal(walk_from(&e, mm, A, false).looks, 1);
	assert_int_equal(walk_from(&e, mm, B, false).looks, 1);
	mm_put(mm);
	faulty_teardown(&e, tp);
}

/*
 *	A [f]	a file, private, never written		B [w]	the file's next page, written
 *
 * B moves behind A, and the two are one VMA; A has to be where B's pages are numbered, too. Each record that there is no memory for
 * in turn: it is two VMAs then, or the move fails; nothing of B's is lost.
 */
static void test_no_memory_to_be_one(void **state)
{
	struct engine_config config = { .mm.design = &rmap_lineage };
	uint64_t failed = 1;

	(void)state;
	for (uint64_t n = 1; failed; n++) {
		struct mm_file *file;
		struct testport *tp;
		uint64_t to;
		int error;

		faulty_setup(&e, &tp, &config);
		mm = engine_mm(&e);
		file = pattern_file(&e, 2, 3);
		(void)map_with(&e, mm, A, 1, RW, MM_MAP_PRIVATE, file, 0);
		(void)map_with(&e, mm, B, 1, RW, MM_MAP_PRIVATE, file, PAGE);
		poke(&e, mm, B, 7);
		testport_fail_alloc(tp, RMAP_KIND_REMAP, n, TESTPORT_ONCE);
		error = STEP(&e, mm_mremap(mm, B, PAGE, PAGE, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED,
					   A + PAGE, &to));
		failed = testport_fail_none(tp);
		assert_true(!error || (failed && error == RMAP_ENOMEM));
		assert_int_equal(peek(&e, mm, error ? B : A + PAGE), 7);
		poke(&e, mm, A, 8);
		assert_int_equal(peek(&e, mm, error ? B : A + PAGE), 7);
		if (!error)
			swap_out(&e, mm, A + PAGE);
		assert_int_equal(peek(&e, mm, error ? B : A + PAGE), 7);
		mm_put(mm);
		mm_file_put(file);
		faulty_teardown(&e, tp);
	}
}

/* Nobody maps a page any more, but a device holds it: a walk finds nobody, and that is no error. */
static void test_a_page_of_nobody(void **state)
{
	struct mm_page_info info;
	struct page *page;

	(void)state;
	map_anon(&e, mm, A, 2);
	poke(&e, mm, A, 7);
	assert_int_equal(STEP(&e, mm_pin(mm, A, MM_PIN_WRITE, &page)), 0);
	mm_page_info(mm, A, &info);
	assert_ptr_equal(info.page, page);
	assert_int_equal(STEP(&e, mm_munmap(mm, A, PAGE)), 0);
	for (unsigned int i = 0; i < 2; i++) {
		struct rmap_walk walk = { .flags = i ? RMAP_WALK_ENTRIES : 0 };

		assert_int_equal(mm_walk_page(e.sys, page, &walk), 0);
		assert_int_equal(walk.found, 0);
	}
	mm_unpin(e.sys, page, MM_PIN_WRITE);
	engine_check(&e);
}

/* ---------------------------------------------------------------- numbers */

/* All that is counted for one kind or another, against all there is. Called where an image is being written. */
static struct mm_system *counted;
static uint64_t buffers, buffer_bytes;

static int count_and_write(void *ctx, const void *data, uint64_t len)
{
	uint64_t objects, bytes, sum = 0;
	struct mm_memory memory;

	for (unsigned int kind = 0; kind < RMAP_KINDS; kind++) {
		mm_get_objects(counted, (enum rmap_kind)kind, &objects, &bytes);
		sum += bytes;
		assert_int_equal(objects == 0, bytes == 0);
		if (kind == RMAP_KIND_BUFFER) {
			buffers = objects;
			buffer_bytes = bytes;
		}
	}
	mm_get_memory(counted, &memory);
	assert_int_equal(sum, memory.object_bytes);
	return image_memory_write(ctx, data, len);
}

/* What is counted of many walks, more than any of the small counters holds that each processor has of its last ones. */
static void test_many_walks(void **state)
{
	enum { CHILDREN = 20, WALKS = 9000 };
	struct mm *parent, *child[CHILDREN];
	struct rmap_walk_counts before, after;
	uint64_t looks = 0, steps = 0, found = 0;
	struct rmap_counts counts;

	(void)state;
	engine_setup(&e, NULL);
	parent = engine_mm(&e);
	map_anon(&e, parent, A, 1);
	poke(&e, parent, A, 7);
	for (unsigned int i = 0; i < CHILDREN; i++)
		child[i] = engine_fork(&e, parent);
	rmap_get_counts(mm_system_rmap(e.sys), &counts);
	before = counts.walk[RMAP_WALK_PROBE];
	for (unsigned int i = 0; i < WALKS; i++) {
		struct rmap_walk walk = walk_from(&e, parent, A, false);

		looks += walk.looks;
		steps += walk.steps;
		found += walk.found;
	}
	rmap_get_counts(mm_system_rmap(e.sys), &counts);
	after = counts.walk[RMAP_WALK_PROBE];
	assert_int_equal(found, WALKS * (CHILDREN + 1));
	assert_int_equal(after.walks - before.walks, WALKS);
	assert_int_equal(after.looks - before.looks, looks);
	assert_int_equal(after.steps - before.steps, steps);
	assert_int_equal(after.found - before.found, found);
	for (unsigned int i = 0; i < CHILDREN; i++)
		mm_put(child[i]);
	mm_put(parent);
	engine_teardown(&e);
}

/*
 * A page of zeros is written without contents, and is there afterwards: in memory, as it was. While an image is written there are
 * buffers of several sizes, and their bytes are what they are.
 */
static void test_a_page_of_zeros(void **state)
{
	struct image_memory memory = { 0 };
	const struct mm_stream stream = { .ctx = &memory,
					  .write = count_and_write,
					  .read = image_memory_read };
	uint64_t id = 1, len[2];

	(void)state;
	for (unsigned int value = 0; value < 2; value++) {
		engine_setup(&e, NULL);
		mm = engine_mm(&e);
		map_anon(&e, mm, A, 2);
		poke(&e, mm, A, value);
		poke(&e, mm, A + PAGE, 7);
		memory.len = memory.pos = 0;
		counted = e.sys;
		assert_int_equal(STEP(&e, mm_hibernate(e.sys, &mm, &id, 1, &stream)), 0);
		assert_true(buffers > 1);
		assert_true(buffer_bytes > buffers);
		len[value] = memory.len;
		mm_put(mm);
		engine_teardown(&e);
	}
	assert_true(len[0] + PAGE <= len[1]);
	free(memory.data);
}

static struct mm *resumed;

static void take(void *arg, uint64_t id, struct mm *back)
{
	(void)arg;
	(void)id;
	resumed = back;
}

static void test_a_page_of_zeros_comes_back(void **state)
{
	const struct mm_resume resume = { .mm = take };
	struct image_memory memory = { 0 };
	const struct mm_stream stream = IMAGE_MEMORY_STREAM(&memory);
	uint64_t id = 1;

	(void)state;
	engine_setup(&e, NULL);
	mm = engine_mm(&e);
	map_anon(&e, mm, A, 1);
	poke(&e, mm, A, 0);
	/* What cannot go out stays in memory when the rest is pushed out. */
	assert_int_equal(STEP(&e, mm_mlock(mm, A, PAGE, 0)), 0);
	assert_int_equal(STEP(&e, mm_hibernate(e.sys, &mm, &id, 1, &stream)), 0);
	mm_put(mm);
	engine_teardown(&e);
	engine_setup(&e, NULL);
	assert_int_equal(STEP(&e, mm_resume_image(e.sys, &stream, &resume)), 0);
	assert_int_equal(page_info(resumed, A).state, MM_PAGE_PRESENT);
	assert_int_equal(peek(&e, resumed, A), 0);
	mm_put(resumed);
	engine_teardown(&e);
	free(memory.data);
}

static struct mm *strangers[3];

static void take_stranger(void *arg, uint64_t id, struct mm *back)
{
	(void)arg;
	strangers[id - 1] = back;
}

/* Processes that have nothing in common: no walk from one's page looks into another's tables when they have come back from an image, either. */
static void test_strangers_come_back_as_strangers(void **state)
{
	const struct mm_resume resume = { .mm = take_stranger };
	struct image_memory memory = { 0 };
	const struct mm_stream stream = IMAGE_MEMORY_STREAM(&memory);
	static const uint64_t id[] = { 1, 2, 3 };
	struct mm *before[3];

	(void)state;
	engine_setup(&e, NULL);
	for (unsigned int i = 0; i < 3; i++) {
		before[i] = engine_mm(&e);
		map_anon(&e, before[i], A, 1);
		poke(&e, before[i], A, i + 1);
	}
	assert_int_equal(STEP(&e, mm_hibernate(e.sys, before, id, 3, &stream)), 0);
	for (unsigned int i = 0; i < 3; i++)
		mm_put(before[i]);
	engine_teardown(&e);
	engine_setup(&e, NULL);
	assert_int_equal(STEP(&e, mm_resume_image(e.sys, &stream, &resume)), 0);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(peek(&e, strangers[i], A), i + 1);
		if (!engine_design_is("scan"))
			assert_int_equal(walk_from(&e, strangers[i], A, false).looks, 1);
	}
	/* Who ends leaves nothing of its own behind for relatives that it has not got. */
	for (unsigned int i = 0; i < 3; i++) {
		mm_put(strangers[i]);
		e.sys->port->os.rcu_barrier(e.sys->port->os.ctx);
		if (engine_design_is("lineage"))
			assert_int_equal(objects_of(&e, RMAP_KIND_LINEAGE), 2 - i);
		if (engine_design_is("cow_context"))
			assert_int_equal(objects_of(&e, RMAP_KIND_CONTEXT), 2 - i);
	}
	engine_teardown(&e);
	free(memory.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_read_that_needs_nothing),
		WITH_ONE_MM(test_advice_forgets_uses),
		WITH_ONE_MM(test_an_advised_page_goes_bad),
		WITH_ONE_MM(test_what_was_used_when_it_went),
		WITH_ONE_MM(test_users_that_cannot_be_asked),
		cmocka_unit_test(test_who_only_checks_leaves_no_trace),
		cmocka_unit_test(test_no_memory_to_be_elsewhere),
		cmocka_unit_test(test_no_memory_to_be_one),
		WITH_ONE_MM(test_a_page_of_nobody),
		cmocka_unit_test(test_many_walks),
		cmocka_unit_test(test_a_page_of_zeros),
		cmocka_unit_test(test_a_page_of_zeros_comes_back),
		cmocka_unit_test(test_strangers_come_back_as_strangers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
