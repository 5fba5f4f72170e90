// SPDX-License-Identifier: BSD-2-Clause
/*
 * Counters by name: "fault_cow_copy", "memory.free", "objects.anon_vma", "bytes.vma", "walk.unmap.looks", "rmap.adopted".
 *
 * Events are of the whole run, also over a hibernation; what is there now (memory, objects, bytes) is the present machine's.
 */
#include "runner_int.h"

#include <stdio.h>
#include <string.h>

struct named_offset {
	const char *name;
	size_t offset;
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define MM(field)                                                                                  \
	{                                                                                          \
#field, offsetof(struct mm_counters, field)                                        \
	}
static const struct named_offset mm_counters[] = {
	MM(faults),
	MM(fault_zero_page),
	MM(fault_zero_fill),
	MM(fault_cow_copy),
	MM(fault_cow_reuse),
	MM(fault_file_map),
	MM(fault_file_cow),
	MM(fault_mkwrite),
	MM(fault_swap_in),
	MM(fault_spurious),
	MM(fault_mmap_lock),
	MM(fault_errors),
	MM(stack_growths),
	MM(forks),
	MM(execs),
	MM(exits),
	MM(fork_vmas),
	MM(fork_ptes),
	MM(fork_pages_copied),
	MM(swap_out),
	MM(swap_in),
	MM(swap_cache_hits),
	MM(file_in),
	MM(file_out),
	MM(reclaim_scanned),
	MM(reclaim_freed),
	MM(reclaim_activated),
	MM(lazyfree_dropped),
	MM(migrated),
	MM(poisoned),
	MM(merges),
	MM(splits),
	MM(moves),
	MM(moved_ptes),
	MM(tlb_flushes),
};

#define MEMORY(field)                                                                              \
	{                                                                                          \
		"memory." #field, offsetof(struct mm_memory, field)                                \
	}
static const struct named_offset memory[] = {
	MEMORY(frames),
	MEMORY(free),
	MEMORY(tables),
	MEMORY(anon),
	MEMORY(file),
	MEMORY(shmem),
	MEMORY(dirty),
	MEMORY(unevictable),
	MEMORY(swap_slots),
	MEMORY(swap_used),
	MEMORY(swap_cache),
	MEMORY(committed),
	MEMORY(descriptor_bytes),
	MEMORY(object_bytes),
	MEMORY(peak_object_bytes),
};

#define RMAP(field)                                                                                \
	{                                                                                          \
		"rmap." #field, offsetof(struct totals, field)                                     \
	}
static const struct named_offset rmap[] = {
	RMAP(anon_vma_reused), RMAP(anon_vma_shared), RMAP(adopted),	  RMAP(merges_refused),
	RMAP(locks_page),      RMAP(locks_mm),	      RMAP(locks_family), RMAP(locks_file),
	RMAP(tlb_hits),	       RMAP(tlb_misses),      RMAP(tlb_flushed),  RMAP(peak_rmap_bytes),
};

static const char *const walk_fields[] = { "walks", "looks", "steps", "found", "max_looks" };

enum {
	FIRST_MM = 0,
	FIRST_MEMORY = FIRST_MM + COUNT(mm_counters),
	FIRST_RMAP = FIRST_MEMORY + COUNT(memory),
	FIRST_WALK = FIRST_RMAP + COUNT(rmap),
	FIRST_OBJECTS = FIRST_WALK + RMAP_WALK_PURPOSES * COUNT(walk_fields),
	FIRST_BYTES = FIRST_OBJECTS + RMAP_KINDS,
	FIRST_FILE = FIRST_BYTES + RMAP_KINDS,
	COUNTERS = FIRST_FILE + 1,
};

unsigned int counter_number(void)
{
	return COUNTERS;
}

static bool is_kind(unsigned int kind)
{
	return kind < RMAP_KIND_TIER1_END || (kind >= RMAP_KIND_MM && kind < RMAP_KINDS);
}

const char *counter_name(unsigned int c, char *buf, size_t size)
{
	if (c < FIRST_MEMORY)
		return mm_counters[c].name;
	if (c < FIRST_RMAP)
		return memory[c - FIRST_MEMORY].name;
	if (c < FIRST_WALK)
		return rmap[c - FIRST_RMAP].name;
	if (c < FIRST_OBJECTS) {
		unsigned int purpose = (c - FIRST_WALK) / (unsigned int)COUNT(walk_fields);

		snprintf(buf, size, "walk.%s.%s",
			 rmap_walk_purpose_name((enum rmap_walk_purpose)purpose),
			 walk_fields[(c - FIRST_WALK) % COUNT(walk_fields)]);
		return buf;
	}
	if (c < FIRST_FILE) {
		bool bytes = c >= FIRST_BYTES;
		unsigned int kind = c - (bytes ? FIRST_BYTES : FIRST_OBJECTS);

		if (is_kind(kind))
			snprintf(buf, size, "%s.%s", bytes ? "bytes" : "objects",
				 rmap_kind_name((enum rmap_kind)kind));
		else
			snprintf(buf, size, "-");
		return buf;
	}
	return "processes";
}

int counter_find(const char *name)
{
	char buf[96];

	for (unsigned int c = 0; c < COUNTERS; c++)
		if (!strcmp(counter_name(c, buf, sizeof(buf)), name))
			return (int)c;
	return -1;
}

static uint64_t field_at(const void *base, size_t offset)
{
	uint64_t value;

	memcpy(&value, (const char *)base + offset, sizeof(value));
	return value;
}

uint64_t counter_value(struct runner *r, unsigned int c)
{
	struct totals totals;
	struct mm_memory mem;
	uint64_t objects, bytes;

	if (c >= FIRST_OBJECTS && c < FIRST_FILE) {
		bool of_bytes = c >= FIRST_BYTES;
		unsigned int kind = c - (of_bytes ? FIRST_BYTES : FIRST_OBJECTS);

		if (!is_kind(kind))
			return 0;
		mm_get_objects(r->sys, (enum rmap_kind)kind, &objects, &bytes);
		return of_bytes ? bytes : objects;
	}
	if (c == FIRST_FILE)
		return r->nr_procs;
	if (c >= FIRST_MEMORY && c < FIRST_RMAP) {
		mm_get_memory(r->sys, &mem);
		return field_at(&mem, memory[c - FIRST_MEMORY].offset);
	}
	runner_totals(r, &totals);
	if (c < FIRST_MEMORY)
		return field_at(&totals.mm, mm_counters[c].offset);
	if (c < FIRST_WALK)
		return field_at(&totals, rmap[c - FIRST_RMAP].offset);
	return field_at(&totals.walk[(c - FIRST_WALK) / COUNT(walk_fields)],
			(c - FIRST_WALK) % COUNT(walk_fields) * sizeof(uint64_t));
}
