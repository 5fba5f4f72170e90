/* SPDX-License-Identifier: BSD-2-Clause */
/* The processor's own counter of instructions that this thread executes outside of the kernel. */
#ifndef RMAP_TOOL_INSTRUCTIONS_H
#define RMAP_TOOL_INSTRUCTIONS_H

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A file to read eight bytes from, or -1 with errno: there is no such counter here, or no leave to use it. */
static inline int instructions_open(void)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

#endif
