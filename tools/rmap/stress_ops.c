// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the threads of rmap stress do: one function an operation, drawn by weight. Each changes the machine and, in the same way, what
 * its thread knows of it; each answer is held against that. Only want of memory may keep an operation from being carried out.
 *
 * With --oom some of that want is made. A call that goes from VMA to VMA has then done what it has done: it is made again until it is
 * through, which it must be some day, or the pages are of a kind that may have lost what they held.
 */
#include "stress.h"

#include <stdio.h>
#include <string.h>

#define PAGE	    RMAP_PAGE_SIZE
#define INSIST_MOST 1000

/* Who may have written a value: the thread of a window, or a file of all. */
enum tag {
	TAG_STORE = 200,
	TAG_CUT,
	TAG_MEMORY,
	TAG_STACK,
};

static uint64_t draw(struct stress_worker *w, uint64_t n)
{
	/* xorshift64* (Vigna 2014) */
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return (w->random * 2685821657736338717ull >> 32) % n;
}

static uint64_t next_value(struct stress_worker *w, uint32_t tag)
{
	return (uint64_t)tag << 56 | (uint64_t)w->number << 48 | (++w->sequence & 0xffffffffffff);
}

static bool out_of_memory(struct stress_worker *w, int error)
{
	/* AGAIN: pages went out again before they could be used, a thousand times. */
	if (error != RMAP_ENOMEM && error != RMAP_EAGAIN)
		return false;
	atomic_fetch_add_explicit(&w->refused, 1, memory_order_relaxed);
	return true;
}

/* True if it was carried out; false if it was refused, or went wrong, which is said. */
static bool carried_out(struct stress_worker *w, int error, const char *what)
{
	if (!error)
		return true;
	if (!out_of_memory(w, error))
		stress_wrong(w, "%s failed with %s", what, rmap_error_name(error));
	return false;
}

/*
 * Shall a call be made again that needs nothing but objects? One in so many is refused, not all: who is refused a thousand times in
 * turn has met something else.
 */
static bool insist(struct stress_worker *w, int error, uint32_t *tries)
{
	return error == RMAP_ENOMEM && w->world->options->oom && ++*tries < INSIST_MOST;
}

/* The common process, or one of the thread's own. */
static struct stress_process *some_process(struct stress_worker *w)
{
	struct stress_process *p = &w->process[draw(w, 1 + STRESS_CHILDREN)];

	return p->mm ? p : &w->process[0];
}

static struct stress_process *some_child(struct stress_worker *w)
{
	struct stress_process *p = &w->process[1 + draw(w, STRESS_CHILDREN)];

	return p->mm ? p : NULL;
}

/* A run of mapped slots. False: the one that was drawn is not mapped. */
static bool some_run(struct stress_worker *w, const struct stress_process *p, uint32_t *first,
		     uint32_t *nr)
{
	uint32_t most = 1 + (uint32_t)draw(w, 12), i = (uint32_t)draw(w, STRESS_WINDOW);

	*first = i;
	while (i < STRESS_WINDOW && i - *first < most && p->slot[i].access != STRESS_NONE)
		i++;
	*nr = i - *first;
	return *nr != 0;
}

/* ---------------------------------------------------------------- touching */

static int expected_error(const struct stress_slot *s, bool write)
{
	switch (s->access) {
	case STRESS_NONE:
		return RMAP_EFAULT;
	case STRESS_FORBIDDEN:
		return RMAP_EACCES;
	case STRESS_READ:
		return write ? RMAP_EACCES : 0;
	case STRESS_RW:
		break;
	}
	return 0;
}

/* The same place in every page, since pages are moved: not the first, where a table's first entry or a zero would be. */
static uint64_t word_in_page(uint64_t addr)
{
	return addr + 1000;
}

static void unexpected(struct stress_worker *w, struct mm *mm, uint64_t addr, const char *what,
		       int error, int expected)
{
	stress_wrong(w, "%s 0x%llx of address space %llu: %s instead of %s", what,
		     (unsigned long long)addr, (unsigned long long)mm_id(mm),
		     error ? rmap_error_name(error) : "success",
		     expected ? rmap_error_name(expected) : "success");
}

static void write_slot(struct stress_worker *w, struct mm *mm, uint64_t addr, struct stress_slot *s,
		       uint32_t tag)
{
	uint64_t value = next_value(w, tag);
	int expected = expected_error(s, true);
	int error = hosted_write(w->cpu, mm, word_in_page(addr), &value, sizeof(value), NULL);

	if (error == expected) {
		if (!error) {
			s->value = value;
			s->fickle = false;
		}
	} else if (!out_of_memory(w, error)) {
		unexpected(w, mm, addr, "writing to", error, expected);
	}
}

static bool value_fits(struct stress_slot *s, uint64_t value)
{
	if (value == s->value)
		return true;
	if (value || !s->fickle)
		return false;
	s->value = 0;
	return true;
}

static void read_slot(struct stress_worker *w, struct mm *mm, uint64_t addr, struct stress_slot *s)
{
	uint64_t value = 0;
	int expected = expected_error(s, false);
	int error = hosted_read(w->cpu, mm, word_in_page(addr), &value, sizeof(value), NULL);

	if (error != expected) {
		if (!out_of_memory(w, error))
			unexpected(w, mm, addr, "reading from", error, expected);
		return;
	}
	w->verified++;
	if (!error && !value_fits(s, value))
		stress_wrong(w, "0x%llx of address space %llu holds %#llx instead of %#llx",
			     (unsigned long long)addr, (unsigned long long)mm_id(mm),
			     (unsigned long long)value, (unsigned long long)s->value);
}

static void op_write(struct stress_worker *w)
{
	struct stress_process *p = some_process(w);
	uint32_t i = (uint32_t)draw(w, STRESS_WINDOW);

	write_slot(w, p->mm, stress_addr(w, i), &p->slot[i], w->number);
}

static void op_read(struct stress_worker *w)
{
	struct stress_process *p = some_process(w);
	uint32_t i = (uint32_t)draw(w, STRESS_WINDOW);

	read_slot(w, p->mm, stress_addr(w, i), &p->slot[i]);
}

/* A page in another thread's window of a child: what it had at some moment. Or a write to it, which breaks COW for the family. */
static void op_touch_foreign(struct stress_worker *w)
{
	struct stress_process *p = some_child(w);
	uint32_t owner = (uint32_t)draw(w, w->world->options->threads);
	uint64_t addr, value = 0;
	bool write = draw(w, 2);
	int error;

	if (!p || owner == w->number)
		return;
	addr = STRESS_WINDOWS_AT +
	       ((uint64_t)owner * STRESS_WINDOW + draw(w, STRESS_WINDOW)) * PAGE;
	if (write) {
		value = next_value(w, owner);
		error = hosted_write(w->cpu, p->mm, word_in_page(addr), &value, 8, NULL);
	} else {
		error = hosted_read(w->cpu, p->mm, word_in_page(addr), &value, 8, NULL);
	}
	if (!error && value && value >> 56 != owner)
		stress_wrong(w,
			     "0x%llx of address space %llu holds %#llx, which nobody wrote there",
			     (unsigned long long)addr, (unsigned long long)mm_id(p->mm),
			     (unsigned long long)value);
	else if (error && error != RMAP_EFAULT && error != RMAP_EACCES && !out_of_memory(w, error))
		unexpected(w, p->mm, addr, "touching", error, 0);
}

/* ---------------------------------------------------------------- layout */

static void set_slots(struct stress_process *p, uint32_t first, uint32_t nr,
		      const struct stress_slot *to)
{
	for (uint32_t i = first; i < first + nr; i++)
		p->slot[i] = *to;
}

static void op_map(struct stress_worker *w)
{
	struct stress_process *p = some_process(w);
	uint32_t first = (uint32_t)draw(w, STRESS_WINDOW);
	uint32_t nr =
		1 + (uint32_t)draw(w, STRESS_WINDOW - first < 16 ? STRESS_WINDOW - first : 16);
	const struct stress_slot fresh = { .access = STRESS_RW };
	const struct mm_mmap map = {
		.addr = stress_addr(w, first),
		.len = nr * PAGE,
		.prot = MM_PROT_READ | MM_PROT_WRITE,
		.flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_FIXED,
	};
	uint64_t addr;

	if (carried_out(w, mm_mmap(p->mm, &map, &addr), "mmap"))
		set_slots(p, first, nr, &fresh);
}

static void unmap_slots(struct stress_worker *w, struct stress_process *p, uint32_t first,
			uint32_t nr)
{
	const struct stress_slot none = { .access = STRESS_NONE };
	uint32_t tries = 0;
	int error;

	do
		error = mm_munmap(p->mm, stress_addr(w, first), nr * PAGE);
	while (insist(w, error, &tries));
	if (carried_out(w, error, "munmap"))
		set_slots(p, first, nr, &none);
}

static void op_unmap(struct stress_worker *w)
{
	struct stress_process *p = some_process(w);
	uint32_t first, nr;

	if (some_run(w, p, &first, &nr))
		unmap_slots(w, p, first, nr);
}

static void op_protect(struct stress_worker *w)
{
	static const struct {
		uint32_t prot;
		enum stress_access access;
	} rights[] = {
		{ MM_PROT_READ | MM_PROT_WRITE, STRESS_RW },
		{ MM_PROT_READ | MM_PROT_WRITE, STRESS_RW },
		{ MM_PROT_READ, STRESS_READ },
		{ MM_PROT_NONE, STRESS_FORBIDDEN },
	};
	struct stress_process *p = some_process(w);
	uint64_t which = draw(w, 4);
	uint32_t first, nr, tries = 0;
	int error;

	if (!some_run(w, p, &first, &nr))
		return;
	do
		error = mm_mprotect(p->mm, stress_addr(w, first), nr * PAGE, rights[which].prot);
	while (insist(w, error, &tries));
	if (!carried_out(w, error, "mprotect"))
		return;
	for (uint32_t i = first; i < first + nr; i++)
		p->slot[i].access = rights[which].access;
}

/* To another place of the window; the old one goes, or stays as if it had never been touched. */
static void op_move(struct stress_worker *w)
{
	struct stress_process *p = some_process(w);
	bool keep = !draw(w, 4);
	uint32_t first, nr, to;
	uint64_t result;
	int error;

	if (!some_run(w, p, &first, &nr))
		return;
	to = (uint32_t)draw(w, STRESS_WINDOW - nr + 1);
	if (to < first + nr && first < to + nr)
		return;
	error = mm_mremap(p->mm, stress_addr(w, first), nr * PAGE, nr * PAGE,
			  MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED | (keep ? MM_MREMAP_DONTUNMAP : 0),
			  stress_addr(w, to), &result);
	if (!carried_out(w, error, "mremap")) {
		/* Some of it may have been moved: a new beginning. */
		unmap_slots(w, p, first, nr);
		unmap_slots(w, p, to, nr);
		return;
	}
	for (uint32_t i = 0; i < nr; i++) {
		p->slot[to + i] = p->slot[first + i];
		if (keep)
			p->slot[first + i].value = 0;
		else
			p->slot[first + i] = (struct stress_slot){ .access = STRESS_NONE };
		p->slot[first + i].fickle = false;
	}
	/* The place that it left stays mapped, and empty, if it cannot be split off, as on Linux. */
	if (!keep && w->world->options->oom)
		unmap_slots(w, p, first, nr);
}

static void op_advise(struct stress_worker *w)
{
	static const int advices[] = { MM_MADV_DONTNEED, MM_MADV_FREE,	MM_MADV_PAGEOUT,
				       MM_MADV_PAGEOUT,	 MM_MADV_COLD,	MM_MADV_WILLNEED,
				       MM_MADV_RANDOM,	 MM_MADV_NORMAL };
	struct stress_process *p = some_process(w);
	int advice = advices[draw(w, sizeof(advices) / sizeof(advices[0]))];
	uint32_t first, nr;
	bool done;

	if (!some_run(w, p, &first, &nr))
		return;
	done = carried_out(w, mm_madvise(p->mm, stress_addr(w, first), nr * PAGE, advice),
			   "madvise");
	for (uint32_t i = first; i < first + nr; i++) {
		if (advice == MM_MADV_DONTNEED && done) {
			p->slot[i].value = 0;
			p->slot[i].fickle = false;
		} else if (advice == MM_MADV_FREE || advice == MM_MADV_DONTNEED) {
			/* Also refused: some of it may be done. */
			p->slot[i].fickle = true;
		}
	}
}

/* Locked, used, unlocked. What may not be read cannot be locked in, but is unlocked all the same. */
static void op_lock(struct stress_worker *w)
{
	struct stress_process *p = some_process(w);
	uint32_t first, nr, tries = 0;
	int error;

	if (!some_run(w, p, &first, &nr))
		return;
	error = mm_mlock(p->mm, stress_addr(w, first), nr * PAGE, 0);
	if (error && !out_of_memory(w, error))
		stress_wrong(w, "mlock failed with %s", rmap_error_name(error));
	write_slot(w, p->mm, stress_addr(w, first), &p->slot[first], w->number);
	read_slot(w, p->mm, stress_addr(w, first + nr - 1), &p->slot[first + nr - 1]);
	/* What stays locked could not be advised away. */
	do
		error = mm_munlock(p->mm, stress_addr(w, first), nr * PAGE);
	while (insist(w, error, &tries));
	(void)carried_out(w, error, "munlock");
}

/* ---------------------------------------------------------------- processes */

static void op_fork(struct stress_worker *w)
{
	struct stress_process *p = some_process(w);
	struct stress_process *child = &w->process[1 + draw(w, STRESS_CHILDREN)];
	struct mm *mm;

	if (p == child || !carried_out(w, mm_fork(p->mm, &mm), "fork"))
		return;
	if (child->mm)
		mm_put(child->mm);
	*child = *p;
	child->mm = mm;
}

static void op_exit(struct stress_worker *w)
{
	struct stress_process *child = some_child(w);

	if (!child)
		return;
	mm_put(child->mm);
	child->mm = NULL;
}

static void op_exec(struct stress_worker *w)
{
	const struct mm_exec exec = { .args_len = draw(w, 3 * PAGE) };
	const struct stress_slot none = { .access = STRESS_NONE };
	struct stress_process *child = some_child(w);
	struct mm *mm;

	if (!child || !carried_out(w, mm_exec(child->mm, &exec, &mm), "exec"))
		return;
	mm_put(child->mm);
	child->mm = mm;
	set_slots(child, 0, STRESS_WINDOW, &none);
}

/* ---------------------------------------------------------------- the stack */

static uint64_t stack_top(const struct stress_worker *w)
{
	return STRESS_STACKS_AT + (w->number + 1ull) * 1024 * PAGE;
}

static bool map_stack(struct stress_worker *w)
{
	const struct mm_mmap map = {
		.addr = stack_top(w) - PAGE,
		.len = PAGE,
		.prot = MM_PROT_READ | MM_PROT_WRITE,
		.flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_FIXED | MM_MAP_GROWSDOWN,
	};
	uint64_t addr;

	w->depth = 0;
	return carried_out(w, mm_mmap(w->world->common, &map, &addr), "mmap of a stack");
}

/* One page deeper, and a look at another; at the bottom it begins anew. */
static void op_stack(struct stress_worker *w)
{
	struct stress_slot s = { .access = STRESS_RW };
	uint32_t i;
	int error;

	if (w->depth == STRESS_STACK) {
		error = mm_munmap(w->world->common, stack_top(w) - STRESS_STACK * PAGE,
				  STRESS_STACK * PAGE);
		if (carried_out(w, error, "munmap of a stack"))
			(void)map_stack(w);
		return;
	}
	s.value = next_value(w, TAG_STACK);
	error = hosted_write(w->cpu, w->world->common,
			     word_in_page(stack_top(w) - (w->depth + 1ull) * PAGE), &s.value, 8,
			     NULL);
	/* A stack that cannot grow for want of memory looks as if nothing were there, as on Linux. */
	if (!error)
		w->stack[w->depth++] = s.value;
	else if (error != RMAP_EFAULT && !out_of_memory(w, error))
		unexpected(w, w->world->common, stack_top(w), "growing the stack below", error, 0);
	if (!w->depth)
		return;
	i = (uint32_t)draw(w, w->depth);
	s.value = w->stack[i];
	read_slot(w, w->world->common, stack_top(w) - (i + 1ull) * PAGE, &s);
}

/* ---------------------------------------------------------------- files */

static uint64_t file_page(const struct stress_worker *w, uint32_t i)
{
	return (uint64_t)w->number * STRESS_FILE + i;
}

static void op_store(struct stress_worker *w)
{
	struct stress_world *world = w->world;
	uint32_t i = (uint32_t)draw(w, STRESS_FILE);
	uint64_t offset = file_page(w, i) * PAGE, value;

	switch (draw(w, 8)) {
	case 0:
		if (carried_out(w, mm_file_sync(world->store), "fsync"))
			break;
		return;
	case 1:
		(void)carried_out(
			w, mm_msync(world->common, STRESS_STORE_AT + offset, PAGE, MM_MS_SYNC),
			"msync");
		return;
	case 2:
		if (carried_out(
			    w,
			    mm_file_read(world->store,
					 word_in_page(STRESS_STORE_AT + offset) - STRESS_STORE_AT,
					 &value, 8, NULL),
			    "read") &&
		    value != w->store[i].value)
			stress_wrong(w, "the file holds %#llx instead of %#llx",
				     (unsigned long long)value,
				     (unsigned long long)w->store[i].value);
		return;
	case 3:
		(void)carried_out(w,
				  mm_madvise(world->common, STRESS_STORE_AT + offset, PAGE,
					     draw(w, 2) ? MM_MADV_DONTNEED : MM_MADV_PAGEOUT),
				  "madvise of a file");
		return;
	case 4:
	case 5:
		read_slot(w, world->common, STRESS_STORE_AT + offset, &w->store[i]);
		return;
	default:
		write_slot(w, world->common, STRESS_STORE_AT + offset, &w->store[i], TAG_STORE);
		return;
	}
}

/* Shared memory, which goes to swap; children have it, too. */
static void op_memory(struct stress_worker *w)
{
	uint32_t i = (uint32_t)draw(w, STRESS_FILE);
	uint64_t addr = w->world->memory + file_page(w, i) * PAGE;

	if (draw(w, 2))
		write_slot(w, w->world->common, addr, &w->memory[i], TAG_MEMORY);
	else if (draw(w, 4))
		read_slot(w, w->world->common, addr, &w->memory[i]);
	else
		(void)carried_out(w, mm_madvise(w->world->common, addr, PAGE, MM_MADV_PAGEOUT),
				  "madvise of shared memory");
}

static void touch_cut(struct stress_worker *w, bool write)
{
	uint32_t i = (uint32_t)draw(w, STRESS_FILE);
	uint64_t addr = STRESS_CUT_AT + file_page(w, i) * PAGE, value = 0;
	struct stress_slot *s = &w->cut[i];
	int error;

	if (write) {
		value = next_value(w, TAG_CUT);
		error = hosted_write(w->cpu, w->world->common, word_in_page(addr), &value, 8, NULL);
		if (!error)
			s->value = value;
	} else {
		error = hosted_read(w->cpu, w->world->common, word_in_page(addr), &value, 8, NULL);
		if (!error && !value_fits(s, value))
			stress_wrong(w, "the file that is cut holds %#llx instead of %#llx or zero",
				     (unsigned long long)value, (unsigned long long)s->value);
	}
	/* Behind the end: SIGBUS. */
	if (error && error != RMAP_EIO && !out_of_memory(w, error))
		unexpected(w, w->world->common, addr, "touching the file that is cut at", error, 0);
}

static void op_cut(struct stress_worker *w)
{
	struct stress_world *world = w->world;
	uint64_t pages = (uint64_t)world->options->threads * STRESS_FILE, size;

	if (draw(w, 4)) {
		touch_cut(w, draw(w, 2));
		return;
	}
	pthread_mutex_lock(&world->cut_lock);
	size = draw(w, 2) ? pages * PAGE : draw(w, pages + 1) * PAGE;
	if (carried_out(w, mm_file_truncate(world->cut, size), "truncation"))
		(void)carried_out(w, hosted_file_resize(world->cut_store, size),
				  "resizing the store");
	pthread_mutex_unlock(&world->cut_lock);
}

/* ---------------------------------------------------------------- the machine */

static void op_reclaim(struct stress_worker *w)
{
	if (draw(w, 4))
		(void)mm_reclaim(w->world->sys, 1 + draw(w, 16));
	else
		mm_balance(w->world->sys);
}

static void op_migrate(struct stress_worker *w)
{
	struct stress_process *p = some_process(w);
	uint64_t at = draw(w, (uint64_t)w->world->options->threads * STRESS_WINDOW);
	int error = mm_migrate(p->mm, STRESS_WINDOWS_AT + at * PAGE);

	if (error && error != RMAP_ENOENT && !out_of_memory(w, error))
		stress_wrong(w, "migration failed with %s", rmap_error_name(error));
}

/* Everything back from swap, now and then; one thread at a time. */
static void op_swapoff(struct stress_worker *w)
{
	struct stress_world *world = w->world;

	if (draw(w, 16) || pthread_mutex_trylock(&world->swap_lock))
		return;
	atomic_fetch_add(&world->swapoffs, 1);
	(void)carried_out(w, mm_swapoff(world->sys), "swapoff");
	(void)mm_swapon(world->sys); /* in use still, if that failed */
	atomic_fetch_add(&world->swapoffs, 1);
	pthread_mutex_unlock(&world->swap_lock);
}

/* Anybody's page of the common process: the answer is another one by the time it is here, but there must be one. */
static void walk_foreign(struct stress_worker *w)
{
	uint64_t at = draw(w, (uint64_t)w->world->options->threads * STRESS_WINDOW);
	struct rmap_walk walk = { .flags = draw(w, 2) ? RMAP_WALK_STOP_AT_MAPCOUNT : 0 };
	struct page *page;
	int error = mm_pin(w->world->common, STRESS_WINDOWS_AT + at * PAGE, MM_PIN_WRITE, &page);

	if (error) {
		if (error != RMAP_EFAULT && error != RMAP_EACCES && !out_of_memory(w, error))
			stress_wrong(w, "a pin failed with %s", rmap_error_name(error));
		return;
	}
	error = mm_walk_page(w->world->sys, page, &walk);
	mm_unpin(w->world->sys, page, MM_PIN_WRITE);
	if (error)
		stress_wrong(w, "a walk failed with %s", rmap_error_name(error));
}

struct sought {
	const struct rmap_mm *mm;
	uint64_t addr;
	bool found;
};

static enum rmap_visit seek(struct rmap_hit *hit, void *arg)
{
	struct sought *s = arg;

	s->found |= hit->mm == s->mm && hit->addr == s->addr;
	return RMAP_VISIT_NEXT;
}

/*
 * One's own page: while its owner looks on, nobody but reclaim and migration take it out of the owner's table, and these hold the
 * page lock, which the walk holds. If it stood there before and after, and no swapoff has put it back, the walk must have met it.
 */
static void walk_own(struct stress_worker *w, struct stress_process *p, uint32_t i)
{
	struct sought s = { .mm = mm_rmap(p->mm), .addr = stress_addr(w, i) };
	struct rmap_walk walk = { .visit = seek, .arg = &s };
	struct mm_page_info before, after;
	uint64_t swapoffs = atomic_load(&w->world->swapoffs);
	struct page *page;
	int error = mm_pin(p->mm, s.addr, 0, &page);

	if (error) {
		(void)carried_out(w, error, "a pin");
		return;
	}
	mm_page_info(p->mm, s.addr, &before);
	error = mm_walk_page(w->world->sys, page, &walk);
	mm_page_info(p->mm, s.addr, &after);
	mm_unpin(w->world->sys, page, 0);
	if (error)
		stress_wrong(w, "a walk failed with %s", rmap_error_name(error));
	if (before.state != MM_PAGE_PRESENT || after.state != MM_PAGE_PRESENT ||
	    before.page != page || after.page != page || (swapoffs & 1) ||
	    atomic_load(&w->world->swapoffs) != swapoffs)
		return;
	w->walks++;
	if (!s.found)
		stress_wrong(w, "a walk misses 0x%llx of address space %llu (it found %llu of %u)",
			     (unsigned long long)s.addr, (unsigned long long)mm_id(p->mm),
			     (unsigned long long)walk.found, after.mapcount);
}

static void op_walk(struct stress_worker *w)
{
	struct stress_process *p = some_process(w);
	uint32_t i = (uint32_t)draw(w, STRESS_WINDOW);

	if (draw(w, 3) && !expected_error(&p->slot[i], false))
		walk_own(w, p, i);
	else
		walk_foreign(w);
}

/* A long-term pin sees what its owner writes, and no child does. */
static void op_pin(struct stress_worker *w)
{
	const uint32_t flags = MM_PIN_WRITE | MM_PIN_LONGTERM;
	struct stress_process *p = some_process(w);
	uint32_t i = (uint32_t)draw(w, STRESS_WINDOW);
	uint64_t addr = stress_addr(w, i), value;
	struct page *page;

	if (expected_error(&p->slot[i], true) ||
	    !carried_out(w, mm_pin(p->mm, addr, flags, &page), "a pin"))
		return;
	write_slot(w, p->mm, addr, &p->slot[i], w->number);
	memcpy(&value,
	       (char *)mm_page_data(w->world->sys, page) + (word_in_page(addr) & ~RMAP_PAGE_MASK),
	       sizeof(value));
	if (!value_fits(&p->slot[i], value))
		stress_wrong(w, "a pinned page holds %#llx instead of %#llx",
			     (unsigned long long)value, (unsigned long long)p->slot[i].value);
	mm_unpin(w->world->sys, page, flags);
}

/* ---------------------------------------------------------------- all of them */

static const struct {
	const char *name;
	void (*run)(struct stress_worker *w);
	unsigned int weight;
} operations[] = {
	{ "writing", op_write, 30 },
	{ "reading", op_read, 20 },
	{ "mmap", op_map, 8 },
	{ "munmap", op_unmap, 3 },
	{ "mprotect", op_protect, 8 },
	{ "mremap", op_move, 5 },
	{ "madvise", op_advise, 6 },
	{ "mlock", op_lock, 2 },
	{ "fork", op_fork, 3 },
	{ "exit", op_exit, 1 },
	{ "exec", op_exec, 1 },
	{ "touching a child", op_touch_foreign, 8 },
	{ "growing a stack", op_stack, 4 },
	{ "using a file", op_store, 8 },
	{ "using shared memory", op_memory, 5 },
	{ "truncation", op_cut, 4 },
	{ "reclaim", op_reclaim, 3 },
	{ "migration", op_migrate, 4 },
	{ "swapoff", op_swapoff, 1 },
	{ "a walk", op_walk, 8 },
	{ "a pin", op_pin, 2 },
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

void stress_operation(struct stress_worker *w)
{
	uint64_t total = 0, at;
	size_t i = 0;

	for (size_t n = 0; n < OPERATIONS; n++)
		total += operations[n].weight;
	for (at = draw(w, total); at >= operations[i].weight; i++)
		at -= operations[i].weight;
	atomic_store_explicit(&w->doing, operations[i].name, memory_order_relaxed);
	operations[i].run(w);
	atomic_fetch_add_explicit(&w->operations, 1, memory_order_relaxed);
}

bool stress_begin(struct stress_worker *w)
{
	const struct stress_slot mapped = { .access = STRESS_RW };
	const struct mm_mmap map = {
		.addr = stress_addr(w, 0),
		.len = STRESS_WINDOW * PAGE,
		.prot = MM_PROT_READ | MM_PROT_WRITE,
		.flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_FIXED,
	};
	uint64_t addr;

	w->process[0].mm = w->world->common;
	set_slots(&w->process[0], 0, STRESS_WINDOW, &mapped);
	for (uint32_t i = 0; i < STRESS_FILE; i++) {
		w->store[i] = w->memory[i] = mapped;
		w->cut[i] = (struct stress_slot){ .access = STRESS_RW, .fickle = true };
	}
	return carried_out(w, mm_mmap(w->world->common, &map, &addr), "mmap") && map_stack(w);
}

void stress_verify(struct stress_worker *w)
{
	struct stress_slot s = { .access = STRESS_RW };

	atomic_store_explicit(&w->doing, "verification", memory_order_relaxed);
	for (uint32_t n = 0; n <= STRESS_CHILDREN; n++) {
		struct stress_process *p = &w->process[n];

		for (uint32_t i = 0; p->mm && i < STRESS_WINDOW; i++)
			read_slot(w, p->mm, stress_addr(w, i), &p->slot[i]);
	}
	for (uint32_t i = 0; i < STRESS_FILE; i++) {
		read_slot(w, w->world->common, STRESS_STORE_AT + file_page(w, i) * PAGE,
			  &w->store[i]);
		read_slot(w, w->world->common, w->world->memory + file_page(w, i) * PAGE,
			  &w->memory[i]);
	}
	for (uint32_t i = 0; i < w->depth; i++) {
		s.value = w->stack[i];
		read_slot(w, w->world->common, stack_top(w) - (i + 1ull) * PAGE, &s);
	}
	atomic_store_explicit(&w->doing, "nothing", memory_order_relaxed);
}

void stress_end(struct stress_worker *w)
{
	for (uint32_t n = 1; n <= STRESS_CHILDREN; n++) {
		if (w->process[n].mm)
			mm_put(w->process[n].mm);
		w->process[n].mm = NULL;
	}
}
