// SPDX-License-Identifier: BSD-2-Clause
/*
 * The generators about fork: fork-cow, fork-chain, prefork, zygote.
 *
 * fork-cow is the case that a reverse map is judged by: one parent, C children, P pages, each child writes all of them, then
 * the parent does. A child's page is the child's alone and a good design finds it at one look. A page that the parent wrote
 * after the forks is the parent's alone, too, but most designs cannot know which of the C + 1 relatives has it.
 */
#include "gen.h"

#include <stdio.h>

/* ---------------------------------------------------------------- fork-cow */

enum { FORK_COW_CHILDREN, FORK_COW_PAGES };

static void fork_cow_config(struct gen *gen)
{
	uint64_t children = gen->param[FORK_COW_CHILDREN], pages = gen->param[FORK_COW_PAGES];

	gen->source.config.frames = gen_frames(children + 1, pages, (children + 2) * pages);
	gen->source.config.steps = 11 + 3 * children;
}

static bool fork_cow_next(struct gen *gen, struct op *op)
{
	uint64_t children = gen->param[FORK_COW_CHILDREN], pages = gen->param[FORK_COW_PAGES];

	if (gen->stage < GEN_FORKED)
		return gen_family(gen, op, "the parent writes", pages, "fork", children);
	switch (gen->stage++) {
	case GEN_FORKED:
		return gen_phase(op, "each child writes all");
	case GEN_FORKED + 1:
		return gen_access(op, OP_WRITE, CHILD(gen_each(gen, children)), HEAP, 0, pages);
	case GEN_FORKED + 2:
		return gen_phase(op, "the parent writes again");
	case GEN_FORKED + 3:
		return gen_access(op, OP_WRITE, PARENT, HEAP, 0, pages);
	case GEN_FORKED + 4:
		return gen_probe(op, CHILD(children - 1), HEAP, pages / 2,
				 "a child's page, written after the fork");
	case GEN_FORKED + 5:
		return gen_probe(op, PARENT, HEAP, pages / 2,
				 "the parent's page, written after the forks");
	case GEN_FORKED + 6:
		return gen_phase(op, "exit");
	case GEN_FORKED + 7:
		return gen_exit(op, CHILD(gen_each(gen, children)));
	case GEN_FORKED + 8:
		return gen_exit(op, PARENT);
	default:
		return false;
	}
}

const struct gen_kind gen_fork_cow = {
	.name = "fork-cow",
	.doc = "a parent forks children; each child writes all pages, then the parent does",
	.params = { { "children", 100, 1, 100000, "processes forked", NULL },
		    { "pages", 100, 1, 1u << 24, "pages of the parent's heap", NULL } },
	.config = fork_cow_config,
	.next = fork_cow_next,
};

/* ---------------------------------------------------------------- fork-chain */

enum { CHAIN_GENERATIONS, CHAIN_PAGES, CHAIN_WRITE };

static void chain_config(struct gen *gen)
{
	gen->source.config.frames =
		gen_frames(3, gen->param[CHAIN_PAGES], 3 * gen->param[CHAIN_PAGES]);
	gen->source.config.steps = 6 + 3 * gen->param[CHAIN_GENERATIONS];
}

static void chain_name(uint64_t proc, char *buf, size_t size)
{
	snprintf(buf, size, "generation %llu", (unsigned long long)proc);
}

/* Generation g is process g; each forks the next, exits, and the next writes part of what it inherited. */
static bool chain_next(struct gen *gen, struct op *op)
{
	uint64_t pages = gen->param[CHAIN_PAGES];
	uint64_t last = gen->param[CHAIN_GENERATIONS] + 1;
	uint64_t part = pages * gen->param[CHAIN_WRITE] / 100;

	if (gen->stage < GEN_BORN)
		return gen_parent(gen, op, "the first generation", pages);
	switch (gen->stage++) {
	case GEN_BORN:
		gen->i = 1;
		return gen_phase(op, "each forks and exits");
	case GEN_BORN + 1:
		return gen_fork(op, gen->i, gen->i + 1);
	case GEN_BORN + 2:
		return gen_exit(op, gen->i);
	case GEN_BORN + 3:
		if (++gen->i < last)
			gen->stage = GEN_BORN + 1;
		return part ? gen_access(op, OP_WRITE, gen->i, HEAP, 0, part)
			    : gen_access(op, OP_READ, gen->i, HEAP, 0, 1);
	case GEN_BORN + 4:
		return gen_probe(op, last, HEAP, 0, "a page of the last generation");
	case GEN_BORN + 5:
		return gen_probe(op, last, HEAP, pages - 1, "the last page of its heap");
	default:
		return false;
	}
}

const struct gen_kind gen_fork_chain = {
	.name = "fork-chain",
	.doc = "each generation forks the next and exits; the next writes part of the heap",
	.params = { { "generations", 100, 1, 1000000, "forks", NULL },
		    { "pages", 64, 1, 1u << 24, "pages of the heap", NULL },
		    { "write", 50, 0, 100, "per cent of them that each generation writes", NULL } },
	.config = chain_config,
	.next = chain_next,
	.proc_name = chain_name,
};

/* ---------------------------------------------------------------- prefork */

enum { PREFORK_WORKERS, PREFORK_PAGES, PREFORK_ROUNDS, PREFORK_WRITE };

static void prefork_config(struct gen *gen)
{
	uint64_t workers = gen->param[PREFORK_WORKERS], pages = gen->param[PREFORK_PAGES];

	gen->source.config.frames = gen_frames(workers + 1, pages, (workers + 2) * pages);
	gen->source.config.steps = 6 + workers + gen->param[PREFORK_ROUNDS] * (2 + 2 * workers);
}

static void prefork_name(uint64_t proc, char *buf, size_t size)
{
	if (proc == PARENT)
		snprintf(buf, size, "server");
	else
		snprintf(buf, size, "worker %llu", (unsigned long long)(proc - 1));
}

static bool prefork_next(struct gen *gen, struct op *op)
{
	uint64_t workers = gen->param[PREFORK_WORKERS], pages = gen->param[PREFORK_PAGES];
	uint64_t part = pages * gen->param[PREFORK_WRITE] / 100;

	if (gen->stage < GEN_FORKED)
		return gen_family(gen, op, "the server starts", pages, "it forks its workers",
				  workers);
	switch (gen->stage++) {
	case GEN_FORKED:
		gen->i = 0;
		return gen_phase(op, "all work");
	case GEN_FORKED + 1:
		return gen_access(op, OP_WRITE, PARENT, HEAP, 0, pages);
	case GEN_FORKED + 2:
		return gen_access(op, OP_READ, CHILD(gen->i), HEAP, 0, pages);
	case GEN_FORKED + 3:
		if (gen->i + 1 < workers)
			gen->stage = GEN_FORKED + 2;
		else if (++gen->j < gen->param[PREFORK_ROUNDS])
			gen->stage = GEN_FORKED;
		if (!part)
			return gen_access(op, OP_READ, CHILD(gen->i++), HEAP, 0, 1);
		return gen_access(op, OP_WRITE, CHILD(gen->i++), HEAP, gen->j % (pages - part + 1),
				  part);
	case GEN_FORKED + 4:
		return gen_probe(op, PARENT, HEAP, 0, "the server's page, written after the forks");
	case GEN_FORKED + 5:
		return gen_probe(op, CHILD(0), HEAP, pages / 2,
				 "a page in the middle of a worker's heap");
	default:
		return false;
	}
}

const struct gen_kind gen_prefork = {
	.name = "prefork",
	.doc = "a server forks workers and goes on writing; workers read all and write a part",
	.params = { { "workers", 50, 1, 100000, "processes forked", NULL },
		    { "pages", 200, 1, 1u << 24, "pages of the server's heap", NULL },
		    { "rounds", 4, 1, 100000, "how often all of them work", NULL },
		    { "write", 25, 0, 100, "per cent of the pages that a worker writes in a round",
		      NULL } },
	.config = prefork_config,
	.next = prefork_next,
	.proc_name = prefork_name,
};

/* ---------------------------------------------------------------- zygote */

enum { ZYGOTE_APPS, ZYGOTE_PAGES, ZYGOTE_OWN, ZYGOTE_WRITE, ZYGOTE_REGIONS };
enum { OWN = 1, REGION = 2 };

static void zygote_config(struct gen *gen)
{
	uint64_t apps = gen->param[ZYGOTE_APPS], regions = gen->param[ZYGOTE_REGIONS];
	uint64_t pages = gen->param[ZYGOTE_PAGES] * regions;
	uint64_t own = gen->param[ZYGOTE_OWN];

	gen->source.config.frames = gen_frames(apps + 1, pages + own + 512 * regions,
					       (apps + 1) * (pages + own) + pages);
	gen->source.config.steps = 5 + 3 * regions + apps * (4 + 2 * regions);
}

static void zygote_name(uint64_t proc, char *buf, size_t size)
{
	if (proc == PARENT)
		snprintf(buf, size, "zygote");
	else
		snprintf(buf, size, "app %llu", (unsigned long long)(proc - 1));
}

/* A region and behind it a page that is never touched and never writable: so regions stay VMAs of their own. */
static bool zygote_region(struct gen *gen, struct op *op)
{
	uint64_t pages = gen->param[ZYGOTE_PAGES];
	uint32_t mark = REGION + (uint32_t)gen->i;

	switch (gen->j++) {
	case 0:
		return gen_mmap(op, PARENT, pages + 1, mark);
	case 1:
		op->kind = OP_MPROTECT;
		op->proc = PARENT;
		op->addr.mark = mark;
		op->addr.off = pages << RMAP_PAGE_SHIFT;
		op->len = RMAP_PAGE_SIZE;
		op->prot = MM_PROT_NONE;
		return true;
	default:
		gen->j = 0;
		if (++gen->i < gen->param[ZYGOTE_REGIONS])
			gen->stage--;
		return gen_access(op, OP_WRITE, PARENT, mark, 0, pages);
	}
}

static bool zygote_app(struct gen *gen, struct op *op)
{
	uint64_t pages = gen->param[ZYGOTE_PAGES], own = gen->param[ZYGOTE_OWN];
	uint64_t part = pages * gen->param[ZYGOTE_WRITE] / 100;
	uint64_t app = CHILD(gen->i), regions = gen->param[ZYGOTE_REGIONS], n = gen->j++;

	if (n == 0)
		return gen_fork(op, PARENT, app);
	if (n == 1)
		return gen_mmap(op, app, own, OWN);
	if (n == 2)
		return gen_access(op, OP_WRITE, app, OWN, 0, own);
	if (n < 3 + 2 * regions) {
		uint32_t mark = REGION + (uint32_t)((n - 3) / 2);

		if ((n - 3) % 2 == 0 || !part)
			return gen_access(op, OP_READ, app, mark, 0, pages);
		return gen_access(op, OP_WRITE, app, mark, gen_random(gen, pages - part + 1), part);
	}
	/* A zygote has not finished starting while its apps already run. */
	gen->j = 0;
	if (++gen->i < gen->param[ZYGOTE_APPS])
		gen->stage--;
	return gen_access(op, OP_WRITE, PARENT, REGION, gen_random(gen, pages), 1);
}

static bool zygote_next(struct gen *gen, struct op *op)
{
	switch (gen->stage++) {
	case 0:
		return gen_phase(op, "the zygote loads everything");
	case 1:
		return gen_new(op, PARENT);
	case 2:
		if (gen->j < 2)
			gen->stage--;
		return zygote_region(gen, op);
	case 3:
		gen->i = gen->j = 0;
		return gen_phase(op, "apps start");
	case 4:
		if (gen->j < 3 + 2 * gen->param[ZYGOTE_REGIONS])
			gen->stage--;
		return zygote_app(gen, op);
	case 5:
		return gen_probe(op, CHILD(0), REGION, 0, "a page of an app's inherited heap");
	case 6:
		return gen_probe(op, CHILD(0), OWN, 0, "a page of an app's own");
	case 7:
		return gen_probe(op, PARENT, REGION, 0, "a page of the zygote");
	default:
		return false;
	}
}

const struct gen_kind gen_zygote = {
	.name = "zygote",
	.doc = "one process loads everything and forks apps, which write some and map their own",
	.params = { { "apps", 24, 1, 100000, "processes forked", NULL },
		    { "pages", 200, 1, 1u << 22, "pages of each region of the zygote", NULL },
		    { "own", 200, 1, 1u << 22, "pages that each app maps for itself", NULL },
		    { "write", 20, 0, 100, "per cent of the inherited pages that an app writes",
		      NULL },
		    { "regions", 10, 1, 1000, "VMAs of the zygote", NULL } },
	.config = zygote_config,
	.next = zygote_next,
	.proc_name = zygote_name,
};
