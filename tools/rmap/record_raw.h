// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the kernel and ptrace tell while a tree of processes runs, before anything is made of it.
 *
 * Three sources, one clock (CLOCK_MONOTONIC, "mono" for the tracer), one array, sorted by time:
 *
 *   record_trace.c  tracefs: memory calls, faults, fork, exec, exit, and when an address space's
 *                   lock was taken for writing, which is the moment at which a call takes effect
 *   record_perf.c   perf's mmap events: which file a mapping is of
 *   record_tree.c   ptrace: the layout that an exec left, page by page
 */
#ifndef RMAP_TOOLS_RECORD_RAW_H
#define RMAP_TOOLS_RECORD_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define REC_ERR_SIZE 512

enum rec_raw_type {
	RAW_ENTER,	  /* a[0] number of the call, a[1..6] its arguments */
	RAW_LEAVE,	  /* a[0] number, a[1] result */
	RAW_FAULT,	  /* a[0] address, a[1] error code, a[2] taken in the kernel */
	RAW_NEWTASK,	  /* a[0] its thread id, a[1] clone flags */
	RAW_PREPARE_EXEC, /* the old address space is about to go */
	RAW_EXEC,	  /* a[0] thread id, a[1] the one that it had before */
	RAW_EXIT,	  /* */
	RAW_LOCK,	  /* the lock of an address space was taken for writing */
	RAW_SEGV,	  /* SIGSEGV or SIGBUS is raised */
	RAW_MAP,	  /* a[0] index of a rec_map */
	RAW_LAYOUT,	  /* a[0] index of a rec_layout */
};

struct rec_raw {
	uint64_t ts;  /* ns */
	uint64_t seq; /* order of arrival, for equal times */
	uint32_t tid; /* whose context */
	uint32_t type;
	uint64_t a[7];
};

struct rec_raws {
	struct rec_raw *v;
	size_t nr, cap;
};

/* NULL without memory; else the new entry, zeroed but for ts, seq, tid and type */
struct rec_raw *rec_raw_add(struct rec_raws *raws, uint64_t ts, uint32_t tid,
			    enum rec_raw_type type);
void rec_raw_sort(struct rec_raws *raws);

/* One mmap event of perf: a VMA as it stood after a call, with its file. */
struct rec_map {
	uint64_t addr, len;
	uint64_t dev, ino;
	char *path; /* NULL when anonymous */
};

struct rec_layout_vma {
	uint64_t start, end, offset, dev, ino;
	uint32_t prot, vma_flags; /* RMREC_P_, RMREC_V_ */
	char *path;		  /* NULL when there is no file */
};

/* The address space of a process at one moment, from /proc. */
struct rec_layout {
	uint32_t pid;
	bool at_exit; /* for comparison only */
	bool is_32bit;
	uint64_t start_brk;
	char *exe;
	struct rec_layout_vma *vmas;
	size_t nr_vmas;
	uint64_t *pages; /* that were present: address | 1 when written to */
	size_t nr_pages;
};

void rec_layout_free(struct rec_layout *l);

uint64_t rec_now(void);

/* Fills err with a sentence and returns -1. */
__attribute__((format(printf, 2, 3))) int rec_fail(char err[REC_ERR_SIZE], const char *fmt, ...);

#endif
