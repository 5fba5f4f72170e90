/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shrinking: from thousands of operations of which the last differs to the few that are needed.
 */
#ifndef RMAP_TOOL_VERIFY_SHRINK_H
#define RMAP_TOOL_VERIFY_SHRINK_H

#include "verify_list.h"

struct shrink_options {
	const struct verify_options *verify;
	uint64_t seconds;	  /* as long as it may take; 0: SHRINK_SECONDS */
	bool progress;		  /* a line on standard error, written over and over */
	volatile const int *stop; /* may be NULL: enough, when it is not 0 */
};

#define SHRINK_SECONDS 180u

struct shrink_result {
	size_t before, after; /* operations */
	uint64_t runs;	      /* sessions that it took */
	double seconds;
};

/*
 * list, of which some operation is known to differ, becomes a shorter one that differs, too; run: what that one came to, with
 * errors and skipped (list->nr each) for the caller to free. 0; or -1: the list as it was did not differ again (it is unchanged).
 */
int op_list_shrink(struct op_list *list, const struct shrink_options *options,
		   struct shrink_result *result, struct list_run *run);

#endif
