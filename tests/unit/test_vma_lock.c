// SPDX-License-Identifier: BSD-2-Clause
/*
 * The lock of one VMA: which faults need no more, whom it keeps out, who waits for whom, and what a late finder of a VMA sees. With
 * several threads: the layout of an address space changes all the time while others fault in it.
 */
#include "engine.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "mm/layout.h"
#include "mm/vma_lock.h"

#define BASE 0x10000000ull

static struct engine e;
static struct mm *mm;

static int setup(void **state)
{
	(void)state;
	engine_setup(&e, NULL);
	mm = engine_mm(&e);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mm_put(mm);
	engine_teardown(&e);
	return 0;
}

/* Faults so far that took mmap_lock. */
static uint64_t wide(void)
{
	return counters_of(&e).fault_mmap_lock;
}

static uint32_t word_of(const struct vma *vma)
{
	return atomic_load(&vma->lock);
}

/*
 *   |rw 0 1 2 3|     the first anonymous page of a VMA needs mmap_lock, since the VMA's origin depends on neighbours
 *
 * covers: B24, 1.1-2
 */
static void only_the_first_page_needs_more(void **state)
{
	uint64_t a = map_anon(&e, mm, BASE, 4);
	struct mm *child;

	(void)state;
	peek(&e, mm, a + 3 * PAGE);
	assert_int_equal(wide(), 0);
	poke(&e, mm, a, 1);
	assert_int_equal(wide(), 1);
	for (uint64_t i = 1; i < 4; i++)
		poke(&e, mm, a + i * PAGE, i);
	assert_int_equal(wide(), 1);
	/* Copies, the last one's adoption, and swap: all under the VMA's lock. */
	child = engine_fork(&e, mm);
	for (uint64_t i = 0; i < 4; i++) {
		poke(&e, child, a + i * PAGE, 10 + i);
		poke(&e, mm, a + i * PAGE, 20 + i);
	}
	swap_out(&e, mm, a + PAGE);
	assert_int_equal(peek(&e, mm, a + PAGE), 21);
	assert_int_equal(wide(), 1);
	mm_put(child);
	/* Refused by the VMA: no more is needed to know. Nothing there: mmap_lock says so. */
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, PAGE, MM_PROT_READ)), 0);
	assert_int_equal(touch_write(&e, mm, a), RMAP_EACCES);
	assert_int_equal(wide(), 1);
	assert_int_equal(touch_write(&e, mm, a + 4 * PAGE), RMAP_EFAULT);
	assert_int_equal(wide(), 2);
}

/* |rw shared file|: mapped, and written to, without more than the VMA's lock; a private copy needs an origin once. */
static void files_need_no_more(void **state)
{
	struct mm_file *file;
	uint64_t a, b;

	(void)state;
	assert_int_equal(mm_file_create(e.sys, NULL, 4 * PAGE, &file), 0);
	a = map_with(&e, mm, BASE, 4, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_SHARED, file, 0);
	b = map_with(&e, mm, BASE + 8 * PAGE, 4, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_PRIVATE, file,
		     0);
	poke(&e, mm, a, 7);
	peek(&e, mm, a + PAGE);
	assert_int_equal(peek(&e, mm, b), 7);
	assert_int_equal(wide(), 0);
	poke(&e, mm, b, 8);
	poke(&e, mm, b + PAGE, 9);
	assert_int_equal(wide(), 1);
	assert_int_equal(peek(&e, mm, a), 7);
	mm_file_put(file);
}

/*
 *   |rw A|   |rw B|      A is marked: its faults wait for mmap_lock, B's do not notice
 *
 * covers: 1.1-1
 */
static void a_mark_lasts_until_mmap_lock_is_dropped(void **state)
{
	uint64_t a = map_anon(&e, mm, BASE, 1), b = map_anon(&e, mm, BASE + 4 * PAGE, 1);
	struct vma *vma, *locked;

	(void)state;
	poke(&e, mm, a, 1);
	mm_write_lock(mm);
	vma = vma_at(mm, a);
	assert_false(vma_is_marked(vma));
	locked = vma_read_lock(mm, a);
	assert_ptr_equal(locked, vma);
	vma_read_unlock(locked);
	vma_start_write(vma);
	assert_true(vma_is_marked(vma));
	assert_null(vma_read_lock(mm, a));
	vma_start_write(vma);
	locked = vma_read_lock(mm, b);
	assert_ptr_equal(locked, vma_at(mm, b));
	vma_read_unlock(locked);
	mm_write_unlock(mm);
	locked = vma_read_lock(mm, a);
	assert_ptr_equal(locked, vma);
	vma_read_unlock(locked);
	assert_null(vma_read_lock(mm, a + PAGE));
	engine_check(&e);
}

/*
 *   |rw A|  unmapped while somebody still has its address: it says that it has left, and cannot be locked
 *
 * covers: B24
 */
static void a_late_finder_is_told(void **state)
{
	uint64_t a = map_anon(&e, mm, BASE, 1);
	struct vma *vma;

	(void)state;
	poke(&e, mm, a, 1);
	vma = vma_at(mm, a);
	/* This machine ends a grace period only when it is asked to: the VMA's memory is still there. */
	assert_int_equal(mm_munmap(mm, a, PAGE), 0);
	assert_true(word_of(vma) & VMA_LOCK_DETACHED);
	assert_null(vma_read_lock(mm, a));
	engine_check(&e);
}

/*
 * The same a moment before, when the tree still leads to it, and one whose readers are as many as can be counted: the mark alone would
 * let both be entered.
 */
static void left_or_full(void **state)
{
	static const uint32_t words[] = { VMA_LOCK_DETACHED, VMA_LOCK_READERS };
	uint64_t a = map_anon(&e, mm, BASE, 1);
	struct vma *vma = vma_at(mm, a);

	(void)state;
	poke(&e, mm, a, 1);
	for (unsigned int i = 0; i < 2; i++) {
		uint32_t before = atomic_fetch_or(&vma->lock, words[i]);

		assert_false(vma_is_marked(vma));
		assert_null(vma_read_lock(mm, a));
		assert_int_equal(word_of(vma), before | words[i]);
		atomic_store(&vma->lock, before);
	}
	assert_ptr_equal(vma_read_lock(mm, a), vma);
	vma_read_unlock(vma);
	engine_check(&e);
}

/* 65,536 changes later an old mark is true again: faults, pins and changes go on all the same. */
static void a_mark_that_comes_true_again(void **state)
{
	uint64_t a = map_anon(&e, mm, BASE, 2), before;
	struct page *page;
	struct vma *vma;

	(void)state;
	poke(&e, mm, a, 1);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, 2 * PAGE, MM_PROT_READ)), 0);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, 2 * PAGE, MM_PROT_READ | MM_PROT_WRITE)), 0);
	for (int i = 0; i < 65535; i++) {
		mm_write_lock(mm);
		mm_write_unlock(mm);
	}
	assert_null(vma_read_lock(mm, a));
	before = wide();
	poke(&e, mm, a + PAGE, 2);
	assert_int_equal(wide(), before + 1);
	assert_int_equal(mm_pin(mm, a, MM_PIN_WRITE, &page), 0);
	mm_unpin(e.sys, page, MM_PIN_WRITE);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, PAGE, MM_PROT_READ)), 0);
	vma = vma_read_lock(mm, a);
	assert_non_null(vma);
	vma_read_unlock(vma);
}

/* ---------------------------------------------------------------- threads */

struct changer {
	uint64_t addr;
	_Atomic bool done;
};

static void *change(void *arg)
{
	struct changer *c = arg;

	assert_int_equal(PATIENT(mm_mprotect(mm, c->addr, PAGE, MM_PROT_READ)), 0);
	atomic_store(&c->done, true);
	return NULL;
}

/*
 *   |rw A|    a reader is in it; mprotect marks it, waits, and newcomers are turned away; the reader leaves, mprotect goes on
 *
 * covers: 1.1-1
 */
static void a_writer_waits_for_readers(void **state)
{
	uint64_t a = map_anon(&e, mm, BASE, 1);
	struct changer c = { .addr = a };
	struct vma *one, *two;
	pthread_t thread;

	(void)state;
	poke(&e, mm, a, 1);
	one = vma_read_lock(mm, a);
	two = vma_read_lock(mm, a);
	assert_ptr_equal(one, two);
	assert_int_equal(pthread_create(&thread, NULL, change, &c), 0);
	while (!(word_of(one) & VMA_LOCK_WAITED))
		sched_yield();
	assert_null(vma_read_lock(mm, a));
	vma_read_unlock(one);
	for (int i = 0; i < 100; i++)
		sched_yield();
	assert_false(atomic_load(&c.done));
	assert_true(one->flags & VM_WRITE);
	vma_read_unlock(two);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&c.done));
	assert_int_equal(touch_write(&e, mm, a), RMAP_EACCES);
	engine_check(&e);
}

#define OWN_PAGES 16
#define ROUNDS	  400
#define TOUCHERS  2

struct toucher {
	struct hosted_cpu *cpu;
	uint64_t base;
	uint64_t seed;
	uint64_t wrong;
	_Atomic bool *stop;
};

/* Writes its pages, reads them, drops them, and finds zeros. Its VMAs are its own; their neighbours are not. */
static void *touch_own(void *arg)
{
	struct toucher *t = arg;

	for (uint64_t round = 1; !atomic_load(t->stop) || round <= 8; round++) {
		uint64_t value;

		for (uint64_t i = 0; i < OWN_PAGES; i++) {
			value = round * OWN_PAGES + i;
			t->wrong += PATIENT(hosted_write(t->cpu, mm, t->base + i * PAGE, &value,
							 sizeof(value), NULL)) != 0;
		}
		for (uint64_t i = 0; i < OWN_PAGES; i++) {
			t->wrong += PATIENT(hosted_read(t->cpu, mm, t->base + i * PAGE, &value,
							sizeof(value), NULL)) != 0;
			t->wrong += value != round * OWN_PAGES + i;
		}
		t->wrong +=
			PATIENT(mm_madvise(mm, t->base, OWN_PAGES * PAGE, MM_MADV_DONTNEED)) != 0;
		t->wrong +=
			PATIENT(hosted_read(t->cpu, mm, t->base, &value, sizeof(value), NULL)) != 0;
		t->wrong += value != 0;
	}
	return NULL;
}

static uint64_t draw(uint64_t *seed, uint64_t n)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (*seed >> 33) % n;
}

/* Touches where the layout changes: what it gets is an answer, never a wrong one. */
static void *touch_all(void *arg)
{
	struct toucher *t = arg;

	while (!atomic_load(t->stop)) {
		uint64_t value = 1, addr = t->base + draw(&t->seed, 64) * PAGE;
		int error = PATIENT(hosted_write(t->cpu, mm, addr, &value, sizeof(value), NULL));

		t->wrong += error && error != RMAP_EFAULT && error != RMAP_EACCES;
	}
	return NULL;
}

/* Maps, splits, merges, moves and unmaps in [base, + 64 pages), so that the tree turns over all the time. */
static uint64_t churn(uint64_t base, uint64_t rounds)
{
	struct mm_mmap map = {
		.prot = MM_PROT_READ | MM_PROT_WRITE,
		.flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_FIXED,
	};
	uint64_t seed = 1, wrong = 0;

	for (uint64_t round = 0; round < rounds; round++) {
		uint64_t addr = base + draw(&seed, 60) * PAGE, to, got;
		uint64_t len = (1 + draw(&seed, 4)) * PAGE;

		map.addr = addr;
		map.len = len;
		switch (draw(&seed, 5)) {
		case 0:
		case 1:
			wrong += PATIENT(mm_mmap(mm, &map, &got)) != 0;
			break;
		case 2:
			(void)mm_mprotect(mm, addr, len, MM_PROT_READ);
			break;
		case 3:
			to = base + draw(&seed, 60) * PAGE;
			(void)mm_mremap(mm, addr, len, len, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, to,
					&got);
			break;
		default:
			wrong += PATIENT(mm_munmap(mm, addr, len)) != 0;
			break;
		}
	}
	return wrong;
}

/*
 *   |own 0| |own 1|   |~~ changes all the time ~~|
 *
 * covers: B24, 1.1-1, 1.1-4
 */
static void faults_beside_changes(void **state)
{
	struct engine_config config = { .machine = { .nr_cpus = 4 } };
	struct toucher t[TOUCHERS + 1] = { 0 };
	pthread_t thread[TOUCHERS + 1];
	_Atomic bool stop = false;
	struct mm_counters c;

	(void)state;
	engine_setup(&e, &config);
	mm = engine_mm(&e);
	for (uint32_t i = 0; i <= TOUCHERS; i++)
		t[i] = (struct toucher){
			.cpu = hosted_cpu(e.h, i),
			.base = BASE + i * 64 * PAGE,
			.seed = i,
			.stop = &stop,
		};
	for (int i = 0; i < TOUCHERS; i++)
		(void)map_anon(&e, mm, t[i].base, OWN_PAGES);
	for (int i = 0; i < TOUCHERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, touch_own, &t[i]), 0);
	assert_int_equal(pthread_create(&thread[TOUCHERS], NULL, touch_all, &t[TOUCHERS]), 0);
	assert_int_equal(churn(t[TOUCHERS].base, ROUNDS), 0);
	atomic_store(&stop, true);
	for (int i = 0; i <= TOUCHERS; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(t[i].wrong, 0);
	}
	engine_check(&e);
	c = counters_of(&e);
	assert_true(c.faults > c.fault_mmap_lock);
	mm_put(mm);
	engine_teardown(&e);
}

struct sharer {
	struct hosted_cpu *cpu;
	uint64_t addr;
	_Atomic bool *stop;
	uint64_t wrong, faults;
};

/* Counts up in one word, for ever. */
static void *count_up(void *arg)
{
	struct sharer *s = arg;
	uint64_t value = 0, found;

	while (!atomic_load(s->stop)) {
		value++;
		s->wrong += PATIENT(hosted_write(s->cpu, mm, s->addr, &value, sizeof(value),
						 NULL)) != 0;
		s->wrong +=
			PATIENT(hosted_read(s->cpu, mm, s->addr, &found, sizeof(found), NULL)) != 0;
		s->wrong += found != value;
	}
	return NULL;
}

/*
 *   parent |rw|rw|…  two threads write to it; the third forks it, again and again: each child has what some moment's parent had
 *
 * covers: 1.1-4, B24
 */
static void forks_beside_faults(void **state)
{
	struct engine_config config = { .machine = { .nr_cpus = 3 } };
	struct sharer s[2] = { 0 };
	_Atomic bool stop = false;
	pthread_t thread[2];
	uint64_t seen[2] = { 0 };

	(void)state;
	engine_setup(&e, &config);
	mm = engine_mm(&e);
	for (uint32_t i = 0; i < 2; i++) {
		s[i] = (struct sharer){
			.cpu = hosted_cpu(e.h, i),
			.addr = map_anon(&e, mm, BASE + i * 4 * PAGE, 2),
			.stop = &stop,
		};
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, count_up, &s[i]), 0);
	for (int round = 0; round < ROUNDS / 2; round++) {
		struct mm *child;

		assert_int_equal(mm_fork(mm, &child), 0);
		for (uint32_t i = 0; i < 2; i++) {
			uint64_t first, second;

			assert_int_equal(mm_read(child, s[i].addr, &first, 8, NULL), 0);
			sched_yield();
			assert_int_equal(mm_read(child, s[i].addr, &second, 8, NULL), 0);
			/* The parent's writes do not come through, and the parent's past does not come back. */
			assert_int_equal(first, second);
			assert_true(first >= seen[i]);
			seen[i] = first;
		}
		mm_put(child);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(s[i].wrong, 0);
	}
	engine_check(&e);
	mm_put(mm);
	engine_teardown(&e);
}

#define engine_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		engine_test(only_the_first_page_needs_more),
		engine_test(files_need_no_more),
		engine_test(a_mark_lasts_until_mmap_lock_is_dropped),
		engine_test(a_late_finder_is_told),
		engine_test(left_or_full),
		engine_test(a_mark_that_comes_true_again),
		engine_test(a_writer_waits_for_readers),
		cmocka_unit_test(faults_beside_changes),
		cmocka_unit_test(forks_beside_faults),
	};

	return cmocka_run_group_tests_name("vma_lock", tests, NULL, NULL);
}
