// SPDX-License-Identifier: BSD-2-Clause
/*
 * Scenes: operations that belong together, which chance alone would hardly ever put in this order.
 *
 * Each is the skeleton of something that went wrong in some kernel once: a page that moves away from home and back, a
 * neighbour that is faulted after a fork, a tail that a truncation cuts and growth brings back. Places and lengths are drawn as
 * everywhere.
 */
#include "verify_random_int.h"

#include <string.h>

static struct op *begin(struct random *g, struct op *op, enum op_kind kind, uint64_t addr,
			uint64_t len)
{
	op_init(op, kind);
	op->proc = g->self->id;
	aim_address(g, addr, &op->addr);
	op->len = len;
	return op;
}

static void map(struct random *g, uint64_t addr, uint64_t len, uint32_t flags)
{
	struct op op;

	begin(g, &op, OP_MMAP, addr, len);
	op.prot = MM_PROT_READ | MM_PROT_WRITE;
	op.flags = MM_MAP_ANONYMOUS | MM_MAP_PRIVATE | MM_MAP_FIXED | flags;
	op.file_mode = MM_FILE_READ | MM_FILE_WRITE;
	random_queue(g, &op);
}

static void map_file(struct random *g, uint64_t addr, uint64_t len, uint64_t offset,
		     uint32_t sharing)
{
	struct op op;

	begin(g, &op, OP_MMAP, addr, len);
	op.prot = MM_PROT_READ | MM_PROT_WRITE;
	op.flags = sharing | MM_MAP_FIXED;
	op.file = g->file[random_below(g, RANDOM_FILES)];
	op.file_mode = random_file_mode(g, op.file);
	op.offset = offset;
	if (op.file)
		random_queue(g, &op);
}

static void simple(struct random *g, enum op_kind kind, uint64_t addr, uint64_t len)
{
	struct op op;

	begin(g, &op, kind, addr, len);
	random_queue(g, &op);
}

static void protect(struct random *g, uint64_t addr, uint64_t len, uint32_t prot)
{
	struct op op;

	begin(g, &op, OP_MPROTECT, addr, len)->prot = prot;
	random_queue(g, &op);
}

static void advise(struct random *g, uint64_t addr, uint64_t len, uint32_t advice)
{
	struct op op;

	begin(g, &op, OP_MADVISE, addr, len)->flags = advice;
	random_queue(g, &op);
}

static void move(struct random *g, uint64_t addr, uint64_t len, uint64_t to, uint32_t flags)
{
	struct op op;

	begin(g, &op, OP_MREMAP, addr, len);
	op.new_len = len;
	op.flags = MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED | flags;
	aim_address(g, to, &op.new_addr);
	random_queue(g, &op);
}

/* The child's number, 0: there is no room for one. */
static uint64_t fork_one(struct random *g)
{
	struct op op;

	if (g->nr_processes >= g->options.processes || g->self->depth >= RANDOM_DEPTH)
		return 0;
	begin(g, &op, OP_FORK, 0, 0)->target = g->last_id + 1;
	random_queue(g, &op);
	return op.target;
}

static void of(struct random *g, uint64_t proc, enum op_kind kind, uint64_t addr, uint64_t len)
{
	struct op op;

	if (!proc)
		return;
	begin(g, &op, kind, addr, len)->proc = proc;
	random_queue(g, &op);
}

static uint64_t home(struct random *g)
{
	return HOME_BASE + random_below(g, HOME_PAGES) * PAGE;
}

/* ---------------------------------------------------------------- the scenes */

/* Faulted, moved away, something at its old place, and home again: which of these merge? */
static void there_and_back(struct random *g)
{
	uint64_t a = home(g), len = PAGE * (2 + random_below(g, 4));
	uint64_t b = TABLE_BASE + random_below(g, EDGE_PAGES) * PAGE;

	map(g, a, len, 0);
	simple(g, OP_WRITE, a + random_below(g, len / PAGE) * PAGE, PAGE);
	if (random_percent(g, 40))
		fork_one(g);
	move(g, a, len, b, random_percent(g, 30) ? MM_MREMAP_DONTUNMAP : 0);
	if (random_percent(g, 50))
		map(g, a - PAGE, PAGE * 2, 0);
	if (random_percent(g, 50))
		simple(g, OP_WRITE, a + len, PAGE);
	move(g, b, len, a, 0);
	simple(g, OP_READ, a, len);
}

/* Neighbours, each faulted or not, before or after a fork, brought together by what lies between them. */
static void between_neighbours(struct random *g)
{
	uint64_t a = home(g), pages = 1 + random_below(g, 3), child = 0;
	uint32_t when = (uint32_t)random_below(g, 4);

	map(g, a, pages * PAGE, 0);
	map(g, a + (pages + 2) * PAGE, pages * PAGE, 0);
	if (when & 1)
		simple(g, OP_WRITE, a, PAGE);
	if (random_percent(g, 50))
		child = fork_one(g);
	if (when & 2)
		simple(g, OP_WRITE, a + (pages + 2) * PAGE, PAGE);
	if (child && random_percent(g, 50))
		of(g, child, OP_EXIT, 0, 0);
	map(g, a + pages * PAGE, PAGE, 0);
	if (random_percent(g, 50))
		simple(g, OP_WRITE, a + pages * PAGE, PAGE);
	map(g, a + (pages + 1) * PAGE, PAGE, 0);
	simple(g, OP_WRITE, a, (pages * 2 + 2) * PAGE);
}

/* Split by protection into three, changed, and back. */
static void split_and_merge(struct random *g)
{
	struct aim aim = aim_range(g);
	uint64_t third = aim.len / PAGE / 3 * PAGE;

	if (!third)
		return;
	protect(g, aim.addr + third, third, MM_PROT_READ);
	simple(g, OP_WRITE, aim.addr, PAGE);
	if (random_percent(g, 50))
		simple(g, OP_WRITE, aim.addr + 2 * third, PAGE);
	if (random_percent(g, 40))
		fork_one(g);
	protect(g, aim.addr + third, third / PAGE > 1 ? third - PAGE : third,
		MM_PROT_READ | MM_PROT_WRITE);
	protect(g, aim.addr, aim.len, MM_PROT_READ | MM_PROT_WRITE);
	simple(g, OP_WRITE, aim.addr, aim.len);
}

/* Written by both, unmapped by one, written again: who copies, who reuses? */
static void copy_on_write(struct random *g)
{
	uint64_t a = home(g), len = PAGE * (1 + random_below(g, 4)), child;

	map(g, a, len, random_percent(g, 20) ? MM_MAP_POPULATE : 0);
	simple(g, OP_WRITE, a, len);
	child = fork_one(g);
	if (random_percent(g, 30))
		protect(g, a, len, MM_PROT_READ);
	of(g, child, random_percent(g, 50) ? OP_WRITE : OP_READ, a, PAGE);
	switch (random_below(g, 4)) {
	case 0:
		of(g, child, OP_EXIT, 0, 0);
		break;
	case 1:
		of(g, child, OP_MUNMAP, a, len);
		break;
	case 2:
		advise(g, a, len, g->options.swap ? MM_MADV_PAGEOUT : MM_MADV_DONTNEED);
		break;
	default:
		break;
	}
	protect(g, a, len, MM_PROT_READ | MM_PROT_WRITE);
	simple(g, OP_WRITE, a, len);
	of(g, child, OP_READ, a, len);
}

/* A file is cut under its mappings, grows again, and is looked at. */
static void cut_file(struct random *g)
{
	uint64_t a = home(g), len = PAGE * (3 + random_below(g, 6));
	struct op op;

	map_file(g, a, len, 0, random_percent(g, 50) ? MM_MAP_PRIVATE : MM_MAP_SHARED);
	if (!g->queued || !g->queue[0].file)
		return;
	simple(g, OP_WRITE, a + PAGE, len - PAGE);
	if (random_percent(g, 40))
		fork_one(g);
	op_init(&op, OP_FILE_TRUNCATE);
	op.proc = g->self->id;
	op.file = g->queue[0].file;
	op.len = random_below(g, len);
	random_queue(g, &op);
	simple(g, OP_READ, a + len - PAGE, PAGE);
	op.len = len;
	random_queue(g, &op);
	simple(g, OP_READ, a, len);
	simple(g, OP_WRITE, a + len - PAGE, PAGE);
}

/* A stack grows towards a neighbour, or to its limit. */
static void grow_stack(struct random *g)
{
	uint64_t top = STACK_BASE + STACK_PAGES * PAGE, at;

	map(g, top - 4 * PAGE, 4 * PAGE,
	    MM_MAP_GROWSDOWN | (random_percent(g, 15) ? MM_MAP_LOCKED : 0));
	if (random_percent(g, 50))
		map(g, top - (200 + random_below(g, 200)) * PAGE, 2 * PAGE, 0);
	for (int i = 0; i < 4; i++) {
		at = top - (5 + random_below(g, i < 2 ? 40 : 500)) * PAGE;
		simple(g, random_percent(g, 80) ? OP_WRITE : OP_READ, at, PAGE);
	}
	if (random_percent(g, 40))
		fork_one(g);
	protect(g, top - 3 * PAGE, PAGE, MM_PROT_READ | MM_PROT_GROWSDOWN);
}

/* Several VMAs move in one call, onto others, with holes between them. */
static void move_many(struct random *g)
{
	uint64_t a = home(g), b = TABLE_BASE + random_below(g, 6) * PAGE, len = 0;
	uint32_t n = 2 + (uint32_t)random_below(g, 3);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t pages = 1 + random_below(g, 2);

		map(g, a + len, pages * PAGE, random_percent(g, 30) ? MM_MAP_NORESERVE : 0);
		if (random_percent(g, 60))
			simple(g, OP_WRITE, a + len, PAGE);
		len += (pages + random_below(g, 2)) * PAGE;
	}
	if (random_percent(g, 40))
		map_file(g, b + PAGE, 2 * PAGE, PAGE, MM_MAP_SHARED);
	move(g, a, len, b, random_percent(g, 15) ? MM_MREMAP_DONTUNMAP : 0);
	simple(g, OP_READ, b, PAGE);
}

/* Locks that split and limits that are met in the middle. */
static void lock_parts(struct random *g)
{
	struct aim aim = aim_range(g);
	struct op op;

	simple(g, OP_MLOCK, aim.addr, aim.len);
	simple(g, OP_MUNLOCK, aim.addr + PAGE, PAGE);
	op_init(&op, OP_LIMIT);
	op.proc = g->self->id;
	op.flags = MM_LIMIT_MEMLOCK;
	op.value = (g->locked_pages + random_below(g, 6)) * PAGE;
	random_queue(g, &op);
	simple(g, OP_MLOCK, aim.addr, aim.len + PAGE);
	op.value = 8u << 20;
	random_queue(g, &op);
	advise(g, aim.addr, aim.len,
	       random_percent(g, 50) ? MM_MADV_DONTNEED_LOCKED : MM_MADV_DONTNEED);
	if (random_percent(g, 50))
		fork_one(g);
}

/* What a child does not get, or gets empty. */
static void not_for_children(struct random *g)
{
	struct aim aim = aim_range(g);
	uint64_t child;

	simple(g, OP_WRITE, aim.addr, aim.len < 4 * PAGE ? aim.len : 4 * PAGE);
	advise(g, aim.addr, aim.len, random_percent(g, 50) ? MM_MADV_DONTFORK : MM_MADV_WIPEONFORK);
	child = fork_one(g);
	of(g, child, OP_READ, aim.addr, PAGE);
	of(g, child, OP_WRITE, aim.addr, PAGE);
	advise(g, aim.addr, aim.len, random_percent(g, 50) ? MM_MADV_DOFORK : MM_MADV_KEEPONFORK);
	of(g, child, OP_MPROTECT, aim.addr, aim.len);
}

/* Freed but written again, shared or not; out and in. */
static void free_and_back(struct random *g)
{
	uint64_t a = home(g), len = PAGE * (1 + random_below(g, 5));

	map(g, a, len, 0);
	simple(g, OP_WRITE, a, len);
	if (random_percent(g, 50))
		fork_one(g);
	advise(g, a, len, MM_MADV_FREE);
	simple(g, random_percent(g, 50) ? OP_WRITE : OP_READ, a, PAGE);
	if (g->options.swap)
		advise(g, a, len, MM_MADV_PAGEOUT);
	advise(g, a, len, MM_MADV_COLD);
	simple(g, OP_WRITE, a, len);
}

void random_scene(struct random *g)
{
	static void (*const scenes[])(struct random * g) = {
		there_and_back,	  between_neighbours, split_and_merge, copy_on_write,
		cut_file,	  grow_stack,	      move_many,       lock_parts,
		not_for_children, free_and_back,
	};

	g->queued = g->queue_at = 0;
	scenes[random_below(g, sizeof(scenes) / sizeof(scenes[0]))](g);
}
