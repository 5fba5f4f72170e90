// SPDX-License-Identifier: BSD-2-Clause
/*
 * Migration and poison: pages change their frame, users do not notice; a frame goes bad, only its users do.
 */
#include "engine.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shared_page_moves),
		cmocka_unit_test(file_pages_move),
		cmocka_unit_test(poison_of_an_anonymous_page),
		cmocka_unit_test(poison_of_file_pages),
	};

	return cmocka_run_group_tests_name("migrate", tests, NULL, NULL);
}
