// SPDX-License-Identifier: BSD-2-Clause
/*
 * Stacks of this very program, from copies of its registers and its stack, as the kernel would hand them over: functions that the
 * test knows, a signal's frame, code without rules, and what to do when the copy is too short.
 */
#include "breaks_index.h"
#include "breaks_names.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#define ALONE __attribute__((noinline))
#define COPY  (256 << 10) /* cmocka has large frames */

struct scene {
	struct breaks_modules *modules;
	struct breaks_procs *procs;
	struct breaks_stacks *stacks;
	struct breaks_names *names;
	uint32_t proc;
};

static uint64_t regs[BREAKS_NR_REGS];
static uint8_t copy[COPY];
static size_t copied;
static volatile int after;

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	uint32_t pid = (uint32_t)getpid(), thread;

	if (!s)
		return -1;
	s->modules = breaks_modules_new(false);
	s->procs = breaks_procs_new(s->modules);
	s->stacks = breaks_stacks_new(s->procs, s->modules);
	s->names = breaks_names_new(s->stacks, s->modules);
	thread = breaks_procs_thread(s->procs, pid, pid);
	s->proc = breaks_procs_thread_at(s->procs, thread)->proc;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	breaks_names_free(s->names);
	breaks_stacks_free(s->stacks);
	breaks_procs_free(s->procs);
	breaks_modules_free(s->modules);
	free(s);
	return 0;
}

#ifdef __x86_64__

/* By a system call: what a sanitizer guards may be read by the kernel. */
ALONE static void take_copy(const ucontext_t *uc)
{
	static const int order[BREAKS_NR_REGS] = { REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI,
						   REG_RDI, REG_RBP, REG_RSP, REG_RIP, REG_R8,
						   REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13,
						   REG_R14, REG_R15 };
	struct iovec to = { copy, COPY }, from;
	ssize_t n = -1;

	for (int i = 0; i < BREAKS_NR_REGS; i++)
		regs[i] = (uint64_t)uc->uc_mcontext.gregs[order[i]];
	from.iov_base = (void *)(uintptr_t)regs[BREAKS_REG_SP]; // NOLINT: it is an address
	for (from.iov_len = COPY; n < 0 && from.iov_len; from.iov_len /= 2)
		n = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
	copied = n > 0 ? (size_t)n : 0;
}

ALONE static void innermost(void)
{
	ucontext_t uc;

	getcontext(&uc);
	take_copy(&uc);
	after++;
}

ALONE static void middle(int times)
{
	volatile char room[200];

	memset((char *)room, times, sizeof(room));
	if (times > 1)
		middle(times - 1);
	else
		innermost();
	after += room[0];
}

ALONE static void outermost(int times)
{
	middle(times);
	after++;
}

static size_t unwind(struct scene *s, struct breaks_named out[BREAKS_NAMED], bool *cut)
{
	struct breaks_write w = {
		.regs = regs, .ip = regs[BREAKS_REG_IP], .stack = copy, .stack_size = copied
	};
	uint32_t stack = breaks_stacks_add(s->stacks, s->proc, &w);
	size_t kernel, nr;

	assert_int_not_equal(stack, BREAKS_NONE);
	assert_int_equal(breaks_stacks_add(s->stacks, s->proc, &w), stack);
	nr = breaks_names_stack(s->names, stack, out, &kernel, cut);
	assert_int_equal(kernel, 0);
	return nr;
}

static size_t find(const struct breaks_named *v, size_t nr, const char *function)
{
	for (size_t i = 0; i < nr; i++)
		if (!strcmp(v[i].function, function))
			return i;
	for (size_t i = 0; i < nr; i++)
		print_message("%zu %s %s\n", i, v[i].function, v[i].module);
	fail_msg("no %s among %zu frames", function, nr);
	return 0;
}

static void functions(void **state)
{
	struct breaks_named v[BREAKS_NAMED];
	size_t nr;
	bool cut;

	outermost(3);
	nr = unwind(*state, v, &cut);
	assert_true(nr >= 6);
	assert_string_equal(v[0].function, "innermost");
	for (int i = 1; i <= 3; i++)
		assert_string_equal(v[i].function, "middle");
	assert_string_equal(v[4].function, "outermost");
	assert_string_equal(v[5].function, "functions");
	assert_string_equal(breaks_module_name(((struct scene *)*state)->modules, v[0].module_nr),
			    "test_breaks_stack");
	if (v[0].file) /* built with -g */
		assert_non_null(strstr(v[0].file, "test_breaks_stack.c"));
	find(v, nr, "main");
}

static void short_copies(void **state)
{
	struct breaks_named v[BREAKS_NAMED];
	size_t nr, whole;
	bool cut;

	outermost(10);
	whole = unwind(*state, v, &cut);
	for (size_t size = 0; size < 3000; size += 8) {
		copied = size;
		nr = unwind(*state, v, &cut);
		assert_true(nr >= 1 && nr <= whole);
		assert_true(cut || nr == whole);
		assert_string_equal(v[0].function, "innermost");
	}
}

/* Registers and stacks that mean nothing: there is an end, and nothing else happens. */
static void garbage(void **state)
{
	struct breaks_named v[BREAKS_NAMED];
	unsigned int seed = 1;
	bool cut;

	for (int round = 0; round < 300; round++) {
		outermost(2);
		for (int i = 0; i < BREAKS_NR_REGS; i++)
			if (rand_r(&seed) % 3 == 0 && i != BREAKS_REG_SP)
				regs[i] = (uint64_t)rand_r(&seed) << (rand_r(&seed) % 34);
		for (size_t i = 0; i < copied; i++)
			if (rand_r(&seed) % 64 == 0)
				copy[i] = (uint8_t)rand_r(&seed);
		assert_true(unwind(*state, v, &cut) >= 1);
	}
}

static void on_signal(int sig)
{
	(void)sig;
	innermost();
	after++;
}

ALONE static void interrupted(void)
{
	raise(SIGUSR1);
	after++;
}

static void signals(void **state)
{
	struct breaks_named v[BREAKS_NAMED];
	struct sigaction sa = { .sa_handler = on_signal }, old;
	size_t nr, handler, below;
	bool cut;

	assert_int_equal(sigaction(SIGUSR1, &sa, &old), 0);
	interrupted();
	sigaction(SIGUSR1, &old, NULL);
	nr = unwind(*state, v, &cut);
	handler = find(v, nr, "on_signal");
	below = find(v, nr, "interrupted");
	assert_true(handler < below);
	find(v, nr, "main");
}

/* Another machine's way, and 32 bits: there are no registers, only an address. */
static void the_instruction_alone(void **state)
{
	struct scene *s = *state;
	struct breaks_named v[BREAKS_NAMED];
	struct breaks_write w = { .ip = (uintptr_t)innermost };
	uint32_t stack = breaks_stacks_add(s->stacks, s->proc, &w);
	size_t kernel, nr;
	bool cut;

	nr = breaks_names_stack(s->names, stack, v, &kernel, &cut);
	assert_true(nr >= 1 && cut);
	assert_string_equal(v[nr - 1].function, "innermost");
	w.ip = 8;
	stack = breaks_stacks_add(s->stacks, s->proc, &w);
	assert_int_equal(breaks_names_stack(s->names, stack, v, &kernel, &cut), 1);
	assert_string_equal(v[0].function, "0x8");
}

#endif

static void names_are_printable(void **state)
{
	struct scene *s = *state;
	const char *text = breaks_names_text(s->names, "a\033[31mb\n\\");

	for (const char *c = text; *c; c++)
		assert_true(*c >= ' ' && *c < 127);
	assert_ptr_equal(breaks_names_text(s->names, "a\033[31mb\n\\"), text);
	assert_string_equal(breaks_names_text(s->names, "plain"), "plain");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef __x86_64__
		cmocka_unit_test_setup_teardown(functions, setup, teardown),
		cmocka_unit_test_setup_teardown(short_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(signals, setup, teardown),
		cmocka_unit_test_setup_teardown(the_instruction_alone, setup, teardown),
#endif
		cmocka_unit_test_setup_teardown(names_are_printable, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
