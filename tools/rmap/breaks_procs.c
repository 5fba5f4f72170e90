// SPDX-License-Identifier: BSD-2-Clause
/* The followed processes as they were; see the header. */
#include "breaks_procs.h"
#include "breaks_index.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define REREAD_NS  20000000u /* an address that nobody knows makes /proc be asked at most so often */
#define COUNT_NS   1000000000u /* who has ended without a word is looked for so often */
/* How far a stack may have grown since we heard of it: what a program may have by default. */
#define STACK_ROOM (8u << 20)

struct breaks_procs {
	struct breaks_modules *modules;
	struct breaks_proc *procs;
	size_t nr_procs, cap_procs;
	struct breaks_thread *threads;
	size_t nr_threads, cap_threads;
	char **names;
	size_t nr_names, cap_names;
	struct breaks_index by_pid, by_tid, by_name;
	uint64_t counted_at;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct breaks_procs *breaks_procs_new(struct breaks_modules *modules)
{
	struct breaks_procs *ps = calloc(1, sizeof(*ps));

	if (ps)
		ps->modules = modules;
	return ps;
}

void breaks_procs_free(struct breaks_procs *ps)
{
	if (!ps)
		return;
	for (size_t i = 0; i < ps->nr_procs; i++)
		free(ps->procs[i].maps);
	for (size_t i = 0; i < ps->nr_names; i++)
		free(ps->names[i]);
	breaks_index_free(&ps->by_pid);
	breaks_index_free(&ps->by_tid);
	breaks_index_free(&ps->by_name);
	free(ps->procs);
	free(ps->threads);
	free(ps->names);
	free(ps);
}

struct breaks_proc *breaks_procs_at(struct breaks_procs *ps, uint32_t proc)
{
	return &ps->procs[proc];
}

struct breaks_thread *breaks_procs_thread_at(struct breaks_procs *ps, uint32_t thread)
{
	return &ps->threads[thread];
}

uint32_t breaks_procs_nr(const struct breaks_procs *ps)
{
	return (uint32_t)ps->nr_procs;
}

const char *breaks_procs_name(const struct breaks_procs *ps, uint32_t name)
{
	return name < ps->nr_names ? ps->names[name] : "";
}

static uint32_t intern(struct breaks_procs *ps, const char *name)
{
	uint64_t hash = XXH3_64bits(name, strlen(name));
	char **names;
	size_t cursor = 0;
	uint32_t at;

	while ((at = breaks_index_next(&ps->by_name, hash, &cursor)) != BREAKS_NONE)
		if (!strcmp(ps->names[at], name))
			return at;
	names = breaks_grow(ps->names, ps->nr_names, &ps->cap_names, sizeof(*names));
	if (!names)
		return BREAKS_NONE;
	ps->names = names;
	names[ps->nr_names] = strdup(name);
	if (!names[ps->nr_names] || breaks_index_put(&ps->by_name, hash, (uint32_t)ps->nr_names)) {
		free(names[ps->nr_names]);
		return BREAKS_NONE;
	}
	return (uint32_t)ps->nr_names++;
}

/* -- mappings --------------------------------------------------------------------------------- */

static struct breaks_map *insert_at(struct breaks_proc *p, size_t at, struct breaks_map map)
{
	struct breaks_map *maps = breaks_grow(p->maps, p->nr_maps, &p->cap_maps, sizeof(*maps));

	if (!maps)
		return NULL;
	p->maps = maps;
	memmove(&maps[at + 1], &maps[at], (p->nr_maps - at) * sizeof(*maps));
	maps[at] = map;
	p->nr_maps++;
	return &maps[at];
}

/* The first that ends behind @addr. */
static size_t lower(const struct breaks_proc *p, uint64_t addr)
{
	size_t low = 0, high = p->nr_maps;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (p->maps[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/*
 *	     |---------- map ----------|
 *	|-- before --|  |- gone -|  |-- behind --|	what it covers is cut away
 */
static int put_map(struct breaks_proc *p, struct breaks_map map)
{
	size_t at = lower(p, map.start), last;

	if (map.start >= map.end)
		return 0;
	if (at < p->nr_maps && p->maps[at].start < map.start) {
		struct breaks_map before = p->maps[at];

		if (before.end > map.end) { /* it falls into two */
			struct breaks_map behind = before;

			behind.pgoff += map.end - behind.start;
			behind.start = map.end;
			if (!insert_at(p, at + 1, behind))
				return -1;
		}
		p->maps[at].end = map.start;
		at++;
	}
	for (last = at; last < p->nr_maps && p->maps[last].end <= map.end; last++)
		;
	if (last > at)
		memmove(&p->maps[at], &p->maps[last], (p->nr_maps - last) * sizeof(*p->maps));
	p->nr_maps -= last - at;
	if (at < p->nr_maps && p->maps[at].start < map.end) {
		p->maps[at].pgoff += map.end - p->maps[at].start;
		p->maps[at].start = map.end;
	}
	return insert_at(p, at, map) ? 0 : -1;
}

/* The name of what is mapped, and where code may be which file it is in. */
static int name_map(struct breaks_procs *ps, struct breaks_map *map, uint64_t dev, uint64_t ino,
		    const char *path)
{
	bool vdso = !strcmp(path, "[vdso]");

	if (!strcmp(path, "//anon"))
		path = "";
	map->name = intern(ps, path);
	map->module = BREAKS_NONE;
	if ((ino && (map->prot & PROT_EXEC)) || vdso) {
		if (vdso)
			map->pgoff = 0;
		map->module = breaks_module_find(ps->modules, dev, ino, path);
		if (map->module == BREAKS_NONE)
			return -1;
	}
	return map->name == BREAKS_NONE ? -1 : 0;
}

static int parse_map(struct breaks_procs *ps, struct breaks_proc *p, char *line)
{
	unsigned int major, minor;
	struct breaks_map map;
	uint64_t ino;
	char perms[8];
	int path = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &map.start,
		   &map.end, perms, &map.pgoff, &major, &minor, &ino, &path) < 7 ||
	    !path || strlen(perms) != 4)
		return 0;
	map.prot =
		(uint8_t)((perms[0] == 'r' ? PROT_READ : 0) | (perms[1] == 'w' ? PROT_WRITE : 0) |
			  (perms[2] == 'x' ? PROT_EXEC : 0));
	map.shared = perms[3] == 's';
	if (name_map(ps, &map, makedev(major, minor), ino, line + path))
		return -1;
	return put_map(p, map);
}

/* -1 without memory; a process that has ended keeps what is known of it. */
static int read_maps(struct breaks_procs *ps, struct breaks_proc *p)
{
	char path[64], *line = NULL;
	size_t size = 0;
	bool first = true;
	int ret = 0;
	FILE *f;

	p->read_at = now_ns();
	snprintf(path, sizeof(path), "/proc/%u/maps", p->pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (!ret && getline(&line, &size, f) > 0) {
		if (first)
			p->nr_maps = 0;
		first = false;
		ret = parse_map(ps, p, line);
	}
	free(line);
	fclose(f);
	return ret;
}

static void read_comm(struct breaks_proc *p)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/comm", p->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, p->comm, sizeof(p->comm) - 1);
		close(fd);
	}
	p->comm[n > 0 ? (size_t)n : 0] = '\0';
	if (n > 0 && p->comm[n - 1] == '\n') /* others may be its own */
		p->comm[n - 1] = '\0';
}

const struct breaks_map *breaks_procs_look(const struct breaks_procs *ps, uint32_t proc,
					   uint64_t addr)
{
	const struct breaks_proc *p = &ps->procs[proc];
	size_t at = lower(p, addr);

	return at < p->nr_maps && p->maps[at].start <= addr ? &p->maps[at] : NULL;
}

const struct breaks_map *breaks_procs_map(struct breaks_procs *ps, uint32_t proc, uint64_t addr)
{
	struct breaks_proc *p = &ps->procs[proc];
	const struct breaks_map *map = breaks_procs_look(ps, proc, addr);
	size_t at;

	if (map)
		return map;
	if (now_ns() - p->read_at > REREAD_NS) {
		if (read_maps(ps, p))
			return NULL;
		map = breaks_procs_look(ps, proc, addr);
	}
	at = lower(p, addr);
	if (!map && at < p->nr_maps && p->maps[at].start - addr < STACK_ROOM &&
	    !strcmp(breaks_procs_name(ps, p->maps[at].name), "[stack]")) {
		p->maps[at].start = addr & ~(uint64_t)4095;
		map = &p->maps[at];
	}
	return map;
}

const struct breaks_map *breaks_procs_map_anew(struct breaks_procs *ps, uint32_t proc,
					       uint64_t addr, uint64_t time)
{
	struct breaks_proc *p = &ps->procs[proc];

	if (p->read_at <= time && read_maps(ps, p))
		return NULL;
	return breaks_procs_look(ps, proc, addr);
}

/* -- processes and threads -------------------------------------------------------------------- */

/* The last that had this number: they are used again. */
static uint32_t find_proc(const struct breaks_procs *ps, uint32_t pid)
{
	uint32_t at, last = BREAKS_NONE;
	size_t cursor = 0;

	while ((at = breaks_index_next(&ps->by_pid, breaks_hash(pid), &cursor)) != BREAKS_NONE)
		if (last == BREAKS_NONE || at > last)
			last = at;
	return last;
}

static uint32_t new_proc(struct breaks_procs *ps, uint32_t pid)
{
	struct breaks_proc *procs =
		breaks_grow(ps->procs, ps->nr_procs, &ps->cap_procs, sizeof(*procs));

	if (!procs)
		return BREAKS_NONE;
	ps->procs = procs;
	if (breaks_index_put(&ps->by_pid, breaks_hash(pid), (uint32_t)ps->nr_procs))
		return BREAKS_NONE;
	procs[ps->nr_procs] = (struct breaks_proc){ .pid = pid };
	return (uint32_t)ps->nr_procs++;
}

uint32_t breaks_procs_add(struct breaks_procs *ps, uint32_t pid)
{
	uint32_t at = find_proc(ps, pid);

	if (at != BREAKS_NONE && ps->procs[at].threads)
		return at;
	at = new_proc(ps, pid);
	if (at == BREAKS_NONE)
		return BREAKS_NONE;
	read_comm(&ps->procs[at]);
	return read_maps(ps, &ps->procs[at]) ? BREAKS_NONE : at;
}

static uint32_t find_thread(const struct breaks_procs *ps, uint32_t tid)
{
	size_t cursor = 0;

	return breaks_index_next(&ps->by_tid, breaks_hash(tid), &cursor);
}

/* @tid is alive and is of @proc; whoever had that number before is not. */
static uint32_t live_thread(struct breaks_procs *ps, uint32_t proc, uint32_t tid)
{
	uint32_t at = find_thread(ps, tid);

	if (at == BREAKS_NONE) {
		struct breaks_thread *threads = breaks_grow(ps->threads, ps->nr_threads,
							    &ps->cap_threads, sizeof(*threads));

		if (!threads)
			return BREAKS_NONE;
		ps->threads = threads;
		if (breaks_index_put(&ps->by_tid, breaks_hash(tid), (uint32_t)ps->nr_threads))
			return BREAKS_NONE;
		at = (uint32_t)ps->nr_threads++;
		threads[at] = (struct breaks_thread){ .tid = tid };
	}
	if (ps->threads[at].alive && ps->threads[at].proc == proc)
		return at;
	if (ps->threads[at].alive)
		ps->procs[ps->threads[at].proc].threads--;
	ps->threads[at].alive = true;
	ps->threads[at].proc = proc;
	ps->threads[at].missing = 0;
	ps->procs[proc].threads++;
	return at;
}

uint32_t breaks_procs_thread(struct breaks_procs *ps, uint32_t pid, uint32_t tid)
{
	uint32_t at = find_thread(ps, tid), proc;

	if (at != BREAKS_NONE && ps->threads[at].alive &&
	    ps->procs[ps->threads[at].proc].pid == pid)
		return at;
	proc = breaks_procs_add(ps, pid);
	return proc == BREAKS_NONE ? BREAKS_NONE : live_thread(ps, proc, tid);
}

bool breaks_procs_knows(const struct breaks_procs *ps, uint32_t tid)
{
	uint32_t at = find_thread(ps, tid);

	return at != BREAKS_NONE && ps->threads[at].alive;
}

static void end_thread(struct breaks_procs *ps, uint32_t at)
{
	struct breaks_thread *t = &ps->threads[at];
	struct breaks_proc *p = &ps->procs[t->proc];

	if (!t->alive)
		return;
	t->alive = false;
	if (--p->threads)
		return;
	free(p->maps); /* nothing of it will be asked any more */
	p->maps = NULL;
	p->nr_maps = p->cap_maps = 0;
}

static int begin(struct breaks_procs *ps, const struct breaks_event *ev)
{
	uint32_t parent = find_thread(ps, ev->fork.ptid), from, at;
	struct breaks_proc *p, *q;

	at = find_thread(ps, ev->tid);
	if (at != BREAKS_NONE && ps->threads[at].alive &&
	    ps->procs[ps->threads[at].proc].pid == ev->pid)
		return 0; /* it was found in /proc before */
	if (ev->pid == ev->fork.ppid)
		return breaks_procs_thread(ps, ev->pid, ev->tid) == BREAKS_NONE ? -1 : 0;
	from = parent != BREAKS_NONE ? ps->threads[parent].proc : find_proc(ps, ev->fork.ppid);
	at = new_proc(ps, ev->pid);
	if (at == BREAKS_NONE || live_thread(ps, at, ev->tid) == BREAKS_NONE)
		return -1;
	p = &ps->procs[at];
	if (from == BREAKS_NONE) {
		read_comm(p);
		return read_maps(ps, p);
	}
	q = &ps->procs[from];
	memcpy(p->comm, q->comm, sizeof(p->comm));
	p->maps = calloc(q->nr_maps + 1, sizeof(*p->maps));
	if (!p->maps)
		return -1;
	if (q->nr_maps)
		memcpy(p->maps, q->maps, q->nr_maps * sizeof(*p->maps));
	p->nr_maps = q->nr_maps;
	p->cap_maps = q->nr_maps + 1;
	return 0;
}

static int rename_proc(struct breaks_procs *ps, const struct breaks_event *ev)
{
	uint32_t thread = breaks_procs_thread(ps, ev->pid, ev->tid);
	struct breaks_proc *p;

	if (thread == BREAKS_NONE)
		return -1;
	p = &ps->procs[ps->threads[thread].proc];
	if (ev->comm.exec)
		p->nr_maps = 0;
	if (ev->pid == ev->tid)
		snprintf(p->comm, sizeof(p->comm), "%s", ev->comm.name);
	return 0;
}

static int map(struct breaks_procs *ps, const struct breaks_event *ev)
{
	uint32_t thread = breaks_procs_thread(ps, ev->pid, ev->tid);
	const struct breaks_mmap *m = &ev->mmap;
	struct breaks_map new = { .start = m->addr,
				  .end = m->addr + m->len,
				  .pgoff = m->pgoff,
				  .prot = (uint8_t)(m->prot & (PROT_READ | PROT_WRITE | PROT_EXEC)),
				  .shared = m->shared };

	if (thread == BREAKS_NONE ||
	    name_map(ps, &new, makedev(m->major, m->minor), m->ino, m->name))
		return -1;
	return put_map(&ps->procs[ps->threads[thread].proc], new);
}

int breaks_procs_event(struct breaks_procs *ps, const struct breaks_event *ev)
{
	uint32_t thread;

	switch (ev->kind) {
	case BREAKS_FORK:
		return begin(ps, ev);
	case BREAKS_COMM:
		return rename_proc(ps, ev);
	case BREAKS_MMAP:
		return map(ps, ev);
	case BREAKS_EXIT:
		thread = find_thread(ps, ev->tid);
		if (thread != BREAKS_NONE)
			end_thread(ps, thread);
		return 0;
	default:
		return 0;
	}
}

size_t breaks_procs_alive(struct breaks_procs *ps, uint64_t now)
{
	bool look = now - ps->counted_at > COUNT_NS;
	size_t alive = 0;

	for (uint32_t i = 0; i < ps->nr_threads; i++) {
		struct breaks_thread *t = &ps->threads[i];
		char path[64];

		if (!t->alive)
			continue;
		if (look) {
			snprintf(path, sizeof(path), "/proc/%u/task/%u", ps->procs[t->proc].pid,
				 t->tid);
			if (access(path, F_OK) && errno == ENOENT && t->missing++) {
				end_thread(ps, i);
				continue;
			}
		}
		alive++;
	}
	if (look)
		ps->counted_at = now;
	return alive;
}
