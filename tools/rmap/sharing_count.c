// SPDX-License-Identifier: BSD-2-Clause
/*
 * Two passes over the page tables of a group, for each window of frame numbers.
 */
#include "sharing_count.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CACHED	    256u		/* parts of ancestors' page tables that are kept: 8 MiB */
#define BLOCK	    512u		/* frames whose map counts are read at once */
#define FRAMES_MOST ((uint64_t)1 << 40) /* of x86-64's 52 bits of physical address */
#define NO_PROC	    SIZE_MAX

/* The frames of one window. */
struct window {
	uint64_t first, room; /* frame numbers */
	uint64_t next;	    /* the lowest frame behind the window that was seen; UINT64_MAX: none */
	uint32_t *members;  /* entries of the group that map it */
	uint32_t *mapcount; /* entries at all; valid where loaded */
	uint8_t *loaded;    /* one a block */
	size_t members_size, mapcount_size;
};

/*
 * What ancestors have, LIVE_BATCH pages at a time: one after the other is compared with the same ancestor, whose page table is
 * read once then and not once for each.
 */
struct cache {
	uint64_t *words; /* CACHED times LIVE_BATCH */
	struct cached {
		size_t origin;	/* NO_PROC: free */
		uint64_t first; /* page number */
		size_t nr;
	} parts[CACHED];
};

struct count {
	struct sharing *s;
	int root;
	struct live_frames frames;
	struct window w;
	bool first_window;
	uint64_t *entries, *origins; /* LIVE_BATCH each */
	int origin_tables;	     /* pagemap of the ancestor, or -1 */
	struct cache cache;
};

/* -- the window ------------------------------------------------------------------------------- */

static void *map_zeros(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int window_new(struct window *w, uint64_t frames)
{
	w->room = (frames + BLOCK - 1) / BLOCK * BLOCK;
	w->members_size = w->room * sizeof(*w->members);
	w->mapcount_size = w->room * sizeof(*w->mapcount);
	w->members = map_zeros(w->members_size);
	w->mapcount = map_zeros(w->mapcount_size);
	w->loaded = calloc(w->room / BLOCK, 1);
	w->next = UINT64_MAX;
	return w->members && w->mapcount && w->loaded ? 0 : -1;
}

static void window_free(struct window *w)
{
	if (w->members)
		munmap(w->members, w->members_size);
	if (w->mapcount)
		munmap(w->mapcount, w->mapcount_size);
	free(w->loaded);
}

/* On to where the next frames are. The kernel gives zeros for what is given back. */
static void window_move(struct window *w)
{
	w->first = w->next / BLOCK * BLOCK;
	w->next = UINT64_MAX;
	if (madvise(w->members, w->members_size, MADV_DONTNEED))
		memset(w->members, 0, w->members_size);
	memset(w->loaded, 0, w->room / BLOCK);
}

/* Where in the window a frame stands; false: in none, or in another. */
static bool window_has(struct window *w, uint64_t pfn, uint64_t *at)
{
	if (pfn < w->first || pfn >= FRAMES_MOST)
		return false;
	*at = pfn - w->first;
	if (*at < w->room)
		return true;
	if (pfn < w->next)
		w->next = pfn;
	return false;
}

static uint32_t mapcount_of(struct count *c, uint64_t at)
{
	struct window *w = &c->w;
	uint64_t block = at / BLOCK, counts[BLOCK];

	if (!w->loaded[block]) {
		live_frame_counts(&c->frames, w->first + block * BLOCK, BLOCK, counts);
		for (uint64_t i = 0; i < BLOCK; i++)
			w->mapcount[block * BLOCK + i] =
				counts[i] > UINT32_MAX ? UINT32_MAX : (uint32_t)counts[i];
		w->loaded[block] = 1;
	}
	return w->mapcount[at];
}

/* -- first pass: how many of the group map each frame ------------------------------------------- */

static void count_entry(struct count *c, uint64_t entry)
{
	uint64_t at;

	if (!(entry & LIVE_PRESENT) || entry & LIVE_EXCLUSIVE)
		return;
	if (window_has(&c->w, entry & LIVE_FRAME, &at) && c->w.members[at] < UINT32_MAX)
		c->w.members[at]++;
}

static void count_vma(struct count *c, int tables, const struct live_vma *vma)
{
	struct live_cursor cursor;
	uint64_t addr;
	ssize_t nr;

	live_cursor_init(&cursor, tables, vma->start, vma->end);
	while ((nr = live_cursor_next(&cursor, &addr, c->entries)) > 0)
		for (ssize_t i = 0; i < nr; i++)
			count_entry(c, c->entries[i]);
}

/* -- second pass: what each page is --------------------------------------------------------------- */

/* A shared page, whose frame stands at @at in the window. */
static void sum_shared(struct count *c, struct sharing_sums *sums, uint64_t entry, uint64_t at)
{
	uint32_t all = mapcount_of(c, at), members = c->w.members[at];

	if (!all)
		return; /* the kernel does not count it either */
	if (all == 1) {
		/* the others let go of it between the passes */
		sums->private ++;
		sums->pss += SHARING_UNIT;
		sums->cow += !(entry & LIVE_FILE);
		return;
	}
	sums->pss += SHARING_UNIT / all;
	if (members < all) {
		sums->beyond++;
	} else {
		sums->within++;
		sums->once += SHARING_UNIT / members;
	}
}

/* An anonymous page where the ancestor has another. */
static void sum_broken(struct count *c, struct sharing_sums *sums, uint64_t entry, uint64_t origin)
{
	uint64_t at;

	if (!(origin & LIVE_PRESENT) && !live_is_swapped(origin))
		return;
	if (origin & LIVE_PRESENT && origin & LIVE_FILE)
		return;
	if ((origin & LIVE_FRAME) == (entry & LIVE_FRAME) && !((origin ^ entry) & LIVE_PRESENT))
		return;
	if (entry & LIVE_EXCLUSIVE) {
		sums->broken += SHARING_UNIT;
	} else if (window_has(&c->w, entry & LIVE_FRAME, &at) && c->w.members[at] &&
		   mapcount_of(c, at)) {
		sums->broken += SHARING_UNIT / c->w.members[at];
	}
}

static void sum_entry(struct count *c, struct sharing_sums *sums, const struct live_vma *vma,
		      uint64_t entry)
{
	bool anon = !(entry & LIVE_FILE) && !(vma->flags & LIVE_VMA_SHARED);
	uint64_t at;

	if (live_is_swapped(entry)) {
		sums->swapped += c->first_window;
	} else if (!(entry & LIVE_PRESENT)) {
		return;
	} else if (entry & LIVE_EXCLUSIVE) {
		if (!c->first_window)
			return;
		sums->private ++;
		sums->pss += SHARING_UNIT;
		sums->cow += anon;
	} else if (!c->s->sees_frames) {
		sums->within++;
	} else if (window_has(&c->w, entry & LIVE_FRAME, &at)) {
		sum_shared(c, sums, entry, at);
	}
}

/* A part of the ancestor's page table. */
static const struct cached *cached_part(struct count *c, size_t origin, uint64_t first)
{
	size_t slot = (size_t)(first / LIVE_BATCH + origin * 37) % CACHED;
	struct cached *part = &c->cache.parts[slot];
	ssize_t got;

	if (part->origin == origin && part->first == first)
		return part;
	got = live_pagemap_read(c->origin_tables, first << LIVE_PAGE_SHIFT, LIVE_BATCH,
				c->cache.words + slot * LIVE_BATCH);
	*part = (struct cached){ origin, first, got > 0 ? (size_t)got : 0 };
	return part;
}

/* What the ancestor has from @addr on, into c->origins. How many pages of it are known. */
static size_t read_origin(struct count *c, size_t origin, uint64_t addr, size_t nr)
{
	uint64_t page = addr >> LIVE_PAGE_SHIFT;
	size_t done = 0;

	while (done < nr) {
		uint64_t first = (page + done) / LIVE_BATCH * LIVE_BATCH;
		const struct cached *part = cached_part(c, origin, first);
		size_t from = (size_t)(page + done - first), more;

		if (from >= part->nr)
			break;
		more = part->nr - from < nr - done ? part->nr - from : nr - done;
		memcpy(c->origins + done,
		       c->cache.words + (size_t)(part - c->cache.parts) * LIVE_BATCH + from,
		       more * sizeof(*c->origins));
		done += more;
	}
	return done;
}

/* Entries of pages from @addr on; the ancestor's, where there is one to compare with. */
static void sum_batch(struct count *c, struct sharing_vma *v, uint64_t addr, size_t nr,
		      bool compare, size_t origin)
{
	size_t known = 0;

	if (compare)
		known = read_origin(c, origin, addr, nr);
	for (size_t i = 0; i < nr; i++) {
		uint64_t entry = c->entries[i];

		sum_entry(c, &v->sums, &v->vma, entry);
		if (i < known && entry & LIVE_PRESENT && !(entry & LIVE_FILE) &&
		    (c->first_window || !(entry & LIVE_EXCLUSIVE)))
			sum_broken(c, &v->sums, entry, c->origins[i]);
	}
}

/* May a page of this VMA have come from the ancestor? */
static bool inherited(const struct count *c, const struct sharing_proc *p,
		      const struct live_vma *vma)
{
	const struct live_vma *old;

	if (vma->flags & LIVE_VMA_SHARED || c->origin_tables < 0)
		return false;
	old = live_maps_find(&c->s->v[p->origin].maps, vma->start);
	if (!old)
		old = live_maps_find(&c->s->v[p->origin].maps, vma->end - 1);
	return old && live_vma_same_kind(old, vma);
}

/* hugetlbfs: smaps counts it apart. */
static bool is_hugetlb(const struct count *c, const struct live_vma *vma, uint64_t entry)
{
	const uint64_t huge = ((uint64_t)2 << 20) - 1;

	return !((vma->start | vma->end) & huge) && entry & LIVE_PRESENT &&
	       live_frame_flags(&c->frames, entry & LIVE_FRAME) >> LIVE_KPF_HUGE & 1;
}

static void sum_vma(struct count *c, const struct sharing_proc *p, struct sharing_vma *v,
		    int tables)
{
	bool compare = inherited(c, p, &v->vma), first = true;
	struct live_cursor cursor;
	uint64_t addr;
	ssize_t nr;

	live_cursor_init(&cursor, tables, v->vma.start, v->vma.end);
	while ((nr = live_cursor_next(&cursor, &addr, c->entries)) > 0) {
		for (ssize_t i = 0; first && i < nr; i++) {
			if (!(c->entries[i] & LIVE_PRESENT))
				continue;
			if (is_hugetlb(c, &v->vma, c->entries[i]))
				return;
			first = false;
		}
		sum_batch(c, v, addr, (size_t)nr, compare, p->origin);
	}
}

/* -- over the group ------------------------------------------------------------------------------- */

/* pagemap of this very process. */
static int open_tables(struct count *c, struct sharing_proc *p)
{
	int dir = live_proc_open(c->root, &p->proc), fd;

	if (dir < 0) {
		p->gone = true;
		return -1;
	}
	fd = live_pagemap_open(dir);
	close(dir);
	if (fd < 0)
		p->gone = true;
	return fd;
}

static void pass(struct count *c, bool second)
{
	for (size_t i = 0; i < c->s->nr; i++) {
		struct sharing_proc *p = &c->s->v[i];
		int tables = p->gone || p->twin ? -1 : open_tables(c, p);

		if (tables < 0)
			continue;
		c->origin_tables = second && p->origin != NO_PROC && c->s->sees_frames
					   ? open_tables(c, &c->s->v[p->origin])
					   : -1;
		for (size_t k = 0; k < p->maps.nr; k++) {
			if (second)
				sum_vma(c, p, &p->vmas[k], tables);
			else
				count_vma(c, tables, &p->maps.v[k]);
		}
		if (c->origin_tables >= 0)
			close(c->origin_tables);
		close(tables);
	}
}

static void count_all(struct count *c)
{
	c->first_window = true;
	for (;;) {
		c->s->windows++;
		if (c->s->sees_frames)
			pass(c, false);
		pass(c, true);
		c->first_window = false;
		if (!c->s->sees_frames || c->w.next == UINT64_MAX)
			return;
		window_move(&c->w);
	}
}

/* -- the group ------------------------------------------------------------------------------------- */

static uint64_t page_tables(int dir)
{
	char text[4096], *at;
	int fd = openat(dir, "status", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	at = strstr(text, "\nVmPTE:");
	return at ? strtoull(at + 7, NULL, 10) * 1024 : 0;
}

/* 0, or -1 without memory. One that cannot be looked at is marked. */
static int read_proc(int root, struct sharing_proc *p)
{
	int dir = live_proc_open(root, &p->proc), ret;

	if (dir < 0) {
		p->gone = true;
		return 0;
	}
	ret = live_maps_read(dir, &p->maps);
	if (!ret) {
		int fd = live_pagemap_open(dir);

		if (fd >= 0)
			close(fd);
		else
			ret = fd;
	}
	p->tables = page_tables(dir);
	close(dir);
	if (ret == -ENOMEM)
		return -1;
	p->gone = ret != 0;
	p->denied = ret == -EACCES || ret == -EPERM;
	if (p->gone) {
		live_maps_free(&p->maps);
		return 0;
	}
	p->vmas = calloc(p->maps.nr + 1, sizeof(*p->vmas));
	if (!p->vmas)
		return -1;
	for (size_t i = 0; i < p->maps.nr; i++)
		p->vmas[i].vma = p->maps.v[i];
	return 0;
}

/* Does one still run the program that it was forked with? */
static bool same_program(const struct sharing_proc *a, const struct sharing_proc *b)
{
	return !a->gone && !b->gone && live_same_program(&a->maps, &b->maps);
}

static size_t index_of(const struct sharing *s, pid_t pid)
{
	size_t low = 0, high = s->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->v[mid].proc.pid < pid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->nr && s->v[low].proc.pid == pid ? low : NO_PROC;
}

/* Parents started before their children, so no chain of them is a circle. */
static void find_parents(int root, struct sharing *s)
{
	for (size_t i = 0; i < s->nr; i++) {
		size_t up = index_of(s, s->v[i].proc.ppid);

		if (up == i || (up != NO_PROC && s->v[up].proc.start > s->v[i].proc.start))
			up = NO_PROC;
		s->v[i].parent = up;
		s->v[i].twin = up != NO_PROC && !s->v[up].gone && !s->v[i].gone &&
			       live_same_mm(root, s->v[i].proc.pid, s->v[up].proc.pid);
	}
	for (size_t i = 0; i < s->nr; i++) {
		size_t at = i, up = s->v[i].parent, steps = 0;

		while (up != NO_PROC && same_program(&s->v[i], &s->v[up]) && steps++ < s->nr) {
			at = up;
			up = s->v[up].parent;
		}
		s->v[i].origin = at == i ? NO_PROC : at;
	}
}

void sharing_add(struct sharing_sums *to, const struct sharing_sums *sums)
{
	to->private += sums->private;
	to->within += sums->within;
	to->beyond += sums->beyond;
	to->swapped += sums->swapped;
	to->pss += sums->pss;
	to->once += sums->once;
	to->broken += sums->broken;
	to->cow += sums->cow;
}

static int count_group(struct count *c, char err[LIVE_ERR_SIZE])
{
	struct sharing *s = c->s;

	for (size_t i = 0; i < s->nr; i++)
		if (read_proc(c->root, &s->v[i]))
			return live_fail(err, "no memory for the layouts");
	find_parents(c->root, s);
	count_all(c);
	for (size_t i = 0; i < s->nr; i++) {
		for (size_t k = 0; k < s->v[i].maps.nr; k++)
			sharing_add(&s->v[i].sums, &s->v[i].vmas[k].sums);
		sharing_add(&s->sums, &s->v[i].sums);
	}
	return 0;
}

int sharing_count(int root, const struct live_procs *procs, uint64_t frames, struct sharing *out,
		  char err[LIVE_ERR_SIZE])
{
	struct count c = { .s = out, .root = root, .origin_tables = -1 };
	int ret;

	*out = (struct sharing){ 0 };
	live_frames_open(root, &c.frames, err);
	out->sees_frames = c.frames.count >= 0 && live_sees_frames(root);
	c.entries = malloc(LIVE_BATCH * sizeof(*c.entries));
	c.origins = malloc(LIVE_BATCH * sizeof(*c.origins));
	out->v = calloc(procs->nr + 1, sizeof(*out->v));
	c.cache.words = map_zeros(CACHED * LIVE_BATCH * sizeof(*c.cache.words));
	for (size_t i = 0; i < CACHED; i++)
		c.cache.parts[i].origin = NO_PROC;
	if (!c.entries || !c.origins || !c.cache.words || !out->v || window_new(&c.w, frames)) {
		ret = live_fail(err, "no memory to count in");
	} else {
		out->nr = procs->nr;
		for (size_t i = 0; i < procs->nr; i++)
			out->v[i].proc = procs->v[i];
		ret = count_group(&c, err);
	}
	window_free(&c.w);
	if (c.cache.words)
		munmap(c.cache.words, CACHED * LIVE_BATCH * sizeof(*c.cache.words));
	free(c.entries);
	free(c.origins);
	live_frames_close(&c.frames);
	if (ret)
		sharing_free(out);
	return ret;
}

void sharing_free(struct sharing *s)
{
	for (size_t i = 0; i < s->nr; i++) {
		live_maps_free(&s->v[i].maps);
		free(s->v[i].vmas);
	}
	free(s->v);
	*s = (struct sharing){ 0 };
}
