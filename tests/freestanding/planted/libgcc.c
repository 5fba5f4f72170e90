// SPDX-License-Identifier: BSD-2-Clause
//
// Divides 128-bit numbers, which compilers leave to libgcc.

__extension__ typedef unsigned __int128 wide;
unsigned long planted_divide(const unsigned long *high, unsigned long by);

unsigned long planted_divide(const unsigned long *high, unsigned long by)
{
	return (unsigned long)((((wide)high[0] << 64) | high[1]) / by);
}
