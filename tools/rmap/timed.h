/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A design with a clock around it.
 *
 * An ops table that has the design's entries, each behind a function that starts a clock, calls the design's and stops the clock.
 * So what a reverse map costs is measured without a line in any design, and entries that a design has not cost nothing here
 * either. Walks of file pages are taken here, too, whoever answers them.
 *
 * What is measured is the design: allocation from the port's caches and looks into page tables are part of it; map counts, result
 * masks and trees of VMAs by file, which all designs have in common, are not; nor is what a walk's visitor does, but for events
 * that it reports.
 *
 * Time is the processor's time stamp counter (elsewhere CLOCK_MONOTONIC). Reading it costs more than many events do, so what an
 * empty event comes to is taken off each. Instructions are counted by the processor, where the kernel gives its counter, exactly but
 * for a few in each: reading it costs microseconds, so it is read around a sample, the first 256 events of each kind, then one in 16
 * on average, and behind 16,384 one in 256; each stands for as many.
 *
 * Only what the thread does that made the layer is measured: the runner's. Of the latest one it made.
 */
#ifndef RMAP_TOOL_TIMED_H
#define RMAP_TOOL_TIMED_H

#include <rmap/design.h>

enum timed_event {
	/* address spaces */
	TIMED_MM_INIT,
	TIMED_MM_FORK_BEGIN,
	TIMED_MM_FORK_END,
	TIMED_MM_EXIT,
	/* VMAs */
	TIMED_VMA_PREPARE,
	TIMED_VMA_FORK,
	TIMED_VMA_CLONE,
	TIMED_MERGE_PREPARE,
	TIMED_MERGE_UNDO,
	TIMED_ADJUST_BEGIN,
	TIMED_ADJUST_END,
	TIMED_SHIFT_PREPARE,
	TIMED_MOVE_BEGIN,
	TIMED_MOVE_END,
	TIMED_VMA_UNLINK,
	/* pages */
	TIMED_RESERVE,
	TIMED_UNRESERVE,
	TIMED_PAGE_NEW,
	TIMED_PAGE_MAP,
	TIMED_PAGE_UNMAP,
	TIMED_PAGE_MOVED,
	TIMED_PAGE_ADOPT,
	TIMED_PAGE_LEAVE,
	TIMED_PAGE_TO_ENTRY,
	TIMED_PAGE_FROM_ENTRY,
	TIMED_ENTRY_COPIED,
	TIMED_ENTRY_GONE,
	TIMED_MIGRATE_END,
	TIMED_PAGE_PIN,
	TIMED_PAGE_UNPIN,
	TIMED_PAGE_REPLACE,
	TIMED_PAGE_FREE,
	/* swap slots */
	TIMED_SLOT_FILL,
	TIMED_SLOT_DUP,
	TIMED_SLOT_RESTORE,
	TIMED_SLOT_FREE,
	/* questions */
	TIMED_WALK,
	TIMED_PROBE, /* a walk that was asked for from outside */
	TIMED_EVENTS,
};

/* What the events are for. */
enum timed_class {
	TIMED_FORK,   /* fork: address spaces, VMAs and PTEs copied */
	TIMED_MAP,    /* faults: VMAs prepared, pages mapped, adopted, brought back */
	TIMED_UNMAP,  /* exit, munmap, reclaim: pages unmapped and freed, VMAs unlinked */
	TIMED_LAYOUT, /* split, merge, move */
	TIMED_WALKS,  /* but for those from outside */
	TIMED_OTHER,  /* new address spaces, swap slots filled, migration's pins */
	TIMED_CLASSES,
};

struct timed_sum {
	uint64_t events;
	uint64_t pages; /* where an event is about pages; else the events */
	double ns;
	double instructions; /* 0 without a counter */
};

struct timed;

/* A layer around ops. NULL: no memory. Opens the counter. */
struct timed *timed_new(const struct rmap_ops *ops);
/* No machine uses it any more. */
void timed_free(struct timed *timed);

/* The table to make a machine with. */
const struct rmap_ops *timed_ops(const struct timed *timed);

/* All so far; CLASSES: all of them together, without walks from outside. */
struct timed_sum timed_class_sum(const struct timed *timed, enum timed_class class);
struct timed_sum timed_event_sum(const struct timed *timed, enum timed_event event);

/* "page_map". */
const char *timed_event_name(enum timed_event event);
/* "fork". */
const char *timed_class_name(enum timed_class class);

/*
 * Locks that were taken within events, by class from 0: the checker's of locks count them. The name is NULL past the last one, and
 * for 0 where this build has other locks.
 */
const char *timed_lock_name(unsigned int lock_class);
uint64_t timed_locks_taken(const struct timed *timed, unsigned int lock_class);

/* How: "tsc" or "clock", and whether instructions were counted; nanoseconds that were taken off each event. */
const char *timed_clock_name(void);
bool timed_counts_instructions(const struct timed *timed);
double timed_overhead_ns(const struct timed *timed);

#endif
