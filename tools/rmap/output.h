/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that results go to. */
#ifndef RMAP_TOOLS_OUTPUT_H
#define RMAP_TOOLS_OUTPUT_H

#include <stddef.h>

/*
 * Nobody wants to wait for an hour and be told then that there is no such directory. 0, or -1 with a sentence if @path could not be
 * written to; NULL: nothing is to be written. What stands there already is left as it is until there is something to put in its place.
 */
int output_check(const char *path, char *err, size_t size);

#endif
