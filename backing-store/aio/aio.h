/* SPDX-License-Identifier: MIT */
/* The parts of the aio store. */
#ifndef TGT_BACKING_STORE_AIO_H
#define TGT_BACKING_STORE_AIO_H

#include <libaio.h>

#include <tgt/backing-store.h>

#include "../common/file.h"

#define AIO_MAX_DEPTH 4096

struct channel;

struct aio {
	struct file file;
	const struct tgt_bs_host *host;
	unsigned int depth;             /* requests that the kernel may hold for one channel */
	bool async_flush;               /* the kernel has IOCB_CMD_FDSYNC for this file */
	bool async_fua;                 /* and takes RWF_DSYNC */
	_Atomic(io_context_t) spare;    /* made at open, for the first channel that needs one */
	struct channel *_Atomic closed; /* channels whose contexts are still to be destroyed */
};

/* One request's module_data. */
struct aio_io {
	struct iocb iocb;
	struct tgt_bs_request *request;
	struct aio_io *next, **link; /* waiting; link is NULL while the kernel has it */
	uint64_t done;               /* bytes through, from earlier rounds */
	uint32_t element;            /* the iovec that comes next … */
	size_t skip;                 /* … and the bytes of it that are done */
};

/* io_setup() with a text of what a failure means.  0 or -errno. */
int aio_setup(unsigned int depth, io_context_t *context, char *error, size_t error_size);

/* The descriptor's functions of the same names. */
int aio_channel_open(void *store, struct tgt_bs_reactor *reactor, void **channel);
void aio_channel_close(void *store, void *channel);
void aio_turn_end(void *store, void *channel);
void aio_cancel(void *store, void *channel, struct tgt_bs_request *request);

/* Takes a READ, WRITE or FLUSH that the kernel can do; false when the channel can't be used, and a
 * worker has to. */
bool aio_channel_queue(void *channel, struct tgt_bs_request *request);

/* What is left of the channels that were closed.  Blocks. */
void aio_channels_destroy(struct aio *aio);

#endif
