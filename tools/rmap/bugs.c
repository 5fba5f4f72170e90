// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap bugs: the museum of bugs. It needs an engine that is wrong on purpose, which this program has not got: rmap-museum has, and is
 * started. It lies beside this program in a build, and in the prefix's libexec when installed.
 */
#include "commands.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* From where this program lies; the build says where `make install` puts it. */
#ifndef RMAP_LIBEXEC
#define RMAP_LIBEXEC "../libexec/rmap"
#endif

#define EXIT_USAGE 2

static bool find_museum(char path[PATH_MAX])
{
	static const char *const places[] = { ".", RMAP_LIBEXEC };
	char self[PATH_MAX], *directory;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return false;
	self[n] = 0;
	directory = dirname(self);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (snprintf(path, PATH_MAX, "%s/%s/rmap-museum", directory, places[i]) <
			    PATH_MAX &&
		    !access(path, X_OK))
			return true;
	return false;
}

int cmd_bugs(int argc, char **argv)
{
	char path[PATH_MAX];

	(void)argc;
	if (!find_museum(path)) {
		fprintf(stderr, "rmap bugs: rmap-museum is not there: builds with RMAP_TESTS and "
				"RMAP_MUSEUM "
				"have it, but none under a sanitizer\n");
		return EXIT_USAGE;
	}
	execv(path, argv);
	fprintf(stderr, "rmap bugs: %s: %s\n", path, strerror(errno));
	return EXIT_USAGE;
}
