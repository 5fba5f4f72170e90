// SPDX-License-Identifier: BSD-2-Clause
/*
 * What cells and meetings came to, as lines of a table and as JSON.
 */
#include "scale.h"

#include <jansson.h>
#include <stdio.h>

const char *scale_variant_name(enum scale_variant variant)
{
	return variant == SCALE_PROCESS ? "process" : "thread";
}

/* ---------------------------------------------------------------- tables */

static const char *readable(char text[16], double n)
{
	if (n >= 1e6)
		snprintf(text, 16, "%.2fM", n / 1e6);
	else if (n >= 1e3)
		snprintf(text, 16, "%.1fk", n / 1e3);
	else
		snprintf(text, 16, "%.0f", n);
	return text;
}

void report_cell_head(const struct scale_cell *cell)
{
	printf("\n%s, %s: %s; %s a second, %u threads\n\n", scale_shape_name(cell->shape),
	       scale_variant_name(cell->variant), scale_shape_what(cell->shape),
	       scale_shape_unit(cell->shape), cell->threads);
	printf("%-15s %9s %9s %9s %18s %7s %18s\n", "", "alone", "apart", "together",
	       "ratio (quartiles)", "by CPU", "control");
}

void report_cell(const struct scale_cell *cell)
{
	struct scale_spread ratio = scale_spread_of(cell->ratio, cell->rounds);
	struct scale_spread control = scale_spread_of(cell->control, cell->rounds);
	char alone[16], apart[16], together[16];

	printf("%-15s %9s %9s %9s %5.2f (%.2f..%.2f) %7.2f %5.2f (%.2f..%.2f)",
	       rmap_design_name(cell->design),
	       readable(alone, scale_spread_of(cell->alone, cell->rounds).median),
	       readable(apart, scale_spread_of(cell->apart, cell->rounds).median),
	       readable(together, scale_spread_of(cell->together, cell->rounds).median),
	       ratio.median, ratio.low, ratio.high,
	       scale_spread_of(cell->ratio_cpu, cell->rounds).median, control.median, control.low,
	       control.high);
	if (scale_shape_aims(cell->shape, cell->variant))
		printf("   >= %.2f: %s", SCALE_AIM, ratio.median >= SCALE_AIM ? "met" : "MISSED");
	printf("\n");
	fflush(stdout);
}

void report_meeting_head(const struct scale_meeting *m)
{
	printf("\n%s, %u relatives: %s; %s and %s a second\n\n", scale_meeting_name(m->meeting),
	       m->relatives, scale_meeting_what(m->meeting), scale_meeting_unit(m->meeting),
	       scale_meeting_other_unit(m->meeting));
	printf("%-15s %9s %9s %18s %19s %19s %19s %17s %9s\n", "", "apart", "together",
	       "ratio (quartiles)", "median us", "99 % us", "longest us", "the other", "looks");
}

static void print_delays(double apart, double together)
{
	printf(" %9.1f %9.1f", apart / 1e3, together / 1e3);
}

void report_meeting(const struct scale_meeting *m)
{
	struct scale_spread ratio = scale_spread_of(m->ratio, m->rounds);
	char apart[16], together[16];

	printf("%-15s %9s %9s %5.2f (%.2f..%.2f)", rmap_design_name(m->design),
	       readable(apart, scale_spread_of(m->apart, m->rounds).median),
	       readable(together, scale_spread_of(m->together, m->rounds).median), ratio.median,
	       ratio.low, ratio.high);
	print_delays(m->apart_delay.median_ns, m->together_delay.median_ns);
	print_delays(m->apart_delay.p99_ns, m->together_delay.p99_ns);
	print_delays(m->apart_delay.longest_ns, m->together_delay.longest_ns);
	printf(" %8s %8s", readable(apart, scale_spread_of(m->other_apart, m->rounds).median),
	       readable(together, scale_spread_of(m->other_together, m->rounds).median));
	if (m->looks_per_page > 0)
		printf(" %9.1f", m->looks_per_page);
	printf("\n");
	fflush(stdout);
}

/* ---------------------------------------------------------------- JSON */

static json_t *json_spread(const double *figure, unsigned int nr)
{
	struct scale_spread s = scale_spread_of(figure, nr);
	json_t *rounds = json_array();

	for (unsigned int i = 0; i < nr; i++)
		json_array_append_new(rounds, json_real(figure[i]));
	return json_pack("{s:f,s:f,s:f,s:o}", "median", s.median, "low", s.low, "high", s.high,
			 "rounds", rounds);
}

static json_t *json_locks(const struct scale_lock *lock)
{
	json_t *all = json_object();

	for (unsigned int i = 0; i < RMAP_LOCK_CLASSES; i++) {
		if (!lock[i].taken)
			continue;
		json_object_set_new(all, rmap_lock_name((enum rmap_lock_class)i),
				    json_pack("{s:I,s:I,s:f,s:f,s:f,s:f}", "taken",
					      (json_int_t)lock[i].taken, "contended",
					      (json_int_t)lock[i].contended, "wait_ns",
					      lock[i].wait_ns, "hold_ns", lock[i].hold_ns,
					      "longest_wait_ns", lock[i].longest_wait_ns,
					      "longest_hold_ns", lock[i].longest_hold_ns));
	}
	return all;
}

json_t *report_cell_json(const struct scale_cell *c, bool locks)
{
	json_t *o = json_pack("{s:s,s:s,s:s,s:i,s:s,s:i}", "shape", scale_shape_name(c->shape),
			      "variant", scale_variant_name(c->variant), "design",
			      rmap_design_name(c->design), "threads", (int)c->threads, "unit",
			      scale_shape_unit(c->shape), "slices_longer",
			      (int)scale_shape_longer(c->shape));

	json_object_set_new(o, "alone", json_spread(c->alone, c->rounds));
	json_object_set_new(o, "apart", json_spread(c->apart, c->rounds));
	json_object_set_new(o, "together", json_spread(c->together, c->rounds));
	json_object_set_new(o, "ratio", json_spread(c->ratio, c->rounds));
	json_object_set_new(o, "ratio_cpu", json_spread(c->ratio_cpu, c->rounds));
	json_object_set_new(o, "control", json_spread(c->control, c->rounds));
	json_object_set_new(o, "done", json_integer((json_int_t)c->done));
	if (scale_shape_aims(c->shape, c->variant))
		json_object_set_new(o, "aim", json_real(SCALE_AIM));
	if (locks)
		json_object_set_new(o, "locks", json_locks(c->locks));
	return o;
}

static json_t *json_delay(const struct scale_delay *d)
{
	return json_pack("{s:f,s:f,s:f}", "median_ns", d->median_ns, "p99_ns", d->p99_ns,
			 "longest_ns", d->longest_ns);
}

json_t *report_meeting_json(const struct scale_meeting *m, bool locks)
{
	json_t *o = json_pack(
		"{s:s,s:s,s:i,s:s,s:s,s:i}", "meeting", scale_meeting_name(m->meeting), "design",
		rmap_design_name(m->design), "relatives", (int)m->relatives, "unit",
		scale_meeting_unit(m->meeting), "other_unit", scale_meeting_other_unit(m->meeting),
		"slices_longer", (int)scale_meeting_longer(m->meeting));

	json_object_set_new(o, "apart", json_spread(m->apart, m->rounds));
	json_object_set_new(o, "together", json_spread(m->together, m->rounds));
	json_object_set_new(o, "ratio", json_spread(m->ratio, m->rounds));
	json_object_set_new(o, "apart_delay", json_delay(&m->apart_delay));
	json_object_set_new(o, "together_delay", json_delay(&m->together_delay));
	json_object_set_new(o, "other_apart", json_spread(m->other_apart, m->rounds));
	json_object_set_new(o, "other_together", json_spread(m->other_together, m->rounds));
	json_object_set_new(o, "looks_per_page", json_real(m->looks_per_page));
	if (locks) {
		json_object_set_new(o, "locks", json_locks(m->locks));
		json_object_set_new(o, "other_locks", json_locks(m->other_locks));
	}
	return o;
}
