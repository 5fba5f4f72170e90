// SPDX-License-Identifier: BSD-2-Clause
/*
 * The page tables of running processes, and the frames they name: /proc/PID/pagemap, /proc/kpagecount, /proc/kpageflags, each
 * an array of 64-bit words.
 *
 * Reading costs the kernel some ten nanoseconds a word, also where nothing is mapped, and programs reserve terabytes. So large
 * ranges are asked for their populated parts first (PAGEMAP_SCAN, 6.7 and later) and only those are read. Frame numbers are
 * shown to CAP_SYS_ADMIN alone; everything else of a word (present, swapped, mapped once) to whoever may look at the process.
 */
#ifndef RMAP_TOOLS_LIVE_PAGES_H
#define RMAP_TOOLS_LIVE_PAGES_H

#include "live_procs.h"

/* A word of pagemap. */
#define LIVE_PRESENT   ((uint64_t)1 << 63)
#define LIVE_SWAP      ((uint64_t)1 << 62)
#define LIVE_FILE      ((uint64_t)1 << 61) /* a page of a file, or of shared memory */
#define LIVE_GUARD     ((uint64_t)1 << 58) /* no page: an access is a fault for good */
#define LIVE_EXCLUSIVE ((uint64_t)1 << 56) /* mapped once */
#define LIVE_FRAME     (((uint64_t)1 << 55) - 1)

/* Bits of kpageflags that are asked for by name. */
#define LIVE_KPF_HUGE  17 /* hugetlbfs: counted apart from all else by the kernel */
#define LIVE_KPF_ANON  12
#define LIVE_KPF_ZERO  24

#define LIVE_BATCH     4096u /* words read at a time */

/* Is there a page in swap? (Entries of pages that migrate, or have gone bad, look like it.) */
bool live_is_swapped(uint64_t entry);

/* -- one process ------------------------------------------------------------------------------ */

/* pagemap of the process whose directory is @proc. A descriptor, or a negative errno. */
int live_pagemap_open(int proc);
/* The word of one page. 0, or a negative errno (-ESRCH: the process has gone). */
int live_pagemap_at(int pagemap, uint64_t addr, uint64_t *entry);
/*
 * Words of up to @nr pages from @addr on. How many; 0: the process has gone, or these are no user addresses; or a negative
 * errno.
 */
ssize_t live_pagemap_read(int pagemap, uint64_t addr, size_t nr, uint64_t *entries);

struct live_region {
	uint64_t start, end, categories;
};

#define LIVE_REGIONS 64u

/* Goes over the populated parts of a range, about LIVE_BATCH pages at a time. */
struct live_cursor {
	int pagemap;
	uint64_t at, end;
	bool no_scan;  /* the kernel cannot say what is populated */
	uint64_t part; /* up to here all is read */
	unsigned int next, nr;
	struct live_region regions[LIVE_REGIONS];
	uint64_t scanned; /* up to here the regions say all */
};

void live_cursor_init(struct live_cursor *c, int pagemap, uint64_t start, uint64_t end);
/*
 * The next words: how many, of pages from *addr on, into @entries (room for LIVE_BATCH). 0: the end, or the process has gone;
 * or a negative errno.
 */
ssize_t live_cursor_next(struct live_cursor *c, uint64_t *addr, uint64_t *entries);

/* -- frames ----------------------------------------------------------------------------------- */

struct live_frames {
	int count, flags; /* -1: this may not be read */
};

/* What cannot be opened is left out; a sentence says what is missing, or is empty. */
void live_frames_open(int root, struct live_frames *f, char err[LIVE_ERR_SIZE]);
void live_frames_close(struct live_frames *f);
/* How many page-table entries map the frame; -1: that cannot be known. */
int64_t live_frame_count(const struct live_frames *f, uint64_t pfn);
/* 0: cannot be known. */
uint64_t live_frame_flags(const struct live_frames *f, uint64_t pfn);
/* Counts of @nr frames from @pfn on; where there is no memory, 0. */
void live_frame_counts(const struct live_frames *f, uint64_t pfn, size_t nr, uint64_t *counts);
/* Names of the flags, separated by blanks. Returns buf. */
const char *live_flag_names(uint64_t flags, char *buf, size_t size);

/* Does pagemap show frame numbers to us? */
bool live_sees_frames(int root);

#endif
