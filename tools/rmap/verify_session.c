// SPDX-License-Identifier: BSD-2-Clause
/*
 * A session: both sides made, one step, the end.
 *
 * The engine goes first. It says whether an operation makes sense at all, and what it comes to is only noted; then the
 * puppet does the same; then results are compared, then states. The processes that an operation touched are compared at each
 * step, all of them after every so many and at the end, together with a mm_check() of the engine.
 */
#include "verify_int.h"
#include "verify_swap.h"

#include <mm/mm_types.h>

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#define FULL_EVERY	  64u
/* Bytes of pages that are compared at each step, where the operation was. */
#define STEP_BYTES	  8u

#define STACK_LIMIT	  ((rlim_t)8 << 20)
#define DEFAULT_MAP_COUNT 65530u

/* ---------------------------------------------------------------- sentences */

enum verify_result verify_say(struct verify_session *s, enum verify_result result,
			      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(s->difference.what, sizeof(s->difference.what), format, args);
	va_end(args);
	s->difference.operation = s->count.operations;
	s->result = result;
	return result;
}

void verify_add(char *text, size_t size, const char *format, ...)
{
	size_t len = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + len, size - len, format, args);
	va_end(args);
}

const char *verify_who(struct verify_session *s, const struct puppet *p, char *buf, size_t size)
{
	return runner_proc_name(s->runner, p->id, buf, size);
}

#ifdef __x86_64__

/* ---------------------------------------------------------------- this machine */

static char **own_arguments(char *text, size_t size)
{
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, size - 1);
	char **argv;
	size_t nr = 0;

	if (fd >= 0)
		close(fd);
	if (len <= 0 || (size_t)len == size - 1)
		return NULL;
	text[len] = '\0';
	argv = calloc((size_t)len + 1, sizeof(*argv));
	for (char *at = text; argv && at < text + len; at += strlen(at) + 1)
		argv[nr++] = at;
	return argv;
}

int verify_settle(void)
{
	int now = personality(0xffffffff);
	struct rlimit stack;
	static char text[1 << 17];
	char **argv;

	if (now < 0 || getrlimit(RLIMIT_STACK, &stack))
		return -1;
	if ((now & ADDR_NO_RANDOMIZE) && !(now & ADDR_COMPAT_LAYOUT) &&
	    stack.rlim_cur <= STACK_LIMIT)
		return 0;
	/* Once: whoever is here for the second time is not let. */
	if (getenv("RMAP_VERIFY_SETTLED"))
		return -1;
	argv = own_arguments(text, sizeof(text));
	stack.rlim_cur = stack.rlim_max < STACK_LIMIT ? stack.rlim_max : STACK_LIMIT;
	if (!argv || setrlimit(RLIMIT_STACK, &stack) ||
	    personality((unsigned long)((now | ADDR_NO_RANDOMIZE) & ~ADDR_COMPAT_LAYOUT)) < 0 ||
	    setenv("RMAP_VERIFY_SETTLED", "1", 1))
		return -1;
	fflush(NULL);
	execv("/proc/self/exe", argv);
	free(argv);
	return -1;
}

static uint64_t setting(const char *path, uint64_t otherwise)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32] = "";
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	return len > 0 ? strtoull(text, NULL, 10) : otherwise;
}

/*
 * The lowest address that hints are rounded to and stacks grow to. The kernel may be built with a higher one than the setting
 * that MAP_FIXED is held against, so it is asked for with a hint.
 */
static uint64_t lowest_address(void)
{
	uint64_t least = setting("/proc/sys/vm/mmap_min_addr", 65536);
	void *at = mmap((void *)(uintptr_t)RMAP_PAGE_SIZE, RMAP_PAGE_SIZE, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return least;
	munmap(at, RMAP_PAGE_SIZE);
	return (uint64_t)(uintptr_t)at > least && (uint64_t)(uintptr_t)at <= (uint64_t)1 << 24
		       ? (uint64_t)(uintptr_t)at
		       : least;
}

const char *verify_unable(const struct verify_options *options)
{
	int now = personality(0xffffffff);

	if (geteuid())
		return "only root may see which frame a page is in";
	if (now < 0 || !(now & ADDR_NO_RANDOMIZE))
		return "address randomisation cannot be turned off for a process here";
	if (setting("/proc/sys/vm/overcommit_memory", 0) == 2)
		return "this machine's overcommit policy is \"never\"";
	if (options->swap && options->design && !strcmp(options->design, "anonmm"))
		return "anonmm copies at mremap, and what is not shared goes to swap: --swap says "
		       "nothing of it";
	if (options->swap) {
		static char error[VERIFY_SWAP_ERROR];

		if (verify_swap_begin(error))
			return error;
	}
	return NULL;
}

/* What a workload wants of its machine and no real one can be made to have. */
static const char *impossible(const struct op_config *config)
{
	if (config->injects)
		return "it lets allocations or I/O fail";
	if ((config->has_overcommit && config->overcommit != MM_OVERCOMMIT_ALWAYS) ||
	    config->overcommit_ratio)
		return "it asks for an overcommit policy";
	if (config->max_map_count)
		return "it asks for a max_map_count";
	if (config->stack_guard_gap)
		return "it asks for a stack guard gap";
	if (config->mmap_min_addr && config->mmap_min_addr != lowest_address())
		return "it asks for a mmap_min_addr";
	if (config->fault_around && config->fault_around != RMAP_PAGE_SIZE)
		return "it asks for fault-around";
	return NULL;
}

/* The engine's swap space is as large as the live side's, unless the workload wants none. */
static void complete(struct op_config *config, bool swap)
{
	uint64_t maps = setting("/proc/sys/vm/max_map_count", DEFAULT_MAP_COUNT);

	config->mmap_min_addr = lowest_address();
	config->max_map_count = (uint32_t)(maps > UINT32_MAX ? UINT32_MAX : maps) - HOUSE_VMAS;
	config->fault_around = RMAP_PAGE_SIZE;
	config->has_overcommit = true;
	config->overcommit = MM_OVERCOMMIT_ALWAYS;
	if (!swap)
		return;
	if (!config->has_swap || config->swap_slots)
		config->swap_slots = VERIFY_SWAP_PAGES;
	config->has_swap = true;
}

/* ---------------------------------------------------------------- making */

static bool allocate(struct verify_session *s)
{
	s->by_live = calloc(FRAME_PAIRS, sizeof(*s->by_live));
	s->by_engine = calloc(FRAME_PAIRS, sizeof(*s->by_engine));
	s->page = malloc(RMAP_PAGE_SIZE);
	s->entries = malloc(ENTRIES * sizeof(*s->entries));
	return s->by_live && s->by_engine && s->page && s->entries;
}

/* The running kernel's, or the nearest that is known. */
static uint32_t running_release(void)
{
	struct utsname name;
	uint32_t release = uname(&name) ? 0 : ops_parse_release(name.release);

	if (release && release < MM_RELEASE_FIRST)
		return MM_RELEASE_FIRST;
	return release < MM_RELEASE_LATEST ? release : MM_RELEASE_LATEST;
}

/* As the engine's is, whatever the session before has left. */
static bool swap_begins(bool on)
{
	int error = verify_swap_set(on);

	return !error || verify_swap_was_so(on, error);
}

int verify_session_new(const struct verify_options *options, struct op_source *source,
		       struct verify_session **out, bool *unable, char err[OPS_ERR_SIZE])
{
	struct runner_options engine = {
		.design = options->design,
		.frames = options->frames,
		.seed = options->seed,
		.release = options->release ? options->release : running_release(),
	};
	const char *why = verify_unable(options);
	struct verify_session *s;

	*unable = true;
	if (!why)
		why = impossible(&source->config);
	if (why) {
		snprintf(err, OPS_ERR_SIZE, "%s", why);
		return -1;
	}
	*unable = false;
	complete(&source->config, options->swap);
	s = calloc(1, sizeof(*s));
	if (!s || !allocate(s)) {
		snprintf(err, OPS_ERR_SIZE, "out of memory");
		goto fail;
	}
	s->options = *options;
	if (!s->options.full_every)
		s->options.full_every = FULL_EVERY;
	s->source = source;
	s->version = 1;
	if (look_new(&s->look, err) || live_new(&s->live, err)) {
		*unable = true;
		goto fail;
	}
	if (runner_create(&engine, source, &s->runner, err))
		goto fail;
	s->engine_swaps = s->runner->swap_slots && !options->swap;
	s->copies_at_move = options->design && !strcmp(options->design, "anonmm");
	if (s->copies_at_move)
		verify_rule(s, RULE_ANONMM);
	if (options->swap && !swap_begins(s->runner->swap_slots != 0)) {
		snprintf(err, OPS_ERR_SIZE, "swap cannot be switched");
		goto fail;
	}
	*out = s;
	return 0;
fail:
	if (s)
		verify_session_free(s);
	return -1;
}

void verify_session_free(struct verify_session *s)
{
	verify_drop_pins(s);
	if (s->live)
		live_free(s->live);
	if (s->look)
		look_free(s->look);
	verify_close_files(s);
	free(s->frames);
	if (s->runner)
		runner_destroy(s->runner);
	free(s->pairs);
	free(s->by_live);
	free(s->by_engine);
	free(s->layout.vmas);
	free(s->engine_vmas);
	free(s->engine_files);
	free(s->page);
	free(s->entries);
	free(s);
}

/* ---------------------------------------------------------------- results */

static bool is_access(enum op_kind kind)
{
	return kind == OP_READ || kind == OP_WRITE || kind == OP_FETCH;
}

static const char *name_of(const struct op *op, int error, char buf[32])
{
	if (!error)
		return "success";
	if (is_access(op->kind) && error == RMAP_EFAULT)
		return "SEGV_MAPERR";
	if (is_access(op->kind) && error == RMAP_EACCES)
		return "SEGV_ACCERR";
	if (is_access(op->kind) && error == RMAP_EIO)
		return "SIGBUS";
	if (is_access(op->kind) && error == RMAP_ENOMEM)
		return "OOM";
	if (strcmp(rmap_error_name(error), "E?") != 0)
		return rmap_error_name(error);
	snprintf(buf, 32, "errno %d", -error);
	return buf;
}

static enum verify_result compare_results(struct verify_session *s, const struct op *op)
{
	char live[32], engine[32], why[RUNNER_REFUSED_SIZE];
	bool refused = s->engine_error == RMAP_ENOMEM && runner_swap_refused(s->runner, why);

	if (s->live_error != s->engine_error)
		return verify_say(s, VERIFY_DIFFER, "%s: live %s, engine %s%s%s",
				  op_kind_name(op->kind), name_of(op, s->live_error, live),
				  name_of(op, s->engine_error, engine), refused ? "; " : "",
				  refused ? why : "");
	if ((op->kind == OP_MMAP || op->kind == OP_MREMAP || op->kind == OP_BRK) &&
	    (!s->live_error || op->kind == OP_BRK) && s->live_result != s->engine_result)
		return verify_say(s, VERIFY_DIFFER, "%s: live 0x%llx, engine 0x%llx",
				  op_kind_name(op->kind), (unsigned long long)s->live_result,
				  (unsigned long long)s->engine_result);
	if (is_access(op->kind) && s->live_error && s->live_at != s->engine_at)
		return verify_say(s, VERIFY_DIFFER,
				  "%s ends at 0x%llx live, at 0x%llx in the engine",
				  op_kind_name(op->kind), (unsigned long long)s->live_at,
				  (unsigned long long)s->engine_at);
	return VERIFY_AGREE;
}

/* What the workload expects, of what both came to. */
static enum verify_result expected(struct verify_session *s, const struct op *op)
{
	static const int signals[] = { 0,	 RMAP_EFAULT,	 RMAP_EACCES,
				       RMAP_EIO, RMAP_EHWPOISON, RMAP_ENOMEM };
	char found[32], wanted[32];
	uint64_t want;
	int error = 0;

	if (op->outcome == OP_MAY_FAIL)
		return VERIFY_AGREE;
	if (op->outcome == OP_MUST_FAIL)
		error = op->error;
	else if (op->outcome == OP_MUST_SIGNAL)
		error = signals[(unsigned int)op->error % 6];
	if (s->live_error != error)
		return verify_say(s, VERIFY_FAILED, "%s: expected %s, both sides have %s",
				  op_kind_name(op->kind), name_of(op, error, wanted),
				  name_of(op, s->live_error, found));
	if (op->outcome == OP_MUST_BE && !runner_resolve(s->runner, &op->want, &want) &&
	    want != s->live_result)
		return verify_say(s, VERIFY_FAILED, "%s: expected 0x%llx, both sides have 0x%llx",
				  op_kind_name(op->kind), (unsigned long long)want,
				  (unsigned long long)s->live_result);
	return VERIFY_AGREE;
}

/* ---------------------------------------------------------------- comparing */

enum verify_result verify_all(struct verify_session *s)
{
	struct mm_check check = { .seed = s->options.seed };
	enum verify_result ret = VERIFY_AGREE;
	struct puppet *p = NULL;
	struct sysinfo info;

	s->since_full = 0;
	s->count.full++;
	/* What others switched on is nothing that this run asked for. */
	if (!s->options.swap && !sysinfo(&info) && info.totalswap)
		s->machine_swaps = true;
	verify_round(s);
	while (ret == VERIFY_AGREE && (p = live_next(s->live, p)))
		ret = verify_process(s, p, 0, UINT64_MAX, UINT64_MAX, true);
	if (ret != VERIFY_AGREE)
		return ret;
	if (mm_check(s->runner->sys, &check) == RMAP_EBADMSG)
		return verify_say(s, VERIFY_FAILED, "the engine's check found: %s", check.message);
	return VERIFY_AGREE;
}

static enum verify_result compare_touched(struct verify_session *s)
{
	const struct touched *t = &s->touched;
	enum verify_result ret = VERIFY_AGREE;

	verify_round(s);
	for (int i = 0; i < 2 && ret == VERIFY_AGREE; i++)
		if (t->who[i] && live_find(s->live, t->who[i]->id))
			ret = verify_process(s, t->who[i], t->start, t->end, STEP_BYTES, t->flags);
	if (ret == VERIFY_AGREE && ++s->since_full >= s->options.full_every)
		ret = verify_all(s);
	return ret;
}

/* ---------------------------------------------------------------- the step */

static enum verify_result engine_does(struct verify_session *s, const struct op *op)
{
	char err[OPS_ERR_SIZE];
	enum runner_result result = runner_step(s->runner, op, err);

	if (result == RUNNER_OK) {
		s->engine_error = s->runner->last_error;
		s->engine_result = s->runner->last_result;
		s->engine_at = s->runner->last_at;
		return VERIFY_AGREE;
	}
	return verify_say(s, result == RUNNER_BAD ? VERIFY_BAD : VERIFY_FAILED, "%s", err);
}

static enum verify_result alone(struct verify_session *s, const struct op *op)
{
	enum verify_result ret;

	s->count.alone++;
	if (op->kind == OP_RECLAIM || op->kind == OP_BALANCE || op->kind == OP_HIBERNATE) {
		s->reclaimed = true;
		s->engine_swaps = s->runner->swap_slots;
	}
	verify_rule(s, op_is_expectation(op->kind) || op->kind >= OP_PHASE ? RULE_ENGINE_ALONE
									   : RULE_RECLAIM);
	if (op->kind == OP_VERIFY)
		return VERIFY_AGREE;
	/* The machine that is resumed numbers its files anew. */
	if (op->kind == OP_HIBERNATE)
		s->nr_pairs = 0;
	ret = engine_does(s, op);
	if (ret == VERIFY_AGREE && (op->kind == OP_FRAME || op->kind == OP_EXPECT_PAGE))
		ret = verify_frame(s, op);
	return ret;
}

static void note_freed(struct verify_session *s)
{
	struct mm_counters counters;

	mm_get_counters(s->runner->sys, &counters);
	s->freed = counters.reclaim_freed;
}

/* Under pressure the engine reclaims by itself, where this machine has no need to. */
static void note_reclaim(struct verify_session *s, const struct op *op)
{
	struct mm_counters counters;

	if (s->reclaimed || op->kind == OP_MADVISE)
		return;
	mm_get_counters(s->runner->sys, &counters);
	if (counters.reclaim_freed == s->freed)
		return;
	s->reclaimed = true;
	s->engine_swaps = s->runner->swap_slots;
}

/* The heap of a process that was never told where it begins. */
static void default_heap(struct verify_session *s, const struct op *op)
{
	struct mm *mm = runner_mm(s->runner, op->proc);
	struct op set;
	struct mm_stats stats;

	if (!mm)
		return;
	mm_get_stats(mm, &stats);
	if (stats.brk_start)
		return;
	op_init(&set, OP_SET_BRK);
	set.proc = op->proc;
	set.addr.off = s->source->config.mmap_min_addr;
	s->engine_error = mm_set_brk(mm, set.addr.off);
	verify_do(s, &set);
}

enum verify_result verify_step(struct verify_session *s, const struct op *asked)
{
	struct op op = *asked;
	enum verify_result ret;

	if (s->result != VERIFY_AGREE)
		return s->result;
	s->live_error = s->engine_error = 0;
	s->live_result = s->engine_result = s->live_at = s->engine_at = 0;
	memset(&s->touched, 0, sizeof(s->touched));
	if (verify_alone(s, asked))
		return alone(s, asked);
	ret = verify_prepare(s, &op);
	if (ret != VERIFY_AGREE)
		return ret;
	s->count.operations++;
	if (op.kind == OP_BRK)
		default_heap(s, &op);
	op.outcome = OP_MAY_FAIL;
	note_freed(s);
	ret = engine_does(s, &op);
	note_reclaim(s, &op);
	look_drain(s->look);
	if (ret == VERIFY_AGREE)
		ret = verify_do(s, &op);
	if (ret != VERIFY_AGREE)
		return ret;
	s->count.errors += s->live_error != 0;
	ret = compare_results(s, &op);
	if (ret == VERIFY_AGREE)
		ret = compare_touched(s);
	if (ret == VERIFY_AGREE)
		ret = verify_watch(s, &op);
	return ret == VERIFY_AGREE ? expected(s, asked) : ret;
}

enum verify_result verify_finish(struct verify_session *s)
{
	char err[OPS_ERR_SIZE];
	enum runner_result result;
	enum verify_result ret;

	if (s->result != VERIFY_AGREE)
		return s->result;
	ret = verify_all(s);
	if (ret == VERIFY_AGREE)
		ret = verify_files(s);
	if (ret != VERIFY_AGREE)
		return ret;
	result = runner_finish(s->runner, err);
	return result == RUNNER_OK ? VERIFY_AGREE : verify_say(s, VERIFY_FAILED, "%s", err);
}

#else

int verify_settle(void)
{
	return -1;
}

const char *verify_unable(const struct verify_options *options)
{
	(void)options;
	return "puppets are made for x86-64";
}

int verify_session_new(const struct verify_options *options, struct op_source *source,
		       struct verify_session **out, bool *unable, char err[OPS_ERR_SIZE])
{
	(void)source;
	(void)out;
	*unable = true;
	snprintf(err, OPS_ERR_SIZE, "%s", verify_unable(options));
	return -1;
}

void verify_session_free(struct verify_session *s)
{
	(void)s;
}

enum verify_result verify_step(struct verify_session *s, const struct op *op)
{
	(void)op;
	return s->result;
}

enum verify_result verify_all(struct verify_session *s)
{
	return s->result;
}

enum verify_result verify_finish(struct verify_session *s)
{
	return s->result;
}

#endif

/* ---------------------------------------------------------------- for those who ask */

const struct verify_difference *verify_difference(const struct verify_session *s)
{
	return &s->difference;
}

void verify_get_counters(const struct verify_session *s, struct verify_counters *out)
{
	*out = s->count;
}

int verify_last_error(const struct verify_session *s)
{
	return s->engine_error;
}

uint64_t verify_last_result(const struct verify_session *s)
{
	return s->engine_result;
}

struct runner *verify_runner(struct verify_session *s)
{
	return s->runner;
}
