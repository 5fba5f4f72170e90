/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside a session: what its files share.
 *
 *	verify_session.c	one step: engine, live side, comparison, in this order
 *	verify_do.c		an operation on the live side: who carries it out
 *	verify_do_*.c		files, processes, calls, accesses, pins (verify_do.h)
 *	verify_compare.c	the two states
 *	verify_rules.c		what is steered and normalised
 *	verify_live.c		puppets		verify_look.c	what /proc says of them
 */
#ifndef RMAP_TOOL_VERIFY_INT_H
#define RMAP_TOOL_VERIFY_INT_H

#include "runner_int.h"
#include "verify.h"
#include "verify_live.h"
#include "verify_look.h"
#include "verify_pins.h"

/* Numbers of rules, in the order of verify_rules. */
enum rule {
	RULE_HOUSE,
	RULE_MMAP_BASE,
	RULE_ONE_PROCESSOR,
	RULE_SMALL_PAGES,
	RULE_EXEC_ONLY,
	RULE_FETCH,
	RULE_PINS,
	RULE_EXEC,
	RULE_FAULT_AROUND,
	RULE_PAGE_CACHE,
	RULE_OPEN_FILES,
	RULE_CAPABILITIES,
	RULE_LIMITS,
	RULE_OVERCOMMIT,
	RULE_LAZYFREE,
	RULE_HEAP,
	RULE_NO_SWAP,
	RULE_PAGEOUT,
	RULE_RECLAIM,
	RULE_SETTINGS,
	RULE_ANONMM,
	RULE_ENGINE_ALONE,
	RULES,
};

/* A file of the workload, on the live side. */
struct verify_file {
	bool open;
	bool shmem;
	int fd[4]; /* by enum mm_file_mode; -1: not opened so */
	uint64_t device, inode;
	uint64_t size;
};

/* Which live inode is which file of the engine: shared anonymous memory has no other name. */
struct file_pair {
	uint64_t device, inode;
	uint64_t id; /* mm_file_id() */
};

/* Live frames (or swap entries) and the engine's, paired anew in each comparison. */
struct frame_pair {
	uint64_t live, engine;
	uint32_t round; /* of the comparison that it belongs to */
	uint32_t owner; /* who showed it first: slot of the puppet */
	uint64_t addr;
};

#define FRAME_PAIRS (1u << 16)

/* A place whose frames have a name. */
struct named_frame {
	uint64_t proc; /* 0: none */
	uint64_t addr, live, engine;
	bool watched;
};

/* A pin of the workload, on the live side. */
struct verify_pin {
	uint32_t id; /* the workload's number */
	struct live_pin live;
	struct verify_pin *next;
};

/* What one operation touches: the comparison looks closer there. */
struct touched {
	struct puppet *who[2]; /* compared after the step */
	uint64_t start,
		end;	 /* whose bytes are compared, and around which the kernel maps file pages */
	bool around_all; /* file pages may have come in anywhere */
	bool flags;	 /* VMAs' flags may have changed */
};

struct verify_session {
	struct verify_options options;
	struct op_source *source;
	struct runner *runner;
	struct live *live;
	struct look *look;
	struct verify_file *files; /* by the workload's number */
	uint32_t nr_files;
	struct verify_pin *pins;
	struct file_pair *pairs;
	size_t nr_pairs, room_pairs;
	struct frame_pair *by_live, *by_engine; /* FRAME_PAIRS each, hashed */
	uint32_t round;
	struct look_layout layout; /* the last that was looked at */
	struct look_vma *engine_vmas;
	size_t nr_engine_vmas, room_engine_vmas;
	struct mm_file **engine_files; /* beside engine_vmas */
	unsigned char *page;
	uint64_t *entries;	    /* ENTRIES */
	uint64_t version;	    /* the last pattern that nobody named */
	bool engine_swaps;	    /* the engine has swap space, the live side has not */
	bool machine_swaps;	    /* the machine has swap in use, and nobody asked for it */
	bool reclaimed;		    /* the engine's reclaim may have dropped file pages */
	bool copies_at_move;	    /* the design of RULE_ANONMM */
	uint64_t freed;		    /* frames that the engine had reclaimed before the operation */
	struct named_frame *frames; /* by the number of the name */
	uint32_t nr_frames;
	struct touched touched;
	/* what the last operation came to */
	int live_error, engine_error;
	uint64_t live_result, engine_result;
	uint64_t live_at, engine_at; /* an access: the page that it ended at */
	enum verify_result result;
	struct verify_difference difference;
	struct verify_counters count;
	uint64_t since_full;
};

#define ENTRIES 1024u

/* A result with its sentence; the sides' texts are added to by verify_add(). */
__attribute__((format(printf, 3, 4))) enum verify_result
verify_say(struct verify_session *s, enum verify_result result, const char *format, ...);
__attribute__((format(printf, 3, 4))) void verify_add(char *text, size_t size, const char *format,
						      ...);
#define VERIFY_LIVE(s, ...)                                                                        \
	verify_add((s)->difference.live, sizeof((s)->difference.live), __VA_ARGS__)
#define VERIFY_ENGINE(s, ...)                                                                      \
	verify_add((s)->difference.engine, sizeof((s)->difference.engine), __VA_ARGS__)

static inline void verify_rule(struct verify_session *s, enum rule rule)
{
	s->count.rules[rule]++;
}

/* "P heap", "0x…": for sentences. */
const char *verify_who(struct verify_session *s, const struct puppet *p, char *buf, size_t size);

/* verify_do.c */

/*
 * Addresses of an operation as numbers, and values for writes that name none: what both sides are given. AGREE, or BAD, or
 * UNABLE where no kernel can be asked this.
 */
enum verify_result verify_prepare(struct verify_session *s, struct op *op);
/* Carry it out; sets live_error, live_result, touched. */
enum verify_result verify_do(struct verify_session *s, const struct op *op);
/* Is it for the engine alone? */
bool verify_alone(const struct verify_session *s, const struct op *op);

/* verify_do_file.c, verify_do_pin.c */

/* Contents of all files that are open. */
enum verify_result verify_files(struct verify_session *s);
void verify_close_files(struct verify_session *s);
void verify_drop_pins(struct verify_session *s);

/* verify_frame.c */

/* FRAME and EXPECT_PAGE, after the engine: of the live side's frame. */
enum verify_result verify_frame(struct verify_session *s, const struct op *op);
/* After any other operation: is every page that is watched copied on both sides or on none? */
enum verify_result verify_watch(struct verify_session *s, const struct op *op);

/* verify_compare.c */

/* Layout, pages, sizes of one process; bytes of present pages in [from, to), at most limit of them. */
enum verify_result verify_process(struct verify_session *s, struct puppet *p, uint64_t from,
				  uint64_t to, uint64_t limit, bool flags);
/* Begin a comparison: what follows until the next shares frames. */
void verify_round(struct verify_session *s);

#endif
