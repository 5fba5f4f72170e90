// SPDX-License-Identifier: BSD-2-Clause
/*
 * Rounds, workers, and the file of results. See cases.h.
 */
#include "cases.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <test/weave/words.h>

#define ROUND_FACTOR 8

/* What a worker is at, for whoever prints the progress. Read without order: it is only looked at. */
struct at {
	volatile unsigned int n; /* of the list */
	volatile uint64_t executions;
};

struct shared {
	_Atomic unsigned int next; /* of those to be run in this round */
	struct at at[JOBS_MAX];
};

struct worker {
	pid_t pid;
	FILE *pipe; /* results: number of the case, its JSON */
};

/* A process runs one set of cases. */
static struct {
	struct cases *cases;
	struct shared *shared;
	unsigned int self; /* which worker this process is */
	FILE *file;
	unsigned int *todo, nr_todo, nr_done;
	uint64_t limit;	   /* of this round, nanoseconds for one case; 0: none */
	uint64_t deadline; /* 0: none */
	uint64_t printed;  /* progress, when */
	unsigned int round;
	uint64_t executions; /* of results that are there */
	unsigned int cut, wrong;
	struct worker worker[JOBS_MAX];
} run;

static uint64_t nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *must_have(void *p)
{
	if (!p) {
		fprintf(stderr, "rmap-weave: There is no memory.\n");
		exit(2);
	}
	return p;
}

void cases_add(struct cases *cases, const char *name, const struct op *const *threads,
	       unsigned int nr, const struct rmap_ops *design)
{
	struct run_case *c;

	if (cases->nr == cases->room) {
		cases->room = cases->room ? 2 * cases->room : 256;
		cases->list = must_have(realloc(cases->list, cases->room * sizeof(*cases->list)));
	}
	c = &cases->list[cases->nr++];
	*c = (struct run_case){ .nr = nr, .design = design };
	snprintf(c->name, sizeof(c->name), "%s", name);
	memcpy(c->threads, threads, nr * sizeof(*threads));
}

bool case_settled(const struct run_case *c)
{
	return c->result && (json_is_true(json_object_get(c->result, "complete")) ||
			     json_is_true(json_object_get(c->result, "wrong")));
}

/* ---------------------------------------------------------------- progress */

static void print_progress(void)
{
	const struct cases *cases = run.cases;
	uint64_t executions = run.executions, now = nanoseconds();
	unsigned int i;

	if (!cases->progress || now - run.printed < 200000000u)
		return;
	run.printed = now;
	for (i = 0; i < cases->jobs; i++)
		executions += run.shared->at[i].executions;
	fprintf(stderr, "\rround %u: %u of %u cases, %u cut short, %u wrong; %llu executions; ",
		run.round + 1, run.nr_done, run.nr_todo, run.cut, run.wrong,
		(unsigned long long)executions);
	for (i = 0; i < cases->jobs && i < 2; i++) {
		unsigned int n = run.shared->at[i].n;

		fprintf(stderr, "%s%.24s %s", i ? ", " : "", cases->list[n].name,
			rmap_design_name(cases->list[n].design));
	}
	fprintf(stderr, "\033[K");
}

void case_progress(uint64_t executions)
{
	run.shared->at[run.self].executions = executions;
	if (run.cases->jobs == 1)
		print_progress();
}

/* ---------------------------------------------------------------- the file */

/* Of the program as it runs. */
static void hash_program(char text[17])
{
	FILE *f = fopen("/proc/self/exe", "rb");
	uint64_t word, hash = 0;

	while (f && fread(&word, 1, sizeof(word), f) == sizeof(word))
		hash = word_mix(hash, word);
	if (f)
		fclose(f);
	snprintf(text, 17, "%016llx", (unsigned long long)hash);
}

static struct run_case *case_of(const json_t *result)
{
	const char *name = json_string_value(json_object_get(result, "scenario"));
	const char *design = json_string_value(json_object_get(result, "design"));
	static unsigned int next; /* they mostly come in order */
	unsigned int i;

	for (i = 0; name && design && i < run.cases->nr; i++) {
		unsigned int n = (next + i) % run.cases->nr;
		struct run_case *c = &run.cases->list[n];

		if (!strcmp(c->name, name) && !strcmp(rmap_design_name(c->design), design)) {
			next = n + 1;
			return c;
		}
	}
	return NULL;
}

static void write_line(json_t *value)
{
	char *text = must_have(json_dumps(value, JSON_COMPACT));

	fprintf(run.file, "%s\n", text);
	free(text);
	if (fflush(run.file)) {
		fprintf(stderr, "rmap-weave: %s: %s\n", run.cases->file, strerror(errno));
		exit(2);
	}
}

static void take_result(struct run_case *c, json_t *result)
{
	json_decref(c->result);
	c->result = result;
}

/*
 * A line that was broken off, as by a full disk or a power cut, ends what is read. What is in the file is written again: so the next
 * result stands on a line of its own.
 */
static void read_file(json_t *head)
{
	struct cases *cases = run.cases;
	FILE *f = fopen(cases->file, "r");
	char *line = NULL;
	size_t size = 0;
	bool first = true;
	unsigned int i;

	while (f && getline(&line, &size, f) > 0) {
		json_t *value = json_loads(line, 0, NULL);
		struct run_case *c;

		if (first && !json_object_get(value, "rmap-weave")) {
			fprintf(stderr, "rmap-weave: '%s' is no file of results; name another.\n",
				cases->file);
			exit(2);
		}
		if (first && !json_equal(value, head)) {
			fprintf(stderr,
				"rmap-weave: '%s' is of another program or other options; "
				"it begins anew.\n",
				cases->file);
			json_decref(value);
			break;
		}
		c = first ? NULL : case_of(value);
		if (c)
			take_result(c, json_incref(value));
		json_decref(value);
		if (!value)
			break;
		first = false;
	}
	free(line);
	if (f)
		fclose(f);
	run.file = fopen(cases->file, "w");
	if (!run.file) {
		fprintf(stderr, "rmap-weave: '%s' cannot be written: %s.\n", cases->file,
			strerror(errno));
		exit(2);
	}
	write_line(head);
	for (i = 0; i < cases->nr; i++) {
		if (cases->list[i].result)
			write_line(cases->list[i].result);
	}
}

static void open_file(void)
{
	char hash[17];
	json_t *head;

	if (!run.cases->file)
		return;
	hash_program(hash);
	head = json_pack("{s:s, s:O}", "rmap-weave", hash, "options", run.cases->options);
	read_file(must_have(head));
	json_decref(head);
}

/* ---------------------------------------------------------------- results */

static void count(const struct run_case *c)
{
	run.executions += (uint64_t)json_integer_value(json_object_get(c->result, "executions"));
	run.wrong += json_is_true(json_object_get(c->result, "wrong"));
	run.cut += !case_settled(c);
}

static void finished(unsigned int n, json_t *result)
{
	struct run_case *c = &run.cases->list[n];

	take_result(c, result);
	run.nr_done++;
	count(c);
	if (run.file)
		write_line(result);
	if (run.cases->progress)
		fprintf(stderr, "\r\033[K");
	if (case_settled(c) || run.cases->once)
		run.cases->done(c);
}

/* ---------------------------------------------------------------- workers */

/* The number of a case to be run, or -1. Its share of time: of what is left when few are left. */
static int take_case(uint64_t *limit)
{
	unsigned int i = run.shared->next++;
	uint64_t now = nanoseconds();

	*limit = run.limit;
	if (i >= run.nr_todo || (run.deadline && now >= run.deadline))
		return -1;
	if (run.deadline && *limit > run.deadline - now)
		*limit = run.deadline - now;
	run.shared->at[run.self].n = run.todo[i];
	run.shared->at[run.self].executions = 0;
	return (int)run.todo[i];
}

static void work_here(void)
{
	uint64_t limit;
	int n;

	while ((n = take_case(&limit)) >= 0) {
		json_t *result = run.cases->run(&run.cases->list[n], limit);

		run.shared->at[run.self].executions = 0;
		finished((unsigned int)n, result);
	}
}

static void __attribute__((noreturn)) work_as_child(FILE *pipe)
{
	uint64_t limit;
	int n;

	while ((n = take_case(&limit)) >= 0) {
		json_t *result = run.cases->run(&run.cases->list[n], limit);
		char *text = must_have(json_dumps(result, JSON_COMPACT));

		run.shared->at[run.self].executions = 0;
		fprintf(pipe, "%d %s\n", n, text);
		if (fflush(pipe))
			_exit(2);
		free(text);
		json_decref(result);
	}
	_exit(0);
}

static void start_worker(unsigned int i)
{
	struct worker *worker = &run.worker[i];
	pid_t parent = getpid();
	int ends[2];

	if (pipe(ends)) {
		perror("rmap-weave: pipe");
		exit(2);
	}
	fflush(stdout);
	worker->pid = fork();
	if (worker->pid < 0) {
		perror("rmap-weave: fork");
		exit(2);
	}
	if (!worker->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(2);
		close(ends[0]);
		run.self = i;
		work_as_child(must_have(fdopen(ends[1], "w")));
	}
	close(ends[1]);
	worker->pipe = must_have(fdopen(ends[0], "r"));
}

/* One line of a worker's. False: it has ended. */
static bool hear(struct worker *worker)
{
	char *line = NULL, *end;
	size_t size = 0;
	bool heard = getline(&line, &size, worker->pipe) > 0;
	int status;

	if (heard) {
		unsigned long n = strtoul(line, &end, 10);

		finished((unsigned int)n, must_have(json_loads(end, 0, NULL)));
	}
	free(line);
	if (heard)
		return true;
	fclose(worker->pipe);
	worker->pipe = NULL;
	waitpid(worker->pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		const struct run_case *c = &run.cases->list[run.shared->at[worker - run.worker].n];

		fprintf(stderr, "rmap-weave: a worker came to a bad end at %s under %s.\n", c->name,
			rmap_design_name(c->design));
		exit(2);
	}
	return false;
}

static void work_in_children(void)
{
	unsigned int i, left = run.cases->jobs;

	for (i = 0; i < run.cases->jobs; i++)
		start_worker(i);
	while (left) {
		struct pollfd fd[JOBS_MAX];

		for (i = 0; i < run.cases->jobs; i++)
			fd[i] = (struct pollfd){ .fd = run.worker[i].pipe
							       ? fileno(run.worker[i].pipe)
							       : -1,
						 .events = POLLIN };
		poll(fd, run.cases->jobs, 200);
		for (i = 0; i < run.cases->jobs; i++) {
			if (fd[i].revents)
				left -= !hear(&run.worker[i]);
		}
		print_progress();
	}
}

/* ---------------------------------------------------------------- rounds */

static void collect_todo(void)
{
	unsigned int i;

	run.nr_todo = run.nr_done = 0;
	run.executions = 0;
	run.wrong = run.cut = 0;
	for (i = 0; i < run.cases->nr; i++) {
		const struct run_case *c = &run.cases->list[i];

		if (case_settled(c) || (c->result && run.cases->once))
			count(c);
		else
			run.todo[run.nr_todo++] = i;
	}
}

static void work(void)
{
	run.shared->next = 0;
	if (run.cases->jobs > 1)
		work_in_children();
	else
		work_here();
}

static bool time_is_up(void)
{
	return run.deadline && nanoseconds() >= run.deadline;
}

void cases_run(struct cases *cases)
{
	uint64_t all = cases->seconds * 1000000000u;

	run.cases = cases;
	run.shared = mmap(NULL, sizeof(*run.shared), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run.shared == MAP_FAILED)
		must_have(NULL);
	run.todo = must_have(calloc(cases->nr + 1, sizeof(*run.todo)));
	open_file();
	run.deadline = all ? nanoseconds() + all : 0;
	collect_todo();
	run.limit = run.nr_todo ? all * cases->jobs / run.nr_todo : 0;
	while (run.nr_todo && !time_is_up()) {
		work();
		if (cases->once || !run.limit)
			break;
		run.limit *= ROUND_FACTOR;
		run.round++;
		collect_todo();
	}
	free(run.todo);
	munmap(run.shared, sizeof(*run.shared));
	if (run.file)
		fclose(run.file);
}
