/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * <stdatomic.h> with a scheduling point before each operation, for weave builds: this folder comes first on the include path,
 * so that the sources need know nothing of it. The operations themselves are the compiler's.
 *
 * Operands are evaluated before the point, so that what is done behind it is the one operation. Initialisation and fences are
 * no points: nobody else sees the word yet, and what a fence orders is not reordered by the weaver anyway.
 */
#ifndef WEAVE_STDATOMIC_H
#define WEAVE_STDATOMIC_H

#include_next <stdatomic.h>

#include <stdint.h>

#include <test/weave/point.h>

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and
#undef atomic_fetch_and_explicit

/* A pointer to what is not called atomic: clang's builtins want that, gcc's take either. */
#define WEAVE_PLAIN(p) ((__typeof__((void)0, *(p)) *)(uintptr_t)(p))

/* The sources' own uses of these come by here as well; a macro does not expand itself again. */
#define __atomic_load_n(p, order)                                                                  \
	(weave_at((p), WEAVE_READ), __atomic_load_n(WEAVE_PLAIN(p), (order)))
#define __atomic_store_n(p, v, order)                                                              \
	__extension__({                                                                            \
		__typeof__((void)0, *(p)) weave_value = (v);                                       \
		weave_at((p), WEAVE_WRITE);                                                        \
		__atomic_store_n(WEAVE_PLAIN(p), weave_value, (order));                            \
	})

#define WEAVE_RMW(builtin, p, v, kind, order)                                                      \
	__extension__({                                                                            \
		__typeof__(v) weave_value = (v);                                                   \
		weave_at((p), (kind));                                                             \
		builtin(WEAVE_PLAIN(p), weave_value, (order));                                     \
	})
#define WEAVE_ADDS(order)		   ((order) == memory_order_relaxed ? WEAVE_ADD : WEAVE_WRITE)

#define atomic_load_explicit(p, order)	   __atomic_load_n(p, order)
#define atomic_load(p)			   __atomic_load_n(p, memory_order_seq_cst)
#define atomic_store_explicit(p, v, order) __atomic_store_n(p, v, order)
#define atomic_store(p, v)		   __atomic_store_n(p, v, memory_order_seq_cst)
#define atomic_exchange_explicit(p, v, order)                                                      \
	WEAVE_RMW(__atomic_exchange_n, p, v, WEAVE_WRITE, order)
#define atomic_exchange(p, v) atomic_exchange_explicit(p, v, memory_order_seq_cst)
#define atomic_fetch_add_explicit(p, v, order)                                                     \
	WEAVE_RMW(__atomic_fetch_add, p, v, WEAVE_ADDS(order), order)
#define atomic_fetch_sub_explicit(p, v, order)                                                     \
	WEAVE_RMW(__atomic_fetch_sub, p, v, WEAVE_ADDS(order), order)
#define atomic_fetch_or_explicit(p, v, order) WEAVE_RMW(__atomic_fetch_or, p, v, WEAVE_WRITE, order)
#define atomic_fetch_and_explicit(p, v, order)                                                     \
	WEAVE_RMW(__atomic_fetch_and, p, v, WEAVE_WRITE, order)
#define atomic_fetch_add(p, v) atomic_fetch_add_explicit(p, v, memory_order_seq_cst)
#define atomic_fetch_sub(p, v) atomic_fetch_sub_explicit(p, v, memory_order_seq_cst)
#define atomic_fetch_or(p, v)  atomic_fetch_or_explicit(p, v, memory_order_seq_cst)
#define atomic_fetch_and(p, v) atomic_fetch_and_explicit(p, v, memory_order_seq_cst)

/* A weak exchange may fail for no reason; it is never seen to here. */
#define atomic_compare_exchange_strong_explicit(p, old, v, success, failure)                       \
	__extension__({                                                                            \
		__typeof__((void)0, *(p)) weave_value = (v);                                       \
		weave_at((p), WEAVE_WRITE);                                                        \
		__atomic_compare_exchange_n(WEAVE_PLAIN(p), (old), weave_value, 0, (success),      \
					    (failure));                                            \
	})
#define atomic_compare_exchange_weak_explicit(p, old, v, success, failure)                         \
	atomic_compare_exchange_strong_explicit(p, old, v, success, failure)
#define atomic_compare_exchange_strong(p, old, v)                                                  \
	atomic_compare_exchange_strong_explicit(p, old, v, memory_order_seq_cst,                   \
						memory_order_seq_cst)
#define atomic_compare_exchange_weak(p, old, v) atomic_compare_exchange_strong(p, old, v)

#endif
