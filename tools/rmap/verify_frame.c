// SPDX-License-Identifier: BSD-2-Clause
/*
 * Frames by name, on the live side: `f = P frame ADDR` notes which frame the kernel has there, too, and an expectation about
 * f holds for both. So a page that was copied on one side and only given back on the other is seen, though all else is equal.
 */
#include "verify_int.h"

#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__

static bool frame_at(struct verify_session *s, const struct op *op, uint64_t *frame)
{
	struct puppet *p = live_find(s->live, op->proc);
	uint64_t addr, entry;

	if (!p || runner_resolve(s->runner, &op->addr, &addr) ||
	    look_entries(p, addr & RMAP_PAGE_MASK, 1, &entry) || !(entry & PM_PRESENT))
		return false;
	*frame = entry & PM_FRAME;
	return true;
}

static bool room_for(struct verify_session *s, uint32_t name)
{
	uint32_t nr = name < 16 ? 16 : name * 2;
	uint64_t *frames;

	if (name < s->nr_frames)
		return true;
	frames = realloc(s->frames, nr * sizeof(*frames));
	if (!frames)
		return false;
	memset(frames + s->nr_frames, 0, (nr - s->nr_frames) * sizeof(*frames));
	s->frames = frames;
	s->nr_frames = nr;
	return true;
}

enum verify_result verify_frame(struct verify_session *s, const struct op *op)
{
	const char *design = rmap_design_name(mm_system_rmap(s->runner->sys)->ops);
	uint64_t frame;

	if (op->kind == OP_EXPECT_PAGE && !op_for_design(op, design))
		return VERIFY_AGREE;
	if (op->kind == OP_FRAME) {
		if (!room_for(s, op->out))
			return verify_say(s, VERIFY_BAD, "out of memory");
		if (!frame_at(s, op, &s->frames[op->out]))
			return verify_say(s, VERIFY_DIFFER, "frame: none is there live");
		return VERIFY_AGREE;
	}
	for (uint32_t i = 0; i < op->nr_tests; i++) {
		const struct op_test *test = &op->tests[i];

		if (test->field != OP_PAGE_FRAME || !test->place || test->mark >= s->nr_frames ||
		    !s->frames[test->mark])
			continue;
		if (!frame_at(s, op, &frame))
			return verify_say(s, VERIFY_DIFFER, "frame: none is there live");
		if (!op_compare(frame, test->cmp, s->frames[test->mark]))
			return verify_say(s, VERIFY_DIFFER, "frame: live %s, engine %s",
					  frame == s->frames[test->mark] ? "the same" : "another",
					  test->cmp == OP_EQ ? "the same" : "another");
	}
	return VERIFY_AGREE;
}

#endif
