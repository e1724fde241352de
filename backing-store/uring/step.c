/* SPDX-License-Identifier: MIT */
/*
 * What the kernel is asked for a request, and what its answer means.  The meaning is that of
 * file_execute(), which does the same by calls that block.
 */
#include "uring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <sys/uio.h>

#include "../common/status.h"

#define FILE_INDEX 0         /* the store's file among those of the ring */
#define MAX_PIECE (1u << 30) /* of one READ or WRITE, whose length has 32 bits */
#define ZEROES (64u << 10)
#define ZERO_VECTORS 16

static char zeroes[ZEROES] __attribute__((aligned(4096)));
#define ZERO_VECTOR                                                                                \
	{                                                                                          \
		zeroes, ZEROES                                                                     \
	}
#define ZERO_VECTORS_4 ZERO_VECTOR, ZERO_VECTOR, ZERO_VECTOR, ZERO_VECTOR
static const struct iovec zero_vectors[ZERO_VECTORS] = {ZERO_VECTORS_4, ZERO_VECTORS_4,
							ZERO_VECTORS_4, ZERO_VECTORS_4};

bool uring_io_can(const struct tgt_bs_request *request)
{
	switch (request->op) {
	case TGT_BS_FLUSH:
		return true;
	case TGT_BS_READ:
	case TGT_BS_WRITE:
	case TGT_BS_DISCARD:
	case TGT_BS_WRITE_ZEROES:
		return request->length > 0;
	default:
		return false;
	}
}

static bool is_set(const atomic_bool *flag)
{
	return atomic_load_explicit(flag, memory_order_relaxed);
}

static enum uring_step zeroing_step(const struct file *file, bool deallocate)
{
	if (deallocate && !is_set(&file->no_punch))
		return STEP_PUNCH;
	return is_set(&file->no_zero_range) ? STEP_WRITE_ZEROES : STEP_ZERO_RANGE;
}

static enum uring_step first_step(const struct file *file, const struct tgt_bs_request *request)
{
	switch (request->op) {
	case TGT_BS_READ:
		return STEP_READ;
	case TGT_BS_WRITE:
		return STEP_WRITE;
	case TGT_BS_DISCARD:
		return zeroing_step(file, true);
	case TGT_BS_WRITE_ZEROES:
		return zeroing_step(file, request->flags & TGT_BS_REQ_UNMAP);
	default:
		return STEP_SYNC;
	}
}

void uring_io_start(const struct uring *uring, struct uring_io *io, struct tgt_bs_request *request)
{
	*io = (struct uring_io){
	    .request = request,
	    .step = (uint8_t)first_step(&uring->file, request),
	};
}

/* ---- asking ---- */

/* All whole elements that are left, or what is left of one that is begun. */
static void prepare_transfer(const struct uring_io *io, struct io_uring_sqe *sqe)
{
	const struct tgt_bs_request *request = io->request;
	const struct iovec *at = request->iov + io->element;
	const uint64_t offset = request->offset + io->done;
	const uint32_t left = request->iovcnt - io->element;
	const bool write = io->step == STEP_WRITE;

	if (left == 1 || io->skip) {
		void *buf = (char *)at->iov_base + io->skip;
		size_t length = at->iov_len - io->skip;

		io_uring_prep_rw(write ? IORING_OP_WRITE : IORING_OP_READ, sqe, FILE_INDEX, buf,
				 length < MAX_PIECE ? (unsigned int)length : MAX_PIECE, offset);
	} else {
		io_uring_prep_rw(write ? IORING_OP_WRITEV : IORING_OP_READV, sqe, FILE_INDEX, at,
				 left < IOV_MAX ? left : IOV_MAX, offset);
	}
	if (io->dsync)
		sqe->rw_flags = RWF_DSYNC;
}

static void prepare_zeroes(const struct uring_io *io, struct io_uring_sqe *sqe)
{
	const uint64_t offset = io->request->offset + io->done;
	const uint64_t left = io->request->length - io->done;
	const uint64_t vectors = left / ZEROES;

	if (vectors == 0)
		io_uring_prep_write(sqe, FILE_INDEX, zeroes, (unsigned int)left, offset);
	else
		io_uring_prep_writev(sqe, FILE_INDEX, zero_vectors,
				     vectors < ZERO_VECTORS ? (unsigned int)vectors : ZERO_VECTORS,
				     offset);
}

static void prepare_allocation(const struct uring_io *io, struct io_uring_sqe *sqe)
{
	const int mode = io->step == STEP_PUNCH ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;

	io_uring_prep_fallocate(sqe, FILE_INDEX, mode | FALLOC_FL_KEEP_SIZE,
				(off_t)io->request->offset, (off_t)io->request->length);
}

static bool wants_dsync(const struct uring *uring, const struct uring_io *io)
{
	return io->step == STEP_WRITE && io->request->flags & TGT_BS_REQ_FUA && !uring->file.sync &&
	       !is_set(&uring->file.no_dsync);
}

void uring_io_prepare(const struct uring *uring, struct uring_io *io, struct io_uring_sqe *sqe)
{
	io->dsync = wants_dsync(uring, io);
	switch (io->step) {
	case STEP_READ:
	case STEP_WRITE:
		prepare_transfer(io, sqe);
		break;
	case STEP_WRITE_ZEROES:
		prepare_zeroes(io, sqe);
		break;
	case STEP_SYNC:
		io_uring_prep_fsync(sqe, FILE_INDEX, IORING_FSYNC_DATASYNC);
		break;
	default:
		prepare_allocation(io, sqe);
	}
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data(sqe, io);
}

/* ---- answers ---- */

/* There is more to do, and what was done can't be taken back. */
static bool go_on(struct uring_io *io)
{
	io->begun = true;
	return false;
}

static bool needs_sync(const struct file *file, const struct uring_io *io)
{
	const bool fua = io->request->flags & TGT_BS_REQ_FUA;

	if (io->step == STEP_READ || io->dsync)
		return false;
	if (io->step == STEP_WRITE)
		return fua && !file->sync;
	/* O_DSYNC speaks of writes; not every file system extends it to fallocate() */
	return fua || file->sync;
}

static bool finished(const struct file *file, struct uring_io *io)
{
	if (!needs_sync(file, io))
		return true;
	io->step = STEP_SYNC;
	return go_on(io);
}

/* Moves the place where the next round starts. */
static void advance(struct uring_io *io, size_t bytes)
{
	const struct tgt_bs_request *request = io->request;

	io->done += bytes;
	if (io->step == STEP_WRITE_ZEROES)
		return;
	bytes += io->skip;
	while (io->element < request->iovcnt && bytes >= request->iov[io->element].iov_len)
		bytes -= request->iov[io->element++].iov_len;
	io->skip = bytes;
}

/* Direct I/O moves whole blocks; less means that the file ended there. */
static bool ended(const struct file *file, size_t moved)
{
	return moved == 0 || moved % file->io_alignment != 0;
}

static bool transferred(struct file *file, struct uring_io *io, size_t bytes)
{
	struct tgt_bs_request *request = io->request;

	advance(io, bytes);
	if (io->done >= request->length)
		return finished(file, io);
	if (!ended(file, bytes))
		return go_on(io);
	if (io->step == STEP_READ) {
		status_set_eof(request, io->done);
		file_report(file, request, 0);
	} else {
		file_fail(file, request, io->done, EIO);
	}
	return true;
}

static bool transfer_failed(struct file *file, struct uring_io *io, int error)
{
	if (error == EOPNOTSUPP && io->dsync && io->done == 0) {
		/* the file system has no RWF_DSYNC: write, and then synchronise */
		atomic_store(&file->no_dsync, true);
		return false;
	}
	if (io->step == STEP_WRITE)
		file_fail_write(file, io->request, io->done, error, io->dsync || file->sync);
	else
		file_fail(file, io->request, io->done, error);
	return true;
}

static bool allocated(struct file *file, struct uring_io *io, int error)
{
	const bool punch = io->step == STEP_PUNCH;

	if (error == 0)
		return finished(file, io);
	/* devices answer EINVAL to ranges that aren't whole blocks of theirs */
	if (error != EOPNOTSUPP && error != ENOSYS && error != EINVAL) {
		file_fail(file, io->request, 0, error);
		return true;
	}
	if (error != EINVAL)
		atomic_store(punch ? &file->no_punch : &file->no_zero_range, true);
	io->step = (uint8_t)(punch ? zeroing_step(file, false) : STEP_WRITE_ZEROES);
	return false;
}

static bool cancelled(struct uring_io *io)
{
	if (io->begun)
		return go_on(io); /* CANCELLED says that nothing happened; the rest will follow */
	io->request->status = TGT_BS_ERR_CANCELLED;
	return true;
}

bool uring_io_result(struct uring *uring, struct uring_io *io, int result)
{
	struct file *file = &uring->file;
	const int error = result < 0 ? -result : 0;

	if (error == EINTR)
		return go_on(io);
	if (error == ECANCELED)
		return cancelled(io);
	switch (io->step) {
	case STEP_SYNC:
		if (error)
			file_fail_flush(file, io->request, error);
		return true;
	case STEP_PUNCH:
	case STEP_ZERO_RANGE:
		return allocated(file, io, error);
	default:
		return error ? transfer_failed(file, io, error)
			     : transferred(file, io, (size_t)result);
	}
}
