// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap-museum: the bugs that history paid for, each put back by a switch, brought out, and seen by a check. `rmap bugs` starts it.
 */
#include "exhibit.h"
#include "output.h"
#include "visit.h"

#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_WRONG  1
#define EXIT_USAGE  2
#define DESIGNS_MAX 16
#define WIDTH	    96

enum { KEY_JSON = 256, KEY_LIST, KEY_DRAW };

struct args {
	const char *wanted[64]; /* names, or numbers as B4 */
	unsigned int nr_wanted;
	const char *design, *draw;
	bool json, list;
};

/* One exhibit under one design: with its mistake, without, and with it where nobody checks. */
struct shown {
	const char *design;
	struct visit on, off, alone;
	bool left_alone; /* alone was shown */
};

/* One exhibit. */
struct report {
	const struct exhibit *exhibit;
	struct shown shown[DESIGNS_MAX];
	unsigned int nr;
	char designs[256]; /* what shown[].design points into */
};

static const struct argp_option options[] = {
	{ "design", 'd', "NAME", 0,
	  "Under this reverse map only (default: all that a bug concerns)", 0 },
	{ "draw", KEY_DRAW, "DIR", OPTION_ARG_OPTIONAL,
	  "Leave drawings in DIR (default: here): before, the moment it goes wrong, and that "
	  "moment "
	  "without the mistake",
	  0 },
	{ "json", KEY_JSON, NULL, 0, "Print what came of it as JSON", 0 },
	{ "list", KEY_LIST, NULL, 0, "List the bugs, and show none", 0 },
	{ NULL, 0, NULL, 0, NULL, 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case 'd':
		args->design = arg;
		break;
	case KEY_DRAW:
		args->draw = arg ? arg : ".";
		break;
	case KEY_JSON:
		args->json = true;
		break;
	case KEY_LIST:
		args->list = true;
		break;
	case ARGP_KEY_ARG:
		if (args->nr_wanted == sizeof(args->wanted) / sizeof(args->wanted[0]))
			argp_error(state, "too many names");
		args->wanted[args->nr_wanted++] = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[NAME...]",
	.doc = "Show the bugs that history paid for: each is put back by a switch and brought out, "
	       "and a "
	       "check must see it; without the switch nothing may be wrong.\v"
	       "NAME is an exhibit's name or its number as B4, both as --list says.\n\n"
	       "  rmap bugs\n"
	       "        all of them, in a table: what goes wrong, and who saw it\n"
	       "  rmap bugs swap-in-owner\n"
	       "        one of them, step by step\n"
	       "  rmap bugs swap-in-owner --draw=drawings\n"
	       "        three drawings of it\n"
	       "  rmap bugs --design lineage --json\n"
	       "        for other programs\n\n"
	       "Exit code: 0 each is seen with its switch on and nothing with it off; 1 one is "
	       "not; 2 "
	       "the command line cannot be used.",
};

/* ---------------------------------------------------------------- which */

static bool is_wanted(const struct args *args, const char *name, const char *bug)
{
	for (unsigned int i = 0; i < args->nr_wanted; i++)
		if ((name && !strcmp(args->wanted[i], name)) || !strcasecmp(args->wanted[i], bug))
			return true;
	return !args->nr_wanted;
}

/* NULL: nobody asked for what is not there. */
static const char *unknown_name(const struct args *args)
{
	for (unsigned int i = 0; i < args->nr_wanted; i++) {
		const char *wanted = args->wanted[i];
		bool found = false;

		for (unsigned int e = 0; e < nr_exhibits; e++)
			found |= !strcmp(wanted, exhibits[e].name) ||
				 !strcasecmp(wanted, exhibits[e].bug);
		for (unsigned int n = 0; n < nr_not_applicable; n++)
			found |= !strcasecmp(wanted, not_applicable[n].bug);
		if (!found)
			return wanted;
	}
	return NULL;
}

static bool design_exists(const char *design)
{
	char list[256], *rest = list;
	const char *name;

	for (unsigned int e = 0; e < nr_exhibits; e++) {
		rest = list;
		snprintf(list, sizeof(list), "%s", exhibits[e].designs);
		while ((name = strsep(&rest, ", ")))
			if (*name && !strcmp(name, design))
				return true;
	}
	return false;
}

/* ---------------------------------------------------------------- showing */

static void show(struct report *report, unsigned int number, const char *only)
{
	char *rest = report->designs;
	const char *design;

	report->exhibit = &exhibits[number - 1];
	report->nr = 0;
	snprintf(report->designs, sizeof(report->designs), "%s", report->exhibit->designs);
	while ((design = strsep(&rest, ", "))) {
		struct shown *s = &report->shown[report->nr];

		if (!*design || (only && strcmp(design, only)) || report->nr == DESIGNS_MAX)
			continue;
		s->design = design;
		s->on = s->off = s->alone = (struct visit){ .exhibit = report->exhibit,
							    .number = number,
							    .design = design };
		s->on.mistake = true;
		visit(&s->on);
		/* Where a few interleavings bring it out, many more must do no harm; all of them would take minutes. */
		s->off.limit = 4 * s->on.tried + 200;
		visit(&s->off);
		/* What mm_check saw at once: what would come of it? */
		s->left_alone = *report->exhibit->workload && s->on.end == VISIT_WRONG &&
				!strcmp(s->on.by, "mm_check");
		s->alone.mistake = s->alone.unchecked = true;
		if (s->left_alone)
			visit(&s->alone);
		report->nr++;
	}
}

static bool is_caught(const struct report *report)
{
	for (unsigned int i = 0; i < report->nr; i++)
		if (report->shown[i].on.end != VISIT_WRONG)
			return false;
	return true;
}

static bool is_clean(const struct report *report)
{
	for (unsigned int i = 0; i < report->nr; i++)
		if (report->shown[i].off.end != VISIT_WELL)
			return false;
	return true;
}

/* ---------------------------------------------------------------- for people */

/* Words between indent and the terminal's width. */
static void print_wrapped(const char *text, unsigned int indent)
{
	size_t column = indent;

	printf("%*s", (int)indent, "");
	while (*text) {
		size_t n = strcspn(text, " ");

		if (column > indent && column + 1 + n > WIDTH) {
			printf("\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			putchar(' ');
			column++;
		}
		printf("%.*s", (int)n, text);
		column += n;
		text += n + strspn(text + n, " ");
	}
	putchar('\n');
}

static const char *verdict(const struct visit *v)
{
	switch (v->end) {
	case VISIT_WELL:
		return v->mistake ? "NOT SEEN" : "nothing wrong";
	case VISIT_WRONG:
		return v->mistake ? "seen" : "WRONG";
	case VISIT_BAD:
		break;
	}
	return "CANNOT BE SHOWN";
}

static void print_found(const struct visit *v)
{
	char text[VISIT_TEXT + 128], line[160];
	int n;

	n = snprintf(text, sizeof(text), "%s%s%s", v->by, *v->by ? ": " : "", v->how);
	print_wrapped(text, 8);
	if (v->line && n > 0) {
		visit_line(v->exhibit->workload, v->line, line, sizeof(line));
		printf("        in line %u: %s\n", v->line, line);
	}
	if (*v->schedule)
		printf("        schedule: %s\n", v->schedule);
}

static void print_alone(const struct shown *s)
{
	if (!s->left_alone)
		return;
	printf("     if nobody checks:%s\n",
	       s->alone.end == VISIT_WRONG ? "" : " nothing is noticed here");
	if (s->alone.end == VISIT_WRONG)
		print_found(&s->alone);
}

static bool same_end(const struct visit *a, const struct visit *b)
{
	return a->end == b->end && a->line == b->line && !strcmp(a->by, b->by) &&
	       !strcmp(a->how, b->how) && !strcmp(a->schedule, b->schedule);
}

/* Designs under which the very same happened are named together. */
static bool same_as_next(const struct report *report, unsigned int i)
{
	const struct shown *a = &report->shown[i], *b = &report->shown[i + 1];

	return i + 1 < report->nr && same_end(&a->on, &b->on) && same_end(&a->off, &b->off) &&
	       a->left_alone == b->left_alone && same_end(&a->alone, &b->alone);
}

static void print_row(const struct report *report)
{
	const struct exhibit *e = report->exhibit;
	char text[VISIT_TEXT];
	size_t n = 0;

	printf("%-4s %-20s %s (%s)\n", e->bug, e->name, e->linux, e->year);
	print_wrapped(e->title, 5);
	for (unsigned int i = 0; i < report->nr; i++) {
		const struct shown *s = &report->shown[i];

		if (same_as_next(report, i)) {
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s, ", s->design);
			continue;
		}
		snprintf(text + n, sizeof(text) - n, "%s: %s%s%s; without it %s", s->design,
			 verdict(&s->on), s->on.end == VISIT_WRONG ? " by " : "",
			 s->on.end == VISIT_WRONG ? s->on.by : "", verdict(&s->off));
		print_wrapped(text, 5);
		n = 0;
		if (s->on.end != VISIT_WELL)
			print_found(&s->on);
		print_alone(s);
		if (s->off.end != VISIT_WELL)
			print_found(&s->off);
	}
	putchar('\n');
	fflush(stdout);
}

/* The workload, with what was found beside the line in which it was. */
static void print_steps(const struct visit *v)
{
	const char *at = v->exhibit->workload;
	unsigned int line = 1;

	while (*at) {
		int n = (int)strcspn(at, "\n");

		if (!strncmp(at, "#@", 2)) {
			const char *text = at + strcspn(at, " ");

			printf("      %c%.*s\n", '#', n - (int)(text - at), text);
		} else {
			printf("%s%.*s\n", line == v->line ? "  =>  " : "      ", n, at);
		}
		if (line == v->line && v->end == VISIT_WRONG)
			print_found(v);
		at += n;
		at += *at == '\n';
		line++;
	}
}

static void print_story(const struct report *report, bool again)
{
	const struct exhibit *e = report->exhibit;

	if (again)
		putchar('\n');
	printf("%s %s: %s\n%s (%s)\n\n", e->bug, e->name, e->title, e->linux, e->year);
	print_wrapped(e->story, 0);
	for (unsigned int i = 0; i < report->nr; i++) {
		const struct shown *s = &report->shown[i];

		printf("\n");
		while (same_as_next(report, i))
			printf("%s, ", report->shown[i++].design);
		printf("%s, with the mistake: %s\n", report->shown[i].design, verdict(&s->on));
		if (*e->scenario) {
			printf("        the threads of %s, in all their interleavings\n",
			       e->scenario);
			print_found(&s->on);
		} else {
			print_steps(&s->on);
		}
		print_alone(s);
		printf("Without it: %s\n", verdict(&s->off));
		if (s->off.end != VISIT_WELL)
			print_found(&s->off);
	}
	fflush(stdout);
}

static void print_missing(const struct args *args)
{
	bool first = true;

	for (unsigned int i = 0; i < nr_not_applicable; i++) {
		const struct not_applicable *n = &not_applicable[i];

		if (!is_wanted(args, NULL, n->bug))
			continue;
		if (first)
			printf("Not in the museum:\n");
		first = false;
		printf("%-4s %s\n", n->bug, n->title);
		print_wrapped(n->reason, 5);
	}
}

static void print_list(const struct args *args)
{
	for (unsigned int i = 0; i < nr_exhibits; i++) {
		const struct exhibit *e = &exhibits[i];

		if (!is_wanted(args, e->name, e->bug))
			continue;
		printf("%-4s %-20s %s, %s; %s\n", e->bug, e->name, e->linux, e->year, e->designs);
		print_wrapped(e->title, 5);
	}
	print_missing(args);
}

/* ---------------------------------------------------------------- for programs */

static json_t *visit_json(const struct visit *v)
{
	json_t *o = json_pack("{s:s}", "result",
			      v->end == VISIT_WELL    ? "ok"
			      : v->end == VISIT_WRONG ? "wrong"
						      : "bad");

	if (v->end == VISIT_WELL)
		return o;
	json_object_set_new(o, "message", json_string(v->how));
	if (*v->by)
		json_object_set_new(o, "seen_by", json_string(v->by));
	if (v->line)
		json_object_set_new(o, "line", json_integer(v->line));
	if (*v->schedule)
		json_object_set_new(o, "schedule", json_string(v->schedule));
	return o;
}

static json_t *report_json(const struct report *report)
{
	const struct exhibit *e = report->exhibit;
	json_t *designs = json_array(), *runs = json_array();

	for (unsigned int i = 0; i < report->nr; i++) {
		const struct shown *s = &report->shown[i];

		json_t *run = json_pack("{s:s, s:o, s:o}", "design", s->design, "with",
					visit_json(&s->on), "without", visit_json(&s->off));

		if (s->left_alone)
			json_object_set_new(run, "unchecked", visit_json(&s->alone));
		json_array_append_new(designs, json_string(s->design));
		json_array_append_new(runs, run);
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:b, s:b, s:o}", "name", e->name, "bug",
			 e->bug, "title", e->title, "linux", e->linux, "year", e->year, "designs",
			 designs, "caught", is_caught(report), "clean", is_clean(report), "runs",
			 runs);
}

static void print_json(json_t *bugs, bool well)
{
	json_t *missing = json_array(), *all;

	for (unsigned int i = 0; i < nr_not_applicable; i++)
		json_array_append_new(missing,
				      json_pack("{s:s, s:s, s:s}", "bug", not_applicable[i].bug,
						"title", not_applicable[i].title, "reason",
						not_applicable[i].reason));
	all = json_pack("{s:i, s:s, s:o, s:o}", "version", 1, "result", well ? "ok" : "failed",
			"bugs", bugs, "not_applicable", missing);
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

/* ---------------------------------------------------------------- all of it */

/* Drawings look best under the design that most bugs are about. */
static const struct visit *visit_to_draw(const struct report *report)
{
	for (unsigned int i = 0; i < report->nr; i++)
		if (!strcmp(report->shown[i].design, "anon_vma_chain"))
			return &report->shown[i].on;
	return &report->shown[0].on;
}

static int draw(const struct report *report, const struct args *args)
{
	const char *directory = args->draw;
	int drawn;

	if (mkdir(directory, 0777) && errno != EEXIST) {
		fprintf(stderr, "rmap bugs: %s: %s\n", directory, strerror(errno));
		return -1;
	}
	drawn = visit_draw(visit_to_draw(report), directory);
	if (drawn > 0 && !args->json)
		printf("drawn: %s/bug-%s-*.svg\n", directory, report->exhibit->name);
	return drawn;
}

static int run(const struct args *args)
{
	json_t *bugs = json_array();
	bool well = true, drawn = true;
	unsigned int nr = 0;

	for (unsigned int i = 0; i < nr_exhibits; i++) {
		struct report report;

		if (!is_wanted(args, exhibits[i].name, exhibits[i].bug))
			continue;
		show(&report, i + 1, args->design);
		if (!report.nr)
			continue;
		nr++;
		well &= is_caught(&report) && is_clean(&report);
		if (args->json)
			json_array_append_new(bugs, report_json(&report));
		else if (args->nr_wanted)
			print_story(&report, nr > 1);
		else
			print_row(&report);
		if (args->draw)
			drawn &= draw(&report, args) >= 0;
	}
	if (!nr && args->design) {
		fprintf(stderr, "rmap bugs: none of them concerns %s\n", args->design);
		json_decref(bugs);
		return EXIT_USAGE;
	}
	if (args->json) {
		print_json(bugs, well);
	} else {
		json_decref(bugs);
		print_missing(args);
		if (!args->nr_wanted)
			printf("%u bugs shown: %s\n", nr,
			       well ? "each is seen, and nothing without it"
				    : "NOT EACH IS SEEN, OR SOMETHING IS WRONG WITHOUT IT");
	}
	return !well ? EXIT_WRONG : drawn ? 0 : EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static char name[] = "rmap bugs";
	struct args args = { 0 };
	const char *unknown;

	output_must_arrive(name);
	argp_err_exit_status = EXIT_USAGE;
	if (argc)
		argv[0] = name;
	if (argp_parse(&argp, argc, argv, 0, NULL, &args))
		return EXIT_USAGE;
	unknown = unknown_name(&args);
	if (unknown) {
		fprintf(stderr, "rmap bugs: there is no bug '%s' (--list names them)\n", unknown);
		return EXIT_USAGE;
	}
	if (args.design && !design_exists(args.design)) {
		fprintf(stderr, "rmap bugs: there is no design '%s' that a bug concerns\n",
			args.design);
		return EXIT_USAGE;
	}
	if (args.list) {
		print_list(&args);
		return 0;
	}
	return run(&args);
}
