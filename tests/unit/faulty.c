// SPDX-License-Identifier: BSD-2-Clause
/* See faulty.h. */
#include "faulty.h"
#include "failed.h"

#include "oom/inject.h"

#include <string.h>

void faulty_setup(struct engine *e, struct testport **tp, const struct engine_config *config)
{
	struct engine_config c = { 0 };
	char error[HOSTED_ERROR] = "";

	test_begins();
	if (config)
		c = *config;
	if (!c.machine.nr_frames)
		c.machine.nr_frames = 2048;
	if (!c.machine.nr_swap_slots)
		c.machine.nr_swap_slots = 1024;
	if (c.machine.nr_swap_slots == UINT64_MAX)
		c.machine.nr_swap_slots = 0;
	c.machine.phantom = c.mm.phantom;
	/* The test port defers, itself. */
	c.machine.deferral = HOSTED_DEFER_TO_BARRIER;
	c.machine.in_memory |= inject_in_tests();
	if (!c.mm.design)
		c.mm.design = engine_design();
	memset(e, 0, sizeof(*e));
	if (testport_create(&c.machine, tp, error))
		fail_msg("%s", error);
	e->h = testport_hosted(*tp);
	assert_int_equal(mm_system_create(&c.mm, testport_port(*tp), &e->sys), 0);
	e->cpu = hosted_cpu(e->h, 0);
	inject_test_system(e->sys);
	engine_check(e);
}

void faulty_teardown(struct engine *e, struct testport *tp)
{
	if (test_has_failed())
		return;
	testport_fail_none(tp);
	engine_check(e);
	inject_test_system(NULL);
	mm_system_destroy(e->sys);
	assert_int_equal(testport_destroy(tp, NULL, NULL), 0);
}

struct mm_file *pattern_file(struct engine *e, uint64_t pages, uint64_t seed)
{
	struct hosted_file *handle;
	struct mm_file *file;

	assert_int_equal(hosted_file_temp(e->h, pages * PAGE, seed, &handle), 0);
	assert_int_equal(mm_file_create(e->sys, handle, pages * PAGE, &file), 0);
	return file;
}

struct mm_file *shmem_file(struct engine *e, uint64_t pages)
{
	struct mm_file *file;

	assert_int_equal(mm_file_create(e->sys, NULL, pages * PAGE, &file), 0);
	return file;
}

uint64_t pattern_word(uint64_t seed, uint64_t offset)
{
	uint64_t word = 0;

	for (unsigned int i = 8; i-- > 0;)
		word = word << 8 | hosted_pattern_byte(seed, offset + i);
	return word;
}

struct mm_memory memory_of(struct engine *e)
{
	struct mm_memory m;

	mm_get_memory(e->sys, &m);
	return m;
}

void settle(struct engine *e)
{
	const struct rmap_port *os = &mm_system_port(e->sys)->os;

	os->rcu_barrier(os->ctx);
	engine_check(e);
}
