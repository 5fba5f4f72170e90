// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzz target: the two saved states that rmap sharing --diff compares. Refused with a sentence, or compared to the end, whatever
 * stands in them. The input is the one and, behind a form feed (which no JSON has outside of a string's escapes), the other.
 */
#include "sharing_show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEPARATOR '\f'
#define PATH_SIZE 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file without a name that holds data, and how to name it all the same. */
static int file_of(const uint8_t *data, size_t size, char path[PATH_SIZE])
{
	int fd = memfd_create("state", MFD_CLOEXEC);

	if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size))
		abort();
	snprintf(path, PATH_SIZE, "/proc/self/fd/%d", fd);
	return fd;
}

/* What is printed is nobody's business. */
static int compare_silently(const char *before, const char *after, size_t top,
			    char err[LIVE_ERR_SIZE])
{
	FILE *kept = stdout, *null = fopen("/dev/null", "w");
	int ret;

	if (!null)
		abort();
	stdout = null;
	ret = sharing_print_diff(before, after, top, err);
	stdout = kept;
	fclose(null);
	return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = size ? memchr(data, SEPARATOR, size) : NULL;
	size_t first = cut ? (size_t)(cut - data) : size;
	size_t second = cut ? size - first - 1 : 0;
	char before[PATH_SIZE], after[PATH_SIZE], err[LIVE_ERR_SIZE] = "";
	int fd[2] = { file_of(data, first, before),
		      file_of(cut ? cut + 1 : data, cut ? second : size, after) };

	/* A refusal without a sentence, or a sentence for nothing. */
	if ((compare_silently(before, after, size % 4, err) != 0) != (err[0] != '\0'))
		abort();
	close(fd[0]);
	close(fd[1]);
	return 0;
}
