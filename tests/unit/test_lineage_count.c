// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage: which pages and slots hold a reference on their owner's node (src/rmap/lineage_page.c has the rule), and that nobody's owner
 * goes who is still asked for.
 */
#include "lineage.h"

#include "oom/inject.h"

#include <string.h>

#define BASE 0x10000000ull

static uintptr_t mapping_at(struct mm *mm, uint64_t addr)
{
	return mm_page_rmap(page_info(mm, addr).page)->mapping;
}

static bool counted(struct mm *mm, uint64_t addr)
{
	return mapping_at(mm, addr) & LINEAGE_MAPPING_COUNTED;
}

static uint64_t refs_of(const struct lineage *n)
{
	return atomic_load(&n->refs);
}

/*
 *   parent | A | B |     writes all: nobody counts anything
 *   child  | A | b |     its own copy of B; then the parent lets go of A, which is counted before, and the child makes it its own
 *
 * covers: 1.4-2, 1.7-1
 */
static void when_the_owner_leaves(void **state)
{
	struct engine e;

	(void)state;
	lineage_setup(&e, 0, 0);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 2), b = a + PAGE;

	poke(&e, parent, a, 1);
	poke(&e, parent, b, 2);
	struct mm *child = engine_fork(&e, parent);

	assert_false(counted(parent, a));
	assert_int_equal(refs_of(node_of(parent)), 1);
	poke(&e, child, b, 3);
	assert_false(counted(child, b));
	assert_false(counted(parent, b));
	assert_int_equal(refs_of(node_of(child)), 1);
	/* The parent's write leaves A to the child. */
	poke(&e, parent, a, 4);
	assert_true(counted(child, a));
	assert_ptr_equal(lineage_named(mapping_at(child, a)), node_of(parent));
	assert_int_equal(refs_of(node_of(parent)), 2);
	/* What it has to itself it may drop without a word. */
	assert_int_equal(STEP(&e, mm_munmap(parent, a, 2 * PAGE)), 0);
	assert_int_equal(refs_of(node_of(parent)), 2);
	poke(&e, child, a, 5);
	assert_false(counted(child, a));
	assert_int_equal(refs_of(node_of(parent)), 1);
	mm_put(child);
	mm_put(parent);
	engine_teardown(&e);
}

/* A parent that exits: its node stays as long as its children have pages of it. covers: 1.7-1 */
static void when_the_owner_exits(void **state)
{
	struct engine e;

	(void)state;
	lineage_setup(&e, 0, 0);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 4);

	for (uint64_t i = 0; i < 4; i++)
		poke(&e, parent, a + i * PAGE, i);
	struct mm *one = engine_fork(&e, parent), *two = engine_fork(&e, parent);
	struct lineage *node = node_of(parent);

	/* A dead node with two children is in the tree; then with one it forwards. */
	mm_put(parent);
	engine_check(&e);
	assert_int_equal(refs_of(node), 1 + 4);
	mm_put(one);
	engine_check(&e);
	for (uint64_t i = 0; i < 3; i++) {
		assert_ptr_equal(lineage_named(mapping_at(two, a + i * PAGE)), node);
		assert_int_equal(walk_from(&e, two, a + i * PAGE, false).looks, 1);
		poke(&e, two, a + i * PAGE, 9);
		assert_int_equal(refs_of(node), 4 - i - 1);
	}
	assert_int_equal(STEP(&e, mm_munmap(two, a + 3 * PAGE, PAGE)), 0);
	mm_put(two);
	engine_teardown(&e);
}

/*
 * A page that is its owner's alone goes out: nothing is counted. Then it is forked on disk, and its slot is; who reads it in has the
 * owner from there, also when that one has gone. covers: B3, 1.12-1
 */
static void by_way_of_the_disk(void **state)
{
	struct engine e;

	(void)state;
	lineage_setup(&e, 0, 0);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 2), b = a + PAGE;

	poke(&e, parent, a, 1);
	poke(&e, parent, b, 2);
	swap_out(&e, parent, a);
	swap_out(&e, parent, b);
	assert_int_equal(refs_of(node_of(parent)), 1);
	/* In and out again by the slot that it kept. */
	assert_int_equal(peek(&e, parent, b), 2);
	swap_out(&e, parent, b);
	assert_int_equal(refs_of(node_of(parent)), 1);
	struct mm *child = engine_fork(&e, parent), *other = engine_fork(&e, parent);
	struct lineage *node = node_of(parent);

	assert_int_equal(refs_of(node), 1 + 2);
	/* Its page, which is in the swap cache still or again, is not the parent's that only it maps. */
	assert_int_equal(peek(&e, parent, a), 1);
	mm_put(parent);
	engine_check(&e);
	assert_int_equal(peek(&e, child, a), 1);
	assert_int_equal(peek(&e, other, a), 1);
	assert_true(same_frame(child, a, other, a));
	assert_true(counted(child, a));
	assert_int_equal(walk_from(&e, child, a, false).found, 2);
	mm_put(other);
	engine_check(&e);
	/* The last who comes for it has it alone. */
	assert_int_equal(peek(&e, child, b), 2);
	poke(&e, child, b, 3);
	assert_false(counted(child, b));
	assert_ptr_equal(lineage_named(mapping_at(child, b)), node_of(child));
	mm_put(child);
	engine_teardown(&e);
}

/* While migration entries stand for it, nothing maps a page: it is counted. covers: 1.12-1 */
static void on_the_move(void **state)
{
	struct engine e;

	(void)state;
	lineage_setup(&e, 0, 0);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 1);

	poke(&e, parent, a, 1);
	/* By an entry that is the parent's alone. */
	assert_int_equal(STEP(&e, mm_migrate(parent, a)), 0);
	assert_int_equal(peek(&e, parent, a), 1);
	struct mm *child = engine_fork(&e, parent);

	assert_int_equal(STEP(&e, mm_migrate(parent, a)), 0);
	assert_true(counted(child, a));
	assert_int_equal(refs_of(node_of(parent)), 2);
	mm_put(parent);
	engine_check(&e);
	assert_int_equal(STEP(&e, mm_migrate(child, a)), 0);
	assert_int_equal(walk_from(&e, child, a, false).found, 1);
	mm_put(child);
	engine_teardown(&e);
}

/* The checker sees a page whose owner does not keep it. */
static void checked(void **state)
{
	struct engine e;
	struct mm_check check = { 0 };

	(void)state;
	lineage_setup(&e, 0, 0);
	inject_test_system(NULL); /* the test breaks it */
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 1);

	poke(&e, parent, a, 1);
	struct mm *child = engine_fork(&e, parent);

	poke(&e, parent, a, 2);
	struct rmap_page *page = mm_page_rmap(page_info(child, a).page);

	page->mapping &= ~(uintptr_t)LINEAGE_MAPPING_COUNTED;
	assert_int_not_equal(mm_check(e.sys, &check), 0);
	assert_non_null(strstr(check.message, "its owner does not map it"));
	page->mapping |= LINEAGE_MAPPING_COUNTED;
	engine_check(&e);
	mm_put(child);
	mm_put(parent);
	engine_teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(when_the_owner_leaves),
		cmocka_unit_test(when_the_owner_exits),
		cmocka_unit_test(by_way_of_the_disk),
		cmocka_unit_test(on_the_move),
		cmocka_unit_test(checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
