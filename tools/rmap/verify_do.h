/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside an operation on the live side: who carries it out, and what they share. Each sets live_error, live_result and touched of
 * the session, as verify_do() says.
 */
#ifndef RMAP_TOOL_VERIFY_DO_H
#define RMAP_TOOL_VERIFY_DO_H

#include "verify_int.h"

/* A mincore that fits into the buffer. */
#define MINCORE_MOST ((uint64_t)SLOT_PAGES * 4096)

/* To whole pages; what would be beyond the last stays as it is. */
static inline uint64_t round_up(uint64_t len)
{
	return len > UINT64_MAX - RMAP_PAGE_SIZE ? len
						 : (len + RMAP_PAGE_SIZE - 1) & RMAP_PAGE_MASK;
}

/* The comparison looks closer there. */
static inline void touch(struct verify_session *s, uint64_t start, uint64_t len)
{
	s->touched.start = start & RMAP_PAGE_MASK;
	s->touched.end = start + len < start ? UINT64_MAX : round_up(start + len);
}

/* verify_do.c */

/* The puppet of a process; BAD: there is none. */
enum verify_result verify_need(struct verify_session *s, uint64_t id, struct puppet **p);

/* verify_do_file.c */

enum verify_result verify_do_file(struct verify_session *s, const struct op *op);
/* NULL: it is not open. */
struct verify_file *verify_file_of(struct verify_session *s, uint32_t number);
/* Every open file that has a store is synced, on both sides (the rule small-pages). */
void verify_sync_files(struct verify_session *s);

/* verify_do_process.c */

enum verify_result verify_do_process(struct verify_session *s, const struct op *op);
/* Limits and capabilities. */
enum verify_result verify_do_rights(struct verify_session *s, const struct op *op);
/* Of MM_CAP_* these and no others. What goes wrong is the session's result. */
void verify_set_caps(struct verify_session *s, struct puppet *p, uint32_t want);
/* 0, or a negative errno: the hard limit, which stays, is lower. UINT64_MAX: as far as that lets. */
int verify_set_soft_limit(struct puppet *p, int resource, uint64_t bytes);

/* verify_do_call.c, verify_do_access.c, verify_do_pin.c */

enum verify_result verify_do_call(struct verify_session *s, const struct op *op);
enum verify_result verify_do_access(struct verify_session *s, const struct op *op);
enum verify_result verify_do_pin(struct verify_session *s, const struct op *op);

#endif
