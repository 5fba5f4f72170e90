// SPDX-License-Identifier: BSD-2-Clause
/*
 * anon_vma_chain under threads: walkers that hold nothing but a reference to a page, against families that fork, write and exit
 * under their hands. Meant for ThreadSanitizer (the tsan preset), useful without.
 *
 * The port defers nothing: a type-stable object is reused at once, by whoever comes first, so that a walker's anon_vma becomes
 * somebody else's as often as possible. What keeps the walker right is only what the design promises.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rmap/anon_vma_chain.h"
#include "oom/inject.h"
#include "tiny_vm.h"

static void yield(void *arg)
{
	(void)arg;
	sched_yield();
}

static int setup(void **state)
{
	struct tiny_vm *vm = tiny_vm_new();

	vm->on_wait = yield;
	*state = vm;
	return 0;
}

struct run {
	struct tiny_vm *vm;
	struct tiny_mm *shared; /* forked by all families, under mmap */
	pthread_mutex_t mmap;
	unsigned int rounds;
	_Atomic bool done;
	_Atomic uint64_t found;
	_Atomic uint64_t busy;
	_Atomic uint64_t wrong;
};

/* A hit must be a PTE of the page, in a VMA that covers it, under its table's lock. */
static enum rmap_visit check_hit(struct rmap_hit *hit, void *arg)
{
	struct run *run = arg;
	struct tiny_pte *pte = hit->pte;

	if (pte->kind != TINY_PRESENT || hit->vma->mm != hit->mm || hit->addr < hit->vma->start ||
	    hit->addr >= hit->vma->end || !rmap_page_mapcount(&pte->page->rmap))
		atomic_fetch_add(&run->wrong, 1);
	atomic_fetch_add(&run->found, 1);
	return RMAP_VISIT_NEXT;
}

/* Walks from whatever page is in use, like ageing: no page lock, only a reference. */
static void *walker(void *arg)
{
	struct run *run = arg;
	struct tiny_vm *vm = run->vm;
	uint32_t i = 0;

	while (!atomic_load(&run->done)) {
		struct tiny_page *page = &vm->pool[i++ % 48];
		struct rmap_walk walk = { .visit = check_hit,
					  .arg = run,
					  .flags = i % 3 ? 0 : RMAP_WALK_TRYLOCK,
					  .purpose = RMAP_WALK_REFERENCE };

		if (!tiny_page_get(page))
			continue;
		if (rmap_walk(&vm->rmap, &page->rmap, &walk) == RMAP_EAGAIN)
			atomic_fetch_add(&run->busy, 1);
		tiny_page_put(vm, page);
	}
	return NULL;
}

/* Until there is memory for it (oom/inject.h). */
static struct tiny_mm *fork_patiently(struct tiny_mm *parent)
{
	struct tiny_mm *child;

	do
		child = tiny_fork(parent);
	while (!child && inject_refused(RMAP_ENOMEM));
	return child;
}

static struct tiny_vma *split_patiently(struct tiny_vma *vma, unsigned int n)
{
	struct tiny_vma *upper;

	do
		upper = tiny_split(vma, n);
	while (!upper && inject_refused(RMAP_ENOMEM));
	return upper;
}

/* A family of its own: three generations, writes in each, exits in another order each time. */
static void *family(void *arg)
{
	struct run *run = arg;

	for (unsigned int round = 0; round < run->rounds; round++) {
		struct tiny_mm *p = tiny_mm_new(run->vm);
		struct tiny_mm *c, *g;

		tiny_map(p, 10, 2);
		(void)PATIENT(tiny_write(p, 10, round));
		(void)PATIENT(tiny_write(p, 11, round));
		c = fork_patiently(p);
		(void)PATIENT(tiny_write(c, 10, round));
		if (round % 2)
			tiny_exit(p);
		g = fork_patiently(c);
		(void)PATIENT(tiny_write(g, 11, round));
		(void)PATIENT(tiny_write(c, 11, round));
		if (round % 3)
			tiny_exit(c);
		(void)PATIENT(tiny_write(g, 10, round));
		tiny_exit(g);
		if (!(round % 3))
			tiny_exit(c);
		if (!(round % 2))
			tiny_exit(p);
	}
	return NULL;
}

/* Children of one parent: all meet at one root lock. */
static void *children(void *arg)
{
	struct run *run = arg;

	for (unsigned int round = 0; round < run->rounds; round++) {
		struct tiny_mm *c;

		pthread_mutex_lock(&run->mmap);
		if (round % 4 == 0)
			(void)PATIENT(tiny_write(run->shared, 10 + round % 3, round));
		c = fork_patiently(run->shared);
		pthread_mutex_unlock(&run->mmap);
		(void)PATIENT(tiny_write(c, 10, round));
		if (round % 2)
			(void)split_patiently(c->vma[0], 12);
		if (round % 4 == 3)
			(void)PATIENT(tiny_merge(c->vma[0], c->vma[1]));
		(void)PATIENT(tiny_write(c, 12, round));
		tiny_exit(c);
	}
	return NULL;
}

static void race(struct tiny_vm *vm, void *(*one)(void *), void *(*other)(void *),
		 unsigned int rounds)
{
	struct run run = { .vm = vm, .rounds = rounds };
	pthread_t worker[2], looking[2];

	pthread_mutex_init(&run.mmap, NULL);
	run.shared = tiny_mm_new(vm);
	tiny_map(run.shared, 10, 4);
	for (unsigned int n = 10; n < 14; n++)
		assert_int_equal(tiny_write(run.shared, n, n), RMAP_OK);
	pthread_create(&looking[0], NULL, walker, &run);
	pthread_create(&looking[1], NULL, walker, &run);
	pthread_create(&worker[0], NULL, one, &run);
	pthread_create(&worker[1], NULL, other, &run);
	pthread_join(worker[0], NULL);
	pthread_join(worker[1], NULL);
	/* On a busy machine they may not have begun; the shared pages are there to be found. */
	while (!atomic_load(&run.found))
		sched_yield();
	atomic_store(&run.done, true);
	pthread_join(looking[0], NULL);
	pthread_join(looking[1], NULL);
	assert_int_equal(run.wrong, 0);
	tiny_check(vm);
	tiny_exit(run.shared);
	pthread_mutex_destroy(&run.mmap);
}

/* covers: B5, B6, 1.2-15 */
static void test_walkers_against_families(void **state)
{
	race(*state, family, family, 1500);
}

/* covers: 1.1-5, 1.2-7 */
static void test_walkers_against_children(void **state)
{
	race(*state, children, children, 1500);
}

static void test_walkers_against_both(void **state)
{
	race(*state, family, children, 1500);
}

/* ---------------------------------------------------------------- two first faults in one VMA */

struct first {
	struct tiny_vm *vm;
	pthread_barrier_t barrier;
	struct rmap_vma *vma;
	struct rmap_vma *next;
	unsigned int rounds;
};

static void *first_fault(void *arg)
{
	struct first *f = arg;

	for (unsigned int i = 0; i < f->rounds; i++) {
		pthread_barrier_wait(&f->barrier);
		if (PATIENT(rmap_vma_prepare(&f->vm->rmap, f->vma, f->next, NULL)) != RMAP_OK ||
		    !rmap_vma_faulted(&f->vm->rmap, f->vma))
			return f;
		pthread_barrier_wait(&f->barrier);
	}
	return NULL;
}

/* A neighbour is prepared at the same time, and may or may not be seen. */
static void *first_fault_next(void *arg)
{
	struct first *f = arg;

	for (unsigned int i = 0; i < f->rounds; i++) {
		pthread_barrier_wait(&f->barrier);
		if (PATIENT(rmap_vma_prepare(&f->vm->rmap, f->next, NULL, f->vma)) != RMAP_OK)
			return f;
		pthread_barrier_wait(&f->barrier);
	}
	return NULL;
}

/*
 * Threads of one process fault in one VMA for the first time: one wins, nothing leaks.
 *
 * covers: 1.2-2, B28, 1.1-2, 1.1-3
 */
static void test_racing_first_faults(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_vma *a = tiny_map(mm, 10, 4);
	struct tiny_vma *b = tiny_map(mm, 14, 4);
	struct first f = { .vm = vm, .vma = &a->rmap, .next = &b->rmap, .rounds = 1500 };
	pthread_t thread[3];
	void *wrong;

	pthread_barrier_init(&f.barrier, NULL, 4);
	pthread_create(&thread[0], NULL, first_fault, &f);
	pthread_create(&thread[1], NULL, first_fault, &f);
	pthread_create(&thread[2], NULL, first_fault_next, &f);
	for (unsigned int i = 0; i < f.rounds; i++) {
		pthread_barrier_wait(&f.barrier);
		pthread_barrier_wait(&f.barrier);
		/* All stand at the next barrier or run to it: this thread alone looks at the VMAs. */
		tiny_check(vm);
		assert_int_equal(tiny_objects(vm, RMAP_KIND_AVC), 2);
		assert_in_range(tiny_objects(vm, RMAP_KIND_ANON_VMA), 1, 2);
		rmap_vma_forget(&vm->rmap, &a->rmap);
		rmap_vma_forget(&vm->rmap, &b->rmap);
		assert_int_equal(vm->outstanding, 0);
	}
	for (unsigned int i = 0; i < 3; i++) {
		pthread_join(thread[i], &wrong);
		assert_null(wrong);
	}
	pthread_barrier_destroy(&f.barrier);
	tiny_exit(mm);
}

/* ---------------------------------------------------------------- a PTE that moves while it is looked for */

struct movement {
	struct tiny_vm *vm;
	struct tiny_mm *mm;
	struct tiny_page *page;
	_Atomic bool done;
	_Atomic uint64_t missed;
	_Atomic uint64_t walks;
};

/* Between two VMAs: let the others run. */
static bool dawdle(const struct rmap_vma *vma, void *arg)
{
	(void)vma;
	(void)arg;
	sched_yield();
	return false;
}

static void *seeker(void *arg)
{
	struct movement *m = arg;

	do {
		struct rmap_walk walk = { .skip = dawdle, .purpose = RMAP_WALK_MIGRATE };

		rmap_walk(&m->vm->rmap, &m->page->rmap, &walk);
		if (walk.found == 0)
			atomic_fetch_add(&m->missed, 1);
		atomic_fetch_add(&m->walks, 1);
	} while (!atomic_load(&m->done));
	return NULL;
}

static void move_pte(struct tiny_mm *mm, unsigned int to, unsigned int from)
{
	rmap_spin_lock(&mm->ptl);
	mm->pte[to] = mm->pte[from];
	mm->pte[from] = (struct tiny_pte){ .kind = TINY_NONE };
	rmap_spin_unlock(&mm->ptl);
}

/*
 *	page offset:   10 . 12 . . . . 18
 *	low            [----x---------]      at 10
 *	high                [x-]             at 40
 *
 * The page at offset 12 goes from low to high and back. Walks see low first. To high no lock is needed: the walker comes there
 * later. Back to low, which existed before, it could pass by on the other side; the locks of the move prevent that.
 *
 * covers: B13, 1.10-4, 1.10-5
 */
static void test_moving_pte_is_not_missed(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_vma *low = tiny_map(mm, 10, 8);
	struct tiny_vma *high;
	struct movement m = { .vm = vm, .mm = mm };
	pthread_t thread[2];

	assert_int_equal(tiny_write(mm, 12, 1), RMAP_OK);
	m.page = tiny_page_at(mm, 12);
	high = tiny_clone(low, 40, 2, 12);
	pthread_create(&thread[0], NULL, seeker, &m);
	pthread_create(&thread[1], NULL, seeker, &m);
	for (unsigned int i = 0; i < 300 || atomic_load(&m.walks) < 1000; i++) {
		rmap_move_begin(&vm->rmap, &high->rmap, &low->rmap, i % 2);
		move_pte(mm, 40, 12);
		rmap_move_end(&vm->rmap, &high->rmap, &low->rmap, i % 2);
		sched_yield();
		rmap_move_begin(&vm->rmap, &low->rmap, &high->rmap, true);
		move_pte(mm, 12, 40);
		rmap_move_end(&vm->rmap, &low->rmap, &high->rmap, true);
	}
	atomic_store(&m.done, true);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	assert_int_equal(m.missed, 0);
	tiny_check(vm);
	tiny_exit(mm);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, tiny_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_walkers_against_families), TEST(test_walkers_against_children),
		TEST(test_walkers_against_both),     TEST(test_racing_first_faults),
		TEST(test_moving_pte_is_not_missed),
	};

#ifdef RMAP_LOCKS_HEADER
	/* Locks that check their order are not fair to a writer among readers without end. */
	cmocka_set_skip_filter("test_moving_pte_is_not_missed");
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
