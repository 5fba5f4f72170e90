/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Users of the reverse map: ageing, taking pages out, migration.
 */
#ifndef MM_RECLAIM_H
#define MM_RECLAIM_H

#include "mm_types.h"

/* ---- unmap.c ---- */

/*
 * How many PTEs have used the page since last asked (their accessed bits are cleared); vm_flags: those of the VMAs that did. A
 * VM_LOCKED VMA ends the walk with VM_LOCKED in vm_flags. -1: a lock was contended. Page lock (locked) or, if
 * it is anonymous, a reference.
 */
int page_referenced(struct mm_system *sys, struct page *page, bool locked, uint64_t *vm_flags);

enum unmap_flags {
	UNMAP_IGNORE_MLOCK = 1 << 0,
	UNMAP_POISON = 1 << 1, /* leave poison entries */
};
/*
 * Take the page out of every page table: anonymous pages (in the swap cache) leave swap entries, lazily freed ones nothing if
 * still clean, file pages nothing. True: nothing maps it now. TLBs are flushed. Page lock held.
 */
bool page_unmap_all(struct mm_system *sys, struct mm_cpu *cpu, struct page *page,
		    unsigned int flags);

/* Write-protect and clean all PTEs of a file page (folio_mkclean); how many were dirty or writable. Page lock held. */
unsigned int page_mkclean(struct mm_system *sys, struct page *page);

/* ---- reclaim.c ---- */

/* Reclaim for an allocation that found too few frames: until nr are freed or nothing more can be. */
uint64_t reclaim_direct(struct mm_system *sys, uint64_t nr);
/* Put these isolated pages out if at all possible (MADV_PAGEOUT); those that stay go back to their list. Returns freed. */
uint64_t reclaim_pages(struct mm_system *sys, struct list_head *pages, bool ignore_references);

/* Everything that can go goes, used or not (hibernation). Returns freed. */
uint64_t reclaim_all(struct mm_system *sys);

/* ---- migrate.c ---- */

/* Move a page with the caller's reference to a new frame. Errors of mm_migrate. */
int migrate_page(struct mm_system *sys, struct page *page);
/* Wait until entry, a migration entry that was met at pte, is gone from there. The caller keeps the table; no spin lock or page lock held. */
void migration_wait(struct mm_system *sys, const pte_t *pte, pte_t entry);

#endif
