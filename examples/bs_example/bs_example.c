/* SPDX-License-Identifier: MIT */
/*
 * A RAM disk: the smallest backing store that passes the conformance suite.  Built outside tgt's
 * tree, against its public header alone; see the Makefile beside it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tgt/backing-store.h>

static const struct tgt_bs_host *host;

struct ram_disk {
	unsigned char *data;
	uint64_t size;
	pthread_mutex_t lock; /* several reactors submit at once */
};

enum { OPT_SIZE, NR_OPTIONS };
static const struct tgt_bs_option ram_options[NR_OPTIONS] = {
    [OPT_SIZE] = {.struct_size = sizeof(struct tgt_bs_option),
		  .type = TGT_BS_OPT_UINT,
		  .name = "size",
		  .default_value = "64M",
		  .help = "bytes of memory",
		  .min = 4096},
};

static int ram_open(const struct tgt_bs_open_args *args, void **store, char *error,
		    size_t error_size)
{
	struct ram_disk *disk = calloc(1, sizeof(*disk));

	if (disk) {
		/* What the operator asked for as the LUN's size goes before the option. */
		disk->size = args->size ? args->size : args->values[OPT_SIZE].number;
		disk->data = calloc(1, disk->size);
	}
	if (!disk || !disk->data) {
		snprintf(error, error_size, "no memory");
		free(disk);
		return -ENOMEM;
	}
	pthread_mutex_init(&disk->lock, NULL);
	host->log(args->lu, TGT_BS_LOG_INFO, "%llu bytes of RAM", (unsigned long long)disk->size);
	*store = disk;
	return 0;
}

static void ram_close(void *store)
{
	struct ram_disk *disk = store;

	pthread_mutex_destroy(&disk->lock);
	free(disk->data);
	free(disk);
}

static int ram_geometry(void *store, struct tgt_bs_geometry *geometry)
{
	const struct ram_disk *disk = store;

	geometry->size = disk->size;
	return 0;
}

/* Copies between the request's buffers and the memory from offset on. */
static void copy(const struct tgt_bs_request *request, unsigned char *at)
{
	for (uint32_t i = 0; i < request->iovcnt; i++) {
		const struct iovec *v = &request->iov[i];

		if (request->op == TGT_BS_READ)
			memcpy(v->iov_base, at, v->iov_len);
		else
			memcpy(at, v->iov_base, v->iov_len);
		at += v->iov_len;
	}
}

static int ram_submit(void *store, void *channel, struct tgt_bs_request *request)
{
	struct ram_disk *disk = store;

	(void)channel;
	if (request->offset > disk->size || request->length > disk->size - request->offset) {
		request->status = TGT_BS_ERR_OUT_OF_RANGE;
		request->info = disk->size;
	} else if (request->op == TGT_BS_READ || request->op == TGT_BS_WRITE) {
		pthread_mutex_lock(&disk->lock);
		copy(request, disk->data + request->offset);
		pthread_mutex_unlock(&disk->lock);
	} else if (request->op != TGT_BS_FLUSH) { /* memory is as stable as it gets */
		request->status = TGT_BS_ERR_NOT_SUPPORTED;
	}
	host->complete(request);
	return 0;
}

static const struct tgt_bs_module ram_module = {
    .struct_size = sizeof(struct tgt_bs_module),
    .abi_major = TGT_BS_ABI_MAJOR,
    .abi_minor = TGT_BS_ABI_MINOR,
    .name = "example",
    .version = "1.0",
    .help = "RAM disk, an example of a backing store",
    .kind = TGT_BS_BLOCK,
    .capabilities = TGT_BS_CAN_WRITE | TGT_BS_CAN_FLUSH | TGT_BS_CAN_FUA,
    .thread_model = TGT_BS_REACTOR,
    .options = ram_options,
    .nr_options = NR_OPTIONS,
    .open = ram_open,
    .close = ram_close,
    .geometry = ram_geometry,
    .submit = ram_submit,
};
TGT_BS_MODULE(ram_module, host);
