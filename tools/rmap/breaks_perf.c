// SPDX-License-Identifier: BSD-2-Clause
/*
 * The kernel's events of the followed tasks; see the header.
 *
 * A trace event that a filter refuses costs the task some ten nanoseconds, one that is written a few hundred, and a dump of the
 * stack its size. So the first touch of a page, of which there are many more than broken pages, never gets a dump: only `alloc` and
 * `done` come from it, 64 bytes each.
 *
 * The rings of all CPUs are merged by time without being copied. That is in order if nothing is taken that is younger than an event
 * which some CPU is still writing; the caller says how young.
 */
#include "breaks_perf.h"
#include "breaks_index.h"
#include "perf_ring.h"

#include <errno.h>
#include <event-parse.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <tracefs.h>
#include <unistd.h>

#define RING_DEFAULT	(16u << 20)
#define RINGS_TOTAL	(512u << 20) /* of all CPUs together, unless --buffer says otherwise */
#define RING_LEAST	(1u << 20)
#define SMALLEST	(1u << 17) /* where a record still fits several times */
#define CHAIN		32	   /* frames of the kernel's call chain */
/* AX BX CX DX SI DI BP SP IP, R8 to R15 */
#define REGS		0xff01ffu
/* Of a movable page, such as every page of a process is. */
#define MIGRATE_MOVABLE "1"
#define GFP_ZERO	(1u << 8)

enum source { USER_WRITE, KERNEL_WRITE, ALLOC, UNCHARGE, MINOR, MAJOR, NR_SOURCES };

/*
 * Error code of a page fault: 1 the page was present, 2 a write, 4 from user mode, 64 to a shadow stack. A fault of the kernel on its own
 * memory is none of ours.
 */
static const struct {
	enum breaks_kind kind;
	const char *system, *name; /* NULL: the software event below */
	uint64_t software;
	const char *filter;
} sources[NR_SOURCES] = {
	[USER_WRITE] = { BREAKS_WRITE, "exceptions", "page_fault_user", 0,
			 "error_code == 7 || error_code == 71" },
	[KERNEL_WRITE] = { BREAKS_WRITE, "exceptions", "page_fault_kernel", 0,
			   "error_code == 3 && address < 0x8000000000000000" },
	[ALLOC] = { BREAKS_ALLOC, "kmem", "mm_page_alloc", 0, "migratetype == " MIGRATE_MOVABLE },
	[UNCHARGE] = { BREAKS_UNCHARGE, "kmem", "rss_stat", 0,
		       "curr == 1 && (member == 0 || member == 3)" },
	[MINOR] = { BREAKS_DONE, NULL, NULL, PERF_COUNT_SW_PAGE_FAULTS_MIN, NULL },
	[MAJOR] = { BREAKS_DONE, NULL, NULL, PERF_COUNT_SW_PAGE_FAULTS_MAJ, NULL },
};

struct field {
	size_t offset, size;
};

struct ring {
	int fd, cpu;
	struct perf_ring ring;
	uint64_t tail, end; /* what is being taken */
	uint64_t time;	    /* of the record at tail; UINT64_MAX: there is none */
};

struct opened {
	int fd;
	enum source source;
};

struct breaks_perf {
	struct breaks_perf_options options;
	size_t page_size, ring_size;
	int nr_cpus;
	struct tep_handle *tep;
	uint64_t configs[NR_SOURCES];
	struct field address, ip, order, gfp_flags;
	struct ring *rings;
	int nr_rings;
	struct opened *events;
	size_t nr_events, cap_events;
	struct breaks_index ids; /* perf's id to NR_SOURCES times the call's number plus source */
	uint32_t nr_follows;
	uint64_t lost, taken;
	bool no_lost_format;
	uint64_t record[PERF_RECORD_MOST / 8]; /* one that wraps around its ring */
	uint64_t regs[BREAKS_NR_REGS];
};

__attribute__((format(printf, 2, 3))) static int fail(char err[BREAKS_ERR_SIZE], const char *fmt,
						      ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, BREAKS_ERR_SIZE, fmt, ap);
	va_end(ap);
	return -1;
}

/* -- formats ---------------------------------------------------------------------------------- */

static int find_field(struct tep_event *event, const char *name, struct field *field,
		      char err[BREAKS_ERR_SIZE])
{
	const struct tep_format_field *f = tep_find_field(event, name);

	if (!f || f->size > 8 || f->size <= 0)
		return fail(err, "this kernel's trace event %s:%s has no usable field '%s'",
			    event->system, event->name, name);
	field->offset = (size_t)f->offset;
	field->size = (size_t)f->size;
	return 0;
}

static int find_fields(struct breaks_perf *p, enum source source, struct tep_event *event,
		       char err[BREAKS_ERR_SIZE])
{
	struct field ignored;

	switch (source) {
	case USER_WRITE:
		return find_field(event, "address", &p->address, err) ||
		       find_field(event, "ip", &p->ip, err) ||
		       find_field(event, "error_code", &ignored, err);
	case ALLOC:
		return find_field(event, "order", &p->order, err) ||
		       find_field(event, "gfp_flags", &p->gfp_flags, err);
	default:
		return 0;
	}
}

static int load_formats(struct breaks_perf *p, char err[BREAKS_ERR_SIZE])
{
	static const char *const systems[] = { "exceptions", "kmem", NULL };
	const char *dir = tracefs_tracing_dir();

	if (!dir)
		return fail(
			err,
			"tracefs cannot be read (%s): it says which trace events there are. "
			"Run as root, or mount it: mount -t tracefs tracefs /sys/kernel/tracing",
			strerror(errno));
	if (access(dir, R_OK | X_OK))
		return fail(err,
			    "%s cannot be read: %s. It says which trace events there are: run as "
			    "root, or let your group read it (mount -o remount,gid=...,mode=750)",
			    dir, strerror(errno));
	p->tep = tracefs_local_events_system(dir, systems);
	if (!p->tep)
		return fail(err, "the formats of the kernel's trace events cannot be read");
	for (int i = 0; i < NR_SOURCES; i++) {
		struct tep_event *event;

		p->configs[i] = sources[i].software;
		if (!sources[i].name)
			continue;
		event = tep_find_event_by_name(p->tep, sources[i].system, sources[i].name);
		if (!event)
			return fail(err, "this kernel has no trace event %s:%s", sources[i].system,
				    sources[i].name);
		p->configs[i] = (uint64_t)event->id;
		if (find_fields(p, (enum source)i, event, err))
			return -1;
	}
	return 0;
}

static uint64_t field(const uint8_t *raw, size_t size, struct field f)
{
	uint64_t n = 0;

	if (f.offset + f.size <= size)
		memcpy(&n, raw + f.offset, f.size);
	return n;
}

/* -- opening ---------------------------------------------------------------------------------- */

static struct perf_event_attr attributes(const struct breaks_perf *p, enum source source,
					 bool on_exec)
{
	bool write = source == USER_WRITE || source == KERNEL_WRITE;
	struct perf_event_attr attr = {
		.type = sources[source].name ? PERF_TYPE_TRACEPOINT : PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = p->configs[source],
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
		.disabled = 1,
		.inherit = !p->options.everything,
		.enable_on_exec = on_exec,
		.sample_id_all = 1,
		.watermark = 1,
		.wakeup_watermark = (uint32_t)(p->ring_size / 8),
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};

	attr.sample_type |= sources[source].name ? PERF_SAMPLE_RAW : PERF_SAMPLE_ADDR;
	if (source == UNCHARGE) /* that it came is all there is to know */
		attr.sample_type &= ~(uint64_t)PERF_SAMPLE_RAW;
	if (write && p->options.stack) {
		attr.sample_type |= PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
		attr.sample_regs_user = REGS;
		attr.sample_stack_user = p->options.stack;
	}
	if (source == KERNEL_WRITE) {
		attr.sample_type |= PERF_SAMPLE_CALLCHAIN;
		attr.exclude_callchain_user = 1;
		attr.sample_max_stack = CHAIN;
	}
	if (source == USER_WRITE) {
		attr.task = 1;
		attr.comm = 1;
		attr.comm_exec = 1;
		attr.mmap = 1;
		attr.mmap2 = 1;
		attr.mmap_data = 1;
	}
	if (!p->no_lost_format)
		attr.read_format = PERF_FORMAT_LOST;
	return attr;
}

static long open_event(struct breaks_perf *p, enum source source, pid_t tid, int cpu, bool on_exec)
{
	struct perf_event_attr attr = attributes(p, source, on_exec);
	long fd = syscall(SYS_perf_event_open, &attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0 && errno == EINVAL && !p->no_lost_format) { /* before Linux 6.0 */
		p->no_lost_format = true;
		attr = attributes(p, source, on_exec);
		fd = syscall(SYS_perf_event_open, &attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	}
	return fd;
}

static int say_why(int error, char err[BREAKS_ERR_SIZE])
{
	switch (error) {
	case EACCES:
	case EPERM:
		return fail(err,
			    "perf events are refused (%s). This needs CAP_PERFMON (or root), and a "
			    "container's rules may forbid it; without it, 'rmap sharing' still "
			    "says what "
			    "is no longer shared, not why",
			    strerror(error));
	case ENOSYS:
		return fail(err, "this kernel has no perf events");
	case EMFILE:
	case ENFILE:
		return fail(err, "too many open files: each task needs %d on each CPU (ulimit -n)",
			    NR_SOURCES);
	default:
		return fail(err, "perf events cannot be opened: %s", strerror(error));
	}
}

/*
 * A ring belongs to an event that counts nothing and that no task owns, so that it outlives every task and can be waited for.
 */
static int open_ring_owner(const struct breaks_perf *p, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.watermark = 1,
		.wakeup_watermark = (uint32_t)(p->ring_size / 8),
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};

	return (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Without CAP_IPC_LOCK there is a limit for what the rings may pin; a smaller one may be within it. */
static int make_ring(struct breaks_perf *p, int cpu, char err[BREAKS_ERR_SIZE])
{
	struct ring *r = &p->rings[p->nr_rings];
	int fd = open_ring_owner(p, cpu), error;

	if (fd < 0 && errno == ENODEV)
		return 0; /* a CPU that is off */
	if (fd < 0)
		return say_why(errno, err);
	while ((error = -perf_ring_map(&r->ring, fd, p->ring_size)) == EPERM &&
	       !p->options.buffer && !p->nr_rings && p->ring_size > SMALLEST)
		p->ring_size /= 2;
	if (error) {
		close(fd);
		return fail(err,
			    "a ring buffer of %zu KiB for each CPU is refused: %s (try a smaller "
			    "--buffer)",
			    p->ring_size >> 10, strerror(error));
	}
	r->fd = fd;
	r->cpu = cpu;
	p->nr_rings++;
	return 0;
}

static int make_rings(struct breaks_perf *p, char err[BREAKS_ERR_SIZE])
{
	p->rings = calloc((size_t)p->nr_cpus, sizeof(*p->rings));
	if (!p->rings)
		return fail(err, "no memory");
	for (int cpu = 0; cpu < p->nr_cpus; cpu++)
		if (make_ring(p, cpu, err))
			return -1;
	return 0;
}

/* Registers the event under its id, filters it, and leads it to its CPU's ring. */
static int connect_event(struct breaks_perf *p, int fd, enum source source, const struct ring *r,
			 char err[BREAKS_ERR_SIZE])
{
	struct opened *events =
		breaks_grow(p->events, p->nr_events, &p->cap_events, sizeof(*events));
	uint64_t id;

	if (!events) {
		close(fd);
		return fail(err, "no memory");
	}
	p->events = events;
	p->events[p->nr_events++] = (struct opened){ fd, source };
	if (ioctl(fd, PERF_EVENT_IOC_ID, &id) ||
	    breaks_index_put(&p->ids, breaks_hash(id), p->nr_follows * NR_SOURCES + source))
		return fail(err, "perf's event has no number");
	if (sources[source].filter && ioctl(fd, PERF_EVENT_IOC_SET_FILTER, sources[source].filter))
		return fail(err, "the kernel refused the filter '%s' of %s:%s",
			    sources[source].filter, sources[source].system, sources[source].name);
	if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, r->fd))
		return fail(err, "perf's events cannot share a ring: %s", strerror(errno));
	return 0;
}

int breaks_perf_follow(struct breaks_perf *p, pid_t tid, bool on_exec, char err[BREAKS_ERR_SIZE])
{
	for (int k = 0; k < p->nr_rings; k++) {
		for (int i = 0; i < NR_SOURCES; i++) {
			long fd = open_event(p, (enum source)i, tid, p->rings[k].cpu, on_exec);

			if (fd < 0 && errno == ESRCH)
				return 1;
			if (fd < 0)
				return say_why(errno, err);
			if (connect_event(p, (int)fd, (enum source)i, &p->rings[k], err))
				return -1;
		}
	}
	p->nr_follows++;
	return 0;
}

bool breaks_perf_too_many(const struct breaks_perf *p, size_t tasks)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return true;
	return (p->nr_events + tasks * (size_t)p->nr_cpus * NR_SOURCES + 256) > limit.rlim_cur;
}

static void choose_ring(struct breaks_perf *p)
{
	uint64_t size = p->options.buffer;

	if (!size) {
		size = RING_DEFAULT;
		while (size > RING_LEAST && size * (uint64_t)p->nr_cpus > RINGS_TOTAL)
			size /= 2;
	}
	p->ring_size = p->page_size;
	while (p->ring_size < size)
		p->ring_size *= 2;
}

struct breaks_perf *breaks_perf_new(const struct breaks_perf_options *options,
				    char err[BREAKS_ERR_SIZE])
{
	struct breaks_perf *p = calloc(1, sizeof(*p));
	struct rlimit limit;

	if (!p) {
		fail(err, "no memory");
		return NULL;
	}
	p->options = *options;
	p->page_size = (size_t)sysconf(_SC_PAGESIZE);
	p->nr_cpus = (int)sysconf(_SC_NPROCESSORS_CONF);
	choose_ring(p);
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (load_formats(p, err) || make_rings(p, err) ||
	    (p->options.everything && breaks_perf_follow(p, -1, false, err))) {
		breaks_perf_free(p);
		return NULL;
	}
	return p;
}

void breaks_perf_free(struct breaks_perf *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->nr_events; i++)
		close(p->events[i].fd);
	for (int i = 0; i < p->nr_rings; i++) {
		perf_ring_unmap(&p->rings[i].ring);
		close(p->rings[i].fd);
	}
	tep_free(p->tep);
	breaks_index_free(&p->ids);
	free(p->events);
	free(p->rings);
	free(p);
}

static void switch_all(struct breaks_perf *p, unsigned long request, bool writes)
{
	for (size_t i = 0; i < p->nr_events; i++) {
		enum source source = p->events[i].source;

		if ((source == USER_WRITE || source == KERNEL_WRITE) == writes)
			ioctl(p->events[i].fd, request, 0);
	}
}

/* Whoever sees a fault begin will see it end. */
void breaks_perf_start(struct breaks_perf *p)
{
	switch_all(p, PERF_EVENT_IOC_ENABLE, false);
	switch_all(p, PERF_EVENT_IOC_ENABLE, true);
}

void breaks_perf_stop(struct breaks_perf *p)
{
	switch_all(p, PERF_EVENT_IOC_DISABLE, true);
}

/* -- the rings -------------------------------------------------------------------------------- */

void breaks_perf_wait(struct breaks_perf *p, int ms)
{
	struct pollfd
		fds[64]; /* of a larger machine's CPUs the first; the rest is seen in time, too */
	nfds_t nr = 0;

	for (int i = 0; i < p->nr_rings && nr < 64; i++)
		fds[nr++] = (struct pollfd){ .fd = p->rings[i].fd, .events = POLLIN };
	poll(fds, nr, ms);
}

double breaks_perf_fill(const struct breaks_perf *p)
{
	double fullest = 0;

	for (int i = 0; i < p->nr_rings; i++) {
		const struct perf_ring *r = &p->rings[i].ring;
		double fill = (double)(perf_ring_head(r) - perf_ring_tail(r)) / (double)r->size;

		if (fill > fullest)
			fullest = fill;
	}
	return fullest;
}

/* What stands at the end of all records that are not samples: pid, tid, time, identifier. */
#define TRAILER 24u

static uint64_t time_of(const struct perf_event_header *h)
{
	const uint64_t *words = (const void *)h;

	if (h->size < sizeof(*h) + TRAILER) /* 32: as long as the beginning of a sample */
		return 0;
	/* of a sample: header, identifier, pid and tid, time */
	return h->type == PERF_RECORD_SAMPLE ? words[3] : words[h->size / 8 - 2];
}

/* Steps on to the next record, if there is one. */
static void look_ahead(struct breaks_perf *p, struct ring *r)
{
	const struct perf_event_header *h;
	uint16_t size;

	r->time = UINT64_MAX;
	if (r->tail >= r->end)
		return;
	h = perf_ring_at(&r->ring, r->tail, sizeof(*h), p->record);
	size = h->size;
	if (size < sizeof(*h) || size > r->end - r->tail) {
		r->tail = r->end; /* never seen */
		return;
	}
	if (h->type == PERF_RECORD_SAMPLE && size > 32)
		size = 32; /* the rest is not looked at yet, and may be long */
	r->time = time_of(perf_ring_at(&r->ring, r->tail, size, p->record));
}

/* -- decoding --------------------------------------------------------------------------------- */

struct cursor {
	const uint8_t *at, *end;
};

static const void *take(struct cursor *c, size_t n)
{
	const uint8_t *at = c->at;

	if ((size_t)(c->end - c->at) < n)
		return NULL;
	c->at += n;
	return at;
}

static bool take_u64(struct cursor *c, uint64_t *n)
{
	const void *at = take(c, 8);

	if (at)
		memcpy(n, at, 8);
	return at != NULL;
}

static bool decode_stack(struct breaks_perf *p, struct cursor *c, struct breaks_write *w)
{
	uint64_t abi, size, used;
	const void *regs;

	if (!take_u64(c, &abi))
		return false;
	if (abi) {
		regs = take(c, sizeof(p->regs));
		if (!regs)
			return false;
		memcpy(p->regs, regs, sizeof(p->regs));
#ifdef __x86_64__
		if (abi == PERF_SAMPLE_REGS_ABI_64)
			w->regs = p->regs;
#endif
	}
	if (!take_u64(c, &size))
		return false;
	if (!size)
		return true;
	w->stack = take(c, size);
	if (!w->stack || !take_u64(c, &used))
		return false;
	w->stack_size = used < size ? used : size;
	return true;
}

static bool decode_write(struct breaks_perf *p, struct cursor *c, enum source source,
			 struct breaks_write *w)
{
	const uint8_t *raw;
	uint64_t n;
	uint32_t size;

	w->in_kernel = source == KERNEL_WRITE;
	if (w->in_kernel) {
		if (!take_u64(c, &n) || n > PERF_RECORD_MOST / 8)
			return false;
		w->nr_chain = n;
		w->chain = take(c, 8 * n);
		if (!w->chain)
			return false;
		if (n && w->chain[0] == (uint64_t)PERF_CONTEXT_KERNEL) {
			w->chain++;
			w->nr_chain--;
		}
	}
	raw = take(c, sizeof(size));
	if (!raw)
		return false;
	memcpy(&size, raw, sizeof(size));
	raw = take(c, size);
	if (!raw)
		return false;
	w->addr = field(raw, size, p->address);
	w->ip = field(raw, size, p->ip);
	return !p->options.stack || decode_stack(p, c, w);
}

static bool decode_sample(struct breaks_perf *p, const struct perf_event_header *h,
			  struct breaks_event *ev)
{
	struct cursor c = { (const uint8_t *)(h + 1), (const uint8_t *)h + h->size };
	const uint8_t *raw;
	size_t cursor = 0;
	uint32_t source, size;
	uint64_t id, ids;

	if (!take_u64(&c, &id) || !take_u64(&c, &ids) || !take_u64(&c, &ev->time))
		return false;
	ev->pid = (uint32_t)ids;
	ev->tid = (uint32_t)(ids >> 32);
	source = breaks_index_next(&p->ids, breaks_hash(id), &cursor);
	if (source == BREAKS_NONE)
		return false;
	ev->by = source / NR_SOURCES;
	source %= NR_SOURCES;
	ev->kind = sources[source].kind;
	switch (ev->kind) {
	case BREAKS_WRITE:
		return decode_write(p, &c, (enum source)source, &ev->write);
	case BREAKS_DONE:
		return take_u64(&c, &ev->addr);
	case BREAKS_ALLOC:
		raw = take(&c, sizeof(size));
		if (!raw)
			return false;
		memcpy(&size, raw, sizeof(size));
		raw = take(&c, size);
		if (!raw)
			return false;
		ev->alloc.order = (uint32_t)field(raw, size, p->order);
		ev->alloc.zeroed = field(raw, size, p->gfp_flags) & GFP_ZERO;
		return true;
	default:
		return true;
	}
}

struct mmap2 {
	uint32_t pid, tid;
	uint64_t addr, len, pgoff;
	uint32_t major, minor;
	uint64_t ino, generation;
	uint32_t prot, flags;
	char name[];
};

static bool decode_mmap(const void *body, size_t size, struct breaks_event *ev)
{
	const struct mmap2 *m = body;

	if (size <= sizeof(*m) || !memchr(m->name, 0, size - sizeof(*m)))
		return false;
	ev->kind = BREAKS_MMAP;
	ev->mmap = (struct breaks_mmap){ .addr = m->addr,
					 .len = m->len,
					 .pgoff = m->pgoff,
					 .ino = m->ino,
					 .major = m->major,
					 .minor = m->minor,
					 .prot = m->prot,
					 .shared = m->flags & MAP_SHARED,
					 .name = m->name };
	return true;
}

/* A process begins, ends, is renamed, maps: all begin with its pid and tid. */
static bool decode_side(const struct perf_event_header *h, struct breaks_event *ev)
{
	const uint32_t *body = (const void *)(h + 1);
	size_t size = h->size - sizeof(*h) - TRAILER;

	if (size < 8)
		return false;
	ev->pid = body[0];
	ev->tid = body[1];
	switch (h->type) {
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT: /* pid, ppid, tid, ptid, time */
		if (size < 24)
			return false;
		ev->kind = h->type == PERF_RECORD_FORK ? BREAKS_FORK : BREAKS_EXIT;
		ev->tid = body[2];
		ev->fork.ppid = body[1];
		ev->fork.ptid = body[3];
		return true;
	case PERF_RECORD_COMM:
		ev->kind = BREAKS_COMM;
		ev->comm.name = (const char *)&body[2];
		ev->comm.exec = h->misc & PERF_RECORD_MISC_COMM_EXEC;
		return memchr(ev->comm.name, 0, size - 8);
	case PERF_RECORD_MMAP2:
		return decode_mmap(body, size, ev);
	default:
		return false;
	}
}

static int hand_on(struct breaks_perf *p, const struct perf_event_header *h,
		   int (*handler)(void *arg, const struct breaks_event *ev), void *arg)
{
	struct breaks_event ev = { 0 };

	if (h->type == PERF_RECORD_SAMPLE)
		return decode_sample(p, h, &ev) ? handler(arg, &ev) : 0;
	if (h->size < sizeof(*h) + TRAILER)
		return 0;
	if (h->type == PERF_RECORD_LOST) { /* id, lost */
		p->lost += ((const uint64_t *)(const void *)(h + 1))[1];
		return 0;
	}
	ev.time = time_of(h);
	return decode_side(h, &ev) ? handler(arg, &ev) : 0;
}

long breaks_perf_take(struct breaks_perf *p, uint64_t until,
		      int (*handler)(void *arg, const struct breaks_event *ev), void *arg)
{
	long n = 0;

	for (int i = 0; i < p->nr_rings; i++) {
		struct ring *r = &p->rings[i];

		r->end = perf_ring_head(&r->ring);
		r->tail = perf_ring_tail(&r->ring);
		look_ahead(p, r);
	}
	for (;;) {
		const struct perf_event_header *h;
		struct ring *r = NULL;
		int ret;

		for (int i = 0; i < p->nr_rings; i++)
			if (!r || p->rings[i].time < r->time)
				r = &p->rings[i];
		if (!r || r->time >= until || r->time == UINT64_MAX)
			break;
		h = perf_ring_at(&r->ring, r->tail, sizeof(*h), p->record);
		h = perf_ring_at(&r->ring, r->tail, h->size, p->record);
		r->tail += h->size;
		ret = hand_on(p, h, handler, arg);
		perf_ring_done(&r->ring, r->tail);
		if (ret)
			return -1;
		look_ahead(p, r);
		n++;
	}
	p->taken += (uint64_t)n;
	return n;
}

uint64_t breaks_perf_lost(const struct breaks_perf *p)
{
	uint64_t values[2], lost = 0;

	/* A ring says what it lost when it has room again, which may be never. */
	for (size_t i = 0; i < p->nr_events && !p->no_lost_format; i++)
		if (read(p->events[i].fd, values, sizeof(values)) == sizeof(values))
			lost += values[1];
	return lost > p->lost ? lost : p->lost;
}

uint64_t breaks_perf_taken(const struct breaks_perf *p)
{
	return p->taken;
}

uint64_t breaks_perf_buffer(const struct breaks_perf *p)
{
	return p->ring_size;
}
