/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Generators: workloads with parameters, made while they run.
 *
 * A generator is a small machine: a stage, a counter within the stage, and next(), which says what comes then. Nothing is
 * listed in advance, so 1,000 processes × 1,000 pages cost no more memory than one. The same parameters give the same
 * operations everywhere; what looks random comes from the seed.
 */
#ifndef RMAP_TOOL_GEN_H
#define RMAP_TOOL_GEN_H

#include "ops.h"

#define GEN_MAX_PARAMS 6

struct gen_param {
	const char *name;
	uint64_t def, min, max;
	const char *doc;
	/* the value is one of these words, NULL at the end, and counted from 0; NULL: a number */
	const char *const *words;
};

struct gen;

struct gen_kind {
	const char *name;
	const char *doc; /* one line */
	struct gen_param params[GEN_MAX_PARAMS];
	/* Fills in gen->source.config from the parameters. */
	void (*config)(struct gen *gen);
	/* *op was op_init()ed. False: the end. */
	bool (*next)(struct gen *gen, struct op *op);
	/* What a process is; NULL: "parent" for 1 and "child N" for others. */
	void (*proc_name)(uint64_t proc, char *buf, size_t size);
};

/* Regions that mremap-churn and split-merge keep account of. */
#define GEN_MAX_REGIONS 1024

struct gen {
	struct op_source source;
	const struct gen_kind *kind;
	char name[128];
	uint64_t param[GEN_MAX_PARAMS];
	/* where it stands */
	unsigned int stage;
	uint64_t i, j;
	uint64_t random;
	uint64_t length[GEN_MAX_REGIONS]; /* pages */
};

extern const struct gen_kind gen_fork_cow, gen_fork_chain, gen_prefork, gen_zygote,
	gen_mremap_churn, gen_split_merge, gen_survivors, gen_unmapped, gen_fork_vmas,
	gen_swap_shared, gen_single_pages, gen_fork_move, gen_displaced, gen_file_offsets,
	gen_neighbours, gen_moves;

/* All of them, NULL at the end. */
extern const struct gen_kind *const generators[];

/* Processes and marks that most have. */
enum { HEAP = 1 };
#define PARENT	 1u
#define CHILD(i) (2u + (i))

/*
 * How most begin: a phase, a process that maps its heap and writes all of it (the stages below GEN_BORN), then children, in a phase of
 * their own unless fork is NULL (below GEN_FORKED).
 */
enum { GEN_BORN = 4, GEN_FORKED = 6 };
bool gen_parent(struct gen *gen, struct op *op, const char *phase, uint64_t pages);
bool gen_family(struct gen *gen, struct op *op, const char *phase, uint64_t pages, const char *fork,
		uint64_t children);

/* 0 to n - 1, one more each time: the stage comes again until it was the last; then gen->i is 0 again. */
uint64_t gen_each(struct gen *gen, uint64_t n);
/* Frames for that many processes of that many pages each, mapped once, and one image of them: contents and tables. */
uint64_t gen_frames(uint64_t processes, uint64_t pages_each, uint64_t pages);
/* A number below n, from the seed. */
uint64_t gen_random(struct gen *gen, uint64_t n);

/* Operations, filled in. */
bool gen_new(struct op *op, uint64_t proc);
bool gen_fork(struct op *op, uint64_t proc, uint64_t child);
bool gen_exit(struct op *op, uint64_t proc);
bool gen_phase(struct op *op, const char *name);
/* Private anonymous memory; its address becomes mark. */
bool gen_mmap(struct op *op, uint64_t proc, uint64_t pages, uint32_t mark);
/* READ or WRITE of pages from mark + first. */
bool gen_access(struct op *op, enum op_kind kind, uint64_t proc, uint32_t mark, uint64_t first,
		uint64_t pages);
/* All of pages from mark on to address (a number of bytes), where nothing else is; mark is there from then on. */
bool gen_move(struct op *op, uint64_t proc, uint32_t mark, uint64_t pages, uint64_t to);
bool gen_unmap(struct op *op, uint64_t proc, uint32_t mark, uint64_t pages);
/* Take so many frames by the LRU lists. */
bool gen_reclaim(struct op *op, uint64_t frames);
bool gen_probe(struct op *op, uint64_t proc, uint32_t mark, uint64_t page, const char *what);

#endif
