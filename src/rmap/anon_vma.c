// SPDX-License-Identifier: BSD-2-Clause
/*
 * anon_vma: page → anon_vma → a list of all VMAs of the family. Andrea Arcangeli, Linux 2.6.7 (2004).
 *
 *	page --mapping--> anon_vma
 *	                     |
 *	                     +--- VMA of the creator
 *	                     +--- its other half after a split
 *	                     +--- VMA of the first child
 *	                     +--- VMA of the second child, ...
 *
 * Its first stage needed no object at all: an anonymous page has one mapper, so its mapping was the VMA. Fork ended that, hence the
 * thin object between. A VMA gets an anon_vma at its first anonymous page, or shares a neighbour's, so that the two can merge
 * later; fork, split and move enter the new VMA in the same list. The page's index is its linear number, and a VMA's pgoff follows
 * it through mremap, so a page stands at start + (index - pgoff) in every VMA that covers index, and nowhere else. VMAs with
 * different anon_vmas do not merge by this design.
 *
 * Costs: 24 bytes in the VMA and one object of 24 bytes per family; fork links one list entry per faulted VMA; nothing per
 * page. Fails: the list is all there is. A page that a child wrote still hangs on the family's anon_vma, so a walk from it looks
 * at every relative; with 1,000 children that each wrote 1,000 pages, each of a million walks looks at up to 1,001 VMAs, under the
 * one lock that fork, exit and reclaim of the family take, too. anon_vma_chain (2010) came of that.
 *
 * Locks: the anon_vma's, for writing to enter and leave, for reading to walk. New VMAs go to the end of the list, a forked one
 * so behind its parent: a walk that has passed the parent still meets the child. A moved page can be passed where the target
 * VMA is before the source in the list; so every move takes the lock.
 */
#include "count.h"
#include "design.h"
#include "owner.h"

struct anon_vma_list {
	struct rmap_owner owner; /* one reference for having VMAs, one a pin */
	struct list_head vmas;	 /* of rmap_vma.design.list.entry; owner.lock */
};

static inline struct anon_vma_list *vma_list(const struct rmap_vma *vma)
{
	return atomic_load_explicit(&vma->design.list.anon_vma, memory_order_acquire);
}

/* Its lock, or a VMA in it (see valid.h). */
static inline bool anon_vma_list_valid(const struct anon_vma_list *list)
{
	return rmap_owner_valid(&list->owner) && list_valid(&list->vmas);
}

static inline struct rmap_vma *entry_vma(struct list_head *entry)
{
	return list_entry(entry, struct rmap_vma, design.list.entry);
}

/* ---------------------------------------------------------------- lifetime */

static struct anon_vma_list *list_alloc(struct rmap *rmap)
{
	struct anon_vma_list *list =
		rmap_object_alloc(rmap, RMAP_KIND_ANON_VMA, sizeof(struct anon_vma_list));
	bool fresh;

	if (!list)
		return NULL;
	fresh = !list->vmas.next;
	if (fresh)
		list_init(&list->vmas);
	owner_init(&list->owner, fresh);
	return list;
}

static void list_put(struct rmap *rmap, struct rmap_owner *owner)
{
	struct anon_vma_list *list = rmap_container_of(owner, struct anon_vma_list, owner);

	if (!owner_put(owner))
		return;
	RMAP_ASSERT(rmap->port, list_empty(&list->vmas));
	rmap_object_free(rmap, RMAP_KIND_ANON_VMA, list, sizeof(*list));
}

static void list_lock_counted(struct rmap *rmap, struct rmap_counters *c,
			      struct anon_vma_list *list)
{
	count_event(&c->locks_family);
	rmap_write_lock(&list->owner.lock, rmap->port);
}

static void list_lock(struct rmap *rmap, struct anon_vma_list *list)
{
	list_lock_counted(rmap, rmap_counting(rmap), list);
}

/* The caller has a VMA in the list, which keeps it. */
static void list_unlock(struct rmap *rmap, struct anon_vma_list *list)
{
	RMAP_DEBUG_ASSERT(rmap->port, anon_vma_list_valid(list));
	rmap_write_unlock(&list->owner.lock, rmap->port);
}

/* ---------------------------------------------------------------- VMAs */

static bool list_vma_faulted(const struct rmap_vma *vma)
{
	return vma_list(vma) != NULL;
}

/* The list's lock held. False: another fault of this VMA was first. */
static bool enter(struct rmap_counters *c, struct rmap_vma *vma, struct anon_vma_list *list)
{
	bool first;

	count_event(&c->locks_mm);
	rmap_spin_lock(&vma->first);
	first = !vma_list(vma);
	if (first) {
		list_add_tail(&vma->design.list.entry, &list->vmas);
		atomic_store_explicit(&vma->design.list.anon_vma, list, memory_order_release);
	}
	rmap_spin_unlock(&vma->first);
	return first;
}

static int list_vma_prepare(struct rmap *rmap, struct rmap_vma *vma, struct rmap_vma *next,
			    struct rmap_vma *prev)
{
	struct rmap_counters *c = rmap_counting(rmap);
	struct anon_vma_list *list = NULL;
	bool shared, first;

	if (vma_list(vma))
		return RMAP_OK;
	if (next)
		list = vma_list(next);
	if (!list && prev)
		list = vma_list(prev);
	shared = list != NULL;
	if (!list)
		list = list_alloc(rmap);
	if (!list)
		return RMAP_ENOMEM;
	list_lock_counted(rmap, c, list);
	first = enter(c, vma, list);
	list_unlock(rmap, list);
	if (first && shared)
		count_event(&c->anon_vma_shared);
	if (!first && !shared)
		list_put(rmap, &list->owner);
	return RMAP_OK;
}

/* Fork, split and move alike: dst may have pages of src. */
static int list_vma_join(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	struct rmap_counters *c = rmap_counting(rmap);
	struct anon_vma_list *list = vma_list(src);

	RMAP_ASSERT(rmap->port, !vma_list(dst));
	if (!list)
		return RMAP_OK;
	list_lock_counted(rmap, c, list);
	(void)enter(c, dst, list);
	list_unlock(rmap, list);
	return RMAP_OK;
}

static bool list_vma_may_merge(const struct rmap_vma *a, const struct rmap_vma *b)
{
	return !vma_list(a) || !vma_list(b) || vma_list(a) == vma_list(b);
}

static int list_merge_prepare(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src,
			      bool *imported)
{
	if (!vma_list(src))
		return RMAP_OK;
	if (vma_list(dst)) {
		RMAP_ASSERT(rmap->port, vma_list(dst) == vma_list(src));
		return RMAP_OK;
	}
	*imported = true;
	return list_vma_join(rmap, dst, src);
}

/*
 * As soon as the lock is free another may unlink the family's last VMA, and the list is gone while the release still has to wake
 * those who wait; so whoever may be the last keeps it until then.
 */
static void list_vma_unlink(struct rmap *rmap, struct rmap_vma *vma)
{
	struct anon_vma_list *list = vma_list(vma);
	bool last;

	if (!list)
		return;
	owner_get(&list->owner);
	list_lock(rmap, list);
	list_del(&vma->design.list.entry);
	atomic_store_explicit(&vma->design.list.anon_vma, NULL, memory_order_release);
	last = list_empty(&list->vmas);
	list_unlock(rmap, list);
	if (last)
		list_put(rmap, &list->owner);
	list_put(rmap, &list->owner);
}

/*
 * Bounds change under the lock of the list; they are no key of it. The VMAs of one adjustment that have a list have the same, for
 * else they would not have been made one. A removed one leaves it.
 */
static void list_adjust_begin(struct rmap *rmap, struct rmap_adjust *adjust)
{
	struct anon_vma_list *list = NULL;

	for (unsigned int i = 0; i < 3 && !list; i++) {
		if (adjust->vma[i])
			list = vma_list(adjust->vma[i]);
	}
	adjust->design = list;
	if (list)
		list_lock(rmap, list);
}

static void list_adjust_end(struct rmap *rmap, struct rmap_adjust *adjust)
{
	struct anon_vma_list *list = adjust->design;

	if (!list)
		return;
	for (unsigned int i = 0; i < 3; i++) {
		struct rmap_vma *vma = adjust->vma[i];

		if (!vma || !vma_list(vma))
			continue;
		RMAP_ASSERT(rmap->port, vma_list(vma) == list);
		if (!adjust->removed[i])
			continue;
		list_del(&vma->design.list.entry);
		atomic_store_explicit(&vma->design.list.anon_vma, NULL, memory_order_release);
	}
	/* Whoever took over is still in it. */
	RMAP_ASSERT(rmap->port, !list_empty(&list->vmas));
	list_unlock(rmap, list);
}

static void list_move_begin(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	(void)dst;
	if (vma_list(src))
		list_lock(rmap, vma_list(src));
}

static void list_move_end(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	(void)dst;
	if (vma_list(src))
		list_unlock(rmap, vma_list(src));
}

/* ---------------------------------------------------------------- pages */

static void list_page_new(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			  struct rmap_vma *vma, uint64_t addr, bool exclusive)
{
	(void)rmap;
	(void)addr;
	(void)exclusive;
	for (unsigned int i = 0; i < nr; i++)
		page_set_owner(pages[i], vma_list(vma));
}

static void *list_page_pin(struct rmap *rmap, struct rmap_page *page)
{
	return owner_of_page(rmap, page, false, list_put);
}

static void list_page_unpin(struct rmap *rmap, void *pin)
{
	list_put(rmap, pin);
}

static int list_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state)
{
	struct owner_hold hold;
	struct anon_vma_list *list;
	struct list_head *entry;
	int error = owner_lock_page(rmap, page, state, list_put, &hold);

	if (error || !hold.owner)
		return error;
	state->family_locks++;
	list = rmap_container_of(hold.owner, struct anon_vma_list, owner);
	list_for_each(entry, &list->vmas) {
		if (!walk_vma(state, page, entry_vma(entry)))
			break;
	}
	owner_unlock(rmap, &hold, list_put);
	return RMAP_OK;
}

/* ---------------------------------------------------------------- questions */

static void list_vma_links(const struct rmap_vma *vma,
			   void (*emit)(const struct rmap_link_info *info, void *arg), void *arg)
{
	struct anon_vma_list *list = vma_list(vma);
	struct rmap_link_info info = {
		.owner = list,
		.parent = list,
		.root = list,
		.own = true,
	};

	if (list)
		emit(&info, arg);
}

static const void *list_page_owner(const struct rmap_page *page)
{
	return mapping_owner(atomic_load_explicit(&page->mapping, memory_order_relaxed));
}

static const char *list_vma_check(const struct rmap *rmap, const struct rmap_vma *vma)
{
	const struct list_head *entry = &vma->design.list.entry;

	(void)rmap;
	if (!vma_list(vma))
		return NULL;
	if (!atomic_load_explicit(&vma_list(vma)->owner.refs, memory_order_relaxed))
		return "the VMA's anon_vma has no reference";
	if (entry->next->prev != entry || entry->prev->next != entry)
		return "the VMA's neighbours in the list of its anon_vma do not point back";
	if (!anon_vma_list_valid(vma_list(vma)))
		return "the VMA's anon_vma says of itself what cannot be";
	return NULL;
}

const struct rmap_ops rmap_anon_vma = {
	.name = "anon_vma",
	.locks_every_move = true,
	.bytes = { .page = 16, .vma = 24 },
	.vma_faulted = list_vma_faulted,
	.vma_prepare = list_vma_prepare,
	.vma_fork = list_vma_join,
	.vma_clone = list_vma_join,
	.vma_may_merge = list_vma_may_merge,
	.merge_prepare = list_merge_prepare,
	.merge_undo = list_vma_unlink,
	.adjust_begin = list_adjust_begin,
	.adjust_end = list_adjust_end,
	.move_begin = list_move_begin,
	.move_end = list_move_end,
	.vma_unlink = list_vma_unlink,
	.page_new = list_page_new,
	.page_pin = list_page_pin,
	.page_unpin = list_page_unpin,
	.walk = list_walk,
	.vma_links = list_vma_links,
	.page_owner = list_page_owner,
	.vma_check = list_vma_check,
};
