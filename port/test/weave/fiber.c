// SPDX-License-Identifier: BSD-2-Clause
/*
 * Coroutines. See fiber.h. The weaver itself is compiled without ThreadSanitizer, which would take its own doings, switched behind
 * its back, for races; WEAVE_TSAN says that the sources above are compiled with it.
 */
#include "fiber.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef __x86_64__
#include <ucontext.h>
#endif

#define FIBERS_MAX 8

#if defined(__SANITIZE_ADDRESS__) || defined(WEAVE_TSAN)
#define STACK_SIZE (1024u << 10)
#else
#define STACK_SIZE (256u << 10)
#endif

struct fiber {
	void *sp;
	unsigned char *stack; /* NULL: main's */
	void (*fn)(void *arg);
	void *arg;
	bool ended; /* stands in fiber_end() */
	void *tsan;
	void *asan_fake;
	const void *asan_bottom;
	size_t asan_size;
#ifndef __x86_64__
	ucontext_t context;
#endif
};

static struct fiber fibers[FIBERS_MAX];
static unsigned int nr_fibers;

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
static struct fiber *asan_from;
#endif
#ifdef WEAVE_TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned int flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned int flags);
void __tsan_acquire(void *address);
void __tsan_release(void *address);
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#define TSAN_NO_SYNC 1u
#endif

#ifdef __x86_64__
/* Save what a call keeps, change stacks, restore. */
void weave_stack_switch(void **save, void *load);
__asm__(".text\n"
	".globl weave_stack_switch\n"
	".hidden weave_stack_switch\n"
	".type weave_stack_switch, @function\n"
	"weave_stack_switch:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size weave_stack_switch, . - weave_stack_switch\n");
#endif

static struct fiber *entering;

static void arrived(struct fiber *self)
{
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_finish_switch_fiber(self->asan_fake, asan_from ? &asan_from->asan_bottom : NULL,
					asan_from ? &asan_from->asan_size : NULL);
#else
	(void)self;
#endif
}

static void fiber_entry(void)
{
	struct fiber *self = entering;

	arrived(self);
	self->fn(self->arg);
	abort();
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
#ifdef WEAVE_TSAN
	__tsan_switch_to_fiber(to->tsan, TSAN_NO_SYNC);
#endif
#ifdef __SANITIZE_ADDRESS__
	asan_from = from;
	__sanitizer_start_switch_fiber(&from->asan_fake, to->stack ? to->stack : to->asan_bottom,
				       to->stack ? STACK_SIZE : to->asan_size);
#endif
	entering = to;
#ifdef __x86_64__
	weave_stack_switch(&from->sp, to->sp);
#else
	swapcontext(&from->context, &to->context);
#endif
	arrived(from);
}

void fiber_end(struct fiber *from, struct fiber *to)
{
	from->ended = true;
	fiber_switch(from, to);
}

void fiber_prepare(struct fiber *fiber, void (*fn)(void *arg), void *arg)
{
	bool again = fiber->ended && fiber->fn == fn && fiber->arg == arg;

	fiber->ended = false;
	if (again)
		return;
	fiber->fn = fn;
	fiber->arg = arg;
	fiber->asan_fake = NULL;
#ifdef __SANITIZE_ADDRESS__
	/* Left in the middle, it has frames that nobody will leave. */
	__asan_unpoison_memory_region(fiber->stack, STACK_SIZE);
#endif
#ifdef WEAVE_TSAN
	if (fiber->tsan)
		__tsan_destroy_fiber(fiber->tsan);
	fiber->tsan = __tsan_create_fiber(0);
#endif
#ifdef __x86_64__
	{
		/* Six registers, the entry, and a return address of none: the stack stands as behind a call. */
		uint64_t *top = (uint64_t *)(void *)(fiber->stack + STACK_SIZE) - 3;

		*top = 0;
		*--top = (uint64_t)(uintptr_t)fiber_entry;
		top -= 6;
		for (int i = 0; i < 6; i++)
			top[i] = 0;
		fiber->sp = top;
	}
#else
	getcontext(&fiber->context);
	fiber->context.uc_stack.ss_sp = fiber->stack;
	fiber->context.uc_stack.ss_size = STACK_SIZE;
	fiber->context.uc_link = NULL;
	makecontext(&fiber->context, fiber_entry, 0);
#endif
}

bool fiber_has_images(void)
{
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(WEAVE_TSAN)
	return true;
#else
	/* What a sanitizer knows of a stack lies elsewhere, and ucontext does not tell how deep one is. */
	return false;
#endif
}

void fiber_image(struct image *im)
{
	unsigned int i;

	for (i = 1; i < nr_fibers; i++) {
		struct fiber *fiber = &fibers[i];

		image_copy(im, &fiber->sp, sizeof(fiber->sp));
		image_copy(im, &fiber->ended, sizeof(fiber->ended));
		if (fiber->sp)
			image_copy(
				im, fiber->sp,
				(size_t)(fiber->stack + STACK_SIZE - (unsigned char *)fiber->sp));
	}
}

struct fiber *fiber_main(void)
{
	return &fibers[0];
}

void fiber_start(void)
{
	nr_fibers = 1;
#ifdef WEAVE_TSAN
	fibers[0].tsan = __tsan_get_current_fiber();
#endif
}

struct fiber *fiber_create(void)
{
	struct fiber *fiber = &fibers[nr_fibers++];
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *memory;

	memory = mmap(NULL, STACK_SIZE + guard, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (nr_fibers > FIBERS_MAX || memory == MAP_FAILED || mprotect(memory, guard, PROT_NONE)) {
		fprintf(stderr, "rmap-weave: There is no memory for a thread's stack.\n");
		exit(2);
	}
	fiber->stack = memory + guard;
	return fiber;
}

void fiber_sync_release(void *address)
{
#ifdef WEAVE_TSAN
	__tsan_release(address);
#else
	(void)address;
#endif
}

void fiber_sync_acquire(void *address)
{
#ifdef WEAVE_TSAN
	__tsan_acquire(address);
#else
	(void)address;
#endif
}

void fiber_unwatched(bool on)
{
#ifdef WEAVE_TSAN
	if (on) {
		AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
		AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
	} else {
		AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
		AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
	}
#else
	(void)on;
#endif
}

void fiber_release_all(void)
{
#ifdef WEAVE_TSAN
	void *self = __tsan_get_current_fiber();

	for (unsigned int i = 1; i < nr_fibers; i++) {
		if (!fibers[i].tsan)
			continue;
		if (fibers[i].tsan != self)
			__tsan_switch_to_fiber(fibers[i].tsan, TSAN_NO_SYNC);
		__tsan_release(&fibers[0]);
		if (fibers[i].tsan != self)
			__tsan_switch_to_fiber(self, TSAN_NO_SYNC);
	}
#endif
}
