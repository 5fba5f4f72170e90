// SPDX-License-Identifier: BSD-2-Clause
/*
 * The locks that measure, themselves: what is taken, waited for and held is counted, by class, and they still exclude.
 */
#ifndef RMAP_LOCKS_HEADER
#define RMAP_LOCKS_HEADER "test/locktime.h"
#endif
#include <rmap/port.h>

#include <rmap/locks.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#ifdef LOCKTIME_H

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

static const struct rmap_port port = { .wait = yield_wait, .wake = no_wake };

static const struct locktime_class *sum(enum rmap_lock_class lock_class)
{
	return &locktime_me.sum[lock_class + 1];
}

static int set_up(void **state)
{
	(void)state;
	memset(&locktime_me, 0, sizeof(locktime_me));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(locktime_me.nr, 0);
	return 0;
}

/* Something that takes longer than reading the clock. */
static void do_something(void)
{
	uint64_t start = locktime_now();

	while (locktime_now() - start < 10000)
		;
}

/*
 *	mmap_lock  |-----------------------|
 *	PTL              |-----------|
 *	LRU lock                  |-----------|     (let go in another order)
 */
static void test_holds(void **state)
{
	struct rmap_rwsem mmap_lock;
	struct rmap_spinlock ptl, lru;

	(void)state;
	rmap_rwsem_init(&mmap_lock, RMAP_LOCK_MMAP);
	rmap_spin_init(&ptl, RMAP_LOCK_PTL);
	rmap_spin_init(&lru, RMAP_LOCK_LRU);
	rmap_read_lock(&mmap_lock, &port);
	assert_true(rmap_rwsem_is_locked(&mmap_lock));
	rmap_spin_lock(&ptl);
	do_something();
	rmap_spin_lock(&lru);
	assert_true(rmap_spin_is_locked(&lru));
	assert_false(rmap_spin_trylock(&lru));
	rmap_spin_unlock(&ptl);
	rmap_read_unlock(&mmap_lock, &port);
	rmap_spin_unlock(&lru);
	assert_int_equal(sum(RMAP_LOCK_MMAP)->taken, 1);
	assert_int_equal(sum(RMAP_LOCK_PTL)->taken, 1);
	assert_int_equal(sum(RMAP_LOCK_LRU)->taken, 1);
	assert_int_equal(sum(RMAP_LOCK_FRAMES)->taken, 0);
	assert_true(sum(RMAP_LOCK_PTL)->hold >= 10000);
	assert_true(sum(RMAP_LOCK_MMAP)->hold >= sum(RMAP_LOCK_PTL)->hold);
	assert_true(sum(RMAP_LOCK_MMAP)->longest_hold == sum(RMAP_LOCK_MMAP)->hold);
	assert_int_equal(sum(RMAP_LOCK_PTL)->contended, 0);
	assert_int_equal(sum(RMAP_LOCK_MMAP)->wait, 0);
	assert_false(rmap_rwsem_is_locked(&mmap_lock));
	assert_true(rmap_write_trylock(&mmap_lock));
	assert_true(rmap_rwsem_is_write_locked(&mmap_lock));
	rmap_write_unlock(&mmap_lock, &port);
}

/* A bit of somebody's word: only a long wait is one. */
static void test_bits(void **state)
{
	uint32_t page = 0;

	(void)state;
	rmap_bit_lock_wait(&page, RMAP_LOCK_PAGE);
	do_something();
	rmap_bit_lock_got(&page, RMAP_LOCK_PAGE);
	rmap_bit_lock_released(&page, RMAP_LOCK_PAGE);
	assert_int_equal(sum(RMAP_LOCK_PAGE)->taken, 1);
	assert_int_equal(sum(RMAP_LOCK_PAGE)->contended, 1);
	assert_true(sum(RMAP_LOCK_PAGE)->wait >= 10000);
	assert_true(sum(RMAP_LOCK_PAGE)->longest_wait == sum(RMAP_LOCK_PAGE)->wait);
	rmap_bit_lock_got(&page, RMAP_LOCK_PAGE); /* a try */
	rmap_bit_lock_released(&page, RMAP_LOCK_PAGE);
	assert_int_equal(sum(RMAP_LOCK_PAGE)->taken, 2);
	assert_int_equal(sum(RMAP_LOCK_PAGE)->contended, 1);
}

struct contest {
	struct rmap_rwsem lock;
	struct rmap_spinlock spin;
	uint64_t a,
		b; /* equal whenever nobody writes: lock; plain, so that a race shows under ThreadSanitizer */
	uint64_t spun; /* spin */
};

static void *contestant(void *arg)
{
	struct contest *c = arg;

	for (unsigned int i = 0; i < 2000; i++) {
		rmap_read_lock(&c->lock, &port);
		if (c->a != c->b)
			return c;
		rmap_read_unlock(&c->lock, &port);
		rmap_write_lock(&c->lock, &port);
		c->a++;
		c->b++;
		rmap_write_unlock(&c->lock, &port);
		rmap_spin_lock(&c->spin);
		c->spun++;
		rmap_spin_unlock(&c->spin);
	}
	return sum(RMAP_LOCK_ANON_VMA)->taken == 4000 && sum(RMAP_LOCK_LINEAGE)->taken == 2000
		       ? NULL
		       : c;
}

static void test_threads(void **state)
{
	struct contest c = { .a = 0 };
	pthread_t thread[4];

	(void)state;
	rmap_rwsem_init(&c.lock, RMAP_LOCK_ANON_VMA);
	rmap_spin_init(&c.spin, RMAP_LOCK_LINEAGE);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, contestant, &c), 0);
	for (int i = 0; i < 4; i++) {
		void *wrong;

		pthread_join(thread[i], &wrong);
		assert_null(wrong);
	}
	assert_int_equal(c.a, 8000);
	assert_int_equal(c.b, 8000);
	assert_int_equal(c.spun, 8000);
	/* Nothing is left but its class. */
	assert_int_equal(c.lock.word, (RMAP_LOCK_ANON_VMA + 1u) << 24);
	assert_false(rmap_spin_is_locked(&c.spin));
}

struct patient {
	struct rmap_rwsem lock;
	uint64_t waited, wait;
};

static void *write_once(void *arg)
{
	struct patient *p = arg;

	rmap_write_lock(&p->lock, &port);
	p->waited = sum(RMAP_LOCK_ANON_VMA)->contended;
	p->wait = sum(RMAP_LOCK_ANON_VMA)->wait;
	rmap_write_unlock(&p->lock, &port);
	return NULL;
}

/* A writer waits for a reader, once, and for as long as that stays. */
static void test_waits(void **state)
{
	struct patient p = { .waited = 0 };
	pthread_t writer;

	(void)state;
	rmap_rwsem_init(&p.lock, RMAP_LOCK_ANON_VMA);
	rmap_read_lock(&p.lock, &port);
	assert_int_equal(pthread_create(&writer, NULL, write_once, &p), 0);
	while (!(p.lock.word & LOCKTIME_TURN))
		sched_yield();
	assert_false(rmap_read_trylock(&p.lock));
	do_something();
	rmap_read_unlock(&p.lock, &port);
	pthread_join(writer, NULL);
	assert_int_equal(p.waited, 1);
	assert_true(p.wait >= 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_holds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_threads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_waits, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	puts("skipped: these are the tests of locks that measure, and this build has others");
	return 77;
}

#endif
