// SPDX-License-Identifier: BSD-2-Clause
/*
 * Exhibits that need two threads in a certain order: rmap-museum-weave, the weaver on the same engine with the same switches, goes
 * through the interleavings of the exhibit's scenario and says which was wrong.
 */
#include "race.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WEAVER	     "rmap-museum-weave"

/* The search ends then at the latest. */
#define RACE_SECONDS "20"

/* Beside this program. */
bool race_find_weaver(char path[PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return false;
	self[n] = 0;
	return snprintf(path, PATH_MAX, "%s/" WEAVER, dirname(self)) < PATH_MAX &&
	       access(path, X_OK) == 0;
}

void race_set_switch(const struct visit *v)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", v->mistake ? v->number : 0);
	setenv(RACE_SWITCH, number, 1);
}

int race_spawn(char *const argv[], int input, int output, int *from, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	extern char **environ;
	int fds[2], error;

	if (pipe(fds))
		return errno;
	posix_spawn_file_actions_init(&actions);
	if (input >= 0)
		posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, fds[1], output);
	posix_spawn_file_actions_addclose(&actions, fds[0]);
	if (output != STDOUT_FILENO)
		posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	error = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (error)
		close(fds[0]);
	else
		*from = fds[0];
	return error;
}

/* Walks of scan pass by each slot of every process: its executions are too long for all orders with more than one. */
static unsigned int preemptions_of(const struct visit *v)
{
	return strcmp(v->design, "scan") ? v->exhibit->preemptions : 1;
}

static int spawn_weaver(const struct visit *v, char *path, int *out, pid_t *pid)
{
	char scenario[128], design[32], preemptions[16], limit[24];
	char *argv[] = { path,
			 scenario,
			 (char *)"--design",
			 design,
			 (char *)"--preemptions",
			 preemptions,
			 (char *)"--json",
			 (char *)"--seconds",
			 (char *)RACE_SECONDS,
			 v->limit ? (char *)"--executions" : NULL,
			 limit,
			 NULL };
	int error;

	snprintf(scenario, sizeof(scenario), "%s", v->exhibit->scenario);
	snprintf(design, sizeof(design), "%s", v->design);
	snprintf(preemptions, sizeof(preemptions), "%u", preemptions_of(v));
	snprintf(limit, sizeof(limit), "%lu", v->limit);
	race_set_switch(v);
	error = race_spawn(argv, -1, STDOUT_FILENO, out, pid);
	unsetenv(RACE_SWITCH);
	return error;
}

/* Who speaks in the weaver's message: the sentence says it. */
static const char *witness(const char *message, const char **rest)
{
	static const struct {
		const char *begins, *by;
		bool cut;
	} known[] = {
		{ "mm_check: ", "mm_check", true },
		{ "assertion failed: ", "an assertion", true },
		{ "the end is that of no order", "the end", false },
		{ "a walk missed", "the walk", false },
	};

	*rest = message;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t n = strlen(known[i].begins);

		if (strncmp(message, known[i].begins, n))
			continue;
		if (known[i].cut)
			*rest = message + n;
		return known[i].by;
	}
	return "the weaver";
}

static void judge(struct visit *v, const json_t *result)
{
	const char *message = json_string_value(json_object_get(result, "message")), *rest;
	const char *schedule = json_string_value(json_object_get(result, "shrunk"));

	v->end = VISIT_WELL;
	if (!json_is_true(json_object_get(result, "wrong")))
		return;
	v->end = VISIT_WRONG;
	snprintf(v->by, sizeof(v->by), "%s", witness(message ? message : "", &rest));
	snprintf(v->how, sizeof(v->how), "%s", rest);
	v->how[strcspn(v->how, "\n")] = 0;
	/* Found when all was quiet: there is no thread to be named. */
	if (strlen(v->how) > 6 && !strcmp(v->how + strlen(v->how) - 6, ": main"))
		v->how[strlen(v->how) - 6] = 0;
	snprintf(v->schedule, sizeof(v->schedule), "%s", schedule ? schedule : "");
	v->tried = (unsigned long)json_integer_value(json_object_get(result, "found_after"));
}

void visit_race(struct visit *v)
{
	char path[PATH_MAX];
	json_t *all;
	FILE *in;
	pid_t pid;
	int fd = -1, status, error;

	v->end = VISIT_BAD;
	if (!race_find_weaver(path)) {
		snprintf(v->how, sizeof(v->how), "there is no " WEAVER " beside this program");
		return;
	}
	error = spawn_weaver(v, path, &fd, &pid);
	in = error ? NULL : fdopen(fd, "r");
	if (!in) {
		snprintf(v->how, sizeof(v->how), WEAVER ": %s", strerror(error ? error : errno));
		return;
	}
	all = json_loadf(in, 0, NULL);
	fclose(in);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (json_array_size(json_object_get(all, "results")) == 1)
		judge(v, json_array_get(json_object_get(all, "results"), 0));
	else
		snprintf(v->how, sizeof(v->how), WEAVER " did not say what it found");
	json_decref(all);
}
