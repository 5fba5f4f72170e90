// SPDX-License-Identifier: BSD-2-Clause
/*
 * Puppets from the tester's side: how the first is made, how orders are given, how they end.
 *
 * The first puppet of a session, the *seed*, is a clone of this process that goes to live in the house and unmaps everything
 * else. It is never told anything but to fork, so each process of a workload begins as it: with an empty address space. All
 * are cloned with CLONE_PARENT, so that each is this process's own child: it can be waited for, and PR_SET_PDEATHSIG ends it
 * when this process ends, however that happens.
 *
 * All run on one processor, this process's own. An order is then a switch of tasks, some microseconds, and the kernel's lists
 * by processor (pages on their way to the LRU hold a reference, which COW counts) are one list.
 */
#include "verify_live.h"

#include "verify_puppet.h"

#include <rmap/types.h>

#include <errno.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

#ifdef __x86_64__

/* A call that takes longer hangs. */
#define PATIENCE_NS  30000000000ull

#define RSEQ_UNREG   1
#define RSEQ_SIG_X86 0x53053053u

struct live {
	char *house; /* as mapped here */
	int house_fd;
	struct puppet *puppets[HOUSE_SLOTS]; /* by slot; 0: the seed */
	char broken[LIVE_ERROR];
};

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static long futex(_Atomic uint32_t *at, int op, uint32_t value, const struct timespec *timeout)
{
	return syscall(SYS_futex, at, op, value, timeout, NULL, 0);
}

__attribute__((format(printf, 2, 3))) static void set_broken(struct live *live, const char *format,
							     ...)
{
	va_list args;

	if (live->broken[0])
		return;
	va_start(args, format);
	vsnprintf(live->broken, sizeof(live->broken), format, args);
	va_end(args);
}

const char *live_broken(const struct live *live)
{
	return live->broken[0] ? live->broken : NULL;
}

/* ---------------------------------------------------------------- orders */

static void note_death(struct puppet *p)
{
	int status = 0;

	if (waitpid(p->pid, &status, WNOHANG) != p->pid)
		return;
	p->dead = true;
	if (p->slot->stray)
		set_broken(p->live, "a puppet was ended by signal %llu (code %llu) at 0x%llx",
			   (unsigned long long)(p->slot->stray >> 16),
			   (unsigned long long)(p->slot->stray & 0xffff),
			   (unsigned long long)p->slot->stray_at);
	else if (WIFSIGNALED(status))
		set_broken(p->live, "a puppet was killed by signal %d", WTERMSIG(status));
	else
		set_broken(p->live, "a puppet ended with code %d", WEXITSTATUS(status));
}

/* Give the order that is in the slot and wait until it is done. False: the session is broken. */
static bool order(struct puppet *p)
{
	static const struct timespec second = { .tv_sec = 1 };
	uint32_t done = atomic_load(&p->slot->done);
	uint64_t start = 0;

	if (p->live->broken[0] || p->dead)
		return false;
	atomic_store(&p->slot->go, done + 1);
	futex(&p->slot->go, FUTEX_WAKE, 1, NULL);
	while (atomic_load(&p->slot->done) == done) {
		if (!futex(&p->slot->done, FUTEX_WAIT, done, &second) || errno != ETIMEDOUT)
			continue;
		note_death(p);
		if (p->live->broken[0])
			return false;
		start = start ? start : clock_ns();
		if (clock_ns() - start > PATIENCE_NS) {
			set_broken(p->live, "a puppet does not come back from order %u (call %u)",
				   p->slot->order, p->slot->number);
			return false;
		}
	}
	return true;
}

int64_t live_call(struct puppet *p, uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
		  uint64_t e, uint64_t f)
{
	struct puppet_slot *slot = p->slot;

	slot->order = PUPPET_CALL;
	slot->number = number;
	slot->arg[0] = a;
	slot->arg[1] = b;
	slot->arg[2] = c;
	slot->arg[3] = d;
	slot->arg[4] = e;
	slot->arg[5] = f;
	return order(p) ? slot->result : -EINTR;
}

static int error_of_signal(struct live *live, uint64_t signal)
{
	int code = (int)(signal & 0xffff);

	switch (signal >> 16) {
	case 0:
		return 0;
	case SIGSEGV:
		if (code == SEGV_MAPERR)
			return RMAP_EFAULT;
		if (code == SEGV_ACCERR)
			return RMAP_EACCES;
		break;
	case SIGBUS:
		if (code == BUS_ADRERR)
			return RMAP_EIO;
		if (code == BUS_MCEERR_AR || code == BUS_MCEERR_AO)
			return RMAP_EHWPOISON;
		break;
	default:
		break;
	}
	set_broken(live, "an access was ended by signal %llu with code %d",
		   (unsigned long long)(signal >> 16), code);
	return RMAP_EFAULT;
}

static int access_pages(struct puppet *p, uint32_t what, uint64_t addr, uint64_t pages,
			uint64_t last, uint64_t *done)
{
	struct puppet_slot *slot = p->slot;

	slot->order = what;
	slot->arg[0] = addr;
	slot->arg[1] = pages;
	slot->arg[2] = last;
	*done = 0;
	if (!order(p))
		return RMAP_EFAULT;
	*done = slot->pages;
	return error_of_signal(p->live, slot->signal);
}

int live_read(struct puppet *p, uint64_t addr, uint64_t pages, uint64_t *done)
{
	return access_pages(p, PUPPET_READ, addr, pages, 0, done);
}

int live_fetch(struct puppet *p, uint64_t addr, uint64_t pages, uint64_t *done)
{
	return access_pages(p, PUPPET_FETCH, addr, pages, 0, done);
}

int live_write(struct puppet *p, uint64_t addr, uint64_t pages, uint64_t last, uint64_t *done)
{
	return access_pages(p, PUPPET_WRITE, addr, pages, last, done);
}

void *live_buffer(struct puppet *p)
{
	return (char *)p->slot + SLOT_BUFFER;
}

uint64_t live_buffer_addr(const struct puppet *p)
{
	return HOUSE_SLOT_BASE + (uint64_t)p->number * SLOT_SIZE + SLOT_BUFFER;
}

/* ---------------------------------------------------------------- /proc/PID */

static int proc_file(struct puppet *p, int *fd, const char *name)
{
	char path[64];

	if (*fd < 0) {
		snprintf(path, sizeof(path), "/proc/%d/%s", p->pid, name);
		*fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return *fd;
}

int live_maps(struct puppet *p)
{
	return proc_file(p, &p->maps, "maps");
}

int live_smaps(struct puppet *p)
{
	return proc_file(p, &p->smaps, "smaps");
}

int live_pagemap(struct puppet *p)
{
	return proc_file(p, &p->pagemap, "pagemap");
}

int live_mem(struct puppet *p)
{
	return proc_file(p, &p->mem, "mem");
}

int live_status(struct puppet *p)
{
	return proc_file(p, &p->status, "status");
}

static void close_proc_files(struct puppet *p)
{
	int *fds[] = { &p->maps, &p->smaps, &p->pagemap, &p->mem, &p->status };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

/* ---------------------------------------------------------------- lives */

static struct puppet *new_puppet(struct live *live, uint64_t id, char error[LIVE_ERROR])
{
	uint32_t number = 0;
	struct puppet *p;

	while (number < HOUSE_SLOTS && live->puppets[number])
		number++;
	if (number == HOUSE_SLOTS) {
		snprintf(error, LIVE_ERROR, "more than %u processes at one time", HOUSE_SLOTS - 1);
		return NULL;
	}
	p = calloc(1, sizeof(*p));
	if (!p) {
		snprintf(error, LIVE_ERROR, "out of memory");
		return NULL;
	}
	p->live = live;
	p->id = id;
	p->number = number;
	p->slot = (struct puppet_slot *)(void *)(live->house + (size_t)number * SLOT_SIZE);
	memset(p->slot, 0, sizeof(*p->slot));
	p->maps = p->smaps = p->pagemap = p->mem = p->status = -1;
	p->users = 1;
	live->puppets[number] = p;
	return p;
}

static void free_puppet(struct puppet *p)
{
	close_proc_files(p);
	p->live->puppets[p->number] = NULL;
	free(p);
}

struct puppet *live_fork(struct puppet *parent, uint64_t id, bool share, int *result,
			 char error[LIVE_ERROR])
{
	struct puppet *p = new_puppet(parent->live, id, error);

	*result = 0;
	if (!p)
		return NULL;
	error[0] = '\0';
	parent->slot->order = PUPPET_FORK;
	parent->slot->arg[0] = p->number;
	parent->slot->arg[1] = CLONE_PARENT | CLONE_FILES | SIGCHLD | (share ? CLONE_VM : 0);
	parent->slot->arg[2] = (uint64_t)getpid();
	if (!order(parent)) {
		snprintf(error, LIVE_ERROR, "%s", parent->live->broken);
		free_puppet(p);
		return NULL;
	}
	if (parent->slot->result < 0) {
		*result = (int)parent->slot->result;
		free_puppet(p);
		return NULL;
	}
	p->pid = (pid_t)parent->slot->result;
	if (share) {
		p->shares = parent->shares ? parent->shares : parent;
		p->shares->users++;
	}
	return p;
}

struct puppet *live_start(struct live *live, uint64_t id, char error[LIVE_ERROR])
{
	int result;
	struct puppet *p = live_fork(live->puppets[0], id, false, &result, error);

	if (!p && result)
		snprintf(error, LIVE_ERROR, "fork: %s", strerror(-result));
	return p;
}

static void end(struct puppet *p)
{
	int status;

	if (!p->dead) {
		kill(p->pid, SIGKILL);
		while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	p->dead = true;
	close_proc_files(p);
}

void live_exit(struct puppet *p)
{
	struct puppet *owner = p->shares ? p->shares : p;

	end(p);
	/* The owner of a shared address space stays known until its last thread has gone. */
	if (p != owner)
		free_puppet(p);
	if (!--owner->users)
		free_puppet(owner);
}

struct puppet *live_find(struct live *live, uint64_t id)
{
	struct puppet *p = NULL;

	while ((p = live_next(live, p)))
		if (p->id == id)
			return p;
	return NULL;
}

struct puppet *live_next(struct live *live, struct puppet *last)
{
	for (uint32_t i = last ? last->number + 1 : 1; i < HOUSE_SLOTS; i++)
		if (live->puppets[i] && !live->puppets[i]->dead)
			return live->puppets[i];
	return NULL;
}

/* ---------------------------------------------------------------- the seed */

/*
 * Limits and capabilities that a fresh mm of the engine has; one that can move limits, and privileges for nothing else. Hard limits go
 * where nobody meets them, if that may be: the house counts, too.
 */
static void limit(int resource, uint64_t soft)
{
	struct rlimit l = { .rlim_cur = soft, .rlim_max = RLIM_INFINITY };

	if (!syscall(SYS_prlimit64, 0, resource, &l, NULL))
		return;
	if (syscall(SYS_prlimit64, 0, resource, NULL, &l))
		return;
	l.rlim_cur = soft < l.rlim_max ? soft : l.rlim_max;
	syscall(SYS_prlimit64, 0, resource, &l, NULL);
}

static void unregister_rseq(void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
	extern const ptrdiff_t __rseq_offset;
	extern const unsigned int __rseq_size;

	if (__rseq_size)
		syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, 32,
			RSEQ_UNREG, RSEQ_SIG_X86);
#endif
}

/* In the clone: from libc's world into the house. Only plain system calls, since a thread of the parent may hold libc's locks. */
static void move_in(int house_fd, struct puppet_slot *first)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	uint64_t entry = HOUSE_CODE_BASE +
			 (uint64_t)((uintptr_t)&puppet_first - (uintptr_t)__start_rmap_puppet);
	uint64_t slot = HOUSE_SLOT_BASE;
	uint64_t slots = (uint64_t)HOUSE_SLOTS * SLOT_SIZE;

	(void)first;
	syscall(SYS_prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0);
	syscall(SYS_prctl, PR_SET_NAME, "rmap-puppet", 0, 0, 0);
	limit(RLIMIT_STACK, 8u << 20);
	limit(RLIMIT_MEMLOCK, 8u << 20);
	limit(RLIMIT_AS, RLIM_INFINITY);
	limit(RLIMIT_DATA, RLIM_INFINITY);
	limit(RLIMIT_CORE, 0);
	memset(caps, 0, sizeof(caps));
	syscall(SYS_capget, &header, caps);
	caps[0].effective = caps[0].permitted & 1u << CAP_SYS_RESOURCE;
	caps[1].effective = 0;
	syscall(SYS_capset, &header, caps);
	/* Until there are no more: see the rule "exec-only". */
	while (syscall(SYS_pkey_alloc, 0, 0) > 0)
		;
	unregister_rseq();
	if ((uint64_t)syscall(SYS_mmap, HOUSE_SLOT_BASE, slots, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_FIXED_NOREPLACE, house_fd, 0) != HOUSE_SLOT_BASE ||
	    (uint64_t)syscall(SYS_mmap, HOUSE_CODE_BASE, HOUSE_CODE, PROT_READ | PROT_EXEC,
			      MAP_SHARED | MAP_FIXED_NOREPLACE, house_fd, slots) != HOUSE_CODE_BASE)
		syscall(SYS_exit_group, 97);
	__asm__ volatile("movq %[stack], %%rsp\n\t"
			 "xorl %%ebp, %%ebp\n\t"
			 "callq *%[entry]\n\t"
			 "ud2"
			 :
			 : [stack] "r"(slot + SLOT_STACK + SLOT_STACK_SIZE), [entry] "r"(entry),
			   "D"(slot)
			 : "memory");
	__builtin_unreachable();
}

static int build_house(struct live *live, char error[LIVE_ERROR])
{
	size_t code = (size_t)(__stop_rmap_puppet - __start_rmap_puppet);

	if (code > HOUSE_CODE) {
		snprintf(error, LIVE_ERROR, "the puppets' code has %zu bytes", code);
		return -1;
	}
	live->house_fd = memfd_create("rmap-verify", MFD_CLOEXEC);
	if (live->house_fd < 0 || ftruncate(live->house_fd, HOUSE_SIZE)) {
		snprintf(error, LIVE_ERROR, "memfd: %s", strerror(errno));
		return -1;
	}
	live->house = mmap(NULL, HOUSE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, live->house_fd, 0);
	if (live->house == MAP_FAILED) {
		live->house = NULL;
		snprintf(error, LIVE_ERROR, "mmap: %s", strerror(errno));
		return -1;
	}
	memcpy(live->house + (size_t)HOUSE_SLOTS * SLOT_SIZE, __start_rmap_puppet, code);
	return 0;
}

/* One processor for all, unless that was chosen before. */
static void stay_here(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int live_new(struct live **out, char error[LIVE_ERROR])
{
	struct live *live = calloc(1, sizeof(*live));
	struct puppet *seed;
	long pid;

	if (!live) {
		snprintf(error, LIVE_ERROR, "out of memory");
		return -1;
	}
	live->house_fd = -1;
	stay_here();
	if (build_house(live, error))
		goto fail;
	seed = new_puppet(live, 0, error);
	if (!seed)
		goto fail;
	seed->slot->tester = (uint64_t)getpid();
	pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (!pid)
		move_in(live->house_fd, seed->slot);
	if (pid < 0) {
		snprintf(error, LIVE_ERROR, "fork: %s", strerror(errno));
		free_puppet(seed);
		goto fail;
	}
	seed->pid = (pid_t)pid;
	if (live_call(seed, SYS_getpid, 0, 0, 0, 0, 0, 0) != pid) {
		snprintf(error, LIVE_ERROR, "the first puppet does not answer: %.400s",
			 live->broken[0] ? live->broken : "wrong number");
		goto fail;
	}
	*out = live;
	return 0;
fail:
	live_free(live);
	return -1;
}

void live_free(struct live *live)
{
	for (uint32_t i = 0; i < HOUSE_SLOTS; i++)
		if (live->puppets[i] && live->puppets[i]->pid)
			end(live->puppets[i]);
	for (uint32_t i = 0; i < HOUSE_SLOTS; i++)
		if (live->puppets[i])
			free_puppet(live->puppets[i]);
	if (live->house)
		munmap(live->house, HOUSE_SIZE);
	if (live->house_fd >= 0)
		close(live->house_fd);
	free(live);
}

#endif
