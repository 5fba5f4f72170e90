// SPDX-License-Identifier: BSD-2-Clause
/*
 * Files behind file mappings: real ones, and stand-ins that need no disk.
 *
 * A stand-in's page is computed from a seed when it is read. A page that is written goes to an overlay, a file without a name
 * that is made at the first write; a hash table says which page lies in which place of it, so that a sparse file of terabytes
 * takes as much disk as was written, and none of it at offsets that the file system would refuse. A machine in memory keeps each
 * written page in memory, instead.
 *
 *	  read(index):   cut off by a resize?  zeros
 *			 in the table?         overlay, at its place
 *			 else                  pattern(seed, index) up to the size, zeros behind
 *
 * The size is known to the byte from open or resize; a write of a page behind it moves it to that page's end.
 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_MAX_FILE  ((uint64_t)INT64_MAX)
#define WORDS_PER_PAGE (RMAP_PAGE_SIZE / sizeof(uint64_t))

/* A page that was written: where it lies in the overlay. */
struct written {
	uint64_t index1; /* page offset + 1; 0: an empty place in the table */
	uint64_t place;
};

struct hosted_file {
	struct hosted *h;		 /* fixed */
	struct hosted_file *next, *prev; /* hosted.files_lock */
	bool stand_in;			 /* fixed */
	uint64_t seed;			 /* stand-in: fixed */
	pthread_mutex_t lock;
	int fd;			 /* the file, or the overlay (-1: nothing was written); lock */
	_Atomic uint64_t size;	 /* bytes; lock to change */
	uint64_t pattern_size;	 /* stand-in: bytes from here on have no pattern; lock */
	struct written *written; /* stand-in: open addressing; lock */
	uint64_t room;		 /* of written, a power of two or 0; lock */
	uint64_t nr_written;	 /* places in use, also of pages that were cut off; lock */
	unsigned char **pages; /* in memory, instead of the overlay: by place, room of them; lock */
};

/* ---------------------------------------------------------------- the pattern */

/* A well-mixed word for each (seed, word number): the finaliser of splitmix64. */
static uint64_t pattern_word(uint64_t seed, uint64_t number)
{
	uint64_t x =
		seed * UINT64_C(0x9e3779b97f4a7c15) + number * UINT64_C(0xd1342543de82ef95) + 1;

	if (!seed)
		return 0;
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

uint8_t hosted_pattern_byte(uint64_t seed, uint64_t offset)
{
	return (uint8_t)(pattern_word(seed, offset / 8) >> (offset % 8 * 8));
}

void hosted_pattern_page(uint64_t seed, uint64_t index, void *data)
{
	unsigned char *p = data;
	uint64_t word;
	int byte;

	if (!seed) {
		memset(data, 0, RMAP_PAGE_SIZE);
		return;
	}
	for (word = 0; word < WORDS_PER_PAGE; word++) {
		uint64_t v = pattern_word(seed, index * WORDS_PER_PAGE + word);

		for (byte = 0; byte < 8; byte++)
			p[word * 8 + (uint64_t)byte] = (unsigned char)(v >> (8 * byte));
	}
}

/* ---------------------------------------------------------------- whole pages to and from a descriptor */

static int fd_read(int fd, uint64_t offset, void *data, uint64_t len)
{
	uint64_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)data + done, len - done, (off_t)(offset + done));

		if (n > 0)
			done += (uint64_t)n;
		else if (n == 0)
			break; /* shorter than its size said: zeros */
		else if (errno != EINTR)
			return RMAP_EIO;
	}
	memset((char *)data + done, 0, RMAP_PAGE_SIZE - done);
	return 0;
}

static int fd_write(int fd, uint64_t offset, const void *data, uint64_t len)
{
	uint64_t done = 0;

	while (done < len) {
		ssize_t n =
			pwrite(fd, (const char *)data + done, len - done, (off_t)(offset + done));

		if (n > 0)
			done += (uint64_t)n;
		else if (n == 0 || errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
			return RMAP_ENOSPC;
		else if (errno != EINTR)
			return RMAP_EIO;
	}
	return 0;
}

/* ---------------------------------------------------------------- the overlay's table */

/* => the page's place in the table, or the empty one where it belongs; room is not 0 */
static struct written *written_slot(struct written *table, uint64_t room, uint64_t index)
{
	uint64_t at = (index * UINT64_C(0x9e3779b97f4a7c15)) >> 20;

	while (table[at &= room - 1].index1 && table[at].index1 != index + 1)
		at++;
	return &table[at];
}

static struct written *written_find(const struct hosted_file *file, uint64_t index)
{
	struct written *slot;

	if (!file->room)
		return NULL;
	slot = written_slot(file->written, file->room, index);
	return slot->index1 ? slot : NULL;
}

static int written_grow(struct hosted_file *file)
{
	uint64_t room = file->room ? file->room * 2 : 64, i;
	struct written *table;
	unsigned char **pages;

	if (file->room && file->nr_written * 2 < file->room)
		return 0;
	if (file->h->in_memory) {
		pages = realloc(file->pages, room * sizeof(*pages));
		if (!pages)
			return RMAP_ENOSPC;
		file->pages = pages;
	}
	table = calloc(room, sizeof(*table));
	if (!table)
		return RMAP_ENOSPC;
	for (i = 0; i < file->room; i++) {
		if (file->written[i].index1)
			*written_slot(table, room, file->written[i].index1 - 1) = file->written[i];
	}
	free(file->written);
	file->written = table;
	file->room = room;
	return 0;
}

/* ---------------------------------------------------------------- the callbacks */

/* => the bytes of a place from the overlay, or from memory */
static int place_read(struct hosted_file *file, uint64_t place, void *data)
{
	if (!file->h->in_memory)
		return fd_read(file->fd, place << RMAP_PAGE_SHIFT, data, RMAP_PAGE_SIZE);
	memcpy(data, file->pages[place], RMAP_PAGE_SIZE);
	return 0;
}

/* => the bytes of a place; fresh: nothing was written there yet */
static int place_write(struct hosted_file *file, uint64_t place, bool fresh, const void *data)
{
	if (!file->h->in_memory) {
		if (file->fd < 0)
			file->fd = hosted_temporary(file->h->directory);
		return file->fd < 0
			       ? RMAP_EIO
			       : fd_write(file->fd, place << RMAP_PAGE_SHIFT, data, RMAP_PAGE_SIZE);
	}
	if (fresh)
		file->pages[place] = malloc(RMAP_PAGE_SIZE);
	if (!file->pages[place])
		return RMAP_ENOSPC;
	memcpy(file->pages[place], data, RMAP_PAGE_SIZE);
	return 0;
}

static int stand_in_read(struct hosted_file *file, uint64_t index, void *data)
{
	uint64_t start = index << RMAP_PAGE_SHIFT, keep;
	const struct written *slot = written_find(file, index);

	if (slot)
		return place_read(file, slot->place, data);
	keep = file->pattern_size > start ? file->pattern_size - start : 0;
	if (keep)
		hosted_pattern_page(file->seed, index, data);
	if (keep < RMAP_PAGE_SIZE)
		memset((char *)data + keep, 0, RMAP_PAGE_SIZE - keep);
	return 0;
}

static int stand_in_write(struct hosted_file *file, uint64_t index, const void *data)
{
	struct written *slot = written_find(file, index);
	uint64_t place = slot ? slot->place : file->nr_written;
	int r = 0;

	if (!slot)
		r = written_grow(file);
	if (!r)
		r = place_write(file, place, !slot, data);
	if (!r && !slot) {
		*written_slot(file->written, file->room, index) =
			(struct written){ index + 1, place };
		file->nr_written++;
	}
	return r;
}

int hosted_file_read(void *ctx, void *handle, uint64_t index, void *data)
{
	struct hosted *h = ctx;
	struct hosted_file *file = handle;
	int r = 0;

	HOSTED_MAY_SLEEP("file I/O");
	pthread_mutex_lock(&file->lock);
	if (index >= (file->size + RMAP_PAGE_SIZE - 1) >> RMAP_PAGE_SHIFT)
		memset(data, 0, RMAP_PAGE_SIZE);
	else if (file->stand_in)
		r = stand_in_read(file, index, data);
	else
		r = fd_read(file->fd, index << RMAP_PAGE_SHIFT, data, RMAP_PAGE_SIZE);
	pthread_mutex_unlock(&file->lock);
	if (!r)
		atomic_fetch_add_explicit(&h->file_reads, 1, memory_order_relaxed);
	return r;
}

int hosted_file_write(void *ctx, void *handle, uint64_t index, const void *data)
{
	struct hosted *h = ctx;
	struct hosted_file *file = handle;
	uint64_t start = index << RMAP_PAGE_SHIFT, len = RMAP_PAGE_SIZE;
	int r;

	HOSTED_MAY_SLEEP("file I/O");
	if (index >= SIZE_MAX_FILE >> RMAP_PAGE_SHIFT)
		return RMAP_ENOSPC;
	pthread_mutex_lock(&file->lock);
	if (file->stand_in) {
		r = stand_in_write(file, index, data);
	} else {
		/* A real file keeps its size to the byte. */
		if (start < file->size && file->size - start < len)
			len = file->size - start;
		r = fd_write(file->fd, start, data, len);
	}
	if (!r && start >= file->size)
		file->size = start + RMAP_PAGE_SIZE;
	pthread_mutex_unlock(&file->lock);
	if (!r)
		atomic_fetch_add_explicit(&h->file_writes, 1, memory_order_relaxed);
	return r;
}

void hosted_file_release(void *ctx, void *handle)
{
	(void)ctx;
	hosted_file_close(handle);
}

/* ---------------------------------------------------------------- open, resize, close */

static int file_make(struct hosted *h, struct hosted_file **out)
{
	struct hosted_file *file = calloc(1, sizeof(*file));

	if (!file)
		return RMAP_ENOMEM;
	file->h = h;
	file->fd = -1;
	pthread_mutex_init(&file->lock, NULL);
	pthread_mutex_lock(&h->files_lock);
	file->next = h->files;
	if (h->files)
		h->files->prev = file;
	h->files = file;
	h->nr_files++;
	pthread_mutex_unlock(&h->files_lock);
	*out = file;
	return 0;
}

static int error_of_open(int number)
{
	switch (number) {
	case ENOENT:
	case ENOTDIR:
		return RMAP_ENOENT;
	case EACCES:
	case EPERM:
	case EROFS:
		return RMAP_EACCES;
	case ENOMEM:
		return RMAP_ENOMEM;
	default:
		return RMAP_EIO;
	}
}

int hosted_file_open(struct hosted *h, const char *path, unsigned int flags,
		     struct hosted_file **out, char *error)
{
	int mode = flags & HOSTED_FILE_WRITE ? O_RDWR : O_RDONLY;
	struct stat st;
	int fd, r;

	if (flags & HOSTED_FILE_CREATE)
		mode = O_RDWR | O_CREAT | O_TRUNC;
	/* Not to wait for the other end of a pipe that somebody names. */
	fd = open(path, mode | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
	if (fd < 0) {
		r = error_of_open(errno);
		hosted_say(error, "Cannot open %s: %s.", path, strerror(errno));
		return r;
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		hosted_say(error, "%s is no regular file.", path);
		close(fd);
		return RMAP_EINVAL;
	}
	r = file_make(h, out);
	if (r) {
		hosted_say(error, "Out of memory.");
		close(fd);
		return r;
	}
	(*out)->fd = fd;
	(*out)->size = (uint64_t)st.st_size;
	return 0;
}

int hosted_file_temp(struct hosted *h, uint64_t size, uint64_t seed, struct hosted_file **out)
{
	int r = size > SIZE_MAX_FILE ? RMAP_EINVAL : file_make(h, out);

	if (r)
		return r;
	(*out)->stand_in = true;
	(*out)->seed = seed;
	(*out)->size = size;
	(*out)->pattern_size = size;
	return 0;
}

/* => pages behind the end are forgotten, and the tail of the last one is zeros; lock held */
static int stand_in_cut(struct hosted_file *file, uint64_t size)
{
	uint64_t tail = size & ~RMAP_PAGE_MASK, last = size >> RMAP_PAGE_SHIFT, i, n;
	unsigned char data[RMAP_PAGE_SIZE];
	struct written *table;
	int r = 0;

	if (tail && written_find(file, last)) {
		r = stand_in_read(file, last, data);
		memset(data + tail, 0, RMAP_PAGE_SIZE - tail);
		if (!r)
			r = stand_in_write(file, last, data);
	}
	if (r || !file->room)
		goto out;
	table = calloc(file->room, sizeof(*table));
	if (!table)
		return RMAP_EIO;
	/* Places in the overlay are not given out twice; the overlay is as long as the pages ever written. */
	for (i = 0, n = last + (tail != 0); i < file->room; i++) {
		if (file->written[i].index1 && file->written[i].index1 <= n)
			*written_slot(table, file->room, file->written[i].index1 - 1) =
				file->written[i];
	}
	free(file->written);
	file->written = table;
out:
	if (!r && size < file->pattern_size)
		file->pattern_size = size;
	return r;
}

int hosted_file_resize(struct hosted_file *file, uint64_t size)
{
	int r = 0;

	if (size > SIZE_MAX_FILE)
		return RMAP_EINVAL;
	pthread_mutex_lock(&file->lock);
	if (!file->stand_in)
		r = ftruncate(file->fd, (off_t)size) ? RMAP_EIO : 0;
	else if (size < file->size)
		r = stand_in_cut(file, size);
	if (!r)
		file->size = size;
	pthread_mutex_unlock(&file->lock);
	return r;
}

uint64_t hosted_file_size(const struct hosted_file *file)
{
	return atomic_load_explicit(&file->size, memory_order_relaxed);
}

void hosted_file_close(struct hosted_file *file)
{
	struct hosted *h = file->h;

	pthread_mutex_lock(&h->files_lock);
	if (file->prev)
		file->prev->next = file->next;
	else
		h->files = file->next;
	if (file->next)
		file->next->prev = file->prev;
	h->nr_files--;
	pthread_mutex_unlock(&h->files_lock);
	if (file->fd >= 0)
		close(file->fd);
	pthread_mutex_destroy(&file->lock);
	for (uint64_t i = 0; file->pages && i < file->nr_written; i++)
		free(file->pages[i]);
	free(file->pages);
	free(file->written);
	free(file);
}

void hosted_files_destroy(struct hosted *h)
{
	struct hosted_file *next;

	for (struct hosted_file *file = h->files; file; file = next) {
		next = file->next;
		hosted_file_close(file);
	}
}
