// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who maps a frame, or holds a swap entry: a reverse walk from outside, where the kernel's own reverse map cannot be asked.
 *
 * The kernel says how many page-table entries map a frame and never which, so the search is a guess that each entry confirms,
 * in the order in which guesses are good:
 *
 *   1. The same address in relatives. fork() copies addresses, so whoever shares the page through fork has it there unless it was
 *      moved. From the process asked about outwards over the fork tree, nearest first: parent and children, then theirs. A
 *      parent's children are read in one go (/proc/PID/task/TID/children), so nobody is looked at who is further away than
 *      the last one found. Processes that this does not reach (the kernel may lack that file) come behind.
 *   2. A file's page: wherever that part of the file is mapped, by the VMAs of all processes.
 *   3. Every page-table entry of every process: pages that were moved (mremap), merged (KSM) or are asked for by number.
 *
 * It ends when as many are found as the kernel counts. How many hold a swap entry the kernel does not say: then the first two
 * are done to their end, and the third if that is asked for.
 *
 * Two processes in one address space (vfork, CLONE_VM) have one entry between them: both are shown, and counted once.
 */
#ifndef RMAP_TOOLS_WHO_SEARCH_H
#define RMAP_TOOLS_WHO_SEARCH_H

#include "live_maps.h"
#include "live_pages.h"
#include "live_procs.h"

struct who_hit {
	pid_t pid;
	char comm[LIVE_COMM_SIZE];
	uint64_t addr;
	struct live_vma vma; /* its name is an own copy */
	bool shares_mm;	     /* with a process that was found before */
};

struct who_search {
	/* the question */
	int root;
	bool swapped;
	uint64_t key;	  /* the frame's number; or the swap entry: type | offset << 5 */
	int64_t mapcount; /* -1: not known */
	bool all;	  /* everything, also when enough is found */
	bool progress;	  /* on stderr */

	/* the answer */
	struct who_hit *hits;
	size_t nr, room;
	size_t found;  /* entries: those that share an address space are one */
	size_t looked; /* processes whose page tables were looked into */
	size_t denied; /* processes that we may not look into */
	bool no_memory;
};

/* From a page of @pid at @addr. */
void who_search_from(struct who_search *s, pid_t pid, uint64_t addr);
/* From nowhere: the first that is found leads to the others. */
void who_search_frame(struct who_search *s);
void who_search_free(struct who_search *s);

#endif
