// SPDX-License-Identifier: BSD-2-Clause
/*
 * Object caches: zeroed or type-stable as port.h demands, exact counts, many threads.
 */
#include <hosted/hosted.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

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

static bool all_bytes(const void *p, unsigned char value, size_t n)
{
	const unsigned char *c = p;
	size_t i;

	for (i = 0; i < n; i++) {
		if (c[i] != value)
			return false;
	}
	return true;
}

static uint64_t live(enum rmap_kind kind)
{
	uint64_t objects, bytes;

	hosted_objects(h, kind, &objects, &bytes);
	return objects;
}

/* An ordinary object is zero each time; a late reader's object keeps every byte until it is handed out again. */
static void test_zeroed(void **state)
{
	static const enum rmap_kind kinds[] = { RMAP_KIND_VMA, RMAP_KIND_AVC, RMAP_KIND_BUFFER,
						RMAP_KIND_SYSTEM, RMAP_KIND_MM };
	size_t i;
	int round;

	(void)state;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		for (round = 0; round < 3; round++) {
			void *p = os->alloc(os->ctx, kinds[i], 200);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % 16, 0);
			assert_true(all_bytes(p, 0, 200));
			memset(p, 0xa5, 200);
			os->free(os->ctx, kinds[i], p, 200);
		}
		assert_int_equal(live(kinds[i]), 0);
	}
}

#define MANY 10000

static void test_type_stable(void **state)
{
	static void *objects[MANY];
	int i, j;

	(void)state;
	for (i = 0; i < MANY; i++) {
		objects[i] = os->alloc(os->ctx, RMAP_KIND_ANON_VMA, 104);
		assert_true(all_bytes(objects[i], 0, 104));
		memset(objects[i], 0x5a, 104);
	}
	assert_int_equal(live(RMAP_KIND_ANON_VMA), MANY);
	for (i = 0; i < MANY; i++)
		os->free(os->ctx, RMAP_KIND_ANON_VMA, objects[i], 104);
	/* Nothing was written by free, nor by what other kinds do. */
	for (i = 0; i < MANY; i++)
		memset(os->alloc(os->ctx, RMAP_KIND_CONTEXT, 104), 1, 104);
	for (i = 0; i < MANY; i++)
		assert_true(all_bytes(objects[i], 0x5a, 104));
	/* Handed out again it is one of the old ones, as it was left. */
	for (i = 0; i < 100; i++) {
		void *p = os->alloc(os->ctx, RMAP_KIND_ANON_VMA, 104);

		for (j = 0; j < MANY && objects[j] != p; j++)
			;
		assert_true(j < MANY);
		assert_true(all_bytes(p, 0x5a, 104));
	}
	assert_int_equal(live(RMAP_KIND_ANON_VMA), 100);
	assert_int_equal(live(RMAP_KIND_CONTEXT), MANY);
	assert_int_equal(hosted_destroy(h, NULL, NULL), 100 + MANY);
	set_up(NULL);
}

static void test_counts_and_memory(void **state)
{
	static void *objects[MANY];
	uint64_t n, bytes, memory = 0;
	int i, round;

	(void)state;
	for (round = 0; round < 4; round++) {
		for (i = 0; i < MANY; i++)
			objects[i] = os->alloc(os->ctx, RMAP_KIND_ANON_VMA, 72);
		hosted_objects(h, RMAP_KIND_ANON_VMA, &n, &bytes);
		assert_int_equal(n, MANY);
		assert_int_equal(bytes, MANY * 72);
		for (i = 0; i < MANY; i++)
			os->free(os->ctx, RMAP_KIND_ANON_VMA, objects[i], 72);
		/* What is given back is used again. */
		if (round)
			assert_int_equal(hosted_cache_bytes(h), memory);
		memory = hosted_cache_bytes(h);
	}
	/* 72 rounds to 80; a quarter MiB more at the most. */
	assert_in_range(memory, MANY * 72, MANY * 80 + (256 << 10));
	/* Sizes that differ, and one larger than a slab. */
	for (i = 1; i < 1 << 20; i *= 2) {
		void *p = os->alloc(os->ctx, RMAP_KIND_BUFFER, (size_t)i);

		assert_true(all_bytes(p, 0, (size_t)i));
		os->free(os->ctx, RMAP_KIND_BUFFER, p, (size_t)i);
	}
	objects[0] = os->alloc(os->ctx, RMAP_KIND_CONTEXT, 1 << 20);
	assert_true(all_bytes(objects[0], 0, 1 << 20));
	os->free(os->ctx, RMAP_KIND_CONTEXT, objects[0], 1 << 20);
}

/* Threads make objects and give them to the next thread, which gives them back: shares run full here and empty there. */
#define THREADS	   4
#define PER_THREAD 3000

static void *handed[THREADS][PER_THREAD];
static pthread_barrier_t barrier;

static void *worker(void *arg)
{
	size_t me = (size_t)(uintptr_t)arg;
	int round, i;

	for (round = 0; round < 5; round++) {
		for (i = 0; i < PER_THREAD; i++) {
			uint64_t *p = os->alloc(os->ctx, RMAP_KIND_AVC, 64);

			*p = (uint64_t)me << 32 | (uint64_t)i;
			handed[me][i] = p;
		}
		pthread_barrier_wait(&barrier);
		for (i = 0; i < PER_THREAD; i++) {
			size_t from = (me + 1) % THREADS;
			const uint64_t *p = handed[from][i];

			/* Nobody else was handed this memory. */
			if (*p != ((uint64_t)from << 32 | (uint64_t)i))
				abort();
			os->free(os->ctx, RMAP_KIND_AVC, handed[from][i], 64);
		}
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[THREADS];
	uint64_t memory = 0;
	size_t i;
	int round;

	(void)state;
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < THREADS; i++)
			assert_int_equal(
				pthread_create(&threads[i], NULL, worker, (void *)(uintptr_t)i), 0);
		for (i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(live(RMAP_KIND_AVC), 0);
		/* Threads that are gone left their shares to the next ones. */
		if (round)
			assert_int_equal(hosted_cache_bytes(h), memory);
		memory = hosted_cache_bytes(h);
	}
	pthread_barrier_destroy(&barrier);
}

/* Two machines in turn on one thread; one that ends leaves the other alone. */
static void test_two_machines(void **state)
{
	struct hosted *second;
	const struct rmap_port *os2;
	void *a[100], *b[100];
	int i;

	(void)state;
	assert_int_equal(hosted_create(&(struct hosted_config){ .nr_frames = 64 }, &second, NULL),
			 0);
	os2 = &hosted_port(second)->os;
	for (i = 0; i < 100; i++) {
		a[i] = os->alloc(os->ctx, RMAP_KIND_VMA, 192);
		b[i] = os2->alloc(os2->ctx, RMAP_KIND_VMA, 208);
		memset(a[i], 1, 192);
		memset(b[i], 2, 208);
	}
	for (i = 0; i < 100; i++) {
		assert_true(all_bytes(b[i], 2, 208));
		os2->free(os2->ctx, RMAP_KIND_VMA, b[i], 208);
	}
	assert_int_equal(hosted_destroy(second, NULL, NULL), 0);
	assert_int_equal(live(RMAP_KIND_VMA), 100);
	for (i = 0; i < 100; i++) {
		assert_true(all_bytes(a[i], 1, 192));
		os->free(os->ctx, RMAP_KIND_VMA, a[i], 192);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_zeroed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_type_stable, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_counts_and_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_threads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_two_machines, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
