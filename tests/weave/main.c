// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap-weave: explores the interleavings of operations on a small world, under each design.
 *
 * A scenario is two or three operations joined by '+'. Some have names, because history has paid for them; --pairs goes through every
 * pair of operations.
 */
#include <argp.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <test/weave/explore.h>
#include <test/weave/port.h>

#include "../../tools/rmap/number.h"
#include "cases.h"

#define DESIGNS_MAX 16

struct named {
	const char *name, *threads;
};

static const struct named named[] = {
	{ "fork-walk", "fork+walk-a0" },
	{ "fork-walk-own", "fork+walk-a4" },
	{ "mremap-walk", "mremap+walk-a0" },
	{ "mremap-down-walk", "mremap-down+walk-a0" },
	{ "mremap-back-walk", "mremap-back+walk-a1" },
	{ "munmap-walk", "munmap+walk-a0" },
	{ "exit-walk", "exit+walk-a0" },
	{ "child-exit-walk", "exit-c+walk-a1-c" },
	{ "two-faults", "write-a3+write-a3" },
	{ "two-faults-read", "read-a3+write-a3" },
	{ "cow-swap-out", "write-a0+reclaim" },
	{ "cow-pageout", "write-a4+pageout" },
	{ "cow-both", "write-a0+write-a0-c" },
	{ "swap-in-two", "read-a2+write-a2-c" },
	{ "swap-in-both-write", "write-a2+write-a2-c" },
	{ "swap-in-fork", "read-a2+fork" },
	{ "swap-in-swapoff", "write-a2-c+swapoff" },
	{ "swap-in-exit", "read-a2+exit-c+fork" },
	{ "late-reader", "exit-c+walk-a1-c+mmap" },
	{ "late-reader-fork", "exit-c+walk-a1-c+fork" },
	{ "settle-fault", "munmap+walk-a0+write-a0-c" },
	{ "settle-fork", "munmap+walk-a0+fork-c" },
	{ "adopt-fork", "write-a1+fork+walk-a1" },
	{ "fork-fail-swapoff", "fork-fail+swapoff" },
	{ "fork-swapoff", "fork+swapoff" },
	{ "swapoff-two", "swapoff+swapoff-fail" },
	{ "willneed-fork", "willneed+fork" },
	{ "no-heir", "walk-a4+exit+exit-c" },
	{ "truncate-fault", "truncate-f+write-f1" },
	{ "truncate-read", "read-f1+truncate-f" },
	{ "file-read-munmap", "read-f1+munmap-f" },
	{ "file-read-two", "read-f1+write-f1" },
	{ "file-read-fork", "read-f1+fork" },
	{ "file-cow-fork", "write-v1+fork" },
	{ "file-writeback", "write-f0+fsync+munmap-f" },
	{ "populate-munmap", "populate-f1+munmap-f" },
	{ "populate-truncate", "populate-f1+truncate-f" },
	{ "mlock-swapoff", "mlock-a2+swapoff" },
	{ "mlock-fork", "mlock-a2+fork" },
	{ "mlock-two", "munlock+mlock-a0-c+migrate-a0" },
	{ "munlock-reclaim", "munlock+mlock-a0-c+reclaim" },
	{ "truncate-writeback", "fsync+truncate-f" },
	{ "truncate-cow", "truncate-v+write-v1" },
	{ "truncate-fork", "truncate-v+fork" },
	{ "writeback-zap", "fsync+munmap-f" },
	{ "writeback-write", "fsync+write-f0+write-f0-c" },
	{ "migrate-mprotect", "migrate-a0+mprotect" },
	{ "migrate-mremap", "migrate-a0+mremap" },
	{ "migrate-fork", "migrate-a0+fork" },
	{ "stack-walk", "grow+walk-s" },
	{ "stack-fork-walk", "grow+fork+walk-s" },
	{ "tlb-shared", "munmap+munmap-c+read-a0" },
	{ "protect-walk", "mprotect+walk-a0" },
	{ "protect-reclaim", "mprotect-none+reclaim" },
	{ "fork-poison", "fork+poison" },
	{ "zap-poison", "dontneed+poison" },
	{ "munmap-poison", "munmap+poison" },
	{ "cow-cache", "write-a1+pageout" },
	{ "fault-munmap", "write-a3+munmap" },
	{ "fork-fork-walk", "fork+fork-c+walk-a0" },
	{ "stack-migrate", "exec+migrate-stack" },
	{ "remove-both", "remove-f0+remove-f0" },
};

enum {
	OPT_STRATEGY = 256,
	OPT_PREEMPTIONS,
	OPT_EXECUTIONS,
	OPT_SEED,
	OPT_SECONDS,
	OPT_SCHEDULE,
	OPT_PAIRS,
	OPT_JSON,
	OPT_LIST,
	OPT_SHARE,
	OPT_TRACE,
	OPT_ALL,
	OPT_JOBS,
	OPT_STATE,
};

static const struct argp_option argp_options[] = {
	{ "design", 'd', "NAME", 0, "Under this reverse map (repeatable); default: all", 0 },
	{ "strategy", OPT_STRATEGY, "NAME", 0, "exhaustive (default), pct or random", 0 },
	{ "preemptions", OPT_PREEMPTIONS, "N", 0,
	  "exhaustive: at most N preemptions (default 2); pct: N change points", 0 },
	{ "executions", OPT_EXECUTIONS, "N", 0,
	  "At most N a scenario and design (default: no limit for exhaustive, 10000 otherwise)",
	  0 },
	{ "seconds", OPT_SECONDS, "S", 0,
	  "For all together: a share for each scenario and design, and what is left of it for "
	  "those "
	  "that need more",
	  0 },
	{ "jobs", OPT_JOBS, "N", 0, "So many at a time (default 1)", 0 },
	{ "state", OPT_STATE, "FILE", 0,
	  "Keep results there; the same command goes on where it was broken off", 0 },
	{ "seed", OPT_SEED, "N", 0, "For pct, random and --share (default 1)", 0 },
	{ "schedule", OPT_SCHEDULE, "TEXT", 0,
	  "Execute this one schedule of one scenario under one design", 0 },
	{ "pairs", OPT_PAIRS, NULL, 0, "Every pair of operations", 0 },
	{ "share", OPT_SHARE, "N", 0, "Only one in N of the pairs, chosen by the seed", 0 },
	{ "all", OPT_ALL, NULL, 0,
	  "exhaustive: also execute to their ends what only reorders events that were seen before",
	  0 },
	{ "trace", OPT_TRACE, NULL, 0,
	  "With --schedule: print each point (addresses are for addr2line)", 0 },
	{ "json", OPT_JSON, NULL, 0, "Print JSON", 0 },
	{ "list", OPT_LIST, NULL, 0, "List scenarios and operations", 0 },
	{ 0 },
};

static struct {
	const struct rmap_ops *design[DESIGNS_MAX];
	unsigned int nr_designs;
	const char *scenario[1024];
	unsigned int nr_scenarios;
	enum explore_strategy strategy;
	uint64_t preemptions, executions, seed, seconds, share, jobs;
	bool has_executions, pairs, json, trace, all;
	const char *schedule, *state;
} conf = { .preemptions = 2, .seed = 1, .share = 1, .jobs = 1 };

static uint64_t number(const char *text, struct argp_state *state)
{
	uint64_t v;

	if (!number_parse(text, 0, UINT64_MAX, &v))
		argp_failure(state, 2, 0, "'%.*s' is not a number.", number_shown(text), text);
	return v;
}

static void add_design(const char *name, struct argp_state *state)
{
	const struct rmap_ops *design = rmap_design_by_name(name);

	if (design && conf.nr_designs < DESIGNS_MAX)
		conf.design[conf.nr_designs++] = design;
	else
		argp_failure(state, 2, 0, "There is no design '%s'.", name);
}

static void list(void)
{
	unsigned int i;

	printf("Scenarios:\n");
	for (i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		printf("  %-20s %s\n", named[i].name, named[i].threads);
	printf("\nOperations, to be joined by '+':\n");
	for (i = 0; i < nr_ops; i++)
		printf("  %-16s %s\n", ops[i].name, ops[i].what);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'd':
		add_design(arg, state);
		return 0;
	case OPT_STRATEGY:
		if (!strcmp(arg, "exhaustive"))
			conf.strategy = EXPLORE_EXHAUSTIVE;
		else if (!strcmp(arg, "pct"))
			conf.strategy = EXPLORE_PCT;
		else if (!strcmp(arg, "random"))
			conf.strategy = EXPLORE_RANDOM;
		else
			argp_failure(state, 2, 0, "There is no strategy '%s'.", arg);
		return 0;
	case OPT_PREEMPTIONS:
		conf.preemptions = number(arg, state);
		if (conf.preemptions > 16)
			argp_failure(state, 2, 0, "At most 16 preemptions.");
		return 0;
	case OPT_EXECUTIONS:
		conf.executions = number(arg, state);
		conf.has_executions = true;
		return 0;
	case OPT_SEED:
		conf.seed = number(arg, state);
		return 0;
	case OPT_SECONDS:
		conf.seconds = number(arg, state);
		return 0;
	case OPT_SHARE:
		conf.share = number(arg, state);
		if (!conf.share)
			argp_failure(state, 2, 0, "One in none of them is no share.");
		return 0;
	case OPT_JOBS:
		conf.jobs = number(arg, state);
		if (!conf.jobs || conf.jobs > JOBS_MAX)
			argp_failure(state, 2, 0, "From 1 to %d jobs.", JOBS_MAX);
		return 0;
	case OPT_STATE:
		conf.state = arg;
		return 0;
	case OPT_SCHEDULE:
		conf.schedule = arg;
		return 0;
	case OPT_ALL:
		conf.all = true;
		return 0;
	case OPT_TRACE:
		conf.trace = true;
		return 0;
	case OPT_PAIRS:
		conf.pairs = true;
		return 0;
	case OPT_JSON:
		conf.json = true;
		return 0;
	case OPT_LIST:
		list();
		exit(0);
	case ARGP_KEY_ARG:
		if (conf.nr_scenarios == sizeof(conf.scenario) / sizeof(conf.scenario[0]))
			argp_failure(state, 2, 0, "Too many scenarios.");
		conf.scenario[conf.nr_scenarios++] = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---------------------------------------------------------------- one scenario under one design */

/* Of this process. What a case costs is counted so, since others may be busy as well. */
static double processor_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const char *threads_of(const char *scenario)
{
	unsigned int i;

	for (i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		if (!strcmp(named[i].name, scenario))
			return named[i].threads;
	}
	return scenario;
}

/* The operations of "a+b+c"; 0: one of them does not exist, or they are too many. */
static unsigned int parse_threads(const char *text, const struct op **threads)
{
	unsigned int nr = 0;

	for (;;) {
		size_t len = strcspn(text, "+");

		if (nr == WEAVE_THREADS_MAX || !(threads[nr++] = op_find(text, len)))
			return 0;
		if (!text[len])
			return nr;
		text += len + 1;
	}
}

static json_t *result_json(const struct run_case *c, const struct explore_result *r, double seconds)
{
	/* Chance is through when it was tried as often as was asked for, or as long. */
	bool complete = r->complete || conf.strategy != EXPLORE_EXHAUSTIVE;
	json_t *o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:i, s:b, s:f, s:b}", "scenario",
			      c->name, "design", rmap_design_name(c->design), "executions",
			      (json_int_t)r->executions, "distinct", (json_int_t)r->distinct,
			      "pruned", (json_int_t)r->pruned, "points", (json_int_t)r->points,
			      "passes", (int)r->passes, "complete", complete, "seconds", seconds,
			      "wrong", r->failed);

	if (r->failed) {
		json_object_set_new(o, "found_after", json_integer((json_int_t)r->found_after));
		json_object_set_new(o, "message", json_string(r->message));
		json_object_set_new(o, "schedule", json_string(r->schedule));
		json_object_set_new(o, "shrunk", json_string(r->shrunk));
		json_object_set_new(o, "preemptions_found", json_integer(r->preemptions));
		json_object_set_new(o, "preemptions", json_integer(r->shrunk_preemptions));
	}
	return o;
}

static json_t *run_case(const struct run_case *rc, uint64_t nanoseconds)
{
	static struct explore_result r;
	struct explore_case c = {
		.reset = world_reset, .judge = world_judge, .way = world_way, .learn = world_learn
	};
	struct explore_options o = { .strategy = conf.strategy,
				     .preemptions = (uint32_t)conf.preemptions,
				     .executions = conf.executions,
				     .all = conf.all,
				     .seed = conf.seed,
				     .nanoseconds = nanoseconds,
				     .progress = case_progress };
	double began = processor_seconds();
	unsigned int i;
	bool made;

	for (i = 0; i < rc->nr; i++)
		c.body[i] = world_thread;
	made = world_make(rc->design, rc->threads, rc->nr);
	c.ways = world_ways();
	if (!made) {
		memset(&r, 0, sizeof(r));
		r.failed = true;
		snprintf(r.message, sizeof(r.message), "%s", weave_message());
	} else if (!conf.schedule) {
		explore(&c, &o, &r);
	} else if (!explore_replay(&c, conf.schedule, conf.trace, &r)) {
		fprintf(stderr, "rmap-weave: '%s' is not a schedule.\n", conf.schedule);
		exit(2);
	}
	return result_json(rc, &r, processor_seconds() - began);
}

/* ---------------------------------------------------------------- results */

static uint64_t number_of(const struct run_case *c, const char *what)
{
	return (uint64_t)json_integer_value(json_object_get(c->result, what));
}

static const char *text_of(const struct run_case *c, const char *what)
{
	return json_string_value(json_object_get(c->result, what));
}

static bool is_wrong(const struct run_case *c)
{
	return json_is_true(json_object_get(c->result, "wrong"));
}

static void print_failure(const struct run_case *c)
{
	const char *design = rmap_design_name(c->design);

	if (conf.schedule) {
		printf("%s under %s: wrong\n  %s\n  schedule: %s\n", c->name, design,
		       text_of(c, "message"), text_of(c, "schedule"));
		return;
	}
	printf("%s under %s: wrong after %llu executions\n  %s\n", c->name, design,
	       (unsigned long long)number_of(c, "found_after"), text_of(c, "message"));
	printf("  schedule (%llu preemptions): %s\n",
	       (unsigned long long)number_of(c, "preemptions_found"), text_of(c, "schedule"));
	printf("  with the fewest (%llu): %s\n", (unsigned long long)number_of(c, "preemptions"),
	       text_of(c, "shrunk"));
	printf("  again: rmap-weave %s --design %s --schedule '%s'\n", c->name, design,
	       text_of(c, "shrunk"));
}

static void print_case(const struct run_case *c)
{
	if (conf.json)
		return;
	if (is_wrong(c))
		print_failure(c);
	else if (!conf.pairs || !case_settled(c))
		printf("%-36s %-15s %9llu executions %9llu distinct %9llu given up %6llu points "
		       "%7.2f s%s\n",
		       c->name, rmap_design_name(c->design),
		       (unsigned long long)number_of(c, "executions"),
		       (unsigned long long)number_of(c, "distinct"),
		       (unsigned long long)number_of(c, "pruned"),
		       (unsigned long long)number_of(c, "points"),
		       json_real_value(json_object_get(c->result, "seconds")),
		       case_settled(c) || conf.schedule ? "" : ", cut short");
	fflush(stdout);
}

/* ---------------------------------------------------------------- all that was asked for */

static uint64_t mix(uint64_t v)
{
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;
	v = (v ^ v >> 27) * 0x94d049bb133111ebu;
	return v ^ v >> 31;
}

static bool pair_is_in_share(unsigned int i, unsigned int j)
{
	return mix(conf.seed * 1000003u + i * 1009u + j) % conf.share == 0;
}

static void add_cases(struct cases *cases, const char *name, const struct op *const *threads,
		      unsigned int nr)
{
	unsigned int d;

	for (d = 0; d < conf.nr_designs; d++)
		cases_add(cases, name, threads, nr, conf.design[d]);
}

static void add_pairs(struct cases *cases)
{
	unsigned int i, j;

	for (i = 0; i < nr_ops; i++) {
		for (j = i; j < nr_ops; j++) {
			const struct op *threads[] = { &ops[i], &ops[j] };
			char name[80];

			if (!pair_is_in_share(i, j))
				continue;
			snprintf(name, sizeof(name), "%s+%s", ops[i].name, ops[j].name);
			add_cases(cases, name, threads, 2);
		}
	}
}

static void add_scenarios(struct cases *cases)
{
	unsigned int i;

	for (i = 0; i < conf.nr_scenarios; i++) {
		const struct op *threads[WEAVE_THREADS_MAX];
		unsigned int nr = parse_threads(threads_of(conf.scenario[i]), threads);

		add_cases(cases, conf.scenario[i], threads, nr);
	}
}

static void complete_conf(void)
{
	unsigned int i;

	for (i = 0; !conf.nr_designs && rmap_designs[i] && i < DESIGNS_MAX; i++)
		conf.design[i] = rmap_designs[i];
	if (!conf.nr_designs)
		conf.nr_designs = i;
	if (!conf.nr_scenarios && !conf.pairs) {
		for (i = 0; i < sizeof(named) / sizeof(named[0]); i++)
			conf.scenario[conf.nr_scenarios++] = named[i].name;
	}
	if (conf.strategy != EXPLORE_EXHAUSTIVE && !conf.has_executions && !conf.seconds)
		conf.executions = 10000;
	for (i = 0; i < conf.nr_scenarios; i++) {
		const struct op *threads[WEAVE_THREADS_MAX];

		if (parse_threads(threads_of(conf.scenario[i]), threads))
			continue;
		fprintf(stderr, "rmap-weave: There is no scenario '%s'; --list names them.\n",
			conf.scenario[i]);
		exit(2);
	}
	if (conf.schedule && (conf.nr_scenarios != 1 || conf.nr_designs != 1 || conf.pairs)) {
		fprintf(stderr, "rmap-weave: --schedule needs one scenario and one design.\n");
		exit(2);
	}
}

struct total {
	uint64_t cases, executions, distinct, pruned, incomplete, wrong;
	double seconds;
	json_t *all;
};

static struct total sum_up(const struct cases *cases)
{
	struct total t = { .cases = cases->nr, .all = json_array() };
	unsigned int i;

	for (i = 0; i < cases->nr; i++) {
		const struct run_case *c = &cases->list[i];

		t.incomplete += !case_settled(c);
		if (!c->result)
			continue;
		t.executions += number_of(c, "executions");
		t.distinct += number_of(c, "distinct");
		t.pruned += number_of(c, "pruned");
		t.wrong += is_wrong(c);
		t.seconds += json_real_value(json_object_get(c->result, "seconds"));
		json_array_append(t.all, c->result);
	}
	return t;
}

/* With those that are not complete: all of them, for nothing is to be taken for explored that is not. */
static void print_incomplete(const struct cases *cases)
{
	unsigned int i, untried = 0;

	for (i = 0; !conf.json && !cases->once && i < cases->nr; i++) {
		const struct run_case *c = &cases->list[i];

		untried += !c->result;
		if (c->result && !case_settled(c))
			print_case(c);
	}
	if (untried && !conf.json)
		printf("%u cases were not begun: there was no time left.\n", untried);
}

static void print_total(const struct total *t)
{
	double rate = t->seconds > 0 ? (double)t->executions / t->seconds : 0;

	if (conf.json) {
		json_t *o = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o}", "cases",
				      (json_int_t)t->cases, "executions", (json_int_t)t->executions,
				      "distinct", (json_int_t)t->distinct, "pruned",
				      (json_int_t)t->pruned, "cut_short", (json_int_t)t->incomplete,
				      "wrong", (json_int_t)t->wrong, "seconds", t->seconds,
				      "executions_per_second", rate, "results", t->all);

		json_dumpf(o, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(o);
		return;
	}
	printf("%llu case%s: %llu executions (%llu distinct), %llu given up, "
	       "%llu cut short, %.0f a second: %llu wrong\n",
	       (unsigned long long)t->cases, t->cases == 1 ? "" : "s",
	       (unsigned long long)t->executions, (unsigned long long)t->distinct,
	       (unsigned long long)t->pruned, (unsigned long long)t->incomplete, rate,
	       (unsigned long long)t->wrong);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		argp_options,
		parse,
		"[SCENARIO...]",
		"Explore the interleavings of operations on a small world.\v"
		"A SCENARIO is a name of --list, or operations joined by '+'; without any, each of "
		"--list is explored under each design, which takes minutes:\n"
		"  rmap-weave fork+walk-a0 --design lineage\n"
		"  rmap-weave --pairs --strategy pct --preemptions 3 --executions 1000\n"
		"  rmap-weave two-faults --design anon_vma --schedule 'a12 b40'\n"
		"Exit code: 0 nothing wrong, 1 something was, 2 misuse.",
		NULL,
		NULL,
		NULL,
	};
	struct cases cases = { .run = run_case, .done = print_case };
	struct total total;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	complete_conf();
	weave_start();
	weave_port_create();
	if (conf.pairs)
		add_pairs(&cases);
	add_scenarios(&cases);
	cases.jobs = conf.schedule ? 1 : (unsigned int)conf.jobs;
	cases.seconds = conf.seconds;
	cases.once = conf.strategy != EXPLORE_EXHAUSTIVE || conf.has_executions || conf.schedule;
	cases.file = conf.schedule ? NULL : conf.state;
	cases.progress = isatty(STDERR_FILENO) && !conf.json && !conf.schedule;
	cases.options = json_pack("{s:i, s:I, s:I, s:I, s:b}", "strategy", (int)conf.strategy,
				  "preemptions", (json_int_t)conf.preemptions, "executions",
				  (json_int_t)conf.executions, "seed", (json_int_t)conf.seed, "all",
				  conf.all);
	cases_run(&cases);
	print_incomplete(&cases);
	total = sum_up(&cases);
	print_total(&total);
	return total.wrong != 0;
}
