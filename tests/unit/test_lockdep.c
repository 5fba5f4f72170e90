// SPDX-License-Identifier: BSD-2-Clause
/*
 * The locks that check their order, themselves: every kind of wrong is said, and nothing that is right.
 */
#ifndef RMAP_LOCKS_HEADER
#define RMAP_LOCKS_HEADER "test/lockdep.h"
#endif
#include <rmap/port.h>

#include <rmap/locks.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#ifdef LOCKDEP_H

static char said[256];

static void on_violation(const char *what)
{
	/* The first one: a program would have stopped there. */
	if (!said[0])
		strncpy(said, what, sizeof(said) - 1);
}

static int set_up(void **state)
{
	(void)state;
	said[0] = '\0';
	memset(&lockdep_me, 0, sizeof(lockdep_me));
	lockdep_on_violation = on_violation;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(lockdep_me.nr, 0);
	assert_int_equal(lockdep_me.nr_spin, 0);
	lockdep_on_violation = NULL;
	return 0;
}

static void expect(const char *what)
{
	if (!strstr(said, what))
		fail_msg("'%s' does not say '%s'", said, what);
	said[0] = '\0';
}

static void expect_nothing(void)
{
	assert_string_equal(said, "");
}

static void test_right_order(void **state)
{
	struct rmap_rwsem mmap_lock, child_lock, root;
	struct rmap_spinlock ptl, ptl2, lru;
	uint32_t page;

	(void)state;
	rmap_rwsem_init(&mmap_lock, RMAP_LOCK_MMAP);
	rmap_rwsem_init(&child_lock, RMAP_LOCK_MMAP);
	rmap_rwsem_init(&root, RMAP_LOCK_ANON_VMA);
	rmap_spin_init(&ptl, RMAP_LOCK_PTL);
	rmap_spin_init(&ptl2, RMAP_LOCK_PTL);
	rmap_spin_init(&lru, RMAP_LOCK_LRU);
	rmap_write_lock(&mmap_lock, NULL);
	rmap_write_lock_nested(&child_lock, NULL);
	assert_true(rmap_rwsem_is_write_locked(&mmap_lock));
	rmap_bit_lock_wait(&page, RMAP_LOCK_PAGE);
	rmap_bit_lock_got(&page, RMAP_LOCK_PAGE);
	rmap_read_lock(&root, NULL);
	assert_true(rmap_rwsem_is_locked(&root));
	assert_false(rmap_rwsem_is_write_locked(&root));
	rmap_spin_lock(&ptl);
	rmap_spin_lock_nested(&ptl2);
	rmap_spin_lock(&lru);
	assert_true(rmap_spin_is_locked(&lru));
	/* Released in any order. */
	rmap_spin_unlock(&ptl);
	rmap_spin_unlock(&lru);
	rmap_read_unlock(&root, NULL);
	rmap_spin_unlock(&ptl2);
	rmap_write_unlock(&child_lock, NULL);
	rmap_bit_lock_released(&page, RMAP_LOCK_PAGE);
	rmap_write_unlock(&mmap_lock, NULL);
	assert_false(rmap_rwsem_is_locked(&mmap_lock));
	assert_false(rmap_spin_is_locked(&lru));
	/* Two readers, then no writer. */
	assert_true(rmap_read_trylock(&root));
	assert_false(rmap_write_trylock(&root));
	rmap_read_unlock(&root, NULL);
	assert_true(rmap_write_trylock(&root));
	assert_false(rmap_read_trylock(&root));
	rmap_write_unlock(&root, NULL);
	expect_nothing();
}

static void test_wrong_order(void **state)
{
	struct rmap_rwsem mmap_lock, root, root2;
	struct rmap_spinlock ptl, ptl2, lru, unnamed = { 0 };

	(void)state;
	rmap_rwsem_init(&mmap_lock, RMAP_LOCK_MMAP);
	rmap_rwsem_init(&root, RMAP_LOCK_ANON_VMA);
	rmap_rwsem_init(&root2, RMAP_LOCK_ANON_VMA);
	rmap_spin_init(&ptl, RMAP_LOCK_PTL);
	rmap_spin_init(&ptl2, RMAP_LOCK_PTL);
	rmap_spin_init(&lru, RMAP_LOCK_LRU);

	rmap_spin_lock(&lru);
	rmap_spin_lock(&ptl);
	expect("wrong order (PTL), holding > LRU lock");
	rmap_spin_unlock(&ptl);
	/* A try does not wait. */
	assert_true(rmap_spin_trylock(&ptl));
	expect_nothing();
	rmap_spin_unlock(&ptl);
	/* Zero bytes work as a free lock, but then nobody knows where it stands. */
	rmap_spin_lock(&unnamed);
	expect("nobody has initialised");
	rmap_spin_unlock(&unnamed);
	rmap_spin_unlock(&lru);

	rmap_spin_lock(&ptl);
	rmap_spin_lock(&ptl2);
	expect("second lock of the class (PTL)");
	rmap_spin_unlock(&ptl2);
	rmap_spin_unlock(&ptl);

	rmap_read_lock(&root, NULL);
	rmap_read_lock(&root2, NULL);
	expect("second lock of the class (root lock)");
	rmap_read_unlock(&root2, NULL);
	rmap_read_lock(&root, NULL);
	expect("takes a lock twice (root lock)");
	rmap_read_unlock(&root, NULL);
	rmap_write_lock(&mmap_lock, NULL);
	expect("wrong order (mmap_lock), holding > root lock");
	rmap_write_unlock(&mmap_lock, NULL);
	rmap_read_unlock(&root, NULL);
	expect_nothing();
}

static void test_sleeping(void **state)
{
	struct rmap_rwsem mmap_lock;
	struct rmap_spinlock system;

	(void)state;
	rmap_rwsem_init(&mmap_lock, RMAP_LOCK_MMAP);
	rmap_spin_init(&system, RMAP_LOCK_SYSTEM);
	lockdep_may_sleep("alloc");
	expect_nothing();
	rmap_spin_lock(&system);
	lockdep_may_sleep("alloc");
	expect("may sleep under a spin lock: alloc");
	rmap_read_lock(&mmap_lock, NULL);
	expect("may sleep under a spin lock: waits for a sleeping lock");
	rmap_read_unlock(&mmap_lock, NULL);
	assert_true(rmap_read_trylock(&mmap_lock));
	expect_nothing();
	rmap_read_unlock(&mmap_lock, NULL);
	rmap_spin_unlock(&system);
	lockdep_rcu_enter();
	lockdep_may_sleep("alloc");
	expect("in an RCU section: alloc");
	lockdep_rcu_leave();
	lockdep_may_sleep("alloc");
	expect_nothing();
	lockdep_rcu_leave();
	expect("RCU section that it is not in");
}

static void test_releases(void **state)
{
	struct rmap_spinlock ptl;

	(void)state;
	rmap_spin_init(&ptl, RMAP_LOCK_PTL);
	rmap_spin_unlock(&ptl);
	expect("releases a lock that this thread does not hold (PTL)");
	assert_int_equal(sizeof(struct rmap_spinlock), 4);
	assert_int_equal(sizeof(struct rmap_rwsem), 4);
}

/* What a field needs: held by this thread, for writing where that is asked. */
static void test_assertions(void **state)
{
	struct rmap_rwsem mmap_lock;
	struct rmap_spinlock lru;
	uint32_t vma;

	(void)state;
	rmap_rwsem_init(&mmap_lock, RMAP_LOCK_MMAP);
	rmap_spin_init(&lru, RMAP_LOCK_LRU);
	rmap_assert_spin_held(&lru);
	expect("does not hold (LRU lock)");
	rmap_assert_read_held(&mmap_lock);
	expect("does not hold (mmap_lock)");
	rmap_assert_bit_held(&vma);
	expect("does not hold");

	rmap_read_lock(&mmap_lock, NULL);
	rmap_assert_read_held(&mmap_lock);
	expect_nothing();
	rmap_assert_write_held(&mmap_lock);
	expect("does not hold (mmap_lock)");
	rmap_read_unlock(&mmap_lock, NULL);

	rmap_write_lock(&mmap_lock, NULL);
	rmap_bit_lock_got(&vma, RMAP_LOCK_VMA);
	rmap_spin_lock(&lru);
	rmap_assert_read_held(&mmap_lock);
	rmap_assert_write_held(&mmap_lock);
	rmap_assert_spin_held(&lru);
	rmap_assert_bit_held(&vma);
	rmap_spin_unlock(&lru);
	rmap_bit_lock_released(&vma, RMAP_LOCK_VMA);
	rmap_write_unlock(&mmap_lock, NULL);
	expect_nothing();
}

/* Said by who waits seldom, so that it is heard each time. */
static void test_may_wait(void **state)
{
	struct rmap_rwsem file_map;
	struct rmap_spinlock lru;
	uint32_t page;

	(void)state;
	rmap_rwsem_init(&file_map, RMAP_LOCK_FILE_MAP);
	rmap_spin_init(&lru, RMAP_LOCK_LRU);
	rmap_assert_may_wait(RMAP_LOCK_FILE_MAP);
	rmap_bit_lock_got(&page, RMAP_LOCK_PAGE);
	rmap_assert_may_wait(RMAP_LOCK_FILE_MAP);
	expect_nothing();
	rmap_assert_may_wait(RMAP_LOCK_VMA);
	expect("wrong order (VMA lock), holding > page lock");

	rmap_read_lock(&file_map, NULL);
	expect_nothing();
	rmap_assert_may_wait(RMAP_LOCK_FILE_MAP);
	expect("a second lock of the class (file map lock)");
	rmap_read_unlock(&file_map, NULL);
	rmap_spin_lock(&lru);
	rmap_assert_may_wait(RMAP_LOCK_FILE_MAP);
	expect("may sleep under a spin lock");
	rmap_spin_unlock(&lru);
	rmap_bit_lock_released(&page, RMAP_LOCK_PAGE);
	lockdep_rcu_enter();
	rmap_assert_may_wait(RMAP_LOCK_FILE_MAP);
	expect("may sleep in an RCU section");
	lockdep_rcu_leave();
}

/* A fault that holds its VMA's lock may not wait for mmap_lock, whose writer may wait for it. */
static void test_vma_before_mmap(void **state)
{
	struct rmap_rwsem mmap_lock;
	uint32_t vma;

	(void)state;
	rmap_rwsem_init(&mmap_lock, RMAP_LOCK_MMAP);
	rmap_bit_lock_got(&vma, RMAP_LOCK_VMA);
	rmap_read_lock(&mmap_lock, NULL);
	expect("wrong order (mmap_lock), holding > VMA lock");
	rmap_read_unlock(&mmap_lock, NULL);
	rmap_bit_lock_wait(&vma, RMAP_LOCK_VMA);
	expect("takes a lock twice (VMA lock)");
	rmap_bit_lock_released(&vma, RMAP_LOCK_VMA);
	expect_nothing();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_right_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_assertions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_may_wait, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_vma_before_mmap, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_wrong_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sleeping, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_releases, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	puts("skipped: these are the tests of locks that check their order, and this build has "
	     "others");
	return 77;
}

#endif
