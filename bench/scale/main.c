// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap-scale: the command line, and what the cells came to.
 */
#include "scale.h"

#include "../../tools/rmap/number.h"

#include <argp.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_WRONG 1
#define EXIT_USAGE 2
#define NAMES_MAX  64

struct command {
	struct scale_options o;
	const char *only[NAMES_MAX]; /* NAME, or SHAPE/VARIANT */
	unsigned int nr_only;
	json_t *cells, *meetings;
	bool locks; /* this build measures them */
	double taken_off_ns;
	bool wrong;
};

/* ---------------------------------------------------------------- the command line */

static const struct argp_option argp_options[] = {
	{ "only", 'o', "NAME[/VARIANT]", 0,
	  "Only this shape or meeting; may be given several times", 0 },
	{ "designs", 'd', "A,B,...", 0, "The reverse maps to run on (default: all)", 0 },
	{ "threads", 't', "N,N,...", 0,
	  "So many at once, 1 to 64 (default: 2, and on by doubling to the machine's processors)",
	  0 },
	{ "rounds", 'r', "N", 0, "Rounds of each cell, 1 to 99 (default: 15)", 0 },
	{ "slice", 's', "MS", 0,
	  "Milliseconds that threads run at a time, 1 to 10000 (default: 20); "
	  "page_fault1 to 3, fork and the collapse five times as long",
	  0 },
	{ "pages", 'p', "N", 0, "Pages of a thread's memory, 1 to 65536 (default: 1024)", 0 },
	{ "contents", 'c', NULL, 0, "Frames with contents, not phantoms", 0 },
	{ "quick", 'q', NULL, 0, "Small and short: only to see that it works", 0 },
	{ "json", 'j', NULL, 0, "Print JSON instead of tables", 0 },
	{ 0 },
};

/* Calls each with every part of a list between commas. */
static void split(struct argp_state *state, struct command *c, char *list,
		  void (*each)(struct argp_state *state, struct command *c, const char *part))
{
	char *rest = list, *part;

	while ((part = strsep(&rest, ",")))
		each(state, c, part);
}

static void add_threads(struct argp_state *state, struct command *c, const char *part)
{
	struct scale_options *o = &c->o;

	if (o->nr_threads == sizeof(o->threads) / sizeof(o->threads[0]))
		argp_failure(state, EXIT_USAGE, 0, "--threads: too many numbers");
	o->threads[o->nr_threads++] =
		(unsigned int)number_option(state, "--threads", part, 1, SCALE_THREADS);
}

static void add_design(struct argp_state *state, struct command *c, const char *part)
{
	struct scale_options *o = &c->o;
	const struct rmap_ops *design = rmap_design_by_name(part);

	if (!design)
		argp_failure(state, EXIT_USAGE, 0, "there is no design '%s'", part);
	for (unsigned int i = 0; i < o->nr_designs; i++)
		if (o->design[i] == design)
			argp_failure(state, EXIT_USAGE, 0, "the design '%s' is named twice", part);
	o->design[o->nr_designs++] = design;
}

/* Is name (SHAPE, or SHAPE/VARIANT) this cell's? */
static bool names(const char *name, unsigned int shape, enum scale_variant variant)
{
	size_t len = strlen(scale_shape_name(shape));

	if (strncmp(name, scale_shape_name(shape), len) != 0)
		return false;
	return !name[len] ||
	       (name[len] == '/' && !strcmp(name + len + 1, scale_variant_name(variant)));
}

static bool wanted_cell(const struct command *c, unsigned int shape, enum scale_variant variant)
{
	bool found = !c->nr_only;

	for (unsigned int i = 0; i < c->nr_only && !found; i++)
		found = names(c->only[i], shape, variant);
	return found;
}

static bool wanted_meeting(const struct command *c, unsigned int meeting)
{
	bool found = !c->nr_only;

	for (unsigned int i = 0; i < c->nr_only && !found; i++)
		found = !strcmp(c->only[i], scale_meeting_name(meeting));
	return found;
}

static bool is_a_name(const char *name)
{
	const struct command only = { .only = { name }, .nr_only = 1 };

	for (unsigned int shape = 0; shape < scale_nr_shapes(); shape++)
		for (enum scale_variant v = 0; v < SCALE_VARIANTS; v++)
			if (scale_shape_has(shape, v) && wanted_cell(&only, shape, v))
				return true;
	for (unsigned int meeting = 0; meeting < scale_nr_meetings(); meeting++)
		if (wanted_meeting(&only, meeting))
			return true;
	return false;
}

static void add_only(struct argp_state *state, struct command *c, const char *name)
{
	if (!is_a_name(name))
		argp_failure(state, EXIT_USAGE, 0, "there is no shape or meeting '%s'", name);
	if (c->nr_only == NAMES_MAX)
		argp_failure(state, EXIT_USAGE, 0, "--only: more names than there are");
	c->only[c->nr_only++] = name;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct command *c = state->input;

	switch (key) {
	case 'o':
		add_only(state, c, arg);
		return 0;
	case 'd':
		split(state, c, arg, add_design);
		return 0;
	case 't':
		split(state, c, arg, add_threads);
		return 0;
	case 'r':
		c->o.rounds = (unsigned int)number_option(state, "--rounds", arg, 1, SCALE_ROUNDS);
		return 0;
	case 's':
		c->o.slice_ns = 1e6 * (double)number_option(state, "--slice", arg, 1, 10000);
		return 0;
	case 'p':
		c->o.pages = (unsigned int)number_option(state, "--pages", arg, 1, 65536);
		return 0;
	case 'c':
		c->o.contents = true;
		return 0;
	case 'q':
		c->o.quick = true;
		return 0;
	case 'j':
		c->o.json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_failure(state, EXIT_USAGE, 0, "'%s' is one word too many", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse,
	.doc = "Measure what threads cost each other: beside the same threads, "
	       "each on an engine of its own.\v"
	       "  rmap-scale\n"
	       "        all shapes and meetings on all designs: some minutes\n"
	       "  rmap-scale --only page_fault1 --only fork/process --designs lineage\n"
	       "        some of them\n\n"
	       "What the columns mean is in docs/scaling.md. Interrupted (SIGINT, SIGTERM), it "
	       "prints what it has measured until then; JSON says so. "
	       "Exit code: 0 all went well, however fast; "
	       "1 something was wrong (the checker, or counts), or it was interrupted; "
	       "2 the command line cannot be used.",
};

static void fill_in(struct scale_options *o)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (!o->rounds)
		o->rounds = o->quick ? 1 : 15;
	if (o->slice_ns <= 0)
		o->slice_ns = o->quick ? 1e6 : 20e6;
	if (!o->pages)
		o->pages = o->quick ? 64 : 1024;
	if (!o->nr_threads) {
		o->threads[o->nr_threads++] = 2;
		for (unsigned int n = 4; n <= cpus && n <= SCALE_THREADS; n *= 2)
			o->threads[o->nr_threads++] = n;
	}
	if (!o->nr_designs)
		while (rmap_designs[o->nr_designs]) {
			o->design[o->nr_designs] = rmap_designs[o->nr_designs];
			o->nr_designs++;
		}
}

/* ---------------------------------------------------------------- being interrupted */

static void on_signal(int number)
{
	(void)number;
	crew_interrupt();
}

/* The first one; a second one ends the program at once. */
static void catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND }, old;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		/* nohup, or a script's job in the background: that stays ignored. */
		if (!sigaction(numbers[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
	}
}

/* ---------------------------------------------------------------- all of them */

static int print_json(const struct command *c)
{
	json_t *all =
		json_pack("{s:i,s:b,s:b,s:f,s:i,s:f,s:I,s:b,s:O,s:O}", "version", 1, "interrupted",
			  crew_interrupted(), "locks_measured", c->locks, "taken_off_each_hold_ns",
			  c->taken_off_ns, "rounds", (int)c->o.rounds, "slice_ns", c->o.slice_ns,
			  "pages", (json_int_t)c->o.pages, "contents", c->o.contents, "cells",
			  c->cells, "meetings", c->meetings);
	int failed = json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));

	printf("\n");
	json_decref(all);
	return failed;
}

static void progress(const char *name, const char *more, const struct rmap_ops *design)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%s %s, %s\r", name, more, rmap_design_name(design));
}

/* => ok; what was wrong is said */
static bool say(struct command *c, bool ok, const char *name, const struct rmap_ops *design,
		const char *why)
{
	if (ok)
		return true;
	fprintf(stderr, "rmap-scale: %s, %s: %s\n", name, rmap_design_name(design), why);
	c->wrong = true;
	return false;
}

/* A cell on all designs. */
static void run_cells(struct command *c, unsigned int shape, enum scale_variant variant,
		      unsigned int threads)
{
	static struct scale_cell cell;
	const char *name = scale_shape_name(shape);
	char why[SCALE_WHY];

	for (unsigned int i = 0; i < c->o.nr_designs && !crew_interrupted(); i++) {
		memset(&cell, 0, sizeof(cell));
		cell.shape = shape;
		cell.variant = variant;
		cell.threads = threads;
		cell.design = c->o.design[i];
		progress(name, scale_variant_name(variant), cell.design);
		if (!c->o.json && !i)
			report_cell_head(&cell);
		if (!say(c, scale_cell_run(&c->o, &cell, why), name, cell.design, why))
			continue;
		if (crew_interrupted()) /* in the middle of this one, which is dropped */
			return;
		if (!c->o.json)
			report_cell(&cell);
		json_array_append_new(c->cells, report_cell_json(&cell, c->locks));
	}
}

/* A meeting of so many on all designs. */
static void run_meetings(struct command *c, unsigned int meeting, unsigned int relatives)
{
	static struct scale_meeting m;
	const char *name = scale_meeting_name(meeting);
	char why[SCALE_WHY];

	for (unsigned int i = 0; i < c->o.nr_designs && !crew_interrupted(); i++) {
		memset(&m, 0, sizeof(m));
		m.meeting = meeting;
		m.relatives = relatives;
		m.design = c->o.design[i];
		progress(name, "", m.design);
		if (!c->o.json && !i)
			report_meeting_head(&m);
		if (!scale_meeting_is_for(meeting, relatives, m.design))
			continue;
		if (!say(c, scale_meeting_run(&c->o, &m, why), name, m.design, why))
			continue;
		if (crew_interrupted())
			return;
		if (!c->o.json)
			report_meeting(&m);
		json_array_append_new(c->meetings, report_meeting_json(&m, c->locks));
	}
}

static void run_all_cells(struct command *c)
{
	for (unsigned int t = 0; t < c->o.nr_threads; t++) {
		for (unsigned int shape = 0; shape < scale_nr_shapes(); shape++) {
			for (enum scale_variant v = 0; v < SCALE_VARIANTS; v++) {
				if (scale_shape_has(shape, v) && wanted_cell(c, shape, v))
					run_cells(c, shape, v, c->o.threads[t]);
			}
		}
	}
}

static void run_all_meetings(struct command *c)
{
	for (unsigned int meeting = 0; meeting < scale_nr_meetings(); meeting++) {
		const unsigned int *relatives = scale_meeting_relatives(meeting, c->o.quick);

		for (unsigned int i = 0; i < 3 && relatives[i] && wanted_meeting(c, meeting); i++)
			run_meetings(c, meeting, relatives[i]);
	}
}

int main(int argc, char **argv)
{
	static struct command c;
	int failed = 0;

	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &c);
	fill_in(&c.o);
	c.locks = scale_locks_measured(&c.taken_off_ns);
	c.cells = json_array();
	c.meetings = json_array();
	catch_signals();
	run_all_cells(&c);
	run_all_meetings(&c);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	if (crew_interrupted())
		fprintf(stderr, "rmap-scale: interrupted behind %zu cells and %zu meetings\n",
			json_array_size(c.cells), json_array_size(c.meetings));
	if (c.o.json)
		failed = print_json(&c);
	json_decref(c.cells);
	json_decref(c.meetings);
	crew_stop();
	return failed || c.wrong || crew_interrupted() ? EXIT_WRONG : 0;
}
