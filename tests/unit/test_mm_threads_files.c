// SPDX-License-Identifier: BSD-2-Clause
/*
 * More mixtures of threads on one machine, each with a promise that must hold whatever the others do: no write is lost, what was
 * cut off does not come back, what is locked stays. When all is quiet the checker must find nothing.
 */
#include "engine.h"

#include <pthread.h>
#include <stdatomic.h>

#define BASE	0x10000000ull
#define THREADS 6

struct shared {
	struct engine e;
	struct mm *mm;
	struct mm_file *file;
	_Atomic bool stop;
	_Atomic uint32_t failures;
};

struct worker {
	struct shared *s;
	struct hosted_cpu *cpu;
	uint64_t number;
	void (*run)(struct worker *w);
	bool endless; /* until the others are done */
};

#define EXPECT(w, what)                                                                            \
	do {                                                                                       \
		if (!(what) && atomic_fetch_add(&(w)->s->failures, 1) == 0)                        \
			print_error("%s:%d: not so: %s\n", __FILE__, __LINE__, #what);             \
	} while (0)

/*
 * Who does nothing but reclaim can take a page away again before it is used, a thousand times in a row where an allocation takes
 * long (tests/oom looks at who asks): a processor would go on, and so do we.
 */
#define GO_ON(access)                                                                              \
	__extension__({                                                                            \
		int go_on_error;                                                                   \
		do                                                                                 \
			go_on_error = PATIENT(access);                                             \
		while (go_on_error == RMAP_EAGAIN);                                                \
		go_on_error;                                                                       \
	})

static int put_word(struct worker *w, struct mm *mm, uint64_t addr, uint64_t value)
{
	return GO_ON(hosted_write(w->cpu, mm, addr, &value, sizeof(value), NULL));
}

static uint64_t get_word(struct worker *w, struct mm *mm, uint64_t addr)
{
	uint64_t value = 0;

	EXPECT(w, GO_ON(hosted_read(w->cpu, mm, addr, &value, sizeof(value), NULL)) == 0);
	return value;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	do {
		w->run(w);
	} while (w->endless && !atomic_load(&w->s->stop));
	return NULL;
}

static void run_all(struct shared *s, struct worker *w, unsigned int nr)
{
	pthread_t thread[THREADS];

	for (unsigned int i = 0; i < nr; i++) {
		w[i].s = s;
		w[i].cpu = hosted_cpu(s->e.h, i);
		w[i].number = i;
		assert_int_equal(pthread_create(&thread[i], NULL, worker_main, &w[i]), 0);
	}
	for (unsigned int i = 0; i < nr; i++)
		if (!w[i].endless)
			pthread_join(thread[i], NULL);
	atomic_store(&s->stop, true);
	for (unsigned int i = 0; i < nr; i++)
		if (w[i].endless)
			pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&s->failures), 0);
	engine_check(&s->e);
}

static void begin(struct shared *s, uint64_t frames)
{
	struct engine_config config = { .machine = { .nr_cpus = THREADS, .nr_frames = frames } };

	atomic_store(&s->stop, false);
	atomic_store(&s->failures, 0);
	s->file = NULL;
	engine_setup(&s->e, &config);
	s->mm = engine_mm(&s->e);
}

static void end(struct shared *s)
{
	mm_put(s->mm);
	if (s->file)
		mm_file_put(s->file);
	engine_teardown(&s->e);
}

static void make_file(struct shared *s, uint64_t pages)
{
	struct hosted_file *store;

	assert_int_equal(hosted_file_temp(s->e.h, pages * PAGE, 0, &store), 0);
	assert_int_equal(mm_file_create(s->e.sys, store, pages * PAGE, &s->file), 0);
}

#define RW	   (MM_PROT_READ | MM_PROT_WRITE)

/* ---------------------------------------------------------------- a file that is written, unmapped, synced */

#define FILE_PAGES 8

static void write_file(struct worker *w)
{
	struct mm *mm = w->s->mm;

	for (uint64_t i = 1; i <= 20000; i++) {
		uint64_t addr = BASE + i % FILE_PAGES * PAGE + w->number * 8;

		EXPECT(w, i <= FILE_PAGES || get_word(w, mm, addr) == i - FILE_PAGES);
		EXPECT(w, put_word(w, mm, addr, i) == 0);
	}
}

static void drop_mapping(struct worker *w)
{
	EXPECT(w, PATIENT(mm_madvise(w->s->mm, BASE, FILE_PAGES * PAGE, MM_MADV_DONTNEED)) == 0);
}

static void sync_and_drop(struct worker *w)
{
	EXPECT(w, PATIENT(mm_file_sync(w->s->file)) == 0);
	mm_reclaim(w->s->e.sys, 16);
}

/*
 *	mm  [ file, shared ]   two write, one empties the page tables, one writes back and drops clean pages
 *
 * A processor that still writes through its TLB while the entry goes must not write to a page that is already clean.
 *
 * covers: 1.5-8, B15
 */
static void no_write_to_a_file_is_lost(void **state)
{
	struct worker w[4] = {
		{ .run = write_file },
		{ .run = write_file },
		{ .run = drop_mapping, .endless = true },
		{ .run = sync_and_drop, .endless = true },
	};
	struct shared s;

	(void)state;
	begin(&s, 512);
	make_file(&s, FILE_PAGES);
	map_with(&s.e, s.mm, BASE, FILE_PAGES, RW, MM_MAP_SHARED, s.file, 0);
	run_all(&s, w, 4);
	end(&s);
}

/* ---------------------------------------------------------------- the last mapping goes, and the page is written back */

static _Atomic bool ready, unmapped;

static void *sync_unmapped(void *arg)
{
	struct shared *s = arg;

	hosted_thread_attach();
	atomic_store(&ready, true);
	while (!atomic_load_explicit(&unmapped, memory_order_relaxed))
		rmap_cpu_relax();
	if (mm_file_sync(s->file))
		atomic_fetch_add(&s->failures, 1);
	return NULL;
}

/*
 *	mm  [f]   written, unmapped;   another thread, which knows of that by nothing else: nobody maps f, f is dirty  ->  the store
 *
 * Who finds a page unmapped asks no page table for what was written there. So that it has been written must follow from the map count
 * alone (ThreadSanitizer says if it does not). The page is dirty and active already: the mapping that goes leaves no other trace.
 */
static void last_write_through_a_mapping(void **state)
{
	unsigned char bytes[PAGE];
	struct page *page;
	pthread_t thread;
	struct shared s;

	(void)state;
	begin(&s, 512);
	make_file(&s, 1);
	atomic_store(&ready, false);
	atomic_store(&unmapped, false);
	assert_int_equal(pthread_create(&thread, NULL, sync_unmapped, &s), 0);
	while (!atomic_load(&ready))
		rmap_cpu_relax();
	map_with(&s.e, s.mm, BASE, 1, RW, MM_MAP_SHARED, s.file, 0);
	poke(&s.e, s.mm, BASE, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(mm_file_read(s.file, 0, bytes, PAGE, NULL), 0);
	page = page_info(s.mm, BASE).page;
	/* By the entry that allows it, as a processor does. */
	*(volatile unsigned char *)mm_page_data(s.e.sys, page) = 2;
	assert_int_equal(mm_munmap(s.mm, BASE, PAGE), 0);
	atomic_store_explicit(&unmapped, true, memory_order_relaxed);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&s.failures), 0);
	engine_check(&s.e);
	assert_int_equal(hosted_port(s.e.h)->file_read(s.e.h, mm_file_handle(s.file), 0, bytes), 0);
	assert_int_equal(bytes[0], 2);
	end(&s);
}

/* ---------------------------------------------------------------- truncation */

#define LONG_PAGES  16
#define SHORT_PAGES 4
#define PRIVATE	    (BASE + 0x100000)

static void write_both(struct worker *w)
{
	struct mm *mm = w->s->mm;

	for (uint64_t i = 1; i <= 4000; i++) {
		uint64_t kept = BASE + i % SHORT_PAGES * PAGE + w->number * 8;
		uint64_t at = i % LONG_PAGES * PAGE + w->number * 8;
		int error;

		EXPECT(w, put_word(w, mm, kept, i) == 0);
		EXPECT(w, get_word(w, mm, kept) == i);
		error = put_word(w, mm, BASE + at, i);
		EXPECT(w, error == 0 || error == RMAP_EIO);
		error = put_word(w, mm, PRIVATE + at, i);
		EXPECT(w, error == 0 || error == RMAP_EIO);
	}
}

/* The page cache first, then the store, as ftruncate(2) does it. */
static int cut(struct mm_file *file)
{
	int error = PATIENT(mm_file_truncate(file, SHORT_PAGES * PAGE));

	if (!error && !mm_file_is_shmem(file))
		error = hosted_file_resize(mm_file_handle(file), SHORT_PAGES * PAGE);
	return error;
}

static void truncate_file(struct worker *w)
{
	EXPECT(w, cut(w->s->file) == 0);
	EXPECT(w, PATIENT(mm_file_truncate(w->s->file, LONG_PAGES * PAGE)) == 0);
}

/*
 *	file     [ kept | cut off and grown again ]     shared and private mappings are written to meanwhile
 *
 * covers: 1.5-12, B26
 */
static void truncation_under_faults(struct shared *s)
{
	struct worker w[4] = {
		{ .run = write_both },
		{ .run = write_both },
		{ .run = truncate_file, .endless = true },
		{ .run = sync_and_drop, .endless = true },
	};

	map_with(&s->e, s->mm, BASE, LONG_PAGES, RW, MM_MAP_SHARED, s->file, 0);
	map_with(&s->e, s->mm, PRIVATE, LONG_PAGES, RW, MM_MAP_PRIVATE, s->file, 0);
	run_all(s, w, 4);
	/* What is cut off now is gone everywhere, private copies too, and comes back as zeros. */
	assert_int_equal(STEP(&s->e, cut(s->file)), 0);
	for (uint64_t i = SHORT_PAGES; i < LONG_PAGES; i++) {
		assert_int_equal(page_info(s->mm, BASE + i * PAGE).state, MM_PAGE_NONE);
		assert_int_equal(page_info(s->mm, PRIVATE + i * PAGE).state, MM_PAGE_NONE);
	}
	assert_int_equal(STEP(&s->e, PATIENT(mm_file_truncate(s->file, LONG_PAGES * PAGE))), 0);
	for (uint64_t i = SHORT_PAGES; i < LONG_PAGES; i++)
		assert_int_equal(peek(&s->e, s->mm, PRIVATE + i * PAGE), 0);
	end(s);
}

static void truncation_of_a_file(void **state)
{
	struct shared s;

	(void)state;
	begin(&s, 512);
	make_file(&s, LONG_PAGES);
	truncation_under_faults(&s);
}

static void truncation_of_shared_memory(void **state)
{
	struct shared s;

	(void)state;
	begin(&s, 512);
	assert_int_equal(mm_file_create(s.e.sys, NULL, LONG_PAGES * PAGE, &s.file), 0);
	truncation_under_faults(&s);
}

/* ---------------------------------------------------------------- swapoff, fork, exit, shared memory */

#define PAGES  32
#define SHARED (BASE + 0x200000)

static void fork_and_exit(struct worker *w)
{
	struct shared *s = w->s;

	for (uint64_t round = 1; round <= 300; round++) {
		struct mm *child, *grandchild;

		EXPECT(w, PATIENT(mm_fork(s->mm, &child)) == 0);
		for (uint64_t i = w->number; i < PAGES; i += 3) {
			EXPECT(w, get_word(w, child, BASE + i * PAGE) == 1000 + i);
			EXPECT(w, put_word(w, child, BASE + i * PAGE, round) == 0);
		}
		EXPECT(w, PATIENT(mm_fork(child, &grandchild)) == 0);
		mm_put(child);
		for (uint64_t i = 0; i < PAGES; i++) {
			bool mine = i >= w->number && (i - w->number) % 3 == 0;
			uint64_t at = BASE + i * PAGE;

			EXPECT(w, get_word(w, grandchild, at) == (mine ? round : 1000 + i));
		}
		EXPECT(w, put_word(w, grandchild, SHARED + w->number * PAGE, round) == 0);
		mm_put(grandchild);
		EXPECT(w, get_word(w, s->mm, SHARED + w->number * PAGE) == round);
	}
}

static void swap_on_and_off(struct worker *w)
{
	int error;

	mm_reclaim(w->s->e.sys, 64);
	error = mm_swapoff(w->s->e.sys);
	EXPECT(w, error == 0 || error == RMAP_ENOMEM || error == RMAP_EINVAL);
	error = mm_swapon(w->s->e.sys);
	EXPECT(w, error == 0 || error == RMAP_EBUSY);
}

static void reclaim_all_the_time(struct worker *w)
{
	mm_reclaim(w->s->e.sys, 8);
}

static void map_family(struct shared *s)
{
	map_anon(&s->e, s->mm, BASE, PAGES);
	map_with(&s->e, s->mm, SHARED, 4, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
	for (uint64_t i = 0; i < PAGES; i++)
		poke(&s->e, s->mm, BASE + i * PAGE, 1000 + i);
}

/*
 *	P [private][shared]  ->  C  ->  G       out to swap and back by faults and by swapoff
 *
 * covers: 1.6-4, 1.6-6, B21
 */
static void swapoff_under_forks(void **state)
{
	struct worker w[6] = {
		{ .run = fork_and_exit },
		{ .run = fork_and_exit },
		{ .run = fork_and_exit },
		{ .run = swap_on_and_off, .endless = true },
		{ .run = swap_on_and_off, .endless = true },
		{ .run = reclaim_all_the_time, .endless = true },
	};
	struct shared s;

	(void)state;
	begin(&s, 1024);
	map_family(&s);
	run_all(&s, w, 6);
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(peek(&s.e, s.mm, BASE + i * PAGE), 1000 + i);
	end(&s);
}

/* ---------------------------------------------------------------- migration, rights, moving */

static void change_rights(struct worker *w)
{
	struct mm *mm = w->s->mm;
	uint64_t start = BASE + w->number * PAGES * PAGE, at = start;

	for (uint64_t round = 1; round <= 600; round++) {
		uint64_t to = at == start ? start + 16 * PAGES * PAGE : start;
		uint64_t page = at + round % 8 * PAGE, got;

		EXPECT(w, put_word(w, mm, page, round) == 0);
		EXPECT(w, PATIENT(mm_mprotect(mm, at, 4 * PAGE, MM_PROT_READ)) == 0);
		EXPECT(w, round % 8 >= 4 || put_word(w, mm, page, 7) == RMAP_EACCES);
		EXPECT(w, get_word(w, mm, page) == round);
		EXPECT(w, PATIENT(mm_mprotect(mm, at, 8 * PAGE, RW)) == 0);
		EXPECT(w, PATIENT(mm_mremap(mm, at, 8 * PAGE, 8 * PAGE,
					    MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, to, &got)) == 0);
		at = to;
		EXPECT(w, get_word(w, mm, at + round % 8 * PAGE) == round);
		EXPECT(w, PATIENT(mm_munmap(mm, at + 7 * PAGE, PAGE)) == 0);
		EXPECT(w, PATIENT(mm_mremap(mm, at, 7 * PAGE, 8 * PAGE, 0, 0, &got)) == 0);
	}
}

static void migrate_all(struct worker *w)
{
	for (uint64_t i = 0; i < 3 * PAGES; i++) {
		uint64_t at = BASE + i % 3 * PAGES * PAGE + i / 3 % 8 * PAGE;

		(void)mm_migrate(w->s->mm, at);
		(void)mm_migrate(w->s->mm, at + 16 * PAGES * PAGE);
	}
}

/* covers: 1.5-10, 1.5-11, B13 */
static void migration_under_moves(void **state)
{
	struct worker w[5] = {
		{ .run = change_rights },
		{ .run = change_rights },
		{ .run = change_rights },
		{ .run = migrate_all, .endless = true },
		{ .run = reclaim_all_the_time, .endless = true },
	};
	struct shared s;

	(void)state;
	begin(&s, 1024);
	for (uint64_t i = 0; i < 3; i++)
		map_anon(&s.e, s.mm, BASE + i * PAGES * PAGE, 8);
	run_all(&s, w, 5);
	end(&s);
}

/* ---------------------------------------------------------------- locked memory */

static void lock_and_look(struct worker *w)
{
	struct mm *mm = w->s->mm;
	uint64_t at = BASE + w->number * 8 * PAGE;

	for (uint64_t round = 1; round <= 400; round++) {
		EXPECT(w, PATIENT(mm_munlock(mm, at, 4 * PAGE)) == 0);
		for (uint64_t i = 0; i < 4; i++)
			EXPECT(w, put_word(w, mm, at + i * PAGE, round) == 0);
		EXPECT(w, PATIENT(mm_mlock(mm, at, 4 * PAGE, 0)) == 0);
		for (uint64_t i = 0; i < 4; i++) {
			struct mm_page_info info;

			mm_page_info(mm, at + i * PAGE, &info);
			EXPECT(w, info.state == MM_PAGE_PRESENT || info.state == MM_PAGE_MIGRATING);
			EXPECT(w, get_word(w, mm, at + i * PAGE) == round);
		}
	}
}

static void migrate_locked(struct worker *w)
{
	for (uint64_t i = 0; i < 24; i++)
		(void)mm_migrate(w->s->mm, BASE + i * PAGE);
}

/* covers: 1.11-7, 1.5-7 */
static void locked_memory_under_pressure(void **state)
{
	struct worker w[5] = {
		{ .run = lock_and_look },
		{ .run = lock_and_look },
		{ .run = lock_and_look },
		{ .run = migrate_locked, .endless = true },
		{ .run = reclaim_all_the_time, .endless = true },
	};
	struct shared s;

	(void)state;
	begin(&s, 512);
	map_anon(&s.e, s.mm, BASE, PAGES);
	run_all(&s, w, 5);
	end(&s);
}

/* ---------------------------------------------------------------- exec; bad frames */

static void exec_again(struct worker *w)
{
	struct mm_exec_segment segment = { .addr = BASE, .len = 4 * PAGE, .prot = RW };
	struct mm_exec exec = { .segments = &segment, .nr_segments = 1, .args_len = 6 * PAGE };

	for (int round = 0; round < 100; round++) {
		struct mm *mm;

		EXPECT(w, PATIENT(mm_exec(w->s->mm, &exec, &mm)) == 0);
		EXPECT(w, put_word(w, mm, BASE, 5) == 0);
		EXPECT(w, get_word(w, mm, BASE) == 5);
		mm_put(mm);
	}
}

/* covers: 1.10-6, B16 */
static void exec_under_pressure(void **state)
{
	struct worker w[5] = {
		{ .run = exec_again },
		{ .run = exec_again },
		{ .run = fork_and_exit },
		{ .run = swap_on_and_off, .endless = true },
		{ .run = reclaim_all_the_time, .endless = true },
	};
	struct shared s;

	(void)state;
	begin(&s, 1024);
	map_family(&s);
	run_all(&s, w, 5);
	end(&s);
}

static void touch_bad(struct worker *w)
{
	struct mm *mm = w->s->mm;

	for (uint64_t i = 1; i <= 400; i++) {
		uint64_t at = BASE + i % 12 * PAGE, value;
		int error;

		error = put_word(w, mm, at, i);
		EXPECT(w, error == 0 || error == RMAP_EHWPOISON);
		error = PATIENT(hosted_read(w->cpu, mm, at, &value, 8, NULL));
		EXPECT(w, error == 0 || error == RMAP_EHWPOISON);
		if (error)
			EXPECT(w, PATIENT(mm_madvise(mm, at, PAGE, MM_MADV_DONTNEED)) == 0);
	}
}

static void poison_some(struct worker *w)
{
	for (uint64_t i = 0; i < 8; i++) {
		int error = mm_poison(w->s->mm, BASE + (i * 5 + w->number) % 12 * PAGE);

		EXPECT(w, error == 0 || error == RMAP_ENOENT || error == RMAP_EBUSY);
		mm_reclaim(w->s->e.sys, 2);
	}
}

/*
 *	[ private, 4 ][ file, shared, 4 ][ file, private, 4 ]    frames go bad while they are used, reclaimed, written back
 */
static void frames_go_bad(void **state)
{
	struct worker w[5] = {
		{ .run = touch_bad },
		{ .run = touch_bad },
		{ .run = poison_some },
		{ .run = poison_some },
		{ .run = reclaim_all_the_time, .endless = true },
	};
	struct shared s;

	(void)state;
	begin(&s, 1024);
	make_file(&s, 8);
	map_anon(&s.e, s.mm, BASE, 4);
	map_with(&s.e, s.mm, BASE + 4 * PAGE, 4, RW, MM_MAP_SHARED, s.file, 0);
	map_with(&s.e, s.mm, BASE + 8 * PAGE, 4, RW, MM_MAP_PRIVATE, s.file, 4 * PAGE);
	run_all(&s, w, 5);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_write_to_a_file_is_lost),
		cmocka_unit_test(last_write_through_a_mapping),
		cmocka_unit_test(truncation_of_a_file),
		cmocka_unit_test(truncation_of_shared_memory),
		cmocka_unit_test(swapoff_under_forks),
		cmocka_unit_test(migration_under_moves),
		cmocka_unit_test(locked_memory_under_pressure),
		cmocka_unit_test(exec_under_pressure),
		cmocka_unit_test(frames_go_bad),
	};

	return cmocka_run_group_tests_name("mm_threads_files", tests, NULL, NULL);
}
