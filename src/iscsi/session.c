/* SPDX-License-Identifier: MIT */
/* A session on its reactor, from the arrival of its connection to its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/discovery.h"
#include "iscsi/session.h"
#include "util/log.h"

#define WINDOW_FIRST 32u
#define LOGOUT_PATIENCE_MS 5000u

/* ---- beginning ---- */

/* SPC-5 7.6.4.6, format 01b: "name,i,0x" ISID, NUL, padded to a multiple of four. */
static size_t transport_id(const struct session *s, uint8_t *out)
{
	char *text = (char *)out + 4;
	int len = snprintf(text, TRANSPORT_ID_MAX - 4, "%s,i,0x", s->info.initiator);
	size_t size;

	for (unsigned i = 0; i < ISID_LEN; i++)
		len += snprintf(text + len, TRANSPORT_ID_MAX - 4 - (size_t)len, "%02x", s->isid[i]);
	size = ((size_t)len + 1 + 3) & ~(size_t)3;
	if (size < 20)
		size = 20;
	memset(text + len, 0, size - (size_t)len);
	out[0] = 0x45; /* format 01b, protocol iSCSI */
	out[1] = 0;
	put_be16(out + 2, (uint16_t)size);
	return 4 + size;
}

static void open_nexus(struct session *s)
{
	uint8_t id[TRANSPORT_ID_MAX];
	size_t len = transport_id(s, id);

	s->nexus.session = s;
	/* a portal group of the target is a SCSI target port (RFC 7143 4.4.1): one number for both
	 */
	s->nexus.relative_port = s->portal_group;
	s->nexus.portal_group = s->portal_group;
	nexus_open(&s->nexus, s->target->scsi, id, len);
	s->nexus_state = NEXUS_OPEN;
}

/* As much of a window as the pool covers the unsolicited data of; one command goes in any case. */
static void open_window(struct session *s)
{
	struct bufpool *pool = reactor_bufpool(s->reactor);
	uint32_t size = s->queue_limit < WINDOW_FIRST ? s->queue_limit : WINDOW_FIRST;

	if (!s->initial_r2t)
		s->reserve_unit = s->first_burst;
	else if (s->immediate_data)
		s->reserve_unit = s->first_burst < s->max_recv ? s->first_burst : s->max_recv;
	while (!bufpool_reserve(pool, size * s->reserve_unit)) {
		if (size == 1) {
			s->reserve_unit = 0;
			s->queue_limit = 1;
		} else {
			size /= 2;
		}
	}
	s->reserved = size * s->reserve_unit;
	window_init(&s->window, s->first_cmdsn, size, s->queue_limit);
}

static void nop_timer(struct timer *timer);
static void logout_late(struct timer *timer);
static void send_login_response(struct session *s);

void session_arrived(struct message *message)
{
	struct conn *conn = container_of(message, struct conn, arrive);
	struct session *s = conn->session;

	conn->reactor = s->reactor;
	conn->phase = CONN_FULL;
	s->conn = conn;
	s->nop_timer.fn = nop_timer;
	s->logout_timer.fn = logout_late;
	open_nexus(s);
	open_window(s);
	if (!conn_enlarge(conn) || !conn_attach(conn)) {
		conn_close(conn, "out of memory");
		return;
	}
	send_login_response(s);
	if (s->nop_interval)
		reactor_timer_arm(s->reactor, &s->nop_timer, s->nop_interval * 1000);
	rx_process(conn);
}

/* Digests begin with the first PDU after it (6.3). */
static void send_login_response(struct session *s)
{
	struct conn *conn = s->conn;

	reply_queue(conn, s->login_response);
	s->login_response = NULL;
	tx_flush(conn);
	conn->tx.header_digest = conn->rx.header_digest = s->header_digest;
	conn->tx.data_digest = conn->rx.data_digest = s->data_digest;
	conn->rx.max_data = s->max_recv;
}

/* ---- pings ---- */

static void send_ping(struct session *s)
{
	struct reply *reply = reply_create(s->conn, OP_NOP_IN, PDU_FINAL, TAG_NONE, NULL, 0);

	if (!reply)
		return;
	reply->takes_statsn = false; /* 11.19.2 */
	if (s->next_ttt == TAG_NONE)
		s->next_ttt = 0;
	put_be32(reply->bhs + 20, s->next_ttt++);
	reply_queue(s->conn, reply);
}

static void nop_timer(struct timer *timer)
{
	struct session *s = container_of(timer, struct session, nop_timer);

	if (s->conn->heard) {
		s->nop_unanswered = 0;
	} else if (s->nop_unanswered >= (s->nop_count ? s->nop_count : 1)) {
		conn_close(s->conn, "it doesn't answer pings");
		return;
	}
	s->conn->heard = false;
	s->nop_unanswered++;
	send_ping(s);
	reactor_timer_arm(s->reactor, timer, s->nop_interval * 1000);
}

/* ---- the end ---- */

static bool is_idle(const struct session *s)
{
	return !s->conn && s->nexus_state == NEXUS_CLOSED && !s->nr_tasks && !s->pins;
}

static void close_drained(struct session *s)
{
	if (!s->conn || s->conn->phase != CONN_FULL)
		return;
	s->draining = false;
	async_message(s->conn, ASYNC_DROP_SESSION, true);
}

void session_check_end(struct session *s)
{
	if (s->draining && !s->nr_tasks)
		close_drained(s);
	if (s->ended || !is_idle(s))
		return;
	s->ended = true;
	bufpool_unreserve(reactor_bufpool(s->reactor), s->reserved);
	s->ended_message.fn = session_ended;
	reactor_send(reactor_get(0), &s->ended_message);
}

/* Tasks that the core doesn't have any more, or never had. */
static void drop_idle(struct iscsi_task *t, void *arg)
{
	(void)arg;
	t->receiving = false;
	if (t->done)
		task_try_finish(t);
	else if (!t->submitted)
		task_free(t);
}

static void logged_out(struct session *s);

static void nexus_closed(struct nexus *nexus)
{
	struct session *s = nexus->session;

	s->nexus_state = NEXUS_CLOSED;
	if (s->conn && s->conn->phase == CONN_LOGOUT)
		logged_out(s);
	session_check_end(s);
}

static void close_nexus(struct session *s)
{
	s->pins++;
	held_free_all(s);
	tasks_each(s, drop_idle, NULL);
	if (s->nexus_state == NEXUS_OPEN) {
		s->nexus_state = NEXUS_CLOSING;
		nexus_close(&s->nexus, nexus_closed);
	}
	s->pins--;
}

void session_connection_closed(struct session *s)
{
	s->conn = NULL;
	reactor_timer_cancel(&s->nop_timer);
	reactor_timer_cancel(&s->logout_timer);
	reactor_timer_cancel(&s->drop_timer);
	s->gone.fn = session_gone;
	reactor_send(reactor_get(0), &s->gone);
	task_management_free_all(s);
	close_nexus(s);
	session_check_end(s);
}

/* ---- logout (11.14): what runs is ended first ---- */

static void logged_out(struct session *s)
{
	struct reply *reply;

	reactor_timer_cancel(&s->logout_timer);
	if (s->logged_out)
		return;
	s->logged_out = true;
	reply = reply_create(s->conn, OP_LOGOUT_RESPONSE, PDU_FINAL, s->logout_itt, NULL, 0);
	if (!reply)
		return;
	put_be16(reply->bhs + 40, (uint16_t)s->time2wait);
	reply->closes = true;
	reply_queue(s->conn, reply);
}

static void logout_late(struct timer *timer)
{
	logged_out(container_of(timer, struct session, logout_timer));
}

void session_logout(struct session *s, uint32_t itt)
{
	s->conn->phase = CONN_LOGOUT;
	s->logout_itt = itt;
	conn_stop_reading(s->conn);
	reactor_timer_cancel(&s->nop_timer);
	reactor_timer_arm(s->reactor, &s->logout_timer, LOGOUT_PATIENCE_MS);
	close_nexus(s);
	session_check_end(s);
}

/* ---- the control reactor wants it to end ---- */

/* Nothing is read any more, so the data that it waits for won't come. */
static void end_incomplete(struct iscsi_task *t, void *arg)
{
	bool whole = t->complete || (!t->wanted && t->received >= t->expected);

	(void)arg;
	t->receiving = t->unsolicited = false;
	data_withdraw_r2ts(t);
	t->nr_r2ts = 0;
	if (!t->submitted)
		task_free(t);
	else if (t->done)
		task_try_finish(t);
	else if (t->write && !whole)
		scsi_task_abort(&t->scsi);
}

static void drain(struct session *s)
{
	s->draining = true;
	conn_stop_reading(s->conn);
	s->pins++;
	held_free_all(s);
	tasks_each(s, end_incomplete, NULL);
	s->pins--;
	session_check_end(s);
}

void session_close_arrived(struct message *message)
{
	struct session *s = container_of(message, struct session, close);
	struct conn *conn = s->conn;

	if (!conn || !conn_is_open(conn))
		return;
	if (s->reason == CLOSE_REINSTATEMENT || conn->tx.blocked || conn->phase != CONN_FULL) {
		conn_close(conn, s->reason == CLOSE_REINSTATEMENT
				     ? "the initiator has logged in anew"
				     : NULL);
	} else if (s->reason == CLOSE_SHUTDOWN) {
		drain(s);
	} else {
		conn_stop_reading(conn);
		async_message(conn,
			      s->reason == CLOSE_MANAGEMENT ? ASYNC_DROP_CONNECTION
							    : ASYNC_DROP_SESSION,
			      true);
	}
}

void session_force_arrived(struct message *message)
{
	struct session *s = container_of(message, struct session, force);

	if (s->conn)
		conn_close(s->conn, "its commands have not ended in time");
}

void session_reset_target(struct session *s)
{
	if (s->ended || s->resetting)
		return;
	s->resetting = true;
	s->pins++;
	s->reset.fn = session_target_reset;
	reactor_send(reactor_get(0), &s->reset);
}
