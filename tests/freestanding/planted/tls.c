// SPDX-License-Identifier: BSD-2-Clause
//
// A writable global of each thread.

int planted_count(void);

static _Thread_local int counter;

int planted_count(void)
{
	return ++counter;
}
