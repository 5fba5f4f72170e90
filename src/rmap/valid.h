/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each structure that an embedder puts into his own must satisfy by itself, whatever stands around it.
 *
 * The checker asks, and in builds with RMAP_DEBUG (debug, sanitizers, lockdep) so do the operations, on entry or on exit. Each function says which
 * lock makes the answer mean something. Structures of one design have theirs beside them; those of the virtual memory
 * manager are in mm/valid.h. Structures that live in one function's frame have none: nobody could find them damaged.
 */
#ifndef RMAP_VALID_H
#define RMAP_VALID_H

#include <rmap/rmap.h>

#include "design.h"

/* What only an anonymous page may be, no page of a file is. PTL of one that maps it, or the page lock. */
static inline bool rmap_page_valid(const struct rmap_page *page)
{
	uint32_t exclusive = atomic_load_explicit(&page->exclusive, memory_order_relaxed);
	uintptr_t mapping = atomic_load_explicit(&page->mapping, memory_order_relaxed);

	return exclusive == 0 || (exclusive == 1 && (!mapping || (mapping & RMAP_MAPPING_ANON)));
}

/* mmap write, or whatever keeps its bounds. */
static inline bool rmap_vma_valid(const struct rmap_vma *vma)
{
	const uint32_t known = RMAP_VMA_SHARED | RMAP_VMA_MAY_WRITE;

	return vma->mm && vma->start < vma->end && !((vma->start | vma->end) & ~RMAP_PAGE_MASK) &&
	       !(vma->flags & ~known) && (vma->file || !(vma->flags & RMAP_VMA_SHARED));
}

/* Its lock. */
static inline bool rmap_file_valid(const struct rmap_file *file)
{
	return (file->nr_vmas == 0) == (file->vmas.node == NULL) && file->writable <= file->nr_vmas;
}

/* The instance's lock. */
static inline bool rmap_mm_valid(const struct rmap_mm *mm)
{
	return list_valid(&mm->list) &&
	       atomic_load_explicit(&mm->forked, memory_order_relaxed) <= 1;
}

/* The swap lock. Who has no owner has no number either. */
static inline bool rmap_slot_valid(const struct rmap_slot *slot)
{
	return slot->owner || !slot->index;
}

/* On its owner's stack. All zero bytes: nothing was set aside yet. */
static inline bool rmap_reserve_valid(const struct rmap_reserve *reserve)
{
	return !reserve->objects.next ? reserve->nr == 0
				      : list_valid(&reserve->objects) &&
						(reserve->nr == 0) == list_empty(&reserve->objects);
}

/* Its lock. */
static inline bool rmap_cpu_valid(const struct rmap_cpu *cpu)
{
	return list_valid(&cpu->mms);
}

/* Its lock. */
static inline bool rmap_valid(const struct rmap *rmap)
{
	return rmap->ops && rmap->port && rmap->nr_cpus &&
	       (atomic_load_explicit(&rmap->spare.nr, memory_order_relaxed) == 0) ==
		       (rmap->spare.objects == NULL);
}

#endif
