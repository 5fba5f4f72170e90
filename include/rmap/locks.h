/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks: types and inline functions, replaceable as a whole.
 *
 * An embedder with locks of its own compiles the sources with -DRMAP_LOCKS_HEADER='"my_locks.h"'; that header must
 * define everything below the #else. These default ones are C11 atomics of four bytes each. The uncontended path is one
 * atomic operation and no call; a sleeping lock that has to wait does so through the port's wait and wake (a futex in
 * shape), or by spinning where the port has none. A lock of all zero bytes is an unlocked lock: type-stable objects
 * depend on that.
 *
 * Every lock is initialised with its class, so that a checking header can hold every acquisition against the order in
 * docs/locking.md. The default one forgets it.
 *
 * The order, outermost first:
 *
 *   mmap_lock > VMA lock > invalidate lock > page lock > file map lock > anon_vma root lock > displaced lock > page_table_lock > table lock (PTL) >
 *   VMA tree lock > PTE chain lock > swap lock > mm list lock > system list > file pages lock > CPU lock > LRU lock > frame lock > lineage lock
 *
 * Who may hold two of one class, and in which order, is said there, too.
 */
#ifndef RMAP_LOCKS_H
#define RMAP_LOCKS_H

#include <rmap/types.h>

enum rmap_lock_class {
	RMAP_LOCK_MMAP,	      /* struct mm: sleeping */
	RMAP_LOCK_VMA,	      /* one VMA, against changes of it: sleeping, a word of its own */
	RMAP_LOCK_INVALIDATE, /* a file's size and what may be cached: sleeping */
	RMAP_LOCK_PAGE,	      /* struct page: sleeping, a bit in its flags */
	RMAP_LOCK_FILE_MAP,   /* struct rmap_file's tree of VMAs: sleeping */
	RMAP_LOCK_ANON_VMA,   /* an anon_vma tree's root: sleeping */
	RMAP_LOCK_DISPLACED,  /* a lineage node: moves of its mm's entries: spin */
	RMAP_LOCK_PAGE_TABLE, /* struct mm: upper tables; a VMA's first page: spin */
	RMAP_LOCK_PTL,	      /* one table page: spin */
	RMAP_LOCK_VMA_TREE,   /* struct mm: the tree of VMAs and their bounds, for walkers: spin */
	RMAP_LOCK_PTE_CHAIN,  /* one page's chain, a bit in its design word: spin */
	RMAP_LOCK_SWAP,	      /* the swap map: spin */
	RMAP_LOCK_MM_LIST,    /* mms with swap entries: spin */
	RMAP_LOCK_SYSTEM,     /* struct mm_system's lists of address spaces and files: spin */
	RMAP_LOCK_FILE_PAGES, /* a file's page tree: spin */
	RMAP_LOCK_CPU,	      /* what a processor keeps to itself: spin */
	RMAP_LOCK_LRU,	      /* spin */
	RMAP_LOCK_FRAMES,     /* the free frames: spin */
	RMAP_LOCK_LINEAGE,    /* a lineage node's links: spin; parent, child, grandchild */
	RMAP_LOCK_CLASSES,
};

/* What docs/locking.md calls it, as "mmap_lock": for who checks or measures locks. "?" for what is no class. Never NULL. */
const char *rmap_lock_name(enum rmap_lock_class lock_class);

struct rmap_port;

#ifdef RMAP_LOCKS_HEADER
#include RMAP_LOCKS_HEADER
#else

struct rmap_spinlock {
	_Atomic uint32_t word; /* 0 free, 1 held */
};

/* Many readers or one writer; a holder may sleep. */
struct rmap_rwsem {
	/* bit 31: a writer; bit 30: somebody waits; bit 29: it is a writer's turn; below: readers */
	_Atomic uint32_t word;
};

#define RMAP_RWSEM_WRITER  0x80000000u
#define RMAP_RWSEM_WAITERS 0x40000000u
#define RMAP_RWSEM_TURN	   0x20000000u
#define RMAP_RWSEM_READERS 0x1fffffffu

/* Between two looks at a word that another processor will change. */
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

/* Free, of that class. Nobody else sees the lock yet. */
static inline void rmap_spin_init(struct rmap_spinlock *l, enum rmap_lock_class lock_class)
{
	(void)lock_class;
	atomic_init(&l->word, 0);
}

/* Take it if it is free; never waits. True: taken. */
static inline bool rmap_spin_trylock(struct rmap_spinlock *l)
{
	return atomic_load_explicit(&l->word, memory_order_relaxed) == 0 &&
	       atomic_exchange_explicit(&l->word, 1, memory_order_acquire) == 0;
}

/* Take it, spinning. Whoever holds it does not sleep. */
static inline void rmap_spin_lock(struct rmap_spinlock *l)
{
	while (rmap_unlikely(!rmap_spin_trylock(l)))
		rmap_cpu_relax();
}

/* A second lock of the same class, whose order the caller knows: by address, the child's first, from parent to child. */
static inline void rmap_spin_lock_nested(struct rmap_spinlock *l)
{
	rmap_spin_lock(l);
}

/* By its holder. */
static inline void rmap_spin_unlock(struct rmap_spinlock *l)
{
	atomic_store_explicit(&l->word, 0, memory_order_release);
}

/* For assertions: is it held by anybody? */
static inline bool rmap_spin_is_locked(const struct rmap_spinlock *l)
{
	return atomic_load_explicit(&l->word, memory_order_relaxed) != 0;
}

/* Free, of that class. Nobody else sees the lock yet. */
static inline void rmap_rwsem_init(struct rmap_rwsem *l, enum rmap_lock_class lock_class)
{
	(void)lock_class;
	atomic_init(&l->word, 0);
}

/* The contended halves; src/base/locks.c. */
void rmap_rwsem_read_slow(struct rmap_rwsem *l, const struct rmap_port *port);
void rmap_rwsem_write_slow(struct rmap_rwsem *l, const struct rmap_port *port);
void rmap_rwsem_wake(struct rmap_rwsem *l, const struct rmap_port *port);

/* Take it for reading unless a writer has it or somebody waits; never waits. True: taken. */
static inline bool rmap_read_trylock(struct rmap_rwsem *l)
{
	uint32_t v = atomic_load_explicit(&l->word, memory_order_relaxed);

	while (!(v & ~RMAP_RWSEM_READERS)) {
		if (atomic_compare_exchange_weak_explicit(&l->word, &v, v + 1, memory_order_acquire,
							  memory_order_relaxed))
			return true;
	}
	return false;
}

/* Take it for reading; may sleep, behind writers that came first, so nobody takes it twice. */
static inline void rmap_read_lock(struct rmap_rwsem *l, const struct rmap_port *port)
{
	if (rmap_unlikely(!rmap_read_trylock(l)))
		rmap_rwsem_read_slow(l, port);
}

/* By one of its readers. */
static inline void rmap_read_unlock(struct rmap_rwsem *l, const struct rmap_port *port)
{
	uint32_t old = atomic_fetch_sub_explicit(&l->word, 1, memory_order_release);

	if (rmap_unlikely((old & ~RMAP_RWSEM_TURN) == (RMAP_RWSEM_WAITERS | 1)))
		rmap_rwsem_wake(l, port);
}

/* Take it for writing if it is free and nobody waits; never waits. True: taken. */
static inline bool rmap_write_trylock(struct rmap_rwsem *l)
{
	uint32_t free_word = 0;

	return atomic_compare_exchange_strong_explicit(&l->word, &free_word, RMAP_RWSEM_WRITER,
						       memory_order_acquire, memory_order_relaxed);
}

/* Take it for writing; may sleep. */
static inline void rmap_write_lock(struct rmap_rwsem *l, const struct rmap_port *port)
{
	if (rmap_unlikely(!rmap_write_trylock(l)))
		rmap_rwsem_write_slow(l, port);
}

/* A second lock of the same class that the caller knows to be free of a cycle (fork: child inside parent). */
static inline void rmap_write_lock_nested(struct rmap_rwsem *l, const struct rmap_port *port)
{
	rmap_write_lock(l, port);
}

/* By its writer. */
static inline void rmap_write_unlock(struct rmap_rwsem *l, const struct rmap_port *port)
{
	uint32_t old =
		atomic_fetch_and_explicit(&l->word, ~RMAP_RWSEM_WRITER, memory_order_release);

	if (rmap_unlikely(old & RMAP_RWSEM_WAITERS))
		rmap_rwsem_wake(l, port);
}

/* For assertions: is it held by anybody, for reading or writing? */
static inline bool rmap_rwsem_is_locked(const struct rmap_rwsem *l)
{
	return (atomic_load_explicit(&l->word, memory_order_relaxed) &
		(RMAP_RWSEM_WRITER | RMAP_RWSEM_READERS)) != 0;
}

/* For assertions: is it held for writing by anybody? */
static inline bool rmap_rwsem_is_write_locked(const struct rmap_rwsem *l)
{
	return (atomic_load_explicit(&l->word, memory_order_relaxed) & RMAP_RWSEM_WRITER) != 0;
}

/*
 * A lock that is a bit in somebody else's word (the page lock) reports itself, so that a checking header can see it: before
 * waiting, when taken (also by a try), when released. The default header does not look.
 */
static inline void rmap_bit_lock_wait(const void *lock, enum rmap_lock_class lock_class)
{
	(void)lock;
	(void)lock_class;
}

/* It is taken. */
static inline void rmap_bit_lock_got(const void *lock, enum rmap_lock_class lock_class)
{
	(void)lock;
	(void)lock_class;
}

/* It is free again. */
static inline void rmap_bit_lock_released(const void *lock, enum rmap_lock_class lock_class)
{
	(void)lock;
	(void)lock_class;
}

#endif /* RMAP_LOCKS_HEADER */

/*
 * Assertions that this thread holds a lock: a header that knows who holds what defines these (as macros); to others they say
 * nothing. read: for reading or for writing.
 */
#ifndef rmap_assert_spin_held
#define rmap_assert_spin_held(l) ((void)(l))
#endif
#ifndef rmap_assert_read_held
#define rmap_assert_read_held(l) ((void)(l))
#endif
#ifndef rmap_assert_write_held
#define rmap_assert_write_held(l) ((void)(l))
#endif
#ifndef rmap_assert_bit_held
#define rmap_assert_bit_held(l) ((void)(l))
#endif

/*
 * That this thread may wait for a sleeping lock of that class now, whether it comes to that or not: it holds none of this class or behind
 * it, no spin lock, and is in no RCU section. For who waits seldom. To a header that does not know it says nothing.
 */
#ifndef rmap_assert_may_wait
#define rmap_assert_may_wait(lock_class) ((void)(lock_class))
#endif

#endif
