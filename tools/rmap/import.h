/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A workload from running processes as they are: what is read, how a history is invented that leads there, and its check.
 *
 * /proc shows a state, a workload is a history. So one is made up that ends in the state: processes are forked in the order in
 * which they really were, and a page that several share is written before the forks that handed it on, by the process at
 * which their ways to the root of the fork tree meet (its *home* is the address at which most have it). Whoever is on such a way
 * without having the page holds it for a while. When all are forked each process is brought to what it was found with: pages
 * that moved are moved, pages of its own are written, what it must not have is given up, what is in swap is pushed out. A page that a
 * process wrote is another from then on, so the order of a parent's writes and forks is the real one, or the sharing does not come
 * out; the check says so.
 */
#ifndef RMAP_TOOLS_IMPORT_H
#define RMAP_TOOLS_IMPORT_H

#include "live_maps.h"
#include "live_pages.h"
#include "live_procs.h"
#include "rmrec.h"

#define IMP_NOBODY SIZE_MAX

/* What stands at an address: the kind, and by which number it is the same elsewhere. */
#define IMP_ANON   ((uint64_t)1 << 60) /* an anonymous page; the frame */
#define IMP_SWAP   ((uint64_t)2 << 60) /* in swap; the entry */
#define IMP_FILE   ((uint64_t)3 << 60) /* a page of a file or of shared memory; the frame */
#define IMP_ZERO   ((uint64_t)4 << 60) /* the page of zeros */
#define IMP_KIND   ((uint64_t)7 << 60)

struct imp_page {
	uint64_t addr, key;
};

struct imp_pages {
	struct imp_page *v; /* by address */
	size_t nr, room;
};

struct imp_vma {
	uint64_t start, end, offset;
	uint32_t prot;	/* RMREC_P_* */
	uint32_t flags; /* RMREC_V_* */
	uint32_t file;	/* the record's number, 0: none */
};

struct imp_layout {
	struct imp_vma *v; /* by address */
	size_t nr, room;
};

/* A shared page that a process must have at its home for a while. */
struct imp_need {
	uint64_t addr, key;
	size_t like; /* a process whose VMA there says what kind it is */
};

struct imp_needs {
	struct imp_need *v; /* by address, once sorted */
	size_t nr, room;
};

/* A page that was moved from its home. */
struct imp_move {
	uint64_t home, addr, key;
	size_t like;
};

struct imp_moves {
	struct imp_move *v; /* by home */
	size_t nr, room;
};

struct imp_proc {
	struct live_proc proc;
	struct live_maps maps;
	size_t parent;		 /* index; IMP_NOBODY for the first alone */
	bool forked;		 /* and runs its parent's program still */
	struct imp_layout final; /* as found */
	struct imp_pages pages;	 /* as found */
	struct imp_needs needs;	 /* to inherit from the parent */
	struct imp_needs gives;	 /* of its children's needs: to have once */
	struct imp_moves moves;
	/* while the history is told */
	struct imp_layout work; /* the layout now */
	struct imp_pages held;	/* shared pages that it has now, at their homes */
	uint32_t id;		/* in the record */
};

/* The first process is not one of the found, but the forebear of those whose parent is not among them. */
struct import {
	struct imp_proc *v; /* parents before their children */
	size_t nr;
	struct rmrec_writer *w;
	uint64_t nr_pages, nr_shared, nr_swapped;
	uint64_t conflicts; /* pages whose sharing has no history of this kind */
	size_t gone;	    /* processes that ended meanwhile */
	size_t denied;	    /* processes that may not be looked at */
	bool no_memory;
};

/* Each returns 0, or -1 with a sentence. */
int import_read(int root, const struct live_procs *procs, struct import *imp,
		char err[LIVE_ERR_SIZE]);
int import_plan(struct import *imp, char err[LIVE_ERR_SIZE]);
int import_tell(struct import *imp, char err[LIVE_ERR_SIZE]);
void import_free(struct import *imp);

struct import_verdict {
	uint64_t operations, misfits;
	uint64_t pages;	    /* that were compared */
	uint64_t differing; /* pages that came out absent, of another kind, or with other sharers */
};

/* Replays the record @bytes, has everything checked in the end, and counts. 0, or -1 with a sentence. */
int import_check(const struct import *imp, const void *bytes, size_t size,
		 struct import_verdict *out, char err[LIVE_ERR_SIZE]);

/* -- lists ------------------------------------------------------------------------------------ */

/* Appends. False without memory. */
bool imp_pages_add(struct imp_pages *pages, uint64_t addr, uint64_t key);
bool imp_needs_add(struct imp_needs *needs, struct imp_need need);
bool imp_moves_add(struct imp_moves *moves, struct imp_move move);
bool imp_layout_add(struct imp_layout *layout, struct imp_vma vma);
bool imp_layout_copy(struct imp_layout *to, const struct imp_layout *from);
/* Takes away what is in [start, end). */
bool imp_layout_cut(struct imp_layout *layout, uint64_t start, uint64_t end);
/* Puts a VMA in the place of whatever was there. */
bool imp_layout_put(struct imp_layout *layout, struct imp_vma vma);
/* The first VMA that ends behind @addr; layout->nr: none. */
size_t imp_layout_from(const struct imp_layout *layout, uint64_t addr);
/* The VMA around @addr, or NULL. */
struct imp_vma *imp_layout_at(const struct imp_layout *layout, uint64_t addr);
/* One kind of memory, and where both have it one place in one file? */
bool imp_same_kind(const struct imp_vma *a, const struct imp_vma *b);

#endif
