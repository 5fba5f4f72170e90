/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random operations for the referee: a source (ops.h) that aims.
 *
 * Operations at random addresses would nearly all fail in the same dull way. So the generator looks at the engine's layout of
 * the process before each operation and aims at what is there: at edges, at neighbours, at places just beside them. What it
 * sees follows from what it did, so the seed alone decides everything.
 */
#ifndef RMAP_TOOL_VERIFY_RANDOM_H
#define RMAP_TOOL_VERIFY_RANDOM_H

#include "ops.h"

struct runner;

struct random_options {
	uint64_t seed;
	uint64_t ops;	    /* so many; 0: without end */
	uint32_t processes; /* at most so many live at a time; 0: RANDOM_PROCESSES */
	bool swap;	    /* pages may be pushed out */
};

/* As many as anybody may ask for, and where nobody asks. */
#define RANDOM_MAX_PROCESSES 32u
#define RANDOM_PROCESSES     6u
/* A first process has depth 1; nobody of the last depth forks. */
#define RANDOM_DEPTH	     6u

/* 0, or -1 with a sentence. */
int random_open(const struct random_options *options, struct op_source **out,
		char err[OPS_ERR_SIZE]);
/* The machine that carries out the operations: before the first is asked for. */
void random_watch(struct op_source *source, struct runner *runner);
/* The most processes that lived at one time, and the longest line of descent. */
void random_tree(const struct op_source *source, uint64_t *processes, uint64_t *depth);

#endif
