/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small world that woven threads act on, and the operations that they carry out.
 *
 *	            parent P                              child C (forked, then)
 *	first 2 MiB
 *	  a0        shared with C                         shared with P
 *	  a1        what C had before it wrote            its own copy
 *	  a2        out in swap                           the same slot
 *	  a3        never touched                         never touched
 *	  a4        written since the fork                never touched
 *	  f0 f1     a shared file: f0 dirty               f0 not yet mapped
 *	  v0 v1     a private file: v0 copied             v0 not yet mapped
 *	  s         a stack that can grow down
 *	second 2 MiB (a page table of its own)
 *	  m0...     where mremap goes to
 *	  b         one page, so that the table is there  the same page
 *
 * What is right is not written down for each pair of operations: an interleaving must end as one of the orders does in which the
 * threads run one after the other - the same results, the same VMAs, the same contents in every address space. Besides,
 * mm_check() finds nothing, what counts as clean of a file is what its store says, and when everything is put nothing is left.
 */
#ifndef WEAVE_WORLD_H
#define WEAVE_WORLD_H

#include <rmap/mm.h>

#include <test/weave/weave.h>

#define PAGE	 RMAP_PAGE_SIZE
#define FIRST	 ((uint64_t)0x10000000)
#define SECOND	 (FIRST + 512 * PAGE)
#define A(n)	 (FIRST + (uint64_t)(n)*PAGE)
#define F(n)	 (FIRST + (uint64_t)(16 + (n)) * PAGE)
#define V(n)	 (FIRST + (uint64_t)(32 + (n)) * PAGE)
#define S_LOW	 (FIRST + 64 * PAGE)
#define NEW(n)	 (FIRST + (uint64_t)(80 + 4 * (n)) * PAGE)
#define SHMEM	 (FIRST + 120 * PAGE)
#define M(n)	 (SECOND + (uint64_t)(n)*PAGE)
#define B	 (SECOND + 100 * PAGE)
#define A_PAGES	 5
#define HITS_MAX 16

/* Part of what is saved before each execution. */
struct world {
	struct mm_system *sys;
	struct mm *p, *c;
	bool has_p, has_c; /* the world's own references: until exit */
	struct mm_file *file, *private_file;
	struct mm *child[WEAVE_THREADS_MAX];  /* made by fork */
	struct page *page[WEAVE_THREADS_MAX]; /* pinned for a walk */
	uint32_t missed
		[WEAVE_THREADS_MAX]; /* who had the page before a walk and was not found by it */
	int result[WEAVE_THREADS_MAX];
	uint64_t value[WEAVE_THREADS_MAX]; /* what was read, if it is told */
};

enum op_uses {
	USES_P = 1, /* holds a reference while it runs */
	USES_C = 2,
	/* what it returns depends on who was there at the moment */
	LOOSE = 4,
	/* mappings of a page go and come back while others run */
	UNMAPS = 8,
	/* may do nothing at all, if it is refused */
	MAYBE = 16,
	/* ends of its own: whom it hits depends on when it looks */
	ANY_END = 32,
};

struct op {
	const char *name;
	const char *what;
	unsigned int uses;
	int (*run)(struct world *w, int thread);
	void (*prepare)(struct world *w, int thread);
};

extern const struct op ops[];
extern const unsigned int nr_ops;

/* NULL: none. */
const struct op *op_find(const char *name, size_t len);

/* Threads of this scenario unmap pages that they map again: a walk may miss one in between. */
bool world_unmaps(void);

/* All is quiet: were the walks right? */
void walks_check(struct world *w);

/* Fails the execution with a sentence if r is not 0: set-up. */
void must(int r, const char *what);

/* Makes the world for these operations and saves it. False: weave_message(). */
bool world_make(const struct rmap_ops *design, const struct op *const *threads, unsigned int nr);

/* For struct explore_case. */
void world_thread(int thread, void *arg);
void world_reset(void *arg);
/* The ways to learn: with each of those that may do nothing, and without. */
uint32_t world_ways(void);
void world_way(void *arg, uint32_t n);
void world_learn(void *arg);
void world_judge(void *arg);

#endif
