/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included before everything else by the compiler's command line, in src/ only: both libraries are linked into what uses them,
 * so none of their symbols need be reached through a global offset table, which a kernel has not got.
 */
#pragma GCC visibility push(hidden)
