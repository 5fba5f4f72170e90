// SPDX-License-Identifier: BSD-2-Clause
/*
 * Processes on the live side: made, forked, ended, and what they are allowed.
 */
#include "verify_do.h"

#include <mm/mm_types.h>

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifdef __x86_64__

void verify_set_caps(struct verify_session *s, struct puppet *p, uint32_t want)
{
	struct __user_cap_header_struct *header = live_buffer(p);
	struct __user_cap_data_struct *caps = (struct __user_cap_data_struct *)(void *)(header + 1);
	uint64_t at = live_buffer_addr(p);

	memset(header, 0, sizeof(*header) + 2 * sizeof(*caps));
	header->version = _LINUX_CAPABILITY_VERSION_3;
	live_call(p, SYS_capget, at, at + sizeof(*header), 0, 0, 0, 0);
	caps[0].effective = caps[0].permitted & 1u << CAP_SYS_RESOURCE;
	caps[1].effective = 0;
	if (want & MM_CAP_IPC_LOCK)
		caps[0].effective |= 1u << CAP_IPC_LOCK;
	if (want & MM_CAP_SYS_ADMIN)
		caps[0].effective |= 1u << CAP_SYS_ADMIN;
	if (live_call(p, SYS_capset, at, at + sizeof(*header), 0, 0, 0, 0))
		verify_say(s, VERIFY_UNABLE, "capset failed");
	verify_rule(s, RULE_CAPABILITIES);
}

/* To an empty address space: a fresh puppet in its place, with the limits and capabilities of the old one. */
static enum verify_result do_exec(struct verify_session *s, const struct op *op, struct puppet *old)
{
	static const int resources[] = { RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_MEMLOCK };
	struct rlimit limits[4];
	char error[LIVE_ERROR];
	struct puppet *p;

	for (int i = 0; i < 4; i++)
		prlimit(old->pid, (enum __rlimit_resource)resources[i], NULL, &limits[i]);
	live_exit(old);
	p = live_start(s->live, op->proc, error);
	if (!p)
		return verify_say(s, VERIFY_UNABLE, "%s", error);
	for (int i = 0; i < 4; i++)
		prlimit(p->pid, (enum __rlimit_resource)resources[i], &limits[i], NULL);
	verify_set_caps(s, p, atomic_load(&runner_mm(s->runner, op->proc)->capabilities));
	verify_rule(s, RULE_EXEC);
	s->touched.who[0] = p;
	s->touched.flags = true;
	return VERIFY_AGREE;
}

enum verify_result verify_do_process(struct verify_session *s, const struct op *op)
{
	char error[LIVE_ERROR];
	struct puppet *p = NULL, *parent;
	enum verify_result ret;
	int result;

	if (op->kind == OP_NEW) {
		p = live_start(s->live, op->proc, error);
		if (!p)
			return verify_say(s, VERIFY_UNABLE, "%s", error);
		s->count.processes++;
		s->touched.who[0] = p;
		return VERIFY_AGREE;
	}
	ret = verify_need(s, op->proc, &parent);
	if (ret != VERIFY_AGREE)
		return ret;
	if (op->kind == OP_EXIT) {
		live_exit(parent);
		s->touched.who[0] = NULL;
		return VERIFY_AGREE;
	}
	if (op->kind == OP_EXEC)
		return do_exec(s, op, parent);
	p = live_fork(parent, op->target, op->kind == OP_SHARE, &result, error);
	if (!p && error[0])
		return verify_say(s, VERIFY_UNABLE, "%s", error);
	s->live_error = result;
	s->count.processes += p != NULL;
	s->touched.who[0] = parent;
	s->touched.who[1] = p;
	s->touched.flags = true;
	return VERIFY_AGREE;
}

int verify_set_soft_limit(struct puppet *p, int resource, uint64_t bytes)
{
	enum __rlimit_resource which = (enum __rlimit_resource)resource;
	struct rlimit l;

	if (prlimit(p->pid, which, NULL, &l))
		return -errno;
	/* The hard limit stays: raising it again would need a capability. "unlimited" is as far as it lets. */
	if (bytes > l.rlim_max && bytes != UINT64_MAX)
		return -EPERM;
	l.rlim_cur = bytes < l.rlim_max ? bytes : l.rlim_max;
	return prlimit(p->pid, which, &l, NULL) ? -errno : 0;
}

/* Limits and capabilities are an address space's in the engine, a process's in the kernel: for all that share it. */
enum verify_result verify_do_rights(struct verify_session *s, const struct op *op)
{
	static const int resources[MM_LIMITS] = {
		[MM_LIMIT_AS] = RLIMIT_AS,
		[MM_LIMIT_DATA] = RLIMIT_DATA,
		[MM_LIMIT_STACK] = RLIMIT_STACK,
		[MM_LIMIT_MEMLOCK] = RLIMIT_MEMLOCK,
	};
	struct puppet *p, *other = NULL;
	enum verify_result ret = verify_need(s, op->proc, &p);
	uint64_t bytes = op->value;

	if (ret != VERIFY_AGREE)
		return ret;
	if (op->kind == OP_LIMIT && op->flags == MM_LIMIT_AS && bytes < UINT64_MAX - HOUSE_SIZE) {
		bytes += HOUSE_SIZE;
		verify_rule(s, RULE_LIMITS);
	}
	while ((other = live_next(s->live, other))) {
		if (other != p && (!p->shares || other->shares != p->shares) &&
		    other->shares != p && p->shares != other)
			continue;
		if (op->kind == OP_CAPS)
			verify_set_caps(s, other, op->flags);
		else if (verify_set_soft_limit(other, resources[op->flags], bytes))
			return verify_say(s, VERIFY_UNABLE, "the hard limit is lower");
	}
	s->touched.who[0] = p;
	return VERIFY_AGREE;
}

#endif
