// SPDX-License-Identifier: BSD-2-Clause
/*
 * The memory calls: make the call, see whether it came out as it must, and let the shadow follow what it did to contents.
 *
 * What the shadow must know of a call is little: a new mapping and an unmapped one have no stamps, a moved one takes its
 * stamps along, and advice may drop them.
 */
#include "runner_int.h"

#include <mm/mm_types.h>

#include <stdlib.h>
#include <string.h>

#define FOUND_SIZE (RUNNER_REFUSED_SIZE + 32)

/* ---------------------------------------------------------------- outcomes */

static enum op_signal signal_of(int error)
{
	switch (error) {
	case RMAP_EFAULT:
		return OP_SEGV_MAPERR;
	case RMAP_EACCES:
		return OP_SEGV_ACCERR;
	case RMAP_EIO:
		return OP_SIGBUS;
	case RMAP_EHWPOISON:
		return OP_SIGBUS_MCEERR;
	case RMAP_ENOMEM:
		return OP_SIGNAL_OOM;
	default:
		return OP_SIGNAL_NONE;
	}
}

static bool is_access(enum op_kind kind)
{
	return kind == OP_READ || kind == OP_WRITE || kind == OP_FETCH;
}

static const char *found_name(const struct op *op, int error)
{
	if (!error)
		return "success";
	if (is_access(op->kind) && signal_of(error) != OP_SIGNAL_NONE)
		return op_signal_name(signal_of(error));
	return rmap_error_name(error);
}

/* What was found, and what else is known of it. */
static const char *found(struct runner *r, int error, char buf[FOUND_SIZE])
{
	char why[RUNNER_REFUSED_SIZE];
	bool refused = error == RMAP_ENOMEM && runner_swap_refused(r, why);

	snprintf(buf, FOUND_SIZE, "%s%s%s", found_name(r->op, error), refused ? "; " : "",
		 refused ? why : "");
	return buf;
}

enum runner_result runner_outcome(struct runner *r, int error, const char *more)
{
	const struct op *op = r->op;
	char what[FOUND_SIZE];

	r->last_error = error;
	switch (op->outcome) {
	case OP_MAY_FAIL:
		return RUNNER_OK;
	case OP_MUST_FAIL:
		if (error == op->error)
			return RUNNER_OK;
		return runner_failed(r, "%s%s: expected %s, found %s", op_kind_name(op->kind), more,
				     rmap_error_name(op->error), found(r, error, what));
	case OP_MUST_SIGNAL:
		if ((int)signal_of(error) == op->error)
			return RUNNER_OK;
		return runner_failed(r, "%s%s: expected %s, found %s", op_kind_name(op->kind), more,
				     op_signal_name((unsigned int)op->error),
				     found(r, error, what));
	default:
		if (!error)
			return RUNNER_OK;
		return runner_failed(r, "%s%s: expected success, found %s", op_kind_name(op->kind),
				     more, found(r, error, what));
	}
}

enum runner_result runner_place(struct runner *r, const struct op_addr *addr, uint64_t *out)
{
	if (runner_resolve(r, addr, out))
		return runner_bad(r, "the address that is named here was never set (the call that "
				     "should have set it failed, or has not run)");
	return RUNNER_OK;
}

enum runner_result runner_set_mark(struct runner *r, uint32_t mark, uint64_t value)
{
	if (!mark)
		return RUNNER_OK;
	if (mark >= r->nr_marks) {
		uint32_t n = mark < 64 ? 64 : mark * 2;
		uint64_t *marks;
		uint8_t *set;

		if (mark > 1u << 24)
			return runner_bad(r, "an address has the number %u", mark);
		marks = realloc(r->marks, n * sizeof(*marks));
		if (!marks)
			return runner_no_memory(r);
		r->marks = marks;
		set = realloc(r->mark_set, n);
		if (!set)
			return runner_no_memory(r);
		r->mark_set = set;
		memset(set + r->nr_marks, 0, n - r->nr_marks);
		r->nr_marks = n;
	}
	r->marks[mark] = value;
	r->mark_set[mark] = 1;
	return RUNNER_OK;
}

/* A call that has an address for a result. */
static enum runner_result outcome_at(struct runner *r, int error, uint64_t result)
{
	const struct op *op = r->op;
	enum runner_result ret = runner_outcome(r, error, "");
	uint64_t want;

	r->last_result = result;
	if (ret != RUNNER_OK || error)
		return ret;
	if (op->outcome == OP_MUST_BE) {
		ret = runner_place(r, &op->want, &want);
		if (ret != RUNNER_OK)
			return ret;
		if (result != want)
			return runner_failed(r, "%s: expected the address 0x%llx, found 0x%llx",
					     op_kind_name(op->kind), (unsigned long long)want,
					     (unsigned long long)result);
	}
	return runner_set_mark(r, op->out, result);
}

/* ---------------------------------------------------------------- ranges */

static uint64_t round_up(uint64_t len)
{
	return len > UINT64_MAX - RMAP_PAGE_SIZE ? len
						 : (len + RMAP_PAGE_SIZE - 1) & RMAP_PAGE_MASK;
}

static enum runner_result forget(struct runner *r, struct space *space, uint64_t addr, uint64_t len)
{
	if (!space->shadow || shadow_clear(space->shadow, addr, round_up(len)))
		return RUNNER_OK;
	return runner_no_memory(r);
}

/* Does locked memory make what comes into it come at once, and private file pages with it as copies? */
static bool locks_memory(struct space *space)
{
	struct mm_stats stats;

	if (!space->maps_files)
		return false;
	mm_get_stats(space->mm, &stats);
	return stats.locked_vm != 0;
}

/* ---------------------------------------------------------------- mmap, munmap, mremap, brk */

static enum runner_result do_mmap(struct runner *r, const struct op *op, struct space *space,
				  uint64_t addr)
{
	struct mm_mmap args = {
		.addr = addr,
		.len = op->len,
		.prot = op->prot,
		.flags = op->flags,
		.file_mode = op->file_mode,
		.offset = op->offset,
	};
	struct rfile *f = op->file ? rfile_named(r, op->file) : NULL;
	enum runner_result ret;
	uint64_t result = 0;
	int error;

	if (op->file && !f)
		return runner_bad(r, "the file is not open");
	args.file = f ? f->file : NULL;
	if (op->impose) {
		args.addr = op->result;
		if (!(args.flags & MM_MAP_FIXED))
			args.flags |= MM_MAP_FIXED_NOREPLACE;
	}
	error = mm_mmap(space->mm, &args, &result);
	space_changed(space);
	if (!error) {
		space->maps_files |= f || op->flags & MM_MAP_SHARED;
		ret = forget(r, space, result, op->len);
		if (ret != RUNNER_OK)
			return ret;
		if (f && (op->flags & MM_MAP_POPULATE || locks_memory(space)))
			runner_copied(r, space, result, op->len);
	}
	return outcome_at(r, error, result);
}

static enum runner_result do_munmap(struct runner *r, const struct op *op, struct space *space,
				    uint64_t addr)
{
	int error = mm_munmap(space->mm, addr, op->len);
	enum runner_result ret = runner_outcome(r, error, "");

	space_changed(space);
	return error || ret != RUNNER_OK ? ret : forget(r, space, addr, op->len);
}

/* VMA by VMA, since a hole between two that move together leaves alone what stands where it would have gone. */
static bool vmas_moved(struct space *space, const struct layout *before, uint64_t from, uint64_t to,
		       uint64_t len)
{
	for (size_t i = 0; i < before->nr; i++) {
		const struct layout_vma *vma = &before->vmas[i];
		uint64_t start = vma->start > from ? vma->start : from;
		uint64_t end = vma->end < from + len ? vma->end : from + len;

		if (start < end &&
		    !shadow_move(space->shadow, start, to + (start - from), end - start))
			return false;
	}
	return true;
}

/*
 * The stamps follow; what the range grew by, and what it left, is as never written. The space's layout is still that from
 * before the call.
 */
static enum runner_result stamps_moved(struct runner *r, struct space *space, uint64_t from,
				       uint64_t old_len, uint64_t to, uint64_t new_len)
{
	uint64_t kept = old_len < new_len ? old_len : new_len;
	enum runner_result ret = RUNNER_OK;

	if (!space->shadow)
		return RUNNER_OK;
	if (from != to && !vmas_moved(space, &space->layout, from, to, kept))
		ret = runner_no_memory(r);
	if (ret == RUNNER_OK && new_len > kept)
		ret = forget(r, space, to + kept, new_len - kept);
	if (ret == RUNNER_OK && old_len > kept)
		ret = forget(r, space, from + kept, old_len - kept);
	return ret;
}

/*
 * A move of several VMAs that failed at one of them: those before it have moved. Which, the call does not say; so for what was
 * and what may now be there any contents are right. The space's layout is that from before the call.
 */
static bool partly_moved(struct space *space, uint64_t from, uint64_t to, uint64_t len)
{
	const struct layout *before = &space->layout;
	size_t first = 0, nr = 0;

	for (size_t i = 0; i < before->nr; i++) {
		if (before->vmas[i].end <= from || before->vmas[i].start >= from + len)
			continue;
		if (!nr++)
			first = i;
	}
	for (size_t i = first; nr > 1 && i < first + nr; i++) {
		uint64_t start = before->vmas[i].start > from ? before->vmas[i].start : from;
		uint64_t end = before->vmas[i].end < from + len ? before->vmas[i].end : from + len;

		/* The range that failed is as it was but for the place that it was to go to. */
		for (uint64_t at = start; at < end; at += RMAP_PAGE_SIZE)
			if (!shadow_set(space->shadow, at, STAMP_UNKNOWN) ||
			    !shadow_set(space->shadow, to + (at - from), STAMP_UNKNOWN))
				return false;
	}
	return true;
}

static bool forget_hole(uint64_t addr, uint64_t stamp, void *arg)
{
	struct space *space = arg;

	(void)stamp;
	return space_vma(space, addr) || shadow_set(space->shadow, addr, STAMP_NONE);
}

/*
 * A move that failed may have unmapped the place that it was to go to, or what it was to leave behind: that is as never written.
 * Whoever asks for most of what there is may have that, too: stamps are looked at, not pages.
 */
static bool forget_holes(struct space *space, uint64_t start, uint64_t len)
{
	if (start & ~RMAP_PAGE_MASK)
		return true; /* refused before anything was done */
	return shadow_for_each(space->shadow, start, len, forget_hole, space);
}

/* mremap's way: a length that ends in the last page there could be is none. */
static uint64_t mremap_round_up(uint64_t len)
{
	return (len + RMAP_PAGE_SIZE - 1) & RMAP_PAGE_MASK;
}

/* What a call that failed may have done nevertheless. False: no memory. */
static bool mremap_failed(struct space *space, uint64_t from, uint64_t old_len, uint64_t to,
			  uint64_t new_len, bool fixed)
{
	uint64_t kept = old_len < new_len ? old_len : new_len;

	if (!space->shadow)
		return true;
	if (fixed && kept <= RUNNER_MAX_RANGE && !partly_moved(space, from, to, kept))
		return false;
	space_changed(space);
	return forget_holes(space, from, old_len) && (!fixed || forget_holes(space, to, new_len));
}

static enum runner_result do_mremap(struct runner *r, const struct op *op, struct space *space,
				    uint64_t addr)
{
	uint64_t old_len = mremap_round_up(op->len), new_len = mremap_round_up(op->new_len);
	uint32_t flags = op->flags;
	enum runner_result ret;
	uint64_t to, result = 0;
	int error;

	ret = runner_place(r, &op->new_addr, &to);
	if (ret != RUNNER_OK)
		return ret;
	if (op->impose && op->result != addr) {
		flags |= MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED;
		to = op->result;
	} else if (op->impose && !(flags & MM_MREMAP_FIXED)) {
		flags &= ~(uint32_t)MM_MREMAP_MAYMOVE;
	}
	/* A stack may have grown since it was asked for last. */
	space_changed(space);
	if (space->shadow && !space_layout(space))
		return runner_no_memory(r);
	error = mm_mremap(space->mm, addr, op->len, op->new_len, flags, to, &result);
	/* old_len 0 maps shared memory a second time: nothing moves. */
	if (!error)
		ret = stamps_moved(r, space, addr, old_len, result, new_len);
	else if (!mremap_failed(space, addr, old_len, to, new_len, flags & MM_MREMAP_FIXED))
		ret = runner_no_memory(r);
	space_changed(space);
	if (!error && locks_memory(space))
		runner_copied(r, space, result, op->new_len);
	if (ret != RUNNER_OK)
		return ret;
	return outcome_at(r, error, result);
}

static enum runner_result do_brk(struct runner *r, const struct op *op, struct space *space,
				 uint64_t addr)
{
	uint64_t old = mm_brk(space->mm, 0);
	uint64_t wanted = op->relative ? old + op->new_len : addr;
	uint64_t result = mm_brk(space->mm, wanted);
	enum runner_result ret = RUNNER_OK;

	space_changed(space);
	if (result > old)
		ret = forget(r, space, round_up(old), round_up(result) - round_up(old));
	else if (result < old)
		ret = forget(r, space, round_up(result), round_up(old) - round_up(result));
	if (ret != RUNNER_OK)
		return ret;
	/* brk(2) knows no errors; here the one that libc's makes of an unmoved break. */
	return outcome_at(r, result == wanted || !wanted ? 0 : RMAP_ENOMEM, result);
}

/* ---------------------------------------------------------------- madvise */

/*
 * Advice that takes contents away, VMA by VMA, as the call does it: up to the first that refuses it. The layout is the
 * one before the call. error: what the call came to; one for want of memory, or of the store's, may have come half-way through a
 * file.
 */
static bool advice_drops(struct runner *r, struct space *space, uint64_t start, uint64_t end,
			 uint32_t advice, int error)
{
	const struct layout *layout = space_layout(space);

	if (!layout)
		return false;
	for (size_t i = 0; i < layout->nr; i++) {
		const struct layout_vma *vma = &layout->vmas[i];
		uint64_t from = vma->start > start ? vma->start : start;
		uint64_t to = vma->end < end ? vma->end : end;
		bool done = true;

		if (from >= to)
			continue;
		if (advice == MM_MADV_FREE) {
			if (vma->file || vma->shared)
				return true;
			done = shadow_may_lose(space->shadow, from, to - from);
		} else if (advice == MM_MADV_REMOVE) {
			if (!vma->file || vma->locked ||
			    (vma->flags & (VM_SHARED | VM_MAYWRITE)) != (VM_SHARED | VM_MAYWRITE))
				return true;
			done = rfile_punched(r, rfile_of(r, vma->file),
					     vma->offset + (from - vma->start), to - from,
					     error != RMAP_ENOMEM && error != RMAP_EIO);
		} else {
			if (vma->locked && advice == MM_MADV_DONTNEED)
				return true;
			if (!vma->shared)
				done = shadow_clear(space->shadow, from, to - from);
		}
		if (!done)
			return false;
	}
	return true;
}

static enum runner_result do_madvise(struct runner *r, const struct op *op, struct space *space,
				     uint64_t addr)
{
	uint64_t len = round_up(op->len);
	bool drops = op->flags == MM_MADV_DONTNEED || op->flags == MM_MADV_DONTNEED_LOCKED ||
		     op->flags == MM_MADV_FREE || op->flags == MM_MADV_REMOVE;
	int error;

	/* Arguments that the call refuses as a whole change nothing. */
	drops = drops && space->shadow && !(addr & ~RMAP_PAGE_MASK) && addr + len >= addr;
	if (drops) {
		/* A stack may have grown since it was asked for last. */
		space_changed(space);
		space_layout(space);
	}
	error = mm_madvise(space->mm, addr, op->len, (int)op->flags);
	if (drops && !advice_drops(r, space, addr, addr + len, op->flags, error))
		return runner_no_memory(r);
	if (op->flags == MM_MADV_DONTFORK || op->flags == MM_MADV_WIPEONFORK)
		space->advised_fork = true;
	space_changed(space);
	if (op->flags == MM_MADV_POPULATE_WRITE)
		runner_copied(r, space, addr, len);
	return runner_outcome(r, error, "");
}

/* ---------------------------------------------------------------- mincore */

static enum runner_result do_mincore(struct runner *r, const struct op *op, struct space *space,
				     uint64_t addr)
{
	uint64_t pages = round_up(op->len) >> RMAP_PAGE_SHIFT;
	enum runner_result ret;
	uint8_t *vec;
	int error;

	if (pages > (uint64_t)1 << 26)
		return runner_bad(r, "mincore of more than 2^26 pages");
	vec = malloc(pages + 1);
	if (!vec)
		return runner_no_memory(r);
	error = mm_mincore(space->mm, addr, op->len, vec);
	ret = runner_outcome(r, error, "");
	if (ret == RUNNER_OK && !error && op->text) {
		if (strlen(op->text) != pages)
			ret = runner_bad(r, "mincore: %llu pages, but %zu digits",
					 (unsigned long long)pages, strlen(op->text));
		for (uint64_t i = 0; i < pages && ret == RUNNER_OK; i++)
			if ((vec[i] & 1) != (op->text[i] == '1'))
				ret = runner_failed(
					r, "mincore: expected page %llu to be %s, it is %s",
					(unsigned long long)i,
					op->text[i] == '1' ? "resident" : "absent",
					vec[i] & 1 ? "resident" : "absent");
	}
	free(vec);
	return ret;
}

/* ---------------------------------------------------------------- all of them */

enum runner_result runner_call_op(struct runner *r, const struct op *op)
{
	enum runner_result ret;
	struct process *proc = runner_need(r, op->proc, &ret);
	struct space *space;
	uint64_t addr;
	int error = 0;

	if (!proc)
		return ret;
	space = proc->space;
	ret = runner_place(r, &op->addr, &addr);
	if (ret != RUNNER_OK)
		return ret;
	switch (op->kind) {
	case OP_MMAP:
		return do_mmap(r, op, space, addr);
	case OP_MUNMAP:
		return do_munmap(r, op, space, addr);
	case OP_MREMAP:
		return do_mremap(r, op, space, addr);
	case OP_BRK:
		return do_brk(r, op, space, addr);
	case OP_MADVISE:
		return do_madvise(r, op, space, addr);
	case OP_MINCORE:
		return do_mincore(r, op, space, addr);
	case OP_MPROTECT:
		error = mm_mprotect(space->mm, addr, op->len, op->prot);
		break;
	case OP_SET_BRK:
		error = mm_set_brk(space->mm, addr);
		break;
	case OP_MLOCK:
		error = mm_mlock(space->mm, addr, op->len, op->flags);
		break;
	case OP_MUNLOCK:
		error = mm_munlock(space->mm, addr, op->len);
		break;
	case OP_MLOCKALL:
		error = mm_mlockall(space->mm, op->flags);
		break;
	case OP_MUNLOCKALL:
		error = mm_munlockall(space->mm);
		break;
	case OP_MSYNC:
		error = mm_msync(space->mm, addr, op->len, op->flags);
		break;
	default:
		return runner_bad(r, "%s is no call", op_kind_name(op->kind));
	}
	space_changed(space);
	if (op->kind == OP_MLOCKALL)
		runner_copied(r, space, 0, UINT64_MAX);
	else if (op->kind == OP_MLOCK || (op->kind == OP_MPROTECT && locks_memory(space)))
		runner_copied(r, space, addr & RMAP_PAGE_MASK, round_up(op->len) + RMAP_PAGE_SIZE);
	return runner_outcome(r, error, "");
}
