/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gauges: how much there is of something, and was at most, where each processor counts in a line of its own.
 *
 * A processor's part rises by what comes there and falls by what goes there; the sum over all, and what was folded, is what there is.
 * How much there was at most is known without a common figure as long as one processor counts: it notes how high its part has risen.
 * When the part has risen or fallen far it is folded into the common figure, and that at its highest, with all others' parts, may be
 * a new peak. Fork and exit on one processor swing between near bounds and fold nothing.
 */
#ifndef BASE_GAUGE_H
#define BASE_GAUGE_H

#include <rmap/rmap.h>

/* All parts of one gauge: nr of them, stride bytes apart. */
struct gauges {
	struct rmap_gauge_total *total;
	struct rmap_gauge *first;
	size_t stride;
	uint32_t nr;
};

static inline int64_t gauge_read(const _Atomic int64_t *figure)
{
	return atomic_load_explicit(figure, memory_order_relaxed);
}

/* n came. True: it is far, fold it. */
static inline bool gauge_rise(struct rmap_gauge *own, int64_t n, int64_t far)
{
	n += atomic_fetch_add_explicit(&own->now, n, memory_order_relaxed);
	if (rmap_likely(n <= gauge_read(&own->high)))
		return false;
	atomic_store_explicit(&own->high, n, memory_order_relaxed);
	return rmap_unlikely(n >= far);
}

/* n went. True: it is far, fold it. */
static inline bool gauge_fall(struct rmap_gauge *own, int64_t n, int64_t far)
{
	n = atomic_fetch_sub_explicit(&own->now, n, memory_order_relaxed) - n;
	return rmap_unlikely(n <= -far);
}

static inline struct rmap_gauge *gauge_part(const struct gauges *g, uint32_t i)
{
	return (struct rmap_gauge *)(void *)((char *)g->first + i * g->stride);
}

/* What there is. Below zero only while others count. */
static inline int64_t gauge_live(struct gauges g)
{
	int64_t live = gauge_read(&g.total->live);

	for (uint32_t i = 0; i < g.nr; i++)
		live += gauge_read(&gauge_part(&g, i)->now);
	return live;
}

/* What there was when this part was at its highest, as far as the others' parts tell. */
static inline int64_t gauge_highest(struct gauges g, const struct rmap_gauge *own)
{
	return gauge_live(g) - gauge_read(&own->now) + gauge_read(&own->high);
}

static inline int64_t gauge_peak(struct gauges g)
{
	int64_t peak = gauge_read(&g.total->peak);

	for (uint32_t i = 0; i < g.nr; i++) {
		int64_t highest = gauge_highest(g, gauge_part(&g, i));

		if (highest > peak)
			peak = highest;
	}
	return peak;
}

static inline void gauge_fold(struct gauges g, struct rmap_gauge *own)
{
	int64_t highest = gauge_highest(g, own);
	int64_t peak = gauge_read(&g.total->peak);
	int64_t now = atomic_exchange_explicit(&own->now, 0, memory_order_relaxed);

	atomic_store_explicit(&own->high, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&g.total->live, now, memory_order_relaxed);
	while (highest > peak &&
	       !atomic_compare_exchange_weak_explicit(&g.total->peak, &peak, highest,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

#endif
