/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks for woven threads: -DRMAP_LOCKS_HEADER='"test/weave/locks.h"'.
 *
 * Each operation is a scheduling point. Who wants a lock that is held is not run until it is free; when nobody can be run, that
 * is a deadlock, and its report says who holds what. The order is checked as lockdep.h does. A sleeping lock's release touches
 * the lock a second time where somebody waits for it, as the default one does: whoever freed it in between is found out, since
 * freed memory is overwritten.
 *
 * Under ThreadSanitizer the words' own orders tell it what is synchronised; readers release to a word of their own, so that
 * two of them are not taken to be ordered.
 */
#ifndef WEAVE_LOCKS_H
#define WEAVE_LOCKS_H

#include <test/weave/point.h>

#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define WEAVE_ACQUIRE(address) __tsan_acquire(address)
#define WEAVE_RELEASE(address) __tsan_release(address)
#else
#define WEAVE_ACQUIRE(address) ((void)(address))
#define WEAVE_RELEASE(address) ((void)(address))
#endif

/* What freed memory is filled with, as a word. */
#define WEAVE_POISON 0x6b6b6b6bu

static inline void rmap_cpu_relax(void)
{
	weave_relax();
}

/* ---------------------------------------------------------------- spin locks */

struct rmap_spinlock {
	uint32_t
		word; /* bit 0: held; bits 8..15: class + 1; only one woven thread runs at a time */
};

static inline void rmap_spin_init(struct rmap_spinlock *l, enum rmap_lock_class lock_class)
{
	uint32_t v = ((uint32_t)lock_class + 1) << 8;

	__atomic_store(&l->word, &v, __ATOMIC_RELAXED);
}

/* The word, without a point. */
static inline uint32_t weave_word(const uint32_t *word)
{
	uint32_t v;

	__atomic_load(word, &v, __ATOMIC_RELAXED);
	return v;
}

static inline void weave_set_word(uint32_t *word, uint32_t v)
{
	__atomic_store(word, &v, __ATOMIC_RELAXED);
}

static inline void weave_lock_sound(const uint32_t *word)
{
	if (weave_word(word) == WEAVE_POISON)
		weave_fail("a lock in freed memory is used");
}

static inline bool rmap_spin_trylock(struct rmap_spinlock *l)
{
	uint32_t v;

	weave_at(l, WEAVE_WRITE);
	weave_lock_sound(&l->word);
	v = weave_word(&l->word);
	if (v & 1)
		return false;
	weave_set_word(&l->word, v | 1);
	WEAVE_ACQUIRE(l);
	weave_lock_got(l, v >> 8, false);
	return true;
}

static inline void weave_spin(struct rmap_spinlock *l, bool nested)
{
	uint32_t v;

	weave_lock_wait(l, weave_word(&l->word) >> 8, nested, false);
	weave_point_clear(l, WEAVE_WRITE, &l->word, 1);
	weave_lock_sound(&l->word);
	v = weave_word(&l->word);
	weave_set_word(&l->word, v | 1);
	WEAVE_ACQUIRE(l);
	weave_lock_got(l, v >> 8, false);
}

static inline void rmap_spin_lock(struct rmap_spinlock *l)
{
	weave_spin(l, false);
}

static inline void rmap_spin_lock_nested(struct rmap_spinlock *l)
{
	weave_spin(l, true);
}

static inline void rmap_spin_unlock(struct rmap_spinlock *l)
{
	weave_at(l, WEAVE_WRITE);
	weave_lock_sound(&l->word);
	weave_lock_released(l, weave_word(&l->word) >> 8, false);
	WEAVE_RELEASE(l);
	weave_set_word(&l->word, weave_word(&l->word) & ~(uint32_t)1);
}

static inline bool rmap_spin_is_locked(const struct rmap_spinlock *l)
{
	weave_at(l, WEAVE_READ);
	return weave_word(&l->word) & 1;
}

/* ---------------------------------------------------------------- sleeping locks */

struct rmap_rwsem {
	uint32_t word; /* bit 31: a writer; bits 24..30: class + 1; below: readers */
};

#define WEAVE_WRITER  0x80000000u
#define WEAVE_READERS 0x00ffffffu

static inline uint32_t weave_rwsem_class(const struct rmap_rwsem *l)
{
	return weave_word(&l->word) >> 24 & 127;
}

static inline void rmap_rwsem_init(struct rmap_rwsem *l, enum rmap_lock_class lock_class)
{
	weave_set_word(&l->word, ((uint32_t)lock_class + 1) << 24);
}

/* What readers release to and writers acquire from. */
static inline char *weave_readers(struct rmap_rwsem *l)
{
	return (char *)l + 1;
}

/* Behind the point, the word allowing it. */
static inline void weave_read_got(struct rmap_rwsem *l)
{
	weave_set_word(&l->word, weave_word(&l->word) + 1);
	WEAVE_ACQUIRE(l);
	weave_lock_got(l, weave_rwsem_class(l), true);
}

static inline void weave_write_got(struct rmap_rwsem *l)
{
	weave_set_word(&l->word, weave_word(&l->word) | WEAVE_WRITER);
	WEAVE_ACQUIRE(l);
	WEAVE_ACQUIRE(weave_readers(l));
	weave_lock_got(l, weave_rwsem_class(l), true);
}

static inline bool rmap_read_trylock(struct rmap_rwsem *l)
{
	weave_at(l, WEAVE_WRITE);
	weave_lock_sound(&l->word);
	if (weave_word(&l->word) & WEAVE_WRITER)
		return false;
	weave_read_got(l);
	return true;
}

static inline bool rmap_write_trylock(struct rmap_rwsem *l)
{
	weave_at(l, WEAVE_WRITE);
	weave_lock_sound(&l->word);
	if (weave_word(&l->word) & (WEAVE_WRITER | WEAVE_READERS))
		return false;
	weave_write_got(l);
	return true;
}

static inline void rmap_read_lock(struct rmap_rwsem *l, const struct rmap_port *port)
{
	(void)port;
	weave_lock_wait(l, weave_rwsem_class(l), false, true);
	weave_point_clear(l, WEAVE_ADD, &l->word, WEAVE_WRITER);
	weave_lock_sound(&l->word);
	weave_read_got(l);
}

static inline void weave_write(struct rmap_rwsem *l, bool nested)
{
	weave_lock_wait(l, weave_rwsem_class(l), nested, true);
	weave_point_clear(l, WEAVE_WRITE, &l->word, WEAVE_WRITER | WEAVE_READERS);
	weave_lock_sound(&l->word);
	weave_write_got(l);
}

static inline void rmap_write_lock(struct rmap_rwsem *l, const struct rmap_port *port)
{
	(void)port;
	weave_write(l, false);
}

static inline void rmap_write_lock_nested(struct rmap_rwsem *l, const struct rmap_port *port)
{
	(void)port;
	weave_write(l, true);
}

/* A release's second touch. */
static inline void weave_wake_waiters(struct rmap_rwsem *l)
{
	if (!weave_lock_wanted(l))
		return;
	weave_at(l, WEAVE_WRITE);
	if (weave_word(&l->word) == WEAVE_POISON)
		weave_fail("a lock was freed before its release was through with it");
}

static inline void rmap_read_unlock(struct rmap_rwsem *l, const struct rmap_port *port)
{
	(void)port;
	weave_at(l, WEAVE_ADD);
	weave_lock_sound(&l->word);
	weave_lock_released(l, weave_rwsem_class(l), true);
	WEAVE_RELEASE(weave_readers(l));
	weave_set_word(&l->word, weave_word(&l->word) - 1);
	if (!(weave_word(&l->word) & WEAVE_READERS))
		weave_wake_waiters(l);
}

static inline void rmap_write_unlock(struct rmap_rwsem *l, const struct rmap_port *port)
{
	(void)port;
	weave_at(l, WEAVE_WRITE);
	weave_lock_sound(&l->word);
	weave_lock_released(l, weave_rwsem_class(l), true);
	WEAVE_RELEASE(l);
	weave_set_word(&l->word, weave_word(&l->word) & ~WEAVE_WRITER);
	weave_wake_waiters(l);
}

static inline bool rmap_rwsem_is_locked(const struct rmap_rwsem *l)
{
	return weave_word(&l->word) & (WEAVE_WRITER | WEAVE_READERS);
}

static inline bool rmap_rwsem_is_write_locked(const struct rmap_rwsem *l)
{
	return weave_word(&l->word) & WEAVE_WRITER;
}

/* ---------------------------------------------------------------- bit locks */

/* Of the locks that are a part of a word, the page lock and the VMA's are slept for. */
static inline bool weave_bit_sleeps(enum rmap_lock_class lock_class)
{
	return lock_class == RMAP_LOCK_PAGE || lock_class == RMAP_LOCK_VMA;
}

static inline void rmap_bit_lock_wait(const void *lock, enum rmap_lock_class lock_class)
{
	weave_lock_wait(lock, (uint32_t)lock_class + 1, true, weave_bit_sleeps(lock_class));
}

static inline void rmap_bit_lock_got(const void *lock, enum rmap_lock_class lock_class)
{
	weave_lock_got(lock, (uint32_t)lock_class + 1, weave_bit_sleeps(lock_class));
}

static inline void rmap_bit_lock_released(const void *lock, enum rmap_lock_class lock_class)
{
	weave_lock_released(lock, (uint32_t)lock_class + 1, weave_bit_sleeps(lock_class));
}

/* ---------------------------------------------------------------- assertions */

#define rmap_assert_spin_held(l)  weave_lock_assert(l, true)
#define rmap_assert_read_held(l)  weave_lock_assert(l, true)
#define rmap_assert_write_held(l) weave_lock_assert(l, rmap_rwsem_is_write_locked(l))
#define rmap_assert_bit_held(l)	  weave_lock_assert(l, true)
#define rmap_assert_may_wait(lock_class)                                                           \
	weave_lock_wait(NULL, (uint32_t)(lock_class) + 1, false, true)

#endif
