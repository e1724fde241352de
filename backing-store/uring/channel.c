/* SPDX-License-Identifier: MIT */
/*
 * One reactor's ring.  All on that reactor's thread.
 *
 * It is made by the first request: most reactors never serve a given logical unit.
 *
 * A request waits in the queue until turn_end(), or until the ring has room for it.  One system
 * call then hands over all that wait, or several of direct I/O; what could be done at once (a read
 * that the page cache has) has ended when it returns.  What ends later makes the ring readable, and
 * is taken from it without a call.  Between two calls the submission ring is empty, so that what
 * waits can be cancelled.
 */
#include "uring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define RETRY_MS 1

/* Direct requests of one call: the kernel tells the device when it has taken them all, and the
 * device shall work on the first while it takes the others. */
#define DIRECT_BATCH 8

struct channel {
	struct uring *uring;
	struct tgt_bs_reactor *reactor;
	struct io_uring *ring;
	struct uring_regions *regions; /* or NULL */
	struct tgt_bs_watch *watch;
	struct tgt_bs_timer *retry; /* NULL: never used; to be deleted also when it has fired */
	bool retry_armed;
	bool failed;                    /* no ring could be had: workers do it all */
	struct uring_io *first, **tail; /* waiting */
	unsigned int in_flight;
	struct channel *next_closed;
};

static void queue_push(struct channel *channel, struct uring_io *io)
{
	io->next = NULL;
	io->link = channel->tail;
	*channel->tail = io;
	channel->tail = &io->next;
}

static void queue_remove(struct channel *channel, struct uring_io *io)
{
	*io->link = io->next;
	if (io->next)
		io->next->link = io->link;
	else
		channel->tail = io->link;
	io->link = NULL;
}

/* ---- handing over, and taking back ---- */

static unsigned int room_now(const struct channel *channel)
{
	const struct uring *uring = channel->uring;
	const unsigned int room = uring->depth - channel->in_flight;

	return uring->file.direct && room > DIRECT_BATCH ? DIRECT_BATCH : room;
}

/* Writes what waits into the submission ring, as far as there is room; how many. */
static unsigned int fill(struct channel *channel)
{
	const unsigned int room = room_now(channel);
	unsigned int n = 0;

	for (struct uring_io *io = channel->first; io && n < room; io = io->next, n++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(channel->ring);

		if (!sqe)
			break;
		uring_io_prepare(channel->uring, io, sqe);
		uring_regions_use(channel->regions, sqe);
	}
	return n;
}

/* Takes back what the kernel left in the submission ring; how many.  It looks there only when it is
 * called. */
static unsigned int withdraw(struct io_uring *ring)
{
	const unsigned int left = io_uring_sq_ready(ring);

	if (left) {
		ring->sq.sqe_tail -= left;
		ring->sq.sqe_head = ring->sq.sqe_tail;
		*ring->sq.ktail = ring->sq.sqe_tail;
	}
	return left;
}

/* One system call; how many requests it took. */
static unsigned int hand_over(struct channel *channel)
{
	const unsigned int n = fill(channel);
	unsigned int taken;

	if (n == 0)
		return 0;
	/* an error is told by what it left */
	io_uring_submit(channel->ring);
	taken = n - withdraw(channel->ring);
	for (unsigned int i = 0; i < taken; i++)
		queue_remove(channel, channel->first);
	channel->in_flight += taken;
	return taken;
}

static void finish(struct channel *channel, struct uring_io *io, int result)
{
	struct uring *uring = channel->uring;

	channel->in_flight--;
	io->cancelling = false;
	if (uring_io_result(uring, io, result))
		uring->host->complete(io->request);
	else
		queue_push(channel, io);
}

/* Works off what has ended; how many. */
static unsigned int reap(struct channel *channel)
{
	struct io_uring_cqe *cqe;
	unsigned int head, n = 0;

	io_uring_for_each_cqe(channel->ring, head, cqe)
	{
		struct uring_io *io = io_uring_cqe_get_data(cqe);

		if (io) /* else it is the answer to a wish to cancel */
			finish(channel, io, cqe->res);
		n++;
	}
	if (n)
		io_uring_cq_advance(channel->ring, n);
	return n;
}

static void retry_later(struct channel *channel);

static void run(struct channel *channel)
{
	unsigned int taken, over;

	do {
		taken = hand_over(channel);
		over = reap(channel);
	} while (channel->first && taken + over > 0);
	/* with others in flight, their completion brings us back here */
	if (channel->first && channel->in_flight == 0)
		retry_later(channel);
}

static void on_ready(void *arg, uint32_t events)
{
	struct channel *channel = arg;

	(void)events;
	/* what has ended makes room */
	reap(channel);
	run(channel);
}

static void retry(void *arg)
{
	struct channel *channel = arg;

	channel->retry_armed = false;
	run(channel);
}

static void retry_later(struct channel *channel)
{
	const struct tgt_bs_host *host = channel->uring->host;

	if (channel->retry_armed)
		return;
	if (channel->retry)
		host->timer_del(channel->retry);
	channel->retry = NULL;
	if (host->timer_add(channel->reactor, RETRY_MS, retry, channel, &channel->retry) == 0) {
		channel->retry_armed = true;
		return;
	}
	while (channel->first) {
		struct uring_io *io = channel->first;

		queue_remove(channel, io);
		file_fail(&channel->uring->file, io->request, io->done, EAGAIN);
		host->complete(io->request);
	}
}

void uring_turn_end(void *store, void *opaque)
{
	(void)store;
	run(opaque);
}

/* ---- cancelling ---- */

static void ask_to_cancel(struct channel *channel, struct uring_io *io)
{
	struct io_uring_sqe *sqe;

	/* once: each answer takes a place in the completion ring, which has twice the depth */
	if (io->cancelling)
		return;
	io->cancelling = true;
	sqe = io_uring_get_sqe(channel->ring); /* the ring is empty */
	io_uring_prep_cancel(sqe, io, 0);
	io_uring_sqe_set_data(sqe, NULL);
	io_uring_submit(channel->ring);
	withdraw(channel->ring);
}

void uring_cancel(void *store, void *opaque, struct tgt_bs_request *request)
{
	struct channel *channel = opaque;
	struct uring_io *io = request->module_data;

	(void)store;
	if (!channel || (request->flags & TGT_BS_REQ_MAY_BLOCK))
		return; /* a worker has it, and module_data was never filled */
	if (io->begun)
		return; /* it has had an effect; the rest will follow */
	if (!io->link) {
		ask_to_cancel(channel, io);
		return;
	}
	queue_remove(channel, io);
	request->status = TGT_BS_ERR_CANCELLED;
	channel->uring->host->complete(request);
}

/* ---- beginning and end ---- */

static int create_ring(struct channel *channel, char *error, size_t error_size)
{
	struct uring *uring = channel->uring;
	int rc;

	channel->ring = atomic_exchange(&uring->spare, NULL);
	if (!channel->ring) {
		rc = uring_ring_create(uring, &channel->ring, error, error_size);
		if (rc)
			return rc;
	}
	rc = uring->host->fd_watch(channel->reactor, channel->ring->ring_fd, EPOLLIN, on_ready,
				   channel, &channel->watch);
	if (rc) {
		snprintf(error, error_size, "io_uring can't be waited for: %s", strerror(-rc));
		return rc;
	}
	channel->regions = uring_regions_create(uring, channel->reactor, channel->ring);
	return 0;
}

/* True when the channel has what it needs, and makes it at first. */
static bool prepare_channel(struct channel *channel)
{
	struct uring *uring = channel->uring;
	char error[200];

	if (channel->watch)
		return true;
	if (channel->failed)
		return false;
	if (create_ring(channel, error, sizeof(error)) == 0)
		return true;
	channel->failed = true;
	uring->host->log(uring->file.lu, TGT_BS_LOG_ERR, "%s: slow from now on: %s",
			 uring->file.path, error);
	return false;
}

bool uring_channel_queue(void *opaque, struct tgt_bs_request *request)
{
	struct channel *channel = opaque;
	struct uring_io *io = request->module_data;

	if (!prepare_channel(channel))
		return false;
	uring_io_start(channel->uring, io, request);
	queue_push(channel, io);
	return true;
}

int uring_channel_open(void *store, struct tgt_bs_reactor *reactor, void **opaque)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return -ENOMEM;
	channel->uring = store;
	channel->reactor = reactor;
	channel->tail = &channel->first;
	*opaque = channel;
	return 0;
}

void uring_channel_close(void *store, void *opaque)
{
	struct channel *channel = opaque;
	struct uring *uring = store;
	const struct tgt_bs_host *host = uring->host;

	if (channel->retry)
		host->timer_del(channel->retry);
	if (channel->watch)
		host->fd_unwatch(channel->watch);
	channel->next_closed = atomic_load(&uring->closed);
	while (!atomic_compare_exchange_weak(&uring->closed, &channel->next_closed, channel))
		;
}

void uring_channels_destroy(struct uring *uring)
{
	struct channel *channel = atomic_load(&uring->closed);
	struct io_uring *spare = atomic_load(&uring->spare);

	if (spare)
		uring_ring_destroy(spare);
	while (channel) {
		struct channel *next = channel->next_closed;

		if (channel->ring)
			uring_ring_destroy(channel->ring);
		free(channel->regions);
		free(channel);
		channel = next;
	}
}
