/* SPDX-License-Identifier: BSD-2-Clause */
/* What a record is built of, between its two passes; for record_build.c, record_items.c and record_write.c alone. */
#ifndef RMAP_TOOLS_RECORD_BUILD_INT_H
#define RMAP_TOOLS_RECORD_BUILD_INT_H

#include "record_build.h"
#include "record_sim.h"

#define REC_NOBODY   UINT32_MAX
#define REC_NO_INDEX UINT64_MAX

struct rec_process {
	uint32_t id;	      /* in the record; REC_NOBODY before its first event */
	uint32_t threads;     /* alive, by the trace so far */
	bool started;	      /* it ran an exec, or descends from one that did */
	bool ended;	      /* first pass: its last thread has exited */
	bool gone;	      /* second pass: its exit is written, or it cannot be followed */
	uint64_t last_layout; /* taken when a thread of it ended; REC_NO_INDEX */
};

struct rec_task {
	struct rec_process *process;
	struct rec_raw call; /* begun and not ended; valid if in_call */
	uint64_t lock_ts;    /* when it locked its address space; 0: not yet */
	uint64_t map;	     /* perf's event within the call, or REC_NO_INDEX */
	uint64_t map_ts;
	size_t last_fault; /* item + 1; 0 when a call came since */
	size_t exec_item;  /* item + 1 of an exec that waits for its layout */
	bool in_call;
	bool in_exec; /* the old address space is gone, the new one not yet complete */
};

struct rec_item {
	uint64_t ts, seq;
	struct rec_process *process, *child;
	uint64_t layout; /* of an exec, or for comparison; REC_NO_INDEX */
	bool compare;
	bool shmdt; /* a munmap whose length the layout tells */
	struct rmrec_event ev;
};

struct rec_file {
	uint64_t dev, ino;
	char *path; /* NULL: free slot */
	uint32_t id;
};

struct rec_build {
	const struct rec_perf *perf;
	const struct rec_tree *tree;
	struct rmrec_writer *w;
	struct rec_sim *sim;
	struct rec_build_stats *stats;
	uint64_t page_size;
	bool tells_prepare; /* the kernel has sched_prepare_exec */

	struct rec_task **tasks; /* by thread id */
	size_t nr_tasks;
	struct rec_process **processes;
	size_t nr_processes, cap_processes;
	struct rec_item *items;
	size_t nr_items, cap_items;
	struct rec_file *files; /* open addressing */
	size_t nr_files, cap_files;
};

/* What is known by its number, made at the first question. NULL: no memory, or no such thread can be. */
struct rec_task *rec_task_of(struct rec_build *b, uint64_t tid);
/* The id of a file in the record; 0 without memory. */
uint32_t rec_file_id(struct rec_build *b, uint64_t dev, uint64_t ino, const char *path);

/* One more. NULL: no memory. An item is where it is until the next. */
struct rec_process *rec_add_process(struct rec_build *b);
struct rec_item *rec_add_item(struct rec_build *b, uint64_t ts, struct rec_process *p,
			      enum rmrec_kind kind);

/* The first pass: an event, by time. 0, or -errno. */
int rec_take_raw(struct rec_build *b, const struct rec_raw *raw);

/*
 * The second: an item, by the moment of its effect; then the ends of those processes that were alive when recording stopped. 0, or
 * -errno, with a sentence in err where errno says too little.
 */
int rec_put_item(struct rec_build *b, struct rec_item *item, char err[REC_ERR_SIZE]);
int rec_put_ends(struct rec_build *b);

#endif
