/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The weaver: threads as coroutines on one OS thread, interleaved as a strategy says.
 *
 * A thread runs until its next scheduling point (point.h) and there perhaps hands over to another. So an execution is a list of
 * choices, and the same choices give the same execution. Locks, RCU and waiting are known here: a thread that waits is not run
 * until it can go on, and when nobody can, the report says who holds what.
 *
 * RCU: a callback's grace period is over when every thread that was in a section when it was deferred has left it. A thread of
 * its own runs callbacks: at the very next point in the exhaustive search (so that a late reader meets what was freed), at moments
 * of the strategy's choice otherwise.
 *
 * What happened before what: each operation is hashed with those that it depends on, namely the thread's previous one and the
 * last operations on the same word that it does not commute with. Two prefixes with the same hashes of all threads are two orders
 * of the same events, and have led to the same state. The table of words also remembers which threads ever read, added to or wrote
 * each word in this scenario. A word that no other thread touches in a way that matters is no place to switch at.
 *
 * Interleavings are sequentially consistent: what a weaker machine may reorder is not explored. Each schedule is checked for
 * data races where this is built with ThreadSanitizer, which follows the fibers.
 */
#ifndef WEAVE_H
#define WEAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <test/weave/image.h>
#include <test/weave/point.h>

#define WEAVE_THREADS_MAX 3
/* The RCU thread's number. */
#define WEAVE_RCU	  WEAVE_THREADS_MAX
#define WEAVE_SEGMENTS	  4096

struct rmap_rcu;

enum weave_outcome {
	WEAVE_DONE,   /* all threads have ended */
	WEAVE_FAILED, /* weave_message() says why */
	WEAVE_PRUNED, /* the strategy said that what follows has been seen */
	WEAVE_PAUSED, /* the strategy wanted to stop here; weave_go_on() asks it again */
};

/* Part of a schedule: the thread passed so many points, then another ran. */
struct weave_segment {
	uint8_t thread;
	uint32_t points;
};

/*
 * Who goes on? mask: the threads that can, user threads only, and the RCU thread where it is not eager; at least one. current:
 * who ran last of them, or -1 if it cannot go on. shared: may another thread care about the order of current's next operation?
 * Returns the thread, -1 to give this execution up, or WEAVE_PAUSE.
 */
#define WEAVE_PAUSE (-2)
typedef int weave_choose_fn(void *arg, uint32_t mask, int current, bool shared);

struct weave_run {
	void (*body[WEAVE_THREADS_MAX])(int thread, void *arg); /* NULL: no such thread */
	void *arg;
	weave_choose_fn *choose;
	void *choose_arg;
	bool eager_rcu; /* callbacks at the first legal point */
};

/* Runs the threads to their ends. Afterwards the schedule is in weave_schedule(). */
enum weave_outcome weave_run(const struct weave_run *run);

enum weave_outcome weave_go_on(void);

/* An execution that is paused, to an image and back, if fiber_has_images(). Words are not in it (words_mark()). */
void weave_image(struct image *im);

/* Runs what main does, in which weave_fail() may be called too. */
enum weave_outcome weave_guarded(void (*fn)(void *arg), void *arg);

const char *weave_message(void);
/* Empty: no failure. The first of an execution counts. */
void weave_message_clear(void);

uint32_t weave_schedule(const struct weave_segment **segments);
/* Points passed in the latest run, by all and by one; how often a thread that could go on had to stop. */
uint64_t weave_points(void);
uint32_t weave_thread_points(int thread);
uint32_t weave_preemptions(void);

/* Print each point on standard error. */
void weave_trace(bool on);

/* The number of the running thread, or -1: main. */
int weave_self(void);

/*
 * For what a thread learns or does without a point, so that prefixes which differ in it are not taken for the same: that it saw this
 * value; that it changed this object.
 */
void weave_saw(uint64_t value);
void weave_changed(const void *object);

/* Points off and on, for the running thread: what is in between happens at once. */
void weave_quiet(bool on);

/*
 * A boundary inside what a thread does: where it does two things, neither of which is bound to the other. Executions one after
 * the other may switch here.
 */
void weave_step(void);
/* Does the running thread stand at one? */
bool weave_at_step(void);

/* A hash of what happened; see above. */
uint64_t weave_state(void);
/* The same when this thread, which can go on, will have done what it is about to do, and runs. */
uint64_t weave_state_after(int thread);
/* Of what one thread did, and of what that depends on. */
uint64_t weave_thread_state(int thread);

/* ---------------------------------------------------------------- words */

/* Forget all words: another scenario. */
void weave_words_forget(void);
/* What was learned is used from now on. True: something was that adds places to switch at. */
bool weave_words_learn(void);

/* ---------------------------------------------------------------- what the port uses */

void weave_rcu_enter(void);
void weave_rcu_leave(void);
void weave_rcu_call(struct rmap_rcu *rcu, void (*func)(void *ctx, struct rmap_rcu *rcu), void *ctx);
void weave_rcu_wait(void);
/* Callbacks that wait. Main may run them all. */
uint32_t weave_rcu_waiting(void);
void weave_rcu_drain(void);
void weave_rcu_forget(void);

void weave_sleep(const _Atomic uint32_t *word, uint32_t value);
void weave_wake(const _Atomic uint32_t *word);

/* Stacks and signal handlers; once. */
void weave_start(void);

#endif
