/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hosted port: a machine for libmm made of what Linux offers a process.
 *
 * A struct hosted is one machine: frames (an arena of address space), swap (an unlinked file), files, deferral (liburcu),
 * sleeping locks (futexes), object caches, and processors, each with a TLB of its own. Many machines live in one process.
 *
 *	struct hosted_config config = { .nr_frames = 65536, .nr_swap_slots = 65536 };
 *	char error[HOSTED_ERROR];
 *	struct hosted *h;
 *
 *	if (hosted_create(&config, &h, error))
 *		errx(2, "%s", error);
 *	mm_system_create(&mm_config, hosted_port(h), &sys);
 *	hosted_write(hosted_cpu(h, 0), mm, addr, "hello", 5, NULL);
 *	mm_system_destroy(sys);
 *	hosted_destroy(h, NULL, NULL);
 *
 * Functions here may be called from any thread with no lock of libmm's held. A thread registers with liburcu by itself when
 * it first needs to and leaves when it ends.
 */
#ifndef HOSTED_H
#define HOSTED_H

#include <rmap/mm.h>

struct hosted;
struct hosted_cpu;
struct hosted_file;
struct hosted_stream;

/* Room for a sentence. Where a function takes `char *error`, it has this size or is NULL, and is written only on failure. */
#define HOSTED_ERROR 256

/* ---------------------------------------------------------------- the machine */

enum hosted_huge {
	HOSTED_HUGE_DEFAULT, /* what measured better: descriptors and contents on, phantom frames off */
	HOSTED_HUGE_OFF,
	HOSTED_HUGE_ON,
};

enum hosted_deferral {
	HOSTED_DEFER_SOON,	 /* a thread of the machine runs it, milliseconds later */
	HOSTED_DEFER_TO_BARRIER, /* rcu_barrier() and destroy do: nothing ever runs beside the caller */
};

struct hosted_config {
	/* Of 4 KiB; 64 at least, 2^36 at most; address space only until they are touched. */
	uint64_t nr_frames;
	uint64_t nr_swap_slots; /* of 4 KiB; 0: no swap */
	bool phantom;	  /* for a phantom system: frames hold no contents, swap has no file */
	uint32_t nr_cpus; /* virtual processors, 1 to 256; 0: 1 */
	bool no_tlb;	  /* every access walks the tables, for comparison */
	/* look at the tables at each hit of a TLB, too, and remember who went on by an old translation: hosted_tlb_check() */
	bool watch_tlb;
	/* what a flush that interrupts other processors costs the one that asks, in nanoseconds of waiting; 0: nothing */
	uint64_t interrupt_ns;
	enum hosted_huge huge;	       /* transparent huge pages behind frames and descriptors */
	enum hosted_deferral deferral; /* when what call_rcu() was given runs */
	const char *directory; /* for the swap file and files' overlays; NULL: $TMPDIR, or /tmp */
	/*
	 * What is written to swap and to stand-ins stays in memory that is this process's alone. With HOSTED_DEFER_TO_BARRIER
	 * a fork() of the process then copies the machine: what the one does, the other never sees.
	 */
	bool in_memory;

	/*
	 * Adversity, once hosted_adversity() lets it begin: one allocation of an object in so many is refused, 0: none; and a
	 * transfer of a page to or from swap or a file takes so many nanoseconds on the average, up to twice as many, 0: none. Drawn
	 * from the seed.
	 */
	uint32_t refuse_one_in;
	uint64_t transfer_ns;
	uint64_t adversity_seed;

	/* Called before abort() when an invariant is broken; may leave by longjmp. NULL: only the sentence on stderr. */
	void (*panic)(void *arg, const char *file, int line, const char *what);
	void *panic_arg;
};

/*
 * Make a machine. 0; RMAP_EINVAL (a number is out of range), RMAP_ENOMEM (no address space), RMAP_EIO (no swap file), with a
 * sentence in error.
 */
int hosted_create(const struct hosted_config *config, struct hosted **out, char *error);

/* Something was still there when the machine ended: what ("anon_vma", "open file"), how many, how many bytes. */
typedef void hosted_leak_fn(void *arg, const char *what, uint64_t count, uint64_t bytes);

/*
 * Run what was deferred, then end the machine. Returns the number of objects and open files that nobody had given back, after a
 * call of report (may be NULL) for each kind of them; caches and files go all the same. The system must be destroyed before.
 */
uint64_t hosted_destroy(struct hosted *h, hosted_leak_fn *report, void *arg);

/* What mm_system_create() wants. Valid until destroy. */
const struct mm_port *hosted_port(const struct hosted *h);
bool hosted_phantom(const struct hosted *h);

/* Live objects of a kind and their bytes. */
void hosted_objects(const struct hosted *h, enum rmap_kind kind, uint64_t *objects,
		    uint64_t *bytes);

/* Bytes of memory behind object caches, live or not. */
uint64_t hosted_cache_bytes(const struct hosted *h);

/*
 * Threads: attach is called by itself when a thread first allocates or reads under RCU, detach when the thread ends. By hand
 * only for a thread that goes on without the library.
 */
void hosted_thread_attach(void);
void hosted_thread_detach(void);

/*
 * Wait until every read-side section of every thread that is open now has ended, and every walk of the machine's processors through
 * page tables. Not from inside one.
 */
void hosted_synchronize(struct hosted *h);

/* From now on what the machine was made to be hard with is so, or not any more. Any time. And how many objects it has refused. */
void hosted_adversity(struct hosted *h, bool begin);
uint64_t hosted_refusals(const struct hosted *h);

struct hosted_io {
	uint64_t swap_writes, swap_reads, file_writes, file_reads; /* pages */
	uint64_t swap_refused; /* pages that this computer did not take, for want of disk perhaps */
	int swap_errno;	       /* why not, the first time; 0: there was none */
	uint64_t deferred;     /* objects given to call_rcu */
};
void hosted_get_io(const struct hosted *h, struct hosted_io *out);
/* Where the swap file is, and files' overlays are made. */
const char *hosted_directory(const struct hosted *h);

/* ---------------------------------------------------------------- files */

/* How hosted_file_open() opens, as for mmap. */
enum hosted_file_flags {
	HOSTED_FILE_READ = MM_FILE_READ,
	HOSTED_FILE_WRITE = MM_FILE_WRITE,
	HOSTED_FILE_CREATE = 4, /* make it, or empty it */
};

/*
 * A file of this machine's; the result is the handle for mm_file_create(). libmm closes it through file_release when the last
 * user has gone; only if mm_file_create() fails, or was never called, hosted_file_close() is the caller's to call.
 *
 * open: a real file. RMAP_ENOENT, RMAP_EACCES, RMAP_EINVAL (no regular file), RMAP_EIO.
 */
int hosted_file_open(struct hosted *h, const char *path, unsigned int flags,
		     struct hosted_file **out, char *error);

/*
 * A sparse stand-in of size bytes (below 2^63): a page is computed from seed when it is read (seed 0: zeros); pages that are
 * written go to an unlinked overlay in the machine's directory. RMAP_ENOMEM.
 */
int hosted_file_temp(struct hosted *h, uint64_t size, uint64_t seed, struct hosted_file **out);

void hosted_file_close(struct hosted_file *file);
uint64_t hosted_file_size(const struct hosted_file *file);

/*
 * Set the size to the byte, beside mm_file_truncate() (which the port does not see) or behind an extending write (which
 * leaves it at a page's end). What is cut off reads as zeros if the file grows again. 0, RMAP_EIO, RMAP_EINVAL (2^63 or more).
 */
int hosted_file_resize(struct hosted_file *file, uint64_t size);

/* The contents of a stand-in: byte at offset, or the whole page at page offset index. Does not look at any file's size. */
uint8_t hosted_pattern_byte(uint64_t seed, uint64_t offset);
void hosted_pattern_page(uint64_t seed, uint64_t index, void *data);

/* ---------------------------------------------------------------- images */

/*
 * A stream over a file, compressed and with a checksum, for mm_hibernate() and mm_resume_image().
 *
 * create: nothing stands at path before a close without an error (the file is made beside it and renamed). open: the whole
 * file's checksum is verified before the first byte is given out. 0; RMAP_ENOENT, RMAP_EACCES, RMAP_EIO, RMAP_ENOMEM,
 * RMAP_EBADMSG (cut, altered, or no image).
 *
 * _fd: the same over a regular file that the caller has open, from its beginning, for one that needs no name; it stays the
 * caller's. One stream at a time, since they share its position; it must be empty to be created.
 */
int hosted_stream_create(const char *path, struct hosted_stream **out, char *error);
int hosted_stream_create_fd(int fd, struct hosted_stream **out, char *error);
int hosted_stream_open(const char *path, struct hosted_stream **out, char *error);
int hosted_stream_open_fd(int fd, struct hosted_stream **out, char *error);
const struct mm_stream *hosted_stream_mm(struct hosted_stream *stream);

/* 0, or the first error; after an error, or with keep false, a created file is gone (behind an fd: of no use). */
int hosted_stream_close(struct hosted_stream *stream, bool keep);

/* ---------------------------------------------------------------- processors */

/*
 * A virtual processor is used by one thread at a time. It translates through its TLB (64 sets × 4 ways, tagged by address
 * space, so that a switch flushes nothing); on a miss it walks the four levels of tables, as x86-64 does: a page is writable
 * if every level says so, accessed and dirty bits of the PTE are set by compare-exchange before the translation is used. What
 * the tables do not allow becomes mm_fault(), and the access is tried again.
 */
struct hosted_cpu *hosted_cpu(struct hosted *h,
			      uint32_t number); /* NULL: there is none of that number */
uint32_t hosted_nr_cpus(const struct hosted *h);

/*
 * Load mm's tables, or none (NULL). The accesses below do it by themselves when they are given another mm than the last time.
 * An mm may go while it is loaded; it is then unloaded.
 */
void hosted_cpu_switch(struct hosted_cpu *cpu, struct mm *mm);

/*
 * Read, write, or fetch instructions. The caller holds a reference to mm. data NULL: touch each page, move no bytes (which is
 * also what a phantom system does). Errors of mm_fault(); RMAP_EFAULT at once above the user half; RMAP_EAGAIN if mm_fault()
 * said 1,000 times that it had helped. *done (may be NULL): the bytes before the page that failed, else len.
 */
int hosted_read(struct hosted_cpu *cpu, struct mm *mm, uint64_t addr, void *data, uint64_t len,
		uint64_t *done);
int hosted_write(struct hosted_cpu *cpu, struct mm *mm, uint64_t addr, const void *data,
		 uint64_t len, uint64_t *done);
int hosted_exec(struct hosted_cpu *cpu, struct mm *mm, uint64_t addr, void *data, uint64_t len,
		uint64_t *done);

/*
 * A flush looks into every processor's TLB, but interrupts only those that run the address space, or had translations that
 * went: a real machine keeps a mask for that. The thread's own processor, the one that it accessed memory through last, needs no
 * interrupt.
 */
struct hosted_flush_stats {
	uint64_t flushes;    /* calls of tlb_flush */
	uint64_t interrupts; /* other processors that were interrupted */
	uint64_t entries;    /* translations that went */
};

struct hosted_mmu_stats {
	uint64_t hits, misses; /* translations from the TLB, by a walk */
	uint64_t faults;       /* calls of mm_fault */
	uint64_t flushes;      /* calls of tlb_flush */
	uint64_t flushed;      /* entries that went, also those that a processor forgot by itself */
	uint64_t interrupts;
	struct hosted_flush_stats by[MM_FLUSH_REASONS];
};
/* All processors together. */
void hosted_mmu_get_stats(struct hosted *h, struct hosted_mmu_stats *out);

/*
 * Does every TLB entry still agree with the page tables: same frame, no right, no dirty and no accessed bit that the PTE has not?
 * (libmm flushes what it clears the accessed bit of, and takes a clear one to mean that no flush is due.) An entry that outlived its
 * address space is wrong, too. The sentence says which processor, address and frame, who should have flushed, and with watch_tlb
 * also whether the processor has read or written there since by the old translation. The system must be quiet. 0, or RMAP_EBADMSG
 * with the sentence in error.
 */
int hosted_tlb_check(struct hosted *h, char *error);

#endif
