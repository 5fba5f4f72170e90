// SPDX-License-Identifier: BSD-2-Clause
//
// Holds what is allowed: constants, a table of pointers, a call of memset.

typedef unsigned long size;
void *memset(void *to, int byte, size bytes);
const char *planted_name(unsigned int which);
void planted_clear(unsigned long *words, size bytes);

static const char *const names[] = { "one", "two" };

const char *planted_name(unsigned int which)
{
	return names[which & 1];
}

void planted_clear(unsigned long *words, size bytes)
{
	memset(words, 0, bytes);
}
