// SPDX-License-Identifier: BSD-2-Clause
/*
 * Zapping: emptying the entries of a range.
 *
 * An entry is cleared by an exchange, so that a dirty bit which the MMU sets at the last moment is not lost; what it says moves
 * to the page: dirty for file pages, accessed for their ageing. Private copies that go keep nothing.
 *
 * A processor may go on writing through a dirty translation until the flush, and from the moment when its entry is unmapped nobody
 * who writes the file's page back would wait for that. And all mappings of a page hold one reference together: once this one is
 * unmapped, another address space may unmap the last and free the frame, with a flush of its own translations only. So dirty
 * entries of files, and all entries of pages that others may map, are flushed before they are settled, in batches. What is left is
 * pages that are exclusively ours, whose reference the gathering holds, and exit, when no processor has the address space any more.
 *
 * Tier 1 is told of runs at consecutive entries, since what it costs to tell is less than what it costs to be called. The PTL is
 * held until all were told: who comes late finds the entry empty, and waits for the PTL before he believes it.
 */
#include "file.h"
#include "swap.h"
#include "table.h"
#include "vma.h"

#define ZAP_RUN 32

/* Entries that were cleared and are not settled; the PTL is held. */
struct cleared {
	unsigned int nr;
	unsigned int at[ZAP_RUN]; /* which of the table's part, in rising order */
	pte_t old[ZAP_RUN];
};

/* A part of one table, whose PTL is held. */
struct zap {
	struct gather *g;
	struct vma *vma;
	uint64_t flags; /* the VMA's: who changes them comes for the entries after us */
	pte_t *pte;	/* its first entry */
	uint64_t addr;	/* that one's */
	enum zap_what what;
	bool exits;		  /* no processor has the address space any more, nor will one */
	struct cleared now, late; /* settled as they are; after a flush */
};

/* What the entry said moves to its page. */
static void note_page(const struct zap *z, struct page *page, pte_t old)
{
	struct mm_system *sys = z->g->mm->sys;

	if (!rmap_page_is_anon(&page->rmap)) {
		if (old & PTE_DIRTY)
			file_set_dirty(page, sys);
		if ((old & PTE_ACCESSED) && vm_has_recency(sys, z->flags))
			lru_mark_accessed(sys, page);
	}
	z->g->rss[page_rss_kind(page)]--;
	if (old & PTE_MLOCKED)
		lru_munlock(sys, page);
}

/* nr pages at consecutive entries, from the one at on. */
static void unmap_run(const struct zap *z, struct rmap_page *const *run, unsigned int nr,
		      unsigned int at)
{
	struct gather *g = z->g;
	uint64_t unmapped =
		rmap_page_unmap(&g->mm->sys->rmap, run, nr, &z->vma->rmap,
				z->addr + ((uint64_t)at << RMAP_PAGE_SHIFT), z->pte + at);

	for (; unmapped; unmapped >>= 1, run++)
		if ((unmapped & 1) && gather_page(g, page_of_rmap(*run)))
			gather_flush(g);
}

static void settle(const struct zap *z, struct cleared *c)
{
	struct mm_system *sys = z->g->mm->sys;
	struct rmap_page *run[ZAP_RUN];
	unsigned int nr = 0, i;

	rmap_assert_spin_held(table_ptl(sys, z->pte));
	for (i = 0; i < c->nr; i++) {
		struct page *page = pfn_to_page(sys, pte_pfn(c->old[i]));

		if (nr && c->at[i] != c->at[i - 1] + 1) {
			unmap_run(z, run, nr, c->at[i - nr]);
			nr = 0;
		}
		note_page(z, page, c->old[i]);
		run[nr++] = &page->rmap;
	}
	if (nr)
		unmap_run(z, run, nr, c->at[i - nr]);
	c->nr = 0;
}

static void settle_late(struct zap *z)
{
	gather_flush(z->g);
	settle(z, &z->late);
}

/* True: full. */
static inline bool cleared_add(struct cleared *c, unsigned int at, pte_t old)
{
	c->at[c->nr] = at;
	c->old[c->nr] = old;
	return ++c->nr == ZAP_RUN;
}

/* An entry that is neither empty nor present. */
static void zap_entry(struct gather *g, struct vma *vma, pte_t *pte, pte_t old, uint64_t addr,
		      enum zap_what what)
{
	struct mm_system *sys = g->mm->sys;

	if (pte_is_migration(old)) {
		struct page *page = pfn_to_page(sys, pte_pfn(old));

		if (what == ZAP_KEEP_PRIVATE && rmap_page_is_anon(&page->rmap))
			return;
		g->rss[page_rss_kind(page)]--;
		rmap_entry_gone(&sys->rmap, &page->rmap, &vma->rmap, addr, pte);
		pte_write(pte, 0);
		return;
	}
	if (what == ZAP_KEEP_PRIVATE)
		return;
	pte_write(pte, 0);
	if (pte_is_swap(old)) {
		g->rss[RSS_SWAP]--;
		swap_free(sys, pte_pfn(old));
	}
}

/* May the page go from here on, or be written back, before our processors have forgotten it? */
static inline bool is_late(const struct zap *z, const struct rmap_page *rpage, pte_t old)
{
	if (!pte_maybe_cached(old))
		return false;
	if (!rmap_page_is_anon(rpage) && (old & PTE_DIRTY))
		return true;
	return !z->exits && !rmap_page_is_exclusive(rpage);
}

/* v is what the entry said just now. Where no processor can set a bit of it any more it need not be exchanged. */
static inline pte_t clear(const struct zap *z, unsigned int at, pte_t v)
{
	if (!z->exits)
		return pte_exchange(z->pte + at, 0);
	pte_write(z->pte + at, 0);
	return v;
}

static inline void zap_present(struct zap *z, unsigned int at, pte_t v)
{
	struct gather *g = z->g;
	pte_t old = clear(z, at, v);

	if (pte_maybe_cached(old))
		gather_address(g, z->addr + ((uint64_t)at << RMAP_PAGE_SHIFT));
	if (old & PTE_SPECIAL)
		return;
	if (is_late(z, &pfn_to_page(g->mm->sys, pte_pfn(old))->rmap, old)) {
		if (cleared_add(&z->late, at, old))
			settle_late(z);
	} else if (cleared_add(&z->now, at, old)) {
		settle(z, &z->now);
	}
}

static void zap_one(struct zap *z, unsigned int at)
{
	struct gather *g = z->g;
	pte_t *pte = z->pte + at;
	pte_t old = pte_read(pte);

	if (!old)
		return;
	if (!pte_present(old))
		zap_entry(g, z->vma, pte, old, z->addr + ((uint64_t)at << RMAP_PAGE_SHIFT),
			  z->what);
	else if (z->what != ZAP_KEEP_PRIVATE ||
		 !rmap_page_is_anon(&pfn_to_page(g->mm->sys, pte_pfn(old))->rmap))
		zap_present(z, at, old);
}

static void zap_table(struct zap *z, unsigned int nr)
{
	struct rmap_spinlock *ptl = table_ptl(z->g->mm->sys, z->pte);

	z->now.nr = 0;
	z->late.nr = 0;
	/* Not without it, even to see that there is nothing: who changes an entry may leave the slot empty for a moment. */
	rmap_spin_lock(ptl);
	z->flags = vma_flags(z->vma);
	for (unsigned int at = 0; at < nr; at++)
		zap_one(z, at);
	if (z->now.nr)
		settle(z, &z->now);
	if (z->late.nr)
		settle_late(z);
	gather_settle(z->g);
	rmap_spin_unlock(ptl);
}

void zap_range(struct gather *g, struct vma *vma, uint64_t start, uint64_t end, enum zap_what what)
{
	struct zap z;

	z.g = g;
	z.vma = vma;
	z.what = what;
	z.exits = atomic_load_explicit(&g->mm->users, memory_order_relaxed) == 0;
	while (start < end) {
		uint64_t stop = table_end(start, end);

		z.pte = table_find(g->mm, start);
		if (rmap_unlikely(!z.pte)) {
			start = table_next(g->mm, start, end);
			continue;
		}
		z.addr = start;
		zap_table(&z, (unsigned int)((stop - start) >> RMAP_PAGE_SHIFT));
		start = stop;
	}
}
