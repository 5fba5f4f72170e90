// SPDX-License-Identifier: BSD-2-Clause
/*
 * The kernel's trace events of one tree of processes; see the header.
 *
 * A thread moves whole sub-buffers from the kernel to one unnamed temporary file per CPU, twenty
 * times a second and unparsed, so the recorded program is disturbed little and the kernel's buffers
 * need to hold only what 50 ms bring. Decoding comes after the end: kbuffer takes the sub-buffers
 * apart, libtraceevent knows the fields by the machine's own format files.
 */
#include "record_trace.h"

#include <dirent.h>
#include <errno.h>
#include <event-parse.h>
#include <fcntl.h>
#include <inttypes.h>
#include <kbuffer.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <tracefs.h>
#include <unistd.h>

#define DRAIN_MS 50

/* The calls that are recorded, and those around which a task or a program appears. */
static const long memory_calls[] = {
	SYS_mmap,	   SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise,	 SYS_brk,
	SYS_mlock,	   SYS_mlock2, SYS_munlock,  SYS_msync,	 SYS_munlockall, SYS_mlockall,
	SYS_shmat,	   SYS_shmdt,  SYS_clone,    SYS_execve, SYS_execveat,
#ifdef SYS_pkey_mprotect
	SYS_pkey_mprotect,
#endif
#ifdef SYS_clone3
	SYS_clone3,
#endif
#ifdef SYS_fork
	SYS_fork,	   SYS_vfork,
#endif
};

static const struct {
	enum rec_raw_type type;
	const char *system, *name;
	const char *fields[7]; /* to a[0..6] */
	const char *filter;    /* of the kernel's filter language */
	bool optional;
} kinds[] = {
	{ RAW_ENTER, "raw_syscalls", "sys_enter", { "id" }, NULL, false },
	{ RAW_LEAVE, "raw_syscalls", "sys_exit", { "id", "ret" }, NULL, false },
	{ RAW_FAULT, "exceptions", "page_fault_user", { "address", "error_code" }, NULL, false },
	{ RAW_FAULT,
	  "exceptions",
	  "page_fault_kernel",
	  { "address", "error_code" },
	  "address < 0x8000000000000000",
	  false },
	{ RAW_NEWTASK, "task", "task_newtask", { "pid", "clone_flags" }, NULL, false },
	{ RAW_EXEC, "sched", "sched_process_exec", { "pid", "old_pid" }, NULL, false },
	{ RAW_EXIT, "sched", "sched_process_exit", { NULL }, NULL, false },
	{ RAW_SEGV,
	  "signal",
	  "signal_generate",
	  { "sig", "pid", "code" },
	  "sig == 11 || sig == 7",
	  true },
	{ RAW_PREPARE_EXEC, "sched", "sched_prepare_exec", { NULL }, NULL, true },
	{ RAW_LOCK, "mmap_lock", "mmap_lock_acquire_returned", { NULL }, "write == 1", true },
};

#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct cpu {
	int raw_fd;  /* trace_pipe_raw */
	int file_fd; /* where its sub-buffers go */
	bool failed; /* the file could not be written: disk full */
};

struct rec_trace {
	struct tracefs_instance *instance;
	struct tep_handle *tep;
	struct tep_event *events[NR_KINDS];
	struct cpu *cpus;
	int nr_cpus;
	uint64_t buffer_size; /* of a CPU, in the kernel */
	size_t page_size;     /* of a sub-buffer */
	uint8_t *page;
	pthread_t drainer;
	bool running;
	atomic_bool stop;
	atomic_ullong bytes;
	uint64_t dropped; /* read from per_cpu stats when it stops */
};

/* -- the instance ----------------------------------------------------------------------------- */

/* What recorders that were killed left behind. */
static void remove_stale_instances(void)
{
	const char *dir = tracefs_tracing_dir();
	char path[4096];
	DIR *d;

	if (!dir || snprintf(path, sizeof(path), "%s/instances", dir) >= (int)sizeof(path))
		return;
	d = opendir(path);
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		long pid;
		char name[512];

		if (sscanf(e->d_name, "rmap-record-%ld", &pid) != 1 || pid <= 0)
			continue;
		if (kill((pid_t)pid, 0) == 0 || errno != ESRCH)
			continue;
		snprintf(name, sizeof(name), "%.255s", e->d_name);
		if (snprintf(path, sizeof(path), "%s/instances/%s", dir, name) < (int)sizeof(path))
			rmdir(path);
	}
	closedir(d);
}

static int load_formats(struct rec_trace *t, char err[REC_ERR_SIZE])
{
	static const char *const systems[] = { "raw_syscalls", "exceptions", "task", "sched",
					       "signal",       "mmap_lock",  NULL };

	t->tep = tracefs_local_events_system(tracefs_tracing_dir(), systems);
	if (!t->tep)
		return rec_fail(err, "the formats of the kernel's trace events cannot be read");
	for (size_t i = 0; i < NR_KINDS; i++) {
		t->events[i] = tep_find_event_by_name(t->tep, kinds[i].system, kinds[i].name);
		if (!t->events[i] && !kinds[i].optional)
			return rec_fail(err, "this kernel has no trace event %s:%s",
					kinds[i].system, kinds[i].name);
	}
	return 0;
}

static int enable_event(struct rec_trace *t, size_t i, char err[REC_ERR_SIZE])
{
	char calls[1024] = "", file[256];
	const char *filter = kinds[i].filter;

	if (!t->events[i])
		return 0;
	if (kinds[i].type == RAW_ENTER || kinds[i].type == RAW_LEAVE) {
		size_t n = 0;

		for (size_t k = 0; k < sizeof(memory_calls) / sizeof(memory_calls[0]); k++)
			n += (size_t)snprintf(calls + n, sizeof(calls) - n, "%sid == %ld",
					      k ? " || " : "", memory_calls[k]);
		filter = calls;
	}
	snprintf(file, sizeof(file), "events/%s/%s/filter", kinds[i].system, kinds[i].name);
	if (filter && tracefs_instance_file_write(t->instance, file, filter) < 0)
		return rec_fail(err, "the kernel refused the filter '%s' of %s:%s", filter,
				kinds[i].system, kinds[i].name);
	if (tracefs_event_enable(t->instance, kinds[i].system, kinds[i].name))
		return rec_fail(err, "the trace event %s:%s cannot be switched on", kinds[i].system,
				kinds[i].name);
	return 0;
}

static int temp_file(void)
{
	const char *dir = getenv("TMPDIR");
	int fd = open(dir && *dir ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	FILE *f;

	if (fd >= 0)
		return fd;
	f = tmpfile();
	if (!f)
		return -1;
	fd = fcntl(fileno(f), F_DUPFD_CLOEXEC, 3);
	fclose(f);
	return fd;
}

static int open_cpus(struct rec_trace *t, char err[REC_ERR_SIZE])
{
	long nr = sysconf(_SC_NPROCESSORS_CONF);

	t->cpus = calloc((size_t)nr, sizeof(*t->cpus));
	if (!t->cpus)
		return rec_fail(err, "no memory");
	for (int i = 0; i < (int)nr; i++) {
		struct cpu *c = &t->cpus[i];
		char file[64];

		c->raw_fd = c->file_fd = -1;
		t->nr_cpus = i + 1;
		snprintf(file, sizeof(file), "per_cpu/cpu%d/trace_pipe_raw", i);
		c->raw_fd = tracefs_instance_file_open(t->instance, file,
						       O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (c->raw_fd < 0)
			continue; /* a CPU that never came up */
		c->file_fd = temp_file();
		if (c->file_fd < 0)
			return rec_fail(err, "no temporary file: %s", strerror(errno));
	}
	return 0;
}

struct rec_trace *rec_trace_new(unsigned int buffer_kb, char err[REC_ERR_SIZE])
{
	struct rec_trace *t = calloc(1, sizeof(*t));
	char name[64];

	if (!t) {
		rec_fail(err, "no memory");
		return NULL;
	}
	if (!tracefs_tracing_dir()) {
		rec_fail(err,
			 "tracefs is not there and cannot be mounted: recording needs a kernel "
			 "with trace events, and root");
		goto fail;
	}
	remove_stale_instances();
	if (load_formats(t, err))
		goto fail;
	snprintf(name, sizeof(name), "rmap-record-%ld", (long)getpid());
	t->instance = tracefs_instance_create(name);
	if (!t->instance) {
		rec_fail(err, "no tracing instance can be made: %s", strerror(errno));
		goto fail;
	}
	tracefs_trace_off(t->instance);
	if (tracefs_instance_file_write(t->instance, "trace_clock", "mono") < 0) {
		rec_fail(err, "the kernel's tracer has no clock 'mono'");
		goto fail;
	}
	snprintf(name, sizeof(name), "%u", buffer_kb);
	if (tracefs_instance_file_write(t->instance, "buffer_size_kb", name) < 0) {
		rec_fail(err, "the kernel has no %u KiB per CPU for trace buffers", buffer_kb);
		goto fail;
	}
	t->buffer_size = (uint64_t)buffer_kb << 10;
	/* when it is full the newest are lost, so that what is there has no hole before its end */
	tracefs_instance_file_write(t->instance, "options/overwrite", "0");
	t->page_size = (size_t)tep_get_sub_buffer_size(t->tep);
	if (t->page_size < 512)
		t->page_size = (size_t)sysconf(_SC_PAGESIZE);
	t->page = malloc(t->page_size);
	if (!t->page) {
		rec_fail(err, "no memory");
		goto fail;
	}
	if (open_cpus(t, err))
		goto fail;
	return t;
fail:
	rec_trace_free(t);
	return NULL;
}

void rec_trace_free(struct rec_trace *t)
{
	if (!t)
		return;
	rec_trace_stop(t);
	for (int i = 0; i < t->nr_cpus; i++) {
		if (t->cpus[i].raw_fd >= 0)
			close(t->cpus[i].raw_fd);
		if (t->cpus[i].file_fd >= 0)
			close(t->cpus[i].file_fd);
	}
	free(t->cpus);
	free(t->page);
	if (t->instance) {
		tracefs_event_disable(t->instance, NULL, NULL);
		tracefs_instance_destroy(t->instance);
		tracefs_instance_free(t->instance);
	}
	tep_free(t->tep);
	free(t);
}

/* -- while it runs ---------------------------------------------------------------------------- */

/* Returns the bytes that were there. */
static uint64_t drain_cpu(struct rec_trace *t, struct cpu *c)
{
	uint64_t all = 0;
	ssize_t got;

	if (c->raw_fd < 0)
		return 0;
	while ((got = read(c->raw_fd, t->page, t->page_size)) > 0) {
		/* each sub-buffer takes a whole slot, so that decoding can step by page_size */
		if ((size_t)got < t->page_size)
			memset(t->page + got, 0, t->page_size - (size_t)got);
		if (write(c->file_fd, t->page, t->page_size) != (ssize_t)t->page_size)
			c->failed = true;
		all += (uint64_t)got;
		atomic_fetch_add(&t->bytes, (unsigned long long)got);
	}
	return all;
}

static void *drain(void *arg)
{
	const struct timespec pause = { .tv_nsec = DRAIN_MS * 1000000L };
	struct rec_trace *t = arg;

	while (!atomic_load(&t->stop)) {
		uint64_t most = 0;

		for (int i = 0; i < t->nr_cpus; i++) {
			uint64_t moved = drain_cpu(t, &t->cpus[i]);

			most = moved > most ? moved : most;
		}
		/* a buffer that fills in one pause would overflow in the next */
		if (most < t->buffer_size / 4)
			nanosleep(&pause, NULL);
	}
	return NULL;
}

int rec_trace_start(struct rec_trace *t, pid_t pid, char err[REC_ERR_SIZE])
{
	char number[32];
	sigset_t all, old;
	int ret;

	snprintf(number, sizeof(number), "%ld", (long)pid);
	if (tracefs_instance_file_write(t->instance, "set_event_pid", number) < 0 ||
	    tracefs_instance_file_write(t->instance, "options/event-fork", "1") < 0)
		return rec_fail(err,
				"the kernel's tracer cannot follow one process and its children");
	for (size_t i = 0; i < NR_KINDS; i++) {
		if (enable_event(t, i, err))
			return -1;
	}
	if (tracefs_trace_on(t->instance))
		return rec_fail(err, "tracing cannot be switched on");

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&t->drainer, NULL, drain, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret)
		return rec_fail(err, "no thread can be started: %s", strerror(ret));
	t->running = true;
	return 0;
}

uint64_t rec_trace_bytes(const struct rec_trace *t)
{
	return atomic_load(&t->bytes);
}

static uint64_t stat_value(const char *stats, const char *name)
{
	const char *at = strstr(stats, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

void rec_trace_stop(struct rec_trace *t)
{
	if (!t->running)
		return;
	tracefs_trace_off(t->instance);
	atomic_store(&t->stop, true);
	pthread_join(t->drainer, NULL);
	t->running = false;
	for (int i = 0; i < t->nr_cpus; i++) {
		char file[64], *stats;

		drain_cpu(t, &t->cpus[i]);
		snprintf(file, sizeof(file), "per_cpu/cpu%d/stats", i);
		stats = tracefs_instance_file_read(t->instance, file, NULL);
		if (stats)
			t->dropped += stat_value(stats, "overrun: ") +
				      stat_value(stats, "dropped events: ");
		free(stats);
	}
}

/* -- decoding --------------------------------------------------------------------------------- */

struct decoder {
	struct rec_trace *t;
	struct tep_format_field *fields[NR_KINDS][7];
	struct tep_format_field *args; /* of sys_enter: an array */
	struct tep_format_field *pid;
};

static void find_fields(struct decoder *d)
{
	for (size_t i = 0; i < NR_KINDS; i++) {
		if (!d->t->events[i])
			continue;
		for (int k = 0; k < 7 && kinds[i].fields[k]; k++)
			d->fields[i][k] = tep_find_field(d->t->events[i], kinds[i].fields[k]);
		if (kinds[i].type == RAW_ENTER)
			d->args = tep_find_field(d->t->events[i], "args");
		if (!d->pid)
			d->pid = tep_find_common_field(d->t->events[i], "common_pid");
	}
}

static int decode_event(struct decoder *d, void *data, unsigned long long ts, struct rec_raws *raws)
{
	struct tep_record record = { .data = data };
	int id = tep_data_type(d->t->tep, &record);
	unsigned long long value = 0;
	struct rec_raw *raw;
	size_t i = 0;

	while (i < NR_KINDS && (!d->t->events[i] || d->t->events[i]->id != id))
		i++;
	if (i == NR_KINDS || tep_read_number_field(d->pid, data, &value))
		return 0;
	raw = rec_raw_add(raws, ts, (uint32_t)value, kinds[i].type);
	if (!raw)
		return -1;
	for (int k = 0; k < 7 && d->fields[i][k]; k++) {
		if (!tep_read_number_field(d->fields[i][k], data, &value))
			raw->a[k] = value;
	}
	if (kinds[i].type == RAW_ENTER && d->args && d->args->size == 48)
		memcpy(&raw->a[1], (char *)data + d->args->offset, 48);
	if (kinds[i].type == RAW_FAULT)
		raw->a[2] = !strcmp(kinds[i].name, "page_fault_kernel");
	return 0;
}

int rec_trace_decode(struct rec_trace *t, struct rec_raws *raws, uint64_t *dropped,
		     char err[REC_ERR_SIZE])
{
	struct kbuffer *kbuf =
		kbuffer_alloc(KBUFFER_LSIZE_SAME_AS_HOST, KBUFFER_ENDIAN_SAME_AS_HOST);
	struct decoder d = { .t = t };
	int ret = 0;

	if (!kbuf)
		return rec_fail(err, "no memory");
	find_fields(&d);
	for (int i = 0; i < t->nr_cpus && !ret; i++) {
		struct cpu *c = &t->cpus[i];
		unsigned long long ts;
		off_t off = 0;

		if (c->failed)
			ret = rec_fail(err, "temporary files could not be written: disk full?");
		while (!ret && c->file_fd >= 0 &&
		       pread(c->file_fd, t->page, t->page_size, off) == (ssize_t)t->page_size) {
			off += (off_t)t->page_size;
			if (kbuffer_load_subbuffer(kbuf, t->page) < 0)
				continue;
			for (void *data = kbuffer_read_event(kbuf, &ts); data && !ret;
			     data = kbuffer_next_event(kbuf, &ts)) {
				if (decode_event(&d, data, ts, raws))
					ret = rec_fail(err, "no memory for the events");
			}
		}
	}
	kbuffer_free(kbuf);
	*dropped += t->dropped;
	return ret;
}
