/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lock of one VMA: what a fault takes instead of mmap_lock.
 *
 *   a fault                                       who changes the VMA, with mmap_lock for writing
 *   --------------------------------------------  -------------------------------------------------------
 *   finds the VMA in the tree, under RCU          marks it: writes the mm's number into the VMA's word,
 *   is it marked? mmap_lock                         then waits until the readers that it has are gone
 *   counts itself as a reader                     …
 *   marked after all, or detached? leaves,        releases all marks at once: the mm gets the next number
 *     mmap_lock
 *   handles the fault, leaves
 *
 * A VMA is marked while the number in its word is the mm's. So mmap_lock's writer need not remember what it marked, and new VMAs are
 * born marked: nobody faults in them before mmap_lock is dropped and all of them is in place. Only a writer waits, and only for
 * faults; a fault never waits for a VMA's lock, it falls back to mmap_lock.
 *
 * Bounds, flags, file and origin of a VMA, and its being in the tree, change only while it is marked. A fault that holds the lock sees
 * none of them change, for as long as it takes. But one: the first origin comes under mmap_lock for reading, while others may be in the
 * VMA. Such a one finds none, and goes for mmap_lock himself, or finds all of it (vma_faulted()). That it met the VMA while the tree was
 * being changed does not matter: the tree may hide a VMA from a descent without locks, never show one for an address that is not in it,
 * since the bounds are looked at again under the lock; and a VMA that left the tree says so in its word, which lives until a grace
 * period after.
 *
 * The number has 16 bits, so an old mark may come true again by itself, after 65,536 changes of the layout. Then the VMA is marked,
 * that is all: its faults take mmap_lock until the next number. That whoever marks it sees the readers of the time before, and these
 * the mark, follows from the order of sequentially consistent operations: the reader enters the word, then reads the mm's number;
 * the writer had set that number before it reads the word.
 *
 * Whether the VMA has left the tree is asked when that number is known, not before: a reader that had read an old number (of a mark that
 * came true meanwhile; or where a machine may load in another order) can come in behind the mark, and be held up until it is
 * released. He then reads the new number, and by its release all that the mark was for: the bounds, and that the VMA has left
 * (tests/models/vma-lock.pml).
 *
 * It costs a VMA four bytes, a fault one atomic to enter and one to leave, in the VMA's own cache line; a change of a VMA one atomic,
 * mmap_lock's release for writing another.
 */
#ifndef MM_VMA_LOCK_H
#define MM_VMA_LOCK_H

#include "mm_types.h"

#define VMA_LOCK_READERS   0x00003fffu
#define VMA_LOCK_WAITED	   0x00004000u /* a writer sleeps until the readers are gone */
#define VMA_LOCK_DETACHED  0x00008000u /* it has left the tree, for ever */
#define VMA_LOCK_SEQ_SHIFT 16

/*
 * The VMA that covers addr, locked for reading; NULL where that takes more: none covers it, it is being changed, or the tree is.
 * Then mmap_lock will tell. Never waits. The caller is a user of mm and holds none of its locks.
 */
struct vma *vma_read_lock(struct mm *mm, uint64_t addr);

/* A writer may wait for the reader that was the last. */
void vma_wake_writer(struct mm *mm);

/* One reader less. The VMA may be gone right after; the mm is not, since the caller is one of its users. */
static inline void vma_lock_leave(struct mm *mm, struct vma *vma)
{
	uint32_t old = atomic_fetch_sub_explicit(&vma->lock, 1, memory_order_release);

	if (rmap_unlikely((old & (VMA_LOCK_WAITED | VMA_LOCK_READERS)) == (VMA_LOCK_WAITED | 1)))
		vma_wake_writer(mm);
}

static inline void vma_read_unlock(struct vma *vma)
{
	rmap_bit_lock_released(&vma->lock, RMAP_LOCK_VMA);
	vma_lock_leave(vma_mm(vma), vma);
}

/* The rest of vma_start_write(): sleeps until no fault has the lock. */
void vma_start_write_slow(struct vma *vma);

static inline bool vma_lock_word_marked(uint32_t word, uint32_t seq)
{
	return word >> VMA_LOCK_SEQ_SHIFT == (seq & 0xffff);
}

/* Is it marked by whoever holds mmap_lock for writing? Only he may ask. */
static inline bool vma_is_marked(const struct vma *vma)
{
	return vma_lock_word_marked(
		atomic_load_explicit(&vma->lock, memory_order_relaxed),
		atomic_load_explicit(&vma_mm(vma)->lock_seq, memory_order_relaxed));
}

/*
 * No fault has the VMA's lock from now on until mmap_lock is dropped. mmap write, and no lock that a fault may wait for (any that
 * comes behind mmap_lock). Sleeps.
 */
static inline void vma_start_write(struct vma *vma)
{
	uint32_t word = atomic_load_explicit(&vma->lock, memory_order_seq_cst);
	uint32_t seq = atomic_load_explicit(&vma_mm(vma)->lock_seq, memory_order_relaxed);

	rmap_assert_write_held(&vma_mm(vma)->mmap_lock);
	rmap_assert_may_wait(RMAP_LOCK_VMA);
	if (rmap_likely(!(word & VMA_LOCK_READERS)) &&
	    (vma_lock_word_marked(word, seq) ||
	     atomic_compare_exchange_strong_explicit(
		     &vma->lock, &word, (word & VMA_LOCK_DETACHED) | seq << VMA_LOCK_SEQ_SHIFT,
		     memory_order_seq_cst, memory_order_relaxed)))
		return;
	vma_start_write_slow(vma);
}

/* mmap write. Who reads them with acquire sees the bounds that the VMA had by then. */
static inline void vma_set_flags(struct vma *vma, uint64_t flags)
{
	rmap_assert_write_held(&vma_mm(vma)->mmap_lock);
	MM_ASSERT(vma_mm(vma)->sys, vma_is_marked(vma) && "no fault is in a VMA that changes");
	atomic_store_explicit((_Atomic uint64_t *)&vma->flags, flags, memory_order_release);
}

/* A new VMA, which nobody knows: marked. Its mm's mmap_lock is held for writing, or nobody knows the mm either. */
static inline void vma_lock_init(struct vma *vma)
{
	uint32_t seq = atomic_load_explicit(&vma_mm(vma)->lock_seq, memory_order_relaxed);

	atomic_store_explicit(&vma->lock, seq << VMA_LOCK_SEQ_SHIFT, memory_order_relaxed);
}

/* It leaves the tree; it is marked, or nobody is a user of its mm any more. */
static inline void vma_detach(struct vma *vma)
{
	atomic_fetch_or_explicit(&vma->lock, VMA_LOCK_DETACHED, memory_order_relaxed);
}

/* All VMAs of mm. mmap write. */
void vma_start_write_all(struct mm *mm);

/* NULL, or what is wrong with the lock of a VMA in the tree while nothing is under way. */
const char *vma_lock_check(const struct vma *vma);

#endif
