/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counting: every allocation of tier 1 goes through here, and every event counter.
 *
 * Counters are relaxed atomics. An allocation costs two of them; who allocates several objects of a kind at once (fork)
 * counts them at once.
 */
#ifndef RMAP_COUNT_H
#define RMAP_COUNT_H

#include <rmap/rmap.h>

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

/* n objects of size bytes each came; count_bytes() is still to be told. */
static inline void count_kind(struct rmap *rmap, enum rmap_kind kind, uint64_t n, uint64_t size)
{
	struct rmap_object_counters *c = &rmap->count.object[kind];

	if (atomic_load_explicit(&c->size, memory_order_relaxed) != size)
		atomic_store_explicit(&c->size, size, memory_order_relaxed);
	count_peak(&c->peak_bytes,
		   (atomic_fetch_add_explicit(&c->objects, n, memory_order_relaxed) + n) * size);
}

/* Of all kinds together. */
static inline void count_bytes(struct rmap *rmap, uint64_t bytes)
{
	count_peak(&rmap->total.peak_bytes,
		   atomic_fetch_add_explicit(&rmap->total.bytes, bytes, memory_order_relaxed) +
			   bytes);
}

static inline void count_objects(struct rmap *rmap, enum rmap_kind kind, uint64_t n, uint64_t size)
{
	count_kind(rmap, kind, n, size);
	count_bytes(rmap, n * size);
}

static inline void discount_bytes(struct rmap *rmap, uint64_t bytes)
{
	atomic_fetch_sub_explicit(&rmap->total.bytes, bytes, memory_order_relaxed);
}

/* And went. */
static inline void discount_objects(struct rmap *rmap, enum rmap_kind kind, uint64_t n,
				    uint64_t size)
{
	struct rmap_object_counters *c = &rmap->count.object[kind];

	atomic_fetch_sub_explicit(&c->objects, n, memory_order_relaxed);
	count_add(&c->freed, n);
	discount_bytes(rmap, n * size);
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
	discount_objects(rmap, kind, 1, size);
	rmap->port->free(rmap->port->ctx, kind, object, size);
}

#endif
