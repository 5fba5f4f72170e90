// SPDX-License-Identifier: BSD-2-Clause
/*
 * A family of processes whose sharing is known to the page, for tests that look at it from outside.
 *
 * R is 64 pages of private memory, written by the parent, with nothing beside them. The parent forks a, b and c:
 *
 *	page   0    4    8       16       32       40       48       60   63
 *	P      ############################################################PPPP   writes 60-63 after the forks
 *	a      aaaaaaaa####################################################oooo   writes 0-7
 *	b      bbbb####################################........############oooo   writes 0-3, unmaps 32-39
 *	c      ################cccccccccccccccc############################oooo   moves 16-31 elsewhere
 *
 * # is the page that the parent wrote first and o the same of 60-63, which the parent has no longer. Pages 40-47 are put to swap
 * before the forks where there is swap space (--swap), so that all four hold their swap entries. F is a file of 8 pages, S 4
 * pages of shared memory, both mapped shared and touched by all. a calls itself something that a terminal would obey.
 *
 * Prints NAME VALUE lines, ends them with "ready", and waits for its input to end. All stand still by then.
 */
#include "verify_swap.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	 4096ul
#define PAGES	 64u
#define OF_FILE	 8u
#define OF_SHARE 4u
#define MOVED_AT 16u
#define MOVED	 16u
#define SWAPPED	 40u
#define NR_SWAP	 8u

static volatile char *region, *file, *share, *moved;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* With a page that nobody may touch on either side, so that nothing joins it. */
static volatile char *alone(unsigned int pages, int flags, int fd)
{
	char *all = mmap(NULL, (pages + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (all == MAP_FAILED || mmap(all + PAGE, pages * PAGE, PROT_READ | PROT_WRITE,
				      flags | MAP_FIXED, fd, 0) == MAP_FAILED)
		die("mmap");
	return all + PAGE;
}

static void write_pages(volatile char *at, unsigned int from, unsigned int nr, char what)
{
	for (unsigned int i = from; i < from + nr; i++)
		at[i * PAGE] = what;
}

static void read_pages(volatile char *at, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		(void)at[i * PAGE];
}

static volatile char *map_file(void)
{
	char path[] = "/tmp/rmap-known.XXXXXX";
	int fd = mkstemp(path);
	volatile char *at;

	if (fd < 0 || ftruncate(fd, OF_FILE * PAGE))
		die("mkstemp");
	at = alone(OF_FILE, MAP_SHARED, fd);
	unlink(path);
	close(fd);
	return at;
}

/* Pages 40 to 47 to swap, while they are the parent's alone. Whether all went. */
static int to_swap(void)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entries[NR_SWAP];
	unsigned int left = NR_SWAP;

	for (int tries = 0; pagemap >= 0 && left && tries < 100; tries++) {
		madvise((char *)(uintptr_t)region + SWAPPED * PAGE, NR_SWAP * PAGE, MADV_PAGEOUT);
		usleep(20000);
		if (pread(pagemap, entries, sizeof(entries),
			  (off_t)(((uintptr_t)region / PAGE + SWAPPED) * sizeof(*entries))) !=
		    (ssize_t)sizeof(entries))
			break;
		left = 0;
		for (unsigned int i = 0; i < NR_SWAP; i++)
			left += !(entries[i] >> 62 & 1);
	}
	if (pagemap >= 0)
		close(pagemap);
	return !left;
}

static void child(int which, int done)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	read_pages(file, OF_FILE);
	read_pages(share, OF_SHARE);
	if (which == 'a') {
		prctl(PR_SET_NAME, "\033[31mknown");
		write_pages(region, 0, 8, 'a');
	} else if (which == 'b') {
		write_pages(region, 0, 4, 'b');
		munmap((char *)(uintptr_t)region + 32 * PAGE, 8 * PAGE);
	} else if (mremap((char *)(uintptr_t)region + MOVED_AT * PAGE, MOVED * PAGE, MOVED * PAGE,
			  MREMAP_MAYMOVE | MREMAP_FIXED, moved) == MAP_FAILED) {
		die("mremap");
	}
	if (write(done, "d", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	int swapped = 0, done[2];
	char error[VERIFY_SWAP_ERROR] = "not asked for", byte;
	pid_t pids[3];

	if (argc > 1 && !strcmp(argv[1], "--swap"))
		swapped = !verify_swap_begin(error);
	setvbuf(stdout, NULL, _IOLBF, 0);
	region = alone(PAGES, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	share = alone(OF_SHARE, MAP_SHARED | MAP_ANONYMOUS, -1);
	moved = alone(MOVED, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	file = map_file();
	madvise((char *)(uintptr_t)region, PAGES * PAGE, MADV_NOHUGEPAGE);
	write_pages(region, 0, PAGES, 'P');
	write_pages(file, 0, OF_FILE, 'f');
	write_pages(share, 0, OF_SHARE, 's');
	if (swapped && !to_swap()) {
		swapped = 0;
		snprintf(error, sizeof(error), "the kernel does not put the pages to swap");
	}
	if (pipe(done))
		die("pipe");
	printf("parent %d\n", (int)getpid());
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (!pids[i])
			child('a' + i, done[1]);
		if (read(done[0], &byte, 1) != 1)
			die("read");
		printf("%c %d\n", 'a' + i, (int)pids[i]);
	}
	write_pages(region, 60, 4, 'P');
	printf("region 0x%" PRIxPTR "\nfile 0x%" PRIxPTR "\nshare 0x%" PRIxPTR "\nmoved 0x%" PRIxPTR
	       "\n",
	       (uintptr_t)region, (uintptr_t)file, (uintptr_t)share, (uintptr_t)moved);
	if (swapped)
		printf("swapped 1\n");
	else
		printf("swapped 0\nwhy %s\n", error);
	printf("ready\n");
	while (read(0, &byte, 1) > 0)
		;
	for (int i = 0; i < 3; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	return 0;
}
