// SPDX-License-Identifier: BSD-2-Clause
/*
 * The weaver's heart: points, who can go on, and the order that is checked at each lock. See weave.h.
 */
#include "weave.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rmap/port.h>

#include <rmap/locks.h>

#include "fiber.h"
#include "port.h"
#include "words.h"

#define HELD_MAX      32
#define CALLBACKS_MAX 512
/* More points than any execution needs that makes progress. */
#define POINTS_MAX    5000000

enum thread_state {
	THREAD_UNUSED,
	THREAD_RUNS, /* has begun, or will */
	THREAD_ENDED,
};

struct held {
	const void *lock;
	uint32_t lock_class; /* + 1 */
};

struct thread {
	struct fiber *fiber;
	enum thread_state state;
	/* what it does next */
	const volatile void *object;
	enum weave_kind kind;
	uintptr_t caller;
	/* what for it waits */
	enum weave_wait wait;
	const uint32_t *word;
	uint64_t mask;
	bool woken;
	uint64_t writes; /* its own */
	uint64_t round;	 /* the others', when a spin loop last went round */
	uint64_t hash;	 /* of what it did and saw */
	uint32_t points; /* that it passed */
	uint32_t rcu;	 /* sections it is in */
	uint32_t nr_held, nr_spin;
	struct held held[HELD_MAX];
};

struct callback {
	struct rmap_rcu *rcu;
	void (*func)(void *ctx, struct rmap_rcu *rcu);
	void *ctx;
	uint32_t readers; /* threads whose sections it waits for */
	uint64_t number;
};

/* The linker's: where the program begins. */
extern const char __executable_start;

static struct {
	struct thread thread[WEAVE_THREADS_MAX + 1];
	struct thread main; /* holds locks as well, in set-up and checks */
	struct thread *running;
	int last; /* the user thread that ran last */
	const struct weave_run *run;
	bool on; /* between start and end of a run */
	uint64_t points, writes;
	uint32_t preemptions;
	bool too_long;
	bool trace;
	struct thread *paused;
	bool rcu_waits; /* the RCU thread's fiber is in its loop, at its first point */
	uint32_t nr_segments;
	struct weave_segment segment[WEAVE_SEGMENTS];
	uint32_t nr_callbacks;
	uint64_t next_callback;
	struct callback callback[CALLBACKS_MAX];
	enum weave_outcome outcome;
	char message[1024];
	sigjmp_buf main_jump;
	bool main_guarded;
} w;

bool weave_active;

static inline bool is_user(const struct thread *t)
{
	return t >= w.thread && t < &w.thread[WEAVE_THREADS_MAX];
}

static inline int number_of(const struct thread *t)
{
	return (int)(t - w.thread);
}

int weave_self(void)
{
	return w.running == &w.main ? -1 : number_of(w.running);
}

void weave_quiet(bool on)
{
	if (!w.on || w.running == &w.main)
		return;
	weave_active = !on;
	fiber_unwatched(on);
}

/* ---------------------------------------------------------------- the end of an execution */

static void to_main(enum weave_outcome outcome)
{
	struct thread *self = w.running;

	w.outcome = outcome;
	weave_active = false;
	w.running = &w.main;
	fiber_release_all();
	fiber_switch(self->fiber, fiber_main());
}

/* The strategy wants main to go on, and this execution later. */
static void pause_here(void)
{
	struct thread *self = w.running;

	w.paused = self;
	w.outcome = WEAVE_PAUSED;
	w.running = &w.main;
	fiber_switch(self->fiber, fiber_main());
}

/* Threads and locks have classes + 1. */
static const char *class_name(uint32_t lock_class)
{
	return lock_class ? rmap_lock_name((enum rmap_lock_class)(lock_class - 1)) : "a lock";
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	size_t n = strlen(w.message);
	va_list args;

	va_start(args, format);
	vsnprintf(w.message + n, sizeof(w.message) - n, format, args);
	va_end(args);
}

static void say_who(const struct thread *t)
{
	if (t == &w.main)
		say("main");
	else if (is_user(t))
		say("thread %c", 'a' + number_of(t));
	else
		say("the RCU thread");
}

static void say_held(const struct thread *t)
{
	uint32_t i;

	if (!t->nr_held && !t->rcu)
		return;
	say(", holding");
	for (i = 0; i < t->nr_held; i++)
		say("%s %s (%p)", i ? "," : "", class_name(t->held[i].lock_class), t->held[i].lock);
	if (t->rcu)
		say("%s an RCU section", t->nr_held ? " and" : "");
}

static void __attribute__((noreturn)) leave(void)
{
	if (w.running == &w.main) {
		if (!w.main_guarded) {
			fprintf(stderr, "rmap-weave: %s\n", w.message);
			abort();
		}
		siglongjmp(w.main_jump, 1);
	}
	to_main(WEAVE_FAILED);
	abort();
}

void weave_fail(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!w.message[0]) {
		say("%s: ", text);
		say_who(w.running);
		say_held(w.running);
	}
	leave();
}

const char *weave_message(void)
{
	return w.message;
}

void weave_message_clear(void)
{
	w.message[0] = 0;
}

/* ---------------------------------------------------------------- who can go on */

static bool callback_ready(void)
{
	uint32_t i;

	for (i = 0; i < w.nr_callbacks; i++) {
		if (!w.callback[i].readers)
			return true;
	}
	return false;
}

static bool can_run(const struct thread *t)
{
	if (t->state != THREAD_RUNS)
		return false;
	switch (t->wait) {
	case WEAVE_WAIT_CLEAR:
		return !(*t->word & t->mask);
	case WEAVE_WAIT_WOKEN:
		return t->woken;
	case WEAVE_WAIT_CHANGE:
		return w.writes - t->writes != t->mask;
	case WEAVE_WAIT_CALLBACK:
		return callback_ready();
	case WEAVE_WAIT_BARRIER:
		return !w.nr_callbacks || w.callback[0].number >= t->mask;
	case WEAVE_WAIT_NOTHING:
	default:
		return true;
	}
}

static const struct thread *holder_of(const void *lock)
{
	int i;

	for (i = 0; i <= WEAVE_RCU; i++) {
		const struct thread *t = &w.thread[i];
		uint32_t h;

		for (h = 0; h < t->nr_held; h++) {
			if (t->held[h].lock == lock)
				return t;
		}
	}
	return NULL;
}

static void say_wait(const struct thread *t)
{
	const struct thread *holder = holder_of((const void *)t->object);

	switch (t->wait) {
	case WEAVE_WAIT_CLEAR:
		say(" wants a lock (%p)", (const void *)t->object);
		break;
	case WEAVE_WAIT_WOKEN:
		say(" sleeps for a wake (%p)", (const void *)t->object);
		break;
	case WEAVE_WAIT_CHANGE:
		say(" spins");
		break;
	case WEAVE_WAIT_BARRIER:
		say(" waits for deferred calls");
		break;
	default:
		say(" waits");
		break;
	}
	if (holder) {
		say(" of ");
		say_who(holder);
	}
	say_held(t);
}

static void __attribute__((noreturn)) deadlock(void)
{
	int i, n = 0;

	if (!w.message[0]) {
		say("deadlock: ");
		for (i = 0; i <= WEAVE_RCU; i++) {
			const struct thread *t = &w.thread[i];

			if (t->state != THREAD_RUNS ||
			    (i == WEAVE_RCU && t->wait == WEAVE_WAIT_CALLBACK))
				continue;
			if (n++)
				say("; ");
			say_who(t);
			say_wait(t);
		}
	}
	leave();
}

static uint32_t users_that_can(void)
{
	uint32_t mask = 0;
	int i;

	for (i = 0; i < WEAVE_THREADS_MAX; i++)
		mask |= (uint32_t)can_run(&w.thread[i]) << i;
	return mask;
}

static bool users_ended(void)
{
	int i;

	for (i = 0; i < WEAVE_THREADS_MAX; i++) {
		if (w.thread[i].state == THREAD_RUNS)
			return false;
	}
	return true;
}

/* Who goes on; NULL: all have ended. Does not return where nobody can. */
static struct thread *pick(void)
{
	bool rcu = can_run(&w.thread[WEAVE_RCU]);
	uint32_t mask = users_that_can();
	int current = w.last, chosen;
	const struct thread *last;
	bool ended = !mask && users_ended(), shared;

	if (ended && !rcu && w.thread[WEAVE_RCU].wait == WEAVE_WAIT_CALLBACK)
		return NULL;
	if (rcu && (w.run->eager_rcu || !mask))
		return &w.thread[WEAVE_RCU];
	if (!mask && !rcu)
		deadlock();
	if (rcu)
		mask |= 1u << WEAVE_RCU;
	if (w.running == &w.thread[WEAVE_RCU] && !w.run->eager_rcu)
		current = WEAVE_RCU;
	last = &w.thread[current];
	if (!(mask >> current & 1))
		current = -1;
	/* Between two callbacks anybody may go on. */
	shared = current >= 0 && (last->wait == WEAVE_WAIT_CALLBACK ||
				  word_is_shared(last->object, current, last->kind));
	while ((chosen = w.run->choose(w.run->choose_arg, mask, current, shared)) == WEAVE_PAUSE)
		pause_here();
	if (chosen < 0) {
		to_main(WEAVE_PRUNED);
		abort();
	}
	if (chosen != WEAVE_RCU) {
		/* A callback in between preempts nobody, but it may not hide that somebody else goes on. */
		if (chosen != w.last && can_run(&w.thread[w.last]))
			w.preemptions++;
		w.last = chosen;
	}
	return &w.thread[chosen];
}

/* Part of the schedule. */
static void note_segment(int thread)
{
	struct weave_segment *s = &w.segment[w.nr_segments];

	if (w.nr_segments && s[-1].thread == thread) {
		s[-1].points++;
		return;
	}
	if (w.nr_segments == WEAVE_SEGMENTS) {
		w.too_long = true;
		return;
	}
	*s = (struct weave_segment){ (uint8_t)thread, 1 };
	w.nr_segments++;
}

static void passed(struct thread *t);

/* The thread's next operation is known; who goes on is decided; when it is this one again, the operation is about to be done. */
static void schedule(struct thread *t)
{
	struct thread *next;

	weave_active = false;
	if (++w.points > POINTS_MAX)
		weave_fail("no end: %d points passed", POINTS_MAX);
	next = pick();
	if (next != t) {
		/* The last callback has been run when everybody has ended. */
		w.running = next ? next : &w.main;
		if (!next)
			fiber_release_all();
		fiber_switch(t->fiber, next ? next->fiber : fiber_main());
		/* somebody chose this one; it runs */
		weave_active = false;
	}
	passed(t);
}

/* What each thread does, and where: addresses for addr2line. */
static void trace(const struct thread *t)
{
	static const char *const kinds[] = { "reads", "adds to", "writes" };

	fprintf(stderr, "%c %4u %-7s %p at %#lx%s\n", is_user(t) ? 'a' + number_of(t) : 'r',
		t->points + 1, kinds[t->kind], (const void *)t->object,
		(unsigned long)(t->caller - (uintptr_t)&__executable_start),
		t->wait == WEAVE_WAIT_CLEAR ? " (locks)" : "");
}

void weave_trace(bool on)
{
	w.trace = on;
}

/* Its operation is about to be done. */
static void passed(struct thread *t)
{
	if (w.trace)
		trace(t);
	t->wait = WEAVE_WAIT_NOTHING;
	t->points++;
	note_segment(number_of(t));
	if (t->kind != WEAVE_READ) {
		w.writes++;
		t->writes++;
	}
	t->hash = word_note(t->object, number_of(t), t->kind, t->hash);
	weave_active = true;
}

void weave_point(const volatile void *object, enum weave_kind kind)
{
	struct thread *t = w.running;

	t->object = object;
	t->kind = kind;
	t->caller = (uintptr_t)__builtin_return_address(0);
	schedule(t);
}

void weave_point_clear(const volatile void *object, enum weave_kind kind, const uint32_t *word,
		       uint32_t bits)
{
	struct thread *t = w.running;

	if (!weave_active) {
		if (*word & bits)
			weave_fail("a lock is held that nobody is left to release");
		return;
	}
	t->word = word;
	t->mask = bits;
	t->wait = WEAVE_WAIT_CLEAR;
	t->object = object;
	t->kind = kind;
	t->caller = (uintptr_t)__builtin_return_address(0);
	schedule(t);
}

void weave_relax(void)
{
	struct thread *t = w.running;

	if (!weave_active)
		weave_fail("spins, and nobody else is there");
	/*
	 * What it looked at may have changed since it looked, so a loop goes round for nothing once: it is run again if others
	 * wrote since the previous round ended.
	 */
	t->wait = WEAVE_WAIT_CHANGE;
	t->mask = t->round;
	t->round = w.writes - t->writes;
	weave_point(t, WEAVE_READ);
}

void weave_saw(uint64_t value)
{
	if (weave_active)
		w.running->hash = word_mix(w.running->hash, value);
}

void weave_changed(const void *object)
{
	struct thread *t = w.running;

	if (weave_active)
		t->hash = word_note(object, number_of(t), WEAVE_WRITE, t->hash);
}

/* A word that nobody shares: no place to switch at but for executions one after the other. */
static const uint64_t step_words[WEAVE_THREADS_MAX];

void weave_step(void)
{
	weave_at(&step_words[number_of(w.running)], WEAVE_READ);
}

bool weave_at_step(void)
{
	return is_user(w.running) && w.running->state == THREAD_RUNS &&
	       w.running->object == &step_words[number_of(w.running)];
}

void weave_sleep(const _Atomic uint32_t *word, uint32_t value)
{
	struct thread *t = w.running;

	weave_may_sleep("waits");
	if (!weave_active)
		weave_fail("sleeps, and nobody is left to wake it");
	weave_point(word, WEAVE_READ);
	if (__atomic_load_n(word, __ATOMIC_RELAXED) != value)
		return;
	t->wait = WEAVE_WAIT_WOKEN;
	t->woken = false;
	weave_point(word, WEAVE_READ);
}

void weave_wake(const _Atomic uint32_t *word)
{
	int i;

	weave_at(word, WEAVE_WRITE);
	for (i = 0; i <= WEAVE_RCU; i++) {
		struct thread *t = &w.thread[i];

		if (t->wait == WEAVE_WAIT_WOKEN && t->object == word)
			t->woken = true;
	}
}

/* ---------------------------------------------------------------- locks that are held */

void weave_may_sleep(const char *what)
{
	const struct thread *t = w.running;

	if (t->nr_spin)
		weave_fail("may sleep under a spin lock (%s)", what);
	if (t->rcu)
		weave_fail("may sleep in an RCU section (%s)", what);
}

void weave_lock_wait(const void *lock, uint32_t lock_class, bool nested, bool sleeps)
{
	const struct thread *t = w.running;
	uint32_t i;

	if (sleeps)
		weave_may_sleep("a sleeping lock");
	for (i = 0; i < t->nr_held; i++) {
		uint32_t held = t->held[i].lock_class;

		if (t->held[i].lock == lock)
			weave_fail("takes the %s twice", class_name(lock_class));
		if (held && lock_class && (lock_class < held || (lock_class == held && !nested)))
			weave_fail("takes locks in the wrong order (%s)", class_name(lock_class));
	}
}

void weave_lock_got(const void *lock, uint32_t lock_class, bool sleeps)
{
	struct thread *t = w.running;

	if (t->nr_held == HELD_MAX)
		weave_fail("holds more locks than can be");
	t->held[t->nr_held++] = (struct held){ lock, lock_class };
	t->nr_spin += !sleeps;
}

void weave_lock_released(const void *lock, uint32_t lock_class, bool sleeps)
{
	struct thread *t = w.running;
	uint32_t i = t->nr_held;

	while (i && t->held[i - 1].lock != lock)
		i--;
	if (!i)
		weave_fail("releases the %s, which it does not hold", class_name(lock_class));
	for (t->nr_held--; i <= t->nr_held; i++)
		t->held[i - 1] = t->held[i];
	t->nr_spin -= !sleeps;
}

void weave_lock_assert(const void *lock, bool ok)
{
	const struct thread *t = w.running;
	uint32_t i = t->nr_held;

	while (i && t->held[i - 1].lock != lock)
		i--;
	if (!ok || !i)
		weave_fail("touches what a lock guards that it does not hold");
}

bool weave_lock_wanted(const void *lock)
{
	int i;

	for (i = 0; weave_active && i <= WEAVE_RCU; i++) {
		const struct thread *t = &w.thread[i];

		if (t != w.running && t->state == THREAD_RUNS && t->wait == WEAVE_WAIT_CLEAR &&
		    t->object == lock) {
			weave_saw((uintptr_t)lock);
			return true;
		}
	}
	return false;
}

/* ---------------------------------------------------------------- RCU */

/*
 * RCU is one word: sections read it where they begin and end, who defers writes it, for the order of these two decides who is
 * waited for. A callback comes after the ends that it waits for in any order, so it need not touch the word.
 */
static const uint64_t rcu_word;
/* What the RCU thread touches between callbacks; nobody else does. */
static const uint64_t callback_word;

void weave_rcu_enter(void)
{
	weave_at(&rcu_word, WEAVE_READ);
	w.running->rcu++;
}

void weave_rcu_leave(void)
{
	struct thread *t = w.running;
	uint32_t bit, i;

	if (!t->rcu)
		weave_fail("leaves an RCU section that it is not in");
	bit = t == &w.main ? 0 : 1u << number_of(t);
	weave_at(&rcu_word, WEAVE_READ);
	if (--t->rcu)
		return;
	fiber_sync_release(&w.callback);
	for (i = 0; i < w.nr_callbacks; i++)
		w.callback[i].readers &= ~bit;
}

void weave_rcu_call(struct rmap_rcu *rcu, void (*func)(void *ctx, struct rmap_rcu *rcu), void *ctx)
{
	struct callback *c;
	int i;

	weave_at(&rcu_word, WEAVE_WRITE);
	if (w.nr_callbacks == CALLBACKS_MAX)
		weave_fail("more deferred calls than can be");
	c = &w.callback[w.nr_callbacks++];
	*c = (struct callback){ rcu, func, ctx, 0, w.next_callback++ };
	for (i = 0; i <= WEAVE_RCU; i++) {
		if (w.thread[i].rcu)
			c->readers |= 1u << i;
	}
	fiber_sync_release(&w.callback);
}

static void callback_run(uint32_t i)
{
	struct callback c = w.callback[i];

	/* Not by memmove(), which ThreadSanitizer would see. */
	for (w.nr_callbacks--; i < w.nr_callbacks; i++)
		w.callback[i] = w.callback[i + 1];
	fiber_sync_acquire(&w.run);
	fiber_sync_acquire(&w.callback);
	c.func(c.ctx, c.rcu);
}

static void rcu_thread(void *arg)
{
	struct thread *t = &w.thread[WEAVE_RCU];
	bool first = true;

	(void)arg;
	for (;;) {
		uint32_t i;

		/* It is first run when there is a callback, as at any other time. */
		if (first) {
			passed(t);
		} else {
			t->object = &callback_word;
			t->kind = WEAVE_READ;
			t->wait = WEAVE_WAIT_CALLBACK;
			schedule(t);
		}
		first = false;
		for (i = 0; i < w.nr_callbacks && w.callback[i].readers; i++)
			;
		callback_run(i);
	}
}

void weave_rcu_wait(void)
{
	struct thread *t = w.running;

	weave_may_sleep("a barrier");
	if (!weave_active) {
		weave_rcu_drain();
		return;
	}
	t->wait = WEAVE_WAIT_BARRIER;
	t->mask = w.next_callback;
	weave_point(&rcu_word, WEAVE_READ);
}

uint32_t weave_rcu_waiting(void)
{
	return w.nr_callbacks;
}

void weave_rcu_drain(void)
{
	while (w.nr_callbacks)
		callback_run(0);
}

void weave_rcu_forget(void)
{
	w.nr_callbacks = 0;
}

/* ---------------------------------------------------------------- a run */

static void user_thread(void *arg)
{
	struct thread *t = arg, *next;

	for (;;) {
		fiber_sync_acquire(&w.run);
		/* Its first point is that it begins. */
		weave_active = false;
		t->points++;
		note_segment(number_of(t));
		weave_active = true;
		w.run->body[number_of(t)](number_of(t), w.run->arg);
		weave_active = false;
		if (t->nr_held || t->rcu)
			weave_fail("ends");
		t->state = THREAD_ENDED;
		w.points++;
		fiber_sync_release(&w.main);
		next = pick();
		w.running = next ? next : &w.main;
		if (!next)
			fiber_release_all();
		fiber_end(t->fiber, next ? next->fiber : fiber_main());
	}
}

static void thread_reset(struct thread *t)
{
	struct fiber *fiber = t->fiber;

	memset(t, 0, offsetof(struct thread, held));
	t->fiber = fiber;
	t->round = UINT64_MAX;
	t->hash = (uint64_t)number_of(t) * 0x9e3779b97f4a7c15u + 1;
}

/* From main to the thread that runs, and back here when that execution ends or is paused. */
static enum weave_outcome run_on(void)
{
	w.on = true;
	fiber_switch(fiber_main(), w.running->fiber);
	w.on = false;
	fiber_sync_acquire(&w.main);
	fiber_sync_acquire(fiber_main());
	w.running = &w.main;
	if (w.message[0])
		w.outcome = WEAVE_FAILED;
	w.rcu_waits = w.outcome == WEAVE_DONE && w.thread[WEAVE_RCU].points;
	return w.outcome;
}

enum weave_outcome weave_run(const struct weave_run *run)
{
	int i, first = -1;

	w.run = run;
	w.points = w.writes = w.preemptions = 0;
	w.nr_segments = 0;
	w.outcome = WEAVE_DONE;
	w.too_long = false;
	words_begin();
	for (i = WEAVE_THREADS_MAX - 1; i >= 0; i--) {
		thread_reset(&w.thread[i]);
		if (!run->body[i])
			continue;
		w.thread[i].state = THREAD_RUNS;
		fiber_prepare(w.thread[i].fiber, user_thread, &w.thread[i]);
		first = i;
	}
	thread_reset(&w.thread[WEAVE_RCU]);
	w.thread[WEAVE_RCU].state = THREAD_RUNS;
	w.thread[WEAVE_RCU].wait = WEAVE_WAIT_CALLBACK;
	w.thread[WEAVE_RCU].object = &callback_word;
	w.thread[WEAVE_RCU].kind = WEAVE_READ;
	/* At the end of an execution it stands where it begins, waiting for a callback. */
	if (!w.rcu_waits)
		fiber_prepare(w.thread[WEAVE_RCU].fiber, rcu_thread, NULL);
	if (first < 0)
		return WEAVE_DONE;
	fiber_sync_release(&w.run);
	/* Who begins is the first choice, which preempts nobody. */
	w.last = WEAVE_THREADS_MAX;
	first = run->choose(run->choose_arg, users_that_can(), -1, false);
	if (first < 0)
		return WEAVE_PRUNED;
	w.last = first;
	w.running = &w.thread[first];
	return run_on();
}

enum weave_outcome weave_go_on(void)
{
	w.running = w.paused;
	w.outcome = WEAVE_DONE;
	return run_on();
}

/* What is not here is the same in all executions, or of no use once one has ended. */
void weave_image(struct image *im)
{
	image_copy(im, w.thread, sizeof(w.thread));
	image_copy(im, &w.last, sizeof(w.last));
	image_copy(im, &w.paused, sizeof(w.paused));
	image_copy(im, &w.points, sizeof(w.points));
	image_copy(im, &w.writes, sizeof(w.writes));
	image_copy(im, &w.preemptions, sizeof(w.preemptions));
	image_copy(im, &w.too_long, sizeof(w.too_long));
	image_copy(im, &w.nr_segments, sizeof(w.nr_segments));
	image_copy(im, w.segment, w.nr_segments * sizeof(w.segment[0]));
	image_copy(im, &w.next_callback, sizeof(w.next_callback));
	image_copy(im, &w.nr_callbacks, sizeof(w.nr_callbacks));
	image_copy(im, w.callback, w.nr_callbacks * sizeof(w.callback[0]));
	fiber_image(im);
	weave_port_image(im);
}

enum weave_outcome weave_guarded(void (*fn)(void *arg), void *arg)
{
	w.running = &w.main;
	w.main.nr_held = w.main.nr_spin = w.main.rcu = 0;
	if (sigsetjmp(w.main_jump, 0)) {
		w.main_guarded = false;
		return WEAVE_FAILED;
	}
	w.main_guarded = true;
	fn(arg);
	w.main_guarded = false;
	return w.message[0] ? WEAVE_FAILED : WEAVE_DONE;
}

uint32_t weave_schedule(const struct weave_segment **segments)
{
	*segments = w.segment;
	return w.nr_segments;
}

uint64_t weave_points(void)
{
	return w.points;
}

uint32_t weave_thread_points(int thread)
{
	return w.thread[thread].points;
}

uint32_t weave_preemptions(void)
{
	return w.preemptions;
}

/* A sum over the threads: then what one of them does next changes one term. */
static uint64_t state_of(const struct thread *t, uint64_t hash)
{
	return word_mix(hash, (uint64_t)number_of(t));
}

uint64_t weave_state(void)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i <= WEAVE_RCU; i++)
		sum += state_of(&w.thread[i], w.thread[i].hash);
	return sum;
}

uint64_t weave_state_after(int thread)
{
	const struct thread *t = &w.thread[thread];
	uint64_t hash = t->hash;

	/* Who has not begun is about to do nothing that others could see. */
	if (t->points)
		hash = word_after(t->object, t->kind, hash);
	return weave_state() - state_of(t, t->hash) + state_of(t, hash) + (uint64_t)thread + 1;
}

uint64_t weave_thread_state(int thread)
{
	return w.thread[thread].hash;
}

/* ---------------------------------------------------------------- faults and reports */

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (!w.message[0]) {
		say("%s at address %p: ", number == SIGSEGV ? "segmentation fault" : "bus error",
		    info->si_addr);
		say_who(w.running);
		say_held(w.running);
	}
	leave();
}

/* ThreadSanitizer's: a data race was found. It goes on; the execution has failed. */
void __tsan_on_report(void *report);
void __tsan_on_report(void *report)
{
	(void)report;
	if (!w.message[0])
		say("data race (see the report above)");
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "halt_on_error=0 exitcode=0 suppress_equal_stacks=0 suppress_equal_addresses=0 "
	       "report_thread_leaks=0 handle_segv=0 handle_sigbus=0 handle_abort=0";
}

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "handle_segv=0 handle_sigbus=0 detect_leaks=0 allow_user_segv_handler=1 "
	       "detect_stack_use_after_return=0";
}

void weave_start(void)
{
	static char alternate[65536];
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	struct sigaction action = { .sa_sigaction = on_signal,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	int i;

	fiber_start();
	for (i = 0; i <= WEAVE_RCU; i++)
		w.thread[i].fiber = fiber_create();
	w.main.fiber = fiber_main();
	w.running = &w.main;
	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}
