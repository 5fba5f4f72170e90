/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a processor keeps to itself, so that two that fault, fork and exit touch no common line most of the time:
 *
 *   free frames     those that it freed, and the right to take a number of them without asking (frames.c)
 *   an LRU batch    new pages on their way to the LRU lists (lru.c)
 *   counters        added to where one is, summed up by who reads
 *   address spaces  those that were made here, on a list
 *   numbers         for these and for origins of pages, a block at a time
 *
 * Nothing is lost in them. Frames: where memory is short nobody has a right of his own, and who finds none here takes what others
 * freed. LRU: whoever takes pages from a list's tail empties all batches first. Counters: sums over all are exact whenever nobody counts.
 *
 * Which processor one is on is the port's guess (rmap_port.cpu). All that is kept is guarded by the CPU lock or atomic, so that
 * the guess may be wrong and anybody may take what another keeps; only seldom does one.
 *
 * For one processor everything happens in the order in which it would without all this.
 */
#ifndef MM_CPU_H
#define MM_CPU_H

#include <rmap/mm.h>

#define CPU_MAX	       256 /* PG_LRU_CPU */
#define CPU_FRAMES_MAX 512
#define CPU_FRESH_MAX  8192

/* What two write to stands so far apart: processors fetch the line before or behind one that they ask for. */
#define CPU_LINES      128

/* Numbers that a processor takes at a time. */
#define CPU_IDS	       64
#define CPU_ORIGINS    4096

/* What is summed up over all processors, in pages. */
enum mm_sum {
	SUM_TABLES,
	SUM_ANON,
	SUM_FILE,
	SUM_SHMEM,
	SUM_DIRTY,
	SUM_COMMITTED, /* of VM_ACCOUNT memory; where a limit is held against it, on the first processor alone */
	SUMS,
};

/* struct mm_counters in atomics, by the same names: see COUNT(). */
struct mm_atomic_counters {
	_Atomic uint64_t v[sizeof(struct mm_counters) / sizeof(uint64_t)];
};

/* Numbers that nobody else gives out; the lock of their processor. */
struct mm_numbers {
	uint64_t next, left;
};

struct mm_cpu {
	_Alignas(CPU_LINES) struct rmap_spinlock lock; /* RMAP_LOCK_CPU */
	uint32_t number;			       /* fixed */
	_Atomic uint32_t
		credit; /* frames that were counted as taken from nr_free and are not; changed under lock */
	_Atomic uint32_t nr_lru;   /* on the list below; changed under lock */
	struct list_head frames;   /* free, last freed first; lock */
	uint64_t fresh, fresh_end; /* frames that nobody has ever had; lock */
	struct list_head lru;	   /* bound for the LRU lists, oldest first; lock */

	struct mm_numbers ids;	   /* for mms and files; lock */
	struct mm_numbers origins; /* of anonymous pages, see vma.h; lock */

	struct rmap_spinlock list_lock; /* RMAP_LOCK_SYSTEM */
	struct list_head mms;		/* struct mm.list of those that were made here; list_lock */

	/* What was counted here; atomics. What another has counted before, and here goes, makes one of them negative. */
	_Atomic int64_t sum[SUMS];
	struct mm_atomic_counters count;
	/* Tier 2's objects that live, and the bytes of all of them. */
	_Atomic int64_t objects[RMAP_KINDS];
	struct rmap_gauge object_bytes;
	char gap[CPU_LINES];
};

#endif
