// SPDX-License-Identifier: BSD-2-Clause
/*
 * What others do while a page is on its way: it is being read, or written to swap, it is being moved to another frame, a walk is
 * looking for it. Another thread does it, between two steps of the one that has the page in hand, which waits for it; so each time
 * at the same place.
 */
#include "mm/page.h"
#include "mm/reclaim.h"
#include "mm/system.h"
#include "mm/vma.h"

#include "meanwhile.h"

#define A BASE
#define B 0x20000000ull
#define C 0x30000000ull

static struct rmap_port below; /* what tier 1's callbacks were */

/* And what is freed after a grace period is free. */
static int child_exits(void)
{
	mm_put(child);
	child = NULL;
	real->os.rcu_barrier(real->os.ctx);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	meanwhile_begins(NULL);
	below = e.sys->rmap_port;
	return 0;
}

static int set_up_scan(void **state)
{
	(void)state;
	meanwhile_begins(&rmap_scan);
	below = e.sys->rmap_port;
	return 0;
}

/* The one design that may need an object for any further mapping. */
static int set_up_chain(void **state)
{
	(void)state;
	meanwhile_begins(&rmap_pte_chain);
	below = e.sys->rmap_port;
	return 0;
}

/* ---------------------------------------------------------------- on its way to swap */

/*
 *	child [7]   goes to swap, and while the device writes it its only process ends. Whoever writes has the page in hand, so that it
 *	outlives its owner, with its slot. Nothing of all three is left behind that.
 */
static void test_exit_while_it_is_written(void **state)
{
	(void)state;
	child = engine_mm(&e);
	map_anon(&e, child, A, 1);
	poke(&e, child, A, 7);
	meanwhile = child_exits;
	reclaim_all(e.sys);
	assert_null(child);
	reclaim_all(e.sys);
	engine_check(&e);
}

static int child_unmaps(void)
{
	return PATIENT(mm_munmap(child, A, PAGE));
}

/* The same with a process that goes on: what it maps there next is empty. */
static void test_unmap_while_it_is_written(void **state)
{
	(void)state;
	child = engine_mm(&e);
	map_anon(&e, child, A, 1);
	poke(&e, child, A, 7);
	meanwhile = child_unmaps;
	reclaim_all(e.sys);
	map_anon(&e, child, A, 1);
	assert_int_equal(peek(&e, child, A), 0);
}

/* mm [7] and its child: the child ends while the page is written, the parent has it back. */
static void test_a_relative_ends_while_it_is_written(void **state)
{
	(void)state;
	map_anon(&e, mm, A, 1);
	poke(&e, mm, A, 7);
	child = engine_fork(&e, mm);
	meanwhile = child_exits;
	reclaim_all(e.sys);
	assert_null(child);
	engine_check(&e);
	assert_int_equal(peek(&e, mm, A), 7);
}

/* ---------------------------------------------------------------- on its way into memory */

static int reads_it_too(void)
{
	return PATIENT(mm_fault(mm, A, MM_ACCESS_READ));
}

/* mm's page at A is not there yet. Two come for it: it is read once, and mapped once. */
static void expect_one_of_two(void)
{
	struct mm_counters before = counters_of(&e), after;
	struct mm_smaps smaps;

	comes = reads_it_too;
	assert_int_equal(mm_fault(mm, A, MM_ACCESS_READ), 0);
	await();
	after = counters_of(&e);
	assert_int_equal(after.fault_spurious, before.fault_spurious + 1);
	assert_int_equal(after.fault_file_map + after.fault_swap_in,
			 before.fault_file_map + before.fault_swap_in + 1);
	assert_int_equal(mm_smaps(mm, A, &smaps), 0);
	assert_int_equal(smaps.rss, PAGE);
}

static void test_two_come_for_a_page_of_a_file(void **state)
{
	struct hosted_file *store;
	struct mm_file *file;

	(void)state;
	assert_int_equal(hosted_file_temp(e.h, PAGE, 5, &store), 0);
	assert_int_equal(mm_file_create(e.sys, store, PAGE, &file), 0);
	(void)map_with(&e, mm, A, 1, RW, MM_MAP_SHARED, file, 0);
	expect_one_of_two();
	mm_file_put(file);
}

static void *get_object(void *ctx, enum rmap_kind kind, size_t size)
{
	if (kind == RMAP_KIND_PTE_CHAIN)
		others_act();
	return below.alloc(ctx, kind, size);
}

static int reads_the_second(void)
{
	return PATIENT(mm_fault(mm, A + PAGE, MM_ACCESS_READ));
}

/*
 *	A [f0 f1]   both cached; f1 is read, and f0, which is mapped along with it, comes first. While an object is got for that, another
 *	thread maps f1: one mapping, and one fault that came too late.
 */
static void test_another_maps_it_meanwhile(void **state)
{
	struct mm_counters before, after;
	struct hosted_file *store;
	struct mm_file *file;

	(void)state;
	assert_int_equal(hosted_file_temp(e.h, 2 * PAGE, 5, &store), 0);
	assert_int_equal(mm_file_create(e.sys, store, 2 * PAGE, &file), 0);
	(void)map_with(&e, mm, A, 2, RW, MM_MAP_SHARED, file, 0);
	assert_int_equal(STEP(&e, mm_file_read(file, 0, NULL, 2 * PAGE, NULL)), 0);
	before = counters_of(&e);
	meanwhile = reads_the_second;
	e.sys->rmap_port.alloc = get_object;
	assert_int_equal(mm_fault(mm, A + PAGE, MM_ACCESS_READ), 0);
	e.sys->rmap_port.alloc = below.alloc;
	engine_check(&e);
	after = counters_of(&e);
	assert_int_equal(after.fault_file_map, before.fault_file_map + 1);
	assert_int_equal(after.fault_spurious, before.fault_spurious + 1);
	assert_int_equal(page_info(mm, A).state, MM_PAGE_PRESENT);
	mm_file_put(file);
}

static void test_two_come_for_a_page_in_swap(void **state)
{
	(void)state;
	map_anon(&e, mm, A, 1);
	poke(&e, mm, A, 7);
	swap_out(&e, mm, A);
	expect_one_of_two();
	assert_int_equal(peek(&e, mm, A), 7);
}

/* ---------------------------------------------------------------- on its way to another frame */

static struct page *moving;

/* A section begins: the second walk's, if nothing maps the page any more. */
static void enter_section(void *ctx)
{
	if (moving && !rmap_page_mapcount(&moving->rmap)) {
		moving = NULL;
		others_act();
	}
	below.rcu_read_lock(ctx);
}

/* child [7]: with a reference of the caller's. */
static struct page *held_page_of_a_child(void)
{
	struct page *page;

	child = engine_mm(&e);
	map_anon(&e, child, A, 1);
	poke(&e, child, A, 7);
	page = page_info(child, A).page;
	page_get(page);
	return page;
}

/*
 *	child [7]   is moved to another frame; when entries stand for the page, its only process ends. Nobody is left to have it, and
 *	the owner that the second walk asks is still one.
 */
static void test_exit_while_it_is_moved(void **state)
{
	struct page *page = held_page_of_a_child();

	(void)state;
	meanwhile = child_exits;
	moving = page;
	e.sys->rmap_port.rcu_read_lock = enter_section;
	(void)migrate_page(e.sys, page);
	e.sys->rmap_port.rcu_read_lock = below.rcu_read_lock;
	if (moving) { /* no section begins in walks that know the PTEs */
		moving = NULL;
		others_act();
	}
	assert_null(child);
	page_put(e.sys, page);
	engine_check(&e);
}

/*
 *	child [7]   ends while somebody holds its page, which then names an owner that is gone: it can be moved all the same, and nobody
 *	is asked where it is mapped
 */
static void test_a_page_of_nobody_is_moved(void **state)
{
	struct page *page = held_page_of_a_child();

	(void)state;
	child_exits();
	assert_int_equal(rmap_page_mapcount(&page->rmap), 0);
	assert_int_equal(STEP(&e, migrate_page(e.sys, page)), 0);
	page_put(e.sys, page);
}

static struct page *in_hand; /* which reclaim has taken off its list, and again */
static struct list_head taken;
static unsigned int unlocked;

static bool take(struct page *page)
{
	lru_isolate(e.sys, LRU_INACTIVE_FILE, 1, &taken);
	return !list_empty(&taken) && list_entry(taken.next, struct page, lru) == page;
}

/* The first walk's: reclaim, which could not lock the page, puts it back. The second one's: and has it again. */
static void leave_hit(void *ctx, struct rmap_hit *hit)
{
	below.pte_unlock(ctx, hit);
	if (!in_hand)
		return;
	if (++unlocked == 1) {
		list_del_init(&in_hand->lru);
		lru_put_back(e.sys, in_hand);
		page_put(e.sys, in_hand);
	} else {
		assert_true(take(in_hand));
		in_hand = NULL;
	}
}

/*
 *	A [f]   a file's page is moved to another frame, and reclaim takes the old one off its list just before it is free. Then the file
 *	goes, and the old frame, which reclaim holds, names it no more.
 */
static void test_reclaim_holds_what_a_files_page_left(void **state)
{
	struct hosted_file *store;
	struct mm_file *file;
	struct page *page;

	(void)state;
	assert_int_equal(hosted_file_temp(e.h, PAGE, 5, &store), 0);
	assert_int_equal(mm_file_create(e.sys, store, PAGE, &file), 0);
	(void)map_with(&e, mm, A, 1, MM_PROT_READ, MM_MAP_SHARED, file, 0);
	(void)peek(&e, mm, A);
	page = page_info(mm, A).page;
	list_init(&taken);
	unlocked = 0;
	assert_true(take(page));
	in_hand = page;
	e.sys->rmap_port.pte_unlock = leave_hit;
	assert_int_equal(mm_migrate(mm, A), 0);
	e.sys->rmap_port.pte_unlock = below.pte_unlock;
	assert_null(in_hand);
	assert_int_equal(mm_munmap(mm, A, PAGE), 0);
	mm_file_put(file);
	assert_null(rmap_page_file(&page->rmap));
	assert_int_equal(reclaim_pages(e.sys, &taken, true), 1);
	engine_check(&e);
}

/* ---------------------------------------------------------------- passed by */

static unsigned int scans, act_at; /* before the scan with this number, from 1 */

static enum rmap_find_result scan(void *ctx, struct rmap_mm *of, struct rmap_page *page,
				  unsigned int flags, uint64_t *cursor, uint64_t *looks,
				  struct rmap_hit *hit)
{
	if (++scans == act_at)
		others_act();
	return below.pte_scan(ctx, of, page, flags, cursor, looks, hit);
}

static bool met_at_b;

static enum rmap_visit meet(struct rmap_hit *hit, void *arg)
{
	(void)arg;
	met_at_b |= hit->addr == B;
	return RMAP_VISIT_NEXT;
}

static struct rmap_walk scan_meanwhile(struct page *page, unsigned int at)
{
	struct rmap_walk walk = { .visit = meet };

	scans = 0;
	act_at = at;
	met_at_b = false;
	e.sys->rmap_port.pte_scan = scan;
	assert_int_equal(mm_walk_page(e.sys, page, &walk), 0);
	e.sys->rmap_port.pte_scan = below.pte_scan;
	return walk;
}

static int moves_back(void)
{
	uint64_t to;

	return PATIENT(mm_mremap(mm, C, PAGE, PAGE, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, B, &to));
}

/*
 *	B [ ]   C [f]   the same page of a file at C and above: when the walk has passed by B and found what is at C, that is moved to B
 *	C+1 [f]          and so it is looked for again
 */
static void test_moved_to_where_the_scan_has_been(void **state)
{
	struct mm_file *file;
	struct page *page;

	(void)state;
	assert_int_equal(mm_file_create(e.sys, NULL, PAGE, &file), 0);
	(void)map_with(&e, mm, A, 1, RW, MM_MAP_SHARED, file, 0);
	(void)map_with(&e, mm, C, 1, RW, MM_MAP_SHARED, file, 0);
	(void)peek(&e, mm, A);
	(void)peek(&e, mm, C);
	page = page_info(mm, A).page;
	meanwhile = moves_back;
	(void)scan_meanwhile(page, 2);
	assert_true(met_at_b);
	engine_check(&e);
	mm_file_put(file);
}

static int move_ends(void)
{
	struct rmap_vma *vma = &vma_at(mm, A)->rmap;

	rmap_move_end(mm_system_rmap(e.sys), vma, vma, false);
	return 0;
}

/* As long as a move is under way, the scan begins anew: what was read may have been on its way. */
static void test_scanned_while_a_move_is_under_way(void **state)
{
	struct rmap_vma *vma;

	(void)state;
	map_anon(&e, mm, A, 1);
	poke(&e, mm, A, 7);
	vma = &vma_at(mm, A)->rmap;
	rmap_move_begin(mm_system_rmap(e.sys), vma, vma, false);
	meanwhile = move_ends;
	/* Of each time round the first finds the page and the second the end. */
	assert_int_equal(scan_meanwhile(page_info(mm, A).page, 4).found, 3);
	assert_int_equal(scans, 6);
}

#define RELATIVES 20 /* more than a block of a chain has room for */

static enum rmap_visit meet_the_parent(struct rmap_hit *hit, void *arg)
{
	(void)arg;
	if (hit->mm == &mm->rmap)
		others_act();
	return RMAP_VISIT_NEXT;
}

/*
 *	mm [7] and its 20 children: while a walk is at mm's entry one of them unmaps its own. The chain keeps the place open for the walker,
 *	and closes it behind him.
 */
static void test_an_entry_goes_under_a_walk(void **state)
{
	struct rmap_walk walk = { .visit = meet_the_parent };
	struct mm *relative[RELATIVES];
	struct page *page;

	(void)state;
	map_anon(&e, mm, A, 1);
	poke(&e, mm, A, 7);
	page = page_info(mm, A).page;
	for (unsigned int i = 0; i < RELATIVES; i++)
		relative[i] = engine_fork(&e, mm);
	child = relative[RELATIVES / 2];
	meanwhile = child_unmaps;
	assert_int_equal(STEP(&e, mm_walk_page(e.sys, page, &walk)), 0);
	assert_true(walk.found == RELATIVES || walk.found == RELATIVES + 1);
	assert_int_equal(rmap_page_mapcount(&page->rmap), RELATIVES);
	assert_int_equal(walk_from(&e, mm, A, false).found, RELATIVES);
	assert_int_equal(peek(&e, relative[0], A), 7);
	for (unsigned int i = 0; i < RELATIVES; i++)
		if (relative[i] != child)
			mm_put(relative[i]);
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, set_up, meanwhile_ends)
#define CHAIN(name) cmocka_unit_test_setup_teardown(name, set_up_chain, meanwhile_ends)
#define SCAN(name)  cmocka_unit_test_setup_teardown(name, set_up_scan, meanwhile_ends)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_exit_while_it_is_written),
		TEST(test_unmap_while_it_is_written),
		TEST(test_a_relative_ends_while_it_is_written),
		TEST(test_two_come_for_a_page_of_a_file),
		CHAIN(test_another_maps_it_meanwhile),
		TEST(test_two_come_for_a_page_in_swap),
		TEST(test_exit_while_it_is_moved),
		TEST(test_reclaim_holds_what_a_files_page_left),
		TEST(test_a_page_of_nobody_is_moved),
		CHAIN(test_an_entry_goes_under_a_walk),
		SCAN(test_moved_to_where_the_scan_has_been),
		SCAN(test_scanned_while_a_move_is_under_way),
	};

	return cmocka_run_group_tests_name("meanwhile", tests, NULL, NULL);
}
