// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which mutant lives: RMAP_MUTANT=number in the environment. With RMAP_MUTANT_REACH=file none does, and each that is
 * asked for leaves its mark in that file: byte n for number n. The file is mapped shared, so that marks stay of
 * processes that are killed, and of those that were forked.
 */
#define _POSIX_C_SOURCE 200809L
/* It stands among sources whose functions are hidden; the C library's are not. */
#pragma GCC visibility push(default)
#include "mutant.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int mutant_number;

static volatile unsigned char *reached;
static size_t reached_size;

void mutant_reached(int number)
{
	/* Mostly it is there; then the cache line stays shared. */
	if ((size_t)number < reached_size && !reached[number])
		reached[number] = 1;
}

__attribute__((constructor(101))) static void mutant_choose(void)
{
	const char *number = getenv("RMAP_MUTANT"), *path = getenv("RMAP_MUTANT_REACH");
	struct stat st;
	void *map;
	int fd;

	if (number)
		mutant_number = atoi(number);
	if (!path)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		abort();
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		abort();
	close(fd);
	reached = map;
	reached_size = (size_t)st.st_size;
	mutant_number = MUTANT_TRACE;
}
