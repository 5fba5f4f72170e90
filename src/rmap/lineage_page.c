// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage: who owns a page, and a swap slot.
 *
 *   page.mapping   node | 1, or (few far apart have it) co_owners | 3
 *   page.index     home number
 *   page.design    stamp: forks that the owner had completed when the page became its own (28 bits, and 4 for the walk)
 *   slot           the same mapping and stamp
 *
 * Each page and slot holds a reference to what it names, so the name is good as long as it stands. Whoever re-owns a page has the
 * page lock; who reads without it (ageing, in an RCU section) may pair the one's mapping with the other's stamp, and miss a PTE
 * that nobody will miss.
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
		struct co_owners *set = mapping_owner(mapping);

		atomic_fetch_add_explicit(&set->refs, (uint32_t)count, memory_order_relaxed);
	} else {
		lineage_get(mapping_owner(mapping), count);
	}
}

bool lineage_mapping_try_get(uintptr_t mapping)
{
	struct co_owners *set = mapping_owner(mapping);
	uint32_t refs;

	if (!(mapping & LINEAGE_MAPPING_SET))
		return lineage_try_get(mapping_owner(mapping));
	refs = atomic_load_explicit(&set->refs, memory_order_relaxed);
	while (refs != 0) {
		if (atomic_compare_exchange_weak_explicit(&set->refs, &refs, refs + 1,
							  memory_order_acquire,
							  memory_order_relaxed))
			return true;
	}
	return false;
}

void lineage_mapping_put(struct rmap *rmap, uintptr_t mapping)
{
	if (mapping & LINEAGE_MAPPING_SET) {
		struct co_owners *set = mapping_owner(mapping);

		if (atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) == 1)
			set_end(rmap, set);
	} else {
		lineage_put(rmap, mapping_owner(mapping));
	}
}

/* The caller's reference on what owner names becomes the page's. */
static void set_owner(struct rmap_page *page, uintptr_t owner, uint32_t stamp)
{
	atomic_store_explicit(&page->design, stamp, memory_order_relaxed);
	atomic_store_explicit(&page->mapping, owner | RMAP_MAPPING_ANON, memory_order_release);
}

static void set_index(struct rmap_page *page, uint64_t index)
{
	__atomic_store_n(&page->index, index, __ATOMIC_RELAXED);
}

/* ---------------------------------------------------------------- pages */

/* The page is the VMA's mm's alone. */
static void own_alone(struct rmap *rmap, struct rmap_page *page, const struct rmap_vma *vma)
{
	struct lineage *n = lineage_of(vma);
	uintptr_t old = mapping_of(page);
	uint32_t stamp = lineage_stamp_of(lineage_clock(n));

	if (old == ((uintptr_t)n | RMAP_MAPPING_ANON)) {
		if (lineage_stamp(page) != stamp)
			atomic_store_explicit(&page->design, stamp, memory_order_relaxed);
		return;
	}
	lineage_get(n, 1);
	set_owner(page, (uintptr_t)n, stamp);
	if (rmap_likely(!(old & LINEAGE_MAPPING_SET)))
		lineage_put_quick(rmap, mapping_owner(old));
	else
		lineage_mapping_put(rmap, old);
}

/*
 * Pages that relatives may have, too, and of whom nobody knows more (a resumed image): all of the family. One that comes from a
 * swap slot knows more already.
 */
static void own_by_family(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			  const struct rmap_vma *vma)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (!(mapping_of(pages[i]) & RMAP_MAPPING_ANON))
			set_owner(pages[i], (uintptr_t)lineage_root_get(rmap, lineage_of(vma)), 0);
	}
}

void lineage_page_new(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
		      struct rmap_vma *vma, uint64_t addr, bool exclusive)
{
	struct lineage *n = lineage_of(vma);
	uint32_t stamp;

	(void)addr;
	if (!exclusive) {
		own_by_family(rmap, pages, nr, vma);
		return;
	}
	stamp = lineage_stamp_of(lineage_clock(n));
	lineage_get(n, nr);
	for (unsigned int i = 0; i < nr; i++) {
		uintptr_t old = mapping_of(pages[i]);

		set_owner(pages[i], (uintptr_t)n, stamp);
		if (rmap_unlikely(old & RMAP_MAPPING_ANON))
			lineage_mapping_put(rmap, old);
	}
}

/* A page of the swap cache, or one that was migrated, which only this address space has. */
void lineage_page_alone(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
			uint64_t addr)
{
	uint64_t index = lineage_index(vma, addr);

	own_alone(rmap, page, vma);
	/* Its entry may have been moved with exec's stack, whose home is where it goes. */
	if (lineage_page_index(page) != index)
		set_index(page, index);
}

/*
 * mremap: a VMA takes its home along, and nothing changes. exec's stack stays at home wherever it slides, so that processes do not
 * begin with a displaced VMA; its pages, which are nobody else's, get the numbers of their new places.
 */
void lineage_page_moved(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			struct rmap_vma *dst, uint64_t new_addr, void *new_pte,
			struct rmap_vma *src, uint64_t old_addr, void *old_pte)
{
	(void)new_pte;
	(void)src;
	(void)old_addr;
	(void)old_pte;
	for (unsigned int i = 0; i < nr; i++) {
		uint64_t index = lineage_index(dst, new_addr) + i;

		if (!rmap_page_is_anon(pages[i]) || lineage_page_index(pages[i]) == index)
			continue;
		RMAP_ASSERT(rmap->port, src == dst);
		set_index(pages[i], index);
	}
}

void lineage_page_adopt(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
			uint64_t addr)
{
	(void)addr;
	own_alone(rmap, page, vma);
}

/* The new page has got the mapping; what it names has one more. */
void lineage_page_replace(struct rmap *rmap, struct rmap_page *new_page, struct rmap_page *old_page)
{
	uintptr_t mapping = mapping_of(old_page);

	(void)rmap;
	if (!(mapping & RMAP_MAPPING_ANON))
		return;
	mapping_get(mapping, 1);
	atomic_store_explicit(&new_page->design, lineage_stamp(old_page), memory_order_relaxed);
}

void lineage_page_free(struct rmap *rmap, struct rmap_page *page)
{
	uintptr_t mapping = mapping_of(page);

	if ((mapping & RMAP_MAPPING_TAGS) == RMAP_MAPPING_ANON)
		lineage_put_quick(rmap, mapping_owner(mapping));
	else if (mapping & RMAP_MAPPING_ANON)
		lineage_mapping_put(rmap, mapping);
}

/* ---------------------------------------------------------------- swap slots */

void lineage_slot_fill(struct rmap *rmap, struct rmap_slot *slot, const struct rmap_page *page)
{
	uintptr_t old = slot->owner;

	slot->owner = mapping_of(page);
	slot->index = lineage_stamp(page);
	mapping_get(slot->owner, 1);
	if (old)
		lineage_mapping_put(rmap, old);
}

void lineage_slot_restore(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page,
			  struct rmap_vma *vma, uint64_t addr)
{
	(void)rmap;
	(void)vma;
	(void)addr;
	mapping_get(slot->owner, 1);
	set_owner(page, slot->owner, (uint32_t)slot->index);
}

/*
 * The page may have been given to those who had it, and not to who had an entry for it. The slot, filled before, covers these (and the
 * others, too).
 */
void lineage_slot_rejoin(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	uintptr_t old = mapping_of(page);

	if (old == slot->owner && lineage_stamp(page) == (uint32_t)slot->index)
		return;
	mapping_get(slot->owner, 1);
	set_owner(page, slot->owner, (uint32_t)slot->index);
	lineage_mapping_put(rmap, old);
}

void lineage_slot_free(struct rmap *rmap, struct rmap_slot *slot)
{
	lineage_mapping_put(rmap, slot->owner);
	slot->owner = 0;
	slot->index = 0;
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
	uintptr_t old = mapping_of(page);

	set_owner(page, (uintptr_t)set | LINEAGE_MAPPING_SET, 0);
	lineage_mapping_put(rmap, old);
}

int lineage_page_own(struct rmap *rmap, struct rmap_page *page, struct lineage *const *nodes,
		     const uint32_t *stamps, unsigned int nr, bool may_alloc)
{
	uintptr_t old = mapping_of(page);

	if (nr == 1) {
		set_owner(page, (uintptr_t)nodes[0], stamps[0]);
	} else {
		struct co_owners *set = set_alloc(rmap, nodes, stamps, nr, may_alloc);

		if (!set)
			return RMAP_ENOMEM;
		set_owner(page, (uintptr_t)set | LINEAGE_MAPPING_SET, 0);
	}
	lineage_mapping_put(rmap, old);
	return RMAP_OK;
}
