// SPDX-License-Identifier: BSD-2-Clause
/*
 * A model as Graphviz text: processes with their VMAs on the left, links and pages in the middle, owners and files on the right.
 *
 * So the two ways from a VMA to an anon_vma lie above each other: through the links (the reverse map's), and through a PTE and
 * its page (the hardware's). Each kind of relation has one colour, and the legend names those that occur.
 */
#include "draw_model.h"

#include "mm/mm_types.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FONT	      "Helvetica,Arial,sans-serif"

#define COLOR_LIST    "#1f5fae" /* a VMA's list of links */
#define COLOR_TREE    "#c2410c" /* an owner's tree of links */
#define COLOR_PTE     "#222b36"
#define COLOR_MAPPING "#2f7d4f" /* page to owner */
#define COLOR_SWAP    "#7a4fa3"
#define COLOR_FAINT   "#5b6b7f"

/* Small text in a table cell. */
#define SMALL(text)   "<FONT POINT-SIZE=\"9\" COLOR=\"" COLOR_FAINT "\">" text "</FONT>"

/* Which kinds of things were drawn: the legend shows those. */
struct drawn {
	bool list, tree, mapping, swap, file, parent, exclusive, shared;
};

static void put_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

static const char *owner_word(const struct draw_model *m)
{
	return m->design[0] == 'a' && m->design[4] == '_' ? "anon_vma" : "owner";
}

static const char *link_word(const struct draw_model *m)
{
	return owner_word(m)[0] == 'a' ? "AVC" : "link";
}

/* ---------------------------------------------------------------- VMAs */

static void put_pte_row(const struct draw_model *m, FILE *out, const struct draw_pte *pte,
			unsigned int row)
{
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
		"</TD><TD ALIGN=\"RIGHT\">" SMALL("%s%s") "</TD><TD PORT=\"p%u\">%s</TD></TR>",
		pte->addr, what, m->wanted && pte->target == DRAW_EMPTY ? " here" : "", row,
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
		"  v%u [label=<<TABLE BORDER=\"1\" CELLBORDER=\"0\" CELLSPACING=\"0\" "
		"CELLPADDING=\"3\" "
		"COLOR=\"" COLOR_FAINT "\" BGCOLOR=\"white\"><TR><TD PORT=\"vma\" COLSPAN=\"3\" "
		"BGCOLOR=\"#dfe7f1\" ALIGN=\"LEFT\"><B>VMA</B> 0x%" PRIx64 "&#8211;0x%" PRIx64
		" %c%c%c%c</TD></TR>",
		number, info->start, info->end, info->prot & MM_PROT_READ ? 'r' : '-',
		info->prot & MM_PROT_WRITE ? 'w' : '-', info->prot & MM_PROT_EXEC ? 'x' : '-',
		info->shared ? 's' : 'p');
	fprintf(out, "<TR><TD COLSPAN=\"3\" ALIGN=\"LEFT\">" SMALL("%soffset 0x%" PRIx64 "%s"),
		info->heap    ? "heap, "
		: info->stack ? "stack, "
			      : "",
		info->pgoff, info->locked ? ", locked" : "");
	for (uint32_t i = 0; i < v->nr_links; i++)
		if (v->links[i].own)
			fprintf(out,
				SMALL(" &#183; new pages &#8594; ") "<FONT POINT-SIZE=\"9\" "
								    "COLOR=\"" COLOR_TREE
								    "\"><B>%s</B></FONT>",
				draw_owner_name(v->links[i].owner, name));
	fputs("</TD></TR>", out);
	for (uint32_t i = 0; i < v->nr_ptes; i++)
		put_pte_row(m, out, &v->ptes[i], i);
	if (v->ptes_left_out)
		fprintf(out,
			"<TR><TD COLSPAN=\"3\" ALIGN=\"LEFT\">" SMALL("and %" PRIu64
								      " more entries") "</TD></TR>",
			v->ptes_left_out);
	if (!v->nr_ptes)
		fputs("<TR><TD COLSPAN=\"3\" ALIGN=\"LEFT\">" SMALL("no page yet") "</TD></TR>",
		      out);
	fputs("</TABLE>>];\n", out);
}

static void put_processes(const struct draw_model *m, FILE *out)
{
	for (uint32_t p = 0; p < m->nr_processes; p++) {
		const struct draw_process *process = &m->processes[p];

		fprintf(out, " subgraph cluster_p%u { label=<<B>", p);
		put_text(out, process->name);
		fprintf(out,
			"</B> &#160;" SMALL("mm %" PRIu64) ">; labelloc=t; labeljust=l; "
							   "style=\"rounded,filled\"; "
							   "fillcolor=\"#f4f6f9\"; "
							   "color=\"#c3ccd8\"; margin=10;\n",
			mm_id(process->mm));
		for (uint32_t v = 0; v < m->nr_vmas; v++)
			if (m->vmas[v].process == p)
				put_vma(m, out, v);
		/* By rising address from the top: an edge inside a rank orders its ends, the last one first. */
		for (uint32_t v = 1; v < m->nr_vmas; v++)
			if (m->vmas[v].process == p && m->vmas[v - 1].process == p)
				fprintf(out, "  {rank=same; v%u -> v%u [style=invis]}\n", v, v - 1);
		if (process->vmas_left_out)
			fprintf(out, "  more%u [label=<" SMALL("and %" PRIu64 " more VMAs") ">];\n",
				p, process->vmas_left_out);
		fputs(" }\n", out);
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
			i, link_word(m));
	if (v->links_left_out)
		fprintf(out, "<TR><TD>" SMALL("and %u more") "</TD></TR>", v->links_left_out);
	fputs("</TABLE>>];\n", out);
	fprintf(out, " v%u:vma:e -> l%u:l0:w [color=\"" COLOR_LIST "\", penwidth=1.6];\n", number,
		number);
	for (uint32_t i = 0; i < v->nr_links; i++)
		fprintf(out,
			" l%u:l%u:e -> o%u [color=\"" COLOR_TREE "\", dir=back, penwidth=1.6];\n",
			number, i, v->links[i].owner);
}

static void put_links(const struct draw_model *m, FILE *out, struct drawn *drawn)
{
	for (uint32_t n = 0; n < m->nr_vmas; n++) {
		if (!m->vmas[n].nr_links)
			continue;
		put_strip(m, out, n);
		drawn->list = drawn->tree = true;
	}
}

static uint32_t parent_of(const struct draw_model *m, const struct draw_owner *o)
{
	for (uint32_t i = 0; i < m->nr_owners; i++)
		if (m->owners[i].owner == o->parent)
			return i;
	return DRAW_NONE;
}

static void put_owners(const struct draw_model *m, FILE *out, struct drawn *drawn)
{
	for (uint32_t i = 0; i < m->nr_owners; i++) {
		const struct draw_owner *o = &m->owners[i];
		uint32_t parent = o->parent ? parent_of(m, o) : DRAW_NONE;
		char name[8], of[8];

		fprintf(out,
			" o%u [label=<<TABLE BORDER=\"2\" CELLBORDER=\"0\" CELLSPACING=\"0\" "
			"CELLPADDING=\"4\" "
			"COLOR=\"" COLOR_TREE
			"\" BGCOLOR=\"#fff1e8\"><TR><TD><B>%s %s</B></TD></TR>",
			i, owner_word(m), draw_owner_name(i, name));
		if (parent == i)
			fputs("<TR><TD>" SMALL("root of its family") "</TD></TR>", out);
		else if (parent != DRAW_NONE)
			fprintf(out, "<TR><TD>" SMALL("child of %s") "</TD></TR>",
				draw_owner_name(parent, of));
		fputs("</TABLE>>];\n", out);
		if (parent != i && parent != DRAW_NONE) {
			fprintf(out,
				" o%u -> o%u [style=dotted, color=\"#8a94a3\", "
				"constraint=false];\n",
				i, parent);
			drawn->parent = true;
		}
	}
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
				" v%u:vma:e -> f%u [color=\"" COLOR_TREE
				"\", dir=back, penwidth=1.2, minlen=2];\n",
				n, m->vmas[n].file);
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
					       " &#183; %s%u PTE%s%s") "</TD></TR></TABLE>>];\n",
		number, p->wanted ? 3 : 1, fill, p->pfn, p->index,
		p->exclusive ? "exclusive, " : "", p->mapcount, p->mapcount == 1 ? "" : "s",
		p->dirty ? ", dirty" : "");
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

static void put_entries(const struct draw_model *m, FILE *out, struct drawn *drawn)
{
	for (uint32_t n = 0; n < m->nr_vmas; n++)
		for (uint32_t i = 0; i < m->vmas[n].nr_ptes; i++) {
			const struct draw_pte *pte = &m->vmas[n].ptes[i];

			if (pte->target == DRAW_PAGE || pte->target == DRAW_MIGRATING)
				fprintf(out, " v%u:p%u:e -> g%u [color=\"%s\"%s];\n", n, i,
					pte->number,
					m->wanted && !m->pages[pte->number].wanted ? "#a7b0bc"
										   : COLOR_PTE,
					pte->target == DRAW_MIGRATING ? ", style=dotted" : "");
			if (pte->target == DRAW_SLOT) {
				fprintf(out, " v%u:p%u:e -> s%u [color=\"" COLOR_SWAP "\"];\n", n,
					i, pte->number);
				drawn->swap = true;
			}
		}
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

static void put_legend(const struct draw_model *m, FILE *out, const struct drawn *drawn)
{
	const struct {
		bool there;
		const char *sign, *color, *text;
	} lines[] = {
		{ true, "&#9679;&#8594;", COLOR_PTE,
		  "a page-table entry: virtual address to page" },
		{ drawn->list, "&#8594;", COLOR_LIST,
		  "a VMA's list of links (same_vma): newest first, the root's last" },
		{ drawn->tree || drawn->file, "&#8594;", COLOR_TREE,
		  drawn->tree ? "an anon_vma's interval tree of links: where a walk looks"
			      : "the file's interval tree of VMAs: where a walk looks" },
		{ drawn->mapping, "&#8674;", COLOR_MAPPING,
		  "page-&gt;mapping: where a walk begins" },
		{ drawn->parent, "&#8943;", "#8a94a3", "an anon_vma's parent, made by fork" },
		{ drawn->swap, "&#8594;", COLOR_SWAP,
		  "swap: an entry that names a slot; a page that caches it" },
		{ drawn->exclusive, "&#9632;", "#8fd3a8",
		  "page of one address space: written without a copy" },
		{ drawn->shared, "&#9632;", "#f2cf63",
		  "page that several may share: a write copies it" },
	};
	int column = 0;

	fputs("<TABLE BORDER=\"0\" CELLSPACING=\"2\" CELLPADDING=\"2\">", out);
	if (m->processes_left_out)
		fprintf(out,
			"<TR><TD COLSPAN=\"4\" ALIGN=\"LEFT\"><B>Left out: %" PRIu64
			" more process%s.</B></TD></TR>",
			m->processes_left_out, m->processes_left_out == 1 ? "" : "es");
	if (m->wanted)
		fprintf(out,
			"<TR><TD COLSPAN=\"4\" ALIGN=\"LEFT\">A walk from page %" PRIu64
			" looks at %" PRIu64 " PTE%s and finds %" PRIu64
			" that map%s it.</TD></TR>",
			m->nr_pages ? (uint64_t)(m->wanted - m->sys->pages) : 0, m->walk_looks,
			m->walk_looks == 1 ? "" : "s", m->walk_found,
			m->walk_found == 1 ? "s" : "");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (!lines[i].there)
			continue;
		fprintf(out,
			"%s<TD ALIGN=\"RIGHT\"><FONT COLOR=\"%s\">%s</FONT></TD><TD "
			"ALIGN=\"LEFT\">" SMALL("%s") "</TD>%s",
			column ? "" : "<TR>", lines[i].color, lines[i].sign, lines[i].text,
			column ? "</TR>" : "");
		column = !column;
	}
	fputs(column ? "<TD></TD><TD></TD></TR></TABLE>" : "</TABLE>", out);
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
	      "\", fontsize=11, nodesep=0.2, ranksep=\"0.9\", bgcolor=\"white\", pad=0.15];\n"
	      " node [shape=plain, fontname=\"" FONT "\", fontsize=11];\n"
	      " edge [fontname=\"" FONT "\", fontsize=9, arrowsize=0.6];\n"
	      " subgraph cluster_all { peripheries=0; labelloc=t; labeljust=l; label=<<FONT "
	      "POINT-SIZE=\"14\"><B>",
	      out);
	put_text(out, title);
	fprintf(out, "</B></FONT>>;\n");
	put_processes(m, out);
	put_links(m, out, &drawn);
	put_owners(m, out, &drawn);
	put_entries(m, out, &drawn);
	fputs(" }\n labelloc=b; labeljust=l; label=<", out);
	put_legend(m, out, &drawn);
	fputs(">;\n}\n", out);
	failed = ferror(out);
	if (fclose(out) || failed) {
		free(text);
		return NULL;
	}
	return text;
}
