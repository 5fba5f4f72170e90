// SPDX-License-Identifier: BSD-2-Clause
/*
 * Parsing /proc/PID/maps, and asking for one VMA of it.
 */
#include "live_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* What maps shows above user addresses (vsyscall) is in no page table of a process's own. */
#define KERNEL_HALF ((uint64_t)1 << 63)
#define TEXT_FIRST  (64u << 10)
#define TEXT_MOST   ((size_t)1 << 30)

/* The kernel's struct procmap_query (6.11 and later). */
struct map_query {
	uint64_t size, query_flags, query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	uint32_t dev_major, dev_minor;
	uint32_t vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};
#define MAP_QUERY _IOWR('f', 17, struct map_query)

/* -- the text --------------------------------------------------------------------------------- */

/* The file in a buffer of its own that ends with a 0. 0, or a negative errno. */
static int read_text(int fd, char **out)
{
	size_t room = TEXT_FIRST, len = 0;
	char *text = malloc(room), *more;

	while (text) {
		ssize_t got = read(fd, text + len, room - len - 1);

		if (got <= 0) {
			int error = errno;

			/* The process may end while it is read: then there is no text, and nothing for the caller to free. */
			if (got < 0) {
				free(text);
				return -error;
			}
			text[len] = '\0';
			*out = text;
			return 0;
		}
		len += (size_t)got;
		if (len < room - 1)
			continue;
		more = room < TEXT_MOST ? realloc(text, 2 * room) : NULL;
		if (!more)
			free(text);
		text = more;
		room *= 2;
	}
	return -ENOMEM;
}

/* A number in hex that ends at @stop; *p goes behind that. */
static bool hex(char **p, char stop, uint64_t *n)
{
	char *at = *p;

	*n = 0;
	for (; at - *p < 17; at++) {
		char c = *at;

		if (c >= '0' && c <= '9')
			*n = *n << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*n = *n << 4 | (uint64_t)(c - 'a' + 10);
		else
			break;
	}
	if (at == *p || at - *p > 16 || *at != stop)
		return false;
	*p = at + 1;
	return true;
}

static bool perms(char **p, uint32_t *flags)
{
	const char *s = *p;

	for (int i = 0; i < 5; i++)
		if (!s[i])
			return false;
	*flags = (s[0] == 'r' ? LIVE_VMA_READ : 0) | (s[1] == 'w' ? LIVE_VMA_WRITE : 0) |
		 (s[2] == 'x' ? LIVE_VMA_EXEC : 0) | (s[3] == 's' ? LIVE_VMA_SHARED : 0);
	*p += 5;
	return s[4] == ' ';
}

/* maps writes a newline of a file's name as \012, and nothing else otherwise than it is. */
static void restore_newlines(char *name)
{
	char *to = name;

	for (const char *from = name; *from; to++) {
		bool newline = !strncmp(from, "\\012", 4);

		*to = newline ? '\n' : *from;
		from += newline ? 4 : 1;
	}
	*to = '\0';
}

/* "7f00-7f01 rw-p 00001000 fe:00 12    name", which ends with a 0. */
static bool parse_line(char *p, struct live_vma *vma)
{
	uint64_t major, minor;
	char *end;

	if (!hex(&p, '-', &vma->start) || !hex(&p, ' ', &vma->end) || !perms(&p, &vma->flags) ||
	    !hex(&p, ' ', &vma->offset) || !hex(&p, ':', &major) || !hex(&p, ' ', &minor))
		return false;
	if (*p < '0' || *p > '9')
		return false;
	vma->dev = major << 32 | (minor & UINT32_MAX);
	vma->ino = strtoull(p, &end, 10);
	end += strspn(end, " ");
	restore_newlines(end);
	vma->name = end;
	return vma->start < vma->end && vma->end < KERNEL_HALF &&
	       !((vma->start | vma->end) & (LIVE_PAGE_SIZE - 1));
}

static struct live_vma *add_vma(struct live_maps *maps)
{
	if (maps->nr == maps->room) {
		size_t room = maps->room ? 2 * maps->room : 64;
		struct live_vma *v = realloc(maps->v, room * sizeof(*v));

		if (!v)
			return NULL;
		maps->v = v;
		maps->room = room;
	}
	return &maps->v[maps->nr];
}

static int parse(struct live_maps *maps)
{
	uint64_t least = 0;

	for (char *line = maps->text, *end; *line; line = end) {
		struct live_vma *vma = add_vma(maps);

		if (!vma)
			return -ENOMEM;
		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		if (!parse_line(line, vma) || vma->start < least)
			continue;
		least = vma->end;
		maps->nr++;
	}
	return 0;
}

int live_maps_read(int proc, struct live_maps *out)
{
	int fd = openat(proc, "maps", O_RDONLY | O_CLOEXEC), ret;

	*out = (struct live_maps){ 0 };
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	ret = read_text(fd, &out->text);
	close(fd);
	if (!ret)
		ret = parse(out);
	if (ret)
		live_maps_free(out);
	return ret;
}

void live_maps_free(struct live_maps *maps)
{
	free(maps->v);
	free(maps->text);
	*maps = (struct live_maps){ 0 };
}

const struct live_vma *live_maps_find(const struct live_maps *maps, uint64_t addr)
{
	size_t low = 0, high = maps->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (maps->v[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < maps->nr && maps->v[low].start <= addr ? &maps->v[low] : NULL;
}

/* -- one VMA ---------------------------------------------------------------------------------- */

/* What the kernel prints as a name may be another's choice, but it is never longer than this. */
static int query(int fd, uint64_t addr, struct live_vma *out, char *name, size_t size)
{
	static const size_t most = PATH_MAX;
	struct map_query q = {
		.size = sizeof(q),
		.query_addr = addr,
		.vma_name_addr = (uint64_t)(uintptr_t)name,
		.vma_name_size = (uint32_t)(size < most ? size : most),
	};

	name[0] = '\0';
	if (ioctl(fd, MAP_QUERY, &q))
		return errno == ENOENT ? 0 : -errno;
	if (!q.vma_name_size)
		name[0] = '\0';
	*out = (struct live_vma){
		.start = q.vma_start,
		.end = q.vma_end,
		.offset = q.vma_offset,
		.dev = (uint64_t)q.dev_major << 32 | q.dev_minor,
		.ino = q.inode,
		.flags = (uint32_t)q.vma_flags &
			 (LIVE_VMA_READ | LIVE_VMA_WRITE | LIVE_VMA_EXEC | LIVE_VMA_SHARED),
		.name = name,
	};
	return 1;
}

int live_vma_at(int proc, uint64_t addr, struct live_vma *out, char *name, size_t size)
{
	struct live_maps maps;
	const struct live_vma *vma;
	int fd = openat(proc, "maps", O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	ret = query(fd, addr, out, name, size);
	close(fd);
	if (ret != -ENOTTY && ret != -EINVAL && ret != -ENAMETOOLONG)
		return ret;
	ret = live_maps_read(proc, &maps);
	if (ret)
		return ret;
	vma = live_maps_find(&maps, addr);
	if (vma) {
		*out = *vma;
		snprintf(name, size, "%s", vma->name);
		out->name = name;
	}
	live_maps_free(&maps);
	return vma != NULL;
}

/* -- what they are ---------------------------------------------------------------------------- */

const char *live_perms(const struct live_vma *vma, char buf[5])
{
	buf[0] = vma->flags & LIVE_VMA_READ ? 'r' : '-';
	buf[1] = vma->flags & LIVE_VMA_WRITE ? 'w' : '-';
	buf[2] = vma->flags & LIVE_VMA_EXEC ? 'x' : '-';
	buf[3] = vma->flags & LIVE_VMA_SHARED ? 's' : 'p';
	buf[4] = '\0';
	return buf;
}

bool live_vma_same_kind(const struct live_vma *a, const struct live_vma *b)
{
	if ((a->flags ^ b->flags) & LIVE_VMA_SHARED || a->ino != b->ino || a->dev != b->dev)
		return false;
	return !a->ino || a->offset - a->start == b->offset - b->start;
}

static uint64_t place_of(const struct live_maps *maps, const char *name, bool end)
{
	for (size_t i = 0; i < maps->nr; i++)
		if (!strcmp(maps->v[i].name, name))
			return end ? maps->v[i].end : maps->v[i].start;
	return 0;
}

bool live_same_program(const struct live_maps *a, const struct live_maps *b)
{
	return place_of(a, "[vdso]", false) == place_of(b, "[vdso]", false) &&
	       place_of(a, "[stack]", true) == place_of(b, "[stack]", true);
}
