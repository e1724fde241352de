/* SPDX-License-Identifier: MIT */
/* A disk of any size that forgets what is written and reads as zeroes: for measuring the rest. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tgt/backing-store.h>

struct null_store {
	uint64_t size;
	uint32_t flags;
};

static const struct tgt_bs_host *host;

enum { OPT_SIZE, NR_OPTIONS };
static const struct tgt_bs_option options[NR_OPTIONS] = {
    [OPT_SIZE] =
	{
	    .struct_size = sizeof(struct tgt_bs_option),
	    .type = TGT_BS_OPT_UINT,
	    .name = "size",
	    .default_value = "1T",
	    .help = "bytes of the disk",
	    .min = 512,
	    .max = INT64_MAX,
	},
};

static int null_open(const struct tgt_bs_open_args *args, void **store, char *error,
		     size_t error_size)
{
	struct null_store *null = malloc(sizeof(*null));

	if (!null) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	null->size = args->size ? args->size : args->values[OPT_SIZE].number;
	null->flags = args->flags;
	*store = null;
	return 0;
}

static void null_close(void *store)
{
	free(store);
}

static int null_geometry(void *store, struct tgt_bs_geometry *geometry)
{
	const struct null_store *null = store;

	geometry->size = null->size;
	geometry->flags = TGT_BS_GEO_DISCARD;
	if (null->flags & TGT_BS_OPEN_READONLY)
		geometry->flags |= TGT_BS_GEO_READONLY;
	return 0;
}

static void nothing_is_mapped(struct tgt_bs_request *request)
{
	request->extents[0] = (struct tgt_bs_extent){
	    .offset = request->offset,
	    .length = request->length,
	};
	request->nr_extents = 1;
}

static void execute(const struct null_store *null, struct tgt_bs_request *request)
{
	switch (request->op) {
	case TGT_BS_READ:
		for (uint32_t i = 0; i < request->iovcnt; i++)
			memset(request->iov[i].iov_base, 0, request->iov[i].iov_len);
		break;
	case TGT_BS_FLUSH:
		break;
	case TGT_BS_BLOCK_STATUS:
		nothing_is_mapped(request);
		break;
	case TGT_BS_WRITE:
	case TGT_BS_DISCARD:
	case TGT_BS_WRITE_ZEROES:
	case TGT_BS_WRITE_SAME:
		if (null->flags & TGT_BS_OPEN_READONLY)
			request->status = TGT_BS_ERR_WRITE_PROTECTED;
		break;
	default:
		request->status = TGT_BS_ERR_NOT_SUPPORTED;
	}
}

static int null_submit(void *store, void *channel, struct tgt_bs_request *request)
{
	const struct null_store *null = store;

	(void)channel;
	if (request->offset > null->size || request->length > null->size - request->offset) {
		request->status = TGT_BS_ERR_OUT_OF_RANGE;
		request->info = null->size;
	} else {
		execute(null, request);
	}
	host->complete(request);
	return 0;
}

static const struct tgt_bs_module module = {
    .struct_size = sizeof(module),
    .abi_major = TGT_BS_ABI_MAJOR,
    .abi_minor = TGT_BS_ABI_MINOR,
    .name = "null",
    .version = "1.0",
    .help = "discards writes, reads zeroes",
    .kind = TGT_BS_BLOCK,
    .capabilities = TGT_BS_CAN_WRITE | TGT_BS_CAN_FLUSH | TGT_BS_CAN_FUA | TGT_BS_CAN_DISCARD |
		    TGT_BS_CAN_WRITE_ZEROES | TGT_BS_CAN_BLOCK_STATUS | TGT_BS_CAN_WRITE_SAME,
    .thread_model = TGT_BS_REACTOR,
    .options = options,
    .nr_options = NR_OPTIONS,
    .open = null_open,
    .close = null_close,
    .geometry = null_geometry,
    .submit = null_submit,
};

TGT_BS_MODULE(module, host);
