/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks that measure: -DRMAP_LOCKS_HEADER='"test/locktime.h"' for everything, libraries and all (`cmake --preset locktime`).
 *
 * The default locks over again, with the same waiting, and four sums for each thread and class: how often a lock was taken, how
 * often that had to wait, how long it waited, how long it was held; and the longest of each. rmap-scale reads them.
 *
 * What it costs: two readings of the clock and an entry on the thread's list of held locks each time, some 20 ns, also where a
 * lock is free. So a program of these locks is not the one to measure throughput with. A reading stands between taking a lock
 * and letting it go, so that a hold of nothing has a length; whoever reads the sums measures and takes it off. Where a thread
 * loses its processor with a lock, the hold is as long as that.
 *
 * A lock that is a bit of somebody else's word says when it begins to wait whether it must or not: there a wait is one that took
 * longer than LOCKTIME_CONTENDED. A writer who waits for a VMA's readers does not say when it is over, and is not seen.
 *
 * A lock keeps its class in its word as those of lockdep.h do, so that structures keep their sizes.
 */
#ifndef LOCKTIME_H
#define LOCKTIME_H

#include <rmap/port.h>

/* The libraries hide their symbols; the C library's are not theirs. */
#pragma GCC visibility push(default)
#include <time.h>
#pragma GCC visibility pop

#define LOCKTIME_HELD_MAX  64
#define LOCKTIME_CONTENDED 2000 /* ticks: a microsecond, more or less */

struct locktime_class {
	uint64_t taken, contended;
	uint64_t wait, hold; /* ticks */
	uint64_t longest_wait, longest_hold;
};

struct locktime_held {
	const void *lock;
	uint32_t lock_class; /* + 1; 0: unknown */
	uint64_t since;
};

struct locktime_thread {
	struct locktime_held held[LOCKTIME_HELD_MAX];
	unsigned int nr;
	const void *waits_for; /* a bit lock, and since when */
	uint64_t waits_since;
	struct locktime_class sum[RMAP_LOCK_CLASSES + 1]; /* by class + 1 */
};

/* One for each thread of the process, whoever includes this. */
__attribute__((weak)) __thread struct locktime_thread locktime_me;

/* In ticks of whatever counts fastest here; whoever reads the sums finds out how long one is. */
static inline uint64_t locktime_now(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	struct timespec t;

	timespec_get(&t, TIME_UTC);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

static inline void locktime_waited(uint32_t lock_class, uint64_t ticks)
{
	struct locktime_class *sum = &locktime_me.sum[lock_class];

	sum->contended++;
	sum->wait += ticks;
	if (ticks > sum->longest_wait)
		sum->longest_wait = ticks;
}

static inline void locktime_got(const void *lock, uint32_t lock_class)
{
	struct locktime_thread *me = &locktime_me;

	me->sum[lock_class].taken++;
	if (me->nr < LOCKTIME_HELD_MAX)
		me->held[me->nr++] = (struct locktime_held){ lock, lock_class, locktime_now() };
}

static inline void locktime_released(const void *lock)
{
	uint64_t now = locktime_now();
	struct locktime_thread *me = &locktime_me;
	unsigned int i = me->nr;
	struct locktime_class *sum;

	while (i && me->held[i - 1].lock != lock)
		i--;
	if (!i)
		return;
	sum = &me->sum[me->held[i - 1].lock_class];
	now -= me->held[i - 1].since;
	sum->hold += now;
	if (now > sum->longest_hold)
		sum->longest_hold = now;
	for (me->nr--; i <= me->nr; i++)
		me->held[i - 1] = me->held[i];
}

static inline void rmap_cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#else
	__asm__ volatile("" ::: "memory");
#endif
}

/* ---------------------------------------------------------------- spin locks */

struct rmap_spinlock {
	_Atomic uint32_t word; /* bit 0: held; from bit 8: class + 1 */
};

static inline uint32_t locktime_spin_class(const struct rmap_spinlock *l)
{
	return atomic_load_explicit(&l->word, memory_order_relaxed) >> 8;
}

static inline void rmap_spin_init(struct rmap_spinlock *l, enum rmap_lock_class lock_class)
{
	atomic_store_explicit(&l->word, ((uint32_t)lock_class + 1) << 8, memory_order_relaxed);
}

static inline bool rmap_spin_is_locked(const struct rmap_spinlock *l)
{
	return atomic_load_explicit(&l->word, memory_order_relaxed) & 1;
}

static inline bool rmap_spin_trylock(struct rmap_spinlock *l)
{
	uint32_t word = atomic_load_explicit(&l->word, memory_order_relaxed);

	if ((word & 1) || (atomic_exchange_explicit(&l->word, word | 1, memory_order_acquire) & 1))
		return false;
	locktime_got(l, word >> 8);
	return true;
}

static inline void rmap_spin_lock(struct rmap_spinlock *l)
{
	uint64_t since;

	if (rmap_likely(rmap_spin_trylock(l)))
		return;
	since = locktime_now();
	while (!rmap_spin_trylock(l))
		rmap_cpu_relax();
	locktime_waited(locktime_spin_class(l), locktime_now() - since);
}

static inline void rmap_spin_lock_nested(struct rmap_spinlock *l)
{
	rmap_spin_lock(l);
}

static inline void rmap_spin_unlock(struct rmap_spinlock *l)
{
	uint32_t word = atomic_load_explicit(&l->word, memory_order_relaxed);

	locktime_released(l);
	atomic_store_explicit(&l->word, word & ~(uint32_t)1, memory_order_release);
}

/* ---------------------------------------------------------------- sleeping locks */

struct rmap_rwsem {
	/* bit 31: a writer; bit 30: somebody waits; bit 29: a writer's turn; bits 24..28: class + 1; below: readers */
	_Atomic uint32_t word;
};

#define LOCKTIME_WRITER	 0x80000000u
#define LOCKTIME_WAITERS 0x40000000u
#define LOCKTIME_TURN	 0x20000000u
#define LOCKTIME_READERS 0x00ffffffu
#define LOCKTIME_HELD	 (LOCKTIME_WRITER | LOCKTIME_READERS)

static inline uint32_t locktime_rwsem_class(const struct rmap_rwsem *l)
{
	return atomic_load_explicit(&l->word, memory_order_relaxed) >> 24 & 31;
}

static inline void rmap_rwsem_init(struct rmap_rwsem *l, enum rmap_lock_class lock_class)
{
	atomic_store_explicit(&l->word, ((uint32_t)lock_class + 1) << 24, memory_order_relaxed);
}

/* Take it by adding grant and clearing the bits of clear, unless one of blockers is set. */
static inline bool locktime_rwsem_try(struct rmap_rwsem *l, uint32_t blockers, uint32_t clear,
				      uint32_t grant)
{
	uint32_t v = atomic_load_explicit(&l->word, memory_order_relaxed);

	while (!(v & blockers)) {
		if (atomic_compare_exchange_weak_explicit(&l->word, &v, (v & ~clear) + grant,
							  memory_order_acquire,
							  memory_order_relaxed)) {
			locktime_got(l, v >> 24 & 31);
			return true;
		}
	}
	return false;
}

static inline bool locktime_write_take(struct rmap_rwsem *l)
{
	return locktime_rwsem_try(l, LOCKTIME_HELD, LOCKTIME_TURN, LOCKTIME_WRITER);
}

/* Where nobody has it those that wait race for it, unless it is a writer's turn. */
static inline bool locktime_read_take(struct rmap_rwsem *l)
{
	uint32_t v = atomic_load_explicit(&l->word, memory_order_relaxed);
	uint32_t blockers = LOCKTIME_WRITER | LOCKTIME_TURN;

	return locktime_rwsem_try(l, v & LOCKTIME_HELD ? blockers | LOCKTIME_WAITERS : blockers, 0,
				  1);
}

/* src/base/locks.c says why nobody sleeps for ever, and whose turn it is. */
static inline void locktime_rwsem_sleep(struct rmap_rwsem *l, const struct rmap_port *port,
					bool writer)
{
	uint32_t v = atomic_load_explicit(&l->word, memory_order_relaxed), waiting;

	if (!(v & (writer ? LOCKTIME_HELD : LOCKTIME_HELD | LOCKTIME_TURN)))
		return;
	waiting = v | LOCKTIME_WAITERS;
	if (writer && (v & LOCKTIME_READERS))
		waiting |= LOCKTIME_TURN;
	if (v != waiting &&
	    !atomic_compare_exchange_strong_explicit(&l->word, &v, waiting, memory_order_relaxed,
						     memory_order_relaxed))
		return;
	if (port->wait)
		port->wait(port->ctx, &l->word, waiting);
	else
		rmap_cpu_relax();
}

static inline bool rmap_read_trylock(struct rmap_rwsem *l)
{
	return locktime_rwsem_try(l, LOCKTIME_WRITER | LOCKTIME_WAITERS | LOCKTIME_TURN, 0, 1);
}

static inline bool rmap_write_trylock(struct rmap_rwsem *l)
{
	return locktime_rwsem_try(l, LOCKTIME_HELD | LOCKTIME_WAITERS | LOCKTIME_TURN, 0,
				  LOCKTIME_WRITER);
}

static inline void rmap_read_lock(struct rmap_rwsem *l, const struct rmap_port *port)
{
	uint64_t since;

	if (rmap_likely(rmap_read_trylock(l)))
		return;
	since = locktime_now();
	while (!locktime_read_take(l))
		locktime_rwsem_sleep(l, port, false);
	locktime_waited(locktime_rwsem_class(l), locktime_now() - since);
}

static inline void rmap_write_lock(struct rmap_rwsem *l, const struct rmap_port *port)
{
	uint64_t since;

	if (rmap_likely(rmap_write_trylock(l)))
		return;
	since = locktime_now();
	while (!locktime_write_take(l))
		locktime_rwsem_sleep(l, port, true);
	locktime_waited(locktime_rwsem_class(l), locktime_now() - since);
}

static inline void rmap_write_lock_nested(struct rmap_rwsem *l, const struct rmap_port *port)
{
	rmap_write_lock(l, port);
}

static inline void locktime_rwsem_wake(struct rmap_rwsem *l, const struct rmap_port *port)
{
	atomic_fetch_and_explicit(&l->word, ~LOCKTIME_WAITERS, memory_order_relaxed);
	if (port->wake)
		port->wake(port->ctx, &l->word);
}

static inline void rmap_read_unlock(struct rmap_rwsem *l, const struct rmap_port *port)
{
	uint32_t old;

	locktime_released(l);
	old = atomic_fetch_sub_explicit(&l->word, 1, memory_order_release);
	if (rmap_unlikely((old & LOCKTIME_WAITERS) && (old & LOCKTIME_READERS) == 1))
		locktime_rwsem_wake(l, port);
}

static inline void rmap_write_unlock(struct rmap_rwsem *l, const struct rmap_port *port)
{
	uint32_t old;

	locktime_released(l);
	old = atomic_fetch_and_explicit(&l->word, ~LOCKTIME_WRITER, memory_order_release);
	if (rmap_unlikely(old & LOCKTIME_WAITERS))
		locktime_rwsem_wake(l, port);
}

static inline bool rmap_rwsem_is_locked(const struct rmap_rwsem *l)
{
	return atomic_load_explicit(&l->word, memory_order_relaxed) & LOCKTIME_HELD;
}

static inline bool rmap_rwsem_is_write_locked(const struct rmap_rwsem *l)
{
	return atomic_load_explicit(&l->word, memory_order_relaxed) & LOCKTIME_WRITER;
}

/* ---------------------------------------------------------------- bit locks */

static inline void rmap_bit_lock_wait(const void *lock, enum rmap_lock_class lock_class)
{
	(void)lock_class;
	locktime_me.waits_for = lock;
	locktime_me.waits_since = locktime_now();
}

static inline void rmap_bit_lock_got(const void *lock, enum rmap_lock_class lock_class)
{
	struct locktime_thread *me = &locktime_me;

	if (me->waits_for == lock) {
		uint64_t ticks = locktime_now() - me->waits_since;

		me->waits_for = NULL;
		if (ticks > LOCKTIME_CONTENDED)
			locktime_waited((uint32_t)lock_class + 1, ticks);
	}
	locktime_got(lock, (uint32_t)lock_class + 1);
}

static inline void rmap_bit_lock_released(const void *lock, enum rmap_lock_class lock_class)
{
	(void)lock_class;
	locktime_released(lock);
}

#endif
