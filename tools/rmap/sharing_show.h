// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a group shares, shown: as a table with bars that fits the terminal, as JSON, as CSV; and two saved states side by side.
 */
#ifndef RMAP_TOOLS_SHARING_SHOW_H
#define RMAP_TOOLS_SHARING_SHOW_H

#include "sharing_count.h"

#include <jansson.h>

/* VMAs of one file or name, of all processes. */
struct sharing_name {
	const char *name; /* belongs to the VMAs */
	size_t nr_vmas, nr_procs;
	struct sharing_sums sums;
};

struct sharing_names {
	struct sharing_name *v;
	size_t nr;
};

/* What the median of the group's forked processes has for itself alone. */
struct sharing_worker {
	size_t nr; /* of how many; 0: nobody was forked by another of the group */
	uint64_t private, swapped, tables; /* bytes */
};

/* Largest first (private and swapped). 0, or -1 without memory. */
int sharing_names(const struct sharing *s, struct sharing_names *out);
int sharing_worker(const struct sharing *s, struct sharing_worker *out);
/* What a VMA is called: its file, [heap], ...; memory without a name is [anon]. */
const char *sharing_vma_name(const struct live_vma *vma);
/* Bytes of pages, and of fractions of pages. */
uint64_t sharing_bytes(uint64_t pages);
uint64_t sharing_unit_bytes(uint64_t units);
/* The fractions of whole pages: what was lost in dividing is put right. */
uint64_t sharing_whole_bytes(uint64_t units);
/* "12.3M" in at most seven letters, with its sign. Returns buf. */
const char *sharing_size(int64_t bytes, char buf[16]);

/*
 * @columns: what the tables may be wide; where that is little, the last sums are left out, and names are cut.
 * @top: rows of a table, 0: all; @vmas: a table for each process's VMAs, too. 0, or -1 without memory.
 */
int sharing_print(const struct sharing *s, unsigned int columns, size_t top, bool vmas);
/* NULL without memory. */
json_t *sharing_json(const struct sharing *s, bool vmas);
void sharing_print_csv(const struct sharing *s);
/* Two saved states. 0, or -1 with a sentence. */
int sharing_print_diff(const char *before, const char *after, size_t top, char err[LIVE_ERR_SIZE]);

#endif
