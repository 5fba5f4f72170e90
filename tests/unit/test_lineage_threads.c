// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage with threads: forks, exits of whole lines, moves, faults, reclaim, migration, and walks that settle, all at once and with
 * no lock on the tree. What each process wrote it must read again; when all is quiet the checker must find nothing. Under
 * ThreadSanitizer this is where a missing order shows.
 */
#include "lineage.h"

#include <pthread.h>
#include <stdatomic.h>

#define PAGES  24
#define ROUNDS 250
#define IDLE   90
#define BASE   0x10000000ull

struct shared {
	struct engine e;
	struct mm *parent;
	struct mm *idle[IDLE]; /* they do nothing but have pages, some of them two of three */
	_Atomic bool stop;
	_Atomic uint32_t failures;
};

struct worker {
	struct shared *s;
	struct hosted_cpu *cpu;
	uint32_t number;
};

static void expect(struct shared *s, bool ok)
{
	if (!ok)
		atomic_fetch_add(&s->failures, 1);
}

static void write_word(struct worker *w, struct mm *mm, uint64_t addr, uint64_t value)
{
	expect(w->s, PATIENT(hosted_write(w->cpu, mm, addr, &value, sizeof(value), NULL)) == 0);
}

static uint64_t read_word(struct worker *w, struct mm *mm, uint64_t addr)
{
	uint64_t value = 0;

	expect(w->s, PATIENT(hosted_read(w->cpu, mm, addr, &value, sizeof(value), NULL)) == 0);
	return value;
}

/* A line: each forks, writes a page, and exits; so nodes die and forward while others walk over them. */
static void *liner(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->s;
	struct mm *mm, *child;

	expect(s, PATIENT(mm_fork(s->parent, &mm)) == 0);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		uint64_t page = BASE + round % PAGES * PAGE;

		if (PATIENT(mm_fork(mm, &child))) {
			expect(s, false);
			break;
		}
		expect(s,
		       read_word(w, child, page) == (round < PAGES ? 1000 + round : round - PAGES));
		mm_put(mm);
		mm = child;
		write_word(w, mm, page, round);
		expect(s, read_word(w, mm, page) == round);
	}
	mm_put(mm);
	return NULL;
}

/* A bush: a child with three of its own, gone in another order. */
static void *busher(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->s;

	for (uint64_t round = 0; round < ROUNDS; round++) {
		struct mm *mm[4];

		expect(s, PATIENT(mm_fork(s->parent, &mm[0])) == 0);
		for (int i = 1; i < 4; i++)
			expect(s, PATIENT(mm_fork(mm[i / 2], &mm[i])) == 0);
		for (uint64_t i = 0; i < 4; i++) {
			uint64_t page = BASE + (round + i * 5) % PAGES * PAGE;

			write_word(w, mm[i], page, round << 8 | i);
			expect(s, read_word(w, mm[i], page) == (round << 8 | i));
		}
		expect(s, read_word(w, mm[3], BASE + (round + 3) % PAGES * PAGE) ==
				  1000 + (round + 3) % PAGES);
		for (uint64_t i = 0; i < 4; i++)
			mm_put(mm[(i + round) % 4]);
	}
	return NULL;
}

/* Its pages go to and fro between home and two other places. */
static void *mover(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->s;
	uint64_t place = BASE;
	struct mm *mm;

	expect(s, PATIENT(mm_fork(s->parent, &mm)) == 0);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		uint64_t to = BASE + (round + 1) % 3 * 0x400000, result;

		expect(s,
		       PATIENT(mm_mremap(mm, place, PAGES * PAGE, PAGES * PAGE,
					 MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, to, &result)) == 0);
		place = to;
		for (uint64_t i = 0; i < PAGES; i += 2)
			expect(s, read_word(w, mm, place + i * PAGE) == 1000 + i);
	}
	mm_put(mm);
	return NULL;
}

static void *walker(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->s;
	uint64_t n = 0;

	while (!atomic_load(&s->stop)) {
		uint64_t addr = BASE + (n++ % PAGES) * PAGE;
		struct page *page;

		/* Now what is not used goes out, now all come for it again. */
		if (n / PAGES % 8 >= 4)
			mm_reclaim(s->e.sys, 4);
		for (uint64_t i = 0; n / PAGES % 8 == 0 && i < IDLE; i++)
			(void)read_word(w, s->idle[i], addr);
		(void)mm_migrate(s->parent, addr);
		if (PATIENT(mm_pin(s->parent, addr, 0, &page)) == 0) {
			struct rmap_walk walk = { .flags = n % 2 ? RMAP_WALK_STOP_AT_MAPCOUNT : 0 };
			struct rmap_walk again = walk;

			(void)mm_walk_page(s->e.sys, page, &walk);
			(void)rmap_walk(mm_system_rmap(s->e.sys), mm_page_rmap(page), &again);
			mm_unpin(s->e.sys, page, 0);
		}
	}
	return NULL;
}

/*
 * So many have a page that walks sieve them.
 *
 * covers: 1.1-2, 1.1-3, 1.1-4, 1.1-5, B28
 */
static void all_at_once(void **state)
{
	struct engine_config config = {
		.machine = { .nr_cpus = 5, .nr_frames = 4096 },
		.mm = { .design = &rmap_lineage },
	};
	static void *(*const work[5])(void *arg) = { liner, busher, mover, walker, liner };
	static struct shared s;
	struct worker w[5];
	pthread_t thread[5];

	(void)state;
	engine_setup(&s.e, &config);
	s.parent = engine_mm(&s.e);
	(void)map_anon(&s.e, s.parent, BASE, PAGES);
	for (uint64_t i = 0; i < PAGES; i++)
		poke(&s.e, s.parent, BASE + i * PAGE, 1000 + i);
	for (uint64_t i = 0; i < IDLE; i++) {
		assert_int_equal(mm_fork(s.parent, &s.idle[i]), 0);
		for (uint64_t page = 0; i % 3 == 0 && page < PAGES; page += 2)
			assert_int_equal(touch_write(&s.e, s.idle[i], BASE + page * PAGE), 0);
	}
	for (uint32_t i = 0; i < 5; i++) {
		w[i] = (struct worker){ .s = &s, .cpu = hosted_cpu(s.e.h, i), .number = i };
		assert_int_equal(pthread_create(&thread[i], NULL, work[i], &w[i]), 0);
	}
	for (int i = 0; i < 5; i++)
		if (i != 3)
			pthread_join(thread[i], NULL);
	atomic_store(&s.stop, true);
	pthread_join(thread[3], NULL);
	assert_int_equal(atomic_load(&s.failures), 0);
	engine_check(&s.e);
	assert_int_equal(family_locks(&s.e), 0);
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(peek(&s.e, s.parent, BASE + i * PAGE), 1000 + i);
	for (uint64_t i = 0; i < IDLE; i++)
		mm_put(s.idle[i]);
	mm_put(s.parent);
	engine_teardown(&s.e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_at_once),
	};

	return cmocka_run_group_tests_name("lineage_threads", tests, NULL, NULL);
}
