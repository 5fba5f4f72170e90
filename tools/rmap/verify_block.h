/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The house: what the tester and its puppets share.
 *
 * A puppet must have nothing in its address space but what it is told to map, or nothing could be compared. So it gives up all
 * that a program has (text, libc, stack, vdso) and lives in one *house*: a shared file in memory, mapped at the same place
 * in each, above where mmap ever looks for room. The code comes first (verify_puppet.c, copied there), then a slot for each
 * puppet: its orders, a buffer, two stacks.
 *
 *	0 ............ mmap_base | house: code | slot 0 | slot 1 | … | ......... TASK_SIZE
 *	all that is compared     | r-x         | rw-                 | (nothing)
 *
 * All of it is shared memory, so nothing of it is copied on write, charged, or counted as data.
 */
#ifndef RMAP_TOOL_VERIFY_BLOCK_H
#define RMAP_TOOL_VERIFY_BLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#define HOUSE_BASE	 0x7ffffa000000ull
#define HOUSE_CODE	 0x4000u /* bytes */
#define HOUSE_SLOTS	 64u
#define SLOT_SIZE	 0x10000u
#define HOUSE_SIZE	 (HOUSE_CODE + HOUSE_SLOTS * SLOT_SIZE)
/* Two VMAs: code and slots. */
#define HOUSE_VMAS	 2u

/* Slots begin at a multiple of their size, so that a puppet finds its own from its stack pointer. */
#define HOUSE_SLOT_BASE	 (HOUSE_BASE)
#define HOUSE_CODE_BASE	 (HOUSE_BASE + HOUSE_SLOTS * SLOT_SIZE)

#define SLOT_PAGES	 8u /* of the buffer */
#define SLOT_BUFFER	 0x1000u
#define SLOT_STACK	 (SLOT_BUFFER + SLOT_PAGES * 4096u)
#define SLOT_STACK_SIZE	 0x3000u
#define SLOT_SIGNAL	 (SLOT_STACK + SLOT_STACK_SIZE)
#define SLOT_SIGNAL_SIZE (SLOT_SIZE - SLOT_SIGNAL)

enum puppet_order {
	PUPPET_CALL,  /* system call number with arg[0…5] */
	PUPPET_READ,  /* arg[0] = address, arg[1] = pages: into the buffer, page by page */
	PUPPET_FETCH, /* arg[0] = address, arg[1] = pages: one instruction of each */
	PUPPET_WRITE, /* arg[0] = address, arg[1] = pages, arg[2] = bytes of the last one: from the buffer */
	PUPPET_FORK, /* arg[0] = slot of the child, arg[1] = flags for clone(2), arg[2] = the tester's process number */
};

struct puppet_slot {
	/* Orders given and orders done, each a futex: tester writes go, puppet writes done. */
	_Atomic uint32_t go, done;
	uint32_t order;
	uint32_t number; /* of the system call */
	uint64_t arg[6];
	int64_t result; /* of the system call */
	/* An access: si_signo << 16 | si_code of the signal that ended it, 0: none; and how many pages were done before. */
	uint64_t signal, pages;
	/* The puppet's own: where to go on when an access is ended by a signal. */
	uint64_t recover;
	/* A fetch: where, how many single steps there were, and the registers that must come back. */
	uint64_t target, steps, saved[7];
	/* Any other signal is a fault of ours: what and where. */
	uint64_t stray, stray_at;
	uint64_t tester; /* must be the parent */
};

#endif
