// SPDX-License-Identifier: BSD-2-Clause
/*
 * Accesses on the live side: by as many pages as a puppet takes in one order; what it reads is held against the engine at once.
 */
#include "verify_do.h"

#include <string.h>

#ifdef __x86_64__

static enum verify_result compare_read(struct verify_session *s, struct puppet *p, uint64_t addr,
				       uint64_t pages)
{
	struct process *proc = runner_find(s->runner, p->id);
	const char *live = live_buffer(p);
	char is[96], must[96], who[80];

	for (uint64_t i = 0; i < pages && proc; i++) {
		if (!runner_look(s->runner, proc->space, addr + i * RMAP_PAGE_SIZE, s->page))
			continue;
		s->count.contents++;
		if (!memcmp(live + i * RMAP_PAGE_SIZE, s->page, RMAP_PAGE_SIZE))
			continue;
		return verify_say(
			s, VERIFY_DIFFER, "contents at 0x%llx of %s: live %s, engine %s",
			(unsigned long long)(addr + i * RMAP_PAGE_SIZE),
			verify_who(s, p, who, sizeof(who)),
			pattern_name(live + i * RMAP_PAGE_SIZE, RMAP_PAGE_SIZE, is, sizeof(is)),
			pattern_name(s->page, RMAP_PAGE_SIZE, must, sizeof(must)));
	}
	return VERIFY_AGREE;
}

/* As many of the next pages as one order takes; *last: the bytes of the last one, which may be a file's last. */
static uint64_t next_pages(struct verify_session *s, const struct op *op, uint64_t at,
			   uint64_t left, uint64_t *last)
{
	struct process *proc = runner_find(s->runner, op->proc);
	uint64_t n = 0;

	*last = RMAP_PAGE_SIZE;
	while (n < left && n < SLOT_PAGES && *last == RMAP_PAGE_SIZE) {
		if (op->kind == OP_WRITE && proc)
			*last = runner_write_len(s->runner, proc->space, at + n * RMAP_PAGE_SIZE);
		n++;
	}
	return n;
}

enum verify_result verify_do_access(struct verify_session *s, const struct op *op)
{
	struct puppet *p;
	enum verify_result ret = verify_need(s, op->proc, &p);
	uint64_t first = op->addr.off & RMAP_PAGE_MASK, end, pages, done = 0, last, n;

	if (ret != VERIFY_AGREE)
		return ret;
	end = op->addr.off + (op->len ? op->len - 1 : 0);
	if (end < op->addr.off)
		end = UINT64_MAX;
	pages = ((end & RMAP_PAGE_MASK) - first) / RMAP_PAGE_SIZE + 1;
	s->touched.who[0] = p;
	touch(s, first, pages * RMAP_PAGE_SIZE);
	for (uint64_t i = 0; i < pages && !s->live_error; i += done) {
		uint64_t at = first + i * RMAP_PAGE_SIZE;

		n = next_pages(s, op, at, pages - i, &last);
		if (op->kind == OP_WRITE) {
			for (uint64_t k = 0; k < n; k++)
				pattern_fill((char *)live_buffer(p) + k * RMAP_PAGE_SIZE,
					     (op->value + (op->value_steps ? i + k : 0)) &
						     STAMP_VALUE);
			s->live_error = live_write(p, at, n, last, &done);
		} else if (op->kind == OP_FETCH) {
			s->live_error = live_fetch(p, at, n, &done);
			verify_rule(s, RULE_FETCH);
		} else {
			s->live_error = live_read(p, at, n, &done);
			ret = compare_read(s, p, at, done);
			if (ret != VERIFY_AGREE)
				return ret;
		}
		s->live_at = at + done * RMAP_PAGE_SIZE;
	}
	return VERIFY_AGREE;
}

#endif
