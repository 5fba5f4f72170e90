// SPDX-License-Identifier: BSD-2-Clause
//
// A writable global without a value.

int planted_count(void);

static int counter;

int planted_count(void)
{
	return ++counter;
}
