// SPDX-License-Identifier: BSD-2-Clause
/*
 * The test port: the n-th event fails, once or ever after, and no other; deferral runs when the test says so.
 */
#include <test/testport.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct testport *tp;
static const struct mm_port *port;

static int set_up(void **state)
{
	struct hosted_config config = { .nr_frames = 64, .nr_swap_slots = 8 };

	(void)state;
	assert_int_equal(testport_create(&config, &tp, NULL), 0);
	port = testport_port(tp);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(testport_destroy(tp, NULL, NULL), 0);
	return 0;
}

/* => "+" for each success and "-" for each failure of n allocations of the kind */
static const char *try_alloc(enum rmap_kind kind, int n)
{
	static char text[32];
	int i;

	for (i = 0; i < n; i++) {
		void *p = port->os.alloc(port->os.ctx, kind, 64);

		text[i] = p ? '+' : '-';
		if (p)
			port->os.free(port->os.ctx, kind, p, 64);
	}
	text[n] = '\0';
	return text;
}

static void test_nth_allocation(void **state)
{
	(void)state;
	assert_string_equal(try_alloc(RMAP_KIND_VMA, 4), "++++");
	testport_fail(tp, TESTPORT_ALLOC, 3, TESTPORT_ONCE);
	assert_string_equal(try_alloc(RMAP_KIND_VMA, 6), "++-+++");
	assert_int_equal(testport_reached(tp, TESTPORT_ALLOC), 6);
	assert_int_equal(testport_fail_none(tp), 1);
	assert_int_equal(testport_fail_none(tp), 0);

	testport_fail(tp, TESTPORT_ALLOC, 2, TESTPORT_EVER_AFTER);
	assert_string_equal(try_alloc(RMAP_KIND_AVC, 5), "+----");
	assert_int_equal(testport_fail_none(tp), 4);
	assert_string_equal(try_alloc(RMAP_KIND_AVC, 3), "+++");

	/* One kind of object alone. */
	testport_fail_alloc(tp, RMAP_KIND_AVC, 2, TESTPORT_ONCE);
	assert_string_equal(try_alloc(RMAP_KIND_VMA, 5), "+++++");
	assert_string_equal(try_alloc(RMAP_KIND_AVC, 3), "+-+");
	assert_int_equal(testport_reached(tp, TESTPORT_ALLOC), 3);

	/* Only counting. */
	testport_fail(tp, TESTPORT_ALLOC, 0, TESTPORT_EVER_AFTER);
	assert_string_equal(try_alloc(RMAP_KIND_VMA, 5), "+++++");
	assert_int_equal(testport_reached(tp, TESTPORT_ALLOC), 5);
	testport_fail_none(tp);
}

static void test_io(void **state)
{
	struct hosted_file *file;
	unsigned char page[4096], expected[4096];

	(void)state;
	memset(page, 3, sizeof(page));
	testport_fail(tp, TESTPORT_SWAP_WRITE, 1, TESTPORT_ONCE);
	testport_fail(tp, TESTPORT_SWAP_READ, 1, TESTPORT_ONCE);
	assert_int_equal(port->swap_write(port->ctx, 1, page), RMAP_EIO);
	assert_int_equal(port->swap_write(port->ctx, 1, page), 0);
	assert_int_equal(port->swap_read(port->ctx, 1, page), RMAP_EIO);
	assert_int_equal(port->swap_read(port->ctx, 1, page), 0);
	assert_int_equal(page[4095], 3);

	assert_int_equal(hosted_file_temp(testport_hosted(tp), 8192, 5, &file), 0);
	testport_io_error(tp, RMAP_ENOSPC);
	testport_fail(tp, TESTPORT_FILE_WRITE, 1, TESTPORT_ONCE);
	assert_int_equal(port->file_write(port->ctx, file, 0, page), RMAP_ENOSPC);
	hosted_pattern_page(5, 0, expected);
	testport_fail(tp, TESTPORT_FILE_READ, 2, TESTPORT_ONCE);
	assert_int_equal(port->file_read(port->ctx, file, 0, page), 0);
	assert_memory_equal(page, expected, sizeof(page));
	assert_int_equal(port->file_read(port->ctx, file, 0, page), RMAP_EIO);
	assert_int_equal(testport_fail_none(tp), 4);
	port->file_release(port->ctx, file);
}

struct deferred {
	struct rmap_rcu rcu;
	char name;
	bool again;
};

static char order[32];

static void on_deferred(void *ctx, struct rmap_rcu *rcu)
{
	struct deferred *d = rmap_container_of(rcu, struct deferred, rcu);

	assert_ptr_equal(ctx, port->os.ctx);
	strncat(order, &d->name, 1);
	if (d->again) {
		d->again = false;
		port->os.call_rcu(ctx, rcu, on_deferred);
	}
}

static void defer(struct deferred *d, int n)
{
	int i;

	order[0] = '\0';
	for (i = 0; i < n; i++) {
		d[i] = (struct deferred){ .name = (char)('a' + i) };
		port->os.call_rcu(port->os.ctx, &d[i].rcu, on_deferred);
	}
}

static void test_deferral(void **state)
{
	struct deferred d[5];

	(void)state;
	defer(d, 5);
	assert_string_equal(order, "");
	assert_int_equal(testport_deferred(tp), 5);
	assert_int_equal(testport_run_deferred(tp, 2, TESTPORT_OLDEST_FIRST), 2);
	assert_string_equal(order, "ab");
	assert_int_equal(testport_run_deferred(tp, 1, TESTPORT_NEWEST_FIRST), 1);
	assert_string_equal(order, "abe");
	assert_int_equal(testport_deferred(tp), 2);
	port->os.rcu_barrier(port->os.ctx);
	assert_string_equal(order, "abecd");
	assert_int_equal(testport_deferred(tp), 0);

	/* What defers again waits for a later period, behind what waits already. */
	defer(d, 3);
	d[0].again = true;
	assert_int_equal(testport_run_deferred(tp, 2, TESTPORT_OLDEST_FIRST), 2);
	assert_string_equal(order, "ab");
	assert_int_equal(testport_deferred(tp), 2);
	assert_int_equal(testport_run_deferred(tp, 9, TESTPORT_OLDEST_FIRST), 2);
	assert_string_equal(order, "abca");
	assert_int_equal(testport_run_deferred(tp, 9, TESTPORT_OLDEST_FIRST), 0);

	/* Nothing is left behind when the machine ends. */
	defer(d, 2);
	d[1].again = true;
	tear_down(NULL);
	assert_string_equal(order, "abb");
	set_up(NULL);
}

static void test_refused(void **state)
{
	char error[HOSTED_ERROR] = "";
	struct testport *none = NULL;

	(void)state;
	assert_int_equal(testport_create(&(struct hosted_config){ 0 }, &none, error), RMAP_EINVAL);
	assert_null(none);
	assert_non_null(strstr(error, "not 0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nth_allocation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_io, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_deferral, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
