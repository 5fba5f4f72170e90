// SPDX-License-Identifier: BSD-2-Clause
/*
 * Interval trees: the same answers, in the same order, as looking at everything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/interval_tree.h"

struct range {
	struct rb_node node;
	uint64_t first;
	uint64_t last;
	uint64_t subtree_last;
	uint64_t order; /* of insertion, or between two others */
};

static struct range *range_of(const struct rb_node *n)
{
	return rmap_container_of((uintptr_t)n, struct range, node);
}

static uint64_t range_first(const struct rb_node *n)
{
	return range_of(n)->first;
}

static uint64_t range_last(const struct rb_node *n)
{
	return range_of(n)->last;
}

static uint64_t *range_subtree_last(struct rb_node *n)
{
	return &range_of(n)->subtree_last;
}

static bool range_update(struct rb_node *n);

static const struct itree tree = { range_first, range_last, range_subtree_last, range_update };

static bool range_update(struct rb_node *n)
{
	return itree_update(n, &tree);
}

enum { N = 200 };

/* The overlapping ranges by looking at all, by first and then by order. */
static unsigned int brute(struct range *all, uint64_t lo, uint64_t hi, struct range **out)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < N; i++) {
		unsigned int at;

		if (!rb_is_linked(&all[i].node) || all[i].first > hi || all[i].last < lo)
			continue;
		for (at = n++; at > 0 && (out[at - 1]->first > all[i].first ||
					  (out[at - 1]->first == all[i].first &&
					   out[at - 1]->order > all[i].order));
		     at--)
			out[at] = out[at - 1];
		out[at] = &all[i];
	}
	return n;
}

static void compare(struct rb_root *root, struct range *all, uint64_t lo, uint64_t hi)
{
	struct range *expected[N];
	unsigned int n = brute(all, lo, hi, expected);
	uint64_t steps = 0;
	struct rb_node *node = itree_first(root, lo, hi, &tree, &steps);

	for (unsigned int i = 0; i < n; i++) {
		assert_ptr_equal(node, &expected[i]->node);
		node = itree_next(node, lo, hi, &tree, &steps);
	}
	assert_null(node);
	assert_true(steps >= n);
}

static void check(const struct rb_root *root)
{
	assert_true(rb_valid(root));
	for (const struct rb_node *n = rb_first(root); n; n = rb_next(n))
		assert_true(itree_node_valid(root, n, &tree));
}

static uint32_t random_next(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	*s ^= *s << 5;
	return *s;
}

/* covers: 1.5-3 */
static void test_random(void **state)
{
	static struct range all[N];
	struct rb_root root = { NULL };
	uint32_t seed = 4711;
	uint64_t clock = 0;

	(void)state;
	for (unsigned int i = 0; i < N; i++)
		rb_clear(&all[i].node);
	for (unsigned int step = 0; step < 20000; step++) {
		struct range *r = &all[random_next(&seed) % N];
		uint64_t lo = random_next(&seed) % 300;

		if (rb_is_linked(&r->node)) {
			itree_erase(&root, &r->node, &tree);
		} else {
			r->first = random_next(&seed) % 256;
			r->last = r->first + random_next(&seed) % (step % 3 ? 8 : 200);
			r->order = ++clock;
			itree_insert(&root, &r->node, &tree);
		}
		compare(&root, all, lo, lo + random_next(&seed) % 20);
		compare(&root, all, lo, lo);
		if (step % 100 == 0)
			check(&root);
	}
}

/*
 * A child of a fork comes right behind its parent, before others of the same offset.
 *
 * covers: 1.5-12
 */
static void test_insert_after(void **state)
{
	static struct range all[N];
	struct rb_root root = { NULL };
	struct rb_node *node;
	uint64_t steps = 0;
	unsigned int expected[] = { 0, 4, 3, 1, 2 };

	(void)state;
	for (unsigned int i = 0; i < 5; i++) {
		all[i].first = 10;
		all[i].last = 10 + i;
	}
	itree_insert(&root, &all[0].node, &tree);
	itree_insert(&root, &all[1].node, &tree);
	itree_insert(&root, &all[2].node, &tree);
	itree_insert_after(&root, &all[3].node, &all[0].node, &tree);
	itree_insert_after(&root, &all[4].node, &all[0].node, &tree);
	check(&root);
	node = itree_first(&root, 0, 100, &tree, &steps);
	for (unsigned int i = 0; i < 5; i++) {
		assert_ptr_equal(node, &all[expected[i]].node);
		node = itree_next(node, 0, 100, &tree, &steps);
	}
	assert_null(node);
}

/* Ranges at both ends of the numbers. */
static void test_extremes(void **state)
{
	struct range low = { .first = 0, .last = 0 };
	struct range high = { .first = UINT64_MAX, .last = UINT64_MAX };
	struct range whole = { .first = 0, .last = UINT64_MAX };
	struct rb_root root = { NULL };
	uint64_t steps = 0;

	(void)state;
	assert_null(itree_first(&root, 0, UINT64_MAX, &tree, &steps));
	itree_insert(&root, &low.node, &tree);
	itree_insert(&root, &high.node, &tree);
	assert_null(itree_first(&root, 1, UINT64_MAX - 1, &tree, &steps));
	assert_ptr_equal(itree_first(&root, 0, 0, &tree, &steps), &low.node);
	assert_ptr_equal(itree_first(&root, UINT64_MAX, UINT64_MAX, &tree, &steps), &high.node);
	itree_insert(&root, &whole.node, &tree);
	assert_ptr_equal(itree_first(&root, 1, UINT64_MAX - 1, &tree, &steps), &whole.node);
	assert_null(itree_next(&whole.node, 1, UINT64_MAX - 1, &tree, &steps));
	check(&root);
}

/* A search in a tree of n ranges, one of which matches, touches no more nodes than the tree is high. */
static void test_steps(void **state)
{
	static struct range all[4096];
	struct rb_root root = { NULL };

	(void)state;
	for (unsigned int i = 0; i < 4096; i++) {
		all[i].first = all[i].last = i;
		itree_insert(&root, &all[i].node, &tree);
	}
	for (unsigned int i = 0; i < 4096; i++) {
		uint64_t steps = 0;

		assert_ptr_equal(itree_first(&root, i, i, &tree, &steps), &all[i].node);
		assert_null(itree_next(&all[i].node, i, i, &tree, &steps));
		assert_true(steps <= 24);
	}
}

/*
 * The checker is not blind, and damaged values are no trap: a search that was promised more than there is finds nothing.
 *
 *	     [5]
 *	    /   \
 *	  [3]   [7]
 */
static void test_valid_sees_damage(void **state)
{
	struct range low = { .first = 3, .last = 3 };
	struct range middle = { .first = 5, .last = 5 };
	struct range high = { .first = 7, .last = 7 };
	struct rb_root root = { NULL }, other = { NULL };
	struct rb_node *const top = &middle.node;
	uintptr_t parent;
	uint64_t steps = 0;

	(void)state;
	rb_clear(&low.node);
	assert_false(itree_node_valid(&root, &low.node, &tree));
	itree_insert(&root, &middle.node, &tree);
	itree_insert(&root, &low.node, &tree);
	itree_insert(&root, &high.node, &tree);
	assert_ptr_equal(root.node, top);
	check(&root);
	/* In a tree, but not in this one. */
	assert_false(itree_node_valid(&other, &low.node, &tree));
	/* The way up leads round and round. */
	parent = top->parent_color;
	top->parent_color = (uintptr_t)&low.node | (parent & 1);
	assert_false(itree_node_valid(&root, &low.node, &tree));
	top->parent_color = parent;
	/* Out of order, towards either side. */
	middle.first = 2;
	assert_false(itree_node_valid(&root, top, &tree));
	middle.first = 8;
	assert_false(itree_node_valid(&root, top, &tree));
	middle.first = 5;
	/* Something behind 8 is promised: by the right, which has it not, and by the top, which then has nobody on the right. */
	high.subtree_last = middle.subtree_last = 9;
	assert_false(itree_node_valid(&root, &high.node, &tree));
	assert_null(itree_first(&root, 8, 9, &tree, &steps));
	high.subtree_last = 7;
	assert_false(itree_node_valid(&root, top, &tree));
	assert_null(itree_first(&root, 8, 9, &tree, &steps));
	middle.subtree_last = 7;
	check(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_insert_after),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_valid_sees_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
