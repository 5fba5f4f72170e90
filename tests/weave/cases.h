/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many cases, each a scenario under a design: who runs them, for how long, and what came of them.
 *
 * Few cases need a thousand times as long as most, and which these are is known only when they have been tried. So time is given
 * in rounds: in the first each case gets its share of all time, in the next those that were cut short get eight times as much, and so
 * on while time is left. A case begins anew in each round; that costs a seventh of what the last one took.
 *
 * With more than one job, children of this process take case after case and send their results through pipes. Where a file is named
 * each result is written to it at once, with a hash of the program: what is broken off goes on with the same command, and what
 * another program found is not taken for this one's.
 */
#ifndef WEAVE_CASES_H
#define WEAVE_CASES_H

#include <jansson.h>

#include "world.h"

#define JOBS_MAX 64

struct run_case {
	char name[80];
	const struct op *threads[WEAVE_THREADS_MAX];
	unsigned int nr;
	const struct rmap_ops *design;
	json_t *result; /* NULL: none yet. Of the latest round. */
};

struct cases {
	struct run_case *list;
	unsigned int nr, room;
	unsigned int jobs;
	uint64_t seconds; /* for all together; 0: no limit */
	bool once;	  /* a case that was cut short is not tried again with more time */
	const char *file; /* NULL: none */
	json_t *options;  /* what results depend on, besides the program */
	bool progress;	  /* tell standard error how far it is */
	/* Carries one out. nanoseconds: at most; 0: no limit. Calls case_progress() now and then. */
	json_t *(*run)(const struct run_case *c, uint64_t nanoseconds);
	/* There is a result that stays. */
	void (*done)(const struct run_case *c);
};

void cases_add(struct cases *cases, const char *name, const struct op *const *threads,
	       unsigned int nr, const struct rmap_ops *design);

/* Nothing is left to be done for it: it was wrong, or is complete. */
bool case_settled(const struct run_case *c);

void cases_run(struct cases *cases);

void case_progress(uint64_t executions);

#endif
