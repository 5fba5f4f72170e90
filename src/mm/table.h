/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables: descending, making, clearing, moving and copying entries.
 *
 * Upper entries are set under mm->table_lock and followed without a lock; level 1 entries are guarded by the PTL in the
 * descriptor of their table page. A table page is freed after a grace period, once no VMA that reached it is in any tree of
 * tier 1.
 */
#ifndef MM_TABLE_H
#define MM_TABLE_H

#include "mm_types.h"

/* ---- table.c ---- */

/* The slot for addr, or NULL where a table is missing. No lock is taken: table_lock_slot() before using it. */
pte_t *table_find(const struct mm *mm, uint64_t addr);
/* The same, making missing tables. NULL: no memory. Sleeps. */
pte_t *table_make(struct mm *mm, uint64_t addr);
/* First address at or above addr whose level 1 table exists, below end; end if none. Skips missing upper tables whole. */
uint64_t table_next(const struct mm *mm, uint64_t addr, uint64_t end);

/* The PTL of the table that a slot lies in. */
static inline struct rmap_spinlock *table_ptl(const struct mm_system *sys, const pte_t *pte)
{
	return &page_of_address(sys, pte)->ptl;
}

/* End of the range that addr's level 1 table translates, or end if that comes first. */
static inline uint64_t table_end(uint64_t addr, uint64_t end)
{
	uint64_t boundary = (addr | ((1ull << PT_LEVEL_SHIFT(2)) - 1)) + 1;

	return boundary < end ? boundary : end;
}

/* Make the top table of a new mm. 0 or RMAP_ENOMEM. Free it. */
int table_init(struct mm *mm);
void table_destroy(struct mm *mm);
/*
 * Free the tables that translate only addresses in [floor, ceiling) and lie in [start, end): their entries are all empty and no
 * VMA reaches them. mmap write.
 */
void table_free_range(struct mm *mm, uint64_t start, uint64_t end, uint64_t floor,
		      uint64_t ceiling);

/* The callbacks by which tier 1 reads our tables. */
void table_fill_port(struct mm_system *sys, struct rmap_port *port);

/* ---- gather.c: what was unmapped is freed only after the TLBs forgot it ---- */

#define GATHER_PAGES 64

struct gather {
	struct mm *mm;
	enum mm_flush why;
	uint64_t start, end; /* to be flushed; start > end: nothing */
	/* What the entries of this table have changed; settled before its PTL is dropped. */
	int64_t rss[RSS_KINDS];
	unsigned int nr;
	struct page *pages[GATHER_PAGES]; /* one reference each to return after the flush */
};

void gather_begin(struct gather *g, struct mm *mm, enum mm_flush why);
/* A present entry for addr went away or lost rights. */
static inline void gather_address(struct gather *g, uint64_t addr)
{
	if (addr < g->start)
		g->start = addr;
	if (addr + RMAP_PAGE_SIZE > g->end)
		g->end = addr + RMAP_PAGE_SIZE;
}
/* This page's reference is to be returned. True: full, call gather_flush() before the next (PTL may be held: pages are freed then). */
static inline bool gather_page(struct gather *g, struct page *page)
{
	g->pages[g->nr++] = page;
	return g->nr == GATHER_PAGES;
}
void gather_flush(struct gather *g);
/* Add up rss. The PTL of the entries that it is about is held. */
void gather_settle(struct gather *g);
void gather_end(struct gather *g);

/* ---- zap.c ---- */

enum zap_what {
	ZAP_ALL, /* everything: munmap, exit, DONTNEED */
	/* only pages of the file, not private copies: hole punching, invalidation */
	ZAP_KEEP_PRIVATE,
};

/*
 * Empty all entries of vma in [start, end): unmap pages, free swap entries, count rss. mmap read or write, or the rmap lock of the
 * file (truncation).
 */
void zap_range(struct gather *g, struct vma *vma, uint64_t start, uint64_t end, enum zap_what what);

/* ---- protect.c ---- */

/* Give all present entries of vma in [start, end) the rights of vma->flags (write only where no COW or dirty tracking is due). */
void protect_range(struct gather *g, struct vma *vma, uint64_t start, uint64_t end);

/* ---- move.c ---- */

/*
 * Move the entries of [old_addr, +len) of src to new_addr of dst, of the same mm. Returns the bytes that were moved: less than
 * len where a table could not be made. need_rmap_locks: see rmap_move_begin(). mmap write.
 */
uint64_t move_range(struct vma *dst, uint64_t new_addr, struct vma *src, uint64_t old_addr,
		    uint64_t len, bool merged);

/* ---- copy.c ---- */

/*
 * fork: give dst's mm the entries of src, of another mm; both sides become write-protected where private. 0, or RMAP_ENOMEM
 * with dst half filled. Both mmap write. *total grows; the caller adds its rss to dst's mm, once for all VMAs (until then what
 * reclaim takes away may leave the mm's figure below zero).
 */
struct copied {
	struct rmap_reserve reserve; /* what one VMA left over; whoever forks gives it back */
	uint64_t ptes;
	int64_t rss[RSS_KINDS];
};
int copy_range(struct vma *dst, struct vma *src, struct copied *total);

/* ---- fault.c and its cases ---- */

/* What a fault waits for without a lock, and what came of it. Its own. Before it waits nothing but what is set. */
struct fault_wait {
	enum {
		WAIT_NEVER,   /* the caller cannot let go of his lock */
		WAIT_NOT_YET, /* for nothing so far */
		WAIT_SLOT,
		WAIT_FILE,
		WAIT_PAGE,
	} what;
	int error;	      /* what came of it: the device's, or RMAP_ENOMEM; not PAGE */
	uint64_t at;	      /* the slot; the page's place in the file */
	struct mm_file *file; /* with a reference until it was waited for */
	uint64_t file_id;     /* the same file, for afterwards */
	struct page *page;    /* with a reference: what came of it, or NULL; PAGE: which */
};

/* One fault under way. What names no VMA, entry or lock yet when it begins is not set before it is known. */
struct fault {
	struct mm *mm;
	struct mm_cpu *cpu; /* where the fault began */
	struct vma *vma;
	uint64_t addr; /* page aligned */
	bool write;
	bool unshare;	 /* read, but the page must become exclusive (long-term pin) */
	bool vma_locked; /* the VMA's lock is held, not mmap_lock */
	/* write although the VMA forbids it (debugger): the PTE stays read-only */
	bool force;
	pte_t *pte;
	struct rmap_spinlock *ptl;
	pte_t old; /* what stood there when the fault began */
	struct fault_wait wait;
};

/* Not an error: the fault needs mmap_lock (for reading), and only the VMA's lock is held. Nothing was done. */
#define FAULT_NEEDS_MMAP 1
/*
 * Not an error: the fault has to wait for a store, or for who waits for it. Nothing was done. Whoever let it wait lets go
 * of his locks, calls fault_wait(), and does all again.
 */
#define FAULT_NEEDS_PAGE 2

/*
 * Handle one fault in vma, mmap_lock or the VMA's lock held for reading at least, addr inside vma, rights checked. Errors of
 * mm_fault, FAULT_NEEDS_MMAP, FAULT_NEEDS_PAGE.
 */
int fault_handle(struct fault *f);
/* vma_prepare_anon() on behalf of a fault, where its locks allow that. */
int fault_prepare_anon(struct fault *f);

/* ---- fault_wait.c ---- */

/* May this fault let go now, once, where it has to wait? */
static inline bool fault_may_wait(const struct fault *f)
{
	return f->wait.what == WAIT_NOT_YET && !f->mm->sys->config.phantom;
}

/* This file's page is to be waited for by f, which may, and ends with FAULT_NEEDS_PAGE. */
void fault_wait_file(struct fault *f, struct mm_file *file, uint64_t index);
/* Lock page. False: the fault ends with FAULT_NEEDS_PAGE; the caller's reference has gone to its wait. */
bool fault_lock_page(struct fault *f, struct page *page);

/* Wait for what f said, that ended with FAULT_NEEDS_PAGE. No lock held. */
void fault_wait(struct mm_system *sys, struct fault_wait *wait);
/* It has been done again, or will not be: the next one may let go. No page's lock held. Nothing where none waited. */
void fault_wait_end(struct mm_system *sys, struct fault_wait *wait);

/* ---- the cases ---- */

/* The case of a page of a file (fault_file.c): no entry there. */
int fault_file(struct fault *f);
/* Write to a page of a file mapped read-only in a shared VMA: dirty tracking (fault_file.c). PTL held on entry, released. */
int fault_file_mkwrite(struct fault *f, struct page *page);
/* The case of a swap entry (fault_swap.c). */
int fault_swap(struct fault *f);
/*
 * The page that the swap cache has for f->old, which is locked, may not be mapped here under this design (rmap_page_fits()): a copy
 * is. 0 also where somebody was first; RMAP_ENOMEM.
 */
int fault_swap_copy(struct fault *f, struct page *cached);
/* Write to a page mapped read-only in a private VMA, or of an exclusive page (fault_cow.c). PTL held on entry, released. */
int fault_cow(struct fault *f);
/*
 * Install a new exclusive anonymous page, whose contents are ready, over f->old if that still stands; what was mapped there is
 * unmapped after it. Consumes the caller's reference to page (maps or frees it). vma_prepare_anon() was done. False when somebody was
 * first.
 */
bool fault_install_anon(struct fault *f, struct page *page);
/* The same checks and the same fault that a processor would raise at addr (page aligned), for pins and forced writes. */
int fault_on_behalf(struct mm *mm, uint64_t addr, bool write, bool unshare, bool force);

#endif
