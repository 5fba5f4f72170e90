/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The layout of an address space: finding, making, splitting, merging and removing VMAs.
 *
 * All of it wants mmap_lock for writing, finding only for reading (or mm->vma_lock: walkers). VMAs that change are marked first
 * (vma_lock.h), by whoever changes them. Functions that can fail do so before anything is visible.
 */
#ifndef MM_VMA_H
#define MM_VMA_H

#include "mm_types.h"

/* ---- vma_tree.c ---- */

/* The VMA that covers addr, or the first behind it; NULL: none. */
struct vma *vma_find(const struct mm *mm, uint64_t addr);
/* The VMA that covers addr, or NULL. */
struct vma *vma_at(const struct mm *mm, uint64_t addr);
/* The first VMA that overlaps [start, end), or NULL. */
struct vma *vma_first_in(const struct mm *mm, uint64_t start, uint64_t end);
struct vma *vma_next(const struct vma *vma);
struct vma *vma_prev(const struct vma *vma);
struct vma *vma_first(const struct mm *mm);

#define vma_for_each(vma, mm) for ((vma) = vma_first(mm); (vma); (vma) = vma_next(vma))
#define vma_for_each_range(vma, mm, first, last_end)                                               \
	for ((vma) = vma_first_in(mm, first, last_end); (vma) && (vma)->rmap.start < (last_end);   \
	     (vma) = vma_next(vma))

/* Enter and leave the tree; map_count is adjusted. The VMA must overlap none. */
void vma_tree_insert(struct mm *mm, struct vma *vma);
void vma_tree_erase(struct mm *mm, struct vma *vma);
/* The same as insert, for one that comes behind last, the last VMA there is (NULL: there is none). */
void vma_tree_append(struct mm *mm, struct vma *vma, struct vma *last);
/* All VMAs leave the tree, each is given to take, in no order that matters. Nobody looks for one: mm has no user and no entry. */
void vma_tree_dismantle(struct mm *mm, void (*take)(struct mm *mm, struct vma *vma));
/* The same with vma_lock held, where several VMAs change at once. */
void vma_tree_insert_locked(struct mm *mm, struct vma *vma);
void vma_tree_erase_locked(struct mm *mm, struct vma *vma);
/*
 * start, end or VM_GROWSDOWN of a VMA in the tree changed, its place in the order did not: bring gaps up to date (its own and
 * the next one's). vma_lock held since before that.
 */
void vma_tree_changed(struct mm *mm, struct vma *vma);
/*
 * A free range of len bytes, page aligned, as Linux picks it: highest below mmap_base first, above it from the bottom if there
 * is none. Guard gaps of growing stacks are kept free. Returns 0 with *addr, or RMAP_ENOMEM.
 */
int vma_find_gap(const struct mm *mm, uint64_t len, uint64_t *addr);
/* NULL, or a sentence about what is wrong with a tree of the right shape (order, gaps, count). */
const char *vma_tree_check(const struct mm *mm);

/* ---- vma.c ---- */

/* A VMA in no tree, with rmap_vma_init() done and a reference to its file taken. NULL: no memory. */
struct vma *vma_alloc(struct mm *mm, uint64_t start, uint64_t end, uint64_t pgoff, uint64_t flags,
		      struct mm_file *file);
/* A copy in no tree: same bounds, flags, file (with a reference); group 0. For mm, which may be another one (fork). */
struct vma *vma_dup(struct mm *mm, const struct vma *src);
/* Return it after a grace period, with its file reference. It is in no tree any more (tier 1's included). */
void vma_free(struct vma *vma);
/* Tier 1's flags for these VM_* (RMAP_VMA_SHARED…). */
uint32_t vma_rmap_flags(uint64_t flags);
struct mm_file *vma_file(const struct vma *vma);
/* The protection bits of a PTE for a page of memory with these flags; write: allow writing if they do. */
pte_t vm_pte_bits(uint64_t flags, bool write);
static inline pte_t vma_pte_bits(const struct vma *vma, bool write)
{
	return vm_pte_bits(vma_flags(vma), write);
}
/* Count pages (may be negative) of a VMA with these flags in total_vm, data_vm, exec_vm, stack_vm. */
void mm_account(struct mm *mm, uint64_t flags, int64_t pages);
/* May the address space grow by these pages of memory with these flags (RLIMIT_AS, RLIMIT_DATA)? */
bool mm_may_expand(const struct mm *mm, uint64_t flags, uint64_t pages);

/*
 * Give vma an origin for its anonymous pages before the first is mapped: its group by layout's rule, and
 * rmap_vma_prepare(). mmap_lock for reading is enough, the VMA's lock is not: neighbours are looked at. 0 or RMAP_ENOMEM.
 */
int vma_prepare_anon(struct vma *vma);

/* ---- merge.c ---- */

/*
 * Split vma at addr, strictly inside it. new_below: the new VMA is the lower part, else the upper. Refused with RMAP_ENOMEM at
 * max_map_count, where ignore_limit is false.
 */
int vma_split(struct vma *vma, uint64_t addr, bool new_below, bool ignore_limit);

/*
 * Change the flags of [start, end), inside vma: merge with neighbours where they become alike, else split off the range. *out:
 * the VMA that covers the range now (its flags are set here, also tier 1's). RMAP_ENOMEM: layout unchanged but perhaps for a
 * split, as on Linux. (Linux: vma_modify)
 */
int vma_modify(struct vma *vma, uint64_t start, uint64_t end, uint64_t flags, struct vma **out);

/*
 * A new mapping [start, end) is about to be made where no VMA is: can neighbours take it? The VMA that does, or NULL: none can
 * (or no memory to try). copied_from: the VMA whose pages will move there (mremap), or NULL; it may itself be the neighbour,
 * and so be gone afterwards. just_expand: only prev may, and only without joining next (brk).
 */
struct vma *vma_merge_new(struct mm *mm, uint64_t start, uint64_t end, uint64_t pgoff,
			  uint64_t flags, struct mm_file *file, struct vma *copied_from,
			  bool just_expand);

/* vma grows at its end by delta bytes where nothing is mapped, joining the next one if it can be. NULL: no memory. */
struct vma *vma_merge_extend(struct vma *vma, uint64_t delta);

/* The faulted, never forked neighbours that vma could share an origin with by layout's rule, or NULL each (find_mergeable_anon_vma). */
void vma_origin_neighbours(const struct vma *vma, struct vma **next, struct vma **prev);

/* ---- mmap.c, munmap.c … : the calls are in mm.h; these are for each other ---- */

/* Unmap [start, end); mmap write held. For calls that replace or shrink. RMAP_ENOMEM: only splits happened. */
int mm_unmap_locked(struct mm *mm, uint64_t start, uint64_t end);
/*
 * Make a mapping whose arguments are checked, in place of what is there: mmap write held. RMAP_ENOMEM: a limit, overcommit or
 * no memory; the old mappings stay (but may be split).
 */
int mm_map_locked(struct mm *mm, uint64_t start, uint64_t len, uint64_t flags, struct mm_file *file,
		  uint64_t pgoff);
/*
 * What a new entry of vma for page says about locking, which the page is told here: PTE_MLOCKED where vma is locked (and page can
 * count one more), else 0. PTL held.
 */
pte_t vma_mlock_bit(const struct vma *vma, struct page *page);
/* The same by the flags that vma had. */
pte_t vm_mlock_bit(struct mm_system *sys, uint64_t flags, struct page *page);
/*
 * The flags of the VMA around a walk's hit, whose PTL is held. A VMA that was found there has other ones as soon as it has been split: they
 * may be those of the part that it has become, where the hit is not. Whoever is about to change the flags around the hit comes for its
 * entry behind us.
 */
uint64_t hit_vm_flags(const struct rmap_hit *hit);
/*
 * Is addr in vma, as a walk found it, and not locked? It may have been split since: then the part that addr is in may be another one,
 * and the flags that vma has now are of the part that it has become. So its flags are read before its bounds.
 */
static inline bool vma_surely_unlocked(const struct vma *vma, uint64_t addr)
{
	const struct rmap_vma *v = &vma->rmap;
	uint64_t flags =
		atomic_load_explicit((const _Atomic uint64_t *)&vma->flags, memory_order_acquire);

	return !(flags & VM_LOCKED) &&
	       addr >= atomic_load_explicit((const _Atomic uint64_t *)&v->start,
					    memory_order_relaxed) &&
	       addr < atomic_load_explicit((const _Atomic uint64_t *)&v->end, memory_order_relaxed);
}
/*
 * Is page locked where a walk has met it in vma? Then it counts that entry, if it did not (and can). PTL held. In line up to where that
 * is likely, since each page that goes is asked twice. The entry is asked first, since vma may have had other flags and then these bounds
 * again between our two looks at it; an entry says that it is locked until munlock has come by.
 */
bool hit_mlock_perhaps(const struct rmap_hit *hit, struct page *page);
static inline bool hit_mlock(const struct rmap_hit *hit, const struct vma *vma, struct page *page)
{
	return (pte_read(hit->pte) & PTE_MLOCKED) ||
	       (!vma_surely_unlocked(vma, hit->addr) && hit_mlock_perhaps(hit, page));
}
/* Remove every VMA and page table (exit). mmap write held; mm has no user. */
void mm_unmap_all(struct mm *mm);
/*
 * addr, a page's, is below a VM_GROWSDOWN VMA: grow it down to there. mmap write held (who met the fault under the read lock drops it,
 * takes the write lock and looks again). 0; RMAP_ENOMEM: a limit, the guard gap or no memory; RMAP_EPERM: below mmap_min_addr.
 */
int stack_grow(struct vma *vma, uint64_t addr);
/*
 * Fault in what is mapped of [start, end), as mlock and MAP_POPULATE do; no lock held. ignore_errors: a VMA that cannot be is
 * passed by. Errors of mm_fault.
 */
int mm_populate(struct mm *mm, uint64_t start, uint64_t end, bool ignore_errors);

#endif
