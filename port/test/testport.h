/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The test port: a hosted machine whose callbacks fail when they are told to, and whose deferral is deterministic.
 *
 * Everything that can fail is an event with a number, counted from the last order on: order the fourth allocation to fail,
 * once or from then on, see what it does, and ask how many there were. Running a call with the first, second, third … event
 * failing until nothing fails any more reaches every error path that it has:
 *
 *	for (n = 1;; n++) {
 *		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
 *		r = mm_fork(mm, &child);
 *		failed = testport_fail_none(tp);
 *		…	// r and the system are as they must be
 *		if (!failed)
 *			break;
 *	}
 *
 * What call_rcu() is given waits in a queue until a barrier, or until the test says that a grace period is over: in the order in
 * which it came, or newest first.
 */
#ifndef TESTPORT_H
#define TESTPORT_H

#include <hosted/hosted.h>

struct testport;

/* What can fail. */
enum testport_event {
	TESTPORT_ALLOC, /* an object: NULL */
	TESTPORT_SWAP_WRITE,
	TESTPORT_SWAP_READ,
	TESTPORT_FILE_WRITE,
	TESTPORT_FILE_READ,
	TESTPORT_EVENTS,
};

enum testport_how {
	TESTPORT_ONCE,	     /* the n-th only */
	TESTPORT_EVER_AFTER, /* the n-th and all that follow */
};

/* A machine made by hosted_create(config). The same errors and sentences. */
int testport_create(const struct hosted_config *config, struct testport **out, char *error);

/* Runs what was deferred and ends the machine: hosted_destroy(). */
uint64_t testport_destroy(struct testport *tp, hosted_leak_fn *report, void *arg);

/* For mm_system_create(). */
const struct mm_port *testport_port(const struct testport *tp);

/* The machine below: processors, files, checks. Its own port is not to be used. */
struct hosted *testport_hosted(const struct testport *tp);

/*
 * Let the n-th event of the kind fail, counted from now; n is 1 for the next. 0: count only. One order stands per kind of event;
 * a new one replaces it.
 */
void testport_fail(struct testport *tp, enum testport_event event, uint64_t n,
		   enum testport_how how);

/* The same, but only allocations of one kind of object are counted. */
void testport_fail_alloc(struct testport *tp, enum rmap_kind kind, uint64_t n,
			 enum testport_how how);

/* The error of failing file writes: RMAP_EIO unless told otherwise (RMAP_ENOSPC). Everything else fails with RMAP_EIO. */
void testport_io_error(struct testport *tp, int error);

/* Withdraw all orders. Returns how many events failed since the previous call. */
uint64_t testport_fail_none(struct testport *tp);

/* How many events of a kind there were since the last order about it. */
uint64_t testport_reached(const struct testport *tp, enum testport_event event);

enum testport_order {
	TESTPORT_OLDEST_FIRST,
	TESTPORT_NEWEST_FIRST,
};

/* A grace period is over: run up to n deferred calls. Returns how many. They may defer again, to a later period. */
uint64_t testport_run_deferred(struct testport *tp, uint64_t n, enum testport_order order);
uint64_t testport_deferred(const struct testport *tp);

/* Calls of tlb_flush so far. */
uint64_t testport_flushes(const struct testport *tp);

#endif
