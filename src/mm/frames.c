// SPDX-License-Identifier: BSD-2-Clause
/*
 * Frames: handed out, taken back, locked.
 *
 * Free frames stand where they were freed, one list a processor, the last freed first, since its lines are still in that one's
 * cache: a frame that another had before costs 64 lines of its contents from there to here. Frames that were never used stand on
 * no list at all: a system of a hundred million frames is made without touching a descriptor. A processor that has none takes a
 * run of them, from sys->untouched on; when there are none any more, those of others.
 *
 * How many there are is counted once, in nr_free, against which the watermarks are held. An allocation claims a frame there before
 * it takes one. So that two do not write to one line for each page, a processor claims many at a time, and may keep what it frees:
 * its credit. Where memory is short (sys->plenty) there is no credit: what is freed is counted at once, and an allocation that would
 * fail takes back that of all others before it reclaims. So the last frame can be had by anybody, and a system with one processor
 * reclaims as if there were no credit.
 *
 * An allocation that finds no more than the min watermark reclaims by itself, in batches up to the high one; only those that
 * help to free memory may go below (PAGE_ALLOC_RESERVE). There is no daemon: mm_balance() is what one would call.
 */
#include "mm_types.h"
#include "reclaim.h"
#include "valid.h"

/* Pages that go back under one lock: as many as gathering collects. */
#define FREE_RUN 64

void frames_init(struct mm_system *sys)
{
	rmap_spin_init(&sys->frame_lock, RMAP_LOCK_FRAMES);
	sys->zero_page = pfn_to_page(sys, 0);
	sys->untouched = 1;
	atomic_store(&sys->nr_free, sys->nr_frames - 1);
	atomic_store(&sys->zero_page->refs, 1);
	atomic_store(&sys->zero_page->flags, PG_RESERVED | PG_UPTODATE);
	list_init(&sys->zero_page->lru);
	page_zero(sys, sys->zero_page);
}

void frames_destroy(struct mm_system *sys)
{
	uint64_t poisoned = 0;

	for (uint64_t pfn = 1; pfn < sys->untouched; pfn++)
		poisoned += page_test(pfn_to_page(sys, pfn), PG_POISON) != 0;
	MM_ASSERT(sys, frames_free(sys) + poisoned + 1 == sys->nr_frames);
}

/* ---------------------------------------------------------------- how many there are */

uint64_t frames_free(const struct mm_system *sys)
{
	uint64_t nr = atomic_load_explicit(&sys->nr_free, memory_order_relaxed);

	for (uint32_t i = 0; i < sys->nr_cpus; i++)
		nr += atomic_load_explicit(&sys->cpus[i].credit, memory_order_relaxed);
	return nr;
}

static bool is_plenty(const struct mm_system *sys)
{
	return atomic_load_explicit(&sys->nr_free, memory_order_relaxed) >= sys->plenty;
}

/* The right to take nr frames without going below floor: all of them or none. Returns how many. */
static uint32_t claim(struct mm_system *sys, uint32_t nr, uint64_t floor)
{
	uint64_t free = atomic_load_explicit(&sys->nr_free, memory_order_relaxed);

	do {
		if (free < floor + nr)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(
		&sys->nr_free, &free, free - nr, memory_order_acquire, memory_order_relaxed));
	return nr;
}

/* Frames that are there again, or rights that were not used. */
static void unclaim(struct mm_system *sys, uint32_t nr)
{
	atomic_fetch_add_explicit(&sys->nr_free, nr, memory_order_release);
}

/* The processor's lock is held: no interlocked operation is needed, only that readers without it see whole values. */
static uint32_t credit_of(const struct mm_cpu *cpu)
{
	return atomic_load_explicit(&cpu->credit, memory_order_relaxed);
}

static void set_credit(struct mm_cpu *cpu, uint32_t nr)
{
	rmap_assert_spin_held(&cpu->lock);
	atomic_store_explicit(&cpu->credit, nr, memory_order_relaxed);
}

/* All that the processor has claimed and not used. */
static bool credit_return(struct mm_system *sys, struct mm_cpu *cpu)
{
	uint32_t nr;

	if (!credit_of(cpu))
		return false;
	rmap_spin_lock(&cpu->lock);
	nr = credit_of(cpu);
	set_credit(cpu, 0);
	rmap_spin_unlock(&cpu->lock);
	unclaim(sys, nr);
	return nr != 0;
}

bool frames_drain(struct mm_system *sys)
{
	bool any = false;

	for (uint32_t i = 0; i < sys->nr_cpus; i++)
		any |= credit_return(sys, &sys->cpus[i]);
	return any;
}

/* ---------------------------------------------------------------- which */

/*
 * Frames that nobody has ever had: a run of them, not one, since processors fetch the lines ahead of those that they read. Where two
 * took neighbouring descriptors by turns, each would fetch the other's again and again. CPU lock held. False: there are none.
 */
static bool get_fresh(struct mm_system *sys, struct mm_cpu *cpu)
{
	uint64_t left;

	rmap_assert_spin_held(&cpu->lock);
	rmap_spin_lock(&sys->frame_lock);
	left = sys->nr_frames - sys->untouched;
	cpu->fresh = sys->untouched;
	cpu->fresh_end = cpu->fresh + (left < sys->fresh_run ? left : sys->fresh_run);
	sys->untouched = cpu->fresh_end;
	rmap_spin_unlock(&sys->frame_lock);
	return left != 0;
}

/* CPU lock held. NULL: it has none. */
static struct page *pop(struct mm_system *sys, struct mm_cpu *cpu)
{
	struct page *page;

	rmap_assert_spin_held(&cpu->lock);
	if (rmap_unlikely(list_empty(&cpu->frames)))
		return cpu->fresh < cpu->fresh_end ? pfn_to_page(sys, cpu->fresh++) : NULL;
	page = list_entry(cpu->frames.next, struct page, lru);
	list_del(&page->lru);
	return page;
}

/*
 * What another processor has freed. Whoever asks has claimed a frame, so there is one; but while we go round it may be taken behind
 * us and another one be freed where we have been.
 */
static struct page *pop_others(struct mm_system *sys, const struct mm_cpu *own)
{
	struct page *page = NULL;

	for (uint32_t i = own->number; !page; rmap_cpu_relax()) {
		for (uint32_t tried = 0; tried < sys->nr_cpus && !page; tried++) {
			struct mm_cpu *cpu = &sys->cpus[i];

			i = i + 1 < sys->nr_cpus ? i + 1 : 0;
			rmap_spin_lock(&cpu->lock);
			page = pop(sys, cpu);
			rmap_spin_unlock(&cpu->lock);
		}
	}
	return page;
}

/* ---------------------------------------------------------------- taking */

/* The processor's lock is held. May it take one more? */
static bool use_credit(struct mm_system *sys, struct mm_cpu *cpu)
{
	uint32_t credit = credit_of(cpu);

	if (rmap_unlikely(!credit) && is_plenty(sys))
		credit = claim(sys, sys->frame_batch, sys->watermark[WATERMARK_HIGH]);
	if (!credit)
		return false;
	set_credit(cpu, credit - 1);
	return true;
}

/* A frame, or NULL where only the reserve is left. */
static struct page *take(struct mm_system *sys, struct mm_cpu *cpu, unsigned int flags)
{
	uint64_t floor = flags & PAGE_ALLOC_RESERVE ? 0 : sys->watermark[WATERMARK_MIN];
	struct page *page = NULL;
	bool mine;

	rmap_spin_lock(&cpu->lock);
	mine = use_credit(sys, cpu) || claim(sys, 1, floor);
	if (mine)
		page = pop(sys, cpu);
	if (rmap_unlikely(mine && !page) && get_fresh(sys, cpu))
		page = pop(sys, cpu);
	rmap_spin_unlock(&cpu->lock);
	return mine && rmap_unlikely(!page) ? pop_others(sys, cpu) : page;
}

static struct page *frame_take(struct mm_system *sys, struct mm_cpu *cpu, unsigned int flags)
{
	struct page *page = take(sys, cpu, flags);

	/* What others have claimed and not used was claimed while there was plenty. */
	if (rmap_unlikely(!page) && frames_drain(sys))
		page = take(sys, cpu, flags);
	return page;
}

/*
 * How often an allocation reclaims before it gives up, and waits. A round that frees nothing is no reason to: where all pages are in use it
 * has cleared their accessed bits, and the next one finds some that are not. Where nothing can be reclaimed at all a round is short.
 */
#define ALLOC_TRIES 8

static struct page *frame_take_hard(struct mm_system *sys, struct mm_cpu *cpu, unsigned int flags)
{
	struct page *page = NULL;

	for (int i = 0; i < ALLOC_TRIES && !page; i++) {
		uint64_t free = frames_free(sys);
		uint64_t high = sys->watermark[WATERMARK_HIGH];

		(void)reclaim_direct(sys, free < high ? high - free : 1);
		page = frame_take(sys, cpu, flags);
	}
	/*
	 * Page tables that wait for their grace period are memory too. While we waited others may have taken all that came back, and
	 * filled it with tables that wait for the next one: so more than once. With nothing deferred a barrier costs nothing.
	 */
	for (int i = 0; i < ALLOC_TRIES && !page; i++) {
		sys->port->os.rcu_barrier(sys->port->os.ctx);
		page = frame_take(sys, cpu, flags);
	}
	return page;
}

struct page *page_alloc_on(struct mm_system *sys, struct mm_cpu *cpu, unsigned int flags)
{
	struct page *page;

	/* Where memory is short it reclaims, whose walks wait for these; page locks it tries. */
	if (!(flags & PAGE_ALLOC_NO_RECLAIM))
		rmap_assert_may_wait(RMAP_LOCK_FILE_MAP);
	page = frame_take(sys, cpu, flags);
	if (rmap_unlikely(!page)) {
		if (flags & PAGE_ALLOC_NO_RECLAIM)
			return NULL;
		page = frame_take_hard(sys, cpu, flags);
		if (!page)
			return NULL;
	}
	list_init(&page->lru);
	page->private = 0;
	atomic_store_explicit(&page->refs, 1, memory_order_relaxed);
	if (flags & PAGE_ALLOC_TABLE)
		memset(page_address(sys, page), 0, RMAP_PAGE_SIZE);
	else if (flags & PAGE_ALLOC_ZERO)
		page_zero(sys, page);
	return page;
}

struct page *page_alloc(struct mm_system *sys, unsigned int flags)
{
	return page_alloc_on(sys, this_cpu(sys), flags);
}

/* ---------------------------------------------------------------- giving back */

/* Frames on their way back, and what is counted less for them. */
struct going {
	struct page *frames[FREE_RUN];
	unsigned int nr;
	int64_t tables, anon;
};

static void frames_put(struct mm_system *sys, struct mm_cpu *cpu, const struct going *going)
{
	uint32_t most = is_plenty(sys) ? 2 * sys->frame_batch : 0, keep;

	rmap_spin_lock(&cpu->lock);
	for (unsigned int i = 0; i < going->nr; i++)
		list_add(&going->frames[i]->lru, &cpu->frames);
	keep = credit_of(cpu) + going->nr;
	if (keep > most) {
		unclaim(sys, keep - most / 2);
		keep = most / 2;
	}
	set_credit(cpu, keep);
	MM_DEBUG_ASSERT(sys, mm_cpu_valid(sys, cpu));
	rmap_spin_unlock(&cpu->lock);
}

/* It belongs to nobody and is on no list. */
static inline void page_forget(struct mm_system *sys, struct page *page, struct going *going)
{
	uint32_t flags = atomic_load_explicit(&page->flags, memory_order_relaxed);

	MM_ASSERT(sys, rmap_page_mapcount(&page->rmap) == 0);
	MM_ASSERT(sys, !(flags & (PG_LOCKED | PG_SWAPCACHE | PG_WRITEBACK | PG_RESERVED)));
	if (flags & PG_TABLE)
		going->tables++;
	else if (rmap_page_is_anon(&page->rmap))
		going->anon++;
	rmap_page_free(&sys->rmap, &page->rmap);
	atomic_store_explicit(&page->flags, flags & PG_POISON, memory_order_relaxed);
	if (!(flags & PG_POISON))
		going->frames[going->nr++] = page;
}

void pages_free(struct mm_system *sys, struct page *const *pages, unsigned int nr)
{
	struct mm_cpu *cpu = this_cpu(sys);
	struct going going;

	while (nr) {
		unsigned int run = nr < FREE_RUN ? nr : FREE_RUN;

		going.nr = 0;
		going.tables = 0;
		going.anon = 0;
		lru_forget(sys, pages, run);
		for (unsigned int i = 0; i < run; i++)
			page_forget(sys, pages[i], &going);
		if (going.tables)
			cpu_sum_add(cpu, SUM_TABLES, -going.tables);
		if (going.anon)
			cpu_sum_add(cpu, SUM_ANON, -going.anon);
		frames_put(sys, cpu, &going);
		pages += run;
		nr -= run;
	}
}

void page_free(struct mm_system *sys, struct page *page)
{
	pages_free(sys, &page, 1);
}

bool page_trylock(struct page *page)
{
	if (atomic_fetch_or_explicit(&page->flags, PG_LOCKED, memory_order_acquire) & PG_LOCKED)
		return false;
	rmap_bit_lock_got(&page->flags, RMAP_LOCK_PAGE);
	return true;
}

static void wait_for_holder(const struct rmap_port *os, struct page *page)
{
	uint32_t v = atomic_load_explicit(&page->flags, memory_order_relaxed);

	if (!os->wait) {
		rmap_cpu_relax();
		return;
	}
	/* That somebody waits is only said of a lock that is held: who does not come to take it would not clear that. */
	while ((v & PG_LOCKED) &&
	       !atomic_compare_exchange_weak_explicit(&page->flags, &v, v | PG_WAITERS,
						      memory_order_relaxed, memory_order_relaxed))
		;
	if (v & PG_LOCKED)
		os->wait(os->ctx, &page->flags, v | PG_WAITERS);
}

void page_lock(struct mm_system *sys, struct page *page)
{
	rmap_bit_lock_wait(&page->flags, RMAP_LOCK_PAGE);
	while (!page_trylock(page))
		wait_for_holder(&sys->port->os, page);
}

void page_wait(struct mm_system *sys, struct page *page)
{
	rmap_assert_may_wait(RMAP_LOCK_PAGE);
	wait_for_holder(&sys->port->os, page);
}

void page_unlock(struct mm_system *sys, struct page *page)
{
	const struct rmap_port *os = &sys->port->os;
	uint32_t old;

	MM_DEBUG_ASSERT(sys, page_valid(page));
	rmap_bit_lock_released(&page->flags, RMAP_LOCK_PAGE);
	old = atomic_fetch_and_explicit(&page->flags, ~(uint32_t)(PG_LOCKED | PG_WAITERS),
					memory_order_release);
	MM_ASSERT(sys, old & PG_LOCKED);
	if (rmap_unlikely(old & PG_WAITERS) && os->wake)
		os->wake(os->ctx, &page->flags);
}

void page_zero(struct mm_system *sys, struct page *page)
{
	void *data = page_data(sys, page);

	if (data)
		memset(data, 0, RMAP_PAGE_SIZE);
}

void page_copy(struct mm_system *sys, struct page *dst, struct page *src)
{
	void *data = page_data(sys, dst);

	if (data)
		memcpy(data, page_data(sys, src), RMAP_PAGE_SIZE);
}
