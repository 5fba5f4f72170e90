// SPDX-License-Identifier: BSD-2-Clause
/* Functions that were made at run time; see the header. */
#include "breaks_jit.h"
#include "breaks_index.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_FILE (1ull << 30) /* no honest table is larger */
#define LOOK_NS	 100000000u   /* whether it has grown is looked at so often */
#define OVERLAP	 64	      /* so many older functions may begin between an address and its own */

struct function {
	uint64_t start, end;
	uint32_t name; /* greater ones were written later */
};

/* One process's table, by start. What comes later in the file holds where two overlap. */
struct table {
	uint32_t pid;
	uint64_t looked_at;
	off_t read; /* of the file */
	struct function *v;
	size_t nr, cap;
};

struct breaks_jit {
	struct table *tables;
	size_t nr_tables, cap_tables;
	struct breaks_index by_pid;
	char **names;
	size_t nr_names, cap_names;
};

struct breaks_jit *breaks_jit_new(void)
{
	return calloc(1, sizeof(struct breaks_jit));
}

void breaks_jit_free(struct breaks_jit *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->nr_tables; i++)
		free(j->tables[i].v);
	for (size_t i = 0; i < j->nr_names; i++)
		free(j->names[i]);
	breaks_index_free(&j->by_pid);
	free(j->tables);
	free(j->names);
	free(j);
}

const char *breaks_jit_name(const struct breaks_jit *j, uint32_t name)
{
	return j->names[name];
}

static struct table *table_of(struct breaks_jit *j, uint32_t pid)
{
	struct table *tables;
	size_t cursor = 0;
	uint32_t at;

	while ((at = breaks_index_next(&j->by_pid, breaks_hash(pid), &cursor)) != BREAKS_NONE)
		if (j->tables[at].pid == pid)
			return &j->tables[at];
	tables = breaks_grow(j->tables, j->nr_tables, &j->cap_tables, sizeof(*tables));
	if (!tables)
		return NULL;
	j->tables = tables;
	if (breaks_index_put(&j->by_pid, breaks_hash(pid), (uint32_t)j->nr_tables))
		return NULL;
	tables[j->nr_tables] = (struct table){ .pid = pid };
	return &tables[j->nr_tables++];
}

static void add_line(struct breaks_jit *j, struct table *t, const char *line)
{
	struct function f, *v;
	uint64_t size;
	char **names;
	int name = 0;

	if (sscanf(line, "%" SCNx64 " %" SCNx64 " %n", &f.start, &size, &name) < 2 || !name ||
	    !line[name] || f.start + size < f.start)
		return;
	f.end = f.start + size;
	names = breaks_grow(j->names, j->nr_names, &j->cap_names, sizeof(*names));
	if (!names)
		return;
	j->names = names;
	v = breaks_grow(t->v, t->nr, &t->cap, sizeof(*v));
	if (!v)
		return;
	t->v = v;
	names[j->nr_names] = strndup(line + name, 512);
	if (!names[j->nr_names])
		return;
	f.name = (uint32_t)j->nr_names++;
	v[t->nr++] = f;
}

/* As the process sees its /tmp and its own number; else as we do. */
static int open_table(uint32_t pid)
{
	char path[128], line[256];
	uint32_t inner = pid;
	int fd;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		const char *last = strrchr(line, '\t');

		if (!strncmp(line, "NSpid:", 6) && last)
			inner = (uint32_t)strtoul(last + 1, NULL, 10);
	}
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "/proc/%u/root/tmp/perf-%u.map", pid, inner);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "/tmp/perf-%u.map", pid);
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

static int by_start(const void *x, const void *y)
{
	const struct function *a = x, *b = y;

	return a->start < b->start ? -1 : a->start > b->start;
}

/* Whole lines only: the last may still be being written. */
static void read_on(struct breaks_jit *j, struct table *t)
{
	int fd = open_table(t->pid);
	char *line = NULL;
	size_t size = 0;
	struct stat st;
	ssize_t n;
	FILE *f;

	if (fd < 0)
		return;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= t->read ||
	    (uint64_t)st.st_size > MAX_FILE || !(f = fdopen(fd, "r"))) {
		close(fd);
		return;
	}
	fseeko(f, t->read, SEEK_SET);
	while ((n = getline(&line, &size, f)) > 0 && line[n - 1] == '\n') {
		t->read += n;
		line[n - 1] = '\0';
		add_line(j, t, line);
	}
	free(line);
	fclose(f);
	if (t->nr)
		qsort(t->v, t->nr, sizeof(*t->v), by_start);
}

/* Of those that cover @addr the one that was written last. */
static uint32_t look_up(const struct table *t, uint64_t addr)
{
	size_t low = 0, high = t->nr;
	uint32_t name = BREAKS_NONE;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (t->v[mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	for (size_t i = low; i > 0 && low - i < OVERLAP; i--) {
		const struct function *f = &t->v[i - 1];

		if (addr < f->end && (name == BREAKS_NONE || f->name > name))
			name = f->name;
	}
	return name;
}

uint32_t breaks_jit_find(struct breaks_jit *j, uint32_t pid, uint64_t addr)
{
	struct table *t = table_of(j, pid);
	struct timespec ts;
	uint64_t now;
	uint32_t name;

	if (!t)
		return BREAKS_NONE;
	name = look_up(t, addr);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	if (name != BREAKS_NONE || now - t->looked_at < LOOK_NS)
		return name;
	t->looked_at = now;
	read_on(j, t);
	return look_up(t, addr);
}
