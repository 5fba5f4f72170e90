// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage: what one walk leaves behind for the next, what it may not do for that, and how long it stays in one RCU section.
 */
#include "lineage.h"

#include "mm/page.h"

#define A 0x10000000ull

/*
 *	P      40 children, of which three keep the page: worth a list, if there is memory to be had
 */
static void test_nothing_is_allocated_unasked(void **state)
{
	enum { CHILDREN = 40 };
	struct mm *p, *c[CHILDREN];
	struct rmap_counts before, after;
	struct rmap_walk walk = { .flags = RMAP_WALK_SETTLE };
	struct page *page;
	struct engine e;

	(void)state;
	lineage_setup(&e, 0, 0);
	p = engine_mm(&e);
	map_anon(&e, p, A, 1);
	poke(&e, p, A, 1);
	for (unsigned int i = 0; i < CHILDREN; i++)
		c[i] = engine_fork(&e, p);
	for (unsigned int i = 0; i < CHILDREN; i++)
		if (i % 16)
			poke(&e, c[i], A, i);
	page = page_info(p, A).page;
	rmap_get_counts(mm_system_rmap(e.sys), &before);
	page_lock(e.sys, page);
	assert_int_equal(rmap_walk(mm_system_rmap(e.sys), &page->rmap, &walk), 0);
	page_unlock(e.sys, page);
	engine_check(&e);
	rmap_get_counts(mm_system_rmap(e.sys), &after);
	assert_int_equal(walk.found, 4);
	assert_int_equal(walk.looks, 1 + CHILDREN);
	assert_int_equal(after.object[RMAP_KIND_CO_OWNERS].allocated,
			 before.object[RMAP_KIND_CO_OWNERS].allocated);
	walk = settle_from(&e, p, A, false);
	assert_int_equal(walk.looks, 1 + CHILDREN);
	rmap_get_counts(mm_system_rmap(e.sys), &after);
	assert_true(after.object[RMAP_KIND_CO_OWNERS].allocated >
		    before.object[RMAP_KIND_CO_OWNERS].allocated);
	walk = settle_from(&e, p, A, false);
	assert_int_equal(walk.looks, 4);
	for (unsigned int i = 0; i < CHILDREN; i++)
		mm_put(c[i]);
	mm_put(p);
	engine_teardown(&e);
}

/* ---------------------------------------------------------------- RCU */

static struct mm_port counting;
static const struct mm_port *counted;
static uint64_t left; /* RCU sections */

static void leave(void *ctx)
{
	left++;
	counted->os.rcu_read_unlock(ctx);
}

static const struct mm_port *with_counter(const struct mm_port *port, void *arg)
{
	(void)arg;
	counted = port;
	counting = *port;
	counting.os.rcu_read_unlock = leave;
	return &counting;
}

/* A walk over 700 address spaces leaves its RCU section now and then, so that grace periods end. */
static void test_a_long_walk_breathes(void **state)
{
	enum { CHILDREN = 700 };
	static struct mm *c[CHILDREN];
	struct engine_config config = { .machine.nr_frames = 8192,
					.mm.design = &rmap_lineage,
					.wrap = with_counter };
	struct rmap_walk walk = { .flags = 0 };
	struct engine e;
	struct mm *p;

	(void)state;
	engine_setup(&e, &config);
	p = engine_mm(&e);
	map_anon(&e, p, A, 1);
	poke(&e, p, A, 1);
	for (unsigned int i = 0; i < CHILDREN; i++)
		assert_int_equal(mm_fork(p, &c[i]), 0);
	engine_check(&e);
	left = 0;
	assert_int_equal(rmap_walk(mm_system_rmap(e.sys), &page_info(p, A).page->rmap, &walk), 0);
	assert_int_equal(walk.found, 1 + CHILDREN);
	/* 701 address spaces, 256 at a time. */
	assert_int_equal(left, 3);
	for (unsigned int i = 0; i < CHILDREN; i++)
		mm_put(c[i]);
	mm_put(p);
	engine_teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_allocated_unasked),
		cmocka_unit_test(test_a_long_walk_breathes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
