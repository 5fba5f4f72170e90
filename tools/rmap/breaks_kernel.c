// SPDX-License-Identifier: BSD-2-Clause
/* The kernel's functions; see the header. */
#include "breaks_kernel.h"
#include "breaks_index.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct symbol {
	uint64_t addr;
	char *name;
};

struct breaks_kernel {
	struct symbol *v;
	size_t nr, cap;
	bool read;
};

struct breaks_kernel *breaks_kernel_new(void)
{
	return calloc(1, sizeof(struct breaks_kernel));
}

void breaks_kernel_free(struct breaks_kernel *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->nr; i++)
		free(k->v[i].name);
	free(k->v);
	free(k);
}

static int by_addr(const void *x, const void *y)
{
	const struct symbol *a = x, *b = y;

	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

static void read_symbols(struct breaks_kernel *k)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[1024], name[512], type;
	uint64_t addr;

	while (f && fgets(line, sizeof(line), f)) {
		struct symbol *v;

		if (sscanf(line, "%" SCNx64 " %c %511s", &addr, &type, name) != 3 || !addr ||
		    !strchr("tTwW", type))
			continue;
		v = breaks_grow(k->v, k->nr, &k->cap, sizeof(*v));
		if (!v)
			break;
		k->v = v;
		v[k->nr] = (struct symbol){ addr, strdup(name) };
		if (!v[k->nr].name)
			break;
		k->nr++;
	}
	if (f)
		fclose(f);
	if (k->nr)
		qsort(k->v, k->nr, sizeof(*k->v), by_addr);
}

const char *breaks_kernel_function(struct breaks_kernel *k, uint64_t addr)
{
	size_t low = 0, high;

	if (!k->read)
		read_symbols(k);
	k->read = true;
	high = k->nr;
	while (low < high) {
		size_t mid = (low + high) / 2;

		if (k->v[mid].addr <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? k->v[low - 1].name : NULL;
}

bool breaks_kernel_is_entry(const char *function)
{
	static const char *const entries[] = {
		"asm_exc_page_fault",
		"exc_page_fault",
		"do_user_addr_fault",
		"entry_SYSCALL_64_after_hwframe",
		"entry_SYSCALL_64",
		"do_syscall_64",
		"x64_sys_call",
		"ret_from_fork",
		"ret_from_fork_asm",
		"exit_to_user_mode_loop",
		"syscall_exit_to_user_mode",
		"irqentry_exit_to_user_mode",
		"asm_sysvec_reschedule_ipi",
		"asm_sysvec_apic_timer_interrupt",
	};

	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		if (!strcmp(function, entries[i]))
			return true;
	return false;
}
