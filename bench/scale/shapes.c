// SPDX-License-Identifier: BSD-2-Clause
/*
 * The shapes: will-it-scale's, and one of nothing but faults; each thread with memory of its own.
 *
 * A seat is where a thread does a shape: an engine, an address space, a processor, a place in it, a file. In the process variant
 * each has an address space of its own, in the thread variant all have the same one and places a gibibyte apart, so that no VMA
 * is two threads' and no table either.
 */
#include "scale.h"

#include "../memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HERE	   ((uint64_t)0x555540000000)
#define APART	   ((uint64_t)1 << 30)
#define FORK_VMAS  8u
#define FORK_PAGES 16u /* of each VMA that is forked */

struct shape;

struct seat {
	struct scale_engine *engine;
	struct mm *mm;
	struct hosted_cpu *cpu;
	struct mm_file *file;
	uint64_t addr, pages;
	uint64_t done; /* in all slices: what the engine's counters must say */
	const struct shape *shape;
};

struct shape {
	const char *name;
	const char *what;
	const char *unit;
	bool variant[SCALE_VARIANTS], aims[SCALE_VARIANTS];
	bool file; /* the seat needs one */
	/*
	 * Slices are longer. A munmap of many pages leaves RCU's thread something to free, which then has the processor for some
	 * milliseconds: a short slice has that once or not at all, and its figure is one or the other. And forks between two grace
	 * periods go through megabytes of page tables, which in a short slice are still on their way back into the processor's caches.
	 */
	bool longer;
	int (*sit)(struct seat *s); /* before the first turn; NULL: nothing to do */
	int (*turn)(void *seat, uint64_t *done);
	/* The engine's own count of what was done; NULL: it has none. */
	uint64_t (*counted)(const struct mm_counters *c);
};

/* ---------------------------------------------------------------- turns */

static int write_all(struct seat *s, bool shared, uint64_t *done)
{
	int r = bench_map(s->mm, s->addr, s->pages, s->file, shared);

	if (!r)
		r = bench_write(s->cpu, s->mm, s->addr, s->pages);
	if (r)
		return r;
	*done += s->pages;
	return mm_munmap(s->mm, s->addr, s->pages * RMAP_PAGE_SIZE);
}

static int page_fault(void *seat, uint64_t *done)
{
	return write_all(seat, false, done);
}

static int page_fault_shared(void *seat, uint64_t *done)
{
	return write_all(seat, true, done);
}

static int fault_sit(struct seat *s)
{
	return bench_map(s->mm, s->addr, s->pages, NULL, false);
}

/* Nothing but faults, and as little as can be to have them again: the VMA stays. */
static int fault_only(void *seat, uint64_t *done)
{
	struct seat *s = seat;
	int r = bench_write(s->cpu, s->mm, s->addr, s->pages);

	if (r)
		return r;
	*done += s->pages;
	return mm_madvise(s->mm, s->addr, s->pages * RMAP_PAGE_SIZE, MM_MADV_DONTNEED);
}

static int map_unmap(void *seat, uint64_t *done)
{
	struct seat *s = seat;
	int r = 0;

	for (int i = 0; i < 64 && !r; i++) {
		r = bench_map(s->mm, s->addr, s->pages, s->file, false);
		if (!r)
			r = mm_munmap(s->mm, s->addr, s->pages * RMAP_PAGE_SIZE);
		*done += !r;
	}
	return r;
}

static int brk_sit(struct seat *s)
{
	return mm_set_brk(s->mm, s->addr);
}

static int brk_up_down(void *seat, uint64_t *done)
{
	struct seat *s = seat;

	for (int i = 0; i < 64; i++) {
		if (mm_brk(s->mm, s->addr + RMAP_PAGE_SIZE) != s->addr + RMAP_PAGE_SIZE ||
		    mm_brk(s->mm, s->addr) != s->addr)
			return RMAP_ENOMEM;
		*done += 2;
	}
	return 0;
}

/* A small process: VMAs that do not merge, each with some pages. */
static int fork_sit(struct seat *s)
{
	int r = 0;

	for (unsigned int i = 0; i < FORK_VMAS && !r; i++) {
		uint64_t addr = s->addr + i * 2 * FORK_PAGES * RMAP_PAGE_SIZE;

		r = bench_map(s->mm, addr, FORK_PAGES, NULL, false);
		if (!r)
			r = bench_write(s->cpu, s->mm, addr, FORK_PAGES);
	}
	return r;
}

static int fork_exit(void *seat, uint64_t *done)
{
	struct seat *s = seat;

	for (int i = 0; i < 8; i++) {
		struct mm *child;
		int r = mm_fork(s->mm, &child);

		if (r)
			return r;
		mm_put(child);
		*done += 1;
	}
	return 0;
}

static uint64_t zero_fills(const struct mm_counters *c)
{
	return c->fault_zero_fill;
}

static uint64_t file_copies(const struct mm_counters *c)
{
	return c->fault_file_cow;
}

static uint64_t file_maps(const struct mm_counters *c)
{
	return c->fault_file_map;
}

static uint64_t forks(const struct mm_counters *c)
{
	return c->forks;
}

static const struct shape shapes[] = {
	{ "fault", "write each page of memory that stays mapped, MADV_DONTNEED", "faults",
	  .variant = { true, true }, .aims = { true, true }, .sit = fault_sit, .turn = fault_only,
	  .counted = zero_fills },
	{ "page_fault1", "mmap, write each page, munmap: anonymous memory", "faults",
	  .variant = { true, true }, .aims = { true, true }, .longer = true, .turn = page_fault,
	  .counted = zero_fills },
	{ "page_fault2", "the same on a private mapping of a file of its own", "faults",
	  .variant = { true, true }, .aims = { true, true }, .longer = true, .file = true,
	  .turn = page_fault, .counted = file_copies },
	{ "page_fault3", "the same on a shared mapping of a file of its own", "faults",
	  .variant = { true, true }, .aims = { true, true }, .longer = true, .file = true,
	  .turn = page_fault_shared, .counted = file_maps },
	{ "mmap1", "mmap and munmap of anonymous memory", "pairs", .variant = { true, true },
	  .turn = map_unmap },
	{ "mmap2", "the same on a private mapping of a file of its own", "pairs",
	  .variant = { true, true }, .file = true, .turn = map_unmap },
	{ "brk1", "brk up and down by a page", "calls", .variant = { true, false }, .sit = brk_sit,
	  .turn = brk_up_down },
	{ "fork", "fork and exit of 8 VMAs of 16 pages", "forks", .variant = { true, true },
	  .aims = { true, false }, .longer = true, .sit = fork_sit, .turn = fork_exit,
	  .counted = forks },
};

unsigned int scale_nr_shapes(void)
{
	return sizeof(shapes) / sizeof(shapes[0]);
}

const char *scale_shape_name(unsigned int shape)
{
	return shapes[shape].name;
}

const char *scale_shape_what(unsigned int shape)
{
	return shapes[shape].what;
}

const char *scale_shape_unit(unsigned int shape)
{
	return shapes[shape].unit;
}

unsigned int scale_shape_longer(unsigned int shape)
{
	return shapes[shape].longer ? SCALE_LONGER : 1;
}

bool scale_shape_has(unsigned int shape, enum scale_variant variant)
{
	return shapes[shape].variant[variant];
}

bool scale_shape_aims(unsigned int shape, enum scale_variant variant)
{
	return shapes[shape].aims[variant];
}

/* ---------------------------------------------------------------- seats */

/* By the thread that will sit there: what a process has was made by itself. */
static int seat_open(void *seat, uint64_t *done)
{
	struct seat *s = seat;
	struct hosted_file *handle;
	int r = 0;

	(void)done;
	if (!s->mm)
		r = mm_create(s->engine->sys, &s->mm);
	if (!r && s->shape->file) {
		r = hosted_file_temp(s->engine->h, s->pages * RMAP_PAGE_SIZE, 0, &handle);
		if (!r) {
			r = mm_file_create(s->engine->sys, handle, s->pages * RMAP_PAGE_SIZE,
					   &s->file);
			if (r)
				hosted_file_close(handle);
		}
	}
	return !r && s->shape->sit ? s->shape->sit(s) : r;
}

/* mm NULL: it gets one of its own. */
static void seat_place(struct seat *s, const struct shape *shape, struct scale_engine *e,
		       struct mm *mm, unsigned int number, uint64_t pages)
{
	s->shape = shape;
	s->engine = e;
	s->addr = HERE + number * APART;
	s->pages = pages;
	s->cpu = hosted_cpu(e->h, number);
	s->mm = mm;
	if (mm)
		mm_get(mm);
}

static void seat_close(struct seat *s)
{
	if (s->mm)
		mm_put(s->mm);
	if (s->file)
		mm_file_put(s->file);
	memset(s, 0, sizeof(*s));
}

/* ---------------------------------------------------------------- a cell */

struct table {
	const struct shape *shape;
	unsigned int threads;
	double slice_ns;
	struct scale_engine one, own[SCALE_THREADS];
	struct seat together[SCALE_THREADS], apart[SCALE_THREADS];
	struct scale_turn turn[SCALE_THREADS];
};

/* Each thread by itself, for ns, or once. */
static int all_do(struct table *t, struct seat *seat, unsigned int nr,
		  int (*work)(void *seat, uint64_t *done), double ns)
{
	for (unsigned int i = 0; i < nr; i++) {
		t->turn[i].work = work;
		t->turn[i].arg = &seat[i];
	}
	return crew_slice(t->turn, nr, ns);
}

static bool table_lay(struct table *t, const struct scale_options *o, const struct scale_cell *cell,
		      char why[SCALE_WHY])
{
	/* Together there is as much memory as apart. */
	const uint64_t own = 3 * (o->pages + 512) + 4096;
	struct scale_machine machine = {
		.frames = cell->threads * own,
		.cpus = cell->threads,
		.contents = o->contents,
		.design = cell->design,
	};
	struct mm *mm = NULL;
	int r = 0;

	if (!scale_engine_start(&t->one, &machine, why))
		return false;
	if (cell->variant == SCALE_THREAD)
		r = mm_create(t->one.sys, &mm);
	for (unsigned int i = 0; i < t->threads && !r; i++)
		seat_place(&t->together[i], t->shape, &t->one, mm, i, o->pages);
	if (mm)
		mm_put(mm);
	machine.frames = own;
	machine.cpus = 1;
	for (unsigned int i = 0; i < t->threads && !r; i++) {
		if (!scale_engine_start(&t->own[i], &machine, why))
			return false;
		seat_place(&t->apart[i], t->shape, &t->own[i], NULL, 0, o->pages);
	}
	if (!r)
		r = all_do(t, t->together, t->threads, seat_open, 0);
	if (!r)
		r = all_do(t, t->apart, t->threads, seat_open, 0);
	return r ? scale_refuse(why, t->shape->name, r) : true;
}

static bool table_check(struct table *t, char why[SCALE_WHY])
{
	uint64_t done = 0;
	struct mm_counters c;

	for (unsigned int i = 0; i < t->threads; i++) {
		done += t->together[i].done;
		if (!scale_engine_check(&t->own[i], why))
			return false;
	}
	if (!scale_engine_check(&t->one, why))
		return false;
	mm_get_counters(t->one.sys, &c);
	if (!t->shape->counted || t->shape->counted(&c) == done)
		return true;
	snprintf(why, SCALE_WHY, "the threads did %llu %s, the engine counted %llu",
		 (unsigned long long)done, t->shape->unit,
		 (unsigned long long)t->shape->counted(&c));
	return false;
}

static bool table_clear(struct table *t, char why[SCALE_WHY])
{
	bool ok = true;

	for (unsigned int i = 0; i < t->threads; i++) {
		seat_close(&t->together[i]);
		seat_close(&t->apart[i]);
		ok = scale_engine_stop(&t->own[i], why) && ok;
	}
	return scale_engine_stop(&t->one, why) && ok;
}

/* => done a second by all, by the clock and by processor time; < 0: an error */
struct rate {
	double wall, cpu;
};

static int slice(struct table *t, struct seat *seat, unsigned int nr, struct rate *rate)
{
	int r = all_do(t, seat, nr, t->shape->turn, t->slice_ns);

	*rate = (struct rate){ 0, 0 };
	for (unsigned int i = 0; i < nr; i++) {
		double done = (double)t->turn[i].done;

		seat[i].done += t->turn[i].done;
		rate->wall += done / t->turn[i].wall_ns * 1e9;
		rate->cpu += done / t->turn[i].cpu_ns * 1e9;
	}
	return r;
}

static int round_of(struct table *t, struct scale_cell *cell, unsigned int i)
{
	struct rate alone, before, after, together;
	int r = slice(t, t->apart, t->threads, &before);

	if (!r)
		r = slice(t, t->together, t->threads, &together);
	for (unsigned int k = 0; k < t->threads && !r; k++) {
		scale_locks_add(cell->locks, t->turn[k].locks);
		cell->done += t->turn[k].done;
	}
	if (!r)
		r = slice(t, t->apart, t->threads, &after);
	if (!r)
		r = slice(t, t->apart, 1, &alone);
	if (r)
		return r;
	cell->alone[i] = alone.wall;
	cell->apart[i] = (before.wall + after.wall) / 2;
	cell->together[i] = together.wall;
	cell->ratio[i] = 2 * together.wall / (before.wall + after.wall);
	cell->ratio_cpu[i] = 2 * together.cpu / (before.cpu + after.cpu);
	cell->control[i] = after.wall / before.wall;
	return 0;
}

static int rounds(struct table *t, const struct scale_options *o, struct scale_cell *cell)
{
	struct rate warm;
	/* Pages of a file come into its cache, caches of objects fill. */
	int r = slice(t, t->apart, t->threads, &warm);

	if (!r)
		r = slice(t, t->together, t->threads, &warm);
	for (cell->rounds = 0; cell->rounds < o->rounds && !r && !crew_interrupted();
	     cell->rounds += !r)
		r = round_of(t, cell, cell->rounds);
	return r;
}

bool scale_cell_run(const struct scale_options *o, struct scale_cell *cell, char why[SCALE_WHY])
{
	struct table *t = calloc(1, sizeof(*t));
	bool ok;
	int r;

	if (!t)
		return scale_refuse(why, shapes[cell->shape].name, RMAP_ENOMEM);
	t->shape = &shapes[cell->shape];
	t->threads = cell->threads;
	t->slice_ns = o->slice_ns * scale_shape_longer(cell->shape);
	ok = crew_start(t->threads, why) && table_lay(t, o, cell, why);
	if (ok) {
		r = rounds(t, o, cell);
		ok = r ? scale_refuse(why, t->shape->name, r) : table_check(t, why);
	}
	ok = table_clear(t, why) && ok;
	free(t);
	return ok;
}
