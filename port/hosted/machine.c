// SPDX-License-Identifier: BSD-2-Clause
/*
 * A machine: made from a description, ended with an account of what was left behind.
 *
 * Frames and their descriptors are address space without reservation: a machine of hundreds of GiB costs nothing until its
 * frames are touched. Descriptors and the frames of a machine with contents are advised to be huge pages: a fault then costs
 * Linux one 2 MiB clearing instead of 512 faults, and our tables and contents are spread at random over the arena. A phantom
 * machine touches only the frames of tables, here and there, so that huge pages would waste what phantom frames save.
 */
#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define FRAMES_MIN	 64
#define FRAMES_MAX	 ((uint64_t)1 << 36)
#define SLOTS_MAX	 ((uint64_t)1 << 40) /* what a swap entry can name */
#define CPUS_MAX	 256
#define DESCRIPTOR_BYTES 64

#define HUGE_BYTES	 ((uint64_t)2 << 20)

void hosted_say(char *error, const char *format, ...)
{
	va_list args;

	if (!error)
		return;
	va_start(args, format);
	vsnprintf(error, HOSTED_ERROR, format, args);
	va_end(args);
}

void hosted_panic(void *ctx, const char *file, int line, const char *what)
{
	const struct hosted *h = ctx;

	if (h && h->panic)
		h->panic(h->panic_arg, file, line, what);
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
	fflush(NULL);
	abort();
}

static uint64_t machine_now(void *ctx)
{
	struct timespec t;

	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const char *machine_directory(const struct hosted_config *config)
{
	const char *directory = config->directory ? config->directory : getenv("TMPDIR");

	return directory && *directory ? directory : "/tmp";
}

static int machine_refuse(const struct hosted_config *c, char *error)
{
	if (c->nr_frames < FRAMES_MIN || c->nr_frames > FRAMES_MAX)
		hosted_say(error, "A machine has %d to 2^36 frames of 4 KiB, not %llu.", FRAMES_MIN,
			   (unsigned long long)c->nr_frames);
	else if (c->nr_swap_slots > SLOTS_MAX)
		hosted_say(error, "Swap has 2^40 slots of 4 KiB at the most, not %llu.",
			   (unsigned long long)c->nr_swap_slots);
	else if (c->nr_cpus > CPUS_MAX)
		hosted_say(error, "A machine has %d processors at the most, not %u.", CPUS_MAX,
			   c->nr_cpus);
	else
		return 0;
	return RMAP_EINVAL;
}

/* Aligned, so that all of it can be huge. */
void *hosted_arena(uint64_t bytes, bool huge)
{
	uint64_t room = bytes + HUGE_BYTES;
	uintptr_t base, start, end;
	void *p = mmap(NULL, room, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	base = (uintptr_t)p;
	start = (base + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1);
	end = start + ((bytes + RMAP_PAGE_SIZE - 1) & RMAP_PAGE_MASK);
	if (start > base)
		munmap(p, start - base);
	if (base + room > end)
		munmap((char *)p + (end - base), base + room - end);
	/* A kernel without huge pages refuses; small ones serve. */
	(void)madvise((void *)start, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return (void *)start;
}

static int machine_map(struct hosted *h, const struct hosted_config *config, char *error)
{
	uint64_t frames = config->nr_frames << RMAP_PAGE_SHIFT;
	uint64_t descriptors = config->nr_frames * DESCRIPTOR_BYTES;
	bool huge = config->huge != HOSTED_HUGE_OFF;

	h->port.nr_frames = config->nr_frames;
	h->port.frames =
		hosted_arena(frames, huge && (config->huge == HOSTED_HUGE_ON || !h->phantom));
	if (h->port.frames)
		h->port.descriptors = hosted_arena(descriptors, huge);
	if (h->port.descriptors)
		return 0;
	hosted_say(error, "There is no address space for %llu frames: %s.",
		   (unsigned long long)config->nr_frames, strerror(errno));
	return RMAP_ENOMEM;
}

static int machine_swap(struct hosted *h, const struct hosted_config *config, char *error)
{
	h->port.nr_swap_slots = config->nr_swap_slots;
	if (!config->nr_swap_slots || h->phantom)
		return 0;
	if (h->in_memory) {
		h->swap = hosted_arena(config->nr_swap_slots << RMAP_PAGE_SHIFT, false);
		if (!h->swap)
			hosted_say(error, "There is no address space for %llu swap slots.",
				   (unsigned long long)config->nr_swap_slots);
		return h->swap ? 0 : RMAP_ENOMEM;
	}
	h->swap_fd = hosted_temporary(h->directory);
	if (h->swap_fd >= 0)
		return 0;
	hosted_say(error, "Cannot make a swap file in %s: %s.", h->directory, strerror(errno));
	return RMAP_EIO;
}

static void machine_fill_port(struct hosted *h)
{
	struct mm_port *p = &h->port;

	p->ctx = h;
	p->os.ctx = h;
	p->os.alloc = hosted_cache_alloc;
	p->os.free = hosted_cache_free;
	p->os.rcu_read_lock = hosted_rcu_read_lock;
	p->os.rcu_read_unlock = hosted_rcu_read_unlock;
	p->os.call_rcu = hosted_call_rcu;
	p->os.rcu_barrier = hosted_rcu_barrier;
	p->os.wait = hosted_wait;
	p->os.wake = hosted_wake;
	p->os.panic = hosted_panic;
	p->os.cpu = hosted_cpu_number;
	p->os.nr_cpus = HOSTED_SEATS;
	p->tlb_flush = hosted_tlb_flush;
	p->swap_write = hosted_swap_write;
	p->swap_read = hosted_swap_read;
	p->file_read = hosted_file_read;
	p->file_write = hosted_file_write;
	p->file_release = hosted_file_release;
	p->now = machine_now;
}

static void machine_unmap(struct hosted *h)
{
	if (h->port.frames)
		munmap(h->port.frames, h->port.nr_frames << RMAP_PAGE_SHIFT);
	if (h->port.descriptors)
		munmap(h->port.descriptors, (h->port.nr_frames * DESCRIPTOR_BYTES + RMAP_PAGE_SIZE -
					     1) & RMAP_PAGE_MASK);
	if (h->swap)
		munmap(h->swap, h->port.nr_swap_slots << RMAP_PAGE_SHIFT);
	if (h->swap_fd >= 0)
		close(h->swap_fd);
	pthread_mutex_destroy(&h->files_lock);
	free(h->directory);
	free(h);
}

int hosted_create(const struct hosted_config *config, struct hosted **out, char *error)
{
	static _Atomic uint64_t machines;
	struct hosted *h;
	int r = machine_refuse(config, error);

	if (r)
		return r;
	h = aligned_alloc(HOSTED_APART, sizeof(*h));
	if (!h) {
		hosted_say(error, "Out of memory.");
		return RMAP_ENOMEM;
	}
	memset(h, 0, sizeof(*h));
	h->number = atomic_fetch_add(&machines, 1) + 1;
	h->phantom = config->phantom;
	h->in_memory = config->in_memory;
	h->panic = config->panic;
	h->panic_arg = config->panic_arg;
	h->swap_fd = -1;
	pthread_mutex_init(&h->files_lock, NULL);
	machine_fill_port(h);
	hosted_adversity_init(h, config);
	h->directory = strdup(machine_directory(config));
	r = h->directory ? hosted_cache_init(h) : RMAP_ENOMEM;
	if (!r)
		r = hosted_mmu_init(h, config, config->nr_cpus ? config->nr_cpus : 1);
	if (r)
		hosted_say(error, "Out of memory.");
	else if (!(r = machine_map(h, config, error)) && !(r = machine_swap(h, config, error)))
		r = hosted_defer_init(h, config->deferral, error);
	if (r) {
		hosted_mmu_destroy(h);
		hosted_cache_destroy(h);
		machine_unmap(h);
		return r;
	}
	hosted_machines_add(h);
	*out = h;
	return 0;
}

uint64_t hosted_destroy(struct hosted *h, hosted_leak_fn *report, void *arg)
{
	uint64_t leaks = 0;
	int kind;

	hosted_defer_destroy(h);
	for (kind = 0; kind < RMAP_KINDS; kind++) {
		uint64_t objects, bytes;

		hosted_objects(h, (enum rmap_kind)kind, &objects, &bytes);
		if (!objects)
			continue;
		leaks += objects;
		if (report)
			report(arg, rmap_kind_name((enum rmap_kind)kind), objects, bytes);
	}
	if (h->nr_files) {
		leaks += h->nr_files;
		if (report)
			report(arg, "open file", h->nr_files, 0);
	}
	hosted_machines_remove(h);
	hosted_files_destroy(h);
	hosted_mmu_destroy(h);
	hosted_cache_destroy(h);
	machine_unmap(h);
	return leaks;
}

const struct mm_port *hosted_port(const struct hosted *h)
{
	return &h->port;
}

bool hosted_phantom(const struct hosted *h)
{
	return h->phantom;
}

void hosted_get_io(const struct hosted *h, struct hosted_io *out)
{
	out->swap_writes = atomic_load_explicit(&h->swap_writes, memory_order_relaxed);
	out->swap_reads = atomic_load_explicit(&h->swap_reads, memory_order_relaxed);
	out->file_writes = atomic_load_explicit(&h->file_writes, memory_order_relaxed);
	out->file_reads = atomic_load_explicit(&h->file_reads, memory_order_relaxed);
	out->swap_refused = atomic_load_explicit(&h->swap_refused, memory_order_relaxed);
	out->swap_errno = atomic_load_explicit(&h->swap_errno, memory_order_relaxed);
	out->deferred = hosted_deferred(h);
}

const char *hosted_directory(const struct hosted *h)
{
	return h->directory;
}
