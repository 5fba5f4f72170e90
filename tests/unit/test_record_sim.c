// SPDX-License-Identifier: BSD-2-Clause
/*
 * Re-enactment of a record: what fits is let through, and each way of not fitting is noticed, since
 * a recorder that calls everything well would hide its own mistakes.
 */
#include "record_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define PAGE  4096ull
#define RW    (RMREC_P_READ | RMREC_P_WRITE)
#define PRIV  (MAP_PRIVATE | MAP_ANONYMOUS)
#define A     0x10000000ull
#define STACK 0x7ffffff00000ull

/*
 * What each test begins with:
 *
 *   10000 ┌ text r-x file 1 ┐ 14000     20000 ┌ break      STACK-4p ┌ stack rw- ┐ STACK
 */
static int setup(void **state)
{
	struct rec_sim *sim = rec_sim_new(PAGE);
	const struct rmrec_event begin[] = {
		{ .kind = RMREC_EXEC, .count = 2, .addr = 0x20000 },
		{ .kind = RMREC_VMA, .addr = 0x10000, .len = 4 * PAGE, .prot = 5, .file = 1 },
		{ .kind = RMREC_VMA,
		  .addr = STACK - 4 * PAGE,
		  .len = 4 * PAGE,
		  .prot = RW,
		  .vma_flags = RMREC_V_GROWSDOWN },
	};

	if (!sim)
		return -1;
	for (size_t i = 0; i < sizeof(begin) / sizeof(begin[0]); i++)
		assert_int_equal(rec_sim_event(sim, &begin[i]), 0);
	*state = sim;
	return 0;
}

static int teardown(void **state)
{
	rec_sim_free(*state);
	return 0;
}

static int map(struct rec_sim *sim, uint64_t at, uint64_t pages, uint64_t flags)
{
	return rec_sim_event(sim, &(struct rmrec_event){ .kind = RMREC_MMAP,
							 .len = pages * PAGE,
							 .prot = RW,
							 .flags = PRIV | flags,
							 .result = at });
}

static int call(struct rec_sim *sim, enum rmrec_kind kind, uint64_t at, uint64_t pages,
		uint64_t flags)
{
	return rec_sim_event(sim, &(struct rmrec_event){ .kind = kind,
							 .addr = at,
							 .len = pages * PAGE,
							 .prot = (uint32_t)flags,
							 .flags = flags });
}

static int fault_in(struct rec_sim *sim, uint32_t proc, uint64_t at, uint32_t bits)
{
	return rec_sim_event(
		sim, &(struct rmrec_event){
			     .kind = RMREC_FAULT, .proc = proc, .addr = at, .fault = bits });
}

static int fault(struct rec_sim *sim, uint64_t at, uint32_t bits)
{
	return fault_in(sim, 0, at, bits);
}

static void faults(void **state)
{
	struct rec_sim *sim = *state;

	assert_int_equal(fault(sim, 0x11000, RMREC_F_EXEC), 0);
	assert_int_equal(rec_sim_hit(sim)->file, 1);
	assert_int_equal(fault(sim, 0x11000, RMREC_F_WRITE), 1);
	assert_non_null(strstr(rec_sim_why(sim), "forbids"));
	assert_int_equal(fault(sim, 0x14000, 0), 1);
	assert_null(rec_sim_hit(sim));
	assert_int_equal(fault(sim, 0x14000, RMREC_F_DENIED), 0);
	assert_int_equal(fault(sim, STACK - PAGE, RMREC_F_WRITE), 0);
	assert_int_equal(fault(sim, STACK - PAGE, RMREC_F_EXEC), 1);
	/* the stack grows, and stays grown */
	assert_int_equal(fault(sim, STACK - 40 * PAGE, RMREC_F_WRITE), 0);
	assert_int_equal(map(sim, STACK - 20 * PAGE, 1, 0), 1);
	assert_int_equal(fault_in(sim, 1, A, 0), 1);
}

static void mappings(void **state)
{
	struct rec_sim *sim = *state;

	/*  A [ 8 pages rw ]  */
	assert_int_equal(map(sim, A, 8, 0), 0);
	assert_int_equal(map(sim, A + 7 * PAGE, 2, 0), 1);
	assert_int_equal(map(sim, A + 8 * PAGE, 1, MAP_FIXED), 0);
	/*  A [ 2 ] hole 1 [ 6 ]  */
	assert_int_equal(call(sim, RMREC_MUNMAP, A + 2 * PAGE, 1, 0), 0);
	assert_int_equal(fault(sim, A + PAGE, 0), 0);
	assert_int_equal(fault(sim, A + 2 * PAGE, 0), 1);
	assert_int_equal(fault(sim, A + 3 * PAGE, 0), 0);
	assert_int_equal(call(sim, RMREC_MPROTECT, A, 8, RW), 1);
	assert_int_equal(call(sim, RMREC_MLOCK, A, 8, 0), 1);
	assert_int_equal(call(sim, RMREC_MADVISE, A, 2, MADV_NORMAL), 0);
	assert_int_equal(call(sim, RMREC_MPROTECT, A + 3 * PAGE, 1, RMREC_P_READ), 0);
	assert_int_equal(fault(sim, A + 3 * PAGE, RMREC_F_WRITE), 1);
	assert_int_equal(fault(sim, A + 4 * PAGE, RMREC_F_WRITE), 0);
	/* a failed call has no effect */
	assert_int_equal(rec_sim_event(sim, &(struct rmrec_event){ .kind = RMREC_MUNMAP,
								   .addr = A,
								   .len = PAGE,
								   .error = 22 }),
			 0);
	assert_int_equal(fault(sim, A, 0), 0);
}

static void the_break(void **state)
{
	struct rec_sim *sim = *state;
	struct rmrec_event ev = { .kind = RMREC_BRK, .addr = 0, .result = 0x20000 };

	assert_int_equal(rec_sim_event(sim, &ev), 0);
	ev.addr = ev.result = 0x23800;
	assert_int_equal(rec_sim_event(sim, &ev), 0);
	assert_int_equal(fault(sim, 0x23000, RMREC_F_WRITE), 0);
	ev.addr = ev.result = 0x21000;
	assert_int_equal(rec_sim_event(sim, &ev), 0);
	assert_int_equal(fault(sim, 0x21000, 0), 1);
	assert_int_equal(map(sim, 0x22000, 1, 0), 0);
	ev.addr = ev.result = 0x24000;
	assert_int_equal(rec_sim_event(sim, &ev), 1);
}

static int remap(struct rec_sim *sim, uint64_t at, uint64_t pages, uint64_t to, uint64_t now)
{
	return rec_sim_event(sim, &(struct rmrec_event){ .kind = RMREC_MREMAP,
							 .addr = at,
							 .len = pages * PAGE,
							 .new_len = now * PAGE,
							 .flags = MREMAP_MAYMOVE,
							 .result = to });
}

static void moves(void **state)
{
	struct rec_sim *sim = *state;
	const uint64_t b = A + 0x100000;

	assert_int_equal(map(sim, A, 4, 0), 0);
	assert_int_equal(fault(sim, A, RMREC_F_WRITE), 0);
	assert_int_equal(remap(sim, A, 4, b, 8), 0);
	assert_int_equal(fault(sim, A, 0), 1);
	assert_int_equal(fault(sim, b + 7 * PAGE, RMREC_F_WRITE), 0);
	/* what was touched has moved along */
	assert_int_equal(rec_sim_returned(sim), 0);
	assert_int_equal(fault(sim, b, 0), 0);
	assert_int_equal(rec_sim_returned(sim), 1);
	/* in place: shorter, longer, no room */
	assert_int_equal(remap(sim, b, 8, b, 2), 0);
	assert_int_equal(fault(sim, b + 2 * PAGE, 0), 1);
	assert_int_equal(remap(sim, b, 2, b, 3), 0);
	assert_int_equal(fault(sim, b + 2 * PAGE, RMREC_F_WRITE), 0);
	assert_int_equal(map(sim, b + 4 * PAGE, 1, 0), 0);
	assert_int_equal(remap(sim, b, 3, b, 6), 1);
	assert_int_equal(remap(sim, A, 1, A + PAGE, 1), 1);
}

static void processes(void **state)
{
	struct rec_sim *sim = *state;
	struct rmrec_event ev = { .kind = RMREC_FORK, .child = 1 };

	/*  parent A [2], forked; then only the parent unmaps  */
	assert_int_equal(map(sim, A, 2, 0), 0);
	assert_int_equal(fault(sim, A, RMREC_F_WRITE), 0);
	assert_int_equal(rec_sim_event(sim, &ev), 0);
	assert_int_equal(call(sim, RMREC_MUNMAP, A, 2, 0), 0);
	assert_int_equal(fault(sim, A, 0), 1);
	assert_int_equal(fault_in(sim, 1, A, RMREC_F_WRITE | RMREC_F_PRESENT), 0);
	assert_int_equal(rec_sim_returned(sim), 0);
	assert_int_equal(fault_in(sim, 1, A, 0), 0);
	assert_int_equal(rec_sim_returned(sim), 1);
	/* a vfork child sees what its parent has, until it runs an exec */
	ev = (struct rmrec_event){ .kind = RMREC_SHARE, .child = 2 };
	assert_int_equal(rec_sim_event(sim, &ev), 0);
	assert_int_equal(map(sim, A, 1, 0), 0);
	assert_int_equal(fault_in(sim, 2, A, 0), 0);
	ev = (struct rmrec_event){ .kind = RMREC_EXEC, .proc = 2, .count = 1 };
	assert_int_equal(rec_sim_event(sim, &ev), 0);
	assert_int_equal(fault_in(sim, 2, A, 0), 1);
	assert_int_equal(fault(sim, A, 0), 0);
	ev = (struct rmrec_event){ .kind = RMREC_EXIT };
	assert_int_equal(rec_sim_event(sim, &ev), 0);
	assert_int_equal(fault(sim, A, 0), 1);
	assert_non_null(strstr(rec_sim_why(sim), "no such process"));
}

static void dropped_pages_do_not_return(void **state)
{
	struct rec_sim *sim = *state;

	/* more pages than one chunk of the bitmap */
	assert_int_equal(map(sim, A, 2000, 0), 0);
	for (uint64_t i = 0; i < 2000; i++)
		assert_int_equal(fault(sim, A + i * PAGE, RMREC_F_WRITE), 0);
	assert_int_equal(call(sim, RMREC_MADVISE, A + PAGE, 1500, MADV_DONTNEED), 0);
	for (uint64_t i = 0; i < 2000; i++)
		assert_int_equal(fault(sim, A + i * PAGE, 0), 0);
	assert_int_equal(rec_sim_returned(sim), 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(faults, setup, teardown),
		cmocka_unit_test_setup_teardown(mappings, setup, teardown),
		cmocka_unit_test_setup_teardown(the_break, setup, teardown),
		cmocka_unit_test_setup_teardown(moves, setup, teardown),
		cmocka_unit_test_setup_teardown(processes, setup, teardown),
		cmocka_unit_test_setup_teardown(dropped_pages_do_not_return, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
