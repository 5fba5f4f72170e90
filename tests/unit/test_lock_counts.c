// SPDX-License-Identifier: BSD-2-Clause
/*
 * Locks that designs take by their own code are counted by what they lock out (docs/compare.md): here by a fork of two VMAs, one of
 * which has pages.
 */
#include "engine.h"

#define A 0x10000000ull

static void fork_takes(const struct rmap_ops *design, uint64_t locks_mm, uint64_t locks_family)
{
	struct engine_config config = { .mm.design = design };
	struct rmap_counts before, after;
	struct mm *p, *c;
	struct engine e;

	engine_setup(&e, &config);
	p = engine_mm(&e);
	map_anon(&e, p, A, 2);
	map_anon(&e, p, A + 16 * PAGE, 2);
	poke(&e, p, A, 1);
	rmap_get_counts(mm_system_rmap(e.sys), &before);
	assert_int_equal(mm_fork(p, &c), 0);
	rmap_get_counts(mm_system_rmap(e.sys), &after);
	assert_int_equal(after.locks_mm - before.locks_mm, locks_mm);
	assert_int_equal(after.locks_family - before.locks_family, locks_family);
	engine_check(&e);
	mm_put(c);
	mm_put(p);
	engine_teardown(&e);
}

static void test_fork(void **state)
{
	(void)state;
	fork_takes(&rmap_lineage, 1, 0);	/* the parent's node */
	fork_takes(&rmap_cow_context, 2, 0);	/* both contexts */
	fork_takes(&rmap_anon_vma_chain, 0, 1); /* the tree's root, for all its links */
	fork_takes(&rmap_anon_vma, 1, 1);	/* who enters the VMA first; the list */
	fork_takes(&rmap_anonmm, 0, 1);		/* the group */
	fork_takes(&rmap_scan, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
