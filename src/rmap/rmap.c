// SPDX-License-Identifier: BSD-2-Clause
/*
 * An instance of a reverse map, its address spaces, and what can be asked of it besides a walk.
 *
 * Each function here and in vma.c and page.c does what all designs have in common and then asks the design's table, if it has
 * an entry. So the cost of an event that a design does not care for is one test of a pointer.
 */
#include "count.h"
#include "design.h"
#include "valid.h"

int rmap_init(struct rmap *rmap, const struct rmap_ops *ops, const struct rmap_port *port)
{
#ifdef RMAP_ONLY_DESIGN
	if (ops != &RMAP_ONLY)
		return RMAP_EINVAL;
#endif
	memset(rmap, 0, sizeof(*rmap));
	rmap->ops = ops;
	rmap->port = port;
	rmap_spin_init(&rmap->lock, RMAP_LOCK_MM_LIST);
	list_init(&rmap->mms);
	return RMAP_OK;
}

void rmap_destroy(struct rmap *rmap)
{
	RMAP_ASSERT(rmap->port, list_empty(&rmap->mms));
	if (ops_of(rmap)->end)
		ops_of(rmap)->end(rmap);
	rmap->port->rcu_barrier(rmap->port->ctx);
	for (unsigned int kind = 0; kind < RMAP_KIND_TIER1_END; kind++)
		RMAP_ASSERT(rmap->port, rmap_bytes(rmap, (enum rmap_kind)kind) == 0);
	RMAP_ASSERT(rmap->port, rmap_bytes(rmap, RMAP_KIND_TIER1_END) == 0);
}

uint64_t rmap_bytes(const struct rmap *rmap, enum rmap_kind kind)
{
	const struct rmap_object_counters *c;

	if (kind >= RMAP_KIND_TIER1_END)
		return atomic_load_explicit(&rmap->total.bytes, memory_order_relaxed);
	c = &rmap->count.object[kind];
	return atomic_load_explicit(&c->objects, memory_order_relaxed) *
	       atomic_load_explicit(&c->size, memory_order_relaxed);
}

/* ---------------------------------------------------------------- address spaces */

/*
 * The list is walked under RCU (scan), so its forward links are stored with release, and one who leaves keeps his own: a reader who
 * stands on him goes on from there. New ones come last: whoever has passed the parent still meets the child.
 */
static void mm_enter(struct rmap *rmap, struct rmap_mm *mm)
{
	struct list_head *head = &rmap->mms;

	rmap_spin_lock(&rmap->lock);
	mm->list.next = head;
	mm->list.prev = head->prev;
	__atomic_store_n(&head->prev->next, &mm->list, __ATOMIC_RELEASE);
	head->prev = &mm->list;
	RMAP_DEBUG_ASSERT(rmap->port, rmap_valid(rmap) && rmap_mm_valid(mm));
	rmap_spin_unlock(&rmap->lock);
}

static void mm_leave(struct rmap *rmap, struct rmap_mm *mm)
{
	rmap_spin_lock(&rmap->lock);
	RMAP_DEBUG_ASSERT(rmap->port, rmap_mm_valid(mm));
	mm->list.next->prev = mm->list.prev;
	__atomic_store_n(&mm->list.prev->next, mm->list.next, __ATOMIC_RELEASE);
	RMAP_DEBUG_ASSERT(rmap->port, rmap_valid(rmap));
	rmap_spin_unlock(&rmap->lock);
}

int rmap_mm_init(struct rmap *rmap, struct rmap_mm *mm)
{
	int error = RMAP_OK;

	mm->design = NULL;
	atomic_init(&mm->forked, 0);
	mm_enter(rmap, mm);
	if (ops_of(rmap)->mm_init)
		error = ops_of(rmap)->mm_init(rmap, mm);
	if (error)
		mm_leave(rmap, mm);
	return error;
}

int rmap_mm_fork_begin(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent)
{
	int error = RMAP_OK;

	child->design = NULL;
	atomic_init(&child->forked, 0);
	atomic_store_explicit(&parent->forked, 1, memory_order_relaxed);
	mm_enter(rmap, child);
	if (ops_of(rmap)->mm_fork_begin)
		error = ops_of(rmap)->mm_fork_begin(rmap, child, parent);
	if (error)
		mm_leave(rmap, child);
	return error;
}

void rmap_mm_fork_end(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent, bool copied)
{
	if (ops_of(rmap)->mm_fork_end)
		ops_of(rmap)->mm_fork_end(rmap, child, parent, copied);
}

void rmap_mm_exit(struct rmap *rmap, struct rmap_mm *mm)
{
	if (ops_of(rmap)->mm_exit)
		ops_of(rmap)->mm_exit(rmap, mm);
	mm_leave(rmap, mm);
}

/* ---------------------------------------------------------------- drawings and checkers */

void rmap_vma_links(const struct rmap *rmap, const struct rmap_vma *vma,
		    void (*emit)(const struct rmap_link_info *info, void *arg), void *arg)
{
	if (ops_of(rmap)->vma_links)
		ops_of(rmap)->vma_links(vma, emit, arg);
}

const void *rmap_page_owner(const struct rmap *rmap, const struct rmap_page *page)
{
	if (!rmap_page_is_anon(page) || !ops_of(rmap)->page_owner)
		return NULL;
	return ops_of(rmap)->page_owner(page);
}

const char *rmap_vma_check(const struct rmap *rmap, const struct rmap_vma *vma)
{
	if (vma->start >= vma->end)
		return "the VMA is empty or ends before it starts";
	if (ops_of(rmap)->vma_check)
		return ops_of(rmap)->vma_check(rmap, vma);
	return NULL;
}

const char *rmap_page_check(const struct rmap *rmap, const struct rmap_page *page,
			    bool (*has)(const struct rmap_mm *mm, void *arg), void *arg)
{
	if (!rmap_page_is_anon(page) || !ops_of(rmap)->page_check)
		return NULL;
	return ops_of(rmap)->page_check(page, has, arg);
}
