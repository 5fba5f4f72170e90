// SPDX-License-Identifier: BSD-2-Clause
/* What the events of a design come to: their names, what each is for, and sums. */
#include "timed_int.h"

static const struct {
	const char *name;
	enum timed_class class;
	bool of_fork; /* in a fork it is the fork's */
} events[TIMED_EVENTS] = {
	[TIMED_MM_INIT] = { "mm_init", TIMED_OTHER, false },
	[TIMED_MM_FORK_BEGIN] = { "mm_fork_begin", TIMED_FORK, true },
	[TIMED_MM_FORK_END] = { "mm_fork_end", TIMED_FORK, true },
	[TIMED_MM_EXIT] = { "mm_exit", TIMED_UNMAP, false },
	[TIMED_VMA_PREPARE] = { "vma_prepare", TIMED_MAP, true },
	[TIMED_VMA_FORK] = { "vma_fork", TIMED_FORK, true },
	[TIMED_VMA_CLONE] = { "vma_clone", TIMED_LAYOUT, false },
	[TIMED_MERGE_PREPARE] = { "merge_prepare", TIMED_LAYOUT, false },
	[TIMED_MERGE_UNDO] = { "merge_undo", TIMED_LAYOUT, false },
	[TIMED_ADJUST_BEGIN] = { "adjust_begin", TIMED_LAYOUT, false },
	[TIMED_ADJUST_END] = { "adjust_end", TIMED_LAYOUT, false },
	[TIMED_SHIFT_PREPARE] = { "vma_shift_prepare", TIMED_LAYOUT, false },
	[TIMED_MOVE_BEGIN] = { "move_begin", TIMED_LAYOUT, false },
	[TIMED_MOVE_END] = { "move_end", TIMED_LAYOUT, false },
	[TIMED_VMA_UNLINK] = { "vma_unlink", TIMED_UNMAP, false },
	[TIMED_RESERVE] = { "reserve", TIMED_MAP, true },
	[TIMED_UNRESERVE] = { "unreserve", TIMED_MAP, true },
	[TIMED_PAGE_NEW] = { "page_new", TIMED_MAP, true },
	[TIMED_PAGE_MAP] = { "page_map", TIMED_MAP, true },
	[TIMED_PAGE_UNMAP] = { "page_unmap", TIMED_UNMAP, false },
	[TIMED_PAGE_MOVED] = { "page_moved", TIMED_LAYOUT, false },
	[TIMED_PAGE_ADOPT] = { "page_adopt", TIMED_MAP, false },
	[TIMED_PAGE_LEAVE] = { "page_leave", TIMED_UNMAP, false },
	[TIMED_PAGE_TO_ENTRY] = { "page_to_entry", TIMED_OTHER, false },
	[TIMED_PAGE_FROM_ENTRY] = { "page_from_entry", TIMED_OTHER, false },
	[TIMED_ENTRY_COPIED] = { "entry_copied", TIMED_FORK, true },
	[TIMED_ENTRY_GONE] = { "entry_gone", TIMED_UNMAP, false },
	[TIMED_MIGRATE_END] = { "migrate_end", TIMED_OTHER, false },
	[TIMED_PAGE_PIN] = { "page_pin", TIMED_OTHER, false },
	[TIMED_PAGE_UNPIN] = { "page_unpin", TIMED_OTHER, false },
	[TIMED_PAGE_REPLACE] = { "page_replace", TIMED_OTHER, false },
	[TIMED_PAGE_FREE] = { "page_free", TIMED_UNMAP, false },
	[TIMED_SLOT_FILL] = { "slot_fill", TIMED_OTHER, false },
	[TIMED_SLOT_DUP] = { "slot_dup", TIMED_OTHER, true },
	[TIMED_SLOT_RESTORE] = { "slot_restore", TIMED_MAP, false },
	[TIMED_SLOT_FREE] = { "slot_free", TIMED_UNMAP, false },
	[TIMED_WALK] = { "walk", TIMED_WALKS, false },
	[TIMED_PROBE] = { "probe", TIMED_CLASSES, false },
};

static const char *const class_names[TIMED_CLASSES] = {
	"fork", "map", "unmap", "layout", "walk", "other",
};

const char *timed_event_name(enum timed_event event)
{
	return events[event].name;
}

const char *timed_class_name(enum timed_class class)
{
	return class_names[class];
}

bool timed_counts_instructions(const struct timed *t)
{
	return t->counter >= 0;
}

static double ns_per_tick(const struct timed *t)
{
	uint64_t n = timed_ticks() - t->start_ticks;

	return n ? (double)(timed_monotonic() - t->start_ns) / (double)n : 0;
}

double timed_overhead_ns(const struct timed *t)
{
	return t->overhead_ticks * ns_per_tick(t);
}

static void add(const struct timed *t, const struct timed_total *total, struct timed_sum *sum)
{
	double n =
		(double)total->ticks - t->overhead_ticks * (double)(total->events + total->pauses);

	sum->events += total->events;
	sum->pages += total->pages;
	if (n > 0)
		sum->ns += n * ns_per_tick(t);
	if (total->instructions > 0)
		sum->instructions += total->instructions;
}

static enum timed_class class_of(unsigned int event, unsigned int in_fork)
{
	return in_fork && events[event].of_fork ? TIMED_FORK : events[event].class;
}

struct timed_sum timed_class_sum(const struct timed *t, enum timed_class class)
{
	struct timed_sum sum = { 0 };

	for (unsigned int f = 0; f < 2; f++)
		for (unsigned int e = 0; e < TIMED_EVENTS; e++)
			if (e != TIMED_PROBE && (class == TIMED_CLASSES || class_of(e, f) == class))
				add(t, &t->total[f][e], &sum);
	return sum;
}

struct timed_sum timed_event_sum(const struct timed *t, enum timed_event event)
{
	struct timed_sum sum = { 0 };

	for (unsigned int f = 0; f < 2; f++)
		add(t, &t->total[f][event], &sum);
	return sum;
}
