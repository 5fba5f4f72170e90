// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap sharing: what a group of running processes shares, within and beyond it, and what broke off.
 */
#include "commands.h"
#include "number.h"
#include "output.h"
#include "sharing_check.h"
#include "sharing_count.h"
#include "sharing_show.h"
#include "words.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXIT_WRONG    1
#define EXIT_BAD      2
#define TOP	      20
#define CHECKS	      100 /* others come and go while it is counted */
#define CHECK_SECONDS 10

enum {
	KEY_TREE = 256,
	KEY_MATCH,
	KEY_WATCH,
	KEY_JSON,
	KEY_CSV,
	KEY_SAVE,
	KEY_DIFF,
	KEY_VMAS,
	KEY_TOP,
	KEY_CHECK,
	KEY_PROC,
	KEY_FRAMES
};

struct arguments {
	struct live_choice choice;
	const char *root, *save, *diff[2];
	uint64_t frames;
	double watch; /* seconds; 0: once */
	size_t top;
	unsigned int nr_diff;
	bool is_diff, json, csv, vmas, check;
};

static const struct argp_option options[] = {
	{ "tree", KEY_TREE, "PID", 0, "Process PID and all its descendants", 0 },
	{ "match", KEY_MATCH, "NAME", 0, "Processes of this name (a pattern as 'post*')", 0 },
	{ "vmas", KEY_VMAS, NULL, 0, "Show each VMA, too", 0 },
	{ "top", KEY_TOP, "N", 0, "Rows of a table, the largest ones; 0: all (default: 20)", 0 },
	{ "watch", KEY_WATCH, "SECONDS", OPTION_ARG_OPTIONAL,
	  "Again and again, every 2 seconds or so many", 0 },
	{ "json", KEY_JSON, NULL, 0, "Print JSON (with --vmas: of each VMA, too)", 0 },
	{ "csv", KEY_CSV, NULL, 0, "Print CSV, a line for each VMA", 0 },
	{ "save", KEY_SAVE, "FILE", 0, "Write the state to FILE as well, for --diff", 0 },
	{ "diff", KEY_DIFF, NULL, 0, "Compare two saved states, FILE and FILE, instead", 0 },
	{ "check", KEY_CHECK, NULL, 0,
	  "Hold the sums against the kernel's smaps_rollup (the same of processes that stand "
	  "still)",
	  0 },
	{ "proc", KEY_PROC, "DIR", OPTION_HIDDEN, "Look there instead of /proc", 0 },
	{ "frames", KEY_FRAMES, "N", OPTION_HIDDEN, "Room of the table that frames are counted in",
	  0 },
	{ 0 },
};

static void parse_word(struct arguments *a, const char *arg, struct argp_state *state)
{
	char err[LIVE_ERR_SIZE];

	if (a->is_diff) {
		if (a->nr_diff == 2)
			argp_error(state, "--diff compares two files, no more");
		a->diff[a->nr_diff++] = arg;
	} else if (live_choice_pid(&a->choice, arg, err)) {
		argp_error(state, "%s", err);
	}
}

static void parse_end(const struct arguments *a, struct argp_state *state)
{
	if (a->is_diff) {
		if (a->nr_diff < 2)
			argp_error(state, "--diff wants two files");
		if (!live_choice_empty(&a->choice) || a->save || a->watch > 0 || a->json || a->csv)
			argp_error(state, "--diff goes with files and --top alone");
		return;
	}
	if (live_choice_empty(&a->choice))
		argp_error(state, "processes are wanted: PID..., --tree PID or --match NAME");
	if (a->json + a->csv + (a->watch > 0) > 1)
		argp_error(state, "--json, --csv and --watch: one of them");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;
	char err[LIVE_ERR_SIZE];

	switch (key) {
	case KEY_TREE:
		if (live_choice_tree(&a->choice, arg, err))
			argp_error(state, "%s", err);
		break;
	case KEY_MATCH:
		if (live_choice_match(&a->choice, arg, err))
			argp_error(state, "%s", err);
		break;
	case KEY_WATCH:
		a->watch = arg ? number_seconds(state, "--watch", arg, 0.1, 86400) : 2;
		break;
	case KEY_JSON:
		a->json = true;
		break;
	case KEY_CSV:
		a->csv = true;
		break;
	case KEY_SAVE:
		a->save = arg;
		break;
	case KEY_DIFF:
		a->is_diff = true;
		break;
	case KEY_VMAS:
		a->vmas = true;
		break;
	case KEY_TOP:
		a->top = number_option(state, "--top", arg, 0, 1000000);
		break;
	case KEY_CHECK:
		a->check = true;
		break;
	case KEY_PROC:
		a->root = arg;
		break;
	case KEY_FRAMES:
		a->frames = number_option(state, "--frames", arg, 0, (uint64_t)1 << 32);
		break;
	case ARGP_KEY_ARG:
		parse_word(a, arg, state);
		break;
	case ARGP_KEY_END:
		parse_end(a, state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "PID...\n--tree PID\n--match NAME\n--diff FILE FILE",
	.doc = "Say what running processes share: of each process and file, which pages are "
	       "private, "
	       "shared within this group only, shared beyond it, in swap."
	       "\v  rmap sharing --tree 4242\n"
	       "        a server and all its workers\n"
	       "  rmap sharing --match redis-server\n"
	       "        by name, here while Redis saves in the background\n"
	       "  rmap sharing --watch --tree 4242\n"
	       "        how sharing wears off, every two seconds\n"
	       "  rmap sharing --vmas --top 5 --tree 4242\n"
	       "        which VMAs of the largest five\n"
	       "  rmap sharing --save before.json --tree 4242; ...\n"
	       "  rmap sharing --save after.json --tree 4242\n"
	       "  rmap sharing --diff before.json after.json\n"
	       "        what has changed, by file and name\n"
	       "\n"
	       "'private' is mapped once; 'within': all who map it are of the group; 'beyond': "
	       "others "
	       "map it, too; pss: each page divided by how often it is mapped. Bars: # private, = "
	       "within, - beyond, ~ swapped.\n"
	       "\n"
	       "Needs CAP_SYS_ADMIN, for frame numbers, and leave to look into the processes. "
	       "Without "
	       "it private, shared and swapped are told apart, not within and beyond. Reads only.\n"
	       "Of PID... those that have ended are left out, and named on standard error.\n"
	       "Exit code: 0; 1 when --check found a difference; 2 when it could not be done.",
};

/* -- output ----------------------------------------------------------------------------------------- */

static unsigned int terminal_columns(void)
{
	const char *columns = getenv("COLUMNS");
	unsigned int terminal = words_terminal(stdout);

	if (terminal)
		return terminal;
	return columns && atoi(columns) > 0 && atoi(columns) < 10000 ? (unsigned int)atoi(columns)
								     : 100;
}

static int save(const struct sharing *s, const char *path, char err[LIVE_ERR_SIZE])
{
	json_t *top = sharing_json(s, false);
	FILE *out = fopen(path, "we");
	int ret = !top || !out || json_dumpf(top, out, JSON_INDENT(1));

	if (out && fclose(out))
		ret = -1;
	json_decref(top);
	return ret ? live_fail(err, "%.200s: cannot be written: %s", path, strerror(errno)) : 0;
}

static int show(const struct arguments *a, const struct sharing *s, char err[LIVE_ERR_SIZE])
{
	json_t *top;

	if (a->csv) {
		sharing_print_csv(s);
	} else if (a->json) {
		top = sharing_json(s, a->vmas);
		json_dumpf(top, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(top);
	} else if (sharing_print(s, terminal_columns(), a->top, a->vmas)) {
		return live_fail(err, "no memory for the table");
	}
	return a->save ? save(s, a->save, err) : 0;
}

/* What --check found. EXIT_WRONG, or 0. */
static int print_verdict(const struct sharing_verdict *v)
{
	if (v->wrong)
		words_say(stdout, "%zu of %zu processes differ from the kernel's smaps_rollup",
			  v->wrong, v->held);
	else if (v->moved)
		words_say(stdout,
			  "all %zu processes agree with the kernel's smaps_rollup (of %zu the PSS "
			  "moved meanwhile, as others came and went, and lies between before and "
			  "after)",
			  v->held, v->moved);
	else
		words_say(stdout, "all %zu process%s with the kernel's smaps_rollup", v->held,
			  v->held == 1 ? " agrees" : "es agree");
	return v->wrong ? EXIT_WRONG : 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Counts, again and again, until each process has agreed with the kernel once, or for as long as that may take. */
static int count_and_check(const struct arguments *a, int root, const struct live_procs *procs,
			   struct sharing *s, struct sharing_verdict *verdict,
			   char err[LIVE_ERR_SIZE])
{
	enum sharing_agreed *agreed = calloc(procs->nr + 1, sizeof(*agreed));
	double end = now() + CHECK_SECONDS;
	bool last = false;
	int ret = agreed ? 0 : live_fail(err, "no memory to compare");

	for (unsigned int left = CHECKS; !ret && !last; left--) {
		struct sharing_rollup *before = sharing_rollups(root, procs);

		last = left == 1 || now() > end;
		ret = before ? sharing_count(root, procs, a->frames, s, err)
			     : live_fail(err, "no memory for the kernel's sums");
		if (!ret) {
			sharing_check(root, s, before, last, agreed, verdict);
			last |= !verdict->wrong;
			if (!last)
				sharing_free(s);
		}
		free(before);
	}
	free(agreed);
	return ret;
}

/* Was there anybody to count? 0, or -1 with a sentence. */
static int check_counted(const struct sharing *s, char err[LIVE_ERR_SIZE])
{
	size_t denied = 0;

	for (size_t i = 0; i < s->nr; i++) {
		if (!s->v[i].gone)
			return 0;
		denied += s->v[i].denied;
	}
	if (denied)
		return live_fail(err, "no process of these may be looked at: %s", live_refusal());
	return live_fail(err, "all of the processes have ended");
}

static int once(struct arguments *a, int root, char err[LIVE_ERR_SIZE])
{
	struct sharing_verdict verdict = { 0 };
	struct live_procs procs;
	struct sharing s;
	int ret;

	if (live_procs_choose(root, &a->choice, &procs, err))
		return EXIT_BAD;
	ret = a->check ? count_and_check(a, root, &procs, &s, &verdict, err)
		       : sharing_count(root, &procs, a->frames, &s, err);
	ret = ret ? EXIT_BAD : 0;
	live_procs_free(&procs);
	if (ret)
		return ret;
	if (check_counted(&s, err) || show(a, &s, err)) {
		ret = EXIT_BAD;
	} else if (a->check) {
		ret = print_verdict(&verdict);
	}
	sharing_free(&s);
	return ret;
}

/* Until Ctrl-C, or until nobody is left. */
static int watch(struct arguments *a, int root, char err[LIVE_ERR_SIZE])
{
	const struct timespec pause = { .tv_sec = (time_t)a->watch,
					.tv_nsec = (long)((a->watch - (double)(time_t)a->watch) *
							  1e9) };
	bool redraws = words_redraws(stdout);
	int ret = once(a, root, err);

	while (ret != EXIT_BAD) {
		fflush(stdout);
		nanosleep(&pause, NULL);
		fputs(redraws ? "\033[H\033[2J" : "\n", stdout);
		ret = once(a, root, err);
		if (ret == EXIT_BAD) {
			printf("%s\n", err);
			return 0;
		}
	}
	return ret;
}

int cmd_sharing(int argc, char **argv)
{
	struct arguments a = { .choice.speaker = "rmap sharing",
			       .root = "/proc",
			       .frames = SHARING_FRAMES,
			       .top = TOP };
	char err[LIVE_ERR_SIZE];
	int root, ret;

	argp_err_exit_status = EXIT_BAD;
	if (argp_parse(&argp, argc, argv, 0, NULL, &a))
		return EXIT_BAD;
	if (a.is_diff) {
		ret = sharing_print_diff(a.diff[0], a.diff[1], a.top, err) ? EXIT_BAD : 0;
	} else {
		root = output_check(a.save, err, sizeof(err)) ? -1 : live_root_open(a.root, err);
		ret = root < 0	    ? EXIT_BAD
		      : a.watch > 0 ? watch(&a, root, err)
				    : once(&a, root, err);
		if (root >= 0)
			close(root);
	}
	if (ret == EXIT_BAD)
		fprintf(stderr, "rmap sharing: %s\n", err);
	live_choice_free(&a.choice);
	return ret;
}
