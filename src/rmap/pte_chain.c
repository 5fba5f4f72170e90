// SPDX-License-Identifier: BSD-2-Clause
/*
 * pte_chain: each page has a list of the PTEs that map it. Rik van Riel, Linux 2.5; until 2.6.6.
 *
 *	one mapping ("direct"):      page.design ----------------------> PTE
 *
 *	more:                        page.design --> [next|k| . . . P P P]  newest block, partly filled
 *	                                               |
 *	                                               v
 *	                                             [next|7| P P P P P P P]
 *	                                               |
 *	                                               v
 *	                                             [ 0  |7| P P P P P P P]  oldest block
 *
 * The first entry stands in the page itself; from the second on there are blocks that each fill a cache line: a pointer to the next
 * older block and seven PTE pointers. Only the newest block is partly filled, and how far stands in the low bits of its pointer.
 * Anonymous and file pages are treated alike. From a PTE's address the page of its table is found, and that knows its address
 * space and what it translates; so a walk is exact: as many looks as PTEs.
 *
 * Costs: an entry of 8 bytes (a block of 64 for the second) and one update per mapping, at each fault, fork, unmap and exit,
 * under a lock of the page; unmapping searches the chain. Fails: 5,000 tasks that share 2 GB paid 10 GB for chains; removing one
 * of many thousand relatives takes a search through all (XNU met machines that hung for seconds). Both drove it out.
 *
 * The lock is a bit in the page's word, inside the table lock (PTL). An only entry comes and goes without it, by one
 * compare-and-exchange of the word. A walker must take PTLs, so it cannot keep the chain's lock: it registers in the chain, copies a
 * block's entries under the lock and visits them without. While a walker is registered the chain only grows: what is removed leaves
 * a hole, which the walker closes when it leaves. So it keeps its place; what was added behind its back stands at the newest end,
 * where it looks again before it leaves; and if an entry was moved it goes round once more. Another walker of the same page waits.
 * Slots are in page tables, which an RCU section keeps.
 *
 * Migration: the entries of the page's chain stay while their slots hold migration entries. The new frame's word leads to the old
 * frame's (forward), so both have one chain until the migration ends and the chain is handed over: nothing to allocate.
 */
#include "count.h"
#include "design.h"
#include "walk.h"

#define BLOCK_SLOTS 7u
#define PTE_BYTES   8u /* consecutive slots stand so far apart */

/* The page's word. Blocks are 64-byte aligned, slots and pages 8-byte. */
enum {
	WORD_LOCK = 1 << 0,
	WORD_INLINE = 1 << 1,  /* no block: direct or forward */
	WORD_FORWARD = 1 << 2, /* with INLINE: another page's word is meant */
	WORD_WALKER = 1 << 2,  /* without INLINE: a walker is registered */
	WORD_HOLES = 1 << 3,   /* something was removed under it */
	WORD_MOVED = 1 << 4,   /* an entry moved under it: it must go round again */
	WORD_BLOCK_BITS = 63,
};

/* Guarded by the lock of the page's word. */
struct pte_chain {
	/* the next older block; low bits: slots in use, of the newest block (all others are full) */
	uintptr_t next_and_used;
	void *slot[BLOCK_SLOTS]; /* oldest first; NULL: a hole */
};

_Static_assert(sizeof(struct pte_chain) == 64, "a block fills one cache line");

static inline struct pte_chain *block_next(const struct pte_chain *block)
{
	return (struct pte_chain *)(block->next_and_used & ~(uintptr_t)WORD_BLOCK_BITS);
}

static inline unsigned int block_used(const struct pte_chain *block)
{
	return (unsigned int)(block->next_and_used & WORD_BLOCK_BITS);
}

/* No more than two entries, of which one is to go: the other will need no block. More are left by any other removal. */
static inline bool has_two(const struct pte_chain *newest)
{
	return newest->next_and_used == 2;
}

/* The lock of the page's word; the newest block, or (as its next) an older one, which is full (see valid.h). */
static inline bool pte_chain_valid(const struct pte_chain *block)
{
	const struct pte_chain *next = block_next(block);

	return block_used(block) <= BLOCK_SLOTS && !((uintptr_t)block & WORD_BLOCK_BITS) &&
	       (!next || block_used(next) == 0);
}

/* ---------------------------------------------------------------- the word */

/* A chain that is locked. Changes are made in word and stored by chain_unlock(). */
struct chain {
	struct rmap_page *page; /* whose word it is */
	struct rmap_page *from; /* whose word leads there, locked too; or NULL */
	uint64_t word;		/* without the lock bit */
};

static inline uint64_t word_lock(struct rmap_page *page)
{
	for (;;) {
		uint64_t word =
			atomic_fetch_or_explicit(&page->design, WORD_LOCK, memory_order_acquire);

		if (!(word & WORD_LOCK))
			return word;
		while (atomic_load_explicit(&page->design, memory_order_relaxed) & WORD_LOCK)
			rmap_cpu_relax();
	}
}

static inline void word_unlock(struct rmap_page *page, uint64_t word)
{
	atomic_store_explicit(&page->design, word, memory_order_release);
}

static inline bool is_direct(uint64_t word)
{
	return (word & (WORD_INLINE | WORD_FORWARD)) == WORD_INLINE;
}

static inline bool is_forward(uint64_t word)
{
	return (word & (WORD_INLINE | WORD_FORWARD)) == (WORD_INLINE | WORD_FORWARD);
}

static inline void *inline_pointer(uint64_t word)
{
	return (void *)(uintptr_t)(word & ~(uint64_t)(WORD_LOCK | WORD_INLINE | WORD_FORWARD));
}

static inline struct pte_chain *word_block(uint64_t word)
{
	return (struct pte_chain *)(uintptr_t)(word & ~(uint64_t)WORD_BLOCK_BITS);
}

static inline uint64_t direct_word(void *pte)
{
	return (uint64_t)(uintptr_t)pte | WORD_INLINE;
}

/*
 * From no entry to the only one, from that to another or to none: one word for another, and nothing that a lock would have to be held
 * for meanwhile. False: it is locked, or not that word.
 */
static inline bool word_replace(struct rmap_page *page, uint64_t word, uint64_t by)
{
	return atomic_load_explicit(&page->design, memory_order_relaxed) == word &&
	       atomic_compare_exchange_strong_explicit(&page->design, &word, by,
						       memory_order_acq_rel, memory_order_relaxed);
}

static inline void set_block(struct chain *chain, struct pte_chain *block)
{
	chain->word = (uint64_t)(uintptr_t)block | (chain->word & WORD_BLOCK_BITS);
}

/* Only the outer lock is reported to a checking header: the other one is always inside it. */
static inline void chain_lock_uncounted(struct chain *chain, struct rmap_page *page)
{
	rmap_bit_lock_wait(&page->design, RMAP_LOCK_PTE_CHAIN);
	chain->word = word_lock(page);
	rmap_bit_lock_got(&page->design, RMAP_LOCK_PTE_CHAIN);
	chain->page = page;
	chain->from = NULL;
	if (rmap_unlikely(is_forward(chain->word))) {
		chain->from = page;
		chain->page = inline_pointer(chain->word);
		chain->word = word_lock(chain->page);
	}
}

/* That many chains are locked by one event: counted once. */
static void count_chain_locks(struct rmap *rmap, unsigned int nr)
{
	count_add(&rmap_counting(rmap)->locks_page, nr);
}

static void chain_lock(struct rmap *rmap, struct chain *chain, struct rmap_page *page)
{
	count_chain_locks(rmap, 1);
	chain_lock_uncounted(chain, page);
}

/* A walker's, counted with the walk. */
static void chain_lock_to_walk(struct rmap_walk_state *state, struct chain *chain,
			       struct rmap_page *page)
{
	state->page_locks++;
	chain_lock_uncounted(chain, page);
}

static void chain_unlock(struct chain *chain)
{
	struct rmap_page *outer = chain->from ? chain->from : chain->page;

	rmap_bit_lock_released(&outer->design, RMAP_LOCK_PTE_CHAIN);
	word_unlock(chain->page, chain->word);
	if (chain->from)
		word_unlock(chain->from,
			    (uint64_t)(uintptr_t)chain->page | WORD_INLINE | WORD_FORWARD);
}

static inline bool has_walker(const struct chain *chain)
{
	return !(chain->word & WORD_INLINE) && (chain->word & WORD_WALKER);
}

/* ---------------------------------------------------------------- blocks that are set aside */

/* All of them, counted at once. */
static void free_blocks(struct rmap *rmap, struct rmap_counters *c, struct rmap_reserve *reserve)
{
	const struct rmap_port *port = rmap->port;
	struct list_head *entry = reserve->objects.next;

	discount_objects(rmap, c, RMAP_KIND_PTE_CHAIN, reserve->nr, sizeof(struct pte_chain));
	while (entry != &reserve->objects) {
		struct list_head *next = entry->next;

		port->free(port->ctx, RMAP_KIND_PTE_CHAIN, entry, sizeof(struct pte_chain));
		entry = next;
	}
	list_init(&reserve->objects);
	reserve->nr = 0;
}

static void chain_unreserve(struct rmap *rmap, struct rmap_reserve *reserve)
{
	free_blocks(rmap, rmap_counting(rmap), reserve);
}

/* A mapping needs one block at most. What was left over from before counts. */
static int chain_reserve(struct rmap *rmap, struct rmap_reserve *reserve, unsigned int n)
{
	const struct rmap_port *port = rmap->port;
	uint32_t had = reserve->nr;

	while (reserve->nr < n) {
		struct list_head *block =
			port->alloc(port->ctx, RMAP_KIND_PTE_CHAIN, sizeof(struct pte_chain));

		if (!block)
			break;
		RMAP_ASSERT(rmap->port, ((uintptr_t)block & WORD_BLOCK_BITS) == 0);
		list_add(block, &reserve->objects);
		reserve->nr++;
	}
	if (reserve->nr > had)
		count_objects(rmap, RMAP_KIND_PTE_CHAIN, reserve->nr - had,
			      sizeof(struct pte_chain));
	if (reserve->nr >= n)
		return RMAP_OK;
	chain_unreserve(rmap, reserve);
	return RMAP_ENOMEM;
}

static struct pte_chain *take_block(struct rmap *rmap, struct rmap_reserve *reserve)
{
	struct list_head *entry;

	RMAP_ASSERT(rmap->port, reserve && reserve->nr);
	entry = reserve->objects.next;
	list_del(entry);
	reserve->nr--;
	/* Nothing of it is read before it was written. */
	return (struct pte_chain *)(void *)entry;
}

/* Blocks that chains have no use for any more are set aside too, and go when the event is over. */
static void spare_begin(struct rmap_reserve *spare)
{
	list_init(&spare->objects);
	spare->nr = 0;
}

static void spare_block(struct rmap_reserve *spare, struct pte_chain *block)
{
	struct list_head *entry = (struct list_head *)(void *)block;

	list_add(entry, &spare->objects);
	spare->nr++;
}

static void spare_end(struct rmap *rmap, struct rmap_reserve *spare)
{
	if (spare->nr)
		chain_unreserve(rmap, spare);
}

/* ---------------------------------------------------------------- adding and removing; the chain is locked */

static void push(struct rmap *rmap, struct chain *chain, void *pte, struct rmap_reserve *reserve)
{
	struct pte_chain *head = word_block(chain->word);

	if (!head || block_used(head) == BLOCK_SLOTS) {
		struct pte_chain *block = take_block(rmap, reserve);

		block->next_and_used = (uintptr_t)head;
		/* From here on head is full; the number is the newest block's alone. */
		if (head)
			head->next_and_used &= ~(uintptr_t)WORD_BLOCK_BITS;
		set_block(chain, block);
		head = block;
	}
	head->slot[block_used(head)] = pte;
	head->next_and_used++;
	RMAP_DEBUG_ASSERT(rmap->port, pte_chain_valid(head));
}

static void chain_add(struct rmap *rmap, struct chain *chain, void *pte,
		      struct rmap_reserve *reserve)
{
	if (!chain->word) {
		chain->word = direct_word(pte);
		return;
	}
	if (is_direct(chain->word)) {
		void *first = inline_pointer(chain->word);

		chain->word = 0;
		push(rmap, chain, first, reserve);
	}
	push(rmap, chain, pte, reserve);
}

/* Take off the newest block, which is empty. */
static void drop_head(struct chain *chain, struct rmap_reserve *spare)
{
	struct pte_chain *head = word_block(chain->word);
	struct pte_chain *next = block_next(head);

	if (next)
		next->next_and_used |= BLOCK_SLOTS;
	set_block(chain, next);
	spare_block(spare, head);
}

/* The newest entry, taken out; NULL: there is none. No walker. */
static void *pop(struct chain *chain, struct rmap_reserve *spare)
{
	struct pte_chain *head;

	while ((head = word_block(chain->word)) != NULL) {
		void *pte = NULL;

		if (block_used(head)) {
			head->next_and_used--;
			pte = head->slot[block_used(head)];
		}
		if (!block_used(head))
			drop_head(chain, spare);
		if (pte)
			return pte;
	}
	return NULL;
}

/* One entry left: it goes into the word; none: the word is empty. */
static void simplify(struct chain *chain, struct rmap_reserve *spare)
{
	struct pte_chain *head = word_block(chain->word);

	if (head && (block_next(head) || block_used(head) > 1))
		return;
	if (!head) {
		chain->word = 0;
		return;
	}
	chain->word = direct_word(head->slot[0]);
	spare_block(spare, head);
}

/* The place of pte in the blocks, or NULL. */
static void **find(const struct chain *chain, const void *pte)
{
	struct pte_chain *block = word_block(chain->word);
	unsigned int used = block ? block_used(block) : 0;

	for (; block; block = block_next(block), used = BLOCK_SLOTS) {
		for (unsigned int i = used; i-- > 0;)
			if (block->slot[i] == pte)
				return &block->slot[i];
	}
	return NULL;
}

static void chain_remove(struct rmap *rmap, struct chain *chain, const void *pte,
			 struct rmap_reserve *spare)
{
	struct pte_chain *head = word_block(chain->word);
	void **place, *newest;

	if (is_direct(chain->word)) {
		RMAP_ASSERT(rmap->port, inline_pointer(chain->word) == pte);
		chain->word = 0;
		return;
	}
	RMAP_ASSERT(rmap->port, head != NULL);
	if (has_two(head) && !has_walker(chain)) {
		unsigned int i = head->slot[0] != pte;

		RMAP_ASSERT(rmap->port, head->slot[i] == pte);
		chain->word = direct_word(head->slot[!i]);
		spare_block(spare, head);
		return;
	}
	place = find(chain, pte);
	RMAP_ASSERT(rmap->port, place != NULL);
	if (has_walker(chain)) {
		*place = NULL;
		chain->word |= WORD_HOLES;
		return;
	}
	/* The newest entry fills the hole. If it is the one, place lies in a block that may have left the chain. */
	newest = pop(chain, spare);
	if (newest != pte)
		*place = newest;
}

/* The walker has gone: all entries that are left go into as few blocks as hold them. */
static void close_holes(struct rmap *rmap, struct chain *chain, struct rmap_reserve *spare)
{
	struct pte_chain *block = word_block(chain->word);
	unsigned int used = block ? block_used(block) : 0;

	chain->word = 0;
	while (block) {
		struct pte_chain copy = *block;

		spare_block(spare, block);
		for (unsigned int i = 0; i < used; i++)
			if (copy.slot[i])
				push(rmap, chain, copy.slot[i], spare);
		block = block_next(&copy);
		used = BLOCK_SLOTS;
	}
	simplify(chain, spare);
}

/* ---------------------------------------------------------------- events */

static void chain_page_new(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			   struct rmap_vma *vma, uint64_t addr, bool exclusive)
{
	(void)rmap;
	(void)vma;
	(void)addr;
	(void)exclusive;
	for (unsigned int i = 0; i < nr; i++)
		page_set_owner(pages[i], NULL);
}

static inline void *slot_of(void *pte, unsigned int i)
{
	return (unsigned char *)pte + i * PTE_BYTES;
}

/* Not in line, like its counterpart below: most pages are mapped once, and what blocks take is not prepared for those. */
static __attribute__((noinline)) void add_entries(struct rmap *rmap, struct rmap_page *const *pages,
						  unsigned int nr, void *pte,
						  struct rmap_reserve *reserve)
{
	count_chain_locks(rmap, nr);
	for (unsigned int i = 0; i < nr; i++) {
		struct chain chain;

		chain_lock_uncounted(&chain, pages[i]);
		chain_add(rmap, &chain, slot_of(pte, i), reserve);
		chain_unlock(&chain);
	}
}

static void chain_page_map(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			   struct rmap_vma *vma, uint64_t addr, void *pte, unsigned int flags,
			   struct rmap_reserve *reserve)
{
	(void)vma;
	(void)addr;
	(void)flags;
	for (unsigned int i = 0; i < nr; i++) {
		if (!word_replace(pages[i], 0, direct_word(slot_of(pte, i)))) {
			add_entries(rmap, pages + i, nr - i, slot_of(pte, i), reserve);
			return;
		}
	}
}

static __attribute__((noinline)) void
remove_entries(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr, void *pte)
{
	struct rmap_counters *c = rmap_counting(rmap);
	struct rmap_reserve spare;

	spare_begin(&spare);
	count_add(&c->locks_page, nr);
	for (unsigned int i = 0; i < nr; i++) {
		struct chain chain;

		chain_lock_uncounted(&chain, pages[i]);
		chain_remove(rmap, &chain, slot_of(pte, i), &spare);
		chain_unlock(&chain);
	}
	if (spare.nr)
		free_blocks(rmap, c, &spare);
}

static void chain_page_unmap(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			     struct rmap_vma *vma, uint64_t addr, void *pte)
{
	(void)vma;
	(void)addr;
	for (unsigned int i = 0; i < nr; i++) {
		if (!word_replace(pages[i], direct_word(slot_of(pte, i)), 0)) {
			remove_entries(rmap, pages + i, nr - i, slot_of(pte, i));
			return;
		}
	}
}

/* In place. A walker may have passed the place, and come to the old slot too late. */
static void chain_page_moved(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			     struct rmap_vma *dst, uint64_t new_addr, void *new_pte,
			     struct rmap_vma *src, uint64_t old_addr, void *old_pte)
{
	(void)dst;
	(void)new_addr;
	(void)src;
	(void)old_addr;
	count_chain_locks(rmap, nr);
	for (unsigned int i = 0; i < nr; i++) {
		struct chain chain;

		chain_lock_uncounted(&chain, pages[i]);
		if (is_direct(chain.word)) {
			RMAP_ASSERT(rmap->port, inline_pointer(chain.word) == slot_of(old_pte, i));
			atomic_fetch_add_explicit(&rmap->moves, 1, memory_order_release);
			chain.word = direct_word(slot_of(new_pte, i));
		} else {
			void **place = find(&chain, slot_of(old_pte, i));

			RMAP_ASSERT(rmap->port, place != NULL);
			*place = slot_of(new_pte, i);
			if (has_walker(&chain))
				chain.word |= WORD_MOVED;
		}
		chain_unlock(&chain);
	}
}

/* ---------------------------------------------------------------- walk */

/* One entry. True: go on. *found: the page stood there. */
static bool look_at_slot(struct rmap_walk_state *state, struct rmap_page *page, void *pte,
			 bool *found)
{
	const struct rmap_port *port = state->port;
	struct rmap_hit hit = { .vma = NULL };
	enum rmap_find_result result;

	result = port->pte_at(port->tables_ctx, pte, page, state->find_flags, &hit);
	*found = result == RMAP_FIND_HIT;
	if (result == RMAP_FIND_NO_SLOT)
		return true;
	state->walk->looks++;
	return result != RMAP_FIND_HIT || walk_hit(state, &hit);
}

static bool visit_slot(struct rmap_walk_state *state, struct rmap_page *page, void *pte)
{
	bool found;

	return look_at_slot(state, page, pte, &found);
}

/* How far a walk has come: entries older than this one were visited, or were not there. */
struct mark {
	const struct pte_chain *block; /* NULL: the oldest, whichever that is */
	unsigned int used;
};

static struct mark newest_end(const struct chain *chain)
{
	struct pte_chain *head = word_block(chain->word);

	return (struct mark){ head, block_used(head) };
}

/*
 * Visit the entries from one mark (newest) down to another. already: a slot that was visited before this. False: the walk is
 * over. Registered.
 */
static bool visit_blocks(struct rmap_walk_state *state, struct rmap_page *page, struct mark from,
			 struct mark to, const void *already)
{
	const struct pte_chain *block = from.block;
	unsigned int used = from.used;

	while (block) {
		struct pte_chain copy;
		struct chain chain;
		unsigned int low = block == to.block ? to.used : 0;

		chain_lock_to_walk(state, &chain, page);
		copy = *block;
		chain_unlock(&chain);
		state->walk->steps++;
		for (unsigned int i = used; i-- > low;) {
			if (copy.slot[i] && copy.slot[i] != already &&
			    !visit_slot(state, page, copy.slot[i]))
				return false;
		}
		if (block == to.block)
			break;
		block = block_next(&copy);
		used = BLOCK_SLOTS;
	}
	return true;
}

static void walk_blocks(struct rmap_walk_state *state, struct rmap_page *page, const void *already)
{
	struct mark done = { NULL, 0 };

	for (;;) {
		struct chain chain;
		struct mark end;
		bool more;

		chain_lock_to_walk(state, &chain, page);
		if (chain.word & WORD_MOVED) {
			chain.word &= ~(uint64_t)WORD_MOVED;
			done = (struct mark){ NULL, 0 };
			already = NULL;
		}
		end = newest_end(&chain);
		more = end.block != done.block || end.used != done.used;
		chain_unlock(&chain);
		if (!more || !visit_blocks(state, page, end, done, already))
			return;
		done = end;
	}
}

/* The walker leaves; the holes that it kept open are closed. */
static void leave(struct rmap *rmap, struct rmap_walk_state *state, struct rmap_page *page)
{
	struct rmap_reserve spare;
	struct chain chain;
	bool holes;

	spare_begin(&spare);
	chain_lock_to_walk(state, &chain, page);
	holes = chain.word & WORD_HOLES;
	chain.word &= ~(uint64_t)(WORD_WALKER | WORD_HOLES | WORD_MOVED);
	if (holes)
		close_holes(rmap, &chain, &spare);
	chain_unlock(&chain);
	spare_end(rmap, &spare);
}

/*
 * The only entry, which was visited without registering. If the page was not found there and the word still names the slot, the page
 * was about to go from there, or it was moved away and back again: then something was moved since.
 */
struct visited {
	void *pte;
	bool found;
	uint64_t moves; /* as it was behind the look at the word */
};

/* Register, or visit the only entry. False: done. */
static bool walk_step(struct rmap *rmap, struct rmap_walk_state *state, struct rmap_page *page,
		      struct visited *visited, bool *registered)
{
	struct chain chain;
	bool wait = false;
	void *pte = NULL;
	uint64_t moves;

	chain_lock_to_walk(state, &chain, page);
	if (is_direct(chain.word))
		pte = inline_pointer(chain.word);
	else if (has_walker(&chain))
		wait = true;
	else if (chain.word) {
		chain.word |= WORD_WALKER;
		*registered = true;
	}
	chain_unlock(&chain);
	if (wait) {
		rmap_cpu_relax();
		return true;
	}
	if (!pte)
		return false;
	moves = atomic_load_explicit(&rmap->moves, memory_order_acquire);
	if (pte == visited->pte && (visited->found || moves == visited->moves))
		return false;
	visited->pte = pte;
	visited->moves = moves;
	return look_at_slot(state, page, pte, &visited->found);
}

/*
 * A single entry is visited without registering; then the word is read again, since another may have taken its place, or many.
 */
static int chain_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state)
{
	const struct rmap_port *port = rmap->port;
	bool registered = false;
	struct visited visited = { .pte = NULL };

	port->rcu_read_lock(port->ctx);
	while (walk_step(rmap, state, page, &visited, &registered))
		;
	if (registered) {
		walk_blocks(state, page, visited.found ? visited.pte : NULL);
		leave(rmap, state, page);
	}
	port->rcu_read_unlock(port->ctx);
	return RMAP_OK;
}

/* ---------------------------------------------------------------- migration */

static void chain_page_to_entry(struct rmap *rmap, struct rmap_page *page, void *pte)
{
	/* The slot stays in the chain. */
	(void)rmap;
	(void)page;
	(void)pte;
}

/* The slot stays in the chain, which from now on is the new page's too. */
static void chain_page_from_entry(struct rmap *rmap, struct rmap_page *page,
				  struct rmap_page *old_page, void *pte)
{
	uint64_t word;

	(void)rmap;
	(void)pte;
	if (page == old_page)
		return;
	word = word_lock(page);
	if (!word)
		word = (uint64_t)(uintptr_t)old_page | WORD_INLINE | WORD_FORWARD;
	word_unlock(page, word);
}

static void chain_entry_copied(struct rmap *rmap, struct rmap_page *page, void *pte,
			       struct rmap_reserve *reserve)
{
	struct chain chain;

	chain_lock(rmap, &chain, page);
	chain_add(rmap, &chain, pte, reserve);
	chain_unlock(&chain);
}

static void chain_entry_gone(struct rmap *rmap, struct rmap_page *page, void *pte)
{
	struct rmap_reserve spare;
	struct chain chain;

	spare_begin(&spare);
	chain_lock(rmap, &chain, page);
	chain_remove(rmap, &chain, pte, &spare);
	chain_unlock(&chain);
	spare_end(rmap, &spare);
}

/* Hand the chain over. A walker that is in it must leave first: it would not find its registration again. */
static void chain_migrate_end(struct rmap *rmap, struct rmap_page *new_page,
			      struct rmap_page *old_page)
{
	for (;;) {
		struct chain chain;
		bool wait;

		chain_lock(rmap, &chain, new_page);
		if (!chain.from) {
			RMAP_ASSERT(rmap->port, chain.word == 0);
			chain_unlock(&chain);
			return;
		}
		RMAP_ASSERT(rmap->port, chain.page == old_page);
		wait = has_walker(&chain);
		if (wait) {
			chain_unlock(&chain);
			rmap_cpu_relax();
			continue;
		}
		rmap_bit_lock_released(&new_page->design, RMAP_LOCK_PTE_CHAIN);
		word_unlock(old_page, 0);
		word_unlock(new_page, chain.word);
		return;
	}
}

/* A frame without mappings has no chain. (Page tables keep their own record in the same word.) */
static void chain_page_free(struct rmap *rmap, struct rmap_page *page)
{
	if (atomic_load_explicit(&page->mapping, memory_order_relaxed))
		RMAP_ASSERT(rmap->port,
			    atomic_load_explicit(&page->design, memory_order_relaxed) == 0);
}

/* Nothing else runs. */
static const char *chain_page_check(const struct rmap_page *page,
				    bool (*has)(const struct rmap_mm *mm, void *arg), void *arg)
{
	uint64_t word = atomic_load_explicit(&page->design, memory_order_relaxed);
	const struct pte_chain *block = word & WORD_INLINE ? NULL : word_block(word);

	(void)has;
	(void)arg;
	for (; block; block = block_next(block))
		if (!pte_chain_valid(block))
			return "a block of its chain says of itself what cannot be";
	return NULL;
}

const struct rmap_ops rmap_pte_chain = {
	.name = "pte_chain",
	.walks_file_pages = true,
	.bytes = { .page = 8 },
	.reserve = chain_reserve,
	.unreserve = chain_unreserve,
	.page_new = chain_page_new,
	.page_map = chain_page_map,
	.page_unmap = chain_page_unmap,
	.page_moved = chain_page_moved,
	.page_to_entry = chain_page_to_entry,
	.page_from_entry = chain_page_from_entry,
	.entry_copied = chain_entry_copied,
	.entry_gone = chain_entry_gone,
	.migrate_end = chain_migrate_end,
	.page_free = chain_page_free,
	.walk = chain_walk,
	.page_check = chain_page_check,
};
