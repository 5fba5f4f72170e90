// SPDX-License-Identifier: BSD-2-Clause
/*
 * While a fault waits for its page to come from swap it holds no lock of the address space: whatever others do to that meanwhile another
 * thread does here while the device is at it. With the VMA's lock held each of these calls would wait for ever.
 */
#include "engine.h"

#include <pthread.h>

#define BASE 0x10000000ull
#define RW   (MM_PROT_READ | MM_PROT_WRITE)

static struct engine e;
static struct mm *mm, *child;
static struct mm_port port;
static const struct mm_port *real;
static int (*meanwhile)(void); /* once */
static int meanwhile_error, device_error;
static unsigned int reads;

static void *act(void *arg)
{
	int (*what)(void) = meanwhile;

	(void)arg;
	meanwhile = NULL;
	meanwhile_error = what();
	return NULL;
}

static int slow_read(void *ctx, uint64_t slot, void *data)
{
	int error = real->swap_read(ctx, slot, data);
	pthread_t thread;

	reads++;
	if (meanwhile && !pthread_create(&thread, NULL, act, NULL))
		pthread_join(thread, NULL);
	return device_error ? device_error : error;
}

static const struct mm_port *wrap(const struct mm_port *hosted, void *arg)
{
	(void)arg;
	real = hosted;
	port = *hosted;
	port.swap_read = slow_read;
	return &port;
}

/* |7 8|, the first of them in swap */
static int set_up(void **state)
{
	const struct engine_config config = { .wrap = wrap };

	(void)state;
	engine_setup(&e, &config);
	mm = engine_mm(&e);
	child = NULL;
	device_error = meanwhile_error = 0;
	meanwhile = NULL;
	reads = 0;
	map_anon(&e, mm, BASE, 2);
	poke(&e, mm, BASE, 7);
	poke(&e, mm, BASE + PAGE, 8);
	swap_out(&e, mm, BASE);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	/* It was done, and with success. */
	assert_null(meanwhile);
	assert_int_equal(meanwhile_error, 0);
	if (child)
		mm_put(child);
	mm_put(mm);
	engine_teardown(&e);
	return 0;
}

static int forks(void)
{
	return PATIENT(mm_fork(mm, &child));
}

/* covers: 1.1-4 */
static void test_fork(void **state)
{
	(void)state;
	meanwhile = forks;
	assert_int_equal(peek(&e, mm, BASE), 7);
	assert_non_null(child);
	/* One page for both, brought in once. */
	assert_int_equal(peek(&e, child, BASE), 7);
	assert_true(same_frame(mm, BASE, child, BASE));
	assert_int_equal(reads, 1);
	poke(&e, mm, BASE, 9);
	assert_int_equal(peek(&e, child, BASE), 7);
}

static int unmaps(void)
{
	return PATIENT(mm_munmap(mm, BASE, PAGE));
}

static void test_unmap(void **state)
{
	(void)state;
	meanwhile = unmaps;
	assert_int_equal(touch_read(&e, mm, BASE), RMAP_EFAULT);
	assert_int_equal(peek(&e, mm, BASE + PAGE), 8);
}

static int forbids(void)
{
	return PATIENT(mm_mprotect(mm, BASE, PAGE, MM_PROT_READ));
}

static void test_protect(void **state)
{
	(void)state;
	meanwhile = forbids;
	assert_int_equal(touch_write(&e, mm, BASE), RMAP_EACCES);
	assert_int_equal(peek(&e, mm, BASE), 7);
}

static int replaces(void)
{
	const struct mm_mmap args = { .addr = BASE,
				      .len = PAGE,
				      .prot = RW,
				      .flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_FIXED };
	uint64_t addr;

	return PATIENT(mm_mmap(mm, &args, &addr));
}

/* The page that is read is not the one that is there now. */
static void test_replace(void **state)
{
	(void)state;
	meanwhile = replaces;
	poke(&e, mm, BASE, 5);
	assert_int_equal(peek(&e, mm, BASE), 5);
}

static int moves(void)
{
	uint64_t addr;

	return PATIENT(mm_mremap(mm, BASE, PAGE, PAGE, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED,
				 BASE + 64 * PAGE, &addr));
}

static void test_move(void **state)
{
	(void)state;
	meanwhile = moves;
	assert_int_equal(touch_read(&e, mm, BASE), RMAP_EFAULT);
	assert_int_equal(peek(&e, mm, BASE + 64 * PAGE), 7);
}

/* The error is for who still has the page. */
static void test_error(void **state)
{
	(void)state;
	device_error = RMAP_EIO;
	assert_int_equal(touch_read(&e, mm, BASE), RMAP_EIO);
	assert_int_equal(reads, 1);
	meanwhile = replaces;
	assert_int_equal(touch_read(&e, mm, BASE), 0);
	assert_int_equal(reads, 2);
	device_error = 0;
	assert_int_equal(peek(&e, mm, BASE), 0);
}

static void test_pin(void **state)
{
	struct page *page;

	(void)state;
	meanwhile = forks;
	assert_int_equal(mm_pin(mm, BASE, MM_PIN_WRITE, &page), 0);
	assert_non_null(child);
	mm_unpin(e.sys, page, MM_PIN_WRITE);
	poke(&e, mm, BASE, 9);
	assert_int_equal(peek(&e, child, BASE), 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fork), TEST(test_unmap), TEST(test_protect), TEST(test_replace),
		TEST(test_move), TEST(test_error), TEST(test_pin),
	};

	return cmocka_run_group_tests_name("swap_wait", tests, NULL, NULL);
}
