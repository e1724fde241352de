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

#include "pdu.h"
#include "session.h"
#include "util/bytes.h"

#define TEXT_SIZE 8192 /* RFC 7143 6.1: the longest answer before the full feature phase */
#define LOGIN_ROUNDS 8

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

static size_t login_text(char *text)
{
	size_t len = 0;

#define KEY(...) (len += (size_t)sprintf(text + len, __VA_ARGS__) + 1)
	KEY("InitiatorName=%s", opt.initiator);
	KEY("TargetName=%s", opt.target);
	KEY("SessionType=Normal");
	KEY("HeaderDigest=%s", opt.header_digest ? "CRC32C" : "None");
	KEY("DataDigest=%s", opt.data_digest ? "CRC32C" : "None");
	KEY("InitialR2T=No");
	KEY("ImmediateData=Yes");
	KEY("MaxRecvDataSegmentLength=%u", MAX_RECV_DATA);
	KEY("FirstBurstLength=%u", FIRST_BURST);
	KEY("MaxBurstLength=%u", MAX_BURST);
	KEY("MaxConnections=1");
	KEY("ErrorRecoveryLevel=0");
#undef KEY
	return len;
}

static bool is(const char *text, const char *key, const char **value)
{
	size_t len = strlen(key);

	*value = text + len + 1;
	return !strncmp(text, key, len) && text[len] == '=';
}

static void take_key(struct session *s, const char *text)
{
	const char *value;

	if (is(text, "HeaderDigest", &value))
		s->header_digest = !strcmp(value, "CRC32C");
	else if (is(text, "DataDigest", &value))
		s->data_digest = !strcmp(value, "CRC32C");
	else if (is(text, "ImmediateData", &value))
		s->immediate = !strcmp(value, "Yes");
	else if (is(text, "MaxRecvDataSegmentLength", &value))
		s->max_send = (uint32_t)strtoul(value, NULL, 10);
	else if (is(text, "FirstBurstLength", &value))
		s->first_burst = (uint32_t)strtoul(value, NULL, 10);
}

/* What is negotiated holds from the full feature phase on: no digest before. */
static void take_text(struct session *s, const char *text, size_t len)
{
	while (len) {
		size_t one = strnlen(text, len);

		if (one == len)
			fail("the text of a Login Response doesn't end");
		take_key(s, text);
		text += one + 1;
		len -= one + 1;
	}
}

/* A Login Request with this text; the answer's stage bits. */
static uint8_t login_round(struct session *s, const char *text, size_t len)
{
	uint8_t bhs[BHS_LEN] = {IMMEDIATE_BIT | LOGIN, 0x87}; /* T, CSG 1, NSG 3 */
	bool header_digest = s->header_digest, data_digest = s->data_digest;
	struct pdu pdu;
	uint8_t flags;
	size_t at = 0;

	s->header_digest = s->data_digest = false;
	bhs[8] = 0x80;
	put_be32(bhs + 9, 0x746774u << 8);
	put_be16(bhs + 12, (uint16_t)s->number);
	put_be32(bhs + 24, s->cmdsn);
	put_be32(bhs + 28, s->expstatsn);
	pdu_put(s, bhs, text, (uint32_t)len);
	while (!pdu_take(s, &at, &pdu))
		session_wait(s);
	if ((pdu.bhs[0] & 0x3f) != LOGIN_RESPONSE || pdu.bhs[36])
		fail("login refused, status %02x%02x", pdu.bhs[36], pdu.bhs[37]);
	s->header_digest = header_digest;
	s->data_digest = data_digest;
	s->expstatsn = get_be32(pdu.bhs + 24) + 1;
	s->cmdsn = get_be32(pdu.bhs + 28);
	s->maxcmdsn = get_be32(pdu.bhs + 32);
	take_text(s, (const char *)pdu.data, pdu.len);
	flags = pdu.bhs[1];
	pdu_taken(s, at);
	return flags;
}

static void login(struct session *s)
{
	char text[TEXT_SIZE];
	size_t len = login_text(text);

	for (unsigned i = 0; i < LOGIN_ROUNDS; i++) {
		uint8_t flags = login_round(s, text, len);

		if ((flags & 0x83) == 0x83) {
			if (opt.header_digest > s->header_digest ||
			    opt.data_digest > s->data_digest)
				fail("the target doesn't agree to a digest");
			if (s->max_send < 512 || s->max_send >= 1u << 24) /* RFC 7143 13.12 */
				fail("MaxRecvDataSegmentLength=%u", s->max_send);
			return;
		}
		len = 0;
	}
	fail("login doesn't end");
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

void session_open(struct session *s, unsigned number)
{
	static const uint8_t test_unit_ready[16] = {0x00};

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
	login(s);
	for (unsigned i = 0; i < 8 && session_command(s, test_unit_ready, NULL, 0, false); i++)
		;
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
