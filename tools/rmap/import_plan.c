// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which shared page must have come to whom from whom.
 *
 * All that has a page of one key is put together; the ways from there up the fork tree, to where they meet, are the forks that
 * handed it on. Each process on such a way, but the topmost, needs the page from its parent.
 */
#include "import.h"

#include <stdlib.h>
#include <string.h>

/* One sharer of a page. */
struct sharer {
	uint64_t key, addr;
	size_t proc;
};

static int by_key(const void *a, const void *b)
{
	const struct sharer *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->proc != y->proc)
		return x->proc < y->proc ? -1 : 1;
	return (x->addr > y->addr) - (x->addr < y->addr);
}

static int by_addr(const void *a, const void *b)
{
	const struct imp_need *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return (x->key > y->key) - (x->key < y->key);
}

static int by_home(const void *a, const void *b)
{
	const struct imp_move *x = a, *y = b;

	return (x->home > y->home) - (x->home < y->home);
}

static bool can_be_inherited(uint64_t key)
{
	return (key & IMP_KIND) == IMP_ANON || (key & IMP_KIND) == IMP_SWAP;
}

static struct sharer *gather(const struct import *imp, size_t *nr)
{
	struct sharer *all;
	size_t most = 0;

	for (size_t i = 0; i < imp->nr; i++)
		most += imp->v[i].pages.nr;
	all = malloc((most + 1) * sizeof(*all));
	*nr = 0;
	for (size_t i = 0; all && i < imp->nr; i++)
		for (size_t k = 0; k < imp->v[i].pages.nr; k++) {
			const struct imp_page *page = &imp->v[i].pages.v[k];

			if (can_be_inherited(page->key))
				all[(*nr)++] = (struct sharer){ page->key, page->addr, i };
		}
	if (all)
		qsort(all, *nr, sizeof(*all), by_key);
	return all;
}

/* -- one page ------------------------------------------------------------------------------------------ */

/* Where most have it; of those with equally many, where the first to have been forked has it. */
static const struct sharer *home_of(const struct sharer *v, size_t nr)
{
	const struct sharer *best = v;
	size_t most = 0;

	for (size_t i = 0; i < nr && most <= nr / 2; i++) {
		size_t same = 0;

		for (size_t k = 0; k < nr; k++)
			same += v[k].addr == v[i].addr;
		if (same > most) {
			most = same;
			best = &v[i];
		}
	}
	return best;
}

static size_t depth_of(const struct import *imp, size_t p)
{
	size_t depth = 0;

	for (; imp->v[p].parent != IMP_NOBODY; p = imp->v[p].parent)
		depth++;
	return depth;
}

/* Where the ways of two up the tree meet. */
static size_t meeting(const struct import *imp, size_t a, size_t b)
{
	size_t x = depth_of(imp, a), y = depth_of(imp, b);

	while (a != b) {
		if (x >= y) {
			a = imp->v[a].parent;
			x--;
		} else {
			b = imp->v[b].parent;
			y--;
		}
	}
	return a;
}

static bool has_need(const struct imp_needs *needs, uint64_t key)
{
	/* Pages are planned one after the other: it can only be the last. */
	return needs->nr && needs->v[needs->nr - 1].key == key;
}

/* From @p up to @top each needs it from its parent, and each parent has it to give. */
static bool need_up_to(struct import *imp, size_t p, size_t top, struct imp_need need)
{
	while (p != top && !has_need(&imp->v[p].needs, need.key)) {
		size_t up = imp->v[p].parent;

		if (!imp_needs_add(&imp->v[p].needs, need) ||
		    (!has_need(&imp->v[up].gives, need.key) &&
		     !imp_needs_add(&imp->v[up].gives, need)))
			return false;
		p = up;
	}
	return true;
}

static bool plan_page(struct import *imp, const struct sharer *v, size_t nr)
{
	const struct sharer *home = home_of(v, nr);
	struct imp_need need = { home->addr, home->key, home->proc };
	size_t top = v[0].proc;

	for (size_t i = 1; i < nr; i++)
		top = meeting(imp, top, v[i].proc);
	for (size_t i = 0; i < nr; i++) {
		struct imp_proc *p = &imp->v[v[i].proc];

		/* twice in one process: no fork makes that */
		if (i && v[i].proc == v[i - 1].proc) {
			imp->conflicts++;
			continue;
		}
		if (!need_up_to(imp, v[i].proc, top, need))
			return false;
		if (v[i].addr != need.addr &&
		    !imp_moves_add(&p->moves,
				   (struct imp_move){ need.addr, v[i].addr, need.key, need.like }))
			return false;
	}
	imp->nr_shared += nr;
	return true;
}

/* -- all ------------------------------------------------------------------------------------------------- */

/* At one address one page can be inherited. */
static void settle(struct import *imp, struct imp_needs *needs)
{
	size_t kept = 0;

	if (needs->nr)
		qsort(needs->v, needs->nr, sizeof(*needs->v), by_addr);
	for (size_t i = 0; i < needs->nr; i++) {
		if (kept && needs->v[kept - 1].addr == needs->v[i].addr)
			imp->conflicts++;
		else
			needs->v[kept++] = needs->v[i];
	}
	needs->nr = kept;
}

int import_plan(struct import *imp, char err[LIVE_ERR_SIZE])
{
	size_t nr, next;
	struct sharer *all = gather(imp, &nr);
	bool well = all != NULL;

	for (size_t i = 0; well && i < nr; i = next) {
		for (next = i + 1; next < nr && all[next].key == all[i].key; next++)
			;
		if (next - i > 1)
			well = plan_page(imp, all + i, next - i);
	}
	free(all);
	if (!well)
		return live_fail(err, "no memory to find out who shares what");
	for (size_t i = 0; i < imp->nr; i++) {
		struct imp_proc *p = &imp->v[i];

		settle(imp, &p->needs);
		if (p->gives.nr)
			qsort(p->gives.v, p->gives.nr, sizeof(*p->gives.v), by_addr);
		if (p->moves.nr)
			qsort(p->moves.v, p->moves.nr, sizeof(*p->moves.v), by_home);
		/* exec hands nothing on: then it was none */
		if (p->needs.nr)
			p->forked = true;
		else if (p->parent == 0)
			p->forked = false;
	}
	return 0;
}
