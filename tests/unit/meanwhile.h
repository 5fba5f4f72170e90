/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What others do while somebody waits for a device: a machine in e, with an address space in mm, whose transfers let others go first.
 *
 *	meanwhile = forks;			// once, by another thread, at the next transfer
 *	assert_int_equal(peek(&e, mm, BASE), 7);	// which waits for that thread
 *
 * So it happens each time at the same place, and would never end if the one who waits for the device held a lock that it takes. Who
 * has to wait for the device himself (for the same page, or for its file's invalidate lock) is begun before that and let come until
 * he waits; await() is to follow.
 *
 *	comes = faults;
 *	assert_int_equal(mm_fault(mm, BASE, MM_ACCESS_READ), 0);
 *	await();
 *
 * These threads may be refused memory (tests/oom/inject.h) and ask again; what they come to is asserted by the test's own thread.
 *
 * To be included last, for its short names.
 */
#ifndef TESTS_MEANWHILE_H
#define TESTS_MEANWHILE_H

#include "engine.h"
#include "failed.h"

#include <pthread.h>
#include <unistd.h>

#define BASE 0x10000000ull
#define FAR  (BASE + 64 * PAGE)
#define RW   (MM_PROT_READ | MM_PROT_WRITE)

static struct engine e;
static struct mm *mm, *child; /* child: NULL until there is one */
static struct mm_port slow;
static const struct mm_port *real;

static int (*meanwhile)(void);
static int (*comes)(void);
static bool (*comes_to_wait)(void); /* whoever comes does; NULL: as soon as he sleeps */
static bool came;		    /* and is to be awaited */
static pthread_t latecomer;
static _Atomic bool asleep;
static int meanwhile_error, comes_error;

static int device_error; /* of what is read */
static unsigned int reads;

/* ---------------------------------------------------------------- other threads */

static inline void *act(void *arg)
{
	int (*what)(void) = meanwhile;

	(void)arg;
	meanwhile = NULL;
	meanwhile_error = what();
	return NULL;
}

static inline void others_act(void)
{
	pthread_t thread;

	if (meanwhile && !pthread_create(&thread, NULL, act, NULL))
		pthread_join(thread, NULL);
}

static inline void *come(void *arg)
{
	int (*what)(void) = comes;

	(void)arg;
	comes = NULL;
	comes_error = what();
	return NULL;
}

static inline void others_come(void)
{
	if (!comes || came)
		return;
	atomic_store(&asleep, false);
	came = !pthread_create(&latecomer, NULL, come, NULL);
	/* One of the headers of locks does not let readers say that they wait. */
	for (unsigned int i = 0; came && i < 10000; i++) {
		if (comes_to_wait ? comes_to_wait() : atomic_load(&asleep))
			return;
		usleep(100);
	}
}

/* Whoever came is through, and with success. */
static inline void await(void)
{
	assert_true(came);
	pthread_join(latecomer, NULL);
	came = false;
	engine_check(&e);
	assert_int_equal(comes_error, 0);
}

/* ---------------------------------------------------------------- the machine */

static inline void others(void)
{
	others_come();
	others_act();
}

static inline int slow_file_read(void *ctx, void *handle, uint64_t index, void *data)
{
	int error = device_error ? device_error : real->file_read(ctx, handle, index, data);

	reads++;
	others();
	return error;
}

static inline int slow_swap_read(void *ctx, uint64_t slot, void *data)
{
	int error = device_error ? device_error : real->swap_read(ctx, slot, data);

	reads++;
	others();
	return error;
}

static inline int slow_file_write(void *ctx, void *handle, uint64_t index, const void *data)
{
	others();
	return real->file_write(ctx, handle, index, data);
}

static inline int slow_swap_write(void *ctx, uint64_t slot, const void *data)
{
	others();
	return real->swap_write(ctx, slot, data);
}

static inline void slow_wait(void *ctx, const _Atomic uint32_t *word, uint32_t value)
{
	atomic_store(&asleep, true);
	real->os.wait(ctx, word, value);
}

static inline const struct mm_port *slow_port(const struct mm_port *hosted, void *arg)
{
	(void)arg;
	real = hosted;
	slow = *hosted;
	slow.file_read = slow_file_read;
	slow.file_write = slow_file_write;
	slow.swap_read = slow_swap_read;
	slow.swap_write = slow_swap_write;
	slow.os.wait = slow_wait;
	return &slow;
}

/* A set-up's. design NULL: the one that all tests use. */
static inline void meanwhile_begins(const struct rmap_ops *design)
{
	const struct engine_config config = { .wrap = slow_port, .mm.design = design };

	meanwhile = comes = NULL;
	comes_to_wait = NULL;
	came = false;
	meanwhile_error = comes_error = device_error = 0;
	reads = 0;
	child = NULL;
	engine_setup(&e, &config);
	mm = engine_mm(&e);
}

/* A tear-down's: it was all done, and with success. */
static inline int meanwhile_ends(void **state)
{
	(void)state;
	if (test_has_failed())
		return 0;
	assert_false(came);
	assert_null(comes);
	assert_null(meanwhile);
	assert_int_equal(meanwhile_error, 0);
	if (child)
		mm_put(child);
	mm_put(mm);
	engine_teardown(&e);
	return 0;
}

/* ---------------------------------------------------------------- what they do, to mm's two pages at BASE */

static inline int forks(void)
{
	return PATIENT(mm_fork(mm, &child));
}

static inline int faults(void)
{
	return PATIENT(mm_fault(mm, BASE, MM_ACCESS_WRITE));
}

/* |a b|  ->  |  b| */
static inline int unmaps(void)
{
	return PATIENT(mm_munmap(mm, BASE, PAGE));
}

/* |a b|  ->  |   | */
static inline int unmaps_all(void)
{
	return PATIENT(mm_munmap(mm, BASE, 2 * PAGE));
}

/* The first may be read only. */
static inline int forbids(void)
{
	return PATIENT(mm_mprotect(mm, BASE, PAGE, MM_PROT_READ));
}

/* |a b|  ->  |. b|: empty, anonymous */
static inline int replaces(void)
{
	const struct mm_mmap args = { .addr = BASE,
				      .len = PAGE,
				      .prot = RW,
				      .flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_FIXED };
	uint64_t addr;

	return PATIENT(mm_mmap(mm, &args, &addr));
}

/* |a b|  ->  ...  |a b| at FAR: all of it, since what cannot be split off for want of memory stays mapped. */
static inline int moves(void)
{
	uint64_t addr;

	return PATIENT(mm_mremap(mm, BASE, 2 * PAGE, 2 * PAGE, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED,
				 FAR, &addr));
}

#endif
