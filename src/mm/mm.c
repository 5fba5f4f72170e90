// SPDX-License-Identifier: BSD-2-Clause
/*
 * The life of an address space: made empty, held by its users, emptied by the last, freed after a grace period.
 *
 * One count, of its holders (threads, and those who found it on a list). Linux has a second one, for who needs the struct alone; here
 * that goes through RCU, since a walker may have met it just before.
 */
#include "mm.h"

#include "table.h"
#include "vma.h"

static void mm_free_rcu(void *ctx, struct rmap_rcu *rcu)
{
	struct mm *mm = rmap_container_of(rcu, struct mm, rcu);

	(void)ctx;
	mm_free(mm->sys, RMAP_KIND_MM, mm, sizeof(*mm));
}

/* mmap_base leaves room for a stack of its usual limit and the gap below it. */
#define MMAP_BASE_GAP ((uint64_t)128 << 20)

struct mm *mm_new(struct mm_system *sys)
{
	struct mm *mm = mm_alloc(sys, RMAP_KIND_MM, sizeof(*mm));

	if (!mm)
		return NULL;
	memset(mm, 0, sizeof(*mm));
	mm->sys = sys;
	mm->id = take_id(sys);
	mm->home = this_cpu(sys)->number;
	atomic_store_explicit(&mm->users, 1, memory_order_relaxed);
	rmap_rwsem_init(&mm->mmap_lock, RMAP_LOCK_MMAP);
	rmap_spin_init(&mm->table_lock, RMAP_LOCK_PAGE_TABLE);
	rmap_spin_init(&mm->vma_lock, RMAP_LOCK_VMA_TREE);
	mm->mmap_base = MM_TASK_SIZE - MMAP_BASE_GAP;
	for (int i = 0; i < MM_LIMITS; i++)
		atomic_store_explicit(&mm->limit[i], MM_LIMIT_INFINITY, memory_order_relaxed);
	atomic_store_explicit(&mm->limit[MM_LIMIT_STACK], (uint64_t)8 << 20, memory_order_relaxed);
	atomic_store_explicit(&mm->limit[MM_LIMIT_MEMLOCK], (uint64_t)8 << 20,
			      memory_order_relaxed);
	list_init(&mm->swap_list);
	list_init(&mm->list);
	if (table_init(mm)) {
		mm_free(sys, RMAP_KIND_MM, mm, sizeof(*mm));
		return NULL;
	}
	return mm;
}

void mm_publish(struct mm *mm)
{
	struct mm_cpu *home = &mm->sys->cpus[mm->home];

	rmap_spin_lock(&home->list_lock);
	list_add_tail(&mm->list, &home->mms);
	rmap_spin_unlock(&home->list_lock);
}

static void mm_retire(struct mm *mm)
{
	struct mm_cpu *home = &mm->sys->cpus[mm->home];

	rmap_spin_lock(&home->list_lock);
	list_del_init(&mm->list);
	rmap_spin_unlock(&home->list_lock);
}

void mm_discard(struct mm *mm)
{
	table_destroy(mm);
	mm_call_rcu(mm->sys, &mm->rcu, mm_free_rcu);
}

int mm_create(struct mm_system *sys, struct mm **out)
{
	struct mm *mm = mm_new(sys);
	int error;

	if (!mm)
		return RMAP_ENOMEM;
	error = rmap_mm_init(&sys->rmap, &mm->rmap);
	if (error) {
		mm_discard(mm);
		return error;
	}
	mm_publish(mm);
	*out = mm;
	return 0;
}

void mm_get(struct mm *mm)
{
	atomic_fetch_add_explicit(&mm->users, 1, memory_order_relaxed);
}

void mm_put(struct mm *mm)
{
	struct mm_system *sys = mm->sys;

	if (atomic_fetch_sub_explicit(&mm->users, 1, memory_order_acq_rel) != 1)
		return;
	COUNT(sys, exits, 1);
	mm_write_lock(mm);
	mm_unmap_all(mm);
	rmap_mm_exit(&sys->rmap, &mm->rmap);
	mm_write_unlock(mm);
	swap_forget_mm(sys, mm);
	mm_retire(mm);
	sys->port->tlb_flush(sys->port->ctx, mm, 0, UINT64_MAX, MM_FLUSH_EXIT);
	table_destroy(mm);
	mm_call_rcu(mm->sys, &mm->rcu, mm_free_rcu);
}

const pte_t *mm_table_root(const struct mm *mm)
{
	return mm->pgd;
}

struct mm_system *mm_of_system(const struct mm *mm)
{
	return mm->sys;
}

struct rmap_mm *mm_rmap(struct mm *mm)
{
	return &mm->rmap;
}

struct mm *mm_from_rmap(struct rmap_mm *mm)
{
	return mm_of_rmap(mm);
}

uint64_t mm_id(const struct mm *mm)
{
	return mm->id;
}
