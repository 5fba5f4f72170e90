// SPDX-License-Identifier: BSD-2-Clause
/* Limits of an address space, the number of VMAs, and the three policies of overcommit. */
#include "vmas.h"

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

static void restart(struct engine_config config)
{
	engine_teardown(&e);
	engine_setup(&e, &config);
}

/* covers: 1.8-6 */
static void test_defaults(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	assert_int_equal(mm_get_limit(mm, MM_LIMIT_AS), MM_LIMIT_INFINITY);
	assert_int_equal(mm_get_limit(mm, MM_LIMIT_DATA), MM_LIMIT_INFINITY);
	assert_int_equal(mm_get_limit(mm, MM_LIMIT_STACK), 8 << 20);
	assert_int_equal(mm_get_limit(mm, MM_LIMIT_MEMLOCK), 8 << 20);
	mm_set_limit(mm, (enum mm_limit)99, 1);
	assert_int_equal(mm_get_limit(mm, (enum mm_limit)99), 0);
	mm_put(mm);
}

/*
 * AS counts all, DATA what is private and writable; mprotect turns one into the other.
 *
 * covers: 1.8-6, I10
 */
static void test_as_and_data(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	mm_set_limit(mm, MM_LIMIT_AS, 10 * PAGE);
	mm_set_limit(mm, MM_LIMIT_DATA, 4 * PAGE);
	assert_int_equal(try_map(&e, mm, 0, 5, RW, ANON | MM_MAP_FIXED), RMAP_ENOMEM);
	assert_int_equal(try_map(&e, mm, 0, 4, RW, ANON | MM_MAP_FIXED), 0);
	assert_int_equal(try_map(&e, mm, 8, 1, RW, ANON | MM_MAP_FIXED), RMAP_ENOMEM);
	assert_int_equal(try_map(&e, mm, 8, 4, MM_PROT_READ, ANON | MM_MAP_FIXED), 0);
	assert_int_equal(try_map(&e, mm, 20, 2, RW, SHM | MM_MAP_FIXED), 0);
	assert_int_equal(try_map(&e, mm, 30, 1, MM_PROT_READ, ANON | MM_MAP_FIXED), RMAP_ENOMEM);
	/* Memory that is full anyway does not keep rights from changing; a full data limit alone does. */
	mm_set_limit(mm, MM_LIMIT_AS, 11 * PAGE);
	assert_int_equal(protect(&e, mm, 8, 1, RW), RMAP_ENOMEM);
	assert_int_equal(protect(&e, mm, 0, 1, MM_PROT_READ), 0);
	assert_int_equal(protect(&e, mm, 8, 1, RW), 0);
	assert_int_equal(protect(&e, mm, 9, 1, MM_PROT_READ | MM_PROT_EXEC), 0);
	assert_int_equal(stats_of(mm).data_vm, 4);
	assert_int_equal(stats_of(mm).exec_vm, 1);
	assert_int_equal(stats_of(mm).total_vm, 10);
	mm_put(mm);
}

/*
 * One VMA more than the limit can be had by mmap, none by splitting; unmapping may go above it for a moment, not stay there.
 *
 * covers: 1.8-6, 1.8-1, 1.8-3, 1.9-8
 */
static void test_map_count(void **state)
{
	struct mm *mm;

	(void)state;
	restart((struct engine_config){ .mm.max_map_count = 8 });
	mm = engine_mm(&e);
	for (unsigned int i = 0; i < 9; i++)
		assert_int_equal(try_map(&e, mm, 10 * i, 4, RW, ANON | MM_MAP_FIXED), 0);
	assert_int_equal(stats_of(mm).map_count, 9);
	assert_int_equal(try_map(&e, mm, 200, 1, RW, ANON | MM_MAP_FIXED), RMAP_ENOMEM);
	/* Even one that would have been merged, or takes another one's place. */
	assert_int_equal(try_map(&e, mm, 4, 1, RW, ANON | MM_MAP_FIXED), RMAP_ENOMEM);
	assert_int_equal(try_map(&e, mm, 0, 4, RW, ANON | MM_MAP_FIXED), RMAP_ENOMEM);
	assert_int_equal(protect(&e, mm, 0, 1, MM_PROT_READ), RMAP_ENOMEM);
	assert_int_equal(advise(&e, mm, 0, 1, MM_MADV_DONTFORK), RMAP_EAGAIN);
	assert_int_equal(unmap(&e, mm, 1, 1), RMAP_ENOMEM);
	assert_int_equal(unmap(&e, mm, 0, 1), 0);
	assert_int_equal(unmap(&e, mm, 2, 9), 0);
	assert_int_equal(stats_of(mm).map_count, 9);
	assert_int_equal(unmap(&e, mm, 80, 4), 0);
	assert_int_equal(stats_of(mm).map_count, 8);
	assert_int_equal(unmap(&e, mm, 21, 1), RMAP_ENOMEM);
	assert_int_equal(unmap(&e, mm, 70, 4), 0);
	assert_int_equal(unmap(&e, mm, 21, 1), 0);
	assert_int_equal(stats_of(mm).map_count, 8);
	mm_put(mm);
}

/*
 * A move may need three VMAs more for a while; where the limit is no more than that, there is no move.
 *
 * covers: 1.8-6
 */
static void test_a_tiny_map_count(void **state)
{
	struct mm *mm;

	(void)state;
	for (uint32_t limit = 1; limit < 7; limit++) {
		restart((struct engine_config){ .mm.max_map_count = limit });
		mm = engine_mm(&e);
		assert_int_equal(try_map(&e, mm, 0, 1, RW, ANON | MM_MAP_FIXED), 0);
		assert_int_equal(remap(&e, mm, 0, 1, 1, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, 8),
				 RMAP_ENOMEM);
		assert_int_equal(try_map(&e, mm, 1, 1, MM_PROT_READ, ANON | MM_MAP_FIXED), 0);
		/* In the way of growing in place. */
		assert_int_equal(remap(&e, mm, 0, 1, 2, MM_MREMAP_MAYMOVE, 0),
				 limit < 6 ? RMAP_ENOMEM : 0);
		mm_put(mm);
	}
}

/*
 * The limit that Linux has: 65,530, of which 65,531 can be had.
 *
 * covers: 1.8-6, 1.8-1
 */
static void test_65531(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t at;
	unsigned int n = 0;
	int error;

	(void)state;
	do {
		struct mm_mmap args = { .addr = AT(2 * n),
					.len = PAGE,
					.prot = MM_PROT_READ,
					.flags = ANON | MM_MAP_FIXED };

		error = mm_mmap(mm, &args, &at);
	} while (!error && ++n < 70000);
	assert_int_equal(error, RMAP_ENOMEM);
	assert_int_equal(n, 65531);
	engine_check(&e);
	mm_put(mm);
}

/* ---------------------------------------------------------------- overcommit */

/*
 * What is accounted: private writable memory, unless NORESERVE; read-only memory when it becomes writable, and given back only
 * while nothing can have been written.
 *
 * covers: 1.8-7
 */
static void test_accountable(void **state)
{
	struct mm *mm = engine_mm(&e), *child;

	(void)state;
	map_anon(&e, mm, AT(0), 2);
	assert_int_equal(committed(&e), 2);
	map_with(&e, mm, AT(10), 2, MM_PROT_READ, ANON, NULL, 0);
	map_with(&e, mm, AT(20), 2, RW, ANON | MM_MAP_NORESERVE, NULL, 0);
	/* Shared memory: promised once, whatever its rights, until the last who maps it has gone. */
	map_with(&e, mm, AT(30), 2, MM_PROT_READ, SHM, NULL, 0);
	map_with(&e, mm, AT(40), 2, RW, SHM | MM_MAP_NORESERVE, NULL, 0);
	assert_int_equal(committed(&e), 2 + 2);
	assert_int_equal(protect(&e, mm, 10, 2, RW), 0);
	assert_int_equal(committed(&e), 4 + 2);
	assert_int_equal(protect(&e, mm, 10, 2, MM_PROT_READ), 0);
	assert_int_equal(committed(&e), 2 + 2);
	assert_int_equal(protect(&e, mm, 10, 2, RW), 0);
	poke(&e, mm, AT(10), 1);
	assert_int_equal(protect(&e, mm, 10, 2, MM_PROT_READ), 0);
	assert_int_equal(committed(&e), 4 + 2);
	assert_int_equal(protect(&e, mm, 20, 2, MM_PROT_READ), 0);
	assert_int_equal(protect(&e, mm, 20, 2, RW), 0);
	assert_int_equal(committed(&e), 4 + 2);
	child = engine_fork(&e, mm);
	assert_int_equal(committed(&e), 8 + 2);
	mm_put(mm);
	assert_int_equal(committed(&e), 4 + 2);
	mm_put(child);
	assert_int_equal(committed(&e), 0);
}

/*
 * The default refuses only the one request that could never be met.
 *
 * covers: 1.8-7
 */
static void test_guess(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	assert_int_equal(try_map(&e, mm, 0, 2048 + 1024 + 1, RW, ANON | MM_MAP_FIXED), RMAP_ENOMEM);
	assert_int_equal(try_map(&e, mm, 0, 2048 + 1024, RW, ANON | MM_MAP_FIXED), 0);
	assert_int_equal(try_map(&e, mm, 8192, 2048 + 1024, RW, ANON | MM_MAP_FIXED), 0);
	assert_int_equal(try_map(&e, mm, 16384, 65536, RW, ANON | MM_MAP_FIXED | MM_MAP_NORESERVE),
			 0);
	mm_put(mm);
}

/*
 * Two requests that could each be met are one VMA, and fork asks for that at once: as Linux does.
 *
 *	P  [3072][3072] --fork--> ENOMEM, and nothing is promised;  apart: [3072]  .  [3072] --fork--> a child
 *
 * covers: 1.8-7
 */
static void test_guess_at_fork(void **state)
{
	const uint64_t most = 2048 + 1024;
	struct mm *mm = engine_mm(&e), *child = NULL;

	(void)state;
	assert_int_equal(try_map(&e, mm, 0, most, RW, ANON | MM_MAP_FIXED), 0);
	assert_int_equal(try_map(&e, mm, most, most, RW, ANON | MM_MAP_FIXED), 0);
	assert_int_equal(committed(&e), 2 * most);
	assert_int_equal(STEP(&e, mm_fork(mm, &child)), RMAP_ENOMEM);
	assert_null(child);
	assert_int_equal(committed(&e), 2 * most);
	assert_int_equal(STEP(&e, mm_munmap(mm, AT(most), PAGE)), 0);
	child = engine_fork(&e, mm);
	assert_int_equal(committed(&e), 2 * (2 * most - 1));
	mm_put(child);
	mm_put(mm);
}

/* covers: 1.8-7 */
static void test_always(void **state)
{
	struct mm *mm;

	(void)state;
	restart((struct engine_config){ .mm.overcommit = MM_OVERCOMMIT_ALWAYS });
	mm = engine_mm(&e);
	assert_int_equal(try_map(&e, mm, 0, 1 << 20, RW, ANON | MM_MAP_FIXED), 0);
	mm_put(mm);
}

/*
 * Strict: half the frames and all swap, less what is kept back; NORESERVE does not help; who may, gets the last of it.
 *
 * covers: 1.8-7
 */
static void test_never(void **state)
{
	struct mm *mm, *child = NULL;
	uint64_t n = 0;

	(void)state;
	restart((struct engine_config){ .mm.overcommit = MM_OVERCOMMIT_NEVER });
	mm = engine_mm(&e);
	while (!try_map(&e, mm, 2 * (unsigned int)n, 1, RW,
			ANON | MM_MAP_FIXED | MM_MAP_NORESERVE) &&
	       n < 2048)
		n++;
	assert_int_equal(committed(&e), n);
	/* 1,024 + 1,024, less a 32nd of the frames, less a 32nd of what this address space has. */
	assert_int_equal(n, 2048 - 64 - 1 - n / 32);
	mm_set_capabilities(mm, MM_CAP_SYS_ADMIN);
	assert_int_equal(try_map(&e, mm, 5000, 1, RW, ANON | MM_MAP_FIXED), 0);
	mm_set_capabilities(mm, 0);
	assert_int_equal(STEP(&e, mm_fork(mm, &child)), RMAP_ENOMEM);
	assert_int_equal(committed(&e), n + 1);
	assert_int_equal(protect(&e, mm, 0, 1, MM_PROT_READ), 0);
	assert_int_equal(committed(&e), n);
	mm_put(mm);
	assert_int_equal(committed(&e), 0);
}

/*
 * What is kept back at a fork goes by the size of who forks; the child has none yet. 2,048 in all, less 64:
 *
 *	P  [rw 992] [r 2000] --fork--> ENOMEM;  [rw 991] . [r 2000] --fork--> a child
 *
 * covers: 1.8-7
 */
static void test_never_at_fork(void **state)
{
	struct mm *mm, *child = NULL;

	(void)state;
	restart((struct engine_config){ .mm.overcommit = MM_OVERCOMMIT_NEVER });
	mm = engine_mm(&e);
	mm_set_capabilities(mm, MM_CAP_SYS_ADMIN);
	assert_int_equal(try_map(&e, mm, 0, 992, RW, ANON | MM_MAP_FIXED), 0);
	assert_int_equal(try_map(&e, mm, 4096, 2000, MM_PROT_READ, ANON | MM_MAP_FIXED), 0);
	assert_int_equal(STEP(&e, mm_fork(mm, &child)), RMAP_ENOMEM);
	assert_null(child);
	assert_int_equal(committed(&e), 992);
	assert_int_equal(unmap(&e, mm, 991, 1), 0);
	child = engine_fork(&e, mm);
	assert_int_equal(committed(&e), 2 * 991);
	mm_put(child);
	mm_put(mm);
}

/*
 * A slot can keep a promise only while swap is used: the one request that could never be met is smaller without it.
 *
 * covers: 1.8-7
 */
static void test_guess_without_swap(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), 0);
	assert_int_equal(try_map(&e, mm, 0, 2048 + 1, RW, ANON | MM_MAP_FIXED), RMAP_ENOMEM);
	assert_int_equal(try_map(&e, mm, 0, 2048, RW, ANON | MM_MAP_FIXED), 0);
	assert_int_equal(STEP(&e, mm_swapon(e.sys)), 0);
	assert_int_equal(try_map(&e, mm, 8192, 2048 + 1, RW, ANON | MM_MAP_FIXED), 0);
	mm_put(mm);
}

/*
 * And where the sum is limited, swapoff is refused as long as more is promised than half the frames.
 *
 *	P  [rw 1024] --swapoff--> ENOMEM, swap is used;  [rw 1023] . --swapoff--> 0, nothing more is promised
 *
 * covers: 1.8-7
 */
static void test_never_without_swap(void **state)
{
	struct mm *mm;

	(void)state;
	restart((struct engine_config){ .mm.overcommit = MM_OVERCOMMIT_NEVER });
	mm = engine_mm(&e);
	assert_int_equal(try_map(&e, mm, 0, 1024, RW, ANON | MM_MAP_FIXED), 0);
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), RMAP_ENOMEM);
	assert_int_equal(STEP(&e, mm_swapon(e.sys)), RMAP_EBUSY);
	assert_int_equal(try_map(&e, mm, 4096, 1, RW, ANON | MM_MAP_FIXED), 0);
	assert_int_equal(unmap(&e, mm, 1022, 2), 0);
	assert_int_equal(STEP(&e, mm_swapoff(e.sys)), 0);
	assert_int_equal(try_map(&e, mm, 8192, 1, RW, ANON | MM_MAP_FIXED), RMAP_ENOMEM);
	assert_int_equal(STEP(&e, mm_swapon(e.sys)), 0);
	assert_int_equal(try_map(&e, mm, 8192, 1, RW, ANON | MM_MAP_FIXED), 0);
	mm_put(mm);
	assert_int_equal(committed(&e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_as_and_data, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map_count, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_tiny_map_count, setup, teardown),
		cmocka_unit_test_setup_teardown(test_65531, setup, teardown),
		cmocka_unit_test_setup_teardown(test_accountable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guess, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guess_at_fork, setup, teardown),
		cmocka_unit_test_setup_teardown(test_always, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_at_fork, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guess_without_swap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_without_swap, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
