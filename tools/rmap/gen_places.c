// SPDX-License-Identifier: BSD-2-Clause
/*
 * The generators about where pages stand: single-pages, fork-move, displaced, file-offsets.
 *
 * A reverse map goes from a page's number to an address, by way of a VMA or without one. Here are many VMAs for the one number, and
 * pages that stand where their numbers do not say.
 */
#include "gen.h"

#include <stdio.h>

/* Far from where the VM puts what has no wish. */
#define PLACES ((uint64_t)1 << 40)

/* ---------------------------------------------------------------- single-pages */

enum { SINGLE_VMAS, SINGLE_CHILDREN };

static void single_config(struct gen *gen)
{
	uint64_t vmas = gen->param[SINGLE_VMAS], children = gen->param[SINGLE_CHILDREN];

	gen->source.config.frames = gen_frames(children + 1, vmas, (children + 2) * vmas);
	gen->source.config.steps = 10 + vmas + 2 * children;
}

static bool single_protect(struct gen *gen, struct op *op, uint32_t prot)
{
	uint64_t page = gen->i;

	gen->i += 2;
	if (gen->i < gen->param[SINGLE_VMAS])
		gen->stage--;
	else
		gen->i = 0;
	gen_access(op, OP_MPROTECT, PARENT, HEAP, page, 1);
	op->prot = prot;
	return true;
}

static bool single_next(struct gen *gen, struct op *op)
{
	uint64_t vmas = gen->param[SINGLE_VMAS], children = gen->param[SINGLE_CHILDREN];

	if (gen->stage < GEN_BORN)
		return gen_parent(gen, op, "one VMA becomes many", vmas);
	switch (gen->stage++) {
	case GEN_BORN:
		return single_protect(gen, op, MM_PROT_READ);
	case GEN_BORN + 1:
		return gen_phase(op, "fork");
	case GEN_BORN + 2:
		return gen_fork(op, PARENT, CHILD(gen_each(gen, children)));
	case GEN_BORN + 3:
		return gen_phase(op, "the parent's become one again");
	case GEN_BORN + 4:
		return single_protect(gen, op, MM_PROT_READ | MM_PROT_WRITE);
	case GEN_BORN + 5:
		return gen_access(op, OP_WRITE, PARENT, HEAP, 0, vmas);
	case GEN_BORN + 6:
		return gen_probe(op, CHILD(0), HEAP, vmas / 2,
				 "a child's page, in a VMA of its own");
	case GEN_BORN + 7:
		return gen_probe(op, PARENT, HEAP, vmas / 2, "the parent's, written since");
	case GEN_BORN + 8:
		return gen_phase(op, "exit");
	case GEN_BORN + 9:
		return gen_exit(op, CHILD(gen_each(gen, children)));
	default:
		return false;
	}
}

const struct gen_kind gen_single_pages = {
	.name = "single-pages",
	.doc = "a VMA is split into single pages, the process forks, and merges them again",
	.params = { { "vmas", 20000, 2, 60000, "pages, each a VMA", NULL },
		    { "children", 4, 1, 1000, "processes forked", NULL } },
	.config = single_config,
	.next = single_next,
};

/* ---------------------------------------------------------------- fork-move */

enum { MOVE_DEPTH, MOVE_CHILDREN, MOVE_MOVES, MOVE_PAGES, MOVE_WRITE };

static void move_config(struct gen *gen)
{
	uint64_t depth = gen->param[MOVE_DEPTH], pages = gen->param[MOVE_PAGES];
	uint64_t processes = depth * gen->param[MOVE_CHILDREN] + 1;

	gen->source.config.frames = gen_frames(processes, pages + 1536, (processes + 1) * pages);
	gen->source.config.steps =
		6 + depth * (gen->param[MOVE_CHILDREN] + 2 * gen->param[MOVE_MOVES]);
}

/*
 * Depth d is handled by the first child of depth d - 1: it moves what it inherited about, half-way has children, and writes a part
 * after each move. All is at addresses that can be reckoned, since a mark is where the last one moved to, whoever it was.
 */
static uint64_t move_place(const struct gen *gen, uint64_t depth, uint64_t n)
{
	/* Two places in turn, with room between; each depth has its own. */
	return PLACES + ((depth * 2 + n % 2) * 2 * gen->param[MOVE_PAGES] << RMAP_PAGE_SHIFT);
}

/* How many of its moves a process has made when it forks. */
static uint64_t moves_before_fork(const struct gen *gen)
{
	return (gen->param[MOVE_MOVES] + 1) / 2;
}

/* Where the region of depth's mover stands after n of its moves. */
static uint64_t move_stands(const struct gen *gen, uint64_t depth, uint64_t n)
{
	if (n)
		return move_place(gen, depth, n - 1);
	if (depth)
		return move_place(gen, depth - 1, moves_before_fork(gen) - 1);
	return PLACES - (2 * gen->param[MOVE_PAGES] << RMAP_PAGE_SHIFT);
}

static uint64_t mover(const struct gen *gen, uint64_t depth)
{
	return depth ? CHILD((depth - 1) * gen->param[MOVE_CHILDREN]) : PARENT;
}

/* gen->i is the depth, gen->j the step within it: forks stand between the moves, and each move has two steps. */
static bool move_step(struct gen *gen, struct op *op)
{
	uint64_t children = gen->param[MOVE_CHILDREN], pages = gen->param[MOVE_PAGES];
	uint64_t moves = gen->param[MOVE_MOVES], depth = gen->i, n = gen->j++;
	/* Where that is no page, one is read. */
	uint64_t part = pages * gen->param[MOVE_WRITE] / 100, touched = part ? part : 1;
	uint64_t before = 2 * moves_before_fork(gen), move;

	if (gen->j < children + 2 * moves) {
		gen->stage--;
	} else {
		gen->j = 0;
		if (++gen->i < gen->param[MOVE_DEPTH])
			gen->stage--;
	}
	if (n >= before && n < before + children)
		return gen_fork(op, mover(gen, depth), CHILD(depth * children + n - before));
	if (n >= before)
		n -= children;
	move = n / 2;
	if (n % 2) {
		gen_access(op, part ? OP_WRITE : OP_READ, mover(gen, depth), 0,
			   gen_random(gen, pages - touched + 1), touched);
		op->addr.off += move_stands(gen, depth, move + 1);
		return true;
	}
	gen_move(op, mover(gen, depth), 0, pages, move_place(gen, depth, move));
	op->addr.off = move_stands(gen, depth, move);
	return true;
}

static bool move_next(struct gen *gen, struct op *op)
{
	uint64_t pages = gen->param[MOVE_PAGES], last = gen->param[MOVE_DEPTH] - 1;

	switch (gen->stage++) {
	case 0:
		return gen_phase(op, "the first writes");
	case 1:
		return gen_new(op, PARENT);
	case 2:
		gen_mmap(op, PARENT, pages, HEAP);
		op->addr.off = move_stands(gen, 0, 0);
		op->flags |= MM_MAP_FIXED;
		return true;
	case 3:
		return gen_access(op, OP_WRITE, PARENT, HEAP, 0, pages);
	case 4:
		return gen_phase(op, "each moves, forks, moves on");
	case 5:
		return move_step(gen, op);
	case 6:
		gen_probe(op, mover(gen, last), 0, pages / 2, "a page of the last that moved");
		op->addr.off += move_stands(gen, last, gen->param[MOVE_MOVES]);
		return true;
	default:
		return false;
	}
}

const struct gen_kind gen_fork_move = {
	.name = "fork-move",
	.doc = "generation after generation forks and then moves what it inherited, many times",
	.params = { { "depth", 5, 1, 1000, "generations", NULL },
		    { "children", 4, 1, 1000, "of each; the first is the next generation", NULL },
		    { "moves", 50, 1, 1000000, "of each generation", NULL },
		    { "pages", 64, 1, 1u << 18, "pages of the region", NULL },
		    { "write", 10, 0, 100, "per cent of them written after each move", NULL } },
	.config = move_config,
	.next = move_next,
};

/* ---------------------------------------------------------------- displaced */

enum { DISPLACED_RANGES, DISPLACED_PAGES, DISPLACED_CHILDREN };

static void displaced_config(struct gen *gen)
{
	uint64_t ranges = gen->param[DISPLACED_RANGES], pages = gen->param[DISPLACED_PAGES];
	uint64_t children = gen->param[DISPLACED_CHILDREN];

	gen->source.config.frames = gen_frames(children + 1, (ranges + 1) * (2 * pages),
					       (ranges + 1) * pages + children * pages) +
				    (children + 1) * (ranges * pages / 256 + 2);
	gen->source.config.steps = 8 + 3 * ranges + 2 * children;
}

/* Memory at the one address, written there, and moved away: over and over. */
static bool displaced_step(struct gen *gen, struct op *op)
{
	uint64_t pages = gen->param[DISPLACED_PAGES], n = gen->i;
	uint32_t mark = HEAP + (uint32_t)n;

	switch (gen->j++) {
	case 0:
		gen->stage--;
		gen_mmap(op, PARENT, pages, mark);
		op->addr.off = PLACES;
		op->flags |= MM_MAP_FIXED;
		return true;
	case 1:
		/* The last one stays. */
		if (n < gen->param[DISPLACED_RANGES])
			gen->stage--;
		return gen_access(op, OP_WRITE, PARENT, mark, 0, pages);
	default:
		gen->j = 0;
		gen->i++;
		gen->stage--;
		return gen_move(op, PARENT, mark, pages,
				PLACES + (2 * (n + 1) * pages << RMAP_PAGE_SHIFT));
	}
}

static bool displaced_next(struct gen *gen, struct op *op)
{
	uint64_t pages = gen->param[DISPLACED_PAGES], children = gen->param[DISPLACED_CHILDREN];
	uint32_t last = HEAP + (uint32_t)gen->param[DISPLACED_RANGES];

	switch (gen->stage++) {
	case 0:
		return gen_phase(op, "ranges are written at one address and moved away");
	case 1:
		return gen_new(op, PARENT);
	case 2:
		return displaced_step(gen, op);
	case 3:
		gen->i = 0;
		return gen_phase(op, "fork");
	case 4:
		return gen_fork(op, PARENT, CHILD(gen_each(gen, children)));
	case 5:
		return gen_phase(op, "the children write");
	case 6:
		return gen_access(op, OP_WRITE, CHILD(gen_each(gen, children)), HEAP, 0, pages);
	case 7:
		return gen_probe(op, PARENT, HEAP, 0, "a page of the range that moved first");
	case 8:
		return gen_probe(op, PARENT, last, 0, "a page of the range that stayed");
	case 9:
		return gen_probe(op, CHILD(0), HEAP, 0, "a child's own");
	default:
		return false;
	}
}

const struct gen_kind gen_displaced = {
	.name = "displaced",
	.doc = "many ranges of one process whose pages were all first written at one address",
	.params = { { "ranges", 1000, 1, 20000, "ranges that moved away", NULL },
		    { "pages", 8, 1, 1u << 12, "pages of each", NULL },
		    { "children", 10, 1, 10000, "processes forked then", NULL } },
	.config = displaced_config,
	.next = displaced_next,
};

/* ---------------------------------------------------------------- file-offsets */

enum { OFFSETS_FILES, OFFSETS_MAPPINGS, OFFSETS_PAGES, OFFSETS_CHILDREN };

static void offsets_config(struct gen *gen)
{
	uint64_t mappings = gen->param[OFFSETS_FILES] * gen->param[OFFSETS_MAPPINGS];
	uint64_t pages = gen->param[OFFSETS_PAGES], children = gen->param[OFFSETS_CHILDREN];

	gen->source.config.frames =
		gen_frames(children + 1, 2 * mappings * pages,
			   (2 + children) * mappings * pages + gen->param[OFFSETS_FILES] * pages);
	gen->source.config.steps =
		8 + gen->param[OFFSETS_FILES] + 2 * mappings + children * (1 + mappings);
}

/* Each file is mapped so many times from its beginning, privately, and each mapping written: anonymous pages of equal offsets. */
static bool offsets_map(struct gen *gen, struct op *op)
{
	uint64_t files = gen->param[OFFSETS_FILES], pages = gen->param[OFFSETS_PAGES];
	uint64_t mappings = files * gen->param[OFFSETS_MAPPINGS], n = gen->i;
	uint32_t mark = HEAP + (uint32_t)n;

	if (gen->j == 0) {
		gen->j = 1;
		gen->stage--;
		gen_mmap(op, PARENT, pages, mark);
		op->flags = MM_MAP_PRIVATE;
		op->file = 1 + (uint32_t)(n % files);
		op->file_mode = MM_FILE_READ;
		return true;
	}
	gen->j = 0;
	if (++gen->i < mappings)
		gen->stage--;
	return gen_access(op, OP_WRITE, PARENT, mark, 0, pages);
}

static bool offsets_write(struct gen *gen, struct op *op)
{
	uint64_t mappings = gen->param[OFFSETS_FILES] * gen->param[OFFSETS_MAPPINGS];
	uint64_t child = CHILD(gen->i);
	uint32_t mark = HEAP + (uint32_t)gen->j++;

	if (gen->j >= mappings) {
		gen->j = 0;
		gen->i++;
	}
	if (gen->i < gen->param[OFFSETS_CHILDREN])
		gen->stage--;
	return gen_access(op, OP_WRITE, child, mark, 0, 1);
}

static bool offsets_next(struct gen *gen, struct op *op)
{
	uint64_t children = gen->param[OFFSETS_CHILDREN], pages = gen->param[OFFSETS_PAGES];

	switch (gen->stage++) {
	case 0:
		return gen_phase(op, "private mappings of files are written");
	case 1:
		return gen_new(op, PARENT);
	case 2:
		op->kind = OP_FILE;
		op->file = 1 + (uint32_t)gen_each(gen, gen->param[OFFSETS_FILES]);
		op->len = pages << RMAP_PAGE_SHIFT;
		return true;
	case 3:
		return offsets_map(gen, op);
	case 4:
		gen->i = 0;
		return gen_phase(op, "fork");
	case 5:
		return gen_fork(op, PARENT, CHILD(gen_each(gen, children)));
	case 6:
		return gen_phase(op, "each child writes a page of each");
	case 7:
		return offsets_write(gen, op);
	case 8:
		return gen_probe(op, PARENT, HEAP, 0, "a page of the first mapping");
	case 9:
		return gen_probe(op, CHILD(0), HEAP, 0, "a child's own there");
	default:
		return false;
	}
}

const struct gen_kind gen_file_offsets = {
	.name = "file-offsets",
	.doc = "private mappings of the same parts of files, all written: equal offsets, many VMAs",
	.params = { { "files", 4, 1, 1000, "files", NULL },
		    { "mappings", 50, 1, 1000, "of each, all from its beginning", NULL },
		    { "pages", 8, 1, 1u << 12, "pages of each", NULL },
		    { "children", 10, 1, 10000, "processes forked then", NULL } },
	.config = offsets_config,
	.next = offsets_next,
};
