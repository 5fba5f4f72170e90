// SPDX-License-Identifier: BSD-2-Clause
/*
 * The file map: pages of files found through the VMAs that map them, and ranges of a file found for truncation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tiny_vm.h"

/* What rmap_walk_file() visited. */
struct seen {
	unsigned int n;
	struct rmap_vma *vma[64];
	uint64_t first[64];
	uint64_t last[64];
};

static void see(struct rmap_vma *vma, uint64_t first, uint64_t last, void *arg)
{
	struct seen *s = arg;

	s->vma[s->n] = vma;
	s->first[s->n] = first;
	s->last[s->n++] = last;
}

static struct seen walk_file(struct tiny_vm *vm, struct rmap_file *file, uint64_t first,
			     uint64_t last)
{
	struct seen s = { .n = 0 };

	assert_int_equal(rmap_walk_file(&vm->rmap, file, first, last, see, &s), RMAP_OK);
	return s;
}

/*
 *	file:  0 1 2 3 4 5 6 7 8 9
 *	a:     [-----]               shared, may write
 *	b:         [-------]         private
 *	c:                 [-----]   shared, read only
 *
 * covers: I11
 */
static void test_tree(void **state)
{
	struct tiny_vm *vm = *state;
	struct rmap_file file;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_vma *a, *b, *c;
	struct seen s;

	rmap_file_init(&file);
	a = tiny_map_file(mm, 10, 4, &file, 0, RMAP_VMA_SHARED | RMAP_VMA_MAY_WRITE);
	b = tiny_map_file(mm, 20, 5, &file, 2, RMAP_VMA_MAY_WRITE);
	c = tiny_map_file(mm, 30, 4, &file, 6, RMAP_VMA_SHARED);
	assert_int_equal(file.nr_vmas, 3);
	assert_int_equal(file.writable, 1);

	s = walk_file(vm, &file, 3, 6);
	assert_int_equal(s.n, 3);
	assert_ptr_equal(s.vma[0], &a->rmap);
	assert_int_equal(s.first[0], 3);
	assert_int_equal(s.last[0], 3);
	assert_ptr_equal(s.vma[1], &b->rmap);
	assert_int_equal(s.first[1], 3);
	assert_int_equal(s.last[1], 6);
	assert_ptr_equal(s.vma[2], &c->rmap);
	assert_int_equal(s.first[2], 6);
	assert_int_equal(s.last[2], 6);

	assert_int_equal(walk_file(vm, &file, 10, UINT64_MAX).n, 0);
	assert_int_equal(walk_file(vm, &file, 0, UINT64_MAX).n, 3);
	assert_int_equal(rmap_walk_file(&vm->rmap, &file, 2, 1, see, &s), RMAP_EINVAL);

	tiny_unmap(a);
	assert_int_equal(file.writable, 0);
	assert_int_equal(file.nr_vmas, 2);
	assert_int_equal(walk_file(vm, &file, 0, 3).n, 1);
	tiny_exit(mm);
	assert_int_equal(file.nr_vmas, 0);
	assert_null(file.vmas.node);
}

/*
 * One page of the file at three different distances from the starts of three VMAs: what is one and the same is the index.
 *
 * covers: 1.5-1, 1.5-4, 1.4-4
 */
static void test_page_at_different_offsets(void **state)
{
	struct tiny_vm *vm = *state;
	struct rmap_file file;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_mm *other = tiny_mm_new(vm);
	struct tiny_page *page;
	struct rmap_walk walk;

	rmap_file_init(&file);
	page = tiny_file_page(vm, &file, 5);
	tiny_map_file(mm, 10, 8, &file, 0, RMAP_VMA_SHARED);
	tiny_map_file(mm, 30, 4, &file, 5, RMAP_VMA_SHARED);
	tiny_map_file(other, 2, 4, &file, 3, 0);
	tiny_map_file(other, 40, 9, &file, 0, 0); /* covers it, does not map it */
	assert_int_equal(tiny_walk(vm, page, 0).found, 0);
	assert_int_equal(tiny_walk(vm, page, 0).looks, 0); /* unmapped: known without a look */
	tiny_map_file_page(mm, 15, page);
	tiny_map_file_page(mm, 30, page);
	tiny_map_file_page(other, 4, page);
	tiny_check(vm);
	walk = tiny_walk(vm, page, 0);
	assert_int_equal(walk.found, 3);
	assert_int_equal(walk.looks, 4);
	tiny_exit(mm);
	tiny_check(vm);
	tiny_exit(other);
	tiny_check(vm);
	tiny_file_page_free(vm, page);
}

/*
 * A VMA is split and the upper half moved: each part still has the page at its index.
 *
 * covers: 1.9-7, B26
 */
static void test_split_and_move(void **state)
{
	struct tiny_vm *vm = *state;
	struct rmap_file file;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_vma *vma, *upper, *moved;
	struct tiny_page *low, *high;

	rmap_file_init(&file);
	low = tiny_file_page(vm, &file, 3);
	high = tiny_file_page(vm, &file, 9);
	vma = tiny_map_file(mm, 8, 10, &file, 1, RMAP_VMA_SHARED | RMAP_VMA_MAY_WRITE);
	tiny_map_file_page(mm, 10, low);
	tiny_map_file_page(mm, 16, high);
	tiny_check(vm);
	upper = tiny_split(vma, 12);
	assert_non_null(upper);
	assert_int_equal(upper->rmap.pgoff, 5);
	assert_int_equal(file.nr_vmas, 2);
	assert_int_equal(file.writable, 2);
	tiny_check(vm);
	moved = tiny_move(upper, 40);
	assert_non_null(moved);
	tiny_check(vm);
	assert_ptr_equal(tiny_page_at(mm, 44), high);
	moved = tiny_move(moved, 12); /* home again */
	tiny_check(vm);
	assert_int_equal(tiny_merge(vma, moved), RMAP_OK);
	tiny_check(vm);
	assert_int_equal(file.nr_vmas, 1);
	assert_int_equal(walk_file(vm, &file, 0, 100).last[0], 10);
	tiny_exit(mm);
	tiny_file_page_free(vm, low);
	tiny_file_page_free(vm, high);
}

/*
 * The child's VMA stands right behind its parent's, also when others of the same offset came later: a walker that is past the
 * parent still meets the child.
 *
 * covers: 1.5-12
 */
static void test_fork_order(void **state)
{
	struct tiny_vm *vm = *state;
	struct rmap_file file;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_mm *stranger = tiny_mm_new(vm);
	struct tiny_mm *child, *grandchild;
	struct tiny_vma *vma;
	struct seen s;

	rmap_file_init(&file);
	vma = tiny_map_file(mm, 10, 4, &file, 0, RMAP_VMA_SHARED);
	tiny_map_file(stranger, 10, 4, &file, 0, RMAP_VMA_SHARED);
	child = tiny_fork(mm);
	grandchild = tiny_fork(child);
	s = walk_file(vm, &file, 2, 2);
	assert_int_equal(s.n, 4);
	assert_ptr_equal(s.vma[0], &vma->rmap);
	assert_ptr_equal(s.vma[1], &child->vma[0]->rmap);
	assert_ptr_equal(s.vma[2], &grandchild->vma[0]->rmap);
	assert_ptr_equal(s.vma[3], &stranger->vma[0]->rmap);
	tiny_exit(child);
	assert_int_equal(walk_file(vm, &file, 2, 2).n, 3);
	tiny_exit(grandchild);
	tiny_exit(mm);
	tiny_exit(stranger);
}

/*
 * Relatives rebuilt: the grandchild has a part of what the first one maps, and not the child. It stands by its own offset, and so does who
 * maps another file, or none.
 *
 *	file:    0 1 2 3 4 5 6 7 8 9
 *	first:   [---------------]
 *	other:       [---]
 *	part:          [-----]           forked from first
 *	twin:    [-----]                 forked from first
 */
static void test_fork_rebuilt(void **state)
{
	struct tiny_vm *vm = *state;
	struct rmap_file file, another;
	struct tiny_mm *mm = tiny_mm_new(vm), *child, *grandchild;
	struct tiny_vma *first, *other;
	struct rmap_vma part, twin, elsewhere;
	struct seen s;

	rmap_file_init(&file);
	rmap_file_init(&another);
	child = tiny_fork(mm);
	grandchild = tiny_fork(child);
	first = tiny_map_file(mm, 10, 9, &file, 0, RMAP_VMA_MAY_WRITE);
	assert_int_equal(tiny_write(mm, 12, 1), RMAP_OK);
	other = tiny_map_file(mm, 30, 3, &file, 2, RMAP_VMA_SHARED);
	rmap_vma_init(&part, &grandchild->rmap, 40ull << RMAP_PAGE_SHIFT, 44ull << RMAP_PAGE_SHIFT,
		      3, &file, RMAP_VMA_MAY_WRITE);
	rmap_vma_init(&twin, &grandchild->rmap, 50ull << RMAP_PAGE_SHIFT, 54ull << RMAP_PAGE_SHIFT,
		      0, &file, RMAP_VMA_MAY_WRITE);
	rmap_vma_init(&elsewhere, &grandchild->rmap, 20ull << RMAP_PAGE_SHIFT,
		      24ull << RMAP_PAGE_SHIFT, 0, &another, RMAP_VMA_MAY_WRITE);
	assert_int_equal(rmap_vma_fork(&vm->rmap, &part, &first->rmap), RMAP_OK);
	assert_int_equal(rmap_vma_fork(&vm->rmap, &twin, &first->rmap), RMAP_OK);
	assert_int_equal(rmap_vma_fork(&vm->rmap, &elsewhere, &first->rmap), RMAP_OK);
	s = walk_file(vm, &file, 0, UINT64_MAX);
	assert_int_equal(s.n, 4);
	assert_ptr_equal(s.vma[0], &first->rmap);
	assert_ptr_equal(s.vma[1], &twin);
	assert_ptr_equal(s.vma[2], &other->rmap);
	assert_ptr_equal(s.vma[3], &part);
	assert_int_equal(s.first[3], 3);
	assert_int_equal(s.last[3], 6);
	assert_int_equal(walk_file(vm, &another, 0, UINT64_MAX).n, 1);
	rmap_vma_unlink(&vm->rmap, &part);
	rmap_vma_unlink(&vm->rmap, &twin);
	rmap_vma_unlink(&vm->rmap, &elsewhere);
	tiny_exit(child);
	tiny_exit(grandchild);
	tiny_exit(mm);
	assert_int_equal(file.nr_vmas, 0);
	assert_int_equal(another.nr_vmas, 0);
}

/*
 * A private mapping of a file: read, then written; the page of the file and the copy are found apart.
 *
 * covers: 1.6-2
 */
static void test_private_file(void **state)
{
	struct tiny_vm *vm = *state;
	struct rmap_file file;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_mm *child;
	struct tiny_page *page;

	rmap_file_init(&file);
	page = tiny_file_page(vm, &file, 7);
	tiny_map_file(mm, 20, 4, &file, 5, RMAP_VMA_MAY_WRITE);
	tiny_map_file_page(mm, 22, page);
	child = tiny_fork(mm);
	tiny_check(vm);
	assert_int_equal(tiny_walk(vm, page, 0).found, 2);
	assert_int_equal(tiny_write(child, 22, 1), RMAP_OK);
	assert_true(rmap_page_is_anon(&tiny_page_at(child, 22)->rmap));
	assert_int_equal(tiny_page_at(child, 22)->rmap.index, 7);
	tiny_check(vm);
	assert_int_equal(tiny_walk(vm, page, 0).found, 1);
	assert_int_equal(tiny_walk(vm, page, 0).looks, 2); /* the child's VMA still covers it */
	assert_ptr_equal(rmap_page_file(&page->rmap), &file);
	assert_null(rmap_page_file(&tiny_page_at(child, 22)->rmap));
	tiny_exit(mm);
	tiny_exit(child);
	tiny_file_page_free(vm, page);
}

static void locked(void *arg)
{
	(void)arg;
	fail_msg("a walk slept for a lock under TRYLOCK");
}

/*
 * While the file's lock is held for a move, a walk that must not wait says so.
 *
 * covers: 1.1-5, 1.10-5
 */
static void test_trylock(void **state)
{
	struct tiny_vm *vm = *state;
	struct rmap_file file;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_vma *vma;
	struct tiny_page *page;
	struct rmap_walk walk = { .flags = RMAP_WALK_TRYLOCK, .purpose = RMAP_WALK_REFERENCE };

	rmap_file_init(&file);
	page = tiny_file_page(vm, &file, 0);
	vma = tiny_map_file(mm, 10, 4, &file, 0, RMAP_VMA_SHARED);
	tiny_map_file_page(mm, 10, page);
	vm->on_wait = locked;
	rmap_move_begin(&vm->rmap, &vma->rmap, &vma->rmap, true);
	assert_int_equal(rmap_walk(&vm->rmap, &page->rmap, &walk), RMAP_EAGAIN);
	rmap_move_end(&vm->rmap, &vma->rmap, &vma->rmap, true);
	assert_int_equal(rmap_walk(&vm->rmap, &page->rmap, &walk), RMAP_OK);
	assert_int_equal(walk.found, 1);
	tiny_exit(mm);
	tiny_file_page_free(vm, page);
}

static enum rmap_visit stop(struct rmap_hit *hit, void *arg)
{
	(void)hit;
	(void)arg;
	return RMAP_VISIT_STOP;
}

static bool skip_all(const struct rmap_vma *vma, void *arg)
{
	(void)vma;
	(void)arg;
	return true;
}

/*
 * Early ends, skipped VMAs, counters by purpose.
 *
 * covers: 1.5-2, 1.5-8
 */
static void test_walk_rules(void **state)
{
	struct tiny_vm *vm = *state;
	struct rmap_counts count;
	struct rmap_file file;
	struct tiny_mm *mm = tiny_mm_new(vm);
	struct tiny_page *page;
	struct rmap_walk walk = { .visit = stop, .purpose = RMAP_WALK_CLEAN };

	rmap_file_init(&file);
	page = tiny_file_page(vm, &file, 0);
	for (unsigned int i = 0; i < 5; i++) {
		tiny_map_file(mm, 10 * i + 1, 1, &file, 0, RMAP_VMA_SHARED);
		tiny_map_file_page(mm, 10 * i + 1, page);
	}
	assert_int_equal(rmap_walk(&vm->rmap, &page->rmap, &walk), RMAP_OK);
	assert_int_equal(walk.found, 1);
	walk.visit = NULL;
	walk.skip = skip_all;
	assert_int_equal(rmap_walk(&vm->rmap, &page->rmap, &walk), RMAP_OK);
	assert_int_equal(walk.looks, 0);
	assert_true(walk.steps >= 5);
	rmap_get_counts(&vm->rmap, &count);
	assert_int_equal(count.walk[RMAP_WALK_CLEAN].walks, 2);
	assert_int_equal(count.walk[RMAP_WALK_CLEAN].found, 1);
	assert_int_equal(count.walk[RMAP_WALK_CLEAN].max_looks, 1);
	walk.flags = RMAP_WALK_CHECK;
	walk.skip = NULL;
	assert_int_equal(rmap_walk(&vm->rmap, &page->rmap, &walk), RMAP_OK);
	assert_int_equal(walk.found, 5);
	rmap_get_counts(&vm->rmap, &count);
	assert_int_equal(count.walk[RMAP_WALK_CLEAN].walks, 2); /* a checker counts nothing */
	tiny_exit(mm);
	tiny_file_page_free(vm, page);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tiny_setup, tiny_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tree),	   TEST(test_page_at_different_offsets),
		TEST(test_split_and_move), TEST(test_fork_order),
		TEST(test_fork_rebuilt),   TEST(test_private_file),
		TEST(test_trylock),	   TEST(test_walk_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
