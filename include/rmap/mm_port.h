/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm_port: what tier 2 asks of the machine below it, besides tier 1's needs.
 *
 * Frames are given once, as one range of memory; everything else is a callback. Callbacks that do I/O may sleep and are
 * called with a page lock and perhaps mmap_lock held for reading, never with a spin lock.
 */
#ifndef RMAP_MM_PORT_H
#define RMAP_MM_PORT_H

#include <rmap/port.h>

struct mm;

/* Why translations must go: for ports that count. */
enum mm_flush {
	MM_FLUSH_FAULT,	  /* another page came where one was mapped: COW, the zero page's end */
	MM_FLUSH_UNMAP,	  /* munmap, exit, DONTNEED, truncation */
	MM_FLUSH_PROTECT, /* mprotect */
	MM_FLUSH_ADVISE,  /* madvise, which clears accessed and dirty bits */
	MM_FLUSH_MOVE,	  /* mremap */
	MM_FLUSH_FORK,	  /* the parent's right to write */
	MM_FLUSH_AGE,	  /* accessed bits */
	MM_FLUSH_RECLAIM, /* a page leaves all tables: swap-out, poison */
	MM_FLUSH_CLEAN,	  /* write-back takes the right to write */
	MM_FLUSH_MIGRATE,
	MM_FLUSH_EXIT, /* the address space itself goes */
	MM_FLUSH_REASONS,
};

/* One word: "fork". Never NULL. */
const char *mm_flush_name(enum mm_flush why);

struct mm_port {
	/* Passed to the callbacks below. */
	void *ctx;

	/*
	 * Allocation, RCU, waiting and panic. Its table callbacks (pte_find … vma_find, tables_ctx) are left NULL: libmm fills
	 * in its own.
	 */
	struct rmap_port os;

	/*
	 * Physical memory: frame number pfn is at frames + (pfn << RMAP_PAGE_SHIFT), for pfn below nr_frames, which is from 64 to 2^40 (an
	 * entry has no more bits); aligned to a page. descriptors has nr_frames × 64 bytes, zeroed, aligned to 64. Both stay until the system is destroyed. In a phantom system only
	 * frames that hold page tables are ever touched, so that frames may be address space without memory behind it.
	 */
	void *frames;
	void *descriptors;
	uint64_t nr_frames;

	/*
	 * No processor may have a translation of [start, end) of mm when this returns. Called with PTLs held. After the flush
	 * frames may be freed. mm is also passed when it is about to go. why is for counting alone. It is a full barrier: the entries
	 * were changed before it; what processors wrote by these translations, the caller sees behind it, and so does whoever sees
	 * what the caller does then.
	 */
	void (*tlb_flush)(void *ctx, struct mm *mm, uint64_t start, uint64_t end,
			  enum mm_flush why);

	/*
	 * Swap space: slots numbered from 0 below nr_swap_slots (0: none; at most 2^40), one page each. 0, or RMAP_EIO: the slot is then not used again.
	 * Not called in a phantom system.
	 */
	uint64_t nr_swap_slots;
	int (*swap_write)(void *ctx, uint64_t slot, const void *data);
	int (*swap_read)(void *ctx, uint64_t slot, void *data);

	/*
	 * A file's page at page offset index; handle is what mm_file_create() was given. Reading behind the end gives zeros.
	 * 0, RMAP_EIO or RMAP_ENOSPC. Not called in a phantom system.
	 */
	int (*file_read)(void *ctx, void *handle, uint64_t index, void *data);
	int (*file_write)(void *ctx, void *handle, uint64_t index, const void *data);

	/* The last user of a file has gone. NULL: nobody asks. */
	void (*file_release)(void *ctx, void *handle);

	/* Nanoseconds that never go back. */
	uint64_t (*now)(void *ctx);
};

#endif
