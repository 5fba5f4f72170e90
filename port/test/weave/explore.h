/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Strategies: which interleavings of a case are executed. See weave.h for what an execution is.
 *
 *   exhaustive   every interleaving with at most so many preemptions, each class of equivalent ones once. At each point where
 *                a switch can matter there is a choice; the choices are gone through depth first, with one preemption, then with two,
 *                and so on. A prefix that is another order of events that were seen before (the same hashes, no more preemptions to
 *                spend) is given up.
 *   pct          random priorities with few change points (Burckhardt and others, 2010): a bug that needs d orderings among n
 *                points and k threads is found with a probability of at least 1 / (k n^(d - 1)) by each execution. Only points that matter are counted.
 *   random       any thread that can go on, at each point that matters.
 */
#ifndef WEAVE_EXPLORE_H
#define WEAVE_EXPLORE_H

#include "weave.h"

enum explore_strategy {
	EXPLORE_EXHAUSTIVE,
	EXPLORE_PCT,
	EXPLORE_RANDOM,
};

struct explore_case {
	void (*body[WEAVE_THREADS_MAX])(int thread, void *arg);
	void *arg;
	/* The world as it was before the first execution. */
	void (*reset)(void *arg);
	/* All threads have ended: main looks whether everything is right, else weave_fail(). */
	void (*judge)(void *arg);
	/* What is right may depend on what a thread chooses to do: so many ways, each is learned. 0 is the one of all other executions. */
	uint32_t ways;
	void (*way)(void *arg, uint32_t n);
	/* As judge, for executions one thread after the other, which say what is right. */
	void (*learn)(void *arg);
};

struct explore_options {
	enum explore_strategy strategy;
	uint32_t preemptions; /* exhaustive: at most; pct: change points */
	uint64_t executions;  /* at most; 0: no limit (exhaustive only) */
	bool all;	      /* exhaustive: give nothing up */
	uint64_t seed;
	uint64_t nanoseconds; /* stop after them; 0: never */
	/* Every few executions: how many so far. */
	void (*progress)(uint64_t executions);
};

#define EXPLORE_TEXT 4096

struct explore_result {
	uint64_t executions; /* that came to their ends and were judged */
	uint64_t distinct;   /* no two of them equivalent in their choices */
	uint64_t pruned;     /* given up: seen before */
	uint64_t points;     /* of the longest execution */
	uint32_t passes;
	bool complete; /* exhaustive: nothing within the bound is left */
	bool failed;
	/* of the failure: after how many executions, why, its schedule, and the one with the fewest preemptions that fails so */
	uint64_t found_after;
	char message[1024];
	char schedule[EXPLORE_TEXT];
	uint32_t preemptions;
	char shrunk[EXPLORE_TEXT];
	uint32_t shrunk_preemptions;
};

/* One thread after the other in every order, then by strategy until something is wrong or all is done. */
void explore(const struct explore_case *c, const struct explore_options *options,
	     struct explore_result *result);

/*
 * One execution by a schedule as it was printed, "a12 b40 a3 r5": threads and how many points each passes. trace: each point on
 * standard error. False: that is no schedule.
 */
bool explore_replay(const struct explore_case *c, const char *schedule, bool trace,
		    struct explore_result *result);

#endif
