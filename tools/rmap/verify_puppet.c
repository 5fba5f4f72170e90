// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a puppet runs: a loop that takes orders from its slot and makes system calls.
 *
 * This code is copied into the house (verify_block.h) and runs where nothing else is mapped: no libc, no data, no thread-local
 * storage, no stack but the slot's. So it calls nothing outside of its section, has no variables, tables or strings, and
 * is compiled without whatever adds calls or data (CMakeLists.txt has the flags). verify_live.c gives it a first process to run in.
 */
#include "verify_puppet.h"

#ifdef __x86_64__

#include <asm/prctl.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>

#define PUPPET		 __attribute__((section("rmap_puppet"), used, noinline))

#define SA_RESTORER_FLAG 0x04000000u

struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};

struct kernel_stack {
	uint64_t sp;
	uint32_t flags, pad;
	uint64_t size;
};

/* As the kernel lays out its frame: struct ucontext up to the general registers. */
struct kernel_frame {
	uint64_t flags, link;
	struct kernel_stack stack;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip,
		flags_register, segments, error, trap, old_mask, fault_address;
};

#define FLAGS_PLAIN 0x202u
#define FLAGS_STEP  0x302u
#define TRAP_FAULT  14u /* a page fault */
#define FAULT_FETCH 16u /* of an instruction fetch */

PUPPET static int64_t call(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
			   uint64_t f)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	int64_t ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

/* Copy len bytes; a signal ends it, and its name is returned. */
PUPPET static uint64_t copy(struct puppet_slot *slot, uint64_t to, uint64_t from, uint64_t len)
{
	uint64_t ret = 0;

	__asm__ volatile("leaq 1f(%%rip), %%r8\n\t"
			 "movq %%r8, (%[recover])\n\t"
			 "cld\n\t"
			 "rep movsb\n\t"
			 "1:\n\t"
			 "movq $0, (%[recover])"
			 : "+a"(ret), "+D"(to), "+S"(from), "+c"(len)
			 : [recover] "r"(&slot->recover)
			 : "r8", "memory", "cc");
	return ret;
}

/*
 * Fetch one instruction at target. What stands there is anybody's guess, so it runs with the trap flag set, all registers
 * pointing at a harmless place (as a system call's number, none), and a stack there whose top keeps the flag set. Whatever
 * comes of it ends in on_signal(): a fault of the fetch itself is the answer, anything else means that it was fetched.
 */
PUPPET static uint64_t fetch(struct puppet_slot *slot, uint64_t target)
{
	uint64_t *scratch = (uint64_t *)((uintptr_t)slot + SLOT_BUFFER + 0x4000);
	uint64_t ret;

	slot->target = target;
	slot->steps = 0;
	for (int i = 0; i < 64; i++)
		*(volatile uint64_t *)(scratch + i) = FLAGS_STEP;
	__asm__ volatile(
		"movq %%rbx, %c[saved](%%rax)\n\t"
		"movq %%rbp, %c[saved]+8(%%rax)\n\t"
		"movq %%r12, %c[saved]+16(%%rax)\n\t"
		"movq %%r13, %c[saved]+24(%%rax)\n\t"
		"movq %%r14, %c[saved]+32(%%rax)\n\t"
		"movq %%r15, %c[saved]+40(%%rax)\n\t"
		"movq %%rsp, %c[saved]+48(%%rax)\n\t"
		"leaq 1f(%%rip), %%r8\n\t"
		"movq %%r8, %c[recover](%%rax)\n\t"
		"movq %%rcx, %%rsp\n\t"
		"pushq %%rdx\n\t"
		"pushq %[step]\n\t"
		"movq %%rcx, %%rax\n\t"
		"movq %%rcx, %%rbx\n\t"
		"movq %%rcx, %%rdx\n\t"
		"movq %%rcx, %%rsi\n\t"
		"movq %%rcx, %%rdi\n\t"
		"movq %%rcx, %%rbp\n\t"
		"movq %%rcx, %%r8\n\t"
		"movq %%rcx, %%r9\n\t"
		"movq %%rcx, %%r10\n\t"
		"movq %%rcx, %%r11\n\t"
		"movq %%rcx, %%r12\n\t"
		"movq %%rcx, %%r13\n\t"
		"movq %%rcx, %%r14\n\t"
		"movq %%rcx, %%r15\n\t"
		"popfq\n\t"
		"ret\n\t"
		"1:"
		: "=a"(ret), "+c"(scratch), "+d"(target)
		: "0"(slot), [saved] "i"(offsetof(struct puppet_slot, saved)),
		  [recover] "i"(offsetof(struct puppet_slot, recover)), [step] "i"(FLAGS_STEP)
		: "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
	slot->recover = 0;
	slot->target = 0;
	return ret;
}

/* False: the trap came before the instruction, go on. */
PUPPET static int fetched(struct puppet_slot *slot, struct kernel_frame *frame, uint64_t number,
			  uint64_t *name)
{
	if (number == SIGTRAP && frame->ip == slot->target && !slot->steps++)
		return 0;
	if (frame->trap != TRAP_FAULT || !(frame->error & FAULT_FETCH) ||
	    (frame->fault_address & ~(uint64_t)4095) != slot->target)
		*name = 0;
	frame->bx = slot->saved[0];
	frame->bp = slot->saved[1];
	frame->r12 = slot->saved[2];
	frame->r13 = slot->saved[3];
	frame->r14 = slot->saved[4];
	frame->r15 = slot->saved[5];
	frame->sp = slot->saved[6];
	frame->flags_register = FLAGS_PLAIN;
	return 1;
}

PUPPET static void on_signal(int number, siginfo_t *info, void *context)
{
	uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0);
	struct puppet_slot *slot = (struct puppet_slot *)(here & ~(uint64_t)(SLOT_SIZE - 1));
	struct kernel_frame *frame = context;
	uint64_t name = (uint64_t)(uint32_t)number << 16 | (uint16_t)info->si_code;

	if (!slot->recover) {
		slot->stray_at = frame->ip;
		slot->stray = name;
		call(SYS_exit_group, 99, 0, 0, 0, 0, 0);
	}
	if (slot->target && !fetched(slot, frame, (uint64_t)(uint32_t)number, &name))
		return;
	frame->ax = name;
	frame->ip = slot->recover;
}

PUPPET __attribute__((naked)) static void restorer(void)
{
	__asm__ volatile("movl $15, %eax\n\tsyscall\n\tud2");
}

PUPPET static void handle(uint64_t number)
{
	struct kernel_sigaction action;

	action.handler = (uint64_t)(uintptr_t)&on_signal;
	action.flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER_FLAG;
	action.restorer = (uint64_t)(uintptr_t)&restorer;
	action.mask = 0;
	call(SYS_rt_sigaction, number, (uint64_t)(uintptr_t)&action, 0, 8, 0, 0);
}

PUPPET static void access_pages(struct puppet_slot *slot)
{
	uint64_t buffer = (uint64_t)(uintptr_t)slot + SLOT_BUFFER;
	uint64_t addr = slot->arg[0], pages = slot->arg[1], len;

	slot->signal = 0;
	for (slot->pages = 0; slot->pages < pages; slot->pages++) {
		if (slot->order == PUPPET_READ) {
			slot->signal = copy(slot, buffer, addr, 4096);
		} else if (slot->order == PUPPET_FETCH) {
			slot->signal = fetch(slot, addr);
		} else {
			len = slot->pages + 1 == pages ? slot->arg[2] : 4096;
			slot->signal = copy(slot, addr, buffer, len);
		}
		if (slot->signal)
			return;
		buffer += 4096;
		addr += 4096;
	}
}

PUPPET static void fork_puppet(struct puppet_slot *slot)
{
	struct puppet_slot *child =
		(struct puppet_slot *)(HOUSE_SLOT_BASE + slot->arg[0] * SLOT_SIZE);
	register uint64_t r8 __asm__("r8") = 0;
	register uint64_t r10 __asm__("r10") = 0;
	register uint64_t r12 __asm__("r12") = (uint64_t)(uintptr_t)child;
	register uint64_t r13 __asm__("r13") = (uint64_t)(uintptr_t)&puppet_live;
	int64_t ret;

	child->tester = slot->arg[2];
	/* The child begins on its own stack, before this one goes on. */
	__asm__ volatile("syscall\n\t"
			 "testq %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xorl %%ebp, %%ebp\n\t"
			 "movq %%r12, %%rdi\n\t"
			 "callq *%%r13\n\t"
			 "ud2\n\t"
			 "1:"
			 : "=a"(ret)
			 : "0"((uint64_t)SYS_clone), "D"(slot->arg[1]),
			   "S"((uint64_t)(uintptr_t)child + SLOT_STACK + SLOT_STACK_SIZE), "d"(0),
			   "r"(r8), "r"(r10), "r"(r12), "r"(r13)
			 : "rcx", "r11", "memory", "cc");
	slot->result = ret;
}

PUPPET void puppet_live(struct puppet_slot *slot)
{
	struct kernel_stack stack;
	uint32_t seen = atomic_load(&slot->done);

	stack.sp = (uint64_t)(uintptr_t)slot + SLOT_SIGNAL;
	stack.flags = 0;
	stack.pad = 0;
	stack.size = SLOT_SIGNAL_SIZE;
	call(SYS_sigaltstack, (uint64_t)(uintptr_t)&stack, 0, 0, 0, 0, 0);
	call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
	/* The tester may have died before that. */
	if (call(SYS_getppid, 0, 0, 0, 0, 0, 0) != (int64_t)slot->tester)
		call(SYS_exit_group, 98, 0, 0, 0, 0, 0);
	for (;;) {
		while (atomic_load(&slot->go) == seen)
			call(SYS_futex, (uint64_t)(uintptr_t)&slot->go, FUTEX_WAIT, seen, 0, 0, 0);
		seen++;
		if (slot->order == PUPPET_CALL)
			slot->result = call(slot->number, slot->arg[0], slot->arg[1], slot->arg[2],
					    slot->arg[3], slot->arg[4], slot->arg[5]);
		else if (slot->order == PUPPET_FORK)
			fork_puppet(slot);
		else
			access_pages(slot);
		atomic_store(&slot->done, seen);
		call(SYS_futex, (uint64_t)(uintptr_t)&slot->done, FUTEX_WAKE, 1, 0, 0, 0);
	}
}

/* The first: still on its slot's stack, but with a program's mappings around it. */
PUPPET void puppet_first(struct puppet_slot *slot)
{
	call(SYS_munmap, 0, HOUSE_BASE, 0, 0, 0, 0);
	call(SYS_munmap, HOUSE_BASE + HOUSE_SIZE, 0x7ffffffff000 - HOUSE_BASE - HOUSE_SIZE, 0, 0, 0,
	     0);
	call(SYS_arch_prctl, ARCH_SET_FS, 0, 0, 0, 0, 0);
	handle(SIGSEGV);
	handle(SIGBUS);
	handle(SIGTRAP);
	handle(SIGILL);
	handle(SIGFPE);
	puppet_live(slot);
}

#endif
