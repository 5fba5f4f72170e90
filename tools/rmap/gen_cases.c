// SPDX-License-Identifier: BSD-2-Clause
/*
 * Case after case, step after step. How many operations that makes is found by asking for each: a case costs nothing but its
 * steps' switches.
 */
#include "gen_cases.h"

#include <stdio.h>

enum { PARAM_FROM, PARAM_CASES, PARAM_EVERY };

static uint64_t end_of(const struct gen *gen, const struct gen_cases *cases)
{
	uint64_t from = gen->param[PARAM_FROM], nr = gen->param[PARAM_CASES];

	return nr < cases->nr - from ? from + nr : cases->nr;
}

void gen_cases_config(struct gen *gen, const struct gen_cases *cases)
{
	uint64_t end = end_of(gen, cases), steps = 1;
	struct op op;

	for (uint64_t n = gen->param[PARAM_FROM]; n < end; n += gen->param[PARAM_EVERY])
		for (unsigned int step = 0; step < cases->steps; step++)
			steps += cases->step(n, step, &op);
	gen->source.config.frames = gen_frames(4, 4096, 256);
	gen->source.config.steps = steps;
	gen->i = gen->param[PARAM_FROM];
}

bool gen_cases_next(struct gen *gen, struct op *op, const struct gen_cases *cases)
{
	if (gen->stage == 0) {
		gen->stage = 1;
		return gen_new(op, GEN_ELDEST);
	}
	for (; gen->i < end_of(gen, cases); gen->i += gen->param[PARAM_EVERY], gen->j = 0)
		while (gen->j < cases->steps)
			if (cases->step(gen->i, (unsigned int)gen->j++, op))
				return true;
	return false;
}

void gen_cases_proc_name(uint64_t proc, char *buf, size_t size)
{
	static const char *const names[] = { "eldest", "second", "third" };

	snprintf(buf, size, "%s", names[proc - 1 < 3 ? proc - 1 : 2]);
}

bool gen_at(struct op *op, enum op_kind kind, uint64_t proc, uint64_t addr, uint64_t pages)
{
	op->kind = kind;
	op->proc = proc;
	op->addr.off = addr;
	op->len = pages << RMAP_PAGE_SHIFT;
	op->outcome = OP_MAY_FAIL;
	return true;
}
