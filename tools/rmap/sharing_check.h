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
	size_t wrong; /* of these, have not agreed yet */
	size_t moved; /* have agreed only within what the kernel's own PSS moved meanwhile */
};

/* Of one process, over several counts: has it agreed at one of them? */
enum sharing_agreed { SHARING_NOT_YET, SHARING_AGREED, SHARING_MOVED };

/*
 * @before: taken before the processes were counted; the rollups of now are taken here. PSS depends on who else maps a library, also where
 * the processes stand still: as others come and go it may lie between the two, or beside both, and then agree when it is counted again.
 * @agreed: of each process, for the next count. @print: say of each that has not agreed yet how it differs.
 */
void sharing_check(int root, const struct sharing *s, const struct sharing_rollup *before,
		   bool print, enum sharing_agreed *agreed, struct sharing_verdict *out);

#endif
