// SPDX-License-Identifier: BSD-2-Clause
/*
 * Overcommit: how much memory may be promised.
 *
 * What is counted is private writable memory (VM_ACCOUNT), when it is mapped and not when it is used: only that can need a
 * frame or slot of its own for every page. By default only a single request that could never be met is refused; in strict mode
 * the sum of all promises is limited, with something kept back for the administrator and for who wants to end a process that
 * has taken everything.
 */
#include "layout.h"

#define RESERVE_ADMIN PAGES((uint64_t)8 << 20)
#define RESERVE_USER  PAGES((uint64_t)128 << 20)

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Slots that a promise may be kept by: none once swapoff has begun. */
static uint64_t swap_slots(struct mm_system *sys)
{
	return swap_is_off(sys) ? 0 : sys->swap.nr_slots;
}

/* Strict mode: what all promises together may come to, nothing kept back. */
static uint64_t commit_total(struct mm_system *sys)
{
	return sys->nr_frames * sys->config.overcommit_ratio / 100 + swap_slots(sys);
}

/* And for who asks. */
static uint64_t commit_limit(const struct mm *mm)
{
	struct mm_system *sys = mm->sys;
	uint64_t allowed = commit_total(sys);
	uint64_t kept = smaller(mm->total_vm / 32, smaller(sys->nr_frames / 32, RESERVE_USER));

	if (!mm_capable(mm, MM_CAP_SYS_ADMIN))
		kept += smaller(sys->nr_frames / 32, RESERVE_ADMIN);
	return allowed > kept ? allowed - kept : 0;
}

uint64_t mm_commit(struct mm_system *sys, int64_t pages)
{
	bool strict = sys->config.overcommit == MM_OVERCOMMIT_NEVER;
	struct mm_cpu *cpu = strict ? sys->cpus : this_cpu(sys);

	return (uint64_t)(atomic_fetch_add_explicit(&cpu->sum[SUM_COMMITTED], pages,
						    memory_order_relaxed) +
			  pages);
}

/* Where only each request by itself is held against something. */
static bool may_promise(struct mm_system *sys, uint64_t pages)
{
	return sys->config.overcommit == MM_OVERCOMMIT_ALWAYS || pages <= sys->nr_frames ||
	       pages <= sys->nr_frames + swap_slots(sys);
}

bool mm_commit_holds(struct mm_system *sys)
{
	return sys->config.overcommit != MM_OVERCOMMIT_NEVER ||
	       sum_all(sys, SUM_COMMITTED) < commit_total(sys);
}

int mm_charge(struct mm *mm, uint64_t pages)
{
	struct mm_system *sys = mm->sys;
	uint64_t sum = mm_commit(sys, (int64_t)pages);

	if (sys->config.overcommit == MM_OVERCOMMIT_NEVER ? sum < commit_limit(mm)
							  : may_promise(sys, pages))
		return 0;
	mm_uncharge(sys, pages);
	return RMAP_ENOMEM;
}

int mm_charge_later(struct mm *mm, uint64_t pages, int64_t *later)
{
	if (mm->sys->config.overcommit == MM_OVERCOMMIT_NEVER)
		return mm_charge(mm, pages);
	if (!may_promise(mm->sys, pages))
		return RMAP_ENOMEM;
	*later += (int64_t)pages;
	return 0;
}

void mm_uncharge(struct mm_system *sys, uint64_t pages)
{
	mm_commit(sys, -(int64_t)pages);
}
