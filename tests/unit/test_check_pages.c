// SPDX-License-Identifier: BSD-2-Clause
/*
 * The checker on frames: map counts, references, owners, LRU lists, the free list. The scene is drawn in scene.h; each damage must be named.
 */
#include "scene.h"

#include <string.h>

static void page_mapcount(struct scene *x)
{
	SET(x, page_at(x->p, ANON)->rmap.mapcount, 3);
}

static void page_refs_lost(struct scene *x)
{
	SET(x, page_at(x->p, FILES)->refs, 1);
}

static void page_freed_while_mapped(struct scene *x)
{
	SET(x, page_at(x->p, OWN)->refs, 0);
}

static void page_exclusive_but_shared(struct scene *x)
{
	SET(x, page_at(x->p, ANON)->rmap.exclusive, 1);
}

static void page_writable_but_not_exclusive(struct scene *x)
{
	SET(x, page_at(x->p, OWN)->rmap.exclusive, 0);
}

static void page_of_file_exclusive(struct scene *x)
{
	SET(x, page_at(x->p, FILES)->rmap.exclusive, 1);
}

static void page_index(struct scene *x)
{
	SET(x, page_at(x->p, ANON)->rmap.index, 0x777);
}

static void page_owner(struct scene *x)
{
	SET(x, page_at(x->p, ANON)->rmap.mapping, page_at(x->s, ANON)->rmap.mapping);
}

static void page_without_owner(struct scene *x)
{
	SET(x, page_at(x->p, ANON)->rmap.mapping, 0);
}

static void page_of_other_file(struct scene *x)
{
	SET(x, page_at(x->p, FILES)->rmap.mapping, page_at(x->p, SHMEM)->rmap.mapping);
}

static void page_locked(struct scene *x)
{
	SET(x, page_at(x->p, ANON)->flags, page_at(x->p, ANON)->flags | PG_LOCKED);
}

static void page_writeback(struct scene *x)
{
	SET(x, page_at(x->p, ANON)->flags, page_at(x->p, ANON)->flags | PG_WRITEBACK);
}

static void page_lru_list(struct scene *x)
{
	SET(x, page_at(x->p, ANON)->flags, page_at(x->p, ANON)->flags ^ PG_SWAPBACKED);
}

static void page_lru_flag(struct scene *x)
{
	SET(x, page_at(x->p, ANON)->flags, page_at(x->p, ANON)->flags & ~(uint32_t)PG_LRU);
}

static void lru_count(struct scene *x)
{
	SET(x, x->e.sys->nr_lru[LRU_INACTIVE_ANON], 77);
}

static void lru_links(struct scene *x)
{
	SET(x, page_at(x->p, ANON)->lru.next, (uintptr_t)&page_at(x->p, ANON)->lru);
}

static void free_with_references(struct scene *x)
{
	SET(x, free_page(x)->refs, 1);
}

static void free_with_flags(struct scene *x)
{
	SET(x, free_page(x)->flags, PG_DIRTY);
}

static void free_with_owner(struct scene *x)
{
	SET(x, free_page(x)->rmap.mapping, 0x1001);
}

static void free_count(struct scene *x)
{
	SET(x, x->e.sys->nr_free, x->e.sys->nr_free + 1);
}

static void cpu_credit(struct scene *x)
{
	SET(x, x->e.sys->cpus[1].credit, 1);
}

static void cpu_batch(struct scene *x)
{
	SET(x, x->e.sys->cpus[1].nr_lru, 1);
}

static void system_anon(struct scene *x)
{
	SET(x, x->e.sys->cpus[0].sum[SUM_ANON], 3);
}

static void system_file(struct scene *x)
{
	SET(x, x->e.sys->cpus[0].sum[SUM_FILE], 77);
}

static void system_shmem(struct scene *x)
{
	SET(x, x->e.sys->cpus[0].sum[SUM_SHMEM], 77);
}

static void page_lru_list_bits(struct scene *x)
{
	SET(x, page_at(x->p, ANON)->flags, page_at(x->p, ANON)->flags ^ (1u << PG_LRU_LIST_SHIFT));
}

static void page_mapped_on_no_list(struct scene *x)
{
	struct page *page = page_at(x->p, ANON);
	enum lru_list list = lru_list_on(page);

	scene_unlink(x, &page->lru);
	SET(x, page->flags, page->flags & ~(uint32_t)(PG_LRU | PG_LRU_LIST));
	SET(x, x->e.sys->nr_lru[list], x->e.sys->nr_lru[list] - 1);
}

static struct page *take_free_page(struct scene *x)
{
	struct page *page = free_page(x);

	scene_unlink(x, &page->lru);
	SET(x, x->e.sys->nr_free, x->e.sys->nr_free - 1);
	return page;
}

static void page_lost(struct scene *x)
{
	take_free_page(x);
}

static void table_unreached(struct scene *x)
{
	struct page *page = take_free_page(x);

	SET(x, page->refs, 1);
	SET(x, page->flags, PG_TABLE);
	SET(x, page->rmap.index, ANON);
	SET(x, page->rmap.mapping, (uintptr_t)x->p);
}

static void free_but_bad(struct scene *x)
{
	SET(x, free_page(x)->flags, PG_POISON);
}

static void zero_page_mapped(struct scene *x)
{
	SET(x, x->e.sys->zero_page->rmap.mapcount, 1);
}

static void page_locks(struct scene *x)
{
	SET(x, page_at(x->p, LOCK)->flags, page_at(x->p, LOCK)->flags + PG_MLOCKED_ONE);
}

/* Where entries were forgotten a page may count more than there are, and not fewer. */
static void page_locks_lost(struct scene *x)
{
	pte_t *pte = table_find(x->c, LOCK);
	struct vma *vma = vma_at(x->c, LOCK);

	SET(x, x->e.sys->mlock_stranded, true);
	SET(x, vma->flags, vma->flags | VM_LOCKED);
	SET(x, x->c->locked_vm, 1);
	SET(x, *pte, *pte | PTE_MLOCKED);
}

static const struct damage damages[] = {
	DAMAGE(page_mapcount, "has map count 3, 2 PTEs map it"),
	DAMAGE(page_refs_lost, "has 1 references; its mappings, swap cache and file hold 2"),
	DAMAGE(page_freed_while_mapped, "which is free"),
	DAMAGE(page_exclusive_but_shared, "is exclusive, but mapped at 2 places"),
	DAMAGE(page_writable_but_not_exclusive, "is writable, but the page is not exclusive"),
	DAMAGE(page_of_file_exclusive, "is exclusive, but not anonymous"),
	DAMAGE_CHAIN(page_index, "has index 0x777, its place in the VMA is 0x10000"),
	DAMAGE_CHAIN(page_owner, "is not in the chain of VMA 0x10000000-0x10004000"),
	DAMAGE(page_without_owner, "is mapped, but belongs to nothing"),
	DAMAGE(page_of_other_file, "is of another file than VMA"),
	DAMAGE(page_locked, "is locked, though nothing is under way"),
	DAMAGE(page_writeback, "is under write-back, though nothing is under way"),
	DAMAGE(page_locks, "counts 2 PTEs that lock it, there are 1"),
	DAMAGE(page_locks_lost, "counts 1 PTEs that lock it, there are 2"),
	DAMAGE(page_lru_list, "by its flags it belongs on"),
	DAMAGE(page_lru_flag, "but does not say so"),
	DAMAGE(lru_count, "the system counts 77 inactive anonymous pages, the list has"),
	DAMAGE(lru_links, "is broken behind member"),
	DAMAGE(free_with_references, "is on the list of free frames with 1 references"),
	DAMAGE(free_with_flags, "is free, but still has flags 0x20"),
	DAMAGE(free_with_owner, "is free, but still has an owner"),
	DAMAGE(cpu_credit, "free frames and has"),
	DAMAGE(cpu_batch, "processor 1 counts 1 pages in its batch, it has 0"),
	DAMAGE(free_count, "free frames and has"),
	DAMAGE(system_anon, "the system counts 3 anonymous pages and has"),
	DAMAGE(system_file, "the system counts 77 pages of files and has"),
	DAMAGE(system_shmem, "the system counts 77 pages of shared memory and has 2"),
	DAMAGE(page_lru_list_bits, "but says it is on another"),
	DAMAGE(page_mapped_on_no_list,
	       "is mapped and nobody else has it, but it is on no LRU list"),
	DAMAGE(page_lost, "is lost: nobody has it, and it is not free"),
	DAMAGE(table_unreached, "is a page table for 0x10000000 that no address space reaches"),
	DAMAGE(free_but_bad, "has gone bad, but may be handed out again"),
	DAMAGE(zero_page_mapped, "is no proper zero page"),
};

/* covers: I6, I7, I8, I9 */
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

	return cmocka_run_group_tests_name("check_pages", tests, NULL, NULL);
}
