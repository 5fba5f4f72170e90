// SPDX-License-Identifier: BSD-2-Clause
/*
 * Deferral: what call_rcu() is given runs after a grace period.
 *
 * Readers are liburcu's (the membarrier flavour: entering a section is a store and a compiler barrier). Objects are pushed on
 * a list of the thread's own without a lock. Each machine has a thread, the reaper, that takes what has gathered every two
 * milliseconds, waits for one grace period for all of it, and runs it, each thread's in the order in which it came and on its
 * behalf: what that frees goes back to where it was deferred, as on a kernel whose processors run what they have deferred by
 * themselves. A push wakes the reaper only if it sleeps for want of work: one system call a burst. rcu_barrier() does the
 * reaper's work itself, after a batch that is under way.
 *
 * A machine may do without the reaper; then only barriers run anything.
 *
 * liburcu's own call_rcu would not do: its functions get no context, and its thread outlives the machine.
 *
 * Under ThreadSanitizer, which does not understand liburcu 0.13's barriers, readers publish in an atomic of their own which
 * period they entered in, and a grace period waits for those of the periods before.
 */
#include "machine.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#define GATHER_NS 2000000

#ifndef HOSTED_TSAN

/* Sections in line: 2 ns instead of 7. The inline part asks for a licence compatible with the LGPL, which ours is. */
#define _LGPL_SOURCE
#include <urcu/urcu-memb.h>

/* Whether this thread is registered; thread.c's flag costs a call. */
static __thread bool registered;

void hosted_rcu_register(void)
{
	urcu_memb_register_thread();
	registered = true;
}

void hosted_rcu_unregister(void)
{
	urcu_memb_unregister_thread();
	registered = false;
}

void hosted_rcu_read_lock(void *ctx)
{
	(void)ctx;
	if (rmap_unlikely(!registered))
		hosted_thread_attach();
	HOSTED_RCU_ENTER();
	urcu_memb_read_lock();
}

void hosted_rcu_read_unlock(void *ctx)
{
	(void)ctx;
	HOSTED_RCU_LEAVE();
	urcu_memb_read_unlock();
}

static void wait_for_readers(void)
{
	urcu_memb_synchronize_rcu();
}

bool hosted_rcu_reading(void)
{
	return registered && urcu_memb_read_ongoing();
}

#else

/* One reader thread. Records are never freed: there are as many as threads at one time. */
struct reader {
	_Atomic uint64_t period; /* in which its section began, 0: in none */
	uint64_t nesting;	 /* the thread's own */
	struct reader *next;	 /* fixed once listed */
	_Atomic uint32_t used;
};

static _Atomic uint64_t period = 1;
static _Atomic(struct reader *) readers;
static __thread struct reader *reader;

void hosted_rcu_register(void)
{
	struct reader *r;
	uint32_t free_record;

	for (r = atomic_load(&readers); r; r = r->next) {
		free_record = 0;
		if (atomic_compare_exchange_strong(&r->used, &free_record, 1))
			break;
	}
	if (!r) {
		r = calloc(1, sizeof(*r));
		if (!r)
			hosted_panic(NULL, __FILE__, __LINE__, "no memory for a thread's record");
		atomic_store(&r->used, 1);
		r->next = atomic_load(&readers);
		while (!atomic_compare_exchange_weak(&readers, &r->next, r))
			;
	}
	reader = r;
}

void hosted_rcu_unregister(void)
{
	atomic_store(&reader->used, 0);
	reader = NULL;
}

void hosted_rcu_read_lock(void *ctx)
{
	(void)ctx;
	if (!reader)
		hosted_thread_attach();
	HOSTED_RCU_ENTER();
	if (!reader->nesting++) {
		atomic_store(&reader->period, atomic_load(&period));
		/* What the section reads is read behind that; a store alone does not see to it on every machine. */
		atomic_thread_fence(memory_order_seq_cst);
	}
}

void hosted_rcu_read_unlock(void *ctx)
{
	(void)ctx;
	HOSTED_RCU_LEAVE();
	if (!--reader->nesting)
		atomic_store(&reader->period, 0);
}

static void wait_for_readers(void)
{
	uint64_t now = atomic_fetch_add(&period, 1) + 1;
	struct reader *r;

	for (r = atomic_load(&readers); r; r = r->next) {
		uint64_t entered;

		while ((entered = atomic_load(&r->period)) != 0 && entered < now)
			sched_yield();
	}
}

bool hosted_rcu_reading(void)
{
	return reader && reader->nesting;
}

#endif

void hosted_synchronize(struct hosted *h)
{
	wait_for_readers();
	hosted_mmu_wait_for_walks(h);
}

/* All that was pushed until now, to be run later. False: nothing was. */
static bool take_pushed(struct hosted *h)
{
	struct hosted_local *local;
	bool any;

	h->defer.taken = atomic_exchange(&h->defer.stray, NULL);
	any = h->defer.taken != NULL;
	hosted_spin_lock(&h->local_lock);
	for (local = h->locals; local; local = local->next) {
		local->taken = NULL;
		if (atomic_load(&local->pushed))
			local->taken = atomic_exchange(&local->pushed, NULL);
		any |= local->taken != NULL;
	}
	h->defer.first = h->locals;
	hosted_spin_unlock(&h->local_lock);
	return any;
}

/* The newest comes first, and is run last. */
static void run_list(struct hosted *h, struct rmap_rcu *newest)
{
	struct rmap_rcu *rcu, *next, *oldest = NULL;

	for (rcu = newest; rcu; rcu = next) {
		next = rcu->next;
		rcu->next = oldest;
		oldest = rcu;
	}
	for (rcu = oldest; rcu; rcu = next) {
		next = rcu->next;
		rcu->func(h, rcu);
	}
}

/* Run all that was pushed before the call. Callbacks may push; they may not ask for a barrier. */
static void defer_run(struct hosted *h)
{
	struct hosted_local *local;

	pthread_mutex_lock(&h->defer.run);
	if (take_pushed(h)) {
		hosted_synchronize(h);
		run_list(h, h->defer.taken);
		for (local = h->defer.first; local; local = local->next) {
			if (!local->taken)
				continue;
			hosted_act_for(h, local);
			run_list(h, local->taken);
		}
		hosted_act_for(h, NULL);
	}
	pthread_mutex_unlock(&h->defer.run);
}

static bool any_pushed(struct hosted *h)
{
	const struct hosted_local *local;
	bool any = atomic_load(&h->defer.stray) != NULL;

	hosted_spin_lock(&h->local_lock);
	for (local = h->locals; local && !any; local = local->next)
		any = atomic_load(&local->pushed) != NULL;
	hosted_spin_unlock(&h->local_lock);
	return any;
}

uint64_t hosted_deferred(const struct hosted *h)
{
	struct hosted_spin *lock = (struct hosted_spin *)&h->local_lock;
	uint64_t n = atomic_load_explicit(&h->defer.strays, memory_order_relaxed);
	const struct hosted_local *local;

	hosted_spin_lock(lock);
	for (local = h->locals; local; local = local->next)
		n += atomic_load_explicit(&local->deferred, memory_order_relaxed);
	hosted_spin_unlock(lock);
	return n;
}

void hosted_call_rcu(void *ctx, struct rmap_rcu *rcu, void (*func)(void *ctx, struct rmap_rcu *rcu))
{
	struct hosted *h = ctx;
	struct hosted_local *local = hosted_cache_local(h);
	_Atomic(struct rmap_rcu *) *pushed = local ? &local->pushed : &h->defer.stray;

	rcu->func = func;
	rcu->next = atomic_load_explicit(pushed, memory_order_relaxed);
	while (!atomic_compare_exchange_weak(pushed, &rcu->next, rcu))
		;
	atomic_fetch_add_explicit(local ? &local->deferred : &h->defer.strays, 1,
				  memory_order_relaxed);
	/* The reaper says that it is idle before it looks for the last time; one of us sees the other. */
	if (rmap_unlikely(atomic_load(&h->defer.idle))) {
		pthread_mutex_lock(&h->defer.lock);
		pthread_cond_signal(&h->defer.signal);
		pthread_mutex_unlock(&h->defer.lock);
	}
}

void hosted_rcu_barrier(void *ctx)
{
	HOSTED_MAY_SLEEP("rcu_barrier");
	defer_run(ctx);
}

/*
 * Until GATHER_NS after *since, which becomes now. That is when the last batch was taken, not when it had been run: else a
 * batch is the larger the longer the last one took, and what is freed has left the caches before it is used again.
 */
static void gather(struct hosted_defer *d, struct timespec *since)
{
	struct timespec until = *since;
	int r = 0;

	until.tv_nsec += GATHER_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	while (!d->stop && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&d->signal, &d->lock, &until);
	clock_gettime(CLOCK_MONOTONIC, since);
}

static void *reaper(void *arg)
{
	struct hosted *h = arg;
	struct hosted_defer *d = &h->defer;
	struct timespec since;

	clock_gettime(CLOCK_MONOTONIC, &since);
	pthread_mutex_lock(&d->lock);
	while (!d->stop) {
		atomic_store(&d->idle, 1);
		while (!d->stop && !any_pushed(h)) {
			pthread_cond_wait(&d->signal, &d->lock);
			clock_gettime(CLOCK_MONOTONIC, &since);
		}
		atomic_store(&d->idle, 0);
		gather(d, &since);
		pthread_mutex_unlock(&d->lock);
		defer_run(h);
		pthread_mutex_lock(&d->lock);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

int hosted_defer_init(struct hosted *h, enum hosted_deferral deferral, char *error)
{
	struct hosted_defer *d = &h->defer;
	pthread_condattr_t attributes;
	int r = 0;

	pthread_mutex_init(&d->run, NULL);
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&d->signal, &attributes);
	pthread_condattr_destroy(&attributes);
	d->has_reaper = deferral == HOSTED_DEFER_SOON;
	if (d->has_reaper)
		r = pthread_create(&d->reaper, NULL, reaper, h);
	if (!r)
		return 0;
	pthread_cond_destroy(&d->signal);
	pthread_mutex_destroy(&d->lock);
	pthread_mutex_destroy(&d->run);
	hosted_say(error, "Cannot start a thread: %s.", strerror(r));
	return RMAP_ENOMEM;
}

void hosted_defer_destroy(struct hosted *h)
{
	struct hosted_defer *d = &h->defer;

	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_cond_signal(&d->signal);
	pthread_mutex_unlock(&d->lock);
	if (d->has_reaper)
		pthread_join(d->reaper, NULL);
	while (any_pushed(h))
		defer_run(h);
	pthread_cond_destroy(&d->signal);
	pthread_mutex_destroy(&d->lock);
	pthread_mutex_destroy(&d->run);
}
