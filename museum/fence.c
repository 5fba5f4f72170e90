// SPDX-License-Identifier: BSD-2-Clause
/*
 * The fence. The hosted port's two functions for objects are wrapped by the linker (-Wl,--wrap). The port still gives memory for each
 * object, which nobody uses, so that it counts what is left behind as ever.
 */
#include "fence.h"

#include <rmap/rmap.h>

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FENCE_OBJECTS 65536u
#define FENCE_PAGE    4096u
#define FENCE_EXIT    3

struct fenced {
	void *behind; /* the port's object */
	enum rmap_kind kind;
	unsigned int freed; /* line, plus one; 0: in use */
};

static struct {
	pthread_mutex_t lock;
	char *pages; /* NULL: no fence; fixed */
	const volatile unsigned int *line;
	unsigned int nr;		     /* lock */
	struct fenced object[FENCE_OBJECTS]; /* lock; an object's own: whose it is */
} fence = { .lock = PTHREAD_MUTEX_INITIALIZER };

void *__real_hosted_cache_alloc(void *ctx, enum rmap_kind kind, size_t size);
void *__wrap_hosted_cache_alloc(void *ctx, enum rmap_kind kind, size_t size);
void __real_hosted_cache_free(void *ctx, enum rmap_kind kind, void *object, size_t size);
void __wrap_hosted_cache_free(void *ctx, enum rmap_kind kind, void *object, size_t size);

static bool is_fenced(const void *address)
{
	return fence.pages && (const char *)address >= fence.pages &&
	       (const char *)address < fence.pages + (size_t)FENCE_OBJECTS * FENCE_PAGE;
}

static struct fenced *fenced_at(const void *address)
{
	return &fence.object[(size_t)((const char *)address - fence.pages) / FENCE_PAGE];
}

static const char *article(const char *noun)
{
	return strchr("aeiou", noun[0]) ? "an" : "a";
}

/* In a signal handler, but of the one thread that there is at this moment, outside of stdio. */
static void on_fault(int signal, siginfo_t *info, void *context)
{
	char text[160];
	int n;

	(void)context;
	if (is_fenced(info->si_addr) && fenced_at(info->si_addr)->freed) {
		const struct fenced *o = fenced_at(info->si_addr);
		const char *kind = rmap_kind_name(o->kind);

		n = snprintf(text, sizeof(text), "%s %s is used that was freed in line %u\n",
			     article(kind), kind, o->freed - 1);
	} else {
		n = snprintf(text, sizeof(text), "memory is used that is no object's (%s)\n",
			     strsignal(signal));
	}
	if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
		_exit(FENCE_EXIT + 1);
	_exit(FENCE_EXIT);
}

void fence_begin(const volatile unsigned int *line)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	void *pages = mmap(NULL, (size_t)FENCE_OBJECTS * FENCE_PAGE, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (pages == MAP_FAILED)
		return;
	fence.line = line;
	fence.pages = pages;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

void *__wrap_hosted_cache_alloc(void *ctx, enum rmap_kind kind, size_t size)
{
	void *behind = __real_hosted_cache_alloc(ctx, kind, size);
	unsigned int n;
	char *page;

	if (!behind || !fence.pages || size > FENCE_PAGE)
		return behind;
	pthread_mutex_lock(&fence.lock);
	n = fence.nr < FENCE_OBJECTS ? fence.nr++ : FENCE_OBJECTS;
	pthread_mutex_unlock(&fence.lock);
	if (n == FENCE_OBJECTS)
		return behind;
	page = fence.pages + (size_t)n * FENCE_PAGE;
	if (mprotect(page, FENCE_PAGE, PROT_READ | PROT_WRITE))
		return behind;
	fence.object[n] = (struct fenced){ .behind = behind, .kind = kind };
	return page;
}

void __wrap_hosted_cache_free(void *ctx, enum rmap_kind kind, void *object, size_t size)
{
	if (is_fenced(object)) {
		struct fenced *o = fenced_at(object);

		if (o->freed) {
			fprintf(stderr, "%s %s is freed that was freed in line %u\n",
				article(rmap_kind_name(kind)), rmap_kind_name(kind), o->freed - 1);
			fflush(stderr);
			_exit(FENCE_EXIT);
		}
		o->freed = *fence.line + 1;
		mprotect(object, FENCE_PAGE, PROT_NONE);
		object = o->behind;
	}
	__real_hosted_cache_free(ctx, kind, object, size);
}
