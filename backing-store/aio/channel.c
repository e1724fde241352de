/* SPDX-License-Identifier: MIT */
/*
 * One reactor's aio context.  All on that reactor's thread.
 *
 * It is made by the first request: most reactors never serve a given logical unit, and the system
 * has few contexts.  It is destroyed when the store is closed, on a worker, since that takes the
 * kernel tens of milliseconds.
 *
 * A request waits in the queue until turn_end(), or until the kernel has room for it.  It may take
 * several rounds: a transfer that comes back short is queued again with the rest.
 */
#include "aio.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../common/status.h"

/* iocbs of one io_submit(): the kernel tells the device when it has taken them all, and the device
 * shall work on the first while it takes the others */
#define SUBMIT_BATCH 8
#define EVENTS 128 /* of one io_getevents() */
#define RETRY_MS 1

struct channel {
	struct aio *aio;
	struct tgt_bs_reactor *reactor;
	io_context_t context;
	int event_fd;
	struct tgt_bs_watch *watch;
	struct tgt_bs_timer *retry; /* NULL: never used; to be deleted also when it has fired */
	bool retry_armed;
	struct aio_io *first, **tail; /* waiting */
	unsigned int in_flight;
	bool failed; /* no context could be had: workers do it all */
	struct channel *next_closed;
};

static void queue_push(struct channel *channel, struct aio_io *io)
{
	io->next = NULL;
	io->link = channel->tail;
	*channel->tail = io;
	channel->tail = &io->next;
}

static void queue_remove(struct channel *channel, struct aio_io *io)
{
	*io->link = io->next;
	if (io->next)
		io->next->link = io->link;
	else
		channel->tail = io->link;
	io->link = NULL;
}

static void fail_io(struct channel *channel, struct aio_io *io, int error)
{
	struct tgt_bs_request *request = io->request;

	/* EAGAIN: it was never tried */
	if (request->op == TGT_BS_FLUSH && error != EAGAIN)
		request->status = TGT_BS_ERR_FLUSH;
	else
		status_set_errno(request, io->done, error);
	file_report(&channel->aio->file, request, error);
	channel->aio->host->complete(request);
}

/* The next round: all whole elements that are left, or what is left of one that is begun. */
static void prepare_transfer(struct channel *channel, struct aio_io *io)
{
	const struct tgt_bs_request *request = io->request;
	const struct iovec *at = request->iov + io->element;
	const long long offset = (long long)(request->offset + io->done);
	const int fd = channel->aio->file.fd;
	const bool write = request->op == TGT_BS_WRITE;
	uint32_t left = request->iovcnt - io->element;

	if (left == 1 || io->skip) {
		void *buf = (char *)at->iov_base + io->skip;
		size_t len = at->iov_len - io->skip;

		if (write)
			io_prep_pwrite(&io->iocb, fd, buf, len, offset);
		else
			io_prep_pread(&io->iocb, fd, buf, len, offset);
	} else {
		int count = left < IOV_MAX ? (int)left : IOV_MAX;

		if (write)
			io_prep_pwritev(&io->iocb, fd, at, count, offset);
		else
			io_prep_preadv(&io->iocb, fd, at, count, offset);
	}
	if (request->flags & TGT_BS_REQ_FUA && write)
		io->iocb.aio_rw_flags = RWF_DSYNC;
}

static void prepare(struct channel *channel, struct aio_io *io)
{
	if (io->request->op == TGT_BS_FLUSH)
		io_prep_fdsync(&io->iocb, channel->aio->file.fd);
	else
		prepare_transfer(channel, io);
	io_set_eventfd(&io->iocb, channel->event_fd);
	io->iocb.data = io;
}

static unsigned int gather(const struct channel *channel, struct iocb *batch[SUBMIT_BATCH])
{
	unsigned int room = channel->aio->depth - channel->in_flight;
	unsigned int n = 0;

	for (struct aio_io *io = channel->first; io && n < room && n < SUBMIT_BATCH; io = io->next)
		batch[n++] = &io->iocb;
	return n;
}

static void retry_later(struct channel *channel);

/* Hands over what waits, as far as the kernel has room. */
static void submit_queue(struct channel *channel)
{
	struct iocb *batch[SUBMIT_BATCH];
	unsigned int n;

	while ((n = gather(channel, batch)) > 0) {
		int taken = io_submit(channel->context, (long)n, batch);

		for (int i = 0; i < taken; i++)
			queue_remove(channel, channel->first);
		if (taken > 0) {
			channel->in_flight += (unsigned int)taken;
			continue;
		}
		/* with others in flight, their completion brings us back here */
		if (taken == 0 || taken == -EAGAIN || taken == -EINTR) {
			if (channel->in_flight == 0)
				retry_later(channel);
			return;
		}
		/* an error is that of the first one */
		struct aio_io *io = channel->first;
		queue_remove(channel, io);
		fail_io(channel, io, -taken);
	}
}

static void retry(void *arg)
{
	struct channel *channel = arg;

	channel->retry_armed = false;
	submit_queue(channel);
}

static void retry_later(struct channel *channel)
{
	const struct tgt_bs_host *host = channel->aio->host;

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
		struct aio_io *io = channel->first;

		queue_remove(channel, io);
		fail_io(channel, io, EAGAIN);
	}
}

/* Moves the place where the next round starts. */
static void advance(struct aio_io *io, size_t bytes)
{
	const struct tgt_bs_request *request = io->request;

	io->done += bytes;
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

static void transferred(struct channel *channel, struct aio_io *io, size_t bytes)
{
	struct tgt_bs_request *request = io->request;
	struct file *file = &channel->aio->file;

	advance(io, bytes);
	if (io->done >= request->length) {
		channel->aio->host->complete(request);
	} else if (!ended(file, bytes)) {
		prepare(channel, io);
		queue_push(channel, io);
	} else if (request->op == TGT_BS_READ) {
		status_set_eof(request, io->done);
		file_report(file, request, 0);
		channel->aio->host->complete(request);
	} else {
		fail_io(channel, io, EIO);
	}
}

static void finish(struct channel *channel, const struct io_event *event)
{
	struct aio_io *io = event->data;
	/* libaio declares the kernel's signed result as unsigned */
	const long result = (long)event->res;

	channel->in_flight--;
	if (result == -EINTR) {
		prepare(channel, io);
		queue_push(channel, io);
	} else if (result < 0) {
		fail_io(channel, io, (int)-result);
	} else if (io->request->op == TGT_BS_FLUSH) {
		channel->aio->host->complete(io->request);
	} else {
		transferred(channel, io, (size_t)result);
	}
}

static void on_events(void *arg, uint32_t ready)
{
	struct channel *channel = arg;
	struct io_event events[EVENTS];
	struct timespec now = {0, 0};
	uint64_t count;
	int n;

	(void)ready;
	/* before the events are taken, so that none that comes meanwhile is missed */
	if (read(channel->event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	do {
		n = io_getevents(channel->context, 0, EVENTS, events, &now);
		for (int i = 0; i < n; i++)
			finish(channel, &events[i]);
	} while (n == EVENTS || n == -EINTR);
	submit_queue(channel);
}

void aio_turn_end(void *store, void *opaque)
{
	(void)store;
	submit_queue(opaque);
}

void aio_cancel(void *store, void *opaque, struct tgt_bs_request *request)
{
	struct channel *channel = opaque;
	struct aio_io *io = request->module_data;
	struct io_event event;

	(void)store;
	if (!channel || (request->flags & TGT_BS_REQ_MAY_BLOCK))
		return; /* a worker has it, and module_data was never filled */
	if (io->link) {
		if (io->done)
			return; /* it has had an effect; the rest will follow */
		queue_remove(channel, io);
	} else {
		/* io_cancel(2): the kernel knows how to cancel few things, none of them file I/O so
		 * far; since Linux 4.19 a cancelled one still completes by an event */
		io_cancel(channel->context, &io->iocb, &event);
		return;
	}
	request->status = TGT_BS_ERR_CANCELLED;
	channel->aio->host->complete(request);
}

static int create_event(struct channel *channel)
{
	const struct tgt_bs_host *host = channel->aio->host;
	int rc;

	channel->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (channel->event_fd < 0)
		return -errno;
	rc = host->fd_watch(channel->reactor, channel->event_fd, EPOLLIN, on_events, channel,
			    &channel->watch);
	if (rc) {
		close(channel->event_fd);
		channel->event_fd = -1;
	}
	return rc;
}

static int create_context(struct channel *channel, char *error, size_t error_size)
{
	channel->context = atomic_exchange(&channel->aio->spare, NULL);
	if (channel->context)
		return 0;
	return aio_setup(channel->aio->depth, &channel->context, error, error_size);
}

/* True when the channel has what it needs, and makes it at first. */
static bool prepare_channel(struct channel *channel)
{
	struct aio *aio = channel->aio;
	char error[160];
	int rc;

	if (channel->watch)
		return true;
	if (channel->failed)
		return false;
	rc = create_context(channel, error, sizeof(error));
	if (!rc) {
		rc = create_event(channel);
		snprintf(error, sizeof(error), "eventfd: %s", strerror(-rc));
	}
	if (rc) {
		channel->failed = true;
		aio->host->log(aio->file.lu, TGT_BS_LOG_ERR, "%s: slow from now on: %s",
			       aio->file.path, error);
	}
	return !rc;
}

bool aio_channel_queue(void *opaque, struct tgt_bs_request *request)
{
	struct channel *channel = opaque;
	struct aio_io *io = request->module_data;

	if (!prepare_channel(channel))
		return false;
	io->request = request;
	io->done = 0;
	io->element = 0;
	io->skip = 0;
	prepare(channel, io);
	queue_push(channel, io);
	return true;
}

int aio_channel_open(void *store, struct tgt_bs_reactor *reactor, void **opaque)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return -ENOMEM;
	channel->aio = store;
	channel->reactor = reactor;
	channel->event_fd = -1;
	channel->tail = &channel->first;
	*opaque = channel;
	return 0;
}

void aio_channel_close(void *store, void *opaque)
{
	struct channel *channel = opaque;
	const struct tgt_bs_host *host = channel->aio->host;
	struct aio *aio = store;

	if (channel->retry)
		host->timer_del(channel->retry);
	if (channel->watch)
		host->fd_unwatch(channel->watch);
	if (channel->event_fd >= 0)
		close(channel->event_fd);
	channel->next_closed = atomic_load(&aio->closed);
	while (!atomic_compare_exchange_weak(&aio->closed, &channel->next_closed, channel))
		;
}

void aio_channels_destroy(struct aio *aio)
{
	struct channel *channel = atomic_load(&aio->closed);
	io_context_t spare = atomic_load(&aio->spare);

	if (spare)
		io_destroy(spare);
	while (channel) {
		struct channel *next = channel->next_closed;

		if (channel->context)
			io_destroy(channel->context);
		free(channel);
		channel = next;
	}
}
