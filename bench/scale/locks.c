// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the locks of this thread cost, where the build measures it: `cmake --preset locktime`, port/test/locktime.h. In other builds
 * nobody knows.
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

#ifndef LOCKTIME_H

bool scale_locks_measured(double *taken_off_ns)
{
	*taken_off_ns = 0;
	return false;
}

void scale_locks_take(struct scale_lock sum[RMAP_LOCK_CLASSES])
{
	(void)sum;
}

#else

#define TRIES 10000

/* Set before there are threads. */
static double tick_ns, empty_ns;

/* How long is a tick, and how long a hold of nothing, on the average of those that nothing came between? */
static void calibrate(void)
{
	struct locktime_class *sum = &locktime_me.sum[RMAP_LOCK_LINEAGE + 1];
	struct rmap_spinlock lock;
	double start = scale_now();
	uint64_t ticks = locktime_now(), all = 0, nr = 0;

	rmap_spin_init(&lock, RMAP_LOCK_LINEAGE);
	for (int i = 0; i < TRIES; i++) {
		sum->hold = 0;
		rmap_spin_lock(&lock);
		rmap_spin_unlock(&lock);
		if (sum->hold < LOCKTIME_CONTENDED) {
			all += sum->hold;
			nr++;
		}
	}
	while (scale_now() - start < 10e6)
		;
	tick_ns = (scale_now() - start) / (double)(locktime_now() - ticks);
	empty_ns = nr ? (double)all / (double)nr * tick_ns : 0;
	memset(locktime_me.sum, 0, sizeof(locktime_me.sum));
}

bool scale_locks_measured(double *taken_off_ns)
{
	if (tick_ns <= 0)
		calibrate();
	*taken_off_ns = empty_ns;
	return true;
}

void scale_locks_take(struct scale_lock sum[RMAP_LOCK_CLASSES])
{
	struct scale_lock mine[RMAP_LOCK_CLASSES];

	for (int i = 0; i < RMAP_LOCK_CLASSES; i++) {
		const struct locktime_class *c = &locktime_me.sum[i + 1];
		double hold = (double)c->hold * tick_ns - (double)c->taken * empty_ns;

		mine[i] = (struct scale_lock){
			.taken = c->taken,
			.contended = c->contended,
			.wait_ns = (double)c->wait * tick_ns,
			.hold_ns = hold > 0 ? hold : 0,
			.longest_wait_ns = (double)c->longest_wait * tick_ns,
			.longest_hold_ns = (double)c->longest_hold * tick_ns,
		};
	}
	if (sum)
		scale_locks_add(sum, mine);
	memset(locktime_me.sum, 0, sizeof(locktime_me.sum));
}

#endif
