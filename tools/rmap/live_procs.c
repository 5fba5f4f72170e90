// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading /proc/PID/stat of many processes, and choosing among them.
 */
#include "live_procs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAT_SIZE     2048u
#define LINUX_KTHREAD 0x00200000ul /* PF_KTHREAD in stat's flags */
#define COMM_KEPT     15u	   /* bytes that the kernel keeps of a process's name */

int live_fail(char err[LIVE_ERR_SIZE], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err, LIVE_ERR_SIZE, format, args);
	va_end(args);
	return -1;
}

/* -- one process ------------------------------------------------------------------------------ */

int live_root_open(const char *dir, char err[LIVE_ERR_SIZE])
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		live_fail(err, "%.200s cannot be opened: %s", dir, strerror(errno));
	return fd;
}

/* A whole small file. Its length, or a negative errno. What does not fit is cut. */
static ssize_t read_small(int at, const char *name, char *buf, size_t size)
{
	int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t got = 0;

	if (fd < 0)
		return -errno;
	while (len < size - 1 && (got = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)got;
	if (got < 0)
		got = -errno;
	close(fd);
	buf[len] = '\0';
	return got < 0 ? got : (ssize_t)len;
}

/* The number before the blank that *p stands at; goes on to the next. */
static bool next_number(char **p, uint64_t *n)
{
	char *end;

	if (**p != ' ')
		return false;
	errno = 0;
	*n = strtoull(*p + 1, &end, 10);
	if (end == *p + 1 || errno || (*end != ' ' && *end != '\n' && *end))
		return false;
	*p = end;
	return true;
}

/*
 * "12 (name) S 1 ...": the name may hold anything, parentheses and newlines, too, so it ends at the last one. Of the numbers
 * behind the state the first is the parent, the sixth the flags and the nineteenth the start.
 */
static int parse_stat(char *text, size_t len, struct live_proc *proc)
{
	char *open = memchr(text, '(', len), *close = memrchr(text, ')', len), *p;
	uint64_t n = 0;
	size_t size;

	if (!open || !close || close < open || close[1] != ' ' || !close[2])
		return -EINVAL;
	size = (size_t)(close - open) - 1;
	if (size > LIVE_COMM_SIZE - 1)
		size = LIVE_COMM_SIZE - 1;
	memcpy(proc->comm, open + 1, size);
	proc->comm[size] = '\0';
	proc->bodiless = close[2] == 'Z' || close[2] == 'X';
	p = close + 3;
	for (int field = 1; field <= 19; field++) {
		if (!next_number(&p, &n))
			return -EINVAL;
		if (field == 1)
			proc->ppid = n > INT_MAX ? 0 : (pid_t)n;
		if (field == 6 && n & LINUX_KTHREAD)
			proc->bodiless = true;
	}
	proc->start = n;
	return 0;
}

static int read_stat(int at, const char *path, struct live_proc *proc)
{
	char text[STAT_SIZE];
	ssize_t len = read_small(at, path, text, sizeof(text));

	if (len < 0)
		return len == -ENOENT ? -ESRCH : (int)len;
	return parse_stat(text, (size_t)len, proc);
}

int live_proc_read(int root, pid_t pid, struct live_proc *proc)
{
	char path[32];

	snprintf(path, sizeof(path), "%d/stat", (int)pid);
	proc->pid = pid;
	return read_stat(root, path, proc);
}

int live_proc_open(int root, const struct live_proc *proc)
{
	struct live_proc now = { 0 };
	char path[16];
	int fd, ret;

	snprintf(path, sizeof(path), "%d", (int)proc->pid);
	fd = openat(root, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		errno = errno == ENOENT ? ESRCH : errno;
		return -1;
	}
	ret = read_stat(fd, "stat", &now);
	if (ret || now.start != proc->start) {
		close(fd);
		errno = ret ? -ret : ESRCH;
		return -1;
	}
	return fd;
}

/* The number that the whole of @name is; 0: it is none. */
static pid_t pid_of(const char *name)
{
	char *end;
	long n;

	if (*name < '1' || *name > '9')
		return 0;
	errno = 0;
	n = strtol(name, &end, 10);
	return *end || errno || n > INT_MAX ? 0 : (pid_t)n;
}

/* Of which process @pid is a thread; 0: not to be found out. */
static pid_t process_of(int root, pid_t pid)
{
	char path[32], text[STAT_SIZE];
	const char *line;

	snprintf(path, sizeof(path), "%d/status", (int)pid);
	if (read_small(root, path, text, sizeof(text)) < 0)
		return 0;
	line = strstr(text, "\nTgid:\t");
	return line ? (pid_t)atoi(line + strlen("\nTgid:\t")) : 0;
}

bool live_is_thread(int root, pid_t pid)
{
	pid_t process = process_of(root, pid);

	return process > 0 && process != pid;
}

int live_fail_absent(int root, pid_t pid, char err[LIVE_ERR_SIZE])
{
	pid_t process = process_of(root, pid);

	if (process > 0 && process != pid)
		return live_fail(err, "%d is a thread of process %d", (int)pid, (int)process);
	return live_fail(err, "there is no process %d", (int)pid);
}

/* Do numbers under @root mean to the kernel what they mean to us? There we go by our own number. */
static bool our_numbers(int root)
{
	char self[32];
	ssize_t len = readlinkat(root, "self", self, sizeof(self) - 1);

	if (len < 0)
		return false;
	self[len] = '\0';
	return pid_of(self) == getpid();
}

bool live_same_mm(int root, pid_t a, pid_t b)
{
	return our_numbers(root) && syscall(SYS_kcmp, a, b, KCMP_VM, 0, 0) == 0;
}

const char *live_refusal(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (!syscall(SYS_capget, &head, data) && data[0].effective & 1u << CAP_SYS_PTRACE)
		return "the kernel refuses it in spite of CAP_SYS_PTRACE";
	return "CAP_SYS_PTRACE is missing";
}

/* -- many --------------------------------------------------------------------------------------- */

static struct live_proc *add_proc(struct live_procs *procs)
{
	if (procs->nr == procs->room) {
		size_t room = procs->room ? 2 * procs->room : 256;
		struct live_proc *v = realloc(procs->v, room * sizeof(*v));

		if (!v)
			return NULL;
		procs->v = v;
		procs->room = room;
	}
	return &procs->v[procs->nr];
}

static int by_pid(const void *a, const void *b)
{
	pid_t x = ((const struct live_proc *)a)->pid, y = ((const struct live_proc *)b)->pid;

	return (x > y) - (x < y);
}

int live_procs_all(int root, struct live_procs *out, char err[LIVE_ERR_SIZE])
{
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int ret = 0;

	*out = (struct live_procs){ 0 };
	if (!dir) {
		ret = live_fail(err, "the list of processes cannot be read: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return ret;
	}
	while ((entry = readdir(dir))) {
		pid_t pid = pid_of(entry->d_name);
		struct live_proc *proc;

		if (!pid)
			continue;
		proc = add_proc(out);
		if (!proc) {
			ret = live_fail(err, "no memory for the list of processes");
			break;
		}
		if (!live_proc_read(root, pid, proc))
			out->nr++;
	}
	closedir(dir);
	if (ret)
		live_procs_free(out);
	else if (out->nr)
		qsort(out->v, out->nr, sizeof(*out->v), by_pid);
	return ret;
}

void live_procs_free(struct live_procs *procs)
{
	free(procs->v);
	*procs = (struct live_procs){ 0 };
}

const struct live_proc *live_procs_find(const struct live_procs *procs, pid_t pid)
{
	const struct live_proc key = { .pid = pid };

	return procs->nr ? bsearch(&key, procs->v, procs->nr, sizeof(key), by_pid) : NULL;
}

bool live_procs_descends(const struct live_procs *procs, pid_t pid, pid_t ancestor)
{
	/* Read one after the other, parents may seem to go in a circle. */
	for (size_t steps = 0; pid && steps <= procs->nr; steps++) {
		const struct live_proc *proc;

		if (pid == ancestor)
			return true;
		proc = live_procs_find(procs, pid);
		pid = proc ? proc->ppid : 0;
	}
	return false;
}

/* -- choosing ------------------------------------------------------------------------------------ */

int live_parse_pid(const char *text, pid_t *pid, char err[LIVE_ERR_SIZE])
{
	char safe[LIVE_SAFE_SIZE];

	*pid = pid_of(text);
	if (*pid)
		return 0;
	return live_fail(err, "'%s' is no process number", live_safe(text, safe, sizeof(safe)));
}

int live_choice_pid(struct live_choice *choice, const char *text, char err[LIVE_ERR_SIZE])
{
	pid_t pid, *pids;

	if (live_parse_pid(text, &pid, err))
		return -1;
	pids = realloc(choice->pids, (choice->nr_pids + 1) * sizeof(*pids));
	if (!pids)
		return live_fail(err, "no memory");
	choice->pids = pids;
	choice->pids[choice->nr_pids++] = pid;
	return 0;
}

int live_choice_tree(struct live_choice *choice, const char *text, char err[LIVE_ERR_SIZE])
{
	if (choice->tree)
		return live_fail(err, "--tree: one tree, no more");
	return live_parse_pid(text, &choice->tree, err);
}

int live_choice_match(struct live_choice *choice, const char *pattern, char err[LIVE_ERR_SIZE])
{
	if (choice->match)
		return live_fail(err, "--match: one name, no more (a pattern may mean several)");
	choice->match = pattern;
	return 0;
}

bool live_choice_empty(const struct live_choice *choice)
{
	return !choice->nr_pids && !choice->tree && !choice->match;
}

void live_choice_free(struct live_choice *choice)
{
	free(choice->pids);
	*choice = (struct live_choice){ 0 };
}

/* The kernel cuts names, so a name that is longer means what is left of it. */
static bool matches(const char *comm, const char *pattern)
{
	if (!fnmatch(pattern, comm, 0))
		return true;
	return strlen(comm) == COMM_KEPT && strlen(pattern) > COMM_KEPT &&
	       !strncmp(comm, pattern, COMM_KEPT);
}

static bool named(const struct live_choice *choice, pid_t pid)
{
	for (size_t i = 0; i < choice->nr_pids; i++)
		if (choice->pids[i] == pid)
			return true;
	return false;
}

static bool chosen(const struct live_procs *all, const struct live_choice *choice,
		   const struct live_proc *proc)
{
	if (named(choice, proc->pid))
		return true;
	if (proc->pid == getpid())
		return false;
	return (choice->match && matches(proc->comm, choice->match)) ||
	       (choice->tree && live_procs_descends(all, proc->pid, choice->tree));
}

/* Can it be looked at? If not, the sentence. */
static bool has_memory(int root, const struct live_procs *all, pid_t pid, char err[LIVE_ERR_SIZE])
{
	const struct live_proc *proc = live_procs_find(all, pid);
	char safe[LIVE_SAFE_SIZE];

	if (!proc)
		live_fail_absent(root, pid, err);
	else if (proc->bodiless)
		live_fail(err, "process %d (%s) has no memory: a kernel thread or a zombie",
			  (int)pid, live_safe(proc->comm, safe, sizeof(safe)));
	return proc && !proc->bodiless;
}

/* Those named by number that have ended leave the choice, unless that leaves nobody. */
static int drop_ended(int root, const struct live_procs *all, struct live_choice *choice,
		      char err[LIVE_ERR_SIZE])
{
	size_t there = 0, kept = 0;

	for (size_t i = 0; i < choice->nr_pids; i++) {
		if (has_memory(root, all, choice->pids[i], err))
			there++;
		else if (live_is_thread(root, choice->pids[i]))
			return -1;
	}
	if (choice->nr_pids && !there && !choice->tree && !choice->match)
		return choice->nr_pids == 1
			       ? -1
			       : live_fail(err, "none of the %zu processes is there any more",
					   choice->nr_pids);
	for (size_t i = 0; i < choice->nr_pids; i++) {
		if (has_memory(root, all, choice->pids[i], err))
			choice->pids[kept++] = choice->pids[i];
		else if (choice->speaker)
			fprintf(stderr, "%s: %s; it is left out\n", choice->speaker, err);
	}
	choice->nr_pids = kept;
	return 0;
}

static int fail_nobody(const struct live_choice *choice, char err[LIVE_ERR_SIZE])
{
	char safe[LIVE_SAFE_SIZE];

	if (choice->match)
		return live_fail(err,
				 "no process is meant by this: none is called '%s' (the name that "
				 "'ps -o comm' shows)%s",
				 live_safe(choice->match, safe, sizeof(safe)),
				 choice->tree ? ", nor has any of the tree memory" : "");
	return live_fail(
		err,
		"no process is meant by this: %d and its descendants are kernel threads or "
		"zombies",
		(int)choice->tree);
}

int live_procs_choose(int root, struct live_choice *choice, struct live_procs *out,
		      char err[LIVE_ERR_SIZE])
{
	struct live_procs all;
	size_t kept = 0;

	*out = (struct live_procs){ 0 };
	if (live_procs_all(root, &all, err))
		return -1;
	if (choice->tree && !live_procs_find(&all, choice->tree)) {
		live_fail_absent(root, choice->tree, err);
		goto fail;
	}
	if (drop_ended(root, &all, choice, err))
		goto fail;
	out->v = calloc(all.nr + 1, sizeof(*out->v));
	if (!out->v) {
		live_fail(err, "no memory for the list of processes");
		goto fail;
	}
	out->room = all.nr + 1;
	for (size_t i = 0; i < all.nr; i++)
		if (!all.v[i].bodiless && chosen(&all, choice, &all.v[i]))
			out->v[kept++] = all.v[i];
	out->nr = kept;
	if (!kept) {
		fail_nobody(choice, err);
		goto fail;
	}
	live_procs_free(&all);
	return 0;
fail:
	live_procs_free(&all);
	live_procs_free(out);
	return -1;
}

/* -- names --------------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 character at @s, and which it is; 0: it is none. */
static size_t utf8(const unsigned char *s, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = *s < 0x80 ? 1 : *s >> 5 == 6 ? 2 : *s >> 4 == 14 ? 3 : *s >> 3 == 30 ? 4 : 0;

	if (len <= 1) {
		*c = *s;
		return len;
	}
	*c = *s & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (s[i] & 0x3f);
	}
	return *c < least[len] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000) ? 0 : len;
}

/* Controls, and what turns the direction of writing or is not seen at all. */
static bool obeyed(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       c == 0x061c;
}

const char *live_safe(const char *raw, char *buf, size_t size)
{
	const unsigned char *s = (const unsigned char *)raw;
	size_t len = 0;

	while (*s) {
		uint32_t c;
		size_t bytes = utf8(s, &c);
		bool plain = bytes && !obeyed(c) && c != '\\';

		if (!bytes) {
			bytes = 1;
			c = 0;
		}
		if (len + 4 * bytes + 1 > size)
			break;
		if (plain) {
			memcpy(buf + len, s, bytes);
			len += bytes;
		} else if (c == '\\' && bytes == 1) {
			len += (size_t)snprintf(buf + len, size - len, "\\\\");
		} else {
			for (size_t i = 0; i < bytes; i++)
				len += (size_t)snprintf(buf + len, size - len, "\\x%02x", s[i]);
		}
		s += bytes;
	}
	buf[len] = '\0';
	return buf;
}
