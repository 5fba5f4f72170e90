// SPDX-License-Identifier: BSD-2-Clause
/*
 * The designs side by side: what each pays for the same question, what it holds in memory, and that it is right where its
 * structures change most: after moves at several depths, with colliding file offsets, without memory.
 *
 * The engine's other tests run under every design, too (RMAP_DESIGN); here stands what is different by right.
 */
#include "faulty.h"

#include <string.h>

#define BASE	 0x10000000ull
#define CHILDREN 20
#define TABLE	 512 /* slots of a page table */

#define AT(page) (BASE + (uint64_t)(page)*PAGE)

/* looks: PTE slots read. 0: more than that many tables' worth (scan), see expect_looks(). */
struct expected {
	const char *name;
	uint64_t child_full, child_stop;   /* from the page that the last child wrote */
	uint64_t parent_full, parent_stop; /* from a page that the parent wrote after the forks */
	uint64_t left_full,
		left_stop; /* from a page of the parent's that only the last child still has */
};

static const struct expected expected[] = {
	{ "anon_vma_chain", 1, 1, CHILDREN + 1, 1, CHILDREN + 1, CHILDREN + 1 },
	/* Every relative, whoever has the page; the parent is the first of them. */
	{ "anon_vma", CHILDREN + 1, CHILDREN + 1, CHILDREN + 1, 1, CHILDREN + 1, CHILDREN + 1 },
	{ "pte_chain", 1, 1, 1, 1, 1, 1 },
	{ "anonmm", CHILDREN + 1, CHILDREN + 1, CHILDREN + 1, 1, CHILDREN + 1, CHILDREN + 1 },
	/* The page is the writer's alone, and known to be: its context is the first and the last. */
	{ "cow_context", 1, 1, 1, 1, CHILDREN + 1, CHILDREN + 1 },
	/* Newer than all children. The one that is left is the newest: the second to be looked at. (Settled: test_lineage.c.) */
	{ "lineage", 1, 1, 1, 1, CHILDREN + 1, 2 },
	/* Every slot of every table of all of them. */
	{ "scan", 0, 0, 0, 0, 0, 0 },
};

static const struct expected *expected_of(const struct rmap_ops *design)
{
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		if (!strcmp(expected[i].name, rmap_design_name(design)))
			return &expected[i];
	fail_msg("nothing is expected of %s", rmap_design_name(design));
	return NULL;
}

static void setup(struct engine *e, const struct rmap_ops *design)
{
	struct engine_config config = { .mm.design = design };

	engine_setup(e, &config);
}

/* Is it this design that runs? */
static bool runs(const struct engine *e, const char *name)
{
	return !strcmp(rmap_design_name(mm_system_rmap(e->sys)->ops), name);
}

static void expect_looks(struct engine *e, struct mm *mm, uint64_t addr, uint64_t full,
			 uint64_t stop)
{
	struct rmap_walk walk = walk_from(e, mm, addr, false);

	assert_int_equal(walk.found, 1);
	if (full)
		assert_int_equal(walk.looks, full);
	else
		assert_true(walk.looks >= (CHILDREN + 1) * TABLE);
	walk = walk_from(e, mm, addr, true);
	assert_int_equal(walk.found, 1);
	if (stop)
		assert_int_equal(walk.looks, stop);
}

/*
 *	page:     0  1  2
 *	parent    P  p  -     wrote page 0 again after the forks; page 2 it unmapped
 *	child i   c  c  -     wrote pages 0 and 1, unmapped page 2
 *	child 20  c  c  p     kept the parent's page 2
 *
 * The history of the field in numbers.
 */
static void test_looks(void **state)
{
	(void)state;
	for (unsigned int d = 0; rmap_designs[d]; d++) {
		const struct expected *x = expected_of(rmap_designs[d]);
		struct mm *parent, *child[CHILDREN], *last;
		struct engine e;

		setup(&e, rmap_designs[d]);
		parent = engine_mm(&e);
		map_anon(&e, parent, BASE, 4);
		for (unsigned int i = 0; i < 3; i++)
			poke(&e, parent, AT(i), 100 + i);
		for (unsigned int c = 0; c < CHILDREN; c++)
			child[c] = engine_fork(&e, parent);
		last = child[CHILDREN - 1];
		for (unsigned int c = 0; c < CHILDREN; c++) {
			poke(&e, child[c], AT(0), c);
			poke(&e, child[c], AT(1), c);
			if (child[c] != last)
				assert_int_equal(STEP(&e, mm_madvise(child[c], AT(2), PAGE,
								     MM_MADV_DONTNEED)),
						 0);
		}
		poke(&e, parent, AT(0), 1);
		assert_int_equal(STEP(&e, mm_madvise(parent, AT(2), PAGE, MM_MADV_DONTNEED)), 0);

		expect_looks(&e, last, AT(0), x->child_full, x->child_stop);
		expect_looks(&e, parent, AT(0), x->parent_full, x->parent_stop);
		expect_looks(&e, last, AT(2), x->left_full, x->left_stop);
		assert_int_equal(peek(&e, last, AT(2)), 102);
		for (unsigned int c = 0; c < CHILDREN; c++)
			mm_put(child[c]);
		mm_put(parent);
		engine_teardown(&e);
	}
}

/* A page that all have is found in all, and where that is enough the walk stops there. */
static void test_a_shared_page_is_found_everywhere(void **state)
{
	(void)state;
	for (unsigned int d = 0; rmap_designs[d]; d++) {
		struct mm *parent, *child[CHILDREN];
		struct rmap_walk walk;
		struct engine e;

		setup(&e, rmap_designs[d]);
		parent = engine_mm(&e);
		map_anon(&e, parent, BASE, 1);
		poke(&e, parent, BASE, 7);
		for (unsigned int c = 0; c < CHILDREN; c++)
			child[c] = engine_fork(&e, c % 2 ? child[c - 1] : parent);
		walk = walk_from(&e, child[3], BASE, false);
		assert_int_equal(walk.found, CHILDREN + 1);
		if (!runs(&e, "scan"))
			assert_int_equal(walk.looks, CHILDREN + 1);
		/* Out and in again, by one after the other: one page, found by all. */
		swap_out(&e, parent, BASE);
		for (unsigned int c = CHILDREN; c-- > 0;)
			assert_int_equal(peek(&e, child[c], BASE), 7);
		walk = walk_from(&e, child[0], BASE, false);
		assert_int_equal(walk.found, CHILDREN);
		/* The parent of half of them goes; the page goes on and out. */
		mm_put(parent);
		engine_check(&e);
		assert_int_equal(STEP(&e, mm_migrate(child[0], BASE)), 0);
		walk = walk_from(&e, child[0], BASE, false);
		assert_int_equal(walk.found, CHILDREN);
		for (unsigned int c = 0; c < CHILDREN; c++)
			mm_put(child[c]);
		engine_teardown(&e);
	}
}

static int move(struct engine *e, struct mm *mm, uint64_t from, uint64_t pages, uint64_t to)
{
	uint64_t at;

	return STEP(e, mm_mremap(mm, from, pages * PAGE, pages * PAGE,
				 MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, to, &at));
}

/*
 *	p     [0 1 2 3 4 5 6 7] at BASE --> pages 2..5 to 1000
 *	c     forked; its 1000.. --> 2000.. (3 pages) and one page home
 *	g     forked from c; all home
 *
 * Each page is found wherever it is, is migrated, goes to swap and comes back.
 */
static void test_moves_at_several_depths(void **state)
{
	(void)state;
	for (unsigned int d = 0; rmap_designs[d]; d++) {
		struct mm *p, *c, *g;
		struct engine e;
		/* One address in all address spaces: then a moved page is a copy. */
		bool copies;

		setup(&e, rmap_designs[d]);
		copies = runs(&e, "anonmm");
		p = engine_mm(&e);
		map_anon(&e, p, BASE, 8);
		for (unsigned int i = 0; i < 8; i++)
			poke(&e, p, AT(i), 100 + i);
		assert_int_equal(move(&e, p, AT(2), 4, AT(1000)), 0);
		assert_int_equal(walk_from(&e, p, AT(1001), false).found, 1);
		c = engine_fork(&e, p);
		assert_int_equal(walk_from(&e, p, AT(1001), false).found, 2);
		assert_int_equal(move(&e, c, AT(1000), 1, AT(2)), 0);
		assert_int_equal(move(&e, c, AT(1001), 3, AT(2001)), 0);
		assert_int_equal(walk_from(&e, p, AT(1001), false).found, copies ? 1 : 2);
		g = engine_fork(&e, c);
		assert_int_equal(move(&e, g, AT(2001), 3, AT(3)), 0);
		for (unsigned int i = 2; i < 6; i++) {
			uint64_t in_c = i == 2 ? AT(2) : AT(1998 + i);

			assert_int_equal(peek(&e, p, AT(998 + i)), 100 + i);
			assert_int_equal(peek(&e, c, in_c), 100 + i);
			assert_int_equal(peek(&e, g, AT(i)), 100 + i);
			if (!copies)
				assert_int_equal(walk_from(&e, g, AT(i), false).found, 3);
			assert_int_equal(STEP(&e, mm_migrate(c, in_c)), 0);
			assert_int_equal(peek(&e, g, AT(i)), 100 + i);
		}
		swap_out(&e, p, AT(1001));
		swap_out(&e, c, AT(2001));
		swap_out(&e, g, AT(3));
		/* Entries move, too. */
		assert_int_equal(move(&e, c, AT(2001), 3, AT(5000)), 0);
		poke(&e, g, AT(3), 1);
		for (unsigned int i = 3; i < 6; i++) {
			assert_int_equal(peek(&e, p, AT(998 + i)), 100 + i);
			assert_int_equal(peek(&e, c, AT(4997 + i)), 100 + i);
			assert_int_equal(peek(&e, g, AT(i)), i == 3 ? 1 : 100 + i);
		}
		assert_int_equal(STEP(&e, mm_swapoff(e.sys)), 0);
		mm_put(p);
		engine_check(&e);
		assert_int_equal(peek(&e, g, AT(4)), 104);
		mm_put(c);
		mm_put(g);
		engine_teardown(&e);
	}
}

/*
 *	file: [0 1 2 3]   mapped privately at BASE, at 100 and, from page 2 on, at 200; all written
 *
 * The same page offset, many pages: each is found, and by cow_context at one look, since it is at home where it was written.
 */
static void test_private_files_with_colliding_offsets(void **state)
{
	(void)state;
	for (unsigned int d = 0; rmap_designs[d]; d++) {
		const uint32_t rw = MM_PROT_READ | MM_PROT_WRITE;
		struct mm_file *file;
		struct mm *p, *c;
		struct engine e;

		setup(&e, rmap_designs[d]);
		file = pattern_file(&e, 4, 3);
		p = engine_mm(&e);
		map_with(&e, p, AT(0), 4, rw, MM_MAP_PRIVATE, file, 0);
		map_with(&e, p, AT(100), 4, rw, MM_MAP_PRIVATE, file, 0);
		map_with(&e, p, AT(200), 2, rw, MM_MAP_PRIVATE, file, 2 * PAGE);
		for (unsigned int i = 0; i < 4; i++) {
			poke(&e, p, AT(i), i);
			poke(&e, p, AT(100 + i), 10 + i);
			if (i >= 2)
				poke(&e, p, AT(198 + i), 20 + i);
		}
		if (runs(&e, "cow_context"))
			assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 0);
		assert_int_equal(walk_from(&e, p, AT(103), false).found, 1);
		if (runs(&e, "cow_context"))
			assert_int_equal(walk_from(&e, p, AT(103), false).looks, 1);
		c = engine_fork(&e, p);
		assert_int_equal(move(&e, c, AT(100), 4, AT(300)), 0);
		assert_int_equal(walk_from(&e, p, AT(2), false).found, 2);
		assert_int_equal(walk_from(&e, p, AT(103), false).found,
				 runs(&e, "anonmm") ? 1 : 2);
		for (unsigned int i = 0; i < 4; i++)
			assert_int_equal(peek(&e, c, AT(300 + i)), 10 + i);
		mm_put(p);
		engine_check(&e);
		for (unsigned int i = 2; i < 4; i++)
			assert_int_equal(peek(&e, c, AT(198 + i)), 20 + i);
		mm_put(c);
		mm_file_put(file);
		settle(&e);
		engine_teardown(&e);
	}
}

/* What a chain is made of: nothing for one PTE, a block for up to seven, and as few as can be when they go. */
static void test_pte_chain_blocks(void **state)
{
	static const struct {
		unsigned int ptes, blocks;
	} want[] = { { 1, 0 }, { 2, 1 }, { 7, 1 }, { 8, 2 }, { 14, 2 }, { 15, 3 } };
	struct mm *mm[16];
	struct engine e;
	unsigned int n = 1;

	(void)state;
	setup(&e, &rmap_pte_chain);
	mm[0] = engine_mm(&e);
	map_anon(&e, mm[0], BASE, 1);
	poke(&e, mm[0], BASE, 1);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		for (; n < want[i].ptes; n++)
			mm[n] = engine_fork(&e, mm[0]);
		assert_int_equal(objects_of(&e, RMAP_KIND_PTE_CHAIN), want[i].blocks);
		assert_int_equal(walk_from(&e, mm[0], BASE, false).looks, n);
	}
	for (size_t i = sizeof(want) / sizeof(want[0]); i-- > 0;) {
		for (; n > want[i].ptes; n--)
			mm_put(mm[n - 1]);
		engine_check(&e);
		assert_int_equal(objects_of(&e, RMAP_KIND_PTE_CHAIN), want[i].blocks);
	}
	mm_put(mm[0]);
	engine_teardown(&e);
}

static uint64_t blocks_allocated(struct engine *e)
{
	struct rmap_counts counts;

	rmap_get_counts(mm_system_rmap(e->sys), &counts);
	return counts.object[RMAP_KIND_PTE_CHAIN].allocated;
}

/*
 *	parent [ 600 pages, two tables ][ 3 ] ~ [ 3 ] ~ …	a fork takes a block for each page's second and eighth mapping, and
 *							sets aside a run's worth besides, however many VMAs and tables there are
 */
static void test_pte_chain_sets_little_aside(void **state)
{
	const uint64_t pages = 600 + 20 * 3;
	struct mm *parent, *child[9];
	struct engine e;

	(void)state;
	setup(&e, &rmap_pte_chain);
	parent = engine_mm(&e);
	map_anon(&e, parent, BASE, 600);
	for (uint64_t page = 0; page < 600; page++)
		assert_int_equal(touch_write(&e, parent, AT(page)), 0);
	for (uint64_t vma = 0; vma < 20; vma++) {
		map_anon(&e, parent, AT(1000 + 5 * vma), 3);
		for (uint64_t page = 0; page < 3; page++)
			assert_int_equal(touch_write(&e, parent, AT(1000 + 5 * vma + page)), 0);
	}
	for (unsigned int i = 0; i < 9; i++) {
		uint64_t before = blocks_allocated(&e);
		/* The second mapping, that makes two entries of one in the page; the eighth, behind seven in a block. */
		uint64_t needed = i == 0 || i == 6 ? pages : 0;

		child[i] = engine_fork(&e, parent);
		assert_in_range(blocks_allocated(&e) - before, needed, needed + RMAP_RUN_MAX);
	}
	assert_int_equal(objects_of(&e, RMAP_KIND_PTE_CHAIN), 2 * pages);
	for (unsigned int i = 0; i < 9; i++)
		mm_put(child[i]);
	mm_put(parent);
	engine_teardown(&e);
}

/* A walk that unmaps under its own feet: 40 entries go while it is in the chain, and no block is left. */
static void test_pte_chain_is_emptied_by_a_walk(void **state)
{
	struct mm *mm[40];
	struct engine e;

	(void)state;
	setup(&e, &rmap_pte_chain);
	mm[0] = engine_mm(&e);
	map_anon(&e, mm[0], BASE, 1);
	poke(&e, mm[0], BASE, 5);
	for (unsigned int i = 1; i < 40; i++)
		mm[i] = engine_fork(&e, mm[0]);
	assert_int_equal(STEP(&e, mm_migrate(mm[7], BASE)), 0);
	assert_int_equal(walk_from(&e, mm[7], BASE, false).found, 40);
	assert_int_equal(objects_of(&e, RMAP_KIND_PTE_CHAIN), 6);
	swap_out(&e, mm[0], BASE);
	assert_int_equal(objects_of(&e, RMAP_KIND_PTE_CHAIN), 0);
	for (unsigned int i = 0; i < 40; i++) {
		assert_int_equal(peek(&e, mm[i], BASE), 5);
		mm_put(mm[i]);
	}
	engine_teardown(&e);
}

/*
 *	moved [a b c d e f] --mprotect--> [a b][c d][e f] --munmap--> [a b]    [e f] --munmap--> nothing
 *	remaps:  1                         1                       2                        0
 */
static void test_cow_context_remaps(void **state)
{
	struct engine e;
	struct mm *mm, *child;

	(void)state;
	setup(&e, &rmap_cow_context);
	mm = engine_mm(&e);
	map_anon(&e, mm, BASE, 6);
	for (unsigned int i = 0; i < 6; i++)
		poke(&e, mm, AT(i), i);
	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 0);
	assert_int_equal(move(&e, mm, AT(0), 6, AT(100)), 0);
	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 1);
	assert_int_equal(STEP(&e, mm_mprotect(mm, AT(102), 2 * PAGE, MM_PROT_READ)), 0);
	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 1);
	child = engine_fork(&e, mm);
	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 2);
	assert_int_equal(STEP(&e, mm_munmap(mm, AT(102), 2 * PAGE)), 0);
	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 3);
	/* A second distance over the same offsets; then home, where no distance is kept. */
	assert_int_equal(move(&e, mm, AT(100), 2, AT(200)), 0);
	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 3);
	assert_int_equal(walk_from(&e, mm, AT(200), false).found, 2);
	assert_int_equal(move(&e, mm, AT(200), 2, AT(0)), 0);
	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 2);
	assert_int_equal(walk_from(&e, child, AT(101), false).found, 2);
	assert_int_equal(STEP(&e, mm_munmap(mm, BASE, 1000 * PAGE)), 0);
	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 1);
	mm_put(mm);
	assert_int_equal(peek(&e, child, AT(105)), 5);
	mm_put(child);
	assert_int_equal(objects_of(&e, RMAP_KIND_CONTEXT), 0);
	engine_teardown(&e);
}

/*
 *	from      [0 1 2 3 4 5 6 7 | 8 ... ]   even pages go 100 pages up, odd ones 200, the next eight 100
 *	100 up    [0   2   4   6     8 ... 15]  ranges of one distance, apart
 *	200 up    [  1   3   5   7           ]
 *
 * What moves back, or goes, must be found among its own distance's ranges, whatever lies over the same offsets.
 */
static void test_cow_context_distances(void **state)
{
	struct engine e;
	struct mm *mm;

	(void)state;
	setup(&e, &rmap_cow_context);
	mm = engine_mm(&e);
	map_anon(&e, mm, BASE, 16);
	for (unsigned int i = 0; i < 16; i++)
		poke(&e, mm, AT(i), i);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(move(&e, mm, AT(i), 1, AT(i + (i % 2 ? 200 : 100))), 0);
	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 8);
	assert_int_equal(move(&e, mm, AT(8), 8, AT(108)), 0);
	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 9);
	/* 101 joins 100 and 102, and is theirs; then all from 100 to 107 but 105 are one, and 108 to 115. */
	assert_int_equal(move(&e, mm, AT(201), 1, AT(101)), 0);
	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 7);
	assert_int_equal(move(&e, mm, AT(203), 1, AT(103)), 0);
	assert_int_equal(move(&e, mm, AT(207), 1, AT(107)), 0);
	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 3);
	/* A second distance over the middle of it, and the middle away. */
	assert_int_equal(move(&e, mm, AT(110), 2, AT(310)), 0);
	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 5);
	for (unsigned int i = 0; i < 16; i++) {
		uint64_t at = AT(i == 5 ? 205 : i / 2 == 5 ? 300 + i : 100 + i);

		assert_int_equal(peek(&e, mm, at), i);
		assert_int_equal(walk_from(&e, mm, at, false).found, 1);
	}
	/* Home again, one by one: no distance is left. */
	for (unsigned int i = 0; i < 16; i++)
		assert_int_equal(move(&e, mm,
				      AT(i == 5	      ? 205
					 : i / 2 == 5 ? 300 + i
						      : 100 + i),
				      1, AT(i)),
				 0);
	assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 0);
	mm_put(mm);
	engine_teardown(&e);
}

/* Children keep their parents' contexts: a line of generations is as long as it was ever. */
static void test_cow_context_generations(void **state)
{
	struct engine e;
	struct mm *mm;

	(void)state;
	setup(&e, &rmap_cow_context);
	mm = engine_mm(&e);
	map_anon(&e, mm, BASE, 1);
	poke(&e, mm, BASE, 9);
	for (unsigned int i = 0; i < 30; i++) {
		struct mm *child = engine_fork(&e, mm);

		mm_put(mm);
		mm = child;
	}
	assert_int_equal(objects_of(&e, RMAP_KIND_CONTEXT), 31);
	/* The page is the first one's; the walk goes down to the last. */
	assert_int_equal(walk_from(&e, mm, BASE, false).looks, 1);
	assert_int_equal(walk_from(&e, mm, BASE, false).steps, 31);
	mm_put(mm);
	assert_int_equal(objects_of(&e, RMAP_KIND_CONTEXT), 0);
	engine_teardown(&e);
}

/* ---------------------------------------------------------------- no memory */

/* All that asks a design for memory; stops at the first error. */
static int story(struct engine *e, struct mm *p, struct mm_file *file, struct mm **c)
{
	struct mm_mmap anon = { .addr = BASE,
				.len = 8 * PAGE,
				.prot = MM_PROT_READ | MM_PROT_WRITE,
				.flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_FIXED };
	struct mm_mmap private = { .addr = AT(50),
				   .len = 4 * PAGE,
				   .prot = MM_PROT_READ | MM_PROT_WRITE,
				   .flags = MM_MAP_PRIVATE | MM_MAP_FIXED,
				   .file = file,
				   .file_mode = MM_FILE_READ };
	uint64_t at;
	int error = mm_mmap(p, &anon, &at);

	if (!error)
		error = mm_mmap(p, &private, &at);
	for (unsigned int i = 0; i < 8 && !error; i++)
		error = mm_fault(p, AT(i), MM_ACCESS_WRITE);
	for (unsigned int i = 0; i < 4 && !error; i++)
		error = mm_fault(p, AT(50 + i), i % 2 ? MM_ACCESS_WRITE : MM_ACCESS_READ);
	if (!error)
		error = mm_mremap(p, AT(2), 4 * PAGE, 4 * PAGE, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED,
				  AT(100), &at);
	if (!error)
		error = mm_fork(p, c);
	if (!error)
		error = mm_mremap(*c, AT(101), 2 * PAGE, 2 * PAGE,
				  MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, AT(200), &at);
	if (!error)
		error = mm_fault(*c, AT(200), MM_ACCESS_WRITE);
	if (!error)
		error = mm_mprotect(p, AT(101), PAGE, MM_PROT_READ);
	if (!error)
		error = mm_migrate(p, AT(103));
	if (!error)
		error = mm_munmap(p, AT(102), PAGE);
	(void)e;
	return error;
}

/* Each allocation of the story fails once, under each design: an error with everything in order, or nothing to be seen. */
static void test_every_allocation_fails(void **state)
{
	(void)state;
	for (unsigned int d = 0; rmap_designs[d]; d++) {
		struct engine_config config = { .mm.design = rmap_designs[d] };
		struct testport *tp;
		struct mm_file *file;
		struct engine e;
		bool failed = true;

		faulty_setup(&e, &tp, &config);
		file = pattern_file(&e, 4, 7);
		for (uint64_t n = 1; failed; n++) {
			struct mm *p = engine_mm(&e), *c = NULL;
			int error;

			testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
			error = story(&e, p, file, &c);
			failed = testport_fail_none(tp) != 0;
			engine_check(&e);
			/* Some failures only cost something: an allocation that was not needed after all. */
			assert_true(error == 0 || (error == RMAP_ENOMEM && failed));
			if (c)
				mm_put(c);
			engine_check(&e);
			mm_put(p);
			settle(&e);
			assert_int_equal(rmap_bytes(mm_system_rmap(e.sys), RMAP_KIND_TIER1_END), 0);
		}
		mm_file_put(file);
		settle(&e);
		faulty_teardown(&e, tp);
	}
}

/* What every design says of itself. */
static void test_declared_bytes(void **state)
{
	(void)state;
	assert_ptr_equal(rmap_designs[0], &rmap_anon_vma_chain);
	for (unsigned int d = 0; rmap_designs[d]; d++) {
		struct rmap_design_bytes bytes = rmap_design_bytes(rmap_designs[d]);

		assert_ptr_equal(rmap_design_by_name(rmap_design_name(rmap_designs[d])),
				 rmap_designs[d]);
		assert_true(bytes.page <= sizeof(struct rmap_page));
		assert_true(bytes.vma <= sizeof(((struct rmap_vma *)NULL)->design));
		assert_true(bytes.mm <= sizeof(struct rmap_mm));
		assert_true(bytes.slot <= sizeof(struct rmap_slot));
	}
}

/*
 *	P  |A.|  ---- both out to swap ----  C moves its entry:  |..A|
 *
 * Each touches its own. Where a page has one address in all relatives (anonmm) the second to come gets a copy; under all
 * others both show one page again. Contents are the same everywhere.
 *
 * covers: 1.6-5, 1.13, B29
 */
static void test_swap_in_at_another_address(void **state)
{
	(void)state;
	for (unsigned int d = 0; rmap_designs[d]; d++) {
		struct mm *parent, *child;
		struct engine e;
		uint64_t to;
		bool shared;

		setup(&e, rmap_designs[d]);
		parent = engine_mm(&e);
		map_anon(&e, parent, AT(0), 2);
		poke(&e, parent, AT(0), 1);
		poke(&e, parent, AT(1), 2);
		child = engine_fork(&e, parent);
		swap_out(&e, parent, AT(0));
		assert_int_equal(page_info(child, AT(0)).state, MM_PAGE_SWAPPED);
		assert_int_equal(
			STEP(&e, mm_mremap(child, AT(0), PAGE, PAGE,
					   MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, AT(100), &to)),
			0);
		assert_int_equal(peek(&e, parent, AT(0)), 1);
		assert_int_equal(peek(&e, child, AT(100)), 1);
		shared = same_frame(parent, AT(0), child, AT(100));
		assert_int_equal(shared, !runs(&e, "anonmm"));
		assert_int_equal(walk_from(&e, parent, AT(0), false).found, shared ? 2 : 1);
		assert_int_equal(walk_from(&e, child, AT(100), false).found, shared ? 2 : 1);
		poke(&e, child, AT(100), 3);
		assert_int_equal(peek(&e, parent, AT(0)), 1);
		mm_put(parent);
		assert_int_equal(peek(&e, child, AT(100)), 3);
		mm_put(child);
		engine_teardown(&e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_declared_bytes),
		cmocka_unit_test(test_looks),
		cmocka_unit_test(test_a_shared_page_is_found_everywhere),
		cmocka_unit_test(test_moves_at_several_depths),
		cmocka_unit_test(test_swap_in_at_another_address),
		cmocka_unit_test(test_private_files_with_colliding_offsets),
		cmocka_unit_test(test_pte_chain_blocks),
		cmocka_unit_test(test_pte_chain_sets_little_aside),
		cmocka_unit_test(test_pte_chain_is_emptied_by_a_walk),
		cmocka_unit_test(test_cow_context_remaps),
		cmocka_unit_test(test_cow_context_distances),
		cmocka_unit_test(test_cow_context_generations),
		cmocka_unit_test(test_every_allocation_fails),
	};

	return cmocka_run_group_tests_name("designs", tests, NULL, NULL);
}
