// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzz target: the reader of hibernation images. Whatever the bytes, resume must either refuse and leave the system empty, or
 * bring address spaces back that the checker finds nothing wrong with.
 *
 * The first byte chooses what the rest is: an image as it is; or chunks (type, two bytes of length, payload) that get their
 * frame and right checksums here, since a mutator never finds those.
 *
 * With RMAP_IMAGE_SEEDS=FOLDER in the environment it first writes seeds there, images of a small system in both forms.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rmap/mm.h>

#include "hosted/hosted.h"
#include "mm/image.h"
#include "../tests/image_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define MMS_MAX 64

struct machine {
	struct hosted *h;
	struct mm_system *sys;
	struct mm *mms[MMS_MAX];
	uint32_t nr;
};

static void machine_open(struct machine *m)
{
	struct hosted_config config = { .nr_frames = 512, .nr_swap_slots = 256 };
	struct mm_config mm = { .overcommit = MM_OVERCOMMIT_GUESS };

	memset(m, 0, sizeof(*m));
	if (hosted_create(&config, &m->h, NULL) ||
	    mm_system_create(&mm, hosted_port(m->h), &m->sys))
		abort();
}

/* Whatever happened, the system must be right, and empty once its address spaces are put. */
static void machine_close(struct machine *m)
{
	struct mm_check check = { 0 };

	if (mm_check(m->sys, &check)) {
		fprintf(stderr, "%s\n", check.message);
		abort();
	}
	for (uint32_t i = 0; i < m->nr; i++)
		mm_put(m->mms[i]);
	mm_system_destroy(m->sys);
	if (hosted_destroy(m->h, NULL, NULL))
		abort();
}

static int open_file(void *arg, uint64_t file_id, uint64_t size, void **handle)
{
	struct machine *m = arg;
	struct hosted_file *file;

	if (hosted_file_temp(m->h, size, file_id, &file))
		return RMAP_ENOMEM;
	*handle = file;
	return 0;
}

static void take_mm(void *arg, uint64_t id, struct mm *mm)
{
	struct machine *m = arg;

	(void)id;
	if (m->nr == MMS_MAX)
		mm_put(mm);
	else
		m->mms[m->nr++] = mm;
}

static void resume(struct image_memory *image)
{
	struct mm_stream stream = IMAGE_MEMORY_STREAM(image);
	struct machine m;
	struct mm_resume back = { .file = open_file, .mm = take_mm, .arg = &m };

	machine_open(&m);
	if (mm_resume_image(m.sys, &stream, &back) && m.nr)
		abort(); /* a failed resume gives nothing */
	machine_close(&m);
}

/* Chunks without frames become an image. */
static void wrap(const uint8_t *data, size_t size, struct image_memory *out)
{
	struct mm_stream stream = IMAGE_MEMORY_STREAM(out);
	struct image image;
	struct machine m;

	machine_open(&m);
	if (image_open(m.sys, &image, &stream))
		abort();
	while (size >= 3) {
		size_t len = data[1] | (size_t)data[2] << 8;
		uint8_t type = data[0];

		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		if (len > IMAGE_CHUNK_MAX)
			len = IMAGE_CHUNK_MAX;
		image_begin(&image, type);
		image_put(&image, data, (uint32_t)len);
		image_end(&image);
		data += len;
		size -= len;
	}
	image_close(m.sys, &image);
	machine_close(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_memory image = { 0 };

	if (!size)
		return 0;
	if (data[0] & 1)
		wrap(data + 1, size - 1, &image);
	else if (image_memory_write(&image, data + 1, size - 1))
		abort();
	resume(&image);
	free(image.data);
	return 0;
}

/* ---------------------------------------------------------------- seeds */

static uint64_t map(struct machine *m, struct mm *mm, uint64_t pages, uint32_t flags,
		    struct mm_file *file)
{
	struct mm_mmap args = {
		.len = pages << RMAP_PAGE_SHIFT,
		.prot = MM_PROT_READ | MM_PROT_WRITE,
		.flags = flags,
		.file = file,
		.file_mode = MM_FILE_READ | MM_FILE_WRITE,
	};
	uint64_t addr;

	(void)m;
	if (mm_mmap(mm, &args, &addr))
		abort();
	for (uint64_t i = 0; i < pages; i += 2)
		if (mm_write(mm, addr + (i << RMAP_PAGE_SHIFT), &i, sizeof(i), NULL))
			abort();
	return addr;
}

/* Three generations, two of them with memory of their own, a file mapped both ways, shared memory, a page that moved. */
static void populate(struct machine *m)
{
	struct hosted_file *handle;
	struct mm_file *file;
	uint64_t a, moved;

	if (mm_create(m->sys, &m->mms[0]) || hosted_file_temp(m->h, 16384, 3, &handle) ||
	    mm_file_create(m->sys, handle, 16384, &file))
		abort();
	a = map(m, m->mms[0], 4, MM_MAP_PRIVATE | MM_MAP_ANONYMOUS, NULL);
	map(m, m->mms[0], 2, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL);
	map(m, m->mms[0], 4, MM_MAP_SHARED, file);
	map(m, m->mms[0], 4, MM_MAP_PRIVATE, file);
	if (mm_fork(m->mms[0], &m->mms[1]))
		abort();
	map(m, m->mms[1], 2, MM_MAP_PRIVATE | MM_MAP_ANONYMOUS, NULL);
	if (mm_fork(m->mms[1], &m->mms[2]) ||
	    mm_munmap(m->mms[1], a + (2 << RMAP_PAGE_SHIFT), 2 << RMAP_PAGE_SHIFT))
		abort();
	m->nr = 3;
	if (mm_write(m->mms[1], a, "child", 5, NULL) ||
	    mm_mremap(m->mms[2], a, 2 << RMAP_PAGE_SHIFT, 3 << RMAP_PAGE_SHIFT, MM_MREMAP_MAYMOVE,
		      0, &moved))
		abort();
	mm_file_put(file);
}

static void save(const char *folder, const char *name, const struct image_memory *b)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "wb");
	if (!f || fwrite(b->data, 1, b->len, f) != b->len || fclose(f)) {
		perror(path);
		exit(2);
	}
}

static void write_seeds(const char *folder)
{
	struct image_memory raw = { 0 }, chunks = { 0 };
	struct mm_stream stream = IMAGE_MEMORY_STREAM(&raw);
	uint64_t ids[] = { 1, 2, 3 };
	struct machine m;

	machine_open(&m);
	populate(&m);
	image_memory_write(&raw, "\0", 1);
	image_memory_write(&chunks, "\1", 1);
	if (mm_hibernate(m.sys, m.mms, ids, m.nr, &stream))
		abort();
	for (size_t at = 1; at + 16 <= raw.len;) {
		uint32_t len;

		memcpy(&len, raw.data + at + 4, 4);
		image_memory_write(&chunks, raw.data + at, 1);
		image_memory_write(&chunks, &len, 2);
		image_memory_write(&chunks, raw.data + at + 8, len);
		at += 16 + len;
	}
	save(folder, "family-raw", &raw);
	save(folder, "family-chunks", &chunks);
	machine_close(&m);
	free(raw.data);
	free(chunks.data);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *folder = getenv("RMAP_IMAGE_SEEDS");

	(void)argc;
	(void)argv;
	if (folder)
		write_seeds(folder);
	return 0;
}
