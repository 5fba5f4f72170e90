/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine for a test: hosted port, libmm, one processor; checked after every step, empty at the end.
 *
 *	struct engine e;
 *	engine_setup(&e, NULL);
 *	struct mm *mm = engine_mm(&e);
 *	uint64_t a = map_anon(&e, mm, 0, 4);	// four pages wherever they fit
 *	poke(&e, mm, a + 1 * PAGE, 7);		// every helper runs mm_check() and the TLB check behind it
 *	assert_int_equal(peek(&e, mm, a + 1 * PAGE), 7);
 *	mm_put(mm);
 *	engine_teardown(&e);
 *
 * A raw call goes into STEP(), which checks as well: assert_int_equal(STEP(&e, mm_munmap(mm, a, PAGE)), 0).
 */
#ifndef TESTS_ENGINE_H
#define TESTS_ENGINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rmap/mm.h>

#include "hosted/hosted.h"
#include "oom/inject.h"

#define PAGE RMAP_PAGE_SIZE

struct engine_config {
	struct hosted_config
		machine; /* nr_frames 0: 2,048; nr_swap_slots 0: 1,024 (UINT64_MAX: none) */
	struct mm_config mm;
	/* Wraps the port, to inject failures: returns the one to use. NULL: the hosted port itself. */
	const struct mm_port *(*wrap)(const struct mm_port *port, void *arg);
	void *arg;
};

struct engine {
	struct hosted *h;
	struct mm_system *sys;
	struct hosted_cpu *cpu;
};

/* The design that the environment variable RMAP_DESIGN names: the tests of the engine run under each. Default: the default. */
const struct rmap_ops *engine_design(void);
bool engine_design_is(const char *name);

/* config NULL: all defaults. mm.design NULL: engine_design(). Fails the test if it cannot. */
void engine_setup(struct engine *e, const struct engine_config *config);
/* Every mm and file must be put; asserts that nothing is left allocated. What a failed test leaves is left alone. */
void engine_teardown(struct engine *e);

/* mm_check() and hosted_tlb_check(); fails the test with their sentence. */
void engine_check_at(struct engine *e, const char *file, int line);
#define engine_check(e) engine_check_at(e, __FILE__, __LINE__)

/* The value of expr (an errno-like result), after a check. */
int engine_step_at(struct engine *e, int result, const char *file, int line);
#define STEP(e, expr) engine_step_at(e, expr, __FILE__, __LINE__)

/* An empty address space. */
struct mm *engine_mm(struct engine *e);
/* A child by fork. */
struct mm *engine_fork_at(struct engine *e, struct mm *mm, const char *file, int line);
#define engine_fork(e, mm) engine_fork_at(e, mm, __FILE__, __LINE__)

/* mmap that must succeed. addr 0: anywhere; else fixed. */
uint64_t engine_map_at(struct engine *e, struct mm *mm, uint64_t addr, uint64_t pages,
		       uint32_t prot, uint32_t flags, struct mm_file *file, uint64_t offset,
		       const char *at, int line);
#define map_anon(e, mm, addr, pages)                                                               \
	engine_map_at(e, mm, addr, pages, MM_PROT_READ | MM_PROT_WRITE,                            \
		      MM_MAP_PRIVATE | MM_MAP_ANONYMOUS, NULL, 0, __FILE__, __LINE__)
#define map_with(e, mm, addr, pages, prot, flags, file, offset)                                    \
	engine_map_at(e, mm, addr, pages, prot, flags, file, offset, __FILE__, __LINE__)

/* Write and read eight bytes through the MMU; must succeed. */
void poke_at(struct engine *e, struct mm *mm, uint64_t addr, uint64_t value, const char *file,
	     int line);
uint64_t peek_at(struct engine *e, struct mm *mm, uint64_t addr, const char *file, int line);
#define poke(e, mm, addr, value) poke_at(e, mm, addr, value, __FILE__, __LINE__)
#define peek(e, mm, addr)	 peek_at(e, mm, addr, __FILE__, __LINE__)
/* The error of a touch that may fail. */
int touch_read(struct engine *e, struct mm *mm, uint64_t addr);
int touch_write(struct engine *e, struct mm *mm, uint64_t addr);

/* What stands at addr. */
struct mm_page_info page_info(struct mm *mm, uint64_t addr);
/* Do the two places show one frame? */
bool same_frame(struct mm *a, uint64_t addr_a, struct mm *b, uint64_t addr_b);

/* A walk from the page at addr, which must be present. stop: at the map count. */
struct rmap_walk walk_from(struct engine *e, struct mm *mm, uint64_t addr, bool stop);

/* Live objects of a kind. */
uint64_t objects_of(struct engine *e, enum rmap_kind kind);
/* So many objects of anon_vma_chain's, if it is the design; what others have is test_designs.c's business. */
#define assert_chained_objects(e, kind, expected)                                                  \
	do {                                                                                       \
		if (engine_design_is("anon_vma_chain"))                                            \
			assert_int_equal(objects_of(e, kind), expected);                           \
	} while (0)
struct mm_counters counters_of(struct engine *e);

/* Push the page at addr (and the rest of its VMA's page) out to swap: PAGEOUT, must end swapped. */
void swap_out_at(struct engine *e, struct mm *mm, uint64_t addr, const char *file, int line);
#define swap_out(e, mm, addr) swap_out_at(e, mm, addr, __FILE__, __LINE__)

/*
 * The layout as a drawing: "rw-p 4 @0 | r--p 2 @4": rights, pages, page offset relative to the first VMA's; a gap is "~N".
 * Only VMAs that overlap [start, end).
 */
void layout_of(struct mm *mm, uint64_t start, uint64_t end, char *buf, size_t size);
void assert_layout_at(struct engine *e, struct mm *mm, uint64_t start, uint64_t end,
		      const char *expected, const char *file, int line);
#define assert_layout(e, mm, start, end, expected)                                                 \
	assert_layout_at(e, mm, start, end, expected, __FILE__, __LINE__)

#endif
