// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a run came to: tables for people, and the JSON that docs/json.md describes. Both show the same figures.
 */
#include "json_figures.h"
#include "words.h"

#include <string.h>

/* ---------------------------------------------------------------- numbers for people */

static const char *duration(double ns, char buf[32])
{
	if (ns < 1e3)
		snprintf(buf, 32, "%.0f ns", ns);
	else if (ns < 1e6)
		snprintf(buf, 32, "%.2f us", ns / 1e3);
	else if (ns < 1e9)
		snprintf(buf, 32, "%.2f ms", ns / 1e6);
	else
		snprintf(buf, 32, "%.2f s", ns / 1e9);
	return buf;
}

static double per(uint64_t ns, uint64_t n)
{
	return n ? (double)ns / (double)n : 0;
}

static uint64_t run_ns(const struct runner *r)
{
	return (r->end_ns ? r->end_ns : runner_now()) - r->start_ns;
}

/* ---------------------------------------------------------------- tables */

static void print_head(struct runner *r, FILE *out)
{
	char a[32], b[32], c[32], d[32], facts[1024];

	fprintf(out, "%s %s on %s\n", r->source->kind, r->source->name,
		rmap_design_name(mm_system_rmap(r->sys)->ops));
	fprintf(out, "  machine      %s frames (%s)%s, %s swap slots (%s), %u processors\n",
		words_count(r->frames, a), words_bytes(r->frames << RMAP_PAGE_SHIFT, b),
		r->phantom ? " of phantoms" : "", words_count(r->swap_slots, c),
		words_bytes(r->swap_slots << RMAP_PAGE_SHIFT, d), hosted_nr_cpus(r->hosted));
	if (r->source->facts && r->source->facts(r->source, facts, sizeof(facts)) && facts[0]) {
		const char *line = facts;

		while (*line) {
			size_t len = strcspn(line, "\n");

			fprintf(out, "  %.*s\n", (int)len, line);
			line += len + (line[len] == '\n');
		}
	}
	fprintf(out, "  run          %s operation%s in %s, %s process%s at the most\n",
		words_count(r->ops, a), r->ops == 1 ? "" : "s", duration((double)run_ns(r), b),
		words_count(r->peak_procs, c), r->peak_procs == 1 ? "" : "es");
}

static void print_phases(struct runner *r, FILE *out)
{
	char a[32], b[32];

	if (!r->nr_phases)
		return;
	fprintf(out, "\nphase                                  operations        time\n");
	for (uint32_t i = 0; i < r->nr_phases; i++)
		fprintf(out, "  %-36.36s %10s  %10s\n", r->phases[i].name,
			words_count(r->phases[i].ops, a), duration((double)r->phases[i].ns, b));
}

static void print_operations(struct runner *r, FILE *out)
{
	char a[32], b[32], c[32], d[32], e[32];

	fprintf(out, "\noperation            count       pages        time      each  per page\n");
	for (unsigned int k = 0; k < OP_KINDS; k++) {
		const struct op_time *t = &r->times[k];

		if (!t->count || op_is_expectation((enum op_kind)k) || k == OP_PHASE)
			continue;
		fprintf(out, "  %-14s %9s %11s  %10s %9s %9s\n", op_kind_name((enum op_kind)k),
			words_count(t->count, a), t->units ? words_count(t->units, b) : "",
			duration((double)t->ns, c), duration(per(t->ns, t->count), d),
			t->units ? duration(per(t->ns, t->units), e) : "");
	}
}

static void print_faults(const struct totals *t, FILE *out)
{
	const struct mm_counters *m = &t->mm;
	char a[32], b[32], c[32];

	fprintf(out, "\nfaults       %s\n", words_count(m->faults, a));
	fprintf(out, "  anonymous    %s zero-filled, %s shown the zero page\n",
		words_count(m->fault_zero_fill, a), words_count(m->fault_zero_page, b));
	fprintf(out, "  COW breaks   %s copied, %s found unshared\n",
		words_count(m->fault_cow_copy, a), words_count(m->fault_cow_reuse, b));
	fprintf(out, "  file         %s mapped, %s copied for private writes, %s made writable\n",
		words_count(m->fault_file_map, a), words_count(m->fault_file_cow, b),
		words_count(m->fault_mkwrite, c));
	fprintf(out, "  swap         %s brought in\n", words_count(m->fault_swap_in, a));
	fprintf(out, "  other        %s spurious, %s refused, %s stacks grown\n",
		words_count(m->fault_spurious, a), words_count(m->fault_errors, b),
		words_count(m->stack_growths, c));
	fprintf(out, "  locks        %s took only their VMA's, %s mmap_lock\n",
		words_count(m->faults - m->fault_mmap_lock, a), words_count(m->fault_mmap_lock, b));
	fprintf(out, "forks        %s (%s VMAs, %s PTEs copied)\n", words_count(m->forks, a),
		words_count(m->fork_vmas, b), words_count(m->fork_ptes, c));
	fprintf(out, "exits        %s, and %s execs\n", words_count(m->exits, a),
		words_count(m->execs, b));
}

static void print_traffic(const struct totals *t, FILE *out)
{
	const struct mm_counters *m = &t->mm;
	char a[32], b[32], c[32], d[32];

	fprintf(out, "pages out    %s to swap, %s to files\n", words_count(m->swap_out, a),
		words_count(m->file_out, b));
	fprintf(out, "pages in     %s from swap, %s found in the swap cache, %s from files\n",
		words_count(m->swap_in, a), words_count(m->swap_cache_hits, b),
		words_count(m->file_in, c));
	fprintf(out,
		"reclaim      %s pages looked at, %s freed, %s kept active, %s dropped unwritten\n",
		words_count(m->reclaim_scanned, a), words_count(m->reclaim_freed, b),
		words_count(m->reclaim_activated, c), words_count(m->lazyfree_dropped, d));
	fprintf(out, "layout       %s merges, %s splits, %s moves of %s PTEs\n",
		words_count(m->merges, a), words_count(m->splits, b), words_count(m->moves, c),
		words_count(m->moved_ptes, d));
	fprintf(out, "other        %s migrated, %s poisoned, %s TLB flushes\n",
		words_count(m->migrated, a), words_count(m->poisoned, b),
		words_count(m->tlb_flushes, c));
}

static void print_flushes(const struct totals *t, FILE *out)
{
	char a[32], b[32], c[32];
	bool any = false;

	for (unsigned int i = 0; i < MM_FLUSH_REASONS; i++) {
		const struct hosted_flush_stats *f = &t->flush[i];

		if (!f->flushes)
			continue;
		if (!any)
			fprintf(out, "\nTLB flushes      flushes  interrupts     entries\n");
		any = true;
		fprintf(out, "  %-10s %11s %11s %11s\n", mm_flush_name((enum mm_flush)i),
			words_count(f->flushes, a), words_count(f->interrupts, b),
			words_count(f->entries, c));
	}
}

static void print_walks(const struct totals *t, FILE *out)
{
	char a[32], b[32], c[32], d[32], e[32];
	bool any = false;

	for (unsigned int i = 0; i < RMAP_WALK_PURPOSES; i++) {
		if (!t->walk[i].walks)
			continue;
		if (!any)
			fprintf(out,
				"\nwalks              walks       looks       steps       found"
				"  looks/found  most looks\n");
		any = true;
		fprintf(out, "  %-12s %9s %11s %11s %11s %12.2f %11s\n",
			rmap_walk_purpose_name((enum rmap_walk_purpose)i),
			words_count(t->walk[i].walks, a), words_count(t->walk[i].looks, b),
			words_count(t->walk[i].steps, c), words_count(t->walk[i].found, d),
			t->walk[i].found ? (double)t->walk[i].looks / (double)t->walk[i].found
					 : 0.0,
			words_count(t->walk[i].max_looks, e));
	}
	if (!any)
		fprintf(out, "\nwalks        none\n");
}

static void print_objects(struct runner *r, const struct totals *t, FILE *out)
{
	char a[32], b[32], c[32], d[32];

	fprintf(out, "\nreverse map          objects       bytes        peak   allocated\n");
	for (unsigned int k = 0; k < RMAP_KIND_TIER1_END; k++) {
		uint64_t objects, now;

		if (!t->object[k].allocated)
			continue;
		mm_get_objects(r->sys, (enum rmap_kind)k, &objects, &now);
		fprintf(out, "  %-15s %10s %11s %11s %11s\n", rmap_kind_name((enum rmap_kind)k),
			words_count(objects, a), words_bytes(now, b),
			words_bytes(t->object[k].peak_bytes, c),
			words_count(t->object[k].allocated, d));
	}
	fprintf(out, "  all at once                            %11s\n",
		words_bytes(t->peak_rmap_bytes, a));
}

static void print_memory(struct runner *r, const struct totals *t, FILE *out)
{
	char a[32], b[32], c[32], d[32], e[32], refused[RUNNER_REFUSED_SIZE];
	struct mm_memory m;

	mm_get_memory(r->sys, &m);
	fprintf(out, "memory       at most %s frame%s in use (%s); now %s\n",
		words_count(r->peak_used, a), r->peak_used == 1 ? "" : "s",
		words_bytes(r->peak_used << RMAP_PAGE_SHIFT, b), words_count(m.frames - m.free, c));
	fprintf(out, "             now %s anonymous, %s of files, %s shared memory, %s tables\n",
		words_count(m.anon, a), words_count(m.file, b), words_count(m.shmem, c),
		words_count(m.tables, d));
	fprintf(out,
		"             descriptors %s, objects %s (at most %s), %s of %s swap slots used\n",
		words_bytes(m.descriptor_bytes, a), words_bytes(m.object_bytes, b),
		words_bytes(t->peak_object_bytes, c), words_count(m.swap_used, d),
		words_count(m.swap_slots, e));
	if (runner_swap_refused(r, refused))
		fprintf(out, "             %s\n", refused);
}

static void print_probes(struct runner *r, FILE *out)
{
	char a[32], b[32];

	if (!r->nr_probes)
		return;
	fprintf(out, "\nprobe: a walk from                             looks, stopping  looks, to  "
		     "PTEs\n"
		     "                                               at the map count    the end  "
		     "found\n");
	for (uint32_t i = 0; i < r->nr_probes; i++) {
		const struct probe *p = &r->probes[i];

		if (p->found_page)
			fprintf(out, "  %-44.44s %17s %10s %6llu\n", p->what,
				words_count(p->stop_looks, a), words_count(p->full_looks, b),
				(unsigned long long)p->found);
		else
			fprintf(out, "  %-44.44s (no page in memory)\n", p->what);
	}
}

static void print_verdict(struct runner *r, FILE *out)
{
	char a[32], b[32], c[32], d[32];

	fprintf(out, "\n");
	if (r->options.check)
		fprintf(out, "checks       %s (%s pages, %s PTEs, %s walks) in %s: %s\n",
			words_count(r->checks, a), words_count(r->check_pages, b),
			words_count(r->check_ptes, c), words_count(r->check_walked, d),
			duration((double)r->check_ns, (char[32]){ 0 }),
			r->result == RUNNER_OK ? "nothing wrong" : "see the message");
	if (r->phantom)
		fprintf(out, "contents     not verified: phantom frames have none\n");
	else
		fprintf(out, "contents     %s pages held against what was written, %s\n",
			words_count(r->verified_pages, a), duration((double)r->verify_ns, b));
	if (r->expectations || r->expectations_skipped)
		fprintf(out, "expectations %s met%s%s%s\n", words_count(r->expectations, a),
			r->expectations_skipped ? ", " : "",
			r->expectations_skipped ? words_count(r->expectations_skipped, b) : "",
			r->expectations_skipped ? " not for this run" : "");
	if (r->source->tolerant)
		fprintf(out, "misfits      %s of %s operations did not fit (%.3f %%)\n",
			words_count(r->misfits, a), words_count(r->ops, b),
			r->ops ? 100.0 * (double)r->misfits / (double)r->ops : 0.0);
	if (r->misfits)
		fprintf(out, "             the first: %s\n", r->first_misfit);
}

void runner_print(struct runner *r, FILE *out)
{
	struct totals t;

	if (!r->sys) {
		fprintf(out, "%s %s: the machine was lost in a hibernation\n", r->source->kind,
			r->source->name);
		return;
	}
	runner_totals(r, &t);
	print_head(r, out);
	print_phases(r, out);
	print_operations(r, out);
	print_faults(&t, out);
	print_traffic(&t, out);
	print_flushes(&t, out);
	print_walks(&t, out);
	print_objects(r, &t, out);
	print_memory(r, &t, out);
	print_probes(r, out);
	print_verdict(r, out);
}

/* ---------------------------------------------------------------- JSON */

static json_t *json_phases(const struct runner *r)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < r->nr_phases; i++) {
		json_t *o = json_object();

		json_object_set_new(o, "name", json_string(r->phases[i].name));
		json_put(o, "operations", r->phases[i].ops);
		json_put(o, "ns", r->phases[i].ns);
		json_array_append_new(array, o);
	}
	return array;
}

static json_t *json_flushes(const struct totals *t)
{
	json_t *object = json_object();

	for (unsigned int i = 0; i < MM_FLUSH_REASONS; i++) {
		json_t *o = json_object();

		json_put(o, "flushes", t->flush[i].flushes);
		json_put(o, "interrupts", t->flush[i].interrupts);
		json_put(o, "entries", t->flush[i].entries);
		json_object_set_new(object, mm_flush_name((enum mm_flush)i), o);
	}
	return object;
}

static json_t *json_operations(const struct runner *r)
{
	json_t *object = json_object();

	for (unsigned int k = 0; k < OP_KINDS; k++) {
		json_t *o;

		if (!r->times[k].count)
			continue;
		o = json_object();
		json_put(o, "count", r->times[k].count);
		json_put(o, "ns", r->times[k].ns);
		if (r->times[k].units)
			json_put(o, "pages", r->times[k].units);
		json_object_set_new(object, op_kind_name((enum op_kind)k), o);
	}
	return object;
}

/* Every counter by the name that expectations use, walks and objects apart. */
static json_t *json_counters(struct runner *r)
{
	json_t *object = json_object();
	char name[96];

	for (unsigned int c = 0; c < counter_number(); c++) {
		const char *key = counter_name(c, name, sizeof(name));

		if (strcmp(key, "-") != 0 && strncmp(key, "walk.", 5) != 0 &&
		    strncmp(key, "objects.", 8) != 0 && strncmp(key, "bytes.", 6) != 0)
			json_put(object, key, counter_value(r, c));
	}
	return object;
}

static json_t *json_walks(const struct totals *t)
{
	json_t *object = json_object();

	for (unsigned int i = 0; i < RMAP_WALK_PURPOSES; i++) {
		json_t *o = json_object();

		json_put(o, "walks", t->walk[i].walks);
		json_put(o, "looks", t->walk[i].looks);
		json_put(o, "steps", t->walk[i].steps);
		json_put(o, "found", t->walk[i].found);
		json_put(o, "max_looks", t->walk[i].max_looks);
		json_object_set_new(object, rmap_walk_purpose_name((enum rmap_walk_purpose)i), o);
	}
	return object;
}

static json_t *json_objects(struct runner *r, const struct totals *t)
{
	json_t *object = json_object();

	for (unsigned int k = 0; k < RMAP_KINDS; k++) {
		uint64_t objects, now;
		json_t *o;

		if (k >= RMAP_KIND_TIER1_END && k < RMAP_KIND_MM)
			continue;
		mm_get_objects(r->sys, (enum rmap_kind)k, &objects, &now);
		o = json_object();
		json_put(o, "objects", objects);
		json_put(o, "bytes", now);
		if (k < RMAP_KIND_TIER1_END) {
			json_put(o, "peak_bytes", t->object[k].peak_bytes);
			json_put(o, "allocated", t->object[k].allocated);
		}
		json_object_set_new(object, rmap_kind_name((enum rmap_kind)k), o);
	}
	return object;
}

static void json_verdict(const struct runner *r, json_t *root, enum runner_result result,
			 const char *message)
{
	static const char *const names[] = { "ok", "failed", "bad" };
	json_t *check = json_object();

	json_object_set_new(root, "result", json_string(names[result]));
	if (message && *message)
		json_object_set_new(root, "message", json_string(message));
	json_put(check, "checks", r->checks);
	json_put(check, "pages", r->check_pages);
	json_put(check, "ptes", r->check_ptes);
	json_put(check, "walks", r->check_walked);
	json_put(check, "ns", r->check_ns);
	json_object_set_new(root, "check", check);
	json_object_set_new(root, "contents_verified", json_boolean(!r->phantom));
	json_put(root, "verified_pages", r->verified_pages);
	json_put(root, "expectations", r->expectations);
	json_put(root, "expectations_skipped", r->expectations_skipped);
	json_put(root, "misfits", r->misfits);
	if (r->misfits)
		json_object_set_new(root, "first_misfit", json_string(r->first_misfit));
}

int runner_print_json(struct runner *r, FILE *out, enum runner_result result, const char *message)
{
	json_t *root = json_object();
	struct totals t;
	int ret;

	json_put(root, "version", 1);
	json_object_set_new(root, "workload", json_string(r->source->name));
	json_object_set_new(root, "kind", json_string(r->source->kind));
	json_verdict(r, root, result, message);
	if (r->sys) {
		runner_totals(r, &t);
		json_object_set_new(root, "design",
				    json_string(rmap_design_name(mm_system_rmap(r->sys)->ops)));
		json_object_set_new(root, "counters", json_counters(r));
		json_object_set_new(root, "walks", json_walks(&t));
		json_object_set_new(root, "tlb_flushes", json_flushes(&t));
		json_object_set_new(root, "objects", json_objects(r, &t));
	}
	json_put(root, "frames", r->frames);
	json_put(root, "swap_slots", r->swap_slots);
	json_object_set_new(root, "phantom", json_boolean(r->phantom));
	json_put(root, "seed", r->options.seed);
	json_put(root, "operations", r->ops);
	json_put(root, "ns", run_ns(r));
	json_put(root, "processes_at_most", r->peak_procs);
	json_put(root, "frames_at_most", r->peak_used);
	json_object_set_new(root, "phases", json_phases(r));
	json_object_set_new(root, "times", json_operations(r));
	json_object_set_new(root, "probes", json_probes(r->probes, r->nr_probes));
	ret = json_dumpf(root, out, JSON_INDENT(2));
	json_decref(root);
	if (!ret)
		fputc('\n', out);
	return ret;
}
