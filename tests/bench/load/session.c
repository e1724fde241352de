/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "login.h"
#include "pdu.h"
#include "session.h"
#include "util/bytes.h"

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void session_flush(struct session *s)
{
	while (s->out_sent < s->out_len) {
		size_t left = s->out_len - s->out_sent;
		ssize_t n = send(s->fd, s->out + s->out_sent, left < SEND_MAX ? left : SEND_MAX,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			die("send");
		s->out_sent += (size_t)n;
	}
	s->out_sent = s->out_len = 0;
}

bool session_receive(struct session *s)
{
	ssize_t n = recv(s->fd, s->in + s->in_len, IN_SIZE - s->in_len, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n == 0)
		fail("the target closed the connection");
	if (n < 0)
		die("recv");
	s->in_len += (size_t)n;
	return true;
}

void session_wake_at(struct session *s)
{
	size_t left = s->skip > LARGE_SEGMENT ? s->skip : 1;
	int bytes = (int)(left < MAX_RECV_DATA ? left : MAX_RECV_DATA);

	if (bytes == s->wake_at)
		return;
	s->wake_at = bytes;
	setsockopt(s->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

void session_wait(struct session *s)
{
	struct pollfd fd = {.fd = s->fd};

	do {
		session_flush(s);
		fd.events = (short)(s->out_len ? POLLIN | POLLOUT : POLLIN);
		if (poll(&fd, 1, -1) < 0)
			die("poll");
	} while (!session_receive(s));
}

static void connect_to_portal(struct session *s)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *ai;
	int one = 1, error = getaddrinfo(opt.host, opt.port, &hints, &ai);

	if (error)
		fail("%s: %s", opt.host, gai_strerror(error));
	s->fd = socket(ai->ai_family, SOCK_STREAM, 0);
	if (s->fd < 0 || connect(s->fd, ai->ai_addr, ai->ai_addrlen))
		die("connect");
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	freeaddrinfo(ai);
}

static uint8_t *allocate(size_t size)
{
	uint8_t *p = malloc(size);

	if (!p)
		die("malloc");
	return p;
}

/* Memory and a connection. */
static void begin(struct session *s, unsigned number)
{
	*s = (struct session){.number = number,
			      .cmdsn = 1,
			      .max_send = 8192,
			      .immediate = true,
			      .first_burst = FIRST_BURST};
	s->in = allocate(IN_SIZE);
	s->out = allocate(OUT_SIZE);
	for (unsigned i = opt.depth; i; i--)
		s->free_tags[s->nr_free++] = i - 1;
	for (unsigned i = 0; opt.verify && i < opt.depth; i++)
		s->requests[i].data = allocate(opt.size);
	connect_to_portal(s);
}

static void take_attentions(struct session *s)
{
	static const uint8_t test_unit_ready[16] = {0x00};

	for (unsigned i = 0; i < 8 && session_command(s, test_unit_ready, NULL, 0, false); i++)
		;
}

void sessions_open(struct session *sessions, unsigned count)
{
	for (unsigned done = 0, n; done < count; done += n) {
		struct session *group = &sessions[done];

		n = count - done < opt.at_once ? count - done : opt.at_once;
		for (unsigned i = 0; i < n; i++)
			begin(&group[i], done + i);
		for (unsigned i = 0; i < n; i++)
			login_begin(&group[i]);
		for (unsigned i = 0; i < n; i++)
			login_finish(&group[i]);
		for (unsigned i = 0; i < n; i++)
			take_attentions(&group[i]);
	}
}

void session_put_lun(uint8_t *bhs)
{
	/* SAM-5 4.7.6: peripheral device addressing, and flat space where its byte doesn't suffice
	 */
	put_be16(bhs + 8, (uint16_t)(opt.lun < 256 ? opt.lun : 0x4000 | opt.lun));
}

/* The answer to a command alone: copies data, and returns true with the status. */
static bool ended_alone(struct session *s, const struct pdu *pdu, uint8_t *data, uint32_t len,
			uint8_t *status)
{
	uint8_t op = pdu->bhs[0] & 0x3f;

	if (!pdu_note(s, pdu))
		return false;
	if (op == R2T)
		fail("the target doesn't take immediate data");
	if (op == DATA_IN) {
		uint32_t offset = get_be32(pdu->bhs + 40);

		if (offset > len || pdu->len > len - offset)
			fail("more data than expected");
		memcpy(data + offset, pdu->data, pdu->len);
		if (!(pdu->bhs[1] & 1))
			return false;
	}
	*status = pdu->bhs[3];
	return true;
}

uint8_t session_command(struct session *s, const uint8_t cdb[16], uint8_t *data, uint32_t len,
			bool out)
{
	uint8_t bhs[BHS_LEN] = {SCSI_COMMAND, 0x81}, none = 0, status;
	bool whole = s->whole, ended = false;
	struct pdu pdu;

	bhs[1] |= len ? out ? 0x20 : 0x40 : 0;
	session_put_lun(bhs);
	put_be32(bhs + 16, MAX_DEPTH);
	put_be32(bhs + 20, len);
	put_be32(bhs + 24, s->cmdsn++);
	put_be32(bhs + 28, s->expstatsn);
	memcpy(bhs + 32, cdb, 16);
	pdu_put(s, bhs, data, out && s->immediate ? len : 0);
	s->whole = true;
	while (!ended) {
		size_t at = 0;

		session_wait(s);
		while (!ended && pdu_take(s, &at, &pdu))
			ended = ended_alone(s, &pdu, len && !out ? data : &none, out ? 0 : len,
					    &status);
		pdu_taken(s, at);
	}
	s->whole = whole;
	return status;
}

void session_must(struct session *s, const uint8_t cdb[16], uint8_t *data, uint32_t len, bool out)
{
	uint8_t status = session_command(s, cdb, data, len, out);

	if (status)
		fail("command %02x: status %02x", cdb[0], status);
}
