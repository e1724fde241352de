/* SPDX-License-Identifier: MIT */
/*
 * A file or block device by plain reads and writes.  What the page cache holds is read on the
 * reactor; all else goes to a worker.  A read that misses goes there whole: only an ordinary read
 * starts the read-ahead which makes the next ones hit.
 *
 * No write is tried on the reactor: where RWF_NOWAIT is known for writes (XFS, btrfs), pwritev2()
 * with it still waits for as long as the file system is frozen.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

#include <tgt/backing-store.h>

#include "../common/file.h"

#define INLINE_MAX (1u << 20) /* longer ones would keep the reactor for a millisecond */

struct rdwr {
	struct file file;
	atomic_bool no_nowait; /* the file answered EOPNOTSUPP */
};

static const struct tgt_bs_host *host;

static int rdwr_open(const struct tgt_bs_open_args *args, void **store, char *error,
		     size_t error_size)
{
	const bool direct = args->flags & TGT_BS_OPEN_DIRECT;
	struct rdwr *rdwr = calloc(1, sizeof(*rdwr));
	int rc;

	if (!rdwr) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	rc = file_open(&rdwr->file, args, direct, host, error, error_size);
	if (rc) {
		free(rdwr);
		return rc;
	}
	/* the submission of a direct read may be non-blocking, preadv2() still waits for its end */
	atomic_init(&rdwr->no_nowait, direct);
	*store = rdwr;
	return 0;
}

static void rdwr_close(void *store)
{
	struct rdwr *rdwr = store;

	file_close(&rdwr->file);
	free(rdwr);
}

static int rdwr_geometry(void *store, struct tgt_bs_geometry *geometry)
{
	struct rdwr *rdwr = store;

	return file_geometry(&rdwr->file, geometry);
}

/* True when the page cache had all of it. */
static bool read_cached(struct rdwr *rdwr, const struct tgt_bs_request *request)
{
	ssize_t n;

	if (atomic_load_explicit(&rdwr->no_nowait, memory_order_relaxed) ||
	    request->iovcnt > IOV_MAX || request->length > INLINE_MAX)
		return false;
	n = preadv2(rdwr->file.fd, request->iov, (int)request->iovcnt, (off_t)request->offset,
		    RWF_NOWAIT);
	if (n < 0 && errno == EOPNOTSUPP)
		atomic_store(&rdwr->no_nowait, true);
	return n >= 0 && (uint64_t)n == request->length;
}

static int rdwr_usage(void *store, struct tgt_bs_usage *usage)
{
	struct rdwr *rdwr = store;

	return file_usage(&rdwr->file, usage);
}

static int rdwr_submit(void *store, void *channel, struct tgt_bs_request *request)
{
	struct rdwr *rdwr = store;

	(void)channel;
	if (request->flags & TGT_BS_REQ_MAY_BLOCK)
		file_execute(&rdwr->file, request);
	else if (file_admit(&rdwr->file, request) &&
		 (request->op != TGT_BS_READ || !read_cached(rdwr, request)))
		return TGT_BS_WOULD_BLOCK;
	host->complete(request);
	return 0;
}

static const struct tgt_bs_module module = {
    .struct_size = sizeof(module),
    .abi_major = TGT_BS_ABI_MAJOR,
    .abi_minor = TGT_BS_ABI_MINOR,
    .name = "rdwr",
    .version = "1.0",
    .help = "files and block devices, through the page cache or direct",
    .kind = TGT_BS_BLOCK,
    .capabilities = FILE_CAPABILITIES | TGT_BS_FLAG_SYNC | TGT_BS_FLAG_DIRECT,
    .thread_model = TGT_BS_REACTOR,
    .open = rdwr_open,
    .close = rdwr_close,
    .geometry = rdwr_geometry,
    .submit = rdwr_submit,
    .usage = rdwr_usage,
};

TGT_BS_MODULE(module, host);
