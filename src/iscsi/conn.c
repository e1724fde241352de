/* SPDX-License-Identifier: MIT */
#include "iscsi/conn.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "iscsi/address.h"
#include "iscsi/login.h"
#include "iscsi/portal.h"
#include "iscsi/session.h"
#include "iscsi/discovery.h"
#include "util/log.h"

#define LOGIN_SLOTS 4u
#define FULL_SLOTS 64u
#define FULL_BUFFER (64u << 10)

static struct list on_control = LIST_INIT(on_control);
static unsigned nr_on_control;

struct list *control_conns(void)
{
	return &on_control;
}

unsigned control_conns_count(void)
{
	return nr_on_control;
}

/* Nothing to do for one that is a session's, on whatever reactor. */
static void leave_control(struct conn *conn)
{
	if (list_empty(&conn->link))
		return;
	list_del(&conn->link);
	nr_on_control--;
	portals_resume();
}

static void flush(struct deferred *deferred)
{
	tx_flush(container_of(deferred, struct conn, flush));
}

static void again(struct deferred *deferred)
{
	struct conn *conn = container_of(deferred, struct conn, again);

	if (conn->yielded) {
		conn->yielded = false;
		rx_process(conn);
	}
	/* behind what others have got ready meanwhile */
	if (conn_is_open(conn))
		reactor_defer(conn->reactor, DEFER_FLUSH, &conn->flush);
}

void conn_yield(struct conn *conn)
{
	reactor_defer(conn->reactor, DEFER_NEXT_TURN, &conn->again);
}

static void destroy(struct deferred *deferred)
{
	struct conn *conn = container_of(deferred, struct conn, destroy);
	struct session *session = conn->session;

	tx_drop_all(conn);
	list_del(&conn->flush.link);
	list_del(&conn->again.link);
	if (session)
		session_connection_closed(session);
	login_free(conn);
	text_exchange_free(conn);
	tx_free(&conn->tx);
	free(conn->rx.flat);
	free(conn->rx.buf);
	free(conn);
}

static void stalled(struct timer *timer)
{
	conn_close(container_of(timer, struct conn, stall), "it doesn't read what is sent to it");
}

/* ---- who shares a reactor ---- */

#define SHARED_MS 10u

static struct {
	const struct conn *last;  /* had an event; only compared */
	uint64_t shared_until_ms; /* two have had some in turn */
} __attribute__((aligned(64))) activity[REACTOR_MAX];

static void note_activity(const struct conn *conn)
{
	unsigned id = reactor_id(conn->reactor);

	if (activity[id].last == conn)
		return;
	activity[id].last = conn;
	activity[id].shared_until_ms = reactor_now_ms(conn->reactor) + SHARED_MS;
}

uint32_t turn_bytes(const struct reactor *reactor)
{
	bool shared = reactor_now_ms(reactor) < activity[reactor_id(reactor)].shared_until_ms;

	return shared ? TURN_BYTES : TURN_BYTES_ALONE;
}

/* ---- events ---- */

static void on_event(struct fd_watch *watch, uint32_t events)
{
	struct conn *conn = container_of(watch, struct conn, watch);

	note_activity(conn);
	if (events & EPOLLOUT)
		tx_writable(conn);
	if (!conn_is_open(conn))
		return;
	if (events & EPOLLIN && conn->watch.events & EPOLLIN)
		rx_readable(conn);
	else if (events & (EPOLLERR | EPOLLHUP))
		conn_close(conn, NULL);
}

static bool init_buffers(struct conn *conn)
{
	/* a whole login PDU, so that it is looked at in place */
	conn->rx.size = BHS_LEN + AHS_MAX + LOGIN_DATA_MAX + 2 * DIGEST_LEN;
	conn->rx.buf = malloc(conn->rx.size);
	return conn->rx.buf && tx_init(&conn->tx, LOGIN_SLOTS);
}

struct conn *conn_create(int fd, const union address *peer)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	socklen_t len = sizeof(conn->local);

	if (!conn)
		return NULL;
	if (!init_buffers(conn)) {
		free(conn->rx.buf);
		free(conn);
		return NULL;
	}
	conn->watch.fd = fd;
	conn->watch.fn = on_event;
	conn->rx.max_data = LOGIN_DATA_MAX;
	conn->max_xmit = LOGIN_DATA_MAX;
	conn->tx.statsn = 1;
	conn->initiator = "";
	conn->portal_group = PORTAL_GROUP_DEFAULT;
	conn->peer = *peer;
	if (getsockname(fd, &conn->local.sa, &len) < 0)
		memset(&conn->local, 0, sizeof(conn->local));
	address_normalise(&conn->peer);
	address_normalise(&conn->local);
	address_format(&conn->peer, conn->address, sizeof(conn->address));
	list_init(&conn->tx.pending);
	list_init(&conn->tx.built);
	list_init(&conn->flush.link);
	list_init(&conn->again.link);
	list_init(&conn->destroy.link);
	list_init(&conn->move.link);
	conn->flush.fn = flush;
	conn->again.fn = again;
	conn->destroy.fn = destroy;
	conn->stall.fn = stalled;
	list_add_tail(&on_control, &conn->link);
	nr_on_control++;
	return conn;
}

bool conn_enlarge(struct conn *conn)
{
	uint8_t *buf;

	if (!tx_idle(&conn->tx) || !tx_init(&conn->tx, FULL_SLOTS))
		return false;
	buf = malloc(FULL_BUFFER);
	if (!buf)
		return false;
	memcpy(buf, conn->rx.buf + conn->rx.start, conn->rx.end - conn->rx.start);
	conn->rx.end -= conn->rx.start;
	conn->rx.start = 0;
	free(conn->rx.buf);
	conn->rx.buf = buf;
	conn->rx.size = FULL_BUFFER;
	return true;
}

bool conn_attach(struct conn *conn)
{
	conn->reactor = reactor_self();
	return reactor_watch(conn->reactor, &conn->watch, EPOLLIN) == 0;
}

void conn_detach(struct conn *conn)
{
	reactor_unwatch(&conn->watch);
	reactor_timer_cancel(&conn->stall);
	reactor_timer_cancel(&conn->deadline);
	list_del(&conn->flush.link);
	list_del(&conn->again.link);
	leave_control(conn);
}

void conn_set_events(struct conn *conn)
{
	uint32_t events = conn->tx.blocked ? EPOLLOUT : 0;

	if (!conn->paused && !conn->stopped)
		events |= EPOLLIN;
	if (conn->watch.reactor)
		reactor_modify(&conn->watch, events);
}

void conn_stop_reading(struct conn *conn)
{
	conn->stopped = true;
	conn_set_events(conn);
}

void conn_close(struct conn *conn, const char *why)
{
	if (!conn_is_open(conn))
		return;
	if (why)
		conn_log(conn, LOG_INFO, "connection closed: %s", why);
	conn->phase = CONN_CLOSED;
	conn_detach(conn);
	login_stop_waiting(conn);
	list_del(&conn->move.link);
	close(conn->watch.fd);
	conn->watch.fd = -1;
	reactor_defer(conn->reactor, DEFER_WORK, &conn->destroy);
}

void conn_put_window(const struct conn *conn, uint8_t *bhs)
{
	const struct session *session = conn->session;

	put_be32(bhs + 28, session ? session->window.exp : conn->cmdsn);
	put_be32(bhs + 32, session ? session->window.max : conn->cmdsn);
}

void conn_log(const struct conn *conn, int level, const char *format, ...)
{
	const char *target = conn->session ? conn->session->nexus.target->name : NULL;
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_message(level, "initiator %s at %s%s%s: %s",
		    *conn->initiator ? conn->initiator : "(unknown)", conn->address,
		    target ? ", target " : "", target ? target : "", text);
}
