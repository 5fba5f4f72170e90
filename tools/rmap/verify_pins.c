// SPDX-License-Identifier: BSD-2-Clause
/* Holders of pages; see the header. io_uring is spoken to by its system calls: one operation at a time needs no library. */
#include "verify_pins.h"

#include <rmap/mm.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef __x86_64__

#define ENTRIES	   4u
#define QUEUE_SIZE 8192u /* of each of the two that are mapped: rings, entries */

const char *live_pin_unable(uint32_t flags)
{
	switch (flags) {
	case 0:
	case MM_PIN_LONGTERM | MM_PIN_WRITE:
	case MM_PIN_FORCE | MM_PIN_WRITE:
		return NULL;
	case MM_PIN_LONGTERM:
		return "a device that only reads is not to be had";
	default:
		return "no system call holds a page so";
	}
}

/* ---------------------------------------------------------------- a pipe */

static int hold_by_pipe(struct puppet *p, uint64_t addr, struct live_pin *pin)
{
	struct iovec *iov = live_buffer(p);
	int64_t ret;

	iov->iov_base = (void *)(uintptr_t)addr;
	iov->iov_len = RMAP_PAGE_SIZE;
	ret = live_call(p, SYS_vmsplice, (uint64_t)pin->pipe[1], live_buffer_addr(p), 1, 0, 0, 0);
	return ret < 0 ? (int)ret : 0;
}

/* The bytes, and the page stays in the pipe. */
static int read_pipe(struct live_pin *pin, void *page)
{
	int copy[2], ret = 0;

	if (pipe2(copy, O_CLOEXEC))
		return -errno;
	if (tee(pin->pipe[0], copy[1], RMAP_PAGE_SIZE, 0) != (ssize_t)RMAP_PAGE_SIZE ||
	    read(copy[0], page, RMAP_PAGE_SIZE) != (ssize_t)RMAP_PAGE_SIZE)
		ret = errno ? -errno : -EIO;
	close(copy[0]);
	close(copy[1]);
	return ret;
}

/* ---------------------------------------------------------------- a ring */

static int hold_by_ring(struct puppet *p, uint64_t addr, struct live_pin *pin)
{
	struct iovec *iov = live_buffer(p);

	memset(&pin->params, 0, sizeof(pin->params));
	pin->ring = (int)syscall(SYS_io_uring_setup, ENTRIES, &pin->params);
	if (pin->ring < 0 || !(pin->params.features & IORING_FEAT_SINGLE_MMAP))
		return 1;
	pin->queue = mmap(NULL, QUEUE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, pin->ring,
			  IORING_OFF_SQ_RING);
	if (pin->queue == MAP_FAILED) {
		pin->queue = NULL;
		return 1;
	}
	iov->iov_base = (void *)(uintptr_t)addr;
	iov->iov_len = RMAP_PAGE_SIZE;
	return (int)live_call(p, SYS_io_uring_register, (uint64_t)pin->ring,
			      IORING_REGISTER_BUFFERS, live_buffer_addr(p), 1, 0, 0);
}

static _Atomic uint32_t *word(const struct live_pin *pin, uint32_t offset)
{
	return (_Atomic uint32_t *)(void *)((char *)pin->queue + offset);
}

/* One operation on the registered page, from or to the pipe. */
static int pass(struct live_pin *pin, uint8_t opcode, int fd)
{
	const struct io_uring_params *params = &pin->params;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqe;
	uint32_t tail, head;
	int ret;

	sqes = mmap(NULL, QUEUE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, pin->ring,
		    IORING_OFF_SQES);
	if (sqes == MAP_FAILED)
		return -errno;
	memset(&sqes[0], 0, sizeof(sqes[0]));
	sqes[0].opcode = opcode;
	sqes[0].fd = fd;
	sqes[0].addr = pin->addr;
	sqes[0].len = RMAP_PAGE_SIZE;
	sqes[0].off = (uint64_t)-1;
	tail = atomic_load(word(pin, params->sq_off.tail));
	*word(pin, params->sq_off.array + (tail & (ENTRIES - 1)) * 4) = 0;
	atomic_store(word(pin, params->sq_off.tail), tail + 1);
	ret = (int)syscall(SYS_io_uring_enter, pin->ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	ret = ret < 0 ? -errno : 0;
	head = atomic_load(word(pin, params->cq_off.head));
	if (!ret && head == atomic_load(word(pin, params->cq_off.tail)))
		ret = -EIO;
	if (!ret) {
		cqe = (struct io_uring_cqe *)(void *)((char *)pin->queue + params->cq_off.cqes);
		ret = cqe[head & (2 * ENTRIES - 1)].res;
		ret = ret == (int)RMAP_PAGE_SIZE ? 0 : ret < 0 ? ret : -EIO;
		atomic_store(word(pin, params->cq_off.head), head + 1);
	}
	munmap(sqes, QUEUE_SIZE);
	return ret;
}

/* ---------------------------------------------------------------- a debugger */

static int hold_by_debugger(struct puppet *p, uint64_t addr, const void *page, struct live_pin *pin)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", p->pid);
	pin->mem = open(path, O_RDWR | O_CLOEXEC);
	if (pin->mem < 0)
		return 1;
	return pwrite(pin->mem, page, RMAP_PAGE_SIZE, (off_t)addr) == (ssize_t)RMAP_PAGE_SIZE
		       ? 0
		       : -errno;
}

/* ---------------------------------------------------------------- all three */

int live_pin(struct puppet *p, uint64_t addr, uint32_t flags, const void *page,
	     struct live_pin *pin)
{
	int ret;

	pin->flags = flags;
	pin->addr = addr;
	pin->ring = pin->mem = -1;
	pin->queue = NULL;
	if (pipe2(pin->pipe, O_CLOEXEC))
		return 1;
	if (flags & MM_PIN_FORCE)
		ret = hold_by_debugger(p, addr, page, pin);
	else if (flags & MM_PIN_LONGTERM)
		ret = hold_by_ring(p, addr, pin);
	else
		ret = hold_by_pipe(p, addr, pin);
	if (ret)
		live_unpin(pin);
	return ret;
}

int live_pin_read(struct live_pin *pin, void *page)
{
	int ret;

	if (pin->mem >= 0)
		return pread(pin->mem, page, RMAP_PAGE_SIZE, (off_t)pin->addr) ==
				       (ssize_t)RMAP_PAGE_SIZE
			       ? 0
			       : -errno;
	if (pin->ring < 0)
		return read_pipe(pin, page);
	ret = pass(pin, IORING_OP_WRITE_FIXED, pin->pipe[1]);
	if (!ret && read(pin->pipe[0], page, RMAP_PAGE_SIZE) != (ssize_t)RMAP_PAGE_SIZE)
		ret = -EIO;
	return ret;
}

int live_pin_write(struct live_pin *pin, const void *page)
{
	if (pin->mem >= 0)
		return pwrite(pin->mem, page, RMAP_PAGE_SIZE, (off_t)pin->addr) ==
				       (ssize_t)RMAP_PAGE_SIZE
			       ? 0
			       : -errno;
	if (pin->ring < 0)
		return -EBADF;
	if (write(pin->pipe[1], page, RMAP_PAGE_SIZE) != (ssize_t)RMAP_PAGE_SIZE)
		return -EIO;
	return pass(pin, IORING_OP_READ_FIXED, pin->pipe[0]);
}

void live_unpin(struct live_pin *pin)
{
	/* A ring that is closed lets go of its pages some time later; told to, it does so at once. */
	if (pin->ring >= 0) {
		syscall(SYS_io_uring_register, pin->ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
		if (pin->queue)
			munmap(pin->queue, QUEUE_SIZE);
		close(pin->ring);
	}
	if (pin->mem >= 0)
		close(pin->mem);
	close(pin->pipe[0]);
	close(pin->pipe[1]);
}

#endif
