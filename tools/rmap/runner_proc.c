// SPDX-License-Identifier: BSD-2-Clause
/*
 * Processes by number, their spaces, and the calls that make and end them.
 */
#include "runner_int.h"

#include <mm/mm_types.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- spaces */

struct space *space_new(struct mm *mm, struct shadow *shadow)
{
	struct space *space = calloc(1, sizeof(*space));

	if (!space) {
		mm_put(mm);
		shadow_free(shadow);
		return NULL;
	}
	space->mm = mm;
	space->shadow = shadow;
	space->users = 1;
	return space;
}

void space_put(struct space *space)
{
	/* A machine that did not come back from hibernation left none. */
	if (space->mm)
		mm_put(space->mm);
	if (--space->users)
		return;
	shadow_free(space->shadow);
	free(space->layout.vmas);
	free(space);
}

void space_changed(struct space *space)
{
	space->layout.valid = false;
}

struct gather {
	struct layout *layout;
	bool failed;
};

static void gather_vma(const struct mm_vma_info *info, void *arg)
{
	struct gather *gather = arg;
	struct layout *layout = gather->layout;
	struct layout_vma *vma;

	if (layout->nr == layout->room) {
		size_t room = layout->room ? layout->room * 2 : 16;
		struct layout_vma *vmas = realloc(layout->vmas, room * sizeof(*vmas));

		if (!vmas) {
			gather->failed = true;
			return;
		}
		layout->vmas = vmas;
		layout->room = room;
	}
	vma = &layout->vmas[layout->nr++];
	vma->start = info->start;
	vma->end = info->end;
	vma->offset = info->offset;
	vma->flags = info->flags;
	vma->shared = info->shared;
	vma->locked = info->locked;
	vma->file = info->file;
}

const struct layout *space_layout(struct space *space)
{
	struct gather gather = { .layout = &space->layout };

	if (space->layout.valid)
		return &space->layout;
	space->layout.nr = 0;
	mm_for_each_vma(space->mm, gather_vma, &gather);
	space->layout.valid = !gather.failed;
	return gather.failed ? NULL : &space->layout;
}

static const struct layout_vma *search(const struct layout *layout, uint64_t addr)
{
	size_t low = 0, high = layout->nr;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct layout_vma *vma = &layout->vmas[mid];

		if (addr < vma->start)
			high = mid;
		else if (addr >= vma->end)
			low = mid + 1;
		else
			return vma;
	}
	return NULL;
}

const struct layout_vma *space_vma(struct space *space, uint64_t addr)
{
	const struct layout *layout = space_layout(space);
	const struct layout_vma *vma = layout ? search(layout, addr) : NULL;

	if (vma || !layout)
		return vma;
	/* A stack may have grown under an access. */
	space_changed(space);
	layout = space_layout(space);
	return layout ? search(layout, addr) : NULL;
}

/* ---------------------------------------------------------------- processes */

static struct process **bucket(struct runner *r, uint64_t id)
{
	return &r->proc_hash[((id * 0x9e3779b97f4a7c15u) >> 40) % PROC_BUCKETS];
}

struct process *runner_find(struct runner *r, uint64_t id)
{
	struct process *proc = *bucket(r, id);

	while (proc && proc->id != id)
		proc = proc->hash_next;
	return proc;
}

struct process *runner_need(struct runner *r, uint64_t id, enum runner_result *result)
{
	struct process *proc = runner_find(r, id);
	char name[80];

	*result = RUNNER_OK;
	if (!proc)
		*result = runner_bad(r, "%s is no living process",
				     runner_proc_name(r, id, name, sizeof(name)));
	return proc;
}

struct process *runner_add(struct runner *r, uint64_t id, struct space *space)
{
	struct process *proc = calloc(1, sizeof(*proc));
	struct process **head = bucket(r, id);

	if (!proc) {
		space_put(space);
		return NULL;
	}
	proc->id = id;
	proc->cpu = (uint32_t)(r->procs_made++ % hosted_nr_cpus(r->hosted));
	proc->space = space;
	proc->hash_next = *head;
	*head = proc;
	proc->prev = r->last_proc;
	if (r->last_proc)
		r->last_proc->next = proc;
	else
		r->procs = proc;
	r->last_proc = proc;
	if (++r->nr_procs > r->peak_procs)
		r->peak_procs = r->nr_procs;
	return proc;
}

void runner_remove(struct runner *r, struct process *proc)
{
	struct process **p = bucket(r, proc->id);

	while (*p != proc)
		p = &(*p)->hash_next;
	*p = proc->hash_next;
	*(proc->prev ? &proc->prev->next : &r->procs) = proc->next;
	*(proc->next ? &proc->next->prev : &r->last_proc) = proc->prev;
	r->nr_procs--;
	space_put(proc->space);
	free(proc);
}

/* ---------------------------------------------------------------- making them */

static struct shadow *new_shadow(struct runner *r, bool *failed)
{
	struct shadow *shadow = r->phantom ? NULL : shadow_new();

	*failed = !r->phantom && !shadow;
	return shadow;
}

static enum runner_result start(struct runner *r, uint64_t id, struct mm *mm, struct shadow *shadow)
{
	struct space *space = space_new(mm, shadow);

	if (!space || !runner_add(r, id, space))
		return runner_no_memory(r);
	return RUNNER_OK;
}

static enum runner_result must_be_new(struct runner *r, uint64_t id)
{
	char name[80];

	if (runner_find(r, id))
		return runner_bad(r, "%s lives already",
				  runner_proc_name(r, id, name, sizeof(name)));
	return RUNNER_OK;
}

static enum runner_result do_new(struct runner *r, const struct op *op)
{
	enum runner_result result = must_be_new(r, op->proc);
	struct shadow *shadow;
	struct mm *mm;
	bool failed;
	int error;

	if (result != RUNNER_OK)
		return result;
	shadow = new_shadow(r, &failed);
	if (failed)
		return runner_no_memory(r);
	error = mm_create(r->sys, &mm);
	if (error) {
		shadow_free(shadow);
		return runner_outcome(r, error, "");
	}
	result = runner_outcome(r, 0, "");
	if (result == RUNNER_OK)
		return start(r, op->proc, mm, shadow);
	mm_put(mm);
	shadow_free(shadow);
	return result;
}

/* What the child does not get: DONTFORK's VMAs are not there, WIPEONFORK's are as never written. */
static bool child_shadow(const struct space *parent, struct space *child)
{
	const struct layout *layout;

	child->maps_files = parent->maps_files;
	child->advised_fork = parent->advised_fork;
	if (!child->shadow || !parent->advised_fork)
		return true;
	/* A stack may have grown since it was asked for last. */
	space_changed((struct space *)parent);
	layout = space_layout((struct space *)parent);
	if (!layout)
		return false;
	for (size_t i = 0; i < layout->nr; i++) {
		const struct layout_vma *vma = &layout->vmas[i];

		if (vma->flags & (VM_DONTCOPY | VM_WIPEONFORK) &&
		    !shadow_clear(child->shadow, vma->start, vma->end - vma->start))
			return false;
	}
	return true;
}

static enum runner_result do_fork(struct runner *r, const struct op *op)
{
	enum runner_result result;
	struct process *parent = runner_need(r, op->proc, &result);
	struct shadow *shadow = NULL;
	struct space *space;
	struct mm *mm;
	int error;

	if (!parent)
		return result;
	result = must_be_new(r, op->target);
	if (result != RUNNER_OK)
		return result;
	error = mm_fork(parent->space->mm, &mm);
	result = runner_outcome(r, error, "");
	if (error)
		return result;
	if (parent->space->shadow)
		shadow = shadow_copy(parent->space->shadow);
	if (result != RUNNER_OK || (parent->space->shadow && !shadow)) {
		mm_put(mm);
		shadow_free(shadow);
		return result != RUNNER_OK ? result : runner_no_memory(r);
	}
	space = space_new(mm, shadow);
	if (!space)
		return runner_no_memory(r);
	if (!child_shadow(parent->space, space)) {
		space_put(space);
		return runner_no_memory(r);
	}
	return runner_add(r, op->target, space) ? RUNNER_OK : runner_no_memory(r);
}

static enum runner_result do_share(struct runner *r, const struct op *op)
{
	enum runner_result result;
	struct process *proc = runner_need(r, op->proc, &result);

	if (!proc)
		return result;
	result = must_be_new(r, op->target);
	if (result != RUNNER_OK)
		return result;
	mm_get(proc->space->mm);
	proc->space->users++;
	return runner_add(r, op->target, proc->space) ? RUNNER_OK : runner_no_memory(r);
}

/* ---------------------------------------------------------------- exec */

/* The arguments' bytes are the caller's of exec, not ours: their pages may hold anything. */
static bool unknown_stack(struct space *space, uint64_t args_len)
{
	const struct layout *layout = space_layout(space);

	if (!layout)
		return false;
	for (size_t i = 0; i < layout->nr && space->shadow && args_len; i++) {
		const struct layout_vma *vma = &layout->vmas[i];
		uint64_t addr = vma->end;
		uint64_t pages = args_len / RMAP_PAGE_SIZE + 2;

		if (!(vma->flags & VM_GROWSDOWN))
			continue;
		while (pages-- && addr > vma->start) {
			addr -= RMAP_PAGE_SIZE;
			if (!shadow_set(space->shadow, addr, STAMP_UNKNOWN))
				return false;
		}
	}
	return true;
}

static int exec_segments(struct runner *r, const struct op *op, struct mm *old, struct mm **mm)
{
	struct mm_exec exec = {
		.nr_segments = op->nr_segments,
		.stack_top = op->addr.off,
		.args_len = op->len,
		.brk_start = op->new_addr.off,
	};
	struct mm_exec_segment *segments = calloc(op->nr_segments + 1, sizeof(*segments));
	int error;

	if (!segments)
		return RMAP_ENOMEM;
	for (uint32_t i = 0; i < op->nr_segments; i++) {
		const struct op_segment *from = &op->segments[i];
		struct rfile *f = from->file ? rfile_named(r, from->file) : NULL;

		segments[i].addr = from->addr;
		segments[i].len = from->len;
		segments[i].prot = from->prot;
		segments[i].offset = from->offset;
		segments[i].file = f ? f->file : NULL;
	}
	exec.segments = segments;
	error = mm_exec(old, &exec, mm);
	free(segments);
	return error;
}

/* An empty address space with the limits of the old one, whose layout the source imposes by fixed mappings. */
static int exec_empty(struct runner *r, struct mm *old, struct mm **mm)
{
	int error = mm_create(r->sys, mm);

	if (error)
		return error;
	for (unsigned int i = 0; i < MM_LIMITS; i++)
		mm_set_limit(*mm, (enum mm_limit)i, mm_get_limit(old, (enum mm_limit)i));
	mm_set_capabilities(*mm, atomic_load(&old->capabilities));
	return 0;
}

static enum runner_result do_exec(struct runner *r, const struct op *op)
{
	enum runner_result result;
	struct process *proc = runner_need(r, op->proc, &result);
	struct shadow *shadow;
	struct space *space;
	struct mm *mm;
	bool failed;
	int error;

	if (!proc)
		return result;
	for (uint32_t i = 0; i < op->nr_segments; i++)
		if (op->segments[i].file && !rfile_named(r, op->segments[i].file))
			return runner_bad(r, "the file of segment %u is not open", i + 1);
	if (op->len > (uint64_t)64 << 20)
		return runner_bad(r, "more than 64 MiB of arguments");
	error = op->nr_segments || op->len ? exec_segments(r, op, proc->space->mm, &mm)
					   : exec_empty(r, proc->space->mm, &mm);
	result = runner_outcome(r, error, "");
	if (error)
		return result;
	shadow = new_shadow(r, &failed);
	if (failed || result != RUNNER_OK) {
		mm_put(mm);
		shadow_free(shadow);
		return failed ? runner_no_memory(r) : result;
	}
	space = space_new(mm, shadow);
	if (!space)
		return runner_no_memory(r);
	space->maps_files = true;
	space_put(proc->space);
	proc->space = space;
	return unknown_stack(space, op->len) ? RUNNER_OK : runner_no_memory(r);
}

static enum runner_result do_exit(struct runner *r, const struct op *op)
{
	enum runner_result result;
	struct process *proc = runner_need(r, op->proc, &result);

	if (proc)
		runner_remove(r, proc);
	else if (op->outcome == OP_MAY_FAIL)
		result = RUNNER_OK; /* its fork may have failed, too */
	return result;
}

enum runner_result runner_process_op(struct runner *r, const struct op *op)
{
	enum runner_result result;
	struct process *proc;

	switch (op->kind) {
	case OP_NEW:
		return do_new(r, op);
	case OP_FORK:
		return do_fork(r, op);
	case OP_SHARE:
		return do_share(r, op);
	case OP_EXEC:
		return do_exec(r, op);
	case OP_EXIT:
		return do_exit(r, op);
	default:
		break;
	}
	proc = runner_need(r, op->proc, &result);
	if (!proc)
		return result;
	if (op->kind == OP_LIMIT) {
		if (op->flags >= MM_LIMITS)
			return runner_bad(r, "there is no limit of number %u", op->flags);
		mm_set_limit(proc->space->mm, (enum mm_limit)op->flags, op->value);
	} else {
		mm_set_capabilities(proc->space->mm, op->flags);
	}
	return RUNNER_OK;
}
