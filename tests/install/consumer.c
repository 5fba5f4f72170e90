// SPDX-License-Identifier: BSD-2-Clause
//
// The smallest program that someone outside would build on the installed libraries.

#include <rmap/rmap.h>
#include <string.h>

int main(void)
{
	return strcmp(rmap_error_name(RMAP_ENOMEM), "ENOMEM") != 0;
}
