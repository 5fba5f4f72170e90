// SPDX-License-Identifier: BSD-2-Clause
/*
 * While a fault waits for a file's page to come from its store, for shared memory's from swap, or for a page that is being written, it
 * holds no lock of the address space, nor do mlock and MADV_POPULATE_*: whatever others do to that meanwhile another thread does here
 * while the device is at it (meanwhile.h). With the VMA's lock, or mmap_lock, held each of these calls would wait for ever.
 */
#include "mm/reclaim.h"

#include "meanwhile_file.h"

/* ---------------------------------------------------------------- changes of the address space */

/*
 *	P  |f0 f1|   reads f0, forks meanwhile
 *	C  |f0 f1|   finds what P has brought in
 */
static void test_fork(void **state)
{
	(void)state;
	map_file(MM_MAP_SHARED);
	meanwhile = forks;
	assert_int_equal(peek(&e, mm, BASE), word_of(0));
	assert_non_null(child);
	assert_int_equal(peek(&e, child, BASE), word_of(0));
	assert_true(same_frame(mm, BASE, child, BASE));
	assert_int_equal(reads, 1);
	assert_int_equal(counters_of(&e).faults, 2);
}

/* The child was forked before the copy was made: it is the parent's alone. */
static void test_fork_private(void **state)
{
	(void)state;
	map_file(MM_MAP_PRIVATE);
	meanwhile = forks;
	poke(&e, mm, BASE, 9);
	assert_int_equal(peek(&e, child, BASE), word_of(0));
	assert_int_equal(peek(&e, mm, BASE), 9);
	assert_int_equal(reads, 1);
}

/* |f0 f1|  ->  |   f1| */
static void test_unmap(void **state)
{
	(void)state;
	map_file(MM_MAP_SHARED);
	meanwhile = unmaps;
	assert_int_equal(touch_write(&e, mm, BASE), RMAP_EFAULT);
	assert_int_equal(peek(&e, mm, BASE + PAGE), word_of(1));
}

/* Nobody but the fault that waits for its page has the file any more: with that it goes. */
static void test_file_goes(void **state)
{
	(void)state;
	map_file(MM_MAP_PRIVATE);
	meanwhile = forgets;
	assert_int_equal(touch_write(&e, mm, BASE), RMAP_EFAULT);
}

static void test_protect(void **state)
{
	(void)state;
	map_file(MM_MAP_SHARED);
	meanwhile = forbids;
	assert_int_equal(touch_write(&e, mm, BASE), RMAP_EACCES);
	assert_int_equal(peek(&e, mm, BASE), word_of(0));
	assert_int_equal(reads, 1);
}

/* What is there now is no file's. */
static void test_replace(void **state)
{
	(void)state;
	map_file(MM_MAP_SHARED);
	meanwhile = replaces;
	assert_int_equal(peek(&e, mm, BASE), 0);
}

/* |f0 f1|  ->  ...  |f0 f1| */
static void test_move(void **state)
{
	(void)state;
	map_file(MM_MAP_PRIVATE);
	meanwhile = moves;
	assert_int_equal(touch_write(&e, mm, BASE), RMAP_EFAULT);
	assert_int_equal(peek(&e, mm, FAR), word_of(0));
	assert_int_equal(reads, 1);
}

/* The error is for who still has the page. */
static void test_error(void **state)
{
	(void)state;
	map_file(MM_MAP_SHARED);
	device_error = RMAP_EIO;
	assert_int_equal(touch_read(&e, mm, BASE), RMAP_EIO);
	assert_int_equal(reads, 1);
	meanwhile = replaces;
	assert_int_equal(touch_write(&e, mm, BASE), 0);
	assert_int_equal(reads, 2);
	device_error = 0;
	assert_int_equal(peek(&e, mm, BASE + PAGE), word_of(1));
}

static int shifts(void)
{
	const struct mm_mmap args = { .addr = BASE,
				      .len = PAGE,
				      .prot = RW,
				      .flags = MM_MAP_SHARED | MM_MAP_FIXED,
				      .file = file,
				      .file_mode = MM_FILE_READ | MM_FILE_WRITE,
				      .offset = 2 * PAGE };
	uint64_t addr;

	device_error = 0;
	return PATIENT(mm_mmap(mm, &args, &addr));
}

/* Of the same file, but another page's: not this error. */
static void test_error_of_another(void **state)
{
	(void)state;
	map_file(MM_MAP_SHARED);
	device_error = RMAP_EIO;
	meanwhile = shifts;
	assert_int_equal(peek(&e, mm, BASE), word_of(2));
}

/* The first page of another file takes f0's place. */
static int takes_its_place(void)
{
	struct mm_mmap args = { .addr = BASE,
				.len = PAGE,
				.prot = RW,
				.flags = MM_MAP_SHARED | MM_MAP_FIXED,
				.file_mode = MM_FILE_READ | MM_FILE_WRITE };
	uint64_t addr;
	int error;

	device_error = 0;
	error = PATIENT(mm_file_create(e.sys, NULL, PAGE, &args.file));
	if (error)
		return error;
	error = PATIENT(mm_mmap(mm, &args, &addr));
	mm_file_put(args.file);
	return error;
}

/* At the same place, but of another file: not this error either. */
static void test_error_of_another_file(void **state)
{
	(void)state;
	map_file(MM_MAP_SHARED);
	device_error = RMAP_EIO;
	meanwhile = takes_its_place;
	assert_int_equal(touch_read(&e, mm, BASE), 0);
	assert_int_equal(reads, 1);
}

static void test_pin(void **state)
{
	struct page *page;

	(void)state;
	map_file(MM_MAP_SHARED);
	meanwhile = forks;
	assert_int_equal(mm_pin(mm, BASE, MM_PIN_WRITE, &page), 0);
	assert_non_null(child);
	mm_unpin(e.sys, page, MM_PIN_WRITE);
	assert_int_equal(peek(&e, child, BASE), word_of(0));
}

/* ---------------------------------------------------------------- others who wait */

/*
 * f1 is on its way when the file is cut to f0. Whether the fault or the cut comes first behind that, there is no f1 in the end. The
 * fault holds nothing either when it waits for the cut to end: both parent and child are as they were.
 */
static void truncate_under(uint32_t flags)
{
	int error;

	map_file(flags);
	comes = truncates;
	comes_to_wait = writer_waits;
	meanwhile = forks;
	error = PATIENT(mm_fault(mm, BASE + PAGE, MM_ACCESS_WRITE));
	assert_true(error == 0 || error == RMAP_EIO);
	await();
	assert_int_equal(page_info(mm, BASE + PAGE).state, MM_PAGE_NONE);
	assert_int_equal(touch_read(&e, mm, BASE + PAGE), RMAP_EIO);
	assert_int_equal(touch_write(&e, mm, BASE + PAGE), RMAP_EIO);
	assert_int_equal(peek(&e, child, BASE), word_of(0));
}

static void test_truncate(void **state)
{
	(void)state;
	truncate_under(MM_MAP_SHARED);
}

static void test_truncate_private(void **state)
{
	(void)state;
	truncate_under(MM_MAP_PRIVATE);
}

/* Truncation itself reads the page that it cuts, and the faults on the file wait for it. */
static void test_cut(void **state)
{
	(void)state;
	map_file(MM_MAP_SHARED);
	comes = faults;
	comes_to_wait = writer_waits;
	meanwhile = forks;
	assert_int_equal(PATIENT(mm_file_truncate(file, PAGE + 8)), 0);
	await();
	assert_int_equal(peek(&e, mm, BASE), word_of(0));
}

/* Two want one page: it is read once. */
static void second_waiter(uint32_t flags)
{
	map_file(flags);
	comes = faults;
	meanwhile = forks;
	/* The checker would meet the other one, who may be on his way still. */
	assert_int_equal(mm_fault(mm, BASE, MM_ACCESS_READ), 0);
	await();
	assert_int_equal(peek(&e, mm, BASE), word_of(0));
	poke(&e, mm, BASE, 9);
	assert_int_equal(peek(&e, mm, BASE), 9);
	assert_int_equal(peek(&e, child, BASE), flags == MM_MAP_SHARED ? 9 : word_of(0));
	assert_int_equal(reads, 1);
}

static void test_second_waiter(void **state)
{
	(void)state;
	second_waiter(MM_MAP_SHARED);
}

static void test_second_waiter_private(void **state)
{
	(void)state;
	second_waiter(MM_MAP_PRIVATE);
}

/*
 * f0 is being written when somebody writes to it: he waits, so that his bytes are not lost, and keeps nobody from anything.
 *
 * covers: 1.12
 */
static void test_writeback(void **state)
{
	struct mm_page_info info;

	(void)state;
	map_file(MM_MAP_SHARED);
	poke(&e, mm, BASE, 9);
	comes = faults;
	meanwhile = forks;
	assert_int_equal(mm_file_sync(file), 0);
	await();
	info = page_info(mm, BASE);
	assert_true(info.dirty);
	assert_true(info.writable);
	assert_int_equal(peek(&e, child, BASE), 9);
}

static struct rmap_port below; /* what tier 1's callbacks were */
static int child_error;

static int child_faults(void)
{
	child_error = PATIENT(mm_fault(child, BASE, MM_ACCESS_READ));
	return 0;
}

/* A walk has been at P's entry, and whoever walks has locked the page. */
static void leave_hit(void *ctx, struct rmap_hit *hit)
{
	below.pte_unlock(ctx, hit);
	others_come();
}

/*
 *	P  |s0  |   s0's frame goes bad, and before it is known for that
 *	C  |    |   C comes for s0, and waits: then it is not s0's contents, nor an error of the wait, that it gets
 */
static void test_goes_bad(void **state)
{
	(void)state;
	map_with(&e, mm, BASE, 2, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
	child = engine_fork(&e, mm);
	poke(&e, mm, BASE, 7);
	below = e.sys->rmap_port;
	e.sys->rmap_port.pte_unlock = leave_hit;
	comes = child_faults;
	assert_int_equal(mm_poison(mm, BASE), 0);
	e.sys->rmap_port.pte_unlock = below.pte_unlock;
	await();
	assert_int_equal(child_error, RMAP_EHWPOISON);
	assert_int_equal(touch_read(&e, mm, BASE), RMAP_EHWPOISON);
}

/* ---------------------------------------------------------------- shared memory, from swap */

/* |7 8|, both in swap */
static void shared_in_swap(void)
{
	map_with(&e, mm, BASE, 2, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
	poke(&e, mm, BASE, 7);
	poke(&e, mm, BASE + PAGE, 8);
	reclaim_all(e.sys);
	assert_int_equal(page_info(mm, BASE).state, MM_PAGE_NONE);
}

static void test_shared(void **state)
{
	(void)state;
	shared_in_swap();
	meanwhile = forks;
	assert_int_equal(peek(&e, mm, BASE), 7);
	assert_int_equal(reads, 1);
	assert_int_equal(peek(&e, child, BASE), 7);
	assert_true(same_frame(mm, BASE, child, BASE));
}

static void test_shared_unmap(void **state)
{
	(void)state;
	shared_in_swap();
	meanwhile = unmaps;
	assert_int_equal(touch_read(&e, mm, BASE), RMAP_EFAULT);
	assert_int_equal(peek(&e, mm, BASE + PAGE), 8);
}

static void test_shared_error(void **state)
{
	(void)state;
	shared_in_swap();
	device_error = RMAP_EIO;
	assert_int_equal(touch_read(&e, mm, BASE), RMAP_EIO);
	assert_int_equal(reads, 1);
	device_error = 0;
	assert_int_equal(peek(&e, mm, BASE + PAGE), 8);
}

/* ---------------------------------------------------------------- mlock, MAP_POPULATE, MADV_POPULATE_* */

/* |7 8|, both in swap */
static void private_in_swap(void)
{
	map_anon(&e, mm, BASE, 2);
	poke(&e, mm, BASE, 7);
	poke(&e, mm, BASE + PAGE, 8);
	swap_out(&e, mm, BASE);
	swap_out(&e, mm, BASE + PAGE);
}

static void test_mlock(void **state)
{
	struct mm_counters before;

	(void)state;
	private_in_swap();
	before = counters_of(&e);
	meanwhile = forks;
	assert_int_equal(STEP(&e, mm_mlock(mm, BASE, 2 * PAGE, 0)), 0);
	assert_int_equal(reads, 2);
	assert_int_equal(counters_of(&e).faults - before.faults, 2);
	assert_int_equal(counters_of(&e).fault_errors, before.fault_errors);
	assert_true(page_info(mm, BASE).state == MM_PAGE_PRESENT);
	assert_true(page_info(mm, BASE + PAGE).state == MM_PAGE_PRESENT);
	assert_int_equal(peek(&e, child, BASE), 7);
}

/* What has gone meanwhile is no error, as on Linux; what is left is locked and there. */
static void test_mlock_unmap(void **state)
{
	(void)state;
	private_in_swap();
	meanwhile = unmaps;
	assert_int_equal(STEP(&e, mm_mlock(mm, BASE, 2 * PAGE, 0)), 0);
	assert_int_equal(touch_read(&e, mm, BASE), RMAP_EFAULT);
	assert_true(page_info(mm, BASE + PAGE).state == MM_PAGE_PRESENT);
}

static void test_mlock_nothing_left(void **state)
{
	(void)state;
	private_in_swap();
	meanwhile = unmaps_all;
	assert_int_equal(STEP(&e, mm_mlock(mm, BASE, 2 * PAGE, 0)), 0);
	assert_int_equal(reads, 1);
}

static void test_mlock_error(void **state)
{
	(void)state;
	private_in_swap();
	device_error = RMAP_EIO;
	assert_int_equal(STEP(&e, mm_mlock(mm, BASE, 2 * PAGE, 0)), RMAP_ENOMEM);
	assert_int_equal(reads, 1);
	device_error = 0;
}

static void test_mlock_file(void **state)
{
	(void)state;
	map_file(MM_MAP_PRIVATE);
	meanwhile = forks;
	assert_int_equal(STEP(&e, mm_mlock(mm, BASE, 2 * PAGE, 0)), 0);
	assert_int_equal(reads, 2);
	poke(&e, mm, BASE, 9);
	assert_int_equal(peek(&e, child, BASE), word_of(0));
}

/* mmap has made the mapping when it populates it, so that others may change that already. */
static void test_map_populate(void **state)
{
	(void)state;
	meanwhile = unmaps;
	map_with(&e, mm, BASE, 2, RW, MM_MAP_SHARED | MM_MAP_POPULATE, file, 0);
	assert_int_equal(touch_read(&e, mm, BASE), RMAP_EFAULT);
	assert_true(page_info(mm, BASE + PAGE).state == MM_PAGE_PRESENT);
	assert_int_equal(reads, 2);
}

static void test_madvise_populate(void **state)
{
	(void)state;
	map_file(MM_MAP_SHARED);
	meanwhile = forks;
	assert_int_equal(STEP(&e, mm_madvise(mm, BASE, PAGE, MM_MADV_POPULATE_WRITE)), 0);
	assert_int_equal(reads, 1);
	assert_true(page_info(mm, BASE).dirty);
	meanwhile = unmaps_all;
	assert_int_equal(STEP(&e, mm_madvise(mm, BASE + PAGE, PAGE, MM_MADV_POPULATE_READ)),
			 RMAP_ENOMEM);
	assert_int_equal(reads, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_file, tear_down_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fork),
		TEST(test_fork_private),
		TEST(test_unmap),
		TEST(test_file_goes),
		TEST(test_protect),
		TEST(test_replace),
		TEST(test_move),
		TEST(test_error),
		TEST(test_error_of_another),
		TEST(test_error_of_another_file),
		TEST(test_pin),
		TEST(test_truncate),
		TEST(test_truncate_private),
		TEST(test_cut),
		TEST(test_second_waiter),
		TEST(test_second_waiter_private),
		TEST(test_writeback),
		TEST(test_goes_bad),
		TEST(test_shared),
		TEST(test_shared_unmap),
		TEST(test_shared_error),
		TEST(test_mlock),
		TEST(test_mlock_unmap),
		TEST(test_mlock_nothing_left),
		TEST(test_mlock_error),
		TEST(test_mlock_file),
		TEST(test_map_populate),
		TEST(test_madvise_populate),
	};

	return cmocka_run_group_tests_name("file_wait", tests, NULL, NULL);
}
