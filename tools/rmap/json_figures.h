/* SPDX-License-Identifier: BSD-2-Clause */
/* What several commands say in JSON in the same words. */
#ifndef RMAP_TOOLS_JSON_FIGURES_H
#define RMAP_TOOLS_JSON_FIGURES_H

#include <jansson.h>

#include "runner_int.h"

/* key: n. JSON's integers are signed; a figure beyond that is a limit that says "none", and becomes the largest there is. */
void json_put(json_t *object, const char *key, uint64_t n);

/* An array of what walks from the pages that a workload names came to. */
json_t *json_probes(const struct probe *probes, uint32_t nr);

#endif
