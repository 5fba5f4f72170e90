// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap record: run a command and write down what its whole process tree does with its memory.
 *
 * The order of set-up and undoing is the matter here. The tree is started but waits; the tracing
 * instance, perf's rings and, with --memory, a cgroup with a swap file are made; then it runs. All
 * that was made is undone on every way out, also on the first interrupt, which ends the command
 * kindly and still writes the record, and the second, which kills it. One that comes before the
 * command runs leaves no record.
 */
#include "commands.h"
#include "live_procs.h"
#include "ops.h"
#include "output.h"
#include "record_build.h"
#include "record_limit.h"
#include "record_perf.h"
#include "record_sim.h"
#include "record_trace.h"
#include "record_tree.h"
#include "rmrec.h"
#include "words.h"

#include <argp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXIT_BAD       2
#define DEFAULT_BUFFER 16384u /* KiB a CPU: 50 ms of the fastest faults, eight times over */
#define GRACE_NS       10000000000ull
#define MIN_MEMORY     (1ull << 20)
#define MAX_MEMORY     (1ull << 46)

struct arguments {
	const char *output;
	const char *list;
	char **command;
	uint64_t memory, swap;
	unsigned int buffer_kb;
	bool verify, quiet;
};

struct recording {
	const struct arguments *args;
	struct rec_limit *limit;
	struct rec_tree *tree;
	struct rec_trace *trace;
	struct rec_perf *perf;
	struct rec_raws raws;
	struct rmrec_writer *w;
	sigset_t blocked; /* before interrupts were held */
	uint64_t started, dropped, swap_ins;
	bool progress; /* stderr is a terminal */
};

/* -- the command line ------------------------------------------------------------------------- */

enum { KEY_MEMORY = 256, KEY_SWAP, KEY_BUFFER, KEY_VERIFY, KEY_LIST };

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "Write the record to FILE", 0 },
	{ "memory", KEY_MEMORY, "SIZE", 0,
	  "Let the tree have SIZE bytes of memory (K, M, G) and a swap file for the rest", 0 },
	{ "swap", KEY_SWAP, "SIZE", 0, "Size of that swap file (default: eight times the memory)",
	  0 },
	{ "buffer", KEY_BUFFER, "SIZE", 0, "The kernel's trace buffer for each CPU (default: 16M)",
	  0 },
	{ "verify", KEY_VERIFY, NULL, 0,
	  "Hold the re-enacted layout of each process against the kernel's when it ends", 0 },
	{ "list", KEY_LIST, "FILE", 0, "Print the record FILE as text instead", 0 },
	{ "quiet", 'q', NULL, 0, "Print nothing but errors", 0 },
	{ 0 },
};

static uint64_t parse_memory(const char *text, struct argp_state *state, const char *what)
{
	uint64_t bytes;

	if (ops_parse_size(text, &bytes) || bytes < MIN_MEMORY || bytes > MAX_MEMORY)
		argp_error(state, "%s: '%s' is no size between 1M and 64T", what, text);
	return bytes;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;
	uint64_t bytes;

	switch (key) {
	case 'o':
		a->output = arg;
		break;
	case 'q':
		a->quiet = true;
		break;
	case KEY_MEMORY:
		a->memory = parse_memory(arg, state, "--memory");
		break;
	case KEY_SWAP:
		a->swap = parse_memory(arg, state, "--swap");
		break;
	case KEY_BUFFER:
		bytes = parse_memory(arg, state, "--buffer");
		if (bytes > (uint64_t)1 << 40)
			argp_error(state, "--buffer: '%s' is more than 1T", arg);
		a->buffer_kb = (unsigned int)(bytes >> 10);
		break;
	case KEY_VERIFY:
		a->verify = true;
		break;
	case KEY_LIST:
		a->list = arg;
		break;
	case ARGP_KEY_ARGS:
		a->command = state->argv + state->next;
		break;
	case ARGP_KEY_END:
		if (a->list && (a->command || a->output))
			argp_error(state, "--list takes no command and no -o");
		if (!a->list && !a->output)
			argp_error(state, "-o FILE is missing");
		if (!a->list && !a->command)
			argp_error(state, "the command is missing");
		if (a->swap && !a->memory)
			argp_error(state, "--swap goes with --memory");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "-o FILE [--] COMMAND [ARGUMENT...]\n--list FILE",
	.doc = "Run COMMAND and record what its process tree does with its memory: the layouts "
	       "that "
	       "exec makes, memory calls, page faults, fork and exit. `rmap run FILE` replays it."
	       "\v"
	       "  rmap record -o make.rmrec -- make -j4\n"
	       "        a program and all that it starts\n"
	       "  rmap record --memory 64M -o tight.rmrec -- ./server --port 7000\n"
	       "        the same in little memory, with a swap file of its own\n"
	       "  rmap record --list make.rmrec | head\n"
	       "        what stands in a record\n"
	       "  rmap run --check make.rmrec\n"
	       "        replay it\n\n"
	       "Needs root and a kernel with trace events. Exit code: 0, or 2 when the recording "
	       "failed; how COMMAND ended is printed.",
};

static int complain(const char *what, const char *sentence)
{
	if (what)
		fprintf(stderr, "rmap record: %s: %s\n", what, sentence);
	else
		fprintf(stderr, "rmap record: %s\n", sentence);
	return EXIT_BAD;
}

/* -- recording -------------------------------------------------------------------------------- */

static void show_progress(const struct recording *r)
{
	double seconds = (double)(rec_now() - r->started) / 1e9;

	if (r->progress)
		words_progress(stderr, "recording: %.1f s, %zu tasks, %.1f MiB of events", seconds,
			       rec_tree_alive(r->tree),
			       (double)rec_trace_bytes(r->trace) / (1 << 20));
}

static int set_up(struct recording *r, char err[REC_ERR_SIZE])
{
	const struct arguments *a = r->args;

	if (geteuid() != 0)
		return rec_fail(err, "recording needs root");
	rec_tree_hold_signals(&r->blocked);
	if (output_check(a->output, err, REC_ERR_SIZE))
		return -1;
	rec_limit_clear();
	if (a->memory) {
		r->limit = rec_limit_new(a->memory, a->swap ? a->swap : 8 * a->memory, err);
		if (!r->limit)
			return -1;
	}
	r->trace = rec_trace_new(a->buffer_kb, err);
	if (!r->trace)
		return -1;
	r->tree = rec_tree_new(a->command, r->limit ? rec_limit_procs(r->limit) : NULL, a->verify,
			       &r->blocked, err);
	if (!r->tree)
		return -1;
	r->perf = rec_perf_new(rec_tree_pid(r->tree), err);
	if (!r->perf)
		return -1;
	return rec_trace_start(r->trace, rec_tree_pid(r->tree), err);
}

/* Until the last process has ended. */
static int follow(struct recording *r, char err[REC_ERR_SIZE])
{
	unsigned int handled = 0;
	uint64_t shown = 0, asked = 0;
	int ret = rec_tree_go(r->tree, err);

	while (!ret) {
		uint64_t now = rec_now();

		ret = rec_tree_serve(r->tree, 50, err);
		if (ret <= 0)
			break;
		ret = 0;
		if (rec_perf_drain(r->perf))
			return rec_fail(err, "no memory for perf's events");
		if (rec_tree_interrupts(r->tree) > handled) {
			rec_tree_signal(r->tree, handled ? SIGKILL : SIGTERM, handled > 0);
			handled = rec_tree_interrupts(r->tree);
			asked = now;
		}
		if (asked && now - asked > GRACE_NS)
			rec_tree_signal(r->tree, SIGKILL, true);
		if (now - shown > 200000000u) {
			show_progress(r);
			shown = now;
		}
	}
	if (r->progress)
		words_progress_over(stderr);
	return ret;
}

static char *command_line(char **argv)
{
	size_t n = 1;
	char *text;

	for (int i = 0; argv[i]; i++)
		n += strlen(argv[i]) + 1;
	text = calloc(1, n);
	for (int i = 0; text && argv[i]; i++) {
		strcat(text, i ? " " : "");
		strcat(text, argv[i]);
	}
	return text;
}

static int write_record(struct recording *r, struct rec_build_stats *stats, char err[REC_ERR_SIZE])
{
	struct rmrec_info info = { .dropped = r->dropped,
				   .misfits = stats->misfits,
				   .swap_ins = r->swap_ins,
				   .memory_limit = r->args->memory,
				   .time = (uint64_t)time(NULL),
				   .clock = "mono" };
	struct utsname u;
	char machine[256], sentence[RMREC_ERR_SIZE];
	char *command = command_line(r->args->command);
	int ret;

	uname(&u);
	snprintf(machine, sizeof(machine), "%.64s %.100s %.64s", u.sysname, u.release, u.machine);
	info.machine = machine;
	info.command = command;
	ret = rmrec_finish(r->w, r->args->output, &info, sentence);
	free(command);
	if (ret)
		return rec_fail(err, "%s: %s", r->args->output, sentence);
	return 0;
}

static int make_record(struct recording *r, struct rec_build_stats *stats, char err[REC_ERR_SIZE])
{
	if (rec_trace_decode(r->trace, &r->raws, &r->dropped, err))
		return -1;
	if (rec_perf_take(r->perf, &r->raws, &r->dropped) || rec_tree_take(r->tree, &r->raws))
		return rec_fail(err, "no memory for the events");
	rec_raw_sort(&r->raws);
	r->w = rmrec_writer_new((uint32_t)sysconf(_SC_PAGESIZE));
	if (!r->w)
		return rec_fail(err, "no memory for the record");
	if (rec_build(&r->raws, r->perf, r->tree, r->w, stats, err)) {
		size_t n = strlen(err);

		if (r->dropped)
			snprintf(err + n, REC_ERR_SIZE - n,
				 " (the kernel dropped %" PRIu64 " events: try a larger --buffer)",
				 r->dropped);
		return -1;
	}
	return write_record(r, stats, err);
}

static void print_end(const struct recording *r)
{
	int status = rec_tree_status(r->tree);

	if (WIFSIGNALED(status))
		printf("the command was ended by signal %d\n", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		printf("the command ended with exit code %d\n", WEXITSTATUS(status));
}

static void print_summary(const struct recording *r, const struct rec_build_stats *s)
{
	const uint32_t procs = rmrec_writer_procs(r->w);

	printf("%s: %" PRIu64 " events of %" PRIu32 " process%s: %" PRIu64 " fault%s, %" PRIu64
	       " exec%s\n",
	       r->args->output, s->events, procs, procs == 1 ? "" : "es", s->faults,
	       s->faults == 1 ? "" : "s", s->execs, s->execs == 1 ? "" : "s");
	printf("the kernel dropped %" PRIu64 " events\n", r->dropped);
	if (r->limit)
		printf("from swap: %" PRIu64 " pages read, %" PRIu64
		       " faults on pages that had gone\n",
		       r->swap_ins, s->returned);
	printf("%" PRIu64 " events do not fit when re-enacted (%.3f %%)\n", s->misfits,
	       s->events ? 100.0 * (double)s->misfits / (double)s->events : 0.0);
	if (s->late)
		printf("%" PRIu64 " events of processes that had ended were left out\n", s->late);
	if (s->nameless)
		printf("%" PRIu64 " mappings are of a file that is not known\n", s->nameless);
	if (r->args->verify)
		printf("%" PRIu64 " layouts compared with the kernel's at exit, %" PRIu64
		       " differ\n",
		       s->compared, s->differing);
	for (unsigned int i = 0; i < s->nr_whys; i++)
		printf("  %s\n", s->whys[i]);
	print_end(r);
}

static void clean_up(struct recording *r)
{
	rec_tree_free(r->tree); /* a process that still waits has the tracing instance open */
	rec_trace_free(r->trace);
	rec_perf_free(r->perf);
	rec_limit_free(r->limit);
	rmrec_writer_free(r->w);
	free(r->raws.v);
}

static int record(const struct arguments *args)
{
	struct recording r = { .args = args, .progress = words_redraws(stderr) && !args->quiet };
	struct rec_build_stats *stats = calloc(1, sizeof(*stats));
	char err[REC_ERR_SIZE] = "";
	int ret = 0;

	r.started = rec_now();
	if (!stats)
		return complain(NULL, "no memory");
	if (set_up(&r, err))
		ret = complain(NULL, err);
	else if (follow(&r, err))
		ret = complain(args->command[0], err);
	if (r.limit)
		r.swap_ins = rec_limit_swap_ins(r.limit);
	if (!ret) {
		rec_trace_stop(r.trace);
		if (make_record(&r, stats, err))
			ret = complain(NULL, err);
		else if (!args->quiet)
			print_summary(&r, stats);
	}
	clean_up(&r);
	free(stats);
	return ret;
}

/* -- listing ---------------------------------------------------------------------------------- */

static void list_header(const struct rmrec *r)
{
	const struct rmrec_info *info = rmrec_info(r);
	char text[4 * 4096 + 1], machine[1024], clock[256];

	/* A record may come from anywhere: its texts are for the terminal to show, not to obey. */
	printf("command: %s\nmachine: %s\nclock: %s\npage size: %" PRIu32 "\nevents: %" PRIu64
	       "\nfaults: %" PRIu64 "\nprocesses: %" PRIu32 "\ndropped: %" PRIu64
	       "\nmisfits: %" PRIu64 "\nmemory limit: %" PRIu64 "\nfrom swap: %" PRIu64 "\n",
	       live_safe(info->command, text, sizeof(text)),
	       live_safe(info->machine, machine, sizeof(machine)),
	       live_safe(info->clock, clock, sizeof(clock)), info->page_size, info->nr_events,
	       info->nr_faults, info->nr_procs, info->dropped, info->misfits, info->memory_limit,
	       info->swap_ins);
	for (uint32_t i = 1; i <= info->nr_files; i++)
		printf("file %" PRIu32 ": %s %" PRIu64 "\n", i,
		       live_safe(rmrec_file(r, i)->path, text, sizeof(text)),
		       rmrec_file(r, i)->size);
}

static void list_event(const struct rmrec_event *ev)
{
	printf("%" PRIu32 " %s", ev->proc, rmrec_kind_name(ev->kind));
	if (ev->kind == RMREC_FAULT) {
		printf(" %" PRIx64 "%s%s%s%s%s\n", ev->addr,
		       ev->fault & RMREC_F_WRITE ? " write" : "",
		       ev->fault & RMREC_F_EXEC ? " exec" : "",
		       ev->fault & RMREC_F_PRESENT ? " present" : "",
		       ev->fault & RMREC_F_KERNEL ? " kernel" : "",
		       ev->fault & RMREC_F_DENIED ? " denied" : "");
		return;
	}
	if (ev->kind == RMREC_FORK || ev->kind == RMREC_SHARE)
		printf(" %" PRIu32, ev->child);
	if (ev->addr || ev->len)
		printf(" %" PRIx64 " +%" PRIx64, ev->addr, ev->len);
	if (ev->kind == RMREC_VMA || ev->kind == RMREC_MMAP || ev->kind == RMREC_MPROTECT)
		printf(" prot %" PRIu32, ev->prot);
	if (ev->new_len || ev->new_addr)
		printf(" to %" PRIx64 " +%" PRIx64, ev->new_addr, ev->new_len);
	if (ev->flags || ev->vma_flags)
		printf(" flags %" PRIx64, ev->flags | ev->vma_flags);
	if (ev->file)
		printf(" file %" PRIu32 " at %" PRIx64, ev->file, ev->offset);
	if (ev->result)
		printf(" = %" PRIx64, ev->result);
	if (ev->error)
		printf(" failed: %s", strerror((int)ev->error));
	putchar('\n');
}

static int list(const char *path)
{
	char err[RMREC_ERR_SIZE];
	struct rmrec_event ev;
	struct rec_sim *sim;
	struct rmrec *r;
	uint64_t misfits = 0;
	int ret;

	if (rmrec_open(path, &r, err))
		return complain(path, err);
	sim = rec_sim_new(rmrec_info(r)->page_size);
	list_header(r);
	while ((ret = rmrec_next(r, &ev)) > 0) {
		list_event(&ev);
		if (sim && rec_sim_event(sim, &ev) > 0) {
			printf("  does not fit: %s\n", rec_sim_why(sim));
			misfits++;
		}
	}
	if (ret < 0)
		ret = complain(path, rmrec_error(r));
	else
		printf("end: %" PRIu64 " events do not fit, %" PRIu64
		       " faults on pages that had gone\n",
		       misfits, sim ? rec_sim_returned(sim) : 0);
	rec_sim_free(sim);
	rmrec_close(r);
	return ret;
}

int cmd_record(int argc, char **argv)
{
	struct arguments args = { .buffer_kb = DEFAULT_BUFFER };

	argp_err_exit_status = EXIT_BAD;
	/* in order: what follows the command's name is the command's */
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &args))
		return EXIT_BAD;
	return args.list ? list(args.list) : record(&args);
}
