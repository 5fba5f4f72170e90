// SPDX-License-Identifier: BSD-2-Clause
/*
 * An operation on the live side: what a puppet is told to do, and the few things around it that make it the same operation.
 */
#include "verify_int.h"
#include "verify_swap.h"

#include <mm/mm_types.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#ifdef __x86_64__

/* How often pages that are being written are asked to go, and how long between. */
#define PAGEOUT_TRIES	 40u
#define PAGEOUT_PAUSE_US 500u
#define PAGEOUT_MOST	 ((uint64_t)64 << 20)
/* A file that is written out in full. */
#define FILE_MOST	 ((uint64_t)64 << 20)
/* A mincore that fits into the buffer. */
#define MINCORE_MOST	 ((uint64_t)SLOT_PAGES * 4096)

static uint64_t round_up(uint64_t len)
{
	return len > UINT64_MAX - RMAP_PAGE_SIZE ? len
						 : (len + RMAP_PAGE_SIZE - 1) & RMAP_PAGE_MASK;
}

static void touch(struct verify_session *s, uint64_t start, uint64_t len)
{
	s->touched.start = start & RMAP_PAGE_MASK;
	s->touched.end = start + len < start ? UINT64_MAX : round_up(start + len);
}

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
	if ((op->kind == OP_MMAP && op->len > machine_memory() && op->len <= (uint64_t)1 << 47 &&
	     !(op->flags & (MM_MAP_SHARED | MM_MAP_NORESERVE)) && op->prot & MM_PROT_WRITE)) {
		verify_rule(s, RULE_OVERCOMMIT);
		return verify_say(
			s, VERIFY_UNABLE,
			"mmap: more than this machine's memory, which its overcommit policy "
			"decides on");
	}
	if (op->kind == OP_MINCORE && round_up(op->len) / RMAP_PAGE_SIZE > MINCORE_MOST &&
	    round_up(op->len) < (uint64_t)1 << 47)
		return verify_say(s, VERIFY_UNABLE, "mincore of more than %llu pages",
				  (unsigned long long)MINCORE_MOST);
	return VERIFY_AGREE;
}

/* ---------------------------------------------------------------- files */

static struct verify_file *file_of(struct verify_session *s, uint32_t number)
{
	if (number >= s->nr_files || !s->files[number].open)
		return NULL;
	return &s->files[number];
}

static bool room_for_file(struct verify_session *s, uint32_t number)
{
	uint32_t nr = number < 16 ? 16 : number * 2;
	struct verify_file *files;

	if (number < s->nr_files)
		return true;
	files = realloc(s->files, nr * sizeof(*files));
	if (!files)
		return false;
	memset(files + s->nr_files, 0, (nr - s->nr_files) * sizeof(*files));
	s->files = files;
	s->nr_files = nr;
	return true;
}

/* Without a name from the beginning, so that nothing is left of it. */
static int nameless(void)
{
	const char *dir = getenv("TMPDIR");
	char path[4096];
	int fd;

	dir = dir && *dir ? dir : "/tmp";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "%s/rmap-verify-XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static void close_file(struct verify_file *f)
{
	for (int i = 0; i < 4; i++)
		if (f->open && f->fd[i] >= 0)
			close(f->fd[i]);
	f->open = false;
}

void verify_close_files(struct verify_session *s)
{
	for (uint32_t i = 0; i < s->nr_files; i++)
		close_file(&s->files[i]);
	free(s->files);
	s->files = NULL;
	s->nr_files = 0;
}

/* What the engine's file must hold in [offset, end) is written to the file, a page at a time. Its page cache is not disturbed. */
static bool copy_out(struct verify_session *s, uint32_t number, uint64_t offset, uint64_t end)
{
	struct rfile *f = rfile_named(s->runner, number);
	int fd = s->files[number].fd[MM_FILE_READ | MM_FILE_WRITE];

	for (uint64_t at = offset; at < end; at += RMAP_PAGE_SIZE) {
		uint64_t len = end - at < RMAP_PAGE_SIZE ? end - at : RMAP_PAGE_SIZE;
		size_t valid;

		if (!rfile_expected(f, at, s->page, &valid) ||
		    pwrite(fd, s->page, len, (off_t)at) != (ssize_t)len)
			return false;
	}
	return true;
}

static enum verify_result do_open(struct verify_session *s, const struct op *op)
{
	struct verify_file *f;
	struct stat st;
	char path[64];

	if (!room_for_file(s, op->file))
		return verify_say(s, VERIFY_BAD, "out of memory");
	if (!(op->flags & (OP_FILE_SHMEM | OP_FILE_SPARSE)) && op->len > FILE_MOST)
		return verify_say(s, VERIFY_UNABLE, "a file of more than %llu MiB",
				  (unsigned long long)(FILE_MOST >> 20));
	f = &s->files[op->file];
	f->shmem = op->flags & OP_FILE_SHMEM;
	f->fd[3] = f->shmem ? memfd_create("rmap-file", MFD_CLOEXEC) : nameless();
	if (f->fd[3] < 0)
		return verify_say(s, VERIFY_UNABLE, "a file cannot be made: %s", strerror(errno));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd[3]);
	f->open = true;
	f->fd[0] = open(path, O_PATH | O_CLOEXEC);
	f->fd[MM_FILE_READ] = open(path, O_RDONLY | O_CLOEXEC);
	f->fd[MM_FILE_WRITE] = open(path, O_WRONLY | O_CLOEXEC);
	for (int i = 1; i < 4; i++)
		posix_fadvise(f->fd[i], 0, 0, POSIX_FADV_RANDOM);
	if (ftruncate(f->fd[3], (off_t)op->len) || fstat(f->fd[3], &st))
		return verify_say(s, VERIFY_UNABLE, "a file of %llu bytes: %s",
				  (unsigned long long)op->len, strerror(errno));
	f->device = (uint64_t)(st.st_dev >> 8 & 0xfff) << 32 |
		    ((st.st_dev & 0xff) | (st.st_dev >> 12 & 0xfff00));
	f->inode = st.st_ino;
	/* A file that is gone may have had the same number. */
	for (size_t i = 0; i < s->nr_pairs; i++)
		if (s->pairs[i].device == f->device && s->pairs[i].inode == f->inode)
			s->pairs[i--] = s->pairs[--s->nr_pairs];
	f->size = op->len;
	if (!(op->flags & (OP_FILE_SHMEM | OP_FILE_SPARSE)) && !copy_out(s, op->file, 0, op->len))
		return verify_say(s, VERIFY_UNABLE, "a file cannot be written: %s",
				  strerror(errno));
	return VERIFY_AGREE;
}

static enum verify_result do_file(struct verify_session *s, const struct op *op)
{
	struct verify_file *f;
	int fd;

	if (op->kind == OP_FILE)
		return do_open(s, op);
	f = file_of(s, op->file);
	if (!f)
		return verify_say(s, VERIFY_BAD, "the file is not open");
	fd = f->fd[MM_FILE_READ | MM_FILE_WRITE];
	switch (op->kind) {
	case OP_FILE_TRUNCATE:
		if (ftruncate(fd, (off_t)op->len))
			s->live_error = -errno;
		else
			f->size = op->len;
		break;
	case OP_FILE_WRITE:
		if (!s->engine_error && !copy_out(s, op->file, op->offset, op->offset + op->len))
			s->live_error = -errno;
		if (!s->engine_error && op->offset + op->len > f->size)
			f->size = op->offset + op->len;
		break;
	case OP_FILE_SYNC:
		if (fsync(fd))
			s->live_error = -errno;
		break;
	case OP_FILE_CLOSE:
		close_file(f);
		break;
	default: /* a read: contents are compared at the end, and in between wherever they are mapped; but it fills the cache */
		for (uint64_t at = 0; at < op->len && at < FILE_MOST; at += RMAP_PAGE_SIZE)
			if (pread(fd, s->page, RMAP_PAGE_SIZE, (off_t)(op->offset + at)) <= 0)
				break;
		break;
	}
	s->touched.around_all = true;
	return VERIFY_AGREE;
}

enum verify_result verify_files(struct verify_session *s)
{
	unsigned char live[RMAP_PAGE_SIZE];

	for (uint32_t i = 0; i < s->nr_files; i++) {
		struct verify_file *f = file_of(s, i);
		struct rfile *r = f ? rfile_named(s->runner, i) : NULL;
		struct stat st;

		if (!r)
			continue;
		if (fstat(f->fd[3], &st) || (uint64_t)st.st_size != mm_file_size(r->file))
			return verify_say(s, VERIFY_DIFFER,
					  "a file's size: live %llu bytes, engine %llu",
					  (unsigned long long)st.st_size,
					  (unsigned long long)mm_file_size(r->file));
		for (uint64_t at = 0; at < f->size && at < FILE_MOST; at += RMAP_PAGE_SIZE) {
			uint64_t len =
				f->size - at < RMAP_PAGE_SIZE ? f->size - at : RMAP_PAGE_SIZE;

			if (mm_file_read(r->file, at, s->page, len, NULL))
				continue;
			s->count.contents++;
			if (pread(f->fd[3], live, len, (off_t)at) == (ssize_t)len &&
			    !memcmp(live, s->page, len))
				continue;
			return verify_say(s, VERIFY_DIFFER,
					  "the contents of a file at offset 0x%llx differ",
					  (unsigned long long)at);
		}
	}
	return VERIFY_AGREE;
}

/* ---------------------------------------------------------------- processes */

static enum verify_result need(struct verify_session *s, uint64_t id, struct puppet **p)
{
	*p = live_find(s->live, id);
	return *p ? VERIFY_AGREE : verify_say(s, VERIFY_BAD, "that is no living process");
}

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

static void set_caps(struct verify_session *s, struct puppet *p, uint32_t want)
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
	set_caps(s, p, atomic_load(&runner_mm(s->runner, op->proc)->capabilities));
	verify_rule(s, RULE_EXEC);
	s->touched.who[0] = p;
	s->touched.flags = true;
	return VERIFY_AGREE;
}

static enum verify_result do_process(struct verify_session *s, const struct op *op)
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
	ret = need(s, op->proc, &parent);
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

static int set_soft_limit(struct puppet *p, int resource, uint64_t bytes)
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
static enum verify_result do_rights(struct verify_session *s, const struct op *op)
{
	static const int resources[MM_LIMITS] = {
		[MM_LIMIT_AS] = RLIMIT_AS,
		[MM_LIMIT_DATA] = RLIMIT_DATA,
		[MM_LIMIT_STACK] = RLIMIT_STACK,
		[MM_LIMIT_MEMLOCK] = RLIMIT_MEMLOCK,
	};
	struct puppet *p, *other = NULL;
	enum verify_result ret = need(s, op->proc, &p);
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
			set_caps(s, other, op->flags);
		else if (set_soft_limit(other, resources[op->flags], bytes))
			return verify_say(s, VERIFY_UNABLE, "the hard limit is lower");
	}
	s->touched.who[0] = p;
	return VERIFY_AGREE;
}

/* ---------------------------------------------------------------- calls */

static int64_t do_mmap(struct verify_session *s, struct puppet *p, const struct op *op)
{
	struct verify_file *f = op->file ? file_of(s, op->file) : NULL;
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
	    !set_soft_limit(p, RLIMIT_MEMLOCK, limit + HOUSE_SIZE))
		return false;
	if (look_sizes(s->look, p, &sizes) || sizes.total_vm > limit / RMAP_PAGE_SIZE)
		return false;
	set_caps(s, p, caps | MM_CAP_IPC_LOCK);
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
		set_caps(s, p, caps);
	else if (limit && limit < UINT64_MAX - HOUSE_SIZE)
		set_soft_limit(p, RLIMIT_MEMLOCK, limit);
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

static enum verify_result do_call(struct verify_session *s, const struct op *op)
{
	struct puppet *p;
	enum verify_result ret = need(s, op->proc, &p);
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

/* ---------------------------------------------------------------- access */

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

static enum verify_result do_access(struct verify_session *s, const struct op *op)
{
	struct puppet *p;
	enum verify_result ret = need(s, op->proc, &p);
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

/* ---------------------------------------------------------------- pins */

static struct verify_pin **pin_of(struct verify_session *s, uint32_t id)
{
	struct verify_pin **pin = &s->pins;

	while (*pin && (*pin)->id != id)
		pin = &(*pin)->next;
	return pin;
}

static void drop_pin(struct verify_pin **pin)
{
	struct verify_pin *gone = *pin;

	*pin = gone->next;
	live_unpin(&gone->live);
	free(gone);
}

void verify_drop_pins(struct verify_session *s)
{
	while (s->pins)
		drop_pin(&s->pins);
}

/* The engine's page behind a pin. */
static const void *engine_pinned(struct verify_session *s, uint32_t id, struct page **page)
{
	struct pin *pin = s->runner->pins;

	while (pin && pin->id != id)
		pin = pin->next;
	if (page)
		*page = pin ? pin->page : NULL;
	return pin ? mm_page_data(s->runner->sys, pin->page) : NULL;
}

static enum verify_result new_pin(struct verify_session *s, const struct op *op)
{
	struct verify_pin *pin;
	struct puppet *p;
	enum verify_result ret = need(s, op->proc, &p);
	uint64_t addr = op->addr.off & RMAP_PAGE_MASK;
	const void *bytes = engine_pinned(s, op->pin, NULL);
	int error;

	if (ret != VERIFY_AGREE)
		return ret;
	pin = calloc(1, sizeof(*pin));
	if (!pin)
		return verify_say(s, VERIFY_BAD, "out of memory");
	pin->id = op->pin;
	s->touched.who[0] = p;
	touch(s, addr, RMAP_PAGE_SIZE);
	memset(s->page, 0, RMAP_PAGE_SIZE);
	error = live_pin(p, addr, op->flags, bytes ? bytes : s->page, &pin->live);
	if (error)
		free(pin);
	if (error > 0)
		return verify_say(s, VERIFY_UNABLE, "pin: this machine does not let us");
	verify_rule(s, RULE_PINS);
	s->live_error = error == -EFAULT && s->engine_error ? s->engine_error : error;
	if (error)
		return VERIFY_AGREE;
	pin->next = s->pins;
	s->pins = pin;
	return VERIFY_AGREE;
}

/* A debugger's hold finds its page by address: is it still the one that the engine holds? */
static bool still_there(struct verify_session *s, const struct verify_pin *pin, struct page *page)
{
	struct puppet *p = NULL;
	struct mm_page_info info;

	if (!(pin->live.flags & MM_PIN_FORCE))
		return true;
	while ((p = live_next(s->live, p))) {
		struct mm *mm = runner_mm(s->runner, p->id);

		if (!mm)
			continue;
		mm_page_info(mm, pin->live.addr, &info);
		if (info.state == MM_PAGE_PRESENT && info.page == page)
			return true;
	}
	return false;
}

/* All who map the page see what a pin writes: they are compared in full. */
static enum verify_result use_pin(struct verify_session *s, const struct op *op,
				  struct verify_pin *pin)
{
	unsigned char live[RMAP_PAGE_SIZE];
	struct page *page;
	const void *bytes = engine_pinned(s, op->pin, &page);
	int error;

	if (!bytes || !still_there(s, pin, page))
		return verify_say(s, VERIFY_UNABLE,
				  "a debugger's hold on a page that was replaced");
	error = op->kind == OP_PIN_WRITE ? live_pin_write(&pin->live, bytes)
					 : live_pin_read(&pin->live, live);
	if (error)
		return verify_say(s, VERIFY_UNABLE, "%s: %s", op_kind_name(op->kind),
				  strerror(-error));
	if (op->kind == OP_PIN_READ && memcmp(live, bytes, RMAP_PAGE_SIZE) != 0)
		return verify_say(s, VERIFY_DIFFER, "what a pin reads differs");
	s->since_full = s->options.full_every;
	return VERIFY_AGREE;
}

static enum verify_result do_pin(struct verify_session *s, const struct op *op)
{
	struct verify_pin **pin;

	if (op->kind == OP_PIN)
		return new_pin(s, op);
	pin = pin_of(s, op->pin);
	if (!*pin)
		return verify_say(s, VERIFY_BAD, "this pin is not held");
	if (op->kind != OP_UNPIN)
		return use_pin(s, op, *pin);
	drop_pin(pin);
	return VERIFY_AGREE;
}

/* ---------------------------------------------------------------- all of them */

enum verify_result verify_do(struct verify_session *s, const struct op *op)
{
	enum verify_result ret;

	if (op->kind == OP_LIMIT || op->kind == OP_CAPS)
		ret = do_rights(s, op);
	else if (op->kind >= OP_NEW && op->kind <= OP_EXIT)
		ret = do_process(s, op);
	else if (op->kind >= OP_MMAP && op->kind <= OP_MSYNC)
		ret = do_call(s, op);
	else if (op->kind >= OP_READ && op->kind <= OP_FETCH)
		ret = do_access(s, op);
	else if (op->kind >= OP_PIN && op->kind <= OP_UNPIN)
		ret = do_pin(s, op);
	else if (op->kind == OP_SWAPOFF || op->kind == OP_SWAPON)
		ret = do_swap(s, op);
	else
		ret = do_file(s, op);
	if (ret == VERIFY_AGREE && live_broken(s->live))
		return verify_say(s, VERIFY_DIFFER, "%s", live_broken(s->live));
	return ret;
}

#endif
