// SPDX-License-Identifier: BSD-2-Clause
/*
 * A model as Graphviz text: processes with their VMAs on the left, links and pages in the middle, owners and files on the right.
 *
 * So the two ways from a VMA to its owner (an anon_vma, a node, …) lie above each other: the reverse map's, through links where
 * the design has them, and the hardware's, through a PTE and its page. Each kind of relation has one colour, orange what a walk
 * goes along, and the legend names those that occur.
 */
#include "draw_model.h"
#include "xml.h"

#include "mm/mm_types.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FONT	      "Helvetica,Arial,sans-serif"

#define COLOR_LIST    "#1f5fae" /* a VMA's list of links */
#define COLOR_TREE    "#c2410c" /* where a walk looks: an owner's tree of links, a page's chain */
#define COLOR_PTE     "#222b36"
#define COLOR_MAPPING "#2f7d4f" /* page to owner */
#define COLOR_SWAP    "#7a4fa3"
#define COLOR_FAINT   "#5b6b7f"

/* Small text in a table cell. */
#define SMALL(text)   "<FONT POINT-SIZE=\"9\" COLOR=\"" COLOR_FAINT "\">" text "</FONT>"

/* A table row across all columns. */
#define WIDE(text)    "<TR><TD COLSPAN=\"3\" ALIGN=\"LEFT\">" text "</TD></TR>"

/* Which kinds of things were drawn: the legend shows those. */
struct drawn {
	bool list, tree, mapping, swap, file, parent, exclusive, shared;
	bool nothing; /* no way back from a page, said where there is one */
};

/* ---------------------------------------------------------------- VMAs */

static void put_pte_row(const struct draw_model *m, FILE *out, uint32_t vma, uint32_t row)
{
	const struct draw_pte *pte = &m->vmas[vma].ptes[row];
	const char *what = "";

	switch (pte->target) {
	case DRAW_PAGE:
		what = pte->writable ? "writable" : "read-only";
		break;
	case DRAW_SLOT:
		what = pte->exclusive_entry ? "in swap, exclusive" : "in swap";
		break;
	case DRAW_ZERO:
		what = "the zero page";
		break;
	case DRAW_MIGRATING:
		what = "migrating";
		break;
	case DRAW_POISONED:
		what = "poisoned";
		break;
	case DRAW_EMPTY:
		what = "empty";
		break;
	}
	fprintf(out,
		"<TR><TD ALIGN=\"LEFT\">0x%" PRIx64
		"</TD><TD ALIGN=\"RIGHT\">" SMALL("%s%s") "</TD><TD PORT=\"v%ur%u\">%s</TD></TR>",
		pte->addr, what, m->wanted && pte->target == DRAW_EMPTY ? " here" : "", vma, row,
		pte->target == DRAW_PAGE || pte->target == DRAW_SLOT ||
				pte->target == DRAW_MIGRATING
			? "&#9679;"
			: "&#9675;");
}

static void put_vma(const struct draw_model *m, FILE *out, uint32_t number)
{
	const struct draw_vma *v = &m->vmas[number];
	const struct mm_vma_info *info = &v->info;
	char name[8];

	fprintf(out,
		"<TR><TD><TABLE BORDER=\"1\" CELLBORDER=\"0\" CELLSPACING=\"0\" CELLPADDING=\"3\" "
		"COLOR=\"" COLOR_FAINT "\" BGCOLOR=\"white\"><TR><TD PORT=\"v%u\" COLSPAN=\"3\" "
		"BGCOLOR=\"#dfe7f1\" ALIGN=\"LEFT\"><B>VMA&#160;&#160;</B>0x%" PRIx64
		"&#8211;0x%" PRIx64 "&#160; %c%c%c%c&#160;&#160;</TD></TR>",
		number, info->start, info->end, info->prot & MM_PROT_READ ? 'r' : '-',
		info->prot & MM_PROT_WRITE ? 'w' : '-', info->prot & MM_PROT_EXEC ? 'x' : '-',
		info->shared ? 's' : 'p');
	fprintf(out, "<TR><TD COLSPAN=\"3\" ALIGN=\"LEFT\">" SMALL("%soffset 0x%" PRIx64 "%s"),
		info->heap    ? "heap, "
		: info->stack ? "stack, "
			      : "",
		info->pgoff, info->locked ? ", locked" : "");
	for (uint32_t i = 0; i < v->nr_links; i++)
		if (v->links[i].own && !info->shared)
			fprintf(out,
				SMALL("&#160;&#183; new pages &#8594;&#160;") "<FONT "
									      "POINT-SIZE=\"9\" "
									      "COLOR=\"" COLOR_TREE
									      "\"><B>%s</B></FONT>",
				draw_owner_name(v->links[i].owner, name));
	fputs("</TD></TR>", out);
	for (uint32_t i = 0; i < v->nr_ptes; i++)
		put_pte_row(m, out, number, i);
	if (v->ptes_left_out)
		fprintf(out, WIDE(SMALL("and %" PRIu64 " more entries")), v->ptes_left_out);
	if (!v->nr_ptes)
		fputs(WIDE(SMALL("no page yet")), out);
	fputs("</TABLE></TD></TR>", out);
}

/*
 * A process is one node with its VMAs as tables in it: Graphviz orders nodes as it is told to (by the edges of an unseen one),
 * but turns clusters around at will, and what is in them.
 */
static void put_processes(const struct draw_model *m, FILE *out)
{
	fputs(" first [shape=point, style=invis, width=0.01, ordering=out];\n", out);
	for (uint32_t p = 0; p < m->nr_processes; p++)
		fprintf(out, " first -> p%u [style=invis, minlen=1];\n", p);
	for (uint32_t p = 0; p < m->nr_processes; p++) {
		const struct draw_process *process = &m->processes[p];

		fprintf(out,
			" p%u [label=<<TABLE BORDER=\"1\" "
			"STYLE=\"ROUNDED\" "
			"CELLBORDER=\"0\" CELLSPACING=\"5\" CELLPADDING=\"1\" BGCOLOR=\"#f4f6f9\" "
			"COLOR=\"#c3ccd8\"><TR><TD PORT=\"mm\" ALIGN=\"LEFT\"><B>",
			p);
		xml_put(process->name, SIZE_MAX, out);
		fprintf(out, "&#160;&#160;</B>" SMALL("mm %" PRIu64) "</TD></TR>",
			mm_id(process->mm));
		for (uint32_t v = 0; v < m->nr_vmas; v++)
			if (m->vmas[v].process == p)
				put_vma(m, out, v);
		if (process->vmas_left_out)
			fprintf(out, WIDE(SMALL("and %" PRIu64 " more VMAs")),
				process->vmas_left_out);
		fputs("</TABLE>>];\n", out);
	}
}

/* ---------------------------------------------------------------- links, owners */

/* A VMA's list as a strip of links, newest on top, so that it stays together wherever their owners stand. */
static void put_strip(const struct draw_model *m, FILE *out, uint32_t number)
{
	const struct draw_vma *v = &m->vmas[number];

	fprintf(out,
		" l%u [label=<<TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"0\" "
		"CELLPADDING=\"0\">",
		number);
	for (uint32_t i = 0; i < v->nr_links; i++)
		fprintf(out,
			"%s<TR><TD PORT=\"l%u\" BORDER=\"1\" STYLE=\"ROUNDED\" CELLPADDING=\"2\" "
			"BGCOLOR=\"#fffbe6\" COLOR=\"#a08a2c\"><FONT "
			"POINT-SIZE=\"9\">%s</FONT></TD></TR>",
			i ? "<TR><TD><FONT POINT-SIZE=\"12\" COLOR=\"" COLOR_LIST
			    "\"><B>&#8595;</B></FONT></TD></TR>"
			  : "",
			i, m->words->link);
	if (v->links_left_out)
		fprintf(out, "<TR><TD>" SMALL("and %u more") "</TD></TR>", v->links_left_out);
	fputs("</TABLE>>];\n", out);
	fprintf(out, " p%u:v%u:e -> l%u:l0:w [color=\"" COLOR_LIST "\", penwidth=1.6];\n",
		v->process, number, number);
	for (uint32_t i = 0; i < v->nr_links; i++)
		fprintf(out,
			" l%u:l%u:e -> o%u [color=\"" COLOR_TREE "\", dir=back, penwidth=1.6];\n",
			number, i, v->links[i].owner);
}

/* An arrow from an owner to a process, or to one of its VMAs (port), without anything between. */
static void put_direct(FILE *out, uint32_t process, const char *port, uint32_t owner)
{
	fprintf(out,
		" p%u:%s:e -> o%u [color=\"" COLOR_TREE "\", dir=back, penwidth=1.6, minlen=4];\n",
		process, port, owner);
}

/* The owner that new pages of the process go to. All its VMAs say the same, if they say anything. */
static void put_member(const struct draw_model *m, FILE *out, uint32_t process, struct drawn *drawn)
{
	for (uint32_t n = 0; n < m->nr_vmas; n++)
		for (uint32_t i = 0; m->vmas[n].process == process && i < m->vmas[n].nr_links; i++)
			if (m->vmas[n].links[i].own) {
				put_direct(out, process, "mm", m->vmas[n].links[i].owner);
				drawn->tree = true;
				return;
			}
}

static void put_links(const struct draw_model *m, FILE *out, struct drawn *drawn)
{
	if (m->words->shape == DRAW_BY_MM) {
		for (uint32_t p = 0; p < m->nr_processes; p++)
			put_member(m, out, p, drawn);
		return;
	}
	for (uint32_t n = 0; n < m->nr_vmas; n++) {
		const struct draw_vma *v = &m->vmas[n];
		char port[16];

		if (!v->nr_links)
			continue;
		drawn->tree = true;
		if (m->words->shape == DRAW_BY_LINK) {
			put_strip(m, out, n);
			drawn->list = true;
			continue;
		}
		snprintf(port, sizeof(port), "v%u", n);
		for (uint32_t i = 0; i < v->nr_links; i++)
			put_direct(out, v->process, port, v->links[i].owner);
	}
}

/*
 * The owner below parent that comes behind previous (NONE: the first): newest first where their ages are known, else in order of
 * their letters. parent NONE: of those that have none.
 */
static uint32_t next_child(const struct draw_model *m, uint32_t parent, uint32_t previous)
{
	const struct draw_owner *p = previous == DRAW_NONE ? NULL : &m->owners[previous];
	uint32_t best = DRAW_NONE;

	for (uint32_t i = 0; i < m->nr_owners; i++) {
		const struct draw_owner *o = &m->owners[i];

		if (o->above != parent)
			continue;
		if (p && (o->birth > p->birth || (o->birth == p->birth && i <= previous)))
			continue;
		if (best == DRAW_NONE || o->birth > m->owners[best].birth)
			best = i;
	}
	return best;
}

/* Each owner before its children, these newest first. */
static uint32_t next_in_tree(const struct draw_model *m, uint32_t at)
{
	uint32_t next = next_child(m, at, DRAW_NONE);

	while (next == DRAW_NONE && at != DRAW_NONE) {
		next = next_child(m, m->owners[at].above, at);
		at = m->owners[at].above;
	}
	return next;
}

/* Owners stand below each other as they are told to by unseen edges: those of a tree in its order, else by their letters. */
static void put_order(const struct draw_model *m, FILE *out)
{
	const uint32_t first = next_child(m, DRAW_NONE, DRAW_NONE);

	fputs(" last [shape=point, style=invis, width=0.01, ordering=in];\n", out);
	for (uint32_t i = 0; i < m->nr_owners; i++)
		fprintf(out, " o%u -> last [style=invis, minlen=1];\n", i);
	if (m->words->shape != DRAW_BY_MM || first == DRAW_NONE)
		return;
	fputs(" { rank=same; edge [style=invis];", out);
	for (uint32_t i = first; i != DRAW_NONE; i = next_in_tree(m, i))
		fprintf(out, "%so%u", i == first ? " " : " -> ", i);
	fputs("; }\n", out);
}

/* Whose it is, where owners are of address spaces. */
static void put_whose(const struct draw_model *m, FILE *out, const struct draw_owner *o)
{
	if (!o->mm)
		fputs("<TR><TD>" SMALL("its process has exited") "</TD></TR>", out);
	for (uint32_t p = 0; p < m->nr_processes; p++) {
		if (&m->processes[p].mm->rmap != o->mm)
			continue;
		fprintf(out, "<TR><TD>" SMALL("of mm %" PRIu64) "</TD></TR>",
			mm_id(m->processes[p].mm));
	}
	if (m->words->ages)
		fprintf(out, "<TR><TD>" SMALL("birth %u &#183; clock %u") "</TD></TR>", o->birth,
			o->clock);
}

static void put_family(const struct draw_model *m, FILE *out, uint32_t number, struct drawn *drawn)
{
	uint32_t parent = m->owners[number].above;

	if (!m->words->family || parent == DRAW_NONE)
		return;
	if (m->words->shape == DRAW_BY_MM)
		fprintf(out,
			" o%u -> o%u [color=\"" COLOR_TREE "\", penwidth=1.6, constraint=false];\n",
			parent, number);
	else
		fprintf(out,
			" o%u -> o%u [style=dotted, color=\"#8a94a3\", "
			"constraint=false];\n",
			number, parent);
	drawn->parent = true;
}

static void put_owner(const struct draw_model *m, FILE *out, uint32_t number, struct drawn *drawn)
{
	const struct draw_owner *o = &m->owners[number];
	char name[8], of[8];

	fprintf(out,
		" o%u [label=<<TABLE BORDER=\"2\" CELLBORDER=\"0\" CELLSPACING=\"0\" "
		"CELLPADDING=\"4\" "
		"COLOR=\"" COLOR_TREE "\" BGCOLOR=\"#fff1e8\"><TR><TD><B>%s %s</B></TD></TR>",
		number, m->words->owner, draw_owner_name(number, name));
	if (m->words->family && o->parent == o->owner)
		fputs("<TR><TD>" SMALL("root of its family") "</TD></TR>", out);
	else if (m->words->family && o->above != DRAW_NONE)
		fprintf(out, "<TR><TD>" SMALL("child of %s") "</TD></TR>",
			draw_owner_name(o->above, of));
	if (m->words->family && m->words->shape == DRAW_BY_MM)
		put_whose(m, out, o);
	fputs("</TABLE>>];\n", out);
	put_family(m, out, number, drawn);
}

static void put_owners(const struct draw_model *m, FILE *out, struct drawn *drawn)
{
	put_order(m, out);
	for (uint32_t i = 0; i < m->nr_owners; i++)
		put_owner(m, out, i, drawn);
}

static void put_files(const struct draw_model *m, FILE *out, struct drawn *drawn)
{
	for (uint32_t i = 0; i < m->nr_files; i++)
		fprintf(out,
			" f%u [label=<<TABLE BORDER=\"2\" CELLBORDER=\"0\" CELLSPACING=\"0\" "
			"CELLPADDING=\"4\" "
			"COLOR=\"" COLOR_LIST "\" BGCOLOR=\"#e9f1fb\"><TR><TD><B>%s %" PRIu64
			"</B></TD></TR></TABLE>>];\n",
			i, m->files[i].shmem ? "shared memory" : "file", m->files[i].id);
	for (uint32_t n = 0; n < m->nr_vmas; n++)
		if (m->vmas[n].file != DRAW_NONE) {
			fprintf(out,
				" p%u:v%u:e -> f%u [color=\"%s\", dir=back, penwidth=1.2, "
				"minlen=4];\n",
				m->vmas[n].process, n, m->vmas[n].file,
				m->words->walks_files ? COLOR_TREE : COLOR_FAINT);
			drawn->file = true;
		}
}

/* ---------------------------------------------------------------- pages, slots, entries */

static void put_page(const struct draw_model *m, FILE *out, uint32_t number, struct drawn *drawn)
{
	const struct draw_page *p = &m->pages[number];
	const char *fill = p->exclusive ? "#e4f5ea" : p->file != DRAW_NONE ? "#e9f1fb" : "#fff3cf";

	if (p->exclusive)
		drawn->exclusive = true;
	else if (p->file == DRAW_NONE)
		drawn->shared = true;
	if (m->wanted && !p->wanted)
		fill = "#eeeeee";
	fprintf(out,
		" g%u [label=<<TABLE BORDER=\"%u\" CELLBORDER=\"0\" CELLSPACING=\"0\" "
		"CELLPADDING=\"3\" "
		"COLOR=\"" COLOR_MAPPING "\" BGCOLOR=\"%s\"><TR><TD><B>page %" PRIu64
		"</B></TD></TR><TR><TD>" SMALL("index 0x%" PRIx64
					       " &#183; %s%u PTE%s%s") "</TD></TR>",
		number, p->wanted ? 3 : 1, fill, p->pfn, p->index,
		p->exclusive ? "exclusive, " : "", p->mapcount, p->mapcount == 1 ? "" : "s",
		p->dirty ? ", dirty" : "");
	if (p->owner != DRAW_NONE && m->words->stamp)
		fprintf(out, "<TR><TD>" SMALL("%s %u") "</TD></TR>", m->words->stamp, p->stamp);
	if (p->owner == DRAW_NONE && p->file == DRAW_NONE && m->words->co_owners)
		fprintf(out, "<TR><TD>" SMALL("%s") "</TD></TR>", m->words->co_owners);
	fputs("</TABLE>>];\n", out);
	drawn->nothing = m->words->nothing != NULL;
	if (p->owner != DRAW_NONE) {
		fprintf(out, " g%u -> o%u [style=dashed, color=\"" COLOR_MAPPING "\"];\n", number,
			p->owner);
		drawn->mapping = true;
	}
	if (p->file != DRAW_NONE) {
		fprintf(out, " g%u -> f%u [style=dashed, color=\"" COLOR_MAPPING "\"];\n", number,
			p->file);
		drawn->mapping = true;
	}
	if (p->slot != DRAW_NONE) {
		fprintf(out,
			" g%u -> s%u [style=dashed, color=\"" COLOR_SWAP
			"\", dir=both, label=<<FONT COLOR=\"" COLOR_SWAP
			"\">swap cache</FONT>>, constraint=false];\n",
			number, p->slot);
		drawn->swap = true;
	}
}

static void put_entry(const struct draw_model *m, FILE *out, uint32_t vma, uint32_t row,
		      struct drawn *drawn)
{
	const struct draw_vma *v = &m->vmas[vma];
	const struct draw_pte *pte = &v->ptes[row];
	bool faint = m->wanted && pte->target == DRAW_PAGE && !m->pages[pte->number].wanted;

	if (pte->target == DRAW_PAGE || pte->target == DRAW_MIGRATING)
		fprintf(out, " p%u:v%ur%u:e -> g%u [color=\"%s\"%s];\n", v->process, vma, row,
			pte->number, faint ? "#a7b0bc" : COLOR_PTE,
			pte->target == DRAW_MIGRATING ? ", style=dotted" : "");
	if (pte->chained) {
		fprintf(out,
			" p%u:v%ur%u:e -> g%u [color=\"" COLOR_TREE
			"\", dir=back, penwidth=1.6];\n",
			v->process, vma, row, pte->number);
		drawn->tree = true;
	}
	if (pte->target == DRAW_SLOT) {
		fprintf(out, " p%u:v%ur%u:e -> s%u [color=\"" COLOR_SWAP "\"];\n", v->process, vma,
			row, pte->number);
		drawn->swap = true;
	}
}

static void put_entries(const struct draw_model *m, FILE *out, struct drawn *drawn)
{
	for (uint32_t n = 0; n < m->nr_vmas; n++)
		for (uint32_t i = 0; i < m->vmas[n].nr_ptes; i++)
			put_entry(m, out, n, i, drawn);
	for (uint32_t i = 0; i < m->nr_pages; i++)
		put_page(m, out, i, drawn);
	for (uint32_t i = 0; i < m->nr_slots; i++)
		fprintf(out,
			" s%u [shape=cylinder, style=filled, fillcolor=\"#f3ecfa\", "
			"color=\"" COLOR_SWAP "\", label=<<B>slot %" PRIu64
			"</B><BR/>" SMALL("%u %s") ">];\n",
			i, m->slots[i].slot, m->slots[i].count,
			m->slots[i].count == 1 ? "entry" : "entries");
}

/* ---------------------------------------------------------------- the frame */

static void put_key(const struct draw_model *m, const struct drawn *drawn, FILE *out)
{
	const struct draw_words *words = m->words;
	const struct {
		bool there;
		const char *sign, *color, *text;
	} lines[] = {
		{ true, "&#9679;&#8594;", COLOR_PTE,
		  "a page-table entry: virtual address to page" },
		{ drawn->list, "&#8594;", COLOR_LIST, words->list },
		{ drawn->tree, "&#8594;", COLOR_TREE, words->look },
		{ drawn->file, "&#8594;", words->walks_files ? COLOR_TREE : COLOR_FAINT,
		  words->walks_files ? "the file's interval tree of VMAs: where a walk looks"
				     : "the file's interval tree of VMAs, for truncation" },
		{ drawn->nothing, "&#215;", COLOR_TREE, words->nothing },
		{ drawn->mapping, "&#8674;", COLOR_MAPPING, words->mapping },
		{ drawn->parent, words->shape == DRAW_BY_MM ? "&#8594;" : "&#8943;",
		  words->shape == DRAW_BY_MM ? COLOR_TREE : "#8a94a3", words->family },
		{ drawn->swap, "&#8594;", COLOR_SWAP,
		  "swap: an entry that names a slot; a page that caches it" },
		{ drawn->exclusive, "&#9632;", "#8fd3a8",
		  "page of one address space: written without a copy" },
		{ drawn->shared, "&#9632;", "#f2cf63",
		  "page that several may share: a write copies it" },
	};
	bool second = false;

	fputs("<TABLE BORDER=\"0\" CELLSPACING=\"1\" CELLPADDING=\"1\">", out);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (!lines[i].there)
			continue;
		fprintf(out,
			"%s<TD ALIGN=\"RIGHT\"><FONT COLOR=\"%s\">%s</FONT></TD><TD "
			"ALIGN=\"LEFT\">" SMALL("%s&#160;&#160;") "</TD>%s",
			second ? "" : "<TR>", lines[i].color, lines[i].sign, lines[i].text,
			second ? "</TR>" : "");
		second = !second;
	}
	fputs(second ? "<TD></TD><TD></TD></TR></TABLE>" : "</TABLE>", out);
}

/* What stands over the drawing. */
static void put_head(const struct draw_model *m, FILE *out, const struct drawn *drawn,
		     const char *title)
{
	fputs("<TABLE BORDER=\"0\" CELLSPACING=\"2\" CELLPADDING=\"1\"><TR><TD ALIGN=\"LEFT\">"
	      "<FONT POINT-SIZE=\"14\"><B>",
	      out);
	xml_put(title, SIZE_MAX, out);
	fputs("</B></FONT></TD></TR>", out);
	if (m->processes_left_out)
		fprintf(out,
			"<TR><TD ALIGN=\"LEFT\"><B>Left out: %" PRIu64
			" more process%s.</B></TD></TR>",
			m->processes_left_out, m->processes_left_out == 1 ? "" : "es");
	if (m->wanted)
		fprintf(out,
			"<TR><TD ALIGN=\"LEFT\">A walk from page %" PRIu64 " looks at %" PRIu64
			" PTE%s and finds %" PRIu64 " that map%s it.</TD></TR>",
			page_to_pfn(m->sys, m->wanted), m->walk_looks,
			m->walk_looks == 1 ? "" : "s", m->walk_found,
			m->walk_found == 1 ? "s" : "");
	fputs("<TR><TD ALIGN=\"LEFT\">", out);
	put_key(m, drawn, out);
	fputs("</TD></TR><TR><TD> </TD></TR></TABLE>", out);
}

char *draw_dot(const struct draw_model *m, const char *title, size_t *size)
{
	struct drawn drawn = { 0 };
	char *text = NULL;
	FILE *out = open_memstream(&text, size);
	bool failed;

	if (!out)
		return NULL;
	fputs("digraph rmap {\n graph [rankdir=LR, fontname=\"" FONT
	      "\", fontsize=11, nodesep=0.2, ranksep=\"0.4\", bgcolor=\"white\", pad=0.15];\n"
	      " node [shape=plain, fontname=\"" FONT "\", fontsize=11];\n"
	      " edge [fontname=\"" FONT "\", fontsize=9, arrowsize=0.6, minlen=2];\n",
	      out);
	put_processes(m, out);
	put_links(m, out, &drawn);
	put_owners(m, out, &drawn);
	put_files(m, out, &drawn);
	put_entries(m, out, &drawn);
	fputs(" labelloc=t; labeljust=l; label=<", out);
	put_head(m, out, &drawn, title);
	fputs(">;\n}\n", out);
	failed = ferror(out);
	if (fclose(out) || failed) {
		free(text);
		return NULL;
	}
	return text;
}
