/* SPDX-License-Identifier: BSD-2-Clause */
/* One frame of a stack left for its caller's, on a copy of the registers and of the top of the stack. */
#ifndef RMAP_TOOLS_BREAKS_UNWIND_H
#define RMAP_TOOLS_BREAKS_UNWIND_H

#include "breaks_module.h"

#define BREAKS_DWARF_REGS 16 /* x86-64, in DWARF's order */
#define BREAKS_DWARF_SP	  7

struct breaks_regs {
	uint64_t r[BREAKS_DWARF_REGS], pc;
	uint32_t known; /* a bit for each r */
};

struct breaks_memory {
	const uint8_t *bytes;
	uint64_t addr;
	size_t size;
};

struct breaks_unwinder;

struct breaks_unwinder *breaks_unwinder_new(struct breaks_modules *modules);
void breaks_unwinder_free(struct breaks_unwinder *u);

#define BREAKS_NO_RULE (-2)

/*
 * By the rule for @addr of @module. 1: @regs are the caller's now; 0: there is no caller; BREAKS_NO_RULE: nobody says how; -1: the stack or
 * a register that the rule asks for is not at hand. Unless it is 1, @regs are as they were. *signal: the frame is one that the kernel
 * made for a handler.
 */
int breaks_unwind(struct breaks_unwinder *u, uint32_t module, uint64_t addr,
		  const struct breaks_memory *stack, struct breaks_regs *regs, bool *signal);
/* By frame pointer: 1, or 0 where it is the outermost's, or -1. */
int breaks_unwind_frame_pointer(const struct breaks_memory *stack, struct breaks_regs *regs);

#endif
