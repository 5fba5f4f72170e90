/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The followed processes as they were at the time of each event: names, and what is mapped where.
 *
 * At first from /proc, then kept up to date by perf's own events, so that a child which lived for a millisecond is known as well as
 * one that still lives. perf says nothing of munmap, mremap and how a stack grows: what is left over is covered by what comes later,
 * and an address that nobody knows, or one where a copy was made of what would be shared, makes the process be read anew, if it still
 * lives.
 */
#ifndef RMAP_TOOLS_BREAKS_PROCS_H
#define RMAP_TOOLS_BREAKS_PROCS_H

#include "breaks_module.h"
#include "breaks_perf.h"

/* A VMA. Sorted by address in its process. */
struct breaks_map {
	uint64_t start, end, pgoff;
	uint32_t module; /* BREAKS_NONE: no file */
	uint32_t name;	 /* breaks_procs_name() */
	uint8_t prot;	 /* PROT_ */
	bool shared;
};

struct breaks_proc {
	uint32_t pid;
	char comm[64]; /* as the process set it: print it safely */
	struct breaks_map *maps;
	size_t nr_maps, cap_maps;
	uint64_t read_at; /* ns: /proc was last asked */
	uint32_t threads; /* that live */
};

struct breaks_thread {
	uint32_t tid, proc; /* proc: its number */
	bool alive;
	uint8_t missing; /* so often /proc did not have it; its end may be on its way to us */
};

struct breaks_procs;

struct breaks_procs *breaks_procs_new(struct breaks_modules *modules);
void breaks_procs_free(struct breaks_procs *ps);

/* A process that is followed from now on; BREAKS_NONE without memory. */
uint32_t breaks_procs_add(struct breaks_procs *ps, uint32_t pid);
/* Its thread; a new one if need be. BREAKS_NONE without memory. */
uint32_t breaks_procs_thread(struct breaks_procs *ps, uint32_t pid, uint32_t tid);
/* Whether anybody follows this thread's process already: always, unless all of the machine is watched. */
bool breaks_procs_knows(const struct breaks_procs *ps, uint32_t tid);
/* A process began, ended, was renamed or mapped something. 0, or -1 without memory. */
int breaks_procs_event(struct breaks_procs *ps, const struct breaks_event *ev);
/* How many processes live; those whose end nobody told are found out, at most once a second. */
size_t breaks_procs_alive(struct breaks_procs *ps, uint64_t now);

struct breaks_proc *breaks_procs_at(struct breaks_procs *ps, uint32_t proc);
struct breaks_thread *breaks_procs_thread_at(struct breaks_procs *ps, uint32_t thread);
uint32_t breaks_procs_nr(const struct breaks_procs *ps);
const char *breaks_procs_name(const struct breaks_procs *ps, uint32_t name);
/* The VMA at @addr; NULL: nobody knows it. Holds until the next event. */
const struct breaks_map *breaks_procs_map(struct breaks_procs *ps, uint32_t proc, uint64_t addr);
/* The same, from /proc unless that was asked behind @time (ns). */
const struct breaks_map *breaks_procs_map_anew(struct breaks_procs *ps, uint32_t proc,
					       uint64_t addr, uint64_t time);
/* The same, but never asks /proc. */
const struct breaks_map *breaks_procs_look(const struct breaks_procs *ps, uint32_t proc,
					   uint64_t addr);

#endif
