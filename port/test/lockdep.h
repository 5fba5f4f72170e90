/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks that check their order, as lockdep does: -DRMAP_LOCKS_HEADER='"test/lockdep.h"' for everything, libraries and all.
 *
 * Each thread keeps a list of the locks it holds. Before it waits for a lock, its class must stand behind all classes on the list
 * in the order of locks.h (so that the first run through a wrong order is found, not the one in a thousand that deadlocks); a
 * second lock of a class only where the code says "nested". A try may come in any order, since it does not wait. Whoever holds a
 * spin lock or is in an RCU section may not sleep: not wait for a sleeping lock, not allocate, not do I/O. A lock is released by
 * the thread that holds it.
 *
 * What it costs: a lock takes twice its time; a sleeping lock that is contended spins and yields. A lock keeps its class in its
 * word, where that of the default ones has zeros, so that structures keep their sizes. A lock of zero bytes has no class and is
 * not checked against the order.
 *
 * Everything is in line, and the list a weak definition, so that the header alone turns the checks on.
 */
#ifndef LOCKDEP_H
#define LOCKDEP_H

/* The libraries hide their symbols; the C library's are not theirs. */
#pragma GCC visibility push(default)
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#pragma GCC visibility pop

#define LOCKDEP_HELD_MAX 64

struct lockdep_held {
	const void *lock;
	uint32_t lock_class; /* + 1; 0: unknown */
};

struct lockdep_thread {
	struct lockdep_held held[LOCKDEP_HELD_MAX];
	unsigned int nr;
	unsigned int nr_spin;
	unsigned int rcu;
};

/* One for each thread of the process, whoever includes this. */
__attribute__((weak)) __thread struct lockdep_thread lockdep_me;

/* How often it has taken locks of each class (+ 1; 0: of no class). */
__attribute__((weak)) __thread uint64_t lockdep_taken[RMAP_LOCK_CLASSES + 1];

/* Called instead of abort() if it is set: tests of the checks themselves. */
__attribute__((weak)) void (*lockdep_on_violation)(const char *what);

/* As those count: classes + 1. */
static inline const char *lockdep_name(uint32_t lock_class)
{
	return lock_class ? rmap_lock_name((enum rmap_lock_class)(lock_class - 1)) : "no class";
}

static inline void lockdep_violation(const char *what, uint32_t lock_class)
{
	const struct lockdep_thread *me = &lockdep_me;
	char text[256];
	unsigned int i;
	int n;

	n = snprintf(text, sizeof(text), "%s (%s), holding", what, lockdep_name(lock_class));
	for (i = 0; i < me->nr && n > 0 && (size_t)n < sizeof(text); i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " > %s",
			      lockdep_name(me->held[i].lock_class));
	if (lockdep_on_violation) {
		lockdep_on_violation(text);
		return;
	}
	fprintf(stderr, "lockdep: %s\n", text);
	abort();
}

static inline void lockdep_sleeps(const char *what, const char *where)
{
	char text[96];

	snprintf(text, sizeof(text), "may sleep %s: %s", where, what);
	lockdep_violation(text, 0);
}

/* The thread is about to do what may sleep. */
static inline void lockdep_may_sleep(const char *what)
{
	if (lockdep_me.nr_spin)
		lockdep_sleeps(what, "under a spin lock");
	else if (lockdep_me.rcu)
		lockdep_sleeps(what, "in an RCU section");
}

static inline void lockdep_rcu_enter(void)
{
	lockdep_me.rcu++;
}

static inline void lockdep_rcu_leave(void)
{
	if (!lockdep_me.rcu--)
		lockdep_violation("leaves an RCU section that it is not in", 0);
}

/* Before waiting for a lock. */
static inline void lockdep_wait(const void *lock, uint32_t lock_class, bool nested, bool sleeps)
{
	const struct lockdep_thread *me = &lockdep_me;
	unsigned int i;

	if (sleeps)
		lockdep_may_sleep("waits for a sleeping lock");
	for (i = 0; i < me->nr; i++) {
		uint32_t held = me->held[i].lock_class;

		if (me->held[i].lock == lock)
			lockdep_violation("takes a lock twice", lock_class);
		else if (held && lock_class && lock_class < held)
			lockdep_violation("takes locks in the wrong order", lock_class);
		else if (held && held == lock_class && !nested)
			lockdep_violation("takes a second lock of the class", lock_class);
	}
}

/* Does this thread hold it? */
static inline bool lockdep_holds(const void *lock)
{
	const struct lockdep_thread *me = &lockdep_me;
	unsigned int i = me->nr;

	while (i && me->held[i - 1].lock != lock)
		i--;
	return i != 0;
}

static inline void lockdep_assert(const void *lock, uint32_t lock_class, bool ok)
{
	if (!ok || !lockdep_holds(lock))
		lockdep_violation("touches what a lock guards that it does not hold", lock_class);
}

static inline void lockdep_got(const void *lock, uint32_t lock_class, bool spin)
{
	struct lockdep_thread *me = &lockdep_me;

	if (me->nr == LOCKDEP_HELD_MAX) {
		lockdep_violation("holds more locks than can be", lock_class);
		return;
	}
	if (!lock_class)
		lockdep_violation("takes a lock that nobody has initialised", lock_class);
	lockdep_taken[lock_class]++;
	me->held[me->nr++] = (struct lockdep_held){ lock, lock_class };
	me->nr_spin += spin;
}

static inline void lockdep_release(const void *lock, uint32_t lock_class, bool spin)
{
	struct lockdep_thread *me = &lockdep_me;
	unsigned int i = me->nr;

	while (i && me->held[i - 1].lock != lock)
		i--;
	if (!i) {
		lockdep_violation("releases a lock that this thread does not hold", lock_class);
		return;
	}
	for (me->nr--; i <= me->nr; i++)
		me->held[i - 1] = me->held[i];
	me->nr_spin -= spin;
}

/* ---------------------------------------------------------------- spin locks */

struct rmap_spinlock {
	_Atomic uint32_t word; /* bit 0: held; bits 8..15: class + 1 */
};

static inline void rmap_cpu_relax(void)
{
	sched_yield();
}

static inline uint32_t lockdep_spin_class(const struct rmap_spinlock *l)
{
	return atomic_load_explicit(&l->word, memory_order_relaxed) >> 8;
}

static inline void rmap_spin_init(struct rmap_spinlock *l, enum rmap_lock_class lock_class)
{
	atomic_store_explicit(&l->word, ((uint32_t)lock_class + 1) << 8, memory_order_relaxed);
}

static inline bool lockdep_spin_try(struct rmap_spinlock *l)
{
	return !(atomic_fetch_or_explicit(&l->word, 1, memory_order_acquire) & 1);
}

static inline bool rmap_spin_trylock(struct rmap_spinlock *l)
{
	if (!lockdep_spin_try(l))
		return false;
	lockdep_got(l, lockdep_spin_class(l), true);
	return true;
}

static inline void lockdep_spin(struct rmap_spinlock *l, bool nested)
{
	lockdep_wait(l, lockdep_spin_class(l), nested, false);
	while (!lockdep_spin_try(l))
		rmap_cpu_relax();
	lockdep_got(l, lockdep_spin_class(l), true);
}

static inline void rmap_spin_lock(struct rmap_spinlock *l)
{
	lockdep_spin(l, false);
}

static inline void rmap_spin_lock_nested(struct rmap_spinlock *l)
{
	lockdep_spin(l, true);
}

static inline void rmap_spin_unlock(struct rmap_spinlock *l)
{
	lockdep_release(l, lockdep_spin_class(l), true);
	atomic_fetch_and_explicit(&l->word, ~(uint32_t)1, memory_order_release);
}

static inline bool rmap_spin_is_locked(const struct rmap_spinlock *l)
{
	return atomic_load_explicit(&l->word, memory_order_relaxed) & 1;
}

/* ---------------------------------------------------------------- sleeping locks */

struct rmap_rwsem {
	/* bit 31: a writer; bit 30: one waits; bits 24..28: class + 1; below: readers */
	_Atomic uint32_t word;
};

#define LOCKDEP_WRITER	0x80000000u
#define LOCKDEP_WAITER	0x40000000u
#define LOCKDEP_READERS 0x00ffffffu

static inline uint32_t lockdep_rwsem_class(const struct rmap_rwsem *l)
{
	return atomic_load_explicit(&l->word, memory_order_relaxed) >> 24 & 31;
}

static inline void rmap_rwsem_init(struct rmap_rwsem *l, enum rmap_lock_class lock_class)
{
	atomic_store_explicit(&l->word, ((uint32_t)lock_class + 1) << 24, memory_order_relaxed);
}

/* Add grant and clear the bits of clear, if none of those in blockers is set. */
static inline bool lockdep_rwsem_try(struct rmap_rwsem *l, uint32_t blockers, uint32_t clear,
				     uint32_t grant)
{
	uint32_t v = atomic_load_explicit(&l->word, memory_order_relaxed);

	while (!(v & blockers)) {
		if (atomic_compare_exchange_weak_explicit(&l->word, &v, (v & ~clear) + grant,
							  memory_order_acquire,
							  memory_order_relaxed)) {
			lockdep_got(l, lockdep_rwsem_class(l), false);
			return true;
		}
	}
	return false;
}

static inline bool rmap_read_trylock(struct rmap_rwsem *l)
{
	return lockdep_rwsem_try(l, LOCKDEP_WRITER | LOCKDEP_WAITER, 0, 1);
}

static inline bool rmap_write_trylock(struct rmap_rwsem *l)
{
	return lockdep_rwsem_try(l, LOCKDEP_WRITER | LOCKDEP_READERS, LOCKDEP_WAITER,
				 LOCKDEP_WRITER);
}

static inline void rmap_read_lock(struct rmap_rwsem *l, const struct rmap_port *port)
{
	(void)port;
	lockdep_wait(l, lockdep_rwsem_class(l), false, true);
	while (!rmap_read_trylock(l))
		rmap_cpu_relax();
}

static inline void lockdep_write(struct rmap_rwsem *l, bool nested)
{
	lockdep_wait(l, lockdep_rwsem_class(l), nested, true);
	while (!rmap_write_trylock(l)) {
		/* Holds newcomers off, or a stream of readers would starve us; whoever gets the lock clears it. */
		atomic_fetch_or_explicit(&l->word, LOCKDEP_WAITER, memory_order_relaxed);
		rmap_cpu_relax();
	}
}

static inline void rmap_write_lock(struct rmap_rwsem *l, const struct rmap_port *port)
{
	(void)port;
	lockdep_write(l, false);
}

static inline void rmap_write_lock_nested(struct rmap_rwsem *l, const struct rmap_port *port)
{
	(void)port;
	lockdep_write(l, true);
}

static inline void rmap_read_unlock(struct rmap_rwsem *l, const struct rmap_port *port)
{
	(void)port;
	lockdep_release(l, lockdep_rwsem_class(l), false);
	atomic_fetch_sub_explicit(&l->word, 1, memory_order_release);
}

static inline void rmap_write_unlock(struct rmap_rwsem *l, const struct rmap_port *port)
{
	(void)port;
	lockdep_release(l, lockdep_rwsem_class(l), false);
	atomic_fetch_and_explicit(&l->word, ~LOCKDEP_WRITER, memory_order_release);
}

static inline bool rmap_rwsem_is_locked(const struct rmap_rwsem *l)
{
	return atomic_load_explicit(&l->word, memory_order_relaxed) &
	       (LOCKDEP_WRITER | LOCKDEP_READERS);
}

static inline bool rmap_rwsem_is_write_locked(const struct rmap_rwsem *l)
{
	return atomic_load_explicit(&l->word, memory_order_relaxed) & LOCKDEP_WRITER;
}

/* ---------------------------------------------------------------- bit locks */

/* Of the locks that are a part of a word, the page lock and the VMA's are slept for. */
static inline bool lockdep_bit_sleeps(enum rmap_lock_class lock_class)
{
	return lock_class == RMAP_LOCK_PAGE || lock_class == RMAP_LOCK_VMA;
}

static inline void rmap_bit_lock_wait(const void *lock, enum rmap_lock_class lock_class)
{
	lockdep_wait(lock, (uint32_t)lock_class + 1, true, lockdep_bit_sleeps(lock_class));
}

static inline void rmap_bit_lock_got(const void *lock, enum rmap_lock_class lock_class)
{
	lockdep_got(lock, (uint32_t)lock_class + 1, !lockdep_bit_sleeps(lock_class));
}

static inline void rmap_bit_lock_released(const void *lock, enum rmap_lock_class lock_class)
{
	lockdep_release(lock, (uint32_t)lock_class + 1, !lockdep_bit_sleeps(lock_class));
}

/* ---------------------------------------------------------------- assertions */

#define rmap_assert_spin_held(l) lockdep_assert(l, lockdep_spin_class(l), true)
#define rmap_assert_read_held(l) lockdep_assert(l, lockdep_rwsem_class(l), true)
#define rmap_assert_write_held(l)                                                                  \
	lockdep_assert(l, lockdep_rwsem_class(l), rmap_rwsem_is_write_locked(l))
#define rmap_assert_bit_held(l)		 lockdep_assert(l, 0, true)
#define rmap_assert_may_wait(lock_class) lockdep_wait(NULL, (uint32_t)(lock_class) + 1, false, true)

#endif
