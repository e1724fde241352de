/* SPDX-License-Identifier: MIT */
#include "mgmt/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/control.h"
#include "mgmt/writer.h"
#include "reactor/reactor.h"
#include "util/cleanup.h"
#include "util/log.h"

static const struct mgmt_op *const tables[] = {
    mgmt_system_ops,  mgmt_target_ops, mgmt_lu_ops,   mgmt_account_ops, mgmt_portal_ops,
    mgmt_session_ops, mgmt_module_ops, mgmt_stat_ops, mgmt_config_ops,
};

static void run_next(struct deferred *deferred);

/* One request at a time: what an operation found holds until it ends. */
static struct {
	struct list waiting;
	struct mgmt_request *running;
	struct deferred next;
	void (*idle)(void);
	bool draining;
} queue = {
    .waiting = LIST_INIT(queue.waiting),
    .next = {.link = LIST_INIT(queue.next.link), .fn = run_next},
};

static const char *const modes[][2] = {
    {"sys", "system"},      {"tgt", "target"},   {"lu", "logicalunit"},  {"pt", "portal"},
    {"connection", "conn"}, {"sess", "session"}, {"bs", "backingstore"},
};

static const char *full_mode(const char *mode)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (strcmp(modes[i][0], mode) == 0)
			return modes[i][1];
	}
	return mode;
}

static const struct mgmt_op *find_op(const char *mode, const char *op)
{
	mode = full_mode(mode);
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		for (const struct mgmt_op *row = tables[i]; row->mode; row++) {
			if (strcmp(row->mode, mode) == 0 && strcmp(row->op, op) == 0)
				return row;
		}
	}
	return NULL;
}

/* ---- answers ---- */

json_t *mgmt_error(int rc, const char *error, const char *detail)
{
	json_t *response = json_pack("{s:i, s:o}", "rc", rc, "error", mgmt_text(error));

	if (response && detail)
		json_object_set_new(response, "detail", mgmt_text(detail));
	return response;
}

json_t *mgmt_text(const char *text)
{
	json_t *string = json_string(text);
	char *clean;

	if (string || !(clean = strdup(text)))
		return string;
	for (char *p = clean; *p; p++) {
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
	string = json_string(clean);
	free(clean);
	return string;
}

static void release(struct mgmt_request *request, json_t *response)
{
	request->answered(request, response);
	json_decref(request->json);
	free(request->text);
	free(request);
}

static void answer(struct mgmt_request *request, json_t *response)
{
	void (*idle)(void) = queue.idle;

	if (request->part) {
		release(request, response);
		return;
	}
	queue.running = NULL;
	queue.idle = NULL;
	release(request, response);
	if (idle)
		idle();
	else if (!list_empty(&queue.waiting))
		reactor_defer(reactor_self(), DEFER_WORK, &queue.next);
}

void mgmt_done(struct mgmt_request *request, json_t *result)
{
	json_t *response = json_pack("{s:i}", "rc", 0);

	if (response && result)
		json_object_set_new(response, "result", result);
	answer(request, response);
}

void mgmt_result_begin(struct writer *w)
{
	*w = (struct writer){.text = NULL};
	write_object(w, NULL);
	write_number(w, "rc", 0);
	write_object(w, "result");
}

void mgmt_result_done(struct mgmt_request *request, struct writer *w)
{
	write_object_end(w);
	write_object_end(w);
	request->text = writer_take(w, &request->text_len);
	answer(request, NULL);
}

static void fail(struct mgmt_request *request, int rc, const char *error, const char *detail)
{
	const struct mgmt_args *a = &request->args;

	log_info("management: %s %s: %s%s%s", a->op ? a->op : "?", a->mode ? a->mode : "?", error,
		 detail ? ": " : "", detail ? detail : "");
	answer(request, mgmt_error(rc, error, detail));
}

void mgmt_fail(struct mgmt_request *request, int rc, const char *error, const char *detail, ...)
{
	char text[512];
	va_list ap;

	if (detail) {
		va_start(ap, detail);
		vsnprintf(text, sizeof(text), detail, ap);
		va_end(ap);
	}
	fail(request, rc, error, detail ? text : NULL);
}

void mgmt_refuse(struct mgmt_request *request, const char *format, ...)
{
	char text[512] = "invalid request: ";
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, format);
	vsnprintf(text + len, sizeof(text) - len, format, ap);
	va_end(ap);
	fail(request, EINVAL, text, NULL);
}

/* ---- the queue ---- */

static struct lu *find_lu(const struct mgmt_request *r)
{
	const struct mgmt_args *a = &r->args;

	if (!r->target || !a->has_lun || a->lun > LUN_MAX)
		return NULL;
	return target_lu(r->target->scsi, (uint32_t)a->lun);
}

/* What the operation's row needs; false: there is none, and that was said.  Where an LU is needed
 * and there is no target, stgt's users read that there is no LU. */
static bool find_objects(struct mgmt_request *r)
{
	const struct mgmt_args *a = &r->args;
	enum mgmt_needs needs = r->op->needs;

	r->target = a->has_tid ? iscsi_target_find((uint32_t)a->tid) : NULL;
	if (needs == MGMT_NEEDS_TARGET && !r->target) {
		mgmt_fail(r, EINVAL, "can't find the target", NULL);
		return false;
	}
	r->lu = find_lu(r);
	if (needs == MGMT_NEEDS_LU && !r->lu) {
		mgmt_fail(r, EINVAL, "can't find the logical unit", NULL);
		return false;
	}
	return true;
}

static void run(struct mgmt_request *r)
{
	char error[256];

	if (!mgmt_args_parse(r->json, &r->args, error, sizeof(error))) {
		mgmt_refuse(r, "%s", error);
		return;
	}
	if (r->args.lld && strcmp(r->args.lld, "iscsi") != 0) {
		mgmt_fail(r, EINVAL, "can't find the driver", NULL);
		return;
	}
	r->op = find_op(r->args.mode, r->args.op);
	if (!r->op) {
		mgmt_invalid(r, "there is no operation \"%.40s\" in mode \"%.40s\"", r->args.op,
			     r->args.mode);
		return;
	}
	if (find_objects(r))
		r->op->run(r);
}

static void run_next(struct deferred *deferred)
{
	struct mgmt_request *r;

	(void)deferred;
	if (queue.running || list_empty(&queue.waiting))
		return;
	r = list_pop(&queue.waiting, struct mgmt_request, link);
	queue.running = r;
	if (!r->json)
		mgmt_refuse(r, "the line is not JSON (see byte %d)", r->error_column);
	else
		run(r);
}

struct mgmt_request *mgmt_submit(const char *line, size_t len,
				 void (*answered)(struct mgmt_request *request, json_t *response),
				 void *owner)
{
	struct mgmt_request *r = calloc(1, sizeof(*r));
	json_error_t error;

	if (!r)
		return NULL;
	r->json = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	r->error_column = error.column;
	r->answered = answered;
	r->owner = owner;
	list_add_tail(&queue.waiting, &r->link);
	reactor_defer(reactor_self(), DEFER_WORK, &queue.next);
	return r;
}

bool mgmt_run_part(json_t *json, void (*answered)(struct mgmt_request *request, json_t *response),
		   void *owner)
{
	struct mgmt_request *r = calloc(1, sizeof(*r));

	if (!r) {
		json_decref(json);
		return false;
	}
	r->json = json;
	r->answered = answered;
	r->owner = owner;
	r->part = true;
	list_init(&r->link);
	run(r);
	return true;
}

bool mgmt_is_draining(void)
{
	return queue.draining;
}

void mgmt_drain(void (*idle)(void))
{
	queue.draining = true;
	while (!list_empty(&queue.waiting)) {
		struct mgmt_request *r = list_pop(&queue.waiting, struct mgmt_request, link);

		release(r, mgmt_error(ESHUTDOWN, "the daemon is shutting down", NULL));
	}
	if (queue.running)
		queue.idle = idle;
	else
		idle();
}
