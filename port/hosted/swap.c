// SPDX-License-Identifier: BSD-2-Clause
/*
 * The swap file: made without a name, so that nothing is left behind however the process ends. It is sparse; a slot takes disk
 * when it is first written. Every error is RMAP_EIO, a full disk too: to libmm the slot is bad. What was wrong is kept for people
 * (struct hosted_io), who see no more of it than that memory gets short. A machine in memory has an arena of zeros instead.
 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int hosted_temporary(const char *directory)
{
	size_t room = strlen(directory) + sizeof("/rmap-XXXXXX");
	char *path = malloc(room);
	int fd, saved;

	if (!path)
		return -1;
	snprintf(path, room, "%s/rmap-XXXXXX", directory);
	fd = mkostemp(path, O_CLOEXEC);
	saved = errno;
	if (fd >= 0)
		unlink(path);
	free(path);
	errno = saved;
	return fd;
}

static bool slot_offset(const struct hosted *h, uint64_t slot, off_t *offset)
{
	*offset = (off_t)(slot << RMAP_PAGE_SHIFT);
	return (h->swap || h->swap_fd >= 0) && slot < h->port.nr_swap_slots;
}

/* Nothing written and no error is a disk that takes no more. */
static int refused(struct hosted *h, int error)
{
	int none = 0;

	atomic_compare_exchange_strong(&h->swap_errno, &none, error ? error : ENOSPC);
	atomic_fetch_add_explicit(&h->swap_refused, 1, memory_order_relaxed);
	return RMAP_EIO;
}

int hosted_swap_write(void *ctx, uint64_t slot, const void *data)
{
	struct hosted *h = ctx;
	uint64_t done = 0;
	off_t offset;

	HOSTED_MAY_SLEEP("swap I/O");
	if (!slot_offset(h, slot, &offset))
		return RMAP_EIO;
	if (h->swap) {
		memcpy(h->swap + offset, data, RMAP_PAGE_SIZE);
		done = RMAP_PAGE_SIZE;
	}
	while (done < RMAP_PAGE_SIZE) {
		ssize_t n = pwrite(h->swap_fd, (const char *)data + done, RMAP_PAGE_SIZE - done,
				   offset + (off_t)done);

		if (n > 0)
			done += (uint64_t)n;
		else if (n == 0 || errno != EINTR)
			return refused(h, n ? errno : 0);
	}
	atomic_fetch_add_explicit(&h->swap_writes, 1, memory_order_relaxed);
	return 0;
}

int hosted_swap_read(void *ctx, uint64_t slot, void *data)
{
	struct hosted *h = ctx;
	uint64_t done = 0;
	off_t offset;

	HOSTED_MAY_SLEEP("swap I/O");
	if (!slot_offset(h, slot, &offset))
		return RMAP_EIO;
	if (h->swap) {
		memcpy(data, h->swap + offset, RMAP_PAGE_SIZE);
		done = RMAP_PAGE_SIZE;
	}
	while (done < RMAP_PAGE_SIZE) {
		ssize_t n = pread(h->swap_fd, (char *)data + done, RMAP_PAGE_SIZE - done,
				  offset + (off_t)done);

		if (n > 0)
			done += (uint64_t)n;
		else if (n == 0 || errno != EINTR)
			return RMAP_EIO; /* a slot that was never written is none of ours */
	}
	atomic_fetch_add_explicit(&h->swap_reads, 1, memory_order_relaxed);
	return 0;
}
