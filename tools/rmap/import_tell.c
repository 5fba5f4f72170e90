// SPDX-License-Identifier: BSD-2-Clause
/*
 * Telling the history: forks, and what each process does before and behind them, as events of a record.
 */
#include "import.h"

#include <stdlib.h>
#include <string.h>

/* Linux's numbers, as records have them. */
#define L_MAP_SHARED	0x01u
#define L_MAP_PRIVATE	0x02u
#define L_MAP_FIXED	0x10u
#define L_MAP_ANONYMOUS 0x20u
#define L_MAP_GROWSDOWN 0x100u
#define L_MREMAP_MOVE	3u /* MAYMOVE and FIXED */
#define L_MADV_DONTNEED 4u
#define L_MADV_PAGEOUT	21u

#define READ_WRITE	(RMREC_P_READ | RMREC_P_WRITE)

static void tell(struct import *imp, struct rmrec_event ev)
{
	if (rmrec_put(imp->w, &ev))
		imp->no_memory = true;
}

static void tell_range(struct import *imp, const struct imp_proc *p, enum rmrec_kind kind,
		       uint64_t start, uint64_t end, uint64_t flags)
{
	tell(imp, (struct rmrec_event){ .kind = kind,
					.proc = p->id,
					.addr = start,
					.len = end - start,
					.flags = flags });
}

static void tell_fault(struct import *imp, const struct imp_proc *p, uint64_t addr, uint32_t fault)
{
	tell(imp, (struct rmrec_event){
			  .kind = RMREC_FAULT, .proc = p->id, .addr = addr, .fault = fault });
}

static void note_failure(struct import *imp, bool well)
{
	imp->no_memory |= !well;
}

/* -- layouts --------------------------------------------------------------------------------------- */

/* The VMA in which a shared page stood where it was found at its home. */
static const struct imp_vma *like_of(const struct import *imp, const struct imp_need *need)
{
	return imp_layout_at(&imp->v[need->like].final, need->addr);
}

/* The part of @vma around @addr that @layout has nothing in. */
static struct imp_vma clip(const struct imp_layout *layout, struct imp_vma vma, uint64_t addr)
{
	size_t i = imp_layout_from(layout, addr);
	uint64_t start = vma.start;

	if (i && layout->v[i - 1].end > vma.start)
		vma.start = layout->v[i - 1].end;
	if (i < layout->nr && layout->v[i].start < vma.end)
		vma.end = layout->v[i].start;
	vma.offset += vma.start - start;
	return vma;
}

/* There must be a place for a page that is to be had for a while, and it must be writable. */
static void make_place(struct import *imp, struct imp_layout *layout, const struct imp_need *need)
{
	const struct imp_vma *like = like_of(imp, need);
	struct imp_vma *vma = imp_layout_at(layout, need->addr), place;

	if (!like)
		return;
	if (!vma) {
		place = clip(layout, *like, need->addr);
	} else if (!imp_same_kind(vma, like)) {
		place = *like;
		place.offset += need->addr - place.start;
		place.start = need->addr;
		place.end = need->addr + LIVE_PAGE_SIZE;
	} else {
		vma->prot |= READ_WRITE;
		return;
	}
	place.prot |= READ_WRITE;
	note_failure(imp, imp_layout_put(layout, place));
}

/* With the rights that its pages' coming needs. */
static void open_up(struct imp_layout *layout, const struct imp_pages *pages)
{
	for (size_t i = 0; i < pages->nr; i++) {
		struct imp_vma *vma = imp_layout_at(layout, pages->v[i].addr);
		uint64_t kind = pages->v[i].key & IMP_KIND;

		if (!vma)
			continue;
		if (kind == IMP_ANON || kind == IMP_SWAP)
			vma->prot |= READ_WRITE;
		else if (!(vma->prot & (RMREC_P_READ | RMREC_P_EXEC)))
			vma->prot |= RMREC_P_READ;
	}
}

/* As long as it hands on what it must. */
static void working_layout(struct import *imp, const struct imp_proc *p, struct imp_layout *out)
{
	note_failure(imp, imp_layout_copy(out, &p->final));
	open_up(out, &p->pages);
	for (size_t i = 0; i < p->needs.nr; i++)
		make_place(imp, out, &p->needs.v[i]);
	for (size_t i = 0; i < p->gives.nr; i++)
		make_place(imp, out, &p->gives.v[i]);
}

static void tell_mmap(struct import *imp, const struct imp_proc *p, const struct imp_vma *vma,
		      uint64_t start, uint64_t end)
{
	struct rmrec_event ev = {
		.kind = RMREC_MMAP,
		.proc = p->id,
		.addr = start,
		.len = end - start,
		.prot = vma->prot,
		.file = vma->file,
		.offset = vma->file ? vma->offset + (start - vma->start) : 0,
		.flags = L_MAP_FIXED,
		.result = start,
	};

	ev.flags |= vma->flags & RMREC_V_SHARED ? L_MAP_SHARED : L_MAP_PRIVATE;
	if (!vma->file)
		ev.flags |= L_MAP_ANONYMOUS;
	if (vma->flags & RMREC_V_GROWSDOWN)
		ev.flags |= L_MAP_GROWSDOWN;
	tell(imp, ev);
}

static void tell_exec(struct import *imp, const struct imp_proc *p)
{
	const struct imp_layout *l = &p->work;
	uint64_t brk = l->v[0].end;

	for (size_t i = 0; i < p->maps.nr; i++)
		if (!strcmp(p->maps.v[i].name, "[heap]"))
			brk = p->maps.v[i].start;
	tell(imp,
	     (struct rmrec_event){
		     .kind = RMREC_EXEC, .proc = p->id, .count = (uint32_t)l->nr, .addr = brk });
	for (size_t i = 0; i < l->nr; i++)
		tell(imp, (struct rmrec_event){ .kind = RMREC_VMA,
						.proc = p->id,
						.addr = l->v[i].start,
						.len = l->v[i].end - l->v[i].start,
						.prot = l->v[i].prot,
						.vma_flags = l->v[i].flags,
						.file = l->v[i].file,
						.offset = l->v[i].offset });
}

/* What it holds in a range goes with the range. */
static void drop_held(struct imp_proc *p, uint64_t start, uint64_t end)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->held.nr; i++)
		if (p->held.v[i].addr < start || p->held.v[i].addr >= end)
			p->held.v[kept++] = p->held.v[i];
	p->held.nr = kept;
}

/* One stretch in which neither the old layout nor the new one has a boundary. */
enum change { KEEP, UNMAP, MAP, PROTECT };

struct stretch {
	enum change what;
	uint64_t start, end;
	const struct imp_vma *to;
};

static void flush(struct import *imp, struct imp_proc *p, const struct stretch *s)
{
	switch (s->what) {
	case KEEP:
		return;
	case UNMAP:
		tell_range(imp, p, RMREC_MUNMAP, s->start, s->end, 0);
		break;
	case MAP:
		tell_mmap(imp, p, s->to, s->start, s->end);
		break;
	case PROTECT:
		tell(imp, (struct rmrec_event){ .kind = RMREC_MPROTECT,
						.proc = p->id,
						.addr = s->start,
						.len = s->end - s->start,
						.prot = s->to->prot });
		return;
	}
	drop_held(p, s->start, s->end);
}

static enum change change_of(const struct imp_vma *from, const struct imp_vma *to)
{
	if (!to)
		return from ? UNMAP : KEEP;
	if (!from || !imp_same_kind(from, to))
		return MAP;
	return from->prot != to->prot ? PROTECT : KEEP;
}

/* The VMA at @pos or the next, and where it begins or ends, whichever comes first. */
static const struct imp_vma *at(const struct imp_layout *l, size_t i, uint64_t pos, uint64_t *next)
{
	if (i == l->nr)
		return NULL;
	if (l->v[i].start > pos) {
		*next = l->v[i].start < *next ? l->v[i].start : *next;
		return NULL;
	}
	*next = l->v[i].end < *next ? l->v[i].end : *next;
	return &l->v[i];
}

/* From the layout that it has to another, which it has then. */
static void change_layout(struct import *imp, struct imp_proc *p, struct imp_layout *to)
{
	struct imp_layout *from = &p->work, old;
	struct stretch run = { .what = KEEP };
	size_t i = 0, k = 0;

	for (uint64_t pos = 0, next; i < from->nr || k < to->nr; pos = next) {
		const struct imp_vma *f, *t;
		enum change what;

		next = UINT64_MAX;
		f = at(from, i, pos, &next);
		t = at(to, k, pos, &next);
		what = change_of(f, t);
		if (what == run.what && run.end == pos && (what == UNMAP || t == run.to)) {
			run.end = next;
		} else {
			flush(imp, p, &run);
			run = (struct stretch){ what, pos, next, t };
		}
		i += i < from->nr && from->v[i].end <= next;
		k += k < to->nr && to->v[k].end <= next;
	}
	flush(imp, p, &run);
	old = p->work;
	p->work = *to;
	*to = old;
}

/* -- handing on --------------------------------------------------------------------------------------- */

/* Runs of neighbours, all of which are in swap, go there together. */
static void push_out(struct import *imp, const struct imp_proc *p, const struct imp_pages *pages)
{
	for (size_t i = 0, next; i < pages->nr; i = next) {
		uint64_t start = pages->v[i].addr, end = start;

		for (next = i; next < pages->nr && pages->v[next].addr == end; next++)
			end += LIVE_PAGE_SIZE;
		tell_range(imp, p, RMREC_MADVISE, start, end, L_MADV_PAGEOUT);
	}
}

/*
 * Before the fork of a child: what the child is to inherit stands at its place. The new list of what is held is the old one and
 * the needs, merged.
 */
static void have_ready(struct import *imp, struct imp_proc *p, const struct imp_needs *needs)
{
	struct imp_pages held = { 0 }, out = { 0 };
	size_t i = 0;
	bool well = true;

	for (size_t k = 0; k < needs->nr && well; k++) {
		const struct imp_need *need = &needs->v[k];

		while (i < p->held.nr && p->held.v[i].addr < need->addr && well) {
			well = imp_pages_add(&held, p->held.v[i].addr, p->held.v[i].key);
			i++;
		}
		if (i < p->held.nr && p->held.v[i].addr == need->addr) {
			if (p->held.v[i++].key == need->key) {
				well = well && imp_pages_add(&held, need->addr, need->key);
				continue;
			}
		}
		tell_fault(imp, p, need->addr, RMREC_F_WRITE);
		if ((need->key & IMP_KIND) == IMP_SWAP)
			well = well && imp_pages_add(&out, need->addr, need->key);
		well = well && imp_pages_add(&held, need->addr, need->key);
	}
	for (; i < p->held.nr && well; i++)
		well = imp_pages_add(&held, p->held.v[i].addr, p->held.v[i].key);
	push_out(imp, p, &out);
	free(out.v);
	free(p->held.v);
	p->held = held;
	note_failure(imp, well);
}

static void inherit(struct import *imp, struct imp_proc *p, const struct imp_proc *parent)
{
	bool well = imp_layout_copy(&p->work, &parent->work);

	for (size_t i = 0; i < parent->held.nr && well; i++)
		well = imp_pages_add(&p->held, parent->held.v[i].addr, parent->held.v[i].key);
	note_failure(imp, well);
}

static void tell_birth(struct import *imp, size_t index)
{
	struct imp_proc *p = &imp->v[index], *parent = &imp->v[p->parent];
	struct imp_layout layout = { 0 };

	have_ready(imp, parent, &p->needs);
	p->id = (uint32_t)index;
	tell(imp, (struct rmrec_event){ .kind = RMREC_FORK, .proc = parent->id, .child = p->id });
	working_layout(imp, p, &layout);
	if (p->forked) {
		inherit(imp, p, parent);
		change_layout(imp, p, &layout);
	} else {
		struct imp_layout none = p->work;

		p->work = layout;
		layout = none;
		tell_exec(imp, p);
	}
	free(layout.v);
}

/* -- what each has in the end ----------------------------------------------------------------------------- */

static int page_by_addr(const void *a, const void *b)
{
	const struct imp_page *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

/* What is held in [start, end) is held further on by @delta. */
static void move_held(struct imp_proc *p, uint64_t start, uint64_t end, uint64_t delta)
{
	drop_held(p, start + delta, end + delta);
	for (size_t i = 0; i < p->held.nr; i++)
		if (p->held.v[i].addr >= start && p->held.v[i].addr < end)
			p->held.v[i].addr += delta;
	if (p->held.nr)
		qsort(p->held.v, p->held.nr, sizeof(*p->held.v), page_by_addr);
}

static void tell_move(struct import *imp, struct imp_proc *p, uint64_t start, uint64_t end,
		      uint64_t delta)
{
	const struct imp_vma *from = imp_layout_at(&p->work, start);
	struct imp_vma moved;

	if (!from || from->end < end || (start + delta < end && start < end + delta))
		return;
	moved = *from;
	moved.offset += moved.file ? start - moved.start : 0;
	moved.start = start + delta;
	moved.end = end + delta;
	tell(imp, (struct rmrec_event){ .kind = RMREC_MREMAP,
					.proc = p->id,
					.addr = start,
					.len = end - start,
					.new_len = end - start,
					.flags = L_MREMAP_MOVE,
					.new_addr = moved.start,
					.result = moved.start });
	move_held(p, start, end, delta);
	note_failure(imp, imp_layout_cut(&p->work, start, end) && imp_layout_put(&p->work, moved));
}

/* Pages of one VMA that went equally far go together. */
static void tell_moves(struct import *imp, struct imp_proc *p)
{
	const struct imp_moves *m = &p->moves;

	for (size_t i = 0, next; i < m->nr; i = next) {
		const struct imp_vma *vma = imp_layout_at(&p->work, m->v[i].home);
		uint64_t delta = m->v[i].addr - m->v[i].home;

		for (next = i + 1; vma && next < m->nr && m->v[next].home < vma->end &&
				   m->v[next].addr - m->v[next].home == delta;
		     next++)
			;
		tell_move(imp, p, m->v[i].home, m->v[next - 1].home + LIVE_PAGE_SIZE, delta);
	}
}

/* Is what is held at an address what was found there, or will a write put another page in its place? */
static bool may_stay(const struct imp_page *held, const struct imp_page *page)
{
	uint64_t kind = page ? page->key & IMP_KIND : 0;

	return page && (page->key == held->key || kind == IMP_ANON || kind == IMP_SWAP);
}

static void give_up(struct import *imp, struct imp_proc *p)
{
	uint64_t start = 0, end = 0;
	size_t k = 0, kept = 0;

	for (size_t i = 0; i < p->held.nr; i++) {
		struct imp_page held = p->held.v[i];
		const struct imp_page *page = NULL;

		while (k < p->pages.nr && p->pages.v[k].addr < held.addr)
			k++;
		if (k < p->pages.nr && p->pages.v[k].addr == held.addr)
			page = &p->pages.v[k];
		if (may_stay(&held, page)) {
			p->held.v[kept++] = held;
			continue;
		}
		if (end != held.addr) {
			if (end)
				tell_range(imp, p, RMREC_MADVISE, start, end, L_MADV_DONTNEED);
			start = held.addr;
		}
		end = held.addr + LIVE_PAGE_SIZE;
	}
	if (end)
		tell_range(imp, p, RMREC_MADVISE, start, end, L_MADV_DONTNEED);
	p->held.nr = kept;
}

static void tell_read(struct import *imp, const struct imp_proc *p, uint64_t addr)
{
	const struct imp_vma *vma = imp_layout_at(&p->work, addr);

	if (vma)
		tell_fault(imp, p, addr, vma->prot & RMREC_P_READ ? 0 : RMREC_F_EXEC);
}

/* Pages of its own, of files, of zeros; then those to swap that go there. */
static void tell_pages(struct import *imp, struct imp_proc *p)
{
	struct imp_pages out = { 0 };
	size_t k = 0;

	for (size_t i = 0; i < p->pages.nr; i++) {
		const struct imp_page *page = &p->pages.v[i];
		uint64_t kind = page->key & IMP_KIND;

		while (k < p->held.nr && p->held.v[k].addr < page->addr)
			k++;
		if (k < p->held.nr && p->held.v[k].addr == page->addr &&
		    p->held.v[k].key == page->key)
			continue;
		if (kind == IMP_FILE || kind == IMP_ZERO) {
			tell_read(imp, p, page->addr);
			continue;
		}
		tell_fault(imp, p, page->addr, RMREC_F_WRITE);
		if (kind == IMP_SWAP)
			note_failure(imp, imp_pages_add(&out, page->addr, page->key));
	}
	push_out(imp, p, &out);
	free(out.v);
}

/* A fault on a file's page maps its neighbours, too: what was not found goes. */
static void clear_gaps(struct import *imp, struct imp_proc *p)
{
	size_t k = 0;

	for (size_t i = 0; i < p->work.nr; i++) {
		const struct imp_vma *vma = &p->work.v[i];
		uint64_t gap = vma->start;
		bool touched = false;

		while (k < p->pages.nr && p->pages.v[k].addr < vma->start)
			k++;
		for (size_t n = k; n < p->pages.nr && p->pages.v[n].addr < vma->end; n++)
			touched |= (p->pages.v[n].key & IMP_KIND) == IMP_FILE;
		if (!vma->file || !touched)
			continue;
		for (; k < p->pages.nr && p->pages.v[k].addr < vma->end; k++) {
			if (p->pages.v[k].addr > gap)
				tell_range(imp, p, RMREC_MADVISE, gap, p->pages.v[k].addr,
					   L_MADV_DONTNEED);
			gap = p->pages.v[k].addr + LIVE_PAGE_SIZE;
		}
		if (gap < vma->end)
			tell_range(imp, p, RMREC_MADVISE, gap, vma->end, L_MADV_DONTNEED);
	}
}

static void tell_end(struct import *imp, struct imp_proc *p)
{
	struct imp_layout layout = { 0 };

	tell_moves(imp, p);
	note_failure(imp, imp_layout_copy(&layout, &p->final));
	open_up(&layout, &p->pages);
	change_layout(imp, p, &layout);
	give_up(imp, p);
	tell_pages(imp, p);
	clear_gaps(imp, p);
	note_failure(imp, imp_layout_copy(&layout, &p->final));
	change_layout(imp, p, &layout);
	free(layout.v);
	free(p->held.v);
	p->held = (struct imp_pages){ 0 };
}

int import_tell(struct import *imp, char err[LIVE_ERR_SIZE])
{
	struct imp_proc *first = &imp->v[0];

	working_layout(imp, first, &first->work);
	/* exec leaves something */
	if (!first->work.nr)
		note_failure(imp,
			     imp_layout_add(&first->work,
					    (struct imp_vma){ .start = 1u << 20,
							      .end = (1u << 20) + LIVE_PAGE_SIZE,
							      .prot = READ_WRITE }));
	if (!imp->no_memory)
		tell_exec(imp, first);
	for (size_t i = 1; i < imp->nr && !imp->no_memory; i++)
		tell_birth(imp, i);
	if (!imp->no_memory)
		tell(imp, (struct rmrec_event){ .kind = RMREC_EXIT, .proc = first->id });
	for (size_t i = 1; i < imp->nr && !imp->no_memory; i++)
		tell_end(imp, &imp->v[i]);
	return imp->no_memory ? live_fail(err, "no memory for the record") : 0;
}
