// SPDX-License-Identifier: BSD-2-Clause
/*
 * fork and copy on write: who shares what, who owns what, and what is freed when.
 */
#include "engine.h"

/*
 *   parent   | A | B |        fork        child writes B
 *   child                | A'| B'|
 *
 * covers: 1.6-3, 1.7-1, 1.7-2, 1.4-2, 1.4-3, 1.4-5, 1.2-11
 */
static void copy_on_write(void **state)
{
	struct engine e;

	(void)state;
	engine_setup(&e, NULL);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, 0, 2);

	poke(&e, parent, a, 1);
	poke(&e, parent, a + PAGE, 2);
	struct mm *child = engine_fork(&e, parent);
	bool chained = engine_design_is("anon_vma_chain"); /* what others cost: test_designs.c */

	/* Shared, and nobody has it exclusively. */
	assert_true(same_frame(parent, a, child, a));
	assert_int_equal(page_info(parent, a).mapcount, 2);
	assert_false(page_info(parent, a).exclusive);
	assert_false(page_info(parent, a).writable);
	assert_int_equal(walk_from(&e, parent, a, false).found, 2);
	if (chained) {
		assert_int_equal(objects_of(&e, RMAP_KIND_ANON_VMA), 2);
		assert_int_equal(objects_of(&e, RMAP_KIND_AVC), 3);
	}

	/* The child writes: its own page, found in one look; the chain stays as it was. */
	poke(&e, child, a + PAGE, 3);
	assert_int_equal(peek(&e, parent, a + PAGE), 2);
	assert_int_equal(peek(&e, child, a + PAGE), 3);
	assert_false(same_frame(parent, a + PAGE, child, a + PAGE));
	if (chained)
		assert_int_equal(objects_of(&e, RMAP_KIND_AVC), 3);
	struct rmap_walk walk = walk_from(&e, child, a + PAGE, false);

	assert_int_equal(walk.found, 1);
	if (chained)
		assert_int_equal(walk.looks, 1);
	/* The parent's page is still looked for in the child. */
	walk = walk_from(&e, parent, a + PAGE, false);
	assert_int_equal(walk.found, 1);
	if (chained)
		assert_int_equal(walk.looks, 2);
	walk = walk_from(&e, parent, a + PAGE, true);
	assert_int_equal(walk.found, 1);
	if (chained)
		assert_int_equal(walk.looks, 1);

	/* The parent's write finds it unshared: no copy. */
	uint64_t pfn = page_info(parent, a + PAGE).pfn;

	poke(&e, parent, a + PAGE, 4);
	assert_int_equal(page_info(parent, a + PAGE).pfn, pfn);
	assert_true(page_info(parent, a + PAGE).exclusive);
	assert_int_equal(counters_of(&e).fault_cow_copy, 1);
	assert_int_equal(counters_of(&e).fault_cow_reuse, 1);
	assert_int_equal(rmap_counting(mm_system_rmap(e.sys))->adopted, 1);

	/* The child's exit leaves the parent the only one. */
	mm_put(child);
	engine_check(&e);
	assert_int_equal(page_info(parent, a).mapcount, 1);
	assert_int_equal(peek(&e, parent, a), 1);
	mm_put(parent);
	engine_teardown(&e);
}

/*
 *   g0 - g1 - g2 - … : each forks, writes, and exits
 *
 * covers: B7, 1.2-8
 */
static void a_chain_of_generations_does_not_grow(void **state)
{
	struct engine e;
	uint64_t most = 0;

	(void)state;
	engine_setup(&e, NULL);
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 1);

	poke(&e, mm, a, 0);
	for (uint64_t i = 1; i <= 50; i++) {
		struct mm *child = engine_fork(&e, mm);

		mm_put(mm);
		engine_check(&e);
		mm = child;
		assert_int_equal(peek(&e, mm, a), i - 1);
		poke(&e, mm, a, i);
		if (i == 3)
			most = objects_of(&e, RMAP_KIND_ANON_VMA);
		if (i > 3)
			assert_true(objects_of(&e, RMAP_KIND_ANON_VMA) <= most);
	}
	mm_put(mm);
	engine_teardown(&e);
}

/*
 * The parent goes first; the grandchild still has, finds and frees what it shares with a dead grandparent.
 *
 *   p ---- c ---- g          p and c exit
 *
 * covers: B3, B5, 1.2-13, 1.2-15
 */
static void ancestors_go_first(void **state)
{
	struct engine e;

	(void)state;
	engine_setup(&e, NULL);
	struct mm *p = engine_mm(&e);
	uint64_t a = map_anon(&e, p, 0, 4);

	for (uint64_t i = 0; i < 4; i++)
		poke(&e, p, a + i * PAGE, i);
	struct mm *c = engine_fork(&e, p);

	poke(&e, c, a + PAGE, 11);
	struct mm *g = engine_fork(&e, c);

	poke(&e, g, a + 2 * PAGE, 22);
	/* Split in the grandchild, unmap the middle, in either order of exits. */
	assert_int_equal(STEP(&e, mm_munmap(g, a + 3 * PAGE, PAGE)), 0);
	mm_put(p);
	engine_check(&e);
	mm_put(c);
	engine_check(&e);
	assert_int_equal(peek(&e, g, a), 0);
	assert_int_equal(peek(&e, g, a + PAGE), 11);
	assert_int_equal(peek(&e, g, a + 2 * PAGE), 22);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(walk_from(&e, g, a + i * PAGE, false).found, 1);
	mm_put(g);
	engine_teardown(&e);
}

/* VMAs that ask not to be inherited, or to be inherited empty. covers: 1.7-1, 1.11-5 */
static void dontfork_and_wipeonfork(void **state)
{
	struct engine e;
	uint64_t a = 0x10000000;

	(void)state;
	engine_setup(&e, NULL);
	struct mm *parent = engine_mm(&e);

	map_anon(&e, parent, a, 3);
	for (uint64_t i = 0; i < 3; i++)
		poke(&e, parent, a + i * PAGE, i + 1);
	assert_int_equal(STEP(&e, mm_madvise(parent, a + PAGE, PAGE, MM_MADV_DONTFORK)), 0);
	assert_int_equal(STEP(&e, mm_madvise(parent, a + 2 * PAGE, PAGE, MM_MADV_WIPEONFORK)), 0);
	struct mm *child = engine_fork(&e, parent);

	assert_layout(&e, child, 0, UINT64_MAX, "rw-p 1 @0 | ~1 | rw-p 1 @2");
	assert_int_equal(peek(&e, child, a), 1);
	assert_int_equal(touch_read(&e, child, a + PAGE), RMAP_EFAULT);
	assert_int_equal(peek(&e, child, a + 2 * PAGE), 0);
	assert_int_equal(peek(&e, parent, a + 2 * PAGE), 3);
	assert_int_equal(page_info(parent, a + 2 * PAGE).mapcount, 1);
	mm_put(child);
	mm_put(parent);
	engine_teardown(&e);
}

/*
 * A fork for which memory does not suffice: an error, the parent as it was, nothing left of the child.
 * covers: 1.7-4
 */
static void a_fork_that_fails(void **state)
{
	struct engine_config config = {
		.machine = { .nr_frames = 128, .nr_swap_slots = UINT64_MAX },
		.mm = { .overcommit = MM_OVERCOMMIT_ALWAYS },
	};
	struct engine e;
	struct mm *child = NULL;
	uint64_t a[40], filler, n = 0;

	(void)state;
	engine_setup(&e, &config);
	struct mm *parent = engine_mm(&e);

	/* Far apart, so that each needs tables of its own. */
	for (uint64_t i = 0; i < 12; i++) {
		a[i] = map_anon(&e, parent, 0x100000000ull + i * 0x40000000ull, 1);
		poke(&e, parent, a[i], i + 100);
	}
	filler = map_anon(&e, parent, 0x10000000, 128);
	while (touch_write(&e, parent, filler + n * PAGE) == 0)
		n++;
	assert_int_equal(STEP(&e, mm_fork(parent, &child)), RMAP_ENOMEM);
	assert_null(child);
	for (uint64_t i = 0; i < 12; i++) {
		assert_int_equal(peek(&e, parent, a[i]), i + 100);
		assert_int_equal(page_info(parent, a[i]).mapcount, 1);
	}
	/* With memory again, it goes. */
	assert_int_equal(STEP(&e, mm_munmap(parent, filler, 128 * PAGE)), 0);
	child = engine_fork(&e, parent);
	poke(&e, child, a[3], 1);
	assert_int_equal(peek(&e, parent, a[3]), 103);
	mm_put(child);
	mm_put(parent);
	engine_teardown(&e);
}

/* vfork and threads share the address space itself. */
static void holders(void **state)
{
	struct engine e;

	(void)state;
	engine_setup(&e, NULL);
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 1);

	mm_get(mm);
	poke(&e, mm, a, 9);
	mm_put(mm);
	assert_int_equal(peek(&e, mm, a), 9);
	mm_put(mm);
	engine_teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_on_write),
		cmocka_unit_test(a_chain_of_generations_does_not_grow),
		cmocka_unit_test(ancestors_go_first),
		cmocka_unit_test(dontfork_and_wipeonfork),
		cmocka_unit_test(a_fork_that_fails),
		cmocka_unit_test(holders),
	};

	return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
