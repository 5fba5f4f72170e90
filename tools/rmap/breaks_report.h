/* SPDX-License-Identifier: BSD-2-Clause */
/* What is told at the end, in five forms that show the same figures. */
#ifndef RMAP_TOOLS_BREAKS_REPORT_H
#define RMAP_TOOLS_BREAKS_REPORT_H

#include "breaks_names.h"
#include "breaks_tally.h"

#include <stdio.h>

struct breaks_report {
	struct breaks_procs *procs;
	struct breaks_modules *modules;
	struct breaks_stacks *stacks;
	struct breaks_tally *tally;
	struct breaks_names *names;
	double seconds, own_cpu; /* how long it was followed, what that cost us */
	uint64_t taken, lost, open;
	size_t top; /* rows of a table for people */
};

/* A place that writes: a function and a line of it, or the instruction if no more is known. */
struct breaks_line {
	struct breaks_named at;
	const char *in_kernel; /* the function that wrote on its behalf, NULL: it wrote itself */
	struct breaks_counts counts;
	uint64_t broken_bytes;
	struct breaks_path { /* who called it, most pages first */
		uint32_t stack;
		uint64_t pages, bytes;
	} * paths;
	size_t nr_paths, cap_paths;
};

struct breaks_lines {
	struct breaks_line *v; /* most broken pages first */
	size_t nr, cap;
};

/* 0, or -1 without memory; to be freed in either case. */
int breaks_lines_make(const struct breaks_report *r, struct breaks_lines *lines);
void breaks_lines_free(struct breaks_lines *lines);

/* A file of the source without its directory. */
const char *breaks_basename(const char *path);
/* "rw-p" */
const char *breaks_perms(const struct breaks_vma *vma, char buf[5]);
/* The name of a VMA, printable; "(anonymous)" if it has none, "(unknown)" if nobody knew it. */
const char *breaks_vma_name(const struct breaks_report *r, const struct breaks_vma *vma);

/* All return 0, or -1 without memory or when it cannot be written. */
int breaks_print(const struct breaks_report *r, FILE *out);
int breaks_print_json(const struct breaks_report *r, FILE *out);
int breaks_print_csv(const struct breaks_report *r, FILE *out);
/* Stacks of what was broken, outermost first, with semicolons, and pages: what flame-graph programs read. */
int breaks_print_folded(const struct breaks_report *r, FILE *out);
int breaks_print_svg(const struct breaks_report *r, FILE *out);

#endif
