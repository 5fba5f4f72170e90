// SPDX-License-Identifier: BSD-2-Clause
/*
 * mremap: in place, moved, kept empty; what merges at the new place; what a failure leaves. Errors and results were tried on a
 * live 6.18 kernel.
 */
#include "faulty.h"
#include "vmas.h"

static struct engine e;

#define MAYMOVE	  MM_MREMAP_MAYMOVE
#define FIXED	  (MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED)
#define DONTUNMAP (MM_MREMAP_MAYMOVE | MM_MREMAP_DONTUNMAP)

static int setup(void **state)
{
	(void)state;
	engine_setup(&e, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	engine_teardown(&e);
	return 0;
}

static void fill(struct mm *mm, unsigned int page, unsigned int pages)
{
	for (unsigned int i = page; i < page + pages; i++)
		poke(&e, mm, AT(i), 1000 + i);
}

/* covers: 1.10-1 */
static void test_errors(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t at;

	(void)state;
	map_anon(&e, mm, AT(0), 4);
	map_with(&e, mm, AT(4), 2, MM_PROT_READ, ANON, NULL, 0);
	assert_int_equal(remap(&e, mm, 0, 4, 4, 8, 0), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_mremap(mm, AT(0) + 1, PAGE, PAGE, 0, 0, &at)), RMAP_EINVAL);
	assert_int_equal(remap(&e, mm, 0, 4, 0, 0, 0), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_mremap(mm, AT(0), PAGE, MM_TASK_SIZE + PAGE, 1, 0, &at)),
			 RMAP_EINVAL);
	/* A new place without leave to move; unaligned; over the old one; out of range. */
	assert_int_equal(remap(&e, mm, 0, 4, 4, MM_MREMAP_FIXED, 100), RMAP_EINVAL);
	assert_int_equal(remap(&e, mm, 0, 4, 4, MM_MREMAP_DONTUNMAP, 100), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_mremap(mm, AT(0), PAGE, PAGE, FIXED, AT(9) + 1, &at)),
			 RMAP_EINVAL);
	assert_int_equal(remap(&e, mm, 0, 4, 4, FIXED, 3), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_mremap(mm, AT(0), PAGE, PAGE, FIXED, MM_TASK_SIZE, &at)),
			 RMAP_EINVAL);
	assert_int_equal(remap(&e, mm, 0, 4, 5, DONTUNMAP, 100), RMAP_EINVAL);
	/* Nothing there, or not all of it in one VMA; but nobody looks where all that is left stays. */
	assert_int_equal(remap(&e, mm, 50, 2, 2, 0, 0), RMAP_EFAULT);
	assert_int_equal(remap(&e, mm, 0, 6, 8, MAYMOVE, 0), RMAP_EFAULT);
	assert_int_equal(remap(&e, mm, 0, 6, 6, DONTUNMAP, 100), RMAP_EFAULT);
	assert_int_equal(remap(&e, mm, 0, 6, 5, FIXED, 100), RMAP_EFAULT);
	assert_int_equal(remap(&e, mm, 0, 6, 6, 0, 0), 0);
	assert_int_equal(remap(&e, mm, 0, 4, 6, 0, 0), RMAP_ENOMEM);
	/* Length 0 duplicates shared memory only. */
	assert_int_equal(remap(&e, mm, 0, 0, 2, MAYMOVE, 0), RMAP_EINVAL);
	layout_is(&e, mm, "rw-p 4 @0 | r--p 2 @4");
	mm_put(mm);
}

/*
 *	aaaa.... shrink: aa......    grow: aaaaa...    grow up to a neighbour of its kind: one VMA
 *
 * covers: 1.10-2, I10
 */
static void test_in_place(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 4);
	fill(mm, 0, 4);
	assert_int_equal(remap(&e, mm, 0, 4, 2, 0, 0), 0);
	layout_is(&e, mm, "rw-p 2 @0");
	assert_int_equal(stats_of(mm).rss_anon, 2);
	assert_int_equal(committed(&e), 2);
	assert_int_equal(remap(&e, mm, 1, 1, 4, 0, 0), 0);
	layout_is(&e, mm, "rw-p 5 @0");
	assert_int_equal(committed(&e), 5);
	assert_int_equal(peek(&e, mm, AT(1)), 1001);
	assert_int_equal(peek(&e, mm, AT(3)), 0);
	map_anon(&e, mm, AT(8), 2);
	assert_int_equal(remap(&e, mm, 0, 5, 8, 0, 0), 0);
	layout_is(&e, mm, "rw-p 10 @0");
	/* Not at the end of the VMA: no place to grow. */
	assert_int_equal(remap(&e, mm, 0, 5, 6, 0, 0), RMAP_ENOMEM);
	mm_put(mm);
}

/*
 * A shrink in place unmaps whatever VMAs are behind, also where none is at the end.
 *
 *	aabb..  old 6, new 1
 *
 * covers: 1.10-2
 */
static void test_shrink_over_several(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	map_with(&e, mm, AT(2), 2, MM_PROT_READ, ANON, NULL, 0);
	assert_int_equal(remap(&e, mm, 0, 6, 1, 0, 0), 0);
	layout_is(&e, mm, "rw-p 1 @0");
	mm_put(mm);
}

/*
 * Moved pages keep their linear number: they are found from their new place, and from a relative's. anonmm, whose pages have one
 * address in all relatives, copies what is shared before it moves.
 *
 *	parent  aaaa....          child  ....aaaa     (a forked page at two addresses)
 *
 * covers: 1.10-3, 1.10-4, B29, 1.0-6, I7
 */
static void test_move(void **state)
{
	struct mm *mm = engine_mm(&e), *child;
	bool copied = engine_design_is("anonmm");

	(void)state;
	map_anon(&e, mm, AT(0), 4);
	fill(mm, 0, 4);
	child = engine_fork(&e, mm);
	assert_int_equal(remap(&e, child, 0, 4, 4, FIXED, 100), 0);
	layout_is(&e, child, "rw-p 4 @0");
	assert_layout(&e, child, AT(100), AT(104), "rw-p 4 @0");
	assert_int_equal(touch_read(&e, child, AT(0)), RMAP_EFAULT);
	assert_int_equal(peek(&e, child, AT(102)), 1002);
	assert_int_equal(same_frame(mm, AT(2), child, AT(102)), !copied);
	assert_int_equal(walk_from(&e, mm, AT(2), false).found, copied ? 1 : 2);
	assert_int_equal(walk_from(&e, child, AT(102), false).found, copied ? 1 : 2);
	poke(&e, child, AT(102), 5);
	assert_int_equal(peek(&e, mm, AT(2)), 1002);
	assert_int_equal(walk_from(&e, child, AT(102), false).found, 1);
	mm_put(mm);
	assert_int_equal(peek(&e, child, AT(103)), 1003);
	mm_put(child);
}

/* Take frames until none is left, then give left of them back. The memory is at page 200. */
static void leave_frames(struct mm *mm, unsigned int left)
{
	unsigned int taken = 0;

	map_with(&e, mm, AT(200), 200, RW, ANON | MM_MAP_NORESERVE, NULL, 0);
	while (taken < 200 && !touch_write(&e, mm, AT(200 + taken)))
		taken++;
	assert_in_range(taken, left, 199);
	assert_int_equal(unmap(&e, mm, 200 + taken - left, left), 0);
}

/*
 * A move needs no frame but for tables; where shared pages must be copied (anonmm) and there is only memory for two of four, all
 * are at the old place again.
 *
 * covers: 1.10-3, B12
 */
static void test_move_without_memory(void **state)
{
	const struct engine_config small = { .machine = { .nr_frames = 128,
							  .nr_swap_slots = UINT64_MAX } };
	bool copied = engine_design_is("anonmm");
	uint64_t total;
	struct mm *mm, *child;

	(void)state;
	engine_teardown(&e);
	engine_setup(&e, &small);
	mm = engine_mm(&e);
	map_anon(&e, mm, AT(0), 4);
	fill(mm, 0, 4);
	child = engine_fork(&e, mm);
	leave_frames(child, 2);
	total = committed(&e);
	assert_int_equal(remap(&e, child, 0, 4, 4, FIXED, 100), copied ? RMAP_ENOMEM : 0);
	assert_int_equal(committed(&e), total);
	assert_layout(&e, child, AT(0), AT(200), "rw-p 4 @0");
	for (unsigned int i = 0; i < 4; i++) {
		bool own = copied && i < 2;

		assert_int_equal(peek(&e, child, AT(copied ? i : 100 + i)), 1000 + i);
		assert_int_equal(walk_from(&e, mm, AT(i), false).found, own ? 1 : 2);
	}
	/* Nobody else has the pages: now they can be moved by any design. */
	mm_put(mm);
	if (copied)
		assert_int_equal(remap(&e, child, 0, 4, 4, FIXED, 100), 0);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(peek(&e, child, AT(100 + i)), 1000 + i);
	mm_put(child);
	engine_teardown(&e);
	engine_setup(&e, NULL);
}

/*
 * A part of a VMA moves: the rest stays on both sides, accounted as before; and it comes home.
 *
 *	aaaaaa -> aa..aa, aa elsewhere -> aaaaaa
 *
 * covers: 1.10-4, 1.10-3
 */
static void test_home_again(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 6);
	fill(mm, 0, 6);
	assert_int_equal(remap(&e, mm, 2, 2, 2, FIXED, 100), 0);
	layout_is(&e, mm, "rw-p 2 @0 | ~2 | rw-p 2 @4 | ~94 | rw-p 2 @2");
	assert_int_equal(committed(&e), 6);
	/* Elsewhere it finds nothing of its kind, whatever stands beside it. */
	map_anon(&e, mm, AT(102), 2);
	layout_is(&e, mm, "rw-p 2 @0 | ~2 | rw-p 2 @4 | ~94 | rw-p 2 @2 | rw-p 2 @102");
	assert_int_equal(remap(&e, mm, 100, 2, 2, FIXED, 2), 0);
	layout_is(&e, mm, "rw-p 6 @0 | ~96 | rw-p 2 @102");
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(peek(&e, mm, AT(i)), 1000 + i);
	assert_chained_objects(&e, RMAP_KIND_ANON_VMA, 1);
	mm_put(mm);
	assert_int_equal(committed(&e), 0);
}

/*
 * Unfaulted memory takes the number of its new place, so it merges there, even with itself.
 *
 *	aaaa....bb -> ......aabb;    aa -> moved right behind itself: aaaa, of which the first half goes
 *
 * covers: 1.10-4
 */
static void test_unfaulted_merges_where_it_goes(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	map_anon(&e, mm, AT(8), 2);
	poke(&e, mm, AT(8), 1);
	assert_int_equal(remap(&e, mm, 0, 2, 2, FIXED, 6), 0);
	layout_is(&e, mm, "rw-p 4 @0");
	assert_int_equal(unmap(&e, mm, 0, 100), 0);
	map_anon(&e, mm, AT(20), 2);
	assert_int_equal(remap(&e, mm, 20, 2, 2, FIXED, 22), 0);
	assert_layout(&e, mm, AT(0), AT(100), "rw-p 2 @0");
	/* And between two others, which become one with it. */
	map_anon(&e, mm, AT(26), 2);
	map_anon(&e, mm, AT(40), 2);
	assert_int_equal(remap(&e, mm, 40, 2, 2, FIXED, 24), 0);
	assert_layout(&e, mm, AT(0), AT(100), "rw-p 6 @0");
	mm_put(mm);
}

/*
 * Faulted memory moved in front of, or behind, unfaulted memory of the right number: that takes its origin over.
 *
 *	a-home: ....aa at 4; uu at 0, 2 unfaulted and new
 *
 * covers: 1.10-4, 1.9-5
 */
static void test_faulted_moves_beside_unfaulted(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(4), 2);
	fill(mm, 4, 2);
	assert_int_equal(remap(&e, mm, 4, 2, 2, FIXED, 100), 0);
	map_anon(&e, mm, AT(2), 2);
	map_anon(&e, mm, AT(6), 2);
	assert_int_equal(remap(&e, mm, 100, 2, 2, FIXED, 4), 0);
	layout_is(&e, mm, "rw-p 6 @0");
	assert_int_equal(peek(&e, mm, AT(5)), 1005);
	poke(&e, mm, AT(7), 1);
	assert_int_equal(walk_from(&e, mm, AT(5), false).found, 1);
	mm_put(mm);
}

/*
 * The same with memory that was inherited: nobody takes its chain.
 *
 * covers: 1.10-4, B11
 */
static void test_inherited_moves_beside_unfaulted(void **state)
{
	struct mm *parent = engine_mm(&e), *mm;

	(void)state;
	map_anon(&e, parent, AT(4), 2);
	fill(parent, 4, 2);
	mm = engine_fork(&e, parent);
	assert_int_equal(remap(&e, mm, 4, 2, 2, FIXED, 100), 0);
	map_anon(&e, mm, AT(2), 2);
	assert_int_equal(remap(&e, mm, 100, 2, 2, FIXED, 4), 0);
	layout_is(&e, mm, "rw-p 2 @0 | rw-p 2 @2");
	mm_put(parent);
	assert_int_equal(peek(&e, mm, AT(4)), 1004);
	mm_put(mm);
}

/*
 * Grow by moving: something stands in the way. Shrink and move at once.
 *
 *	aabb -> ..bb  aaaa elsewhere
 *
 * covers: 1.10-2, 1.10-3
 */
static void test_grow_and_shrink_by_moving(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t at;

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	map_with(&e, mm, AT(2), 2, MM_PROT_READ, ANON, NULL, 0);
	fill(mm, 0, 2);
	assert_int_equal(STEP(&e, mm_mremap(mm, AT(0), 2 * PAGE, 4 * PAGE, MAYMOVE, 0, &at)), 0);
	layout_is(&e, mm, "r--p 2 @0");
	assert_layout(&e, mm, at, at + 4 * PAGE, "rw-p 4 @0");
	assert_int_equal(peek(&e, mm, at + PAGE), 1001);
	assert_int_equal(committed(&e), 4);
	assert_int_equal(STEP(&e, mm_mremap(mm, at, 4 * PAGE, PAGE, FIXED, AT(10), &at)), 0);
	layout_is(&e, mm, "r--p 2 @0 | ~6 | rw-p 1 @-2");
	assert_int_equal(peek(&e, mm, AT(10)), 1000);
	assert_int_equal(committed(&e), 1);
	mm_put(mm);
}

/*
 * DONTUNMAP: the pages go, the old place stays, empty, unlocked, and as if never touched; both are accounted, and Linux goes on counting the old one as locked.
 *
 *	AAAA....  ->  aaaa  AAAA
 *
 * covers: 1.10-3, I1
 */
static void test_dontunmap(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_with(&e, mm, AT(0), 4, RW, ANON | MM_MAP_LOCKED, NULL, 0);
	fill(mm, 0, 4);
	assert_int_equal(stats_of(mm).locked_vm, 4);
	assert_int_equal(remap(&e, mm, 0, 4, 4, DONTUNMAP | FIXED, 100), 0);
	layout_is(&e, mm, "rw-p 4 @0 | ~96 | rw-p 4 @0");
	assert_int_equal(committed(&e), 8);
	assert_int_equal(stats_of(mm).locked_vm, 8);
	assert_int_equal(page_info(mm, AT(0)).state, MM_PAGE_NONE);
	assert_int_equal(peek(&e, mm, AT(0)), 0);
	assert_int_equal(peek(&e, mm, AT(101)), 1001);
	poke(&e, mm, AT(1), 3);
	assert_chained_objects(&e, RMAP_KIND_ANON_VMA, 2);
	mm_put(mm);
	assert_int_equal(committed(&e), 0);
}

/*
 * Of a part: the VMA keeps its origin, since other pages of it still have it.
 *
 * covers: 1.10-3
 */
static void test_dontunmap_part(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 4);
	fill(mm, 0, 4);
	assert_int_equal(remap(&e, mm, 1, 2, 2, DONTUNMAP | FIXED, 100), 0);
	layout_is(&e, mm, "rw-p 4 @0 | ~96 | rw-p 2 @1");
	assert_int_equal(peek(&e, mm, AT(1)), 0);
	assert_int_equal(peek(&e, mm, AT(3)), 1003);
	assert_int_equal(peek(&e, mm, AT(101)), 1002);
	assert_chained_objects(&e, RMAP_KIND_ANON_VMA, 1);
	mm_put(mm);
}

/*
 * Length 0: shared memory appears a second time.
 *
 * covers: 1.10-1
 */
static void test_duplicate_shared(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_with(&e, mm, AT(0), 4, RW, SHM, NULL, 0);
	fill(mm, 0, 4);
	assert_int_equal(remap(&e, mm, 1, 0, 2, FIXED, 100), 0);
	layout_is(&e, mm, "rw-s 4 @0 | ~96 | rw-s 2 @1");
	assert_int_equal(peek(&e, mm, AT(100)), 1001);
	poke(&e, mm, AT(101), 7);
	assert_int_equal(peek(&e, mm, AT(2)), 7);
	assert_int_equal(walk_from(&e, mm, AT(2), false).found, 2);
	mm_put(mm);
}

/*
 * Several VMAs in one move (6.17): order, holes and what stands in the holes of the new place stay.
 *
 *	AABB..CC  ->  AABB.xCC
 *
 * covers: 1.10-1
 */
static void test_move_of_several(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	map_with(&e, mm, AT(2), 2, RWX, ANON, NULL, 0);
	map_with(&e, mm, AT(6), 2, RW, SHM, NULL, 0);
	map_with(&e, mm, AT(105), 1, MM_PROT_READ, ANON, NULL, 0);
	fill(mm, 0, 4);
	fill(mm, 6, 2);
	assert_int_equal(remap(&e, mm, 0, 10, 10, FIXED, 100), 0);
	assert_layout(&e, mm, BASE, AT(104), "rw-p 2 @0 | rwxp 2 @2");
	assert_layout(&e, mm, AT(105), AT(106), "r--p 1 @0");
	assert_layout(&e, mm, AT(106), AT(1024), "rw-s 2 @0");
	assert_int_equal(peek(&e, mm, AT(103)), 1003);
	assert_int_equal(peek(&e, mm, AT(107)), 1007);
	/* A hole at the beginning: nothing is moved. */
	assert_int_equal(remap(&e, mm, 99, 4, 4, FIXED, 200), RMAP_EFAULT);
	/* Parts at both ends. */
	assert_int_equal(remap(&e, mm, 101, 2, 2, FIXED, 200), 0);
	assert_layout(&e, mm, AT(200), AT(300), "rw-p 1 @0 | rwxp 1 @1");
	mm_put(mm);
}

/*
 * The processors forget the old place before anybody can reuse it: what is written through the old address afterwards faults.
 *
 * covers: 1.10-5, B15
 */
static void test_old_translations_are_gone(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 4);
	fill(mm, 0, 4); /* all four are in the TLB now, writable */
	assert_int_equal(remap(&e, mm, 0, 4, 4, FIXED, 100), 0);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(touch_write(&e, mm, AT(i)), RMAP_EFAULT);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(peek(&e, mm, AT(100 + i)), 1000 + i);
	mm_put(mm);
}

/*
 * Out of memory for a table of the new place: everything is back where it was, also what had been moved already.
 *
 *	|AA:AA|  two tables here; there, one exists and one cannot be made:  n.|..:..|
 *
 * covers: 1.10-3, B12
 */
static void test_moved_back(void **state)
{
	struct engine_config config = { .machine = { .nr_frames = 96, .nr_swap_slots = UINT64_MAX },
					.mm.watermark_min = 1 };
	const uint64_t far = (uint64_t)5 << 39;

	(void)state;
	engine_teardown(&e);
	engine_setup(&e, &config);
	for (unsigned int first_exists = 0; first_exists < 2; first_exists++) {
		struct mm *mm = engine_mm(&e);
		uint64_t hog = 0, at;

		map_anon(&e, mm, AT(510), 4);
		for (unsigned int i = 510; i < 514; i++)
			poke(&e, mm, AT(i), i);
		map_anon(&e, mm, far + 500 * PAGE, 1);
		if (first_exists)
			poke(&e, mm, far + 500 * PAGE, 1);
		/* Locked memory fills the machine. */
		mm_set_capabilities(mm, MM_CAP_IPC_LOCK);
		map_with(&e, mm, AT(2048), 96, RW, ANON, NULL, 0);
		while (!mm_mlock(mm, AT(2048 + hog), PAGE, 0))
			hog++;
		assert_true(hog > 10);
		engine_check(&e);
		assert_int_equal(STEP(&e, mm_mremap(mm, AT(510), 4 * PAGE, 4 * PAGE, FIXED,
						    far + 510 * PAGE, &at)),
				 RMAP_ENOMEM);
		assert_int_equal(counters_of(&e).moved_ptes, first_exists ? 4 : 0);
		assert_layout(&e, mm, AT(0), AT(1024), "rw-p 4 @0");
		assert_layout(&e, mm, far + 510 * PAGE, far + 514 * PAGE, "");
		for (unsigned int i = 510; i < 514; i++)
			assert_int_equal(peek(&e, mm, AT(i)), i);
		mm_put(mm);
		settle(&e);
	}
}

/*
 * Too near the limit on VMAs nothing is touched.
 *
 * covers: 1.8-6, 1.10-3
 */
static void test_map_count(void **state)
{
	struct engine_config config = { .mm.max_map_count = 12 };
	struct mm *mm;

	(void)state;
	engine_teardown(&e);
	engine_setup(&e, &config);
	mm = engine_mm(&e);
	for (unsigned int i = 0; i < 7; i++)
		map_anon(&e, mm, AT(2 * i), 1);
	/* 7 + 2 >= 12 - 3 */
	assert_int_equal(remap(&e, mm, 0, 1, 1, FIXED, 2), RMAP_ENOMEM);
	assert_int_equal(stats_of(mm).map_count, 7);
	assert_int_equal(unmap(&e, mm, 12, 1), 0);
	assert_int_equal(remap(&e, mm, 0, 1, 1, FIXED, 100), 0);
	for (unsigned int i = 6; i < 9; i++)
		map_anon(&e, mm, AT(2 * i), 1);
	/* 9 >= 12 - 3 */
	map_with(&e, mm, AT(3), 1, MM_PROT_READ, ANON, NULL, 0);
	assert_int_equal(remap(&e, mm, 2, 1, 2, MAYMOVE, 0), RMAP_ENOMEM);
	mm_put(mm);
}

/*
 * Locked memory that grows is faulted in, in place and moved; limits hold.
 *
 * covers: 1.10-1, 1.8-6
 */
static void test_locked_grows(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t at;

	(void)state;
	map_with(&e, mm, AT(0), 2, RW, ANON | MM_MAP_LOCKED, NULL, 0);
	assert_int_equal(remap(&e, mm, 0, 2, 4, 0, 0), 0);
	assert_int_equal(page_info(mm, AT(3)).state, MM_PAGE_PRESENT);
	assert_true(page_info(mm, AT(3)).locked);
	map_anon(&e, mm, AT(4), 1);
	assert_int_equal(STEP(&e, mm_mremap(mm, AT(0), 4 * PAGE, 6 * PAGE, MAYMOVE, 0, &at)), 0);
	assert_int_equal(page_info(mm, at + 5 * PAGE).state, MM_PAGE_PRESENT);
	assert_int_equal(stats_of(mm).locked_vm, 6);
	mm_set_limit(mm, MM_LIMIT_MEMLOCK, 7 * PAGE);
	assert_int_equal(STEP(&e, mm_mremap(mm, at, 6 * PAGE, 8 * PAGE, MAYMOVE, 0, &at)),
			 RMAP_EAGAIN);
	mm_set_limit(mm, MM_LIMIT_AS, 8 * PAGE);
	assert_int_equal(remap(&e, mm, 4, 1, 3, MAYMOVE, 0), RMAP_ENOMEM);
	assert_int_equal(remap(&e, mm, 4, 1, 2, MAYMOVE, 0), 0);
	mm_put(mm);
}

/*
 * What continues a file downwards, beside what was moved up there, has its origin, and so has its pages where they would stand had
 * nothing been moved: below address 0.
 *
 *	pages of the file   0 ............... 40 ... 49
 *	first                                 [  at 20  ]
 *	then                [  at 960         ][ at 1000 ]
 *
 * covers: 1.10-3, I7
 */
static void test_continued_downwards(void **state)
{
	struct mm_file *file = pattern_file(&e, 50, 9);
	struct mm *mm = engine_mm(&e), *child;
	uint64_t low = 20 * PAGE;

	(void)state;
	map_with(&e, mm, low, 10, RW, MM_MAP_PRIVATE, file, 40 * PAGE);
	poke(&e, mm, low + PAGE, 41);
	assert_int_equal(STEP(&e, mm_mremap(mm, low, 10 * PAGE, 10 * PAGE, FIXED, AT(1000), &low)),
			 0);
	map_with(&e, mm, AT(960), 40, MM_PROT_WRITE, MM_MAP_PRIVATE, file, 0);
	for (unsigned int i = 0; i < 40; i += 13)
		poke(&e, mm, AT(960 + i), i);
	child = engine_fork(&e, mm);
	for (unsigned int i = 0; i < 40; i += 13)
		assert_int_equal(walk_from(&e, child, AT(960 + i), false).found, 2);
	assert_int_equal(walk_from(&e, mm, AT(1001), false).found, 2);
	assert_int_equal(protect(&e, mm, 960, 40, RW), 0);
	assert_layout(&e, mm, AT(960), AT(1010), "rw-p 50 @0");
	assert_int_equal(protect(&e, mm, 970, 5, MM_PROT_READ), 0);
	assert_int_equal(unmap(&e, mm, 990, 10), 0);
	assert_int_equal(walk_from(&e, mm, AT(973), false).found, 2);
	mm_put(child);
	mm_put(mm);
	mm_file_put(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shrink_over_several, setup, teardown),
		cmocka_unit_test_setup_teardown(test_move, setup, teardown),
		cmocka_unit_test_setup_teardown(test_move_without_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_home_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unfaulted_merges_where_it_goes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_faulted_moves_beside_unfaulted, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_inherited_moves_beside_unfaulted, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_grow_and_shrink_by_moving, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dontunmap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dontunmap_part, setup, teardown),
		cmocka_unit_test_setup_teardown(test_duplicate_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_move_of_several, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_translations_are_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moved_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map_count, setup, teardown),
		cmocka_unit_test_setup_teardown(test_locked_grows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_continued_downwards, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
