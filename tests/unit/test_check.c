// SPDX-License-Identifier: BSD-2-Clause
/*
 * The checker as a whole: lists of address spaces, what it must not touch, and what it says without memory. Its parts have tests of
 * their own, test_check_*.c.
 */
#include "scene.h"

#include "oom/inject.h"

#include <stdio.h>
#include <string.h>

static void users(struct scene *x)
{
	SET(x, x->s->users, 0);
}

static void system_untouched(struct scene *x)
{
	SET(x, x->e.sys->untouched, x->e.sys->nr_frames + 1);
}

static void mm_list_broken(struct scene *x)
{
	SET(x, x->p->list.prev, 0);
}

static void mm_unknown_to_rmap(struct scene *x)
{
	scene_unlink(x, &x->s->rmap.list);
}

static void mm_unknown_to_system(struct scene *x)
{
	scene_unlink(x, &x->s->list);
}

static const struct damage damages[] = {
	DAMAGE(users, "mm 1: nobody uses it any more"),
	DAMAGE(system_untouched, "frames are in use up to"),
	DAMAGE(mm_list_broken, "the list of address spaces is broken behind member 1"),
	DAMAGE(mm_unknown_to_rmap, "there are 3 address spaces, the reverse map knows 2"),
	DAMAGE(mm_unknown_to_system, "an address space that the system does not"),
};

/* covers: I10 */
static void test_every_damage_is_named(void **state)
{
	(void)state;
	scene_expect_damages(damages, sizeof(damages) / sizeof(damages[0]));
}

static void test_checking_changes_and_counts_nothing(void **state)
{
	struct scene x;
	struct mm_check check = { 0 };
	struct mm_counters before, after;
	struct rmap_counts rmap_before, rmap_after;
	struct mm_memory memory_before, memory_after;
	static unsigned char pages_before[2048 * 64];
	struct rmap *rmap;

	(void)state;
	scene_make(&x);
	rmap = mm_system_rmap(x.e.sys);
	mm_get_counters(x.e.sys, &before);
	mm_get_memory(x.e.sys, &memory_before);
	rmap_get_counts(rmap, &rmap_before);
	memcpy(pages_before, x.e.sys->pages, sizeof(pages_before));
	assert_int_equal(mm_check(x.e.sys, &check), 0);
	mm_get_counters(x.e.sys, &after);
	mm_get_memory(x.e.sys, &memory_after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_memory_equal(&memory_before, &memory_after, sizeof(memory_before));
	rmap_get_counts(rmap, &rmap_after);
	assert_memory_equal(&rmap_before, &rmap_after, sizeof(rmap_before));
	assert_memory_equal(pages_before, x.e.sys->pages, sizeof(pages_before));
	scene_end(&x);
}

/* ---------------------------------------------------------------- without memory */

struct failing_port {
	struct mm_port port;
	const struct mm_port *below;
	unsigned int left; /* allocations until one fails; 0: none fails */
	/* done at the allocation of so many buffers more; NULL: nothing */
	void (*meanwhile)(struct failing_port *f);
	unsigned int buffers;
	struct mm_system *sys;
	struct mm_file *file;
};

static void *failing_alloc(void *ctx, enum rmap_kind kind, size_t size)
{
	struct failing_port *f = ctx;

	if (kind == RMAP_KIND_BUFFER && f->left && --f->left == 0)
		return NULL;
	if (kind == RMAP_KIND_BUFFER && f->meanwhile && --f->buffers == 0)
		f->meanwhile(f);
	return f->below->os.alloc(f->below->os.ctx, kind, size);
}

static void pass_free(void *ctx, enum rmap_kind kind, void *object, size_t size)
{
	const struct mm_port *below = ((struct failing_port *)ctx)->below;

	below->os.free(below->os.ctx, kind, object, size);
}

static void pass_rcu_read_lock(void *ctx)
{
	const struct mm_port *below = ((struct failing_port *)ctx)->below;

	below->os.rcu_read_lock(below->os.ctx);
}

static void pass_rcu_read_unlock(void *ctx)
{
	const struct mm_port *below = ((struct failing_port *)ctx)->below;

	below->os.rcu_read_unlock(below->os.ctx);
}

static void pass_call_rcu(void *ctx, struct rmap_rcu *rcu,
			  void (*func)(void *ctx, struct rmap_rcu *rcu))
{
	const struct mm_port *below = ((struct failing_port *)ctx)->below;

	below->os.call_rcu(below->os.ctx, rcu, func);
}

static void pass_rcu_barrier(void *ctx)
{
	const struct mm_port *below = ((struct failing_port *)ctx)->below;

	below->os.rcu_barrier(below->os.ctx);
}

static const struct mm_port *fail_buffers(const struct mm_port *port, void *arg)
{
	struct failing_port *f = arg;

	f->below = port;
	f->port = *port;
	f->port.os.ctx = f;
	f->port.os.alloc = failing_alloc;
	f->port.os.free = pass_free;
	f->port.os.rcu_read_lock = pass_rcu_read_lock;
	f->port.os.rcu_read_unlock = pass_rcu_read_unlock;
	f->port.os.call_rcu = pass_call_rcu;
	f->port.os.rcu_barrier = pass_rcu_barrier;
	f->port.os.wait = NULL;
	f->port.os.wake = NULL;
	return &f->port;
}

static void test_without_memory_nothing_is_claimed(void **state)
{
	struct failing_port f = { 0 };
	struct engine_config config = { .wrap = fail_buffers, .arg = &f };
	struct mm_check check = { 0 };
	struct engine e;
	struct mm *p;
	unsigned int failures = 0;
	int error;

	(void)state;
	engine_setup(&e, &config);
	p = engine_mm(&e);
	map_anon(&e, p, ANON, 2);
	poke(&e, p, ANON, 1);
	do {
		f.left = failures + 1;
		error = mm_check(e.sys, &check);
		if (f.left == 0) {
			assert_int_equal(error, RMAP_ENOMEM);
			assert_string_equal(check.message, "");
			failures++;
		}
	} while (f.left == 0);
	f.left = 0;
	assert_int_equal(error, 0);
	assert_true(failures > 5);
	mm_put(p);
	engine_teardown(&e); /* which asserts that no buffer was lost */
}

/* ---------------------------------------------------------------- files that come and go meanwhile */

/* The files are counted, then room is made for them (behind three buffers for address spaces), then they are listed. */
enum { FILES_ROOM = 4 };

static void a_file_comes(struct failing_port *f)
{
	assert_int_equal(mm_file_create(f->sys, NULL, PAGE, &f->file), 0);
}

static void the_list_ends(struct failing_port *f)
{
	f->file = list_entry(f->sys->files.prev, struct mm_file, list);
	f->sys->files.prev = NULL;
}

static void test_files_change_meanwhile(void **state)
{
	struct failing_port f = { 0 };
	struct engine_config config = { .wrap = fail_buffers, .arg = &f };
	struct mm_check check = { 0 };
	struct engine e;
	struct mm_file *file;

	(void)state;
	engine_setup(&e, &config);
	inject_test_system(NULL); /* what the checker says here is planted */
	f.sys = e.sys;
	assert_int_equal(mm_file_create(e.sys, NULL, PAGE, &file), 0);
	f.buffers = FILES_ROOM;
	f.meanwhile = a_file_comes;
	/* Its promise was not yet to be seen when the sum was taken, or it was: either is looked at again. */
	assert_int_equal(mm_check(e.sys, &check), 0);
	assert_non_null(f.file);
	mm_file_put(f.file);
	f.buffers = FILES_ROOM;
	f.meanwhile = the_list_ends;
	assert_int_equal(mm_check(e.sys, &check), RMAP_EBADMSG);
	assert_non_null(strstr(check.message, "the list of files is broken"));
	e.sys->files.prev = &f.file->list;
	mm_file_put(file);
	engine_teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_damage_is_named),
		cmocka_unit_test(test_checking_changes_and_counts_nothing),
		cmocka_unit_test(test_without_memory_nothing_is_claimed),
		cmocka_unit_test(test_files_change_meanwhile),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
