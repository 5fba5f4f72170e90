/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a random run reached: each operation, in each of its variants, by what it came to; and what happened inside the engine.
 *
 * "Agreed on a million operations" is worth as much as those operations were different. So the table says beforehand what
 * there is to reach, and what was not reached is listed by name.
 */
#ifndef RMAP_TOOL_VERIFY_COVERAGE_H
#define RMAP_TOOL_VERIFY_COVERAGE_H

#include "runner.h"

#include <jansson.h>

struct coverage;

/* NULL: no memory. */
struct coverage *coverage_new(void);
void coverage_free(struct coverage *c);

/* op came to error (0 or a negative RMAP_E…) on both sides. */
void coverage_note(struct coverage *c, const struct op *op, int error);
/* A machine is about to go: what happened on it. */
void coverage_machine(struct coverage *c, struct runner *runner);
/* How many processes lived, and how deep the tree was. */
void coverage_tree(struct coverage *c, uint64_t processes, uint64_t depth);

void coverage_print(const struct coverage *c, FILE *out);
json_t *coverage_json(const struct coverage *c);
/* Pairs of variant and outcome: how many there are, how many were reached. */
void coverage_sum(const struct coverage *c, uint64_t *all, uint64_t *reached);

#endif
