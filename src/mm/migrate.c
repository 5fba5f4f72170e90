// SPDX-License-Identifier: BSD-2-Clause
/*
 * Moving a page to another frame.
 *
 *   1. every PTE of the page becomes a migration entry, which keeps its rights; a fault on one waits for the page lock
 *   2. if nobody else has a reference, contents, owner, swap slot or place in its file go to the new frame
 *   3. every entry becomes a PTE again, of the new frame (of the old one where step 2 could not be)
 *
 * The second walk may not stop early: no map count says how many entries there are. It looks along the old page's owner, which
 * the old page keeps until then.
 */
#include "file.h"
#include "reclaim.h"
#include "swap.h"
#include "table.h"
#include "vma.h"

struct migration {
	struct mm_system *sys;
	struct page *old;
	struct page *to; /* the frame that the entries will name */
	struct rmap_walk walk;
};

/* exec moves its stack without holding walkers off; an entry put there now might be moved behind the second walk's back. */
static bool migrate_skip(const struct rmap_vma *vma, void *arg)
{
	const struct vma *v = rmap_container_of(vma, const struct vma, rmap);

	(void)arg;
	return (vma_flags(v) & VM_STACK_INCOMPLETE) == VM_STACK_INCOMPLETE;
}

static enum rmap_visit migrate_one(struct rmap_hit *hit, void *arg)
{
	struct migration *m = arg;
	struct mm_system *sys = m->sys;
	struct page *page = m->old;
	struct rmap_page *rpage = &page->rmap;
	struct rmap_vma *vma = rmap_hit_vma(&sys->rmap, &m->walk, hit);
	pte_t old = pte_exchange(hit->pte, 0);
	pte_t entry = pte_make(pte_pfn(old), PTE_KIND_MIGRATION);

	if (pte_maybe_cached(old))
		mm_flush(mm_of_rmap(hit->mm), hit->addr, hit->addr + RMAP_PAGE_SIZE,
			 MM_FLUSH_MIGRATE);
	if (rmap_page_is_anon(rpage) && rmap_page_is_exclusive(rpage)) {
		if (page_maybe_pinned(page)) {
			pte_write(hit->pte, old);
			return RMAP_VISIT_STOP;
		}
		entry |= PTE_MIG_EXCLUSIVE;
	}
	if (old & PTE_WRITE)
		entry |= PTE_MIG_WRITE;
	if (old & PTE_ACCESSED)
		entry |= PTE_MIG_ACCESSED;
	if (old & PTE_DIRTY) {
		entry |= PTE_MIG_DIRTY;
		if (!rmap_page_is_anon(rpage))
			file_set_dirty(page, sys);
	}
	pte_write(hit->pte, entry);
	if (old & PTE_MLOCKED)
		lru_munlock(sys, page);
	if (rmap_page_to_entry(&sys->rmap, rpage, vma, hit->addr, hit->pte))
		page_put(sys, page);
	return RMAP_VISIT_NEXT;
}

static enum rmap_visit restore_one(struct rmap_hit *hit, void *arg)
{
	struct migration *m = arg;
	struct mm_system *sys = m->sys;
	struct rmap_page *rpage = &m->to->rmap;
	/* One that the walk brings keeps its bounds while we are here; as there is no skip, nobody has looked one up. */
	uint64_t flags = hit->vma ? vma_flags(vma_of_rmap(hit->vma)) : hit_vm_flags(hit);
	struct rmap_vma *vma = rmap_hit_vma(&sys->rmap, &m->walk, hit);
	pte_t entry = pte_read(hit->pte);
	pte_t pte = pte_make(page_to_pfn(sys, m->to), 0);

	pte |= vm_pte_bits(flags, entry & PTE_MIG_WRITE);
	if (entry & PTE_MIG_ACCESSED)
		pte |= PTE_ACCESSED;
	if (entry & PTE_MIG_DIRTY)
		pte |= PTE_DIRTY;
	if (rmap_page_from_entry(&sys->rmap, rpage, &m->old->rmap, vma, hit->addr, hit->pte,
				 entry & PTE_MIG_EXCLUSIVE ? RMAP_MAP_EXCLUSIVE : 0))
		page_get(m->to);
	pte_write(hit->pte, pte | vm_mlock_bit(sys, flags, m->to));
	return RMAP_VISIT_NEXT;
}

static void walk_entries(struct migration *m)
{
	m->walk = (struct rmap_walk){
		.visit = migrate_one,
		.skip = migrate_skip,
		.arg = m,
		.flags = RMAP_WALK_STOP_AT_MAPCOUNT,
		.purpose = RMAP_WALK_MIGRATE,
	};
	rmap_walk(&m->sys->rmap, &m->old->rmap, &m->walk);
}

static void walk_restore(struct migration *m, struct page *to)
{
	m->to = to;
	m->walk = (struct rmap_walk){
		.visit = restore_one,
		.arg = m,
		.flags = RMAP_WALK_ENTRIES,
		.purpose = RMAP_WALK_RESTORE,
	};
	rmap_walk(&m->sys->rmap, &m->old->rmap, &m->walk);
}

/* Both page locks held, old unmapped and known to nobody but the caller and its store. False: somebody came by its file. */
static bool move_identity(struct mm_system *sys, struct page *old, struct page *to)
{
	uint32_t kept = PG_UPTODATE | PG_SWAPBACKED | PG_REFERENCED | PG_ACTIVE;

	page_copy(sys, to, old);
	page_set(to, atomic_load(&old->flags) & kept);
	if (rmap_page_is_anon(&old->rmap)) {
		if (page_test(old, PG_DIRTY))
			page_set(to, PG_DIRTY);
		rmap_page_replace(&sys->rmap, &to->rmap, &old->rmap);
		sum_add(sys, SUM_ANON, 1);
	}
	if (page_test(old, PG_SWAPCACHE))
		swap_cache_replace(sys, old, to);
	return !rmap_page_file(&old->rmap) || file_replace_page(sys, old, to);
}

static bool movable(const struct page *page)
{
	return !page_test(page, PG_WRITEBACK | PG_RESERVED | PG_TABLE | PG_POISON);
}

/* Both page locks held. */
static int migrate_locked(struct migration *m, struct page *to)
{
	struct mm_system *sys = m->sys;
	struct page *old = m->old;
	uint32_t stores;
	bool mapped;
	void *pin;
	int error = 0;

	if (!movable(old))
		return RMAP_EAGAIN;
	if (!rmap_page_is_anon(&old->rmap) && !rmap_page_file(&old->rmap))
		return RMAP_EAGAIN; /* it left its file, or was never mapped */
	/*
	 * While entries stand for it nothing maps the page, and the last VMA that had it may go: its owner must not. A page of a first
	 * touch that is only now being mapped cannot be pinned yet; then it is left alone, though it is mapped a moment later.
	 */
	mapped = rmap_page_mapcount(&old->rmap);
	pin = rmap_page_pin(&sys->rmap, &old->rmap);
	if (mapped)
		walk_entries(m);
	stores = (page_test(old, PG_SWAPCACHE) ? 1u : 0u) + (rmap_page_file(&old->rmap) ? 1u : 0u);
	/* First the mappings: who pinned it by one that he unmapped meanwhile is seen in the references. */
	if (!rmap_page_is_unmapped(&old->rmap) || page_refs(old) != 1 + stores ||
	    !move_identity(sys, old, to))
		error = RMAP_EAGAIN;
	/* No entries: and an owner that nothing pins may be gone. */
	if (mapped)
		walk_restore(m, error ? old : to);
	if (!error) {
		rmap_migrate_end(&sys->rmap, &to->rmap, &old->rmap);
		/* Nothing of the file leads to the old page any more, so the file may go before whoever has that in hand looks at it. */
		if (rmap_page_file(&old->rmap))
			rmap_page_clear_file(&old->rmap);
	}
	rmap_page_unpin(&sys->rmap, pin);
	return error;
}

int migrate_page(struct mm_system *sys, struct page *page)
{
	struct migration m = { .sys = sys, .old = page };
	struct page *to = page_alloc(sys, 0);
	bool listed;
	int error;

	if (!to)
		return RMAP_ENOMEM;
	page_lock(sys, page);
	page_lock(sys, to);
	listed = lru_del(sys, page);
	error = migrate_locked(&m, to);
	/* Where reclaim had the page in hand, it has put it back by now, the old one; the new one is on no list yet. */
	if (!error)
		lru_add(sys, to);
	else if (listed)
		lru_add(sys, page);
	page_unlock(sys, to);
	page_unlock(sys, page);
	page_put(sys, to);
	if (!error)
		COUNT(sys, migrated, 1);
	return error;
}

/*
 * The page that entry stands for, with a reference, if it still does at pte; else NULL.
 *
 * As long as the entry stands the migrator has a reference of the page, and its lock. Without a look at the entry it might be
 * anybody's page by now, even one that its owner does not expect others to know.
 */
static struct page *migrating_page(struct mm_system *sys, const pte_t *pte, pte_t entry)
{
	struct page *page = pfn_to_page(sys, pte_pfn(entry));
	struct rmap_spinlock *ptl = table_ptl(sys, pte);
	bool stands;

	rmap_spin_lock(ptl);
	stands = pte_read(pte) == entry;
	if (stands)
		page_get(page);
	rmap_spin_unlock(ptl);
	return stands ? page : NULL;
}

/*
 * For the migrator alone, who waits for no device. Whoever gets the page's lock behind him may, and we hold a lock of the address space:
 * so the lock is not asked for, and the entry looked at each time that somebody has let go of it.
 */
void migration_wait(struct mm_system *sys, const pte_t *pte, pte_t entry)
{
	struct page *page;

	while ((page = migrating_page(sys, pte, entry)) != NULL) {
		page_wait(sys, page);
		page_put(sys, page);
	}
}

/* The page at addr with a reference, or an error. */
static int page_at(struct mm *mm, uint64_t addr, struct page **out)
{
	struct mm_system *sys = mm->sys;
	int error = RMAP_ENOENT;
	pte_t *pte;

	if (addr >= MM_TASK_SIZE)
		return RMAP_ENOENT;
	mm_read_lock(mm);
	pte = table_find(mm, addr);
	if (pte) {
		struct rmap_spinlock *ptl = table_ptl(sys, pte);
		pte_t v;

		rmap_spin_lock(ptl);
		v = pte_read(pte);
		if (pte_present(v) && !(v & PTE_SPECIAL)) {
			*out = pfn_to_page(sys, pte_pfn(v));
			page_get(*out);
			error = 0;
		}
		rmap_spin_unlock(ptl);
	}
	mm_read_unlock(mm);
	return error;
}

int mm_migrate(struct mm *mm, uint64_t addr)
{
	struct page *page;
	int error = page_at(mm, addr, &page);

	if (error)
		return error;
	error = migrate_page(mm->sys, page);
	page_put(mm->sys, page);
	return error;
}

/*
 * A frame has gone bad; it is never handed out again. A clean page of a file is only dropped, and read again at the next touch. Else
 * what was written is lost: the mappers get poison entries, and a file with a store has again what stands there, which the next
 * sync says. Shared memory has no such place: its page stays in the tree (others in the swap cache), for those who come later.
 */
static int poison_locked(struct mm_system *sys, struct page *page)
{
	struct mm_file *file;
	bool lost;

	if (!movable(page))
		return RMAP_EBUSY;
	if (page_maybe_pinned(page))
		return RMAP_EBUSY;
	if (rmap_page_is_anon(&page->rmap))
		swap_try_free(sys, page);
	file = page_file(page);
	/* Clean as far as processors know, too: asks them by write-protecting. */
	if (file && page_mkclean(sys, page))
		file_set_dirty(page, sys);
	lost = !file || page_test(page, PG_DIRTY) || page_test(page, PG_SWAPBACKED);
	/* A fork may add mappings meanwhile, and who unmaps one under its PTL still counts: then what is left is looked for again. */
	while (!page_unmap_all(sys, this_cpu(sys), page,
			       UNMAP_IGNORE_MLOCK | (lost ? UNMAP_POISON : 0))) {
		if (!lost)
			return RMAP_EBUSY;
		rmap_cpu_relax();
	}
	page_set(page, PG_POISON);
	COUNT(sys, poisoned, 1);
	if (file && file->handle) {
		if (lost)
			atomic_store_explicit(&file->error, RMAP_EIO, memory_order_relaxed);
		file_forget_page(file, page);
	}
	return 0;
}

int mm_poison(struct mm *mm, uint64_t addr)
{
	struct mm_system *sys = mm->sys;
	struct page *page;
	int error = page_at(mm, addr, &page);

	if (error)
		return error;
	page_lock(sys, page);
	error = poison_locked(sys, page);
	page_unlock(sys, page);
	page_put(sys, page);
	return error;
}
