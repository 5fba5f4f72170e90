// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where a WORKLOAD comes from, by its name.
 */
#include "ops.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool ends_in(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

int source_open(const char *workload, struct op_source **out, char err[OPS_ERR_SIZE])
{
	struct stat st;

	if (ends_in(workload, ".rmrec"))
		return replay_open(workload, out, err);
	if (ends_in(workload, ".rmw"))
		return lang_open(workload, out, err);
	/* A generator's name never has a slash; a file that is there may have any name. */
	if (strchr(workload, '/') || (!strchr(workload, ':') && !stat(workload, &st))) {
		if (!stat(workload, &st) && S_ISDIR(st.st_mode)) {
			snprintf(err, OPS_ERR_SIZE, "%s: is a directory", workload);
			return -1;
		}
		return lang_open(workload, out, err);
	}
	return generator_open(workload, out, err);
}
