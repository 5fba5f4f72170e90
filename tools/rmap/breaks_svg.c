// SPDX-License-Identifier: BSD-2-Clause
/*
 * A flame graph in one file that any browser shows: processes at the bottom, the functions that they were in above, the one that wrote
 * on top, each as wide as the pages that it cost. What a box is, a pointer that rests on it tells (a <title>, no script). Below it, the
 * pages over time.
 */
#include "breaks_flame.h"
#include "breaks_index.h"
#include "words.h"
#include "xml.h"

#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#define WIDTH	 1200.0
#define MARGIN	 10.0
#define ROW	 17.0
#define HEAD	 46.0
#define STRIP	 60.0 /* the time's part */
#define FOOT	 (STRIP + 44.0)
#define LETTER	 6.7 /* of the font */
#define THINNEST 0.15

struct drawing {
	const struct breaks_report *r;
	const struct breaks_flame *flame;
	FILE *out;
	double height, scale; /* scale: width of a page */
};

/* A colour for each module; grey where nothing is known, orange in the kernel. */
static void colour(const struct breaks_named *f, uint32_t depth, char buf[32])
{
	uint64_t hash = XXH3_64bits(f->module, strlen(f->module));
	uint64_t shade = XXH3_64bits(f->function, strlen(f->function));

	if (f->kernel)
		snprintf(buf, 32, "hsl(28,90%%,%d%%)", 60 + (int)(shade % 12));
	else if (depth < 2 || !f->module[0])
		snprintf(buf, 32, "hsl(0,0%%,%d%%)", 78 + (int)(shade % 8));
	else
		snprintf(buf, 32, "hsl(%d,55%%,%d%%)", (int)(hash % 360), 66 + (int)(shade % 14));
}

static void title(const struct drawing *d, const struct breaks_node *n)
{
	const struct breaks_named *f = &n->frame;
	uint64_t all = d->flame->v[0].pages;

	fputs("<title>", d->out);
	xml_put(f->function, SIZE_MAX, d->out);
	if (f->line && f->file) {
		fputc(' ', d->out);
		xml_put(f->file, SIZE_MAX, d->out);
		fprintf(d->out, ":%d", f->line);
	}
	if (f->module[0]) {
		fputs(" (", d->out);
		xml_put(f->module, SIZE_MAX, d->out);
		fputc(')', d->out);
	}
	fprintf(d->out, "%s%s: %" PRIu64 " page%s, %.1f KiB, %.1f %%</title>",
		f->kernel ? " in the kernel" : "", f->inlined ? ", inlined" : "", n->pages,
		n->pages == 1 ? "" : "s", (double)n->bytes / 1024,
		all ? 100 * (double)n->pages / (double)all : 0);
}

/* As many letters as fit, never half of one of several bytes. */
static size_t fitting(const char *text, double width)
{
	size_t room = width > 2 * LETTER ? (size_t)((width - 4) / LETTER) : 0, n = 0;

	while (text[n] && room) {
		n++;
		while ((text[n] & 0xc0) == 0x80)
			n++;
		room--;
	}
	return n;
}

static void box(const struct drawing *d, const struct breaks_node *n, double x)
{
	double width = (double)n->pages * d->scale, y = d->height - FOOT - ROW * (n->depth + 1);
	char fill[32];
	size_t letters = fitting(n->frame.function, width);

	colour(&n->frame, n->depth, fill);
	fputs("<g>", d->out);
	title(d, n);
	fprintf(d->out, "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" fill=\"%s\"/>",
		x, y, width, ROW - 1, fill);
	if (letters >= 3) {
		fprintf(d->out, "<text x=\"%.2f\" y=\"%.1f\">", x + 2, y + 12);
		xml_put(n->frame.function, letters, d->out);
		fputs("</text>", d->out);
	}
	fputs("</g>\n", d->out);
}

/* The tree from its root on, without recursion: it may be as deep as a stack. */
static void boxes(const struct drawing *d)
{
	const struct breaks_node *v = d->flame->v;
	double x = MARGIN;
	uint32_t at = 0;

	for (;;) {
		double width = (double)v[at].pages * d->scale;
		bool drawn = width >= THINNEST;

		if (drawn)
			box(d, &v[at], x);
		if (drawn && v[at].first != BREAKS_NONE) {
			at = v[at].first;
			continue;
		}
		x += width;
		while (at && v[at].next == BREAKS_NONE) {
			at = v[at].parent; /* what it wrote itself is right of its children */
			x += (double)v[at].self * d->scale;
		}
		if (!at)
			return;
		at = v[at].next;
	}
}

/* Time: from the first moment to the last, not to the last that there would have been room for. */
static void strip(const struct drawing *d)
{
	const struct breaks_tally *t = d->r->tally;
	double base = d->height - 24, end = d->r->seconds, bin = (double)t->bin_ns / 1e9, step;
	uint64_t most = 1;

	for (int i = 0; i < BREAKS_BINS; i++) {
		if (t->bins[i] > most)
			most = t->bins[i];
		if (t->bins[i] && end < bin * (i + 1))
			end = bin * (i + 1);
	}
	step = (WIDTH - 2 * MARGIN) * bin / (end > 0 ? end : bin);
	fprintf(d->out, "<line x1=\"%.0f\" y1=\"%.1f\" x2=\"%.0f\" y2=\"%.1f\" stroke=\"#888\"/>\n",
		MARGIN, base, WIDTH - MARGIN, base);
	for (int i = 0; i < BREAKS_BINS; i++) {
		double height = STRIP * (double)t->bins[i] / (double)most;

		if (!t->bins[i])
			continue;
		fprintf(d->out,
			"<g><title>%.3g s to %.3g s: %" PRIu64 " page%s</title><rect x=\"%.2f\" "
			"y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"#678\"/></g>\n",
			(double)t->bin_ns * i / 1e9, (double)t->bin_ns * (i + 1) / 1e9, t->bins[i],
			t->bins[i] == 1 ? "" : "s", MARGIN + step * i, base - height, step - 1,
			height);
	}
	fprintf(d->out,
		"<text x=\"%.0f\" y=\"%.1f\">0 s</text><text x=\"%.0f\" y=\"%.1f\" "
		"text-anchor=\"end\">%.3g s</text>\n",
		MARGIN, base + 14, WIDTH - MARGIN, base + 14, end);
}

int breaks_print_svg(const struct breaks_report *r, FILE *out)
{
	struct breaks_flame flame;
	struct drawing d = { .r = r, .flame = &flame, .out = out };
	int ret = breaks_flame_make(r, true, &flame);
	uint64_t pages = breaks_broken(&r->tally->total);
	char a[32], b[32], c[32];

	if (ret) {
		breaks_flame_free(&flame);
		return ret;
	}
	d.height = HEAD + ROW * (flame.depth + 1) + FOOT;
	d.scale = flame.v[0].pages ? (WIDTH - 2 * MARGIN) / (double)flame.v[0].pages : 0;
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg "
		"xmlns=\"http://www.w3.org/2000/svg\" "
		"viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\">\n"
		"<style>text{font:11px monospace;fill:#111}rect:hover{stroke:#000}"
		".h{font-size:15px}</style>\n<rect width=\"100%%\" height=\"100%%\" "
		"fill=\"#fff\"/>\n",
		WIDTH, d.height, WIDTH, d.height);
	fprintf(out,
		"<text class=\"h\" x=\"%.0f\" y=\"22\">Copy-on-write sharing broken: %s page%s, "
		"%s, in %.1f s</text>\n<text x=\"%.0f\" y=\"38\">width: pages; the "
		"function that wrote is on top; events lost: %s</text>\n",
		MARGIN, words_count(pages, a), pages == 1 ? "" : "s",
		words_bytes(r->tally->broken_bytes, b), r->seconds, MARGIN,
		words_count(r->lost, c));
	boxes(&d);
	strip(&d);
	fputs("</svg>\n", out);
	breaks_flame_free(&flame);
	return 0;
}
