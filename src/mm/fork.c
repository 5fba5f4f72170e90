// SPDX-License-Identifier: BSD-2-Clause
/*
 * fork: a child address space with the parent's VMAs and, copy-on-write, its pages.
 *
 * The child stands in the reverse map before the first entry is copied (rmap_mm_fork_begin, and per VMA rmap_vma_fork before
 * copy_range): a walker that looks for a page while it is being copied meets the child's entry or will do so later, since the
 * child comes after the parent in every order of walking.
 *
 * A fork that fails half way leaves an ordinary address space, only incomplete; it is torn down by an ordinary exit.
 */
#include "mm.h"

#include "file.h"
#include "table.h"
#include "vma.h"
#include "vma_lock.h"

/* What is counted once a fork rather than once a VMA: an atomic is as dear as an allocation here. */
struct fork {
	struct vma *last; /* of the child's so far */
	uint64_t group;	  /* the next new VMA's: as many are set aside as the parent has VMAs */
	uint64_t vmas;
	int64_t promised; /* and not counted yet */
	struct copied copied;
};

/* Tier 1's part of one VMA: nothing inherited where the child is to start from zeros. */
static int fork_links(struct fork *f, struct vma *dst, struct vma *src)
{
	struct rmap *rmap = &vma_mm(src)->sys->rmap;
	int error;

	if (src->flags & VM_WIPEONFORK) {
		rmap_vma_link(rmap, &dst->rmap);
		return 0;
	}
	error = rmap_vma_fork(rmap, &dst->rmap, &src->rmap);
	if (error)
		return error;
	if (vma_faulted(src)) {
		dst->forked = true;
		atomic_store_explicit(&dst->group, f->group++, memory_order_relaxed);
	}
	return 0;
}

static int fork_vma(struct fork *f, struct mm *child, struct vma *src)
{
	struct vma *dst;
	int error;

	if (src->flags & VM_ACCOUNT) {
		/* What is kept back goes by the size of who asks, and the child has none yet. */
		error = mm_charge_later(vma_mm(src), vma_pages(src), &f->promised);
		if (error)
			return error;
	}
	dst = vma_dup(child, src);
	if (!dst) {
		error = RMAP_ENOMEM;
		goto uncharge;
	}
	dst->flags &= ~VM_LOCKED_MASK;
	error = fork_links(f, dst, src);
	if (error)
		goto free_vma;
	vma_tree_append(child, dst, f->last);
	f->last = dst;
	mm_account(child, dst->flags, (int64_t)vma_pages(dst));
	f->vmas++;
	if (src->flags & VM_WIPEONFORK)
		return 0;
	return copy_range(dst, src, &f->copied);

free_vma:
	vma_free(dst);
uncharge:
	if (src->flags & VM_ACCOUNT)
		f->promised -= (int64_t)vma_pages(src);
	return error;
}

static int fork_vmas(struct mm *child, struct mm *parent)
{
	struct mm_system *sys = parent->sys;
	struct fork f = {
		.group = take_origins(sys, parent->map_count),
	};
	struct vma *vma;
	int error = 0;

	vma_for_each(vma, parent) {
		if (vma->flags & VM_DONTCOPY)
			continue;
		error = fork_vma(&f, child, vma);
		if (error)
			break;
	}
	rmap_unreserve(&sys->rmap, &f.copied.reserve);
	(void)mm_commit(sys, f.promised);
	COUNT(sys, fork_vmas, f.vmas);
	COUNT(sys, fork_ptes, f.copied.ptes);
	for (int i = 0; i < RSS_KINDS; i++)
		mm_rss_add(child, (enum rss_kind)i, f.copied.rss[i]);
	return error;
}

static void inherit(struct mm *child, const struct mm *parent)
{
	child->generation = parent->generation + 1;
	child->start_brk = parent->start_brk;
	child->brk = parent->brk;
	child->start_stack = parent->start_stack;
	child->mmap_base = parent->mmap_base;
	for (int i = 0; i < MM_LIMITS; i++)
		atomic_store(&child->limit[i], atomic_load(&parent->limit[i]));
	atomic_store(&child->capabilities, atomic_load(&parent->capabilities));
}

int mm_fork(struct mm *parent, struct mm **out)
{
	struct mm_system *sys = parent->sys;
	struct mm *child = mm_new(sys);
	int error;

	if (!child)
		return RMAP_ENOMEM;
	mm_write_lock(parent);
	/* A page that comes while the child is made is the child's or is not: all designs ask when it came. So none may. */
	vma_start_write_all(parent);
	error = rmap_mm_fork_begin(&sys->rmap, &child->rmap, &parent->rmap);
	if (error) {
		mm_write_unlock(parent);
		mm_discard(child);
		return error;
	}
	rmap_write_lock_nested(&child->mmap_lock, mm_os(child));
	inherit(child, parent);
	mm_publish(child);
	error = fork_vmas(child, parent);
	/* The parent's entries lost their right to write: no processor may keep it. */
	mm_flush(parent, 0, UINT64_MAX, MM_FLUSH_FORK);
	rmap_mm_fork_end(&sys->rmap, &child->rmap, &parent->rmap, !error);
	mm_write_unlock(child);
	mm_write_unlock(parent);
	if (error) {
		mm_put(child);
		return error;
	}
	COUNT(sys, forks, 1);
	*out = child;
	return 0;
}
