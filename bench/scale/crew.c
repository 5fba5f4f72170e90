// SPDX-License-Identifier: BSD-2-Clause
/*
 * The threads: each stays on a processor, sleeps between slices, and begins a slice when all others have woken up.
 *
 * A slice is a time, not an amount, so that all are at work to its end and nobody's last part is done undisturbed. Each thread
 * measures how long it really took by itself.
 */
#include "scale.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
	pthread_t thread[SCALE_THREADS];
	unsigned int threads;
	pthread_mutex_t lock;
	pthread_cond_t go, done;
	unsigned long slice;	 /* lock: its number */
	unsigned int at_work;	 /* lock */
	bool stop;		 /* lock */
	struct scale_turn *turn; /* fixed while a slice runs */
	unsigned int nr;	 /* the same */
	double ns;		 /* the same */
	_Atomic unsigned int ready;
	_Atomic bool over;
	_Atomic bool interrupted;
} crew = { .lock = PTHREAD_MUTEX_INITIALIZER,
	   .go = PTHREAD_COND_INITIALIZER,
	   .done = PTHREAD_COND_INITIALIZER };

static double read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double scale_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

bool crew_over(void)
{
	return atomic_load_explicit(&crew.over, memory_order_relaxed);
}

void crew_interrupt(void)
{
	atomic_store(&crew.interrupted, true);
	atomic_store(&crew.over, true);
}

bool crew_interrupted(void)
{
	return atomic_load_explicit(&crew.interrupted, memory_order_relaxed);
}

static void pin(unsigned int number)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	if (cpus < 1)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)number % (size_t)cpus, &set);
	/* Where that is not allowed the thread goes where the kernel puts it. */
	sched_setaffinity(0, sizeof(set), &set);
}

static void wait_for_others(void)
{
	unsigned int spins = 0;

	atomic_fetch_add(&crew.ready, 1);
	while (atomic_load(&crew.ready) < crew.nr) {
		if (++spins % 1024 == 0)
			sched_yield();
	}
}

static void do_turn(struct scale_turn *turn)
{
	double start, cpu, now;
	uint64_t done = 0;

	scale_locks_take(NULL);
	wait_for_others();
	cpu = read_clock(CLOCK_THREAD_CPUTIME_ID);
	start = now = scale_now();
	/* Once at least, also where the others' time was over before this thread got a processor. */
	do {
		turn->error = turn->work(turn->arg, &done);
		now = scale_now();
	} while (!turn->error && now - start < crew.ns && !crew_over());
	/* Nobody goes on alone, as long as it may take. */
	atomic_store(&crew.over, true);
	turn->wall_ns = now - start;
	turn->cpu_ns = read_clock(CLOCK_THREAD_CPUTIME_ID) - cpu;
	turn->done = done;
	scale_locks_take(turn->locks);
}

static void *run(void *arg)
{
	unsigned int number = (unsigned int)(uintptr_t)arg;
	unsigned long seen = 0;

	pin(number);
	pthread_mutex_lock(&crew.lock);
	for (;;) {
		while (!crew.stop && crew.slice == seen)
			pthread_cond_wait(&crew.go, &crew.lock);
		if (crew.stop)
			break;
		seen = crew.slice;
		if (number >= crew.nr)
			continue;
		pthread_mutex_unlock(&crew.lock);
		do_turn(&crew.turn[number]);
		pthread_mutex_lock(&crew.lock);
		if (--crew.at_work == 0)
			pthread_cond_signal(&crew.done);
	}
	pthread_mutex_unlock(&crew.lock);
	return NULL;
}

bool crew_start(unsigned int threads, char why[SCALE_WHY])
{
	while (crew.threads < threads) {
		int r = pthread_create(&crew.thread[crew.threads], NULL, run,
				       (void *)(uintptr_t)crew.threads);

		if (r) {
			snprintf(why, SCALE_WHY, "cannot start a thread: %s", strerror(r));
			return false;
		}
		crew.threads++;
	}
	return true;
}

void crew_stop(void)
{
	pthread_mutex_lock(&crew.lock);
	crew.stop = true;
	pthread_cond_broadcast(&crew.go);
	pthread_mutex_unlock(&crew.lock);
	while (crew.threads)
		pthread_join(crew.thread[--crew.threads], NULL);
}

int crew_slice(struct scale_turn *turn, unsigned int nr, double ns)
{
	unsigned int i;
	int error = 0;

	for (i = 0; i < nr; i++) {
		turn[i].error = 0;
		memset(turn[i].locks, 0, sizeof(turn[i].locks));
	}
	pthread_mutex_lock(&crew.lock);
	crew.turn = turn;
	crew.nr = crew.at_work = nr;
	crew.ns = ns;
	atomic_store(&crew.ready, 0);
	atomic_store(&crew.over, false);
	if (crew_interrupted())
		atomic_store(&crew.over, true);
	crew.slice++;
	pthread_cond_broadcast(&crew.go);
	while (crew.at_work)
		pthread_cond_wait(&crew.done, &crew.lock);
	pthread_mutex_unlock(&crew.lock);
	for (i = 0; i < nr && !error; i++)
		error = turn[i].error;
	return error;
}
