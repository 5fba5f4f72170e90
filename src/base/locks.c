// SPDX-License-Identifier: BSD-2-Clause
/*
 * The contended halves of the default sleeping lock.
 *
 * One word: a writer's bit, a bit that says somebody waits, and the number of readers. Who cannot have the lock sets the
 * waiters' bit, by a compare-exchange against a word that somebody holds, and sleeps on the word. From then on newcomers
 * take the slow path too, so a stream of readers cannot starve a writer. The last holder to leave finds the bit, clears it
 * and wakes everybody; they race, and whoever loses sets the bit again.
 *
 * Nobody sleeps for ever: the bit is only ever set on a held word, so a release that sees it is still to come; and the port's
 * wait() returns at once when the word is no longer the one that was looked at (tests/models/rwsem.pml).
 *
 * A release touches the lock after it let go of it (to clear the bit). So the memory of a lock must outlive every release,
 * by a reference or by an RCU section around it; anon_vma_chain.c does the latter.
 */
#include <rmap/port.h>

#include <rmap/locks.h>

#ifndef RMAP_LOCKS_HEADER

/* Sleep, or spin, until the word may have changed. v: what it was, with the waiters' bit. */
static void wait_for_change(struct rmap_rwsem *l, const struct rmap_port *port, uint32_t v)
{
	if (port->wait)
		port->wait(port->ctx, &l->word, v);
	else
		rmap_cpu_relax();
}

/*
 * Take the lock by adding grant where the word allows it (with the waiters' bit left as it is), or wait. blockers: the bits
 * that must be clear; a word of nothing but the waiters' bit is free in any case.
 */
static void lock_slow(struct rmap_rwsem *l, const struct rmap_port *port, uint32_t blockers,
		      uint32_t grant)
{
	uint32_t v = atomic_load_explicit(&l->word, memory_order_relaxed);

	for (;;) {
		if (!(v & blockers) || v == RMAP_RWSEM_WAITERS) {
			if (atomic_compare_exchange_weak_explicit(&l->word, &v, v + grant,
								  memory_order_acquire,
								  memory_order_relaxed))
				return;
			continue;
		}
		if (!(v & RMAP_RWSEM_WAITERS)) {
			if (!atomic_compare_exchange_weak_explicit(
				    &l->word, &v, v | RMAP_RWSEM_WAITERS, memory_order_relaxed,
				    memory_order_relaxed))
				continue;
			v |= RMAP_RWSEM_WAITERS;
		}
		wait_for_change(l, port, v);
		v = atomic_load_explicit(&l->word, memory_order_relaxed);
	}
}

void rmap_rwsem_read_slow(struct rmap_rwsem *l, const struct rmap_port *port)
{
	lock_slow(l, port, RMAP_RWSEM_WRITER | RMAP_RWSEM_WAITERS, 1);
}

void rmap_rwsem_write_slow(struct rmap_rwsem *l, const struct rmap_port *port)
{
	lock_slow(l, port, ~(uint32_t)0, RMAP_RWSEM_WRITER);
}

void rmap_rwsem_wake(struct rmap_rwsem *l, const struct rmap_port *port)
{
	atomic_fetch_and_explicit(&l->word, ~RMAP_RWSEM_WAITERS, memory_order_relaxed);
	if (port->wake)
		port->wake(port->ctx, &l->word);
}

#endif
