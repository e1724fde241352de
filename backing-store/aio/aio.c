/* SPDX-License-Identifier: MIT */
/*
 * A file or block device by the kernel's asynchronous, direct I/O (libaio).  Reads, writes and
 * flushes are queued on the reactor and leave in one io_submit() a turn; what the kernel can only
 * do while the caller waits goes to a worker.
 */
#include "aio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

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
	    .max = AIO_MAX_DEPTH,
	},
};

int aio_setup(unsigned int depth, io_context_t *context, char *error, size_t error_size)
{
	int rc;

	*context = NULL;
	rc = io_setup((int)depth, context);
	if (rc == -EAGAIN)
		snprintf(error, error_size,
			 "the system's limit of asynchronous requests (fs.aio-max-nr) leaves no "
			 "room for %u more",
			 depth);
	else if (rc == -ENOSYS)
		snprintf(error, error_size, "this kernel has no asynchronous I/O (io_setup)");
	else if (rc < 0)
		snprintf(error, error_size, "io_setup: %s", strerror(-rc));
	return rc;
}

/* What the kernel makes of one request that changes nothing. */
static bool accepts(io_context_t context, struct iocb *iocb)
{
	struct io_event event;

	if (io_submit(context, 1, &iocb) != 1)
		return false;
	return io_getevents(context, 1, 1, &event, NULL) == 1 && (long)event.res >= 0;
}

static int probe(struct aio *aio, char *error, size_t error_size)
{
	struct iovec nothing = {NULL, 0};
	io_context_t context;
	struct iocb iocb;
	int rc = aio_setup(aio->depth, &context, error, error_size);

	if (rc)
		return rc;
	io_prep_fdsync(&iocb, aio->file.fd);
	aio->async_flush = accepts(context, &iocb);
	io_prep_pwritev2(&iocb, aio->file.fd, &nothing, 1, 0, RWF_DSYNC);
	aio->async_fua = !aio->file.readonly && accepts(context, &iocb);
	atomic_store(&aio->spare, context);
	return 0;
}

static int aio_open(const struct tgt_bs_open_args *args, void **store, char *error,
		    size_t error_size)
{
	struct aio *aio = calloc(1, sizeof(*aio));
	int rc;

	if (!aio) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	aio->host = host;
	aio->depth = (unsigned int)args->values[OPT_DEPTH].number;
	rc = file_open(&aio->file, args, true, host, error, error_size);
	if (rc) {
		free(aio);
		return rc;
	}
	rc = probe(aio, error, error_size);
	if (rc) {
		file_close(&aio->file);
		free(aio);
		return rc;
	}
	*store = aio;
	return 0;
}

static void aio_close(void *store)
{
	struct aio *aio = store;

	aio_channels_destroy(aio);
	file_close(&aio->file);
	free(aio);
}

static int aio_geometry(void *store, struct tgt_bs_geometry *geometry)
{
	struct aio *aio = store;

	return file_geometry(&aio->file, geometry);
}

static bool can_queue(const struct aio *aio, const struct tgt_bs_request *request)
{
	switch (request->op) {
	case TGT_BS_READ:
		return request->length > 0;
	case TGT_BS_WRITE:
		return request->length > 0 &&
		       (aio->async_fua || !(request->flags & TGT_BS_REQ_FUA));
	case TGT_BS_FLUSH:
		return aio->async_flush;
	default:
		return false;
	}
}

static int aio_usage(void *store, struct tgt_bs_usage *usage)
{
	struct aio *aio = store;

	return file_usage(&aio->file, usage);
}

static int aio_submit(void *store, void *channel, struct tgt_bs_request *request)
{
	struct aio *aio = store;

	if (request->flags & TGT_BS_REQ_MAY_BLOCK) {
		file_execute(&aio->file, request);
	} else if (file_admit(&aio->file, request)) {
		if (can_queue(aio, request) && aio_channel_queue(channel, request))
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
    .name = "aio",
    .version = "1.0",
    .help = "files and block devices, asynchronous and direct (libaio)",
    .kind = TGT_BS_BLOCK,
    .capabilities = FILE_CAPABILITIES | TGT_BS_FLAG_SYNC | TGT_BS_FLAG_DIRECT,
    .thread_model = TGT_BS_REACTOR,
    .request_size = sizeof(struct aio_io),
    .options = options,
    .nr_options = NR_OPTIONS,
    .open = aio_open,
    .close = aio_close,
    .geometry = aio_geometry,
    .channel_open = aio_channel_open,
    .channel_close = aio_channel_close,
    .submit = aio_submit,
    .turn_end = aio_turn_end,
    .cancel = aio_cancel,
    .usage = aio_usage,
};

TGT_BS_MODULE(module, host);
