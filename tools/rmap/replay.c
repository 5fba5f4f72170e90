// SPDX-License-Identifier: BSD-2-Clause
/*
 * A record as a source of operations: what a real program did, for the runner to do again.
 *
 * Addresses are imposed: each mapping goes where Linux put it. Contents were not recorded; each
 * write fault writes a page of a new pattern, each read fault checks what is there. Mapped files
 * stand as sparse files of the recorded size, System V and memfd memory as shared memory files. The
 * vdso and its data are anonymous pages that nobody writes. Limits that the program may have had
 * raised (stack, locked memory) are wide, and overcommit refuses nothing, since the record knows
 * what was granted.
 *
 * Calls that failed are done again only where failing has effects (ENOMEM halfway through a range);
 * what failed for reasons outside the memory manager (a bad descriptor, a missing right) is left out.
 * Advice that this machine does not know (huge pages, merging) is left out and counted.
 */
#include "replay.h"
#include "rmrec.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLAY_PARTS  10u /* phases that a record is cut into, so that checks have places */
#define REPLAY_QUEUED 8u  /* operations that one event may become */
#define LINUX_ENOMEM  12u
#define STACK_LIMIT   (1ull << 30) /* more than programs have; less, so that strays do not fit */

struct replay {
	struct op_source source; /* first: the source is the replay */
	struct rmrec *record;
	char *name;
	struct op queue[REPLAY_QUEUED];
	unsigned int head, tail;
	bool *made; /* by file id: OP_FILE was given out */
	uint64_t events;
	uint64_t skipped; /* calls that this machine does not know */
	unsigned int part;
	bool began;
	char part_name[32];
};

static struct replay *replay_of(struct op_source *source)
{
	return (struct replay *)(void *)source;
}

/* The numbers of processes in operations begin with 1. */
static uint64_t proc_of(uint32_t proc)
{
	return (uint64_t)proc + 1;
}

static struct op *queue_op(struct replay *r, enum op_kind kind, uint64_t proc)
{
	struct op *op = &r->queue[r->tail++];

	op_init(op, kind);
	op->proc = proc;
	return op;
}

/* A file is made when it is first spoken of. */
static void need_file(struct replay *r, uint32_t id)
{
	const struct rmrec_file *f = rmrec_file(r->record, id);
	struct op *op;

	if (!f || r->made[id])
		return;
	r->made[id] = true;
	op = queue_op(r, OP_FILE, OP_NOTHING);
	op->file = id;
	op->len = f->size;
	op->flags = OP_FILE_SPARSE;
	if (!strncmp(f->path, "/memfd:", 7) || !strncmp(f->path, "/SYSV", 5) ||
	    !strncmp(f->path, "/dev/shm/", 9) || !strncmp(f->path, "/dev/zero", 9))
		op->flags = OP_FILE_SHMEM;
}

/* -- one event to operations ------------------------------------------------------------------ */

static void queue_range(struct replay *r, enum op_kind kind, const struct rmrec_event *ev)
{
	struct op *op = queue_op(r, kind, proc_of(ev->proc));

	op->addr.off = ev->addr;
	op->len = ev->len;
	op->prot = ev->prot;
	op->flags = (uint32_t)ev->flags;
	if (ev->error)
		op->outcome = OP_MAY_FAIL;
}

static void queue_exec(struct replay *r, const struct rmrec_event *ev)
{
	uint64_t proc = proc_of(ev->proc);
	struct op *op;

	if (!r->began) {
		queue_op(r, OP_NEW, proc);
		op = queue_op(r, OP_CAPS, proc);
		op->flags = MM_CAP_IPC_LOCK | MM_CAP_SYS_ADMIN;
		op = queue_op(r, OP_LIMIT, proc);
		op->flags = MM_LIMIT_STACK;
		op->value = STACK_LIMIT;
		r->began = true;
	} else {
		queue_op(r, OP_EXEC, proc);
	}
	op = queue_op(r, OP_SET_BRK, proc);
	op->addr.off = ev->addr;
}

/* A mapping whose place is known. */
static void queue_mapping(struct replay *r, const struct rmrec_event *ev, uint64_t at,
			  uint32_t flags)
{
	struct op *op;

	if (ev->file)
		need_file(r, ev->file);
	op = queue_op(r, OP_MMAP, proc_of(ev->proc));
	op->addr.off = ev->addr;
	op->len = ev->len;
	op->prot = ev->prot & (MM_PROT_READ | MM_PROT_WRITE | MM_PROT_EXEC);
	op->flags = flags;
	op->file = ev->file;
	op->file_mode = MM_FILE_READ | MM_FILE_WRITE;
	op->offset = ev->offset;
	op->impose = true;
	op->result = at;
}

static void queue_vma(struct replay *r, const struct rmrec_event *ev)
{
	uint32_t flags = MM_MAP_FIXED;
	struct op *op;

	if (ev->vma_flags & RMREC_V_HEAP && !ev->file) {
		op = queue_op(r, OP_BRK, proc_of(ev->proc));
		op->addr.off = op->result = ev->addr + ev->len;
		op->impose = true;
		return;
	}
	flags |= ev->vma_flags & RMREC_V_SHARED ? MM_MAP_SHARED : MM_MAP_PRIVATE;
	if (!ev->file)
		flags |= MM_MAP_ANONYMOUS;
	if (ev->vma_flags & RMREC_V_GROWSDOWN)
		flags |= MM_MAP_GROWSDOWN;
	queue_mapping(r, ev, ev->addr, flags);
}

static void queue_mmap(struct replay *r, const struct rmrec_event *ev)
{
	const uint64_t known = MM_MAP_FIXED | MM_MAP_ANONYMOUS | MM_MAP_GROWSDOWN | MM_MAP_LOCKED |
			       MM_MAP_NORESERVE | MM_MAP_POPULATE | MM_MAP_NONBLOCK | MM_MAP_STACK |
			       MM_MAP_FIXED_NOREPLACE;
	uint32_t flags = (uint32_t)(ev->flags & known);

	if (ev->error)
		return;
	flags |= ev->flags & MM_MAP_SHARED ? MM_MAP_SHARED : MM_MAP_PRIVATE;
	if (!ev->file)
		flags |= MM_MAP_ANONYMOUS;
	queue_mapping(r, ev, ev->result, flags);
}

static void queue_mremap(struct replay *r, const struct rmrec_event *ev)
{
	struct op *op;

	if (ev->error)
		return;
	op = queue_op(r, OP_MREMAP, proc_of(ev->proc));
	op->addr.off = ev->addr;
	op->len = ev->len;
	op->new_len = ev->new_len;
	op->flags = (uint32_t)ev->flags;
	op->new_addr.off = ev->new_addr;
	op->impose = true;
	op->result = ev->result;
}

static bool known_advice(uint64_t advice)
{
	switch (advice) {
	case MM_MADV_NORMAL:
	case MM_MADV_RANDOM:
	case MM_MADV_SEQUENTIAL:
	case MM_MADV_WILLNEED:
	case MM_MADV_DONTNEED:
	case MM_MADV_FREE:
	case MM_MADV_REMOVE:
	case MM_MADV_DONTFORK:
	case MM_MADV_DOFORK:
	case MM_MADV_HUGEPAGE:
	case MM_MADV_NOHUGEPAGE:
	case MM_MADV_DONTDUMP:
	case MM_MADV_DODUMP:
	case MM_MADV_WIPEONFORK:
	case MM_MADV_KEEPONFORK:
	case MM_MADV_COLD:
	case MM_MADV_PAGEOUT:
	case MM_MADV_POPULATE_READ:
	case MM_MADV_POPULATE_WRITE:
	case MM_MADV_DONTNEED_LOCKED:
		return true;
	default:
		return false;
	}
}

static void queue_fault(struct replay *r, const struct rmrec_event *ev)
{
	enum op_kind kind = OP_READ;
	struct op *op;

	if (ev->fault & RMREC_F_WRITE)
		kind = OP_WRITE;
	else if (ev->fault & RMREC_F_EXEC)
		kind = OP_FETCH;
	op = queue_op(r, kind, proc_of(ev->proc));
	op->addr.off = ev->addr;
	if (ev->fault & RMREC_F_DENIED)
		op->outcome = OP_MAY_FAIL;
}

static void queue_event(struct replay *r, const struct rmrec_event *ev)
{
	struct op *op;

	if (ev->error && ev->error != LINUX_ENOMEM)
		return;
	switch (ev->kind) {
	case RMREC_EXEC:
		queue_exec(r, ev);
		break;
	case RMREC_VMA:
		queue_vma(r, ev);
		break;
	case RMREC_MMAP:
		queue_mmap(r, ev);
		break;
	case RMREC_MUNMAP:
		queue_range(r, OP_MUNMAP, ev);
		break;
	case RMREC_MPROTECT:
		queue_range(r, OP_MPROTECT, ev);
		break;
	case RMREC_MREMAP:
		queue_mremap(r, ev);
		break;
	case RMREC_MADVISE:
		if (known_advice(ev->flags))
			queue_range(r, OP_MADVISE, ev);
		else
			r->skipped++;
		break;
	case RMREC_BRK:
		op = queue_op(r, OP_BRK, proc_of(ev->proc));
		op->addr.off = op->result = ev->result;
		op->impose = true;
		break;
	case RMREC_MLOCK:
		queue_range(r, OP_MLOCK, ev);
		break;
	case RMREC_MUNLOCK:
		queue_range(r, OP_MUNLOCK, ev);
		break;
	case RMREC_MLOCKALL:
		queue_range(r, OP_MLOCKALL, ev);
		break;
	case RMREC_MUNLOCKALL:
		queue_range(r, OP_MUNLOCKALL, ev);
		break;
	case RMREC_MSYNC:
		queue_range(r, OP_MSYNC, ev);
		break;
	case RMREC_FORK:
	case RMREC_SHARE:
		op = queue_op(r, ev->kind == RMREC_FORK ? OP_FORK : OP_SHARE, proc_of(ev->proc));
		op->target = proc_of(ev->child);
		break;
	case RMREC_EXIT:
		queue_op(r, OP_EXIT, proc_of(ev->proc));
		break;
	case RMREC_FAULT:
		queue_fault(r, ev);
		break;
	case RMREC_THREAD:
	case RMREC_THREAD_EXIT:
	case RMREC_NR_KINDS:
		break;
	}
}

/* -- the source -------------------------------------------------------------------------------- */

/* The events are cut into parts of equal length. */
static void queue_phase(struct replay *r)
{
	uint64_t total = rmrec_info(r->record)->nr_events;
	unsigned int part;

	if (!total)
		return;
	part = (unsigned int)((r->events * REPLAY_PARTS + total - 1) / total);
	part = part < 1 ? 1 : part > REPLAY_PARTS ? REPLAY_PARTS : part;
	if (part == r->part)
		return;
	r->part = part;
	snprintf(r->part_name, sizeof(r->part_name), "part %u of %u", part, REPLAY_PARTS);
	queue_op(r, OP_PHASE, OP_NOTHING)->text = r->part_name;
}

static int replay_next(struct op_source *source, struct op *op, char err[OPS_ERR_SIZE])
{
	struct replay *r = replay_of(source);

	while (r->head == r->tail) {
		struct rmrec_event ev;
		int ret = rmrec_next(r->record, &ev);

		if (ret < 0)
			snprintf(err, OPS_ERR_SIZE, "%s: %s", r->name, rmrec_error(r->record));
		if (ret <= 0)
			return ret;
		r->head = r->tail = 0;
		r->events++;
		/* a layout belongs together */
		if (ev.kind != RMREC_VMA)
			queue_phase(r);
		queue_event(r, &ev);
	}
	*op = r->queue[r->head++];
	return 1;
}

static const char *replay_file_name(struct op_source *source, uint32_t file, char *buf, size_t size)
{
	const struct rmrec_file *f = rmrec_file(replay_of(source)->record, file);

	snprintf(buf, size, "%s", f ? f->path : "?");
	return buf;
}

static const char *replay_facts(struct op_source *source, char *buf, size_t size)
{
	const struct replay *r = replay_of(source);
	const struct rmrec_info *info = rmrec_info(r->record);

	snprintf(buf, size,
		 "recorded command: %.200s\nrecorded on: %.200s\nrecorded events: %" PRIu64
		 "\nrecorded faults: %" PRIu64 "\nrecorded processes: %" PRIu32
		 "\nrecorded page size: %" PRIu32
		 "\nevents dropped by the recording kernel: %" PRIu64
		 "\nevents that did not fit at recording: %" PRIu64
		 "\npages from swap at recording: %" PRIu64 "\ncalls left out: %" PRIu64,
		 info->command, info->machine, info->nr_events, info->nr_faults, info->nr_procs,
		 info->page_size, info->dropped, info->misfits, info->swap_ins, r->skipped);
	return buf;
}

static void replay_close(struct op_source *source)
{
	struct replay *r = replay_of(source);

	rmrec_close(r->record);
	free(r->made);
	free(r->name);
	free(r);
}

/* Takes the record and the name, also on failure. */
static int open_record(struct rmrec *record, char *name, struct op_source **out,
		       char err[OPS_ERR_SIZE])
{
	const struct rmrec_info *info = rmrec_info(record);
	struct replay *r = calloc(1, sizeof(*r));

	if (r)
		r->made = calloc((size_t)info->nr_files + 1, sizeof(*r->made));
	if (!name || !r || !r->made) {
		snprintf(err, OPS_ERR_SIZE, "no memory to replay a record");
		goto fail;
	}
	if (info->page_size != RMAP_PAGE_SIZE) {
		snprintf(err, OPS_ERR_SIZE,
			 "%.200s: its pages have %" PRIu32 " bytes, ours have %u", name,
			 info->page_size, (unsigned int)RMAP_PAGE_SIZE);
		goto fail;
	}
	r->record = record;
	r->name = name;
	r->source = (struct op_source){
		.name = r->name,
		.kind = "record",
		.tolerant = true,
		.config = { .has_overcommit = true,
			    .overcommit = MM_OVERCOMMIT_ALWAYS,
			    .steps = info->nr_events },
		.next = replay_next,
		.file_name = replay_file_name,
		.facts = replay_facts,
		.close = replay_close,
	};
	*out = &r->source;
	return 0;
fail:
	rmrec_close(record);
	free(name);
	if (r)
		free(r->made);
	free(r);
	return -1;
}

int replay_open(const char *path, struct op_source **out, char err[OPS_ERR_SIZE])
{
	char sentence[RMREC_ERR_SIZE];
	struct rmrec *record;

	if (rmrec_open(path, &record, sentence)) {
		snprintf(err, OPS_ERR_SIZE, "%.200s: %s", path, sentence);
		return -1;
	}
	return open_record(record, strdup(path), out, err);
}

int replay_open_mem(const char *name, const void *bytes, size_t size, struct op_source **out,
		    char err[OPS_ERR_SIZE])
{
	char sentence[RMREC_ERR_SIZE];
	struct rmrec *record;

	if (rmrec_open_mem(bytes, size, &record, sentence)) {
		snprintf(err, OPS_ERR_SIZE, "%.200s: %s", name, sentence);
		return -1;
	}
	return open_record(record, strdup(name), out, err);
}
