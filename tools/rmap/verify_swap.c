// SPDX-License-Identifier: BSD-2-Clause
/* The keeper of a swap file; see the header. */
#include "verify_swap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/swap.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	 4096u
#define NAME	 "rmap-verify-"
#define SUFFIX	 ".swap"
/* A minute and a half, in steps of 20 ms. */
#define PATIENCE 4500u
/* Before any other swap space that the machine has. */
#define FIRST	 (SWAP_FLAG_PREFER | 0x7fff)

struct verify_swap {
	pid_t keeper;
	int socket;
};

static const char *directory(void)
{
	const char *dir = getenv("TMPDIR");

	return dir && *dir ? dir : "/var/tmp";
}

/* ---------------------------------------------------------------- in the keeper */

/* What keepers left that were killed. */
static void clear_away(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[4600];
	long pid;

	while (d && (e = readdir(d))) {
		if (sscanf(e->d_name, NAME "%ld" SUFFIX, &pid) != 1 || pid <= 0 ||
		    !kill((pid_t)pid, 0) || errno != ESRCH)
			continue;
		snprintf(path, sizeof(path), "%.4000s/%.255s", dir, e->d_name);
		swapoff(path);
		unlink(path);
	}
	if (d)
		closedir(d);
}

/* Zeros and no holes, which the kernel refuses, and the header of mkswap(8). */
static int fill(int fd)
{
	char page[PAGE] = { 0 };
	uint32_t version = 1, last = (uint32_t)VERIFY_SWAP_PAGES - 1;

	for (uint64_t i = 0; i < VERIFY_SWAP_PAGES; i++)
		if (write(fd, page, sizeof(page)) != (ssize_t)sizeof(page))
			return -1;
	memcpy(page + 1024, &version, sizeof(version));
	memcpy(page + 1028, &last, sizeof(last));
	memcpy(page + PAGE - 10, "SWAPSPACE2", 10);
	return pwrite(fd, page, sizeof(page), 0) == (ssize_t)sizeof(page) && !fsync(fd) ? 0 : -1;
}

static int make(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (fill(fd) || swapon(path, FIRST))
		ret = errno ? -errno : -EIO;
	close(fd);
	return ret;
}

/*
 * One keeper at a time: with two, the kernel would take turns between their files, and pages of one tester would come back when the
 * other ends. A name among the kernel's abstract sockets is the lock; it is gone with its process.
 */
static int wait_for_turn(int maker)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct pollfd gone = { .fd = maker, .events = POLLIN };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(name.sun_path + 1, NAME "swap", sizeof(NAME "swap"));
	for (unsigned int i = 0; fd >= 0 && i < PATIENCE; i++) {
		if (!bind(fd, (struct sockaddr *)&name, sizeof(name)))
			return 0;
		if (errno != EADDRINUSE)
			break;
		/* Nothing is said to us before we have answered: only its end. */
		if (poll(&gone, 1, 20) > 0)
			break;
	}
	return -EBUSY;
}

/* Answers are errors; an order is one byte. */
static bool say(int socket, int error)
{
	return send(socket, &error, sizeof(error), MSG_NOSIGNAL) == (ssize_t)sizeof(error);
}

static void keep(int socket)
{
	char path[4200], order;
	int error;
	bool on, made;

	snprintf(path, sizeof(path), "%.4000s/" NAME "%ld" SUFFIX, directory(), (long)getpid());
	error = wait_for_turn(socket);
	if (!error) {
		clear_away(directory());
		error = make(path);
	}
	on = !error;
	made = error != -EBUSY; /* what is ordered later may be refused for that, too */
	if (say(socket, error) && on)
		while (recv(socket, &order, 1, 0) == 1) {
			error = 0;
			/* As it is ordered, also what the kernel refuses because it is on, or off. */
			if (order == '+' ? swapon(path, FIRST) : swapoff(path))
				error = -errno;
			if (!error)
				on = order == '+';
			if (!say(socket, error))
				break;
		}
	if (on)
		swapoff(path);
	if (made)
		unlink(path);
}

static void keeper(int socket)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGTSTP };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_IGN);
	setsid();
	prctl(PR_SET_NAME, "rmap-swap");
	/* Whoever reads our output waits for its end, which must not be ours. */
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	keep(socket);
	_exit(0);
}

/* ---------------------------------------------------------------- its maker */

static int answer(struct verify_swap *swap)
{
	int ret;
	ssize_t got = recv(swap->socket, &ret, sizeof(ret), 0);

	return got == (ssize_t)sizeof(ret) ? ret : got < 0 ? -errno : -EIO;
}

static void end(struct verify_swap *swap)
{
	close(swap->socket);
	if (swap->keeper > 0)
		while (waitpid(swap->keeper, NULL, 0) < 0 && errno == EINTR)
			;
	free(swap);
}

static struct verify_swap *begin(char error[VERIFY_SWAP_ERROR])
{
	struct verify_swap *swap = calloc(1, sizeof(*swap));
	int pair[2], ret;

	if (!swap || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		free(swap);
		snprintf(error, VERIFY_SWAP_ERROR, "no swap: %s", strerror(errno));
		return NULL;
	}
	fflush(NULL);
	swap->keeper = fork();
	if (!swap->keeper) {
		close(pair[0]);
		keeper(pair[1]);
	}
	close(pair[1]);
	swap->socket = pair[0];
	ret = swap->keeper < 0 ? -errno : answer(swap);
	if (!ret)
		return swap;
	if (ret == -EBUSY)
		snprintf(error, VERIFY_SWAP_ERROR, "another rmap verify --swap is at work");
	else if (ret == -EINTR)
		snprintf(error, VERIFY_SWAP_ERROR, "interrupted before there was a swap file");
	else
		snprintf(error, VERIFY_SWAP_ERROR, "no swap file in %.150s: %s", directory(),
			 strerror(-ret));
	end(swap);
	return NULL;
}

/* One for all sessions of this process: a file is written once. */
static struct verify_swap *the_swap;

void verify_swap_end(void)
{
	if (the_swap)
		end(the_swap);
	the_swap = NULL;
}

int verify_swap_begin(char error[VERIFY_SWAP_ERROR])
{
	if (the_swap)
		return 0;
	the_swap = begin(error);
	if (!the_swap)
		return -1;
	atexit(verify_swap_end);
	return 0;
}

int verify_swap_set(bool on)
{
	char order = on ? '+' : '-';
	int ret;

	if (!the_swap || send(the_swap->socket, &order, 1, MSG_NOSIGNAL) != 1)
		return -EIO;
	do /* the order is given, so its answer will come */
		ret = answer(the_swap);
	while (ret == -EINTR);
	return ret;
}

bool verify_swap_was_so(bool on, int error)
{
	return error == (on ? -EBUSY : -EINVAL);
}
