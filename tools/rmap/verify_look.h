/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel says about a puppet: its VMAs, its page-table entries, the frames behind them.
 *
 * Everything is asked of /proc and nothing is disturbed by asking, but for the bytes of a page, which are read only where the
 * page is present (an absent one would be faulted in).
 */
#ifndef RMAP_TOOL_VERIFY_LOOK_H
#define RMAP_TOOL_VERIFY_LOOK_H

#include "verify_live.h"

/* /proc/PID/pagemap's bits. */
#define PM_PRESENT   ((uint64_t)1 << 63)
#define PM_SWAP	     ((uint64_t)1 << 62)
#define PM_FILE	     ((uint64_t)1 << 61) /* of a file, or shared anonymous */
#define PM_EXCLUSIVE ((uint64_t)1 << 56) /* mapped once */
#define PM_FRAME     (((uint64_t)1 << 55) - 1)

/* What smaps counts, of what does not depend on when a page was looked at last. */
enum look_count {
	LOOK_RSS,
	LOOK_PSS,
	LOOK_ANONYMOUS,
	LOOK_LAZYFREE,
	LOOK_SWAP,
	LOOK_SWAP_PSS,
	LOOK_LOCKED,
	LOOK_COUNTS,
};

struct look_vma {
	uint64_t start, end, offset; /* bytes */
	uint64_t
		flags; /* VM_*: those of LOOK_PERMISSIONS, or with has_flags those of look_flags() */
	uint64_t device, inode;	      /* 0: no file */
	uint64_t counts[LOOK_COUNTS]; /* KiB; with has_flags */
};

struct look_layout {
	struct look_vma *vmas;
	size_t nr, room;
	bool has_flags;
};

struct look_sizes {
	uint64_t total_vm, locked_vm, data_vm, stack_vm; /* pages; the house not counted */
};

struct look;

/* Files that all puppets have in common. 0, or -1 with a sentence: a kernel without them, or without the right. */
int look_new(struct look **out, char error[LIVE_ERROR]);
void look_free(struct look *look);

/* The frame of the page of zeros. */
uint64_t look_zero_frame(const struct look *look);
/* The puppet's VMAs in order, the house left out; with all their flags (dearer). 0 or -1. */
int look_layout(struct look *look, struct puppet *puppet, bool flags, struct look_layout *out);
/* VM_* that smaps shows. */
uint64_t look_flags(void);
/* "Rss" … */
const char *look_count_name(enum look_count count);
int look_sizes(struct look *look, struct puppet *puppet, struct look_sizes *out);
/* Entries of nr pages from addr on. 0 or -1. */
int look_entries(struct puppet *puppet, uint64_t addr, uint64_t nr, uint64_t *entries);
/*
 * The next range at or behind addr, before end, with entries that are present or swapped: 1 and its bounds, 0: none, -1.
 */
int look_used(struct look *look, struct puppet *puppet, uint64_t addr, uint64_t end,
	      uint64_t *first, uint64_t *last);
/* How many entries map the frame; -1: cannot say. */
int64_t look_mapcount(struct look *look, uint64_t frame);
/* The page's bytes; it is present. 0 or -1. */
int look_bytes(struct puppet *puppet, uint64_t addr, void *page);
/*
 * Bytes that were looked at count as used, and on its way to the active list a page holds a reference more, which
 * copy-on-write takes for somebody's. Give them back.
 */
void look_drain(struct look *look);

#endif
