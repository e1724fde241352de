/* SPDX-License-Identifier: MIT */
/* Task management (RFC 7143 11.5, 11.6; RFC 7144 5). */
#include <stdlib.h>
#include <string.h>

#include "iscsi/session.h"
#include "util/log.h"

enum function {
	ABORT_TASK = 1,
	ABORT_TASK_SET = 2,
	CLEAR_ACA = 3,
	CLEAR_TASK_SET = 4,
	LOGICAL_UNIT_RESET = 5,
	TARGET_WARM_RESET = 6,
	TARGET_COLD_RESET = 7,
	TASK_REASSIGN = 8,
	QUERY_TASK = 9,
	QUERY_TASK_SET = 10,
	I_T_NEXUS_RESET = 11,
	QUERY_ASYNC_EVENT = 12,
};

enum response {
	COMPLETE = 0,
	NO_SUCH_TASK = 1,
	NO_SUCH_LUN = 2,
	NO_REASSIGNMENT = 4,
	NOT_SUPPORTED = 5,
	SUCCEEDED = 7, /* RFC 7144 5.4 */
	REJECTED = 255,
};

#define REQUESTS_MAX 64u       /* at once; a store that hangs holds them up */
#define PROTOCOL_LEVEL_QUERY 2 /* RFC 7144 4: QUERY TASK and what follows it */

struct request {
	struct list link; /* session.tmfs, once the core is done */
	struct tmf tmf;
	struct session *session;
	uint32_t itt;
	uint8_t function;
	uint8_t response;
};

/* By function; COLD RESET differs from WARM RESET afterwards only. */
static const uint8_t core_functions[] = {
    [ABORT_TASK] = TMF_ABORT_TASK,
    [ABORT_TASK_SET] = TMF_ABORT_TASK_SET,
    [CLEAR_ACA] = TMF_CLEAR_ACA,
    [CLEAR_TASK_SET] = TMF_CLEAR_TASK_SET,
    [LOGICAL_UNIT_RESET] = TMF_LOGICAL_UNIT_RESET,
    [TARGET_WARM_RESET] = TMF_TARGET_RESET,
    [TARGET_COLD_RESET] = TMF_TARGET_RESET,
    [QUERY_TASK] = TMF_QUERY_TASK,
    [QUERY_TASK_SET] = TMF_QUERY_TASK_SET,
    [I_T_NEXUS_RESET] = TMF_I_T_NEXUS_RESET,
    [QUERY_ASYNC_EVENT] = TMF_QUERY_ASYNC_EVENT,
};

static const uint8_t responses[] = {
    [TMF_COMPLETE] = COMPLETE,           [TMF_SUCCEEDED] = SUCCEEDED,
    [TMF_NO_SUCH_TASK] = NO_SUCH_TASK,   [TMF_NO_SUCH_LUN] = NO_SUCH_LUN,
    [TMF_NOT_SUPPORTED] = NOT_SUPPORTED, [TMF_REJECTED] = REJECTED,
};

#define INFORMATION_AT 8 /* of the response: Additional Response Information, RFC 7144 */

/* information: NULL, or the bytes of it. */
static void respond_with(struct session *s, uint32_t itt, unsigned response,
			 const uint8_t *information)
{
	struct reply *reply;

	if (!s->conn || !conn_is_open(s->conn))
		return;
	reply = reply_create(s->conn, OP_TASK_MANAGEMENT_RESPONSE, PDU_FINAL, itt, NULL, 0);
	if (!reply)
		return;
	reply->bhs[2] = (uint8_t)response;
	if (information)
		memcpy(reply->bhs + INFORMATION_AT, information, TMF_INFORMATION_LENGTH);
	reply_queue(s->conn, reply);
}

static void respond(struct session *s, uint32_t itt, unsigned response)
{
	respond_with(s, itt, response, NULL);
}

/* ---- what the core has answered ---- */

static void answer(struct request *r)
{
	struct session *s = r->session;

	list_del(&r->link);
	s->nr_tmfs--;
	respond_with(s, r->itt, r->response, r->tmf.information);
	if (r->function == TARGET_COLD_RESET && r->response == COMPLETE)
		session_reset_target(s);
	free(r);
}

void task_management_resume(struct session *s)
{
	while (!list_empty(&s->tmfs))
		answer(list_first(&s->tmfs, struct request, link));
}

void task_management_free_all(struct session *s)
{
	while (!list_empty(&s->tmfs))
		free(list_pop(&s->tmfs, struct request, link));
}

static bool ends_tasks(unsigned function)
{
	return function == ABORT_TASK_SET || function == CLEAR_TASK_SET ||
	       function == LOGICAL_UNIT_RESET || function == TARGET_WARM_RESET ||
	       function == TARGET_COLD_RESET || function == I_T_NEXUS_RESET;
}

static void abort_waiting(struct iscsi_task *t, void *arg)
{
	const struct request *r = arg;

	if (r->function > LOGICAL_UNIT_RESET || !memcmp(t->scsi.lun, r->tmf.lun, 8))
		task_abort_done(t);
}

static void core_done(struct tmf *tmf, enum tmf_response response)
{
	struct request *r = container_of(tmf, struct request, tmf);
	struct session *s = r->session;

	r->response = responses[response];
	if (ends_tasks(r->function) && r->response == COMPLETE)
		tasks_each(s, abort_waiting, r); /* ended, but not answered for want of data */
	if (!ends_tasks(r->function) || !s->nr_dropped)
		answer(r);
	else /* 4.2.3.3: when the initiator has answered the valid target transfer tags */
		list_add_tail(&s->tmfs, &r->link);
	s->pins--;
	session_check_end(s);
}

/* ---- requests ---- */

static void submit(struct session *s, const uint8_t *bhs, unsigned function, struct scsi_task *task)
{
	struct request *r = NULL;

	if (s->nr_tmfs < REQUESTS_MAX)
		r = calloc(1, sizeof(*r));
	if (!r) {
		respond(s, pdu_itt(bhs), REJECTED);
		return;
	}
	s->nr_tmfs++;
	list_init(&r->link);
	r->session = s;
	r->itt = pdu_itt(bhs);
	r->function = (uint8_t)function;
	r->tmf.nexus = &s->nexus;
	r->tmf.function = core_functions[function];
	r->tmf.task = task;
	r->tmf.done = core_done;
	memcpy(r->tmf.lun, bhs + 8, 8);
	s->pins++;
	tmf_submit(&r->tmf);
}

/* 11.5.1: a task that isn't here may still be on its way; then its CmdSN counts as received. */
static void abort_unknown(struct session *s, const uint8_t *bhs)
{
	uint32_t ref = get_be32(bhs + 32);
	enum window_place place = window_place(&s->window, ref);

	if (place == WINDOW_OUTSIDE || !serial_before(ref, pdu_cmdsn(bhs))) {
		respond(s, pdu_itt(bhs), NO_SUCH_TASK);
		return;
	}
	s->last_abort_ms = reactor_now_ms(s->reactor);
	cmdsn_consume(s, ref);
	respond(s, pdu_itt(bhs), COMPLETE);
}

static void abort_not_submitted(struct session *s, const uint8_t *bhs, struct iscsi_task *t)
{
	s->last_abort_ms = reactor_now_ms(s->reactor);
	if (!t->submitted) {
		held_forget_task(s, t);
		task_free(t);
	} else {
		task_abort_done(t);
	}
	respond(s, pdu_itt(bhs), COMPLETE);
}

static void one_task(struct session *s, const uint8_t *bhs, unsigned function)
{
	struct iscsi_task *t = task_find(s, pdu_ttt(bhs)); /* the Referenced Task Tag */

	if (t && memcmp(t->scsi.lun, bhs + 8, 8) != 0)
		respond(s, pdu_itt(bhs), NO_SUCH_TASK);
	else if (function == QUERY_TASK)
		submit(s, bhs, function, t && t->submitted ? &t->scsi : NULL);
	else if (!t)
		abort_unknown(s, bhs);
	else if (!t->submitted || (t->done && !t->queued))
		abort_not_submitted(s, bhs, t);
	else if (t->queued)
		respond(s, pdu_itt(bhs), NO_SUCH_TASK); /* its status goes out before this */
	else
		submit(s, bhs, function, &t->scsi);
}

void task_management(struct session *s, const uint8_t *bhs)
{
	unsigned function = bhs[1] & 0x7f;

	conn_log(s->conn, LOG_DEBUG, "task management function %u", function);
	if (function == TASK_REASSIGN)
		respond(s, pdu_itt(bhs), NO_REASSIGNMENT);
	else if (!function || function > QUERY_ASYNC_EVENT ||
		 (function >= QUERY_TASK && s->protocol_level < PROTOCOL_LEVEL_QUERY))
		respond(s, pdu_itt(bhs), NOT_SUPPORTED);
	else if (pdu_itt(bhs) == TAG_NONE)
		conn_reject(s->conn, bhs, REJECT_INVALID_FIELD);
	else if (function == ABORT_TASK || function == QUERY_TASK)
		one_task(s, bhs, function);
	else
		submit(s, bhs, function, NULL);
}
