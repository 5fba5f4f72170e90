// SPDX-License-Identifier: BSD-2-Clause
/*
 * The machine under a run: made, counted, hibernated and resumed as another, and ended.
 *
 * Hibernation moves the run to a fresh machine: the image is written, files are copied as they are stored, the old machine
 * ends (which asserts that it left nothing behind), and processes go on as what the image gives back. Their shadows stay,
 * so that contents are judged across.
 */
#include "runner_int.h"
#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---------------------------------------------------------------- up and down */

static uint32_t cpus(const struct runner *r)
{
	return r->source->config.cpus ? r->source->config.cpus : RUNNER_CPUS;
}

/* Linux's default, except for what happened elsewhere with memory enough, or is known to fit. */
static enum mm_overcommit overcommit(const struct runner *r)
{
	if (r->source->config.has_overcommit)
		return r->source->config.overcommit;
	return strcmp(r->source->kind, "workload") ? MM_OVERCOMMIT_ALWAYS : MM_OVERCOMMIT_GUESS;
}

int runner_machine_up(struct runner *r, char *error)
{
	const struct op_config *want = &r->source->config;
	struct hosted_config hosted = {
		.nr_frames = r->frames,
		.nr_swap_slots = r->swap_slots,
		.phantom = r->phantom,
		.nr_cpus = cpus(r),
		.in_memory = r->options.alone,
		.deferral = r->options.alone || r->options.steady ? HOSTED_DEFER_TO_BARRIER
								  : HOSTED_DEFER_SOON,
	};
	struct mm_config config = {
		.design =
			r->options.design ? rmap_design_by_name(r->options.design) : r->options.ops,
		.phantom = r->phantom,
		.overcommit = overcommit(r),
		.overcommit_ratio = want->overcommit_ratio,
		.max_map_count = want->max_map_count,
		.stack_guard_gap = want->stack_guard_gap,
		.mmap_min_addr = want->mmap_min_addr,
		.watermark_min = want->watermark_min,
		.fault_around = want->fault_around,
		.release = r->options.release,
	};
	int ret;

	if (want->injects) {
		ret = testport_create(&hosted, &r->testport, error);
		r->hosted = ret ? NULL : testport_hosted(r->testport);
	} else {
		ret = hosted_create(&hosted, &r->hosted, error);
	}
	if (ret)
		return ret;
	ret = mm_system_create(&config,
			       r->testport ? testport_port(r->testport) : hosted_port(r->hosted),
			       &r->sys);
	if (ret) {
		snprintf(error, HOSTED_ERROR,
			 "a machine of %llu frames and %llu swap slots cannot be made: %s",
			 (unsigned long long)r->frames, (unsigned long long)r->swap_slots,
			 rmap_error_name(ret));
		r->sys = NULL;
		runner_machine_down(r);
	}
	return ret;
}

static void report_leak(void *arg, const char *what, uint64_t count, uint64_t bytes)
{
	(void)arg;
	fprintf(stderr, "rmap: %llu objects of kind %s (%llu bytes) were left behind\n",
		(unsigned long long)count, what, (unsigned long long)bytes);
}

void runner_machine_down(struct runner *r)
{
	uint64_t left = 0;

	if (r->sys)
		mm_system_destroy(r->sys);
	if (r->testport)
		left = testport_destroy(r->testport, report_leak, NULL);
	else if (r->hosted)
		left = hosted_destroy(r->hosted, report_leak, NULL);
	r->sys = NULL;
	r->testport = NULL;
	r->hosted = NULL;
	if (left)
		abort();
}

const char *runner_swap_refused(const struct runner *r, char buf[RUNNER_REFUSED_SIZE])
{
	struct hosted_io io;
	char count[32];

	hosted_get_io(r->hosted, &io);
	if (!io.swap_refused)
		return NULL;
	snprintf(buf, RUNNER_REFUSED_SIZE, "%s page%s could not be written to swap in %.100s: %s",
		 words_count(io.swap_refused, count), io.swap_refused == 1 ? "" : "s",
		 hosted_directory(r->hosted), strerror(io.swap_errno));
	return buf;
}

/* ---------------------------------------------------------------- figures */

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* struct mm_counters is nothing but counters. */
static void add_mm(struct mm_counters *sum, const struct mm_counters *more)
{
	uint64_t a[sizeof(*sum) / sizeof(uint64_t)], b[sizeof(*sum) / sizeof(uint64_t)];

	memcpy(a, sum, sizeof(a));
	memcpy(b, more, sizeof(b));
	for (size_t i = 0; i < sizeof(a) / sizeof(a[0]); i++)
		a[i] += b[i];
	memcpy(sum, a, sizeof(a));
}

void runner_totals(struct runner *r, struct totals *out)
{
	struct rmap_counts count;
	struct hosted_mmu_stats mmu;
	struct mm_counters mm;
	struct mm_memory memory;

	rmap_get_counts(mm_system_rmap(r->sys), &count);
	*out = r->before;
	mm_get_counters(r->sys, &mm);
	add_mm(&out->mm, &mm);
	for (unsigned int i = 0; i < RMAP_WALK_PURPOSES; i++) {
		out->walk[i].walks += count.walk[i].walks;
		out->walk[i].looks += count.walk[i].looks;
		out->walk[i].steps += count.walk[i].steps;
		out->walk[i].found += count.walk[i].found;
		out->walk[i].max_looks = larger(out->walk[i].max_looks, count.walk[i].max_looks);
	}
	for (unsigned int i = 0; i < RMAP_KIND_TIER1_END; i++) {
		out->object[i].peak_bytes =
			larger(out->object[i].peak_bytes, count.object[i].peak_bytes);
		out->object[i].allocated += count.object[i].allocated;
	}
	out->anon_vma_reused += count.anon_vma_reused;
	out->anon_vma_shared += count.anon_vma_shared;
	out->adopted += count.adopted;
	out->merges_refused += count.merges_refused;
	out->locks_page += count.locks_page;
	out->locks_mm += count.locks_mm;
	out->locks_family += count.locks_family;
	out->locks_file += count.locks_file;
	out->peak_rmap_bytes = larger(out->peak_rmap_bytes, count.peak_bytes);
	mm_get_memory(r->sys, &memory);
	out->peak_object_bytes = larger(out->peak_object_bytes, memory.peak_object_bytes);
	hosted_mmu_get_stats(r->hosted, &mmu);
	out->tlb_hits += mmu.hits;
	out->tlb_misses += mmu.misses;
	out->tlb_flushed += mmu.flushed;
	for (unsigned int i = 0; i < MM_FLUSH_REASONS; i++) {
		out->flush[i].flushes += mmu.by[i].flushes;
		out->flush[i].interrupts += mmu.by[i].interrupts;
		out->flush[i].entries += mmu.by[i].entries;
	}
}

/* ---------------------------------------------------------------- hibernation */

/* Where a file is mapped, so that it is found again on the other side. */
struct mapped {
	struct space *space;
	uint64_t start;
	struct rfile *f;
};

struct moving {
	struct runner *r;
	struct space **spaces; /* each once */
	struct mm **mms;
	uint64_t *ids; /* index into spaces plus one */
	struct mm **resumed;
	uint32_t nr;
	struct mapped *mapped;
	size_t nr_mapped, room_mapped;
	struct {
		struct rfile *f;
		uint64_t old_id;
		struct hosted_file *handle; /* on the new machine; NULL: not yet, or libmm's */
	} * files;
	size_t nr_files;
	int image; /* a file without a name, so that nothing is left behind; -1: not yet */
};

/* Copies that nobody has taken are ours to close, as long as the machine stands that they are on. */
static void close_copies(struct moving *m)
{
	for (size_t i = 0; i < m->nr_files; i++) {
		if (m->files[i].handle)
			hosted_file_close(m->files[i].handle);
		m->files[i].handle = NULL;
	}
}

static void moving_free(struct moving *m)
{
	close_copies(m);
	free(m->spaces);
	free(m->mms);
	free(m->ids);
	free(m->resumed);
	free(m->mapped);
	free(m->files);
	if (m->image >= 0)
		close(m->image);
}

static bool collect_spaces(struct moving *m)
{
	size_t n = m->r->nr_procs + 1;

	m->spaces = calloc(n, sizeof(struct space *));
	m->mms = calloc(n, sizeof(struct mm *));
	m->ids = calloc(n, sizeof(uint64_t));
	m->resumed = calloc(n, sizeof(struct mm *));
	if (!m->spaces || !m->mms || !m->ids || !m->resumed)
		return false;
	for (struct process *proc = m->r->procs; proc; proc = proc->next) {
		uint32_t i = 0;

		while (i < m->nr && m->spaces[i] != proc->space)
			i++;
		if (i < m->nr)
			continue;
		m->spaces[m->nr] = proc->space;
		m->mms[m->nr] = proc->space->mm;
		m->ids[m->nr] = m->nr + 1;
		m->nr++;
	}
	return true;
}

static bool collect_mapped(struct moving *m)
{
	for (uint32_t s = 0; s < m->nr; s++) {
		const struct layout *layout;

		space_changed(m->spaces[s]);
		layout = space_layout(m->spaces[s]);
		if (!layout)
			return false;
		for (size_t i = 0; i < layout->nr; i++) {
			struct mapped *at;

			if (!layout->vmas[i].file)
				continue;
			if (m->nr_mapped == m->room_mapped) {
				size_t room = m->room_mapped ? m->room_mapped * 2 : 64;
				struct mapped *mapped = realloc(m->mapped, room * sizeof(*mapped));

				if (!mapped)
					return false;
				m->mapped = mapped;
				m->room_mapped = room;
			}
			at = &m->mapped[m->nr_mapped++];
			at->space = m->spaces[s];
			at->start = layout->vmas[i].start;
			at->f = rfile_of(m->r, layout->vmas[i].file);
			if (!at->f)
				return false;
		}
	}
	return true;
}

static bool collect_files(struct moving *m)
{
	m->files = calloc(m->r->nr_files + 1, sizeof(*m->files));
	if (!m->files)
		return false;
	for (unsigned int b = 0; b < FILE_BUCKETS; b++)
		for (struct rfile *f = m->r->files[b]; f; f = f->next) {
			m->files[m->nr_files].f = f;
			m->files[m->nr_files++].old_id = f->id;
		}
	return true;
}

static bool is_mapped(const struct moving *m, const struct rfile *f)
{
	for (size_t i = 0; i < m->nr_mapped; i++)
		if (m->mapped[i].f == f)
			return true;
	return false;
}

/* In $TMPDIR. Not every file system has O_TMPFILE. */
static int nameless_file(void)
{
	const char *dir = getenv("TMPDIR");
	char path[4200];
	int fd;

	if (!dir || !*dir)
		dir = "/tmp";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd;
	snprintf(path, sizeof(path), "%.4000s/rmap-image.XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static enum runner_result write_image(struct moving *m)
{
	struct hosted_stream *stream;
	char error[HOSTED_ERROR];
	struct runner *r = m->r;
	int ret;

	m->image = nameless_file();
	if (m->image < 0)
		return runner_bad(r, "no file for the image can be made: %s", strerror(errno));
	ret = hosted_stream_create_fd(m->image, &stream, error);
	if (ret)
		return runner_bad(r, "%s", error);
	ret = mm_hibernate(r->sys, m->mms, m->ids, m->nr, hosted_stream_mm(stream));
	if (hosted_stream_close(stream, !ret) && !ret)
		ret = RMAP_EIO;
	return runner_outcome(r, ret, "");
}

struct copying {
	const struct mm_port *from, *to;
	void *from_handle, *to_handle;
	void *page;
	uint64_t size;
	bool ok;
};

static bool copy_page(uint64_t offset, uint64_t stamp, void *arg)
{
	struct copying *c = arg;
	uint64_t index = offset >> RMAP_PAGE_SHIFT;

	(void)stamp;
	if (offset >= c->size)
		return true;
	c->ok = !c->from->file_read(c->from->ctx, c->from_handle, index, c->page) &&
		!c->to->file_write(c->to->ctx, c->to_handle, index, c->page);
	return c->ok;
}

/* What is stored of f, to the other machine: only pages that were ever written differ from the pattern. */
static bool copy_file(struct runner *r, struct rfile *f, struct hosted *to,
		      struct hosted_file **handle)
{
	struct copying c = { .from = hosted_port(r->hosted),
			     .to = hosted_port(to),
			     .from_handle = f->handle,
			     .page = r->page,
			     .size = f->size,
			     .ok = true };

	if (hosted_file_temp(to, f->base_size, f->seed, handle) ||
	    hosted_file_resize(*handle, f->size))
		return false;
	c.to_handle = *handle;
	if (!r->phantom)
		shadow_for_each(f->pages, 0, UINT64_MAX, copy_page, &c);
	return c.ok;
}

static int give_file(void *arg, uint64_t file_id, uint64_t size, void **handle)
{
	struct moving *m = arg;

	(void)size;
	*handle = NULL;
	for (size_t i = 0; i < m->nr_files; i++)
		if (m->files[i].old_id == file_id) {
			*handle = m->files[i].handle;
			m->files[i].handle = NULL; /* libmm's now */
		}
	return 0;
}

static void take_mm(void *arg, uint64_t id, struct mm *mm)
{
	struct moving *m = arg;

	if (id && id <= m->nr && !m->resumed[id - 1])
		m->resumed[id - 1] = mm;
	else
		mm_put(mm);
}

/* Everything that refers to the old machine lets go; names, shadows and marks stay. */
static void leave_machine(struct moving *m)
{
	struct runner *r = m->r;

	runner_totals(r, &r->before);
	for (uint32_t i = 0; i < m->nr; i++) {
		for (uint32_t u = 0; u < m->spaces[i]->users; u++)
			mm_put(m->spaces[i]->mm);
		m->spaces[i]->mm = NULL;
		space_changed(m->spaces[i]);
	}
	for (size_t i = 0; i < m->nr_files; i++) {
		if (m->files[i].f->named)
			mm_file_put(m->files[i].f->file);
		m->files[i].f->file = NULL;
	}
	runner_machine_down(r);
}

/*
 * On the new machine, while the old one still stands: what cannot be resumed goes on there. anonmm may want of memory: pages that share
 * a slot at different addresses are copies of each other when they come in, and all come in.
 */
static enum runner_result resume(struct moving *m)
{
	struct mm_resume resume = { .file = give_file, .mm = take_mm, .arg = m };
	struct hosted_stream *stream;
	struct runner *r = m->r;
	char error[HOSTED_ERROR];
	int ret;

	ret = hosted_stream_open_fd(m->image, &stream, error);
	if (ret)
		return runner_broken(r, "hibernate: %s", error);
	ret = mm_resume_image(r->sys, hosted_stream_mm(stream), &resume);
	hosted_stream_close(stream, true);
	if (ret == RMAP_ENOMEM && !strcmp(rmap_design_name(mm_system_rmap(r->sys)->ops), "anonmm"))
		return runner_outcome(r, ret, " (the new machine's)");
	if (ret)
		return runner_broken(r, "hibernate: the image cannot be resumed: %s",
				     rmap_error_name(ret));
	for (uint32_t i = 0; i < m->nr; i++)
		if (!m->resumed[i])
			ret = RMAP_ENOENT;
	return ret ? runner_broken(r, "hibernate: an address space did not come back") : RUNNER_OK;
}

/* The old machine has gone: each space is what came of it on the new one. */
static void take_over(struct moving *m)
{
	for (uint32_t i = 0; i < m->nr; i++) {
		m->spaces[i]->mm = m->resumed[i];
		for (uint32_t u = 1; u < m->spaces[i]->users; u++)
			mm_get(m->resumed[i]);
	}
}

/* Files by the places where they were mapped; those that nobody mapped are opened again. */
static enum runner_result rebind_files(struct moving *m)
{
	struct runner *r = m->r;

	for (size_t i = 0; i < m->nr_files; i++)
		m->files[i].f->seen = false;
	for (size_t i = 0; i < m->nr_mapped; i++) {
		struct mapped *at = &m->mapped[i];
		const struct layout_vma *vma = space_vma(at->space, at->start);

		if (!vma || !vma->file)
			return runner_broken(r, "hibernate: a file is no longer mapped at 0x%llx",
					     (unsigned long long)at->start);
		if (at->f->seen)
			continue;
		at->f->seen = true;
		if (at->f->handle)
			at->f->handle = mm_file_handle(vma->file);
		if (at->f->named)
			mm_file_get(vma->file);
		rfile_rebind(r, at->f, vma->file);
	}
	for (size_t i = 0; i < m->nr_files; i++) {
		struct rfile *f = m->files[i].f;
		struct mm_file *file;

		if (f->seen || !f->named)
			continue;
		if (mm_file_create(r->sys, m->files[i].handle, f->size, &file))
			return runner_no_memory(r);
		f->handle = m->files[i].handle;
		m->files[i].handle = NULL;
		rfile_rebind(r, f, file);
	}
	return RUNNER_OK;
}

static enum runner_result new_machine(struct moving *m, struct hosted **old,
				      struct testport **old_port, struct mm_system **old_sys)
{
	struct runner *r = m->r;
	char error[HOSTED_ERROR];

	*old = r->hosted;
	*old_port = r->testport;
	*old_sys = r->sys;
	r->hosted = NULL;
	r->testport = NULL;
	r->sys = NULL;
	if (runner_machine_up(r, error))
		return runner_bad(r, "hibernate: %s", error);
	if (r->swap_off)
		(void)mm_swapoff(r->sys); /* nothing is in swap yet */
	return RUNNER_OK;
}

static void swap_machines(struct runner *r, struct hosted **h, struct testport **tp,
			  struct mm_system **sys)
{
	struct hosted *hosted = r->hosted;
	struct testport *testport = r->testport;
	struct mm_system *system = r->sys;

	r->hosted = *h;
	r->testport = *tp;
	r->sys = *sys;
	*h = hosted;
	*tp = testport;
	*sys = system;
}

static enum runner_result move_over(struct moving *m)
{
	struct runner *r = m->r;
	struct hosted *other;
	struct testport *other_port;
	struct mm_system *other_sys;
	enum runner_result ret = new_machine(m, &other, &other_port, &other_sys);

	swap_machines(r, &other, &other_port, &other_sys);
	if (ret != RUNNER_OK)
		return ret;
	for (size_t i = 0; i < m->nr_files && ret == RUNNER_OK; i++)
		if (m->files[i].f->handle &&
		    !copy_file(r, m->files[i].f, other, &m->files[i].handle))
			ret = runner_bad(r, "hibernate: a file cannot be copied");
	swap_machines(r, &other, &other_port, &other_sys);
	if (ret == RUNNER_OK)
		ret = resume(m);
	if (ret != RUNNER_OK || r->last_error) {
		for (uint32_t i = 0; i < m->nr; i++)
			if (m->resumed[i])
				mm_put(m->resumed[i]);
		close_copies(m);
		runner_machine_down(r);
		swap_machines(r, &other, &other_port, &other_sys);
		return ret;
	}
	swap_machines(r, &other, &other_port, &other_sys);
	leave_machine(m);
	swap_machines(r, &other, &other_port, &other_sys);
	take_over(m);
	return rebind_files(m);
}

enum runner_result runner_hibernate(struct runner *r)
{
	struct moving m = { .r = r, .image = -1 };
	enum runner_result ret = RUNNER_OK;

	if (r->pins)
		return runner_bad(r, "hibernate: a pin is held");
	if (r->phantom)
		return runner_bad(r, "hibernate: a phantom machine has no contents to write");
	/* Files that have gone are not to be copied, and on the new machine their numbers are others'. */
	if (collect_spaces(&m) && collect_mapped(&m))
		runner_files_sweep(r);
	else
		ret = runner_no_memory(r);
	if (ret == RUNNER_OK && !collect_files(&m))
		ret = runner_no_memory(r);
	for (size_t i = 0; i < m.nr_files && ret == RUNNER_OK; i++)
		if (m.files[i].f->named && !m.files[i].f->handle && !is_mapped(&m, m.files[i].f))
			ret = runner_bad(r,
					 "hibernate: shared memory that nobody maps would be lost");
	if (ret == RUNNER_OK)
		ret = write_image(&m);
	if (ret == RUNNER_OK && !r->last_error)
		ret = move_over(&m);
	moving_free(&m);
	return ret;
}
