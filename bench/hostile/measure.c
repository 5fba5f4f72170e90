// SPDX-License-Identifier: BSD-2-Clause
/*
 * One hostile program under one design, and what it costs the innocents.
 *
 * Looks and steps are counts, the same on every run. Times are the median of many on this thread's own clock, so that a loaded machine
 * disturbs them little; they are of the engine without contents, where nothing but metadata costs.
 */
#include "hostile.h"

#include "../memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE	   RMAP_PAGE_SIZE
#define WALK_PAGES 3u
#define COW_PAGES  32u
#define FORKS	   9u

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int less(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t nr)
{
	qsort(values, nr, sizeof(*values), less);
	return values[nr / 2];
}

/* ---------------------------------------------------------------- the machine */

static int family(struct machine *m, struct mm **parent, struct mm **child)
{
	int error = mm_create(m->sys, parent);

	if (!error)
		error = bench_map(*parent, HEAP, HOSTILE_PAGES, NULL, false);
	if (!error)
		error = bench_write(m->cpu, *parent, HEAP, HOSTILE_PAGES);
	if (!error)
		error = bench_map(*parent, FRESH, HOSTILE_PAGES, NULL, false);
	return error ? error : mm_fork(*parent, child);
}

static int start(struct machine *m, const struct rmap_ops *design,
		 const struct hostile_scale *scale, char why[HOSTILE_WHY])
{
	uint64_t frames = 24 * scale->processes + 16 * 4 * scale->vmas + 65536;
	struct hosted_config machine = { .nr_frames = frames,
					 .phantom = true,
					 .deferral = HOSTED_DEFER_TO_BARRIER };
	struct mm_config config = { .design = design,
				    .phantom = true,
				    .overcommit = MM_OVERCOMMIT_ALWAYS };
	struct hosted_file *handle;
	int error = hosted_create(&machine, &m->h, why);

	if (error)
		return error;
	m->cpu = hosted_cpu(m->h, 0);
	error = mm_system_create(&config, hosted_port(m->h), &m->sys);
	if (error)
		return error;
	error = family(m, &m->stranger, &m->strangers_child);
	if (!error)
		error = family(m, &m->relative, &m->relatives_child);
	if (!error)
		error = mm_fork(m->relative, &m->hostile);
	if (!error)
		error = hosted_file_temp(m->h, HOSTILE_PAGES * PAGE, 1, &handle);
	if (!error)
		error = mm_file_create(m->sys, handle, HOSTILE_PAGES * PAGE, &m->file);
	if (!error)
		error = bench_map(m->stranger, FILES, HOSTILE_PAGES, m->file, true);
	return error ? error : hosted_read(m->cpu, m->stranger, FILES, NULL, PAGE, NULL);
}

static void put(struct mm *mm)
{
	if (mm)
		mm_put(mm);
}

static void stop(struct machine *m)
{
	for (uint64_t i = 0; i < m->nr_mine; i++)
		mm_put(m->mine[i]);
	free(m->mine);
	put(m->hostile);
	put(m->stranger);
	put(m->strangers_child);
	put(m->relative);
	put(m->relatives_child);
	put(m->late);
	if (m->file)
		mm_file_put(m->file);
	if (m->sys)
		mm_system_destroy(m->sys);
	if (m->h)
		hosted_destroy(m->h, NULL, NULL);
}

/* ---------------------------------------------------------------- what it costs */

static int walk(struct machine *m, struct mm *mm, uint64_t addr, bool to_end, struct rmap_walk *out)
{
	struct mm_page_info info;

	*out = (struct rmap_walk){ .flags = to_end ? 0 : RMAP_WALK_STOP_AT_MAPCOUNT,
				   .purpose = RMAP_WALK_PROBE };
	mm_page_info(mm, addr, &info);
	if (info.state != MM_PAGE_PRESENT)
		return RMAP_ENOENT;
	return mm_walk_page(m->sys, info.page, out);
}

static int measure_walks(struct machine *m, struct mm *mm, uint64_t addr, struct hostile_cost *cost)
{
	double ns[WALK_PAGES];

	for (uint32_t i = 0; i < WALK_PAGES; i++)
		for (uint32_t pass = 0; pass < 3; pass++) {
			struct rmap_walk w;
			double began = now();
			int error = walk(m, mm, addr + i * PAGE, pass == 2, &w);

			if (error)
				return error;
			if (pass == 0)
				ns[i] = (now() - began) / (double)(w.found ? w.found : 1);
			if (w.looks > cost->looks[pass])
				cost->looks[pass] = w.looks;
			if (w.steps > cost->steps[pass])
				cost->steps[pass] = w.steps;
			if (w.found > cost->found)
				cost->found = w.found;
		}
	cost->walk_ns = median(ns, WALK_PAGES);
	return 0;
}

static int measure_faults(struct mm *mm, uint64_t addr, double *out)
{
	double ns[COW_PAGES];

	for (uint32_t i = 0; i < COW_PAGES; i++) {
		double began = now();
		int error = mm_fault(mm, addr + i * PAGE, MM_ACCESS_WRITE);

		if (error)
			return error;
		ns[i] = now() - began;
	}
	*out = median(ns, COW_PAGES);
	return 0;
}

static int measure_fork(struct mm *mm, double *out)
{
	double ns[FORKS];

	for (uint32_t i = 0; i < FORKS; i++) {
		double began = now();
		struct mm *child;
		int error = mm_fork(mm, &child);

		if (error)
			return error;
		mm_put(child);
		ns[i] = now() - began;
	}
	*out = median(ns, FORKS);
	return 0;
}

static int measure(struct machine *m, struct mm *mm, struct hostile_cost *cost)
{
	struct rmap_counts before, after;
	int error = measure_walks(m, mm, HEAP, cost);

	rmap_get_counts(mm_system_rmap(m->sys), &before);
	if (!error)
		error = measure_faults(mm, FRESH, &cost->new_ns);
	if (!error)
		error = measure_faults(mm, HEAP + WALK_PAGES * PAGE, &cost->cow_ns);
	if (!error)
		error = measure_fork(mm, &cost->fork_ns);
	rmap_get_counts(mm_system_rmap(m->sys), &after);
	cost->family_locks = after.locks_family - before.locks_family;
	return error;
}

/* Pages behind those that the others are measured at. */
static int measure_late(struct machine *m, struct hostile_cost *cost)
{
	uint64_t addr = HEAP + (WALK_PAGES + COW_PAGES) * PAGE;
	int error = mm_fork(m->relative, &m->late);

	if (!error)
		error = bench_write(m->cpu, m->relative, addr, WALK_PAGES);
	if (!error)
		error = bench_write(m->cpu, m->relatives_child, addr, WALK_PAGES);
	return error ? error : measure_walks(m, m->late, addr, cost);
}

static int measure_file(struct machine *m, struct hostile_result *out)
{
	struct rmap_walk w;
	int error = walk(m, m->stranger, FILES, true, &w);

	out->file_found = w.found;
	out->file_looks = w.looks;
	out->file_steps = w.steps;
	return error;
}

void hostile_measure(const struct rmap_ops *design, const struct hostile_kind *kind,
		     const struct hostile_scale *scale, struct hostile_result *out)
{
	struct mm_check check = { .max_walks = 8, .max_looks = 1u << 20 };
	struct machine m = { 0 };
	int error;

	memset(out, 0, sizeof(*out));
	error = start(&m, design, scale, out->why);
	if (!error && kind->run)
		error = kind->run(&m, scale);
	if (!error && !kind->run) {
		mm_put(m.hostile);
		m.hostile = NULL;
	}
	if (!error)
		error = measure(&m, m.stranger, &out->stranger);
	if (!error)
		error = measure(&m, m.relative, &out->relative);
	if (!error)
		error = measure_late(&m, &out->late);
	if (!error)
		error = measure_file(&m, out);
	if (!error && scale->check && mm_check(m.sys, &check)) {
		snprintf(out->why, HOSTILE_WHY, "%.200s", check.message);
		error = RMAP_EBADMSG;
	}
	if (error && !out->why[0])
		snprintf(out->why, HOSTILE_WHY, "%s", rmap_error_name(error));
	out->ran = !error;
	stop(&m);
}
