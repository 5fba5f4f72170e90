// SPDX-License-Identifier: BSD-2-Clause
/* The radix tree of a file's pages, held against a plain array. */
#include "faulty_fixture.h"

#include "mm/file.h"

static void set(struct file_tree *tree, uint64_t index, uintptr_t value)
{
	struct file_tree_spare spare = { 0 };

	assert_int_equal(file_tree_reserve(e.sys, &spare, file_tree_missing(tree, index)), 0);
	file_tree_set(e.sys, tree, index, (void *)value, &spare);
	/* What was said to be missing was needed, to the last node. */
	assert_int_equal(spare.nr, 0);
}

static uintptr_t get(const struct file_tree *tree, uint64_t index)
{
	return (uintptr_t)file_tree_get(tree, index);
}

static uintptr_t take(struct file_tree *tree, uint64_t index)
{
	return (uintptr_t)file_tree_remove(e.sys, tree, index);
}

static void empty_tree(void **state)
{
	struct file_tree tree = { 0 };
	uint64_t index = 0;

	(void)state;
	assert_int_equal(get(&tree, 0), 0);
	assert_int_equal(get(&tree, UINT64_MAX), 0);
	assert_null(file_tree_next(&tree, &index));
	assert_int_equal(take(&tree, 5), 0);
	assert_int_equal(file_tree_missing(&tree, 0), 1);
	assert_int_equal(file_tree_missing(&tree, 63), 1);
	assert_int_equal(file_tree_missing(&tree, 64), 2);
	assert_int_equal(file_tree_missing(&tree, UINT64_MAX), 11);
}

/*
 *	    [root]            one node for 0..63; a second level for 64; the root goes again when 64 goes
 *	   /      \
 *	[0..63] [64..127]
 */
static void grows_and_shrinks(void **state)
{
	struct file_tree tree = { 0 };

	(void)state;
	set(&tree, 3, 8);
	assert_int_equal(objects_of(&e, RMAP_KIND_FILE_NODE), 1);
	set(&tree, 64, 16);
	assert_int_equal(tree.height, 2);
	assert_int_equal(objects_of(&e, RMAP_KIND_FILE_NODE), 3);
	set(&tree, UINT64_MAX, 24);
	assert_int_equal(tree.height, 11);
	assert_int_equal(get(&tree, 3), 8);
	assert_int_equal(get(&tree, 64), 16);
	assert_int_equal(get(&tree, UINT64_MAX), 24);
	assert_int_equal(get(&tree, UINT64_MAX - 1), 0);
	assert_int_equal(tree.count, 3);
	/* Replacing takes no node and counts nothing. */
	assert_int_equal(file_tree_missing(&tree, 64), 0);
	set(&tree, 64, 32);
	assert_int_equal(get(&tree, 64), 32);
	assert_int_equal(tree.count, 3);

	assert_int_equal(take(&tree, UINT64_MAX), 24);
	assert_int_equal(take(&tree, UINT64_MAX), 0);
	assert_int_equal(tree.height, 2);
	assert_int_equal(take(&tree, 64), 32);
	assert_int_equal(tree.height, 1);
	assert_int_equal(get(&tree, 3), 8);
	assert_int_equal(take(&tree, 3), 8);
	assert_null(tree.root);
	assert_int_equal(objects_of(&e, RMAP_KIND_FILE_NODE), 0);
}

/* Gaps of all sizes are passed in one call. */
static void next_passes_gaps(void **state)
{
	static const uint64_t places[] = { 0,	      1,      62,	  64,
					   127,	      128,    4095,	  4096,
					   262143,    262144, 1ull << 40, (1ull << 52) - 1,
					   UINT64_MAX };
	struct file_tree tree = { 0 };
	uint64_t index = 0;
	unsigned int i, n = sizeof(places) / sizeof(places[0]);

	(void)state;
	for (i = 0; i < n; i++)
		set(&tree, places[i], (i + 1) * 8);
	for (i = 0; i < n; i++) {
		assert_int_equal((uintptr_t)file_tree_next(&tree, &index), (i + 1) * 8);
		assert_true(index == places[i]);
		index++;
	}
	assert_true(index == 0); /* behind the largest there is nothing */
	for (i = 0; i + 1 < n; i++) {
		index = places[i] + 1;
		assert_int_equal((uintptr_t)file_tree_next(&tree, &index), (i + 2) * 8);
		assert_true(index == places[i + 1]);
	}
	for (i = n; i-- > 0;)
		assert_int_equal(take(&tree, places[i]), (i + 1) * 8);
	assert_null(tree.root);
}

#define MODEL 5000

/* From the last entry on nothing follows, though the tree reaches to the end of all numbers; and what is missing two levels up. */
static void ends_where_numbers_end(void **state)
{
	struct file_tree tree = { 0 };
	uint64_t index;

	(void)state;
	set(&tree, 0, 8);
	set(&tree, (uint64_t)1 << 63, 16);
	assert_int_equal(tree.height, 11);
	assert_int_equal(get(&tree, (uint64_t)5 << 50), 0);
	index = ((uint64_t)1 << 63) + 1;
	assert_null(file_tree_next(&tree, &index));
	assert_int_equal(take(&tree, 0), 8);
	assert_int_equal(take(&tree, (uint64_t)1 << 63), 16);
}

static void against_an_array(void **state)
{
	static uintptr_t model[MODEL];
	struct file_tree tree = { 0 };
	uint64_t seed = 1, count = 0;

	(void)state;
	for (int step = 0; step < 100000; step++) {
		uint64_t at, next;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		at = (seed >> 33) % MODEL;
		if (seed >> 63) {
			if (!model[at])
				count++;
			model[at] = ((seed >> 20) | 1) << 3 & UINT32_MAX;
			set(&tree, at, model[at]);
		} else {
			assert_int_equal(take(&tree, at), model[at]);
			if (model[at])
				count--;
			model[at] = 0;
		}
		assert_int_equal(tree.count, count);
		for (next = at; next < MODEL && !model[next]; next++)
			;
		assert_int_equal((uintptr_t)file_tree_next(&tree, &at),
				 next < MODEL ? model[next] : 0);
		if (next < MODEL)
			assert_int_equal(at, next);
	}
	for (uint64_t at = 0; at < MODEL; at++)
		assert_int_equal(take(&tree, at), model[at]);
	assert_null(tree.root);
	assert_int_equal(objects_of(&e, RMAP_KIND_FILE_NODE), 0);
}

/* Nodes are set aside before the tree is touched: with each allocation failing it is as before. */
static void no_memory(void **state)
{
	struct file_tree tree = { 0 };
	struct file_tree_spare spare = { 0 };

	(void)state;
	set(&tree, 1, 8);
	assert_int_equal(file_tree_missing(&tree, 1 << 18), 6);
	for (uint64_t n = 1; n <= 6; n++) {
		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
		assert_int_equal(
			file_tree_reserve(e.sys, &spare, file_tree_missing(&tree, 1 << 18)),
			RMAP_ENOMEM);
		testport_fail_none(tp);
		file_tree_unreserve(e.sys, &spare);
		assert_int_equal(tree.height, 1);
		assert_int_equal(objects_of(&e, RMAP_KIND_FILE_NODE), 1);
	}
	assert_int_equal(take(&tree, 1), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(empty_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(grows_and_shrinks, setup, teardown),
		cmocka_unit_test_setup_teardown(next_passes_gaps, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_where_numbers_end, setup, teardown),
		cmocka_unit_test_setup_teardown(against_an_array, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
