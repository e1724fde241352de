/* SPDX-License-Identifier: MIT */
/*
 * Receiving.  One recv() a wake-up fills the buffer; PDUs are taken out of it in place.  A data
 * segment that isn't wholly there goes straight to where it belongs: the rest is received there,
 * together with what follows it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/login.h"
#include "iscsi/session.h"
#include "util/log.h"

#define SMALL_READ                                                                                 \
	4096u /* what is read ahead when data segments are large: little has to be copied */
#define LARGE_SEGMENT 16384u
#define SINK_IOV 8u

static uint32_t available(const struct rx *rx)
{
	return rx->end - rx->start;
}

/* ---- data segments ---- */

static void to_sink(struct rx *rx, const uint8_t *from, uint32_t len)
{
	if (len > rx->sink_left)
		len = rx->sink_left;
	if (!len)
		return;
	databuf_write(rx->sink, rx->sink_offset, from, len);
	rx->sink_offset += len;
	rx->sink_left -= len;
}

/* What the buffer holds of the data segment goes where it belongs. */
static void take_buffered(struct rx *rx)
{
	const uint8_t *from = rx->buf + rx->start;
	uint32_t len = available(rx) < rx->data_left ? available(rx) : rx->data_left;

	if (!len)
		return;
	if (rx->data_digest && !rx->whole)
		rx->crc = digest_update(rx->crc, from, len);
	if (rx->flat) {
		memcpy(rx->flat + rx->flat_len, from, len);
		rx->flat_len += len;
	} else {
		to_sink(rx, from, len);
	}
	rx->start += len;
	rx->data_left -= len;
}

static unsigned sink_iov(const struct rx *rx, struct iovec *iov)
{
	uint32_t offset = rx->sink_offset, left = rx->sink_left;
	unsigned n = 0;

	if (rx->flat) {
		iov[0] = (struct iovec){rx->flat + rx->flat_len, rx->data_left};
		return 1;
	}
	if (left > rx->data_left)
		left = rx->data_left;
	if (left > TURN_BYTES_ALONE)
		left = TURN_BYTES_ALONE;
	while (left && n < SINK_IOV) {
		size_t run;
		void *at = databuf_at(rx->sink, offset, &run);

		if (run > left)
			run = left;
		iov[n++] = (struct iovec){at, run};
		offset += (uint32_t)run;
		left -= (uint32_t)run;
	}
	return n;
}

/* n bytes came into the iov that sink_iov() made. */
static void received_in_place(struct rx *rx, const struct iovec *iov, unsigned count, uint32_t n)
{
	for (unsigned i = 0; i < count && n; i++) {
		uint32_t here = n < iov[i].iov_len ? n : (uint32_t)iov[i].iov_len;

		if (rx->data_digest)
			rx->crc = digest_update(rx->crc, iov[i].iov_base, here);
		if (rx->flat)
			rx->flat_len += here;
		else {
			rx->sink_offset += here;
			rx->sink_left -= here;
		}
		rx->data_left -= here;
		n -= here;
	}
}

/* ---- PDUs ---- */

static void forget_pdu(struct rx *rx)
{
	free(rx->flat);
	rx->flat = NULL;
	rx->task = NULL;
	rx->state = RX_HEADER;
	rx_discard(rx);
}

/* PDUs whose data belong to a task. */
static bool is_command(const struct conn *conn)
{
	return conn->phase == CONN_FULL && pdu_opcode(conn->rx.bhs) == OP_SCSI_COMMAND;
}

static bool is_data_out(const struct conn *conn)
{
	return conn->phase == CONN_FULL && pdu_opcode(conn->rx.bhs) == OP_DATA_OUT;
}

static void end_pdu(struct conn *conn, uint8_t *flat, uint32_t len, bool digest_ok)
{
	struct rx *rx = &conn->rx;

	if (is_command(conn))
		command_end(conn, digest_ok);
	else if (is_data_out(conn))
		data_out_end(conn, digest_ok);
	else if (!digest_ok)
		conn_reject(conn, rx->bhs, REJECT_DATA_DIGEST); /* 7.8: the PDU is discarded */
	else if (conn->phase == CONN_LOGIN)
		login_pdu(conn, rx->bhs, flat, len);
	else
		full_feature_pdu(conn, rx->bhs, flat, len);
}

/* The whole data segment lies in the buffer: no state is kept over a recv(). */
static void pdu_in_place(struct conn *conn)
{
	struct rx *rx = &conn->rx;
	uint32_t len = rx->data_left, pad = pdu_padding(len);
	uint8_t *data = rx->buf + rx->start;
	bool digest_ok = true;

	rx->whole = true;
	if (rx->data_digest && len)
		digest_ok =
		    digest_matches(data + len + pad, digest_update(DIGEST_SEED, data, len + pad));
	rx->start += len + rx->tail;
	if (!is_command(conn) && !is_data_out(conn)) {
		end_pdu(conn, data, len, digest_ok);
		return;
	}
	if (!digest_ok && is_command(conn)) {
		conn_reject(conn, rx->bhs, REJECT_DATA_DIGEST); /* 7.8: as if it hadn't come */
		return;
	}
	if (is_command(conn) ? command_begin(conn) : data_out_begin(conn)) {
		to_sink(rx, data, len);
		end_pdu(conn, NULL, 0, digest_ok);
	}
	rx->task = NULL;
	rx_discard(rx);
}

/* The data segment goes to its place as it comes. */
static void begin_pdu(struct conn *conn)
{
	struct rx *rx = &conn->rx;
	bool wanted = true;

	rx->whole = false;
	rx->crc = DIGEST_SEED;
	rx->flat_len = 0;
	if (is_command(conn))
		wanted = command_begin(conn);
	else if (is_data_out(conn))
		wanted = data_out_begin(conn);
	else if (!(rx->flat = malloc(rx->data_left + 1)))
		conn_close(conn, "out of memory");
	rx->ignored = !wanted;
	rx->state = RX_DATA;
}

static void finish_pdu(struct conn *conn)
{
	struct rx *rx = &conn->rx;
	uint8_t *tail = rx->buf + rx->start;
	uint32_t pad = rx->data_digest ? rx->tail - DIGEST_LEN : rx->tail;
	bool digest_ok = true;

	if (rx->data_digest)
		digest_ok = digest_matches(tail + pad, digest_update(rx->crc, tail, pad));
	rx->start += rx->tail;
	rx->state = RX_HEADER;
	if (!rx->ignored)
		end_pdu(conn, rx->flat, rx->flat_len, digest_ok);
	forget_pdu(rx);
}

static bool parse_ahs(struct conn *conn, const uint8_t *ahs)
{
	struct rx *rx = &conn->rx;
	size_t extra = 0;

	rx->ahs_cdb_len = 0;
	rx->bidi_length = 0;
	if (!rx->bhs[4])
		return true;
	if (!pdu_parse_ahs(ahs, pdu_ahs_len(rx->bhs), rx->ahs_cdb, sizeof(rx->ahs_cdb), &extra,
			   &rx->bidi_length))
		return false;
	rx->ahs_cdb_len = (uint8_t)(extra < sizeof(rx->ahs_cdb) ? extra : sizeof(rx->ahs_cdb));
	return true;
}

/* False: there is no whole header yet, or the connection is closed. */
static bool take_header(struct conn *conn)
{
	struct rx *rx = &conn->rx;
	const uint8_t *bhs = rx->buf + rx->start;
	uint32_t len, data_len;

	if (available(rx) < BHS_LEN)
		return false;
	len = BHS_LEN + pdu_ahs_len(bhs) + (rx->header_digest ? DIGEST_LEN : 0);
	if (available(rx) < len)
		return false;
	if (rx->header_digest &&
	    !digest_matches(bhs + len - DIGEST_LEN,
			    digest_update(DIGEST_SEED, bhs, len - DIGEST_LEN))) {
		conn_close(conn, "a header digest is wrong"); /* 7.8, ErrorRecoveryLevel 0 */
		return false;
	}
	data_len = pdu_data_len(bhs);
	if (data_len > rx->max_data) {
		conn_close(conn, "a data segment is longer than MaxRecvDataSegmentLength");
		return false;
	}
	memcpy(rx->bhs, bhs, BHS_LEN);
	if (!parse_ahs(conn, bhs + BHS_LEN)) {
		conn_close(conn, "an additional header segment is malformed");
		return false;
	}
	rx->start += len;
	rx->data_left = data_len;
	rx->tail = pdu_padding(data_len) + (rx->data_digest && data_len ? DIGEST_LEN : 0);
	rx->small_reads = data_len >= LARGE_SEGMENT;
	return true;
}

/* Takes the next step; false: it needs more bytes. */
static bool step(struct conn *conn)
{
	struct rx *rx = &conn->rx;

	switch (rx->state) {
	case RX_HEADER:
		if (!take_header(conn))
			return false;
		if (available(rx) >= rx->data_left && available(rx) - rx->data_left >= rx->tail)
			pdu_in_place(conn);
		else
			begin_pdu(conn);
		return true;
	case RX_DATA:
		take_buffered(rx);
		if (rx->data_left)
			return false;
		rx->state = RX_TAIL;
		return true;
	default:
		if (available(rx) < rx->tail)
			return false;
		finish_pdu(conn);
		return true;
	}
}

static bool may_parse(struct conn *conn)
{
	if (conn->paused || conn->stopped ||
	    (conn->phase != CONN_LOGIN && conn->phase != CONN_DISCOVERY &&
	     conn->phase != CONN_FULL))
		return false;
	if (budget_is_left(&conn->rx.budget, conn->reactor))
		return true;
	conn->yielded = true;
	conn_yield(conn);
	return false;
}

void rx_process(struct conn *conn)
{
	struct rx *rx = &conn->rx;

	if (conn->parsing)
		return;
	conn->parsing = true;
	while (may_parse(conn) && step(conn))
		;
	conn->parsing = false;
	/* what is left is the beginning of a header or a tail */
	if (rx->start) {
		memmove(rx->buf, rx->buf + rx->start, available(rx));
		rx->end -= rx->start;
		rx->start = 0;
	}
}

static uint32_t read_ahead(const struct rx *rx)
{
	uint32_t room = rx->size - rx->end;

	return rx->small_reads && room > SMALL_READ ? SMALL_READ : room;
}

void rx_readable(struct conn *conn)
{
	struct rx *rx = &conn->rx;
	struct iovec iov[SINK_IOV + 1];
	unsigned count = rx->state == RX_DATA ? sink_iov(rx, iov) : 0;
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};
	uint32_t in_place = 0;
	ssize_t n;

	if (conn->yielded)
		return; /* what came before is still to be looked at */
	for (unsigned i = 0; i < count; i++)
		in_place += (uint32_t)iov[i].iov_len;
	if (in_place == rx->data_left || !count)
		iov[msg.msg_iovlen++] = (struct iovec){rx->buf + rx->end, read_ahead(rx)};
	n = recvmsg(conn->watch.fd, &msg, MSG_DONTWAIT);
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			conn_close(conn, n ? strerror(errno) : NULL);
		return;
	}
	conn->heard = true;
	if (count) {
		uint32_t there = (size_t)n < in_place ? (uint32_t)n : in_place;

		received_in_place(rx, iov, count, there);
		n -= there;
	}
	rx->end += (uint32_t)n;
	rx_process(conn);
}
