/* SPDX-License-Identifier: MIT */
/*
 * A file or block device by io_uring, through the page cache or direct.  What a turn of the loop
 * brings leaves in one system call, and the kernel does it while nobody waits: what the page cache
 * has at once, what would block in threads of its own.
 */
#include "uring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct tgt_bs_host *host;

enum { OPT_DEPTH, NR_OPTIONS };
static const struct tgt_bs_option options[NR_OPTIONS] = {
    [OPT_DEPTH] =
	{
	    .struct_size = sizeof(struct tgt_bs_option),
	    .type = TGT_BS_OPT_UINT,
	    .name = "depth",
	    .default_value = "128",
	    .help = "requests in flight for each thread",
	    .min = 1,
	    .max = URING_MAX_DEPTH,
	},
};

static int uring_open(const struct tgt_bs_open_args *args, void **store, char *error,
		      size_t error_size)
{
	const bool direct = args->flags & TGT_BS_OPEN_DIRECT;
	struct uring *uring = calloc(1, sizeof(*uring));
	struct io_uring *ring;
	int rc;

	if (!uring) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	uring->host = host;
	uring->depth = (unsigned int)args->values[OPT_DEPTH].number;
	rc = file_open(&uring->file, args, direct, host, error, error_size);
	if (rc) {
		free(uring);
		return rc;
	}
	rc = uring_ring_create(uring, &ring, error, error_size);
	if (rc) {
		file_close(&uring->file);
		free(uring);
		return rc;
	}
	atomic_store(&uring->spare, ring);
	*store = uring;
	return 0;
}

static void uring_close(void *store)
{
	struct uring *uring = store;

	uring_channels_destroy(uring);
	file_close(&uring->file);
	free(uring);
}

static int uring_geometry(void *store, struct tgt_bs_geometry *geometry)
{
	struct uring *uring = store;

	return file_geometry(&uring->file, geometry);
}

static int uring_usage(void *store, struct tgt_bs_usage *usage)
{
	struct uring *uring = store;

	return file_usage(&uring->file, usage);
}

static int uring_submit(void *store, void *channel, struct tgt_bs_request *request)
{
	struct uring *uring = store;

	if (request->flags & TGT_BS_REQ_MAY_BLOCK) {
		file_execute(&uring->file, request);
	} else if (file_admit(&uring->file, request)) {
		if (uring_io_can(request) && uring_channel_queue(channel, request))
			return 0;
		return TGT_BS_WOULD_BLOCK;
	}
	host->complete(request);
	return 0;
}

static const struct tgt_bs_module module = {
    .struct_size = sizeof(module),
    .abi_major = TGT_BS_ABI_MAJOR,
    .abi_minor = TGT_BS_ABI_MINOR,
    .name = "uring",
    .version = "1.0",
    .help = "files and block devices, asynchronous, through the page cache or direct (io_uring)",
    .kind = TGT_BS_BLOCK,
    .capabilities = FILE_CAPABILITIES | TGT_BS_FLAG_SYNC | TGT_BS_FLAG_DIRECT,
    .thread_model = TGT_BS_REACTOR,
    .request_size = sizeof(struct uring_io),
    .options = options,
    .nr_options = NR_OPTIONS,
    .open = uring_open,
    .close = uring_close,
    .geometry = uring_geometry,
    .channel_open = uring_channel_open,
    .channel_close = uring_channel_close,
    .submit = uring_submit,
    .turn_end = uring_turn_end,
    .cancel = uring_cancel,
    .usage = uring_usage,
};

TGT_BS_MODULE(module, host);
