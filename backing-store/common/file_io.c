/* SPDX-License-Identifier: MIT */
/* Requests on a file, carried out by blocking calls. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "status.h"

#define WINDOW 72 /* iovecs of one call; the host's largest buffer has fewer */
#define ZEROES (64 << 10)
#define ZERO_VECTORS 16

/* Where in a request's buffers a transfer stands. */
struct cursor {
	const struct iovec *iov;
	uint32_t left; /* elements from iov on */
	size_t skip;   /* bytes of the first that are done */
};

static int window(const struct cursor *cursor, struct iovec out[WINDOW])
{
	uint32_t n = cursor->left < WINDOW ? cursor->left : WINDOW;

	for (uint32_t i = 0; i < n; i++)
		out[i] = cursor->iov[i];
	out[0].iov_base = (char *)out[0].iov_base + cursor->skip;
	out[0].iov_len -= cursor->skip;
	return (int)n;
}

static void advance(struct cursor *cursor, size_t bytes)
{
	bytes += cursor->skip;
	while (cursor->left && bytes >= cursor->iov->iov_len) {
		bytes -= cursor->iov->iov_len;
		cursor->iov++;
		cursor->left--;
	}
	cursor->skip = bytes;
}

void file_fail(struct file *file, struct tgt_bs_request *request, uint64_t done, int error)
{
	status_set_errno(request, done, error);
	file_report(file, request, error);
}

void file_fail_flush(struct file *file, struct tgt_bs_request *request, int error)
{
	/* fsync(2): reported once, and which writes were lost is not known */
	request->status = TGT_BS_ERR_FLUSH;
	file_report(file, request, error);
}

static bool sync_file(struct file *file, struct tgt_bs_request *request)
{
	int rc;

	do {
		rc = fdatasync(file->fd);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		file_fail_flush(file, request, errno);
	return rc == 0;
}

/* Direct I/O moves whole blocks; less means that the file ended there. */
static bool ended(const struct file *file, ssize_t moved)
{
	return moved == 0 || (file->direct && (size_t)moved % file->io_alignment != 0);
}

static void do_read(struct file *file, struct tgt_bs_request *request)
{
	struct cursor cursor = {request->iov, request->iovcnt, 0};
	struct iovec vec[WINDOW];
	uint64_t done = 0;

	while (done < request->length) {
		ssize_t n =
		    preadv(file->fd, vec, window(&cursor, vec), (off_t)(request->offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			file_fail(file, request, done, errno);
			return;
		}
		done += (uint64_t)n;
		if (done < request->length && ended(file, n)) {
			status_set_eof(request, done);
			file_report(file, request, 0);
			return;
		}
		advance(&cursor, (size_t)n);
	}
}

/* Writes all of vectors cnt; 0 or a positive errno, and *done counts. */
static int write_vector(struct file *file, struct cursor *cursor, uint64_t offset, uint64_t length,
			int flags, uint64_t *done)
{
	struct iovec vec[WINDOW];

	while (*done < length) {
		ssize_t n =
		    pwritev2(file->fd, vec, window(cursor, vec), (off_t)(offset + *done), flags);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			return EIO;
		*done += (uint64_t)n;
		advance(cursor, (size_t)n);
	}
	return 0;
}

/* With RWF_DSYNC through the page cache, an EIO may be that of earlier writes, reported here once
 * and never again: the same as a failed flush. */
void file_fail_write(struct file *file, struct tgt_bs_request *request, uint64_t done, int error,
		     bool synced)
{
	if (error == EIO && synced && !file->direct)
		file_fail_flush(file, request, error);
	else
		file_fail(file, request, done, error);
}

static void do_write(struct file *file, struct tgt_bs_request *request)
{
	struct cursor cursor = {request->iov, request->iovcnt, 0};
	const bool fua = (request->flags & TGT_BS_REQ_FUA) && !file->sync;
	int flags = fua && !atomic_load(&file->no_dsync) ? RWF_DSYNC : 0;
	uint64_t done = 0;
	int error;

	error = write_vector(file, &cursor, request->offset, request->length, flags, &done);
	if (error == EOPNOTSUPP && flags && done == 0) {
		atomic_store(&file->no_dsync, true);
		flags = 0;
		error = write_vector(file, &cursor, request->offset, request->length, 0, &done);
	}
	if (error)
		file_fail_write(file, request, done, error, flags || file->sync);
	else if (fua && !flags)
		sync_file(file, request);
}

/* Zeroes by writing them.  0 or a positive errno. */
static int write_zeroes(struct file *file, uint64_t offset, uint64_t length, uint64_t *done)
{
	static char zeroes[ZEROES] __attribute__((aligned(4096)));

	*done = 0;
	while (*done < length) {
		struct iovec vec[ZERO_VECTORS];
		struct cursor cursor = {vec, 0, 0};
		uint64_t step = 0, moved = 0;
		int error;

		while (cursor.left < ZERO_VECTORS && step < length - *done) {
			uint64_t rest = length - *done - step;

			vec[cursor.left].iov_base = zeroes;
			vec[cursor.left].iov_len = rest < ZEROES ? (size_t)rest : ZEROES;
			step += vec[cursor.left++].iov_len;
		}
		error = write_vector(file, &cursor, offset + *done, step, 0, &moved);
		*done += moved;
		if (error)
			return error;
	}
	return 0;
}

/* 0 or a positive errno; *unsupported is set for good once the file refuses that mode. */
static int allocate(struct file *file, int mode, const struct tgt_bs_request *request,
		    atomic_bool *unsupported)
{
	int rc;

	if (atomic_load_explicit(unsupported, memory_order_relaxed))
		return EOPNOTSUPP;
	do {
		rc = fallocate(file->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)request->offset,
			       (off_t)request->length);
	} while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return 0;
	if (errno == EOPNOTSUPP || errno == ENOSYS) {
		atomic_store(unsupported, true);
		return EOPNOTSUPP;
	}
	return errno;
}

/* Devices answer EINVAL to ranges that aren't whole blocks of theirs. */
static bool try_next(int error)
{
	return error == EOPNOTSUPP || error == EINVAL;
}

static void do_zero(struct file *file, struct tgt_bs_request *request, bool deallocate)
{
	uint64_t done = 0;
	int error = EOPNOTSUPP;

	if (request->length == 0)
		return; /* fallocate() refuses it */
	if (deallocate)
		error = allocate(file, FALLOC_FL_PUNCH_HOLE, request, &file->no_punch);
	if (try_next(error))
		error = allocate(file, FALLOC_FL_ZERO_RANGE, request, &file->no_zero_range);
	if (try_next(error))
		error = write_zeroes(file, request->offset, request->length, &done);
	if (error)
		file_fail(file, request, done, error);
	/* O_DSYNC speaks of writes; not every file system extends it to fallocate() */
	else if (file->sync || (request->flags & TGT_BS_REQ_FUA))
		sync_file(file, request);
}

void file_execute(struct file *file, struct tgt_bs_request *request)
{
	if (!file_admit(file, request))
		return;
	switch (request->op) {
	case TGT_BS_READ:
		do_read(file, request);
		break;
	case TGT_BS_WRITE:
		do_write(file, request);
		break;
	case TGT_BS_FLUSH:
		sync_file(file, request);
		break;
	case TGT_BS_DISCARD:
		do_zero(file, request, true);
		break;
	case TGT_BS_WRITE_ZEROES:
		do_zero(file, request, request->flags & TGT_BS_REQ_UNMAP);
		break;
	case TGT_BS_BLOCK_STATUS:
		file_block_status(file, request);
		break;
	default:
		request->status = TGT_BS_ERR_NOT_SUPPORTED;
	}
}
