/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames and their descriptors.
 *
 * One descriptor of 64 bytes a frame, in one array, so that frame number, descriptor and contents are found from each other
 * by arithmetic.
 *
 * References: all PTEs that map a page hold *one* reference together (taken by the mapping that raises the map count from
 * zero, returned by the one that drops it to zero); the swap cache or a file's page tree holds one; whoever looks at a page
 * outside a PTL holds one; a pin holds PAGE_PIN_BIAS. So fork changes one atomic per page, not two, and "nobody else has it"
 * is: map count 1, and no reference but that of the mapping (and of the swap cache).
 */
#ifndef MM_PAGE_H
#define MM_PAGE_H

#include <rmap/mm.h>

#include "../base/refs.h"

/* Atomic, each bit by itself. Where no lock is named anybody may change it who has the page by a reference or an entry: a hint. */
enum page_flags {
	PG_LOCKED = 1 << 0,  /* the page lock */
	PG_WAITERS = 1 << 1, /* somebody sleeps for it */
	/* on an LRU list, or bound for one in a processor's batch; see PG_LRU_LIST */
	PG_LRU = 1 << 2,
	PG_ACTIVE = 1 << 3,	/* bound for an active list, when it is next put on one */
	PG_REFERENCED = 1 << 4, /* met once by ageing */
	/* contents differ from the store; page lock or PTL + reference */
	PG_DIRTY = 1 << 5,
	/* contents are valid; page lock to set, or nobody else knows the page */
	PG_UPTODATE = 1 << 6,
	PG_WRITEBACK = 1 << 7, /* being written; page lock */
	PG_SWAPCACHE = 1 << 8, /* private is its swap slot; page lock */
	/* goes to swap when reclaimed: anonymous (not MADV_FREEd) or shared memory; page lock, or PTL of an entry */
	PG_SWAPBACKED = 1 << 9,
	PG_UNEVICTABLE = 1 << 11, /* on the unevictable list; LRU lock */
	PG_TABLE = 1 << 12,	  /* holds a page table; fixed until it is freed */
	PG_POISON = 1 << 13, /* the frame has gone bad: never handed out again; page lock to set */
	PG_RESERVED = 1 << 14, /* the zero page: not counted, not freed; fixed */
	/* with LRU: which list it is on (enum lru_list); LRU lock, or on LRU_BATCH that of the processor */
	PG_LRU_LIST = 7 << 16,
	PG_LRU_CPU = 255 << 19, /* on LRU_BATCH: whose */
};

#define PG_LRU_LIST_SHIFT 16
#define PG_LRU_CPU_SHIFT  19

/*
 * How many entries lock it (PTE_MLOCKED): unevictable while there is one. The PTL of the entry. A page that as many lock as can be
 * counted is not told of more: theirs do not say so, and reclaim counts them when it meets them.
 */
#define PG_MLOCKED_ONE	  ((uint32_t)1 << 27)
#define PG_MLOCKED	  ((uint32_t)31 << 27)
#define PG_MLOCKED_MOST	  (PG_MLOCKED / PG_MLOCKED_ONE)

#define PAGE_PIN_BIAS	  1024u
/* Nobody pins what so many hold: the count has 32 bits. */
#define PAGE_REFS_MOST	  ((uint32_t)1 << 31)

struct page {
	struct rmap_page rmap;	/* see rmap.h */
	_Atomic uint32_t flags; /* enum page_flags */
	_Atomic uint32_t refs;	/* 0: free */
	union {
		/* an LRU list, LRU lock; or a processor's batch or its free frames, its lock; or the isolator's own */
		struct list_head lru;
		struct rmap_rcu rcu; /* a table page on its way out */
	};
	union {
		uint64_t private; /* SWAPCACHE: the slot; page lock and swap lock to change */
		struct {
			struct rmap_spinlock ptl; /* TABLE: guards its entries (level 1) */
			/* TABLE above level 1: used entries; table_lock. Level 1 is not counted */
			uint32_t entries;
		};
	};
};

_Static_assert(sizeof(struct page) == 64, "one cache line a frame");

#define page_of_rmap(p) rmap_container_of(p, struct page, rmap)

/*
 * Page tables say in their descriptor where they belong: rmap.mapping is the struct mm, rmap.index the first address that the
 * table translates, rmap.design its level.
 */

enum page_alloc_flags {
	PAGE_ALLOC_ZERO = 1 << 0, /* contents zeroed */
	/* for a page table: contents exist even in a phantom system, implies ZERO */
	PAGE_ALLOC_TABLE = 1 << 1,
	/* fail rather than reclaim (reclaim itself, callers with spin locks) */
	PAGE_ALLOC_NO_RECLAIM = 1 << 2,
	PAGE_ALLOC_RESERVE = 1 << 3, /* may use the frames below the min watermark */
};

enum lru_list {
	LRU_INACTIVE_ANON,
	LRU_ACTIVE_ANON,
	LRU_INACTIVE_FILE,
	LRU_ACTIVE_FILE,
	LRU_UNEVICTABLE,
	LRU_LISTS,
	LRU_BATCH = 7, /* none yet: in a processor's batch (cpu.h) */
};

struct mm_cpu;

/* ---- frames.c ---- */

/* All frames of the port are free, and untouched, but for the first: the zero page. */
void frames_init(struct mm_system *sys);
void frames_destroy(struct mm_system *sys);

/*
 * A frame with one reference, on no list, no owner; NULL: none, even after direct reclaim. No PTL, rmap lock or LRU lock held;
 * page locks may be (reclaim only tries them). Not UPTODATE, flags 0.
 */
struct page *page_alloc(struct mm_system *sys, unsigned int flags);
/* The same for one who knows the processor. */
struct page *page_alloc_on(struct mm_system *sys, struct mm_cpu *cpu, unsigned int flags);

/* Called by page_put at zero: owner cleared, off the LRU, back to the free list (or kept forever if poisoned). */
void page_free(struct mm_system *sys, struct page *page);
/* The same for many at once, by fewer locks; in the order in which they are given. */
void pages_free(struct mm_system *sys, struct page *const *pages, unsigned int nr);

/* Give back what processors keep to themselves. Spin locks above the CPU lock may be held. True: there was something. */
bool frames_drain(struct mm_system *sys);
/* Frames that nobody has. Exact while nobody takes or gives one. */
uint64_t frames_free(const struct mm_system *sys);

static inline bool page_test(const struct page *page, uint32_t flag)
{
	return atomic_load_explicit(&page->flags, memory_order_relaxed) & flag;
}

/* Both return whether the flag was set before. Cheap where it already is as wanted. */
static inline bool page_set(struct page *page, uint32_t flag)
{
	if (page_test(page, flag))
		return true;
	return atomic_fetch_or_explicit(&page->flags, flag, memory_order_acq_rel) & flag;
}

/* The first flags of a page that nobody else knows. */
static inline void page_set_first(struct page *page, uint32_t flags)
{
	atomic_store_explicit(&page->flags,
			      atomic_load_explicit(&page->flags, memory_order_relaxed) | flags,
			      memory_order_relaxed);
}

static inline bool page_clear(struct page *page, uint32_t flag)
{
	if (!page_test(page, flag))
		return false;
	return atomic_fetch_and_explicit(&page->flags, ~flag, memory_order_acq_rel) & flag;
}

/* Entries that lock it. */
static inline uint32_t page_mlocks(const struct page *page)
{
	return (atomic_load_explicit(&page->flags, memory_order_relaxed) & PG_MLOCKED) /
	       PG_MLOCKED_ONE;
}

static inline uint32_t page_refs(const struct page *page)
{
	return atomic_load_explicit(&page->refs, memory_order_acquire);
}

/* One more reference to a page that has one. */
static inline void page_get(struct page *page)
{
	atomic_fetch_add_explicit(&page->refs, 1, memory_order_relaxed);
}

/* One more reference unless it is being freed: for those who found it without holding one. */
static inline bool page_try_get(struct page *page)
{
	return refs_try_get(&page->refs);
}

/* n references less; the last one frees it. Spin locks above the CPU lock may be held. */
static inline void page_put_n(struct mm_system *sys, struct page *page, uint32_t n)
{
	if (atomic_fetch_sub_explicit(&page->refs, n, memory_order_acq_rel) == n)
		page_free(sys, page);
}

/* One reference less. True: it was the last, and the caller passes the page to pages_free(). */
static inline bool page_put_is_last(struct page *page)
{
	return atomic_fetch_sub_explicit(&page->refs, 1, memory_order_acq_rel) == 1;
}

static inline void page_put(struct mm_system *sys, struct page *page)
{
	page_put_n(sys, page, 1);
}

/* May a pin be held? Plain references beyond a thousand look like one, which only costs a copy. */
static inline bool page_maybe_pinned(const struct page *page)
{
	return page_refs(page) >= PAGE_PIN_BIAS;
}

/* The page lock. Sleeps; trylock does not. */
void page_lock(struct mm_system *sys, struct page *page);
bool page_trylock(struct page *page);
void page_unlock(struct mm_system *sys, struct page *page);
/* Sleep until who has the page's lock lets go of it, or for a shorter time; whose it is then is open. At once where nobody has it. */
void page_wait(struct mm_system *sys, struct page *page);

/* Contents; nothing in a phantom system (and tables are never reached by these). */
void page_zero(struct mm_system *sys, struct page *page);
void page_copy(struct mm_system *sys, struct page *dst, struct page *src);

/* ---- lru.c ---- */

void lru_init(struct mm_system *sys);
/* The list that a page's flags ask for. Lazily freed pages (anonymous, not SWAPBACKED) age with the files', as on Linux. */
enum lru_list lru_list_of(const struct page *page);
/* The list that a page is on, perhaps LRU_BATCH; LRU lock or that of the processor held (else it is a guess), PG_LRU set. */
static inline enum lru_list lru_list_on(const struct page *page)
{
	return (enum lru_list)(
		(atomic_load_explicit(&page->flags, memory_order_relaxed) & PG_LRU_LIST) >>
		PG_LRU_LIST_SHIFT);
}
/*
 * Put a page that is on no list on the one that its flags say (SWAPBACKED or anonymous-and-lazyfree, ACTIVE, MLOCKED), by way of the
 * processor's batch. It stays there until lru_del() or page_free(); no reference is held by a list or a batch.
 */
void lru_add(struct mm_system *sys, struct page *page);
/* The same for one who knows the processor. */
void lru_add_on(struct mm_system *sys, struct mm_cpu *cpu, struct page *page);
/* The same, at once: for one who looks at the lists' sizes. */
void lru_put_back(struct mm_system *sys, struct page *page);
/* Whoever put a page in a batch before now finds it on its list. */
void lru_drain(struct mm_system *sys);
/* Pages that are being freed go off their lists. What their flags say about that stays: nobody but the caller reads them any more. */
void lru_forget(struct mm_system *sys, struct page *const *pages, unsigned int nr);
/* Off its list; false if it was on none. The caller has a reference. */
bool lru_del(struct mm_system *sys, struct page *page);
/*
 * Isolate these, to each of which the caller has a reference: each off its list, linked by lru at the end of out. Returns how many
 * were on none; they stand at the beginning of pages then.
 */
unsigned int lru_take(struct mm_system *sys, struct page **pages, unsigned int nr,
		      struct list_head *out);
/* To the head of the list that its flags now say; nothing if it is on none (its isolator will put it back). */
void lru_move(struct mm_system *sys, struct page *page);
/* Touched through a call or found referenced by zapping: first time REFERENCED, second time active. */
void lru_mark_accessed(struct mm_system *sys, struct page *page);
/*
 * Isolate up to max pages from the tail of a list for the caller: each off the list, with a reference, linked by lru on out.
 * Pages that are being freed are passed by. Returns how many.
 */
unsigned int lru_isolate(struct mm_system *sys, enum lru_list list, unsigned int max,
			 struct list_head *out);
/*
 * One more entry locks the page in memory, or one less; the first and the last move it to and from the unevictable list. The PTL of
 * the entry, which says so, is held. False: more cannot be counted.
 */
bool lru_mlock(struct mm_system *sys, struct page *page);
void lru_munlock(struct mm_system *sys, struct page *page);

#endif
