/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rmap-scale: what threads cost each other.
 *
 * A *shape* is something that each thread does over and over by itself: will-it-scale's, whose words (process: each in its own
 * address space; thread: all in one) are used here. A *cell* is a shape on a design with so many threads. What it is held against
 * is not one thread's speed times their number, since two threads share a cache, a memory bus and a host with others even where
 * they share no data: it is the same threads at the same time, each on an engine of its own. Rounds take turns: apart, together,
 * apart, alone; so whatever else the computer does hits all of them, and apart against apart says how much of it there was.
 *
 * A *meeting* is two threads that do different things to one family's memory.
 */
#ifndef SCALE_H
#define SCALE_H

#include <hosted/hosted.h>

#include <stdbool.h>
#include <stdint.h>

#define SCALE_THREADS 64
#define SCALE_ROUNDS  99
#define SCALE_WHY     320
#define SCALE_LONGER  5 /* times as long as others are the slices of what needs it */

struct scale_options {
	bool json, quick, contents;
	unsigned int rounds;
	double slice_ns; /* how long threads run at a time */
	uint64_t pages;	 /* of a thread's memory */
	unsigned int threads[8], nr_threads;
	const struct rmap_ops *design[16];
	unsigned int nr_designs;
};

/* ---------------------------------------------------------------- locks.c */

/* What one class of locks cost, in a build whose locks measure it; elsewhere all zero. */
struct scale_lock {
	uint64_t taken, contended;
	double wait_ns, hold_ns, longest_wait_ns, longest_hold_ns;
};

/*
 * Does this build measure locks? To be called once before there are threads. *taken_off_ns: how long a lock would seem to be held
 * where nothing is done under it, which is not counted.
 */
bool scale_locks_measured(double *taken_off_ns);
/* What this thread's locks cost since the last call, added to sum (one entry a class) unless that is NULL. */
void scale_locks_take(struct scale_lock sum[RMAP_LOCK_CLASSES]);
void scale_locks_add(struct scale_lock sum[RMAP_LOCK_CLASSES],
		     const struct scale_lock more[RMAP_LOCK_CLASSES]);

/* ---------------------------------------------------------------- crew.c */

/* What one thread does in a slice, and what came of it. */
struct scale_turn {
	/* Once round; adds what it has done to *done. 0 or an error, which ends the slice. */
	int (*work)(void *arg, uint64_t *done);
	void *arg;
	uint64_t done;
	double wall_ns, cpu_ns;
	int error;
	struct scale_lock locks[RMAP_LOCK_CLASSES];
};

/* Start threads, each on a processor of its own as far as there are. false: with a sentence. */
bool crew_start(unsigned int threads, char why[SCALE_WHY]);
void crew_stop(void);
/* Thread i does turn[i] again and again for ns; all begin at once. => the first error of any. */
int crew_slice(struct scale_turn *turn, unsigned int nr, double ns);
/* Has the slice that runs come to its end, or some thread to an error? For work that is long. */
bool crew_over(void);
/*
 * Somebody wants the program to end: the slice that runs and all that follow end as soon as each thread has been once round. May be
 * called by a signal's handler.
 */
void crew_interrupt(void);
bool crew_interrupted(void);

double scale_now(void);

/* ---------------------------------------------------------------- engine.c */

struct scale_engine {
	struct hosted *h;
	struct mm_system *sys;
};

struct scale_machine {
	uint64_t frames, slots;
	unsigned int cpus;
	bool contents;
	const struct rmap_ops *design;
};

bool scale_engine_start(struct scale_engine *e, const struct scale_machine *machine,
			char why[SCALE_WHY]);
/* Everything deferred is run, then the checker looks at all. false: with what it says. */
bool scale_engine_check(struct scale_engine *e, char why[SCALE_WHY]);
/* Nothing may be left. false: with what was. */
bool scale_engine_stop(struct scale_engine *e, char why[SCALE_WHY]);
bool scale_refuse(char why[SCALE_WHY], const char *what, int error);

/* ---------------------------------------------------------------- shapes.c */

enum scale_variant {
	SCALE_PROCESS, /* each thread in an address space of its own */
	SCALE_THREAD,  /* all in one, each in VMAs of its own */
	SCALE_VARIANTS,
};

/* By number, below scale_nr_shapes(). */
unsigned int scale_nr_shapes(void);
const char *scale_shape_name(unsigned int shape);
const char *scale_shape_what(unsigned int shape);
const char *scale_shape_unit(unsigned int shape);
/* Its slices are so many times as long as scale_options says: 1 or SCALE_LONGER. */
unsigned int scale_shape_longer(unsigned int shape);
/* Is there such a cell, and has it an aim? */
bool scale_shape_has(unsigned int shape, enum scale_variant variant);
bool scale_shape_aims(unsigned int shape, enum scale_variant variant);

/* A second's work of all threads in each round. */
struct scale_cell {
	unsigned int shape, threads, rounds;
	enum scale_variant variant;
	const struct rmap_ops *design;
	double alone[SCALE_ROUNDS];	/* one thread */
	double apart[SCALE_ROUNDS];	/* each on its own engine, before and after the next */
	double together[SCALE_ROUNDS];	/* all on one */
	double ratio[SCALE_ROUNDS];	/* together to apart */
	double ratio_cpu[SCALE_ROUNDS]; /* the same per second of processor time */
	double control[SCALE_ROUNDS];	/* apart after to apart before */
	struct scale_lock locks[RMAP_LOCK_CLASSES]; /* of all that was done together */
	uint64_t done;				    /* together, in all rounds */
};

/* false: something was wrong, with a sentence. Interrupted: fewer rounds than asked for. */
bool scale_cell_run(const struct scale_options *o, struct scale_cell *cell, char why[SCALE_WHY]);

/* ---------------------------------------------------------------- meetings.c */

/* How long single forks or faults took. */
struct scale_delay {
	double median_ns, p99_ns, longest_ns;
};

/* What two threads do that are not alike. A second's work in each round; together: on one engine. */
struct scale_meeting {
	unsigned int meeting, relatives, rounds;
	const struct rmap_ops *design;
	double apart[SCALE_ROUNDS], together[SCALE_ROUNDS], ratio[SCALE_ROUNDS]; /* the first's */
	double other_apart[SCALE_ROUNDS], other_together[SCALE_ROUNDS];		 /* the second's */
	struct scale_delay apart_delay, together_delay;
	double looks_per_page; /* PTE slots read for each page that was reclaimed; 0: none was */
	struct scale_lock locks[RMAP_LOCK_CLASSES], other_locks[RMAP_LOCK_CLASSES]; /* together */
};

/* By number, below scale_nr_meetings(). */
unsigned int scale_nr_meetings(void);
const char *scale_meeting_name(unsigned int meeting);
const char *scale_meeting_what(unsigned int meeting);
const char *scale_meeting_unit(unsigned int meeting);
const char *scale_meeting_other_unit(unsigned int meeting);
/* As scale_shape_longer(). */
unsigned int scale_meeting_longer(unsigned int meeting);
/* With how many relatives it is to be held: 3 numbers, 0 for none. */
const unsigned int *scale_meeting_relatives(unsigned int meeting, bool quick);
/* Can this design do it in seconds? */
bool scale_meeting_is_for(unsigned int meeting, unsigned int relatives,
			  const struct rmap_ops *design);
/* As scale_cell_run(). */
bool scale_meeting_run(const struct scale_options *o, struct scale_meeting *m, char why[SCALE_WHY]);

/* ---------------------------------------------------------------- figures.c */

void scale_sort(double *figure, unsigned int nr);
/* The figure that a part (0 to 1) of all lie below; between its neighbours where it falls between them. */
double scale_quantile(const double *sorted, unsigned int nr, double part);

/* Of some figures: the middle one, and those below and above which a quarter lie. */
struct scale_spread {
	double median, low, high;
};
struct scale_spread scale_spread_of(const double *figure, unsigned int nr);

/* ---------------------------------------------------------------- report.c */

/* What share of what it does apart a cell with an aim is to do together. */
#define SCALE_AIM 0.95

const char *scale_variant_name(enum scale_variant variant);

/* Tables: a head, then a line for each design. */
void report_cell_head(const struct scale_cell *cell);
void report_cell(const struct scale_cell *cell);
void report_meeting_head(const struct scale_meeting *m);
void report_meeting(const struct scale_meeting *m);

/* The same for programs; locks: they were measured. */
struct json_t;
struct json_t *report_cell_json(const struct scale_cell *cell, bool locks);
struct json_t *report_meeting_json(const struct scale_meeting *m, bool locks);

#endif
