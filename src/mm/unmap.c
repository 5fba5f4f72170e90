// SPDX-License-Identifier: BSD-2-Clause
/*
 * Users of the reverse map, one visitor each: was the page used, take it out of every page table, write-protect it.
 *
 * A visitor runs with the PTL of the entry held. It clears the entry by an exchange and flushes the TLBs before it looks at the
 * dirty bit for the last time, so that no processor can write through a stale translation after the page was found clean.
 */
#include "file.h"
#include "reclaim.h"
#include "swap.h"
#include "vma.h"

static void flush_hit(struct mm_cpu *cpu, const struct rmap_hit *hit, enum mm_flush why)
{
	cpu_flush(cpu, mm_of_rmap(hit->mm), hit->addr, hit->addr + RMAP_PAGE_SIZE, why);
}

static struct vma *hit_vma(struct mm_system *sys, struct rmap_walk *walk, struct rmap_hit *hit)
{
	struct rmap_vma *vma = rmap_hit_vma(&sys->rmap, walk, hit);

	MM_ASSERT(sys, vma != NULL);
	return vma_of_rmap(vma);
}

/* ---------------------------------------------------------------- ageing */

struct referenced {
	struct mm_system *sys;
	struct page *page;
	struct rmap_walk walk;
	int count;
	uint64_t vm_flags;
};

static enum rmap_visit referenced_one(struct rmap_hit *hit, void *arg)
{
	struct referenced *r = arg;
	struct vma *vma = hit_vma(r->sys, &r->walk, hit);
	bool recency;

	if (hit_mlock(hit, vma, r->page)) {
		r->vm_flags |= VM_LOCKED;
		return RMAP_VISIT_STOP;
	}
	/* Who will not come back to this page: that he was here says nothing. Before 6.3 he was at least made to say it again. */
	recency = vm_has_recency(r->sys, vma_flags(vma));
	if (!recency && mm_since(r->sys, 6, 3))
		return RMAP_VISIT_NEXT;
	if (pte_read(hit->pte) & PTE_ACCESSED) {
		pte_clear_bits(hit->pte, PTE_ACCESSED);
		/*
		 * The MMU sets the bit when it loads a translation, so the old one must go, or a page in constant use would
		 * look idle for as long as it stays in the TLB.
		 */
		flush_hit(this_cpu(r->sys), hit, MM_FLUSH_AGE);
		if (recency) {
			r->count++;
			r->vm_flags |= vma_flags(vma);
		}
	}
	return RMAP_VISIT_NEXT;
}

int mm_walk_page(struct mm_system *sys, struct page *page, struct rmap_walk *walk)
{
	int error;

	page_lock(sys, page);
	/* Migration entries do not outlast the page lock, and who has a swap entry says so before he maps the page. */
	walk->flags |= RMAP_WALK_SETTLE | RMAP_WALK_MAY_ALLOC;
	error = rmap_walk(&sys->rmap, &page->rmap, walk);
	page_unlock(sys, page);
	return error;
}

int page_referenced(struct mm_system *sys, struct page *page, bool locked, uint64_t *vm_flags)
{
	struct referenced r = { .sys = sys, .page = page };

	if (locked)
		rmap_assert_bit_held(&page->flags);
	*vm_flags = 0;
	if (!rmap_page_mapcount(&page->rmap))
		return 0;
	r.walk = (struct rmap_walk){
		.visit = referenced_one,
		.arg = &r,
		.flags = RMAP_WALK_STOP_AT_MAPCOUNT | RMAP_WALK_TRYLOCK,
		.purpose = RMAP_WALK_REFERENCE,
	};
	if (locked)
		r.walk.flags |= RMAP_WALK_SETTLE;
	if (rmap_walk(&sys->rmap, &page->rmap, &r.walk))
		return -1;
	*vm_flags = r.vm_flags;
	return r.count;
}

/* ---------------------------------------------------------------- taking a page out */

struct unmap {
	struct mm_system *sys;
	struct mm_cpu *cpu;
	struct page *page;
	struct rmap_walk walk;
	unsigned int flags;
};

/* Lazily freed: it may simply go, unless it was written to again or somebody looks at it through a reference. */
static bool may_drop_lazyfree(const struct page *page)
{
	/* The mappings' common reference and the caller's. */
	return page_refs(page) == 2 && !page_test(page, PG_DIRTY);
}

/* What stands in the table instead of an anonymous page; false: the page must stay. */
static bool replace_anon(struct unmap *u, struct rmap_hit *hit, pte_t *entry)
{
	struct mm_system *sys = u->sys;
	struct page *page = u->page;
	struct mm *mm = mm_of_rmap(hit->mm);

	if (u->flags & UNMAP_POISON) {
		*entry = pte_make(page_to_pfn(sys, page), PTE_KIND_POISON);
		return true;
	}
	if (!page_test(page, PG_SWAPBACKED)) {
		*entry = 0;
		return may_drop_lazyfree(page);
	}
	MM_ASSERT(sys,
		  page_test(page, PG_SWAPCACHE)); /* reclaim put it there, under the page lock */
	*entry = pte_make(page->private, PTE_KIND_SWAP);
	if (rmap_page_is_exclusive(&page->rmap)) {
		/* The holder of a pin expects to share with this mapping for good. */
		if (page_maybe_pinned(page))
			return false;
		*entry |= PTE_SWP_EXCLUSIVE;
	}
	swap_note_mm(sys, mm);
	swap_dup(sys, page->private, page, *entry & PTE_SWP_EXCLUSIVE);
	return true;
}

static enum rmap_visit unmap_one(struct rmap_hit *hit, void *arg)
{
	struct unmap *u = arg;
	struct mm_system *sys = u->sys;
	struct page *page = u->page;
	struct rmap_page *rpage = &page->rmap;
	struct vma *vma = hit_vma(sys, &u->walk, hit);
	struct mm *mm = mm_of_rmap(hit->mm);
	enum rss_kind kind = page_rss_kind(page);
	pte_t old, entry = 0;

	if (!(u->flags & UNMAP_IGNORE_MLOCK) && hit_mlock(hit, vma, page))
		return RMAP_VISIT_STOP;
	/* What ageing has found idle for a while is in no TLB: most of what goes needs no flush. */
	old = pte_exchange(hit->pte, 0);
	if (pte_maybe_cached(old))
		flush_hit(u->cpu, hit, MM_FLUSH_RECLAIM);
	if (old & PTE_DIRTY) {
		if (rmap_page_is_anon(rpage))
			page_set(page, PG_DIRTY);
		else
			file_set_dirty(page, sys);
	}
	if (rmap_page_is_anon(rpage)) {
		if (!replace_anon(u, hit, &entry)) {
			if (!page_test(page, PG_SWAPBACKED))
				page_set(page, PG_SWAPBACKED);
			pte_write(hit->pte, old);
			return RMAP_VISIT_STOP;
		}
	} else if (u->flags & UNMAP_POISON) {
		entry = pte_make(page_to_pfn(sys, page), PTE_KIND_POISON);
	}
	if (entry)
		pte_write(hit->pte, entry);
	if (old & PTE_MLOCKED)
		lru_munlock(sys, page);
	cpu_rss_add(u->cpu, mm, kind, -1);
	if (pte_is_swap(entry))
		cpu_rss_add(u->cpu, mm, RSS_SWAP, 1);
	if (rmap_page_unmap(&sys->rmap, &rpage, 1, &vma->rmap, hit->addr, hit->pte))
		page_put(sys, page); /* not the last: the caller has one */
	return RMAP_VISIT_NEXT;
}

bool page_unmap_all(struct mm_system *sys, struct mm_cpu *cpu, struct page *page,
		    unsigned int flags)
{
	struct unmap u = {
		.sys = sys,
		.cpu = cpu,
		.page = page,
		.walk = {
			.visit = unmap_one,
			.arg = &u,
			.flags = RMAP_WALK_STOP_AT_MAPCOUNT,
			.purpose = flags & UNMAP_POISON ? RMAP_WALK_POISON : RMAP_WALK_UNMAP,
		},
		.flags = flags,
	};

	rmap_assert_bit_held(&page->flags);
	rmap_walk(&sys->rmap, &page->rmap, &u.walk);
	return rmap_page_mapcount(&page->rmap) == 0;
}

/* ---------------------------------------------------------------- write-protecting for write-back */

struct mkclean {
	struct mm_system *sys;
	unsigned int cleaned;
};

/* Private mappings never hold a dirty page of the file. */
static bool mkclean_skip(const struct rmap_vma *vma, void *arg)
{
	(void)arg;
	return !(vma->flags & RMAP_VMA_SHARED);
}

static enum rmap_visit mkclean_one(struct rmap_hit *hit, void *arg)
{
	struct mkclean *m = arg;

	if (!(pte_read(hit->pte) & (PTE_WRITE | PTE_DIRTY)))
		return RMAP_VISIT_NEXT;
	pte_clear_bits(hit->pte, PTE_WRITE);
	flush_hit(this_cpu(m->sys), hit, MM_FLUSH_CLEAN);
	/* Only now can no processor set it any more. */
	pte_clear_bits(hit->pte, PTE_DIRTY);
	m->cleaned++;
	return RMAP_VISIT_NEXT;
}

unsigned int page_mkclean(struct mm_system *sys, struct page *page)
{
	struct mkclean m = { .sys = sys };
	struct rmap_walk walk = {
		.visit = mkclean_one,
		.skip = mkclean_skip,
		.arg = &m,
		.purpose = RMAP_WALK_CLEAN,
	};

	rmap_assert_bit_held(&page->flags);
	/* Then the caller reads what was written through mappings that have just gone, and whether they have made it dirty. */
	if (rmap_page_is_unmapped(&page->rmap))
		return 0;
	rmap_walk(&sys->rmap, &page->rmap, &walk);
	return m.cleaned;
}
