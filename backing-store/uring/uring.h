/* SPDX-License-Identifier: MIT */
/* The parts of the uring store. */
#ifndef TGT_BACKING_STORE_URING_H
#define TGT_BACKING_STORE_URING_H

#include <liburing.h>

#include <tgt/backing-store.h>

#include "../common/file.h"

#define URING_MAX_DEPTH 4096

struct channel;
struct uring_regions;

struct uring {
	struct file file;
	const struct tgt_bs_host *host;
	unsigned int depth;             /* requests that the kernel may hold for one channel */
	struct io_uring *_Atomic spare; /* made at open, for the first channel that needs one */
	struct channel *_Atomic closed; /* channels whose rings are still to be destroyed */
};

/* What the kernel is asked to do for a request; some take several, one after the other. */
enum uring_step {
	STEP_READ,
	STEP_WRITE,
	STEP_PUNCH,
	STEP_ZERO_RANGE,
	STEP_WRITE_ZEROES, /* where neither of these is possible */
	STEP_SYNC,
};

/* One request's module_data. */
struct uring_io {
	struct tgt_bs_request *request;
	struct uring_io *next, **link; /* waiting; link is NULL while the kernel has it */
	uint64_t done;                 /* bytes through, from earlier rounds */
	size_t skip;                   /* of the iovec that comes next, bytes that are done */
	uint32_t element;              /* which that is */
	uint8_t step;                  /* enum uring_step */
	bool dsync;                    /* this round is to be durable when it ends */
	bool begun;                    /* it has had an effect: it can't be cancelled any more */
	bool cancelling;               /* the kernel was asked to */
};

/* ---- ring.c ---- */

/* A ring with the store's file as its file 0.  0; or -errno, and error says what to do.  Any
 * thread. */
int uring_ring_create(struct uring *uring, struct io_uring **ring, char *error, size_t error_size);
/* Lets go of the file.  Any thread; may block. */
void uring_ring_destroy(struct io_uring *ring);

/* ---- step.c ---- */

/* Whether the kernel does such a request while nobody waits. */
bool uring_io_can(const struct tgt_bs_request *request);
void uring_io_start(const struct uring *uring, struct uring_io *io, struct tgt_bs_request *request);
void uring_io_prepare(const struct uring *uring, struct uring_io *io, struct io_uring_sqe *sqe);
/* Takes the result of a round.  True: that was the last one, and the request's results are set. */
bool uring_io_result(struct uring *uring, struct uring_io *io, int result);

/* ---- regions.c ---- */

/* For a new ring of that reactor's; NULL: it does without.  free() it with the ring.  On the
 * reactor's thread, as uring_regions_use(). */
struct uring_regions *uring_regions_create(const struct uring *uring,
					   struct tgt_bs_reactor *reactor, struct io_uring *ring);
/* Lets a READ or WRITE name the registered memory that its data lie in, if they do. */
void uring_regions_use(struct uring_regions *regions, struct io_uring_sqe *sqe);

/* ---- channel.c ---- */

/* The descriptor's functions of the same names. */
int uring_channel_open(void *store, struct tgt_bs_reactor *reactor, void **channel);
void uring_channel_close(void *store, void *channel);
void uring_turn_end(void *store, void *channel);
void uring_cancel(void *store, void *channel, struct tgt_bs_request *request);

/* Takes a request that the kernel can do; false when the channel can't be used, and a worker has
 * to. */
bool uring_channel_queue(void *channel, struct tgt_bs_request *request);

/* What is left of the channels that were closed.  Blocks. */
void uring_channels_destroy(struct uring *uring);

#endif
