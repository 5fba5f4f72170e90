// SPDX-License-Identifier: BSD-2-Clause
/* What is shared is shared as before by those that an image brings back, and goes on to behave so: who has what from whom. */
#include "failed.h"
#include "two_machines.h"

#include <stdlib.h>
#include <string.h>

#include "mm/mm_types.h"
#include "mm/reclaim.h"

#define ORIGINS 12

/* ---------------------------------------------------------------- sharing */

/*
 *	P [a b]  . . .       C, which has moved what it shares with P:  . . .  [a b]
 *
 * anonmm gives a page one address everywhere: on its machine C gets copies, and writes of the one are not seen by the other.
 */
static void onto_a_design_that_copies(void **state)
{
	struct mm *mm[2];
	uint64_t a, to;

	(void)state;
	mm[0] = engine_mm(&e);
	a = map_anon(&e, mm[0], 0, 2);
	poke(&e, mm[0], a, 1);
	poke(&e, mm[0], a + PAGE, 2);
	mm[1] = engine_fork(&e, mm[0]);
	to = a - 64 * PAGE;
	assert_int_equal(STEP(&e, mm_mremap(mm[1], a, 2 * PAGE, 2 * PAGE,
					    MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, to, &to)),
			 0);
	next_design = "anonmm";
	through_an_image(mm, 2);

	assert_int_equal(peek(&e, mm[0], a), 1);
	assert_int_equal(peek(&e, mm[1], to), 1);
	assert_int_equal(peek(&e, mm[1], to + PAGE), 2);
	assert_false(same_frame(mm[0], a, mm[1], to));
	poke(&e, mm[1], to, 3);
	poke(&e, mm[0], a + PAGE, 4);
	assert_int_equal(peek(&e, mm[0], a), 1);
	assert_int_equal(peek(&e, mm[1], to + PAGE), 2);
}

/*
 *	P [a b]	   both were out, and came back to be read: they are in the swap cache still, and nobody else's; b, which is locked, stays there
 *
 * Each is P's alone afterwards, as it was.
 */
static void read_back_alone(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 2);

	(void)state;
	for (uint64_t i = 0; i < 2; i++) {
		poke(&e, mm, a + i * PAGE, 5 + i);
		swap_out(&e, mm, a + i * PAGE);
	}
	assert_int_equal(peek(&e, mm, a), 5);
	assert_int_equal(peek(&e, mm, a + PAGE), 6);
	assert_int_equal(STEP(&e, mm_mlock(mm, a + PAGE, PAGE, 0)), 0);
	assert_int_equal(memory_of(&e).swap_cache, 2);
	assert_true(page_info(mm, a).exclusive);
	through_an_image(&mm, 1);
	for (uint64_t i = 0; i < 2; i++) {
		assert_int_equal(peek(&e, mm, a + i * PAGE), 5 + i);
		assert_true(page_info(mm, a + i * PAGE).exclusive);
		assert_int_equal(walk_from(&e, mm, a + i * PAGE, false).found, 1);
	}
	poke(&e, mm, a, 9);
	assert_int_equal(counters_of(&e).fault_cow_copy, 0);
}

/* All that there are of a kind, which are all that there were: nothing was made only to be dropped again. */
static void assert_objects(enum rmap_kind kind, uint64_t nr)
{
	struct rmap_counts counts;

	rmap_get_counts(mm_system_rmap(e.sys), &counts);
	assert_int_equal(counts.object[kind].objects, nr);
	assert_int_equal(counts.object[kind].allocated, nr);
}

/*
 *	P [a][b][c][d]      a: P, C and G     b: P and C, G wrote its own    c: each has its own    d: C and G
 *	C [a][b][c][d]
 *	G [a][b][c][d]
 */
static void three_generations(void **state)
{
	struct mm *mm[3];
	uint64_t a;

	(void)state;
	mm[0] = engine_mm(&e);
	a = map_anon(&e, mm[0], 0, 4);
	for (uint64_t i = 0; i < 4; i++)
		poke(&e, mm[0], a + i * PAGE, 10 + i);
	mm[1] = engine_fork(&e, mm[0]);
	poke(&e, mm[1], a + 2 * PAGE, 22);
	poke(&e, mm[1], a + 3 * PAGE, 23);
	mm[2] = engine_fork(&e, mm[1]);
	poke(&e, mm[2], a + PAGE, 31);
	poke(&e, mm[2], a + 2 * PAGE, 32);
	through_an_image(mm, 3);
	/* One link of P's own, two of each other one, of whatever generation. */
	if (engine_design_is("anon_vma_chain"))
		assert_objects(RMAP_KIND_AVC, 5);

	for (int i = 0; i < 3; i++) {
		assert_int_equal(peek(&e, mm[i], a), 10);
		assert_int_equal(peek(&e, mm[i], a + PAGE), i == 2 ? 31 : 11);
		assert_int_equal(peek(&e, mm[i], a + 2 * PAGE), 12 + 10 * i);
		assert_int_equal(peek(&e, mm[i], a + 3 * PAGE), i ? 23 : 13);
		assert_false(page_info(mm[i], a).exclusive);
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(walk_from(&e, mm[i], a, false).found, 3);
		/* The others have shared theirs with a child once, and have not written since. */
		assert_int_equal(page_info(mm[i], a + 2 * PAGE).exclusive, i == 2);
	}
	assert_true(same_frame(mm[0], a, mm[1], a));
	assert_true(same_frame(mm[0], a, mm[2], a));
	assert_true(same_frame(mm[0], a + PAGE, mm[1], a + PAGE));
	assert_true(same_frame(mm[1], a + 3 * PAGE, mm[2], a + 3 * PAGE));
	/* And it goes on: writes break what is shared, exits leave the rest, forks fork. */
	poke(&e, mm[1], a, 99);
	assert_int_equal(peek(&e, mm[0], a), 10);
	assert_int_equal(peek(&e, mm[2], a), 10);
	mm[1] = engine_fork(&e, mm[2]);
	poke(&e, mm[2], a + 3 * PAGE, 98);
	assert_int_equal(peek(&e, mm[1], a + 3 * PAGE), 23);
	mm_put(mm[1]);
	engine_check(&e);
}

/*
 * Each generation has memory that it inherited from nobody and leaves to the next ones; C has unmapped P's.
 *
 *	P  |p p|
 *	└ C      |- c c|             what is at - was never touched
 *	  └ G |p p|- c c|g g|
 *	    └ K |p p|- c c|g g|
 *
 * C's origin begins in C again, not in P: what is first touched beside it takes it, and made alike they are one VMA. So a walk
 * asks no more of them than it did before.
 */
static void origins_of_each_generation(void **state)
{
	struct mm *mm[4];
	uint64_t p, c, g, looks[3];

	(void)state;
	mm[0] = engine_mm(&e);
	p = map_anon(&e, mm[0], 0x10000000, 2);
	poke(&e, mm[0], p, 1);
	poke(&e, mm[0], p + PAGE, 2);
	mm[1] = engine_fork(&e, mm[0]);
	c = map_anon(&e, mm[1], 0x20000000, 3);
	assert_int_equal(STEP(&e, mm_mprotect(mm[1], c, PAGE, MM_PROT_READ)), 0);
	poke(&e, mm[1], c + PAGE, 11);
	poke(&e, mm[1], c + 2 * PAGE, 12);
	mm[2] = engine_fork(&e, mm[1]);
	assert_int_equal(STEP(&e, mm_munmap(mm[1], p, 2 * PAGE)), 0);
	g = map_anon(&e, mm[2], 0x30000000, 2);
	poke(&e, mm[2], g, 21);
	mm[3] = engine_fork(&e, mm[2]);
	looks[0] = walk_from(&e, mm[0], p, true).looks;
	looks[1] = walk_from(&e, mm[1], c + PAGE, true).looks;
	looks[2] = walk_from(&e, mm[2], g, true).looks;
	through_an_image(mm, 4);
	for (int i = 0; i < 4; i++) /* what was pushed out comes back */
		for (uint64_t at = p; i != 1 && at < p + 2 * PAGE; at += PAGE)
			assert_int_equal(peek(&e, mm[i], at), 1 + (at - p) / PAGE);
	for (int i = 1; i < 4; i++)
		assert_int_equal(peek(&e, mm[i], c + PAGE), 11);
	for (int i = 2; i < 4; i++)
		assert_int_equal(peek(&e, mm[i], g), 21);
	assert_int_equal(walk_from(&e, mm[0], p, true).found, 3);
	assert_true(walk_from(&e, mm[0], p, true).looks <= looks[0]);
	assert_int_equal(walk_from(&e, mm[1], c + PAGE, true).found, 3);
	assert_true(walk_from(&e, mm[1], c + PAGE, true).looks <= looks[1]);
	assert_int_equal(walk_from(&e, mm[2], g, true).found, 2);
	assert_true(walk_from(&e, mm[2], g, true).looks <= looks[2]);

	assert_int_equal(STEP(&e, mm_mprotect(mm[1], c, PAGE, MM_PROT_WRITE)), 0);
	poke(&e, mm[1], c, 10);
	assert_layout(&e, mm[1], c, c + 3 * PAGE, "-w-p 1 @0 | rw-p 2 @1");
	assert_int_equal(STEP(&e, mm_mprotect(mm[1], c, PAGE, RW)), 0);
	assert_layout(&e, mm[1], c, c + 3 * PAGE, "rw-p 3 @0");
	/* G inherited its own, which nothing joins. */
	assert_int_equal(STEP(&e, mm_mprotect(mm[2], c, PAGE, MM_PROT_WRITE)), 0);
	poke(&e, mm[2], c, 20);
	assert_int_equal(STEP(&e, mm_mprotect(mm[2], c, PAGE, RW)), 0);
	assert_layout(&e, mm[2], c, c + 3 * PAGE, "rw-p 1 @0 | rw-p 2 @1");
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(peek(&e, mm[1], c + i * PAGE), 10 + i);
	assert_int_equal(walk_from(&e, mm[1], c, false).found, 1);
	/* Once more, as it is now: K, without G, is C's and P's. */
	mm_put(mm[2]);
	mm[2] = mm[3];
	through_an_image(mm, 3);
	assert_int_equal(peek(&e, mm[0], p), 1);
	assert_int_equal(peek(&e, mm[2], p), 1);
	assert_int_equal(peek(&e, mm[1], c + PAGE), 11);
	assert_int_equal(peek(&e, mm[2], c + PAGE), 11);
	assert_int_equal(walk_from(&e, mm[0], p, true).found, 2);
	assert_int_equal(walk_from(&e, mm[1], c + PAGE, true).found, 2);
	assert_int_equal(peek(&e, mm[2], g), 21);
	assert_int_equal(peek(&e, mm[2], c + 2 * PAGE), 12);
}

/*
 * K has P's memory, the two between them have unmapped it; and each generation has some of its own, which makes them a line.
 *
 *	P      |a a a|f f|                 a: anonymous, f: a file's, written to
 *	└ C    |     |   |c c|
 *	  └ G  |     |   |c c|g g|
 *	    └ K|a|a|a|f f|c c|g g|         K has made the middle one read-only
 */
static void make_line(struct mm **mm)
{
	uint64_t a, f, c, g;

	file_seed = 3;
	kept_file = pattern_file(&e, 2, 3);
	mm[0] = engine_mm(&e);
	a = map_anon(&e, mm[0], 0x10000000, 3);
	f = map_with(&e, mm[0], 0x18000000, 2, RW, MM_MAP_PRIVATE, kept_file, 0);
	for (uint64_t i = 0; i < 3; i++)
		poke(&e, mm[0], a + i * PAGE, 1 + i);
	poke(&e, mm[0], f, 5);
	mm[1] = engine_fork(&e, mm[0]);
	c = map_anon(&e, mm[1], 0x20000000, 2);
	poke(&e, mm[1], c, 11);
	mm[2] = engine_fork(&e, mm[1]);
	g = map_anon(&e, mm[2], 0x30000000, 2);
	poke(&e, mm[2], g, 21);
	mm[3] = engine_fork(&e, mm[2]);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(STEP(&e, mm_munmap(mm[i], a, 3 * PAGE)), 0);
		assert_int_equal(STEP(&e, mm_munmap(mm[i], f, 2 * PAGE)), 0);
	}
	assert_int_equal(STEP(&e, mm_mprotect(mm[3], a + PAGE, PAGE, MM_PROT_READ)), 0);
}

static void assert_line(struct mm **mm)
{
	const uint64_t a = 0x10000000, f = 0x18000000, c = 0x20000000, g = 0x30000000;

	for (int i = 0; i < 4; i += 3) {
		for (uint64_t n = 0; n < 3; n++)
			assert_int_equal(peek(&e, mm[i], a + n * PAGE), 1 + n);
		assert_int_equal(peek(&e, mm[i], f), 5);
		assert_int_equal(peek(&e, mm[i], f + PAGE), pattern_word(3, PAGE));
	}
	for (int i = 1; i < 3; i++) {
		assert_int_equal(touch_read(&e, mm[i], a), RMAP_EFAULT);
		assert_int_equal(touch_read(&e, mm[i], f), RMAP_EFAULT);
	}
	for (int i = 1; i < 4; i++)
		assert_int_equal(peek(&e, mm[i], c), 11);
	for (int i = 2; i < 4; i++)
		assert_int_equal(peek(&e, mm[i], g), 21);
	for (uint64_t n = 0; n < 3; n++) {
		assert_true(same_frame(mm[0], a + n * PAGE, mm[3], a + n * PAGE));
		assert_int_equal(walk_from(&e, mm[3], a + n * PAGE, false).found, 2);
	}
	assert_true(same_frame(mm[0], f, mm[3], f));
	assert_int_equal(walk_from(&e, mm[3], f, false).found, 2);
	assert_int_equal(walk_from(&e, mm[3], c, false).found, 3);
	assert_int_equal(walk_from(&e, mm[3], g, false).found, 2);
}

/* Twice, since the second image is of what was forked past those between; then K has no relative that has the memory. */
static void two_between_without(void **state)
{
	struct mm *mm[4];
	uint64_t a = 0x10000000;

	(void)state;
	make_line(mm);
	through_an_image(mm, 4);
	assert_line(mm);
	through_an_image(mm, 4);
	assert_line(mm);
	assert_int_equal(STEP(&e, mm_mprotect(mm[3], a + PAGE, PAGE, RW)), 0);
	assert_layout(&e, mm[3], a, a + 3 * PAGE, "rw-p 3 @0");
	poke(&e, mm[3], a + PAGE, 7);
	mm_put(mm[0]);
	engine_check(&e);
	assert_int_equal(peek(&e, mm[3], a), 1);
	assert_int_equal(peek(&e, mm[3], a + PAGE), 7);
	poke(&e, mm[3], a, 8);
	assert_int_equal(walk_from(&e, mm[3], a, false).found, 1);
	through_an_image(mm + 1, 3);
	assert_int_equal(peek(&e, mm[3], a), 8);
	for (int i = 1; i < 4; i++)
		assert_int_equal(peek(&e, mm[i], 0x20000000), 11);
	assert_int_equal(walk_from(&e, mm[1], 0x20000000, false).found, 3);
}

/*
 * Y and D have P's memory, some origins; everybody between P and Y has unmapped it, and shares one of his own with the next alone.
 *
 *	P      |a|.|a|.|a| ...  |c|
 *	├ C                     |c|c|
 *	│ └ ...                   |c|c|
 *	│   └ Y|a|.|a|.|a| ...       |c|c|
 *	└ D    |a|.|a|.|a| ...  |c|
 */
static void make_bough(struct mm **mm, uint64_t a, uint64_t c)
{
	for (uint64_t i = 0; i < MMS - 1; i++) {
		mm[i] = i ? engine_fork(&e, mm[i - 1]) : engine_mm(&e);
		for (uint64_t n = 0; n < ORIGINS && i == 0; n++)
			poke(&e, mm[0], map_anon(&e, mm[0], a + 2 * n * PAGE, 1), n);
		poke(&e, mm[i], map_anon(&e, mm[i], c + 2 * i * PAGE, 1), 100 + i);
	}
	mm[MMS - 1] = engine_fork(&e, mm[0]);
	for (uint64_t i = 1; i < MMS - 1; i++) {
		if (i < MMS - 2)
			assert_int_equal(STEP(&e, mm_munmap(mm[i], a, 2 * ORIGINS * PAGE)), 0);
		if (i > 1)
			assert_int_equal(STEP(&e, mm_munmap(mm[i], c, (2 * i - 2) * PAGE)), 0);
	}
}

/*
 * Who is between has nothing of the memory that he unmapped: Y's VMAs are forked from P's, and so are D's, which has none of Y's. With P's
 * one link each origin of P's has five, in three VMAs; those that two have, three.
 */
static void past_those_between(void **state)
{
	const uint64_t a = 0x10000000, c = 0x20000000, pairs = MMS - 3;
	struct mm *mm[MMS];

	(void)state;
	make_bough(mm, a, c);
	through_an_image(mm, MMS);
	if (engine_design_is("anon_vma_chain")) {
		assert_objects(RMAP_KIND_ANON_VMA, 3 * ORIGINS + 2 * pairs + 3 + 1);
		assert_objects(RMAP_KIND_AVC, 5 * ORIGINS + 3 * pairs + 5 + 1);
	} else if (engine_design_is("anon_vma")) {
		assert_objects(RMAP_KIND_ANON_VMA, ORIGINS + pairs + 1 + 1);
	}
	for (uint64_t n = 0; n < ORIGINS; n++) {
		uint64_t at = a + 2 * n * PAGE;

		assert_int_equal(peek(&e, mm[0], at), n);
		assert_int_equal(peek(&e, mm[MMS - 2], at), n);
		assert_int_equal(peek(&e, mm[MMS - 1], at), n);
		assert_int_equal(walk_from(&e, mm[0], at, false).found, 3);
	}
	for (int i = 1; i < MMS - 2; i++)
		assert_int_equal(touch_read(&e, mm[i], a), RMAP_EFAULT);
	for (uint64_t i = 0; i < MMS - 2; i++) {
		uint64_t at = c + 2 * i * PAGE;

		assert_int_equal(peek(&e, mm[i], at), 100 + i);
		assert_int_equal(peek(&e, mm[i + 1], at), 100 + i);
	}
}

/*
 * Two origins that nobody else has anything of: a was inherited, and copied when it was written; b is C's own.
 *
 *	P  |a|  ends        C  |a'|b|
 *
 * They were two, and are two.
 */
static void origins_of_nobody_else(void **state)
{
	struct mm *p = engine_mm(&e), *mm;
	bool by_vma = engine_design_is("anon_vma_chain") || engine_design_is("anon_vma");
	uint64_t a = map_anon(&e, p, 0x10000000, 1), b;

	(void)state;
	poke(&e, p, a, 1);
	mm = engine_fork(&e, p);
	poke(&e, mm, a, 2);
	b = map_anon(&e, mm, 0x20000000, 1);
	poke(&e, mm, b, 3);
	mm_put(p);
	through_an_image(&mm, 1);
	assert_int_equal(peek(&e, mm, a), 2);
	assert_int_equal(peek(&e, mm, b), 3);
	if (by_vma)
		assert_int_equal(objects_of(&e, RMAP_KIND_ANON_VMA), 2);
}

/* The common parent is gone; its children still share what it had. */
static void orphans(void **state)
{
	struct mm *p = engine_mm(&e), *mm[2];
	uint64_t a = map_anon(&e, p, 0, 3);

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		poke(&e, p, a + i * PAGE, i + 1);
	mm[0] = engine_fork(&e, p);
	mm[1] = engine_fork(&e, p);
	poke(&e, mm[1], a + 2 * PAGE, 9);
	mm_put(p);
	through_an_image(mm, 2);
	assert_int_equal(peek(&e, mm[0], a), 1);
	assert_int_equal(peek(&e, mm[1], a), 1);
	assert_true(same_frame(mm[0], a, mm[1], a));
	assert_int_equal(peek(&e, mm[1], a + 2 * PAGE), 9);
	assert_int_equal(walk_from(&e, mm[0], a, false).found, 2);
	poke(&e, mm[0], a, 5);
	assert_int_equal(peek(&e, mm[1], a), 1);
	reclaim_all(e.sys);
	engine_check(&e);
	assert_int_equal(peek(&e, mm[1], a + PAGE), 2);
	assert_int_equal(peek(&e, mm[0], a + PAGE), 2);
}

/*
 * The child has moved, split and shrunk what it shares; the parent has unmapped a part. (anonmm: what moved was copied before.)
 *
 *	P |a b|. .|e f|        C  |a b| -> elsewhere, d read-only, f unmapped
 */
static void moved_and_split(void **state)
{
	struct mm *mm[2];
	bool copied = engine_design_is("anonmm");
	uint64_t a, b = 0;

	(void)state;
	mm[0] = engine_mm(&e);
	a = map_anon(&e, mm[0], 0, 6);
	for (uint64_t i = 0; i < 6; i++)
		poke(&e, mm[0], a + i * PAGE, i + 1);
	mm[1] = engine_fork(&e, mm[0]);
	assert_int_equal(STEP(&e, mm_mremap(mm[1], a, 2 * PAGE, 2 * PAGE,
					    MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, 0x50000000, &b)),
			 0);
	assert_int_equal(STEP(&e, mm_mprotect(mm[1], a + 3 * PAGE, PAGE, MM_PROT_READ)), 0);
	assert_int_equal(STEP(&e, mm_munmap(mm[1], a + 5 * PAGE, PAGE)), 0);
	assert_int_equal(STEP(&e, mm_munmap(mm[0], a + 2 * PAGE, 2 * PAGE)), 0);
	through_an_image(mm, 2);
	assert_layout(&e, mm[0], a, a + 6 * PAGE, "rw-p 2 @0 | ~2 | rw-p 2 @4");
	assert_layout(&e, mm[1], a, a + 6 * PAGE, "rw-p 1 @0 | r--p 1 @1 | rw-p 1 @2");
	assert_int_equal(peek(&e, mm[0], a), 1);
	assert_int_equal(peek(&e, mm[1], b), 1);
	assert_int_equal(same_frame(mm[0], a, mm[1], b), !copied);
	assert_int_equal(walk_from(&e, mm[0], a, false).found, copied ? 1 : 2);
	assert_int_equal(peek(&e, mm[1], a + 3 * PAGE), 4);
	assert_int_equal(peek(&e, mm[1], a + 4 * PAGE), 5);
	assert_int_equal(peek(&e, mm[0], a + 4 * PAGE), 5);
	assert_true(same_frame(mm[0], a + 4 * PAGE, mm[1], a + 4 * PAGE));
	/* The halves of a split still have one origin: made alike they merge, and every page is found afterwards. */
	assert_int_equal(STEP(&e, mm_mprotect(mm[1], a + 3 * PAGE, PAGE, RW)), 0);
	assert_layout(&e, mm[1], a, a + 6 * PAGE, "rw-p 3 @0");
	for (uint64_t i = 2; i < 5; i++)
		assert_int_equal(peek(&e, mm[1], a + i * PAGE), i + 1);
	assert_int_equal(walk_from(&e, mm[1], a + 3 * PAGE, false).found, 1);
	reclaim_all(e.sys);
	engine_check(&e);
	assert_int_equal(peek(&e, mm[1], a + 3 * PAGE), 4);
}

/* Private copies of a file's pages, shared by fork. */
static void shared_private_copies(void **state)
{
	struct mm *mm[2];
	uint64_t a;

	(void)state;
	file_seed = 3;
	kept_file = pattern_file(&e, 3, 3);
	mm[0] = engine_mm(&e);
	a = map_with(&e, mm[0], 0, 3, RW, MM_MAP_PRIVATE, kept_file, 0);
	poke(&e, mm[0], a + PAGE, 1);
	mm[1] = engine_fork(&e, mm[0]);
	assert_int_equal(STEP(&e, mm_munmap(mm[1], a, PAGE)), 0);
	through_an_image(mm, 2);
	assert_int_equal(peek(&e, mm[0], a + PAGE), 1);
	assert_int_equal(peek(&e, mm[1], a + PAGE), 1);
	assert_true(same_frame(mm[0], a + PAGE, mm[1], a + PAGE));
	assert_int_equal(peek(&e, mm[1], a + 2 * PAGE), pattern_word(3, 2 * PAGE));
	poke(&e, mm[1], a + PAGE, 2);
	assert_int_equal(peek(&e, mm[0], a + PAGE), 1);
}

/* One page at more places than a chunk holds, as after a server has forked its workers. */
#define WORKERS 1100

static struct mm *workers[WORKERS];

static void resume_worker(void *arg, uint64_t id, struct mm *mm)
{
	(void)arg;
	assert_in_range(id, 1, WORKERS);
	workers[id - 1] = mm;
}

static void more_places_than_a_chunk_holds(void **state)
{
	static uint64_t ids[WORKERS];
	const struct mm_resume all = { .mm = resume_worker };
	uint64_t a;

	(void)state;
	next_machine(NULL, 0, 16384, 1024);
	workers[0] = engine_mm(&e);
	a = map_anon(&e, workers[0], 0, 1);
	poke(&e, workers[0], a, 5);
	for (uint64_t i = 0; i < WORKERS; i++) {
		ids[i] = i + 1;
		if (i)
			assert_int_equal(mm_fork(workers[0], &workers[i]), 0);
	}
	assert_int_equal(STEP(&e, mm_hibernate(e.sys, workers, ids, WORKERS, &stream)), 0);
	next_machine(workers, WORKERS, 16384, 1024);
	image.pos = 0;
	assert_int_equal(STEP(&e, mm_resume_image(e.sys, &stream, &all)), 0);
	assert_int_equal(peek(&e, workers[WORKERS - 1], a), 5);
	assert_int_equal(page_info(workers[0], a).swap_count, WORKERS - 1);
	for (uint64_t i = 0; i < WORKERS; i++)
		assert_int_equal(hosted_read(e.cpu, workers[i], a, NULL, 8, NULL), 0);
	assert_int_equal(walk_from(&e, workers[7], a, false).found, WORKERS);
	for (uint64_t i = 0; i < WORKERS; i++)
		mm_put(workers[i]);
}

static void no_memory_for_a_line(void **state)
{
	struct mm *mm[4];

	(void)state;
	make_line(mm);
	assert_true(fail_each_allocation(mm, 4) > 15);
	assert_line(resumed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(onto_a_design_that_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(read_back_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(three_generations, setup, teardown),
		cmocka_unit_test_setup_teardown(origins_of_each_generation, setup, teardown),
		cmocka_unit_test_setup_teardown(two_between_without, setup, teardown),
		cmocka_unit_test_setup_teardown(past_those_between, setup, teardown),
		cmocka_unit_test_setup_teardown(origins_of_nobody_else, setup, teardown),
		cmocka_unit_test_setup_teardown(orphans, setup, teardown),
		cmocka_unit_test_setup_teardown(moved_and_split, setup, teardown),
		cmocka_unit_test_setup_teardown(shared_private_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(more_places_than_a_chunk_holds, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory_for_a_line, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
