// SPDX-License-Identifier: BSD-2-Clause
/* See inject.h. */
#include "inject.h"

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rmap/mm.h>

#define DEPTH	      14u  /* addresses of a path */
#define STACK	      128u /* of a whole stack */
#define TEST_DEPTH    6u   /* of them, those that tell one path of a unit test from another */
#define PATHS	      (1u << 14)
#define COUNTED	      4096u /* allocations of one operation whose paths are remembered */
#define CHILD_SECONDS 60u

struct page;

/* Written by one process at a time: a parent waits for its child. */
struct path {
	uint64_t hash; /* 0: no path */
	uint64_t reached, once, ever;
	uint32_t depth;
	void *address[DEPTH];
};

struct shared {
	uint64_t children, bad;
	char message[512];
	uint32_t counted[COUNTED]; /* path of the n-th allocation */
	struct path path[PATHS];
};

enum mode { OFF, ARMED, TEST, CHILD, RATE };

static enum mode mode;
static bool ever; /* ARMED, CHILD: what follows fails, too */
static uint64_t nth, events, failures;
static int below;	      /* ARMED: functions on the stack that called inject_arm() */
static enum inject_what what; /* ARMED: fails */
static uint64_t transfers[INJECT_WHATS];
static int io_error;
static bool io_torn;
static struct shared *shared; /* NULL: inject_open() was not called */
static uint64_t *met;	      /* TEST: hashes of the paths that this test has come by */
static size_t nr_met, room_met;
static struct mm_system *test_system;
static pid_t owner;   /* the process whose tests these are */
static uint64_t rate; /* RATE: one in so many fails */
static uint64_t rate_seed;
static _Atomic uint64_t rate_asked;
static pthread_t rate_spared;				      /* the thread that runs the tests */
static pthread_mutex_t rate_lock = PTHREAD_MUTEX_INITIALIZER; /* the table of paths */

/* Where the program lies in memory, so that addresses can be looked up in its file. */
extern const char __executable_start[];

/* ---------------------------------------------------------------- paths */

static uint64_t hash_of(void *const *address, uint32_t depth)
{
	uint64_t hash = 1469598103934665603u;

	for (uint32_t i = 0; i < depth; i++)
		hash = (hash ^ (uint64_t)(uintptr_t)address[i]) * 1099511628211u;
	return hash | 1;
}

/* => the path that begins with caller, in the table; NULL: the table is full */
static struct path *path_from(void *caller)
{
	/* Before it stand this file's own functions, and in the end those that were there when it was armed. */
	void *all[STACK], **address = all;
	int depth = backtrace(all, (int)STACK) - below;
	uint32_t nr;
	uint64_t hash;

	while (depth > 0 && *address != caller) {
		address++;
		depth--;
	}
	nr = depth < (int)DEPTH ? (uint32_t)(depth > 0 ? depth : 0) : DEPTH;
	hash = hash_of(address, nr);

	for (uint32_t i = 0, at = (uint32_t)(hash >> 20); i < PATHS; i++, at++) {
		struct path *path = &shared->path[at % PATHS];

		if (!path->hash) {
			path->hash = hash;
			path->depth = nr;
			memcpy(path->address, address, nr * sizeof(*address));
		}
		if (path->hash == hash)
			return path;
	}
	return NULL;
}

bool inject_open(void)
{
	void *warm[2];
	void *p = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return false;
	shared = p;
	/* It loads a library when it is called first. */
	(void)backtrace(warm, 2);
	return true;
}

int inject_save(const char *name)
{
	FILE *out = fopen(name, "w");

	if (!out)
		return -1;
	fprintf(out, "children %llu bad %llu\n", (unsigned long long)shared->children,
		(unsigned long long)shared->bad);
	for (uint32_t i = 0; i < PATHS; i++) {
		const struct path *path = &shared->path[i];

		if (!path->hash)
			continue;
		fprintf(out, "path %llu %llu %llu", (unsigned long long)path->reached,
			(unsigned long long)path->once, (unsigned long long)path->ever);
		for (uint32_t d = 0; d < path->depth; d++)
			fprintf(out, " %llx",
				(unsigned long long)((uintptr_t)path->address[d] -
						     (uintptr_t)__executable_start));
		fputc('\n', out);
	}
	return fclose(out);
}

/* ---------------------------------------------------------------- a driver's orders */

static __attribute__((noinline)) void arm(enum inject_what which, uint64_t n, bool from_then_on)
{
	void *all[STACK];

	/* But this function and the one that called it. */
	below = backtrace(all, (int)STACK) - 2;
	what = which;
	nth = n;
	ever = from_then_on;
	events = failures = 0;
	memset(transfers, 0, sizeof(transfers));
	mode = ARMED;
}

__attribute__((noinline)) void inject_arm(uint64_t n, bool from_then_on)
{
	arm(INJECT_MEMORY, n, from_then_on);
	/* No tail call: the stack is as deep as arm() takes it to be. */
	__asm__ volatile("");
}

void inject_arm_io(enum inject_what which, uint64_t n, bool from_then_on, int error, bool torn)
{
	io_error = error;
	io_torn = torn;
	arm(which, n, from_then_on);
}

uint64_t inject_transfers(enum inject_what which)
{
	return transfers[which];
}

const char *inject_name(enum inject_what which)
{
	static const char *const names[INJECT_WHATS] = {
		[INJECT_MEMORY] = "allocation",		 [INJECT_SWAP_WRITE] = "write to swap",
		[INJECT_SWAP_READ] = "read from swap",	 [INJECT_FILE_WRITE] = "write to a file",
		[INJECT_FILE_READ] = "read from a file",
	};

	return names[which];
}

uint64_t inject_disarm(uint64_t *failed)
{
	mode = OFF;
	if (failed)
		*failed = failures;
	return events;
}

bool inject_is_new(uint64_t n)
{
	return n && n <= COUNTED && !shared->path[shared->counted[n - 1]].once;
}

static bool armed_fails(void *caller)
{
	bool fails = ++events == nth || (ever && nth && events > nth);
	struct path *path = shared && (fails || !nth) ? path_from(caller) : NULL;

	failures += fails;
	if (!path)
		return fails;
	path->reached += !nth;
	if (!nth && events <= COUNTED)
		shared->counted[events - 1] = (uint32_t)(path - shared->path);
	if (fails && events == nth)
		*(ever ? &path->ever : &path->once) += 1;
	return fails;
}

/* ---------------------------------------------------------------- unit tests, by themselves */

/* Another thread does not come along into a child, and what it holds is never let go. */
static bool is_alone(void)
{
	DIR *dir = opendir("/proc/self/task");
	int threads = 0;

	while (dir && readdir(dir))
		threads++;
	if (dir)
		closedir(dir);
	return threads == 3; /* and . and .. */
}

/* => has this test been here already? From now on it has. */
static bool was_met(uint64_t hash)
{
	for (size_t i = 0; i < nr_met; i++)
		if (met[i] == hash)
			return true;
	if (nr_met == room_met) {
		size_t room = room_met ? room_met * 2 : 256;
		uint64_t *more = realloc(met, room * sizeof(*met));

		if (!more)
			return true;
		met = more;
		room_met = room;
	}
	met[nr_met++] = hash;
	return false;
}

static void become_child(bool from_then_on)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, 1);
		dup2(null, 2);
	}
	mode = CHILD;
	ever = from_then_on;
	alarm(CHILD_SECONDS);
}

/* What became of the child, if it is not well. */
static void note_child(const struct path *path, int status, bool from_then_on)
{
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return;
	shared->bad++;
	fprintf(stderr, "out of memory %s, on the path", from_then_on ? "from here on" : "once");
	for (uint32_t i = 0; i < path->depth && i < 8; i++)
		fprintf(stderr, " %llx",
			(unsigned long long)((uintptr_t)path->address[i] -
					     (uintptr_t)__executable_start));
	if (WIFSIGNALED(status))
		fprintf(stderr, ": signal %d\n", WTERMSIG(status));
	else
		fprintf(stderr, ": %s\n", shared->message);
}

/* => true in a child, which goes on without the memory */
static bool branch(struct path *path, bool from_then_on)
{
	int status = 0;
	pid_t child;

	shared->message[0] = '\0';
	fflush(NULL);
	child = fork();
	if (child == 0) {
		become_child(from_then_on);
		return true;
	}
	if (child < 0)
		return false;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	shared->children++;
	*(from_then_on ? &path->ever : &path->once) += 1;
	note_child(path, status, from_then_on);
	return false;
}

/* and_ever: also a child that gets no memory from here on */
static bool test_fails(void *caller, bool and_ever)
{
	struct path *path = path_from(caller);

	if (!path)
		return false;
	path->reached++;
	if (was_met(hash_of(path->address, path->depth < TEST_DEPTH ? path->depth : TEST_DEPTH)) ||
	    !is_alone())
		return false;
	return branch(path, false) || (and_ever && branch(path, true));
}

/* ---------------------------------------------------------------- tests with several threads, in place */

static bool rate_fails(void *caller)
{
	struct path *path;
	uint64_t n;

	if (pthread_equal(pthread_self(), rate_spared))
		return false;
	/* splitmix64 (Steele, Lea, Flood 2014) */
	n = rate_seed +
	    atomic_fetch_add_explicit(&rate_asked, 1, memory_order_relaxed) * 0x9e3779b97f4a7c15u;
	n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9u;
	n = (n ^ n >> 27) * 0x94d049bb133111ebu;
	if ((n ^ n >> 31) % rate)
		return false;
	pthread_mutex_lock(&rate_lock);
	path = path_from(caller);
	if (path) {
		path->reached++;
		path->once++;
	}
	pthread_mutex_unlock(&rate_lock);
	return true;
}

bool inject_refused(int error)
{
	return mode == RATE &&
	       (error == RMAP_ENOMEM || error == RMAP_EAGAIN || error == RMAP_EFAULT);
}

/* ---------------------------------------------------------------- a program of tests */

static void test_program_ends(void)
{
	char name[4096], suffix[32] = "";
	const char *folder = getenv("RMAP_OOM"), *design = getenv("RMAP_DESIGN");

	if (mode == CHILD)
		_exit(0);
	if (getpid() != owner || !folder)
		return;
	if (rate)
		snprintf(suffix, sizeof(suffix), ".%llu", (unsigned long long)rate);
	snprintf(name, sizeof(name), "%s/%s.%s%s", folder, program_invocation_short_name,
		 design ? design : "default", suffix);
	if (inject_save(name))
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
	if (shared->bad) {
		fflush(NULL);
		_exit(1);
	}
}

__attribute__((constructor)) static void test_program_starts(void)
{
	const char *one_in = getenv("RMAP_OOM_RATE"), *seed = getenv("RMAP_OOM_SEED");

	rate = one_in ? strtoull(one_in, NULL, 10) : 0;
	if ((!rate && !getenv("RMAP_OOM")) || !inject_open())
		return;
	owner = getpid();
	rate_seed = seed ? strtoull(seed, NULL, 10) : 1;
	rate_spared = pthread_self();
	mode = rate ? RATE : TEST;
	atexit(test_program_ends);
}

bool inject_in_tests(void)
{
	return mode == TEST || mode == CHILD;
}

void inject_test_begins(void)
{
	if (mode == CHILD)
		_exit(0);
	nr_met = 0;
	test_system = NULL;
}

void inject_test_system(struct mm_system *sys)
{
	test_system = sys;
}

/* The port's (port/hosted/machine.h); not every program that this is linked into has it. */
extern bool hosted_rcu_reading(void) __attribute__((weak));

void inject_test_failed(void)
{
	struct mm_check check = { 0 };
	int error = RMAP_ENOMEM;

	if (mode != CHILD)
		return;
	mode = OFF;
	/* Where a test fails in the middle of a walk the checker would wait for the end of a section that we are in. */
	if (hosted_rcu_reading && hosted_rcu_reading())
		_exit(0);
	/* An order of the test's own (test/testport.h) may stand, and refuse the checker what it needs. */
	for (int i = 0; test_system && error == RMAP_ENOMEM && i < 3; i++)
		error = mm_check(test_system, &check);
	if (!error || error == RMAP_ENOMEM)
		_exit(0);
	snprintf(shared->message, sizeof(shared->message), "%s", check.message);
	_exit(3);
}

/* ---------------------------------------------------------------- the two functions */

static bool fails(void *caller, bool and_ever)
{
	switch (mode) {
	case ARMED:
		return what == INJECT_MEMORY && armed_fails(caller);
	case TEST:
		return test_fails(caller, and_ever);
	case CHILD:
		return ever;
	case RATE:
		return rate_fails(caller);
	default:
		return false;
	}
}

bool inject_fails(void *caller)
{
	return fails(caller, false);
}

struct mm_cpu;

struct page *__real_page_alloc(struct mm_system *sys, unsigned int flags);
struct page *__wrap_page_alloc(struct mm_system *sys, unsigned int flags);
struct page *__real_page_alloc_on(struct mm_system *sys, struct mm_cpu *cpu, unsigned int flags);
struct page *__wrap_page_alloc_on(struct mm_system *sys, struct mm_cpu *cpu, unsigned int flags);
void *__real_hosted_cache_alloc(void *ctx, enum rmap_kind kind, size_t size);
void *__wrap_hosted_cache_alloc(void *ctx, enum rmap_kind kind, size_t size);

struct page *__wrap_page_alloc(struct mm_system *sys, unsigned int flags)
{
	if (rmap_unlikely(mode != OFF) && fails(__builtin_return_address(0), true))
		return NULL;
	return __real_page_alloc(sys, flags);
}

/* page_alloc()'s own call of it does not come by here. */
struct page *__wrap_page_alloc_on(struct mm_system *sys, struct mm_cpu *cpu, unsigned int flags)
{
	if (rmap_unlikely(mode != OFF) && fails(__builtin_return_address(0), true))
		return NULL;
	return __real_page_alloc_on(sys, cpu, flags);
}

void *__wrap_hosted_cache_alloc(void *ctx, enum rmap_kind kind, size_t size)
{
	if (rmap_unlikely(mode != OFF) && fails(__builtin_return_address(0), true))
		return NULL;
	return __real_hosted_cache_alloc(ctx, kind, size);
}

/* ---------------------------------------------------------------- devices */

/* => the error that this transfer ends with; 0: it does not */
static int transfer_fails(enum inject_what which)
{
	bool fails_now;

	if (mode != ARMED)
		return 0;
	transfers[which]++;
	if (what != which)
		return 0;
	events++;
	fails_now = events == nth || (ever && nth && events > nth);
	failures += fails_now;
	return fails_now ? io_error : 0;
}

/* Reading into data: what a device has delivered before it failed. */
static void tear(void *data)
{
	if (io_torn)
		memset(data, 0xee, RMAP_PAGE_SIZE / 2);
}

/* What it has taken: the first half of data, and behind it nothing that makes sense. */
static const void *half_of(const void *data, unsigned char page[RMAP_PAGE_SIZE])
{
	memset(page, 0xee, RMAP_PAGE_SIZE);
	memcpy(page, data, RMAP_PAGE_SIZE / 2);
	return page;
}

int __real_hosted_swap_write(void *ctx, uint64_t slot, const void *data);
int __wrap_hosted_swap_write(void *ctx, uint64_t slot, const void *data);
int __real_hosted_swap_read(void *ctx, uint64_t slot, void *data);
int __wrap_hosted_swap_read(void *ctx, uint64_t slot, void *data);
int __real_hosted_file_read(void *ctx, void *handle, uint64_t index, void *data);
int __wrap_hosted_file_read(void *ctx, void *handle, uint64_t index, void *data);
int __real_hosted_file_write(void *ctx, void *handle, uint64_t index, const void *data);
int __wrap_hosted_file_write(void *ctx, void *handle, uint64_t index, const void *data);

int __wrap_hosted_swap_write(void *ctx, uint64_t slot, const void *data)
{
	unsigned char page[RMAP_PAGE_SIZE];
	int error = transfer_fails(INJECT_SWAP_WRITE);

	if (!error)
		return __real_hosted_swap_write(ctx, slot, data);
	if (io_torn)
		(void)__real_hosted_swap_write(ctx, slot, half_of(data, page));
	return error;
}

int __wrap_hosted_swap_read(void *ctx, uint64_t slot, void *data)
{
	int error = transfer_fails(INJECT_SWAP_READ);

	if (!error)
		return __real_hosted_swap_read(ctx, slot, data);
	tear(data);
	return error;
}

int __wrap_hosted_file_read(void *ctx, void *handle, uint64_t index, void *data)
{
	int error = transfer_fails(INJECT_FILE_READ);

	if (!error)
		return __real_hosted_file_read(ctx, handle, index, data);
	tear(data);
	return error;
}

int __wrap_hosted_file_write(void *ctx, void *handle, uint64_t index, const void *data)
{
	unsigned char page[RMAP_PAGE_SIZE];
	int error = transfer_fails(INJECT_FILE_WRITE);

	if (!error)
		return __real_hosted_file_write(ctx, handle, index, data);
	if (io_torn)
		(void)__real_hosted_file_write(ctx, handle, index, half_of(data, page));
	return error;
}
