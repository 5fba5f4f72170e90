// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where to: the generator's model of the state is the engine's own layout, looked at before each operation.
 *
 * Interesting things happen at edges: where a range ends in the middle of a VMA, spans two or three, reaches into a hole, or
 * touches a neighbour that it might be merged with. So most ranges are made from the VMAs that are there, and most new
 * mappings go to one of a few start places or directly beside a VMA.
 */
#include "verify_random_int.h"

#include <mm/mm_types.h>

static void note_vma(const struct mm_vma_info *info, void *arg)
{
	struct random *g = arg;
	struct aim_vma *vma;

	if (g->nr_vmas == RANDOM_LOOK)
		return;
	vma = &g->vma[g->nr_vmas++];
	vma->start = info->start;
	vma->end = info->end;
	vma->flags = info->flags;
	vma->file = info->file != NULL;
	vma->shared = info->shared;
}

void aim_look(struct random *g)
{
	struct mm *mm = runner_mm(g->runner, g->self->id);
	struct mm_stats stats;

	g->nr_vmas = 0;
	g->brk = 0;
	if (!mm)
		return;
	mm_for_each_vma(mm, note_vma, g);
	mm_get_stats(mm, &stats);
	g->brk = stats.brk;
	g->total_pages = stats.total_vm;
	g->data_pages = stats.data_vm;
	g->locked_pages = stats.locked_vm;
}

uint64_t aim_len(struct random *g)
{
	static const uint32_t weights[] = { 30, 20, 14, 10, 8, 6 };
	uint32_t i = random_weighted(g, weights, 6);

	if (random_percent(g, 8))
		return (1 + random_below(g, 16)) * PAGE;
	return (i + 1) * PAGE;
}

const struct aim_vma *aim_pick(struct random *g)
{
	return g->nr_vmas ? &g->vma[random_below(g, g->nr_vmas)] : NULL;
}

static uint64_t start_place(struct random *g)
{
	static const uint32_t weights[] = { 60, 16, 6, 12 };

	switch (random_weighted(g, weights, 4)) {
	case 0:
		return HOME_BASE + random_below(g, HOME_PAGES) * PAGE;
	case 1:
		return TABLE_BASE + random_below(g, EDGE_PAGES) * PAGE;
	case 2:
		return UPPER_BASE + random_below(g, EDGE_PAGES) * PAGE;
	default:
		/* With room below for a stack, or within that room. */
		return STACK_BASE + (random_percent(g, 60) ? STACK_PAGES - random_below(g, 12)
							   : random_below(g, STACK_PAGES)) *
					    PAGE;
	}
}

uint64_t aim_place(struct random *g, uint64_t len)
{
	const struct aim_vma *vma = aim_pick(g);

	if (!vma || random_percent(g, 55))
		return start_place(g);
	switch (random_below(g, 4)) {
	case 0: /* directly behind */
		return vma->end;
	case 1: /* directly before */
		return vma->start > len + (16u << 20) ? vma->start - len : vma->end;
	case 2: /* over its head */
		return vma->start;
	default: /* somewhere in it */
		return vma->start + random_below(g, (vma->end - vma->start) / PAGE) * PAGE;
	}
}

/* Of a VMA: all, a part, or across its end. */
static struct aim about_vma(struct random *g, const struct aim_vma *vma)
{
	static const uint32_t weights[] = { 30, 16, 16, 16, 14, 8 };
	uint64_t pages = (vma->end - vma->start) / PAGE, n = 1 + random_below(g, pages), m;
	const struct aim_vma *last;

	switch (random_weighted(g, weights, 6)) {
	case 0:
		return (struct aim){ vma->start, vma->end - vma->start };
	case 1:
		return (struct aim){ vma->start, n * PAGE };
	case 2:
		return (struct aim){ vma->end - n * PAGE, n * PAGE };
	case 3: /* somewhere inside */
		m = random_below(g, pages - n + 1);
		return (struct aim){ vma->start + m * PAGE, n * PAGE };
	case 4: /* up to somewhere in the next or the one behind it, with holes between them if they are not far */
		last = vma + 1 + random_below(g, 2);
		if (last >= g->vma + g->nr_vmas || last->start - vma->start > 64 * PAGE)
			last = vma;
		m = 1 + random_below(g, (last->end - last->start) / PAGE);
		n = last == vma || random_percent(g, 50) ? 0 : n - 1;
		return (struct aim){ vma->start + n * PAGE,
				     last->start + m * PAGE - vma->start - n * PAGE };
	default: /* into what is behind */
		return (struct aim){ vma->end - n * PAGE, (n + 1 + random_below(g, 3)) * PAGE };
	}
}

struct aim aim_range(struct random *g)
{
	const struct aim_vma *vma = aim_pick(g);
	struct aim aim;

	if (vma && random_percent(g, 80)) {
		aim = about_vma(g, vma);
		/* Whole stacks are long. */
		if (aim.len > 64 * PAGE && !random_percent(g, 10))
			aim.len = aim_len(g);
	} else {
		aim.len = aim_len(g);
		aim.addr = start_place(g);
	}
	return aim;
}

uint64_t aim_page(struct random *g)
{
	const struct aim_vma *vma = aim_pick(g);
	uint64_t pages;

	if (!vma || random_percent(g, 12))
		return start_place(g);
	pages = (vma->end - vma->start) / PAGE;
	/* A stack grows when it is touched below. */
	if (vma->flags & VM_GROWSDOWN && random_percent(g, 40) && vma->start > (64u << 20))
		return vma->start - (1 + random_below(g, random_percent(g, 70) ? 8 : 300)) * PAGE;
	if (random_percent(g, 5))
		return vma->end;
	return vma->start + random_below(g, pages < 32 ? pages : 32) * PAGE;
}

void aim_address(struct random *g, uint64_t addr, struct op_addr *out)
{
	out->mark = 0;
	out->off = addr;
	/* What is at a fixed place has no need of a name. */
	if (addr < UPPER_BASE + 1024 * PAGE)
		return;
	for (uint32_t i = 0; i < RANDOM_MARKS; i++) {
		const struct random_mark *mark = &g->mark[i];

		if (!mark->number || addr + 16 * PAGE < mark->addr ||
		    addr > mark->addr + mark->len + 16 * PAGE)
			continue;
		out->mark = mark->number;
		out->off = addr - mark->addr;
		return;
	}
}
