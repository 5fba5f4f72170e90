// SPDX-License-Identifier: BSD-2-Clause
/*
 * The truth: every entry of every page table, sorted by page.
 *
 * The first pass follows the tables, holds each table's descriptor against where it was found, and counts the entries that
 * name each frame. The second one, with the frames' places in check.sites known, drops each entry there and holds it against
 * the VMA around it: is there one, may it hold such a page, with such rights, at such an offset? The design's word for whose
 * page it is (rmap_page_owner) must be one of those that the VMA's chain leads to (rmap_vma_links), or no walk could find it.
 */
#include "check.h"

/* ---------------------------------------------------------------- first pass: tables, and entries per frame */

/* A present entry that is counted, or a migration entry: the frame it names has one more site. */
static int count_site(struct check *c, const struct mm *mm, uint64_t addr, pte_t pte,
		      const char *what)
{
	uint64_t pfn = pte_pfn(pte);
	const struct page *page;

	if (pfn >= c->nr_pages)
		return check_wrong(c, "mm %lu, 0x%lx: the %s names frame %lu, which was never used",
				   mm->id, addr, what, pfn);
	page = pfn_to_page(c->sys, pfn);
	if (page_refs(page) == 0 || page_test(page, PG_TABLE | PG_RESERVED))
		return check_wrong(c, "mm %lu, 0x%lx: the %s names page %lu, which is %s", mm->id,
				   addr, what, pfn,
				   page_refs(page) == 0	       ? "free"
				   : page_test(page, PG_TABLE) ? "a page table"
							       : "the zero page");
	c->pages[pfn].sites++;
	c->nr_sites++;
	return 0;
}

static int count_entry(struct check *c, const struct mm *mm, uint64_t addr, pte_t pte)
{
	if (pte_present(pte) && pte & PTE_SPECIAL) {
		if (pte_pfn(pte) != page_to_pfn(c->sys, c->sys->zero_page))
			return check_wrong(
				c, "mm %lu, 0x%lx: a special PTE names page %lu, not the zero page",
				mm->id, addr, pte_pfn(pte));
		return 0;
	}
	if (pte_present(pte)) {
		c->out->ptes++;
		return count_site(c, mm, addr, pte, "PTE");
	}
	if (pte_is_migration(pte))
		return count_site(c, mm, addr, pte, "migration entry");
	if (pte_is_swap(pte)) {
		if (pte_pfn(pte) >= c->sys->swap.next)
			return check_wrong(
				c,
				"mm %lu, 0x%lx: a swap entry names slot %lu, which was never used",
				mm->id, addr, pte_pfn(pte));
		check_name_slot(c, pte_pfn(pte));
		return 0;
	}
	if (pte_is_poison(pte)) {
		if (pte_pfn(pte) >= c->nr_pages ||
		    !page_test(pfn_to_page(c->sys, pte_pfn(pte)), PG_POISON))
			return check_wrong(
				c, "mm %lu, 0x%lx: a poison entry names page %lu, which is sound",
				mm->id, addr, pte_pfn(pte));
		return 0;
	}
	return check_wrong(c, "mm %lu, 0x%lx: the entry 0x%lx is neither empty nor of any kind",
			   mm->id, addr, pte);
}

/* Does the descriptor of a table say where it was found? */
static int check_descriptor(struct check *c, const struct mm *mm, uint64_t pfn, uint64_t base,
			    int level)
{
	struct page *page;

	if (pfn >= c->nr_pages)
		return check_wrong(c,
				   "mm %lu: the level %d table for 0x%lx is in frame %lu, which "
				   "was never used",
				   mm->id, level, base, pfn);
	page = pfn_to_page(c->sys, pfn);
	if (!page_test(page, PG_TABLE) || page_refs(page) == 0)
		return check_wrong(
			c, "mm %lu: the level %d table for 0x%lx is in page %lu, which is no table",
			mm->id, level, base, pfn);
	if (c->pages[pfn].facts & FACT_TABLE)
		return check_wrong(c, "mm %lu: table page %lu is met again at 0x%lx, level %d",
				   mm->id, pfn, base, level);
	c->pages[pfn].facts |= FACT_TABLE;
	if (atomic_load_explicit(&page->rmap.mapping, memory_order_relaxed) != (uintptr_t)mm ||
	    page->rmap.index != base || page->rmap.design != (uint64_t)level)
		return check_wrong(
			c,
			"mm %lu: table page %lu says level %lu, 0x%lx, but is at level %d, 0x%lx%s",
			mm->id, pfn, page->rmap.design, page->rmap.index, level, base,
			page->rmap.index == base && page->rmap.design == (uint64_t)level
				? " of another mm"
				: "");
	return 0;
}

static int count_table(struct check *c, struct check_mm *m, uint64_t pfn, uint64_t base, int level)
{
	const pte_t *table;
	unsigned int used = 0;
	int error = check_descriptor(c, m->mm, pfn, base, level);

	if (error)
		return error;
	m->tables++;
	table = page_address(c->sys, pfn_to_page(c->sys, pfn));
	for (unsigned int i = 0; i < PTRS_PER_TABLE; i++) {
		uint64_t addr = base + ((uint64_t)i << PT_LEVEL_SHIFT(level));
		pte_t pte = pte_read(&table[i]);

		if (!pte)
			continue;
		used++;
		if (addr >= MM_TASK_SIZE)
			return check_wrong(
				c, "mm %lu: something stands at 0x%lx, behind all user addresses",
				m->mm->id, addr);
		if (level > 1 && !pte_present(pte))
			return check_wrong(
				c, "mm %lu: the level %d entry 0x%lx for 0x%lx leads nowhere",
				m->mm->id, level, pte, addr);
		error = level > 1 ? count_table(c, m, pte_pfn(pte), addr, level - 1)
				  : count_entry(c, m->mm, addr, pte);
		if (error)
			return error;
	}
	if (level > 1 && used != pfn_to_page(c->sys, pfn)->entries)
		return check_wrong(
			c, "mm %lu: table page %lu (level %d, 0x%lx) says %u entries and has %u",
			m->mm->id, pfn, level, base, pfn_to_page(c->sys, pfn)->entries, used);
	return 0;
}

/* ---------------------------------------------------------------- second pass: entries against VMAs */

#define OWNERS_KNOWN 4

/* One address space under way. */
struct place {
	struct check *c;
	struct check_mm *m;
	uint64_t mm;	 /* its number */
	struct vma *vma; /* the last one that was looked at, or NULL behind the last */
	const void *owner[OWNERS_KNOWN]; /* these are in vma's chain */
	unsigned int next_owner;
	const void *wanted; /* being searched in the chain */
	bool met, any;
};

static void meet_owner(const struct rmap_link_info *info, void *arg)
{
	struct place *at = arg;

	at->any = true;
	if (info->owner == at->wanted)
		at->met = true;
}

/* Does the chain of the VMA lead to this owner? */
static bool has_owner(struct place *at, const void *owner)
{
	for (unsigned int i = 0; i < OWNERS_KNOWN; i++)
		if (at->owner[i] == owner)
			return true;
	at->wanted = owner;
	at->met = at->any = false;
	rmap_vma_links(&at->c->sys->rmap, &at->vma->rmap, meet_owner, at);
	if (at->met)
		at->owner[at->next_owner++ % OWNERS_KNOWN] = owner;
	return at->met;
}

/* Go to the VMA that covers addr; addresses only rise. */
static bool seek_vma(struct place *at, uint64_t addr)
{
	while (at->vma && at->vma->rmap.end <= addr) {
		at->vma = vma_next(at->vma);
		memset(at->owner, 0, sizeof(at->owner));
	}
	return at->vma && at->vma->rmap.start <= addr;
}

static int check_anon(struct place *at, uint64_t addr, pte_t pte, struct page *page)
{
	struct check *c = at->c;
	uint64_t id = at->m->mm->id, pfn = pte_pfn(pte);
	const void *owner = rmap_page_owner(&c->sys->rmap, &page->rmap);

	if (at->vma->flags & VM_SHARED)
		return check_wrong(c, "mm %lu, 0x%lx: a shared VMA holds anonymous page %lu", id,
				   addr, pfn);
	if (pte_present(pte) && pte & PTE_WRITE && !rmap_page_is_exclusive(&page->rmap))
		return check_wrong(c,
				   "mm %lu, 0x%lx: the PTE of page %lu is writable, but the page "
				   "is not exclusive",
				   id, addr, pfn);
	if (pte_is_migration(pte) && pte & PTE_MIG_WRITE && !(pte & PTE_MIG_EXCLUSIVE))
		return check_wrong(c,
				   "mm %lu, 0x%lx: the migration entry of page %lu is writable, "
				   "but not exclusive",
				   id, addr, pfn);
	if (!owner)
		return 0; /* this design gives pages none */
	if (page->rmap.index != rmap_page_index(&c->sys->rmap, &at->vma->rmap, addr))
		return check_wrong(
			c, "mm %lu, 0x%lx: page %lu has index 0x%lx, its place in the VMA is 0x%lx",
			id, addr, pfn, page->rmap.index,
			rmap_page_index(&c->sys->rmap, &at->vma->rmap, addr));
	if (!has_owner(at, owner))
		return check_wrong(c,
				   "mm %lu, 0x%lx: the owner of page %lu is not in the chain of "
				   "VMA 0x%lx-0x%lx",
				   id, addr, pfn, at->vma->rmap.start, at->vma->rmap.end);
	return 0;
}

static int check_file_page(struct place *at, uint64_t addr, pte_t pte, struct page *page)
{
	struct check *c = at->c;
	uint64_t id = at->m->mm->id, pfn = pte_pfn(pte);
	struct rmap_file *file = rmap_page_file(&page->rmap);

	if (!file)
		return check_wrong(c, "mm %lu, 0x%lx: page %lu is mapped, but belongs to nothing",
				   id, addr, pfn);
	if (file != at->vma->rmap.file)
		return check_wrong(
			c, "mm %lu, 0x%lx: page %lu is of another file than VMA 0x%lx-0x%lx", id,
			addr, pfn, at->vma->rmap.start, at->vma->rmap.end);
	if (page->rmap.index != rmap_vma_index(&at->vma->rmap, addr))
		return check_wrong(
			c,
			"mm %lu, 0x%lx: page %lu is at offset 0x%lx of its file, the VMA at 0x%lx",
			id, addr, pfn, page->rmap.index, rmap_vma_index(&at->vma->rmap, addr));
	if (pte_present(pte) && pte & PTE_WRITE && !(at->vma->flags & VM_SHARED))
		return check_wrong(c,
				   "mm %lu, 0x%lx: page %lu of a file is writable in a private VMA",
				   id, addr, pfn);
	return 0;
}

/* May a present entry give these rights in this VMA? */
static int check_rights(struct place *at, uint64_t addr, pte_t pte)
{
	uint64_t flags = at->vma->flags;
	const char *right = NULL;

	if (pte & PTE_WRITE && !(flags & VM_WRITE))
		right = "write";
	if (!(pte & PTE_NX) && !(flags & VM_EXEC))
		right = "execute";
	if (pte & PTE_USER && !(flags & VM_ACCESS))
		right = "be read";
	if (pte & PTE_SPECIAL && pte & PTE_WRITE)
		right = "write to the zero page";
	if (!right)
		return 0;
	return check_wrong(
		at->c, "mm %lu, 0x%lx: the PTE 0x%lx may %s, which VMA 0x%lx-0x%lx does not allow",
		at->m->mm->id, addr, pte, right, at->vma->rmap.start, at->vma->rmap.end);
}

/*
 * A page's entry says that it locks the page where the VMA is locked, and nowhere else. But a page that so many lock as can be
 * counted may have entries that do not say so.
 */
static int check_lock(struct place *at, uint64_t addr, pte_t pte)
{
	struct check *c = at->c;
	bool locked = at->vma->flags & VM_LOCKED, says = pte & PTE_MLOCKED;

	c->pages[pte_pfn(pte)].locks += says;
	if (says == locked ||
	    (locked && atomic_load_explicit(&c->sys->mlock_full, memory_order_relaxed)))
		return 0;
	return check_wrong(c,
			   "mm %lu, 0x%lx: the PTE 0x%lx says that it %s its page, VMA 0x%lx-0x%lx "
			   "is %s",
			   at->m->mm->id, addr, pte, says ? "locks" : "does not lock",
			   at->vma->rmap.start, at->vma->rmap.end,
			   locked ? "locked" : "not locked");
}

/* An entry that names a page, present or migrating: count it, put it down, look at it. */
static int place_page(struct place *at, uint64_t addr, pte_t pte)
{
	struct check *c = at->c;
	struct page *page = pfn_to_page(c->sys, pte_pfn(pte));
	struct check_page *p = &c->pages[pte_pfn(pte)];
	bool anon = rmap_page_is_anon(&page->rmap);
	int error = anon ? check_anon(at, addr, pte, page) : check_file_page(at, addr, pte, page);

	if (!error && pte_present(pte))
		error = check_lock(at, addr, pte);
	if (error)
		return error;
	c->sites[p->first + p->sites++] =
		site_make(at->mm, addr) | (pte_present(pte) ? 0 : SITE_ENTRY);
	if (anon)
		at->m->rss[RSS_ANON]++;
	else
		at->m->rss[mm_file_is_shmem(vma_file(at->vma)) ? RSS_SHMEM : RSS_FILE]++;
	return 0;
}

static int check_swap_entry(struct place *at, uint64_t addr, pte_t pte)
{
	struct check *c = at->c;
	uint64_t id = at->m->mm->id, slot = pte_pfn(pte);
	const struct page *cache = c->sys->swap.slots[slot].cache;

	at->m->rss[RSS_SWAP]++;
	if (at->vma->flags & VM_SHARED)
		return check_wrong(c, "mm %lu, 0x%lx: a shared VMA holds a swap entry, of slot %lu",
				   id, addr, slot);
	if (!(pte & PTE_SWP_EXCLUSIVE))
		return 0;
	if (c->slot_entries[slot] != 1)
		return check_wrong(c,
				   "mm %lu, 0x%lx: the swap entry of slot %lu is exclusive, but %u "
				   "name the slot",
				   id, addr, slot, c->slot_entries[slot]);
	if (cache && rmap_page_mapcount(&cache->rmap))
		return check_wrong(c,
				   "mm %lu, 0x%lx: the swap entry of slot %lu is exclusive, but "
				   "its page is mapped",
				   id, addr, slot);
	return 0;
}

static int place_entry(struct place *at, uint64_t addr, pte_t pte)
{
	struct check *c = at->c;
	int error;

	if (!seek_vma(at, addr))
		return check_wrong(c, "mm %lu, 0x%lx: the entry 0x%lx lies in no VMA",
				   at->m->mm->id, addr, pte);
	if (pte_is_poison(pte))
		return 0;
	if (pte_is_swap(pte))
		return check_swap_entry(at, addr, pte);
	if (pte_present(pte)) {
		error = check_rights(at, addr, pte);
		if (error || pte & PTE_SPECIAL)
			return error;
	}
	return place_page(at, addr, pte);
}

static int place_table(struct place *at, uint64_t pfn, uint64_t base, int level)
{
	const pte_t *table = page_address(at->c->sys, pfn_to_page(at->c->sys, pfn));
	int error = 0;

	for (unsigned int i = 0; i < PTRS_PER_TABLE && !error; i++) {
		uint64_t addr = base + ((uint64_t)i << PT_LEVEL_SHIFT(level));
		pte_t pte = pte_read(&table[i]);

		if (pte)
			error = level > 1 ? place_table(at, pte_pfn(pte), addr, level - 1)
					  : place_entry(at, addr, pte);
	}
	return error;
}

/* ---------------------------------------------------------------- sums */

static int check_sums(struct check *c, const struct check_mm *m)
{
	static const char *const names[RSS_KINDS] = { "file pages", "anonymous pages",
						      "shared memory pages", "swap entries" };

	for (unsigned int kind = 0; kind < RSS_KINDS; kind++) {
		int64_t said = mm_rss(m->mm, kind);

		if (said != m->rss[kind])
			return check_wrong(c, "mm %lu: it counts %ld %s, its tables have %ld",
					   m->mm->id, said, names[kind], m->rss[kind]);
	}
	if (atomic_load_explicit(&m->mm->nr_tables, memory_order_relaxed) != m->tables)
		return check_wrong(
			c, "mm %lu: it counts %lu tables and has %lu", m->mm->id,
			(uint64_t)atomic_load_explicit(&m->mm->nr_tables, memory_order_relaxed),
			m->tables);
	if (m->rss[RSS_SWAP] && list_empty(&m->mm->swap_list))
		return check_wrong(
			c, "mm %lu: it has %ld swap entries, but swapoff would not look there",
			m->mm->id, m->rss[RSS_SWAP]);
	return 0;
}

int check_tables(struct check *c)
{
	uint64_t first = 0;
	int error = 0;

	for (uint64_t i = 0; i < c->nr_mms && !error; i++) {
		struct page *top = page_of_address(c->sys, c->mms[i].mm->pgd);

		error = count_table(c, &c->mms[i], page_to_pfn(c->sys, top), 0, PT_LEVELS);
	}
	if (error)
		return error;
	c->sites = check_alloc(c, c->nr_sites, sizeof(c->sites[0]));
	if (!c->sites)
		return RMAP_ENOMEM;
	for (uint64_t pfn = 0; pfn < c->nr_pages; pfn++) {
		c->pages[pfn].first = first;
		first += c->pages[pfn].sites;
		c->pages[pfn].sites = 0; /* counted again as they are put down */
	}
	for (uint64_t i = 0; i < c->nr_mms && !error; i++) {
		struct mm *mm = c->mms[i].mm;
		struct place at = { .c = c, .m = &c->mms[i], .mm = i };

		mm_read_lock(mm);
		at.vma = vma_first(mm);
		error = place_table(&at, page_to_pfn(c->sys, page_of_address(c->sys, mm->pgd)), 0,
				    PT_LEVELS);
		mm_read_unlock(mm);
		if (!error)
			error = check_sums(c, &c->mms[i]);
		c->tables += c->mms[i].tables;
	}
	return error;
}
