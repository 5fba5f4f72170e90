/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rmap-hostile: what one process can do to others.
 *
 * Innocents live on the machine. The *stranger* was there before and has nothing to do with anybody; the *relative* forked
 * what became hostile, and a quiet child that shares its pages. The hostile process then does its worst, without ever touching
 * what is theirs, and they go on: walk as reclaim does, fault new pages, break COW, fork. The relative's *late* child comes only
 * then; the relative and its first child write some of the pages that it inherited, so that of all innocents it alone has them.
 * What each pays is measured with and without the neighbour, under each design.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <hosted/hosted.h>

#define HOSTILE_WHY   256
#define HOSTILE_PAGES 64u
/* Where the innocents' pages are, and where there is room for others. */
#define HEAP	      ((uint64_t)0x555555200000)
#define FRESH	      ((uint64_t)0x666666200000)
#define FILES	      ((uint64_t)0x6a0000000000)
#define ROOM	      ((uint64_t)0x100000000000)

struct machine {
	struct hosted *h;
	struct mm_system *sys;
	struct hosted_cpu *cpu;
	struct mm *stranger, *strangers_child, *relative, *relatives_child, *late, *hostile;
	struct mm_file *file; /* the stranger maps it; so may anybody */
	/* whom the hostile process made; freed at the end */
	struct mm **mine;
	uint64_t nr_mine, room_mine;
};

struct hostile_scale {
	uint64_t processes; /* that a hostile process makes, at most */
	uint64_t vmas;	    /* that it maps */
	bool check; /* mm_check() at the end: for small ones, since some designs' accounts are gone through by the VMA */
};

struct hostile_kind {
	const char *name;
	const char *doc; /* what it does, for a reader */
	/* 0 or an error. m->hostile is the relative's child. NULL: nothing, it exits. */
	int (*run)(struct machine *m, const struct hostile_scale *scale);
};

extern const struct hostile_kind hostile_kinds[];
extern const uint32_t hostile_nr_kinds;

/* What it costs an innocent. */
struct hostile_cost {
	/* of the most expensive of some pages; stopping at the map count, as ageing does, and once more, and to the end */
	uint64_t looks[3], steps[3];
	uint64_t found; /* PTEs of that page */
	double walk_ns; /* the first of these walks, for each PTE found */
	double new_ns, cow_ns, fork_ns;
	uint64_t
		family_locks; /* locks wider than one address space: of 32 COW faults, a fork and an exit */
};

struct hostile_result {
	struct hostile_cost stranger, relative;
	struct hostile_cost late; /* walks alone */
	/* of a walk to the end from a page of the file that the stranger maps */
	uint64_t file_found, file_looks, file_steps;
	bool ran;
	char why[HOSTILE_WHY];
};

/* kinds.c */

/* measure.c */
void hostile_measure(const struct rmap_ops *design, const struct hostile_kind *kind,
		     const struct hostile_scale *scale, struct hostile_result *out);

#endif
