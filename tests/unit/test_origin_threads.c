// SPDX-License-Identifier: BSD-2-Clause
/*
 * First faults that race: of several threads in one VMA, and in VMAs side by side that would share an origin. Whoever wins, the
 * layout's record and the reverse map's must agree, or a later merge of the VMAs would lose pages.
 */
#include <pthread.h>

#include "vmas.h"

#define THREADS 4
#define ROUNDS	200

struct race {
	struct engine e;
	struct mm *mm;
	pthread_barrier_t start;
	unsigned int shift; /* which VMA a thread begins with, so that all pairs meet */
};

struct racer {
	struct race *race;
	unsigned int number;
	int error;
};

/* VMAs 0 to 3 of two pages each; every thread faults a page of every VMA, each in another order. */
static void *fault_all(void *arg)
{
	struct racer *r = arg;
	struct race *race = r->race;

	pthread_barrier_wait(&race->start);
	for (unsigned int i = 0; i < THREADS; i++) {
		unsigned int vma = (i * race->shift + r->number) % THREADS;
		int error =
			PATIENT(mm_fault(race->mm, AT(2 * vma + (r->number & 1)), MM_ACCESS_WRITE));

		if (error)
			r->error = error;
	}
	return NULL;
}

static void run_threads(struct race *race)
{
	struct racer racers[THREADS];
	pthread_t threads[THREADS];

	for (unsigned int i = 0; i < THREADS; i++) {
		racers[i] = (struct racer){ .race = race, .number = i };
		assert_int_equal(pthread_create(&threads[i], NULL, fault_all, &racers[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(racers[i].error, 0);
	}
}

/*
 *	|rw|rx|rw|rx|   four threads fault in all of them; then all rights become equal, some of them merge, and all pages are found
 *
 * covers: 1.2-2, 1.2-4, 1.1-2, B28, I4
 */
static void test_racing_first_faults(void **state)
{
	struct race race = { .shift = 1 };

	(void)state;
	engine_setup(&race.e, NULL);
	pthread_barrier_init(&race.start, NULL, THREADS);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		race.shift = round & 1 ? 1 : 3;
		race.mm = engine_mm(&race.e);
		map_with(&race.e, race.mm, AT(0), 8, RW, ANON | MM_MAP_NORESERVE, NULL, 0);
		assert_int_equal(protect(&race.e, race.mm, 2, 2, RWX), 0);
		assert_int_equal(protect(&race.e, race.mm, 6, 2, RWX), 0);
		run_threads(&race);
		engine_check(&race.e);
		assert_int_equal(protect(&race.e, race.mm, 0, 8, RW), 0);
		for (unsigned int i = 0; i < 8; i++)
			assert_int_equal(walk_from(&race.e, race.mm, AT(i), false).found, 1);
		assert_int_equal(unmap(&race.e, race.mm, 1, 4), 0);
		assert_int_equal(walk_from(&race.e, race.mm, AT(6), false).found, 1);
		mm_put(race.mm);
	}
	pthread_barrier_destroy(&race.start);
	engine_teardown(&race.e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_racing_first_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
