// SPDX-License-Identifier: BSD-2-Clause
/*
 * The kernel's own sums (smaps_rollup) held against ours.
 */
#ifndef RMAP_TOOLS_SHARING_CHECK_H
#define RMAP_TOOLS_SHARING_CHECK_H

#include "sharing_count.h"

/* Says of each process that differs how. Returns how many do; *held: how many could be compared. */
size_t sharing_check(int root, const struct sharing *s, size_t *held);

#endif
