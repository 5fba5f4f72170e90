// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap run: a workload, a record or a generator, carried out, and what it came to.
 */
#include "commands.h"
#include "gen.h"
#include "machine_size.h"
#include "number.h"
#include "runner.h"
#include "words.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_WRONG 1 /* an expectation, a check, contents */
#define EXIT_USAGE 2 /* a wrong command line, a file that cannot be used */

enum {
	KEY_DESIGN = 'd',
	KEY_FRAMES = 'f',
	KEY_SWAP = 's',
	KEY_CHECK = 'c',
	KEY_QUIET = 'q',
	KEY_PHANTOM = 256,
	KEY_JSON,
	KEY_SEED,
	KEY_VERIFY,
	KEY_LIST,
	KEY_KERNEL,
	KEY_STEADY,
};

struct run {
	struct runner_options options;
	uint64_t
		percent; /* --frames 25%: of what the workload has in use at the most; 0: not said */
	const char *workload;
	bool json, quiet, list;
};

static const struct argp_option options[] = {
	{ "design", KEY_DESIGN, "NAME", 0, "The reverse map to run on (default: anon_vma_chain)",
	  0 },
	{ "frames", KEY_FRAMES, "N", 0,
	  "Memory of the machine: frames of 4 KiB, a size as 64M, or as 25% a share of what the "
	  "workload has in use "
	  "at the most, for which it is carried out twice (default: what the workload needs)",
	  0 },
	{ "swap", KEY_SWAP, "SIZE", 0,
	  "Swap space: pages of 4 KiB, or a size as 64M; 0: none (default: as much as memory)", 0 },
	{ "check", KEY_CHECK, "EVERY", OPTION_ARG_OPTIONAL,
	  "Check everything at the ends of phases and for at most half of the run time, with walks "
	  "from a sample of pages where all would take long; with EVERY, after each EVERY "
	  "operations that change something, from all pages",
	  0 },
	{ "phantom", KEY_PHANTOM, NULL, 0, "Frames without contents, for scale", 0 },
	{ "json", KEY_JSON, NULL, 0, "Print the summary as JSON", 0 },
	{ "seed", KEY_SEED, "N", 0, "For what is sampled (default: 1)", 0 },
	{ "verify", KEY_VERIFY, NULL, 0,
	  "At the ends of phases read everything back through the MMU, which brings it all in", 0 },
	{ "kernel", KEY_KERNEL, "RELEASE", 0,
	  "Semantics of this release of Linux, 6.1 to 6.18 (default: 6.18)", 0 },
	{ "steady", KEY_STEADY, NULL, 0,
	  "Do what was put off behind each operation, so that all figures but times are the same "
	  "in every run",
	  0 },
	{ "quiet", KEY_QUIET, NULL, 0, "Print no summary, and no progress", 0 },
	{ "list", KEY_LIST, NULL, 0, "List the generators and their parameters", 0 },
	{ NULL, 0, NULL, 0, NULL, 0 },
};

static uint64_t number(struct argp_state *state, const char *what, const char *arg)
{
	uint64_t n;

	if (!number_parse(arg, 0, UINT64_MAX, &n))
		argp_error(state, "%s must be a number below 2^64, not '%s'", what, arg);
	return n;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run *run = state->input;

	switch (key) {
	case KEY_DESIGN:
		run->options.design = arg;
		break;
	case KEY_FRAMES:
		machine_frames(state, arg, &run->options, &run->percent);
		break;
	case KEY_SWAP:
		machine_swap(state, arg, &run->options);
		break;
	case KEY_CHECK:
		run->options.check = true;
		if (arg)
			run->options.check_every = number(state, "--check", arg);
		if (arg && !run->options.check_every)
			argp_error(state, "--check=0 would never check");
		break;
	case KEY_PHANTOM:
		run->options.phantom = true;
		break;
	case KEY_JSON:
		run->json = true;
		break;
	case KEY_SEED:
		run->options.seed = number(state, "--seed", arg);
		break;
	case KEY_VERIFY:
		run->options.verify = true;
		break;
	case KEY_KERNEL:
		run->options.release = ops_parse_release(arg);
		if (run->options.release < MM_RELEASE_FIRST ||
		    run->options.release > MM_RELEASE_LATEST)
			argp_error(state, "--kernel must be a release from 6.1 to 6.18, not '%s'",
				   arg);
		break;
	case KEY_STEADY:
		run->options.steady = true;
		break;
	case KEY_QUIET:
		run->quiet = true;
		break;
	case KEY_LIST:
		run->list = true;
		break;
	case ARGP_KEY_ARG:
		if (run->workload)
			argp_error(state, "there is one workload, but '%s' and '%s' are given",
				   run->workload, arg);
		run->workload = arg;
		break;
	case ARGP_KEY_END:
		if (!run->workload && !run->list)
			argp_error(state, "a workload is missing: FILE.rmw, FILE.rmrec or "
					  "GENERATOR[:key=value,...]");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* ---------------------------------------------------------------- */

static void print_param(const struct gen_param *param)
{
	printf("    %-12s %s (default ", param->name, param->doc);
	if (!param->words) {
		printf("%llu, from %llu to %llu)\n", (unsigned long long)param->def,
		       (unsigned long long)param->min, (unsigned long long)param->max);
		return;
	}
	printf("%s, one of", param->words[param->def]);
	for (unsigned int i = 0; param->words[i]; i++)
		printf("%s %s", i ? "," : "", param->words[i]);
	printf(")\n");
}

static void list_generators(void)
{
	for (unsigned int i = 0; generators[i]; i++) {
		printf("%s%s\n  %s\n", i ? "\n" : "", generators[i]->name, generators[i]->doc);
		for (unsigned int p = 0; p < GEN_MAX_PARAMS && generators[i]->params[p].name; p++) {
			const struct gen_param *param = &generators[i]->params[p];

			print_param(param);
		}
	}
}

struct progress {
	bool on;
	uint64_t next_ns;
	const char *phase;
};

static void show_progress(struct progress *p, struct runner *r, const struct op_source *source)
{
	uint64_t now = runner_now(), ops = runner_operations(r);

	if (!p->on || now < p->next_ns)
		return;
	p->next_ns = now + 100000000u;
	if (source->config.steps && source->config.steps < UINT64_MAX)
		words_progress(stderr, "%3.0f %%  %s",
			       100.0 * (double)ops / (double)source->config.steps, p->phase);
	else
		words_progress(stderr, "%llu operations  %s", (unsigned long long)ops, p->phase);
}

static enum runner_result run_all(void *ctx, struct op_source *source, struct runner *r,
				  char err[OPS_ERR_SIZE])
{
	const struct run *run = ctx;
	struct progress progress = { .on = !run->quiet && words_redraws(stderr), .phase = "" };
	enum runner_result result = RUNNER_OK;
	char phase[64] = "";
	struct op op;
	int more;

	progress.phase = phase;
	while ((more = source->next(source, &op, err)) > 0) {
		if (op.kind == OP_PHASE && op.text)
			snprintf(phase, sizeof(phase), "%s", op.text);
		result = runner_step(r, &op, err);
		if (result != RUNNER_OK)
			break;
		show_progress(&progress, r, source);
	}
	if (more < 0)
		result = RUNNER_BAD;
	else if (result == RUNNER_OK)
		result = runner_finish(r, err);
	if (progress.on)
		words_progress_over(stderr);
	return result;
}

/* More swap is no help where the disk has no room for what there is. */
static const char *hint(const struct runner *r, const char *err)
{
	char refused[RUNNER_REFUSED_SIZE];

	return strstr(err, "found OOM") && !runner_swap_refused(r, refused)
		       ? " (out of memory: --frames and --swap give more)"
		       : "";
}

int cmd_run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "WORKLOAD",
		.doc = "Carry out a workload and show what happened.\v"
		       "WORKLOAD is a file in the workload language (FILE.rmw), a record of a real "
		       "program "
		       "(FILE.rmrec), or a generator as fork-cow:children=1000,pages=1000 (see "
		       "--list).\n\n"
		       "  rmap run --check fork-cow:children=200,pages=1000\n"
		       "        a parent and its children, everything held against the page "
		       "tables\n"
		       "  rmap run --frames 25% workloads/records/redis.rmrec\n"
		       "        a recorded program in a quarter of its memory, swapping\n"
		       "  rmap run --check=1 workloads/tour.rmw\n"
		       "        a file, checked after each operation\n"
		       "  rmap run --design lineage --json prefork:workers=20 > prefork.json\n"
		       "        on another reverse map, for other programs\n\n"
		       "Exit code: 0 all is well; 1 an expectation, a check or contents were "
		       "wrong; 2 the "
		       "command line or a file cannot be used.",
	};
	struct run run = { .options = { .seed = 1 } };
	char err[OPS_ERR_SIZE] = "";
	enum runner_result result;
	struct op_source *source;
	struct runner *r;

	argp_err_exit_status = EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &run))
		return EXIT_USAGE;
	if (run.list) {
		list_generators();
		return 0;
	}
	result = run.percent ? machine_measure(run.workload, run.percent, &run.options, run_all,
					       &run, err)
			     : RUNNER_OK;
	if (result != RUNNER_OK) {
		fprintf(stderr, "rmap run: before --frames %llu%%: %s\n",
			(unsigned long long)run.percent, err);
		return result == RUNNER_FAILED ? EXIT_WRONG : EXIT_USAGE;
	}
	if (source_open(run.workload, &source, err)) {
		fprintf(stderr, "rmap run: %s\n", err);
		return EXIT_USAGE;
	}
	if (runner_create(&run.options, source, &r, err)) {
		fprintf(stderr, "rmap run: %s\n", err);
		source->close(source);
		return EXIT_USAGE;
	}
	result = run_all(&run, source, r, err);
	if (run.json)
		runner_print_json(r, stdout, result, result == RUNNER_OK ? NULL : err);
	else if (!run.quiet && result != RUNNER_BAD)
		runner_print(r, stdout);
	if (result != RUNNER_OK) {
		fflush(stdout);
		fprintf(stderr, "rmap run: %s%s\n", err, hint(r, err));
	}
	runner_destroy(r);
	source->close(source);
	return result == RUNNER_OK ? 0 : result == RUNNER_FAILED ? EXIT_WRONG : EXIT_USAGE;
}
