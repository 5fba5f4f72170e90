/* SPDX-License-Identifier: BSD-2-Clause */
/* Text in drawings, which are XML: SVG, and the labels of dot. */
#ifndef RMAP_TOOL_XML_H
#define RMAP_TOOL_XML_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The first max bytes of text, or all of it, with what means something to XML written so that it does not. */
static inline void xml_put(const char *text, size_t max, FILE *out)
{
	for (size_t i = 0; i < max && text[i]; i++) {
		switch (text[i]) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(text[i], out);
		}
	}
}

#endif
