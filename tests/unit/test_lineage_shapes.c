// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage: what walks cost in families of many shapes, to the look and to the step. Around each limit (few enough to be worth it, as
 * many as a list holds, a tenth more, a tenth less) there is a shape on either side of it.
 *
 *   P - c0 c1 … cn      a page of P's; some children keep it, spread evenly, the others write their own, or have unmapped it
 *
 * Three walks as who takes a page out walks (the first keeps something for the next, if that is worth it) and one that looks at all.
 * Then some of those who have the page let go of it, and two walks; then who is left forks, and two more. A walk is told as
 * looks/steps/found, and behind that how many objects it keeps.
 *
 * Who means to change what they cost finds what is to stand here in what a failed test prints.
 */
#include "lineage.h"

#include <stdio.h>
#include <string.h>

#define BASE 0x10000000ull

enum { MOST = 260, FORKS = 3 };

struct shape {
	int children, keep; /* of them */
	int go;		    /* of those that keep it, later */
	bool unmaps;	    /* the others have unmapped it, which costs a step and no look */
	bool parent;	    /* has it, too */
	int depth; /* 1: all are P's children; n: every n-th is, the others are the child's before */
	const char *walks;
};

static struct engine e;
static struct mm *parent, *child[MOST], *late[FORKS];

static bool keeps(const struct shape *s, int i)
{
	return (i + 1) * s->keep / s->children != i * s->keep / s->children;
}

static void lets_go(const struct shape *s, struct mm *mm)
{
	if (s->unmaps)
		assert_int_equal(mm_munmap(mm, BASE, PAGE), 0);
	else
		assert_int_equal(touch_write(&e, mm, BASE), 0);
}

static void make(const struct shape *s)
{
	lineage_setup(&e, 4096, 64);
	parent = engine_mm(&e);
	map_anon(&e, parent, BASE, 1);
	poke(&e, parent, BASE, 7);
	for (int i = 0; i < s->children; i++)
		assert_int_equal(mm_fork(i % s->depth ? child[i - 1] : parent, &child[i]), 0);
	for (int i = 0; i < s->children; i++)
		if (!keeps(s, i))
			lets_go(s, child[i]);
	if (!s->parent)
		lets_go(s, parent);
}

static void walk(struct mm *from, bool stop, char *line, size_t size)
{
	struct rmap_walk walk = settle_from(&e, from, BASE, stop);
	uint64_t kept = objects_of(&e, RMAP_KIND_CO_OWNERS);
	char sets[24] = "";

	if (kept)
		snprintf(sets, sizeof(sets), "+%d", (int)kept);
	snprintf(line + strlen(line), size - strlen(line), "%s%d/%d/%d%s", *line ? " " : "",
		 (int)walk.looks, (int)walk.steps, (int)walk.found, sets);
}

/* The last that has it, and was not among those who went. */
static struct mm *last_keeper(const struct shape *s)
{
	for (int i = s->children - 1; i >= 0; i--)
		if (keeps(s, i))
			return child[i];
	return parent;
}

static void some_go(const struct shape *s)
{
	for (int i = 0, gone = 0; i < s->children && gone < s->go; i++) {
		if (!keeps(s, i))
			continue;
		lets_go(s, child[i]);
		gone++;
	}
}

static void walks_of(const struct shape *s, char *line, size_t size)
{
	struct mm *from;

	make(s);
	from = last_keeper(s);
	for (int i = 0; i < 4; i++)
		walk(from, i < 3, line, size);
	some_go(s);
	for (int i = 0; i < 2; i++)
		walk(from, true, line, size);
	for (int i = 0; i < FORKS; i++)
		assert_int_equal(mm_fork(from, &late[i]), 0);
	for (int i = 0; i < 2; i++)
		walk(late[i], true, line, size);
	for (int i = 0; i < FORKS; i++)
		mm_put(late[i]);
	for (int i = 0; i < s->children; i++)
		mm_put(child[i]);
	mm_put(parent);
	engine_teardown(&e);
}

#include "lineage_shapes.h"

static void try_shapes(const struct shape *shapes, size_t nr)
{
	bool same = true;

	for (const struct shape *s = shapes; s < shapes + nr; s++) {
		char line[512] = "";

		walks_of(s, line, sizeof(line));
		if (!strcmp(line, s->walks))
			continue;
		same = false;
		print_message("\t{ %d, %d, %d, %s, %s, %d,\n\t  \"%s\" },\n", s->children, s->keep,
			      s->go, s->unmaps ? "true" : "false", s->parent ? "true" : "false",
			      s->depth, line);
	}
	assert_true(same);
}

#define SHAPES(name)                                                                               \
	static void name(void **state)                                                             \
	{                                                                                          \
		(void)state;                                                                       \
		try_shapes(name##_shapes, sizeof(name##_shapes) / sizeof(name##_shapes[0]));       \
	}

SHAPES(one_or_few)
SHAPES(unmapped)
SHAPES(lists)
SHAPES(sieves)
SHAPES(deep)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_or_few), cmocka_unit_test(unmapped), cmocka_unit_test(lists),
		cmocka_unit_test(sieves),     cmocka_unit_test(deep),
	};

	return cmocka_run_group_tests_name("lineage_shapes", tests, NULL, NULL);
}
