/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who called whom: from the registers and the top of a thread's stack to a list of frames, each kept once.
 *
 * Distributions build without frame pointers, so a frame is left by the rules that the compiler wrote for exceptions (.eh_frame),
 * which stripped programs have, too. Reading such a rule takes some ten microseconds; it is kept, by address, and from then on a frame
 * costs a look-up and three loads. Where there is no rule, as in code that was made at run time, the chain of frame pointers is
 * tried. Where neither leads on, the stack is cut.
 */
#ifndef RMAP_TOOLS_BREAKS_STACK_H
#define RMAP_TOOLS_BREAKS_STACK_H

#include "breaks_procs.h"

#define BREAKS_DEPTH 127

enum breaks_frame_kind {
	BREAKS_CODE,   /* at an address of a module */
	BREAKS_JIT,    /* a function by a name that the program wrote to perf-PID.map */
	BREAKS_KERNEL, /* an address of the kernel */
	BREAKS_BARE,   /* an address of a process, and no more is known */
};

/* Callers by the last byte of their call, so that it is looked up there. */
struct breaks_frame {
	uint64_t at; /* BREAKS_CODE: the module's address; KERNEL, BARE: the address; JIT: a name */
	uint32_t module; /* BREAKS_CODE only */
	uint32_t kind;
};

struct breaks_stack {
	const struct breaks_frame *frames; /* innermost first */
	uint32_t nr;
	bool cut; /* its outermost callers are not known */
};

struct breaks_stacks;

struct breaks_stacks *breaks_stacks_new(struct breaks_procs *procs, struct breaks_modules *modules);
void breaks_stacks_free(struct breaks_stacks *s);
/* The number of the stack of a write by a thread of @proc; BREAKS_NONE without memory. */
uint32_t breaks_stacks_add(struct breaks_stacks *s, uint32_t proc,
			   const struct breaks_write *write);
struct breaks_stack breaks_stacks_at(const struct breaks_stacks *s, uint32_t stack);
uint32_t breaks_stacks_nr(const struct breaks_stacks *s);
/* The name of a BREAKS_JIT frame. */
const char *breaks_stacks_jit_name(const struct breaks_stacks *s, uint64_t name);

#endif
