// SPDX-License-Identifier: BSD-2-Clause
//
// Calls libc.

int puts(const char *text);
int planted_call(void);

int planted_call(void)
{
	return puts("planted");
}
