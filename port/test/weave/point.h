/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scheduling points: where the weaver (weave.h) may let another thread go on.
 *
 * The locks (locks.h) and the atomics (include/stdatomic.h) of a weave build call these before each operation that another
 * thread could see. Outside of woven threads, in set-up and checks, they do nothing.
 */
#ifndef WEAVE_POINT_H
#define WEAVE_POINT_H

#include <stdbool.h>
#include <stdint.h>

/* What is about to be done to a word. Two of one kind commute, except two writes. */
enum weave_kind {
	WEAVE_READ,
	WEAVE_ADD, /* a relaxed addition, a reader's lock: in either order the same */
	WEAVE_WRITE,
};

/* What a thread waits for. It is run again only when that holds. */
enum weave_wait {
	WEAVE_WAIT_NOTHING,
	WEAVE_WAIT_CLEAR,    /* no bit of mask set in the word */
	WEAVE_WAIT_WOKEN,    /* a wake */
	WEAVE_WAIT_CHANGE,   /* anybody has written anything: a spin loop goes round */
	WEAVE_WAIT_CALLBACK, /* the RCU thread: a callback whose grace period is over */
	WEAVE_WAIT_BARRIER,  /* no callback older than mask */
};

/* A woven thread runs, and not with its points off. */
extern bool weave_active;

void weave_point(const volatile void *object, enum weave_kind kind);

/* A point behind which the operation is done only once the word has none of the bits. */
void weave_point_clear(const volatile void *object, enum weave_kind kind, const uint32_t *word,
		       uint32_t bits);

/* A spin loop goes round. */
void weave_relax(void);

/* A broken rule or invariant: ends this execution, does not return. */
void weave_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

static inline void weave_at(const volatile void *object, enum weave_kind kind)
{
	if (weave_active)
		weave_point(object, kind);
}

/* ---------------------------------------------------------------- who holds what */

/* Before waiting for, on getting, and on letting go of a lock of class (+ 1; 0: unknown). */
void weave_lock_wait(const void *lock, uint32_t lock_class, bool nested, bool sleeps);
void weave_lock_got(const void *lock, uint32_t lock_class, bool sleeps);
void weave_lock_released(const void *lock, uint32_t lock_class, bool sleeps);
/* The running thread holds it, and ok; else this execution fails. */
void weave_lock_assert(const void *lock, bool ok);
/* Does somebody wait for it? */
bool weave_lock_wanted(const void *lock);

/* Calls that may sleep, or pass the thread by (tests of memory that ran out). */
void weave_may_sleep(const char *what);

#endif
