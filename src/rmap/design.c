// SPDX-License-Identifier: BSD-2-Clause
/*
 * The designs that this library holds, the default first.
 */
#include "design.h"

#ifdef RMAP_ONLY_DESIGN
const struct rmap_ops *const rmap_designs[] = { &RMAP_ONLY, NULL };
#else
const struct rmap_ops *const rmap_designs[] = {
	&rmap_anon_vma_chain, &rmap_scan,	 &rmap_pte_chain, &rmap_anon_vma,
	&rmap_anonmm,	      &rmap_cow_context, &rmap_lineage,	  NULL,
};
#endif

static bool same_name(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

const struct rmap_ops *rmap_design_by_name(const char *name)
{
	for (unsigned int i = 0; rmap_designs[i]; i++) {
		if (same_name(rmap_designs[i]->name, name))
			return rmap_designs[i];
	}
	return NULL;
}

struct rmap_design_bytes rmap_design_bytes(const struct rmap_ops *ops)
{
	return ops->bytes;
}

const char *rmap_design_name(const struct rmap_ops *ops)
{
	return ops->name;
}
