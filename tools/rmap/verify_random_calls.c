// SPDX-License-Identifier: BSD-2-Clause
/*
 * The arguments of each kind of operation.
 *
 * A call gets sense by its aim and variety by its flags. Some calls get arguments that make none (unaligned, wrapping, empty,
 * beyond the address space, unknown flags), because which error wins is part of Linux's interface. Some things are never asked for,
 * since they would not be about memory management but about the puppets: ranges that reach over a large part of the
 * address space without being refused; huge pages; and instruction fetches, which run what stands there.
 */
#include "verify_block.h"
#include "verify_random_int.h"

#include <mm/mm_types.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static bool weird(struct random *g)
{
	return random_below(g, 1000) < g->weird;
}

/* Where a page, a limit, a sign or an address space ends, or just beside it. */
static uint64_t an_edge(struct random *g)
{
	static const uint64_t edges[] = {
		0,
		PAGE,
		(uint64_t)1 << 31,
		(uint64_t)1 << 32,
		MM_TASK_SIZE,
		MM_ADDRESS_END,
		(uint64_t)1 << 52,
		(uint64_t)INT64_MAX & RMAP_PAGE_MASK,
		(uint64_t)1 << 63,
		UINT64_MAX & RMAP_PAGE_MASK,
	};
	static const int64_t beside[] = { 0, 0, 1, -1, PAGE, -(int64_t)PAGE };

	return edges[random_below(g, LENGTH(edges))] +
	       (uint64_t)beside[random_below(g, LENGTH(beside))];
}

#define LOWEST 65536u

/* Below the kernel's two lowest addresses, which may differ; nor the last page, where it says the address itself for an error. */
static uint64_t place_edge(struct random *g)
{
	uint64_t edge = an_edge(g);

	return edge < LOWEST || edge > (UINT64_MAX & RMAP_PAGE_MASK) ? MM_TASK_SIZE : edge;
}

/* One bit that is not among those. */
static uint32_t unknown_bit(struct random *g, uint32_t known)
{
	uint32_t bit;

	do
		bit = 1u << random_below(g, 32);
	while (bit & known);
	return bit;
}

/* A length that is small, or that nobody can have: what lies between would be had, and be looked at page by page. */
static uint64_t edge_len(struct random *g)
{
	uint64_t len = an_edge(g);

	return len > 1024 * PAGE && len < MM_TASK_SIZE ? MM_ADDRESS_END : len;
}

/* Would what is done to the range be done to the puppet's house? A range that wraps is refused. */
static bool covers_house(uint64_t addr, uint64_t len)
{
	uint64_t end = addr + ((len + PAGE - 1) & RMAP_PAGE_MASK);

	return addr < HOUSE_BASE + HOUSE_SIZE && end > HOUSE_BASE;
}

/* Spoil a range. */
static void spoil(struct random *g, uint64_t *addr, uint64_t *len)
{
	switch (random_below(g, 9)) {
	case 0:
	case 1:
		*addr += 1 + random_below(g, PAGE - 1);
		break;
	case 2:
		*len = 0;
		break;
	case 3:
	case 4:
		*len += 1 + random_below(g, PAGE - 1);
		break;
	case 5: /* wraps */
		*len = UINT64_MAX - random_below(g, 2 * PAGE);
		break;
	case 6:
		*addr = an_edge(g);
		break;
	case 7:
		*len = an_edge(g);
		if (covers_house(*addr, *len))
			*len = 0;
		break;
	default:
		*addr = MM_TASK_SIZE + (random_below(g, 3) - 1) * PAGE;
	}
}

static void range(struct random *g, struct op *op)
{
	struct aim aim = aim_range(g);

	if (weird(g))
		spoil(g, &aim.addr, &aim.len);
	aim_address(g, aim.addr, &op->addr);
	op->len = aim.len;
}

static uint32_t protection(struct random *g)
{
	static const uint32_t weights[] = { 55, 17, 9, 5, 5, 5, 4 };
	static const uint32_t prots[] = {
		MM_PROT_READ | MM_PROT_WRITE,
		MM_PROT_READ,
		MM_PROT_NONE,
		MM_PROT_READ | MM_PROT_EXEC,
		MM_PROT_READ | MM_PROT_WRITE | MM_PROT_EXEC,
		MM_PROT_WRITE,
		MM_PROT_EXEC,
	};

	return prots[random_weighted(g, weights, LENGTH(prots))];
}

void random_name(struct random *g, struct op *op, uint64_t len)
{
	op->out = ++g->last_mark;
	g->pending.number = op->out;
	g->pending.len = len;
}

/* ---------------------------------------------------------------- mmap */

static uint32_t pick_file(struct random *g)
{
	uint32_t number = g->file[random_below(g, RANDOM_FILES)];

	return number ? number : g->file[0];
}

/* Neighbours in a file are neighbours in memory: then they can merge. */
static uint64_t file_offset(struct random *g, uint64_t addr)
{
	static const uint64_t overflowing[] = {
		(uint64_t)INT64_MAX & RMAP_PAGE_MASK,
		(uint64_t)1 << 63,
		UINT64_MAX & RMAP_PAGE_MASK,
	};

	if (random_percent(g, 65))
		return (addr / PAGE) % 16 * PAGE;
	if (weird(g))
		return random_percent(g, 50) ? 1 + random_below(g, PAGE - 1)
					     /* one that overflows with any length */
					     : overflowing[random_below(g, LENGTH(overflowing))];
	return random_below(g, 24) * PAGE;
}

static void map_what(struct random *g, struct op *op, uint64_t addr)
{
	static const uint32_t weights[] = { 48, 12, 20, 20 };
	uint32_t what = random_weighted(g, weights, 4);

	op->flags = what == 0 || what == 2 ? MM_MAP_PRIVATE : MM_MAP_SHARED;
	if (what == 3 && random_percent(g, 10))
		op->flags = MM_MAP_SHARED_VALIDATE;
	if (what >= 2)
		op->file = pick_file(g);
	op->file_mode = random_file_mode(g, op->file);
	if (!op->file) {
		op->flags |= MM_MAP_ANONYMOUS;
		return;
	}
	op->offset = file_offset(g, addr);
}

static void map_how(struct random *g, struct op *op)
{
	static const struct {
		uint32_t percent, flags;
	} extras[] = {
		{ 12, MM_MAP_POPULATE }, { 5, MM_MAP_LOCKED },	 { 10, MM_MAP_NORESERVE },
		{ 4, MM_MAP_STACK },	 { 2, MM_MAP_NONBLOCK }, { 2, MM_MAP_DENYWRITE },
	};

	for (uint32_t i = 0; i < LENGTH(extras); i++)
		if (random_percent(g, extras[i].percent))
			op->flags |= extras[i].flags;
	if (random_percent(g, 8) && (!op->file || weird(g)))
		op->flags |= MM_MAP_GROWSDOWN;
}

/*
 * Flags that are asked for on purpose, and those that are not asked for at all: MAP_32BIT and MAP_HUGETLB, which the engine has not, and
 * MAP_SYNC, which the file system answers.
 */
#define MAP_NOT_ASKED                                                                              \
	(0xfu | 0x40u | 0x40000u | 0x80000u | MM_MAP_FIXED | MM_MAP_ANONYMOUS |                    \
	 MM_MAP_FIXED_NOREPLACE)

static void spoil_mmap(struct random *g, struct op *op)
{
	switch (random_below(g, 12)) {
	case 0:
		op->len = 0;
		break;
	case 1:
		op->len += 1 + random_below(g, PAGE - 1);
		break;
	case 2: /* neither shared nor private; or a type that nobody knows (8 is MAP_DROPPABLE) */
		op->flags = (op->flags & ~0xfu) |
			    (random_percent(g, 50) ? 0 : (uint32_t)random_below(g, 8));
		break;
	case 3:
		op->addr.off += 1 + random_below(g, PAGE - 1);
		break;
	case 4: /* up to where no user is */
		op->addr.mark = 0;
		op->addr.off = MM_TASK_SIZE + (random_below(g, 3) - 1) * PAGE;
		op->flags |= MM_MAP_FIXED;
		break;
	case 5: /* below what may be mapped */
		op->addr.mark = 0;
		op->addr.off = random_percent(g, 60) ? 0 : random_below(g, PAGE);
		break;
	case 6:
		op->len = random_percent(g, 50) ? MM_ADDRESS_END + PAGE
						: UINT64_MAX - random_below(g, 2 * PAGE);
		break;
	case 7:
		op->prot |= unknown_bit(g, MM_PROT_READ | MM_PROT_WRITE | MM_PROT_EXEC);
		break;
	case 8:
		op->flags |= unknown_bit(g, MAP_NOT_ASKED);
		break;
	case 9: /* at a place that was given, or to be found */
		op->len = edge_len(g);
		if (covers_house(op->addr.mark ? HOME_BASE : op->addr.off, op->len))
			op->len = PAGE;
		break;
	case 10:
		op->addr.mark = 0;
		op->addr.off = place_edge(g);
		break;
	default:
		op->flags |= 0x200000; /* a flag that nobody knows */
	}
}

static bool make_mmap(struct random *g, struct op *op)
{
	static const uint32_t weights[] = { 58, 14, 12, 16 };
	uint64_t addr;

	/* Who has many unmaps some. */
	if (g->nr_vmas > RANDOM_VMAS && random_percent(g, 70)) {
		op->kind = OP_MUNMAP;
		range(g, op);
		return true;
	}
	op->len = aim_len(g);
	addr = aim_place(g, op->len);
	map_what(g, op, addr);
	map_how(g, op);
	op->prot = protection(g);
	switch (random_weighted(g, weights, 4)) {
	case 0:
		op->flags |= MM_MAP_FIXED;
		break;
	case 1:
		op->flags |= MM_MAP_FIXED_NOREPLACE;
		break;
	case 2: /* a hint, which need not be aligned */
		if (random_percent(g, 10))
			addr += random_below(g, PAGE);
		break;
	default:
		addr = 0;
	}
	aim_address(g, addr, &op->addr);
	if (weird(g))
		spoil_mmap(g, op);
	if (!(op->flags & (MM_MAP_FIXED | MM_MAP_FIXED_NOREPLACE)))
		random_name(g, op, op->len);
	return true;
}

/* ---------------------------------------------------------------- ranges */

static bool make_range(struct random *g, struct op *op)
{
	range(g, op);
	return true;
}

/* The answer has a byte for each page, so even a senseless range is not long. */
static bool make_mincore(struct random *g, struct op *op)
{
	range(g, op);
	if (op->len > 1024 * PAGE)
		op->len = 0;
	return true;
}

static bool make_mprotect(struct random *g, struct op *op)
{
	range(g, op);
	op->prot = protection(g);
	if (random_percent(g, 4))
		op->prot |= MM_PROT_GROWSDOWN;
	if (weird(g))
		op->prot |= random_percent(g, 50) ? MM_PROT_GROWSUP : unknown_bit(g, 7);
	return true;
}

static bool make_madvise(struct random *g, struct op *op)
{
	static const struct {
		uint32_t weight, advice;
	} advices[] = {
		{ 6, MM_MADV_NORMAL },	       { 4, MM_MADV_RANDOM },
		{ 4, MM_MADV_SEQUENTIAL },     { 4, MM_MADV_WILLNEED },
		{ 20, MM_MADV_DONTNEED },      { 7, MM_MADV_FREE },
		{ 6, MM_MADV_REMOVE },	       { 6, MM_MADV_DONTFORK },
		{ 4, MM_MADV_DOFORK },	       { 2, MM_MADV_HUGEPAGE },
		{ 3, MM_MADV_NOHUGEPAGE },     { 3, MM_MADV_DONTDUMP },
		{ 3, MM_MADV_DODUMP },	       { 6, MM_MADV_WIPEONFORK },
		{ 4, MM_MADV_KEEPONFORK },     { 4, MM_MADV_COLD },
		{ 4, MM_MADV_PAGEOUT },	       { 6, MM_MADV_POPULATE_READ },
		{ 8, MM_MADV_POPULATE_WRITE }, { 5, MM_MADV_DONTNEED_LOCKED },
	};
	/* Not known to anybody: below, between and above those that are. */
	static const uint32_t unknown[] = { 5, 6, 7, 26, 99, 1000, INT32_MAX, UINT32_MAX };
	uint32_t weights[LENGTH(advices)];

	for (uint32_t i = 0; i < LENGTH(advices); i++) {
		weights[i] = advices[i].weight;
		if (advices[i].advice == MM_MADV_PAGEOUT && g->options.swap)
			weights[i] *= 6;
	}
	range(g, op);
	op->flags = advices[random_weighted(g, weights, LENGTH(advices))].advice;
	if (weird(g))
		op->flags = unknown[random_below(g, LENGTH(unknown))];
	return true;
}

static bool make_mlock(struct random *g, struct op *op)
{
	range(g, op);
	if (random_percent(g, 35))
		op->flags = MM_MLOCK_ONFAULT;
	if (weird(g))
		op->flags = unknown_bit(g, MM_MLOCK_ONFAULT);
	return true;
}

static bool make_mlockall(struct random *g, struct op *op)
{
	static const uint32_t flags[] = {
		MM_MCL_FUTURE,
		MM_MCL_CURRENT,
		MM_MCL_CURRENT | MM_MCL_FUTURE,
		MM_MCL_FUTURE | MM_MCL_ONFAULT,
		MM_MCL_CURRENT | MM_MCL_ONFAULT,
		MM_MCL_CURRENT | MM_MCL_FUTURE | MM_MCL_ONFAULT,
	};

	op->flags = flags[random_below(g, LENGTH(flags))];
	if (weird(g))
		op->flags = random_percent(g, 50)   ? MM_MCL_ONFAULT
			    : random_percent(g, 50) ? 0
						    : unknown_bit(g, 7);
	return true;
}

static bool make_nothing(struct random *g, struct op *op)
{
	(void)g;
	(void)op;
	return true;
}

static bool make_msync(struct random *g, struct op *op)
{
	static const uint32_t flags[] = { MM_MS_ASYNC, MM_MS_SYNC, MM_MS_SYNC | MM_MS_INVALIDATE,
					  MM_MS_INVALIDATE, 0 };

	range(g, op);
	op->flags = flags[random_below(g, LENGTH(flags))];
	if (weird(g))
		op->flags = random_percent(g, 50) ? MM_MS_ASYNC | MM_MS_SYNC : unknown_bit(g, 7);
	return true;
}

/* ---------------------------------------------------------------- mremap */

static uint64_t new_len(struct random *g, uint64_t len)
{
	static const uint32_t weights[] = { 45, 25, 20, 10 };

	switch (random_weighted(g, weights, 4)) {
	case 0:
		return len;
	case 1:
		return len + aim_len(g);
	case 2:
		return len > PAGE ? PAGE * (1 + random_below(g, len / PAGE)) : len;
	default:
		return aim_len(g);
	}
}

static void spoil_mremap(struct random *g, struct op *op)
{
	switch (random_below(g, 11)) {
	case 0:
		op->new_len = 0;
		break;
	case 1:
		op->addr.off += 1 + random_below(g, PAGE - 1);
		break;
	case 2:
		op->new_addr.off += 1 + random_below(g, PAGE - 1);
		break;
	case 3:
		op->flags =
			random_percent(g, 50) ? unknown_bit(g, 7) : (uint32_t)random_below(g, 8);
		break;
	case 4:
		op->new_len = random_percent(g, 50) ? MM_ADDRESS_END : UINT64_MAX - PAGE;
		break;
	case 5:
		op->new_addr.mark = 0;
		op->new_addr.off = random_percent(g, 50) ? MM_TASK_SIZE - PAGE : 0;
		break;
	case 6:
		op->new_len = edge_len(g);
		break;
	case 7:
		op->new_addr.mark = 0;
		op->new_addr.off = place_edge(g);
		break;
	case 8:
		op->len = an_edge(g);
		break;
	case 9:
		op->addr.mark = 0;
		op->addr.off = an_edge(g);
		break;
	default:
		op->len += 1 + random_below(g, PAGE - 1);
	}
}

static bool make_mremap(struct random *g, struct op *op)
{
	static const uint32_t weights[] = { 12, 20, 44, 8, 16 };
	static const uint32_t flags[] = {
		0,
		MM_MREMAP_MAYMOVE,
		MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED,
		MM_MREMAP_MAYMOVE | MM_MREMAP_DONTUNMAP,
		MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED | MM_MREMAP_DONTUNMAP,
	};
	struct aim aim = aim_range(g);
	uint64_t len = aim.len;

	op->flags = flags[random_weighted(g, weights, 5)];
	op->new_len = new_len(g, len);
	/* These want it so, mostly; and only such a move may span several VMAs. */
	if ((op->flags & MM_MREMAP_DONTUNMAP && !random_percent(g, 6)) ||
	    (op->flags & MM_MREMAP_FIXED && random_percent(g, 40)))
		op->new_len = len;
	if (random_percent(g, 4) && !(op->flags & MM_MREMAP_DONTUNMAP)) {
		op->new_len = len;
		len = 0;
	}
	op->len = len;
	aim_address(g, aim.addr, &op->addr);
	if (op->flags & (MM_MREMAP_FIXED | MM_MREMAP_DONTUNMAP))
		aim_address(g,
			    op->flags & MM_MREMAP_FIXED || random_percent(g, 20)
				    ? aim_place(g, op->new_len)
				    : 0,
			    &op->new_addr);
	if (weird(g))
		spoil_mremap(g, op);
	if (covers_house(op->addr.mark ? HOME_BASE : op->addr.off, op->len) ||
	    covers_house(op->new_addr.mark ? HOME_BASE : op->new_addr.off, op->new_len))
		op->len = op->new_len = PAGE;
	if (!(op->flags & MM_MREMAP_FIXED))
		random_name(g, op, op->new_len);
	return true;
}

/* ---------------------------------------------------------------- heap */

static bool make_brk(struct random *g, struct op *op)
{
	if (random_percent(g, 12)) {
		/* Not below or in the middle of nothing: near what is there. */
		op->addr.off = g->brk ? g->brk + random_below(g, 12) * PAGE - 4 * PAGE : PAGE;
		op->addr.off += random_percent(g, 20) ? random_below(g, PAGE) : 0;
		if (weird(g))
			op->addr.off = edge_len(g);
		/* Up to there only the house is in the way. */
		if (op->addr.off == MM_TASK_SIZE)
			op->addr.off++;
		return true;
	}
	op->relative = true;
	op->new_len = random_percent(g, 60) ? aim_len(g) : 0 - aim_len(g);
	if (random_percent(g, 20))
		op->new_len += random_below(g, PAGE);
	return true;
}

static bool make_setbrk(struct random *g, struct op *op)
{
	op->addr.off = aim_place(g, PAGE);
	return op->addr.off < UPPER_BASE + 1024 * PAGE;
}

/* ---------------------------------------------------------------- access */

static bool make_access(struct random *g, struct op *op)
{
	aim_address(g, aim_page(g), &op->addr);
	op->len = random_percent(g, 75) ? PAGE : aim_len(g);
	return true;
}

/* ---------------------------------------------------------------- processes */

static bool make_fork(struct random *g, struct op *op)
{
	if (g->nr_processes >= g->max_processes || g->self->depth >= RANDOM_DEPTH)
		return false;
	op->target = g->last_id + 1;
	return true;
}

static bool make_exit(struct random *g, struct op *op)
{
	(void)op;
	return g->nr_processes > 1 || random_percent(g, 10);
}

static bool make_limit(struct random *g, struct op *op)
{
	uint64_t now[MM_LIMITS] = { g->total_pages, g->data_pages, 16, g->locked_pages };

	op->flags = (uint32_t)random_below(g, MM_LIMITS);
	op->value = MM_LIMIT_INFINITY;
	if (random_percent(g, 5))
		op->value = 0;
	else if (random_percent(g, 55))
		op->value = (now[op->flags] + random_below(g, 24)) * PAGE;
	else if (random_percent(g, 15))
		op->value = random_below(g, 64) * (PAGE / 2);
	else if (op->flags == MM_LIMIT_STACK || op->flags == MM_LIMIT_MEMLOCK)
		op->value = 8u << 20;
	return true;
}

static bool make_caps(struct random *g, struct op *op)
{
	op->flags = random_percent(g, 40) ? MM_CAP_IPC_LOCK : 0;
	return true;
}

/* A thread, or one that vforked: it lives in the same address space. */
static bool make_share(struct random *g, struct op *op)
{
	return make_fork(g, op);
}

/* ---------------------------------------------------------------- pins */

static bool make_pin(struct random *g, struct op *op)
{
	for (uint32_t i = 0; i < RANDOM_PINS; i++) {
		if (g->pin[i])
			continue;
		aim_address(g, aim_page(g), &op->addr);
		op->flags = random_percent(g, 50) ? 0 : MM_PIN_LONGTERM | MM_PIN_WRITE;
		op->pin = g->pin[i] = ++g->last_pin;
		g->pin_flags[i] = op->flags;
		return true;
	}
	return false;
}

/* One that is held: its place, RANDOM_PINS where there is none. */
static uint32_t held_pin(struct random *g, bool writable)
{
	uint32_t first = (uint32_t)random_below(g, RANDOM_PINS);

	for (uint32_t i = 0; i < RANDOM_PINS; i++) {
		uint32_t at = (first + i) % RANDOM_PINS;

		if (g->pin[at] && (!writable || g->pin_flags[at] & MM_PIN_WRITE))
			return at;
	}
	return RANDOM_PINS;
}

static bool make_pin_use(struct random *g, struct op *op)
{
	uint32_t at = held_pin(g, op->kind == OP_PIN_WRITE);

	if (at == RANDOM_PINS)
		return false;
	op->proc = OP_NOTHING;
	op->pin = g->pin[at];
	if (op->kind == OP_UNPIN)
		g->pin[at] = 0;
	if (op->kind == OP_PIN_WRITE) {
		op->has_value = true;
		op->value = 1 + random_below(g, 1000000);
	}
	return true;
}

/* ---------------------------------------------------------------- files */

static bool make_truncate(struct random *g, struct op *op)
{
	op->proc = OP_NOTHING;
	op->file = pick_file(g);
	op->len = random_below(g, 24) * PAGE;
	if (random_percent(g, 35))
		op->len += random_below(g, PAGE);
	return op->file != 0;
}

static bool make_file_write(struct random *g, struct op *op)
{
	op->proc = OP_NOTHING;
	op->file = pick_file(g);
	op->offset = random_below(g, 20) * PAGE;
	op->len = aim_len(g);
	return op->file != 0;
}

static bool make_file_sync(struct random *g, struct op *op)
{
	op->proc = OP_NOTHING;
	op->file = pick_file(g);
	return op->file != 0;
}

static bool make_file_close(struct random *g, struct op *op)
{
	uint32_t i = (uint32_t)random_below(g, RANDOM_FILES);

	op->proc = OP_NOTHING;
	if (!g->file[i])
		return false;
	op->file = g->file[i];
	g->file[i] = 0;
	return true;
}

const struct random_call random_calls[] = {
	{ 160, make_mmap, OP_MMAP },
	{ 60, make_range, OP_MUNMAP },
	{ 105, make_mprotect, OP_MPROTECT },
	{ 125, make_mremap, OP_MREMAP },
	{ 105, make_madvise, OP_MADVISE },
	{ 28, make_mlock, OP_MLOCK },
	{ 16, make_range, OP_MUNLOCK },
	{ 5, make_mlockall, OP_MLOCKALL },
	{ 6, make_nothing, OP_MUNLOCKALL },
	{ 16, make_mincore, OP_MINCORE },
	{ 14, make_msync, OP_MSYNC },
	{ 24, make_brk, OP_BRK },
	{ 3, make_setbrk, OP_SET_BRK },
	{ 80, make_access, OP_READ },
	{ 165, make_access, OP_WRITE },
	{ 5, make_pin, OP_PIN },
	{ 2, make_pin_use, OP_PIN_READ },
	{ 3, make_pin_use, OP_PIN_WRITE },
	{ 4, make_pin_use, OP_UNPIN },
	{ 34, make_fork, OP_FORK },
	{ 2, make_share, OP_SHARE },
	{ 2, make_nothing, OP_EXEC },
	{ 28, make_exit, OP_EXIT },
	{ 8, make_limit, OP_LIMIT },
	{ 4, make_caps, OP_CAPS },
	{ 12, make_truncate, OP_FILE_TRUNCATE },
	{ 8, make_file_write, OP_FILE_WRITE },
	{ 4, make_file_write, OP_FILE_READ },
	{ 4, make_file_sync, OP_FILE_SYNC },
	{ 1, make_file_close, OP_FILE_CLOSE },
};
const uint32_t random_nr_calls = LENGTH(random_calls);
