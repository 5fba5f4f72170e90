// SPDX-License-Identifier: BSD-2-Clause
/*
 * References and pins against copy on write: history's leaks, both directions.
 */
#include "engine.h"

#include <string.h>

static uint64_t page_value(struct engine *e, struct page *page)
{
	uint64_t value;

	memcpy(&value, mm_page_data(e->sys, page), sizeof(value));
	return value;
}

/*
 *   P writes 1, forks C; C takes a reference (vmsplice), unmaps; P writes 2
 *   the reference must still read 1
 *
 * covers: B18, 1.6-3
 */
static void a_childs_reference_does_not_see_the_parents_write(void **state)
{
	struct engine e;
	struct page *page;

	(void)state;
	engine_setup(&e, NULL);
	struct mm *p = engine_mm(&e);
	uint64_t a = map_anon(&e, p, 0, 1);

	poke(&e, p, a, 1);
	struct mm *c = engine_fork(&e, p);

	assert_int_equal(STEP(&e, mm_pin(c, a, 0, &page)), 0);
	assert_int_equal(STEP(&e, mm_munmap(c, a, PAGE)), 0);
	/* Also through a change of rights and back. */
	assert_int_equal(STEP(&e, mm_mprotect(p, a, PAGE, MM_PROT_READ)), 0);
	assert_int_equal(STEP(&e, mm_mprotect(p, a, PAGE, MM_PROT_READ | MM_PROT_WRITE)), 0);
	poke(&e, p, a, 2);
	assert_int_equal(page_value(&e, page), 1);
	assert_int_equal(peek(&e, p, a), 2);
	mm_unpin(e.sys, page, 0);
	engine_check(&e);
	mm_put(c);
	mm_put(p);
	engine_teardown(&e);
}

/* The mirror image: the parent's reference, the child writes. covers: B18 */
static void a_parents_reference_does_not_see_the_childs_write(void **state)
{
	struct engine e;
	struct page *page;

	(void)state;
	engine_setup(&e, NULL);
	struct mm *p = engine_mm(&e);
	uint64_t a = map_anon(&e, p, 0, 1);

	poke(&e, p, a, 1);
	struct mm *c = engine_fork(&e, p);

	assert_int_equal(STEP(&e, mm_pin(p, a, 0, &page)), 0);
	assert_int_equal(STEP(&e, mm_munmap(p, a, PAGE)), 0);
	poke(&e, c, a, 2);
	assert_int_equal(page_value(&e, page), 1);
	mm_unpin(e.sys, page, 0);
	engine_check(&e);
	mm_put(c);
	mm_put(p);
	engine_teardown(&e);
}

/*
 *   P pins for writing, forks, writes: the pin and P go on seeing one page; C has a copy of the moment of the fork
 *
 * covers: B19, 1.7-3, 1.4-6
 */
static void a_pinned_page_stays_the_parents(void **state)
{
	struct engine e;
	struct page *page;
	uint64_t value = 7;

	(void)state;
	engine_setup(&e, NULL);
	struct mm *p = engine_mm(&e);
	uint64_t a = map_anon(&e, p, 0, 600); /* more than one table page */

	for (uint64_t i = 0; i < 600; i += 100)
		poke(&e, p, a + i * PAGE, i + 1);
	assert_int_equal(STEP(&e, mm_pin(p, a + 500 * PAGE, MM_PIN_WRITE | MM_PIN_LONGTERM, &page)),
			 0);
	struct mm *c = engine_fork(&e, p);

	assert_false(same_frame(p, a + 500 * PAGE, c, a + 500 * PAGE));
	assert_true(same_frame(p, a + 400 * PAGE, c, a + 400 * PAGE));
	assert_int_equal(counters_of(&e).fork_pages_copied, 1);
	assert_int_equal(peek(&e, c, a + 500 * PAGE), 501);
	poke(&e, p, a + 500 * PAGE, 2);
	assert_int_equal(page_value(&e, page), 2);
	memcpy(mm_page_data(e.sys, page), &value, sizeof(value));
	assert_int_equal(peek(&e, p, a + 500 * PAGE), 7);
	assert_int_equal(peek(&e, c, a + 500 * PAGE), 501);
	/* It can neither go to swap nor move while it is pinned. */
	assert_int_equal(STEP(&e, mm_migrate(p, a + 500 * PAGE)), RMAP_EAGAIN);
	STEP(&e, mm_madvise(p, a + 500 * PAGE, PAGE, MM_MADV_PAGEOUT));
	assert_int_equal(page_info(p, a + 500 * PAGE).state, MM_PAGE_PRESENT);
	mm_unpin(e.sys, page, MM_PIN_WRITE | MM_PIN_LONGTERM);
	assert_int_equal(STEP(&e, mm_migrate(p, a + 500 * PAGE)), 0);
	assert_int_equal(peek(&e, p, a + 500 * PAGE), 7);
	mm_put(c);
	mm_put(p);
	engine_teardown(&e);
}

/* A long-term reader unshares first, so that it goes on seeing what its owner writes. covers: 1.6-3 */
static void a_long_term_reader_unshares(void **state)
{
	struct engine e;
	struct page *page;

	(void)state;
	engine_setup(&e, NULL);
	struct mm *p = engine_mm(&e);
	uint64_t a = map_anon(&e, p, 0, 2);

	poke(&e, p, a, 1);
	struct mm *c = engine_fork(&e, p);

	assert_int_equal(STEP(&e, mm_pin(c, a, MM_PIN_LONGTERM, &page)), 0);
	assert_false(same_frame(p, a, c, a));
	assert_true(page_info(c, a).exclusive);
	poke(&e, c, a, 5);
	assert_int_equal(page_value(&e, page), 5);
	assert_int_equal(peek(&e, p, a), 1);
	mm_unpin(e.sys, page, MM_PIN_LONGTERM);
	/* Also of the zero page. */
	assert_int_equal(peek(&e, c, a + PAGE), 0);
	assert_int_equal(STEP(&e, mm_pin(c, a + PAGE, MM_PIN_LONGTERM, &page)), 0);
	poke(&e, c, a + PAGE, 6);
	assert_int_equal(page_value(&e, page), 6);
	mm_unpin(e.sys, page, MM_PIN_LONGTERM);
	mm_put(c);
	mm_put(p);
	engine_teardown(&e);
}

/*
 * A debugger writes to read-only private memory: into a private copy, never into what others share; and not at all into shared
 * memory.
 *
 * covers: B20
 */
static void a_forced_write_makes_a_private_copy(void **state)
{
	struct engine e;
	struct page *page;
	uint64_t value = 99;

	(void)state;
	engine_setup(&e, NULL);
	struct mm *p = engine_mm(&e);
	uint64_t a = map_anon(&e, p, 0, 1);

	poke(&e, p, a, 1);
	struct mm *c = engine_fork(&e, p);

	assert_int_equal(STEP(&e, mm_mprotect(c, a, PAGE, MM_PROT_READ)), 0);
	assert_int_equal(STEP(&e, mm_pin(c, a, MM_PIN_WRITE, &page)), RMAP_EACCES);
	assert_int_equal(STEP(&e, mm_pin(c, a, MM_PIN_WRITE | MM_PIN_FORCE, &page)), 0);
	memcpy(mm_page_data(e.sys, page), &value, sizeof(value));
	mm_unpin(e.sys, page, MM_PIN_WRITE | MM_PIN_FORCE);
	assert_int_equal(peek(&e, c, a), 99);
	assert_int_equal(peek(&e, p, a), 1);
	assert_false(page_info(c, a).writable);
	assert_int_equal(touch_write(&e, c, a), RMAP_EACCES);

	uint64_t s = map_with(&e, p, 0, 1, MM_PROT_READ, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);

	assert_int_equal(STEP(&e, mm_pin(p, s, MM_PIN_WRITE | MM_PIN_FORCE, &page)), RMAP_EACCES);
	mm_put(c);
	mm_put(p);
	engine_teardown(&e);
}

/*
 *   P pins one page again and again, until it is refused; unmaps it; the holders still have it
 *
 * With a count that runs over the frame would be free, and somebody else's, while all of them have it (CVE-2019-11487).
 */
static void pins_are_refused_before_their_count_runs_over(void **state)
{
	struct engine e;
	struct page *page, *again;
	uint64_t pins;
	int error = 0;

	(void)state;
	engine_setup(&e, NULL);
	struct mm *p = engine_mm(&e);
	uint64_t a = map_anon(&e, p, 0, 1);

	poke(&e, p, a, 1);
	assert_int_equal(mm_pin(p, a, MM_PIN_LONGTERM, &page), 0);
	for (pins = 1; !error && pins < (uint64_t)1 << 22; pins += !error)
		error = mm_pin(p, a, MM_PIN_LONGTERM, &again);
	assert_int_equal(error, RMAP_ENOMEM);
	assert_int_equal(mm_pin(p, a, 0, &again), RMAP_ENOMEM);
	assert_true(pins > (uint64_t)1 << 20);
	engine_check(&e);
	assert_int_equal(STEP(&e, mm_munmap(p, a, PAGE)), 0);
	assert_int_equal(page_value(&e, page), 1);
	for (; pins; pins--)
		mm_unpin(e.sys, page, MM_PIN_LONGTERM);
	engine_check(&e);
	mm_put(p);
	engine_teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_childs_reference_does_not_see_the_parents_write),
		cmocka_unit_test(a_parents_reference_does_not_see_the_childs_write),
		cmocka_unit_test(a_pinned_page_stays_the_parents),
		cmocka_unit_test(a_long_term_reader_unshares),
		cmocka_unit_test(a_forced_write_makes_a_private_copy),
		cmocka_unit_test(pins_are_refused_before_their_count_runs_over),
	};

	return cmocka_run_group_tests_name("pin", tests, NULL, NULL);
}
