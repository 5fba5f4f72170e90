// SPDX-License-Identifier: BSD-2-Clause
/*
 * Tier 1 takes runs of pages at consecutive PTEs in one call. libmm moves and maps most pages one by one: here three go at once,
 * under each design, and the checker finds each of them where it is.
 *
 *	[0 1 2]   unmapped and mapped again; told that they stand elsewhere, and back
 *
 * And who owns what: a file's page has no owner, and a fork's new pages go to the oldest anon_vma that nobody uses any more.
 */
#include "faulty.h"

#include "mm/mm_types.h"
#include "mm/page.h"
#include "mm/table.h"
#include "mm/vma.h"

#define RW   (MM_PROT_READ | MM_PROT_WRITE)
#define A    0x10000000ull
#define AWAY (A + 64 * PAGE)

enum { RUN = 3 };

struct run {
	struct engine e;
	struct mm *mm;
	struct rmap *rmap;
	struct rmap_vma *vma;
	struct rmap_page *page[RUN];
	pte_t *pte;
};

static void run_make(struct run *r)
{
	engine_setup(&r->e, NULL);
	r->mm = engine_mm(&r->e);
	r->rmap = mm_system_rmap(r->e.sys);
	map_anon(&r->e, r->mm, A, RUN);
	for (unsigned int i = 0; i < RUN; i++) {
		poke(&r->e, r->mm, A + i * PAGE, i);
		r->page[i] = mm_page_rmap(page_info(r->mm, A + i * PAGE).page);
	}
	r->vma = &vma_at(r->mm, A)->rmap;
	r->pte = table_find(r->mm, A);
}

static void run_end(struct run *r)
{
	engine_check(&r->e);
	for (unsigned int i = 0; i < RUN; i++)
		assert_int_equal(walk_from(&r->e, r->mm, A + i * PAGE, false).found, 1);
	mm_put(r->mm);
	engine_teardown(&r->e);
}

static void test_unmapped_and_mapped(void **state)
{
	struct rmap_reserve reserve = { 0 };
	struct rmap_spinlock *ptl;
	struct run r;

	(void)state;
	run_make(&r);
	assert_int_equal(rmap_reserve(r.rmap, &reserve, RUN), 0);
	ptl = table_ptl(r.e.sys, r.pte);
	mm_write_lock(r.mm);
	rmap_spin_lock(ptl);
	assert_int_equal(rmap_page_unmap(r.rmap, r.page, RUN, r.vma, A, r.pte), 7);
	for (unsigned int i = 0; i < RUN; i++) {
		assert_int_equal(rmap_page_mapcount(r.page[i]), 0);
		assert_false(rmap_page_is_exclusive(r.page[i]));
	}
	assert_int_equal(
		rmap_page_map(r.rmap, r.page, RUN, r.vma, A, r.pte, RMAP_MAP_EXCLUSIVE, &reserve),
		7);
	for (unsigned int i = 0; i < RUN; i++) {
		assert_int_equal(rmap_page_mapcount(r.page[i]), 1);
		assert_true(rmap_page_is_exclusive(r.page[i]));
	}
	rmap_spin_unlock(ptl);
	mm_write_unlock(r.mm);
	rmap_unreserve(r.rmap, &reserve);
	run_end(&r);
}

/* The same VMA at another address, as exec's stack; the slots are others, too. All three are what they were when they are back. */
static void test_moved_and_back(void **state)
{
	struct rmap_spinlock *ptl;
	struct run r;
	uint64_t before[RUN], start, end;

	(void)state;
	run_make(&r);
	for (unsigned int i = 0; i < RUN; i++)
		before[i] = r.page[i]->index;
	start = r.vma->start;
	end = r.vma->end;
	ptl = table_ptl(r.e.sys, r.pte);
	mm_write_lock(r.mm);
	rmap_move_begin(r.rmap, r.vma, r.vma, false);
	rmap_spin_lock(ptl);
	r.vma->start = AWAY;
	r.vma->end = AWAY + RUN * PAGE;
	rmap_page_moved(r.rmap, r.page, RUN, r.vma, AWAY, r.pte + 64, r.vma, A, r.pte);
	for (unsigned int i = 0; i < RUN; i++) {
		/* Where a page has its address for a number, all have another now; elsewhere none. */
		if (engine_design_is("anonmm") || engine_design_is("lineage"))
			assert_int_equal(r.page[i]->index, (AWAY >> RMAP_PAGE_SHIFT) + i);
		else
			assert_int_equal(r.page[i]->index, before[i]);
	}
	r.vma->start = start;
	r.vma->end = end;
	rmap_page_moved(r.rmap, r.page, RUN, r.vma, A, r.pte, r.vma, AWAY, r.pte + 64);
	rmap_spin_unlock(ptl);
	rmap_move_end(r.rmap, r.vma, r.vma, false);
	mm_write_unlock(r.mm);
	for (unsigned int i = 0; i < RUN; i++)
		assert_int_equal(r.page[i]->index, before[i]);
	run_end(&r);
}

/* ---------------------------------------------------------------- owners */

static void test_a_files_page_has_no_owner(void **state)
{
	struct mm_file *file;
	struct engine e;
	struct mm *mm;

	(void)state;
	engine_setup(&e, NULL);
	mm = engine_mm(&e);
	file = pattern_file(&e, 1, 3);
	map_with(&e, mm, A, 1, RW, MM_MAP_SHARED, file, 0);
	poke(&e, mm, A, 1);
	assert_null(rmap_page_owner(mm_system_rmap(e.sys), mm_page_rmap(page_info(mm, A).page)));
	mm_put(mm);
	mm_file_put(file);
	engine_teardown(&e);
}

static void keep_own(const struct rmap_link_info *info, void *arg)
{
	if (info->own)
		*(struct rmap_link_info *)arg = *info;
}

static struct rmap_link_info own_link(struct engine *e, struct mm *mm)
{
	struct rmap_link_info own = { 0 };

	rmap_vma_links(mm_system_rmap(e->sys), &vma_at(mm, A)->rmap, keep_own, &own);
	assert_non_null(own.owner);
	return own;
}

/*
 *	P ── (C) ── (D) ── E ── F        C and D have exited: E's VMA is still linked to their anon_vmas, and both could serve F
 *
 * The oldest does, whose pages F's can be told from by fewest walks of others: C's.
 */
static void test_the_oldest_is_used_again(void **state)
{
	struct rmap_counts before, after;
	struct mm *p, *c, *d, *g, *f;
	const void *oldest;
	struct engine e;

	(void)state;
	if (!engine_design_is("anon_vma_chain"))
		return;
	engine_setup(&e, NULL);
	p = engine_mm(&e);
	map_anon(&e, p, A, 2);
	poke(&e, p, A, 1);
	c = engine_fork(&e, p);
	oldest = own_link(&e, c).owner;
	d = engine_fork(&e, c);
	g = engine_fork(&e, d);
	mm_put(c);
	mm_put(d);
	engine_check(&e);
	rmap_get_counts(mm_system_rmap(e.sys), &before);
	f = engine_fork(&e, g);
	rmap_get_counts(mm_system_rmap(e.sys), &after);
	assert_int_equal(after.anon_vma_reused, before.anon_vma_reused + 1);
	assert_ptr_equal(own_link(&e, f).owner, oldest);
	assert_ptr_equal(own_link(&e, f).parent, own_link(&e, p).owner);
	mm_put(f);
	mm_put(g);
	mm_put(p);
	engine_teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unmapped_and_mapped),
		cmocka_unit_test(test_moved_and_back),
		cmocka_unit_test(test_a_files_page_has_no_owner),
		cmocka_unit_test(test_the_oldest_is_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
