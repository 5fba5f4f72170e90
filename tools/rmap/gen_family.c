// SPDX-License-Identifier: BSD-2-Clause
/*
 * The generators about large families: survivors, unmapped, fork-vmas, swap-shared.
 *
 * Each is the worst that some reverse map can be given: a page that few of many relatives still have, relatives that have nothing
 * of it any more, many VMAs to be copied at each fork, owners that must be found again after everything was in swap.
 */
#include "gen.h"

#include <stdio.h>

/* ---------------------------------------------------------------- survivors */

enum { SURVIVORS_CHILDREN, SURVIVORS_LEFT, SURVIVORS_WHICH, SURVIVORS_PARENT, SURVIVORS_PAGES };
enum { OLDEST, NEWEST, SPREAD };

static const char *const which_words[] = { "oldest", "newest", "spread", NULL };
static const char *const no_yes[] = { "no", "yes", NULL };

static void survivors_config(struct gen *gen)
{
	uint64_t children = gen->param[SURVIVORS_CHILDREN], pages = gen->param[SURVIVORS_PAGES];

	if (gen->param[SURVIVORS_LEFT] > children)
		gen->param[SURVIVORS_LEFT] = children;
	gen->source.config.frames = gen_frames(children + 1, pages, (children + 2) * pages);
	gen->source.config.steps = 12 + 3 * children;
}

/* Does child i keep the pages as they were? */
static bool survives(const struct gen *gen, uint64_t i)
{
	uint64_t children = gen->param[SURVIVORS_CHILDREN], left = gen->param[SURVIVORS_LEFT];

	switch (gen->param[SURVIVORS_WHICH]) {
	case OLDEST:
		return i < left;
	case NEWEST:
		return i >= children - left;
	default:
		/* The first, the last and between them evenly; the first alone if it is one. */
		if (left < 2)
			return i < left;
		return i * (left - 1) % (children - 1) < left - 1;
	}
}

static uint64_t first_survivor(const struct gen *gen)
{
	uint64_t i = 0;

	while (i < gen->param[SURVIVORS_CHILDREN] && !survives(gen, i))
		i++;
	return i;
}

/* A survivor reads what all others write. */
static bool survivors_child(struct gen *gen, struct op *op)
{
	uint64_t i = gen_each(gen, gen->param[SURVIVORS_CHILDREN]);

	return gen_access(op, survives(gen, i) ? OP_READ : OP_WRITE, CHILD(i), HEAP, 0,
			  gen->param[SURVIVORS_PAGES]);
}

static bool survivors_probe(const struct gen *gen, struct op *op)
{
	uint64_t page = gen->param[SURVIVORS_PAGES] / 2;

	if (gen->param[SURVIVORS_LEFT])
		return gen_probe(op, CHILD(first_survivor(gen)), HEAP, page,
				 "a page that few have left");
	return gen_probe(op, PARENT, HEAP, page, "a page that the parent has left");
}

static bool survivors_next(struct gen *gen, struct op *op)
{
	uint64_t children = gen->param[SURVIVORS_CHILDREN], pages = gen->param[SURVIVORS_PAGES];
	bool parent = gen->param[SURVIVORS_PARENT];

	if (gen->stage < GEN_FORKED)
		return gen_family(gen, op, "the parent writes", pages, "fork", children);
	switch (gen->stage++) {
	case GEN_FORKED:
		return gen_phase(op, "all but few write");
	case GEN_FORKED + 1:
		return survivors_child(gen, op);
	case GEN_FORKED + 2:
		return gen_access(op, parent ? OP_READ : OP_WRITE, PARENT, HEAP, 0, pages);
	case GEN_FORKED + 3:
	case GEN_FORKED + 4: /* once more: a design may have learned */
		return survivors_probe(gen, op);
	case GEN_FORKED + 5:
		return gen_phase(op, "exit");
	case GEN_FORKED + 6:
		return gen_exit(op, CHILD(gen_each(gen, children)));
	case GEN_FORKED + 7:
		return gen_exit(op, PARENT);
	default:
		return false;
	}
}

const struct gen_kind gen_survivors = {
	.name = "survivors",
	.doc = "of many children few keep the parent's pages; all others write their own",
	.params = { { "children", 1000, 2, 100000, "processes forked", NULL },
		    { "left", 1, 0, 100000, "of them that keep the pages (no more than there are)",
		      NULL },
		    { "which", OLDEST, 0, 2, "of them", which_words },
		    { "parent", 0, 0, 1, "does the parent keep them, too?", no_yes },
		    { "pages", 16, 1, 1u << 20, "pages of the parent's heap", NULL } },
	.config = survivors_config,
	.next = survivors_next,
};

/* ---------------------------------------------------------------- unmapped */

enum { UNMAPPED_CHILDREN, UNMAPPED_PAGES, UNMAPPED_HOW };
enum { BY_MUNMAP, BY_DONTFORK };

static const char *const how_words[] = { "munmap", "dontfork", NULL };

/* Beside the heap stands one page that the children write: each lives, and has something. */
enum { OWN = 2 };

static void unmapped_config(struct gen *gen)
{
	uint64_t children = gen->param[UNMAPPED_CHILDREN], pages = gen->param[UNMAPPED_PAGES];

	gen->source.config.frames =
		gen_frames(children + 1, pages + 1024, 2 * pages + children + 1);
	gen->source.config.steps = 10 + (gen->param[UNMAPPED_HOW] == BY_MUNMAP ? 3 : 2) * children;
}

static bool unmapped_child(struct gen *gen, struct op *op)
{
	uint64_t child = CHILD(gen->i);

	if (gen->j == 0 && gen->param[UNMAPPED_HOW] == BY_MUNMAP) {
		gen->j = 1;
		gen->stage--;
		return gen_unmap(op, child, HEAP, gen->param[UNMAPPED_PAGES]);
	}
	gen->j = 0;
	if (++gen->i < gen->param[UNMAPPED_CHILDREN])
		gen->stage--;
	return gen_access(op, OP_WRITE, child, OWN, 0, 1);
}

static bool unmapped_next(struct gen *gen, struct op *op)
{
	uint64_t children = gen->param[UNMAPPED_CHILDREN], pages = gen->param[UNMAPPED_PAGES];

	switch (gen->stage++) {
	case 0:
		return gen_phase(op, "the parent writes");
	case 1:
		return gen_new(op, PARENT);
	case 2:
		return gen_mmap(op, PARENT, pages, HEAP);
	case 3:
		return gen_mmap(op, PARENT, 1, OWN);
	case 4:
		return gen_access(op, OP_WRITE, PARENT, HEAP, 0, pages);
	case 5:
		if (gen->param[UNMAPPED_HOW] != BY_DONTFORK)
			return gen_access(op, OP_WRITE, PARENT, OWN, 0, 1);
		gen_access(op, OP_MADVISE, PARENT, HEAP, 0, pages);
		op->flags = MM_MADV_DONTFORK;
		return true;
	case 6:
		return gen_phase(op, "fork");
	case 7:
		return gen_fork(op, PARENT, CHILD(gen_each(gen, children)));
	case 8:
		return gen_phase(op, "the children have nothing of it");
	case 9:
		return unmapped_child(gen, op);
	case 10:
		return gen_access(op, OP_READ, PARENT, HEAP, 0, pages);
	case 11:
		return gen_probe(op, PARENT, HEAP, 0, "a page that the parent alone has");
	default:
		return false;
	}
}

const struct gen_kind gen_unmapped = {
	.name = "unmapped",
	.doc = "children that unmapped what they inherited, or were not given it",
	.params = { { "children", 1000, 1, 100000, "processes forked", NULL },
		    { "pages", 100, 1, 1u << 22, "pages of the parent's heap", NULL },
		    { "how", BY_MUNMAP, 0, 1, "have they lost it", how_words } },
	.config = unmapped_config,
	.next = unmapped_next,
};

/* ---------------------------------------------------------------- fork-vmas */

enum { VMAS_VMAS, VMAS_PAGES, VMAS_CHILDREN, VMAS_DEPTH, VMAS_WRITE };

static void vmas_config(struct gen *gen)
{
	uint64_t processes = gen->param[VMAS_CHILDREN] * gen->param[VMAS_DEPTH] + 1;
	uint64_t pages = gen->param[VMAS_VMAS] * gen->param[VMAS_PAGES];
	uint64_t own = pages * gen->param[VMAS_WRITE] / 100 + gen->param[VMAS_VMAS], part;

	gen->source.config.frames = gen_frames(processes, 2 * pages, processes * own + 2 * pages);
	part = gen->param[VMAS_VMAS] * gen->param[VMAS_WRITE] / 100;
	gen->source.config.steps =
		8 + 2 * gen->param[VMAS_VMAS] + (processes - 1) * (2 + (part ? part : 1));
}

/* A mapping of all, of which every second part is made unreadable: so the parts between are VMAs of their own. */
static bool vmas_make(struct gen *gen, struct op *op)
{
	uint64_t pages = gen->param[VMAS_PAGES], i = gen->i;

	if (gen->j == 0) {
		gen->j = 1;
		gen->stage--;
		gen_access(op, OP_MPROTECT, PARENT, HEAP, (2 * i + 1) * pages, pages);
		op->prot = MM_PROT_NONE;
		return true;
	}
	gen->j = 0;
	if (++gen->i < gen->param[VMAS_VMAS])
		gen->stage--;
	return gen_access(op, OP_WRITE, PARENT, HEAP, 2 * i * pages, pages);
}

/* Each generation has so many children, and the first of them is the next one's parent. */
static bool vmas_fork(struct gen *gen, struct op *op)
{
	uint64_t children = gen->param[VMAS_CHILDREN];
	uint64_t i = gen_each(gen, children * gen->param[VMAS_DEPTH]);

	return gen_fork(op, i < children ? PARENT : CHILD((i / children - 1) * children), CHILD(i));
}

/* One child after the other writes one page in so many VMAs. */
static bool vmas_write(struct gen *gen, struct op *op)
{
	uint64_t processes = gen->param[VMAS_CHILDREN] * gen->param[VMAS_DEPTH];
	uint64_t vmas = gen->param[VMAS_VMAS], part = vmas * gen->param[VMAS_WRITE] / 100;
	uint64_t child = CHILD(gen->i), vma = gen->j++;

	if (gen->j >= part) {
		gen->j = 0;
		gen->i++;
	}
	if (gen->i < processes)
		gen->stage--;
	return gen_access(op, part ? OP_WRITE : OP_READ, child, HEAP,
			  2 * vma * gen->param[VMAS_PAGES], 1);
}

static bool vmas_next(struct gen *gen, struct op *op)
{
	uint64_t pages = gen->param[VMAS_PAGES], vmas = gen->param[VMAS_VMAS];
	uint64_t processes = gen->param[VMAS_CHILDREN] * gen->param[VMAS_DEPTH];

	switch (gen->stage++) {
	case 0:
		return gen_phase(op, "the parent makes its VMAs");
	case 1:
		return gen_new(op, PARENT);
	case 2:
		return gen_mmap(op, PARENT, 2 * vmas * pages, HEAP);
	case 3:
		return vmas_make(gen, op);
	case 4:
		gen->i = gen->j = 0;
		return gen_phase(op, "fork");
	case 5:
		return vmas_fork(gen, op);
	case 6:
		return gen_phase(op, "the children write");
	case 7:
		return vmas_write(gen, op);
	case 8:
		return gen_probe(op, CHILD(processes - 1), HEAP, 0,
				 "a page of the last child's own");
	case 9:
		gen->i = 0;
		return gen_phase(op, "exit");
	case 10:
		return gen_exit(op, CHILD(gen_each(gen, processes)));
	case 11:
		return gen_exit(op, PARENT);
	default:
		return false;
	}
}

const struct gen_kind gen_fork_vmas = {
	.name = "fork-vmas",
	.doc = "a process of many VMAs forks, and its children fork; they write some pages",
	.params = { { "vmas", 1000, 1, 30000, "faulted VMAs of the parent", NULL },
		    { "pages", 2, 1, 1u << 12, "pages of each", NULL },
		    { "children", 20, 1, 10000, "of each generation's first process", NULL },
		    { "depth", 3, 1, 1000, "generations", NULL },
		    { "write", 20, 0, 100, "per cent of the VMAs in which a child writes a page",
		      NULL } },
	.config = vmas_config,
	.next = vmas_next,
};

/* ---------------------------------------------------------------- swap-shared */

enum { SWAP_CHILDREN, SWAP_PAGES, SWAP_WRITE, SWAP_ROUNDS };

static void swap_config(struct gen *gen)
{
	uint64_t children = gen->param[SWAP_CHILDREN], pages = gen->param[SWAP_PAGES];
	uint64_t own = pages * gen->param[SWAP_WRITE] / 100 + 1;

	gen->source.config.frames = gen_frames(children + 1, pages, children * own + 2 * pages);
	gen->source.config.steps =
		5 + 8 * gen->param[SWAP_ROUNDS] + children * (1 + 2 * gen->param[SWAP_ROUNDS]);
}

static bool swap_next(struct gen *gen, struct op *op)
{
	uint64_t children = gen->param[SWAP_CHILDREN], pages = gen->param[SWAP_PAGES];
	uint64_t part = pages * gen->param[SWAP_WRITE] / 100;

	if (gen->stage < GEN_FORKED)
		return gen_family(gen, op, "a family shares pages", pages, NULL, children);
	switch (gen->stage++) {
	case GEN_FORKED:
		return gen_phase(op, "all are taken out");
	case GEN_FORKED + 1:
	case GEN_FORKED + 2: /* the first time around some are found used */
	case GEN_FORKED + 3:
		return gen_reclaim(op, gen->source.config.frames);
	case GEN_FORKED + 4:
		return gen_phase(op, "all are brought in again");
	case GEN_FORKED + 5:
		return gen_access(op, OP_READ, CHILD(gen_each(gen, children)), HEAP, 0, pages);
	case GEN_FORKED + 6:
		return gen_probe(op, CHILD(0), HEAP, 0, "a page that all brought in again");
	case GEN_FORKED + 7:
		return gen_phase(op, "some are written");
	case GEN_FORKED + 8:
		return gen_access(op, part ? OP_WRITE : OP_READ, CHILD(gen_each(gen, children)),
				  HEAP, 0, part ? part : 1);
	case GEN_FORKED + 9:
		if (++gen->j < gen->param[SWAP_ROUNDS])
			gen->stage = GEN_FORKED;
		return gen_access(op, OP_READ, PARENT, HEAP, 0, pages);
	case GEN_FORKED + 10:
		return gen_probe(op, CHILD(0), HEAP, 0, "a page that a child wrote");
	default:
		return false;
	}
}

const struct gen_kind gen_swap_shared = {
	.name = "swap-shared",
	.doc = "a family's shared pages are all taken to swap, and brought in by each",
	.params = { { "children", 50, 1, 100000, "processes forked", NULL },
		    { "pages", 200, 1, 1u << 22, "pages that they share", NULL },
		    { "write", 25, 0, 100,
		      "per cent of the pages that each child writes afterwards", NULL },
		    { "rounds", 2, 1, 1000, "how often", NULL } },
	.config = swap_config,
	.next = swap_next,
};
