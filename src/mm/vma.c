// SPDX-License-Identifier: BSD-2-Clause
/*
 * One VMA: made, copied, freed; and where its anonymous pages come from.
 *
 * A VMA that leaves the trees is freed after a grace period, since a walker may just have met it. The file that it maps is let go
 * at once, so that what was promised for shared memory is returned when munmap returns: no walker follows the file of a VMA that
 * it met in no tree.
 */
#include "layout.h"

#include "file.h"
#include "vma_lock.h"

uint32_t vma_rmap_flags(uint64_t flags)
{
	return (flags & VM_SHARED ? RMAP_VMA_SHARED : 0u) |
	       (flags & VM_MAYWRITE ? RMAP_VMA_MAY_WRITE : 0u);
}

struct mm_file *vma_file(const struct vma *vma)
{
	return vma->rmap.file ? file_of_rmap(vma->rmap.file) : NULL;
}

struct vma *vma_alloc(struct mm *mm, uint64_t start, uint64_t end, uint64_t pgoff, uint64_t flags,
		      struct mm_file *file)
{
	struct vma *vma = mm_alloc(mm->sys, RMAP_KIND_VMA, sizeof(*vma));

	if (!vma)
		return NULL;
	rmap_vma_init(&vma->rmap, &mm->rmap, start, end, pgoff, file ? &file->rmap : NULL,
		      vma_rmap_flags(flags));
	rb_clear(&vma->node);
	vma->flags = flags;
	vma_lock_init(vma);
	if (file)
		mm_file_get(file);
	return vma;
}

struct vma *vma_dup(struct mm *mm, const struct vma *src)
{
	return vma_alloc(mm, src->rmap.start, src->rmap.end, src->rmap.pgoff, src->flags,
			 vma_file(src));
}

static void vma_free_late(void *ctx, struct rmap_rcu *rcu)
{
	struct vma *vma = rmap_container_of(rcu, struct vma, rcu);

	(void)ctx;
	mm_free(vma->sys, RMAP_KIND_VMA, vma, sizeof(*vma));
}

void vma_free(struct vma *vma)
{
	struct mm_system *sys = vma_mm(vma)->sys;
	struct mm_file *file = vma_file(vma);

	/* The mm may be gone when the grace period ends. */
	vma->sys = sys;
	mm_call_rcu(sys, &vma->rcu, vma_free_late);
	if (file)
		mm_file_put(file);
}

/*
 * Nobody splits a VMA while the tree's lock is held. hit->vma is not asked: whether the walk keeps it whole or looked it up by itself,
 * it does not say.
 */
uint64_t hit_vm_flags(const struct rmap_hit *hit)
{
	struct mm *mm = mm_of_rmap(hit->mm);
	const struct vma *vma;
	uint64_t flags;

	rmap_assert_spin_held(hit->table_lock);
	rmap_spin_lock(&mm->vma_lock);
	vma = vma_at(mm, hit->addr);
	flags = vma ? vma_flags(vma) : 0;
	rmap_spin_unlock(&mm->vma_lock);
	return flags;
}

pte_t vm_pte_bits(uint64_t flags, bool write)
{
	pte_t bits = PTE_PRESENT;

	/* PROT_NONE: mapped, but the processor may not use it. Any right lets it read, as on x86. */
	if (flags & VM_ACCESS)
		bits |= PTE_USER;
	if (write && (flags & VM_WRITE))
		bits |= PTE_WRITE;
	if (!(flags & VM_EXEC))
		bits |= PTE_NX;
	return bits;
}

/* ---------------------------------------------------------------- origin of anonymous pages */

/*
 * Could a and b, neighbours in this order, become one VMA if their rights were made equal? Then they should have one origin of
 * pages, so that a later mprotect may merge them. (Linux: anon_vma_compatible)
 */
static bool origin_compatible(const struct vma *a, const struct vma *b)
{
	return a->rmap.end == b->rmap.start && a->rmap.file == b->rmap.file &&
	       ((a->flags ^ b->flags) & ~VM_ACCESS) == 0 &&
	       b->rmap.pgoff == a->rmap.pgoff + vma_pages(a);
}

void vma_origin_neighbours(const struct vma *vma, struct vma **next, struct vma **prev)
{
	*next = vma_next(vma);
	if (*next && (!origin_compatible(vma, *next) || !vma_faulted(*next) || (*next)->forked))
		*next = NULL;
	*prev = vma_prev(vma);
	if (*prev && (!origin_compatible(*prev, vma) || !vma_faulted(*prev) || (*prev)->forked))
		*prev = NULL;
}

static uint64_t group_of(const struct vma *vma)
{
	return vma ? atomic_load_explicit(&vma->group, memory_order_acquire) : 0;
}

/*
 * First faults may race, in this VMA and in its neighbours. What they must agree on is the group *and* the origin that tier 1
 * gives the VMA: if the groups of two VMAs were equal and their origins not, a merge would lose pages. So the first to come
 * decides, the others follow its decision, and it is forgotten only when the last of them has left without success (then the
 * neighbours may have changed by the next time). A decision for a neighbour's group names the neighbour: nobody but a
 * neighbour that was faulted before can have a group that is not published yet.
 */
static uint64_t decide_group(struct mm *mm, struct vma *vma, struct vma **share)
{
	struct vma *next, *prev;
	uint64_t group;

	vma_origin_neighbours(vma, &next, &prev);
	rmap_spin_lock(&mm->table_lock);
	/* The count is small, to save memory. Others leave without us. */
	while (rmap_unlikely(vma->deciders == UINT16_MAX)) {
		rmap_spin_unlock(&mm->table_lock);
		rmap_cpu_relax();
		rmap_spin_lock(&mm->table_lock);
	}
	vma->deciders++;
	if (!vma->pending) {
		if (next || prev)
			vma->pending = group_of(next ? next : prev);
		else
			vma->pending = take_origins(mm->sys, 1);
	}
	group = vma->pending;
	rmap_spin_unlock(&mm->table_lock);
	if (group_of(next) == group)
		*share = next;
	else
		*share = group_of(prev) == group ? prev : NULL;
	return group;
}

static void publish_group(struct mm *mm, struct vma *vma, uint64_t group, bool success)
{
	rmap_spin_lock(&mm->table_lock);
	if (success && !group_of(vma))
		atomic_store_explicit(&vma->group, group, memory_order_release);
	if (--vma->deciders == 0)
		vma->pending = 0;
	rmap_spin_unlock(&mm->table_lock);
}

int vma_prepare_anon(struct vma *vma)
{
	struct mm *mm = vma_mm(vma);
	struct vma *share;
	uint64_t group;
	int error;

	if (vma_faulted(vma))
		return 0;
	rmap_assert_read_held(&mm->mmap_lock);
	group = decide_group(mm, vma, &share);
	error = rmap_vma_prepare(mm_rmap_of(mm), &vma->rmap, share ? &share->rmap : NULL, NULL);
	publish_group(mm, vma, group, !error);
	return error;
}
