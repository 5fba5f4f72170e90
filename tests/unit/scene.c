// SPDX-License-Identifier: BSD-2-Clause
/*
 * The scene of the checker's tests; see scene.h.
 */
#include "scene.h"

#include "oom/inject.h"

#include <string.h>

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

void scene_make(struct scene *x)
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
	inject_test_system(NULL); /* from here on it is damaged on purpose */
}

void scene_end(struct scene *x)
{
	mm_put(x->s);
	mm_put(x->p);
	mm_put(x->c);
	mm_file_put(x->file);
	engine_teardown(&x->e);
}

void scene_put(struct scene *x, void *field, size_t size, const void *value)
{
	struct saved *saved = &x->saved[x->nr_saved++];

	assert_true(size <= sizeof(saved->before));
	saved->field = field;
	saved->size = size;
	memcpy(saved->before, field, size);
	memcpy(field, value, size);
}

void scene_repair(struct scene *x)
{
	while (x->nr_saved) {
		struct saved *saved = &x->saved[--x->nr_saved];

		memcpy(saved->field, saved->before, saved->size);
	}
}

void scene_unlink(struct scene *x, struct list_head *entry)
{
	SET(x, entry->prev->next, (uintptr_t)entry->next);
	SET(x, entry->next->prev, (uintptr_t)entry->prev);
}

struct page *page_at(struct mm *mm, uint64_t addr)
{
	const pte_t *pte = table_find(mm, addr);

	assert_non_null(pte);
	assert_true(pte_present(*pte));
	return pfn_to_page(mm->sys, pte_pfn(*pte));
}

struct vma *vma_of(struct mm *mm, uint64_t addr)
{
	struct vma *vma = vma_at(mm, addr);

	assert_non_null(vma);
	return vma;
}

struct page *table_of(struct mm *mm, uint64_t addr)
{
	return page_of_address(mm->sys, table_find(mm, addr));
}

struct page *free_page(struct scene *x)
{
	assert_false(list_empty(&x->e.sys->cpus[0].frames));
	return list_entry(x->e.sys->cpus[0].frames.next, struct page, lru);
}

uint64_t slot_at(struct mm *mm, uint64_t addr)
{
	pte_t pte = *table_find(mm, addr);

	assert_true(pte_is_swap(pte));
	return pte_pfn(pte);
}

void scene_expect_damages(const struct damage *damages, size_t nr)
{
	struct scene x;
	unsigned int failed = 0;

	scene_make(&x);
	for (size_t i = 0; i < nr; i++) {
		struct mm_check check = { 0 };
		uint64_t data_vm_before = x.p->data_vm;
		int error;

		if (damages[i].chain && !engine_design_is("anon_vma_chain"))
			continue;
		damages[i].damage(&x);
		error = mm_check(x.e.sys, &check);
		scene_repair(&x);
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
