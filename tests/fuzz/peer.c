/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core.h"
#include "fuzz.h"
#include "iscsi/conn.h"
#include "iscsi/login.h"
#include "iscsi/pdu.h"

#define MAX_RECEIVE 65536u /* what this initiator declares */

void peer_connect(struct peer *p)
{
	union address address = {.in = {.sin_family = AF_INET}};
	struct conn *conn;
	int fds[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
	memset(p, 0, sizeof(*p));
	p->fd = fds[0];
	p->cmdsn = 1;
	p->knows = true;
	p->in = malloc(PEER_BUFFER);
	conn = conn_create(fds[1], &address);
	must(p->in && conn && conn_attach(conn) && login_start(conn));
}

void peer_close(struct peer *p)
{
	if (p->fd < 0)
		return;
	close(p->fd);
	free(p->in);
	p->fd = -1;
	p->in = NULL;
	p->logged_in = false;
}

/* ---- commands and their answers ---- */

static struct peer_command *command_of(struct peer *p, uint32_t itt)
{
	for (unsigned i = 0; i < p->nr_commands; i++)
		if (p->commands[i].itt == itt)
			return &p->commands[i];
	return NULL;
}

static void note_sent(struct peer *p, const uint8_t *bhs, size_t len, unsigned how)
{
	struct peer_command *c;

	if (!(how & PEER_FIX_LENGTH) || bhs[4] || (how & PEER_NO_PADDING && len % 4) ||
	    p->nr_commands == PEER_COMMANDS)
		p->knows = false;
	if (!p->knows || pdu_opcode(bhs) != OP_SCSI_COMMAND)
		return;
	c = command_of(p, pdu_itt(bhs));
	if (c) {
		c->twice = true;
		return;
	}
	p->commands[p->nr_commands++] =
	    (struct peer_command){.itt = pdu_itt(bhs), .expected = get_be32(bhs + 20)};
}

/* RFC 7143 11.4.5: the residual is part of what was expected.  An overflow isn't. */
static void check_residual(const struct peer_command *c, const uint8_t *bhs)
{
	must((bhs[1] & 0x06) != 0x06);
	if (bhs[1] & 0x02)
		must(get_be32(bhs + 44) <= c->expected);
}

/* One answer to each command that was sent, and data within what it expects. */
static void check_answer(struct peer *p, const uint8_t *bhs)
{
	uint8_t opcode = pdu_opcode(bhs);
	bool status = opcode == OP_SCSI_RESPONSE || (opcode == OP_DATA_IN && bhs[1] & 0x01);
	struct peer_command *c;

	if (!p->knows || (!status && opcode != OP_DATA_IN && opcode != OP_R2T))
		return;
	c = command_of(p, pdu_itt(bhs));
	must(c);
	if (c->twice)
		return;
	must(!c->answered);
	c->answered = status;
	if (status)
		check_residual(c, bhs);
	if (opcode == OP_DATA_IN)
		must(get_be32(bhs + 40) <= c->expected &&
		     pdu_data_len(bhs) <= c->expected - get_be32(bhs + 40));
	if (opcode == OP_R2T)
		must(get_be32(bhs + 40) <= c->expected &&
		     get_be32(bhs + 44) <= c->expected - get_be32(bhs + 40));
}

/* ---- receiving ---- */

static void take_pdu(struct peer *p, const uint8_t *bhs)
{
	switch (pdu_opcode(bhs)) {
	case OP_R2T:
		p->itt = pdu_itt(bhs);
		p->ttt = pdu_ttt(bhs);
		p->offset = get_be32(bhs + 40);
		p->length = get_be32(bhs + 44);
		must(p->length);
		break;
	case OP_LOGIN_RESPONSE:
		p->logged_in = !get_be16(bhs + 36) && (bhs[1] & 0x83) == 0x83;
		break;
	case OP_NOP_IN:
	case OP_SCSI_RESPONSE:
	case OP_TASK_MANAGEMENT_RESPONSE:
	case OP_TEXT_RESPONSE:
	case OP_DATA_IN:
	case OP_LOGOUT_RESPONSE:
	case OP_ASYNC_MESSAGE:
	case OP_REJECT:
		break;
	default:
		must(!"an opcode that targets send");
	}
	must(!bhs[4] && pdu_data_len(bhs) <= MAX_RECEIVE);
	check_answer(p, bhs);
}

/* The bytes of the first PDU in the buffer; 0: it isn't whole. */
static size_t whole_pdu(const struct peer *p)
{
	size_t header = BHS_LEN + (p->header_digest ? DIGEST_LEN : 0), data, size;

	if (p->in_len < BHS_LEN)
		return 0;
	data = pdu_data_len(p->in);
	size = header + data + pdu_padding((uint32_t)data);
	if (p->data_digest && data)
		size += DIGEST_LEN;
	return size <= p->in_len ? size : 0;
}

static void check_digests(const struct peer *p)
{
	size_t len = pdu_data_len(p->in), padded = len + pdu_padding((uint32_t)len);
	const uint8_t *data = p->in + BHS_LEN;

	if (p->header_digest) {
		must(digest_matches(data, digest_update(DIGEST_SEED, p->in, BHS_LEN)));
		data += DIGEST_LEN;
	}
	if (p->data_digest && len)
		must(digest_matches(data + padded, digest_update(DIGEST_SEED, data, padded)));
}

void peer_receive(struct peer *p)
{
	size_t size;
	ssize_t n;

	if (p->fd < 0)
		return;
	while ((n = recv(p->fd, p->in + p->in_len, PEER_BUFFER - p->in_len, 0)) > 0) {
		p->in_len += (size_t)n;
		while ((size = whole_pdu(p))) {
			check_digests(p);
			take_pdu(p, p->in);
			memmove(p->in, p->in + size, p->in_len - size);
			p->in_len -= size;
		}
	}
	if (n == 0 || errno != EAGAIN)
		peer_close(p);
}

/* ---- sending ---- */

static void send_all(struct peer *p, const void *data, size_t len)
{
	const uint8_t *at = data;

	for (unsigned tries = 0; len && tries < 100 && p->fd >= 0; tries++) {
		ssize_t n = send(p->fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN) {
			peer_close(p);
		} else if (n < 0) {
			core_run_turns(2); /* the socket is full */
			peer_receive(p);
		} else {
			at += n;
			len -= (size_t)n;
		}
	}
}

void peer_send_raw(struct peer *p, const void *data, size_t len)
{
	p->knows = false;
	send_all(p, data, len);
}

static void fix_header(struct peer *p, uint8_t *bhs, size_t len, unsigned how)
{
	if (how & PEER_FIX_LENGTH)
		put_be24(bhs + 5, (uint32_t)len);
	if (how & PEER_FIX_CMDSN) {
		put_be32(bhs + 24, p->cmdsn);
		if (!pdu_immediate(bhs) && pdu_has_cmdsn(pdu_opcode(bhs)))
			p->cmdsn++;
	}
	if (how & PEER_ANSWER_R2T) {
		put_be32(bhs + 16, p->itt);
		put_be32(bhs + 20, p->ttt);
		put_be32(bhs + 40, p->offset);
		p->offset += (uint32_t)len;
	}
}

void peer_send_pdu(struct peer *p, const uint8_t *bhs, const uint8_t *data, size_t len,
		   unsigned how)
{
	size_t pad = how & PEER_NO_PADDING ? 0 : pdu_padding((uint32_t)len), at = BHS_LEN;
	uint8_t *pdu = calloc(1, BHS_LEN + len + pad + 2 * DIGEST_LEN);
	uint8_t spoil = how & PEER_BAD_DIGEST ? 1 : 0;

	must(pdu);
	memcpy(pdu, bhs, BHS_LEN);
	fix_header(p, pdu, len, how);
	note_sent(p, pdu, len, how);
	if (p->header_digest) {
		digest_put(pdu + at, digest_update(DIGEST_SEED, pdu, BHS_LEN));
		pdu[at] ^= (uint8_t)(spoil && !len);
		at += DIGEST_LEN;
	}
	if (len)
		memcpy(pdu + at, data, len);
	if (p->data_digest && len) {
		digest_put(pdu + at + len + pad, digest_update(DIGEST_SEED, pdu + at, len + pad));
		pdu[at + len + pad] ^= spoil;
		at += DIGEST_LEN;
	}
	send_all(p, pdu, at + len + pad);
	free(pdu);
}

static size_t add(char *text, size_t at, const char *pair)
{
	memcpy(text + at, pair, strlen(pair) + 1);
	return at + strlen(pair) + 1;
}

static size_t login_text(char *text, const struct peer_login *login)
{
	size_t at = add(text, 0, "InitiatorName=iqn.2026-01.test:initiator");

	if (login->discovery) {
		at = add(text, at, "SessionType=Discovery");
	} else {
		at = add(text, at, "TargetName=iqn.2026-01.test:fuzz");
		at = add(text, at, login->initial_r2t ? "InitialR2T=Yes" : "InitialR2T=No");
		at = add(text, at, "MaxOutstandingR2T=4");
	}
	if (login->digests) {
		at = add(text, at, "HeaderDigest=CRC32C");
		at = add(text, at, "DataDigest=CRC32C");
	}
	return add(text, at, "MaxRecvDataSegmentLength=65536");
}

void peer_log_in(struct peer *p, const struct peer_login *login)
{
	uint8_t bhs[BHS_LEN] = {OP_LOGIN | PDU_IMMEDIATE, 0x87, [8] = 0x80, [13] = login->isid};
	char text[512];
	size_t len = login_text(text, login);

	put_be32(bhs + 24, p->cmdsn);
	peer_send_pdu(p, bhs, (const uint8_t *)text, len, PEER_FIX_LENGTH);
	for (unsigned i = 0; i < 20 && !p->logged_in && p->fd >= 0; i++) {
		core_run_turns(2);
		peer_receive(p);
	}
	/* offers of the target's own (InitialR2T) are answered by a second request */
	if (!p->logged_in && p->fd >= 0) {
		peer_send_pdu(p, bhs, NULL, 0, PEER_FIX_LENGTH);
		core_run_turns(20);
		peer_receive(p);
	}
	p->header_digest = p->data_digest = p->logged_in && login->digests;
}
