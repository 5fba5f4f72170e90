/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files: a tree of cached pages by offset, dirty tracking, write-back, truncation; shared memory is a file whose store is
 * swap.
 */
#ifndef MM_FILE_H
#define MM_FILE_H

#include "mm_types.h"

/* A radix tree of 64-way nodes, by page offset: file_tree.c. All of it: the file's lock. */
struct file_tree {
	void *root;	     /* a node or NULL */
	unsigned int height; /* levels of nodes */
	uint64_t count;	     /* entries */
};

struct mm_file {
	struct rmap_file rmap; /* tier 1's: which VMAs map it */
	struct mm_system *sys; /* fixed */
	void *handle;	       /* the port's; NULL: shared memory; fixed */
	uint64_t id;	       /* fixed */
	_Atomic uint32_t refs;
	/* bytes; invalidate_lock to change, and the lock of the page that write(2) is at, for who writes that back */
	_Atomic uint64_t size;
	/* pages promised for shared memory, returned at the end; set once, before it is mapped */
	uint64_t accounted;
	/* RMAP_LOCK_INVALIDATE. Read: adding pages and faulting; write: truncating */
	struct rmap_rwsem invalidate_lock;
	struct rmap_spinlock lock; /* RMAP_LOCK_FILE_PAGES */
	/* entries: struct page *, or a swap slot (shared memory) tagged by bit 0; lock */
	struct file_tree pages;
	_Atomic uint64_t nr_unsaved; /* pages that are dirty or under write-back; lock to change */
	_Atomic int error;	     /* of write-back, reported once by the next sync */
	struct list_head list;	     /* sys->files; sys->list_lock */
};

#define file_of_rmap(f) rmap_container_of(f, struct mm_file, rmap)

/* ---- file_tree.c ---- */

#define FILE_TREE_SHIFT 6
#define FILE_TREE_WAYS	(1u << FILE_TREE_SHIFT)

struct file_tree_node {
	void *slot[FILE_TREE_WAYS]; /* nodes one level down, or entries; file's lock */
	uint32_t count;		    /* of them that are not NULL; file's lock */
};

/* Nodes set aside before the lock is taken; linked by their first slot. On the caller's stack, empty: all zero bytes. */
struct file_tree_spare {
	struct file_tree_node *nodes;
	unsigned int nr;
};

/* The entry at index, NULL: none. */
void *file_tree_get(const struct file_tree *tree, uint64_t index);
/* The first entry at or above *index, or NULL; *index is set to its place. */
void *file_tree_next(const struct file_tree *tree, uint64_t *index);
/* How many nodes file_tree_set() would make for index. */
unsigned int file_tree_missing(const struct file_tree *tree, uint64_t index);
/* Set aside nodes until there are nr. 0 or RMAP_ENOMEM (what there is stays). No spin lock held. */
int file_tree_reserve(struct mm_system *sys, struct file_tree_spare *spare, unsigned int nr);
void file_tree_unreserve(struct mm_system *sys, struct file_tree_spare *spare);
/*
 * Enter at index, where nothing is; or put another entry in place of the one that is there. Never fails: spare has what
 * file_tree_missing() says.
 */
void file_tree_set(struct mm_system *sys, struct file_tree *tree, uint64_t index, void *entry,
		   struct file_tree_spare *spare);
/* Take the entry at index out; NULL: there was none. Empty nodes are freed. */
void *file_tree_remove(struct mm_system *sys, struct file_tree *tree, uint64_t index);
/* Is it a page that stands there, or the slot that it went to? */
static inline bool file_entry_is_slot(const void *entry)
{
	return (uintptr_t)entry & 1;
}
static inline void *file_entry_of_slot(uint64_t slot)
{
	return (void *)(uintptr_t)(slot << 1 | 1);
}
static inline uint64_t file_entry_slot(const void *entry)
{
	return (uintptr_t)entry >> 1;
}

/* ---- file.c ---- */

/* Become a holder of a file met on the system's list, whose lock is held, unless its last holder has gone. */
bool file_try_get(struct mm_file *file);
/* The next file behind pos (NULL: the first) that is not on its way out, held; pos is given back. NULL: no more. May sleep. */
struct mm_file *file_next(struct mm_system *sys, struct mm_file *pos);

/*
 * The page at index: locked, with a reference, up to date; read from the store (or swap) where needed. RMAP_EIO, RMAP_ENOMEM,
 * RMAP_EHWPOISON; or RMAP_ENXIO: behind the end of the file (SIGBUS). Sleeps. Takes invalidate_lock for reading.
 */
int file_get_page(struct mm_file *file, uint64_t index, struct page **page);

/*
 * The same without waiting: FILE_GET_WAITS where the page has to be read, or somebody has its lock, or the file is being cut. That
 * is no error, and nothing was done.
 */
int file_get_page_nowait(struct mm_file *file, uint64_t index, struct page **page);
#define FILE_GET_WAITS 1

enum file_get_flags {
	FILE_GET_OVERWRITE =
		1 << 0,		  /* all of it will be written at once: a fresh one is not read */
	FILE_GET_BEYOND = 1 << 1, /* also behind the end: the file is about to grow */
	FILE_GET_NOWAIT = 1 << 2, /* FILE_GET_WAITS, rather than wait */
};
/* The same for who holds invalidate_lock already. */
int file_get_page_held(struct mm_file *file, uint64_t index, unsigned int flags,
		       struct page **page);
/* The cached page with a reference, or NULL; nothing is read. */
struct page *file_find_page(struct mm_file *file, uint64_t index);
/* Shared memory that was never written at index (nor faulted in): it reads as zeros, and reading leaves it so. */
bool file_is_hole(struct mm_file *file, uint64_t index);
/* Anything cached at index in memory? For mincore. */
bool file_is_cached(struct mm_file *file, uint64_t index);
/* Page becomes dirty (page lock, or PTL of a mapping). */
void file_set_dirty(struct page *page, struct mm_system *sys);
/* Write a locked dirty page to its store; it is write-protected in all address spaces first. 0 or RMAP_EIO. */
int file_write_page(struct mm_system *sys, struct page *page);
/* Write back [first, last] of the file, and wait for what others are writing of it. 0 or the first error. */
int file_write_range(struct mm_file *file, uint64_t first, uint64_t last);
/* The same for one who is to be told: also of what was lost anywhere in the file since somebody was told last, by reclaim or a bad frame. */
int file_sync_range(struct mm_file *file, uint64_t first, uint64_t last);
/*
 * Take a locked, unmapped, clean page with exactly one reference besides the tree's out of the tree, for reclaim; the caller's is
 * the only one left. False: somebody came, or it is dirty. (Shared memory that is dirty goes by shmem_swap_out() instead.)
 */
bool file_remove_page(struct mm_system *sys, struct page *page);
/*
 * Migration: new takes old's place in the tree, and the tree's reference. Both page locks held. False: somebody has found old in the
 * tree, and will not look there again (write-back).
 */
bool file_replace_page(struct mm_system *sys, struct page *old, struct page *new_page);
/* Drop [first, last] from the cache, swap and all address spaces. Private copies stay. invalidate_lock held for writing. */
void file_punch(struct mm_file *file, uint64_t first, uint64_t last);

/* The file of a page in its tree, NULL for any other page. Page lock. */
static inline struct mm_file *page_file(const struct page *page)
{
	struct rmap_file *file = rmap_page_file(&page->rmap);

	return file ? file_of_rmap(file) : NULL;
}

/* How many pages the file has; the last one may be partial. */
static inline uint64_t file_pages(const struct mm_file *file)
{
	uint64_t size = atomic_load_explicit(&file->size, memory_order_acquire);

	return (size >> RMAP_PAGE_SHIFT) + ((size & ~RMAP_PAGE_MASK) != 0);
}

/* Does page, which is locked, still stand where it was found? */
bool file_holds_page(struct mm_file *file, uint64_t index, const struct page *page);
/* A dirty page is under write-back, and clean, until it is written, or dirty again. Page lock. */
void file_write_begin(struct mm_file *file, struct page *page);
void file_write_end(struct mm_file *file, struct page *page);
/* Take a locked page out of the tree, whatever it holds, and return the tree's reference. False: it was not in it. */
bool file_forget_page(struct mm_file *file, struct page *page);
/* What stands at the first place at or above *index: a page, with a reference, or a slot entry; NULL: nothing. */
void *file_next_entry(struct mm_file *file, uint64_t *index);
/* Drop what is cached in [first, last]; those still mapped are unmapped everywhere first. invalidate_lock for writing. */
void file_drop_range(struct mm_file *file, uint64_t first, uint64_t last);
/*
 * Zero the contents of a partial last page behind size, the file's own, where a mapping may have written them. Only shared memory's
 * last page, which comes back from swap for it, can fail: RMAP_EIO or RMAP_ENOMEM. invalidate_lock for writing.
 */
int file_zero_tail(struct mm_file *file, uint64_t size);

/* ---- shmem.c ---- */

/*
 * A locked, unmapped page of shared memory goes to the swap cache; its tree keeps the slot. False: no slot, or it is in use.
 */
bool shmem_swap_out(struct mm_system *sys, struct page *page);
/* Bring entry, a slot, back as a page: as file_get_page_held(); *page NULL and 0: it changed meanwhile, look again. */
int shmem_swap_in(struct mm_file *file, uint64_t index, void *entry, struct page **page);
/* Bring back all that the system's shared memory files have in swap. Errors of file_get_page. */
int shmem_unuse(struct mm_system *sys);

#endif
