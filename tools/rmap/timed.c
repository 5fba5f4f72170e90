// SPDX-License-Identifier: BSD-2-Clause
/*
 * The clock around a design: one stack of events, of which the uppermost one's clock runs.
 *
 * Events nest: a walk's visitor unmaps the page that was found. Its own work is nobody's, so a visitor pauses the walk's clock,
 * and an event that it reports has one of its own.
 */
#include "timed.h"

#include "instructions.h"

#include <rmap/walk.h>

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DEPTH_MAX 32
#define CALIBRATE 301

/* ---------------------------------------------------------------- clocks */

static uint64_t monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#if defined(__x86_64__)
static inline uint64_t ticks(void)
{
	return __builtin_ia32_rdtsc();
}
#define CLOCK_NAME "tsc"
#else
static inline uint64_t ticks(void)
{
	return monotonic();
}
#define CLOCK_NAME "clock"
#endif

const char *timed_clock_name(void)
{
	return CLOCK_NAME;
}

/* Not by read(), which takes fifty instructions more as soon as there is a second thread. */
static uint64_t read_counter(int fd)
{
	uint64_t n = 0;

	if (syscall(SYS_read, fd, &n, sizeof(n)) != (long)sizeof(n))
		return 0;
	return n;
}

/* ---------------------------------------------------------------- the layer */

struct total {
	uint64_t events, pages, ticks;
	uint64_t pauses; /* each costs as much as an event */
	double instructions;
};

struct timed {
	struct rmap_ops ops; /* first: rmap->ops points here */
	const struct rmap_ops *inner;
	/* [1]: of a fork */
	struct total total[2][TIMED_EVENTS];
	struct total *stack[DEPTH_MAX]; /* NULL: a visitor */
	unsigned int depth;
	uint32_t random;
	bool forking;
	uint64_t last_ticks;
	/* the outermost event's sample */
	uint64_t weight; /* 0: not in it */
	uint64_t last_instructions;
	int counter;
	/* taken within events, with the lock checker's locks */
	uint64_t locks[RMAP_LOCK_CLASSES + 1], last_locks[RMAP_LOCK_CLASSES + 1];
	/* what an empty event comes to */
	double overhead_ticks, overhead_instructions;
	/* to turn ticks to time */
	uint64_t start_ticks, start_ns;
};

/*
 * The layer whose clocks this thread keeps. Others have a part in a run, too: the one that frees what waited for a grace period, page
 * tables among it. Their events go through unmeasured.
 */
static _Thread_local const struct timed *mine;

static inline struct timed *timed_of(const struct rmap *rmap)
{
	return (struct timed *)(uintptr_t)rmap->ops;
}

static uint32_t random_bits(struct timed *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 17;
	t->random ^= t->random << 5;
	return t->random;
}

/* For how many does this event stand? */
static uint64_t choose_weight(struct timed *t, uint64_t nth)
{
	if (t->counter < 0)
		return 0;
	if (nth < 256)
		return 1;
	if (nth < 16384)
		return random_bits(t) % 16 ? 0 : 16;
	return random_bits(t) % 256 ? 0 : 256;
}

#ifdef LOCKDEP_H
static void credit_locks(struct timed *t)
{
	for (unsigned int i = 0; i <= RMAP_LOCK_CLASSES; i++)
		t->locks[i] += lockdep_taken[i] - t->last_locks[i];
}

static void count_locks_from_here(struct timed *t)
{
	memcpy(t->last_locks, lockdep_taken, sizeof(t->last_locks));
}

const char *timed_lock_name(unsigned int lock_class)
{
	return lock_class <= RMAP_LOCK_CLASSES ? lockdep_name(lock_class) : NULL;
}
#else
static inline void credit_locks(struct timed *t)
{
	(void)t;
}

static inline void count_locks_from_here(struct timed *t)
{
	(void)t;
}

const char *timed_lock_name(unsigned int lock_class)
{
	(void)lock_class;
	return NULL;
}
#endif

uint64_t timed_locks_taken(const struct timed *t, unsigned int lock_class)
{
	return lock_class <= RMAP_LOCK_CLASSES ? t->locks[lock_class] : 0;
}

/* The clock runs for another from here. now is read first, and again behind what takes long. */
static void credit(struct timed *t, uint64_t now)
{
	struct total *running = t->depth ? t->stack[t->depth - 1] : NULL;
	uint64_t n;

	if (running)
		running->ticks += now - t->last_ticks;
	if (running && running != &t->total[0][TIMED_PROBE])
		credit_locks(t);
	if (!t->weight)
		return;
	n = read_counter(t->counter);
	if (running)
		running->instructions += (double)t->weight * (double)(n - t->last_instructions);
}

static inline void go_on(struct timed *t)
{
	if (t->weight)
		t->last_instructions = read_counter(t->counter);
	count_locks_from_here(t);
	t->last_ticks = ticks();
}

static void begin(struct timed *t, enum timed_event event, uint64_t pages)
{
	struct total *total;

	if (mine != t)
		return;
	total = &t->total[t->forking && !t->depth][event];
	if (t->depth)
		credit(t, ticks());
	else
		t->weight = choose_weight(t, total->events);
	/* Deeper than anything goes: the outer one's time. */
	if (t->depth == DEPTH_MAX)
		abort();
	t->stack[t->depth++] = total;
	total->events++;
	total->pages += pages;
	go_on(t);
}

static void end(struct timed *t)
{
	if (mine != t)
		return;
	credit(t, ticks());
	/* An event in the sample carries what reading its counter costs, as often as it was read. */
	if (t->weight && t->stack[t->depth - 1])
		t->stack[t->depth - 1]->instructions -=
			(double)t->weight * t->overhead_instructions;
	t->depth--;
	if (t->depth)
		go_on(t);
	else
		t->weight = 0;
}

/* A visitor: nobody's time. */
static void pause_clock(struct timed *t)
{
	struct total *running;

	if (mine != t)
		return;
	running = t->stack[t->depth - 1];
	credit(t, ticks());
	running->pauses++;
	if (t->weight)
		running->instructions -= (double)t->weight * t->overhead_instructions;
	if (t->depth == DEPTH_MAX)
		abort();
	t->stack[t->depth++] = NULL;
}

static void resume_clock(struct timed *t)
{
	if (mine != t)
		return;
	t->depth--;
	go_on(t);
}

/* ---------------------------------------------------------------- address spaces */

static int timed_mm_init(struct rmap *rmap, struct rmap_mm *mm)
{
	struct timed *t = timed_of(rmap);
	int ret;

	begin(t, TIMED_MM_INIT, 1);
	ret = t->inner->mm_init(rmap, mm);
	end(t);
	return ret;
}

/* These two are there whatever the design has: they say what belongs to a fork. */
static int timed_mm_fork_begin(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent)
{
	struct timed *t = timed_of(rmap);
	int ret = RMAP_OK;

	t->forking = true;
	if (t->inner->mm_fork_begin) {
		begin(t, TIMED_MM_FORK_BEGIN, 1);
		ret = t->inner->mm_fork_begin(rmap, child, parent);
		end(t);
	}
	if (ret)
		t->forking = false;
	return ret;
}

static void timed_mm_fork_end(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent,
			      bool copied)
{
	struct timed *t = timed_of(rmap);

	if (t->inner->mm_fork_end) {
		begin(t, TIMED_MM_FORK_END, 1);
		t->inner->mm_fork_end(rmap, child, parent, copied);
		end(t);
	}
	t->forking = false;
}

static void timed_mm_exit(struct rmap *rmap, struct rmap_mm *mm)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_MM_EXIT, 1);
	t->inner->mm_exit(rmap, mm);
	end(t);
}

/* ---------------------------------------------------------------- VMAs */

static int timed_vma_prepare(struct rmap *rmap, struct rmap_vma *vma, struct rmap_vma *next,
			     struct rmap_vma *prev)
{
	struct timed *t = timed_of(rmap);
	int ret;

	begin(t, TIMED_VMA_PREPARE, 1);
	ret = t->inner->vma_prepare(rmap, vma, next, prev);
	end(t);
	return ret;
}

static int timed_vma_fork(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	struct timed *t = timed_of(rmap);
	int ret;

	begin(t, TIMED_VMA_FORK, 1);
	ret = t->inner->vma_fork(rmap, dst, src);
	end(t);
	return ret;
}

static int timed_vma_clone(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	struct timed *t = timed_of(rmap);
	int ret;

	begin(t, TIMED_VMA_CLONE, 1);
	ret = t->inner->vma_clone(rmap, dst, src);
	end(t);
	return ret;
}

static int timed_merge_prepare(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src,
			       bool *imported)
{
	struct timed *t = timed_of(rmap);
	int ret;

	begin(t, TIMED_MERGE_PREPARE, 1);
	ret = t->inner->merge_prepare(rmap, dst, src, imported);
	end(t);
	return ret;
}

static void timed_merge_undo(struct rmap *rmap, struct rmap_vma *dst)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_MERGE_UNDO, 1);
	t->inner->merge_undo(rmap, dst);
	end(t);
}

static void timed_adjust_begin(struct rmap *rmap, struct rmap_adjust *adjust)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_ADJUST_BEGIN, 1);
	t->inner->adjust_begin(rmap, adjust);
	end(t);
}

static void timed_adjust_end(struct rmap *rmap, struct rmap_adjust *adjust)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_ADJUST_END, 1);
	t->inner->adjust_end(rmap, adjust);
	end(t);
}

static int timed_shift_prepare(struct rmap *rmap, struct rmap_vma *vma)
{
	struct timed *t = timed_of(rmap);
	int ret;

	begin(t, TIMED_SHIFT_PREPARE, 1);
	ret = t->inner->vma_shift_prepare(rmap, vma);
	end(t);
	return ret;
}

static void timed_move_begin(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_MOVE_BEGIN, 1);
	t->inner->move_begin(rmap, dst, src);
	end(t);
}

static void timed_move_end(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_MOVE_END, 1);
	t->inner->move_end(rmap, dst, src);
	end(t);
}

static void timed_vma_unlink(struct rmap *rmap, struct rmap_vma *vma)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_VMA_UNLINK, 1);
	t->inner->vma_unlink(rmap, vma);
	end(t);
}

/* ---------------------------------------------------------------- pages */

static int timed_reserve(struct rmap *rmap, struct rmap_reserve *reserve, unsigned int n)
{
	struct timed *t = timed_of(rmap);
	int ret;

	begin(t, TIMED_RESERVE, n);
	ret = t->inner->reserve(rmap, reserve, n);
	end(t);
	return ret;
}

static void timed_unreserve(struct rmap *rmap, struct rmap_reserve *reserve)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_UNRESERVE, 1);
	t->inner->unreserve(rmap, reserve);
	end(t);
}

static void timed_page_new(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			   struct rmap_vma *vma, uint64_t addr, bool exclusive)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_PAGE_NEW, nr);
	t->inner->page_new(rmap, pages, nr, vma, addr, exclusive);
	end(t);
}

static void timed_page_map(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			   struct rmap_vma *vma, uint64_t addr, void *pte, unsigned int flags,
			   struct rmap_reserve *reserve)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_PAGE_MAP, nr);
	t->inner->page_map(rmap, pages, nr, vma, addr, pte, flags, reserve);
	end(t);
}

static void timed_page_unmap(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			     struct rmap_vma *vma, uint64_t addr, void *pte)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_PAGE_UNMAP, nr);
	t->inner->page_unmap(rmap, pages, nr, vma, addr, pte);
	end(t);
}

static void timed_page_moved(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			     struct rmap_vma *dst, uint64_t new_addr, void *new_pte,
			     struct rmap_vma *src, uint64_t old_addr, void *old_pte)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_PAGE_MOVED, nr);
	t->inner->page_moved(rmap, pages, nr, dst, new_addr, new_pte, src, old_addr, old_pte);
	end(t);
}

static void timed_page_slid(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			    struct rmap_vma *vma, uint64_t addr)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_PAGE_MOVED, nr);
	t->inner->page_slid(rmap, pages, nr, vma, addr);
	end(t);
}

static void timed_page_adopt(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
			     uint64_t addr)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_PAGE_ADOPT, 1);
	t->inner->page_adopt(rmap, page, vma, addr);
	end(t);
}

static void timed_page_leave(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_PAGE_LEAVE, 1);
	t->inner->page_leave(rmap, page, vma);
	end(t);
}

static void timed_page_to_entry(struct rmap *rmap, struct rmap_page *page, void *pte)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_PAGE_TO_ENTRY, 1);
	t->inner->page_to_entry(rmap, page, pte);
	end(t);
}

static void timed_page_from_entry(struct rmap *rmap, struct rmap_page *page,
				  struct rmap_page *old_page, void *pte)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_PAGE_FROM_ENTRY, 1);
	t->inner->page_from_entry(rmap, page, old_page, pte);
	end(t);
}

static void timed_entry_copied(struct rmap *rmap, struct rmap_page *page, void *pte,
			       struct rmap_reserve *reserve)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_ENTRY_COPIED, 1);
	t->inner->entry_copied(rmap, page, pte, reserve);
	end(t);
}

static void timed_entry_gone(struct rmap *rmap, struct rmap_page *page, void *pte)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_ENTRY_GONE, 1);
	t->inner->entry_gone(rmap, page, pte);
	end(t);
}

static void timed_migrate_end(struct rmap *rmap, struct rmap_page *new_page,
			      struct rmap_page *old_page)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_MIGRATE_END, 1);
	t->inner->migrate_end(rmap, new_page, old_page);
	end(t);
}

static void *timed_page_pin(struct rmap *rmap, struct rmap_page *page)
{
	struct timed *t = timed_of(rmap);
	void *ret;

	begin(t, TIMED_PAGE_PIN, 1);
	ret = t->inner->page_pin(rmap, page);
	end(t);
	return ret;
}

static void timed_page_unpin(struct rmap *rmap, void *pin)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_PAGE_UNPIN, 1);
	t->inner->page_unpin(rmap, pin);
	end(t);
}

static void timed_page_replace(struct rmap *rmap, struct rmap_page *new_page,
			       struct rmap_page *old_page)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_PAGE_REPLACE, 1);
	t->inner->page_replace(rmap, new_page, old_page);
	end(t);
}

static void timed_page_free(struct rmap *rmap, struct rmap_page *page)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_PAGE_FREE, 1);
	t->inner->page_free(rmap, page);
	end(t);
}

/* ---------------------------------------------------------------- swap slots */

static void timed_slot_fill(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_SLOT_FILL, 1);
	t->inner->slot_fill(rmap, slot, page);
	end(t);
}

static void timed_slot_dup(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_SLOT_DUP, 1);
	t->inner->slot_dup(rmap, slot, page);
	end(t);
}

static void timed_slot_restore(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page,
			       struct rmap_vma *vma, uint64_t addr)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_SLOT_RESTORE, 1);
	t->inner->slot_restore(rmap, slot, page, vma, addr);
	end(t);
}

static void timed_slot_rejoin(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_SLOT_RESTORE, 1);
	t->inner->slot_rejoin(rmap, slot, page);
	end(t);
}

static void timed_slot_refill(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_SLOT_FILL, 1);
	t->inner->slot_refill(rmap, slot, page);
	end(t);
}

static void timed_slot_free(struct rmap *rmap, struct rmap_slot *slot)
{
	struct timed *t = timed_of(rmap);

	begin(t, TIMED_SLOT_FREE, 1);
	t->inner->slot_free(rmap, slot);
	end(t);
}

/* ---------------------------------------------------------------- walks */

struct visitor {
	struct timed *t;
	enum rmap_visit (*visit)(struct rmap_hit *hit, void *arg);
	bool (*skip)(const struct rmap_vma *vma, void *arg);
	void *arg;
};

static enum rmap_visit visit(struct rmap_hit *hit, void *arg)
{
	struct visitor *v = arg;
	enum rmap_visit ret;

	pause_clock(v->t);
	ret = v->visit(hit, v->arg);
	resume_clock(v->t);
	return ret;
}

static bool skip(const struct rmap_vma *vma, void *arg)
{
	struct visitor *v = arg;

	return v->skip(vma, v->arg);
}

/* As rmap_walk() would have gone on. */
static int walk_inner(struct timed *t, struct rmap *rmap, struct rmap_page *page,
		      struct rmap_walk_state *state)
{
	struct rmap_file *file = rmap_page_file(page);

	if (!file || t->inner->walks_file_pages)
		return t->inner->walk(rmap, page, state);
	return file_map_walk(rmap, file, page, state);
}

static int timed_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state)
{
	struct timed *t = timed_of(rmap);
	struct rmap_walk *walk = state->walk;
	struct visitor v = { .t = t, .visit = walk->visit, .skip = walk->skip, .arg = walk->arg };
	int ret;

	if (walk->flags & RMAP_WALK_CHECK)
		return walk_inner(t, rmap, page, state);
	walk->visit = v.visit ? visit : NULL;
	walk->skip = v.skip ? skip : NULL;
	walk->arg = &v;
	begin(t, walk->purpose == RMAP_WALK_PROBE ? TIMED_PROBE : TIMED_WALK, 1);
	ret = walk_inner(t, rmap, page, state);
	end(t);
	walk->visit = v.visit;
	walk->skip = v.skip;
	walk->arg = v.arg;
	return ret;
}

/* ---------------------------------------------------------------- making */

static void nothing(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
		    struct rmap_vma *vma, uint64_t addr, bool exclusive)
{
	(void)rmap;
	(void)pages;
	(void)nr;
	(void)vma;
	(void)addr;
	(void)exclusive;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* What an event comes to in which nothing is done: the median of many. */
static void calibrate(struct timed *t)
{
	static const struct rmap_ops empty = { .page_new = nothing };
	/* Called as events are, by a pointer: in line it would cost less, and too little would be taken off. */
	void (*volatile event)(struct rmap *, struct rmap_page *const *, unsigned int,
			       struct rmap_vma *, uint64_t, bool) = timed_page_new;
	const struct rmap_ops *volatile inner_now = &empty;
	struct total *total = &t->total[0][TIMED_PAGE_NEW];
	const struct rmap_ops *inner = t->inner;
	struct rmap rmap = { .ops = &t->ops };
	uint64_t n[CALIBRATE];
	int counter = t->counter;

	t->inner = inner_now;
	t->counter = -1;
	for (unsigned int i = 0; i < CALIBRATE; i++) {
		total->ticks = 0;
		event(&rmap, NULL, 1, NULL, 0, false);
		n[i] = total->ticks;
	}
	qsort(n, CALIBRATE, sizeof(n[0]), by_size);
	t->overhead_ticks = (double)n[CALIBRATE / 2];
	t->counter = counter;
	for (unsigned int i = 0; i < CALIBRATE && counter >= 0; i++) {
		total->events = 0;
		total->instructions = 0;
		event(&rmap, NULL, 1, NULL, 0, false);
		n[i] = (uint64_t)total->instructions;
	}
	qsort(n, CALIBRATE, sizeof(n[0]), by_size);
	t->overhead_instructions = counter >= 0 ? (double)n[CALIBRATE / 2] : 0;
	memset(total, 0, sizeof(*total));
	t->inner = inner;
}

static void take_over(struct timed *t)
{
	struct rmap_ops *o = &t->ops;

#define TAKE(entry, function)                                                                      \
	do {                                                                                       \
		if (o->entry)                                                                      \
			o->entry = (function);                                                     \
	} while (0)
	TAKE(mm_init, timed_mm_init);
	o->mm_fork_begin = timed_mm_fork_begin;
	o->mm_fork_end = timed_mm_fork_end;
	TAKE(mm_exit, timed_mm_exit);
	TAKE(vma_prepare, timed_vma_prepare);
	TAKE(vma_fork, timed_vma_fork);
	TAKE(vma_clone, timed_vma_clone);
	TAKE(merge_prepare, timed_merge_prepare);
	TAKE(merge_undo, timed_merge_undo);
	TAKE(adjust_begin, timed_adjust_begin);
	TAKE(adjust_end, timed_adjust_end);
	TAKE(vma_shift_prepare, timed_shift_prepare);
	TAKE(move_begin, timed_move_begin);
	TAKE(move_end, timed_move_end);
	TAKE(vma_unlink, timed_vma_unlink);
	TAKE(reserve, timed_reserve);
	TAKE(unreserve, timed_unreserve);
	TAKE(page_new, timed_page_new);
	TAKE(page_map, timed_page_map);
	TAKE(page_unmap, timed_page_unmap);
	TAKE(page_moved, timed_page_moved);
	TAKE(page_slid, timed_page_slid);
	TAKE(page_adopt, timed_page_adopt);
	TAKE(page_leave, timed_page_leave);
	TAKE(page_to_entry, timed_page_to_entry);
	TAKE(page_from_entry, timed_page_from_entry);
	TAKE(entry_copied, timed_entry_copied);
	TAKE(entry_gone, timed_entry_gone);
	TAKE(migrate_end, timed_migrate_end);
	TAKE(page_pin, timed_page_pin);
	TAKE(page_unpin, timed_page_unpin);
	TAKE(page_replace, timed_page_replace);
	TAKE(page_free, timed_page_free);
	TAKE(slot_fill, timed_slot_fill);
	TAKE(slot_dup, timed_slot_dup);
	TAKE(slot_restore, timed_slot_restore);
	TAKE(slot_rejoin, timed_slot_rejoin);
	TAKE(slot_refill, timed_slot_refill);
	TAKE(slot_free, timed_slot_free);
#undef TAKE
	o->walk = timed_walk;
	o->walks_file_pages = true;
}

struct timed *timed_new(const struct rmap_ops *ops)
{
	struct timed *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ops = *ops;
	t->inner = ops;
	t->random = 2463534242u;
	t->counter = instructions_open();
	take_over(t);
	mine = t;
	calibrate(t);
	t->start_ns = monotonic();
	t->start_ticks = ticks();
	return t;
}

void timed_free(struct timed *t)
{
	if (!t)
		return;
	if (mine == t)
		mine = NULL;
	if (t->counter >= 0)
		close(t->counter);
	free(t);
}

const struct rmap_ops *timed_ops(const struct timed *t)
{
	return &t->ops;
}

/* ---------------------------------------------------------------- results */

static const struct {
	const char *name;
	enum timed_class class;
	bool of_fork; /* in a fork it is the fork's */
} events[TIMED_EVENTS] = {
	[TIMED_MM_INIT] = { "mm_init", TIMED_OTHER, false },
	[TIMED_MM_FORK_BEGIN] = { "mm_fork_begin", TIMED_FORK, true },
	[TIMED_MM_FORK_END] = { "mm_fork_end", TIMED_FORK, true },
	[TIMED_MM_EXIT] = { "mm_exit", TIMED_UNMAP, false },
	[TIMED_VMA_PREPARE] = { "vma_prepare", TIMED_MAP, true },
	[TIMED_VMA_FORK] = { "vma_fork", TIMED_FORK, true },
	[TIMED_VMA_CLONE] = { "vma_clone", TIMED_LAYOUT, false },
	[TIMED_MERGE_PREPARE] = { "merge_prepare", TIMED_LAYOUT, false },
	[TIMED_MERGE_UNDO] = { "merge_undo", TIMED_LAYOUT, false },
	[TIMED_ADJUST_BEGIN] = { "adjust_begin", TIMED_LAYOUT, false },
	[TIMED_ADJUST_END] = { "adjust_end", TIMED_LAYOUT, false },
	[TIMED_SHIFT_PREPARE] = { "vma_shift_prepare", TIMED_LAYOUT, false },
	[TIMED_MOVE_BEGIN] = { "move_begin", TIMED_LAYOUT, false },
	[TIMED_MOVE_END] = { "move_end", TIMED_LAYOUT, false },
	[TIMED_VMA_UNLINK] = { "vma_unlink", TIMED_UNMAP, false },
	[TIMED_RESERVE] = { "reserve", TIMED_MAP, true },
	[TIMED_UNRESERVE] = { "unreserve", TIMED_MAP, true },
	[TIMED_PAGE_NEW] = { "page_new", TIMED_MAP, true },
	[TIMED_PAGE_MAP] = { "page_map", TIMED_MAP, true },
	[TIMED_PAGE_UNMAP] = { "page_unmap", TIMED_UNMAP, false },
	[TIMED_PAGE_MOVED] = { "page_moved", TIMED_LAYOUT, false },
	[TIMED_PAGE_ADOPT] = { "page_adopt", TIMED_MAP, false },
	[TIMED_PAGE_LEAVE] = { "page_leave", TIMED_UNMAP, false },
	[TIMED_PAGE_TO_ENTRY] = { "page_to_entry", TIMED_OTHER, false },
	[TIMED_PAGE_FROM_ENTRY] = { "page_from_entry", TIMED_OTHER, false },
	[TIMED_ENTRY_COPIED] = { "entry_copied", TIMED_FORK, true },
	[TIMED_ENTRY_GONE] = { "entry_gone", TIMED_UNMAP, false },
	[TIMED_MIGRATE_END] = { "migrate_end", TIMED_OTHER, false },
	[TIMED_PAGE_PIN] = { "page_pin", TIMED_OTHER, false },
	[TIMED_PAGE_UNPIN] = { "page_unpin", TIMED_OTHER, false },
	[TIMED_PAGE_REPLACE] = { "page_replace", TIMED_OTHER, false },
	[TIMED_PAGE_FREE] = { "page_free", TIMED_UNMAP, false },
	[TIMED_SLOT_FILL] = { "slot_fill", TIMED_OTHER, false },
	[TIMED_SLOT_DUP] = { "slot_dup", TIMED_OTHER, true },
	[TIMED_SLOT_RESTORE] = { "slot_restore", TIMED_MAP, false },
	[TIMED_SLOT_FREE] = { "slot_free", TIMED_UNMAP, false },
	[TIMED_WALK] = { "walk", TIMED_WALKS, false },
	[TIMED_PROBE] = { "probe", TIMED_CLASSES, false },
};

static const char *const class_names[TIMED_CLASSES] = {
	"fork", "map", "unmap", "layout", "walk", "other",
};

const char *timed_event_name(enum timed_event event)
{
	return events[event].name;
}

const char *timed_class_name(enum timed_class class)
{
	return class_names[class];
}

bool timed_counts_instructions(const struct timed *t)
{
	return t->counter >= 0;
}

static double ns_per_tick(const struct timed *t)
{
	uint64_t n = ticks() - t->start_ticks;

	return n ? (double)(monotonic() - t->start_ns) / (double)n : 0;
}

double timed_overhead_ns(const struct timed *t)
{
	return t->overhead_ticks * ns_per_tick(t);
}

static void add(const struct timed *t, const struct total *total, struct timed_sum *sum)
{
	double n =
		(double)total->ticks - t->overhead_ticks * (double)(total->events + total->pauses);

	sum->events += total->events;
	sum->pages += total->pages;
	if (n > 0)
		sum->ns += n * ns_per_tick(t);
	if (total->instructions > 0)
		sum->instructions += total->instructions;
}

static enum timed_class class_of(unsigned int event, unsigned int in_fork)
{
	return in_fork && events[event].of_fork ? TIMED_FORK : events[event].class;
}

struct timed_sum timed_class_sum(const struct timed *t, enum timed_class class)
{
	struct timed_sum sum = { 0 };

	for (unsigned int f = 0; f < 2; f++)
		for (unsigned int e = 0; e < TIMED_EVENTS; e++)
			if (e != TIMED_PROBE && (class == TIMED_CLASSES || class_of(e, f) == class))
				add(t, &t->total[f][e], &sum);
	return sum;
}

struct timed_sum timed_event_sum(const struct timed *t, enum timed_event event)
{
	struct timed_sum sum = { 0 };

	for (unsigned int f = 0; f < 2; f++)
		add(t, &t->total[f][event], &sum);
	return sum;
}
