// SPDX-License-Identifier: BSD-2-Clause
/*
 * Waiting: a futex for sleeping locks, and a spin lock that yields.
 *
 * The kernel compares the word under its own lock before it puts the caller to sleep, so that no wake-up is lost between the
 * look and the sleep. A wake costs one system call, and only where somebody waits.
 */
#include "machine.h"

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPINS	   128

/*
 * Before a thread sleeps: a microsecond or two, in which many a holder is done. To sleep and to be woken takes longer for both, most
 * of all on a virtual machine, whose processor stops meanwhile. More than that does harm: while one spins the lock says that somebody
 * waits, so that its holder wakes nobody each time, and the two take turns at every call instead of by the dozen.
 */
#define WAIT_SPINS 100

void hosted_wait(void *ctx, const _Atomic uint32_t *word, uint32_t value)
{
	(void)ctx;
	HOSTED_MAY_SLEEP("wait");
	for (unsigned int spins = 0; spins < WAIT_SPINS; spins++) {
		if (atomic_load_explicit(word, memory_order_relaxed) != value)
			return;
		rmap_cpu_relax();
	}
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void hosted_wake(void *ctx, const _Atomic uint32_t *word)
{
	(void)ctx;
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void hosted_spin_slow(struct hosted_spin *lock)
{
	unsigned int spins = 0;

	do {
		while (atomic_load_explicit(&lock->word, memory_order_relaxed)) {
			if (++spins % SPINS)
				rmap_cpu_relax();
			else
				sched_yield();
		}
	} while (atomic_exchange_explicit(&lock->word, 1, memory_order_acquire));
}
