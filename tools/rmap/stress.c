// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap stress: the command line, and what the runs came to. What the threads do is in stress_ops.c.
 */
#include "stress.h"

#include "commands.h"
#include "design_list.h"
#include "json_figures.h"
#include "number.h"
#include "words.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_WRONG  1
#define EXIT_USAGE  2

#define SECONDS_MAX 86400.0
#define DELAY_MAX   1000000

enum {
	KEY_THREADS = 't',
	KEY_SECONDS = 's',
	KEY_DESIGNS = 'd',
	KEY_QUIET = 'q',
	KEY_SEED = 256,
	KEY_JSON,
	KEY_OOM,
	KEY_DELAY,
};

struct command {
	struct stress_options options;
	double seconds;
	struct design_list list;
	struct stress_result result[DESIGNS_MAX];
	bool json, quiet;
};

static const struct argp_option options[] = {
	{ "threads", KEY_THREADS, "N", 0, "Threads at once, 1 to 64 (default: 4)", 0 },
	{ "seconds", KEY_SECONDS, "S", 0, "For all designs together (default: 10)", 0 },
	{ "designs", KEY_DESIGNS, "A,B,...", 0, "The reverse maps to run on (default: all)", 0 },
	{ "seed", KEY_SEED, "N", 0,
	  "For what each thread does (default: 1); who comes first is the kernel's choice", 0 },
	{ "oom", KEY_OOM, "N", 0, "Refuse one allocation of an object in N", 0 },
	{ "device-delay", KEY_DELAY, "US", 0,
	  "Transfers to and from swap and files take so many microseconds on the average", 0 },
	{ "json", KEY_JSON, NULL, 0, "Print the figures as JSON", 0 },
	{ "quiet", KEY_QUIET, NULL, 0, "No progress", 0 },
	{ NULL, 0, NULL, 0, NULL, 0 },
};

static const char doc[] =
	"Let real threads fault, fork, exit, exec, map, move, protect, reclaim, swap, migrate, "
	"truncate, pin and walk at once, on every reverse map, and hold all they see against what "
	"they know."
	"\vThe seconds are shared out over the designs. A few times a second all threads stop: "
	"every page's contents are compared, and page tables, reverse map and TLBs are checked.\n\n"
	"  rmap stress --threads 4 --seconds 60\n"
	"        a minute, all designs\n"
	"  rmap stress --designs lineage --seconds 600 --seed 7\n"
	"        ten minutes of one of them, with other choices\n"
	"  rmap stress --oom 50 --device-delay 200\n"
	"        an object in fifty is not to be had, and disks are slow\n\n"
	"Exit code: 0 nothing was wrong; 1 something was (a sentence on standard error says what); "
	"2 the command line cannot be used.";

/* ---------------------------------------------------------------- the command line */

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct command *c = state->input;
	char err[256];

	switch (key) {
	case KEY_THREADS:
		c->options.threads =
			(uint32_t)number_option(state, "--threads", arg, 1, STRESS_THREADS);
		break;
	case KEY_SECONDS:
		c->seconds = number_seconds(state, "--seconds", arg, 0.1, SECONDS_MAX);
		break;
	case KEY_DESIGNS:
		if (!design_list_parse(arg, &c->list, err, sizeof(err)))
			argp_error(state, "%s", err);
		break;
	case KEY_SEED:
		c->options.seed = number_option(state, "--seed", arg, 0, UINT64_MAX - 1);
		break;
	case KEY_OOM:
		c->options.oom = (uint32_t)number_option(state, "--oom", arg, 2, 1000000000);
		break;
	case KEY_DELAY:
		c->options.transfer_ns =
			number_option(state, "--device-delay", arg, 1, DELAY_MAX) * 1000;
		break;
	case KEY_JSON:
		c->json = true;
		break;
	case KEY_QUIET:
		c->quiet = true;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "there is nothing to do with '%s'", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* ---------------------------------------------------------------- the figures */

static void show_progress(void *arg, const char *design, double s, uint64_t operations)
{
	(void)arg;
	words_progress(stderr, "%s  %.1f s, %llu operations", design, s,
		       (unsigned long long)operations);
}

static void print_table(const struct command *c)
{
	printf("%-15s %10s %10s %8s %9s %9s %8s %8s %8s %6s\n", "design", "operations", "faults",
	       "mmap_lock", "forks", "swap-outs", "migrated", "walks", "refused", "checks");
	for (uint32_t i = 0; i < c->list.nr; i++) {
		const struct stress_result *r = &c->result[i];
		const struct mm_counters *m = &r->counters;

		printf("%-15s %10llu %10llu %8.2f%% %9llu %9llu %8llu %8llu %8llu %6llu  %s\n",
		       rmap_design_name(c->list.design[i]), (unsigned long long)r->operations,
		       (unsigned long long)m->faults,
		       m->faults ? 100.0 * (double)m->fault_mmap_lock / (double)m->faults : 0.0,
		       (unsigned long long)m->forks, (unsigned long long)m->swap_out,
		       (unsigned long long)m->migrated, (unsigned long long)r->walks,
		       (unsigned long long)r->refused, (unsigned long long)r->checks,
		       r->wrong[0] ? "WRONG" : "nothing wrong");
	}
}

static json_t *json_design(const struct command *c, uint32_t i)
{
	const struct stress_result *r = &c->result[i];
	json_t *o = json_object();

	json_object_set_new(o, "design", json_string(rmap_design_name(c->list.design[i])));
	json_object_set_new(o, "result", json_string(r->wrong[0] ? "failed" : "ok"));
	if (r->wrong[0])
		json_object_set_new(o, "message", json_string(r->wrong));
	json_put(o, "ns", r->ns);
	json_put(o, "operations", r->operations);
	json_put(o, "refused", r->refused);
	json_put(o, "objects_refused", r->objects_refused);
	json_put(o, "checks", r->checks);
	json_put(o, "verified_pages", r->verified);
	json_put(o, "walks", r->walks);
	json_put(o, "faults", r->counters.faults);
	json_put(o, "fault_mmap_lock", r->counters.fault_mmap_lock);
	json_put(o, "cow_copies", r->counters.fault_cow_copy);
	json_put(o, "forks", r->counters.forks);
	json_put(o, "execs", r->counters.execs);
	json_put(o, "moves", r->counters.moves);
	json_put(o, "swap_out", r->counters.swap_out);
	json_put(o, "swap_in", r->counters.swap_in);
	json_put(o, "migrated", r->counters.migrated);
	json_put(o, "tlb_flushes", r->counters.tlb_flushes);
	return o;
}

static void print_json(const struct command *c, bool ok)
{
	json_t *o = json_object(), *designs = json_array();

	json_put(o, "version", 1);
	json_object_set_new(o, "result", json_string(ok ? "ok" : "failed"));
	json_put(o, "threads", c->options.threads);
	json_object_set_new(o, "seconds", json_real(c->seconds));
	json_put(o, "seed", c->options.seed);
	json_put(o, "oom", c->options.oom);
	json_put(o, "device_delay_us", c->options.transfer_ns / 1000);
	for (uint32_t i = 0; i < c->list.nr; i++)
		json_array_append_new(designs, json_design(c, i));
	json_object_set_new(o, "designs", designs);
	json_dumpf(o, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(o);
}

int cmd_stress(int argc, char **argv)
{
	static const struct argp argp = { .options = options, .parser = parse, .doc = doc };
	static struct command c;
	bool ok = true;

	c = (struct command){ .options = { .threads = 4, .seed = 1 }, .seconds = 10 };
	(void)design_list_parse(NULL, &c.list, NULL, 0);
	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &c);
	c.options.ns = (uint64_t)(c.seconds * 1e9 / c.list.nr);
	if (!c.quiet && words_redraws(stderr))
		c.options.progress = show_progress;
	for (uint32_t i = 0; i < c.list.nr; i++) {
		if (!stress_run(&c.options, c.list.design[i], &c.result[i])) {
			fprintf(stderr, "rmap stress: %s\n", c.result[i].wrong);
			return EXIT_USAGE;
		}
		if (c.options.progress)
			words_progress_over(stderr);
		if (!c.result[i].wrong[0])
			continue;
		ok = false;
		fprintf(stderr, "rmap stress: %s: %s\n", rmap_design_name(c.list.design[i]),
			c.result[i].wrong);
	}
	if (c.json)
		print_json(&c, ok);
	else
		print_table(&c);
	return ok ? 0 : EXIT_WRONG;
}
