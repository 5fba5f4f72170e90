// SPDX-License-Identifier: BSD-2-Clause
/* The reverse maps that a command line names: each once, in the order in which they are named. */
#include "design_list.h"

#include <stdio.h>
#include <string.h>

const struct rmap_ops *design_named(const char *name, char *err, size_t size)
{
	const struct rmap_ops *design = rmap_design_by_name(name);
	size_t n;

	if (design)
		return design;
	n = (size_t)snprintf(err, size, "there is no design '%s' (there are", name);
	for (unsigned int i = 0; rmap_designs[i] && n < size; i++)
		n += (size_t)snprintf(err + n, size - n, "%s %s", i ? "," : "",
				      rmap_design_name(rmap_designs[i]));
	if (n < size)
		snprintf(err + n, size - n, ")");
	return NULL;
}

static bool add(struct design_list *list, const char *name, size_t len, char *err, size_t size)
{
	char text[64];
	const struct rmap_ops *design;

	snprintf(text, sizeof(text), "%.*s", (int)(len < 60 ? len : 60), name);
	design = design_named(text, err, size);
	if (!design)
		return false;
	for (unsigned int i = 0; i < list->nr; i++) {
		if (list->design[i] == design) {
			snprintf(err, size, "the design '%s' is named twice", text);
			return false;
		}
	}
	if (list->nr == DESIGNS_MAX) {
		snprintf(err, size, "too many designs");
		return false;
	}
	list->design[list->nr++] = design;
	return true;
}

bool design_list_parse(const char *text, struct design_list *list, char *err, size_t size)
{
	list->nr = 0;
	if (!text) {
		while (list->nr < DESIGNS_MAX && rmap_designs[list->nr]) {
			list->design[list->nr] = rmap_designs[list->nr];
			list->nr++;
		}
		return true;
	}
	for (;;) {
		size_t len = strcspn(text, ",");

		if (!add(list, text, len, err, size))
			return false;
		if (!text[len])
			return true;
		text += len + 1;
	}
}
