/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is followed: processes that run, with all their threads, or a command that is started for it. */
#ifndef RMAP_TOOLS_BREAKS_TARGET_H
#define RMAP_TOOLS_BREAKS_TARGET_H

#include "breaks_perf.h"
#include "breaks_procs.h"
#include "live_procs.h"

struct breaks_tasks {
	struct breaks_task {
		pid_t pid, tid;
	} * v;
	size_t nr, cap;
};

/* All threads of the processes that are meant, as they are now. 0, or -1 with a sentence. */
int breaks_tasks_list(struct live_choice *choice, struct breaks_tasks *tasks,
		      char err[BREAKS_ERR_SIZE]);
void breaks_tasks_free(struct breaks_tasks *tasks);
/*
 * Follows them, and those that appeared while they were being listed. Then all have been named to @perf, and @tasks has them all.
 */
int breaks_tasks_follow(struct live_choice *choice, struct breaks_tasks *tasks,
			struct breaks_perf *perf, char err[BREAKS_ERR_SIZE]);

/* A child that waits before its exec. Its number, or -1 with a sentence. */
struct breaks_child {
	pid_t pid;
	int go, failed; /* pipes: a byte lets it run; the errno of an exec that failed comes back */
	int status;	/* as waitpid() has it, when ended */
	bool ended;
};

int breaks_child_prepare(struct breaks_child *child, char **command, char err[BREAKS_ERR_SIZE]);
/* Lets it run, and waits until it is the command. 0, or -1 with a sentence. */
int breaks_child_go(struct breaks_child *child, const char *name, char err[BREAKS_ERR_SIZE]);
/* Notices its end, without waiting. */
void breaks_child_check(struct breaks_child *child);

#endif
