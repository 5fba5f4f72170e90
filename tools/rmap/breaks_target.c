// SPDX-License-Identifier: BSD-2-Clause
/* Who is followed; see the header. */
#include "breaks_target.h"
#include "breaks_index.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 10 /* in which those that appeared meanwhile are looked for */

static int fail(char err[BREAKS_ERR_SIZE], const char *what)
{
	snprintf(err, BREAKS_ERR_SIZE, "%s", what);
	return -1;
}

void breaks_tasks_free(struct breaks_tasks *tasks)
{
	free(tasks->v);
	*tasks = (struct breaks_tasks){ 0 };
}

/* A process that has just ended has no threads, which is no mistake. */
static int list_threads(int root, const struct live_proc *proc, struct breaks_tasks *tasks)
{
	int dir = live_proc_open(root, proc), fd;
	struct breaks_task *v;
	DIR *d;

	if (dir < 0)
		return 0;
	fd = openat(dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(dir);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return 0;
	for (struct dirent *e; (e = readdir(d));) {
		long tid = strtol(e->d_name, NULL, 10);

		if (tid <= 0)
			continue;
		v = breaks_grow(tasks->v, tasks->nr, &tasks->cap, sizeof(*v));
		if (!v) {
			closedir(d);
			return -1;
		}
		tasks->v = v;
		v[tasks->nr++] = (struct breaks_task){ proc->pid, (pid_t)tid };
	}
	closedir(d);
	return 0;
}

int breaks_tasks_list(struct live_choice *choice, struct breaks_tasks *tasks,
		      char err[BREAKS_ERR_SIZE])
{
	int root = live_root_open("/proc", err), ret;
	struct live_procs procs;

	*tasks = (struct breaks_tasks){ 0 };
	if (root < 0)
		return -1;
	ret = live_procs_choose(root, choice, &procs, err);
	for (size_t i = 0; !ret && i < procs.nr; i++)
		if (list_threads(root, &procs.v[i], tasks))
			ret = fail(err, "no memory");
	live_procs_free(&procs);
	close(root);
	return ret;
}

static bool has(const struct breaks_tasks *tasks, pid_t tid)
{
	for (size_t i = 0; i < tasks->nr; i++)
		if (tasks->v[i].tid == tid)
			return true;
	return false;
}

/*
 * What a task starts from now on is followed with it. But while one is being opened, another may start a third; so the list
 * is read again until it holds nobody new.
 */
int breaks_tasks_follow(struct live_choice *choice, struct breaks_tasks *tasks,
			struct breaks_perf *perf, char err[BREAKS_ERR_SIZE])
{
	struct breaks_tasks now;
	size_t followed = 0;

	for (int round = 0; round < ROUNDS; round++) {
		for (; followed < tasks->nr; followed++)
			if (breaks_perf_follow(perf, tasks->v[followed].tid, false, err) < 0)
				return -1;
		if (breaks_tasks_list(choice, &now, err))
			return round ? 0 : -1; /* all may have ended by now */
		for (size_t i = 0; i < now.nr; i++) {
			struct breaks_task *v;

			if (has(tasks, now.v[i].tid))
				continue;
			v = breaks_grow(tasks->v, tasks->nr, &tasks->cap, sizeof(*v));
			if (!v) {
				breaks_tasks_free(&now);
				return fail(err, "no memory");
			}
			tasks->v = v;
			v[tasks->nr++] = now.v[i];
		}
		breaks_tasks_free(&now);
		if (followed == tasks->nr)
			break;
	}
	return 0;
}

/* -- a command -------------------------------------------------------------------------------- */

static void be_command(int go, int failed, char **command)
{
	static const int reset[] = { SIGINT, SIGTERM, SIGHUP };
	char byte;

	for (size_t i = 0; i < sizeof(reset) / sizeof(reset[0]); i++)
		signal(reset[i], SIG_DFL);
	if (read(go, &byte, 1) != 1)
		_exit(127); /* whoever wanted to follow us has gone */
	execvp(command[0], command);
	if (write(failed, &errno, sizeof(errno)) < 0)
		_exit(126);
	_exit(127);
}

int breaks_child_prepare(struct breaks_child *child, char **command, char err[BREAKS_ERR_SIZE])
{
	int go[2], failed[2];

	*child = (struct breaks_child){ .pid = -1, .go = -1, .failed = -1 };
	if (pipe2(go, O_CLOEXEC))
		return fail(err, strerror(errno));
	if (pipe2(failed, O_CLOEXEC)) {
		close(go[0]);
		close(go[1]);
		return fail(err, strerror(errno));
	}
	child->pid = fork();
	if (!child->pid) {
		close(go[1]); /* else it would wait for itself */
		be_command(go[0], failed[1], command);
	}
	close(go[0]);
	close(failed[1]);
	child->go = go[1];
	child->failed = failed[0];
	return child->pid < 0 ? fail(err, strerror(errno)) : 0;
}

int breaks_child_go(struct breaks_child *child, const char *name, char err[BREAKS_ERR_SIZE])
{
	int error = 0;
	ssize_t n = write(child->go, "g", 1);

	while (n == 1 && (n = read(child->failed, &error, sizeof(error))) < 0 && errno == EINTR)
		n = 1;
	close(child->go);
	close(child->failed);
	if (!error)
		return 0;
	snprintf(err, BREAKS_ERR_SIZE, "%.300s: %s", name, strerror(error));
	return -1;
}

void breaks_child_check(struct breaks_child *child)
{
	if (child->pid > 0 && !child->ended &&
	    waitpid(child->pid, &child->status, WNOHANG) == child->pid)
		child->ended = true;
}
