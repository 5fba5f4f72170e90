/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct mm, an address space; struct vma, a range of it that is treated alike; and VM_*, how.
 */
#ifndef MM_MM_TYPES_H
#define MM_MM_TYPES_H

#include "system.h"

enum rss_kind {
	RSS_FILE,
	RSS_ANON,
	RSS_SHMEM,
	RSS_SWAP, /* swap entries */
	RSS_KINDS,
};

/* Processors that fault in one address space count in lines of their own, as far as these few go. */
#define RSS_SHARES 4u

struct mm_rss {
	char gap[CPU_LINES]; /* to the one before, wherever a line begins */
	_Atomic int64_t pages[RSS_KINDS];
};

struct mm {
	/* What each fault reads: it changes once or twice when the layout does, and stands apart from what changes more often. */
	struct rmap_mm rmap;   /* tier 1's */
	struct mm_system *sys; /* fixed */
	uint64_t id;	       /* fixed */
	pte_t *pgd;	       /* level 4; fixed */
	/* by address, augmented by gaps; mmap_lock, and to change it or a bound in it vma_lock (not at exit, when nobody looks) */
	struct rb_root vmas;
	/* VMAs with this number are marked (vma_lock.h); mmap write to change, at its release */
	_Atomic uint32_t lock_seq;
	_Atomic uint32_t
		users; /* holders; the last one's mm_put empties it, and frees the struct by RCU */
	_Atomic uint32_t has_pinned; /* ever held a pin: fork must look */

	char gap_layout[CPU_LINES];
	struct rmap_rwsem mmap_lock; /* RMAP_LOCK_MMAP */
	/* RMAP_LOCK_PAGE_TABLE: entries above level 1; a VMA's group when mmap is only read-locked */
	struct rmap_spinlock table_lock;
	struct rmap_spinlock vma_lock; /* RMAP_LOCK_VMA_TREE: for walkers, who have no mmap_lock */
	uint64_t map_count;	       /* mmap_lock */
	/* pages; mmap_lock */
	uint64_t total_vm, locked_vm, data_vm, exec_vm, stack_vm;
	uint64_t locked_lost; /* of locked_vm: locked by no VMA any more (mremap.c); mmap_lock */
	uint64_t start_brk, brk, start_stack; /* mmap_lock */
	uint64_t mmap_base;		      /* top-down searches begin below; fixed */
	/* VM_LOCKED… for new VMAs (mlockall); mmap_lock */
	uint64_t def_flags;
	_Atomic uint64_t limit[MM_LIMITS];
	_Atomic uint32_t capabilities;
	/* grows when a VMA that is waited for has no reader left; who waits sleeps on it */
	_Atomic uint32_t vma_readers_gone;
	/* pages, summed up over all; atomics, changed with the entries: under their PTL, or, what a fork brings, at its end */
	struct mm_rss rss[RSS_SHARES];
	char gap_tables[CPU_LINES];
	_Atomic uint64_t nr_tables; /* table frames; atomic */
	/* on swap.mms from its first swap entry on, then swap_listed is set; swap.mms_lock */
	struct list_head swap_list;
	_Atomic uint32_t swap_listed; /* swap.mms_lock to change */
	uint32_t home;		      /* the processor where it was made; fixed */
	uint64_t generation;	      /* forks between it and one that was not forked; fixed */
	struct list_head list;	      /* that one's mms; its list_lock */
	struct rmap_rcu rcu;
};

/* Linux's numbers where a tool might show them. */
#define VM_READ		    0x00000001ull
#define VM_WRITE	    0x00000002ull
#define VM_EXEC		    0x00000004ull
#define VM_SHARED	    0x00000008ull
#define VM_MAYREAD	    0x00000010ull
#define VM_MAYWRITE	    0x00000020ull
#define VM_MAYEXEC	    0x00000040ull
#define VM_MAYSHARE	    0x00000080ull
#define VM_GROWSDOWN	    0x00000100ull
#define VM_LOCKED	    0x00002000ull
#define VM_SEQ_READ	    0x00008000ull
#define VM_RAND_READ	    0x00010000ull
#define VM_DONTCOPY	    0x00020000ull
#define VM_DONTEXPAND	    0x00040000ull /* of drivers' VMAs, which there are none of here */
#define VM_LOCKONFAULT	    0x00080000ull
#define VM_ACCOUNT	    0x00100000ull
#define VM_NORESERVE	    0x00200000ull
#define VM_WIPEONFORK	    0x02000000ull
#define VM_DONTDUMP	    0x04000000ull
/* MADV_HUGEPAGE; MADV_NOHUGEPAGE and MAP_STACK. No page is huge; all they do is keep VMAs from merging. */
#define VM_HUGEPAGE	    0x20000000ull
#define VM_NOHUGEPAGE	    0x40000000ull
/* exec's stack before it is moved into place: migration passes it by. */
#define VM_STACK_EARLY	    0x80000000ull

#define VM_ACCESS	    (VM_READ | VM_WRITE | VM_EXEC)
#define VM_STACK_INCOMPLETE (VM_STACK_EARLY | VM_RAND_READ | VM_SEQ_READ)
#define VM_LOCKED_MASK	    (VM_LOCKED | VM_LOCKONFAULT)

/*
 * "mmap write" here means: for writing, and the VMA marked (vma_start_write()); "mmap read": or the VMA's own lock.
 *
 * Layout's own record of where a VMA's anonymous pages come from (group), so that VMAs merge by Linux's rule whatever the
 * design: 0 unfaulted; two VMAs with the same group have pages of one origin (Linux: the same anon_vma); forked: the VMA was
 * inherited faulted (Linux: its chain is longer than one).
 */
struct vma {
	struct rmap_vma rmap; /* start, end, pgoff, mm, file, tier 1's links */
	struct rb_node node;  /* mm->vmas; mmap_lock, descents also under RCU */
	/* bytes between the VMA before and this one; mmap_lock */
	uint64_t gap;
	union {
		uint64_t gap_max;      /* largest gap in the subtree of node; mmap_lock */
		struct mm_system *sys; /* after vma_free(): who counts it */
	};
	uint64_t flags; /* VM_*; mmap write, by vma_set_flags() */
	/* see above; 0 -> set: mmap_lock for reading + table_lock; otherwise mmap write */
	_Atomic uint64_t group;
	uint64_t pending; /* the group that first faults under way agreed on, 0: none; table_lock */
	_Atomic uint32_t lock; /* readers, and whether it is marked: vma_lock.h */
	uint16_t deciders;     /* first faults under way; table_lock */
	bool forked;	       /* mmap write */
	struct rmap_rcu rcu;
};

#define vma_of_rmap(v) rmap_container_of(v, struct vma, rmap)
#define mm_of_rmap(m)  rmap_container_of(m, struct mm, rmap)

static inline struct mm *vma_mm(const struct vma *vma)
{
	return mm_of_rmap(vma->rmap.mm);
}

/*
 * A VMA's flags as walkers read them, who hold no mmap_lock: one whole value, the old or the new one. Either is right: mprotect
 * and mlock set the flags first and go through the entries under their PTLs afterwards.
 */
static inline uint64_t vma_flags(const struct vma *vma)
{
	return atomic_load_explicit((const _Atomic uint64_t *)&vma->flags, memory_order_relaxed);
}

/*
 * Does it say that pages of memory with these flags will be used again, that they have been? Not where each is used once: by who reads in
 * order, and, since 6.3, by who reads at random.
 */
static inline bool vm_has_recency(const struct mm_system *sys, uint64_t flags)
{
	return !(flags & (mm_since(sys, 6, 3) ? VM_SEQ_READ | VM_RAND_READ : VM_SEQ_READ));
}

static inline uint64_t vma_pages(const struct vma *vma)
{
	return (vma->rmap.end - vma->rmap.start) >> RMAP_PAGE_SHIFT;
}

/* Private, so a write breaks sharing instead of reaching the file. */
static inline bool vma_is_cow(const struct vma *vma)
{
	return (vma->flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
}

static inline bool vma_is_anonymous(const struct vma *vma)
{
	return vma->rmap.file == NULL;
}

static inline bool vma_faulted(const struct vma *vma)
{
	return atomic_load_explicit(&vma->group, memory_order_acquire) != 0;
}

static inline const struct rmap_port *mm_os(const struct mm *mm)
{
	return &mm->sys->port->os;
}

/* See valid.h. mmap write. */
static inline bool mm_valid(const struct mm *mm)
{
	return mm->sys && mm->pgd && (mm->map_count == 0) == (mm->vmas.node == NULL) &&
	       mm->brk >= mm->start_brk && mm->locked_lost <= mm->locked_vm &&
	       mm->data_vm + mm->exec_vm + mm->stack_vm <= mm->total_vm &&
	       mm->map_count <= mm->total_vm && mm->mmap_base <= MM_TASK_SIZE;
}

static inline void mm_read_lock(struct mm *mm)
{
	rmap_read_lock(&mm->mmap_lock, mm_os(mm));
}

static inline void mm_read_unlock(struct mm *mm)
{
	rmap_read_unlock(&mm->mmap_lock, mm_os(mm));
}

static inline void mm_write_lock(struct mm *mm)
{
	rmap_write_lock(&mm->mmap_lock, mm_os(mm));
	MM_DEBUG_ASSERT(mm->sys, mm_valid(mm));
}

/* Releases all VMAs that were marked, too. */
static inline void mm_write_unlock(struct mm *mm)
{
	MM_DEBUG_ASSERT(mm->sys, mm_valid(mm));
	atomic_fetch_add_explicit(&mm->lock_seq, 1, memory_order_seq_cst);
	rmap_write_unlock(&mm->mmap_lock, mm_os(mm));
}

/* No processor has a translation of [start, end) afterwards. PTLs may be held. */
static inline void cpu_flush(struct mm_cpu *cpu, struct mm *mm, uint64_t start, uint64_t end,
			     enum mm_flush why)
{
	COUNT_ON(cpu, tlb_flushes, 1);
	mm->sys->port->tlb_flush(mm->sys->port->ctx, mm, start, end, why);
}

static inline void mm_flush(struct mm *mm, uint64_t start, uint64_t end, enum mm_flush why)
{
	cpu_flush(this_cpu(mm->sys), mm, start, end, why);
}

/* Which rss a mapped page counts in. */
static inline enum rss_kind page_rss_kind(const struct page *page)
{
	if (rmap_page_is_anon(&page->rmap))
		return RSS_ANON;
	return page_test(page, PG_SWAPBACKED) ? RSS_SHMEM : RSS_FILE;
}

static inline void cpu_rss_add(const struct mm_cpu *cpu, struct mm *mm, enum rss_kind kind,
			       int64_t pages)
{
	atomic_fetch_add_explicit(&mm->rss[cpu->number % RSS_SHARES].pages[kind], pages,
				  memory_order_relaxed);
}

static inline void mm_rss_add(struct mm *mm, enum rss_kind kind, int64_t pages)
{
	cpu_rss_add(this_cpu(mm->sys), mm, kind, pages);
}

/* Exact while nobody maps or unmaps; meanwhile it may be below zero. */
static inline int64_t mm_rss(const struct mm *mm, enum rss_kind kind)
{
	int64_t pages = 0;

	for (unsigned int i = 0; i < RSS_SHARES; i++)
		pages += atomic_load_explicit(&mm->rss[i].pages[kind], memory_order_relaxed);
	return pages;
}

#endif
