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
 */
#include "file.h"
#include "swap.h"
#include "table.h"
#include "vma.h"

#define ZAP_LATE 32

/* A present entry is gone: settle accounts with its page. */
static void zap_page(struct gather *g, struct vma *vma, pte_t *pte, pte_t old, uint64_t addr)
{
	struct mm_system *sys = g->mm->sys;
	struct page *page = pfn_to_page(sys, pte_pfn(old));
	struct rmap_page *rpage = &page->rmap;

	rmap_assert_spin_held(table_ptl(sys, pte));
	if (!rmap_page_is_anon(rpage)) {
		if (old & PTE_DIRTY)
			file_set_dirty(page, sys);
		if ((old & PTE_ACCESSED) && !(vma_flags(vma) & VM_SEQ_READ))
			lru_mark_accessed(sys, page);
	}
	g->rss[page_rss_kind(page)]--;
	if (vma_flags(vma) & VM_LOCKED)
		lru_munlock(sys, page);
	if (rmap_page_unmap(&sys->rmap, &rpage, 1, &vma->rmap, addr, pte) && gather_page(g, page))
		gather_flush(g);
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

/* Entries that were cleared but are not settled before a flush; the PTL is held. */
struct late {
	unsigned int nr;
	struct {
		pte_t *pte;
		pte_t old;
		uint64_t addr;
	} entry[ZAP_LATE];
};

static void settle_late(struct gather *g, struct vma *vma, struct late *late)
{
	if (!late->nr)
		return;
	gather_flush(g);
	for (unsigned int i = 0; i < late->nr; i++)
		zap_page(g, vma, late->entry[i].pte, late->entry[i].old, late->entry[i].addr);
	late->nr = 0;
}

/* May the page go from here on, or be written back, before our processors have forgotten it? */
static bool is_late(const struct gather *g, const struct rmap_page *rpage, pte_t old)
{
	if (!pte_maybe_cached(old))
		return false;
	if (!rmap_page_is_anon(rpage) && (old & PTE_DIRTY))
		return true;
	return !rmap_page_is_exclusive(rpage) &&
	       atomic_load_explicit(&g->mm->users, memory_order_relaxed) != 0;
}

static void zap_present(struct gather *g, struct vma *vma, pte_t *pte, uint64_t addr,
			struct late *late)
{
	pte_t old = pte_exchange(pte, 0);

	if (pte_maybe_cached(old))
		gather_address(g, addr);
	if (old & PTE_SPECIAL)
		return;
	if (!is_late(g, &pfn_to_page(g->mm->sys, pte_pfn(old))->rmap, old)) {
		zap_page(g, vma, pte, old, addr);
		return;
	}
	late->entry[late->nr].pte = pte;
	late->entry[late->nr].old = old;
	late->entry[late->nr].addr = addr;
	if (++late->nr == ZAP_LATE)
		settle_late(g, vma, late);
}

static void zap_table(struct gather *g, struct vma *vma, pte_t *pte, uint64_t addr, uint64_t end,
		      enum zap_what what)
{
	struct mm_system *sys = g->mm->sys;
	struct rmap_spinlock *ptl = table_ptl(sys, pte);
	struct late late;

	late.nr = 0;
	/* Not without it, even to see that there is nothing: who changes an entry may leave the slot empty for a moment. */
	rmap_spin_lock(ptl);
	for (; addr < end; addr += RMAP_PAGE_SIZE, pte++) {
		pte_t old = pte_read(pte);

		if (!old)
			continue;
		if (!pte_present(old)) {
			zap_entry(g, vma, pte, old, addr, what);
			continue;
		}
		if (what == ZAP_KEEP_PRIVATE &&
		    rmap_page_is_anon(&pfn_to_page(sys, pte_pfn(old))->rmap))
			continue;
		zap_present(g, vma, pte, addr, &late);
	}
	settle_late(g, vma, &late);
	gather_settle(g);
	rmap_spin_unlock(ptl);
}

void zap_range(struct gather *g, struct vma *vma, uint64_t start, uint64_t end, enum zap_what what)
{
	while (start < end) {
		pte_t *pte = table_find(g->mm, start);
		uint64_t stop = table_end(start, end);

		if (rmap_unlikely(!pte)) {
			start = table_next(g->mm, start, end);
			continue;
		}
		zap_table(g, vma, pte, start, stop, what);
		start = stop;
	}
}
