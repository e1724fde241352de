/* SPDX-License-Identifier: MIT */
/*
 * Text exchanges: requests and responses that may each take several PDUs.  SendTargets is answered
 * by the control reactor; the others' connections send it there and wait.
 */
#include <stdlib.h>
#include <string.h>

#include "iscsi/discovery.h"
#include "iscsi/session.h"
#include "util/log.h"

#define REQUEST_MAX (16u << 10)
#define RESPONSE_FIRST (4u << 10)
#define RESPONSE_MAX (16u << 20)

struct text_exchange {
	struct conn *conn; /* NULL: it is gone; the exchange ends when its message is back */
	struct session *session;
	struct reactor *reactor;
	struct message message;
	bool away; /* at the control reactor */
	bool final;
	uint32_t itt, ttt;
	uint8_t lun[8];
	char *in;
	size_t in_len;
	char *out;
	size_t out_len, out_at;
	char *send_targets; /* its value, in in[] */
	struct text_out answer;
	struct iscsi_target *only;
	const char *initiator;
	union address peer, local;
};

static void exchange_free(struct text_exchange *x)
{
	free(x->in);
	free(x->out);
	free(x->answer.data);
	free(x);
}

void text_exchange_free(struct conn *conn)
{
	struct text_exchange *x = conn->text;

	conn->text = NULL;
	if (!x)
		return;
	x->conn = NULL;
	if (!x->away)
		exchange_free(x);
}

static uint32_t next_ttt(struct conn *conn)
{
	static uint32_t discovery_ttt;

	if (!conn->session)
		return discovery_ttt++ & 0x7fffffff;
	if (conn->session->next_ttt == TAG_NONE)
		conn->session->next_ttt = 0;
	return conn->session->next_ttt++;
}

static struct text_exchange *exchange_begin(struct conn *conn, const uint8_t *bhs)
{
	struct text_exchange *x = calloc(1, sizeof(*x));

	text_exchange_free(conn);
	if (!x)
		return NULL;
	conn->text = x;
	x->conn = conn;
	x->session = conn->session;
	x->reactor = conn->reactor;
	x->itt = pdu_itt(bhs);
	x->ttt = next_ttt(conn);
	memcpy(x->lun, bhs + 8, 8);
	return x;
}

/* ---- the response ---- */

static void respond(struct conn *conn, unsigned flags, const void *data, size_t len)
{
	struct text_exchange *x = conn->text;
	struct reply *reply = reply_create(conn, OP_TEXT_RESPONSE, flags, x->itt, data, len);

	if (!reply)
		return;
	memcpy(reply->bhs + 8, x->lun, 8);
	put_be32(reply->bhs + 20, flags & PDU_FINAL ? TAG_NONE : x->ttt);
	reply_queue(conn, reply);
	if (flags & PDU_FINAL)
		text_exchange_free(conn);
}

/* As much as the initiator takes at once; more follows when it asks. */
static void send_chunk(struct conn *conn)
{
	struct text_exchange *x = conn->text;
	size_t len = x->out_len - x->out_at;
	unsigned flags = x->final ? PDU_FINAL : 0;

	if (len > conn->max_xmit) {
		len = conn->max_xmit;
		flags = PDU_CONTINUE;
	}
	x->out_at += len;
	respond(conn, flags, x->out ? x->out + x->out_at - len : NULL, len);
}

/* ---- the request ---- */

static bool grow(struct text_out *out)
{
	size_t size = out->size ? out->size * 2 : RESPONSE_FIRST;
	char *data = size <= RESPONSE_MAX ? realloc(out->data, size) : NULL;

	if (!data)
		return false;
	*out = (struct text_out){.data = data, .size = size};
	return true;
}

static void send_targets(struct text_exchange *x)
{
	struct discovery_view view = {
	    .initiator = x->initiator, .peer = &x->peer, .local = &x->local, .only = x->only};

	free(x->answer.data); /* of a request before it in the exchange */
	x->answer = (struct text_out){0};
	do {
		if (!grow(&x->answer))
			return;
		discovery_send_targets(&view, x->send_targets, &x->answer);
	} while (x->answer.overflow);
}

static bool append(struct text_exchange *x, const char *data, size_t len)
{
	char *out;

	if (!len)
		return true;
	out = realloc(x->out, x->out_len + len);
	if (!out)
		return false;
	memcpy(out + x->out_len, data, len);
	x->out = out;
	x->out_len += len;
	return true;
}

static void finish(struct text_exchange *x)
{
	struct conn *conn = x->conn;

	if (x->answer.overflow || !append(x, x->answer.data, x->answer.len))
		conn_close(conn, "a text response is too long");
	else
		send_chunk(conn);
}

static void query_returned(struct message *message)
{
	struct text_exchange *x = container_of(message, struct text_exchange, message);
	struct session *session = x->session;

	x->away = false;
	if (x->conn && conn_is_open(x->conn))
		finish(x);
	else if (!x->conn)
		exchange_free(x);
	session->pins--;
	session_check_end(session);
}

static void query_arrived(struct message *message)
{
	struct text_exchange *x = container_of(message, struct text_exchange, message);

	send_targets(x);
	x->message.fn = query_returned;
	reactor_send(x->reactor, &x->message);
}

static void ask_control(struct text_exchange *x)
{
	struct conn *conn = x->conn;

	x->peer = conn->peer;
	x->local = conn->local;
	x->initiator = conn->initiator;
	if (!conn->session) {
		send_targets(x);
		finish(x);
		return;
	}
	x->only = conn->session->target;
	x->away = true;
	conn->session->pins++;
	x->message.fn = query_arrived;
	reactor_send(reactor_get(0), &x->message);
}

static void one_key(struct text_exchange *x, struct negotiation *nego, char *key, char *value,
		    struct text_out *out)
{
	if (!strcmp(key, "SendTargets"))
		x->send_targets = value;
	else if (negotiation_key_full_feature(nego, key, value, out) == NEGO_UNKNOWN)
		text_add(out, key, "NotUnderstood");
}

/* The request is whole. */
static void run(struct conn *conn)
{
	struct text_exchange *x = conn->text;
	struct text_in in = text_in(x->in, x->in_len);
	char buffer[4096], *key, *value;
	struct text_out out = {.data = buffer, .size = sizeof(buffer)};
	struct negotiation nego;
	enum text_result result;

	negotiation_init(&nego, NULL);
	nego.value[KEY_MAX_RECV_DSL] = 0;
	while ((result = text_next(&in, &key, &value)) == TEXT_PAIR)
		one_key(x, &nego, key, value, &out);
	if (result == TEXT_BAD || out.overflow || !append(x, out.data, out.len)) {
		conn_close(conn, "a text request is malformed");
		return;
	}
	if (nego.value[KEY_MAX_RECV_DSL])
		conn->max_xmit = nego.value[KEY_MAX_RECV_DSL] < conn->max_xmit_limit
				     ? nego.value[KEY_MAX_RECV_DSL]
				     : conn->max_xmit_limit;
	if (x->send_targets)
		ask_control(x);
	else
		send_chunk(conn);
	if (conn->text == x) {
		/* keys are consumed; what follows in this exchange is new */
		x->in_len = 0;
	}
}

static bool collect(struct text_exchange *x, const uint8_t *data, size_t len)
{
	char *in;

	if (len > REQUEST_MAX - x->in_len)
		return false;
	in = realloc(x->in, x->in_len + len + 1);
	if (!in)
		return false;
	memcpy(in + x->in_len, data, len);
	x->in = in;
	x->in_len += len;
	return true;
}

static void continue_request(struct conn *conn, const uint8_t *bhs, const uint8_t *data, size_t len)
{
	struct text_exchange *x = conn->text;

	x->final = pdu_final(bhs);
	if (!len && x->out_at < x->out_len) {
		send_chunk(conn);
	} else if (!collect(x, data, len)) {
		conn_reject(conn, bhs, REJECT_OUT_OF_RESOURCES);
		text_exchange_free(conn);
	} else if (bhs[1] & PDU_CONTINUE) {
		respond(conn, 0, NULL, 0);
	} else {
		free(x->out);
		x->out = NULL;
		x->out_len = x->out_at = 0;
		x->send_targets = NULL;
		run(conn);
	}
}

void text_request(struct conn *conn, const uint8_t *bhs, uint8_t *data, size_t len)
{
	struct text_exchange *x = conn->text;
	bool fresh = pdu_ttt(bhs) == TAG_NONE;

	if (pdu_itt(bhs) == TAG_NONE || (pdu_final(bhs) && (bhs[1] & PDU_CONTINUE)) ||
	    (!fresh && (!x || x->ttt != pdu_ttt(bhs) || x->itt != pdu_itt(bhs))) ||
	    (x && x->away)) {
		conn_reject(conn, bhs, REJECT_PROTOCOL_ERROR);
		return;
	}
	if (fresh && !exchange_begin(conn, bhs)) {
		conn_reject(conn, bhs, REJECT_OUT_OF_RESOURCES);
		return;
	}
	continue_request(conn, bhs, data, len);
}
