// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage: what a second walk costs that the first has paid for. Pages of files, pages in one of many places, pages that some have
 * on disk, pages that many have of still more.
 */
#include "faulty.h"
#include "lineage.h"

#include <stdlib.h>

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

/*
 *   P | 0 1 2 3 |      40 children, which unmap it and live, but for the third; page 0 is P's and the third's, page 1 becomes P's alone
 *     |
 *     40 … 4 3 2 1     no table, so no look; but each was a step, at every walk
 */
static void who_unmapped_it_is_left_aside(void **state)
{
	enum { CHILDREN = 40 };
	struct mm *child[CHILDREN], *later;
	struct rmap_walk walk;
	struct engine e;

	(void)state;
	lineage_setup(&e, 0, 0);
	struct mm *parent = engine_mm(&e);

	(void)map_anon(&e, parent, BASE, 4);
	for (uint64_t i = 0; i < 4; i++)
		poke(&e, parent, BASE + i * PAGE, i);
	for (int i = 0; i < CHILDREN; i++) {
		child[i] = engine_fork(&e, parent);
		if (i != 2)
			assert_int_equal(STEP(&e, mm_munmap(child[i], BASE, 4 * PAGE)), 0);
	}
	walk = settle_from(&e, parent, BASE, true);
	assert_int_equal(walk.found, 2);
	assert_int_equal(walk.looks, 2);
	assert_int_equal(walk.steps, 1 + CHILDREN);
	/* The list, and the two on it. */
	for (int again = 0; again < 3; again++) {
		walk = settle_from(&e, child[2], BASE, again == 2);
		assert_int_equal(walk.found, 2);
		assert_int_equal(walk.looks, 2);
		assert_int_equal(walk.steps, 3);
	}
	/* Who comes later is met. */
	later = engine_fork(&e, child[2]);
	walk = settle_from(&e, later, BASE, false);
	assert_int_equal(walk.found, 3);
	assert_int_equal(walk.steps, 4);

	/* One alone, who then forks others that unmap it. */
	poke(&e, child[2], BASE + PAGE, 7);
	poke(&e, later, BASE + PAGE, 8);
	assert_int_equal(settle_from(&e, parent, BASE + PAGE, false).steps, 2 + CHILDREN);
	assert_int_equal(settle_from(&e, parent, BASE + PAGE, false).steps, 1);
	mm_put(later);
	for (int i = 0; i < CHILDREN; i++) {
		mm_put(child[i]);
		child[i] = engine_fork(&e, parent);
		assert_int_equal(STEP(&e, mm_munmap(child[i], BASE, 4 * PAGE)), 0);
	}
	assert_int_equal(settle_from(&e, parent, BASE + PAGE, false).steps, 1 + CHILDREN);
	assert_int_equal(settle_from(&e, parent, BASE + PAGE, false).steps, 1);
	for (int i = 0; i < CHILDREN; i++)
		mm_put(child[i]);
	mm_put(parent);
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

/*
 *   P forks 30 children, then has a new page, alone; it goes to swap; P forks once more, and the last child reads it in
 *
 * The slot, too, knows that the 30 are older than the page: who forks an entry shares it with that child, and with no other.
 */
static void a_page_forked_on_disk_is_no_elder_childs(void **state)
{
	struct mm *child[31];
	struct engine e;

	(void)state;
	lineage_setup(&e, 0, 64);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 2);

	poke(&e, parent, a, 7);
	for (int i = 0; i < 30; i++)
		child[i] = engine_fork(&e, parent);
	poke(&e, parent, a + PAGE, 8);
	swap_out(&e, parent, a + PAGE);
	child[30] = engine_fork(&e, parent);
	assert_int_equal(peek(&e, child[30], a + PAGE), 8);
	assert_int_equal(walk_from(&e, child[30], a + PAGE, false).looks, 2);
	assert_int_equal(walk_from(&e, child[30], a + PAGE, false).found, 1);
	assert_int_equal(peek(&e, parent, a + PAGE), 8);
	assert_int_equal(walk_from(&e, parent, a + PAGE, false).looks, 2);
	assert_int_equal(walk_from(&e, parent, a + PAGE, false).found, 2);
	for (int i = 0; i < 31; i++)
		mm_put(child[i]);
	engine_check(&e);
	mm_put(parent);
	engine_teardown(&e);
}

/* Ageing, as reclaim does it: it may not allocate. (Nothing else runs, so nobody misses the page lock.) */
static struct rmap_walk age(struct engine *e, struct mm *mm, uint64_t addr)
{
	struct rmap_walk walk = {
		.flags = RMAP_WALK_STOP_AT_MAPCOUNT | RMAP_WALK_TRYLOCK | RMAP_WALK_SETTLE,
		.purpose = RMAP_WALK_REFERENCE,
	};

	assert_int_equal(
		rmap_walk(mm_system_rmap(e->sys), mm_page_rmap(page_info(mm, addr).page), &walk),
		0);
	engine_check(e);
	return walk;
}

/*
 *   parent - c0 c1 … c19       c2, c9 and c17 keep the page; nobody walks but reclaim
 *
 * covers: 1.5-9
 */
static void reclaim_alone_settles(void **state)
{
	static const int left[] = { 2, 9, 17 };
	struct mm *child[20], *late;
	struct engine e;

	(void)state;
	lineage_setup(&e, 0, 0);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 1);

	poke(&e, parent, a, 7);
	for (int i = 0; i < 20; i++)
		child[i] = engine_fork(&e, parent);
	poke(&e, parent, a, 8);
	for (int i = 0; i < 20; i++)
		if (i != left[0] && i != left[1] && i != left[2])
			poke(&e, child[i], a, 9);
	/* It finds the three, and nothing to keep them in: no need to go on behind the last. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(age(&e, child[2], a).looks, 1 + 20 - left[0]);
	assert_int_equal(objects_of(&e, RMAP_KIND_CO_OWNERS), 0);
	/* The next fork, of whomsoever, puts something by. */
	late = engine_fork(&e, child[0]);
	assert_int_equal(objects_of(&e, RMAP_KIND_CO_OWNERS), 16);
	assert_int_equal(age(&e, child[2], a).looks, 22);
	assert_int_equal(age(&e, child[2], a).looks, 3);
	assert_int_equal(walk_from(&e, child[2], a, false).found, 3);
	assert_int_equal(objects_of(&e, RMAP_KIND_CO_OWNERS), 16);
	swap_out(&e, child[2], a);
	for (int i = 0; i < 3; i++)
		assert_int_equal(peek(&e, child[left[i]], a), 7);
	assert_int_equal(walk_from(&e, child[2], a, false).looks, 3);
	for (int i = 0; i < 20; i++)
		mm_put(child[i]);
	mm_put(late);
	mm_put(parent);
	engine_teardown(&e);
}

/*
 *   parent - c0 c1 … c199      every third keeps the page, which are too many for a list: a sieve
 *
 * covers: 1.2-7
 */
static void many_of_still_more(void **state)
{
	enum { CHILDREN = 200, LEFT = 67 };
	struct mm *child[CHILDREN], *late, *grandchild[3];
	struct engine e;

	(void)state;
	for (int with_parent = 0; with_parent < 2; with_parent++) {
		lineage_setup(&e, 4096, 64);
		struct mm *parent = engine_mm(&e);
		uint64_t a = map_anon(&e, parent, BASE, 1), left = LEFT + (uint64_t)with_parent;

		poke(&e, parent, a, 7);
		for (int i = 0; i < CHILDREN; i++)
			assert_int_equal(mm_fork(parent, &child[i]), 0);
		for (int i = 0; i < CHILDREN; i++)
			if (i % 3)
				assert_int_equal(touch_write(&e, child[i], a), 0);
		if (!with_parent)
			assert_int_equal(touch_write(&e, parent, a), 0);
		engine_check(&e);
		/* All are looked at, and once more to make the sieve. */
		assert_int_equal(settle_from(&e, child[0], a, true).looks, 2 * (CHILDREN + 1));
		assert_int_equal(objects_of(&e, RMAP_KIND_CO_OWNERS), 1);
		struct rmap_walk walk = settle_from(&e, child[0], a, true);

		assert_int_equal(walk.found, left);
		assert_int_equal(walk.looks, left);
		assert_int_equal(settle_from(&e, child[0], a, false).looks, left);

		/* Who is forked later has it if the one who forks him has: the parent, or one that the sieve lets pass. */
		late = engine_fork(&e, parent);
		walk = settle_from(&e, child[0], a, false);
		assert_int_equal(walk.found, left + (uint64_t)with_parent);
		assert_int_equal(walk.looks, walk.found);
		for (int i = 0; i < 3; i++)
			grandchild[i] = engine_fork(&e, child[i * 3]);
		walk = settle_from(&e, child[0], a, false);
		assert_int_equal(walk.found, left + 3 + (uint64_t)with_parent);
		assert_int_equal(walk.looks, walk.found);

		/* Heirs come up to where those were whom the sieve knows. */
		mm_put(child[0]);
		mm_put(child[3]);
		mm_put(child[1]);
		engine_check(&e);
		walk = settle_from(&e, child[9], a, false);
		assert_int_equal(walk.found, left + 1 + (uint64_t)with_parent);
		assert_int_equal(walk.looks, walk.found);
		mm_put(late);
		swap_out(&e, grandchild[0], a);
		for (int i = 6; i < CHILDREN; i += 3)
			assert_int_equal(peek(&e, child[i], a), 7);
		for (int i = 0; i < 3; i++)
			assert_int_equal(peek(&e, grandchild[i], a), 7);
		/* When its top has gone there is nothing to go by; the next walk makes another. */
		mm_put(parent);
		engine_check(&e);
		(void)settle_from(&e, grandchild[1], a, true);
		walk = settle_from(&e, grandchild[1], a, true);
		assert_int_equal(walk.found, LEFT + 1);
		assert_int_equal(walk.looks, walk.found);
		for (int i = 2; i < CHILDREN; i++)
			if (i != 3)
				mm_put(child[i]);
		for (int i = 0; i < 3; i++)
			mm_put(grandchild[i]);
		engine_teardown(&e);
	}
}

/*
 * Where a sieve does not help it is not made again and again: below each child that has the page are two that have not.
 */
static void a_sieve_of_no_use(void **state)
{
	enum { CHILDREN = 60 };
	struct mm *child[CHILDREN], *below[2 * CHILDREN];
	struct engine e;

	(void)state;
	lineage_setup(&e, 4096, 0);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 1);

	poke(&e, parent, a, 7);
	for (int i = 0; i < CHILDREN; i++) {
		assert_int_equal(mm_fork(parent, &child[i]), 0);
		for (int j = 2 * i; j < 2 * i + 2; j++) {
			assert_int_equal(mm_fork(child[i], &below[j]), 0);
			assert_int_equal(touch_write(&e, below[j], a), 0);
		}
	}
	engine_check(&e);
	assert_int_equal(settle_from(&e, parent, a, true).looks, 2 * (3 * CHILDREN + 1));
	/* The next one goes to the end to know what it is good for; from then on they stop where they may. */
	assert_int_equal(settle_from(&e, parent, a, true).looks, 3 * CHILDREN + 1);
	assert_int_equal(settle_from(&e, parent, a, true).looks, 3 * CHILDREN - 1);
	assert_int_equal(settle_from(&e, parent, a, false).looks, 3 * CHILDREN + 1);
	/* A tenth fewer, and it is worth another try. */
	for (int i = 0; i < 10; i++)
		poke(&e, child[i], a, 8);
	assert_int_equal(settle_from(&e, parent, a, true).looks, 2 * (3 * CHILDREN + 1));
	assert_int_equal(settle_from(&e, parent, a, true).looks, 3 * (CHILDREN - 10) + 1);
	for (int i = 0; i < CHILDREN; i++)
		mm_put(child[i]);
	for (int i = 0; i < 2 * CHILDREN; i++)
		mm_put(below[i]);
	mm_put(parent);
	engine_teardown(&e);
}

/* No memory for it, or not enough: the walk is as good as without, and nothing is lost. */
static void no_memory_for_a_sieve(void **state)
{
	enum { CHILDREN = 400 };
	struct engine_config config = { .machine = { .nr_frames = 8192 },
					.mm = { .design = &rmap_lineage } };
	static struct mm *child[CHILDREN];
	struct testport *tp;
	struct engine e;

	(void)state;
	faulty_setup(&e, &tp, &config);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 1);

	poke(&e, parent, a, 7);
	for (int i = 0; i < CHILDREN; i++)
		assert_int_equal(mm_fork(parent, &child[i]), 0);
	for (int i = 0; i < CHILDREN; i++)
		if (i % 4)
			assert_int_equal(touch_write(&e, child[i], a), 0);
	for (uint64_t n = 1; n <= 2; n++) {
		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
		assert_int_equal(settle_from(&e, parent, a, false).looks, CHILDREN + 1);
		assert_int_equal(testport_fail_none(tp), 1);
		assert_int_equal(objects_of(&e, RMAP_KIND_CO_OWNERS), 0);
	}
	/* 400 bits: two blocks. */
	assert_int_equal(settle_from(&e, parent, a, false).looks, 2 * (CHILDREN + 1));
	assert_int_equal(objects_of(&e, RMAP_KIND_CO_OWNERS), 2);
	assert_int_equal(settle_from(&e, parent, a, false).looks, CHILDREN / 4 + 1);
	for (int i = 0; i < CHILDREN; i++)
		mm_put(child[i]);
	mm_put(parent);
	faulty_teardown(&e, tp);
}

/* A crowd at random: whatever a sieve holds back must not have the page. The checker walks from every page behind each operation. */
static void a_crowd(void **state)
{
	enum { MOST = 150, PAGES = 4, STEPS = 700 };
	static struct mm *mm[MOST];
	uint64_t sieves = 0;
	struct engine e;
	int nr = 1;

	(void)state;
	lineage_setup(&e, 4096, 256);
	srandom(7);
	mm[0] = engine_mm(&e);
	uint64_t a = map_anon(&e, mm[0], BASE, PAGES);

	for (uint64_t i = 0; i < PAGES; i++)
		poke(&e, mm[0], a + i * PAGE, i);
	for (; nr < 110; nr++)
		assert_int_equal(mm_fork(mm[random() % 100 < 90 ? 0 : random() % nr], &mm[nr]), 0);
	for (int step = 0; step < STEPS; step++) {
		int at = (int)(random() % nr);
		uint64_t addr = a + (uint64_t)random() % PAGES * PAGE;
		unsigned int what = (unsigned int)random() % 100;

		if (what < 35) {
			assert_int_equal(touch_write(&e, mm[at], addr), 0);
		} else if (what < 50 && nr < MOST) {
			assert_int_equal(mm_fork(mm[at], &mm[nr]), 0);
			nr++;
		} else if (what < 60 && nr > 90) {
			mm_put(mm[at]);
			mm[at] = mm[--nr];
		} else if (what < 63) {
			struct page *page = page_info(mm[at], addr).page;

			if (page)
				mm_reclaim(e.sys, 8);
		} else {
			assert_int_equal(touch_read(&e, mm[at], addr), 0);
			struct page *page = page_info(mm[at], addr).page;
			struct rmap_walk walk = { .flags = what % 2 ? RMAP_WALK_STOP_AT_MAPCOUNT
								    : 0 };
			uint64_t before = objects_of(&e, RMAP_KIND_CO_OWNERS);

			assert_int_equal(mm_walk_page(e.sys, page, &walk), 0);
			sieves += walk.found > 48 && objects_of(&e, RMAP_KIND_CO_OWNERS) > before;
		}
		engine_check(&e);
	}
	assert_true(sieves > 3);
	while (nr)
		mm_put(mm[--nr]);
	engine_teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_page_is_remembered),
		cmocka_unit_test(a_file_page_of_many),
		cmocka_unit_test(who_unmapped_it_is_left_aside),
		cmocka_unit_test(one_number_in_many_places),
		cmocka_unit_test(some_have_it_on_disk),
		cmocka_unit_test(the_slot_learns_too),
		cmocka_unit_test(a_page_forked_on_disk_is_no_elder_childs),
		cmocka_unit_test(many_of_still_more),
		cmocka_unit_test(a_sieve_of_no_use),
		cmocka_unit_test(no_memory_for_a_sieve),
		cmocka_unit_test(a_crowd),
		cmocka_unit_test(reclaim_alone_settles),
	};

	return cmocka_run_group_tests_name("lineage_looks", tests, NULL, NULL);
}
