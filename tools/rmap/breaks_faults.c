// SPDX-License-Identifier: BSD-2-Clause
/* From the kernel's events to what came of each write; see the header. */
#include "breaks_faults.h"
#include "breaks_index.h"

#include <stdlib.h>
#include <unistd.h>

/* What a thread is at; one each, by the thread's number. */
struct fault {
	bool open;
	bool allocated, zeroed, uncharged, overtaken, shared;
	uint8_t order; /* of the largest page that was allocated */
	uint32_t by, proc, vma, stack;
	uint64_t addr;
};

struct breaks_faults {
	struct breaks_procs *procs;
	struct breaks_stacks *stacks;
	struct breaks_tally *tally;
	bool everything;
	uint64_t page_size;
	struct fault *v;
	size_t nr, cap;
	uint32_t *open; /* numbers of threads: as many as CPUs, or sleeping for memory */
	size_t nr_open, cap_open;
};

struct breaks_faults *breaks_faults_new(struct breaks_procs *procs, struct breaks_stacks *stacks,
					struct breaks_tally *tally, bool everything)
{
	struct breaks_faults *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->procs = procs;
	f->stacks = stacks;
	f->tally = tally;
	f->everything = everything;
	f->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	return f;
}

void breaks_faults_free(struct breaks_faults *f)
{
	if (!f)
		return;
	free(f->open);
	free(f->v);
	free(f);
}

uint64_t breaks_faults_open(const struct breaks_faults *f)
{
	return f->nr_open;
}

/* Of a thread that is known; NULL: it is not, so it is at nothing, or there is no memory. */
static struct fault *fault_of(struct breaks_faults *f, uint32_t thread)
{
	while (thread >= f->nr) {
		struct fault *v = breaks_grow(f->v, f->nr, &f->cap, sizeof(*v));

		if (!v)
			return NULL;
		f->v = v;
		v[f->nr++] = (struct fault){ 0 };
	}
	return &f->v[thread];
}

static enum breaks_class class_of(const struct fault *fault)
{
	if (fault->shared)
		return BREAKS_NOTICE;
	if (fault->overtaken)
		return BREAKS_OVERTAKEN;
	if (!fault->allocated)
		return BREAKS_UNSHARED;
	if (fault->zeroed)
		return BREAKS_ZEROED;
	return fault->uncharged ? BREAKS_FROM_FILE : BREAKS_COPIED;
}

static int close_fault(struct breaks_faults *f, struct fault *fault, enum breaks_class class,
		       uint64_t time)
{
	uint32_t thread = (uint32_t)(fault - f->v);
	bool made = class == BREAKS_COPIED || class == BREAKS_FROM_FILE || class == BREAKS_ZEROED;

	fault->open = false;
	for (size_t i = 0; i < f->nr_open; i++)
		if (f->open[i] == thread)
			f->open[i] = f->open[--f->nr_open];
	return breaks_tally_add(f->tally, fault->vma, fault->stack, class,
				made ? f->page_size << fault->order : 0, time);
}

/* Others that are at the same page will find it dealt with, though they may have allocated by now. */
static void overtake(struct breaks_faults *f, const struct fault *winner)
{
	for (size_t i = 0; i < f->nr_open; i++) {
		struct fault *other = &f->v[f->open[i]];

		if (other != winner && other->proc == winner->proc &&
		    other->addr / f->page_size == winner->addr / f->page_size)
			other->overtaken = true;
	}
}

static int begin(struct breaks_faults *f, uint32_t thread, const struct breaks_event *ev)
{
	uint32_t proc = breaks_procs_thread_at(f->procs, thread)->proc;
	struct fault *fault = fault_of(f, thread);
	const struct breaks_map *map;
	uint32_t *open;

	if (!fault)
		return -1;
	/* A task that is followed twice, as a child and by its own name, tells everything twice. */
	if (fault->open && fault->addr == ev->write.addr && fault->by != ev->by)
		return 0;
	if (fault->open && close_fault(f, fault, BREAKS_REFUSED, ev->time))
		return -1;
	open = breaks_grow(f->open, f->nr_open, &f->cap_open, sizeof(*open));
	if (!open)
		return -1;
	f->open = open;
	map = breaks_procs_map(f->procs, proc, ev->write.addr);
	*fault = (struct fault){ .by = ev->by,
				 .proc = proc,
				 .addr = ev->write.addr,
				 .shared = map && map->shared,
				 .vma = breaks_tally_vma(f->tally, proc, map) };
	fault->stack = breaks_stacks_add(f->stacks, proc, &ev->write);
	if (fault->vma == BREAKS_NONE || fault->stack == BREAKS_NONE)
		return -1;
	fault->open = true;
	open[f->nr_open++] = thread;
	return 0;
}

/*
 * What is shared is not copied, though its file system may need a page to take a write. So something else may have been moved there,
 * of which no event tells; all events of one round have /proc asked once.
 */
static int look_again(struct breaks_faults *f, struct fault *fault, uint64_t time)
{
	const struct breaks_map *map =
		breaks_procs_map_anew(f->procs, fault->proc, fault->addr, time);

	if (!map || map->shared)
		return 0;
	fault->shared = false;
	fault->vma = breaks_tally_vma(f->tally, fault->proc, map);
	return fault->vma == BREAKS_NONE ? -1 : 0;
}

static int go_on(struct breaks_faults *f, struct fault *fault, const struct breaks_event *ev)
{
	switch (ev->kind) {
	case BREAKS_ALLOC:
		fault->allocated = true;
		fault->zeroed = ev->alloc.zeroed;
		if (ev->alloc.order > fault->order && ev->alloc.order < 32)
			fault->order = (uint8_t)ev->alloc.order;
		return 0;
	case BREAKS_UNCHARGE:
		fault->uncharged = true;
		return 0;
	case BREAKS_DONE:
		if (ev->addr != fault->addr)
			return 0;
		if (fault->shared && fault->allocated && look_again(f, fault, ev->time))
			return -1;
		overtake(f, fault);
		return close_fault(f, fault, class_of(fault), ev->time);
	default: /* it went on without, so the fault led to a signal */
		return close_fault(f, fault, BREAKS_REFUSED, ev->time);
	}
}

int breaks_faults_event(void *arg, const struct breaks_event *ev)
{
	struct breaks_faults *f = arg;
	uint32_t thread;
	bool known = breaks_procs_knows(f->procs, ev->tid);

	if (f->everything && !known &&
	    !(ev->kind == BREAKS_FORK && breaks_procs_knows(f->procs, ev->fork.ptid)))
		return 0;
	if (ev->kind == BREAKS_WRITE) {
		thread = breaks_procs_thread(f->procs, ev->pid, ev->tid);
		return thread == BREAKS_NONE ? -1 : begin(f, thread, ev);
	}
	if (known && ev->kind != BREAKS_FORK) {
		thread = breaks_procs_thread(f->procs, ev->pid, ev->tid);
		if (thread == BREAKS_NONE)
			return -1;
		if (thread < f->nr && f->v[thread].open && go_on(f, &f->v[thread], ev))
			return -1;
	}
	return ev->kind >= BREAKS_FORK ? breaks_procs_event(f->procs, ev) : 0;
}
