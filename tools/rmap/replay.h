// SPDX-License-Identifier: BSD-2-Clause
/* A record as a source of operations; replay_open() of ops.h, and this for bytes in memory. */
#ifndef RMAP_TOOLS_REPLAY_H
#define RMAP_TOOLS_REPLAY_H

#include "ops.h"

#include <stddef.h>

/* Borrows the bytes until the source is closed. 0, or -1 with a sentence. */
int replay_open_mem(const char *name, const void *bytes, size_t size, struct op_source **out,
		    char err[OPS_ERR_SIZE]);

#endif
