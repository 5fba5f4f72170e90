/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the random generator: what its files share.
 *
 *	verify_random.c		processes and files, which kind comes next, the source
 *	verify_random_aim.c	where to: the generator's model of the state
 *	verify_random_calls.c	the arguments of each kind
 *	verify_random_scenes.c	several operations that belong together
 */
#ifndef RMAP_TOOL_VERIFY_RANDOM_INT_H
#define RMAP_TOOL_VERIFY_RANDOM_INT_H

#include "runner.h"
#include "verify_random.h"

#define PAGE	     RMAP_PAGE_SIZE

/*
 * Where mappings go: few start places, so that neighbours meet. HOME is small and crowded; TABLE and UPPER straddle the border
 * of two page tables and of two tables above those; STACK has room below it.
 */
#define HOME_BASE    0x10000000000ull
#define HOME_PAGES   24u
#define TABLE_BASE   (HOME_BASE + 0x200000ull - 8 * PAGE)
#define UPPER_BASE   (HOME_BASE + 0x40000000ull - 8 * PAGE)
#define EDGE_PAGES   16u
#define STACK_BASE   (HOME_BASE + 0x4000000ull)
#define STACK_PAGES  700u

/* Remembered places that the machine chose. */
#define RANDOM_MARKS 32u
/* A process with more VMAs than this unmaps more than it maps. */
#define RANDOM_VMAS  48u
#define RANDOM_LOOK  256u
#define RANDOM_FILES 7u
#define RANDOM_PINS  4u
#define RANDOM_QUEUE 24u

struct random_process {
	uint64_t id;
	uint32_t depth;
};

/* A VMA as the engine has it now. */
struct aim_vma {
	uint64_t start, end, flags;
	bool file, shared;
};

struct random_mark {
	uint32_t number;
	uint64_t addr, len;
};

/* A range that an operation is aimed at. */
struct aim {
	uint64_t addr, len;
};

struct random {
	struct op_source source;
	struct random_options options;
	struct runner *runner;
	uint64_t state; /* of the random numbers */
	/* numbers that somebody else drew, to be used up first (random_feed) */
	const uint8_t *fed;
	uint32_t nr_fed;
	uint64_t given; /* operations */
	/* who lives */
	struct random_process process[RANDOM_MAX_PROCESSES];
	uint32_t nr_processes, max_processes;
	uint64_t last_id;
	uint64_t most_processes, most_depth;
	/* files by their place here; 0: there is none */
	uint32_t file[RANDOM_FILES];
	uint32_t last_file;
	/* what was looked at last: of the process that the next operation is for */
	const struct random_process *self;
	struct aim_vma vma[RANDOM_LOOK];
	uint32_t nr_vmas;
	uint64_t brk, total_pages, data_pages, locked_pages;
	/* places that have names */
	struct random_mark mark[RANDOM_MARKS];
	uint32_t next_mark;	    /* in mark[] */
	uint32_t last_mark;	    /* the last number given out */
	struct random_mark pending; /* number 0: the last operation named none */
	/* pages that are held; number 0: a free place */
	uint32_t pin[RANDOM_PINS], pin_flags[RANDOM_PINS];
	uint32_t last_pin;
	/* what is liked at the moment, and until which operation */
	uint32_t weight[48];
	uint64_t mood_ends;
	uint32_t weird; /* per mille of operations with senseless arguments */
	/* operations that were made in advance */
	struct op queue[RANDOM_QUEUE];
	uint32_t queued, queue_at;
};

/* verify_random.c */

/* A number below n, which is not 0. */
uint64_t random_below(struct random *g, uint64_t n);
/* True that often of a hundred. */
bool random_percent(struct random *g, uint32_t percent);
/* One of a list by weight: its index. */
uint32_t random_weighted(struct random *g, const uint32_t *weights, uint32_t n);
/* How the file is opened, always: merging goes by open files (rule open-files). */
uint32_t random_file_mode(const struct random *g, uint32_t file);
/* Put an operation behind those that wait; dropped where there is no room. */
void random_queue(struct random *g, const struct op *op);
/* The next that waits, and whose process lives, which becomes self; false: none. */
bool random_queued(struct random *g, struct op *op);

/*
 * For a fuzzer, which brings the chance along: from now on numbers are drawn out of these bytes, one each (two above 256), and once they are
 * used up from a seed that they make. So one byte changed changes one argument and those that hang on it.
 */
void random_feed(struct random *g, const uint8_t *bytes, uint32_t nr);
/* Look at what came of the last operation: processes that are no more, the place it chose, pins that came to nothing. */
void random_settle(struct random *g);
/* An operation is about to be carried out, by self. */
void random_note(struct random *g, const struct op *op);
/* The i-th file is made; a process is. */
void random_open_file(struct random *g, struct op *op, uint32_t i);
void random_new_process(struct random *g, struct op *op);

/* verify_random_aim.c */

/* Look at what self has mapped. */
void aim_look(struct random *g);
/* A length: few pages, mostly. */
uint64_t aim_len(struct random *g);
/* A place to map something at: a start place, or an edge of what is there. */
uint64_t aim_place(struct random *g, uint64_t len);
/* A range to work on: a VMA, a part of one, across an edge, several. */
struct aim aim_range(struct random *g);
/* A page to touch, mapped or (not often) not. */
uint64_t aim_page(struct random *g);
/* A VMA, NULL: there is none. */
const struct aim_vma *aim_pick(struct random *g);
/* addr as an operation has it: relative to a mark where the machine chose it. */
void aim_address(struct random *g, uint64_t addr, struct op_addr *out);

/* verify_random_calls.c */

/* The kinds that are drawn, and the weight of each. */
extern const struct random_call {
	uint32_t weight;
	/* False: not now. The process is self; op is initialised for kind and self. */
	bool (*make)(struct random *g, struct op *op);
	enum op_kind kind;
} random_calls[];
extern const uint32_t random_nr_calls;

/* The result of op, with a place that the machine chooses, gets a name. */
void random_name(struct random *g, struct op *op, uint64_t len);

/* verify_random_scenes.c */

/* Queue one. */
void random_scene(struct random *g);

#endif
