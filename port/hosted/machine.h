/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of a hosted machine, for the files of this room alone. Each part has one file and one structure here.
 */
#ifndef HOSTED_MACHINE_H
#define HOSTED_MACHINE_H

#include "hosted.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__)
#define HOSTED_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HOSTED_TSAN 1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)
#define HOSTED_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOSTED_ASAN 1
#endif
#endif

/* In a build with locks that check (port/test/lockdep.h): may this thread sleep now? */
#ifdef LOCKDEP_H
#define HOSTED_MAY_SLEEP(what) lockdep_may_sleep(what)
#define HOSTED_RCU_ENTER()     lockdep_rcu_enter()
#define HOSTED_RCU_LEAVE()     lockdep_rcu_leave()
#else
#define HOSTED_MAY_SLEEP(what) ((void)0)
#define HOSTED_RCU_ENTER()     ((void)0)
#define HOSTED_RCU_LEAVE()     ((void)0)
#endif

#define HOSTED_CACHE_LINE 64

/*
 * What two processors write to stands so far apart: processors fetch lines in pairs, and the line before or behind one that they were
 * asked for. So it takes a whole line between the two that nobody writes to.
 */
#define HOSTED_APART	  (2 * HOSTED_CACHE_LINE)

/* The same behind what one goes through from end to end, line by line: processors run that far ahead. */
#define HOSTED_AHEAD	  (32 * HOSTED_CACHE_LINE)

/* A spin lock that gives the processor away when its holder may have lost it. */
struct hosted_spin {
	_Atomic uint32_t word; /* 0 free, 1 held */
};

void hosted_spin_slow(struct hosted_spin *lock);

static inline void hosted_spin_lock(struct hosted_spin *lock)
{
	if (rmap_unlikely(atomic_exchange_explicit(&lock->word, 1, memory_order_acquire)))
		hosted_spin_slow(lock);
}

static inline void hosted_spin_unlock(struct hosted_spin *lock)
{
	atomic_store_explicit(&lock->word, 0, memory_order_release);
}

/* ---------------------------------------------------------------- cache.c */

/* Objects that a thread keeps of each kind, and how many of them change hands at once. */
#define HOSTED_MAGAZINE	 64
#define HOSTED_HALF	 (HOSTED_MAGAZINE / 2)

/* What the owner's magazine is filled from before the depot is asked: what it held once, and what was freed on its behalf. */
#define HOSTED_SHELF_MAX 4096u

struct hosted_shelf {
	struct hosted_spin lock;
	_Atomic uint32_t nr; /* changed under lock */
	uint32_t room;	     /* lock */
	void **object;	     /* lock */
};

/* One thread's share of a machine's caches. Used by its owner alone, but for what says otherwise. */
struct hosted_local {
	/* hosted.local_lock to enter; fixed then */
	_Alignas(HOSTED_APART) struct hosted_local *next;
	uint64_t owner;	       /* thread number, 0: nobody's; hosted.local_lock */
	_Atomic uint32_t seat; /* its owner's, who sets it, or was */
	/* The counters are read by anybody. */
	_Atomic int64_t live[RMAP_KINDS];
	_Atomic int64_t bytes[RMAP_KINDS];
	_Atomic uint64_t deferred; /* objects given to call_rcu */
	/* What the owner has deferred, newest first; whoever runs it takes all. */
	_Atomic(struct rmap_rcu *) pushed;
	struct {
		uint32_t nr;
		void *object[HOSTED_MAGAZINE];
	} magazine[RMAP_KINDS];
	/* Never used yet: of a slab, the thread's own. */
	struct {
		char *next, *end;
	} chunk[RMAP_KINDS];
	struct hosted_shelf shelf[RMAP_KINDS];
	struct rmap_rcu *taken; /* of pushed, to be run; hosted.defer.run */
	char gap[HOSTED_CACHE_LINE];
};

/* A kind's objects that no thread keeps. */
struct hosted_depot {
	_Alignas(HOSTED_CACHE_LINE) struct hosted_spin lock;
	_Atomic uint64_t size; /* bytes of an object, rounded up; fixed by the first alloc */
	void **free;	       /* lock */
	uint64_t nr_free;      /* lock */
	uint64_t room;	       /* of free, never less than all objects ever cut; lock */
	uint64_t cut;	       /* objects cut from slabs; lock */
	char *slab, *slab_end; /* the rest of the newest slab; lock */
};

struct hosted_slab {
	struct hosted_slab *next;
	uint64_t bytes;
};

int hosted_cache_init(struct hosted *h);
void hosted_cache_destroy(struct hosted *h);
void *hosted_cache_alloc(void *ctx, enum rmap_kind kind, size_t size);
void hosted_cache_free(void *ctx, enum rmap_kind kind, void *object, size_t size);
/* The thread of that number ends: its shares are free for the next one. */
void hosted_cache_thread_gone(struct hosted *h, uint64_t thread);
/* This thread's share, or NULL: no memory. */
struct hosted_local *hosted_cache_local(struct hosted *h);
/*
 * From now on this thread works on behalf of that one, whose share what it frees goes to, and whose seat it has; NULL: on its own
 * again. So what is freed after a grace period comes back to the processor that knows it, whoever runs what was deferred.
 */
void hosted_act_for(struct hosted *h, struct hosted_local *local);

/* ---------------------------------------------------------------- thread.c */

/*
 * The processor that libmm is to think this thread is on (rmap_port.cpu): a seat of its own among HOSTED_SEATS, the lowest that is
 * free, until it ends. Real processors would be as right, but then a thread that is moved would find other frames than the last
 * time, and no run would be like another.
 */
#define HOSTED_SEATS 16u
uint32_t hosted_cpu_number(void *ctx);
/* Let this thread, which has one, have another seat. => the one that it had, to be given back by the same function. */
uint32_t hosted_seat_swap(uint32_t seat);
/* This thread's number, 1 upwards, never reused. */
uint64_t hosted_thread_number(void);
/* All machines, so that a thread that ends can leave each. */
void hosted_machines_add(struct hosted *h);
void hosted_machines_remove(struct hosted *h);

/* ---------------------------------------------------------------- defer.c, wait.c */

struct hosted_defer {
	/* What threads without a share have deferred, newest first, and how much that was. */
	_Atomic(struct rmap_rcu *) stray;
	_Atomic uint64_t strays;
	_Atomic uint32_t idle;	    /* the reaper sleeps until it is signalled */
	pthread_mutex_t run;	    /* whoever takes what was pushed and runs it */
	struct rmap_rcu *taken;	    /* of the strays, to be run; run */
	struct hosted_local *first; /* of the threads whose shares have some; run */
	pthread_mutex_t lock;	    /* stop, and the reaper's sleep */
	pthread_cond_t signal;
	bool stop;	 /* lock */
	bool has_reaper; /* fixed */
	pthread_t reaper;
};

int hosted_defer_init(struct hosted *h, enum hosted_deferral deferral, char *error);
void hosted_defer_destroy(struct hosted *h);
void hosted_rcu_read_lock(void *ctx);
void hosted_rcu_read_unlock(void *ctx);
void hosted_call_rcu(void *ctx, struct rmap_rcu *rcu,
		     void (*func)(void *ctx, struct rmap_rcu *rcu));
void hosted_rcu_barrier(void *ctx);
/* Is this thread in a read-side section? */
bool hosted_rcu_reading(void);
/* Objects that were ever given to call_rcu. */
uint64_t hosted_deferred(const struct hosted *h);
/* Enter and leave the grace-period machinery for this thread. */
void hosted_rcu_register(void);
void hosted_rcu_unregister(void);

void hosted_wait(void *ctx, const _Atomic uint32_t *word, uint32_t value);
void hosted_wake(void *ctx, const _Atomic uint32_t *word);

/* ---------------------------------------------------------------- swap.c, file.c */

/* Address space without reservation, aligned to a huge page; NULL if there is none. For munmap(). */
void *hosted_arena(uint64_t bytes, bool huge);
/* An unlinked file in the machine's directory, or -1 with errno set. */
int hosted_temporary(const char *directory);
int hosted_swap_write(void *ctx, uint64_t slot, const void *data);
int hosted_swap_read(void *ctx, uint64_t slot, void *data);

int hosted_file_read(void *ctx, void *handle, uint64_t index, void *data);
int hosted_file_write(void *ctx, void *handle, uint64_t index, const void *data);
void hosted_file_release(void *ctx, void *handle);
/* Closes all files that are still open. */
void hosted_files_destroy(struct hosted *h);

/* ---------------------------------------------------------------- adversity.c */

struct hosted_adversity {
	uint32_t refuse_one_in; /* fixed */
	uint64_t transfer_ns;	/* fixed */
	uint64_t seed;		/* fixed */
	_Atomic bool on;
	_Atomic uint64_t draws, refused;
};

/* Into the port, which is filled, what config asks for. */
void hosted_adversity_init(struct hosted *h, const struct hosted_config *config);

/* ---------------------------------------------------------------- mmu.c */

int hosted_mmu_init(struct hosted *h, const struct hosted_config *config, uint32_t nr_cpus);
void hosted_mmu_destroy(struct hosted *h);
void hosted_tlb_flush(void *ctx, struct mm *mm, uint64_t start, uint64_t end, enum mm_flush why);
/* A part of each grace period: the walks of all processors that began before are over. No processor's lock is held. */
void hosted_mmu_wait_for_walks(struct hosted *h);
/* The memory of an object of RMAP_KIND_MM is about to be reused: nothing may translate through it any more. */
void hosted_mmu_forget(struct hosted *h, const void *object, size_t size);

/* ---------------------------------------------------------------- the machine */

struct hosted {
	struct mm_port port; /* fixed */
	uint64_t number;     /* of this machine, 1 upwards, never reused; fixed */
	bool phantom;	     /* fixed */
	char *directory;     /* fixed */
	struct hosted *next; /* thread.c's lock */
	void (*panic)(void *arg, const char *file, int line, const char *what); /* fixed */
	void *panic_arg;							/* fixed */

	struct hosted_depot depot[RMAP_KINDS];
	struct hosted_spin local_lock;
	struct hosted_local *locals; /* local_lock */
	struct hosted_spin slab_lock;
	struct hosted_slab *slabs; /* slab_lock */
	_Atomic uint64_t slab_bytes;
	/* What threads freed that could not get a share of their own. */
	_Atomic int64_t stray_live[RMAP_KINDS];
	_Atomic int64_t stray_bytes[RMAP_KINDS];

	struct hosted_defer defer;

	int swap_fd;	     /* fixed; -1: none */
	bool in_memory;	     /* no swap file and no overlays: memory; fixed */
	unsigned char *swap; /* in memory: all slots; NULL: none; fixed */
	_Atomic uint64_t swap_writes, swap_reads, file_writes, file_reads;
	_Atomic uint64_t swap_refused;
	_Atomic int swap_errno; /* the host's, of the first that it refused; 0: none */

	pthread_mutex_t files_lock;
	struct hosted_file *files; /* files_lock */
	uint64_t nr_files;	   /* files_lock */

	struct hosted_cpu *cpus; /* fixed */
	uint32_t nr_cpus;	 /* fixed */
	bool no_tlb;		 /* fixed */
	bool watch_tlb;		 /* fixed */
	uint64_t interrupt_ns;	 /* fixed */
	/* What each seat's threads have flushed; atomics. */
	struct {
		_Alignas(HOSTED_APART) struct hosted_flushes {
			_Atomic uint64_t flushes, interrupts, entries;
		} by[MM_FLUSH_REASONS];
		char gap[HOSTED_CACHE_LINE];
	} flush[HOSTED_SEATS];
	struct hosted_adversity adversity;
	struct hosted_spin stale_lock;
	char stale[HOSTED_ERROR]; /* an entry outlived its address space; stale_lock */
};

/* Writes a sentence to error, if there is one. */
void hosted_say(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Never returns. */
void hosted_panic(void *ctx, const char *file, int line, const char *what)
	__attribute__((noreturn));

#define HOSTED_ASSERT(h, cond)                                                                     \
	do {                                                                                       \
		if (rmap_unlikely(!(cond)))                                                        \
			hosted_panic((h), __FILE__, __LINE__, #cond);                              \
	} while (0)

#endif
