// SPDX-License-Identifier: BSD-2-Clause
/*
 * The VMAs of a running process, from /proc/PID/maps: all of them as text, or the one around an address, for which newer
 * kernels (6.11) have an ioctl that answers without printing the others.
 *
 * The text is another process's to shape (it names its mappings), so a line that makes no sense is passed over, and VMAs come
 * out in ascending order, page aligned, without overlaps, whatever was read.
 */
#ifndef RMAP_TOOLS_LIVE_MAPS_H
#define RMAP_TOOLS_LIVE_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIVE_PAGE_SHIFT 12
#define LIVE_PAGE_SIZE	((uint64_t)1 << LIVE_PAGE_SHIFT)

#define LIVE_VMA_READ	1u
#define LIVE_VMA_WRITE	2u
#define LIVE_VMA_EXEC	4u
#define LIVE_VMA_SHARED 8u /* MAP_SHARED */

struct live_vma {
	uint64_t start, end;
	uint64_t offset; /* bytes in the file */
	uint64_t dev;	 /* major << 32 | minor */
	uint64_t ino;	 /* 0: of no file */
	uint32_t flags;	 /* LIVE_VMA_* */
	const char *
		name; /* the file, or [heap] and the like; "" for nameless memory. Print live_safe() of it. */
};

struct live_maps {
	struct live_vma *v;
	size_t nr, room;
	char *text; /* where the names are */
};

/* @proc: the directory of a process (live_proc_open()). 0, or a negative errno: it has gone, or it may not be looked at. */
int live_maps_read(int proc, struct live_maps *out);
void live_maps_free(struct live_maps *maps);
/* The VMA around @addr, or NULL. */
const struct live_vma *live_maps_find(const struct live_maps *maps, uint64_t addr);

/*
 * Only the VMA around @addr. 1: there it is, its name in @name; 0: no VMA is there; or a negative errno.
 */
int live_vma_at(int proc, uint64_t addr, struct live_vma *out, char *name, size_t size);

/* "rw-p". Returns buf. */
const char *live_perms(const struct live_vma *vma, char buf[5]);

/* Do both map the same bytes of one file, or both nameless memory, privately or shared, where they overlap? */
bool live_vma_same_kind(const struct live_vma *a, const struct live_vma *b);

/*
 * Do two processes, of which one was forked by the other, run one program still? exec puts the stack and the kernel's own pages
 * elsewhere (where addresses are not randomized it does not, and they seem to).
 */
bool live_same_program(const struct live_maps *a, const struct live_maps *b);

#endif
