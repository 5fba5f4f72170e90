/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the layout share: one address range, its pages numbered from 0, and the calls on it. */
#ifndef TESTS_VMAS_H
#define TESTS_VMAS_H

#include "engine.h"

#define RW		       (MM_PROT_READ | MM_PROT_WRITE)
#define RWX		       (RW | MM_PROT_EXEC)
#define ANON		       (MM_MAP_PRIVATE | MM_MAP_ANONYMOUS)
#define SHM		       (MM_MAP_SHARED | MM_MAP_ANONYMOUS)
#define BASE		       0x10000000ull
#define AT(page)	       (BASE + (uint64_t)(page)*PAGE)

/* The layout of pages 0 to 1,023. */
#define layout_is(e, mm, text) assert_layout(e, mm, BASE, AT(1024), text)

/* The calls, in pages; each is checked afterwards. */
#define protect(e, mm, page, pages, prot)                                                          \
	STEP(e, mm_mprotect(mm, AT(page), (uint64_t)(pages)*PAGE, prot))
#define unmap(e, mm, page, pages) STEP(e, mm_munmap(mm, AT(page), (uint64_t)(pages)*PAGE))
#define advise(e, mm, page, pages, advice)                                                         \
	STEP(e, mm_madvise(mm, AT(page), (uint64_t)(pages)*PAGE, advice))
#define remap(e, mm, page, old_pages, new_pages, flags, new_page)                                  \
	STEP(e, mm_mremap(mm, AT(page), (uint64_t)(old_pages)*PAGE, (uint64_t)(new_pages)*PAGE,    \
			  flags, AT(new_page), &(uint64_t){ 0 }))
/* mmap that may fail. */
#define try_map(e, mm, page, pages, prot_, flags_)                                                 \
	STEP(e, mm_mmap(mm,                                                                        \
			&(struct mm_mmap){ .addr = AT(page),                                       \
					   .len = (uint64_t)(pages)*PAGE,                          \
					   .prot = prot_,                                          \
					   .flags = flags_ },                                      \
			&(uint64_t){ 0 }))

static inline struct mm_stats stats_of(struct mm *mm)
{
	struct mm_stats stats;

	mm_get_stats(mm, &stats);
	return stats;
}

static inline uint64_t committed(struct engine *e)
{
	struct mm_memory memory;

	mm_get_memory(e->sys, &memory);
	return memory.committed;
}

#endif
