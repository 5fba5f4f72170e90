// SPDX-License-Identifier: BSD-2-Clause
/*
 * An instance of a reverse map, its address spaces, and what can be asked of it besides a walk.
 *
 * Each function here and in vma.c and page.c does what all designs have in common and then asks the design's table, if it has
 * an entry. So the cost of an event that a design does not care for is one test of a pointer.
 */
#include "count.h"
#include "design.h"
#include "valid.h"

/* In an array of them each begins with lines of its own: aligned by hand, since the port only knows of 8 bytes. */
#define CPU_LINES sizeof(((struct rmap_cpu *)NULL)->gap)

static size_t cpus_bytes(const struct rmap *rmap)
{
	return CPU_LINES + rmap->nr_cpus * sizeof(struct rmap_cpu);
}

static int cpus_init(struct rmap *rmap)
{
	const struct rmap_port *port = rmap->port;

	rmap->cpus = &rmap->own;
	rmap->nr_cpus = port->cpu && port->nr_cpus > 1 ? port->nr_cpus : 1;
	if (rmap->nr_cpus > 1) {
		rmap->cpus_memory = port->alloc(port->ctx, RMAP_KIND_SYSTEM, cpus_bytes(rmap));
		if (!rmap->cpus_memory)
			return RMAP_ENOMEM;
		rmap->cpus = (struct rmap_cpu *)(((uintptr_t)rmap->cpus_memory + CPU_LINES - 1) &
						 ~(uintptr_t)(CPU_LINES - 1));
	}
	for (uint32_t i = 0; i < rmap->nr_cpus; i++) {
		rmap_spin_init(&rmap->cpus[i].lock, RMAP_LOCK_MM_LIST);
		list_init(&rmap->cpus[i].mms);
	}
	return RMAP_OK;
}

int rmap_init(struct rmap *rmap, const struct rmap_ops *ops, const struct rmap_port *port)
{
#ifdef RMAP_ONLY_DESIGN
	if (ops != &RMAP_ONLY)
		return RMAP_EINVAL;
#endif
	memset(rmap, 0, sizeof(*rmap));
	rmap->ops = ops;
	rmap->port = port;
	rmap_spin_init(&rmap->lock, RMAP_LOCK_MM_LIST);
	return cpus_init(rmap);
}

void rmap_destroy(struct rmap *rmap)
{
	for (uint32_t i = 0; i < rmap->nr_cpus; i++)
		RMAP_ASSERT(rmap->port, list_empty(&rmap->cpus[i].mms));
	if (ops_of(rmap)->end)
		ops_of(rmap)->end(rmap);
	rmap->port->rcu_barrier(rmap->port->ctx);
	for (unsigned int kind = 0; kind < RMAP_KIND_TIER1_END; kind++)
		RMAP_ASSERT(rmap->port, rmap_bytes(rmap, (enum rmap_kind)kind) == 0);
	RMAP_ASSERT(rmap->port, rmap_bytes(rmap, RMAP_KIND_TIER1_END) == 0);
	if (rmap->cpus_memory)
		rmap->port->free(rmap->port->ctx, RMAP_KIND_SYSTEM, rmap->cpus_memory,
				 cpus_bytes(rmap));
}

/* ---------------------------------------------------------------- gauges */

static struct rmap_gauge *gauge_of(struct rmap_counters *c, unsigned int gauge)
{
	return gauge == RMAP_GAUGE_BYTES ? &c->bytes : &c->object[gauge].live;
}

static struct gauges gauges_of(const struct rmap *rmap, unsigned int gauge)
{
	return (struct gauges){
		.total = (struct rmap_gauge_total *)&rmap->total[gauge],
		.first = gauge_of(&rmap->cpus->count, gauge),
		.stride = sizeof(*rmap->cpus),
		.nr = rmap->nr_cpus,
	};
}

void rmap_fold(struct rmap *rmap, struct rmap_counters *c, unsigned int gauge)
{
	gauge_fold(gauges_of(rmap, gauge), gauge_of(c, gauge));
}

/* Below zero only for a moment: a free was read whose allocation was not. */
static uint64_t live_of(const struct rmap *rmap, unsigned int gauge)
{
	int64_t live = gauge_live(gauges_of(rmap, gauge));

	return live > 0 ? (uint64_t)live : 0;
}

static uint64_t size_of(const struct rmap *rmap, enum rmap_kind kind)
{
	return atomic_load_explicit(&rmap->size[kind], memory_order_relaxed);
}

uint64_t rmap_objects(const struct rmap *rmap, enum rmap_kind kind)
{
	return (unsigned int)kind < RMAP_KIND_TIER1_END ? live_of(rmap, kind) : 0;
}

uint64_t rmap_bytes(const struct rmap *rmap, enum rmap_kind kind)
{
	if (kind >= RMAP_KIND_TIER1_END)
		return live_of(rmap, RMAP_GAUGE_BYTES);
	return live_of(rmap, kind) * size_of(rmap, kind);
}

uint64_t rmap_peak_bytes(const struct rmap *rmap, enum rmap_kind kind)
{
	if (kind >= RMAP_KIND_TIER1_END)
		return (uint64_t)gauge_peak(gauges_of(rmap, RMAP_GAUGE_BYTES));
	return (uint64_t)gauge_peak(gauges_of(rmap, kind)) * size_of(rmap, kind);
}

/* ---------------------------------------------------------------- address spaces */

/*
 * Where a design walks the lists (scan) it does so under RCU, so the forward links are stored with release, and one who leaves keeps
 * his own: a reader who stands on him goes on from there. Then a child comes behind its parent, in the same list: whoever has passed
 * the parent still meets the child. Else it stands in its processor's.
 */
static void mm_enter(struct rmap *rmap, struct rmap_mm *mm, struct rmap_cpu *cpu)
{
	struct list_head *head = &cpu->mms;

	mm->cpu = (uint32_t)(cpu - rmap->cpus);
	rmap_spin_lock(&cpu->lock);
	mm->list.next = head;
	mm->list.prev = head->prev;
	__atomic_store_n(&head->prev->next, &mm->list, __ATOMIC_RELEASE);
	head->prev = &mm->list;
	RMAP_DEBUG_ASSERT(rmap->port, rmap_cpu_valid(cpu) && rmap_mm_valid(mm));
	rmap_spin_unlock(&cpu->lock);
}

static void mm_leave(struct rmap *rmap, struct rmap_mm *mm)
{
	struct rmap_cpu *cpu = &rmap->cpus[mm->cpu];

	rmap_spin_lock(&cpu->lock);
	RMAP_DEBUG_ASSERT(rmap->port, rmap_mm_valid(mm));
	mm->list.next->prev = mm->list.prev;
	__atomic_store_n(&mm->list.prev->next, mm->list.next, __ATOMIC_RELEASE);
	RMAP_DEBUG_ASSERT(rmap->port, rmap_cpu_valid(cpu));
	rmap_spin_unlock(&cpu->lock);
}

int rmap_mm_init(struct rmap *rmap, struct rmap_mm *mm)
{
	int error = RMAP_OK;

	mm->design = NULL;
	atomic_init(&mm->forked, 0);
	mm_enter(rmap, mm, rmap_this_cpu(rmap));
	if (ops_of(rmap)->mm_init)
		error = ops_of(rmap)->mm_init(rmap, mm);
	if (error)
		mm_leave(rmap, mm);
	return error;
}

int rmap_mm_fork_begin(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent)
{
	int error = RMAP_OK;

	child->design = NULL;
	atomic_init(&child->forked, 0);
	/* Read before it is written: a parent that forks often, in several threads, need not fetch the line each time. */
	if (!atomic_load_explicit(&parent->forked, memory_order_relaxed))
		atomic_store_explicit(&parent->forked, 1, memory_order_relaxed);
	mm_enter(rmap, child,
		 ops_of(rmap)->walks_mms ? &rmap->cpus[parent->cpu] : rmap_this_cpu(rmap));
	if (ops_of(rmap)->mm_fork_begin)
		error = ops_of(rmap)->mm_fork_begin(rmap, child, parent);
	if (error)
		mm_leave(rmap, child);
	return error;
}

void rmap_mm_fork_end(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent, bool copied)
{
	if (ops_of(rmap)->mm_fork_end)
		ops_of(rmap)->mm_fork_end(rmap, child, parent, copied);
}

void rmap_mm_exit(struct rmap *rmap, struct rmap_mm *mm)
{
	if (ops_of(rmap)->mm_exit)
		ops_of(rmap)->mm_exit(rmap, mm);
	mm_leave(rmap, mm);
}

/* ---------------------------------------------------------------- drawings and checkers */

void rmap_vma_links(const struct rmap *rmap, const struct rmap_vma *vma,
		    void (*emit)(const struct rmap_link_info *info, void *arg), void *arg)
{
	if (ops_of(rmap)->vma_links)
		ops_of(rmap)->vma_links(vma, emit, arg);
}

const void *rmap_page_owner(const struct rmap *rmap, const struct rmap_page *page)
{
	if (!rmap_page_is_anon(page) || !ops_of(rmap)->page_owner)
		return NULL;
	return ops_of(rmap)->page_owner(page);
}

const char *rmap_vma_check(const struct rmap *rmap, const struct rmap_vma *vma)
{
	if (vma->start >= vma->end)
		return "the VMA is empty or ends before it starts";
	if (ops_of(rmap)->vma_check)
		return ops_of(rmap)->vma_check(rmap, vma);
	return NULL;
}

const char *rmap_page_check(const struct rmap *rmap, const struct rmap_page *page,
			    bool (*has)(const struct rmap_mm *mm, void *arg), void *arg)
{
	if (!rmap_page_is_anon(page) || !ops_of(rmap)->page_check)
		return NULL;
	return ops_of(rmap)->page_check(page, has, arg);
}
