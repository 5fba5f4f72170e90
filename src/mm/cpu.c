// SPDX-License-Identifier: BSD-2-Clause
/*
 * Processors: how many, how much each may keep to itself, and what they have counted.
 */
#include "system.h"

uint32_t cpus_wanted(const struct mm_port *port)
{
	if (!port->os.cpu || port->os.nr_cpus < 2)
		return 1;
	return port->os.nr_cpus;
}

/* What one processor may keep: a part of memory, but no more than most; 0 where that would be next to nothing. */
static uint32_t choose_batch(const struct mm_system *sys, uint64_t part, uint32_t most)
{
	uint64_t batch = sys->config.cpu_batch ? sys->config.cpu_batch : sys->nr_frames / part;

	if (batch < 2)
		return 0;
	return batch < most ? (uint32_t)batch : most;
}

void cpus_init(struct mm_system *sys)
{
	sys->frame_batch = choose_batch(sys, 32, CPU_FRAMES_MAX);
	sys->lru_batch = choose_batch(sys, 4, UINT32_MAX);
	sys->fresh_run =
		sys->nr_frames / 8 < CPU_FRESH_MAX ? (uint32_t)(sys->nr_frames / 8) : CPU_FRESH_MAX;
	sys->plenty = sys->watermark[WATERMARK_HIGH] + 2 * sys->frame_batch;
	for (uint32_t i = 0; i < sys->nr_cpus; i++) {
		struct mm_cpu *cpu = &sys->cpus[i];

		rmap_spin_init(&cpu->lock, RMAP_LOCK_CPU);
		cpu->number = i;
		list_init(&cpu->frames);
		list_init(&cpu->lru);
		rmap_spin_init(&cpu->list_lock, RMAP_LOCK_SYSTEM);
		list_init(&cpu->mms);
	}
}

uint64_t sum_all(const struct mm_system *sys, enum mm_sum sum)
{
	int64_t total = 0;

	for (uint32_t i = 0; i < sys->nr_cpus; i++)
		total += atomic_load_explicit(&sys->cpus[i].sum[sum], memory_order_relaxed);
	return total > 0 ? (uint64_t)total : 0;
}

/* As many as asked for follow each other. What is left of a block that is too small for them is lost. */
static uint64_t take_numbers(struct mm_cpu *cpu, struct mm_numbers *mine, _Atomic uint64_t *common,
			     uint64_t n, uint64_t block)
{
	uint64_t first;

	rmap_spin_lock(&cpu->lock);
	if (rmap_unlikely(mine->left < n)) {
		mine->left = n > block ? n : block;
		mine->next = atomic_fetch_add_explicit(common, mine->left, memory_order_relaxed);
	}
	first = mine->next;
	mine->next += n;
	mine->left -= n;
	rmap_spin_unlock(&cpu->lock);
	return first;
}

uint64_t take_id(struct mm_system *sys)
{
	struct mm_cpu *cpu = this_cpu(sys);

	return take_numbers(cpu, &cpu->ids, &sys->next_id, 1, CPU_IDS);
}

uint64_t take_origins(struct mm_system *sys, uint64_t n)
{
	struct mm_cpu *cpu = this_cpu(sys);

	return take_numbers(cpu, &cpu->origins, &sys->next_origin, n, CPU_ORIGINS);
}

void origins_reserve(struct mm_system *sys, uint64_t last)
{
	if (atomic_load(&sys->next_origin) <= last)
		atomic_store(&sys->next_origin, last + 1);
	for (uint32_t i = 0; i < sys->nr_cpus; i++) {
		rmap_spin_lock(&sys->cpus[i].lock);
		sys->cpus[i].origins.left = 0;
		rmap_spin_unlock(&sys->cpus[i].lock);
	}
}

uint64_t count_of(const struct mm_system *sys, size_t counter)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < sys->nr_cpus; i++)
		n += atomic_load_explicit(&sys->cpus[i].count.v[counter], memory_order_relaxed);
	return n;
}

void count_set(struct mm_system *sys, size_t counter, uint64_t n)
{
	for (uint32_t i = 0; i < sys->nr_cpus; i++)
		atomic_store_explicit(&sys->cpus[i].count.v[counter], i ? 0 : n,
				      memory_order_relaxed);
}
