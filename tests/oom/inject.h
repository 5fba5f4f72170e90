/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Out of memory at will: stands before the functions that all memory of src/ comes from.
 *
 *	page_alloc(), _on()    frames: contents and page tables
 *	hosted_cache_alloc()   objects, of tier 1 and tier 2
 *
 * and before the four that move a page to and from swap and files (hosted_swap_write() and so on).
 *
 * The linker puts us there (--wrap), so that src/ knows nothing of it and what is tested is what is shipped. Who asked is known by
 * the chain of return addresses: a *path*. The line of src/ that it begins with is a *site*; scripts/oom.py makes the one of the
 * other, and counts. What was reached and what has failed is kept in memory that fork()ed children share.
 *
 * Two ways to use it. A driver says which allocation fails (inject_arm), as tests/oom/workloads.c does. Or, with RMAP_OOM=FOLDER in
 * the environment, a unit test's program does it to itself: wherever a test comes by a path for the first time, a child process
 * goes on from there without the memory, and one more from there on without any. A test is written for enough memory, so that the
 * child's may well fail; but it may not crash, and what it leaves when it fails must be whole, which mm_check() says.
 *
 * A child has one thread. Tests that have several are refused memory in place: with RMAP_OOM_RATE=N (and RMAP_OOM_SEED) one request in
 * N fails, drawn by its number, of any thread but the one that runs the tests and makes what they need. Those threads ask again
 * (PATIENT), and all that the test expects must come true all the same.
 */
#ifndef TESTS_OOM_INJECT_H
#define TESTS_OOM_INJECT_H

#include <stdbool.h>
#include <stdint.h>

struct mm_system;

/* What was reached from now on is written down, and shared with children. False: this computer's memory is used up. */
bool inject_open(void);

/* What can fail: allocations, or the transfers of a page between memory and a device. */
enum inject_what {
	INJECT_MEMORY,
	INJECT_SWAP_WRITE,
	INJECT_SWAP_READ,
	INJECT_FILE_WRITE,
	INJECT_FILE_READ,
	INJECT_WHATS,
};

const char *inject_name(enum inject_what what);

/* The n-th allocation from now fails, with ever all that follow, too. n 0: they are only counted. Replaces what was said before. */
void inject_arm(uint64_t n, bool ever);

/*
 * The same for transfers: they end with error; with torn behind half of the page. And how many of a kind there were since anything was
 * armed.
 */
void inject_arm_io(enum inject_what what, uint64_t n, bool ever, int error, bool torn);
uint64_t inject_transfers(enum inject_what what);

/* Nothing fails any more, nothing is counted. Returns how many there were since inject_arm(); *failed: of them, how many failed. */
uint64_t inject_disarm(uint64_t *failed);

/* The path of allocation n, as counted by the last inject_arm(0), has not failed since inject_open(). */
bool inject_is_new(uint64_t n);

/* One line a path: how often it was reached, failed once, failed from there on, and its addresses. 0, or -1 with errno. */
int inject_save(const char *path);

/* ---- unit tests ---- */

/* Tests do it to themselves: their machines must be ones that fork() copies. */
bool inject_in_tests(void);
/*
 * A port of a test's own asks before it allocates an object for caller (__builtin_return_address(0)). True: it fails, but not
 * those that follow: such tests try again until they succeed.
 */
bool inject_fails(void *caller);
/* A test begins. In a child, the test that it was made for has ended well: does not return. */
void inject_test_begins(void);
/* The machine of the running test; NULL: none. */
void inject_test_system(struct mm_system *sys);
/* One request in so many fails, and error may be what came of it. */
bool inject_refused(int error);
/*
 * The result of a call that is made again as long as it is refused memory on purpose: for threads, which are. A call that
 * goes from VMA to VMA goes on where it was.
 */
#define PATIENT(call)                                                                              \
	__extension__({                                                                            \
		int patient_error = (call);                                                        \
		for (int patient_n = 0; patient_n < 1000 && inject_refused(patient_error);         \
		     patient_n++)                                                                  \
			patient_error = (call);                                                    \
		patient_error;                                                                     \
	})

/* An assertion of a test failed. In a child that was to be expected: does not return. */
void inject_test_failed(void);

#endif
