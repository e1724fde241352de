/* SPDX-License-Identifier: MIT */
#include "faults_uring.h"

#include <dlfcn.h>
#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "faults.h"

#define EXPORTED __attribute__((visibility("default")))
#define MAX_FAULTS 256
#define MAX_IOV 128

static struct {
	unsigned int unknown_flags, ring_flags;
	unsigned int counts[IORING_OP_LAST];
	int flags[IORING_OP_LAST];
	bool fixed[IORING_OP_LAST];
	/* of what is just being handed over: those that shall fail */
	struct {
		uint64_t id;
		int error;
	} failing[MAX_FAULTS];
	unsigned int nr_failing;
	/* vectors that were cut short, until the kernel has copied them */
	struct iovec vectors[MAX_FAULTS][MAX_IOV];
	unsigned int nr_vectors;
} uring;

void uring_unknown_flags(unsigned int flags)
{
	uring.unknown_flags = flags;
}

unsigned int uring_ring_flags(void)
{
	return uring.ring_flags;
}

unsigned int uring_count(int opcode)
{
	return uring.counts[opcode];
}

int uring_last_flags(int opcode)
{
	return uring.flags[opcode];
}

int uring_last_was_fixed(int opcode)
{
	return uring.fixed[opcode];
}

void uring_clear(void)
{
	fault_clear();
	for (int i = 0; i < IORING_OP_LAST; i++)
		uring.counts[i] = 0;
}

static int flags_of(const struct io_uring_sqe *sqe)
{
	if (sqe->opcode == IORING_OP_FALLOCATE)
		return (int)sqe->len;
	return sqe->opcode == IORING_OP_FSYNC ? (int)sqe->fsync_flags : sqe->rw_flags;
}

static void cut(struct io_uring_sqe *sqe, size_t limit)
{
	struct iovec *out = uring.vectors[uring.nr_vectors++];
	const struct iovec *in = (const struct iovec *)(uintptr_t)sqe->addr;
	unsigned int n = 0;

	if (sqe->opcode != IORING_OP_READV && sqe->opcode != IORING_OP_WRITEV) {
		if (sqe->len > limit)
			sqe->len = (unsigned int)limit;
		return;
	}
	for (; n < sqe->len && limit; n++) {
		out[n] = in[n];
		if (out[n].iov_len > limit)
			out[n].iov_len = limit;
		limit -= out[n].iov_len;
	}
	sqe->addr = (uintptr_t)out;
	sqe->len = n;
}

/* What shall fail becomes a request for nothing, which ends at once. */
static void put_faults(struct io_uring_sqe *sqe)
{
	const uint64_t id = sqe->user_data;
	struct fault fault;

	uring.counts[sqe->opcode]++;
	uring.flags[sqe->opcode] = flags_of(sqe);
	uring.fixed[sqe->opcode] = sqe->flags & IOSQE_FIXED_FILE;
	if (!id || !fault_hit(FAULT_URING_CQE, flags_of(sqe), sqe->opcode, &fault))
		return;
	if (uring.nr_failing == MAX_FAULTS || uring.nr_vectors == MAX_FAULTS)
		abort();
	if (!fault.error) {
		cut(sqe, fault.limit);
		return;
	}
	uring.failing[uring.nr_failing].id = id;
	uring.failing[uring.nr_failing++].error = fault.error;
	io_uring_prep_nop(sqe);
	sqe->user_data = id;
}

static void answer(struct io_uring *ring, uint64_t id, int error)
{
	const unsigned int tail = io_uring_smp_load_acquire(ring->cq.ktail);

	for (unsigned int at = *ring->cq.khead; at != tail; at++) {
		struct io_uring_cqe *cqe = &ring->cq.cqes[at & ring->cq.ring_mask];

		if (cqe->user_data != id)
			continue;
		cqe->res = -error;
		return;
	}
	abort();
}

/* ---- liburing ---- */

EXPORTED int io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
					struct io_uring_params *params)
{
	int (*real)(unsigned, struct io_uring *, struct io_uring_params *);
	struct fault fault;
	int rc;

	if (fault_hit(FAULT_URING_SETUP, (int)params->flags, 0, &fault))
		return -fault.error;
	if (params->flags & uring.unknown_flags)
		return -EINVAL;
	*(void **)&real = dlsym(dlopen("liburing.so.2", RTLD_LAZY), "io_uring_queue_init_params");
	if (!real)
		abort();
	rc = real(entries, ring, params);
	if (rc == 0)
		uring.ring_flags = params->flags;
	return rc;
}

EXPORTED int io_uring_submit(struct io_uring *ring)
{
	const unsigned int head = *ring->sq.khead;
	unsigned int count = ring->sq.sqe_tail - head;
	struct fault fault;
	long rc;

	ring->sq.sqe_head = ring->sq.sqe_tail;
	io_uring_smp_store_release(ring->sq.ktail, ring->sq.sqe_tail);
	if (fault_hit(FAULT_URING_ENTER, 0, 0, &fault)) {
		if (fault.error)
			return -fault.error;
		if (fault.limit && count > fault.limit)
			count = (unsigned int)fault.limit;
	}
	for (unsigned int i = 0; i < count; i++)
		put_faults(&ring->sq.sqes[(head + i) & ring->sq.ring_mask]);
	/* each request makes one completion */
	fault_held(head + count - *ring->cq.khead);
	rc = syscall(SYS_io_uring_enter, ring->ring_fd, count, 0, 0, NULL, 0);
	if (io_uring_smp_load_acquire(ring->sq.khead) - head != count)
		abort(); /* the test's machine has no memory */
	while (uring.nr_failing) {
		uring.nr_failing--;
		answer(ring, uring.failing[uring.nr_failing].id,
		       uring.failing[uring.nr_failing].error);
	}
	uring.nr_vectors = 0;
	return (int)rc;
}

EXPORTED int io_uring_register_buffers_sparse(struct io_uring *ring, unsigned nr)
{
	struct io_uring_rsrc_register all = {.nr = nr, .flags = IORING_RSRC_REGISTER_SPARSE};
	struct fault fault;
	long rc;

	if (fault_hit(FAULT_URING_SPARSE, 0, 0, &fault))
		return -fault.error;
	rc = syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_BUFFERS2, &all,
		     sizeof(all));
	return rc < 0 ? -errno : (int)rc;
}

EXPORTED int io_uring_register_buffers_update_tag(struct io_uring *ring, unsigned off,
						  const struct iovec *iovecs, const __u64 *tags,
						  unsigned nr)
{
	struct io_uring_rsrc_update2 update = {
	    .offset = off,
	    .data = (uintptr_t)iovecs,
	    .tags = (uintptr_t)tags,
	    .nr = nr,
	};
	struct fault fault;
	long rc;

	if (fault_hit(FAULT_URING_REGISTER, 0, 0, &fault))
		return -fault.error;
	rc = syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_BUFFERS_UPDATE, &update,
		     sizeof(update));
	return rc < 0 ? -errno : (int)rc;
}
