/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's events of the followed tasks, through perf, in order of time.
 *
 * Six events of each task on each CPU, inherited by all that it starts, into one ring a CPU:
 *
 *   write        exceptions:page_fault_user, a write to a present page (the kernel filters by the error code), with the registers
 *                and the top of the stack; processes, threads and mappings come and go in the same stream
 *   write        exceptions:page_fault_kernel, the same from inside the kernel to a user's address, with the kernel's call chain
 *   alloc        kmem:mm_page_alloc of a movable page
 *   uncharge     kmem:rss_stat, for files and shared memory
 *   done (two)   the software events minor-faults and major-faults: a fault was handled
 *
 * What happens to a task between its `write` and the `done` of the same address belongs to that fault.
 */
#ifndef RMAP_TOOLS_BREAKS_PERF_H
#define RMAP_TOOLS_BREAKS_PERF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BREAKS_ERR_SIZE 512

enum breaks_kind {
	BREAKS_WRITE,
	BREAKS_ALLOC,
	BREAKS_UNCHARGE,
	BREAKS_DONE,
	BREAKS_FORK,
	BREAKS_EXIT,
	BREAKS_COMM,
	BREAKS_MMAP,
};

/* In the order of perf's user registers; x86-64. */
enum breaks_reg { BREAKS_REG_SP = 7, BREAKS_REG_IP = 8, BREAKS_NR_REGS = 17 };

struct breaks_write {
	uint64_t addr, ip; /* ip: of the instruction, which is the kernel's if in_kernel */
	bool in_kernel;
	const uint64_t
		*regs; /* BREAKS_NR_REGS of them, or NULL: a task of 32 bits, another machine */
	const uint8_t *stack; /* from the stack pointer up */
	size_t stack_size;
	const uint64_t *chain; /* the kernel's, innermost first */
	size_t nr_chain;
};

struct breaks_mmap {
	uint64_t addr, len, pgoff, ino;
	uint32_t major, minor, prot;
	bool shared;
	const char *name; /* ends in 0 */
};

/* Pointers hold while the handler runs. */
struct breaks_event {
	enum breaks_kind kind;
	uint32_t pid, tid;
	uint64_t time; /* ns, CLOCK_MONOTONIC */
	uint32_t
		by; /* which call of breaks_perf_follow() it came by: a task may be followed twice */
	union {
		struct breaks_write write;
		struct {
			uint32_t order;
			bool zeroed;
		} alloc;
		uint64_t addr; /* BREAKS_DONE */
		struct {
			uint32_t ppid, ptid;
		} fork;
		struct {
			const char *name;
			bool exec;
		} comm;
		struct breaks_mmap mmap;
	};
};

struct breaks_perf_options {
	uint64_t buffer; /* bytes of each CPU's ring, a power of two of pages; 0: chosen */
	uint32_t stack;	 /* bytes of stack with each write; a multiple of 8; 0: none */
	bool everything; /* all tasks of the machine, rather than those that are named */
};

struct breaks_perf;

/* The formats are read and the rights are tried. Each function that takes @err leaves a sentence there when it fails. */
struct breaks_perf *breaks_perf_new(const struct breaks_perf_options *options,
				    char err[BREAKS_ERR_SIZE]);
void breaks_perf_free(struct breaks_perf *p);

/*
 * Follows one task and what it starts from now on: from its next exec if @on_exec, else from breaks_perf_start() on.
 * 0; 1 if it has ended; -1.
 */
int breaks_perf_follow(struct breaks_perf *p, pid_t tid, bool on_exec, char err[BREAKS_ERR_SIZE]);
/* Whether @tasks more would be too many for the file descriptors that a process may have. */
bool breaks_perf_too_many(const struct breaks_perf *p, size_t tasks);
void breaks_perf_start(struct breaks_perf *p);
/* No more faults begin; those that have may still end. */
void breaks_perf_stop(struct breaks_perf *p);

/* Until the rings have filled noticeably, or so many milliseconds, or a signal. */
void breaks_perf_wait(struct breaks_perf *p, int ms);
/* Hands on, in order of time, what came before the time @until and returns how many; -1: the handler failed. */
long breaks_perf_take(struct breaks_perf *p, uint64_t until,
		      int (*handler)(void *arg, const struct breaks_event *ev), void *arg);
/* Part of the fullest ring that is in use, 0 to 1. */
double breaks_perf_fill(const struct breaks_perf *p);

/* What the kernel could not put into a full ring, and what it put there in all. */
uint64_t breaks_perf_lost(const struct breaks_perf *p);
uint64_t breaks_perf_taken(const struct breaks_perf *p);
uint64_t breaks_perf_buffer(const struct breaks_perf *p);

#endif
