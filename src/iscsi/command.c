/* SPDX-License-Identifier: MIT */
/* SCSI Command PDUs (RFC 7143 11.3). */
#include <string.h>

#include "iscsi/session.h"

#define FIRST_CDB 16u

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* What is wrong with the header; 0: nothing. */
static unsigned check_header(struct session *s, const uint8_t *bhs)
{
	bool write = bhs[1] & CMD_WRITE;
	uint32_t len = pdu_data_len(bhs);

	if (pdu_itt(bhs) == TAG_NONE || (bhs[1] & CMD_ATTR_MASK) > ATTR_ACA)
		return REJECT_INVALID_FIELD;
	if (task_find(s, pdu_itt(bhs)))
		return REJECT_TASK_IN_PROGRESS;
	if (pdu_immediate(bhs) && s->nr_immediate >= MAX_IMMEDIATE_COMMANDS)
		return REJECT_TOO_MANY_IMMEDIATE;
	if (!write && (len || !pdu_final(bhs)))
		return REJECT_PROTOCOL_ERROR; /* 11.3.1: data follow only with W */
	if (write && len > get_be32(bhs + 20))
		return REJECT_PROTOCOL_ERROR;
	return 0;
}

static void set_cdb(struct scsi_task *scsi, const struct rx *rx)
{
	memcpy(scsi->cdb, rx->bhs + 32, FIRST_CDB);
	memcpy(scsi->cdb + FIRST_CDB, rx->ahs_cdb, rx->ahs_cdb_len);
	memset(scsi->cdb + FIRST_CDB + rx->ahs_cdb_len, 0,
	       SCSI_MAX_CDB - FIRST_CDB - rx->ahs_cdb_len);
	scsi->cdb_len = (uint8_t)(FIRST_CDB + rx->ahs_cdb_len);
}

/* 11.3.4.2, 13.10, 13.11, 13.14: what may come unasked. */
static void set_unsolicited(struct iscsi_task *t, const struct session *s, const uint8_t *bhs)
{
	uint32_t len = pdu_data_len(bhs);

	t->unsolicited = !pdu_final(bhs);
	t->unsolicited_limit = smaller(s->first_burst, t->expected);
	if ((len && !s->immediate_data) || (t->unsolicited && s->initial_r2t))
		t->failed = ASC_UNEXPECTED_UNSOLICITED_DATA;
	else if (len > t->unsolicited_limit)
		t->failed = ASC_NOT_ENOUGH_UNSOLICITED_DATA; /* "incorrect amount of data" */
}

static void fill(struct iscsi_task *t, struct session *s, const struct rx *rx)
{
	const uint8_t *bhs = rx->bhs;
	struct scsi_task *scsi = &t->scsi;

	t->cmdsn = pdu_cmdsn(bhs);
	t->immediate = pdu_immediate(bhs);
	s->nr_immediate += t->immediate;
	t->read = bhs[1] & CMD_READ;
	t->write = bhs[1] & CMD_WRITE;
	t->expected = t->read || t->write ? get_be32(bhs + 20) : 0;
	t->bidi_length = rx->bidi_length;
	scsi->nexus = &s->nexus;
	scsi->tag = t->itt;
	memcpy(scsi->lun, bhs + 8, sizeof(scsi->lun));
	set_cdb(scsi, rx);
	scsi->attribute = bhs[1] & CMD_ATTR_MASK;
	scsi->expected_out = t->write ? t->expected : 0;
	scsi->expected_in = t->write ? 0 : t->expected;
	if (t->write)
		set_unsolicited(t, s, bhs);
}

void command_deliver(struct iscsi_task *t)
{
	t->submitted = true;
	scsi_task_submit(&t->scsi);
}

static void refuse(struct conn *conn, unsigned reason)
{
	const uint8_t *bhs = conn->rx.bhs;

	conn_reject(conn, bhs, reason);
	if (!pdu_immediate(bhs))
		cmdsn_consume(conn->session, pdu_cmdsn(bhs));
}

static void deliver_if_next(struct iscsi_task *t)
{
	struct session *s = t->session;

	if (!t->immediate) {
		if (t->cmdsn != s->window.exp)
			return;
		window_take(&s->window);
		t->in_window = true;
	}
	command_deliver(t);
}

bool command_begin(struct conn *conn)
{
	struct session *s = conn->session;
	struct rx *rx = &conn->rx;
	uint32_t len = pdu_data_len(rx->bhs);
	struct iscsi_task *t;
	unsigned reason;

	if (!pdu_immediate(rx->bhs) &&
	    window_place(&s->window, pdu_cmdsn(rx->bhs)) == WINDOW_OUTSIDE)
		return false; /* 4.2.2.1: silently ignored */
	reason = check_header(s, rx->bhs);
	t = reason ? NULL : task_alloc(s, pdu_itt(rx->bhs));
	if (!t) {
		refuse(conn, reason ? reason : REJECT_OUT_OF_RESOURCES);
		return false;
	}
	fill(t, s, rx);
	rx->task = t;
	rx->budget.left -= t->scsi.expected_in;
	t->receiving = len;
	/* a command whose immediate data may still turn out damaged hasn't come yet (7.8) */
	if (!len || rx->whole || !rx->data_digest)
		deliver_if_next(t);
	if (len)
		data_choose_sink(conn, t, 0, len);
	return true;
}

void command_end(struct conn *conn, bool digest_ok)
{
	struct session *s = conn->session;
	struct iscsi_task *t = conn->rx.task;

	if (!t)
		return;
	conn->rx.task = NULL;
	t->receiving = false;
	if (!digest_ok) {
		conn_reject(conn, conn->rx.bhs, REJECT_DATA_DIGEST);
		task_free(t);
		return;
	}
	t->received = pdu_data_len(conn->rx.bhs);
	if (!t->submitted)
		deliver_if_next(t);
	if (!t->submitted) {
		held_add(s, t->cmdsn, t);
		return;
	}
	if (t->write) {
		data_advance(t);
		task_try_finish(t);
	}
	held_deliver(s);
}
