/* SPDX-License-Identifier: MIT */
/* Data-In (RFC 7143 11.7) and SCSI Response (11.4) of a task that has ended. */
#include <string.h>

#include "iscsi/session.h"

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Bytes of Data-In to send. */
static uint32_t data_in_length(const struct scsi_task *scsi)
{
	return smaller(scsi->data.length, scsi->expected_in);
}

/* 11.4.5.1: the flags, and the count. */
static unsigned residual(const struct iscsi_task *t, uint32_t *count)
{
	const struct scsi_task *scsi = &t->scsi;
	uint32_t moved = t->write ? scsi->transfer_length : data_in_length(scsi);

	if (scsi->transfer_length > t->expected) {
		*count = scsi->transfer_length - t->expected;
		return RSP_OVERFLOW;
	}
	*count = t->expected - smaller(moved, t->expected);
	return *count ? RSP_UNDERFLOW : 0;
}

static void put_residual(const struct iscsi_task *t, uint8_t *bhs)
{
	uint32_t count;

	bhs[1] |= (uint8_t)residual(t, &count);
	put_be32(bhs + 44, count);
}

static void put_status(struct conn *conn, const struct iscsi_task *t, uint8_t *bhs)
{
	bhs[3] = t->scsi.status;
	put_be32(bhs + 24, conn->tx.statsn++);
	put_residual(t, bhs);
}

/* The next PDU of the data; the last one carries the status when that is GOOD (11.7.3). */
static void build_data_in(struct conn *conn, struct iscsi_task *t, uint32_t total)
{
	const struct session *s = t->session;
	uint8_t *bhs = tx_header(&conn->tx);
	/* not more than is fair: a large PDU is the time that others wait for */
	uint32_t most = smaller(conn->max_xmit, conn->tx.budget.whole);
	uint32_t len = smaller(smaller(most, total - t->sent), s->max_burst - t->in_burst);
	bool last = t->sent + len == total;

	bhs[0] = OP_DATA_IN;
	t->in_burst += len;
	if (last || t->in_burst == s->max_burst) {
		bhs[1] = PDU_FINAL; /* of the sequence, 11.7.1 */
		t->in_burst = 0;
	}
	put_be32(bhs + 16, t->itt);
	put_be32(bhs + 20, TAG_NONE);
	conn_put_window(conn, bhs);
	put_be32(bhs + 36, t->datasn++);
	put_be32(bhs + 40, t->sent);
	if (last && t->scsi.status == STATUS_GOOD && !t->scsi.sense_len && !t->write) {
		bhs[1] |= DATA_IN_STATUS;
		put_status(conn, t, bhs);
		t->final_sent = true;
	}
	tx_pdu(&conn->tx, bhs, &t->scsi.data, t->sent, len);
	t->sent += len;
}

static void build_response(struct conn *conn, struct iscsi_task *t)
{
	const struct scsi_task *scsi = &t->scsi;
	uint8_t *bhs = tx_header(&conn->tx);
	uint32_t len = 0;

	bhs[0] = OP_SCSI_RESPONSE;
	bhs[1] = PDU_FINAL;
	put_be32(bhs + 16, t->itt);
	put_status(conn, t, bhs);
	conn_put_window(conn, bhs);
	put_be32(bhs + 36, t->write ? 0 : t->datasn); /* ExpDataSN, 11.4.8: of Data-In only */
	if (t->read && t->write) {
		bhs[1] |= t->bidi_length ? RSP_BIDI_UNDERFLOW : 0;
		put_be32(bhs + 40, t->bidi_length);
	}
	if (scsi->status == STATUS_CHECK_CONDITION && scsi->sense_len) {
		put_be16(t->sense_segment, scsi->sense_len); /* 11.4.7.1 */
		memcpy(t->sense_segment + 2, scsi->sense, scsi->sense_len);
		len = 2u + scsi->sense_len;
	}
	tx_pdu_flat(&conn->tx, bhs, t->sense_segment, len);
}

static bool response_build(struct conn *conn, struct tx_item *item)
{
	struct iscsi_task *t = container_of(item, struct iscsi_task, response);
	uint32_t total = data_in_length(&t->scsi);

	task_leave_window(t); /* so that this response already tells of the free place */
	while (t->sent < total) {
		if (!tx_room(&conn->tx))
			return false;
		build_data_in(conn, t, total);
	}
	if (t->final_sent)
		return true;
	if (!tx_room(&conn->tx))
		return false;
	build_response(conn, t);
	return true;
}

static void response_sent(struct conn *conn, struct tx_item *item)
{
	struct iscsi_task *t = container_of(item, struct iscsi_task, response);

	(void)conn;
	scsi_task_release(&t->scsi);
	task_free(t);
}

const struct tx_ops response_ops = {response_build, response_sent};
