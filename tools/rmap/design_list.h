/* SPDX-License-Identifier: BSD-2-Clause */
/* The reverse maps that a command line names. */
#ifndef RMAP_TOOL_DESIGN_LIST_H
#define RMAP_TOOL_DESIGN_LIST_H

#include <rmap/rmap.h>

#include <stdbool.h>
#include <stddef.h>

#define DESIGNS_MAX 16 /* that can be named at once, which is more than there are */

struct design_list {
	unsigned int nr;
	const struct rmap_ops *design[DESIGNS_MAX];
};

/* The one of that name. NULL: none is, and err says so, and what there are. */
const struct rmap_ops *design_named(const char *name, char *err, size_t size);

/* A,B,... in that order; NULL: all. False: err says what is wrong with it. */
bool design_list_parse(const char *text, struct design_list *list, char *err, size_t size);

#endif
