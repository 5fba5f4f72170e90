// SPDX-License-Identifier: BSD-2-Clause
/*
 * Meetings: two threads that do different things to the same memory.
 *
 * The first thread is the one that is measured, each of its forks or faults by itself: what does the second one cost it? In
 * between the second does the same to another engine (apart), or nothing where it has none.
 *
 *	walk_fork	a page that a whole family maps is walked for, again and again, while a member forks and the child exits
 *	reclaim_fault	a process's pages are reclaimed and come back, while another process faults
 *	collapse	relatives fork, write, touch and exit while their pages are reclaimed: what led from one list of all VMAs of
 *			a family (2004) to one of those that can have a page (2010). Each relative has pages of its own at the same
 *			addresses. The more relatives, the fewer pages each has: there are always as many.
 *
 * Reclaim's speed is what it gets in the time that it spends on getting some: where all is swapped out it waits for more.
 */
#include "scale.h"

#include "../memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HERE	     ((uint64_t)0x555540000000)
#define SHARED	     16u   /* pages that a whole family maps */
#define SPAN	     4096u /* of a family's VMA */
#define OWN_PAGES    131072u
#define BATCH	     32u /* pages that are reclaimed, written or touched at a time */
#define DELAYS	     262144u
#define TABLE_FRAMES 8u /* of a small process */

struct delays {
	unsigned int nr;
	double longest;
	float ns[DELAYS]; /* the first ones */
};

/* One engine and who lives there. */
struct party {
	struct scale_engine engine;
	/* The family; or the one whose pages are reclaimed, and the one that faults. */
	struct mm **mm;
	uint64_t nr;
	uint64_t own; /* pages that each of them has for itself */
	uint64_t random;
	struct delays *delays;
	/* What follows is the second thread's, in no cache line with what the first one changes. */
	char apart[64];
	double reclaim_ns; /* in calls that brought something */
	uint64_t reclaimed, next;
};

struct meeting {
	const char *name, *what, *unit, *other_unit;
	bool second_engine;
	bool longer;				       /* its slices are */
	uint64_t pages;				       /* that all have together, each its own */
	unsigned int relatives[3], relatives_quick[3]; /* it is held with so many; 0: none */
	/*
	 * The most relatives for a design that looks at all tables of all of them for each page; 0: any. Where every page was used since
	 * it was looked at last, one call looks at all pages, for minutes.
	 */
	unsigned int relatives_scan;
	int (*open)(struct party *p);
	int (*work)(void *party, uint64_t *done);
	int (*other)(void *party, uint64_t *done);
	/* What memory it takes. */
	void (*size)(const struct party *p, struct scale_machine *machine);
};

static void note(struct party *p, double ns)
{
	struct delays *d = p->delays;

	if (d->nr < DELAYS)
		d->ns[d->nr++] = (float)ns;
	if (ns > d->longest)
		d->longest = ns;
}

static uint64_t any(struct party *p, uint64_t below)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return p->random % below;
}

/* The second thread's processor is the second one. */
static struct hosted_cpu *cpu_of(struct party *p, unsigned int thread)
{
	return hosted_cpu(p->engine.h, thread);
}

/* ---------------------------------------------------------------- a family */

static int have_child(struct party *p, uint64_t place)
{
	double start = scale_now();
	int r = mm_fork(p->mm[0], &p->mm[place]);

	if (r)
		p->mm[place] = NULL;
	else if (p->delays)
		note(p, scale_now() - start);
	return r;
}

static int write_own(struct party *p, uint64_t place, uint64_t pages)
{
	return bench_write(cpu_of(p, 0), p->mm[place], HERE + SHARED * RMAP_PAGE_SIZE, pages);
}

/*
 * Children write in no order: reclaim takes the oldest pages first, which are not to be the eldest's, wherever a design looks for
 * these first.
 */
static int write_in_turn(struct party *p, uint64_t *child, uint64_t nr)
{
	int r = 0;

	for (uint64_t i = 0; i < nr; i++)
		child[i] = i + 1;
	while (nr && !r) {
		uint64_t chosen = any(p, nr), place = child[chosen];

		child[chosen] = child[--nr];
		r = write_own(p, place, p->own);
		/* Or reclaim would begin by asking each page once whether it was used. */
		if (!r)
			r = mm_madvise(p->mm[place], HERE, SPAN * RMAP_PAGE_SIZE, MM_MADV_COLD);
	}
	return r;
}

static int family_open(struct party *p)
{
	uint64_t *child = calloc(p->nr, sizeof(*child));
	int r = child ? mm_create(p->engine.sys, &p->mm[0]) : RMAP_ENOMEM;

	if (!r)
		r = bench_map(p->mm[0], HERE, SPAN, NULL, false);
	if (!r)
		r = bench_write(cpu_of(p, 0), p->mm[0], HERE, SHARED);
	for (uint64_t i = 1; i < p->nr && !r; i++)
		r = have_child(p, i);
	if (!r)
		r = write_in_turn(p, child, p->nr - 1);
	free(child);
	return r;
}

static void family_size(const struct party *p, struct scale_machine *machine)
{
	machine->frames = p->nr * (p->own + TABLE_FRAMES) + 32768;
	machine->slots = 2 * OWN_PAGES;
}

/* ---------------------------------------------------------------- walk_fork */

static int fork_member(void *party, uint64_t *done)
{
	struct party *p = party;
	double start = scale_now();
	struct mm *child;
	int r = mm_fork(p->mm[p->nr / 2], &child);

	if (r)
		return r;
	note(p, scale_now() - start);
	mm_put(child);
	*done += 1;
	return 0;
}

static int walk_family(void *party, uint64_t *done)
{
	struct party *p = party;
	struct rmap_walk walk = { 0 };
	struct mm_page_info info;
	int r;

	mm_page_info(p->mm[0], HERE, &info);
	if (info.state != MM_PAGE_PRESENT)
		return RMAP_ENOENT;
	r = mm_walk_page(p->engine.sys, info.page, &walk);
	/* All of them are there all the time. */
	if (!r && walk.found < p->nr)
		return RMAP_EBADMSG;
	*done += 1;
	return r;
}

/* ---------------------------------------------------------------- reclaim */

/*
 * Not all at once: where every page was used since it was looked at last, reclaim looks at all of them for the last of nr, which under scan
 * takes minutes. Asked for one it frees what it finds in a batch.
 */
static uint64_t reclaim_some(struct party *p, uint64_t nr)
{
	double start = scale_now();
	uint64_t freed = 0, now;

	do {
		now = mm_reclaim(p->engine.sys, 1);
		freed += now;
	} while (now && freed < nr && !crew_over());
	if (freed)
		p->reclaim_ns += scale_now() - start;
	p->reclaimed += freed;
	return freed;
}

/* Some go, and what comes next in the process is touched, so that there is always something to take. */
static int out_and_in(void *party, uint64_t *done)
{
	struct party *p = party;
	uint64_t freed = reclaim_some(p, BATCH);
	char byte;
	int r = 0;

	for (uint64_t i = 0; i < freed && !r; i++) {
		r = hosted_read(cpu_of(p, 1), p->mm[0], HERE + p->next * RMAP_PAGE_SIZE, &byte, 1,
				NULL);
		p->next = (p->next + 1) % p->own;
	}
	*done += freed;
	return r;
}

static int fault_process(void *party, uint64_t *done)
{
	struct party *p = party;
	int r = bench_map(p->mm[1], HERE, SPAN / 4, NULL, false);
	double before = scale_now();

	for (uint64_t i = 0; i < SPAN / 4 && !r; i++) {
		double now;

		r = bench_write(cpu_of(p, 0), p->mm[1], HERE + i * RMAP_PAGE_SIZE, 1);
		now = scale_now();
		note(p, now - before);
		before = now;
		*done += !r;
	}
	return r ? r : mm_munmap(p->mm[1], HERE, SPAN / 4 * RMAP_PAGE_SIZE);
}

static int two_processes(struct party *p)
{
	int r = mm_create(p->engine.sys, &p->mm[0]);

	if (!r)
		r = mm_create(p->engine.sys, &p->mm[1]);
	if (!r)
		r = bench_map(p->mm[0], HERE, p->own, NULL, false);
	if (!r)
		r = bench_write(cpu_of(p, 0), p->mm[0], HERE, p->own);
	if (!r)
		r = mm_madvise(p->mm[0], HERE, p->own * RMAP_PAGE_SIZE, MM_MADV_COLD);
	return r;
}

static void two_processes_size(const struct party *p, struct scale_machine *machine)
{
	machine->frames = p->own + 32768;
	machine->slots = 2 * p->own;
}

/* ---------------------------------------------------------------- collapse */

static int live_and_die(void *party, uint64_t *done)
{
	struct party *p = party;
	uint64_t place = 1 + any(p, p->nr - 1);
	int r;

	mm_put(p->mm[place]);
	r = have_child(p, place);
	if (!r)
		r = write_own(p, place, p->own < BATCH ? p->own : BATCH);
	place = 1 + any(p, p->nr - 1);
	for (unsigned int i = 0; i < BATCH && !r; i++)
		r = bench_write(cpu_of(p, 0), p->mm[place],
				HERE + (SHARED + any(p, p->own)) * RMAP_PAGE_SIZE, 1);
	*done += !r;
	return r;
}

static int reclaim_family(void *party, uint64_t *done)
{
	*done += reclaim_some(party, BATCH);
	return 0;
}

static const struct meeting meetings[] = {
	{ "walk_fork", "a page that a family maps is walked for while a member forks", "forks",
	  "walks", .second_engine = true, .relatives = { 1000 }, .relatives_quick = { 50 },
	  .open = family_open, .work = fork_member, .other = walk_family, .size = family_size },
	{ "reclaim_fault", "a process's pages are reclaimed and come back while another faults",
	  "faults", "pages out and in", .second_engine = true, .pages = OWN_PAGES / 4,
	  .relatives = { 2 }, .relatives_quick = { 2 }, .open = two_processes,
	  .work = fault_process, .other = out_and_in, .size = two_processes_size },
	{ "collapse", "relatives fork, write and exit while their pages are reclaimed",
	  "forks with what they write", "pages reclaimed", .longer = true, .pages = OWN_PAGES,
	  .relatives = { 100, 1000, 5000 }, .relatives_scan = 1000, .relatives_quick = { 10, 30 },
	  .open = family_open, .work = live_and_die, .other = reclaim_family, .size = family_size },
};

unsigned int scale_nr_meetings(void)
{
	return sizeof(meetings) / sizeof(meetings[0]);
}

const char *scale_meeting_name(unsigned int meeting)
{
	return meetings[meeting].name;
}

const char *scale_meeting_what(unsigned int meeting)
{
	return meetings[meeting].what;
}

const char *scale_meeting_unit(unsigned int meeting)
{
	return meetings[meeting].unit;
}

const char *scale_meeting_other_unit(unsigned int meeting)
{
	return meetings[meeting].other_unit;
}

unsigned int scale_meeting_longer(unsigned int meeting)
{
	return meetings[meeting].longer ? SCALE_LONGER : 1;
}

const unsigned int *scale_meeting_relatives(unsigned int meeting, bool quick)
{
	return quick ? meetings[meeting].relatives_quick : meetings[meeting].relatives;
}

bool scale_meeting_is_for(unsigned int meeting, unsigned int relatives,
			  const struct rmap_ops *design)
{
	const unsigned int most = meetings[meeting].relatives_scan;

	return design != &rmap_scan || !most || relatives <= most;
}

/* ---------------------------------------------------------------- a meeting */

struct scene {
	const struct meeting *what;
	struct party party[2];
	struct delays apart, together;
	struct scale_turn turn[2];
	double slice_ns;
};

static bool party_open(struct party *p, const struct scale_options *o, const struct meeting *what,
		       const struct scale_meeting *m, char why[SCALE_WHY])
{
	struct scale_machine machine = { .cpus = 2, .contents = o->contents, .design = m->design };
	uint64_t pages = o->quick ? what->pages / 64 : what->pages;
	int r;

	p->nr = m->relatives;
	p->random = 88172645463325252u;
	p->own = pages / p->nr;
	p->mm = calloc(p->nr, sizeof(struct mm *));
	if (!p->mm)
		return scale_refuse(why, what->name, RMAP_ENOMEM);
	what->size(p, &machine);
	if (!scale_engine_start(&p->engine, &machine, why))
		return false;
	r = what->open(p);
	return r ? scale_refuse(why, what->name, r) : true;
}

static bool party_close(struct party *p, char why[SCALE_WHY])
{
	for (uint64_t i = 0; p->mm && i < p->nr; i++) {
		if (p->mm[i])
			mm_put(p->mm[i]);
	}
	free(p->mm);
	return scale_engine_stop(&p->engine, why);
}

/* The first thread at the first party, the second at p (NULL: idle). */
static int slice(struct scene *s, struct party *p, struct delays *delays, double *rate,
		 double *other)
{
	struct party *first = &s->party[0];
	int r;

	first->delays = delays;
	s->turn[0].work = s->what->work;
	s->turn[0].arg = first;
	s->turn[1].work = s->what->other;
	s->turn[1].arg = p;
	s->party[0].reclaimed = s->party[1].reclaimed = 0;
	s->party[0].reclaim_ns = s->party[1].reclaim_ns = 0;
	r = crew_slice(s->turn, p ? 2 : 1, s->slice_ns);
	*rate = (double)s->turn[0].done / s->turn[0].wall_ns * 1e9;
	if (!p)
		*other = 0;
	else if (p->reclaimed)
		*other = (double)p->reclaimed / p->reclaim_ns * 1e9;
	else
		*other = (double)s->turn[1].done / s->turn[1].wall_ns * 1e9;
	return r;
}

static int round_of(struct scene *s, struct scale_meeting *m, unsigned int i)
{
	struct party *elsewhere = s->what->second_engine ? &s->party[1] : NULL;
	int r = slice(s, elsewhere, &s->apart, &m->apart[i], &m->other_apart[i]);

	if (!r)
		r = slice(s, &s->party[0], &s->together, &m->together[i], &m->other_together[i]);
	if (r)
		return r;
	m->ratio[i] = m->together[i] / m->apart[i];
	scale_locks_add(m->locks, s->turn[0].locks);
	scale_locks_add(m->other_locks, s->turn[1].locks);
	return 0;
}

static uint64_t reclaim_looks(struct scene *s)
{
	struct rmap_counts c;

	rmap_get_counts(mm_system_rmap(s->party[0].engine.sys), &c);
	return c.walk[RMAP_WALK_REFERENCE].looks + c.walk[RMAP_WALK_UNMAP].looks;
}

static struct scale_delay delay_of(const struct delays *d)
{
	struct scale_delay delay = { .longest_ns = d->longest };
	double *sorted = calloc(d->nr ? d->nr : 1, sizeof(*sorted));

	for (unsigned int i = 0; sorted && i < d->nr; i++)
		sorted[i] = (double)d->ns[i];
	if (sorted && d->nr) {
		scale_sort(sorted, d->nr);
		delay.median_ns = scale_quantile(sorted, d->nr, 0.5);
		delay.p99_ns = scale_quantile(sorted, d->nr, 0.99);
	}
	free(sorted);
	return delay;
}

static int rounds(struct scene *s, const struct scale_options *o, struct scale_meeting *m)
{
	/* Longer slices, fewer of them. */
	unsigned int nr = s->what->longer ? (o->rounds + 2) / 3 : o->rounds;
	uint64_t looks = reclaim_looks(s);
	struct mm_counters before, after;
	int r = 0;

	mm_get_counters(s->party[0].engine.sys, &before);
	for (m->rounds = 0; m->rounds < nr && !r && !crew_interrupted(); m->rounds += !r)
		r = round_of(s, m, m->rounds);
	mm_get_counters(s->party[0].engine.sys, &after);
	if (after.reclaim_freed > before.reclaim_freed)
		m->looks_per_page = (double)(reclaim_looks(s) - looks) /
				    (double)(after.reclaim_freed - before.reclaim_freed);
	m->apart_delay = delay_of(&s->apart);
	m->together_delay = delay_of(&s->together);
	return r;
}

bool scale_meeting_run(const struct scale_options *o, struct scale_meeting *m, char why[SCALE_WHY])
{
	const struct meeting *what = &meetings[m->meeting];
	unsigned int parties = what->second_engine ? 2 : 1;
	struct scene *s = calloc(1, sizeof(*s));
	bool ok = crew_start(2, why);
	int r;

	if (!s)
		return scale_refuse(why, what->name, RMAP_ENOMEM);
	s->what = what;
	s->slice_ns = o->slice_ns * scale_meeting_longer(m->meeting);
	for (unsigned int i = 0; i < parties && ok; i++)
		ok = party_open(&s->party[i], o, what, m, why);
	if (ok) {
		r = rounds(s, o, m);
		ok = !r || scale_refuse(why, what->name, r);
	}
	for (unsigned int i = 0; i < parties && ok; i++)
		ok = scale_engine_check(&s->party[i].engine, why);
	for (unsigned int i = 0; i < parties; i++)
		ok = party_close(&s->party[i], why) && ok;
	free(s);
	return ok;
}
