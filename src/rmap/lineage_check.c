// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage: what the checker asks about the tree around one VMA's address space. Nothing else runs.
 */
#include "lineage.h"

static const char *check_forwarders(const struct lineage *n)
{
	const struct lineage *forwarder;
	uint32_t nr = 0;

	for (forwarder = n->forwarders; forwarder; forwarder = forwarder->forwarder_next) {
		if (!lineage_gone(forwarder) || lineage_head(forwarder) != n)
			return "a node that forwards to its mm's has not gone, or forwards "
			       "elsewhere";
		nr++;
	}
	if (nr != n->nr_forwarders)
		return "its mm's node counts other forwards than it has";
	if (atomic_load_explicit(&n->refs, memory_order_relaxed) < (uint64_t)nr + 1)
		return "its mm's node is named more often than it counts";
	return NULL;
}

static const char *check_children(const struct lineage *n)
{
	uint32_t birth = LINEAGE_BIRTH_MAX;
	const struct lineage *child, *prev = NULL;

	for (child = lineage_head(n); child; prev = child, child = lineage_next(child)) {
		if (lineage_parent(child) != n || child->prev != prev || lineage_gone(child))
			return "a child of its mm's node is wrongly linked";
		if (lineage_birth(child) > birth || lineage_birth(child) == 0)
			return "children of its mm's node are not in order of birth";
		birth = lineage_birth(child);
	}
	return NULL;
}

/* A node on the way up that is dead and could have gone. */
static const char *check_ancestors(const struct lineage *n)
{
	for (n = lineage_parent(n); n; n = lineage_parent(n)) {
		const struct lineage *child = lineage_head(n);

		if (lineage_gone(n) || !child)
			return "an ancestor of its mm's node is not in the tree";
		if (!lineage_mm(n) && !lineage_next(child))
			return "a dead ancestor of its mm's node with one child is still in the "
			       "tree";
	}
	return NULL;
}

/*
 * What pages of the VMA may name: the mm's own node, and those above, from which it may have inherited them.
 */
void lineage_vma_links(const struct rmap_vma *vma,
		       void (*emit)(const struct rmap_link_info *info, void *arg), void *arg)
{
	const struct lineage *own = lineage_of(vma), *root = own, *n;

	if (!lineage_vma_faulted(vma))
		return;
	while (lineage_parent(root))
		root = lineage_parent(root);
	for (n = own; n; n = lineage_parent(n)) {
		struct rmap_link_info info = {
			.owner = n,
			.parent = n == root ? n : lineage_parent(n),
			.root = root,
			.own = n == own,
			.mm = lineage_mm(n),
			.birth = lineage_birth(n),
			.clock = lineage_clock(n),
		};

		emit(&info, arg);
	}
}

/* Who stands for it in the tree. Co-owners are several: none of them is said. */
const void *lineage_page_owner(const struct rmap_page *page)
{
	uintptr_t mapping = atomic_load_explicit(&page->mapping, memory_order_relaxed);
	uint64_t steps = 0;

	if (mapping & LINEAGE_MAPPING_SET)
		return NULL;
	/* Nobody may be able to come for it any more, and its owner be gone. */
	if (!(mapping & LINEAGE_MAPPING_COUNTED) && rmap_page_mapcount(page) == 0)
		return NULL;
	return lineage_resolve(lineage_named(mapping), &steps);
}

/* Who keeps the page's owner: a reference, or its own mapping of the page (see lineage_page.c). */
const char *lineage_page_check(const struct rmap_page *page,
			       bool (*has)(const struct rmap_mm *mm, void *arg), void *arg)
{
	uintptr_t mapping = atomic_load_explicit(&page->mapping, memory_order_relaxed);
	struct lineage *n = lineage_named(mapping);

	if ((mapping & LINEAGE_MAPPING_TAGS) == (RMAP_MAPPING_ANON | LINEAGE_MAPPING_SET))
		return "it has co-owners, but holds no reference on them";
	if (mapping & LINEAGE_MAPPING_SET)
		return co_owners_valid(lineage_co_owners(mapping))
			       ? NULL
			       : "its co-owners say of themselves what cannot be";
	if (mapping & LINEAGE_MAPPING_COUNTED)
		return atomic_load_explicit(&n->refs, memory_order_relaxed) == 0
			       ? "it holds a reference on an owner that has none"
			       : NULL;
	if (rmap_page_mapcount(page) == 0)
		return NULL;
	if (!lineage_mm(n) || lineage_of_mm(lineage_mm(n)) != n)
		return "its owner has exited, and it holds no reference on it";
	return has(lineage_mm(n), arg)
		       ? NULL
		       : "its owner does not map it, and it holds no reference on it";
}

const char *lineage_vma_check(const struct rmap *rmap, const struct rmap_vma *vma)
{
	const struct lineage *n = lineage_of(vma);
	const char *wrong;

	(void)rmap;
	if (!n || lineage_mm(n) != vma->mm || lineage_gone(n) || n->pins)
		return "its mm's node is another's, has gone, or is pinned";
	if (atomic_load_explicit(&n->seq, memory_order_relaxed) & 1)
		return "its mm's node is in the middle of a move";
	if (!lineage_valid(n))
		return "its mm's node says of itself what cannot be";
	wrong = check_forwarders(n);
	if (!wrong)
		wrong = check_children(n);
	if (!wrong)
		wrong = check_ancestors(n);
	return wrong ? wrong : lineage_displaced_check(vma);
}
