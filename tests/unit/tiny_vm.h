/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tiny virtual memory manager for tests of tier 1: flat page tables, one spin lock per table, pages from a fixed pool.
 *
 * It does what a kernel would around the reverse map and nothing more, and it keeps the truth (its page tables) apart from what
 * the reverse map believes, so that tiny_check() can hold one against the other. Its port injects failed allocations, reuses
 * type-stable objects as fast as the contract allows, and calls hooks where a test wants to interleave something.
 *
 * Threads: each tiny_mm belongs to one thread at a time; walks may come from any.
 */
#ifndef TINY_VM_H
#define TINY_VM_H

#include <pthread.h>

#include <rmap/rmap.h>

#define TINY_SLOTS 64u	 /* pages of one address space */
#define TINY_POOL  8192u /* pages of all */
#define TINY_VMAS  32u
#define TINY_MMS   1100u

struct tiny_page {
	struct rmap_page rmap;
	_Atomic uint32_t refs; /* one per PTE, one per holder */
	uint32_t value;	       /* the contents */
};

enum tiny_kind {
	TINY_NONE,
	TINY_PRESENT,
	TINY_MIGRATION, /* page is the new page */
	TINY_SWAP,
};

struct tiny_slot {
	struct rmap_slot rmap;
	struct tiny_page *cached; /* the swap cache; holds a reference */
	uint32_t entries;
	uint32_t value;
};

struct tiny_pte {
	enum tiny_kind kind;
	bool exclusive; /* of an entry */
	struct tiny_page *page;
	struct tiny_slot *slot;
};

struct tiny_vma {
	struct rmap_vma rmap;
};

struct tiny_mm {
	struct rmap_mm rmap;
	struct tiny_vm *vm;
	struct rmap_spinlock ptl;
	struct tiny_pte pte[TINY_SLOTS]; /* ptl */
	struct tiny_vma *vma[TINY_VMAS]; /* by address */
	unsigned int nr_vmas;
};

struct tiny_vm {
	struct rmap rmap;
	struct rmap_port port;
	pthread_mutex_t lock; /* below; and the free lists */
	struct tiny_mm *mm[TINY_MMS];
	unsigned int nr_mms;
	struct tiny_page *pool;
	uint32_t *free_pages;
	uint32_t nr_free;
	void *free_objects[RMAP_KINDS]; /* type-stable: last freed, first reused */
	/* Counted from 1; 0: never. Not changed while threads run. */
	uint64_t fail_at;
	uint64_t allocs;
	int64_t outstanding;
	/* Called with arg when a lock must wait; NULL: spin. */
	void (*on_wait)(void *arg);
	void *on_wait_arg;
};

struct tiny_vm *tiny_vm_new(void);
/* All address spaces have exited; fails the test if anything is left. What a failed test leaves is left alone. */
void tiny_vm_free(struct tiny_vm *vm);
/* The same as a test's fixtures: *state is the machine. */
int tiny_setup(void **state);
int tiny_teardown(void **state);

/* From here on the n-th allocation fails (once). 0: none. */
void tiny_fail_at(struct tiny_vm *vm, uint64_t n);

struct tiny_mm *tiny_mm_new(struct tiny_vm *vm);
/* NULL when an allocation failed; all is as it was then. */
struct tiny_mm *tiny_fork(struct tiny_mm *parent);
void tiny_exit(struct tiny_mm *mm);

/* Page numbers throughout: page 3 is at address 3 << RMAP_PAGE_SHIFT. Anonymous: pgoff is the page number. */
struct tiny_vma *tiny_map(struct tiny_mm *mm, unsigned int first, unsigned int pages);
struct tiny_vma *tiny_map_file(struct tiny_mm *mm, unsigned int first, unsigned int pages,
			       struct rmap_file *file, uint64_t pgoff, uint32_t flags);
struct tiny_vma *tiny_vma_at(struct tiny_mm *mm, unsigned int n);
/* Drop the PTEs and the VMA. */
void tiny_unmap(struct tiny_vma *vma);

/* Page n becomes a VMA's first: the upper part is new and returned; NULL when an allocation failed. */
struct tiny_vma *tiny_split(struct tiny_vma *vma, unsigned int n);
/* Another VMA of the same mm for the same pages, from pgoff on, as mremap makes one. NULL: an allocation failed. */
struct tiny_vma *tiny_clone(struct tiny_vma *vma, unsigned int first, unsigned int pages,
			    uint64_t pgoff);
/* Two neighbours become the first of them: 0, RMAP_EINVAL when the design refuses, RMAP_ENOMEM. */
int tiny_merge(struct tiny_vma *a, struct tiny_vma *b);
/* The boundary between neighbours goes to page n: the growing one imports what it needs. */
int tiny_shift(struct tiny_vma *a, struct tiny_vma *b, unsigned int n);
/* The VMA's pages go to page n on, a new VMA of the same pgoff; the old one goes. NULL: an allocation failed. */
struct tiny_vma *tiny_move(struct tiny_vma *vma, unsigned int n);

/* Write value to page n: faults, COW. 0 or RMAP_ENOMEM. */
int tiny_write(struct tiny_mm *mm, unsigned int n, uint32_t value);
/* Map a page of a file at page n. */
void tiny_map_file_page(struct tiny_mm *mm, unsigned int n, struct tiny_page *page);
/* A page of a file's cache, with a reference for the cache; drop it with tiny_file_page_free(). */
struct tiny_page *tiny_file_page(struct tiny_vm *vm, struct rmap_file *file, uint64_t index);
void tiny_file_page_free(struct tiny_vm *vm, struct tiny_page *page);

struct tiny_page *tiny_page_at(struct tiny_mm *mm, unsigned int n);
bool tiny_page_get(struct tiny_page *page);
void tiny_page_put(struct tiny_vm *vm, struct tiny_page *page);

/* Everybody's PTEs of page become entries of slot; the page leaves memory. */
void tiny_swap_out(struct tiny_vm *vm, struct tiny_page *page, struct tiny_slot *slot);
/* A read fault on an entry. */
void tiny_swap_in(struct tiny_mm *mm, unsigned int n);
/* PTEs of page become migration entries. The new page, which has no PTE yet, is returned; *pin keeps the owner. */
struct tiny_page *tiny_migrate_begin(struct tiny_vm *vm, struct tiny_page *page, void **pin);
/* And PTEs again, of the new page. */
struct rmap_walk tiny_migrate_end(struct tiny_vm *vm, struct tiny_page *page, void *pin);

/* A counting walk. */
struct rmap_walk tiny_walk(struct tiny_vm *vm, struct tiny_page *page, unsigned int flags);
/* Every page's walk finds exactly the PTEs that a scan of all tables finds, each once; every VMA's links are sound. */
void tiny_check(struct tiny_vm *vm);

uint64_t tiny_objects(struct tiny_vm *vm, enum rmap_kind kind);

/* A step that must succeed, and a check. */
void write_ok(struct tiny_mm *mm, unsigned int n, uint32_t value);
struct tiny_mm *fork_ok(struct tiny_mm *mm);
void exit_ok(struct tiny_mm *mm);

/* The VMA's own anon_vma, which its new pages get; the one that a page names. */
const void *own_of(struct tiny_vma *vma);
const void *owner_of(struct tiny_vm *vm, struct tiny_page *page);

#endif
