// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program whose every broken page is known: which function wrote it, on which line, called by whom, in which process. The test
 * finds the lines by the names in the comments behind them, and holds `rmap breaks` to the numbers in each.
 *
 *	parent	| memory: one, two, kernel, thread, late, moved, made | huge | zero | file | noted | refused | away |
 *	child	  the same, by fork; it writes and each of these breaks one page's sharing
 *
 * `away` is a shared file's until `moved` goes there, of which perf tells nobody.
 *
 * With an argument it waits until a file of that name is there, so that it can be found running.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE  4096
#define ALONE __attribute__((noinline, noclone))
#define HUGE  (2 << 20)

static volatile char *memory, *zero, *file, *noted, *refused, *huge, *away;
static sigjmp_buf back;
static volatile int reads;

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

/* -- the known places ------------------------------------------------------------------------- */

ALONE static void write_one(volatile char *at)
{
	for (int i = 0; i < 5; i++)
		at[i * PAGE] = 1; /* one: 5 copied */
}

ALONE static void write_two(volatile char *at, int pages)
{
	for (int i = 0; i < pages; i++)
		at[i * PAGE] = 2; /* two: 7 copied, 3 from first_caller and 4 from second_caller */
}

ALONE static void first_caller(void)
{
	write_two(memory + 5 * PAGE, 3);
	reads++;
}

ALONE static void second_caller(void)
{
	write_two(memory + 8 * PAGE, 4);
	reads++;
}

ALONE static void by_kernel(void)
{
	int fd = open("/dev/zero", O_RDONLY);
	ssize_t n = read(fd, (char *)memory + 12 * PAGE, 2 * PAGE); /* kernel: 2 copied */

	must(n == 2 * PAGE, "read");
	close(fd);
}

ALONE static void *in_thread(void *arg)
{
	for (int i = 0; i < 3; i++)
		memory[(14 + i) * PAGE] = 3; /* thread: 3 copied */
	return arg;
}

ALONE static void in_grandchild(void)
{
	for (int i = 0; i < 2; i++)
		memory[(17 + i) * PAGE] = 4; /* late: 2 copied, by the grandchild */
}

ALONE static void where_it_went(volatile char *at)
{
	for (int i = 0; i < 3; i++)
		at[i * PAGE] = 5; /* moved: 3 copied */
}

ALONE static void in_huge(void)
{
	for (int i = 0; i < 2; i++)
		huge[i * PAGE] = 6; /* huge: 2 copied */
}

ALONE static void to_zero_page(void)
{
	for (int i = 0; i < 6; i++)
		zero[i * PAGE] = 7; /* zero: 6 zeroed */
}

ALONE static void to_file(void)
{
	for (int i = 0; i < 4; i++)
		file[i * PAGE] = 8; /* file: 4 from_file */
}

ALONE static void to_shared(void)
{
	for (int i = 0; i < 3; i++)
		noted[i * PAGE] = 9; /* noted: 3 notice */
}

ALONE static void refuse(int i)
{
	if (!sigsetjmp(back, 1))
		refused[i * PAGE] = 10; /* refused: 2 refused */
}

/* Code that is made at run time, and named where profilers look: mov byte [rdi], 12; ret */
ALONE static void by_made_code(volatile char *at)
{
	static const unsigned char code[] = { 0xc6, 0x07, 0x0c, 0xc3 };
	void (*made)(volatile char *);
	void *room = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char name[64];
	FILE *f;

	must(room != MAP_FAILED, "mmap");
	memcpy(room, code, sizeof(code));
	memcpy(&made, &room, sizeof(made));
	snprintf(name, sizeof(name), "/tmp/perf-%d.map", (int)getpid());
	f = fopen(name, "w");
	must(f != NULL, name);
	fprintf(f, "%lx %zx made_at_run_time\n", (unsigned long)room, sizeof(code));
	fclose(f);
	made(at); /* made: 2 copied, by made_at_run_time */
	made(at + PAGE);
	usleep(300000); /* whoever follows reads it soon, not at once */
	unlink(name);
}

ALONE static void nobody_else(void)
{
	for (int i = 0; i < 8; i++)
		memory[(30 + i) * PAGE] = 11; /* alone: 8 unshared */
}

/* -- the scene -------------------------------------------------------------------------------- */

static void on_segv(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static volatile char *map(size_t size, int flags, int fd)
{
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	must(at != MAP_FAILED, "mmap");
	return at;
}

static int make_file(void)
{
	char name[] = "./breaks-known.XXXXXX";
	int fd = mkstemp(name);

	must(fd >= 0 && !unlink(name) && !ftruncate(fd, 8 * PAGE), "a file");
	for (int i = 0; i < 8; i++)
		must(pwrite(fd, "x", 1, i * PAGE) == 1, "pwrite");
	fsync(fd);
	return fd;
}

static void set_up(void)
{
	const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
	volatile char *room = map(2 * HUGE, anonymous, -1);
	int fd = make_file();

	memory = map(40 * PAGE, anonymous, -1);
	zero = map(6 * PAGE, anonymous, -1);
	refused = map(2 * PAGE, anonymous, -1);
	file = map(4 * PAGE, MAP_PRIVATE, fd);
	noted = map(4 * PAGE, MAP_SHARED, fd);
	away = map(3 * PAGE, MAP_SHARED, fd);
	huge = (char *)(((unsigned long)room + HUGE - 1) & -(unsigned long)HUGE);
	madvise((void *)huge, HUGE, MADV_HUGEPAGE);
	memset((void *)memory, 1, 40 * PAGE);
	memset((void *)huge, 1, HUGE);
	memset((void *)refused, 1, 2 * PAGE);
	must(!mprotect((void *)refused, 2 * PAGE, PROT_READ), "mprotect");
}

/* Reads, so that the page is there and may not be written yet. */
static void touch(volatile char *at, int pages)
{
	for (int i = 0; i < pages; i++)
		reads += at[i * PAGE];
}

static void child(void)
{
	pthread_t thread;
	char *moved;
	pid_t pid;

	write_one(memory);
	first_caller();
	second_caller();
	by_kernel();
	must(!pthread_create(&thread, NULL, in_thread, NULL), "pthread_create");
	pthread_join(thread, NULL);
	moved = mremap((char *)memory + 19 * PAGE, 3 * PAGE, 3 * PAGE,
		       MREMAP_MAYMOVE | MREMAP_FIXED, (char *)away);
	must(moved != MAP_FAILED, "mremap");
	where_it_went(moved);
	in_huge();
	touch(zero, 6);
	to_zero_page();
	touch(file, 4);
	to_file();
	touch(noted, 3);
	to_shared();
	by_made_code(memory + 22 * PAGE);
	signal(SIGSEGV, on_segv);
	refuse(0);
	refuse(1);
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		prctl(PR_SET_NAME, "grand\033[31mchild");
		in_grandchild();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	_exit(0);
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	set_up();
	while (argc > 1 && access(argv[1], F_OK))
		usleep(10000);
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid)
		child();
	waitpid(pid, &status, 0);
	nobody_else();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
