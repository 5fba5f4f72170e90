// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap import: a workload from running processes as they are.
 */
#include "commands.h"
#include "import.h"
#include "output.h"
#include "words.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define EXIT_WRONG 1
#define EXIT_BAD   2

enum { KEY_TREE = 256, KEY_MATCH, KEY_NO_CHECK, KEY_PROC };

struct arguments {
	struct live_choice choice;
	const char *root, *output;
	bool no_check, quiet;
};

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "Write the record to FILE (NAME.rmrec)", 0 },
	{ "tree", KEY_TREE, "PID", 0, "Process PID and all its descendants", 0 },
	{ "match", KEY_MATCH, "NAME", 0, "Processes of this name (a pattern as 'post*')", 0 },
	{ "no-check", KEY_NO_CHECK, NULL, 0, "Do not replay the record and compare the sharing",
	  0 },
	{ "quiet", 'q', NULL, 0, "Print nothing but errors", 0 },
	{ "proc", KEY_PROC, "DIR", OPTION_HIDDEN, "Look there instead of /proc", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;
	char err[LIVE_ERR_SIZE];

	switch (key) {
	case 'o':
		a->output = arg;
		break;
	case 'q':
		a->quiet = true;
		break;
	case KEY_TREE:
		if (live_choice_tree(&a->choice, arg, err))
			argp_error(state, "%s", err);
		break;
	case KEY_MATCH:
		if (live_choice_match(&a->choice, arg, err))
			argp_error(state, "%s", err);
		break;
	case KEY_NO_CHECK:
		a->no_check = true;
		break;
	case KEY_PROC:
		a->root = arg;
		break;
	case ARGP_KEY_ARG:
		if (live_choice_pid(&a->choice, arg, err))
			argp_error(state, "%s", err);
		break;
	case ARGP_KEY_END:
		if (live_choice_empty(&a->choice))
			argp_error(state,
				   "processes are wanted: PID..., --tree PID or --match NAME");
		if (!a->output)
			argp_error(state, "-o FILE is missing");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "-o FILE PID...\n-o FILE --tree PID\n-o FILE --match NAME",
	.doc = "Make a workload of running processes as they are: their layouts, their fork tree, "
	       "which "
	       "pages they share, what is in swap."
	       "\v  rmap import -o pg.rmrec --tree 4242\n"
	       "        a server and all its workers\n"
	       "  rmap compare pg.rmrec\n"
	       "        what each reverse map costs for this very system\n"
	       "  kill -STOP 42 43; rmap import -o two.rmrec 42 43; kill -CONT 42 43\n"
	       "        of processes that stand still, to the page\n"
	       "\n"
	       "The record is replayed at once, with everything checked, and its sharing is "
	       "compared page "
	       "by page with what was found. Contents are not read.\n"
	       "\n"
	       "Needs CAP_SYS_ADMIN, for frame numbers, and leave to look into the processes. "
	       "Reads only.\n"
	       "Of PID... those that have ended are left out, and named on standard error.\n"
	       "Exit code: 0; 1 when the replay's sharing differs; 2 when there is no record.",
};

static int write_bytes(const char *path, const void *bytes, size_t size, char err[LIVE_ERR_SIZE])
{
	FILE *out = fopen(path, "wb");
	bool failed = !out || fwrite(bytes, 1, size, out) != size;

	if (out && fclose(out))
		failed = true;
	return failed ? live_fail(err, "%.200s: cannot be written: %s", path, strerror(errno)) : 0;
}

/* The record in memory. */
static int make(struct arguments *a, struct import *imp, void **bytes, size_t *size,
		char err[LIVE_ERR_SIZE])
{
	struct rmrec_info info = { .time = (uint64_t)time(NULL), .clock = "none" };
	char machine[256], command[LIVE_SAFE_SIZE + 64], safe[LIVE_SAFE_SIZE];
	struct live_procs procs;
	struct utsname u;
	int root = live_root_open(a->root, err), ret;

	if (root < 0)
		return -1;
	ret = live_procs_choose(root, &a->choice, &procs, err);
	if (!ret) {
		ret = import_read(root, &procs, imp, err);
		live_procs_free(&procs);
	}
	close(root);
	if (ret || import_plan(imp, err) || import_tell(imp, err))
		return -1;
	uname(&u);
	snprintf(machine, sizeof(machine), "%.64s %.100s %.64s", u.sysname, u.release, u.machine);
	snprintf(command, sizeof(command), "rmap import (%zu processes, the first: %s)",
		 imp->nr - 1, live_safe(imp->v[1].proc.comm, safe, sizeof(safe)));
	info.machine = machine;
	info.command = command;
	if (rmrec_finish_mem(imp->w, &info, bytes, size))
		return live_fail(err, "no memory for the record");
	return 0;
}

static void print_found(const struct import *imp, const char *path)
{
	printf("%s: %zu process%s, %" PRIu64 " pages (%" PRIu64 " in swap), %" PRIu64
	       " of them anonymous and shared\n",
	       path, imp->nr - 1, imp->nr == 2 ? "" : "es", imp->nr_pages, imp->nr_swapped,
	       imp->nr_shared);
	if (imp->denied)
		words_say(stdout, "processes that may not be looked at (%s): %zu", live_refusal(),
			  imp->denied);
	if (imp->gone)
		printf("processes that ended meanwhile: %zu\n", imp->gone);
	if (imp->conflicts)
		printf("%" PRIu64
		       " pages are shared in a way that no order of forks and writes makes\n",
		       imp->conflicts);
}

static int print_verdict(const struct import_verdict *v)
{
	bool wrong = v->differing || v->misfits;

	printf("replayed: %" PRIu64 " operations, %" PRIu64 " misfits, everything checked\n",
	       v->operations, v->misfits);
	if (v->differing)
		printf("sharing: %" PRIu64 " of %" PRIu64 " pages came out otherwise\n",
		       v->differing, v->pages);
	else
		printf("sharing: all %" PRIu64 " pages are shared by the same processes\n",
		       v->pages);
	return wrong ? EXIT_WRONG : 0;
}

static int carry_out(struct arguments *a, struct import *imp, char err[LIVE_ERR_SIZE])
{
	struct import_verdict verdict;
	void *bytes = NULL;
	size_t size;
	int ret = EXIT_BAD;

	if (output_check(a->output, err, LIVE_ERR_SIZE) || make(a, imp, &bytes, &size, err) ||
	    write_bytes(a->output, bytes, size, err))
		goto out;
	if (!a->quiet)
		print_found(imp, a->output);
	ret = 0;
	if (a->no_check)
		goto out;
	if (import_check(imp, bytes, size, &verdict, err))
		ret = EXIT_BAD;
	else if (a->quiet)
		ret = verdict.differing || verdict.misfits ? EXIT_WRONG : 0;
	else
		ret = print_verdict(&verdict);
out:
	free(bytes);
	return ret;
}

int cmd_import(int argc, char **argv)
{
	struct arguments a = { .root = "/proc", .choice.speaker = "rmap import" };
	struct import imp = { 0 };
	char err[LIVE_ERR_SIZE];
	int ret;

	argp_err_exit_status = EXIT_BAD;
	if (argp_parse(&argp, argc, argv, 0, NULL, &a))
		return EXIT_BAD;
	ret = carry_out(&a, &imp, err);
	if (ret == EXIT_BAD)
		fprintf(stderr, "rmap import: %s\n", err);
	import_free(&imp);
	live_choice_free(&a.choice);
	return ret;
}
