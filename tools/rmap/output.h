/* SPDX-License-Identifier: BSD-2-Clause */
/* Where results go: files, standard output. */
#ifndef RMAP_TOOLS_OUTPUT_H
#define RMAP_TOOLS_OUTPUT_H

#include <stddef.h>

/*
 * Nobody wants to wait for an hour and be told then that there is no such directory. 0, or -1 with a sentence if @path could not be
 * written to; NULL: nothing is to be written. What stands there already is left as it is until there is something to put in its place.
 */
int output_check(const char *path, char *err, size_t size);

/*
 * First of all in main(). What did not get to standard output, argp's --help too, is no success: a sentence at the end that begins with
 * @program, and exit code 2. A write beyond `ulimit -f` fails with EFBIG from now on, which can be said, and ends nobody.
 */
void output_must_arrive(const char *program);

#endif
