// SPDX-License-Identifier: BSD-2-Clause
/*
 * One machine, made and ended; its objects counted; its figures copied out.
 *
 * Tier 2's objects go through mm_alloc(), which counts bytes by kind as tier 1 does for its own, so that "what does the
 * management of this memory cost?" is a sum of figures and not an estimate.
 */
#include "system.h"

#include "../base/gauge.h"
#include "mm_types.h"
#include "table.h"
#include "valid.h"

/* With fewer not even a page table, a page and a reserve find room. */
#define FRAMES_MIN 64

static bool kind_is_various(enum rmap_kind kind)
{
	return kind == RMAP_KIND_SYSTEM || kind == RMAP_KIND_BUFFER;
}

static struct gauges object_bytes(const struct mm_system *sys)
{
	return (struct gauges){
		.total = (struct rmap_gauge_total *)&sys->object_bytes,
		.first = &sys->cpus->object_bytes,
		.stride = sizeof(*sys->cpus),
		.nr = sys->nr_cpus,
	};
}

/* Two atomics for a kind of one size, whose bytes are known by its number; fork pays for each. */
static void count_alloc(struct mm_system *sys, enum rmap_kind kind, size_t size)
{
	struct mm_cpu *cpu = this_cpu(sys);

	if (kind_is_various(kind))
		atomic_fetch_add_explicit(&sys->various_bytes[kind], size, memory_order_relaxed);
	else if (atomic_load_explicit(&sys->object_size[kind], memory_order_relaxed) != size)
		atomic_store_explicit(&sys->object_size[kind], size, memory_order_relaxed);
	atomic_fetch_add_explicit(&cpu->objects[kind], 1, memory_order_relaxed);
	if (gauge_rise(&cpu->object_bytes, (int64_t)size, RMAP_FOLD_BYTES))
		gauge_fold(object_bytes(sys), &cpu->object_bytes);
}

static void count_free(struct mm_system *sys, enum rmap_kind kind, size_t size)
{
	struct mm_cpu *cpu = this_cpu(sys);

	if (kind_is_various(kind))
		atomic_fetch_sub_explicit(&sys->various_bytes[kind], size, memory_order_relaxed);
	atomic_fetch_sub_explicit(&cpu->objects[kind], 1, memory_order_relaxed);
	if (gauge_fall(&cpu->object_bytes, (int64_t)size, RMAP_FOLD_BYTES))
		gauge_fold(object_bytes(sys), &cpu->object_bytes);
}

void *mm_alloc(struct mm_system *sys, enum rmap_kind kind, size_t size)
{
	void *object = sys->port->os.alloc(sys->port->os.ctx, kind, size);

	if (object)
		count_alloc(sys, kind, size);
	return object;
}

void mm_free(struct mm_system *sys, enum rmap_kind kind, void *object, size_t size)
{
	count_free(sys, kind, size);
	sys->port->os.free(sys->port->os.ctx, kind, object, size);
}

/* There, aligned, and with numbers that an entry has room for. */
static bool memory_valid(const struct mm_port *port)
{
	const uint64_t most = (PTE_PFN_MASK >> PTE_PFN_SHIFT) + 1;

	return port->frames && port->descriptors &&
	       ((uintptr_t)port->frames & ~RMAP_PAGE_MASK) == 0 &&
	       (uintptr_t)port->descriptors % sizeof(struct page) == 0 &&
	       port->nr_frames >= FRAMES_MIN && port->nr_frames <= most &&
	       port->nr_swap_slots <= most;
}

/* A callback that is missing is found at the start, not at the first use of it. */
static bool port_complete(const struct mm_config *config, const struct mm_port *port)
{
	const struct rmap_port *os = &port->os;

	if (!os->alloc || !os->free || !os->rcu_read_lock || !os->rcu_read_unlock ||
	    !os->call_rcu || !os->rcu_barrier || !os->panic || !os->wait != !os->wake)
		return false;
	if (!memory_valid(port) || !port->tlb_flush || !port->now)
		return false;
	if (config->phantom)
		return true;
	if (port->nr_swap_slots && (!port->swap_read || !port->swap_write))
		return false;
	return port->file_read && port->file_write;
}

static bool config_valid(const struct mm_config *config)
{
	return config->overcommit <= MM_OVERCOMMIT_NEVER &&
	       (config->fault_around & (config->fault_around - 1)) == 0 &&
	       (!config->release ||
		(config->release >= MM_RELEASE_FIRST && config->release <= MM_RELEASE_LATEST)) &&
	       (config->stack_guard_gap & ~RMAP_PAGE_MASK) == 0 &&
	       (config->mmap_min_addr & ~RMAP_PAGE_MASK) == 0;
}

static void config_defaults(struct mm_system *sys)
{
	struct mm_config *c = &sys->config;
	uint64_t min = sys->nr_frames / 128;

	if (!c->release)
		c->release = MM_RELEASE_LATEST;
	if (!c->design)
		c->design = rmap_designs[0];
	if (!c->overcommit_ratio)
		c->overcommit_ratio = 50;
	if (!c->max_map_count)
		c->max_map_count = 65530;
	if (!c->stack_guard_gap)
		c->stack_guard_gap = 256 << RMAP_PAGE_SHIFT;
	if (!c->mmap_min_addr)
		c->mmap_min_addr = 65536;
	if (!c->fault_around)
		c->fault_around = 65536;
	if (min < 4)
		min = 4;
	if (min > 4096)
		min = 4096;
	if (c->watermark_min)
		min = c->watermark_min;
	sys->watermark[WATERMARK_MIN] = min;
	sys->watermark[WATERMARK_LOW] = min + (min + 3) / 4;
	sys->watermark[WATERMARK_HIGH] = min + (min + 1) / 2;
}

/* With its processors behind it, whose lines are their own: aligned by hand, since the port only knows of 8 bytes. */
static struct mm_system *system_alloc(const struct mm_port *port)
{
	uint32_t nr_cpus = cpus_wanted(port);
	size_t bytes = sizeof(struct mm_system) + CPU_LINES + nr_cpus * sizeof(struct mm_cpu);
	struct mm_system *sys = port->os.alloc(port->os.ctx, RMAP_KIND_SYSTEM, bytes);

	if (!sys)
		return NULL;
	memset(sys, 0, bytes);
	sys->port = port;
	sys->bytes = bytes;
	sys->nr_cpus = nr_cpus;
	sys->cpus = (struct mm_cpu *)(((uintptr_t)(sys + 1) + CPU_LINES - 1) &
				      ~(uintptr_t)(CPU_LINES - 1));
	return sys;
}

int mm_system_create(const struct mm_config *config, const struct mm_port *port,
		     struct mm_system **out)
{
	struct mm_system *sys;
	int error;

	if (cpus_wanted(port) > CPU_MAX || !config_valid(config) || !port_complete(config, port) ||
	    config->watermark_min >= port->nr_frames)
		return RMAP_EINVAL;
	sys = system_alloc(port);
	if (!sys)
		return RMAP_ENOMEM;
	sys->config = *config;
	sys->frames = port->frames;
	sys->pages = port->descriptors;
	sys->nr_frames = port->nr_frames;
	config_defaults(sys);
	cpus_init(sys);
	sys->rmap_port = port->os;
	table_fill_port(sys, &sys->rmap_port);
	rmap_spin_init(&sys->list_lock, RMAP_LOCK_SYSTEM);
	list_init(&sys->files);
	atomic_store(&sys->next_id, 1);
	atomic_store(&sys->next_origin, 1);
	lru_init(sys);
	frames_init(sys);
	error = swap_init(sys);
	if (error)
		goto free_frames;
	error = rmap_init(&sys->rmap, sys->config.design, &sys->rmap_port);
	if (error)
		goto free_swap;
	MM_DEBUG_ASSERT(sys, mm_system_valid(sys));
	*out = sys;
	return 0;

free_swap:
	swap_destroy(sys);
free_frames:
	frames_destroy(sys);
	port->os.free(port->os.ctx, RMAP_KIND_SYSTEM, sys, sys->bytes);
	return error;
}

void mm_system_destroy(struct mm_system *sys)
{
	const struct mm_port *port = sys->port;

	MM_DEBUG_ASSERT(sys, mm_system_valid(sys));
	for (uint32_t i = 0; i < sys->nr_cpus; i++)
		MM_ASSERT(sys, list_empty(&sys->cpus[i].mms));
	/* Tables, VMAs and address spaces that wait for their grace period are still counted. */
	port->os.rcu_barrier(port->os.ctx);
	MM_ASSERT(sys, list_empty(&sys->files));
	swap_drop_caches(sys);
	rmap_destroy(&sys->rmap);
	swap_destroy(sys);
	frames_destroy(sys);
	MM_ASSERT(sys, gauge_live(object_bytes(sys)) == 0);
	port->os.free(port->os.ctx, RMAP_KIND_SYSTEM, sys, sys->bytes);
}

struct rmap *mm_system_rmap(struct mm_system *sys)
{
	return &sys->rmap;
}

const struct mm_port *mm_system_port(const struct mm_system *sys)
{
	return sys->port;
}

bool mm_system_phantom(const struct mm_system *sys)
{
	return sys->config.phantom;
}

void mm_get_counters(const struct mm_system *sys, struct mm_counters *out)
{
	uint64_t v[sizeof(*out) / sizeof(uint64_t)];

	for (size_t i = 0; i < sizeof(*out) / sizeof(uint64_t); i++)
		v[i] = count_of(sys, i);
	memcpy(out, v, sizeof(*out));
}

void mm_get_memory(struct mm_system *sys, struct mm_memory *out)
{
	out->frames = sys->nr_frames;
	out->free = frames_free(sys);
	out->tables = sum_all(sys, SUM_TABLES);
	out->anon = sum_all(sys, SUM_ANON);
	out->file = sum_all(sys, SUM_FILE);
	out->shmem = sum_all(sys, SUM_SHMEM);
	out->dirty = sum_all(sys, SUM_DIRTY);
	lru_drain(sys);
	out->unevictable = atomic_load(&sys->nr_lru[LRU_UNEVICTABLE]);
	out->committed = sum_all(sys, SUM_COMMITTED);
	rmap_spin_lock(&sys->swap.lock);
	out->swap_slots = sys->swap.nr_slots;
	out->swap_used = sys->swap.used;
	out->swap_cache = sys->swap.cached;
	rmap_spin_unlock(&sys->swap.lock);
	out->descriptor_bytes = sys->nr_frames * sizeof(struct page);
	out->object_bytes = (uint64_t)gauge_live(object_bytes(sys)) +
			    rmap_bytes(&sys->rmap, RMAP_KIND_TIER1_END);
	out->peak_object_bytes = (uint64_t)gauge_peak(object_bytes(sys)) +
				 rmap_peak_bytes(&sys->rmap, RMAP_KIND_TIER1_END);
}

void mm_get_objects(const struct mm_system *sys, enum rmap_kind kind, uint64_t *objects,
		    uint64_t *bytes)
{
	int64_t live = 0;

	if (kind < RMAP_KIND_TIER1_END) {
		*objects = rmap_objects(&sys->rmap, kind);
		*bytes = rmap_bytes(&sys->rmap, kind);
		return;
	}
	*objects = *bytes = 0;
	if ((unsigned int)kind >= RMAP_KINDS)
		return;
	for (uint32_t i = 0; i < sys->nr_cpus; i++)
		live += atomic_load_explicit(&sys->cpus[i].objects[kind], memory_order_relaxed);
	*objects = live > 0 ? (uint64_t)live : 0;
	*bytes = atomic_load_explicit(&sys->various_bytes[kind], memory_order_relaxed);
	if (!kind_is_various(kind))
		*bytes = *objects *
			 atomic_load_explicit(&sys->object_size[kind], memory_order_relaxed);
}
