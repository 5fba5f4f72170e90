/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rmap_port: everything that tier 1 asks of the kernel it lives in.
 *
 * A const struct of callbacks and one context pointer, so that many instances live in one process. Tier 1 never asks for
 * a disk, a clock or a frame; those are in mm_port.h, for tier 2.
 */
#ifndef RMAP_PORT_H
#define RMAP_PORT_H

#include <rmap/types.h>

struct rmap_hit;
struct rmap_mm;
struct rmap_page;
struct rmap_vma;

/*
 * What an object is. Every allocation names its kind: the port may keep a cache for each, and bytes are counted by it.
 */
enum rmap_kind {
	/* tier 1 */
	RMAP_KIND_ANON_VMA, /* type-stable */
	RMAP_KIND_AVC,
	RMAP_KIND_PTE_CHAIN,
	RMAP_KIND_ANONMM,
	RMAP_KIND_CONTEXT, /* type-stable */
	RMAP_KIND_REMAP,
	RMAP_KIND_LINEAGE,
	RMAP_KIND_CO_OWNERS,
	RMAP_KIND_ANONMM_GROUP, /* type-stable */
	RMAP_KIND_TIER1_END,	/* the number of tier 1's kinds, not a kind */
	/* tier 2 */
	RMAP_KIND_MM = 16,
	RMAP_KIND_VMA,
	RMAP_KIND_FILE,
	RMAP_KIND_FILE_NODE, /* a node of a file's page tree */
	RMAP_KIND_SYSTEM,    /* the system itself, the swap map: few, large, long-lived */
	RMAP_KIND_BUFFER,    /* short-lived arrays of one call */
	RMAP_KINDS,
};

/*
 * A late reader under RCU may still look at an object of a type-stable kind after it was freed. The port may hand its
 * memory out again only as the same kind, must zero it the first time ever it is handed out, and must not write to it
 * between free and the next alloc.
 */
static inline bool rmap_kind_is_type_stable(enum rmap_kind kind)
{
	return kind == RMAP_KIND_ANON_VMA || kind == RMAP_KIND_CONTEXT ||
	       kind == RMAP_KIND_ANONMM_GROUP;
}

/* A human-readable name, as "anon_vma_chain". Never NULL. */
const char *rmap_kind_name(enum rmap_kind kind);

/* Put inside whatever is freed after a grace period. */
struct rmap_rcu {
	struct rmap_rcu *next;
	void (*func)(void *ctx, struct rmap_rcu *rcu); /* ctx: the port's */
};

enum rmap_find_flags {
	/* Look for migration entries that stand for the page instead of for PTEs that map it. */
	RMAP_FIND_ENTRIES = 1 << 0,
};

enum rmap_find_result {
	RMAP_FIND_NO_SLOT = -1, /* no page table there: nothing was read */
	RMAP_FIND_OTHER = 0,	/* a slot was read; it does not map the page */
	RMAP_FIND_HIT = 1,	/* it does; the table lock is held, hit is filled in */
};

struct rmap_port {
	/* Passed to every callback but those about page tables. */
	void *ctx;

	/*
	 * size bytes for an object of kind, or NULL. Zeroed, except a type-stable object that is handed out again (see
	 * rmap_kind_is_type_stable). Aligned to 8 bytes, and to 64 where kind is RMAP_KIND_PTE_CHAIN (a block fills a cache
	 * line, and its address leaves room for a count). A kind always has one size except RMAP_KIND_SYSTEM and RMAP_KIND_BUFFER. Never
	 * called with a spin lock held; may sleep, must not call back into the library.
	 */
	void *(*alloc)(void *ctx, enum rmap_kind kind, size_t size);

	/* Give back what alloc returned, with the same kind and size. May be called with spin locks held; NULL is not passed. */
	void (*free)(void *ctx, enum rmap_kind kind, void *object, size_t size);

	/* Enter and leave an RCU read-side section. They nest. A section may not sleep. */
	void (*rcu_read_lock)(void *ctx);
	void (*rcu_read_unlock)(void *ctx);

	/*
	 * Call rcu->func after a grace period, from any thread, outside read-side sections, with no lock held but sleeping ones of who waits
	 * in rcu_barrier(). func may sleep for a lock (cow_context's does, for its parent's). May be called with spin locks held.
	 */
	void (*call_rcu)(void *ctx, struct rmap_rcu *rcu,
			 void (*func)(void *ctx, struct rmap_rcu *rcu));

	/* Return after every call_rcu() made so far has run. Outside read-side sections, no spin lock held (sleeping locks may be). */
	void (*rcu_barrier)(void *ctx);

	/*
	 * A sleeping lock waits: sleep until woken, provided *word still is value; may return early for no reason. wake
	 * wakes all who wait on word, and may be called in a read-side section. Both NULL: such locks spin.
	 */
	void (*wait)(void *ctx, const _Atomic uint32_t *word, uint32_t value);
	void (*wake)(void *ctx, const _Atomic uint32_t *word);

	/*
	 * Which processor runs this, below nr_cpus: counters, free frames and new pages are kept for each apart, so that two do not
	 * wait for each other. A guess will do (a thread that moves on, two that give one number): what is kept has locks of its own, and a
	 * wrong answer costs time. Called with any locks held. NULL, or nr_cpus 0: there is one. At most 256.
	 */
	uint32_t (*cpu)(void *ctx);
	uint32_t nr_cpus;

	/* Passed as ctx to the callbacks about page tables: pte_find to vma_find (whose home may be another than the OS's). */
	void *tables_ctx;

	/*
	 * Look at the slot for addr in mm. On RMAP_FIND_HIT the table lock is held, and hit->mm, hit->addr, hit->pte and
	 * hit->table_lock are set; pte_unlock() releases it. Called in an RCU read-side section or with a sleeping lock
	 * held that keeps mm's tables (the design's documentation says which); must not sleep.
	 */
	enum rmap_find_result (*pte_find)(void *ctx, struct rmap_mm *mm, uint64_t addr,
					  struct rmap_page *page, unsigned int flags,
					  struct rmap_hit *hit);

	/* The same for a known slot (pte_chain); the page that holds the table knows its mm and address. */
	enum rmap_find_result (*pte_at)(void *ctx, void *pte, struct rmap_page *page,
					unsigned int flags, struct rmap_hit *hit);

	/*
	 * The next slot of mm at or above *cursor that maps page (scan). *cursor is left behind the hit, *looks grows by the
	 * slots that were read. May miss an entry that is moved meanwhile: scan begins again then. RMAP_FIND_HIT or
	 * RMAP_FIND_NO_SLOT (the end).
	 */
	enum rmap_find_result (*pte_scan)(void *ctx, struct rmap_mm *mm, struct rmap_page *page,
					  unsigned int flags, uint64_t *cursor, uint64_t *looks,
					  struct rmap_hit *hit);

	/* Release the table lock of a hit. */
	void (*pte_unlock)(void *ctx, struct rmap_hit *hit);

	/* The VMA of mm that covers addr, or NULL. Called by rmap_hit_vma() with the hit's table lock held; must not sleep. */
	struct rmap_vma *(*vma_find)(void *ctx, struct rmap_mm *mm, uint64_t addr);

	/* A broken invariant: say so and do not return. */
	void (*panic)(void *ctx, const char *file, int line, const char *what)
		__attribute__((noreturn));
};

/* Assertions stay on in release builds where they are cheap. */
#define RMAP_ASSERT(port, cond)                                                                    \
	do {                                                                                       \
		if (rmap_unlikely(!(cond)))                                                        \
			(port)->panic((port)->ctx, __FILE__, __LINE__, #cond);                     \
	} while (0)

/* Dear ones: only where RMAP_DEBUG is set (the debug and sanitizer presets). */
#ifdef RMAP_DEBUG
#define RMAP_DEBUG_ASSERT(port, cond) RMAP_ASSERT(port, cond)
#else
#define RMAP_DEBUG_ASSERT(port, cond) ((void)sizeof(!(cond)), (void)(port))
#endif

#endif
