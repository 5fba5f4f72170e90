// SPDX-License-Identifier: BSD-2-Clause
/*
 * Page descriptors: map counts, exclusive marks, references, LRU lists, the free list, what the system counts.
 *
 * References can be known from below only: the mappings, the swap cache and a file's tree hold one each, and a pin may hold more.
 * So a page with less is in danger, one with more is in use. A quiet system has no page locked or under write-back.
 */
#include "check.h"

/* ---------------------------------------------------------------- lists */

static int check_free(struct check *c, const struct list_head *list, uint64_t *nr)
{
	struct list_head *pos;
	int error = check_list(c, list, "free frames", nr);

	if (error)
		return error;
	list_for_each(pos, list) {
		uint64_t pfn = page_to_pfn(c->sys, list_entry(pos, struct page, lru));

		if (pfn >= c->nr_pages)
			return check_wrong(
				c, "page %lu is on the list of free frames, but was never used",
				pfn);
		if (c->pages[pfn].facts & FACT_FREE)
			return check_wrong(c, "page %lu is free twice", pfn);
		c->pages[pfn].facts |= FACT_FREE;
	}
	return 0;
}

/* Pages of one processor that are on no list yet. */
static int check_batch(struct check *c, struct mm_cpu *cpu)
{
	uint64_t pages, said = atomic_load_explicit(&cpu->nr_lru, memory_order_relaxed);
	uint32_t where =
		PG_LRU | (uint32_t)LRU_BATCH << PG_LRU_LIST_SHIFT | cpu->number << PG_LRU_CPU_SHIFT;
	struct list_head *pos;
	int error = check_list(c, &cpu->lru, "pages in a batch", &pages);

	if (error)
		return error;
	list_for_each(pos, &cpu->lru) {
		const struct page *page = list_entry(pos, struct page, lru);
		uint64_t pfn = page_to_pfn(c->sys, page);

		if (pfn >= c->nr_pages || page_refs(page) == 0 ||
		    page_test(page, PG_TABLE | PG_RESERVED) ||
		    (atomic_load(&page->flags) & (PG_LRU | PG_LRU_LIST | PG_LRU_CPU)) != where)
			return check_wrong(c, "page %lu is in the batch of processor %u, but %s",
					   pfn, cpu->number,
					   pfn >= c->nr_pages ? "no page"
					   : !page_refs(page) ? "free"
							      : "says that it is elsewhere");
		c->pages[pfn].facts |= FACT_LRU;
	}
	if (said != pages)
		return check_wrong(c, "processor %u counts %lu pages in its batch, it has %lu",
				   cpu->number, said, pages);
	return 0;
}

/* A frame that is freed while we go round, after a grace period, is looked for again (mm_check()). */
static int check_cpus(struct check *c)
{
	struct mm_system *sys = c->sys;
	uint64_t free = sys->nr_frames - c->nr_pages, nr = 0, said = frames_free(sys);
	int error = 0;

	for (uint32_t i = 0; i < sys->nr_cpus && !error; i++) {
		struct mm_cpu *cpu = &sys->cpus[i];

		rmap_spin_lock(&cpu->lock);
		error = check_free(c, &cpu->frames, &nr);
		free += nr + cpu->fresh_end - cpu->fresh;
		for (uint64_t pfn = cpu->fresh; pfn < cpu->fresh_end && pfn < c->nr_pages; pfn++)
			c->pages[pfn].facts |= FACT_FREE;
		if (!error)
			error = check_batch(c, cpu);
		rmap_spin_unlock(&cpu->lock);
	}
	if (!error && said != free)
		return check_wrong(c, "the system counts %lu free frames and has %lu", said, free);
	return error;
}

static const char *const lru_names[LRU_LISTS] = { "inactive anonymous", "active anonymous",
						  "inactive file", "active file", "unevictable" };

static int check_lru_page(struct check *c, const struct page *page, enum lru_list list)
{
	uint64_t pfn = page_to_pfn(c->sys, page);

	if (pfn >= c->nr_pages)
		return check_wrong(c, "the list of %s pages has what is no page", lru_names[list]);
	if (page_refs(page) == 0 || page_test(page, PG_TABLE | PG_RESERVED) ||
	    !page_test(page, PG_LRU))
		return check_wrong(c, "page %lu is on the list of %s pages, but %s", pfn,
				   lru_names[list],
				   page_refs(page) == 0	      ? "free"
				   : !page_test(page, PG_LRU) ? "does not say so"
							      : "no data page");
	if (lru_list_on(page) != list ||
	    page_test(page, PG_UNEVICTABLE) != (list == LRU_UNEVICTABLE))
		return check_wrong(c,
				   "page %lu is on the list of %s pages, but says it is on another",
				   pfn, lru_names[list]);
	if (lru_list_of(page) != list)
		return check_wrong(c,
				   "page %lu is on the list of %s pages, by its flags it belongs "
				   "on that of %s pages",
				   pfn, lru_names[list], lru_names[lru_list_of(page)]);
	c->pages[pfn].facts |= FACT_LRU;
	return 0;
}

static int check_lru(struct check *c)
{
	struct mm_system *sys = c->sys;

	for (unsigned int list = 0; list < LRU_LISTS; list++) {
		uint64_t nr, said = atomic_load_explicit(&sys->nr_lru[list], memory_order_relaxed);
		struct list_head *pos;
		int error = check_list(c, &sys->lru[list], lru_names[list], &nr);

		if (error)
			return error;
		list_for_each(pos, &sys->lru[list]) {
			error = check_lru_page(c, list_entry(pos, struct page, lru), list);
			if (error)
				return error;
		}
		if (said != nr)
			return check_wrong(c, "the system counts %lu %s pages, the list has %lu",
					   said, lru_names[list], nr);
	}
	return 0;
}

/* ---------------------------------------------------------------- one page */

/* What the pages are, in pages. */
struct kinds {
	uint64_t tables, anon, file, shmem;
};

static int check_free_page(struct check *c, uint64_t pfn, const struct page *page)
{
	if (page_refs(page) != 0)
		return check_wrong(c, "page %lu is on the list of free frames with %u references",
				   pfn, page_refs(page));
	if (atomic_load_explicit(&page->rmap.mapping, memory_order_relaxed) ||
	    rmap_page_mapcount(&page->rmap) || rmap_page_is_exclusive(&page->rmap))
		return check_wrong(c,
				   "page %lu is free, but still has an owner, a map count or an "
				   "exclusive mark",
				   pfn);
	if (page_test(page, PG_POISON))
		return check_wrong(c, "page %lu has gone bad, but may be handed out again", pfn);
	if (atomic_load_explicit(&page->flags, memory_order_relaxed))
		return check_wrong(
			c, "page %lu is free, but still has flags 0x%lx", pfn,
			(uint64_t)atomic_load_explicit(&page->flags, memory_order_relaxed));
	return 0;
}

/* The marks of a page against where it was found. (Who found it there saw that it says so.) */
static int check_marks(struct check *c, uint64_t pfn, const struct page *page, uint32_t facts)
{
	const struct {
		const char *mark;
		bool said, found;
	} marks[] = {
		{ "in the swap cache", page_test(page, PG_SWAPCACHE), facts & FACT_CACHE },
		{ "a page of a file", rmap_page_file(&page->rmap), facts & FACT_TREE },
		{ "on an LRU list", page_test(page, PG_LRU), facts & FACT_LRU },
	};

	for (unsigned int i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (marks[i].said && !marks[i].found)
			return check_wrong(c, "page %lu says it is %s, but is not found there", pfn,
					   marks[i].mark);
	if (page_test(page, PG_LOCKED | PG_WRITEBACK))
		return check_wrong(c, "page %lu is %s, though nothing is under way", pfn,
				   page_test(page, PG_LOCKED) ? "locked" : "under write-back");
	return 0;
}

static int check_exclusive(struct check *c, uint64_t pfn, const struct page *page)
{
	const struct check_page *p = &c->pages[pfn];

	if (!rmap_page_is_exclusive(&page->rmap))
		return 0;
	if (!rmap_page_is_anon(&page->rmap))
		return check_wrong(c, "page %lu is exclusive, but not anonymous", pfn);
	if (p->sites > 1)
		return check_wrong(c,
				   "page %lu is exclusive, but mapped at %u places: mm %lu, 0x%lx "
				   "and mm %lu, 0x%lx",
				   pfn, p->sites, check_mm_id(c, c->sites[p->first]),
				   site_addr(c->sites[p->first]),
				   check_mm_id(c, c->sites[p->first + 1]),
				   site_addr(c->sites[p->first + 1]));
	if (p->facts & FACT_CACHE && c->slot_entries[page->private])
		return check_wrong(
			c, "page %lu is exclusive, but %u swap entries lead to it by slot %lu", pfn,
			c->slot_entries[page->private], page->private);
	return 0;
}

static int check_counts(struct check *c, uint64_t pfn, const struct page *page)
{
	const struct check_page *p = &c->pages[pfn];
	uint32_t ptes = 0, locks, expected;

	for (uint32_t i = 0; i < p->sites; i++)
		ptes += !(c->sites[p->first + i] & SITE_ENTRY);
	if (rmap_page_mapcount(&page->rmap) != ptes)
		return check_wrong(c, "page %lu has map count %u, %u PTEs map it", pfn,
				   rmap_page_mapcount(&page->rmap), ptes);
	locks = page_mlocks(page);
	/* Entries that Linux forgets are counted for ever (mremap.c). */
	if (locks != p->locks && !(locks > p->locks && atomic_load_explicit(&c->sys->mlock_stranded,
									    memory_order_relaxed)))
		return check_wrong(c, "page %lu counts %u PTEs that lock it, there are %u", pfn,
				   locks, p->locks);
	expected = (ptes ? 1u : 0u) + (p->facts & FACT_CACHE ? 1u : 0u) +
		   (p->facts & FACT_TREE ? 1u : 0u);
	if (page_refs(page) < expected)
		return check_wrong(
			c, "page %lu has %u references; its mappings, swap cache and file hold %u",
			pfn, page_refs(page), expected);
	if (ptes && page_refs(page) == expected && !(p->facts & FACT_LRU))
		return check_wrong(
			c, "page %lu is mapped and nobody else has it, but it is on no LRU list",
			pfn);
	return 0;
}

static int check_data_page(struct check *c, uint64_t pfn, const struct page *page)
{
	int error = check_marks(c, pfn, page, c->pages[pfn].facts);

	if (!error)
		error = check_counts(c, pfn, page);
	if (!error)
		error = check_exclusive(c, pfn, page);
	return error;
}

static int check_table_page(struct check *c, struct kinds *kinds, uint64_t pfn,
			    const struct page *page)
{
	kinds->tables++;
	if (c->pages[pfn].facts & FACT_TABLE)
		return 0;
	/* On its way out: it waits for a grace period, and has forgotten its mm. */
	if (atomic_load_explicit(&page->rmap.mapping, memory_order_relaxed) == (uintptr_t)c->sys)
		return 0;
	return check_wrong(c, "page %lu is a page table for 0x%lx that no address space reaches",
			   pfn, __atomic_load_n(&page->rmap.index, __ATOMIC_RELAXED));
}

static int check_page(struct check *c, struct kinds *kinds, uint64_t pfn)
{
	const struct page *page = pfn_to_page(c->sys, pfn);
	uint32_t facts = c->pages[pfn].facts;

	if (facts & FACT_FREE)
		return check_free_page(c, pfn, page);
	if (page_test(page, PG_RESERVED)) {
		if (page != c->sys->zero_page || rmap_page_mapcount(&page->rmap) ||
		    !page_refs(page))
			return check_wrong(c, "page %lu is no proper zero page", pfn);
		return 0;
	}
	if (page_refs(page) == 0) {
		if (!page_test(page, PG_POISON))
			return check_wrong(c, "page %lu is lost: nobody has it, and it is not free",
					   pfn);
		return 0;
	}
	if (page_test(page, PG_TABLE))
		return check_table_page(c, kinds, pfn, page);
	c->out->pages++;
	if (rmap_page_is_anon(&page->rmap))
		kinds->anon++;
	else if (rmap_page_file(&page->rmap))
		*(page_rss_kind(page) == RSS_SHMEM ? &kinds->shmem : &kinds->file) += 1;
	return check_data_page(c, pfn, page);
}

/* ---------------------------------------------------------------- sums */

static int check_kinds(struct check *c, const struct kinds *kinds)
{
	const struct mm_system *sys = c->sys;
	const struct {
		const char *name;
		uint64_t said, found;
	} sums[] = {
		{ "page tables", sum_all(sys, SUM_TABLES), kinds->tables },
		{ "anonymous pages", sum_all(sys, SUM_ANON), kinds->anon },
		{ "pages of files", sum_all(sys, SUM_FILE), kinds->file },
		{ "pages of shared memory", sum_all(sys, SUM_SHMEM), kinds->shmem },
		{ "dirty pages", sum_all(sys, SUM_DIRTY), c->dirty },
	};

	for (unsigned int i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
		if (sums[i].said != sums[i].found)
			return check_wrong(c, "the system counts %lu %s and has %lu", sums[i].said,
					   sums[i].name, sums[i].found);
	return 0;
}

int check_pages(struct check *c)
{
	struct kinds kinds = { 0 };
	int error;

	error = check_cpus(c);
	rmap_spin_lock(&c->sys->lru_lock);
	if (!error)
		error = check_lru(c);
	rmap_spin_unlock(&c->sys->lru_lock);
	for (uint64_t pfn = 0; pfn < c->nr_pages && !error; pfn++)
		error = check_page(c, &kinds, pfn);
	return error ? error : check_kinds(c, &kinds);
}
