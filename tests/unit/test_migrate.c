// SPDX-License-Identifier: BSD-2-Clause
/*
 * Migration and poison: pages change their frame, users do not notice; a frame goes bad, only its users do.
 */
#include "engine.h"

#include "mm/table.h"

/*
 *   P, C and G share a page; it moves; all three still share it, each with its rights
 *
 * covers: 1.5-10, 1.5-11, 1.0-7
 */
static void a_shared_page_moves(void **state)
{
	struct rmap_counts count;
	struct engine e;

	(void)state;
	engine_setup(&e, NULL);
	struct mm *p = engine_mm(&e);
	uint64_t a = map_anon(&e, p, 0, 2);

	poke(&e, p, a, 1);
	poke(&e, p, a + PAGE, 2);
	struct mm *c = engine_fork(&e, p);
	struct mm *g = engine_fork(&e, c);
	uint64_t pfn = page_info(p, a).pfn;

	assert_int_equal(STEP(&e, mm_migrate(c, a)), 0);
	assert_true(page_info(p, a).pfn != pfn);
	assert_true(same_frame(p, a, c, a) && same_frame(p, a, g, a));
	assert_int_equal(page_info(p, a).mapcount, 3);
	assert_int_equal(peek(&e, g, a), 1);
	/* Exclusive stays exclusive, writable stays writable. */
	poke(&e, g, a + PAGE, 3);
	assert_int_equal(STEP(&e, mm_migrate(g, a + PAGE)), 0);
	assert_true(page_info(g, a + PAGE).exclusive && page_info(g, a + PAGE).writable);
	assert_int_equal(peek(&e, g, a + PAGE), 3);
	assert_int_equal(peek(&e, p, a + PAGE), 2);
	assert_int_equal(counters_of(&e).migrated, 2);
	/* The walk that restores cannot stop early: it looked at all three, though it found them sooner. */
	rmap_get_counts(mm_system_rmap(e.sys), &count);
	assert_int_equal(count.walk[RMAP_WALK_RESTORE].found, 4);
	assert_int_equal(STEP(&e, mm_migrate(g, 0x1000)), RMAP_ENOENT);
	mm_put(p);
	mm_put(c);
	mm_put(g);
	engine_teardown(&e);
}

/* Pages of files, mapped shared and private, and the private copy. */
static void file_pages_move(void **state)
{
	struct engine e;
	struct hosted_file *handle;
	struct mm_file *file;

	(void)state;
	engine_setup(&e, NULL);
	assert_int_equal(hosted_file_temp(e.h, 4 * PAGE, 5, &handle), 0);
	assert_int_equal(mm_file_create(e.sys, handle, 4 * PAGE, &file), 0);
	struct mm *mm = engine_mm(&e);
	uint64_t s = map_with(&e, mm, 0, 4, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_SHARED, file, 0);
	uint64_t p =
		map_with(&e, mm, 0, 2, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_PRIVATE, file, PAGE);

	poke(&e, mm, s + PAGE, 10);
	assert_int_equal(peek(&e, mm, p), 10);
	assert_true(same_frame(mm, s + PAGE, mm, p));
	assert_int_equal(STEP(&e, mm_migrate(mm, p)), 0);
	assert_true(same_frame(mm, s + PAGE, mm, p));
	assert_int_equal(peek(&e, mm, p), 10);
	/* What is written shared afterwards is seen through the file and the private mapping. */
	poke(&e, mm, s + PAGE, 11);
	assert_int_equal(peek(&e, mm, p), 11);
	poke(&e, mm, p, 12);
	assert_int_equal(STEP(&e, mm_migrate(mm, p)), 0);
	assert_int_equal(peek(&e, mm, p), 12);
	assert_int_equal(peek(&e, mm, s + PAGE), 11);
	assert_int_equal(STEP(&e, mm_file_sync(file)), 0);
	mm_file_put(file);
	mm_put(mm);
	engine_teardown(&e);
}

/* An anonymous frame that goes bad: all who shared it get the error, nobody else; the address can be mapped anew. */
static void poison_of_an_anonymous_page(void **state)
{
	struct engine e;

	(void)state;
	engine_setup(&e, NULL);
	struct mm *p = engine_mm(&e);
	uint64_t a = map_anon(&e, p, 0, 2);

	poke(&e, p, a, 1);
	poke(&e, p, a + PAGE, 2);
	struct mm *c = engine_fork(&e, p);

	assert_int_equal(STEP(&e, mm_poison(c, a)), 0);
	assert_int_equal(touch_read(&e, p, a), RMAP_EHWPOISON);
	assert_int_equal(touch_write(&e, c, a), RMAP_EHWPOISON);
	assert_int_equal(peek(&e, p, a + PAGE), 2);
	/* A child inherits the loss; unmapping forgets it. */
	struct mm *g = engine_fork(&e, c);

	assert_int_equal(touch_read(&e, g, a), RMAP_EHWPOISON);
	assert_int_equal(STEP(&e, mm_munmap(p, a, PAGE)), 0);
	map_anon(&e, p, a, 1);
	poke(&e, p, a, 3);
	assert_int_equal(peek(&e, p, a), 3);
	mm_put(p);
	mm_put(c);
	mm_put(g);
	engine_teardown(&e);
}

/* A clean page of a file is read again; a dirty one is lost, and whoever touches it is told. */
static void poison_of_file_pages(void **state)
{
	struct engine e;
	struct hosted_file *handle;
	struct mm_file *file;
	uint64_t before;

	(void)state;
	engine_setup(&e, NULL);
	assert_int_equal(hosted_file_temp(e.h, 4 * PAGE, 5, &handle), 0);
	assert_int_equal(mm_file_create(e.sys, handle, 4 * PAGE, &file), 0);
	struct mm *mm = engine_mm(&e);
	uint64_t s = map_with(&e, mm, 0, 4, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_SHARED, file, 0);

	before = peek(&e, mm, s);
	assert_int_equal(STEP(&e, mm_poison(mm, s)), 0);
	assert_int_equal(peek(&e, mm, s), before);
	poke(&e, mm, s + PAGE, 1);
	assert_int_equal(STEP(&e, mm_poison(mm, s + PAGE)), 0);
	assert_int_equal(touch_read(&e, mm, s + PAGE), RMAP_EHWPOISON);
	assert_int_equal(peek(&e, mm, s), before);
	mm_put(mm);
	mm_file_put(file);
	engine_teardown(&e);
}

/* ---------------------------------------------------------------- who waits for the migrator */

/* A migrator by hand: it has the page's lock, and slot has its entry. */
static struct {
	struct page *page;
	pte_t *slot, was;
	unsigned int waits;
} moving;

/* The migrator is done and lets go of the page, whose lock reclaim gets before anybody else. Next time it is out. */
static void sleeps(void *ctx, const _Atomic uint32_t *word, uint32_t value)
{
	(void)ctx;
	(void)value;
	assert_ptr_equal(word, &moving.page->flags);
	if (++moving.waits == 1)
		pte_write(moving.slot, moving.was);
	else
		page_clear(moving.page, PG_LOCKED | PG_WAITERS);
}

static const struct mm_port *wakeful_port(const struct mm_port *hosted, void *arg)
{
	static struct mm_port port;

	(void)arg;
	port = *hosted;
	port.os.wait = sleeps;
	return &port;
}

/*
 *   |7|, on its way to another frame. A fault waits for that, and not for whoever has the page next, who may be at a device: it has its
 *   VMA's lock.
 */
static void a_fault_waits_for_the_migrator_alone(void **state)
{
	const struct engine_config config = { .wrap = wakeful_port };
	struct engine e;

	(void)state;
	engine_setup(&e, &config);
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 1);

	poke(&e, mm, a, 7);
	moving.waits = 0;
	moving.slot = table_find(mm, a);
	moving.was = pte_read(moving.slot);
	moving.page = pfn_to_page(e.sys, pte_pfn(moving.was));
	page_set(moving.page, PG_LOCKED);
	pte_write(moving.slot, pte_make(pte_pfn(moving.was), PTE_KIND_MIGRATION));
	assert_int_equal(mm_fault(mm, a, MM_ACCESS_READ), 0);
	assert_int_equal(moving.waits, 1);
	page_clear(moving.page, PG_LOCKED | PG_WAITERS);
	engine_check(&e);
	assert_int_equal(peek(&e, mm, a), 7);
	mm_put(mm);
	engine_teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shared_page_moves),
		cmocka_unit_test(file_pages_move),
		cmocka_unit_test(poison_of_an_anonymous_page),
		cmocka_unit_test(poison_of_file_pages),
		cmocka_unit_test(a_fault_waits_for_the_migrator_alone),
	};

	return cmocka_run_group_tests_name("migrate", tests, NULL, NULL);
}
