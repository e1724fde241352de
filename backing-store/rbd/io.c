/* SPDX-License-Identifier: MIT */
/*
 * Requests go to librbd where they are submitted; it tells of those that have ended by one eventfd
 * an image, and the reactor that has opened its channel first takes them all, many at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../common/status.h"
#include "rbd.h"

#define BATCH 64

/* ---- ends ---- */

enum tgt_bs_status rbd_status_of(const struct tgt_bs_request *r, int err)
{
	switch (err) {
	case -ESHUTDOWN: /* blocklisted */
		return TGT_BS_ERR_FENCED;
	case -EROFS:
		return TGT_BS_ERR_WRITE_PROTECTED;
	case -ETIMEDOUT:
		return TGT_BS_ERR_TIMED_OUT;
	case -EINVAL:
		return TGT_BS_ERR_INVALID;
	default:
		return r->op == TGT_BS_FLUSH ? TGT_BS_ERR_FLUSH : status_of_errno(r, -err);
	}
}

/* Nothing of its connection's units may end well any more, until they are opened anew: also where
 * nothing would be sent, and TEST UNIT READY, by which initiators choose their paths. */
static void fence(struct rbd_store *s)
{
	atomic_store(&s->cluster->fenced, true);
	if (!atomic_exchange(&s->fenced, true))
		s->host->online_changed(s->lu, 0);
}

void rbd_failed(struct rbd_store *s, struct tgt_bs_request *r, int err)
{
	r->status = rbd_status_of(r, err);
	r->info = r->offset;
	if (err == -ESHUTDOWN)
		fence(s);
	s->host->log(s->lu, TGT_BS_LOG_ERR, "%s/%s: operation %u of %llu bytes at %llu failed: %s",
		     s->name.pool, s->name.image, r->op, (unsigned long long)r->length,
		     (unsigned long long)r->offset,
		     err == -ESHUTDOWN ? "the cluster has blocklisted this host" : strerror(-err));
}

static void end(struct rbd_io *io, int err)
{
	free(io->copy);
	if (err)
		rbd_failed(io->store, io->request, err);
	io->store->host->complete(io->request);
}

/* ---- beginnings ---- */

static int start_zeroes(struct rbd_io *io, rbd_completion_t c)
{
	const struct tgt_bs_request *r = io->request;
	bool thick = r->op == TGT_BS_WRITE_ZEROES && !(r->flags & TGT_BS_REQ_UNMAP);

	return rbd_aio_write_zeroes(io->store->image, r->offset, r->length, c,
				    thick ? RBD_WRITE_ZEROES_FLAG_THICK_PROVISION : 0, 0);
}

/* librbd wants it in one piece. */
static int start_same(struct rbd_io *io, rbd_completion_t c)
{
	const struct tgt_bs_request *r = io->request;
	const char *pattern = r->iov[0].iov_base;
	size_t length = 0;

	for (uint32_t i = 0; i < r->iovcnt; i++)
		length += r->iov[i].iov_len;
	if (r->iovcnt > 1) {
		size_t done = 0;

		io->copy = malloc(length);
		if (!io->copy)
			return -ENOMEM;
		for (uint32_t i = 0; i < r->iovcnt; i++) {
			memcpy(io->copy + done, r->iov[i].iov_base, r->iov[i].iov_len);
			done += r->iov[i].iov_len;
		}
		pattern = (const char *)io->copy;
	}
	return rbd_aio_writesame(io->store->image, r->offset, r->length, pattern, length, c, 0);
}

static int start(struct rbd_io *io, rbd_completion_t c)
{
	const struct tgt_bs_request *r = io->request;
	rbd_image_t image = io->store->image;

	switch (r->op) {
	case TGT_BS_READ:
		return rbd_aio_readv(image, r->iov, (int)r->iovcnt, r->offset, c);
	case TGT_BS_WRITE:
		return rbd_aio_writev(image, r->iov, (int)r->iovcnt, r->offset, c);
	case TGT_BS_FLUSH:
		return rbd_aio_flush(image, c);
	case TGT_BS_DISCARD:
	case TGT_BS_WRITE_ZEROES:
		return start_zeroes(io, c);
	case TGT_BS_WRITE_SAME:
		return start_same(io, c);
	default:
		return -EOPNOTSUPP;
	}
}

/* 0: a completion will come. */
static int with_completion(struct rbd_io *io, int (*begin)(struct rbd_io *io, rbd_completion_t c))
{
	rbd_completion_t c;
	int err = rbd_aio_create_completion(io, NULL, &c);

	if (err)
		return err;
	err = begin(io, c);
	if (err)
		rbd_aio_release(c);
	return err;
}

static int start_flush(struct rbd_io *io, rbd_completion_t c)
{
	return rbd_aio_flush(io->store->image, c);
}

static bool writes(const struct tgt_bs_request *r)
{
	return r->op != TGT_BS_READ && r->op != TGT_BS_FLUSH && r->op != TGT_BS_BLOCK_STATUS;
}

/* What librbd and librados are asked for where one may wait. */
static bool waits(const struct tgt_bs_request *r)
{
	return r->op == TGT_BS_BLOCK_STATUS || r->op == TGT_BS_COMPARE_AND_WRITE;
}

/* False: it has ended. */
static bool admit(struct rbd_store *s, struct tgt_bs_request *r)
{
	uint64_t size = atomic_load(&s->size);

	if (atomic_load_explicit(&s->cluster->fenced, memory_order_relaxed)) {
		fence(s);
		r->status = TGT_BS_ERR_FENCED;
		return false;
	}
	if (atomic_load_explicit(&s->state.lost, memory_order_acquire)) {
		r->status = TGT_BS_ERR_FENCED;
		return false;
	}
	if (r->offset > size || r->length > size - r->offset) {
		r->status = TGT_BS_ERR_OUT_OF_RANGE;
		r->info = size;
		return false;
	}
	if (s->readonly && writes(r)) {
		r->status = TGT_BS_ERR_WRITE_PROTECTED;
		return false;
	}
	/* a read of nothing ends librbd's process */
	return r->op == TGT_BS_FLUSH || r->length;
}

int rbd_store_submit(void *store, void *channel, struct tgt_bs_request *request)
{
	struct rbd_store *s = store;
	struct rbd_io *io = request->module_data;
	int err;

	(void)channel;
	if (waits(request) && !(request->flags & TGT_BS_REQ_MAY_BLOCK))
		return TGT_BS_WOULD_BLOCK;
	if (!admit(s, request) || waits(request)) {
		if (request->status == TGT_BS_OK && request->op == TGT_BS_BLOCK_STATUS)
			rbd_list_extents(s, request);
		else if (request->status == TGT_BS_OK && waits(request))
			rbd_compare_and_write_request(s, request);
		s->host->complete(request);
		return 0;
	}
	*io = (struct rbd_io){.store = s, .request = request};
	io->flushes = s->cache && writes(request) && request->flags & TGT_BS_REQ_FUA;
	err = with_completion(io, start);
	if (err)
		end(io, err);
	return 0;
}

/* ---- what has ended ---- */

static void ended(struct rbd_io *io, ssize_t result)
{
	struct tgt_bs_request *r = io->request;
	int err;

	if (result >= 0 && r->op == TGT_BS_READ && (uint64_t)result != r->length) {
		r->status = TGT_BS_ERR_OUT_OF_RANGE;
		r->info = r->offset + (uint64_t)result;
		end(io, 0);
	} else if (result >= 0 && io->flushes) {
		io->flushes = false;
		err = with_completion(io, start_flush);
		if (err)
			end(io, err);
	} else {
		end(io, result < 0 ? (int)result : 0);
	}
}

static void harvest(void *arg, uint32_t events)
{
	struct rbd_store *s = arg;
	rbd_completion_t done[BATCH];
	uint64_t count;
	int n;

	(void)events;
	if (read(s->events, &count, sizeof(count)) < 0)
		return;
	do {
		n = rbd_poll_io_events(s->image, done, BATCH);
		for (int i = 0; i < n; i++) {
			struct rbd_io *io = rbd_aio_get_arg(done[i]);
			ssize_t result = rbd_aio_get_return_value(done[i]);

			rbd_aio_release(done[i]);
			ended(io, result);
		}
	} while (n == BATCH);
}

int rbd_channel_open(void *store, struct tgt_bs_reactor *reactor, void **channel)
{
	struct rbd_store *s = store;
	bool first = !atomic_flag_test_and_set(&s->watched);

	*channel = first ? s : NULL;
	return first ? s->host->fd_watch(reactor, s->events, EPOLLIN, harvest, s, &s->watch) : 0;
}

void rbd_channel_close(void *store, void *channel)
{
	struct rbd_store *s = store;

	if (channel)
		s->host->fd_unwatch(s->watch);
}
