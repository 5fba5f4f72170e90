/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libmm: Linux 6.18's virtual memory, on a reverse map of choice.
 *
 * A struct mm_system is one machine: frames, swap, files, address spaces. A struct mm is one address space; processes that
 * share one (threads, vfork) hold references. Calls have the names, arguments, results and errno of Linux's; "the caller"
 * below is a process of that address space. Addresses and lengths are in bytes.
 *
 * No function needs a lock on entry, none holds one on return. All but create and destroy of the system, and what wants it quiet
 * (hibernation, the checker), may be called from several threads at once. What a call writes through a pointer (*result, *out, *page) it
 * writes on success alone. No pointer may be NULL but where it says so, and whoever passes an address space or a file holds a reference
 * to it.
 */
#ifndef RMAP_MM_H
#define RMAP_MM_H

#include <rmap/mm_port.h>
#include <rmap/pte.h>
#include <rmap/rmap.h>

struct mm;
struct mm_file;
struct mm_system;
struct page;

/* ---------------------------------------------------------------- the system */

enum mm_overcommit {
	/* refuse only one request larger than all memory and swap */
	MM_OVERCOMMIT_GUESS = 0,
	MM_OVERCOMMIT_ALWAYS = 1,
	MM_OVERCOMMIT_NEVER = 2, /* refuse above ratio % of memory plus swap */
};

/* A release of Linux as a number that grows with time. */
#define MM_RELEASE(major, minor) ((uint32_t)(major) << 8 | (uint32_t)(minor))
#define MM_RELEASE_FIRST	 MM_RELEASE(6, 1)
#define MM_RELEASE_LATEST	 MM_RELEASE(6, 18)

struct mm_config {
	const struct rmap_ops *design; /* NULL: anon_vma_chain */
	/* frames without contents, for scale: reads and writes move no bytes */
	bool phantom;
	enum mm_overcommit overcommit;
	uint32_t overcommit_ratio; /* per cent; 0: 50 */
	uint32_t max_map_count;	   /* 0: 65530 */
	uint64_t stack_guard_gap;  /* bytes; 0: 256 pages */
	uint64_t mmap_min_addr;	   /* bytes; 0: 65536 */
	uint64_t watermark_min;	   /* frames, fewer than there are; 0: chosen from nr_frames */
	/* bytes mapped around a file read fault, a power of two; 0: 64 KiB; a page: off */
	uint32_t fault_around;
	/*
	 * Whose semantics: MM_RELEASE(6, 12) for those of Linux 6.12, where they are known to differ (docs/mm.md lists how); 0:
	 * MM_RELEASE_LATEST. From 6.1 on.
	 */
	uint32_t release;
	/*
	 * Free frames that a processor counts in one go, and new pages that it keeps off the LRU lists until somebody reclaims. 1: none;
	 * 0: chosen from nr_frames (a 32nd of them but 512 at the most; a quarter of them).
	 */
	uint32_t cpu_batch;
};

/*
 * Make a machine over port, which must outlive it; config is copied. 0; RMAP_EINVAL: the port is not complete or its figures are out of
 * range (mm_port.h), or config's make no sense (unaligned addresses, a watermark of all frames); RMAP_ENOMEM.
 */
int mm_system_create(const struct mm_config *config, const struct mm_port *port,
		     struct mm_system **out);

/* Every mm and file must be gone. Asserts that no frame, slot or object is left. */
void mm_system_destroy(struct mm_system *sys);

/* What it was made with: its reverse map, its port, whether frames have no contents. Never NULL; no lock. */
struct rmap *mm_system_rmap(struct mm_system *sys);
const struct mm_port *mm_system_port(const struct mm_system *sys);
bool mm_system_phantom(const struct mm_system *sys);

/* ---------------------------------------------------------------- address spaces */

enum mm_limit {
	MM_LIMIT_AS,	  /* bytes mapped */
	MM_LIMIT_DATA,	  /* bytes private and writable */
	MM_LIMIT_STACK,	  /* bytes of a stack that grows */
	MM_LIMIT_MEMLOCK, /* bytes locked */
	MM_LIMITS,
};

#define MM_LIMIT_INFINITY UINT64_MAX

enum mm_capability {
	MM_CAP_IPC_LOCK = 1 << 0,  /* lock without limit */
	MM_CAP_SYS_ADMIN = 1 << 1, /* use the last reserve of overcommit */
};

/* An empty address space without relatives, with one reference. No capabilities; limits: Linux's defaults. */
int mm_create(struct mm_system *sys, struct mm **out);

/* One more holder (CLONE_VM, vfork). */
void mm_get(struct mm *mm);

/* One holder less; the last tears everything down (exit). */
void mm_put(struct mm *mm);

/*
 * fork: a new address space that shares every page copy-on-write. RMAP_ENOMEM leaves the parent as it was (pages may have
 * become shared and write-protected, which the next write repairs).
 */
int mm_fork(struct mm *parent, struct mm **child);

/* What exec needs to know of a program. All addresses page aligned; size 0: no such part. */
struct mm_exec_segment {
	uint64_t addr, len;   /* where */
	uint32_t prot;	      /* MM_PROT_* */
	struct mm_file *file; /* NULL: anonymous (bss) */
	uint64_t offset;      /* bytes, page aligned; the segment ends below 2^63 in the file */
};
struct mm_exec {
	const struct mm_exec_segment *segments;
	uint32_t nr_segments;
	/* final top of the stack, with at least 128 KiB below it that may be mapped; 0: below MM_TASK_SIZE */
	uint64_t stack_top;
	/* bytes of arguments and environment, written to the stack before it is moved into place */
	uint64_t args_len;
	uint64_t brk_start; /* 0: behind the highest segment */
};

/*
 * exec: a new address space for the program; the caller puts the old one. The arguments' stack is made at the top of the
 * address space, filled, then moved down to its final place as Linux does. Segments take the place of what is there, so a later one
 * wins. RMAP_EINVAL: an address, length or offset is unaligned or out of range; RMAP_ENOMEM, also where the stack finds no room. Limits
 * and capabilities are those of old, which is not changed.
 */
int mm_exec(struct mm *old, const struct mm_exec *exec, struct mm **out);

/*
 * setrlimit, in bytes or MM_LIMIT_INFINITY, and capabilities (MM_CAP_*), for the calls that follow; what is mapped or locked
 * already stays. A new address space has 8 MiB of stack and of locked memory, and no other limit; fork and exec pass on
 * what there is. No lock; a limit that does not exist is passed over.
 */
void mm_set_limit(struct mm *mm, enum mm_limit limit, uint64_t bytes);
uint64_t mm_get_limit(const struct mm *mm, enum mm_limit limit);
void mm_set_capabilities(struct mm *mm, uint32_t capabilities);

/* Where the software MMU starts: the top table, as the processor's CR3. Fixed while the mm lives. */
const pte_t *mm_table_root(const struct mm *mm);
struct mm_system *mm_of_system(const struct mm *mm);
struct rmap_mm *mm_rmap(struct mm *mm);
/* And back: the address space of a hit. */
struct mm *mm_from_rmap(struct rmap_mm *mm);
/* A number for people, 1 upwards, never reused. */
uint64_t mm_id(const struct mm *mm);

/* ---------------------------------------------------------------- system calls */

enum mm_prot {
	MM_PROT_NONE = 0,
	MM_PROT_READ = 1,
	MM_PROT_WRITE = 2,
	MM_PROT_EXEC = 4,
	MM_PROT_GROWSDOWN = 0x01000000,
	MM_PROT_GROWSUP = 0x02000000,
};

/* Linux's numbers on x86-64. */
enum mm_map_flags {
	MM_MAP_SHARED = 0x01,
	MM_MAP_PRIVATE = 0x02,
	MM_MAP_SHARED_VALIDATE = 0x03,
	MM_MAP_FIXED = 0x10,
	MM_MAP_ANONYMOUS = 0x20,
	MM_MAP_GROWSDOWN = 0x100,
	MM_MAP_DENYWRITE = 0x800,
	MM_MAP_LOCKED = 0x2000,
	MM_MAP_NORESERVE = 0x4000,
	MM_MAP_POPULATE = 0x8000,
	MM_MAP_NONBLOCK = 0x10000,
	MM_MAP_STACK = 0x20000,
	MM_MAP_FIXED_NOREPLACE = 0x100000,
};

enum mm_file_mode {
	MM_FILE_READ = 1,
	MM_FILE_WRITE = 2,
};

struct mm_mmap {
	uint64_t addr; /* a hint, or the place with FIXED */
	uint64_t len;
	uint32_t prot;	      /* MM_PROT_* */
	uint32_t flags;	      /* MM_MAP_* */
	struct mm_file *file; /* NULL with ANONYMOUS */
	uint32_t file_mode;   /* MM_FILE_*: how the descriptor was opened */
	uint64_t offset;      /* bytes */
};

/* mmap(2). *result: the address. EINVAL, ENOMEM, EEXIST, EACCES, EAGAIN, EPERM, EOVERFLOW, ENODEV as Linux. */
int mm_mmap(struct mm *mm, const struct mm_mmap *args, uint64_t *result);
int mm_munmap(struct mm *mm, uint64_t addr, uint64_t len);
int mm_mprotect(struct mm *mm, uint64_t addr, uint64_t len, uint32_t prot);

enum mm_mremap_flags {
	MM_MREMAP_MAYMOVE = 1,
	MM_MREMAP_FIXED = 2,
	MM_MREMAP_DONTUNMAP = 4,
};
int mm_mremap(struct mm *mm, uint64_t addr, uint64_t old_len, uint64_t new_len, uint32_t flags,
	      uint64_t new_addr, uint64_t *result);

/* Linux's numbers. */
enum mm_advice {
	MM_MADV_NORMAL = 0,
	MM_MADV_RANDOM = 1,
	MM_MADV_SEQUENTIAL = 2,
	MM_MADV_WILLNEED = 3,
	MM_MADV_DONTNEED = 4,
	MM_MADV_FREE = 8,
	MM_MADV_REMOVE = 9,
	MM_MADV_DONTFORK = 10,
	MM_MADV_DOFORK = 11,
	MM_MADV_HUGEPAGE = 14,	 /* no page is huge here: only what it does to VMAs */
	MM_MADV_NOHUGEPAGE = 15, /* the same */
	MM_MADV_DONTDUMP = 16,
	MM_MADV_DODUMP = 17,
	MM_MADV_WIPEONFORK = 18,
	MM_MADV_KEEPONFORK = 19,
	MM_MADV_COLD = 20,
	MM_MADV_PAGEOUT = 21,
	MM_MADV_POPULATE_READ = 22,
	MM_MADV_POPULATE_WRITE = 23,
	MM_MADV_DONTNEED_LOCKED = 24,
};
int mm_madvise(struct mm *mm, uint64_t addr, uint64_t len, int advice);

/* brk(2): the new break, or the old one where it cannot be. Never an error. */
uint64_t mm_brk(struct mm *mm, uint64_t brk);
/*
 * Where the heap may begin, any byte below MM_TASK_SIZE; exec does it by itself. Where nothing can be mapped it does not grow. RMAP_EINVAL: it
 * is not empty, or that is no such address.
 */
int mm_set_brk(struct mm *mm, uint64_t start_brk);

enum mm_mlock_flags {
	MM_MLOCK_ONFAULT = 1,
};
enum mm_mlockall_flags {
	MM_MCL_CURRENT = 1,
	MM_MCL_FUTURE = 2,
	MM_MCL_ONFAULT = 4,
};
int mm_mlock(struct mm *mm, uint64_t addr, uint64_t len, uint32_t flags);
int mm_munlock(struct mm *mm, uint64_t addr, uint64_t len);
int mm_mlockall(struct mm *mm, uint32_t flags);
int mm_munlockall(struct mm *mm);

/* vec: one byte a page, 1: no I/O would be needed. Where it fails, the bytes before the hole are written. */
int mm_mincore(struct mm *mm, uint64_t addr, uint64_t len, uint8_t *vec);

enum mm_msync_flags {
	MM_MS_ASYNC = 1,
	MM_MS_INVALIDATE = 2,
	MM_MS_SYNC = 4,
};
int mm_msync(struct mm *mm, uint64_t addr, uint64_t len, uint32_t flags);

/* ---------------------------------------------------------------- faults and access */

enum mm_access {
	MM_ACCESS_READ = 0,
	MM_ACCESS_WRITE = 1,
	MM_ACCESS_EXEC = 2,
};

/*
 * The processor could not translate addr. 0: try again. RMAP_EFAULT: SIGSEGV, nothing mapped there; RMAP_EACCES: SIGSEGV, not
 * allowed; RMAP_EIO: SIGBUS; RMAP_EHWPOISON: SIGBUS, the frame went bad; RMAP_ENOMEM: out of memory, nothing changed.
 */
int mm_fault(struct mm *mm, uint64_t addr, enum mm_access access);

/*
 * Read or write len bytes without a processor's TLB, faulting as needed (a kernel's copy_from_user and copy_to_user). Errors
 * of mm_fault; *done: the bytes that were moved (may be NULL).
 */
int mm_read(struct mm *mm, uint64_t addr, void *data, uint64_t len, uint64_t *done);
int mm_write(struct mm *mm, uint64_t addr, const void *data, uint64_t len, uint64_t *done);

enum mm_pin_flags {
	MM_PIN_WRITE = 1, /* the holder will write; COW is broken first */
	/* a pin: fork copies such a page at once; without it a plain reference (vmsplice) */
	MM_PIN_LONGTERM = 2,
	/* even where the VMA forbids it, through a private copy (a debugger) */
	MM_PIN_FORCE = 4,
};
/*
 * The page at addr, kept until mm_unpin() with the same flags. Errors of mm_fault, RMAP_EINVAL; RMAP_ENOMEM also where it is held some
 * two million times for long, or two thousand million times otherwise: its count of holders would run over.
 */
int mm_pin(struct mm *mm, uint64_t addr, uint32_t flags, struct page **page);
void mm_unpin(struct mm_system *sys, struct page *page, uint32_t flags);
/* Tier 1's part of a page, for rmap_walk(). */
struct rmap_page *mm_page_rmap(struct page *page);
/*
 * rmap_walk() of a page that the caller has a reference to, with the page lock held for the time of it, with RMAP_WALK_SETTLE, as
 * reclaim does it, and with RMAP_WALK_MAY_ALLOC (both are added to walk->flags): for those who ask from outside. Errors of rmap_walk().
 */
int mm_walk_page(struct mm_system *sys, struct page *page, struct rmap_walk *walk);
/* Contents of a pinned page; NULL in a phantom system. */
void *mm_page_data(struct mm_system *sys, struct page *page);

/* ---------------------------------------------------------------- files */

/*
 * A file of size bytes behind handle (mm_port.file_read…). One reference, which mm_file_put() returns; mappings hold their
 * own. handle NULL: no store behind it, an anonymous shared memory file (its pages go to swap). 0 or RMAP_ENOMEM.
 */
int mm_file_create(struct mm_system *sys, void *handle, uint64_t size, struct mm_file **out);
void mm_file_get(struct mm_file *file);
void mm_file_put(struct mm_file *file);
uint64_t mm_file_size(const struct mm_file *file);
void *mm_file_handle(const struct mm_file *file);
/* A number for people and views (the inode), 1 upwards. */
uint64_t mm_file_id(const struct mm_file *file);
bool mm_file_is_shmem(const struct mm_file *file);

/*
 * Set the size; pages behind it leave every address space (also private copies). The port is not told: where the file shrinks, the
 * caller cuts the store afterwards, before the file grows again. 0, RMAP_EIO or RMAP_ENOMEM.
 */
int mm_file_truncate(struct mm_file *file, uint64_t size);
/* Write back all dirty pages (fsync). 0, or the first error; other pages are written all the same. */
int mm_file_sync(struct mm_file *file);
/*
 * read(2) and write(2) through the page cache; write extends the file. *done as for mm_read, but a read ends at the end of the file without
 * an error. data NULL: no bytes are moved, all else is done; fresh pages have zeros. RMAP_EIO, RMAP_ENOMEM; of a write whose end would be
 * beyond 2^64: RMAP_EINVAL.
 */
int mm_file_read(struct mm_file *file, uint64_t offset, void *data, uint64_t len, uint64_t *done);
int mm_file_write(struct mm_file *file, uint64_t offset, const void *data, uint64_t len,
		  uint64_t *done);

/* ---------------------------------------------------------------- memory pressure */

/*
 * Free up to nr frames by the LRU lists, as direct reclaim does. Returns how many were freed.
 */
uint64_t mm_reclaim(struct mm_system *sys, uint64_t nr);

/* Bring free frames above the high watermark if they are below the low one (what kswapd does). */
void mm_balance(struct mm_system *sys);

/*
 * Everything back from swap, which is not used afterwards until mm_swapon(). RMAP_ENOMEM: what did not fit stays out, or more is promised
 * than memory alone may be (MM_OVERCOMMIT_NEVER), and swap stays in use; RMAP_EIO: a slot could not be read, and swap stays in
 * use; RMAP_EINVAL: it is not in use, or another's mm_swapoff() is under way.
 */
int mm_swapoff(struct mm_system *sys);
/* Swap is used again; a new system's is. RMAP_EBUSY: it is in use, or somebody's mm_swapoff() is still under way. */
int mm_swapon(struct mm_system *sys);

/*
 * Move the page at addr to another frame; users do not notice. RMAP_EAGAIN: pinned or busy; RMAP_ENOENT: no page there;
 * RMAP_ENOMEM.
 */
int mm_migrate(struct mm *mm, uint64_t addr);

/*
 * The frame under addr has gone bad: whoever maps it gets RMAP_EHWPOISON at the next touch. A clean file page is read again from
 * its file instead; where a file page was written, those who come later find what the file's store has, and the next
 * mm_file_sync() or msync returns RMAP_EIO, once. Shared memory and swapped pages have no other place: there all who come later get
 * RMAP_EHWPOISON, too. RMAP_ENOENT: no page there, RMAP_EBUSY: pinned.
 */
int mm_poison(struct mm *mm, uint64_t addr);

/* ---------------------------------------------------------------- hibernation */

/* Where an image goes or comes from. 0 or a negative error, which hibernate and resume return. */
struct mm_stream {
	void *ctx;
	int (*write)(void *ctx, const void *data, uint64_t len);
	/* RMAP_EBADMSG where the image ends early */
	int (*read)(void *ctx, void *data, uint64_t len);
};

/*
 * Write all address spaces and contents. First everything that can go is written to files, also to those that nobody maps, and pushed
 * out to swap; what that comes to (RMAP_EIO) is the outcome. What was lost before is left for the next sync to say. The system must be
 * quiet (RMAP_EBUSY: a page migrates); it stays usable. ids[i] names mms[i] for resume's caller; each address space is there once. An error of
 * the stream's, or RMAP_ENOMEM.
 */
int mm_hibernate(struct mm_system *sys, struct mm *const *mms, const uint64_t *ids, uint32_t nr,
		 const struct mm_stream *stream);

struct mm_resume {
	/* The store for the file that had this id; NULL handle only for shared memory. 0 or an error. */
	int (*file)(void *arg, uint64_t file_id, uint64_t size, void **handle);
	/* An address space is back; the callee owns one reference. */
	void (*mm)(void *arg, uint64_t id, struct mm *mm);
	void *arg;
};

/*
 * Fill a fresh system from an image. RMAP_EBADMSG: the image is cut, altered or of another version; RMAP_ENOMEM, RMAP_EIO;
 * RMAP_EBUSY: it has an address space or a file, which stay; or an error of the stream's or of resume->file's. On failure the system is
 * empty again.
 */
int mm_resume_image(struct mm_system *sys, const struct mm_stream *stream,
		    const struct mm_resume *resume);

/* ---------------------------------------------------------------- views */

struct mm_vma_info {
	uint64_t start, end;
	/* bytes, as /proc/PID/maps prints it: 0 for private anonymous memory */
	uint64_t offset;
	uint64_t pgoff; /* the linear page number that the reverse map uses */
	uint32_t prot;	/* MM_PROT_* */
	uint64_t flags; /* VM_* of src/mm/vma.h, for tools that know them */
	bool shared, locked, growsdown, faulted, heap, stack;
	struct mm_file *file;  /* no reference; NULL for private anonymous memory */
	struct rmap_vma *rmap; /* for rmap_vma_links(); valid inside the callback */
};

/* Call visit for each VMA in order of address, mmap read held: visit may call no function that takes it. */
void mm_for_each_vma(struct mm *mm, void (*visit)(const struct mm_vma_info *vma, void *arg),
		     void *arg);

enum mm_page_state {
	MM_PAGE_NONE,
	MM_PAGE_PRESENT,
	MM_PAGE_SWAPPED,
	MM_PAGE_MIGRATING,
	MM_PAGE_POISONED,
	MM_PAGE_ZERO, /* the zero page */
};

struct mm_page_info {
	enum mm_page_state state;
	uint64_t pfn;  /* PRESENT, ZERO */
	uint64_t slot; /* SWAPPED */
	bool anon, file, exclusive, writable, dirty, accessed, locked;
	bool swapcache; /* PRESENT: it has a slot, too; SWAPPED: the slot's page is in memory, and may not have been written yet */
	uint32_t mapcount;
	uint32_t swap_count;
	uint64_t index;
	struct page *page; /* PRESENT; no reference */
};

/* What stands at addr. mm_read's rules do not apply: nothing is faulted in. */
void mm_page_info(struct mm *mm, uint64_t addr, struct mm_page_info *info);

/* One VMA as /proc/PID/smaps shows it, in bytes. RMAP_ENOENT: no VMA there. */
struct mm_smaps {
	uint64_t size, rss, pss;
	uint64_t shared_clean, shared_dirty, private_clean, private_dirty;
	uint64_t referenced, anonymous, lazyfree, swap, swap_pss, locked;
};
int mm_smaps(struct mm *mm, uint64_t addr, struct mm_smaps *out);

struct mm_stats {
	uint64_t map_count;
	uint64_t total_vm, locked_vm, data_vm, exec_vm, stack_vm; /* pages */
	uint64_t rss_anon, rss_file, rss_shmem, swap_entries;	  /* pages */
	uint64_t table_pages;
	uint64_t brk_start, brk;
};
void mm_get_stats(struct mm *mm, struct mm_stats *out);

/* What happened since the system was made. Copied without a lock: each figure is right, their sum is of about one moment. */
struct mm_counters {
	uint64_t faults;
	uint64_t fault_zero_page; /* read of anonymous memory */
	uint64_t fault_zero_fill; /* first write of anonymous memory */
	uint64_t fault_cow_copy;  /* write to a shared page */
	uint64_t fault_cow_reuse; /* write to a page that turned out unshared */
	uint64_t fault_file_map;  /* read or shared write, page of the file mapped */
	uint64_t fault_file_cow;  /* private write, page of the file copied */
	uint64_t fault_mkwrite;	  /* shared file page becomes dirty */
	/* from a swap entry, read or found in the swap cache */
	uint64_t fault_swap_in;
	uint64_t fault_spurious; /* somebody else was first */
	/* took mmap_lock, because their VMA was being changed or its lock would not do; the others took only that */
	uint64_t fault_mmap_lock;
	uint64_t fault_errors;
	uint64_t stack_growths;
	uint64_t forks, execs, exits;
	uint64_t fork_vmas, fork_ptes, fork_pages_copied; /* the last: pinned ones */
	uint64_t swap_out, swap_in, swap_cache_hits;
	uint64_t file_in, file_out;
	uint64_t reclaim_scanned, reclaim_freed, reclaim_activated, lazyfree_dropped;
	uint64_t migrated, poisoned;
	uint64_t merges, splits, moves, moved_ptes;
	uint64_t tlb_flushes;
};
void mm_get_counters(const struct mm_system *sys, struct mm_counters *out);

struct mm_memory {
	uint64_t frames, free, tables, anon, file, shmem, dirty, unevictable;
	uint64_t swap_slots, swap_used, swap_cache;
	uint64_t committed;	   /* pages */
	uint64_t descriptor_bytes; /* one descriptor a frame */
	uint64_t object_bytes;	   /* tier 1's and 2's objects */
	uint64_t peak_object_bytes;
};
void mm_get_memory(struct mm_system *sys, struct mm_memory *out);

/* Bytes and number of live objects of a kind, tier 1's and tier 2's; 0 of what is no kind. */
void mm_get_objects(const struct mm_system *sys, enum rmap_kind kind, uint64_t *objects,
		    uint64_t *bytes);

/* ---------------------------------------------------------------- the checker */

struct mm_check {
	/* in */
	uint64_t max_walks; /* walk at most this many pages, a seeded sample; 0: all */
	uint64_t max_looks; /* the same, until the walks have read so many PTE slots; 0: no limit */
	uint64_t seed;
	/* out */
	uint64_t pages, ptes, walked; /* how much was checked */
	char message[256];	      /* what is wrong first, a sentence; empty: nothing */
};

/*
 * Trust nothing: rebuild which page is mapped where from all page tables, and hold against it every walk, map count, exclusive
 * bit, swap count, LRU list, VMA tree, limit and counter. The system must be quiet. 0; RMAP_EBADMSG with message; RMAP_ENOMEM:
 * not checked. Changes and counts nothing.
 */
int mm_check(struct mm_system *sys, struct mm_check *check);

#endif
