/* SPDX-License-Identifier: BSD-2-Clause */
/* What the calls that change layout share among themselves; see vma.h for what others use. */
#ifndef MM_LAYOUT_H
#define MM_LAYOUT_H

#include "vma.h"

struct fault_wait;
struct rmap_file;

#define PAGES(bytes) ((bytes) >> RMAP_PAGE_SHIFT)

/* Up to the next page boundary; wraps to 0 at the end of the address space, as Linux's does. */
static inline uint64_t page_align(uint64_t n)
{
	return (n + RMAP_PAGE_SIZE - 1) & RMAP_PAGE_MASK;
}

static inline uint64_t page_offset(uint64_t n)
{
	return n & ~RMAP_PAGE_MASK;
}

/* PROT_NONE memory is not accessible; stacks may grow near it. */
static inline bool vma_is_accessible(const struct vma *vma)
{
	return vma->flags & VM_ACCESS;
}

static inline struct rmap *mm_rmap_of(const struct mm *mm)
{
	return &mm->sys->rmap;
}

/* Of the MM_PROT_* that every VMA may have. */
static inline uint64_t vm_prot_flags(uint32_t prot)
{
	return prot & (MM_PROT_READ | MM_PROT_WRITE | MM_PROT_EXEC);
}

/* ---- vma_tree.c ---- */

/* Where the guard of a growing stack begins; the VMA's start for others. */
uint64_t vma_guard_start(const struct vma *vma);
/* The highest (lowest) free range of len bytes in [low, high), guards kept free. 0 or RMAP_ENOMEM. */
int gap_highest(const struct mm *mm, uint64_t len, uint64_t low, uint64_t high, uint64_t *addr);
int gap_lowest(const struct mm *mm, uint64_t len, uint64_t low, uint64_t high, uint64_t *addr);

/* ---- unmapped.c ---- */

/*
 * Where len bytes (page aligned) are to be mapped: addr itself if fixed; else addr as a hint (0: none), else where Linux would
 * choose. RMAP_ENOMEM, RMAP_EINVAL (unaligned), RMAP_EPERM (below mmap_min_addr).
 */
int mm_unmapped_area(const struct mm *mm, const struct mm_file *file, uint64_t addr, uint64_t len,
		     uint64_t pgoff, bool fixed, uint64_t *out);

/* ---- limits.c ---- */

bool mm_capable(const struct mm *mm, uint32_t capability);
/* May this mm lock memory at all? */
bool mm_can_lock(const struct mm *mm);
/* May bytes more of memory with these flags be mapped, as far as RLIMIT_MEMLOCK goes? */
bool mm_lock_fits(const struct mm *mm, uint64_t flags, uint64_t bytes);
/* Is memory with these flags charged against the commit limit? */
static inline bool vm_is_accountable(uint64_t flags)
{
	return (flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) == VM_WRITE;
}

/* ---- populate.c ---- */

/* Fault in [start, end) of one VMA as mlock does; mmap held, for reading at least. 0 or an error of mm_fault. */
int vma_populate(struct vma *vma, uint64_t start, uint64_t end);
/*
 * Fault in one page: with the right to write, or only to read. mmap held. FAULT_NEEDS_PAGE: only where the caller can let go of it, for
 * which he gives wait, and looks the VMA up anew; NULL: he cannot.
 */
int page_populate(struct vma *vma, uint64_t addr, bool write, struct fault_wait *wait);

/* Make the anonymous page at addr the mm's alone, by a copy if need be. mmap held, for reading at least. 0 or an error of mm_fault. */
int page_unshare(struct vma *vma, uint64_t addr);

/* ---- munmap.c ---- */

/* Split at both edges, so that every VMA in [start, end) lies wholly in it. RMAP_ENOMEM. */
int unmap_split(struct mm *mm, uint64_t start, uint64_t end);
/* Remove all VMAs in [start, end), none of which reaches out of it; returns how many of their pages were accounted. */
uint64_t unmap_vmas(struct mm *mm, uint64_t start, uint64_t end);

/* ---- merge.c ---- */

/* New bounds for one VMA in the tree, its order unchanged. */
void vma_set_bounds(struct vma *vma, uint64_t start, uint64_t end, uint64_t pgoff);

/* ---- mlock.c ---- */

/* The VMA is locked no more, but nobody takes that off the count of its pages. mmap write. */
void vma_strand_locks(const struct vma *vma);

/* ---- madvise_pages.c ---- */

void madvise_dontneed(struct vma *vma, uint64_t start, uint64_t end);
void madvise_free(struct vma *vma, uint64_t start, uint64_t end);
void madvise_cold(struct vma *vma, uint64_t start, uint64_t end);
void madvise_pageout(struct vma *vma, uint64_t start, uint64_t end);
/*
 * Returns how far it has come: mmap_lock, held for reading, was let go of where something had to be read, and vma may be another one
 * now, or gone.
 */
uint64_t madvise_willneed(struct vma *vma, uint64_t start, uint64_t end);
/* Make [start, end) of a shared mapping's file read as zeros. 0, RMAP_ENOMEM or RMAP_EIO. */
int file_zero_range(struct mm_file *file, uint64_t first, uint64_t last);

#endif
