// SPDX-License-Identifier: BSD-2-Clause
/*
 * A page that is on its way to another frame, seen by those who come by: its entry is put there by hand, since a migration that is
 * caught in the act is a matter of luck. What they do to it must be right when the migration ends and puts the page back.
 */
#include "engine.h"

#include "mm/page.h"
#include "mm/table.h"
#include "mm/vma.h"
#include "oom/inject.h"

#define A 0x10000000ull

static struct engine e;
static struct mm *mm;
static struct page *page;
static pte_t kept;

static int set_up(void **state)
{
	(void)state;
	engine_setup(&e, NULL);
	mm = engine_mm(&e);
	map_anon(&e, mm, A, 2);
	poke(&e, mm, A, 7);
	poke(&e, mm, A + PAGE, 8);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	mm_put(mm);
	engine_teardown(&e);
	return 0;
}

/* As the first half of a migration leaves it: nothing maps the page, an entry stands for it. The checker is not to see that. */
static void leave(void)
{
	pte_t *pte = table_find(mm, A);

	inject_test_system(NULL);
	kept = *pte;
	page = pfn_to_page(e.sys, pte_pfn(kept));
	*pte = (kept & PTE_PFN_MASK) | PTE_KIND_MIGRATION | PTE_MIG_EXCLUSIVE | PTE_MIG_WRITE |
	       PTE_MIG_DIRTY;
	atomic_store(&page->rmap.mapcount, 0);
	hosted_port(e.h)->tlb_flush(hosted_port(e.h)->ctx, mm, A, A + PAGE, MM_FLUSH_MIGRATE);
}

/* And as the second half puts it back, where the entry is. */
static void arrive(uint64_t at)
{
	pte_t *pte = table_find(mm, at);

	assert_true(pte_is_migration(*pte));
	atomic_store(&page->rmap.mapcount, 1);
	*pte = *pte & PTE_MIG_WRITE ? kept : kept & ~PTE_WRITE;
	inject_test_system(e.sys);
	engine_check(&e);
}

static void test_views(void **state)
{
	struct mm_smaps smaps;

	(void)state;
	leave();
	assert_int_equal(page_info(mm, A).state, MM_PAGE_MIGRATING);
	assert_int_equal(page_info(mm, A).pfn, page_to_pfn(e.sys, page));
	assert_int_equal(mm_smaps(mm, A, &smaps), 0);
	assert_int_equal(smaps.rss, 2 * PAGE);
	assert_int_equal(smaps.private_dirty, 2 * PAGE);
	arrive(A);
	assert_int_equal(peek(&e, mm, A), 7);
}

/* Nothing of it can be freed now, and nobody may lose it. */
static void test_freeing(void **state)
{
	(void)state;
	leave();
	assert_int_equal(mm_madvise(mm, A, 2 * PAGE, MM_MADV_FREE), 0);
	assert_int_equal(page_info(mm, A).state, MM_PAGE_MIGRATING);
	arrive(A);
	assert_int_equal(peek(&e, mm, A), 7);
}

/* It may come back without the right to write, not with a right that was taken. */
static void test_protect(void **state)
{
	(void)state;
	leave();
	assert_int_equal(mm_mprotect(mm, A, PAGE, MM_PROT_READ | MM_PROT_WRITE | MM_PROT_EXEC), 0);
	assert_true(*table_find(mm, A) & PTE_MIG_WRITE);
	assert_int_equal(mm_mprotect(mm, A, PAGE, MM_PROT_READ), 0);
	assert_false(*table_find(mm, A) & PTE_MIG_WRITE);
	kept = (kept & ~PTE_WRITE) | PTE_NX;
	arrive(A);
	assert_int_equal(peek(&e, mm, A), 7);
	assert_int_equal(touch_write(&e, mm, A), RMAP_EACCES);
}

/*
 * A child that is forked meanwhile has an entry, too. Neither's says any more that the page is somebody's alone, or may be written to:
 * it comes back shared, and a write copies it.
 */
static void test_forking(void **state)
{
	struct mm *child = NULL;
	pte_t *pte[2];

	(void)state;
	leave();
	assert_int_equal(mm_fork(mm, &child), 0);
	pte[0] = table_find(mm, A);
	pte[1] = table_find(child, A);
	for (unsigned int i = 0; i < 2; i++) {
		assert_true(pte_is_migration(*pte[i]));
		assert_int_equal(pte_pfn(*pte[i]), page_to_pfn(e.sys, page));
		assert_int_equal(*pte[i] & (PTE_MIG_EXCLUSIVE | PTE_MIG_WRITE), 0);
		*pte[i] = kept & ~PTE_WRITE;
	}
	atomic_store(&page->rmap.mapcount, 2);
	atomic_store(&page->rmap.exclusive, 0);
	inject_test_system(e.sys);
	engine_check(&e);
	poke(&e, child, A, 9);
	assert_int_equal(peek(&e, mm, A), 7);
	mm_put(child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_views, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_freeing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_protect, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_forking, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
