// SPDX-License-Identifier: BSD-2-Clause
/*
 * Seed after seed, until all agree, one does not, the time is up or somebody interrupts.
 */
#include "verify_seeds.h"

#include "number.h"
#include "output.h"
#include "verify_coverage.h"
#include "verify_list.h"
#include "verify_random.h"
#include "verify_shrink.h"
#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define DEFAULT_OPS 10000u

/* ---------------------------------------------------------------- the command line */

enum {
	KEY_OPS = 'n',
	KEY_PROCESSES = 'p',
	KEY_SEEDS = 512,
	KEY_SECONDS,
	KEY_COVERAGE,
	KEY_SAVE,
	KEY_KEEP_GOING,
	KEY_NO_SHRINK,
};

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "Random operations instead of a workload:", 0 },
	{ "ops", KEY_OPS, "N", 0, "So many operations from one seed (default: 10000)", 0 },
	{ "processes", KEY_PROCESSES, "P", 0, "At most P processes at a time, to 32 (default: 6)",
	  0 },
	{ "seeds", KEY_SEEDS, "A..B", 0, "One run for each of these seeds", 0 },
	{ "seconds", KEY_SECONDS, "T", 0, "Begin no other seed after T seconds", 0 },
	{ "coverage", KEY_COVERAGE, NULL, 0, "Print what was reached, and what was not", 0 },
	{ "save", KEY_SAVE, "FILE", 0,
	  "Where a divergence is written to as a workload (default: rmap-verify-SEED.rmw)", 0 },
	{ "keep-going", KEY_KEEP_GOING, NULL, 0, "After a divergence go on with the next seed", 0 },
	{ "no-shrink", KEY_NO_SHRINK, NULL, 0,
	  "Leave a divergence's operations as many as they are", 0 },
	{ NULL, 0, NULL, 0, NULL, 0 },
};

static bool two_numbers(const char *text, uint64_t *first, uint64_t *last)
{
	const char *dots = strstr(text, "..");
	char head[32];

	if (!dots || (size_t)(dots - text) >= sizeof(head))
		return false;
	memcpy(head, text, (size_t)(dots - text));
	head[dots - text] = '\0';
	return number_parse(head, 0, UINT64_MAX - 1, first) &&
	       number_parse(dots + 2, *first, UINT64_MAX - 1, last);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct seeds_options *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		o->ops = DEFAULT_OPS;
		return 0;
	case KEY_OPS:
		o->ops = number_option(state, "--ops", arg, 1, (uint64_t)1 << 40);
		break;
	case KEY_PROCESSES:
		o->processes =
			(uint32_t)number_option(state, "--processes", arg, 1, RANDOM_MAX_PROCESSES);
		break;
	case KEY_SEEDS:
		if (!two_numbers(arg, &o->first, &o->last))
			argp_error(state, "--seeds must be two numbers as 1..100, not '%s'", arg);
		o->range = true;
		break;
	case KEY_SECONDS:
		o->seconds = number_option(state, "--seconds", arg, 1, UINT32_MAX);
		break;
	case KEY_COVERAGE:
		o->coverage = true;
		break;
	case KEY_SAVE:
		o->save = arg;
		break;
	case KEY_KEEP_GOING:
		o->keep_going = true;
		break;
	case KEY_NO_SHRINK:
		o->no_shrink = true;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	o->wanted = true;
	return 0;
}

const struct argp seeds_argp = { .options = options, .parser = parse };

/* ---------------------------------------------------------------- being interrupted */

static volatile int stopped;

static void on_stop(int number)
{
	stopped = number;
}

static void catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_stop };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
}

/* ---------------------------------------------------------------- one seed */

struct seeds {
	struct verify_options verify;
	const struct seeds_options *options;
	struct coverage *coverage;
	json_t *found;
	struct op_list list; /* of the seed that runs */
	uint64_t seeds, operations, errors, divergences, pages, comparisons, contents;
	uint64_t start_ns, shown_ns;
	uint64_t running_ns; /* without shrinking */
	char skipped[OPS_ERR_SIZE];
};

static void progress(struct seeds *s, uint64_t seed, uint64_t done)
{
	uint64_t now;

	if (done % 256 || s->options->quiet || !words_redraws(stderr))
		return;
	now = runner_now();
	if (now - s->shown_ns < 200000000u)
		return;
	s->shown_ns = now;
	words_progress(stderr, "seed %" PRIu64 ": %" PRIu64 " operations, %" PRIu64 " in all", seed,
		       done, s->operations + done);
}

/* Until something differs. */
static enum verify_result run_ops(struct seeds *s, struct verify_session *session,
				  struct op_source *source, uint64_t seed)
{
	enum verify_result ret = VERIFY_AGREE;
	char err[OPS_ERR_SIZE], line[1024];
	struct op op;

	s->list.nr = 0;
	while (ret == VERIFY_AGREE && !stopped && source->next(source, &op, err) > 0) {
		if (!op_list_add(&s->list, &op))
			return VERIFY_BAD;
		if (s->options->trace) {
			printf("%s\n", op_write(&op, source, line, sizeof(line)));
			fflush(stdout);
		}
		ret = verify_step(session, &op);
		if (ret == VERIFY_AGREE)
			coverage_note(s->coverage, &op, verify_last_error(session));
		progress(s, seed, s->list.nr);
	}
	/* Who interrupts us may have interrupted the puppets. */
	if (stopped)
		return VERIFY_AGREE;
	return ret == VERIFY_AGREE ? verify_finish(session) : ret;
}

static void add_counts(struct seeds *s, struct verify_session *session, struct op_source *source)
{
	struct verify_counters count;
	uint64_t processes, depth;

	verify_get_counters(session, &count);
	s->operations += count.operations;
	s->errors += count.errors;
	s->pages += count.pages;
	s->comparisons += count.comparisons;
	s->contents += count.contents;
	coverage_machine(s->coverage, verify_runner(session));
	random_tree(source, &processes, &depth);
	coverage_tree(s->coverage, processes, depth);
}

static enum verify_result run_seed(struct seeds *s, uint64_t seed,
				   struct verify_difference *difference)
{
	struct random_options random = {
		.seed = seed,
		.ops = s->options->ops,
		.processes = s->options->processes,
		.swap = s->verify.swap,
	};
	struct verify_session *session;
	struct op_source *source;
	enum verify_result ret;
	bool unable;

	memset(difference, 0, sizeof(*difference));
	if (random_open(&random, &source, difference->what))
		return VERIFY_BAD;
	s->verify.seed = seed;
	if (verify_session_new(&s->verify, source, &session, &unable, difference->what)) {
		source->close(source);
		return unable ? VERIFY_UNABLE : VERIFY_BAD;
	}
	random_watch(source, verify_runner(session));
	ret = run_ops(s, session, source, seed);
	*difference = *verify_difference(session);
	add_counts(s, session, source);
	verify_session_free(session);
	source->close(source);
	return ret;
}

/* ---------------------------------------------------------------- a divergence */

/* Never over a file that is there: a number is put behind the name instead. */
static FILE *create(const struct seeds *s, uint64_t seed, char *path, size_t size)
{
	for (unsigned int i = 0; i < 1000; i++) {
		char stem[3072];
		int fd;

		if (s->options->save)
			snprintf(stem, sizeof(stem), "%s", s->options->save);
		else
			snprintf(stem, sizeof(stem), "rmap-verify-%" PRIu64 ".rmw", seed);
		if (i)
			snprintf(path, size, "%s.%u", stem, i);
		else
			snprintf(path, size, "%s", stem);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd >= 0)
			return fdopen(fd, "w");
		if (errno != EEXIST)
			return NULL;
	}
	return NULL;
}

static void save(struct seeds *s, uint64_t seed, const struct list_run *run, const char *what,
		 char *path, size_t size)
{
	char head[OPS_ERR_SIZE + 256];
	FILE *out = create(s, seed, path, size);
	bool ok;

	if (!out) {
		fprintf(stderr, "rmap verify: %s: %s\n", path, strerror(errno));
		path[0] = '\0';
		return;
	}
	snprintf(head, sizeof(head),
		 "Seed %" PRIu64 " of rmap verify: the last operation differs.\n%s", seed, what);
	ok = op_list_write(&s->list, run, s->verify.swap, head, out);
	if (fclose(out) || !ok) {
		fprintf(stderr, "rmap verify: %s: cannot be written\n", path);
		path[0] = '\0';
	}
}

static void print_list(const struct seeds *s, const struct list_run *run)
{
	struct op_source source;
	char line[1024];

	op_list_source(&source, s->verify.swap);
	for (size_t i = 0; i < s->list.nr && i <= run->at; i++)
		if (!run->skipped[i])
			printf("  %s\n", op_write(&s->list.ops[i], &source, line, sizeof(line)));
}

static void print_difference(const struct verify_difference *d)
{
	printf("  %s\n", d->what);
	if (d->live[0] || d->engine[0])
		printf("live:\n%sengine:\n%s", d->live, d->engine);
}

/* Without shrinking: all operations, as they were. */
static bool as_it_was(struct seeds *s, const struct verify_difference *difference,
		      struct list_run *run)
{
	memset(run, 0, sizeof(*run));
	run->errors = calloc(s->list.nr + 1, sizeof(*run->errors));
	run->skipped = calloc(s->list.nr + 1, sizeof(*run->skipped));
	if (!run->errors || !run->skipped)
		return false;
	op_list_run(&s->list, &s->verify, run);
	if (run->result != VERIFY_DIFFER && run->result != VERIFY_FAILED) {
		run->difference = *difference;
		run->at = s->list.nr;
	}
	return true;
}

static void report(struct seeds *s, uint64_t seed, const struct verify_difference *difference)
{
	struct shrink_options how = {
		.verify = &s->verify,
		.progress = !s->options->quiet,
		.stop = &stopped,
	};
	struct shrink_result shrunk = { .before = s->list.nr };
	struct list_run run;
	char path[4096] = "";
	bool smaller = false, again;
	json_t *j;

	if (!s->options->json) {
		printf("seed %" PRIu64 ": operation %zu differs\n", seed, s->list.nr);
		print_difference(difference);
	}
	if (!s->options->no_shrink && !op_list_shrink(&s->list, &how, &shrunk, &run))
		smaller = true;
	else if (!as_it_was(s, difference, &run))
		return;
	again = run.result == VERIFY_DIFFER || run.result == VERIFY_FAILED;
	save(s, seed, &run, run.difference.what, path, sizeof(path));
	if (!s->options->json) {
		if (smaller) {
			printf("shrunk to %zu operations in %.1f s (%" PRIu64 " sessions):\n",
			       shrunk.after, shrunk.seconds, shrunk.runs);
			print_list(s, &run);
			print_difference(&run.difference);
		}
		if (!again)
			printf("the same operations did not differ a second time\n");
		if (path[0])
			printf("written to %s\n", path);
	}
	j = json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:s, s:b}", "seed", (json_int_t)seed, "what",
		      run.difference.what, "live", run.difference.live, "engine",
		      run.difference.engine, "operations", (json_int_t)shrunk.before, "shrunk",
		      (json_int_t)s->list.nr, "file", path, "again", (int)again);
	json_array_append_new(s->found, j);
	free(run.errors);
	free(run.skipped);
}

/* ---------------------------------------------------------------- all seeds */

static void print_total(const struct seeds *s)
{
	const struct seeds_options *o = s->options;
	double seconds = (double)s->running_ns / 1e9;

	printf("%s: %" PRIu64 " operations, %" PRIu64 " of them with errors, from %" PRIu64
	       " seed%s; %" PRIu64 " divergence%s; %" PRIu64 " comparisons of a process, %" PRIu64
	       " pages, %" PRIu64 " by content; %.1f s, %.0f operations a second%s\n",
	       s->divergences ? "diverged" : "agreed", s->operations, s->errors, s->seeds,
	       s->seeds == 1 ? "" : "s", s->divergences, s->divergences == 1 ? "" : "s",
	       s->comparisons, s->pages, s->contents, seconds,
	       seconds > 0 ? (double)s->operations / seconds : 0, stopped ? " (interrupted)" : "");
	if (o->coverage)
		coverage_print(s->coverage, stdout);
}

static void print_json(const struct seeds *s)
{
	struct utsname name;
	json_t *top;

	uname(&name);
	top = json_pack("{s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:b, s:O, s:o}", "version",
			1, "kernel", name.release, "seed", (json_int_t)s->options->first, "seeds",
			(json_int_t)s->seeds, "operations", (json_int_t)s->operations, "errors",
			(json_int_t)s->errors, "divergences", (json_int_t)s->divergences,
			"comparisons", (json_int_t)s->comparisons, "seconds",
			(double)s->running_ns / 1e9, "interrupted", (int)(stopped != 0), "found",
			s->found, "coverage", coverage_json(s->coverage));
	if (s->skipped[0])
		json_object_set_new(top, "skipped", json_string(s->skipped));
	json_dumpf(top, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(top);
}

static bool time_is_up(const struct seeds *s)
{
	return s->options->seconds &&
	       runner_now() - s->start_ns >= s->options->seconds * 1000000000u;
}

/* 0, or the exit code that ends it. */
static int each_seed(struct seeds *s, uint64_t seed)
{
	struct verify_difference *difference = malloc(sizeof(*difference));
	uint64_t start = runner_now();
	enum verify_result ret;
	int code = 0;

	if (!difference)
		return 2;
	ret = run_seed(s, seed, difference);
	s->running_ns += runner_now() - start;
	s->seeds++;
	if (!s->options->quiet)
		words_progress_over(stderr);
	switch (ret) {
	case VERIFY_AGREE:
		break;
	case VERIFY_DIFFER:
	case VERIFY_FAILED:
		s->divergences++;
		report(s, seed, difference);
		code = s->options->keep_going ? 0 : 1;
		break;
	case VERIFY_UNABLE:
		snprintf(s->skipped, sizeof(s->skipped), "%s", difference->what);
		code = -1;
		break;
	default:
		fprintf(stderr, "rmap verify: seed %" PRIu64 ", operation %zu: %s\n", seed,
			s->list.nr, difference->what);
		code = 2;
	}
	free(difference);
	fflush(stdout);
	return code;
}

int verify_seeds(const struct verify_options *verify, const struct seeds_options *o)
{
	struct seeds s = { .verify = *verify, .options = o };
	char err[OPS_ERR_SIZE];
	int code = 0;

	/* A file that is there is not written over. */
	if (o->save && access(o->save, F_OK) && output_check(o->save, err, sizeof(err))) {
		fprintf(stderr, "rmap verify: %s\n", err);
		return 2;
	}
	s.coverage = coverage_new();
	s.found = json_array();
	s.start_ns = runner_now();
	if (!s.coverage || !s.found)
		return 2;
	catch_signals();
	for (uint64_t seed = o->first; seed <= o->last && !code && !stopped; seed++) {
		code = each_seed(&s, seed);
		if (time_is_up(&s))
			break;
	}
	if (code == 2)
		; /* said already */
	else if (o->json)
		print_json(&s);
	else if (code < 0)
		printf("skipped: %s\n", s.skipped);
	else if (!o->quiet || s.divergences)
		print_total(&s);
	op_list_free(&s.list);
	coverage_free(s.coverage);
	json_decref(s.found);
	if (code > 1)
		return code;
	return s.divergences ? 1 : 0;
}
