// SPDX-License-Identifier: BSD-2-Clause
/*
 * Tier 1 in a kernel that already has a virtual memory manager: here a tiny one, with one VMA and one flat page table per
 * address space. Its structures contain the reverse map's; it reports what happens to its VMAs and pages; and it asks which
 * page-table entries map a page.
 */
#include <stdio.h>
#include <stdlib.h>

#include <rmap/rmap.h>

#define PAGES 4

struct page {
	struct rmap_page rmap;
	int contents;
};

struct mm {
	struct rmap_mm rmap;
	const char *name;
	struct rmap_vma vma;
	struct rmap_spinlock ptl;
	struct page *table[PAGES]; /* page number n is at address n << RMAP_PAGE_SHIFT */
};

/* ---------------------------------------------------------------- the port: what tier 1 asks of us */

static void *port_alloc(void *ctx, enum rmap_kind kind, size_t size)
{
	return (void)ctx, (void)kind, calloc(1, size);
}

static void port_free(void *ctx, enum rmap_kind kind, void *object, size_t size)
{
	(void)ctx, (void)kind, (void)size, free(object); /* one thread: nobody is late */
}

static void port_nothing(void *ctx)
{
	(void)ctx;
}

static enum rmap_find_result port_pte_find(void *ctx, struct rmap_mm *rmap_mm, uint64_t addr,
					   struct rmap_page *page, unsigned int flags,
					   struct rmap_hit *hit)
{
	struct mm *mm = rmap_container_of(rmap_mm, struct mm, rmap);
	struct page **pte = &mm->table[addr >> RMAP_PAGE_SHIFT];

	(void)ctx, (void)flags;
	rmap_spin_lock(&mm->ptl);
	if (*pte && &(*pte)->rmap == page) {
		*hit = (struct rmap_hit){ rmap_mm, NULL, addr, pte, &mm->ptl };
		return RMAP_FIND_HIT;
	}
	rmap_spin_unlock(&mm->ptl);
	return RMAP_FIND_OTHER;
}

static void port_pte_unlock(void *ctx, struct rmap_hit *hit)
{
	(void)ctx, rmap_spin_unlock(hit->table_lock);
}

static __attribute__((noreturn)) void port_panic(void *ctx, const char *file, int line,
						 const char *what)
{
	(void)ctx, fprintf(stderr, "%s:%d: %s\n", file, line, what), abort();
}

static const struct rmap_port port = {
	.alloc = port_alloc,
	.free = port_free,
	.rcu_read_lock = port_nothing,
	.rcu_read_unlock = port_nothing,
	.rcu_barrier = port_nothing,
	.pte_find = port_pte_find,
	.pte_unlock = port_pte_unlock,
	.panic = port_panic,
};

/* ---------------------------------------------------------------- our virtual memory manager */

static struct rmap rmap;

static void must(int error)
{
	if (error) {
		fprintf(stderr, "%s\n", rmap_error_name(error));
		exit(1);
	}
}

static void mm_create(struct mm *mm)
{
	rmap_spin_init(&mm->ptl, RMAP_LOCK_PTL);
	must(rmap_mm_init(&rmap, &mm->rmap));
	rmap_vma_init(&mm->vma, &mm->rmap, 0, PAGES << RMAP_PAGE_SHIFT, 0, NULL, 0);
	rmap_vma_link(&rmap, &mm->vma);
}

static void unmap_page(struct mm *mm, unsigned int n)
{
	struct page *page = mm->table[n];
	struct rmap_page *run = page ? &page->rmap : NULL;

	mm->table[n] = NULL;
	if (!page || !rmap_page_unmap(&rmap, &run, 1, &mm->vma, n << RMAP_PAGE_SHIFT, NULL))
		return;
	rmap_page_free(&rmap, run); /* that was its last PTE */
	free(page);
}

static void write_page(struct mm *mm, unsigned int n, int contents)
{
	struct page *page = mm->table[n];

	if (!page || !rmap_page_is_exclusive(&page->rmap)) { /* a first touch, or a COW fault */
		struct rmap_page *run;

		must(rmap_vma_prepare(&rmap, &mm->vma, NULL, NULL));
		page = calloc(1, sizeof(*page));
		run = &page->rmap;
		rmap_page_map(&rmap, &run, 1, &mm->vma, n << RMAP_PAGE_SHIFT, NULL,
			      RMAP_MAP_NEW | RMAP_MAP_EXCLUSIVE, NULL);
		unmap_page(mm, n);
		mm->table[n] = page;
	}
	page->contents = contents;
}

static void mm_fork(struct mm *child, struct mm *parent)
{
	rmap_spin_init(&child->ptl, RMAP_LOCK_PTL);
	must(rmap_mm_fork_begin(&rmap, &child->rmap, &parent->rmap));
	rmap_vma_init(&child->vma, &child->rmap, parent->vma.start, parent->vma.end,
		      parent->vma.pgoff, parent->vma.file, parent->vma.flags);
	must(rmap_vma_fork(&rmap, &child->vma, &parent->vma));
	for (unsigned int n = 0; n < PAGES; n++) {
		struct rmap_page *run = parent->table[n] ? &parent->table[n]->rmap : NULL;

		child->table[n] = parent->table[n];
		if (!run)
			continue;
		rmap_page_share(run);
		rmap_page_map(&rmap, &run, 1, &child->vma, n << RMAP_PAGE_SHIFT, NULL, 0, NULL);
	}
	rmap_mm_fork_end(&rmap, &child->rmap, &parent->rmap, true);
}

static void mm_exit(struct mm *mm)
{
	for (unsigned int n = 0; n < PAGES; n++)
		unmap_page(mm, n);
	rmap_vma_unlink(&rmap, &mm->vma);
	rmap_mm_exit(&rmap, &mm->rmap);
}

/* ---------------------------------------------------------------- the question */

static enum rmap_visit print_hit(struct rmap_hit *hit, void *arg)
{
	(void)arg;
	printf(" %s:0x%llx", rmap_container_of(hit->mm, struct mm, rmap)->name,
	       (unsigned long long)hit->addr);
	return RMAP_VISIT_NEXT;
}

static void who_maps(const struct mm *mm, unsigned int n)
{
	struct rmap_walk walk = { .visit = print_hit, .purpose = RMAP_WALK_PROBE };

	printf("%s's page %u, contents %d, is mapped at", mm->name, n, mm->table[n]->contents);
	must(rmap_walk(&rmap, &mm->table[n]->rmap, &walk));
	printf(" (%llu PTEs looked at)\n", (unsigned long long)walk.looks);
}

int main(void)
{
	static struct mm parent = { .name = "parent" }, child = { .name = "child" };

	must(rmap_init(&rmap, &rmap_anon_vma_chain, &port));
	mm_create(&parent);
	write_page(&parent, 1, 11);
	write_page(&parent, 2, 22);
	mm_fork(&child, &parent);
	who_maps(&parent, 1);
	write_page(&child, 1, 111);
	who_maps(&parent, 1);
	who_maps(&child, 1);
	mm_exit(&parent);
	who_maps(&child, 2);
	printf("%llu bytes of reverse map\n",
	       (unsigned long long)rmap_bytes(&rmap, RMAP_KIND_TIER1_END));
	mm_exit(&child);
	rmap_destroy(&rmap); /* asserts that nothing is left */
	return 0;
}
