// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading the state of running processes: layouts, and each page that is there.
 */
#include "import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct reader {
	struct import *imp;
	int root;
	struct live_frames frames;
	uint64_t *entries;
	struct known_file *files;
	size_t nr_files, room_files;
};

/* A file by what maps says of it, which is the same in all processes. */
struct known_file {
	uint64_t dev, ino;
	uint32_t id;
};

/* -- files ---------------------------------------------------------------------------------------- */

static uint32_t file_id(struct reader *r, const struct live_vma *vma)
{
	for (size_t i = r->nr_files; i-- > 0;)
		if (r->files[i].dev == vma->dev && r->files[i].ino == vma->ino)
			return r->files[i].id;
	if (r->nr_files == r->room_files) {
		size_t room = r->room_files ? 2 * r->room_files : 64;
		struct known_file *files = realloc(r->files, room * sizeof(*files));

		if (!files)
			return 0;
		r->files = files;
		r->room_files = room;
	}
	r->files[r->nr_files] = (struct known_file){
		.dev = vma->dev,
		.ino = vma->ino,
		.id = rmrec_add_file(r->imp->w, vma->name, vma->dev, vma->ino),
	};
	return r->files[r->nr_files++].id;
}

/* -- one process ------------------------------------------------------------------------------------ */

static bool is_special(const struct live_vma *vma)
{
	return !strncmp(vma->name, "[v", 2);
}

static bool read_layout(struct reader *r, struct imp_proc *p)
{
	for (size_t i = 0; i < p->maps.nr; i++) {
		const struct live_vma *vma = &p->maps.v[i];
		struct imp_vma v = { .start = vma->start, .end = vma->end, .offset = vma->offset };

		v.prot = vma->flags & (LIVE_VMA_READ | LIVE_VMA_WRITE | LIVE_VMA_EXEC);
		if (vma->flags & LIVE_VMA_SHARED)
			v.flags |= RMREC_V_SHARED;
		if (!strcmp(vma->name, "[stack]"))
			v.flags |= RMREC_V_GROWSDOWN;
		if (is_special(vma))
			v.flags |= RMREC_V_SPECIAL;
		if (vma->ino) {
			v.file = file_id(r, vma);
			if (!v.file)
				return false;
			rmrec_file_size(r->imp->w, v.file, vma->offset + (vma->end - vma->start));
		} else {
			v.offset = 0;
		}
		if (!imp_layout_add(&p->final, v))
			return false;
	}
	return true;
}

/* 0: nothing that a workload could put there. */
static uint64_t key_of(const struct reader *r, const struct live_vma *vma, uint64_t entry)
{
	uint64_t number = entry & LIVE_FRAME;

	if (live_is_swapped(entry))
		return IMP_SWAP | number;
	if (!(entry & LIVE_PRESENT))
		return 0;
	if (entry & LIVE_FILE || vma->flags & LIVE_VMA_SHARED)
		return IMP_FILE | number;
	/* Mapped once is never the page of zeros, so few are asked for. */
	if (!(entry & LIVE_EXCLUSIVE) && live_frame_flags(&r->frames, number) >> LIVE_KPF_ZERO & 1)
		return IMP_ZERO;
	return IMP_ANON | number;
}

static bool read_pages(struct reader *r, struct imp_proc *p, int tables)
{
	struct live_cursor c;
	uint64_t addr;
	ssize_t nr;

	for (size_t i = 0; i < p->maps.nr; i++) {
		const struct live_vma *vma = &p->maps.v[i];

		if (is_special(vma))
			continue;
		live_cursor_init(&c, tables, vma->start, vma->end);
		while ((nr = live_cursor_next(&c, &addr, r->entries)) > 0)
			for (ssize_t k = 0; k < nr; k++) {
				uint64_t key = key_of(r, vma, r->entries[k]);
				uint64_t at = addr + ((uint64_t)k << LIVE_PAGE_SHIFT);

				if (!key)
					continue;
				if (!imp_pages_add(&p->pages, at, key))
					return false;
				r->imp->nr_pages++;
				r->imp->nr_swapped += (key & IMP_KIND) == IMP_SWAP;
			}
	}
	return true;
}

/* 1: it has gone; 2: it may not be looked at. 0, or -1 without memory. */
static int read_proc(struct reader *r, struct imp_proc *p)
{
	int dir = live_proc_open(r->root, &p->proc), tables, ret;

	if (dir < 0)
		return 1;
	ret = live_maps_read(dir, &p->maps);
	tables = ret ? ret : live_pagemap_open(dir);
	close(dir);
	if (tables == -EACCES || tables == -EPERM)
		return 2;
	if (tables < 0)
		return tables == -ENOMEM ? -1 : 1;
	ret = p->maps.nr && read_layout(r, p) && read_pages(r, p, tables) ? 0 : -1;
	close(tables);
	return p->maps.nr ? ret : 1;
}

/* -- the tree ------------------------------------------------------------------------------------------ */

static int by_start(const void *a, const void *b)
{
	const struct live_proc *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

static size_t index_of(const struct import *imp, pid_t pid)
{
	for (size_t i = imp->nr; i-- > 1;)
		if (imp->v[i].proc.pid == pid)
			return i;
	return 0;
}

/* Of the processes that were read already, so all parents stand before their children. */
static void find_parent(struct import *imp, struct imp_proc *p)
{
	p->parent = index_of(imp, p->proc.ppid);
	p->forked = !p->parent || live_same_program(&p->maps, &imp->v[p->parent].maps);
}

static void free_proc(struct imp_proc *p)
{
	live_maps_free(&p->maps);
	free(p->final.v);
	free(p->work.v);
	free(p->pages.v);
	free(p->held.v);
	free(p->needs.v);
	free(p->gives.v);
	free(p->moves.v);
}

static int read_all(struct reader *r, const struct live_proc *procs, size_t nr)
{
	struct import *imp = r->imp;

	imp->nr = 1;
	imp->v[0].parent = IMP_NOBODY;
	for (size_t i = 0; i < nr; i++) {
		struct imp_proc *p = &imp->v[imp->nr];
		size_t up;
		int ret;

		*p = (struct imp_proc){ .proc = procs[i] };
		up = index_of(imp, p->proc.ppid);
		ret = up && live_same_mm(r->root, p->proc.pid, imp->v[up].proc.pid)
			      ? 1
			      : read_proc(r, p);
		if (ret > 0) {
			free_proc(p);
			imp->denied += ret == 2;
			imp->gone += ret == 1 && !(up && live_same_mm(r->root, p->proc.pid,
								      imp->v[up].proc.pid));
			continue;
		}
		if (ret < 0) {
			free_proc(p);
			return -1;
		}
		find_parent(imp, p);
		imp->nr++;
	}
	return 0;
}

int import_read(int root, const struct live_procs *procs, struct import *imp,
		char err[LIVE_ERR_SIZE])
{
	struct reader r = { .imp = imp, .root = root };
	struct live_proc *order = malloc((procs->nr + 1) * sizeof(*order));
	int ret;

	*imp = (struct import){ 0 };
	live_frames_open(root, &r.frames, err);
	imp->w = rmrec_writer_new((uint32_t)LIVE_PAGE_SIZE);
	imp->v = calloc(procs->nr + 1, sizeof(*imp->v));
	r.entries = malloc(LIVE_BATCH * sizeof(*r.entries));
	if (!live_sees_frames(root)) {
		ret = live_fail(err, "the kernel shows no frame numbers: CAP_SYS_ADMIN is missing");
	} else if (!order || !imp->w || !imp->v || !r.entries) {
		ret = live_fail(err, "no memory for the processes");
	} else {
		memcpy(order, procs->v, procs->nr * sizeof(*order));
		qsort(order, procs->nr, sizeof(*order), by_start);
		ret = read_all(&r, order, procs->nr);
		if (ret)
			live_fail(err, "no memory for the pages");
		else if (imp->nr == 1 && imp->denied)
			ret = live_fail(err, "no process of these may be looked at: %s",
					live_refusal());
		else if (imp->nr == 1)
			ret = live_fail(err, "none of the processes is left");
	}
	live_frames_close(&r.frames);
	free(r.entries);
	free(r.files);
	free(order);
	return ret;
}

void import_free(struct import *imp)
{
	for (size_t i = 0; i < imp->nr; i++)
		free_proc(&imp->v[i]);
	free(imp->v);
	if (imp->w)
		rmrec_writer_free(imp->w);
	*imp = (struct import){ 0 };
}
