/* SPDX-License-Identifier: MIT */
#include "iscsi/portal.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "iscsi/address.h"
#include "iscsi/login.h"
#include "util/cleanup.h"
#include "util/log.h"

#define BACKLOG 4096 /* those that come at once; the kernel bounds it too (net.core.somaxconn) */
#define ACCEPTS_A_TURN 32
#define MAKE_ROOM_MS 1000u     /* how often, while connections wait */
#define CONTROL_CONNS_MAX 512u /* logging in, or discovering; the next ones wait */

static struct list portals = LIST_INIT(portals);
static int spare_fd = -1;
static bool paused;

const struct list *iscsi_portals(void)
{
	return &portals;
}

/* One line a minute at most: anybody can cause it. */
static void log_seldom(const char *what, const char *why)
{
	static uint64_t next_ms;
	uint64_t now = reactor_now_ms(reactor_self());

	if (now < next_ms)
		return;
	next_ms = now + 60000;
	log_warning("%s: %s", what, why);
}

static void keep_spare(void)
{
	if (spare_fd < 0)
		spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Without a free descriptor the connection would wake us for ever: the spare one takes and closes
 * it. */
static void refuse_one(int listener)
{
	log_seldom("a connection was refused", "too many open files");
	if (spare_fd >= 0)
		close(spare_fd);
	spare_fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (spare_fd >= 0)
		close(spare_fd);
	spare_fd = -1;
	keep_spare();
}

static void set_options(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static void begin(int fd, const union address *peer, uint16_t portal_group)
{
	struct conn *conn;

	set_options(fd);
	conn = conn_create(fd, peer);
	if (!conn) {
		log_seldom("a connection was refused", "out of memory");
		close(fd);
		return;
	}
	conn->portal_group = portal_group;
	if (!conn_attach(conn) || !login_start(conn))
		conn_close(conn, "out of memory");
}

static void set_events(uint32_t events)
{
	list_for_each (p, &portals, struct iscsi_portal, link)
		reactor_modify(&portal_of(p)->watch, events);
}

/* Those who have discovered and stay don't keep others from logging in. */
static void make_room(struct timer *timer)
{
	unsigned ended = login_end_idle_discovery();

	if (ended)
		log_warning("%u idle discovery sessions were ended: connections wait", ended);
	if (paused)
		reactor_timer_arm(reactor_self(), timer, MAKE_ROOM_MS);
}

static struct timer room_timer = {.fn = make_room};

/* After a power failure a thousand initiators come at once.  What is held for those that haven't
 * logged in is bounded all the same: the others stay with the kernel, in the order they came. */
static void pause_accepting(void)
{
	log_seldom("connections wait", "too many logins at once");
	paused = true;
	set_events(0);
	reactor_timer_arm(reactor_self(), &room_timer, MAKE_ROOM_MS);
}

void portals_resume(void)
{
	if (!paused)
		return;
	paused = false;
	reactor_timer_cancel(&room_timer);
	set_events(EPOLLIN);
}

static void on_listener(struct fd_watch *watch, uint32_t events)
{
	const struct portal *portal = container_of(watch, struct portal, watch);

	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		union address peer;
		socklen_t len = sizeof(peer);
		int fd;

		if (control_conns_count() >= CONTROL_CONNS_MAX) {
			pause_accepting();
			return;
		}
		fd = accept4(watch->fd, &peer.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			begin(fd, &peer, portal->pub.tag);
		} else if (errno == EMFILE || errno == ENFILE) {
			refuse_one(watch->fd);
			return;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
}

static int listen_on(const union address *address)
{
	bool v6 = address->sa.sa_family == AF_INET6;
	int fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = v6 ? sizeof(address->in6) : sizeof(address->in);
	int on = 1, error;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (v6) /* 0.0.0.0 and [::] stand side by side */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &address->sa, len) < 0 || listen(fd, BACKLOG) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

static struct portal *find(const union address *address)
{
	char text[80], other[80];

	address_format_port(address, address_port(address), text, sizeof(text));
	list_for_each (p, &portals, struct iscsi_portal, link) {
		struct portal *portal = portal_of(p);

		address_format_port(&portal->address, address_port(&portal->address), other,
				    sizeof(other));
		if (!strcmp(text, other))
			return portal;
	}
	return NULL;
}

/* Each tag once; how many there are. */
static unsigned collect_tags(uint16_t tags[TARGET_PORTS_MAX])
{
	unsigned count = 0;

	list_for_each (p, &portals, struct iscsi_portal, link) {
		unsigned i = 0;

		while (i < count && tags[i] != p->tag)
			i++;
		if (i == count)
			tags[count++] = p->tag;
	}
	return count;
}

/* The portal groups there are become the ports of all targets.  When the last portal goes the ports
 * stay: sessions may go on. */
static void set_target_ports(void)
{
	uint16_t tags[TARGET_PORTS_MAX];
	unsigned count = collect_tags(tags);

	if (count)
		target_ports_set(tags, count, NULL, NULL);
}

static bool has_room(uint16_t tag)
{
	uint16_t tags[TARGET_PORTS_MAX];
	unsigned count = collect_tags(tags);

	for (unsigned i = 0; i < count; i++) {
		if (tags[i] == tag)
			return true;
	}
	return count < TARGET_PORTS_MAX;
}

static int open_portal(struct portal *portal, char *error, size_t size)
{
	int fd = listen_on(&portal->address);
	int rc;

	if (fd < 0) {
		snprintf(error, size, "%s", strerror(-fd));
		return fd;
	}
	portal->watch.fd = fd;
	portal->watch.fn = on_listener;
	rc = reactor_watch(reactor_self(), &portal->watch, EPOLLIN);
	if (rc) {
		snprintf(error, size, "%s", strerror(-rc));
		close(fd);
	}
	return rc;
}

int iscsi_portal_add(const char *text, uint16_t tag, char *error, size_t size)
{
	struct portal *portal;
	union address address;
	int rc;

	if (!address_parse_port(text, &address)) {
		snprintf(error, size, "not an address (ADDR[:PORT], [IPv6][:PORT])");
		return -EINVAL;
	}
	if (!tag) {
		snprintf(error, size, "a portal group tag is 1 to 65535");
		return -EINVAL;
	}
	if (find(&address)) {
		snprintf(error, size, "there already");
		return -EEXIST;
	}
	if (!has_room(tag)) {
		snprintf(error, size, "there can be %u portal groups", TARGET_PORTS_MAX);
		return -ENOSPC;
	}
	portal = calloc(1, sizeof(*portal));
	if (!portal)
		return -ENOMEM;
	portal->address = address;
	portal->pub.tag = tag;
	address_format_port(&address, address_port(&address), portal->pub.text,
			    sizeof(portal->pub.text));
	keep_spare();
	rc = open_portal(portal, error, size);
	if (rc) {
		free(portal);
		return rc;
	}
	list_add_head(&portals, &portal->pub.link);
	set_target_ports();
	return 0;
}

static void portal_close(struct portal *portal)
{
	reactor_unwatch(&portal->watch);
	close(portal->watch.fd);
	list_del(&portal->pub.link);
	free(portal);
}

int iscsi_portal_delete(const char *text)
{
	union address address;
	struct portal *portal;

	if (!address_parse_port(text, &address))
		return -EINVAL;
	portal = find(&address);
	if (!portal)
		return -ENOENT;
	portal_close(portal);
	set_target_ports();
	return 0;
}

void portals_close(void)
{
	while (!list_empty(&portals))
		portal_close(portal_of(list_first(&portals, struct iscsi_portal, link)));
	reactor_timer_cancel(&room_timer);
	paused = false;
	if (spare_fd >= 0)
		close(spare_fd);
	spare_fd = -1;
}
