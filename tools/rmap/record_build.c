// SPDX-License-Identifier: BSD-2-Clause
/*
 * From raw events to a record; see the header.
 *
 * Order is the hard part. The kernel tells when a call begins and ends, not when it takes effect, and
 * with threads the difference matters: a munmap may end, in the trace, after the mmap of another
 * thread that was given its addresses. The moment that counts is when the call got the lock of the
 * address space for writing, for it keeps the lock until it is done; and that has a trace event. So
 * a call stands at its lock; without that event, at perf's mmap event inside it; else what takes
 * addresses away stands at its beginning and what hands them out at its end. A fork stands where it
 * locked the parent, since there the copy was made. Two passes therefore: by time, making items; by
 * moment of effect, writing them.
 */
#include "record_build_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- tables ----------------------------------------------------------------------------------- */

struct rec_task *rec_task_of(struct rec_build *b, uint64_t tid)
{
	if (tid >= 1u << 22) /* the kernel's PID_MAX_LIMIT */
		return NULL;
	if (tid >= b->nr_tasks) {
		size_t nr = (size_t)tid + 1024;
		struct rec_task **tasks = realloc(b->tasks, nr * sizeof(struct rec_task *));

		if (!tasks)
			return NULL;
		memset(tasks + b->nr_tasks, 0, (nr - b->nr_tasks) * sizeof(struct rec_task *));
		b->tasks = tasks;
		b->nr_tasks = nr;
	}
	if (!b->tasks[tid])
		b->tasks[tid] = calloc(1, sizeof(struct rec_task));
	return b->tasks[tid];
}

struct rec_process *rec_add_process(struct rec_build *b)
{
	struct rec_process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	if (b->nr_processes == b->cap_processes) {
		size_t cap = b->cap_processes ? 2 * b->cap_processes : 64;
		struct rec_process **processes =
			realloc(b->processes, cap * sizeof(struct rec_process *));

		if (!processes) {
			free(p);
			return NULL;
		}
		b->processes = processes;
		b->cap_processes = cap;
	}
	b->processes[b->nr_processes++] = p;
	p->id = REC_NOBODY;
	p->threads = 1;
	p->last_layout = REC_NO_INDEX;
	return p;
}

struct rec_item *rec_add_item(struct rec_build *b, uint64_t ts, struct rec_process *p,
			      enum rmrec_kind kind)
{
	struct rec_item *item;

	if (b->nr_items == b->cap_items) {
		size_t cap = b->cap_items ? 2 * b->cap_items : 4096;
		struct rec_item *items = realloc(b->items, cap * sizeof(*items));

		if (!items)
			return NULL;
		b->items = items;
		b->cap_items = cap;
	}
	item = &b->items[b->nr_items];
	*item = (struct rec_item){
		.ts = ts, .seq = b->nr_items, .process = p, .layout = REC_NO_INDEX
	};
	item->ev.kind = kind;
	b->nr_items++;
	return item;
}

static struct rec_file *file_slot(struct rec_file *files, size_t cap, uint64_t dev, uint64_t ino,
				  const char *path)
{
	size_t i = (size_t)((dev * 31 + ino) * 0x9e3779b97f4a7c15ull >> 24) & (cap - 1);

	while (files[i].path &&
	       (files[i].dev != dev || files[i].ino != ino || strcmp(files[i].path, path)))
		i = (i + 1) & (cap - 1);
	return &files[i];
}

uint32_t rec_file_id(struct rec_build *b, uint64_t dev, uint64_t ino, const char *path)
{
	struct rec_file *f;

	if (2 * (b->nr_files + 1) > b->cap_files) {
		size_t cap = b->cap_files ? 2 * b->cap_files : 256;
		struct rec_file *files = calloc(cap, sizeof(*files));

		if (!files)
			return 0;
		for (size_t i = 0; i < b->cap_files; i++) {
			const struct rec_file *from = &b->files[i];

			if (from->path)
				*file_slot(files, cap, from->dev, from->ino, from->path) = *from;
		}
		free(b->files);
		b->files = files;
		b->cap_files = cap;
	}
	f = file_slot(b->files, b->cap_files, dev, ino, path);
	if (!f->path) {
		struct stat st;

		f->path = strdup(path);
		f->id = f->path ? rmrec_add_file(b->w, path, dev, ino) : 0;
		f->dev = dev;
		f->ino = ino;
		b->nr_files++;
		if (f->id && !stat(path, &st) && S_ISREG(st.st_mode) && st.st_ino == ino)
			rmrec_file_size(b->w, f->id, (uint64_t)st.st_size);
	}
	return f->id;
}

/* -- both passes ------------------------------------------------------------------------------ */

static int by_effect(const void *x, const void *y)
{
	const struct rec_item *a = x, *b = y;

	if (a->ts != b->ts)
		return a->ts < b->ts ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

int rec_build(const struct rec_raws *raws, const struct rec_perf *perf, const struct rec_tree *tree,
	      struct rmrec_writer *w, struct rec_build_stats *stats, char err[REC_ERR_SIZE])
{
	struct rec_build b = { .perf = perf, .tree = tree, .w = w, .stats = stats };
	struct rec_task *first;
	int ret = 0;

	err[0] = 0;
	b.page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	b.sim = rec_sim_new((uint32_t)b.page_size);
	first = rec_task_of(&b, (uint64_t)rec_tree_pid(tree));
	if (!b.sim || !first || !(first->process = rec_add_process(&b)))
		ret = -ENOMEM;
	for (size_t i = 0; i < raws->nr; i++)
		b.tells_prepare |= raws->v[i].type == RAW_PREPARE_EXEC;
	for (size_t i = 0; i < raws->nr && !ret; i++)
		ret = rec_take_raw(&b, &raws->v[i]);
	if (!ret && b.nr_items)
		qsort(b.items, b.nr_items, sizeof(*b.items), by_effect);
	for (size_t i = 0; i < b.nr_items && !ret; i++)
		ret = rec_put_item(&b, &b.items[i], err);
	if (!ret)
		ret = rec_put_ends(&b);
	if (!ret && !stats->events)
		ret = rec_fail(err, "the trace holds no exec: is the recorder in a PID namespace?");
	if (b.sim)
		stats->returned = rec_sim_returned(b.sim);

	rec_sim_free(b.sim);
	for (size_t i = 0; i < b.nr_tasks; i++)
		free(b.tasks[i]);
	for (size_t i = 0; i < b.nr_processes; i++)
		free(b.processes[i]);
	for (size_t i = 0; i < b.cap_files; i++)
		free(b.files[i].path);
	free(b.tasks);
	free(b.processes);
	free(b.items);
	free(b.files);
	if (ret && !err[0])
		rec_fail(err, ret == -E2BIG ? "there are too many processes" : "no memory");
	return ret;
}
