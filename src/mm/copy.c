// SPDX-License-Identifier: BSD-2-Clause
/*
 * fork's copy of the page tables: both sides end up with the same entries, none of them writable where the VMA is private.
 *
 * Only VMAs that have, or may have, anonymous pages are copied; a child faults pages of files in again by itself. Per page the
 * cost is one atomic (the map count) and, at the first fork, one entry written back read-only.
 *
 * What the reverse map may need for a mapping is set aside before the table's locks are taken, for a run of pages and not for a
 * table: most mappings do not need it, and what one table or VMA left over serves the next. When it is used up, and for a page
 * that cannot be shared (pinned) and wants a frame to be copied to, the locks are dropped, and then the table is gone on with.
 */
#include "mm_types.h"

#include "swap.h"
#include "table.h"
#include "vma.h"

/* With so few mappings still covered more is set aside rather than runs made ever shorter. */
#define RESERVE_LOW 8u

struct copy {
	struct mm_system *sys;
	struct vma *dst, *src;
	struct mm *dst_mm, *src_mm;
	struct rmap_reserve *reserve;
	uint32_t covered;   /* mappings that reserve suffices for, pages of the run included */
	struct page *spare; /* for a pinned page; NULL: none at hand */
	int64_t rss[RSS_KINDS];
	uint64_t copied;
	bool wants_spare;
	bool noted; /* swapoff knows the child */
	/* pages that wait for one rmap_page_map(), at consecutive entries */
	struct rmap_page *run[RMAP_RUN_MAX];
	unsigned int nr;
	uint64_t run_addr;
	pte_t *run_pte;
};

/* A design that sets nothing aside needs nothing. */
static void note_covered(struct copy *c)
{
	if (c->covered != UINT32_MAX)
		c->covered = c->reserve->nr;
}

static int cover(struct copy *c, uint64_t pages)
{
	unsigned int wanted = pages < RMAP_RUN_MAX ? (unsigned int)pages : RMAP_RUN_MAX;
	int error = rmap_reserve(&c->sys->rmap, c->reserve, wanted);

	c->covered = c->reserve->nr ? c->reserve->nr : UINT32_MAX;
	return error;
}

static void run_flush(struct copy *c)
{
	if (!c->nr)
		return;
	/* The parent's mapping holds the mappings' common reference: none of these counts can rise from zero. */
	rmap_page_map(&c->sys->rmap, c->run, c->nr, &c->dst->rmap, c->run_addr, c->run_pte, 0,
		      c->reserve);
	c->nr = 0;
	note_covered(c);
}

/* May one more be mapped than the run has? False: more must be set aside first. */
static bool run_has_room(struct copy *c)
{
	if (c->nr < c->covered)
		return true;
	run_flush(c);
	return c->covered >= RESERVE_LOW;
}

static void run_add(struct copy *c, struct page *page, uint64_t addr, pte_t *pte)
{
	if (c->nr == RMAP_RUN_MAX ||
	    (c->nr && addr != c->run_addr + ((uint64_t)c->nr << RMAP_PAGE_SHIFT)))
		run_flush(c);
	if (!c->nr) {
		c->run_addr = addr;
		c->run_pte = pte;
	}
	c->run[c->nr++] = &page->rmap;
}

/* A pinned page stays the parent's alone: the child gets a copy at once. */
static void copy_pinned(struct copy *c, struct page *page, pte_t v, uint64_t addr, pte_t *dst_pte)
{
	struct page *copy = c->spare;
	struct rmap_page *rpage = &copy->rmap;

	c->spare = NULL;
	page_copy(c->sys, copy, page);
	page_set(copy, PG_UPTODATE | PG_SWAPBACKED);
	rmap_page_map(&c->sys->rmap, &rpage, 1, &c->dst->rmap, addr, dst_pte,
		      RMAP_MAP_NEW | RMAP_MAP_EXCLUSIVE, c->reserve);
	sum_add(c->sys, SUM_ANON, 1);
	c->rss[RSS_ANON]++;
	pte_write(dst_pte, pte_make(page_to_pfn(c->sys, copy), 0) | vma_pte_bits(c->dst, true) |
				   (v & PTE_ACCESSED) | PTE_DIRTY);
	lru_add(c->sys, copy);
	COUNT(c->sys, fork_pages_copied, 1);
}

/* False: a spare page is needed first. */
static bool copy_present(struct copy *c, pte_t *dst_pte, pte_t *src_pte, pte_t v, uint64_t addr)
{
	struct page *page = pfn_to_page(c->sys, pte_pfn(v));

	if (!(v & PTE_SPECIAL)) {
		bool anon = rmap_page_is_anon(&page->rmap);

		if (anon && rmap_page_is_exclusive(&page->rmap)) {
			if (atomic_load_explicit(&c->src_mm->has_pinned, memory_order_relaxed) &&
			    page_maybe_pinned(page)) {
				if (!c->spare) {
					c->wants_spare = true;
					return false;
				}
				run_flush(c);
				copy_pinned(c, page, v, addr, dst_pte);
				return true;
			}
			rmap_page_share(&page->rmap);
		}
		run_add(c, page, addr, dst_pte);
		c->rss[anon ? RSS_ANON : page_rss_kind(page)]++;
	}
	/* What it says when the right goes: a processor may have made it dirty since v was read, and the child's must say so, too. */
	if (v & PTE_WRITE)
		v = pte_clear_bits(src_pte, PTE_WRITE);
	pte_write(dst_pte, v & ~(PTE_ACCESSED | PTE_WRITE | PTE_MLOCKED));
	return true;
}

static void copy_entry(struct copy *c, pte_t *dst_pte, pte_t *src_pte, pte_t v, uint64_t addr)
{
	if (pte_is_swap(v)) {
		/* Before the entry is there. Only now is it known: the parent's page may have gone out just before its PTL was ours. */
		if (!c->noted)
			swap_note_mm(c->sys, c->dst_mm);
		c->noted = true;
		swap_dup(c->sys, pte_pfn(v), NULL, false);
		if (v & PTE_SWP_EXCLUSIVE) {
			v &= ~PTE_SWP_EXCLUSIVE;
			pte_write(src_pte, v);
		}
		c->rss[RSS_SWAP]++;
	} else if (pte_is_migration(v)) {
		struct page *page = pfn_to_page(c->sys, pte_pfn(v));

		if (v & (PTE_MIG_EXCLUSIVE | PTE_MIG_WRITE)) {
			v &= ~(PTE_MIG_EXCLUSIVE | PTE_MIG_WRITE);
			pte_write(src_pte, v);
		}
		c->rss[page_rss_kind(page)]++;
		rmap_entry_copied(&c->sys->rmap, &page->rmap, &c->dst->rmap, addr, dst_pte,
				  c->reserve);
		note_covered(c);
	}
	pte_write(dst_pte, v);
}

/* Copy entries of one table until end or until something must be got first; returns where to go on. */
static uint64_t copy_table(struct copy *c, pte_t *dst_pte, pte_t *src_pte, uint64_t addr,
			   uint64_t end)
{
	struct rmap_spinlock *dst_ptl = table_ptl(c->sys, dst_pte);
	struct rmap_spinlock *src_ptl = table_ptl(c->sys, src_pte);

	/* Nobody who holds a PTL of the parent waits for one of the child: the nesting is safe in any order of address. */
	rmap_spin_lock(dst_ptl);
	rmap_spin_lock_nested(src_ptl);
	for (; addr < end; addr += RMAP_PAGE_SIZE, dst_pte++, src_pte++) {
		pte_t v = pte_read(src_pte);

		if (!v)
			continue;
		if (!run_has_room(c))
			break;
		if (!pte_present(v))
			copy_entry(c, dst_pte, src_pte, v, addr);
		else if (!copy_present(c, dst_pte, src_pte, v, addr))
			break;
		c->copied++;
	}
	run_flush(c);
	rmap_spin_unlock(src_ptl);
	rmap_spin_unlock(dst_ptl);
	return addr;
}

static int copy_step(struct copy *c, uint64_t *addr, uint64_t end)
{
	pte_t *src_pte = table_find(c->src_mm, *addr);
	pte_t *dst_pte = table_make(c->dst_mm, *addr);
	int error;

	if (!dst_pte)
		return RMAP_ENOMEM;
	error = cover(c, (end - *addr) >> RMAP_PAGE_SHIFT);
	if (error)
		return error;
	c->wants_spare = false;
	*addr = copy_table(c, dst_pte, src_pte, *addr, end);
	if (!c->wants_spare)
		return 0;
	c->spare = page_alloc(c->sys, 0);
	return c->spare ? 0 : RMAP_ENOMEM;
}

/* All but the run's pages, which half a kilobyte would be zeroed for. */
static void copy_begin(struct copy *c, struct vma *dst, struct vma *src,
		       struct rmap_reserve *reserve)
{
	c->sys = vma_mm(src)->sys;
	c->dst = dst;
	c->src = src;
	c->dst_mm = vma_mm(dst);
	c->src_mm = vma_mm(src);
	c->spare = NULL;
	c->reserve = reserve;
	c->covered = 0;
	c->wants_spare = false;
	for (int i = 0; i < RSS_KINDS; i++)
		c->rss[i] = 0;
	c->copied = 0;
	c->noted = false;
	c->nr = 0;
}

int copy_range(struct vma *dst, struct vma *src, struct copied *total)
{
	struct copy c;
	uint64_t addr = src->rmap.start;
	int error = 0;

	rmap_assert_write_held(&vma_mm(dst)->mmap_lock);
	rmap_assert_write_held(&vma_mm(src)->mmap_lock);
	if (!vma_faulted(src))
		return 0;
	copy_begin(&c, dst, src, &total->reserve);
	while (!error && (addr = table_next(c.src_mm, addr, src->rmap.end)) < src->rmap.end) {
		uint64_t end = table_end(addr, src->rmap.end);

		while (!error && addr < end)
			error = copy_step(&c, &addr, end);
	}
	if (c.spare)
		page_put(c.sys, c.spare);
	total->ptes += c.copied;
	for (int i = 0; i < RSS_KINDS; i++)
		total->rss[i] += c.rss[i];
	return error;
}
