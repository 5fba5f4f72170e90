// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the structures of each design are called in a drawing, and what joins them.
 *
 * The structures themselves are read by rmap_vma_links(), rmap_page_owner() and rmap_walk(), which are alike for all; a reader wants
 * the names that the design's own documents use, and arrows only where the design has pointers.
 */
#include "draw_model.h"

#include <string.h>

#define WALK_BEGINS "page-&gt;mapping: where a walk begins"
#define ITS_FILE    "page-&gt;mapping: the file of a page"

static const struct draw_words words[] = {
	{
		.design = "anon_vma_chain",
		.shape = DRAW_BY_LINK,
		.owner = "anon_vma",
		.link = "AVC",
		.list = "a VMA's list of links (same_vma): newest first, the root's last",
		.look = "an anon_vma's interval tree of links: where a walk looks",
		.family = "an anon_vma's parent, made by fork",
		.mapping = WALK_BEGINS,
		.walks_files = true,
	},
	{
		.design = "anon_vma",
		.shape = DRAW_BY_VMA,
		.owner = "anon_vma",
		.look = "an anon_vma's list of VMAs, the whole family's: where a walk looks",
		.mapping = WALK_BEGINS,
		.walks_files = true,
	},
	{
		.design = "lineage",
		.shape = DRAW_BY_MM,
		.owner = "node",
		.look = "a node's address space: where a walk looks",
		.family = "a node's children, newest first: a walk goes on to those whose birth is "
			  "above the page's stamp",
		.mapping = WALK_BEGINS,
		.stamp = "stamp",
		.co_owners = "several co-owners",
		.ages = true,
		.walks_files = true,
	},
	{
		.design = "cow_context",
		.shape = DRAW_BY_MM,
		.owner = "context",
		.look = "a context's address space: where a walk looks",
		.family = "a context's children: a walk goes on to all of them",
		.mapping = WALK_BEGINS,
		.walks_files = true,
	},
	{
		.design = "anonmm",
		.shape = DRAW_BY_MM,
		.owner = "group",
		.look = "a group's members: a walk looks at one address in each",
		.mapping = WALK_BEGINS,
		.walks_files = true,
	},
	{
		.design = "pte_chain",
		.shape = DRAW_BY_PTE,
		.look = "a page's chain of page-table entries: where a walk looks",
		.mapping = ITS_FILE,
	},
	{
		.design = "scan",
		.shape = DRAW_BY_NOTHING,
		.nothing = "no way leads back from a page: a walk reads every page table",
		.mapping = ITS_FILE,
	},
};

/* For a design that this file has not heard of: what can be said of any. */
static const struct draw_words any_words = {
	.design = "",
	.shape = DRAW_BY_VMA,
	.owner = "owner",
	.look = "an owner of a VMA's pages",
	.family = "an owner's parent",
	.mapping = "the owner of a page",
};

const struct draw_words *draw_words_of(const char *design)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i].design, design))
			return &words[i];
	return &any_words;
}
