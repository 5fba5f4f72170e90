// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is measured at the ends of phases and behind each operation.
 *
 * The pages that are walked from must be the same under each design. A design decides nothing about layout and little about which
 * pages are in memory, so a page is chosen by what does not depend on it: each (process, address) has a hash by the seed and the
 * phase, and the ones with the smallest are taken. A page that many PTEs map would be found by any of them, so its hash counts as
 * many times as much: pages are equally likely, not PTEs.
 *
 * The pages are walked from three times: twice with leave to stop at the map count (designs that learn from a walk have learned by
 * the second), then to the end.
 */
#include "compare.h"

#include <stdlib.h>
#include <string.h>

/* Beyond so many pages of layout not every address is asked. */
#define LAYOUT_MAX   ((uint64_t)1 << 22)

/*
 * Nothing is cut off below this, so that p99 means something; behind, a phase's first pass ends after so many looks (about a second
 * of them). Not after a time: the same pages are asked about on every machine.
 */
#define PROBES_MIN   64u
#define PROBES_LOOKS ((uint64_t)1 << 28)

struct choice {
	uint64_t key;
	uint64_t addr;
	struct mm *mm;
	struct page *page;
};

struct range {
	struct mm *mm;
	uint64_t proc, start, end;
};

struct sample {
	uint64_t seed;
	/* ranges of all processes */
	struct range *ranges;
	size_t nr_ranges, room;
	uint64_t pages, layout, proc;
	struct mm *mm, *last_mm;
	bool failed;
	/* a heap, the largest key first */
	struct choice *choices;
	size_t nr, max;
};

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* ---------------------------------------------------------------- where pages may be */

static void take_range(const struct mm_vma_info *vma, void *arg)
{
	struct sample *s = arg;

	s->layout = mix(s->layout ^ mix(vma->start)) + mix(vma->end ^ (uint64_t)vma->prot << 56) +
		    mix(vma->flags) + mix(vma->pgoff + s->proc);
	if (s->nr_ranges == s->room) {
		size_t room = s->room ? s->room * 2 : 256;
		struct range *ranges = realloc(s->ranges, room * sizeof(*ranges));

		if (!ranges) {
			s->failed = true;
			return;
		}
		s->ranges = ranges;
		s->room = room;
	}
	s->ranges[s->nr_ranges++] = (struct range){ s->mm, s->proc, vma->start, vma->end };
	s->pages += (vma->end - vma->start) >> RMAP_PAGE_SHIFT;
}

static void take_process(uint64_t proc, struct mm *mm, void *arg)
{
	struct sample *s = arg;

	/* Threads follow each other mostly; where they do not, their pages are found to be the same later. */
	if (mm == s->last_mm)
		return;
	s->last_mm = s->mm = mm;
	s->proc = proc;
	mm_for_each_vma(mm, take_range, s);
}

/* ---------------------------------------------------------------- which are taken */

static void sift_down(struct choice *heap, size_t nr)
{
	struct choice moving = heap[0];
	size_t at = 0, next;

	while ((next = 2 * at + 1) < nr) {
		if (next + 1 < nr && heap[next + 1].key > heap[next].key)
			next++;
		if (heap[next].key <= moving.key)
			break;
		heap[at] = heap[next];
		at = next;
	}
	heap[at] = moving;
}

static void sift_up(struct choice *heap, size_t at)
{
	struct choice moving = heap[at];

	while (at && heap[(at - 1) / 2].key < moving.key) {
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = moving;
}

static void consider(struct sample *s, const struct range *range, uint64_t addr, uint64_t hash)
{
	struct choice choice = { .addr = addr, .mm = range->mm };
	struct mm_page_info info;

	hash >>= 20;
	if (s->nr == s->max && hash >= s->choices[0].key)
		return;
	mm_page_info(range->mm, addr, &info);
	if (info.state != MM_PAGE_PRESENT || !info.mapcount)
		return;
	choice.key = hash > UINT64_MAX / info.mapcount ? UINT64_MAX : hash * info.mapcount;
	choice.page = info.page;
	if (s->nr < s->max) {
		s->choices[s->nr] = choice;
		sift_up(s->choices, s->nr++);
	} else if (choice.key < s->choices[0].key) {
		s->choices[0] = choice;
		sift_down(s->choices, s->nr);
	}
}

static void consider_all(struct sample *s)
{
	uint64_t every = s->pages / LAYOUT_MAX + 1;

	for (size_t i = 0; i < s->nr_ranges; i++) {
		const struct range *range = &s->ranges[i];

		for (uint64_t addr = range->start; addr < range->end; addr += RMAP_PAGE_SIZE) {
			uint64_t hash = mix(s->seed ^ mix(range->proc ^ addr));

			if (every == 1 || hash % every == 0)
				consider(s, range, addr, hash);
		}
	}
}

static int by_key(const void *a, const void *b)
{
	const struct choice *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

static int by_page(const void *a, const void *b)
{
	const struct choice *x = a, *y = b;

	if (x->page != y->page)
		return x->page < y->page ? -1 : 1;
	return by_key(a, b);
}

/* Each page once, by its smallest key, in order of keys. */
static void make_unique(struct sample *s)
{
	size_t nr = 0;

	qsort(s->choices, s->nr, sizeof(*s->choices), by_page);
	for (size_t i = 0; i < s->nr; i++)
		if (!i || s->choices[i].page != s->choices[i - 1].page)
			s->choices[nr++] = s->choices[i];
	s->nr = nr;
	qsort(s->choices, s->nr, sizeof(*s->choices), by_key);
}

/* ---------------------------------------------------------------- walking */

static bool pool_add(struct compare_pool *pool, const struct rmap_walk *walk)
{
	if (pool->nr == pool->room) {
		size_t room = pool->room ? pool->room * 2 : 1024;
		double *looks = realloc(pool->looks, room * sizeof(*looks)), *steps;

		if (!looks)
			return false;
		pool->looks = looks;
		steps = realloc(pool->steps, room * sizeof(*steps));
		if (!steps)
			return false;
		pool->steps = steps;
		pool->room = room;
	}
	pool->sum_looks += walk->looks;
	pool->sum_steps += walk->steps;
	pool->sum_found += walk->found;
	if (!walk->found) {
		pool->missed++;
		return true;
	}
	pool->looks[pool->nr] = (double)walk->looks / (double)walk->found;
	pool->steps[pool->nr++] = (double)walk->steps / (double)walk->found;
	return true;
}

/* Under the page lock, as who takes a page from all its users has it: designs may learn only then. */
static void walk_page(struct mm_system *sys, struct page *page, enum compare_pass pass,
		      struct rmap_walk *walk)
{
	memset(walk, 0, sizeof(*walk));
	walk->flags = RMAP_WALK_MAY_ALLOC;
	if (pass != COMPARE_FULL)
		walk->flags |= RMAP_WALK_STOP_AT_MAPCOUNT;
	walk->purpose = RMAP_WALK_PROBE;
	/* It may fail only where locks are tried, and is asked to wait for them. */
	(void)mm_walk_page(sys, page, walk);
}

static bool walk_pass(struct sample *s, struct compare_design *d, struct compare_phase *phase,
		      struct mm_system *sys, enum compare_pass pass)
{
	struct rmap_walk walk;

	for (size_t i = 0; i < s->nr; i++) {
		walk_page(sys, s->choices[i].page, pass, &walk);
		if (!pool_add(&d->pool[pass], &walk))
			return false;
		phase->pass[pass].looks += walk.looks;
		phase->pass[pass].steps += walk.steps;
		phase->pass[pass].found += walk.found;
		if (pass == COMPARE_FIRST && i + 1 >= PROBES_MIN &&
		    phase->pass[pass].looks > PROBES_LOOKS)
			s->nr = i + 1;
	}
	return true;
}

bool compare_probe(const struct compare *c, struct compare_design *d, struct runner *r,
		   const char *name)
{
	struct sample s = { .max = (size_t)c->probes };
	struct compare_phase *phase;
	bool ok;

	if (d->nr_phases == RUNNER_PHASES || !runner_system(r))
		return true;
	phase = &d->phase[d->nr_phases++];
	snprintf(phase->name, sizeof(phase->name), "%s", name);
	s.seed = mix(c->options.seed * 0x9e3779b97f4a7c15u + d->nr_phases);
	s.choices = calloc(s.max + 1, sizeof(*s.choices));
	if (!s.choices)
		return false;
	runner_for_each(r, take_process, &s);
	ok = !s.failed;
	if (ok && s.max) {
		consider_all(&s);
		make_unique(&s);
	}
	for (unsigned int pass = 0; ok && pass < COMPARE_PASSES; pass++)
		ok = walk_pass(&s, d, phase, runner_system(r), (enum compare_pass)pass);
	phase->pages = s.nr;
	phase->layout = s.layout;
	free(s.ranges);
	free(s.choices);
	return ok;
}

/* ---------------------------------------------------------------- bytes */

void compare_sample_bytes(struct compare_design *d, struct runner *r)
{
	struct rmap_design_bytes each = rmap_design_bytes(d->ops);
	struct compare_bytes now = { 0 };
	struct mm_system *sys = runner_system(r);
	struct mm_memory memory;
	uint64_t objects = 0, n, bytes, peak;

	if (!sys)
		return;
	for (unsigned int kind = 0; kind < RMAP_KIND_TIER1_END; kind++) {
		mm_get_objects(sys, (enum rmap_kind)kind, &n, &bytes);
		objects += n;
	}
	if (objects > d->objects_peak)
		d->objects_peak = objects;
	mm_get_memory(sys, &memory);
	mm_get_objects(sys, RMAP_KIND_VMA, &now.nr_vmas, &bytes);
	mm_get_objects(sys, RMAP_KIND_MM, &now.nr_mms, &bytes);
	now.nr_pages = memory.anon + memory.file + memory.shmem;
	now.nr_slots = memory.swap_used;
	now.objects = rmap_bytes(mm_system_rmap(sys), RMAP_KIND_TIER1_END);
	/* More while the operation ran than before and behind it? */
	peak = rmap_peak_bytes(mm_system_rmap(sys), RMAP_KIND_TIER1_END);
	if (peak > d->seen_peak)
		now.objects = d->seen_peak = peak;
	now.page = now.nr_pages * each.page;
	now.vma = now.nr_vmas * each.vma;
	now.mm = now.nr_mms * each.mm;
	now.slot = now.nr_slots * each.slot;
	now.total = now.objects + now.page + now.vma + now.mm + now.slot;
	if (now.total > d->peak.total)
		d->peak = now;
}

/* ---------------------------------------------------------------- ratios */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

struct compare_ratio compare_ratio(const double *values, size_t nr)
{
	struct compare_ratio ratio = { .walks = nr };
	double *sorted = nr ? malloc(nr * sizeof(*sorted)) : NULL;

	if (!sorted)
		return ratio;
	memcpy(sorted, values, nr * sizeof(*sorted));
	qsort(sorted, nr, sizeof(*sorted), by_value);
	for (size_t i = 0; i < nr; i++)
		ratio.mean += sorted[i];
	ratio.mean /= (double)nr;
	/* The smallest that 99 of 100 do not exceed. */
	ratio.p99 = sorted[(nr * 99 + 99) / 100 - 1];
	ratio.max = sorted[nr - 1];
	free(sorted);
	return ratio;
}
