/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One machine: the frames, swap, files and address spaces that belong together, and what counts them.
 */
#ifndef MM_SYSTEM_H
#define MM_SYSTEM_H

#include <rmap/mm.h>

#include "cpu.h"
#include "page.h"
#include "swap.h"

struct mm_system {
	const struct mm_port *port; /* fixed */
	struct rmap_port rmap_port; /* port->os with our page tables; fixed */
	struct mm_config config;    /* with defaults filled in; fixed */
	struct rmap rmap;	    /* its own locks */

	unsigned char *frames;	/* port->frames; fixed */
	struct page *pages;	/* port->descriptors; fixed */
	uint64_t nr_frames;	/* fixed */
	struct page *zero_page; /* fixed */

	uint64_t watermark[3]; /* min, low, high; fixed */
	uint64_t plenty;       /* with fewer free frames no processor has a credit; fixed */
	struct mm_cpu *cpus;   /* cpu.h; fixed */
	uint32_t nr_cpus;      /* fixed */
	uint32_t fresh_run;    /* frames that are first used by one processor, at least; fixed */
	uint32_t frame_batch, lru_batch; /* what one keeps to itself, see cpu.h; fixed */
	size_t bytes;			 /* this, and cpus behind it; fixed */

	/* What is above is only read. What is below is written, each part by itself. */
	char gap_frames[CPU_LINES];
	_Atomic uint64_t nr_free;	 /* but for what processors have as a credit */
	struct rmap_spinlock frame_lock; /* RMAP_LOCK_FRAMES */
	/* frames from here on were never used; frame_lock */
	uint64_t untouched;

	char gap_lru[CPU_LINES];
	struct rmap_spinlock lru_lock;	    /* RMAP_LOCK_LRU */
	struct list_head lru[LRU_LISTS];    /* lru_lock */
	_Atomic uint64_t nr_lru[LRU_LISTS]; /* changed under lru_lock */
	/* Has an entry not been counted because its page could count no more? Have entries that were counted been forgotten? For the checker. */
	_Atomic bool mlock_full, mlock_stranded;

	char gap_swap[CPU_LINES];
	struct swap_map swap; /* see swap.h */

	char gap_lists[CPU_LINES];
	struct rmap_spinlock list_lock; /* RMAP_LOCK_SYSTEM: files */
	struct list_head files;		/* struct mm_file.list; list_lock */
	_Atomic uint64_t next_id;	/* what no processor has taken; the same for origins */
	_Atomic uint64_t next_origin;

	/* Tier 2's objects: of which size (kinds of one size), their bytes (kinds of many), and of all. Atomics. */
	_Atomic uint64_t object_size[RMAP_KINDS];
	_Atomic uint64_t various_bytes[RMAP_KINDS];
	struct rmap_gauge_total object_bytes;
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

/* The processor that we are on, or were. */
static inline struct mm_cpu *this_cpu(const struct mm_system *sys)
{
	const struct rmap_port *os = &sys->port->os;
	uint32_t number = sys->nr_cpus == 1 ? 0 : os->cpu(os->ctx);

	MM_DEBUG_ASSERT(sys, number < sys->nr_cpus);
	return &sys->cpus[number];
}

/* n pages more, or fewer, of a sum. */
static inline void cpu_sum_add(struct mm_cpu *cpu, enum mm_sum sum, int64_t n)
{
	atomic_fetch_add_explicit(&cpu->sum[sum], n, memory_order_relaxed);
}

static inline void sum_add(struct mm_system *sys, enum mm_sum sum, int64_t n)
{
	cpu_sum_add(this_cpu(sys), sum, n);
}

/* Count n events: COUNT(sys, fault_cow_copy, 1); COUNT_ON(cpu, …) for one who knows the processor. */
#define COUNT_ON(cpu, name, n)                                                                     \
	((void)atomic_fetch_add_explicit(                                                          \
		&(cpu)->count.v[offsetof(struct mm_counters, name) / sizeof(uint64_t)],            \
		(uint64_t)(n), memory_order_relaxed))
#define COUNT(sys, name, n) COUNT_ON(this_cpu(sys), name, n)

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

/* ---- cpu.c ---- */

/* How many processors a port has, 1 to CPU_MAX. */
uint32_t cpus_wanted(const struct mm_port *port);
/* All of sys->cpus and what follows from their number; the watermarks are known. */
void cpus_init(struct mm_system *sys);
/* Over all processors; exact while nobody counts. */
uint64_t sum_all(const struct mm_system *sys, enum mm_sum sum);
/* The same for the figure of struct mm_counters that stands at that place. */
uint64_t count_of(const struct mm_system *sys, size_t counter);
/* Let it be n, whatever was counted until now; nobody counts. */
void count_set(struct mm_system *sys, size_t counter, uint64_t n);

/* A number for an address space or a file. */
uint64_t take_id(struct mm_system *sys);
/* The first of n numbers, one behind the other, for origins of anonymous pages. */
uint64_t take_origins(struct mm_system *sys, uint64_t n);
/* Those up to last are taken; nobody takes one meanwhile. */
void origins_reserve(struct mm_system *sys, uint64_t last);

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
 * Charge pages of VM_ACCOUNT memory on behalf of mm (whose capabilities and size count: mmap held, or nobody else knows it). 0 or
 * RMAP_ENOMEM by the overcommit rule. Returned by mm_uncharge.
 */
int mm_charge(struct mm *mm, uint64_t pages);
void mm_uncharge(struct mm_system *sys, uint64_t pages);
/* For who charges for many VMAs in a row: what need not be counted at once grows *later, which mm_commit() gets in the end. */
int mm_charge_later(struct mm *mm, uint64_t pages, int64_t *later);
/* Can all that is promised be kept by what there is, as the rule sees it? Swapoff asks when its slots do not count any more. */
bool mm_commit_holds(struct mm_system *sys);
/*
 * So many pages more, or fewer, are promised, whatever the rule says. What all promises come to, where the rule asks for that (they
 * are counted in one place then), else what the processor knows of.
 */
uint64_t mm_commit(struct mm_system *sys, int64_t pages);

#endif
