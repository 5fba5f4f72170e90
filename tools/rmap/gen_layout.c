// SPDX-License-Identifier: BSD-2-Clause
/*
 * The generators about layout: mremap-churn and split-merge. What they do is random but for the seed; what must come out is
 * not stated here: the checker and the contents judge.
 */
#include "gen.h"

#include <stdio.h>

/*
 * One child at a time, for so many operations: it holds on to the pages as they were, so that moved pages are shared ones.
 * True: this operation is its fork or its exit.
 */
static bool child_comes_or_goes(struct op *op, uint64_t i, uint64_t every)
{
	if (every < 2)
		return false;
	if (i % every == 0)
		return gen_fork(op, PARENT, 2);
	return i % every == every - 1 && gen_exit(op, 2);
}

/* ---------------------------------------------------------------- mremap-churn */

enum { CHURN_REGIONS, CHURN_PAGES, CHURN_STEPS, CHURN_FORK, CHURN_SEED };

/* Regions are moved between places of this kind: far enough apart for the largest. */
#define PLACE_BASE  ((uint64_t)1 << 36)
#define PLACE_PAGES ((uint64_t)1 << 17)

static void churn_config(struct gen *gen)
{
	uint64_t regions = gen->param[CHURN_REGIONS], pages = gen->param[CHURN_PAGES] * 2;

	gen->source.config.frames =
		gen_frames(3, 2 * regions * (pages + 1024), 3 * regions * pages);
	gen->source.config.steps = gen->param[CHURN_STEPS] + 2 * regions + 4;
	gen->random ^= gen->param[CHURN_SEED] * 0x9e3779b97f4a7c15u;
}

/* Where region r may be put: each has two places of its own, and moves to the one or the other, or wherever the VM likes. */
static uint64_t churn_place(uint64_t r, uint64_t which)
{
	return PLACE_BASE + ((2 * r + which) * PLACE_PAGES << RMAP_PAGE_SHIFT);
}

static bool churn_mremap(struct gen *gen, struct op *op, uint64_t r)
{
	uint64_t pages = gen->param[CHURN_PAGES], old = gen->length[r];

	op->kind = OP_MREMAP;
	op->proc = PARENT;
	op->addr.mark = 1 + (uint32_t)r;
	op->len = old << RMAP_PAGE_SHIFT;
	op->out = 1 + (uint32_t)r;
	op->flags = MM_MREMAP_MAYMOVE;
	switch (gen_random(gen, 4)) {
	case 0: /* grow, or move and grow */
		gen->length[r] += gen_random(gen, 2 * pages - old + 1);
		break;
	case 1: /* shrink */
		gen->length[r] -= gen_random(gen, old);
		break;
	default: /* to a place of its own; it may be there already, then it is EINVAL and stays */
		op->flags |= MM_MREMAP_FIXED;
		op->new_addr.off = churn_place(r, gen_random(gen, 2));
		op->outcome = OP_MAY_FAIL;
		break;
	}
	op->new_len = gen->length[r] << RMAP_PAGE_SHIFT;
	return true;
}

static bool churn_step(struct gen *gen, struct op *op)
{
	uint64_t r = gen_random(gen, gen->param[CHURN_REGIONS]);
	uint64_t first = gen_random(gen, gen->length[r]);

	switch (gen_random(gen, 4)) {
	case 0:
		return gen_access(op, OP_WRITE, PARENT, 1 + (uint32_t)r, first,
				  1 + gen_random(gen, gen->length[r] - first));
	case 1:
		return gen_access(op, OP_READ, PARENT, 1 + (uint32_t)r, 0, gen->length[r]);
	default:
		return churn_mremap(gen, op, r);
	}
}

static bool churn_next(struct gen *gen, struct op *op)
{
	uint64_t pages = gen->param[CHURN_PAGES];

	switch (gen->stage++) {
	case 0:
		return gen_phase(op, "regions are mapped");
	case 1:
		return gen_new(op, PARENT);
	case 2:
		gen->stage = 3;
		gen->length[gen->i] = pages;
		return gen_mmap(op, PARENT, pages, 1 + (uint32_t)gen->i);
	case 3:
		if (gen->i + 1 < gen->param[CHURN_REGIONS])
			gen->stage = 2;
		return gen_access(op, OP_WRITE, PARENT, 1 + (uint32_t)gen->i++, 0, pages);
	case 4:
		gen->i = 0;
		return gen_phase(op, "regions grow, shrink and move");
	case 5:
		if (gen->i + 1 < gen->param[CHURN_STEPS])
			gen->stage = 5;
		return child_comes_or_goes(op, gen->i++, gen->param[CHURN_FORK]) ||
		       churn_step(gen, op);
	case 6:
		return gen_probe(op, PARENT, 1, 0, "the first page of a region that moved");
	default:
		return false;
	}
}

const struct gen_kind gen_mremap_churn = {
	.name = "mremap-churn",
	.doc = "regions grow, shrink and move; now and then a child holds on to the old pages",
	.params = { { "regions", 16, 1, GEN_MAX_REGIONS, "regions", NULL },
		    { "pages", 32, 1, PLACE_PAGES / 4,
		      "pages of each at first; at most twice as many", NULL },
		    { "steps", 2000, 1, 100000000, "operations", NULL },
		    { "fork", 50, 0, 1000000, "a child for so many operations; 0 or 1: never",
		      NULL },
		    { "seed", 1, 0, UINT32_MAX, "for what is random", NULL } },
	.config = churn_config,
	.next = churn_next,
};

/* ---------------------------------------------------------------- split-merge */

enum { SPLIT_PAGES, SPLIT_STEPS, SPLIT_FORK, SPLIT_SEED };

static void split_config(struct gen *gen)
{
	gen->source.config.frames =
		gen_frames(3, gen->param[SPLIT_PAGES], 3 * gen->param[SPLIT_PAGES]);
	gen->source.config.steps = gen->param[SPLIT_STEPS] + 6;
	gen->random ^= gen->param[SPLIT_SEED] * 0x9e3779b97f4a7c15u;
}

static void split_range(struct gen *gen, struct op *op, enum op_kind kind)
{
	uint64_t pages = gen->param[SPLIT_PAGES];
	uint64_t first = gen_random(gen, pages);

	gen_access(op, kind, PARENT, 1, first, 1 + gen_random(gen, pages - first));
}

static bool split_step(struct gen *gen, struct op *op)
{
	static const uint32_t advice[] = { MM_MADV_DONTFORK, MM_MADV_DOFORK,	 MM_MADV_SEQUENTIAL,
					   MM_MADV_NORMAL,   MM_MADV_WIPEONFORK, MM_MADV_KEEPONFORK,
					   MM_MADV_DONTNEED };

	switch (gen_random(gen, 8)) {
	case 0:
	case 1:
		split_range(gen, op, OP_MPROTECT);
		op->prot = gen_random(gen, 2) ? MM_PROT_READ : MM_PROT_READ | MM_PROT_WRITE;
		return true;
	case 2:
		split_range(gen, op, OP_MADVISE);
		op->flags = advice[gen_random(gen, sizeof(advice) / sizeof(advice[0]))];
		return true;
	case 3: /* a hole, filled at once with new memory */
		split_range(gen, op, OP_MMAP);
		op->prot = MM_PROT_READ | MM_PROT_WRITE;
		op->flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_FIXED;
		return true;
	case 4:
		split_range(gen, op, OP_READ);
		return true;
	default:
		split_range(gen, op, OP_WRITE);
		op->outcome = OP_MAY_FAIL; /* parts are read-only now and then */
		return true;
	}
}

static bool split_next(struct gen *gen, struct op *op)
{
	uint64_t pages = gen->param[SPLIT_PAGES];

	switch (gen->stage++) {
	case 0:
		return gen_phase(op, "one VMA is split and merged");
	case 1:
		return gen_new(op, PARENT);
	case 2:
		return gen_mmap(op, PARENT, pages, 1);
	case 3:
		if (gen->i + 1 < gen->param[SPLIT_STEPS])
			gen->stage--;
		return child_comes_or_goes(op, gen->i++, gen->param[SPLIT_FORK]) ||
		       split_step(gen, op);
	case 4:
		return gen_phase(op, "all of it becomes alike");
	case 5:
		gen_access(op, OP_MADVISE, PARENT, 1, 0, pages);
		op->flags = MM_MADV_DOFORK;
		return true;
	case 6:
		gen_access(op, OP_MADVISE, PARENT, 1, 0, pages);
		op->flags = MM_MADV_KEEPONFORK;
		return true;
	case 7:
		gen_access(op, OP_MADVISE, PARENT, 1, 0, pages);
		op->flags = MM_MADV_NORMAL;
		return true;
	case 8:
		gen_access(op, OP_MPROTECT, PARENT, 1, 0, pages);
		op->prot = MM_PROT_READ | MM_PROT_WRITE;
		return true;
	case 9:
		return gen_access(op, OP_WRITE, PARENT, 1, 0, pages);
	case 10:
		return gen_probe(op, PARENT, 1, pages / 2, "a page in the middle");
	default:
		return false;
	}
}

const struct gen_kind gen_split_merge = {
	.name = "split-merge",
	.doc = "protections, advice and holes split one VMA and merge it again",
	.params = { { "pages", 256, 1, 1u << 22, "pages of the VMA", NULL },
		    { "steps", 2000, 1, 100000000, "operations", NULL },
		    { "fork", 100, 0, 1000000, "a child for so many operations; 0 or 1: never",
		      NULL },
		    { "seed", 1, 0, UINT32_MAX, "for what is random", NULL } },
	.config = split_config,
	.next = split_next,
};
