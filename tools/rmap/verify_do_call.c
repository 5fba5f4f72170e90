// SPDX-License-Identifier: BSD-2-Clause
/*
 * The memory calls on the live side: what a puppet is told to call, and the few things around it that make it the same call.
 */
#include "verify_do.h"

#include <mm/mm_types.h>

#include <errno.h>
#include <linux/prctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#ifdef __x86_64__

/* How often pages that are being written are asked to go, and how long between. */
#define PAGEOUT_TRIES	 40u
#define PAGEOUT_PAUSE_US 500u
#define PAGEOUT_MOST	 ((uint64_t)64 << 20)

/*
 * Where the heap begins and, at first, ends. The kernel checks the whole of what it knows of a program at each change, so all of
 * it is set to what a program without code or data would have.
 */
static int64_t place_heap(struct puppet *p, uint64_t start)
{
	struct prctl_mm_map *map = live_buffer(p);

	memset(map, 0, sizeof(*map));
	map->start_code = RMAP_PAGE_SIZE * 16;
	map->end_code = map->start_code + 1;
	map->start_data = map->end_data = map->start_code;
	map->start_brk = map->brk = start;
	map->start_stack = HOUSE_BASE;
	map->arg_start = map->arg_end = map->env_start = map->env_end = HOUSE_BASE;
	map->exe_fd = (uint32_t)-1;
	return live_call(p, SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, live_buffer_addr(p), sizeof(*map),
			 0, 0);
}

static int64_t do_mmap(struct verify_session *s, struct puppet *p, const struct op *op)
{
	struct verify_file *f = op->file ? verify_file_of(s, op->file) : NULL;
	int fd = f ? f->fd[op->file_mode & 3] : -1;
	int64_t ret = live_call(p, SYS_mmap, op->addr.off, op->len, op->prot, op->flags,
				(uint64_t)(int64_t)fd, op->offset);

	if (ret >= 0)
		touch(s, (uint64_t)ret, op->len);
	return ret;
}

/*
 * The house counts against the limit, which is made up for: by a limit that is larger, or, where the hard limit leaves no room for
 * that, by lending the right to lock to a puppet that without its house would be within its limit.
 */
static bool make_room_for_house(struct verify_session *s, struct puppet *p, uint64_t limit,
				uint32_t caps)
{
	struct look_sizes sizes;

	if (!limit || limit >= UINT64_MAX - HOUSE_SIZE ||
	    !verify_set_soft_limit(p, RLIMIT_MEMLOCK, limit + HOUSE_SIZE))
		return false;
	if (look_sizes(s->look, p, &sizes) || sizes.total_vm > limit / RMAP_PAGE_SIZE)
		return false;
	verify_set_caps(s, p, caps | MM_CAP_IPC_LOCK);
	return true;
}

/* Nor must the house stay locked. */
static int64_t do_mlockall(struct verify_session *s, struct puppet *p, const struct op *op)
{
	struct mm *mm = runner_mm(s->runner, op->proc);
	uint64_t limit = mm_get_limit(mm, MM_LIMIT_MEMLOCK);
	uint32_t caps = atomic_load(&mm->capabilities);
	int64_t ret;
	bool lent;

	if (!(op->flags & MM_MCL_CURRENT))
		return live_call(p, SYS_mlockall, op->flags, 0, 0, 0, 0, 0);
	lent = make_room_for_house(s, p, limit, caps);
	ret = live_call(p, SYS_mlockall, op->flags, 0, 0, 0, 0, 0);
	live_call(p, SYS_munlock, HOUSE_BASE, HOUSE_SIZE, 0, 0, 0, 0);
	if (lent)
		verify_set_caps(s, p, caps);
	else if (limit && limit < UINT64_MAX - HOUSE_SIZE)
		verify_set_soft_limit(p, RLIMIT_MEMLOCK, limit);
	verify_rule(s, RULE_LIMITS);
	s->touched.around_all = true;
	return ret;
}

static int64_t do_brk(struct verify_session *s, struct puppet *p, const struct op *op)
{
	uint64_t old = (uint64_t)live_call(p, SYS_brk, 0, 0, 0, 0, 0, 0);
	uint64_t wanted = op->relative ? old + op->new_len : op->addr.off;
	uint64_t now = (uint64_t)live_call(p, SYS_brk, wanted, 0, 0, 0, 0, 0);

	s->live_result = now;
	if (now > old)
		touch(s, old, now - old);
	/* As the engine's side counts it: a break that did not move. */
	return now == wanted || !wanted ? 0 : RMAP_ENOMEM;
}

/* Does addr show a file that has a store, so that a page of it may be dropped and read again at any time? */
static bool shows_store(struct verify_session *s, uint64_t proc, uint64_t addr)
{
	struct process *p = runner_find(s->runner, proc);
	const struct layout_vma *vma = p ? space_vma(p->space, addr) : NULL;

	return vma && vma->file && !mm_file_is_shmem(vma->file);
}

/*
 * One byte a page. What the kernel alone has may be its page cache's doing, and so may be what the engine alone has of a file
 * with a store; what stands in the page table must be there.
 */
static int64_t do_mincore(struct verify_session *s, struct puppet *p, const struct op *op)
{
	uint64_t pages = round_up(op->len) / RMAP_PAGE_SIZE;
	uint8_t *vec = live_buffer(p), *engine;
	struct mm *mm = runner_mm(s->runner, op->proc);
	int64_t ret =
		live_call(p, SYS_mincore, op->addr.off, op->len, live_buffer_addr(p), 0, 0, 0);

	if (ret || !pages || pages > MINCORE_MOST)
		return ret;
	engine = malloc(pages);
	if (!engine || mm_mincore(mm, op->addr.off, op->len, engine)) {
		free(engine);
		return ret;
	}
	for (uint64_t i = 0; i < pages; i++) {
		struct mm_page_info info;
		uint64_t entry = 0, addr = op->addr.off + i * RMAP_PAGE_SIZE;

		if ((vec[i] & 1) == (engine[i] & 1))
			continue;
		mm_page_info(mm, addr, &info);
		if (((vec[i] & 1) || shows_store(s, op->proc, addr)) &&
		    info.state == MM_PAGE_NONE && !look_entries(p, addr, 1, &entry) &&
		    !(entry & PM_PRESENT)) {
			verify_rule(s, RULE_PAGE_CACHE);
			continue;
		}
		if ((vec[i] & 1) && info.state == MM_PAGE_SWAPPED) {
			verify_rule(s, s->engine_swaps ? RULE_NO_SWAP : RULE_PAGE_CACHE);
			continue;
		}
		if (!(vec[i] & 1) && (s->reclaimed || s->machine_swaps)) {
			verify_rule(s, RULE_RECLAIM);
			continue;
		}
		verify_say(s, VERIFY_DIFFER,
			   "mincore: the page at 0x%llx is %s live, %s in the engine",
			   (unsigned long long)addr, vec[i] & 1 ? "resident" : "absent",
			   engine[i] & 1 ? "resident" : "absent");
		break;
	}
	free(engine);
	return ret;
}

/* Has the engine taken a page of this range out that is still there live? */
static bool still_in(struct verify_session *s, struct puppet *p, uint64_t proc, uint64_t start,
		     uint64_t end)
{
	struct mm *mm = runner_mm(s->runner, proc);

	for (uint64_t addr = start; addr < end; addr += RMAP_PAGE_SIZE) {
		struct mm_page_info info;
		uint64_t entry;

		mm_page_info(mm, addr, &info);
		if (info.state == MM_PAGE_SWAPPED && !look_entries(p, addr, 1, &entry) &&
		    (entry & PM_PRESENT))
			return true;
	}
	return false;
}

/*
 * The kernel leaves a page alone that is being written; when that is done is the device's matter. So it is asked again. Where only
 * others have swap, it is asked for MADV_COLD instead, which differs in nothing but that.
 */
static int64_t do_pageout(struct verify_session *s, struct puppet *p, const struct op *op)
{
	uint64_t start = op->addr.off, end = start + round_up(op->len);
	struct sysinfo info;
	int64_t ret;

	if (!s->options.swap && !sysinfo(&info) && info.totalswap) {
		verify_rule(s, RULE_NO_SWAP);
		/* The engine gives up what it can; the kernel will not. */
		s->machine_swaps = s->reclaimed = s->touched.around_all = true;
		return live_call(p, SYS_madvise, start, op->len, MM_MADV_COLD, 0, 0, 0);
	}
	ret = live_call(p, SYS_madvise, start, op->len, op->flags, 0, 0, 0);

	for (unsigned int i = 0; !ret && s->options.swap && i < PAGEOUT_TRIES; i++) {
		if (end < start || end - start > PAGEOUT_MOST ||
		    !still_in(s, p, op->proc, start, end))
			break;
		usleep(PAGEOUT_PAUSE_US);
		look_drain(s->look);
		ret = live_call(p, SYS_madvise, start, op->len, op->flags, 0, 0, 0);
		verify_rule(s, RULE_PAGEOUT);
	}
	/* What stays since it is dirty gets a flag by this, which the next fault takes for readahead's, and reads a large folio. */
	verify_sync_files(s);
	return ret;
}

static int64_t call_of(struct verify_session *s, struct puppet *p, const struct op *op)
{
	uint64_t addr = op->addr.off;
	int64_t ret;

	touch(s, addr, op->len);
	s->touched.flags = true;
	switch (op->kind) {
	case OP_MMAP:
		return do_mmap(s, p, op);
	case OP_MUNMAP:
		return live_call(p, SYS_munmap, addr, op->len, 0, 0, 0, 0);
	case OP_MPROTECT:
		return live_call(p, SYS_mprotect, addr, op->len, op->prot, 0, 0, 0);
	case OP_MREMAP:
		ret = live_call(p, SYS_mremap, addr, op->len, op->new_len, op->flags,
				op->new_addr.off, 0);
		if (ret >= 0)
			touch(s, (uint64_t)ret, op->new_len);
		return ret;
	case OP_MADVISE:
		if (op->flags == MM_MADV_PAGEOUT)
			return do_pageout(s, p, op);
		return live_call(p, SYS_madvise, addr, op->len, op->flags, 0, 0, 0);
	case OP_MLOCK:
		return live_call(p, SYS_mlock2, addr, op->len, op->flags, 0, 0, 0);
	case OP_MUNLOCK:
		return live_call(p, SYS_munlock, addr, op->len, 0, 0, 0, 0);
	case OP_MLOCKALL:
		return do_mlockall(s, p, op);
	case OP_MUNLOCKALL:
		return live_call(p, SYS_munlockall, 0, 0, 0, 0, 0, 0);
	case OP_MINCORE:
		return do_mincore(s, p, op);
	case OP_MSYNC:
		return live_call(p, SYS_msync, addr, op->len, op->flags, 0, 0, 0);
	case OP_BRK:
		return do_brk(s, p, op);
	default:
		return -ENOSYS;
	}
}

static bool has_address(enum op_kind kind)
{
	return kind == OP_MMAP || kind == OP_MREMAP;
}

enum verify_result verify_do_call(struct verify_session *s, const struct op *op)
{
	struct puppet *p;
	enum verify_result ret = verify_need(s, op->proc, &p);
	int64_t result;

	if (ret != VERIFY_AGREE)
		return ret;
	s->touched.who[0] = p;
	if (op->kind == OP_SET_BRK) {
		if (!s->engine_error && place_heap(p, op->addr.off))
			return verify_say(s, VERIFY_UNABLE,
					  "setbrk: the kernel does not let the heap begin there");
		verify_rule(s, RULE_HEAP);
		s->live_error = s->engine_error;
		return VERIFY_AGREE;
	}
	result = call_of(s, p, op);
	if (s->result != VERIFY_AGREE)
		return s->result;
	if (result == -EFBIG)
		return verify_say(s, VERIFY_UNABLE,
				  "%s: beyond what the file system lets a file be",
				  op_kind_name(op->kind));
	s->live_error = result < 0 ? (int)result : 0;
	if (has_address(op->kind) && result >= 0)
		s->live_result = (uint64_t)result;
	return VERIFY_AGREE;
}

#endif
