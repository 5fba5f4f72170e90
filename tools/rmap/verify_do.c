// SPDX-License-Identifier: BSD-2-Clause
/*
 * An operation on the live side: whether a kernel can be asked for it, and who carries it out.
 */
#include "verify_do.h"
#include "verify_swap.h"

#include <mm/mm_types.h>

#include <string.h>
#include <sys/sysinfo.h>

#ifdef __x86_64__

/* ---------------------------------------------------------------- which operations */

bool verify_alone(const struct verify_session *s, const struct op *op)
{
	switch (op->kind) {
	case OP_SWAPOFF:
	case OP_SWAPON:
		return !s->options.swap;
	case OP_RECLAIM:
	case OP_BALANCE:
	case OP_MIGRATE:
	case OP_HIBERNATE:
	case OP_PHASE:
	case OP_CHECK:
	case OP_VERIFY:
	case OP_SNAPSHOT:
	case OP_PROBE:
	case OP_FRAME:
		return true;
	default:
		return op_is_expectation(op->kind);
	}
}

static const char *cannot(const struct op *op)
{
	switch (op->kind) {
	case OP_EXEC:
		return op->nr_segments || op->len
			       ? "exec loads a real program on a real kernel, with "
				 "mappings of the kernel's making"
			       : NULL;
	case OP_POISON:
		return "a poisoned frame is lost to the machine until it is started again";
	case OP_FAIL:
		return "a real kernel's allocations do not fail on command";
	case OP_PIN:
		return live_pin_unable(op->flags);
	default:
		return NULL;
	}
}

static uint64_t machine_memory(void)
{
	struct sysinfo info;

	if (sysinfo(&info))
		return UINT64_MAX;
	return ((uint64_t)info.totalram + info.totalswap) * info.mem_unit;
}

/* A record says where a mapping was: both sides are told to put it there, as the runner does it. */
static void impose(struct op *op)
{
	if (!op->impose)
		return;
	op->impose = false;
	if (op->kind == OP_MMAP) {
		op->addr.off = op->result;
		if (!(op->flags & MM_MAP_FIXED))
			op->flags |= MM_MAP_FIXED_NOREPLACE;
	} else if (op->kind == OP_MREMAP && op->result != op->addr.off) {
		op->flags |= MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED;
		op->new_addr.off = op->result;
	} else if (op->kind == OP_MREMAP && !(op->flags & MM_MREMAP_FIXED)) {
		op->flags &= ~(uint32_t)MM_MREMAP_MAYMOVE;
	}
}

enum verify_result verify_prepare(struct verify_session *s, struct op *op)
{
	struct op_addr *at[] = { &op->addr, &op->new_addr };
	const char *why = cannot(op);

	if (why)
		return verify_say(s, VERIFY_UNABLE, "%s: %s", op_kind_name(op->kind), why);
	if (op_is_expectation(op->kind))
		return VERIFY_AGREE;
	for (int i = 0; i < 2; i++) {
		uint64_t addr;

		if (runner_resolve(s->runner, at[i], &addr))
			return verify_say(s, VERIFY_BAD,
					  "%s: the address that is named was never set",
					  op_kind_name(op->kind));
		at[i]->mark = 0;
		at[i]->off = addr;
	}
	impose(op);
	if (op->kind == OP_WRITE && !op->has_value) {
		op->has_value = op->value_steps = true;
		op->value = (uint64_t)1 << 60 | s->version;
		s->version += round_up(op->len) / RMAP_PAGE_SIZE + 2;
	}
	if ((op->kind == OP_MMAP && op->len > machine_memory() && op->len <= MM_ADDRESS_END &&
	     !(op->flags & (MM_MAP_SHARED | MM_MAP_NORESERVE)) && op->prot & MM_PROT_WRITE)) {
		verify_rule(s, RULE_OVERCOMMIT);
		return verify_say(
			s, VERIFY_UNABLE,
			"mmap: more than this machine's memory, which its overcommit policy "
			"decides on");
	}
	if (op->kind == OP_MINCORE && round_up(op->len) / RMAP_PAGE_SIZE > MINCORE_MOST &&
	    round_up(op->len) < MM_ADDRESS_END)
		return verify_say(s, VERIFY_UNABLE, "mincore of more than %llu pages",
				  (unsigned long long)MINCORE_MOST);
	return VERIFY_AGREE;
}

/* ---------------------------------------------------------------- all of them */

enum verify_result verify_need(struct verify_session *s, uint64_t id, struct puppet **p)
{
	*p = live_find(s->live, id);
	return *p ? VERIFY_AGREE : verify_say(s, VERIFY_BAD, "that is no living process");
}

/* Every page that is out comes in, on both sides. */
static enum verify_result do_swap(struct verify_session *s, const struct op *op)
{
	bool on = op->kind == OP_SWAPON;
	int error;

	/* An engine that has none at all was given none live, and goes on without. */
	if (!s->runner->swap_slots) {
		s->live_error = s->engine_error;
		return VERIFY_AGREE;
	}
	error = verify_swap_set(on);
	/* Was it so already, the engine must say so, too. */
	if (error && !verify_swap_was_so(on, error))
		return verify_say(s, VERIFY_UNABLE, "%s: %s", op_kind_name(op->kind),
				  strerror(-error));
	s->live_error = error;
	/* All processes are compared behind it. */
	s->since_full = s->options.full_every;
	return VERIFY_AGREE;
}

enum verify_result verify_do(struct verify_session *s, const struct op *op)
{
	enum verify_result ret;

	if (op->kind == OP_LIMIT || op->kind == OP_CAPS)
		ret = verify_do_rights(s, op);
	else if (op->kind >= OP_NEW && op->kind <= OP_EXIT)
		ret = verify_do_process(s, op);
	else if (op->kind >= OP_MMAP && op->kind <= OP_MSYNC)
		ret = verify_do_call(s, op);
	else if (op->kind >= OP_READ && op->kind <= OP_FETCH)
		ret = verify_do_access(s, op);
	else if (op->kind >= OP_PIN && op->kind <= OP_UNPIN)
		ret = verify_do_pin(s, op);
	else if (op->kind == OP_SWAPOFF || op->kind == OP_SWAPON)
		ret = do_swap(s, op);
	else
		ret = verify_do_file(s, op);
	if (ret == VERIFY_AGREE && live_broken(s->live))
		return verify_say(s, VERIFY_DIFFER, "%s", live_broken(s->live));
	return ret;
}

#endif
