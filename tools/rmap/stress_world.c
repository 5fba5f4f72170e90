// SPDX-License-Identifier: BSD-2-Clause
/*
 * The machine of rmap stress: made too small for what its threads do, so that it swaps, run for a time, and looked at.
 *
 * Every few hundred milliseconds the threads come to rest: each holds what it knows against what there is, then the main thread runs
 * the checker, on the page tables and on every processor's TLB. Who does not come to rest is taken for locked up: after a minute in
 * which all of them together had next to nothing of a processor, or after a minute of it for each. On a machine that is busy with
 * other things a minute by the clock may be less than an operation takes.
 */
#include "stress.h"

#include "words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUND_NS    300000000ull
#define PROGRESS_NS 100000000ull
#define PATIENCE_NS 60000000000ull
#define ASLEEP_NS   10000000ull
/* Of a machine this small a check looks at all, but for scan, which would be at it for seconds. */
#define SCAN_WALKS  200

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* ---------------------------------------------------------------- what went wrong */

static void say_wrong(struct stress_world *world, const char *who, const char *format, va_list args)
{
	int n;

	pthread_mutex_lock(&world->wrong_lock);
	if (!world->wrong[0]) {
		n = snprintf(world->wrong, sizeof(world->wrong), "%s", who);
		if (n >= 0 && (size_t)n < sizeof(world->wrong))
			vsnprintf(world->wrong + n, sizeof(world->wrong) - (size_t)n, format, args);
	}
	pthread_mutex_unlock(&world->wrong_lock);
	atomic_store(&world->stop, true);
	atomic_store(&world->pause, true);
}

void stress_wrong(struct stress_worker *w, const char *format, ...)
{
	const char *doing = atomic_load_explicit(&w->doing, memory_order_relaxed);
	va_list args;
	char who[80];

	snprintf(who, sizeof(who), "thread %u, %s: ", w->number, doing ? doing : "setting up");
	va_start(args, format);
	say_wrong(w->world, who, format, args);
	va_end(args);
}

static void wrong(struct stress_world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void wrong(struct stress_world *world, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say_wrong(world, "", format, args);
	va_end(args);
}

static void say_doing(const struct stress_world *world)
{
	for (uint32_t i = 0; i < world->options->threads; i++) {
		const char *doing = atomic_load(&world->worker[i].doing);

		fprintf(stderr, "rmap stress: thread %u is at %s\n", i, doing ? doing : "nothing");
	}
}

/* An assertion of the engine's: nothing can be gone on with. */
static void panic(void *arg, const char *file, int line, const char *what)
{
	const struct stress_world *world = arg;

	words_progress_over(stderr);
	fprintf(stderr, "rmap stress: %s: assertion failed: %s (%s:%d), seed %llu\n",
		rmap_design_name(world->design), what, file, line,
		(unsigned long long)world->options->seed);
	say_doing(world);
	_exit(1);
}

static void locked_up(struct stress_world *world)
{
	words_progress_over(stderr);
	fprintf(stderr, "rmap stress: %s: threads do not come to rest, seed %llu\n",
		rmap_design_name(world->design), (unsigned long long)world->options->seed);
	say_doing(world);
	_exit(1);
}

/* ---------------------------------------------------------------- threads */

/* The worker comes to rest until the main thread has looked. */
static void rest(struct stress_world *world)
{
	uint64_t round;

	pthread_mutex_lock(&world->lock);
	round = world->round;
	world->arrived++;
	pthread_cond_broadcast(&world->changed);
	while (world->round == round)
		pthread_cond_wait(&world->changed, &world->lock);
	pthread_mutex_unlock(&world->lock);
}

static void *work(void *arg)
{
	struct stress_worker *w = arg;
	struct stress_world *world = w->world;
	bool stop;

	do {
		while (!atomic_load_explicit(&world->pause, memory_order_relaxed))
			stress_operation(w);
		stress_verify(w);
		/* Before it rests: whoever arrives sees the same answer as all the others. */
		rest(world);
		stop = atomic_load(&world->stop);
		rest(world);
	} while (!stop);
	stress_end(w);
	return NULL;
}

/* What the threads have done since the main thread began to wait for them, by which it knows whether they still do anything. */
struct patience {
	uint64_t cpu_began;		   /* of the process's time on processors */
	uint64_t minute_began, minute_cpu; /* the same when the minute under way began */
};

static bool is_locked_up(struct patience *p, uint32_t threads)
{
	uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), now = now_ns();

	if (cpu - p->cpu_began >= threads * PATIENCE_NS)
		return true;
	if (now - p->minute_began < PATIENCE_NS)
		return false;
	if (cpu - p->minute_cpu < ASLEEP_NS)
		return true;
	p->minute_began = now;
	p->minute_cpu = cpu;
	return false;
}

static void wait_for_all(struct stress_world *world)
{
	uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct patience patience = { cpu, now_ns(), cpu };

	pthread_mutex_lock(&world->lock);
	while (world->arrived < world->options->threads) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		if (pthread_cond_timedwait(&world->changed, &world->lock, &until) == ETIMEDOUT &&
		    is_locked_up(&patience, world->options->threads))
			locked_up(world);
	}
	world->arrived = 0;
	pthread_mutex_unlock(&world->lock);
}

static void release_all(struct stress_world *world)
{
	pthread_mutex_lock(&world->lock);
	world->round++;
	pthread_cond_broadcast(&world->changed);
	pthread_mutex_unlock(&world->lock);
}

/* ---------------------------------------------------------------- quiet points */

static void look(struct stress_world *world, struct stress_result *result)
{
	struct mm_check check = { .seed = world->options->seed + result->checks };
	const struct rmap_port *os = &hosted_port(world->hosted)->os;
	char error[HOSTED_ERROR];

	/* The checker's own memory is refused elsewhere (rmap-oom). */
	hosted_adversity(world->hosted, false);
	/*
	 * What waits for a grace period would end beside the check, which bears that, but the thread sanitizer does not. What is
	 * freed late may free more.
	 */
	os->rcu_barrier(os->ctx);
	os->rcu_barrier(os->ctx);

	if (!strcmp(rmap_design_name(world->design), "scan"))
		check.max_walks = SCAN_WALKS;
	if (mm_check(world->sys, &check))
		wrong(world, "the checker: %s", check.message);
	if (hosted_tlb_check(world->hosted, error))
		wrong(world, "%s", error);
	result->checks++;
	hosted_adversity(world->hosted, true);
}

static uint64_t operations(const struct stress_world *world)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < world->options->threads; i++)
		sum += atomic_load_explicit(&world->worker[i].operations, memory_order_relaxed);
	return sum;
}

static void run_for(struct stress_world *world, uint64_t start, uint64_t until)
{
	const struct stress_options *o = world->options;
	uint64_t now;

	while ((now = now_ns()) < until && !atomic_load(&world->pause)) {
		uint64_t ns = until - now < PROGRESS_NS ? until - now : PROGRESS_NS;
		const struct timespec t = { .tv_nsec = (long)ns };

		nanosleep(&t, NULL);
		if (o->progress)
			o->progress(o->arg, rmap_design_name(world->design),
				    (double)(now_ns() - start) / 1e9, operations(world));
	}
}

static void run_rounds(struct stress_world *world, struct stress_result *result)
{
	uint64_t start = now_ns(), end = start + world->options->ns;
	bool last;

	do {
		uint64_t now = now_ns(), until = now + ROUND_NS;

		/* At least two, also of a short run. */
		if (world->options->ns < 2 * ROUND_NS)
			until = now + world->options->ns / 2;
		run_for(world, start, until < end ? until : end);
		last = now_ns() >= end;
		if (last)
			atomic_store(&world->stop, true);
		atomic_store(&world->pause, true);
		wait_for_all(world);
		/* All have verified what they know, and nobody runs. */
		look(world, result);
		last = atomic_load(&world->stop);
		release_all(world);
		wait_for_all(world);
		if (!last)
			atomic_store(&world->pause, false);
		release_all(world);
	} while (!last);
}

/* ---------------------------------------------------------------- the machine */

static bool map_shared(struct stress_world *world, uint64_t addr, struct mm_file *file,
		       uint64_t *result)
{
	const struct mm_mmap map = {
		.addr = addr,
		.len = (uint64_t)world->options->threads * STRESS_FILE * RMAP_PAGE_SIZE,
		.prot = MM_PROT_READ | MM_PROT_WRITE,
		.flags = MM_MAP_SHARED | (file ? MM_MAP_FIXED : MM_MAP_ANONYMOUS),
		.file = file,
		.file_mode = MM_FILE_READ | MM_FILE_WRITE,
	};

	return mm_mmap(world->common, &map, result) == 0;
}

static bool make_file(struct stress_world *world, struct mm_file **out, struct hosted_file **store)
{
	uint64_t size = (uint64_t)world->options->threads * STRESS_FILE * RMAP_PAGE_SIZE;

	if (hosted_file_temp(world->hosted, size, 0, store))
		return false;
	if (!mm_file_create(world->sys, *store, size, out))
		return true;
	hosted_file_close(*store);
	return false;
}

static bool fill_machine(struct stress_world *world)
{
	struct hosted_file *store;
	uint64_t addr;

	if (mm_create(world->sys, &world->common) || !make_file(world, &world->store, &store) ||
	    !make_file(world, &world->cut, &world->cut_store) ||
	    !map_shared(world, STRESS_STORE_AT, world->store, &addr) ||
	    !map_shared(world, STRESS_CUT_AT, world->cut, &addr) ||
	    !map_shared(world, 0, NULL, &world->memory))
		return false;
	for (uint32_t i = 0; i < world->options->threads; i++) {
		struct stress_worker *w = &world->worker[i];

		w->world = world;
		w->number = i;
		w->cpu = hosted_cpu(world->hosted, i);
		/* Never zero, which would stay zero. */
		w->random = (world->options->seed + i + 1) * 0x9e3779b97f4a7c15ull | 1;
		if (!stress_begin(w))
			return false;
	}
	return true;
}

static bool make_machine(struct stress_world *world, char message[STRESS_MESSAGE])
{
	uint64_t threads = world->options->threads;
	const struct hosted_config machine = {
		.nr_frames = 384 + 160 * threads,
		.nr_swap_slots = 1024 * threads,
		.nr_cpus = (uint32_t)threads,
		.panic = panic,
		.panic_arg = world,
		.refuse_one_in = world->options->oom,
		.transfer_ns = world->options->transfer_ns,
		.adversity_seed = world->options->seed,
	};
	const struct mm_config config = { .design = world->design };
	char error[HOSTED_ERROR];

	if (hosted_create(&machine, &world->hosted, error)) {
		snprintf(message, STRESS_MESSAGE, "%s", error);
		return false;
	}
	if (mm_system_create(&config, hosted_port(world->hosted), &world->sys)) {
		hosted_destroy(world->hosted, NULL, NULL);
		snprintf(message, STRESS_MESSAGE, "there is no memory for a machine");
		return false;
	}
	if (!fill_machine(world))
		wrong(world, "there is no memory for the processes");
	return true;
}

static void left_over(void *arg, const char *what, uint64_t count, uint64_t bytes)
{
	wrong(arg, "at the end %llu objects '%s' were left, %llu bytes", (unsigned long long)count,
	      what, (unsigned long long)bytes);
}

static void take_machine_apart(struct stress_world *world, struct stress_result *result)
{
	if (world->common)
		mm_put(world->common);
	if (world->store)
		mm_file_put(world->store);
	if (world->cut)
		mm_file_put(world->cut);
	if (!world->wrong[0])
		look(world, result);
	mm_get_counters(world->sys, &result->counters);
	hosted_mmu_get_stats(world->hosted, &result->mmu);
	result->objects_refused = hosted_refusals(world->hosted);
	mm_system_destroy(world->sys);
	(void)hosted_destroy(world->hosted, left_over, world);
}

/* ---------------------------------------------------------------- one design */

static uint32_t start_threads(struct stress_world *world)
{
	uint32_t n;

	for (n = 0; n < world->options->threads; n++) {
		struct stress_worker *w = &world->worker[n];

		if (pthread_create(&w->thread, NULL, work, w))
			break;
	}
	return n;
}

static void run_threads(struct stress_world *world, struct stress_result *result)
{
	uint32_t started = start_threads(world);

	hosted_adversity(world->hosted, true);
	if (started == world->options->threads) {
		run_rounds(world, result);
	} else {
		fprintf(stderr, "rmap stress: only %u threads can be started\n", started);
		_exit(2);
	}
	for (uint32_t i = 0; i < started; i++) {
		const struct stress_worker *w = &world->worker[i];

		pthread_join(w->thread, NULL);
		result->operations += atomic_load(&w->operations);
		result->refused += atomic_load(&w->refused);
		result->verified += w->verified;
		result->walks += w->walks;
	}
}

bool stress_run(const struct stress_options *options, const struct rmap_ops *design,
		struct stress_result *result)
{
	struct stress_world *world = calloc(1, sizeof(*world));
	uint64_t start = now_ns();

	memset(result, 0, sizeof(*result));
	if (!world) {
		snprintf(result->wrong, sizeof(result->wrong), "out of memory");
		return false;
	}
	world->options = options;
	world->design = design;
	pthread_mutex_init(&world->cut_lock, NULL);
	pthread_mutex_init(&world->swap_lock, NULL);
	pthread_mutex_init(&world->lock, NULL);
	pthread_mutex_init(&world->wrong_lock, NULL);
	pthread_cond_init(&world->changed, NULL);
	if (!make_machine(world, result->wrong)) {
		free(world);
		return false;
	}
	if (!world->wrong[0])
		run_threads(world, result);
	take_machine_apart(world, result);
	snprintf(result->wrong, sizeof(result->wrong), "%s", world->wrong);
	result->ns = now_ns() - start;
	free(world);
	return true;
}
