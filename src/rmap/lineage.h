/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lineage: page → the address space that it was born in → its children born later, and all of theirs.
 *
 *        node of P   clock 3                      a page of P with stamp 1 can be mapped by P, by c3 and c2 with all
 *        /    |    \                              below them, but not by c1, which was forked before the page was there
 *      c3    c2     c1     birth 3, 2, 1
 *             |
 *            g1
 *
 * One node per address space and nothing per VMA. A page names its node (the owner) and has a stamp: how many forks its address
 * space had completed when the page came. In each address space the page stands at one address, its *home*, unless mremap moved
 * it; VMAs that are away from home (displaced) stand in a tree of their own.
 *
 * A node outlives its mm while pages name it, but not in the tree: a dead node with at most one child leaves it and forwards to
 * that child.
 *
 * Three rules make walks safe without a lock on the tree (docs/designs/lineage.md has the arguments, tests/models the models):
 *
 *  - Nodes are freed after a grace period, and what leaves the tree keeps its links. A walker that stands on a node that has gone
 *    comes back into the tree behind it.
 *  - Going on from a node, a walker reads its parent before its next sibling; who takes a node's place gets the sibling before
 *    the parent. So no walker goes up past siblings that it has not seen.
 *  - A child is in the tree before the first entry is copied to it, the clock counts it after the last. So a stamp is too small
 *    at the worst, which costs looks; it is never too large, which would lose mappings.
 */
#ifndef RMAP_LINEAGE_H
#define RMAP_LINEAGE_H

#include "design.h"

enum {
	LINEAGE_FEW = 3, /* references of a hub that may be of no use any more */
	LINEAGE_HUB = 8, /* so many forwards are redirected when their target goes; more keep it */
};

/* A page's word has room for 28 bits of stamp; above them stands a place (see lineage_walk.c). */
#define LINEAGE_STAMP_BITS  28
#define LINEAGE_BIRTH_MAX   (((uint32_t)1 << LINEAGE_STAMP_BITS) - 1)
#define LINEAGE_STAMP_MAX   (LINEAGE_BIRTH_MAX - 1) /* always below the birth of a child to come */
#define LINEAGE_PLACE_SHIFT LINEAGE_STAMP_BITS

struct lineage {
	/* NULL once it has exited; written by exit alone. Readers: RCU */
	_Atomic(struct rmap_mm *) mm;
	/* In the tree: under the parent's tree_lock (of both, to change hands). Readers: RCU. */
	_Atomic(struct lineage *) parent;
	_Atomic(struct lineage *) next; /* the sibling born before this one; parent's tree_lock */
	/* newest child; tree_lock. Once gone: who took its place, the target's tree_lock */
	_Atomic(struct lineage *) head;
	union {
		struct lineage *prev; /* the sibling born after this one; parent's tree_lock */
		struct rmap *rmap;    /* once nobody names it: for the one who frees it */
	};
	/* one for the tree, one for each counted page and slot, co-owner and forward that names it */
	_Atomic uint64_t refs;
	_Atomic uint32_t birth; /* its place among the parent's forks; parent's tree_lock */
	/* forks completed, or LINEAGE_STAMP_MAX if they are more; mmap write of its mm */
	_Atomic uint32_t clock;
	_Atomic uint32_t gone;		/* out of the tree; set once, under tree_lock */
	uint32_t pins;			/* walkers that sleep here; tree_lock */
	uint32_t nr_forwarders;		/* nodes on forwarders; tree_lock */
	struct rmap_spinlock tree_lock; /* RMAP_LOCK_LINEAGE */
	struct lineage *forwarders;	/* gone nodes whose head is this one; tree_lock */
	struct lineage *forwarder_next; /* target's tree_lock */
	struct lineage *
		*forwarder_link; /* what points here, NULL: on no list; target's tree_lock */
	/* RMAP_LOCK_DISPLACED: moves of this mm's entries, and the looks that must not miss them */
	struct rmap_spinlock lock;
	_Atomic uint32_t seq;	       /* odd while entries move or displaced changes; lock */
	_Atomic uint32_t nr_displaced; /* VMAs in the tree; lock */
	struct rb_root displaced;      /* interval tree of displaced VMAs by home; lock */
	struct rmap_rcu rcu;
};

/*
 * What a VMA knows of its home is one word: 0, unfaulted; 1, at home, its pages' numbers are their addresses; else where it is
 * displaced. A home number is pgoff + shift, so that it stays right while bounds and pgoff change together. It may be negative,
 * and may be no address at all.
 */
struct lineage_displaced {
	struct rb_node rb;    /* in the node's tree; node's lock */
	uint64_t last;	      /* largest last home number below rb; node's lock */
	uint64_t shift;	      /* home - pgoff; fixed */
	struct rmap_vma *vma; /* fixed */
};

#define LINEAGE_AT_HOME ((uintptr_t)1)

/* Numbers from here on are no addresses: homes made up where the address was taken. */
#define LINEAGE_FRESH	((uint64_t)1 << (64 - RMAP_PAGE_SHIFT))

/*
 * A page that few of many have. Blocks, chained; either a list of those who have it, each with the children that it forked since, or a
 * sieve for the children of one (lineage_settle.c). All fixed but refs and looks; freed after a grace period.
 */
enum {
	CO_OWNERS = 6,
	SIEVE_FIRST = 5, /* words of bits in a sieve's first block, and in others */
	SIEVE_MORE = 9,
};

struct co_owners {
	struct rmap_rcu rcu;
	struct rmap *rmap;
	struct co_owners *more; /* the rest; NULL: none */
	_Atomic uint32_t refs;	/* pages and slots that name it (the first block) */
	uint32_t nr;		/* of a list, in this block; 0: a sieve */
	union {
		struct {
			uint32_t stamp[CO_OWNERS];
			struct lineage *node[CO_OWNERS];
		};
		struct {
			struct lineage *top; /* who has the page is here or below */
			uint32_t upto;	     /* top's clock: children up to this birth have bits */
			uint32_t bits;	     /* so many; births share them if there are more */
			bool own;	     /* top has the page, and children born later may */
			bool newer; /* one of these has it (only of interest while the sieve is filled) */
			uint32_t found; /* when it was filled */
			_Atomic uint32_t
				looks; /* of the first walk by it; 0: none yet. Page lock */
			uint64_t word[SIEVE_FIRST];
		} sieve;
		uint64_t word[SIEVE_MORE];
	};
};

/*
 * What each must satisfy by itself (see valid.h). A node: its tree_lock. Its mm is another's business: exit takes it away.
 */
static inline bool lineage_valid(const struct lineage *n)
{
	return atomic_load_explicit(&n->birth, memory_order_relaxed) <= LINEAGE_BIRTH_MAX &&
	       atomic_load_explicit(&n->clock, memory_order_relaxed) <= LINEAGE_STAMP_MAX &&
	       atomic_load_explicit(&n->gone, memory_order_relaxed) <= 1 &&
	       (n->nr_forwarders == 0) == (n->forwarders == NULL) &&
	       atomic_load_explicit(&n->parent, memory_order_relaxed) != n &&
	       atomic_load_explicit(&n->refs, memory_order_relaxed) != 0;
}

/* The node's lock, no change under way. */
static inline bool lineage_displaced_valid(const struct lineage_displaced *d)
{
	return d->vma && atomic_load_explicit(&d->vma->design.lineage.home, memory_order_relaxed) ==
				 (uintptr_t)d;
}

/* The first block of a list or a sieve that is named. */
static inline bool co_owners_valid(const struct co_owners *set)
{
	if (!set->rmap || atomic_load_explicit(&set->refs, memory_order_relaxed) == 0 ||
	    set->nr > CO_OWNERS)
		return false;
	return set->nr ? set->node[set->nr - 1] != NULL : set->sieve.top && set->sieve.bits != 0;
}

/* Where one was last in the blocks of a sieve. All but set zero: nowhere. */
struct lineage_cursor {
	struct co_owners *set, *block;
	uint32_t first; /* the block's first bit */
};

/* Tags beside RMAP_MAPPING_ANON. Nodes and co_owners are aligned to 8. */
#define LINEAGE_MAPPING_SET	2u /* co_owners, not a node; always counted */
#define LINEAGE_MAPPING_COUNTED 4u /* the page holds a reference on it */
#define LINEAGE_MAPPING_TAGS	(RMAP_MAPPING_ANON | LINEAGE_MAPPING_SET | LINEAGE_MAPPING_COUNTED)

static inline struct lineage *lineage_named(uintptr_t mapping)
{
	return (struct lineage *)(mapping & ~(uintptr_t)LINEAGE_MAPPING_TAGS);
}

static inline struct co_owners *lineage_co_owners(uintptr_t mapping)
{
	return (struct co_owners *)(mapping & ~(uintptr_t)LINEAGE_MAPPING_TAGS);
}

/* ---- fields that are read without their lock ---- */

static inline struct lineage *lineage_head(const struct lineage *n)
{
	return atomic_load_explicit(&n->head, memory_order_acquire);
}

static inline struct lineage *lineage_next(const struct lineage *n)
{
	return atomic_load_explicit(&n->next, memory_order_acquire);
}

static inline struct lineage *lineage_parent(const struct lineage *n)
{
	return atomic_load_explicit(&n->parent, memory_order_acquire);
}

static inline bool lineage_gone(const struct lineage *n)
{
	return atomic_load_explicit(&n->gone, memory_order_acquire) != 0;
}

static inline struct rmap_mm *lineage_mm(const struct lineage *n)
{
	return atomic_load_explicit(&n->mm, memory_order_acquire);
}

static inline uint32_t lineage_clock(const struct lineage *n)
{
	return atomic_load_explicit(&n->clock, memory_order_acquire);
}

static inline uint32_t lineage_birth(const struct lineage *n)
{
	return atomic_load_explicit(&n->birth, memory_order_acquire);
}

/* The mapping that a page of the node's mm gets. An mm's word (rmap_mm.design) is this, so that a new page need only copy it. */
static inline uintptr_t lineage_name(const struct lineage *n)
{
	return (uintptr_t)n | RMAP_MAPPING_ANON;
}

static inline uintptr_t lineage_name_of_mm(const struct rmap_mm *mm)
{
	return (uintptr_t)mm->design;
}

/* The same the other way round, of a name without other tags: costs nothing where a member is read. */
static inline struct lineage *lineage_of_name(uintptr_t name)
{
	return (struct lineage *)(name - RMAP_MAPPING_ANON);
}

static inline struct lineage *lineage_of_mm(const struct rmap_mm *mm)
{
	return lineage_of_name(lineage_name_of_mm(mm));
}

static inline struct lineage *lineage_of(const struct rmap_vma *vma)
{
	return lineage_of_mm(vma->mm);
}

static inline void lineage_rcu_enter(const struct rmap *rmap)
{
	rmap->port->rcu_read_lock(rmap->port->ctx);
}

static inline void lineage_rcu_leave(const struct rmap *rmap)
{
	rmap->port->rcu_read_unlock(rmap->port->ctx);
}

/* ---- lineage.c: the tree ---- */

int lineage_mm_init(struct rmap *rmap, struct rmap_mm *mm);
int lineage_mm_fork_begin(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent);
void lineage_mm_fork_end(struct rmap *rmap, struct rmap_mm *child, struct rmap_mm *parent,
			 bool copied);
void lineage_mm_exit(struct rmap *rmap, struct rmap_mm *mm);

/* One more, of a node that has some: the caller's own, or the tree's. */
static inline void lineage_get(struct lineage *n, uint64_t count)
{
	atomic_fetch_add_explicit(&n->refs, count, memory_order_relaxed);
}

/* One more, unless there is none any more. RCU. */
bool lineage_try_get(struct lineage *n);
/* One less. The last frees it, after a grace period. Any context. */
void lineage_put(struct rmap *rmap, struct lineage *n);
/* What lineage_put() does for the last, whose count is zero already. */
void lineage_put_last(struct rmap *rmap, struct lineage *n);

/* For pages, of which there are many: one load and one subtraction as long as there are more than a few. */
static inline void lineage_put_quick(struct rmap *rmap, struct lineage *n)
{
	if (rmap_unlikely(atomic_load_explicit(&n->refs, memory_order_relaxed) <= LINEAGE_FEW))
		lineage_put(rmap, n);
	else if (rmap_unlikely(atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) == 1))
		lineage_put_last(rmap, n);
}

/* If n is dead, has at most one child and no walker sleeps there: out of the tree, and so on upwards. */
void lineage_reap(struct rmap *rmap, struct lineage *n);
/* Who stands in n's place now: itself, an heir, or NULL (it had none). RCU. *steps grows by the way. */
struct lineage *lineage_resolve(struct lineage *n, uint64_t *steps);
/* n, which is gone, shall forward to heir at once. RCU. */
void lineage_compress(struct rmap *rmap, struct lineage *n, struct lineage *heir);
/* The topmost living relative's node, with a reference. */
struct lineage *lineage_root_get(struct rmap *rmap, struct lineage *n);

/* ---- lineage_home.c: VMAs ---- */

bool lineage_vma_faulted(const struct rmap_vma *vma);
int lineage_vma_prepare(struct rmap *rmap, struct rmap_vma *vma, struct rmap_vma *next,
			struct rmap_vma *prev);
int lineage_vma_fork(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src);
int lineage_vma_clone(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src);
bool lineage_vma_may_merge(const struct rmap_vma *a, const struct rmap_vma *b);
int lineage_merge_prepare(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src,
			  bool *imported);
void lineage_adjust_begin(struct rmap *rmap, struct rmap_adjust *adjust);
void lineage_adjust_end(struct rmap *rmap, struct rmap_adjust *adjust);
void lineage_move_begin(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src);
void lineage_move_end(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src);
void lineage_vma_unlink(struct rmap *rmap, struct rmap_vma *vma);
/* The number that an anonymous page of vma at addr has. */
uint64_t lineage_index(const struct rmap_vma *vma, uint64_t addr);

/* The first displaced VMA over home number index, and the one behind it. Node's lock. */
struct lineage_displaced *lineage_displaced_first(struct lineage *n, uint64_t index,
						  uint64_t *steps);
struct lineage_displaced *lineage_displaced_next(struct lineage_displaced *d, uint64_t index,
						 uint64_t *steps);
const char *lineage_displaced_check(const struct rmap_vma *vma);

/* ---- lineage_page.c: owners of pages and slots ---- */

void lineage_page_new(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
		      struct rmap_vma *vma, uint64_t addr, bool exclusive);
void lineage_page_alone(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
			uint64_t addr);
void lineage_page_slid(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
		       struct rmap_vma *vma, uint64_t addr);
void lineage_page_adopt(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma,
			uint64_t addr);
void lineage_page_leave(struct rmap *rmap, struct rmap_page *page, struct rmap_vma *vma);
void *lineage_page_pin(struct rmap *rmap, struct rmap_page *page);
void lineage_page_replace(struct rmap *rmap, struct rmap_page *new_page,
			  struct rmap_page *old_page);
void lineage_page_free(struct rmap *rmap, struct rmap_page *page);
void lineage_slot_fill(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page);
void lineage_slot_dup(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page);
void lineage_slot_restore(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page,
			  struct rmap_vma *vma, uint64_t addr);
void lineage_slot_rejoin(struct rmap *rmap, struct rmap_slot *slot, struct rmap_page *page);
void lineage_slot_free(struct rmap *rmap, struct rmap_slot *slot);

/* One less of what an anonymous page's mapping names. */
void lineage_mapping_put(struct rmap *rmap, uintptr_t mapping);

/*
 * The page's owner becomes node with stamp (nr 1), or all of nodes with theirs; the caller's references on the nodes go with it.
 * RMAP_ENOMEM: nothing changed, they are still the caller's. Page lock; outside any RCU section, where it may allocate.
 */
int lineage_page_own(struct rmap *rmap, struct rmap_page *page, struct lineage *const *nodes,
		     const uint32_t *stamps, unsigned int nr, bool may_alloc);

/* The page gets set, whose only reference is the caller's. Page lock. */
void lineage_page_own_set(struct rmap *rmap, struct rmap_page *page, struct co_owners *set);

/* ---- lineage_spare.c ---- */

/* A block, not initialised; from the spare ones if nothing may be allocated. NULL: there is none. No spin lock held. */
struct co_owners *lineage_block_get(struct rmap *rmap, bool may_alloc);
/* One that was got so and has not been used. */
void lineage_block_put(struct rmap *rmap, struct co_owners *set, bool may_alloc);
/* Is there one for who may not allocate? If not, the next fork brings some. */
bool lineage_spare_any(struct rmap *rmap);
/* May allocate. */
void lineage_spare_fill(struct rmap *rmap);
void lineage_spare_end(struct rmap *rmap);

/* ---- lineage_sieve.c ---- */

/* So many bits, none set; a reference. NULL: no memory. */
struct co_owners *lineage_sieve_alloc(struct rmap *rmap, uint32_t bits);
/* One that no page has got; top, if there is one, loses a reference. */
void lineage_sieve_drop(struct rmap *rmap, struct co_owners *set);
uint64_t *lineage_sieve_word(struct lineage_cursor *c, uint32_t bit);
/* May the page be at or below the top's child of this birth? */
bool lineage_sieve_passes(struct lineage_cursor *c, uint32_t birth);

static inline uint32_t lineage_sieve_bit(const struct co_owners *set, uint32_t birth)
{
	return (set->sieve.upto - birth) % set->sieve.bits;
}

/* Plain words that a walker without the page lock may read while they change: one or the other value. */
static inline uint32_t lineage_word(const struct rmap_page *page)
{
	return (uint32_t)atomic_load_explicit(&page->design, memory_order_relaxed);
}

static inline uint32_t lineage_stamp(const struct rmap_page *page)
{
	return lineage_word(page) & LINEAGE_BIRTH_MAX;
}

static inline uint64_t lineage_page_index(const struct rmap_page *page)
{
	return __atomic_load_n(&page->index, __ATOMIC_RELAXED);
}

/* ---- lineage_walk.c, lineage_check.c ---- */

int lineage_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state);
void lineage_vma_links(const struct rmap_vma *vma,
		       void (*emit)(const struct rmap_link_info *info, void *arg), void *arg);
const void *lineage_page_owner(const struct rmap_page *page);
const char *lineage_page_check(const struct rmap_page *page,
			       bool (*has)(const struct rmap_mm *mm, void *arg), void *arg);
const char *lineage_vma_check(const struct rmap *rmap, const struct rmap_vma *vma);

#endif
