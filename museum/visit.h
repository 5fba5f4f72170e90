/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One exhibit shown once: under one design, with its mistake or without, in a process of its own, since a wrong engine may do anything.
 */
#ifndef MUSEUM_VISIT_H
#define MUSEUM_VISIT_H

#include "exhibit.h"

#include <stdbool.h>

#define VISIT_TEXT 1024

enum visit_end {
	VISIT_WELL,  /* nothing was wrong */
	VISIT_WRONG, /* something was: how and by says what and who saw it */
	VISIT_BAD,   /* the exhibit itself cannot be shown: how says why */
};

struct visit {
	const struct exhibit *exhibit;
	unsigned int number; /* of its switch */
	const char *design;
	bool mistake;
	bool unchecked;	     /* nothing is checked on the way: what would a user see? */
	unsigned long limit; /* of interleavings, 0: none */
	/* what came of it */
	enum visit_end end;
	unsigned int line;	   /* of the workload, 0: none */
	char by[32];		   /* "mm_check", "assertion", … */
	char how[VISIT_TEXT];	   /* one line */
	char schedule[VISIT_TEXT]; /* of threads, where a schedule brought it out */
	unsigned long tried;	   /* interleavings until then */
};

/* Fills in what came of it. */
void visit(struct visit *v);

/* The same for an exhibit that interleavings bring out (race.c). */
void visit_race(struct visit *v);

/* The text of a line of a workload, without blanks around it, into text. */
void visit_line(const char *workload, unsigned int line, char *text, unsigned long size);

/*
 * Draw the exhibit of a visit that was paid with the mistake, under the visit's design: to DIRECTORY/bug-NAME-{before,wrong,fixed}.svg,
 * as far as it has them. How many were drawn, or -1 with a sentence on stderr.
 */
int visit_draw(const struct visit *v, const char *directory);

/* The same for an exhibit that interleavings bring out: who ran when, in one drawing (race_draw.c). */
int race_draw(const struct visit *v, const char *directory);

#endif
