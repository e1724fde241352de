/* SPDX-License-Identifier: MIT */
/*
 * Commands on a reactor: a header is written to a descriptor of the sg node, and read back when the
 * device has answered.  The driver takes 16 of them for each open(), so there are several; what no
 * descriptor has room for waits here, in order.
 *
 * write() waits inside the kernel when the adapter has as many commands as it takes.  A reactor
 * must not, so that many at most are under way, from all channels together (the gate).
 */
#include "sg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_FDS 16
#define DRAIN_MS 50 /* how often a device that is gone is asked for what it still has */

struct sg_fd {
	int fd;
	unsigned generation;
	unsigned in_flight;
	bool hung_up;
	struct tgt_bs_request *slots[SG_MAX_QUEUE]; /* by pack_id */
	struct tgt_bs_watch *watch;
	struct sg_channel *channel;
};

struct sg_channel {
	struct sg *sg;
	struct tgt_bs_reactor *reactor;
	struct sg_fd *fds[MAX_FDS]; /* the first nr of them */
	unsigned nr;
	struct sg_io *first, **last; /* not yet written */
	int wake;                    /* eventfd: there is room again */
	struct tgt_bs_watch *wake_watch;
	struct tgt_bs_timer *drain;
	/* guarded by sg->lock */
	bool waits; /* in the line of the gate */
	struct sg_channel *next_waiter;
	struct sg_channel *next; /* of all channels */
};

static void pump(struct sg_channel *c);

/* ---- the gate ---- */

static bool gate_enter(struct sg_channel *c)
{
	struct sg *sg = c->sg;
	bool free;

	pthread_mutex_lock(&sg->lock);
	free = sg->in_flight < sg->depth;
	if (free) {
		sg->in_flight++;
	} else if (!c->waits) {
		c->waits = true;
		c->next_waiter = NULL;
		*sg->last_waiter = c;
		sg->last_waiter = &c->next_waiter;
	}
	pthread_mutex_unlock(&sg->lock);
	return free;
}

static void wake(const struct sg_channel *c)
{
	const uint64_t one = 1;

	while (write(c->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* Called with the lock held. */
static void wake_first(struct sg *sg)
{
	struct sg_channel *c = sg->first_waiter;

	if (!c)
		return;
	sg->first_waiter = c->next_waiter;
	if (!sg->first_waiter)
		sg->last_waiter = &sg->first_waiter;
	c->waits = false;
	wake(c);
}

void sg_channels_wake(struct sg *sg)
{
	pthread_mutex_lock(&sg->lock);
	for (struct sg_channel *c = sg->channels; c; c = c->next)
		wake(c);
	pthread_mutex_unlock(&sg->lock);
}

static void gate_leave(struct sg *sg)
{
	pthread_mutex_lock(&sg->lock);
	sg->in_flight--;
	wake_first(sg);
	pthread_mutex_unlock(&sg->lock);
}

/* A channel that ends must not take a turn with it. */
static void forget(struct sg_channel *c)
{
	struct sg *sg = c->sg;
	struct sg_channel **link = &sg->channels;

	pthread_mutex_lock(&sg->lock);
	while (*link != c)
		link = &(*link)->next;
	*link = c->next;
	for (struct sg_channel **at = &sg->first_waiter; *at; at = &(*at)->next_waiter) {
		if (*at != c)
			continue;
		*at = c->next_waiter;
		if (!*at)
			sg->last_waiter = at;
		break;
	}
	pthread_mutex_unlock(&sg->lock);
}

static void woken(void *arg, uint32_t events)
{
	struct sg_channel *c = arg;
	uint64_t count;

	(void)events;
	if (read(c->wake, &count, sizeof(count)) < 0)
		return;
	pump(c);
	/* the turn may not have been needed: let the next one look */
	pthread_mutex_lock(&c->sg->lock);
	if (c->sg->in_flight < c->sg->depth)
		wake_first(c->sg);
	pthread_mutex_unlock(&c->sg->lock);
}

/* ---- descriptors ---- */

static void fd_event(void *arg, uint32_t events);

static struct sg_fd *fd_add(struct sg_channel *c, const struct sg_node *node, int *error)
{
	struct sg_fd *f = calloc(1, sizeof(*f));

	*error = ENOMEM;
	if (!f)
		return NULL;
	f->channel = c;
	f->generation = node->generation;
	f->fd = sg_node_reopen(node);
	if (f->fd < 0) {
		*error = -f->fd;
		free(f);
		return NULL;
	}
	*error = -sg_host->fd_watch(c->reactor, f->fd, EPOLLIN, fd_event, f, &f->watch);
	if (*error) {
		close(f->fd);
		free(f);
		return NULL;
	}
	c->fds[c->nr++] = f;
	return f;
}

static void fd_unwatch(struct sg_fd *f)
{
	if (f->watch)
		sg_host->fd_unwatch(f->watch);
	f->watch = NULL;
}

static void fd_remove(struct sg_fd *f)
{
	struct sg_channel *c = f->channel;
	unsigned i = 0;

	while (c->fds[i] != f)
		i++;
	c->fds[i] = c->fds[--c->nr];
	fd_unwatch(f);
	close(f->fd);
	free(f);
}

/* Descriptors of a device that has gone keep its name from being free: away with them. */
static void drop_old(struct sg_channel *c, unsigned generation)
{
	for (unsigned i = c->nr; i-- > 0;) {
		struct sg_fd *f = c->fds[i];

		if ((f->hung_up || f->generation != generation) && !f->in_flight)
			fd_remove(f);
	}
}

static struct sg_fd *fd_with_room(struct sg_channel *c, const struct sg_node *node, int *error)
{
	struct sg_fd *f;
	unsigned usable = 0;

	for (unsigned i = 0; i < c->nr; i++) {
		f = c->fds[i];
		if (f->hung_up || f->generation != node->generation)
			continue;
		usable++;
		if (f->in_flight < SG_MAX_QUEUE)
			return f;
	}
	*error = EAGAIN;
	if (c->nr == MAX_FDS)
		return NULL;
	f = fd_add(c, node, error);
	/* one is enough to go on with */
	if (!f && usable)
		*error = EAGAIN;
	return f;
}

/* ---- writing ---- */

static int write_header(struct sg_fd *f, struct tgt_bs_request *r)
{
	struct sg_io_hdr header;
	int slot = 0;

	if (!sg_fill_header(&header, r))
		return EINVAL;
	while (f->slots[slot])
		slot++;
	header.pack_id = slot;
	while (write(f->fd, &header, sizeof(header)) < 0) {
		if (errno != EINTR)
			return errno;
	}
	f->slots[slot] = r;
	f->in_flight++;
	return 0;
}

static unsigned channel_in_flight(const struct sg_channel *c)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < c->nr; i++)
		sum += c->fds[i]->in_flight;
	return sum;
}

/* The driver is full (EDOM) or short of memory: that is over when something comes back. */
static bool can_wait(const struct sg_channel *c, int error)
{
	return (error == EAGAIN || error == EDOM || error == ENOMEM || error == EBUSY) &&
	       channel_in_flight(c);
}

static struct tgt_bs_request *pop(struct sg_channel *c)
{
	struct sg_io *io = c->first;

	c->first = io->next;
	if (!c->first)
		c->last = &c->first;
	return io->request;
}

static void fail(struct sg_channel *c, struct tgt_bs_request *r, unsigned generation, int error)
{
	sg_refused(c->sg, r, error);
	if (sg_is_gone(error))
		sg_gone(c->sg, generation, strerror(error));
	sg_host->complete(r);
}

/* False: what is first has to wait. */
static bool start_first(struct sg_channel *c, const struct sg_node *node)
{
	struct sg_fd *f;
	int error;

	if (!gate_enter(c))
		return false;
	f = fd_with_room(c, node, &error);
	if (f)
		error = write_header(f, c->first->request);
	if (f && !error) {
		pop(c);
		return true;
	}
	gate_leave(c->sg);
	if (can_wait(c, error))
		return false;
	fail(c, pop(c), node->generation, error);
	return true;
}

static void fail_all(struct sg_channel *c)
{
	while (c->first) {
		struct tgt_bs_request *r = pop(c);

		r->status = TGT_BS_ERR_NOT_READY;
		sg_host->complete(r);
	}
}

/* A channel without commands keeps one, to hear when the device goes: as long as any is open, the
 * device's name isn't free for it to come back under. */
static void keep_one(struct sg_channel *c, const struct sg_node *node)
{
	int error;

	if (!c->nr && node->kind == SG_ASYNC)
		fd_add(c, node, &error);
}

static void pump(struct sg_channel *c)
{
	struct sg_node *node = sg_node_get(c->sg);

	drop_old(c, node ? node->generation : 0);
	if (!node) {
		fail_all(c);
		return;
	}
	keep_one(c, node);
	while (c->first && start_first(c, node))
		;
	sg_node_put(c->sg, node);
}

void sg_channel_submit(struct sg_channel *c, struct tgt_bs_request *r)
{
	struct sg_io *io = r->module_data;

	io->request = r;
	io->next = NULL;
	*c->last = io;
	c->last = &io->next;
	if (c->first == io)
		pump(c);
}

void sg_channel_cancel(void *store, void *channel, struct tgt_bs_request *r)
{
	struct sg_channel *c = channel;

	(void)store;
	for (struct sg_io **at = &c->first; *at; at = &(*at)->next) {
		if ((*at)->request != r)
			continue;
		*at = (*at)->next;
		if (!*at)
			c->last = at;
		r->status = TGT_BS_ERR_CANCELLED;
		sg_host->complete(r);
		return;
	}
}

/* ---- reading ---- */

static void finish(struct sg_fd *f, const struct sg_io_hdr *header)
{
	struct sg *sg = f->channel->sg;
	unsigned slot = (unsigned)header->pack_id;
	struct tgt_bs_request *r = slot < SG_MAX_QUEUE ? f->slots[slot] : NULL;

	if (!r)
		return;
	f->slots[slot] = NULL;
	f->in_flight--;
	gate_leave(sg);
	if (!sg_set_result(r, header))
		sg_gone(sg, f->generation, "no connection to it");
	sg_host->complete(r);
}

/* The descriptor is of no use any more; what the driver still has, it keeps to itself. */
static void give_up(struct sg_fd *f)
{
	struct sg *sg = f->channel->sg;

	for (unsigned slot = 0; slot < SG_MAX_QUEUE; slot++) {
		struct tgt_bs_request *r = f->slots[slot];

		if (!r)
			continue;
		f->slots[slot] = NULL;
		f->in_flight--;
		gate_leave(sg);
		r->status = TGT_BS_ERR_TRANSPORT;
		sg_host->complete(r);
	}
	f->hung_up = true;
}

static void read_all(struct sg_fd *f)
{
	struct sg_io_hdr header;

	while (f->in_flight) {
		ssize_t n;

		memset(&header, 0, sizeof(header));
		header.interface_id = 'S';
		n = read(f->fd, &header, sizeof(header));
		if (n == (ssize_t)sizeof(header)) {
			finish(f, &header);
		} else if (n >= 0 || (errno != EINTR && errno != EAGAIN && !sg_is_gone(errno))) {
			sg_host->log(f->channel->sg->lu, TGT_BS_LOG_ERR,
				     "answers can't be read: %s",
				     n < 0 ? strerror(errno) : "short");
			give_up(f);
		} else if (errno != EINTR) {
			break;
		}
	}
}

static void drain(void *arg);

static void drain_later(struct sg_channel *c)
{
	if (c->drain)
		return;
	if (sg_host->timer_add(c->reactor, DRAIN_MS, drain, c, &c->drain))
		c->drain = NULL;
}

/* The kernel ends every command of a device that has been removed, but a descriptor that is hung up
 * can't be waited for by epoll: it is always ready. */
static void drain(void *arg)
{
	struct sg_channel *c = arg;
	bool more = false;

	sg_host->timer_del(c->drain);
	c->drain = NULL;
	for (unsigned i = 0; i < c->nr; i++) {
		if (!c->fds[i]->hung_up)
			continue;
		read_all(c->fds[i]);
		more |= c->fds[i]->in_flight != 0;
	}
	pump(c);
	if (more)
		drain_later(c);
}

static void hung_up(struct sg_fd *f)
{
	struct sg_channel *c = f->channel;

	f->hung_up = true;
	fd_unwatch(f);
	sg_gone(c->sg, f->generation, "it was removed");
	if (f->in_flight)
		drain_later(c);
}

static void fd_event(void *arg, uint32_t events)
{
	struct sg_fd *f = arg;
	struct sg_channel *c = f->channel;

	read_all(f);
	if (events & (EPOLLHUP | EPOLLERR) || f->hung_up)
		hung_up(f);
	pump(c);
}

/* ---- opening and closing ---- */

int sg_channel_open(void *store, struct tgt_bs_reactor *reactor, void **channel)
{
	struct sg_channel *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	c->sg = store;
	c->reactor = reactor;
	c->last = &c->first;
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = c->wake < 0 ? -errno
			 : sg_host->fd_watch(reactor, c->wake, EPOLLIN, woken, c, &c->wake_watch);
	if (rc) {
		if (c->wake >= 0)
			close(c->wake);
		free(c);
		return rc;
	}
	pthread_mutex_lock(&c->sg->lock);
	c->next = c->sg->channels;
	c->sg->channels = c;
	pthread_mutex_unlock(&c->sg->lock);
	pump(c);
	*channel = c;
	return 0;
}

void sg_channel_close(void *store, void *channel)
{
	struct sg_channel *c = channel;

	(void)store;
	forget(c);
	if (c->drain)
		sg_host->timer_del(c->drain);
	while (c->nr)
		fd_remove(c->fds[0]);
	sg_host->fd_unwatch(c->wake_watch);
	close(c->wake);
	free(c);
}
