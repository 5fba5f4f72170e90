// SPDX-License-Identifier: BSD-2-Clause
/* See json_figures.h. */
#include "json_figures.h"

void json_put(json_t *object, const char *key, uint64_t n)
{
	json_object_set_new(object, key, json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n));
}

json_t *json_probes(const struct probe *probes, uint32_t nr)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < nr; i++) {
		const struct probe *p = &probes[i];
		json_t *o = json_object();

		json_object_set_new(o, "what", json_string(p->what));
		json_object_set_new(o, "present", json_boolean(p->found_page));
		json_put(o, "looks_stopping", p->stop_looks);
		json_put(o, "looks_full", p->full_looks);
		json_put(o, "steps_full", p->steps);
		json_put(o, "found", p->found);
		json_put(o, "mapcount", p->mapcount);
		json_array_append_new(array, o);
	}
	return array;
}
