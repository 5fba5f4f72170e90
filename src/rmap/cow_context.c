// SPDX-License-Identifier: BSD-2-Clause
/*
 * cow_context: page → the context of the address space that faulted it in → the tree of contexts. Lorenzo Stoakes's proposal,
 * 2026 (prototype and talk).
 *
 *	page --mapping--> context of P --mm--> P        remaps: [index 16..31: +4096]
 *	                   |        |
 *	             context of C1  context of C2       each: mm (NULL after exit), parent, children, remaps
 *	                   |
 *	             context of C1's child
 *
 * One object per address space, none per VMA. A page can only be mapped in the address space that faulted it in and in those
 * forked from it, so a walk goes through that subtree, depth first. In each address space the page stands at the address that its
 * index names ("home"), unless its VMA was moved: then at a distance from home that is kept, for the range of page offsets of
 * the moved VMA, in the context's tree of remaps. Distance zero is never kept; coming home takes the remap out.
 *
 * Costs: one context per address space and one remap of 80 bytes per moved range and distance; fork enters one child and the remaps
 * again, nothing per VMA that stayed at home. No lock is wider than one address space. Fails: a walk visits every descendant,
 * whether it ever mapped that memory or not; a line of processes that each fork and exit leaves a line of contexts, since children
 * keep their parents; many ranges moved over one home range are all looked at by a walk.
 *
 * Where the published prototype is not right, this one differs. An exclusive page stops the walk when it was found, also at a
 * distance. Each distance has ranges of its own (cow_context_remaps.c), where the prototype keeps a sorted array per range (and loses
 * elements on insertion). A context's lock, which moves and exits take for writing, holds its mm, its tables and its remaps still while a
 * walk is in it; the RCU section around the look-up only keeps memory, and visitors get no sleep in either. Private file
 * mappings have an offset of their own for anonymous pages (shift), with which they are at home where they were first written.
 * Pages hold no reference: who maps a page is the context's mm or a descendant, and these do.
 *
 * A remap may reach further than any VMA when memory to split it could not be had: that costs looks, never a miss.
 */
#include "count.h"
#include "cow_context.h"

/* Its lock. The children's list is theirs to keep; siblings are the parent's. */
static inline bool cow_context_valid(const struct cow_context *context)
{
	return context->rmap && rmap_owner_valid(&context->owner) && context->parent != context &&
	       list_valid(&context->children) && (context->mm || !context->remaps.node) &&
	       (context->remaps.node == NULL) == (context->distances.node == NULL);
}

static inline struct cow_context *owner_context(struct rmap_owner *owner)
{
	return rmap_container_of(owner, struct cow_context, owner);
}

static inline struct cow_context *mm_context(const struct rmap_mm *mm)
{
	return mm->design;
}

/* ---------------------------------------------------------------- where a VMA is, and where it is at home */

/* Where its first page is at home, seen after faulted. Where a neighbour's shift was taken, this may be below address 0. */
static inline uint64_t home_of(const struct rmap_vma *vma)
{
	return vma->pgoff + vma->design.context.shift;
}

static inline uint64_t home_first(const struct rmap_vma *vma)
{
	return remap_number(home_of(vma));
}

static inline uint64_t home_last(const struct rmap_vma *vma)
{
	return home_first(vma) + ((vma->end - vma->start) >> RMAP_PAGE_SHIFT) - 1;
}

static inline int64_t distance_of(const struct rmap_vma *vma)
{
	return (int64_t)((vma->start >> RMAP_PAGE_SHIFT) - home_of(vma));
}

static bool context_vma_faulted(const struct rmap_vma *vma)
{
	return atomic_load_explicit(&vma->design.context.faulted, memory_order_acquire) != 0;
}

static uint64_t context_page_index(const struct rmap_vma *vma, uint64_t addr)
{
	return rmap_vma_index(vma, addr) + vma->design.context.shift;
}

/* Does the VMA need a remap? */
static bool displaced(const struct rmap_vma *vma)
{
	return distance_of(vma) != 0;
}

/* ---------------------------------------------------------------- lifetime */

/* Nobody refers to it: away with it, and with those ancestors that it was the last to keep. No lock held. */
static void context_end(struct cow_context *context)
{
	struct rmap *rmap = context->rmap;

	for (;;) {
		struct cow_context *parent = context->parent;

		RMAP_ASSERT(rmap->port, !context->mm && list_empty(&context->children));
		if (parent) {
			count_event(&rmap_counting(rmap)->locks_mm);
			rmap_write_lock(&parent->owner.lock, rmap->port);
			list_del(&context->sibling);
			rmap_write_unlock(&parent->owner.lock, rmap->port);
		}
		rmap_object_free(rmap, RMAP_KIND_CONTEXT, context, sizeof(*context));
		if (!parent || !owner_put(&parent->owner))
			return;
		context = parent;
	}
}

static void context_put(struct rmap *rmap, struct rmap_owner *owner)
{
	(void)rmap;
	if (owner_put(owner))
		context_end(owner_context(owner));
}

static void context_end_late(void *ctx, struct rmap_rcu *rcu)
{
	(void)ctx;
	context_end(rmap_container_of(rcu, struct cow_context, rcu));
}

/* Where spin locks are held: the parent's lock must not be waited for. */
static void context_put_spinning(struct rmap *rmap, struct rmap_owner *owner)
{
	if (owner_put(owner))
		rmap->port->call_rcu(rmap->port->ctx, &owner_context(owner)->rcu, context_end_late);
}

static struct cow_context *context_alloc(struct rmap *rmap, struct rmap_mm *mm,
					 struct cow_context *parent)
{
	struct cow_context *context =
		rmap_object_alloc(rmap, RMAP_KIND_CONTEXT, sizeof(struct cow_context));
	bool fresh;

	if (!context)
		return NULL;
	fresh = !context->rmap;
	context->mm = mm;
	context->parent = parent;
	context->remaps.node = NULL;
	context->distances.node = NULL;
	context->spare = NULL;
	context->rmap = rmap;
	list_init(&context->children);
	list_init(&context->sibling);
	owner_init(&context->owner, fresh);
	return context;
}

static void context_lock(struct cow_context *context)
{
	count_event(&rmap_counting(context->rmap)->locks_mm);
	rmap_write_lock(&context->owner.lock, context->rmap->port);
}

static void context_unlock(struct cow_context *context)
{
	RMAP_DEBUG_ASSERT(context->rmap->port, cow_context_valid(context));
	rmap_write_unlock(&context->owner.lock, context->rmap->port);
}

/* ---------------------------------------------------------------- address spaces */

static int context_mm_init(struct rmap *rmap, struct rmap_mm *mm)
{
	mm->design = context_alloc(rmap, mm, NULL);
	return mm->design ? RMAP_OK : RMAP_ENOMEM;
}

static int context_mm_fork_begin(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent)
{
	struct cow_context *above = mm_context(parent);
	struct cow_context *context = context_alloc(rmap, child, above);

	if (!context)
		return RMAP_ENOMEM;
	child->design = context;
	context_lock(above);
	owner_get(&above->owner);
	list_add_tail(&context->sibling, &above->children);
	context_unlock(above);
	return RMAP_OK;
}

static void context_mm_exit(struct rmap *rmap, struct rmap_mm *mm)
{
	struct cow_context *context = mm_context(mm);

	context_lock(context);
	context->mm = NULL;
	remaps_clear(context);
	context_unlock(context);
	remap_free(rmap, context->spare);
	context->spare = NULL;
	mm->design = NULL;
	context_put(rmap, &context->owner);
}

/* ---------------------------------------------------------------- VMAs */

/*
 * vma has, from now on, anonymous pages, at home with this shift. Its remap stands before anybody can see that, and so before the
 * first page. Nothing if another fault of this VMA was first.
 */
static int set_faulted(struct rmap *rmap, struct rmap_vma *vma, uint64_t shift)
{
	struct cow_context *context = mm_context(vma->mm);
	struct remap *fresh = NULL;

	if ((vma->start >> RMAP_PAGE_SHIFT) != vma->pgoff + shift) {
		fresh = remap_alloc(rmap);
		if (!fresh)
			return RMAP_ENOMEM;
	}
	context_lock(context);
	if (!context_vma_faulted(vma)) {
		vma->design.context.shift = shift;
		if (displaced(vma))
			remaps_add(context, home_first(vma), home_last(vma), distance_of(vma),
				   &fresh);
		atomic_store_explicit(&vma->design.context.faulted, 1, memory_order_release);
	}
	context_unlock(context);
	remap_free(rmap, fresh);
	return RMAP_OK;
}

/* A private file mapping is at home where it is first written, unless a neighbour that it may merge with says otherwise. */
static int context_vma_prepare(struct rmap *rmap, struct rmap_vma *vma, struct rmap_vma *next,
			       struct rmap_vma *prev)
{
	uint64_t shift = 0;

	if (context_vma_faulted(vma))
		return RMAP_OK;
	if (next && context_vma_faulted(next))
		shift = next->design.context.shift;
	else if (prev && context_vma_faulted(prev))
		shift = prev->design.context.shift;
	else if (vma->file)
		shift = (vma->start >> RMAP_PAGE_SHIFT) - vma->pgoff;
	return set_faulted(rmap, vma, shift);
}

/* Fork, split and move alike: dst may have pages of src, at the same page offsets. */
static int context_vma_join(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	if (!context_vma_faulted(src))
		return RMAP_OK;
	return set_faulted(rmap, dst, src->design.context.shift);
}

static bool context_vma_may_merge(const struct rmap_vma *a, const struct rmap_vma *b)
{
	return !context_vma_faulted(a) || !context_vma_faulted(b) ||
	       a->design.context.shift == b->design.context.shift;
}

static int context_merge_prepare(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src,
				 bool *imported)
{
	int error;

	if (!context_vma_faulted(src))
		return RMAP_OK;
	if (context_vma_faulted(dst)) {
		RMAP_ASSERT(rmap->port, context_vma_may_merge(dst, src));
		return RMAP_OK;
	}
	error = context_vma_join(rmap, dst, src);
	*imported = !error;
	return error;
}

/* Ranges of VMAs of one distance do not overlap, so what goes was this VMA's alone. */
static void context_vma_unlink(struct rmap *rmap, struct rmap_vma *vma)
{
	struct cow_context *context = mm_context(vma->mm);
	struct remap *fresh = NULL;
	bool done = true;

	if (!context_vma_faulted(vma))
		return;
	if (displaced(vma)) {
		context_lock(context);
		done = remaps_remove(context, home_first(vma), home_last(vma), distance_of(vma),
				     &fresh);
		context_unlock(context);
	}
	if (!done) {
		/* From the middle of a longer one. Without memory it stays too long until exit. */
		fresh = remap_alloc(rmap);
		context_lock(context);
		(void)remaps_remove(context, home_first(vma), home_last(vma), distance_of(vma),
				    &fresh);
		context_unlock(context);
		remap_free(rmap, fresh);
	}
	atomic_store_explicit(&vma->design.context.faulted, 0, memory_order_release);
	vma->design.context.shift = 0;
}

static int context_vma_shift_prepare(struct rmap *rmap, struct rmap_vma *vma)
{
	struct cow_context *context = mm_context(vma->mm);

	if (!context->spare)
		context->spare = remap_alloc(rmap);
	return context->spare ? RMAP_OK : RMAP_ENOMEM;
}

/*
 * Walkers are held off while bounds change. Afterwards each VMA's remap is grown to what it covers now, which needs no memory: what
 * it covered before is in one already. Only a VMA that is alone in an adjustment may give something up.
 */
static void context_adjust_begin(struct rmap *rmap, struct rmap_adjust *adjust)
{
	struct rmap_vma *alone = NULL;
	struct cow_context *context = NULL;

	(void)rmap;
	for (unsigned int i = 0; i < 3; i++) {
		if (adjust->vma[i] && context_vma_faulted(adjust->vma[i]))
			context = mm_context(adjust->vma[i]->mm);
	}
	adjust->design = context;
	adjust->old_distance = 0;
	if (!context)
		return;
	context_lock(context);
	if (!adjust->vma[1] && !adjust->vma[2] && !adjust->insert)
		alone = adjust->vma[0];
	if (!alone || !displaced(alone))
		return;
	adjust->old_first = home_first(alone);
	adjust->old_last = home_last(alone);
	adjust->old_distance = distance_of(alone);
}

/* Take out what vma covered and does not any more. */
static void give_up(struct cow_context *context, const struct rmap_adjust *adjust)
{
	const struct rmap_vma *vma = adjust->vma[0];
	uint64_t first = home_first(vma);
	uint64_t last = home_last(vma);

	if (distance_of(vma) != adjust->old_distance) {
		(void)remaps_remove(context, adjust->old_first, adjust->old_last,
				    adjust->old_distance, &context->spare);
		return;
	}
	if (adjust->old_first < first)
		(void)remaps_remove(context, adjust->old_first, first - 1, adjust->old_distance,
				    &context->spare);
	if (adjust->old_last > last)
		(void)remaps_remove(context, last + 1, adjust->old_last, adjust->old_distance,
				    &context->spare);
}

static void context_adjust_end(struct rmap *rmap, struct rmap_adjust *adjust)
{
	struct cow_context *context = adjust->design;

	(void)rmap;
	if (!context)
		return;
	for (unsigned int i = 0; i < 3; i++) {
		const struct rmap_vma *vma = adjust->vma[i];

		if (!vma || adjust->removed[i] || !context_vma_faulted(vma) || !displaced(vma))
			continue;
		remaps_add(context, home_first(vma), home_last(vma), distance_of(vma),
			   &context->spare);
	}
	if (adjust->old_distance)
		give_up(context, adjust);
	context_unlock(context);
}

static void context_move_begin(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	(void)rmap;
	(void)dst;
	context_lock(mm_context(src->mm));
}

static void context_move_end(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	(void)rmap;
	(void)dst;
	context_unlock(mm_context(src->mm));
}

/* ---------------------------------------------------------------- pages */

/* The first of the line: all relatives descend from it. */
static struct cow_context *root_of(struct cow_context *context)
{
	while (context->parent)
		context = context->parent;
	return context;
}

/* A page that others have, too, belongs where its slot says (slot_restore), or else to the first of all. */
static void context_page_new(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			     struct rmap_vma *vma, uint64_t addr, bool exclusive)
{
	struct cow_context *own = mm_context(vma->mm);

	(void)rmap;
	(void)addr;
	for (unsigned int i = 0; i < nr; i++) {
		if (exclusive)
			page_set_owner(pages[i], own);
		else if (!rmap_page_is_anon(pages[i]))
			page_set_owner(pages[i], root_of(own));
	}
}

/* Found in the swap cache by the last who has it. */
static void context_page_map(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			     struct rmap_vma *vma, uint64_t addr, void *pte, unsigned int flags,
			     struct rmap_reserve *reserve)
{
	(void)rmap;
	(void)addr;
	(void)pte;
	(void)reserve;
	if ((flags & (RMAP_MAP_EXCLUSIVE | RMAP_MAP_NEW)) != RMAP_MAP_EXCLUSIVE)
		return;
	for (unsigned int i = 0; i < nr; i++)
		page_set_owner(pages[i], mm_context(vma->mm));
}

static void context_page_adopt(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
			       uint64_t addr)
{
	(void)rmap;
	(void)addr;
	page_set_owner(page, mm_context(vma->mm));
}

static void *context_page_pin(struct rmap *rmap, struct rmap_page *page)
{
	return owner_of_page(rmap, page, false, context_put);
}

static void context_page_unpin(struct rmap *rmap, void *pin)
{
	context_put(rmap, pin);
}

static const void *context_page_owner(const struct rmap_page *page)
{
	return mapping_owner(atomic_load_explicit(&page->mapping, memory_order_relaxed));
}

/* ---------------------------------------------------------------- swap slots: they keep the context */

static void context_slot_fill(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page)
{
	slot->owner = (uintptr_t)owner_of_page(rmap, page, false, context_put_spinning);
}

static void context_slot_restore(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page,
				 struct rmap_vma *vma, uint64_t addr)
{
	(void)rmap;
	(void)vma;
	(void)addr;
	if (slot->owner)
		page_set_owner(page, (const void *)slot->owner);
}

static void context_slot_free(struct rmap *rmap, struct rmap_slot *slot)
{
	if (slot->owner)
		context_put_spinning(rmap, (struct rmap_owner *)slot->owner);
	slot->owner = 0;
}

/* ---------------------------------------------------------------- walk */

static int lock_for_walk(struct rmap_walk_state *state, struct cow_context *context)
{
	if (!(state->walk->flags & RMAP_WALK_TRYLOCK))
		rmap_read_lock(&context->owner.lock, state->port);
	else if (!rmap_read_trylock(&context->owner.lock))
		return RMAP_EAGAIN;
	state->mm_locks++;
	return RMAP_OK;
}

static void unlock_for_walk(const struct rmap_walk_state *state, struct cow_context *context)
{
	rmap_read_unlock(&context->owner.lock, state->port);
}

/* The page in one address space, whose context is locked. True: go on. */
static bool visit_mm(struct rmap_walk_state *state, struct rmap_page *page,
		     const struct cow_context *context)
{
	uint64_t index = page->index, number;
	struct remap *remap;

	/* Its home may be no address. */
	if (index <= UINT64_MAX >> RMAP_PAGE_SHIFT &&
	    !walk_candidate(state, page, context->mm, NULL, index << RMAP_PAGE_SHIFT))
		return false;
	if (!context->remaps.node)
		return true;
	number = remap_number(index);
	remap = remaps_first_at(context, number, &state->walk->steps);
	while (remap) {
		uint64_t there = index + (uint64_t)remap->distance;

		if (!walk_candidate(state, page, context->mm, NULL, there << RMAP_PAGE_SHIFT))
			return false;
		remap = remaps_next_at(remap, number, &state->walk->steps);
	}
	return true;
}

/* From entry on the first child that is alive, with a reference; NULL: none. The parent is locked. */
static struct cow_context *first_alive(const struct cow_context *parent, struct list_head *entry)
{
	for (; entry != &parent->children; entry = entry->next) {
		struct cow_context *child = list_entry(entry, struct cow_context, sibling);

		if (owner_try_get(&child->owner))
			return child;
	}
	return NULL;
}

/* Visit one context. *child: its first one, with a reference, or NULL. RMAP_OK, RMAP_EAGAIN, or 1: the walk is over. */
static int visit_context(struct rmap_walk_state *state, struct rmap_page *page,
			 struct cow_context *context, struct cow_context **child)
{
	const struct rmap_port *port = state->port;
	bool go_on = true;
	int error = lock_for_walk(state, context);

	*child = NULL;
	if (error)
		return error;
	state->walk->steps++;
	if (context->mm) {
		port->rcu_read_lock(port->ctx);
		go_on = visit_mm(state, page, context);
		port->rcu_read_unlock(port->ctx);
	}
	/* It stood at one place only. (Entries say nothing of that: the page is not exclusive while they stand.) */
	if (state->walk->found && rmap_page_is_exclusive(page))
		go_on = false;
	if (!walk_wants(state, page))
		go_on = false;
	if (go_on)
		*child = first_alive(context, context->children.next);
	unlock_for_walk(state, context);
	return go_on ? RMAP_OK : 1;
}

/*
 * The next context behind *at (not NULL), all of whose descendants were visited, in the subtree of start. The reference moves along.
 * *at = NULL: there is none. A context with a reference keeps its parent.
 */
static int climb(struct rmap *rmap, struct rmap_walk_state *state, const struct cow_context *start,
		 struct cow_context **at)
{
	while (*at != start) {
		struct cow_context *context = *at;
		struct cow_context *parent = context->parent;
		struct cow_context *next;
		int error = lock_for_walk(state, parent);

		if (error)
			return error;
		next = first_alive(parent, context->sibling.next);
		unlock_for_walk(state, parent);
		*at = next ? next : parent;
		if (!next)
			owner_get(&parent->owner);
		context_put(rmap, &context->owner);
		if (next)
			return RMAP_OK;
	}
	context_put(rmap, &(*at)->owner);
	*at = NULL;
	return RMAP_OK;
}

/*
 * Depth first, parents before children, children in order of birth. A child that is forked while the walk is in its parent, or
 * in an elder sibling, comes last of its siblings and is met.
 */
static int context_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state)
{
	struct rmap_owner *owner =
		owner_of_page(rmap, page, state->walk->flags & RMAP_WALK_ENTRIES, context_put);
	struct cow_context *start, *at;
	int error = RMAP_OK;

	if (!owner)
		return RMAP_OK;
	/* The one reference moves along; it keeps all that the walk came through, start the first of them. */
	start = at = owner_context(owner);
	while (!error && at) {
		struct cow_context *child;

		error = visit_context(state, page, at, &child);
		if (error)
			break;
		if (child) {
			struct cow_context *parent = at;

			at = child;
			context_put(rmap, &parent->owner);
		} else {
			error = climb(rmap, state, start, &at);
		}
	}
	if (at)
		context_put(rmap, &at->owner);
	return error == 1 ? RMAP_OK : error;
}

/* ---------------------------------------------------------------- questions */

static void context_vma_links(const struct rmap_vma *vma,
			      void (*emit)(const struct rmap_link_info *info, void *arg), void *arg)
{
	struct cow_context *own = mm_context(vma->mm);
	const struct cow_context *root;

	if (!context_vma_faulted(vma))
		return;
	root = root_of(own); /* the line may be long: once, and not for each of it */
	for (struct cow_context *context = own; context; context = context->parent) {
		struct rmap_link_info info = {
			.owner = context,
			.parent = context->parent ? context->parent : context,
			.root = root,
			.own = context == own,
			.mm = context->mm,
		};

		emit(&info, arg);
	}
}

static const char *context_vma_check(const struct rmap *rmap, const struct rmap_vma *vma)
{
	const struct cow_context *context = mm_context(vma->mm);
	const struct remap *remap;

	(void)rmap;
	if (!context || context->mm != vma->mm)
		return "the context is not of the VMA's address space";
	if (!cow_context_valid(context))
		return "the context says of itself what cannot be";
	if (!context_vma_faulted(vma) || !displaced(vma))
		return NULL;
	if (!rb_valid(&context->remaps) || !rb_valid(&context->distances))
		return "the remaps are no red-black tree";
	remap = remaps_find(context, home_first(vma), home_last(vma), distance_of(vma));
	if (!remap || remap->first > home_first(vma) || remap->last < home_last(vma))
		return "the VMA was moved, but no remap says how far";
	return remaps_check(context, remap);
}

const struct rmap_ops rmap_cow_context = {
	.name = "cow_context",
	.locks_every_move = true,
	/* mapping and index; shift and faulted; the context; the owner */
	.bytes = { .page = 16, .vma = 16, .mm = 8, .slot = 8 },
	.mm_init = context_mm_init,
	.mm_fork_begin = context_mm_fork_begin,
	.mm_exit = context_mm_exit,
	.vma_faulted = context_vma_faulted,
	.vma_prepare = context_vma_prepare,
	.vma_fork = context_vma_join,
	.vma_clone = context_vma_join,
	.vma_may_merge = context_vma_may_merge,
	.merge_prepare = context_merge_prepare,
	.merge_undo = context_vma_unlink,
	.adjust_begin = context_adjust_begin,
	.adjust_end = context_adjust_end,
	.vma_shift_prepare = context_vma_shift_prepare,
	.move_begin = context_move_begin,
	.move_end = context_move_end,
	.vma_unlink = context_vma_unlink,
	.page_index = context_page_index,
	.page_new = context_page_new,
	.page_map = context_page_map,
	.page_adopt = context_page_adopt,
	.page_pin = context_page_pin,
	.page_unpin = context_page_unpin,
	.slot_fill = context_slot_fill,
	.slot_restore = context_slot_restore,
	.slot_free = context_slot_free,
	.walk = context_walk,
	.vma_links = context_vma_links,
	.page_owner = context_page_owner,
	.vma_check = context_vma_check,
};
