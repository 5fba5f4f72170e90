/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a drawing shows, read from the live structures: a few processes, their VMAs, the links of each to its owners, the entries
 * in their page tables and what those lead to.
 *
 * A drawing is for eyes, so there are limits; what they cut off is counted, and the drawing says so.
 */
#ifndef RMAP_TOOL_DRAW_MODEL_H
#define RMAP_TOOL_DRAW_MODEL_H

#include <rmap/mm.h>

#define DRAW_NAME  64
#define DRAW_PTES  6  /* rows of a VMA */
#define DRAW_LINKS 12 /* links of a VMA */

/* How a design comes from an owner, which pages name, to page-table entries. */
enum draw_shape {
	DRAW_BY_LINK,	 /* by objects, each between one VMA and one owner */
	DRAW_BY_VMA,	 /* the VMA itself is entered in its owner */
	DRAW_BY_MM,	 /* owners are of address spaces */
	DRAW_BY_PTE,	 /* each page has its entries; no owners */
	DRAW_BY_NOTHING, /* there is no way back from a page */
};

/* The words of a design; text that goes into the legend is HTML already. NULL: the design has none of it. */
struct draw_words {
	const char *design;
	enum draw_shape shape;
	const char *owner, *link;
	const char *list;    /* the legend of a VMA's list of links */
	const char *look;    /* of what a walk goes along */
	const char *family;  /* of parents and children among owners */
	const char *mapping; /* of what a page names */
	const char *nothing; /* of having no arrows at all */
	const char *stamp;   /* what a page's own word of the design is */
	const char *co_owners;
	bool ages;	  /* birth and clock of owners say something */
	bool walks_files; /* from a page of a file a walk looks in the file's tree */
};

struct draw_limits {
	unsigned int processes, vmas; /* VMAs: of one process */
};

#define DRAW_LIMITS ((struct draw_limits){ .processes = 8, .vmas = 8 })

struct draw_process {
	char name[DRAW_NAME];
	struct mm *mm;
	uint64_t vmas_left_out;
};

/* The number of "none" in what follows. */
#define DRAW_NONE UINT32_MAX

enum draw_target {
	DRAW_PAGE,
	DRAW_SLOT,
	DRAW_ZERO,
	DRAW_MIGRATING,
	DRAW_POISONED,
	DRAW_EMPTY, /* only where one page is asked for: nothing stands there */
};

struct draw_pte {
	uint64_t addr;
	enum draw_target target;
	uint32_t number; /* PAGE, MIGRATING: in pages; SLOT: in slots */
	bool writable, exclusive_entry, dirty, accessed;
	bool chained; /* BY_PTE: the page's chain has it */
};

struct draw_link {
	const void *link;
	uint32_t owner; /* in owners */
	bool own;	/* new pages of the VMA go there */
};

struct draw_vma {
	uint32_t process;
	struct mm_vma_info info; /* file and rmap stay valid while nothing runs */
	uint32_t file;		 /* in files, or NONE */
	struct draw_link links[DRAW_LINKS];
	uint32_t nr_links, links_left_out;
	struct draw_pte ptes[DRAW_PTES];
	uint32_t nr_ptes;
	uint64_t ptes_left_out;
};

struct draw_owner {
	const void *owner, *parent, *root; /* parent and root NULL: nobody who is drawn knows */
	const struct rmap_mm *mm;	   /* BY_MM: NULL once it has exited */
	uint32_t above; /* its parent, in owners; NONE: it has none, or nobody who is drawn knows */
	uint32_t birth, clock;
	uint32_t vmas_own; /* VMAs, of those that are drawn, whose new pages go there */
};

struct draw_page {
	struct page *page;
	uint64_t pfn, index;
	uint32_t mapcount;
	uint32_t owner, file, slot; /* NONE: none */
	uint32_t stamp;
	bool exclusive, dirty;
	bool wanted; /* the one that was asked for */
};

struct draw_slot {
	uint64_t slot;
	uint32_t count;
};

struct draw_file {
	struct mm_file *file;
	uint64_t id;
	bool shmem;
};

struct draw_model {
	struct mm_system *sys;
	const char *design;
	const struct draw_words *words;
	struct draw_process *processes;
	struct draw_vma *vmas;
	struct draw_owner *owners;
	struct draw_page *pages;
	struct draw_slot *slots;
	struct draw_file *files;
	uint32_t nr_processes, nr_vmas, nr_owners, nr_pages, nr_slots, nr_files;
	uint64_t processes_left_out;	 /* that would have had something to show */
	struct page *wanted;		 /* NULL: everything is drawn */
	uint64_t walk_looks, walk_found; /* of a walk from the wanted page */
};

/*
 * Read the state of sys, of these processes, in this order. wanted: draw this page only, with every VMA that a walk from it
 * looks at; NULL: all. The system must be quiet. 0, or -1: no memory.
 */
int draw_collect(struct draw_model *model, struct mm_system *sys,
		 const struct draw_process *processes, uint32_t nr_processes, struct page *wanted,
		 struct draw_limits limits);
void draw_free(struct draw_model *model);

/* By the name of a design; never NULL. */
const struct draw_words *draw_words_of(const char *design);

/* The page mapped at addr of mm, or NULL. */
struct page *draw_page_at(struct mm *mm, uint64_t addr);

/* A, B, … Z, AA, … : what the n-th owner is called. Into buf, which is returned. */
const char *draw_owner_name(uint32_t n, char buf[8]);

/* The n-th name of a process etc. is the caller's; text of the drawing in Graphviz's language. NULL: no memory. */
char *draw_dot(const struct draw_model *model, const char *title, size_t *size);

#endif
