// SPDX-License-Identifier: BSD-2-Clause
/*
 * Files: the tree of cached pages, and the tree of VMAs that map the file.
 *
 * Which VMAs map a file was found from the address spaces (check_layout.c); the file's own tree must hold the same set, found
 * by going through it node by node, and by rmap_walk_file() over the whole file, which truncation trusts.
 */
#include "check.h"

/* ---------------------------------------------------------------- the VMAs that map it */

/* rmap_walk_file() knows no walks that are not to be counted: the three figures that it moves are put back. */
static void walk_uncounted(struct rmap *rmap, struct rmap_file *file,
			   void (*visit)(struct rmap_vma *vma, uint64_t first, uint64_t last,
					 void *arg),
			   void *arg)
{
	struct rmap_counters *all = rmap_counting(rmap);
	struct rmap_walk_counters *count = &all->walk[RMAP_WALK_TRUNCATE];
	uint64_t walks = atomic_load_explicit(&count->walks, memory_order_relaxed);
	uint64_t steps = atomic_load_explicit(&count->steps, memory_order_relaxed);
	uint64_t locks = atomic_load_explicit(&all->locks_file, memory_order_relaxed);

	/* It only refuses ranges that are none. */
	(void)rmap_walk_file(rmap, file, 0, UINT64_MAX, visit, arg);
	atomic_store_explicit(&count->walks, walks, memory_order_relaxed);
	atomic_store_explicit(&count->steps, steps, memory_order_relaxed);
	atomic_store_explicit(&all->locks_file, locks, memory_order_relaxed);
}

struct meeting {
	uint64_t vmas, sum;
	uint64_t last_first; /* offsets only rise */
	const struct rmap_vma *wrong;
};

static void meet_vma(struct rmap_vma *vma, uint64_t first, uint64_t last, void *arg)
{
	struct meeting *m = arg;
	uint64_t pages = (vma->end - vma->start) >> RMAP_PAGE_SHIFT;

	m->vmas++;
	m->sum += check_mix((uintptr_t)vma);
	if (!m->wrong &&
	    (first != vma->pgoff || last != vma->pgoff + pages - 1 || first < m->last_first))
		m->wrong = vma;
	m->last_first = first;
}

static int check_mappings(struct check *c, const struct check_file *f)
{
	struct mm_file *file = f->file;
	struct meeting walk = { 0 }, tree = { 0 };
	const struct rb_node *node;

	if (!rb_valid(&file->rmap.vmas))
		return check_wrong(c, "file %lu: its tree of VMAs is no red-black tree", file->id);
	for (node = rb_first(&file->rmap.vmas); node; node = rb_next(node)) {
		tree.vmas++;
		tree.sum +=
			check_mix((uintptr_t)rmap_container_of(node, struct rmap_vma, file_node));
	}
	if (tree.vmas != f->vmas || tree.sum != f->sum)
		return check_wrong(c, "file %lu: %lu VMAs map it, its tree has %lu%s", file->id,
				   f->vmas, tree.vmas, tree.vmas == f->vmas ? ", but others" : "");
	if (file->rmap.nr_vmas != f->vmas || file->rmap.writable != f->writable)
		return check_wrong(c,
				   "file %lu: it counts %lu VMAs, %lu of them writable, and has "
				   "%lu, %lu of them writable",
				   file->id, file->rmap.nr_vmas, (uint64_t)file->rmap.writable,
				   f->vmas, f->writable);
	walk_uncounted(&c->sys->rmap, &file->rmap, meet_vma, &walk);
	if (walk.sum != f->sum)
		return check_wrong(c,
				   "file %lu: the walk over its %lu VMAs meets others, %lu in all",
				   file->id, f->vmas, walk.vmas);
	if (walk.wrong)
		return check_wrong(
			c, "file %lu: the walk over it meets VMA 0x%lx-0x%lx out of order or cut",
			file->id, walk.wrong->start, walk.wrong->end);
	return 0;
}

/* ---------------------------------------------------------------- the pages that are cached */

static int check_cached_page(struct check *c, const struct mm_file *file, uint64_t index,
			     const struct page *page, uint64_t *dirty)
{
	uint64_t pfn = page_to_pfn(c->sys, page);

	if (pfn >= c->nr_pages)
		return check_wrong(c, "file %lu: its tree has at 0x%lx what is no page", file->id,
				   index);
	if (rmap_page_file(&page->rmap) != &file->rmap || page->rmap.index != index)
		return check_wrong(c,
				   "file %lu: page %lu at 0x%lx of its tree says it belongs "
				   "elsewhere, to 0x%lx",
				   file->id, pfn, index, page->rmap.index);
	if (page_refs(page) == 0)
		return check_wrong(c, "file %lu: page %lu at 0x%lx of its tree is free", file->id,
				   pfn, index);
	if (!page_test(page, PG_UPTODATE))
		return check_wrong(c, "file %lu: page %lu at 0x%lx was never filled", file->id, pfn,
				   index);
	c->pages[pfn].facts |= FACT_TREE;
	/* Shared memory has no store to be behind of: it is not counted. */
	if (page_test(page, PG_DIRTY) && !mm_file_is_shmem(file))
		++*dirty;
	return 0;
}

static int check_entry(struct check *c, const struct mm_file *file, uint64_t index,
		       const void *entry, uint64_t *dirty)
{
	uint64_t slot = file_entry_slot(entry), size = mm_file_size(file);

	if (index >= (size >> RMAP_PAGE_SHIFT) + ((size & ~RMAP_PAGE_MASK) != 0))
		return check_wrong(c, "file %lu: something is cached at 0x%lx, behind its end",
				   file->id, index);
	if (!file_entry_is_slot(entry))
		return check_cached_page(c, file, index, entry, dirty);
	if (!mm_file_is_shmem(file))
		return check_wrong(c, "file %lu: a swap slot at 0x%lx, though it has a store",
				   file->id, index);
	if (slot >= c->sys->swap.next)
		return check_wrong(c, "file %lu: at 0x%lx stands slot %lu, which was never used",
				   file->id, index, slot);
	check_name_slot(c, slot);
	return 0;
}

static int check_cache(struct check *c, const struct mm_file *file)
{
	uint64_t index = 0, entries = 0, dirty = 0;
	const void *entry;
	int error;

	while ((entry = file_tree_next(&file->pages, &index)) != NULL) {
		entries++;
		error = check_entry(c, file, index, entry, &dirty);
		if (error)
			return error;
		index++;
	}
	if (entries != file->pages.count)
		return check_wrong(c, "file %lu: it counts %lu entries of its tree and has %lu",
				   file->id, file->pages.count, entries);
	if (atomic_load_explicit(&file->nr_unsaved, memory_order_relaxed) != dirty)
		return check_wrong(
			c, "file %lu: it counts %lu dirty pages and has %lu", file->id,
			(uint64_t)atomic_load_explicit(&file->nr_unsaved, memory_order_relaxed),
			dirty);
	c->dirty += dirty;
	return 0;
}

int check_files(struct check *c)
{
	int error = 0;

	for (uint64_t i = 0; i < c->nr_files && !error; i++) {
		error = check_mappings(c, &c->files[i]);
		if (!error)
			error = check_cache(c, c->files[i].file);
	}
	return error;
}
