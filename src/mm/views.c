// SPDX-License-Identifier: BSD-2-Clause
/*
 * Looking at an address space from outside, as /proc/PID/maps, pagemap, smaps and status do. Nothing is faulted in or changed.
 */
#include "layout.h"

#include "file.h"
#include "swap.h"
#include "table.h"

static void fill_info(const struct mm *mm, struct vma *vma, struct mm_vma_info *info)
{
	const struct rmap_vma *v = &vma->rmap;

	*info = (struct mm_vma_info){
		.start = v->start,
		.end = v->end,
		.offset = v->file ? v->pgoff << RMAP_PAGE_SHIFT : 0,
		.pgoff = v->pgoff,
		.prot = (uint32_t)(vma->flags & VM_ACCESS),
		.flags = vma->flags,
		.shared = vma->flags & VM_MAYSHARE,
		.locked = vma->flags & VM_LOCKED,
		.growsdown = vma->flags & VM_GROWSDOWN,
		.faulted = vma_faulted(vma),
		.heap = v->start < mm->brk && v->end > mm->start_brk,
		.stack = v->start <= mm->start_stack && v->end >= mm->start_stack,
		.file = vma_file(vma),
		.rmap = &vma->rmap,
	};
}

void mm_for_each_vma(struct mm *mm, void (*visit)(const struct mm_vma_info *vma, void *arg),
		     void *arg)
{
	struct vma *vma;

	mm_read_lock(mm);
	vma_for_each(vma, mm) {
		struct mm_vma_info info;

		fill_info(mm, vma, &info);
		visit(&info, arg);
	}
	mm_read_unlock(mm);
}

/* ---------------------------------------------------------------- one page */

static void fill_page(struct mm_system *sys, pte_t v, struct mm_page_info *info)
{
	struct page *page = pfn_to_page(sys, pte_pfn(v));

	info->state = MM_PAGE_PRESENT;
	info->pfn = pte_pfn(v);
	info->page = page;
	info->anon = rmap_page_is_anon(&page->rmap);
	info->file = !info->anon;
	info->exclusive = rmap_page_is_exclusive(&page->rmap);
	info->writable = v & PTE_WRITE;
	info->dirty = (v & PTE_DIRTY) || page_test(page, PG_DIRTY);
	info->accessed = (v & PTE_ACCESSED) || page_test(page, PG_REFERENCED);
	info->swapcache = swap_slot_of(sys, page, &info->slot, &info->swap_count);
	info->locked = page_test(page, PG_MLOCKED);
	info->mapcount = rmap_page_mapcount(&page->rmap);
	info->index = page->rmap.index;
}

static void fill_entry(struct mm_system *sys, pte_t v, struct mm_page_info *info)
{
	if (pte_present(v) && (v & PTE_SPECIAL)) {
		info->state = MM_PAGE_ZERO;
		info->pfn = pte_pfn(v);
	} else if (pte_present(v)) {
		fill_page(sys, v, info);
	} else if (pte_is_swap(v)) {
		info->state = MM_PAGE_SWAPPED;
		info->slot = pte_pfn(v);
		info->exclusive = v & PTE_SWP_EXCLUSIVE;
		info->anon = true;
		info->swap_count = swap_count(sys, info->slot);
		info->swapcache = swap_is_cached(sys, info->slot);
	} else if (pte_is_migration(v)) {
		info->state = MM_PAGE_MIGRATING;
		info->pfn = pte_pfn(v);
	} else if (v) {
		info->state = MM_PAGE_POISONED;
		info->pfn = pte_pfn(v);
	}
}

void mm_page_info(struct mm *mm, uint64_t addr, struct mm_page_info *info)
{
	pte_t *pte;

	*info = (struct mm_page_info){ .state = MM_PAGE_NONE };
	if (addr >= MM_TASK_SIZE)
		return;
	mm_read_lock(mm);
	pte = table_find(mm, addr);
	if (pte) {
		struct rmap_spinlock *ptl = table_ptl(mm->sys, pte);

		/* The PTL keeps the page, and who maps it, while it is read. */
		rmap_spin_lock(ptl);
		fill_entry(mm->sys, pte_read(pte), info);
		rmap_spin_unlock(ptl);
	}
	mm_read_unlock(mm);
}

/* ---------------------------------------------------------------- smaps */

/* Shares of pages are summed with so many bits behind the point. */
#define PSS_SHIFT 12

struct smaps {
	struct mm_smaps out;
	uint64_t pss, swap_pss; /* bytes << PSS_SHIFT */
};

static void add_page(struct smaps *s, const struct page *page, bool young, bool dirty)
{
	uint32_t mapcount = rmap_page_mapcount(&page->rmap);
	bool anon = rmap_page_is_anon(&page->rmap);

	dirty |= page_test(page, PG_DIRTY);
	s->out.rss += RMAP_PAGE_SIZE;
	if (anon)
		s->out.anonymous += RMAP_PAGE_SIZE;
	if (anon && !page_test(page, PG_SWAPBACKED) && !dirty)
		s->out.lazyfree += RMAP_PAGE_SIZE;
	if (young || page_test(page, PG_REFERENCED))
		s->out.referenced += RMAP_PAGE_SIZE;
	if (mapcount > 1) {
		s->pss += (RMAP_PAGE_SIZE << PSS_SHIFT) / mapcount;
		*(dirty ? &s->out.shared_dirty : &s->out.shared_clean) += RMAP_PAGE_SIZE;
	} else {
		s->pss += RMAP_PAGE_SIZE << PSS_SHIFT;
		*(dirty ? &s->out.private_dirty : &s->out.private_clean) += RMAP_PAGE_SIZE;
	}
}

static void add_entry(struct smaps *s, struct mm_system *sys, pte_t v)
{
	_Static_assert(PTE_MIG_ACCESSED == PTE_ACCESSED && PTE_MIG_DIRTY == PTE_DIRTY,
		       "a page on its way to another frame is counted as it was");

	if ((v & (PTE_PRESENT | PTE_SPECIAL)) == PTE_PRESENT || pte_is_migration(v)) {
		add_page(s, pfn_to_page(sys, pte_pfn(v)), v & PTE_ACCESSED, v & PTE_DIRTY);
	} else if (pte_is_swap(v)) {
		uint32_t count = swap_count(sys, pte_pfn(v));

		s->out.swap += RMAP_PAGE_SIZE;
		s->swap_pss += (RMAP_PAGE_SIZE << PSS_SHIFT) / (count ? count : 1);
	}
}

/* Has the process something of its own at the place of this index? */
static bool has_entry(const struct vma *vma, uint64_t index)
{
	uint64_t addr = vma->rmap.start + ((index - vma->rmap.pgoff) << RMAP_PAGE_SHIFT);
	const pte_t *pte = table_find(vma_mm(vma), addr);

	return pte && pte_read(pte);
}

/*
 * Pages of shared memory that went to swap have left no entry here; the file knows them. Where a private mapping has a page of its
 * own, that of the file is not what it would see.
 */
static void add_shmem_swap(struct smaps *s, const struct vma *vma)
{
	bool copies = (vma->flags & (VM_SHARED | VM_WRITE)) == VM_WRITE;
	struct mm_file *file = vma_file(vma);
	uint64_t index = vma->rmap.pgoff, end = index + vma_pages(vma);
	void *entry;

	if (!file || !mm_file_is_shmem(file))
		return;
	rmap_spin_lock(&file->lock);
	while ((entry = file_tree_next(&file->pages, &index)) && index < end) {
		if (file_entry_is_slot(entry) && !(copies && has_entry(vma, index)))
			s->out.swap += RMAP_PAGE_SIZE;
		index++;
	}
	rmap_spin_unlock(&file->lock);
}

static void add_vma(struct smaps *s, struct vma *vma)
{
	struct mm *mm = vma_mm(vma);
	uint64_t addr = vma->rmap.start, end = vma->rmap.end;

	s->out.size = end - addr;
	while ((addr = table_next(mm, addr, end)) < end) {
		uint64_t stop = table_end(addr, end);
		pte_t *pte = table_find(mm, addr);
		struct rmap_spinlock *ptl = table_ptl(mm->sys, pte);

		rmap_spin_lock(ptl);
		for (; addr < stop; addr += RMAP_PAGE_SIZE, pte++)
			add_entry(s, mm->sys, pte_read(pte));
		rmap_spin_unlock(ptl);
	}
	add_shmem_swap(s, vma);
	s->out.pss = s->pss >> PSS_SHIFT;
	s->out.swap_pss = s->swap_pss >> PSS_SHIFT;
	if (vma->flags & VM_LOCKED)
		s->out.locked = s->out.pss;
}

int mm_smaps(struct mm *mm, uint64_t addr, struct mm_smaps *out)
{
	struct smaps s = { 0 };
	struct vma *vma;

	mm_read_lock(mm);
	vma = vma_at(mm, addr);
	if (vma)
		add_vma(&s, vma);
	mm_read_unlock(mm);
	*out = s.out;
	return vma ? 0 : RMAP_ENOENT;
}

/* ---------------------------------------------------------------- figures */

static uint64_t rss_of(const struct mm *mm, enum rss_kind kind)
{
	int64_t pages = mm_rss(mm, kind);

	return pages > 0 ? (uint64_t)pages : 0;
}

void mm_get_stats(struct mm *mm, struct mm_stats *out)
{
	mm_read_lock(mm);
	*out = (struct mm_stats){
		.map_count = mm->map_count,
		.total_vm = mm->total_vm,
		.locked_vm = mm->locked_vm,
		.data_vm = mm->data_vm,
		.exec_vm = mm->exec_vm,
		.stack_vm = mm->stack_vm,
		.rss_anon = rss_of(mm, RSS_ANON),
		.rss_file = rss_of(mm, RSS_FILE),
		.rss_shmem = rss_of(mm, RSS_SHMEM),
		.swap_entries = rss_of(mm, RSS_SWAP),
		.table_pages = atomic_load_explicit(&mm->nr_tables, memory_order_relaxed),
		.brk_start = mm->start_brk,
		.brk = mm->brk,
	};
	mm_read_unlock(mm);
}
