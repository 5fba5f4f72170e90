// SPDX-License-Identifier: BSD-2-Clause
/*
 * The tree of VMAs: finding, order, gaps; and the search for a free place, held against one that looks at every page.
 */
#include "engine.h"
#include "oom/inject.h"

#include <string.h>

#include "mm/layout.h"

#define LOW	      ((uint64_t)16) /* page numbers */
#define PAGES_IN_PLAY 400

static struct engine e;

static int setup(void **state)
{
	(void)state;
	engine_setup(&e, &(struct engine_config){ .mm.stack_guard_gap = 3 * PAGE });
	/* VMAs are put into the tree without accounts: a test that ends early leaves what the checker would not like. */
	inject_test_system(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	engine_teardown(&e);
	return 0;
}

static uint64_t random_state = 1;

static uint64_t draw(uint64_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (random_state >> 33) % n;
}

/* A VMA in the tree and nowhere else: these tests are of the tree alone. */
static struct vma *put_vma(struct mm *mm, uint64_t first, uint64_t last, uint64_t flags)
{
	struct vma *vma = vma_alloc(mm, first * PAGE, last * PAGE, first, flags, NULL);

	assert_non_null(vma);
	vma_tree_insert(mm, vma);
	assert_null(vma_tree_check(mm));
	return vma;
}

static void drop_vma(struct mm *mm, struct vma *vma)
{
	vma_tree_erase(mm, vma);
	assert_null(vma_tree_check(mm));
	vma_free(vma);
}

static void drop_all(struct mm *mm)
{
	while (vma_first(mm))
		drop_vma(mm, vma_first(mm));
}

/*
 *	page  16    20    24        32
 *	      |aaaaa|.....|bbbbbbbbb|....
 */
static void test_find(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct vma *a, *b;

	(void)state;
	assert_null(vma_find(mm, 0));
	assert_null(vma_first(mm));
	a = put_vma(mm, 16, 20, VM_READ);
	b = put_vma(mm, 24, 32, VM_READ);
	assert_ptr_equal(vma_find(mm, 0), a);
	assert_ptr_equal(vma_find(mm, 16 * PAGE), a);
	assert_ptr_equal(vma_find(mm, 20 * PAGE - 1), a);
	assert_ptr_equal(vma_find(mm, 20 * PAGE), b);
	assert_null(vma_find(mm, 32 * PAGE));
	assert_null(vma_find(mm, UINT64_MAX));
	assert_null(vma_at(mm, 20 * PAGE));
	assert_ptr_equal(vma_at(mm, 31 * PAGE), b);
	assert_null(vma_first_in(mm, 20 * PAGE, 24 * PAGE));
	assert_ptr_equal(vma_first_in(mm, 20 * PAGE, 24 * PAGE + 1), b);
	assert_ptr_equal(vma_next(a), b);
	assert_ptr_equal(vma_prev(b), a);
	assert_null(vma_next(b));
	assert_null(vma_prev(a));
	drop_all(mm);
	mm_put(mm);
}

/* ---------------------------------------------------------------- gaps */

static bool taken[PAGES_IN_PLAY + 1];

static void note_taken(const struct mm *mm)
{
	const struct vma *vma;

	memset(taken, 0, sizeof(taken));
	vma_for_each(vma, mm) {
		for (uint64_t i = vma->rmap.start / PAGE; i < vma->rmap.end / PAGE; i++)
			taken[i] = true;
	}
}

static bool fits(uint64_t first, uint64_t pages)
{
	for (uint64_t i = first; i < first + pages; i++)
		if (taken[i])
			return false;
	return true;
}

/*
 * A place that a stack's guard reaches into is passed by, and with it, going down, all between it and the guard's start; going up,
 * all up to the stack.
 */
static uint64_t brute(const struct mm *mm, uint64_t pages, uint64_t low, uint64_t high,
		      bool highest)
{
	uint64_t at = highest && high > pages ? high - pages : low;

	while (at >= low && at + pages <= high) {
		const struct vma *next = vma_find(mm, at * PAGE);

		if (!fits(at, pages)) {
			at += highest ? -UINT64_C(1) : 1;
			continue;
		}
		if (!next || vma_guard_start(next) >= (at + pages) * PAGE)
			return at;
		if (!highest) {
			at = next->rmap.end / PAGE;
			continue;
		}
		high = vma_guard_start(next) / PAGE;
		if (high < pages)
			return 0;
		at = high - pages;
	}
	return 0;
}

static void compare_search(const struct mm *mm)
{
	uint64_t pages = 1 + draw(draw(2) ? 8 : 60);
	uint64_t low = LOW + draw(100), high = low + draw(PAGES_IN_PLAY - low);
	uint64_t addr = 0;

	note_taken(mm);
	(void)gap_highest(mm, pages * PAGE, low * PAGE, high * PAGE, &addr);
	assert_int_equal(addr / PAGE, brute(mm, pages, low, high, true));
	addr = 0;
	(void)gap_lowest(mm, pages * PAGE, low * PAGE, high * PAGE, &addr);
	assert_int_equal(addr / PAGE, brute(mm, pages, low, high, false));
}

static void insert_somewhere(struct mm *mm)
{
	uint64_t pages = 1 + draw(12), first = LOW + draw(PAGES_IN_PLAY - LOW - pages);

	if (!vma_first_in(mm, first * PAGE, (first + pages) * PAGE))
		put_vma(mm, first, first + pages, VM_READ | (draw(6) ? 0 : VM_GROWSDOWN));
}

static struct vma *any_vma(struct mm *mm)
{
	struct vma *vma = vma_find(mm, draw(PAGES_IN_PLAY) * PAGE);

	return vma ? vma : vma_first(mm);
}

/* Cut a page off an end, or grow by one where there is room. */
static void change_somewhere(struct mm *mm)
{
	struct vma *vma = any_vma(mm);
	const struct vma *next;

	if (!vma)
		return;
	next = vma_next(vma);
	if (draw(2) && vma_pages(vma) > 1)
		vma->rmap.start += PAGE;
	else if (draw(2) && vma_pages(vma) > 1)
		vma->rmap.end -= PAGE;
	else if (vma->rmap.end / PAGE < PAGES_IN_PLAY - 1 &&
		 (!next || next->rmap.start > vma->rmap.end))
		vma->rmap.end += PAGE;
	rmap_spin_lock(&mm->vma_lock);
	vma_tree_changed(mm, vma);
	rmap_spin_unlock(&mm->vma_lock);
	assert_null(vma_tree_check(mm));
}

/* covers: I13 */
static void test_gaps_against_brute_force(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	for (unsigned int round = 0; round < 20; round++) {
		for (unsigned int i = 0; i < 300; i++) {
			switch (draw(4)) {
			case 0:
				if (any_vma(mm) && draw(2))
					drop_vma(mm, any_vma(mm));
				break;
			case 1:
				change_somewhere(mm);
				break;
			default:
				insert_somewhere(mm);
			}
			compare_search(mm);
		}
		drop_all(mm);
	}
	mm_put(mm);
}

/* ---------------------------------------------------------------- where mmap puts things */

static uint64_t map_at_hint(struct mm *mm, uint64_t hint, uint64_t pages)
{
	struct mm_mmap args = {
		.addr = hint,
		.len = pages * PAGE,
		.prot = MM_PROT_READ,
		.flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS,
	};
	uint64_t result = 0;

	assert_int_equal(STEP(&e, mm_mmap(mm, &args, &result)), 0);
	return result;
}

/*
 *	…|..........|CC|BB|AA|<- mmap_base           then, when all below is full:  |full|first above
 *
 * covers: 1.8-1
 */
static void test_top_down_then_bottom_up(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t base, rest;

	(void)state;
	base = map_at_hint(mm, 0, 4) + 4 * PAGE;
	assert_int_equal(map_at_hint(mm, 0, 3), base - 7 * PAGE);
	assert_int_equal(map_at_hint(mm, 0, 1), base - 8 * PAGE);
	/* All there is below goes into one mapping that leaves no room. */
	rest = base - 8 * PAGE - 65536;
	assert_int_equal(map_at_hint(mm, 65536, rest / PAGE), 65536);
	assert_int_equal(map_at_hint(mm, 0, 2), base);
	assert_int_equal(map_at_hint(mm, 0, 2), base + 2 * PAGE);
	mm_put(mm);
}

/*
 *	hint:   free: taken          taken: as without a hint        unaligned: rounded down      below the lowest: the lowest
 *
 * covers: 1.8-1
 */
static void test_hints(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = 0x10000000;

	(void)state;
	assert_int_equal(map_at_hint(mm, a, 4), a);
	assert_int_equal(map_at_hint(mm, a + 4 * PAGE + 123, 1), a + 4 * PAGE);
	assert_true(map_at_hint(mm, a + 2 * PAGE, 4) > a + 100 * PAGE);
	assert_int_equal(map_at_hint(mm, 4096, 1), 65536);
	mm_put(mm);
}

/*
 * Below a growing stack the guard stays free for everybody who does not insist.
 *
 *	|xxx guard xxx|stack|
 *
 * covers: 1.8-5
 */
static void test_guard_is_kept_free(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = 0x10000000, hint = a - PAGE;

	(void)state;
	map_with(&e, mm, a, 2, MM_PROT_READ | MM_PROT_WRITE,
		 MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_GROWSDOWN, NULL, 0);
	assert_true(map_at_hint(mm, hint, 1) != hint);
	assert_true(map_at_hint(mm, a - 3 * PAGE, 1) != a - 3 * PAGE);
	assert_int_equal(map_at_hint(mm, a - 4 * PAGE, 1), a - 4 * PAGE);
	map_with(&e, mm, hint, 1, MM_PROT_READ, MM_MAP_PRIVATE | MM_MAP_ANONYMOUS, NULL, 0);
	mm_put(mm);
}

/*
 * Mappings of whole 2 MiB stand at such boundaries; with a hint, or of another length, they do not.
 *
 * covers: 1.8-1
 */
static void test_large_mappings_are_aligned(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t mib = (uint64_t)1 << 20, a, b;

	(void)state;
	map_at_hint(mm, 0, 1);
	a = map_at_hint(mm, 0, 2 * mib / PAGE);
	assert_int_equal(a % (2 * mib), 0);
	b = map_at_hint(mm, 0, 4 * mib / PAGE);
	assert_int_equal(b, a - 4 * mib);
	b = map_at_hint(mm, 0, 3 * mib / PAGE);
	assert_true(b % (2 * mib) != 0);
	mm_put(mm);
	/* Who says where gets the next best place if it is taken, as it lies. */
	mm = engine_mm(&e);
	a = map_at_hint(mm, 0, 1);
	assert_int_equal(map_at_hint(mm, a, 2 * mib / PAGE), a - 2 * mib);
	mm_put(mm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gaps_against_brute_force, setup, teardown),
		cmocka_unit_test_setup_teardown(test_top_down_then_bottom_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hints, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guard_is_kept_free, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_mappings_are_aligned, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
