// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap verify: the same operations on the kernel that runs and on the engine, compared after each.
 */
#include "verify.h"

#include "commands.h"
#include "number.h"
#include "verify_seeds.h"

#include <argp.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define EXIT_DIFFERS 1
#define EXIT_USAGE   2

enum {
	KEY_DESIGN = 'd',
	KEY_SWAP = 's',
	KEY_QUIET = 'q',
	KEY_JSON = 256,
	KEY_SEED,
	KEY_RULES,
	KEY_TRACE,
	KEY_KERNEL,
};

struct verify {
	struct verify_options options;
	struct seeds_options seeds;
	char **workloads;
	size_t nr;
	bool json, quiet, rules, trace;
};

/* What one workload came to. */
struct outcome {
	const char *workload;
	enum verify_result result;
	struct verify_difference difference;
	struct verify_counters count;
	char history[65536]; /* the operations so far, as far as there is room: the last ones */
	uint64_t seconds_ns;
};

static const struct argp_option options[] = {
	{ "design", KEY_DESIGN, "NAME", 0, "The reverse map to run on (default: anon_vma_chain)",
	  0 },
	{ "swap", KEY_SWAP, NULL, 0, "Swap on the live side, too", 0 },
	{ "json", KEY_JSON, NULL, 0, "Print the results as JSON", 0 },
	{ "seed", KEY_SEED, "N", 0, "For what is sampled (default: 1)", 0 },
	{ "kernel", KEY_KERNEL, "RELEASE", 0,
	  "Semantics of the engine, 6.1 to 6.18 (default: the running kernel's)", 0 },
	{ "quiet", KEY_QUIET, NULL, 0, "Print differences only", 0 },
	{ "trace", KEY_TRACE, NULL, 0, "Print each operation and what it came to", 0 },
	{ "rules", KEY_RULES, NULL, 0, "List what is steered and normalised, and why", 0 },
	{ NULL, 0, NULL, 0, NULL, 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct verify *v = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &v->seeds;
		break;
	case KEY_DESIGN:
		v->options.design = arg;
		break;
	case KEY_SWAP:
		v->options.swap = true;
		break;
	case KEY_JSON:
		v->json = true;
		break;
	case KEY_SEED:
		v->options.seed = number_option(state, "--seed", arg, 0, UINT64_MAX);
		break;
	case KEY_KERNEL:
		v->options.release = ops_parse_release(arg);
		if (v->options.release < MM_RELEASE_FIRST || v->options.release > MM_RELEASE_LATEST)
			argp_error(state, "--kernel must be a release from 6.1 to 6.18, not '%s'",
				   arg);
		break;
	case KEY_QUIET:
		v->quiet = true;
		break;
	case KEY_TRACE:
		v->trace = true;
		break;
	case KEY_RULES:
		v->rules = true;
		break;
	case ARGP_KEY_ARGS:
		v->workloads = state->argv + state->next;
		v->nr = (size_t)(state->argc - state->next);
		break;
	case ARGP_KEY_END:
		if (!v->nr && !v->rules && !v->seeds.wanted)
			argp_error(state,
				   "a workload is missing: FILE.rmw or "
				   "GENERATOR[:key=value,...]; or --ops=N, for random operations");
		if (v->nr && v->seeds.wanted)
			argp_error(state, "a workload and random operations do not go together");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* ---------------------------------------------------------------- running */

/* The last operations are kept where there is no room for all. */
static void remember(struct outcome *o, const char *line)
{
	size_t len = strlen(o->history), more = strlen(line) + 1;

	while (len + more + 1 > sizeof(o->history)) {
		char *cut = strchr(o->history, '\n');

		if (!cut)
			return;
		memmove(o->history, cut + 1, strlen(cut + 1) + 1);
		len = strlen(o->history);
	}
	snprintf(o->history + len, sizeof(o->history) - len, "%s\n", line);
}

static void run_all(const struct verify *v, struct op_source *source, struct verify_session *s,
		    struct outcome *o)
{
	char line[1024], err[OPS_ERR_SIZE];
	struct op op;
	int more;

	while ((more = source->next(source, &op, err)) > 0) {
		if (!op_is_expectation(op.kind)) {
			op_write(&op, source, line, sizeof(line));
			remember(o, line);
		}
		o->result = verify_step(s, &op);
		if (v->trace)
			printf("%s  # line %u: %s\n", op_write(&op, source, line, sizeof(line)),
			       op.line,
			       o->result == VERIFY_AGREE ? rmap_error_name(verify_last_error(s))
							 : "stops");
		if (o->result != VERIFY_AGREE)
			break;
	}
	if (more < 0) {
		o->result = VERIFY_BAD;
		snprintf(o->difference.what, sizeof(o->difference.what), "%s", err);
		return;
	}
	if (o->result == VERIFY_AGREE)
		o->result = verify_finish(s);
	o->difference = *verify_difference(s);
	if (o->result != VERIFY_AGREE && more > 0 && op.line) {
		snprintf(err, sizeof(err), "%s", o->difference.what);
		snprintf(o->difference.what, sizeof(o->difference.what), "%s:%u: %.400s",
			 source->name, op.line, err);
	}
}

static void run_one(const struct verify *v, struct outcome *o)
{
	struct op_source *source;
	struct verify_session *s;
	uint64_t start = runner_now();
	bool unable;

	if (source_open(o->workload, &source, o->difference.what)) {
		o->result = VERIFY_BAD;
		return;
	}
	if (verify_session_new(&v->options, source, &s, &unable, o->difference.what)) {
		o->result = unable ? VERIFY_UNABLE : VERIFY_BAD;
	} else {
		run_all(v, source, s, o);
		verify_get_counters(s, &o->count);
		verify_session_free(s);
	}
	source->close(source);
	o->seconds_ns = runner_now() - start;
}

/* ---------------------------------------------------------------- printing */

static void print_difference(const struct outcome *o)
{
	printf("%s: %s: %s\n", o->workload, o->result == VERIFY_FAILED ? "fails" : "differs",
	       o->difference.what);
	if (o->difference.live[0] || o->difference.engine[0])
		printf("live:\n%sengine:\n%s", o->difference.live, o->difference.engine);
	printf("operations so far:\n%s", o->history);
}

static void print_outcome(const struct verify *v, const struct outcome *o)
{
	double seconds = (double)o->seconds_ns / 1e9;

	switch (o->result) {
	case VERIFY_AGREE:
		if (v->quiet)
			return;
		printf("%s: agreed: %llu operations, %llu of them with errors; %llu comparisons of "
		       "a "
		       "process, %llu VMAs, %llu pages, %llu of them by content; %.0f operations a "
		       "second\n",
		       o->workload, (unsigned long long)o->count.operations,
		       (unsigned long long)o->count.errors,
		       (unsigned long long)o->count.comparisons, (unsigned long long)o->count.vmas,
		       (unsigned long long)o->count.pages, (unsigned long long)o->count.contents,
		       seconds > 0 ? (double)o->count.operations / seconds : 0);
		break;
	case VERIFY_UNABLE:
		if (!v->quiet)
			printf("%s: skipped: %s\n", o->workload, o->difference.what);
		break;
	case VERIFY_BAD:
		fprintf(stderr, "rmap verify: %s\n", o->difference.what);
		break;
	default:
		print_difference(o);
		break;
	}
}

static json_t *json_of(const struct verify *v, const struct outcome *o)
{
	static const char *const names[] = {
		[VERIFY_AGREE] = "agreed",  [VERIFY_DIFFER] = "differs",
		[VERIFY_FAILED] = "failed", [VERIFY_UNABLE] = "skipped",
		[VERIFY_BAD] = "bad",
	};
	json_t *rules = json_object();
	json_t *j = json_pack(
		"{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "workload",
		o->workload, "result", names[o->result], "seed", (json_int_t)v->options.seed,
		"operations", (json_int_t)o->count.operations, "errors",
		(json_int_t)o->count.errors, "alone", (json_int_t)o->count.alone, "comparisons",
		(json_int_t)o->count.comparisons, "vmas", (json_int_t)o->count.vmas, "pages",
		(json_int_t)o->count.pages, "contents", (json_int_t)o->count.contents, "processes",
		(json_int_t)o->count.processes, "seconds", (double)o->seconds_ns / 1e9);

	for (unsigned int i = 0; verify_rules[i].id; i++)
		if (o->count.rules[i])
			json_object_set_new(rules, verify_rules[i].id,
					    json_integer((json_int_t)o->count.rules[i]));
	json_object_set_new(j, "rules", rules);
	if (o->result != VERIFY_AGREE)
		json_object_set_new(j, o->result == VERIFY_UNABLE ? "reason" : "what",
				    json_string(o->difference.what));
	if (o->result == VERIFY_DIFFER || o->result == VERIFY_FAILED) {
		json_object_set_new(j, "live", json_string(o->difference.live));
		json_object_set_new(j, "engine", json_string(o->difference.engine));
		json_object_set_new(j, "history", json_string(o->history));
	}
	return j;
}

/* A paragraph for a terminal of 80 columns, four of them blank. */
static void print_paragraph(const char *lead, const char *text)
{
	size_t column = 4 + strlen(lead);

	printf("    %s", lead);
	for (const char *at = text; *at;) {
		size_t len = strcspn(at, " ");

		if (at != text && column + 1 + len > 79) {
			printf("\n    ");
			column = 4;
		} else if (at != text) {
			printf(" ");
			column++;
		}
		printf("%.*s", (int)len, at);
		column += len;
		at += len;
		at += strspn(at, " ");
	}
	printf("\n");
}

static void print_rules(void)
{
	for (unsigned int i = 0; verify_rules[i].id; i++) {
		printf("%s%s\n", i ? "\n" : "", verify_rules[i].id);
		print_paragraph("", verify_rules[i].what);
		print_paragraph("because: ", verify_rules[i].why);
	}
}

static int verify_each(struct verify *v)
{
	struct outcome *o = malloc(sizeof(*o));
	json_t *runs = json_array(), *top;
	uint64_t operations = 0, divergences = 0;
	struct utsname name;
	int code = 0;

	for (size_t i = 0; o && i < v->nr; i++) {
		memset(o, 0, sizeof(*o));
		o->workload = v->workloads[i];
		run_one(v, o);
		operations += o->count.operations;
		if (o->result == VERIFY_DIFFER || o->result == VERIFY_FAILED) {
			divergences++;
			code = code ? code : EXIT_DIFFERS;
		}
		if (o->result == VERIFY_BAD)
			code = EXIT_USAGE;
		if (!v->json || o->result == VERIFY_BAD)
			print_outcome(v, o);
		json_array_append_new(runs, json_of(v, o));
		fflush(stdout);
	}
	free(o);
	uname(&name);
	top = json_pack("{s:i, s:s, s:I, s:I, s:I, s:o}", "version", 1, "kernel", name.release,
			"seed", (json_int_t)v->options.seed, "operations", (json_int_t)operations,
			"divergences", (json_int_t)divergences, "runs", runs);
	if (v->json) {
		json_dumpf(top, stdout, JSON_INDENT(2));
		printf("\n");
	}
	json_decref(top);
	return code;
}

static int verify_random(struct verify *v)
{
	v->seeds.json = v->json;
	v->seeds.quiet = v->quiet;
	v->seeds.trace = v->trace;
	if (!v->seeds.range)
		v->seeds.first = v->seeds.last = v->options.seed;
	return verify_seeds(&v->options, &v->seeds);
}

int cmd_verify(int argc, char **argv)
{
	static const struct argp_child children[] = { { &seeds_argp, 0, NULL, 0 },
						      { NULL, 0, NULL, 0 } };
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.children = children,
		.args_doc = "WORKLOAD...\n--ops=N [--seed=S] [--processes=P]",
		.doc = "Carry out workloads on the kernel that runs and on the engine, and compare "
		       "after each operation.\v"
		       "Real processes map, touch, fork and exit as the workload says. After each "
		       "operation the results, the VMAs, the pages (present, swapped or absent, "
		       "who "
		       "shares a frame, map counts), contents and sizes of both sides are held "
		       "against each other. The first difference is printed with both sides.\n\n"
		       "  rmap verify workloads/tour.rmw\n"
		       "        each operation of a workload file\n"
		       "  rmap verify --trace workloads/semantics/mremap.rmw\n"
		       "        the same, with each operation and what it came to\n"
		       "  rmap verify --swap --ops 10000 --seed 7 --processes 8\n"
		       "        random operations, with swap on the live side\n"
		       "  rmap verify --seeds 1..100 --coverage\n"
		       "        a hundred seeds, and which operations they reached\n\n"
		       "Needs root; without it, or where this machine cannot be asked, the answer "
		       "is "
		       "\"skipped\" with the reason, and the exit code is 0.\n\n"
		       "Exit code: 0 both sides agree; 1 they differ, or the workload expects "
		       "something else; 2 the command line or a file cannot be used.",
	};
	struct verify v = { .options = { .seed = 1 } };

	argp_err_exit_status = EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &v))
		return EXIT_USAGE;
	if (v.rules) {
		print_rules();
		return 0;
	}
	verify_settle();
	return v.seeds.wanted ? verify_random(&v) : verify_each(&v);
}
