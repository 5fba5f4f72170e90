/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a design is: one table of functions, one per event where it has something to do, NULL where it has not.
 *
 * What all designs have in common is done before the table is asked, in rmap.c, vma.c, page.c and walk.c: map counts, result
 * masks, exclusive flags, a page's index, file maps, counters. A design is left with its own structures. The comments in
 * rmap/rmap.h hold for the functions of the same name here; only what differs is said.
 *
 * No design includes another; what two share stands in base/.
 */
#ifndef RMAP_DESIGN_H
#define RMAP_DESIGN_H

#include <rmap/rmap.h>

struct rmap_walk_state;

struct rmap_ops {
	const char *name;

	/* Walks of file pages come to walk() too. False: the file map answers them. */
	bool walks_file_pages;
	/* Walks go through the lists of address spaces, and rely on that a child stands behind its parent. */
	bool walks_mms;
	/* move_begin and move_end come with every move, not only where walks in order of page offset could pass one. */
	bool locks_every_move;
	/* If not 0: pages and slots without this tag in mapping or owner have nothing to be freed: page_free, slot_free do not come. */
	uintptr_t counted;

	struct rmap_design_bytes bytes;

	/* The instance ends; no address space is left. NULL: nothing is. */
	void (*end)(struct rmap *rmap);

	int (*mm_init)(struct rmap *rmap, struct rmap_mm *mm);
	int (*mm_fork_begin)(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent);
	void (*mm_fork_end)(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent,
			    bool copied);
	void (*mm_exit)(struct rmap *rmap, struct rmap_mm *mm);

	bool (*vma_faulted)(const struct rmap_vma *vma);
	int (*vma_prepare)(struct rmap *rmap, struct rmap_vma *vma, struct rmap_vma *next,
			   struct rmap_vma *prev);
	/* The file's tree is the caller's business in these and in all below. */
	int (*vma_fork)(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src);
	int (*vma_clone)(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src);
	bool (*vma_may_merge)(const struct rmap_vma *a, const struct rmap_vma *b);
	int (*merge_prepare)(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src,
			     bool *imported);
	void (*merge_undo)(struct rmap *rmap, struct rmap_vma *dst);
	void (*adjust_begin)(struct rmap *rmap, struct rmap_adjust *adjust);
	void (*adjust_end)(struct rmap *rmap, struct rmap_adjust *adjust);
	int (*vma_shift_prepare)(struct rmap *rmap, struct rmap_vma *vma);
	/* Only called where walkers must be held off (see rmap_move_begin in vma.c), or locks_every_move. */
	void (*move_begin)(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src);
	void (*move_end)(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src);
	/* The VMA loses its origin; unlink and forget both. */
	void (*vma_unlink)(struct rmap *rmap, struct rmap_vma *vma);

	int (*reserve)(struct rmap *rmap, struct rmap_reserve *reserve, unsigned int n);
	void (*unreserve)(struct rmap *rmap, struct rmap_reserve *reserve);

	/* NULL: the linear page number. */
	uint64_t (*page_index)(const struct rmap_vma *vma, uint64_t addr);
	/* NULL: always. */
	bool (*page_may_move)(const struct rmap_page *page, bool entry);
	bool (*page_fits)(const struct rmap_page *page, const struct rmap_vma *vma, uint64_t addr);

	/*
	 * New anonymous pages: store each one's owner with page_set_owner(). Their index is set, nobody else knows them.
	 */
	void (*page_new)(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			 struct rmap_vma *vma, uint64_t addr, bool exclusive);
	/* Every mapping and unmapping, new or not; map counts are the new ones. */
	void (*page_map)(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			 struct rmap_vma *vma, uint64_t addr, void *pte, unsigned int flags,
			 struct rmap_reserve *reserve);
	void (*page_unmap)(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			   struct rmap_vma *vma, uint64_t addr, void *pte);
	void (*page_moved)(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			   struct rmap_vma *dst, uint64_t new_addr, void *new_pte,
			   struct rmap_vma *src, uint64_t old_addr, void *old_pte);
	/* The same where the VMA itself moved (exec's stack): its pages are at addr and behind it now. */
	void (*page_slid)(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			  struct rmap_vma *vma, uint64_t addr);
	void (*page_adopt)(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
			   uint64_t addr);
	/* A page that had an owner is mapped again (swap-in, the end of a migration), and nobody else can have it. PTL. */
	void (*page_alone)(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
			   uint64_t addr);
	/*
	 * An address space that has forked is about to unmap an anonymous page which is not exclusive, so that others may have it. Before
	 * the map count goes down. PTL.
	 */
	void (*page_leave)(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma);
	/* Migration entries. NULL: as page_unmap and page_map (without a reserve), and nothing. */
	void (*page_to_entry)(struct rmap *rmap, struct rmap_page *page, void *pte);
	void (*page_from_entry)(struct rmap *rmap, struct rmap_page *page,
				struct rmap_page *old_page, void *pte);
	void (*entry_copied)(struct rmap *rmap, struct rmap_page *page, void *pte,
			     struct rmap_reserve *reserve);
	void (*entry_gone)(struct rmap *rmap, struct rmap_page *page, void *pte);
	void (*migrate_end)(struct rmap *rmap, struct rmap_page *new_page,
			    struct rmap_page *old_page);
	void *(*page_pin)(struct rmap *rmap, struct rmap_page *page);
	void (*page_unpin)(struct rmap *rmap, void *pin);
	/* Besides owner, index and exclusivity, which are copied. */
	void (*page_replace)(struct rmap *rmap, struct rmap_page *new_page,
			     struct rmap_page *old_page);
	void (*page_free)(struct rmap *rmap, struct rmap_page *page);

	void (*slot_fill)(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page);
	void (*slot_dup)(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page);
	void (*slot_restore)(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page,
			     struct rmap_vma *vma, uint64_t addr);
	void (*slot_rejoin)(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page);
	void (*slot_refill)(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page);
	void (*slot_free)(struct rmap *rmap, struct rmap_slot *slot);

	/* Offer candidates to walk_candidate() (walk.h). 0 or RMAP_EAGAIN. */
	int (*walk)(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state);

	void (*vma_links)(const struct rmap_vma *vma,
			  void (*emit)(const struct rmap_link_info *info, void *arg), void *arg);
	const void *(*page_owner)(const struct rmap_page *page);
	const char *(*vma_check)(const struct rmap *rmap, const struct rmap_vma *vma);
	const char *(*page_check)(const struct rmap_page *page,
				  bool (*has)(const struct rmap_mm *mm, void *arg), void *arg);
};

/*
 * The table to ask. An embedder who needs one design names it at build time, -DRMAP_ONLY_DESIGN=lineage, and compiles one_design.c
 * instead of what that includes: there the table is a constant whose entries the compiler sees, so that calls are direct and events
 * that the design does not care for are gone.
 */
#ifdef RMAP_ONLY_DESIGN
#define RMAP_ONLY_PASTE(a, b) a##b
#define RMAP_ONLY_NAME(name)  RMAP_ONLY_PASTE(rmap_, name)
#define RMAP_ONLY	      RMAP_ONLY_NAME(RMAP_ONLY_DESIGN)
#endif

static inline const struct rmap_ops *ops_of(const struct rmap *rmap)
{
#ifdef RMAP_ONLY_DESIGN
	(void)rmap;
	return &RMAP_ONLY;
#else
	return rmap->ops;
#endif
}

/* Make owner the page's; readers that see it see all that was written to the page before. */
static inline void page_set_owner(struct rmap_page *page, const void *owner)
{
	atomic_store_explicit(&page->mapping, (uintptr_t)owner | RMAP_MAPPING_ANON,
			      memory_order_release);
}

/* The owner, whose tag says anonymous. */
static inline void *mapping_owner(uintptr_t mapping)
{
	return (void *)(mapping & ~(uintptr_t)RMAP_MAPPING_TAGS);
}

#endif
