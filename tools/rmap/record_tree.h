// SPDX-License-Identifier: BSD-2-Clause
/*
 * The recorded tree of processes: starting it, following it with ptrace, taking the layout that
 * each exec leaves, and seeing it end.
 *
 * ptrace stops a process at exec and at the birth of a task, nowhere else: calls and faults run at
 * full speed. The layout that exec makes (program, loader, stack, vdso) comes from no system call,
 * and the pages that the kernel filled for it (arguments on the stack) come from no fault; both are
 * read from /proc while the process stands still.
 */
#ifndef RMAP_TOOLS_RECORD_TREE_H
#define RMAP_TOOLS_RECORD_TREE_H

#include "record_raw.h"

#include <signal.h>

struct rec_tree;

/*
 * From here to the recorder's end an interrupt waits until the tree is served, so that nothing is left behind of what is being made
 * or undone. To be called before there is anything. @before: what was blocked until then.
 */
void rec_tree_hold_signals(sigset_t *before);
/*
 * Starts @argv in a process that waits before its exec; huge pages are off for it, and the signals in @blocked are blocked.
 * @cgroup_procs is a file to which it writes itself first, or NULL. @layouts_at_exit: take them at the end, too.
 */
struct rec_tree *rec_tree_new(char **argv, const char *cgroup_procs, bool layouts_at_exit,
			      const sigset_t *blocked, char err[REC_ERR_SIZE]);
pid_t rec_tree_pid(const struct rec_tree *t);
/* Lets it run, unless somebody has interrupted by now. An exec that fails is told here. */
int rec_tree_go(struct rec_tree *t, char err[REC_ERR_SIZE]);

/*
 * Serves the tree until something happens or @ms have passed. 1: processes remain; 0: none.
 */
int rec_tree_serve(struct rec_tree *t, unsigned int ms, char err[REC_ERR_SIZE]);
/* A signal to the first process (or to all). */
void rec_tree_signal(struct rec_tree *t, int sig, bool all);
/* Signals that asked the recorder to stop, since the start. */
unsigned int rec_tree_interrupts(const struct rec_tree *t);
size_t rec_tree_alive(const struct rec_tree *t);
/* wait status of the first process, once it has ended */
int rec_tree_status(const struct rec_tree *t);

/* The layouts as RAW_LAYOUT. They stay the property of @t. */
int rec_tree_take(struct rec_tree *t, struct rec_raws *raws);
const struct rec_layout *rec_tree_layout(const struct rec_tree *t, uint64_t index);
/* Kills what is left and frees. */
void rec_tree_free(struct rec_tree *t);

#endif
