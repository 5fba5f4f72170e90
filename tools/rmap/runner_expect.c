// SPDX-License-Identifier: BSD-2-Clause
/*
 * Expectations: what is there, by libmm's views and the reverse map's answers, against what the workload says.
 */
#include "runner_int.h"

#include <mm/page.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct process *place(struct runner *r, uint64_t id, const struct op_addr *where,
			     uint64_t *addr, enum runner_result *ret)
{
	struct process *proc = runner_need(r, id, ret);

	if (!proc)
		return NULL;
	*ret = runner_place(r, where, addr);
	return *ret == RUNNER_OK ? proc : NULL;
}

static enum runner_result test_one(struct runner *r, const struct op_test *test, const char *name,
				   uint64_t found)
{
	uint64_t wanted = test->value;
	enum runner_result ret;

	if (test->place) {
		struct op_addr addr = { .mark = test->mark, .off = test->value };

		ret = runner_place(r, &addr, &wanted);
		if (ret != RUNNER_OK)
			return ret;
		if (!strcmp(name, "index") && test->mark)
			wanted >>= RMAP_PAGE_SHIFT;
	}
	if (op_compare(found, test->cmp, wanted))
		return RUNNER_OK;
	if (test->place)
		return runner_failed(r, "%s: expected %s %s 0x%llx, found 0x%llx",
				     op_kind_name(r->op->kind), name, op_cmp_name(test->cmp),
				     (unsigned long long)wanted, (unsigned long long)found);
	return runner_failed(r, "%s: expected %s %s %llu, found %llu", op_kind_name(r->op->kind),
			     name, op_cmp_name(test->cmp), (unsigned long long)wanted,
			     (unsigned long long)found);
}

static enum runner_result test_all(struct runner *r, const uint64_t *found,
				   const char *(*name)(unsigned int))
{
	enum runner_result ret = RUNNER_OK;

	for (uint32_t i = 0; i < r->op->nr_tests && ret == RUNNER_OK; i++)
		ret = test_one(r, &r->op->tests[i], name(r->op->tests[i].field),
			       found[r->op->tests[i].field]);
	return ret;
}

/* ---------------------------------------------------------------- layouts */

struct found_vmas {
	struct mm_vma_info *vmas;
	size_t nr, room;
	uint64_t start, end;
	bool failed;
};

static void find_vma(const struct mm_vma_info *info, void *arg)
{
	struct found_vmas *found = arg;

	if (info->end <= found->start || info->start >= found->end)
		return;
	if (found->nr == found->room) {
		size_t room = found->room ? found->room * 2 : 32;
		struct mm_vma_info *vmas = realloc(found->vmas, room * sizeof(*vmas));

		if (!vmas) {
			found->failed = true;
			return;
		}
		found->vmas = vmas;
		found->room = room;
	}
	found->vmas[found->nr++] = *info;
}

static void describe(const struct mm_vma_info *v, char *buf, size_t size)
{
	snprintf(buf, size, "0x%llx %llup %s%s%s%s%s%s%s%s offset=0x%llx pgoff=0x%llx",
		 (unsigned long long)v->start,
		 (unsigned long long)((v->end - v->start) >> RMAP_PAGE_SHIFT),
		 v->prot & MM_PROT_READ ? "r" : "", v->prot & MM_PROT_WRITE ? "w" : "",
		 v->prot & MM_PROT_EXEC ? "x" : "", v->prot ? "" : "none",
		 v->shared ? " shared" : " private", v->locked ? " locked" : "",
		 v->growsdown ? " growsdown" : "", v->faulted ? " faulted" : "",
		 (unsigned long long)v->offset, (unsigned long long)v->pgoff);
}

static enum runner_result vma_differs(struct runner *r, const struct mm_vma_info *v,
				      const char *what)
{
	char is[192];

	describe(v, is, sizeof(is));
	return runner_failed(r, "layout: expected %s, found %s", what, is);
}

static enum runner_result compare_vma(struct runner *r, const struct op_vma *want,
				      const struct mm_vma_info *v)
{
	struct rfile *f = want->file ? rfile_named(r, want->file) : NULL;
	uint64_t pgoff;
	char what[64];

	if (v->end - v->start != want->len) {
		snprintf(what, sizeof(what), "a VMA of %llu pages",
			 (unsigned long long)(want->len >> RMAP_PAGE_SHIFT));
		return vma_differs(r, v, what);
	}
	if (!want->any_prot && v->prot != want->prot) {
		snprintf(what, sizeof(what), "protection %s%s%s%s", want->prot & 1 ? "r" : "",
			 want->prot & 2 ? "w" : "", want->prot & 4 ? "x" : "",
			 want->prot ? "" : "none");
		return vma_differs(r, v, what);
	}
	if (want->shared >= 0 && v->shared != want->shared)
		return vma_differs(r, v, want->shared ? "shared" : "private");
	if (want->locked >= 0 && v->locked != want->locked)
		return vma_differs(r, v, want->locked ? "locked" : "unlocked");
	if (want->growsdown >= 0 && v->growsdown != want->growsdown)
		return vma_differs(r, v, "growsdown");
	if (want->faulted >= 0 && v->faulted != want->faulted)
		return vma_differs(r, v, want->faulted ? "faulted" : "unfaulted");
	if (want->anonymous && v->file)
		return vma_differs(r, v, "no file");
	if (want->file && (!f || v->file != f->file))
		return vma_differs(r, v, "the file that is named");
	if (want->has_offset && v->offset != want->offset) {
		snprintf(what, sizeof(what), "offset=0x%llx", (unsigned long long)want->offset);
		return vma_differs(r, v, what);
	}
	if (want->has_pgoff) {
		if (runner_resolve(r, &want->pgoff, &pgoff))
			return runner_bad(r, "the address that is named in pgoff= was never set");
		if (want->pgoff.mark)
			pgoff >>= RMAP_PAGE_SHIFT;
		if (v->pgoff != pgoff) {
			snprintf(what, sizeof(what), "pgoff=0x%llx", (unsigned long long)pgoff);
			return vma_differs(r, v, what);
		}
	}
	return RUNNER_OK;
}

static enum runner_result compare_layout(struct runner *r, const struct op *op,
					 struct found_vmas *found)
{
	char is[192];
	size_t next = 0;

	for (uint32_t i = 0; i < op->nr_vmas; i++) {
		enum runner_result ret;
		uint64_t start;

		if (runner_resolve(r, &op->vmas[i].start, &start))
			return runner_bad(r, "an address of the layout was never set");
		while (!op->exact && next < found->nr && found->vmas[next].start < start)
			next++;
		if (next == found->nr)
			return runner_failed(r, "layout: expected a VMA at 0x%llx, found none",
					     (unsigned long long)start);
		if (found->vmas[next].start != start) {
			describe(&found->vmas[next], is, sizeof(is));
			return runner_failed(r, "layout: expected a VMA at 0x%llx, found %s",
					     (unsigned long long)start, is);
		}
		ret = compare_vma(r, &op->vmas[i], &found->vmas[next]);
		if (ret != RUNNER_OK)
			return ret;
		next++;
	}
	if (op->exact && next < found->nr) {
		describe(&found->vmas[next], is, sizeof(is));
		return runner_failed(r, "layout: expected no other VMA, found %s", is);
	}
	return RUNNER_OK;
}

static enum runner_result expect_layout(struct runner *r, const struct op *op)
{
	struct found_vmas found = { .end = UINT64_MAX };
	enum runner_result ret;
	uint64_t addr;
	struct process *proc = place(r, op->proc, &op->addr, &addr, &ret);

	if (!proc)
		return ret;
	if (op->len) {
		found.start = addr;
		found.end = addr + op->len < addr ? UINT64_MAX : addr + op->len;
	}
	mm_for_each_vma(proc->space->mm, find_vma, &found);
	ret = found.failed ? runner_no_memory(r) : compare_layout(r, op, &found);
	free(found.vmas);
	return ret;
}

/* ---------------------------------------------------------------- pages */

/* A page of the swap cache and a swap entry may name one slot: then they are one page. */
static bool has_slot(const struct mm_page_info *info, uint64_t *slot)
{
	if (info->state == MM_PAGE_SWAPPED)
		*slot = info->slot;
	else if (info->state == MM_PAGE_PRESENT && info->swapcache)
		*slot = info->page->private;
	else
		return false;
	return true;
}

static const char *show_page(const struct mm_page_info *info, char *buf, size_t size)
{
	if (info->state == MM_PAGE_PRESENT)
		snprintf(buf, size, "frame %llu", (unsigned long long)info->pfn);
	else if (info->state == MM_PAGE_SWAPPED)
		snprintf(buf, size, "swap slot %llu", (unsigned long long)info->slot);
	else
		snprintf(buf, size, "a page that is %s", op_page_state_name(info->state));
	return buf;
}

static enum runner_result expect_shared(struct runner *r, const struct op *op)
{
	char is[64], is2[64];
	struct mm_page_info one, other;
	enum runner_result ret;
	uint64_t addr, addr2, slot = 0, slot2 = 0;
	struct process *a = place(r, op->proc, &op->addr, &addr, &ret);
	struct process *b = a ? place(r, op->target, &op->new_addr, &addr2, &ret) : NULL;
	bool shared;

	if (!b)
		return ret;
	mm_page_info(a->space->mm, addr, &one);
	mm_page_info(b->space->mm, addr2, &other);
	shared = (one.state == MM_PAGE_PRESENT && other.state == MM_PAGE_PRESENT &&
		  one.pfn == other.pfn) ||
		 (has_slot(&one, &slot) && has_slot(&other, &slot2) && slot == slot2);
	if (shared == !op->negate)
		return RUNNER_OK;
	return runner_failed(r, "expected %s, found %s: %s and %s",
			     op->negate ? "two pages" : "one page", op->negate ? "one" : "two",
			     show_page(&one, is, sizeof(is)), show_page(&other, is2, sizeof(is2)));
}

static enum runner_result expect_page(struct runner *r, const struct op *op)
{
	uint64_t found[OP_PAGE_FIELDS];
	struct mm_page_info info;
	enum runner_result ret;
	uint64_t addr;
	struct process *proc = place(r, op->proc, &op->addr, &addr, &ret);

	if (!proc)
		return ret;
	mm_page_info(proc->space->mm, addr, &info);
	found[OP_PAGE_STATE] = info.state;
	found[OP_PAGE_ANON] = info.anon;
	found[OP_PAGE_FILE] = info.file;
	found[OP_PAGE_EXCLUSIVE] = info.exclusive;
	found[OP_PAGE_WRITABLE] = info.writable;
	found[OP_PAGE_DIRTY] = info.dirty;
	found[OP_PAGE_ACCESSED] = info.accessed;
	found[OP_PAGE_SWAPCACHE] = info.swapcache;
	found[OP_PAGE_LOCKED] = info.locked;
	found[OP_PAGE_MAPCOUNT] = info.mapcount;
	found[OP_PAGE_SWAP_COUNT] = info.swap_count;
	found[OP_PAGE_INDEX] = info.index;
	found[OP_PAGE_FRAME] = info.pfn;
	for (uint32_t i = 0; i < op->nr_tests; i++) {
		const struct op_test *test = &op->tests[i];

		if (test->field == OP_PAGE_FRAME && info.state != MM_PAGE_PRESENT)
			return runner_failed(r, "expected a page in a frame, found one that is %s",
					     op_page_state_name(info.state));
		if (test->field != OP_PAGE_STATE || op_compare(info.state, test->cmp, test->value))
			continue;
		return runner_failed(r, "expected a page that is %s%s, found one that is %s",
				     test->cmp == OP_NE ? "not " : "",
				     op_page_state_name((unsigned int)test->value),
				     op_page_state_name(info.state));
	}
	return test_all(r, found, op_page_field_name);
}

/* What an expectation later holds against the frame that is there then: was a page copied, or only given back? */
enum runner_result runner_note_frame(struct runner *r, const struct op *op)
{
	struct mm_page_info info;
	enum runner_result ret;
	uint64_t addr;
	struct process *proc = place(r, op->proc, &op->addr, &addr, &ret);

	if (!proc)
		return ret;
	mm_page_info(proc->space->mm, addr, &info);
	if (info.state != MM_PAGE_PRESENT)
		return runner_failed(r,
				     "frame: expected a page that is present, found one that is %s",
				     op_page_state_name(info.state));
	return runner_set_mark(r, op->out, info.pfn);
}

static enum runner_result expect_content(struct runner *r, const struct op *op)
{
	enum runner_result ret;
	uint64_t addr;
	struct process *proc = place(r, op->proc, &op->addr, &addr, &ret);
	char is[96];

	if (!proc)
		return ret;
	for (uint64_t at = 0; at == 0 || at < op->len; at += RMAP_PAGE_SIZE) {
		uint64_t value = op->value + (op->value_steps ? at >> RMAP_PAGE_SHIFT : 0);
		uint64_t place_of = addr + at;

		if (!runner_look(r, proc->space, place_of, r->page))
			return runner_failed(r,
					     "content at 0x%llx: expected value %llu, found no "
					     "page that could be looked at",
					     (unsigned long long)place_of,
					     (unsigned long long)value);
		if (!pattern_matches(r->page, RMAP_PAGE_SIZE, value))
			return runner_failed(r, "content at 0x%llx: expected value %llu, found %s",
					     (unsigned long long)place_of,
					     (unsigned long long)value,
					     pattern_name(r->page, RMAP_PAGE_SIZE, is, sizeof(is)));
	}
	return RUNNER_OK;
}

/* ---------------------------------------------------------------- figures */

static enum runner_result expect_stat(struct runner *r, const struct op *op)
{
	uint64_t found[OP_STAT_FIELDS];
	enum runner_result ret;
	struct process *proc = runner_need(r, op->proc, &ret);
	struct mm_stats s;

	if (!proc)
		return ret;
	mm_get_stats(proc->space->mm, &s);
	found[OP_STAT_MAP_COUNT] = s.map_count;
	found[OP_STAT_TOTAL_VM] = s.total_vm << RMAP_PAGE_SHIFT;
	found[OP_STAT_LOCKED_VM] = s.locked_vm << RMAP_PAGE_SHIFT;
	found[OP_STAT_DATA_VM] = s.data_vm << RMAP_PAGE_SHIFT;
	found[OP_STAT_EXEC_VM] = s.exec_vm << RMAP_PAGE_SHIFT;
	found[OP_STAT_STACK_VM] = s.stack_vm << RMAP_PAGE_SHIFT;
	found[OP_STAT_RSS] = (s.rss_anon + s.rss_file + s.rss_shmem) << RMAP_PAGE_SHIFT;
	found[OP_STAT_RSS_ANON] = s.rss_anon << RMAP_PAGE_SHIFT;
	found[OP_STAT_RSS_FILE] = s.rss_file << RMAP_PAGE_SHIFT;
	found[OP_STAT_RSS_SHMEM] = s.rss_shmem << RMAP_PAGE_SHIFT;
	found[OP_STAT_SWAP] = s.swap_entries << RMAP_PAGE_SHIFT;
	found[OP_STAT_TABLES] = s.table_pages;
	found[OP_STAT_BRK] = s.brk;
	found[OP_STAT_BRK_START] = s.brk_start;
	return test_all(r, found, op_stat_field_name);
}

static enum runner_result expect_smaps(struct runner *r, const struct op *op)
{
	uint64_t found[OP_SMAPS_FIELDS];
	enum runner_result ret;
	uint64_t addr;
	struct process *proc = place(r, op->proc, &op->addr, &addr, &ret);
	struct mm_smaps s;

	if (!proc)
		return ret;
	if (mm_smaps(proc->space->mm, addr, &s))
		return runner_failed(r, "smaps: expected a VMA at 0x%llx, found none",
				     (unsigned long long)addr);
	found[OP_SMAPS_SIZE] = s.size;
	found[OP_SMAPS_RSS] = s.rss;
	found[OP_SMAPS_PSS] = s.pss;
	found[OP_SMAPS_SHARED_CLEAN] = s.shared_clean;
	found[OP_SMAPS_SHARED_DIRTY] = s.shared_dirty;
	found[OP_SMAPS_PRIVATE_CLEAN] = s.private_clean;
	found[OP_SMAPS_PRIVATE_DIRTY] = s.private_dirty;
	found[OP_SMAPS_REFERENCED] = s.referenced;
	found[OP_SMAPS_ANONYMOUS] = s.anonymous;
	found[OP_SMAPS_LAZYFREE] = s.lazyfree;
	found[OP_SMAPS_SWAP] = s.swap;
	found[OP_SMAPS_SWAP_PSS] = s.swap_pss;
	found[OP_SMAPS_LOCKED] = s.locked;
	return test_all(r, found, op_smaps_field_name);
}

static enum runner_result expect_count(struct runner *r, const struct op *op)
{
	int c = counter_find(op->text);
	uint64_t found;
	char name[96];

	if (c < 0)
		return runner_bad(r, "there is no counter '%s' (see rmap-workload(5))", op->text);
	found = counter_value(r, (unsigned int)c);
	if (op->kind == OP_EXPECT_GROWN)
		found -= r->snapshot[c];
	return test_one(r, &op->tests[0], counter_name((unsigned int)c, name, sizeof(name)), found);
}

static enum runner_result expect_file(struct runner *r, const struct op *op)
{
	struct rfile *f = rfile_named(r, op->file);

	if (!f)
		return runner_bad(r, "the file is not open");
	return test_one(r, &op->tests[0], "size", mm_file_size(f->file));
}

/* ---------------------------------------------------------------- walks */

static void walk_from(struct runner *r, struct page *page, bool stop, struct rmap_walk *walk)
{
	memset(walk, 0, sizeof(*walk));
	walk->flags = stop ? RMAP_WALK_STOP_AT_MAPCOUNT : 0;
	walk->purpose = RMAP_WALK_PROBE;
	rmap_walk(mm_system_rmap(r->sys), &page->rmap, walk);
}

static struct page *page_at(struct process *proc, uint64_t addr)
{
	struct mm_page_info info;

	mm_page_info(proc->space->mm, addr, &info);
	return info.state == MM_PAGE_PRESENT ? info.page : NULL;
}

static enum runner_result expect_walk(struct runner *r, const struct op *op)
{
	uint64_t found[OP_WALK_FIELDS];
	enum runner_result ret;
	struct rmap_walk walk;
	uint64_t addr;
	struct process *proc = place(r, op->proc, &op->addr, &addr, &ret);
	struct page *page;

	if (!proc)
		return ret;
	page = page_at(proc, addr);
	if (!page)
		return runner_failed(r, "walk: expected a page at 0x%llx, found none",
				     (unsigned long long)addr);
	walk_from(r, page, op->flags, &walk);
	found[OP_WALK_LOOKS] = walk.looks;
	found[OP_WALK_STEPS] = walk.steps;
	found[OP_WALK_FOUND] = walk.found;
	return test_all(r, found, op_walk_field_name);
}

/* As who takes the page from all its users walks: designs may learn from it. */
static void probe_from(struct runner *r, struct page *page, bool stop, struct rmap_walk *walk)
{
	memset(walk, 0, sizeof(*walk));
	walk->flags = RMAP_WALK_MAY_ALLOC;
	if (stop)
		walk->flags |= RMAP_WALK_STOP_AT_MAPCOUNT;
	walk->purpose = RMAP_WALK_PROBE;
	(void)mm_walk_page(r->sys, page, walk);
}

enum runner_result runner_probe(struct runner *r, const struct op *op)
{
	enum runner_result ret;
	struct rmap_walk stop, full;
	uint64_t addr;
	struct process *proc = place(r, op->proc, &op->addr, &addr, &ret);
	struct page *page;
	struct probe *probe;

	if (!proc)
		return ret;
	if (r->nr_probes == RUNNER_PROBES)
		return RUNNER_OK;
	probe = &r->probes[r->nr_probes++];
	snprintf(probe->what, sizeof(probe->what), "%s", op->text ? op->text : "");
	page = page_at(proc, addr);
	if (!page)
		return RUNNER_OK;
	probe_from(r, page, true, &stop);
	probe_from(r, page, false, &full);
	probe->found_page = true;
	probe->stop_looks = stop.looks;
	probe->full_looks = full.looks;
	probe->steps = full.steps;
	probe->found = full.found;
	probe->mapcount = rmap_page_mapcount(&page->rmap);
	return RUNNER_OK;
}

/* ---------------------------------------------------------------- owners */

struct links {
	struct rmap *rmap;
	uint64_t addr;
	const void *own;
	uint64_t nr;
	bool found;
};

static void one_link(const struct rmap_link_info *info, void *arg)
{
	struct links *links = arg;

	links->nr++;
	if (info->own)
		links->own = info->owner;
}

static void links_of(const struct mm_vma_info *info, void *arg)
{
	struct links *links = arg;

	if (links->addr < info->start || links->addr >= info->end)
		return;
	links->found = true;
	rmap_vma_links(links->rmap, info->rmap, one_link, links);
}

static enum runner_result get_links(struct runner *r, struct process *proc, uint64_t addr,
				    struct links *links)
{
	memset(links, 0, sizeof(*links));
	links->rmap = mm_system_rmap(r->sys);
	links->addr = addr;
	mm_for_each_vma(proc->space->mm, links_of, links);
	if (!links->found)
		return runner_failed(r, "expected a VMA at 0x%llx, found none",
				     (unsigned long long)addr);
	return RUNNER_OK;
}

static enum runner_result expect_owner(struct runner *r, const struct op *op)
{
	enum runner_result ret;
	uint64_t addr, addr2;
	struct process *a = place(r, op->proc, &op->addr, &addr, &ret);
	struct process *b = a ? place(r, op->target, &op->new_addr, &addr2, &ret) : NULL;
	struct links one, other;
	const void *owner;

	if (!b)
		return ret;
	ret = get_links(r, b, addr2, &other);
	if (ret != RUNNER_OK)
		return ret;
	if (op->kind == OP_EXPECT_ORIGIN) {
		ret = get_links(r, a, addr, &one);
		if (ret != RUNNER_OK)
			return ret;
		if ((one.own && one.own == other.own) == !op->negate)
			return RUNNER_OK;
		return runner_failed(r, "origin: expected %s owner of new pages, found %s%s",
				     op->negate ? "another" : "the same",
				     op->negate ? "the same" : "another",
				     one.own && other.own ? "" : " (a VMA is unfaulted)");
	}
	owner = page_at(a, addr) ? rmap_page_owner(mm_system_rmap(r->sys), &page_at(a, addr)->rmap)
				 : NULL;
	if (!owner)
		return runner_failed(r, "owner: expected an anonymous page at 0x%llx, found none",
				     (unsigned long long)addr);
	if ((owner == other.own) == !op->negate)
		return RUNNER_OK;
	return runner_failed(r, "owner: expected the page's owner to be %s that VMA's, found it %s",
			     op->negate ? "another than" : "", op->negate ? "is" : "is not");
}

static enum runner_result expect_links(struct runner *r, const struct op *op)
{
	enum runner_result ret;
	uint64_t addr;
	struct process *proc = place(r, op->proc, &op->addr, &addr, &ret);
	struct links links;

	if (!proc)
		return ret;
	ret = get_links(r, proc, addr, &links);
	return ret == RUNNER_OK ? test_one(r, &op->tests[0], "links", links.nr) : ret;
}

/* ---------------------------------------------------------------- all of them */

enum runner_result runner_expect_op(struct runner *r, const struct op *op)
{
	const char *design = rmap_design_name(mm_system_rmap(r->sys)->ops);

	if (!op_for_design(op, design) || (r->phantom && op->kind == OP_EXPECT_CONTENT)) {
		r->expectations_skipped++;
		return RUNNER_OK;
	}
	r->expectations++;
	switch (op->kind) {
	case OP_EXPECT_LAYOUT:
		return expect_layout(r, op);
	case OP_EXPECT_SHARED:
		return expect_shared(r, op);
	case OP_EXPECT_PAGE:
		return expect_page(r, op);
	case OP_EXPECT_CONTENT:
		return expect_content(r, op);
	case OP_EXPECT_STAT:
		return expect_stat(r, op);
	case OP_EXPECT_SMAPS:
		return expect_smaps(r, op);
	case OP_EXPECT_WALK:
		return expect_walk(r, op);
	case OP_EXPECT_COUNT:
	case OP_EXPECT_GROWN:
		return expect_count(r, op);
	case OP_EXPECT_OWNER:
	case OP_EXPECT_ORIGIN:
		return expect_owner(r, op);
	case OP_EXPECT_LINKS:
		return expect_links(r, op);
	case OP_EXPECT_FILE:
		return expect_file(r, op);
	default:
		return runner_bad(r, "%s is no expectation", op_kind_name(op->kind));
	}
}
