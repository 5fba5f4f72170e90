// SPDX-License-Identifier: BSD-2-Clause
/*
 * anon_vma_chain's structures: first faults, fork, reuse, unlink, split, merge, move, and failed allocations at every step.
 *
 * tiny_check() after every step holds each page's walk against a scan of all page tables, and every VMA's links, orders, keys
 * and counts against each other (invariants I1 to I7 of the semantics, as far as tier 1 knows them).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rmap/anon_vma_chain.h"
#include "tiny_vm.h"

/* A VMA's chain. */
struct links {
	unsigned int n;
	struct rmap_link_info link[32];
};

static void add_link(const struct rmap_link_info *info, void *arg)
{
	struct links *l = arg;

	l->link[l->n++] = *info;
}

static struct links links_of(struct tiny_vm *vm, struct tiny_vma *vma)
{
	struct links l = { .n = 0 };

	rmap_vma_links(&vm->rmap, &vma->rmap, add_link, &l);
	return l;
}

/* Not by memory: there is padding behind own. */
static void assert_same_links(const struct links *a, const struct links *b)
{
	assert_int_equal(a->n, b->n);
	for (unsigned int i = 0; i < a->n; i++) {
		assert_ptr_equal(a->link[i].link, b->link[i].link);
		assert_ptr_equal(a->link[i].owner, b->link[i].owner);
		assert_ptr_equal(a->link[i].parent, b->link[i].parent);
		assert_ptr_equal(a->link[i].root, b->link[i].root);
		assert_int_equal(a->link[i].own, b->link[i].own);
	}
}

/* ---------------------------------------------------------------- first faults */

/*
 * Nothing until the first page; then one anon_vma, which is its own root, and one link.
 *
 * covers: 1.0-1, 1.0-2, 1.0-3, 1.0-4, 1.0-5, 1.0-6, 1.2-1, 1.4-1, I1
 */
static void test_first_page(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_vma *vma = tiny_map(mm, 10, 4);
	struct links l;

	assert_false(rmap_vma_faulted(&vm->rmap, &vma->rmap));
	assert_int_equal(links_of(vm, vma).n, 0);
	assert_int_equal(rmap_bytes(&vm->rmap, RMAP_KIND_TIER1_END), 0);

	write_ok(mm, 12, 1);
	assert_true(rmap_vma_faulted(&vm->rmap, &vma->rmap));
	l = links_of(vm, vma);
	assert_int_equal(l.n, 1);
	assert_true(l.link[0].own);
	assert_ptr_equal(l.link[0].owner, l.link[0].root);
	assert_ptr_equal(l.link[0].owner, l.link[0].parent);
	assert_ptr_equal(owner_of(vm, tiny_page_at(mm, 12)), l.link[0].owner);
	assert_int_equal(tiny_page_at(mm, 12)->rmap.index, 12);
	assert_true(rmap_page_is_exclusive(&tiny_page_at(mm, 12)->rmap));

	write_ok(mm, 10, 2);
	assert_int_equal(tiny_objects(vm, RMAP_KIND_ANON_VMA), 1);
	assert_int_equal(tiny_objects(vm, RMAP_KIND_AVC), 1);
	assert_int_equal(rmap_bytes(&vm->rmap, RMAP_KIND_AVC), 64);
	assert_int_equal(rmap_bytes(&vm->rmap, RMAP_KIND_TIER1_END),
			 sizeof(struct anon_vma) + sizeof(struct anon_vma_chain));
	exit_ok(mm);
	assert_int_equal(rmap_bytes(&vm->rmap, RMAP_KIND_TIER1_END), 0);
	assert_int_equal(rmap_peak_bytes(&vm->rmap, RMAP_KIND_AVC), 64);
}

/*
 *	10   14   18   22
 *	[ a ][ b ][ c ]
 *
 * a and c are faulted first, apart; b then takes from the next before the previous.
 *
 * covers: 1.2-4, 1.2-5
 */
static void test_share_with_neighbour(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_vma *a = tiny_map(mm, 10, 4);
	struct tiny_vma *b = tiny_map(mm, 14, 4);
	struct tiny_vma *c = tiny_map(mm, 18, 4);
	struct tiny_vma *d = tiny_map(mm, 22, 4);

	write_ok(mm, 10, 1);
	write_ok(mm, 18, 1);
	assert_ptr_not_equal(own_of(a), own_of(c)); /* b, unfaulted, had none to give */
	write_ok(mm, 14, 1);
	assert_ptr_equal(own_of(b), own_of(c));
	write_ok(mm, 22, 1);
	assert_ptr_equal(own_of(d), own_of(c)); /* no next: the previous */
	assert_int_equal(vm->rmap.own.count.anon_vma_shared, 2);
	assert_int_equal(tiny_objects(vm, RMAP_KIND_ANON_VMA), 2);
	exit_ok(mm);
}

/*
 * The parent's A is forked; the child maps B beside its A and writes to B. B must not share A's anon_vma, though A has one:
 * A's chain has an ancestor that B lacks.
 *
 * covers: B1
 */
static void test_forked_neighbour_is_not_shared(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c;
	struct tiny_vma *a, *b;

	tiny_map(p, 10, 4);
	write_ok(p, 10, 1);
	write_ok(p, 11, 1);
	c = fork_ok(p);
	a = tiny_vma_at(c, 10);
	b = tiny_map(c, 14, 4);
	write_ok(c, 14, 1);
	assert_ptr_not_equal(own_of(a), own_of(b));
	assert_int_equal(links_of(vm, b).n, 1);
	assert_int_equal(tiny_merge(a, b), RMAP_EINVAL);
	assert_int_equal(vm->rmap.own.count.merges_refused, 1);
	exit_ok(p);
	assert_int_equal(tiny_walk(vm, tiny_page_at(c, 11), 0).found, 1);
	exit_ok(c);
}

/*
 * Without memory the VMA stays as it was.
 *
 * covers: 1.2-3
 */
static void test_first_fault_fails(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_vma *vma = tiny_map(mm, 10, 4);

	for (uint64_t n = 1; n <= 2; n++) {
		tiny_fail_at(vm, n);
		assert_int_equal(tiny_write(mm, 10, 1), RMAP_ENOMEM);
		assert_false(rmap_vma_faulted(&vm->rmap, &vma->rmap));
		assert_int_equal(vm->outstanding, 0);
		assert_int_equal(rmap_bytes(&vm->rmap, RMAP_KIND_TIER1_END), 0);
		tiny_check(vm);
	}
	tiny_fail_at(vm, 3);
	write_ok(mm, 10, 1);
	exit_ok(mm);
}

/* ---------------------------------------------------------------- fork */

/*
 * After fork the child's VMA is linked to the parent's anon_vma and to one of its own, which comes first; the root is last. A
 * COW write unlinks nothing: only the new page names the child's anon_vma.
 *
 * covers: 1.2-6, 1.2-9, 1.2-11, 1.7-1, I2, I3, I5, I6
 */
static void test_fork_and_cow(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_vma *pv = tiny_map(p, 10, 4);
	struct tiny_vma *cv;
	struct tiny_mm *c;
	struct links before, after;

	write_ok(p, 10, 1);
	write_ok(p, 11, 1);
	c = fork_ok(p);
	cv = tiny_vma_at(c, 10);
	before = links_of(vm, cv);
	assert_int_equal(before.n, 2);
	assert_true(before.link[0].own);
	assert_ptr_equal(before.link[0].parent, own_of(pv));
	assert_ptr_equal(before.link[1].owner, own_of(pv));
	assert_ptr_equal(before.link[1].owner, before.link[1].root);
	assert_false(rmap_page_is_exclusive(&tiny_page_at(p, 10)->rmap));
	assert_int_equal(tiny_walk(vm, tiny_page_at(p, 10), 0).found, 2);

	write_ok(c, 10, 2);
	after = links_of(vm, cv);
	assert_same_links(&before, &after);
	assert_ptr_equal(owner_of(vm, tiny_page_at(c, 10)), own_of(cv));
	assert_ptr_equal(owner_of(vm, tiny_page_at(c, 11)), own_of(pv));
	/* The parent's page: two places to look, since the child's VMA is still linked; one if it may stop. */
	assert_int_equal(tiny_walk(vm, tiny_page_at(p, 10), 0).looks, 2);
	assert_int_equal(tiny_walk(vm, tiny_page_at(p, 10), RMAP_WALK_STOP_AT_MAPCOUNT).looks, 1);
	assert_int_equal(tiny_walk(vm, tiny_page_at(c, 10), 0).looks, 1);
	exit_ok(p);
	exit_ok(c);
}

/*
 * A VMA without pages is forked without anything.
 *
 * covers: 1.2-11
 */
static void test_fork_unfaulted(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c;

	tiny_map(p, 10, 4);
	c = fork_ok(p);
	assert_false(rmap_vma_faulted(&vm->rmap, &c->vma[0]->rmap));
	assert_int_equal(tiny_objects(vm, RMAP_KIND_AVC), 0);
	write_ok(p, 10, 1);
	write_ok(c, 10, 2);
	assert_ptr_not_equal(own_of(p->vma[0]), own_of(c->vma[0]));
	assert_int_equal(links_of(vm, c->vma[0]).n, 1);
	exit_ok(p);
	exit_ok(c);
}

/*
 * 1,000 children of one parent, each writes the page: a walk from a child's page looks at one place; from a page that the
 * parent wrote after the forks at one if it may stop at the map count, at 1,001 if it may not.
 *
 * covers: 1.5-3, 1.5-7
 */
static void test_thousand_children(void **state)
{
	enum { CHILDREN = 1000 };
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	static struct tiny_mm *c[CHILDREN];
	struct tiny_page *page;

	tiny_map(p, 10, 1);
	write_ok(p, 10, 1);
	for (unsigned int i = 0; i < CHILDREN; i++) {
		c[i] = tiny_fork(p);
		assert_non_null(c[i]);
	}
	page = tiny_page_at(p, 10);
	assert_int_equal(tiny_walk(vm, page, 0).found, CHILDREN + 1);
	for (unsigned int i = 0; i < CHILDREN; i++)
		assert_int_equal(tiny_write(c[i], 10, i), RMAP_OK);
	assert_int_equal(tiny_write(p, 10, 7), RMAP_OK);
	for (unsigned int i = 0; i < CHILDREN; i += 100) {
		struct rmap_walk walk = tiny_walk(vm, tiny_page_at(c[i], 10), 0);

		assert_int_equal(walk.found, 1);
		assert_int_equal(walk.looks, 1);
		assert_true(walk.steps <= 2);
	}
	page = tiny_page_at(p, 10);
	assert_int_equal(tiny_walk(vm, page, RMAP_WALK_STOP_AT_MAPCOUNT).looks, 1);
	assert_int_equal(tiny_walk(vm, page, 0).looks, CHILDREN + 1);
	assert_int_equal(tiny_walk(vm, page, 0).found, 1);
	assert_int_equal(tiny_objects(vm, RMAP_KIND_ANON_VMA), CHILDREN + 1);
	assert_int_equal(tiny_objects(vm, RMAP_KIND_AVC), 2 * CHILDREN + 1);
	/* All VMAs' structures: two links each, and the root's census. */
	for (unsigned int i = 0; i < vm->nr_mms; i++)
		assert_null(rmap_vma_check(&vm->rmap, &vm->mm[i]->vma[0]->rmap));
	for (unsigned int i = 0; i < CHILDREN; i++)
		tiny_exit(c[i]);
	exit_ok(p);
}

/*
 * Three generations, a split in the youngest, and its halves unmapped in both orders: the chain's order is kept, the root last.
 *
 * covers: B3, 1.2-6, 1.2-13, 1.2-14, 1.2-15
 */
static void test_three_generations_split(void **state)
{
	struct tiny_vm *vm = *state;

	for (unsigned int order = 0; order < 4; order++) {
		struct tiny_mm *p = tiny_mm_new(vm);
		struct tiny_mm *c, *g;
		struct tiny_vma *low, *high;
		struct links l;

		tiny_map(p, 10, 4);
		write_ok(p, 10, 1);
		c = fork_ok(p);
		write_ok(c, 11, 1);
		g = fork_ok(c);
		write_ok(g, 13, 1);
		low = tiny_vma_at(g, 10);
		high = tiny_split(low, 12);
		assert_non_null(high);
		tiny_check(vm);
		l = links_of(vm, high);
		assert_int_equal(l.n, 3);
		assert_ptr_equal(l.link[0].owner, own_of(low));
		assert_ptr_equal(l.link[0].owner, own_of(high));
		assert_ptr_equal(l.link[1].owner, own_of(c->vma[0]));
		assert_ptr_equal(l.link[2].owner, own_of(p->vma[0]));
		if (order & 2) {
			exit_ok(p);
			exit_ok(c);
		}
		tiny_unmap(order & 1 ? low : high);
		tiny_check(vm);
		tiny_unmap(order & 1 ? high : low);
		tiny_check(vm);
		if (!(order & 2)) {
			exit_ok(p);
			exit_ok(c);
		}
		exit_ok(g);
		assert_int_equal(vm->outstanding, 0);
	}
}

/*
 * A line of processes, each forks, exits, and the child writes. The anon_vma of a dead ancestor with one child serves again,
 * so neither their number nor the chain's length grows.
 *
 * covers: B7, 1.2-8, 1.7-2
 */
static void test_reuse_bounds_a_line_of_forks(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);

	tiny_map(mm, 10, 4);
	write_ok(mm, 10, 1);
	write_ok(mm, 11, 1);
	for (unsigned int i = 0; i < 50; i++) {
		struct tiny_mm *child = fork_ok(mm);

		exit_ok(mm);
		mm = child;
		write_ok(mm, 10, i);
		assert_true(tiny_objects(vm, RMAP_KIND_ANON_VMA) <= 3);
		assert_true(tiny_objects(vm, RMAP_KIND_AVC) <= 3);
	}
	assert_true(vm->rmap.own.count.anon_vma_reused >= 40);
	assert_int_equal(tiny_walk(vm, tiny_page_at(mm, 11), 0).found, 1);
	exit_ok(mm);
}

/*
 * An anon_vma with a VMA that still uses it for new pages is not free, even if it has no child: only num_active_vmas == 0 may
 * be reused. Otherwise two VMAs with one anon_vma but different chains would seem mergeable.
 *
 * covers: B8, I4
 */
static void test_active_is_not_reused(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c, *g, *gg;

	tiny_map(p, 10, 4);
	write_ok(p, 10, 1);
	c = fork_ok(p);
	g = fork_ok(c); /* c's anon_vma has one child and one active VMA */
	assert_ptr_not_equal(own_of(g->vma[0]), own_of(c->vma[0]));
	gg = fork_ok(g);
	assert_ptr_not_equal(own_of(gg->vma[0]), own_of(c->vma[0]));
	assert_int_equal(vm->rmap.own.count.anon_vma_reused, 0);
	exit_ok(c); /* now it is free: no active VMA, one child */
	exit_ok(gg);
	gg = fork_ok(g);
	assert_int_equal(vm->rmap.own.count.anon_vma_reused, 1);
	write_ok(gg, 10, 2);
	write_ok(g, 10, 3);
	exit_ok(g);
	exit_ok(p);
	exit_ok(gg);
}

/*
 * Splits and moves in a child copy the chain and take part in the child's own anon_vma; only fork looks for one to reuse.
 *
 * covers: B9, 1.2-8, 1.9-7, 1.10-4
 */
static void test_clone_does_not_reuse(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c, *g;
	struct tiny_vma *low, *high;
	const void *own;

	tiny_map(p, 10, 4);
	write_ok(p, 10, 1);
	write_ok(p, 13, 1);
	c = fork_ok(p);
	g = fork_ok(c);
	exit_ok(c); /* c's anon_vma waits to be reused */
	low = g->vma[0];
	own = own_of(low);
	high = tiny_split(low, 12);
	tiny_check(vm);
	assert_ptr_equal(own_of(high), own);
	high = tiny_move(high, 40);
	tiny_check(vm);
	assert_ptr_equal(own_of(high), own);
	write_ok(g, 41, 1);
	assert_int_equal(vm->rmap.own.count.anon_vma_reused, 0);
	exit_ok(p);
	exit_ok(g);
}

/*
 * What clone finds and leaves, for each of its users:
 *
 *	           | src unfaulted   src alone           src forked
 *	-----------+------------------------------------------------------------
 *	split,move | nothing         same own, one link  same own, src's links
 *	fork       | nothing         own below src's     own below src's, src's links + 1
 *
 * covers: 1.2-10, 1.2-11
 */
static void test_clone_table(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c, *g;
	struct tiny_vma *unfaulted, *alone, *forked;

	tiny_map(p, 10, 4);
	write_ok(p, 10, 1);
	c = fork_ok(p);
	forked = c->vma[0];
	unfaulted = tiny_map(c, 20, 4);
	alone = tiny_map(c, 30, 4);
	write_ok(c, 30, 1);

	assert_int_equal(links_of(vm, tiny_clone(unfaulted, 40, 4, 40)).n, 0);
	assert_int_equal(links_of(vm, tiny_clone(alone, 44, 4, 30)).n, 1);
	assert_ptr_equal(own_of(tiny_vma_at(c, 44)), own_of(alone));
	assert_int_equal(links_of(vm, tiny_clone(forked, 48, 4, 10)).n, 2);
	assert_ptr_equal(own_of(tiny_vma_at(c, 48)), own_of(forked));
	tiny_check(vm);

	g = fork_ok(c);
	assert_int_equal(links_of(vm, tiny_vma_at(g, 20)).n, 0);
	assert_int_equal(links_of(vm, tiny_vma_at(g, 30)).n, 2);
	assert_int_equal(links_of(vm, tiny_vma_at(g, 10)).n, 3);
	assert_ptr_equal(links_of(vm, tiny_vma_at(g, 10)).link[0].parent, own_of(forked));
	assert_ptr_equal(links_of(vm, tiny_vma_at(g, 30)).link[0].parent, own_of(alone));
	exit_ok(g);
	exit_ok(c);
	exit_ok(p);
}

/*
 * Two adjacent VMAs that share an anon_vma are forked: each of the child's gets one of its own, with the shared one as parent,
 * and the counts of the parent are right while they come and go.
 *
 * covers: B10
 */
static void test_fork_of_shared_neighbours(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c;
	struct anon_vma *shared;

	tiny_map(p, 10, 4);
	tiny_map(p, 14, 4);
	write_ok(p, 10, 1);
	write_ok(p, 14, 1);
	shared = vma_own(&p->vma[0]->rmap);
	assert_ptr_equal(shared, vma_own(&p->vma[1]->rmap));
	assert_int_equal(shared->num_active_vmas, 2);
	assert_int_equal(shared->num_children, 1); /* itself */
	c = fork_ok(p);
	assert_ptr_not_equal(own_of(c->vma[0]), own_of(c->vma[1]));
	assert_int_equal(shared->num_children, 3);
	tiny_unmap(c->vma[0]);
	tiny_check(vm);
	assert_int_equal(shared->num_children, 2);
	tiny_unmap(p->vma[1]);
	tiny_check(vm);
	assert_int_equal(shared->num_active_vmas, 1);
	exit_ok(p);
	exit_ok(c);
}

/* ---------------------------------------------------------------- split, merge, move */

/*
 * Whether two neighbours may be one VMA:
 *
 *	        | unfaulted  faulted     same anon_vma  another  forked
 *	--------+------------------------------------------------------
 *	faulted |   yes                      yes           no      no
 *	forked  |   no
 *
 * covers: B11, 1.9-4
 */
static void test_merge_rule(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c;
	struct tiny_vma *a, *b;

	a = tiny_map(p, 10, 4);
	b = tiny_map(p, 14, 4);
	assert_true(rmap_vma_may_merge(&vm->rmap, &a->rmap, &b->rmap));
	write_ok(p, 10, 1);
	assert_true(rmap_vma_may_merge(&vm->rmap, &a->rmap, &b->rmap));
	assert_true(rmap_vma_may_merge(&vm->rmap, &b->rmap, &a->rmap));
	write_ok(p, 14, 1);
	assert_true(rmap_vma_may_merge(&vm->rmap, &a->rmap, &b->rmap));
	c = fork_ok(p);
	/* In the parent nothing has changed; the child's two have anon_vmas of their own each. */
	assert_true(rmap_vma_may_merge(&vm->rmap, &a->rmap, &b->rmap));
	assert_false(rmap_vma_may_merge(&vm->rmap, &c->vma[0]->rmap, &c->vma[1]->rmap));
	tiny_unmap(c->vma[1]);
	b = tiny_map(c, 14, 4);
	assert_false(rmap_vma_may_merge(&vm->rmap, &c->vma[0]->rmap, &b->rmap));
	assert_false(rmap_vma_may_merge(&vm->rmap, &b->rmap, &c->vma[0]->rmap));
	assert_int_equal(vm->rmap.own.count.merges_refused, 3);
	exit_ok(p);
	exit_ok(c);
}

/*
 * A faulted VMA merges with an unfaulted one, on either side: what grows imports the chain.
 *
 * covers: 1.9-4, 1.9-5, 1.9-6, B11
 */
static void test_merge_imports(void **state)
{
	struct tiny_vm *vm = *state;

	for (unsigned int side = 0; side < 2; side++) {
		struct tiny_mm *mm = tiny_mm_new(vm);
		struct tiny_vma *a = tiny_map(mm, 10, 4);
		struct tiny_vma *b = tiny_map(mm, 14, 4);

		write_ok(mm, side ? 15 : 11, 1);
		assert_int_equal(tiny_merge(a, b), RMAP_OK);
		tiny_check(vm);
		assert_int_equal(mm->nr_vmas, 1);
		assert_int_equal(links_of(vm, a).n, 1);
		assert_int_equal(vma_own(&a->rmap)->num_active_vmas, 1);
		write_ok(mm, 17, 2);
		write_ok(mm, 10, 2);
		exit_ok(mm);
		assert_int_equal(vm->outstanding, 0);
	}
}

/*
 * Split a forked VMA twice and put it together again in both orders.
 *
 * covers: 1.9-6, 1.9-7, I4
 */
static void test_split_and_merge_forked(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c;
	struct tiny_vma *a, *b, *d;

	tiny_map(p, 10, 9);
	for (unsigned int n = 10; n < 19; n++)
		write_ok(p, n, n);
	c = fork_ok(p);
	a = c->vma[0];
	for (unsigned int order = 0; order < 2; order++) {
		b = tiny_split(a, 13);
		tiny_check(vm);
		d = tiny_split(b, 16);
		tiny_check(vm);
		assert_int_equal(vma_own(&a->rmap)->num_active_vmas, 3);
		write_ok(c, 14, 1);
		if (order) {
			assert_int_equal(tiny_merge(a, b), RMAP_OK);
			tiny_check(vm);
			assert_int_equal(tiny_merge(a, d), RMAP_OK);
		} else {
			assert_int_equal(tiny_merge(b, d), RMAP_OK);
			tiny_check(vm);
			assert_int_equal(tiny_merge(a, b), RMAP_OK);
		}
		tiny_check(vm);
		assert_int_equal(vma_own(&a->rmap)->num_active_vmas, 1);
	}
	exit_ok(p);
	exit_ok(c);
}

/*
 *	10       14   16   18
 *	[ F a    |    ][ b ]      a is faulted in its first half, b not; the boundary goes down to 14 (mprotect's case 4)
 *
 * The growing VMA gets a's chain before it gets a's place.
 *
 * covers: B2, 1.9-1, 1.9-5
 */
static void test_boundary_moves(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_vma *a = tiny_map(mm, 10, 6);
	struct tiny_vma *b = tiny_map(mm, 16, 2);

	write_ok(mm, 11, 1);
	write_ok(mm, 14, 1);
	write_ok(mm, 15, 1);
	assert_int_equal(tiny_shift(a, b, 14), RMAP_OK);
	tiny_check(vm);
	assert_ptr_equal(own_of(a), own_of(b));
	assert_int_equal(b->rmap.pgoff, 14);
	tiny_unmap(a);
	tiny_check(vm);
	assert_int_equal(tiny_walk(vm, tiny_page_at(mm, 14), 0).found, 1);
	exit_ok(mm);
}

/*
 * The import before a merge that fails later is taken back.
 *
 * covers: B12, 1.9-5
 */
static void test_merge_undo(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_vma *a = tiny_map(mm, 10, 4);
	struct tiny_vma *b = tiny_map(mm, 14, 4);
	bool imported = false;

	write_ok(mm, 14, 1);
	assert_int_equal(rmap_vma_merge_prepare(&vm->rmap, &a->rmap, &b->rmap, &imported), RMAP_OK);
	assert_true(imported);
	assert_int_equal(vma_own(&b->rmap)->num_active_vmas, 2);
	rmap_vma_merge_undo(&vm->rmap, &a->rmap);
	assert_false(rmap_vma_faulted(&vm->rmap, &a->rmap));
	assert_int_equal(vma_own(&b->rmap)->num_active_vmas, 1);
	tiny_check(vm);
	/* Nothing to import: nothing to undo. */
	assert_int_equal(rmap_vma_merge_prepare(&vm->rmap, &b->rmap, &a->rmap, &imported), RMAP_OK);
	assert_false(imported);
	exit_ok(mm);
}

/*
 * A stack grows down: its start and offset change while it is hidden, and its pages keep their place. Forked, too.
 *
 * covers: 1.8-5, 1.1-1, I3
 */
static void test_stack_growth(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_vma *stack = tiny_map(p, 40, 4);
	struct tiny_mm *c;

	write_ok(p, 42, 1);
	c = fork_ok(p);
	for (unsigned int i = 0; i < 2; i++) {
		struct tiny_vma *vma = i ? c->vma[0] : stack;
		struct rmap_adjust adjust = { .vma = { &vma->rmap } };

		rmap_adjust_begin(&vm->rmap, &adjust);
		vma->rmap.start -= 8 * RMAP_PAGE_SIZE;
		vma->rmap.pgoff -= 8;
		rmap_adjust_end(&vm->rmap, &adjust);
		tiny_check(vm);
		write_ok(i ? c : p, 33, 1);
	}
	assert_int_equal(tiny_walk(vm, tiny_page_at(p, 42), 0).found, 2);
	exit_ok(c);
	exit_ok(p);
}

/*
 * Do all VMAs hold a page at one offset from their start? No: after a split, a move and a partial unmap the same page stands
 * at three different distances; what is one and the same is its index.
 *
 * covers: B29, 1.0-6, I7
 */
static void test_one_page_at_many_offsets(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c, *g;
	struct tiny_vma *high;
	struct tiny_page *page;
	uint64_t addr = 0;

	tiny_map(p, 10, 8);
	write_ok(p, 15, 1);
	page = tiny_page_at(p, 15);
	c = fork_ok(p);
	high = tiny_split(c->vma[0], 14); /* at one page from its start */
	tiny_check(vm);
	g = fork_ok(c);
	high = tiny_move(high, 50); /* and at another address */
	tiny_check(vm);
	tiny_unmap(tiny_vma_at(c, 10));
	tiny_check(vm);
	high = tiny_split(tiny_vma_at(g, 14), 15); /* at its very start */
	tiny_check(vm);
	assert_ptr_equal(tiny_page_at(p, 15), page);
	assert_ptr_equal(tiny_page_at(c, 51), page);
	assert_ptr_equal(tiny_page_at(g, 15), page);
	assert_true(rmap_vma_address(&p->vma[0]->rmap, 15, &addr));
	assert_int_equal(addr - p->vma[0]->rmap.start, 5 * RMAP_PAGE_SIZE);
	assert_true(rmap_vma_address(&c->vma[0]->rmap, 15, &addr));
	assert_int_equal(addr - c->vma[0]->rmap.start, RMAP_PAGE_SIZE);
	assert_true(rmap_vma_address(&high->rmap, 15, &addr));
	assert_int_equal(addr, high->rmap.start);
	assert_int_equal(tiny_walk(vm, page, 0).found, 3);
	assert_int_equal(page->rmap.index, 15);
	exit_ok(p);
	exit_ok(c);
	exit_ok(g);
}

/*
 * Moved away and home again; a VMA that keeps its place but no page forgets its origin.
 *
 * covers: 1.10-3, 1.10-4, I12
 */
static void test_move_and_forget(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_mm *c;
	struct tiny_vma *vma, *kept;

	vma = tiny_map(mm, 10, 4);
	write_ok(mm, 11, 1);
	c = fork_ok(mm);
	vma = tiny_move(vma, 30);
	tiny_check(vm);
	assert_int_equal(vma->rmap.pgoff, 10);
	assert_int_equal(tiny_walk(vm, tiny_page_at(mm, 31), 0).found, 2);
	kept = tiny_map(mm, 10, 4);
	write_ok(mm, 12, 1);
	rmap_vma_forget(&vm->rmap, &tiny_map(mm, 50, 2)->rmap); /* never faulted: nothing to do */
	vma = tiny_move(vma, 40);
	tiny_check(vm);
	tiny_unmap(kept);
	vma = tiny_move(vma, 10);
	tiny_check(vm);
	write_ok(mm, 13, 1);
	exit_ok(c);

	/* A VMA that keeps its place but no page (mremap's DONTUNMAP) is as if it had never been faulted. */
	kept = tiny_map(mm, 20, 2);
	assert_int_equal(rmap_vma_prepare(&vm->rmap, &kept->rmap, NULL, NULL), RMAP_OK);
	assert_true(rmap_vma_faulted(&vm->rmap, &kept->rmap));
	rmap_vma_forget(&vm->rmap, &kept->rmap);
	assert_false(rmap_vma_faulted(&vm->rmap, &kept->rmap));
	tiny_check(vm);
	write_ok(mm, 20, 1);
	exit_ok(mm);
}

/* ---------------------------------------------------------------- failed allocations */

/* A family with chains of one to three links, and where a failed call must leave everything as it was. */
struct snapshot {
	uint64_t bytes;
	int64_t outstanding;
	unsigned int nr_vmas;
	struct links links[4];
};

static struct snapshot snap(struct tiny_mm *mm)
{
	struct snapshot s = { .bytes = rmap_bytes(&mm->vm->rmap, RMAP_KIND_TIER1_END),
			      .outstanding = mm->vm->outstanding,
			      .nr_vmas = mm->nr_vmas };

	for (unsigned int i = 0; i < mm->nr_vmas && i < 4; i++)
		s.links[i] = links_of(mm->vm, mm->vma[i]);
	return s;
}

static void assert_unchanged(struct tiny_mm *mm, const struct snapshot *before)
{
	struct snapshot now = snap(mm);

	assert_int_equal(now.bytes, before->bytes);
	assert_int_equal(now.outstanding, before->outstanding);
	assert_int_equal(now.nr_vmas, before->nr_vmas);
	for (unsigned int i = 0; i < now.nr_vmas && i < 4; i++)
		assert_same_links(&now.links[i], &before->links[i]);
	tiny_check(mm->vm);
}

/*
 * Fork of three VMAs, one of them with a long chain, with every allocation failing once.
 *
 * covers: B12, 1.2-12, 1.2-7
 */
static void test_fork_fails(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c, *g = NULL;
	struct snapshot before;
	uint64_t n;

	tiny_map(p, 10, 4);
	write_ok(p, 10, 1);
	c = fork_ok(p);
	tiny_map(c, 20, 4);
	tiny_map(c, 30, 4);
	write_ok(c, 20, 1);
	write_ok(c, 30, 1);
	before = snap(c);
	for (n = 1; !g; n++) {
		tiny_fail_at(vm, n);
		g = tiny_fork(c);
		if (!g)
			assert_unchanged(c, &before);
	}
	tiny_fail_at(vm, 0);
	assert_int_equal(n - 2,
			 4 + 3 + 3); /* (links and an anon_vma) per VMA: 3 + 1, 2 + 1, 2 + 1 */
	tiny_check(vm);
	exit_ok(p);
	exit_ok(c);
	exit_ok(g);
}

/*
 * The same for split, merge with import, boundary and move.
 *
 * covers: B12
 */
static void test_vma_calls_fail(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c;
	struct tiny_vma *a, *b;
	struct snapshot before;
	int error = RMAP_ENOMEM;

	tiny_map(p, 10, 6);
	write_ok(p, 10, 1);
	write_ok(p, 15, 1);
	c = fork_ok(p);
	write_ok(c, 15, 1);
	a = c->vma[0];
	before = snap(c);
	b = NULL;
	for (uint64_t n = 1; !b; n++) {
		tiny_fail_at(vm, n);
		b = tiny_split(a, 13);
		if (!b)
			assert_unchanged(c, &before);
	}
	tiny_check(vm);
	before = snap(c);
	a = NULL;
	for (uint64_t n = 1; !a; n++) {
		tiny_fail_at(vm, n);
		a = tiny_move(b, 40);
		if (!a)
			assert_unchanged(c, &before);
	}
	tiny_fail_at(vm, 0);
	tiny_check(vm);

	a = tiny_map(p, 30, 4);
	b = tiny_map(p, 34, 4);
	write_ok(p, 35, 1);
	before = snap(p);
	for (uint64_t n = 1; error; n++) {
		tiny_fail_at(vm, n);
		error = tiny_shift(a, b, 35);
		if (error)
			assert_unchanged(p, &before);
	}
	tiny_check(vm);
	tiny_unmap(a);
	a = tiny_map(p, 30, 5);
	before = snap(p);
	error = RMAP_ENOMEM;
	for (uint64_t n = 1; error; n++) {
		tiny_fail_at(vm, n);
		error = tiny_merge(a, b);
		if (error)
			assert_unchanged(p, &before);
	}
	tiny_fail_at(vm, 0);
	tiny_check(vm);
	exit_ok(p);
	exit_ok(c);
}

/* ---------------------------------------------------------------- the checker, and everything at random */

/*
 * Each kind of damage is named.
 *
 * covers: I1, I2, I3, I4, I5
 */
static void test_check_sees_damage(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c;
	struct rmap_vma *vma;
	struct anon_vma *root, *own;
	struct anon_vma_chain *avc;
	struct list_head *head;

	tiny_map(p, 10, 4);
	write_ok(p, 10, 1);
	c = fork_ok(p);
	vma = &c->vma[0]->rmap;
	root = vma_own(&p->vma[0]->rmap);
	own = vma_own(vma);
	head = &vma->design.avc.chain;
	avc = chain_entry(head->next);
	assert_null(rmap_vma_check(&vm->rmap, vma));
	assert_ptr_equal(rb_first(&own->rb_root), &avc->rb);

	own->num_active_vmas++;
	assert_string_equal(rmap_vma_check(&vm->rmap, vma),
			    "num_active_vmas is not the number of VMAs whose own anon_vma it is");
	own->num_active_vmas--;
	own->num_children++;
	assert_string_equal(rmap_vma_check(&vm->rmap, vma),
			    "num_children is not the number of anon_vmas whose parent it is");
	own->num_children--;
	root->num_children--;
	assert_non_null(rmap_vma_check(&vm->rmap, &p->vma[0]->rmap));
	root->num_children++;
	root->refcount--;
	assert_string_equal(rmap_vma_check(&vm->rmap, &p->vma[0]->rmap),
			    "an anon_vma has fewer references than links and members need");
	root->refcount++;
	vma->pgoff++; /* changed without being hidden */
	assert_string_equal(rmap_vma_check(&vm->rmap, vma),
			    "a link is not where the VMA's bounds put it in its anon_vma's tree");
	vma->pgoff--;
	avc->vma = &p->vma[0]->rmap;
	assert_string_equal(rmap_vma_check(&vm->rmap, vma),
			    "a link in the VMA's chain belongs to another VMA");
	avc->vma = vma;
	list_del(&avc->same_vma); /* root first */
	list_add_tail(&avc->same_vma, head);
	assert_string_equal(rmap_vma_check(&vm->rmap, vma),
			    "the root is not the last of the VMA's chain");
	list_del(&avc->same_vma);
	list_add(&avc->same_vma, head);
	vma->design.avc.anon_vma = NULL;
	assert_string_equal(rmap_vma_check(&vm->rmap, vma),
			    "the VMA has a chain but no own anon_vma");
	vma->design.avc.anon_vma = own;
	assert_null(rmap_vma_check(&vm->rmap, vma));
	vma->end = vma->start;
	assert_non_null(rmap_vma_check(&vm->rmap, vma));
	vma->end = vma->start + 4 * RMAP_PAGE_SIZE;
	exit_ok(p);
	exit_ok(c);
}

static uint32_t random_next(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	*s ^= *s << 5;
	return *s;
}

/* One random call in a random process. Some cannot be done; then nothing happens. */
static void random_step(struct tiny_vm *vm, uint32_t *seed)
{
	struct tiny_mm *mm = vm->mm[random_next(seed) % vm->nr_mms];
	unsigned int n = 1 + random_next(seed) % (TINY_SLOTS - 9);
	struct tiny_vma *vma = tiny_vma_at(mm, n);
	unsigned int i;

	switch (random_next(seed) % 16) {
	case 0:
		if (vm->nr_mms < 12)
			(void)tiny_fork(mm);
		break;
	case 1:
		if (vm->nr_mms > 1)
			tiny_exit(mm);
		break;
	case 2:
		if (vma)
			tiny_unmap(vma);
		break;
	case 3:
	case 4:
		for (i = 0; i < 8 && !tiny_vma_at(mm, n + i); i++)
			;
		if (i == 8 && mm->nr_vmas < TINY_VMAS / 2)
			tiny_map(mm, n, 8);
		break;
	case 5:
		if (vma && vma->rmap.start < (uint64_t)n << RMAP_PAGE_SHIFT &&
		    mm->nr_vmas < TINY_VMAS - 1)
			(void)tiny_split(vma, n);
		break;
	case 6:
	case 7:
		for (i = 0; i + 1 < mm->nr_vmas; i++) {
			struct rmap_vma *a = &mm->vma[i]->rmap;
			struct rmap_vma *b = &mm->vma[i + 1]->rmap;

			if (a->end == b->start && rmap_vma_index(a, a->end) == b->pgoff) {
				(void)tiny_merge(mm->vma[i], mm->vma[i + 1]);
				break;
			}
		}
		break;
	case 8:
		if (!vma)
			break;
		for (i = 0; i < 8 && !tiny_vma_at(mm, n + i); i++)
			;
		n = random_next(seed) % (TINY_SLOTS - 9);
		for (i = 0; i < 8 && !tiny_vma_at(mm, n + i); i++)
			;
		if (i == 8 && vma->rmap.end - vma->rmap.start <= 8 * RMAP_PAGE_SIZE)
			(void)tiny_move(vma, n);
		break;
	default:
		if (vma)
			(void)tiny_write(mm, n, n);
		break;
	}
}

/*
 * Random calls, some with failing allocations, the full check after every one.
 *
 * covers: I1, I2, I3, I4, I5, I6, I7, I8
 */
static void test_random(void **state)
{
	struct tiny_vm *vm = *state;

	for (uint32_t round = 1; round <= 12; round++) {
		uint32_t seed = round * 2654435761u;

		tiny_mm_new(vm);
		for (unsigned int step = 0; step < 400; step++) {
			tiny_fail_at(vm, step % 5 == 0 ? 1 + random_next(&seed) % 4 : 0);
			random_step(vm, &seed);
			tiny_fail_at(vm, 0);
			tiny_check(vm);
		}
		while (vm->nr_mms)
			tiny_exit(vm->mm[0]);
		assert_int_equal(vm->outstanding, 0);
	}
	assert_true(vm->rmap.own.count.anon_vma_reused > 0);
	assert_true(vm->rmap.own.count.anon_vma_shared > 0);
	assert_true(vm->rmap.own.count.merges_refused > 0);
	assert_true(vm->rmap.own.count.adopted > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tiny_setup, tiny_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_page),
		TEST(test_share_with_neighbour),
		TEST(test_forked_neighbour_is_not_shared),
		TEST(test_first_fault_fails),
		TEST(test_fork_and_cow),
		TEST(test_fork_unfaulted),
		TEST(test_thousand_children),
		TEST(test_three_generations_split),
		TEST(test_reuse_bounds_a_line_of_forks),
		TEST(test_active_is_not_reused),
		TEST(test_clone_does_not_reuse),
		TEST(test_clone_table),
		TEST(test_fork_of_shared_neighbours),
		TEST(test_merge_rule),
		TEST(test_merge_imports),
		TEST(test_split_and_merge_forked),
		TEST(test_boundary_moves),
		TEST(test_merge_undo),
		TEST(test_stack_growth),
		TEST(test_one_page_at_many_offsets),
		TEST(test_move_and_forget),
		TEST(test_fork_fails),
		TEST(test_vma_calls_fail),
		TEST(test_check_sees_damage),
		TEST(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
