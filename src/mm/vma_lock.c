// SPDX-License-Identifier: BSD-2-Clause
/*
 * The lock of one VMA, as vma_lock.h says; here are the descent to a VMA beside writers, and the waiting.
 */
#include "vma_lock.h"

#include "layout.h"

/* Twice the height of a tree of as many VMAs as there are pages: a descent that is longer goes round in a tree that changes. */
#define DEPTH_MAX 96

/* Bounds as they are read without a lock that holds them: each whole, perhaps not of one moment. */
static uint64_t read_bound(const uint64_t *bound)
{
	return atomic_load_explicit((const _Atomic uint64_t *)bound, memory_order_relaxed);
}

/* In an RCU section, which keeps what is met. NULL: none was met, which is not to say that there is none. */
static struct vma *find(struct mm *mm, uint64_t addr)
{
	struct rb_node *node = rb_load(&mm->vmas.node);

	for (int depth = 0; node && depth < DEPTH_MAX; depth++) {
		struct vma *vma = rmap_container_of(node, struct vma, node);

		if (addr >= read_bound(&vma->rmap.end))
			node = rb_load(&node->right);
		else if (addr < read_bound(&vma->rmap.start))
			node = rb_load(&node->left);
		else
			return vma;
	}
	return NULL;
}

void vma_wake_writer(struct mm *mm)
{
	atomic_fetch_add_explicit(&mm->vma_readers_gone, 1, memory_order_release);
	if (mm_os(mm)->wake)
		mm_os(mm)->wake(mm_os(mm)->ctx, &mm->vma_readers_gone);
}

/*
 * Is the VMA not marked, seen by one who has counted himself in, where word stood before? The number that he read then may have been an old
 * one. This one is not older than the word's mark. If it is newer, the mark has been released and what it was for is done: had he come in
 * behind the mark, nobody waited for him, and the VMA may have left. So that is asked last.
 */
static inline bool may_stay(const struct mm *mm, const struct vma *vma, uint32_t word)
{
	if (vma_lock_word_marked(word, atomic_load_explicit(&mm->lock_seq, memory_order_seq_cst)))
		return false;
	return !(atomic_load_explicit(&vma->lock, memory_order_relaxed) & VMA_LOCK_DETACHED);
}

static bool try_enter(struct mm *mm, struct vma *vma)
{
	uint32_t word = atomic_load_explicit(&vma->lock, memory_order_relaxed);

	do {
		uint32_t seq = atomic_load_explicit(&mm->lock_seq, memory_order_relaxed);

		if ((word & VMA_LOCK_READERS) == VMA_LOCK_READERS ||
		    vma_lock_word_marked(word, seq))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&vma->lock, &word, word + 1, memory_order_seq_cst, memory_order_relaxed));
	if (rmap_likely(may_stay(mm, vma, word)))
		return true;
	vma_lock_leave(mm, vma);
	return false;
}

struct vma *vma_read_lock(struct mm *mm, uint64_t addr)
{
	const struct rmap_port *os = mm_os(mm);
	struct vma *vma;

	os->rcu_read_lock(os->ctx);
	vma = find(mm, addr);
	if (vma && !try_enter(mm, vma))
		vma = NULL;
	os->rcu_read_unlock(os->ctx);
	if (!vma)
		return NULL;
	/* From here on it is what it is; a moment ago it may have been something else. */
	if (rmap_unlikely(addr < vma->rmap.start || addr >= vma->rmap.end)) {
		vma_lock_leave(mm, vma);
		return NULL;
	}
	rmap_bit_lock_got(&vma->lock, RMAP_LOCK_VMA);
	return vma;
}

/* Writers of one mm come one at a time, so there is one word to sleep on, and it outlives every VMA. */
static void wait_for_readers(struct mm *mm, struct vma *vma)
{
	const struct rmap_port *os = mm_os(mm);

	for (;;) {
		uint32_t gone = atomic_load_explicit(&mm->vma_readers_gone, memory_order_acquire);

		if (!(atomic_load_explicit(&vma->lock, memory_order_acquire) & VMA_LOCK_READERS))
			break;
		if (os->wait)
			os->wait(os->ctx, &mm->vma_readers_gone, gone);
		else
			rmap_cpu_relax();
	}
	atomic_fetch_and_explicit(&vma->lock, ~VMA_LOCK_WAITED, memory_order_relaxed);
}

void vma_start_write_slow(struct vma *vma)
{
	struct mm *mm = vma_mm(vma);
	uint32_t seq = atomic_load_explicit(&mm->lock_seq, memory_order_relaxed);
	uint32_t word = atomic_load_explicit(&vma->lock, memory_order_relaxed), marked;

	rmap_bit_lock_wait(&vma->lock, RMAP_LOCK_VMA);
	do {
		marked =
			(word & (VMA_LOCK_READERS | VMA_LOCK_DETACHED)) | seq << VMA_LOCK_SEQ_SHIFT;
		if (word & VMA_LOCK_READERS)
			marked |= VMA_LOCK_WAITED;
	} while (!atomic_compare_exchange_weak_explicit(
		&vma->lock, &word, marked, memory_order_seq_cst, memory_order_relaxed));
	if (marked & VMA_LOCK_READERS)
		wait_for_readers(mm, vma);
}

void vma_start_write_all(struct mm *mm)
{
	struct vma *vma;

	vma_for_each(vma, mm)
		vma_start_write(vma);
}

const char *vma_lock_check(const struct vma *vma)
{
	uint32_t word = atomic_load_explicit(&vma->lock, memory_order_relaxed);

	if (word & (VMA_LOCK_READERS | VMA_LOCK_WAITED))
		return "a VMA is locked although no fault is under way";
	return word & VMA_LOCK_DETACHED ? "a VMA in the tree says that it has left" : NULL;
}
