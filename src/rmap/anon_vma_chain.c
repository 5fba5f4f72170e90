// SPDX-License-Identifier: BSD-2-Clause
/*
 * anon_vma_chain: page → anon_vma → interval tree of links (AVCs) → VMAs. Linux's design since 2.6.34 (van Riel 2010), with
 * interval trees (2012), the reuse heuristic (2014) and exclusive pages (2022).
 *
 * A VMA gets an anon_vma at its first anonymous page. Fork links the child's VMA to all anon_vmas of the parent's, whose pages
 * it shares, and gives it one of its own for pages to come. So a page that the child writes is looked for in the child and its
 * descendants only. A COW write unlinks nothing: other pages of the VMA may still be the parent's; only the new page names
 * another anon_vma.
 *
 * Costs: 40 bytes per anon_vma and 64 per link; at fork, per faulted VMA, one of each and one link more per ancestor. One
 * lock, the root's, guards all trees of a family: fork, exit and reclaim of relatives meet there.
 *
 * All memory is allocated before the lock is taken and before anything changes; so an event fails with all as it was, and
 * nothing has to be taken back.
 */
#include "anon_vma_chain.h"
#include "count.h"

bool avc_update(struct rb_node *node)
{
	return itree_update(node, &avc_tree);
}

/* ---------------------------------------------------------------- allocation */

/*
 * A fresh root, or NULL; its bytes are the caller's to count. Nobody knows it but late readers of a former life; what they may
 * look at is never undefined.
 */
static struct anon_vma *anon_vma_alloc_uncounted(struct rmap *rmap, struct rmap_counters *c)
{
	struct anon_vma *anon_vma =
		rmap->port->alloc(rmap->port->ctx, RMAP_KIND_ANON_VMA, sizeof(struct anon_vma));

	if (!anon_vma)
		return NULL;
	count_kind(rmap, c, RMAP_KIND_ANON_VMA, 1, sizeof(*anon_vma));
	/* Zero bytes: never used before. Otherwise its lock may be held by a late reader. */
	if (!anon_vma_root(anon_vma))
		rmap_rwsem_init(&anon_vma->rwsem, RMAP_LOCK_ANON_VMA);
	anon_vma->num_children = 1; /* itself */
	anon_vma->num_active_vmas = 0;
	anon_vma->parent = anon_vma;
	anon_vma->rb_root.node = NULL;
	atomic_store_explicit(&anon_vma->root, anon_vma, memory_order_release);
	atomic_store_explicit(&anon_vma->refcount, 1, memory_order_release);
	return anon_vma;
}

static struct anon_vma *anon_vma_alloc(struct rmap *rmap)
{
	struct rmap_counters *c = rmap_counting(rmap);
	struct anon_vma *anon_vma = anon_vma_alloc_uncounted(rmap, c);

	if (anon_vma)
		count_bytes(rmap, c, sizeof(*anon_vma));
	return anon_vma;
}

/* Free the links in list, which are in no tree. */
static void free_links(struct rmap *rmap, struct list_head *list)
{
	uint64_t n = 0;

	while (!list_empty(list)) {
		struct anon_vma_chain *avc = chain_entry(list->next);

		list_del(&avc->same_vma);
		rmap->port->free(rmap->port->ctx, RMAP_KIND_AVC, avc, sizeof(*avc));
		n++;
	}
	if (n)
		discount_objects(rmap, rmap_counting(rmap), RMAP_KIND_AVC, n,
				 sizeof(struct anon_vma_chain));
}

/* n links into the empty list, or RMAP_ENOMEM and none. more: bytes of the caller's that are counted in one go. */
static int alloc_links(struct rmap *rmap, struct rmap_counters *c, struct list_head *list,
		       unsigned long n, uint64_t more)
{
	count_kind(rmap, c, RMAP_KIND_AVC, n, sizeof(struct anon_vma_chain));
	count_bytes(rmap, c, n * sizeof(struct anon_vma_chain) + more);
	for (unsigned long i = 0; i < n; i++) {
		struct anon_vma_chain *avc = rmap->port->alloc(rmap->port->ctx, RMAP_KIND_AVC,
							       sizeof(struct anon_vma_chain));

		if (!avc) {
			discount_objects(rmap, c, RMAP_KIND_AVC, n - i, sizeof(*avc));
			discount_bytes(rmap, c, more);
			free_links(rmap, list);
			return RMAP_ENOMEM;
		}
		list_add(&avc->same_vma, list);
	}
	return RMAP_OK;
}

/* ---------------------------------------------------------------- locks and links */

static void lock_root_counted(struct rmap *rmap, struct rmap_counters *c, struct anon_vma *root)
{
	count_event(&c->locks_family);
	rmap_write_lock(&root->rwsem, rmap->port);
}

static void lock_root(struct rmap *rmap, struct anon_vma *root)
{
	lock_root_counted(rmap, rmap_counting(rmap), root);
}

/* The caller has a VMA linked in the family, which keeps the root. */
static void unlock_root(struct rmap *rmap, struct anon_vma *root)
{
	RMAP_DEBUG_ASSERT(rmap->port, anon_vma_valid(root));
	rmap_write_unlock(&root->rwsem, rmap->port);
}

/*
 * The caller may have unlinked its only VMA. As soon as the lock is free another may unlink the family's last one, and the root
 * is gone while the release still has to wake those who wait. RCU keeps the memory.
 */
static void unlock_root_last(struct rmap *rmap, struct anon_vma *root)
{
	rmap->port->rcu_read_lock(rmap->port->ctx);
	rmap_write_unlock(&root->rwsem, rmap->port);
	rmap->port->rcu_read_unlock(rmap->port->ctx);
}

static void set_own(struct rmap_vma *vma, struct anon_vma *anon_vma)
{
	/* Release: who sees it (a neighbour that wants to share it, without a lock) sees it initialised and the chain linked. */
	atomic_store_explicit(&vma->design.avc.anon_vma, anon_vma, memory_order_release);
}

static inline void tree_insert(struct anon_vma_chain *avc)
{
	rmap_assert_write_held(&anon_vma_root(avc->anon_vma)->rwsem);
	itree_insert(&avc->anon_vma->rb_root, &avc->rb, &avc_tree);
}

static inline void tree_erase(struct anon_vma_chain *avc)
{
	rmap_assert_write_held(&anon_vma_root(avc->anon_vma)->rwsem);
	itree_erase(&avc->anon_vma->rb_root, &avc->rb, &avc_tree);
}

/* Make vma newest in anon_vma's life: at the head of the VMA's chain and in the tree. Root lock. */
static inline void link_vma(struct anon_vma_chain *avc, struct rmap_vma *vma,
			    struct anon_vma *anon_vma)
{
	avc->vma = vma;
	avc->anon_vma = anon_vma;
	list_add(&avc->same_vma, &vma->design.avc.chain);
	tree_insert(avc);
}

/* ---------------------------------------------------------------- the first page */

static bool avc_vma_faulted(const struct rmap_vma *vma)
{
	return vma_own(vma) != NULL;
}

/*
 * A neighbour's anon_vma, so that the two may merge later. Only if its chain is singular: a forked VMA's chain has ancestors
 * that the other VMA must not be without, should they be merged. mmap is held for reading, so the chain cannot change, except
 * that a racing first fault sets it up; whose own is visible has a chain that is.
 */
static struct anon_vma *reusable_anon_vma(struct rmap_vma *neighbour)
{
	struct anon_vma *own = neighbour ? vma_own(neighbour) : NULL;

	return own && list_is_singular(&neighbour->design.avc.chain) ? own : NULL;
}

/*
 * Two threads may fault in one VMA at the same time, each with an anon_vma (and so a root lock) of its own: the VMA's lock
 * decides. The loser gives back what it brought. The winner publishes before the link is in the tree; but whoever gets at the
 * anon_vma by that must take the root's lock before it can miss the link, and the winner still holds that.
 */
static bool publish_first(struct rmap *rmap, struct rmap_vma *vma, struct anon_vma_chain *avc,
			  struct anon_vma *anon_vma)
{
	bool won;

	count_event(&rmap_counting(rmap)->locks_mm);
	rmap_spin_lock(&vma->first);
	won = !vma_own(vma);
	if (won) {
		list_init(&vma->design.avc.chain);
		avc->vma = vma;
		avc->anon_vma = anon_vma;
		list_add(&avc->same_vma, &vma->design.avc.chain);
		set_own(vma, anon_vma);
	}
	rmap_spin_unlock(&vma->first);
	return won;
}

static int avc_vma_prepare(struct rmap *rmap, struct rmap_vma *vma, struct rmap_vma *next,
			   struct rmap_vma *prev)
{
	struct anon_vma *anon_vma;
	struct anon_vma *fresh = NULL;
	struct anon_vma_chain *avc;
	bool won;

	if (vma_own(vma))
		return RMAP_OK;
	avc = rmap_object_alloc(rmap, RMAP_KIND_AVC, sizeof(*avc));
	if (!avc)
		return RMAP_ENOMEM;
	anon_vma = reusable_anon_vma(next);
	if (!anon_vma)
		anon_vma = reusable_anon_vma(prev);
	if (!anon_vma) {
		fresh = anon_vma_alloc(rmap);
		if (!fresh) {
			rmap_object_free(rmap, RMAP_KIND_AVC, avc, sizeof(*avc));
			return RMAP_ENOMEM;
		}
		anon_vma = fresh;
	}

	/* Even a fresh one is locked: as soon as it is published, a neighbour may link itself too. */
	lock_root(rmap, anon_vma_root(anon_vma));
	won = publish_first(rmap, vma, avc, anon_vma);
	if (won) {
		tree_insert(avc);
		anon_vma->num_active_vmas++;
	}
	unlock_root(rmap, anon_vma_root(anon_vma));

	if (won && !fresh)
		count_event(&rmap_counting(rmap)->anon_vma_shared);
	if (!won) {
		rmap_object_free(rmap, RMAP_KIND_AVC, avc, sizeof(*avc));
		if (fresh)
			anon_vma_put(rmap, fresh);
	}
	return RMAP_OK;
}

/* ---------------------------------------------------------------- clone and fork */

static unsigned long chain_length(const struct rmap_vma *vma)
{
	const struct list_head *entry;
	unsigned long n = 0;

	list_for_each(entry, &vma->design.avc.chain)
		n++;
	return n;
}

/*
 * An anon_vma of an ancestor that nobody uses for new pages and that has at most one child may serve the child of a fork: an
 * endless line of processes, each forking and exiting, then lives with two of them. A root never qualifies (it is its own
 * child, and has another if it has grandchildren). The child's pages are found by walks from pages that are older still; that
 * is looked at too often, never too rarely.
 */
static inline bool reusable_at_fork(const struct anon_vma *anon_vma)
{
	return anon_vma->num_children < 2 && anon_vma->num_active_vmas == 0;
}

/*
 * Link dst to all that src is linked to, with links taken from list. Oldest first, each to the head: the order is kept. With
 * fork set, returns the first that can be reused, else NULL. Root lock.
 */
static struct anon_vma *link_all(struct rmap_vma *dst, struct rmap_vma *src, struct list_head *list,
				 bool fork)
{
	struct anon_vma *reused = NULL;
	struct list_head *entry;

	list_init(&dst->design.avc.chain);
	list_for_each_reverse(entry, &src->design.avc.chain) {
		struct anon_vma *anon_vma = chain_entry(entry)->anon_vma;
		struct anon_vma_chain *avc = chain_entry(list->next);

		list_del(&avc->same_vma);
		link_vma(avc, dst, anon_vma);
		if (fork && !reused && reusable_at_fork(anon_vma))
			reused = anon_vma;
	}
	return reused;
}

static int avc_vma_clone(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	struct anon_vma *own = vma_own(src);
	struct anon_vma *root;
	struct list_head links;
	int error;

	RMAP_ASSERT(rmap->port, !vma_own(dst));
	if (!own)
		return RMAP_OK;
	list_init(&links);
	error = alloc_links(rmap, rmap_counting(rmap), &links, chain_length(src), 0);
	if (error)
		return error;
	root = anon_vma_root(own);
	lock_root(rmap, root);
	(void)link_all(dst, src, &links, false);
	own->num_active_vmas++;
	set_own(dst, own);
	unlock_root(rmap, root);
	return RMAP_OK;
}

/* fresh, which was made a root, joins parent's family. Root lock. */
static void join_family(struct anon_vma *fresh, struct anon_vma *parent)
{
	struct anon_vma *root = anon_vma_root(parent);

	fresh->num_children = 0;
	fresh->parent = parent;
	atomic_store_explicit(&fresh->root, root, memory_order_release);
	atomic_fetch_add_explicit(&root->refcount, 1, memory_order_relaxed);
	parent->num_children++;
}

static int avc_vma_fork(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	struct anon_vma *parent = vma_own(src);
	struct rmap_counters *c;
	struct anon_vma *root;
	struct anon_vma *fresh;
	struct anon_vma *own;
	struct list_head links;
	int error;

	RMAP_ASSERT(rmap->port, !vma_own(dst));
	if (!parent)
		return RMAP_OK;
	list_init(&links);
	c = rmap_counting(rmap);
	fresh = anon_vma_alloc_uncounted(rmap, c);
	if (!fresh)
		return RMAP_ENOMEM;
	error = alloc_links(rmap, c, &links, chain_length(src) + 1, sizeof(*fresh));
	if (error) {
		count_bytes(rmap, c, sizeof(*fresh));
		anon_vma_put(rmap, fresh);
		return error;
	}

	root = anon_vma_root(parent);
	lock_root_counted(rmap, c, root);
	own = link_all(dst, src, &links, true);
	if (!own) {
		struct anon_vma_chain *avc = chain_entry(links.next);

		own = fresh;
		fresh = NULL;
		join_family(own, parent);
		list_del(&avc->same_vma);
		link_vma(avc, dst, own);
	}
	own->num_active_vmas++;
	set_own(dst, own);
	unlock_root(rmap, root);

	if (fresh) {
		free_links(rmap, &links);
		anon_vma_put(rmap, fresh);
		count_event(&c->anon_vma_reused);
	}
	return RMAP_OK;
}

/* ---------------------------------------------------------------- unlink */

/*
 * First pass, root lock: take vma off all its anon_vmas, newest first. Links of anon_vmas that have no VMA left go to dead,
 * with the anon_vma still in them; the others to gone.
 */
static void detach_chain(struct rmap_vma *vma, struct list_head *dead, struct list_head *gone)
{
	struct list_head *chain = &vma->design.avc.chain;

	while (!list_empty(chain)) {
		struct anon_vma_chain *avc = chain_entry(chain->next);
		struct anon_vma *anon_vma = avc->anon_vma;
		bool empty;

		if (rb_is_linked(&avc->rb))
			tree_erase(avc);
		list_del(&avc->same_vma);
		empty = !anon_vma->rb_root.node;
		if (empty)
			anon_vma->parent->num_children--;
		list_add_tail(&avc->same_vma, empty ? dead : gone);
	}
	vma_own(vma)->num_active_vmas--;
	set_own(vma, NULL);
}

/*
 * Second pass, no lock: drop the anon_vmas that went empty, newest first, so the root is last. They are apart because a put
 * may free the root, whose lock was held in the first pass.
 */
static void put_dead(struct rmap *rmap, struct list_head *dead, struct list_head *gone)
{
	struct list_head *entry;

	list_for_each(entry, dead) {
		struct anon_vma *anon_vma = chain_entry(entry)->anon_vma;

		RMAP_ASSERT(rmap->port, anon_vma->num_children == 0);
		RMAP_ASSERT(rmap->port, anon_vma->num_active_vmas == 0);
		anon_vma_put(rmap, anon_vma);
	}
	list_splice_tail_init(dead, gone);
	free_links(rmap, gone);
}

static void avc_vma_unlink(struct rmap *rmap, struct rmap_vma *vma)
{
	struct anon_vma *own = vma_own(vma);
	struct anon_vma *root;
	struct list_head dead;
	struct list_head gone;

	if (!own)
		return;
	list_init(&dead);
	list_init(&gone);
	root = anon_vma_root(own);
	lock_root(rmap, root);
	detach_chain(vma, &dead, &gone);
	unlock_root_last(rmap, root);
	put_dead(rmap, &dead, &gone);
}

/* ---------------------------------------------------------------- merge, and bounds that change */

/*
 * Two VMAs with anon_vmas must have the same one (and then have the same chain, since only clones share one). A VMA without
 * may join one with, if that was never forked: a chain with ancestors would be spread over pages that they never had.
 */
static bool avc_vma_may_merge(const struct rmap_vma *a, const struct rmap_vma *b)
{
	const struct rmap_vma *faulted = vma_own(a) ? a : b;

	if (vma_own(a) == vma_own(b))
		return true;
	if (vma_own(a) && vma_own(b))
		return false;
	return list_is_singular(&faulted->design.avc.chain);
}

static int avc_merge_prepare(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src,
			     bool *imported)
{
	int error;

	if (!vma_own(src))
		return RMAP_OK;
	if (vma_own(dst)) {
		RMAP_ASSERT(rmap->port, vma_own(dst) == vma_own(src));
		return RMAP_OK;
	}
	error = avc_vma_clone(rmap, dst, src);
	*imported = !error;
	return error;
}

static void hide(struct rmap_vma *vma)
{
	struct list_head *entry;

	list_for_each(entry, &vma->design.avc.chain)
		tree_erase(chain_entry(entry));
}

static void show(struct rmap_vma *vma)
{
	struct list_head *entry;

	/* Oldest first, as clone does. The trees are different ones, so the order does not matter to them. */
	list_for_each_reverse(entry, &vma->design.avc.chain)
		tree_insert(chain_entry(entry));
}

/*
 * The VMAs are taken out of all trees while their bounds, which are the trees' keys, change. A walker meanwhile would miss
 * them; the root's lock holds it off.
 */
static void avc_adjust_begin(struct rmap *rmap, struct rmap_adjust *adjust)
{
	struct anon_vma *root = NULL;

	for (unsigned int i = 0; i < 3; i++) {
		struct anon_vma *own = adjust->vma[i] ? vma_own(adjust->vma[i]) : NULL;

		if (!own)
			continue;
		RMAP_ASSERT(rmap->port, !root || root == anon_vma_root(own));
		root = anon_vma_root(own);
	}
	adjust->design = root;
	if (!root)
		return;
	lock_root(rmap, root);
	for (unsigned int i = 0; i < 3; i++) {
		if (adjust->vma[i] && vma_own(adjust->vma[i]))
			hide(adjust->vma[i]);
	}
}

static void avc_adjust_end(struct rmap *rmap, struct rmap_adjust *adjust)
{
	struct anon_vma *root = adjust->design;
	struct list_head dead;
	struct list_head gone;

	if (!root)
		return;
	list_init(&dead);
	list_init(&gone);
	for (unsigned int i = 0; i < 3; i++) {
		if (adjust->vma[i] && !adjust->removed[i] && vma_own(adjust->vma[i]))
			show(adjust->vma[i]);
	}
	for (unsigned int i = 0; i < 3; i++) {
		if (adjust->vma[i] && adjust->removed[i] && vma_own(adjust->vma[i]))
			detach_chain(adjust->vma[i], &dead, &gone);
	}
	unlock_root_last(rmap, root);
	put_dead(rmap, &dead, &gone);
}

static void avc_move_begin(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	(void)dst;
	if (vma_own(src))
		lock_root(rmap, anon_vma_root(vma_own(src)));
}

static void avc_move_end(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	(void)dst;
	if (vma_own(src))
		unlock_root(rmap, anon_vma_root(vma_own(src)));
}

/* ---------------------------------------------------------------- pages */

/*
 * A page that only this VMA has is its own anon_vma's. One that relatives may have too (swapped in while their entries stand)
 * is the root's: whoever of them leaves first, the root stays as long as any of them.
 */
static void avc_page_new(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			 struct rmap_vma *vma, uint64_t addr, bool exclusive)
{
	struct anon_vma *owner = vma_own(vma);

	(void)rmap;
	(void)addr;
	if (!exclusive)
		owner = anon_vma_root(owner);
	for (unsigned int i = 0; i < nr; i++)
		page_set_owner(pages[i], owner);
}

#ifdef RMAP_DEBUG
/* A page is mapped again: by a member of its owner's family, or something is very wrong. */
static void avc_page_map(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			 struct rmap_vma *vma, uint64_t addr, void *pte, unsigned int flags,
			 struct rmap_reserve *reserve)
{
	(void)addr;
	(void)pte;
	(void)flags;
	(void)reserve;
	for (unsigned int i = 0; i < nr; i++) {
		struct anon_vma *owner;

		if (!rmap_page_is_anon(pages[i]))
			continue;
		owner = mapping_owner(
			atomic_load_explicit(&pages[i]->mapping, memory_order_relaxed));
		RMAP_ASSERT(rmap->port, anon_vma_root(owner) == anon_vma_root(vma_own(vma)));
	}
}
#endif

static void avc_page_adopt(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
			   uint64_t addr)
{
	(void)rmap;
	(void)addr;
	page_set_owner(page, vma_own(vma));
}

static const void *avc_page_owner(const struct rmap_page *page)
{
	return mapping_owner(atomic_load_explicit(&page->mapping, memory_order_relaxed));
}

const struct rmap_ops rmap_anon_vma_chain = {
	.name = "anon_vma_chain",
	/* mapping and index; chain and anon_vma */
	.bytes = { .page = 16, .vma = 24 },
	.vma_faulted = avc_vma_faulted,
	.vma_prepare = avc_vma_prepare,
	.vma_fork = avc_vma_fork,
	.vma_clone = avc_vma_clone,
	.vma_may_merge = avc_vma_may_merge,
	.merge_prepare = avc_merge_prepare,
	.merge_undo = avc_vma_unlink,
	.adjust_begin = avc_adjust_begin,
	.adjust_end = avc_adjust_end,
	.move_begin = avc_move_begin,
	.move_end = avc_move_end,
	.vma_unlink = avc_vma_unlink,
	.page_new = avc_page_new,
#ifdef RMAP_DEBUG
	.page_map = avc_page_map,
#endif
	.page_adopt = avc_page_adopt,
	.page_pin = avc_page_pin,
	.page_unpin = avc_page_unpin,
	.walk = avc_walk,
	.vma_links = avc_vma_links,
	.page_owner = avc_page_owner,
	.vma_check = avc_vma_check,
};
