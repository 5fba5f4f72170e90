// SPDX-License-Identifier: BSD-2-Clause
/*
 * The same operations by real system calls.
 *
 * A small process, split off before the engine has any memory, does them: a fork copies the page tables of whoever forks, and
 * the engine's arena is none of the operation's business. It is asked over a socket pair, one request a round. Huge pages are
 * off in it, since the engine has none. What a child measures (its own COW faults) it leaves in a page shared with its parent.
 *
 * Swap: the machine's own, if it has any, else a temporary file, taken out of use at the end or when the benchmark dies.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/swap.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	   4096u
#define TABLE_SPAN ((uintptr_t)2 << 20)

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

struct request {
	enum bench_op op;
	struct bench_scale scale;
};

struct answer {
	bool done;
	double ns;
	char why[BENCH_WHY];
};

static int to_worker = -1;
static pid_t worker;

/* In the worker: what children report, and the swap file. */
static double *reported;
static char swap_path[64];
static bool swap_ours;

/* What children that were waited for have used. */
static double children_now(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e9 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e3;
}

static bool refuse(struct answer *a, const char *what)
{
	snprintf(a->why, sizeof(a->why), "%s: %s", what, strerror(errno));
	return false;
}

/* ---------------------------------------------------------------- memory to work on */

/* => pages of fresh private memory at an address of this alignment plus offset, or NULL */
static char *map_at(uint64_t pages, uintptr_t alignment, uintptr_t offset)
{
	size_t len = pages * PAGE;
	size_t room = len + 2 * alignment + offset;
	uintptr_t base, start;
	char *p = mmap(NULL, room, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	base = (uintptr_t)p;
	start = ((base + alignment - 1) & ~(alignment - 1)) + offset;
	if (start > base)
		munmap(p, start - base);
	if (base + room > start + len)
		munmap((char *)start + len, base + room - start - len);
	return (char *)start;
}

static void write_pages(char *p, uint64_t pages)
{
	uint64_t i;

	for (i = 0; i < pages; i++)
		((volatile char *)p)[i * PAGE] = (char)(i | 1);
}

static void read_pages(const char *p, uint64_t pages)
{
	uint64_t i;

	for (i = 0; i < pages; i++)
		(void)((const volatile char *)p)[i * PAGE];
}

static void reap(pid_t child)
{
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

/* ---------------------------------------------------------------- operations */

static bool do_zero_fill(const struct bench_scale *s, struct answer *a)
{
	char *p = map_at(s->pages, TABLE_SPAN, 0);
	double t;

	if (!p)
		return refuse(a, "mmap");
	t = bench_now();
	write_pages(p, s->pages);
	a->ns = (bench_now() - t) / (double)s->pages;
	munmap(p, s->pages * PAGE);
	return true;
}

static bool do_cow(const struct bench_scale *s, struct answer *a)
{
	char *p = map_at(s->pages, TABLE_SPAN, 0);
	pid_t child;

	if (!p)
		return refuse(a, "mmap");
	write_pages(p, s->pages);
	child = fork();
	if (child == 0) {
		double t = bench_now();

		write_pages(p, s->pages);
		*reported = bench_now() - t;
		_exit(0);
	}
	if (child > 0)
		reap(child);
	munmap(p, s->pages * PAGE);
	if (child < 0)
		return refuse(a, "fork");
	a->ns = *reported / (double)s->pages;
	return true;
}

/* => nanoseconds that fork takes, and all that the child then does, which is to exit; false: errno */
static bool time_fork(double *fork_ns, double *exit_ns)
{
	int go[2];
	double t;
	pid_t child;
	char byte = 0;

	if (pipe(go))
		return false;
	t = bench_now();
	child = fork();
	if (child == 0) {
		/* Not to run beside its parent's clock. */
		close(go[1]);
		_exit(read(go[0], &byte, 1) != 1);
	}
	*fork_ns = bench_now() - t;
	if (child > 0) {
		t = children_now();
		if (write(go[1], &byte, 1) != 1)
			kill(child, SIGKILL);
		reap(child);
		*exit_ns = children_now() - t;
	}
	close(go[0]);
	close(go[1]);
	return child > 0;
}

/* => a fork with the memory less one without: what the memory costs */
static bool fork_per(const char *p, uint64_t pages, bool exits, uint64_t units, struct answer *a)
{
	double with[2], without[2];

	if (!time_fork(&with[0], &with[1]))
		return refuse(a, "fork");
	munmap((void *)p, pages * PAGE);
	if (!time_fork(&without[0], &without[1]))
		return refuse(a, "fork");
	a->ns = (with[exits] - without[exits]) / (double)units;
	return true;
}

static bool do_fork_page(const struct bench_scale *s, struct answer *a, bool exits)
{
	char *p = map_at(s->pages, TABLE_SPAN, 0);

	if (!p)
		return refuse(a, "mmap");
	write_pages(p, s->pages);
	return fork_per(p, s->pages, exits, s->pages, a);
}

/* Every other page, so that none merges with the next. */
static bool do_fork_vma(const struct bench_scale *s, struct answer *a)
{
	char *p = map_at(2 * s->vmas, TABLE_SPAN, 0);
	uint64_t i;

	if (!p)
		return refuse(a, "mmap");
	for (i = 0; i < s->vmas; i++) {
		if (munmap(p + (2 * i + 1) * PAGE, PAGE)) {
			munmap(p, 2 * s->vmas * PAGE);
			return refuse(a, "munmap");
		}
		p[2 * i * PAGE] = 1;
	}
	return fork_per(p, 2 * s->vmas, false, s->vmas, a);
}

static bool do_unmap(const struct bench_scale *s, struct answer *a)
{
	char *p = map_at(s->pages, TABLE_SPAN, 0);
	double t;

	if (!p)
		return refuse(a, "mmap");
	write_pages(p, s->pages);
	t = bench_now();
	munmap(p, s->pages * PAGE);
	a->ns = (bench_now() - t) / (double)s->pages;
	return true;
}

static bool do_mremap(const struct bench_scale *s, struct answer *a, uintptr_t offset)
{
	size_t len = s->pages * PAGE;
	char *from = map_at(s->pages, TABLE_SPAN, 0);
	char *to = map_at(s->pages, TABLE_SPAN, offset), *moved;
	double t;

	if (!from || !to)
		return refuse(a, "mmap");
	write_pages(from, s->pages);
	t = bench_now();
	moved = mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	a->ns = (bench_now() - t) / (double)s->pages;
	munmap(to, len);
	if (moved == MAP_FAILED)
		return refuse(a, "mremap");
	return true;
}

static bool do_truncate(const struct bench_scale *s, struct answer *a)
{
	int fd = memfd_create("rmap-bench", MFD_CLOEXEC);
	char *room = map_at(2 * s->mappings, TABLE_SPAN, 0);
	bool done = fd >= 0 && room && !ftruncate(fd, PAGE);
	uint64_t i;
	double t;

	for (i = 0; done && i < s->mappings; i++) {
		char *p = mmap(room + 2 * i * PAGE, PAGE, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_FIXED, fd, 0);

		done = p != MAP_FAILED;
		if (done)
			*(volatile char *)p = 1;
	}
	if (done) {
		t = bench_now();
		done = !ftruncate(fd, 0);
		a->ns = (bench_now() - t) / (double)s->mappings;
	}
	if (!done)
		refuse(a, "memfd");
	if (room)
		munmap(room, 2 * s->mappings * PAGE);
	if (fd >= 0)
		close(fd);
	return done;
}

/* ---------------------------------------------------------------- swap */

static bool swap_present(void)
{
	struct sysinfo info;

	return !sysinfo(&info) && info.totalswap;
}

/* => a file with blocks, formatted as mkswap would: a header page that says how many pages follow */
static bool swap_file_make(uint64_t pages, struct answer *a)
{
	unsigned char header[PAGE] = { 0 };
	uint32_t words[2] = { 1, (uint32_t)(pages - 1) };
	int fd = open(swap_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	static const char zeros[1 << 16];
	uint64_t done;
	bool good;

	if (fd < 0)
		return refuse(a, swap_path);
	memcpy(header + 1024, words, sizeof(words));
	memcpy(header + PAGE - 10, "SWAPSPACE2", 10);
	good = true;
	for (done = 0; good && done < pages * PAGE; done += sizeof(zeros))
		good = write(fd, zeros, sizeof(zeros)) == (ssize_t)sizeof(zeros);
	good = good && pwrite(fd, header, PAGE, 0) == PAGE && !fsync(fd);
	close(fd);
	return good || refuse(a, swap_path);
}

static bool swap_ready(uint64_t pages, struct answer *a)
{
	const char *directory = getenv("TMPDIR");

	/* Less than half full, so that Linux keeps the slot of a page that was read back. */
	if (swap_present())
		return true;
	snprintf(swap_path, sizeof(swap_path), "%.32s/rmap-bench-swap-%d",
		 directory && *directory ? directory : "/tmp", (int)getpid());
	if (swap_file_make(4 * pages + 4096, a)) {
		if (!swapon(swap_path, 0)) {
			swap_ours = true;
			return true;
		}
		refuse(a, "swapon");
	}
	unlink(swap_path);
	return false;
}

static void swap_end(void)
{
	if (!swap_ours)
		return;
	swapoff(swap_path);
	unlink(swap_path);
	swap_ours = false;
}

static uint64_t resident(const char *p, uint64_t pages, unsigned char *vec)
{
	uint64_t i, n = 0;

	if (mincore((void *)p, pages * PAGE, vec))
		return pages;
	for (i = 0; i < pages; i++)
		n += vec[i] & 1;
	return n;
}

/*
 * A page that was pushed out stays in the swap cache, clean once it is on the disk. Mapped again from there for reading and pushed
 * out anew it is freed at once.
 */
static bool leave_swap_cache(char *p, uint64_t pages, unsigned char *vec)
{
	int tries;

	for (tries = 0; tries < 200; tries++) {
		if (resident(p, pages, vec) <= pages / 8)
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
		read_pages(p, pages);
		if (madvise(p, pages * PAGE, MADV_PAGEOUT))
			return false;
	}
	return false;
}

static bool time_swap(char *p, uint64_t pages, unsigned char *vec, bool back, struct answer *a)
{
	uint64_t left;
	double t;

	write_pages(p, pages);
	t = bench_wall();
	if (madvise(p, pages * PAGE, MADV_PAGEOUT))
		return refuse(a, "madvise(MADV_PAGEOUT)");
	a->ns = (bench_wall() - t) / (double)pages;
	if (!leave_swap_cache(p, pages, vec)) {
		snprintf(a->why, sizeof(a->why), "MADV_PAGEOUT left %llu of %llu pages in memory",
			 (unsigned long long)resident(p, pages, vec), (unsigned long long)pages);
		return false;
	}
	if (!back)
		return true;
	left = resident(p, pages, vec);
	t = bench_wall();
	read_pages(p, pages);
	a->ns = (bench_wall() - t) / (double)(pages - left);
	return true;
}

static bool do_swap(const struct bench_scale *s, struct answer *a, bool back)
{
	unsigned char *vec;
	char *p;
	bool done;

	if (!swap_ready(s->pages, a))
		return false;
	p = map_at(s->pages, TABLE_SPAN, 0);
	vec = calloc(1, s->pages);
	done = p && vec ? time_swap(p, s->pages, vec, back, a) : refuse(a, "mmap");
	if (p)
		munmap(p, s->pages * PAGE);
	free(vec);
	return done;
}

/* ---------------------------------------------------------------- a million pages */

static bool do_million(const struct bench_scale *s, struct answer *a)
{
	uint64_t need = s->children * s->child_pages * PAGE * 5 / 4, i, made = 0;
	struct sysinfo info;
	int ready[2], go[2];
	char byte = 0, *p;
	double t;

	if (sysinfo(&info) || (uint64_t)info.freeram * info.mem_unit < need) {
		snprintf(a->why, sizeof(a->why), "needs %llu MiB of free memory",
			 (unsigned long long)need >> 20);
		return false;
	}
	p = map_at(s->child_pages, TABLE_SPAN, 0);
	if (!p || pipe(ready) || pipe(go))
		return refuse(a, "mmap or pipe");
	write_pages(p, s->child_pages);
	t = bench_now() + children_now();
	for (i = 0; i < s->children; i++) {
		pid_t child = fork();

		if (child == 0) {
			close(go[1]);
			write_pages(p, s->child_pages);
			if (write(ready[1], &byte, 1) == 1)
				(void)!read(go[0], &byte, 1);
			_exit(0);
		}
		if (child < 0) {
			refuse(a, "fork");
			break;
		}
		made++;
	}
	for (i = 0; i < made; i++) {
		if (read(ready[0], &byte, 1) != 1)
			break;
	}
	close(go[1]); /* all of them read the end and exit */
	while (made && waitpid(-1, NULL, 0) > 0)
		made--;
	a->ns = bench_now() + children_now() - t;
	close(go[0]);
	close(ready[0]);
	close(ready[1]);
	munmap(p, s->child_pages * PAGE);
	return !a->why[0];
}

/* ---------------------------------------------------------------- the worker */

static bool run(const struct request *r, struct answer *a)
{
	switch (r->op) {
	case BENCH_ZERO_FILL:
		return do_zero_fill(&r->scale, a);
	case BENCH_COW:
		return do_cow(&r->scale, a);
	case BENCH_FORK_PAGE:
		return do_fork_page(&r->scale, a, false);
	case BENCH_EXIT_PAGE:
		return do_fork_page(&r->scale, a, true);
	case BENCH_FORK_VMA:
		return do_fork_vma(&r->scale, a);
	case BENCH_UNMAP_PAGE:
		return do_unmap(&r->scale, a);
	case BENCH_MREMAP_PAGE:
		return do_mremap(&r->scale, a, PAGE);
	case BENCH_MREMAP_TABLE:
		return do_mremap(&r->scale, a, 0);
	case BENCH_SWAP_OUT:
		return do_swap(&r->scale, a, false);
	case BENCH_SWAP_IN:
		return do_swap(&r->scale, a, true);
	case BENCH_TRUNCATE:
		return do_truncate(&r->scale, a);
	case BENCH_MILLION:
		return do_million(&r->scale, a);
	default:
		snprintf(a->why, sizeof(a->why), "no system call asks for it");
		return false;
	}
}

static void __attribute__((noreturn)) work(int fd)
{
	struct request r;

	/* If the benchmark dies the socket closes, and the swap file goes all the same. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	reported = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (reported == MAP_FAILED)
		_exit(1);
	while (read(fd, &r, sizeof(r)) == (ssize_t)sizeof(r)) {
		struct answer a = { 0 };

		a.done = run(&r, &a);
		if (write(fd, &a, sizeof(a)) != (ssize_t)sizeof(a))
			break;
	}
	swap_end();
	_exit(0);
}

bool native_start(char why[BENCH_WHY])
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		snprintf(why, BENCH_WHY, "socketpair: %s", strerror(errno));
		return false;
	}
	worker = fork();
	if (worker == 0) {
		close(pair[0]);
		work(pair[1]);
	}
	close(pair[1]);
	if (worker < 0) {
		snprintf(why, BENCH_WHY, "fork: %s", strerror(errno));
		close(pair[0]);
		return false;
	}
	to_worker = pair[0];
	return true;
}

bool native_run(enum bench_op op, const struct bench_scale *scale, double *ns, char why[BENCH_WHY])
{
	struct request r;
	struct answer a;

	memset(&r, 0, sizeof(r));
	r.op = op;
	r.scale = *scale;
	if (write(to_worker, &r, sizeof(r)) != (ssize_t)sizeof(r) ||
	    read(to_worker, &a, sizeof(a)) != (ssize_t)sizeof(a)) {
		snprintf(why, BENCH_WHY, "the process that makes the system calls has died");
		return false;
	}
	*ns = a.ns;
	memcpy(why, a.why, BENCH_WHY);
	return a.done;
}

void native_stop(void)
{
	close(to_worker);
	reap(worker);
}
