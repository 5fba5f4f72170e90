// SPDX-License-Identifier: BSD-2-Clause
/*
 * How one event becomes bytes: what the writer and the reader of records share.
 *
 * Faults outnumber all else a hundred to one, so a fault is one byte when it hits the page after
 * the last one of its process, and a byte with a short difference otherwise. Calls are rare and take
 * plain varints; addresses are differences to the last address of the process. zstd does the rest.
 * docs/record-format.md has the table.
 */
#ifndef RMAP_TOOLS_RMREC_CODE_H
#define RMAP_TOOLS_RMREC_CODE_H

#include <stdint.h>
#include <string.h>

#define RMREC_MAGIC	  "RMREC\r\n\x1a"
#define RMREC_HEADER_SIZE 128u
#define RMREC_BLOCK_HEAD  16u

/* first byte of an event */
#define RMREC_B_FAULT	  0x80u /* a fault; bits 0-4 are its flags */
#define RMREC_B_NEXT	  0x40u /* fault: on the page after the last one */
#define RMREC_B_PROC	  0x20u /* another process than the last event's: its number follows */

/* how the address that mmap was asked for is written */
enum rmrec_hint { RMREC_HINT_NONE, RMREC_HINT_RESULT, RMREC_HINT_OTHER };

/* what both sides remember of a process, to write differences */
struct rmrec_delta {
	uint64_t addr; /* last address in a call */
	uint64_t page; /* last page number of a fault */
	uint8_t alive; /* 0: ended */
};

static inline void rmrec_le32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static inline void rmrec_le64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static inline uint32_t rmrec_get32(const uint8_t *p)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++)
		v |= (uint32_t)p[i] << (8 * i);
	return v;
}

static inline uint64_t rmrec_get64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

/* differences of either sign to small numbers and back, modulo 2^64 */
static inline uint64_t rmrec_zigzag(uint64_t diff)
{
	return (diff << 1) ^ (0 - (diff >> 63));
}

static inline uint64_t rmrec_unzigzag(uint64_t z)
{
	return (z >> 1) ^ (0 - (z & 1));
}

#endif
