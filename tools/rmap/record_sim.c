// SPDX-License-Identifier: BSD-2-Clause
/*
 * Re-enactment of a record on plain intervals; see the header.
 *
 * Costs: a VMA is found by bisection and put in by moving the rest of the array, which is cheap at
 * the few hundred VMAs that programs have. Touched pages are bits in chunks of 512 (one page table
 * of x86-64), found through a small hash table per address space; fork copies both.
 */
#include "record_sim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STACK_REACH (1ull << 30) /* a stack may grow down by this much */
#define CHUNK_SHIFT 9

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

struct chunk {
	uint64_t key; /* page number >> CHUNK_SHIFT, plus one; 0: free */
	uint64_t bits[8];
};

struct sim_mm {
	unsigned int users;
	struct rec_sim_vma *vmas;
	size_t nr, cap;
	uint64_t brk;
	struct chunk *chunks; /* open addressing */
	size_t nr_chunks, cap_chunks;
};

struct rec_sim {
	unsigned int page_shift;
	uint64_t page_mask; /* bits within a page */
	struct sim_mm **procs;
	size_t nr_procs, cap_procs;
	uint64_t returned;
	struct rec_sim_vma hit;
	bool has_hit;
	bool no_memory;
	char why[160];
};

/* -- touched pages ---------------------------------------------------------------------------- */

static struct chunk *chunk_slot(struct chunk *chunks, size_t cap, uint64_t key)
{
	size_t i = (size_t)(key * 0x9e3779b97f4a7c15ull >> 20) & (cap - 1);

	while (chunks[i].key && chunks[i].key != key)
		i = (i + 1) & (cap - 1);
	return &chunks[i];
}

static struct chunk *chunk_find(struct sim_mm *mm, uint64_t page)
{
	struct chunk *c;

	if (!mm->cap_chunks)
		return NULL;
	c = chunk_slot(mm->chunks, mm->cap_chunks, (page >> CHUNK_SHIFT) + 1);
	return c->key ? c : NULL;
}

static struct chunk *chunk_make(struct rec_sim *sim, struct sim_mm *mm, uint64_t page)
{
	uint64_t key = (page >> CHUNK_SHIFT) + 1;
	struct chunk *c;

	if (2 * (mm->nr_chunks + 1) > mm->cap_chunks) {
		size_t cap = mm->cap_chunks ? 2 * mm->cap_chunks : 64;
		struct chunk *chunks = calloc(cap, sizeof(*chunks));

		if (!chunks) {
			sim->no_memory = true;
			return NULL;
		}
		for (size_t i = 0; i < mm->cap_chunks; i++) {
			if (mm->chunks[i].key)
				*chunk_slot(chunks, cap, mm->chunks[i].key) = mm->chunks[i];
		}
		free(mm->chunks);
		mm->chunks = chunks;
		mm->cap_chunks = cap;
	}
	c = chunk_slot(mm->chunks, mm->cap_chunks, key);
	if (!c->key) {
		c->key = key;
		mm->nr_chunks++;
	}
	return c;
}

static bool touched(struct sim_mm *mm, uint64_t page)
{
	struct chunk *c = chunk_find(mm, page);

	return c && c->bits[page >> 6 & 7] >> (page & 63) & 1;
}

static void touch(struct rec_sim *sim, struct sim_mm *mm, uint64_t page)
{
	struct chunk *c = chunk_make(sim, mm, page);

	if (c)
		c->bits[page >> 6 & 7] |= 1ull << (page & 63);
}

static void untouch_chunk(struct chunk *c, uint64_t first, uint64_t last)
{
	uint64_t base = (c->key - 1) << CHUNK_SHIFT;

	for (uint64_t i = 0; i < 1u << CHUNK_SHIFT; i++) {
		if (base + i >= first && base + i < last)
			c->bits[i >> 6] &= ~(1ull << (i & 63));
	}
}

static void untouch(struct rec_sim *sim, struct sim_mm *mm, uint64_t start, uint64_t end)
{
	uint64_t first = start >> sim->page_shift, last = end >> sim->page_shift;

	if (first >= last)
		return;
	if ((last - first) >> CHUNK_SHIFT >= mm->cap_chunks) {
		for (size_t i = 0; i < mm->cap_chunks; i++) {
			if (mm->chunks[i].key)
				untouch_chunk(&mm->chunks[i], first, last);
		}
		return;
	}
	for (uint64_t n = first >> CHUNK_SHIFT; n <= (last - 1) >> CHUNK_SHIFT; n++) {
		struct chunk *c = chunk_find(mm, n << CHUNK_SHIFT);

		if (c)
			untouch_chunk(c, first, last);
	}
}

/* -- VMAs ------------------------------------------------------------------------------------- */

/* index of the first VMA that ends above addr */
static size_t vma_at(const struct sim_mm *mm, uint64_t addr)
{
	size_t lo = 0, hi = mm->nr;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (mm->vmas[mid].end > addr)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

static bool vma_insert(struct rec_sim *sim, struct sim_mm *mm, size_t at, struct rec_sim_vma v)
{
	if (mm->nr == mm->cap) {
		size_t cap = mm->cap ? 2 * mm->cap : 32;
		struct rec_sim_vma *vmas = realloc(mm->vmas, cap * sizeof(*vmas));

		if (!vmas) {
			sim->no_memory = true;
			return false;
		}
		mm->vmas = vmas;
		mm->cap = cap;
	}
	memmove(&mm->vmas[at + 1], &mm->vmas[at], (mm->nr - at) * sizeof(v));
	mm->vmas[at] = v;
	mm->nr++;
	return true;
}

static void split_at(struct rec_sim *sim, struct sim_mm *mm, uint64_t addr)
{
	size_t i = vma_at(mm, addr);

	if (i < mm->nr && mm->vmas[i].start < addr) {
		struct rec_sim_vma low = mm->vmas[i];

		low.end = addr;
		if (!vma_insert(sim, mm, i, low))
			return;
		mm->vmas[i + 1].offset += addr - low.start;
		mm->vmas[i + 1].start = addr;
	}
}

static void unmap(struct rec_sim *sim, struct sim_mm *mm, uint64_t start, uint64_t end)
{
	size_t from, to;

	split_at(sim, mm, start);
	split_at(sim, mm, end);
	from = to = vma_at(mm, start);
	while (to < mm->nr && mm->vmas[to].start < end)
		to++;
	if (to > from)
		memmove(&mm->vmas[from], &mm->vmas[to], (mm->nr - to) * sizeof(*mm->vmas));
	mm->nr -= to - from;
	untouch(sim, mm, start, end);
}

static bool overlaps(const struct sim_mm *mm, uint64_t start, uint64_t end)
{
	size_t i = vma_at(mm, start);

	return i < mm->nr && mm->vmas[i].start < end;
}

/* Is each page of the range in some VMA? */
static bool covered(const struct sim_mm *mm, uint64_t start, uint64_t end)
{
	for (size_t i = vma_at(mm, start); start < end; i++) {
		if (i >= mm->nr || mm->vmas[i].start > start)
			return false;
		start = mm->vmas[i].end;
	}
	return true;
}

static void put_vma(struct rec_sim *sim, struct sim_mm *mm, struct rec_sim_vma v)
{
	if (v.start >= v.end)
		return;
	unmap(sim, mm, v.start, v.end);
	vma_insert(sim, mm, vma_at(mm, v.start), v);
}

/* -- processes -------------------------------------------------------------------------------- */

static void mm_put(struct sim_mm *mm)
{
	if (mm && --mm->users == 0) {
		free(mm->vmas);
		free(mm->chunks);
		free(mm);
	}
}

static struct sim_mm *mm_new(void)
{
	struct sim_mm *mm = calloc(1, sizeof(*mm));

	if (mm)
		mm->users = 1;
	return mm;
}

static struct sim_mm *mm_copy(const struct sim_mm *from)
{
	struct sim_mm *mm = mm_new();

	if (!mm)
		return NULL;
	mm->brk = from->brk;
	mm->vmas = malloc((from->nr + 1) * sizeof(*mm->vmas));
	mm->chunks = calloc(from->cap_chunks + 1, sizeof(*mm->chunks));
	if (!mm->vmas || !mm->chunks) {
		mm_put(mm);
		return NULL;
	}
	mm->nr = from->nr;
	mm->cap = from->nr + 1;
	if (from->nr)
		memcpy(mm->vmas, from->vmas, from->nr * sizeof(*mm->vmas));
	mm->nr_chunks = from->nr_chunks;
	mm->cap_chunks = from->cap_chunks;
	if (from->cap_chunks)
		memcpy(mm->chunks, from->chunks, from->cap_chunks * sizeof(*mm->chunks));
	return mm;
}

static int set_proc(struct rec_sim *sim, uint32_t proc, struct sim_mm *mm)
{
	if (!mm)
		return -ENOMEM;
	if (proc >= sim->cap_procs) {
		size_t cap = 2 * ((size_t)proc + 32);
		struct sim_mm **procs = realloc(sim->procs, cap * sizeof(struct sim_mm *));

		if (!procs) {
			mm_put(mm);
			return -ENOMEM;
		}
		memset(procs + sim->cap_procs, 0, (cap - sim->cap_procs) * sizeof(struct sim_mm *));
		sim->procs = procs;
		sim->cap_procs = cap;
	}
	mm_put(sim->procs[proc]);
	sim->procs[proc] = mm;
	if (proc >= sim->nr_procs)
		sim->nr_procs = (size_t)proc + 1;
	return 0;
}

struct rec_sim *rec_sim_new(uint32_t page_size)
{
	struct rec_sim *sim = calloc(1, sizeof(*sim));

	if (sim) {
		sim->page_mask = page_size - 1;
		while (1u << sim->page_shift < page_size)
			sim->page_shift++;
	}
	return sim;
}

void rec_sim_free(struct rec_sim *sim)
{
	if (!sim)
		return;
	for (size_t i = 0; i < sim->nr_procs; i++)
		mm_put(sim->procs[i]);
	free(sim->procs);
	free(sim);
}

const char *rec_sim_why(const struct rec_sim *sim)
{
	return sim->why;
}

const struct rec_sim_vma *rec_sim_hit(const struct rec_sim *sim)
{
	return sim->has_hit ? &sim->hit : NULL;
}

const struct rec_sim_vma *rec_sim_layout(const struct rec_sim *sim, uint32_t proc, size_t *nr)
{
	if (proc >= sim->nr_procs || !sim->procs[proc]) {
		*nr = 0;
		return NULL;
	}
	*nr = sim->procs[proc]->nr;
	return sim->procs[proc]->vmas;
}

uint64_t rec_sim_returned(const struct rec_sim *sim)
{
	return sim->returned;
}

/* -- events ----------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static int
misfit(struct rec_sim *sim, const struct rmrec_event *ev, const char *fmt, ...)
{
	int n = snprintf(sim->why, sizeof(sim->why), "process %" PRIu32 ", %s: ", ev->proc,
			 rmrec_kind_name(ev->kind));
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sim->why + n, sizeof(sim->why) - (size_t)n, fmt, ap);
	va_end(ap);
	return 1;
}

static uint64_t round_up(const struct rec_sim *sim, uint64_t x)
{
	return (x + sim->page_mask) & ~sim->page_mask;
}

static int sim_mmap(struct rec_sim *sim, struct sim_mm *mm, const struct rmrec_event *ev)
{
	uint64_t start = ev->result, end = start + round_up(sim, ev->len);
	bool replace = (ev->flags & MAP_FIXED) && !(ev->flags & MAP_FIXED_NOREPLACE);
	int ret = 0;

	if (end <= start || start & sim->page_mask)
		return misfit(sim, ev, "absurd range %" PRIx64 "-%" PRIx64, start, end);
	if (!replace && overlaps(mm, start, end))
		ret = misfit(sim, ev, "%" PRIx64 "-%" PRIx64 " is taken", start, end);
	put_vma(sim, mm,
		(struct rec_sim_vma){
			.start = start,
			.end = end,
			.offset = ev->offset,
			.file = ev->file,
			.prot = ev->prot & 7,
			.vma_flags = (ev->flags & MAP_SHARED ? RMREC_V_SHARED : 0) |
				     (ev->flags & MAP_GROWSDOWN ? RMREC_V_GROWSDOWN : 0),
		});
	return ret;
}

static int sim_mprotect(struct rec_sim *sim, struct sim_mm *mm, const struct rmrec_event *ev)
{
	uint64_t end = round_up(sim, ev->addr + ev->len);
	int ret = 0;

	if (!covered(mm, ev->addr, end))
		ret = misfit(sim, ev, "a hole in %" PRIx64 "-%" PRIx64, ev->addr, end);
	split_at(sim, mm, ev->addr);
	split_at(sim, mm, end);
	for (size_t i = vma_at(mm, ev->addr); i < mm->nr && mm->vmas[i].start < end; i++)
		mm->vmas[i].prot = ev->prot & 7;
	return ret;
}

static int sim_mremap(struct rec_sim *sim, struct sim_mm *mm, const struct rmrec_event *ev)
{
	uint64_t old_end = ev->addr + round_up(sim, ev->len);
	uint64_t new_end = ev->result + round_up(sim, ev->new_len);
	size_t i = vma_at(mm, ev->addr);
	struct rec_sim_vma v;

	if (i >= mm->nr || mm->vmas[i].start > ev->addr)
		return misfit(sim, ev, "nothing at %" PRIx64, ev->addr);
	v = mm->vmas[i];
	v.offset += ev->addr - v.start;
	v.start = ev->result;
	v.end = new_end;
	if (ev->result == ev->addr) {
		if (new_end < old_end)
			unmap(sim, mm, new_end, old_end);
		if (new_end <= old_end)
			return 0;
		v.offset += old_end - ev->addr;
		v.start = old_end;
		if (overlaps(mm, old_end, new_end)) {
			put_vma(sim, mm, v);
			return misfit(sim, ev, "no room to grow at %" PRIx64, old_end);
		}
		put_vma(sim, mm, v);
		return 0;
	}
	if (!(ev->flags & MREMAP_FIXED) && overlaps(mm, ev->result, new_end)) {
		put_vma(sim, mm, v);
		return misfit(sim, ev, "%" PRIx64 "-%" PRIx64 " is taken", ev->result, new_end);
	}
	put_vma(sim, mm, v);
	for (uint64_t off = 0; off < old_end - ev->addr && off < new_end - ev->result;
	     off += sim->page_mask + 1) {
		if (touched(mm, (ev->addr + off) >> sim->page_shift))
			touch(sim, mm, (ev->result + off) >> sim->page_shift);
	}
	untouch(sim, mm, ev->addr, old_end);
	if (!(ev->flags & MREMAP_DONTUNMAP) && ev->len)
		unmap(sim, mm, ev->addr, old_end);
	return 0;
}

static int sim_brk(struct rec_sim *sim, struct sim_mm *mm, const struct rmrec_event *ev)
{
	uint64_t old = round_up(sim, mm->brk), now = round_up(sim, ev->result);
	int ret = 0;

	mm->brk = ev->result;
	if (now < old) {
		unmap(sim, mm, now, old);
	} else if (now > old) {
		if (overlaps(mm, old, now))
			ret = misfit(sim, ev, "%" PRIx64 "-%" PRIx64 " is taken", old, now);
		put_vma(sim, mm,
			(struct rec_sim_vma){ .start = old,
					      .end = now,
					      .prot = PROT_READ | PROT_WRITE,
					      .vma_flags = RMREC_V_HEAP });
	}
	return ret;
}

/* The stack reaches down to a page that nothing else has. */
static void grow_stack(struct sim_mm *mm, uint64_t page)
{
	size_t i = vma_at(mm, page);

	if (i < mm->nr && mm->vmas[i].start > page && (mm->vmas[i].vma_flags & RMREC_V_GROWSDOWN) &&
	    mm->vmas[i].start - page < STACK_REACH)
		mm->vmas[i].start = page;
}

static int sim_fault(struct rec_sim *sim, struct sim_mm *mm, const struct rmrec_event *ev)
{
	const struct rec_sim_vma *v;
	uint64_t page = ev->addr >> sim->page_shift;
	size_t i;

	if (ev->fault & RMREC_F_DENIED)
		return 0;
	grow_stack(mm, ev->addr);
	i = vma_at(mm, ev->addr);
	if (i >= mm->nr || mm->vmas[i].start > ev->addr)
		return misfit(sim, ev, "no VMA at %" PRIx64, ev->addr);
	v = &mm->vmas[i];
	sim->hit = *v;
	sim->has_hit = true;
	if ((ev->fault & RMREC_F_WRITE && !(v->prot & RMREC_P_WRITE)) ||
	    (ev->fault & RMREC_F_EXEC && !(v->prot & RMREC_P_EXEC)) || !v->prot)
		return misfit(sim, ev, "protection %" PRIu32 " forbids it at %" PRIx64, v->prot,
			      ev->addr);
	if (v->vma_flags & (RMREC_V_SHARED | RMREC_V_SPECIAL))
		return 0;
	if (!(ev->fault & RMREC_F_PRESENT) && touched(mm, page))
		sim->returned++;
	if (ev->fault & RMREC_F_WRITE)
		touch(sim, mm, page);
	return 0;
}

static int sim_range(struct rec_sim *sim, struct sim_mm *mm, const struct rmrec_event *ev)
{
	uint64_t start = ev->addr & ~sim->page_mask, end = round_up(sim, ev->addr + ev->len);

	if (ev->kind == RMREC_MADVISE &&
	    (ev->flags == MADV_DONTNEED || ev->flags == MADV_FREE || ev->flags == MADV_REMOVE))
		untouch(sim, mm, start, end);
	if (!covered(mm, start, end))
		return misfit(sim, ev, "a hole in %" PRIx64 "-%" PRIx64, start, end);
	return 0;
}

static int dispatch(struct rec_sim *sim, struct sim_mm *mm, const struct rmrec_event *ev)
{
	switch (ev->kind) {
	case RMREC_VMA:
		put_vma(sim, mm,
			(struct rec_sim_vma){ .start = ev->addr,
					      .end = ev->addr + ev->len,
					      .offset = ev->offset,
					      .file = ev->file,
					      .prot = ev->prot,
					      .vma_flags = ev->vma_flags });
		return 0;
	case RMREC_MMAP:
		return sim_mmap(sim, mm, ev);
	case RMREC_MUNMAP:
		if (ev->addr & sim->page_mask || !ev->len)
			return misfit(sim, ev, "absurd range at %" PRIx64, ev->addr);
		unmap(sim, mm, ev->addr, round_up(sim, ev->addr + ev->len));
		return 0;
	case RMREC_MPROTECT:
		return sim_mprotect(sim, mm, ev);
	case RMREC_MREMAP:
		return sim_mremap(sim, mm, ev);
	case RMREC_BRK:
		return sim_brk(sim, mm, ev);
	case RMREC_MADVISE:
	case RMREC_MLOCK:
	case RMREC_MUNLOCK:
	case RMREC_MSYNC:
		return sim_range(sim, mm, ev);
	case RMREC_FORK:
		return set_proc(sim, ev->child, mm_copy(mm));
	case RMREC_SHARE:
		mm->users++;
		return set_proc(sim, ev->child, mm);
	case RMREC_EXIT:
		mm_put(mm);
		sim->procs[ev->proc] = NULL;
		return 0;
	case RMREC_FAULT:
		return sim_fault(sim, mm, ev);
	case RMREC_EXEC:
	case RMREC_MLOCKALL:
	case RMREC_MUNLOCKALL:
	case RMREC_THREAD:
	case RMREC_THREAD_EXIT:
	case RMREC_NR_KINDS:
		break;
	}
	return 0;
}

int rec_sim_event(struct rec_sim *sim, const struct rmrec_event *ev)
{
	int ret;

	sim->has_hit = false;
	if (ev->kind == RMREC_EXEC) {
		ret = set_proc(sim, ev->proc, mm_new());
		if (!ret)
			sim->procs[ev->proc]->brk = ev->addr;
		return ret;
	}
	if (ev->proc >= sim->nr_procs || !sim->procs[ev->proc])
		return misfit(sim, ev, "there is no such process");
	if (ev->error)
		return 0;
	ret = dispatch(sim, sim->procs[ev->proc], ev);
	return sim->no_memory ? -ENOMEM : ret;
}
