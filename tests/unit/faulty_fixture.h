/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine on the test port for each test of a program, in e and tp; for cmocka_unit_test_setup_teardown(). */
#ifndef TESTS_FAULTY_FIXTURE_H
#define TESTS_FAULTY_FIXTURE_H

#include "faulty.h"

#include "mm/reclaim.h"

static struct engine e;
static struct testport *tp;

static inline int setup_as(const struct engine_config *config)
{
	faulty_setup(&e, &tp, config);
	return 0;
}

static inline int setup(void **state)
{
	(void)state;
	return setup_as(NULL);
}

/* 128 frames of memory, of which some are tables and reserves; plenty of swap. */
static inline int setup_small(void **state)
{
	struct engine_config config = { .machine = { .nr_frames = 128, .nr_swap_slots = 1024 } };

	(void)state;
	return setup_as(&config);
}

static inline int teardown(void **state)
{
	(void)state;
	faulty_teardown(&e, tp);
	return 0;
}

/* All that can go goes out. */
static inline void push_out(void)
{
	reclaim_all(e.sys);
	engine_check(&e);
}

#endif
