// SPDX-License-Identifier: BSD-2-Clause
/*
 * smaps_rollup counts with the kernel's eyes what was counted here from outside. Of processes that stand still both must be the
 * same to the page, PSS to the KiB that smaps_rollup is cut to.
 */
#include "sharing_check.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static bool read_rollup(int root, const struct live_proc *proc, struct sharing_rollup *out)
{
	int dir = live_proc_open(root, proc);
	int fd = dir < 0 ? -1 : openat(dir, "smaps_rollup", O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	if (got <= 0)
		return false;
	text[got] = '\0';
	out->private = field(text, "\nPrivate_Clean:") + field(text, "\nPrivate_Dirty:");
	out->shared = field(text, "\nShared_Clean:") + field(text, "\nShared_Dirty:");
	out->pss = field(text, "\nPss:");
	out->swap = field(text, "\nSwap:");
	return true;
}

struct sharing_rollup *sharing_rollups(int root, const struct live_procs *procs)
{
	struct sharing_rollup *v = calloc(procs->nr + 1, sizeof(*v));

	for (size_t i = 0; v && i < procs->nr; i++) {
		read_rollup(root, &procs->v[i], &v[i]);
		v[i].pid = procs->v[i].pid;
	}
	return v;
}

/* Pages of shared memory in swap stand in no page table; smaps takes them from the file. */
static bool has_shared(const struct sharing_proc *p)
{
	for (size_t i = 0; i < p->maps.nr; i++)
		if (p->maps.v[i].flags & LIVE_VMA_SHARED)
			return true;
	return false;
}

/* One process, and whether to speak. */
struct held {
	const struct sharing_proc *p;
	bool print;
};

static bool differs(const struct held *h, const char *what, uint64_t ours, uint64_t kernel)
{
	if (ours == kernel)
		return false;
	if (h->print)
		printf("process %d: %s is %" PRIu64 " KiB, the kernel's smaps_rollup says %" PRIu64
		       "\n",
		       (int)h->p->proc.pid, what, ours, kernel);
	return true;
}

/* Between what the kernel said before and behind our counting, and not twice the same? */
static bool within(uint64_t ours, uint64_t before, uint64_t after)
{
	uint64_t low = before < after ? before : after, high = before < after ? after : before;

	return low < high && ours >= low && ours <= high;
}

static enum sharing_agreed check_proc(const struct sharing *s, const struct held *h,
				      const struct sharing_rollup *before,
				      const struct sharing_rollup *after)
{
	const unsigned int kib = LIVE_PAGE_SHIFT - 10;
	const struct sharing_sums *sums = &h->p->sums;
	uint64_t pss = sums->pss / (SHARING_UNIT >> kib);
	bool wrong = differs(h, "private", sums->private << kib, after->private), moved = false;

	if (s->sees_frames) {
		wrong |= differs(h, "shared", (sums->within + sums->beyond) << kib, after->shared);
		moved = pss != after->pss && before->pid == h->p->proc.pid &&
			(pss == before->pss || within(pss, before->pss, after->pss));
		wrong |= !moved && differs(h, "pss", pss, after->pss);
	}
	if (!has_shared(h->p))
		wrong |= differs(h, "swapped", sums->swapped << kib, after->swap);
	return wrong ? SHARING_NOT_YET : moved ? SHARING_MOVED : SHARING_AGREED;
}

void sharing_check(int root, const struct sharing *s, const struct sharing_rollup *before,
		   bool print, enum sharing_agreed *agreed, struct sharing_verdict *out)
{
	*out = (struct sharing_verdict){ 0 };
	for (size_t i = 0; i < s->nr; i++) {
		struct held h = { &s->v[i], print };
		struct sharing_rollup after = { 0 };

		if (h.p->gone || h.p->twin)
			continue;
		if (agreed[i] == SHARING_NOT_YET) {
			if (!read_rollup(root, &h.p->proc, &after))
				continue;
			agreed[i] = check_proc(s, &h, &before[i], &after);
		}
		out->held++;
		out->moved += agreed[i] == SHARING_MOVED;
		out->wrong += agreed[i] == SHARING_NOT_YET;
	}
}
