/* SPDX-License-Identifier: MIT */
/* The control reactor's view of the sessions: who is there, where each one lives, when it has
 * ended. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "iscsi/internal.h"
#include "iscsi/login.h"
#include "iscsi/session.h"
#include "util/log.h"

static unsigned on_reactor[REACTOR_MAX];
static unsigned total;
static uint8_t tsih_used[65536 / 8];
static uint16_t last_tsih;
static void (*none_fn)(void *arg);
static void *none_arg;

uint16_t tsih_get(void)
{
	for (unsigned tries = 0; tries < 65536; tries++) {
		if (!++last_tsih)
			continue; /* 0 stands for "new session" */
		if (tsih_used[last_tsih / 8] & 1u << last_tsih % 8)
			continue;
		tsih_used[last_tsih / 8] |= (uint8_t)(1u << last_tsih % 8);
		return last_tsih;
	}
	return 0;
}

void tsih_put(uint16_t tsih)
{
	tsih_used[tsih / 8] &= (uint8_t) ~(1u << tsih % 8);
}

static struct session *of_info(struct iscsi_session_info *info)
{
	return info->session;
}

struct session *session_find(struct iscsi_target *target, const char *initiator,
			     const uint8_t *isid, uint16_t portal_group)
{
	list_for_each (info, &target->sessions, struct iscsi_session_info, link) {
		struct session *s = of_info(info);

		if (s->portal_group == portal_group && !memcmp(s->isid, isid, ISID_LEN) &&
		    !strcasecmp(info->initiator, initiator))
			return s;
	}
	return NULL;
}

struct session *session_find_tsih(uint16_t tsih)
{
	list_for_each (t, targets(), struct target, link) {
		struct iscsi_target *target = t->transport;

		if (!target)
			continue;
		list_for_each (info, &target->sessions, struct iscsi_session_info, link) {
			if (info->id == tsih)
				return of_info(info);
		}
	}
	return NULL;
}

unsigned sessions_total(void)
{
	return total;
}

void sessions_when_none(void (*fn)(void *arg), void *arg)
{
	none_fn = fn;
	none_arg = arg;
}

/* ---- beginning ---- */

static struct reactor *least_loaded(void)
{
	unsigned best = 0;

	for (unsigned i = 1; i < reactors_count(); i++) {
		if (on_reactor[i] < on_reactor[best])
			best = i;
	}
	on_reactor[best]++;
	return reactor_get(best);
}

static uint32_t at_most(uint32_t value, uint32_t limit)
{
	return value < limit ? value : limit;
}

static void set_parameters(struct session *s, const struct negotiation *n)
{
	const uint32_t *params = s->target->params;

	s->header_digest = n->value[KEY_HEADER_DIGEST] == DIGEST_CRC32C;
	s->data_digest = n->value[KEY_DATA_DIGEST] == DIGEST_CRC32C;
	s->initial_r2t = n->value[KEY_INITIAL_R2T];
	s->immediate_data = n->value[KEY_IMMEDIATE_DATA];
	s->max_recv = n->own[KEY_MAX_RECV_DSL];
	s->max_burst = n->value[KEY_MAX_BURST];
	/* 13.14: FirstBurstLength must not exceed MaxBurstLength */
	s->first_burst = at_most(n->value[KEY_FIRST_BURST], s->max_burst);
	s->max_r2ts = (uint8_t)at_most(n->value[KEY_MAX_OUTSTANDING_R2T], MAX_R2T_LIMIT);
	s->time2wait = n->value[KEY_TIME2WAIT];
	s->time2retain = n->value[KEY_TIME2RETAIN];
	s->protocol_level = n->value[KEY_PROTOCOL_LEVEL];
	s->queue_limit = params[PARAM_MAX_QUEUE_CMD];
	s->nop_interval = params[PARAM_NOP_INTERVAL];
	s->nop_count = params[PARAM_NOP_COUNT];
}

static void set_names(struct session *s, const struct conn *conn,
		      const struct session_config *config)
{
	struct iscsi_session_info *info = &s->info;

	info->id = config->tsih;
	info->cid = conn->cid;
	info->session = s;
	snprintf(info->initiator, sizeof(info->initiator), "%s", config->initiator);
	snprintf(info->alias, sizeof(info->alias), "%s", config->alias);
	snprintf(info->address, sizeof(info->address), "%s", conn->address);
	memcpy(s->isid, config->isid, ISID_LEN);
	s->portal_group = conn->portal_group;
	info->portal_group = conn->portal_group;
}

static void move(struct deferred *deferred)
{
	struct conn *conn = container_of(deferred, struct conn, move);
	struct session *s = conn->session;

	login_free(conn);
	conn->arrive.fn = session_arrived;
	reactor_send(s->reactor, &conn->arrive);
	s->moved = true;
	if (s->close_sent)
		reactor_send(s->reactor, &s->close);
}

bool session_start(struct conn *conn, const struct session_config *config)
{
	struct session *s = calloc(1, sizeof(*s));
	uint32_t limit = config->target->params[PARAM_INITIATOR_RECV_DSL];

	if (!s)
		return false;
	s->target = config->target;
	s->reactor = least_loaded();
	s->login_response = config->response;
	s->first_cmdsn = conn->cmdsn;
	list_init(&s->held);
	list_init(&s->tmfs);
	list_init(&s->waiters);
	set_parameters(s, config->nego);
	set_names(s, conn, config);
	list_add_head(&config->target->sessions, &s->info.link);
	target_state(config->target)->nr_sessions++;
	total++;
	conn->session = s;
	conn->initiator = s->info.initiator;
	conn->max_xmit_limit = at_most(limit, BUF_MAX_PIECE);
	conn->max_xmit = at_most(config->nego->value[KEY_MAX_RECV_DSL], conn->max_xmit_limit);
	conn->phase = CONN_HANDOVER;
	conn_detach(conn); /* from now on nothing that happens here concerns it */
	conn->move.fn = move;
	reactor_defer(conn->reactor, DEFER_WORK, &conn->move);
	log_info("initiator %s at %s has logged in to target %s", s->info.initiator, conn->address,
		 config->target->scsi->name);
	return true;
}

/* ---- the end ---- */

void session_request_close(struct session *s, enum close_reason reason)
{
	if (s->close_sent)
		return;
	s->close_sent = true;
	s->reason = (uint8_t)reason;
	s->close.fn = session_close_arrived;
	if (s->moved)
		reactor_send(s->reactor, &s->close);
}

static void force_close(struct session *s)
{
	if (s->force_sent || !s->moved)
		return;
	s->force_sent = true;
	s->force.fn = session_force_arrived;
	reactor_send(s->reactor, &s->force);
}

void sessions_force_close(void)
{
	list_for_each (t, targets(), struct target, link) {
		struct iscsi_target *target = t->transport;

		if (!target)
			continue;
		list_for_each (info, &target->sessions, struct iscsi_session_info, link)
			force_close(of_info(info));
	}
}

void session_gone(struct message *message)
{
	struct session *s = container_of(message, struct session, gone);

	list_del(&s->info.link);
	log_info("initiator %s at %s is logged out of target %s", s->info.initiator,
		 s->info.address, s->target->scsi->name);
}

static void session_free(struct session *s)
{
	struct iscsi_target *target = s->target;
	struct list waiters = LIST_INIT(waiters);

	list_splice_tail(&waiters, &s->waiters);
	tsih_put((uint16_t)s->info.id);
	on_reactor[reactor_id(s->reactor)]--;
	total--;
	free(s->login_response);
	free(s);
	login_resume_waiters(&waiters);
	target_session_ended(target);
	if (!total && none_fn)
		none_fn(none_arg);
}

static void bounced_back(struct message *message)
{
	session_free(container_of(message, struct session, bounce));
}

static void bounce(struct message *message)
{
	message->fn = bounced_back;
	reactor_send(reactor_get(0), message);
}

/* A request to close may still be on its way to the session: a message after it, and back, outruns
 * it. */
void session_ended(struct message *message)
{
	struct session *s = container_of(message, struct session, ended_message);

	if (!s->close_sent && !s->force_sent) {
		session_free(s);
		return;
	}
	s->bounce.fn = bounce;
	reactor_send(s->reactor, &s->bounce);
}

static void unpin(struct message *message)
{
	struct session *s = container_of(message, struct session, reset);

	s->pins--;
	session_check_end(s);
}

void session_target_reset(struct message *message)
{
	struct session *s = container_of(message, struct session, reset);

	list_for_each (info, &s->target->sessions, struct iscsi_session_info, link)
		session_request_close(of_info(info), CLOSE_TARGET);
	s->reset.fn = unpin;
	reactor_send(s->reactor, &s->reset);
}
