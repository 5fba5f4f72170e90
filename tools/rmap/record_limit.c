// SPDX-License-Identifier: BSD-2-Clause
/* Little memory for the recorded tree; see the header. */
#include "record_limit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <time.h>
#include <unistd.h>

#define NAME "rmap-record-"

struct rec_limit {
	char group[4200]; /* the cgroup's folder; empty: none made */
	char procs[4300];
	char swap[4200]; /* the swap file; empty: none made */
	bool swap_on;
	uint64_t swap_ins; /* of the machine, before */
};

static int write_text(const char *dir, const char *file, const char *text)
{
	char path[4500];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static uint64_t read_swap_ins(void)
{
	FILE *f = fopen("/proc/vmstat", "re");
	char line[256];
	uint64_t n = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "pswpin %" SCNu64, &n) == 1)
			break;
	}
	fclose(f);
	return n;
}

/* -- what a killed recorder left -------------------------------------------------------------- */

static bool is_stale(const char *name)
{
	long pid;

	return sscanf(name, NAME "%ld", &pid) == 1 && pid > 0 && kill((pid_t)pid, 0) &&
	       errno == ESRCH;
}

static void remove_stale(const char *dir, bool swap)
{
	DIR *d = opendir(dir);

	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		char path[4500];

		if (!is_stale(e->d_name))
			continue;
		snprintf(path, sizeof(path), "%.4096s/%.255s", dir, e->d_name);
		if (swap) {
			swapoff(path);
			unlink(path);
		} else {
			rmdir(path);
		}
	}
	closedir(d);
}

/* -- the cgroup ------------------------------------------------------------------------------- */

/* Where the memory controller lives: v1 in a tree of its own, or v2. */
static bool find_controller(char *dir, size_t size, bool *v2)
{
	FILE *f = fopen("/proc/self/mounts", "re");
	char line[8192];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		char where[4096], type[64], options[2048], path[4200], text[1024] = "";

		if (sscanf(line, "%*s %4095s %63s %2047s", where, type, options) != 3)
			continue;
		if (!strcmp(type, "cgroup")) {
			for (char *o = strtok(options, ","); o; o = strtok(NULL, ","))
				found |= !strcmp(o, "memory");
			*v2 = false;
		} else if (!strcmp(type, "cgroup2")) {
			snprintf(path, sizeof(path), "%s/cgroup.controllers", where);

			FILE *c = fopen(path, "re");

			if (c && fgets(text, sizeof(text), c))
				found = strstr(text, "memory") != NULL;
			if (c)
				fclose(c);
			*v2 = true;
		}
		if (found)
			snprintf(dir, size, "%s", where);
	}
	fclose(f);
	return found;
}

static int make_group(struct rec_limit *l, uint64_t bytes, char err[REC_ERR_SIZE])
{
	char dir[4096], text[32];
	bool v2;
	int ret;

	if (!find_controller(dir, sizeof(dir), &v2))
		return rec_fail(err, "this machine has no memory cgroups, which --memory needs");
	if (v2)
		write_text(dir, "cgroup.subtree_control", "+memory");
	snprintf(l->group, sizeof(l->group), "%s/" NAME "%ld", dir, (long)getpid());
	if (mkdir(l->group, 0755)) {
		ret = errno;
		l->group[0] = 0;
		return rec_fail(err, "no memory cgroup can be made in %s: %s", dir, strerror(ret));
	}
	snprintf(l->procs, sizeof(l->procs), "%s/cgroup.procs", l->group);
	snprintf(text, sizeof(text), "%" PRIu64, bytes);
	ret = write_text(l->group, v2 ? "memory.max" : "memory.limit_in_bytes", text);
	if (ret)
		return rec_fail(err, "the memory cgroup takes no limit of %s bytes: %s", text,
				strerror(-ret));
	if (!v2)
		write_text(l->group, "memory.swappiness", "100");
	return 0;
}

/* -- the swap file ---------------------------------------------------------------------------- */

static const char *temp_dir(void)
{
	const char *dir = getenv("TMPDIR");

	return dir && *dir ? dir : "/var/tmp";
}

/* Zeroes, not a hole: the kernel refuses a swap file with holes. */
static int fill_swap(int fd, uint64_t bytes, size_t page_size)
{
	static const uint8_t zeroes[1 << 16];
	uint8_t header[4096] = { 0 };
	uint32_t version = 1, last = (uint32_t)(bytes / page_size - 1);

	for (uint64_t done = 0; done < bytes;) {
		ssize_t n = write(fd, zeroes, sizeof(zeroes));

		if (n <= 0)
			return n ? -errno : -ENOSPC;
		done += (uint64_t)n;
	}
	memcpy(header + 1024, &version, sizeof(version));
	memcpy(header + 1028, &last, sizeof(last));
	if (pwrite(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    pwrite(fd, "SWAPSPACE2", 10, (off_t)page_size - 10) != 10 || fsync(fd))
		return -errno;
	return 0;
}

static int make_swap(struct rec_limit *l, uint64_t bytes, char err[REC_ERR_SIZE])
{
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	int fd, ret;

	bytes = (bytes + 0xffff) & ~0xffffull;
	if (bytes < 16 * page_size || bytes / page_size > UINT32_MAX)
		return rec_fail(err, "a swap file of %" PRIu64 " bytes cannot be made", bytes);
	snprintf(l->swap, sizeof(l->swap), "%.4000s/" NAME "%ld.swap", temp_dir(), (long)getpid());
	fd = open(l->swap, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		ret = errno;
		l->swap[0] = 0;
		return rec_fail(err, "no swap file can be made in %s: %s", temp_dir(),
				strerror(ret));
	}
	ret = fill_swap(fd, bytes, page_size);
	close(fd);
	if (ret)
		return rec_fail(err, "the swap file %s cannot be written: %s", l->swap,
				strerror(-ret));
	if (swapon(l->swap, 0))
		return rec_fail(err, "swapping to %s cannot be switched on: %s", l->swap,
				strerror(errno));
	l->swap_on = true;
	return 0;
}

/* -- life ------------------------------------------------------------------------------------- */

void rec_limit_clear(void)
{
	char dir[4096];
	bool v2;

	if (find_controller(dir, sizeof(dir), &v2))
		remove_stale(dir, false);
	remove_stale(temp_dir(), true);
}

struct rec_limit *rec_limit_new(uint64_t bytes, uint64_t swap_bytes, char err[REC_ERR_SIZE])
{
	struct rec_limit *l = calloc(1, sizeof(*l));

	if (!l) {
		rec_fail(err, "no memory");
		return NULL;
	}
	l->swap_ins = read_swap_ins();
	if (make_group(l, bytes, err) || make_swap(l, swap_bytes, err)) {
		rec_limit_free(l);
		return NULL;
	}
	return l;
}

const char *rec_limit_procs(const struct rec_limit *l)
{
	return l->procs;
}

uint64_t rec_limit_swap_ins(const struct rec_limit *l)
{
	return read_swap_ins() - l->swap_ins;
}

void rec_limit_free(struct rec_limit *l)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	if (!l)
		return;
	if (l->swap_on && swapoff(l->swap))
		fprintf(stderr, "rmap record: swapping to %s cannot be switched off: %s\n", l->swap,
			strerror(errno));
	if (l->swap[0])
		unlink(l->swap);
	/* the last process may still be on its way out of the group */
	for (int i = 0; l->group[0] && rmdir(l->group) && errno == EBUSY && i < 100; i++)
		nanosleep(&pause, NULL);
	free(l);
}
