// SPDX-License-Identifier: BSD-2-Clause
/*
 * The kernel's own sums (smaps_rollup) held against ours.
 */
#ifndef RMAP_TOOLS_SHARING_CHECK_H
#define RMAP_TOOLS_SHARING_CHECK_H

#include "sharing_count.h"

struct sharing_rollup {
	pid_t pid;
	uint64_t private, shared, pss, swap; /* KiB */
};

/* What the kernel says of each process now; for free(). NULL without memory. Of those that are not there all is 0. */
struct sharing_rollup *sharing_rollups(int root, const struct live_procs *procs);

struct sharing_verdict {
	size_t held;  /* processes that were compared */
	size_t wrong; /* of these, do not agree */
	size_t moved; /* agree only within what the kernel's own PSS moved meanwhile */
};

/*
 * @before: taken before the processes were counted; the rollups of now are taken here. PSS depends on who else maps a library, also where
 * the processes stand still, so it may lie between the two. @print: say of each process that differs how.
 */
void sharing_check(int root, const struct sharing *s, const struct sharing_rollup *before,
		   bool print, struct sharing_verdict *out);

#endif
