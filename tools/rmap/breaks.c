// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap breaks: follow the write faults that break copy-on-write sharing, and say where they come from.
 *
 *	breaks_target   who is followed: processes that run, or a command
 *	breaks_perf     the kernel's events of them, in order of time
 *	breaks_faults   what came of each write, from those events
 *	breaks_procs    what was mapped where at that time
 *	breaks_stack    who called whom (breaks_unwind, breaks_jit)
 *	breaks_tally    the sums
 *	breaks_names    functions and lines (breaks_module, breaks_kernel)
 *	breaks_print, breaks_json, breaks_flame, breaks_svg
 *
 * All is done while the processes run, since what has ended cannot be asked any more; only names of functions are looked up at the
 * end.
 */
#include "breaks_faults.h"
#include "breaks_index.h"
#include "breaks_report.h"
#include "breaks_target.h"
#include "commands.h"
#include "number.h"
#include "ops.h"
#include "output.h"
#include "words.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXIT_BAD      2
#define DEFAULT_STACK 4096u
#define MAX_STACK     32768u
#define DEFAULT_TOP   15u
#define ROUND_MS      20
/* An event that some CPU is still writing is not older than that; see breaks_perf.c. */
#define SLACK_NS      2000000u
#define GRACE_NS      5000000000u
#define PROGRESS_NS   250000000u

enum form { TABLES, JSON, CSV, FOLDED };

struct arguments {
	struct live_choice choice;
	char **command;
	enum form form;
	const char *output, *svg;
	double seconds; /* 0: until they end */
	struct breaks_perf_options perf;
	size_t top;
	bool debuginfod, quiet;
};

struct run {
	struct arguments *args;
	struct breaks_modules *modules;
	struct breaks_procs *procs;
	struct breaks_stacks *stacks;
	struct breaks_tally *tally;
	struct breaks_names *names;
	struct breaks_perf *perf;
	struct breaks_faults *faults;
	struct breaks_child child;
	uint64_t started, ended;
};

static volatile sig_atomic_t interrupts;

/* -- the command line ------------------------------------------------------------------------- */

enum {
	KEY_TREE = 256,
	KEY_MATCH,
	KEY_SECONDS,
	KEY_JSON,
	KEY_CSV,
	KEY_FOLDED,
	KEY_SVG,
	KEY_TOP,
	KEY_BUFFER,
	KEY_STACK,
	KEY_ALL,
	KEY_DEBUGINFOD,
};

static const struct argp_option options[] = {
	{ "tree", KEY_TREE, "PID", 0, "Follow this process and all its descendants", 0 },
	{ "match", KEY_MATCH, "NAME", 0, "Follow all processes of this name (a shell pattern)", 0 },
	{ "seconds", KEY_SECONDS, "N", 0, "End after so many seconds (a COMMAND is sent SIGTERM)",
	  0 },
	{ "top", KEY_TOP, "N", 0, "Rows of each table (default: 15)", 0 },
	{ "json", KEY_JSON, NULL, 0, "Print everything as JSON", 0 },
	{ "csv", KEY_CSV, NULL, 0, "Print a line for each stack in each VMA", 0 },
	{ "folded", KEY_FOLDED, NULL, 0, "Print stacks and pages for flame-graph programs", 0 },
	{ "svg", KEY_SVG, "FILE", 0, "Draw a flame graph, too", 0 },
	{ "output", 'o', "FILE", 0, "Print to FILE", 0 },
	{ "quiet", 'q', NULL, 0, "Say nothing while it follows", 0 },
	{ "stack", KEY_STACK, "BYTES", 0,
	  "How much of the stack is copied with each fault to find the callers (default: 4K; 0: "
	  "none, "
	  "and only the function that writes is known)",
	  1 },
	{ "buffer", KEY_BUFFER, "SIZE", 0, "The ring of each CPU (default: 16M)", 1 },
	{ "all-cpus", KEY_ALL, NULL, 0,
	  "Watch the whole machine and leave out other processes here, as is done anyway when "
	  "there "
	  "are too many threads to be opened one by one",
	  1 },
	{ "debuginfod", KEY_DEBUGINFOD, NULL, 0,
	  "Let elfutils ask the servers of DEBUGINFOD_URLS for debug information", 1 },
	{ 0 },
};

static uint64_t parse_bytes(const char *text, struct argp_state *state, const char *what,
			    uint64_t least, uint64_t most)
{
	char safe[LIVE_SAFE_SIZE];
	uint64_t bytes;

	if (ops_parse_size(text, &bytes) || bytes < least || bytes > most)
		argp_error(state, "%s: '%s' is no size between %" PRIu64 " and %" PRIu64, what,
			   live_safe(text, safe, sizeof(safe)), least, most);
	return bytes;
}

static void choose_form(struct arguments *a, enum form form, struct argp_state *state)
{
	if (a->form != TABLES && a->form != form)
		argp_error(state, "only one of --json, --csv and --folded");
	a->form = form;
}

static void parse_pid(struct arguments *a, const char *text, struct argp_state *state)
{
	char err[LIVE_ERR_SIZE];

	if (live_choice_pid(&a->choice, text, err))
		argp_error(state, "%s (a command comes behind '--')", err);
}

static void check_target(const struct arguments *a, struct argp_state *state)
{
	if (a->command && !live_choice_empty(&a->choice))
		argp_error(state, "either processes or a command");
	if (!a->command && live_choice_empty(&a->choice))
		argp_error(state,
			   "who is to be followed? PID..., --tree PID, --match NAME or -- COMMAND");
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
	case KEY_SECONDS:
		a->seconds = number_seconds(state, "--seconds", arg, 0.001, 1e8);
		break;
	case KEY_TOP:
		a->top = number_option(state, "--top", arg, 1, 1000000);
		break;
	case KEY_JSON:
		choose_form(a, JSON, state);
		break;
	case KEY_CSV:
		choose_form(a, CSV, state);
		break;
	case KEY_FOLDED:
		choose_form(a, FOLDED, state);
		break;
	case KEY_SVG:
		a->svg = arg;
		break;
	case 'o':
		a->output = arg;
		break;
	case 'q':
		a->quiet = true;
		break;
	case KEY_STACK:
		a->perf.stack = (uint32_t)parse_bytes(arg, state, "--stack", 0, MAX_STACK) & ~7u;
		break;
	case KEY_BUFFER:
		a->perf.buffer = parse_bytes(arg, state, "--buffer", 1u << 17, 1u << 30);
		break;
	case KEY_ALL:
		a->perf.everything = true;
		break;
	case KEY_DEBUGINFOD:
		a->debuginfod = true;
		break;
	case ARGP_KEY_ARG:
		if (state->quoted && state->next > state->quoted) {
			a->command = &state->argv[state->next - 1];
			state->next = state->argc;
		} else {
			parse_pid(a, arg, state);
		}
		break;
	case ARGP_KEY_END:
		check_target(a, state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "PID...\n--tree PID\n--match NAME\n-- COMMAND [ARGUMENT...]",
	.doc = "Follow the write faults that break copy-on-write sharing, and say which functions, "
	       "mappings and processes they come from, how many pages that cost, and when.\v"
	       "  rmap breaks --tree 1234 --seconds 10\n"
	       "        a server and its workers, for ten seconds\n"
	       "  rmap breaks 1234 --svg breaks.svg\n"
	       "        until Ctrl-C, or the process's end; with a picture for a browser\n"
	       "  rmap breaks -- python3 server.py\n"
	       "        a command and all that it starts, from its first instruction on\n"
	       "  rmap breaks --match postgres --seconds 60 --json -o breaks.json\n"
	       "        for other programs\n"
	       "  rmap breaks --tree 1234 --folded | flamegraph.pl > breaks.svg\n"
	       "        for another one's drawing\n\n"
	       "Needs root, or CAP_PERFMON and a readable tracefs; what the processes map comes "
	       "from "
	       "/proc (CAP_SYS_PTRACE for those of others). Lines of the source need debug "
	       "information (packages whose names end in -dbgsym or -dbg); names of functions come "
	       "from what a stripped program exports otherwise.\n\n"
	       "A page is 4 KiB. A write to a huge page splits it, and costs one such page. Of "
	       "PID... those that have ended are left out, and named on standard error.",
};

static int complain(const char *sentence)
{
	fprintf(stderr, "rmap breaks: %s\n", sentence);
	return EXIT_BAD;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* -- set-up ----------------------------------------------------------------------------------- */

static void on_signal(int sig)
{
	(void)sig;
	interrupts++;
}

static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &sa, NULL);
}

static int follow_command(struct run *r, char err[BREAKS_ERR_SIZE])
{
	char **command = r->args->command;

	if (breaks_child_prepare(&r->child, command, err))
		return -1;
	if (!r->args->perf.everything && breaks_perf_follow(r->perf, r->child.pid, true, err))
		return -1;
	r->started = now_ns();
	if (r->args->perf.everything)
		breaks_perf_start(r->perf);
	if (breaks_procs_thread(r->procs, (uint32_t)r->child.pid, (uint32_t)r->child.pid) ==
	    BREAKS_NONE) {
		snprintf(err, BREAKS_ERR_SIZE, "no memory");
		return -1;
	}
	return breaks_child_go(&r->child, command[0], err);
}

/* Whoever is followed is known before the first event of it is looked at. */
static int follow_processes(struct run *r, struct breaks_tasks *tasks, char err[BREAKS_ERR_SIZE])
{
	struct arguments *a = r->args;

	if (!a->perf.everything && breaks_tasks_follow(&a->choice, tasks, r->perf, err))
		return -1;
	r->started = now_ns();
	breaks_perf_start(r->perf);
	for (size_t i = 0; i < tasks->nr; i++) {
		if (breaks_procs_thread(r->procs, (uint32_t)tasks->v[i].pid,
					(uint32_t)tasks->v[i].tid) == BREAKS_NONE) {
			snprintf(err, BREAKS_ERR_SIZE, "no memory");
			return -1;
		}
	}
	return 0;
}

static int make_parts(struct run *r, char err[BREAKS_ERR_SIZE])
{
	r->modules = breaks_modules_new(r->args->debuginfod);
	if (r->modules)
		r->procs = breaks_procs_new(r->modules);
	if (r->procs)
		r->stacks = breaks_stacks_new(r->procs, r->modules);
	if (r->stacks)
		r->names = breaks_names_new(r->stacks, r->modules);
	if (r->names)
		return 0;
	snprintf(err, BREAKS_ERR_SIZE, "no memory");
	return -1;
}

static int set_up(struct run *r, struct arguments *a, char err[BREAKS_ERR_SIZE])
{
	struct breaks_tasks tasks = { 0 };
	int ret;

	if (!a->command && breaks_tasks_list(&a->choice, &tasks, err))
		return -1;
	ret = make_parts(r, err);
	if (!ret) {
		r->perf = breaks_perf_new(&a->perf, err);
		ret = r->perf ? 0 : -1;
	}
	if (!ret && !a->perf.everything && breaks_perf_too_many(r->perf, tasks.nr)) {
		fprintf(stderr,
			"rmap breaks: %zu threads are too many to be opened one by one; the "
			"whole machine is watched\n",
			tasks.nr);
		breaks_perf_free(r->perf);
		a->perf.everything = true;
		r->perf = breaks_perf_new(&a->perf, err);
		ret = r->perf ? 0 : -1;
	}
	if (!ret)
		ret = a->command ? follow_command(r, err) : follow_processes(r, &tasks, err);
	breaks_tasks_free(&tasks);
	if (ret)
		return -1;
	r->tally = breaks_tally_new(r->started);
	if (r->tally)
		r->faults = breaks_faults_new(r->procs, r->stacks, r->tally, a->perf.everything);
	if (r->faults)
		return 0;
	snprintf(err, BREAKS_ERR_SIZE, "no memory");
	return -1;
}

static void clean_up(struct run *r)
{
	if (r->child.pid > 0 && !r->child.ended) {
		close(r->child.go); /* one that still waits ends by that */
		kill(r->child.pid, SIGTERM);
	}
	breaks_faults_free(r->faults);
	breaks_perf_free(r->perf);
	breaks_names_free(r->names);
	breaks_stacks_free(r->stacks);
	breaks_tally_free(r->tally);
	breaks_procs_free(r->procs);
	breaks_modules_free(r->modules);
}

/* -- following -------------------------------------------------------------------------------- */

static void show_progress(const struct run *r, uint64_t now, size_t alive)
{
	words_progress(stderr,
		       "following %zu thread%s for %.1f s: %" PRIu64 " pages, %" PRIu64 " lost",
		       alive, alive == 1 ? "" : "s", (double)(now - r->started) / 1e9,
		       breaks_broken(&r->tally->total), breaks_perf_lost(r->perf));
}

/* When the end was asked for: processes that are not ours are left alone, a command is told. */
static bool is_over(struct run *r, uint64_t now, uint64_t *asked)
{
	bool time_is_up =
		r->args->seconds > 0 && (double)(now - r->started) >= r->args->seconds * 1e9;

	if (!interrupts && !time_is_up)
		return false;
	if (r->child.pid <= 0 || r->child.ended || interrupts > 1)
		return true;
	if (!*asked) {
		kill(r->child.pid, SIGTERM);
		*asked = now;
	}
	return now - *asked > GRACE_NS;
}

/*
 * Programs that take all processors would keep us from emptying the rings until they are full. There is little to do each time, so
 * going first costs them no more than going later; and the kernel itself keeps 5 % of the time from real-time tasks.
 */
static int go_first(void)
{
	struct sched_param param = { .sched_priority = 1 };
	int before = sched_getscheduler(0);

	if (before == SCHED_FIFO || before == SCHED_RR)
		return -1; /* whoever started us knows better */
	/* Where neither is permitted, the number of lost events says whether it mattered. */
	if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param))
		setpriority(PRIO_PROCESS, 0, -20);
	return before;
}

static void go_as(int before)
{
	struct sched_param param = { .sched_priority = 0 };

	if (before >= 0)
		sched_setscheduler(0, before, &param);
}

static int follow(struct run *r, char err[BREAKS_ERR_SIZE])
{
	bool progress = words_redraws(stderr) && !r->args->quiet;
	uint64_t shown = 0, asked = 0, now;
	size_t alive;
	int before;
	long n;

	if (!r->args->quiet) /* whoever waits for it may begin now */
		fprintf(stderr, "following%s\n",
			isatty(STDERR_FILENO) && r->args->seconds <= 0 ? "; Ctrl-C ends it" : "");
	before = go_first();
	do {
		breaks_perf_wait(r->perf, ROUND_MS);
		now = now_ns();
		/* A ring that fills up is worse than two events in the wrong order. */
		n = breaks_perf_take(r->perf,
				     breaks_perf_fill(r->perf) > 0.5 ? now : now - SLACK_NS,
				     breaks_faults_event, r->faults);
		breaks_child_check(&r->child);
		alive = breaks_procs_alive(r->procs, now);
		if (progress && now - shown > PROGRESS_NS) {
			show_progress(r, now, alive);
			shown = now;
		}
	} while (n >= 0 && alive && !is_over(r, now, &asked));
	r->ended = now_ns();
	breaks_perf_stop(r->perf);
	if (n >= 0)
		n = breaks_perf_take(r->perf, UINT64_MAX, breaks_faults_event, r->faults);
	go_as(before);
	if (progress)
		words_progress_over(stderr);
	if (n >= 0)
		return 0;
	snprintf(err, BREAKS_ERR_SIZE, "no memory");
	return -1;
}

/* -- the report ------------------------------------------------------------------------------- */

static double own_cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int to_file(const struct breaks_report *report, const char *path,
		   int (*print)(const struct breaks_report *r, FILE *out))
{
	FILE *out = fopen(path, "we");
	int ret;

	if (!out) {
		fprintf(stderr, "rmap breaks: %s: %s\n", path, strerror(errno));
		return EXIT_BAD;
	}
	ret = print(report, out);
	if (ferror(out) | fclose(out))
		ret = -1;
	if (ret)
		fprintf(stderr, "rmap breaks: %s cannot be written\n", path);
	return ret ? EXIT_BAD : 0;
}

static void say_how_it_ended(const struct run *r)
{
	const struct breaks_child *c = &r->child;

	if (!c->ended)
		return;
	if (WIFSIGNALED(c->status))
		fprintf(stderr, "the command was ended by signal %d\n", WTERMSIG(c->status));
	else if (WEXITSTATUS(c->status))
		fprintf(stderr, "the command ended with exit code %d\n", WEXITSTATUS(c->status));
}

static int report(struct run *r)
{
	static int (*const forms[])(const struct breaks_report *, FILE *) = {
		[TABLES] = breaks_print,
		[JSON] = breaks_print_json,
		[CSV] = breaks_print_csv,
		[FOLDED] = breaks_print_folded,
	};
	const struct arguments *a = r->args;
	struct breaks_report report = { .procs = r->procs,
					.modules = r->modules,
					.stacks = r->stacks,
					.tally = r->tally,
					.names = r->names,
					.seconds = (double)(r->ended - r->started) / 1e9,
					.own_cpu = own_cpu(),
					.taken = breaks_perf_taken(r->perf),
					.lost = breaks_perf_lost(r->perf),
					.open = breaks_faults_open(r->faults),
					.top = a->top };
	int ret = 0;

	say_how_it_ended(r);
	if (a->output)
		ret = to_file(&report, a->output, forms[a->form]);
	else if (forms[a->form](&report, stdout))
		ret = complain("the output cannot be written");
	if (a->svg && to_file(&report, a->svg, breaks_print_svg))
		ret = EXIT_BAD;
	return ret;
}

int cmd_breaks(int argc, char **argv)
{
	struct arguments args = { .top = DEFAULT_TOP, .perf.stack = DEFAULT_STACK };
	struct run r = { .args = &args };
	char err[BREAKS_ERR_SIZE] = "";
	int ret = 0;

	argp_err_exit_status = EXIT_BAD;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &args))
		return EXIT_BAD;
	catch_signals();
	args.choice.speaker = "rmap breaks";
	if (output_check(args.output, err, sizeof(err)) ||
	    output_check(args.svg, err, sizeof(err)) || set_up(&r, &args, err) || follow(&r, err))
		ret = complain(err);
	else
		ret = report(&r);
	clean_up(&r);
	live_choice_free(&args.choice);
	return ret;
}
