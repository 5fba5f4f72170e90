// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage: what a second walk costs that the first has paid for. Pages of files, pages in one of many places, pages that some have
 * on disk.
 */
#include "lineage.h"

#define BASE 0x10000000ull

/*
 *   file  | 0 1 2 3 |       10 processes map it all and read page 0; page 1 is written by the last of them, page 2 had by three
 *
 * covers: 1.4-4
 */
static void a_file_page_is_remembered(void **state)
{
	enum { PROCESSES = 10 };
	struct mm *mm[PROCESSES];
	struct mm_file *file;
	struct engine e;

	(void)state;
	lineage_setup(&e, 0, 0);
	assert_int_equal(mm_file_create(e.sys, NULL, 4 * PAGE, &file), 0);
	for (int i = 0; i < PROCESSES; i++) {
		mm[i] = engine_mm(&e);
		assert_int_equal(map_with(&e, mm[i], BASE, 4, MM_PROT_READ | MM_PROT_WRITE,
					  MM_MAP_SHARED, file, 0),
				 BASE);
		(void)peek(&e, mm[i], BASE);
	}
	poke(&e, mm[9], BASE + PAGE, 1);
	assert_int_equal(settle_from(&e, mm[9], BASE + PAGE, true).looks, 10);
	assert_int_equal(settle_from(&e, mm[9], BASE + PAGE, true).looks, 1);
	/* Who must see all looks at all. */
	assert_int_equal(settle_from(&e, mm[9], BASE + PAGE, false).looks, 10);
	assert_int_equal(settle_from(&e, mm[9], BASE + PAGE, true).looks, 1);

	poke(&e, mm[2], BASE + 2 * PAGE, 2);
	assert_int_equal(peek(&e, mm[5], BASE + 2 * PAGE), 2);
	assert_int_equal(peek(&e, mm[9], BASE + 2 * PAGE), 2);
	(void)settle_from(&e, mm[2], BASE + 2 * PAGE, true);
	struct rmap_walk walk = settle_from(&e, mm[2], BASE + 2 * PAGE, true);

	assert_int_equal(walk.found, 3);
	assert_int_equal(walk.looks, 3);
	/* What was remembered is no promise: one more touches it, one is gone, a new one stands before all. */
	assert_int_equal(peek(&e, mm[0], BASE + 2 * PAGE), 2);
	walk = settle_from(&e, mm[2], BASE + 2 * PAGE, true);
	assert_int_equal(walk.found, 4);
	assert_int_equal(settle_from(&e, mm[2], BASE + 2 * PAGE, true).looks, 4);
	mm_put(mm[5]);
	mm[5] = engine_fork(&e, mm[0]);
	(void)settle_from(&e, mm[2], BASE + 2 * PAGE, true);
	walk = settle_from(&e, mm[2], BASE + 2 * PAGE, true);
	assert_int_equal(walk.looks, walk.found);
	/* Reclaim takes it from all of them. */
	for (int i = 0; i < 8; i++)
		mm_reclaim(e.sys, 64);
	engine_check(&e);
	for (int i = 0; i < PROCESSES; i++)
		assert_int_not_equal(page_info(mm[i], BASE + 2 * PAGE).state, MM_PAGE_PRESENT);
	for (int i = 0; i < PROCESSES; i++)
		mm_put(mm[i]);
	mm_file_put(file);
	engine_teardown(&e);
}

/* More VMAs than bits: two share one, and none is forgotten. */
static void a_file_page_of_many(void **state)
{
	enum { PROCESSES = 40 };
	struct mm *mm[PROCESSES];
	struct mm_file *file;
	struct engine e;

	(void)state;
	lineage_setup(&e, 0, 0);
	assert_int_equal(mm_file_create(e.sys, NULL, 4 * PAGE, &file), 0);
	for (int i = 0; i < PROCESSES; i++) {
		mm[i] = engine_mm(&e);
		(void)map_with(&e, mm[i], BASE, 4, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_SHARED,
			       file, 0);
		(void)peek(&e, mm[i], BASE + PAGE);
	}
	poke(&e, mm[39], BASE, 1);
	assert_int_equal(settle_from(&e, mm[39], BASE, true).looks, 40);
	assert_int_equal(settle_from(&e, mm[39], BASE, true).looks, 2);
	for (int i = 0; i < PROCESSES; i++)
		assert_int_equal(peek(&e, mm[i], BASE), 1);
	struct rmap_walk walk = settle_from(&e, mm[0], BASE, true);

	assert_int_equal(walk.found, 40);
	assert_int_equal(walk.looks, 40);
	for (int i = 0; i < PROCESSES; i++)
		mm_put(mm[i]);
	mm_file_put(file);
	engine_teardown(&e);
}

/*
 *   at first      | 0 1 2 3 | 4 5 6 7 |
 *   then          | n n n n | 4 5 6 7 |   one VMA, at home         | 0 1 2 3 0 1 2 3 |  moved, then grown over 4 to 7
 *                                                                  | 4 5 6 7 |          moved as well
 *
 * Numbers 0 to 3 are those of new pages at home and of those that moved away; 4 to 7 those of two moved ones.
 *
 * covers: 1.10-5
 */
static void one_number_in_many_places(void **state)
{
	const uint64_t b = BASE + 0x1000000, c = BASE + 0x2000000;
	struct engine e;
	uint64_t result;

	(void)state;
	lineage_setup(&e, 0, 0);
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, BASE, 8);

	for (uint64_t i = 0; i < 8; i++)
		poke(&e, mm, a + i * PAGE, i);
	assert_int_equal(STEP(&e, mm_mremap(mm, a, 4 * PAGE, 4 * PAGE,
					    MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, b, &result)),
			 0);
	/* The new pages take the neighbour's home, since they are to be one VMA. */
	assert_int_equal(map_anon(&e, mm, a, 4), a);
	poke(&e, mm, a, 100);
	assert_int_equal(mm_page_rmap(page_info(mm, a).page)->index, a / PAGE);
	assert_int_equal(mm_page_rmap(page_info(mm, b).page)->index, a / PAGE);
	/* The one that moved away is looked for there first, the other one by what the first walk has seen. */
	assert_int_equal(settle_from(&e, mm, b, true).looks, 1);
	assert_int_equal(settle_from(&e, mm, a, true).looks, 2);
	assert_int_equal(settle_from(&e, mm, a, true).looks, 1);
	assert_int_equal(settle_from(&e, mm, a, false).looks, 1);

	assert_int_equal(STEP(&e, mm_mremap(mm, b, 4 * PAGE, 8 * PAGE, 0, 0, &result)), 0);
	poke(&e, mm, b + 5 * PAGE, 105);
	assert_int_equal(STEP(&e, mm_mremap(mm, a + 4 * PAGE, 4 * PAGE, 4 * PAGE,
					    MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, c, &result)),
			 0);
	assert_int_equal(mm_page_rmap(page_info(mm, b + 5 * PAGE).page)->index, a / PAGE + 5);
	assert_int_equal(mm_page_rmap(page_info(mm, c + PAGE).page)->index, a / PAGE + 5);
	assert_int_equal(settle_from(&e, mm, b + 5 * PAGE, true).looks +
				 settle_from(&e, mm, c + PAGE, true).looks,
			 3);
	assert_int_equal(settle_from(&e, mm, b + 5 * PAGE, true).looks, 1);
	assert_int_equal(settle_from(&e, mm, c + PAGE, true).looks, 1);

	/* A child has them in the same places; and what is remembered does not stand in the way when they move once more. */
	struct mm *child = engine_fork(&e, mm);

	assert_int_equal(walk_from(&e, mm, c + PAGE, false).looks, 2);
	assert_int_equal(
		STEP(&e, mm_mremap(child, c, 4 * PAGE, 4 * PAGE,
				   MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, a + 4 * PAGE, &result)),
		0);
	assert_int_equal(walk_from(&e, mm, c + PAGE, false).found, 2);
	assert_int_equal(STEP(&e, mm_munmap(child, b, 8 * PAGE)), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(settle_from(&e, mm, c + PAGE, true).found, 2);
	swap_out(&e, mm, c + PAGE);
	assert_int_equal(peek(&e, child, a + 5 * PAGE), 5);
	assert_int_equal(peek(&e, mm, c + PAGE), 5);
	mm_put(child);
	mm_put(mm);
	engine_teardown(&e);
}

/*
 *   parent  | swapped |       20 children, of whom one has read the page in again: it alone maps it, and the others may come for it
 *   c0…c19  | swapped |       at any time
 *   c9      |    A    |
 *
 * covers: 1.6-4
 */
static void some_have_it_on_disk(void **state)
{
	struct mm *child[20], *grandchild;
	struct engine e;

	(void)state;
	lineage_setup(&e, 0, 16);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 1);

	poke(&e, parent, a, 7);
	for (int i = 0; i < 20; i++)
		child[i] = engine_fork(&e, parent);
	swap_out(&e, parent, a);
	assert_int_equal(peek(&e, child[9], a), 7);
	assert_int_equal(settle_from(&e, child[9], a, true).looks, 21);
	assert_int_equal(settle_from(&e, child[9], a, true).looks, 1);
	/* Two more come, one of them a child that its parent had while the entry stood there. */
	grandchild = engine_fork(&e, child[3]);
	assert_int_equal(peek(&e, grandchild, a), 7);
	assert_true(same_frame(grandchild, a, child[9], a));
	struct rmap_walk walk = settle_from(&e, child[9], a, true);

	assert_int_equal(walk.found, 2);
	assert_int_equal(settle_from(&e, child[9], a, true).looks, 2);
	assert_int_equal(peek(&e, parent, a), 7);
	walk = settle_from(&e, child[9], a, false);
	assert_int_equal(walk.found, 3);
	assert_int_equal(settle_from(&e, child[9], a, true).looks, 3);
	/* It goes out by the same slot, which still stands for all. */
	swap_out(&e, grandchild, a);
	for (int i = 0; i < 20; i += 3)
		assert_int_equal(peek(&e, child[i], a), 7);
	assert_int_equal(peek(&e, parent, a), 7);
	assert_true(same_frame(child[0], a, parent, a));
	assert_int_equal(settle_from(&e, parent, a, false).found, 8);
	/* Nobody has an entry any more: the slot forgets those who are of no interest. */
	for (int i = 0; i < 20; i++)
		mm_put(child[i]);
	mm_put(grandchild);
	engine_check(&e);
	assert_int_equal(peek(&e, parent, a), 7);
	mm_put(parent);
	engine_teardown(&e);
}

/*
 * A page that kept its slot goes out again after a walk has settled it: what comes back is looked for where it went from.
 */
static void the_slot_learns_too(void **state)
{
	struct mm *child[30];
	struct engine e;

	(void)state;
	lineage_setup(&e, 0, 64);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 1);

	poke(&e, parent, a, 7);
	for (int i = 0; i < 30; i++)
		child[i] = engine_fork(&e, parent);
	swap_out(&e, parent, a);
	/* All but two let go of it (the parent with its table); those two have it, and the slot is kept. */
	assert_int_equal(peek(&e, child[4], a), 7);
	assert_int_equal(peek(&e, child[5], a), 7);
	for (int i = 0; i < 30; i++)
		if (i != 4 && i != 5)
			poke(&e, child[i], a, 8);
	assert_int_equal(STEP(&e, mm_munmap(parent, a, PAGE)), 0);
	assert_int_equal(settle_from(&e, child[4], a, true).looks, 30);
	assert_int_equal(settle_from(&e, child[4], a, true).looks, 2);
	swap_out(&e, child[4], a);
	assert_int_equal(peek(&e, child[5], a), 7);
	assert_int_equal(peek(&e, child[4], a), 7);
	assert_int_equal(walk_from(&e, child[4], a, false).looks, 2);
	assert_int_equal(walk_from(&e, child[4], a, false).found, 2);
	for (int i = 0; i < 30; i++)
		mm_put(child[i]);
	mm_put(parent);
	engine_teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_page_is_remembered), cmocka_unit_test(a_file_page_of_many),
		cmocka_unit_test(one_number_in_many_places), cmocka_unit_test(some_have_it_on_disk),
		cmocka_unit_test(the_slot_learns_too),
	};

	return cmocka_run_group_tests_name("lineage_looks", tests, NULL, NULL);
}
