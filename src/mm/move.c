// SPDX-License-Identifier: BSD-2-Clause
/*
 * Moving entries from one place of an address space to another (mremap, exec's stack).
 *
 *        src   [ a b c d ]                         dst   [ . . . . ]
 *                |  both PTLs held: an entry is in one place, in the other, or in neither, never in both
 *        src   [ . . c d ]                         dst   [ a b . . ]
 *
 * The TLB is flushed before either PTL is released: once the new place can be unmapped and its frame freed, no processor may
 * still write through the old one. Walkers are held off by rmap_move_begin() where they could pass between the two places.
 */
#include "table.h"
#include "vma.h"

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

struct move {
	struct vma *dst, *src;
	uint64_t new_addr, old_addr;
	uint64_t len; /* of this step: within one table on both sides */
	pte_t *new_pte, *old_pte;
};

static void move_entries(struct move *m)
{
	struct mm *mm = vma_mm(m->src);
	struct mm_system *sys = mm->sys;
	struct rmap_spinlock *old_ptl = table_ptl(sys, m->old_pte);
	struct rmap_spinlock *new_ptl = table_ptl(sys, m->new_pte);
	uint64_t moved = 0;
	bool flush = false;

	lock_two(old_ptl, new_ptl);
	for (uint64_t off = 0; off < m->len; off += RMAP_PAGE_SIZE, m->old_pte++, m->new_pte++) {
		pte_t v = pte_read(m->old_pte);

		if (!v)
			continue;
		v = pte_exchange(m->old_pte, 0);
		pte_write(m->new_pte, v);
		moved++;
		flush |= pte_present(v);
		if ((pte_present(v) && !(v & PTE_SPECIAL)) || pte_is_migration(v)) {
			struct rmap_page *page = &pfn_to_page(sys, pte_pfn(v))->rmap;

			rmap_page_moved(&sys->rmap, &page, 1, &m->dst->rmap, m->new_addr + off,
					m->new_pte, &m->src->rmap, m->old_addr + off, m->old_pte);
		}
	}
	if (flush) {
		COUNT(sys, tlb_flushes, 1);
		sys->port->tlb_flush(sys->port->ctx, mm, m->old_addr, m->old_addr + m->len);
	}
	unlock_two(old_ptl, new_ptl);
	COUNT(sys, moved_ptes, moved);
}

uint64_t move_range(struct vma *dst, uint64_t new_addr, struct vma *src, uint64_t old_addr,
		    uint64_t len, bool merged)
{
	struct mm *mm = vma_mm(src);
	uint64_t done = 0;

	while (done < len) {
		struct move m = { .dst = dst, .src = src };
		uint64_t next = table_next(mm, old_addr + done, old_addr + len);
		uint64_t old_stop, new_stop;

		done = next - old_addr;
		if (done == len)
			break;
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
		move_entries(&m);
		rmap_move_end(&mm->sys->rmap, &dst->rmap, &src->rmap, merged);
		done += m.len;
	}
	return done;
}
