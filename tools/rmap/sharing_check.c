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

struct rollup {
	uint64_t private, shared, pss, swap; /* KiB */
};

static uint64_t field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static bool read_rollup(int root, const struct live_proc *proc, struct rollup *out)
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

/* Pages of shared memory in swap stand in no page table; smaps takes them from the file. */
static bool has_shared(const struct sharing_proc *p)
{
	for (size_t i = 0; i < p->maps.nr; i++)
		if (p->maps.v[i].flags & LIVE_VMA_SHARED)
			return true;
	return false;
}

static bool differs(const struct sharing_proc *p, const char *what, uint64_t ours, uint64_t kernel)
{
	if (ours == kernel)
		return false;
	printf("process %d: %s is %" PRIu64 " KiB, the kernel's smaps_rollup says %" PRIu64 "\n",
	       (int)p->proc.pid, what, ours, kernel);
	return true;
}

static bool check_proc(const struct sharing *s, const struct sharing_proc *p,
		       const struct rollup *r)
{
	const unsigned int kib = LIVE_PAGE_SHIFT - 10;
	bool wrong = differs(p, "private", p->sums.private << kib, r->private);

	if (s->sees_frames) {
		wrong |= differs(p, "shared", (p->sums.within + p->sums.beyond) << kib, r->shared);
		wrong |= differs(p, "pss", p->sums.pss / (SHARING_UNIT >> kib), r->pss);
	}
	if (!has_shared(p))
		wrong |= differs(p, "swapped", p->sums.swapped << kib, r->swap);
	return wrong;
}

size_t sharing_check(int root, const struct sharing *s, size_t *held)
{
	size_t wrong = 0;

	*held = 0;
	for (size_t i = 0; i < s->nr; i++) {
		const struct sharing_proc *p = &s->v[i];
		struct rollup r;

		if (p->gone || p->twin || !read_rollup(root, &p->proc, &r))
			continue;
		++*held;
		wrong += check_proc(s, p, &r);
	}
	return wrong;
}
