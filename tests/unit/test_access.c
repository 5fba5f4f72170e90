// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading, writing and pinning without a processor: what is allowed by the entry, what by the VMA, what by force; and a file read and
 * written by the cache, at its edges.
 */
#include "faulty.h"

#include <string.h>

#include "mm/mm_types.h"

static struct engine e;
static struct mm *mm;

static int set_up(void **state)
{
	(void)state;
	engine_setup(&e, NULL);
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

static int pin(uint64_t addr, uint32_t flags)
{
	struct page *page;
	int error = STEP(&e, mm_pin(mm, addr, flags, &page));

	if (!error)
		mm_unpin(e.sys, page, flags);
	engine_check(&e);
	return error;
}

/* [w w w]   2 pages are read, the third lies behind the end */
static void test_parts_of_pages(void **state)
{
	uint64_t a = map_anon(&e, mm, 0x10000000, 3), done;
	char text[] = "across the border", back[sizeof(text)];

	(void)state;
	assert_int_equal(STEP(&e, mm_write(mm, a + PAGE - 5, text, sizeof(text), &done)), 0);
	assert_int_equal(done, sizeof(text));
	assert_int_equal(STEP(&e, mm_read(mm, a + PAGE - 5, back, sizeof(back), NULL)), 0);
	assert_string_equal(back, text);
	assert_int_equal(STEP(&e, mm_write(mm, a + 3 * PAGE - 5, text, sizeof(text), &done)),
			 RMAP_EFAULT);
	assert_int_equal(done, 5);
	assert_int_equal(STEP(&e, mm_read(mm, MM_TASK_SIZE - 1, back, 2, &done)), RMAP_EFAULT);
	assert_int_equal(done, 0);
	assert_int_equal(STEP(&e, mm_read(mm, UINT64_MAX, back, 2, &done)), RMAP_EFAULT);
	assert_int_equal(STEP(&e, mm_read(mm, a, back, 0, &done)), 0);
}

static void test_pins_without_rights(void **state)
{
	uint64_t none = map_anon(&e, mm, 0x10000000, 1), zero, file_page;
	struct mm_file *file = pattern_file(&e, 1, 3);

	(void)state;
	poke(&e, mm, none, 1);
	assert_int_equal(STEP(&e, mm_mprotect(mm, none, PAGE, MM_PROT_NONE)), 0);
	assert_int_equal(pin(none, 0), RMAP_EACCES);
	assert_int_equal(pin(none, MM_PIN_WRITE), RMAP_EACCES);
	assert_int_equal(pin(none, MM_PIN_FORCE), 0);
	assert_int_equal(pin(none, MM_PIN_FORCE | MM_PIN_LONGTERM), 0);
	/* The page of zeros, where executing is all that is allowed. */
	zero = map_with(&e, mm, 0x20000000, 1, MM_PROT_READ, MM_MAP_PRIVATE | MM_MAP_ANONYMOUS,
			NULL, 0);
	assert_int_equal(touch_read(&e, mm, zero), 0);
	assert_int_equal(pin(zero, 0), 0);
	assert_int_equal(STEP(&e, mm_mprotect(mm, zero, PAGE, MM_PROT_EXEC)), 0);
	assert_int_equal(pin(zero, 0), RMAP_EACCES);
	assert_int_equal(pin(zero, MM_PIN_FORCE), 0);
	/* A shared mapping's page is what its owner writes to: it may be kept for long as it is. */
	file_page = map_with(&e, mm, 0x30000000, 1, MM_PROT_READ, MM_MAP_SHARED, file, 0);
	assert_int_equal(pin(file_page, MM_PIN_LONGTERM), 0);
	/* Nobody ever wrote there, and the VMA forbids it: nothing to force in a shared mapping. */
	assert_int_equal(pin(file_page, MM_PIN_WRITE), RMAP_EACCES);
	assert_int_equal(pin(file_page, 8), RMAP_EINVAL);
	assert_int_equal(pin(MM_TASK_SIZE, 0), RMAP_EFAULT);
	assert_int_equal(pin(0x40000000, 0), RMAP_EFAULT);
	mm_file_put(file);
}

/* The page of zeros has no owner, and nobody is asked for the entries that stand for it: there are none. */
static void test_a_walk_from_the_page_of_zeros(void **state)
{
	uint64_t zero = map_with(&e, mm, 0x20000000, 1, MM_PROT_READ,
				 MM_MAP_PRIVATE | MM_MAP_ANONYMOUS, NULL, 0);
	struct page *page;

	(void)state;
	assert_int_equal(touch_read(&e, mm, zero), 0);
	assert_int_equal(STEP(&e, mm_pin(mm, zero, 0, &page)), 0);
	for (unsigned int flags = 0; flags < RMAP_WALK_MAY_ALLOC * 2; flags++) {
		struct rmap_walk walk = { .flags = flags, .purpose = RMAP_WALK_PROBE };

		assert_int_equal(STEP(&e, mm_walk_page(e.sys, page, &walk)), 0);
		assert_int_equal(walk.found, 0);
	}
	mm_unpin(e.sys, page, 0);
}

/*
 * A debugger writes where the owner may only read: into a private copy, which stays read-only. A page that is the owner's alone, but
 * came back clean from swap, is no such copy yet.
 */
static void test_forced_writes(void **state)
{
	uint64_t a = map_anon(&e, mm, 0x10000000, 1);
	struct page *page;

	(void)state;
	poke(&e, mm, a, 1);
	swap_out(&e, mm, a);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, PAGE, MM_PROT_READ)), 0);
	assert_int_equal(peek(&e, mm, a), 1);
	assert_int_equal(pin(a, MM_PIN_WRITE), RMAP_EACCES);
	assert_int_equal(STEP(&e, mm_pin(mm, a, MM_PIN_WRITE | MM_PIN_FORCE, &page)), 0);
	memset(mm_page_data(e.sys, page), 7, 8);
	mm_unpin(e.sys, page, MM_PIN_WRITE | MM_PIN_FORCE);
	assert_int_equal(peek(&e, mm, a), 0x0707070707070707);
	assert_int_equal(touch_write(&e, mm, a), RMAP_EACCES);
}

/* [0 1 2 3] + half a page */
static void test_a_file_at_its_edges(void **state)
{
	struct mm_file *file = pattern_file(&e, 4, 5);
	unsigned char bytes[64], pattern = hosted_pattern_byte(5, 4 * PAGE - 1);
	uint64_t done;

	(void)state;
	assert_int_equal(STEP(&e, mm_file_read(file, 4 * PAGE - 1, bytes, 8, &done)), 0);
	assert_int_equal(done, 1);
	assert_int_equal(bytes[0], pattern);
	assert_int_equal(STEP(&e, mm_file_read(file, 4 * PAGE, bytes, 8, &done)), 0);
	assert_int_equal(done, 0);
	/* Read for nobody: into the cache alone. */
	assert_int_equal(STEP(&e, mm_file_read(file, PAGE, NULL, 2 * PAGE, &done)), 0);
	assert_int_equal(done, 2 * PAGE);
	assert_int_equal(STEP(&e, mm_file_write(file, 0, bytes, 0, &done)), 0);
	assert_int_equal(done, 0);
	assert_int_equal(mm_file_size(file), 4 * PAGE);
	assert_int_equal(STEP(&e, mm_file_write(file, UINT64_MAX, bytes, 2, &done)), RMAP_EINVAL);
	/* Whole pages without bytes are pages of zeros, and nothing of who had the frame before. */
	assert_int_equal(STEP(&e, mm_file_write(file, PAGE, NULL, PAGE, &done)), 0);
	assert_int_equal(done, PAGE);
	assert_int_equal(STEP(&e, mm_file_read(file, PAGE, bytes, sizeof(bytes), NULL)), 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], 0);
	/* Grown from the middle of a page: what lies between is zeros. */
	assert_int_equal(STEP(&e, mm_file_truncate(file, 4 * PAGE - 100)), 0);
	assert_int_equal(STEP(&e, mm_file_write(file, 4 * PAGE + 10, "x", 1, &done)), 0);
	assert_int_equal(mm_file_size(file), 4 * PAGE + 11);
	assert_int_equal(STEP(&e, mm_file_read(file, 4 * PAGE - 1, bytes, 12, NULL)), 0);
	assert_int_equal(bytes[0], 0);
	assert_int_equal(bytes[11], 'x');
	mm_file_put(file);
}

/*
 * A frame of shared memory goes bad, whose contents are nowhere else: to who maps it SIGBUS, to who reads or writes the file an I/O error.
 */
static void test_a_bad_frame_of_shared_memory(void **state)
{
	struct mm_file *file = shmem_file(&e, 2);
	uint64_t a = map_with(&e, mm, 0x10000000, 2, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_SHARED,
			      file, 0),
		 done;
	char bytes[8] = "wasted";

	(void)state;
	poke(&e, mm, a, 1);
	poke(&e, mm, a + PAGE, 2);
	assert_int_equal(STEP(&e, mm_poison(mm, a)), 0);
	assert_int_equal(touch_read(&e, mm, a), RMAP_EHWPOISON);
	assert_int_equal(STEP(&e, mm_file_read(file, 0, bytes, 8, &done)), RMAP_EIO);
	assert_int_equal(done, 0);
	assert_int_equal(STEP(&e, mm_file_write(file, 0, bytes, 8, &done)), RMAP_EIO);
	assert_int_equal(done, 0);
	assert_int_equal(peek(&e, mm, a + PAGE), 2);
	mm_file_put(file);
}

/* One of a file with a store: who maps it has SIGBUS, who reads finds what was there before, who syncs is told of the loss, once. */
static void test_a_bad_frame_of_a_file(void **state)
{
	struct mm_file *file = pattern_file(&e, 2, 5);
	uint64_t a = map_with(&e, mm, 0x10000000, 2, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_SHARED,
			      file, 0);
	uint64_t word, other = 7;

	(void)state;
	poke(&e, mm, a, 1);
	assert_int_equal(STEP(&e, mm_poison(mm, a)), 0);
	assert_int_equal(touch_read(&e, mm, a), RMAP_EHWPOISON);
	assert_int_equal(STEP(&e, mm_file_read(file, 0, &word, 8, NULL)), 0);
	assert_int_equal(word, pattern_word(5, 0));
	assert_int_equal(STEP(&e, mm_file_write(file, 8, &other, 8, NULL)), 0);
	assert_int_equal(touch_read(&e, mm, a), RMAP_EHWPOISON);
	assert_int_equal(STEP(&e, mm_file_sync(file)), RMAP_EIO);
	assert_int_equal(STEP(&e, mm_file_sync(file)), 0);
	assert_int_equal(peek(&e, mm, a + PAGE), pattern_word(5, PAGE));
	/* The file has no dirty page left, nor has the machine. */
	assert_int_equal(memory_of(&e).dirty, 0);
	mm_file_put(file);
}

/* Another part of the file may be synced: the loss is told all the same. A clean page is nobody's loss. */
static void test_msync_tells_of_a_bad_frame(void **state)
{
	struct mm_file *file = pattern_file(&e, 2, 5);
	uint64_t a = map_with(&e, mm, 0x10000000, 2, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_SHARED,
			      file, 0);

	(void)state;
	assert_int_equal(peek(&e, mm, a), pattern_word(5, 0));
	assert_int_equal(STEP(&e, mm_poison(mm, a)), 0);
	assert_int_equal(peek(&e, mm, a), pattern_word(5, 0));
	assert_int_equal(STEP(&e, mm_msync(mm, a, 2 * PAGE, MM_MS_SYNC)), 0);
	poke(&e, mm, a, 1);
	assert_int_equal(STEP(&e, mm_poison(mm, a)), 0);
	assert_int_equal(STEP(&e, mm_msync(mm, a + PAGE, PAGE, MM_MS_SYNC)), RMAP_EIO);
	assert_int_equal(STEP(&e, mm_msync(mm, a, 2 * PAGE, MM_MS_SYNC)), 0);
	mm_file_put(file);
}

static void test_a_phantom_reads_zeros(void **state)
{
	struct engine_config config = { .mm.phantom = true };
	struct mm_file *file;
	char bytes[16] = "nothing is kept";
	struct engine ghost;
	struct mm *g;
	uint64_t a;

	(void)state;
	engine_setup(&ghost, &config);
	g = engine_mm(&ghost);
	a = map_anon(&ghost, g, 0, 1);
	assert_int_equal(STEP(&ghost, mm_write(g, a, bytes, 16, NULL)), 0);
	assert_int_equal(STEP(&ghost, mm_read(g, a, bytes, 16, NULL)), 0);
	for (unsigned int i = 0; i < 16; i++)
		assert_int_equal(bytes[i], 0);
	file = shmem_file(&ghost, 2);
	assert_int_equal(STEP(&ghost, mm_file_write(file, 0, bytes, 16, NULL)), 0);
	assert_int_equal(STEP(&ghost, mm_file_read(file, 0, bytes, 16, NULL)), 0);
	assert_int_equal(STEP(&ghost, mm_file_truncate(file, 100)), 0);
	mm_file_put(file);
	mm_put(g);
	settle(&ghost);
	engine_teardown(&ghost);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_parts_of_pages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pins_without_rights, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_walk_from_the_page_of_zeros, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_forced_writes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_file_at_its_edges, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_bad_frame_of_shared_memory, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_msync_tells_of_a_bad_frame, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_bad_frame_of_a_file, set_up, tear_down),
		cmocka_unit_test(test_a_phantom_reads_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
