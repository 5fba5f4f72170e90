/* SPDX-License-Identifier: BSD-2-Clause */
/* What the clock around a design is made of; for timed*.c alone. */
#ifndef RMAP_TOOL_TIMED_INT_H
#define RMAP_TOOL_TIMED_INT_H

#include "timed.h"

#include <rmap/locks.h>

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define TIMED_DEPTH_MAX 32

struct timed_total {
	uint64_t events, pages, ticks;
	uint64_t pauses; /* each costs as much as an event */
	double instructions;
};

struct timed {
	struct rmap_ops ops; /* first: rmap->ops points here */
	const struct rmap_ops *inner;
	/* [1]: of a fork */
	struct timed_total total[2][TIMED_EVENTS];
	struct timed_total *stack[TIMED_DEPTH_MAX]; /* NULL: a visitor */
	unsigned int depth;
	uint32_t random;
	bool forking;
	uint64_t last_ticks;
	/* the outermost event's sample */
	uint64_t weight; /* 0: not in it */
	uint64_t last_instructions;
	int counter;
	/* taken within events, with the lock checker's locks */
	uint64_t locks[RMAP_LOCK_CLASSES + 1], last_locks[RMAP_LOCK_CLASSES + 1];
	/* what an empty event comes to */
	double overhead_ticks, overhead_instructions;
	/* to turn ticks to time */
	uint64_t start_ticks, start_ns;
};

static inline struct timed *timed_of(const struct rmap *rmap)
{
	return (struct timed *)(uintptr_t)rmap->ops;
}

static inline uint64_t timed_monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#if defined(__x86_64__)
static inline uint64_t timed_ticks(void)
{
	return __builtin_ia32_rdtsc();
}
#define TIMED_CLOCK_NAME "tsc"
#else
static inline uint64_t timed_ticks(void)
{
	return timed_monotonic();
}
#define TIMED_CLOCK_NAME "clock"
#endif

/* The event's clock runs, of so many pages, until timed_end(). */
void timed_begin(struct timed *t, enum timed_event event, uint64_t pages);
void timed_end(struct timed *t);

/* Within an event: what comes is nobody's time. */
void timed_pause(struct timed *t);
void timed_resume(struct timed *t);

/* An entry like all others; what the clock itself takes is found with it. */
void timed_page_new(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
		    struct rmap_vma *vma, uint64_t addr, bool exclusive);

/* Puts a clock before each entry that t->ops has. */
void timed_take_over(struct timed *t);

#endif
