// SPDX-License-Identifier: BSD-2-Clause
/*
 * The checker on walks: designs whose walks are wrong, and samples of pages.
 */
#include "scene.h"

#include "oom/inject.h"

#include "rmap/walk.h"

#include <string.h>

/* ---------------------------------------------------------------- a design whose walks are wrong */

static enum {
	WALK_RIGHT,
	WALK_MISSES,
	WALK_TWICE,
	WALK_MISSES_ONE,
	WALK_ELSEWHERE,
	WALK_ABOVE,
	WALK_UNKNOWN_MM,
	WALK_OTHER_SLOT,
	WALK_NO_SLOT,
	WALK_VMA_ABOVE,
	WALK_VMA_BELOW,
	WALK_VMA_OF_OTHER,
	WALK_COUNTS_WRONG,
	WALK_FAILS,
	WALKS,
} walks;

/* Change what the walk shows, behind its back. */
struct forger {
	enum rmap_visit (*visit)(struct rmap_hit *hit, void *arg);
	void *arg;
	unsigned int hits;
};

static enum rmap_visit forge(struct rmap_hit *hit, void *arg)
{
	static struct rmap_mm nobody;
	struct forger *f = arg;
	struct rmap_hit shown = *hit;
	struct rmap_vma vma = *hit->vma;
	pte_t other = 0;

	/* The second of two, so that the first was met. */
	if (walks == WALK_MISSES_ONE && f->hits++)
		return RMAP_VISIT_NEXT;
	shown.vma = &vma;
	if (walks == WALK_UNKNOWN_MM)
		shown.mm = &nobody;
	if (walks == WALK_OTHER_SLOT)
		shown.pte = &other;
	if (walks == WALK_NO_SLOT)
		shown.pte = NULL;
	if (walks == WALK_VMA_ABOVE)
		vma.start = hit->addr + PAGE;
	if (walks == WALK_VMA_BELOW)
		vma.end = hit->addr;
	if (walks == WALK_VMA_OF_OTHER)
		vma.mm = &nobody;
	return f->visit(&shown, f->arg);
}

static int forged_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state)
{
	struct forger f = { state->walk->visit, state->walk->arg, 0 };
	int result;

	if (f.visit) {
		state->walk->visit = forge;
		state->walk->arg = &f;
	}
	result = rmap_anon_vma_chain.walk(rmap, page, state);
	if (walks == WALK_MISSES_ONE && state->walk->found)
		state->walk->found = 1;
	state->walk->visit = f.visit;
	state->walk->arg = f.arg;
	return result;
}

/* The real walk, then the mistake. */
static int bad_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state)
{
	struct rmap_hit hit;
	struct rmap_mm *mm;

	if (walks == WALK_MISSES && rmap_page_mapcount(page) > 1)
		return 0;
	if (walks == WALK_FAILS)
		return RMAP_EAGAIN;
	if (walks == WALK_TWICE)
		rmap_anon_vma_chain.walk(rmap, page, state);
	if (walks == WALK_COUNTS_WRONG)
		state->walk->found++;
	if (walks == WALK_ELSEWHERE || walks == WALK_ABOVE) {
		mm = list_entry(walks == WALK_ABOVE ? rmap_this_cpu(rmap)->mms.prev
						    : rmap_this_cpu(rmap)->mms.next,
				struct rmap_mm, list);
		hit = (struct rmap_hit){ .mm = mm,
					 .addr = walks == WALK_ABOVE ? BAD : 0x777000,
					 .pte = mm_of_rmap(mm)->pgd };
		if (state->walk->visit)
			state->walk->visit(&hit, state->walk->arg);
	}
	return forged_walk(rmap, page, state);
}

static void test_wrong_walks_are_named(void **state)
{
	static const char *const sentences[] = {
		[WALK_MISSES] = "it finds 0 of 2",
		[WALK_TWICE] = "meets mm 1 at 0x10000000 twice",
		[WALK_MISSES_ONE] = "it finds 1 of 2",
		[WALK_ELSEWHERE] = "at 0x777000, where the page is not",
		[WALK_ABOVE] = "meets mm 2 at 0xc0000000, where the page is not",
		[WALK_UNKNOWN_MM] = "meets an address space that is not there",
		[WALK_OTHER_SLOT] = "by a slot that does not name it",
		[WALK_NO_SLOT] = "by a slot that does not name it",
		[WALK_VMA_ABOVE] = "with a VMA that is elsewhere",
		[WALK_VMA_BELOW] = "with a VMA that is elsewhere",
		[WALK_VMA_OF_OTHER] = "with a VMA that is elsewhere",
		[WALK_COUNTS_WRONG] = "says it found 3 PTEs and shows 2",
		[WALK_FAILS] = "fails (EAGAIN)",
	};
	struct rmap_ops ops = rmap_anon_vma_chain;
	struct engine_config config = { .mm.design = &ops };
	struct engine e;
	struct mm *p, *c;

	(void)state;
	walks = WALK_RIGHT;
	ops.walk = bad_walk;
	engine_setup(&e, &config);
	inject_test_system(NULL); /* what the checker says here is planted */
	p = engine_mm(&e);
	map_anon(&e, p, ANON, 1);
	poke(&e, p, ANON, 1);
	c = engine_fork(&e, p);
	for (walks = WALK_MISSES; walks < WALKS; walks++) {
		struct mm_check check = { 0 };

		assert_int_equal(mm_check(e.sys, &check), RMAP_EBADMSG);
		if (!strstr(check.message, sentences[walks]))
			fail_msg("%s", check.message);
	}
	walks = WALK_RIGHT;
	mm_put(c);
	mm_put(p);
	engine_teardown(&e);
}

/* ---------------------------------------------------------------- a design whose links contradict each other */

static struct mm *lengthened; /* whose second VMA has a link more; NULL: nobody's */

static void bad_links(const struct rmap_vma *vma,
		      void (*emit)(const struct rmap_link_info *info, void *arg), void *arg)
{
	const struct rmap_link_info more = { .owner = &lengthened };

	rmap_anon_vma_chain.vma_links(vma, emit, arg);
	if (lengthened && vma->mm == mm_rmap(lengthened) && vma->start == ANON + PAGE)
		emit(&more, arg);
}

/*
 *	ANON [w|w|w]	one anon_vma for what was one VMA once: whoever puts pages there has the same chain
 */
static void test_contradicting_links_are_named(void **state)
{
	struct rmap_ops ops = rmap_anon_vma_chain;
	struct engine_config config = { .mm.design = &ops };
	struct mm_check check = { 0 };
	struct engine e;
	struct mm *p;

	(void)state;
	lengthened = NULL;
	ops.vma_links = bad_links;
	engine_setup(&e, &config);
	inject_test_system(NULL); /* what the checker says here is planted */
	p = engine_mm(&e);
	map_anon(&e, p, ANON, 3);
	poke(&e, p, ANON, 1);
	assert_int_equal(STEP(&e, mm_mprotect(p, ANON + PAGE, PAGE, MM_PROT_READ)), 0);
	lengthened = p;
	assert_int_equal(mm_check(e.sys, &check), RMAP_EBADMSG);
	assert_non_null(strstr(check.message, "the same owner for new pages, but not the same"));
	lengthened = NULL;
	mm_put(p);
	engine_teardown(&e);
}

/* Where migration entries stand for a page, the walk that is asked for those must find them. */
static void test_migration_entries_are_walked_too(void **state)
{
	struct rmap_ops ops = rmap_anon_vma_chain;
	struct engine_config config = { .mm.design = &ops };
	struct mm_check check = { 0 };
	struct engine e;
	struct page *page;
	struct mm *p;
	pte_t *pte, old;

	(void)state;
	walks = WALK_RIGHT;
	ops.walk = bad_walk;
	engine_setup(&e, &config);
	inject_test_system(NULL); /* what the checker says here is planted */
	p = engine_mm(&e);
	map_anon(&e, p, ANON, 1);
	poke(&e, p, ANON, 1);
	page = page_at(p, ANON);
	pte = table_find(p, ANON);
	old = *pte;
	*pte = (old & PTE_PFN_MASK) | PTE_KIND_MIGRATION | PTE_MIG_EXCLUSIVE | PTE_MIG_WRITE;
	atomic_store(&page->rmap.mapcount, 0);
	assert_int_equal(mm_check(e.sys, &check), 0);
	assert_int_equal(check.ptes, 0);
	walks = WALK_TWICE;
	assert_int_equal(mm_check(e.sys, &check), RMAP_EBADMSG);
	assert_non_null(strstr(check.message, "twice"));
	walks = WALK_RIGHT;
	atomic_store(&page->rmap.mapcount, 1);
	*pte = old;
	mm_put(p);
	engine_teardown(&e);
}

/* ---------------------------------------------------------------- how much, and at what price */

static void test_a_sample_is_as_large_as_it_says(void **state)
{
	struct scene x;
	struct mm_check all = { 0 };

	(void)state;
	scene_make(&x);
	assert_int_equal(mm_check(x.e.sys, &all), 0);
	assert_true(all.walked > 8);
	assert_true(all.pages >= all.walked);
	/* P: 3 anonymous, 1 own, 2 shared memory, 1 file or more; C: 3, 1 from swap; S: 1. The zero page does not count. */
	assert_true(all.ptes >= 12);
	for (uint64_t most = 1; most <= all.walked + 1; most++)
		for (uint64_t seed = 0; seed < 8; seed++) {
			struct mm_check check = { .max_walks = most, .seed = seed };

			assert_int_equal(mm_check(x.e.sys, &check), 0);
			assert_int_equal(check.walked, most < all.walked ? most : all.walked);
			assert_int_equal(check.ptes, all.ptes);
		}
	scene_end(&x);
}

/* A sample by cost: it ends with the walk that reaches the limit, and no walk more. */
static void test_a_sample_costs_what_it_may(void **state)
{
	struct scene x;
	struct mm_check all = { 0 };

	(void)state;
	scene_make(&x);
	assert_int_equal(mm_check(x.e.sys, &all), 0);
	for (uint64_t seed = 0; seed < 8; seed++) {
		struct mm_check one = { .max_looks = 1, .seed = seed };
		struct mm_check half = { .max_looks = all.walked / 2, .seed = seed };
		struct mm_check most = { .max_looks = UINT64_MAX, .seed = seed };

		assert_int_equal(mm_check(x.e.sys, &one), 0);
		assert_int_equal(one.walked, 1);
		assert_int_equal(one.ptes, all.ptes);
		assert_int_equal(mm_check(x.e.sys, &half), 0);
		assert_in_range(half.walked, 1, all.walked / 2);
		assert_int_equal(mm_check(x.e.sys, &most), 0);
		assert_int_equal(most.walked, all.walked);
	}
	scene_end(&x);
}

/* A page whose walk goes wrong is found by some seed, and again by the same one. */
static void test_the_sample_depends_on_the_seed_alone(void **state)
{
	struct rmap_ops ops = rmap_anon_vma_chain;
	struct engine_config config = { .mm.design = &ops };
	struct engine e;
	struct mm *p, *c;
	unsigned int found = 0;

	(void)state;
	walks = WALK_RIGHT;
	ops.walk = bad_walk;
	engine_setup(&e, &config);
	inject_test_system(NULL); /* what the checker says here is planted */
	p = engine_mm(&e);
	map_anon(&e, p, ANON, 16);
	poke(&e, p, ANON, 1);
	c = engine_fork(&e, p); /* one shared page */
	for (uint64_t i = 1; i < 16; i++)
		poke(&e, p, ANON + i * PAGE, 1); /* and fifteen of P's own */
	walks = WALK_MISSES;
	for (uint64_t seed = 0; seed < 64; seed++) {
		struct mm_check check = { .max_walks = 4, .seed = seed };
		struct mm_check again = { .max_walks = 4, .seed = seed };
		int error = mm_check(e.sys, &check);

		assert_int_equal(mm_check(e.sys, &again), error);
		assert_string_equal(check.message, again.message);
		found += error != 0;
	}
	/* One in four is to be expected. */
	assert_true(found > 4 && found < 40);
	walks = WALK_RIGHT;
	mm_put(c);
	mm_put(p);
	engine_teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_walks_are_named),
		cmocka_unit_test(test_contradicting_links_are_named),
		cmocka_unit_test(test_migration_entries_are_walked_too),
		cmocka_unit_test(test_a_sample_is_as_large_as_it_says),
		cmocka_unit_test(test_a_sample_costs_what_it_may),
		cmocka_unit_test(test_the_sample_depends_on_the_seed_alone),
	};

	return cmocka_run_group_tests_name("check_rmap", tests, NULL, NULL);
}
