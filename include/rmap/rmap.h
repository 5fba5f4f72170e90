/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * librmap: which page-table entries map this page?
 *
 * Tier 1 is for a kernel that already has a virtual memory manager. It puts struct rmap_page, rmap_vma, rmap_mm, rmap_file
 * and rmap_slot inside its own page, VMA, address space, file and swap slot, reports events, and asks for walks. How the
 * question is answered is a *design*, an ops table picked when the instance is made; all designs see the same events.
 *
 * Three rules hold for all of it:
 *
 *  - What can fail fails early. Events about VMAs and address spaces return an error with nothing changed. Events about
 *    pages never fail: what they need is set aside by rmap_reserve() before any table lock is taken.
 *  - The page table is the truth. A design finds candidates; the port's pte_find() decides.
 *  - Early stop and late look are the walk's business, TLB flushes and freeing of frames the virtual memory manager's.
 *
 * Locks that tier 1 takes by itself are the file's map lock, a VMA's for its first page (rmap_vma.first), those of its lists
 * (RMAP_LOCK_MM_LIST) and the design's own: RMAP_LOCK_ANON_VMA in events about VMAs and address spaces and in walks; in events about
 * pages spin locks alone (RMAP_LOCK_DISPLACED, RMAP_LOCK_PTE_CHAIN, RMAP_LOCK_LINEAGE). What must be held on entry stands with each
 * function, and is held on exit; "mmap write" means the address space's lock held for writing.
 * No pointer may be NULL but where it says so. Arguments are not checked beyond what assertions see (the port's panic): tier 1 is called
 * by a kernel, not by a user.
 */
#ifndef RMAP_RMAP_H
#define RMAP_RMAP_H

#include <rmap/list.h>
#include <rmap/locks.h>
#include <rmap/port.h>
#include <rmap/rbtree.h>
#include <rmap/types.h>

struct anon_vma;
struct anon_vma_list;
struct rmap_ops;

/* ---------------------------------------------------------------- what the embedder's structures contain */

/*
 * Inside a page descriptor. All zero bytes: a page that maps nothing and belongs to nothing.
 *
 * mapping's lowest bit says what it is: 0 a struct rmap_file, 1 the design's owner of an anonymous page (with anon_vma_chain a
 * struct anon_vma), and then the next two are the design's own. It is written with one store; a reader without the page lock may see
 * the old or the new value, never a mixture, and a value whose owner has gone (which is why owners are type-stable).
 */
struct rmap_page {
	/* page lock to change; set under the PTL when the page is new; a design may tag it by compare-exchange, under the PTL of a PTE */
	_Atomic uintptr_t mapping;
	/*
	 * Page offset in the file, or what the design numbers an anonymous page by (rmap_page_index()). Fixed while mapping is set, but
	 * that a design may number a page anew which one address space has alone: when its PTE moves (PTLs), or is there again (page lock)
	 */
	uint64_t index;
	/* a word of the design's own (a chain, a stamp); the design says what guards it */
	_Atomic uint64_t design;
	/* PTEs that map it; changed under the PTL of the PTE that comes or goes */
	_Atomic uint32_t mapcount;
	/* anonymous, and only one address space can have it: PTL of its only PTE, or page lock */
	_Atomic uint32_t exclusive;
};

_Static_assert(sizeof(struct rmap_page) == 32, "the page descriptor is counted in cache lines");

#define RMAP_MAPPING_ANON 1u
#define RMAP_MAPPING_TAGS 3u

/* Inside a file (an address_space). rmap_file_init() makes an empty one. */
struct rmap_file {
	struct rmap_rwsem lock; /* RMAP_LOCK_FILE_MAP (i_mmap_rwsem) */
	uint32_t writable;	/* shared VMAs that may write; lock */
	struct rb_root vmas;	/* interval tree of VMAs by page offset; lock */
	uint64_t nr_vmas;	/* lock */
};

/* Inside an address space. */
struct rmap_mm {
	struct list_head list; /* with others; the lock of cpu; who goes through it: RCU */
	/* the design's object for it; set at init or fork, fixed until exit */
	void *design;
	/* has rmap_mm_fork_begin() ever had it as the parent? Else nobody has pages from it. mmap write; readers: a PTL */
	_Atomic uint32_t forked;
	uint32_t cpu; /* whose list it stands in; fixed until exit */
};

enum rmap_vma_flags {
	RMAP_VMA_SHARED = 1 << 0,    /* writes go to the file; no anonymous pages */
	RMAP_VMA_MAY_WRITE = 1 << 1, /* with SHARED: counted in rmap_file.writable */
};

/*
 * Inside a VMA. start, end and pgoff are the VMA's own: the embedder has no copy. They change only while the VMA is hidden
 * from the trees (rmap_adjust_begin) or was never in one.
 */
struct rmap_vma {
	uint64_t start; /* first byte; mmap write + hidden */
	uint64_t end;	/* first byte behind; mmap write + hidden */
	/* page number of start in the file, or linear page number; mmap write + hidden */
	uint64_t pgoff;
	struct rmap_mm *mm;	/* fixed */
	struct rmap_file *file; /* NULL: anonymous; fixed */
	uint32_t flags;		/* enum rmap_vma_flags; mmap write + hidden */
	/* RMAP_LOCK_PAGE_TABLE: which of two racing first faults prepares the VMA */
	struct rmap_spinlock first;
	struct rb_node file_node; /* in file->vmas; file->lock */
	uint64_t file_last;	  /* largest last offset below file_node; file->lock */
	/* The design's part. All zero bytes after rmap_vma_init(), so that no design has to be asked there. */
	union {
		struct {
			/* AVCs, newest first, the root's last; mmap + root lock to change */
			struct list_head chain;
			/* Where its new pages go; NULL: unfaulted, and chain is meaningless. first + root lock to set. */
			_Atomic(struct anon_vma *) anon_vma;
		} avc;
		struct {
			struct list_head entry; /* in the anon_vma's list; its lock */
			/* the family's; NULL: unfaulted. first + the anon_vma's lock to set */
			_Atomic(struct anon_vma_list *) anon_vma;
		} list;
		struct {
			/* added to the linear page number: a private file mapping's anonymous pages have one of their own; as faulted */
			uint64_t shift;
			_Atomic uint32_t
				faulted; /* the context's lock to set, mmap write to clear; shift was set before */
		} context;
		struct {
			/* 0: unfaulted; 1: at home; else where it is displaced. 0 -> set: mmap read, else mmap write */
			_Atomic uintptr_t home;
		} lineage;
	} design;
};

/* Inside a swap slot: what must outlive the page while its contents are on disk. */
struct rmap_slot {
	/* the swap lock; who maps the page from an entry of the slot has that entry's PTL and the page lock instead */
	uintptr_t owner;
	uint64_t index; /* or what else the design keeps with it (a stamp); the same */
};

/* Set aside by rmap_reserve(), used up by page events; lives on the caller's stack. */
struct rmap_reserve {
	struct list_head objects;
	uint32_t nr;
};

/* ---------------------------------------------------------------- the instance */

/* Why somebody walks; counted apart. */
enum rmap_walk_purpose {
	RMAP_WALK_PROBE,     /* a question from outside: tests, tools */
	RMAP_WALK_REFERENCE, /* ageing */
	RMAP_WALK_UNMAP,     /* reclaim takes it out */
	RMAP_WALK_MIGRATE,   /* PTEs become migration entries */
	RMAP_WALK_RESTORE,   /* and PTEs again */
	RMAP_WALK_CLEAN,     /* write-protect a dirty file page */
	RMAP_WALK_TRUNCATE,  /* a range of a file goes */
	RMAP_WALK_POISON,    /* a frame has gone bad */
	RMAP_WALK_PURPOSES,
};

/* "probe", "reference", and so on; "?" for what is none. */
const char *rmap_walk_purpose_name(enum rmap_walk_purpose purpose);

/*
 * What is counted, as it is written by everybody at once; rmap_get_counts() reads it. A walk may be no more than one look, so a
 * short one is counted by one addition to a packed word, which is unpacked when it is full or somebody reads.
 */
struct rmap_walk_counters {
	_Atomic uint64_t walks;
	_Atomic uint64_t looks; /* PTE slots read */
	/* nodes, AVCs, VMAs and chain blocks touched, dead ones too */
	_Atomic uint64_t steps;
	_Atomic uint64_t found;	    /* PTEs that map the page */
	_Atomic uint64_t max_looks; /* of one walk */
	_Atomic uint64_t recent;    /* packed: short walks that are not yet in the above */
};

/*
 * How much there is of something that comes on one processor and may go on another: here, less what others' went here, so it may be
 * negative. Added to with relaxed atomics.
 */
struct rmap_gauge {
	_Atomic int64_t now;
	_Atomic int64_t high; /* the most of it since it was last folded into the common figure */
};

/* What all its parts are folded into; atomics. */
struct rmap_gauge_total {
	_Atomic int64_t live;
	_Atomic int64_t peak;
};

/* A kind has one size, so that bytes need no counter of their own; fork pays for each. */
struct rmap_object_counters {
	struct rmap_gauge live;
	_Atomic uint64_t freed; /* since the beginning; with live: allocated */
};

/* What one processor has counted. */
struct rmap_counters {
	struct rmap_walk_counters walk[RMAP_WALK_PURPOSES];
	struct rmap_object_counters object[RMAP_KIND_TIER1_END];
	struct rmap_gauge bytes;	  /* of all kinds */
	_Atomic uint64_t anon_vma_reused; /* at fork, by the heuristic */
	_Atomic uint64_t anon_vma_shared; /* at prepare, with a neighbour */
	/* pages re-owned by a COW that found them unshared */
	_Atomic uint64_t adopted;
	_Atomic uint64_t merges_refused; /* asked by the layout, refused by the design */
	/*
	 * acquisitions by the design's own code, in events and in walks but the checker's and probes': of a page's lock, of one
	 * address space's, of a wider one
	 */
	_Atomic uint64_t locks_page;
	_Atomic uint64_t locks_mm;
	_Atomic uint64_t locks_family;
	_Atomic uint64_t locks_file;
};

/*
 * The same as plain numbers, all processors together since the beginning. Exact while nobody counts; of what is largest at one time
 * (peak) each processor knows its own part, so a peak is exact where one processor allocates and frees, else it may be off by
 * RMAP_FOLD_OBJECTS objects (RMAP_FOLD_BYTES) for each other one.
 */
struct rmap_counts {
	struct rmap_walk_counts {
		uint64_t walks, looks, steps, found;
		uint64_t max_looks;
	} walk[RMAP_WALK_PURPOSES];
	struct rmap_object_counts {
		uint64_t objects, allocated;
		uint64_t bytes, peak_bytes; /* live */
	} object[RMAP_KIND_TIER1_END];
	uint64_t peak_bytes; /* of all kinds at once */
	uint64_t anon_vma_reused, anon_vma_shared, adopted, merges_refused;
	uint64_t locks_page, locks_mm, locks_family, locks_file;
};

/* What a processor keeps to itself, so that two that fork and exit write to no common line. */
struct rmap_cpu {
	struct rmap_spinlock lock;  /* RMAP_LOCK_MM_LIST */
	struct list_head mms;	    /* struct rmap_mm; lock */
	struct rmap_counters count; /* atomics; read by rmap_get_counts() */
	char gap[128]; /* processors fetch the line before or behind one that they ask for */
};

enum {
	RMAP_FOLD_OBJECTS = 1024,
	RMAP_FOLD_BYTES = 65536,
};

/* One instance of a reverse map. The embedder allocates it; fields are fixed after init unless they say otherwise. */
struct rmap {
	const struct rmap_ops *ops;
	const struct rmap_port *port;
	/* One for each of the port's processors; own, where there is one; fixed */
	struct rmap_cpu *cpus;
	uint32_t nr_cpus;

	/* What is above is only read, by everybody. */
	char gap[128];
	struct rmap_spinlock lock; /* RMAP_LOCK_MM_LIST: spare */
	/* What the design has put by for those who may not allocate: its own business. lock; wanted: set by who found too little */
	struct {
		void *objects;
		_Atomic uint32_t nr;
		_Atomic uint32_t wanted;
	} spare;
	/* Changes with every move that pte_chain's walkers could take for none, since it led back to where it began; atomic. */
	_Atomic uint64_t moves;
	/* What gauges are folded into, the last one of bytes of all kinds; and how large one object of a kind is. Atomics. */
	struct rmap_gauge_total total[RMAP_KIND_TIER1_END + 1];
	_Atomic uint64_t size[RMAP_KIND_TIER1_END];
	void *cpus_memory; /* as it was allocated; NULL: own serves */
	struct rmap_cpu own;
};

/* The processor that we are on, or were. */
static inline struct rmap_cpu *rmap_this_cpu(const struct rmap *rmap)
{
	return rmap->nr_cpus == 1 ? rmap->cpus : &rmap->cpus[rmap->port->cpu(rmap->port->ctx)];
}

/* What it counts. */
static inline struct rmap_counters *rmap_counting(const struct rmap *rmap)
{
	return &rmap_this_cpu(rmap)->count;
}

/* The designs. Each is a constant; pass its address to rmap_init(). */
extern const struct rmap_ops rmap_anon_vma_chain;
extern const struct rmap_ops rmap_scan;
extern const struct rmap_ops rmap_pte_chain;
extern const struct rmap_ops rmap_anon_vma;
extern const struct rmap_ops rmap_anonmm;
extern const struct rmap_ops rmap_cow_context;
extern const struct rmap_ops rmap_lineage;

/* All of them, NULL at the end, the default first. */
extern const struct rmap_ops *const rmap_designs[];

/* The design of that name ("anon_vma_chain"), or NULL. */
const struct rmap_ops *rmap_design_by_name(const char *name);
const char *rmap_design_name(const struct rmap_ops *ops);

/*
 * Bytes that a design uses inside the embedder's structures, whatever other designs make of the same bytes: what each page, VMA,
 * address space and swap slot would lose without it. What all designs have (map count, exclusive flag, the file map's part)
 * does not count.
 */
struct rmap_design_bytes {
	uint32_t page, vma, mm, slot;
};
struct rmap_design_bytes rmap_design_bytes(const struct rmap_ops *ops);

/*
 * Make an instance over port, which must outlive it; rmap itself stays where it is. 0; RMAP_ENOMEM (only where the port has several
 * processors: what each keeps to itself is allocated, as RMAP_KIND_SYSTEM); RMAP_EINVAL: the library was compiled for another design alone.
 */
int rmap_init(struct rmap *rmap, const struct rmap_ops *ops, const struct rmap_port *port);

/*
 * End an instance: every mm must have exited. Runs rcu_barrier. Asserts that no object of the design is left.
 */
void rmap_destroy(struct rmap *rmap);

/* ---------------------------------------------------------------- events: address spaces */

/*
 * A new address space without relatives (the first, or exec's). 0 or RMAP_ENOMEM. No locks.
 */
int rmap_mm_init(struct rmap *rmap, struct rmap_mm *mm);

/*
 * child is about to be filled from parent. Called before any VMA or PTE is copied; a walker must find the child from now
 * on. 0 or RMAP_ENOMEM with nothing changed. parent: mmap write; child not yet visible to others.
 */
int rmap_mm_fork_begin(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent);

/*
 * The last PTE has been copied; or copying failed, and the child is about to be torn down by an ordinary exit. Locks as
 * for begin.
 */
void rmap_mm_fork_end(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent,
		      bool copied);

/*
 * All PTEs are gone and all VMAs unlinked. Page tables and mm itself may be freed after a grace period. No locks, or mmap
 * write.
 */
void rmap_mm_exit(struct rmap *rmap, struct rmap_mm *mm);

/* ---------------------------------------------------------------- events: VMAs */

/* An empty file map. (All zero bytes are one too, with the locks of locks.h.) */
static inline void rmap_file_init(struct rmap_file *file)
{
	rmap_rwsem_init(&file->lock, RMAP_LOCK_FILE_MAP);
	file->writable = 0;
	file->vmas.node = NULL;
	file->nr_vmas = 0;
}

/*
 * A VMA is born with these fields and in no tree: start below end, both page aligned; pgoff with the pages behind it does not wrap. Call it
 * on fresh memory, also after a struct copy from another VMA (whose links would otherwise be copied).
 */
void rmap_vma_init(struct rmap_vma *vma, struct rmap_mm *mm, uint64_t start, uint64_t end,
		   uint64_t pgoff, struct rmap_file *file, uint32_t flags);

/* Does the design keep a record of that, per VMA? Without one the next function always says no. */
bool rmap_knows_faulted(const struct rmap *rmap);
/* Does the VMA have, or may it have had, anonymous pages of its own? mmap read. */
bool rmap_vma_faulted(const struct rmap *rmap, const struct rmap_vma *vma);

/*
 * Enter a new VMA in its file's tree (nothing for an anonymous one). Sleeps for the file's lock. mmap write.
 */
void rmap_vma_link(struct rmap *rmap, struct rmap_vma *vma);

/*
 * Before the first anonymous page of vma. next and prev are neighbours that the layout rules would let vma merge with, or
 * NULL; the design may share the origin of one (anon_vma_chain: next first, and only if its chain is singular). 0 at once
 * if already prepared; RMAP_ENOMEM with nothing changed. mmap read at least; racing callers are sorted out inside.
 * (Linux: anon_vma_prepare)
 */
int rmap_vma_prepare(struct rmap *rmap, struct rmap_vma *vma, struct rmap_vma *next,
		     struct rmap_vma *prev);

/*
 * dst, fresh from rmap_vma_init, becomes the child's copy of src: pages that src maps will be mapped by dst too. Enters
 * dst in its file's tree right behind src, so that a walker that has passed src still meets dst. 0 or RMAP_ENOMEM with
 * dst as it was. Both mmap write. (Linux: anon_vma_fork)
 *
 * Whoever rebuilds relatives from an image, while nobody walks, may fork from a VMA of any address space that dst's descends from,
 * and dst may have other bounds, as after moves and splits: it may map pages of src's origin, at their page offsets. Where its first
 * page offset or its file is not src's, it takes its own place in its file's tree.
 */
int rmap_vma_fork(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src);

/*
 * dst, of the same mm, will hold pages that src maps now: the other half of a split, or the target of a move. Does not
 * enter dst in a file's tree (rmap_adjust_begin's insert or rmap_vma_link do). 0 or RMAP_ENOMEM with dst as it was.
 * mmap write. (Linux: anon_vma_clone)
 */
int rmap_vma_clone(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src);

/* By the design alone, may these two neighbours be one VMA? Counted when refused. mmap write. */
bool rmap_vma_may_merge(struct rmap *rmap, const struct rmap_vma *a, const struct rmap_vma *b);

/*
 * dst is about to grow over pages of src. Does all of it that can fail, before any bound changes; imported is set true
 * when dst got something that rmap_vma_merge_undo() would have to take back. 0 or RMAP_ENOMEM. mmap write.
 * (Linux: dup_anon_vma)
 */
int rmap_vma_merge_prepare(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src,
			   bool *imported);
void rmap_vma_merge_undo(struct rmap *rmap, struct rmap_vma *dst);

/* Up to three VMAs of one mm, and of one file or none, whose bounds change together, and at most one new one. */
struct rmap_adjust {
	/* whose bounds change or that go away: at least the first; the others may be NULL */
	struct rmap_vma *vma[3];
	/* this one goes away: it is left out of the trees and unlinked by end */
	bool removed[3];
	/* enter this new one in the file's tree at the end; or NULL */
	struct rmap_vma *insert;
	/* private */
	struct rmap_file *file;
	void *design;
	uint64_t old_first, old_last;
	int64_t old_distance;
};

/*
 * Bounds are about to change: takes the file's and the design's locks and takes the VMAs out of all trees. Between begin
 * and end the caller changes start, end and pgoff, and its own VMA tree. Never fails. mmap write, for a stack's growth, too: first
 * faults (rmap_vma_prepare) in the VMA and beside it go by its bounds.
 */
void rmap_adjust_begin(struct rmap *rmap, struct rmap_adjust *adjust);
void rmap_adjust_end(struct rmap *rmap, struct rmap_adjust *adjust);

/*
 * An adjustment is about to change vma's start but not its pgoff, so that its pages will stand elsewhere (exec's stack). Does
 * what can fail. 0 or RMAP_ENOMEM. mmap write.
 */
int rmap_vma_shift_prepare(struct rmap *rmap, struct rmap_vma *vma);

/*
 * PTEs of src are about to be moved to dst (mremap), src's lower and higher part alike. Where a walker could pass between
 * the two places and see the page at neither, the locks that hold walkers off are taken here and released by end. dst may
 * be src itself, or a VMA that it was merged with. merged: dst existed before and was grown. mmap write.
 */
void rmap_move_begin(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src, bool merged);
void rmap_move_end(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src, bool merged);

/*
 * vma keeps its place but no page (mremap's DONTUNMAP): forget its origin as if it had never been faulted. Stays in its
 * file's tree. mmap write.
 */
void rmap_vma_forget(struct rmap *rmap, struct rmap_vma *vma);

/*
 * vma goes: out of every tree. All its PTEs are gone; its page tables are not freed yet. mmap write, or the last user.
 * (Linux: unlink_anon_vmas, unlink_file_vma)
 */
void rmap_vma_unlink(struct rmap *rmap, struct rmap_vma *vma);

/* ---------------------------------------------------------------- events: pages at PTEs */

/* Pages at consecutive PTEs go in one call, from one to this many (asserted). Results are bit masks: bit i is pages[i]. */
#define RMAP_RUN_MAX 64u

enum rmap_map_flags {
	/* Only this address space can have the page (with new: owner is the VMA's own; without: the family's root). */
	RMAP_MAP_EXCLUSIVE = 1 << 0,
	/* The page was never mapped before, no other CPU knows it. */
	RMAP_MAP_NEW = 1 << 1,
};

/*
 * Set aside what n page events may need; what is there from before (all zero bytes: nothing) counts. 0 or RMAP_ENOMEM. No spin
 * lock held. Afterwards reserve->nr is how many events it suffices for, and goes down as they use it up; 0: the design never needs
 * any. Give the rest back with rmap_unreserve().
 */
int rmap_reserve(struct rmap *rmap, struct rmap_reserve *reserve, unsigned int n);
void rmap_unreserve(struct rmap *rmap, struct rmap_reserve *reserve);

/*
 * pages[0..nr-1] are now mapped at addr, addr + PAGE, … by the slots pte[0..nr-1]; NULL reserve: the design needs none.
 *
 * RMAP_MAP_NEW: an anonymous page gets its owner (vma must be prepared) and its index, and needs no reserve. Without it the page
 * has an owner already: a file, or (fork, swap-in from the swap cache) that of an anonymous page.
 * Returns the mask of pages that were unmapped before (the first mapping takes a reference in libmm).
 * The slots' PTL held; without NEW on an anonymous page, the page lock or an existing mapping under its PTL.
 */
uint64_t rmap_page_map(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
		       struct rmap_vma *vma, uint64_t addr, void *pte, unsigned int flags,
		       struct rmap_reserve *reserve);

/*
 * The slots no longer map the pages. Returns the mask of those that nothing maps now; these are not exclusive any more
 * (whoever puts that in a swap or migration entry reads it first, and leaves it to this function to take it away). An owner stays on
 * the page until rmap_page_free(). The slots' PTL held.
 */
uint64_t rmap_page_unmap(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			 struct rmap_vma *vma, uint64_t addr, void *pte);

/*
 * mremap moved the PTEs of these pages, or the migration entries that stand for them; both PTLs held, rmap_move_begin() done.
 */
void rmap_page_moved(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
		     struct rmap_vma *dst, uint64_t new_addr, void *new_pte, struct rmap_vma *src,
		     uint64_t old_addr, void *old_pte);

/*
 * May this mapping of an anonymous page be moved to another address, by itself? A design that gives a page one address in all
 * address spaces (anonmm) says no to a page that others may have, too; then the caller unshares it first, as for a write, and asks
 * again. A migration entry (entry) under such a design is to be waited for. PTL.
 */
bool rmap_page_may_move(const struct rmap *rmap, const struct rmap_page *page, bool entry);

/*
 * May the page, which was found in the swap cache with an owner, be mapped at addr of vma? If not, its contents are to be copied
 * to a new page. Page lock.
 */
bool rmap_page_fits(const struct rmap *rmap, const struct rmap_page *page,
		    const struct rmap_vma *vma, uint64_t addr);

/* The index that an anonymous page at addr of vma has under this design. The VMA is prepared. */
uint64_t rmap_page_index(const struct rmap *rmap, const struct rmap_vma *vma, uint64_t addr);

/*
 * A write fault found the page unshared: it is vma's now, exclusively. Page lock and PTL. (Linux: folio_move_anon_rmap)
 */
void rmap_page_adopt(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
		     uint64_t addr);

/*
 * Fork: nobody has the page exclusively any more. Under the PTL of its only PTE. Inline, since fork does it per page.
 */
static inline void rmap_page_share(struct rmap_page *page)
{
	if (atomic_load_explicit(&page->exclusive, memory_order_relaxed))
		atomic_store_explicit(&page->exclusive, 0, memory_order_relaxed);
}

/*
 * Keep the owner of a mapped anonymous page while nothing maps it: migration pins before it makes entries and unpins when
 * they are gone, since in between even the last VMA that had one may go. Returns what rmap_page_unpin() takes, or NULL:
 * nothing to pin (a file page, an unmapped one, a design without such owners). Page lock; may sleep for no lock.
 * (Linux: folio_get_anon_vma, put_anon_vma)
 */
void *rmap_page_pin(struct rmap *rmap, struct rmap_page *page);

/* pin may be NULL. No spin lock held. */
void rmap_page_unpin(struct rmap *rmap, void *pin);

/*
 * Migration, entry by entry. A walk by RMAP_WALK_ENTRIES must find what is told here until it is told otherwise; PTL of the slot
 * held in all of them.
 *
 * The slot's PTE has become an entry that stands for the page. Otherwise as rmap_page_unmap() of one page: true when nothing
 * maps it now.
 */
bool rmap_page_to_entry(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
			uint64_t addr, void *pte);
/*
 * The slot's entry, which stood for old_page, has become a PTE of page (old_page itself, or what took its place). Otherwise as
 * rmap_page_map() of one page: true when nothing mapped it before. Nothing need be set aside: a design keeps what it had.
 */
bool rmap_page_from_entry(struct rmap *rmap, struct rmap_page *page, struct rmap_page *old_page,
			  struct rmap_vma *vma, uint64_t addr, void *pte, unsigned int flags);
/* Fork put a copy of such an entry in this slot. reserve: as for one rmap_page_map(). */
void rmap_entry_copied(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
		       uint64_t addr, void *pte, struct rmap_reserve *reserve);
/* Such an entry is gone from this slot (unmapped). */
void rmap_entry_gone(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma, uint64_t addr,
		     void *pte);
/* All entries have become PTEs of new_page; from here on old_page is known to nobody. Both page locks, no spin lock. */
void rmap_migrate_end(struct rmap *rmap, struct rmap_page *new_page, struct rmap_page *old_page);

/*
 * Migration: new takes old's owner, index and exclusivity; neither is mapped now (entries stand in the tables), both page
 * locks held. old keeps its owner until it is freed, so that a late walker finds something valid.
 */
void rmap_page_replace(struct rmap *rmap, struct rmap_page *new_page, struct rmap_page *old_page);

/* The frame is about to be freed: nothing maps it, nothing else names it. Clears the owner. */
void rmap_page_free(struct rmap *rmap, struct rmap_page *page);

/* A page of a file's cache: set before anyone can map it, cleared when it leaves the cache. Page lock. */
void rmap_page_set_file(struct rmap_page *page, struct rmap_file *file, uint64_t index);
void rmap_page_clear_file(struct rmap_page *page);

/* How many PTEs map the page. Exact under the page lock while nobody forks or faults; else a value of a moment ago. */
static inline uint32_t rmap_page_mapcount(const struct rmap_page *page)
{
	return atomic_load_explicit(&page->mapcount, memory_order_relaxed);
}

/*
 * Does exactly one PTE map it? Then whatever was done through others that there were was done before what the caller does next. Who
 * also counts references counts them after this: a holder who had the page by a PTE, and gave that up, is seen then (pairs with the
 * release in rmap_page_unmap()).
 */
static inline bool rmap_page_is_mapped_once(const struct rmap_page *page)
{
	return atomic_load_explicit(&page->mapcount, memory_order_acquire) == 1;
}

/* Does nothing map it? Then whatever was done through mappings that there were was done before what the caller does next. */
static inline bool rmap_page_is_unmapped(const struct rmap_page *page)
{
	return atomic_load_explicit(&page->mapcount, memory_order_acquire) == 0;
}

/* Has the page an anonymous owner? It keeps it until it is freed. No lock. */
static inline bool rmap_page_is_anon(const struct rmap_page *page)
{
	return atomic_load_explicit(&page->mapping, memory_order_relaxed) & RMAP_MAPPING_ANON;
}

/* Can only one address space have it (so that a write needs no copy)? Stable under a table lock of a PTE that maps it. */
static inline bool rmap_page_is_exclusive(const struct rmap_page *page)
{
	return atomic_load_explicit(&page->exclusive, memory_order_relaxed) != 0;
}

/* The file of a file page, NULL for any other. */
static inline struct rmap_file *rmap_page_file(const struct rmap_page *page)
{
	uintptr_t mapping = atomic_load_explicit(&page->mapping, memory_order_relaxed);

	return mapping & RMAP_MAPPING_TAGS ? NULL : (struct rmap_file *)mapping;
}

/* ---------------------------------------------------------------- events: swap slots */

/* The page's contents go to the slot (page lock). */
void rmap_slot_fill(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page);
/*
 * An entry of the slot is made that is not exclusive, before it is there: from page's PTE, which is not unmapped yet (page lock and PTL;
 * page is what the slot was filled from), or, page NULL, from the entry of a process that forks (its PTL and mmap write). One at a time
 * for a slot. One entry less is not an event, nor is one that is made exclusive.
 */
void rmap_slot_dup(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page);
/* The contents are in page again; vma faults at addr. Before rmap_page_map(NEW). Page lock. */
void rmap_slot_restore(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page,
		       struct rmap_vma *vma, uint64_t addr);
/*
 * The page that this slot's contents are in (swap cache) is about to be mapped in place of a swap entry; it has an owner already, and
 * is not going to be exclusive. Before rmap_page_map(). Needed only by who walks with RMAP_WALK_SETTLE while entries name the slot.
 * Page lock.
 */
void rmap_slot_rejoin(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page);
/* The page goes out once more by the slot that it still has and that no entry names (page lock): who may come for it is known anew. */
void rmap_slot_refill(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page);
/* The slot is free again. */
void rmap_slot_free(struct rmap *rmap, struct rmap_slot *slot);

/* ---------------------------------------------------------------- questions */

/*
 * One PTE that maps the page. Valid during the visit: the table lock keeps the PTE; the lock of the tree that was walked, or
 * the RCU section, keeps mm and vma.
 */
struct rmap_hit {
	struct rmap_mm *mm;
	struct rmap_vma *vma; /* NULL where the design knows none: ask rmap_hit_vma() */
	uint64_t addr;
	void *pte;
	void *table_lock; /* the port's: whatever pte_unlock needs */
};

enum rmap_visit {
	RMAP_VISIT_NEXT,
	RMAP_VISIT_STOP,
};

enum rmap_walk_flags {
	/* stop when as many PTEs were met as mapped it at the beginning; not with ENTRIES */
	RMAP_WALK_STOP_AT_MAPCOUNT = 1 << 0,
	/* meet migration entries instead of PTEs; the owner is pinned */
	RMAP_WALK_ENTRIES = 1 << 1,
	RMAP_WALK_TRYLOCK = 1 << 2, /* RMAP_EAGAIN rather than wait for a lock */
	/* the checker asks: count nothing, re-own nothing */
	RMAP_WALK_CHECK = 1 << 3,
	/*
	 * The page lock is held and no migration entry stands for the page: so no PTE comes but by fork from where one is, or in place
	 * of a swap entry, which rmap_slot_rejoin() is told of first. A design may then go on to the end where the walk could stop, and
	 * re-own the page by what it found, so that the next walk is shorter.
	 */
	RMAP_WALK_SETTLE = 1 << 4,
	RMAP_WALK_MAY_ALLOC =
		1 << 5, /* with SETTLE: may allocate for it, and so sleep; not from reclaim */
};

struct rmap_walk {
	/* Table lock held. May change the PTE, may not sleep, may not drop the lock. NULL: only count. */
	enum rmap_visit (*visit)(struct rmap_hit *hit, void *arg);
	/* VMAs to pass by without a look; NULL: none. Called with the tree's lock held; may not sleep. */
	bool (*skip)(const struct rmap_vma *vma, void *arg);
	void *arg;
	unsigned int flags;
	enum rmap_walk_purpose purpose;
	/* results */
	uint64_t looks;
	uint64_t steps;
	uint64_t found;
};

/*
 * Visit every PTE that maps page (or every migration entry that stands for it). An unmapped page is answered at once, with
 * nothing found, except under ENTRIES, where the map count says nothing. Iterative; takes the locks of the design
 * or the file, for reading. 0 also when the visitor stopped it; RMAP_EAGAIN under TRYLOCK. The page lock is held, except by
 * walkers that only age an anonymous page, which hold a reference.
 */
int rmap_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk *walk);

/*
 * Visit each VMA that maps any of the file's pages first..last, in order of offset; ties: parents before their forks. The
 * file's lock is held for reading around each visit; visit may not sleep for it again. first and last are the part of the VMA
 * that overlaps, as page offsets. Truncation unmaps by it. 0; RMAP_EINVAL: first is behind last.
 */
int rmap_walk_file(struct rmap *rmap, struct rmap_file *file, uint64_t first, uint64_t last,
		   void (*visit)(struct rmap_vma *vma, uint64_t first, uint64_t last, void *arg),
		   void *arg);

/* The VMA of a hit, looked up (and counted as a step of walk) where the design does not know it. */
struct rmap_vma *rmap_hit_vma(struct rmap *rmap, struct rmap_walk *walk, struct rmap_hit *hit);

/* Where page offset index stands in vma: its address, or false if outside. */
static inline bool rmap_vma_address(const struct rmap_vma *vma, uint64_t index, uint64_t *addr)
{
	uint64_t pages = (vma->end - vma->start) >> RMAP_PAGE_SHIFT;

	if (index - vma->pgoff >= pages) /* wraps to a large number below pgoff */
		return false;
	*addr = vma->start + ((index - vma->pgoff) << RMAP_PAGE_SHIFT);
	return true;
}

/* The linear page number of addr in vma. */
static inline uint64_t rmap_vma_index(const struct rmap_vma *vma, uint64_t addr)
{
	return vma->pgoff + ((addr - vma->start) >> RMAP_PAGE_SHIFT);
}

/* What was counted so far. May be called at any time; while others count, figures may be of slightly different moments. */
void rmap_get_counts(struct rmap *rmap, struct rmap_counts *out);

/* Live objects of one kind of tier 1; 0 of any other. */
uint64_t rmap_objects(const struct rmap *rmap, enum rmap_kind kind);
/* Their bytes; of all kinds together for RMAP_KIND_TIER1_END. */
uint64_t rmap_bytes(const struct rmap *rmap, enum rmap_kind kind);
/* The most that there ever were of these. */
uint64_t rmap_peak_bytes(const struct rmap *rmap, enum rmap_kind kind);

/*
 * What a design says of the structures that hold a VMA's, page's or mm's part of it. For drawings and checkers: calls emit
 * for each link of the VMA to an owner object, newest first. anon_vma_chain: owner is the anon_vma. mmap read, and no relative of its
 * address space exits meanwhile.
 */
struct rmap_link_info {
	const void *link;   /* the chain object; NULL where there is none */
	const void *owner;  /* what the pages of the VMA may name */
	const void *parent; /* the owner's parent, itself for a root */
	const void *root;
	bool own; /* new pages of the VMA go here */
	/* Where each address space has an owner of its own: whose this one is, NULL once that has exited. */
	const struct rmap_mm *mm;
	/* lineage: its place among the parent's forks, and how many forks it has completed; else 0. */
	uint32_t birth, clock;
};
void rmap_vma_links(const struct rmap *rmap, const struct rmap_vma *vma,
		    void (*emit)(const struct rmap_link_info *info, void *arg), void *arg);

/* The owner object of an anonymous page (what rmap_link_info.owner would be), NULL for others. */
const void *rmap_page_owner(const struct rmap *rmap, const struct rmap_page *page);

/*
 * Check the design's own structures around one VMA: links, order, keys, counts. NULL if they are right, else a sentence
 * (constant). mmap read; nothing else may be running (mm_check's rule).
 */
const char *rmap_vma_check(const struct rmap *rmap, const struct rmap_vma *vma);

/*
 * Check what the design says of an anonymous page against who has it: has() says whether an address space has a PTE of the page, or a
 * migration entry for it. NULL if it is right (or nothing is known of it), else a sentence (constant). As above.
 */
const char *rmap_page_check(const struct rmap *rmap, const struct rmap_page *page,
			    bool (*has)(const struct rmap_mm *mm, void *arg), void *arg);

#endif
