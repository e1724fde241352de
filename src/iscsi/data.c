/* SPDX-License-Identifier: MIT */
/* Data-Out (RFC 7143 11.7) and R2T (11.8). */
#include <string.h>

#include "iscsi/session.h"

#define DATA_OFFSET_ERROR 0x4b05 /* SPC-5 table F.1 */
#define ABORT_MEMORY_MS 10000u   /* data of tasks aborted so long ago may still come */

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* ---- where data go ---- */

static bool get_early(struct iscsi_task *t, uint32_t len)
{
	if (t->early.iov)
		return true;
	if (t->unsolicited && t->unsolicited_limit > len)
		len = t->unsolicited_limit;
	return bufpool_get(reactor_bufpool(t->session->reactor), BUF_UNSOLICITED, NULL, &t->early,
			   len);
}

void data_choose_sink(struct conn *conn, struct iscsi_task *t, uint32_t offset, uint32_t len)
{
	struct rx *rx = &conn->rx;

	rx_discard(rx);
	if (t->done || t->failed)
		return;
	if (!t->wanted && !get_early(t, len)) {
		t->failed = ASC_INSUFFICIENT_RESOURCES;
		return;
	}
	rx->sink = t->wanted ? &t->scsi.data : &t->early;
	rx->sink_offset = offset;
	if (offset < rx->sink->length)
		rx->sink_left = smaller(len, rx->sink->length - offset);
}

static void copy_early(struct iscsi_task *t)
{
	struct databuf *data = &t->scsi.data;
	uint32_t at = 0;

	while (at < t->early.length && at < data->length) {
		size_t run;
		const void *from = databuf_at(&t->early, at, &run);

		at += (uint32_t)databuf_write(data, at, from,
					      smaller((uint32_t)run, data->length - at));
	}
}

/* The data that came before the core wanted them. */
static void take_early(struct iscsi_task *t)
{
	struct conn *conn = t->session->conn;
	struct databuf *data = &t->scsi.data;

	copy_early(t);
	if (conn && conn->rx.sink == &t->early) {
		struct rx *rx = &conn->rx;

		rx->sink = data;
		rx->sink_left = rx->sink_offset < data->length
				    ? smaller(rx->sink_left, data->length - rx->sink_offset)
				    : 0;
	}
	bufpool_put(reactor_bufpool(t->session->reactor), &t->early);
}

void data_wanted(struct scsi_task *scsi)
{
	struct iscsi_task *t = container_of(scsi, struct iscsi_task, scsi);

	t->wanted = true;
	if (t->failed) {
		t->complete = true;
		scsi_task_data_failed(scsi, KEY_ABORTED_COMMAND, t->failed);
		return;
	}
	if (t->early.iov)
		take_early(t);
	data_advance(t);
}

void data_fail(struct iscsi_task *t, uint16_t asc)
{
	if (t->failed || t->done || t->complete)
		return;
	t->failed = asc;
	if (!t->wanted)
		return;
	t->complete = true;
	scsi_task_data_failed(&t->scsi, KEY_ABORTED_COMMAND, asc);
}

/* ---- R2T ---- */

static void add_r2t(struct iscsi_task *t)
{
	struct session *s = t->session;
	struct r2t *r = &t->r2t[t->nr_r2ts++];

	if (s->next_ttt == TAG_NONE)
		s->next_ttt = 0;
	*r = (struct r2t){.ttt = s->next_ttt++,
			  .offset = t->solicited,
			  .length = smaller(s->max_burst, t->scsi.data.length - t->solicited)};
	t->solicited += r->length;
}

static void ask_for_more(struct iscsi_task *t)
{
	struct session *s = t->session;

	if (!t->nr_r2ts)
		t->solicited = t->received;
	while (t->nr_r2ts < s->max_r2ts && t->solicited < t->scsi.data.length)
		add_r2t(t);
	if (s->conn && !t->r2t[t->nr_r2ts - 1].sent && list_empty(&t->r2ts.link)) {
		t->r2ts.ops = &r2t_ops;
		tx_queue(s->conn, &t->r2ts);
	}
}

void data_advance(struct iscsi_task *t)
{
	if (t->done || t->complete || !t->wanted || t->receiving || t->unsolicited)
		return;
	if (t->failed) {
		t->complete = true;
		scsi_task_data_failed(&t->scsi, KEY_ABORTED_COMMAND, t->failed);
		return;
	}
	if (t->received < t->scsi.data.length) {
		ask_for_more(t);
		return;
	}
	t->complete = true;
	scsi_task_data_in(&t->scsi);
}

void data_withdraw_r2ts(struct iscsi_task *t)
{
	while (t->nr_r2ts && !t->r2t[t->nr_r2ts - 1].sent)
		t->nr_r2ts--;
	list_del(&t->r2ts.link);
}

static void build_r2t(struct conn *conn, struct iscsi_task *t, struct r2t *r)
{
	uint8_t *bhs = tx_header(&conn->tx);

	bhs[0] = OP_R2T;
	bhs[1] = PDU_FINAL;
	memcpy(bhs + 8, t->scsi.lun, 8);
	put_be32(bhs + 16, t->itt);
	put_be32(bhs + 20, r->ttt);
	put_be32(bhs + 24, conn->tx.statsn); /* 11.8: the next one, not taken */
	conn_put_window(conn, bhs);
	put_be32(bhs + 36, t->r2tsn++);
	put_be32(bhs + 40, r->offset);
	put_be32(bhs + 44, r->length);
	tx_pdu_flat(&conn->tx, bhs, NULL, 0);
	r->sent = true;
}

static bool r2t_build(struct conn *conn, struct tx_item *item)
{
	struct iscsi_task *t = container_of(item, struct iscsi_task, r2ts);

	for (unsigned i = 0; i < t->nr_r2ts; i++) {
		if (t->r2t[i].sent)
			continue;
		if (!tx_room(&conn->tx))
			return false;
		build_r2t(conn, t, &t->r2t[i]);
	}
	return true;
}

static void r2t_sent(struct conn *conn, struct tx_item *item)
{
	(void)conn;
	(void)item;
}

const struct tx_ops r2t_ops = {r2t_build, r2t_sent};

/* ---- Data-Out ---- */

/* 7.9: a DataSN out of order means that PDUs were lost, as by a digest error. */
static uint16_t check_order(const uint8_t *bhs, uint32_t datasn, uint32_t offset, uint32_t room)
{
	if (get_be32(bhs + 36) != datasn)
		return ASC_DATA_PHASE_CRC_ERROR;
	if (get_be32(bhs + 40) != offset)
		return DATA_OFFSET_ERROR;
	return pdu_data_len(bhs) > room ? ASC_NOT_ENOUGH_UNSOLICITED_DATA : 0;
}

static struct r2t *find_r2t(struct iscsi_task *t, uint32_t ttt)
{
	for (unsigned i = 0; i < t->nr_r2ts; i++) {
		if (t->r2t[i].ttt == ttt && t->r2t[i].sent)
			return &t->r2t[i];
	}
	return NULL;
}

static bool begin_unsolicited(struct conn *conn, struct iscsi_task *t)
{
	const uint8_t *bhs = conn->rx.bhs;
	uint16_t asc;

	if (!t->unsolicited) {
		if (t->complete || t->done)
			conn_reject(conn, bhs, REJECT_PROTOCOL_ERROR);
		data_fail(t, ASC_UNEXPECTED_UNSOLICITED_DATA);
		return false;
	}
	asc = check_order(bhs, t->unsolicited_datasn++, t->received,
			  t->unsolicited_limit > t->received ? t->unsolicited_limit - t->received
							     : 0);
	if (asc)
		data_fail(t, asc);
	return true;
}

static bool begin_solicited(struct conn *conn, struct iscsi_task *t)
{
	const uint8_t *bhs = conn->rx.bhs;
	struct r2t *r = find_r2t(t, pdu_ttt(bhs));
	uint16_t asc;

	if (!r) {
		conn_reject(conn, bhs, REJECT_INVALID_FIELD);
		return false;
	}
	/* DataSequenceInOrder=Yes: R2Ts are answered in their order (13.18) */
	asc = r == t->r2t ? check_order(bhs, r->next_datasn++, r->offset + r->received,
					r->length - r->received)
			  : DATA_OFFSET_ERROR;
	if (asc)
		data_fail(t, asc);
	return true;
}

bool data_out_begin(struct conn *conn)
{
	struct session *s = conn->session;
	struct rx *rx = &conn->rx;
	struct iscsi_task *t = task_find(s, pdu_itt(rx->bhs));

	if (!t || !t->write) {
		bool late = s->last_abort_ms &&
			    reactor_now_ms(s->reactor) - s->last_abort_ms < ABORT_MEMORY_MS;

		if (!late || t)
			conn_reject(conn, rx->bhs, REJECT_INVALID_FIELD);
		return false;
	}
	/* it must not end before this PDU does */
	t->receiving = true;
	if (pdu_ttt(rx->bhs) == TAG_NONE ? !begin_unsolicited(conn, t)
					 : !begin_solicited(conn, t)) {
		t->receiving = false;
		task_try_finish(t);
		return false;
	}
	rx->task = t;
	data_choose_sink(conn, t, get_be32(rx->bhs + 40), pdu_data_len(rx->bhs));
	return true;
}

/* 11.4.7.2: with separate unsolicited data, all that FirstBurstLength allows must come. */
static void end_unsolicited(struct iscsi_task *t, const uint8_t *bhs, uint32_t len)
{
	t->received += len;
	if (!pdu_final(bhs))
		return;
	t->unsolicited = false;
	if (t->received != t->unsolicited_limit && t->expected > t->session->first_burst)
		data_fail(t, ASC_NOT_ENOUGH_UNSOLICITED_DATA);
}

static void end_solicited(struct iscsi_task *t, const uint8_t *bhs, uint32_t len)
{
	struct r2t *r = find_r2t(t, pdu_ttt(bhs));

	if (!r)
		return;
	r->received += len;
	t->received += len;
	if (!pdu_final(bhs) && r->received < r->length)
		return;
	if (r->received != r->length)
		data_fail(t, ASC_NOT_ENOUGH_UNSOLICITED_DATA);
	t->nr_r2ts--;
	memmove(r, r + 1, (size_t)(t->r2t + t->nr_r2ts - r) * sizeof(*r));
}

void data_out_end(struct conn *conn, bool digest_ok)
{
	struct iscsi_task *t = conn->rx.task;
	const uint8_t *bhs = conn->rx.bhs;
	uint32_t len = pdu_data_len(bhs);

	if (!t)
		return;
	conn->rx.task = NULL;
	if (!digest_ok) {
		conn_reject(conn, bhs, REJECT_DATA_DIGEST);
		data_fail(t, ASC_DATA_PHASE_CRC_ERROR);
		len = 0;
	}
	if (pdu_ttt(bhs) == TAG_NONE)
		end_unsolicited(t, bhs, len);
	else
		end_solicited(t, bhs, len);
	t->receiving = false;
	data_advance(t);
	task_try_finish(t);
}
