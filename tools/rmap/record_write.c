// SPDX-License-Identifier: BSD-2-Clause
/* The second pass: what happened, in the order in which it took effect, re-enacted, held against what the kernel showed, and written. */
#include "record_build_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void note(struct rec_build *b, const char *what)
{
	struct rec_build_stats *s = b->stats;

	if (s->nr_whys < REC_MAX_WHYS)
		snprintf(s->whys[s->nr_whys++], sizeof(s->whys[0]), "event %" PRIu64 ", %s",
			 s->events, what);
}

static int put(struct rec_build *b, const struct rmrec_event *ev)
{
	const struct rec_sim_vma *hit;
	int ret = rec_sim_event(b->sim, ev);

	if (ret < 0)
		return ret;
	if (ret) {
		b->stats->misfits++;
		note(b, rec_sim_why(b->sim));
	}
	hit = rec_sim_hit(b->sim);
	if (hit && hit->file)
		rmrec_file_size(b->w, hit->file,
				hit->offset + (ev->addr - hit->start) + b->page_size);
	b->stats->events++;
	b->stats->faults += ev->kind == RMREC_FAULT;
	return rmrec_put(b->w, ev);
}

static int put_exec(struct rec_build *b, struct rec_item *item, char err[REC_ERR_SIZE])
{
	const struct rec_layout *l = rec_tree_layout(b->tree, item->layout);
	struct rmrec_event ev = { .kind = RMREC_EXEC, .proc = item->process->id };
	int ret;

	if (l->is_32bit) {
		rec_fail(err, "%s is a 32-bit program, which cannot be recorded",
			 l->exe ? l->exe : "a program");
		return -ENOTSUP;
	}
	ev.count = (uint32_t)l->nr_vmas;
	ev.addr = l->start_brk;
	for (size_t i = 0; i < l->nr_vmas && l->exe && !ev.file; i++) {
		const struct rec_layout_vma *v = &l->vmas[i];

		if (v->path && !strcmp(v->path, l->exe))
			ev.file = rec_file_id(b, v->dev, v->ino, v->path);
	}
	b->stats->execs++;
	ret = put(b, &ev);
	for (size_t i = 0; i < l->nr_vmas && !ret; i++) {
		const struct rec_layout_vma *v = &l->vmas[i];

		ev = (struct rmrec_event){ .kind = RMREC_VMA, .proc = item->process->id };
		ev.addr = v->start;
		ev.len = v->end - v->start;
		ev.prot = v->prot;
		ev.vma_flags = v->vma_flags;
		ev.offset = v->offset;
		if (v->path) {
			ev.file = rec_file_id(b, v->dev, v->ino, v->path);
			if (!ev.file)
				return -ENOMEM;
		}
		ret = put(b, &ev);
	}
	for (size_t i = 0; i < l->nr_pages && !ret; i++) {
		ev = (struct rmrec_event){ .kind = RMREC_FAULT, .proc = item->process->id };
		ev.addr = l->pages[i] & ~(b->page_size - 1);
		ev.fault = RMREC_F_KERNEL | (l->pages[i] & 1 ? RMREC_F_WRITE : 0);
		ret = put(b, &ev);
	}
	return ret;
}

/* The VMAs from a shmat: adjacent, of one file, from its beginning. */
static uint64_t shm_length(const struct rec_build *b, uint32_t proc, uint64_t addr)
{
	size_t nr;
	const struct rec_sim_vma *v = rec_sim_layout(b->sim, proc, &nr);
	uint64_t end = addr;
	uint32_t file = 0;

	for (size_t i = 0; i < nr; i++) {
		if (v[i].start == end && v[i].file && v[i].offset == end - addr &&
		    (end == addr || v[i].file == file)) {
			file = v[i].file;
			end = v[i].end;
		}
	}
	return end - addr;
}

struct stretch {
	uint64_t start, end;
	uint32_t prot;
	bool shared;
};

/* The next stretch of equal VMAs without a gap; merging differs between us and the kernel. */
static bool next_ours(const struct rec_sim_vma *v, size_t nr, size_t *i, struct stretch *s)
{
	if (*i >= nr)
		return false;
	*s = (struct stretch){ v[*i].start, v[*i].end, v[*i].prot,
			       v[*i].vma_flags & RMREC_V_SHARED };
	while (++*i < nr && v[*i].start == s->end && v[*i].prot == s->prot &&
	       (v[*i].vma_flags & RMREC_V_SHARED) == (s->shared ? RMREC_V_SHARED : 0))
		s->end = v[*i].end;
	return true;
}

static bool next_theirs(const struct rec_layout *l, size_t *i, struct stretch *s)
{
	const struct rec_layout_vma *v = l->vmas;

	if (*i >= l->nr_vmas)
		return false;
	*s = (struct stretch){ v[*i].start, v[*i].end, v[*i].prot,
			       v[*i].vma_flags & RMREC_V_SHARED };
	while (++*i < l->nr_vmas && v[*i].start == s->end && v[*i].prot == s->prot &&
	       (v[*i].vma_flags & RMREC_V_SHARED) == (s->shared ? RMREC_V_SHARED : 0))
		s->end = v[*i].end;
	return true;
}

/* Does the re-enacted layout equal the kernel's at this moment? */
static void compare(struct rec_build *b, const struct rec_item *item)
{
	const struct rec_layout *l = rec_tree_layout(b->tree, item->layout);
	size_t nr, i = 0, k = 0;
	const struct rec_sim_vma *v = rec_sim_layout(b->sim, item->process->id, &nr);

	b->stats->compared++;
	for (;;) {
		struct stretch ours = { 0 }, theirs = { 0 };
		bool more_ours = next_ours(v, nr, &i, &ours);
		bool more_theirs = next_theirs(l, &k, &theirs);
		char text[160];

		if (!more_ours && !more_theirs)
			return;
		if (more_ours == more_theirs && ours.start == theirs.start &&
		    ours.end == theirs.end && ours.prot == theirs.prot &&
		    ours.shared == theirs.shared)
			continue;
		b->stats->differing++;
		snprintf(text, sizeof(text),
			 "process %" PRIu32 " at its end: %" PRIx64 "-%" PRIx64 " prot %" PRIu32
			 " re-enacted, %" PRIx64 "-%" PRIx64 " prot %" PRIu32 " in the kernel",
			 item->process->id, ours.start, ours.end, ours.prot, theirs.start,
			 theirs.end, theirs.prot);
		note(b, text);
		return;
	}
}

int rec_put_item(struct rec_build *b, struct rec_item *item, char err[REC_ERR_SIZE])
{
	struct rec_process *p = item->process;

	if (item->ev.kind == RMREC_EXEC && item->layout == REC_NO_INDEX) {
		/* killed before its layout could be read: nothing more is known of it */
		if (p->id != REC_NOBODY && !p->gone)
			item->ev.kind = RMREC_EXIT;
		else
			return 0;
	}
	if (p->id == REC_NOBODY) {
		if (item->ev.kind != RMREC_EXEC || rmrec_writer_procs(b->w))
			return 0;
		p->id = 0;
	}
	if (p->gone) {
		b->stats->late++;
		if (item->child)
			item->child->gone = true;
		return 0;
	}
	item->ev.proc = p->id;
	if (item->compare) {
		compare(b, item);
		return 0;
	}
	if (item->ev.kind == RMREC_EXEC)
		return put_exec(b, item, err);
	if (item->shmdt && !item->ev.error) {
		item->ev.len = shm_length(b, p->id, item->ev.addr);
		if (!item->ev.len)
			return 0;
	}
	if (item->child) {
		item->child->id = rmrec_writer_procs(b->w);
		item->ev.child = item->child->id;
	}
	if (item->ev.kind == RMREC_EXIT)
		p->gone = true;
	return put(b, &item->ev);
}

int rec_put_ends(struct rec_build *b)
{
	int ret = 0;

	for (size_t i = 0; i < b->nr_processes && !ret; i++) {
		struct rec_process *p = b->processes[i];

		if (p->id != REC_NOBODY && !p->gone)
			ret = put(b, &(struct rmrec_event){ .kind = RMREC_EXIT, .proc = p->id });
	}
	return ret;
}
