// SPDX-License-Identifier: BSD-2-Clause
/*
 * Tier 1 as somebody else's kernel may use it: origins of VMAs, by events that libmm does not make in this order or not at all. Under
 * every design the answers are the same wherever the header promises something.
 *
 *       0x10      0x14      0x18      0x1c      0x20                  0x80      0x84      0x88
 *        [ left    ][ middle  ][ right   ][ far     ]                  [ moved   ][ behind  ]
 *  pgoff  0x10       0x14       0x18       0x1c                         0x10       0x14
 */
#include "engine.h"

struct origins {
	struct engine e;
	struct rmap *rmap;
	struct mm *mm;
	struct rmap_vma left, middle, right, far, moved, behind;
};

static void init(struct origins *o, struct rmap_vma *vma, uint64_t page, uint64_t pgoff)
{
	rmap_vma_init(vma, mm_rmap(o->mm), page * PAGE, (page + 4) * PAGE, pgoff, NULL, 0);
	rmap_vma_link(o->rmap, vma);
}

static void set_up(struct origins *o, const struct rmap_ops *design)
{
	struct engine_config config = { .mm.design = design };

	engine_setup(&o->e, &config);
	o->rmap = mm_system_rmap(o->e.sys);
	o->mm = engine_mm(&o->e);
	init(o, &o->left, 0x10, 0x10);
	init(o, &o->middle, 0x14, 0x14);
	init(o, &o->right, 0x18, 0x18);
	init(o, &o->far, 0x1c, 0x1c);
	init(o, &o->moved, 0x80, 0x10);
	init(o, &o->behind, 0x84, 0x14);
}

static void tear_down(struct origins *o)
{
	struct rmap_vma *all[] = {
		&o->left, &o->middle, &o->right, &o->far, &o->moved, &o->behind
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_null(rmap_vma_check(o->rmap, all[i]));
		rmap_vma_unlink(o->rmap, all[i]);
		assert_false(rmap_vma_faulted(o->rmap, all[i]));
	}
	engine_check(&o->e);
	mm_put(o->mm);
	engine_teardown(&o->e);
}

static void prepare(struct origins *o, struct rmap_vma *vma, struct rmap_vma *next,
		    struct rmap_vma *prev)
{
	assert_int_equal(rmap_vma_prepare(o->rmap, vma, next, prev), 0);
	assert_int_equal(rmap_vma_faulted(o->rmap, vma), rmap_knows_faulted(o->rmap));
}

static void may_merge(struct origins *o, const struct rmap_vma *a, const struct rmap_vma *b)
{
	assert_true(rmap_vma_may_merge(o->rmap, a, b));
	assert_true(rmap_vma_may_merge(o->rmap, b, a));
}

/* One that has no origin may merge with anybody, and takes that of the neighbour that has one. */
static void test_neighbours(void **state)
{
	(void)state;
	for (const struct rmap_ops *const *design = rmap_designs; *design; design++) {
		struct origins o;

		set_up(&o, *design);
		may_merge(&o, &o.left, &o.middle);
		/* Both neighbours are as new as itself. */
		prepare(&o, &o.middle, &o.right, &o.left);
		prepare(&o, &o.middle, &o.right, &o.left);
		may_merge(&o, &o.left, &o.middle);
		may_merge(&o, &o.middle, &o.right);
		/* The one behind has an origin, the one before has not. */
		prepare(&o, &o.left, &o.middle, &o.behind);
		may_merge(&o, &o.left, &o.middle);
		/* The one before has one, the one behind has not. */
		prepare(&o, &o.right, &o.far, &o.middle);
		may_merge(&o, &o.middle, &o.right);
		/* There is none behind. */
		prepare(&o, &o.far, NULL, &o.right);
		may_merge(&o, &o.right, &o.far);
		tear_down(&o);
	}
}

/* Moved, so that its pages are at home elsewhere; so are those of who takes its origin. */
static void test_neighbours_of_the_moved(void **state)
{
	(void)state;
	for (const struct rmap_ops *const *design = rmap_designs; *design; design++) {
		struct origins o;

		set_up(&o, *design);
		prepare(&o, &o.left, NULL, NULL);
		assert_int_equal(rmap_vma_clone(o.rmap, &o.moved, &o.left), 0);
		assert_int_equal(rmap_vma_faulted(o.rmap, &o.moved), rmap_knows_faulted(o.rmap));
		may_merge(&o, &o.moved, &o.behind);
		prepare(&o, &o.behind, NULL, &o.moved);
		may_merge(&o, &o.moved, &o.behind);
		/* With one that is displaced there, one that stands at home. */
		prepare(&o, &o.far, NULL, NULL);
		tear_down(&o);
	}
}

/* Nothing is to be had from one without an origin: by fork's event, by clone's, by merge's. */
static void test_nothing_to_share(void **state)
{
	(void)state;
	for (const struct rmap_ops *const *design = rmap_designs; *design; design++) {
		bool imported = false;
		struct origins o;

		set_up(&o, *design);
		assert_int_equal(rmap_vma_clone(o.rmap, &o.middle, &o.left), 0);
		assert_int_equal(rmap_vma_fork(o.rmap, &o.right, &o.left), 0);
		assert_int_equal(rmap_vma_merge_prepare(o.rmap, &o.far, &o.left, &imported), 0);
		assert_false(imported);
		assert_false(rmap_vma_faulted(o.rmap, &o.middle));
		assert_false(rmap_vma_faulted(o.rmap, &o.right));
		assert_false(rmap_vma_faulted(o.rmap, &o.far));
		/* What was taken over can be given back. */
		prepare(&o, &o.left, NULL, NULL);
		assert_int_equal(rmap_vma_merge_prepare(o.rmap, &o.middle, &o.left, &imported), 0);
		if (imported)
			rmap_vma_merge_undo(o.rmap, &o.middle);
		assert_false(rmap_vma_faulted(o.rmap, &o.middle));
		tear_down(&o);
	}
}

/* What cannot be is said of any VMA, whatever the design. */
static void test_empty_vmas(void **state)
{
	const char *empty = "the VMA is empty or ends before it starts";

	(void)state;
	for (const struct rmap_ops *const *design = rmap_designs; *design; design++) {
		struct origins o;
		uint64_t end;

		set_up(&o, *design);
		end = o.left.end;
		o.left.end = o.left.start;
		assert_string_equal(rmap_vma_check(o.rmap, &o.left), empty);
		o.left.end = o.left.start - PAGE;
		assert_string_equal(rmap_vma_check(o.rmap, &o.left), empty);
		o.left.end = end;
		tear_down(&o);
	}
}

/* A page full of slots, such as a table would be: what the designs keep is where they are. */
static pte_t *mm_page_slots(struct origins *o)
{
	return (pte_t *)(uintptr_t)mm_table_root(o->mm);
}

/*
 * A run of pages in one call is what so many calls of one page would be: new ones, such as relatives may have, too; mapped again by
 * another; moved; gone.
 */
static void run_of_pages(struct origins *o, unsigned int flags)
{
	enum { RUN = 3, ALL = (1 << RUN) - 1 };
	struct rmap_page page[RUN] = { 0 }, *pages[RUN];
	struct rmap_reserve reserve = { 0 };
	pte_t *slots = mm_page_slots(o), *more = slots + 8, *moved = slots + 16;

	for (unsigned int i = 0; i < RUN; i++)
		pages[i] = &page[i];
	prepare(o, &o->left, NULL, NULL);
	prepare(o, &o->far, NULL, NULL);
	assert_int_equal(rmap_reserve(o->rmap, &reserve, 2 * RUN), 0);
	assert_int_equal(rmap_page_map(o->rmap, pages, RUN, &o->left, o->left.start, slots,
				       flags | RMAP_MAP_NEW, &reserve),
			 ALL);
	for (unsigned int i = 0; i < RUN; i++) {
		assert_true(rmap_page_is_anon(pages[i]));
		assert_int_equal(rmap_page_mapcount(pages[i]), 1);
		assert_int_equal(rmap_page_is_exclusive(pages[i]),
				 (flags & RMAP_MAP_EXCLUSIVE) != 0);
		assert_int_equal(page[i].index, page[0].index + i);
		rmap_page_share(pages[i]);
	}
	/* Again, by slots of another place: nobody mapped first. */
	assert_int_equal(
		rmap_page_map(o->rmap, pages, RUN, &o->left, o->left.start, more, 0, &reserve), 0);
	assert_int_equal(rmap_page_mapcount(pages[2]), 2);
	assert_int_equal(rmap_page_unmap(o->rmap, pages, RUN, &o->left, o->left.start, more), 0);
	/* One address in all address spaces, and others may have it: such a page does not move. */
	if (rmap_page_may_move(o->rmap, pages[0], false)) {
		assert_int_equal(rmap_vma_clone(o->rmap, &o->moved, &o->left), 0);
		rmap_move_begin(o->rmap, &o->moved, &o->left, false);
		rmap_page_moved(o->rmap, pages, RUN, &o->moved, o->moved.start, moved, &o->left,
				o->left.start, slots);
		rmap_move_end(o->rmap, &o->moved, &o->left, false);
		assert_int_equal(
			rmap_page_unmap(o->rmap, pages, RUN, &o->moved, o->moved.start, moved),
			ALL);
	} else {
		assert_int_equal(
			rmap_page_unmap(o->rmap, pages, RUN, &o->left, o->left.start, slots), ALL);
	}
	for (unsigned int i = 0; i < RUN; i++) {
		assert_int_equal(rmap_page_mapcount(pages[i]), 0);
		rmap_page_free(o->rmap, pages[i]);
		assert_false(rmap_page_is_anon(pages[i]));
	}
	rmap_unreserve(o->rmap, &reserve);
}

static void test_runs(void **state)
{
	(void)state;
	for (const struct rmap_ops *const *design = rmap_designs; *design; design++) {
		struct origins o;

		set_up(&o, *design);
		run_of_pages(&o, RMAP_MAP_EXCLUSIVE);
		tear_down(&o);
		set_up(&o, *design);
		run_of_pages(&o, 0);
		tear_down(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_neighbours_of_the_moved),
		cmocka_unit_test(test_nothing_to_share),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_empty_vmas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
