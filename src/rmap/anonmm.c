// SPDX-License-Identifier: BSD-2-Clause
/*
 * anonmm: page → a group of address spaces, and one address in all of them. Linus Torvalds's idea, Hugh Dickins's patches
 * (2003-2004); in 2.6.7-rc as "rmap 10", replaced by anon_vma in the same series.
 *
 *	page --mapping--> group --+-- P      looked at: P's slot at the page's address
 *	index = virtual           +-- C1                C1's
 *	page number               +-- C2                C2's
 *
 * Fork copies a page to the same address, so in a family of forks a shared page has one address. exec starts a new group, fork
 * adds to its parent's. A walk probes that one address in each member; no VMA is asked.
 *
 * mremap breaks "one address". A page that only one address space can have gets its index rewritten, under the locks of both tables.
 * One that others may have, too, is unshared first, as if it had been written (page_may_move says so; the virtual memory manager
 * forces the fault): so a move may copy pages, and fail for want of memory. What is in swap moves as an entry; whoever finds
 * it in the swap cache with another address than his gets a copy (page_fits). A migration entry is waited for.
 *
 * Costs: one object of 32 bytes per address space and one of 24 per group, nothing per VMA, fork independent of how many VMAs there
 * are; lmbench's fork took 410 µs against 449 with PTE chains. Fails: a page that a child wrote is looked for in every member of
 * the group, which was called not fixable and decided against it; sharing ends where a shared page is moved.
 *
 * Locks: the group's, for writing to join, leave and move, for reading to walk. A forked mm comes last, behind its parent.
 */
#include "count.h"
#include "design.h"
#include "owner.h"

struct anonmm_group {
	struct rmap_owner owner;  /* one reference for having members, one a pin */
	struct list_head members; /* of struct anonmm; owner.lock */
};

/* A member: rmap_mm.design. */
struct anonmm {
	struct list_head entry;	    /* owner.lock of the group */
	struct rmap_mm *mm;	    /* fixed */
	struct anonmm_group *group; /* fixed */
};

/* The group's lock (see valid.h). */
static inline bool anonmm_group_valid(const struct anonmm_group *group)
{
	return rmap_owner_valid(&group->owner) && list_valid(&group->members);
}

static inline bool anonmm_valid(const struct anonmm *member)
{
	return member->mm && member->group && member->mm->design == member &&
	       list_valid(&member->entry);
}

static inline struct anonmm *mm_member(const struct rmap_mm *mm)
{
	return mm->design;
}

/* ---------------------------------------------------------------- groups */

static struct anonmm_group *group_alloc(struct rmap *rmap)
{
	struct anonmm_group *group =
		rmap_object_alloc(rmap, RMAP_KIND_ANONMM_GROUP, sizeof(struct anonmm_group));
	bool fresh;

	if (!group)
		return NULL;
	fresh = !group->members.next;
	if (fresh)
		list_init(&group->members);
	owner_init(&group->owner, fresh);
	return group;
}

static void group_put(struct rmap *rmap, struct rmap_owner *owner)
{
	struct anonmm_group *group = rmap_container_of(owner, struct anonmm_group, owner);

	if (!owner_put(owner))
		return;
	RMAP_ASSERT(rmap->port, list_empty(&group->members));
	rmap_object_free(rmap, RMAP_KIND_ANONMM_GROUP, group, sizeof(*group));
}

static void group_lock(struct rmap *rmap, struct anonmm_group *group)
{
	count_event(&rmap_counting(rmap)->locks_family);
	rmap_write_lock(&group->owner.lock, rmap->port);
}

/* The caller is a member, or has a reference. */
static void group_unlock(struct rmap *rmap, struct anonmm_group *group)
{
	RMAP_DEBUG_ASSERT(rmap->port, anonmm_group_valid(group));
	rmap_write_unlock(&group->owner.lock, rmap->port);
}

/* ---------------------------------------------------------------- address spaces */

static int join(struct rmap *rmap, struct rmap_mm *mm, struct anonmm_group *group)
{
	struct anonmm *member = rmap_object_alloc(rmap, RMAP_KIND_ANONMM, sizeof(*member));

	if (!member)
		return RMAP_ENOMEM;
	member->mm = mm;
	member->group = group;
	mm->design = member;
	group_lock(rmap, group);
	list_add_tail(&member->entry, &group->members);
	RMAP_DEBUG_ASSERT(rmap->port, anonmm_valid(member));
	group_unlock(rmap, group);
	return RMAP_OK;
}

static int anonmm_mm_init(struct rmap *rmap, struct rmap_mm *mm)
{
	struct anonmm_group *group = group_alloc(rmap);
	int error = group ? join(rmap, mm, group) : RMAP_ENOMEM;

	if (error && group)
		group_put(rmap, &group->owner);
	return error;
}

static int anonmm_mm_fork_begin(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent)
{
	return join(rmap, child, mm_member(parent)->group);
}

/* As soon as the lock is free another member may be the last to leave, hence the reference. */
static void anonmm_mm_exit(struct rmap *rmap, struct rmap_mm *mm)
{
	struct anonmm *member = mm_member(mm);
	struct anonmm_group *group = member->group;
	bool last;

	owner_get(&group->owner);
	group_lock(rmap, group);
	list_del(&member->entry);
	last = list_empty(&group->members);
	group_unlock(rmap, group);
	mm->design = NULL;
	rmap_object_free(rmap, RMAP_KIND_ANONMM, member, sizeof(*member));
	if (last)
		group_put(rmap, &group->owner);
	group_put(rmap, &group->owner);
}

/* ---------------------------------------------------------------- moves */

static void anonmm_move_begin(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	(void)dst;
	group_lock(rmap, mm_member(src->mm)->group);
}

static void anonmm_move_end(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	(void)dst;
	group_unlock(rmap, mm_member(src->mm)->group);
}

static bool anonmm_page_may_move(const struct rmap_page *page, bool entry)
{
	return !entry && rmap_page_is_exclusive(page);
}

static void anonmm_page_moved(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			      struct rmap_vma *dst, uint64_t new_addr, void *new_pte,
			      struct rmap_vma *src, uint64_t old_addr, void *old_pte)
{
	(void)dst;
	(void)new_pte;
	(void)src;
	(void)old_addr;
	(void)old_pte;
	for (unsigned int i = 0; i < nr; i++) {
		if (!rmap_page_is_anon(pages[i]))
			continue;
		RMAP_ASSERT(rmap->port, rmap_page_is_exclusive(pages[i]));
		pages[i]->index = (new_addr >> RMAP_PAGE_SHIFT) + i;
	}
}

/* ---------------------------------------------------------------- pages */

static uint64_t anonmm_page_index(const struct rmap_vma *vma, uint64_t addr)
{
	(void)vma;
	return addr >> RMAP_PAGE_SHIFT;
}

static const void *anonmm_page_owner(const struct rmap_page *page)
{
	return mapping_owner(atomic_load_explicit(&page->mapping, memory_order_relaxed));
}

static bool anonmm_page_fits(const struct rmap_page *page, const struct rmap_vma *vma,
			     uint64_t addr)
{
	return page->index == addr >> RMAP_PAGE_SHIFT &&
	       anonmm_page_owner(page) == mm_member(vma->mm)->group;
}

static void anonmm_page_new(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			    struct rmap_vma *vma, uint64_t addr, bool exclusive)
{
	(void)rmap;
	(void)addr;
	(void)exclusive;
	for (unsigned int i = 0; i < nr; i++)
		page_set_owner(pages[i], mm_member(vma->mm)->group);
}

static void *anonmm_page_pin(struct rmap *rmap, struct rmap_page *page)
{
	return owner_of_page(rmap, page, false, group_put);
}

static void anonmm_page_unpin(struct rmap *rmap, void *pin)
{
	group_put(rmap, pin);
}

/* While the group's lock is held no member leaves; the RCU section keeps tables that are unmapped meanwhile. */
static int anonmm_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state)
{
	const struct rmap_port *port = rmap->port;
	struct owner_hold hold;
	struct anonmm_group *group;
	struct list_head *entry;
	int error = owner_lock_page(rmap, page, state, group_put, &hold);

	if (error || !hold.owner)
		return error;
	state->family_locks++;
	group = rmap_container_of(hold.owner, struct anonmm_group, owner);
	port->rcu_read_lock(port->ctx);
	list_for_each(entry, &group->members) {
		struct anonmm *member = list_entry(entry, struct anonmm, entry);

		state->walk->steps++;
		if (!walk_candidate(state, page, member->mm, NULL, page->index << RMAP_PAGE_SHIFT))
			break;
	}
	port->rcu_read_unlock(port->ctx);
	owner_unlock(rmap, &hold, group_put);
	return RMAP_OK;
}

/* ---------------------------------------------------------------- questions */

static void anonmm_vma_links(const struct rmap_vma *vma,
			     void (*emit)(const struct rmap_link_info *info, void *arg), void *arg)
{
	const struct anonmm_group *group = mm_member(vma->mm)->group;
	struct rmap_link_info info = {
		.owner = group,
		.parent = group,
		.root = group,
		.own = true,
	};

	emit(&info, arg);
}

static const char *anonmm_vma_check(const struct rmap *rmap, const struct rmap_vma *vma)
{
	const struct anonmm *member = mm_member(vma->mm);

	(void)rmap;
	if (!member || member->mm != vma->mm)
		return "the member of the group is not of the VMA's address space";
	if (member->entry.next->prev != &member->entry ||
	    member->entry.prev->next != &member->entry)
		return "the member's neighbours in its group do not point back";
	if (!atomic_load_explicit(&member->group->owner.refs, memory_order_relaxed))
		return "the group has no reference";
	if (!anonmm_valid(member))
		return "the member says of itself what cannot be";
	if (!anonmm_group_valid(member->group))
		return "the group says of itself what cannot be";
	return NULL;
}

const struct rmap_ops rmap_anonmm = {
	.name = "anonmm",
	.locks_every_move = true,
	/* mapping and index; the member */
	.bytes = { .page = 16, .mm = 8 },
	.mm_init = anonmm_mm_init,
	.mm_fork_begin = anonmm_mm_fork_begin,
	.mm_exit = anonmm_mm_exit,
	.move_begin = anonmm_move_begin,
	.move_end = anonmm_move_end,
	.page_index = anonmm_page_index,
	.page_may_move = anonmm_page_may_move,
	.page_fits = anonmm_page_fits,
	.page_new = anonmm_page_new,
	.page_moved = anonmm_page_moved,
	.page_pin = anonmm_page_pin,
	.page_unpin = anonmm_page_unpin,
	.walk = anonmm_walk,
	.vma_links = anonmm_vma_links,
	.page_owner = anonmm_page_owner,
	.vma_check = anonmm_vma_check,
};
