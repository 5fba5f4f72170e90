// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage: who owns a page, and a swap slot.
 *
 *   page.mapping   node | 1, or (counted) node | 5, or (few far apart have it) co_owners | 7
 *   page.index     home number
 *   page.design    stamp: forks that the owner had completed when the page became its own (28 bits, and 4 for the walk)
 *   slot           the same mapping and stamp
 *
 * Whoever re-owns a page has the page lock; who reads without it (ageing, in an RCU section) may pair the one's mapping with the
 * other's stamp, and miss a PTE that nobody will miss.
 *
 * A page that holds a reference on what it names is *counted*. Most are not, so that a page may come and go without a word to anybody:
 *
 *  - A page that is not counted is mapped by its owner's own mm; or nobody can come to it any more, but for that mm by a swap entry
 *    that is its alone. So if somebody maps it, its owner was alive when its mapping was read.
 *  - An mm that unmaps a page of its own, which others may have, counts it *before* its map count goes down (lineage_page_leave()).
 *    Nobody can adopt it until then.
 *  - The same for a slot: it is not counted as long as an entry of its owner's, that is his alone, is all that can name it.
 *
 * To count somebody's page, one gets a reference and then changes the mapping, if it is still the same; to re-own it, one exchanges
 * the mapping and puts what was counted there. So each reference is put by one.
 *
 * Who may be told that a page is his alone (adopt)? One whose PTE is the only thing that stands for the page: no other PTE, no swap
 * or migration entry. Then what comes can only come by fork from him, after now. A fork under way may not have copied this entry
 * yet; its child's birth is above the stamp, since the clock counts it when all is copied.
 */
#include "lineage.h"
#include "count.h"

/* ---------------------------------------------------------------- what a mapping names */

static uintptr_t mapping_of(const struct rmap_page *page)
{
	return atomic_load_explicit(&page->mapping, memory_order_relaxed);
}

static void set_free_late(void *ctx, struct rmap_rcu *rcu)
{
	struct co_owners *set = rmap_container_of(rcu, struct co_owners, rcu);

	(void)ctx;
	rmap_object_free(set->rmap, RMAP_KIND_CO_OWNERS, set, sizeof(*set));
}

static void set_end(struct rmap *rmap, struct co_owners *set)
{
	if (!set->nr)
		lineage_put(rmap, set->sieve.top);
	while (set) {
		struct co_owners *more = set->more;

		for (uint32_t i = 0; i < set->nr; i++)
			lineage_put(rmap, set->node[i]);
		rmap->port->call_rcu(rmap->port->ctx, &set->rcu, set_free_late);
		set = more;
	}
}

static void mapping_get(uintptr_t mapping, uint64_t count)
{
	if (mapping & LINEAGE_MAPPING_SET) {
		struct co_owners *set = lineage_co_owners(mapping);

		atomic_fetch_add_explicit(&set->refs, (uint32_t)count, memory_order_relaxed);
	} else {
		lineage_get(lineage_named(mapping), count);
	}
}

void lineage_mapping_put(struct rmap *rmap, uintptr_t mapping)
{
	if (mapping & LINEAGE_MAPPING_SET) {
		struct co_owners *set = lineage_co_owners(mapping);

		if (atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) == 1)
			set_end(rmap, set);
	} else {
		lineage_put(rmap, lineage_named(mapping));
	}
}

/* A reference on what mapping names, if it is counted, goes. */
static void put_counted(struct rmap *rmap, uintptr_t mapping)
{
	if (mapping & LINEAGE_MAPPING_SET)
		lineage_mapping_put(rmap, mapping);
	else if (mapping & LINEAGE_MAPPING_COUNTED)
		lineage_put_quick(rmap, lineage_named(mapping));
}

/* The first owner, of a page that nobody else knows. */
static inline void set_owner(struct rmap_page *page, uintptr_t mapping, uint32_t stamp)
{
	atomic_store_explicit(&page->design, stamp, memory_order_relaxed);
	atomic_store_explicit(&page->mapping, mapping, memory_order_release);
}

/* Another one; by an exchange, since the old one may be counting it. Page lock. */
static void change_owner(struct rmap *rmap, struct rmap_page *page, uintptr_t mapping,
			 uint32_t stamp)
{
	atomic_store_explicit(&page->design, stamp, memory_order_relaxed);
	put_counted(rmap, atomic_exchange_explicit(&page->mapping, mapping, memory_order_acq_rel));
}

static void set_index(struct rmap_page *page, uint64_t index)
{
	__atomic_store_n(&page->index, index, __ATOMIC_RELAXED);
}

/* The page names n and is not counted; the caller has a reference on n for it. False: it has another name now, and the caller his. */
static bool count_page(struct rmap_page *page, struct lineage *n)
{
	uintptr_t mapping = lineage_name(n);

	return atomic_compare_exchange_strong_explicit(&page->mapping, &mapping,
						       mapping | LINEAGE_MAPPING_COUNTED,
						       memory_order_acq_rel, memory_order_relaxed);
}

/*
 * Count a page, whoever it names. Page lock, or the PTL of a PTE that maps it. False: nobody has it any more, and its owner may be
 * gone.
 */
static bool count_any(struct rmap *rmap, struct rmap_page *page)
{
	bool mapped = true;

	lineage_rcu_enter(rmap);
	for (;;) {
		uintptr_t mapping = atomic_load_explicit(&page->mapping, memory_order_acquire);
		struct lineage *n = lineage_named(mapping);

		if (mapping & LINEAGE_MAPPING_COUNTED)
			break;
		/* The map count is read after the name: if it is not zero, the owner was alive. */
		atomic_thread_fence(memory_order_acquire);
		mapped = rmap_page_mapcount(page) != 0 && lineage_try_get(n);
		if (!mapped || count_page(page, n))
			break;
		lineage_put(rmap, n);
	}
	lineage_rcu_leave(rmap);
	return mapped;
}

/* ---------------------------------------------------------------- pages */

/* Pages that relatives may have, too, and of whom nobody knows more (a resumed image): all of the family. */
static rmap_cold void own_by_family(struct rmap *rmap, struct rmap_page *page,
				    const struct rmap_vma *vma)
{
	set_owner(page,
		  lineage_name(lineage_root_get(rmap, lineage_of(vma))) | LINEAGE_MAPPING_COUNTED,
		  0);
}

/* What was read from a swap slot has a name already, if more than one may come for it. */
static inline void own_one(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
			   bool exclusive)
{
	uintptr_t old = mapping_of(page);

	if (exclusive) {
		set_owner(page, lineage_name_of_mm(vma->mm), lineage_clock(lineage_of(vma)));
		put_counted(rmap, old);
	} else if (!old) {
		own_by_family(rmap, page, vma);
	}
}

static rmap_cold void own_run(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			      struct rmap_vma *vma, bool exclusive)
{
	for (unsigned int i = 0; i < nr; i++)
		own_one(rmap, pages[i], vma, exclusive);
}

/* The parameters of the event, so that it gets here without one being moved. */
static rmap_cold void own_others(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
				 struct rmap_vma *vma, uint64_t addr, bool exclusive)
{
	(void)addr;
	if (nr == 1)
		own_one(rmap, pages[0], vma, exclusive);
	else
		own_run(rmap, pages, nr, vma, exclusive);
}

/* A fault brings one page: fourteen instructions. */
void lineage_page_new(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
		      struct rmap_vma *vma, uint64_t addr, bool exclusive)
{
	struct rmap_page *page = pages[0];
	uintptr_t name;

	if (rmap_unlikely(!exclusive || nr != 1 || mapping_of(page))) {
		own_others(rmap, pages, nr, vma, addr, exclusive);
		return;
	}
	name = lineage_name_of_mm(vma->mm);
	set_owner(page, name, lineage_clock(lineage_of_name(name)));
}

/* The page is the VMA's mm's alone. */
void lineage_page_adopt(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
			uint64_t addr)
{
	struct lineage *n = lineage_of(vma);
	uint32_t stamp = lineage_clock(n);

	(void)addr;
	/* Its own already, and the place that the word may hold, too, is kept with an old stamp. */
	if (rmap_likely(lineage_named(mapping_of(page)) == n)) {
		if (lineage_stamp(page) != stamp)
			atomic_store_explicit(&page->design, stamp, memory_order_relaxed);
		return;
	}
	change_owner(rmap, page, lineage_name_of_mm(vma->mm), stamp);
}

/* A page of the swap cache, or one that was migrated, which only this address space has. */
void lineage_page_alone(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
			uint64_t addr)
{
	uint64_t index = lineage_index(vma, addr);

	lineage_page_adopt(rmap, page, vma, addr);
	/* Its entry may have been moved with exec's stack, whose home is where it goes. */
	if (lineage_page_index(page) != index)
		set_index(page, index);
}

void lineage_page_leave(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma)
{
	struct lineage *n = lineage_of(vma);

	(void)rmap;
	if (rmap_likely(mapping_of(page) != lineage_name_of_mm(vma->mm)))
		return;
	lineage_get(n, 1);
	/* Settled by a walker, or read in by another entry of its slot, at this moment? Then it is theirs. */
	if (rmap_unlikely(!count_page(page, n)))
		lineage_put(rmap, n);
}

/*
 * mremap: a VMA takes its home along, and nothing changes. But exec's stack stays at home wherever it slides, so that processes do not
 * begin with a displaced VMA; its pages, which are nobody else's, get the numbers of their new places.
 */
void lineage_page_slid(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
		       struct rmap_vma *vma, uint64_t addr)
{
	uint64_t index = lineage_index(vma, addr);

	(void)rmap;
	for (unsigned int i = 0; i < nr; i++) {
		if (rmap_page_is_anon(pages[i]) && lineage_page_index(pages[i]) != index + i)
			set_index(pages[i], index + i);
	}
}

/* While entries stand for it nothing maps the page: it is counted, and stays so. */
void *lineage_page_pin(struct rmap *rmap, struct rmap_page *page)
{
	(void)count_any(rmap, page);
	return NULL;
}

/* The new page has got the mapping; what it names has one more, if it is counted. */
void lineage_page_replace(struct rmap *rmap, struct rmap_page *new_page, struct rmap_page *old_page)
{
	uintptr_t mapping = mapping_of(new_page);

	(void)rmap;
	if (!(mapping & RMAP_MAPPING_ANON))
		return;
	if (mapping & LINEAGE_MAPPING_COUNTED)
		mapping_get(mapping, 1);
	atomic_store_explicit(&new_page->design, lineage_stamp(old_page), memory_order_relaxed);
}

/* Only asked for pages that are counted. */
void lineage_page_free(struct rmap *rmap, struct rmap_page *page)
{
	put_counted(rmap, mapping_of(page));
}

/* ---------------------------------------------------------------- swap slots */

/* The page, counted, says who may come for the slot. Page lock. */
static void slot_name(struct rmap_slot *slot, const struct rmap_page *page)
{
	slot->owner = mapping_of(page);
	slot->index = lineage_stamp(page);
	mapping_get(slot->owner, 1);
}

/*
 * A page that is its owner's alone goes to a slot that is; who takes the page from him by fork meanwhile is told with
 * lineage_slot_dup(). Nobody comes for what nobody maps.
 */
void lineage_slot_fill(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	uintptr_t old = slot->owner;

	slot->owner = 0;
	slot->index = 0;
	if (rmap_page_is_exclusive(page)) {
		slot->owner = mapping_of(page) & ~(uintptr_t)LINEAGE_MAPPING_COUNTED;
		/* Whom he forks from now on is younger than this, and who was there before cannot have it. */
		slot->index = lineage_stamp(page);
	} else if (count_any(rmap, page)) {
		slot_name(slot, page);
	}
	put_counted(rmap, old);
}

/*
 * An entry of the slot is made that others may have, too. Reclaim makes it, of a PTE: the page (which has that PTE still) says who. Or
 * fork, of the only one there is: of the slot's owner, who is the one that forks.
 */
void lineage_slot_dup(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	if (slot->owner & LINEAGE_MAPPING_COUNTED)
		return;
	if (!page && slot->owner) {
		lineage_get(lineage_named(slot->owner), 1);
		slot->owner |= LINEAGE_MAPPING_COUNTED;
	} else if (page && count_any(rmap, page)) {
		slot_name(slot, page);
	}
}

/* A slot that is not counted is the faulting mm's alone, so its page will be, too. */
void lineage_slot_restore(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page,
			  struct rmap_vma *vma, uint64_t addr)
{
	(void)rmap;
	(void)vma;
	(void)addr;
	if (rmap_likely(!(slot->owner & LINEAGE_MAPPING_COUNTED)))
		return;
	mapping_get(slot->owner, 1);
	set_owner(page, slot->owner, (uint32_t)slot->index);
}

/*
 * The page may have been given to those who had it, and not to who had an entry for it. The slot, filled before, covers these (and the
 * others, too).
 */
void lineage_slot_rejoin(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	if (mapping_of(page) == slot->owner && lineage_stamp(page) == (uint32_t)slot->index)
		return;
	if (slot->owner & LINEAGE_MAPPING_COUNTED)
		mapping_get(slot->owner, 1);
	if (slot->owner)
		change_owner(rmap, page, slot->owner, (uint32_t)slot->index);
}

/* Only asked for slots that are counted. */
void lineage_slot_free(struct rmap *rmap, struct rmap_slot *slot)
{
	lineage_mapping_put(rmap, slot->owner);
}

/* ---------------------------------------------------------------- co-owners */

static struct co_owners *set_alloc(struct rmap *rmap, struct lineage *const *nodes,
				   const uint32_t *stamps, unsigned int nr, bool may_alloc)
{
	struct co_owners *first = NULL;

	for (unsigned int done = 0; done < nr;) {
		struct co_owners *set = lineage_block_get(rmap, may_alloc);

		if (!set) {
			while (first) {
				struct co_owners *more = first->more;

				lineage_block_put(rmap, first, may_alloc);
				first = more;
			}
			return NULL;
		}
		atomic_init(&set->refs, 1);
		set->rmap = rmap;
		for (set->nr = 0; set->nr < CO_OWNERS && done < nr; set->nr++, done++) {
			set->node[set->nr] = nodes[done];
			set->stamp[set->nr] = stamps[done];
		}
		set->more = first;
		first = set;
	}
	return first;
}

void lineage_page_own_set(struct rmap *rmap, struct rmap_page *page, struct co_owners *set)
{
	change_owner(rmap, page,
		     (uintptr_t)set | RMAP_MAPPING_ANON | LINEAGE_MAPPING_SET |
			     LINEAGE_MAPPING_COUNTED,
		     0);
}

int lineage_page_own(struct rmap *rmap, struct rmap_page *page, struct lineage *const *nodes,
		     const uint32_t *stamps, unsigned int nr, bool may_alloc)
{
	struct co_owners *set;

	if (nr == 1) {
		change_owner(rmap, page, lineage_name(nodes[0]) | LINEAGE_MAPPING_COUNTED,
			     stamps[0]);
		return RMAP_OK;
	}
	set = set_alloc(rmap, nodes, stamps, nr, may_alloc);
	if (!set)
		return RMAP_ENOMEM;
	lineage_page_own_set(rmap, page, set);
	return RMAP_OK;
}
