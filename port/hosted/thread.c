// SPDX-License-Identifier: BSD-2-Clause
/*
 * Threads: each has a number, is registered for deferral when it first needs it, and leaves everything when it ends.
 *
 * A thread that ends without leaving would keep every later grace period waiting for it, so that leaving is a destructor of
 * thread-specific data and nobody can forget it.
 */
#include "machine.h"

static pthread_mutex_t machines_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hosted *machines; /* machines_lock */
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static _Atomic uint64_t threads;
static uint64_t seats_taken; /* machines_lock; a bit each */

static __thread uint64_t my_number;
static __thread bool attached;
#define NO_SEAT UINT32_MAX

static __thread uint32_t my_seat = NO_SEAT;

static void thread_gone(void *value)
{
	(void)value;
	hosted_thread_detach();
}

static void thread_make_key(void)
{
	pthread_key_create(&key, thread_gone);
}

uint64_t hosted_thread_number(void)
{
	if (rmap_unlikely(!attached))
		hosted_thread_attach();
	return my_number;
}

/* The lowest that nobody has; with all taken, any. A program of one thread always has the same. */
static void seat_take(void)
{
	pthread_mutex_lock(&machines_lock);
	for (my_seat = 0; my_seat < HOSTED_SEATS - 1; my_seat++)
		if (!(seats_taken >> my_seat & 1))
			break;
	seats_taken |= (uint64_t)1 << my_seat;
	pthread_mutex_unlock(&machines_lock);
}

static __attribute__((noinline)) uint32_t seat_first(void)
{
	hosted_thread_attach();
	return my_seat;
}

/* Several times in each fault: no frame but where it has to call. */
uint32_t hosted_cpu_number(void *ctx)
{
	(void)ctx;
	return rmap_likely(my_seat != NO_SEAT) ? my_seat : seat_first();
}

uint32_t hosted_seat_swap(uint32_t seat)
{
	uint32_t own = my_seat;

	my_seat = seat;
	return own;
}

void hosted_thread_attach(void)
{
	if (attached)
		return;
	pthread_once(&key_once, thread_make_key);
	pthread_setspecific(key, &my_number);
	if (!my_number)
		my_number = atomic_fetch_add(&threads, 1) + 1;
	seat_take();
	hosted_rcu_register();
	attached = true;
}

void hosted_thread_detach(void)
{
	struct hosted *h;

	if (!attached)
		return;
	pthread_mutex_lock(&machines_lock);
	for (h = machines; h; h = h->next)
		hosted_cache_thread_gone(h, my_number);
	seats_taken &= ~((uint64_t)1 << my_seat);
	pthread_mutex_unlock(&machines_lock);
	hosted_rcu_unregister();
	attached = false;
	my_seat = NO_SEAT;
	/* A new number: what is cached by the old one has been given away. */
	my_number = 0;
}

void hosted_machines_add(struct hosted *h)
{
	pthread_mutex_lock(&machines_lock);
	h->next = machines;
	machines = h;
	pthread_mutex_unlock(&machines_lock);
}

void hosted_machines_remove(struct hosted *h)
{
	struct hosted **link;

	pthread_mutex_lock(&machines_lock);
	for (link = &machines; *link != h; link = &(*link)->next)
		;
	*link = h->next;
	pthread_mutex_unlock(&machines_lock);
}
