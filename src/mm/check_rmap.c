// SPDX-License-Identifier: BSD-2-Clause
/*
 * Walks: does asking the reverse map find what the page tables say?
 *
 * Each page with an owner is walked, or a sample of them: every one with the same chance, chosen by the seed alone, so that a
 * failure can be had again. How many that are is said beforehand or follows from what they cost, in slots read and not in time.
 * A walk must meet each PTE of the page once and nothing else; where migration entries stand for the
 * page, a second walk must meet those.
 */
#include "check.h"

/* One walk under way. */
struct tour {
	struct check *c;
	uint64_t pfn;
	check_site kind; /* SITE_ENTRY: migration entries are wanted; 0: PTEs */
	uint64_t met;
	int error;
};

/* The site of the page at (mm, addr), or NULL. They are in order. */
static check_site *find_site(const struct tour *t, uint64_t mm, uint64_t addr)
{
	const struct check_page *p = &t->c->pages[t->pfn];
	check_site *sites = t->c->sites + p->first;
	check_site wanted = site_make(mm, addr) | t->kind;
	uint32_t low = 0, high = p->sites;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if ((sites[middle] & ~SITE_MET) < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return low < p->sites && (sites[low] & ~SITE_MET) == wanted ? &sites[low] : NULL;
}

static int meet(struct tour *t, const struct rmap_hit *hit)
{
	struct check *c = t->c;
	const uint64_t *mm = check_map_find(&c->mm_of, hit->mm, false);
	uint64_t id;
	check_site *site;

	if (!mm)
		return check_wrong(
			c,
			"the walk of page %lu meets an address space that is not there, at 0x%lx",
			t->pfn, hit->addr);
	id = c->mms[*mm].mm->id;
	site = find_site(t, *mm, hit->addr);
	if (!site)
		return check_wrong(
			c, "the walk of page %lu meets mm %lu at 0x%lx, where the page is not",
			t->pfn, id, hit->addr);
	if (*site & SITE_MET)
		return check_wrong(c, "the walk of page %lu meets mm %lu at 0x%lx twice", t->pfn,
				   id, hit->addr);
	*site |= SITE_MET;
	t->met++;
	if (!hit->pte || pte_pfn(pte_read(hit->pte)) != t->pfn)
		return check_wrong(c,
				   "the walk of page %lu meets mm %lu at 0x%lx by a slot that does "
				   "not name it",
				   t->pfn, id, hit->addr);
	if (hit->vma &&
	    (hit->vma->mm != hit->mm || hit->addr < hit->vma->start || hit->addr >= hit->vma->end))
		return check_wrong(
			c,
			"the walk of page %lu meets mm %lu at 0x%lx with a VMA that is elsewhere",
			t->pfn, id, hit->addr);
	return 0;
}

static enum rmap_visit visit(struct rmap_hit *hit, void *arg)
{
	struct tour *t = arg;

	/* A walk that goes on although it was stopped does not make up for it. */
	if (!t->error)
		t->error = meet(t, hit);
	return t->error ? RMAP_VISIT_STOP : RMAP_VISIT_NEXT;
}

static int walk_page(struct check *c, uint64_t pfn, check_site kind, uint64_t wanted)
{
	struct page *page = pfn_to_page(c->sys, pfn);
	struct tour t = { .c = c, .pfn = pfn, .kind = kind };
	struct rmap_walk walk = {
		.visit = visit,
		.arg = &t,
		.flags = RMAP_WALK_CHECK | (kind ? RMAP_WALK_ENTRIES : 0),
		.purpose = RMAP_WALK_PROBE,
	};
	const check_site *missed = c->sites + c->pages[pfn].first;
	int error;

	if (!page_trylock(page))
		return check_wrong(c, "page %lu is locked, though nothing is under way", pfn);
	error = rmap_walk(&c->sys->rmap, &page->rmap, &walk);
	page_unlock(c->sys, page);
	c->looks += walk.looks;
	if (t.error)
		return t.error;
	if (error)
		return check_wrong(c, "the walk of page %lu fails (%s)", pfn,
				   rmap_error_name(error));
	if (walk.found != t.met)
		return check_wrong(c, "the walk of page %lu says it found %lu PTEs and shows %lu",
				   pfn, walk.found, t.met);
	if (t.met == wanted)
		return 0;
	/* Each is met once at most: if they are less, there is one that was not. */
	while ((*missed & (SITE_ENTRY | SITE_MET)) != kind)
		missed++;
	return check_wrong(c, "the walk of page %lu misses mm %lu at 0x%lx; it finds %lu of %lu",
			   pfn, check_mm_id(c, *missed), site_addr(*missed), t.met, wanted);
}

static bool has_owner(const struct page *page)
{
	return page_refs(page) != 0 && !page_test(page, PG_TABLE | PG_RESERVED) &&
	       atomic_load_explicit(&page->rmap.mapping, memory_order_relaxed) != 0;
}

/* Has the page of this tour a site in mm? */
static bool has_site(const struct rmap_mm *mm, void *arg)
{
	const struct tour *t = arg;
	const struct check_page *p = &t->c->pages[t->pfn];

	for (uint32_t i = 0; i < p->sites; i++) {
		if (&t->c->mms[site_mm(t->c->sites[p->first + i])].mm->rmap == mm)
			return true;
	}
	return false;
}

static int check_owner(struct check *c, uint64_t pfn)
{
	struct tour t = { .c = c, .pfn = pfn };
	const char *wrong =
		rmap_page_check(&c->sys->rmap, &pfn_to_page(c->sys, pfn)->rmap, has_site, &t);

	return wrong ? check_wrong(c, "page %lu: %s", pfn, wrong) : 0;
}

static int check_walks(struct check *c, uint64_t pfn)
{
	const struct check_page *p = &c->pages[pfn];
	uint64_t entries = 0;
	int error;

	for (uint32_t i = 0; i < p->sites; i++)
		entries += c->sites[p->first + i] & SITE_ENTRY ? 1 : 0;
	error = check_owner(c, pfn);
	if (!error)
		error = walk_page(c, pfn, 0, p->sites - entries);
	if (!error && entries)
		error = walk_page(c, pfn, SITE_ENTRY, entries);
	if (!error)
		c->out->walked++;
	return error;
}

static bool have_common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a > 1;
}

/* In which order pages are walked: all of them in any case, if nothing ends it earlier. */
struct order {
	uint64_t pfn, stride;
};

/* A sample begins anywhere and goes on by leaps; a stride without a divisor in common with their number meets each page once. */
static struct order choose_order(const struct check *c)
{
	struct order order = { 0, 1 };

	if (!c->out->max_walks && !c->out->max_looks)
		return order;
	order.pfn = check_mix(c->out->seed) % c->nr_pages;
	order.stride = check_mix(~c->out->seed) % c->nr_pages;
	while (have_common_divisor(c->nr_pages, order.stride))
		order.stride = (order.stride + 1) % c->nr_pages;
	return order;
}

static bool is_enough(const struct check *c)
{
	const struct mm_check *out = c->out;

	return (out->max_walks && out->walked >= out->max_walks) ||
	       (out->max_looks && c->looks >= out->max_looks);
}

int check_rmap(struct check *c)
{
	struct order order = choose_order(c);
	int error = 0;

	for (uint64_t i = 0; i < c->nr_pages && !error && !is_enough(c); i++) {
		if (has_owner(pfn_to_page(c->sys, order.pfn)))
			error = check_walks(c, order.pfn);
		order.pfn += order.stride;
		if (order.pfn >= c->nr_pages)
			order.pfn -= c->nr_pages;
	}
	return error;
}
