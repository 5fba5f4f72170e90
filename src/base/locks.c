// SPDX-License-Identifier: BSD-2-Clause
/*
 * The contended halves of the default sleeping lock.
 *
 * One word: a writer's bit, a bit that says somebody waits, one that says whose turn it is, and the number of readers. Who cannot
 * have the lock sets the waiters' bit, by a compare-exchange against a word that somebody holds or will take, and sleeps on the
 * word. From then on newcomers take the slow path too. The last holder to leave finds the bit, clears it and wakes everybody; they
 * race, and whoever loses sets the bit again.
 *
 * A race is not enough where readers come back at once: one that walks for a page again and again would have the lock long
 * before a writer that it has woken runs. So a writer that waits for readers also sets the bit of its turn, which only writers
 * pass and which the next of them clears. A stream of readers, or a single one that never rests, cannot starve it. A writer that
 * waits for a writer does not set it: then readers have the same chance, and a stream of writers cannot starve them.
 *
 * Nobody sleeps for ever: the waiters' bit is only ever set on a word that is held, or free for a writer that was woken (it does not
 * sleep before it has had the lock or found it held); so a release that sees the bit is still to come. And the port's wait()
 * returns at once when the word is no longer the one that was looked at.
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

/* May a writer, or a reader, take a lock with this word? A word of nothing but the waiters' bit is free to all. */
static bool may_take(uint32_t v, bool writer)
{
	if (writer)
		return !(v & (RMAP_RWSEM_WRITER | RMAP_RWSEM_READERS));
	return !(v & ~RMAP_RWSEM_READERS) || v == RMAP_RWSEM_WAITERS;
}

static uint32_t waiting(uint32_t v, bool writer)
{
	return v | RMAP_RWSEM_WAITERS | (writer && (v & RMAP_RWSEM_READERS) ? RMAP_RWSEM_TURN : 0);
}

/* Take the lock where the word allows it (with the waiters' bit left as it is), or wait. */
static void lock_slow(struct rmap_rwsem *l, const struct rmap_port *port, bool writer)
{
	uint32_t v = atomic_load_explicit(&l->word, memory_order_relaxed);

	for (;;) {
		if (may_take(v, writer)) {
			uint32_t taken =
				writer ? (v & ~RMAP_RWSEM_TURN) | RMAP_RWSEM_WRITER : v + 1;

			if (atomic_compare_exchange_weak_explicit(&l->word, &v, taken,
								  memory_order_acquire,
								  memory_order_relaxed))
				return;
			continue;
		}
		if (v != waiting(v, writer)) {
			if (!atomic_compare_exchange_weak_explicit(&l->word, &v, waiting(v, writer),
								   memory_order_relaxed,
								   memory_order_relaxed))
				continue;
			v = waiting(v, writer);
		}
		wait_for_change(l, port, v);
		v = atomic_load_explicit(&l->word, memory_order_relaxed);
	}
}

void rmap_rwsem_read_slow(struct rmap_rwsem *l, const struct rmap_port *port)
{
	lock_slow(l, port, false);
}

void rmap_rwsem_write_slow(struct rmap_rwsem *l, const struct rmap_port *port)
{
	lock_slow(l, port, true);
}

void rmap_rwsem_wake(struct rmap_rwsem *l, const struct rmap_port *port)
{
	atomic_fetch_and_explicit(&l->word, ~RMAP_RWSEM_WAITERS, memory_order_relaxed);
	if (port->wake)
		port->wake(port->ctx, &l->word);
}

#endif
