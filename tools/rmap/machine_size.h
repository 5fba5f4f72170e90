/* SPDX-License-Identifier: BSD-2-Clause */
/* The size of a machine as a command line says it: --frames and --swap, which mean the same to every command that has them. */
#ifndef RMAP_TOOL_MACHINE_SIZE_H
#define RMAP_TOOL_MACHINE_SIZE_H

#include "runner.h"

#include <argp.h>

/*
 * --frames: a number of frames, or a size as 64M, becomes @o->frames, and @*percent 0; as 25% it becomes @*percent, for
 * machine_measure(). --swap: pages, or a size. Whatever else @arg is, a sentence says so and the program ends with 2.
 */
void machine_frames(struct argp_state *state, const char *arg, struct runner_options *o,
		    uint64_t *percent);
void machine_swap(struct argp_state *state, const char *arg, struct runner_options *o);

/* Carries out what @source has, to its end, on @r. */
typedef enum runner_result machine_carry_out(void *ctx, struct op_source *source, struct runner *r,
					     char err[OPS_ERR_SIZE]);

/*
 * A share of what a workload has in use at the most is known once it has run: it runs here, with all the memory that it would have had,
 * and without contents where it may. Design, seed and steadiness are those of @o, whose frames are then @percent of it. Not RUNNER_OK:
 * @err has the sentence.
 */
enum runner_result machine_measure(const char *workload, uint64_t percent, struct runner_options *o,
				   machine_carry_out *carry_out, void *ctx, char err[OPS_ERR_SIZE]);

#endif
