// SPDX-License-Identifier: BSD-2-Clause
/*
 * Image streams: what is written is read; half an image is never found under its name; every damaged byte is noticed.
 */
#include <hosted/hosted.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BYTES 3000000

static char directory[] = "/tmp/rmap-stream-XXXXXX";
static char path[64];
static unsigned char *data;

static int set_up(void **state)
{
	size_t i;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/image", directory);
	data = malloc(BYTES);
	for (i = 0; i < BYTES; i++)
		data[i] = hosted_pattern_byte(i / 1000000, i);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	free(data);
	/* Nothing but the image was ever left in it. */
	assert_int_equal(rmdir(directory), 0);
	return 0;
}

static size_t piece(size_t at)
{
	size_t n = at % 7919 * 13 + 1;

	return n < BYTES - at ? n : BYTES - at;
}

static void write_image(bool keep)
{
	struct hosted_stream *s;
	const struct mm_stream *mm;
	size_t at, n;

	assert_int_equal(hosted_stream_create(path, &s, NULL), 0);
	mm = hosted_stream_mm(s);
	for (at = 0; at < BYTES; at += n) {
		n = piece(at);
		assert_int_equal(mm->write(mm->ctx, data + at, n), 0);
	}
	assert_int_equal(mm->read(mm->ctx, data, 1), RMAP_EINVAL);
	/* Until it is closed there is none. */
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(hosted_stream_close(s, keep), 0);
}

static void test_round_trip(void **state)
{
	unsigned char buffer[7919 * 13 + 1];
	struct hosted_stream *s;
	const struct mm_stream *mm;
	size_t at, n;

	(void)state;
	write_image(true);
	assert_int_equal(hosted_stream_open(path, &s, NULL), 0);
	mm = hosted_stream_mm(s);
	for (at = 0; at < BYTES; at += n) {
		n = piece(at);
		assert_int_equal(mm->read(mm->ctx, buffer, n), 0);
		assert_memory_equal(buffer, data + at, n);
	}
	assert_int_equal(mm->write(mm->ctx, data, 1), RMAP_EINVAL);
	/* There is no more, now and later. */
	assert_int_equal(mm->read(mm->ctx, buffer, 1), RMAP_EBADMSG);
	assert_int_equal(mm->read(mm->ctx, buffer, 1), RMAP_EBADMSG);
	assert_int_equal(hosted_stream_close(s, true), RMAP_EBADMSG);
}

static void test_given_up(void **state)
{
	char error[HOSTED_ERROR] = "";
	struct hosted_stream *s = NULL;

	(void)state;
	unlink(path);
	write_image(false);
	assert_int_equal(hosted_stream_open(path, &s, error), RMAP_ENOENT);
	assert_non_null(strstr(error, path));
	assert_int_equal(hosted_stream_create("/nowhere/image", &s, error), RMAP_ENOENT);
	assert_non_null(strstr(error, "/nowhere/image"));
	assert_int_equal(hosted_stream_open("/tmp", &s, error), RMAP_EBADMSG);
	assert_null(s);
}

static void put_image(const unsigned char *image, size_t n)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	if (n)
		assert_int_equal(fwrite(image, n, 1, f), 1);
	assert_int_equal(fclose(f), 0);
}

static void expect_damaged(const char *part)
{
	char error[HOSTED_ERROR] = "";
	struct hosted_stream *s = NULL;

	assert_int_equal(hosted_stream_open(path, &s, error), RMAP_EBADMSG);
	assert_null(s);
	if (!strstr(error, part))
		fail_msg("'%s' does not say '%s'", error, part);
}

static void test_damage(void **state)
{
	unsigned char *image = malloc(2 * BYTES);
	size_t size, at;
	FILE *f;

	(void)state;
	write_image(true);
	f = fopen(path, "rb");
	assert_non_null(f);
	size = fread(image, 1, 2 * BYTES, f);
	fclose(f);
	assert_in_range(size, 100000, BYTES);
	for (at = 0; at < 32; at++) {
		if (at == 8 || (at >= 12 && at < 16))
			continue;
		image[at] ^= 0x40;
		put_image(image, size);
		expect_damaged("");
		image[at] ^= 0x40;
	}
	image[8] ^= 2;
	put_image(image, size);
	expect_damaged("version 3");
	image[8] ^= 2;
	for (at = 32; at < size; at += size / 13) {
		image[at] ^= 1;
		put_image(image, size);
		expect_damaged("its checksum is wrong");
		image[at] ^= 1;
		put_image(image, at);
		expect_damaged(at == 32 ? "" : "it ends early");
	}
	put_image(image, 0);
	expect_damaged("is no image");
	put_image(image, 31);
	expect_damaged("is no image");
	put_image(image, size - 1);
	expect_damaged("it ends early");
	image[size] = 0;
	put_image(image, size + 1);
	expect_damaged("its checksum is wrong");
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
