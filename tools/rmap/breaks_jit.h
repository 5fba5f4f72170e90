/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that a program made at run time, by the table that it writes for profilers where it is told to: /tmp/perf-PID.map, a line
 * "START SIZE NAME" each, in hexadecimal. It grows as the program runs, so it is read on where it was left.
 */
#ifndef RMAP_TOOLS_BREAKS_JIT_H
#define RMAP_TOOLS_BREAKS_JIT_H

#include <stdint.h>

struct breaks_jit;

struct breaks_jit *breaks_jit_new(void);
void breaks_jit_free(struct breaks_jit *j);
/* The number of the name of the function of process @pid at @addr; BREAKS_NONE: unknown. */
uint32_t breaks_jit_find(struct breaks_jit *j, uint32_t pid, uint64_t addr);
const char *breaks_jit_name(const struct breaks_jit *j, uint32_t name);

#endif
