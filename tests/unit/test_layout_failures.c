// SPDX-License-Identifier: BSD-2-Clause
/*
 * Out of memory at every allocation of every call that changes the layout.
 *
 * Each scenario is run with its first, second, third … allocation failing, until none does. A call that fails must leave all that
 * a user can see as it was: layout (but for splits, where Linux leaves those too), contents, accounts; and the reverse map whole,
 * which mm_check() says. Called again with memory, it must succeed.
 */
#include "vmas.h"

#include "faulty_fixture.h"

#include <stdio.h>
#include <string.h>

struct scenario {
	const char *name;
	void (*prepare)(struct mm *mm);
	int (*act)(struct mm *mm);
	const char *after; /* the layout when it has succeeded */
	int error;	   /* when there is no memory */
	bool splits;	   /* a failure may leave VMAs split */
};

/* ---------------------------------------------------------------- what a user sees */

struct sight {
	uint64_t accounts[4];
	uint64_t contents;
	char rights[1024]; /* by page, so that splits do not show */
	char layout[512];
};

static void note_rights(const struct mm_vma_info *vma, void *arg)
{
	struct sight *s = arg;

	for (uint64_t at = vma->start; at < vma->end && at < AT(1024); at += PAGE)
		s->rights[(at - BASE) / PAGE] =
			(char)(1 + vma->prot + (vma->shared ? 8 : 0) + (vma->locked ? 16 : 0));
}

/* What stands in the pages, without touching them: that would need memory. */
static uint64_t sum_of(struct mm *mm)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < 64; i++) {
		struct mm_page_info info = page_info(mm, AT(i));

		sum = sum * 31 + info.state;
		if (info.state == MM_PAGE_PRESENT)
			sum = sum * 31 + *(const uint64_t *)mm_page_data(e.sys, info.page);
	}
	return sum;
}

static void look(struct mm *mm, struct sight *s)
{
	struct mm_stats stats = stats_of(mm);

	memset(s, 0, sizeof(*s));
	s->accounts[0] = stats.total_vm;
	s->accounts[1] = stats.locked_vm;
	s->accounts[2] = stats.data_vm;
	s->accounts[3] = committed(&e);
	s->contents = sum_of(mm);
	mm_for_each_vma(mm, note_rights, s);
	layout_of(mm, BASE, AT(1024), s->layout, sizeof(s->layout));
}

static void expect_same(const struct scenario *sc, const struct sight *before,
			const struct sight *after)
{
	if (!sc->splits && strcmp(before->layout, after->layout))
		fail_msg("%s: the layout was %s and is %s", sc->name, before->layout,
			 after->layout);
	if (memcmp(before->rights, after->rights, sizeof(before->rights)))
		fail_msg("%s: rights changed: %s", sc->name, after->layout);
	if (memcmp(before->accounts, after->accounts, sizeof(before->accounts)))
		fail_msg("%s: accounts changed", sc->name);
	if (before->contents != after->contents)
		fail_msg("%s: contents changed", sc->name);
}

/* With a relative that shares the pages, so that chains are longer than one; or without. */
static void run(const struct scenario *sc, bool forked)
{
	for (uint64_t n = 1;; n++) {
		struct mm *mm = engine_mm(&e), *relative = NULL;
		struct sight before, after;
		uint64_t failed;
		int error;

		sc->prepare(mm);
		if (forked) {
			relative = mm;
			mm = engine_fork(&e, relative);
		}
		look(mm, &before);
		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
		error = sc->act(mm);
		failed = testport_fail_none(tp);
		engine_check(&e);
		if (failed && error) {
			if (error != sc->error)
				fail_msg("%s: %s at allocation %u", sc->name,
					 rmap_error_name(error), (unsigned int)n);
			look(mm, &after);
			expect_same(sc, &before, &after);
			error = sc->act(mm);
			engine_check(&e);
		}
		if (error)
			fail_msg("%s: %s", sc->name, rmap_error_name(error));
		if (!forked)
			assert_layout(&e, mm, BASE, AT(1024), sc->after);
		mm_put(mm);
		if (relative)
			mm_put(relative);
		settle(&e);
		if (!failed)
			return;
	}
}

/* ---------------------------------------------------------------- scenarios */

/* Eight pages, all touched, of one VMA. */
static void one_vma(struct mm *mm)
{
	map_anon(&e, mm, AT(0), 8);
	for (unsigned int i = 0; i < 8; i++)
		poke(&e, mm, AT(i), 100 + i);
}

/* rw rx rw, without accounts so that rights alone keep them apart; the middle one touched, the outer ones not. */
static void three_vmas(struct mm *mm)
{
	map_with(&e, mm, AT(0), 6, RW, ANON | MM_MAP_NORESERVE, NULL, 0);
	assert_int_equal(protect(&e, mm, 2, 2, RWX), 0);
	poke(&e, mm, AT(2), 7);
}

static void files(struct mm *mm)
{
	struct mm_file *file = pattern_file(&e, 8, 1);

	map_with(&e, mm, AT(0), 8, RW, MM_MAP_PRIVATE, file, 0);
	for (unsigned int i = 0; i < 8; i += 2)
		poke(&e, mm, AT(i), 100 + i);
	mm_file_put(file);
}

/* Home and abroad: two pages that came from 2. */
static void moved_away(struct mm *mm)
{
	map_anon(&e, mm, AT(2), 2);
	poke(&e, mm, AT(2), 1);
	assert_int_equal(remap(&e, mm, 2, 2, 2, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, 100), 0);
	map_anon(&e, mm, AT(0), 2);
	map_anon(&e, mm, AT(4), 2);
}

static int unmap_middle(struct mm *mm)
{
	return mm_munmap(mm, AT(2), 3 * PAGE);
}

static int protect_middle(struct mm *mm)
{
	return mm_mprotect(mm, AT(2), 2 * PAGE, MM_PROT_READ);
}

static int protect_to_merge(struct mm *mm)
{
	return mm_mprotect(mm, AT(2), 2 * PAGE, RW);
}

static int protect_part_to_merge(struct mm *mm)
{
	return mm_mprotect(mm, AT(2), PAGE, RW);
}

static int map_over(struct mm *mm)
{
	struct mm_mmap args = {
		.addr = AT(2), .len = 2 * PAGE, .prot = RWX, .flags = ANON | MM_MAP_FIXED
	};
	uint64_t at;

	return mm_mmap(mm, &args, &at);
}

static int map_shared(struct mm *mm)
{
	struct mm_mmap args = {
		.addr = AT(6), .len = 2 * PAGE, .prot = RW, .flags = SHM | MM_MAP_FIXED
	};
	uint64_t at;

	return mm_mmap(mm, &args, &at);
}

static int advise_middle(struct mm *mm)
{
	return mm_madvise(mm, AT(2), 2 * PAGE, MM_MADV_DONTFORK);
}

static int lock_middle(struct mm *mm)
{
	return mm_mlock(mm, AT(2), 2 * PAGE, MM_MLOCK_ONFAULT);
}

static int move_middle(struct mm *mm)
{
	uint64_t at;

	return mm_mremap(mm, AT(2), 2 * PAGE, 2 * PAGE, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED,
			 AT(100), &at);
}

static int move_all(struct mm *mm)
{
	uint64_t at;

	return mm_mremap(mm, AT(0), 8 * PAGE, 8 * PAGE, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED,
			 AT(100), &at);
}

static int move_home(struct mm *mm)
{
	uint64_t at;

	return mm_mremap(mm, AT(100), 2 * PAGE, 2 * PAGE, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED,
			 AT(2), &at);
}

static int keep_empty(struct mm *mm)
{
	uint64_t at;

	return mm_mremap(mm, AT(0), 8 * PAGE, 8 * PAGE,
			 MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED | MM_MREMAP_DONTUNMAP, AT(100), &at);
}

static int grow(struct mm *mm)
{
	uint64_t at;

	return mm_mremap(mm, AT(0), 8 * PAGE, 12 * PAGE, MM_MREMAP_MAYMOVE, 0, &at);
}

static const struct scenario scenarios[] = {
	{ "munmap", one_vma, unmap_middle, "rw-p 2 @0 | ~3 | rw-p 3 @5", RMAP_ENOMEM, true },
	{ "mprotect, split", one_vma, protect_middle, "rw-p 2 @0 | r--p 2 @2 | rw-p 4 @4",
	  RMAP_ENOMEM, true },
	{ "mprotect, private file", files, protect_middle, "rw-p 2 @0 | r--p 2 @2 | rw-p 4 @4",
	  RMAP_ENOMEM, true },
	{ "mprotect, merge", three_vmas, protect_to_merge, "rw-p 6 @0", RMAP_ENOMEM, false },
	{ "mprotect, case 5", three_vmas, protect_part_to_merge,
	  "rw-p 3 @0 | rwxp 1 @3 | rw-p 2 @4", RMAP_ENOMEM, false },
	{ "mmap over the middle", one_vma, map_over, "rw-p 2 @0 | rwxp 2 @2 | rw-p 4 @4",
	  RMAP_ENOMEM, true },
	{ "madvise", one_vma, advise_middle, "rw-p 2 @0 | rw-p 2 @2 | rw-p 4 @4", RMAP_EAGAIN,
	  true },
	{ "mlock", one_vma, lock_middle, "rw-p 2 @0 | rw-p 2 @2 | rw-p 4 @4", RMAP_ENOMEM, true },
	{ "mremap, all of it", one_vma, move_all, "rw-p 8 @0", RMAP_ENOMEM, false },
	{ "mremap, DONTUNMAP", one_vma, keep_empty, "rw-p 8 @0 | ~92 | rw-p 8 @0", RMAP_ENOMEM,
	  false },
	{ "mremap, private file", files, move_all, "rw-p 8 @0", RMAP_ENOMEM, false },
	{ "mremap, grow", one_vma, grow, "rw-p 12 @0", RMAP_ENOMEM, false },
};

/*
 * covers: B12, 1.9-5, 1.9-7, 1.2-3, 1.10-3
 */
static void test_every_allocation(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		run(&scenarios[i], false);
		run(&scenarios[i], true);
	}
}

/*
 * Moving home merges with both neighbours, or, without the memory to do so, stands between them.
 *
 * covers: B12, 1.10-4
 */
static void test_merge_that_cannot_be(void **state)
{
	(void)state;
	for (uint64_t n = 1;; n++) {
		struct mm *mm = engine_mm(&e);
		uint64_t failed;
		int error;

		moved_away(mm);
		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
		error = move_home(mm);
		failed = testport_fail_none(tp);
		engine_check(&e);
		assert_true(!error || error == RMAP_ENOMEM);
		if (error)
			assert_int_equal(peek(&e, mm, AT(100)), 1);
		else
			assert_int_equal(peek(&e, mm, AT(2)), 1);
		mm_put(mm);
		if (!failed)
			return;
	}
}

/*
 * A move that cannot split the old VMA afterwards has still moved the pages: the old place stays, empty, and accounted.
 *
 * covers: B12, 1.10-3
 */
static void test_old_place_that_cannot_go(void **state)
{
	(void)state;
	for (uint64_t n = 1;; n++) {
		struct mm *mm = engine_mm(&e);
		uint64_t failed;
		int error;

		one_vma(mm);
		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
		error = move_middle(mm);
		failed = testport_fail_none(tp);
		engine_check(&e);
		assert_true(!error || error == RMAP_ENOMEM);
		assert_int_equal(peek(&e, mm, AT(error ? 2 : 100)), 102);
		assert_int_equal(peek(&e, mm, AT(7)), 107);
		mm_put(mm);
		assert_int_equal(committed(&e), 0);
		if (!failed)
			return;
	}
}

/*
 * Shared memory that cannot be made is found out after everything else has been looked at.
 *
 * covers: 1.8-1, B12
 */
static void test_shared_memory(void **state)
{
	(void)state;
	for (uint64_t n = 1;; n++) {
		struct mm *mm = engine_mm(&e);
		uint64_t failed;
		int error;

		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
		error = map_shared(mm);
		failed = testport_fail_none(tp);
		engine_check(&e);
		assert_int_equal(error, failed ? RMAP_ENOMEM : 0);
		layout_is(&e, mm, failed ? "" : "rw-s 2 @0");
		mm_put(mm);
		settle(&e);
		if (!failed)
			return;
	}
}

/*
 * A first fault that failed has decided nothing: the neighbour whose origin it would have shared may be gone by the next time.
 *
 *	|AA|bb|   b's fault fails; A moves away; b's fault gets an origin of its own; A comes home: two VMAs
 *
 * Where no memory is wanted for that, the fault succeeds. There b keeps A's origin, and they merge.
 *
 * covers: B12, 1.2-3, 1.2-4
 */
static void test_failed_fault_decides_nothing(void **state)
{
	struct mm *mm = engine_mm(&e);
	bool fails = engine_design_is("anon_vma_chain");

	(void)state;
	map_with(&e, mm, AT(0), 4, RW, ANON | MM_MAP_NORESERVE, NULL, 0);
	assert_int_equal(protect(&e, mm, 2, 2, RWX), 0);
	poke(&e, mm, AT(0), 1);
	testport_fail(tp, TESTPORT_ALLOC, 1, TESTPORT_ONCE);
	assert_int_equal(mm_fault(mm, AT(2), MM_ACCESS_WRITE), fails ? RMAP_ENOMEM : 0);
	assert_int_equal(testport_fail_none(tp), fails);
	engine_check(&e);
	assert_int_equal(remap(&e, mm, 0, 2, 2, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, 100), 0);
	poke(&e, mm, AT(2), 2);
	assert_chained_objects(&e, RMAP_KIND_ANON_VMA, 2);
	assert_int_equal(remap(&e, mm, 100, 2, 2, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, 0), 0);
	assert_int_equal(protect(&e, mm, 2, 2, RW), 0);
	layout_is(&e, mm, fails ? "rw-p 2 @0 | rw-p 2 @2" : "rw-p 4 @0");
	assert_int_equal(peek(&e, mm, AT(0)), 1);
	assert_int_equal(peek(&e, mm, AT(2)), 2);
	mm_put(mm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_allocation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_merge_that_cannot_be, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_place_that_cannot_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failed_fault_decides_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
