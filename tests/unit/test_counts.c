// SPDX-License-Identifier: BSD-2-Clause
/*
 * What rmap_get_counts() says of objects: how many live, how many there ever were, and the most at one time, by kind and all together.
 *
 *	objects     /‾‾‾‾\          four children come, and go again
 *	        ___/      \___
 *	peak    ___/‾‾‾‾‾‾‾‾‾‾
 */
#include "engine.h"

#define A 0x10000000ull

enum { CHILDREN = 4 };

static uint64_t all_bytes(const struct rmap_counts *c)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < RMAP_KIND_TIER1_END; i++)
		bytes += c->object[i].bytes;
	return bytes;
}

static void settled_counts(struct engine *e, struct rmap_counts *out)
{
	const struct rmap_port *os = &hosted_port(e->h)->os;

	os->rcu_barrier(os->ctx);
	os->rcu_barrier(os->ctx);
	rmap_get_counts(mm_system_rmap(e->sys), out);
}

static void test_objects(void **state)
{
	struct rmap_counts before, most, after;
	uint64_t peaks = 0;
	struct mm *p, *c[CHILDREN];
	struct engine e;

	(void)state;
	engine_setup(&e, NULL);
	p = engine_mm(&e);
	map_anon(&e, p, A, 2);
	poke(&e, p, A, 1);
	poke(&e, p, A + PAGE, 2);
	settled_counts(&e, &before);
	for (unsigned int i = 0; i < CHILDREN; i++) {
		c[i] = engine_fork(&e, p);
		poke(&e, c[i], A, i);
	}
	settled_counts(&e, &most);
	for (unsigned int i = 0; i < CHILDREN; i++)
		mm_put(c[i]);
	settled_counts(&e, &after);
	for (unsigned int i = 0; i < RMAP_KIND_TIER1_END; i++) {
		struct rmap_object_counts *b = &before.object[i], *m = &most.object[i],
					  *a = &after.object[i];
		uint64_t size = m->objects ? m->bytes / m->objects : 0;

		assert_int_equal(m->bytes, m->objects * size);
		assert_int_equal(a->objects * size, m->objects ? a->bytes : 0);
		/* What came is there, or has gone. */
		assert_true(m->allocated - b->allocated >= m->objects - b->objects);
		assert_int_equal(a->allocated, m->allocated);
		assert_true(a->objects <= m->objects);
		/* Who forks may have had more than it needed, for a moment: an object for each of the child's links. */
		assert_true(m->peak_bytes >= m->bytes);
		assert_true(m->peak_bytes <= m->bytes + 4 * size);
		assert_int_equal(a->peak_bytes, m->peak_bytes);
		peaks += a->peak_bytes;
	}
	assert_int_equal(rmap_bytes(mm_system_rmap(e.sys), RMAP_KIND_TIER1_END), all_bytes(&after));
	assert_true(after.peak_bytes >= all_bytes(&most));
	assert_true(after.peak_bytes <= peaks);
	/* These have nothing for each address space, nor for a page that only one of them has. */
	if (!engine_design_is("scan") && !engine_design_is("anon_vma"))
		assert_true(all_bytes(&most) > all_bytes(&after));
	if (engine_design_is("lineage"))
		assert_int_equal(most.object[RMAP_KIND_LINEAGE].objects, 1 + CHILDREN);
	if (engine_design_is("lineage"))
		assert_int_equal(after.object[RMAP_KIND_LINEAGE].objects, 1);
	mm_put(p);
	engine_teardown(&e);
}

/* A walk that found much is remembered as the longest, shorter ones behind it change that no more. */
static void test_longest_walk(void **state)
{
	struct mm *p, *c[CHILDREN];
	struct rmap_counts counts;
	struct engine e;

	(void)state;
	engine_setup(&e, NULL);
	p = engine_mm(&e);
	map_anon(&e, p, A, 2);
	poke(&e, p, A, 1);
	for (unsigned int i = 0; i < CHILDREN; i++)
		c[i] = engine_fork(&e, p);
	poke(&e, p, A + PAGE, 2);
	assert_int_equal(walk_from(&e, p, A, false).found, 1 + CHILDREN);
	for (unsigned int i = 0; i < CHILDREN; i++)
		mm_put(c[i]);
	assert_int_equal(walk_from(&e, p, A + PAGE, true).found, 1);
	settled_counts(&e, &counts);
	assert_int_equal(counts.walk[RMAP_WALK_PROBE].walks, 2);
	assert_int_equal(counts.walk[RMAP_WALK_PROBE].found, 2 + CHILDREN);
	assert_true(counts.walk[RMAP_WALK_PROBE].looks >= 2 + CHILDREN);
	assert_true(counts.walk[RMAP_WALK_PROBE].max_looks >= 1 + CHILDREN);
	assert_true(counts.walk[RMAP_WALK_PROBE].max_looks < counts.walk[RMAP_WALK_PROBE].looks);
	mm_put(p);
	engine_teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_longest_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
