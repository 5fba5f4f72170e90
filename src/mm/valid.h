/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each structure of the virtual memory manager must satisfy by itself, whatever stands around it: rmap/valid.h has the
 * rules. They cost a few compares and read only what the lock named beside them guards. Structures of check.c and of one function's
 * frame have none, but for those that go from hand to hand (gather, fault, image). An address space's, mm_valid(), stands in mm_types.h,
 * because who takes and gives back mmap_lock asks it.
 */
#ifndef MM_VALID_H
#define MM_VALID_H

#include "file.h"
#include "image.h"
#include "table.h"
#include "vma.h"

#include "../rmap/valid.h"

/* Frames that hold tables, or are the zero page, are nothing else. Page lock, or a reference that nobody else has. */
static inline bool page_valid(const struct page *page)
{
	const uint32_t data = PG_LRU | PG_SWAPCACHE | PG_DIRTY | PG_WRITEBACK | PG_MLOCKED;
	uint32_t flags = atomic_load_explicit(&page->flags, memory_order_relaxed);

	if (flags & (PG_TABLE | PG_RESERVED))
		return !(flags & data);
	/* Whoever waits for the page lock says so only while it is held. */
	return rmap_page_valid(&page->rmap) && (!(flags & PG_WAITERS) || (flags & PG_LOCKED));
}

/* mmap write, or read with its tree at rest. */
static inline bool vma_valid(const struct vma *vma)
{
	return rmap_vma_valid(&vma->rmap) && vma->rmap.end <= MM_TASK_SIZE &&
	       vma->rmap.flags == vma_rmap_flags(vma->flags) &&
	       (!(vma->flags & VM_SHARED) || vma->rmap.file) && (!vma->forked || vma_faulted(vma));
}

/* The file's lock. */
static inline bool file_tree_valid(const struct file_tree *tree)
{
	return (tree->root == NULL) == (tree->count == 0) &&
	       (tree->root == NULL) == (tree->height == 0) &&
	       tree->height <= (64 + FILE_TREE_SHIFT - 1) / FILE_TREE_SHIFT;
}

/* The file's lock; in a tree. */
static inline bool file_tree_node_valid(const struct file_tree_node *node)
{
	return node->count > 0 && node->count <= FILE_TREE_WAYS;
}

/* Its lock. */
static inline bool mm_file_valid(const struct mm_file *file)
{
	return file->sys && file->id && file_tree_valid(&file->pages) &&
	       (file->handle || !atomic_load_explicit(&file->nr_unsaved, memory_order_relaxed));
}

/* The swap lock. */
static inline bool swap_slot_valid(const struct swap_slot *slot)
{
	if (slot->flags & SWAP_SLOT_USED)
		return !(slot->flags & SWAP_SLOT_ANON) || rmap_slot_valid(&slot->rmap);
	return !slot->cache && !slot->count && !(slot->flags & SWAP_SLOT_ANON);
}

/* The swap lock. */
static inline bool swap_map_valid(const struct swap_map *map)
{
	return map->next <= map->nr_slots && map->used <= map->next && map->cached <= map->used &&
	       map->bad <= map->next && (map->free == SWAP_NONE || map->free < map->next) &&
	       (map->slots || !map->nr_slots);
}

/* No lock: only what never changes, and figures that cannot pass each other. */
static inline bool mm_system_valid(const struct mm_system *sys)
{
	return sys->port && sys->frames && sys->pages && sys->zero_page == sys->pages &&
	       atomic_load_explicit(&sys->nr_free, memory_order_relaxed) < sys->nr_frames &&
	       sys->watermark[WATERMARK_MIN] <= sys->watermark[WATERMARK_LOW] &&
	       sys->watermark[WATERMARK_LOW] <= sys->watermark[WATERMARK_HIGH];
}

/* Its lock. */
static inline bool mm_cpu_valid(const struct mm_system *sys, const struct mm_cpu *cpu)
{
	return cpu->number == (uint32_t)(cpu - sys->cpus) && cpu->fresh <= cpu->fresh_end &&
	       cpu->fresh_end <= sys->nr_frames &&
	       atomic_load_explicit(&cpu->credit, memory_order_relaxed) <= 2 * sys->frame_batch &&
	       list_empty(&cpu->lru) == !atomic_load_explicit(&cpu->nr_lru, memory_order_relaxed);
}

/* Its owner's. */
static inline bool gather_valid(const struct gather *g)
{
	return g->mm && (unsigned int)g->why < MM_FLUSH_REASONS && g->nr <= GATHER_PAGES &&
	       (g->start < g->end || (g->start == UINT64_MAX && g->end == 0));
}

/* Its owner's, before it is handled. */
static inline bool fault_valid(const struct fault *f)
{
	return f->mm && f->vma && vma_mm(f->vma) == f->mm && !(f->addr & ~RMAP_PAGE_MASK) &&
	       f->addr >= f->vma->rmap.start && f->addr < f->vma->rmap.end &&
	       !(f->write && f->unshare);
}

/* Its owner's. */
static inline bool image_valid(const struct image *image)
{
	return image->stream && image->buf && image->len <= IMAGE_CHUNK_MAX &&
	       image->pos <= image->len && image->error <= 0;
}

#endif
