// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a group of processes shares: counting every page of theirs, in memory that does not grow with their number.
 *
 * A page is *private* when one page-table entry maps its frame, *within* when all entries that map it belong to the group, and
 * *beyond* when others map it, too. The kernel says how many entries map a frame; how many of them are the group's must be
 * counted. So all page tables of the group are read twice: once to count, frame by frame, and once to say of each page what
 * it is. The counts stand in a table that is indexed by frame number and has room for SHARING_FRAMES of them (256 MiB, of which only
 * what is used is ever touched, 0.2 % of the group's own memory: enough for machines of 128 GiB); for larger machines the reading is repeated for the next window of
 * frame numbers that the group uses. What is kept besides is a few numbers for each VMA. Pages that are mapped once pagemap shows as
 * such: they need no count.
 *
 * *Broken* is what copy-on-write has cost since the fork. A process is compared with the oldest of its ancestors in the group
 * whose program it still runs (no exec in between: the kernel's own pages and the stack are where they were). Where both have an
 * anonymous page at one address in a private mapping of the same kind, but different frames, somebody wrote. A frame that k members
 * have counts 1/k for each, so the sum is the number of frames that exist because of writes. Memory that both came by after the
 * fork, at one address, cannot be told from that, so it is an upper bound.
 *
 * Sums are the kernel's: private is smaps' Private_Clean + Private_Dirty, within + beyond its Shared_*, and PSS is computed with its
 * own rounding. Pages that the kernel does not count (of zeros, of devices, of hugetlbfs) are not counted here.
 */
#ifndef RMAP_TOOLS_SHARING_COUNT_H
#define RMAP_TOOLS_SHARING_COUNT_H

#include "live_maps.h"
#include "live_pages.h"
#include "live_procs.h"

#define SHARING_FRAMES ((uint64_t)32 << 20)
#define SHARING_UNIT                                                                               \
	((uint64_t)1                                                                               \
	 << 24) /* of fractions: one page; 4096 bytes with the kernel's 12 bits of fraction */

struct sharing_sums {
	uint64_t private, within, beyond, swapped; /* pages */
	uint64_t pss;	 /* in SHARING_UNITs; what others share, too, in proportion */
	uint64_t once;	 /* of `within`, each frame once for the group: in SHARING_UNITs */
	uint64_t broken; /* in SHARING_UNITs */
	uint64_t cow;	 /* of `private`, anonymous pages in private mappings: what a write made */
};

struct sharing_vma {
	struct live_vma vma;
	struct sharing_sums sums;
};

struct sharing_proc {
	struct live_proc proc;
	struct live_maps maps;
	struct sharing_vma *vmas; /* as many as maps has */
	struct sharing_sums sums;
	uint64_t tables; /* bytes of page tables (VmPTE) */
	size_t parent;	 /* index of the nearest ancestor in the group; SIZE_MAX: none */
	size_t origin;	 /* index of the ancestor to compare with; SIZE_MAX: none */
	bool gone;	 /* it ended, or may not be looked at (denied) */
	bool denied;
	bool twin; /* in the address space of another of the group: counted there */
};

struct sharing {
	struct sharing_proc *v;
	size_t nr;
	struct sharing_sums sums; /* of all */
	bool sees_frames; /* else `within` holds all that is shared, and nothing is known of `beyond`, PSS, broken */
	unsigned int windows; /* of frame numbers that were counted one after the other */
};

/* Counts for @procs. @frames: room of the table, SHARING_FRAMES but in tests. 0, or -1 with a sentence. */
int sharing_count(int root, const struct live_procs *procs, uint64_t frames, struct sharing *out,
		  char err[LIVE_ERR_SIZE]);
void sharing_free(struct sharing *s);
void sharing_add(struct sharing_sums *to, const struct sharing_sums *sums);

#endif
