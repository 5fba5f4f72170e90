// SPDX-License-Identifier: BSD-2-Clause
/*
 * anon_vma_chain: its structures shown to drawings, and held against its invariants.
 *
 * The check is asked for one VMA at a time. What concerns a whole anon_vma (is its tree sound, are its counts right) is
 * checked by the VMA whose link is first in the tree, so that asking for all VMAs checks everything exactly once and costs
 * about as many steps as there are links, times the length of a chain.
 */
#include "anon_vma_chain.h"

void avc_vma_links(const struct rmap_vma *vma,
		   void (*emit)(const struct rmap_link_info *info, void *arg), void *arg)
{
	const struct list_head *entry;

	if (!vma_own(vma))
		return;
	list_for_each(entry, &vma->design.avc.chain) {
		const struct anon_vma_chain *avc = chain_entry(entry);
		struct rmap_link_info info = {
			.link = avc,
			.owner = avc->anon_vma,
			.parent = avc->anon_vma->parent,
			.root = anon_vma_root(avc->anon_vma),
			.own = avc->anon_vma == vma_own(vma),
		};

		emit(&info, arg);
	}
}

/* Is anon_vma in the chain from entry (which may be the head) on? */
static bool chain_has(const struct rmap_vma *vma, const struct list_head *entry,
		      const struct anon_vma *anon_vma)
{
	for (; entry != &vma->design.avc.chain; entry = entry->next) {
		if (chain_entry(entry)->anon_vma == anon_vma)
			return true;
	}
	return false;
}

/* Links: every one belongs to this VMA, each anon_vma once, children before parents, all of one root, which is last. */
static const char *check_chain(const struct rmap_vma *vma)
{
	const struct list_head *head = &vma->design.avc.chain;
	const struct anon_vma *root = anon_vma_root(vma_own(vma));
	const struct list_head *entry;

	list_for_each(entry, head) {
		const struct anon_vma_chain *avc = chain_entry(entry);
		const struct anon_vma *anon_vma = avc->anon_vma;

		if (entry->next->prev != entry || entry->prev->next != entry)
			return "a link's neighbours in the VMA's chain do not point back";
		if (avc->vma != vma)
			return "a link in the VMA's chain belongs to another VMA";
		if (anon_vma_root(anon_vma) != root)
			return "the VMA's chain spans two families";
		if (chain_has(vma, entry->next, anon_vma))
			return "an anon_vma is twice in the VMA's chain";
		if ((anon_vma == root) != (entry->next == head))
			return "the root is not the last of the VMA's chain";
		if (anon_vma != root && !chain_has(vma, entry->next, anon_vma->parent))
			return "an anon_vma's parent does not follow it in the VMA's chain";
	}
	if (list_empty(head) || !chain_has(vma, head->next, vma_own(vma)))
		return "the VMA's own anon_vma is not in its chain";
	return NULL;
}

/* Do the two VMAs have the same anon_vmas in the same order? */
static bool same_chain(const struct rmap_vma *a, const struct rmap_vma *b)
{
	const struct list_head *x = a->design.avc.chain.next;
	const struct list_head *y = b->design.avc.chain.next;

	while (x != &a->design.avc.chain && y != &b->design.avc.chain) {
		if (chain_entry(x)->anon_vma != chain_entry(y)->anon_vma)
			return false;
		x = x->next;
		y = y->next;
	}
	return x == &a->design.avc.chain && y == &b->design.avc.chain;
}

/* What the VMAs in an anon_vma's tree say of it. */
struct census {
	const struct anon_vma *anon_vma;
	const struct rmap_vma *active; /* one of those whose own it is */
	uint32_t num_active;
	uint32_t num_children;
	uint32_t num_members; /* anon_vmas whose root it is, without itself */
	bool chains_differ;   /* two active VMAs have different chains */
};

static void census_of_vma(struct census *census, const struct rmap_vma *vma)
{
	const struct list_head *entry;

	if (vma_own(vma) == census->anon_vma) {
		census->num_active++;
		if (census->active && !same_chain(census->active, vma))
			census->chains_differ = true;
		census->active = vma;
	}
	list_for_each(entry, &vma->design.avc.chain) {
		const struct anon_vma_chain *avc = chain_entry(entry);
		const struct anon_vma *member = avc->anon_vma;

		/* Each member once: by its first link. */
		if (rb_first(&member->rb_root) != &avc->rb)
			continue;
		if (member->parent == census->anon_vma)
			census->num_children++;
		if (anon_vma_root(member) == census->anon_vma && member != census->anon_vma)
			census->num_members++;
	}
}

/* The whole anon_vma, seen from the first link in its tree. */
static const char *check_anon_vma(const struct anon_vma *anon_vma)
{
	struct census census = { .anon_vma = anon_vma };
	uint32_t refs = atomic_load_explicit(&anon_vma->refcount, memory_order_relaxed);

	if (!rb_valid(&anon_vma->rb_root))
		return "an anon_vma's tree is no red-black tree";
	for (const struct rb_node *n = rb_first(&anon_vma->rb_root); n; n = rb_next(n))
		census_of_vma(&census, node_avc(n)->vma);
	if (census.chains_differ)
		return "two VMAs with the same own anon_vma have different chains";
	if (census.num_active != anon_vma->num_active_vmas)
		return "num_active_vmas is not the number of VMAs whose own anon_vma it is";
	if (census.num_children != anon_vma->num_children)
		return "num_children is not the number of anon_vmas whose parent it is";
	if (refs < 1 + census.num_members)
		return "an anon_vma has fewer references than links and members need";
	return NULL;
}

const char *avc_vma_check(const struct rmap *rmap, const struct rmap_vma *vma)
{
	const struct list_head *entry;
	const char *wrong;

	(void)rmap;
	if (!vma_own(vma)) {
		/* The chain was never set up, or is empty. */
		if (vma->design.avc.chain.next && !list_empty(&vma->design.avc.chain))
			return "the VMA has a chain but no own anon_vma";
		return NULL;
	}
	wrong = check_chain(vma);
	if (wrong)
		return wrong;
	list_for_each(entry, &vma->design.avc.chain) {
		const struct anon_vma_chain *avc = chain_entry(entry);

		if (!itree_node_valid(&avc->anon_vma->rb_root, &avc->rb, &avc_tree))
			return "a link is not where the VMA's bounds put it in its anon_vma's tree";
		if (!anon_vma_chain_valid(avc))
			return "a link says of itself what cannot be";
		if (rb_first(&avc->anon_vma->rb_root) != &avc->rb)
			continue;
		wrong = check_anon_vma(avc->anon_vma);
		if (wrong)
			return wrong;
		if (!anon_vma_valid(avc->anon_vma))
			return "an anon_vma says of itself what cannot be";
	}
	return NULL;
}
