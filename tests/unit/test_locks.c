// SPDX-License-Identifier: BSD-2-Clause
/*
 * The default locks: exclusion under threads, with a sleeping port and with one that can only spin, and who waits for whom.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <rmap/port.h>

#include <rmap/locks.h>

#ifndef RMAP_LOCKS_HEADER

static _Atomic uint64_t sleeps;

static void futex_wait(void *ctx, const _Atomic uint32_t *word, uint32_t value)
{
	(void)ctx;
	atomic_fetch_add(&sleeps, 1);
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(void *ctx, const _Atomic uint32_t *word)
{
	(void)ctx;
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void yield_wait(void *ctx, const _Atomic uint32_t *word, uint32_t value)
{
	(void)ctx;
	(void)word;
	(void)value;
	sched_yield();
}

static void no_wake(void *ctx, const _Atomic uint32_t *word)
{
	(void)ctx;
	(void)word;
}

static const struct rmap_port sleeping = { .wait = futex_wait, .wake = futex_wake };
static const struct rmap_port yielding = { .wait = yield_wait, .wake = no_wake };
static const struct rmap_port spinning = { .wait = NULL };

enum { THREADS = 4 };

struct contest {
	const struct rmap_port *port;
	unsigned int rounds;
	struct rmap_rwsem lock;
	uint64_t a,
		b; /* equal whenever nobody writes; plain, so that a data race shows under ThreadSanitizer */
	struct rmap_spinlock spin;
	uint64_t spun;
};

static void *contestant(void *arg)
{
	struct contest *c = arg;

	for (unsigned int i = 0; i < c->rounds; i++) {
		rmap_read_lock(&c->lock, c->port);
		if (c->a != c->b)
			return c;
		rmap_read_unlock(&c->lock, c->port);
		if (i % 2) {
			rmap_write_lock(&c->lock, c->port);
			c->a++;
			c->b++;
			rmap_write_unlock(&c->lock, c->port);
		} else if (rmap_read_trylock(&c->lock)) {
			if (c->a != c->b)
				return c;
			rmap_read_unlock(&c->lock, c->port);
		}
		rmap_spin_lock(&c->spin);
		c->spun++;
		rmap_spin_unlock(&c->spin);
	}
	return NULL;
}

static void run_contest(const struct rmap_port *port, unsigned int rounds)
{
	struct contest c = { .port = port, .rounds = rounds };
	pthread_t thread[THREADS];

	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, contestant, &c), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		void *wrong;

		pthread_join(thread[i], &wrong);
		assert_null(wrong);
	}
	assert_int_equal(c.a, THREADS * (rounds / 2));
	assert_int_equal(c.b, c.a);
	assert_int_equal(c.spun, THREADS * rounds);
	assert_int_equal(c.lock.word, 0);
}

static void test_threads_sleeping(void **state)
{
	(void)state;
	run_contest(&sleeping, 20000);
}

static void test_threads_yielding(void **state)
{
	(void)state;
	run_contest(&yielding, 5000);
}

/* A port without wait and wake: few rounds, since two cores may spin out whole time slices. */
static void test_threads_spinning(void **state)
{
	(void)state;
	run_contest(&spinning, 200);
}

static void *write_once(void *arg);

/* The same, and the lock is not to be had for a while. */
static void test_one_spins(void **state)
{
	struct contest c = { .port = &spinning };
	pthread_t thread;

	(void)state;
	rmap_write_lock(&c.lock, &spinning);
	assert_int_equal(pthread_create(&thread, NULL, write_once, &c), 0);
	while (!(atomic_load(&c.lock.word) & RMAP_RWSEM_WAITERS))
		sched_yield();
	assert_int_equal(c.a, 0);
	rmap_write_unlock(&c.lock, &spinning);
	pthread_join(thread, NULL);
	assert_int_equal(c.a, 1);
	assert_false(rmap_rwsem_is_locked(&c.lock));
}

/* All zero bytes is an unlocked lock. */
static void test_states(void **state)
{
	struct rmap_rwsem lock = { 0 };
	struct rmap_spinlock spin = { 0 };

	(void)state;
	assert_false(rmap_rwsem_is_locked(&lock));
	assert_true(rmap_read_trylock(&lock));
	assert_true(rmap_read_trylock(&lock));
	assert_true(rmap_rwsem_is_locked(&lock));
	assert_false(rmap_rwsem_is_write_locked(&lock));
	assert_false(rmap_write_trylock(&lock));
	rmap_read_unlock(&lock, &spinning);
	assert_false(rmap_write_trylock(&lock));
	rmap_read_unlock(&lock, &spinning);
	assert_true(rmap_write_trylock(&lock));
	assert_true(rmap_rwsem_is_write_locked(&lock));
	assert_false(rmap_read_trylock(&lock));
	assert_false(rmap_write_trylock(&lock));
	rmap_write_unlock(&lock, &spinning);
	assert_false(rmap_rwsem_is_locked(&lock));

	assert_true(rmap_spin_trylock(&spin));
	assert_true(rmap_spin_is_locked(&spin));
	assert_false(rmap_spin_trylock(&spin));
	rmap_spin_unlock(&spin);
	assert_false(rmap_spin_is_locked(&spin));
}

static void *write_once(void *arg)
{
	struct contest *c = arg;

	rmap_write_lock(&c->lock, c->port);
	c->a++;
	rmap_write_unlock(&c->lock, c->port);
	return NULL;
}

/* While a writer waits behind a reader, newcomers do not overtake it; when the reader leaves, it is woken. */
static void test_writer_is_not_starved(void **state)
{
	struct contest c = { .port = &sleeping };
	pthread_t writer;

	(void)state;
	rmap_read_lock(&c.lock, c.port);
	assert_int_equal(pthread_create(&writer, NULL, write_once, &c), 0);
	while (!(c.lock.word & RMAP_RWSEM_WAITERS))
		sched_yield();
	assert_false(rmap_read_trylock(&c.lock));
	assert_int_equal(c.a, 0);
	rmap_read_unlock(&c.lock, c.port);
	pthread_join(writer, NULL);
	assert_int_equal(c.a, 1);
	assert_int_equal(c.lock.word, 0);
	assert_true(rmap_read_trylock(&c.lock));
}

struct patient {
	struct contest c;
	_Atomic bool go;
};

static void *write_until_told(void *arg)
{
	struct patient *p = arg;

	rmap_write_lock(&p->c.lock, p->c.port);
	while (!atomic_load(&p->go))
		sched_yield();
	rmap_write_unlock(&p->c.lock, p->c.port);
	return NULL;
}

/*
 * A reader that leaves and comes back at once finds the lock taken: by the writer that it has woken, or kept for it as long as that
 * does not run yet. Otherwise one that never rests (a walk after the other) would always be first.
 */
static void test_reader_does_not_come_back_first(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		struct patient p = { .c.port = &sleeping };
		pthread_t writer;

		rmap_read_lock(&p.c.lock, p.c.port);
		assert_int_equal(pthread_create(&writer, NULL, write_until_told, &p), 0);
		while (!(p.c.lock.word & RMAP_RWSEM_TURN))
			sched_yield();
		rmap_read_unlock(&p.c.lock, p.c.port);
		assert_false(rmap_read_trylock(&p.c.lock));
		atomic_store(&p.go, true);
		rmap_read_lock(&p.c.lock, p.c.port);
		rmap_read_unlock(&p.c.lock, p.c.port);
		pthread_join(writer, NULL);
		assert_int_equal(p.c.lock.word, 0);
	}
}

/* A writer's turn is kept from those behind readers, not from those behind a writer. */
static void test_readers_are_not_starved(void **state)
{
	struct contest c = { .port = &sleeping };
	pthread_t writer;

	(void)state;
	rmap_write_lock(&c.lock, c.port);
	assert_int_equal(pthread_create(&writer, NULL, write_once, &c), 0);
	while (!(c.lock.word & RMAP_RWSEM_WAITERS))
		sched_yield();
	assert_false(c.lock.word & RMAP_RWSEM_TURN);
	rmap_write_unlock(&c.lock, c.port);
	pthread_join(writer, NULL);
	assert_int_equal(c.lock.word, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_writer_is_not_starved),
		cmocka_unit_test(test_reader_does_not_come_back_first),
		cmocka_unit_test(test_readers_are_not_starved),
		cmocka_unit_test(test_threads_sleeping),
		cmocka_unit_test(test_threads_yielding),
		cmocka_unit_test(test_threads_spinning),
		cmocka_unit_test(test_one_spins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

/* Not these locks: another header's. */
int main(void)
{
	puts("skipped: these are the default locks' tests, and this build has others");
	return 77;
}

#endif
