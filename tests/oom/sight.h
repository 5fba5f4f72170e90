/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What processes can see of their memory, so that two moments can be held against each other: each page's rights and state, each
 * process's accounts, the sizes of files. Which frame holds a page, and how VMAs are cut, is not seen.
 */
#ifndef TESTS_OOM_SIGHT_H
#define TESTS_OOM_SIGHT_H

#include "runner_int.h"

#define SIGHT_PAGES 65536u
#define SIGHT_PROCS 256u
#define SIGHT_FILES 64u
/* Of a VMA that has more pages the middle is not looked at one by one; the checker and the contents are. */
#define SIGHT_ENDS  512u

/* One page that is mapped. */
struct seen {
	uint64_t proc, addr;
	uint64_t
		rights; /* of its VMA: rights, flags, what of which file, how many such pages follow */
	enum mm_page_state state;
	bool anon;
};

struct seen_proc {
	uint64_t proc;
	uint64_t total_vm, locked_vm, data_vm, exec_vm, stack_vm, brk;
	uint64_t vmas;
};

struct sight {
	uint32_t nr_pages, nr_procs, nr_files;
	bool full; /* there was more than there is room for */
	uint64_t committed;
	uint64_t
		moved; /* pages that reclaim, write-back and swap have moved so far: not for one operation to undo */
	struct seen page[SIGHT_PAGES]; /* by process, then address */
	struct seen_proc proc[SIGHT_PROCS];
	uint64_t file[SIGHT_FILES]; /* sizes */
};

enum sight_how {
	SIGHT_EXACT, /* all of it; after is not looked at */
	SIGHT_PAGES_MAY_LACK, /* but a page may be as in after, or not there: what it held is for those who compare contents */
	SIGHT_BETWEEN, /* or each page as in after; no accounts */
};

struct sight_gap {
	uint64_t start, end;
};

void sight_take(struct runner *r, struct sight *s);

/*
 * Is now what was before? What reclaim has moved meanwhile may have another state. The first that is not is said in a sentence. In gap
 * (NULL: nowhere) things may be gone.
 */
bool sight_same(const struct sight *now, const struct sight *before, const struct sight *after,
		enum sight_how how, const struct sight_gap *gap, char *sentence, size_t size);

#endif
