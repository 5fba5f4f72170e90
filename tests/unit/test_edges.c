// SPDX-License-Identifier: BSD-2-Clause
/*
 * Arguments at the edge of what can be: each is refused by the one condition that it fails, and nothing has changed.
 */
#include "faulty.h"

#include "mm/mm_types.h"

#define RW (MM_PROT_READ | MM_PROT_WRITE)

static struct engine e;
static struct mm *mm;

static int set_up(void **state)
{
	(void)state;
	engine_setup(&e, NULL);
	mm = engine_mm(&e);
	return 0;
}

static int set_up_few(void **state)
{
	struct engine_config config = { .mm = { .max_map_count = 4 } };

	(void)state;
	engine_setup(&e, &config);
	mm = engine_mm(&e);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	mm_put(mm);
	settle(&e);
	engine_teardown(&e);
	return 0;
}

static int exec(const struct mm_exec *exec)
{
	struct mm *program;
	int error = STEP(&e, mm_exec(mm, exec, &program));

	if (!error)
		mm_put(program);
	engine_check(&e);
	return error;
}

static void test_exec(void **state)
{
	struct mm_exec_segment segment = { .addr = 0x400000, .len = PAGE, .prot = MM_PROT_READ };
	struct mm_exec ok = { .segments = &segment, .nr_segments = 1, .args_len = 100 }, bad = ok;

	(void)state;
	assert_int_equal(exec(&ok), 0);
	bad.stack_top = MM_TASK_SIZE - 1;
	assert_int_equal(exec(&bad), RMAP_EINVAL);
	bad.stack_top = MM_TASK_SIZE + PAGE;
	assert_int_equal(exec(&bad), RMAP_EINVAL);
	/* A stack below the lowest address that may be mapped, and one that only just reaches below it. */
	bad.stack_top = PAGE;
	assert_int_equal(exec(&bad), RMAP_ENOMEM);
	bad.stack_top = 65536 + PAGE;
	bad.args_len = 2 * PAGE;
	assert_int_equal(exec(&bad), RMAP_ENOMEM);
	/* One that fits, but the room to work in below it would begin below that address, or below 0. */
	bad.args_len = 100;
	bad.stack_top = 65536 + 32 * PAGE;
	assert_int_equal(exec(&bad), RMAP_ENOMEM);
	bad.stack_top = 65536 + 8 * PAGE;
	assert_int_equal(exec(&bad), RMAP_ENOMEM);
	bad.stack_top = 65536 + 33 * PAGE;
	assert_int_equal(exec(&bad), 0);
	bad = ok;
	bad.brk_start = MM_TASK_SIZE;
	assert_int_equal(exec(&bad), RMAP_EINVAL);
	bad = ok;
	bad.args_len = MM_TASK_SIZE;
	assert_int_equal(exec(&bad), RMAP_EINVAL);
	segment.len = MM_TASK_SIZE + PAGE;
	assert_int_equal(exec(&ok), RMAP_EINVAL);
	segment.len = 2 * PAGE;
	segment.addr = MM_TASK_SIZE - PAGE;
	assert_int_equal(exec(&ok), RMAP_EINVAL);
	segment.addr = 0x400001;
	assert_int_equal(exec(&ok), RMAP_EINVAL);
	segment.addr = 0x400000;
	segment.prot = 8;
	assert_int_equal(exec(&ok), RMAP_EINVAL);
	segment.prot = MM_PROT_READ;
	segment.addr = 0;
	assert_int_equal(exec(&ok), RMAP_EINVAL);
	/* Nothing to map, wherever. */
	segment.len = 0;
	assert_int_equal(exec(&ok), 0);
}

/* A segment may end where files end, not behind it, where page offsets would wrap. */
static void test_exec_at_a_files_end(void **state)
{
	struct mm_file *file = pattern_file(&e, 1, 3);
	const uint64_t last = ((uint64_t)INT64_MAX & RMAP_PAGE_MASK) - PAGE;
	struct mm_exec_segment segment = { .addr = 0x400000, .len = PAGE, .file = file };
	const struct mm_exec program = { .segments = &segment, .nr_segments = 1 };

	(void)state;
	segment.offset = last;
	assert_int_equal(exec(&program), 0);
	segment.offset = last + PAGE;
	assert_int_equal(exec(&program), RMAP_EINVAL);
	segment.offset = UINT64_MAX & RMAP_PAGE_MASK;
	assert_int_equal(exec(&program), RMAP_EINVAL);
	mm_file_put(file);
}

/* Segments in any order: the heap begins behind the highest. */
static void test_exec_in_any_order(void **state)
{
	const struct mm_exec_segment segments[] = {
		{ .addr = 0x800000, .len = PAGE, .prot = MM_PROT_READ },
		{ .addr = 0x400000, .len = PAGE, .prot = MM_PROT_READ | MM_PROT_EXEC },
	};
	const struct mm_exec program = { .segments = segments, .nr_segments = 2 };
	struct mm *new_mm;

	(void)state;
	assert_int_equal(STEP(&e, mm_exec(mm, &program, &new_mm)), 0);
	assert_int_equal(mm_brk(new_mm, 0), 0x800000 + PAGE);
	mm_put(new_mm);
}

/* What the process may do, and its limits, are the new program's, too: it may lock memory, or it may not. */
static void test_exec_with_the_same_rights(void **state)
{
	const struct mm_exec_segment segment = { .addr = 0x400000,
						 .len = PAGE,
						 .prot = MM_PROT_READ };
	const struct mm_exec program = { .segments = &segment, .nr_segments = 1 };
	struct mm *new_mm;

	(void)state;
	mm_set_limit(mm, MM_LIMIT_MEMLOCK, 0);
	for (unsigned int may = 0; may < 2; may++) {
		mm_set_capabilities(mm, may ? MM_CAP_IPC_LOCK : 0);
		assert_int_equal(STEP(&e, mm_exec(mm, &program, &new_mm)), 0);
		assert_int_equal(mm_get_limit(new_mm, MM_LIMIT_MEMLOCK), 0);
		assert_int_equal(STEP(&e, mm_mlock(new_mm, segment.addr, PAGE, 0)),
				 may ? 0 : RMAP_EPERM);
		mm_put(new_mm);
	}
}

static void test_mincore_and_msync(void **state)
{
	uint64_t a = map_anon(&e, mm, 0x10000000, 1);
	uint8_t vec[2];

	(void)state;
	assert_int_equal(STEP(&e, mm_mincore(mm, MM_TASK_SIZE + PAGE, 0, vec)), RMAP_ENOMEM);
	assert_int_equal(STEP(&e, mm_mincore(mm, MM_TASK_SIZE - PAGE, 2 * PAGE, vec)), RMAP_ENOMEM);
	assert_int_equal(STEP(&e, mm_mincore(mm, a + 1, PAGE, vec)), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_mincore(mm, a, 0, vec)), 0);
	assert_int_equal(STEP(&e, mm_msync(mm, a, UINT64_MAX - PAGE, 0)), RMAP_ENOMEM);
	assert_int_equal(STEP(&e, mm_msync(mm, a, PAGE, MM_MS_SYNC | MM_MS_ASYNC)), RMAP_EINVAL);
	assert_int_equal(STEP(&e, mm_msync(mm, a, PAGE, MM_MS_ASYNC)), 0);
	assert_int_equal(STEP(&e, mm_msync(mm, a, 2 * PAGE, MM_MS_SYNC)), RMAP_ENOMEM);
}

/* The heap is as many VMAs as there may be: it does not grow into another, and no break moves. */
static void test_the_heap_among_too_many(void **state)
{
	uint64_t top, left;

	(void)state;
	assert_int_equal(mm_set_brk(mm, 0x1000000), 0);
	for (unsigned int i = 0; i < 4; i++)
		map_with(&e, mm, 0x10000000 + i * 16 * PAGE, 1, MM_PROT_READ,
			 MM_MAP_PRIVATE | MM_MAP_ANONYMOUS, NULL, 0);
	top = mm_brk(mm, 0x1000000 + PAGE);
	engine_check(&e);
	assert_int_equal(top, 0x1000000 + PAGE);
	/* One more than max_map_count now: as in Linux the heap is asked before it merges. */
	assert_int_equal(mm_brk(mm, top + PAGE), top);
	engine_check(&e);
	assert_int_equal(STEP(&e, mm_munmap(mm, 0x10000000, PAGE)), 0);
	left = mm_brk(mm, top + PAGE);
	engine_check(&e);
	assert_int_equal(left, top + PAGE);
}

static void test_the_heap_without_promises(void **state)
{
	struct engine_config config = { .machine = { .nr_frames = 256,
						     .nr_swap_slots = UINT64_MAX },
					.mm = { .overcommit = MM_OVERCOMMIT_NEVER } };
	struct engine strict;
	struct mm *m;

	(void)state;
	engine_setup(&strict, &config);
	m = engine_mm(&strict);
	assert_int_equal(mm_set_brk(m, 0x1000000), 0);
	assert_int_equal(mm_brk(m, 0x1000000 + 1024 * PAGE), 0x1000000);
	engine_check(&strict);
	assert_int_equal(mm_brk(m, 0x1000000 + 4 * PAGE), 0x1000000 + 4 * PAGE);
	engine_check(&strict);
	mm_put(m);
	engine_teardown(&strict);
}

/* A stack that grows must be promised, too; one that was mapped with NORESERVE is not. */
static void test_stacks_without_promises(void **state)
{
	struct engine_config config = { .machine = { .nr_frames = 256,
						     .nr_swap_slots = UINT64_MAX },
					.mm = { .overcommit = MM_OVERCOMMIT_NEVER } };
	const uint64_t top = 0x70000000;
	struct engine strict;
	struct mm *m;

	(void)state;
	engine_setup(&strict, &config);
	m = engine_mm(&strict);
	map_with(&strict, m, top - PAGE, 1, RW,
		 MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_GROWSDOWN, NULL, 0);
	assert_int_equal(touch_write(&strict, m, top - 400 * PAGE), RMAP_EFAULT);
	assert_int_equal(touch_write(&strict, m, top - 8 * PAGE), 0);
	mm_put(m);
	engine_teardown(&strict);
}

static void test_mremap(void **state)
{
	uint64_t a = map_anon(&e, mm, 0x10000000, 4), to;

	(void)state;
	poke(&e, mm, a, 1);
	/* The old place may lie at the very end, what is cut off not behind it. */
	assert_int_equal(STEP(&e, mm_mremap(mm, a, UINT64_MAX & RMAP_PAGE_MASK, PAGE, 0, 0, &to)),
			 RMAP_EINVAL);
	assert_int_equal(
		STEP(&e, mm_mremap(mm, MM_TASK_SIZE - PAGE, 4 * PAGE, 2 * PAGE, 0, 0, &to)),
		RMAP_EFAULT);
	assert_int_equal(STEP(&e, mm_mremap(mm, a, MM_TASK_SIZE, MM_TASK_SIZE - PAGE, 0, 0, &to)),
			 RMAP_EINVAL);
	/* Larger than any address space. */
	assert_int_equal(
		STEP(&e, mm_mremap(mm, a, 4 * PAGE, UINT64_MAX & RMAP_PAGE_MASK, 0, 0, &to)),
		RMAP_EINVAL);
	/* DONTUNMAP leaves the old place mapped: that takes room below the limit. */
	mm_set_limit(mm, MM_LIMIT_AS, 6 * PAGE);
	assert_int_equal(STEP(&e, mm_mremap(mm, a, 4 * PAGE, 4 * PAGE,
					    MM_MREMAP_MAYMOVE | MM_MREMAP_DONTUNMAP, 0, &to)),
			 RMAP_ENOMEM);
	mm_set_limit(mm, MM_LIMIT_AS, MM_LIMIT_INFINITY);
	assert_int_equal(STEP(&e, mm_mremap(mm, a, 4 * PAGE, 4 * PAGE,
					    MM_MREMAP_MAYMOVE | MM_MREMAP_DONTUNMAP, 0, &to)),
			 0);
	assert_int_equal(peek(&e, mm, to), 1);
	assert_int_equal(peek(&e, mm, a), 0);
}

/*
 *	[f | -]  [a a]   a file of one page, mapped as two; memory behind it
 *
 * mlockall brings in what it can: where the file ends it passes by, and goes on with the next VMA.
 */
static void test_mlockall_goes_on(void **state)
{
	struct mm_file *file = pattern_file(&e, 1, 3);
	uint64_t f = map_with(&e, mm, 0x10000000, 2, RW, MM_MAP_PRIVATE, file, 0);
	uint64_t a = map_anon(&e, mm, 0x10010000, 2);

	(void)state;
	assert_int_equal(STEP(&e, mm_mlockall(mm, MM_MCL_CURRENT)), 0);
	assert_int_equal(page_info(mm, f).state, MM_PAGE_PRESENT);
	assert_int_equal(page_info(mm, f + PAGE).state, MM_PAGE_NONE);
	assert_int_equal(page_info(mm, a).state, MM_PAGE_PRESENT);
	assert_int_equal(page_info(mm, a + PAGE).state, MM_PAGE_PRESENT);
	assert_int_equal(touch_read(&e, mm, f + PAGE), RMAP_EIO);
	mm_file_put(file);
}

static uint64_t protect_flushes(void)
{
	struct hosted_mmu_stats stats;

	hosted_mmu_get_stats(e.h, &stats);
	return stats.by[MM_FLUSH_PROTECT].flushes;
}

/* A right that is taken must leave the TLBs, one that is given need not; nor what no TLB can have. */
static void test_rights_and_flushes(void **state)
{
	uint64_t a = map_anon(&e, mm, 0x10000000, 1), before;

	(void)state;
	poke(&e, mm, a, 1);
	before = protect_flushes();
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, PAGE, MM_PROT_READ)), 0);
	assert_int_equal(protect_flushes(), before + 1);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, PAGE, RW)), 0);
	assert_int_equal(protect_flushes(), before + 1);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, PAGE, RW | MM_PROT_EXEC)), 0);
	assert_int_equal(protect_flushes(), before + 1);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, PAGE, RW)), 0);
	assert_int_equal(protect_flushes(), before + 2);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, PAGE, MM_PROT_NONE)), 0);
	before = protect_flushes();
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, PAGE, MM_PROT_READ)), 0);
	assert_int_equal(protect_flushes(), before);
	assert_int_equal(peek(&e, mm, a), 1);
}

/* Rights of memory that is locked, and of memory that is too much already. */
static void test_rights_and_limits(void **state)
{
	uint64_t a = map_with(&e, mm, 0x10000000, 2, MM_PROT_READ,
			      MM_MAP_PRIVATE | MM_MAP_ANONYMOUS, NULL, 0);

	(void)state;
	assert_int_equal(STEP(&e, mm_mlock(mm, a, 2 * PAGE, 0)), 0);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, 2 * PAGE, MM_PROT_READ | MM_PROT_EXEC)), 0);
	assert_false(page_info(mm, a).anon);
	/* Becomes writable: its own copies come at once. */
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, PAGE, RW)), 0);
	assert_true(page_info(mm, a).anon);
	/* More is mapped than may be: then it is not the right to write that makes it too much. */
	mm_set_limit(mm, MM_LIMIT_AS, PAGE);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a + PAGE, PAGE, RW)), 0);
	mm_set_limit(mm, MM_LIMIT_AS, MM_LIMIT_INFINITY);
	mm_set_limit(mm, MM_LIMIT_DATA, PAGE);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a + PAGE, PAGE, MM_PROT_READ)), 0);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a + PAGE, PAGE, RW)), RMAP_ENOMEM);
}

/*
 *	file [0 1 2 3]   read by read(2) twice, then mapped by two, who touch page 0: pages 1 to 3 come along, not accessed by anybody
 */
static void test_views_of_clean_pages(void **state)
{
	struct engine_config config = { .mm.fault_around = 16 * PAGE };
	struct mm_smaps smaps;
	struct mm_file *file;
	struct engine around;
	struct mm *p, *c;
	char bytes[8];
	uint64_t at;

	(void)state;
	engine_setup(&around, &config);
	file = pattern_file(&around, 4, 3);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(STEP(&around, mm_file_read(file, PAGE, bytes, 8, NULL)), 0);
	assert_int_equal(STEP(&around, mm_file_read(file, 2 * PAGE, NULL, 2 * PAGE, NULL)), 0);
	p = engine_mm(&around);
	at = map_with(&around, p, 0, 4, MM_PROT_READ, MM_MAP_SHARED, file, 0);
	c = engine_fork(&around, p);
	assert_int_equal(touch_read(&around, p, at), 0);
	assert_int_equal(mm_smaps(p, at, &smaps), 0);
	assert_int_equal(smaps.private_clean, 4 * PAGE);
	assert_true(smaps.referenced >= PAGE);
	assert_int_equal(touch_read(&around, c, at), 0);
	assert_int_equal(mm_smaps(p, at, &smaps), 0);
	assert_int_equal(smaps.shared_clean, 4 * PAGE);
	assert_int_equal(smaps.pss, 2 * PAGE);
	mm_put(c);
	mm_put(p);
	mm_file_put(file);
	settle(&around);
	engine_teardown(&around);
}

/* exec's stack is promised memory, too. */
static void test_exec_without_promises(void **state)
{
	struct engine_config config = { .machine = { .nr_frames = 256,
						     .nr_swap_slots = UINT64_MAX },
					.mm = { .overcommit = MM_OVERCOMMIT_NEVER } };
	const struct mm_exec program = { .args_len = PAGE };
	struct mm *m, *other;
	struct engine strict;
	uint64_t pages = 256;

	(void)state;
	engine_setup(&strict, &config);
	m = engine_mm(&strict);
	/* All that may be promised is. */
	for (; pages; pages /= 2) {
		struct mm_mmap args = { .len = pages * PAGE,
					.prot = RW,
					.flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS };
		uint64_t at;

		while (mm_mmap(m, &args, &at) == 0)
			;
	}
	engine_check(&strict);
	assert_int_equal(STEP(&strict, mm_exec(m, &program, &other)), RMAP_ENOMEM);
	mm_put(m);
	engine_teardown(&strict);
}

/* mmap near the ends of files and of the address space. */
static void test_mmap(void **state)
{
	struct mm_file *file = pattern_file(&e, 1, 0);
	struct mm_mmap args = { .len = PAGE,
				.prot = MM_PROT_READ,
				.flags = MM_MAP_SHARED,
				.file = file,
				.file_mode = MM_FILE_READ };
	uint64_t at;

	(void)state;
	args.offset = (uint64_t)INT64_MAX & RMAP_PAGE_MASK;
	assert_int_equal(STEP(&e, mm_mmap(mm, &args, &at)), RMAP_EOVERFLOW);
	args.offset -= PAGE;
	assert_int_equal(STEP(&e, mm_mmap(mm, &args, &at)), 0);
	assert_int_equal(touch_read(&e, mm, at), RMAP_EIO);
	assert_int_equal(STEP(&e, mm_munmap(mm, at, PAGE)), 0);
	/* The type that looks at flags. */
	args.offset = 0;
	args.flags = MM_MAP_SHARED_VALIDATE;
	assert_int_equal(STEP(&e, mm_mmap(mm, &args, &at)), 0);
	args.flags = MM_MAP_SHARED_VALIDATE | 0x80000 /* MAP_SYNC */;
	assert_int_equal(STEP(&e, mm_mmap(mm, &args, &at)), RMAP_EOPNOTSUPP);
	/* Anonymous memory at a hint that is free, large enough to be laid at a boundary of huge pages. */
	args = (struct mm_mmap){ .addr = 0x40000000,
				 .len = 4 << 20,
				 .prot = RW,
				 .flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS };
	assert_int_equal(STEP(&e, mm_mmap(mm, &args, &at)), 0);
	assert_int_equal(at, 0x40000000);
	args.addr = MM_TASK_SIZE - PAGE;
	assert_int_equal(STEP(&e, mm_mmap(mm, &args, &at)), 0);
	assert_true(at < MM_TASK_SIZE - args.len);
	args.len = MM_TASK_SIZE + PAGE;
	assert_int_equal(STEP(&e, mm_mmap(mm, &args, &at)), RMAP_ENOMEM);
	mm_file_put(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_exec, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_exec_at_a_files_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_exec_in_any_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_exec_with_the_same_rights, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_mincore_and_msync, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_heap_among_too_many, set_up_few,
						tear_down),
		cmocka_unit_test(test_the_heap_without_promises),
		cmocka_unit_test(test_stacks_without_promises),
		cmocka_unit_test_setup_teardown(test_mremap, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_mlockall_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rights_and_flushes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rights_and_limits, set_up, tear_down),
		cmocka_unit_test(test_views_of_clean_pages),
		cmocka_unit_test(test_exec_without_promises),
		cmocka_unit_test_setup_teardown(test_mmap, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
