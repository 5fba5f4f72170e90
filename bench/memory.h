/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that benches work on: mapped for reading and writing at a place of their choice, and written. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stdbool.h>

#include <rmap/mm.h>

#include "hosted/hosted.h"

/* file: NULL, or whose pages; shared: with whom it is forked to, or with the file. mm_mmap's errors. */
static inline int bench_map(struct mm *mm, uint64_t addr, uint64_t pages, struct mm_file *file,
			    bool shared)
{
	struct mm_mmap args = {
		.addr = addr,
		.len = pages * RMAP_PAGE_SIZE,
		.prot = MM_PROT_READ | MM_PROT_WRITE,
		.flags = MM_MAP_FIXED | (shared ? MM_MAP_SHARED : MM_MAP_PRIVATE) |
			 (file ? 0 : MM_MAP_ANONYMOUS),
		.file = file,
		.file_mode = file ? MM_FILE_READ | MM_FILE_WRITE : 0,
	};
	uint64_t result;

	return mm_mmap(mm, &args, &result);
}

/* A byte into each page, by cpu. */
static inline int bench_write(struct hosted_cpu *cpu, struct mm *mm, uint64_t addr, uint64_t pages)
{
	static const char byte = 1;
	int error = 0;

	for (uint64_t i = 0; i < pages && !error; i++)
		error = hosted_write(cpu, mm, addr + i * RMAP_PAGE_SIZE, &byte, 1, NULL);
	return error;
}

#endif
