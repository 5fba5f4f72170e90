// SPDX-License-Identifier: BSD-2-Clause
/*
 * The checker on page tables and what stands in them. The scene is drawn in scene.h; each damage must be named.
 */
#include "scene.h"

#include <string.h>

static void pte_cleared(struct scene *x)
{
	SET(x, *table_find(x->p, OWN), 0);
}

static void pte_other_page(struct scene *x)
{
	SET(x, *table_find(x->p, ANON), *table_find(x->p, ANON) + RMAP_PAGE_SIZE * 1024);
}

static void pte_writable(struct scene *x)
{
	SET(x, *table_find(x->p, RO), *table_find(x->p, RO) | PTE_WRITE);
}

static void pte_executable(struct scene *x)
{
	SET(x, *table_find(x->p, OWN), *table_find(x->p, OWN) & ~PTE_NX);
}

static void pte_writable_shared_page(struct scene *x)
{
	SET(x, *table_find(x->p, ANON), *table_find(x->p, ANON) | PTE_WRITE);
}

static void pte_of_no_kind(struct scene *x)
{
	SET(x, *table_find(x->p, OWN), 0x1000);
}

static void pte_poisoned(struct scene *x)
{
	SET(x, *table_find(x->p, OWN), PTE_KIND_POISON | (*table_find(x->p, OWN) & PTE_PFN_MASK));
}

static void pte_special(struct scene *x)
{
	SET(x, *table_find(x->p, OWN), *table_find(x->p, OWN) | PTE_SPECIAL);
}

static void pte_locks(struct scene *x)
{
	SET(x, *table_find(x->p, OWN), *table_find(x->p, OWN) | PTE_MLOCKED);
}

static void pte_does_not_lock(struct scene *x)
{
	SET(x, *table_find(x->p, LOCK), *table_find(x->p, LOCK) & ~PTE_MLOCKED);
}

static void pte_swap_slot(struct scene *x)
{
	SET(x, *table_find(x->p, SWAP), *table_find(x->p, SWAP) | 0x7777000);
}

static void pte_swap_exclusive(struct scene *x)
{
	SET(x, *table_find(x->p, SWAP + PAGE), *table_find(x->p, SWAP + PAGE) | PTE_SWP_EXCLUSIVE);
}

static void table_entries(struct scene *x)
{
	SET(x, page_of_address(x->e.sys, x->p->pgd)->entries, 100);
}

static void table_index(struct scene *x)
{
	SET(x, table_of(x->p, ANON)->rmap.index, 0);
}

static void table_owner(struct scene *x)
{
	SET(x, table_of(x->p, ANON)->rmap.mapping, (uintptr_t)x->c);
}

static void table_flag(struct scene *x)
{
	SET(x, table_of(x->p, ANON)->flags, 0);
}

static void table_count(struct scene *x)
{
	SET(x, x->p->nr_tables, 2);
}

static void table_count_of_system(struct scene *x)
{
	SET(x, x->e.sys->cpus[0].sum[SUM_TABLES], 1);
}

static void rss(struct scene *x)
{
	SET(x, x->p->rss[0].pages[RSS_ANON], 99);
}

static void vma_rights(struct scene *x)
{
	SET(x, vma_of(x->p, OWN)->flags, vma_of(x->p, OWN)->flags & ~VM_WRITE);
	/* What would be met first is its kind of memory. */
	x->p->data_vm--;
}

static void table_in_unused_frame(struct scene *x)
{
	SET(x, x->p->pgd[3], pte_make(x->e.sys->untouched, PTE_PRESENT));
}

static void table_twice(struct scene *x)
{
	SET(x, x->p->pgd[3], x->p->pgd[0]);
}

static void table_behind_user_space(struct scene *x)
{
	SET(x, x->p->pgd[300], x->p->pgd[0]);
}

static void table_entry_leads_nowhere(struct scene *x)
{
	SET(x, x->p->pgd[3], PTE_KIND_SWAP);
}

static void pte_anon_in_shared_vma(struct scene *x)
{
	SET(x, *table_find(x->p, SHMEM), *table_find(x->p, OWN));
}

static void pte_wrong_page_of_file(struct scene *x)
{
	SET(x, *table_find(x->p, SHMEM), *table_find(x->p, SHMEM + PAGE));
}

static void pte_writes_private_file(struct scene *x)
{
	SET(x, *table_find(x->p, CODE), *table_find(x->p, CODE) | PTE_WRITE);
}

static void pte_readable_without_right(struct scene *x)
{
	SET(x, *table_find(x->p, NONE), *table_find(x->p, NONE) | PTE_USER);
}

static void pte_swap_in_shared_vma(struct scene *x)
{
	SET(x, *table_find(x->p, SHMEM), *table_find(x->p, SWAP));
}

static void pte_swap_exclusive_but_mapped(struct scene *x)
{
	SET(x, *table_find(x->p, SWAP), *table_find(x->p, SWAP) | PTE_SWP_EXCLUSIVE);
}

static void pte_in_no_vma(struct scene *x)
{
	SET(x, *table_find(x->p, ANON + 32 * PAGE), *table_find(x->p, RO));
}

static void pte_to_free_page(struct scene *x)
{
	SET(x, *table_find(x->p, OWN), pte_make(page_to_pfn(x->e.sys, free_page(x)), PTE_PRESENT));
}

static void pte_to_table(struct scene *x)
{
	SET(x, *table_find(x->p, OWN),
	    pte_make(page_to_pfn(x->e.sys, table_of(x->p, OWN)), PTE_PRESENT));
}

static void migration_writable_not_exclusive(struct scene *x)
{
	SET(x, *table_find(x->p, OWN),
	    (*table_find(x->p, OWN) & PTE_PFN_MASK) | PTE_KIND_MIGRATION | PTE_MIG_WRITE);
}

static void migration_still_counted(struct scene *x)
{
	SET(x, *table_find(x->p, OWN),
	    (*table_find(x->p, OWN) & PTE_PFN_MASK) | PTE_KIND_MIGRATION);
}

/* Of a page of a file in a private VMA, which is on its way to another frame: there is no right to write to be looked at. */
static void migration_of_file_page(struct scene *x)
{
	SET(x, *table_find(x->p, CODE),
	    (*table_find(x->p, CODE) & PTE_PFN_MASK) | PTE_KIND_MIGRATION);
}

static const struct damage damages[] = {
	DAMAGE(migration_of_file_page, "PTEs map it"),
	DAMAGE(pte_cleared, "anonymous pages, its tables have"),
	DAMAGE(pte_other_page, "which was never used"),
	DAMAGE(pte_writable, "may write to the zero page"),
	DAMAGE(pte_executable, "may execute, which VMA 0x60000000-0x60001000 does not allow"),
	DAMAGE(pte_writable_shared_page, "is writable, but the page is not exclusive"),
	DAMAGE(pte_of_no_kind, "is neither empty nor of any kind"),
	DAMAGE(pte_poisoned, "which is sound"),
	DAMAGE(pte_special, "not the zero page"),
	DAMAGE(pte_locks, "locks its page, VMA 0x60000000-0x60001000 is not locked"),
	DAMAGE(pte_does_not_lock, "does not lock its page, VMA 0x90000000-0x90001000 is locked"),
	DAMAGE(pte_swap_slot, "a swap entry names slot"),
	DAMAGE(pte_swap_exclusive, "is exclusive, but 2 name the slot"),
	DAMAGE(table_entries, "says 100 entries and has"),
	DAMAGE(table_index, "but is at level 1, 0x10000000"),
	DAMAGE(table_owner, "of another mm"),
	DAMAGE(table_flag, "which is no table"),
	DAMAGE(table_count, "it counts 2 tables and has"),
	DAMAGE(table_count_of_system, "the system counts 1 page tables and has"),
	DAMAGE(rss, "it counts 99 anonymous pages, its tables have"),
	DAMAGE(vma_rights, "may write, which VMA 0x60000000-0x60001000 does not allow"),
	DAMAGE(table_in_unused_frame, "which was never used"),
	DAMAGE(table_twice, "is met again at 0x18000000000, level 3"),
	DAMAGE(table_behind_user_space, "behind all user addresses"),
	DAMAGE(table_entry_leads_nowhere, "leads nowhere"),
	DAMAGE(pte_anon_in_shared_vma, "a shared VMA holds anonymous page"),
	DAMAGE(pte_wrong_page_of_file, "is at offset 0x1 of its file, the VMA at 0x0"),
	DAMAGE(pte_writes_private_file, "of a file is writable in a private VMA"),
	DAMAGE(pte_readable_without_right, "may be read, which VMA 0xa0000000-0xa0001000"),
	DAMAGE(pte_swap_in_shared_vma, "a shared VMA holds a swap entry, of slot"),
	DAMAGE(pte_swap_exclusive_but_mapped, "is exclusive, but its page is mapped"),
	DAMAGE(pte_in_no_vma, "lies in no VMA"),
	DAMAGE(pte_to_free_page, "which is free"),
	DAMAGE(pte_to_table, "which is a page table"),
	DAMAGE(migration_writable_not_exclusive, "is writable, but not exclusive"),
	DAMAGE(migration_still_counted, "has map count 1, 0 PTEs map it"),
};

/* covers: I8, I9 */
static void test_every_damage_is_named(void **state)
{
	(void)state;
	scene_expect_damages(damages, sizeof(damages) / sizeof(damages[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_damage_is_named),
	};

	return cmocka_run_group_tests_name("check_tables", tests, NULL, NULL);
}
