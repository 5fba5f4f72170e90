// SPDX-License-Identifier: BSD-2-Clause
/*
 * A layer around a design that sees when a walk's order mattered, and when one has missed a PTE.
 *
 * Reclaim stops at the first mapping that forbids it: one that is locked, or one that was written since the page was lazily freed.
 * Who was met before it is unmapped by then, or has lost its accessed bit, and whom a design meets first is its own affair. As
 * in Linux all of these are right. So whoever compares designs must know that it happened, and nobody else does.
 *
 * No walk may miss a PTE, but one: while exec's stack slides down its VMA spans both places, and a page that is still in the upper one
 * is not where its offset says. Designs that go by offsets do not find it until it has moved, nor does Linux. All that comes of it is
 * that reclaim leaves the page alone.
 */
#include "fuzz_ops.h"

#include <rmap/walk.h>

#include <stdlib.h>

struct ops_layer {
	struct rmap_ops ops; /* the design's, but for the walk */
	const struct rmap_ops *inner;
	bool halfway, missed;
};

struct visitor {
	struct ops_layer *layer;
	enum rmap_visit (*visit)(struct rmap_hit *hit, void *arg);
	bool (*skip)(const struct rmap_vma *vma, void *arg);
	void *arg;
	uint32_t left; /* PTEs that map the page and were not visited */
	bool stopped;  /* by who visits */
	bool skipped;  /* a VMA, by who visits */
};

static enum rmap_visit visit(struct rmap_hit *hit, void *arg)
{
	struct visitor *v = arg;
	uint32_t left = v->left ? --v->left : 0;
	enum rmap_visit ret = v->visit(hit, v->arg);

	v->stopped |= ret == RMAP_VISIT_STOP;
	if (ret == RMAP_VISIT_STOP && left)
		v->layer->halfway = true;
	return ret;
}

static bool skip(const struct rmap_vma *vma, void *arg)
{
	struct visitor *v = arg;

	if (!v->skip(vma, v->arg))
		return false;
	v->skipped = true;
	return true;
}

static int walk_inner(struct ops_layer *layer, struct rmap *rmap, struct rmap_page *page,
		      struct rmap_walk_state *state)
{
	struct rmap_file *file = rmap_page_file(page);

	if (!file || layer->inner->walks_file_pages)
		return layer->inner->walk(rmap, page, state);
	return file_map_walk(rmap, file, page, state);
}

static int layer_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state)
{
	struct ops_layer *layer = rmap_container_of((struct rmap_ops *)(uintptr_t)ops_of(rmap),
						    struct ops_layer, ops);
	struct rmap_walk *walk = state->walk;
	struct visitor v = { .layer = layer,
			     .visit = walk->visit,
			     .skip = walk->skip,
			     .arg = walk->arg,
			     .left = rmap_page_mapcount(page) };
	int ret;

	if (walk->flags & (RMAP_WALK_CHECK | RMAP_WALK_ENTRIES) || !walk->visit || !v.left)
		return walk_inner(layer, rmap, page, state);
	walk->visit = visit;
	walk->skip = v.skip ? skip : NULL;
	walk->arg = &v;
	ret = walk_inner(layer, rmap, page, state);
	walk->visit = v.visit;
	walk->skip = v.skip;
	walk->arg = v.arg;
	layer->missed |= !ret && v.left && !v.stopped && !v.skipped;
	return ret;
}

struct ops_layer *ops_layer_new(const struct rmap_ops *design)
{
	struct ops_layer *layer = calloc(1, sizeof(*layer));

	if (!layer)
		return NULL;
	layer->ops = *design;
	layer->inner = design;
	layer->ops.walk = layer_walk;
	layer->ops.walks_file_pages = true;
	return layer;
}

const struct rmap_ops *ops_layer_design(const struct ops_layer *layer)
{
	return &layer->ops;
}

bool ops_layer_halfway(struct ops_layer *layer)
{
	bool halfway = layer->halfway;

	layer->halfway = false;
	return halfway;
}

bool ops_layer_missed(struct ops_layer *layer)
{
	bool missed = layer->missed;

	layer->missed = false;
	return missed;
}
