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
#include "record_build.h"
#include "record_sim.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY	   UINT32_MAX
#define NO_INDEX   UINT64_MAX

/* error code of a page fault, x86 */
#define PF_PRESENT 1u
#define PF_WRITE   2u
#define PF_EXEC	   16u

struct process {
	uint32_t id;	      /* in the record; NOBODY before its first event */
	uint32_t threads;     /* alive, by the trace so far */
	bool started;	      /* it ran an exec, or descends from one that did */
	bool ended;	      /* first pass: its last thread has exited */
	bool gone;	      /* second pass: its exit is written, or it cannot be followed */
	uint64_t last_layout; /* taken when a thread of it ended; NO_INDEX */
};

struct task {
	struct process *process;
	struct rec_raw call; /* begun and not ended; valid if in_call */
	uint64_t lock_ts;    /* when it locked its address space; 0: not yet */
	uint64_t map;	     /* perf's event within the call, or NO_INDEX */
	uint64_t map_ts;
	size_t last_fault; /* item + 1; 0 when a call came since */
	size_t exec_item;  /* item + 1 of an exec that waits for its layout */
	bool in_call;
	bool in_exec; /* the old address space is gone, the new one not yet complete */
};

struct item {
	uint64_t ts, seq;
	struct process *process, *child;
	uint64_t layout; /* of an exec, or for comparison; NO_INDEX */
	bool compare;
	bool shmdt; /* a munmap whose length the layout tells */
	struct rmrec_event ev;
};

struct known_file {
	uint64_t dev, ino;
	char *path; /* NULL: free slot */
	uint32_t id;
};

struct build {
	const struct rec_perf *perf;
	const struct rec_tree *tree;
	struct rmrec_writer *w;
	struct rec_sim *sim;
	struct rec_build_stats *stats;
	uint64_t page_size;
	bool tells_prepare; /* the kernel has sched_prepare_exec */

	struct task **tasks; /* by thread id */
	size_t nr_tasks;
	struct process **processes;
	size_t nr_processes, cap_processes;
	struct item *items;
	size_t nr_items, cap_items;
	struct known_file *files; /* open addressing */
	size_t nr_files, cap_files;
};

/* -- tables ----------------------------------------------------------------------------------- */

static struct task *task_of(struct build *b, uint64_t tid)
{
	if (tid >= 1u << 22) /* the kernel's PID_MAX_LIMIT */
		return NULL;
	if (tid >= b->nr_tasks) {
		size_t nr = (size_t)tid + 1024;
		struct task **tasks = realloc(b->tasks, nr * sizeof(struct task *));

		if (!tasks)
			return NULL;
		memset(tasks + b->nr_tasks, 0, (nr - b->nr_tasks) * sizeof(struct task *));
		b->tasks = tasks;
		b->nr_tasks = nr;
	}
	if (!b->tasks[tid])
		b->tasks[tid] = calloc(1, sizeof(struct task));
	return b->tasks[tid];
}

static struct process *add_process(struct build *b)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	if (b->nr_processes == b->cap_processes) {
		size_t cap = b->cap_processes ? 2 * b->cap_processes : 64;
		struct process **processes = realloc(b->processes, cap * sizeof(struct process *));

		if (!processes) {
			free(p);
			return NULL;
		}
		b->processes = processes;
		b->cap_processes = cap;
	}
	b->processes[b->nr_processes++] = p;
	p->id = NOBODY;
	p->threads = 1;
	p->last_layout = NO_INDEX;
	return p;
}

static struct item *add_item(struct build *b, uint64_t ts, struct process *p, enum rmrec_kind kind)
{
	struct item *item;

	if (b->nr_items == b->cap_items) {
		size_t cap = b->cap_items ? 2 * b->cap_items : 4096;
		struct item *items = realloc(b->items, cap * sizeof(*items));

		if (!items)
			return NULL;
		b->items = items;
		b->cap_items = cap;
	}
	item = &b->items[b->nr_items];
	*item = (struct item){ .ts = ts, .seq = b->nr_items, .process = p, .layout = NO_INDEX };
	item->ev.kind = kind;
	b->nr_items++;
	return item;
}

static struct known_file *file_slot(struct known_file *files, size_t cap, uint64_t dev,
				    uint64_t ino, const char *path)
{
	size_t i = (size_t)((dev * 31 + ino) * 0x9e3779b97f4a7c15ull >> 24) & (cap - 1);

	while (files[i].path &&
	       (files[i].dev != dev || files[i].ino != ino || strcmp(files[i].path, path)))
		i = (i + 1) & (cap - 1);
	return &files[i];
}

/* The id of a file in the record; 0 without memory. */
static uint32_t file_id(struct build *b, uint64_t dev, uint64_t ino, const char *path)
{
	struct known_file *f;

	if (2 * (b->nr_files + 1) > b->cap_files) {
		size_t cap = b->cap_files ? 2 * b->cap_files : 256;
		struct known_file *files = calloc(cap, sizeof(*files));

		if (!files)
			return 0;
		for (size_t i = 0; i < b->cap_files; i++) {
			const struct known_file *from = &b->files[i];

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

/* -- the first pass: calls --------------------------------------------------------------------- */

static void set_result(struct rmrec_event *ev, uint64_t result)
{
	if (result > (uint64_t)-4096)
		ev->error = (uint32_t)(0 - result);
	else
		ev->result = result;
}

/* The file that perf saw in this call; 0 when none. */
static uint32_t call_file(struct build *b, const struct task *t)
{
	const struct rec_map *m = t->map == NO_INDEX ? NULL : rec_perf_map(b->perf, t->map);

	return m && m->path ? file_id(b, m->dev, m->ino, m->path) : 0;
}

static void make_mmap(struct build *b, const struct task *t, struct rmrec_event *ev)
{
	const uint64_t *arg = t->call.a + 1;

	ev->kind = RMREC_MMAP;
	ev->addr = arg[0];
	ev->len = arg[1];
	ev->prot = (uint32_t)arg[2];
	ev->flags = arg[3];
	if (ev->flags & MAP_ANONYMOUS || ev->error)
		return;
	ev->file = call_file(b, t);
	ev->offset = arg[5];
	if (!ev->file)
		b->stats->nameless++;
}

static bool make_shmat(struct build *b, const struct task *t, struct rmrec_event *ev)
{
	const struct rec_map *m = t->map == NO_INDEX ? NULL : rec_perf_map(b->perf, t->map);
	uint64_t flags = t->call.a[3];

	if (ev->error || !m || ev->result < m->addr || ev->result >= m->addr + m->len)
		return false;
	ev->kind = RMREC_MMAP;
	ev->addr = t->call.a[2];
	ev->len = m->addr + m->len - ev->result;
	ev->prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) |
		   (flags & SHM_EXEC ? PROT_EXEC : 0);
	ev->flags = MAP_SHARED;
	ev->file = call_file(b, t);
	return ev->file != 0;
}

/*
 * What a call says in the record; false for one that says nothing. *early: without better
 * knowledge it takes effect at its beginning.
 */
static bool make_call(struct build *b, const struct task *t, uint64_t result, struct item *item,
		      bool *early)
{
	const uint64_t *arg = t->call.a + 1;
	struct rmrec_event *ev = &item->ev;

	*early = false;
	set_result(ev, result);
	ev->addr = arg[0];
	ev->len = arg[1];
	switch ((long)t->call.a[0]) {
	case SYS_mmap:
		make_mmap(b, t, ev);
		return true;
	case SYS_shmat:
		return make_shmat(b, t, ev);
	case SYS_shmdt:
		item->shmdt = true;
		ev->len = 0;
		*early = true;
		ev->kind = RMREC_MUNMAP;
		break;
	case SYS_munmap:
		*early = true;
		ev->kind = RMREC_MUNMAP;
		break;
#ifdef SYS_pkey_mprotect
	case SYS_pkey_mprotect:
#endif
	case SYS_mprotect:
		ev->kind = RMREC_MPROTECT;
		ev->prot = (uint32_t)arg[2];
		break;
	case SYS_mremap:
		ev->kind = RMREC_MREMAP;
		ev->new_len = arg[2];
		ev->flags = arg[3];
		ev->new_addr = ev->flags & ~(uint64_t)MREMAP_MAYMOVE ? arg[4] : 0;
		return true;
	case SYS_madvise:
		*early = true;
		ev->kind = RMREC_MADVISE;
		ev->flags = arg[2];
		break;
	case SYS_brk:
		ev->kind = RMREC_BRK;
		ev->len = 0;
		return !ev->error;
	case SYS_mlock2:
		ev->flags = arg[2];
		ev->kind = RMREC_MLOCK;
		break;
	case SYS_mlock:
		ev->kind = RMREC_MLOCK;
		break;
	case SYS_munlock:
		ev->kind = RMREC_MUNLOCK;
		break;
	case SYS_msync:
		ev->kind = RMREC_MSYNC;
		ev->flags = arg[2];
		break;
	case SYS_mlockall:
		ev->kind = RMREC_MLOCKALL;
		ev->flags = arg[0];
		ev->addr = ev->len = 0;
		break;
	case SYS_munlockall:
		ev->kind = RMREC_MUNLOCKALL;
		ev->addr = ev->len = 0;
		break;
	default:
		return false;
	}
	ev->result = 0;
	return true;
}

static int end_call(struct build *b, struct task *t, const struct rec_raw *raw)
{
	struct item *item = add_item(b, raw->ts, t->process, RMREC_NR_KINDS);
	bool early;

	if (!item)
		return -ENOMEM;
	if (!make_call(b, t, raw->a[1], item, &early)) {
		b->nr_items--;
		return 0;
	}
	if (t->lock_ts)
		item->ts = t->lock_ts;
	else if (t->map != NO_INDEX)
		item->ts = t->map_ts;
	else if (early)
		item->ts = t->call.ts;
	return 0;
}

/* -- the first pass: tasks --------------------------------------------------------------------- */

static int take_fault(struct build *b, struct task *t, const struct rec_raw *raw)
{
	struct item *item;
	uint64_t code = raw->a[1];

	/* while an exec builds the new address space: the layout tells what came of it */
	if (t->in_exec || t->process->ended)
		return 0;
	item = add_item(b, raw->ts, t->process, RMREC_FAULT);
	if (!item)
		return -ENOMEM;
	item->ev.addr = raw->a[0] & ~(b->page_size - 1);
	item->ev.fault =
		(code & PF_WRITE ? RMREC_F_WRITE : 0) | (code & PF_EXEC ? RMREC_F_EXEC : 0) |
		(code & PF_PRESENT ? RMREC_F_PRESENT : 0) | (raw->a[2] ? RMREC_F_KERNEL : 0);
	t->last_fault = b->nr_items;
	return 0;
}

static int take_newtask(struct build *b, struct task *t, const struct rec_raw *raw)
{
	struct task *child = task_of(b, raw->a[0]);
	uint64_t flags = raw->a[1];
	struct process *p = t->process;
	struct item *item;

	if (!child)
		return -ENOMEM;
	*child = (struct task){ .map = NO_INDEX };
	if (flags & CLONE_THREAD) {
		child->process = p;
		p->threads++;
		return add_item(b, raw->ts, p, RMREC_THREAD) ? 0 : -ENOMEM;
	}
	item = add_item(b, raw->ts, p, flags & CLONE_VM ? RMREC_SHARE : RMREC_FORK);
	child->process = add_process(b);
	if (!item || !child->process)
		return -ENOMEM;
	child->process->started = true;
	item->child = child->process;
	if (!(flags & CLONE_VM) && t->in_call && t->lock_ts)
		item->ts = t->lock_ts;
	return 0;
}

static int take_exec(struct build *b, struct task *t, const struct rec_raw *raw)
{
	struct item *item;

	if (raw->a[1] != raw->a[0]) {
		struct task *old = task_of(b, raw->a[1]);

		if (!old)
			return -ENOMEM;
		if (old->process)
			t->process = old->process;
		old->process = NULL;
	}
	if (!t->process)
		return 0;
	t->process->threads = 1;
	t->process->ended = false;
	t->process->started = true;
	t->in_call = false;
	t->in_exec = true; /* until the layout is there */
	item = add_item(b, raw->ts, t->process, RMREC_EXEC);
	t->exec_item = b->nr_items;
	return item ? 0 : -ENOMEM;
}

static int take_layout(struct build *b, struct task *t, const struct rec_raw *raw)
{
	const struct rec_layout *l = rec_tree_layout(b->tree, raw->a[0]);

	if (l->at_exit) {
		t->process->last_layout = raw->a[0];
		return 0;
	}
	t->in_exec = false;
	if (t->exec_item)
		b->items[t->exec_item - 1].layout = raw->a[0];
	t->exec_item = 0;
	return 0;
}

static int take_exit(struct build *b, struct task *t, const struct rec_raw *raw)
{
	struct process *p = t->process;
	struct item *item;

	if (p->ended)
		return 0;
	if (--p->threads)
		return add_item(b, raw->ts, p, RMREC_THREAD_EXIT) ? 0 : -ENOMEM;
	p->ended = true;
	if (p->last_layout != NO_INDEX) {
		item = add_item(b, raw->ts, p, RMREC_NR_KINDS);
		if (!item)
			return -ENOMEM;
		item->compare = true;
		item->layout = p->last_layout;
	}
	return add_item(b, raw->ts, p, RMREC_EXIT) ? 0 : -ENOMEM;
}

static bool is_exec(const struct rec_raw *raw)
{
	return raw->a[0] == SYS_execve || raw->a[0] == SYS_execveat;
}

static int take_raw(struct build *b, const struct rec_raw *raw)
{
	struct task *t = task_of(b, raw->tid);

	if (!t)
		return -ENOMEM;
	if (raw->type == RAW_EXEC)
		return take_exec(b, t, raw);
	if (!t->process || !t->process->started)
		return 0;
	switch ((enum rec_raw_type)raw->type) {
	case RAW_ENTER:
		t->call = *raw;
		t->in_call = true;
		t->lock_ts = 0;
		t->map = NO_INDEX;
		t->last_fault = 0;
		/* without knowing when the old address space goes, drop all faults of the call */
		if (is_exec(raw) && !b->tells_prepare)
			t->in_exec = true;
		return 0;
	case RAW_LEAVE:
		if (!t->in_call || t->call.a[0] != raw->a[0])
			return 0;
		t->in_call = false;
		if (is_exec(raw))
			t->in_exec = false; /* it failed */
		return end_call(b, t, raw);
	case RAW_LOCK:
		if (t->in_call && !t->lock_ts)
			t->lock_ts = raw->ts;
		return 0;
	case RAW_MAP:
		if (t->in_call) {
			t->map = raw->a[0];
			t->map_ts = raw->ts;
		}
		return 0;
	case RAW_FAULT:
		return take_fault(b, t, raw);
	case RAW_SEGV:
		/* raised by the kernel for this very thread: the fault before it was refused */
		if (raw->a[1] == raw->tid && (int32_t)raw->a[2] > 0 && t->last_fault)
			b->items[t->last_fault - 1].ev.fault |= RMREC_F_DENIED;
		return 0;
	case RAW_NEWTASK:
		return take_newtask(b, t, raw);
	case RAW_PREPARE_EXEC:
		t->in_exec = true;
		return 0;
	case RAW_LAYOUT:
		return take_layout(b, t, raw);
	case RAW_EXIT:
		return take_exit(b, t, raw);
	case RAW_EXEC:
		break;
	}
	return 0;
}

/* -- the second pass -------------------------------------------------------------------------- */

static int by_effect(const void *x, const void *y)
{
	const struct item *a = x, *b = y;

	if (a->ts != b->ts)
		return a->ts < b->ts ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static void note(struct build *b, const char *what)
{
	struct rec_build_stats *s = b->stats;

	if (s->nr_whys < REC_MAX_WHYS)
		snprintf(s->whys[s->nr_whys++], sizeof(s->whys[0]), "event %" PRIu64 ", %s",
			 s->events, what);
}

static int put(struct build *b, const struct rmrec_event *ev)
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

static int put_exec(struct build *b, struct item *item, char err[REC_ERR_SIZE])
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
			ev.file = file_id(b, v->dev, v->ino, v->path);
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
			ev.file = file_id(b, v->dev, v->ino, v->path);
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
static uint64_t shm_length(const struct build *b, uint32_t proc, uint64_t addr)
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
static void compare(struct build *b, const struct item *item)
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

static int put_item(struct build *b, struct item *item, char err[REC_ERR_SIZE])
{
	struct process *p = item->process;

	if (item->ev.kind == RMREC_EXEC && item->layout == NO_INDEX) {
		/* killed before its layout could be read: nothing more is known of it */
		if (p->id != NOBODY && !p->gone)
			item->ev.kind = RMREC_EXIT;
		else
			return 0;
	}
	if (p->id == NOBODY) {
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

/* Processes that were alive when recording stopped end with the record. */
static int put_ends(struct build *b)
{
	int ret = 0;

	for (size_t i = 0; i < b->nr_processes && !ret; i++) {
		struct process *p = b->processes[i];

		if (p->id != NOBODY && !p->gone)
			ret = put(b, &(struct rmrec_event){ .kind = RMREC_EXIT, .proc = p->id });
	}
	return ret;
}

int rec_build(const struct rec_raws *raws, const struct rec_perf *perf, const struct rec_tree *tree,
	      struct rmrec_writer *w, struct rec_build_stats *stats, char err[REC_ERR_SIZE])
{
	struct build b = { .perf = perf, .tree = tree, .w = w, .stats = stats };
	struct task *first;
	int ret = 0;

	err[0] = 0;
	b.page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	b.sim = rec_sim_new((uint32_t)b.page_size);
	first = task_of(&b, (uint64_t)rec_tree_pid(tree));
	if (!b.sim || !first || !(first->process = add_process(&b)))
		ret = -ENOMEM;
	for (size_t i = 0; i < raws->nr; i++)
		b.tells_prepare |= raws->v[i].type == RAW_PREPARE_EXEC;
	for (size_t i = 0; i < raws->nr && !ret; i++)
		ret = take_raw(&b, &raws->v[i]);
	if (!ret && b.nr_items)
		qsort(b.items, b.nr_items, sizeof(*b.items), by_effect);
	for (size_t i = 0; i < b.nr_items && !ret; i++)
		ret = put_item(&b, &b.items[i], err);
	if (!ret)
		ret = put_ends(&b);
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
