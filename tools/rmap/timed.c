// SPDX-License-Identifier: BSD-2-Clause
/*
 * The clock around a design: one stack of events, of which the uppermost one's clock runs.
 *
 * Events nest: a walk's visitor unmaps the page that was found. Its own work is nobody's, so a visitor pauses the walk's clock,
 * and an event that it reports has one of its own.
 */
#include "timed_int.h"

#include "instructions.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALIBRATE 301

/* ---------------------------------------------------------------- clocks */

const char *timed_clock_name(void)
{
	return TIMED_CLOCK_NAME;
}

/* Not by read(), which takes fifty instructions more as soon as there is a second thread. */
static uint64_t read_counter(int fd)
{
	uint64_t n = 0;

	if (syscall(SYS_read, fd, &n, sizeof(n)) != (long)sizeof(n))
		return 0;
	return n;
}

/* ---------------------------------------------------------------- the layer */

/*
 * The layer whose clocks this thread keeps. Others have a part in a run, too: the one that frees what waited for a grace period, page
 * tables among it. Their events go through unmeasured.
 */
static _Thread_local const struct timed *mine;

static uint32_t random_bits(struct timed *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 17;
	t->random ^= t->random << 5;
	return t->random;
}

/* For how many does this event stand? */
static uint64_t choose_weight(struct timed *t, uint64_t nth)
{
	if (t->counter < 0)
		return 0;
	if (nth < 256)
		return 1;
	if (nth < 16384)
		return random_bits(t) % 16 ? 0 : 16;
	return random_bits(t) % 256 ? 0 : 256;
}

#ifdef LOCKDEP_H
static void credit_locks(struct timed *t)
{
	for (unsigned int i = 0; i <= RMAP_LOCK_CLASSES; i++)
		t->locks[i] += lockdep_taken[i] - t->last_locks[i];
}

static void count_locks_from_here(struct timed *t)
{
	memcpy(t->last_locks, lockdep_taken, sizeof(t->last_locks));
}

const char *timed_lock_name(unsigned int lock_class)
{
	return lock_class <= RMAP_LOCK_CLASSES ? lockdep_name(lock_class) : NULL;
}
#else
static inline void credit_locks(struct timed *t)
{
	(void)t;
}

static inline void count_locks_from_here(struct timed *t)
{
	(void)t;
}

const char *timed_lock_name(unsigned int lock_class)
{
	(void)lock_class;
	return NULL;
}
#endif

uint64_t timed_locks_taken(const struct timed *t, unsigned int lock_class)
{
	return lock_class <= RMAP_LOCK_CLASSES ? t->locks[lock_class] : 0;
}

/* The clock runs for another from here. now is read first, and again behind what takes long. */
static void credit(struct timed *t, uint64_t now)
{
	struct timed_total *running = t->depth ? t->stack[t->depth - 1] : NULL;
	uint64_t n;

	if (running)
		running->ticks += now - t->last_ticks;
	if (running && running != &t->total[0][TIMED_PROBE])
		credit_locks(t);
	if (!t->weight)
		return;
	n = read_counter(t->counter);
	if (running)
		running->instructions += (double)t->weight * (double)(n - t->last_instructions);
}

static inline void go_on(struct timed *t)
{
	if (t->weight)
		t->last_instructions = read_counter(t->counter);
	count_locks_from_here(t);
	t->last_ticks = timed_ticks();
}

void timed_begin(struct timed *t, enum timed_event event, uint64_t pages)
{
	struct timed_total *total;

	if (mine != t)
		return;
	total = &t->total[t->forking && !t->depth][event];
	if (t->depth)
		credit(t, timed_ticks());
	else
		t->weight = choose_weight(t, total->events);
	/* Deeper than anything goes: the outer one's time. */
	if (t->depth == TIMED_DEPTH_MAX)
		abort();
	t->stack[t->depth++] = total;
	total->events++;
	total->pages += pages;
	go_on(t);
}

void timed_end(struct timed *t)
{
	if (mine != t)
		return;
	credit(t, timed_ticks());
	/* An event in the sample carries what reading its counter costs, as often as it was read. */
	if (t->weight && t->stack[t->depth - 1])
		t->stack[t->depth - 1]->instructions -=
			(double)t->weight * t->overhead_instructions;
	t->depth--;
	if (t->depth)
		go_on(t);
	else
		t->weight = 0;
}

/* A visitor: nobody's time. */
void timed_pause(struct timed *t)
{
	struct timed_total *running;

	if (mine != t)
		return;
	running = t->stack[t->depth - 1];
	credit(t, timed_ticks());
	running->pauses++;
	if (t->weight)
		running->instructions -= (double)t->weight * t->overhead_instructions;
	if (t->depth == TIMED_DEPTH_MAX)
		abort();
	t->stack[t->depth++] = NULL;
}

void timed_resume(struct timed *t)
{
	if (mine != t)
		return;
	t->depth--;
	go_on(t);
}

/* ---------------------------------------------------------------- making */

static void nothing(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
		    struct rmap_vma *vma, uint64_t addr, bool exclusive)
{
	(void)rmap;
	(void)pages;
	(void)nr;
	(void)vma;
	(void)addr;
	(void)exclusive;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* What an event comes to in which nothing is done: the median of many. */
static void calibrate(struct timed *t)
{
	static const struct rmap_ops empty = { .page_new = nothing };
	/* Called as events are, by a pointer: in line it would cost less, and too little would be taken off. */
	void (*volatile event)(struct rmap *, struct rmap_page *const *, unsigned int,
			       struct rmap_vma *, uint64_t, bool) = timed_page_new;
	const struct rmap_ops *volatile inner_now = &empty;
	struct timed_total *total = &t->total[0][TIMED_PAGE_NEW];
	const struct rmap_ops *inner = t->inner;
	struct rmap rmap = { .ops = &t->ops };
	uint64_t n[CALIBRATE];
	int counter = t->counter;

	t->inner = inner_now;
	t->counter = -1;
	for (unsigned int i = 0; i < CALIBRATE; i++) {
		total->ticks = 0;
		event(&rmap, NULL, 1, NULL, 0, false);
		n[i] = total->ticks;
	}
	qsort(n, CALIBRATE, sizeof(n[0]), by_size);
	t->overhead_ticks = (double)n[CALIBRATE / 2];
	t->counter = counter;
	for (unsigned int i = 0; i < CALIBRATE && counter >= 0; i++) {
		total->events = 0;
		total->instructions = 0;
		event(&rmap, NULL, 1, NULL, 0, false);
		n[i] = (uint64_t)total->instructions;
	}
	qsort(n, CALIBRATE, sizeof(n[0]), by_size);
	t->overhead_instructions = counter >= 0 ? (double)n[CALIBRATE / 2] : 0;
	memset(total, 0, sizeof(*total));
	t->inner = inner;
}

struct timed *timed_new(const struct rmap_ops *ops)
{
	struct timed *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ops = *ops;
	t->inner = ops;
	t->random = 2463534242u;
	t->counter = instructions_open();
	timed_take_over(t);
	mine = t;
	calibrate(t);
	t->start_ns = timed_monotonic();
	t->start_ticks = timed_ticks();
	return t;
}

void timed_free(struct timed *t)
{
	if (!t)
		return;
	if (mine == t)
		mine = NULL;
	if (t->counter >= 0)
		close(t->counter);
	free(t);
}

const struct rmap_ops *timed_ops(const struct timed *t)
{
	return &t->ops;
}
