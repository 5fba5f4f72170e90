// SPDX-License-Identifier: BSD-2-Clause
/*
 * A visit: the workload is carried out in a child process, everything checked after each statement that changes something. What it found,
 * it tells by a piece of shared memory; what the engine said before it stopped, by its standard error, which is caught.
 */
#include "visit.h"

#include "fence.h"
#include "switch.h"

#include "runner.h"

#include <hosted/hosted.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* No exhibit takes a second; what takes as long as this never ends. */
#define VISIT_SECONDS 30

/* What the child tells. */
struct told {
	volatile unsigned int line;
	volatile unsigned int step; /* below */
	enum runner_result result;
	char text[OPS_ERR_SIZE];
};

enum step { STEP_BEGIN, STEP_RUN, STEP_END, STEP_DONE };

void visit_line(const char *workload, unsigned int line, char *text, unsigned long size)
{
	size_t length;

	while (line > 1 && *workload)
		if (*workload++ == '\n')
			line--;
	workload += strspn(workload, " \t");
	length = strcspn(workload, "\n");
	snprintf(text, size, "%.*s", (int)length, workload);
}

/* ---------------------------------------------------------------- in the child */

int __real_hosted_create(const struct hosted_config *config, struct hosted **out, char *error);
int __wrap_hosted_create(const struct hosted_config *config, struct hosted **out, char *error);

/* Wrapped by the linker: who translates by an entry that is gone is found out. */
int __wrap_hosted_create(const struct hosted_config *config, struct hosted **out, char *error)
{
	struct hosted_config watched = *config;

	watched.watch_tlb = true;
	return __real_hosted_create(&watched, out, error);
}

/* What the exhibit does at its point of the engine: its next statements. */
static struct {
	struct runner *r;
	struct op_source *source;
	struct told *told;
	unsigned int left;
} meanwhile;

static void carry_out_meanwhile(void)
{
	unsigned int n = meanwhile.left;
	char err[OPS_ERR_SIZE] = "";
	struct op op;

	meanwhile.left = 0;
	while (n-- && meanwhile.source->next(meanwhile.source, &op, err) > 0) {
		meanwhile.told->line = op.line;
		if (runner_step_within(meanwhile.r, &op, err) != RUNNER_OK) {
			fprintf(stderr, "%s\n", err);
			fflush(stderr);
			_exit(1);
		}
	}
}

static enum runner_result run_all(struct runner *r, struct op_source *source, struct told *told)
{
	enum runner_result result = RUNNER_OK;
	struct op op;
	int more;

	while ((more = source->next(source, &op, told->text)) > 0) {
		told->line = op.line;
		result = runner_step(r, &op, told->text);
		if (result != RUNNER_OK)
			return result;
	}
	return more < 0 ? RUNNER_BAD : runner_finish(r, told->text);
}

/* Where the mistake broke the machine, it is not taken apart: that would only fall over the pieces. */
static void run_child(const struct visit *v, struct told *told)
{
	struct runner_options options = {
		.design = v->design, .check = !v->unchecked, .check_every = 1, .seed = 1
	};
	struct op_source *source;
	struct runner *r;

	alarm(VISIT_SECONDS);
	/* It is no surprise when it falls over. */
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
	museum_bug = v->mistake ? v->number : 0;
	museum_shown = v->number;
	told->result = RUNNER_BAD;
	fence_begin(&told->line);
	if (lang_open_text(v->exhibit->name, v->exhibit->workload, strlen(v->exhibit->workload),
			   &source, told->text) ||
	    runner_create(&options, source, &r, told->text))
		_exit(0);
	meanwhile.r = r;
	meanwhile.source = source;
	meanwhile.told = told;
	meanwhile.left = v->exhibit->meanwhile;
	museum_meeting = v->exhibit->meanwhile ? carry_out_meanwhile : NULL;
	told->step = STEP_RUN;
	told->result = run_all(r, source, told);
	if (told->result == RUNNER_OK) {
		told->step = STEP_END;
		runner_destroy(r);
	}
	told->step = STEP_DONE;
	_exit(0);
}

/* ---------------------------------------------------------------- what it means */

static void one_line(char *text)
{
	text[strcspn(text, "\n")] = 0;
}

static void found(struct visit *v, const char *by, const char *how)
{
	v->end = VISIT_WRONG;
	snprintf(v->by, sizeof(v->by), "%s", by);
	snprintf(v->how, sizeof(v->how), "%s", how);
	one_line(v->how);
}

/* The runner's sentences begin with name and line. */
static const char *without_place(const char *text, const char *name)
{
	size_t n = strlen(name);

	if (strncmp(text, name, n) || text[n] != ':')
		return text;
	text += n + 1;
	text += strspn(text, "0123456789");
	return text + strspn(text, ": ");
}

static void judge_told(struct visit *v, const struct told *told)
{
	static const char check[] = "the check found: ";
	const char *text = without_place(told->text, v->exhibit->name);
	const char *checked = strstr(text, check);

	if (told->result == RUNNER_OK) {
		v->end = VISIT_WELL;
	} else if (told->result == RUNNER_BAD) {
		v->end = VISIT_BAD;
		snprintf(v->how, sizeof(v->how), "%s", told->text);
	} else if (checked) {
		found(v, "mm_check", checked + sizeof(check) - 1);
	} else {
		found(v, "the workload", text);
	}
}

static const char *last_part(const char *text, const char *mark)
{
	const char *at = strstr(text, mark);

	return at ? at + strlen(mark) : text;
}

static void judge_stopped(struct visit *v, const struct told *told, int status, const char *said)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		found(v, "the clock", "it does not end");
	else if (strstr(said, "assertion failed: "))
		found(v, "an assertion", last_part(said, "assertion failed: "));
	else if (strstr(said, "were left behind"))
		found(v, "what is left", last_part(said, "rmap: "));
	else if (strstr(said, " is used that ") || strstr(said, " is freed that "))
		found(v, "the fence", said);
	else if (WIFSIGNALED(status))
		found(v, "a signal", strsignal(WTERMSIG(status)));
	else
		found(v, told->step == STEP_END ? "the end" : "the workload",
		      *said ? said : "it stopped");
}

/* All that the child says until it ends, as far as there is room. */
static void listen(int fd, char *text, size_t size)
{
	size_t used = 0;
	char more[256];
	ssize_t n;

	while ((n = read(fd, more, sizeof(more))) > 0 || (n < 0 && errno == EINTR)) {
		size_t room = size - 1 - used;

		if (n < 0)
			continue;
		if ((size_t)n < room)
			room = (size_t)n;
		memcpy(text + used, more, room);
		used += room;
	}
	text[used] = 0;
}

static int start(struct visit *v, struct told *told, int *fd, pid_t *pid)
{
	int pipe_fds[2];

	if (pipe(pipe_fds))
		return -1;
	fflush(NULL);
	*pid = fork();
	if (*pid < 0) {
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		return -1;
	}
	if (!*pid) {
		dup2(pipe_fds[1], STDERR_FILENO);
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		run_child(v, told);
	}
	close(pipe_fds[1]);
	*fd = pipe_fds[0];
	return 0;
}

static void visit_workload(struct visit *v)
{
	struct told *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char said[VISIT_TEXT];
	int status, fd;
	pid_t pid;

	v->end = VISIT_BAD;
	if (told == MAP_FAILED || start(v, told, &fd, &pid)) {
		snprintf(v->how, sizeof(v->how), "%s", strerror(errno));
		return;
	}
	listen(fd, said, sizeof(said));
	close(fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	v->line = told->line;
	if (told->step == STEP_DONE || (told->step == STEP_BEGIN && told->text[0]))
		judge_told(v, told);
	else
		judge_stopped(v, told, status, said);
	munmap(told, sizeof(*told));
}

void visit(struct visit *v)
{
	if (*v->exhibit->scenario)
		visit_race(v);
	else
		visit_workload(v);
}
