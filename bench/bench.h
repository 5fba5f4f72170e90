/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The benchmark: one operation, three machines.
 *
 * Each operation is measured on the engine with contents, on the engine with phantom frames (what it costs besides the bytes),
 * and by real system calls on the Linux that the program runs on. The three take turns, round by round, so that whatever else
 * the computer does hits all of them; a figure is the median of its rounds.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

struct rmap_ops;

enum bench_machine {
	BENCH_CONTENTS,
	BENCH_PHANTOM,
	BENCH_LINUX,
	BENCH_MACHINES,
};

enum bench_op {
	BENCH_ZERO_FILL,    /* first write of a page of anonymous memory */
	BENCH_COW,	    /* write to a page shared since fork; it is copied */
	BENCH_FORK_PAGE,    /* fork, per mapped page of one VMA */
	BENCH_FORK_VMA,	    /* fork, per VMA that has one page */
	BENCH_EXIT_PAGE,    /* exit of a fork's child, per shared page */
	BENCH_UNMAP_PAGE,   /* munmap, per page of its own */
	BENCH_MREMAP_PAGE,  /* mremap to another alignment, per page */
	BENCH_MREMAP_TABLE, /* mremap to the same alignment within 2 MiB, per page */
	BENCH_SWAP_OUT,	    /* madvise(PAGEOUT), per page */
	BENCH_SWAP_IN,	    /* touching it again, per page */
	BENCH_TRUNCATE,	    /* truncation of a page that is mapped 1,001 times, per PTE */
	BENCH_WALK_ONE,	    /* whole walk for one page after the other of one address space */
	BENCH_WALK_WARM,    /* walk for a page mapped 1,001 times in one address space, per PTE */
	BENCH_WALK_1001,    /* walk for a page mapped in 1,001 address spaces, per PTE */
	BENCH_MILLION, /* 1,000 children of a process of 1,000 pages: fork, write all, exit; the whole */
	BENCH_OPS,
};

/* How large things are. */
struct bench_scale {
	uint64_t pages; /* per round of the operations by page */
	uint64_t vmas;
	uint64_t mappings; /* BENCH_TRUNCATE, WALK_1001 */
	uint64_t children; /* MILLION */
	uint64_t child_pages;
	unsigned int rounds;
	unsigned int million_rounds;
};

/* Enough for a sentence. */
#define BENCH_WHY 256

/*
 * One round: *ns is set to nanoseconds per unit (page, VMA, PTE; for MILLION the whole). false: not possible here, with a reason
 * in why.
 */
bool engine_run(enum bench_machine machine, enum bench_op op, const struct bench_scale *scale,
		double *ns, char why[BENCH_WHY]);
bool native_run(enum bench_op op, const struct bench_scale *scale, double *ns, char why[BENCH_WHY]);

/*
 * The machines. engine_start after native_start, which splits off a small process that does the system calls; the engine does
 * without it. design NULL: the engine's own choice.
 */
bool native_start(char why[BENCH_WHY]);
void native_stop(void);
bool engine_start(const struct bench_scale *scale, const struct rmap_ops *design,
		  char why[BENCH_WHY]);
void engine_stop(void);

/* Sizes that have aims: bytes of a page descriptor, and bytes of all besides tables and contents per byte of one large mapping. */
struct bench_sizes {
	double descriptor_bytes;
	double metadata_percent;
	double vma_bytes;      /* objects of one faulted VMA, when first faulted */
	double fork_vma_bytes; /* and of its copy in a child */
};
void engine_sizes(struct bench_sizes *out);

/*
 * Nanoseconds that this thread has used the processor for, so that a loaded machine measures the same as an idle one; and of the
 * clock on the wall, where waiting for a disk is part of the matter. After bench_count_instructions() both are instructions that
 * this thread has executed outside of the kernel; false: they cannot be counted here, with a reason in why.
 */
double bench_now(void);
double bench_wall(void);
bool bench_count_instructions(char why[BENCH_WHY]);

/*
 * The same by valgrind's callgrind: does it run this program, with --separate-threads=yes and with --callgrind-out-file= as
 * RMAP_BENCH_CALLGRIND has it in the environment? Then instructions so far, but those of reading.
 */
bool bench_callgrind_counts(void);
double bench_callgrind(void);

#endif
