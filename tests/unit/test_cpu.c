// SPDX-License-Identifier: BSD-2-Clause
/*
 * What processors keep to themselves: free frames, the right to take them, new pages on their way to the LRU lists, counters.
 *
 * Each thread has a processor of its own (its seat, in the hosted port), so that a second thread is a second processor.
 */
#include "engine.h"

#include <pthread.h>

#include "base/gauge.h"
#include "mm/mm_types.h"
#include "mm/reclaim.h"

#define FRAMES 4096

static struct engine e;

static int setup_with(uint32_t batch)
{
	const struct engine_config config = {
		.machine = { .nr_frames = FRAMES, .deferral = HOSTED_DEFER_TO_BARRIER },
		.mm = { .cpu_batch = batch },
	};

	engine_setup(&e, &config);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_with(0);
}

static int setup_without(void **state)
{
	(void)state;
	return setup_with(1);
}

static int teardown(void **state)
{
	(void)state;
	engine_teardown(&e);
	return 0;
}

static int setup_two(void **state)
{
	(void)state;
	return setup_with(2);
}

/* On the other processor, while we wait. */
static void elsewhere(void *(*body)(void *arg), void *arg)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, body, arg), 0);
	pthread_join(thread, NULL);
}

static uint32_t credits(void)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < e.sys->nr_cpus; i++)
		nr += atomic_load(&e.sys->cpus[i].credit);
	return nr;
}

static uint32_t in_batches(void)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < e.sys->nr_cpus; i++)
		nr += atomic_load(&e.sys->cpus[i].nr_lru);
	return nr;
}

/* ---------------------------------------------------------------- frames */

struct taken {
	struct page *page[FRAMES];
	unsigned int nr;
	unsigned int flags;
};

/* All that can be had. */
static void *take_all(void *arg)
{
	struct taken *t = arg;

	while ((t->page[t->nr] = page_alloc(e.sys, t->flags)) != NULL)
		t->nr++;
	return NULL;
}

static void *give_all(void *arg)
{
	struct taken *t = arg;

	while (t->nr)
		page_put(e.sys, t->page[--t->nr]);
	return NULL;
}

/* Of what all share, a processor takes a batch at once: the frames that follow cost nobody else a glance. */
static void frames_come_by_the_batch(void **state)
{
	const uint32_t batch = e.sys->frame_batch;
	struct page *page[2 * CPU_FRAMES_MAX];
	unsigned int claims = 0;

	(void)state;
	assert_in_range(batch, 2, CPU_FRAMES_MAX);
	for (uint32_t i = 0; i < 2 * batch; i++) {
		uint64_t before = atomic_load(&e.sys->nr_free);

		page[i] = page_alloc(e.sys, 0);
		assert_non_null(page[i]);
		claims += atomic_load(&e.sys->nr_free) != before;
	}
	assert_in_range(claims, 1, 3);
	for (uint32_t i = 0; i < 2 * batch; i++)
		page_put(e.sys, page[i]);
}

/*
 *	here:      takes ten, returns them: keeps them, and a credit
 *	elsewhere: takes every frame of the machine, those as well
 */
static void last_frame_is_anybodys(void **state)
{
	static struct taken ten, all;
	uint64_t free = frames_free(e.sys);

	(void)state;
	for (ten.nr = 0; ten.nr < 10; ten.nr++)
		ten.page[ten.nr] = page_alloc(e.sys, 0);
	assert_int_equal(frames_free(e.sys), free - 10);
	give_all(&ten);
	assert_int_equal(frames_free(e.sys), free);
	assert_true(credits() > 0);
	engine_check(&e);

	all = (struct taken){ .flags = PAGE_ALLOC_NO_RECLAIM | PAGE_ALLOC_RESERVE };
	elsewhere(take_all, &all);
	assert_int_equal(all.nr, free);
	assert_int_equal(frames_free(e.sys), 0);
	assert_int_equal(credits(), 0);
	/* And back again, by us. */
	give_all(&all);
	assert_int_equal(frames_free(e.sys), free);
	engine_check(&e);
}

/* The watermark is met to the frame: whoever may not go below it gets none that stands below. */
static void watermark_is_exact(void **state)
{
	static struct taken all;
	uint64_t free = frames_free(e.sys);

	(void)state;
	all = (struct taken){ .flags = PAGE_ALLOC_NO_RECLAIM };
	take_all(&all);
	assert_int_equal(all.nr, free - e.sys->watermark[WATERMARK_MIN]);
	assert_int_equal(frames_free(e.sys), e.sys->watermark[WATERMARK_MIN]);
	/* Memory is short: what is freed is everybody's at once. */
	page_put(e.sys, all.page[--all.nr]);
	assert_int_equal(credits(), 0);
	engine_check(&e);
	elsewhere(give_all, &all);
	assert_int_equal(frames_free(e.sys), free);
	engine_check(&e);
}

/*
 *	taken     a b c        freed  a b c        taken  c b a
 */
static void last_freed_is_taken_first(void **state)
{
	struct page *page[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		page[i] = page_alloc(e.sys, 0);
	/* Frames that were never used come in their order. */
	assert_ptr_equal(page[1], page[0] + 1);
	assert_ptr_equal(page[2], page[0] + 2);
	for (int i = 0; i < 3; i++)
		page_put(e.sys, page[i]);
	for (int i = 2; i >= 0; i--)
		assert_ptr_equal(page_alloc(e.sys, 0), page[i]);
	for (int i = 0; i < 3; i++)
		page_put(e.sys, page[i]);
	engine_check(&e);
}

/* ---------------------------------------------------------------- LRU batches */

static uint64_t on_list(enum lru_list list)
{
	return atomic_load(&e.sys->nr_lru[list]);
}

/*
 *	batch  [a][b][c]    b is unmapped: [a][c]    isolated: list  c a  <- a is the oldest
 */
static void page_leaves_a_batch(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 3);
	struct list_head pages;

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		poke(&e, mm, a + i * PAGE, i);
	assert_int_equal(in_batches(), 3);
	assert_int_equal(on_list(LRU_INACTIVE_ANON), 0);
	assert_int_equal(STEP(&e, mm_munmap(mm, a + PAGE, PAGE)), 0);
	assert_int_equal(in_batches(), 2);

	list_init(&pages);
	assert_int_equal(lru_isolate(e.sys, LRU_INACTIVE_ANON, 1, &pages), 1);
	assert_int_equal(in_batches(), 0);
	assert_int_equal(on_list(LRU_INACTIVE_ANON), 1);
	assert_ptr_equal(list_entry(pages.next, struct page, lru), page_info(mm, a).page);
	list_del_init(pages.next);
	lru_put_back(e.sys, page_info(mm, a).page);
	page_put(e.sys, page_info(mm, a).page);
	engine_check(&e);
	mm_put(mm);
	engine_check(&e);
}

/* The second processor's part of what follows. */
struct faulted {
	struct mm *mm;
	uint64_t addr, pages;
};

static void *fault_all(void *arg)
{
	struct faulted *f = arg;

	for (uint64_t i = 0; i < f->pages; i++)
		assert_int_equal(mm_fault(f->mm, f->addr + i * PAGE, MM_ACCESS_WRITE), 0);
	return NULL;
}

/* In a batch elsewhere: migrated, locked, put out, from here. */
static void pages_in_anothers_batch(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 4);
	struct faulted f = { .mm = mm, .addr = a, .pages = 4 };
	struct mm_memory memory;
	struct page *before;

	(void)state;
	elsewhere(fault_all, &f);
	engine_check(&e);
	assert_int_equal(in_batches(), 4);
	before = page_info(mm, a).page;
	assert_int_equal(STEP(&e, mm_migrate(mm, a)), 0);
	assert_ptr_not_equal(page_info(mm, a).page, before);
	assert_int_equal(STEP(&e, mm_mlock(mm, a + PAGE, PAGE, 0)), 0);
	mm_get_memory(e.sys, &memory);
	assert_int_equal(memory.unevictable, 1);
	swap_out(&e, mm, a + 2 * PAGE);
	mm_put(mm);
	engine_check(&e);
	assert_int_equal(in_batches(), 0);
}

/* Reclaim finds what all processors have brought. */
static void reclaim_finds_all(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 200);
	struct faulted here = { .mm = mm, .addr = a, .pages = 100 };
	struct faulted there = { .mm = mm, .addr = a + 100 * PAGE, .pages = 100 };
	struct mm_stats stats;

	(void)state;
	fault_all(&here);
	elsewhere(fault_all, &there);
	engine_check(&e);
	mm_get_stats(mm, &stats);
	assert_int_equal(stats.rss_anon, 200);
	assert_int_equal(in_batches(), 200);
	mm_reclaim(e.sys, 200);
	engine_check(&e);
	assert_int_equal(in_batches(), 0);
	mm_get_stats(mm, &stats);
	assert_int_equal(stats.rss_anon, 0);
	assert_int_equal(stats.swap_entries, 200);
	mm_put(mm);
	engine_check(&e);
}

/*
 *	elsewhere: [1 … 100]  here: [101 … 200]    emptied by turns, 64 at a time: 1 … 64, 101 … 164, 65 … 100, 165 … 200, or the
 *	other first; in any case none of the first runs stands behind one of the second
 */
static void batches_are_emptied_by_turns(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 200);
	struct faulted here = { .mm = mm, .addr = a + 100 * PAGE, .pages = 100 };
	struct faulted there = { .mm = mm, .addr = a, .pages = 100 };
	struct list_head pages, *pos;
	unsigned int nr = 0;

	(void)state;
	elsewhere(fault_all, &there);
	fault_all(&here);
	list_init(&pages);
	assert_int_equal(lru_isolate(e.sys, LRU_INACTIVE_ANON, 200, &pages), 200);
	list_for_each(pos, &pages) {
		uint64_t index = list_entry(pos, struct page, lru)->rmap.index -
				 page_info(mm, a).page->rmap.index;

		assert_int_equal(index % 100 < 64, nr < 128);
		nr++;
	}
	while (!list_empty(&pages)) {
		struct page *page = list_entry(pages.next, struct page, lru);

		list_del_init(&page->lru);
		lru_put_back(e.sys, page);
		page_put(e.sys, page);
	}
	engine_check(&e);
	mm_put(mm);
	engine_check(&e);
}

/* ---------------------------------------------------------------- lists and numbers */

struct made {
	struct mm *mm[3];
};

static void *make_three(void *arg)
{
	struct made *m = arg;

	for (int i = 0; i < 3; i++)
		m->mm[i] = engine_mm(&e);
	return NULL;
}

static void *put_three(void *arg)
{
	struct made *m = arg;

	for (int i = 0; i < 3; i++)
		mm_put(m->mm[i]);
	return NULL;
}

/*
 *	here       1 2 3             4 5 6      in this order, on the list of this processor
 *	elsewhere        65 66 67               on that one's; each is ended by the other
 */
static void numbers_follow_each_other(void **state)
{
	struct made first, second, there;

	(void)state;
	make_three(&first);
	elsewhere(make_three, &there);
	make_three(&second);
	engine_check(&e);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(mm_id(first.mm[i]), mm_id(first.mm[0]) + i);
		assert_int_equal(mm_id(second.mm[i]), mm_id(first.mm[2]) + 1 + i);
		assert_int_equal(mm_id(there.mm[i]), mm_id(there.mm[0]) + i);
		assert_int_equal(first.mm[i]->home, second.mm[i]->home);
		assert_int_not_equal(first.mm[i]->home, there.mm[i]->home);
	}
	assert_true(mm_id(there.mm[0]) > mm_id(second.mm[2]) + 3);
	put_three(&there);
	engine_check(&e);
	elsewhere(put_three, &first);
	elsewhere(put_three, &second);
	engine_check(&e);
}

static void *origins_there(void *arg)
{
	uint64_t *first = arg;

	*first = take_origins(e.sys, 3);
	return NULL;
}

/* Nobody gets a number twice, nor one that an image has brought. */
static void origins_are_given_once(void **state)
{
	uint64_t here = take_origins(e.sys, 1), there, last;

	(void)state;
	assert_int_equal(take_origins(e.sys, 2), here + 1);
	elsewhere(origins_there, &there);
	assert_true(there > here + 2 || there + 3 <= here);
	assert_int_equal(take_origins(e.sys, 1), here + 3);
	/* More than a block. */
	last = take_origins(e.sys, 10 * CPU_ORIGINS);
	assert_true(last > here && last > there);
	last += 20 * CPU_ORIGINS;
	origins_reserve(e.sys, last);
	assert_true(take_origins(e.sys, 1) > last);
	elsewhere(origins_there, &there);
	assert_true(there > last);
}

/* ---------------------------------------------------------------- counters */

static void *put_one(void *arg)
{
	struct mm **mm = arg;

	mm_put(*mm);
	return NULL;
}

static void expect_mms(uint64_t nr)
{
	uint64_t objects, bytes;

	mm_get_objects(e.sys, RMAP_KIND_MM, &objects, &bytes);
	assert_int_equal(objects, nr);
	assert_int_equal(bytes, nr * sizeof(struct mm));
}

/*
 * Forked here, ended elsewhere, again and again: what there is is known, and what there was at most does not grow with what only
 * one processor has counted.
 */
static void counts_meet(void **state)
{
	const struct rmap_port *os = &hosted_port(e.h)->os;
	struct mm *mm = engine_mm(&e), *child;
	uint64_t a = map_anon(&e, mm, 0, 4);
	struct mm_memory before, with, after;
	struct rmap_counts rmap;

	(void)state;
	poke(&e, mm, a, 1);
	mm_get_memory(e.sys, &before);
	child = engine_fork(&e, mm);
	expect_mms(2);
	mm_get_memory(e.sys, &with);
	assert_true(with.object_bytes > before.object_bytes);
	/* A design may set more aside while it forks. */
	assert_true(with.peak_object_bytes >= with.object_bytes);
	for (int i = 0; i < 500; i++) {
		elsewhere(put_one, &child);
		os->rcu_barrier(os->ctx);
		mm_get_memory(e.sys, &after);
		assert_int_equal(after.object_bytes, before.object_bytes);
		child = engine_fork(&e, mm);
		mm_get_memory(e.sys, &after);
		assert_int_equal(after.object_bytes, with.object_bytes);
		assert_in_range(after.peak_object_bytes, with.peak_object_bytes,
				with.peak_object_bytes + 4 * RMAP_FOLD_BYTES);
	}
	rmap_get_counts(mm_system_rmap(e.sys), &rmap);
	assert_true(rmap.peak_bytes >= rmap_bytes(mm_system_rmap(e.sys), RMAP_KIND_TIER1_END));
	mm_put(child);
	mm_put(mm);
	os->rcu_barrier(os->ctx);
	expect_mms(0);
	engine_check(&e);
}

static struct mm *many_vmas(unsigned int nr)
{
	struct mm_mmap args = { .addr = 0x10000000,
				.len = PAGE,
				.prot = MM_PROT_READ | MM_PROT_WRITE,
				.flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_FIXED };
	struct mm *mm = engine_mm(&e);
	uint64_t at;

	for (unsigned int i = 0; i < nr; i++, args.addr += 2 * PAGE) {
		assert_int_equal(PATIENT(mm_mmap(mm, &args, &at)), 0);
		assert_int_equal(PATIENT(mm_fault(mm, at, MM_ACCESS_WRITE)), 0);
	}
	engine_check(&e);
	return mm;
}

/*
 * Again and again much is made here and goes elsewhere: the one part only rises, the other only falls. How much there was at most is known
 * as rmap.h promises, to so many objects for each other processor that counts.
 */
static void most_is_remembered(void **state)
{
	const struct rmap *rmap = mm_system_rmap(e.sys);
	uint64_t objects[RMAP_KIND_TIER1_END], bytes[RMAP_KIND_TIER1_END];

	(void)state;
	for (unsigned int round = 0; round < 4; round++) {
		struct mm *mm = many_vmas(1500);

		assert_chained_objects(&e, RMAP_KIND_AVC, 1500);
		for (unsigned int kind = 0; kind < RMAP_KIND_TIER1_END; kind++) {
			objects[kind] = rmap_objects(rmap, (enum rmap_kind)kind);
			bytes[kind] = rmap_bytes(rmap, (enum rmap_kind)kind);
		}
		elsewhere(put_one, &mm);
		hosted_port(e.h)->os.rcu_barrier(hosted_port(e.h)->os.ctx);
		engine_check(&e);
	}
	for (unsigned int kind = 0; kind < RMAP_KIND_TIER1_END; kind++) {
		uint64_t off = objects[kind] ? bytes[kind] / objects[kind] * RMAP_FOLD_OBJECTS : 0;

		assert_in_range(rmap_peak_bytes(rmap, (enum rmap_kind)kind),
				bytes[kind] > off ? bytes[kind] - off : 0, bytes[kind] + off);
	}
}

/*
 *	part 0   0  +5  +3  -100 …     part 1   0  +7  -2 …
 */
static void gauges_fold(void **state)
{
	struct {
		struct rmap_gauge gauge;
		char gap[64];
	} part[2] = { 0 };
	struct rmap_gauge_total total = { 0 };
	struct gauges all = { &total, &part[0].gauge, sizeof(part[0]), 2 };

	(void)state;
	/* By one alone a peak is exact, folded or not. */
	assert_false(gauge_rise(&part[0].gauge, 5, 10));
	assert_false(gauge_fall(&part[0].gauge, 2, 10));
	assert_int_equal(gauge_live(all), 3);
	assert_int_equal(gauge_peak(all), 5);
	assert_false(gauge_rise(&part[0].gauge, 1, 10));
	assert_int_equal(gauge_peak(all), 5);
	assert_true(gauge_rise(&part[0].gauge, 6, 10));
	gauge_fold(all, &part[0].gauge);
	assert_int_equal(gauge_live(all), 10);
	assert_int_equal(gauge_peak(all), 10);
	assert_true(gauge_fall(&part[0].gauge, 10, 10));
	gauge_fold(all, &part[0].gauge);
	assert_int_equal(gauge_live(all), 0);
	assert_int_equal(gauge_peak(all), 10);
	assert_false(gauge_rise(&part[0].gauge, 9, 10));
	assert_int_equal(gauge_peak(all), 10);

	/* What comes here and goes there. */
	for (int i = 0; i < 1000; i++) {
		if (gauge_rise(&part[0].gauge, 1, 10))
			gauge_fold(all, &part[0].gauge);
		if (gauge_fall(&part[1].gauge, 1, 10))
			gauge_fold(all, &part[1].gauge);
		assert_int_equal(gauge_live(all), 9);
		assert_in_range(gauge_peak(all), 10, 30);
	}
	/* A fold knows how high its part was, also when it has fallen since. */
	assert_false(gauge_rise(&part[1].gauge, 9, 1000));
	assert_true(gauge_fall(&part[1].gauge, 18, 9));
	gauge_fold(all, &part[1].gauge);
	assert_int_equal(gauge_live(all), 0);
	assert_true(gauge_peak(all) >= 18);
}

/* ---------------------------------------------------------------- without */

static void nothing_is_kept(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 3);

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		poke(&e, mm, a + i * PAGE, i);
	assert_int_equal(in_batches(), 0);
	assert_int_equal(credits(), 0);
	assert_int_equal(on_list(LRU_INACTIVE_ANON), 3);
	mm_put(mm);
	assert_int_equal(credits(), 0);
	engine_check(&e);
}

/* ---------------------------------------------------------------- at once */

#define ROUNDS 300
#define PAGES  40

struct worker {
	struct mm *mm;
	uint64_t errors, faults;
};

/* Map, fault, unmap; fork and exit. */
static void *work(void *arg)
{
	struct worker *w = arg;

	for (int round = 0; round < ROUNDS; round++) {
		const struct mm_mmap args = { .len = PAGES * PAGE,
					      .prot = MM_PROT_READ | MM_PROT_WRITE,
					      .flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS };
		struct mm *child;
		uint64_t a;

		if (mm_mmap(w->mm, &args, &a)) {
			w->errors++;
			continue;
		}
		for (uint64_t i = 0; i < PAGES; i++)
			w->errors += mm_fault(w->mm, a + i * PAGE, MM_ACCESS_WRITE) != 0;
		w->faults += PAGES;
		if (round % 8 == 0 && !mm_fork(w->mm, &child))
			mm_put(child);
		w->errors += mm_munmap(w->mm, a, PAGES * PAGE) != 0;
	}
	return NULL;
}

static void *reclaim(void *arg)
{
	struct worker *w = arg;

	for (int round = 0; round < ROUNDS / 4; round++) {
		mm_reclaim(e.sys, 16);
		frames_drain(e.sys);
		lru_drain(e.sys);
	}
	(void)w;
	return NULL;
}

/* Two processes at work, a third processor that takes from both all the while. Afterwards every sum is exact. */
static void sums_are_exact_afterwards(void **state)
{
	struct worker w[3] = { { .mm = engine_mm(&e) }, { .mm = engine_mm(&e) }, { .mm = NULL } };
	struct mm_counters before = counters_of(&e);
	pthread_t thread[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, i < 2 ? work : reclaim, &w[i]),
				 0);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(w[0].errors + w[1].errors, 0);
	assert_int_equal(counters_of(&e).faults - before.faults, w[0].faults + w[1].faults);
	engine_check(&e);
	mm_put(w[0].mm);
	mm_put(w[1].mm);
	engine_check(&e);
	assert_int_equal(in_batches(), 0);
}

/* Two at once are a batch, the smallest that there is. */
static void two_are_a_batch(void **state)
{
	struct page *page[4];
	unsigned int claims = 0;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		uint64_t before = atomic_load(&e.sys->nr_free);

		page[i] = page_alloc(e.sys, 0);
		assert_non_null(page[i]);
		claims += atomic_load(&e.sys->nr_free) != before;
	}
	assert_in_range(claims, 2, 3);
	for (unsigned int i = 0; i < 4; i++)
		page_put(e.sys, page[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_come_by_the_batch),
		TEST(last_frame_is_anybodys),
		TEST(watermark_is_exact),
		TEST(last_freed_is_taken_first),
		TEST(page_leaves_a_batch),
		TEST(pages_in_anothers_batch),
		TEST(reclaim_finds_all),
		TEST(batches_are_emptied_by_turns),
		TEST(sums_are_exact_afterwards),
		TEST(numbers_follow_each_other),
		TEST(origins_are_given_once),
		TEST(counts_meet),
		TEST(most_is_remembered),
		cmocka_unit_test(gauges_fold),
		cmocka_unit_test_setup_teardown(nothing_is_kept, setup_without, teardown),
		cmocka_unit_test_setup_teardown(two_are_a_batch, setup_two, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
