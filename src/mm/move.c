// SPDX-License-Identifier: BSD-2-Clause
/*
 * Moving entries from one place of an address space to another (mremap, exec's stack).
 *
 *        src   [ a b c d ]                         dst   [ . . . . ]
 *                |  both PTLs held: an entry is in one place, in the other, or in neither, never in both
 *        src   [ . . c d ]                         dst   [ a b . . ]
 *
 * The TLB is flushed before either PTL is released: once the new place can be unmapped and its frame freed, no processor may
 * still write through the old one. A design that gives a page one address everywhere cannot have a shared page moved: that page is
 * unshared first, as for a write, with all locks but mmap_lock dropped. Walkers are held off by rmap_move_begin() where they could pass between the two places.
 */
#include "layout.h"
#include "reclaim.h"
#include "table.h"

static void lock_two(struct rmap_spinlock *a, struct rmap_spinlock *b)
{
	if (a == b) {
		rmap_spin_lock(a);
		return;
	}
	rmap_spin_lock(a < b ? a : b);
	rmap_spin_lock_nested(a < b ? b : a);
}

static void unlock_two(struct rmap_spinlock *a, struct rmap_spinlock *b)
{
	rmap_spin_unlock(a);
	if (a != b)
		rmap_spin_unlock(b);
}

/* What keeps the next entry from being moved. */
enum obstacle {
	MOVE_FREE,
	MOVE_SHARED,	/* the design wants the page unshared first */
	MOVE_MIGRATING, /* it cannot move a migration entry */
};

#define MOVE_RUN 32

struct move {
	struct vma *dst, *src;
	enum obstacle obstacle;
	pte_t entry; /* that was met there */
	uint64_t new_addr, old_addr;
	uint64_t len; /* of this step: within one table on both sides */
	pte_t *new_pte, *old_pte;
	bool flush;
	/* Pages at consecutive entries, which tier 1 is told of at once; and which of the step's entries is the first one's. */
	struct rmap_page *run[MOVE_RUN];
	unsigned int nr, at;
};

static enum obstacle obstacle(struct mm_system *sys, pte_t v)
{
	bool migrating = pte_is_migration(v);

	if (!migrating && (!pte_present(v) || (v & PTE_SPECIAL)))
		return MOVE_FREE;
	if (rmap_page_may_move(&sys->rmap, &pfn_to_page(sys, pte_pfn(v))->rmap, migrating))
		return MOVE_FREE;
	return migrating ? MOVE_MIGRATING : MOVE_SHARED;
}

static void move_entry(struct move *m, unsigned int at)
{
	pte_t v = pte_exchange(m->old_pte + at, 0);

	pte_write(m->new_pte + at, v);
	m->flush |= pte_maybe_cached(v);
}

/*
 * Told before it is done: a design that names slots must name the new ones before a walker can find an old one empty without
 * waiting for its PTL.
 */
static void move_run(struct move *m)
{
	uint64_t off = (uint64_t)m->at << RMAP_PAGE_SHIFT;

	if (!m->nr)
		return;
	rmap_page_moved(&vma_mm(m->src)->sys->rmap, m->run, m->nr, &m->dst->rmap, m->new_addr + off,
			m->new_pte + m->at, &m->src->rmap, m->old_addr + off, m->old_pte + m->at);
	for (unsigned int i = 0; i < m->nr; i++)
		move_entry(m, m->at + i);
	m->nr = 0;
}

static void run_add(struct move *m, struct page *page, unsigned int at)
{
	if (m->nr == MOVE_RUN || (m->nr && at != m->at + m->nr))
		move_run(m);
	if (!m->nr)
		m->at = at;
	m->run[m->nr++] = &page->rmap;
}

/* Moves up to the end of the step or to an obstacle; returns the bytes done. */
static uint64_t move_entries(struct move *m)
{
	struct mm *mm = vma_mm(m->src);
	struct mm_system *sys = mm->sys;
	struct rmap_spinlock *old_ptl = table_ptl(sys, m->old_pte);
	struct rmap_spinlock *new_ptl = table_ptl(sys, m->new_pte);
	unsigned int at, nr = (unsigned int)(m->len >> RMAP_PAGE_SHIFT);
	uint64_t moved = 0;

	m->flush = false;
	m->nr = 0;
	lock_two(old_ptl, new_ptl);
	for (at = 0; at < nr; at++) {
		pte_t v = pte_read(m->old_pte + at);

		if (!v)
			continue;
		m->obstacle = obstacle(sys, v);
		m->entry = v;
		if (m->obstacle != MOVE_FREE)
			break;
		moved++;
		if ((pte_present(v) && !(v & PTE_SPECIAL)) || pte_is_migration(v)) {
			run_add(m, pfn_to_page(sys, pte_pfn(v)), at);
			continue;
		}
		/* In order: exec's stack may slide by less than a run, and then this goes where one of the run's still stands. */
		move_run(m);
		move_entry(m, at);
	}
	move_run(m);
	if (m->flush)
		mm_flush(mm, m->old_addr, m->old_addr + m->len, MM_FLUSH_MOVE);
	unlock_two(old_ptl, new_ptl);
	COUNT(sys, moved_ptes, moved);
	return (uint64_t)at << RMAP_PAGE_SHIFT;
}

/* Without any lock but mmap_lock. 0: try again. */
static int clear_obstacle(const struct move *m, uint64_t addr)
{
	if (m->obstacle == MOVE_SHARED)
		return page_unshare(m->src, addr);
	if (m->obstacle == MOVE_MIGRATING)
		migration_wait(vma_mm(m->src)->sys,
			       m->old_pte + ((addr - m->old_addr) >> RMAP_PAGE_SHIFT), m->entry);
	return 0;
}

uint64_t move_range(struct vma *dst, uint64_t new_addr, struct vma *src, uint64_t old_addr,
		    uint64_t len, bool merged)
{
	struct mm *mm = vma_mm(src);
	uint64_t done = 0;

	rmap_assert_write_held(&mm->mmap_lock);
	while (done < len) {
		struct move m;
		uint64_t next = table_next(mm, old_addr + done, old_addr + len);
		uint64_t old_stop, new_stop;

		done = next - old_addr;
		if (done == len)
			break;
		m.dst = dst;
		m.src = src;
		m.obstacle = MOVE_FREE;
		m.old_addr = old_addr + done;
		m.new_addr = new_addr + done;
		old_stop = table_end(m.old_addr, old_addr + len) - m.old_addr;
		new_stop = table_end(m.new_addr, new_addr + len) - m.new_addr;
		m.len = old_stop < new_stop ? old_stop : new_stop;
		m.old_pte = table_find(mm, m.old_addr);
		m.new_pte = table_make(mm, m.new_addr);
		if (!m.new_pte)
			break;
		rmap_move_begin(&mm->sys->rmap, &dst->rmap, &src->rmap, merged);
		done += move_entries(&m);
		rmap_move_end(&mm->sys->rmap, &dst->rmap, &src->rmap, merged);
		if (clear_obstacle(&m, old_addr + done))
			break;
	}
	return done;
}
