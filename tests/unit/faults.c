/* SPDX-License-Identifier: MIT */
/* the C library's checked versions are inline definitions of what is defined here */
#undef _FORTIFY_SOURCE
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))
#define MAX_IOV 128

static struct {
	pthread_mutex_t lock;
	struct fault faults[FAULT_CALLS];
	bool set[FAULT_CALLS];
	unsigned int hits[FAULT_CALLS], counts[FAULT_CALLS];
	int flags[FAULT_CALLS];
	unsigned int in_flight, max_in_flight;
} plan = {.lock = PTHREAD_MUTEX_INITIALIZER};

void fault_set(enum fault_call call, struct fault fault)
{
	pthread_mutex_lock(&plan.lock);
	plan.faults[call] = fault;
	plan.set[call] = true;
	plan.hits[call] = 0;
	pthread_mutex_unlock(&plan.lock);
}

void fault_clear(void)
{
	pthread_mutex_lock(&plan.lock);
	for (int i = 0; i < FAULT_CALLS; i++) {
		plan.set[i] = false;
		plan.counts[i] = 0;
	}
	plan.max_in_flight = plan.in_flight;
	pthread_mutex_unlock(&plan.lock);
}

unsigned int fault_count(enum fault_call call)
{
	unsigned int count;

	pthread_mutex_lock(&plan.lock);
	count = plan.counts[call];
	pthread_mutex_unlock(&plan.lock);
	return count;
}

int fault_last_flags(enum fault_call call)
{
	return plan.flags[call];
}

unsigned int fault_max_in_flight(void)
{
	return plan.max_in_flight;
}

bool fault_hit(enum fault_call call, int flags, int command, struct fault *fault)
{
	bool hits;

	pthread_mutex_lock(&plan.lock);
	plan.counts[call]++;
	plan.flags[call] = flags;
	*fault = plan.faults[call];
	hits = plan.set[call] && (flags & fault->only_flags) == fault->only_flags &&
	       (!fault->command || fault->command == command + 1);
	if (hits) {
		unsigned int n = plan.hits[call]++;

		hits = n >= fault->skip && (!fault->times || n < fault->skip + fault->times);
	}
	pthread_mutex_unlock(&plan.lock);
	return hits;
}

void fault_held(unsigned int requests)
{
	if (requests > plan.max_in_flight)
		plan.max_in_flight = requests;
}

/* Cuts the vector down to limit bytes. */
static int cut(const struct iovec *iov, int count, size_t limit, struct iovec out[MAX_IOV])
{
	int n = 0;

	while (n < count && n < MAX_IOV && limit) {
		out[n] = iov[n];
		if (out[n].iov_len > limit)
			out[n].iov_len = limit;
		limit -= out[n++].iov_len;
	}
	return n;
}

static ssize_t transfer(enum fault_call call, long number, int fd, const struct iovec *iov,
			int count, off_t offset, int flags)
{
	struct iovec shorter[MAX_IOV];
	struct fault fault;

	if (fault_hit(call, flags, 0, &fault)) {
		if (fault.error) {
			errno = fault.error;
			return -1;
		}
		count = cut(iov, count, fault.limit, shorter);
		iov = shorter;
	}
	/* the offset goes in two halves, of which 64-bit kernels use the first */
	return syscall(number, fd, iov, count, offset, 0, flags);
}

EXPORTED ssize_t pread(int fd, void *buf, size_t length, off_t offset)
{
	struct fault fault;

	if (fault_hit(FAULT_PREAD, 0, 0, &fault) && fault.error) {
		errno = fault.error;
		return -1;
	}
	return syscall(SYS_pread64, fd, buf, length, offset);
}

EXPORTED ssize_t preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
	return transfer(FAULT_PREADV, SYS_preadv, fd, iov, count, offset, 0);
}

EXPORTED ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	return transfer(FAULT_PREADV2, SYS_preadv2, fd, iov, count, offset, flags);
}

EXPORTED ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	return transfer(FAULT_PWRITEV2, SYS_pwritev2, fd, iov, count, offset, flags);
}

static bool fails(enum fault_call call, int flags)
{
	struct fault fault;

	if (!fault_hit(call, flags, 0, &fault))
		return false;
	errno = fault.error;
	return true;
}

EXPORTED int fdatasync(int fd)
{
	return fails(FAULT_FDATASYNC, 0) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

EXPORTED int fallocate(int fd, int mode, off_t offset, off_t length)
{
	return fails(FAULT_FALLOCATE, mode) ? -1
					    : (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

EXPORTED off_t lseek(int fd, off_t offset, int whence)
{
	return fails(FAULT_LSEEK, 0) ? -1 : syscall(SYS_lseek, fd, offset, whence);
}

EXPORTED int statx(int fd, const char *path, int flags, unsigned int mask, struct statx *stx)
{
	return fails(FAULT_STATX, 0) ? -1 : (int)syscall(SYS_statx, fd, path, flags, mask, stx);
}

/* ---- libaio ---- */

static int result(long rc)
{
	return rc < 0 ? -errno : (int)rc;
}

EXPORTED int io_setup(int depth, io_context_t *context)
{
	if (fails(FAULT_IO_SETUP, 0))
		return -errno;
	return result(syscall(SYS_io_setup, depth, context));
}

EXPORTED int io_submit(io_context_t context, long count, struct iocb **iocbs)
{
	struct fault fault;
	int rc;

	if (fault_hit(FAULT_IO_SUBMIT, iocbs[0]->aio_rw_flags, iocbs[0]->aio_lio_opcode, &fault)) {
		if (fault.error)
			return -fault.error;
		if (fault.limit && count > (long)fault.limit)
			count = (long)fault.limit;
	}
	rc = result(syscall(SYS_io_submit, context, count, iocbs));
	if (rc > 0) {
		plan.in_flight += (unsigned int)rc;
		fault_held(plan.in_flight);
	}
	return rc;
}

EXPORTED int io_getevents(io_context_t context, long min, long count, struct io_event *events,
			  struct timespec *timeout)
{
	int n = result(syscall(SYS_io_getevents, context, min, count, events, timeout));
	struct fault fault;

	for (int i = 0; i < n; i++) {
		plan.in_flight--;
		if (!fault_hit(FAULT_IO_EVENT, 0, 0, &fault))
			continue;
		if (fault.error)
			events[i].res = (unsigned long)-fault.error;
		else if (events[i].res > fault.limit)
			events[i].res = fault.limit;
	}
	return n;
}
