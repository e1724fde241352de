/* SPDX-License-Identifier: MIT */
/*
 * Sending.  Items wait in order; at the end of a turn their PDUs are built into one batch (headers
 * in slots, data where they are) and leave in one sendmsg().  A batch that the socket doesn't take
 * whole is continued when it is writable again, before anything else is built.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/conn.h"
#include "iscsi/session.h"
#include "util/log.h"

#define STALL_MS 60000u /* a peer that takes nothing for so long is gone */
#define REJECTS_LOGGED 5u
#define REPLIES_MAX 64u /* queued replies above which a connection isn't read */

bool tx_init(struct tx *tx, unsigned slots)
{
	unsigned iovs = slots * 3 + TX_IOV_PER_PDU;
	void *new_slots = aligned_alloc(TX_SLOT, (size_t)slots * TX_SLOT);
	struct iovec *new_iov = malloc(iovs * sizeof(*new_iov));

	if (!new_slots || !new_iov) {
		free(new_slots);
		free(new_iov);
		return false;
	}
	free(tx->slots);
	free(tx->iov);
	tx->slots = new_slots;
	tx->iov = new_iov;
	tx->nr_slots = (uint16_t)slots;
	tx->nr_iov = (uint16_t)iovs;
	tx->used_slots = tx->first_iov = tx->last_iov = 0;
	return true;
}

void tx_free(struct tx *tx)
{
	free(tx->slots);
	free(tx->iov);
}

void tx_queue(struct conn *conn, struct tx_item *item)
{
	list_add_tail(&conn->tx.pending, &item->link);
	reactor_defer(conn->reactor, DEFER_FLUSH, &conn->flush);
}

static void drop_list(struct conn *conn, struct list *list)
{
	while (!list_empty(list)) {
		struct tx_item *item = list_pop(list, struct tx_item, link);

		item->ops->sent(conn, item);
	}
}

void tx_drop_all(struct conn *conn)
{
	drop_list(conn, &conn->tx.built);
	drop_list(conn, &conn->tx.pending);
}

/* ---- building ---- */

uint8_t *tx_header(struct tx *tx)
{
	uint8_t *bhs = tx->slots[tx->used_slots++];

	memset(bhs, 0, BHS_LEN);
	return bhs;
}

static void add_iov(struct tx *tx, void *base, size_t len)
{
	tx->iov[tx->last_iov++] = (struct iovec){base, len};
	tx->position += len;
}

static void add_header(struct tx *tx, uint8_t *bhs, uint32_t len)
{
	put_be24(bhs + 5, len);
	if (!tx->header_digest) {
		add_iov(tx, bhs, BHS_LEN);
		return;
	}
	digest_put(bhs + BHS_LEN, digest_update(DIGEST_SEED, bhs, BHS_LEN));
	add_iov(tx, bhs, BHS_LEN + DIGEST_LEN);
}

/* Padding and digest stand behind the header in its slot. */
static void add_tail(struct tx *tx, uint8_t *bhs, uint32_t len, uint32_t crc)
{
	uint8_t *tail = bhs + BHS_LEN + DIGEST_LEN;
	uint32_t pad = pdu_padding(len);

	memset(tail, 0, 4);
	if (tx->data_digest)
		digest_put(tail + pad, digest_update(crc, tail, pad));
	pad += tx->data_digest ? DIGEST_LEN : 0;
	if (pad)
		add_iov(tx, tail, pad);
}

void tx_pdu(struct tx *tx, uint8_t *bhs, const struct databuf *buf, uint32_t offset, uint32_t len)
{
	uint32_t crc = DIGEST_SEED, left = len;

	add_header(tx, bhs, len);
	if (!len)
		return;
	while (left) {
		size_t run;
		void *at = databuf_at(buf, offset, &run);

		if (run > left)
			run = left;
		if (tx->data_digest)
			crc = digest_update(crc, at, run);
		add_iov(tx, at, run);
		offset += (uint32_t)run;
		left -= (uint32_t)run;
	}
	add_tail(tx, bhs, len, crc);
}

void tx_pdu_flat(struct tx *tx, uint8_t *bhs, const uint8_t *data, uint32_t len)
{
	uint32_t crc = DIGEST_SEED;

	add_header(tx, bhs, len);
	if (!len)
		return;
	if (tx->data_digest)
		crc = digest_update(crc, data, len);
	add_iov(tx, (void *)(uintptr_t)data, len);
	add_tail(tx, bhs, len, crc);
}

static void build(struct conn *conn)
{
	struct tx *tx = &conn->tx;

	tx->most = (uint32_t)tx->budget.left;
	while (!list_empty(&tx->pending) && tx_room(tx)) {
		struct tx_item *item = list_first(&tx->pending, struct tx_item, link);

		if (!item->ops->build(conn, item))
			return;
		list_del(&item->link);
		item->end = tx->position;
		list_add_tail(&tx->built, &item->link);
	}
}

/* ---- sending ---- */

static void took(struct conn *conn, size_t n)
{
	struct tx *tx = &conn->tx;

	tx->sent += n;
	while (n && n >= tx->iov[tx->first_iov].iov_len)
		n -= tx->iov[tx->first_iov++].iov_len;
	if (n) {
		struct iovec *v = &tx->iov[tx->first_iov];

		v->iov_base = (char *)v->iov_base + n;
		v->iov_len -= n;
	}
	if (tx->first_iov == tx->last_iov)
		tx->first_iov = tx->last_iov = tx->used_slots = 0;
	while (!list_empty(&tx->built)) {
		struct tx_item *item = list_first(&tx->built, struct tx_item, link);

		if (item->end > tx->sent)
			return;
		list_del(&item->link);
		item->ops->sent(conn, item);
	}
}

static void set_blocked(struct conn *conn, bool blocked)
{
	if (conn->tx.blocked == blocked)
		return;
	conn->tx.blocked = blocked;
	if (!blocked)
		reactor_timer_cancel(&conn->stall);
	conn_set_events(conn);
}

/* True: all that was built is gone. */
static bool send_batch(struct conn *conn)
{
	struct tx *tx = &conn->tx;
	uint64_t before = tx->position - tx->sent;
	struct msghdr msg = {.msg_iov = tx->iov + tx->first_iov,
			     .msg_iovlen = (size_t)(tx->last_iov - tx->first_iov)};
	ssize_t n = sendmsg(conn->watch.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		conn_close(conn, strerror(errno));
		return false;
	}
	if (n > 0) {
		tx->budget.left -= n;
		took(conn, (size_t)n);
	}
	if (!conn_is_open(conn))
		return false;
	if (n == (ssize_t)before)
		return true;
	if (n > 0 || !tx->blocked) /* it takes something: its time starts anew */
		reactor_timer_arm(conn->reactor, &conn->stall, STALL_MS);
	set_blocked(conn, true);
	return false;
}

static void pause_if_needed(struct conn *conn)
{
	bool paused = conn->tx.nr_replies > REPLIES_MAX;

	if (paused == conn->paused)
		return;
	conn->paused = paused;
	conn_set_events(conn);
	if (!paused)
		rx_process(conn);
}

void tx_flush(struct conn *conn)
{
	struct tx *tx = &conn->tx;

	if (conn->phase == CONN_HANDOVER)
		return;
	while (!tx->blocked && conn_is_open(conn) && !list_empty(&tx->pending)) {
		if (!budget_is_left(&tx->budget, conn->reactor)) {
			conn_yield(conn);
			break;
		}
		build(conn);
		if (tx->first_iov == tx->last_iov || !send_batch(conn))
			break;
	}
	if (conn_is_open(conn))
		pause_if_needed(conn);
}

void tx_writable(struct conn *conn)
{
	struct tx *tx = &conn->tx;

	if (tx->first_iov != tx->last_iov && !send_batch(conn))
		return;
	set_blocked(conn, false);
	tx_flush(conn);
}

/* ---- replies ---- */

static bool reply_build(struct conn *conn, struct tx_item *item)
{
	struct reply *reply = container_of(item, struct reply, item);
	uint8_t *bhs = tx_header(&conn->tx);

	memcpy(bhs, reply->bhs, BHS_LEN);
	put_be32(bhs + 24, conn->tx.statsn);
	if (reply->takes_statsn)
		conn->tx.statsn++;
	conn_put_window(conn, bhs);
	tx_pdu_flat(&conn->tx, bhs, reply->data, reply->len);
	return true;
}

static void reply_sent(struct conn *conn, struct tx_item *item)
{
	struct reply *reply = container_of(item, struct reply, item);
	bool closes = reply->closes;

	conn->tx.nr_replies--;
	free(reply);
	if (closes)
		conn_close(conn, NULL);
}

static const struct tx_ops reply_ops = {reply_build, reply_sent};

struct reply *reply_create(struct conn *conn, unsigned opcode, unsigned flags, uint32_t itt,
			   const void *data, size_t len)
{
	struct reply *reply = malloc(sizeof(*reply) + len);

	if (!reply) {
		conn_close(conn, "out of memory");
		return NULL;
	}
	memset(reply, 0, sizeof(*reply));
	reply->item.ops = &reply_ops;
	pdu_init(reply->bhs, opcode, flags, itt);
	reply->takes_statsn = true;
	reply->len = (uint32_t)len;
	if (data && len)
		memcpy(reply->data, data, len);
	return reply;
}

void reply_queue(struct conn *conn, struct reply *reply)
{
	conn->tx.nr_replies++;
	tx_queue(conn, &reply->item);
}

void conn_reject(struct conn *conn, const uint8_t *bhs, enum reject_reason reason)
{
	struct reply *reply = reply_create(conn, OP_REJECT, PDU_FINAL, TAG_NONE, bhs, BHS_LEN);

	if (!reply)
		return;
	reply->bhs[2] = (uint8_t)reason;
	if (conn->nr_rejects++ < REJECTS_LOGGED)
		conn_log(conn, LOG_INFO, "rejected a PDU with opcode 0x%02x: reason 0x%02x%s",
			 pdu_opcode(bhs), reason,
			 conn->nr_rejects == REJECTS_LOGGED ? "; more of them aren't logged" : "");
	reply_queue(conn, reply);
}
