// SPDX-License-Identifier: BSD-2-Clause
/* The recorded tree of processes; see the header. */
#include "record_tree.h"
#include "rmrec.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PM_PRESENT (1ull << 63)
#define PM_SWAPPED (1ull << 62)
#define PM_FILE	   (1ull << 61)

struct rec_tree {
	pid_t first;
	int go[2];     /* a byte lets the child run; closed on exec */
	int failed[2]; /* the errno of an exec that failed */
	int status;
	bool started;
	bool first_ended; /* its number may be somebody else's by now */
	bool layouts_at_exit;
	pid_t *alive; /* thread ids seen, unsorted */
	size_t nr_alive, cap_alive;
	struct rec_raws raws;
	struct rec_layout **layouts;
	size_t nr_layouts, cap_layouts;
	unsigned int interrupts;
	sigset_t blocked; /* for the command */
};

/* -- signals ---------------------------------------------------------------------------------- */

/* Those that ask the recorder to stop. */
static void interrupts(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

void rec_tree_hold_signals(sigset_t *before)
{
	sigset_t set;

	interrupts(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGPIPE); /* nobody may want the summary */
	sigprocmask(SIG_BLOCK, &set, before);
	signal(SIGCHLD, SIG_DFL); /* whoever started us may have it ignored */
}

static bool interrupt_waits(void)
{
	sigset_t set, waiting;

	interrupts(&set);
	sigpending(&waiting);
	return sigandset(&set, &set, &waiting) || !sigisemptyset(&set);
}

/* -- layouts ---------------------------------------------------------------------------------- */

static int add_page(struct rec_layout *l, uint64_t page)
{
	/* grows at powers of two */
	if (!(l->nr_pages & (l->nr_pages - 1))) {
		uint64_t *pages = realloc(l->pages, 2 * (l->nr_pages + 1) * sizeof(*pages));

		if (!pages)
			return -ENOMEM;
		l->pages = pages;
	}
	l->pages[l->nr_pages++] = page;
	return 0;
}

static int read_pages(struct rec_layout *l, int pagemap, const struct rec_layout_vma *v)
{
	uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE), entries[512];
	uint64_t page = v->start / page_size, last = v->end / page_size;

	while (page < last) {
		uint64_t nr = last - page < 512 ? last - page : 512;
		ssize_t got = pread(pagemap, entries, nr * 8, (off_t)(page * 8));

		if (got < 8)
			return 0;
		nr = (uint64_t)got / 8;
		for (uint64_t i = 0; i < nr; i++) {
			bool mine = !(entries[i] & PM_FILE) && v->prot & RMREC_P_WRITE &&
				    !(v->vma_flags & (RMREC_V_SHARED | RMREC_V_SPECIAL));

			if (entries[i] & (PM_PRESENT | PM_SWAPPED) &&
			    add_page(l, (page + i) * page_size | mine))
				return -ENOMEM;
		}
		page += nr;
	}
	return 0;
}

/* One line of /proc/PID/maps; false for what is no part of the process (vsyscall). */
static bool parse_vma(char *line, struct rec_layout_vma *v)
{
	char perms[5];
	unsigned int major_nr, minor_nr;
	int name = 0;

	memset(v, 0, sizeof(*v));
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &v->start,
		   &v->end, perms, &v->offset, &major_nr, &minor_nr, &v->ino, &name) < 7)
		return false;
	if (v->start >> 63)
		return false;
	v->prot = (perms[0] == 'r' ? RMREC_P_READ : 0) | (perms[1] == 'w' ? RMREC_P_WRITE : 0) |
		  (perms[2] == 'x' ? RMREC_P_EXEC : 0);
	v->vma_flags = perms[3] == 's' ? RMREC_V_SHARED : 0;
	line[strcspn(line, "\n")] = 0;
	if (v->ino || major_nr || minor_nr) {
		v->dev = (uint64_t)major_nr << 32 | minor_nr;
		v->path = line + name;
		return true;
	}
	if (!strcmp(line + name, "[stack]"))
		v->vma_flags |= RMREC_V_GROWSDOWN;
	else if (!strcmp(line + name, "[heap]"))
		v->vma_flags |= RMREC_V_HEAP;
	else if (line[name] == '[' && strncmp(line + name, "[anon", 5))
		v->vma_flags |= RMREC_V_SPECIAL;
	v->offset = 0;
	return true;
}

static int read_maps(struct rec_layout *l, FILE *f, int pagemap)
{
	char *line = NULL;
	size_t cap = 0;
	int ret = 0;

	while (!ret && getline(&line, &cap, f) > 0) {
		struct rec_layout_vma v, *vmas;

		if (!parse_vma(line, &v))
			continue;
		vmas = realloc(l->vmas, (l->nr_vmas + 1) * sizeof(*vmas));
		if (!vmas) {
			ret = -ENOMEM;
			break;
		}
		l->vmas = vmas;
		if (v.path && !(v.path = strdup(v.path)))
			ret = -ENOMEM;
		l->vmas[l->nr_vmas++] = v;
		if (!ret && !l->at_exit)
			ret = read_pages(l, pagemap, &v);
	}
	free(line);
	return ret;
}

/* Field 47 of /proc/PID/stat, counted behind the name, which may hold blanks and brackets. */
static uint64_t read_start_brk(pid_t pid)
{
	char path[64], text[4096];
	int fd, field = 3;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;

	char *at = strrchr(text, ')');

	for (at = at ? at + 1 : NULL; at && field < 47; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

static bool read_is_32bit(pid_t pid)
{
	char path[64];
	unsigned char ident[EI_NIDENT] = { 0 };
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/exe", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, ident, sizeof(ident)) != (ssize_t)sizeof(ident))
		ident[EI_CLASS] = ELFCLASS64;
	close(fd);
	return ident[EI_CLASS] == ELFCLASS32;
}

static struct rec_layout *read_layout(pid_t pid, bool at_exit)
{
	struct rec_layout *l = calloc(1, sizeof(*l));
	char path[64], exe[4096];
	FILE *maps;
	int pagemap, ret;
	ssize_t n;

	if (!l)
		return NULL;
	l->pid = (uint32_t)pid;
	l->at_exit = at_exit;
	l->is_32bit = !at_exit && read_is_32bit(pid);
	l->start_brk = read_start_brk(pid);
	snprintf(path, sizeof(path), "/proc/%ld/exe", (long)pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n > 0)
		l->exe = strndup(exe, (size_t)n);
	snprintf(path, sizeof(path), "/proc/%ld/pagemap", (long)pid);
	pagemap = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%ld/maps", (long)pid);
	maps = fopen(path, "re");
	ret = maps ? read_maps(l, maps, pagemap) : -errno;
	if (maps)
		fclose(maps);
	if (pagemap >= 0)
		close(pagemap);
	if (ret) {
		rec_layout_free(l);
		return NULL;
	}
	return l;
}

static int take_layout(struct rec_tree *t, pid_t pid, bool at_exit)
{
	struct rec_layout *l = read_layout(pid, at_exit);
	struct rec_raw *raw;

	/* killed while it stood: then nothing more will come of it */
	if (!l || (!l->nr_vmas && !at_exit)) {
		rec_layout_free(l);
		return 0;
	}
	if (t->nr_layouts == t->cap_layouts) {
		size_t cap = t->cap_layouts ? 2 * t->cap_layouts : 64;
		struct rec_layout **layouts = realloc(t->layouts, cap * sizeof(*layouts));

		if (!layouts) {
			rec_layout_free(l);
			return -ENOMEM;
		}
		t->layouts = layouts;
		t->cap_layouts = cap;
	}
	t->layouts[t->nr_layouts] = l;
	raw = rec_raw_add(&t->raws, rec_now(), (uint32_t)pid, RAW_LAYOUT);
	if (raw)
		raw->a[0] = t->nr_layouts;
	t->nr_layouts++;
	return raw ? 0 : -ENOMEM;
}

/* -- starting --------------------------------------------------------------------------------- */

_Noreturn static void child(const struct rec_tree *t, char **argv, const char *cgroup_procs)
{
	char byte;
	int error;
	ssize_t got;

	if (cgroup_procs) {
		int fd = open(cgroup_procs, O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, "0", 1) != 1)
			goto fail;
		close(fd);
	}
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) && errno != EINVAL)
		goto fail;
	sigprocmask(SIG_SETMASK, &t->blocked, NULL);
	close(t->go[1]);
	while ((got = read(t->go[0], &byte, 1)) < 0 && errno == EINTR)
		;
	if (got != 1)
		_exit(125); /* the recorder has gone */
	execvp(argv[0], argv);
fail:
	error = errno;
	if (write(t->failed[1], &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

struct rec_tree *rec_tree_new(char **argv, const char *cgroup_procs, bool layouts_at_exit,
			      const sigset_t *blocked, char err[REC_ERR_SIZE])
{
	const long options = PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			     PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL |
			     (layouts_at_exit ? PTRACE_O_TRACEEXIT : 0);
	struct rec_tree *t = calloc(1, sizeof(*t));

	if (!t) {
		rec_fail(err, "no memory");
		return NULL;
	}
	t->layouts_at_exit = layouts_at_exit;
	t->go[0] = t->go[1] = t->failed[0] = t->failed[1] = -1;
	t->blocked = *blocked;
	if (pipe2(t->go, O_CLOEXEC) || pipe2(t->failed, O_CLOEXEC)) {
		rec_fail(err, "no pipe: %s", strerror(errno));
		goto fail;
	}
	t->first = fork();
	if (t->first == 0)
		child(t, argv, cgroup_procs);
	if (t->first < 0) {
		rec_fail(err, "no process can be started: %s", strerror(errno));
		goto fail;
	}
	close(t->failed[1]);
	t->failed[1] = -1;
	if (ptrace(PTRACE_SEIZE, t->first, NULL, (void *)options)) {
		rec_fail(err, "the process cannot be traced: %s", strerror(errno));
		goto fail;
	}
	return t;
fail:
	rec_tree_free(t);
	return NULL;
}

pid_t rec_tree_pid(const struct rec_tree *t)
{
	return t->first;
}

/* -- following -------------------------------------------------------------------------------- */

static int saw_alive(struct rec_tree *t, pid_t tid)
{
	for (size_t i = 0; i < t->nr_alive; i++) {
		if (t->alive[i] == tid)
			return 0;
	}
	if (t->nr_alive == t->cap_alive) {
		size_t cap = t->cap_alive ? 2 * t->cap_alive : 64;
		pid_t *alive = realloc(t->alive, cap * sizeof(*alive));

		if (!alive)
			return -ENOMEM;
		t->alive = alive;
		t->cap_alive = cap;
	}
	t->alive[t->nr_alive++] = tid;
	return 0;
}

static void forget(struct rec_tree *t, pid_t tid)
{
	for (size_t i = 0; i < t->nr_alive; i++) {
		if (t->alive[i] == tid)
			t->alive[i--] = t->alive[--t->nr_alive];
	}
}

static void saw_end(struct rec_tree *t, pid_t tid, int status)
{
	forget(t, tid);
	if (tid == t->first) {
		t->status = status;
		t->first_ended = true;
	}
}

/* An exec from a thread that is not the leader takes the leader's number; its own is free again. */
static void saw_exec(struct rec_tree *t, pid_t tid)
{
	unsigned long former;

	if (!ptrace(PTRACE_GETEVENTMSG, tid, NULL, &former) && (pid_t)former != tid)
		forget(t, (pid_t)former);
	t->started = true;
}

/* A task stopped: take what is to be taken, and let it go on. */
static int serve_stop(struct rec_tree *t, pid_t tid, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16, ret = saw_alive(t, tid);
	enum __ptrace_request go_on = PTRACE_CONT;

	switch (event) {
	case PTRACE_EVENT_EXEC:
		saw_exec(t, tid);
		ret = take_layout(t, tid, false);
		sig = 0;
		break;
	case PTRACE_EVENT_EXIT:
		if (t->started)
			ret = take_layout(t, tid, true);
		sig = 0;
		break;
	case PTRACE_EVENT_STOP:
		/* a job-control stop lasts until SIGCONT; a new task's first stop does not */
		if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)
			go_on = PTRACE_LISTEN;
		sig = 0;
		break;
	case 0:
		break; /* a signal on its way: deliver it */
	default:
		sig = 0;
	}
	/* fails with ESRCH when it was killed meanwhile; its end is then reported by waitpid */
	ptrace(go_on, tid, NULL, (void *)(long)sig);
	return ret;
}

int rec_tree_go(struct rec_tree *t, char err[REC_ERR_SIZE])
{
	int error;
	ssize_t n;

	if (interrupt_waits())
		return rec_fail(err, "interrupted before it was run");
	if (write(t->go[1], "g", 1) != 1)
		return rec_fail(err, "the process has gone");
	while (!t->started) {
		int ret = rec_tree_serve(t, 100, err);

		if (ret < 0)
			return ret;
		if (ret == 0)
			break;
	}
	if (t->started)
		return 0;
	n = read(t->failed[0], &error, sizeof(error));
	if (n == (ssize_t)sizeof(error))
		return rec_fail(err, "cannot be run: %s", strerror(error));
	return rec_fail(err, "ended before it could be run");
}

int rec_tree_serve(struct rec_tree *t, unsigned int ms, char err[REC_ERR_SIZE])
{
	const struct timespec timeout = { .tv_sec = ms / 1000,
					  .tv_nsec = (long)(ms % 1000) * 1000000L };
	sigset_t set;
	pid_t tid;
	int sig, status;

	interrupts(&set);
	sigaddset(&set, SIGCHLD);
	sig = sigtimedwait(&set, NULL, &timeout);
	t->interrupts += sig > 0 && sig != SIGCHLD;

	while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
		if (!WIFSTOPPED(status))
			saw_end(t, tid, status);
		else if (serve_stop(t, tid, status))
			return rec_fail(err, "no memory for a layout");
	}
	return tid < 0 && errno == ECHILD ? 0 : 1;
}

void rec_tree_signal(struct rec_tree *t, int sig, bool all)
{
	if (!all) {
		if (!t->first_ended)
			kill(t->first, sig);
		return;
	}
	for (size_t i = 0; i < t->nr_alive; i++)
		kill(t->alive[i], sig);
}

unsigned int rec_tree_interrupts(const struct rec_tree *t)
{
	return t->interrupts;
}

size_t rec_tree_alive(const struct rec_tree *t)
{
	return t->nr_alive;
}

int rec_tree_status(const struct rec_tree *t)
{
	return t->status;
}

/* -- the end ---------------------------------------------------------------------------------- */

int rec_tree_take(struct rec_tree *t, struct rec_raws *raws)
{
	for (size_t i = 0; i < t->raws.nr; i++) {
		const struct rec_raw *from = &t->raws.v[i];
		struct rec_raw *raw = rec_raw_add(raws, from->ts, from->tid, RAW_LAYOUT);

		if (!raw)
			return -ENOMEM;
		raw->a[0] = from->a[0];
	}
	return 0;
}

const struct rec_layout *rec_tree_layout(const struct rec_tree *t, uint64_t index)
{
	return index < t->nr_layouts ? t->layouts[index] : NULL;
}

void rec_tree_free(struct rec_tree *t)
{
	char err[REC_ERR_SIZE];

	if (!t)
		return;
	for (int i = 0; i < 2; i++) {
		if (t->go[i] >= 0)
			close(t->go[i]);
		if (t->failed[i] >= 0)
			close(t->failed[i]);
	}
	if (t->first > 0) {
		rec_tree_signal(t, SIGKILL, false);
		for (int i = 0; i < 100 && rec_tree_serve(t, 50, err) > 0; i++)
			rec_tree_signal(t, SIGKILL, true);
	}
	for (size_t i = 0; i < t->nr_layouts; i++)
		rec_layout_free(t->layouts[i]);
	free(t->layouts);
	free(t->raws.v);
	free(t->alive);
	free(t);
}
