/* SPDX-License-Identifier: MIT */
/* What an errno of file I/O means to the daemon: one table for all stores that sit on files. */
#ifndef TGT_BACKING_STORE_COMMON_STATUS_H
#define TGT_BACKING_STORE_COMMON_STATUS_H

#include <errno.h>
#include <stdbool.h>

#include <tgt/backing-store.h>

static inline bool status_is_write(const struct tgt_bs_request *request)
{
	return request->op != TGT_BS_READ && request->op != TGT_BS_BLOCK_STATUS;
}

/* The status that error (a positive errno) gives a request, FLUSH excepted. */
static inline enum tgt_bs_status status_of_errno(const struct tgt_bs_request *request, int error)
{
	const bool write = status_is_write(request);

	switch (error) {
	case EIO:
	case EILSEQ:
	case EBADMSG:
	case EUCLEAN:
	case ENODATA:
	case EREMOTEIO:
		return write ? TGT_BS_ERR_WRITE : TGT_BS_ERR_READ;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return TGT_BS_ERR_NO_SPACE;
	case EROFS:
	case EPERM:
	case EACCES:
	case ETXTBSY:
		return write ? TGT_BS_ERR_WRITE_PROTECTED : TGT_BS_ERR_HARDWARE;
	case EAGAIN:
	case ENOMEM:
	case ENOBUFS:
		return TGT_BS_ERR_BUSY;
	case ETIMEDOUT:
	case ETIME:
		return TGT_BS_ERR_TIMED_OUT;
	case EOPNOTSUPP:
		return TGT_BS_ERR_NOT_SUPPORTED;
	case EINVAL:
		return TGT_BS_ERR_INVALID;
	default:
		return TGT_BS_ERR_HARDWARE;
	}
}

/* Sets the request's result: done bytes are through, the next one met error (a positive errno). */
static inline void status_set_errno(struct tgt_bs_request *request, uint64_t done, int error)
{
	request->status = status_of_errno(request, error);
	request->actual = done;
	request->info = request->offset + done;
}

/* The file ends where the medium goes on: it shrank under us. */
static inline void status_set_eof(struct tgt_bs_request *request, uint64_t done)
{
	request->status = TGT_BS_ERR_READ;
	request->actual = done;
	request->info = request->offset + done;
}

#endif
