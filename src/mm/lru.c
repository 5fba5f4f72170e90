// SPDX-License-Identifier: BSD-2-Clause
/*
 * The LRU lists: which page to take next when memory is short.
 *
 * Five lists as on Linux: anonymous pages and file pages, each inactive and active, and the pages that cannot go. New pages
 * enter at the head of their inactive list, reclaim takes from the tails. Which list a page belongs on is said by its flags;
 * which list it *is* on stands in three more bits of them, since the flags may change before the page is moved.
 *
 * A list holds no reference. page_free() takes a page off its list, so whoever meets a page here must first get a reference,
 * which fails for a page on its way out; such pages are passed by. One spin lock guards all lists; every function is O(1) but
 * the batch of lru_isolate().
 *
 * A new page comes by way of its processor's batch (cpu.h). All are emptied before pages are taken from a list's tail, and one's own
 * before anything is moved (all, if the page that is moved is in one); from one that has grown to a quarter of memory the oldest go to
 * the lists. It holds no reference either: a page may be taken out of the middle of it, so that one that goes before anybody reclaims
 * never touches a list. Its flags say in whose batch it is, and that one's lock guards it there. Whoever empties all batches takes from
 * each by turns.
 */
#include "mm_types.h"

void lru_init(struct mm_system *sys)
{
	rmap_spin_init(&sys->lru_lock, RMAP_LOCK_LRU);
	for (int i = 0; i < LRU_LISTS; i++) {
		list_init(&sys->lru[i]);
		atomic_store_explicit(&sys->nr_lru[i], 0, memory_order_relaxed);
	}
}

enum lru_list lru_list_of(const struct page *page)
{
	uint32_t flags = atomic_load_explicit(&page->flags, memory_order_relaxed);

	if (flags & PG_MLOCKED)
		return LRU_UNEVICTABLE;
	if (flags & PG_SWAPBACKED)
		return flags & PG_ACTIVE ? LRU_ACTIVE_ANON : LRU_INACTIVE_ANON;
	return flags & PG_ACTIVE ? LRU_ACTIVE_FILE : LRU_INACTIVE_FILE;
}

/* Bits that say where a page is. Others change meanwhile. */
#define PG_WHERE (PG_LRU | PG_LRU_LIST | PG_LRU_CPU | PG_UNEVICTABLE)

static uint32_t where_on(enum lru_list list)
{
	return PG_LRU | (uint32_t)list << PG_LRU_LIST_SHIFT |
	       (list == LRU_UNEVICTABLE ? PG_UNEVICTABLE : 0);
}

static uint32_t where_in(const struct mm_cpu *cpu)
{
	return where_on(LRU_BATCH) | cpu->number << PG_LRU_CPU_SHIFT;
}

/* The page is on no list, and now there. False: it is on one. */
static bool claim(struct page *page, uint32_t where)
{
	uint32_t flags = atomic_load_explicit(&page->flags, memory_order_relaxed);

	do {
		if (flags & PG_LRU)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&page->flags, &flags, flags | where, memory_order_relaxed, memory_order_relaxed));
	return true;
}

/* The lock of the list or batch that the page is on is held, and that of where it goes. */
static void say_where(struct page *page, uint32_t where)
{
	uint32_t flags = atomic_load_explicit(&page->flags, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(&page->flags, &flags,
						      (flags & ~(uint32_t)PG_WHERE) | where,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

static void say_nowhere(struct page *page)
{
	atomic_fetch_and_explicit(&page->flags, ~(uint32_t)PG_WHERE, memory_order_relaxed);
}

/* ---------------------------------------------------------------- lists; LRU lock held */

static void count_list(struct mm_system *sys, enum lru_list list, uint64_t n)
{
	rmap_assert_spin_held(&sys->lru_lock);
	atomic_store_explicit(&sys->nr_lru[list],
			      atomic_load_explicit(&sys->nr_lru[list], memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* Its flags say so already. */
static void list_enter(struct mm_system *sys, struct page *page, enum lru_list list)
{
	list_add(&page->lru, &sys->lru[list]);
	count_list(sys, list, 1);
}

static void list_leave(struct mm_system *sys, struct page *page)
{
	list_del_init(&page->lru);
	count_list(sys, lru_list_on(page), ~(uint64_t)0);
}

/* ---------------------------------------------------------------- batches; the processor's lock held */

static uint32_t batched(const struct mm_cpu *cpu)
{
	return atomic_load_explicit(&cpu->nr_lru, memory_order_relaxed);
}

static void set_batched(struct mm_cpu *cpu, uint32_t nr)
{
	rmap_assert_spin_held(&cpu->lock);
	atomic_store_explicit(&cpu->nr_lru, nr, memory_order_relaxed);
}

/* So many pages under one LRU lock, that others need not wait long. */
#define RUN 64

/* The oldest to the lists that their flags ask for by now. */
static void batch_run(struct mm_system *sys, struct mm_cpu *cpu)
{
	uint32_t nr = 0;

	rmap_assert_spin_held(&cpu->lock);
	rmap_spin_lock(&sys->lru_lock);
	for (; nr < RUN && !list_empty(&cpu->lru); nr++) {
		struct page *page = list_entry(cpu->lru.next, struct page, lru);
		enum lru_list list = lru_list_of(page);

		list_del(&page->lru);
		say_where(page, where_on(list));
		list_enter(sys, page, list);
	}
	rmap_spin_unlock(&sys->lru_lock);
	set_batched(cpu, batched(cpu) - nr);
}

/* A run of it. True: there may be more, of those that were there when it began. */
static bool batch_drain_run(struct mm_system *sys, struct mm_cpu *cpu)
{
	bool more;

	if (!batched(cpu))
		return false;
	rmap_spin_lock(&cpu->lock);
	more = batched(cpu) > RUN;
	batch_run(sys, cpu);
	rmap_spin_unlock(&cpu->lock);
	return more;
}

static void batch_drain(struct mm_system *sys, struct mm_cpu *cpu)
{
	while (batch_drain_run(sys, cpu))
		;
}

/* By turns, so that those which came at about the same time stand near each other, whoever brought them. */
void lru_drain(struct mm_system *sys)
{
	bool more;

	do {
		more = false;
		for (uint32_t i = 0; i < sys->nr_cpus; i++)
			more |= batch_drain_run(sys, &sys->cpus[i]);
	} while (more);
}

/* ---------------------------------------------------------------- where a page is */

/* The lock that guards where flags say that a page is; NULL: it is nowhere. */
static struct rmap_spinlock *lock_of(struct mm_system *sys, uint32_t flags)
{
	if (!(flags & PG_LRU))
		return NULL;
	if ((flags & PG_LRU_LIST) != (uint32_t)LRU_BATCH << PG_LRU_LIST_SHIFT)
		return &sys->lru_lock;
	return &sys->cpus[(flags & PG_LRU_CPU) >> PG_LRU_CPU_SHIFT].lock;
}

/*
 * Hold the lock that guards where the page is, instead of held (NULL: none was). NULL: it is nowhere, and none is held. While we
 * waited it may have gone from a batch to a list, so we look again.
 */
static inline struct rmap_spinlock *lock_where(struct mm_system *sys, const struct page *page,
					       struct rmap_spinlock *held)
{
	for (;;) {
		struct rmap_spinlock *lock =
			lock_of(sys, atomic_load_explicit(&page->flags, memory_order_relaxed));

		if (lock == held)
			return held;
		if (held)
			rmap_spin_unlock(held);
		if (lock)
			rmap_spin_lock(lock);
		held = lock;
	}
}

/* That lock is held. What its flags say is the caller's to change. */
static void unlink_page(struct mm_system *sys, struct page *page)
{
	uint32_t flags = atomic_load_explicit(&page->flags, memory_order_relaxed);

	if (lru_list_on(page) == LRU_BATCH) {
		struct mm_cpu *cpu = &sys->cpus[(flags & PG_LRU_CPU) >> PG_LRU_CPU_SHIFT];

		list_del_init(&page->lru);
		set_batched(cpu, batched(cpu) - 1);
	} else {
		list_leave(sys, page);
	}
}

/* ---------------------------------------------------------------- coming, going, moving */

void lru_put_back(struct mm_system *sys, struct page *page)
{
	enum lru_list list;

	batch_drain(sys, this_cpu(sys));
	rmap_spin_lock(&sys->lru_lock);
	list = lru_list_of(page);
	if (claim(page, where_on(list)))
		list_enter(sys, page, list);
	rmap_spin_unlock(&sys->lru_lock);
}

void lru_add_on(struct mm_system *sys, struct mm_cpu *cpu, struct page *page)
{
	if (!sys->lru_batch || page_test(page, PG_MLOCKED)) {
		lru_put_back(sys, page);
		return;
	}
	MM_DEBUG_ASSERT(sys, !page_test(page, PG_LRU));
	rmap_spin_lock(&cpu->lock);
	atomic_fetch_or_explicit(&page->flags, where_in(cpu), memory_order_relaxed);
	list_add_tail(&page->lru, &cpu->lru);
	set_batched(cpu, batched(cpu) + 1);
	if (rmap_unlikely(batched(cpu) >= sys->lru_batch))
		batch_run(sys, cpu);
	rmap_spin_unlock(&cpu->lock);
}

void lru_add(struct mm_system *sys, struct page *page)
{
	lru_add_on(sys, this_cpu(sys), page);
}

bool lru_del(struct mm_system *sys, struct page *page)
{
	struct rmap_spinlock *lock = lock_where(sys, page, NULL);

	if (!lock)
		return false;
	unlink_page(sys, page);
	say_nowhere(page);
	rmap_spin_unlock(lock);
	return true;
}

unsigned int lru_take(struct mm_system *sys, struct page **pages, unsigned int nr,
		      struct list_head *out)
{
	struct rmap_spinlock *held = NULL;
	unsigned int left = 0;

	for (unsigned int i = 0; i < nr; i++) {
		struct page *page = pages[i];

		held = lock_where(sys, page, held);
		if (!held) {
			pages[left++] = page;
			continue;
		}
		unlink_page(sys, page);
		say_nowhere(page);
		list_add_tail(&page->lru, out);
	}
	if (held)
		rmap_spin_unlock(held);
	return left;
}

void lru_forget(struct mm_system *sys, struct page *const *pages, unsigned int nr)
{
	struct rmap_spinlock *held = NULL;

	for (unsigned int i = 0; i < nr; i++) {
		if (!page_test(pages[i], PG_LRU))
			continue;
		held = lock_where(sys, pages[i], held);
		if (held)
			unlink_page(sys, pages[i]);
	}
	if (held)
		rmap_spin_unlock(held);
}

void lru_move(struct mm_system *sys, struct page *page)
{
	enum lru_list list;

	/* Those that came before it stand behind it, whosever batch they and it are in. */
	batch_drain(sys, this_cpu(sys));
	if (page_test(page, PG_LRU) && lru_list_on(page) == LRU_BATCH)
		lru_drain(sys);
	rmap_spin_lock(&sys->lru_lock);
	/* In a batch again: it goes where its flags say, when that is emptied. */
	if (page_test(page, PG_LRU) && lru_list_on(page) != LRU_BATCH) {
		list_leave(sys, page);
		list = lru_list_of(page);
		say_where(page, where_on(list));
		list_enter(sys, page, list);
	}
	rmap_spin_unlock(&sys->lru_lock);
}

void lru_mark_accessed(struct mm_system *sys, struct page *page)
{
	if (!page_set(page, PG_REFERENCED))
		return;
	if (page_test(page, PG_ACTIVE | PG_MLOCKED))
		return;
	page_set(page, PG_ACTIVE);
	page_clear(page, PG_REFERENCED);
	lru_move(sys, page);
}

unsigned int lru_isolate(struct mm_system *sys, enum lru_list list, unsigned int max,
			 struct list_head *out)
{
	struct list_head *pos, *before;
	unsigned int taken = 0;

	lru_drain(sys);
	rmap_spin_lock(&sys->lru_lock);
	for (pos = sys->lru[list].prev; pos != &sys->lru[list] && taken < max; pos = before) {
		struct page *page = list_entry(pos, struct page, lru);

		before = pos->prev;
		if (!page_try_get(page))
			continue;
		list_leave(sys, page);
		say_nowhere(page);
		list_add_tail(&page->lru, out);
		taken++;
	}
	rmap_spin_unlock(&sys->lru_lock);
	return taken;
}

bool lru_mlock(struct mm_system *sys, struct page *page)
{
	uint32_t flags = atomic_load_explicit(&page->flags, memory_order_relaxed);

	do {
		if ((flags & PG_MLOCKED) == PG_MLOCKED) {
			atomic_store_explicit(&sys->mlock_full, true, memory_order_relaxed);
			return false;
		}
	} while (
		!atomic_compare_exchange_weak_explicit(&page->flags, &flags, flags + PG_MLOCKED_ONE,
						       memory_order_acq_rel, memory_order_relaxed));
	if (!(flags & PG_MLOCKED))
		lru_move(sys, page);
	return true;
}

void lru_munlock(struct mm_system *sys, struct page *page)
{
	uint32_t flags =
		atomic_fetch_sub_explicit(&page->flags, PG_MLOCKED_ONE, memory_order_acq_rel);

	MM_ASSERT(sys, flags & PG_MLOCKED);
	if ((flags & PG_MLOCKED) == PG_MLOCKED_ONE)
		lru_move(sys, page);
}
