// SPDX-License-Identifier: BSD-2-Clause
/*
 * The search for who maps a page, in three stages.
 */
#include "who_search.h"
#include "words.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHILDREN_SIZE (64u << 10)
#define NAME_SIZE     4096u

static bool enough(const struct who_search *s)
{
	return !s->all && s->mapcount >= 0 && s->found >= (uint64_t)s->mapcount;
}

static bool is_it(const struct who_search *s, uint64_t entry)
{
	if (s->swapped)
		return live_is_swapped(entry) && (entry & LIVE_FRAME) == s->key;
	return entry & LIVE_PRESENT && (entry & LIVE_FRAME) == s->key;
}

/* -- one process ------------------------------------------------------------------------------ */

static int open_dir(struct who_search *s, pid_t pid)
{
	char path[16];

	snprintf(path, sizeof(path), "%d", (int)pid);
	return openat(s->root, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* pagemap of the process in @proc, counting what is looked at and what is not to be. */
static int open_tables(struct who_search *s, int proc)
{
	int fd = live_pagemap_open(proc);

	if (fd == -EACCES || fd == -EPERM)
		s->denied++;
	else if (fd >= 0)
		s->looked++;
	return fd;
}

static void read_comm(int proc, char comm[LIVE_COMM_SIZE])
{
	int fd = openat(proc, "comm", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, comm, LIVE_COMM_SIZE - 1);

	if (fd >= 0)
		close(fd);
	comm[got > 0 ? got : 0] = '\0';
	if (got > 0 && comm[got - 1] == '\n')
		comm[got - 1] = '\0';
}

/* Among the first @nr hits. */
static const struct who_hit *hit_among(const struct who_search *s, size_t nr, pid_t pid,
				       uint64_t addr)
{
	for (size_t i = 0; i < nr; i++)
		if (s->hits[i].pid == pid && s->hits[i].addr == addr)
			return &s->hits[i];
	return NULL;
}

static const struct who_hit *hit_at(const struct who_search *s, pid_t pid, uint64_t addr)
{
	return hit_among(s, s->nr, pid, addr);
}

/* @relative: its parent or child, if it was come to from there; else 0. */
static void add_hit(struct who_search *s, int proc, pid_t pid, pid_t relative, uint64_t addr)
{
	char name[NAME_SIZE];
	struct who_hit *hit;

	if (s->nr == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		struct who_hit *hits = realloc(s->hits, room * sizeof(*hits));

		if (!hits) {
			s->no_memory = true;
			return;
		}
		s->hits = hits;
		s->room = room;
	}
	hit = &s->hits[s->nr];
	*hit = (struct who_hit){ .pid = pid, .addr = addr };
	read_comm(proc, hit->comm);
	if (live_vma_at(proc, addr, &hit->vma, name, sizeof(name)) != 1) {
		name[0] = '\0';
		hit->vma = (struct live_vma){ 0 };
	}
	hit->vma.name = strdup(name);
	if (!hit->vma.name) {
		s->no_memory = true;
		return;
	}
	hit->shares_mm =
		relative && live_same_mm(s->root, pid, relative) && hit_at(s, relative, addr);
	s->nr++;
	s->found += !hit->shares_mm;
}

/* Does the process have it at @addr? */
static void look_at(struct who_search *s, pid_t pid, pid_t relative, uint64_t addr)
{
	int proc = open_dir(s, pid), tables;
	uint64_t entry;

	if (proc < 0)
		return;
	tables = open_tables(s, proc);
	if (tables >= 0) {
		if (!live_pagemap_at(tables, addr, &entry) && is_it(s, entry))
			add_hit(s, proc, pid, relative, addr);
		close(tables);
	}
	close(proc);
}

/* -- the fork tree, from the inside ----------------------------------------------------------- */

struct node {
	pid_t pid, from; /* from: the relative that led here */
};

struct walk {
	struct node *v; /* in the order of being looked at */
	size_t nr, room;
	pid_t *seen; /* open addressing; 0: free */
	size_t slots;
	bool no_memory;
};

static size_t slot_of(const struct walk *w, pid_t pid)
{
	size_t at = ((uint32_t)pid * 2654435761u) & (w->slots - 1);

	while (w->seen[at] && w->seen[at] != pid)
		at = (at + 1) & (w->slots - 1);
	return at;
}

static bool grow_seen(struct walk *w)
{
	struct walk old = *w;

	w->slots = old.slots ? 2 * old.slots : 1024;
	w->seen = calloc(w->slots, sizeof(*w->seen));
	if (!w->seen) {
		*w = old;
		return false;
	}
	for (size_t i = 0; i < old.slots; i++)
		if (old.seen[i])
			w->seen[slot_of(w, old.seen[i])] = old.seen[i];
	free(old.seen);
	return true;
}

/* Notes a process for being looked at. False: it is noted already, or memory is out. */
static bool note(struct walk *w, pid_t pid, pid_t from)
{
	size_t at;

	if (2 * (w->nr + 1) > w->slots && !grow_seen(w))
		goto fail;
	if (w->nr == w->room) {
		size_t room = w->room ? 2 * w->room : 256;
		struct node *v = realloc(w->v, room * sizeof(*v));

		if (!v)
			goto fail;
		w->v = v;
		w->room = room;
	}
	at = slot_of(w, pid);
	if (w->seen[at])
		return false;
	w->seen[at] = pid;
	w->v[w->nr++] = (struct node){ pid, from };
	return true;
fail:
	w->no_memory = true;
	return false;
}

/* "12 34 56 ": the children of one thread. */
static void note_children(struct walk *w, int task, const char *tid, pid_t pid)
{
	char path[300], buf[4096];
	uint64_t child = 0;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "%s/children", tid);
	fd = openat(task, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	while ((got = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			if (buf[i] >= '0' && buf[i] <= '9' && child < INT_MAX / 10) {
				child = child * 10 + (uint64_t)(buf[i] - '0');
				continue;
			}
			if (child)
				note(w, (pid_t)child, pid);
			child = 0;
		}
	}
	if (child)
		note(w, (pid_t)child, pid);
	close(fd);
}

/* Parent and children, which come behind all that are noted. */
static void note_relatives(struct who_search *s, struct walk *w, pid_t pid)
{
	char path[32];
	struct live_proc proc;
	struct dirent *entry;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "%d/task", (int)pid);
	fd = openat(s->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			note_children(w, fd, entry->d_name, pid);
	closedir(dir);
	if (!live_proc_read(s->root, pid, &proc) && proc.ppid > 0)
		note(w, proc.ppid, pid);
}

/* Those that no way over the tree led to. */
static void note_others(struct who_search *s, struct walk *w)
{
	char err[LIVE_ERR_SIZE];
	struct live_procs procs;

	if (live_procs_all(s->root, &procs, err))
		return;
	for (size_t i = 0; i < procs.nr; i++)
		if (!procs.v[i].bodiless)
			note(w, procs.v[i].pid, procs.v[i].ppid);
	live_procs_free(&procs);
}

static void search_relatives(struct who_search *s, pid_t pid, uint64_t addr)
{
	struct walk w = { 0 };
	size_t looked = 0, asked = 0, known = s->nr;
	bool others = false;

	note(&w, pid, 0);
	while (!enough(s) && !w.no_memory) {
		if (looked < w.nr) {
			pid_t next = w.v[looked].pid;

			if (!hit_among(s, known, next, addr))
				look_at(s, next, w.v[looked].from, addr);
			looked++;
		} else if (asked < w.nr && !others) {
			note_relatives(s, &w, w.v[asked++].pid);
		} else if (!others) {
			others = true;
			note_others(s, &w);
		} else {
			break;
		}
	}
	s->no_memory |= w.no_memory;
	free(w.v);
	free(w.seen);
}

/* -- by file ------------------------------------------------------------------------------------ */

/* Wherever these VMAs map the part of the file that @like has at @addr. */
static void look_at_file(struct who_search *s, const struct live_proc *p, int proc,
			 const struct live_vma *like, uint64_t addr)
{
	uint64_t offset = like->offset + (addr - like->start);
	struct live_maps maps;
	int tables = -1;

	if (live_maps_read(proc, &maps))
		return;
	for (size_t i = 0; i < maps.nr && !enough(s); i++) {
		const struct live_vma *vma = &maps.v[i];
		uint64_t at = vma->start + (offset - vma->offset), entry;

		if (vma->dev != like->dev || vma->ino != like->ino || offset < vma->offset ||
		    offset - vma->offset >= vma->end - vma->start || hit_at(s, p->pid, at))
			continue;
		if (tables < 0)
			tables = open_tables(s, proc);
		if (tables < 0)
			break;
		if (!live_pagemap_at(tables, at, &entry) && is_it(s, entry))
			add_hit(s, proc, p->pid, p->ppid, at);
	}
	if (tables >= 0)
		close(tables);
	live_maps_free(&maps);
}

/* -- everywhere --------------------------------------------------------------------------------- */

static void scan_vma(struct who_search *s, const struct live_proc *p, int proc, int tables,
		     const struct live_vma *vma, uint64_t *entries)
{
	struct live_cursor c;
	uint64_t addr;
	ssize_t nr;

	live_cursor_init(&c, tables, vma->start, vma->end);
	while (!enough(s) && (nr = live_cursor_next(&c, &addr, entries)) > 0)
		for (ssize_t i = 0; i < nr; i++) {
			uint64_t at = addr + ((uint64_t)i << LIVE_PAGE_SHIFT);

			if (is_it(s, entries[i]) && !hit_at(s, p->pid, at))
				add_hit(s, proc, p->pid, p->ppid, at);
		}
}

static void scan_process(struct who_search *s, const struct live_proc *p, int proc,
			 uint64_t *entries)
{
	int tables = open_tables(s, proc);
	struct live_maps maps;

	if (tables < 0)
		return;
	if (!live_maps_read(proc, &maps)) {
		for (size_t i = 0; i < maps.nr && !enough(s); i++)
			scan_vma(s, p, proc, tables, &maps.v[i], entries);
		live_maps_free(&maps);
	}
	close(tables);
}

/*
 * All processes: by file where @like is given, else every entry of theirs. Ends at the first hit if that is all that is
 * wanted.
 */
static void search_all(struct who_search *s, const struct live_vma *like, uint64_t addr, bool first)
{
	uint64_t *entries = malloc(LIVE_BATCH * sizeof(*entries));
	char err[LIVE_ERR_SIZE];
	struct live_procs procs;

	if (!entries || live_procs_all(s->root, &procs, err)) {
		s->no_memory = true;
		free(entries);
		return;
	}
	for (size_t i = 0; i < procs.nr && !enough(s) && !(first && s->nr); i++) {
		const struct live_proc *p = &procs.v[i];
		int proc = p->bodiless ? -1 : open_dir(s, p->pid);

		if (s->progress && !like && i % 16 == 0)
			words_progress(stderr, "searched %zu of %zu processes, found %zu", i,
				       procs.nr, s->found);
		if (proc < 0)
			continue;
		if (like)
			look_at_file(s, p, proc, like, addr);
		else
			scan_process(s, p, proc, entries);
		close(proc);
	}
	if (s->progress && !like)
		words_progress_over(stderr);
	free(entries);
	live_procs_free(&procs);
}

/* -- together ----------------------------------------------------------------------------------- */

/* Where a page was found it may be known by its file. */
static void search_file(struct who_search *s, size_t from)
{
	struct who_hit *hit = from < s->nr ? &s->hits[from] : NULL;
	struct live_vma like;

	if (!hit || !hit->vma.ino || enough(s))
		return;
	like = hit->vma;
	search_all(s, &like, hit->addr, false);
}

void who_search_from(struct who_search *s, pid_t pid, uint64_t addr)
{
	search_relatives(s, pid, addr);
	search_file(s, 0);
	if (!enough(s) && (s->all || s->mapcount >= 0))
		search_all(s, NULL, 0, false);
}

void who_search_frame(struct who_search *s)
{
	search_all(s, NULL, 0, true);
	if (!s->nr)
		return;
	who_search_from(s, s->hits[0].pid, s->hits[0].addr);
}

void who_search_free(struct who_search *s)
{
	for (size_t i = 0; i < s->nr; i++)
		free((char *)(uintptr_t)s->hits[i].vma.name);
	free(s->hits);
	s->hits = NULL;
	s->nr = s->room = 0;
}
