/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counting: every allocation of tier 1 goes through here, and every event counter.
 *
 * Each processor counts in lines of its own, by relaxed atomics (which one we are on is the port's guess); who reads sums up. An
 * allocation costs two of them; who allocates several objects of a kind at once (fork) counts them at once.
 */
#ifndef RMAP_COUNT_H
#define RMAP_COUNT_H

#include "../base/gauge.h"

/* Of the bytes of all kinds, where gauges stand by kind. */
#define RMAP_GAUGE_BYTES RMAP_KIND_TIER1_END

static inline void count_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline void count_event(_Atomic uint64_t *counter)
{
	count_add(counter, 1);
}

/* Raise a maximum. Losing a race for it loses the smaller of two values that were true at nearly the same time. */
static inline void count_peak(_Atomic uint64_t *peak, uint64_t value)
{
	if (value > atomic_load_explicit(peak, memory_order_relaxed))
		atomic_store_explicit(peak, value, memory_order_relaxed);
}

/* The part of it that c counts has gone far. gauge: a kind, or RMAP_GAUGE_BYTES. */
void rmap_fold(struct rmap *rmap, struct rmap_counters *c, unsigned int gauge);

/* n objects of size bytes each came; count_bytes() is still to be told. */
static inline void count_kind(struct rmap *rmap, struct rmap_counters *c, enum rmap_kind kind,
			      uint64_t n, uint64_t size)
{
	_Atomic uint64_t *known = &rmap->size[kind];

	if (atomic_load_explicit(known, memory_order_relaxed) != size)
		atomic_store_explicit(known, size, memory_order_relaxed);
	if (gauge_rise(&c->object[kind].live, (int64_t)n, RMAP_FOLD_OBJECTS))
		rmap_fold(rmap, c, kind);
}

/* Of all kinds together. */
static inline void count_bytes(struct rmap *rmap, struct rmap_counters *c, uint64_t bytes)
{
	if (gauge_rise(&c->bytes, (int64_t)bytes, RMAP_FOLD_BYTES))
		rmap_fold(rmap, c, RMAP_GAUGE_BYTES);
}

static inline void count_objects(struct rmap *rmap, enum rmap_kind kind, uint64_t n, uint64_t size)
{
	struct rmap_counters *c = rmap_counting(rmap);

	count_kind(rmap, c, kind, n, size);
	count_bytes(rmap, c, n * size);
}

static inline void discount_bytes(struct rmap *rmap, struct rmap_counters *c, uint64_t bytes)
{
	if (gauge_fall(&c->bytes, (int64_t)bytes, RMAP_FOLD_BYTES))
		rmap_fold(rmap, c, RMAP_GAUGE_BYTES);
}

/* n objects of size bytes went. */
static inline void discount_objects(struct rmap *rmap, struct rmap_counters *c, enum rmap_kind kind,
				    uint64_t n, uint64_t size)
{
	if (gauge_fall(&c->object[kind].live, (int64_t)n, RMAP_FOLD_OBJECTS))
		rmap_fold(rmap, c, kind);
	count_add(&c->object[kind].freed, n);
	discount_bytes(rmap, c, n * size);
}

/* One object, or NULL; see the port's alloc. */
static inline void *rmap_object_alloc(struct rmap *rmap, enum rmap_kind kind, size_t size)
{
	void *object = rmap->port->alloc(rmap->port->ctx, kind, size);

	if (object)
		count_objects(rmap, kind, 1, size);
	return object;
}

static inline void rmap_object_free(struct rmap *rmap, enum rmap_kind kind, void *object,
				    size_t size)
{
	discount_objects(rmap, rmap_counting(rmap), kind, 1, size);
	rmap->port->free(rmap->port->ctx, kind, object, size);
}

#endif
