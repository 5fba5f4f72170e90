/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drawing a run that stands at a point: for rmap draw, and for whoever has a runner of his own.
 */
#ifndef RMAP_TOOL_DRAW_H
#define RMAP_TOOL_DRAW_H

#include "draw_model.h"
#include "runner.h"

struct draw_request {
	const char *workload; /* its name, for the title */
	const char *page;     /* draw this page only, as 'P heap+1p'; NULL: everything */
	const char *output;   /* a file's name that ends in .svg, .png, .pdf or .dot */
	const char *title;    /* NULL: workload and line */
	struct draw_limits limits;
};

/*
 * Carry out what source gives up to line (or up to as many operations, where it has no lines; 0: all), and say how far it came. Exit
 * codes: 0; 1 an expectation did not hold; 2 the source makes no sense; with a sentence.
 */
int draw_run_to(struct runner *r, struct op_source *source, uint64_t line, uint64_t *reached,
		char err[OPS_ERR_SIZE]);

/* Draw what is there now; reached stands in the title, unless it is 0. 0, or 2 with a sentence. */
int draw_runner(const struct draw_request *request, struct runner *r, struct op_source *source,
		uint64_t reached, char err[OPS_ERR_SIZE]);

#endif
