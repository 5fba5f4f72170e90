// SPDX-License-Identifier: BSD-2-Clause
/*
 * Gathering: pages that lost their PTE are freed only after the processors forgot their translations.
 *
 * Between the clearing of an entry and the flush another processor may still write through its TLB. So clearing collects the
 * addresses and the references, and a flush for all of them comes before the first frame is free again.
 */
#include "swap.h"
#include "table.h"
#include "valid.h"

static void gather_reset(struct gather *g)
{
	g->start = UINT64_MAX;
	g->end = 0;
	g->nr = 0;
}

_Static_assert(RSS_KINDS == 4, "gather_begin() and gather_settle() name all");

void gather_begin(struct gather *g, struct mm *mm, enum mm_flush why)
{
	g->mm = mm;
	g->why = why;
	g->rss[RSS_FILE] = 0;
	g->rss[RSS_ANON] = 0;
	g->rss[RSS_SHMEM] = 0;
	g->rss[RSS_SWAP] = 0;
	gather_reset(g);
}

void gather_flush(struct gather *g)
{
	struct mm_system *sys = g->mm->sys;
	unsigned int last = 0;

	MM_DEBUG_ASSERT(sys, gather_valid(g));
	if (g->start < g->end)
		mm_flush(g->mm, g->start, g->end, g->why);
	for (unsigned int i = 0; i < g->nr; i++) {
		swap_leave(sys, g->pages[i]);
		if (page_put_is_last(g->pages[i]))
			g->pages[last++] = g->pages[i];
	}
	if (last)
		pages_free(sys, g->pages, last);
	gather_reset(g);
}

static inline void settle_kind(struct gather *g, const struct mm_cpu *cpu, enum rss_kind kind)
{
	if (!g->rss[kind])
		return;
	cpu_rss_add(cpu, g->mm, kind, g->rss[kind]);
	g->rss[kind] = 0;
}

void gather_settle(struct gather *g)
{
	const struct mm_cpu *cpu = this_cpu(g->mm->sys);

	settle_kind(g, cpu, RSS_FILE);
	settle_kind(g, cpu, RSS_ANON);
	settle_kind(g, cpu, RSS_SHMEM);
	settle_kind(g, cpu, RSS_SWAP);
}

void gather_end(struct gather *g)
{
	if (g->nr || g->start < g->end)
		gather_flush(g);
}

const char *mm_flush_name(enum mm_flush why)
{
	static const char *const names[MM_FLUSH_REASONS] = {
		[MM_FLUSH_FAULT] = "fault",	[MM_FLUSH_UNMAP] = "unmap",
		[MM_FLUSH_PROTECT] = "protect", [MM_FLUSH_ADVISE] = "advise",
		[MM_FLUSH_MOVE] = "move",	[MM_FLUSH_FORK] = "fork",
		[MM_FLUSH_AGE] = "age",		[MM_FLUSH_RECLAIM] = "reclaim",
		[MM_FLUSH_CLEAN] = "clean",	[MM_FLUSH_MIGRATE] = "migrate",
		[MM_FLUSH_EXIT] = "exit",
	};

	return (unsigned int)why < MM_FLUSH_REASONS ? names[why] : "no reason";
}
