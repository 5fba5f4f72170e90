// SPDX-License-Identifier: BSD-2-Clause
/*
 * Merging and splitting.
 *
 * The exhaustive part does not pick cases: three ranges side by side (P, M, N), each with one of five histories, and a change to
 * the one in the middle; what must come out is computed by the rule as the checklist states it, and compared.
 */
#include "vmas.h"

#include <stdio.h>

static struct engine e;

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

/* ---------------------------------------------------------------- the eight cases, one by one */

/*
 *	1  PP..NN  fill the gap   -> PPPPPP        2  PP..  -> PPPP        3  ..NN -> NNNN
 *
 * covers: 1.9-1, 1.9-2, I13
 */
static void test_cases_1_to_3(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	map_anon(&e, mm, AT(4), 2);
	layout_is(&e, mm, "rw-p 2 @0 | ~2 | rw-p 2 @4");
	map_anon(&e, mm, AT(2), 2);
	layout_is(&e, mm, "rw-p 6 @0");
	map_anon(&e, mm, AT(6), 2);
	layout_is(&e, mm, "rw-p 8 @0");
	map_anon(&e, mm, AT(20), 2);
	map_anon(&e, mm, AT(18), 2);
	layout_is(&e, mm, "rw-p 8 @0 | ~10 | rw-p 4 @18");
	mm_put(mm);
}

/*
 *	      PPPPNNNN                      4  PPPP'    tail of P joins N:  PPNNNNNN
 *	      rw  r-                        5  'NNNN    head of N joins P:  PPPPPPNN
 *
 * covers: 1.9-1, 1.9-6, 1.9-8
 */
static void test_cases_4_and_5(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 8);
	assert_int_equal(protect(&e, mm, 4, 4, MM_PROT_READ), 0);
	layout_is(&e, mm, "rw-p 4 @0 | r--p 4 @4");
	assert_int_equal(protect(&e, mm, 2, 2, MM_PROT_READ), 0);
	layout_is(&e, mm, "rw-p 2 @0 | r--p 6 @2");
	assert_int_equal(protect(&e, mm, 2, 3, RW), 0);
	layout_is(&e, mm, "rw-p 5 @0 | r--p 3 @5");
	mm_put(mm);
}

/*
 *	PPNNXX: 6  all of N, alike both sides: PPPPPP     7  only P: PPPPXX     8  only X: PPXXXX
 *
 * covers: 1.9-1, 1.9-8
 */
static void test_cases_6_to_8(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_anon(&e, mm, AT(0), 6);
	assert_int_equal(protect(&e, mm, 2, 2, MM_PROT_READ), 0);
	layout_is(&e, mm, "rw-p 2 @0 | r--p 2 @2 | rw-p 2 @4");
	assert_int_equal(protect(&e, mm, 2, 2, RW), 0);
	layout_is(&e, mm, "rw-p 6 @0");

	assert_int_equal(protect(&e, mm, 2, 2, MM_PROT_READ), 0);
	assert_int_equal(protect(&e, mm, 4, 2, MM_PROT_NONE), 0);
	layout_is(&e, mm, "rw-p 2 @0 | r--p 2 @2 | ---p 2 @4");
	assert_int_equal(protect(&e, mm, 2, 2, RW), 0);
	layout_is(&e, mm, "rw-p 4 @0 | ---p 2 @4");

	assert_int_equal(protect(&e, mm, 2, 2, MM_PROT_READ), 0);
	assert_int_equal(protect(&e, mm, 2, 2, MM_PROT_NONE), 0);
	layout_is(&e, mm, "rw-p 2 @0 | ---p 4 @2");
	mm_put(mm);
}

/*
 * Bounds that move between two VMAs of a file: a walk (truncation) finds each page at its place.
 *
 *	rrrrrrrr -> rrwwwwrr -> rrrrwwrr
 *
 * covers: B26, 1.9-6, 1.1-1
 */
static void test_file_bounds_move(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct hosted_file *h;
	struct mm_file *file;

	(void)state;
	assert_int_equal(hosted_file_temp(e.h, 16 * PAGE, 7, &h), 0);
	assert_int_equal(mm_file_create(e.sys, h, 16 * PAGE, &file), 0);
	map_with(&e, mm, AT(0), 8, MM_PROT_READ, MM_MAP_SHARED, file, 4 * PAGE);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(touch_read(&e, mm, AT(i)), 0);
	assert_int_equal(protect(&e, mm, 2, 4, RW), 0);
	layout_is(&e, mm, "r--s 2 @0 | rw-s 4 @2 | r--s 2 @6");
	assert_int_equal(protect(&e, mm, 2, 2, MM_PROT_READ), 0);
	layout_is(&e, mm, "r--s 4 @0 | rw-s 2 @4 | r--s 2 @6");
	for (unsigned int i = 0; i < 8; i++) {
		struct rmap_walk walk = walk_from(&e, mm, AT(i), false);

		assert_int_equal(walk.found, 1);
	}
	assert_int_equal(STEP(&e, mm_file_truncate(file, 9 * PAGE)), 0);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(touch_read(&e, mm, AT(i)), i < 5 ? 0 : RMAP_EIO);
	mm_put(mm);
	mm_file_put(file);
}

/* ---------------------------------------------------------------- what keeps VMAs apart */

/*
 * One mapping next to another that differs in one thing.
 *
 * covers: 1.9-3
 */
static void test_what_must_be_equal(void **state)
{
	static const struct {
		uint32_t prot, flags;
		bool merges;
	} kinds[] = {
		{ RW, ANON, true },
		{ MM_PROT_READ, ANON, false },
		{ RWX, ANON, false },
		{ RW, ANON | MM_MAP_NORESERVE, false },
		{ RW, ANON | MM_MAP_LOCKED, false },
		{ RW, ANON | MM_MAP_STACK, false },
		{ RW, ANON | MM_MAP_GROWSDOWN, false },
		{ RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, false },
		{ RW, ANON | MM_MAP_POPULATE, true },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct mm *mm = engine_mm(&e);
		struct mm_stats stats;

		map_anon(&e, mm, AT(0), 2);
		map_with(&e, mm, AT(2), 2, kinds[i].prot, kinds[i].flags, NULL, 0);
		mm_get_stats(mm, &stats);
		assert_int_equal(stats.map_count, kinds[i].merges ? 1 : 2);
		mm_put(mm);
	}
}

/*
 * Mappings of a file merge where its offsets go on, also private ones; not of another file.
 *
 * covers: 1.9-3
 */
static void test_files_merge_by_offset(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file, *other;
	struct hosted_file *h;

	(void)state;
	assert_int_equal(hosted_file_temp(e.h, 16 * PAGE, 7, &h), 0);
	assert_int_equal(mm_file_create(e.sys, h, 16 * PAGE, &file), 0);
	assert_int_equal(mm_file_create(e.sys, NULL, 16 * PAGE, &other), 0);
	map_with(&e, mm, AT(0), 2, RW, MM_MAP_PRIVATE, file, 0);
	map_with(&e, mm, AT(2), 2, RW, MM_MAP_PRIVATE, file, 2 * PAGE);
	layout_is(&e, mm, "rw-p 4 @0");
	map_with(&e, mm, AT(4), 2, RW, MM_MAP_PRIVATE, file, 2 * PAGE);
	layout_is(&e, mm, "rw-p 4 @0 | rw-p 2 @2");
	map_with(&e, mm, AT(6), 2, RW, MM_MAP_SHARED, file, 4 * PAGE);
	map_with(&e, mm, AT(8), 2, RW, MM_MAP_SHARED, other, 6 * PAGE);
	map_with(&e, mm, AT(10), 2, RW, MM_MAP_SHARED, other, 8 * PAGE);
	layout_is(&e, mm, "rw-p 4 @0 | rw-p 2 @2 | rw-s 2 @4 | rw-s 4 @6");
	/* Right below its like, but another part of the file. */
	map_with(&e, mm, AT(22), 2, RW, MM_MAP_PRIVATE, file, 4 * PAGE);
	map_with(&e, mm, AT(20), 2, RW, MM_MAP_PRIVATE, file, PAGE);
	assert_layout(&e, mm, AT(20), AT(30), "rw-p 2 @0 | rw-p 2 @3");
	map_with(&e, mm, AT(20), 2, RW, MM_MAP_PRIVATE, file, 2 * PAGE);
	assert_layout(&e, mm, AT(20), AT(30), "rw-p 4 @0");
	mm_put(mm);
	mm_file_put(file);
	mm_file_put(other);
}

/* ---------------------------------------------------------------- origins: every combination */

enum history {
	UNMAPPED,
	UNFAULTED,
	FAULTED, /* a page of its own origin */
	FAMILY,	 /* faulted together with the others of the FAMILY: one VMA once, split by rights */
	INHERITED, /* faulted before the fork that made this address space */
	HISTORIES,
};

struct expectation {
	bool left, right;
};

static bool origins_agree(enum history a, enum history b)
{
	if (a == UNFAULTED || b == UNFAULTED) {
		enum history other = a == UNFAULTED ? b : a;

		return other != INHERITED; /* two unfaulted ones agree as well */
	}
	return a == FAMILY && b == FAMILY;
}

/* By the checklist: each side with the middle, and if both then with each other. */
static struct expectation expect(enum history p, enum history m, enum history n)
{
	struct expectation x = { false, false };

	x.left = p != UNMAPPED && origins_agree(p, m);
	x.right = n != UNMAPPED && origins_agree(n, m);
	if (x.left && x.right && p != UNFAULTED && n != UNFAULTED && !(p == FAMILY && n == FAMILY))
		x.right = false;
	return x;
}

/* Rights by place, so that nothing merges before its time. */
static const uint32_t first_prot[3] = { RW, RWX, RW };

static void make(struct mm *mm, enum history h, unsigned int place)
{
	unsigned int page = place * 2;

	if (h == UNMAPPED || h == FAMILY)
		return;
	map_with(&e, mm, AT(page), 2, first_prot[place], ANON, NULL, 0);
	if (h == UNFAULTED)
		return;
	/* An origin of its own: it is faulted while it looks like no neighbour. */
	assert_int_equal(STEP(&e, mm_madvise(mm, AT(page), 2 * PAGE, MM_MADV_DONTDUMP)), 0);
	poke(&e, mm, AT(page), place + 1);
	assert_int_equal(STEP(&e, mm_madvise(mm, AT(page), 2 * PAGE, MM_MADV_DODUMP)), 0);
}

/* One origin for all members of the family: one VMA that is faulted, then cut by unmapping and by rights. */
static void make_family(struct mm *mm, const enum history *h)
{
	bool any = false;

	for (unsigned int i = 0; i < 3; i++)
		any |= h[i] == FAMILY;
	if (!any)
		return;
	map_anon(&e, mm, AT(0), 6);
	for (unsigned int i = 0; i < 3; i++)
		if (h[i] == FAMILY)
			poke(&e, mm, AT(2 * i), i + 1);
	assert_int_equal(protect(&e, mm, 2, 2, first_prot[1]), 0);
	for (unsigned int i = 0; i < 3; i++)
		if (h[i] != FAMILY)
			assert_int_equal(unmap(&e, mm, 2 * i, 2), 0);
}

static void layout_text(const enum history *h, struct expectation x, char *buf, size_t size)
{
	unsigned int pages[3] = { 2, 2, 2 }, at = 0;
	size_t used = 0;

	buf[0] = '\0';
	if (h[0] == UNMAPPED)
		pages[0] = 0;
	if (h[2] == UNMAPPED)
		pages[2] = 0;
	if (x.left) {
		pages[1] += pages[0];
		pages[0] = 0;
	}
	if (x.right) {
		pages[1] += pages[2];
		pages[2] = 0;
	}
	for (unsigned int i = 0; i < 3; i++) {
		if (!pages[i])
			continue;
		used += (size_t)snprintf(buf + used, size - used, "%srw-p %u @%u",
					 used ? " | " : "", pages[i], at);
		at += pages[i];
	}
}

static void one_combination(const enum history *h)
{
	struct expectation x = expect(h[0], h[1], h[2]);
	struct mm *parent = NULL, *mm;
	bool inherited = false, family = false;
	char text[128];

	for (unsigned int i = 0; i < 3; i++) {
		inherited |= h[i] == INHERITED;
		family |= h[i] == FAMILY;
	}
	/* A family needs the whole range for a moment. */
	if (inherited && family)
		return;
	mm = engine_mm(&e);

	/* What is inherited is made and faulted first, then the address space is forked. */
	for (unsigned int i = 0; i < 3; i++)
		if (h[i] == INHERITED)
			make(mm, INHERITED, i);
	if (inherited) {
		parent = mm;
		mm = engine_fork(&e, parent);
	}
	make_family(mm, h);
	for (unsigned int i = 0; i < 3; i++)
		if (h[i] != INHERITED)
			make(mm, h[i], i);
	assert_int_equal(protect(&e, mm, 2, 2, RW), 0);
	layout_text(h, x, text, sizeof(text));
	layout_is(&e, mm, text);
	for (unsigned int i = 0; i < 3; i++)
		if (h[i] != UNMAPPED && h[i] != UNFAULTED)
			assert_int_equal(peek(&e, mm, AT(2 * i)), i + 1);
	mm_put(mm);
	if (parent)
		mm_put(parent);
}

/*
 * The middle's rights become its neighbours': cases 6, 7, 8 and none, for all histories.
 *
 *	|PP|MM|NN|      rw rwx rw  ->  rw rw rw
 *
 * covers: 1.9-4, 1.9-5, B11, 1.9-1, I4
 */
static void test_origins_when_rights_change(void **state)
{
	(void)state;
	for (unsigned int p = 0; p < HISTORIES; p++)
		for (unsigned int m = UNFAULTED; m < HISTORIES; m++)
			for (unsigned int n = 0; n < HISTORIES; n++)
				one_combination((enum history[]){ p, m, n });
}

/*
 * A new mapping between two others, of all histories: it has no pages, so it can be taken by who was never inherited.
 *
 *	|PP|..|NN|   mmap  ->
 *
 * covers: 1.9-4, 1.9-2, I13
 */
static void test_origins_around_a_new_mapping(void **state)
{
	(void)state;
	for (unsigned int p = 0; p < HISTORIES; p++) {
		for (unsigned int n = 0; n < HISTORIES; n++) {
			enum history h[3] = { p, UNFAULTED, n };
			struct expectation x = expect(p, UNFAULTED, n);
			struct mm *parent = NULL, *mm;
			char text[128];

			if ((p == FAMILY && n == INHERITED) || (p == INHERITED && n == FAMILY))
				continue;
			mm = engine_mm(&e);
			make_family(mm, h);
			make(mm, p, 0);
			make(mm, n, 2);
			if (p == INHERITED || n == INHERITED) {
				/* Only where no other history would turn into "inherited". */
				if ((p != INHERITED && p == FAULTED) ||
				    (n != INHERITED && n == FAULTED)) {
					mm_put(mm);
					continue;
				}
				parent = mm;
				mm = engine_fork(&e, parent);
			}
			map_anon(&e, mm, AT(2), 2);
			layout_text(h, x, text, sizeof(text));
			layout_is(&e, mm, text);
			mm_put(mm);
			if (parent)
				mm_put(parent);
		}
	}
}

/* ---------------------------------------------------------------- origin shared with a neighbour */

/*
 * The first fault takes a neighbour's origin, the next one's before the previous one's, so that the two can merge later.
 *
 *	|aa|bb|  r-- and rw-: fault in b, then in a: one anon_vma; equal rights: one VMA
 *
 * covers: 1.2-4, 1.2-1
 */
static void test_prepare_shares_a_neighbours_origin(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct rmap *rmap = mm_system_rmap(e.sys);
	uint64_t shared;

	(void)state;
	map_anon(&e, mm, AT(0), 6);
	assert_int_equal(protect(&e, mm, 2, 2, RWX), 0);
	shared = atomic_load(&rmap_counting(rmap)->anon_vma_shared);
	poke(&e, mm, AT(4), 1);
	poke(&e, mm, AT(2), 2);
	poke(&e, mm, AT(0), 3);
	if (engine_design_is("anon_vma_chain") || engine_design_is("anon_vma"))
		assert_int_equal(atomic_load(&rmap_counting(rmap)->anon_vma_shared), shared + 2);
	assert_chained_objects(&e, RMAP_KIND_ANON_VMA, 1);
	assert_int_equal(protect(&e, mm, 2, 2, RW), 0);
	layout_is(&e, mm, "rw-p 6 @0");
	mm_put(mm);
}

/*
 * An inherited neighbour's origin is not shared: its chain has ancestors that the new VMA never had.
 *
 *	parent ..|AA|  fork  child bb|AA|cc   fault in b and in c
 *
 * covers: 1.2-5, B1
 */
static void test_prepare_shares_nothing_inherited(void **state)
{
	struct mm *parent = engine_mm(&e), *child;

	(void)state;
	map_anon(&e, parent, AT(2), 2);
	poke(&e, parent, AT(2), 1);
	poke(&e, parent, AT(3), 2);
	child = engine_fork(&e, parent);
	map_anon(&e, child, AT(4), 2);
	map_anon(&e, child, AT(0), 2);
	poke(&e, child, AT(4), 3);
	poke(&e, child, AT(0), 4);
	layout_is(&e, child, "rw-p 2 @0 | rw-p 2 @2 | rw-p 2 @4");
	/* The parent's; in the child, A's own, b's and c's. */
	assert_chained_objects(&e, RMAP_KIND_ANON_VMA, 4);
	assert_true(same_frame(parent, AT(3), child, AT(3)));
	mm_put(parent);
	assert_int_equal(peek(&e, child, AT(3)), 2);
	/* Nor by the layout's record: equal in all else, they stay apart. */
	assert_int_equal(protect(&e, child, 0, 6, MM_PROT_READ), 0);
	layout_is(&e, child, "r--p 2 @0 | r--p 2 @2 | r--p 2 @4");
	mm_put(child);
}

/*
 *	map 8 rw; the second half r; fault in the first half; two pages change sides: the chain goes with them (case 4)
 *
 *	PPPPNNNN -> PPNNNNNN, the pages found; P goes; still found
 *
 * Without accounting: memory that may have been written stays accounted, and so would be another kind than N.
 *
 * covers: B2, 1.9-5
 */
static void test_boundary_takes_the_chain_along(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	map_with(&e, mm, AT(0), 8, RW, ANON | MM_MAP_NORESERVE, NULL, 0);
	assert_int_equal(protect(&e, mm, 4, 4, MM_PROT_READ), 0);
	poke(&e, mm, AT(2), 5);
	assert_int_equal(protect(&e, mm, 2, 2, MM_PROT_READ), 0);
	layout_is(&e, mm, "rw-p 2 @0 | r--p 6 @2");
	assert_int_equal(walk_from(&e, mm, AT(2), false).found, 1);
	assert_int_equal(unmap(&e, mm, 0, 2), 0);
	assert_int_equal(walk_from(&e, mm, AT(2), false).found, 1);
	assert_int_equal(peek(&e, mm, AT(2)), 5);
	mm_put(mm);
}

/*
 * Three generations, a split in the last, its halves unmapped in both orders: the chain's order holds, the root goes last.
 *
 * covers: B3, 1.9-7, I2
 */
static void test_split_in_a_grandchild(void **state)
{
	(void)state;
	for (unsigned int order = 0; order < 2; order++) {
		struct mm *p = engine_mm(&e), *c, *g;

		map_anon(&e, p, AT(0), 4);
		for (unsigned int i = 0; i < 4; i++)
			poke(&e, p, AT(i), 10 + i);
		c = engine_fork(&e, p);
		poke(&e, c, AT(1), 21);
		g = engine_fork(&e, c);
		poke(&e, g, AT(2), 32);
		assert_int_equal(protect(&e, g, 2, 2, MM_PROT_READ), 0);
		layout_is(&e, g, "rw-p 2 @0 | r--p 2 @2");
		mm_put(order ? p : c);
		assert_int_equal(unmap(&e, g, order ? 0 : 2, 2), 0);
		mm_put(order ? c : p);
		if (order) {
			assert_int_equal(peek(&e, g, AT(2)), 32);
			assert_int_equal(peek(&e, g, AT(3)), 13);
		} else {
			assert_int_equal(peek(&e, g, AT(0)), 10);
			assert_int_equal(peek(&e, g, AT(1)), 21);
		}
		assert_int_equal(unmap(&e, g, order ? 2 : 0, 2), 0);
		assert_chained_objects(&e, RMAP_KIND_ANON_VMA, 0);
		mm_put(g);
	}
}

/*
 * Halves of an inherited VMA are as inherited as the whole: nothing new joins them.
 *
 *	child |AAAA| -> |AA|..|BB.. -> |AA|nn|
 *
 * covers: 1.9-7, 1.9-4
 */
static void test_halves_stay_inherited(void **state)
{
	(void)state;
	for (unsigned int half = 0; half < 2; half++) {
		struct mm *parent = engine_mm(&e), *mm;

		map_anon(&e, parent, AT(0), 4);
		poke(&e, parent, AT(0), 1);
		mm = engine_fork(&e, parent);
		assert_int_equal(unmap(&e, mm, half ? 2 : 0, 2), 0);
		map_anon(&e, mm, AT(half ? 2 : 0), 2);
		layout_is(&e, mm, "rw-p 2 @0 | rw-p 2 @2");
		mm_put(mm);
		mm_put(parent);
	}
}

/*
 * Both halves of a split keep origin and chain, and come together again.
 *
 * covers: 1.9-7, I3, B9
 */
static void test_split_and_back(void **state)
{
	struct mm *parent = engine_mm(&e), *mm;
	uint64_t chain;

	(void)state;
	map_anon(&e, parent, AT(0), 6);
	poke(&e, parent, AT(0), 1);
	mm = engine_fork(&e, parent);
	chain = objects_of(&e, RMAP_KIND_AVC);
	assert_int_equal(protect(&e, mm, 2, 2, MM_PROT_READ), 0);
	layout_is(&e, mm, "rw-p 2 @0 | r--p 2 @2 | rw-p 2 @4");
	assert_chained_objects(&e, RMAP_KIND_AVC, chain + 2 * 2);
	assert_int_equal(protect(&e, mm, 2, 2, RW), 0);
	layout_is(&e, mm, "rw-p 6 @0");
	assert_chained_objects(&e, RMAP_KIND_AVC, chain);
	mm_put(mm);
	mm_put(parent);
}

/*
 * An inherited VMA that grows in place takes an unfaulted next one in, as the live kernel does, though mmap beside it would not
 * have been taken.
 *
 *	child |AA|..|bb|  mremap A 2 -> 4
 *
 * covers: 1.9-4, 1.10-2
 */
static void test_extend_joins_the_next(void **state)
{
	struct mm *parent = engine_mm(&e), *mm;
	uint64_t result;

	(void)state;
	map_anon(&e, parent, AT(0), 2);
	map_anon(&e, parent, AT(4), 2);
	poke(&e, parent, AT(0), 1);
	mm = engine_fork(&e, parent);
	assert_int_equal(STEP(&e, mm_mremap(mm, AT(0), 2 * PAGE, 4 * PAGE, 0, 0, &result)), 0);
	layout_is(&e, mm, "rw-p 6 @0");
	mm_put(mm);
	mm_put(parent);
}

static void note_prot(const struct mm_vma_info *vma, void *arg)
{
	uint32_t *prot = arg;

	prot[vma->start == AT(0) ? 0 : 1] = vma->prot;
}

/*
 * A change that fails half way leaves the VMAs before it changed: the second has no right to be made writable.
 *
 *	|aa|ss|  mprotect both rw
 *
 * covers: 1.9-8
 */
static void test_earlier_vmas_stay_changed(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file;
	uint32_t prot[2] = { 0 };
	uint64_t at;

	(void)state;
	assert_int_equal(mm_file_create(e.sys, NULL, 4 * PAGE, &file), 0);
	map_with(&e, mm, AT(0), 2, MM_PROT_READ, ANON, NULL, 0);
	assert_int_equal(mm_mmap(mm,
				 &(struct mm_mmap){ .addr = AT(2),
						    .len = 2 * PAGE,
						    .prot = MM_PROT_READ,
						    .flags = MM_MAP_SHARED | MM_MAP_FIXED,
						    .file = file,
						    .file_mode = MM_FILE_READ },
				 &at),
			 0);
	assert_int_equal(protect(&e, mm, 0, 4, RW), RMAP_EACCES);
	mm_for_each_vma(mm, note_prot, prot);
	assert_int_equal(prot[0], RW);
	assert_int_equal(prot[1], MM_PROT_READ);
	mm_put(mm);
	mm_file_put(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cases_1_to_3, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cases_4_and_5, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cases_6_to_8, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_bounds_move, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_must_be_equal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files_merge_by_offset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_origins_when_rights_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_origins_around_a_new_mapping, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prepare_shares_a_neighbours_origin, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_prepare_shares_nothing_inherited, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_boundary_takes_the_chain_along, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_split_in_a_grandchild, setup, teardown),
		cmocka_unit_test_setup_teardown(test_halves_stay_inherited, setup, teardown),
		cmocka_unit_test_setup_teardown(test_split_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_extend_joins_the_next, setup, teardown),
		cmocka_unit_test_setup_teardown(test_earlier_vmas_stay_changed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
