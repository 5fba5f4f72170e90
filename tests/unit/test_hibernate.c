// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hibernation: an image is taken, the machine is destroyed, another one resumes it. Contents, sharing, exclusiveness and layout
 * are what they were, and go on to behave so; an image that is cut, altered or forged resumes nothing.
 */
#include "failed.h"
#include "faulty.h"
#include "image_memory.h"

#include <stdlib.h>
#include <string.h>

#include "mm/image.h"
#include "mm/mm_types.h"
#include "mm/reclaim.h"

#define RW (MM_PROT_READ | MM_PROT_WRITE)

static struct engine e;
static struct testport *tp;

/* ---------------------------------------------------------------- an image in memory */

/* Where each write of the last image ended, of a large one the first. */
#define WRITES 512
static uint64_t write_end[WRITES];
static unsigned int nr_writes;

static struct image_memory image;
static uint64_t full_at; /* writes beyond this length fail; 0: none do */

static int image_write(void *ctx, const void *data, uint64_t len)
{
	int error;

	if (full_at && image.len + len > full_at)
		return RMAP_ENOSPC;
	nr_writes = image.len ? nr_writes : 0;
	error = image_memory_write(ctx, data, len);
	if (!error && nr_writes < WRITES)
		write_end[nr_writes++] = image.len;
	return error;
}

static const struct mm_stream stream = { .ctx = &image,
					 .write = image_write,
					 .read = image_memory_read };

/* ---------------------------------------------------------------- two machines, one after the other */

#define MMS	8
#define ORIGINS 12

static struct mm *resumed[MMS];
static struct mm_file *kept_file; /* of the first machine, mapped by its processes */
static uint64_t file_seed;
static const char *next_design; /* of the next machine; NULL: as the first */

static void start(uint64_t frames, uint64_t slots, bool phantom)
{
	struct engine_config config = {
		.machine = { .nr_frames = frames, .nr_swap_slots = slots },
		.mm = { .phantom = phantom, .overcommit = MM_OVERCOMMIT_ALWAYS },
	};

	if (next_design)
		config.mm.design = rmap_design_by_name(next_design);
	next_design = NULL;

	faulty_setup(&e, &tp, &config);
	memset(resumed, 0, sizeof(resumed));
}

static int setup(void **state)
{
	(void)state;
	image = (struct image_memory){ 0 };
	kept_file = NULL;
	start(2048, 1024, false);
	return 0;
}

static int setup_phantom(void **state)
{
	(void)state;
	image = (struct image_memory){ 0 };
	kept_file = NULL;
	start(2048, 1024, true);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (test_has_failed())
		return 0;
	for (int i = 0; i < MMS; i++)
		if (resumed[i])
			mm_put(resumed[i]);
	settle(&e);
	faulty_teardown(&e, tp);
	free(image.data);
	return 0;
}

static int resume_file(void *arg, uint64_t id, uint64_t size, void **handle)
{
	struct hosted_file *file;

	(void)arg;
	(void)id;
	if (hosted_file_temp(e.h, size, file_seed, &file))
		return RMAP_ENOMEM;
	*handle = file;
	return 0;
}

static void resume_mm(void *arg, uint64_t id, struct mm *mm)
{
	(void)arg;
	assert_in_range(id, 100, 100 + MMS - 1);
	resumed[id - 100] = mm;
}

static const struct mm_resume resume = { .file = resume_file, .mm = resume_mm };

static int try_resume(void)
{
	image.pos = 0;
	return mm_resume_image(e.sys, &stream, &resume);
}

static void hibernate(struct mm **mms, uint32_t nr)
{
	static const uint64_t ids[MMS] = { 100, 101, 102, 103, 104, 105, 106, 107 };

	image.len = 0;
	assert_int_equal(STEP(&e, mm_hibernate(e.sys, mms, ids, nr, &stream)), 0);
}

static void next_machine(struct mm **mms, uint32_t nr, uint64_t frames, uint64_t slots)
{
	bool phantom = mm_system_phantom(e.sys);

	for (uint32_t i = 0; i < nr; i++)
		mm_put(mms[i]);
	if (kept_file)
		mm_file_put(kept_file);
	kept_file = NULL;
	settle(&e);
	faulty_teardown(&e, tp);
	start(frames, slots, phantom);
}

/* Out, and back on a machine of the same size; mms are the resumed ones afterwards. */
static void through_an_image(struct mm **mms, uint32_t nr)
{
	hibernate(mms, nr);
	next_machine(mms, nr, 2048, 1024);
	assert_int_equal(STEP(&e, try_resume()), 0);
	for (uint32_t i = 0; i < nr; i++) {
		mms[i] = resumed[i];
		assert_non_null(mms[i]);
	}
}

/* ---------------------------------------------------------------- contents and figures */

/*
 *	[heap: w w . w]   [file, private: r w]   [file, shared: w]   [shared anonymous: w .]
 */
static void contents(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a, f, s, m;
	struct mm_stats before, after;

	(void)state;
	file_seed = 5;
	kept_file = pattern_file(&e, 4, 5);
	a = map_anon(&e, mm, 0, 4);
	f = map_with(&e, mm, 0, 2, RW, MM_MAP_PRIVATE, kept_file, PAGE);
	s = map_with(&e, mm, 0, 2, MM_PROT_READ, MM_MAP_SHARED, kept_file, 0);
	m = map_with(&e, mm, 0, 2, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
	assert_int_equal(STEP(&e, mm_set_brk(mm, 0x40000000)), 0);
	assert_int_equal(mm_brk(mm, 0x40000000 + 3 * PAGE), 0x40000000 + 3 * PAGE);
	poke(&e, mm, 0x40000000, 70);
	poke(&e, mm, a, 1);
	poke(&e, mm, a + PAGE, 2);
	poke(&e, mm, a + 3 * PAGE, 4);
	peek(&e, mm, a + 2 * PAGE);
	peek(&e, mm, f);
	poke(&e, mm, f + PAGE, 6);
	peek(&e, mm, s);
	poke(&e, mm, m, 8);
	mm_set_limit(mm, MM_LIMIT_STACK, 12345 * PAGE);
	mm_set_capabilities(mm, MM_CAP_IPC_LOCK);
	mm_get_stats(mm, &before);
	through_an_image(&mm, 1);

	mm_get_stats(mm, &after);
	assert_int_equal(after.map_count, before.map_count);
	assert_int_equal(after.total_vm, before.total_vm);
	assert_int_equal(after.data_vm, before.data_vm);
	assert_int_equal(after.brk, before.brk);
	assert_int_equal(mm_get_limit(mm, MM_LIMIT_STACK), 12345 * PAGE);
	assert_int_equal(peek(&e, mm, 0x40000000), 70);
	assert_int_equal(peek(&e, mm, a), 1);
	assert_int_equal(peek(&e, mm, a + PAGE), 2);
	assert_int_equal(peek(&e, mm, a + 2 * PAGE), 0);
	assert_int_equal(peek(&e, mm, a + 3 * PAGE), 4);
	assert_int_equal(peek(&e, mm, f), pattern_word(5, PAGE));
	assert_int_equal(peek(&e, mm, f + PAGE), 6);
	assert_int_equal(peek(&e, mm, f + PAGE + 8), pattern_word(5, 2 * PAGE + 8));
	assert_int_equal(peek(&e, mm, s), pattern_word(5, 0));
	assert_int_equal(peek(&e, mm, m), 8);
	assert_int_equal(peek(&e, mm, m + PAGE), 0);
	assert_true(page_info(mm, a).exclusive);
	assert_int_equal(mm_brk(mm, 0x40000000 + 9 * PAGE), 0x40000000 + 9 * PAGE);
	poke(&e, mm, a + 2 * PAGE, 3);
	assert_true(counters_of(&e).swap_out > 0);
}

/* Everything that can go is out of memory in the image's machine, and the machine is usable still. */
static void pushed_out_and_usable(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 8);

	(void)state;
	for (uint64_t i = 0; i < 8; i++)
		poke(&e, mm, a + i * PAGE, i);
	hibernate(&mm, 1);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(page_info(mm, a + i * PAGE).state, MM_PAGE_SWAPPED);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(peek(&e, mm, a + i * PAGE), i);
	poke(&e, mm, a, 9);
	mm_put(mm);
}

/* Locked memory is in memory before and after. */
static void locked_memory(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 4);
	struct mm_stats stats;

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		poke(&e, mm, a + i * PAGE, i + 1);
	assert_int_equal(STEP(&e, mm_mlock(mm, a, 2 * PAGE, 0)), 0);
	through_an_image(&mm, 1);
	mm_get_stats(mm, &stats);
	assert_int_equal(stats.locked_vm, 2);
	assert_int_equal(page_info(mm, a).state, MM_PAGE_PRESENT);
	assert_int_equal(memory_of(&e).unevictable, 2);
	reclaim_all(e.sys);
	engine_check(&e);
	assert_int_equal(peek(&e, mm, a + PAGE), 2);
	assert_int_equal(peek(&e, mm, a + 3 * PAGE), 4);
}

/*
 * A page that two lock goes on being locked by two.
 *
 *	p  L   c  L   one page, read-only
 */
static void locked_by_two(void **state)
{
	struct mm *mms[2] = { engine_mm(&e) };
	uint64_t a = map_anon(&e, mms[0], 0, 1);

	(void)state;
	poke(&e, mms[0], a, 7);
	assert_int_equal(STEP(&e, mm_mprotect(mms[0], a, PAGE, MM_PROT_READ)), 0);
	mms[1] = engine_fork(&e, mms[0]);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(STEP(&e, mm_mlock(mms[i], a, PAGE, 0)), 0);
	through_an_image(mms, 2);
	assert_int_equal(memory_of(&e).unevictable, 1);
	assert_true(same_frame(mms[0], a, mms[1], a));
	assert_int_equal(STEP(&e, mm_munlock(mms[0], a, PAGE)), 0);
	assert_true(page_info(mms[0], a).locked);
	assert_int_equal(STEP(&e, mm_munlock(mms[1], a, PAGE)), 0);
	assert_int_equal(memory_of(&e).unevictable, 0);
}

/*
 * What counts as locked without a VMA that locks it, since mremap left the old one unlocked, goes on to count.
 *
 *	[L L . .] --DONTUNMAP--> [. . . .] [L L . .], four count
 */
static void locked_by_nobody(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 2), to;
	struct mm_stats stats;

	(void)state;
	poke(&e, mm, a, 1);
	assert_int_equal(STEP(&e, mm_mlock(mm, a, 2 * PAGE, 0)), 0);
	assert_int_equal(STEP(&e, mm_mremap(mm, a, 2 * PAGE, 2 * PAGE,
					    MM_MREMAP_MAYMOVE | MM_MREMAP_DONTUNMAP, 0, &to)),
			 0);
	mm_get_stats(mm, &stats);
	assert_int_equal(stats.locked_vm, 4);
	through_an_image(&mm, 1);
	mm_get_stats(mm, &stats);
	assert_int_equal(stats.locked_vm, 4);
	assert_int_equal(STEP(&e, mm_munmap(mm, to, 2 * PAGE)), 0);
	mm_get_stats(mm, &stats);
	assert_int_equal(stats.locked_vm, 2);
	mm_set_limit(mm, MM_LIMIT_MEMLOCK, 2 * PAGE);
	assert_int_equal(STEP(&e, mm_mlock(mm, a, PAGE, 0)), RMAP_ENOMEM);
}

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

/* ---------------------------------------------------------------- machines of other sizes */

/* 300 pages resume in 128 frames: what does not fit is out. */
static void into_less_memory(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 300), m;

	(void)state;
	m = map_with(&e, mm, 0, 50, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(hosted_write(e.cpu, mm, a + i * PAGE, &i, 8, NULL), 0);
	for (uint64_t i = 0; i < 50; i++)
		assert_int_equal(hosted_write(e.cpu, mm, m + i * PAGE, &i, 8, NULL), 0);
	hibernate(&mm, 1);
	next_machine(&mm, 1, 128, 1024);
	assert_int_equal(STEP(&e, try_resume()), 0);
	mm = resumed[0];
	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(peek(&e, mm, a + i * PAGE), i);
	for (uint64_t i = 0; i < 50; i++)
		assert_int_equal(peek(&e, mm, m + i * PAGE), i);
}

/* There is no swap on the other machine: what was out is in memory. */
static void without_swap(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 30);

	(void)state;
	for (uint64_t i = 0; i < 30; i++)
		poke(&e, mm, a + i * PAGE, i);
	hibernate(&mm, 1);
	next_machine(&mm, 1, 256, UINT64_MAX);
	assert_int_equal(STEP(&e, try_resume()), 0);
	for (uint64_t i = 0; i < 30; i++)
		assert_int_equal(peek(&e, resumed[0], a + i * PAGE), i);
}

/* It does not fit at all: RMAP_ENOMEM, and the machine is empty again. */
static void does_not_fit(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 300);

	(void)state;
	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(hosted_write(e.cpu, mm, a + i * PAGE, &i, 8, NULL), 0);
	hibernate(&mm, 1);
	next_machine(&mm, 1, 128, 64);
	assert_int_equal(STEP(&e, try_resume()), RMAP_ENOMEM);
	assert_int_equal(memory_of(&e).anon, 0);
	assert_int_equal(memory_of(&e).swap_used, 0);
	assert_int_equal(objects_of(&e, RMAP_KIND_MM), 0);
}

/* Phantom frames: who shares what, without contents. */
static void phantom(void **state)
{
	struct mm *mm[2];
	uint64_t a;

	(void)state;
	mm[0] = engine_mm(&e);
	a = map_anon(&e, mm[0], 0, 2);
	assert_int_equal(touch_write(&e, mm[0], a), 0);
	assert_int_equal(touch_write(&e, mm[0], a + PAGE), 0);
	mm[1] = engine_fork(&e, mm[0]);
	assert_int_equal(touch_write(&e, mm[1], a + PAGE), 0);
	through_an_image(mm, 2);
	assert_int_equal(touch_read(&e, mm[0], a), 0);
	assert_int_equal(touch_read(&e, mm[1], a), 0);
	assert_true(same_frame(mm[0], a, mm[1], a));
	assert_int_equal(touch_read(&e, mm[1], a + PAGE), 0);
	assert_true(page_info(mm[1], a + PAGE).exclusive);
}

/* What a bad frame has taken is not there afterwards either, and is not zeros. */
static void poisoned(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 2);

	(void)state;
	poke(&e, mm, a, 1);
	poke(&e, mm, a + PAGE, 2);
	assert_int_equal(STEP(&e, mm_poison(mm, a)), 0);
	assert_int_equal(touch_read(&e, mm, a), RMAP_EHWPOISON);
	through_an_image(&mm, 1);
	assert_int_equal(touch_read(&e, mm, a), RMAP_EHWPOISON);
	assert_int_equal(peek(&e, mm, a + PAGE), 2);
}

/* ---------------------------------------------------------------- bad images */

static void make_an_image(struct mm **mm)
{
	uint64_t a, m;

	mm[0] = engine_mm(&e);
	a = map_anon(&e, mm[0], 0, 3);
	m = map_with(&e, mm[0], 0, 1, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
	poke(&e, mm[0], a, 1);
	poke(&e, mm[0], a + PAGE, 2);
	poke(&e, mm[0], m, 3);
	mm[1] = engine_fork(&e, mm[0]);
	poke(&e, mm[1], a, 4);
	hibernate(mm, 2);
}

static void assert_empty(void)
{
	engine_check(&e);
	assert_int_equal(memory_of(&e).anon + memory_of(&e).shmem + memory_of(&e).file, 0);
	assert_int_equal(memory_of(&e).swap_used, 0);
	assert_int_equal(memory_of(&e).committed, 0);
	for (int kind = RMAP_KIND_MM; kind < RMAP_KINDS; kind++)
		if (kind != RMAP_KIND_SYSTEM)
			assert_int_equal(objects_of(&e, (enum rmap_kind)kind), 0);
}

/* Cut behind each write, and a byte before and behind that. */
static void cut_at_writes(uint64_t len)
{
	for (unsigned int i = 0; i < nr_writes; i++) {
		for (int off = -1; off <= 1; off++) {
			image.len = write_end[i] + (uint64_t)(int64_t)off;
			if (image.len >= len)
				continue;
			assert_int_equal(try_resume(), RMAP_EBADMSG);
			assert_empty();
		}
	}
	image.len = len;
}

/* Cut anywhere, or with any byte altered: RMAP_EBADMSG, and nothing stays. */
static void cut_or_altered(void **state)
{
	struct mm *mm[2];
	uint64_t len;

	(void)state;
	make_an_image(mm);
	next_machine(mm, 2, 2048, 1024);
	len = image.len;
	for (uint64_t cut = 0; cut < len; cut += cut < 2000 ? 1 : 97) {
		image.len = cut;
		assert_int_equal(try_resume(), RMAP_EBADMSG);
		if (cut % 64 == 0)
			assert_empty();
	}
	cut_at_writes(len);
	for (uint64_t at = 0; at < len; at += at < 2000 ? 1 : 61) {
		image.data[at] ^= (unsigned char)(1u << at % 8);
		assert_int_equal(try_resume(), RMAP_EBADMSG);
		image.data[at] ^= (unsigned char)(1u << at % 8);
		if (at % 64 == 0)
			assert_empty();
	}
	assert_empty();
	assert_int_equal(STEP(&e, try_resume()), 0);
}

/*
 * Rewrite the image with one 32-bit word of one chunk's payload replaced; checksums are computed anew. False: there is no such
 * word.
 */
static bool forge(const struct image_memory *original, uint64_t word, uint32_t value)
{
	struct image_memory copy = *original;
	const struct mm_stream from = IMAGE_MEMORY_STREAM(&copy);
	struct image in, out;
	uint64_t seen = 0;
	bool done = false;

	copy.pos = 0;
	image.len = 0;
	assert_int_equal(image_open(e.sys, &in, &from), 0);
	assert_int_equal(image_open(e.sys, &out, &stream), 0);
	while (copy.pos < copy.len && image_next(&in) == 0) {
		image_begin(&out, (enum image_type)in.type);
		while (image_left(&in) >= 4) {
			uint32_t v = image_get32(&in);

			if (seen++ == word) {
				v = value;
				done = true;
			}
			image_put32(&out, v);
		}
		assert_int_equal(image_left(&in), 0);
		image_end(&out);
	}
	image_close(e.sys, &in);
	image_close(e.sys, &out);
	return done;
}

static struct mm *forged_mms[MMS];
static unsigned int nr_forged;

static void resume_forged(void *arg, uint64_t id, struct mm *mm)
{
	(void)arg;
	(void)id;
	forged_mms[nr_forged++] = mm;
}

/* Any number may be anything: an error or a machine that holds together, never a crash. */
static void forged(void **state)
{
	static const uint32_t values[] = { 0,	   1,	       2,	    0xfff,
					   0x1000, 0x7fffffff, 0x80000000u, UINT32_MAX };
	const struct mm_resume any_mm = { .file = resume_file, .mm = resume_forged };
	struct image_memory original;
	struct mm *mm[2];

	(void)state;
	make_an_image(mm);
	next_machine(mm, 2, 2048, 1024);
	original = image;
	image = (struct image_memory){ 0 };
	for (uint64_t word = 0;; word++) {
		bool any = false;

		for (unsigned int i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			any = forge(&original, word, values[i]);
			if (!any)
				break;
			image.pos = 0;
			nr_forged = 0;
			/* Contents, a limit, a figure: it may be so. */
			(void)STEP(&e, mm_resume_image(e.sys, &stream, &any_mm));
			while (nr_forged)
				mm_put(forged_mms[--nr_forged]);
			settle(&e);
		}
		if (!any)
			break;
		/* Contents are a thousand words each: a few will do. */
		if (word > 400)
			word += 150;
	}
	assert_empty();
	free(original.data);
}

/* ---------------------------------------------------------------- failures on the way */

/* Each write fails in turn: the machine that wanted to sleep goes on. */
static void stream_full(void **state)
{
	struct mm *mm[2];
	unsigned int writes;
	static const uint64_t ids[2] = { 100, 101 };

	(void)state;
	make_an_image(mm);
	writes = nr_writes;
	assert_true(writes > 4);
	for (unsigned int i = 0; i < writes; i++) {
		image.len = 0;
		full_at = write_end[i] - 1;
		assert_int_equal(STEP(&e, mm_hibernate(e.sys, mm, ids, 2, &stream)), RMAP_ENOSPC);
	}
	image.len = full_at = 0;
	assert_int_equal(STEP(&e, mm_hibernate(e.sys, mm, ids, 2, &stream)), 0);
	assert_int_equal(nr_writes, writes);
	mm_put(mm[0]);
	mm_put(mm[1]);
}

/* Every allocation fails in turn, here and there. => how often it did there */
static uint64_t fail_each_allocation(struct mm **mm, uint32_t nr)
{
	static const uint64_t ids[MMS] = { 100, 101, 102, 103 };
	uint64_t failed, n;
	int error;

	for (n = 1;; n++) {
		image.len = 0;
		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
		error = mm_hibernate(e.sys, mm, ids, nr, &stream);
		failed = testport_fail_none(tp);
		engine_check(&e);
		if (!failed)
			break;
		assert_int_equal(error, RMAP_ENOMEM);
	}
	assert_int_equal(error, 0);
	assert_true(n > 4);
	next_machine(mm, nr, 2048, 1024);
	for (n = 1;; n++) {
		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
		error = try_resume();
		failed = testport_fail_none(tp);
		engine_check(&e);
		if (!failed)
			break;
		assert_int_equal(error, RMAP_ENOMEM);
		assert_empty();
	}
	assert_int_equal(error, 0);
	return n;
}

static void no_memory(void **state)
{
	struct mm *mm[2];

	(void)state;
	make_an_image(mm);
	assert_true(fail_each_allocation(mm, 2) > 10);
}

static void no_memory_for_a_line(void **state)
{
	struct mm *mm[4];

	(void)state;
	make_line(mm);
	assert_true(fail_each_allocation(mm, 4) > 15);
	assert_line(resumed);
}

/* A slot that cannot be read, a file that cannot be written: no image, and nothing lost. */
static void io_errors(void **state)
{
	static const uint64_t ids[1] = { 100 };
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 2), f;

	(void)state;
	kept_file = pattern_file(&e, 1, 3);
	f = map_with(&e, mm, 0, 1, RW, MM_MAP_SHARED, kept_file, 0);
	poke(&e, mm, a, 1);
	poke(&e, mm, f, 2);
	testport_fail(tp, TESTPORT_FILE_WRITE, 1, TESTPORT_ONCE);
	assert_int_equal(STEP(&e, mm_hibernate(e.sys, &mm, ids, 1, &stream)), RMAP_EIO);
	testport_fail(tp, TESTPORT_SWAP_READ, 1, TESTPORT_ONCE);
	assert_int_equal(STEP(&e, mm_hibernate(e.sys, &mm, ids, 1, &stream)), RMAP_EIO);
	testport_fail_none(tp);
	assert_int_equal(peek(&e, mm, a), 1);
	assert_int_equal(peek(&e, mm, f), 2);
	mm_put(mm);
	mm_file_put(kept_file);
	kept_file = NULL;
}

static void note_file(const struct mm_vma_info *vma, void *arg)
{
	*(struct mm_file **)arg = vma->file;
}

/*
 * What was written to a file is lost with its frame. That is for the file's next sync to say, on whatever machine it is, and none of
 * hibernation's business.
 *
 *	file  [w!]  --hibernate, resume-->  [store's]  --sync--> EIO, once
 */
static void lost_before(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file;
	uint64_t f;

	(void)state;
	file_seed = 3;
	kept_file = pattern_file(&e, 2, 3);
	f = map_with(&e, mm, 0, 2, RW, MM_MAP_SHARED, kept_file, 0);
	poke(&e, mm, f, 2);
	peek(&e, mm, f + PAGE);
	assert_int_equal(STEP(&e, mm_poison(mm, f)), 0);
	hibernate(&mm, 1);
	assert_int_equal(STEP(&e, mm_file_sync(kept_file)), RMAP_EIO);
	assert_int_equal(STEP(&e, mm_file_sync(kept_file)), 0);
	poke(&e, mm, f + PAGE, 3);
	assert_int_equal(STEP(&e, mm_poison(mm, f + PAGE)), 0);
	through_an_image(&mm, 1);
	mm_for_each_vma(mm, note_file, &file);
	assert_int_equal(touch_read(&e, mm, f + PAGE), RMAP_EHWPOISON);
	assert_int_equal(STEP(&e, mm_file_sync(file)), RMAP_EIO);
	assert_int_equal(STEP(&e, mm_file_sync(file)), 0);
}

/* Not into a machine that is in use. */
static void not_fresh(void **state)
{
	struct mm *mm[2];

	(void)state;
	make_an_image(mm);
	assert_int_equal(try_resume(), RMAP_EBUSY);
	mm_put(mm[0]);
	mm_put(mm[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(contents, setup, teardown),
		cmocka_unit_test_setup_teardown(pushed_out_and_usable, setup, teardown),
		cmocka_unit_test_setup_teardown(locked_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(locked_by_two, setup, teardown),
		cmocka_unit_test_setup_teardown(locked_by_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(onto_a_design_that_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(three_generations, setup, teardown),
		cmocka_unit_test_setup_teardown(origins_of_each_generation, setup, teardown),
		cmocka_unit_test_setup_teardown(two_between_without, setup, teardown),
		cmocka_unit_test_setup_teardown(past_those_between, setup, teardown),
		cmocka_unit_test_setup_teardown(origins_of_nobody_else, setup, teardown),
		cmocka_unit_test_setup_teardown(orphans, setup, teardown),
		cmocka_unit_test_setup_teardown(moved_and_split, setup, teardown),
		cmocka_unit_test_setup_teardown(shared_private_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(more_places_than_a_chunk_holds, setup, teardown),
		cmocka_unit_test_setup_teardown(into_less_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(without_swap, setup, teardown),
		cmocka_unit_test_setup_teardown(does_not_fit, setup, teardown),
		cmocka_unit_test_setup_teardown(phantom, setup_phantom, teardown),
		cmocka_unit_test_setup_teardown(poisoned, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_or_altered, setup, teardown),
		cmocka_unit_test_setup_teardown(forged, setup, teardown),
		cmocka_unit_test_setup_teardown(stream_full, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory_for_a_line, setup, teardown),
		cmocka_unit_test_setup_teardown(io_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_before, setup, teardown),
		cmocka_unit_test_setup_teardown(not_fresh, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
