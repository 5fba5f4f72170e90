// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap-fuzz: random sequences of operations by the million, under all designs at once.
 *
 * Sequences come in chunks of a hundred seeds. Some processes each take a chunk, and what a chunk came to is counted when it is done, so that
 * the state file always holds whole chunks, and a run that was stopped, killed or interrupted goes on where it was with the
 * same command: chunks that were under way are done again. A seed that fails is written down, shrunk and printed as a
 * workload; the others go on.
 */
#include "fuzz_ops.h"
#include "number.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK	     100u /* sequences */
#define JOBS_MOST    64u
#define LENGTH_MOST  OPS_RECORDS
#define FAILED_MOST  64u
#define HANG_SECONDS 120u
#define NO_CHUNK     UINT64_MAX

struct arguments {
	uint64_t first, last; /* seeds; last 0: without end */
	uint64_t operations;  /* enough, for all runs of the state file together; 0: without end */
	uint64_t seconds;     /* 0: without end */
	uint64_t reproduce;   /* this seed alone, 0: none */
	uint32_t records;     /* 0: by the seed */
	uint32_t jobs;
	uint32_t check_every;
	const char *state;
	const char *design;
	bool quiet;
};

/* Shared with one worker; written by it, but for chunk. */
struct slot {
	_Atomic uint64_t seed; /* under way */
	_Atomic bool done;
	pid_t pid;	/* 0: none; the parent's */
	uint64_t chunk; /* the parent's */
	struct ops_stats stats;
	uint64_t failed; /* the seed that was wrong; 0: none */
	uint64_t after;	 /* with failed: the next seed of the chunk */
	char wrong[OPS_ERR_SIZE];
};

struct run {
	const struct arguments *args;
	struct slot *slot;
	struct ops_stats total;
	double seconds;	 /* of runs before this one */
	uint64_t next;	 /* chunk to be given out */
	uint64_t *again; /* chunks that were under way when a run ended */
	uint32_t nr_again;
	uint64_t failed[FAILED_MOST];
	uint32_t nr_failed;
	uint64_t began; /* ns */
};

static volatile sig_atomic_t stop;

static void on_stop(int number)
{
	(void)number;
	stop = 1;
}

/* Long ones get deep, short ones come to many beginnings. */
static uint32_t length_of(const struct arguments *args, uint64_t seed)
{
	static const uint32_t lengths[] = { 60, 250, 250, 600, 600, 1200, 1200, 3000 };

	return args->records ? args->records : lengths[(seed * 0x9e3779b97f4a7c15u) >> 61];
}

static size_t make(const struct arguments *args, uint64_t seed, uint8_t *data)
{
	return ops_random(seed, length_of(args, seed), data);
}

static struct ops_options options_of(const struct arguments *args)
{
	return (struct ops_options){ .check_every = args->check_every, .design = args->design };
}

/* ---------------------------------------------------------------- a worker */

static uint64_t chunk_first(const struct arguments *args, uint64_t chunk)
{
	return args->first + chunk * CHUNK;
}

static uint64_t chunk_end(const struct arguments *args, uint64_t chunk)
{
	uint64_t end = chunk_first(args, chunk) + CHUNK;

	return args->last && end > args->last + 1 ? args->last + 1 : end;
}

/* Leaves after a sequence that was wrong: its machines are in no state to be cleared away. */
_Noreturn static void work(const struct arguments *args, struct slot *slot, uint64_t from)
{
	struct ops_options options = options_of(args);
	static uint8_t data[OPS_BYTES];

	for (uint64_t seed = from; seed < chunk_end(args, slot->chunk); seed++) {
		atomic_store(&slot->seed, seed);
		alarm(HANG_SECONDS);
		ops_run(data, make(args, seed, data), &options, &slot->stats, slot->wrong);
		if (slot->wrong[0]) {
			slot->failed = seed;
			slot->after = seed + 1;
			_exit(1);
		}
	}
	atomic_store(&slot->done, true);
	_exit(0);
}

static void start(struct run *run, struct slot *slot, uint64_t from)
{
	pid_t child;

	fflush(stdout);
	slot->failed = 0;
	slot->wrong[0] = '\0';
	atomic_store(&slot->done, false);
	child = fork();
	if (child == 0) {
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_DFL);
		work(run->args, slot, from);
	}
	slot->pid = child;
	if (child < 0) {
		fprintf(stderr, "rmap-fuzz: a process cannot be made: %s\n", strerror(errno));
		exit(2);
	}
}

/* ---------------------------------------------------------------- the state file */

#define STATE_MAGIC "rmap-fuzz 1"

static void write_state(const struct run *run)
{
	const struct arguments *a = run->args;
	const struct ops_stats *t = &run->total;
	double now = run->seconds + (double)(runner_now() - run->began) / 1e9;
	char temporary[4096];
	FILE *f;

	if (!a->state)
		return;
	snprintf(temporary, sizeof(temporary), "%s.new", a->state);
	f = fopen(temporary, "w");
	if (!f) {
		fprintf(stderr, "rmap-fuzz: %s: %s\n", temporary, strerror(errno));
		return;
	}
	fprintf(f, STATE_MAGIC "\nfirst %" PRIu64 "\nrecords %u\nnext %" PRIu64 "\nseconds %.3f\n",
		a->first, a->records, run->next, now);
	fprintf(f, "sequences %" PRIu64 "\nsteps %" PRIu64 "\noperations %" PRIu64 "\n",
		t->sequences, t->steps, t->operations);
	fprintf(f, "errors %" PRIu64 "\ninjected %" PRIu64 "\ncut %" PRIu64 "\n", t->failed,
		t->injected, t->cut);
	fprintf(f, "checks %" PRIu64 "\nwalked %" PRIu64 "\ncompared %" PRIu64 "\n", t->checks,
		t->walked, t->compared);
	for (uint32_t i = 0; i < run->nr_again; i++)
		fprintf(f, "again %" PRIu64 "\n", run->again[i]);
	for (uint32_t i = 0; i < a->jobs; i++)
		if (run->slot[i].chunk != NO_CHUNK)
			fprintf(f, "again %" PRIu64 "\n", run->slot[i].chunk);
	for (uint32_t i = 0; i < run->nr_failed; i++)
		fprintf(f, "failed %" PRIu64 "\n", run->failed[i]);
	if (fclose(f) || rename(temporary, a->state))
		fprintf(stderr, "rmap-fuzz: %s: %s\n", a->state, strerror(errno));
}

static bool add_again(struct run *run, uint64_t chunk)
{
	uint64_t *again = realloc(run->again, (run->nr_again + 1) * sizeof(*again));

	if (!again)
		return false;
	run->again = again;
	again[run->nr_again++] = chunk;
	return true;
}

/* One line of it; false: it makes no sense. */
static bool read_line(struct run *run, const char *name, double value, uint64_t number)
{
	struct ops_stats *t = &run->total;
	const struct {
		const char *name;
		uint64_t *field;
	} fields[] = {
		{ "next", &run->next },	  { "sequences", &t->sequences },
		{ "steps", &t->steps },	  { "operations", &t->operations },
		{ "errors", &t->failed }, { "injected", &t->injected },
		{ "cut", &t->cut },	  { "checks", &t->checks },
		{ "walked", &t->walked }, { "compared", &t->compared },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!strcmp(name, fields[i].name)) {
			*fields[i].field = number;
			return true;
		}
	if (!strcmp(name, "seconds"))
		run->seconds = value;
	else if (!strcmp(name, "again"))
		return add_again(run, number);
	else if (!strcmp(name, "failed") && run->nr_failed < FAILED_MOST)
		run->failed[run->nr_failed++] = number;
	else if (!strcmp(name, "first"))
		return number == run->args->first;
	else if (!strcmp(name, "records"))
		return number == run->args->records;
	else
		return false;
	return true;
}

static void read_state(struct run *run)
{
	FILE *f = run->args->state ? fopen(run->args->state, "r") : NULL;
	char line[256], name[32], number[64];
	bool good;

	if (!f)
		return;
	good = fgets(line, sizeof(line), f) && !strcmp(line, STATE_MAGIC "\n");
	while (good && fgets(line, sizeof(line), f))
		good = sscanf(line, "%31s %63s", name, number) == 2 &&
		       read_line(run, name, strtod(number, NULL), strtoull(number, NULL, 10));
	fclose(f);
	if (good)
		return;
	fprintf(stderr,
		"rmap-fuzz: %s is no state of a run with these seeds and records; name another "
		"file\n",
		run->args->state);
	exit(2);
}

/* ---------------------------------------------------------------- what was found */

static void print_failed(const struct arguments *args, uint64_t seed, FILE *out)
{
	struct ops_options options = options_of(args);
	static uint8_t data[OPS_BYTES];
	size_t size = make(args, seed, data), before = size;
	struct ops_stats stats = { 0 };
	char wrong[OPS_ERR_SIZE];
	uint64_t tries = 0;
	pid_t child;

	if (!ops_fails(data, size, &options)) {
		fprintf(out, "# seed %" PRIu64 " does not fail when it is run again\n", seed);
		return;
	}
	size = ops_shrink(data, size, &options, &tries);
	fprintf(out, "# seed %" PRIu64 ": %zu of %zu records are needed (%" PRIu64 " tries)\n",
		seed, (size - OPS_HEAD) / OPS_RECORD, (before - OPS_HEAD) / OPS_RECORD, tries);
	fprintf(out, "# bytes:");
	for (size_t i = 0; i < size; i++)
		fprintf(out, "%s%02x", (i - OPS_HEAD) % OPS_RECORD ? "" : " ", data[i]);
	fprintf(out, "\n");
	fflush(out);
	child = fork();
	if (child == 0) {
		alarm(HANG_SECONDS);
		options.print = out;
		ops_run(data, size, &options, &stats, wrong);
		fprintf(out, "# %s\n", wrong);
		fflush(out);
		_exit(0);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

static void note_failed(struct run *run, struct slot *slot, int status)
{
	uint64_t seed = atomic_load(&slot->seed);

	if (run->nr_failed < FAILED_MOST)
		run->failed[run->nr_failed++] = seed;
	if (slot->wrong[0])
		printf("\nseed %" PRIu64 ": %s\n", seed, slot->wrong);
	else
		printf("\nseed %" PRIu64 ": ended by signal %d\n", seed,
		       WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	if (!run->args->quiet)
		print_failed(run->args, seed, stdout);
	fflush(stdout);
}

/* ---------------------------------------------------------------- the run */

static void add_stats(struct ops_stats *sum, const struct ops_stats *more)
{
	uint64_t a[sizeof(*sum) / sizeof(uint64_t)], b[sizeof(*sum) / sizeof(uint64_t)];

	memcpy(a, sum, sizeof(a));
	memcpy(b, more, sizeof(b));
	for (size_t i = 0; i < sizeof(a) / sizeof(a[0]); i++)
		a[i] += b[i];
	memcpy(sum, a, sizeof(a));
}

static bool enough(const struct run *run)
{
	const struct arguments *a = run->args;

	return stop || (a->operations && run->total.operations >= a->operations) ||
	       (a->seconds && runner_now() - run->began >= a->seconds * 1000000000u);
}

static bool next_chunk(struct run *run, uint64_t *chunk)
{
	if (run->nr_again) {
		*chunk = run->again[--run->nr_again];
		return true;
	}
	if (run->args->last && chunk_first(run->args, run->next) > run->args->last)
		return false;
	*chunk = run->next++;
	return true;
}

static bool give_out(struct run *run, struct slot *slot)
{
	if (enough(run) || !next_chunk(run, &slot->chunk))
		return false;
	memset(&slot->stats, 0, sizeof(slot->stats));
	start(run, slot, chunk_first(run->args, slot->chunk));
	return true;
}

/* A worker has ended: with its chunk, or before. */
static void take_back(struct run *run, struct slot *slot, int status)
{
	uint64_t seed = atomic_load(&slot->seed) + 1;

	slot->pid = 0;
	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGKILL)) {
		/* Somebody wants us to stop: nothing of the chunk counts. */
		stop = 1;
		if (!add_again(run, slot->chunk))
			exit(2);
		slot->chunk = NO_CHUNK;
		return;
	}
	if (!atomic_load(&slot->done)) {
		note_failed(run, slot, status);
		if (seed < chunk_end(run->args, slot->chunk) && !stop) {
			start(run, slot, seed);
			return;
		}
	}
	add_stats(&run->total, &slot->stats);
	slot->chunk = NO_CHUNK;
	write_state(run);
}

static struct slot *slot_of(struct run *run, pid_t pid)
{
	for (uint32_t i = 0; i < run->args->jobs; i++)
		if (run->slot[i].pid == pid)
			return &run->slot[i];
	return NULL;
}

static void progress(const struct run *run, bool last)
{
	const struct ops_stats *t = &run->total;
	double here = (double)(runner_now() - run->began) / 1e9, all = run->seconds + here;
	uint64_t goal = run->args->operations;

	printf("%s%" PRIu64 " operations%s in %.0f s, %.0f a second; seeds %" PRIu64 " to %" PRIu64
	       "; %" PRIu64 " checks; %u failed%s",
	       isatty(1) ? "\r" : "", t->operations, goal ? "" : " so far", all,
	       all > 0 ? (double)t->operations / all : 0, run->args->first,
	       chunk_end(run->args, run->next ? run->next - 1 : 0) - 1, t->checks, run->nr_failed,
	       isatty(1) && !last ? "" : "\n");
	fflush(stdout);
}

static void summary(const struct run *run)
{
	const struct ops_stats *t = &run->total;

	progress(run, true);
	printf("sequences    %12" PRIu64 "\n", t->sequences);
	printf("steps        %12" PRIu64 "   operations of sequences, each under all designs\n",
	       t->steps);
	printf("operations   %12" PRIu64 "   calls of one design\n", t->operations);
	printf("  errors     %12" PRIu64 "   steps that came to an error, under all alike\n",
	       t->failed);
	printf("  injected   %12" PRIu64 "   in which an allocation or a device failed to order\n",
	       t->injected);
	printf("cut          %12" PRIu64 "   sequences that ended early for want of memory\n",
	       t->cut);
	printf("checks       %12" PRIu64 "   of one design's machine, %" PRIu64 " pages walked\n",
	       t->checks, t->walked);
	printf("compared     %12" PRIu64 "   views of two designs\n", t->compared);
	printf("failed       %12u", run->nr_failed);
	for (uint32_t i = 0; i < run->nr_failed; i++)
		printf("%s%" PRIu64, i ? " " : "   seeds ", run->failed[i]);
	printf("\n");
	if (t->operations < run->args->operations)
		printf("stopped before %" PRIu64 " operations%s\n", run->args->operations,
		       run->args->state ? "; the same command goes on" : "");
	printf("%s\n", run->nr_failed ? "something is wrong" : "nothing wrong");
}

static void run_all(struct run *run)
{
	uint64_t told = runner_now();
	uint32_t busy = 0;

	for (uint32_t i = 0; i < run->args->jobs; i++) {
		run->slot[i].chunk = NO_CHUNK;
		busy += give_out(run, &run->slot[i]);
	}
	while (busy) {
		int status;
		pid_t pid = waitpid(-1, &status, 0);
		struct slot *slot = pid > 0 ? slot_of(run, pid) : NULL;

		if (pid < 0 && errno != EINTR) {
			fprintf(stderr, "rmap-fuzz: %s\n", strerror(errno));
			exit(2);
		}
		if (!slot)
			continue;
		take_back(run, slot, status);
		if (!slot->pid && !give_out(run, slot))
			busy--;
		if (!run->args->quiet &&
		    runner_now() - told > (isatty(1) ? 1u : 30u) * 1000000000u) {
			progress(run, false);
			told = runner_now();
		}
	}
	write_state(run);
}

/* ---------------------------------------------------------------- the command */

static const struct argp_option argp_options[] = {
	{ "seeds", 's', "A..B", 0, "these seeds (1..; B may be left out)", 0 },
	{ "ops", 'n', "N", 0,
	  "stop when so many operations are done, those of runs before included", 0 },
	{ "seconds", 't', "N", 0, "stop after so long", 0 },
	{ "records", 'l', "N", 0, "of each sequence (by its seed: 60 to 3,000)", 0 },
	{ "jobs", 'j', "N", 0, "processes at a time (1)", 0 },
	{ "check", 'c', "N", 0, "steps between check points (by length: 1, 8 or 64)", 0 },
	{ "state", 'f', "FILE", 0, "go on from there, and write there how far it is", 0 },
	{ "design", 'd', "NAME", 0, "this one alone", 0 },
	{ "reproduce", 'r', "SEED", 0, "shrink this one and print it as a workload", 0 },
	{ "quiet", 'q', NULL, 0, "no progress, and failing seeds are only named", 0 },
	{ 0 },
};

static void seeds(struct argp_state *state, char *text, struct arguments *a)
{
	char *dots = strstr(text, "..");

	if (!dots)
		argp_error(state, "seeds are A..B");
	*dots = '\0';
	a->first = number_option(state, "--seeds", text, 0, UINT64_MAX / 2);
	a->last = dots[2] ? number_option(state, "--seeds", dots + 2, 0, UINT64_MAX / 2) : 0;
	if (dots[2] && a->last < a->first)
		argp_error(state, "the last seed is before the first");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 's':
		seeds(state, arg, a);
		break;
	case 'n':
		a->operations = number_option(state, "--ops", arg, 0, UINT64_MAX);
		break;
	case 't':
		a->seconds = number_option(state, "--seconds", arg, 0, UINT32_MAX);
		break;
	case 'l':
		a->records = (uint32_t)number_option(state, "--records", arg, 0, LENGTH_MOST);
		break;
	case 'j':
		a->jobs = (uint32_t)number_option(state, "--jobs", arg, 1, JOBS_MOST);
		break;
	case 'c':
		a->check_every = (uint32_t)number_option(state, "--check", arg, 0, UINT32_MAX);
		break;
	case 'f':
		a->state = arg;
		break;
	case 'd':
		if (!rmap_design_by_name(arg))
			argp_error(state, "there is no design '%s'", arg);
		a->design = arg;
		break;
	case 'r':
		a->reproduce = number_option(state, "--reproduce", arg, 0, UINT64_MAX / 2);
		break;
	case 'q':
		a->quiet = true;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is not expected", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp argp = { argp_options,
					  parse,
					  NULL,
					  "Random sequences of operations under all designs at "
					  "once, held against each other, a model of "
					  "contents, and the checker.\v"
					  "rmap-fuzz --ops 1000000000 --jobs 2 --state long.state\n"
					  "rmap-fuzz --reproduce 4711\n\n"
					  "An operation is one call of one design. Exit status: 0, "
					  "nothing wrong; 1, something; 2, a mistake.",
					  NULL,
					  NULL,
					  NULL };
	struct arguments args = { .first = 1, .jobs = 1 };
	struct run run = { .args = &args };
	int i;

	/* Where swap and files of thousands of small machines cost least. */
	if (!access("/dev/shm", W_OK))
		setenv("TMPDIR", "/dev/shm", 0);
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (args.reproduce) {
		print_failed(&args, args.reproduce, stdout);
		return 0;
	}
	read_state(&run);
	run.slot = mmap(NULL, args.jobs * sizeof(*run.slot), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run.slot == MAP_FAILED) {
		fprintf(stderr, "rmap-fuzz: no memory\n");
		return 2;
	}
	signal(SIGINT, on_stop);
	signal(SIGTERM, on_stop);
	run.began = runner_now();
	run_all(&run);
	summary(&run);
	i = run.nr_failed != 0;
	free(run.again);
	return i;
}
