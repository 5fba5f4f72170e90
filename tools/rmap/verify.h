/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The live kernel as referee: one list of operations, carried out twice, compared after each.
 *
 * A *session* is a machine of the engine (a runner) and, beside it, real processes on the kernel that runs: *puppets*, one for
 * each process of the workload, which map, touch, fork and exit as they are told. An operation is a struct op (ops.h), whether a
 * workload file, a generator or a table made it. What the kernel may do as it pleases is steered or normalised by the rules
 * in verify_rules.c and by nothing else.
 *
 *	verify_settle();                              // first thing in main(): may exec the program again
 *	source_open("tour.rmw", &source, err);
 *	verify_session_new(&options, source, &s, err);
 *	while (source->next(source, &op, err) > 0 && verify_step(s, &op) == VERIFY_AGREE)
 *		;
 *	verify_finish(s);
 *	verify_session_free(s);
 *
 * Needs root, x86-64 and a Linux with /proc; where something is missing the answer is VERIFY_UNABLE and a sentence.
 */
#ifndef RMAP_TOOL_VERIFY_H
#define RMAP_TOOL_VERIFY_H

#include "ops.h"
#include "runner.h"

/* At one time, threads included. */
#define VERIFY_PROCESSES 60u

struct verify_session;

enum verify_result {
	VERIFY_AGREE,
	VERIFY_DIFFER, /* the two sides differ: verify_difference() */
	/*
	 * Both sides agree, but the workload expects something else; or the engine's own checks found something. A sentence is
	 * in verify_difference()->what.
	 */
	VERIFY_FAILED,
	VERIFY_UNABLE, /* the live kernel cannot be asked this, or not here; why is in verify_difference()->what */
	VERIFY_BAD, /* the operation makes no sense: a process that is not there */
};

/* Both sides in words. */
struct verify_difference {
	char what[OPS_ERR_SIZE]; /* one sentence */
	char live[6144];	 /* what the kernel has: lines, may be empty */
	char engine[6144];	 /* what the engine has */
	uint64_t operation;	 /* which, counted from 1; 0: at the end */
};

struct verify_options {
	const char *design; /* NULL: the default */
	uint64_t frames;    /* of the engine; 0: as the workload wants, but enough */
	uint64_t seed;
	bool swap; /* swap on the live side too: its pages are compared as swapped or present */
	uint64_t full_every; /* all processes are compared after so many operations; 0: 64 */
	uint32_t
		release; /* whose semantics the engine has, MM_RELEASE(); 0: the running kernel's, as far as known */
	uint64_t check_every; /* mm_check() after so many; 0: with the full comparison */
};

struct verify_counters {
	uint64_t operations;  /* carried out on both sides */
	uint64_t alone;	      /* by the engine alone: reclaim, migration, checks, expectations */
	uint64_t errors;      /* of operations: those with an error or a signal on both sides */
	uint64_t comparisons; /* of one process */
	uint64_t full;	      /* of all processes */
	uint64_t vmas, pages; /* compared */
	uint64_t contents;    /* pages whose bytes were compared */
	uint64_t processes;   /* made */
	uint64_t rules[32];   /* how often each rule of verify_rules.c was applied */
};

/*
 * The program's addresses must be the same in each run, and mmap must choose as on a freshly started kernel: exec again with
 * address randomisation off for this process and a stack limit of 8 MiB, where that is not so yet. Returns only if all is well
 * (0), or if it cannot be (-1). Once, before there is anything that exec would lose.
 */
int verify_settle(void);

/* NULL, or why no session can be had on this machine, with these options. */
const char *verify_unable(const struct verify_options *options);

/*
 * A session for what comes from source, which must outlive it (its config is completed here). 0, or -1 with a sentence; where
 * *unable is then set, the reason is this machine or the workload's wishes, and the test is to be skipped.
 */
int verify_session_new(const struct verify_options *options, struct op_source *source,
		       struct verify_session **out, bool *unable, char err[OPS_ERR_SIZE]);
/* All puppets are gone when it returns, whatever the session came to. */
void verify_session_free(struct verify_session *s);

/*
 * Carry out one operation on both sides and compare. After a result other than AGREE the session can only be asked and freed.
 * The op's outcome (op->outcome) is held against what both came to.
 */
enum verify_result verify_step(struct verify_session *s, const struct op *op);
/* Compare every process, and check. */
enum verify_result verify_all(struct verify_session *s);
/* The end: verify_all(), contents of files, the runner's own last checks. */
enum verify_result verify_finish(struct verify_session *s);

const struct verify_difference *verify_difference(const struct verify_session *s);
void verify_get_counters(const struct verify_session *s, struct verify_counters *out);
/* What the last operation came to, on both sides: 0 or a negative RMAP_E…, and the address for MMAP, MREMAP, BRK. */
int verify_last_error(const struct verify_session *s);
uint64_t verify_last_result(const struct verify_session *s);
/* The engine's side, for generators that look where things are. */
struct runner *verify_runner(struct verify_session *s);

/* ---------------------------------------------------------------- rules */

struct verify_rule {
	const char *id;	  /* "fault-around" */
	const char *what; /* what is steered, or not compared */
	const char *why;
};
/* All of them, ended by an id of NULL; docs/referee.md lists the same. */
extern const struct verify_rule verify_rules[];

/* ---------------------------------------------------------------- operations as text */

/*
 * op as a line of the workload language, without a newline, into buf (which is returned). Addresses are printed as numbers, marks
 * by their names in source (NULL: m1, m2 …). What has no spelling is a comment.
 */
const char *op_write(const struct op *op, struct op_source *source, char *buf, size_t size);

#endif
