/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Swap: slots, how many entries refer to each, and the swap cache.
 *
 * A slot is one page on the swap device. Its count is the number of swap entries in page tables (and of shared memory files)
 * that refer to it; the cache, a pointer in the slot, is not counted but keeps the slot in use. A page in the cache holds the
 * same contents; it is found here by all who share the slot, so that they end up with one page again.
 */
#ifndef MM_SWAP_H
#define MM_SWAP_H

#include <rmap/mm.h>

struct mm_cpu;
struct page;

struct swap_slot {
	union {
		struct rmap_slot rmap; /* ANON: tier 1's, see there; swap.lock */
		/* not USED: the next free slot, or SWAP_NONE; swap.lock */
		uint64_t next_free;
	};
	struct page *cache; /* swap.lock */
	uint32_t count;	    /* entries; swap.lock */
	uint32_t flags;	    /* enum swap_slot_flags; swap.lock */
};

/* Only who has made it DRAINING ends that: one swapoff at a time. */
enum swap_state {
	SWAP_ON,       /* slots are given out */
	SWAP_DRAINING, /* no more: a swapoff is under way */
	SWAP_OFF,      /* no more, and none is in use */
};

enum swap_slot_flags {
	SWAP_SLOT_BAD = 1 << 0,	 /* I/O failed here: never used again */
	SWAP_SLOT_USED = 1 << 1, /* count > 0, or cached, or being filled */
	SWAP_SLOT_ANON = 1 << 2, /* was filled from an anonymous page: tier 1 knows it */
};

struct swap_map {
	struct rmap_spinlock lock;     /* RMAP_LOCK_SWAP */
	struct swap_slot *slots;       /* nr_slots of them; fixed */
	uint64_t nr_slots;	       /* fixed */
	uint64_t used;		       /* lock */
	uint64_t cached;	       /* lock */
	uint64_t bad;		       /* slots that are BAD; lock */
	uint64_t next;		       /* slots from here on were never used; lock */
	uint64_t free;		       /* the first freed slot, or SWAP_NONE; lock */
	enum swap_state state;	       /* lock */
	struct rmap_spinlock mms_lock; /* RMAP_LOCK_MM_LIST */
	/* struct mm.swap_list: address spaces that may have swap entries; mms_lock */
	struct list_head mms;
};

#define SWAP_NONE UINT64_MAX

int swap_init(struct mm_system *sys);
void swap_destroy(struct mm_system *sys);

/* Give slots free that only the cache still uses: of pages that were busy when their last entry went. Sleeps for page locks. */
void swap_drop_caches(struct mm_system *sys);

/*
 * Give a locked page a slot and put it in the swap cache (which takes a reference). False: swap is full or off. Never allocates.
 */
bool swap_add(struct mm_system *sys, struct page *page);
/* Take a locked page that is not under write-back out of the cache; the slot is freed if no entry is left. */
void swap_cache_del(struct mm_system *sys, struct page *page);
/* Migration: new takes old's place in the cache, and the cache's reference. Both page locks held. */
void swap_cache_replace(struct mm_system *sys, struct page *old, struct page *new_page);
/* If no entry refers to the page's slot, take it out of the cache (folio_free_swap). Page locked. True: it is out. */
bool swap_try_free(struct mm_system *sys, struct page *page);

/*
 * Who held a reference of the page is about to return it: if nothing maps it and no entry names its slot, it leaves the cache. Does
 * not sleep; page not locked by the caller.
 */
void swap_leave(struct mm_system *sys, struct page *page);
/*
 * Return the reference of a page that may be of no use to anybody now: if nothing maps it and no entry names its slot, it leaves
 * the cache, too. Does not sleep; page not locked by the caller.
 */
void swap_put_page(struct mm_system *sys, struct page *page);
/*
 * Reclaim: take a locked, clean, unmapped page with no reference but the cache's and the caller's out of the cache. True: only
 * the caller's is left.
 */
bool swap_cache_reclaim(struct mm_system *sys, struct page *page);
/* Could reclaim find a slot for one more page, or drop a page that has one? */
bool swap_has_room(struct mm_system *sys);
/* More than half of it is in use: pages that are used again give their slots back. */
bool swap_is_tight(struct mm_system *sys);
/* The page, which has a slot, goes out by it once more. False: I/O to the slot has failed. Page lock. */
bool swap_slot_again(struct mm_system *sys, struct page *page);
/* Does swapoff run, or has it run? */
bool swap_is_off(struct mm_system *sys);

/*
 * One more entry, before it is there, exclusive or not: of the mapped page that caches the slot (page lock), or, page NULL, a fork's copy
 * of another entry. One less (the last one frees the slot, unless cached). Slots in use.
 */
void swap_dup(struct mm_system *sys, uint64_t slot, struct page *page, bool exclusive);
void swap_free(struct mm_system *sys, uint64_t slot);
uint32_t swap_count(struct mm_system *sys, uint64_t slot);
/* Is its page in memory? Until that was written the slot holds something else. */
bool swap_is_cached(struct mm_system *sys, uint64_t slot);
/* The slot of a page in the swap cache, and its entries; false: it is not there. For views, which have no page lock. */
bool swap_slot_of(struct mm_system *sys, const struct page *page, uint64_t *slot, uint32_t *count);

/* The page that caches slot, with a reference, or NULL. It may leave the cache before its lock is taken: look again. */
struct page *swap_cache_get(struct mm_system *sys, uint64_t slot);

/*
 * The page with slot's contents, locked, with a reference, in the swap cache, up to date; reads it where needed. *page NULL and
 * 0: the slot was freed or changed meanwhile (look at the entry again). RMAP_ENOMEM, RMAP_EIO. *was_cached: no I/O. Sleeps.
 */
int swap_read_page(struct mm_system *sys, uint64_t slot, struct page **page, bool *was_cached);
/* Would that take no waiting now, neither for the store nor for the page's lock? */
bool swap_is_ready(struct mm_system *sys, uint64_t slot);
/* page, of which the caller has a reference, locked, if it still caches slot; else NULL, and the reference is gone. Sleeps. */
struct page *swap_lock_page(struct mm_system *sys, struct page *page, uint64_t slot);
/*
 * Write a locked swap-cache page to its slot: 0 (it is clean now; or no entry names the slot, and what it holds is of no use to
 * anybody), or RMAP_EIO (it is dirty again).
 */
int swap_write_page(struct mm_system *sys, struct mm_cpu *cpu, struct page *page);

/* This mm has, or will at once have, swap entries. */
void swap_note_mm(struct mm_system *sys, struct mm *mm);
/* and this one never will again (exit). */
void swap_forget_mm(struct mm_system *sys, struct mm *mm);

#endif
