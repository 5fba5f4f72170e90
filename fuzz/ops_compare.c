// SPDX-License-Identifier: BSD-2-Clause
/*
 * What must be the same under all designs, as lists of numbers that each know what they are about: two machines agree if their
 * lists do, and if not the first difference says which figure of what.
 */
#include "fuzz_ops.h"

#include <mm/mm_types.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Page table entries of a VMA that are looked at: a stack may be long. */
#define PAGES_MOST 96u

enum about { ABOUT_STAT, ABOUT_VMA, ABOUT_PAGE, ABOUT_SMAPS, ABOUT_COUNTER, ABOUT_MEMORY };

/* Of a VMA's fields. */
enum { VMA_FAULTED = 6, VMA_FILE = 7 };

static const char *const about_names[] = { "process", "VMA", "page", "smaps", "counter", "memory" };

static const char *const field_names[][20] = {
	[ABOUT_STAT] = { "map_count", "total_vm", "locked_vm", "data_vm", "exec_vm", "stack_vm",
			 "brk_start", "brk", "rss_anon", "rss_file", "rss_shmem", "swap_entries",
			 "table_pages" },
	[ABOUT_VMA] = { "start", "end", "offset", "pgoff", "prot", "flags", "faulted", "file" },
	[ABOUT_PAGE] = { "state", "bits", "mapcount", "swap_count", "index" },
	[ABOUT_SMAPS] = { "size", "rss", "pss", "shared_clean", "shared_dirty", "private_clean",
			  "private_dirty", "referenced", "anonymous", "lazyfree", "swap",
			  "swap_pss", "locked" },
	[ABOUT_MEMORY] = { "free", "tables", "anon", "file", "shmem", "dirty", "unevictable",
			   "swap_used", "swap_cache", "committed" },
};

void ops_view_free(struct ops_view *view)
{
	free(view->value);
	free(view->what);
	free(view->addr);
	memset(view, 0, sizeof(*view));
}

static bool grow(struct ops_view *view)
{
	size_t room = view->room ? view->room * 2 : 1024;
	uint64_t *value = realloc(view->value, room * sizeof(*value));
	uint64_t *addr;
	uint32_t *what;

	if (value)
		view->value = value;
	addr = realloc(view->addr, room * sizeof(*addr));
	if (addr)
		view->addr = addr;
	what = realloc(view->what, room * sizeof(*what));
	if (what)
		view->what = what;
	if (!value || !addr || !what)
		return false;
	view->room = room;
	return true;
}

static void add(struct ops_view *view, enum about about, uint32_t field, uint64_t addr,
		uint64_t value)
{
	if (view->nr == view->room && !grow(view)) {
		view->failed = true;
		return;
	}
	view->value[view->nr] = value;
	view->what[view->nr] = (uint32_t)about << 24 | field;
	view->addr[view->nr++] = addr;
}

/* ---------------------------------------------------------------- processes */

struct look {
	struct ops_view *view;
	struct mm *mm;
	unsigned int detail;
	struct {
		uint64_t start, end;
	} vma[512];
	uint32_t nr;
};

static void look_vma(const struct mm_vma_info *v, void *arg)
{
	struct look *look = arg;
	const uint64_t values[] = { v->start, v->end,	v->offset,  v->pgoff,
				    v->prot,  v->flags, v->faulted, 0 };

	for (uint32_t i = 0; i < sizeof(values) / sizeof(values[0]) - 1; i++)
		add(look->view, ABOUT_VMA, i, v->start, values[i]);
	if (look->detail & OPS_STRICT && v->file)
		add(look->view, ABOUT_VMA, VMA_FILE, v->start, mm_file_id(v->file));
	if (look->nr < sizeof(look->vma) / sizeof(look->vma[0])) {
		look->vma[look->nr].start = v->start;
		look->vma[look->nr++].end = v->end;
	}
}

static void look_stats(struct ops_view *view, uint64_t proc, struct mm *mm, bool strict)
{
	struct mm_stats s;

	mm_get_stats(mm, &s);
	{
		const uint64_t values[] = { s.map_count,  s.total_vm, s.locked_vm, s.data_vm,
					    s.exec_vm,	  s.stack_vm, s.brk_start, s.brk,
					    s.rss_anon,	  s.rss_file, s.rss_shmem, s.swap_entries,
					    s.table_pages };
		uint32_t n = strict ? sizeof(values) / sizeof(values[0]) : 8;

		for (uint32_t i = 0; i < n; i++)
			add(view, ABOUT_STAT, i, proc, values[i]);
	}
}

static void look_pages(struct look *look, uint64_t start, uint64_t end)
{
	for (uint64_t at = start; at < end && at - start < PAGES_MOST * RMAP_PAGE_SIZE;
	     at += RMAP_PAGE_SIZE) {
		struct mm_page_info p;
		uint64_t bits;

		mm_page_info(look->mm, at, &p);
		if (p.state == MM_PAGE_NONE)
			continue;
		bits = (uint64_t)(p.anon | p.file << 1 | p.exclusive << 2 | p.writable << 3 |
				  p.dirty << 4 | p.accessed << 5 | p.swapcache << 6 |
				  p.locked << 7);
		add(look->view, ABOUT_PAGE, 0, at, p.state);
		add(look->view, ABOUT_PAGE, 1, at, bits);
		add(look->view, ABOUT_PAGE, 2, at, p.mapcount);
		add(look->view, ABOUT_PAGE, 3, at, p.swap_count);
		/* An anonymous page's is the design's own affair. */
		if (!p.anon)
			add(look->view, ABOUT_PAGE, 4, at, p.index);
	}
}

static void look_smaps(struct look *look, uint64_t start)
{
	uint64_t values[sizeof(struct mm_smaps) / sizeof(uint64_t)];
	struct mm_smaps smaps;

	if (mm_smaps(look->mm, start, &smaps))
		return;
	memcpy(values, &smaps, sizeof(values));
	for (uint32_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		add(look->view, ABOUT_SMAPS, i, start, values[i]);
}

void ops_view_process(struct ops_view *view, uint64_t proc, struct mm *mm, unsigned int detail)
{
	struct look look = { .view = view, .mm = mm, .detail = detail };

	look_stats(view, proc, mm, detail & OPS_STRICT);
	mm_for_each_vma(mm, look_vma, &look);
	if (!(detail & OPS_STRICT))
		return;
	for (uint32_t i = 0; i < look.nr; i++) {
		if (detail & OPS_PAGES)
			look_pages(&look, look.vma[i].start, look.vma[i].end);
		if (detail & OPS_SMAPS)
			look_smaps(&look, look.vma[i].start);
	}
}

void ops_view_system(struct ops_view *view, struct mm_system *sys)
{
	uint64_t values[sizeof(struct mm_counters) / sizeof(uint64_t)];
	struct mm_counters counters;
	struct mm_memory m;

	mm_get_counters(sys, &counters);
	/* It has nothing but counters; flushes are the last, and depend on what a walk comes to first. */
	memcpy(values, &counters, sizeof(values));
	for (uint32_t i = 0; i + 1 < sizeof(values) / sizeof(values[0]); i++)
		add(view, ABOUT_COUNTER, i, 0, values[i]);
	mm_get_memory(sys, &m);
	{
		const uint64_t memory[] = { m.free,	  m.tables,   m.anon,	     m.file,
					    m.shmem,	  m.dirty,    m.unevictable, m.swap_used,
					    m.swap_cache, m.committed };

		for (uint32_t i = 0; i < sizeof(memory) / sizeof(memory[0]); i++)
			add(view, ABOUT_MEMORY, i, 0, memory[i]);
	}
}

/* ---------------------------------------------------------------- judging */

static void differ(const struct ops_view *a, const char *a_name, const struct ops_view *b,
		   const char *b_name, size_t i, char wrong[OPS_ERR_SIZE])
{
	const struct ops_view *at = i < a->nr ? a : b;
	uint32_t about = at->what[i] >> 24, field = at->what[i] & 0xffffff;
	const char *name = about == ABOUT_COUNTER ? "number" : field_names[about][field];

	snprintf(wrong, OPS_ERR_SIZE,
		 "%s %s %u of %s at 0x%llx differs: 0x%llx under %s, 0x%llx (%s %u at 0x%llx) "
		 "under %s",
		 about_names[about], name, field, about == ABOUT_STAT ? "process" : "address",
		 (unsigned long long)at->addr[i], i < a->nr ? (unsigned long long)a->value[i] : 0,
		 a_name, i < b->nr ? (unsigned long long)b->value[i] : 0,
		 i < b->nr ? about_names[b->what[i] >> 24] : "nothing",
		 i < b->nr ? b->what[i] & 0xffffff : 0,
		 i < b->nr ? (unsigned long long)b->addr[i] : 0, b_name);
}

bool ops_view_same(const struct ops_view *a, const char *a_name, const struct ops_view *b,
		   const char *b_name, char wrong[OPS_ERR_SIZE], bool *touched)
{
	size_t n = a->nr < b->nr ? a->nr : b->nr, i = 0;

	*touched = false;
	if (a->failed || b->failed) {
		snprintf(wrong, OPS_ERR_SIZE, "this computer's memory is used up");
		return false;
	}
	if (a->nr == b->nr && !memcmp(a->value, b->value, n * sizeof(*a->value)) &&
	    !memcmp(a->addr, b->addr, n * sizeof(*a->addr)))
		return true;
	while (i < n && a->value[i] == b->value[i] && a->what[i] == b->what[i] &&
	       a->addr[i] == b->addr[i])
		i++;
	*touched = i < n && a->what[i] == ((uint32_t)ABOUT_VMA << 24 | VMA_FAULTED) &&
		   a->addr[i] == b->addr[i];
	differ(a, a_name, b, b_name, i, wrong);
	return false;
}

/* The pages' first and last words: patterns repeat one number. */
static bool same_page(struct runner *a, struct runner *b, uint64_t pfn_a, uint64_t pfn_b)
{
	const char *at_a =
		(const char *)mm_system_port(a->sys)->frames + (pfn_a << RMAP_PAGE_SHIFT);
	const char *at_b =
		(const char *)mm_system_port(b->sys)->frames + (pfn_b << RMAP_PAGE_SHIFT);

	return !memcmp(at_a, at_b, 16) &&
	       !memcmp(at_a + RMAP_PAGE_SIZE - 16, at_b + RMAP_PAGE_SIZE - 16, 16);
}

bool ops_contents_same(struct runner *a, struct runner *b, char wrong[OPS_ERR_SIZE])
{
	for (struct process *p = a->procs; p; p = p->next) {
		struct process *q = runner_find(b, p->id);
		const struct layout *layout;

		space_changed(p->space);
		layout = space_layout(p->space);
		for (size_t v = 0; q && layout && v < layout->nr; v++) {
			uint64_t start = layout->vmas[v].start, end = layout->vmas[v].end;

			for (uint64_t at = start;
			     at < end && at - start < PAGES_MOST * RMAP_PAGE_SIZE;
			     at += RMAP_PAGE_SIZE) {
				struct mm_page_info in_a, in_b;

				mm_page_info(p->space->mm, at, &in_a);
				mm_page_info(q->space->mm, at, &in_b);
				if (in_a.state != MM_PAGE_PRESENT ||
				    in_b.state != MM_PAGE_PRESENT ||
				    same_page(a, b, in_a.pfn, in_b.pfn))
					continue;
				snprintf(wrong, OPS_ERR_SIZE,
					 "contents of the page at 0x%llx of process %llu differ",
					 (unsigned long long)at, (unsigned long long)p->id);
				return false;
			}
		}
	}
	return true;
}
