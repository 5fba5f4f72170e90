// SPDX-License-Identifier: BSD-2-Clause
/*
 * The hosted machine: what it refuses, what it gives, and its account of what was left behind.
 */
#include <hosted/hosted.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static struct hosted *machine(const struct hosted_config *config)
{
	char error[HOSTED_ERROR] = "";
	struct hosted *h = NULL;
	int r = hosted_create(config, &h, error);

	if (r)
		fail_msg("hosted_create: %d: %s", r, error);
	return h;
}

static void refused(const struct hosted_config *config, int expected, const char *part)
{
	char error[HOSTED_ERROR] = "";
	struct hosted *h = NULL;

	assert_int_equal(hosted_create(config, &h, error), expected);
	assert_null(h);
	if (!strstr(error, part))
		fail_msg("'%s' does not say '%s'", error, part);
	/* Nobody has to want the sentence. */
	assert_int_equal(hosted_create(config, &h, NULL), expected);
}

static void test_refused(void **state)
{
	(void)state;
	refused(&(struct hosted_config){ .nr_frames = 0 }, RMAP_EINVAL, "not 0");
	refused(&(struct hosted_config){ .nr_frames = 63 }, RMAP_EINVAL, "not 63");
	refused(&(struct hosted_config){ .nr_frames = UINT64_MAX }, RMAP_EINVAL,
		"18446744073709551615");
	refused(&(struct hosted_config){ .nr_frames = 64, .nr_swap_slots = UINT64_MAX },
		RMAP_EINVAL, "Swap has");
	refused(&(struct hosted_config){ .nr_frames = 64, .nr_cpus = 257 }, RMAP_EINVAL, "257");
	refused(&(struct hosted_config){ .nr_frames = 64,
					 .nr_swap_slots = 1,
					 .directory = "/nowhere" },
		RMAP_EIO, "/nowhere: No such file");
	/* 2^36 frames are 256 TiB: more than a process can have. */
	refused(&(struct hosted_config){ .nr_frames = (uint64_t)1 << 36 }, RMAP_ENOMEM,
		"address space");
}

/* Frames of a phantom machine are address space; descriptors are zeroed and aligned. */
static void test_phantom_arena(void **state)
{
	struct hosted *h =
		machine(&(struct hosted_config){ .nr_frames = 100000000, .phantom = true });
	const struct mm_port *port = hosted_port(h);
	const unsigned char *descriptors = port->descriptors;
	size_t i;

	(void)state;
	assert_true(hosted_phantom(h));
	assert_int_equal(port->nr_frames, 100000000);
	assert_int_equal((uintptr_t)port->frames % 4096, 0);
	assert_int_equal((uintptr_t)descriptors % 64, 0);
	for (i = 0; i < 4096; i++)
		assert_int_equal(descriptors[(port->nr_frames - 64) * 64 + i], 0);
	memset((char *)port->frames + (99999999ull << 12), 1, 4096);
	assert_true(port->now(port->ctx) <= port->now(port->ctx));
	assert_int_equal(hosted_destroy(h, NULL, NULL), 0);
}

static void test_swap(void **state)
{
	struct hosted *h =
		machine(&(struct hosted_config){ .nr_frames = 64, .nr_swap_slots = 1000 });
	const struct mm_port *port = hosted_port(h);
	unsigned char out[4096], in[4096];
	struct hosted_io io;
	uint64_t slot;

	(void)state;
	for (slot = 999; slot > 0; slot -= 333) {
		memset(out, (int)(slot & 255), sizeof(out));
		assert_int_equal(port->swap_write(port->ctx, slot, out), 0);
	}
	for (slot = 999; slot > 0; slot -= 333) {
		memset(out, (int)(slot & 255), sizeof(out));
		assert_int_equal(port->swap_read(port->ctx, slot, in), 0);
		assert_memory_equal(in, out, sizeof(in));
	}
	assert_int_equal(port->swap_write(port->ctx, 1000, out), RMAP_EIO);
	assert_int_equal(port->swap_read(port->ctx, UINT64_MAX, in), RMAP_EIO);
	hosted_get_io(h, &io);
	assert_int_equal(io.swap_writes, 3);
	assert_int_equal(io.swap_reads, 3);
	assert_int_equal(hosted_destroy(h, NULL, NULL), 0);
}

/* A page that the host does not take: RMAP_EIO to libmm, and why, for people. */
static void test_swap_refused(void **state)
{
	struct hosted *h =
		machine(&(struct hosted_config){ .nr_frames = 64, .nr_swap_slots = 1000 });
	const struct mm_port *port = hosted_port(h);
	struct rlimit before, small;
	unsigned char page[4096] = { 1 };
	struct hosted_io io;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 10 * sizeof(page); /* slots 0 to 9 have room */
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(port->swap_write(port->ctx, 9, page), 0);
	hosted_get_io(h, &io);
	assert_int_equal(io.swap_refused, 0);
	assert_int_equal(io.swap_errno, 0);
	assert_int_equal(port->swap_write(port->ctx, 10, page), RMAP_EIO);
	assert_int_equal(port->swap_write(port->ctx, 11, page), RMAP_EIO);
	setrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, SIG_DFL);
	hosted_get_io(h, &io);
	assert_int_equal(io.swap_writes, 1);
	assert_int_equal(io.swap_refused, 2);
	assert_int_equal(io.swap_errno, EFBIG);
	assert_int_equal(hosted_destroy(h, NULL, NULL), 0);
}

struct leaks {
	int calls;
	uint64_t count, bytes;
	const char *what;
};

static void on_leak(void *arg, const char *what, uint64_t count, uint64_t bytes)
{
	struct leaks *l = arg;

	l->calls++;
	l->what = what;
	l->count = count;
	l->bytes = bytes;
}

static void test_leaks(void **state)
{
	struct hosted *h = machine(&(struct hosted_config){ .nr_frames = 64 });
	const struct rmap_port *os = &hosted_port(h)->os;
	struct leaks l = { 0 };
	struct hosted_file *file;

	(void)state;
	assert_non_null(os->alloc(os->ctx, RMAP_KIND_ANON_VMA, 100));
	assert_non_null(os->alloc(os->ctx, RMAP_KIND_ANON_VMA, 100));
	assert_int_equal(hosted_destroy(h, on_leak, &l), 2);
	assert_int_equal(l.calls, 1);
	assert_string_equal(l.what, rmap_kind_name(RMAP_KIND_ANON_VMA));
	assert_int_equal(l.count, 2);
	assert_int_equal(l.bytes, 200);

	h = machine(&(struct hosted_config){ .nr_frames = 64 });
	assert_int_equal(hosted_file_temp(h, 1, 1, &file), 0);
	assert_int_equal(hosted_destroy(h, on_leak, &l), 1);
	assert_string_equal(l.what, "open file");
}

static jmp_buf out_of_panic;

static void on_panic(void *arg, const char *file, int line, const char *what)
{
	assert_string_equal(arg, "argument");
	assert_string_equal(file, "file.c");
	assert_int_equal(line, 7);
	assert_string_equal(what, "sky is up");
	longjmp(out_of_panic, 1);
}

static void test_panic(void **state)
{
	static char argument[] = "argument";
	struct hosted_config config = { .nr_frames = 64, .panic = on_panic, .panic_arg = argument };
	struct hosted *volatile h = machine(&config);
	const struct rmap_port *os = &hosted_port(h)->os;

	(void)state;
	if (!setjmp(out_of_panic))
		os->panic(os->ctx, "file.c", 7, "sky is up");
	assert_int_equal(hosted_destroy(h, NULL, NULL), 0);
}

/* Sleep and wake: a token goes round between two threads by one word. */
struct token {
	const struct rmap_port *os;
	_Atomic uint32_t word;
};

#define ROUNDS 2000

static void token_pass(struct token *t, uint32_t mine)
{
	uint32_t round;

	for (round = 0; round < ROUNDS; round++) {
		uint32_t now;

		while ((now = atomic_load(&t->word)) % 2 != mine)
			t->os->wait(t->os->ctx, &t->word, now);
		atomic_fetch_add(&t->word, 1);
		t->os->wake(t->os->ctx, &t->word);
	}
}

static void *token_thread(void *arg)
{
	token_pass(arg, 1);
	return NULL;
}

static void test_wait_and_wake(void **state)
{
	struct hosted *h = machine(&(struct hosted_config){ .nr_frames = 64 });
	struct token t = { .os = &hosted_port(h)->os };
	pthread_t other;

	(void)state;
	/* A word that has changed already does not let one sleep. */
	t.os->wait(t.os->ctx, &t.word, 1);
	assert_int_equal(pthread_create(&other, NULL, token_thread, &t), 0);
	token_pass(&t, 0);
	pthread_join(other, NULL);
	assert_int_equal(atomic_load(&t.word), 2 * ROUNDS);
	assert_int_equal(hosted_destroy(h, NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),	      cmocka_unit_test(test_phantom_arena),
		cmocka_unit_test(test_swap),	      cmocka_unit_test(test_swap_refused),
		cmocka_unit_test(test_leaks),	      cmocka_unit_test(test_panic),
		cmocka_unit_test(test_wait_and_wake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
