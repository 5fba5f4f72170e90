// SPDX-License-Identifier: BSD-2-Clause
/* The first pass over a recording: who speaks for which process, which ends of calls belong together, and when each took effect. */
#include "record_build_int.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

/* error code of a page fault, x86 */
#define PF_PRESENT 1u
#define PF_WRITE   2u
#define PF_EXEC	   16u

/* -- calls ------------------------------------------------------------------------------------ */

static void set_result(struct rmrec_event *ev, uint64_t result)
{
	if (result > (uint64_t)-4096)
		ev->error = (uint32_t)(0 - result);
	else
		ev->result = result;
}

/* The file that perf saw in this call; 0 when none. */
static uint32_t call_file(struct rec_build *b, const struct rec_task *t)
{
	const struct rec_map *m = t->map == REC_NO_INDEX ? NULL : rec_perf_map(b->perf, t->map);

	return m && m->path ? rec_file_id(b, m->dev, m->ino, m->path) : 0;
}

static void make_mmap(struct rec_build *b, const struct rec_task *t, struct rmrec_event *ev)
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

static bool make_shmat(struct rec_build *b, const struct rec_task *t, struct rmrec_event *ev)
{
	const struct rec_map *m = t->map == REC_NO_INDEX ? NULL : rec_perf_map(b->perf, t->map);
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
static bool make_call(struct rec_build *b, const struct rec_task *t, uint64_t result,
		      struct rec_item *item, bool *early)
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

static int end_call(struct rec_build *b, struct rec_task *t, const struct rec_raw *raw)
{
	struct rec_item *item = rec_add_item(b, raw->ts, t->process, RMREC_NR_KINDS);
	bool early;

	if (!item)
		return -ENOMEM;
	if (!make_call(b, t, raw->a[1], item, &early)) {
		b->nr_items--;
		return 0;
	}
	if (t->lock_ts)
		item->ts = t->lock_ts;
	else if (t->map != REC_NO_INDEX)
		item->ts = t->map_ts;
	else if (early)
		item->ts = t->call.ts;
	return 0;
}

/* -- tasks --------------------------------------------------------------------- */

static int take_fault(struct rec_build *b, struct rec_task *t, const struct rec_raw *raw)
{
	struct rec_item *item;
	uint64_t code = raw->a[1];

	/* while an exec builds the new address space: the layout tells what came of it */
	if (t->in_exec || t->process->ended)
		return 0;
	item = rec_add_item(b, raw->ts, t->process, RMREC_FAULT);
	if (!item)
		return -ENOMEM;
	item->ev.addr = raw->a[0] & ~(b->page_size - 1);
	item->ev.fault =
		(code & PF_WRITE ? RMREC_F_WRITE : 0) | (code & PF_EXEC ? RMREC_F_EXEC : 0) |
		(code & PF_PRESENT ? RMREC_F_PRESENT : 0) | (raw->a[2] ? RMREC_F_KERNEL : 0);
	t->last_fault = b->nr_items;
	return 0;
}

static int take_newtask(struct rec_build *b, struct rec_task *t, const struct rec_raw *raw)
{
	struct rec_task *child = rec_task_of(b, raw->a[0]);
	uint64_t flags = raw->a[1];
	struct rec_process *p = t->process;
	struct rec_item *item;

	if (!child)
		return -ENOMEM;
	*child = (struct rec_task){ .map = REC_NO_INDEX };
	if (flags & CLONE_THREAD) {
		child->process = p;
		p->threads++;
		return rec_add_item(b, raw->ts, p, RMREC_THREAD) ? 0 : -ENOMEM;
	}
	item = rec_add_item(b, raw->ts, p, flags & CLONE_VM ? RMREC_SHARE : RMREC_FORK);
	child->process = rec_add_process(b);
	if (!item || !child->process)
		return -ENOMEM;
	child->process->started = true;
	item->child = child->process;
	if (!(flags & CLONE_VM) && t->in_call && t->lock_ts)
		item->ts = t->lock_ts;
	return 0;
}

static int take_exec(struct rec_build *b, struct rec_task *t, const struct rec_raw *raw)
{
	struct rec_item *item;

	if (raw->a[1] != raw->a[0]) {
		struct rec_task *old = rec_task_of(b, raw->a[1]);

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
	item = rec_add_item(b, raw->ts, t->process, RMREC_EXEC);
	t->exec_item = b->nr_items;
	return item ? 0 : -ENOMEM;
}

static int take_layout(struct rec_build *b, struct rec_task *t, const struct rec_raw *raw)
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

static int take_exit(struct rec_build *b, struct rec_task *t, const struct rec_raw *raw)
{
	struct rec_process *p = t->process;
	struct rec_item *item;

	if (p->ended)
		return 0;
	if (--p->threads)
		return rec_add_item(b, raw->ts, p, RMREC_THREAD_EXIT) ? 0 : -ENOMEM;
	p->ended = true;
	if (p->last_layout != REC_NO_INDEX) {
		item = rec_add_item(b, raw->ts, p, RMREC_NR_KINDS);
		if (!item)
			return -ENOMEM;
		item->compare = true;
		item->layout = p->last_layout;
	}
	return rec_add_item(b, raw->ts, p, RMREC_EXIT) ? 0 : -ENOMEM;
}

static bool is_exec(const struct rec_raw *raw)
{
	return raw->a[0] == SYS_execve || raw->a[0] == SYS_execveat;
}

int rec_take_raw(struct rec_build *b, const struct rec_raw *raw)
{
	struct rec_task *t = rec_task_of(b, raw->tid);

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
		t->map = REC_NO_INDEX;
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
