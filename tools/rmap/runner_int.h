/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the runner: what its files share.
 *
 * A *process* is a name for a *space*, an address space with its shadow; threads are processes of one space. A space keeps
 * a copy of its VMAs (the layout), which is thrown away whenever a call may have changed it and made again when contents
 * must be found: which of a process's pages show a file, and which a private copy, is a question of the VMA.
 */
#ifndef RMAP_TOOL_RUNNER_INT_H
#define RMAP_TOOL_RUNNER_INT_H

#include "runner.h"
#include "shadow.h"

#include <hosted/hosted.h>
#include <test/testport.h>

struct rfile;

struct layout_vma {
	uint64_t start, end, offset; /* bytes */
	uint64_t flags;		     /* VM_* */
	bool shared, locked;
	struct mm_file *file;
};

struct layout {
	struct layout_vma *vmas;
	size_t nr, room;
	bool valid;
};

struct space {
	struct mm *mm;
	struct shadow *shadow; /* NULL in a phantom run */
	uint32_t users;
	bool maps_files;   /* ever mapped a file, or shared memory: contents may be a file's */
	bool advised_fork; /* DONTFORK or WIPEONFORK was ever said */
	struct layout layout;
};

struct process {
	uint64_t id;
	uint32_t cpu;
	struct space *space;
	struct process *hash_next;
	struct process *next, *prev; /* in order of making */
};

/* A file as the runner knows it: what it must hold. */
struct rfile {
	struct mm_file *file;	    /* a reference while named; else as seen in a VMA */
	uint64_t id;		    /* mm_file_id() */
	struct hosted_file *handle; /* NULL: shared memory */
	uint64_t seed, size;
	uint64_t base_size;   /* the seed's pattern shows below this; zeros behind it */
	struct shadow *pages; /* by byte offset */
	struct shadow
		*tails; /* of pages cut by a truncation: WRITTEN | bytes that are still valid */
	uint32_t named; /* the workload's number for it, 0: none */
	bool copied;	/* pages of it may have copies that nobody wrote */
	bool seen;	/* by the sweep for those that nothing maps any more */
	struct rfile *next;
};

struct pin {
	uint32_t id;
	uint32_t flags;
	struct page *page;
	struct pin *next;
};

struct op_time {
	uint64_t count, ns, units; /* units: pages, where an operation is about pages */
};

struct probe {
	char what[96];
	uint64_t stop_looks, full_looks, steps, found, mapcount;
	bool found_page;
};

struct phase_time {
	char name[64];
	uint64_t ops, ns;
};

/* Bytes of a range that is gone through page by page whether or not anything is there. */
#define RUNNER_MAX_RANGE ((uint64_t)1 << 36)

#define RUNNER_PROBES	 64
#define RUNNER_PHASES	 64
#define RUNNER_CPUS	 4
#define PROC_BUCKETS	 4096u
#define FILE_BUCKETS	 256u

struct totals {
	struct mm_counters mm;
	struct {
		uint64_t walks, looks, steps, found, max_looks;
	} walk[RMAP_WALK_PURPOSES];
	uint64_t anon_vma_reused, anon_vma_shared, adopted, merges_refused, locks_page, locks_mm,
		locks_family, locks_file;
	uint64_t tlb_hits, tlb_misses, tlb_flushed;
	struct hosted_flush_stats flush[MM_FLUSH_REASONS];
	struct {
		uint64_t peak_bytes, allocated;
	} object[RMAP_KIND_TIER1_END];
	uint64_t peak_rmap_bytes, peak_object_bytes;
};

struct runner {
	struct op_source *source;
	struct runner_options options;
	uint64_t frames, swap_slots;
	bool phantom;
	bool swap_off; /* by the workload; also on the machine that it hibernates to */
	/* the machine */
	struct testport
		*testport; /* where the workload lets things fail; its hosted machine is ours */
	struct hosted *hosted;
	struct mm_system *sys;
	/* what lives on it */
	struct process *procs, *last_proc;
	struct process *proc_hash[PROC_BUCKETS];
	uint64_t nr_procs, peak_procs, procs_made;
	uint64_t peak_used;		   /* frames, as sampled */
	struct rfile *files[FILE_BUCKETS]; /* by mm_file_id */
	struct rfile **named;		   /* by the workload's number */
	uint32_t nr_named;
	uint64_t nr_files, sweep_files_at;
	struct pin *pins;
	uint64_t *marks;
	uint8_t *mark_set;
	uint32_t nr_marks;
	uint64_t version; /* the last pattern that nobody named */
	/* where it stands */
	const struct op *op;
	enum runner_result result;
	uint64_t ops, misfits;
	uint64_t start_ns, check_ns, verify_ns, last_check_ns, end_ns;
	uint64_t checks, check_pages, check_ptes, check_walked, since_check;
	uint64_t verified_pages, read_pages, written_pages;
	uint64_t expectations, expectations_skipped;
	char first_misfit[OPS_ERR_SIZE];
	uint64_t *snapshot;   /* counters at the last snapshot, by number */
	struct totals before; /* of machines that hibernated */
	struct op_time times[OP_KINDS];
	struct phase_time phases[RUNNER_PHASES];
	uint32_t nr_phases;
	uint64_t phase_start_ns, phase_ops;
	struct probe probes[RUNNER_PROBES];
	uint32_t nr_probes;
	unsigned char *page;  /* one page, to write from and to read to */
	unsigned char *page2; /* what was expected */
	char *err;	      /* of the operation that runs */
	/* What it came to, whatever it was to come to: an error, an address, the page where an access ended. */
	int last_error;
	uint64_t last_result, last_at;
};

/*
 * Sentences. "file:line: " is put before. failed: what was expected did not come (counted as a misfit by tolerant sources);
 * bad: the operation makes no sense.
 */
__attribute__((format(printf, 2, 3))) enum runner_result runner_failed(struct runner *r,
								       const char *format, ...);
__attribute__((format(printf, 2, 3))) enum runner_result runner_bad(struct runner *r,
								    const char *format, ...);
enum runner_result runner_no_memory(struct runner *r);
/* A contents mismatch or a failed check: never only a misfit. */
__attribute__((format(printf, 2, 3))) enum runner_result runner_broken(struct runner *r,
								       const char *format, ...);

/* runner_machine.c */
int runner_machine_up(struct runner *r, char *error);
void runner_machine_down(struct runner *r);
/* Figures of the machine that is up, added to those of machines before. */
void runner_totals(struct runner *r, struct totals *out);
enum runner_result runner_hibernate(struct runner *r);

/* runner_proc.c */
struct process *runner_find(struct runner *r, uint64_t id);
/* With a sentence. */
struct process *runner_need(struct runner *r, uint64_t id, enum runner_result *result);
/* Takes over the space. NULL: no memory, the space is given back. */
struct process *runner_add(struct runner *r, uint64_t id, struct space *space);
void runner_remove(struct runner *r, struct process *proc);
/* Takes over mm and shadow (also when it fails). */
struct space *space_new(struct mm *mm, struct shadow *shadow);
void space_put(struct space *space);
void space_changed(struct space *space);
/* The VMA that covers addr now, NULL: none. */
const struct layout_vma *space_vma(struct space *space, uint64_t addr);
/* The layout as it is now; NULL: no memory. */
const struct layout *space_layout(struct space *space);
enum runner_result runner_process_op(struct runner *r, const struct op *op);

/* runner_call.c */
enum runner_result runner_call_op(struct runner *r, const struct op *op);
/* Does error agree with what the operation must come to? */
enum runner_result runner_outcome(struct runner *r, int error, const char *more);
enum runner_result runner_place(struct runner *r, const struct op_addr *addr, uint64_t *out);
/* The name stands for this value from now on; mark 0: it has no name. */
enum runner_result runner_set_mark(struct runner *r, uint32_t mark, uint64_t value);

/* runner_access.c */
enum runner_result runner_access_op(struct runner *r, const struct op *op);
enum runner_result runner_pin_op(struct runner *r, const struct op *op);
void runner_unpin_all(struct runner *r);
/* Bytes of the page at addr that a write of all of it writes: less than a page where a shared mapping's file ends in it. */
uint64_t runner_write_len(struct runner *r, struct space *space, uint64_t addr);
/* Contents of up to limit pages looked at from outside, faulting nothing in; 0: all. */
enum runner_result runner_peek(struct runner *r, uint64_t limit);
/* Every process reads all it wrote, through the MMU. */
enum runner_result runner_verify(struct runner *r);
/* What the page at addr must look like into buf: 1, len bytes of it count; 0: anything; *maybe_zero: or zeros. */
int runner_expected(struct runner *r, struct space *space, uint64_t addr, void *buf, size_t *len,
		    bool *maybe_zero);
/* The page as it is, without a fault: 1 and its bytes in buf, 0: cannot be seen. */
int runner_look(struct runner *r, struct space *space, uint64_t addr, void *buf);

/* runner_file.c */
enum runner_result runner_file_op(struct runner *r, const struct op *op);
struct rfile *rfile_of(struct runner *r, struct mm_file *file);
/* What the file's page at offset must look like; *len: the bytes that count. 0: anything. */
int rfile_expected(struct rfile *f, uint64_t offset, void *buf, size_t *len);
/* A page of the file, or a range of it, is about to change, or has just: what shows it follows, and what copied it does not. */
bool rfile_written(struct runner *r, struct rfile *f, uint64_t offset, uint64_t stamp);
bool rfile_punched(struct runner *r, struct rfile *f, uint64_t offset, uint64_t len, bool sure);
/* Pages of private file mappings in this range may have been copied without a write. */
void runner_copied(struct runner *r, struct space *space, uint64_t start, uint64_t len);
struct rfile *rfile_named(struct runner *r, uint32_t number);
void rfile_rebind(struct runner *r, struct rfile *f, struct mm_file *file);
enum runner_result runner_files_written(struct runner *r);
void runner_files_down(struct runner *r);
/* Forget files without a name that no process maps any more: they have gone, and their numbers never come back on this machine. */
void runner_files_sweep(struct runner *r);

/* runner_expect.c */
enum runner_result runner_expect_op(struct runner *r, const struct op *op);
enum runner_result runner_probe(struct runner *r, const struct op *op);
enum runner_result runner_note_frame(struct runner *r, const struct op *op);

/* counters.c */
/* The counter of that name, or -1. */
int counter_find(const char *name);
unsigned int counter_number(void);
const char *counter_name(unsigned int counter, char *buf, size_t size);
uint64_t counter_value(struct runner *r, unsigned int counter);

#endif
