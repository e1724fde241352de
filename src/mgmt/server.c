/* SPDX-License-Identifier: MIT */
/* Connections to the management socket: lines in, lines out, never waiting for a peer. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mgmt/mgmt.h"
#include "mgmt/request.h"
#include "mgmt/socket.h"
#include "reactor/reactor.h"
#include "util/list.h"
#include "util/log.h"

#define MAX_LINE 65536u
#define MAX_CONNECTIONS 64u
#define ACCEPT_PAUSE_MS 200

struct connection {
	struct list link; /* in server.connections, longest idle first */
	struct fd_watch watch;
	char in[MAX_LINE + 1];
	size_t in_len;
	char *out;
	size_t out_len, out_done;
	struct mgmt_request *request; /* being answered; nothing is read meanwhile */
	bool at_end;                  /* the peer sends no more */
	bool refused;                 /* close once out is sent */
};

static void take_lines(struct connection *c);
static void shut_down(struct deferred *deferred);

static struct {
	struct mgmt_socket socket;
	struct fd_watch watch;
	struct timer pause; /* nothing is accepted meanwhile */
	struct list connections;
	unsigned int nr_connections;
	void (*shutdown)(void);
	bool shutdown_asked;
	struct deferred shutdown_work;
} server = {
    .socket = {.fd = -1, .lock_fd = -1},
    .connections = LIST_INIT(server.connections),
    .shutdown_work = {.link = LIST_INIT(server.shutdown_work.link), .fn = shut_down},
};

static void connection_close(struct connection *c)
{
	if (c->request)
		c->request->owner = NULL;
	reactor_unwatch(&c->watch);
	close(c->watch.fd);
	list_del(&c->link);
	server.nr_connections--;
	free(c->out);
	free(c);
}

static void shut_down(struct deferred *deferred)
{
	void (*shutdown)(void) = server.shutdown;

	(void)deferred;
	server.shutdown = NULL;
	if (shutdown)
		shutdown();
}

/* Once the answer to "delete system" is out, or its peer is gone. */
static void check_shutdown(void)
{
	if (server.shutdown_asked)
		reactor_defer(reactor_self(), DEFER_WORK, &server.shutdown_work);
}

/* False: c is gone. */
static bool flush(struct connection *c)
{
	while (c->out_done < c->out_len) {
		ssize_t n = send(c->watch.fd, c->out + c->out_done, c->out_len - c->out_done,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			reactor_modify(&c->watch, EPOLLOUT);
			return true;
		}
		if (n < 0) {
			connection_close(c);
			check_shutdown();
			return false;
		}
		c->out_done += (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	c->out_len = c->out_done = 0;
	check_shutdown();
	if (!c->refused)
		return true;
	connection_close(c);
	return false;
}

/* Takes over a text of len bytes and a NUL; NULL: there was no memory for it.  False: c is gone. */
static bool send_text(struct connection *c, char *text, size_t len)
{
	if (!text) {
		text = strdup("{\"rc\":12,\"error\":\"out of memory\"}");
		if (!text) {
			connection_close(c);
			return false;
		}
		len = strlen(text);
	}
	c->out_len = len + 1;
	c->out_done = 0;
	c->out = text;
	c->out[len] = '\n'; /* in place of the NUL */
	return flush(c);
}

/* Takes response over.  False: c is gone. */
static bool send_response(struct connection *c, json_t *response)
{
	char *text = response ? json_dumps(response, JSON_COMPACT) : NULL;

	json_decref(response);
	return send_text(c, text, text ? strlen(text) : 0);
}

static bool send_answer(struct connection *c, struct mgmt_request *request, json_t *response)
{
	char *text = request->text;

	if (!text)
		return send_response(c, response);
	request->text = NULL;
	return send_text(c, text, request->text_len);
}

static void answered(struct mgmt_request *request, json_t *response)
{
	struct connection *c = request->owner;

	if (!c) {
		json_decref(response);
		check_shutdown();
		return;
	}
	c->request = NULL;
	list_del(&c->link);
	list_add_tail(&server.connections, &c->link);
	if (send_answer(c, request, response) && !c->out)
		take_lines(c);
}

static void refuse(struct connection *c, int rc, const char *error, const char *detail)
{
	log_warning("management: %s%s%s", error, detail ? ": " : "", detail ? detail : "");
	c->refused = true;
	send_response(c, mgmt_error(rc, error, detail));
}

/* Takes the line of len bytes at the start of the buffer; used bytes with its end. */
static void take_line(struct connection *c, size_t len, size_t used)
{
	bool blank = strspn(c->in, " \t\r\n") >= len;

	if (!blank) {
		c->request = mgmt_submit(c->in, len, answered, c);
		if (!c->request) {
			refuse(c, ENOMEM, "out of memory", NULL);
			return;
		}
	}
	memmove(c->in, c->in + used, c->in_len - used);
	c->in_len -= used;
	c->in[c->in_len] = '\0';
}

static void take_lines(struct connection *c)
{
	while (!c->request) {
		char *newline = memchr(c->in, '\n', c->in_len);
		size_t len = newline ? (size_t)(newline - c->in) : c->in_len;

		if (newline) {
			take_line(c, len, len + 1);
		} else if (c->in_len == MAX_LINE) {
			refuse(c, EMSGSIZE, "the request is too long", NULL);
			return;
		} else if (c->at_end && !len) {
			connection_close(c);
			return;
		} else if (c->at_end) {
			take_line(c, len, len);
		} else {
			break;
		}
		if (c->refused)
			return;
	}
	/* what comes while a request runs can wait in the socket */
	reactor_modify(&c->watch, c->request ? 0 : EPOLLIN);
}

static void receive(struct connection *c)
{
	ssize_t n = recv(c->watch.fd, c->in + c->in_len, MAX_LINE - c->in_len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		connection_close(c);
		return;
	}
	if (n == 0)
		c->at_end = true;
	c->in_len += (size_t)n;
	c->in[c->in_len] = '\0';
	take_lines(c);
}

static void connection_event(struct fd_watch *watch, uint32_t events)
{
	struct connection *c = container_of(watch, struct connection, watch);

	if (c->out) {
		if (events & (EPOLLHUP | EPOLLERR))
			connection_close(c);
		else if (flush(c) && !c->out)
			take_lines(c);
	} else if (c->request) {
		/* nothing was asked for, so the peer is gone; the request still runs */
		connection_close(c);
	} else {
		receive(c);
	}
}

/* Only root and the daemon's user get here, so who came first goes first. */
static void make_room(void)
{
	list_for_each (c, &server.connections, struct connection, link) {
		if (!c->request && !c->out) {
			connection_close(c);
			return;
		}
	}
}

static void add_connection(int fd)
{
	struct connection *c = calloc(1, sizeof(*c));
	char detail[80];
	uid_t uid;

	if (!c) {
		close(fd);
		return;
	}
	list_init(&c->link);
	list_add_tail(&server.connections, &c->link);
	server.nr_connections++;
	c->watch = (struct fd_watch){.fd = fd, .fn = connection_event};
	if (reactor_watch(reactor_self(), &c->watch, EPOLLIN)) {
		connection_close(c);
		return;
	}
	if (!mgmt_peer_allowed(fd, &uid)) {
		snprintf(detail, sizeof(detail), "user %ld may not manage this daemon", (long)uid);
		refuse(c, EPERM, "permission denied", detail);
	} else if (server.nr_connections > MAX_CONNECTIONS) {
		refuse(c, EBUSY, "too many management connections", NULL);
	}
}

static void go_on_listening(struct timer *timer)
{
	(void)timer;
	reactor_modify(&server.watch, EPOLLIN);
}

static void listener_event(struct fd_watch *watch, uint32_t events)
{
	int fd;

	(void)events;
	while ((fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		if (server.nr_connections >= MAX_CONNECTIONS)
			make_room();
		add_connection(fd);
	}
	if (errno != EMFILE && errno != ENFILE)
		return;
	/* who waits keeps the listener ready: without a pause the loop would spin */
	reactor_modify(watch, 0);
	server.pause.fn = go_on_listening;
	reactor_timer_arm(watch->reactor, &server.pause, ACCEPT_PAUSE_MS);
}

int mgmt_open(const char *path)
{
	return mgmt_socket_claim(&server.socket, path);
}

int mgmt_serve(void (*shutdown)(void))
{
	int rc = 0;

	server.shutdown = shutdown;
	server.watch = (struct fd_watch){.fd = server.socket.fd, .fn = listener_event};
	if (listen(server.socket.fd, SOMAXCONN))
		rc = -errno;
	if (!rc)
		rc = reactor_watch(reactor_self(), &server.watch, EPOLLIN);
	if (rc)
		log_err("management socket %s: %s", server.socket.path, strerror(-rc));
	return rc;
}

static void stop_listening(void)
{
	reactor_timer_cancel(&server.pause);
	reactor_unwatch(&server.watch);
	mgmt_socket_hide(&server.socket);
}

void mgmt_request_shutdown(void)
{
	/* whoever reads the answer must not find the daemon any more */
	stop_listening();
	server.shutdown_asked = true;
}

void mgmt_stop(void (*done)(void))
{
	server.shutdown = NULL;
	stop_listening();
	list_for_each_safe (c, &server.connections, struct connection, link) {
		if (c->request)
			c->refused = true; /* the last one */
		else if (!c->out)
			connection_close(c);
	}
	mgmt_drain(done);
}

void mgmt_close(void)
{
	while (!list_empty(&server.connections))
		connection_close(list_first(&server.connections, struct connection, link));
	stop_listening();
	mgmt_socket_release(&server.socket);
}
