// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program to be recorded: four threads that map, move, protect and unmap and fork now and then;
 * System V memory across a fork; a refused fault of each kind; a spawned program.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	4096u
#define ROUNDS	200
#define THREADS 4

static sigjmp_buf out_of_fault;
extern char **environ;

static void refused(int sig)
{
	(void)sig;
	siglongjmp(out_of_fault, 1);
}

static void *must(void *p)
{
	if (p == MAP_FAILED || !p)
		abort();
	return p;
}

static char *map(size_t len)
{
	return must(mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static void fork_and_wait(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		memset(must(malloc(100000)), 1, 100000);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		abort();
}

static void *work(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;

	for (int i = 0; i < ROUNDS; i++) {
		size_t len = (1 + (size_t)rand_r(&seed) % 16) * PAGE;
		char *p = map(len);

		memset(p, 1, len);
		if (i % 3 == 0 && mprotect(p, PAGE, PROT_READ))
			abort();
		if (i % 3 == 0 && mprotect(p, PAGE, PROT_READ | PROT_WRITE))
			abort();
		if (i % 5 == 0) {
			p = must(mremap(p, len, 2 * len, MREMAP_MAYMOVE));
			len *= 2;
			memset(p, 2, len);
		}
		if (i % 7 == 0 && madvise(p, len, MADV_DONTNEED))
			abort();
		if (munmap(p, len))
			abort();
		if (i % 50 == 0)
			fork_and_wait();
	}
	return NULL;
}

static void shared_memory(void)
{
	int id = shmget(IPC_PRIVATE, 16 * PAGE, IPC_CREAT | 0600);
	char *p = must(shmat(id, NULL, 0));
	pid_t pid;

	memset(p, 1, 16 * PAGE);
	shmctl(id, IPC_RMID, NULL);
	pid = fork();
	if (pid == 0) {
		p[0] = 2;
		_exit(shmdt(p) ? 1 : 0);
	}
	if (waitpid(pid, NULL, 0) != pid || p[0] != 2 || shmdt(p))
		abort();
}

/* One fault where nothing is, one where writing is forbidden. */
static void refused_faults(void)
{
	char *p = must(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	signal(SIGSEGV, refused);
	if (!sigsetjmp(out_of_fault, 1))
		*(volatile char *)(uintptr_t)PAGE = 1;
	if (!sigsetjmp(out_of_fault, 1))
		*(volatile char *)p = 1;
	signal(SIGSEGV, SIG_DFL);
}

int main(int argc, char **argv)
{
	char *again[] = { argv[0], (char[]){ "again" }, NULL };
	pthread_t threads[THREADS];
	pid_t pid;

	if (argc > 1)
		return 0;
	for (uintptr_t i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, work, (void *)(i + 1)))
			abort();
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	shared_memory();
	refused_faults();
	if (mlockall(MCL_CURRENT) || munlockall())
		abort();
	if (posix_spawn(&pid, argv[0], NULL, NULL, again, environ) || waitpid(pid, NULL, 0) != pid)
		abort();
	return 0;
}
