/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An operation as data.
 *
 * Three things say what a machine's processes do: a workload file, a generator, a record of a real program. Each is a
 * *source*: it hands out one struct op after the other and never holds all of them, so a million operations cost no
 * memory. One thing carries them out: the runner (runner.h), one at a time.
 *
 * An op names processes, addresses and files by number, so that a record needs no names. An address is a mark (a place that
 * an earlier operation gave a number to, "heap" in a workload) plus a distance; mark 0 stands for address 0.
 */
#ifndef RMAP_TOOL_OPS_H
#define RMAP_TOOL_OPS_H

#include <rmap/mm.h>

#define OPS_ERR_SIZE 512

enum op_kind {
	OP_NONE,
	/* processes */
	OP_NEW,	  /* proc: a process with an empty address space */
	OP_FORK,  /* proc forks target */
	OP_SHARE, /* proc starts target in its own address space (thread, vfork) */
	OP_EXEC, /* proc: segments, addr = stack top (0: default), len = bytes of arguments, new_addr = brk (0: default).
		     * Without segments: an empty address space, for records that impose a layout */
	OP_EXIT, /* proc */
	OP_LIMIT, /* proc, flags = enum mm_limit, value */
	OP_CAPS,  /* proc, flags = MM_CAP_* */
	/* calls: arguments as in mm.h */
	OP_MMAP,     /* addr = hint, len, prot, flags, file, file_mode, offset */
	OP_MUNMAP,   /* addr, len */
	OP_MPROTECT, /* addr, len, prot */
	OP_MREMAP,   /* addr, len = old length, new_len, flags, new_addr */
	OP_MADVISE,  /* addr, len, flags = MM_MADV_* */
	OP_BRK, /* addr; or, with relative set, the present break plus new_len (a signed distance) */
	OP_SET_BRK,  /* addr */
	OP_MLOCK,    /* addr, len, flags */
	OP_MUNLOCK,  /* addr, len */
	OP_MLOCKALL, /* flags */
	OP_MUNLOCKALL,
	OP_MINCORE, /* addr, len; text = a '0' or '1' a page, or NULL */
	OP_MSYNC,   /* addr, len, flags */
	/* access: every page that addr, len touches, through the MMU; len 0: one page */
	OP_READ, /* what is read is held against what was written; has_value: against value, too */
	OP_WRITE, /* fills whole pages; without has_value each write is a pattern never used before */
	OP_FETCH, /* an instruction fetch */
	/* pins */
	OP_PIN,	      /* proc, addr, flags = MM_PIN_*; out = a number for it */
	OP_PIN_READ,  /* pin; has_value: must be value */
	OP_PIN_WRITE, /* pin, value */
	OP_UNPIN,     /* pin */
	/* files */
	OP_FILE,	  /* file, len = size in bytes, flags = enum op_file_flags */
	OP_FILE_TRUNCATE, /* file, len */
	OP_FILE_READ,	  /* file, offset, len; has_value */
	OP_FILE_WRITE,	  /* file, offset, len, value */
	OP_FILE_SYNC,	  /* file */
	OP_FILE_CLOSE,	  /* file */
	/* the machine */
	OP_RECLAIM, /* len = frames */
	OP_BALANCE,
	OP_SWAPOFF,
	OP_SWAPON,
	OP_MIGRATE,   /* proc, addr, len (0: one page) */
	OP_POISON,    /* proc, addr */
	OP_HIBERNATE, /* everything to an image, and on a fresh machine from there */
	OP_FAIL, /* in the next operation the value-th event of this kind fails: flags = enum op_fail_point */
	/* the run */
	OP_PHASE,    /* text = name; the phase before ends */
	OP_CHECK,    /* mm_check() */
	OP_VERIFY,   /* every process reads all it wrote */
	OP_SNAPSHOT, /* "grown" counts from here */
	OP_FRAME,    /* proc, addr; out = the frame that is there, for OP_PAGE_FRAME */
	OP_PROBE, /* proc, addr: both walks from this page, printed in the summary; text = what it is */
	/* expectations */
	OP_EXPECT_LAYOUT, /* proc, vmas, nr_vmas; exact: and no other; addr, len: only VMAs in there (len 0: all) */
	OP_EXPECT_SHARED, /* proc addr, target new_addr: one frame, or one slot; negate */
	OP_EXPECT_PAGE,	  /* proc, addr, tests[].field = enum op_page_field */
	OP_EXPECT_CONTENT, /* proc, addr, len, value: looked at from outside, nothing is faulted in */
	OP_EXPECT_STAT,	   /* proc, tests[].field = enum op_stat_field */
	OP_EXPECT_SMAPS,   /* proc, addr, tests[].field = enum op_smaps_field */
	OP_EXPECT_WALK, /* proc, addr, flags = 1: stop at the map count, tests[].field = enum op_walk_field */
	OP_EXPECT_COUNT, /* text = the counter's name (see counters.h), tests[0] */
	OP_EXPECT_GROWN, /* the same since the last snapshot */
	OP_EXPECT_OWNER, /* proc addr: the page's owner is the one where target's VMA at new_addr puts new pages; negate */
	OP_EXPECT_ORIGIN, /* the VMAs of proc addr and target new_addr put new pages with one owner; negate */
	OP_EXPECT_LINKS, /* proc, addr: the VMA has this many links, tests[0] */
	OP_EXPECT_FILE,	 /* file, tests[0]: its size */
	OP_KINDS,
};

enum op_file_flags {
	OP_FILE_SHMEM = 1, /* no store behind it: an anonymous shared memory file */
	OP_FILE_SPARSE =
		2, /* reads as zeros until written (records); else filled with a pattern of its own */
};

enum op_fail_point {
	OP_FAIL_ALLOC, /* an object */
	OP_FAIL_SWAP_WRITE,
	OP_FAIL_SWAP_READ,
	OP_FAIL_FILE_WRITE,
	OP_FAIL_FILE_READ,
	OP_FAIL_POINTS,
};

/* The number of "no process", "no file", "no mark". */
#define OP_NOTHING 0u

/* A place: address of a mark plus off (which wraps, so it may be negative). */
struct op_addr {
	uint32_t mark;
	uint64_t off;
};

/* What is to come of an operation. */
enum op_outcome {
	OP_MUST_SUCCEED, /* the default */
	OP_MUST_FAIL,	 /* with error, a negative RMAP_E… */
	OP_MUST_SIGNAL,	 /* an access: error is a enum op_signal */
	OP_MUST_BE,	 /* succeed with the result want */
	OP_MAY_FAIL,	 /* either is well */
};

enum op_signal {
	OP_SIGNAL_NONE,
	OP_SEGV_MAPERR,	  /* RMAP_EFAULT */
	OP_SEGV_ACCERR,	  /* RMAP_EACCES */
	OP_SIGBUS,	  /* RMAP_EIO */
	OP_SIGBUS_MCEERR, /* RMAP_EHWPOISON */
	OP_SIGNAL_OOM,	  /* RMAP_ENOMEM: a kernel would kill somebody */
};

enum op_cmp { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE };

struct op_test {
	uint16_t field;
	uint8_t cmp; /* enum op_cmp */
	bool place;  /* value is an address relative to mark */
	uint32_t mark;
	uint64_t value;
};

#define OP_TESTS_MAX 16

enum op_page_field {
	OP_PAGE_STATE, /* value: enum mm_page_state */
	OP_PAGE_ANON,
	OP_PAGE_FILE,
	OP_PAGE_EXCLUSIVE,
	OP_PAGE_WRITABLE,
	OP_PAGE_DIRTY,
	OP_PAGE_ACCESSED,
	OP_PAGE_SWAPCACHE,
	OP_PAGE_LOCKED,
	OP_PAGE_MAPCOUNT,
	OP_PAGE_SWAP_COUNT,
	OP_PAGE_INDEX,
	OP_PAGE_FRAME,
	OP_PAGE_FIELDS,
};

enum op_stat_field {
	OP_STAT_MAP_COUNT,
	OP_STAT_TOTAL_VM,
	OP_STAT_LOCKED_VM,
	OP_STAT_DATA_VM,
	OP_STAT_EXEC_VM,
	OP_STAT_STACK_VM,
	OP_STAT_RSS, /* anon + file + shmem */
	OP_STAT_RSS_ANON,
	OP_STAT_RSS_FILE,
	OP_STAT_RSS_SHMEM,
	OP_STAT_SWAP,
	OP_STAT_TABLES,
	OP_STAT_BRK,
	OP_STAT_BRK_START,
	OP_STAT_FIELDS,
};

enum op_smaps_field {
	OP_SMAPS_SIZE,
	OP_SMAPS_RSS,
	OP_SMAPS_PSS,
	OP_SMAPS_SHARED_CLEAN,
	OP_SMAPS_SHARED_DIRTY,
	OP_SMAPS_PRIVATE_CLEAN,
	OP_SMAPS_PRIVATE_DIRTY,
	OP_SMAPS_REFERENCED,
	OP_SMAPS_ANONYMOUS,
	OP_SMAPS_LAZYFREE,
	OP_SMAPS_SWAP,
	OP_SMAPS_SWAP_PSS,
	OP_SMAPS_LOCKED,
	OP_SMAPS_FIELDS,
};

enum op_walk_field {
	OP_WALK_LOOKS,
	OP_WALK_STEPS,
	OP_WALK_FOUND,
	OP_WALK_FIELDS,
};

/* One line of a layout. */
struct op_vma {
	struct op_addr start;
	uint64_t len;
	uint32_t prot;
	bool any_prot;
	int8_t shared, locked, growsdown, faulted; /* 1 yes, 0 no, -1 whatever */
	uint32_t file;				   /* OP_NOTHING: whatever */
	bool anonymous;				   /* no file */
	bool has_offset, has_pgoff;
	uint64_t offset;      /* bytes */
	struct op_addr pgoff; /* pages; relative to a mark: that address's page number plus off */
};

/* One part of a program for OP_EXEC. */
struct op_segment {
	uint64_t addr, len, offset;
	uint32_t prot, file;
};

struct op {
	enum op_kind kind;
	uint32_t line;	 /* in the workload, 0: none */
	uint64_t proc;	 /* whose; OP_NOTHING where nobody's */
	uint64_t target; /* another process: the child; the other of two that share */

	struct op_addr addr, new_addr;
	uint64_t len, new_len, offset;
	uint32_t prot, flags;
	uint32_t file, file_mode;
	uint32_t pin;
	uint64_t value; /* below 2^62 */
	bool has_value;
	bool value_steps; /* the n-th page has value + n */
	bool relative;
	bool negate;
	bool exact;
	/*
	 * The operation succeeded elsewhere with this result, and shall have the same here: MMAP, MREMAP, BRK. It fails
	 * where that is not possible.
	 */
	bool impose;
	uint64_t result;

	uint32_t out; /* MMAP, MREMAP, BRK, FRAME: this mark becomes the result */
	enum op_outcome outcome;
	int error;	     /* MUST_FAIL, MUST_SIGNAL */
	struct op_addr want; /* MUST_BE */

	/* What the pointers name belongs to the source and stays until the next op is asked for. */
	const char *only; /* an expectation for some designs: "a,b" or "!a,b"; NULL: for all */
	const char *text;
	const struct op_vma *vmas;
	uint32_t nr_vmas;
	const struct op_segment *segments;
	uint32_t nr_segments;
	uint32_t nr_tests;
	struct op_test tests[OP_TESTS_MAX];
};

/* What a workload needs of the machine; 0 or NULL: it does not say. */
struct op_config {
	uint64_t frames;
	uint64_t swap_slots;
	bool has_swap; /* swap_slots is said, if only to be 0 */
	bool has_overcommit;
	enum mm_overcommit overcommit;
	uint32_t overcommit_ratio;
	uint32_t max_map_count;
	uint32_t fault_around;	  /* bytes */
	uint64_t stack_guard_gap; /* bytes */
	uint64_t mmap_min_addr;	  /* bytes */
	uint64_t watermark_min;	  /* frames */
	uint32_t cpus;
	bool needs_contents; /* makes no sense in phantom mode */
	bool injects;	     /* OP_FAIL will come */
	uint64_t steps;	     /* about how many operations, for progress; 0: unknown */
};

/* Where operations come from. */
struct op_source {
	const char *name; /* for messages: the file, the generator */
	const char *kind; /* "workload", "generator", "record" */
	/*
	 * An operation that does not come out as the source says is counted as a misfit and passed over, instead of ending the
	 * run; so are operations of processes that are not there.
	 */
	bool tolerant;
	struct op_config config;

	/* 1: *op is the next (all of it is set); 0: the end; -1: the source is damaged, err has a sentence. */
	int (*next)(struct op_source *source, struct op *op, char err[OPS_ERR_SIZE]);
	/* What people call a process, a file, a mark; into buf, which is returned. NULL: by number. */
	const char *(*proc_name)(struct op_source *source, uint64_t proc, char *buf, size_t size);
	const char *(*file_name)(struct op_source *source, uint32_t file, char *buf, size_t size);
	/* "P heap+3p" to numbers, for tools that ask about a place. 0, or -1 with a sentence. NULL: cannot. */
	int (*place)(struct op_source *source, const char *text, uint64_t *proc,
		     struct op_addr *addr, char err[OPS_ERR_SIZE]);
	/* Facts for the summary of a run, one "name: value" a line; NULL: none. */
	const char *(*facts)(struct op_source *source, char *buf, size_t size);
	void (*close)(struct op_source *source);
};

/*
 * Open a WORKLOAD as the command line names it: FILE.rmw, FILE.rmrec, or GENERATOR[:key=value,...]. 0; or -1 with a sentence
 * (which begins with file and line where they are known).
 */
int source_open(const char *workload, struct op_source **out, char err[OPS_ERR_SIZE]);

/* The kinds of sources, each in its own files. */
int lang_open(const char *path, struct op_source **out, char err[OPS_ERR_SIZE]);
int lang_open_text(const char *name, const char *text, size_t size, struct op_source **out,
		   char err[OPS_ERR_SIZE]);
int generator_open(const char *spec, struct op_source **out, char err[OPS_ERR_SIZE]);
int replay_open(const char *path, struct op_source **out, char err[OPS_ERR_SIZE]);

/* All fields zero but the outcome, which must be success: where every source begins. */
void op_init(struct op *op, enum op_kind kind);

/* As the language spells it: "mmap", "expect layout". Never NULL. */
const char *op_kind_name(enum op_kind kind);
bool op_is_expectation(enum op_kind kind);
/* May the operation change who maps what where? Then a check behind it is worth while. */
bool op_changes(enum op_kind kind);

/* Does this expectation hold for a design of that name? */
bool op_for_design(const struct op *op, const char *design);

/* Names of values, as in the language; NULL past the end. */
const char *op_page_field_name(unsigned int field);
const char *op_stat_field_name(unsigned int field);
const char *op_smaps_field_name(unsigned int field);
const char *op_walk_field_name(unsigned int field);
const char *op_page_state_name(unsigned int state);
const char *op_signal_name(unsigned int signal);
const char *op_fail_point_name(unsigned int point);
const char *op_cmp_name(unsigned int cmp);
bool op_compare(uint64_t found, unsigned int cmp, uint64_t wanted);

/* "12", "16K", "4M", "1G", "2T", "3p" (pages): bytes. 0, or -1. */
int ops_parse_size(const char *text, uint64_t *bytes);
/* "6.12", also with more behind it as in uname -r: MM_RELEASE(). 0: it is none. */
uint32_t ops_parse_release(const char *text);

#endif
