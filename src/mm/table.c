// SPDX-License-Identifier: BSD-2-Clause
/*
 * Page tables: descending, making, freeing; and how tier 1 looks into them.
 *
 *        pgd (level 4)      level 3            level 2            level 1: the PTEs
 *      +-------------+    +-------------+    +-------------+    +-------------+
 *      | 9 bits  ----+--> | 9 bits  ----+--> | 9 bits  ----+--> | pte   ------+--> frame
 *      +-------------+    +-------------+    +-------------+    +-------------+
 *
 * Descending takes no lock: an upper entry is set once, with release, under mm->table_lock, and cleared only when no VMA reaches
 * it any more; the table behind it lives on for a grace period. What a late reader may see in it is a level 1 table of empty
 * entries, so it finds nothing, which is right.
 */
#include "table.h"

#include "vma.h"

static pte_t *entry_table(const struct mm_system *sys, pte_t entry)
{
	return (pte_t *)(void *)(sys->frames + (pte_pfn(entry) << RMAP_PAGE_SHIFT));
}

static struct page *table_alloc(struct mm *mm, int level, uint64_t addr)
{
	struct page *page = page_alloc(mm->sys, PAGE_ALLOC_TABLE);

	if (!page)
		return NULL;
	rmap_spin_init(&page->ptl, RMAP_LOCK_PTL);
	page->entries = 0;
	page->rmap.index = addr & ~(((uint64_t)1 << PT_LEVEL_SHIFT(level + 1)) - 1);
	page->rmap.design = (uint64_t)level;
	atomic_store_explicit(&page->rmap.mapping, (uintptr_t)mm, memory_order_relaxed);
	atomic_store_explicit(&page->flags, PG_TABLE, memory_order_relaxed);
	atomic_fetch_add_explicit(&mm->nr_tables, 1, memory_order_relaxed);
	sum_add(mm->sys, SUM_TABLES, 1);
	return page;
}

static void table_return(struct mm *mm, struct page *page)
{
	atomic_fetch_sub_explicit(&mm->nr_tables, 1, memory_order_relaxed);
	atomic_store_explicit(&page->rmap.mapping, 0, memory_order_relaxed);
	page_put(mm->sys, page);
}

int table_init(struct mm *mm)
{
	struct page *page = table_alloc(mm, PT_LEVELS, 0);

	if (!page)
		return RMAP_ENOMEM;
	mm->pgd = page_address(mm->sys, page);
	return 0;
}

/*
 * Tables that are out of sight and to be freed after a grace period: all that a call frees in one go, since what each of them costs
 * afterwards (the processor's lock, taken by whoever runs what was deferred) is mostly waiting for lines. The first to go stands first;
 * rmap.design is the number of the next one's frame, 0: there is none.
 */
struct leaving {
	struct page *first, *last;
	uint64_t nr;
};

/* Tables that go back under one lock. */
#define TABLES_RUN 16

static void tables_free_late(void *ctx, struct rmap_rcu *rcu)
{
	struct page *page = rmap_container_of(rcu, struct page, rcu), *gone[TABLES_RUN];
	struct mm_system *sys =
		(struct mm_system *)atomic_load_explicit(&page->rmap.mapping, memory_order_relaxed);
	unsigned int nr = 0;
	uint64_t next;

	(void)ctx;
	do {
		next = atomic_exchange_explicit(&page->rmap.design, 0, memory_order_relaxed);
		atomic_store_explicit(&page->rmap.mapping, 0, memory_order_relaxed);
		list_init(&page->lru);
		if (page_put_is_last(page))
			gone[nr++] = page;
		if (nr == TABLES_RUN || (nr && !next)) {
			pages_free(sys, gone, nr);
			nr = 0;
		}
		page = pfn_to_page(sys, next);
	} while (next);
}

/* From here on the descriptor names the system: the mm may be gone when the grace period ends. */
static void table_leave(struct mm *mm, struct page *page, struct leaving *leaving)
{
	atomic_store_explicit(&page->rmap.mapping, (uintptr_t)mm->sys, memory_order_relaxed);
	atomic_store_explicit(&page->rmap.design, 0, memory_order_relaxed);
	if (leaving->first)
		atomic_store_explicit(&leaving->last->rmap.design, page_to_pfn(mm->sys, page),
				      memory_order_relaxed);
	else
		leaving->first = page;
	leaving->last = page;
	leaving->nr++;
}

static void tables_free(struct mm *mm, const struct leaving *leaving)
{
	if (!leaving->first)
		return;
	atomic_fetch_sub_explicit(&mm->nr_tables, leaving->nr, memory_order_relaxed);
	mm_call_rcu(mm->sys, &leaving->first->rcu, tables_free_late);
}

void table_destroy(struct mm *mm)
{
	struct leaving leaving = { .first = NULL };
	pte_t *pgd = mm->pgd;

	/* Out of sight before the grace period begins. */
	__atomic_store_n(&mm->pgd, NULL, __ATOMIC_RELEASE);
	table_leave(mm, page_of_address(mm->sys, pgd), &leaving);
	tables_free(mm, &leaving);
}

/* The table below the one at level, or NULL. Where the level is known when this is compiled, the shifts are, too. */
static inline pte_t *table_below(const struct mm *mm, pte_t *table, int level, uint64_t addr)
{
	pte_t entry = pte_read_acquire(&table[pt_index(addr, level)]);

	return rmap_likely(pte_present(entry)) ? entry_table(mm->sys, entry) : NULL;
}

_Static_assert(PT_LEVELS == 4, "table_find() and table_make() go down three times");

pte_t *table_find(const struct mm *mm, uint64_t addr)
{
	pte_t *table = __atomic_load_n(&mm->pgd, __ATOMIC_ACQUIRE);

	if (rmap_likely(table))
		table = table_below(mm, table, 4, addr);
	if (rmap_likely(table))
		table = table_below(mm, table, 3, addr);
	if (rmap_likely(table))
		table = table_below(mm, table, 2, addr);
	return table ? &table[pt_index(addr, 1)] : NULL;
}

/* Make the table below an empty upper entry, unless somebody else does it first. */
static int table_fill(struct mm *mm, pte_t *slot, int level, uint64_t addr)
{
	struct page *page = table_alloc(mm, level - 1, addr);

	if (!page)
		return RMAP_ENOMEM;
	rmap_spin_lock(&mm->table_lock);
	if (!pte_present(pte_read(slot))) {
		page_of_address(mm->sys, slot)->entries++;
		pte_write(slot,
			  pte_make(page_to_pfn(mm->sys, page), PTE_PRESENT | PTE_WRITE | PTE_USER));
		page = NULL;
	}
	rmap_spin_unlock(&mm->table_lock);
	if (page)
		table_return(mm, page);
	return 0;
}

/* The table below the one at level, which is made where there is none; NULL: no memory. */
static inline pte_t *table_make_below(struct mm *mm, pte_t *table, int level, uint64_t addr)
{
	pte_t *below = table_below(mm, table, level, addr);

	if (rmap_unlikely(!below) && !table_fill(mm, &table[pt_index(addr, level)], level, addr))
		below = table_below(mm, table, level, addr);
	return below;
}

pte_t *table_make(struct mm *mm, uint64_t addr)
{
	pte_t *table = table_make_below(mm, mm->pgd, 4, addr);

	if (rmap_likely(table))
		table = table_make_below(mm, table, 3, addr);
	if (rmap_likely(table))
		table = table_make_below(mm, table, 2, addr);
	return rmap_likely(table) ? &table[pt_index(addr, 1)] : NULL;
}

uint64_t table_next(const struct mm *mm, uint64_t addr, uint64_t end)
{
	while (addr < end) {
		const pte_t *table = __atomic_load_n(&mm->pgd, __ATOMIC_ACQUIRE);
		int level = PT_LEVELS;

		if (rmap_unlikely(!table)) /* scanned by a walker while it exits */
			return end;

		for (; level > 1; level--) {
			pte_t entry = pte_read_acquire(&table[pt_index(addr, level)]);

			if (!pte_present(entry))
				break;
			table = entry_table(mm->sys, entry);
		}
		if (level == 1)
			return addr;
		addr = (addr | (((uint64_t)1 << PT_LEVEL_SHIFT(level)) - 1)) + 1;
	}
	return end;
}

/* What was unmapped, and how far around it nothing is mapped. */
struct freed {
	uint64_t start, end;
	uint64_t floor, ceiling;
	struct leaving leaving;
};

/*
 * Free the tables below one that [start, end) touches and that lie wholly in [floor, ceiling): no VMA reaches them. Whatever else
 * was below them went when the VMAs there did.
 */
static void free_below(struct mm *mm, pte_t *table, int level, uint64_t base, struct freed *f)
{
	uint64_t span = (uint64_t)1 << PT_LEVEL_SHIFT(level);
	uint64_t first = f->start > base ? (f->start - base) / span : 0;
	uint64_t last = (f->end - 1 - base) / span;

	if (last >= PTRS_PER_TABLE)
		last = PTRS_PER_TABLE - 1;
	for (uint64_t i = first; i <= last; i++) {
		uint64_t start = base + i * span;
		pte_t entry = pte_read(&table[i]);
		struct page *below;

		if (!pte_present(entry))
			continue;
		if (level > 2)
			free_below(mm, entry_table(mm->sys, entry), level - 1, start, f);
		if (start < f->floor || start + span > f->ceiling)
			continue;
		below = pfn_to_page(mm->sys, pte_pfn(entry));
		MM_ASSERT(mm->sys, level == 2 || below->entries == 0);
		rmap_spin_lock(&mm->table_lock);
		pte_write(&table[i], 0);
		page_of_address(mm->sys, table)->entries--;
		rmap_spin_unlock(&mm->table_lock);
		table_leave(mm, below, &f->leaving);
	}
}

void table_free_range(struct mm *mm, uint64_t start, uint64_t end, uint64_t floor, uint64_t ceiling)
{
	struct freed f = {
		.start = start,
		.end = end,
		.floor = floor,
		/* Nothing is ever mapped in the last page below the top. */
		.ceiling = ceiling >= MM_TASK_SIZE ? MM_ADDRESS_END : ceiling,
	};

	rmap_assert_write_held(&mm->mmap_lock);
	free_below(mm, mm->pgd, PT_LEVELS, 0, &f);
	tables_free(mm, &f.leaving);
}

/* ---------------------------------------------------------------- tier 1's view */

static bool entry_is_of(pte_t entry, uint64_t pfn, unsigned int flags)
{
	if (flags & RMAP_FIND_ENTRIES)
		return pte_is_migration(entry) && pte_pfn(entry) == pfn;
	return (entry & (PTE_PRESENT | PTE_SPECIAL)) == PTE_PRESENT && pte_pfn(entry) == pfn;
}

/*
 * Look at one slot; on a hit its PTL stays locked.
 *
 * The lock is taken only for a hit, or where somebody held it before the slot was read: mremap holds both PTLs while an entry is
 * in neither place, so a walker that meets the old place empty and the new place unlocked reads the new place after the move, and
 * finds it. The lock word must therefore be read first, and nothing of the next look before the slot of this one (tests/models/look-order.pml):
 * what emptied it was released behind the locking of both.
 */
static enum rmap_find_result look(struct mm_system *sys, pte_t *pte, struct rmap_page *rpage,
				  unsigned int flags, struct rmap_hit *hit)
{
	uint64_t pfn = page_to_pfn(sys, page_of_rmap(rpage));
	struct rmap_spinlock *ptl = table_ptl(sys, pte);
	bool busy = rmap_spin_is_locked(ptl);

	atomic_thread_fence(memory_order_acquire);
	if (!busy && !entry_is_of(pte_read(pte), pfn, flags)) {
		atomic_thread_fence(memory_order_acquire);
		return RMAP_FIND_OTHER;
	}
	rmap_spin_lock(ptl);
	if (!entry_is_of(pte_read(pte), pfn, flags)) {
		rmap_spin_unlock(ptl);
		return RMAP_FIND_OTHER;
	}
	hit->pte = pte;
	hit->table_lock = ptl;
	return RMAP_FIND_HIT;
}

static enum rmap_find_result port_pte_find(void *ctx, struct rmap_mm *rmm, uint64_t addr,
					   struct rmap_page *page, unsigned int flags,
					   struct rmap_hit *hit)
{
	pte_t *pte = addr < MM_TASK_SIZE ? table_find(mm_of_rmap(rmm), addr) : NULL;

	if (!pte)
		return RMAP_FIND_NO_SLOT;
	hit->mm = rmm;
	hit->addr = addr;
	return look(ctx, pte, page, flags, hit);
}

/*
 * A walker in an RCU section may come with a slot of a table that is on its way out. What that one's descriptor names is no mm any more
 * (table_leave()); but its entries are all empty, so nobody asks.
 */
static enum rmap_find_result port_pte_at(void *ctx, void *pte, struct rmap_page *page,
					 unsigned int flags, struct rmap_hit *hit)
{
	struct mm_system *sys = ctx;
	struct page *table = page_of_address(sys, pte);
	struct mm *mm =
		(struct mm *)atomic_load_explicit(&table->rmap.mapping, memory_order_relaxed);
	uint64_t slot = (uint64_t)((pte_t *)pte - (pte_t *)page_address(sys, table));

	if (!page_test(table, PG_TABLE))
		return RMAP_FIND_NO_SLOT;
	hit->mm = &mm->rmap;
	hit->addr = table->rmap.index + (slot << RMAP_PAGE_SHIFT);
	return look(sys, pte, page, flags, hit);
}

/*
 * An empty slot is passed by without asking for its PTL. A look owes that to moves: a scan that a move overlapped is made again. Who
 * else leaves a slot empty for a moment in which the page is mapped holds the page lock.
 */
static enum rmap_find_result port_pte_scan(void *ctx, struct rmap_mm *rmm, struct rmap_page *page,
					   unsigned int flags, uint64_t *cursor, uint64_t *looks,
					   struct rmap_hit *hit)
{
	struct mm *mm = mm_of_rmap(rmm);
	uint64_t addr = *cursor;

	while ((addr = table_next(mm, addr, MM_TASK_SIZE)) < MM_TASK_SIZE) {
		uint64_t end = table_end(addr, MM_TASK_SIZE);
		pte_t *pte = table_find(mm, addr);

		for (; pte && addr < end; addr += RMAP_PAGE_SIZE, pte++) {
			++*looks;
			if (!pte_read(pte) || look(ctx, pte, page, flags, hit) != RMAP_FIND_HIT)
				continue;
			hit->mm = rmm;
			hit->addr = addr;
			*cursor = addr + RMAP_PAGE_SIZE;
			return RMAP_FIND_HIT;
		}
		addr = end;
	}
	*cursor = MM_TASK_SIZE;
	return RMAP_FIND_NO_SLOT;
}

static void port_pte_unlock(void *ctx, struct rmap_hit *hit)
{
	(void)ctx;
	rmap_spin_unlock(hit->table_lock);
}

static struct rmap_vma *port_vma_find(void *ctx, struct rmap_mm *rmm, uint64_t addr)
{
	struct mm *mm = mm_of_rmap(rmm);
	struct vma *vma;

	(void)ctx;
	rmap_spin_lock(&mm->vma_lock);
	vma = vma_at(mm, addr);
	rmap_spin_unlock(&mm->vma_lock);
	return vma ? &vma->rmap : NULL;
}

void table_fill_port(struct mm_system *sys, struct rmap_port *port)
{
	port->tables_ctx = sys;
	port->pte_find = port_pte_find;
	port->pte_at = port_pte_at;
	port->pte_scan = port_pte_scan;
	port->pte_unlock = port_pte_unlock;
	port->vma_find = port_vma_find;
}
