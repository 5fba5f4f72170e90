// SPDX-License-Identifier: BSD-2-Clause
/*
 * Strategies over schedules. See explore.h.
 */
#include "explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fiber.h"
#include "words.h"

#define NODES_MAX     65536
#define DECISIONS_MAX WEAVE_SEGMENTS
/*
 * Random executions before the exhaustive search, from which it learns most of the words that matter: until so many in a row teach
 * it nothing, and no more than that.
 */
#define WARM_UP_DULL  12
#define WARM_UP_MAX   200
#define CHANGES_MAX   16
/* Images on a path, and points at least between two of them: to copy one out and in takes as long as some hundred points. */
#define STANDING_MAX  48
#define STANDING_FAR  80

/* Of the states between choices one in so many is noted, fewer where executions are longer than that. */
#define NOTED_ONE_IN  8
#define NOTED_LONG    4096
/* Slots for states. What does not fit is not noted, and its like is executed again. */
#define SEEN_MAX      ((uint64_t)1 << 26)

struct node {
	uint8_t options[WEAVE_THREADS_MAX];
	uint64_t key[WEAVE_THREADS_MAX]; /* what each leads to */
	uint8_t nr, taken;
	uint8_t preemptions; /* that were spent before */
	bool continues;	     /* the first option preempts nobody, the others do */
	uint64_t points;     /* where it stands */
};

/* The execution as it stood at a choice, so that what other options lead to need not begin at the beginning. */
struct standing {
	struct image image;
	uint32_t depth;	 /* of the choice */
	uint64_t points; /* that it had passed */
	size_t words;
};

/* A thread stops after so many points, and another goes on. */
struct decision {
	uint8_t from, to;
	uint32_t at;
};

/* States that were seen, with the fewest preemptions that were spent on the way. */
struct seen {
	uint64_t *key; /* 0: free */
	uint8_t *spent;
	uint64_t size, used;
};

struct explorer {
	const struct explore_case *c;
	const struct explore_options *options;
	struct explore_result *result;
	uint64_t random;
	uint64_t began;
	/* exhaustive */
	struct node node[NODES_MAX];
	uint32_t nr_nodes, depth;
	uint32_t spent, bound; /* preemptions */
	struct standing standing[STANDING_MAX];
	uint32_t nr_standing;
	bool has_images;
	struct seen seen;
	struct seen ends; /* of whole executions */
	bool only_new; /* another order of the events of one that was judged is not judged again */
	struct weave_run run;
	struct explore_result early; /* the failure of a random execution before the search */
	/* pct */
	uint32_t priority[WEAVE_THREADS_MAX + 1];
	uint64_t change[CHANGES_MAX];
	uint32_t nr_changes, changed;
	uint64_t met,
		met_most; /* points that matter, of this execution and of the one with the most */
	/* replay */
	struct decision decision[DECISIONS_MAX];
	uint32_t nr_decisions, next_decision;
	int first;
};

static uint64_t nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t random_next(struct explorer *e)
{
	uint64_t z = (e->random += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static int lowest(uint32_t mask)
{
	int i = 0;

	while (!(mask >> i & 1))
		i++;
	return i;
}

/* ---------------------------------------------------------------- states that were seen */

static void seen_clear(struct seen *s)
{
	if (!s->key) {
		s->size = 1u << 14;
		s->key = calloc(s->size, sizeof(*s->key));
		s->spent = calloc(s->size, sizeof(*s->spent));
		if (!s->key || !s->spent)
			abort();
	} else if (s->used) {
		memset(s->key, 0, s->size * sizeof(*s->key));
	}
	s->used = 0;
}

static uint64_t seen_slot(const struct seen *s, uint64_t key)
{
	uint64_t i = key & (s->size - 1);

	while (s->key[i] && s->key[i] != key)
		i = (i + 1) & (s->size - 1);
	return i;
}

static void seen_grow(struct seen *s)
{
	struct seen old = *s;
	uint64_t i;

	s->size *= 2;
	s->key = calloc(s->size, sizeof(*s->key));
	s->spent = calloc(s->size, sizeof(*s->spent));
	if (!s->key || !s->spent)
		abort();
	for (i = 0; i < old.size; i++) {
		if (old.key[i]) {
			uint64_t slot = seen_slot(s, old.key[i]);

			s->key[slot] = old.key[i];
			s->spent[slot] = old.spent[i];
		}
	}
	free(old.key);
	free(old.spent);
}

/* Was it seen, with no more preemptions spent? Now it is, if there is room. */
static bool seen_before(struct seen *s, uint64_t key, uint32_t spent)
{
	uint64_t slot;

	key |= !key;
	slot = seen_slot(s, key);
	if (s->key[slot]) {
		if (s->spent[slot] <= spent)
			return true;
		s->spent[slot] = (uint8_t)spent;
		return false;
	}
	if (s->used == SEEN_MAX / 2)
		return false;
	s->key[slot] = key;
	s->spent[slot] = (uint8_t)spent;
	if (++s->used > s->size / 2)
		seen_grow(s);
	return false;
}

static bool is_seen(const struct seen *s, uint64_t key)
{
	return s->key[seen_slot(s, key | !key)];
}

/* ---------------------------------------------------------------- choices */

/* With the option that is next to be taken. */
static uint32_t spent_at(const struct node *n)
{
	return n->preemptions + (n->continues && n->taken ? 1u : 0u);
}

static int take(struct explorer *e, const struct node *n)
{
	e->spent = spent_at(n);
	return n->options[n->taken];
}

/* Pass by options that lead to what was seen. False: none is left. */
static bool node_skip(struct explorer *e, struct node *n)
{
	while (n->taken < n->nr && n->key[n->taken] &&
	       seen_before(&e->seen, n->key[n->taken], spent_at(n)))
		n->taken++;
	return n->taken < n->nr;
}

/* Would coming here again be dearer than an image? */
static bool is_far(const struct explorer *e)
{
	uint64_t last = e->nr_standing ? e->standing[e->nr_standing - 1].points : 0;
	uint64_t far = e->result->points / STANDING_MAX;

	return e->has_images && e->nr_standing < STANDING_MAX &&
	       weave_points() - last >= (far > STANDING_FAR ? far : STANDING_FAR);
}

static void stand(struct explorer *e)
{
	struct standing *s = &e->standing[e->nr_standing++];

	s->depth = e->depth;
	s->points = weave_points();
	s->words = words_mark();
	image_begin(&s->image, false);
	weave_image(&s->image);
}

static enum weave_outcome go_on_from(struct explorer *e, struct standing *s)
{
	e->depth = s->depth;
	words_back(s->words);
	image_begin(&s->image, true);
	weave_image(&s->image);
	return weave_go_on();
}

/* The choice that stands next on the path, or a new one, whose first option is to continue. -1: all that it leads to was seen. */
static int choice(struct explorer *e, uint32_t mask, int current, bool look)
{
	struct node *n;
	int i;

	if (e->depth < e->nr_nodes && e->node[e->depth].points == weave_points())
		return take(e, &e->node[e->depth++]);
	if (e->depth < e->nr_nodes || e->nr_nodes == NODES_MAX)
		weave_fail("the weaver lost its way (choice %u of %u)", e->depth, e->nr_nodes);
	n = &e->node[e->nr_nodes++];
	*n = (struct node){ .preemptions = (uint8_t)e->spent,
			    .continues = current >= 0,
			    .points = weave_points() };
	if (current >= 0)
		n->options[n->nr++] = (uint8_t)current;
	for (i = 0; i < WEAVE_THREADS_MAX; i++) {
		if (i != current && (mask >> i & 1))
			n->options[n->nr++] = (uint8_t)i;
	}
	for (i = 0; look && i < n->nr; i++)
		n->key[i] = weave_state_after(n->options[i]);
	if (!node_skip(e, n)) {
		e->nr_nodes--;
		return -1;
	}
	/* It is asked again, and finds the choice. */
	if (look && is_far(e))
		return WEAVE_PAUSE;
	e->depth++;
	return take(e, n);
}

/* One after the other, or step after step where what they do has such. */
static int choose_in_order(void *arg, uint32_t mask, int current, bool shared)
{
	struct explorer *e = arg;

	(void)shared;
	if (current >= 0 && (!weave_at_step() || !(mask & (mask - 1))))
		return current;
	if (!(mask & (mask - 1)))
		return lowest(mask);
	return choice(e, mask, current, false);
}

/*
 * The only one that may go on. -1: what it leads to was seen. Where nothing is to be chosen some of the states are enough, picked by
 * their hashes: who comes to one that was seen but is not among these soon comes to one that is.
 */
static int go_on_with(struct explorer *e, int thread, bool look)
{
	uint64_t one_in = NOTED_ONE_IN * (1 + e->result->points / NOTED_LONG);

	if (look && e->depth >= e->nr_nodes && weave_thread_state(thread) % one_in == 0 &&
	    seen_before(&e->seen, weave_state_after(thread), e->spent))
		return -1;
	return thread;
}

static int choose_exhaustive(void *arg, uint32_t mask, int current, bool shared)
{
	struct explorer *e = arg;
	bool look = !e->options->all;

	if (current >= 0 && !shared)
		return current;
	if (!(mask & (mask - 1)))
		return go_on_with(e, lowest(mask), look);
	if (current >= 0 && e->spent >= e->bound)
		return go_on_with(e, current, look);
	return choice(e, mask, current, look);
}

static int choose_random(void *arg, uint32_t mask, int current, bool shared)
{
	struct explorer *e = arg;
	uint32_t nth, i;

	if (current >= 0 && !shared)
		return current;
	nth = (uint32_t)(random_next(e) % (uint32_t)__builtin_popcount(mask));
	for (i = 0; nth; i++)
		nth -= mask >> i & 1;
	return lowest(mask >> i << i);
}

static int choose_pct(void *arg, uint32_t mask, int current, bool shared)
{
	struct explorer *e = arg;
	int i, best = -1;

	e->met += shared;
	while (e->changed < e->nr_changes && e->met >= e->change[e->changed]) {
		/* Below everybody, and below those that were lowered before. */
		if (current >= 0)
			e->priority[current] = e->nr_changes - e->changed;
		e->changed++;
	}
	for (i = 0; i <= WEAVE_RCU; i++) {
		if ((mask >> i & 1) && (best < 0 || e->priority[i] > e->priority[best]))
			best = i;
	}
	return best;
}

/* Continue until a decision says otherwise; one that cannot be followed is passed over. */
static int choose_decided(void *arg, uint32_t mask, int current, bool shared)
{
	struct explorer *e = arg;

	(void)shared;
	if (e->first >= 0) {
		int first = e->first;

		e->first = -1;
		return mask >> first & 1 ? first : lowest(mask);
	}
	while (e->next_decision < e->nr_decisions) {
		const struct decision *d = &e->decision[e->next_decision];
		uint32_t passed = weave_thread_points(d->from);

		if (passed < d->at)
			break;
		e->next_decision++;
		if (passed == d->at && (mask >> d->to & 1))
			return d->to;
	}
	return current >= 0 ? current : lowest(mask);
}

/* ---------------------------------------------------------------- schedules as text */

static void schedule_print(char *text, size_t size)
{
	const struct weave_segment *s;
	uint32_t i, nr = weave_schedule(&s);
	size_t n = 0;

	text[0] = 0;
	for (i = 0; i < nr && n + 16 < size; i++)
		n += (size_t)snprintf(text + n, size - n, "%s%c%u", i ? " " : "",
				      s[i].thread == WEAVE_RCU ? 'r' : 'a' + s[i].thread,
				      s[i].points);
	if (i < nr)
		snprintf(text + n, size - n, " ...");
}

/* The decisions of the latest execution. */
static void decisions_take(struct explorer *e)
{
	const struct weave_segment *s;
	uint32_t i, nr = weave_schedule(&s), passed[WEAVE_THREADS_MAX + 1] = { 0 };

	e->nr_decisions = 0;
	e->first = nr ? s[0].thread : -1;
	for (i = 0; i < nr; i++) {
		passed[s[i].thread] += s[i].points;
		if (i + 1 < nr)
			e->decision[e->nr_decisions++] =
				(struct decision){ s[i].thread, s[i + 1].thread,
						   passed[s[i].thread] };
	}
}

static bool decisions_parse(struct explorer *e, const char *text)
{
	uint32_t passed[WEAVE_THREADS_MAX + 1] = { 0 };
	int last = -1;

	e->nr_decisions = 0;
	e->first = -1;
	while (*text) {
		unsigned long points;
		char *end;
		int thread;

		if (*text == ' ' || *text == ',') {
			text++;
			continue;
		}
		thread = *text == 'r' ? WEAVE_RCU : *text - 'a';
		if (thread < 0 || thread > WEAVE_RCU || text[1] < '0' || text[1] > '9')
			return false;
		points = strtoul(text + 1, &end, 10);
		if (points > 1000000 || e->nr_decisions == DECISIONS_MAX)
			return false;
		if (last < 0)
			e->first = thread;
		else
			e->decision[e->nr_decisions++] =
				(struct decision){ (uint8_t)last, (uint8_t)thread, passed[last] };
		passed[thread] += (uint32_t)points;
		last = thread;
		text = end;
	}
	return last >= 0;
}

/* ---------------------------------------------------------------- executions */

static void call_judge(void *arg)
{
	const struct explore_case *c = arg;

	c->judge(c->arg);
}

static void call_learn(void *arg)
{
	const struct explore_case *c = arg;

	c->learn(c->arg);
}

static void call_reset(void *arg)
{
	const struct explore_case *c = arg;

	c->reset(c->arg);
}

static enum weave_outcome execute(struct explorer *e, weave_choose_fn *choose, bool eager_rcu,
				  void (*then)(void *arg))
{
	void *c = (void *)(uintptr_t)e->c;
	enum weave_outcome outcome;

	weave_message_clear();
	if (e->nr_standing) {
		outcome = go_on_from(e, &e->standing[e->nr_standing - 1]);
	} else {
		e->run = (struct weave_run){
			.arg = e->c->arg, .choose = choose, .choose_arg = e, .eager_rcu = eager_rcu
		};
		memcpy(e->run.body, e->c->body, sizeof(e->run.body));
		outcome = weave_guarded(call_reset, c);
		if (outcome == WEAVE_DONE)
			outcome = weave_run(&e->run);
	}
	while (outcome == WEAVE_PAUSED) {
		stand(e);
		outcome = weave_go_on();
	}
	if (outcome == WEAVE_DONE && e->only_new && is_seen(&e->ends, weave_state()))
		outcome = WEAVE_PRUNED;
	if (outcome == WEAVE_DONE)
		outcome = weave_guarded(then, c);
	weave_rcu_forget();
	if (weave_points() > e->result->points)
		e->result->points = weave_points();
	return outcome;
}

/* The same failure: the sentences are alike up to where they name numbers. */
static bool same_failure(const char *a, const char *b)
{
	while (*a && *a == *b && *a != ':' && (*a < '0' || *a > '9'))
		a++, b++;
	return *a == *b || (*a >= '0' && *a <= '9' && *b >= '0' && *b <= '9');
}

/* Leave out one decision after the other for as long as it fails in the same way. */
static void shrink(struct explorer *e)
{
	struct explore_result *r = e->result;
	bool smaller = true;

	decisions_take(e);
	while (smaller) {
		uint32_t i;

		smaller = false;
		for (i = 0; i < e->nr_decisions && !smaller; i++) {
			static struct decision kept[DECISIONS_MAX];
			uint32_t nr = e->nr_decisions;
			int first = e->first;

			memcpy(kept, e->decision, nr * sizeof(*kept));
			memmove(&e->decision[i], &e->decision[i + 1], (nr - i - 1) * sizeof(*kept));
			e->nr_decisions--;
			e->next_decision = 0;
			if (execute(e, choose_decided, false, call_judge) == WEAVE_FAILED &&
			    same_failure(weave_message(), r->message) &&
			    weave_preemptions() <= r->shrunk_preemptions) {
				decisions_take(e);
				smaller = e->nr_decisions < nr;
				r->shrunk_preemptions = weave_preemptions();
				schedule_print(r->shrunk, sizeof(r->shrunk));
			}
			if (!smaller) {
				memcpy(e->decision, kept, nr * sizeof(*kept));
				e->nr_decisions = nr;
				e->first = first;
			}
		}
	}
}

static void failed(struct explorer *e)
{
	struct explore_result *r = e->result;

	e->nr_standing = 0;
	r->failed = true;
	r->found_after = r->executions;
	snprintf(r->message, sizeof(r->message), "%s", weave_message());
	schedule_print(r->schedule, sizeof(r->schedule));
	r->preemptions = r->shrunk_preemptions = weave_preemptions();
	memcpy(r->shrunk, r->schedule, sizeof(r->shrunk));
	shrink(e);
}

/* False: enough. */
static bool go_on(struct explorer *e)
{
	const struct explore_options *o = e->options;
	uint64_t n = e->result->executions;

	if (o->executions && n >= o->executions)
		return false;
	if (((n + e->result->pruned) & 31) == 0) {
		if (o->progress && ((n + e->result->pruned) & 1023) == 0)
			o->progress(n);
		if (o->nanoseconds && nanoseconds() - e->began > o->nanoseconds)
			return false;
	}
	return true;
}

/* One execution that counts. False: it failed, and that is in the result. */
static bool execute_counted(struct explorer *e, weave_choose_fn *choose, bool eager_rcu)
{
	enum weave_outcome outcome;

	e->only_new = e->options->strategy == EXPLORE_EXHAUSTIVE && !e->options->all;
	outcome = execute(e, choose, eager_rcu, call_judge);
	e->only_new = false;
	switch (outcome) {
	case WEAVE_PRUNED:
		e->result->pruned++;
		return true;
	case WEAVE_FAILED:
		e->result->executions++;
		failed(e);
		return false;
	case WEAVE_DONE:
	default:
		e->result->executions++;
		if (!seen_before(&e->ends, weave_state(), 0))
			e->result->distinct++;
		return true;
	}
}

/* The next choice depth first. False: there is none. */
static bool next_path(struct explorer *e)
{
	while (e->nr_nodes) {
		struct node *n = &e->node[e->nr_nodes - 1];

		n->taken++;
		if (node_skip(e, n))
			return true;
		e->nr_nodes--;
		while (e->nr_standing && e->standing[e->nr_standing - 1].depth >= e->nr_nodes)
			e->nr_standing--;
	}
	return false;
}

/* Every order of whole operations, or of their steps. */
static bool execute_orders(struct explorer *e)
{
	e->nr_nodes = 0;
	do {
		enum weave_outcome outcome;

		e->depth = 0;
		e->spent = 0;
		outcome = execute(e, choose_in_order, true, call_learn);
		e->result->executions++;
		if (outcome == WEAVE_FAILED) {
			failed(e);
			return false;
		}
	} while (next_path(e));
	e->nr_nodes = 0;
	return true;
}

/* What these lead to is right. */
static bool learn_ends(struct explorer *e)
{
	bool ok = true;
	uint32_t n;

	for (n = e->c->ways; ok && n-- > 0;) {
		e->c->way(e->c->arg, n);
		ok = execute_orders(e);
	}
	return ok;
}

enum pass {
	PASS_COMPLETE, /* nothing is left */
	PASS_AGAIN,    /* with what it learned */
	PASS_STOP,     /* wrong, or enough */
};

/*
 * What is learned late makes all that came before worth little, so a pass looks whether it has learned something when it is a quarter
 * older than when it last looked.
 */
static enum pass explore_pass(struct explorer *e)
{
	uint64_t runs = 0, look = 32;

	seen_clear(&e->seen);
	e->nr_nodes = e->nr_standing = 0;
	e->result->passes++;
	do {
		e->depth = 0;
		e->spent = 0;
		if (!execute_counted(e, choose_exhaustive, true) || !go_on(e))
			return PASS_STOP;
		if (++runs == look) {
			look += look / 4;
			if (weave_words_learn())
				return PASS_AGAIN;
		}
	} while (next_path(e));
	return weave_words_learn() ? PASS_AGAIN : PASS_COMPLETE;
}

/*
 * The states that these pass are not noted: what they find the search finds again, with the fewest preemptions. A failure is kept in
 * case it needs more of them than are searched.
 */
static bool warm_up(struct explorer *e)
{
	uint32_t i, dull = 0;

	for (i = 0; i < WARM_UP_MAX && dull < WARM_UP_DULL; i++) {
		if (!execute_counted(e, choose_random, true)) {
			e->early = *e->result;
			e->result->failed = false;
			break;
		}
		if (!go_on(e))
			return false;
		dull = weave_words_learn() ? 0 : dull + 1;
	}
	return true;
}

static void fail_as_early(struct explorer *e)
{
	struct explore_result *r = e->result;

	e->early.executions = r->executions;
	e->early.distinct = r->distinct;
	e->early.pruned = r->pruned;
	e->early.points = r->points;
	e->early.passes = r->passes;
	*r = e->early;
}

/* With one preemption first, which costs little, and teaches most of the words that random executions did not. */
static void explore_exhaustive(struct explorer *e)
{
	uint32_t most = e->options->preemptions;
	enum pass pass = PASS_STOP;

	if (warm_up(e)) {
		e->bound = most ? 1 : 0;
		do {
			pass = explore_pass(e);
		} while (pass == PASS_AGAIN || (pass == PASS_COMPLETE && e->bound++ < most));
	}
	if (e->early.failed && !e->result->failed)
		fail_as_early(e);
	e->result->complete = pass == PASS_COMPLETE;
}

static int compare_points(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void explore_pct(struct explorer *e)
{
	while (go_on(e)) {
		uint32_t i;

		e->nr_changes = e->options->preemptions < CHANGES_MAX ? e->options->preemptions
								      : CHANGES_MAX;
		e->changed = 0;
		if (e->met > e->met_most)
			e->met_most = e->met;
		e->met = 0;
		for (i = 0; i < e->nr_changes; i++)
			e->change[i] = 1 + random_next(e) % (e->met_most + 1);
		qsort(e->change, e->nr_changes, sizeof(e->change[0]), compare_points);
		for (i = 0; i <= WEAVE_RCU; i++) {
			uint32_t j = (uint32_t)(random_next(e) % (i + 1));

			e->priority[i] = e->priority[j];
			e->priority[j] = CHANGES_MAX + 1 + i;
		}
		if (!execute_counted(e, choose_pct, false))
			return;
		if ((e->result->executions & 255) == 0)
			weave_words_learn();
	}
}

static void explore_random(struct explorer *e)
{
	while (go_on(e)) {
		if (!execute_counted(e, choose_random, false))
			return;
		if ((e->result->executions & 255) == 0)
			weave_words_learn();
	}
}

static void explorer_end(struct explorer *e)
{
	uint32_t i;

	for (i = 0; i < STANDING_MAX; i++)
		image_free(&e->standing[i].image);
	free(e->seen.key);
	free(e->seen.spent);
	free(e->ends.key);
	free(e->ends.spent);
	free(e);
}

static struct explorer *explorer_new(const struct explore_case *c,
				     const struct explore_options *options,
				     struct explore_result *result)
{
	struct explorer *e = calloc(1, sizeof(*e));

	if (!e)
		abort();
	memset(result, 0, sizeof(*result));
	e->c = c;
	e->options = options;
	e->result = result;
	e->random = options ? options->seed : 0;
	e->began = nanoseconds();
	e->first = -1;
	e->has_images = fiber_has_images();
	seen_clear(&e->ends);
	weave_words_forget();
	return e;
}

void explore(const struct explore_case *c, const struct explore_options *options,
	     struct explore_result *result)
{
	struct explorer *e = explorer_new(c, options, result);

	if (learn_ends(e)) {
		weave_words_learn();
		if (options->strategy == EXPLORE_EXHAUSTIVE)
			explore_exhaustive(e);
		else if (options->strategy == EXPLORE_PCT)
			explore_pct(e);
		else
			explore_random(e);
	}
	explorer_end(e);
}

bool explore_replay(const struct explore_case *c, const char *schedule, bool trace,
		    struct explore_result *result)
{
	struct explorer *e = explorer_new(c, NULL, result);
	bool parsed = decisions_parse(e, schedule);

	if (parsed && learn_ends(e)) {
		enum weave_outcome outcome;

		decisions_parse(e, schedule);
		e->next_decision = 0;
		weave_trace(trace);
		outcome = execute(e, choose_decided, false, call_judge);
		result->executions++;
		result->failed = outcome == WEAVE_FAILED;
		result->preemptions = weave_preemptions();
		snprintf(result->message, sizeof(result->message), "%s", weave_message());
		schedule_print(result->schedule, sizeof(result->schedule));
	}
	explorer_end(e);
	return parsed;
}
