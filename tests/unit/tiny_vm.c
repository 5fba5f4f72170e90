// SPDX-License-Identifier: BSD-2-Clause
/*
 * The tiny virtual memory manager; see tiny_vm.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "failed.h"
#include "oom/inject.h"
#include "rmap/anon_vma_chain.h"
#include "tiny_vm.h"

static uint64_t addr_of(unsigned int n)
{
	return (uint64_t)n << RMAP_PAGE_SHIFT;
}

static unsigned int page_of(uint64_t addr)
{
	return (unsigned int)(addr >> RMAP_PAGE_SHIFT);
}

static struct tiny_mm *mm_of(struct rmap_mm *mm)
{
	return rmap_container_of(mm, struct tiny_mm, rmap);
}

static struct tiny_page *tiny_page_of(struct rmap_page *page)
{
	return rmap_container_of(page, struct tiny_page, rmap);
}

/* ---------------------------------------------------------------- the port */

static void *port_alloc(void *ctx, enum rmap_kind kind, size_t size)
{
	struct tiny_vm *vm = ctx;
	void *object = NULL;

	if (inject_fails(__builtin_return_address(0)))
		return NULL;
	pthread_mutex_lock(&vm->lock);
	vm->allocs++;
	if (vm->fail_at && vm->allocs == vm->fail_at) {
		pthread_mutex_unlock(&vm->lock);
		return NULL;
	}
	vm->outstanding++;
	if (rmap_kind_is_type_stable(kind) && vm->free_objects[kind]) {
		/* The link is in front of the object, since nobody may write to that. */
		void **link = (void **)vm->free_objects[kind] - 1;

		object = vm->free_objects[kind];
		vm->free_objects[kind] = *link;
	}
	pthread_mutex_unlock(&vm->lock);
	if (object)
		return object;
	if (kind == RMAP_KIND_PTE_CHAIN) {
		object = aligned_alloc(64, size);
		return object ? memset(object, 0, size) : NULL;
	}
	if (!rmap_kind_is_type_stable(kind))
		return calloc(1, size);
	return (void **)calloc(1, size + sizeof(void *)) + 1;
}

static void port_free(void *ctx, enum rmap_kind kind, void *object, size_t size)
{
	struct tiny_vm *vm = ctx;

	(void)size;
	pthread_mutex_lock(&vm->lock);
	vm->outstanding--;
	if (rmap_kind_is_type_stable(kind)) {
		*((void **)object - 1) = vm->free_objects[kind];
		vm->free_objects[kind] = object;
		object = NULL;
	}
	pthread_mutex_unlock(&vm->lock);
	free(object);
}

static void port_rcu_nothing(void *ctx)
{
	/* Type-stable objects go back to the C library when the test ends, so sections have nothing to hold. */
	(void)ctx;
}

static void port_call_rcu(void *ctx, struct rmap_rcu *rcu,
			  void (*func)(void *ctx, struct rmap_rcu *rcu))
{
	func(ctx, rcu);
}

static void port_wait(void *ctx, const _Atomic uint32_t *word, uint32_t value)
{
	struct tiny_vm *vm = ctx;

	(void)word;
	(void)value;
	if (vm->on_wait)
		vm->on_wait(vm->on_wait_arg);
	else
		rmap_cpu_relax();
}

static void port_wake(void *ctx, const _Atomic uint32_t *word)
{
	(void)ctx;
	(void)word;
}

static enum rmap_find_result port_pte_find(void *ctx, struct rmap_mm *rmap_mm, uint64_t addr,
					   struct rmap_page *page, unsigned int flags,
					   struct rmap_hit *hit)
{
	enum tiny_kind kind = flags & RMAP_FIND_ENTRIES ? TINY_MIGRATION : TINY_PRESENT;
	struct tiny_mm *mm = mm_of(rmap_mm);
	struct tiny_pte *pte;

	(void)ctx;
	if (page_of(addr) >= TINY_SLOTS)
		return RMAP_FIND_NO_SLOT;
	pte = &mm->pte[page_of(addr)];
	rmap_spin_lock(&mm->ptl);
	if (pte->kind != kind || pte->page != tiny_page_of(page)) {
		rmap_spin_unlock(&mm->ptl);
		return RMAP_FIND_OTHER;
	}
	*hit = (struct rmap_hit){ .mm = rmap_mm, .addr = addr, .pte = pte, .table_lock = &mm->ptl };
	return RMAP_FIND_HIT;
}

static void port_pte_unlock(void *ctx, struct rmap_hit *hit)
{
	(void)ctx;
	rmap_spin_unlock(hit->table_lock);
}

static struct rmap_vma *port_vma_find(void *ctx, struct rmap_mm *mm, uint64_t addr)
{
	struct tiny_vma *vma = tiny_vma_at(mm_of(mm), page_of(addr));

	(void)ctx;
	return vma ? &vma->rmap : NULL;
}

static __attribute__((noreturn)) void port_panic(void *ctx, const char *file, int line,
						 const char *what)
{
	(void)ctx;
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
	abort();
}

struct tiny_vm *tiny_vm_new(void)
{
	struct tiny_vm *vm = calloc(1, sizeof(*vm));

	test_begins();
	pthread_mutex_init(&vm->lock, NULL);
	vm->pool = calloc(TINY_POOL, sizeof(*vm->pool));
	vm->free_pages = calloc(TINY_POOL, sizeof(*vm->free_pages));
	for (uint32_t i = 0; i < TINY_POOL; i++)
		vm->free_pages[vm->nr_free++] = TINY_POOL - 1 - i;
	vm->port = (struct rmap_port){
		.ctx = vm,
		.alloc = port_alloc,
		.free = port_free,
		.rcu_read_lock = port_rcu_nothing,
		.rcu_read_unlock = port_rcu_nothing,
		.call_rcu = port_call_rcu,
		.rcu_barrier = port_rcu_nothing,
		.wait = port_wait,
		.wake = port_wake,
		.pte_find = port_pte_find,
		.pte_unlock = port_pte_unlock,
		.vma_find = port_vma_find,
		.panic = port_panic,
	};
	assert_int_equal(rmap_init(&vm->rmap, &rmap_anon_vma_chain, &vm->port), RMAP_OK);
	return vm;
}

void tiny_vm_free(struct tiny_vm *vm)
{
	if (test_has_failed())
		return;
	assert_int_equal(vm->nr_mms, 0);
	rmap_destroy(&vm->rmap);
	assert_int_equal(vm->outstanding, 0);
	assert_int_equal(vm->nr_free, TINY_POOL);
	for (unsigned int kind = 0; kind < RMAP_KINDS; kind++) {
		while (vm->free_objects[kind]) {
			void **link = (void **)vm->free_objects[kind] - 1;

			vm->free_objects[kind] = *link;
			free(link);
		}
	}
	pthread_mutex_destroy(&vm->lock);
	free(vm->free_pages);
	free(vm->pool);
	free(vm);
}

int tiny_setup(void **state)
{
	*state = tiny_vm_new();
	return 0;
}

int tiny_teardown(void **state)
{
	tiny_vm_free(*state);
	return 0;
}

void tiny_fail_at(struct tiny_vm *vm, uint64_t n)
{
	vm->allocs = 0;
	vm->fail_at = n;
}

/* ---------------------------------------------------------------- pages */

static struct tiny_page *page_new(struct tiny_vm *vm, uint32_t value)
{
	struct tiny_page *page;

	pthread_mutex_lock(&vm->lock);
	assert_true(vm->nr_free > 0);
	page = &vm->pool[vm->free_pages[--vm->nr_free]];
	pthread_mutex_unlock(&vm->lock);
	page->value = value;
	atomic_store_explicit(&page->refs, 1, memory_order_release);
	return page;
}

bool tiny_page_get(struct tiny_page *page)
{
	uint32_t n = atomic_load_explicit(&page->refs, memory_order_relaxed);

	while (n && !atomic_compare_exchange_weak_explicit(
			    &page->refs, &n, n + 1, memory_order_acquire, memory_order_relaxed))
		;
	return n != 0;
}

void tiny_page_put(struct tiny_vm *vm, struct tiny_page *page)
{
	if (atomic_fetch_sub_explicit(&page->refs, 1, memory_order_acq_rel) != 1)
		return;
	rmap_page_free(&vm->rmap, &page->rmap);
	pthread_mutex_lock(&vm->lock);
	vm->free_pages[vm->nr_free++] = (uint32_t)(page - vm->pool);
	pthread_mutex_unlock(&vm->lock);
}

struct tiny_page *tiny_file_page(struct tiny_vm *vm, struct rmap_file *file, uint64_t index)
{
	struct tiny_page *page = page_new(vm, 0);

	rmap_page_set_file(&page->rmap, file, index);
	return page;
}

void tiny_file_page_free(struct tiny_vm *vm, struct tiny_page *page)
{
	rmap_page_clear_file(&page->rmap);
	tiny_page_put(vm, page);
}

struct tiny_page *tiny_page_at(struct tiny_mm *mm, unsigned int n)
{
	return mm->pte[n].kind == TINY_PRESENT ? mm->pte[n].page : NULL;
}

/* ---------------------------------------------------------------- VMAs */

static void vma_enter(struct tiny_mm *mm, struct tiny_vma *vma)
{
	unsigned int i = mm->nr_vmas++;

	assert_true(i < TINY_VMAS);
	for (; i > 0 && mm->vma[i - 1]->rmap.start > vma->rmap.start; i--)
		mm->vma[i] = mm->vma[i - 1];
	mm->vma[i] = vma;
}

static unsigned int vma_position(struct tiny_vma *vma)
{
	struct tiny_mm *mm = mm_of(vma->rmap.mm);
	unsigned int i = 0;

	while (mm->vma[i] != vma)
		i++;
	return i;
}

static void vma_leave(struct tiny_vma *vma)
{
	struct tiny_mm *mm = mm_of(vma->rmap.mm);

	for (unsigned int i = vma_position(vma) + 1; i < mm->nr_vmas; i++)
		mm->vma[i - 1] = mm->vma[i];
	mm->nr_vmas--;
}

static struct tiny_vma *vma_new(struct tiny_mm *mm, unsigned int first, unsigned int end,
				uint64_t pgoff, struct rmap_file *file, uint32_t flags)
{
	struct tiny_vma *vma = malloc(sizeof(*vma));

	rmap_vma_init(&vma->rmap, &mm->rmap, addr_of(first), addr_of(end), pgoff, file, flags);
	return vma;
}

struct tiny_vma *tiny_map_file(struct tiny_mm *mm, unsigned int first, unsigned int pages,
			       struct rmap_file *file, uint64_t pgoff, uint32_t flags)
{
	struct tiny_vma *vma = vma_new(mm, first, first + pages, pgoff, file, flags);

	vma_enter(mm, vma);
	rmap_vma_link(&mm->vm->rmap, &vma->rmap);
	return vma;
}

struct tiny_vma *tiny_map(struct tiny_mm *mm, unsigned int first, unsigned int pages)
{
	return tiny_map_file(mm, first, pages, NULL, first, 0);
}

struct tiny_vma *tiny_vma_at(struct tiny_mm *mm, unsigned int n)
{
	for (unsigned int i = 0; i < mm->nr_vmas; i++) {
		if (mm->vma[i]->rmap.start <= addr_of(n) && addr_of(n) < mm->vma[i]->rmap.end)
			return mm->vma[i];
	}
	return NULL;
}

static bool contiguous(const struct rmap_vma *a, const struct rmap_vma *b)
{
	return a->end == b->start && a->file == b->file && a->flags == b->flags &&
	       rmap_vma_index(a, a->end) == b->pgoff;
}

static int prepare(struct tiny_vma *vma)
{
	struct tiny_mm *mm = mm_of(vma->rmap.mm);
	unsigned int i = vma_position(vma);
	struct rmap_vma *prev = i > 0 ? &mm->vma[i - 1]->rmap : NULL;
	struct rmap_vma *next = i + 1 < mm->nr_vmas ? &mm->vma[i + 1]->rmap : NULL;

	if (prev && !contiguous(prev, &vma->rmap))
		prev = NULL;
	if (next && !contiguous(&vma->rmap, next))
		next = NULL;
	return rmap_vma_prepare(&mm->vm->rmap, &vma->rmap, next, prev);
}

/* ---------------------------------------------------------------- page tables */

/* ptl held. The page that lost its PTE's reference is returned, to be put when the lock is free. */
static struct tiny_page *zap(struct tiny_mm *mm, unsigned int n)
{
	struct tiny_pte *pte = &mm->pte[n];
	struct rmap_page *page = pte->page ? &pte->page->rmap : NULL;
	struct tiny_page *dropped = NULL;

	if (pte->kind == TINY_PRESENT) {
		(void)rmap_page_unmap(&mm->vm->rmap, &page, 1, &tiny_vma_at(mm, n)->rmap,
				      addr_of(n), pte);
		dropped = pte->page;
	} else if (pte->kind == TINY_SWAP) {
		pte->slot->entries--;
		if (!pte->slot->entries) {
			dropped = pte->slot->cached;
			pte->slot->cached = NULL;
			rmap_slot_free(&mm->vm->rmap, &pte->slot->rmap);
		}
	}
	*pte = (struct tiny_pte){ .kind = TINY_NONE };
	return dropped;
}

static void zap_range(struct tiny_mm *mm, unsigned int first, unsigned int end)
{
	for (unsigned int n = first; n < end; n++) {
		struct tiny_page *dropped;

		rmap_spin_lock(&mm->ptl);
		dropped = zap(mm, n);
		rmap_spin_unlock(&mm->ptl);
		if (dropped)
			tiny_page_put(mm->vm, dropped);
	}
}

static void install_new(struct tiny_mm *mm, unsigned int n, struct tiny_page *page, bool exclusive)
{
	struct rmap_page *rmap_page = &page->rmap;
	struct tiny_page *dropped;

	rmap_spin_lock(&mm->ptl);
	/* The new page before the old one goes, as Linux does. */
	(void)rmap_page_map(&mm->vm->rmap, &rmap_page, 1, &tiny_vma_at(mm, n)->rmap, addr_of(n),
			    &mm->pte[n], RMAP_MAP_NEW | (exclusive ? RMAP_MAP_EXCLUSIVE : 0), NULL);
	dropped = zap(mm, n);
	mm->pte[n] = (struct tiny_pte){ .kind = TINY_PRESENT, .page = page };
	rmap_spin_unlock(&mm->ptl);
	if (dropped)
		tiny_page_put(mm->vm, dropped);
}

int tiny_write(struct tiny_mm *mm, unsigned int n, uint32_t value)
{
	struct tiny_vma *vma = tiny_vma_at(mm, n);
	struct tiny_page *page;
	int error;

	assert_non_null(vma);
	if (mm->pte[n].kind == TINY_SWAP)
		tiny_swap_in(mm, n);
	page = tiny_page_at(mm, n);
	if (page && rmap_page_is_exclusive(&page->rmap)) {
		page->value = value;
		return RMAP_OK;
	}
	error = prepare(vma);
	if (error)
		return error;
	if (page && rmap_page_is_anon(&page->rmap) &&
	    atomic_load_explicit(&page->refs, memory_order_acquire) == 1) {
		rmap_spin_lock(&mm->ptl);
		rmap_page_adopt(&mm->vm->rmap, &page->rmap, &vma->rmap, addr_of(n));
		rmap_spin_unlock(&mm->ptl);
		page->value = value;
		return RMAP_OK;
	}
	install_new(mm, n, page_new(mm->vm, value), true);
	return RMAP_OK;
}

void tiny_map_file_page(struct tiny_mm *mm, unsigned int n, struct tiny_page *page)
{
	struct rmap_page *rmap_page = &page->rmap;

	assert_true(tiny_page_get(page));
	rmap_spin_lock(&mm->ptl);
	mm->pte[n] = (struct tiny_pte){ .kind = TINY_PRESENT, .page = page };
	(void)rmap_page_map(&mm->vm->rmap, &rmap_page, 1, &tiny_vma_at(mm, n)->rmap, addr_of(n),
			    &mm->pte[n], 0, NULL);
	rmap_spin_unlock(&mm->ptl);
}

/* ---------------------------------------------------------------- address spaces */

static struct tiny_mm *mm_alloc(struct tiny_vm *vm)
{
	struct tiny_mm *mm = calloc(1, sizeof(*mm));

	mm->vm = vm;
	rmap_spin_init(&mm->ptl, RMAP_LOCK_PTL);
	pthread_mutex_lock(&vm->lock);
	assert_true(vm->nr_mms < TINY_MMS);
	vm->mm[vm->nr_mms++] = mm;
	pthread_mutex_unlock(&vm->lock);
	return mm;
}

struct tiny_mm *tiny_mm_new(struct tiny_vm *vm)
{
	struct tiny_mm *mm = mm_alloc(vm);

	assert_int_equal(rmap_mm_init(&vm->rmap, &mm->rmap), RMAP_OK);
	return mm;
}

static void copy_pte(struct tiny_mm *child, struct tiny_mm *parent, struct tiny_vma *vma,
		     unsigned int n)
{
	struct tiny_pte *src = &parent->pte[n];

	rmap_spin_lock(&parent->ptl);
	rmap_spin_lock_nested(&child->ptl);
	if (src->kind == TINY_PRESENT) {
		struct rmap_page *page = &src->page->rmap;

		assert_true(tiny_page_get(src->page));
		rmap_page_share(page);
		child->pte[n] = *src;
		(void)rmap_page_map(&child->vm->rmap, &page, 1, &vma->rmap, addr_of(n),
				    &child->pte[n], 0, NULL);
	} else if (src->kind != TINY_NONE) {
		src->exclusive = false;
		child->pte[n] = *src;
		if (src->kind == TINY_SWAP) {
			src->slot->entries++;
			rmap_slot_dup(&child->vm->rmap, &src->slot->rmap, NULL);
		}
	}
	rmap_spin_unlock(&child->ptl);
	rmap_spin_unlock(&parent->ptl);
}

struct tiny_mm *tiny_fork(struct tiny_mm *parent)
{
	struct tiny_vm *vm = parent->vm;
	struct tiny_mm *child = mm_alloc(vm);
	bool copied = true;

	assert_int_equal(rmap_mm_fork_begin(&vm->rmap, &child->rmap, &parent->rmap), RMAP_OK);
	for (unsigned int i = 0; i < parent->nr_vmas && copied; i++) {
		struct tiny_vma *src = parent->vma[i];
		struct tiny_vma *dst =
			vma_new(child, page_of(src->rmap.start), page_of(src->rmap.end),
				src->rmap.pgoff, src->rmap.file, src->rmap.flags);

		copied = rmap_vma_fork(&vm->rmap, &dst->rmap, &src->rmap) == RMAP_OK;
		if (!copied) {
			free(dst);
			break;
		}
		vma_enter(child, dst);
		for (unsigned int n = page_of(src->rmap.start); n < page_of(src->rmap.end); n++)
			copy_pte(child, parent, dst, n);
	}
	rmap_mm_fork_end(&vm->rmap, &child->rmap, &parent->rmap, copied);
	if (copied)
		return child;
	tiny_exit(child);
	return NULL;
}

void tiny_unmap(struct tiny_vma *vma)
{
	struct tiny_mm *mm = mm_of(vma->rmap.mm);

	zap_range(mm, page_of(vma->rmap.start), page_of(vma->rmap.end));
	vma_leave(vma);
	rmap_vma_unlink(&mm->vm->rmap, &vma->rmap);
	free(vma);
}

void tiny_exit(struct tiny_mm *mm)
{
	struct tiny_vm *vm = mm->vm;

	while (mm->nr_vmas)
		tiny_unmap(mm->vma[0]);
	rmap_mm_exit(&vm->rmap, &mm->rmap);
	pthread_mutex_lock(&vm->lock);
	for (unsigned int i = 0; i < vm->nr_mms; i++) {
		if (vm->mm[i] == mm)
			vm->mm[i] = vm->mm[--vm->nr_mms];
	}
	pthread_mutex_unlock(&vm->lock);
	free(mm);
}

/* ---------------------------------------------------------------- split, merge, move */

struct tiny_vma *tiny_split(struct tiny_vma *vma, unsigned int n)
{
	struct tiny_mm *mm = mm_of(vma->rmap.mm);
	struct rmap *rmap = &mm->vm->rmap;
	struct tiny_vma *upper =
		vma_new(mm, n, page_of(vma->rmap.end), rmap_vma_index(&vma->rmap, addr_of(n)),
			vma->rmap.file, vma->rmap.flags);
	struct rmap_adjust adjust = { .vma = { &vma->rmap }, .insert = &upper->rmap };

	if (rmap_vma_clone(rmap, &upper->rmap, &vma->rmap)) {
		free(upper);
		return NULL;
	}
	rmap_adjust_begin(rmap, &adjust);
	vma->rmap.end = addr_of(n);
	rmap_adjust_end(rmap, &adjust);
	vma_enter(mm, upper);
	return upper;
}

struct tiny_vma *tiny_clone(struct tiny_vma *vma, unsigned int first, unsigned int pages,
			    uint64_t pgoff)
{
	struct tiny_mm *mm = mm_of(vma->rmap.mm);
	struct tiny_vma *dst =
		vma_new(mm, first, first + pages, pgoff, vma->rmap.file, vma->rmap.flags);

	if (rmap_vma_clone(&mm->vm->rmap, &dst->rmap, &vma->rmap)) {
		free(dst);
		return NULL;
	}
	rmap_vma_link(&mm->vm->rmap, &dst->rmap);
	vma_enter(mm, dst);
	return dst;
}

int tiny_merge(struct tiny_vma *a, struct tiny_vma *b)
{
	struct rmap *rmap = &mm_of(a->rmap.mm)->vm->rmap;
	struct rmap_adjust adjust = { .vma = { &a->rmap, &b->rmap }, .removed = { false, true } };
	bool imported;
	int error;

	assert_true(contiguous(&a->rmap, &b->rmap));
	if (!rmap_vma_may_merge(rmap, &a->rmap, &b->rmap))
		return RMAP_EINVAL;
	error = rmap_vma_merge_prepare(rmap, &a->rmap, &b->rmap, &imported);
	if (error)
		return error;
	rmap_adjust_begin(rmap, &adjust);
	a->rmap.end = b->rmap.end;
	vma_leave(b);
	rmap_adjust_end(rmap, &adjust);
	free(b);
	return RMAP_OK;
}

int tiny_shift(struct tiny_vma *a, struct tiny_vma *b, unsigned int n)
{
	struct rmap *rmap = &mm_of(a->rmap.mm)->vm->rmap;
	struct rmap_adjust adjust = { .vma = { &a->rmap, &b->rmap } };
	bool grows = addr_of(n) > a->rmap.end;
	bool imported;
	int error;

	error = rmap_vma_merge_prepare(rmap, grows ? &a->rmap : &b->rmap,
				       grows ? &b->rmap : &a->rmap, &imported);
	if (error)
		return error;
	rmap_adjust_begin(rmap, &adjust);
	b->rmap.pgoff = rmap_vma_index(&a->rmap, addr_of(n));
	b->rmap.start = addr_of(n);
	a->rmap.end = addr_of(n);
	rmap_adjust_end(rmap, &adjust);
	return RMAP_OK;
}

struct tiny_vma *tiny_move(struct tiny_vma *vma, unsigned int n)
{
	struct tiny_mm *mm = mm_of(vma->rmap.mm);
	struct rmap *rmap = &mm->vm->rmap;
	unsigned int from = page_of(vma->rmap.start);
	unsigned int pages = page_of(vma->rmap.end) - from;
	struct tiny_vma *dst = tiny_clone(vma, n, pages, vma->rmap.pgoff);

	if (!dst)
		return NULL;
	rmap_move_begin(rmap, &dst->rmap, &vma->rmap, false);
	for (unsigned int i = 0; i < pages; i++) {
		rmap_spin_lock(&mm->ptl);
		mm->pte[n + i] = mm->pte[from + i];
		mm->pte[from + i] = (struct tiny_pte){ .kind = TINY_NONE };
		if (mm->pte[n + i].kind == TINY_PRESENT) {
			struct rmap_page *page = &mm->pte[n + i].page->rmap;

			rmap_page_moved(rmap, &page, 1, &dst->rmap, addr_of(n + i), &mm->pte[n + i],
					&vma->rmap, addr_of(from + i), &mm->pte[from + i]);
		}
		rmap_spin_unlock(&mm->ptl);
	}
	rmap_move_end(rmap, &dst->rmap, &vma->rmap, false);
	tiny_unmap(vma);
	return dst;
}

/* ---------------------------------------------------------------- swap and migration */

struct take_out {
	struct tiny_vm *vm;
	struct tiny_page *page;
	struct tiny_slot *slot;	    /* swap, or */
	struct tiny_page *new_page; /* migration */
	struct rmap_walk *walk;
};

static enum rmap_visit take_out_one(struct rmap_hit *hit, void *arg)
{
	struct take_out *t = arg;
	struct rmap_page *page = &t->page->rmap;
	struct tiny_pte *pte = hit->pte;
	bool exclusive = rmap_page_is_exclusive(page);
	struct rmap_vma *vma = rmap_hit_vma(&t->vm->rmap, t->walk, hit);

	if (t->slot && !exclusive)
		rmap_slot_dup(&t->vm->rmap, &t->slot->rmap, page);
	(void)rmap_page_unmap(&t->vm->rmap, &page, 1, vma, hit->addr, pte);
	if (t->slot) {
		*pte = (struct tiny_pte){ TINY_SWAP, exclusive, NULL, t->slot };
		t->slot->entries++;
	} else {
		*pte = (struct tiny_pte){ TINY_MIGRATION, exclusive, t->new_page, NULL };
	}
	tiny_page_put(t->vm, t->page); /* the caller has another reference */
	return rmap_page_mapcount(page) ? RMAP_VISIT_NEXT : RMAP_VISIT_STOP;
}

void tiny_swap_out(struct tiny_vm *vm, struct tiny_page *page, struct tiny_slot *slot)
{
	struct take_out t = { .vm = vm, .page = page, .slot = slot };
	struct rmap_walk walk = { .visit = take_out_one, .arg = &t, .purpose = RMAP_WALK_UNMAP };

	assert_true(tiny_page_get(page));
	t.walk = &walk;
	slot->value = page->value;
	rmap_slot_fill(&vm->rmap, &slot->rmap, &page->rmap);
	assert_int_equal(rmap_walk(&vm->rmap, &page->rmap, &walk), RMAP_OK);
	assert_int_equal(rmap_page_mapcount(&page->rmap), 0);
	tiny_page_put(vm, page);
}

void tiny_swap_in(struct tiny_mm *mm, unsigned int n)
{
	struct tiny_pte old = mm->pte[n];
	struct tiny_slot *slot = old.slot;
	struct tiny_page *page = slot->cached;
	struct rmap_page *rmap_page;
	struct tiny_vma *vma = tiny_vma_at(mm, n);

	assert_int_equal(old.kind, TINY_SWAP);
	assert_int_equal(prepare(vma), RMAP_OK);
	if (!page) {
		page = page_new(mm->vm, slot->value);
		rmap_slot_restore(&mm->vm->rmap, &slot->rmap, &page->rmap, &vma->rmap, addr_of(n));
		if (!old.exclusive) {
			slot->cached = page; /* relatives will come for it */
			assert_true(tiny_page_get(page));
		}
		install_new(mm, n, page, old.exclusive);
		return;
	}
	assert_true(tiny_page_get(page));
	rmap_page = &page->rmap;
	rmap_spin_lock(&mm->ptl);
	mm->pte[n] = (struct tiny_pte){ .kind = TINY_PRESENT, .page = page };
	(void)rmap_page_map(&mm->vm->rmap, &rmap_page, 1, &vma->rmap, addr_of(n), &mm->pte[n], 0,
			    NULL);
	rmap_spin_unlock(&mm->ptl);
	if (--slot->entries == 0) {
		slot->cached = NULL;
		rmap_slot_free(&mm->vm->rmap, &slot->rmap);
		tiny_page_put(mm->vm, page);
	}
}

struct tiny_page *tiny_migrate_begin(struct tiny_vm *vm, struct tiny_page *page, void **pin)
{
	struct tiny_page *new_page = page_new(vm, page->value);
	struct take_out t = { .vm = vm, .page = page, .new_page = new_page };
	struct rmap_walk walk = { .visit = take_out_one, .arg = &t, .purpose = RMAP_WALK_MIGRATE };

	assert_true(tiny_page_get(page));
	t.walk = &walk;
	*pin = rmap_page_pin(&vm->rmap, &page->rmap);
	assert_int_equal(rmap_walk(&vm->rmap, &page->rmap, &walk), RMAP_OK);
	assert_int_equal(rmap_page_mapcount(&page->rmap), 0);
	rmap_page_replace(&vm->rmap, &new_page->rmap, &page->rmap);
	tiny_page_put(vm, page);
	return new_page;
}

struct put_back {
	struct tiny_vm *vm;
	struct tiny_page *page;
};

static enum rmap_visit put_back_one(struct rmap_hit *hit, void *arg)
{
	struct put_back *p = arg;
	struct rmap_page *page = &p->page->rmap;
	struct tiny_pte *pte = hit->pte;
	bool exclusive = pte->exclusive;

	assert_true(tiny_page_get(p->page));
	*pte = (struct tiny_pte){ .kind = TINY_PRESENT, .page = p->page };
	(void)rmap_page_map(&p->vm->rmap, &page, 1, hit->vma, hit->addr, pte,
			    exclusive ? RMAP_MAP_EXCLUSIVE : 0, NULL);
	return RMAP_VISIT_NEXT;
}

struct rmap_walk tiny_migrate_end(struct tiny_vm *vm, struct tiny_page *page, void *pin)
{
	struct put_back p = { .vm = vm, .page = page };
	struct rmap_walk walk = { .visit = put_back_one,
				  .arg = &p,
				  .flags = RMAP_WALK_ENTRIES,
				  .purpose = RMAP_WALK_RESTORE };

	assert_int_equal(rmap_walk(&vm->rmap, &page->rmap, &walk), RMAP_OK);
	rmap_page_unpin(&vm->rmap, pin);
	tiny_page_put(vm, page);
	return walk;
}

/* ---------------------------------------------------------------- questions */

struct rmap_walk tiny_walk(struct tiny_vm *vm, struct tiny_page *page, unsigned int flags)
{
	struct rmap_walk walk = { .flags = flags, .purpose = RMAP_WALK_PROBE };

	assert_int_equal(rmap_walk(&vm->rmap, &page->rmap, &walk), RMAP_OK);
	return walk;
}

/* What a walk met: marks in a table like the truth's. */
struct marks {
	struct tiny_vm *vm;
	struct tiny_page *page;
	uint64_t met;
};

static enum rmap_visit mark(struct rmap_hit *hit, void *arg)
{
	struct marks *m = arg;
	struct tiny_mm *mm = mm_of(hit->mm);

	assert_ptr_equal(hit->pte, &mm->pte[page_of(hit->addr)]);
	assert_ptr_equal(hit->vma, &tiny_vma_at(mm, page_of(hit->addr))->rmap);
	m->met += hit->addr * 2654435761u + (uintptr_t)mm; /* order does not matter; twice does */
	return RMAP_VISIT_NEXT;
}

static void check_page(struct tiny_vm *vm, struct tiny_page *page)
{
	struct marks m = { .vm = vm, .page = page };
	struct rmap_walk walk = {
		.visit = mark, .arg = &m, .flags = RMAP_WALK_CHECK, .purpose = RMAP_WALK_PROBE
	};
	uint64_t expected = 0;
	uint64_t mapped = 0;

	for (unsigned int i = 0; i < vm->nr_mms; i++) {
		for (unsigned int n = 0; n < TINY_SLOTS; n++) {
			struct tiny_pte *pte = &vm->mm[i]->pte[n];

			if (pte->kind != TINY_PRESENT || pte->page != page)
				continue;
			mapped++;
			expected += addr_of(n) * 2654435761u + (uintptr_t)vm->mm[i];
		}
	}
	assert_int_equal(rmap_page_mapcount(&page->rmap), mapped);
	assert_int_equal(rmap_walk(&vm->rmap, &page->rmap, &walk), RMAP_OK);
	assert_int_equal(walk.found, mapped);
	assert_int_equal(m.met, expected);
	if (rmap_page_is_exclusive(&page->rmap))
		assert_int_equal(mapped, 1);
}

void tiny_check(struct tiny_vm *vm)
{
	for (uint32_t i = 0; i < TINY_POOL; i++) {
		if (vm->pool[i].refs)
			check_page(vm, &vm->pool[i]);
	}
	for (unsigned int i = 0; i < vm->nr_mms; i++) {
		for (unsigned int v = 0; v < vm->mm[i]->nr_vmas; v++) {
			const char *wrong = rmap_vma_check(&vm->rmap, &vm->mm[i]->vma[v]->rmap);

			if (wrong)
				fail_msg("%s", wrong);
		}
	}
}

uint64_t tiny_objects(struct tiny_vm *vm, enum rmap_kind kind)
{
	return rmap_objects(&vm->rmap, kind);
}

/* ---------------------------------------------------------------- steps that must succeed */

void write_ok(struct tiny_mm *mm, unsigned int n, uint32_t value)
{
	assert_int_equal(tiny_write(mm, n, value), RMAP_OK);
	tiny_check(mm->vm);
}

struct tiny_mm *fork_ok(struct tiny_mm *mm)
{
	struct tiny_mm *child = tiny_fork(mm);

	assert_non_null(child);
	tiny_check(mm->vm);
	return child;
}

void exit_ok(struct tiny_mm *mm)
{
	struct tiny_vm *vm = mm->vm;

	tiny_exit(mm);
	tiny_check(vm);
}

const void *own_of(struct tiny_vma *vma)
{
	return vma_own(&vma->rmap);
}

const void *owner_of(struct tiny_vm *vm, struct tiny_page *page)
{
	return rmap_page_owner(&vm->rmap, &page->rmap);
}
