// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the locks of this thread cost. The default ones do not know.
 */
#include "scale.h"

#include <string.h>

void scale_locks_add(struct scale_lock sum[RMAP_LOCK_CLASSES],
		     const struct scale_lock more[RMAP_LOCK_CLASSES])
{
	for (int i = 0; i < RMAP_LOCK_CLASSES; i++) {
		sum[i].taken += more[i].taken;
		sum[i].contended += more[i].contended;
		sum[i].wait_ns += more[i].wait_ns;
		sum[i].hold_ns += more[i].hold_ns;
		if (more[i].longest_wait_ns > sum[i].longest_wait_ns)
			sum[i].longest_wait_ns = more[i].longest_wait_ns;
		if (more[i].longest_hold_ns > sum[i].longest_hold_ns)
			sum[i].longest_hold_ns = more[i].longest_hold_ns;
	}
}

bool scale_locks_measured(void)
{
	return false;
}

const char *scale_lock_name(unsigned int lock_class)
{
	(void)lock_class;
	return "";
}

void scale_locks_take(struct scale_lock sum[RMAP_LOCK_CLASSES])
{
	(void)sum;
}
