/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's functions, by /proc/kallsyms; read when the first is asked for. */
#ifndef RMAP_TOOLS_BREAKS_KERNEL_H
#define RMAP_TOOLS_BREAKS_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

struct breaks_kernel;

struct breaks_kernel *breaks_kernel_new(void);
void breaks_kernel_free(struct breaks_kernel *k);
/* The function at @addr; NULL: unknown, or the kernel does not say (kptr_restrict, no CAP_SYSLOG). */
const char *breaks_kernel_function(struct breaks_kernel *k, uint64_t addr);
/* Whether a function is only the way in from a fault or a call, which every chain has. */
bool breaks_kernel_is_entry(const char *function);

#endif
