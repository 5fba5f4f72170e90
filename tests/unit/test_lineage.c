// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage, rule by rule: who is looked at for a page, who owns it, what stays of the dead, where pages stand that moved.
 */
#include "lineage.h"

#define BASE 0x10000000ull

/*
 *   parent  | A | B |        20 children; a page of a child is the child's; a page of the parent is looked for in those that were
 *   c1…c20  | A | B |        forked after it came, newest first
 *
 * covers: 1.2-1, 1.6-3, 1.7-1
 */
static void birth_and_stamp(void **state)
{
	struct engine e;
	struct mm *child[20];

	(void)state;
	lineage_setup(&e, 0, 0);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 4);

	poke(&e, parent, a, 1);
	for (int i = 0; i < 20; i++) {
		if (i == 10)
			poke(&e, parent, a + 2 * PAGE, 3);
		child[i] = engine_fork(&e, parent);
		assert_int_equal(lineage_birth(node_of(child[i])), i + 1);
		assert_int_equal(lineage_clock(node_of(parent)), i + 1);
	}
	/* All have the first page; those forked after the tenth the second. */
	struct rmap_walk walk = walk_from(&e, parent, a, false);

	assert_int_equal(walk.found, 21);
	assert_int_equal(walk.looks, 21);
	walk = walk_from(&e, parent, a + 2 * PAGE, false);
	assert_int_equal(walk.found, 11);
	assert_int_equal(walk.looks, 11);
	/* Nobody but the parent can have a page that came after all forks. */
	poke(&e, parent, a + PAGE, 2);
	walk = walk_from(&e, parent, a + PAGE, false);
	assert_int_equal(walk.found, 1);
	assert_int_equal(walk.looks, 1);
	assert_int_equal(walk.steps, 1);
	/* A child's own page. */
	poke(&e, child[7], a, 7);
	walk = walk_from(&e, child[7], a, false);
	assert_int_equal(walk.found, 1);
	assert_int_equal(walk.looks, 1);
	assert_int_equal(objects_of(&e, RMAP_KIND_LINEAGE), 21);
	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 0);
	for (int i = 0; i < 20; i++)
		mm_put(child[i]);
	engine_check(&e);
	assert_int_equal(family_locks(&e), 0);
	mm_put(parent);
	engine_teardown(&e);
}

/* Rule 5: a write that finds the page unshared makes it the writer's, as of now. covers: 1.4-2 */
static void adopt(void **state)
{
	struct engine e;

	(void)state;
	lineage_setup(&e, 0, 0);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 1);

	poke(&e, parent, a, 1);
	struct mm *child = engine_fork(&e, parent);
	struct mm *other = engine_fork(&e, parent);

	mm_put(parent);
	mm_put(other);
	engine_check(&e);
	poke(&e, child, a, 2);
	assert_ptr_equal((void *)(page_info(child, a).page
					  ? mm_page_rmap(page_info(child, a).page)->mapping
					  : 0),
			 (void *)((uintptr_t)node_of(child) | RMAP_MAPPING_ANON));
	assert_int_equal(walk_from(&e, child, a, false).looks, 1);
	mm_put(child);
	engine_teardown(&e);
}

/*
 * Clocks at their end: births stop at the largest number, stamps below it, and nothing is missed.
 *
 *   clock   max-3 … max-1      children   max-2, max-1, max, max, max
 */
static void saturation(void **state)
{
	struct engine e;
	struct mm *child[8];

	(void)state;
	lineage_setup(&e, 0, 0);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 16);

	atomic_store(&node_of(parent)->clock, LINEAGE_BIRTH_MAX - 3);
	for (uint64_t i = 0; i < 8; i++) {
		poke(&e, parent, a + i * PAGE, i);
		child[i] = engine_fork(&e, parent);
	}
	assert_int_equal(lineage_clock(node_of(parent)), LINEAGE_STAMP_MAX);
	for (uint64_t i = 0; i < 8; i++) {
		struct rmap_walk walk = walk_from(&e, parent, a + i * PAGE, false);

		assert_int_equal(walk.found, 9 - i);
		/* From the third on all are looked at who were born at the end. */
		assert_int_equal(walk.looks, i < 3 ? 9 - i : 7);
	}
	poke(&e, parent, a + 9 * PAGE, 9);
	assert_int_equal(walk_from(&e, parent, a + 9 * PAGE, false).found, 1);
	for (uint64_t i = 0; i < 8; i++)
		mm_put(child[i]);
	mm_put(parent);
	engine_teardown(&e);
}

/*
 * Rule 8: a line of processes, each forks and exits. The first one's page is still the last one's; nodes do not pile up, whether
 * each leaves pages of its own or not.
 *
 *   g0 → g1 → g2 → … → g999          dead ones forward, and are known by whom they forward to
 *
 * covers: B7, 1.2-8
 */
static void dead_generations(void **state)
{
	(void)state;
	for (int writes = 0; writes < 2; writes++) {
		struct engine_config config = { .mm = { .design = &rmap_lineage } };
		struct engine e;

		engine_setup(&e, &config);
		struct mm *mm = engine_mm(&e);
		uint64_t a = map_anon(&e, mm, BASE, 64), most = 0;

		poke(&e, mm, a, 1);
		for (uint64_t i = 1; i < 1000; i++) {
			struct mm *child;

			if (writes)
				assert_int_equal(touch_write(&e, mm, a + (1 + i % 60) * PAGE), 0);
			assert_int_equal(mm_fork(mm, &child), 0);
			mm_put(mm);
			mm = child;
			if (i % 50 == 0) {
				engine_check(&e);
				mm_system_rmap(e.sys)->port->rcu_barrier(
					mm_system_rmap(e.sys)->port->ctx);
			}
			if (i % 50 == 0 && objects_of(&e, RMAP_KIND_LINEAGE) > most)
				most = objects_of(&e, RMAP_KIND_LINEAGE);
		}
		engine_check(&e);
		/* The first and the last; or one for each of 61 pages at the most, and hubs. */
		assert_true(most <= (writes ? 61 + 2 * 61 / LINEAGE_HUB + 2 : 2));
		(void)walk_from(&e, mm, a, false);
		struct rmap_walk walk = walk_from(&e, mm, a, false);

		assert_int_equal(walk.found, 1);
		assert_int_equal(walk.looks, 1);
		assert_true(walk.steps <= 3);
		mm_put(mm);
		engine_teardown(&e);
	}
}

/*
 * Rules 6 and 7: a page that few of many are left with. The first complete walk looks at all; the next ones only at those.
 *
 *   parent - c0 c1 … c39       all but a few write; with the parent or without
 */
static void survivors(void **state)
{
	static const int left[][4] = {
		{ 0, -1 }, { 39, -1 }, { 20, -1 }, { 0, 39, -1 }, { 3, 20, 37, -1 }
	};

	(void)state;
	for (unsigned int set = 0; set < 10; set++) {
		const int *keep = left[set / 2];
		bool with_parent = set % 2;
		struct mm *child[40];
		struct engine e;
		uint64_t found = with_parent;

		lineage_setup(&e, 4096, 0);
		struct mm *parent = engine_mm(&e), *one = NULL;
		uint64_t a = map_anon(&e, parent, BASE, 1);

		poke(&e, parent, a, 1);
		for (int i = 0; i < 40; i++)
			assert_int_equal(mm_fork(parent, &child[i]), 0);
		for (int i = 0; i < 40; i++) {
			bool kept = false;

			for (const int *k = keep; *k >= 0; k++)
				kept |= *k == i;
			if (kept)
				one = child[i];
			else
				assert_int_equal(touch_write(&e, child[i], a), 0);
			found += kept;
		}
		if (!with_parent)
			assert_int_equal(touch_write(&e, parent, a), 0);
		engine_check(&e);
		struct rmap_walk first = settle_from(&e, one, a, false);
		struct rmap_walk second = settle_from(&e, one, a, false);

		assert_int_equal(first.found, found);
		assert_int_equal(first.looks, 41);
		assert_int_equal(second.found, found);
		assert_int_equal(second.looks, found);
		assert_int_equal(objects_of(&e, RMAP_KIND_CO_OWNERS), found > 1);

		/* Those who fork again are still found with all their children; the page can go out and come back. */
		struct mm *grandchild = engine_fork(&e, one);

		assert_int_equal(walk_from(&e, one, a, false).found, found + 1);
		swap_out(&e, one, a);
		assert_int_equal(peek(&e, grandchild, a), 1);
		assert_int_equal(peek(&e, one, a), 1);
		assert_int_equal(STEP(&e, mm_migrate(one, a)), 0);
		for (int i = 0; i < 40; i++)
			mm_put(child[i]);
		engine_check(&e);
		assert_int_equal(peek(&e, grandchild, a), 1);
		mm_put(parent);
		mm_put(grandchild);
		engine_teardown(&e);
	}
}

/* A walk that may stop goes on to the end where that pays: the middle one of many costs its looks once. */
static void settle_goes_to_the_end(void **state)
{
	struct mm *child[50];
	struct engine e;

	(void)state;
	lineage_setup(&e, 0, 0);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 1);

	poke(&e, parent, a, 1);
	for (int i = 0; i < 50; i++)
		child[i] = engine_fork(&e, parent);
	for (int i = 0; i < 50; i++)
		if (i != 25)
			poke(&e, child[i], a, 2);
	poke(&e, parent, a, 3);
	assert_int_equal(settle_from(&e, child[25], a, true).looks, 51);
	assert_int_equal(settle_from(&e, child[25], a, true).looks, 1);
	/* The parent's is found at once: nothing to settle. */
	assert_int_equal(settle_from(&e, parent, a, true).looks, 1);
	for (int i = 0; i < 50; i++)
		mm_put(child[i]);
	mm_put(parent);
	engine_teardown(&e);
}

/*
 *   parent   | A A A A |        child moves its A; parent forks on; grandchildren inherit the place
 *   child             | A A A A |
 *
 * covers: 1.10-1, 1.2-10
 */
static void displaced(void **state)
{
	struct engine e;
	uint64_t b;

	(void)state;
	lineage_setup(&e, 0, 0);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 4);

	for (uint64_t i = 0; i < 4; i++)
		poke(&e, parent, a + i * PAGE, i + 1);
	struct mm *child = engine_fork(&e, parent);

	assert_int_equal(
		STEP(&e, mm_mremap(child, a, 4 * PAGE, 4 * PAGE,
				   MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, a + 64 * PAGE, &b)),
		0);
	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 1);
	struct rmap_walk walk = walk_from(&e, parent, a, false);

	assert_int_equal(walk.found, 2);
	assert_true(walk.looks <= 3);
	struct mm *grandchild = engine_fork(&e, child);

	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 2);
	assert_int_equal(walk_from(&e, parent, a, false).found, 3);

	/* What is mapped where the pages came from is not taken for them: numbers of its own. */
	assert_int_equal(map_anon(&e, child, a, 4), a);
	poke(&e, child, a, 9);
	walk = walk_from(&e, child, a, false);
	assert_int_equal(walk.found, 1);
	assert_int_equal(walk.looks, 1);
	poke(&e, grandchild, b, 8);
	/* At home is something else, with other numbers: no look there. */
	assert_int_equal(walk_from(&e, grandchild, b, false).looks, 1);

	/* Split, and merged again; one half home again. */
	assert_int_equal(STEP(&e, mm_mprotect(grandchild, b, 2 * PAGE, MM_PROT_READ)), 0);
	assert_int_equal(
		STEP(&e, mm_mprotect(grandchild, b, 2 * PAGE, MM_PROT_READ | MM_PROT_WRITE)), 0);
	assert_int_equal(STEP(&e, mm_mremap(grandchild, b, 2 * PAGE, 2 * PAGE,
					    MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, a, &b)),
			 0);
	assert_int_equal(peek(&e, grandchild, a), 8);
	assert_int_equal(peek(&e, grandchild, a + PAGE), 2);
	assert_int_equal(peek(&e, grandchild, a + 66 * PAGE), 3);
	swap_out(&e, parent, a + PAGE);
	assert_int_equal(peek(&e, grandchild, a + PAGE), 2);
	assert_int_equal(STEP(&e, mm_munmap(grandchild, a, 128 * PAGE)), 0);
	assert_int_equal(family_locks(&e), 0);
	mm_put(parent);
	mm_put(child);
	engine_check(&e);
	mm_put(grandchild);
	engine_teardown(&e);
}

/*
 * A displaced VMA that grows downwards past page zero: its home numbers are negative.
 *
 *   home   -24 … -5 | -4 … 15 | 16 … 19        place   | deep | below | moved |
 */
static void below_zero(void **state)
{
	struct engine e;
	uint64_t low = 16 * PAGE, b;

	(void)state;
	lineage_setup(&e, 0, 0);
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, low, 4);

	for (uint64_t i = 0; i < 4; i++)
		poke(&e, mm, a + i * PAGE, i + 1);
	assert_int_equal(STEP(&e, mm_mremap(mm, a, 4 * PAGE, 4 * PAGE,
					    MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, BASE, &b)),
			 0);
	/* Tier 1 by itself: libmm's rule compares linear numbers, which here would have to wrap. */
	struct rmap *rmap = mm_system_rmap(e.sys);
	struct rmap_vma *vma = rmap->port->vma_find(rmap->port->tables_ctx, mm_rmap(mm), b);
	struct rmap_vma below, deep;
	bool imported;

	rmap_vma_init(&below, mm_rmap(mm), b - 20 * PAGE, b, vma->pgoff - 20, NULL, vma->flags);
	assert_true(rmap_vma_may_merge(rmap, vma, &below));
	assert_int_equal(rmap_vma_merge_prepare(rmap, &below, vma, &imported), 0);
	assert_true(imported);
	assert_int_equal(rmap_page_index(rmap, &below, b - 20 * PAGE), (uint64_t)-4);
	assert_null(rmap_vma_check(rmap, &below));
	assert_null(rmap_vma_check(rmap, vma));
	assert_int_equal(walk_from(&e, mm, b, false).found, 1);
	rmap_vma_init(&deep, mm_rmap(mm), below.start - 20 * PAGE, below.start, below.pgoff - 20,
		      NULL, vma->flags);
	assert_int_equal(rmap_vma_merge_prepare(rmap, &deep, &below, &imported), 0);
	assert_true(imported);
	/* Who has a number is found by it, on either side of zero, and nobody else has it. */
	struct lineage *node = lineage_of(vma);
	const struct {
		int64_t number;
		const struct rmap_vma *vma;
	} who[] = { { -25, NULL }, { -24, &deep }, { -5, &deep }, { -4, &below }, { -1, &below },
		    { 0, &below }, { 15, &below }, { 16, vma },	  { 19, vma },	  { 20, NULL } };

	for (unsigned int i = 0; i < sizeof(who) / sizeof(who[0]); i++) {
		uint64_t number = (uint64_t)who[i].number, steps = 0;
		struct lineage_displaced *d = lineage_displaced_first(node, number, &steps);

		assert_ptr_equal(d ? d->vma : NULL, who[i].vma);
		if (d)
			assert_null(lineage_displaced_next(d, number, &steps));
	}
	rmap_vma_merge_undo(rmap, &deep);
	rmap_vma_merge_undo(rmap, &below);
	engine_check(&e);
	mm_put(mm);
	engine_teardown(&e);
}

/*
 * Private mappings of two files at the same offset: their pages' numbers are their addresses, so neither is looked for at the
 * other's place.
 */
static void private_files(void **state)
{
	struct engine e;
	struct mm_file *file[2];

	(void)state;
	lineage_setup(&e, 0, 0);
	struct mm *mm = engine_mm(&e);

	for (int i = 0; i < 2; i++) {
		assert_int_equal(mm_file_create(e.sys, NULL, 16 * PAGE, &file[i]), 0);
		assert_int_equal(map_with(&e, mm, BASE + (uint64_t)i * 64 * PAGE, 8,
					  MM_PROT_READ | MM_PROT_WRITE, MM_MAP_PRIVATE, file[i], 0),
				 BASE + (uint64_t)i * 64 * PAGE);
		poke(&e, mm, BASE + (uint64_t)i * 64 * PAGE, 5);
	}
	struct mm *child = engine_fork(&e, mm);

	for (int i = 0; i < 2; i++) {
		struct rmap_walk walk = walk_from(&e, mm, BASE + (uint64_t)i * 64 * PAGE, false);

		assert_int_equal(walk.found, 2);
		assert_int_equal(walk.looks, 2);
	}
	mm_put(child);
	mm_put(mm);
	for (int i = 0; i < 2; i++)
		mm_file_put(file[i]);
	engine_teardown(&e);
}

/* Pages whose owners are gone while they are on disk, or being moved; clocks that go on meanwhile. covers: B3, 1.12-1 */
static void swap_and_migration(void **state)
{
	struct engine e;

	(void)state;
	lineage_setup(&e, 0, 0);
	struct mm *p = engine_mm(&e);
	uint64_t a = map_anon(&e, p, BASE, 4);

	for (uint64_t i = 0; i < 4; i++)
		poke(&e, p, a + i * PAGE, i + 1);
	struct mm *c = engine_fork(&e, p);
	struct mm *g = engine_fork(&e, c);

	for (uint64_t i = 0; i < 4; i++)
		swap_out(&e, g, a + i * PAGE);
	struct mm *late = engine_fork(&e, g);

	mm_put(p);
	engine_check(&e);
	mm_put(c);
	engine_check(&e);
	assert_int_equal(peek(&e, g, a), 1);
	assert_int_equal(peek(&e, late, a), 1);
	assert_true(same_frame(g, a, late, a));
	assert_int_equal(walk_from(&e, g, a, false).found, 2);
	assert_int_equal(STEP(&e, mm_migrate(g, a)), 0);
	assert_int_equal(walk_from(&e, late, a, false).found, 2);
	poke(&e, late, a + PAGE, 7);
	assert_int_equal(peek(&e, g, a + PAGE), 2);
	mm_put(g);
	engine_check(&e);
	assert_int_equal(peek(&e, late, a + 2 * PAGE), 3);
	poke(&e, late, a + 3 * PAGE, 8);
	mm_put(late);
	engine_teardown(&e);
}

/* Without a check behind it: that of a thousand processes takes its time. */
static void quick_write(struct engine *e, struct mm *mm, uint64_t addr)
{
	uint64_t value = addr;

	assert_int_equal(hosted_write(e->cpu, mm, addr, &value, sizeof(value), NULL), 0);
}

/*
 * The claims of docs/designs/lineage.md at their size: a parent and 1,000 children, which have all of page 0, write page 1, and
 * leave page 2 to the first and the last of them, page 3 to the one in the middle, page 5 to every twentieth, page 6 to every 25th,
 * page 7 to every other.
 */
static void a_thousand_children(void **state)
{
	enum { CHILDREN = 1000 };
	static struct mm *child[CHILDREN];
	struct engine e;

	(void)state;
	lineage_setup(&e, 16384, 16);
	struct mm *parent = engine_mm(&e);
	uint64_t a = map_anon(&e, parent, BASE, 8);

	for (uint64_t i = 0; i < 8; i++)
		if (i != 4)
			poke(&e, parent, a + i * PAGE, i);
	for (int i = 0; i < CHILDREN; i++) {
		assert_int_equal(mm_fork(parent, &child[i]), 0);
		quick_write(&e, child[i], a + PAGE);
	}
	for (int i = 0; i < CHILDREN; i++) {
		if (i != 0 && i != CHILDREN - 1)
			quick_write(&e, child[i], a + 2 * PAGE);
		if (i != CHILDREN / 2)
			quick_write(&e, child[i], a + 3 * PAGE);
		if (i % 20)
			quick_write(&e, child[i], a + 5 * PAGE);
		if (i % 25)
			quick_write(&e, child[i], a + 6 * PAGE);
		if (i % 2)
			quick_write(&e, child[i], a + 7 * PAGE);
	}
	quick_write(&e, parent, a + 2 * PAGE);
	quick_write(&e, parent, a + 3 * PAGE);
	for (uint64_t i = 4; i < 8; i++)
		quick_write(&e, parent, a + i * PAGE);
	engine_check(&e);

	const struct {
		const char *what;
		struct mm *mm;
		uint64_t page, first, second, found;
	} rows[] = {
		{ "child's own page", child[7], 1, 1, 1, 1 },
		{ "parent's page, come after the forks", parent, 4, 1, 1, 1 },
		{ "shared by all", parent, 0, 1001, 1001, 1001 },
		{ "parent's, when all children have written", parent, 1, 1001, 1, 1 },
		{ "left with the one in the middle", child[500], 3, 1001, 1, 1 },
		{ "left with two far apart", child[0], 2, 1001, 2, 2 },
		{ "left with 40", child[0], 6, 1001, 40, 40 },
		/* More than 48 are not listed but sieved, which takes two walks, and a step for each that is not looked at. */
		{ "left with 50", child[0], 5, 2002, 50, 50 },
		{ "left with 500", child[0], 7, 2002, 500, 500 },
	};

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t addr = a + rows[i].page * PAGE;
		struct page *page = page_info(rows[i].mm, addr).page;
		struct rmap_walk first = { .flags = 0 }, second = { .flags = 0 };

		assert_int_equal(mm_walk_page(e.sys, page, &first), 0);
		assert_int_equal(mm_walk_page(e.sys, page, &second), 0);
		print_message("%-42s looks %lu, then %lu (steps %lu) for %lu\n", rows[i].what,
			      (unsigned long)first.looks, (unsigned long)second.looks,
			      (unsigned long)second.steps, (unsigned long)second.found);
		assert_int_equal(first.looks, rows[i].first);
		assert_int_equal(second.looks, rows[i].second);
		assert_int_equal(second.found, rows[i].found);
		assert_true(second.steps <= (rows[i].found > 48 ? 1010 : 2 * second.looks));
	}
	assert_int_equal(objects_of(&e, RMAP_KIND_LINEAGE), CHILDREN + 1);
	for (int i = 0; i < CHILDREN; i++)
		mm_put(child[i]);
	engine_check(&e);
	mm_put(parent);
	engine_teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thousand_children),
		cmocka_unit_test(birth_and_stamp),
		cmocka_unit_test(adopt),
		cmocka_unit_test(saturation),
		cmocka_unit_test(dead_generations),
		cmocka_unit_test(survivors),
		cmocka_unit_test(settle_goes_to_the_end),
		cmocka_unit_test(displaced),
		cmocka_unit_test(below_zero),
		cmocka_unit_test(private_files),
		cmocka_unit_test(swap_and_migration),
	};

	return cmocka_run_group_tests_name("lineage", tests, NULL, NULL);
}
