/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Generators that go through all cases of something: a case is a number, taken apart into what is tried, and becomes some of
 * a fixed number of steps. Up to three generations act, at fixed addresses; each case leaves nothing behind but the eldest.
 */
#ifndef RMAP_TOOL_GEN_CASES_H
#define RMAP_TOOL_GEN_CASES_H

#include "gen.h"

#define GEN_ELDEST 1u
#define GEN_SECOND 2u
#define GEN_THIRD  3u

struct gen_cases {
	uint64_t nr;
	unsigned int steps; /* of a case, at most */
	/* *op was op_init()ed. False: the case has no such step. */
	bool (*step)(uint64_t n, unsigned int step, struct op *op);
};

/* The parameters of all of them, in this order. */
#define GEN_CASES_PARAMS(nr)                                                                       \
	{                                                                                          \
		{ "from", 0, 0, (nr)-1, "the first case", NULL },                                  \
			{ "cases", (nr), 1, (nr), "how far to go, in cases", NULL },               \
			{ "every", 1, 1, (nr), "one case in so many", NULL },                      \
	}

void gen_cases_config(struct gen *gen, const struct gen_cases *cases);
bool gen_cases_next(struct gen *gen, struct op *op, const struct gen_cases *cases);
void gen_cases_proc_name(uint64_t proc, char *buf, size_t size);

/* A call or an access on pages from a fixed address on, which may fail. */
bool gen_at(struct op *op, enum op_kind kind, uint64_t proc, uint64_t addr, uint64_t pages);

#endif
