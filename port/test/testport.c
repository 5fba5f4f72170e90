// SPDX-License-Identifier: BSD-2-Clause
/*
 * The test port passes everything on to a hosted machine, except what was ordered to fail and what is deferred.
 *
 * Orders are few and events cheap, so that one lock guards all of it; threads may use the port, but which of them meets the n-th
 * event is then theirs to decide.
 */
#include "testport.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ANY_KIND (-1)

struct order {
	uint64_t n;	/* 0: none fails */
	uint64_t count; /* events since the order */
	enum testport_how how;
	int kind; /* TESTPORT_ALLOC: this kind of object, or ANY_KIND */
};

struct testport {
	struct mm_port port;	    /* fixed */
	const struct mm_port *real; /* fixed */
	struct hosted *h;	    /* fixed */
	pthread_mutex_t lock;
	struct order order[TESTPORT_EVENTS]; /* lock */
	uint64_t failed;		     /* lock */
	uint64_t flushes;		     /* lock */
	int io_error;			     /* lock */
	struct rmap_rcu *oldest, *newest;    /* deferred, linked oldest to newest; lock */
	uint64_t nr_deferred;		     /* lock */
};

/* => does this event fail? */
static bool event_fails(struct testport *tp, enum testport_event event, int kind)
{
	struct order *o = &tp->order[event];
	bool fails = false;

	pthread_mutex_lock(&tp->lock);
	if (o->kind == ANY_KIND || o->kind == kind) {
		o->count++;
		fails = o->n &&
			(o->count == o->n || (o->how == TESTPORT_EVER_AFTER && o->count > o->n));
	}
	tp->failed += fails;
	pthread_mutex_unlock(&tp->lock);
	return fails;
}

/* ---------------------------------------------------------------- callbacks that may fail */

static void *test_alloc(void *ctx, enum rmap_kind kind, size_t size)
{
	struct testport *tp = ctx;

	if (event_fails(tp, TESTPORT_ALLOC, (int)kind))
		return NULL;
	return tp->real->os.alloc(tp->real->os.ctx, kind, size);
}

static int test_swap_write(void *ctx, uint64_t slot, const void *data)
{
	struct testport *tp = ctx;

	if (event_fails(tp, TESTPORT_SWAP_WRITE, ANY_KIND))
		return RMAP_EIO;
	return tp->real->swap_write(tp->real->ctx, slot, data);
}

static int test_swap_read(void *ctx, uint64_t slot, void *data)
{
	struct testport *tp = ctx;

	if (event_fails(tp, TESTPORT_SWAP_READ, ANY_KIND))
		return RMAP_EIO;
	return tp->real->swap_read(tp->real->ctx, slot, data);
}

static int test_file_read(void *ctx, void *handle, uint64_t index, void *data)
{
	struct testport *tp = ctx;

	if (event_fails(tp, TESTPORT_FILE_READ, ANY_KIND))
		return RMAP_EIO;
	return tp->real->file_read(tp->real->ctx, handle, index, data);
}

static int test_file_write(void *ctx, void *handle, uint64_t index, const void *data)
{
	struct testport *tp = ctx;

	if (event_fails(tp, TESTPORT_FILE_WRITE, ANY_KIND))
		return tp->io_error;
	return tp->real->file_write(tp->real->ctx, handle, index, data);
}

/* ---------------------------------------------------------------- callbacks that are passed on */

static void test_free(void *ctx, enum rmap_kind kind, void *object, size_t size)
{
	struct testport *tp = ctx;

	tp->real->os.free(tp->real->os.ctx, kind, object, size);
}

static void test_rcu_read_lock(void *ctx)
{
	struct testport *tp = ctx;

	tp->real->os.rcu_read_lock(tp->real->os.ctx);
}

static void test_rcu_read_unlock(void *ctx)
{
	struct testport *tp = ctx;

	tp->real->os.rcu_read_unlock(tp->real->os.ctx);
}

static void test_wait(void *ctx, const _Atomic uint32_t *word, uint32_t value)
{
	struct testport *tp = ctx;

	tp->real->os.wait(tp->real->os.ctx, word, value);
}

static void test_wake(void *ctx, const _Atomic uint32_t *word)
{
	struct testport *tp = ctx;

	tp->real->os.wake(tp->real->os.ctx, word);
}

static void __attribute__((noreturn))
test_panic(void *ctx, const char *file, int line, const char *what)
{
	struct testport *tp = ctx;

	tp->real->os.panic(tp->real->os.ctx, file, line, what);
}

static void test_tlb_flush(void *ctx, struct mm *mm, uint64_t start, uint64_t end,
			   enum mm_flush why)
{
	struct testport *tp = ctx;

	tp->real->tlb_flush(tp->real->ctx, mm, start, end, why);
	pthread_mutex_lock(&tp->lock);
	tp->flushes++;
	pthread_mutex_unlock(&tp->lock);
}

static void test_file_release(void *ctx, void *handle)
{
	struct testport *tp = ctx;

	tp->real->file_release(tp->real->ctx, handle);
}

static uint64_t test_now(void *ctx)
{
	struct testport *tp = ctx;

	return tp->real->now(tp->real->ctx);
}

/* ---------------------------------------------------------------- deferral */

static void test_call_rcu(void *ctx, struct rmap_rcu *rcu,
			  void (*func)(void *ctx, struct rmap_rcu *rcu))
{
	struct testport *tp = ctx;

	rcu->func = func;
	rcu->next = NULL;
	pthread_mutex_lock(&tp->lock);
	if (tp->newest)
		tp->newest->next = rcu;
	else
		tp->oldest = rcu;
	tp->newest = rcu;
	tp->nr_deferred++;
	pthread_mutex_unlock(&tp->lock);
}

/* => what has waited until now, oldest first; nothing waits any more */
static struct rmap_rcu *deferred_take(struct testport *tp)
{
	struct rmap_rcu *all;

	pthread_mutex_lock(&tp->lock);
	all = tp->oldest;
	tp->oldest = tp->newest = NULL;
	tp->nr_deferred = 0;
	pthread_mutex_unlock(&tp->lock);
	return all;
}

static struct rmap_rcu *reversed(struct rmap_rcu *rcu)
{
	struct rmap_rcu *next, *done = NULL;

	for (; rcu; rcu = next) {
		next = rcu->next;
		rcu->next = done;
		done = rcu;
	}
	return done;
}

/* => these, oldest first, wait again, before those that came since */
static void deferred_return(struct testport *tp, struct rmap_rcu *rcu)
{
	struct rmap_rcu *last;
	uint64_t n = 1;

	if (!rcu)
		return;
	for (last = rcu; last->next; last = last->next)
		n++;
	pthread_mutex_lock(&tp->lock);
	last->next = tp->oldest;
	tp->oldest = rcu;
	if (!tp->newest)
		tp->newest = last;
	tp->nr_deferred += n;
	pthread_mutex_unlock(&tp->lock);
}

uint64_t testport_run_deferred(struct testport *tp, uint64_t n, enum testport_order order)
{
	struct rmap_rcu *rcu = deferred_take(tp), *next;
	uint64_t done;

	if (rcu)
		hosted_synchronize(tp->h);
	if (order == TESTPORT_NEWEST_FIRST)
		rcu = reversed(rcu);
	for (done = 0; rcu && done < n; rcu = next, done++) {
		next = rcu->next;
		rcu->func(tp, rcu);
	}
	deferred_return(tp, order == TESTPORT_NEWEST_FIRST ? reversed(rcu) : rcu);
	return done;
}

static void test_rcu_barrier(void *ctx)
{
	testport_run_deferred(ctx, UINT64_MAX, TESTPORT_OLDEST_FIRST);
}

uint64_t testport_deferred(const struct testport *tp)
{
	return tp->nr_deferred;
}

/* ---------------------------------------------------------------- orders */

void testport_fail(struct testport *tp, enum testport_event event, uint64_t n,
		   enum testport_how how)
{
	pthread_mutex_lock(&tp->lock);
	tp->order[event] = (struct order){ .n = n, .how = how, .kind = ANY_KIND };
	pthread_mutex_unlock(&tp->lock);
}

void testport_fail_alloc(struct testport *tp, enum rmap_kind kind, uint64_t n,
			 enum testport_how how)
{
	pthread_mutex_lock(&tp->lock);
	tp->order[TESTPORT_ALLOC] = (struct order){ .n = n, .how = how, .kind = (int)kind };
	pthread_mutex_unlock(&tp->lock);
}

void testport_io_error(struct testport *tp, int error)
{
	tp->io_error = error;
}

uint64_t testport_fail_none(struct testport *tp)
{
	uint64_t failed;
	int event;

	pthread_mutex_lock(&tp->lock);
	failed = tp->failed;
	tp->failed = 0;
	for (event = 0; event < TESTPORT_EVENTS; event++)
		tp->order[event].n = 0;
	pthread_mutex_unlock(&tp->lock);
	return failed;
}

uint64_t testport_reached(const struct testport *tp, enum testport_event event)
{
	return tp->order[event].count;
}

uint64_t testport_flushes(const struct testport *tp)
{
	return tp->flushes;
}

/* ---------------------------------------------------------------- the machine */

static void fill_port(struct testport *tp)
{
	struct mm_port *p = &tp->port;

	/* Frames, descriptors, slots and their numbers are the machine's. */
	*p = *tp->real;
	p->ctx = tp;
	p->os.ctx = tp;
	p->os.alloc = test_alloc;
	p->os.free = test_free;
	p->os.rcu_read_lock = test_rcu_read_lock;
	p->os.rcu_read_unlock = test_rcu_read_unlock;
	p->os.call_rcu = test_call_rcu;
	p->os.rcu_barrier = test_rcu_barrier;
	p->os.wait = test_wait;
	p->os.wake = test_wake;
	p->os.panic = test_panic;
	p->tlb_flush = test_tlb_flush;
	p->swap_write = test_swap_write;
	p->swap_read = test_swap_read;
	p->file_read = test_file_read;
	p->file_write = test_file_write;
	p->file_release = test_file_release;
	p->now = test_now;
}

int testport_create(const struct hosted_config *config, struct testport **out, char *error)
{
	struct testport *tp = calloc(1, sizeof(*tp));
	int r, event;

	r = tp ? hosted_create(config, &tp->h, error) : RMAP_ENOMEM;
	if (r) {
		if (!tp && error)
			memcpy(error, "Out of memory.", sizeof("Out of memory."));
		free(tp);
		return r;
	}
	tp->real = hosted_port(tp->h);
	tp->io_error = RMAP_EIO;
	pthread_mutex_init(&tp->lock, NULL);
	for (event = 0; event < TESTPORT_EVENTS; event++)
		tp->order[event].kind = ANY_KIND;
	fill_port(tp);
	*out = tp;
	return 0;
}

uint64_t testport_destroy(struct testport *tp, hosted_leak_fn *report, void *arg)
{
	uint64_t leaks;

	while (tp->nr_deferred)
		testport_run_deferred(tp, UINT64_MAX, TESTPORT_OLDEST_FIRST);
	leaks = hosted_destroy(tp->h, report, arg);
	pthread_mutex_destroy(&tp->lock);
	free(tp);
	return leaks;
}

const struct mm_port *testport_port(const struct testport *tp)
{
	return &tp->port;
}

struct hosted *testport_hosted(const struct testport *tp)
{
	return tp->h;
}
