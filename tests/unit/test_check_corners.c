// SPDX-License-Identifier: BSD-2-Clause
/*
 * The checker: damages that only one of several conditions sees. The scene is drawn in scene.h; each must be named.
 */
#include "scene.h"

#include "mm/swap.h"
#include "mm/vma_lock.h"

#include <string.h>

/* A frame beyond all that were ever used. */
static struct page *unused_page(struct scene *x)
{
	return &x->e.sys->pages[x->e.sys->nr_frames - 1];
}

/* In the swap cache: C has it back, P's entry still leads to it. */
static struct swap_slot *slot_of(struct scene *x)
{
	return &x->e.sys->swap.slots[slot_at(x->p, SWAP)];
}

/* ---------------------------------------------------------------- lists */

static void list_ends(struct scene *x)
{
	SET(x, x->p->list.next, 0);
}

static void lru_has_no_page(struct scene *x)
{
	struct list_head *head = &x->e.sys->lru[LRU_UNEVICTABLE];
	struct list_head *stranger = &unused_page(x)->lru;

	SET(x, stranger->next, (uintptr_t)head);
	SET(x, stranger->prev, (uintptr_t)head->prev);
	SET(x, head->prev->next, (uintptr_t)stranger);
	SET(x, head->prev, (uintptr_t)stranger);
}

static void free_list_has_unused_frame(struct scene *x)
{
	struct list_head *head = &x->e.sys->cpus[0].frames;
	struct list_head *stranger = &unused_page(x)->lru;

	SET(x, stranger->next, (uintptr_t)head);
	SET(x, stranger->prev, (uintptr_t)head->prev);
	SET(x, head->prev->next, (uintptr_t)stranger);
	SET(x, head->prev, (uintptr_t)stranger);
}

static void lru_page_is_free(struct scene *x)
{
	SET(x, slot_of(x)->cache->refs, 0);
}

static void lru_page_is_reserved(struct scene *x)
{
	struct page *page = page_at(x->p, FILES);

	SET(x, page->flags, page->flags | PG_RESERVED);
}

static void lru_page_says_unevictable(struct scene *x)
{
	struct page *page = page_at(x->p, FILES);

	SET(x, page->flags, page->flags | PG_UNEVICTABLE);
}

/* Puts entry at the end of a list, out of which it was taken, or that it was never in. */
static void put_into(struct scene *x, struct list_head *head, struct list_head *entry)
{
	SET(x, entry->next, (uintptr_t)head);
	SET(x, entry->prev, (uintptr_t)head->prev);
	SET(x, head->prev->next, (uintptr_t)entry);
	SET(x, head->prev, (uintptr_t)entry);
}

static struct list_head *batch(struct scene *x)
{
	return &x->e.sys->cpus[0].lru;
}

static void free_list_ends(struct scene *x)
{
	SET(x, x->e.sys->cpus[0].frames.prev, 0);
}

static void batch_ends(struct scene *x)
{
	SET(x, batch(x)->prev, 0);
}

static void swap_mms_end(struct scene *x)
{
	SET(x, x->e.sys->swap.mms.prev, 0);
}

static void files_end(struct scene *x)
{
	SET(x, x->file->list.next, 0);
}

/* One processor's, who also says that it never handed it out, and another's. */
static void free_on_two_lists(struct scene *x)
{
	struct mm_cpu *cpu = x->e.sys->cpus;
	struct page *page = free_page(x);

	scene_unlink(x, &page->lru);
	put_into(x, &cpu[1].frames, &page->lru);
	SET(x, cpu[0].fresh, page_to_pfn(x->e.sys, page));
	SET(x, cpu[0].fresh_end, page_to_pfn(x->e.sys, page) + 1);
}

static void fresh_frames_behind_the_last(struct scene *x)
{
	SET(x, x->e.sys->cpus[1].fresh, x->e.sys->nr_frames - 1);
	SET(x, x->e.sys->cpus[1].fresh_end, x->e.sys->nr_frames);
}

static void batch_has_no_page(struct scene *x)
{
	put_into(x, batch(x), &unused_page(x)->lru);
}

static void batch_has_free_page(struct scene *x)
{
	struct page *page = free_page(x);

	scene_unlink(x, &page->lru);
	put_into(x, batch(x), &page->lru);
}

static void batch_has_zero_page(struct scene *x)
{
	put_into(x, batch(x), &x->e.sys->zero_page->lru);
}

static void batch_page_says_another_list(struct scene *x)
{
	struct page *page = list_entry(batch(x)->next, struct page, lru);

	assert_false(list_empty(batch(x)));
	SET(x, page->flags, page->flags ^ (1u << PG_LRU_CPU_SHIFT));
}

static void lru_has_free_page(struct scene *x)
{
	struct page *page = free_page(x);

	scene_unlink(x, &page->lru);
	SET(x, x->e.sys->nr_free, x->e.sys->nr_free - 1);
	put_into(x, &x->e.sys->lru[LRU_UNEVICTABLE], &page->lru);
}

static void lru_has_zero_page(struct scene *x)
{
	struct page *page = x->e.sys->zero_page;

	SET(x, page->flags, page->flags | PG_LRU);
	put_into(x, &x->e.sys->lru[LRU_UNEVICTABLE], &page->lru);
}

/* ---------------------------------------------------------------- pages */

static void second_zero_page(struct scene *x)
{
	struct page *page = free_page(x);

	scene_unlink(x, &page->lru);
	SET(x, x->e.sys->nr_free, x->e.sys->nr_free - 1);
	SET(x, page->refs, 1);
	SET(x, page->flags, PG_RESERVED);
}

static void free_page_is_mapped(struct scene *x)
{
	SET(x, free_page(x)->rmap.mapcount, 1);
}

static void free_page_is_exclusive(struct scene *x)
{
	SET(x, free_page(x)->rmap.exclusive, 1);
}

static void zero_page_is_mapped(struct scene *x)
{
	SET(x, x->e.sys->zero_page->rmap.mapcount, 1);
}

static void zero_page_is_free(struct scene *x)
{
	SET(x, x->e.sys->zero_page->refs, 0);
}

static void another_zero_page(struct scene *x)
{
	SET(x, x->e.sys->zero_page, (uintptr_t)unused_page(x));
}

/* ---------------------------------------------------------------- files */

/* As many VMAs in the tree as there are, but one of them is of no file, and one of the file's is not in it. */
static void file_has_another_vma(struct scene *x)
{
	SET(x, vma_of(x->p, NONE)->rmap.file, (uintptr_t)&x->file->rmap);
	SET(x, vma_of(x->p, CODE + 8 * PAGE)->rmap.file, 0);
}

static void file_page_is_of_another_file(struct scene *x)
{
	SET(x, page_at(x->p, SHMEM)->rmap.mapping, (uintptr_t)&x->file->rmap);
}

/* Read once, mapped by nobody. */
static struct page *unmapped_page(struct scene *x)
{
	char byte;
	struct page *page;

	assert_int_equal(mm_file_read(x->file, 3 * PAGE, &byte, 1, NULL), 0);
	page = file_tree_get(&x->file->pages, 3);
	assert_non_null(page);
	return page;
}

static void unmapped_page_is_of_another_file(struct scene *x)
{
	SET(x, unmapped_page(x)->rmap.mapping, page_at(x->p, SHMEM)->rmap.mapping);
}

static void unmapped_page_is_free(struct scene *x)
{
	struct page *page = unmapped_page(x);

	scene_unlink(x, &page->lru);
	SET(x, page->flags, page->flags & ~(uint32_t)(PG_LRU | PG_LRU_LIST));
	SET(x, x->e.sys->nr_lru[LRU_INACTIVE_FILE], x->e.sys->nr_lru[LRU_INACTIVE_FILE] - 1);
	SET(x, page->refs, 0);
}

/* Nothing of it was touched: only its place in the tree shows it. */
static void walk_of_file_goes_back(struct scene *x)
{
	SET(x, vma_of(x->c, FILES)->rmap.pgoff, 7);
}

/* Whoever wants to hold it comes too late. */
static void file_is_on_its_way_out(struct scene *x)
{
	SET(x, x->file->refs, 0);
}

/* ---------------------------------------------------------------- swap */

static void cached_page_is_free(struct scene *x)
{
	struct page *page = free_page(x);

	SET(x, page->flags, PG_SWAPCACHE);
	SET(x, page->private, slot_at(x->p, SWAP + PAGE));
	SET(x, x->e.sys->swap.slots[slot_at(x->p, SWAP + PAGE)].cache, (uintptr_t)page);
}

static void free_slots_go_round(struct scene *x)
{
	struct swap_map *swap = &x->e.sys->swap;

	assert_true(swap->free != SWAP_NONE);
	SET(x, swap->slots[swap->free].next_free, swap->free);
}

static void cached_page_is_exclusive(struct scene *x)
{
	SET(x, slot_of(x)->cache->rmap.exclusive, 1);
}

static void slot_cached_behind_the_last_page(struct scene *x)
{
	struct swap_slot *slot = slot_of(x);

	SET(x, slot->cache, (uintptr_t)unused_page(x));
}

static void cached_page_of_another_slot(struct scene *x)
{
	struct page *page = slot_of(x)->cache;

	SET(x, page->private, page->private + 1);
}

static void slot_free_but_cached(struct scene *x)
{
	struct swap_map *swap = &x->e.sys->swap;

	assert_true(swap->free != SWAP_NONE);
	SET(x, swap->slots[swap->free].cache, (uintptr_t)page_at(x->p, OWN));
}

static void free_slot_was_never_used(struct scene *x)
{
	SET(x, x->e.sys->swap.free, x->e.sys->swap.next);
}

static void more_bad_slots(struct scene *x)
{
	SET(x, x->e.sys->swap.bad, x->e.sys->swap.bad + 1);
}

static void more_cached_slots(struct scene *x)
{
	SET(x, x->e.sys->swap.cached, x->e.sys->swap.cached + 1);
}

/* ---------------------------------------------------------------- VMAs */

static void vma_lies_crooked(struct scene *x)
{
	SET(x, vma_of(x->p, OWN)->rmap.end, OWN + PAGE / 2);
}

static void vma_is_empty(struct scene *x)
{
	SET(x, vma_of(x->p, OWN)->rmap.end, OWN);
}

/* The highest: no gap lies above it that would tell. */
static void last_vma_lies_crooked(struct scene *x)
{
	SET(x, vma_of(x->s, BAD)->rmap.end, BAD + PAGE / 2);
}

static void last_vma_is_empty(struct scene *x)
{
	SET(x, vma_of(x->s, BAD)->rmap.end, BAD);
}

static void vma_behind_user_space(struct scene *x)
{
	SET(x, vma_of(x->p, NONE)->rmap.end, MM_TASK_SIZE + PAGE);
}

static void vma_gap(struct scene *x)
{
	SET(x, vma_of(x->p, OWN)->gap, PAGE);
}

static void vma_gap_below(struct scene *x)
{
	struct vma *root = rmap_container_of(x->p->vmas.node, struct vma, node);

	SET(x, root->gap_max, root->gap_max + PAGE);
}

static void vma_tree_is_no_tree(struct scene *x)
{
	SET(x, x->p->vmas.node, (uintptr_t)x->p->vmas.node->left);
}

static void vma_is_read_locked(struct scene *x)
{
	SET(x, vma_of(x->p, OWN)->lock, 1);
}

static void vma_says_it_has_left(struct scene *x)
{
	SET(x, vma_of(x->p, OWN)->lock, VMA_LOCK_DETACHED);
}

/* ---------------------------------------------------------------- tables */

static void table_is_free(struct scene *x)
{
	SET(x, table_of(x->p, OWN)->refs, 0);
}

static void table_of_another_level(struct scene *x)
{
	SET(x, table_of(x->p, OWN)->rmap.design, 2);
}

static void entry_above_all_vmas(struct scene *x)
{
	SET(x, *table_find(x->s, BAD + PAGE), *table_find(x->s, BAD));
}

static void poison_of_no_page(struct scene *x)
{
	SET(x, *table_find(x->s, BAD), pte_make(x->e.sys->nr_frames + 1, PTE_KIND_POISON));
}

static void cpu_is_another(struct scene *x)
{
	SET(x, x->e.sys->cpus[1].number, 5);
}

static const struct damage damages[] = {
	DAMAGE(free_list_ends, "the list of free frames is broken"),
	DAMAGE(batch_ends, "the list of pages in a batch is broken"),
	DAMAGE(swap_mms_end, "the list of address spaces with swap entries is broken"),
	DAMAGE(files_end, "the list of files is broken"),
	DAMAGE(free_on_two_lists, "is free twice"),
	DAMAGE(fresh_frames_behind_the_last, "free frames and has"),
	DAMAGE(batch_has_no_page, "is in the batch of processor 0, but no page"),
	DAMAGE(batch_has_free_page, "is in the batch of processor 0, but free"),
	DAMAGE(batch_has_zero_page, "is in the batch of processor 0, but says"),
	DAMAGE(batch_page_says_another_list, "but says that it is elsewhere"),
	DAMAGE(lru_has_free_page, "is on the list of unevictable pages, but free"),
	DAMAGE(lru_has_zero_page, "is on the list of unevictable pages, but no data page"),
	DAMAGE(second_zero_page, "is no proper zero page"),
	DAMAGE(walk_of_file_goes_back, "out of order or cut"),
	DAMAGE(file_is_on_its_way_out, "the system does not know its file"),
	DAMAGE(cached_page_is_free, "which does not say so"),
	DAMAGE(free_slots_go_round, "on the list are more"),
	DAMAGE(cached_page_is_exclusive, "is exclusive, but 1 swap entries lead to it by slot"),
	DAMAGE(last_vma_lies_crooked, "no such range can be"),
	DAMAGE(last_vma_is_empty, "no such range can be"),
	DAMAGE(entry_above_all_vmas, "lies in no VMA"),
	DAMAGE(cpu_is_another, "a processor says of itself what cannot be"),
	DAMAGE(list_ends, "the list of address spaces is broken behind member"),
	DAMAGE(lru_has_no_page, "the list of unevictable pages has what is no page"),
	DAMAGE(free_list_has_unused_frame, "is on the list of free frames, but was never used"),
	DAMAGE(lru_page_is_free, "which is free"),
	DAMAGE(lru_page_is_reserved, "which is the zero page"),
	DAMAGE(lru_page_says_unevictable, "but says it is on another"),
	DAMAGE(free_page_is_mapped, "still has an owner, a map count or an exclusive mark"),
	DAMAGE(free_page_is_exclusive, "still has an owner, a map count or an exclusive mark"),
	DAMAGE(zero_page_is_mapped, "is no proper zero page"),
	DAMAGE(zero_page_is_free, "zero page"),
	DAMAGE(another_zero_page, "zero page"),
	DAMAGE(file_has_another_vma, ", but others"),
	DAMAGE(file_page_is_of_another_file, "is of another file than VMA"),
	DAMAGE(unmapped_page_is_of_another_file, "says it belongs elsewhere"),
	DAMAGE(unmapped_page_is_free, "of its tree is free"),
	DAMAGE(slot_cached_behind_the_last_page, "it is cached in what is no page"),
	DAMAGE(cached_page_of_another_slot, "which does not say so"),
	DAMAGE(slot_free_but_cached, "it is free, but cached"),
	DAMAGE(free_slot_was_never_used, "is on the list of free slots, but is not free"),
	DAMAGE(more_bad_slots, "swap counts"),
	DAMAGE(more_cached_slots, "swap counts"),
	DAMAGE(vma_lies_crooked, "mm 2"),
	DAMAGE(vma_is_empty, "mm 2"),
	DAMAGE(vma_behind_user_space, "mm 2"),
	DAMAGE(vma_gap, "a VMA's gap is not what lies between it and the one before"),
	DAMAGE(vma_gap_below, "has another largest gap below it than it says"),
	DAMAGE(vma_tree_is_no_tree, "its tree of VMAs is no red-black tree"),
	DAMAGE(vma_is_read_locked, "a VMA is locked although no fault is under way"),
	DAMAGE(vma_says_it_has_left, "a VMA in the tree says that it has left"),
	DAMAGE(table_is_free, "which is no table"),
	DAMAGE(table_of_another_level, "but is at level 1"),
	DAMAGE(poison_of_no_page, "which is sound"),
};

/* covers: I10 */
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

	return cmocka_run_group_tests(tests, NULL, NULL);
}
