// SPDX-License-Identifier: BSD-2-Clause
/*
 * Files of the hosted port: stand-ins with a pattern and an overlay, and real ones.
 */
#include <hosted/hosted.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE 4096

static struct hosted *h;
static const struct mm_port *port;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(hosted_create(&(struct hosted_config){ .nr_frames = 64 }, &h, NULL), 0);
	port = hosted_port(h);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(hosted_destroy(h, NULL, NULL), 0);
	return 0;
}

static void expect_page(struct hosted_file *file, uint64_t index, const void *expected)
{
	unsigned char page[PAGE];

	memset(page, 0xcc, PAGE);
	assert_int_equal(port->file_read(port->ctx, file, index, page), 0);
	assert_memory_equal(page, expected, PAGE);
}

static void write_page(struct hosted_file *file, uint64_t index, unsigned char value)
{
	unsigned char page[PAGE];

	memset(page, value, PAGE);
	assert_int_equal(port->file_write(port->ctx, file, index, page), 0);
}

static void expect_filled(struct hosted_file *file, uint64_t index, unsigned char value)
{
	unsigned char page[PAGE];

	memset(page, value, PAGE);
	expect_page(file, index, page);
}

/* The pattern is a function of seed and offset, and differs by both. */
static void test_pattern(void **state)
{
	unsigned char a[PAGE], b[PAGE];
	size_t i;

	(void)state;
	hosted_pattern_page(1, 5, a);
	for (i = 0; i < PAGE; i++)
		assert_int_equal(a[i], hosted_pattern_byte(1, 5 * PAGE + i));
	hosted_pattern_page(1, 6, b);
	assert_memory_not_equal(a, b, PAGE);
	hosted_pattern_page(2, 5, b);
	assert_memory_not_equal(a, b, PAGE);
	hosted_pattern_page(0, 5, b);
	for (i = 0; i < PAGE; i++)
		assert_int_equal(b[i], 0);
	assert_int_equal(hosted_pattern_byte(0, 12345), 0);
}

/*
 *	pages:    0         1         2 (100 bytes)
 *	        | pattern | pattern | pattern to 100, zeros |   then zeros
 */
static void test_stand_in(void **state)
{
	struct hosted_file *file;
	unsigned char page[PAGE];

	(void)state;
	assert_int_equal(hosted_file_temp(h, 2 * PAGE + 100, 42, &file), 0);
	assert_int_equal(hosted_file_size(file), 2 * PAGE + 100);
	hosted_pattern_page(42, 1, page);
	expect_page(file, 1, page);
	hosted_pattern_page(42, 2, page);
	memset(page + 100, 0, PAGE - 100);
	expect_page(file, 2, page);
	expect_filled(file, 3, 0);
	expect_filled(file, UINT64_MAX, 0);

	/* What is written is read; its neighbours keep their pattern. */
	write_page(file, 1, 7);
	expect_filled(file, 1, 7);
	write_page(file, 1, 8);
	expect_filled(file, 1, 8);
	hosted_pattern_page(42, 0, page);
	expect_page(file, 0, page);

	/* A write far behind the end extends; what lies between is zeros. */
	write_page(file, (uint64_t)1 << 40, 9);
	assert_int_equal(hosted_file_size(file), (((uint64_t)1 << 40) + 1) * PAGE);
	expect_filled(file, (uint64_t)1 << 40, 9);
	expect_filled(file, 1000, 0);
	port->file_release(port->ctx, file);
}

/* What a resize cuts off does not come back when the file grows again. */
static void test_resize(void **state)
{
	struct hosted_file *file;
	unsigned char page[PAGE];

	(void)state;
	assert_int_equal(hosted_file_temp(h, 8 * PAGE, 3, &file), 0);
	write_page(file, 2, 22);
	write_page(file, 5, 55);
	assert_int_equal(hosted_file_resize(file, 2 * PAGE + 10), 0);
	assert_int_equal(hosted_file_size(file), 2 * PAGE + 10);
	assert_int_equal(hosted_file_resize(file, 8 * PAGE), 0);
	memset(page, 0, PAGE);
	memset(page, 22, 10);
	expect_page(file, 2, page);
	expect_filled(file, 3, 0);
	expect_filled(file, 5, 0);
	hosted_pattern_page(3, 1, page);
	expect_page(file, 1, page);
	/* And a place that is written anew is a fresh one. */
	write_page(file, 5, 56);
	expect_filled(file, 5, 56);

	assert_int_equal(hosted_file_resize(file, PAGE + 1), 0);
	assert_int_equal(hosted_file_resize(file, 2 * PAGE), 0);
	hosted_pattern_page(3, 1, page);
	memset(page + 1, 0, PAGE - 1);
	expect_page(file, 1, page);
	assert_int_equal(hosted_file_resize(file, UINT64_MAX), RMAP_EINVAL);
	hosted_file_close(file);
}

/* Ten thousand pages written at odd places, twice: the table grows and finds each. */
static void test_many_pages(void **state)
{
	struct hosted_file *file;
	struct hosted_io io;
	uint64_t i;
	int round;

	(void)state;
	assert_int_equal(hosted_file_temp(h, 0, 0, &file), 0);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 10000; i++)
			write_page(file, i * i * 7919 % 1000003,
				   (unsigned char)(i + (uint64_t)round));
	}
	for (i = 9999; i > 5000; i -= 17)
		write_page(file, i * i * 7919 % 1000003, (unsigned char)i);
	for (i = 9999; i > 5000; i -= 17)
		expect_filled(file, i * i * 7919 % 1000003, (unsigned char)i);
	hosted_get_io(h, &io);
	assert_true(io.file_writes > 20000);
	hosted_file_close(file);
}

static void test_stand_in_refused(void **state)
{
	struct hosted_file *file = NULL;

	(void)state;
	assert_int_equal(hosted_file_temp(h, UINT64_MAX, 0, &file), RMAP_EINVAL);
	assert_null(file);
	assert_int_equal(hosted_file_temp(h, INT64_MAX, 1, &file), 0);
	expect_filled(file, UINT64_MAX >> 12, 0);
	assert_int_equal(port->file_write(port->ctx, file, UINT64_MAX >> 12, "x"), RMAP_ENOSPC);
	hosted_file_close(file);
}

/* A real file: its bytes, its size to the byte, errors in sentences. */
static void test_real(void **state)
{
	char path[] = "/tmp/rmap-test-XXXXXX", error[HOSTED_ERROR] = "";
	struct hosted_file *file = NULL;
	unsigned char page[PAGE];
	struct stat st;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "hello", 5), 5);
	assert_int_equal(
		hosted_file_open(h, path, HOSTED_FILE_READ | HOSTED_FILE_WRITE, &file, error), 0);
	assert_int_equal(hosted_file_size(file), 5);
	memset(page, 0, PAGE);
	memcpy(page, "hello", 5);
	expect_page(file, 0, page);
	expect_filled(file, 1, 0);

	/* The tail of the last page is not the file's. */
	memcpy(page, "jelly and more", 14);
	assert_int_equal(port->file_write(port->ctx, file, 0, page), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(hosted_file_resize(file, 9), 0);
	assert_int_equal(port->file_write(port->ctx, file, 0, page), 0);
	assert_int_equal(pread(fd, page, PAGE, 0), 9);
	assert_memory_equal(page, "jelly and", 9);
	write_page(file, 2, 3);
	assert_int_equal(hosted_file_size(file), 3 * PAGE);
	hosted_file_close(file);

	/* One that may only be read. */
	assert_int_equal(hosted_file_open(h, path, HOSTED_FILE_READ, &file, error), 0);
	assert_int_equal(port->file_write(port->ctx, file, 0, page), RMAP_EIO);
	hosted_file_close(file);

	assert_int_equal(unlink(path), 0);
	assert_int_equal(hosted_file_open(h, path, HOSTED_FILE_READ, &file, error), RMAP_ENOENT);
	assert_non_null(strstr(error, path));
	assert_int_equal(hosted_file_open(h, "/tmp", HOSTED_FILE_READ, &file, error), RMAP_EINVAL);
	assert_string_equal(error, "/tmp is no regular file.");
	assert_int_equal(hosted_file_open(h, path, HOSTED_FILE_CREATE, &file, error), 0);
	assert_int_equal(hosted_file_size(file), 0);
	hosted_file_close(file);
	assert_int_equal(unlink(path), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pattern, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stand_in, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_resize, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_pages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stand_in_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_real, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
