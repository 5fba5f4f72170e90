// SPDX-License-Identifier: BSD-2-Clause
/*
 * The checker, from inside: one field after the other is damaged, and the sentence must name it.
 *
 *   S                 P                                   C, forked from P
 *   0x10000 [w s]     0x10000 [w w w .]   anonymous       [0 W 2 .]     page 1 copied by its write
 *                     0x20000 [s s]       swapped out     [r s]         page 0 came back, is in the swap cache
 *                     0x30000 [z .]       read-only       [z .]
 *                     0x40000 [m m]       shared memory   [. .]
 *                     0x50000 [f f f f]   a file, shared  [. . . .]
 *                     0x60000 [w]         anonymous       unmapped there
 *                     0x70000 [. w]       grows down      [. w]
 *                     0x80000 [f . . .]   file, private   [. . . .]
 *                     0x90000 [w]         locked          [w]
 *   0xa0000 [w]       0xa0000 [w]         no rights       [w]
 *   0xb0000 [s .]                         shared memory, in swap
 *   0xc0000 [!]                           gone bad
 *
 * (all 0x1000 times that; w written, s in swap, z the zero page)
 */
#include "engine.h"

#include "mm/check.h"
#include "rmap/walk.h"

#include <stdio.h>
#include <string.h>

#define ANON  0x10000000ull
#define SWAP  0x20000000ull
#define RO    0x30000000ull
#define SHMEM 0x40000000ull
#define FILES 0x50000000ull
#define OWN   0x60000000ull
#define STACK 0x70000000ull
#define CODE  0x80000000ull
#define LOCK  0x90000000ull
#define NONE  0xa0000000ull
#define OUT   0xb0000000ull
#define BAD   0xc0000000ull

struct scene {
	struct engine e;
	struct mm *s, *p, *c;
	struct mm_file *file;
	/* what the last damage changed */
	struct saved {
		void *field;
		size_t size;
		unsigned char before[64];
	} saved[8];
	unsigned int nr_saved;
};

/* Shared memory of S goes out: its tree names a slot. */
static void scene_shmem_out(struct scene *x)
{
	uint64_t index = 0;

	map_with(&x->e, x->s, OUT, 2, MM_PROT_READ | MM_PROT_WRITE,
		 MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
	poke(&x->e, x->s, OUT, 1);
	for (int i = 0; i < 64; i++) {
		index = 0;
		if (file_entry_is_slot(file_tree_next(&vma_file(vma_at(x->s, OUT))->pages, &index)))
			return;
		STEP(&x->e, (int)mm_reclaim(x->e.sys, 32));
	}
	fail_msg("shared memory does not go to swap");
}

static void scene_make(struct scene *x)
{
	struct hosted_file *handle;
	uint64_t result;

	memset(x, 0, sizeof(*x));
	engine_setup(&x->e, NULL);
	x->s = engine_mm(&x->e);
	x->p = engine_mm(&x->e);
	map_anon(&x->e, x->s, ANON, 2);
	poke(&x->e, x->s, ANON + PAGE, 1);
	map_anon(&x->e, x->p, SWAP, 2);
	poke(&x->e, x->p, SWAP, 2);
	poke(&x->e, x->p, SWAP + PAGE, 3);
	swap_out(&x->e, x->s, ANON + PAGE);
	swap_out(&x->e, x->p, SWAP);
	swap_out(&x->e, x->p, SWAP + PAGE);
	scene_shmem_out(x);
	/* A slot that was used and is free again. */
	map_anon(&x->e, x->s, NONE, 1);
	poke(&x->e, x->s, NONE, 1);
	swap_out(&x->e, x->s, NONE);
	poke(&x->e, x->s, NONE, 2);
	map_anon(&x->e, x->s, BAD, 1);
	poke(&x->e, x->s, BAD, 1);
	assert_int_equal(STEP(&x->e, mm_poison(x->s, BAD)), 0);
	poke(&x->e, x->s, ANON, 4);
	map_anon(&x->e, x->p, ANON, 4);
	for (uint64_t i = 0; i < 3; i++)
		poke(&x->e, x->p, ANON + i * PAGE, 5 + i);
	map_with(&x->e, x->p, RO, 2, MM_PROT_READ, MM_MAP_PRIVATE | MM_MAP_ANONYMOUS, NULL, 0);
	assert_int_equal(touch_read(&x->e, x->p, RO), 0);
	map_with(&x->e, x->p, SHMEM, 2, MM_PROT_READ | MM_PROT_WRITE,
		 MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
	poke(&x->e, x->p, SHMEM, 8);
	poke(&x->e, x->p, SHMEM + PAGE, 9);
	assert_int_equal(hosted_file_temp(x->e.h, 4 * PAGE, 1, &handle), 0);
	assert_int_equal(mm_file_create(x->e.sys, handle, 4 * PAGE, &x->file), 0);
	map_with(&x->e, x->p, FILES, 4, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_SHARED, x->file, 0);
	poke(&x->e, x->p, FILES, 10);
	peek(&x->e, x->p, FILES + PAGE);
	map_anon(&x->e, x->p, OWN, 1);
	poke(&x->e, x->p, OWN, 11);
	map_with(&x->e, x->p, STACK, 2, MM_PROT_READ | MM_PROT_WRITE,
		 MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_GROWSDOWN, NULL, 0);
	poke(&x->e, x->p, STACK + PAGE, 1);
	map_with(&x->e, x->p, CODE, 4, MM_PROT_READ | MM_PROT_WRITE | MM_PROT_EXEC, MM_MAP_PRIVATE,
		 x->file, 0);
	assert_int_equal(touch_read(&x->e, x->p, CODE), 0);
	map_with(&x->e, x->p, CODE + 8 * PAGE, 1, MM_PROT_READ | MM_PROT_EXEC, MM_MAP_PRIVATE,
		 x->file, 0);
	map_anon(&x->e, x->p, LOCK, 1);
	assert_int_equal(STEP(&x->e, mm_mlock(x->p, LOCK, PAGE, 0)), 0);
	map_anon(&x->e, x->p, NONE, 1);
	poke(&x->e, x->p, NONE, 1);
	assert_int_equal(STEP(&x->e, mm_mprotect(x->p, NONE, PAGE, MM_PROT_NONE)), 0);
	x->c = engine_fork(&x->e, x->p);
	assert_int_equal(STEP(&x->e, mm_munmap(x->c, OWN, PAGE)), 0);
	poke(&x->e, x->p, OWN, 12);
	poke(&x->e, x->c, ANON + PAGE, 13);
	peek(&x->e, x->c, SWAP);
	/* A frame on the free list, and a slot. */
	result = map_anon(&x->e, x->p, 0, 1);
	poke(&x->e, x->p, result, 14);
	assert_int_equal(STEP(&x->e, mm_munmap(x->p, result, PAGE)), 0);
}

static void scene_end(struct scene *x)
{
	mm_put(x->s);
	mm_put(x->p);
	mm_put(x->c);
	mm_file_put(x->file);
	engine_teardown(&x->e);
}

static void put(struct scene *x, void *field, size_t size, const void *value)
{
	struct saved *saved = &x->saved[x->nr_saved++];

	assert_true(size <= sizeof(saved->before));
	saved->field = field;
	saved->size = size;
	memcpy(saved->before, field, size);
	memcpy(field, value, size);
}

static void repair(struct scene *x)
{
	while (x->nr_saved) {
		struct saved *saved = &x->saved[--x->nr_saved];

		memcpy(saved->field, saved->before, saved->size);
	}
}

/* Set a field of whatever integer type. */
#define SET(x, field_, value_)                                                                     \
	do {                                                                                       \
		unsigned char bytes[sizeof(field_)];                                               \
		uint64_t v = (uint64_t)(value_);                                                   \
                                                                                                   \
		memcpy(bytes, &v, sizeof(bytes));                                                  \
		put(x, (void *)&(field_), sizeof(field_), bytes);                                  \
	} while (0)

static struct page *page_at(struct mm *mm, uint64_t addr)
{
	const pte_t *pte = table_find(mm, addr);

	assert_non_null(pte);
	assert_true(pte_present(*pte));
	return pfn_to_page(mm->sys, pte_pfn(*pte));
}

static struct vma *vma_of(struct mm *mm, uint64_t addr)
{
	struct vma *vma = vma_at(mm, addr);

	assert_non_null(vma);
	return vma;
}

static struct page *table_of(struct mm *mm, uint64_t addr)
{
	return page_of_address(mm->sys, table_find(mm, addr));
}

static struct page *free_page(struct scene *x)
{
	assert_false(list_empty(&x->e.sys->free_frames));
	return list_entry(x->e.sys->free_frames.next, struct page, lru);
}

static uint64_t slot_at(struct mm *mm, uint64_t addr)
{
	pte_t pte = *table_find(mm, addr);

	assert_true(pte_is_swap(pte));
	return pte_pfn(pte);
}

/* ---------------------------------------------------------------- the damages */

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
	SET(x, x->e.sys->nr_tables, 1);
}

static void rss(struct scene *x)
{
	SET(x, x->p->rss[RSS_ANON], 99);
}

static void swap_list(struct scene *x)
{
	struct list_head alone = { &x->s->swap_list, &x->s->swap_list };

	put(x, &x->s->swap_list, sizeof(alone), &alone);
}

static void map_count(struct scene *x)
{
	SET(x, x->p->map_count, 1);
}

static void total_vm(struct scene *x)
{
	SET(x, x->p->total_vm, 1000);
}

static void locked_vm(struct scene *x)
{
	SET(x, x->p->locked_vm, 2);
}

static void data_vm(struct scene *x)
{
	SET(x, x->p->data_vm, 1000);
}

static void brk_below_start(struct scene *x)
{
	SET(x, x->p->start_brk, 0x1000000);
}

static void vma_end(struct scene *x)
{
	SET(x, vma_of(x->p, ANON)->rmap.end, SWAP + PAGE);
}

static void vma_of_other_mm(struct scene *x)
{
	SET(x, vma_of(x->p, RO)->rmap.mm, (uintptr_t)&x->s->rmap);
}

static void vma_group(struct scene *x)
{
	SET(x, vma_of(x->p, RO)->group, 5);
}

static void vma_no_group(struct scene *x)
{
	SET(x, vma_of(x->p, ANON)->group, 0);
}

static void vma_forked(struct scene *x)
{
	SET(x, vma_of(x->p, RO)->forked, 1);
}

static void damage_vma_flags(struct scene *x)
{
	SET(x, vma_of(x->p, SHMEM)->rmap.flags, 0);
}

static void vma_rights(struct scene *x)
{
	SET(x, vma_of(x->p, OWN)->flags, vma_of(x->p, OWN)->flags & ~VM_WRITE);
	/* What would be met first is its kind of memory. */
	x->p->data_vm--;
}

static void vma_bounds_unseen_by_the_tree(struct scene *x)
{
	SET(x, vma_of(x->p, ANON)->rmap.pgoff, 0x10001);
}

static void users(struct scene *x)
{
	SET(x, x->s->users, 0);
}

static void slot_count(struct scene *x)
{
	SET(x, x->e.sys->swap.slots[slot_at(x->p, SWAP)].count, 2);
}

static void slot_cache(struct scene *x)
{
	SET(x, x->e.sys->swap.slots[slot_at(x->p, SWAP)].cache, (uintptr_t)page_at(x->p, ANON));
}

static void slot_uncached(struct scene *x)
{
	SET(x, x->e.sys->swap.slots[slot_at(x->p, SWAP)].cache, 0);
}

static void slot_used(struct scene *x)
{
	SET(x, x->e.sys->swap.used, 1);
}

static void slot_free_in_use(struct scene *x)
{
	SET(x, x->e.sys->swap.free, slot_at(x->p, SWAP));
}

static void swapcache_flag(struct scene *x)
{
	SET(x, page_at(x->p, ANON)->flags, page_at(x->p, ANON)->flags | PG_SWAPCACHE);
}

static void file_vmas(struct scene *x)
{
	SET(x, x->file->rmap.nr_vmas, 1);
}

static void file_writable(struct scene *x)
{
	SET(x, x->file->rmap.writable, 1);
}

static void file_unlinked_vmas(struct scene *x)
{
	SET(x, x->file->rmap.vmas.node, 0);
}

static void file_entries(struct scene *x)
{
	SET(x, x->file->pages.count, 1);
}

static void file_dirty(struct scene *x)
{
	SET(x, x->file->nr_dirty, 0);
}

static void file_size(struct scene *x)
{
	SET(x, x->file->size, PAGE);
}

static void file_page_not_filled(struct scene *x)
{
	SET(x, page_at(x->p, FILES)->flags, page_at(x->p, FILES)->flags & ~(uint32_t)PG_UPTODATE);
}

static void system_anon(struct scene *x)
{
	SET(x, x->e.sys->nr_anon, 3);
}

static void system_file(struct scene *x)
{
	SET(x, x->e.sys->nr_file, 77);
}

static void system_shmem(struct scene *x)
{
	SET(x, x->e.sys->nr_shmem, 77);
}

static void system_dirty(struct scene *x)
{
	SET(x, x->e.sys->nr_dirty, 77);
}

static void system_committed(struct scene *x)
{
	SET(x, x->e.sys->committed, 7777);
}

static void system_untouched(struct scene *x)
{
	SET(x, x->e.sys->untouched, x->e.sys->nr_frames + 1);
}

/* ---- and those that take more than one field */

static void unlink_from(struct scene *x, struct list_head *entry)
{
	SET(x, entry->prev->next, (uintptr_t)entry->next);
	SET(x, entry->next->prev, (uintptr_t)entry->prev);
}

static void mm_list_broken(struct scene *x)
{
	SET(x, x->p->list.prev, 0);
}

static void mm_unknown_to_rmap(struct scene *x)
{
	unlink_from(x, &x->s->rmap.list);
}

static void mm_unknown_to_system(struct scene *x)
{
	unlink_from(x, &x->s->list);
}

static void swap_mms_unknown(struct scene *x)
{
	static struct mm nobody;
	struct list_head *head = &x->e.sys->swap.mms;

	nobody.swap_list.next = head->next;
	nobody.swap_list.prev = head;
	SET(x, head->next->prev, (uintptr_t)&nobody.swap_list);
	SET(x, head->next, (uintptr_t)&nobody.swap_list);
}

static void slots_beyond_the_device(struct scene *x)
{
	SET(x, x->e.sys->swap.next, x->e.sys->swap.nr_slots + 1);
}

static void slot_cached_nowhere(struct scene *x)
{
	SET(x, x->e.sys->swap.slots[slot_at(x->p, SWAP)].cache, 64);
}

static void slot_free_but_named(struct scene *x)
{
	SET(x, x->e.sys->swap.slots[slot_at(x->p, SWAP + PAGE)].flags, 0);
}

static void slot_in_use_for_nothing(struct scene *x)
{
	assert_true(x->e.sys->swap.free != SWAP_NONE);
	SET(x, x->e.sys->swap.slots[x->e.sys->swap.free].flags, SWAP_SLOT_USED);
}

static void slots_free_unlisted(struct scene *x)
{
	SET(x, x->e.sys->swap.free, SWAP_NONE);
}

static void vma_shared_without_file(struct scene *x)
{
	struct vma *vma = vma_of(x->p, RO);

	SET(x, vma->flags, vma->flags | VM_SHARED);
	SET(x, vma->rmap.flags, vma_rmap_flags(vma->flags));
}

static void vma_of_unknown_file(struct scene *x)
{
	SET(x, vma_of(x->p, FILES)->rmap.file, (uintptr_t)&x->p->rmap);
}

static void file_tree_is_no_tree(struct scene *x)
{
	SET(x, x->file->rmap.vmas.node->parent_color, 0);
}

static struct file_tree_node *file_root(struct scene *x)
{
	return x->file->pages.root;
}

static void file_with_store_has_slot(struct scene *x)
{
	SET(x, file_root(x)->slot[0], (uintptr_t)file_entry_of_slot(0));
}

static void file_tree_has_no_page(struct scene *x)
{
	SET(x, file_root(x)->slot[0], 64);
}

static void file_page_elsewhere(struct scene *x)
{
	SET(x, file_root(x)->slot[0], (uintptr_t)file_root(x)->slot[1]);
}

static void shmem_slot_never_used(struct scene *x)
{
	struct file_tree_node *root = vma_file(vma_of(x->s, OUT))->pages.root;

	assert_true(file_entry_is_slot(root->slot[0]));
	SET(x, root->slot[0], (uintptr_t)file_entry_of_slot(1 << 30));
}

static void page_lru_list_bits(struct scene *x)
{
	SET(x, page_at(x->p, ANON)->flags, page_at(x->p, ANON)->flags ^ (1u << PG_LRU_LIST_SHIFT));
}

static void page_mapped_on_no_list(struct scene *x)
{
	struct page *page = page_at(x->p, ANON);
	enum lru_list list = lru_list_on(page);

	unlink_from(x, &page->lru);
	SET(x, page->flags, page->flags & ~(uint32_t)(PG_LRU | PG_LRU_LIST));
	SET(x, x->e.sys->nr_lru[list], x->e.sys->nr_lru[list] - 1);
}

static struct page *take_free_page(struct scene *x)
{
	struct page *page = free_page(x);

	unlink_from(x, &page->lru);
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

#define DAMAGE(what, sentence)                                                                     \
	{                                                                                          \
#what, what, sentence, false                                                       \
	}
/* Only seen where the design keeps a record of its own that contradicts it. */
#define DAMAGE_CHAIN(what, sentence)                                                               \
	{                                                                                          \
#what, what, sentence, true                                                        \
	}

static const struct {
	const char *name;
	void (*damage)(struct scene *x);
	const char *sentence; /* part of it */
	bool chain;	      /* under anon_vma_chain */
} damages[] = {
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
	DAMAGE(page_lru_list, "by its flags it belongs on"),
	DAMAGE(page_lru_flag, "but does not say so"),
	DAMAGE(lru_count, "the system counts 77 inactive anonymous pages, the list has"),
	DAMAGE(lru_links, "is broken behind member"),
	DAMAGE(free_with_references, "is on the list of free frames with 1 references"),
	DAMAGE(free_with_flags, "is free, but still has flags 0x20"),
	DAMAGE(free_with_owner, "is free, but still has an owner"),
	DAMAGE(free_count, "free frames and has"),
	DAMAGE(pte_cleared, "anonymous pages, its tables have"),
	DAMAGE(pte_other_page, "which was never used"),
	DAMAGE(pte_writable, "may write to the zero page"),
	DAMAGE(pte_executable, "may execute, which VMA 0x60000000-0x60001000 does not allow"),
	DAMAGE(pte_writable_shared_page, "is writable, but the page is not exclusive"),
	DAMAGE(pte_of_no_kind, "is neither empty nor of any kind"),
	DAMAGE(pte_poisoned, "which is sound"),
	DAMAGE(pte_special, "not the zero page"),
	DAMAGE(pte_swap_slot, "a swap entry names slot"),
	DAMAGE(pte_swap_exclusive, "is exclusive, but 2 name the slot"),
	DAMAGE(table_entries, "says 100 entries and has"),
	DAMAGE(table_index, "but is at level 1, 0x10000000"),
	DAMAGE(table_owner, "of another mm"),
	DAMAGE(table_flag, "which is no table"),
	DAMAGE(table_count, "it counts 2 tables and has"),
	DAMAGE(table_count_of_system, "the system counts 1 page tables and has"),
	DAMAGE(rss, "it counts 99 anonymous pages, its tables have"),
	DAMAGE(swap_list, "but swapoff would not look there"),
	DAMAGE(map_count, "mm 2: "),
	DAMAGE(total_vm, "it counts 1000 pages of memory and has"),
	DAMAGE(locked_vm, "it counts 2 locked pages and has 1"),
	DAMAGE(data_vm, "it counts 1000 pages of data and has"),
	DAMAGE(brk_below_start, "the heap ends at 0x0, before its beginning 0x1000000"),
	DAMAGE(vma_end, "mm 2"),
	DAMAGE(vma_of_other_mm, "it says it is another mm's"),
	DAMAGE_CHAIN(vma_group, "the reverse map says unfaulted, the layout has group 5"),
	DAMAGE_CHAIN(vma_no_group, "the reverse map says faulted, the layout has group 0"),
	DAMAGE(vma_forked, "inherited faulted, but has no group"),
	DAMAGE(damage_vma_flags, "are not what the reverse map was told"),
	DAMAGE(vma_rights, "may write, which VMA 0x60000000-0x60001000 does not allow"),
	DAMAGE_CHAIN(vma_bounds_unseen_by_the_tree, "mm 2, VMA 0x10000000-0x10004000: "),
	DAMAGE(users, "mm 1: nobody uses it any more"),
	DAMAGE(slot_count, "it counts 2 entries, 1 name it"),
	DAMAGE(slot_cache, "which does not say so"),
	DAMAGE(slot_uncached, "cached"),
	DAMAGE(slot_used, "swap counts 1 slots in use"),
	DAMAGE(slot_free_in_use, "is on the list of free slots, but is not free"),
	DAMAGE(swapcache_flag, "says it is in the swap cache, but is not found there"),
	DAMAGE(file_vmas, "it counts 1 VMAs, 2 of them writable, and has 6, 2 of them writable"),
	DAMAGE(file_writable, "it counts 6 VMAs, 1 of them writable"),
	DAMAGE(file_unlinked_vmas, "6 VMAs map it, its tree has 0"),
	DAMAGE(file_entries, "it counts 1 entries of its tree and has"),
	DAMAGE(file_dirty, "it counts 0 dirty pages and has 1"),
	DAMAGE(file_size, "something is cached at 0x1, behind its end"),
	DAMAGE(file_page_not_filled, "was never filled"),
	DAMAGE(system_anon, "the system counts 3 anonymous pages and has"),
	DAMAGE(system_file, "the system counts 77 pages of files and has"),
	DAMAGE(system_shmem, "the system counts 77 pages of shared memory and has 2"),
	DAMAGE(system_dirty, "the system counts 77 dirty pages and has 1"),
	DAMAGE(system_committed,
	       "the system has promised 7777 pages, its VMAs and files account for"),
	DAMAGE(system_untouched, "frames are in use up to"),
	DAMAGE(mm_list_broken, "the list of address spaces is broken behind member 1"),
	DAMAGE(mm_unknown_to_rmap, "there are 3 address spaces, the reverse map knows 2"),
	DAMAGE(mm_unknown_to_system, "an address space that the system does not"),
	DAMAGE(swap_mms_unknown, "swapoff would look into an address space that is not there"),
	DAMAGE(slots_beyond_the_device, "swap slots are in use up to 1025 of 1024"),
	DAMAGE(slot_cached_nowhere, "it is cached in what is no page"),
	DAMAGE(slot_free_but_named, "it is free, but entries name it"),
	DAMAGE(slot_in_use_for_nothing, "it is in use, but nothing names or caches it"),
	DAMAGE(slots_free_unlisted, "swap slots are free, on the list are less"),
	DAMAGE(vma_shared_without_file, "it is shared, but of no file"),
	DAMAGE(vma_of_unknown_file, "the system does not know its file"),
	DAMAGE(file_tree_is_no_tree, "its tree of VMAs is no red-black tree"),
	DAMAGE(file_with_store_has_slot, "a swap slot at 0x0, though it has a store"),
	DAMAGE(file_tree_has_no_page, "its tree has at 0x0 what is no page"),
	DAMAGE(file_page_elsewhere, "at 0x0 of its tree says it belongs elsewhere, to 0x1"),
	DAMAGE(shmem_slot_never_used, "at 0x0 stands slot 1073741824, which was never used"),
	DAMAGE(page_lru_list_bits, "but says it is on another"),
	DAMAGE(page_mapped_on_no_list,
	       "is mapped and nobody else has it, but it is on no LRU list"),
	DAMAGE(page_lost, "is lost: nobody has it, and it is not free"),
	DAMAGE(table_unreached, "is a page table for 0x10000000 that no address space reaches"),
	DAMAGE(free_but_bad, "has gone bad, but may be handed out again"),
	DAMAGE(zero_page_mapped, "is no proper zero page"),
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

/* covers: I1, I3, I6, I7, I8, I9, I10, I11, I13 */
static void test_every_damage_is_named(void **state)
{
	struct scene x;
	unsigned int failed = 0;

	(void)state;
	scene_make(&x);
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct mm_check check = { 0 };
		uint64_t data_vm_before = x.p->data_vm;
		int error;

		if (damages[i].chain && !engine_design_is("anon_vma_chain"))
			continue;
		damages[i].damage(&x);
		error = mm_check(x.e.sys, &check);
		repair(&x);
		x.p->data_vm = data_vm_before;
		if (error != RMAP_EBADMSG || !strstr(check.message, damages[i].sentence)) {
			print_error("%s: \"%s\"\n", damages[i].name, check.message);
			failed++;
		}
		engine_check(&x.e);
	}
	assert_int_equal(failed, 0);
	scene_end(&x);
}

/* ---------------------------------------------------------------- a design whose walks are wrong */

static enum {
	WALK_RIGHT,
	WALK_MISSES,
	WALK_TWICE,
	WALK_ELSEWHERE,
	WALK_UNKNOWN_MM,
	WALK_OTHER_SLOT,
	WALK_OTHER_VMA,
	WALK_COUNTS_WRONG,
	WALK_FAILS,
	WALKS,
} walks;

/* Change what the walk shows, behind its back. */
struct forger {
	enum rmap_visit (*visit)(struct rmap_hit *hit, void *arg);
	void *arg;
};

static enum rmap_visit forge(struct rmap_hit *hit, void *arg)
{
	static struct rmap_mm nobody;
	struct forger *f = arg;
	struct rmap_hit shown = *hit;
	struct rmap_vma vma = *hit->vma;
	pte_t other = 0;

	if (walks == WALK_UNKNOWN_MM)
		shown.mm = &nobody;
	if (walks == WALK_OTHER_SLOT)
		shown.pte = &other;
	if (walks == WALK_OTHER_VMA) {
		vma.start = hit->addr + PAGE;
		shown.vma = &vma;
	}
	return f->visit(&shown, f->arg);
}

static int forged_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state)
{
	struct forger f = { state->walk->visit, state->walk->arg };
	int result;

	if (f.visit) {
		state->walk->visit = forge;
		state->walk->arg = &f;
	}
	result = rmap_anon_vma_chain.walk(rmap, page, state);
	state->walk->visit = f.visit;
	state->walk->arg = f.arg;
	return result;
}

/* The real walk, then the mistake. */
static int bad_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state)
{
	struct rmap_hit hit;
	struct rmap_mm *mm;

	if (walks == WALK_MISSES && rmap_page_mapcount(page) > 1)
		return 0;
	if (walks == WALK_FAILS)
		return RMAP_EAGAIN;
	if (walks == WALK_TWICE)
		rmap_anon_vma_chain.walk(rmap, page, state);
	if (walks == WALK_COUNTS_WRONG)
		state->walk->found++;
	if (walks == WALK_ELSEWHERE) {
		mm = list_entry(rmap->mms.next, struct rmap_mm, list);
		hit = (struct rmap_hit){ .mm = mm, .addr = 0x777000, .pte = mm_of_rmap(mm)->pgd };
		if (state->walk->visit)
			state->walk->visit(&hit, state->walk->arg);
	}
	return forged_walk(rmap, page, state);
}

static void test_wrong_walks_are_named(void **state)
{
	static const char *const sentences[] = {
		[WALK_MISSES] = "it finds 0 of 2",
		[WALK_TWICE] = "twice",
		[WALK_ELSEWHERE] = "at 0x777000, where the page is not",
		[WALK_UNKNOWN_MM] = "meets an address space that is not there",
		[WALK_OTHER_SLOT] = "by a slot that does not name it",
		[WALK_OTHER_VMA] = "with a VMA that is elsewhere",
		[WALK_COUNTS_WRONG] = "says it found 3 PTEs and shows 2",
		[WALK_FAILS] = "fails (EAGAIN)",
	};
	struct rmap_ops ops = rmap_anon_vma_chain;
	struct engine_config config = { .mm.design = &ops };
	struct engine e;
	struct mm *p, *c;

	(void)state;
	walks = WALK_RIGHT;
	ops.walk = bad_walk;
	engine_setup(&e, &config);
	p = engine_mm(&e);
	map_anon(&e, p, ANON, 1);
	poke(&e, p, ANON, 1);
	c = engine_fork(&e, p);
	for (walks = WALK_MISSES; walks < WALKS; walks++) {
		struct mm_check check = { 0 };

		assert_int_equal(mm_check(e.sys, &check), RMAP_EBADMSG);
		if (!strstr(check.message, sentences[walks]))
			fail_msg("%s", check.message);
	}
	walks = WALK_RIGHT;
	mm_put(c);
	mm_put(p);
	engine_teardown(&e);
}

/* Where migration entries stand for a page, the walk that is asked for those must find them. */
static void test_migration_entries_are_walked_too(void **state)
{
	struct rmap_ops ops = rmap_anon_vma_chain;
	struct engine_config config = { .mm.design = &ops };
	struct mm_check check = { 0 };
	struct engine e;
	struct page *page;
	struct mm *p;
	pte_t *pte, old;

	(void)state;
	walks = WALK_RIGHT;
	ops.walk = bad_walk;
	engine_setup(&e, &config);
	p = engine_mm(&e);
	map_anon(&e, p, ANON, 1);
	poke(&e, p, ANON, 1);
	page = page_at(p, ANON);
	pte = table_find(p, ANON);
	old = *pte;
	*pte = (old & PTE_PFN_MASK) | PTE_KIND_MIGRATION | PTE_MIG_EXCLUSIVE | PTE_MIG_WRITE;
	atomic_store(&page->rmap.mapcount, 0);
	assert_int_equal(mm_check(e.sys, &check), 0);
	assert_int_equal(check.ptes, 0);
	walks = WALK_TWICE;
	assert_int_equal(mm_check(e.sys, &check), RMAP_EBADMSG);
	assert_non_null(strstr(check.message, "twice"));
	walks = WALK_RIGHT;
	atomic_store(&page->rmap.mapcount, 1);
	*pte = old;
	mm_put(p);
	engine_teardown(&e);
}

/* ---------------------------------------------------------------- how much, and at what price */

static void test_a_sample_is_as_large_as_it_says(void **state)
{
	struct scene x;
	struct mm_check all = { 0 };

	(void)state;
	scene_make(&x);
	assert_int_equal(mm_check(x.e.sys, &all), 0);
	assert_true(all.walked > 8);
	assert_true(all.pages >= all.walked);
	/* P: 3 anonymous, 1 own, 2 shared memory, 1 file or more; C: 3, 1 from swap; S: 1. The zero page does not count. */
	assert_true(all.ptes >= 12);
	for (uint64_t most = 1; most <= all.walked + 1; most++)
		for (uint64_t seed = 0; seed < 8; seed++) {
			struct mm_check check = { .max_walks = most, .seed = seed };

			assert_int_equal(mm_check(x.e.sys, &check), 0);
			assert_int_equal(check.walked, most < all.walked ? most : all.walked);
			assert_int_equal(check.ptes, all.ptes);
		}
	scene_end(&x);
}

/* A sample by cost: it ends with the walk that reaches the limit, and no walk more. */
static void test_a_sample_costs_what_it_may(void **state)
{
	struct scene x;
	struct mm_check all = { 0 };

	(void)state;
	scene_make(&x);
	assert_int_equal(mm_check(x.e.sys, &all), 0);
	for (uint64_t seed = 0; seed < 8; seed++) {
		struct mm_check one = { .max_looks = 1, .seed = seed };
		struct mm_check half = { .max_looks = all.walked / 2, .seed = seed };
		struct mm_check most = { .max_looks = UINT64_MAX, .seed = seed };

		assert_int_equal(mm_check(x.e.sys, &one), 0);
		assert_int_equal(one.walked, 1);
		assert_int_equal(one.ptes, all.ptes);
		assert_int_equal(mm_check(x.e.sys, &half), 0);
		assert_in_range(half.walked, 1, all.walked / 2);
		assert_int_equal(mm_check(x.e.sys, &most), 0);
		assert_int_equal(most.walked, all.walked);
	}
	scene_end(&x);
}

/* A page whose walk goes wrong is found by some seed, and again by the same one. */
static void test_the_sample_depends_on_the_seed_alone(void **state)
{
	struct rmap_ops ops = rmap_anon_vma_chain;
	struct engine_config config = { .mm.design = &ops };
	struct engine e;
	struct mm *p, *c;
	unsigned int found = 0;

	(void)state;
	walks = WALK_RIGHT;
	ops.walk = bad_walk;
	engine_setup(&e, &config);
	p = engine_mm(&e);
	map_anon(&e, p, ANON, 16);
	poke(&e, p, ANON, 1);
	c = engine_fork(&e, p); /* one shared page */
	for (uint64_t i = 1; i < 16; i++)
		poke(&e, p, ANON + i * PAGE, 1); /* and fifteen of P's own */
	walks = WALK_MISSES;
	for (uint64_t seed = 0; seed < 64; seed++) {
		struct mm_check check = { .max_walks = 4, .seed = seed };
		struct mm_check again = { .max_walks = 4, .seed = seed };
		int error = mm_check(e.sys, &check);

		assert_int_equal(mm_check(e.sys, &again), error);
		assert_string_equal(check.message, again.message);
		found += error != 0;
	}
	/* One in four is to be expected. */
	assert_true(found > 4 && found < 40);
	walks = WALK_RIGHT;
	mm_put(c);
	mm_put(p);
	engine_teardown(&e);
}

static void test_checking_changes_and_counts_nothing(void **state)
{
	struct scene x;
	struct mm_check check = { 0 };
	struct mm_counters before, after;
	struct rmap_counters rmap_before;
	struct mm_memory memory_before, memory_after;
	static unsigned char pages_before[2048 * 64];
	struct rmap *rmap;

	(void)state;
	scene_make(&x);
	rmap = mm_system_rmap(x.e.sys);
	mm_get_counters(x.e.sys, &before);
	mm_get_memory(x.e.sys, &memory_before);
	memcpy(&rmap_before, &rmap->count, sizeof(rmap_before));
	memcpy(pages_before, x.e.sys->pages, sizeof(pages_before));
	assert_int_equal(mm_check(x.e.sys, &check), 0);
	mm_get_counters(x.e.sys, &after);
	mm_get_memory(x.e.sys, &memory_after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_memory_equal(&memory_before, &memory_after, sizeof(memory_before));
	assert_memory_equal(&rmap_before, &rmap->count, sizeof(rmap_before));
	assert_memory_equal(pages_before, x.e.sys->pages, sizeof(pages_before));
	scene_end(&x);
}

/* ---------------------------------------------------------------- without memory */

struct failing_port {
	struct mm_port port;
	const struct mm_port *below;
	unsigned int left; /* allocations until one fails; 0: none fails */
};

static void *failing_alloc(void *ctx, enum rmap_kind kind, size_t size)
{
	struct failing_port *f = ctx;

	if (kind == RMAP_KIND_BUFFER && f->left && --f->left == 0)
		return NULL;
	return f->below->os.alloc(f->below->os.ctx, kind, size);
}

static void pass_free(void *ctx, enum rmap_kind kind, void *object, size_t size)
{
	const struct mm_port *below = ((struct failing_port *)ctx)->below;

	below->os.free(below->os.ctx, kind, object, size);
}

static void pass_rcu_read_lock(void *ctx)
{
	const struct mm_port *below = ((struct failing_port *)ctx)->below;

	below->os.rcu_read_lock(below->os.ctx);
}

static void pass_rcu_read_unlock(void *ctx)
{
	const struct mm_port *below = ((struct failing_port *)ctx)->below;

	below->os.rcu_read_unlock(below->os.ctx);
}

static void pass_call_rcu(void *ctx, struct rmap_rcu *rcu,
			  void (*func)(void *ctx, struct rmap_rcu *rcu))
{
	const struct mm_port *below = ((struct failing_port *)ctx)->below;

	below->os.call_rcu(below->os.ctx, rcu, func);
}

static void pass_rcu_barrier(void *ctx)
{
	const struct mm_port *below = ((struct failing_port *)ctx)->below;

	below->os.rcu_barrier(below->os.ctx);
}

static const struct mm_port *fail_buffers(const struct mm_port *port, void *arg)
{
	struct failing_port *f = arg;

	f->below = port;
	f->port = *port;
	f->port.os.ctx = f;
	f->port.os.alloc = failing_alloc;
	f->port.os.free = pass_free;
	f->port.os.rcu_read_lock = pass_rcu_read_lock;
	f->port.os.rcu_read_unlock = pass_rcu_read_unlock;
	f->port.os.call_rcu = pass_call_rcu;
	f->port.os.rcu_barrier = pass_rcu_barrier;
	f->port.os.wait = NULL;
	f->port.os.wake = NULL;
	return &f->port;
}

static void test_without_memory_nothing_is_claimed(void **state)
{
	struct failing_port f = { 0 };
	struct engine_config config = { .wrap = fail_buffers, .arg = &f };
	struct mm_check check = { 0 };
	struct engine e;
	struct mm *p;
	unsigned int failures = 0;
	int error;

	(void)state;
	engine_setup(&e, &config);
	p = engine_mm(&e);
	map_anon(&e, p, ANON, 2);
	poke(&e, p, ANON, 1);
	do {
		f.left = failures + 1;
		error = mm_check(e.sys, &check);
		if (f.left == 0) {
			assert_int_equal(error, RMAP_ENOMEM);
			assert_string_equal(check.message, "");
			failures++;
		}
	} while (f.left == 0);
	f.left = 0;
	assert_int_equal(error, 0);
	assert_true(failures > 5);
	mm_put(p);
	engine_teardown(&e); /* which asserts that no buffer was lost */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_damage_is_named),
		cmocka_unit_test(test_wrong_walks_are_named),
		cmocka_unit_test(test_migration_entries_are_walked_too),
		cmocka_unit_test(test_a_sample_is_as_large_as_it_says),
		cmocka_unit_test(test_a_sample_costs_what_it_may),
		cmocka_unit_test(test_the_sample_depends_on_the_seed_alone),
		cmocka_unit_test(test_checking_changes_and_counts_nothing),
		cmocka_unit_test(test_without_memory_nothing_is_claimed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
