/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames in words: functions, lines and modules, with what was inlined unfolded and the kernel's way in left out. */
#ifndef RMAP_TOOLS_BREAKS_NAMES_H
#define RMAP_TOOLS_BREAKS_NAMES_H

#include "breaks_stack.h"

#define BREAKS_NAMED 256 /* the most that a stack unfolds to */

/* All texts are printable, and the same text is at the same address. */
struct breaks_named {
	const char *function; /* "module+0x12ab" when it is not known */
	const char *module;   /* "" when there is none: kernel, code made at run time */
	const char *file;     /* of the source; NULL: not known */
	int line;
	uint64_t address;   /* the module's */
	uint32_t module_nr; /* its number; BREAKS_NONE */
	bool known, kernel, inlined;
};

struct breaks_names;

struct breaks_names *breaks_names_new(struct breaks_stacks *stacks, struct breaks_modules *modules);
void breaks_names_free(struct breaks_names *n);
/*
 * A stack's frames, innermost first; returns how many, *kernel of them (the innermost) are the kernel's. 0 without memory, or when
 * nothing is known of it.
 */
size_t breaks_names_stack(struct breaks_names *n, uint32_t stack,
			  struct breaks_named out[BREAKS_NAMED], size_t *kernel, bool *cut);
/* The same text, printable, the same each time; never NULL. */
const char *breaks_names_text(struct breaks_names *n, const char *text);

#endif
