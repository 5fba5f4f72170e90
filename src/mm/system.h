/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One machine: the frames, swap, files and address spaces that belong together, and what counts them.
 */
#ifndef MM_SYSTEM_H
#define MM_SYSTEM_H

#include <rmap/mm.h>

#include "page.h"
#include "swap.h"

/* struct mm_counters in atomics, by the same names: see COUNT(). */
struct mm_atomic_counters {
	_Atomic uint64_t v[sizeof(struct mm_counters) / sizeof(uint64_t)];
};

struct mm_system {
	const struct mm_port *port; /* fixed */
	struct rmap_port rmap_port; /* port->os with our page tables; fixed */
	struct mm_config config;    /* with defaults filled in; fixed */
	struct rmap rmap;	    /* its own locks */

	unsigned char *frames;	/* port->frames; fixed */
	struct page *pages;	/* port->descriptors; fixed */
	uint64_t nr_frames;	/* fixed */
	struct page *zero_page; /* fixed */

	struct rmap_spinlock frame_lock; /* RMAP_LOCK_FRAMES */
	struct list_head free_frames;	 /* frame_lock; last freed first */
	_Atomic uint64_t nr_free;	 /* changed under frame_lock */
	/* frames from here on were never used; frame_lock */
	uint64_t untouched;
	uint64_t watermark[3]; /* min, low, high; fixed */

	struct rmap_spinlock lru_lock;	    /* RMAP_LOCK_LRU */
	struct list_head lru[LRU_LISTS];    /* lru_lock */
	_Atomic uint64_t nr_lru[LRU_LISTS]; /* changed under lru_lock */
	/* frames; atomics */
	_Atomic uint64_t nr_tables, nr_anon, nr_file, nr_shmem, nr_dirty;

	struct swap_map swap; /* see swap.h */

	_Atomic uint64_t committed; /* pages of VM_ACCOUNT memory; atomic */

	struct rmap_spinlock list_lock; /* RMAP_LOCK_SYSTEM: mms and files */
	struct list_head mms;		/* struct mm.list; list_lock */
	struct list_head files;		/* struct mm_file.list; list_lock */
	_Atomic uint64_t next_id;	/* for mms and files */
	_Atomic uint64_t next_group;	/* anonymous origins: see vma.h */

	/* Tier 2's objects: how many live, of which size (kinds of one size), their bytes (kinds of many), and of all. Atomics. */
	_Atomic uint64_t objects[RMAP_KINDS];
	_Atomic uint64_t object_size[RMAP_KINDS];
	_Atomic uint64_t various_bytes[RMAP_KINDS];
	_Atomic uint64_t object_bytes, peak_object_bytes;
	struct mm_atomic_counters count;
};

enum { WATERMARK_MIN, WATERMARK_LOW, WATERMARK_HIGH };

/* Not by way of RMAP_ASSERT: the sentence is to show the condition as it stands, its macros not expanded. */
#define MM_ASSERT(sys, cond)                                                                       \
	do {                                                                                       \
		const struct rmap_port *assert_os = &(sys)->port->os;                              \
		if (rmap_unlikely(!(cond)))                                                        \
			assert_os->panic(assert_os->ctx, __FILE__, __LINE__, #cond);               \
	} while (0)

/* Dear ones: only where RMAP_DEBUG is set. */
#ifdef RMAP_DEBUG
#define MM_DEBUG_ASSERT(sys, cond) MM_ASSERT(sys, cond)
#else
#define MM_DEBUG_ASSERT(sys, cond) ((void)sizeof(!(cond)), (void)(sys))
#endif

/* Does sys behave as Linux did from that release on? The whole list is in docs/mm.md. */
static inline bool mm_since(const struct mm_system *sys, uint32_t major, uint32_t minor)
{
	return sys->config.release >= MM_RELEASE(major, minor);
}

/* Count n events: COUNT(sys, fault_cow_copy, 1). */
#define COUNT(sys, name, n)                                                                        \
	((void)atomic_fetch_add_explicit(                                                          \
		&(sys)->count.v[offsetof(struct mm_counters, name) / sizeof(uint64_t)],            \
		(uint64_t)(n), memory_order_relaxed))

static inline struct page *pfn_to_page(const struct mm_system *sys, uint64_t pfn)
{
	return &sys->pages[pfn];
}

static inline uint64_t page_to_pfn(const struct mm_system *sys, const struct page *page)
{
	return (uint64_t)(page - sys->pages);
}

/* Where the frame is; for tables always, for data not in a phantom system (page_data). */
static inline void *page_address(const struct mm_system *sys, const struct page *page)
{
	return sys->frames + (page_to_pfn(sys, page) << RMAP_PAGE_SHIFT);
}

/* Contents of a data page, NULL in a phantom system. */
static inline void *page_data(const struct mm_system *sys, const struct page *page)
{
	return sys->config.phantom ? NULL : page_address(sys, page);
}

/* The descriptor of the frame that an entry (or anything in a frame) lies in. */
static inline struct page *page_of_address(const struct mm_system *sys, const void *p)
{
	return &sys->pages[(uint64_t)((const unsigned char *)p - sys->frames) >> RMAP_PAGE_SHIFT];
}

/* ---- system.c ---- */

/* Objects of tier 2, counted. NULL: no memory. Rules as rmap_port.alloc. */
void *mm_alloc(struct mm_system *sys, enum rmap_kind kind, size_t size);
void mm_free(struct mm_system *sys, enum rmap_kind kind, void *object, size_t size);

/* Free object (which contains rcu at its beginning or anywhere) by func after a grace period. */
static inline void mm_call_rcu(struct mm_system *sys, struct rmap_rcu *rcu,
			       void (*func)(void *ctx, struct rmap_rcu *rcu))
{
	sys->port->os.call_rcu(sys->port->os.ctx, rcu, func);
}

/* ---- overcommit.c ---- */

/*
 * Charge pages of VM_ACCOUNT memory on behalf of mm (whose capabilities and size count). 0 or RMAP_ENOMEM by the overcommit
 * rule. Returned by mm_uncharge.
 */
int mm_charge(struct mm *mm, uint64_t pages);
void mm_uncharge(struct mm_system *sys, uint64_t pages);

#endif
