/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rmap stress: real threads on one machine, each with a processor of its own, and what must be true of what they see.
 *
 *	common process   |window 0|window 1|window 2|…   |store|cut|shared memory|     |stack 0| |stack 1| …
 *	children of it   |window 0|window 1|window 2|…   (as forked, then changed by the thread that forked them)
 *
 * All threads run in the common process; thread n alone maps, writes, protects and moves in window n, and windows touch, so that
 * VMAs merge and split across them. A child belongs to the thread that forked it. So each thread knows at any time what every page
 * of its window must hold, in the common process and in its children, whatever the others do to the machine: fork the same
 * process, reclaim, swap, migrate, walk, truncate. Of other threads' windows a child shows some moment, but nothing else than what was
 * ever written there.
 */
#ifndef RMAP_TOOLS_STRESS_H
#define RMAP_TOOLS_STRESS_H

#include "hosted/hosted.h"

#include <pthread.h>
#include <stdatomic.h>

#define STRESS_THREADS	64
#define STRESS_WINDOW	64 /* pages */
#define STRESS_CHILDREN 3
#define STRESS_FILE	4 /* pages of each file that a thread writes to */
#define STRESS_STACK	48
#define STRESS_MESSAGE	320

struct stress_options {
	uint32_t threads;
	uint64_t seed;
	uint64_t ns;	      /* for one design */
	uint32_t oom;	      /* one object in so many is refused; 0: none */
	uint64_t transfer_ns; /* what a transfer takes on the average; 0: as long as it takes */
	/* Now and then, with the seconds that have passed; NULL: nobody wants to know. */
	void (*progress)(void *arg, const char *design, double seconds, uint64_t operations);
	void *arg;
};

/* What one design's run came to. */
struct stress_result {
	uint64_t operations, refused; /* refused: for want of memory */
	uint64_t objects_refused;     /* by options->oom */
	uint64_t checks, verified;    /* quiet points; pages whose contents were compared at them */
	uint64_t walks;		      /* of which it is known what they must find */
	uint64_t ns;
	struct mm_counters counters;
	struct hosted_mmu_stats mmu;
	char wrong[STRESS_MESSAGE]; /* the first thing that was; empty: nothing */
};

enum stress_access {
	STRESS_NONE, /* not mapped */
	STRESS_RW,
	STRESS_READ,
	STRESS_FORBIDDEN, /* PROT_NONE */
};

/* One page as its owner knows it. */
struct stress_slot {
	uint64_t value;
	enum stress_access access;
	bool fickle; /* may have become zero (MADV_FREE, truncation) */
};

struct stress_process {
	struct mm *mm; /* NULL: there is none */
	struct stress_slot slot[STRESS_WINDOW];
};

struct stress_world;

struct stress_worker {
	struct stress_world *world;
	struct hosted_cpu *cpu;
	uint32_t number;
	pthread_t thread;
	uint64_t random;
	uint64_t sequence;				    /* of the values that it wrote */
	struct stress_process process[1 + STRESS_CHILDREN]; /* first the common one */
	struct stress_slot store[STRESS_FILE], cut[STRESS_FILE], memory[STRESS_FILE];
	uint64_t stack[STRESS_STACK]; /* by depth; 0: not reached */
	uint32_t depth;
	uint64_t verified, walks;
	_Atomic uint64_t operations, refused; /* read by the main thread */
	_Atomic(const char *) doing;	      /* for whoever waits for it in vain */
};

struct stress_world {
	const struct stress_options *options;
	const struct rmap_ops *design;
	struct hosted *hosted;
	struct mm_system *sys;
	struct mm *common;
	struct mm_file *store, *cut; /* nobody truncates the first */
	struct hosted_file *cut_store;
	uint64_t memory;	  /* address of the shared memory */
	pthread_mutex_t cut_lock; /* one truncation at a time, for the store behind it */
	pthread_mutex_t swap_lock;
	_Atomic uint64_t swapoffs; /* begun and ended; odd: one is under way */

	/* Quiet points: all threads arrive, the main one looks, all go on. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t arrived; /* lock */
	uint64_t round;	  /* lock */
	_Atomic bool pause, stop;

	pthread_mutex_t wrong_lock;
	char wrong[STRESS_MESSAGE]; /* wrong_lock */
	struct stress_worker worker[STRESS_THREADS];
};

/* Where things are in the common process, and in every process forked from it. */
#define STRESS_WINDOWS_AT 0x100000000ull
#define STRESS_STORE_AT	  0x200000000ull
#define STRESS_CUT_AT	  0x300000000ull
#define STRESS_STACKS_AT  0x400000000ull

static inline uint64_t stress_addr(const struct stress_worker *w, uint32_t slot)
{
	return STRESS_WINDOWS_AT + ((uint64_t)w->number * STRESS_WINDOW + slot) * RMAP_PAGE_SIZE;
}

/* ---- stress_world.c ---- */

/* Run one design for options->ns. False: there is no machine; result->wrong says why. Else wrong says what went wrong, if anything. */
bool stress_run(const struct stress_options *options, const struct rmap_ops *design,
		struct stress_result *result);

/* Something is wrong: said once, and everybody comes to rest. */
void stress_wrong(struct stress_worker *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- stress_ops.c ---- */

/* The worker's part of the common process. False: no memory. */
bool stress_begin(struct stress_worker *w);
/* One operation, drawn by weight. */
void stress_operation(struct stress_worker *w);
/* Everything that the worker knows, held against what there is. */
void stress_verify(struct stress_worker *w);
/* Its processes go. */
void stress_end(struct stress_worker *w);

#endif
