// SPDX-License-Identifier: BSD-2-Clause
//
// A writable global with a value.

int planted_count(void);

static int counter = 1;

int planted_count(void)
{
	return ++counter;
}
