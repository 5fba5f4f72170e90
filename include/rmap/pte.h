/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * x86-64's four-level page tables, as libmm keeps them in frames and as the hosted port's software MMU reads them.
 *
 * A table is one frame of 512 entries of 64 bits; level 4 (PGD) down to level 1 (the PTEs). Bits of present entries are the
 * processor's. An entry that is not present is, to the processor, free for use; ours are:
 *
 *   bit  0        0: not present
 *   bits 1..2     kind: 1 swap, 2 migration, 3 poisoned
 *   bit  3        swap: exclusive; migration: the page was exclusive
 *   bit  4        migration: it was writable
 *   bit  5, 6     migration: accessed and dirty bits, kept
 *   bits 12..51   swap: slot number; migration, poisoned: frame number
 *
 * Of a present entry the processor leaves bits 9 to 11 to us: 9 and 10 are PTE_SPECIAL and PTE_MLOCKED.
 *
 * An all-zero entry is empty.
 */
#ifndef RMAP_PTE_H
#define RMAP_PTE_H

#include <rmap/types.h>

typedef uint64_t pte_t;

#define PTE_PRESENT	   ((pte_t)1 << 0)
#define PTE_WRITE	   ((pte_t)1 << 1)
#define PTE_USER	   ((pte_t)1 << 2)
#define PTE_ACCESSED	   ((pte_t)1 << 5)
#define PTE_DIRTY	   ((pte_t)1 << 6)
#define PTE_SPECIAL	   ((pte_t)1 << 9) /* software: no page descriptor counts it (the zero page) */
#define PTE_MLOCKED	   ((pte_t)1 << 10) /* software: its page counts it as one that locks */
#define PTE_NX		   ((pte_t)1 << 63)

#define PTE_PFN_SHIFT	   12
#define PTE_PFN_MASK	   ((((pte_t)1 << 40) - 1) << PTE_PFN_SHIFT)

#define PTE_KIND_MASK	   ((pte_t)3 << 1)
#define PTE_KIND_SWAP	   ((pte_t)1 << 1)
#define PTE_KIND_MIGRATION ((pte_t)2 << 1)
#define PTE_KIND_POISON	   ((pte_t)3 << 1)
#define PTE_SWP_EXCLUSIVE  ((pte_t)1 << 3)
#define PTE_MIG_EXCLUSIVE  ((pte_t)1 << 3)
#define PTE_MIG_WRITE	   ((pte_t)1 << 4)
#define PTE_MIG_ACCESSED   ((pte_t)1 << 5)
#define PTE_MIG_DIRTY	   ((pte_t)1 << 6)

/*
 * An entry is one of 512, as on x86-64 and arm64 with pages of 4 KiB. Less of a table's frame may be used, where all that is wanted is
 * tables that are soon looked through (tests/weave, for `scan`); then addresses end sooner, too.
 */
#ifndef RMAP_TABLE_BITS
#define RMAP_TABLE_BITS 9
#endif
#define PTRS_PER_TABLE	      (1u << RMAP_TABLE_BITS)
#define PT_LEVELS	      4
/* bytes one entry of that level spans, as a shift */
#define PT_LEVEL_SHIFT(level) (RMAP_PAGE_SHIFT + RMAP_TABLE_BITS * ((level)-1))

/* User addresses: below 2^47 less one page, as on Linux. */
#if RMAP_TABLE_BITS == 9
#define MM_ADDRESS_END ((uint64_t)1 << 47)
#else
#define MM_ADDRESS_END ((uint64_t)1 << (RMAP_PAGE_SHIFT + PT_LEVELS * RMAP_TABLE_BITS - 1))
#endif
#define MM_TASK_SIZE (MM_ADDRESS_END - RMAP_PAGE_SIZE)

/* Does it map a frame? The rest below are for entries that do not, or for both. */
static inline bool pte_present(pte_t pte)
{
	return pte & PTE_PRESENT;
}

/* The frame of a present, migration or poison entry. */
static inline uint64_t pte_pfn(pte_t pte)
{
	return (pte & PTE_PFN_MASK) >> PTE_PFN_SHIFT;
}

/* A present entry for frame pfn, if bits have PTE_PRESENT. */
static inline pte_t pte_make(uint64_t pfn, pte_t bits)
{
	return (pfn << PTE_PFN_SHIFT) | bits;
}

/* The page is in a swap slot. */
static inline bool pte_is_swap(pte_t pte)
{
	return !(pte & PTE_PRESENT) && (pte & PTE_KIND_MASK) == PTE_KIND_SWAP;
}

/* The page is on its way to another frame; who needs it waits. */
static inline bool pte_is_migration(pte_t pte)
{
	return !(pte & PTE_PRESENT) && (pte & PTE_KIND_MASK) == PTE_KIND_MIGRATION;
}

/* The frame went bad: an access is a SIGBUS. */
static inline bool pte_is_poison(pte_t pte)
{
	return !(pte & PTE_PRESENT) && (pte & PTE_KIND_MASK) == PTE_KIND_POISON;
}

/* Which of the PTRS_PER_TABLE entries of a table at that level (1: the last) stands for addr. */
static inline unsigned int pt_index(uint64_t addr, int level)
{
	return (unsigned int)(addr >> PT_LEVEL_SHIFT(level)) & (PTRS_PER_TABLE - 1);
}

/*
 * May a processor have this entry's translation? A processor sets the accessed bit before it remembers one, and whoever clears the bit
 * flushes; so where it is clear, nobody has one.
 */
static inline bool pte_maybe_cached(pte_t pte)
{
	return (pte & (PTE_PRESENT | PTE_ACCESSED)) == (PTE_PRESENT | PTE_ACCESSED);
}

/*
 * Entries are read and written by several processors and by the MMU, which sets accessed and dirty bits by itself. Clearing a
 * present entry is an exchange, so that a dirty bit set in between is not lost.
 */
static inline pte_t pte_read(const pte_t *p)
{
	return atomic_load_explicit((const _Atomic pte_t *)p, memory_order_relaxed);
}

/* For table entries above level 1, which are followed without a lock. */
static inline pte_t pte_read_acquire(const pte_t *p)
{
	return atomic_load_explicit((const _Atomic pte_t *)p, memory_order_acquire);
}

/* Under the lock of its table. Whoever follows the entry sees what was written before. */
static inline void pte_write(pte_t *p, pte_t v)
{
	atomic_store_explicit((_Atomic pte_t *)p, v, memory_order_release);
}

/* The entry before; under the lock of its table. */
static inline pte_t pte_exchange(pte_t *p, pte_t v)
{
	return atomic_exchange_explicit((_Atomic pte_t *)p, v, memory_order_acq_rel);
}

/* Clear these bits alone; the entry before. */
static inline pte_t pte_clear_bits(pte_t *p, pte_t bits)
{
	return atomic_fetch_and_explicit((_Atomic pte_t *)p, ~bits, memory_order_acq_rel);
}

/* Set these bits alone, which the MMU does not; under the lock of its table. */
static inline void pte_set_bits(pte_t *p, pte_t bits)
{
	atomic_fetch_or_explicit((_Atomic pte_t *)p, bits, memory_order_acq_rel);
}

/* The MMU's: true when the entry still was *old and now is v. */
static inline bool pte_compare_exchange(pte_t *p, pte_t *old, pte_t v)
{
	return atomic_compare_exchange_strong_explicit((_Atomic pte_t *)p, old, v,
						       memory_order_acq_rel, memory_order_acquire);
}

#endif
