// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reads and writes through the MMU, pins, and everything that holds contents against the shadow.
 *
 * There are two ways to see whether a page still holds what was written. A read through the MMU is what a program does, and
 * it disturbs: it faults pages in and marks them used. A *look* goes past the MMU, to the frame or the swap slot that the
 * page table names, and disturbs nothing; so that is what happens at the ends of phases.
 */
#include "runner_int.h"

#include <mm/file.h>
#include <mm/page.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- what must be there */

int runner_expected(struct runner *r, struct space *space, uint64_t addr, void *buf, size_t *len,
		    bool *maybe_zero)
{
	uint64_t stamp = shadow_get(space->shadow, addr);
	const struct layout_vma *vma = NULL;
	struct rfile *f;

	*len = RMAP_PAGE_SIZE;
	*maybe_zero = stamp & STAMP_MAYBE;
	if (stamp == STAMP_UNKNOWN)
		return 0;
	if (space->maps_files)
		vma = space_vma(space, addr);
	if (vma && vma->file && (vma->shared || stamp == STAMP_NONE)) {
		f = rfile_of(r, vma->file);
		*maybe_zero = false;
		return f ? rfile_expected(f, vma->offset + ((addr & RMAP_PAGE_MASK) - vma->start),
					  buf, len)
			 : 0;
	}
	pattern_fill(buf, stamp == STAMP_NONE ? 0 : stamp & STAMP_VALUE);
	return 1;
}

static bool same(const void *a, const void *b, size_t len)
{
	return !memcmp(a, b, len);
}

static enum runner_result mismatch(struct runner *r, uint64_t proc, uint64_t addr,
				   const void *found, const void *expected, size_t len,
				   const char *how)
{
	char name[80], is[96], must[96];

	return runner_broken(r, "contents: %s at 0x%llx of %s: expected %s, found %s", how,
			     (unsigned long long)addr,
			     runner_proc_name(r, proc, name, sizeof(name)),
			     pattern_name(expected, len, must, sizeof(must)),
			     pattern_name(found, len, is, sizeof(is)));
}

/* Contents found by a read or a look, in r->page, against the shadow. */
static enum runner_result judge(struct runner *r, const struct process *proc, uint64_t addr,
				const char *how)
{
	struct space *space = proc->space;
	bool maybe_zero;
	size_t len;

	if (!runner_expected(r, space, addr, r->page2, &len, &maybe_zero))
		return RUNNER_OK;
	if (same(r->page, r->page2, len))
		return RUNNER_OK;
	if (maybe_zero && pattern_matches(r->page, len, 0)) {
		/* Freed, and gone: from now on it stays so. */
		return shadow_set(space->shadow, addr, STAMP_NONE) ? RUNNER_OK
								   : runner_no_memory(r);
	}
	return mismatch(r, proc->id, addr, r->page, r->page2, len, how);
}

/* ---------------------------------------------------------------- looks */

int runner_look(struct runner *r, struct space *space, uint64_t addr, void *buf)
{
	const struct mm_port *port = mm_system_port(r->sys);
	struct mm_page_info info;

	mm_page_info(space->mm, addr, &info);
	switch (info.state) {
	case MM_PAGE_PRESENT:
		memcpy(buf, (const char *)port->frames + (info.pfn << RMAP_PAGE_SHIFT),
		       RMAP_PAGE_SIZE);
		return 1;
	case MM_PAGE_ZERO:
		memset(buf, 0, RMAP_PAGE_SIZE);
		return 1;
	case MM_PAGE_SWAPPED:
		/* While the swap cache has it, the slot may not have been written yet. */
		if (info.swapcache)
			return 0;
		return !port->swap_read(port->ctx, info.slot, buf);
	default:
		return 0;
	}
}

struct peek {
	struct runner *r;
	struct process *proc;
	uint64_t skip, every; /* look at one page in so many */
	enum runner_result result;
};

/* A stamp without a page: MADV_FREE may do that, and stamps of a range that is no longer mapped mean nothing. */
static enum runner_result missing(struct runner *r, struct process *proc, uint64_t addr,
				  uint64_t stamp)
{
	struct mm_page_info info;
	char name[80];

	mm_page_info(proc->space->mm, addr, &info);
	if (info.state != MM_PAGE_NONE || stamp & STAMP_MAYBE || !(stamp & STAMP_WRITTEN) ||
	    !(stamp & STAMP_VALUE) || !space_vma(proc->space, addr))
		return RUNNER_OK;
	return runner_broken(r, "contents: the page at 0x%llx of %s is gone; it held value %llu",
			     (unsigned long long)addr,
			     runner_proc_name(r, proc->id, name, sizeof(name)),
			     (unsigned long long)(stamp & STAMP_VALUE));
}

static bool peek_one(uint64_t addr, uint64_t stamp, void *arg)
{
	struct peek *peek = arg;
	struct runner *r = peek->r;

	if (peek->skip) {
		peek->skip--;
		return true;
	}
	peek->skip = peek->every - 1;
	r->verified_pages++;
	if (runner_look(r, peek->proc->space, addr, r->page))
		peek->result = judge(r, peek->proc, addr, "the page");
	else
		peek->result = missing(r, peek->proc, addr, stamp);
	return peek->result == RUNNER_OK;
}

enum runner_result runner_peek(struct runner *r, uint64_t limit)
{
	struct peek peek = { .r = r, .every = 1 };
	uint64_t total = 0;

	if (r->phantom)
		return RUNNER_OK;
	for (struct process *proc = r->procs; proc; proc = proc->next)
		total += shadow_count(proc->space->shadow);
	if (limit && total > limit) {
		peek.every = (total + limit - 1) / limit;
		peek.skip = (r->options.seed * 0x9e3779b97f4a7c15u >> 32) % peek.every;
	}
	for (peek.proc = r->procs; peek.proc && peek.result == RUNNER_OK;
	     peek.proc = peek.proc->next) {
		/* Stack growth goes unannounced, and costs the layout that missing() asks for. */
		space_changed(peek.proc->space);
		shadow_for_each(peek.proc->space->shadow, 0, UINT64_MAX, peek_one, &peek);
	}
	return peek.result;
}

static bool verify_one(uint64_t addr, uint64_t stamp, void *arg)
{
	struct peek *peek = arg;
	struct runner *r = peek->r;
	int error;

	(void)stamp;
	error = hosted_read(hosted_cpu(r->hosted, peek->proc->cpu), peek->proc->space->mm, addr,
			    r->page, RMAP_PAGE_SIZE, NULL);
	/* Unreadable: unmapped since, PROT_NONE, poisoned. No memory left for it is no fault of the contents either. */
	if (error)
		return true;
	r->verified_pages++;
	peek->result = judge(r, peek->proc, addr, "the page read");
	return peek->result == RUNNER_OK;
}

enum runner_result runner_verify(struct runner *r)
{
	struct peek peek = { .r = r };

	if (r->phantom)
		return RUNNER_OK;
	for (peek.proc = r->procs; peek.proc && peek.result == RUNNER_OK;
	     peek.proc = peek.proc->next)
		shadow_for_each(peek.proc->space->shadow, 0, UINT64_MAX, verify_one, &peek);
	return peek.result;
}

/* ---------------------------------------------------------------- access */

static uint64_t value_of(struct runner *r, const struct op *op, uint64_t nth)
{
	if (!op->has_value)
		return (uint64_t)1 << 61 | ++r->version;
	return (op->value + (op->value_steps ? nth : 0)) & STAMP_VALUE;
}

/* Where a write went: to the process's own page, or to the file. */
static enum runner_result written(struct runner *r, struct space *space, uint64_t addr,
				  uint64_t value)
{
	const struct layout_vma *vma = space->maps_files ? space_vma(space, addr) : NULL;
	uint64_t stamp = STAMP_WRITTEN | value;

	if (vma && vma->shared && vma->file) {
		struct rfile *f = rfile_of(r, vma->file);

		if (f && rfile_written(r, f, vma->offset + (addr - vma->start), stamp))
			return RUNNER_OK;
	} else if (shadow_set(space->shadow, addr, stamp)) {
		return RUNNER_OK;
	}
	return runner_no_memory(r);
}

/* A write to the last page of a shared mapping ends where the file does: what is behind is nobody's. */
uint64_t runner_write_len(struct runner *r, struct space *space, uint64_t addr)
{
	const struct layout_vma *vma = space->maps_files ? space_vma(space, addr) : NULL;
	struct rfile *f = vma && vma->shared && vma->file ? rfile_of(r, vma->file) : NULL;
	uint64_t offset;

	if (!f)
		return RMAP_PAGE_SIZE;
	offset = vma->offset + (addr - vma->start);
	if (offset >= f->size || f->size - offset >= RMAP_PAGE_SIZE)
		return RMAP_PAGE_SIZE;
	return f->size - offset;
}

static enum runner_result write_page(struct runner *r, struct process *proc, uint64_t addr,
				     uint64_t nth, int *error)
{
	uint64_t value = value_of(r, r->op, nth);
	uint64_t done;

	pattern_fill(r->page, value);
	*error = hosted_write(hosted_cpu(r->hosted, proc->cpu), proc->space->mm, addr, r->page,
			      runner_write_len(r, proc->space, addr), &done);
	return *error ? RUNNER_OK : written(r, proc->space, addr, value);
}

static enum runner_result read_page(struct runner *r, struct process *proc, uint64_t addr,
				    uint64_t nth, int *error)
{
	const struct op *op = r->op;
	struct hosted_cpu *cpu = hosted_cpu(r->hosted, proc->cpu);
	enum runner_result ret;
	char is[96];

	*error = op->kind == OP_FETCH
			 ? hosted_exec(cpu, proc->space->mm, addr, r->page, RMAP_PAGE_SIZE, NULL)
			 : hosted_read(cpu, proc->space->mm, addr, r->page, RMAP_PAGE_SIZE, NULL);
	if (*error)
		return RUNNER_OK;
	ret = judge(r, proc, addr, "the page read");
	if (ret != RUNNER_OK || !op->has_value)
		return ret;
	if (pattern_matches(r->page, RMAP_PAGE_SIZE, value_of(r, op, nth)))
		return RUNNER_OK;
	return runner_failed(r, "read at 0x%llx: expected value %llu, found %s",
			     (unsigned long long)addr, (unsigned long long)value_of(r, op, nth),
			     pattern_name(r->page, RMAP_PAGE_SIZE, is, sizeof(is)));
}

/* A phantom has no bytes: all pages in one go. */
static int touch(struct runner *r, struct process *proc, uint64_t first, uint64_t pages)
{
	struct hosted_cpu *cpu = hosted_cpu(r->hosted, proc->cpu);
	struct mm *mm = proc->space->mm;
	uint64_t len = pages << RMAP_PAGE_SHIFT;

	if (len >> RMAP_PAGE_SHIFT != pages || !len)
		len = RMAP_PAGE_SIZE;
	switch (r->op->kind) {
	case OP_WRITE:
		return hosted_write(cpu, mm, first, NULL, len, NULL);
	case OP_FETCH:
		return hosted_exec(cpu, mm, first, NULL, len, NULL);
	default:
		return hosted_read(cpu, mm, first, NULL, len, NULL);
	}
}

enum runner_result runner_access_op(struct runner *r, const struct op *op)
{
	enum runner_result ret;
	struct process *proc = runner_need(r, op->proc, &ret);
	uint64_t addr, first, last, pages, at, i;
	char more[64] = "";
	int error = 0;

	if (!proc)
		return ret;
	ret = runner_place(r, &op->addr, &addr);
	if (ret != RUNNER_OK)
		return ret;
	first = addr & RMAP_PAGE_MASK;
	last = addr + (op->len ? op->len - 1 : 0);
	if (last < addr)
		last = UINT64_MAX;
	pages = ((last & RMAP_PAGE_MASK) - first) / RMAP_PAGE_SIZE + 1;
	r->times[op->kind].units += pages;
	*(op->kind == OP_WRITE ? &r->written_pages : &r->read_pages) += pages;
	if (r->phantom)
		return runner_outcome(r, touch(r, proc, first, pages), "");
	for (i = 0; i < pages && ret == RUNNER_OK && !error; i++) {
		at = first + i * RMAP_PAGE_SIZE;
		ret = op->kind == OP_WRITE ? write_page(r, proc, at, i, &error)
					   : read_page(r, proc, at, i, &error);
	}
	if (ret != RUNNER_OK)
		return ret;
	at = first + (i - 1) * RMAP_PAGE_SIZE;
	r->last_at = at;
	if (error)
		snprintf(more, sizeof(more), " at 0x%llx", (unsigned long long)at);
	return runner_outcome(r, error, more);
}

/* ---------------------------------------------------------------- pins */

static struct pin *find_pin(struct runner *r, uint32_t id)
{
	struct pin *pin = r->pins;

	while (pin && pin->id != id)
		pin = pin->next;
	return pin;
}

static enum runner_result do_pin(struct runner *r, const struct op *op)
{
	enum runner_result ret;
	struct process *proc = runner_need(r, op->proc, &ret);
	struct pin *pin;
	uint64_t addr;
	int error;

	if (!proc)
		return ret;
	if (find_pin(r, op->pin))
		return runner_bad(r, "this pin is held already");
	ret = runner_place(r, &op->addr, &addr);
	if (ret != RUNNER_OK)
		return ret;
	pin = calloc(1, sizeof(*pin));
	if (!pin)
		return runner_no_memory(r);
	error = mm_pin(proc->space->mm, addr, op->flags, &pin->page);
	ret = runner_outcome(r, error, "");
	if (error) {
		free(pin);
		return ret;
	}
	pin->id = op->pin;
	pin->flags = op->flags;
	pin->next = r->pins;
	r->pins = pin;
	/* Also who pins for long only to read gets a copy of his own. */
	if (op->flags & (MM_PIN_WRITE | MM_PIN_LONGTERM))
		runner_copied(r, proc->space, addr, 1);
	return ret;
}

static void drop_pin(struct runner *r, struct pin *pin)
{
	struct pin **p = &r->pins;

	while (*p != pin)
		p = &(*p)->next;
	*p = pin->next;
	mm_unpin(r->sys, pin->page, pin->flags);
	free(pin);
}

void runner_unpin_all(struct runner *r)
{
	while (r->pins)
		drop_pin(r, r->pins);
}

#define PIN_HITS 4096u

struct hits {
	struct {
		struct rmap_mm *mm;
		uint64_t addr;
	} at[PIN_HITS];
	uint32_t nr;
};

static enum rmap_visit note_hit(struct rmap_hit *hit, void *arg)
{
	struct hits *hits = arg;

	if (hits->nr == PIN_HITS)
		return RMAP_VISIT_STOP;
	hits->at[hits->nr].mm = hit->mm;
	hits->at[hits->nr++].addr = hit->addr;
	return RMAP_VISIT_NEXT;
}

/* The page was changed behind everybody's back: all who map it see it. */
static enum runner_result seen_by_all(struct runner *r, struct page *page, uint64_t value)
{
	struct hits *hits = calloc(1, sizeof(*hits));
	struct rmap_walk walk = {
		.visit = note_hit, .arg = hits, .flags = RMAP_WALK_CHECK, .purpose = RMAP_WALK_PROBE
	};
	struct rmap_file *in = rmap_page_file(&page->rmap);
	struct rfile *f = in ? rfile_of(r, file_of_rmap(in)) : NULL;
	enum runner_result ret = RUNNER_OK;

	if (!hits)
		return runner_no_memory(r);
	/* Who maps a file's page shows what the file holds, also by a private mapping; and it may be mapped by nobody. */
	if (f) {
		if (!rfile_written(r, f, page->rmap.index << RMAP_PAGE_SHIFT,
				   STAMP_WRITTEN | value))
			ret = runner_no_memory(r);
		free(hits);
		return ret;
	}
	rmap_walk(mm_system_rmap(r->sys), &page->rmap, &walk);
	for (uint32_t i = 0; i < hits->nr && ret == RUNNER_OK; i++)
		for (struct process *proc = r->procs; proc && ret == RUNNER_OK; proc = proc->next)
			if (mm_rmap(proc->space->mm) == hits->at[i].mm) {
				space_changed(proc->space);
				ret = written(r, proc->space, hits->at[i].addr, value);
			}
	free(hits);
	return ret;
}

enum runner_result runner_pin_op(struct runner *r, const struct op *op)
{
	struct pin *pin;
	void *data;
	char is[96];

	if (op->kind == OP_PIN)
		return do_pin(r, op);
	pin = find_pin(r, op->pin);
	if (!pin)
		return runner_bad(r, "this pin is not held");
	data = mm_page_data(r->sys, pin->page);
	switch (op->kind) {
	case OP_UNPIN:
		drop_pin(r, pin);
		return RUNNER_OK;
	case OP_PIN_WRITE:
		if (!(pin->flags & MM_PIN_WRITE))
			return runner_bad(r, "this pin is not for writing");
		if (!data)
			return RUNNER_OK;
		pattern_fill(data, op->value);
		return seen_by_all(r, pin->page, op->value);
	default:
		if (!data || !op->has_value || pattern_matches(data, RMAP_PAGE_SIZE, op->value))
			return RUNNER_OK;
		return runner_failed(r, "pinread: expected value %llu, found %s",
				     (unsigned long long)op->value,
				     pattern_name(data, RMAP_PAGE_SIZE, is, sizeof(is)));
	}
}
