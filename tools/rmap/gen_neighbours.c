// SPDX-License-Identifier: BSD-2-Clause
/*
 * neighbours: every way in which three small VMAs can lie side by side, and every call on the middle one that may join or part
 * them; none is picked and none left out.
 *
 *	LLMMRR	two pages each, at fixed addresses
 *
 * A case is a number, taken apart into: what each of the three is (absent, touched or not, of which protection), how they came
 * to be (cut out of one mapping, or made one by one in two orders), who acts (a process alone, the parent of a child, the
 * child, a grandchild), and the call. Afterwards all three are written, a neighbour is put behind them, all take one
 * protection, and another; then everything goes, and the next case begins. What must come of it is not stated: the checker
 * judges, and the live kernel (rmap verify neighbours).
 */
#include "gen_cases.h"

#define PAGE	  ((uint64_t)RMAP_PAGE_SIZE)
#define LEFT	  ((uint64_t)0x10000000)
#define MIDDLE	  (LEFT + 2 * PAGE)
#define ELSEWHERE ((uint64_t)0x20000000)

#define RW	  (MM_PROT_READ | MM_PROT_WRITE)
#define RWX	  (MM_PROT_READ | MM_PROT_WRITE | MM_PROT_EXEC)

enum shape { ABSENT, UNTOUCHED, WRITTEN, EXEC, EXEC_WRITTEN, READ_ONLY, SHAPES };
enum made { CUT, OUTER_FIRST, MIDDLE_FIRST, MADES };
enum actor { ALONE, BY_PARENT, BY_CHILD, BY_GRANDCHILD, ACTORS };
enum call {
	PROTECT_RW,
	PROTECT_RWX,
	PROTECT_R,
	PROTECT_TWO,  /* left and middle */
	PROTECT_HALF, /* the middle's second page */
	MAP_RW,
	MAP_RWX,
	UNMAP_HALF,
	MOVE_WRITTEN, /* from elsewhere onto the middle */
	MOVE_UNTOUCHED,
	COPY_WRITTEN, /* the same with DONTUNMAP */
	COPY_UNTOUCHED,
	MOVE_HOME, /* the middle away and back */
	LOCK,
	DONT_FORK,
	CALLS,
};

#define CASES ((uint64_t)SHAPES * SHAPES * SHAPES * MADES * ACTORS * CALLS)

struct neighbours {
	enum shape shape[3];
	enum made made;
	enum actor who;
	enum call call;
};

static struct neighbours take_apart(uint64_t n)
{
	struct neighbours c;

	c.call = n % CALLS;
	n /= CALLS;
	c.who = n % ACTORS;
	n /= ACTORS;
	c.made = n % MADES;
	n /= MADES;
	for (int i = 0; i < 3; i++, n /= SHAPES)
		c.shape[i] = n % SHAPES;
	return c;
}

static bool moves(enum call call)
{
	return call >= MOVE_WRITTEN && call <= MOVE_HOME;
}

/* ---------------------------------------------------------------- operations */

static bool map(struct op *op, uint64_t proc, uint64_t addr, uint64_t pages, uint32_t prot)
{
	gen_at(op, OP_MMAP, proc, addr, pages);
	op->outcome = OP_MUST_SUCCEED;
	op->prot = prot;
	op->flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_FIXED;
	return true;
}

static bool protect(struct op *op, uint64_t proc, uint64_t addr, uint64_t pages, uint32_t prot)
{
	op->prot = prot;
	return gen_at(op, OP_MPROTECT, proc, addr, pages);
}

static bool move(struct op *op, uint64_t proc, uint64_t from, uint64_t to, uint32_t flags)
{
	gen_at(op, OP_MREMAP, proc, from, 2);
	op->new_len = op->len;
	op->new_addr.off = to;
	op->flags = MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED | flags;
	return true;
}

static bool advise(struct op *op, uint64_t proc, uint64_t addr, uint64_t pages, uint32_t advice)
{
	op->flags = advice;
	return gen_at(op, OP_MADVISE, proc, addr, pages);
}

/* ---------------------------------------------------------------- a case, step by step */

static uint32_t prot_of(enum shape shape)
{
	if (shape == READ_ONLY)
		return MM_PROT_READ;
	return shape == EXEC || shape == EXEC_WRITTEN ? RWX : RW;
}

static bool is_written(enum shape shape)
{
	return shape == WRITTEN || shape == EXEC_WRITTEN;
}

/* Steps 0…9: one mapping, its written parts, then what each part becomes; or part by part. */
static bool make(const struct neighbours *c, unsigned int step, struct op *op)
{
	static const unsigned int orders[MADES][3] = {
		[CUT] = { 0, 1, 2 }, [OUTER_FIRST] = { 0, 2, 1 }, [MIDDLE_FIRST] = { 1, 0, 2 }
	};
	unsigned int k = orders[c->made][step < 4 ? (step + 2) % 3 : (step - 4) / 2];
	enum shape shape = c->shape[k];
	uint64_t at = LEFT + k * 2 * PAGE;

	if (step == 0)
		return c->made == CUT && map(op, GEN_ELDEST, LEFT, 6, RW);
	if (step < 4)
		return c->made == CUT && is_written(shape) &&
		       gen_at(op, OP_WRITE, GEN_ELDEST, at, 1);
	if (step % 2)
		return c->made != CUT && is_written(shape) &&
		       gen_at(op, OP_WRITE, GEN_ELDEST, at, 1);
	if (c->made != CUT)
		return shape != ABSENT && map(op, GEN_ELDEST, at, 2, prot_of(shape));
	if (shape == ABSENT)
		return gen_at(op, OP_MUNMAP, GEN_ELDEST, at, 2);
	return prot_of(shape) != RW && protect(op, GEN_ELDEST, at, 2, prot_of(shape));
}

static bool prepare_move(const struct neighbours *c, uint64_t who, bool write, struct op *op)
{
	if (!moves(c->call))
		return false;
	if (c->call == MOVE_HOME)
		return !write && move(op, who, MIDDLE, ELSEWHERE, 0);
	if (!write)
		return map(op, who, ELSEWHERE, 2, RW);
	return (c->call == MOVE_WRITTEN || c->call == COPY_WRITTEN) &&
	       gen_at(op, OP_WRITE, who, ELSEWHERE, 1);
}

static bool act(const struct neighbours *c, uint64_t who, struct op *op)
{
	switch (c->call) {
	case PROTECT_RW:
		return protect(op, who, MIDDLE, 2, RW);
	case PROTECT_RWX:
		return protect(op, who, MIDDLE, 2, RWX);
	case PROTECT_R:
		return protect(op, who, MIDDLE, 2, MM_PROT_READ);
	case PROTECT_TWO:
		return protect(op, who, LEFT, 4, RWX);
	case PROTECT_HALF:
		return protect(op, who, MIDDLE + PAGE, 2, RW);
	case MAP_RW:
		return map(op, who, MIDDLE, 2, RW);
	case MAP_RWX:
		return map(op, who, MIDDLE, 2, RWX);
	case UNMAP_HALF:
		return gen_at(op, OP_MUNMAP, who, MIDDLE, 1);
	case COPY_WRITTEN:
	case COPY_UNTOUCHED:
		return move(op, who, ELSEWHERE, MIDDLE, MM_MREMAP_DONTUNMAP);
	case LOCK:
		return gen_at(op, OP_MLOCK, who, MIDDLE, 2);
	case DONT_FORK:
		return advise(op, who, MIDDLE, 2, MM_MADV_DONTFORK);
	default:
		return move(op, who, ELSEWHERE, MIDDLE, 0);
	}
}

#define STEPS 29u

/* False: the case has no such step. */
static bool one_step(const struct neighbours *c, unsigned int step, struct op *op)
{
	uint64_t who = c->who == BY_CHILD	 ? GEN_SECOND
		       : c->who == BY_GRANDCHILD ? GEN_THIRD
						 : GEN_ELDEST;

	if (step < 10)
		return make(c, step, op);
	switch (step) {
	case 10:
		return c->who != ALONE && gen_fork(op, GEN_ELDEST, GEN_SECOND);
	case 11:
		return c->who == BY_GRANDCHILD && gen_at(op, OP_WRITE, GEN_SECOND, MIDDLE, 1);
	case 12:
		return c->who == BY_GRANDCHILD && gen_fork(op, GEN_SECOND, GEN_THIRD);
	case 13:
	case 14:
		return prepare_move(c, who, step == 14, op);
	case 15:
		return act(c, who, op);
	case 16:
	case 17:
	case 18:
		return gen_at(op, OP_WRITE, who, LEFT + (step - 16) * 2 * PAGE, 1);
	case 19:
		return map(op, who, LEFT + 6 * PAGE, 2, RW);
	case 20:
		return protect(op, who, LEFT, 6, RW);
	case 21:
		return gen_at(op, OP_WRITE, who, LEFT + 4 * PAGE, 1);
	case 22:
		return c->call == LOCK && gen_at(op, OP_MUNLOCK, who, LEFT, 8);
	case 23:
		return c->call == DONT_FORK && advise(op, who, LEFT, 8, MM_MADV_DOFORK);
	case 24:
		return protect(op, who, LEFT, 8, MM_PROT_READ);
	case 25:
		return c->who == BY_GRANDCHILD && gen_exit(op, GEN_THIRD);
	case 26:
		return c->who != ALONE && gen_exit(op, GEN_SECOND);
	case 27:
		return gen_at(op, OP_MUNMAP, GEN_ELDEST, LEFT, 8);
	default:
		return moves(c->call) && gen_at(op, OP_MUNMAP, GEN_ELDEST, ELSEWHERE, 2);
	}
}

/* ---------------------------------------------------------------- the generator */

static bool neighbours_step(uint64_t n, unsigned int step, struct op *op)
{
	struct neighbours c = take_apart(n);

	return one_step(&c, step, op);
}

static const struct gen_cases cases = { CASES, STEPS, neighbours_step };

static void neighbours_config(struct gen *gen)
{
	gen_cases_config(gen, &cases);
}

static bool neighbours_next(struct gen *gen, struct op *op)
{
	return gen_cases_next(gen, op, &cases);
}

const struct gen_kind gen_neighbours = {
	.name = "neighbours",
	.doc = "every way in which three VMAs can lie side by side, and every call that may join "
	       "them",
	.params = GEN_CASES_PARAMS(CASES),
	.config = neighbours_config,
	.next = neighbours_next,
	.proc_name = gen_cases_proc_name,
};
