// SPDX-License-Identifier: BSD-2-Clause
/*
 * Many processes for `rmap who` and `rmap sharing` to look at: RELATIVES that were forked by one parent and share its MIB, of which
 * each has written one page in a hundred, and STRANGERS beside them that share nothing of it. All wait; the input's end ends them.
 *
 *   family RELATIVES STRANGERS MIB
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void ready(int fd)
{
	if (write(fd, "r", 1) != 1)
		_exit(1);
}

static char *memory(size_t pages)
{
	char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	if (at == MAP_FAILED || madvise(at, pages * PAGE, MADV_NOHUGEPAGE))
		die("mmap");
	for (size_t i = 0; i < pages; i++)
		at[i * PAGE] = 1;
	return at;
}

/* A parent of strangers, so that they are nobody's brothers; each has 64 pages of its own. */
static void strangers(unsigned int nr, int fd)
{
	for (unsigned int i = 0; i < nr; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		memory(64);
		ready(fd);
		for (;;)
			pause();
	}
	ready(fd);
	for (;;)
		pause();
}

static void relative(char *at, size_t pages, unsigned int which, int fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = which % 100; i < pages; i += 100)
		if (i)
			at[i * PAGE] = 2;
	ready(fd);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	unsigned int nr_relatives = argc == 4 ? (unsigned int)atoi(argv[1]) : 0;
	unsigned int nr_strangers = argc == 4 ? (unsigned int)atoi(argv[2]) : 0;
	size_t pages = argc == 4 ? strtoul(argv[3], NULL, 10) * (1ul << 20) / PAGE : 0;
	int fds[2];
	char byte, *at;
	pid_t other = 0;

	if (!pages) {
		fprintf(stderr, "usage: family RELATIVES STRANGERS MIB\n");
		return 2;
	}
	if (pipe(fds))
		die("pipe");
	if (nr_strangers) {
		other = fork();
		if (other < 0)
			die("fork");
		if (!other) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			strangers(nr_strangers - 1, fds[1]);
		}
	}
	at = memory(pages);
	for (unsigned int i = 0; i < nr_relatives; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			relative(at, pages, i, fds[1]);
	}
	for (unsigned int i = 0; i < nr_relatives + nr_strangers; i++)
		if (read(fds[0], &byte, 1) != 1)
			die("read");
	printf("%d %#" PRIxPTR "\n", (int)getpid(), (uintptr_t)at);
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}
