// SPDX-License-Identifier: BSD-2-Clause
/*
 * The record format: what is written is read again, and what is damaged is refused in a sentence.
 * Damage is tried at every byte of a small record, and, with the checksums made right again, in
 * the claims of its header.
 */
#include "rmrec.h"
#include "rmrec_code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

#define MIB (1ull << 20)

static const struct rmrec_info test_info = {
	.dropped = 3,
	.misfits = 1,
	.swap_ins = 17,
	.memory_limit = 8 * MIB,
	.time = 1790000000,
	.machine = "Linux 6.18 x86_64",
	.clock = "mono",
	.command = "sh -c 'ls | wc'",
};

/*
 * One process with two VMAs and a stack; every kind of event once at least.
 *
 *   400000 ┌ text r-x file 1 ┐ 402000   600000 ┌ data rw- file 1 ┐ 601000     ┌ stack ┐ 7fff00000000
 */
static const struct rmrec_event test_events[] = {
	{ .kind = RMREC_EXEC, .count = 4, .addr = 0x700000, .file = 1 },
	{ .kind = RMREC_VMA, .addr = 0x400000, .len = 0x2000, .prot = 5, .file = 1 },
	{ .kind = RMREC_VMA,
	  .addr = 0x600000,
	  .len = 0x1000,
	  .prot = 3,
	  .file = 1,
	  .offset = 0x2000 },
	{ .kind = RMREC_VMA,
	  .addr = 0x7ffefffde000,
	  .len = 0x22000,
	  .prot = 3,
	  .vma_flags = RMREC_V_GROWSDOWN },
	{ .kind = RMREC_VMA,
	  .addr = 0x7fff00000000,
	  .len = 0x2000,
	  .prot = 5,
	  .vma_flags = RMREC_V_SPECIAL },
	{ .kind = RMREC_FAULT, .addr = 0x400000, .fault = RMREC_F_EXEC },
	{ .kind = RMREC_FAULT, .addr = 0x401000, .fault = 0 },
	{ .kind = RMREC_FAULT, .addr = 0x600000, .fault = RMREC_F_WRITE },
	{ .kind = RMREC_BRK, .addr = 0, .result = 0x700000 },
	{ .kind = RMREC_BRK, .addr = 0x721000, .result = 0x721000 },
	{ .kind = RMREC_MMAP, .len = 0x3001, .prot = 3, .flags = 0x22, .result = 0x7ffeee000000 },
	{ .kind = RMREC_MMAP,
	  .addr = 0x10000,
	  .len = 0x1000,
	  .prot = 1,
	  .flags = 0x12,
	  .file = 2,
	  .offset = 0x7fffffffffff000,
	  .result = 0x10000 },
	{ .kind = RMREC_MMAP,
	  .addr = 0x20000,
	  .len = UINT64_MAX,
	  .prot = UINT32_MAX,
	  .flags = UINT64_MAX,
	  .error = 12 },
	{ .kind = RMREC_MPROTECT, .addr = 0x7ffeee000000, .len = 0x1000, .prot = 1 },
	{ .kind = RMREC_MADVISE, .addr = 0x7ffeee001000, .len = 0x1000, .flags = 4 },
	{ .kind = RMREC_MREMAP,
	  .addr = 0x7ffeee000000,
	  .len = 0x4000,
	  .new_len = 0x9000,
	  .flags = 1,
	  .result = 0x7ffeed000000 },
	{ .kind = RMREC_MREMAP,
	  .addr = UINT64_MAX,
	  .len = 1,
	  .new_len = 2,
	  .flags = 3,
	  .new_addr = 0x123,
	  .error = 22 },
	{ .kind = RMREC_MLOCK, .addr = 0x7ffeed000000, .len = 0x9000, .flags = 1 },
	{ .kind = RMREC_MUNLOCK, .addr = 0x7ffeed000000, .len = 0x9000 },
	{ .kind = RMREC_MLOCKALL, .flags = 3, .error = 1 },
	{ .kind = RMREC_MUNLOCKALL },
	{ .kind = RMREC_MSYNC, .addr = 0x10000, .len = 0x1000, .flags = 4 },
	{ .kind = RMREC_FORK, .child = 1 },
	{ .kind = RMREC_FAULT,
	  .proc = 1,
	  .addr = 0x600000,
	  .fault = RMREC_F_WRITE | RMREC_F_PRESENT },
	{ .kind = RMREC_SHARE, .proc = 1, .child = 2 },
	{ .kind = RMREC_EXEC, .proc = 2, .count = 1, .addr = 0x1000 },
	{ .kind = RMREC_VMA, .proc = 2, .addr = UINT64_MAX - 0x1fff, .len = 0x1000, .prot = 7 },
	{ .kind = RMREC_THREAD },
	{ .kind = RMREC_FAULT,
	  .addr = UINT64_MAX & ~0xfffull,
	  .fault = RMREC_F_KERNEL | RMREC_F_DENIED },
	{ .kind = RMREC_FAULT, .addr = 0, .fault = 31 },
	{ .kind = RMREC_THREAD_EXIT },
	{ .kind = RMREC_MUNMAP, .addr = 0x7ffeed000000, .len = 0x9000 },
	{ .kind = RMREC_EXIT, .proc = 1 },
	{ .kind = RMREC_EXIT },
	{ .kind = RMREC_EXIT, .proc = 2 },
};

#define NR_TEST_EVENTS (sizeof(test_events) / sizeof(test_events[0]))

static struct rmrec_writer *test_writer(void)
{
	struct rmrec_writer *w = rmrec_writer_new(4096);

	assert_non_null(w);
	assert_int_equal(rmrec_add_file(w, "/bin/true", 0x801, 12), 1);
	assert_int_equal(rmrec_add_file(w, "/tmp/with blank (deleted)", 5, UINT64_MAX), 2);
	rmrec_file_size(w, 1, 0x3000);
	rmrec_file_size(w, 1, 0x1000);
	for (size_t i = 0; i < NR_TEST_EVENTS; i++)
		assert_int_equal(rmrec_put(w, &test_events[i]), 0);
	return w;
}

static uint8_t *test_record(size_t *size)
{
	struct rmrec_writer *w = test_writer();
	void *bytes;

	assert_int_equal(rmrec_finish_mem(w, &test_info, &bytes, size), 0);
	rmrec_writer_free(w);
	return bytes;
}

static void assert_same(const struct rmrec_event *a, const struct rmrec_event *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->proc, b->proc);
	assert_int_equal(a->child, b->child);
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->file, b->file);
	assert_int_equal(a->prot, b->prot);
	assert_int_equal(a->vma_flags, b->vma_flags);
	assert_int_equal(a->fault, b->fault);
	assert_int_equal(a->error, b->error);
	assert_int_equal(a->addr, b->addr);
	assert_int_equal(a->len, b->len);
	assert_int_equal(a->new_len, b->new_len);
	assert_int_equal(a->new_addr, b->new_addr);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->offset, b->offset);
	assert_int_equal(a->result, b->result);
}

static void check_contents(struct rmrec *r)
{
	const struct rmrec_info *info = rmrec_info(r);
	struct rmrec_event ev;

	assert_int_equal(info->version, RMREC_VERSION);
	assert_int_equal(info->page_size, 4096);
	assert_int_equal(info->nr_events, NR_TEST_EVENTS);
	assert_int_equal(info->nr_faults, 6);
	assert_int_equal(info->nr_procs, 3);
	assert_int_equal(info->nr_files, 2);
	assert_int_equal(info->dropped, 3);
	assert_int_equal(info->misfits, 1);
	assert_int_equal(info->swap_ins, 17);
	assert_int_equal(info->memory_limit, 8 * MIB);
	assert_int_equal(info->time, 1790000000);
	assert_string_equal(info->machine, test_info.machine);
	assert_string_equal(info->clock, "mono");
	assert_string_equal(info->command, test_info.command);
	assert_null(rmrec_file(r, 0));
	assert_null(rmrec_file(r, 3));
	assert_string_equal(rmrec_file(r, 1)->path, "/bin/true");
	assert_int_equal(rmrec_file(r, 1)->size, 0x3000);
	assert_string_equal(rmrec_file(r, 2)->path, "/tmp/with blank (deleted)");
	assert_int_equal(rmrec_file(r, 2)->ino, UINT64_MAX);

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < NR_TEST_EVENTS; i++) {
			assert_int_equal(rmrec_next(r, &ev), 1);
			assert_same(&ev, &test_events[i]);
		}
		assert_int_equal(rmrec_next(r, &ev), 0);
		assert_int_equal(rmrec_next(r, &ev), 0);
		rmrec_rewind(r);
	}
}

static void round_trip(void **state)
{
	char err[RMREC_ERR_SIZE];
	struct rmrec *r;
	size_t size;
	uint8_t *bytes = test_record(&size);

	(void)state;
	assert_int_equal(rmrec_open_mem(bytes, size, &r, err), 0);
	check_contents(r);
	rmrec_close(r);
	free(bytes);
}

static void through_a_file(void **state)
{
	char err[RMREC_ERR_SIZE], path[] = "/tmp/test_rmrec.XXXXXX";
	struct rmrec_writer *w = test_writer();
	struct rmrec *r;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(rmrec_finish(w, path, &test_info, err), 0);
	rmrec_writer_free(w);
	assert_int_equal(rmrec_open(path, &r, err), 0);
	check_contents(r);
	rmrec_close(r);

	/* shorter on disk than when it was opened: an error, not a signal */
	assert_int_equal(rmrec_open(path, &r, err), 0);
	assert_int_equal(truncate(path, 200), 0);
	for (struct rmrec_event ev; rmrec_next(r, &ev) > 0;)
		;
	assert_non_null(strstr(rmrec_error(r), "shorter"));
	rmrec_close(r);

	assert_true(rmrec_open(path, &r, err) < 0);
	unlink(path);
	assert_true(rmrec_open(path, &r, err) < 0);
	assert_non_null(strstr(err, "No such file"));
	assert_true(rmrec_open("/tmp", &r, err) < 0);
	assert_non_null(strstr(err, "no regular file"));
}

/* Reads all that can be read; 0 when the end is sound. */
static int drain(const uint8_t *bytes, size_t size)
{
	char err[RMREC_ERR_SIZE] = "";
	struct rmrec_event ev;
	struct rmrec *r;
	int ret;

	if (rmrec_open_mem(bytes, size, &r, err)) {
		assert_true(strlen(err) > 10);
		return -1;
	}
	while ((ret = rmrec_next(r, &ev)) > 0)
		;
	if (ret < 0) {
		assert_true(strlen(rmrec_error(r)) > 10);
		assert_int_equal(rmrec_next(r, &ev), -1);
	}
	rmrec_close(r);
	return ret;
}

static void every_truncation(void **state)
{
	size_t size;
	uint8_t *bytes = test_record(&size);

	(void)state;
	for (size_t n = 0; n < size; n++) {
		/* a block of exactly n bytes, so that a sanitizer sees one byte too far */
		uint8_t *part = malloc(n ? n : 1);

		assert_non_null(part);
		memcpy(part, bytes, n);
		assert_int_equal(drain(part, n), -1);
		free(part);
	}
	assert_int_equal(drain(bytes, size), 0);
	free(bytes);
}

static void every_flipped_bit(void **state)
{
	size_t size;
	uint8_t *bytes = test_record(&size);

	(void)state;
	for (size_t i = 0; i < size; i++) {
		for (int bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1 << bit);
			assert_int_equal(drain(bytes, size), -1);
			bytes[i] ^= (uint8_t)(1 << bit);
		}
	}
	bytes = realloc(bytes, size + 1);
	assert_non_null(bytes);
	bytes[size] = 0;
	assert_int_equal(drain(bytes, size + 1), -1);
	free(bytes);
}

/* Absurd claims under a right checksum: refused, and nothing of that size is allocated. */
static void absurd_claims(void **state)
{
	static const struct {
		unsigned int at, width;
		uint64_t claim;
	} claims[] = {
		{ 8, 4, 2 },	       { 12, 4, 0 },	      { 12, 4, 4097 },
		{ 12, 4, 1u << 31 },   { 16, 8, 1ull << 60 }, { 16, 8, 0 },
		{ 24, 8, UINT64_MAX }, { 72, 4, UINT32_MAX }, { 72, 4, 2 },
		{ 72, 4, 4 },	       { 76, 4, UINT32_MAX }, { 76, 4, 3 },
		{ 76, 4, 1 },	       { 80, 4, UINT32_MAX }, { 80, 4, 1 },
		{ 84, 4, UINT32_MAX }, { 84, 4, 0 },	      { 96, 8, UINT64_MAX },
		{ 96, 8, 0 },
	};
	size_t size;
	uint8_t *bytes = test_record(&size), saved[RMREC_HEADER_SIZE];

	(void)state;
	memcpy(saved, bytes, sizeof(saved));
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		if (claims[i].width == 4)
			rmrec_le32(bytes + claims[i].at, (uint32_t)claims[i].claim);
		else
			rmrec_le64(bytes + claims[i].at, claims[i].claim);
		rmrec_le64(bytes + 120, XXH64(bytes, 120, 0));
		if (drain(bytes, size) != -1)
			fail_msg("claim %zu was believed", i);
		memcpy(bytes, saved, sizeof(saved));
	}
	free(bytes);
}

/* Many blocks, many processes; the pattern of events is made from a seed. */
static void long_stream(void **state)
{
	struct rmrec_writer *w = rmrec_writer_new(65536);
	struct rmrec_event ev = { .kind = RMREC_EXEC, .count = 1 }, vma = { .kind = RMREC_VMA };
	uint64_t seed = 1;
	uint32_t procs = 1;
	void *bytes;
	size_t size;

	(void)state;
	assert_non_null(w);
	assert_int_equal(rmrec_put(w, &ev), 0);
	vma.len = 65536;
	assert_int_equal(rmrec_put(w, &vma), 0);
	for (int i = 0; i < 300000; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		memset(&ev, 0, sizeof(ev));
		ev.proc = (uint32_t)(seed >> 33) % procs;
		ev.kind = RMREC_FAULT;
		ev.addr = seed & ~0xffffull;
		ev.fault = (uint32_t)(seed >> 20) & 31;
		if (i % 1000 == 0) {
			ev = (struct rmrec_event){ .kind = RMREC_FORK, .proc = ev.proc };
			ev.child = procs++;
		}
		assert_int_equal(rmrec_put(w, &ev), 0);
	}
	assert_int_equal(rmrec_writer_procs(w), procs);
	assert_int_equal(rmrec_finish_mem(w, &test_info, &bytes, &size), 0);
	rmrec_writer_free(w);
	assert_int_equal(drain(bytes, size), 0);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),	    cmocka_unit_test(through_a_file),
		cmocka_unit_test(every_truncation), cmocka_unit_test(every_flipped_bit),
		cmocka_unit_test(absurd_claims),    cmocka_unit_test(long_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
