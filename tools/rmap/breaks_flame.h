/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks merged from the outside in: a tree whose boxes are as wide as the pages that were broken below them. */
#ifndef RMAP_TOOLS_BREAKS_FLAME_H
#define RMAP_TOOLS_BREAKS_FLAME_H

#include "breaks_report.h"

struct breaks_node {
	struct breaks_named frame;    /* of a process: function is its name */
	uint64_t pages, bytes;	      /* in it and below */
	uint64_t self;		      /* pages in it alone */
	uint32_t parent, first, next; /* BREAKS_NONE: none; children by pages, most first */
	uint32_t depth;
};

/* v[0] is the root, which stands for all processes. */
struct breaks_flame {
	struct breaks_node *v;
	size_t nr, cap;
	uint32_t depth; /* of the deepest */
};

/* @lines: the innermost function's lines are boxes of their own. 0, or -1 without memory; to be freed in either case. */
int breaks_flame_make(const struct breaks_report *r, bool lines, struct breaks_flame *flame);
void breaks_flame_free(struct breaks_flame *flame);

#endif
