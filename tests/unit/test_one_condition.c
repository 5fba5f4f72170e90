// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where one condition of several decides alone, and no other test is about it: promises that are refused to one call only, hints that are
 * almost good enough, pins that meet a page in swap, frames that go bad where nobody would look, contents that are not there.
 */
#include "vmas.h"

#include "faulty_fixture.h"

#include "mm/file.h"
#include "mm/table.h"
#include "mm/vma.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

/* ---------------------------------------------------------------- promised memory */

/* 5 per cent of 2,048 frames and no swap: 102 pages may be promised. */
static int setup_strict(void **state)
{
	struct engine_config config = {
		.machine = { .nr_swap_slots = UINT64_MAX },
		.mm = { .overcommit = MM_OVERCOMMIT_NEVER, .overcommit_ratio = 5 },
	};

	(void)state;
	return setup_as(&config);
}

/* 1 per cent: less than what is kept for an administrator. */
static int setup_nothing_promised(void **state)
{
	struct engine_config config = {
		.machine = { .nr_swap_slots = UINT64_MAX },
		.mm = { .overcommit = MM_OVERCOMMIT_NEVER, .overcommit_ratio = 1 },
	};

	(void)state;
	return setup_as(&config);
}

/*
 *	|a 60|            grows where it is:     60 + 60 are too many
 *	|a 60|b|          grows by moving:       the same
 *	                  a program begins:      one page for its stack is one too many for who is no administrator
 *
 * covers: 1.10-6
 */
static void promises_are_refused(void **state)
{
	const struct mm_exec exec = { .stack_top = 0 };
	struct mm *mm = engine_mm(&e), *program = NULL;

	(void)state;
	mm_set_capabilities(mm, MM_CAP_SYS_ADMIN);
	map_anon(&e, mm, AT(0), 60);
	poke(&e, mm, AT(0), 1);
	assert_int_equal(committed(&e), 60);
	assert_int_equal(remap(&e, mm, 0, 60, 120, 0, 0), RMAP_ENOMEM);
	map_anon(&e, mm, AT(60), 1);
	assert_int_equal(protect(&e, mm, 60, 1, MM_PROT_READ), 0);
	assert_int_equal(remap(&e, mm, 0, 60, 120, MM_MREMAP_MAYMOVE, 0), RMAP_ENOMEM);
	assert_int_equal(committed(&e), 61);
	mm_set_capabilities(mm, 0);
	assert_int_equal(STEP(&e, mm_exec(mm, &exec, &program)), RMAP_ENOMEM);
	assert_null(program);
	assert_int_equal(committed(&e), 61);
	assert_int_equal(peek(&e, mm, AT(0)), 1);
	mm_put(mm);
}

static void nothing_is_promised(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	assert_int_equal(try_map(&e, mm, 0, 1, RW, ANON), RMAP_ENOMEM);
	mm_set_capabilities(mm, MM_CAP_SYS_ADMIN);
	assert_int_equal(try_map(&e, mm, 0, 1, RW, ANON), 0);
	mm_put(mm);
}

/* ---------------------------------------------------------------- where a mapping goes */

static int map_at_hint(struct mm *mm, uint64_t hint, uint64_t len, struct mm_file *file,
		       uint64_t *at)
{
	const struct mm_mmap args = { .addr = hint,
				      .len = len,
				      .prot = MM_PROT_READ,
				      .flags = MM_MAP_PRIVATE,
				      .file = file,
				      .file_mode = MM_FILE_READ };

	return STEP(&e, mm_mmap(mm, &args, at));
}

/*
 * Files from 2 MiB on are mapped at such a boundary. A hint is better, if all fits there, and a boundary's worth more. (So it is on Linux:
 * it looks for room for both.)
 *
 * covers: 1.2-3
 */
static void hints_for_large_files(void **state)
{
	const uint64_t huge = (uint64_t)2 << 20;
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 4, 1);
	uint64_t at;

	(void)state;
	assert_int_equal(map_at_hint(mm, AT(3), 2 * huge, file, &at), 0);
	assert_int_equal(at, AT(3));
	/* Taken: elsewhere, at a boundary. */
	assert_int_equal(map_at_hint(mm, AT(5), 2 * huge, file, &at), 0);
	assert_int_not_equal(at, AT(5));
	assert_int_equal(at % huge, 0);
	/* No such hole, for the file alone or with what more would be good to have. */
	assert_int_equal(map_at_hint(mm, AT(3), MM_TASK_SIZE - PAGE, file, &at), RMAP_ENOMEM);
	mm_put(mm);
	mm_file_put(file);
}

/*
 *	| a . . |	|b w|	a, never touched, grows over the hole to b, which it is one with then: it gets b's owner. One allocation after
 *				the other fails, and a is as long as it was
 */
static void growing_to_a_neighbour(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t failed, at;
	int error;

	(void)state;
	map_anon(&e, mm, AT(0), 6);
	poke(&e, mm, AT(5), 5);
	assert_int_equal(unmap(&e, mm, 0, 4), 0);
	map_anon(&e, mm, AT(0), 2);
	for (uint64_t n = 1;; n++) {
		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
		error = mm_mremap(mm, AT(0), 2 * PAGE, 4 * PAGE, 0, 0, &at);
		failed = testport_fail_none(tp);
		engine_check(&e);
		if (!failed)
			break;
		assert_int_equal(error, RMAP_ENOMEM);
		layout_is(&e, mm, "rw-p 2 @0 | ~2 | rw-p 2 @4");
		assert_int_equal(committed(&e), 4);
	}
	assert_int_equal(error, 0);
	layout_is(&e, mm, "rw-p 6 @0");
	assert_int_equal(peek(&e, mm, AT(5)), 5);
	mm_put(mm);
}

/* A stack so low that its guard would reach below 0. */
static void a_stack_at_the_bottom(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t at;

	(void)state;
	map_with(&e, mm, 32 * PAGE, 2, RW, ANON | MM_MAP_GROWSDOWN, NULL, 0);
	poke(&e, mm, 32 * PAGE, 1);
	assert_int_equal(touch_write(&e, mm, 31 * PAGE), 0);
	assert_int_equal(peek(&e, mm, 32 * PAGE), 1);
	/* Nothing goes below it, since all of that is guarded. */
	assert_int_equal(
		STEP(&e,
		     mm_mmap(mm,
			     &(struct mm_mmap){
				     .addr = 20 * PAGE, .len = PAGE, .prot = RW, .flags = ANON },
			     &at)),
		0);
	assert_true(at > 32 * PAGE);
	mm_put(mm);
}

/* ---------------------------------------------------------------- pins of what is in swap */

/*
 *	|s|   swapped out, nobody else's; read-only now. A debugger writes to it: it comes back and is his to write to, not the owner's
 *
 * covers: B18
 */
static void forced_pin_from_swap(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 2);
	struct page *page;

	(void)state;
	poke(&e, mm, a, 1);
	poke(&e, mm, a + PAGE, 2);
	swap_out(&e, mm, a);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, 2 * PAGE, MM_PROT_READ)), 0);
	assert_int_equal(STEP(&e, mm_pin(mm, a, MM_PIN_WRITE | MM_PIN_FORCE, &page)), 0);
	assert_true(page_info(mm, a).exclusive);
	assert_false(page_info(mm, a).writable);
	mm_unpin(e.sys, page, MM_PIN_WRITE | MM_PIN_FORCE);
	assert_int_equal(touch_write(&e, mm, a), RMAP_EACCES);
	assert_int_equal(peek(&e, mm, a), 1);
	mm_put(mm);
}

/* A debugger reads what its owner has barred himself from. */
static void forced_pin_to_read(void **state)
{
	const uint32_t flags = MM_PIN_FORCE;
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 2);
	struct page *page;

	(void)state;
	poke(&e, mm, a, 1);
	swap_out(&e, mm, a);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, 2 * PAGE, MM_PROT_NONE)), 0);
	for (uint64_t i = 0; i < 2; i++) {
		assert_int_equal(touch_read(&e, mm, a + i * PAGE), RMAP_EACCES);
		assert_int_equal(STEP(&e, mm_pin(mm, a + i * PAGE, flags, &page)), 0);
		assert_ptr_equal(mm_of_system(mm), e.sys);
		mm_unpin(e.sys, page, flags);
		assert_int_equal(touch_read(&e, mm, a + i * PAGE), RMAP_EACCES);
	}
	mm_put(mm);
}

/* A page from swap, to be read for long: it comes back exclusive, and the owner writes to it without a copy. */
static void long_pin_from_swap(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 1), pfn;
	struct page *page;

	(void)state;
	poke(&e, mm, a, 1);
	swap_out(&e, mm, a);
	assert_int_equal(STEP(&e, mm_pin(mm, a, MM_PIN_LONGTERM, &page)), 0);
	assert_true(page_info(mm, a).exclusive);
	pfn = page_info(mm, a).pfn;
	poke(&e, mm, a, 2);
	assert_int_equal(page_info(mm, a).pfn, pfn);
	mm_unpin(e.sys, page, MM_PIN_LONGTERM);
	mm_put(mm);
}

/* ---------------------------------------------------------------- frames that go bad, and pages that do not move */

/* covers: 1.5-11 */
static void bad_frames_of_locked_memory(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 1);

	(void)state;
	poke(&e, mm, a, 1);
	assert_int_equal(STEP(&e, mm_mlock(mm, a, PAGE, 0)), 0);
	assert_int_equal(STEP(&e, mm_poison(mm, a)), 0);
	assert_int_equal(touch_read(&e, mm, a), RMAP_EHWPOISON);
	/* Nobody wants what was there: zeros, as after any MADV_FREE. */
	assert_int_equal(STEP(&e, mm_munlock(mm, a, PAGE)), 0);
	assert_int_equal(STEP(&e, mm_madvise(mm, a, PAGE, MM_MADV_FREE)), 0);
	assert_int_equal(peek(&e, mm, a), 0);
	mm_put(mm);
}

/* Shared memory that nobody may write to here: clean, but no store has its zeros either. */
static void bad_frame_of_clean_shared_memory(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t m = map_with(&e, mm, 0, 1, MM_PROT_READ, SHM, NULL, 0);

	(void)state;
	assert_int_equal(peek(&e, mm, m), 0);
	assert_int_equal(STEP(&e, mm_poison(mm, m)), 0);
	assert_int_equal(touch_read(&e, mm, m), RMAP_EHWPOISON);
	mm_put(mm);
}

/* Held by a reference: a page whose frame is bad, one that its file has lost, one that was never mapped. */
static void pages_that_do_not_move(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 1, 1);
	uint64_t a = map_anon(&e, mm, 0, 1);
	uint64_t f = map_with(&e, mm, 0, 1, RW, MM_MAP_SHARED, file, 0);
	struct page *bad, *lost;

	(void)state;
	poke(&e, mm, a, 1);
	poke(&e, mm, f, 1);
	assert_int_equal(STEP(&e, mm_pin(mm, a, 0, &bad)), 0);
	assert_int_equal(STEP(&e, mm_pin(mm, f, 0, &lost)), 0);
	assert_int_equal(STEP(&e, mm_poison(mm, a)), 0);
	assert_int_equal(STEP(&e, migrate_page(e.sys, bad)), RMAP_EAGAIN);
	assert_int_equal(STEP(&e, mm_file_truncate(file, 0)), 0);
	assert_int_equal(STEP(&e, migrate_page(e.sys, lost)), RMAP_EAGAIN);
	mm_unpin(e.sys, bad, 0);
	mm_unpin(e.sys, lost, 0);
	mm_put(mm);
	mm_file_put(file);
}

/* Two pages of relatives at the same address, both on their way: each walk finds its own entry and passes by the other's. */
static void entries_of_two_pages(void **state)
{
	struct mm_check check = { 0 };
	struct mm *mm[2];
	pte_t *pte[2], old[2];
	uint64_t a;

	(void)state;
	mm[0] = engine_mm(&e);
	a = map_anon(&e, mm[0], 0, 1);
	poke(&e, mm[0], a, 1);
	mm[1] = engine_fork(&e, mm[0]);
	poke(&e, mm[1], a, 2);
	for (unsigned int i = 0; i < 2; i++) {
		pte[i] = table_find(mm[i], a);
		old[i] = *pte[i];
		atomic_store(&mm_page_rmap(page_info(mm[i], a).page)->mapcount, 0);
		*pte[i] = pte_make(pte_pfn(old[i]), PTE_KIND_MIGRATION);
	}
	/* The checker walks both, for entries. (What a design knows of pages that are pinned first is not told here.) */
	if (engine_design_is("anon_vma_chain"))
		assert_int_equal(mm_check(e.sys, &check), 0);
	for (unsigned int i = 0; i < 2; i++) {
		*pte[i] = old[i];
		atomic_store(&mm_page_rmap(page_info(mm[i], a).page)->mapcount, 1);
	}
	engine_check(&e);
	mm_put(mm[0]);
	mm_put(mm[1]);
}

/* ---------------------------------------------------------------- files */

/* What is to be zeros must be read first, if not all of it is in memory. */
static void remove_of_what_cannot_be_read(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 2, 3);
	uint64_t f = map_with(&e, mm, 0, 2, RW, MM_MAP_SHARED, file, 0);

	(void)state;
	testport_fail(tp, TESTPORT_FILE_READ, 2, TESTPORT_ONCE);
	assert_int_equal(STEP(&e, mm_madvise(mm, f, 2 * PAGE, MM_MADV_REMOVE)), RMAP_EIO);
	assert_int_equal(testport_fail_none(tp), 1);
	assert_int_equal(peek(&e, mm, f), 0);
	assert_int_equal(peek(&e, mm, f + PAGE), pattern_word(3, PAGE));
	mm_put(mm);
	mm_file_put(file);
}

/* 4 MiB are mapped around a read fault: two tables' worth. */
static int setup_wide(void **state)
{
	struct engine_config config = { .mm.fault_around = 4 << 20 };

	(void)state;
	return setup_as(&config);
}

/*
 *	table	| 510 511 | 0 1 |	all four are in memory; a read of the third brings the fourth along, but nothing of another table
 */
static void around_a_whole_table(void **state)
{
	const uint64_t huge = (uint64_t)2 << 20, start = BASE + huge - 2 * PAGE;
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 4, 1);
	char bytes[4 * PAGE];

	(void)state;
	assert_int_equal(mm_file_read(file, 0, bytes, sizeof(bytes), NULL), 0);
	map_with(&e, mm, start, 4, MM_PROT_READ, MM_MAP_SHARED, file, 0);
	assert_int_equal(touch_read(&e, mm, start + 2 * PAGE), 0);
	assert_int_equal(page_info(mm, start + PAGE).state, MM_PAGE_NONE);
	assert_int_equal(page_info(mm, start + 2 * PAGE).state, MM_PAGE_PRESENT);
	assert_int_equal(page_info(mm, start + 3 * PAGE).state, MM_PAGE_PRESENT);
	mm_put(mm);
	mm_file_put(file);
}

/* A private mapping that has not even a table yet: what its file has in swap is counted for it. */
static void smaps_of_an_untouched_copy(void **state)
{
	struct mm *writer = engine_mm(&e), *mm = engine_mm(&e);
	struct mm_file *file = shmem_file(&e, 1);
	struct mm_smaps smaps;

	(void)state;
	map_with(&e, writer, AT(0), 1, RW, MM_MAP_SHARED, file, 0);
	poke(&e, writer, AT(0), 1);
	map_with(&e, mm, AT(0), 1, RW, MM_MAP_PRIVATE, file, 0);
	for (unsigned int i = 0; i < 64 && page_info(writer, AT(0)).state == MM_PAGE_PRESENT; i++)
		push_out();
	assert_int_equal(STEP(&e, mm_smaps(mm, AT(0), &smaps)), 0);
	assert_int_equal(smaps.swap, PAGE);
	mm_put(writer);
	mm_put(mm);
	mm_file_put(file);
}

/* Who reads in sequence will not come back: that he was here does not keep the page. */
static void sequential_reader_leaves(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 2, 1);
	uint64_t f = map_with(&e, mm, AT(0), 2, MM_PROT_READ, MM_MAP_SHARED, file, 0);

	(void)state;
	for (uint64_t i = 0; i < 2; i++) {
		const struct page *page;

		if (i)
			assert_int_equal(advise(&e, mm, 1, 1, MM_MADV_SEQUENTIAL), 0);
		peek(&e, mm, f + i * PAGE);
		page = page_info(mm, f + i * PAGE).page;
		assert_false(page_test(page, PG_REFERENCED));
		assert_int_equal(unmap(&e, mm, i, 1), 0);
		assert_int_equal(page_test(page, PG_REFERENCED), i == 0);
	}
	mm_put(mm);
	mm_file_put(file);
}

static int setup_phantom(void **state)
{
	struct engine_config config = { .mm.phantom = true };

	(void)state;
	return setup_as(&config);
}

/* Frames without contents: a file's pages come, are dirty, are written, are cut, and nothing moves. */
static void files_without_contents(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 2, 1);
	uint64_t f = map_with(&e, mm, 0, 2, RW, MM_MAP_SHARED, file, 0);

	(void)state;
	assert_int_equal(touch_read(&e, mm, f), 0);
	assert_int_equal(touch_write(&e, mm, f + PAGE), 0);
	assert_int_equal(STEP(&e, mm_file_truncate(file, PAGE + PAGE / 2)), 0);
	assert_int_equal(STEP(&e, mm_file_sync(file)), 0);
	assert_int_equal(counters_of(&e).file_out, 1);
	assert_int_equal(STEP(&e, mm_file_truncate(file, 1)), 0);
	mm_put(mm);
	mm_file_put(file);
}

/* ---------------------------------------------------------------- a large memory */

enum { GIB_PAGES = 1 << 18 };

static int setup_gib(void **state)
{
	struct engine_config config = { .machine.nr_frames = GIB_PAGES + 16384,
					.mm.phantom = true };

	/* It is the same under all designs, and takes its time. */
	if (!engine_design_is("anon_vma_chain"))
		config.machine.nr_frames = 0;
	(void)state;
	return setup_as(&config);
}

/*
 * A GiB of pages that have all just been used, and little swap: reclaim goes over all of them, to the last priority, takes what there is
 * room for, and gives up.
 */
static void a_gib_is_aged(void **state)
{
	struct mm *mm;

	(void)state;
	if (!engine_design_is("anon_vma_chain"))
		return;
	mm = engine_mm(&e);
	map_with(&e, mm, 0, GIB_PAGES + 4096, RW, ANON | MM_MAP_POPULATE, NULL, 0);
	/* More than there is swap for. */
	assert_in_range(mm_reclaim(e.sys, 4096), 64, 1024);
	engine_check(&e);
	assert_true(counters_of(&e).swap_out >= 64);
	mm_put(mm);
}

/* ---------------------------------------------------------------- what a port need not have, or cannot have */

static struct mm_port without_release;

static const struct mm_port *take_release_away(const struct mm_port *port, void *arg)
{
	(void)arg;
	without_release = *port;
	without_release.file_release = NULL;
	return &without_release;
}

static void nobody_asks_for_the_last_user(void **state)
{
	struct engine_config config = { .wrap = take_release_away };
	struct hosted_file *handle;
	struct mm_file *file;
	struct engine own;

	(void)state;
	engine_setup(&own, &config);
	assert_int_equal(hosted_file_temp(own.h, PAGE, 1, &handle), 0);
	assert_int_equal(mm_file_create(own.sys, handle, PAGE, &file), 0);
	mm_file_put(file);
	engine_check(&own);
	hosted_port(own.h)->file_release(hosted_port(own.h)->ctx, handle);
	engine_teardown(&own);
}

/* Nor need it put threads to sleep: who wants the page lock that another has goes round. */
static const struct mm_port *take_sleep_away(const struct mm_port *port, void *arg)
{
	struct mm_port *awake = arg;

	*awake = *port;
	awake->os.wait = NULL;
	awake->os.wake = NULL;
	return awake;
}

struct waiter {
	struct engine *e;
	struct page *page;
	_Atomic int stage;
};

static void *lock_it_too(void *arg)
{
	struct waiter *w = arg;

	atomic_store(&w->stage, 1);
	page_lock(w->e->sys, w->page);
	atomic_store(&w->stage, 2);
	page_unlock(w->e->sys, w->page);
	return NULL;
}

static void nobody_sleeps(void **state)
{
	struct mm_port awake;
	struct engine_config config = { .wrap = take_sleep_away, .arg = &awake };
	struct engine own;
	struct waiter w = { .e = &own };
	pthread_t thread;
	struct mm *mm;
	uint64_t at;

	(void)state;
	engine_setup(&own, &config);
	mm = engine_mm(&own);
	at = map_anon(&own, mm, 0, 1);
	poke(&own, mm, at, 1);
	w.page = page_info(mm, at).page;
	page_lock(own.sys, w.page);
	assert_int_equal(pthread_create(&thread, NULL, lock_it_too, &w), 0);
	while (!atomic_load(&w.stage))
		sched_yield();
	usleep(2000);
	assert_int_equal(atomic_load(&w.stage), 1);
	page_unlock(own.sys, w.page);
	pthread_join(thread, NULL);
	assert_int_equal(w.stage, 2);
	mm_put(mm);
	engine_teardown(&own);
}

static const struct mm_port *one_processor(const struct mm_port *port, void *arg)
{
	struct mm_port *one = arg;

	*one = *port;
	one->os.nr_cpus = 1;
	return one;
}

/* It says which processor it runs on, but has one only. More than there can be are refused. */
static void processors(void **state)
{
	struct mm_config plain = { .design = engine_design() };
	struct mm_port port;
	struct engine_config config = { .wrap = one_processor, .arg = &port };
	struct mm_system *sys;
	struct engine own;
	struct mm *mm;

	(void)state;
	engine_setup(&own, &config);
	assert_non_null(port.os.cpu);
	mm = engine_mm(&own);
	poke(&own, mm, map_anon(&own, mm, 0, 1), 1);
	mm_put(mm);
	port.os.nr_cpus = UINT32_MAX;
	assert_int_equal(mm_system_create(&plain, &port, &sys), RMAP_EINVAL);
	port.os.nr_cpus = 1;
	engine_teardown(&own);
}

static const struct mm_port *promise_too_much_swap(const struct mm_port *port, uint64_t slots)
{
	static struct mm_port large;

	large = *port;
	large.nr_swap_slots = slots;
	return &large;
}

/* More slots than an entry could name. */
static void swap_without_end(void **state)
{
	struct mm_config config = { .design = engine_design() };
	struct mm_system *sys;

	(void)state;
	assert_int_equal(mm_system_create(&config,
					  promise_too_much_swap(testport_port(tp), UINT64_MAX),
					  &sys),
			 RMAP_EINVAL);
}

/* ---------------------------------------------------------------- what a design would refuse */

/*
 *	AT(0)   [w .]	a file, private, its first two pages
 *	AT(100) [w .]	the same two
 *	AT(200) [. .]	and again, never written
 *
 * Where each is at home, or whose list it is in, is another matter for each of the first two: they could not be one VMA. (The layout
 * asks for no such thing: it merges what has one origin.) The third could be either's.
 *
 * covers: 1.2-4
 */
static void which_vmas_could_be_one(void **state)
{
	static const char *const refusing[] = { "anon_vma", "anon_vma_chain", "cow_context",
						"lineage" };
	struct rmap *rmap = mm_system_rmap(e.sys);
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 2, 1);
	struct rmap_vma *vma[3];
	bool refuses = false;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		map_with(&e, mm, AT(100 * i), 2, RW, MM_MAP_PRIVATE, file, 0);
		if (i < 2)
			poke(&e, mm, AT(100 * i), i);
		vma[i] = &vma_at(mm, AT(100 * i))->rmap;
	}
	for (unsigned int i = 0; i < 4; i++)
		refuses |= engine_design_is(refusing[i]);
	assert_int_equal(rmap_vma_may_merge(rmap, vma[0], vma[1]), !refuses);
	for (unsigned int i = 0; i < 3; i++) {
		assert_true(rmap_vma_may_merge(rmap, vma[i], vma[i]));
		assert_true(rmap_vma_may_merge(rmap, vma[i], vma[2]));
		assert_true(rmap_vma_may_merge(rmap, vma[2], vma[i]));
	}
	mm_put(mm);
	mm_file_put(file);
}

/* A VMA that was never linked is in no file's tree, and may be unlinked all the same. */
static void never_linked(void **state)
{
	struct rmap *rmap = mm_system_rmap(e.sys);
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 2, 1);
	struct rmap_vma vma;

	(void)state;
	rmap_vma_init(&vma, mm_rmap(mm), AT(0), AT(2), 0, &file->rmap, 0);
	rmap_vma_unlink(rmap, &vma);
	assert_int_equal(file->rmap.nr_vmas, 0);
	mm_put(mm);
	mm_file_put(file);
}

/* Two strangers with a page each at the same address: neither's may stand in the other's place, whatever its number. */
static void strangers_pages(void **state)
{
	struct rmap *rmap = mm_system_rmap(e.sys);
	struct mm *mm[2];
	struct rmap_page *page;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		mm[i] = engine_mm(&e);
		map_anon(&e, mm[i], AT(0), 2);
		poke(&e, mm[i], AT(0), i);
	}
	page = mm_page_rmap(page_info(mm[0], AT(0)).page);
	assert_true(rmap_page_fits(rmap, page, &vma_at(mm[0], AT(0))->rmap, AT(0)));
	if (engine_design_is("anonmm")) {
		assert_false(rmap_page_fits(rmap, page, &vma_at(mm[1], AT(0))->rmap, AT(0)));
		assert_false(rmap_page_fits(rmap, page, &vma_at(mm[0], AT(1))->rmap, AT(1)));
	}
	/* What gives nothing to a VMA that grows over another has nothing to take back. */
	if (engine_design_is("scan"))
		rmap_vma_merge_undo(rmap, &vma_at(mm[0], AT(0))->rmap);
	/* A move within exec is prepared once, however often it is asked for. */
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(rmap_vma_shift_prepare(rmap, &vma_at(mm[0], AT(0))->rmap), 0);
	if (engine_design_is("cow_context"))
		assert_int_equal(objects_of(&e, RMAP_KIND_REMAP), 1);
	mm_put(mm[0]);
	mm_put(mm[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(promises_are_refused, setup_strict, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_promised, setup_nothing_promised,
						teardown),
		cmocka_unit_test_setup_teardown(hints_for_large_files, setup, teardown),
		cmocka_unit_test_setup_teardown(growing_to_a_neighbour, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stack_at_the_bottom, setup, teardown),
		cmocka_unit_test_setup_teardown(forced_pin_from_swap, setup, teardown),
		cmocka_unit_test_setup_teardown(forced_pin_to_read, setup, teardown),
		cmocka_unit_test_setup_teardown(long_pin_from_swap, setup, teardown),
		cmocka_unit_test_setup_teardown(around_a_whole_table, setup_wide, teardown),
		cmocka_unit_test_setup_teardown(bad_frames_of_locked_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_frame_of_clean_shared_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(pages_that_do_not_move, setup, teardown),
		cmocka_unit_test_setup_teardown(entries_of_two_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(remove_of_what_cannot_be_read, setup, teardown),
		cmocka_unit_test_setup_teardown(smaps_of_an_untouched_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(sequential_reader_leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(files_without_contents, setup_phantom, teardown),
		cmocka_unit_test_setup_teardown(a_gib_is_aged, setup_gib, teardown),
		cmocka_unit_test_setup_teardown(which_vmas_could_be_one, setup, teardown),
		cmocka_unit_test_setup_teardown(never_linked, setup, teardown),
		cmocka_unit_test_setup_teardown(strangers_pages, setup, teardown),
		cmocka_unit_test(nobody_asks_for_the_last_user),
		cmocka_unit_test(nobody_sleeps),
		cmocka_unit_test(processors),
		cmocka_unit_test_setup_teardown(swap_without_end, setup_small, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
