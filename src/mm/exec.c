// SPDX-License-Identifier: BSD-2-Clause
/*
 * exec: a new address space for a program.
 *
 *        segments …  heap →            (stack_top)              MM_TASK_SIZE
 *      |-------------|                 |                       |args|     1. a stack at the very top takes the arguments
 *      |-------------|            |args|                                  2. its entries move down to where it belongs
 *      |-------------|        |+++|args|                                  3. and it grows by some room to work in
 *
 * Step 2 is not an mremap: the VMA is stretched over both places, the entries are moved within it, and it shrinks to the new
 * one; its pgoff stays, so the pages keep their linear numbers. In between the numbers of the old place are wrong, so a walk
 * may miss its pages. Nobody may depend on finding all: VM_STACK_EARLY tells migration to keep away (a migration entry that is
 * missed is never removed).
 */
#include "layout.h"

#include "table.h"
#include "vma_lock.h"

#define STACK_FLAGS                                                                                \
	(VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_GROWSDOWN | VM_ACCOUNT)

/* The stack is this far below the top if the caller does not say where: about what randomisation does on Linux. */
#define STACK_SHIFT ((uint64_t)2 << 20)
/* The null pointer above all strings: even a program without arguments has a first page on its stack. */
#define ARGS_END    8u
/* Room below the arguments that is mapped at once. */
#define STACK_EXTRA ((uint64_t)128 << 10)

static int make_stack(struct mm *mm)
{
	uint64_t start = MM_TASK_SIZE - RMAP_PAGE_SIZE;
	struct vma *vma;

	if (mm_charge(mm, 1))
		return RMAP_ENOMEM;
	vma = vma_alloc(mm, start, MM_TASK_SIZE, PAGES(start), STACK_FLAGS | VM_STACK_INCOMPLETE,
			NULL);
	if (!vma) {
		mm_uncharge(mm->sys, 1);
		return RMAP_ENOMEM;
	}
	mm_write_lock(mm);
	vma_tree_insert(mm, vma);
	mm_account(mm, vma->flags, 1);
	mm_write_unlock(mm);
	return 0;
}

/* Write the arguments: zeros, as many as they are long. The stack grows under them by ordinary faults. */
static int write_arguments(struct mm *mm, uint64_t len)
{
	static const unsigned char zeros[64];
	uint64_t addr = MM_TASK_SIZE;
	int error = 0;

	while (len && !error) {
		uint64_t n = len < sizeof(zeros) ? len : sizeof(zeros);

		addr -= n;
		len -= n;
		error = mm_write(mm, addr, zeros, n, NULL);
	}
	/* Whatever it was: there is no room for them. */
	return error ? RMAP_ENOMEM : 0;
}

/* The way down ended before its end: what is in either place goes, and vma has its old bounds, for which it was charged. */
static void abandon_stack(struct mm *mm, struct vma *vma, uint64_t start)
{
	struct gather g;

	gather_begin(&g, mm, MM_FLUSH_UNMAP);
	zap_range(&g, vma, vma->rmap.start, vma->rmap.end, ZAP_ALL);
	gather_end(&g);
	vma_set_bounds(vma, start, vma->rmap.end, vma->rmap.pgoff);
}

/* Let vma, the mm's only one, slide down by shift. On failure exec gives the whole mm up. */
static int move_stack(struct mm *mm, struct vma *vma, uint64_t shift)
{
	uint64_t start = vma->rmap.start, end = vma->rmap.end, len = end - start;

	if (rmap_vma_shift_prepare(mm_rmap_of(mm), &vma->rmap))
		return RMAP_ENOMEM;
	vma_set_bounds(vma, start - shift, end, vma->rmap.pgoff);
	if (move_range(vma, start - shift, vma, start, len, false) < len) {
		abandon_stack(mm, vma, start);
		return RMAP_ENOMEM;
	}
	table_free_range(mm, start > end - shift ? start : end - shift, end, end - shift,
			 MM_ADDRESS_END);
	vma_set_bounds(vma, start - shift, end - shift, vma->rmap.pgoff);
	return 0;
}

/* Room to work in below the arguments, as far as RLIMIT_STACK goes. */
static int widen_stack(struct mm *mm, struct vma *vma)
{
	uint64_t want = vma->rmap.end - vma->rmap.start + STACK_EXTRA;
	uint64_t limit = mm_get_limit(mm, MM_LIMIT_STACK) & RMAP_PAGE_MASK;
	uint64_t start;

	if (want > limit)
		want = limit;
	if (want > vma->rmap.end)
		return RMAP_ENOMEM;
	start = vma->rmap.end - want;
	/* Also where it would reach below what may be mapped: there is no room. */
	return start < vma->rmap.start && stack_grow(vma, start) ? RMAP_ENOMEM : 0;
}

static int place_stack(struct mm *mm, uint64_t top, uint64_t args_len)
{
	struct vma *vma;
	uint64_t size;
	int error = 0;

	mm_write_lock(mm);
	vma = vma_at(mm, MM_TASK_SIZE - RMAP_PAGE_SIZE);
	size = vma->rmap.end - vma->rmap.start;
	if (top < mm->sys->config.mmap_min_addr || size >= top - mm->sys->config.mmap_min_addr)
		error = RMAP_ENOMEM;
	if (!error && top != MM_TASK_SIZE)
		error = move_stack(mm, vma, MM_TASK_SIZE - top);
	if (!error) {
		vma_start_write(vma);
		vma_set_flags(vma, vma->flags & ~VM_STACK_INCOMPLETE);
		mm->start_stack = top - args_len;
		error = widen_stack(mm, vma);
	}
	mm_write_unlock(mm);
	return error;
}

static bool segment_valid(const struct mm_exec_segment *s)
{
	const uint32_t known = MM_PROT_READ | MM_PROT_WRITE | MM_PROT_EXEC;

	return !page_offset(s->addr | s->len | s->offset) && !(s->prot & ~known) &&
	       s->len <= MM_TASK_SIZE && s->addr <= MM_TASK_SIZE - s->len &&
	       s->offset <= (uint64_t)INT64_MAX - s->len;
}

static int map_segments(struct mm *mm, const struct mm_exec *exec, uint64_t *end)
{
	int error = 0;

	mm_write_lock(mm);
	for (uint32_t i = 0; i < exec->nr_segments && !error; i++) {
		const struct mm_exec_segment *s = &exec->segments[i];

		if (!s->len)
			continue;
		if (s->addr < mm->sys->config.mmap_min_addr) {
			error = RMAP_EINVAL;
			break;
		}
		error = mm_map_locked(mm, s->addr, s->len,
				      vm_prot_flags(s->prot) | VM_MAYREAD | VM_MAYWRITE |
					      VM_MAYEXEC,
				      s->file, PAGES(s->file ? s->offset : s->addr));
		if (s->addr + s->len > *end)
			*end = s->addr + s->len;
	}
	mm_write_unlock(mm);
	return error;
}

static bool exec_valid(const struct mm_exec *exec)
{
	if (exec->stack_top > MM_TASK_SIZE || page_offset(exec->stack_top) ||
	    exec->args_len >= MM_TASK_SIZE || exec->brk_start >= MM_TASK_SIZE)
		return false;
	for (uint32_t i = 0; i < exec->nr_segments; i++)
		if (!segment_valid(&exec->segments[i]))
			return false;
	return true;
}

static int fill(struct mm *mm, const struct mm_exec *exec)
{
	uint64_t args_len = exec->args_len + ARGS_END, end = 0;
	int error = make_stack(mm);

	if (!error)
		error = write_arguments(mm, args_len);
	if (!error)
		error = place_stack(mm,
				    exec->stack_top ? exec->stack_top : MM_TASK_SIZE - STACK_SHIFT,
				    args_len);
	if (!error)
		error = map_segments(mm, exec, &end);
	if (error)
		return error;
	return mm_set_brk(mm, exec->brk_start ? exec->brk_start : end);
}

int mm_exec(struct mm *old, const struct mm_exec *exec, struct mm **out)
{
	struct mm *mm;
	int error;

	if (!exec_valid(exec))
		return RMAP_EINVAL;
	error = mm_create(old->sys, &mm);
	if (error)
		return error;
	for (int i = 0; i < MM_LIMITS; i++)
		mm_set_limit(mm, (enum mm_limit)i, mm_get_limit(old, (enum mm_limit)i));
	mm_set_capabilities(mm, atomic_load_explicit(&old->capabilities, memory_order_relaxed));
	error = fill(mm, exec);
	if (error) {
		mm_put(mm);
		return error;
	}
	COUNT(old->sys, execs, 1);
	*out = mm;
	return 0;
}
