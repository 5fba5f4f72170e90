// SPDX-License-Identifier: BSD-2-Clause
/*
 * How far from home which page offsets of an address space stand: the remaps of a context.
 *
 * Each distance has ranges of its own, so that a range reaches as far as all VMAs that were moved by this distance together, and giving
 * up a part of it leaves the rest. A walk asks for all distances of one offset, by an interval tree. A move, an unmapping and a
 * changed bound ask for one distance: since ranges of that do not overlap, the one that begins last before the end of what is
 * asked for is the answer, or there is none. By the interval tree alone they would look at every range over that offset, and whoever
 * moves N ranges to one offset would pay, and make his exit take, N² steps.
 */
#include "count.h"
#include "cow_context.h"

/* The context's lock; in its tree (see valid.h). */
static inline bool remap_valid(const struct remap *remap)
{
	return remap->distance != 0 && remap->first <= remap->last && remap->below >= remap->last;
}

static inline struct remap *node_remap(const struct rb_node *node)
{
	return rmap_container_of((uintptr_t)node, struct remap, rb);
}

static inline struct remap *distance_remap(const struct rb_node *node)
{
	return rmap_container_of((uintptr_t)node, struct remap, by_distance);
}

static inline uint64_t remap_first(const struct rb_node *node)
{
	return node_remap(node)->first;
}

static inline uint64_t remap_last(const struct rb_node *node)
{
	return node_remap(node)->last;
}

static inline uint64_t *remap_below(struct rb_node *node)
{
	return &node_remap(node)->below;
}

static bool remap_update(struct rb_node *node);

static const struct itree remap_tree = {
	.first = remap_first,
	.last = remap_last,
	.subtree_last = remap_below,
	.update = remap_update,
};

static bool remap_update(struct rb_node *node)
{
	return itree_update(node, &remap_tree);
}

struct remap *remap_alloc(struct rmap *rmap)
{
	return rmap_object_alloc(rmap, RMAP_KIND_REMAP, sizeof(struct remap));
}

void remap_free(struct rmap *rmap, struct remap *remap)
{
	if (remap)
		rmap_object_free(rmap, RMAP_KIND_REMAP, remap, sizeof(*remap));
}

/* Does remap come behind the place of (distance, number)? */
static bool is_behind(const struct remap *remap, int64_t distance, uint64_t number)
{
	return remap->distance != distance ? remap->distance > distance : remap->first > number;
}

static void remap_enter(struct cow_context *context, struct remap *remap)
{
	struct rb_node **link = &context->distances.node;
	struct rb_node *parent = NULL;

	rmap_assert_write_held(&context->owner.lock);
	remap->below = remap->last;
	itree_insert(&context->remaps, &remap->rb, &remap_tree);
	while (*link) {
		parent = *link;
		link = is_behind(distance_remap(parent), remap->distance, remap->first)
			       ? &parent->left
			       : &parent->right;
	}
	rb_insert(&context->distances, &remap->by_distance, parent, link, NULL);
}

static void remap_take(struct cow_context *context, struct remap *remap)
{
	rmap_assert_write_held(&context->owner.lock);
	itree_erase(&context->remaps, &remap->rb, &remap_tree);
	rb_erase(&context->distances, &remap->by_distance, NULL);
}

struct remap *remaps_find(const struct cow_context *context, uint64_t first, uint64_t last,
			  int64_t distance)
{
	const struct rb_node *node = context->distances.node;
	struct remap *found = NULL;

	while (node) {
		struct remap *remap = distance_remap(node);

		if (is_behind(remap, distance, last)) {
			node = node->left;
		} else {
			found = remap;
			node = node->right;
		}
	}
	return found && found->distance == distance && found->last >= first ? found : NULL;
}

void remaps_add(struct cow_context *context, uint64_t first, uint64_t last, int64_t distance,
		struct remap **fresh)
{
	struct remap *grown = NULL;
	struct remap *remap;

	/* Touching counts, so that a range that was split and moved in parts is one again. */
	while ((remap = remaps_find(context, first ? first - 1 : 0, last + 1, distance)) != NULL) {
		remap_take(context, remap);
		if (remap->first < first)
			first = remap->first;
		if (remap->last > last)
			last = remap->last;
		if (grown)
			remap_free(context->rmap, remap);
		else
			grown = remap;
	}
	if (!grown) {
		grown = *fresh;
		*fresh = NULL;
		RMAP_ASSERT(context->rmap->port, grown);
	}
	grown->first = first;
	grown->last = last;
	grown->distance = distance;
	remap_enter(context, grown);
}

bool remaps_remove(struct cow_context *context, uint64_t first, uint64_t last, int64_t distance,
		   struct remap **fresh)
{
	struct remap *remap;

	while ((remap = remaps_find(context, first, last, distance)) != NULL) {
		bool left = remap->first < first;
		bool right = remap->last > last;
		uint64_t end = remap->last;

		if (left && right && !*fresh)
			return false;
		remap_take(context, remap);
		if (!left && !right) {
			remap_free(context->rmap, remap);
			continue;
		}
		if (left)
			remap->last = first - 1;
		else
			remap->first = last + 1;
		remap_enter(context, remap);
		if (left && right) {
			(*fresh)->first = last + 1;
			(*fresh)->last = end;
			(*fresh)->distance = distance;
			remap_enter(context, *fresh);
			*fresh = NULL;
		}
	}
	return true;
}

void remaps_clear(struct cow_context *context)
{
	while (context->remaps.node) {
		struct remap *remap = node_remap(context->remaps.node);

		remap_take(context, remap);
		remap_free(context->rmap, remap);
	}
}

struct remap *remaps_first_at(const struct cow_context *context, uint64_t number, uint64_t *steps)
{
	struct rb_node *node = itree_first(&context->remaps, number, number, &remap_tree, steps);

	return node ? node_remap(node) : NULL;
}

struct remap *remaps_next_at(struct remap *remap, uint64_t number, uint64_t *steps)
{
	struct rb_node *node = itree_next(&remap->rb, number, number, &remap_tree, steps);

	return node ? node_remap(node) : NULL;
}

/* In order among those of its distance, apart from the one before it? */
static bool distance_valid(const struct remap *remap)
{
	const struct rb_node *prev = rb_prev(&remap->by_distance);
	const struct remap *before;

	if (!prev)
		return true;
	before = distance_remap(prev);
	return before->distance != remap->distance ? before->distance < remap->distance
						   : before->last + 1 < remap->first;
}

const char *remaps_check(const struct cow_context *context, const struct remap *remap)
{
	if (!itree_node_valid(&context->remaps, &remap->rb, &remap_tree))
		return "a remap is not where its range puts it in the tree";
	if (!remap_valid(remap))
		return "a remap says of itself what cannot be";
	if (!distance_valid(remap))
		return "a remap is not where its distance puts it among the others";
	return NULL;
}
