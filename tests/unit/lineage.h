/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of lineage share: a machine with it, walks that may settle, and a look at a node. */
#ifndef TESTS_LINEAGE_H
#define TESTS_LINEAGE_H

#include "engine.h"

#include "../../src/rmap/lineage.h"

static inline void lineage_setup(struct engine *e, uint64_t frames, uint64_t slots)
{
	struct engine_config config = {
		.machine = { .nr_frames = frames, .nr_swap_slots = slots },
		.mm = { .design = &rmap_lineage },
	};

	engine_setup(e, &config);
}

static inline struct lineage *node_of(struct mm *mm)
{
	return lineage_of_mm(mm_rmap(mm));
}

/* A walk of the page at addr with the page lock held, which may re-own it. */
static inline struct rmap_walk settle_from(struct engine *e, struct mm *mm, uint64_t addr,
					   bool stop)
{
	struct rmap_walk walk = { .flags = stop ? RMAP_WALK_STOP_AT_MAPCOUNT : 0 };

	assert_int_equal(mm_walk_page(e->sys, page_info(mm, addr).page, &walk), 0);
	engine_check(e);
	return walk;
}

static inline uint64_t family_locks(struct engine *e)
{
	struct rmap_counts count;

	rmap_get_counts(mm_system_rmap(e->sys), &count);
	return count.locks_family;
}

#endif
