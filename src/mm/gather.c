// SPDX-License-Identifier: BSD-2-Clause
/*
 * Gathering: pages that lost their PTE are freed only after the processors forgot their translations.
 *
 * Between the clearing of an entry and the flush another processor may still write through its TLB. So clearing collects the
 * addresses and the references, and a flush for all of them comes before the first frame is free again.
 */
#include "swap.h"
#include "table.h"

static void gather_reset(struct gather *g)
{
	g->start = UINT64_MAX;
	g->end = 0;
	g->nr = 0;
}

void gather_begin(struct gather *g, struct mm *mm)
{
	g->mm = mm;
	gather_reset(g);
}

void gather_flush(struct gather *g)
{
	struct mm_system *sys = g->mm->sys;

	if (g->start < g->end) {
		COUNT(sys, tlb_flushes, 1);
		sys->port->tlb_flush(sys->port->ctx, g->mm, g->start, g->end);
	}
	for (unsigned int i = 0; i < g->nr; i++)
		swap_put_page(sys, g->pages[i]);
	gather_reset(g);
}

void gather_end(struct gather *g)
{
	gather_flush(g);
}
