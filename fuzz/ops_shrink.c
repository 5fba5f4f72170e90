// SPDX-License-Identifier: BSD-2-Clause
/*
 * From a failing sequence to the few records that are needed. Each try runs in a process of its own, since what fails may fail by an
 * assertion. Records are taken out in pieces, large ones first, until not even a single one can be spared.
 */
#include "fuzz_ops.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS	  60u
#define TRIES_MAX 4000u

bool ops_fails(const uint8_t *data, size_t size, const struct ops_options *options)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		const struct rlimit none = { 0, 0 };
		struct ops_stats stats = { 0 };
		char wrong[OPS_ERR_SIZE];

		setrlimit(RLIMIT_CORE, &none);
		/* What it says is said once, when it is short. */
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		signal(SIGABRT, SIG_DFL);
		alarm(SECONDS);
		ops_run(data, size, options, &stats, wrong);
		_exit(wrong[0] != '\0');
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return false;
	return status != 0;
}

size_t ops_shrink(uint8_t *data, size_t size, const struct ops_options *options, uint64_t *tries)
{
	size_t nr = size < OPS_HEAD ? 0 : (size - OPS_HEAD) / OPS_RECORD;
	uint8_t *shorter = malloc(size ? size : 1);

	for (size_t piece = nr / 2; shorter && piece; piece = piece == 1 ? 0 : (piece + 1) / 2)
		for (size_t at = 0; at < nr && *tries < TRIES_MAX;) {
			size_t n = piece < nr - at ? piece : nr - at;
			size_t head = OPS_HEAD + at * OPS_RECORD;

			memcpy(shorter, data, head);
			memcpy(shorter + head, data + head + n * OPS_RECORD,
			       (nr - at - n) * OPS_RECORD);
			++*tries;
			if (ops_fails(shorter, OPS_HEAD + (nr - n) * OPS_RECORD, options)) {
				nr -= n;
				memcpy(data, shorter, OPS_HEAD + nr * OPS_RECORD);
			} else {
				at += n;
			}
		}
	free(shorter);
	return nr ? OPS_HEAD + nr * OPS_RECORD : size;
}
