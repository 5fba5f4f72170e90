/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker's own picture of the machine, and how its parts hand it on.
 *
 * Each part returns 0, RMAP_EBADMSG with a sentence in out->message, or RMAP_ENOMEM. They run in the order below: what comes
 * later may rely on what was found right before (a VMA tree that can be followed, table entries that point to frames).
 */
#ifndef MM_CHECK_H
#define MM_CHECK_H

#include "file.h"
#include "format.h"
#include "mm_types.h"
#include "table.h"
#include "vma.h"

/*
 * One place that maps a page, or where a migration entry stands for it, in one word: address space (by its number in
 * check.mms), page number of the address, kind. Sorted by its value it is sorted by address space, then address.
 */
typedef uint64_t check_site;

#define SITE_MET	((check_site)1 << 0) /* a walk came by */
#define SITE_ENTRY	((check_site)1 << 1) /* a migration entry, no PTE */
#define SITE_ADDR_SHIFT 2
#define SITE_MM_SHIFT	(SITE_ADDR_SHIFT + 47 - RMAP_PAGE_SHIFT)
#define SITE_MM_MAX	((uint64_t)1 << (64 - SITE_MM_SHIFT))

static inline check_site site_make(uint64_t mm, uint64_t addr)
{
	return mm << SITE_MM_SHIFT | addr >> RMAP_PAGE_SHIFT << SITE_ADDR_SHIFT;
}

static inline uint64_t site_mm(check_site site)
{
	return site >> SITE_MM_SHIFT;
}

static inline uint64_t site_addr(check_site site)
{
	return (site & (((check_site)1 << SITE_MM_SHIFT) - 1)) >> SITE_ADDR_SHIFT
									  << RMAP_PAGE_SHIFT;
}

enum check_facts {
	FACT_TABLE = 1 << 0, /* a page table that some address space reaches */
	FACT_FREE = 1 << 1,  /* on the free list */
	FACT_CACHE = 1 << 2, /* a swap slot caches it */
	FACT_TREE = 1 << 3,  /* a file's tree holds it */
	FACT_LRU = 1 << 4,   /* on an LRU list */
};

/* What was found of a frame; by frame number, below sys->untouched. */
struct check_page {
	uint64_t first; /* its sites are check.sites[first..first + sites - 1] */
	uint32_t sites;
	uint32_t facts;
	uint32_t locks; /* of the sites, those that count as locking it */
};

struct check_mm {
	struct mm *mm;
	uint64_t tables;
	int64_t rss[RSS_KINDS];
};

struct check_file {
	struct mm_file *file;
	uint64_t vmas, writable; /* VMAs that map it; those that count as writable */
	uint64_t sum; /* over the mixed addresses of those VMAs: the same set has the same sum */
};

/* From a pointer to a number: open addressing, at most half full. */
struct check_map {
	const void **keys;
	uint64_t *values;
	uint64_t mask;
};

#define CHECK_BLOCKS 16

struct check {
	struct mm_system *sys;
	struct mm_check *out;
	uint64_t nr_pages; /* sys->untouched */
	struct check_page *pages;
	check_site *sites;
	uint64_t nr_sites;
	struct check_mm *mms;
	uint64_t nr_mms;
	struct check_map mm_of; /* by struct rmap_mm */
	struct check_file *files;
	uint64_t nr_files;
	struct check_map file_of; /* by struct rmap_file */
	struct check_map
		chain_of; /* by owner: a hash over the chain of the VMAs that put pages there */
	uint64_t nr_vmas;
	uint64_t looks;		/* slots that walks read */
	uint64_t tables;	/* of all address spaces */
	uint64_t accounted;	/* pages that must be committed */
	uint64_t dirty;		/* pages of files */
	uint32_t *slot_entries; /* entries that name a slot, by slot number below sys->swap.next */
	struct {
		void *start;
		size_t size;
	} block[CHECK_BLOCKS]; /* what is to be freed in the end */
	unsigned int nr_blocks;
};

/* The sentence that ends the check. */
#define check_wrong(c, ...)                                                                        \
	(format_sentence((c)->out->message, sizeof((c)->out->message), __VA_ARGS__), RMAP_EBADMSG)

/* ---- check.c ---- */

/* nr (as many as there are of something, so that their bytes can be counted) zeroed elements, freed at the end of the check. NULL: no memory. */
void *check_alloc(struct check *c, uint64_t nr, size_t size);
/* Room for nr keys. 0 or RMAP_ENOMEM. */
int check_map_init(struct check *c, struct check_map *map, uint64_t nr);
/* The value of key (to be set if it is new), NULL: it is not there and create is false. */
uint64_t *check_map_find(const struct check_map *map, const void *key, bool create);
/* The number of members of a list whose links agree in both directions; or RMAP_EBADMSG, what: its name. */
int check_list(struct check *c, const struct list_head *head, const char *what, uint64_t *nr);
/* A number that looks random, from another one. */
uint64_t check_mix(uint64_t x);

/* One more entry, in a page table or a file's tree, that names slot. */
static inline void check_name_slot(struct check *c, uint64_t slot)
{
	c->slot_entries[slot]++;
}

static inline uint64_t check_mm_id(const struct check *c, check_site site)
{
	return c->mms[site_mm(site)].mm->id;
}

/* ---- the parts ---- */

int check_layout(struct check *c);
int check_tables(struct check *c);
int check_files(struct check *c);
int check_swap(struct check *c);
int check_pages(struct check *c);
int check_rmap(struct check *c);

/* ---- check_valid.c ---- */

/* Each structure by itself. */
int check_valid(struct check *c);

#endif
