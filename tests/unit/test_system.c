// SPDX-License-Identifier: BSD-2-Clause
/*
 * A system is made from a port and a configuration: what is missing or makes no sense is refused at the start, with nothing left
 * behind, not met at the first use of it.
 */
#include "engine.h"

#include <string.h>

#include "mm/system.h"

static int create(const struct mm_config *config, const struct mm_port *port)
{
	struct mm_system *sys = NULL;
	int error = mm_system_create(config, port, &sys);

	if (!error)
		mm_system_destroy(sys);
	return error;
}

static struct hosted *machine(void)
{
	struct hosted_config config = { .nr_frames = 128, .nr_swap_slots = 16 };
	struct hosted *h;

	assert_int_equal(hosted_create(&config, &h, NULL), 0);
	return h;
}

/* Each callback alone is taken away. */
static void test_a_port_is_complete(void **state)
{
	static const size_t callbacks[] = {
		offsetof(struct mm_port, os.alloc),
		offsetof(struct mm_port, os.free),
		offsetof(struct mm_port, os.rcu_read_lock),
		offsetof(struct mm_port, os.rcu_read_unlock),
		offsetof(struct mm_port, os.call_rcu),
		offsetof(struct mm_port, os.rcu_barrier),
		offsetof(struct mm_port, os.panic),
		offsetof(struct mm_port, os.wait),
		offsetof(struct mm_port, os.wake),
		offsetof(struct mm_port, frames),
		offsetof(struct mm_port, descriptors),
		offsetof(struct mm_port, tlb_flush),
		offsetof(struct mm_port, now),
		offsetof(struct mm_port, swap_read),
		offsetof(struct mm_port, swap_write),
		offsetof(struct mm_port, file_read),
		offsetof(struct mm_port, file_write),
	};
	struct mm_config config = { .design = engine_design() }, phantom = config;
	struct hosted *h = machine();
	struct mm_port port;

	(void)state;
	assert_int_equal(create(&config, hosted_port(h)), 0);
	for (size_t i = 0; i < sizeof(callbacks) / sizeof(callbacks[0]); i++) {
		port = *hosted_port(h);
		memset((char *)&port + callbacks[i], 0, sizeof(void *));
		assert_int_equal(create(&config, &port), RMAP_EINVAL);
	}
	/* What there is no use for may be missing. */
	port = *hosted_port(h);
	port.nr_swap_slots = 0;
	port.swap_read = NULL;
	port.swap_write = NULL;
	assert_int_equal(create(&config, &port), 0);
	port = *hosted_port(h);
	port.os.wait = NULL;
	port.os.wake = NULL;
	assert_int_equal(create(&config, &port), 0);
	phantom.phantom = true;
	port = *hosted_port(h);
	port.file_read = NULL;
	port.swap_write = NULL;
	assert_int_equal(create(&phantom, &port), 0);
	port = *hosted_port(h);
	port.nr_frames = 63;
	assert_int_equal(create(&config, &port), RMAP_EINVAL);
	port.nr_frames = 64;
	assert_int_equal(create(&config, &port), 0);
	assert_int_equal(hosted_destroy(h, NULL, NULL), 0);
}

/* Memory is where and as large as tables can say. */
static void test_a_port_is_possible(void **state)
{
	static const uint64_t too_many[] = { ((uint64_t)1 << 40) + 1, UINT64_MAX };
	struct mm_config config = { .design = engine_design() };
	struct hosted *h = machine();
	struct mm_port port;

	(void)state;
	for (size_t i = 0; i < sizeof(too_many) / sizeof(too_many[0]); i++) {
		port = *hosted_port(h);
		port.nr_frames = too_many[i];
		assert_int_equal(create(&config, &port), RMAP_EINVAL);
		port = *hosted_port(h);
		port.nr_swap_slots = too_many[i];
		assert_int_equal(create(&config, &port), RMAP_EINVAL);
	}
	port = *hosted_port(h);
	port.frames = (char *)port.frames + 8;
	assert_int_equal(create(&config, &port), RMAP_EINVAL);
	port = *hosted_port(h);
	port.descriptors = (char *)port.descriptors + 8;
	assert_int_equal(create(&config, &port), RMAP_EINVAL);
	assert_int_equal(hosted_destroy(h, NULL, NULL), 0);
}

static void test_a_configuration_makes_sense(void **state)
{
	struct hosted *h = machine();
	struct mm_config config;

	(void)state;
#define REFUSED(field, bad, good)                                                                  \
	do {                                                                                       \
		config = (struct mm_config){ .design = engine_design() };                          \
		config.field = (bad);                                                              \
		assert_int_equal(create(&config, hosted_port(h)), RMAP_EINVAL);                    \
		config.field = (good);                                                             \
		assert_int_equal(create(&config, hosted_port(h)), 0);                              \
	} while (0)
	REFUSED(overcommit, MM_OVERCOMMIT_NEVER + 1, MM_OVERCOMMIT_NEVER);
	REFUSED(fault_around, 3 * PAGE, 4 * PAGE);
	REFUSED(stack_guard_gap, PAGE + 1, PAGE);
	REFUSED(mmap_min_addr, PAGE / 2, PAGE);
	REFUSED(watermark_min, 128, 127);
	REFUSED(watermark_min, UINT64_MAX, 1);
	REFUSED(watermark_min, (uint64_t)3 << 62, 1);
	REFUSED(release, MM_RELEASE_FIRST - 1, MM_RELEASE_FIRST);
	REFUSED(release, MM_RELEASE_LATEST + 1, MM_RELEASE_LATEST);
#undef REFUSED
	assert_int_equal(hosted_destroy(h, NULL, NULL), 0);
}

/* min, 5/4 of it, 3/2 of it, as Linux has it: a 128th of memory, but some pages of a small one, or what is asked for. */
static void test_watermarks(void **state)
{
	static const struct {
		uint64_t frames, asked, min, low, high;
	} cases[] = {
		{ 128, 0, 4, 5, 6 },
		{ 2048, 0, 16, 20, 24 },
		{ 2048, 101, 101, 127, 152 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct engine_config config = { .machine.nr_frames = cases[i].frames,
						.mm.watermark_min = cases[i].asked };
		struct engine e;

		engine_setup(&e, &config);
		assert_int_equal(e.sys->watermark[WATERMARK_MIN], cases[i].min);
		assert_int_equal(e.sys->watermark[WATERMARK_LOW], cases[i].low);
		assert_int_equal(e.sys->watermark[WATERMARK_HIGH], cases[i].high);
		engine_teardown(&e);
	}
}

/* What is no kind of object has none. Between tier 1's numbers and tier 2's there are some that are none's. */
static void test_no_such_kind(void **state)
{
	static const enum rmap_kind none[] = { RMAP_KIND_TIER1_END, RMAP_KIND_MM - 1, RMAP_KINDS,
					       (enum rmap_kind)1000000, (enum rmap_kind) - 1 };
	struct engine e;

	(void)state;
	engine_setup(&e, NULL);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		uint64_t objects = 1, bytes = 1;

		mm_get_objects(e.sys, none[i], &objects, &bytes);
		assert_int_equal(objects, 0);
		assert_int_equal(bytes, 0);
		assert_int_equal(rmap_objects(mm_system_rmap(e.sys), none[i]), 0);
	}
	engine_teardown(&e);
}

/* ---------------------------------------------------------------- one processor */

static struct mm_port lonely;

static const struct mm_port *without_processors(const struct mm_port *port, void *arg)
{
	(void)arg;
	lonely = *port;
	lonely.os.cpu = NULL;
	lonely.os.nr_cpus = 0;
	return &lonely;
}

/* A port that knows nothing of processors has one: what is kept for each is not kept at all, and nothing is missing. */
static void test_one_processor(void **state)
{
	struct engine_config config = { .wrap = without_processors };
	struct mm *p, *c;
	struct engine e;
	uint64_t a;

	(void)state;
	engine_setup(&e, &config);
	p = engine_mm(&e);
	a = map_anon(&e, p, 0, 64);
	for (unsigned int i = 0; i < 64; i++)
		poke(&e, p, a + i * PAGE, i);
	c = engine_fork(&e, p);
	poke(&e, c, a, 100);
	mm_reclaim(e.sys, 32);
	engine_check(&e);
	for (unsigned int i = 0; i < 64; i++)
		assert_int_equal(peek(&e, p, a + i * PAGE), i);
	mm_put(c);
	mm_put(p);
	engine_teardown(&e);
}

/* ---------------------------------------------------------------- without memory */

struct scarce {
	struct mm_port port;
	const struct mm_port *below;
	unsigned int left; /* allocations that succeed */
	unsigned int live;
};

static void *scarce_alloc(void *ctx, enum rmap_kind kind, size_t size)
{
	struct scarce *s = rmap_container_of(ctx, struct scarce, port.ctx);
	const struct rmap_port *os = &s->below->os;
	void *object;

	if (!s->left)
		return NULL;
	s->left--;
	object = os->alloc(os->ctx, kind, size);
	s->live += object != NULL;
	return object;
}

static void scarce_free(void *ctx, enum rmap_kind kind, void *object, size_t size)
{
	struct scarce *s = rmap_container_of(ctx, struct scarce, port.ctx);

	s->live--;
	s->below->os.free(s->below->os.ctx, kind, object, size);
}

static void scarce_lock(void *ctx)
{
	(void)ctx;
}

static void scarce_call(void *ctx, struct rmap_rcu *rcu,
			void (*func)(void *ctx, struct rmap_rcu *rcu))
{
	func(ctx, rcu);
}

/* Whichever allocation fails: ENOMEM, and nothing is left. One thread only, so deferral is not needed. */
static void test_no_memory_for_a_system(void **state)
{
	struct mm_config config = { .design = engine_design() };
	struct hosted *h = machine();
	struct scarce s = { .port = *hosted_port(h), .below = hosted_port(h) };
	unsigned int n = 0;
	int error;

	(void)state;
	s.port.os.ctx = &s.port.ctx;
	s.port.os.alloc = scarce_alloc;
	s.port.os.free = scarce_free;
	s.port.os.rcu_read_lock = scarce_lock;
	s.port.os.rcu_read_unlock = scarce_lock;
	s.port.os.rcu_barrier = scarce_lock;
	s.port.os.call_rcu = scarce_call;
	s.port.os.wait = NULL;
	s.port.os.wake = NULL;
	do {
		s.left = n++;
		error = create(&config, &s.port);
		assert_int_equal(s.live, 0);
		if (error)
			assert_int_equal(error, RMAP_ENOMEM);
	} while (error);
	assert_true(n > 2);
	assert_int_equal(hosted_destroy(h, NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_port_is_complete),
		cmocka_unit_test(test_a_port_is_possible),
		cmocka_unit_test(test_a_configuration_makes_sense),
		cmocka_unit_test(test_watermarks),
		cmocka_unit_test(test_no_such_kind),
		cmocka_unit_test(test_one_processor),
		cmocka_unit_test(test_no_memory_for_a_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
