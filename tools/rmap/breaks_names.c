// SPDX-License-Identifier: BSD-2-Clause
/* Frames in words; see the header. */
#include "breaks_names.h"
#include "breaks_index.h"
#include "breaks_kernel.h"
#include "live_procs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define INLINED 32   /* functions in one another at one address */
#define TEXT	1024 /* longer names are cut */

/* What a frame unfolds to: named[first], nr of them. */
struct unfolded {
	struct breaks_frame frame;
	size_t first, nr;
};

struct breaks_names {
	struct breaks_stacks *stacks;
	struct breaks_modules *modules;
	struct breaks_kernel *kernel;
	struct breaks_named *named;
	size_t nr_named, cap_named;
	struct unfolded *v;
	size_t nr, cap;
	char **texts;
	size_t nr_texts, cap_texts;
	struct breaks_index by_frame, by_text;
};

struct breaks_names *breaks_names_new(struct breaks_stacks *stacks, struct breaks_modules *modules)
{
	struct breaks_names *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->stacks = stacks;
	n->modules = modules;
	n->kernel = breaks_kernel_new();
	if (n->kernel)
		return n;
	free(n);
	return NULL;
}

void breaks_names_free(struct breaks_names *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->nr_texts; i++)
		free(n->texts[i]);
	breaks_index_free(&n->by_frame);
	breaks_index_free(&n->by_text);
	breaks_kernel_free(n->kernel);
	free(n->texts);
	free(n->named);
	free(n->v);
	free(n);
}

const char *breaks_names_text(struct breaks_names *n, const char *text)
{
	uint64_t hash = XXH3_64bits(text, strlen(text));
	char safe[TEXT], **texts;
	size_t cursor = 0;
	uint32_t at;

	live_safe(text, safe, sizeof(safe));
	while ((at = breaks_index_next(&n->by_text, hash, &cursor)) != BREAKS_NONE)
		if (!strcmp(n->texts[at], safe))
			return n->texts[at];
	texts = breaks_grow(n->texts, n->nr_texts, &n->cap_texts, sizeof(*texts));
	if (!texts)
		return "(no memory)";
	n->texts = texts;
	texts[n->nr_texts] = strdup(safe);
	if (!texts[n->nr_texts] || breaks_index_put(&n->by_text, hash, (uint32_t)n->nr_texts)) {
		free(texts[n->nr_texts]);
		return "(no memory)";
	}
	return texts[n->nr_texts++];
}

/* -- one frame -------------------------------------------------------------------------------- */

static void name_code(struct breaks_names *n, const struct breaks_frame *f,
		      const struct breaks_place *place, struct breaks_named *out)
{
	const char *module = breaks_names_text(n, breaks_module_name(n->modules, f->module));
	char text[600];

	*out = (struct breaks_named){ .module = module,
				      .module_nr = f->module,
				      .address = f->at,
				      .line = place->line,
				      .known = place->function != NULL,
				      .inlined = place->inlined };
	if (place->file)
		out->file = breaks_names_text(n, place->file);
	if (place->function) {
		const char *suffix = strstr(place->function, ".lto_priv.");
		size_t len = suffix ? (size_t)(suffix - place->function) : sizeof(text);

		/* what the linker called it, to tell it from others of its name */
		snprintf(text, sizeof(text), "%.*s", (int)len, place->function);
		out->function = breaks_names_text(n, text);
		return;
	}
	snprintf(text, sizeof(text), "%.512s+0x%" PRIx64, module, f->at);
	out->function = breaks_names_text(n, text);
}

static size_t name_frame(struct breaks_names *n, const struct breaks_frame *f,
			 struct breaks_named out[INLINED])
{
	struct breaks_place places[INLINED];
	const char *function = NULL;
	char text[64];
	size_t nr;

	switch (f->kind) {
	case BREAKS_CODE:
		nr = breaks_module_describe(n->modules, f->module, f->at, places, INLINED);
		for (size_t i = 0; i < nr; i++)
			name_code(n, f, &places[i], &out[i]);
		return nr;
	case BREAKS_KERNEL:
		function = breaks_kernel_function(n->kernel, f->at);
		if (function && breaks_kernel_is_entry(function))
			return 0;
		break;
	case BREAKS_JIT:
		function = breaks_stacks_jit_name(n->stacks, f->at);
		break;
	default:
		break;
	}
	if (f->kind == BREAKS_BARE)
		snprintf(text, sizeof(text), "0x%" PRIx64, f->at);
	else
		snprintf(text, sizeof(text), "[kernel]");
	out[0] =
		(struct breaks_named){ .function = breaks_names_text(n, function ? function : text),
				       .module = "",
				       .address = f->kind == BREAKS_JIT ? 0 : f->at,
				       .known = function != NULL,
				       .kernel = f->kind == BREAKS_KERNEL };
	return 1;
}

/* BREAKS_NONE without memory */
static uint32_t unfold(struct breaks_names *n, const struct breaks_frame *f)
{
	uint64_t hash = breaks_hash(f->at) ^ f->module ^ (uint64_t)f->kind << 32;
	struct breaks_named out[INLINED], *named;
	struct unfolded *v;
	size_t cursor = 0, nr;
	uint32_t at;

	while ((at = breaks_index_next(&n->by_frame, hash, &cursor)) != BREAKS_NONE)
		if (!memcmp(&n->v[at].frame, f, sizeof(*f)))
			return at;
	nr = name_frame(n, f, out);
	for (size_t i = 0; i < nr; i++) {
		named = breaks_grow(n->named, n->nr_named + i, &n->cap_named, sizeof(*named));
		if (!named)
			return BREAKS_NONE;
		n->named = named;
		named[n->nr_named + i] = out[i];
	}
	v = breaks_grow(n->v, n->nr, &n->cap, sizeof(*v));
	if (!v)
		return BREAKS_NONE;
	n->v = v;
	if (breaks_index_put(&n->by_frame, hash, (uint32_t)n->nr))
		return BREAKS_NONE;
	v[n->nr] = (struct unfolded){ *f, n->nr_named, nr };
	n->nr_named += nr;
	return (uint32_t)n->nr++;
}

size_t breaks_names_stack(struct breaks_names *n, uint32_t stack,
			  struct breaks_named out[BREAKS_NAMED], size_t *kernel, bool *cut)
{
	struct breaks_stack s = breaks_stacks_at(n->stacks, stack);
	size_t nr = 0;

	*kernel = 0;
	*cut = s.cut;
	for (uint32_t i = 0; i < s.nr; i++) {
		uint32_t at = unfold(n, &s.frames[i]);

		if (at == BREAKS_NONE)
			return 0;
		for (size_t k = 0; k < n->v[at].nr && nr < BREAKS_NAMED; k++) {
			const struct breaks_named *named = &n->named[n->v[at].first + k];

			/* without names one "[kernel]" says it all */
			if (named->kernel && !named->known && *kernel)
				continue;
			*kernel += named->kernel;
			out[nr++] = *named;
		}
	}
	return nr;
}
