// SPDX-License-Identifier: BSD-2-Clause
/*
 * The processes of the running system: who there is, who was forked by whom, and which of them are meant.
 *
 * Everything is read below a directory that is /proc, or in tests one that looks like it and tells lies. A process may end
 * between any two reads, and its number may be given to another: number and start time together name a process for good.
 *
 * libproc2 was looked at: it reads one fixed /proc, and more of each process than its number, parent and name.
 */
#ifndef RMAP_TOOLS_LIVE_PROCS_H
#define RMAP_TOOLS_LIVE_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LIVE_ERR_SIZE  512
#define LIVE_COMM_SIZE 68  /* kernel workers' names are longer than the 15 bytes of a process's */
#define LIVE_SAFE_SIZE 256 /* a name made safe; longer ones are cut */

struct live_proc {
	pid_t pid, ppid;
	uint64_t start;		   /* clock ticks since the machine started */
	char comm[LIVE_COMM_SIZE]; /* as the process chose it: print live_safe() of it */
	bool bodiless;		   /* a kernel thread or a zombie: there is no memory to look at */
};

struct live_procs {
	struct live_proc *v; /* by pid, ascending */
	size_t nr, room;
};

/* What the command line names: processes, a tree, a name. All zeros: nothing yet. */
struct live_choice {
	pid_t *pids;
	size_t nr_pids;
	pid_t tree;	   /* this one and all its descendants; 0: not said */
	const char *match; /* those of this name, a shell pattern; NULL: not said */
	/* "rmap sharing": who says on standard error which of pids are left out; NULL: nobody */
	const char *speaker;
};

/* Writes the sentence and returns -1. */
__attribute__((format(printf, 2, 3))) int live_fail(char err[LIVE_ERR_SIZE], const char *format,
						    ...);

/* @dir: "/proc". Its descriptor, or -1 with a sentence. */
int live_root_open(const char *dir, char err[LIVE_ERR_SIZE]);

/*
 * The directory of @proc, for openat(), sure to be this very process's: every later read through it fails with ESRCH once
 * the process has ended, whoever has its number then. Returns -1 with errno ESRCH if it has gone already. The caller closes it.
 */
int live_proc_open(int root, const struct live_proc *proc);

/* One process: 0, or a negative errno (-ESRCH: there is none; -EINVAL: what is there makes no sense). */
int live_proc_read(int root, pid_t pid, struct live_proc *proc);

/*
 * /proc answers to the number of a thread, too, which it does not list. A sentence that there is no process @pid, or of which
 * process it is a thread; returns -1.
 */
int live_fail_absent(int root, pid_t pid, char err[LIVE_ERR_SIZE]);
/* Is @pid a thread that is not its process's first? */
bool live_is_thread(int root, pid_t pid);
/*
 * Have @a and @b one address space, as after vfork()? False also where the kernel does not say, or the numbers are not ours: @root
 * may be a planted /proc, or that of another PID namespace.
 */
bool live_same_mm(int root, pid_t a, pid_t b);
/* Why the kernel lets nobody look into a process, for a sentence: the right that is missing, if one is. */
const char *live_refusal(void);

/* All processes. 0, or -1 with a sentence. Those that end meanwhile are left out. */
int live_procs_all(int root, struct live_procs *out, char err[LIVE_ERR_SIZE]);
void live_procs_free(struct live_procs *procs);
/* NULL: not among them. */
const struct live_proc *live_procs_find(const struct live_procs *procs, pid_t pid);
/* Is @pid @ancestor, or forked by it or by one of its descendants, as far as @procs knows? */
bool live_procs_descends(const struct live_procs *procs, pid_t pid, pid_t ancestor);

/* A number above 0 that a process can have. 0, or -1 with a sentence. */
int live_parse_pid(const char *text, pid_t *pid, char err[LIVE_ERR_SIZE]);
/* One more PID, by its text. 0, or -1 with a sentence. */
int live_choice_pid(struct live_choice *choice, const char *text, char err[LIVE_ERR_SIZE]);
/* --tree and --match, each once: a second would take the first one's place unseen. 0, or -1 with a sentence. */
int live_choice_tree(struct live_choice *choice, const char *text, char err[LIVE_ERR_SIZE]);
int live_choice_match(struct live_choice *choice, const char *pattern, char err[LIVE_ERR_SIZE]);
bool live_choice_empty(const struct live_choice *choice);
void live_choice_free(struct live_choice *choice);

/*
 * Those that are meant, out of all, each once. This very process is not in a tree and matches no name.
 *
 * A list of PIDs is older than this moment: who of them has ended, or has no memory, is left out and named by the choice's speaker, and
 * is gone from the choice, so that whoever gets its number is not taken for it the next time. Where that leaves nobody it is an error; so
 * is a thread's number, and a tree or a name that comes to nothing.
 */
int live_procs_choose(int root, struct live_choice *choice, struct live_procs *out,
		      char err[LIVE_ERR_SIZE]);

/*
 * Text of another process's making (its name, a path), so that a terminal shows it and does not obey it: what is no printable
 * UTF-8 comes as \xNN, a backslash as \\. Returns buf.
 */
const char *live_safe(const char *raw, char *buf, size_t size);

#endif
