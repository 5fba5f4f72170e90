// SPDX-License-Identifier: BSD-2-Clause
/*
 * A machine in an arena. See port.h.
 */
#include "port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fiber.h"
#include "mm/system.h"
#include "weave.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

#define ARENA_ADDRESS ((uintptr_t)0x5e0000000000)
#define HEAP_SIZE     (1u << 20)
#define ROOM_SIZE     4096u
#define FREE_MAX      2048u
#define BUCKETS	      (RMAP_KINDS + 24) /* kinds of one size, then powers of two */
#define POISON	      0x6b
#define CPUS	      (WEAVE_THREADS_MAX + 1)

struct bucket {
	size_t size;
	uint32_t nr;
	void *free[FREE_MAX]; /* what was freed, last on top */
};

struct tlb {
	uint64_t mm_id; /* 0: empty */
	uint64_t vpn;
	pte_t pte;
};

/* What changes, besides frames, descriptors and stores. */
struct state {
	size_t heap_used;
	uint64_t objects;
	uint64_t clock;
	uint32_t fail_alloc[CPUS];
	uint32_t fail_swap_read[CPUS];
	struct tlb tlb[CPUS];
	unsigned char room[ROOM_SIZE];
	struct bucket bucket[BUCKETS];
};

struct store_page {
	bool dirty; /* written since it was saved */
	_Alignas(64) unsigned char data[RMAP_PAGE_SIZE];
};

struct arena {
	_Alignas(4096) unsigned char frame[WEAVE_FRAMES][RMAP_PAGE_SIZE];
	_Alignas(64) struct page page[WEAVE_FRAMES];
	_Alignas(64) unsigned char heap[HEAP_SIZE];
	struct state state;
};

struct stores {
	struct store_page slot[WEAVE_SLOTS];
	struct store_page file[WEAVE_FILES][WEAVE_FILE_PAGES];
};

static struct arena *arena;
static struct arena *saved;
static struct stores stores, saved_stores;
static uint32_t saved_frames[WEAVE_FRAMES], nr_saved_frames;
static struct mm_port port;

/* ---------------------------------------------------------------- objects */

static struct bucket *bucket_of(enum rmap_kind kind, size_t size, size_t *rounded)
{
	unsigned int power = 6;

	if (kind != RMAP_KIND_SYSTEM && kind != RMAP_KIND_BUFFER) {
		*rounded = (size + 63) & ~(size_t)63;
		return &arena->state.bucket[kind];
	}
	while (((size_t)1 << power) < size)
		power++;
	*rounded = (size_t)1 << power;
	return &arena->state.bucket[RMAP_KINDS + power - 6];
}

static bool poisoned(const unsigned char *object, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (object[i] != POISON)
			return false;
	}
	return true;
}

static void *port_alloc(void *ctx, enum rmap_kind kind, size_t size)
{
	struct state *s = &arena->state;
	size_t rounded;
	struct bucket *b = bucket_of(kind, size, &rounded);
	int self = weave_self();
	unsigned char *object;

	(void)ctx;
	weave_may_sleep("allocates");
	if (self >= 0 && s->fail_alloc[self] && !--s->fail_alloc[self])
		return NULL;
	s->objects++;
	/* Who comes first gets which one. */
	weave_changed(b);
	if (b->nr) {
		object = b->free[--b->nr];
		fiber_sync_acquire(object);
		if (rmap_kind_is_type_stable(kind))
			return object;
		ASAN_UNPOISON_MEMORY_REGION(object, rounded);
		if (!poisoned(object, size < 256 ? size : 256))
			weave_fail("freed memory was written to (%s)", rmap_kind_name(kind));
	} else {
		if (s->heap_used + rounded > HEAP_SIZE)
			return NULL;
		object = arena->heap + s->heap_used;
		s->heap_used += rounded;
	}
	memset(object, 0, rounded);
	return object;
}

static void port_free(void *ctx, enum rmap_kind kind, void *object, size_t size)
{
	size_t rounded;
	struct bucket *b = bucket_of(kind, size, &rounded);

	(void)ctx;
	arena->state.objects--;
	weave_changed(b);
	if (b->nr == FREE_MAX)
		weave_fail("more freed objects than can be");
	if (!rmap_kind_is_type_stable(kind)) {
		memset(object, POISON, rounded);
		ASAN_POISON_MEMORY_REGION(object, rounded);
	}
	fiber_sync_release(object);
	b->free[b->nr++] = object;
}

uint64_t weave_port_objects(void)
{
	return arena->state.objects;
}

void weave_port_fail_alloc(int thread, uint32_t n)
{
	arena->state.fail_alloc[thread] = n;
}

void weave_port_fail_swap_read(int thread, uint32_t n)
{
	arena->state.fail_swap_read[thread] = n;
}

/* ---------------------------------------------------------------- RCU, waiting, panic */

static void port_rcu_read_lock(void *ctx)
{
	(void)ctx;
	weave_rcu_enter();
}

static void port_rcu_read_unlock(void *ctx)
{
	(void)ctx;
	weave_rcu_leave();
}

static void port_call_rcu(void *ctx, struct rmap_rcu *rcu,
			  void (*func)(void *ctx, struct rmap_rcu *rcu))
{
	weave_rcu_call(rcu, func, ctx);
}

static void port_rcu_barrier(void *ctx)
{
	(void)ctx;
	weave_rcu_wait();
}

static void port_wait(void *ctx, const _Atomic uint32_t *word, uint32_t value)
{
	(void)ctx;
	weave_sleep(word, value);
}

static void port_wake(void *ctx, const _Atomic uint32_t *word)
{
	(void)ctx;
	weave_wake(word);
}

static void __attribute__((noreturn))
port_panic(void *ctx, const char *file, int line, const char *what)
{
	const char *base = strrchr(file, '/');

	(void)ctx;
	weave_fail("assertion failed at %s, line %d: %s", base ? base + 1 : file, line, what);
}

/* ---------------------------------------------------------------- stores */

/*
 * A device takes its time: half of a page, then a moment in which the other threads may do all that they are about to, then the other
 * half. That is the first one, since what threads read and write stands there: who uses a page before it has all come in, or goes on
 * writing to one on its way out, is found out by its contents. Only the word's address matters; who begins touches it, too, so
 * that a switch is worth trying there.
 */
static char device;

#define HALF (RMAP_PAGE_SIZE / 2)

void weave_port_begin(void)
{
	weave_at(&device, WEAVE_READ);
}

static void transfer(unsigned char *to, const unsigned char *from)
{
	memcpy(to + HALF, from + HALF, HALF);
	weave_at(&device, WEAVE_WRITE);
	memcpy(to, from, HALF);
}

/* Into memory: the frame may hold by chance what is to come, since it was this page's before. */
static void deliver(unsigned char *to, const unsigned char *from)
{
	memset(to, POISON, HALF);
	transfer(to, from);
}

static int port_swap_write(void *ctx, uint64_t slot, const void *data)
{
	(void)ctx;
	weave_may_sleep("writes to swap");
	weave_at(&stores.slot[slot], WEAVE_WRITE);
	stores.slot[slot].dirty = true;
	transfer(stores.slot[slot].data, data);
	return 0;
}

static int port_swap_read(void *ctx, uint64_t slot, void *data)
{
	int self = weave_self();
	uint32_t *fails = self >= 0 ? &arena->state.fail_swap_read[self] : NULL;

	(void)ctx;
	weave_may_sleep("reads from swap");
	weave_at(&stores.slot[slot], WEAVE_READ);
	deliver(data, stores.slot[slot].data);
	return fails && *fails && !--*fails ? RMAP_EIO : 0;
}

static struct store_page *file_page(void *handle, uint64_t index)
{
	struct store_page *file = handle;

	return index < WEAVE_FILE_PAGES ? &file[index] : NULL;
}

static int port_file_read(void *ctx, void *handle, uint64_t index, void *data)
{
	struct store_page *p = file_page(handle, index);

	(void)ctx;
	weave_may_sleep("reads a file");
	if (!p) {
		memset(data, 0, RMAP_PAGE_SIZE);
		return 0;
	}
	weave_at(p, WEAVE_READ);
	deliver(data, p->data);
	return 0;
}

/* A processor may write to the page meanwhile: that is what dirty bits are for. */
__attribute__((no_sanitize("thread"))) static void copy_half_racily(unsigned char *to,
								    const unsigned char *from)
{
	size_t i;

	for (i = 0; i < HALF; i += sizeof(uint64_t))
		*(volatile uint64_t *)(void *)(to + i) =
			*(const volatile uint64_t *)(const void *)(from + i);
}

static int port_file_write(void *ctx, void *handle, uint64_t index, const void *data)
{
	struct store_page *p = file_page(handle, index);

	(void)ctx;
	weave_may_sleep("writes a file");
	if (!p)
		return RMAP_ENOSPC;
	weave_at(p, WEAVE_WRITE);
	p->dirty = true;
	copy_half_racily(p->data + HALF, (const unsigned char *)data + HALF);
	weave_at(&device, WEAVE_WRITE);
	copy_half_racily(p->data, data);
	return 0;
}

void *weave_port_file(unsigned int n)
{
	return stores.file[n];
}

static uint64_t port_now(void *ctx)
{
	(void)ctx;
	return ++arena->state.clock;
}

/* ---------------------------------------------------------------- processors */

static void port_tlb_flush(void *ctx, struct mm *mm, uint64_t start, uint64_t end,
			   enum mm_flush why)
{
	uint64_t id = mm_id(mm);
	int i;

	(void)ctx;
	(void)why;
	for (i = 0; i < CPUS; i++) {
		struct tlb *t = &arena->state.tlb[i];

		if (t->mm_id != id || t->vpn < start >> RMAP_PAGE_SHIFT ||
		    t->vpn > (end - 1) >> RMAP_PAGE_SHIFT)
			continue;
		weave_at(t, WEAVE_WRITE);
		t->mm_id = 0;
	}
}

#define NEED(write) (PTE_PRESENT | PTE_USER | ((write) ? PTE_WRITE : 0))

/* What the processor does between two instructions of others: walk, set the bits, remember. NULL: a fault. */
static pte_t *walk_tables(struct mm *mm, uint64_t addr, bool write)
{
	const pte_t *table = mm_table_root(mm);
	int level;

	for (level = PT_LEVELS; table && level > 1; level--) {
		pte_t entry = pte_read(&table[pt_index(addr, level)]);

		if (!pte_present(entry))
			return NULL;
		table = (const pte_t *)(const void *)arena->frame[pte_pfn(entry)];
	}
	if (!table || (pte_read(&table[pt_index(addr, 1)]) & NEED(write)) != NEED(write))
		return NULL;
	return (pte_t *)(uintptr_t)&table[pt_index(addr, 1)];
}

__attribute__((no_sanitize("thread"))) static void move_word(uint64_t *at, uint64_t *value,
							     bool write)
{
	if (write)
		*(volatile uint64_t *)at = *value;
	else
		*value = *(volatile uint64_t *)at;
}

static int access_word(struct mm *mm, uint64_t addr, uint64_t *value, bool write)
{
	uint64_t vpn = addr >> RMAP_PAGE_SHIFT;
	struct tlb *t = &arena->state.tlb[weave_self()];

	for (;;) {
		pte_t *pte = NULL;
		int error;

		weave_at(t, WEAVE_READ);
		weave_quiet(true);
		if (t->mm_id != mm_id(mm) || t->vpn != vpn ||
		    (t->pte & NEED(write)) != NEED(write) || (write && !(t->pte & PTE_DIRTY))) {
			t->mm_id = 0;
			pte = walk_tables(mm, addr, write);
			if (pte) {
				/* The walk is a point of its own: whoever changes the entry comes before or after it. */
				weave_quiet(false);
				weave_at(pte, WEAVE_WRITE);
				weave_quiet(true);
				pte = walk_tables(mm, addr, write);
			}
			if (pte) {
				pte_t set = PTE_ACCESSED | (write ? PTE_DIRTY : 0);
				pte_t old = __atomic_fetch_or(pte, set, __ATOMIC_RELAXED);

				*t = (struct tlb){ mm_id(mm), vpn, old | set };
			}
		}
		if (t->mm_id) {
			uint64_t pfn = pte_pfn(t->pte);

			if (!page_refs(&arena->page[pfn]))
				weave_fail("a stale TLB entry leads to a free frame");
			move_word(
				(uint64_t *)(void *)(arena->frame[pfn] + (addr & ~RMAP_PAGE_MASK)),
				value, write);
			weave_quiet(false);
			return 0;
		}
		weave_quiet(false);
		error = mm_fault(mm, addr, write ? MM_ACCESS_WRITE : MM_ACCESS_READ);
		if (error)
			return error;
	}
}

int weave_cpu_read(struct mm *mm, uint64_t addr, uint64_t *value)
{
	return access_word(mm, addr, value, false);
}

int weave_cpu_write(struct mm *mm, uint64_t addr, uint64_t value)
{
	return access_word(mm, addr, &value, true);
}

/* ---------------------------------------------------------------- the arena */

void *weave_port_room(size_t size)
{
	if (size > ROOM_SIZE)
		abort();
	return arena->state.room;
}

void weave_port_clear(void)
{
	ASAN_UNPOISON_MEMORY_REGION(arena->heap, HEAP_SIZE);
	memset(arena, 0, sizeof(*arena));
	memset(&stores, 0, sizeof(stores));
	weave_rcu_forget();
}

/* Restoring copies only as many of the freed objects' addresses as there are. */
static void copy_state(struct state *to, const struct state *from)
{
	int i;

	memcpy(to, from, offsetof(struct state, bucket));
	for (i = 0; i < BUCKETS; i++) {
		to->bucket[i].nr = from->bucket[i].nr;
		memcpy(to->bucket[i].free, from->bucket[i].free,
		       from->bucket[i].nr * sizeof(from->bucket[i].free[0]));
	}
}

static struct store_page *file_store(struct stores *all, uint32_t i)
{
	return &all->file[i / WEAVE_FILE_PAGES][i % WEAVE_FILE_PAGES];
}

void weave_port_save(void)
{
	uint32_t i;

	ASAN_UNPOISON_MEMORY_REGION(arena->heap, HEAP_SIZE);
	memcpy(saved, arena, offsetof(struct arena, state));
	copy_state(&saved->state, &arena->state);
	nr_saved_frames = 0;
	for (i = 0; i < WEAVE_FRAMES; i++) {
		if (page_refs(&arena->page[i]))
			saved_frames[nr_saved_frames++] = i;
	}
	for (i = 0; i < WEAVE_SLOTS; i++)
		stores.slot[i].dirty = false;
	for (i = 0; i < WEAVE_FILES * WEAVE_FILE_PAGES; i++)
		file_store(&stores, i)->dirty = false;
	memcpy(&saved_stores, &stores, sizeof(stores));
}

static void restore_store(struct store_page *to, const struct store_page *from)
{
	if (to->dirty)
		memcpy(to, from, sizeof(*to));
}

static void poison_freed(void)
{
#ifdef __SANITIZE_ADDRESS__
	int i;

	for (i = 0; i < BUCKETS; i++) {
		const struct bucket *b = &arena->state.bucket[i];
		uint32_t n;

		for (n = 0; n < b->nr && !rmap_kind_is_type_stable((enum rmap_kind)i); n++)
			ASAN_POISON_MEMORY_REGION(b->free[n], 16);
	}
#endif
}

void weave_port_restore(void)
{
	uint32_t i;

	ASAN_UNPOISON_MEMORY_REGION(arena->heap, HEAP_SIZE);
	for (i = 0; i < nr_saved_frames; i++)
		memcpy(arena->frame[saved_frames[i]], saved->frame[saved_frames[i]],
		       RMAP_PAGE_SIZE);
	memcpy(arena->page, saved->page, sizeof(arena->page));
	memcpy(arena->heap, saved->heap, saved->state.heap_used);
	copy_state(&arena->state, &saved->state);
	for (i = 0; i < WEAVE_SLOTS; i++)
		restore_store(&stores.slot[i], &saved_stores.slot[i]);
	for (i = 0; i < WEAVE_FILES * WEAVE_FILE_PAGES; i++)
		restore_store(file_store(&stores, i), file_store(&saved_stores, i));
	poison_freed();
	weave_rcu_forget();
}

static void image_of_store(struct image *im, struct store_page *page, const struct store_page *was)
{
	bool dirty = page->dirty;

	image_copy(im, &page->dirty, sizeof(page->dirty));
	if (page->dirty)
		image_copy(im, page->data, sizeof(page->data));
	else if (dirty)
		memcpy(page->data, was->data, sizeof(page->data));
}

/* What lies in a frame that nobody has is nobody's business. */
void weave_port_image(struct image *im)
{
	struct state *s = &arena->state;
	uint32_t i;

	image_copy(im, s, offsetof(struct state, bucket));
	for (i = 0; i < BUCKETS; i++) {
		image_copy(im, &s->bucket[i].nr, sizeof(s->bucket[i].nr));
		image_copy(im, s->bucket[i].free, s->bucket[i].nr * sizeof(s->bucket[i].free[0]));
	}
	image_copy(im, arena->heap, s->heap_used);
	image_copy(im, arena->page, sizeof(arena->page));
	for (i = 0; i < WEAVE_FRAMES; i++) {
		if (page_refs(&arena->page[i]))
			image_copy(im, arena->frame[i], RMAP_PAGE_SIZE);
	}
	for (i = 0; i < WEAVE_SLOTS; i++)
		image_of_store(im, &stores.slot[i], &saved_stores.slot[i]);
	for (i = 0; i < WEAVE_FILES * WEAVE_FILE_PAGES; i++)
		image_of_store(im, file_store(&stores, i), file_store(&saved_stores, i));
}

/* Each thread's own, the RCU thread's too; whoever sets up is the first's. */
static uint32_t port_cpu(void *ctx)
{
	int self = weave_self();

	(void)ctx;
	return self > 0 ? (uint32_t)self : 0;
}

const struct mm_port *weave_port(void)
{
	return &port;
}

void weave_port_create(void)
{
	arena = mmap((void *)ARENA_ADDRESS, sizeof(*arena), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	saved = mmap(NULL, sizeof(*saved), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (arena == MAP_FAILED || saved == MAP_FAILED) {
		fprintf(stderr, "rmap-weave: There is no memory for the machine.\n");
		exit(2);
	}
	port = (struct mm_port){
		.os = { .alloc = port_alloc,
			.free = port_free,
			.rcu_read_lock = port_rcu_read_lock,
			.rcu_read_unlock = port_rcu_read_unlock,
			.call_rcu = port_call_rcu,
			.rcu_barrier = port_rcu_barrier,
			.wait = port_wait,
			.wake = port_wake,
			.panic = port_panic,
			.cpu = port_cpu,
			.nr_cpus = CPUS },
		.frames = arena->frame,
		.descriptors = arena->page,
		.nr_frames = WEAVE_FRAMES,
		.tlb_flush = port_tlb_flush,
		.nr_swap_slots = WEAVE_SLOTS,
		.swap_write = port_swap_write,
		.swap_read = port_swap_read,
		.file_read = port_file_read,
		.file_write = port_file_write,
		.now = port_now,
	};
}
