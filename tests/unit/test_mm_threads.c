// SPDX-License-Identifier: BSD-2-Clause
/*
 * Several threads on one machine: faults, forks, moves, reclaim, migration and walks at once. What each process wrote it must
 * read again, and when all is quiet the checker must find nothing. Under ThreadSanitizer this is where a missing lock shows.
 */
#include "engine.h"

#include <pthread.h>
#include <stdatomic.h>

#define PAGES  48
#define ROUNDS 600

struct shared {
	struct engine e;
	struct mm *parent;
	uint64_t base;
	_Atomic bool stop;
	_Atomic uint32_t failures;
};

struct worker {
	struct shared *s;
	struct hosted_cpu *cpu;
	uint32_t number;
};

#define expect(s, ok) expect_at(s, ok, #ok)
static void expect_at(struct shared *s, bool ok, const char *what)
{
	if (ok)
		return;
	print_error("not so: %s\n", what);
	atomic_fetch_add(&s->failures, 1);
}

/* addr reads as value. */
static void expect_word(struct worker *w, struct mm *mm, uint64_t addr, uint64_t value);

static void write_word(struct worker *w, struct mm *mm, uint64_t addr, uint64_t value)
{
	int error = PATIENT(hosted_write(w->cpu, mm, addr, &value, sizeof(value), NULL));

	if (error)
		print_error("worker %u: writing to 0x%lx: %s\n", w->number, (unsigned long)addr,
			    rmap_error_name(error));
	expect(w->s, error == 0);
}

static uint64_t read_word(struct worker *w, struct mm *mm, uint64_t addr)
{
	uint64_t value = 0;
	int error = PATIENT(hosted_read(w->cpu, mm, addr, &value, sizeof(value), NULL));

	if (error)
		print_error("worker %u: reading from 0x%lx: %s\n", w->number, (unsigned long)addr,
			    rmap_error_name(error));
	expect(w->s, error == 0);
	return value;
}

static void expect_word(struct worker *w, struct mm *mm, uint64_t addr, uint64_t value)
{
	uint64_t found = read_word(w, mm, addr);

	if (found != value)
		print_error("worker %u: 0x%lx reads as %lu instead of %lu\n", w->number,
			    (unsigned long)addr, (unsigned long)found, (unsigned long)value);
	expect(w->s, found == value);
}

/* Children of the common parent: each sees the parent's values, writes its own, sees these. */
static void *forker(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->s;

	for (uint64_t round = 0; round < ROUNDS; round++) {
		struct mm *child;

		if (PATIENT(mm_fork(s->parent, &child))) {
			expect(s, false);
			break;
		}
		for (uint64_t i = w->number; i < PAGES; i += 3) {
			uint64_t mine = (round << 16) + (i << 4) + w->number;

			expect_word(w, child, s->base + i * PAGE, 1000 + i);
			write_word(w, child, s->base + i * PAGE, mine);
			expect_word(w, child, s->base + i * PAGE, mine);
		}
		mm_put(child);
	}
	return NULL;
}

/* A process of its own that moves, splits, advises and unmaps. */
static void *mover(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->s;
	struct mm_mmap map = {
		.len = 8 * PAGE,
		.prot = MM_PROT_READ | MM_PROT_WRITE,
		.flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS,
	};
	struct mm *mm;

	if (PATIENT(mm_fork(s->parent, &mm)))
		return NULL;
	for (uint64_t round = 0; round < ROUNDS; round++) {
		uint64_t a, b;

		expect(s, PATIENT(mm_mmap(mm, &map, &a)) == 0);
		for (uint64_t i = 0; i < 8; i++)
			write_word(w, mm, a + i * PAGE, round + i);
		expect(s, PATIENT(mm_mprotect(mm, a + 2 * PAGE, 2 * PAGE, MM_PROT_READ)) == 0);
		expect(s, PATIENT(mm_mprotect(mm, a + 2 * PAGE, 2 * PAGE,
					      MM_PROT_READ | MM_PROT_WRITE)) == 0);
		expect(s, PATIENT(mm_mremap(mm, a + 4 * PAGE, 4 * PAGE, 8 * PAGE, MM_MREMAP_MAYMOVE,
					    0, &b)) == 0);
		for (uint64_t i = 0; i < 4; i++)
			expect_word(w, mm, b + i * PAGE, round + 4 + i);
		expect(s, PATIENT(mm_munmap(mm, b, 8 * PAGE)) == 0);
		expect(s, PATIENT(mm_munmap(mm, a, 4 * PAGE)) == 0);
		expect_word(w, mm, s->base, 1000);
	}
	mm_put(mm);
	return NULL;
}

/* Reclaims, migrates and walks what the others use. */
static void *reclaimer(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->s;
	uint64_t n = 0;

	while (!atomic_load(&s->stop)) {
		uint64_t addr = s->base + (n++ % PAGES) * PAGE;
		struct page *page;

		mm_reclaim(s->e.sys, 4);
		(void)mm_migrate(s->parent, addr);
		if (PATIENT(mm_pin(s->parent, addr, 0, &page)) == 0) {
			struct rmap_walk walk = { .flags = RMAP_WALK_STOP_AT_MAPCOUNT };

			(void)rmap_walk(mm_system_rmap(s->e.sys), mm_page_rmap(page), &walk);
			mm_unpin(s->e.sys, page, 0);
		}
	}
	return NULL;
}

/* covers: 1.1-2, 1.1-3, 1.1-4, 1.1-5, B28 */
static void all_at_once(void **state)
{
	struct engine_config config = { .machine = { .nr_cpus = 5 } };
	struct shared s = { .stop = false };
	struct worker w[5];
	pthread_t thread[5];

	(void)state;
	engine_setup(&s.e, &config);
	s.parent = engine_mm(&s.e);
	s.base = map_anon(&s.e, s.parent, 0x10000000, PAGES);
	for (uint64_t i = 0; i < PAGES; i++)
		poke(&s.e, s.parent, s.base + i * PAGE, 1000 + i);
	for (uint32_t i = 0; i < 5; i++)
		w[i] = (struct worker){ .s = &s, .cpu = hosted_cpu(s.e.h, i), .number = i };
	assert_int_equal(pthread_create(&thread[0], NULL, forker, &w[0]), 0);
	assert_int_equal(pthread_create(&thread[1], NULL, forker, &w[1]), 0);
	assert_int_equal(pthread_create(&thread[2], NULL, forker, &w[2]), 0);
	assert_int_equal(pthread_create(&thread[3], NULL, mover, &w[3]), 0);
	assert_int_equal(pthread_create(&thread[4], NULL, reclaimer, &w[4]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	atomic_store(&s.stop, true);
	pthread_join(thread[4], NULL);
	assert_int_equal(atomic_load(&s.failures), 0);
	engine_check(&s.e);
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(peek(&s.e, s.parent, s.base + i * PAGE), 1000 + i);
	mm_put(s.parent);
	engine_teardown(&s.e);
}

#define STACK_TOP   0x20000000ull
#define STACK_PAGES 400

/* One thread grows the stack downwards, page by page. */
static void *grower(void *arg)
{
	struct worker *w = arg;

	for (uint64_t i = 1; i <= STACK_PAGES; i++)
		write_word(w, w->s->parent, STACK_TOP - i * PAGE, i);
	return NULL;
}

/* Others use the part that is there, write to it first, read it, and lock and unlock a page of it. */
static void *stack_user(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->s;

	for (uint64_t round = 0; round < 4 * STACK_PAGES; round++) {
		uint64_t addr = STACK_TOP - PAGE + 8 * (1 + w->number);

		write_word(w, s->parent, addr, round);
		expect(s, read_word(w, s->parent, addr) == round);
		expect(s, PATIENT(mm_mlock(s->parent, STACK_TOP - PAGE, PAGE, 0)) == 0);
		expect(s, PATIENT(mm_munlock(s->parent, STACK_TOP - PAGE, PAGE)) == 0);
	}
	return NULL;
}

static void *stack_walker(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->s;

	while (!atomic_load(&s->stop)) {
		struct page *page;

		mm_reclaim(s->e.sys, 2);
		if (PATIENT(mm_pin(s->parent, STACK_TOP - PAGE, 0, &page)) == 0) {
			struct rmap_walk walk = { 0 };

			expect(s,
			       rmap_walk(mm_system_rmap(s->e.sys), mm_page_rmap(page), &walk) == 0);
			mm_unpin(s->e.sys, page, 0);
		}
	}
	return NULL;
}

/*
 *   … <- grows |rw stack|        the bounds change while others fault, split, merge, reclaim and walk in it
 *
 * covers: B24, 1.1-1, 1.8-5
 */
static void a_stack_grows_while_it_is_used(void **state)
{
	struct engine_config config = { .machine = { .nr_cpus = 4 } };
	struct shared s = { .stop = false };
	struct worker w[4];
	pthread_t thread[4];

	(void)state;
	engine_setup(&s.e, &config);
	s.parent = engine_mm(&s.e);
	map_with(&s.e, s.parent, STACK_TOP - PAGE, 1, MM_PROT_READ | MM_PROT_WRITE,
		 MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_GROWSDOWN, NULL, 0);
	for (uint32_t i = 0; i < 4; i++)
		w[i] = (struct worker){ .s = &s, .cpu = hosted_cpu(s.e.h, i), .number = i };
	assert_int_equal(pthread_create(&thread[0], NULL, grower, &w[0]), 0);
	assert_int_equal(pthread_create(&thread[1], NULL, stack_user, &w[1]), 0);
	assert_int_equal(pthread_create(&thread[2], NULL, stack_user, &w[2]), 0);
	assert_int_equal(pthread_create(&thread[3], NULL, stack_walker, &w[3]), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	atomic_store(&s.stop, true);
	pthread_join(thread[3], NULL);
	assert_int_equal(atomic_load(&s.failures), 0);
	engine_check(&s.e);
	for (uint64_t i = 1; i <= STACK_PAGES; i++)
		assert_int_equal(peek(&s.e, s.parent, STACK_TOP - i * PAGE), i);
	mm_put(s.parent);
	engine_teardown(&s.e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_at_once),
		cmocka_unit_test(a_stack_grows_while_it_is_used),
	};

	return cmocka_run_group_tests_name("mm_threads", tests, NULL, NULL);
}
