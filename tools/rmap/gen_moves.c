// SPDX-License-Identifier: BSD-2-Clause
/*
 * moves: every mremap of a small region: of each kind of memory, whole and with holes and other protections in it, of each part,
 * to each size, with each set of flags, to each place that matters.
 *
 *	0 1 2 3 4 5	six pages at HOME, written or not
 *
 * Afterwards both the old and the new place are written, also by the other of parent and child; then the process exits, and
 * the next case begins with a fresh one. What must come of it is not stated: the checker judges, and the live kernel
 * (rmap verify moves:every=41).
 */
#include "gen_cases.h"

#define PAGE	    ((uint64_t)RMAP_PAGE_SIZE)
#define HOME	    ((uint64_t)0x10000000)
#define PAGES	    6u
#define AWAY	    ((uint64_t)0x20000000)
#define TAKEN	    ((uint64_t)0x30000000) /* something is there, from two pages before to ten behind */
#define FILE_NUMBER 1u

#define RW	    (MM_PROT_READ | MM_PROT_WRITE)

enum kind { ANON, ANON_LOCKED, STACK, SHARED, FILE_PRIVATE, FILE_SHARED, KINDS };
enum form {
	WHOLE,
	TWO,	  /* the second half is read-only */
	THREE,	  /* two pages in the middle are executable */
	HOLE,	  /* the third page is missing */
	HOLE_TWO, /* the second is missing, the fifth read-only */
	FORMS,
};
enum flags { NONE, MAYMOVE, TO, COPY, COPY_TO, FIXED_ONLY, FLAGS };
enum place { FREE, BEHIND, BEFORE, ONTO, SAME, INSIDE, UNALIGNED, PLACES };
enum actor { ALONE, BY_PARENT, BY_CHILD, ACTORS };

/* First page and number of pages. */
static const struct {
	int64_t first;
	uint64_t pages;
} parts[] = { { 0, 6 }, { 0, 2 },  { 2, 2 }, { 4, 2 }, { 1, 4 }, { 0, 8 },
	      { 5, 3 }, { -1, 3 }, { 0, 0 }, { 2, 0 }, { 3, 1 } };
static const uint64_t sizes[] = { 0, 1, 2, 4, 6, 8 };

#define NR_PARTS (sizeof(parts) / sizeof(parts[0]))
#define NR_SIZES (sizeof(sizes) / sizeof(sizes[0]))
/* A place matters only where it is given: seven for each of two sets of flags, one for the others. */
#define NR_WAYS	 (FLAGS - 2 + 2 * (uint64_t)PLACES)
#define CASES	 ((uint64_t)KINDS * FORMS * NR_PARTS * NR_SIZES * NR_WAYS * ACTORS * 2)

struct moves {
	enum kind kind;
	enum form form;
	int64_t first;
	uint64_t pages, size;
	enum flags flags;
	enum place place;
	enum actor who;
	bool written;
};

static void take_way(struct moves *c, uint64_t way)
{
	c->place = FREE;
	if (way < PLACES) {
		c->flags = TO;
		c->place = (enum place)way;
	} else if (way < 2 * (uint64_t)PLACES) {
		c->flags = COPY_TO;
		c->place = (enum place)(way - PLACES);
	} else {
		static const enum flags others[] = { NONE, MAYMOVE, COPY, FIXED_ONLY };

		c->flags = others[way - 2 * (uint64_t)PLACES];
	}
}

static struct moves take_apart(uint64_t n)
{
	struct moves c;

	c.kind = n % KINDS;
	n /= KINDS;
	c.who = n % ACTORS;
	n /= ACTORS;
	c.written = n % 2;
	n /= 2;
	c.form = n % FORMS;
	n /= FORMS;
	c.size = sizes[n % NR_SIZES];
	n /= NR_SIZES;
	c.first = parts[n % NR_PARTS].first;
	c.pages = parts[n % NR_PARTS].pages;
	take_way(&c, n / NR_PARTS);
	return c;
}

/* ---------------------------------------------------------------- the region */

static bool map(struct op *op, uint64_t addr, uint64_t pages, enum kind kind)
{
	static const uint32_t flags[KINDS] = {
		[ANON] = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS,
		[ANON_LOCKED] = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_LOCKED,
		[STACK] = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_GROWSDOWN,
		[SHARED] = MM_MAP_SHARED | MM_MAP_ANONYMOUS,
		[FILE_PRIVATE] = MM_MAP_PRIVATE,
		[FILE_SHARED] = MM_MAP_SHARED,
	};

	gen_at(op, OP_MMAP, GEN_ELDEST, addr, pages);
	op->outcome = OP_MUST_SUCCEED;
	op->prot = RW;
	op->flags = flags[kind] | MM_MAP_FIXED;
	if (kind == FILE_PRIVATE || kind == FILE_SHARED) {
		op->file = FILE_NUMBER;
		op->file_mode = MM_FILE_READ | MM_FILE_WRITE;
		op->offset = 2 * PAGE;
	}
	return true;
}

static bool protect(struct op *op, uint64_t first, uint64_t pages, uint32_t prot)
{
	op->prot = prot;
	return gen_at(op, OP_MPROTECT, GEN_ELDEST, HOME + first * PAGE, pages);
}

static bool open_file(struct op *op)
{
	op->kind = OP_FILE;
	op->file = FILE_NUMBER;
	op->len = 16 * PAGE;
	return true;
}

static bool close_file(struct op *op)
{
	op->kind = OP_FILE_CLOSE;
	op->file = FILE_NUMBER;
	return true;
}

/* Steps 0…5. */
static bool make(const struct moves *c, unsigned int step, struct op *op)
{
	bool of_file = c->kind == FILE_PRIVATE || c->kind == FILE_SHARED;

	switch (step) {
	case 0:
		return of_file && open_file(op);
	case 1:
		return map(op, HOME, PAGES, c->kind);
	case 2:
		return c->written && gen_at(op, OP_WRITE, GEN_ELDEST, HOME, PAGES - 1);
	case 3:
		if (c->form == TWO)
			return protect(op, 3, 3, MM_PROT_READ);
		if (c->form == THREE)
			return protect(op, 2, 2, MM_PROT_READ | MM_PROT_EXEC);
		if (c->form == WHOLE)
			return false;
		return gen_at(op, OP_MUNMAP, GEN_ELDEST, HOME + (c->form == HOLE ? 2 : 1) * PAGE,
			      1);
	case 4:
		return c->form == HOLE_TWO && protect(op, 4, 1, MM_PROT_READ);
	default:
		return c->place == ONTO && map(op, TAKEN - 2 * PAGE, 12, ANON);
	}
}

/* ---------------------------------------------------------------- the move */

static uint64_t target(const struct moves *c)
{
	uint64_t from = HOME + (uint64_t)c->first * PAGE;

	switch (c->place) {
	case BEHIND:
		return HOME + PAGES * PAGE;
	case BEFORE:
		return HOME - PAGES * PAGE;
	case ONTO:
		return TAKEN;
	case SAME:
		return from;
	case INSIDE:
		return from + PAGE;
	case UNALIGNED:
		return AWAY + PAGE / 2;
	default:
		return AWAY;
	}
}

static bool move(const struct moves *c, uint64_t who, struct op *op)
{
	static const uint32_t flags[FLAGS] = {
		[MAYMOVE] = MM_MREMAP_MAYMOVE,
		[TO] = MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED,
		[COPY] = MM_MREMAP_MAYMOVE | MM_MREMAP_DONTUNMAP,
		[COPY_TO] = MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED | MM_MREMAP_DONTUNMAP,
		[FIXED_ONLY] = MM_MREMAP_FIXED,
	};

	gen_at(op, OP_MREMAP, who, HOME + (uint64_t)c->first * PAGE, c->pages);
	op->new_len = c->size * PAGE;
	op->flags = flags[c->flags];
	if (op->flags & MM_MREMAP_FIXED)
		op->new_addr.off = target(c);
	return true;
}

#define STEPS 16u

static bool moves_step(uint64_t n, unsigned int step, struct op *op)
{
	struct moves c = take_apart(n);
	uint64_t who = c.who == BY_CHILD ? GEN_SECOND : GEN_ELDEST;

	if (step < 6)
		return make(&c, step, op);
	switch (step) {
	case 6:
		return c.place == ONTO && gen_at(op, OP_WRITE, GEN_ELDEST, TAKEN, 2);
	case 7:
		return c.who != ALONE && gen_fork(op, GEN_ELDEST, GEN_SECOND);
	case 8:
		return move(&c, who, op);
	case 9:
		return gen_at(op, OP_WRITE, who, HOME + 2 * PAGE, 2);
	case 10:
		return gen_at(op, OP_WRITE, who, target(&c) & RMAP_PAGE_MASK, 2);
	case 11:
		return c.who != ALONE && gen_at(op, OP_WRITE, GEN_ELDEST, HOME + PAGE, 3);
	case 12:
		return c.who != ALONE && gen_exit(op, GEN_SECOND);
	case 13:
		return gen_exit(op, GEN_ELDEST);
	case 14:
		return (c.kind == FILE_PRIVATE || c.kind == FILE_SHARED) && close_file(op);
	default:
		return gen_new(op, GEN_ELDEST);
	}
}

/* ---------------------------------------------------------------- the generator */

static const struct gen_cases cases = { CASES, STEPS, moves_step };

static void moves_config(struct gen *gen)
{
	gen_cases_config(gen, &cases);
}

static bool moves_next(struct gen *gen, struct op *op)
{
	return gen_cases_next(gen, op, &cases);
}

const struct gen_kind gen_moves = {
	.name = "moves",
	.doc = "every mremap of a small region: kinds of memory, parts, sizes, flags, places",
	.params = GEN_CASES_PARAMS(CASES),
	.config = moves_config,
	.next = moves_next,
	.proc_name = gen_cases_proc_name,
};
