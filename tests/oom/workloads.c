// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap-oom: out of memory at every allocation of every operation of a workload.
 *
 * The runner stands before operation k. A child process carries it out undisturbed and says how many allocations it made and what
 * came of it. Then a child for each of them, in which it fails, and one in which all from there on fail:
 *
 *	the parent, before k ──┬── undisturbed: N allocations, error, result, what is seen then
 *	        │              ├── the 1st fails: the error, whole?, as before?, tried again: as undisturbed?, contents, nothing left
 *	        │              ├── the 1st and all that follow …
 *	        ⋮              ⋮
 *	   carries out k       └── the Nth and all that follow …
 *
 * With --io transfers of pages fail instead: the N-th of each kind, with each error, whole and half done.
 *
 * fork() is the snapshot: the machine has no thread and no file (runner_options.alone). What a failed operation may leave is what
 * Linux leaves: nothing, but for calls that go over several VMAs, or page by page, which keep what they have done so far (part_of).
 *
 * Exit code: 0; 1 something was wrong; 2 the command line or a workload cannot be used.
 */
#include "inject.h"
#include "sight.h"

#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_SECONDS  120u
#define WRONG_MAX      50u
#define TRANSFERS_MOST 16u
#define SCAN_WALKS     64u

struct options {
	const char *design; /* NULL: the default */
	const char *sites;
	bool all; /* not only paths that are new */
	bool io;  /* devices instead of memory */
	bool quiet;
	uint32_t every; /* one operation in so many */
	uint64_t seconds;
	char **workloads;
	int nr_workloads;
};

/* What a child says; in memory that all share. */
struct report {
	enum runner_result result;
	int error;
	uint64_t value, allocations, failed;
	uint64_t transfers[INJECT_WHATS];
	bool ended; /* it came to its end */
	bool wrong;
	char message[OPS_ERR_SIZE + 128];
};

struct shared {
	struct report undisturbed, child;
	struct sight after;
};

static struct options options;
static struct shared *shared;
static struct sight before, now;
static uint64_t operations, tried, injections, wrong;

/* ---------------------------------------------------------------- what is allowed */

/* Does the call keep what it has done when it fails on the way? */
static bool part_of(const struct op *op)
{
	switch (op->kind) {
	case OP_MREMAP: /* several VMAs; and what was to make room at the new place is gone */
		return true;
	case OP_MPROTECT:
	case OP_MADVISE:
	case OP_MLOCK:
	case OP_MLOCKALL:
	case OP_MUNLOCK:
	case OP_MUNLOCKALL:
	case OP_READ:
	case OP_WRITE:
	case OP_FETCH:
	case OP_FILE_READ:
	case OP_FILE_WRITE:
	case OP_FILE_TRUNCATE:
	case OP_MIGRATE:
	case OP_SWAPOFF:
	case OP_PIN: /* what the fault brought stays */
		return true;
	default:
		return false;
	}
}

static bool error_allowed(const struct op *op, int error, int undisturbed)
{
	if (error == RMAP_ENOMEM || error == undisturbed)
		return true;
	switch (op->kind) {
	case OP_MLOCK:	 /* what the call brings in: mlock(2) */
	case OP_MADVISE: /* kernel resources: madvise(2) */
		return error == RMAP_EAGAIN;
	case OP_READ: /* a stack that cannot grow: SIGSEGV */
	case OP_WRITE:
	case OP_PIN:
		return error == RMAP_EFAULT;
	default:
		return false;
	}
}

/* Operations that look, and never take memory; hibernation ends the machine (images.c sees to it). */
static bool is_worth(const struct op *op)
{
	return op->kind != OP_HIBERNATE && op->kind != OP_FAIL && op->kind != OP_PHASE &&
	       op->kind != OP_SNAPSHOT && op->kind != OP_CHECK && op->kind != OP_VERIFY &&
	       (op->kind < OP_EXPECT_LAYOUT || op->kind == OP_EXPECT_WALK ||
		op->kind == OP_EXPECT_OWNER);
}

/* ---------------------------------------------------------------- in a child */

static void __attribute__((format(printf, 1, 2), noreturn)) is_wrong(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(shared->child.message, sizeof(shared->child.message), format, args);
	va_end(args);
	shared->child.wrong = true;
	_exit(0);
}

static void must_be_whole(struct runner *r, const char *when)
{
	struct mm_check check = { .seed = injections };
	char error[HOSTED_ERROR];

	/* Under scan a walk is all there is: some of them, others each time. */
	if (!strcmp(rmap_design_name(mm_system_rmap(r->sys)->ops), "scan"))
		check.max_walks = SCAN_WALKS;
	if (mm_check(r->sys, &check))
		is_wrong("%s: %s", when, check.message);
	if (hosted_tlb_check(r->hosted, error))
		is_wrong("%s: %s", when, error);
}

static void note_outcome(struct runner *r, struct report *report)
{
	report->error = r->last_error;
	report->value = r->last_result;
}

static void child_undisturbed(struct runner *r, struct op op)
{
	struct report *report = &shared->undisturbed;
	char err[OPS_ERR_SIZE];

	inject_arm(0, false);
	report->result = runner_step(r, &op, err);
	report->allocations = inject_disarm(NULL);
	for (int what = 0; what < INJECT_WHATS; what++)
		report->transfers[what] = inject_transfers((enum inject_what)what);
	note_outcome(r, report);
	if (report->result == RUNNER_OK)
		sight_take(r, &shared->after);
	report->ended = true;
	_exit(0);
}

/* It failed: is all as it may be, and does it succeed when it is tried again? */
static void try_again(struct runner *r, const struct op *op)
{
	const struct report *first = &shared->undisturbed;
	char err[OPS_ERR_SIZE], why[256];
	struct sight_gap gap = { 0, 0 };
	enum sight_how how = part_of(op) ? SIGHT_BETWEEN : SIGHT_EXACT;
	bool moved;

	/* What stood at mremap's new place made room before the move was tried. */
	if (op->kind == OP_MREMAP && op->flags & MM_MREMAP_FIXED &&
	    !runner_resolve(r, &op->new_addr, &gap.start))
		gap.end = gap.start + op->new_len + RMAP_PAGE_SIZE - 1;
	sight_take(r, &now);
	if (!sight_same(&now, &before, &shared->after, how, &gap, why, sizeof(why)))
		is_wrong("%s, but %s", rmap_error_name(r->last_error), why);
	/* Of several VMAs some have moved: who asks again asks for others. */
	moved = op->kind == OP_MREMAP &&
		!sight_same(&now, &before, NULL, SIGHT_EXACT, NULL, why, sizeof(why));
	if (moved)
		return;
	if (runner_step(r, op, err) != RUNNER_OK)
		is_wrong("tried again: %s", err);
	if (r->last_error != first->error || r->last_result != first->value)
		is_wrong("tried again: %s, not %s", rmap_error_name(r->last_error),
			 rmap_error_name(first->error));
	must_be_whole(r, "tried again");
	sight_take(r, &now);
	if (!sight_same(&now, &shared->after, NULL, SIGHT_EXACT, NULL, why, sizeof(why)))
		is_wrong("tried again it is not as undisturbed: %s", why);
}

/* It came out as undisturbed: then it must have done what it does, or as much of it as it may before it fails. */
static void must_be_done(struct runner *r, const struct op *op)
{
	/* As on Linux, the place that a move has left stays mapped, and empty, if it cannot be split off. */
	bool partly = r->last_error || op->kind == OP_MREMAP;
	char why[256];

	sight_take(r, &now);
	if (r->last_result != shared->undisturbed.value)
		is_wrong("succeeded with another result");
	if (!sight_same(&now, &shared->after, &before,
			partly ? SIGHT_BETWEEN : SIGHT_PAGES_MAY_LACK, NULL, why, sizeof(why)))
		is_wrong("%s without memory, but %s", rmap_error_name(r->last_error), why);
}

static void child_fails(struct runner *r, const struct op *op, uint64_t n, bool ever)
{
	struct report *report = &shared->child;
	struct op may = *op;
	char err[OPS_ERR_SIZE] = "";
	enum runner_result result;

	may.outcome = OP_MAY_FAIL;
	inject_arm(n, ever);
	result = runner_step(r, &may, err);
	inject_disarm(&report->failed);
	note_outcome(r, report);
	if (result != RUNNER_OK)
		is_wrong("%s", err);
	if (report->error && !error_allowed(op, report->error, shared->undisturbed.error))
		is_wrong("%s", rmap_error_name(report->error));
	must_be_whole(r, "without memory");
	if (runner_peek(r, 0) != RUNNER_OK)
		is_wrong("contents without memory: %s", err);
	if (report->error && report->error != shared->undisturbed.error)
		try_again(r, op);
	else
		must_be_done(r, op);
	r->err = err;
	r->op = NULL;
	if (runner_verify(r) != RUNNER_OK)
		is_wrong("contents: %s", err);
	must_be_whole(r, "at the end");
	runner_destroy(r); /* which asserts that nothing is left */
	report->ended = true;
	_exit(0);
}

/* How a transfer ends. */
struct ending {
	enum inject_what what;
	int error;
	bool torn, ever;
};

/* What a failing device may come to: the error itself, or a page that could not go out or come in. */
static bool io_error_allowed(const struct op *op, int error, const struct ending *how)
{
	return error == how->error || error == RMAP_EIO || error == RMAP_EFAULT ||
	       error_allowed(op, error, shared->undisturbed.error);
}

/*
 * A transfer failed. Whoever needed the page has an error; all else is right. With the device in order again, the call does what it
 * did undisturbed, but not if all that was tried of swap has gone bad with it.
 */
static void child_transfer_fails(struct runner *r, const struct op *op, uint64_t n,
				 const struct ending *how)
{
	struct report *report = &shared->child;
	struct op may = *op;
	char err[OPS_ERR_SIZE] = "";
	enum runner_result result;

	may.outcome = OP_MAY_FAIL;
	inject_arm_io(how->what, n, how->ever, how->error, how->torn);
	result = runner_step(r, &may, err);
	inject_disarm(&report->failed);
	note_outcome(r, report);
	if (result != RUNNER_OK)
		is_wrong("%s", err);
	if (report->error && !io_error_allowed(op, report->error, how))
		is_wrong("%s", rmap_error_name(report->error));
	must_be_whole(r, "after the error");
	if (runner_peek(r, 0) != RUNNER_OK)
		is_wrong("contents after the error: %s", err);
	if (report->error && report->error != shared->undisturbed.error && !how->ever &&
	    op->kind != OP_MREMAP) {
		if (runner_step(r, op, err) != RUNNER_OK)
			is_wrong("tried again: %s", err);
		must_be_whole(r, "tried again");
	}
	r->err = err;
	r->op = NULL;
	if (runner_verify(r) != RUNNER_OK)
		is_wrong("contents: %s", err);
	if (runner_files_written(r) != RUNNER_OK)
		is_wrong("contents of files: %s", err);
	must_be_whole(r, "at the end");
	runner_destroy(r);
	report->ended = true;
	_exit(0);
}

/* The checker's own memory: it says that it could not look, and leaves nothing. */
static void child_check(struct runner *r)
{
	struct report *report = &shared->child;
	struct mm_check check = { 0 };
	uint64_t n = 0;
	int error;

	do {
		inject_arm(++n, false);
		error = mm_check(r->sys, &check);
		inject_disarm(&report->failed);
		if (error != (report->failed ? RMAP_ENOMEM : 0))
			is_wrong("mm_check at its allocation %llu: %s", (unsigned long long)n,
				 rmap_error_name(error));
	} while (report->failed);
	report->allocations = n - 1;
	inject_arm(0, false);
	mm_check(r->sys, &check);
	inject_disarm(NULL);
	runner_destroy(r);
	report->ended = true;
	_exit(0);
}

/* ---------------------------------------------------------------- in the parent */

static void complain(struct runner *r, const struct op *op, enum inject_what which, uint64_t n,
		     bool ever, const char *what)
{
	if (++wrong > WRONG_MAX)
		return;
	fprintf(stderr, "%s:%u: %s, %s, %s %llu%s: %s\n", r->source->name, op->line,
		rmap_design_name(mm_system_rmap(r->sys)->ops), op_kind_name(op->kind),
		inject_name(which), (unsigned long long)n, ever ? " and all that follow" : "",
		what);
}

/* => true in the child */
static bool start_child(pid_t *child)
{
	memset(&shared->child, 0, sizeof(shared->child));
	fflush(NULL);
	*child = fork();
	if (*child == 0)
		alarm(CHILD_SECONDS);
	return *child == 0;
}

/* => it ended well; else what is wrong is said */
static bool child_ended(pid_t child, const struct report *report, char *what, size_t size)
{
	int status = 0;

	if (child < 0) {
		snprintf(what, size, "no child process: %s", strerror(errno));
		return false;
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		snprintf(what, size, "it ended by signal %d", WTERMSIG(status));
	else if (report->wrong)
		snprintf(what, size, "%s", report->message);
	else if (!report->ended)
		snprintf(what, size, "it ended with code %d", WEXITSTATUS(status));
	else
		return true;
	return false;
}

static void inject_one(struct runner *r, const struct op *op, uint64_t n, bool ever)
{
	char what[OPS_ERR_SIZE + 256];
	pid_t child;

	if (start_child(&child))
		child_fails(r, op, n, ever);
	if (!child_ended(child, &shared->child, what, sizeof(what)))
		complain(r, op, INJECT_MEMORY, n, ever, what);
	injections++;
}

static void inject_transfer(struct runner *r, const struct op *op, uint64_t n,
			    const struct ending *how)
{
	char what[OPS_ERR_SIZE + 256], more[OPS_ERR_SIZE + 512];
	pid_t child;

	if (start_child(&child))
		child_transfer_fails(r, op, n, how);
	injections++;
	if (child_ended(child, &shared->child, what, sizeof(what)))
		return;
	snprintf(more, sizeof(more), "(%s%s) %s", rmap_error_name(how->error),
		 how->torn ? ", half a page done" : "", what);
	complain(r, op, how->what, n, how->ever, more);
}

/* Each transfer of each kind, ended in each way. */
static void inject_transfers_of(struct runner *r, const struct op *op)
{
	static const struct ending endings[] = {
		{ INJECT_SWAP_WRITE, RMAP_EIO, false, false },
		{ INJECT_SWAP_WRITE, RMAP_EIO, true, false },
		{ INJECT_SWAP_WRITE, RMAP_EIO, false, true },
		{ INJECT_SWAP_READ, RMAP_EIO, false, false },
		{ INJECT_SWAP_READ, RMAP_EIO, true, false },
		{ INJECT_SWAP_READ, RMAP_EIO, false, true },
		{ INJECT_FILE_WRITE, RMAP_EIO, false, false },
		{ INJECT_FILE_WRITE, RMAP_EIO, true, false },
		{ INJECT_FILE_WRITE, RMAP_ENOSPC, false, false },
		{ INJECT_FILE_WRITE, RMAP_ENOSPC, false, true },
		{ INJECT_FILE_READ, RMAP_EIO, false, false },
		{ INJECT_FILE_READ, RMAP_EIO, true, false },
		{ INJECT_FILE_READ, RMAP_EIO, false, true },
	};
	const struct report *first = &shared->undisturbed;
	uint64_t all = 0;

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		uint64_t nr = first->transfers[endings[i].what];
		/* Not every page of many, unless asked. */
		uint64_t step = options.all || nr <= TRANSFERS_MOST ? 1 : nr / TRANSFERS_MOST;

		all += nr;
		for (uint64_t n = 1; n <= nr; n += step)
			inject_transfer(r, op, n, &endings[i]);
	}
	tried += all != 0;
}

static void inject_operation(struct runner *r, const struct op *op)
{
	const struct report *first = &shared->undisturbed;
	char what[OPS_ERR_SIZE + 256];
	pid_t child;

	memset(&shared->undisturbed, 0, sizeof(shared->undisturbed));
	if (start_child(&child))
		child_undisturbed(r, *op);
	if (!child_ended(child, first, what, sizeof(what))) {
		complain(r, op, INJECT_MEMORY, 0, false, what);
		return;
	}
	if (first->result != RUNNER_OK)
		return;
	if (options.io) {
		inject_transfers_of(r, op);
		return;
	}
	if (!first->allocations)
		return;
	tried++;
	sight_take(r, &before);
	for (uint64_t n = 1; n <= first->allocations; n++) {
		if (!options.all && !inject_is_new(n))
			continue;
		inject_one(r, op, n, false);
		inject_one(r, op, n, true);
	}
}

static void inject_checker(struct runner *r)
{
	struct op op;
	char what[OPS_ERR_SIZE + 256];
	pid_t child;

	op_init(&op, OP_CHECK);
	if (start_child(&child))
		child_check(r);
	if (!child_ended(child, &shared->child, what, sizeof(what)))
		complain(r, &op, INJECT_MEMORY, 0, false, what);
	injections += shared->child.allocations;
}

/* => the runner, made with its first, second, third … allocation failing until it can be made; NULL: it cannot */
static struct runner *make_runner(struct op_source *source, char err[OPS_ERR_SIZE])
{
	struct runner_options o = { .design = options.design, .seed = 1, .alone = true };
	struct runner *r;
	uint64_t n = 0, failed;

	for (;;) {
		inject_arm(++n, false);
		if (!runner_create(&o, source, &r, err))
			break;
		inject_disarm(&failed);
		if (!failed)
			return NULL;
		injections++;
	}
	inject_disarm(&failed);
	if (failed) {
		fprintf(stderr, "%s: a machine was made without memory\n", source->name);
		wrong++;
	}
	runner_destroy(r);
	inject_arm(0, false);
	r = runner_create(&o, source, &r, err) ? NULL : r;
	inject_disarm(NULL);
	return r;
}

/* 0, or -1 with a sentence: the workload cannot be carried out. */
static int run_operations(struct runner *r, struct op_source *source, uint64_t until_ns,
			  char err[OPS_ERR_SIZE])
{
	bool after_fail = false;
	uint64_t k = 0;
	struct op op;
	int more;

	while ((more = source->next(source, &op, err)) > 0) {
		operations++;
		if (is_worth(&op) && !after_fail && k++ % options.every == 0 &&
		    (!until_ns || runner_now() < until_ns))
			inject_operation(r, &op);
		after_fail = op.kind == OP_FAIL;
		if (runner_step(r, &op, err) != RUNNER_OK)
			return -1;
	}
	if (more == 0 && !options.io)
		inject_checker(r);
	return more;
}

static int run_workload(const char *workload, uint64_t until_ns)
{
	char err[OPS_ERR_SIZE] = "";
	struct op_source *source;
	struct runner *r;
	int ret;

	if (source_open(workload, &source, err)) {
		fprintf(stderr, "rmap-oom: %s\n", err);
		return -1;
	}
	r = make_runner(source, err);
	ret = r ? run_operations(r, source, until_ns, err) : -1;
	if (ret)
		fprintf(stderr, "rmap-oom: %s\n", err);
	if (r)
		runner_destroy(r);
	source->close(source);
	return ret;
}

/* ---------------------------------------------------------------- command line */

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'd':
		options.design = arg;
		break;
	case 's':
		options.sites = arg;
		break;
	case 'a':
		options.all = true;
		break;
	case 'i':
		options.io = true;
		break;
	case 'q':
		options.quiet = true;
		break;
	case 'e':
		options.every = (uint32_t)strtoul(arg, NULL, 10);
		if (!options.every)
			argp_error(state, "--every is a number from 1");
		break;
	case 't':
		options.seconds = strtoull(arg, NULL, 10);
		break;
	case ARGP_KEY_ARGS:
		options.workloads = state->argv + state->next;
		options.nr_workloads = state->argc - state->next;
		break;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "a workload is missing");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_option argp_options[] = {
	{ "design", 'd', "NAME", 0, "the reverse map (default: the command's)", 0 },
	{ "all", 'a', NULL, 0, "fail every allocation, not only those on a new path", 0 },
	{ "io", 'i', NULL, 0, "fail transfers to and from swap and files instead", 0 },
	{ "every", 'e', "N", 0, "only one operation in N", 0 },
	{ "seconds", 't', "S", 0, "after S seconds only carry out what is left", 0 },
	{ "sites", 's', "FILE", 0, "write what was reached and what failed there", 0 },
	{ "quiet", 'q', NULL, 0, "say only what is wrong", 0 },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.args_doc = "WORKLOAD...",
		.doc = "Fail each allocation of each operation of workloads, once and from then "
		       "on.",
	};
	uint64_t until = 0;
	int ret = 0;

	options.every = 1;
	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options))
		return 2;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (shared == MAP_FAILED || !inject_open()) {
		fprintf(stderr, "rmap-oom: this computer's memory is used up\n");
		return 2;
	}
	if (options.seconds)
		until = runner_now() + options.seconds * 1000000000u;
	for (int i = 0; i < options.nr_workloads && !ret; i++) {
		ret = run_workload(options.workloads[i], until);
		if (!options.quiet && isatty(2))
			fprintf(stderr, "\r\033[K%d/%d workloads, %llu injections", i + 1,
				options.nr_workloads, (unsigned long long)injections);
	}
	if (!options.quiet && isatty(2))
		fprintf(stderr, "\r\033[K");
	if (options.sites && inject_save(options.sites)) {
		fprintf(stderr, "rmap-oom: %s: %s\n", options.sites, strerror(errno));
		ret = -1;
	}
	printf("%llu operations, %llu of them with what can fail, %llu injections, %llu wrong\n",
	       (unsigned long long)operations, (unsigned long long)tried,
	       (unsigned long long)injections, (unsigned long long)wrong);
	return ret ? 2 : wrong != 0;
}
