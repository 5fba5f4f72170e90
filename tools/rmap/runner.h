/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The runner: carries out operations one at a time on a hosted machine.
 *
 * It owns the machine, gives processes their address spaces and a virtual processor each, remembers in a shadow what every
 * process wrote (shadow.h), holds expectations against what is there, and keeps the figures for the summary.
 */
#ifndef RMAP_TOOL_RUNNER_H
#define RMAP_TOOL_RUNNER_H

#include "ops.h"

#include <stdio.h>

struct runner;

#define RUNNER_REFUSED_SIZE 256

struct runner_options {
	const char *design;	    /* NULL: the default */
	const struct rmap_ops *ops; /* with design NULL: a layer around one (timed.h) */
	uint64_t frames;	    /* 0: the source's wish, or a share of this machine's memory */
	uint64_t swap_slots;	    /* with has_swap */
	bool has_swap;
	bool phantom;
	bool check; /* mm_check() at the ends of phases and for at most half the run time */
	uint64_t check_every; /* with check: after every so many operations; 0: by time */
	bool verify;	      /* at ends of phases, read back everything through the MMU */
	uint64_t seed;
	uint32_t release; /* MM_RELEASE(); 0: the latest */
	bool steady; /* what was put off is done behind each operation, by nobody else: the same figures in every run */
	bool alone; /* no thread runs beside, no file is written: fork() copies all of the runner */
};

/* A machine for what comes from source. 0, or -1 with a sentence. */
int runner_create(const struct runner_options *options, struct op_source *source,
		  struct runner **out, char err[OPS_ERR_SIZE]);

enum runner_result {
	RUNNER_OK,
	RUNNER_FAILED, /* an expectation, a check, or contents: err says where and what */
	RUNNER_BAD, /* the operation itself makes no sense: a process that is not there; err says so */
};

/* Carry out one operation. After a result other than OK the runner can only be looked at and destroyed. */
enum runner_result runner_step(struct runner *r, const struct op *op, char err[OPS_ERR_SIZE]);

/*
 * The same for one that is carried out while another is half way, from a place inside the engine that holds nothing which this one
 * waits for. Nothing is checked behind it.
 */
enum runner_result runner_step_within(struct runner *r, const struct op *op,
				      char err[OPS_ERR_SIZE]);

/* The last phase ends: its checks. */
enum runner_result runner_finish(struct runner *r, char err[OPS_ERR_SIZE]);

/* All processes exit and the machine goes, which asserts that nothing stays allocated. */
void runner_destroy(struct runner *r);

/* Nanoseconds of a clock that never goes back. */
uint64_t runner_now(void);

/* --- for those who look at it --- */

struct mm_system *runner_system(struct runner *r);
/* The process's address space, NULL: there is none. No reference. */
struct mm *runner_mm(struct runner *r, uint64_t proc);
/* Call visit for each living process in order of their making. */
void runner_for_each(struct runner *r, void (*visit)(uint64_t proc, struct mm *mm, void *arg),
		     void *arg);
/* Where addr is now. 0, or -1: the mark was never set. */
int runner_resolve(struct runner *r, const struct op_addr *addr, uint64_t *out);
/* "P", or a number. Into buf, which is returned. */
const char *runner_proc_name(struct runner *r, uint64_t proc, char *buf, size_t size);
uint64_t runner_misfits(const struct runner *r);
uint64_t runner_operations(const struct runner *r);
/* What to say where pages could not be written to swap, which a full disk makes a want of memory: NULL, or a sentence in @buf. */
const char *runner_swap_refused(const struct runner *r, char buf[RUNNER_REFUSED_SIZE]);
/* The most frames that were in use at one time, sampled. */
uint64_t runner_frames_at_most(const struct runner *r);

/* The summary: for people, or as the JSON of docs/json.md. */
void runner_print(struct runner *r, FILE *out);
int runner_print_json(struct runner *r, FILE *out, enum runner_result result, const char *message);

#endif
