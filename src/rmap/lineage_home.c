// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage: where the pages of a VMA are at home, and where they are if not there.
 *
 * A page's number is its home: the address (as a page number) where it stands in every address space that did not move it. It is
 * chosen for a VMA at its first page: that of the neighbour whose origin it shares, so that they can merge; else the address; else,
 * where pages that moved away have these numbers, numbers that are no address at all, so that nobody looks for one page where the
 * other is. Private file mappings have homes like all others; the file's offsets are of no use here, since two files have the same.
 *
 * A VMA that is not at home is *displaced*. It stands in its node's tree, by home, until it goes or comes home:
 *
 *        address    | 10 11 12 13 |          | 70 71 72 |           10..12 were moved to 70..72
 *        home       | 13 |                   | 10 11 12 |           displaced: [10, 12] → 70
 *
 * Usually there is none: a VMA has one word, a fork copies it, a split copies it, and changes of bounds are no event at all. A
 * displaced VMA costs an object, and another one in each child.
 *
 * The tree changes under the node's lock and while its sequence count is odd, and so do entries move: see look_in() in
 * lineage_walk.c for the one whom this is for.
 */
#include "lineage.h"
#include "count.h"

#include "../base/interval_tree.h"

#define displaced_of(rb) rmap_container_of(rb, struct lineage_displaced, rb)

static uint64_t first_number(const struct lineage_displaced *d)
{
	return d->vma->pgoff + d->shift;
}

static uint64_t last_number(const struct lineage_displaced *d)
{
	return first_number(d) + ((d->vma->end - d->vma->start) >> RMAP_PAGE_SHIFT) - 1;
}

/*
 * Numbers are signed; the tree compares unsigned ones. With the sign turned round the order is right, and a range that begins
 * below zero is one range.
 */
#define SIGN ((uint64_t)1 << 63)

static inline uint64_t tree_first(const struct rb_node *rb)
{
	return first_number(displaced_of(rb)) ^ SIGN;
}

static inline uint64_t tree_last(const struct rb_node *rb)
{
	return last_number(displaced_of(rb)) ^ SIGN;
}

static inline uint64_t *tree_subtree_last(struct rb_node *rb)
{
	return &displaced_of(rb)->last;
}

static bool tree_update(struct rb_node *rb);

static const struct itree displaced_tree = {
	.first = tree_first,
	.last = tree_last,
	.subtree_last = tree_subtree_last,
	.update = tree_update,
};

static bool tree_update(struct rb_node *rb)
{
	return itree_update(rb, &displaced_tree);
}

struct lineage_displaced *lineage_displaced_first(struct lineage *n, uint64_t index,
						  uint64_t *steps)
{
	struct rb_node *rb =
		itree_first(&n->displaced, index ^ SIGN, index ^ SIGN, &displaced_tree, steps);

	return rb ? displaced_of(rb) : NULL;
}

struct lineage_displaced *lineage_displaced_next(struct lineage_displaced *d, uint64_t index,
						 uint64_t *steps)
{
	struct rb_node *rb = itree_next(&d->rb, index ^ SIGN, index ^ SIGN, &displaced_tree, steps);

	return rb ? displaced_of(rb) : NULL;
}

/* ---------------------------------------------------------------- one word */

static uintptr_t home_of(const struct rmap_vma *vma)
{
	return atomic_load_explicit(&vma->design.lineage.home, memory_order_acquire);
}

static void set_home(struct rmap_vma *vma, uintptr_t home)
{
	atomic_store_explicit(&vma->design.lineage.home, home, memory_order_release);
}

static struct lineage_displaced *displaced(const struct rmap_vma *vma)
{
	uintptr_t home = home_of(vma);

	return home > LINEAGE_AT_HOME ? (struct lineage_displaced *)home : NULL;
}

bool lineage_vma_faulted(const struct rmap_vma *vma)
{
	return home_of(vma) != 0;
}

/* What is added to pgoff to have home numbers. */
static uint64_t shift_of(const struct rmap_vma *vma)
{
	const struct lineage_displaced *d = displaced(vma);

	return d ? d->shift : (vma->start >> RMAP_PAGE_SHIFT) - vma->pgoff;
}

uint64_t lineage_index(const struct rmap_vma *vma, uint64_t addr)
{
	const struct lineage_displaced *d = displaced(vma);

	return d ? rmap_vma_index(vma, addr) + d->shift : addr >> RMAP_PAGE_SHIFT;
}

/* ---------------------------------------------------------------- changes that walkers must not pass */

static void change_begin(struct rmap *rmap, struct lineage *n)
{
	count_event(&rmap_counting(rmap)->locks_mm);
	rmap_spin_lock(&n->lock);
	atomic_fetch_add_explicit(&n->seq, 1, memory_order_relaxed);
	/* Whoever sees anything of what follows sees the count odd, or later. */
	atomic_thread_fence(memory_order_release);
}

static void change_end(struct lineage *n)
{
	atomic_fetch_add_explicit(&n->seq, 1, memory_order_release);
	rmap_spin_unlock(&n->lock);
}

static void tree_enter(struct lineage *n, struct lineage_displaced *d)
{
	rmap_assert_spin_held(&n->lock);
	itree_insert(&n->displaced, &d->rb, &displaced_tree);
	atomic_fetch_add_explicit(&n->nr_displaced, 1, memory_order_release);
}

static void tree_leave(struct lineage *n, struct lineage_displaced *d)
{
	rmap_assert_spin_held(&n->lock);
	itree_erase(&n->displaced, &d->rb, &displaced_tree);
	atomic_fetch_sub_explicit(&n->nr_displaced, 1, memory_order_release);
}

static bool has_displaced(const struct lineage *n)
{
	return atomic_load_explicit(&n->nr_displaced, memory_order_acquire) != 0;
}

static struct lineage_displaced *displaced_alloc(struct rmap *rmap, struct rmap_vma *vma,
						 uint64_t shift)
{
	struct lineage_displaced *d = rmap_object_alloc(rmap, RMAP_KIND_REMAP, sizeof(*d));

	if (d) {
		rb_clear(&d->rb);
		d->vma = vma;
		d->shift = shift;
	}
	return d;
}

/* vma, unfaulted, gets the home that shift says. RMAP_ENOMEM: it is as it was. mmap write. */
static int give_home(struct rmap *rmap, struct rmap_vma *vma, uint64_t shift)
{
	struct lineage *n = lineage_of(vma);
	struct lineage_displaced *d;

	if (vma->pgoff + shift == vma->start >> RMAP_PAGE_SHIFT) {
		set_home(vma, LINEAGE_AT_HOME);
		return RMAP_OK;
	}
	d = displaced_alloc(rmap, vma, shift);
	if (!d)
		return RMAP_ENOMEM;
	change_begin(rmap, n);
	tree_enter(n, d);
	set_home(vma, (uintptr_t)d);
	change_end(n);
	return RMAP_OK;
}

/* ---------------------------------------------------------------- the first page */

/*
 * Numbers that nobody has: behind all that were made up here before, and with room for a stack to grow down into. Something is displaced:
 * what has taken the VMA's home.
 */
static uint64_t fresh_shift(const struct lineage *n, const struct rmap_vma *vma)
{
	uint64_t first = LINEAGE_FRESH, last = *tree_subtree_last(n->displaced.node);

	if (last >= (first ^ SIGN))
		first = (last ^ SIGN) + 1;
	return first + (LINEAGE_FRESH >> 16) - vma->pgoff;
}

/* Do pages that moved away have the numbers of this place? Node's lock. */
static bool home_is_taken(const struct lineage *n, const struct rmap_vma *vma)
{
	uint64_t first = (vma->start >> RMAP_PAGE_SHIFT) ^ SIGN;
	uint64_t last = ((vma->end - 1) >> RMAP_PAGE_SHIFT) ^ SIGN, steps = 0;

	return itree_first(&n->displaced, first, last, &displaced_tree, &steps) != NULL;
}

/* Can vma be at home? Not where its neighbour is not, nor where pages have the numbers that moved away. Node's lock. */
static bool may_be_at_home(const struct lineage *n, const struct rmap_vma *vma,
			   const struct rmap_vma *share)
{
	return share ? vma->pgoff + shift_of(share) == vma->start >> RMAP_PAGE_SHIFT
		     : !home_is_taken(n, vma);
}

/* Racing first faults bring an object each; under the node's lock the first of them decides. */
static int prepare_displaced(struct rmap *rmap, struct lineage *n, struct rmap_vma *vma,
			     const struct rmap_vma *share)
{
	struct lineage_displaced *d = displaced_alloc(rmap, vma, 0);

	if (!d)
		return RMAP_ENOMEM;
	change_begin(rmap, n);
	if (home_of(vma)) {
		/* Somebody was first. */
	} else if (may_be_at_home(n, vma, share)) {
		set_home(vma, LINEAGE_AT_HOME);
	} else {
		d->shift = share ? shift_of(share) : fresh_shift(n, vma);
		tree_enter(n, d);
		set_home(vma, (uintptr_t)d);
		d = NULL;
	}
	change_end(n);
	if (d)
		rmap_object_free(rmap, RMAP_KIND_REMAP, d, sizeof(*d));
	return RMAP_OK;
}

int lineage_vma_prepare(struct rmap *rmap, struct rmap_vma *vma, struct rmap_vma *next,
			struct rmap_vma *prev)
{
	struct lineage *n = lineage_of(vma);
	const struct rmap_vma *share = next && home_of(next) ? next : NULL;
	uintptr_t unfaulted = 0;

	if (home_of(vma))
		return RMAP_OK;
	if (!share && prev && home_of(prev))
		share = prev;
	/*
	 * mmap_lock is held: nothing gets displaced meanwhile but by first faults, whose numbers are nobody's. Where nothing is, a
	 * neighbour whose offsets go on in this VMA is at home, and so the VMA is beside it.
	 */
	if (has_displaced(n))
		return prepare_displaced(rmap, n, vma, share);
	atomic_compare_exchange_strong_explicit(&vma->design.lineage.home, &unfaulted,
						LINEAGE_AT_HOME, memory_order_release,
						memory_order_relaxed);
	return RMAP_OK;
}

/* ---------------------------------------------------------------- copies, merges, changes of bounds */

int lineage_vma_fork(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	if (!home_of(src))
		return RMAP_OK;
	RMAP_ASSERT(rmap->port, !home_of(dst));
	return give_home(rmap, dst, shift_of(src));
}

int lineage_vma_clone(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	return lineage_vma_fork(rmap, dst, src);
}

/* What the layout wants to merge has one origin, hence one shift; or one of the two has none yet. */
bool lineage_vma_may_merge(const struct rmap_vma *a, const struct rmap_vma *b)
{
	return !home_of(a) || !home_of(b) || shift_of(a) == shift_of(b);
}

int lineage_merge_prepare(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src,
			  bool *imported)
{
	int error;

	if (!home_of(src))
		return RMAP_OK;
	if (home_of(dst)) {
		RMAP_ASSERT(rmap->port, shift_of(dst) == shift_of(src));
		return RMAP_OK;
	}
	error = give_home(rmap, dst, shift_of(src));
	*imported = !error;
	return error;
}

void lineage_vma_unlink(struct rmap *rmap, struct rmap_vma *vma)
{
	struct lineage *n = lineage_of(vma);
	struct lineage_displaced *d = displaced(vma);

	if (d) {
		change_begin(rmap, n);
		tree_leave(n, d);
		change_end(n);
		rmap_object_free(rmap, RMAP_KIND_REMAP, d, sizeof(*d));
	}
	set_home(vma, 0);
}

/*
 * Bounds are keys of displaced VMAs' trees, and of nothing else. The node in whose tree one of them is; NULL: none is. (What is inserted
 * is a part of one of them.)
 */
static struct lineage *adjusts_displaced(const struct rmap_adjust *adjust)
{
	for (unsigned int i = 0; i < 3; i++) {
		if (adjust->vma[i] && displaced(adjust->vma[i]))
			return lineage_of(adjust->vma[i]);
	}
	return NULL;
}

void lineage_adjust_begin(struct rmap *rmap, struct rmap_adjust *adjust)
{
	struct lineage *n = adjusts_displaced(adjust);

	if (rmap_likely(!n))
		return;
	adjust->design = n;
	change_begin(rmap, n);
	for (unsigned int i = 0; i < 3; i++) {
		if (adjust->vma[i] && displaced(adjust->vma[i]))
			tree_leave(n, displaced(adjust->vma[i]));
	}
}

/* They are in the tree again, but for those that went: their places are nobody's. */
static void enter_again(struct rmap *rmap, struct rmap_adjust *adjust)
{
	struct lineage *n = adjust->design;

	for (unsigned int i = 0; i < 3; i++) {
		if (adjust->vma[i] && displaced(adjust->vma[i]) && !adjust->removed[i])
			tree_enter(n, displaced(adjust->vma[i]));
	}
	change_end(n);
	for (unsigned int i = 0; i < 3; i++) {
		struct lineage_displaced *d;

		if (!adjust->vma[i] || !adjust->removed[i])
			continue;
		d = displaced(adjust->vma[i]);
		if (d)
			rmap_object_free(rmap, RMAP_KIND_REMAP, d, sizeof(*d));
	}
}

void lineage_adjust_end(struct rmap *rmap, struct rmap_adjust *adjust)
{
	if (adjust->design)
		enter_again(rmap, adjust);
	for (unsigned int i = 0; i < 3; i++) {
		if (adjust->removed[i])
			set_home(adjust->vma[i], 0);
	}
}

void lineage_move_begin(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	(void)dst;
	change_begin(rmap, lineage_of(src));
}

void lineage_move_end(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	(void)rmap;
	(void)dst;
	change_end(lineage_of(src));
}

const char *lineage_displaced_check(const struct rmap_vma *vma)
{
	const struct lineage *n = lineage_of(vma);
	const struct lineage_displaced *d = displaced(vma);

	if (!d)
		return NULL;
	if (d->vma != vma)
		return "its place away from home is another VMA's";
	if (!itree_node_valid(&n->displaced, &d->rb, &displaced_tree))
		return "it is displaced, but not in its place in the tree of homes";
	if (!lineage_displaced_valid(d))
		return "its place away from home says of itself what cannot be";
	return NULL;
}
