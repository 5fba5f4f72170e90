// SPDX-License-Identifier: BSD-2-Clause
/*
 * Frames by name, on the live side: `f = P frame ADDR` notes which frame the kernel has there, too.
 *
 * From then on that place is watched: as long as both sides have a page there, they have either both the frame that they had, or both
 * another. So a page that is copied on one side and only given back on the other is seen, though all else is equal. Expectations
 * about f hold for both sides. A call of the process's own that may put a new page there ends the watch: a frame that was freed
 * may come back at once on one side and not on the other.
 */
#include "verify_int.h"

#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__

static bool frame_at(struct verify_session *s, uint64_t proc, uint64_t addr, uint64_t *frame)
{
	struct puppet *p = live_find(s->live, proc);
	uint64_t entry;

	if (!p || look_entries(p, addr & RMAP_PAGE_MASK, 1, &entry) || !(entry & PM_PRESENT))
		return false;
	*frame = entry & PM_FRAME;
	return true;
}

static bool engine_frame_at(struct verify_session *s, uint64_t proc, uint64_t addr, uint64_t *frame)
{
	struct mm *mm = runner_mm(s->runner, proc);
	struct mm_page_info info;

	if (!mm)
		return false;
	mm_page_info(mm, addr & RMAP_PAGE_MASK, &info);
	*frame = info.pfn;
	return info.state == MM_PAGE_PRESENT;
}

/* ---------------------------------------------------------------- names */

static bool room_for(struct verify_session *s, uint32_t name)
{
	uint32_t nr = name < 16 ? 16 : name * 2;
	struct named_frame *frames;

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

static enum verify_result name_frame(struct verify_session *s, const struct op *op)
{
	struct named_frame *f;
	uint64_t addr;

	if (!room_for(s, op->out) || runner_resolve(s->runner, &op->addr, &addr))
		return verify_say(s, VERIFY_BAD, "frame: the place has no number");
	f = &s->frames[op->out];
	f->proc = op->proc;
	f->addr = addr;
	f->watched = true;
	if (!frame_at(s, op->proc, addr, &f->live) ||
	    !engine_frame_at(s, op->proc, addr, &f->engine))
		return verify_say(s, VERIFY_DIFFER, "frame: none is there live");
	return VERIFY_AGREE;
}

static enum verify_result expect_frame(struct verify_session *s, const struct op *op,
				       const struct op_test *test)
{
	const struct named_frame *f = &s->frames[test->mark];
	uint64_t addr, frame;

	if (runner_resolve(s->runner, &op->addr, &addr) || !frame_at(s, op->proc, addr, &frame))
		return verify_say(s, VERIFY_DIFFER, "frame: none is there live");
	if (op_compare(frame, test->cmp, f->live))
		return VERIFY_AGREE;
	return verify_say(s, VERIFY_DIFFER, "frame: live %s, engine %s",
			  frame == f->live ? "the same" : "another",
			  test->cmp == OP_EQ ? "the same" : "another");
}

enum verify_result verify_frame(struct verify_session *s, const struct op *op)
{
	const char *design = rmap_design_name(mm_system_rmap(s->runner->sys)->ops);
	enum verify_result ret = VERIFY_AGREE;

	if (op->kind == OP_FRAME)
		return name_frame(s, op);
	if (!op_for_design(op, design))
		return VERIFY_AGREE;
	for (uint32_t i = 0; i < op->nr_tests && ret == VERIFY_AGREE; i++) {
		const struct op_test *test = &op->tests[i];

		if (test->field == OP_PAGE_FRAME && test->place && test->mark < s->nr_frames &&
		    s->frames[test->mark].proc)
			ret = expect_frame(s, op, test);
	}
	return ret;
}

/* ---------------------------------------------------------------- the watch */

static bool may_replace(const struct op *op)
{
	return op->kind == OP_MMAP || op->kind == OP_MUNMAP || op->kind == OP_MREMAP ||
	       op->kind == OP_MADVISE || op->kind == OP_BRK || op->kind == OP_SET_BRK ||
	       op->kind == OP_EXEC;
}

static enum verify_result watch(struct verify_session *s, struct named_frame *f)
{
	uint64_t live, engine;
	char who[80];

	f->watched = frame_at(s, f->proc, f->addr, &live) &&
		     engine_frame_at(s, f->proc, f->addr, &engine);
	if (!f->watched)
		return VERIFY_AGREE;
	if ((live == f->live) != (engine == f->engine))
		return verify_say(s, VERIFY_DIFFER,
				  "the page at 0x%llx of %s: live in %s frame, engine in %s",
				  (unsigned long long)f->addr,
				  verify_who(s, live_find(s->live, f->proc), who, sizeof(who)),
				  live == f->live ? "its old" : "another",
				  engine == f->engine ? "its old" : "another");
	f->watched = live == f->live;
	return VERIFY_AGREE;
}

enum verify_result verify_watch(struct verify_session *s, const struct op *op)
{
	enum verify_result ret = VERIFY_AGREE;

	for (uint32_t i = 0; i < s->nr_frames && ret == VERIFY_AGREE; i++) {
		struct named_frame *f = &s->frames[i];

		if (!f->watched)
			continue;
		/* What the engine reclaims comes back in other frames. */
		if (s->reclaimed || (may_replace(op) && op->proc == f->proc))
			f->watched = false;
		else
			ret = watch(s, f);
	}
	return ret;
}

#endif
