// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who syncs comes back when the store has it all, whoever writes it: a page that another one is just writing is clean already, and its
 * store has not got it. Another thread's sync comes here while the device writes, before the store has the page (meanwhile.h).
 */
#include "mm/reclaim.h"

#include "meanwhile_file.h"

#define WRITTEN 77

static uint64_t seen; /* in the store, when the sync that came was through */

static uint64_t in_store(void)
{
	unsigned char page[PAGE];
	uint64_t word;

	if (real->file_read(real->ctx, mm_file_handle(file), 0, page))
		return 0;
	memcpy(&word, page, sizeof(word));
	return word;
}

static int syncs(void)
{
	int error = PATIENT(mm_file_sync(file));

	seen = in_store();
	return error;
}

static int msyncs(void)
{
	int error = PATIENT(mm_msync(mm, BASE, PAGE, MM_MS_SYNC));

	seen = in_store();
	return error;
}

/* Behind where it stands: it has nothing to wait for. */
static int syncs_the_other(void)
{
	return PATIENT(mm_msync(mm, BASE + PAGE, PAGE, MM_MS_SYNC));
}

/*
 *	BASE |W f1|   file, W not in its store
 */
static int set_up_written(void **state)
{
	set_up_file(state);
	seen = 0;
	map_file(MM_MAP_SHARED);
	poke(&e, mm, BASE, WRITTEN);
	return 0;
}

static void assert_all_was_saved(void)
{
	await();
	assert_int_equal(seen, WRITTEN);
	assert_int_equal(counters_of(&e).file_out, 1);
	assert_int_equal(peek(&e, mm, BASE), WRITTEN);
}

/* fsync beside fsync: one writes, both wait. covers: 1.5-8 */
static void test_sync_beside_sync(void **state)
{
	(void)state;
	comes = syncs;
	assert_int_equal(STEP(&e, mm_file_sync(file)), 0);
	assert_all_was_saved();
}

/* covers: 1.5-8, 1.11-7 */
static void test_msync_beside_sync(void **state)
{
	(void)state;
	comes = msyncs;
	assert_int_equal(STEP(&e, mm_file_sync(file)), 0);
	assert_all_was_saved();
}

/* Reclaim writes it, to drop it then. covers: 1.5-8 */
static void test_sync_beside_reclaim(void **state)
{
	(void)state;
	comes = syncs;
	reclaim_all(e.sys);
	assert_all_was_saved();
}

/* covers: 1.11-7 */
static void test_msync_of_another_page(void **state)
{
	(void)state;
	meanwhile = syncs_the_other;
	assert_int_equal(STEP(&e, mm_file_sync(file)), 0);
	assert_int_equal(in_store(), WRITTEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sync_beside_sync, set_up_written,
						tear_down_file),
		cmocka_unit_test_setup_teardown(test_msync_beside_sync, set_up_written,
						tear_down_file),
		cmocka_unit_test_setup_teardown(test_sync_beside_reclaim, set_up_written,
						tear_down_file),
		cmocka_unit_test_setup_teardown(test_msync_of_another_page, set_up_written,
						tear_down_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
