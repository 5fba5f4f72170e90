// SPDX-License-Identifier: BSD-2-Clause
/*
 * anon_vma_chain's walks: owners of pages over swap, migration and adoption, the lifetime of an anon_vma that a walker is just
 * looking at, the locks that hold walkers off, and the rules of a walk.
 *
 * What threads would do at an awkward moment is done in the port's wait(): the walker sleeps there for the root's lock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rmap/anon_vma_chain.h"
#include "tiny_vm.h"

/* ---------------------------------------------------------------- whose page it is */

/*
 * A shared page is swapped out; the child reads it first, then the parent, then the child exits. The page belongs to the root,
 * not to the child that happened to fetch it.
 *
 * covers: B4, 1.4-1, 1.6-4
 */
static void test_swap_in_belongs_to_root(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c;
	struct tiny_slot slot = { .entries = 0 };
	struct tiny_page *page;

	tiny_map(p, 10, 4);
	write_ok(p, 10, 77);
	c = fork_ok(p);
	tiny_swap_out(vm, tiny_page_at(p, 10), &slot);
	tiny_check(vm);
	assert_int_equal(slot.entries, 2);
	tiny_swap_in(c, 10);
	tiny_check(vm);
	page = tiny_page_at(c, 10);
	assert_int_equal(page->value, 77);
	assert_ptr_equal(owner_of(vm, page), own_of(p->vma[0]));
	assert_ptr_not_equal(owner_of(vm, page), own_of(c->vma[0]));
	assert_false(rmap_page_is_exclusive(&page->rmap));
	tiny_swap_in(p, 10);
	assert_ptr_equal(tiny_page_at(p, 10), page);
	tiny_check(vm);
	exit_ok(c);
	assert_int_equal(tiny_walk(vm, page, 0).found, 1);
	exit_ok(p);
}

/*
 * An exclusive page comes back from swap as the VMA's own.
 *
 * covers: 1.6-4, I8
 */
static void test_swap_in_exclusive(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c;
	struct tiny_slot slot = { .entries = 0 };

	tiny_map(p, 10, 4);
	write_ok(p, 10, 1);
	c = fork_ok(p);
	write_ok(c, 10, 2);
	tiny_swap_out(vm, tiny_page_at(c, 10), &slot);
	tiny_swap_in(c, 10);
	tiny_check(vm);
	assert_ptr_equal(owner_of(vm, tiny_page_at(c, 10)), own_of(c->vma[0]));
	assert_true(rmap_page_is_exclusive(&tiny_page_at(c, 10)->rmap));
	exit_ok(p);
	exit_ok(c);
}

/*
 * A write finds the page unshared: it becomes the writer's, and walks from it are short again.
 *
 * covers: 1.4-3, 1.6-3
 */
static void test_adopt(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c, *other;
	struct tiny_page *page;

	tiny_map(p, 10, 4);
	write_ok(p, 10, 1);
	c = fork_ok(p);
	other = fork_ok(p);
	page = tiny_page_at(c, 10);
	write_ok(p, 10, 2);
	write_ok(other, 10, 3);
	assert_int_equal(tiny_walk(vm, page, 0).looks, 3);
	write_ok(c, 10, 4);
	assert_ptr_equal(tiny_page_at(c, 10), page);
	assert_ptr_equal(owner_of(vm, page), own_of(c->vma[0]));
	assert_int_equal(tiny_walk(vm, page, 0).looks, 1);
	assert_true(rmap_page_is_exclusive(&page->rmap));
	assert_int_equal(vm->rmap.own.count.adopted, 1);
	exit_ok(p);
	exit_ok(c);
	exit_ok(other);
}

/*
 * The owner and index stay on an unmapped page until it is freed; a walk finds nothing without a look.
 *
 * covers: 1.4-5
 */
static void test_owner_stays_until_free(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_page *page;
	const void *owner;

	tiny_map(mm, 10, 4);
	write_ok(mm, 10, 1);
	page = tiny_page_at(mm, 10);
	owner = owner_of(vm, page);
	assert_true(tiny_page_get(page));
	tiny_unmap(mm->vma[0]);
	assert_ptr_equal(owner_of(vm, page), owner);
	assert_false(rmap_page_is_exclusive(&page->rmap));
	assert_int_equal(tiny_walk(vm, page, 0).steps, 0);
	assert_null(rmap_page_pin(&vm->rmap, &page->rmap));
	tiny_page_put(vm, page);
	assert_null(owner_of(vm, page));
	assert_false(rmap_page_is_anon(&page->rmap));
	exit_ok(mm);
}

/*
 * Pages come in runs: the masks say which came to be mapped and which are unmapped now.
 *
 * covers: 1.4-1, 1.4-2, 1.4-5, I8
 */
static void test_runs(void **state)
{
	enum { N = 60 };
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct rmap_vma *vma = &tiny_map(mm, 2, N)->rmap;
	static struct rmap_page page[RMAP_RUN_MAX];
	struct rmap_page *run[RMAP_RUN_MAX];
	uint64_t all = ~(uint64_t)0 >> (64 - N);

	for (unsigned int i = 0; i < RMAP_RUN_MAX; i++)
		run[i] = &page[i];
	assert_int_equal(rmap_vma_prepare(&vm->rmap, vma, NULL, NULL), RMAP_OK);
	assert_true(rmap_page_map(&vm->rmap, run, N, vma, vma->start, NULL,
				  RMAP_MAP_NEW | RMAP_MAP_EXCLUSIVE, NULL) == all);
	for (unsigned int i = 0; i < N; i++) {
		assert_int_equal(page[i].index, 2 + i);
		assert_true(rmap_page_is_exclusive(&page[i]));
		rmap_page_share(&page[i]);
		assert_false(rmap_page_is_exclusive(&page[i]));
	}
	assert_true(rmap_page_map(&vm->rmap, run + 5, 7, vma, vma->start + 5 * RMAP_PAGE_SIZE, NULL,
				  0, NULL) == 0);
	assert_true(rmap_page_unmap(&vm->rmap, run, N, vma, vma->start, NULL) ==
		    (all & ~((uint64_t)0x7f << 5)));
	assert_true(rmap_page_unmap(&vm->rmap, run + 5, 7, vma, vma->start + 5 * RMAP_PAGE_SIZE,
				    NULL) == 0x7f);
	/* Swap-in of a page that is still in the cache: it has an owner, and is exclusive again. */
	assert_true(rmap_page_map(&vm->rmap, run, 1, vma, vma->start, NULL, RMAP_MAP_EXCLUSIVE,
				  NULL) == 1);
	assert_true(rmap_page_is_exclusive(&page[0]));
	assert_true(rmap_page_unmap(&vm->rmap, run, 1, vma, vma->start, NULL) == 1);
	for (unsigned int i = 0; i < N; i++)
		rmap_page_free(&vm->rmap, &page[i]);
	exit_ok(mm);
}

/* ---------------------------------------------------------------- migration and pins */

/*
 * A page that three processes map moves to another frame: entries in all three tables, then PTEs of the new page, met by a walk
 * that cannot stop at a map count.
 *
 * covers: 1.5-10, 1.5-11, 1.0-7
 */
static void test_migration(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c, *g;
	struct tiny_page *page;
	struct rmap_walk walk;
	void *pin;

	tiny_map(p, 10, 4);
	write_ok(p, 10, 5);
	c = fork_ok(p);
	g = fork_ok(c);
	page = tiny_migrate_begin(vm, tiny_page_at(p, 10), &pin);
	tiny_check(vm);
	assert_non_null(pin);
	assert_null(tiny_page_at(c, 10));
	assert_int_equal(tiny_walk(vm, page, 0).looks, 0);
	assert_int_equal(tiny_walk(vm, page, RMAP_WALK_ENTRIES).found, 3);
	walk = tiny_migrate_end(vm, page, pin);
	assert_int_equal(walk.found, 3);
	tiny_check(vm);
	assert_ptr_equal(tiny_page_at(g, 10), page);
	assert_int_equal(page->value, 5);
	assert_false(rmap_page_is_exclusive(&page->rmap));

	write_ok(g, 10, 6);
	page = tiny_migrate_begin(vm, tiny_page_at(g, 10), &pin);
	(void)tiny_migrate_end(vm, page, pin);
	assert_true(rmap_page_is_exclusive(&page->rmap)); /* the entry carried it */
	assert_ptr_equal(owner_of(vm, page), own_of(g->vma[0]));
	tiny_check(vm);
	exit_ok(p);
	exit_ok(c);
	exit_ok(g);
}

/*
 * Between entries and PTEs the layout changes: VMAs are split, moved and merged, entries and all, and a process forks. Whoever
 * takes the entries out finds them by the same rule by which they were put in, at the places where they are now.
 *
 * covers: 1.5-11, B13, B17
 */
static void test_layout_changes_during_migration(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c, *g;
	struct tiny_page *page;
	struct tiny_vma *high;
	void *pin;

	tiny_map(p, 10, 8);
	write_ok(p, 15, 9);
	c = fork_ok(p);
	page = tiny_migrate_begin(vm, tiny_page_at(p, 15), &pin);
	high = tiny_split(c->vma[0], 14);
	tiny_check(vm);
	high = tiny_move(high, 40);
	tiny_check(vm);
	g = fork_ok(c);
	assert_non_null(tiny_split(p->vma[0], 15));
	assert_int_equal(tiny_merge(p->vma[0], p->vma[1]), RMAP_OK);
	high = tiny_move(high, 14);
	tiny_check(vm);
	assert_int_equal(tiny_merge(c->vma[0], high), RMAP_OK);
	assert_int_equal(tiny_migrate_end(vm, page, pin).found, 3);
	tiny_check(vm);
	assert_ptr_equal(tiny_page_at(p, 15), page);
	assert_ptr_equal(tiny_page_at(c, 15), page);
	assert_ptr_equal(tiny_page_at(g, 41), page);
	exit_ok(p);
	exit_ok(c);
	exit_ok(g);
}

/*
 * In the middle of a migration everybody exits. The pin keeps the owner for the walk that finds nothing.
 *
 * covers: 1.5-10, B5
 */
static void test_exit_during_migration(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c;
	struct tiny_page *page;
	void *pin;

	tiny_map(p, 10, 4);
	write_ok(p, 10, 1);
	c = fork_ok(p);
	write_ok(c, 10, 1);
	page = tiny_migrate_begin(vm, tiny_page_at(c, 10), &pin);
	exit_ok(p);
	exit_ok(c);
	assert_int_equal(tiny_objects(vm, RMAP_KIND_AVC), 0);
	assert_int_equal(tiny_objects(vm, RMAP_KIND_ANON_VMA),
			 2); /* the child's, and the root that it needs */
	assert_int_equal(tiny_migrate_end(vm, page, pin).found, 0);
	assert_int_equal(tiny_objects(vm, RMAP_KIND_ANON_VMA), 0);
}

/*
 * A pin on a grandchild's anon_vma outlives the family; the root is freed after it.
 *
 * covers: B5, 1.2-15
 */
static void test_pin_keeps_root(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c, *g;
	void *pin;

	tiny_map(p, 10, 4);
	write_ok(p, 10, 1);
	c = fork_ok(p);
	g = fork_ok(c);
	write_ok(g, 10, 1);
	pin = rmap_page_pin(&vm->rmap, &tiny_page_at(g, 10)->rmap);
	assert_ptr_equal(pin, own_of(g->vma[0]));
	exit_ok(p);
	exit_ok(g);
	exit_ok(c);
	assert_int_equal(tiny_objects(vm, RMAP_KIND_ANON_VMA), 2);
	rmap_page_unpin(&vm->rmap, pin);
	assert_int_equal(tiny_objects(vm, RMAP_KIND_ANON_VMA), 0);
	rmap_page_unpin(&vm->rmap, NULL);
}

/* ---------------------------------------------------------------- lifetime, seen from a walker */

struct scene {
	struct tiny_vm *vm;
	struct tiny_mm *mm;
	struct tiny_mm *other;
	struct rmap_vma *locked; /* the move that holds the root's lock */
	struct rmap_rwsem *read_lock;
	void *freed;
	unsigned int waits;
};

/* The lock is let go, and before the sleeper gets it, its process exits. */
static void exit_while_walker_sleeps(void *arg)
{
	struct scene *s = arg;

	if (s->waits++)
		return;
	rmap_move_end(&s->vm->rmap, s->locked, s->locked, true);
	tiny_exit(s->mm);
}

/* A walker sleeps for the lock; when it gets it, the page is unmapped and only the walker still holds the anon_vma. */
static void test_exit_while_walker_sleeps(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct scene s = { .vm = vm, .mm = mm };
	struct tiny_page *page;

	tiny_map(mm, 10, 4);
	write_ok(mm, 10, 1);
	page = tiny_page_at(mm, 10);
	assert_true(tiny_page_get(page));
	s.locked = &mm->vma[0]->rmap;
	rmap_move_begin(&vm->rmap, s.locked, s.locked, true);
	vm->on_wait = exit_while_walker_sleeps;
	vm->on_wait_arg = &s;
	assert_int_equal(tiny_walk(vm, page, 0).found, 0);
	assert_true(s.waits > 0);
	assert_int_equal(tiny_objects(vm, RMAP_KIND_ANON_VMA), 0);
	vm->on_wait = NULL;
	tiny_page_put(vm, page);
}

/* The lock is let go, the parent exits, and the child, now alone, writes: the page changes hands. */
static void adopt_while_walker_sleeps(void *arg)
{
	struct scene *s = arg;

	if (s->waits++)
		return;
	rmap_move_end(&s->vm->rmap, s->locked, s->locked, true);
	rmap_spin_lock(&s->other->ptl);
	rmap_page_adopt(&s->vm->rmap, &tiny_page_at(s->other, 10)->rmap, &s->other->vma[0]->rmap,
			(uint64_t)10 << RMAP_PAGE_SHIFT);
	rmap_spin_unlock(&s->other->ptl);
}

/* A walker sleeps for the lock; the page gets another owner meanwhile. The walk starts over, with the new one. */
static void test_adopt_while_walker_sleeps(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct scene s = { .vm = vm, .mm = p };
	struct tiny_page *page;
	struct rmap_walk walk;

	tiny_map(p, 10, 4);
	write_ok(p, 10, 1);
	page = tiny_page_at(p, 10);
	s.other = fork_ok(p);
	write_ok(p, 10, 2);
	assert_ptr_equal(tiny_page_at(s.other, 10), page);
	s.locked = &p->vma[0]->rmap;
	rmap_move_begin(&vm->rmap, s.locked, s.locked, true);
	vm->on_wait = adopt_while_walker_sleeps;
	vm->on_wait_arg = &s;
	walk = tiny_walk(vm, page, 0);
	assert_true(s.waits > 0);
	assert_int_equal(walk.found, 1);
	assert_int_equal(walk.looks, 1); /* in the child's own, not in the root's tree of two */
	vm->on_wait = NULL;
	tiny_check(vm);
	exit_ok(p);
	exit_ok(s.other);
}

static void late_reader_lets_go(void *arg)
{
	struct scene *s = arg;

	if (!s->waits++)
		rmap_read_unlock(s->read_lock, &s->vm->port);
}

/*
 * A late reader still holds the lock of an anon_vma that was freed and is handed out again, for another VMA. Whoever gets it
 * must wait for the reader before it changes the tree, though nobody else can know the fresh object.
 *
 * covers: B6, 1.2-2
 */
static void test_fresh_anon_vma_is_locked_while_walker_sleeps(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_mm *other = tiny_mm_new(vm);
	struct anon_vma *stale;
	struct scene s = { .vm = vm };

	tiny_map(mm, 10, 4);
	tiny_map(other, 20, 4);
	write_ok(mm, 10, 1);
	stale = vma_own(&mm->vma[0]->rmap);
	exit_ok(mm);
	assert_int_equal(stale->refcount, 0);
	s.read_lock = &stale->rwsem;
	assert_true(rmap_read_trylock(s.read_lock));
	vm->on_wait = late_reader_lets_go;
	vm->on_wait_arg = &s;
	assert_int_equal(tiny_write(other, 20, 1), RMAP_OK);
	vm->on_wait = NULL;
	assert_ptr_equal(own_of(other->vma[0]), stale);
	assert_true(s.waits > 0);
	tiny_check(vm);
	exit_ok(other);
}

/* ---------------------------------------------------------------- moves, and who must wait */

static void must_not_wait(void *arg)
{
	(void)arg;
	fail_msg("something slept for a lock that should be free");
}

static int try_walk(struct tiny_vm *vm, struct tiny_page *page)
{
	struct rmap_walk walk = { .flags = RMAP_WALK_TRYLOCK, .purpose = RMAP_WALK_REFERENCE };

	return rmap_walk(&vm->rmap, &page->rmap, &walk);
}

/*
 * A walk goes by rising page offset, ties in order of insertion. When PTEs move to a VMA that was made for it, that one stands
 * behind the old one, and no lock is needed. When they move to one that was there and was grown, and which does not stand
 * behind, walkers are held off.
 *
 *	merged | dst->pgoff < src->pgoff   equal   greater
 *	-------+-------------------------------------------
 *	no     |          no                no        no
 *	yes    |          yes               yes       no
 *
 * covers: 1.10-4, 1.10-5, B13, 1.1-5
 */
static void test_move_locks(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct rmap_vma *low, *high;
	struct tiny_page *page;

	tiny_map(mm, 10, 8);
	write_ok(mm, 11, 1);
	write_ok(mm, 15, 1);
	assert_non_null(tiny_split(mm->vma[0], 14));
	low = &mm->vma[0]->rmap;
	high = &mm->vma[1]->rmap;
	page = tiny_page_at(mm, 15);
	vm->on_wait = must_not_wait;
	for (unsigned int merged = 0; merged < 2; merged++) {
		rmap_move_begin(&vm->rmap, low, high, merged);
		assert_int_equal(try_walk(vm, page), merged ? RMAP_EAGAIN : RMAP_OK);
		rmap_move_end(&vm->rmap, low, high, merged);
		rmap_move_begin(&vm->rmap, high, high, merged);
		assert_int_equal(try_walk(vm, page), merged ? RMAP_EAGAIN : RMAP_OK);
		rmap_move_end(&vm->rmap, high, high, merged);
		rmap_move_begin(&vm->rmap, high, low, merged);
		assert_int_equal(try_walk(vm, page), RMAP_OK);
		rmap_move_end(&vm->rmap, high, low, merged);
	}
	assert_int_equal(try_walk(vm, page), RMAP_OK);
	exit_ok(mm);
}

/*
 * While bounds change, walkers are held off; afterwards they find the pages.
 *
 * covers: 1.1-1, 1.1-5
 */
static void test_adjust_holds_walkers_off(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct rmap_vma *vma;
	struct rmap_adjust adjust = { .insert = NULL };
	struct tiny_page *page;

	tiny_map(mm, 10, 4);
	write_ok(mm, 11, 1);
	page = tiny_page_at(mm, 11);
	vma = &mm->vma[0]->rmap;
	adjust.vma[0] = vma;
	rmap_adjust_begin(&vm->rmap, &adjust);
	assert_int_equal(try_walk(vm, page), RMAP_EAGAIN);
	assert_null(vma_own(vma)->rb_root.node);
	vma->end += RMAP_PAGE_SIZE;
	rmap_adjust_end(&vm->rmap, &adjust);
	assert_int_equal(try_walk(vm, page), RMAP_OK);
	tiny_check(vm);
	exit_ok(mm);
}

/* ---------------------------------------------------------------- the rules of a walk */

static enum rmap_visit stop(struct rmap_hit *hit, void *arg)
{
	(void)hit;
	(void)arg;
	return RMAP_VISIT_STOP;
}

static bool skip_mm(const struct rmap_vma *vma, void *arg)
{
	return vma->mm == arg;
}

struct hit_order {
	unsigned int n;
	struct rmap_mm *mm[8];
};

static enum rmap_visit note_order(struct rmap_hit *hit, void *arg)
{
	struct hit_order *o = arg;

	o->mm[o->n++] = hit->mm;
	return RMAP_VISIT_NEXT;
}

/*
 * Order, early end, skipping, purposes, maxima, and the checker that counts nothing.
 *
 * covers: 1.5-2, 1.5-3, 1.5-7
 */
static void test_walk_rules(void **state)
{
	struct tiny_vm *vm = *state;
	struct rmap_counts count;
	struct tiny_mm *p = tiny_mm_new(vm);
	struct tiny_mm *c, *g;
	struct tiny_page *page;
	struct hit_order order = { .n = 0 };
	struct rmap_walk walk = { .visit = note_order, .arg = &order, .purpose = RMAP_WALK_POISON };
	uint64_t locks;

	tiny_map(p, 10, 4);
	write_ok(p, 10, 1);
	c = fork_ok(p);
	g = fork_ok(c);
	page = tiny_page_at(p, 10);
	assert_int_equal(rmap_walk(&vm->rmap, &page->rmap, &walk), RMAP_OK);
	assert_int_equal(order.n, 3);
	assert_ptr_equal(order.mm[0], &p->rmap);
	assert_ptr_equal(order.mm[1], &c->rmap);
	assert_ptr_equal(order.mm[2], &g->rmap);

	walk.visit = stop;
	assert_int_equal(rmap_walk(&vm->rmap, &page->rmap, &walk), RMAP_OK);
	assert_int_equal(walk.found, 1);
	walk.visit = NULL;
	walk.skip = skip_mm;
	walk.arg = &c->rmap;
	assert_int_equal(rmap_walk(&vm->rmap, &page->rmap, &walk), RMAP_OK);
	assert_int_equal(walk.found, 2);
	assert_int_equal(walk.looks, 2);
	assert_int_equal(walk.steps, 6); /* three links, three VMAs */
	rmap_get_counts(&vm->rmap, &count);
	assert_int_equal(count.walk[RMAP_WALK_POISON].walks, 3);
	assert_int_equal(count.walk[RMAP_WALK_POISON].found, 6);
	assert_int_equal(count.walk[RMAP_WALK_POISON].max_looks, 3);
	assert_string_equal(rmap_walk_purpose_name(RMAP_WALK_POISON), "poison");

	rmap_get_counts(&vm->rmap, &count);
	locks = count.locks_family;
	walk.flags = RMAP_WALK_CHECK;
	assert_int_equal(rmap_walk(&vm->rmap, &page->rmap, &walk), RMAP_OK);
	assert_int_equal(walk.found, 2);
	rmap_get_counts(&vm->rmap, &count);
	assert_int_equal(count.walk[RMAP_WALK_POISON].walks, 3);
	assert_int_equal(count.locks_family, locks);
	exit_ok(p);
	exit_ok(c);
	exit_ok(g);
}

/*
 * The page table decides. A VMA that could have the page but has another one there, or nothing, costs a look; one without a page
 * table there costs none.
 *
 * covers: 1.5-4, 1.5-5
 */
static void test_hit_is_verified(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_vma *vma = tiny_map(mm, 10, 4);
	uint64_t far = (uint64_t)(TINY_SLOTS + 10) << RMAP_PAGE_SHIFT;
	struct rmap_vma beyond;
	struct rmap_walk walk;

	write_ok(mm, 10, 1);
	assert_non_null(tiny_clone(vma, 20, 4, 10)); /* empty there */
	assert_non_null(tiny_clone(vma, 30, 2, 12)); /* does not cover it */
	rmap_vma_init(&beyond, &mm->rmap, far, far + 4 * RMAP_PAGE_SIZE, 10, NULL, 0);
	assert_int_equal(rmap_vma_clone(&vm->rmap, &beyond, &vma->rmap), RMAP_OK);
	walk = tiny_walk(vm, tiny_page_at(mm, 10), 0);
	assert_int_equal(walk.found, 1);
	assert_int_equal(walk.looks, 2);
	rmap_vma_unlink(&vm->rmap, &beyond);
	exit_ok(mm);
}

/* The VMA of a hit: known here; where a design does not, the port is asked and it counts. */
static void test_hit_vma(void **state)
{
	struct tiny_vm *vm = *state;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct rmap_vma *vma = &tiny_map(mm, 10, 4)->rmap;
	struct rmap_walk walk = { .steps = 0 };
	struct rmap_hit hit = { .mm = &mm->rmap, .addr = vma->start };

	assert_ptr_equal(rmap_hit_vma(&vm->rmap, &walk, &hit), vma);
	assert_int_equal(walk.steps, 1);
	assert_ptr_equal(rmap_hit_vma(&vm->rmap, &walk, &hit), vma);
	assert_int_equal(walk.steps, 1);
	exit_ok(mm);
}

/* What has names, and designs by name. */
static void test_names(void **state)
{
	(void)state;
	assert_ptr_equal(rmap_design_by_name("anon_vma_chain"), &rmap_anon_vma_chain);
	assert_ptr_equal(rmap_designs[0], &rmap_anon_vma_chain);
	assert_null(rmap_design_by_name("anon_vma_chai"));
	assert_null(rmap_design_by_name("anon_vma_chains"));
	assert_null(rmap_design_by_name(""));
	assert_string_equal(rmap_design_name(&rmap_anon_vma_chain), "anon_vma_chain");
	assert_string_equal(rmap_error_name(RMAP_ENOMEM), "ENOMEM");
	assert_string_equal(rmap_error_name(0), "0");
	assert_string_equal(rmap_error_name(12), "E?");
	assert_string_equal(rmap_kind_name(RMAP_KIND_AVC), "anon_vma_chain");
	assert_string_equal(rmap_kind_name(RMAP_KIND_VMA), "vma");
	assert_string_equal(rmap_kind_name(RMAP_KINDS), "?");
	assert_string_equal(rmap_walk_purpose_name(RMAP_WALK_PURPOSES), "?");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tiny_setup, tiny_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_swap_in_belongs_to_root),
		TEST(test_swap_in_exclusive),
		TEST(test_adopt),
		TEST(test_owner_stays_until_free),
		TEST(test_runs),
		TEST(test_migration),
		TEST(test_layout_changes_during_migration),
		TEST(test_exit_during_migration),
		TEST(test_pin_keeps_root),
		TEST(test_exit_while_walker_sleeps),
		TEST(test_adopt_while_walker_sleeps),
		TEST(test_fresh_anon_vma_is_locked_while_walker_sleeps),
		TEST(test_move_locks),
		TEST(test_adjust_holds_walkers_off),
		TEST(test_walk_rules),
		TEST(test_hit_is_verified),
		TEST(test_hit_vma),
		cmocka_unit_test(test_names),
	};

#ifdef RMAP_LOCKS_HEADER
	/* Locks that check their order do not sleep in the port. */
	cmocka_set_skip_filter("*_while_walker_sleeps");
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
