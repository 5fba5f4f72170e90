// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a design says of itself when its own records are damaged: each sentence of vma_check() and page_check() comes, alone, from one
 * damaged field, and is gone when that is repaired.
 *
 *   P ─┬─ C ── G      a page of P's that all three map, one of C's and G's, one of each alone; a VMA of P's that was moved away
 *      └─ D
 */
#include "engine.h"

#include "mm/vma.h"
#include "rmap/anon_vma_chain.h"
#include "rmap/cow_context.h"
#include "rmap/lineage.h"
#include "rmap/owner.h"

#include <string.h>

#define HOME  0x10000000ull
#define AWAY  0x20000000ull
#define SPLIT 0x30000000ull
#define TWO   0x40000000ull

struct family {
	struct engine e;
	struct mm *p, *c, *d, *g;
};

static void family_make(struct family *f, const struct rmap_ops *design)
{
	struct engine_config config = { .mm.design = design };
	uint64_t at;

	engine_setup(&f->e, &config);
	f->p = engine_mm(&f->e);
	map_anon(&f->e, f->p, HOME, 2);
	map_anon(&f->e, f->p, HOME + 16 * PAGE, 2);
	map_anon(&f->e, f->p, SPLIT, 3);
	for (unsigned int i = 0; i < 3; i++)
		poke(&f->e, f->p, SPLIT + i * PAGE, i);
	poke(&f->e, f->p, HOME, 1);
	poke(&f->e, f->p, HOME + 16 * PAGE, 2);
	assert_int_equal(STEP(&f->e, mm_mremap(f->p, HOME + 16 * PAGE, 2 * PAGE, 2 * PAGE,
					       MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, AWAY, &at)),
			 0);
	/* Three VMAs with one origin. */
	assert_int_equal(STEP(&f->e, mm_mprotect(f->p, SPLIT + PAGE, PAGE, MM_PROT_READ)), 0);
	f->c = engine_fork(&f->e, f->p);
	f->d = engine_fork(&f->e, f->p);
	poke(&f->e, f->c, HOME + PAGE, 3);
	f->g = engine_fork(&f->e, f->c);
	poke(&f->e, f->g, HOME, 4);
}

static void family_end(struct family *f)
{
	engine_check(&f->e);
	mm_put(f->g);
	mm_put(f->d);
	mm_put(f->c);
	mm_put(f->p);
	engine_teardown(&f->e);
}

static struct rmap_vma *vma(struct mm *mm, uint64_t addr)
{
	struct vma *found = vma_at(mm, addr);

	assert_non_null(found);
	return &found->rmap;
}

/* One field of whatever integer or pointer type is damaged; the design must say this of that VMA, and the checker something. */
#define DAMAGED(f, of, field, value, sentence)                                                     \
	do {                                                                                       \
		__typeof__((void)0, (field)) before = (field);                                     \
		struct mm_check check = { 0 };                                                     \
		const char *said;                                                                  \
		int error;                                                                         \
                                                                                                   \
		(field) = (__typeof__((void)0, (field)))(value);                                   \
		said = rmap_vma_check(mm_system_rmap((f)->e.sys), of);                             \
		error = mm_check((f)->e.sys, &check);                                              \
		(field) = before;                                                                  \
		assert_non_null(said);                                                             \
		assert_string_equal(said, sentence);                                               \
		assert_int_equal(error, RMAP_EBADMSG);                                             \
		engine_check(&(f)->e);                                                             \
	} while (0)

/* ---------------------------------------------------------------- anon_vma_chain */

/* The chain of C's VMA: its own anon_vma, then P's. */
static void test_anon_vma_chain(void **state)
{
	struct family f;
	struct rmap_vma *v;
	struct anon_vma_chain *own, *inherited;
	struct list_head *head;
	struct anon_vma *stranger;

	(void)state;
	family_make(&f, &rmap_anon_vma_chain);
	v = vma(f.g, HOME);
	head = &v->design.avc.chain;
	own = chain_entry(head->next);
	inherited = chain_entry(head->prev);
	stranger = vma_own(vma(f.p, SPLIT));
	assert_ptr_not_equal(own, inherited);
	DAMAGED(&f, v, own->same_vma.prev, own,
		"a link's neighbours in the VMA's chain do not point back");
	assert_ptr_not_equal(own->same_vma.next, &inherited->same_vma);
	DAMAGED(&f, v, inherited->same_vma.prev, inherited,
		"a link's neighbours in the VMA's chain do not point back");
	DAMAGED(&f, v, own->vma, vma(f.p, HOME),
		"a link in the VMA's chain belongs to another VMA");
	DAMAGED(&f, v, own->anon_vma, stranger, "the VMA's chain spans two families");
	DAMAGED(&f, v, own->anon_vma, chain_entry(head->next->next)->anon_vma,
		"an anon_vma is twice in the VMA's chain");
	DAMAGED(&f, v, own->anon_vma->parent, own->anon_vma,
		"an anon_vma's parent does not follow it in the VMA's chain");
	DAMAGED(&f, v, v->design.avc.anon_vma, vma_own(vma(f.d, HOME)),
		"the VMA's own anon_vma is not in its chain");
	/* Its chain is empty: nothing leads back. */
	DAMAGED(&f, v, head->next, head, "the VMA's own anon_vma is not in its chain");
	/* P's three parts have one anon_vma: the census is the business of the first in its tree. */
	v = vma(f.p, SPLIT);
	DAMAGED(&f, v, vma_own(v)->rb_root.node->parent_color,
		vma_own(v)->rb_root.node->parent_color ^ 1,
		"an anon_vma's tree is no red-black tree");
	DAMAGED(&f, v, vma_own(v)->num_children, 77,
		"num_children is not the number of anon_vmas whose parent it is");
	DAMAGED(&f, v, vma_own(v)->refcount, 1,
		"an anon_vma has fewer references than links and members need");
	family_end(&f);
}

/* Insert n behind prev, or take it out again. */
static void link_behind(struct list_head *n, struct list_head *prev)
{
	n->prev = prev;
	n->next = prev->next;
	prev->next->prev = n;
	prev->next = n;
}

static void unlink_again(struct list_head *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
}

/* What the design says of v, with the damage that the caller has made. */
#define SAYS(f, v, sentence)                                                                       \
	assert_string_equal(rmap_vma_check(mm_system_rmap((f)->e.sys), v), sentence)

/*
 * A VMA that a child had from P, and cut in two: both have the anon_vma that was its own, so they have one chain.
 *
 *	left:  own - P's
 *	right: own - P's	with a link less, with another link, with a link more
 */
static void test_anon_vma_chain_of_two(void **state)
{
	const char *differ = "two VMAs with the same own anon_vma have different chains";
	struct anon_vma_chain more = { 0 };
	struct family f;
	struct mm *child;
	struct rmap_vma *left, *right;
	struct anon_vma_chain *inherited;
	struct anon_vma *kept;

	(void)state;
	family_make(&f, &rmap_anon_vma_chain);
	map_anon(&f.e, f.p, TWO, 2);
	poke(&f.e, f.p, TWO, 1);
	child = engine_fork(&f.e, f.p);
	assert_int_equal(STEP(&f.e, mm_mprotect(child, TWO + PAGE, PAGE, MM_PROT_READ)), 0);
	left = vma(child, TWO);
	right = vma(child, TWO + PAGE);
	assert_ptr_equal(vma_own(left), vma_own(right));
	inherited = chain_entry(right->design.avc.chain.prev);
	assert_ptr_not_equal(inherited->anon_vma, vma_own(right));
	unlink_again(&inherited->same_vma);
	SAYS(&f, left, differ);
	link_behind(&inherited->same_vma, right->design.avc.chain.prev);
	kept = inherited->anon_vma;
	inherited->anon_vma = vma_own(vma(f.p, HOME));
	SAYS(&f, left, differ);
	inherited->anon_vma = kept;
	more.vma = right;
	more.anon_vma = vma_own(vma(f.p, HOME));
	link_behind(&more.same_vma, right->design.avc.chain.prev);
	SAYS(&f, left, differ);
	unlink_again(&more.same_vma);
	engine_check(&f.e);
	mm_put(child);
	family_end(&f);
}

/* ---------------------------------------------------------------- lineage */

static struct lineage *node(struct mm *mm)
{
	return lineage_of_mm(mm_rmap(mm));
}

static void test_lineage_nodes(void **state)
{
	const char *linked = "a child of its mm's node is wrongly linked";
	const char *ordered = "children of its mm's node are not in order of birth";
	const char *another = "its mm's node is another's, has gone, or is pinned";
	const char *itself = "its mm's node says of itself what cannot be";
	struct family f;
	struct rmap_vma *v;
	struct lineage *p, *c, *d;
	void *kept;

	(void)state;
	family_make(&f, &rmap_lineage);
	p = node(f.p);
	c = node(f.c);
	d = node(f.d);
	v = vma(f.p, HOME);
	kept = mm_rmap(f.p)->design;
	mm_rmap(f.p)->design = (void *)(uintptr_t)RMAP_MAPPING_ANON; /* the name of none */
	SAYS(&f, v, another);
	mm_rmap(f.p)->design = kept;
	DAMAGED(&f, v, p->mm, mm_rmap(f.c), another);
	DAMAGED(&f, v, p->gone, 1, another);
	DAMAGED(&f, v, p->pins, 1, another);
	DAMAGED(&f, v, p->seq, p->seq + 1, "its mm's node is in the middle of a move");
	DAMAGED(&f, v, c->parent, d, linked);
	DAMAGED(&f, v, c->prev, c, linked);
	DAMAGED(&f, v, c->gone, 1, linked);
	DAMAGED(&f, v, c->birth, 0, ordered);
	DAMAGED(&f, v, c->birth, lineage_birth(d) + 1, ordered);
	DAMAGED(&f, v, p->nr_forwarders, 1, itself);
	DAMAGED(&f, v, p->forwarders, c, itself);
	DAMAGED(&f, v, p->refs, 0, itself);
	/* From below: what is wrong above. */
	v = vma(f.g, HOME);
	DAMAGED(&f, v, p->gone, 1, "an ancestor of its mm's node is not in the tree");
	DAMAGED(&f, v, p->head, 0, "an ancestor of its mm's node is not in the tree");
	DAMAGED(&f, v, c->mm, 0,
		"a dead ancestor of its mm's node with one child is still in the tree");
	family_end(&f);
}

/* C's list of those that forward to it has one member, as it counts: alive; gone, but to elsewhere; and more are counted than there are. */
static void test_lineage_forwarders(void **state)
{
	const char *wrong = "a node that forwards to its mm's has not gone, or forwards elsewhere";
	struct lineage forwarder = { .refs = 1 };
	struct family f;
	struct lineage *c;
	struct rmap *rmap;
	struct rmap_vma *v;
	uint64_t refs;

	(void)state;
	family_make(&f, &rmap_lineage);
	rmap = mm_system_rmap(f.e.sys);
	v = vma(f.c, HOME);
	c = node(f.c);
	c->forwarders = &forwarder;
	c->nr_forwarders = 1;
	assert_string_equal(rmap_vma_check(rmap, v), wrong);
	atomic_store(&forwarder.gone, 1);
	assert_string_equal(rmap_vma_check(rmap, v), wrong);
	atomic_store(&forwarder.head, c);
	c->nr_forwarders = 2;
	assert_string_equal(rmap_vma_check(rmap, v),
			    "its mm's node counts other forwards than it has");
	c->nr_forwarders = 1;
	refs = atomic_exchange(&c->refs, 1);
	assert_string_equal(rmap_vma_check(rmap, v),
			    "its mm's node is named more often than it counts");
	atomic_store(&c->refs, refs);
	c->nr_forwarders = 0;
	c->forwarders = NULL;
	family_end(&f);
}

/* A VMA away from home: where, is kept in the mm's tree of homes. */
static void test_lineage_homes(void **state)
{
	struct family f;
	struct rmap_vma *v;
	struct lineage_displaced *d;
	struct mm *q;
	uint64_t at;

	(void)state;
	family_make(&f, &rmap_lineage);
	q = engine_mm(&f.e);
	map_anon(&f.e, q, HOME, 2);
	poke(&f.e, q, HOME, 1);
	assert_int_equal(STEP(&f.e, mm_mremap(q, HOME, 2 * PAGE, 2 * PAGE,
					      MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, AWAY, &at)),
			 0);
	v = vma(q, AWAY);
	assert_true(v->design.lineage.home > LINEAGE_AT_HOME);
	d = (struct lineage_displaced *)v->design.lineage.home;
	DAMAGED(&f, v, d->vma, vma(f.p, HOME), "its place away from home is another VMA's");
	DAMAGED(&f, v, d->last, d->last + 1,
		"it is displaced, but not in its place in the tree of homes");
	mm_put(q);
	family_end(&f);
}

/* What lineage says of who keeps a page's owner. */
static bool nobody_has_it(const struct rmap_mm *mm, void *arg)
{
	(void)mm;
	(void)arg;
	return false;
}

static bool all_have_it(const struct rmap_mm *mm, void *arg)
{
	(void)mm;
	(void)arg;
	return true;
}

static void test_lineage_pages(void **state)
{
	const char *exited = "its owner has exited, and it holds no reference on it";
	struct lineage dead = { .refs = 1 }, other = { .refs = 1 };
	struct co_owners nobody = { .nr = 0 };
	struct family f;
	struct rmap *rmap;
	struct rmap_page *page;
	uintptr_t kept;

	(void)state;
	family_make(&f, &rmap_lineage);
	rmap = mm_system_rmap(f.e.sys);
	page = mm_page_rmap(page_info(f.d, HOME).page);
	assert_null(rmap_page_check(rmap, page, all_have_it, NULL));
	assert_null(
		rmap_page_check(rmap, mm_page_rmap(page_info(f.g, HOME).page), all_have_it, NULL));
	kept = atomic_load(&page->mapping);
	atomic_store(&page->mapping, (uintptr_t)&dead | RMAP_MAPPING_ANON);
	assert_string_equal(rmap_page_check(rmap, page, all_have_it, NULL), exited);
	/* It has an address space, but that one has another node by now. */
	atomic_store(&other.mm, mm_rmap(f.d));
	atomic_store(&page->mapping, (uintptr_t)&other | RMAP_MAPPING_ANON);
	assert_string_equal(rmap_page_check(rmap, page, all_have_it, NULL), exited);
	atomic_store(&page->mapping, lineage_name(node(f.d)));
	assert_string_equal(rmap_page_check(rmap, page, nobody_has_it, NULL),
			    "its owner does not map it, and it holds no reference on it");
	assert_null(rmap_page_check(rmap, page, all_have_it, NULL));
	atomic_store(&page->mapping, (uintptr_t)&dead | LINEAGE_MAPPING_SET | RMAP_MAPPING_ANON);
	assert_string_equal(rmap_page_check(rmap, page, all_have_it, NULL),
			    "it has co-owners, but holds no reference on them");
	atomic_store(&page->mapping, (uintptr_t)&nobody | LINEAGE_MAPPING_SET |
					     LINEAGE_MAPPING_COUNTED | RMAP_MAPPING_ANON);
	assert_string_equal(rmap_page_check(rmap, page, all_have_it, NULL),
			    "its co-owners say of themselves what cannot be");
	atomic_store(&dead.refs, 0);
	atomic_store(&page->mapping,
		     (uintptr_t)&dead | LINEAGE_MAPPING_COUNTED | RMAP_MAPPING_ANON);
	assert_string_equal(rmap_page_check(rmap, page, all_have_it, NULL),
			    "it holds a reference on an owner that has none");
	atomic_store(&page->mapping, kept);
	family_end(&f);
}

/* A page that nobody maps and that holds no reference: whom it names may be gone, and nobody is said. */
static void test_lineage_owner_of_an_unmapped_page(void **state)
{
	struct rmap_page page = { 0 };
	struct family f;

	(void)state;
	family_make(&f, &rmap_lineage);
	atomic_store(&page.mapping, lineage_name(node(f.d)));
	assert_null(rmap_page_owner(mm_system_rmap(f.e.sys), &page));
	assert_null(rmap_page_check(mm_system_rmap(f.e.sys), &page, nobody_has_it, NULL));
	atomic_store(&page.mapcount, 1);
	assert_ptr_equal(rmap_page_owner(mm_system_rmap(f.e.sys), &page), node(f.d));
	family_end(&f);
}

/* ---------------------------------------------------------------- the others */

static void test_anon_vma(void **state)
{
	const char *apart = "the VMA's neighbours in the list of its anon_vma do not point back";
	struct family f;
	struct rmap_vma *v;
	struct list_head *entry;

	(void)state;
	family_make(&f, &rmap_anon_vma);
	v = vma(f.c, HOME);
	entry = &v->design.list.entry;
	DAMAGED(&f, v, entry->next->prev, entry->next, apart);
	DAMAGED(&f, v, entry->prev->next, entry->prev, apart);
	/* Its head is nobody's neighbour but P's and the last one's. */
	DAMAGED(&f, v, vma(f.p, HOME)->design.list.entry.prev, entry,
		"the VMA's anon_vma says of itself what cannot be");
	DAMAGED(&f, v, ((struct rmap_owner *)v->design.list.anon_vma)->refs, 0,
		"the VMA's anon_vma has no reference");
	family_end(&f);
}

/* The beginnings of what anonmm.c and pte_chain.c keep to themselves. */
struct member {
	struct list_head entry;
	struct rmap_mm *mm;
	struct rmap_owner *group;
};

static void test_anonmm(void **state)
{
	const char *apart = "the member's neighbours in its group do not point back";
	struct family f;
	struct member *member, *own;

	(void)state;
	family_make(&f, &rmap_anonmm);
	member = mm_rmap(f.d)->design;
	own = mm_rmap(f.c)->design;
	DAMAGED(&f, vma(f.c, HOME), own->entry.next->prev, &member->entry, apart);
	DAMAGED(&f, vma(f.c, HOME), own->entry.prev->next, &member->entry, apart);
	DAMAGED(&f, vma(f.c, HOME), own->group->refs, 0, "the group has no reference");
	/* Of the group's list it is P that is the head's neighbour. */
	DAMAGED(&f, vma(f.c, HOME), ((struct member *)mm_rmap(f.p)->design)->entry.prev,
		&own->entry, "the group says of itself what cannot be");
	DAMAGED(&f, vma(f.c, HOME), mm_rmap(f.c)->design, 0,
		"the member of the group is not of the VMA's address space");
	DAMAGED(&f, vma(f.c, HOME), mm_rmap(f.c)->design, member,
		"the member of the group is not of the VMA's address space");
	family_end(&f);
}

static void test_cow_context(void **state)
{
	const char *another = "the context is not of the VMA's address space";
	const char *far = "the VMA was moved, but no remap says how far";
	const char *distance = "a remap is not where its distance puts it among the others";
	const char *tree = "the remaps are no red-black tree";
	struct family f;
	struct cow_context *context;
	struct rmap_vma *moved;
	struct remap *remap, *nearer;
	uint64_t at;

	(void)state;
	family_make(&f, &rmap_cow_context);
	context = mm_rmap(f.d)->design;
	DAMAGED(&f, vma(f.c, HOME), mm_rmap(f.c)->design, context, another);
	DAMAGED(&f, vma(f.c, HOME), mm_rmap(f.c)->design, 0, another);
	context = mm_rmap(f.p)->design;
	DAMAGED(&f, vma(f.p, HOME), context->parent, context,
		"the context says of itself what cannot be");
	moved = vma(f.p, AWAY);
	assert_non_null(context->remaps.node);
	remap = rmap_container_of(context->remaps.node, struct remap, rb);
	DAMAGED(&f, moved, remap->rb.parent_color, 0, tree);
	DAMAGED(&f, moved, remap->by_distance.parent_color, 0, tree);
	DAMAGED(&f, moved, context->distances.node, NULL,
		"the context says of itself what cannot be");
	DAMAGED(&f, moved, remap->distance, remap->distance + 1, far);
	DAMAGED(&f, moved, remap->first, remap->first + 1, far);
	DAMAGED(&f, moved, remap->last, remap->last - 1, far);
	DAMAGED(&f, moved, remap->below, remap->below + 1,
		"a remap is not where its range puts it in the tree");
	/* A second one, not as far: left of the first, which is found without it. */
	map_anon(&f.e, f.p, HOME + 32 * PAGE, 2);
	poke(&f.e, f.p, HOME + 32 * PAGE, 5);
	assert_int_equal(
		STEP(&f.e, mm_mremap(f.p, HOME + 32 * PAGE, 2 * PAGE, 2 * PAGE,
				     MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, HOME + 64 * PAGE, &at)),
		0);
	nearer = rmap_container_of(remap->by_distance.left, struct remap, by_distance);
	assert_true(nearer->distance < remap->distance);
	DAMAGED(&f, moved, nearer->distance, remap->distance + 1, distance);
	DAMAGED(&f, moved, nearer->distance, remap->distance, distance);
	family_end(&f);
}

struct block {
	uintptr_t next_and_used;
};

enum { BLOCK_BITS = 63 };

static struct block *block_of(uintptr_t word)
{
	return (struct block *)(word & ~(uintptr_t)BLOCK_BITS);
}

/* One block's word is damaged; page_check() and the checker must say so. */
static void damaged_block(struct family *f, struct rmap_page *page, struct block *block,
			  uintptr_t word)
{
	const char *wrong = "a block of its chain says of itself what cannot be", *said;
	uintptr_t before = block->next_and_used;
	struct mm_check check = { 0 };
	int error;

	block->next_and_used = word;
	said = rmap_page_check(mm_system_rmap(f->e.sys), page, all_have_it, NULL);
	error = mm_check(f->e.sys, &check);
	block->next_and_used = before;
	assert_non_null(said);
	assert_string_equal(said, wrong);
	assert_int_equal(error, RMAP_EBADMSG);
	assert_non_null(strstr(check.message, wrong));
	engine_check(&f->e);
}

/* Nine have the page: the newest block holds two entries and says so, the older one is full and says nothing. */
static void test_pte_chain(void **state)
{
	struct mm *more[6];
	struct rmap_page *page;
	struct block *newest, *older;
	struct family f;

	(void)state;
	family_make(&f, &rmap_pte_chain);
	for (int i = 0; i < 6; i++)
		more[i] = engine_fork(&f.e, f.p);
	page = mm_page_rmap(page_info(f.p, HOME).page);
	newest = block_of((uintptr_t)atomic_load(&page->design));
	older = block_of(newest->next_and_used);
	assert_int_equal(newest->next_and_used & BLOCK_BITS, 2);
	assert_int_equal(older->next_and_used, 0);
	damaged_block(&f, page, newest, newest->next_and_used + 6);
	damaged_block(&f, page, older, 1);
	for (int i = 0; i < 6; i++)
		mm_put(more[i]);
	family_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_anon_vma_chain),
		cmocka_unit_test(test_anon_vma_chain_of_two),
		cmocka_unit_test(test_lineage_nodes),
		cmocka_unit_test(test_lineage_forwarders),
		cmocka_unit_test(test_lineage_homes),
		cmocka_unit_test(test_lineage_pages),
		cmocka_unit_test(test_lineage_owner_of_an_unmapped_page),
		cmocka_unit_test(test_anon_vma),
		cmocka_unit_test(test_anonmm),
		cmocka_unit_test(test_cow_context),
		cmocka_unit_test(test_pte_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
