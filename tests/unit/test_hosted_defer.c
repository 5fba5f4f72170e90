// SPDX-License-Identifier: BSD-2-Clause
/*
 * Deferral: after a grace period, once, in order; complete after a barrier; no reader sees what was freed.
 */
#include <hosted/hosted.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static struct hosted *h;
static const struct rmap_port *os;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(hosted_create(&(struct hosted_config){ .nr_frames = 64 }, &h, NULL), 0);
	os = &hosted_port(h)->os;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(hosted_destroy(h, NULL, NULL), 0);
	return 0;
}

struct deferred {
	struct rmap_rcu rcu;
	uint64_t number;
	_Atomic bool done;
};

static _Atomic uint64_t runs;
static uint64_t newest;
static bool in_order;

static void on_deferred(void *ctx, struct rmap_rcu *rcu)
{
	struct deferred *d = rmap_container_of(rcu, struct deferred, rcu);

	assert_ptr_equal(ctx, os->ctx);
	in_order &= d->number > newest;
	newest = d->number;
	atomic_store(&d->done, true);
	atomic_fetch_add(&runs, 1);
}

#define MANY 5000

static void test_barrier(void **state)
{
	static struct deferred objects[MANY];
	int round, i;

	(void)state;
	for (round = 0; round < 3; round++) {
		atomic_store(&runs, 0);
		newest = 0;
		in_order = true;
		for (i = 0; i < MANY; i++) {
			objects[i].number = (uint64_t)i + 1;
			atomic_store(&objects[i].done, false);
			os->call_rcu(os->ctx, &objects[i].rcu, on_deferred);
		}
		os->rcu_barrier(os->ctx);
		assert_int_equal(atomic_load(&runs), MANY);
		assert_true(in_order);
	}
	/* With nothing deferred it is nothing. */
	os->rcu_barrier(os->ctx);
	assert_int_equal(atomic_load(&runs), MANY);
}

static void test_by_itself(void **state)
{
	struct deferred one = { .number = 1 };
	int i;

	(void)state;
	newest = 0;
	os->call_rcu(os->ctx, &one.rcu, on_deferred);
	for (i = 0; i < 5000 && !atomic_load(&one.done); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	assert_true(atomic_load(&one.done));
	os->rcu_barrier(os->ctx);
}

/* Without the reaper nothing runs before a barrier, or the end. */
static void test_to_barrier(void **state)
{
	struct hosted_config config = { .nr_frames = 64, .deferral = HOSTED_DEFER_TO_BARRIER };
	struct deferred d[2] = { { .number = 1 }, { .number = 2 } };

	(void)state;
	tear_down(NULL);
	assert_int_equal(hosted_create(&config, &h, NULL), 0);
	os = &hosted_port(h)->os;
	newest = 0;
	os->call_rcu(os->ctx, &d[0].rcu, on_deferred);
	nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	assert_false(atomic_load(&d[0].done));
	os->rcu_barrier(os->ctx);
	assert_true(atomic_load(&d[0].done));
	os->call_rcu(os->ctx, &d[1].rcu, on_deferred);
	assert_int_equal(hosted_destroy(h, NULL, NULL), 0);
	assert_true(atomic_load(&d[1].done));
	set_up(NULL);
}

static void on_chained(void *ctx, struct rmap_rcu *rcu)
{
	struct deferred *d = rmap_container_of(rcu, struct deferred, rcu);

	if (d->number++ < 10)
		os->call_rcu(ctx, rcu, on_chained);
}

/* What defers again while it runs has run, too, when the machine has ended. */
static void test_chain(void **state)
{
	struct deferred one = { .number = 0 };

	(void)state;
	os->call_rcu(os->ctx, &one.rcu, on_chained);
	tear_down(NULL);
	assert_int_equal(one.number, 11);
	set_up(NULL);
}

/*
 *	the other thread   takes 32, defers that they go |          | takes 32: the same ones, and has the seat that it had
 *	we                                               | barrier  | take one meanwhile: none of them
 */
enum { OWN = 32 };

struct owned {
	struct rmap_rcu rcu;
	uint32_t *seat; /* where it was freed */
};

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define WITHOUT_CACHE 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define WITHOUT_CACHE 1
#endif
#ifdef WITHOUT_CACHE
static const bool keeps_objects = false;
#else
static const bool keeps_objects = true;
#endif

static _Atomic int turn;

static void await(int n)
{
	while (atomic_load(&turn) != n)
		sched_yield();
}

static void free_owned(void *ctx, struct rmap_rcu *rcu)
{
	struct owned *o = rmap_container_of(rcu, struct owned, rcu);

	*o->seat = os->cpu(ctx);
	os->free(ctx, RMAP_KIND_VMA, o, sizeof(*o));
}

static void *owner(void *arg)
{
	static uint32_t seat[OWN];
	struct owned *mine[OWN];
	int same = 0;

	(void)arg;
	for (int i = 0; i < OWN; i++) {
		mine[i] = os->alloc(os->ctx, RMAP_KIND_VMA, sizeof(*mine[i]));
		mine[i]->seat = &seat[i];
		seat[i] = UINT32_MAX;
	}
	for (int i = 0; i < OWN; i++)
		os->call_rcu(os->ctx, &mine[i]->rcu, free_owned);
	atomic_store(&turn, 1);
	await(2);
	for (int i = 0; i < OWN; i++) {
		void *again = os->alloc(os->ctx, RMAP_KIND_VMA, sizeof(*mine[i]));

		assert_int_equal(seat[i], os->cpu(os->ctx));
		for (int k = 0; k < OWN; k++)
			same += again == mine[k];
		os->free(os->ctx, RMAP_KIND_VMA, again, sizeof(*mine[i]));
		mine[i] = os->alloc(os->ctx, RMAP_KIND_VMA, sizeof(*mine[i]));
	}
	/* The address sanitizer's build keeps no objects, so that it sees who comes too late. */
	if (keeps_objects)
		assert_int_equal(same, OWN);
	for (int i = 0; i < OWN; i++)
		os->free(os->ctx, RMAP_KIND_VMA, mine[i], sizeof(*mine[i]));
	return NULL;
}

/* What is deferred is done on behalf of who deferred it. */
static void test_comes_home(void **state)
{
	struct hosted_config config = { .nr_frames = 64, .deferral = HOSTED_DEFER_TO_BARRIER };
	uint32_t seat;
	pthread_t thread;
	void *ours;

	(void)state;
	tear_down(NULL);
	assert_int_equal(hosted_create(&config, &h, NULL), 0);
	os = &hosted_port(h)->os;
	atomic_store(&turn, 0);
	seat = os->cpu(os->ctx);
	assert_int_equal(pthread_create(&thread, NULL, owner, NULL), 0);
	await(1);
	os->rcu_barrier(os->ctx);
	assert_int_equal(os->cpu(os->ctx), seat);
	ours = os->alloc(os->ctx, RMAP_KIND_VMA, sizeof(struct owned));
	atomic_store(&turn, 2);
	pthread_join(thread, NULL);
	os->free(os->ctx, RMAP_KIND_VMA, ours, sizeof(struct owned));
	tear_down(NULL);
	set_up(NULL);
}

/* A section that is open holds everything back, also one inside another; the barrier waits for its end. */
static _Atomic int step;

static void *long_reader(void *arg)
{
	(void)arg;
	os->rcu_read_lock(os->ctx);
	os->rcu_read_lock(os->ctx);
	os->rcu_read_unlock(os->ctx);
	atomic_store(&step, 1);
	while (atomic_load(&step) != 2)
		sched_yield();
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	assert_int_equal(atomic_load(&runs), 0);
	os->rcu_read_unlock(os->ctx);
	return NULL;
}

static void test_reader_holds_back(void **state)
{
	struct deferred one = { .number = 1 };
	pthread_t reader;

	(void)state;
	newest = 0;
	atomic_store(&runs, 0);
	atomic_store(&step, 0);
	assert_int_equal(pthread_create(&reader, NULL, long_reader, NULL), 0);
	while (atomic_load(&step) != 1)
		sched_yield();
	os->call_rcu(os->ctx, &one.rcu, on_deferred);
	atomic_store(&step, 2);
	os->rcu_barrier(os->ctx);
	assert_int_equal(atomic_load(&runs), 1);
	pthread_join(reader, NULL);
}

/*
 * One cell that writers replace and readers read: an object is freed, and its memory marked, only when no reader can hold it.
 */
struct cell {
	struct rmap_rcu rcu;
	_Atomic uint64_t alive;
};

static _Atomic(struct cell *) shared;
static _Atomic bool stop;
static _Atomic uint64_t dead_seen;

static void cell_free(void *ctx, struct rmap_rcu *rcu)
{
	struct cell *c = rmap_container_of(rcu, struct cell, rcu);

	atomic_store_explicit(&c->alive, 0, memory_order_relaxed);
	os->free(ctx, RMAP_KIND_CONTEXT, c, sizeof(*c));
}

static void *cell_reader(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		const struct cell *c;
		int look;

		os->rcu_read_lock(os->ctx);
		c = atomic_load_explicit(&shared, memory_order_acquire);
		for (look = 0; look < 20; look++) {
			if (!atomic_load_explicit(&c->alive, memory_order_relaxed))
				atomic_fetch_add(&dead_seen, 1);
		}
		os->rcu_read_unlock(os->ctx);
	}
	return NULL;
}

static struct cell *cell_make(void)
{
	struct cell *c = os->alloc(os->ctx, RMAP_KIND_CONTEXT, sizeof(*c));

	atomic_store_explicit(&c->alive, 1, memory_order_relaxed);
	return c;
}

static void test_readers_and_writer(void **state)
{
	pthread_t readers[3];
	int i;

	(void)state;
	atomic_store(&stop, false);
	atomic_store(&dead_seen, 0);
	atomic_store(&shared, cell_make());
	for (i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, cell_reader, NULL), 0);
	for (i = 0; i < 20000; i++) {
		struct cell *old = atomic_exchange(&shared, cell_make());

		os->call_rcu(os->ctx, &old->rcu, cell_free);
		if (i % 5000 == 0)
			os->rcu_barrier(os->ctx);
	}
	atomic_store(&stop, true);
	for (i = 0; i < 3; i++)
		pthread_join(readers[i], NULL);
	cell_free(os->ctx, &atomic_load(&shared)->rcu);
	os->rcu_barrier(os->ctx);
	assert_int_equal(atomic_load(&dead_seen), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_barrier, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_by_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_to_barrier, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_chain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_comes_home, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_reader_holds_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_readers_and_writer, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
