/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A list of operations that was made by a generator, to be carried out again, in part or changed.
 *
 * Taking an operation out takes away what others name: a process that it forked, an address that it chose. Then the others are
 * passed by, so any part of a list is a list that can be carried out.
 */
#ifndef RMAP_TOOL_VERIFY_LIST_H
#define RMAP_TOOL_VERIFY_LIST_H

#include "verify.h"

#include <stdio.h>

struct op_list {
	struct op *ops;
	size_t nr, room;
};

/* A copy of op, at the end. False: no memory. Operations must point to nothing (texts, layouts, segments). */
bool op_list_add(struct op_list *list, const struct op *op);
bool op_list_copy(struct op_list *to, const struct op_list *from);
void op_list_remove(struct op_list *list, size_t first, size_t nr);
void op_list_free(struct op_list *list);

/* What one run of a list came to. */
struct list_run {
	enum verify_result result;
	size_t at; /* the operation that it ended with; nr: it was found at the end */
	struct verify_difference difference;
	/* filled in where it is not NULL: by operation, what it came to, and whether it was passed by */
	int *errors;
	bool *skipped;
};

/* A machine for random operations, and for lists of them: processes are p1 …, files f1 …. The caller sets next and close. */
void op_list_source(struct op_source *source, bool swap);

/*
 * In a session of its own, everything compared at the end, and after every full_every operations. AGREE, DIFFER, FAILED; or
 * UNABLE, BAD: it cannot be carried out.
 */
void op_list_run(const struct op_list *list, const struct verify_options *options,
		 struct list_run *run);

/*
 * As a workload that `rmap verify` takes: head lines as comments, then each operation that was carried out with what it must
 * come to, but the last, which is what the sides differ in. False: not written.
 */
bool op_list_write(const struct op_list *list, const struct list_run *run, bool swap,
		   const char *head, FILE *out);

#endif
