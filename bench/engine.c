// SPDX-License-Identifier: BSD-2-Clause
/*
 * The operations on the engine, through its public calls and the software MMU.
 *
 * Two machines stand ready: one with contents, whose arena has been touched once, so that no figure has Linux's own faults in
 * it, and a phantom one. What the second saves is the price of bytes: clearing, copying, moving to and from the swap file.
 */
#include "bench.h"
#include "memory.h"

#include <hosted/hosted.h>
#include <mm/page.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE	   RMAP_PAGE_SIZE
/* Where a program's heap is, so that no two levels of its tables have one index; both begin a level 1 table. */
#define HERE	   ((uint64_t)0x555555200000)
#define THERE	   ((uint64_t)0x7f5555200000)
#define WARM_PAGES 1024u

struct machine {
	struct hosted *h;
	struct mm_system *sys;
	struct hosted_cpu *cpu;
};

static struct machine machines[BENCH_LINUX];
static const struct rmap_ops *wanted; /* NULL: what the engine takes by itself */

static bool refuse(char why[BENCH_WHY], const char *what, int error)
{
	snprintf(why, BENCH_WHY, "%s: %s", what, rmap_error_name(error));
	return false;
}

/* ---------------------------------------------------------------- machines */

static bool machine_start(struct machine *m, bool phantom, uint64_t frames, uint64_t slots,
			  char why[BENCH_WHY])
{
	struct hosted_config machine = { .nr_frames = frames,
					 .nr_swap_slots = slots,
					 .phantom = phantom };
	struct mm_config config = { .design = wanted,
				    .phantom = phantom,
				    .overcommit = MM_OVERCOMMIT_ALWAYS,
				    .max_map_count = UINT32_MAX };
	const struct mm_port *port;
	int r = hosted_create(&machine, &m->h, why);

	if (r)
		return false;
	port = hosted_port(m->h);
	memset(port->descriptors, 0, frames * 64);
	if (!phantom)
		memset(port->frames, 0, frames << RMAP_PAGE_SHIFT);
	m->cpu = hosted_cpu(m->h, 0);
	r = mm_system_create(&config, port, &m->sys);
	if (!r)
		return true;
	hosted_destroy(m->h, NULL, NULL);
	m->h = NULL;
	return refuse(why, "mm_system_create", r);
}

static void machine_stop(struct machine *m)
{
	if (!m->h)
		return;
	mm_system_destroy(m->sys);
	hosted_destroy(m->h, NULL, NULL);
	m->h = NULL;
}

bool engine_start(const struct bench_scale *s, const struct rmap_ops *design, char why[BENCH_WHY])
{
	uint64_t frames = 4 * s->pages + 4 * s->vmas + 65536;
	uint64_t million = (s->children + 1) * (s->child_pages + 16) + 65536;

	wanted = design;
	return machine_start(&machines[BENCH_CONTENTS], false, frames, 2 * s->pages, why) &&
	       machine_start(&machines[BENCH_PHANTOM], true, frames > million ? frames : million,
			     2 * s->pages, why);
}

void engine_stop(void)
{
	machine_stop(&machines[BENCH_CONTENTS]);
	machine_stop(&machines[BENCH_PHANTOM]);
}

/* ---------------------------------------------------------------- memory to work on */

static int read_pages(struct machine *m, struct mm *mm, uint64_t addr, uint64_t pages)
{
	uint64_t i;
	char byte;
	int r = 0;

	for (i = 0; i < pages && !r; i++)
		r = hosted_read(m->cpu, mm, addr + i * PAGE, &byte, 1, NULL);
	return r;
}

/* => an address space with pages of its own at HERE, all written */
static int make(struct machine *m, uint64_t pages, struct mm **out)
{
	int r = mm_create(m->sys, out);

	if (r)
		return r;
	r = bench_map(*out, HERE, pages, NULL, false);
	if (!r)
		r = bench_write(m->cpu, *out, HERE, pages);
	if (r)
		mm_put(*out);
	return r;
}

/* ---------------------------------------------------------------- operations */

static int do_zero_fill(struct machine *m, const struct bench_scale *s, double *ns)
{
	struct mm *mm;
	double t;
	int r = mm_create(m->sys, &mm);

	if (r)
		return r;
	r = bench_map(mm, HERE, s->pages, NULL, false);
	if (!r) {
		t = bench_now();
		r = bench_write(m->cpu, mm, HERE, s->pages);
		*ns = (bench_now() - t) / (double)s->pages;
	}
	mm_put(mm);
	return r;
}

static int do_cow(struct machine *m, const struct bench_scale *s, double *ns)
{
	struct mm *mm, *child;
	double t;
	int r = make(m, s->pages, &mm);

	if (r)
		return r;
	r = mm_fork(mm, &child);
	if (!r) {
		t = bench_now();
		r = bench_write(m->cpu, child, HERE, s->pages);
		*ns = (bench_now() - t) / (double)s->pages;
		mm_put(child);
	}
	mm_put(mm);
	return r;
}

/* => nanoseconds of a fork, and of the child's exit */
static int time_fork(struct mm *mm, double *fork_ns, double *exit_ns)
{
	struct mm *child;
	double t = bench_now();
	int r = mm_fork(mm, &child);

	*fork_ns = bench_now() - t;
	if (r)
		return r;
	t = bench_now();
	mm_put(child);
	*exit_ns = bench_now() - t;
	return 0;
}

/* => a fork with the memory less one without; puts mm */
static int fork_per(struct mm *mm, uint64_t len, bool exits, uint64_t units, double *ns)
{
	double with[2], without[2];
	int r = time_fork(mm, &with[0], &with[1]);

	if (!r)
		r = mm_munmap(mm, HERE, len);
	if (!r)
		r = time_fork(mm, &without[0], &without[1]);
	if (!r)
		*ns = (with[exits] - without[exits]) / (double)units;
	mm_put(mm);
	return r;
}

static int do_fork_page(struct machine *m, const struct bench_scale *s, bool exits, double *ns)
{
	struct mm *mm;
	int r = make(m, s->pages, &mm);

	return r ? r : fork_per(mm, s->pages * PAGE, exits, s->pages, ns);
}

/* Every other page, so that none merges with the next. */
static int make_vmas(struct machine *m, uint64_t vmas, struct mm **out)
{
	uint64_t i;
	int r = mm_create(m->sys, out);

	if (r)
		return r;
	for (i = 0; i < vmas && !r; i++) {
		r = bench_map(*out, HERE + 2 * i * PAGE, 1, NULL, false);
		if (!r)
			r = bench_write(m->cpu, *out, HERE + 2 * i * PAGE, 1);
	}
	if (r)
		mm_put(*out);
	return r;
}

static int do_fork_vma(struct machine *m, const struct bench_scale *s, double *ns)
{
	struct mm *mm;
	int r = make_vmas(m, s->vmas, &mm);

	return r ? r : fork_per(mm, 2 * s->vmas * PAGE, false, s->vmas, ns);
}

static int do_unmap(struct machine *m, const struct bench_scale *s, double *ns)
{
	struct mm *mm;
	double t;
	int r = make(m, s->pages, &mm);

	if (r)
		return r;
	t = bench_now();
	r = mm_munmap(mm, HERE, s->pages * PAGE);
	*ns = (bench_now() - t) / (double)s->pages;
	mm_put(mm);
	return r;
}

static int do_mremap(struct machine *m, const struct bench_scale *s, uint64_t offset, double *ns)
{
	uint64_t len = s->pages * PAGE, result;
	struct mm *mm;
	double t;
	int r = make(m, s->pages, &mm);

	if (r)
		return r;
	t = bench_now();
	r = mm_mremap(mm, HERE, len, len, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, THERE + offset,
		      &result);
	*ns = (bench_now() - t) / (double)s->pages;
	mm_put(mm);
	return r;
}

static int do_swap(struct machine *m, const struct bench_scale *s, bool back, double *ns)
{
	struct mm_stats stats;
	struct mm *mm;
	double out, in;
	int r = make(m, s->pages, &mm);

	if (r)
		return r;
	out = bench_wall();
	r = mm_madvise(mm, HERE, s->pages * PAGE, MM_MADV_PAGEOUT);
	out = bench_wall() - out;
	mm_get_stats(mm, &stats);
	if (!r && stats.swap_entries != s->pages)
		r = RMAP_EBUSY;
	in = bench_wall();
	if (!r)
		r = read_pages(m, mm, HERE, s->pages);
	in = bench_wall() - in;
	*ns = (back ? in : out) / (double)s->pages;
	mm_put(mm);
	return r;
}

/* => an address space that maps one page of a file many times, at every other page from HERE on */
static int make_mappings(struct machine *m, uint64_t mappings, struct mm **out,
			 struct mm_file **file)
{
	uint64_t i;
	int r = mm_create(m->sys, out);

	if (r)
		return r;
	r = mm_file_create(m->sys, NULL, PAGE, file);
	if (r) {
		mm_put(*out);
		return r;
	}
	for (i = 0; i < mappings && !r; i++) {
		r = bench_map(*out, HERE + 2 * i * PAGE, 1, *file, true);
		if (!r)
			r = bench_write(m->cpu, *out, HERE + 2 * i * PAGE, 1);
	}
	if (r) {
		mm_put(*out);
		mm_file_put(*file);
	}
	return r;
}

static int do_truncate(struct machine *m, const struct bench_scale *s, double *ns)
{
	struct mm_file *file;
	struct mm *mm;
	double t;
	int r = make_mappings(m, s->mappings, &mm, &file);

	if (r)
		return r;
	t = bench_now();
	r = mm_file_truncate(file, 0);
	*ns = (bench_now() - t) / (double)s->mappings;
	mm_put(mm);
	mm_file_put(file);
	return r;
}

/* => walk for each of the pages at HERE as ageing does; nanoseconds per PTE found */
static int walk_pages(struct machine *m, struct mm *mm, uint64_t pages, double *ns)
{
	struct rmap *rmap = mm_system_rmap(m->sys);
	struct page *page[WARM_PAGES];
	struct mm_page_info info;
	uint64_t i, round, found = 0;
	double t = 0;
	int r = 0;

	for (i = 0; i < pages; i++) {
		mm_page_info(mm, HERE + i * PAGE, &info);
		page[i] = info.page;
		if (info.state != MM_PAGE_PRESENT)
			return RMAP_ENOENT;
	}
	/* The first round warms. */
	for (round = 0; round < 20 && !r; round++) {
		if (round == 1) {
			found = 0;
			t = bench_now();
		}
		for (i = 0; i < pages && !r; i++) {
			struct rmap_walk walk = { .purpose = RMAP_WALK_REFERENCE };

			r = rmap_walk(rmap, &page[i]->rmap, &walk);
			found += walk.found;
		}
	}
	t = bench_now() - t;
	*ns = found ? t / (double)found : 0;
	return !r && !found ? RMAP_ENOENT : r;
}

static int do_walk_one(struct machine *m, const struct bench_scale *s, double *ns)
{
	uint64_t pages = s->pages < WARM_PAGES ? s->pages : WARM_PAGES;
	struct mm *mm;
	int r = make(m, pages, &mm);

	if (r)
		return r;
	r = walk_pages(m, mm, pages, ns);
	mm_put(mm);
	return r;
}

static int do_walk_warm(struct machine *m, const struct bench_scale *s, double *ns)
{
	struct mm_file *file;
	struct mm *mm;
	int r = make_mappings(m, s->mappings, &mm, &file);

	if (r)
		return r;
	r = walk_pages(m, mm, 1, ns);
	mm_put(mm);
	mm_file_put(file);
	return r;
}

static int do_walk_many(struct machine *m, const struct bench_scale *s, double *ns)
{
	struct mm **mms = calloc(s->mappings, sizeof(*mms));
	uint64_t n = 0;
	int r = mms ? make(m, 16, &mms[0]) : RMAP_ENOMEM;

	for (n = 1; n < s->mappings && !r; n++) {
		r = mm_fork(mms[0], &mms[n]);
		if (r)
			break;
	}
	if (!r)
		r = walk_pages(m, mms[0], 16, ns);
	if (mms && mms[0]) {
		while (n--)
			mm_put(mms[n]);
	}
	free(mms);
	return r;
}

static int do_million(struct machine *m, const struct bench_scale *s, double *ns)
{
	struct mm **child = calloc(s->children, sizeof(*child));
	struct mm *mm;
	uint64_t n = 0, i;
	double t;
	int r = child ? make(m, s->child_pages, &mm) : RMAP_ENOMEM;

	if (r) {
		free(child);
		return r;
	}
	t = bench_now();
	for (n = 0; n < s->children && !r; n += !r)
		r = mm_fork(mm, &child[n]);
	for (i = 0; i < n && !r; i++)
		r = bench_write(m->cpu, child[i], HERE, s->child_pages);
	for (i = 0; i < n; i++)
		mm_put(child[i]);
	*ns = bench_now() - t;
	mm_put(mm);
	free(child);
	return r;
}

static int run(struct machine *m, enum bench_op op, const struct bench_scale *s, double *ns)
{
	switch (op) {
	case BENCH_ZERO_FILL:
		return do_zero_fill(m, s, ns);
	case BENCH_COW:
		return do_cow(m, s, ns);
	case BENCH_FORK_PAGE:
		return do_fork_page(m, s, false, ns);
	case BENCH_EXIT_PAGE:
		return do_fork_page(m, s, true, ns);
	case BENCH_FORK_VMA:
		return do_fork_vma(m, s, ns);
	case BENCH_UNMAP_PAGE:
		return do_unmap(m, s, ns);
	case BENCH_MREMAP_PAGE:
		return do_mremap(m, s, PAGE, ns);
	case BENCH_MREMAP_TABLE:
		return do_mremap(m, s, 0, ns);
	case BENCH_SWAP_OUT:
		return do_swap(m, s, false, ns);
	case BENCH_SWAP_IN:
		return do_swap(m, s, true, ns);
	case BENCH_TRUNCATE:
		return do_truncate(m, s, ns);
	case BENCH_WALK_ONE:
		return do_walk_one(m, s, ns);
	case BENCH_WALK_WARM:
		return do_walk_warm(m, s, ns);
	case BENCH_WALK_1001:
		return do_walk_many(m, s, ns);
	case BENCH_MILLION:
		return do_million(m, s, ns);
	case BENCH_OPS:
		break;
	}
	return RMAP_EINVAL;
}

bool engine_run(enum bench_machine machine, enum bench_op op, const struct bench_scale *scale,
		double *ns, char why[BENCH_WHY])
{
	struct machine *m = &machines[machine];
	int r;

	if (machine == BENCH_CONTENTS && op == BENCH_MILLION) {
		snprintf(why, BENCH_WHY, "a million pages are for phantom frames");
		return false;
	}
	r = run(m, op, scale, ns);
	/* What was deferred is not the next operation's. */
	hosted_port(m->h)->os.rcu_barrier(hosted_port(m->h)->os.ctx);
	return r ? refuse(why, "the engine", r) : true;
}

/* ---------------------------------------------------------------- sizes */

static uint64_t object_bytes(struct machine *m)
{
	struct mm_memory memory;

	mm_get_memory(m->sys, &memory);
	return memory.object_bytes;
}

/* One mapping of nearly all of a gibibyte: descriptors and all objects to the bytes that are mapped. */
static void size_of_metadata(struct bench_sizes *out)
{
	uint64_t frames = 262144, pages = frames - frames / 32;
	struct machine m = { 0 };
	struct mm_memory memory;
	char why[BENCH_WHY];
	struct mm *mm;

	if (!machine_start(&m, true, frames, 0, why))
		return;
	if (!make(&m, pages, &mm)) {
		mm_get_memory(m.sys, &memory);
		out->descriptor_bytes = (double)memory.descriptor_bytes / (double)memory.frames;
		out->metadata_percent = 100.0 *
					(double)(memory.descriptor_bytes + memory.object_bytes) /
					(double)(pages * PAGE);
		mm_put(mm);
	}
	machine_stop(&m);
}

void engine_sizes(struct bench_sizes *out)
{
	struct machine *m = &machines[BENCH_PHANTOM];
	uint64_t before = object_bytes(m), after;
	const uint64_t vmas = 1000;
	struct mm *mm, *child;

	memset(out, 0, sizeof(*out));
	size_of_metadata(out);
	if (make_vmas(m, vmas, &mm))
		return;
	after = object_bytes(m);
	out->vma_bytes = (double)(after - before) / (double)vmas;
	if (!mm_fork(mm, &child)) {
		out->fork_vma_bytes = (double)(object_bytes(m) - after) / (double)vmas;
		mm_put(child);
	}
	mm_put(mm);
}
