/* SPDX-License-Identifier: BSD-2-Clause */
/* The puppets' code, as it stands in this program before it is copied into the house. */
#ifndef RMAP_TOOL_VERIFY_PUPPET_H
#define RMAP_TOOL_VERIFY_PUPPET_H

#include "verify_block.h"

#define PUPPET_SECTION "rmap_puppet"

/* The section's bounds, from the linker. */
__attribute__((visibility("hidden"))) extern const char __start_rmap_puppet[];
__attribute__((visibility("hidden"))) extern const char __stop_rmap_puppet[];

/* Never return. Called only at their place in the house, on the slot's own stack. */
__attribute__((visibility("hidden"))) void puppet_live(struct puppet_slot *slot);
__attribute__((visibility("hidden"))) void puppet_first(struct puppet_slot *slot);

#endif
