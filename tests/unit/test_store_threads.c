// SPDX-License-Identifier: BSD-2-Clause
/*
 * Faults, forks, reclaim, write-back, truncation, migration and swapoff at once, from several processors. Each thread keeps a
 * model of the pages that only it writes and compares; the checker has the last word when all have stopped.
 */
#include "faulty.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mm/mm_types.h"
#include "mm/reclaim.h"

#define RW	(MM_PROT_READ | MM_PROT_WRITE)

#define THREADS 4
#define OWN	64 /* private pages a thread has to itself */
#define FILED	64 /* pages of the file, a quarter for each thread */
#define SHARED	32 /* pages of shared memory */

static struct hosted *machine;
static struct mm_system *sys;
static struct mm *mm;
static struct mm_file *file;
static uint64_t own, filed, shared;
static unsigned int steps = 20000;

struct worker {
	pthread_t thread;
	unsigned int number;
	struct hosted_cpu *cpu;
	uint64_t seed;
	uint64_t model[OWN], file_model[FILED], shared_model[SHARED];
	const char *wrong;
};

static struct worker workers[THREADS];

static uint64_t random_below(struct worker *w, uint64_t n)
{
	w->seed = w->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (w->seed >> 33) % n;
}

static void wrong(struct worker *w, const char *what)
{
	if (!w->wrong)
		w->wrong = what;
}

/* Write a page of ours, or look whether it still says what we wrote. */
static void touch(struct worker *w, uint64_t base, uint64_t *model, uint64_t n, const char *what)
{
	uint64_t i = random_below(w, n) / THREADS * THREADS + w->number;
	uint64_t addr, word = 0;
	int error;

	if (i >= n)
		return;
	addr = base + i * PAGE;
	if (random_below(w, 2)) {
		word = random_below(w, UINT32_MAX);
		error = hosted_write(w->cpu, mm, addr, &word, 8, NULL);
		if (!error)
			model[i] = word;
	} else {
		error = hosted_read(w->cpu, mm, addr, &word, 8, NULL);
		if (!error && word != model[i])
			wrong(w, what);
	}
	if (error && error != RMAP_ENOMEM)
		wrong(w, rmap_error_name(error));
}

/* A child sees what the parent had at the fork, and its writes are its own. */
static void fork_and_look(struct worker *w)
{
	uint64_t i = w->number, word = 0, mine = ~0ull;
	struct mm *child;

	if (mm_fork(mm, &child))
		return;
	if (!hosted_read(w->cpu, child, own + i * PAGE, &word, 8, NULL) && word != w->model[i])
		wrong(w, "the child's page");
	if (!hosted_write(w->cpu, child, own + i * PAGE, &mine, 8, NULL) &&
	    !hosted_read(w->cpu, mm, own + i * PAGE, &word, 8, NULL) && word != w->model[i])
		wrong(w, "the parent's page after the child's write");
	hosted_cpu_switch(w->cpu, NULL);
	mm_put(child);
}

static void disturb(struct worker *w)
{
	struct list_head pages;

	switch (random_below(w, 9)) {
	case 0:
		mm_reclaim(sys, 16);
		break;
	case 1:
		(void)mm_file_sync(file);
		break;
	case 2: /* behind what anybody looks at */
		(void)mm_file_truncate(file, (FILED + random_below(w, 16)) * PAGE +
						     random_below(w, 2) * 100);
		break;
	case 3:
		(void)mm_migrate(mm, own + random_below(w, OWN) * PAGE);
		break;
	case 4:
		(void)mm_migrate(mm, filed + random_below(w, FILED) * PAGE);
		break;
	case 5:
		if (w->number == 0) {
			(void)mm_swapoff(sys);
			(void)mm_swapon(sys);
		}
		break;
	case 6:
		fork_and_look(w);
		break;
	case 7:
		(void)mm_madvise(mm, own, OWN * PAGE, MM_MADV_PAGEOUT);
		break;
	default:
		list_init(&pages);
		lru_isolate(sys, (enum lru_list)random_below(w, LRU_UNEVICTABLE), 8, &pages);
		reclaim_pages(sys, &pages, true);
		break;
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned int i = 0; i < steps && !w->wrong; i++) {
		touch(w, own, w->model, OWN, "a private page");
		touch(w, filed, w->file_model, FILED, "a page of the file");
		touch(w, shared, w->shared_model, SHARED, "a page of shared memory");
		if (i % 4 == 0)
			disturb(w);
	}
	return NULL;
}

static void run(uint64_t frames)
{
	struct hosted_config config = { .nr_frames = frames,
					.nr_swap_slots = 2048,
					.nr_cpus = THREADS };
	const struct mm_config mm_config = { .overcommit = MM_OVERCOMMIT_ALWAYS };
	struct mm_mmap map = { .len = OWN * PAGE,
			       .prot = RW,
			       .flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS };
	struct hosted_file *handle;
	struct mm_check check = { 0 };
	char error[HOSTED_ERROR] = "";

	assert_int_equal(hosted_create(&config, &machine, error), 0);
	assert_int_equal(mm_system_create(&mm_config, hosted_port(machine), &sys), 0);
	assert_int_equal(mm_create(sys, &mm), 0);
	assert_int_equal(hosted_file_temp(machine, FILED * PAGE, 0, &handle), 0);
	assert_int_equal(mm_file_create(sys, handle, FILED * PAGE, &file), 0);
	assert_int_equal(mm_mmap(mm, &map, &own), 0);
	map.len = SHARED * PAGE;
	map.flags = MM_MAP_SHARED | MM_MAP_ANONYMOUS;
	assert_int_equal(mm_mmap(mm, &map, &shared), 0);
	map.len = FILED * PAGE;
	map.flags = MM_MAP_SHARED;
	map.file = file;
	map.file_mode = MM_FILE_READ | MM_FILE_WRITE;
	assert_int_equal(mm_mmap(mm, &map, &filed), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .number = i,
					      .seed = i + 1,
					      .cpu = hosted_cpu(machine, i) };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned int i = 0; i < THREADS; i++)
		if (workers[i].wrong)
			fail_msg("thread %u: %s", i, workers[i].wrong);
	if (mm_check(sys, &check))
		fail_msg("%s", check.message);
	if (hosted_tlb_check(machine, error))
		fail_msg("%s", error);
	mm_put(mm);
	mm_file_put(file);
	mm_system_destroy(sys);
	assert_int_equal(hosted_destroy(machine, NULL, NULL), 0);
}

static void memory_for_all(void **state)
{
	(void)state;
	run(4096);
}

static void memory_for_half(void **state)
{
	(void)state;
	run(192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_for_all),
		cmocka_unit_test(memory_for_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
