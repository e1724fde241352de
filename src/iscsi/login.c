/* SPDX-License-Identifier: MIT */
/* Login requests and responses, and the stages (RFC 7143 6.3). */
#include "iscsi/login.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "iscsi/access.h"
#include "iscsi/login_state.h"
#include "util/log.h"

#define LOGIN_DEADLINE_MS 15000u
#define REINSTATEMENT_PATIENCE_MS 5000u
#define ROUNDS_MAX 32u
#define REQUEST_TEXT_MAX (16u << 10)

static void out_of_time(struct timer *timer)
{
	conn_close(container_of(timer, struct conn, deadline), "its login takes too long");
}

bool login_start(struct conn *conn)
{
	struct login *l = calloc(1, sizeof(*l));

	if (!l)
		return false;
	l->conn = conn;
	list_init(&l->wait_link);
	conn->login = l;
	conn->deadline.fn = out_of_time;
	reactor_timer_arm(conn->reactor, &conn->deadline, LOGIN_DEADLINE_MS);
	return true;
}

void login_free(struct conn *conn)
{
	struct login *l = conn->login;

	if (!l)
		return;
	login_stop_waiting(conn);
	conn->login = NULL;
	free(l->text);
	free(l->kept);
	OPENSSL_cleanse(l, sizeof(*l));
	free(l);
}

void login_stop_waiting(struct conn *conn)
{
	struct login *l = conn->login;

	if (!l)
		return;
	reactor_timer_cancel(&l->patience);
	list_del(&l->wait_link);
}

void login_drop_target(const struct iscsi_target *target)
{
	list_for_each_safe (conn, control_conns(), struct conn, link) {
		if (conn->phase == CONN_LOGIN && conn->login && conn->login->target == target)
			conn_close(conn, NULL);
	}
}

/* ---- responses ---- */

static struct reply *make_response(struct login *l, const struct text_out *out)
{
	struct conn *conn = l->conn;
	struct reply *reply = reply_create(conn, OP_LOGIN_RESPONSE, 0, l->itt,
					   out ? out->data : NULL, out ? out->len : 0);

	if (!reply)
		return NULL;
	memcpy(reply->bhs + 8, l->isid, ISID_LEN);
	return reply;
}

static const char *reason_text(unsigned status)
{
	switch (status) {
	case LOGIN_AUTH_FAILURE:
		return "authentication failed";
	case LOGIN_AUTHORIZATION_FAILURE:
		return "it is not allowed to use the target";
	case LOGIN_NOT_FOUND:
		return "there is no such target";
	case LOGIN_UNSUPPORTED_VERSION:
		return "protocol version not supported";
	case LOGIN_TOO_MANY_CONNECTIONS:
		return "a session has one connection";
	case LOGIN_CANNOT_INCLUDE:
		return "the session came by another portal group";
	case LOGIN_MISSING_PARAMETER:
		return "a key is missing";
	case LOGIN_TYPE_NOT_SUPPORTED:
		return "unknown session type";
	case LOGIN_NO_SUCH_SESSION:
		return "there is no such session";
	case LOGIN_INVALID_REQUEST:
		return "it sent something other than a login request";
	case LOGIN_SERVICE_UNAVAILABLE:
		return "the target or the system is offline";
	case LOGIN_OUT_OF_RESOURCES:
		return "out of resources";
	default:
		return "protocol error";
	}
}

/* Anybody can make us say so: a bounded number of lines. */
static bool may_log(struct conn *conn)
{
	static uint64_t window_ms;
	static unsigned lines;
	uint64_t now = reactor_now_ms(conn->reactor);

	if (now - window_ms > 10000) {
		window_ms = now;
		lines = 0;
	}
	return lines++ < 20;
}

static void refuse(struct login *l, unsigned status)
{
	struct conn *conn = l->conn;
	struct reply *reply = make_response(l, NULL);

	if (may_log(conn))
		conn_log(conn, LOG_INFO, "login%s%s refused (0x%04x): %s",
			 l->target_name[0] ? " to target " : "", l->target_name, status,
			 l->why ? l->why : reason_text(status));
	conn_stop_reading(conn);
	conn->phase = CONN_LOGOUT; /* nothing more is parsed */
	if (!reply)
		return;
	put_be16(reply->bhs + 36, (uint16_t)status);
	reply->takes_statsn = false; /* 11.13.3: StatSN is valid with status class 0 only */
	reply->closes = true;
	reply_queue(conn, reply);
}

/* ---- the request's header ---- */

static unsigned check_stages(const struct login *l, const uint8_t *bhs)
{
	unsigned csg = bhs[1] >> 2 & 3, nsg = bhs[1] & 3;
	bool transit = bhs[1] & PDU_FINAL;

	if (csg > STAGE_OPERATIONAL || (transit && (bhs[1] & PDU_CONTINUE)))
		return LOGIN_INITIATOR_ERROR;
	if (transit && (nsg <= csg || nsg == 2))
		return LOGIN_INITIATOR_ERROR;
	/* 6.3: the stage changes only when both sides have agreed */
	if (l->rounds > 1 && csg != l->stage)
		return LOGIN_INITIATOR_ERROR;
	return 0;
}

static unsigned check_first(struct login *l, const uint8_t *bhs)
{
	l->itt = pdu_itt(bhs);
	l->tsih = get_be16(bhs + 14);
	l->stage = bhs[1] >> 2 & 3;
	memcpy(l->isid, bhs + 8, ISID_LEN);
	l->conn->cid = get_be16(bhs + 20);
	l->conn->cmdsn = pdu_cmdsn(bhs);
	return bhs[3] > 0 ? LOGIN_UNSUPPORTED_VERSION : 0; /* Version-min; there is only 0 */
}

/* 11.12: these don't change during a login. */
static unsigned check_same(const struct login *l, const uint8_t *bhs)
{
	bool same = pdu_itt(bhs) == l->itt && get_be16(bhs + 14) == l->tsih &&
		    !memcmp(bhs + 8, l->isid, ISID_LEN) && get_be16(bhs + 20) == l->conn->cid;

	return same ? 0 : LOGIN_INITIATOR_ERROR;
}

static unsigned check_header(struct login *l, const uint8_t *bhs)
{
	unsigned status;

	if (pdu_opcode(bhs) != OP_LOGIN)
		return LOGIN_INVALID_REQUEST;
	/* 11.12: always immediate */
	if (++l->rounds > ROUNDS_MAX || !pdu_immediate(bhs))
		return LOGIN_INITIATOR_ERROR;
	status = l->rounds == 1 ? check_first(l, bhs) : check_same(l, bhs);
	return status ? status : check_stages(l, bhs);
}

/* ---- its text ---- */

static bool collect(struct login *l, const uint8_t *data, size_t len)
{
	char *text;

	if (len > REQUEST_TEXT_MAX - l->text_len)
		return false;
	text = realloc(l->text, l->text_len + len + 1);
	if (!text)
		return false;
	memcpy(text + l->text_len, data, len);
	l->text = text;
	l->text_len += len;
	return true;
}

static unsigned parse_pairs(char *data, size_t len, struct pairs *pairs)
{
	struct text_in in = text_in(data, len);
	enum text_result result;
	struct pair p;

	pairs->count = 0;
	while ((result = text_next(&in, &p.key, &p.value)) == TEXT_PAIR) {
		if (pairs->count == PAIRS_MAX || pair_value(pairs, p.key))
			return LOGIN_INITIATOR_ERROR; /* 6.1: a key comes once */
		pairs->at[pairs->count++] = p;
	}
	return result == TEXT_BAD ? LOGIN_INITIATOR_ERROR : 0;
}

const char *pair_value(const struct pairs *pairs, const char *key)
{
	for (unsigned i = 0; i < pairs->count; i++) {
		if (!strcmp(pairs->at[i].key, key))
			return pairs->at[i].value;
	}
	return NULL;
}

/* ---- who, and to what ---- */

static bool copy_name(char *out, size_t size, const char *value)
{
	size_t len = strlen(value);

	if (!len || len >= size || !text_is_printable(value))
		return false;
	memcpy(out, value, len + 1);
	return true;
}

static struct iscsi_target *find_target(const char *name)
{
	list_for_each (t, targets(), struct target, link) {
		struct iscsi_target *target = t->transport;

		if (target && !target->deleting && !strcasecmp(t->name, name))
			return target;
	}
	return NULL;
}

static unsigned choose_target(struct login *l, const struct pairs *pairs)
{
	const char *name = pair_value(pairs, "TargetName");

	if (!name)
		return LOGIN_MISSING_PARAMETER;
	if (!copy_name(l->target_name, sizeof(l->target_name), name))
		return LOGIN_INITIATOR_ERROR;
	l->target = find_target(name);
	if (!l->target)
		return LOGIN_NOT_FOUND;
	if (!access_allowed(l->target, l->initiator, &l->conn->peer))
		return LOGIN_AUTHORIZATION_FAILURE;
	return l->target->scsi->ready ? 0 : LOGIN_SERVICE_UNAVAILABLE;
}

static unsigned choose_type(struct login *l, const struct pairs *pairs)
{
	const char *type = pair_value(pairs, "SessionType");

	l->discovery = type && !strcmp(type, "Discovery");
	if (type && !l->discovery && strcmp(type, "Normal") != 0)
		return LOGIN_TYPE_NOT_SUPPORTED;
	return l->discovery ? 0 : choose_target(l, pairs);
}

/* 11.12.6: a TSIH names a session that this connection would join; all of a session's come by one
 * portal group (4.4.1). */
static unsigned check_session(const struct login *l)
{
	struct session *s;

	if (!l->tsih)
		return 0;
	s = l->discovery ? NULL : session_find_tsih(l->tsih);
	if (!s || s->target != l->target || memcmp(s->isid, l->isid, ISID_LEN) != 0 ||
	    strcasecmp(s->info.initiator, l->initiator) != 0)
		return LOGIN_NO_SUCH_SESSION;
	if (s->portal_group != l->conn->portal_group)
		return LOGIN_CANNOT_INCLUDE;
	return LOGIN_TOO_MANY_CONNECTIONS; /* MaxConnections=1, no recovery */
}

/* 6.3.1: the first request says who the initiator is and what it wants. */
static unsigned identify(struct login *l, const struct pairs *pairs)
{
	const char *name = pair_value(pairs, "InitiatorName");
	const char *alias = pair_value(pairs, "InitiatorAlias");
	unsigned status;

	if (!name)
		return LOGIN_MISSING_PARAMETER;
	if (!copy_name(l->initiator, sizeof(l->initiator), name))
		return LOGIN_INITIATOR_ERROR;
	l->conn->initiator = l->initiator;
	if (alias)
		text_copy_printable(l->alias, sizeof(l->alias), alias);
	if (!iscsi_system_ready())
		return LOGIN_SERVICE_UNAVAILABLE;
	status = choose_type(l, pairs);
	if (status)
		return status;
	negotiation_init(&l->nego, l->target);
	l->needs_chap = access_needs_chap(l->target);
	return check_session(l);
}

/* ---- keys ---- */

static bool is_identity_key(const char *key)
{
	static const char *const keys[] = {"InitiatorName", "InitiatorAlias", "TargetName",
					   "SessionType"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!strcmp(keys[i], key))
			return true;
	}
	return false;
}

static unsigned negotiate(struct login *l, const struct pair *p, struct text_out *out)
{
	struct negotiation scratch;

	if (l->stage == STAGE_SECURITY) {
		/* 6.3.2: operational keys don't belong here */
		negotiation_init(&scratch, NULL);
		if (negotiation_key(&scratch, p->key, p->value, out) != NEGO_UNKNOWN)
			return LOGIN_INITIATOR_ERROR;
		text_add(out, p->key, "NotUnderstood");
		return 0;
	}
	switch (negotiation_key(&l->nego, p->key, p->value, out)) {
	case NEGO_OK:
		return 0;
	case NEGO_UNKNOWN:
		if (strcmp(p->value, "NotUnderstood") != 0)
			text_add(out, p->key, "NotUnderstood");
		return 0;
	default:
		return LOGIN_INITIATOR_ERROR;
	}
}

static unsigned take_key(struct login *l, const struct pair *p, struct text_out *out)
{
	if (is_identity_key(p->key)) /* 13: in the initial login request only */
		return l->identified && strcmp(p->key, "InitiatorAlias") != 0
			   ? LOGIN_INITIATOR_ERROR
			   : 0;
	if (security_key(p->key))
		return l->stage == STAGE_SECURITY ? 0 : LOGIN_INITIATOR_ERROR;
	return negotiate(l, p, out);
}

/* MaxBurstLength goes first: it bounds FirstBurstLength (13.14). */
static unsigned take_keys(struct login *l, const struct pairs *pairs, struct text_out *out)
{
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < pairs->count; i++) {
			const struct pair *p = &pairs->at[i];
			bool first = !strcmp(p->key, "MaxBurstLength");
			unsigned status = first == !pass ? take_key(l, p, out) : 0;

			if (status)
				return status;
		}
	}
	return 0;
}

/* ---- the end ---- */

static void put_final(struct login *l, struct reply *reply, uint16_t tsih)
{
	reply->bhs[1] = (uint8_t)(PDU_FINAL | l->stage << 2 | STAGE_FULL_FEATURE);
	put_be16(reply->bhs + 14, tsih);
}

static void idle_discovery(struct timer *timer)
{
	conn_close(container_of(timer, struct conn, deadline), NULL);
}

#define DISCOVERY_IDLE_MS 600000u
#define DISCOVERY_MS 5000u /* it takes some milliseconds */

unsigned login_end_idle_discovery(void)
{
	unsigned ended = 0;

	list_for_each_safe (conn, control_conns(), struct conn, link) {
		uint64_t due = reactor_now_ms(conn->reactor) + DISCOVERY_IDLE_MS - DISCOVERY_MS;

		if (conn->phase != CONN_DISCOVERY || conn->deadline.due_ms > due)
			continue;
		conn_close(conn, NULL);
		ended++;
	}
	return ended;
}

static void begin_discovery(struct login *l, struct reply *reply)
{
	struct conn *conn = l->conn;

	reply_queue(conn, reply);
	tx_flush(conn);
	if (!conn_is_open(conn))
		return;
	conn->phase = CONN_DISCOVERY;
	conn->max_xmit_limit = BUF_MAX_PIECE;
	conn->max_xmit = l->nego.value[KEY_MAX_RECV_DSL];
	if (conn->max_xmit > conn->max_xmit_limit)
		conn->max_xmit = conn->max_xmit_limit;
	conn->tx.header_digest = conn->rx.header_digest = l->nego.value[KEY_HEADER_DIGEST];
	conn->tx.data_digest = conn->rx.data_digest = l->nego.value[KEY_DATA_DIGEST];
	memcpy(conn->discovery_initiator, l->initiator, sizeof(l->initiator));
	conn->initiator = conn->discovery_initiator;
	conn->deadline.fn = idle_discovery;
	reactor_timer_arm(conn->reactor, &conn->deadline, DISCOVERY_IDLE_MS);
	login_free(conn);
}

static void begin_session(struct login *l, struct reply *reply, uint16_t tsih)
{
	struct session_config config = {.target = l->target,
					.initiator = l->initiator,
					.alias = l->alias,
					.isid = l->isid,
					.tsih = tsih,
					.nego = &l->nego,
					.response = reply};

	if (session_start(l->conn, &config))
		return;
	free(reply);
	tsih_put(tsih);
	refuse(l, LOGIN_OUT_OF_RESOURCES);
}

static void finish(struct login *l, const struct text_out *out)
{
	struct reply *reply = make_response(l, out);
	uint16_t tsih;

	if (!reply)
		return;
	if (l->discovery) {
		put_final(l, reply, 1); /* it can't be joined: any number but 0 will do */
		begin_discovery(l, reply);
		return;
	}
	tsih = tsih_get();
	if (!tsih) {
		free(reply);
		refuse(l, LOGIN_OUT_OF_RESOURCES);
		return;
	}
	put_final(l, reply, tsih);
	begin_session(l, reply, tsih);
}

static void finish_kept(struct login *l)
{
	struct text_out out = {.data = l->kept, .len = l->kept_len};

	finish(l, &out);
}

/* The old session's commands may hang in a store; its initiator must get in again all the same. */
static void waited_enough(struct timer *timer)
{
	struct login *l = container_of(timer, struct login, patience);

	login_stop_waiting(l->conn);
	conn_log(l->conn, LOG_WARNING, "its former session has not ended yet: a store hangs");
	finish_kept(l);
}

static void wait_for_end(struct login *l, struct session *old)
{
	list_add_tail(&old->waiters, &l->wait_link);
	l->patience.fn = waited_enough;
	reactor_timer_arm(l->conn->reactor, &l->patience, REINSTATEMENT_PATIENCE_MS);
	session_request_close(old, CLOSE_REINSTATEMENT);
}

/* 6.3.5: of the same I_T nexus. */
static struct session *former_session(const struct login *l)
{
	return session_find(l->target, l->initiator, l->isid, l->conn->portal_group);
}

/* The same initiator port again, by the same portal group, ends its former session first. */
static void reinstate_or_finish(struct login *l, const struct text_out *out)
{
	struct session *old = l->discovery ? NULL : former_session(l);

	if (!old) {
		finish(l, out);
		return;
	}
	l->kept = malloc(out->len + 1);
	if (!l->kept) {
		refuse(l, LOGIN_OUT_OF_RESOURCES);
		return;
	}
	memcpy(l->kept, out->data, out->len);
	l->kept_len = out->len;
	wait_for_end(l, old);
}

void login_resume_waiters(struct list *waiters)
{
	while (!list_empty(waiters)) {
		struct login *l = list_first(waiters, struct login, wait_link);
		struct session *other = former_session(l);

		login_stop_waiting(l->conn);
		if (other) /* of one that waited too, and was first */
			wait_for_end(l, other);
		else
			finish_kept(l);
	}
}

/* ---- one request ---- */

static void respond(struct login *l, const struct text_out *out, bool transit, unsigned nsg)
{
	struct reply *reply;

	if (transit && nsg == STAGE_FULL_FEATURE) {
		reinstate_or_finish(l, out);
		return;
	}
	reply = make_response(l, out);
	if (!reply)
		return;
	reply->bhs[1] = (uint8_t)(l->stage << 2);
	put_be16(reply->bhs + 14, l->tsih);
	if (transit) {
		reply->bhs[1] |= (uint8_t)(PDU_FINAL | nsg);
		l->stage = (uint8_t)nsg;
	}
	reply_queue(l->conn, reply);
}

static unsigned process_stage(struct login *l, const struct pairs *pairs, struct text_out *out,
			      unsigned nsg, bool *transit)
{
	bool to_full = *transit && nsg == STAGE_FULL_FEATURE;

	if (l->stage == STAGE_SECURITY)
		return security_process(l, pairs, out, transit);
	if (l->needs_chap && !l->authenticated)
		return LOGIN_AUTH_FAILURE; /* 6.3.2: the security stage was left out */
	if (negotiation_offer(&l->nego, out) && to_full)
		*transit = false; /* our offers are to be answered first */
	return 0;
}

static unsigned process(struct login *l, const struct pairs *pairs, struct text_out *out,
			unsigned nsg, bool *transit)
{
	unsigned status;

	if (!l->identified) {
		status = identify(l, pairs);
		if (status)
			return status;
		if (!l->discovery) /* 13.9: in the first response */
			text_add_number(out, "TargetPortalGroupTag", l->conn->portal_group);
	}
	status = take_keys(l, pairs, out);
	if (status)
		return status;
	l->identified = true;
	status = process_stage(l, pairs, out, nsg, transit);
	return !status && out->overflow ? LOGIN_INITIATOR_ERROR : status;
}

static void whole_request(struct login *l, const uint8_t *bhs, char *data, size_t len)
{
	char answer[LOGIN_DATA_MAX];
	struct text_out out = {.data = answer, .size = sizeof(answer)};
	bool transit = bhs[1] & PDU_FINAL;
	unsigned nsg = bhs[1] & 3, status;
	struct pairs pairs;

	status = parse_pairs(data, len, &pairs);
	if (!status)
		status = process(l, &pairs, &out, nsg, &transit);
	OPENSSL_cleanse(data, len); /* it may hold a CHAP response */
	free(l->text);
	l->text = NULL;
	l->text_len = 0;
	if (status)
		refuse(l, status);
	else
		respond(l, &out, transit, nsg);
}

void login_pdu(struct conn *conn, const uint8_t *bhs, uint8_t *data, size_t len)
{
	struct login *l = conn->login;
	struct text_out nothing = {0};
	unsigned status;

	/* one at a time: the initiator waits for each response (6.3) */
	status = list_empty(&l->wait_link) ? check_header(l, bhs) : LOGIN_INITIATOR_ERROR;
	if (status) {
		login_stop_waiting(conn);
		refuse(l, status);
	} else if (bhs[1] & PDU_CONTINUE) {
		if (collect(l, data, len))
			respond(l, &nothing, false, 0);
		else
			refuse(l, LOGIN_INITIATOR_ERROR);
	} else if (l->text) {
		if (collect(l, data, len))
			whole_request(l, bhs, l->text, l->text_len);
		else
			refuse(l, LOGIN_INITIATOR_ERROR);
	} else {
		whole_request(l, bhs, (char *)data, len);
	}
}
