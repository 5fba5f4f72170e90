// SPDX-License-Identifier: BSD-2-Clause
/*
 * Object caches: one a kind, and a magazine of each for every thread.
 *
 * Fork allocates several objects for a VMA and wants to be done in 200 ns, so that alloc and free take no lock and touch no
 * shared line: a thread pops from and pushes to an array of its own. Half an array at a time goes to and comes from the
 * thread's shelf, and where that is full or empty from the kind's depot, each under a spin lock; new objects are cut from slabs, a
 * chunk of them for one thread: at each border between what two threads have processors fetch each other's lines ahead. What is freed after a grace period, by whoever runs what was deferred, goes to the shelf of the thread that deferred it:
 * otherwise two that fork and exit would get each other's objects, whose lines stand in the other processor's cache. Free lists are arrays of pointers and not threaded
 * through the objects, because a late reader may still look at a freed object of a type-stable kind: nothing is written to it
 * until it is handed out again. Slabs stay with their kind until the machine ends, which is what type-stable means.
 *
 * Kinds of many sizes (RMAP_KIND_SYSTEM, RMAP_KIND_BUFFER) go to the C library. Under AddressSanitizer so do all that are
 * not type-stable, and a use after free is seen.
 *
 * Counters are each thread's own, and summed when somebody asks: a thread may free what another allocated, so that one
 * thread's figure may be negative.
 */
#include "machine.h"

#include <stdlib.h>
#include <sys/mman.h>

#define SLAB_BYTES   ((uint64_t)256 << 10)
#define CHUNK_BYTES  ((uint64_t)32 << 10)

#define THREAD_LOCAL static __thread __attribute__((tls_model("initial-exec")))

THREAD_LOCAL uint64_t
	my_machine; /* the machine whose share this thread used last, by number: 0 none */
THREAD_LOCAL struct hosted_local *my_local;
THREAD_LOCAL struct hosted_local *acting_for; /* another thread's share, or NULL */
THREAD_LOCAL uint32_t own_seat;		      /* while it acts for another */

static bool kind_is_cached(enum rmap_kind kind)
{
	if (kind == RMAP_KIND_SYSTEM || kind == RMAP_KIND_BUFFER)
		return false;
#ifdef HOSTED_ASAN
	return rmap_kind_is_type_stable(kind);
#else
	return true;
#endif
}

static void count(_Atomic int64_t *counter, int64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* ---------------------------------------------------------------- a thread's share */

static struct hosted_local *local_make(uint64_t owner)
{
	struct hosted_local *local = aligned_alloc(HOSTED_APART, sizeof(*local));

	if (!local)
		return NULL;
	memset(local, 0, sizeof(*local));
	local->owner = owner;
	return local;
}

/* => NULL: no memory */
static struct hosted_local *local_find(struct hosted *h)
{
	uint64_t me = hosted_thread_number();
	struct hosted_local *local, *orphan = NULL;

	hosted_spin_lock(&h->local_lock);
	for (local = h->locals; local && local->owner != me; local = local->next) {
		if (!local->owner)
			orphan = local;
	}
	if (!local && orphan) {
		local = orphan;
		local->owner = me;
	}
	hosted_spin_unlock(&h->local_lock);
	if (!local) {
		local = local_make(me);
		if (!local)
			return NULL;
		hosted_spin_lock(&h->local_lock);
		local->next = h->locals;
		h->locals = local;
		hosted_spin_unlock(&h->local_lock);
	}
	atomic_store_explicit(&local->seat, hosted_cpu_number(h), memory_order_relaxed);
	my_machine = h->number;
	my_local = local;
	return local;
}

static inline struct hosted_local *local_of(struct hosted *h)
{
	return rmap_likely(my_machine == h->number) ? my_local : local_find(h);
}

struct hosted_local *hosted_cache_local(struct hosted *h)
{
	return local_of(h);
}

void hosted_act_for(struct hosted *h, struct hosted_local *local)
{
	if (acting_for)
		hosted_seat_swap(own_seat);
	acting_for = local == local_of(h) ? NULL : local;
	if (acting_for)
		own_seat =
			hosted_seat_swap(atomic_load_explicit(&local->seat, memory_order_relaxed));
}

void hosted_cache_thread_gone(struct hosted *h, uint64_t thread)
{
	struct hosted_local *local;

	hosted_spin_lock(&h->local_lock);
	for (local = h->locals; local; local = local->next) {
		if (local->owner == thread)
			local->owner = 0;
	}
	hosted_spin_unlock(&h->local_lock);
	my_machine = 0;
}

/* ---------------------------------------------------------------- depots and slabs */

/* => a fresh slab of at least size bytes, or false; the depot's lock held */
static bool slab_cut(struct hosted *h, struct hosted_depot *d, uint64_t size)
{
	uint64_t bytes = SLAB_BYTES;
	struct hosted_slab *slab;
	uint64_t room;
	void **grown;

	while (bytes < size + sizeof(*slab))
		bytes *= 2;
	/* The list of free objects can always hold every object there is, so that free() cannot fail. */
	room = d->cut + bytes / size + 1;
	if (room > d->room) {
		room += d->room;
		grown = realloc(d->free, room * sizeof(*grown));
		if (!grown)
			return false;
		d->free = grown;
		d->room = room;
	}
	slab = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slab == MAP_FAILED)
		return false;
	slab->bytes = bytes;
	hosted_spin_lock(&h->slab_lock);
	slab->next = h->slabs;
	h->slabs = slab;
	hosted_spin_unlock(&h->slab_lock);
	atomic_fetch_add_explicit(&h->slab_bytes, bytes, memory_order_relaxed);
	d->slab = (char *)slab + HOSTED_APART;
	d->slab_end = (char *)slab + bytes;
	return true;
}

/* => a chunk for the thread, of 32 KiB or as much as the slab has, or false; the depot's lock held */
static bool chunk_cut(struct hosted *h, struct hosted_depot *d, struct hosted_local *local,
		      enum rmap_kind kind, uint64_t size)
{
	uint64_t n = CHUNK_BYTES / size, room = (uint64_t)(d->slab_end - d->slab) / size;

	if (!room) {
		if (!slab_cut(h, d, size))
			return false;
		room = (uint64_t)(d->slab_end - d->slab) / size;
	}
	if (n < HOSTED_HALF)
		n = HOSTED_HALF;
	if (n > room)
		n = room;
	local->chunk[kind].next = d->slab;
	d->slab += n * size;
	local->chunk[kind].end = d->slab;
	d->cut += n;
	return true;
}

static bool chunk_empty(const struct hosted_local *local, enum rmap_kind kind)
{
	return local->chunk[kind].next == local->chunk[kind].end;
}

/* => how many were had, n at the most: what others gave back, else new ones */
static uint32_t depot_take(struct hosted *h, struct hosted_local *local, enum rmap_kind kind,
			   uint64_t size, uint32_t n)
{
	struct hosted_depot *d = &h->depot[kind];
	void **object = local->magazine[kind].object;
	uint32_t i = 0;

	hosted_spin_lock(&d->lock);
	while (i < n && d->nr_free)
		object[i++] = d->free[--d->nr_free];
	if (!i && chunk_empty(local, kind))
		(void)chunk_cut(h, d, local, kind, size);
	hosted_spin_unlock(&d->lock);
	while (i < n && !chunk_empty(local, kind)) {
		object[i++] = local->chunk[kind].next;
		local->chunk[kind].next += size;
	}
	return i;
}

static uint64_t depot_size(struct hosted *h, struct hosted_depot *d, enum rmap_kind kind,
			   size_t size)
{
	/* What each fault writes to stands apart from its neighbours; both end with a part that hardly anybody touches. */
	bool apart = kind == RMAP_KIND_MM || kind == RMAP_KIND_VMA || kind == RMAP_KIND_FILE;
	uint64_t line = apart ? HOSTED_APART : 16;
	uint64_t rounded = ((uint64_t)size + line - 1) & ~(line - 1);
	uint64_t old = 0;

	if (!atomic_compare_exchange_strong(&d->size, &old, rounded))
		HOSTED_ASSERT(h, old == rounded && "a kind has one size");
	return rounded;
}

/* ---------------------------------------------------------------- shelves */

static uint32_t shelf_nr(const struct hosted_shelf *shelf)
{
	return atomic_load_explicit(&shelf->nr, memory_order_relaxed);
}

static void shelf_set(struct hosted_shelf *shelf, uint32_t nr)
{
	atomic_store_explicit(&shelf->nr, nr, memory_order_relaxed);
}

/* => room for n more, which there was not, or false; the shelf's lock held */
static bool shelf_grow(struct hosted_shelf *shelf, uint32_t n)
{
	uint32_t room = shelf->room ? shelf->room : HOSTED_MAGAZINE;
	void **grown;

	while (room < shelf_nr(shelf) + n)
		room *= 2;
	if (room > HOSTED_SHELF_MAX)
		return false;
	grown = realloc(shelf->object, room * sizeof(*grown));
	if (!grown)
		return false;
	shelf->object = grown;
	shelf->room = room;
	return true;
}

/* => false: no room, nothing was put */
static bool shelf_put(struct hosted_shelf *shelf, void *const *object, uint32_t n)
{
	uint32_t nr, i;
	bool room;

	hosted_spin_lock(&shelf->lock);
	nr = shelf_nr(shelf);
	room = nr + n <= shelf->room || shelf_grow(shelf, n);
	if (room) {
		for (i = 0; i < n; i++)
			shelf->object[nr + i] = object[i];
		shelf_set(shelf, nr + n);
	}
	hosted_spin_unlock(&shelf->lock);
	return room;
}

/* => how many there were, n at the most */
static uint32_t shelf_take(struct hosted_shelf *shelf, void **object, uint32_t n)
{
	uint32_t i;

	if (!shelf_nr(shelf))
		return 0;
	hosted_spin_lock(&shelf->lock);
	if (n > shelf_nr(shelf))
		n = shelf_nr(shelf);
	for (i = 0; i < n; i++)
		object[i] = shelf->object[shelf_nr(shelf) - 1 - i];
	shelf_set(shelf, shelf_nr(shelf) - n);
	hosted_spin_unlock(&shelf->lock);
	return n;
}

/* There is always room. */
static void depot_put(struct hosted_depot *d, void *const *object, uint32_t n)
{
	hosted_spin_lock(&d->lock);
	memcpy(d->free + d->nr_free, object, n * sizeof(*object));
	d->nr_free += n;
	hosted_spin_unlock(&d->lock);
}

/* => fills the empty magazine by half; false: no memory */
static bool magazine_fill(struct hosted *h, struct hosted_local *local, enum rmap_kind kind,
			  size_t size)
{
	uint64_t rounded = depot_size(h, &h->depot[kind], kind, size);
	uint32_t n = shelf_take(&local->shelf[kind], local->magazine[kind].object, HOSTED_HALF);

	if (!n)
		n = depot_take(h, local, kind, rounded, HOSTED_HALF);
	local->magazine[kind].nr = n;
	return n != 0;
}

/* => the full magazine's older half goes to the shelf, or the depot */
static void magazine_drain(struct hosted *h, struct hosted_local *local, enum rmap_kind kind)
{
	void **object = local->magazine[kind].object;

	if (!shelf_put(&local->shelf[kind], object, HOSTED_HALF))
		depot_put(&h->depot[kind], object, HOSTED_HALF);
	memmove(object, object + HOSTED_HALF, HOSTED_HALF * sizeof(*object));
	local->magazine[kind].nr = HOSTED_HALF;
}

/* ---------------------------------------------------------------- the callbacks */

/* An object of no cache, so that a sanitizer sees its bounds and its end. */
static void *own_alloc(enum rmap_kind kind, size_t size)
{
	void *object;

	if (kind != RMAP_KIND_PTE_CHAIN)
		return calloc(1, size);
	object = aligned_alloc(HOSTED_CACHE_LINE, (size + HOSTED_CACHE_LINE - 1) /
							  HOSTED_CACHE_LINE * HOSTED_CACHE_LINE);
	if (object)
		memset(object, 0, size);
	return object;
}

void *hosted_cache_alloc(void *ctx, enum rmap_kind kind, size_t size)
{
	struct hosted *h = ctx;
	struct hosted_local *local = local_of(h);
	void *object;

	HOSTED_MAY_SLEEP("alloc");
	if (rmap_unlikely(!local))
		return NULL;
	if (rmap_likely(kind_is_cached(kind))) {
		uint32_t nr = local->magazine[kind].nr;

		if (rmap_unlikely(nr == 0)) {
			if (!magazine_fill(h, local, kind, size))
				return NULL;
			nr = local->magazine[kind].nr;
		}
		object = local->magazine[kind].object[--nr];
		local->magazine[kind].nr = nr;
		/* A type-stable object is zero from its slab, and then what its last user left. */
		if (!rmap_kind_is_type_stable(kind))
			memset(object, 0, size);
	} else {
		object = own_alloc(kind, size);
		if (!object)
			return NULL;
	}
	count(&local->live[kind], 1);
	count(&local->bytes[kind], (int64_t)size);
	return object;
}

/* A thread that has no share, for want of memory, gives back by hand. */
static void free_stray(struct hosted *h, enum rmap_kind kind, void *object, size_t size)
{
	if (kind_is_cached(kind))
		depot_put(&h->depot[kind], &object, 1);
	else
		free(object);
	atomic_fetch_sub(&h->stray_live[kind], 1);
	atomic_fetch_sub(&h->stray_bytes[kind], (int64_t)size);
}

void hosted_cache_free(void *ctx, enum rmap_kind kind, void *object, size_t size)
{
	struct hosted *h = ctx;
	struct hosted_local *local = local_of(h);

	if (rmap_unlikely(kind == RMAP_KIND_MM))
		hosted_mmu_forget(h, object, size);
	if (rmap_unlikely(!local)) {
		free_stray(h, kind, object, size);
		return;
	}
	count(&local->live[kind], -1);
	count(&local->bytes[kind], -(int64_t)size);
	if (rmap_unlikely(acting_for) && kind_is_cached(kind)) {
		if (!shelf_put(&acting_for->shelf[kind], &object, 1))
			depot_put(&h->depot[kind], &object, 1);
	} else if (rmap_likely(kind_is_cached(kind))) {
		uint32_t nr = local->magazine[kind].nr;

		if (rmap_unlikely(nr == HOSTED_MAGAZINE)) {
			magazine_drain(h, local, kind);
			nr = HOSTED_HALF;
		}
		local->magazine[kind].object[nr] = object;
		local->magazine[kind].nr = nr + 1;
	} else {
		free(object);
	}
}

void hosted_objects(const struct hosted *h, enum rmap_kind kind, uint64_t *objects, uint64_t *bytes)
{
	struct hosted_spin *lock = (struct hosted_spin *)&h->local_lock;
	int64_t live = atomic_load_explicit(&h->stray_live[kind], memory_order_relaxed);
	int64_t all = atomic_load_explicit(&h->stray_bytes[kind], memory_order_relaxed);
	const struct hosted_local *local;

	hosted_spin_lock(lock);
	for (local = h->locals; local; local = local->next) {
		live += atomic_load_explicit(&local->live[kind], memory_order_relaxed);
		all += atomic_load_explicit(&local->bytes[kind], memory_order_relaxed);
	}
	hosted_spin_unlock(lock);
	/* Below zero only for a moment: a free was read whose allocation was not. */
	*objects = live > 0 ? (uint64_t)live : 0;
	*bytes = all > 0 ? (uint64_t)all : 0;
}

uint64_t hosted_cache_bytes(const struct hosted *h)
{
	return atomic_load_explicit(&h->slab_bytes, memory_order_relaxed);
}

int hosted_cache_init(struct hosted *h)
{
	/* The maker's own share: who makes a machine will use it. */
	return local_find(h) ? 0 : RMAP_ENOMEM;
}

void hosted_cache_destroy(struct hosted *h)
{
	struct hosted_local *local, *next_local;
	struct hosted_slab *slab, *next_slab;
	int kind;

	for (slab = h->slabs; slab; slab = next_slab) {
		next_slab = slab->next;
		munmap(slab, slab->bytes);
	}
	for (local = h->locals; local; local = next_local) {
		next_local = local->next;
		for (kind = 0; kind < RMAP_KINDS; kind++)
			free(local->shelf[kind].object);
		free(local);
	}
	for (kind = 0; kind < RMAP_KINDS; kind++)
		free(h->depot[kind].free);
	h->slabs = NULL;
	h->locals = NULL;
}
