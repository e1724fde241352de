/* SPDX-License-Identifier: MIT */
/* Carries out the difference between a configuration and what runs: one request after the other,
 * each as if it came over the socket. */
#include <stdlib.h>
#include <string.h>

#include "iscsi/control.h"
#include "mgmt/config.h"
#include "mgmt/request.h"
#include "reactor/reactor.h"
#include "util/log.h"

struct run {
	struct deferred next;
	json_t *steps, *failed, *targets;
	size_t at;
	bool ignore_errors;
	json_t *step; /* that runs, borrowed */
	bool undoing;
	/* groups whose first step says how to undo them: a target's, and a unit's inside of it */
	json_int_t group;
	json_t *undo_group, *undo_unit;
	const char *unit;
	bool skip_group, skip_unit;
	const char *target; /* the name of that at hand */
	void (*done)(void *arg, json_t *failed, json_t *targets);
	void *arg;
};

json_t *mgmt_config_masked(const json_t *request)
{
	json_t *copy = json_copy((json_t *)(uintptr_t)request);

	if (json_object_get(copy, "password"))
		json_object_set_new(copy, "password", json_string("***"));
	return copy;
}

static const char *text_of(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

/* ---- what fails ---- */

static const char *name_of_target(const json_t *request)
{
	json_int_t tid = json_integer_value(json_object_get(request, "tid"));
	const struct iscsi_target *target = tid ? iscsi_target_find((uint32_t)tid) : NULL;
	const char *name = text_of(request, "targetname");

	return name ? name : target ? target->scsi->name : NULL;
}

static void note_failure(struct run *run, const json_t *response)
{
	const json_t *request = json_object_get(run->step, "request");
	const char *place = text_of(run->step, "place"), *detail = text_of(response, "detail");
	const char *name = name_of_target(request);
	json_t *row = json_pack("{s:o}", "request", mgmt_config_masked(request));

	json_object_set(row, "rc", json_object_get(response, "rc"));
	json_object_set(row, "error", json_object_get(response, "error"));
	if (place)
		json_object_set(row, "place", json_object_get(run->step, "place"));
	if (detail)
		json_object_set(row, "detail", json_object_get(response, "detail"));
	json_array_append_new(run->failed, row);
	if (name)
		json_array_append_new(run->targets, json_string(name));
	log_err("configuration: %s%s%s%s%s", place ? place : "", place ? ": " : "",
		text_of(response, "error"), detail ? ": " : "", detail ? detail : "");
}

/* The request that takes back what was begun, if any. */
static json_t *fail_step(struct run *run)
{
	bool of_unit = json_object_get(run->step, "unit") != NULL;
	json_t *undo = NULL;

	if (!run->group)
		return NULL; /* accounts: each for itself */
	if (of_unit && run->ignore_errors) {
		run->skip_unit = true;
		undo = run->undo_unit;
		run->undo_unit = NULL;
		return undo;
	}
	run->skip_group = true;
	undo = run->undo_group ? run->undo_group : of_unit ? run->undo_unit : NULL;
	run->undo_group = run->undo_unit = NULL;
	return undo;
}

/* ---- steps ---- */

static void go_on(struct run *run)
{
	reactor_defer(reactor_self(), DEFER_WORK, &run->next);
}

static void step_ended(struct mgmt_request *request, json_t *response);

static void start_request(struct run *run, const json_t *request, bool undoing)
{
	run->undoing = undoing;
	if (mgmt_run_part(json_deep_copy(request), step_ended, run))
		return;
	run->skip_group = true;
	go_on(run);
}

static void step_succeeded(struct run *run)
{
	json_t *undo = json_object_get(run->step, "undo");

	if (undo && json_object_get(run->step, "unit"))
		run->undo_unit = undo;
	else if (undo)
		run->undo_group = undo;
	go_on(run);
}

static void step_failed(struct run *run, const json_t *response)
{
	json_t *undo;

	note_failure(run, response);
	undo = fail_step(run);
	if (undo)
		start_request(run, undo, true);
	else
		go_on(run);
}

static void step_ended(struct mgmt_request *request, json_t *response)
{
	struct run *run = request->owner;

	if (run->undoing || !json_integer_value(json_object_get(response, "rc"))) {
		if (run->undoing)
			go_on(run);
		else
			step_succeeded(run);
	} else {
		step_failed(run, response);
	}
	json_decref(response);
}

static void enter_groups(struct run *run)
{
	json_int_t group = json_integer_value(json_object_get(run->step, "group"));
	const char *unit = text_of(run->step, "unit");

	if (group != run->group) {
		run->group = group;
		run->skip_group = false;
		run->undo_group = NULL;
		run->unit = NULL;
	}
	if (!unit || !run->unit || strcmp(unit, run->unit) != 0) {
		run->unit = unit;
		run->skip_unit = false;
		run->undo_unit = NULL;
	}
}

static bool binds(const struct list *bindings, const char *user)
{
	list_for_each (b, bindings, struct iscsi_binding, link) {
		if (strcmp(b->text, user) == 0)
			return true;
	}
	return false;
}

/* An account that a target still asks for stays: without it the target would be open. */
static bool is_bound_account(const json_t *request)
{
	const char *user = text_of(request, "user");

	if (strcmp(text_of(request, "mode"), "account") != 0 ||
	    strcmp(text_of(request, "op"), "delete") != 0)
		return false;
	if (binds(iscsi_discovery_accounts(), user))
		return true;
	list_for_each (t, targets(), struct target, link) {
		const struct iscsi_target *target = t->transport;

		if (target && binds(&target->accounts, user))
			return true;
	}
	return false;
}

static void start_step(struct run *run)
{
	const json_t *request = json_object_get(run->step, "request");
	const json_t *obstacle = json_object_get(run->step, "obstacle");
	json_t *response;

	if (run->skip_group || run->skip_unit || is_bound_account(request)) {
		go_on(run);
	} else if (obstacle) {
		response = json_pack("{s:i, s:O, s:O}", "rc", EBUSY, "error",
				     json_object_get(obstacle, "error"), "detail",
				     json_object_get(obstacle, "detail"));
		step_failed(run, response);
		json_decref(response);
	} else {
		start_request(run, request, false);
	}
}

static void end(struct run *run)
{
	json_decref(run->steps);
	run->done(run->arg, run->failed, run->targets);
	free(run);
}

static void next(struct deferred *deferred)
{
	struct run *run = container_of(deferred, struct run, next);

	run->step = json_array_get(run->steps, run->at++);
	if (!run->step || mgmt_is_draining()) {
		end(run);
		return;
	}
	enter_groups(run);
	start_step(run);
}

void mgmt_config_run(const json_t *plan, bool ignore_errors,
		     void (*done)(void *arg, json_t *failed, json_t *targets), void *arg)
{
	struct run *run = calloc(1, sizeof(*run));
	json_t *row;

	if (!run) {
		row = json_pack("[{s:i, s:s}]", "rc", ENOMEM, "error", "out of memory");
		done(arg, row, json_array());
		return;
	}
	run->steps = json_incref(json_object_get(plan, "steps"));
	run->failed = json_array();
	run->targets = json_array();
	run->ignore_errors = ignore_errors;
	run->done = done;
	run->arg = arg;
	list_init(&run->next.link);
	run->next.fn = next;
	go_on(run);
}
