/* SPDX-License-Identifier: MIT */
/* The full feature phase: every PDU but SCSI Command and Data-Out, which command.c and data.c take.
 */
#include <string.h>

#include "iscsi/discovery.h"
#include "iscsi/session.h"
#include "util/log.h"

/* Responses to Logout (11.15.1) */
enum { LOGOUT_DONE = 0, LOGOUT_NO_SUCH_CID = 1, LOGOUT_NO_RECOVERY = 2 };
/* Reasons of Logout (11.14.1) */
enum { LOGOUT_CLOSE_SESSION = 0, LOGOUT_CLOSE_CONNECTION = 1, LOGOUT_FOR_RECOVERY = 2 };

/* 11.18, 11.19: a ping is answered with as much of its data as the initiator can receive. */
static void nop_out(struct conn *conn, const uint8_t *bhs, const uint8_t *data, size_t len)
{
	struct reply *reply;

	if (pdu_itt(bhs) == TAG_NONE)
		return; /* the answer to our own; that something came was noted already */
	if (len > conn->max_xmit)
		len = conn->max_xmit;
	reply = reply_create(conn, OP_NOP_IN, PDU_FINAL, pdu_itt(bhs), data, len);
	if (!reply)
		return;
	memcpy(reply->bhs + 8, bhs + 8, 8);
	put_be32(reply->bhs + 20, TAG_NONE);
	reply_queue(conn, reply);
}

static void logout_response(struct conn *conn, uint32_t itt, unsigned response, bool closes)
{
	struct reply *reply = reply_create(conn, OP_LOGOUT_RESPONSE, PDU_FINAL, itt, NULL, 0);

	if (!reply)
		return;
	reply->bhs[2] = (uint8_t)response;
	reply->closes = closes;
	reply_queue(conn, reply);
}

static void logout(struct conn *conn, const uint8_t *bhs)
{
	unsigned reason = bhs[1] & 0x7f;

	if (reason > LOGOUT_FOR_RECOVERY) {
		conn_reject(conn, bhs, REJECT_INVALID_FIELD);
	} else if (reason != LOGOUT_CLOSE_SESSION && get_be16(bhs + 20) != conn->cid) {
		logout_response(conn, pdu_itt(bhs), LOGOUT_NO_SUCH_CID, false);
	} else if (reason == LOGOUT_FOR_RECOVERY) {
		logout_response(conn, pdu_itt(bhs), LOGOUT_NO_RECOVERY, false);
	} else if (conn->session) {
		session_logout(conn->session, pdu_itt(bhs));
	} else {
		conn_stop_reading(conn);
		logout_response(conn, pdu_itt(bhs), LOGOUT_DONE, true);
	}
}

void full_feature_run(struct conn *conn, const uint8_t *bhs, uint8_t *data, size_t len)
{
	switch (pdu_opcode(bhs)) {
	case OP_NOP_OUT:
		nop_out(conn, bhs, data, len);
		break;
	case OP_TASK_MANAGEMENT:
		task_management(conn->session, bhs);
		break;
	case OP_TEXT:
		text_request(conn, bhs, data, len);
		break;
	case OP_LOGOUT:
		logout(conn, bhs);
		break;
	default:
		break;
	}
}

/* What is answered at once with a Reject; 0: nothing is. */
static unsigned reject_reason(const struct conn *conn, const uint8_t *bhs)
{
	switch (pdu_opcode(bhs)) {
	case OP_TEXT:
	case OP_LOGOUT:
		return 0;
	case OP_NOP_OUT:
		/* 11.18: without an initiator task tag it is no command, and must be immediate */
		if (pdu_itt(bhs) == TAG_NONE && !pdu_immediate(bhs))
			return REJECT_PROTOCOL_ERROR;
		return 0;
	case OP_TASK_MANAGEMENT:
		return conn->session ? 0
				     : REJECT_PROTOCOL_ERROR; /* 4.3: not in discovery sessions */
	case OP_SCSI_COMMAND:
	case OP_DATA_OUT:
	case OP_LOGIN:
		return REJECT_PROTOCOL_ERROR;
	case OP_SNACK:
		return REJECT_SNACK; /* ErrorRecoveryLevel 0 */
	default:
		return REJECT_NOT_SUPPORTED;
	}
}

static void discovery_pdu(struct conn *conn, const uint8_t *bhs, uint8_t *data, size_t len)
{
	if (!pdu_immediate(bhs)) {
		if (pdu_cmdsn(bhs) != conn->cmdsn)
			return; /* 4.2.2.1 */
		conn->cmdsn++;
	}
	full_feature_run(conn, bhs, data, len);
}

static void session_pdu(struct session *s, const uint8_t *bhs, uint8_t *data, size_t len)
{
	struct conn *conn = s->conn;

	if (pdu_immediate(bhs)) {
		full_feature_run(conn, bhs, data, len);
		return;
	}
	switch (cmdsn_arrived(s, pdu_cmdsn(bhs))) {
	case WINDOW_NEXT:
		window_give_back(&s->window);
		full_feature_run(conn, bhs, data, len);
		if (conn->phase == CONN_FULL)
			held_deliver(s);
		break;
	case WINDOW_AHEAD:
		held_add_pdu(s, bhs, data, len);
		break;
	default:
		break;
	}
}

void full_feature_pdu(struct conn *conn, const uint8_t *bhs, uint8_t *data, size_t len)
{
	unsigned reason = reject_reason(conn, bhs);

	if (reason)
		conn_reject(conn, bhs, reason);
	else if (conn->session)
		session_pdu(conn->session, bhs, data, len);
	else
		discovery_pdu(conn, bhs, data, len);
}

void async_message(struct conn *conn, enum async_event event, bool closes)
{
	struct reply *reply = reply_create(conn, OP_ASYNC_MESSAGE, PDU_FINAL, TAG_NONE, NULL, 0);
	const struct session *s = conn->session;

	if (!reply)
		return;
	reply->bhs[36] = (uint8_t)event;
	if (event == ASYNC_DROP_CONNECTION)
		put_be16(reply->bhs + 38, conn->cid);
	put_be16(reply->bhs + 40, (uint16_t)(s ? s->time2wait : 0));
	put_be16(reply->bhs + 42, 0); /* nothing is kept: ErrorRecoveryLevel 0 */
	reply->closes = closes;
	reply_queue(conn, reply);
}
