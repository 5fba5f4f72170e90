// SPDX-License-Identifier: BSD-2-Clause
/*
 * Tier 2 in one screen: a machine, a process, a fork, and who maps a page before and after a write breaks the sharing.
 */
#include <stdio.h>
#include <stdlib.h>

#include <rmap/mm.h>

#include "hosted/hosted.h"

static void must(int error, const char *what)
{
	if (error) {
		fprintf(stderr, "%s: %s\n", what, rmap_error_name(error));
		exit(1);
	}
}

static enum rmap_visit print_hit(struct rmap_hit *hit, void *arg)
{
	(void)arg;
	printf("    process %llu maps it at %#llx\n",
	       (unsigned long long)mm_id(mm_from_rmap(hit->mm)), (unsigned long long)hit->addr);
	return RMAP_VISIT_NEXT;
}

static void who(struct mm_system *sys, struct mm *mm, uint64_t addr, const char *when)
{
	struct rmap_walk walk = { .visit = print_hit };
	struct page *page;

	printf("%s\n", when);
	must(mm_pin(mm, addr, 0, &page), "mm_pin");
	must(rmap_walk(mm_system_rmap(sys), mm_page_rmap(page), &walk), "rmap_walk");
	printf("    %llu found with %llu looks\n", (unsigned long long)walk.found,
	       (unsigned long long)walk.looks);
	mm_unpin(sys, page, 0);
}

int main(void)
{
	struct hosted_config machine = { .nr_frames = 4096 };
	struct mm_config config = { .design = &rmap_anon_vma_chain };
	struct mm_mmap map = {
		.len = 16 << RMAP_PAGE_SHIFT,
		.prot = MM_PROT_READ | MM_PROT_WRITE,
		.flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS,
	};
	struct mm_check check = { 0 };
	char sentence[HOSTED_ERROR];
	struct mm *parent, *child;
	struct mm_system *sys;
	struct hosted *h;
	uint64_t addr;

	if (hosted_create(&machine, &h, sentence)) {
		fprintf(stderr, "%s\n", sentence);
		return 1;
	}
	must(mm_system_create(&config, hosted_port(h), &sys), "mm_system_create");
	must(mm_create(sys, &parent), "mm_create");
	must(mm_mmap(parent, &map, &addr), "mm_mmap");
	must(mm_write(parent, addr, "hello", 5, NULL), "mm_write");
	must(mm_fork(parent, &child), "mm_fork");
	who(sys, parent, addr, "After fork, the parent's page:");
	must(mm_write(child, addr, "world", 5, NULL), "mm_write");
	who(sys, child, addr, "After the child wrote, the child's page:");
	who(sys, parent, addr, "and the parent's, which relatives may still have:");
	must(mm_check(sys, &check), check.message);
	mm_put(child);
	mm_put(parent);
	mm_system_destroy(sys);
	return hosted_destroy(h, NULL, NULL) != 0;
}
