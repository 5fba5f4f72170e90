/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sequences of operations, carried out under all designs at once.
 *
 * A *sequence* is bytes: a head that chooses the machine, then records of eight bytes, each one operation (or a scene of a few that
 * belong together). The first byte of a record says what, the second which process does it, the others are its arguments, drawn with
 * the aim of the referee's random operations (tools/rmap/verify_random*.c): at what is mapped, at edges, at neighbours. Any
 * bytes are a sequence, records taken out of one leave a sequence, and what an operation is depends on nothing but its record and
 * what stands there. So a fuzzer may edit it as it likes, and a failing one shrinks by taking records out.
 *
 * Every design has a machine of its own, a runner's (tools/rmap/runner.h), whose shadow knows what each page must hold. After each step
 * all designs must have come to the same: error, address, place where an access ended. The views of the process that did it are
 * compared (its VMAs and figures each time, its page table entries now and then), and at check points those of all processes, what
 * their pages hold, smaps, the counters of the engine, and mm_check() and the TLBs of each machine.
 *
 * What may differ by right: a design *strays* when it has done something that the others have not. anonmm does by its nature, when
 * a move copies shared pages; everybody may when a walk was stopped half-way or passed by a stack that exec moves (ops_layer.c), at swapoff, which comes to address spaces in
 * the order in which walks first took pages from them, and when an allocation was made to fail, since designs allocate
 * differently. Whoever failed by such an order does the step again, and must then succeed as the others did. From then on strays are held
 * against what does not hang on who has a page: results, VMAs, contents by the shadow, the checker. Should one of them run out of
 * memory where others do not, the sequence ends there (`cut`).
 *
 *	ops_decode.c	bytes to operations
 *	ops_world.c	the machines, a step under each
 *	ops_layer.c	around each design: was a walk stopped half-way, has it missed a PTE?
 *	ops_compare.c	what must be the same
 *	ops_sequence.c	random sequences, mutations, as a workload
 *	ops_shrink.c	a failing sequence made short
 */
#ifndef RMAP_FUZZ_OPS_H
#define RMAP_FUZZ_OPS_H

#include "runner_int.h"

#define OPS_HEAD    4u
#define OPS_RECORD  8u
#define OPS_RECORDS 4096u /* more are passed over */
#define OPS_BYTES   (OPS_HEAD + OPS_RECORDS * OPS_RECORD)
#define OPS_DESIGNS 16u

/* ---------------------------------------------------------------- ops_decode.c */

/* The head as what it says. */
struct ops_machine {
	uint64_t frames, swap_slots;
	uint32_t fault_around, max_map_count, release;
	uint32_t processes; /* at most so many */
	uint32_t weird;	    /* per mille of operations with senseless arguments */
	enum mm_overcommit overcommit;
	bool no_anonmm; /* so that nobody strays by his nature */
};

void ops_machine(const uint8_t *data, size_t size, struct ops_machine *out);

struct ops_decoder;

/* NULL: no memory. The bytes stay the caller's, and stay. */
struct ops_decoder *ops_decoder_new(const struct ops_machine *machine, const uint8_t *data,
				    size_t size);
void ops_decoder_free(struct ops_decoder *decoder);
/* What the runners are made for. */
struct op_source *ops_decoder_source(struct ops_decoder *decoder);
/* Where it looks before it aims: before the first operation is asked for. */
void ops_decoder_watch(struct ops_decoder *decoder, struct runner *runner);
/* The next operation; false: the end. What op points to stays until the next is asked for. */
bool ops_decode(struct ops_decoder *decoder, struct op *op);

/* How many kinds a record's first byte chooses from, and how often each shall come where nobody has a better idea. */
uint32_t ops_kinds(void);
uint32_t ops_kind_weight(uint32_t kind);

/* ---------------------------------------------------------------- ops_world.c */

struct ops_options {
	uint32_t check_every; /* steps between check points; 0: chosen by the length */
	uint32_t pages_every; /* steps between looks at page table entries; 0: 8 */
	FILE *print;	      /* the sequence as a workload, while it runs; NULL: nowhere */
	const char *design;   /* only this one; NULL: all */
};

struct ops_stats {
	uint64_t sequences;
	uint64_t steps;	     /* operations of sequences */
	uint64_t operations; /* calls of one design: what is counted to a billion */
	uint64_t failed;     /* of the steps, those that came to an error */
	uint64_t injected;   /* operations in which an ordered failure came */
	uint64_t cut;	     /* sequences that ended early */
	uint64_t checks;     /* mm_check() of one design */
	uint64_t walked;     /* pages that they walked from */
	uint64_t compared;   /* views held against each other */
};

/* Carry out a sequence. Empty: nothing wrong; else a sentence. stats grows. */
void ops_run(const uint8_t *data, size_t size, const struct ops_options *options,
	     struct ops_stats *stats, char wrong[OPS_ERR_SIZE]);

/* ---------------------------------------------------------------- ops_layer.c */

struct ops_layer;

/* Around design; NULL: no memory. */
struct ops_layer *ops_layer_new(const struct rmap_ops *design);
/* What to make a machine with. */
const struct rmap_ops *ops_layer_design(const struct ops_layer *layer);
/* Since the last question: was a walk stopped by its visitor when others were still to be met? */
bool ops_layer_halfway(struct ops_layer *layer);
/* Since the last question: has a walk to the end met fewer PTEs than mapped the page when it began? */
bool ops_layer_missed(struct ops_layer *layer);

/* ---------------------------------------------------------------- ops_compare.c */

/* Some numbers about a machine, with what each is about. */
struct ops_view {
	uint64_t *value;
	uint32_t *what; /* enum below << 24, and a field's number */
	uint64_t *addr;
	size_t nr, room;
	bool failed; /* no memory */
};

void ops_view_free(struct ops_view *view);

enum ops_detail {
	OPS_VMAS = 1,	/* figures and VMAs of a process */
	OPS_PAGES = 2,	/* page table entries */
	OPS_SMAPS = 4,	/* and what smaps says */
	OPS_STRICT = 8, /* also what hangs on who has a page */
};
void ops_view_process(struct ops_view *view, uint64_t proc, struct mm *mm, unsigned int detail);
/* Counters of the engine. */
void ops_view_system(struct ops_view *view, struct mm_system *sys);
/* False, and a sentence into wrong: they differ; touched: first of all in whether a VMA was ever touched. */
bool ops_view_same(const struct ops_view *a, const char *a_name, const struct ops_view *b,
		   const char *b_name, char wrong[OPS_ERR_SIZE], bool *touched);
/* Do all present pages of all processes begin and end alike? */
bool ops_contents_same(struct runner *a, struct runner *b, char wrong[OPS_ERR_SIZE]);

/* ---------------------------------------------------------------- ops_sequence.c */

/* The sequence of a seed: records random bytes, kinds by weights that change. Into data, which has room; returns its size. */
size_t ops_random(uint64_t seed, uint32_t records, uint8_t *data);
/* For libFuzzer: edits of whole records. */
size_t ops_mutate(uint8_t *data, size_t size, size_t max, unsigned int seed);
size_t ops_cross(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out,
		 size_t max, unsigned int seed);

/* ---------------------------------------------------------------- ops_shrink.c */

/* Does it fail, in a process of its own? Also by an assertion, a signal, or by taking more than a minute. */
bool ops_fails(const uint8_t *data, size_t size, const struct ops_options *options);
/* Take out what is not needed; data becomes shorter. Returns the new size. tries: runs that it took. */
size_t ops_shrink(uint8_t *data, size_t size, const struct ops_options *options, uint64_t *tries);

#endif
