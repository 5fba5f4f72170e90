/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What came of each write fault on a present page, by process, VMA and stack, and over time. Memory grows with the number of
 * different places that write, not with the number of writes.
 */
#ifndef RMAP_TOOLS_BREAKS_TALLY_H
#define RMAP_TOOLS_BREAKS_TALLY_H

#include "breaks_procs.h"

enum breaks_class {
	BREAKS_COPIED,	  /* an anonymous page that others had, too: the sharing is broken */
	BREAKS_FROM_FILE, /* a file's page in a private mapping, the same */
	BREAKS_ZEROED, /* the zero page, which a read had left there: a page was filled with zeroes */
	BREAKS_UNSHARED, /* nobody else had it any more (or it was only protected): the PTE was made writable */
	BREAKS_NOTICE,	  /* of a shared mapping: the kernel takes note that it is dirty */
	BREAKS_OVERTAKEN, /* another thread dealt with the same page meanwhile */
	BREAKS_REFUSED, /* the fault did not end: the mapping is read-only, or it was interrupted */
	BREAKS_CLASSES,
};

/* The names in JSON and CSV. */
extern const char *const breaks_class_names[BREAKS_CLASSES];

#define BREAKS_BINS 60

struct breaks_vma {
	uint32_t proc;
	uint64_t start, end; /* end: the farthest that was seen */
	uint32_t name;	     /* breaks_procs_name() */
	uint8_t prot;
	bool shared;
};

struct breaks_counts {
	uint64_t n[BREAKS_CLASSES];
	uint64_t bytes; /* of the pages that were made: copied, from files, zeroed */
};

/* One stack in one VMA. */
struct breaks_cell {
	uint32_t vma, stack;
	struct breaks_counts counts;
	uint64_t broken_bytes; /* of those copied and from files only */
};

struct breaks_tally {
	struct breaks_vma *vmas;
	size_t nr_vmas, cap_vmas;
	struct breaks_cell *cells;
	size_t nr_cells, cap_cells;
	struct breaks_index *indexes; /* of both */
	struct breaks_counts total;
	uint64_t broken_bytes;
	uint64_t start, last;	    /* ns: when it began, the last event */
	uint64_t bin_ns;	    /* doubles when time runs out of bins */
	uint64_t bins[BREAKS_BINS]; /* pages copied, from relatives and files */
};

struct breaks_tally *breaks_tally_new(uint64_t start);
void breaks_tally_free(struct breaks_tally *t);
/* The number of a VMA as it is now; BREAKS_NONE without memory. @map NULL: nobody knows it. */
uint32_t breaks_tally_vma(struct breaks_tally *t, uint32_t proc, const struct breaks_map *map);
/* 0, or -1 without memory */
int breaks_tally_add(struct breaks_tally *t, uint32_t vma, uint32_t stack, enum breaks_class class,
		     uint64_t bytes, uint64_t time);

/* Pages whose sharing was broken. */
uint64_t breaks_broken(const struct breaks_counts *c);
uint64_t breaks_all(const struct breaks_counts *c);
void breaks_counts_add(struct breaks_counts *to, const struct breaks_counts *from);

#endif
