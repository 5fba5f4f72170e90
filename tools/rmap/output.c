// SPDX-License-Identifier: BSD-2-Clause
/*
 * Can a file be written? Where there is none, one is made and removed again: whatever would stand in the way does so then. And has
 * standard output got all?
 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int output_check(const char *path, char *err, size_t size)
{
	struct stat st;
	int fd, error = 0;

	if (!path)
		return 0;
	if (!stat(path, &st)) {
		error = S_ISDIR(st.st_mode) ? EISDIR : access(path, W_OK) ? errno : 0;
	} else {
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd >= 0) {
			unlink(path);
			close(fd);
		} else if (errno != EEXIST) { /* a link that leads nowhere yet */
			error = errno;
		}
	}
	if (!error)
		return 0;
	snprintf(err, size, "%.300s: cannot be written: %s", path, strerror(error));
	return -1;
}

static const char *whose_output;

static void finish_output(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return;
	fprintf(stderr, "%s: the output cannot be written\n", whose_output);
	_exit(2);
}

/* Unlike SIG_IGN, programs that are started do not inherit it. */
static void too_large(int sig)
{
	(void)sig;
}

void output_must_arrive(const char *program)
{
	const struct sigaction fails = { .sa_handler = too_large, .sa_flags = SA_RESTART };

	whose_output = program;
	atexit(finish_output);
	sigaction(SIGXFSZ, &fails, NULL);
}
