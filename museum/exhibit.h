/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the museum knows of its exhibits: the table that museum.py makes from exhibits/.
 */
#ifndef MUSEUM_EXHIBIT_H
#define MUSEUM_EXHIBIT_H

/* A mistake and what brings it out. The number of its switch is its place in the table, 1 upwards. */
struct exhibit {
	const char *name, *bug, *title, *linux, *year;
	const char *designs;  /* under which it is shown: "a, b" */
	const char *story;    /* paragraphs of one line each */
	const char *workload; /* in the workload language; empty: interleavings bring it out */
	const char *scenario; /* of rmap-museum-weave; empty: the workload does */
	const char *page;     /* what is drawn, as 'P heap'; empty: everything */
	unsigned int
		meanwhile; /* statements that are carried out at the exhibit's point of the engine */
	unsigned int preemptions; /* at most, of interleavings */
};

extern const struct exhibit exhibits[];
extern const unsigned int nr_exhibits;

struct not_applicable {
	const char *bug, *title, *reason;
};

extern const struct not_applicable not_applicable[];
extern const unsigned int nr_not_applicable;

#endif
