/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts of references whose object may be on its way out when somebody finds it. */
#ifndef BASE_REFS_H
#define BASE_REFS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * One more, unless there is none any more: then the object is being taken apart, and stays there to be looked at only as long as
 * what the caller found it by says (a lock, an RCU section).
 */
static inline bool refs_try_get(_Atomic uint32_t *refs)
{
	uint32_t old = atomic_load_explicit(refs, memory_order_relaxed);

	while (old != 0)
		if (atomic_compare_exchange_weak_explicit(refs, &old, old + 1, memory_order_acquire,
							  memory_order_relaxed))
			return true;
	return false;
}

#endif
