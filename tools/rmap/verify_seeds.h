/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many random runs, one a seed: `rmap verify --ops N`, `--seeds A..B`, `--seconds T`.
 *
 * Every run has a session of its own. The first divergence ends it, unless it is to go on with the next seed; what diverged is
 * shrunk and written down as a workload. However it ends, by a signal too, a total is printed and nothing is left behind.
 */
#ifndef RMAP_TOOL_VERIFY_SEEDS_H
#define RMAP_TOOL_VERIFY_SEEDS_H

#include "verify.h"

#include <argp.h>

struct seeds_options {
	bool wanted;	      /* one of the options below was given */
	uint64_t first, last; /* seeds; both inclusive */
	bool range;	      /* first and last were given by --seeds */
	uint64_t ops;	      /* a seed */
	uint32_t processes;
	uint64_t seconds; /* no seed begins after so many; 0: all */
	bool coverage, keep_going, no_shrink;
	const char *save; /* NULL: ./rmap-verify-SEED.rmw */
	/* from the command's own options */
	bool json, quiet, trace;
};

/* For struct argp's children; the input is a struct seeds_options. */
extern const struct argp seeds_argp;

/* The command's exit code. */
int verify_seeds(const struct verify_options *verify, const struct seeds_options *options);

#endif
