/* SPDX-License-Identifier: MIT */
/* Mode config: what targets.conf asks for becomes what runs. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/config.h"
#include "config/plan.h"
#include "config/probe.h"
#include "config/running.h"
#include "iscsi/control.h"
#include "mgmt/config.h"
#include "mgmt/request.h"
#include "reactor/reactor.h"
#include "reactor/workers.h"
#include "util/log.h"

/* How long a request waits for files to be read and devices to be asked. */
#define READ_WAIT_MS 30000

static struct {
	char *file;
	unsigned int control_port;
	json_t *last; /* what was asked for the last time: a model, or NULL */
	void (*reloaded)(bool ok);
} state;

/* A request while its file is read, on a worker, and then while its plan is carried out. */
struct job {
	struct mgmt_request *request; /* NULL: answered */
	struct work work;
	struct message read;
	struct timer timer;
	bool pretend, ignore_errors;
	char *file, *name;
	json_int_t tid; /* instead of a name, of a target that doesn't run */
	struct config_choice choice;
	json_t *running, *last; /* the worker's own */
	struct config config;
	json_t *plan;
};

void mgmt_config_use(const char *file, unsigned int control_port)
{
	free(state.file);
	state.file = file ? strdup(file) : NULL;
	state.control_port = control_port;
}

static void job_free(struct job *job)
{
	json_decref(job->running);
	json_decref(job->last);
	json_decref(job->plan);
	config_free(&job->config);
	free(job->file);
	free(job->name);
	free(job);
	/* what the trees of a large file took goes back to the system, and isn't held for nothing
	 */
	malloc_trim(0);
}

/* ---- on a worker ---- */

static void note_control_port(struct job *job)
{
	if (job->config.has_control_port && job->config.control_port != state.control_port)
		json_array_append_new(job->config.warnings,
				      json_sprintf("%s: control-port %u is another daemon's; this "
						   "one's is %u",
						   job->file, job->config.control_port,
						   state.control_port));
}

/* A target that doesn't run may have its tid in the file. */
static void find_tid(struct job *job)
{
	json_t *target;
	const char *name;

	if (!job->tid)
		return;
	json_object_foreach(json_object_get(job->config.model, "targets"), name, target)
	{
		if (json_integer_value(json_object_get(target, "tid")) == job->tid) {
			free(job->name);
			job->name = strdup(name);
		}
	}
	job->choice.name = job->name;
}

static void read_job(struct work *work)
{
	struct job *job = container_of(work, struct job, work);
	json_t *model;

	if (job->choice.remove)
		job->ignore_errors =
		    true; /* whatever the file says, and whether or not it is there */
	config_read(job->file, job->ignore_errors, &job->config);
	model = job->config.model;
	if (model) {
		note_control_port(job);
		find_tid(job);
		config_probe_direct(model, "/sys");
		job->plan = config_plan(model, job->last, job->running, &job->choice);
		if (!job->choice.remove)
			config_probe_use(job->plan, job->running);
	}
	reactor_send(reactor_get(0), &job->read);
}

/* ---- answers ---- */

static void add_texts(json_t *to, const json_t *from)
{
	if (from)
		json_array_extend(to, (json_t *)(uintptr_t)from);
}

static json_t *changes_of(const json_t *plan)
{
	json_t *changes = json_array(), *step;
	size_t i;

	json_array_foreach(json_object_get(plan, "steps"), i, step)
	{
		json_array_append_new(changes,
				      mgmt_config_masked(json_object_get(step, "request")));
	}
	return changes;
}

static void answer(struct job *job, json_t *failed)
{
	json_t *warnings = json_array();
	json_t *refused = json_object_get(job->plan, "refused");

	if (!job->choice.remove)
		add_texts(warnings, job->config.warnings);
	add_texts(warnings, json_object_get(job->plan, "warnings"));
	mgmt_done(job->request,
		  json_pack("{s:o, s:o, s:O, s:o}", "changes", changes_of(job->plan), "failed",
			    failed, "refused", refused, "warnings", warnings));
	job_free(job);
}

static void log_texts(const json_t *texts)
{
	size_t i;
	json_t *text;

	json_array_foreach(texts, i, text)
	{
		log_warning("configuration: %s", json_string_value(text));
	}
}

static void carried_out(void *arg, json_t *failed, json_t *names)
{
	struct job *job = arg;
	json_t *running = config_running(), *remembered;

	remembered = config_remember(job->config.model, state.last, running, &job->choice, names);
	json_decref(state.last);
	state.last = remembered;
	json_decref(running);
	json_decref(names);
	if (json_array_size(json_object_get(job->plan, "steps")))
		log_info("configuration: %s: %zu changes, %zu failed", job->file,
			 json_array_size(json_object_get(job->plan, "steps")),
			 json_array_size(failed));
	answer(job, failed);
}

/* Nothing is changed; all errors go to the log, the first into the answer. */
static void bad_file(struct job *job)
{
	struct mgmt_request *r = job->request;
	const char *first = json_string_value(json_array_get(job->config.errors, 0));
	size_t i;
	json_t *text;

	json_array_foreach(job->config.errors, i, text)
	{
		log_err("configuration: %s", json_string_value(text));
	}
	mgmt_fail(r, EINVAL, first ? first : "out of memory", NULL);
	job_free(job);
}

/* The target that was named is neither in the file nor does it run. */
static bool is_unknown(const struct job *job)
{
	const char *name = job->choice.name;

	if (!name || json_object_get(json_object_get(job->running, "targets"), name))
		return false;
	return job->choice.remove ||
	       !json_object_get(json_object_get(job->config.model, "targets"), name);
}

static void was_read(struct message *message)
{
	struct job *job = container_of(message, struct job, read);

	reactor_timer_cancel(&job->timer);
	if (!job->request) {
		job_free(job);
		return;
	}
	if (!job->config.model) {
		bad_file(job);
		return;
	}
	if (is_unknown(job)) {
		mgmt_fail(job->request, EINVAL, "can't find the target", "%.240s",
			  job->choice.name);
		job_free(job);
		return;
	}
	if (job->pretend) {
		answer(job, json_array());
		return;
	}
	log_texts(job->config.warnings);
	log_texts(json_object_get(job->plan, "refused"));
	mgmt_config_run(job->plan, job->ignore_errors, carried_out, job);
}

static void reading_is_slow(struct timer *timer)
{
	struct job *job = container_of(timer, struct job, timer);
	struct mgmt_request *r = job->request;

	job->request = NULL;
	mgmt_fail(r, ETIMEDOUT, "the configuration can't be read", "%.240s: no answer within %d s",
		  job->file, READ_WAIT_MS / 1000);
}

/* ---- requests ---- */

/* tid=N, as the name of the target that has it now, if there is one. */
static void choose_tid(struct job *job, const char *text)
{
	const struct iscsi_target *target;
	unsigned long tid;
	char *end;

	tid = strtoul(text, &end, 10);
	if (end == text || *end || tid > INT32_MAX)
		tid = 0;
	target = tid ? iscsi_target_find((uint32_t)tid) : NULL;
	job->tid = target ? 0 : (json_int_t)tid;
	job->name = strdup(target ? target->scsi->name : text);
}

/* ALL, tid=N or a name. */
static void choose(struct job *job, const char *name)
{
	if (!name || strcasecmp(name, "ALL") == 0)
		return;
	if (strncmp(name, "tid=", 4) == 0)
		choose_tid(job, name + 4);
	else
		job->name = strdup(name);
	job->choice.name = job->name;
}

static void config_start(struct mgmt_request *r, bool remove)
{
	struct job *job = calloc(1, sizeof(*job));
	const char *file = r->args.file ? r->args.file
			   : state.file ? state.file
					: CONFIG_DEFAULT_FILE;

	if (!job || !(job->file = strdup(file))) {
		free(job);
		mgmt_fail(r, ENOMEM, "out of memory", NULL);
		return;
	}
	job->request = r;
	job->pretend = r->args.pretend;
	job->ignore_errors = r->args.ignore_errors;
	job->choice.force = r->args.force;
	job->choice.remove = remove;
	choose(job, r->args.name);
	job->running = config_running();
	job->last = state.last ? json_deep_copy(state.last) : config_model_new();
	job->work.fn = read_job;
	job->read.fn = was_read;
	job->timer.fn = reading_is_slow;
	reactor_timer_arm(reactor_self(), &job->timer, READ_WAIT_MS);
	workers_submit(workers_control_gate(), &job->work);
}

static void config_update(struct mgmt_request *r)
{
	config_start(r, false);
}

static void config_delete(struct mgmt_request *r)
{
	if (!r->args.name || strcasecmp(r->args.name, "ALL") == 0)
		mgmt_refuse(r, "delete needs the \"name\" of one target");
	else
		config_start(r, true);
}

static void config_show(struct mgmt_request *r)
{
	json_t *running = config_running();
	char *text = config_dump(running);

	json_decref(running);
	if (text)
		mgmt_done(r, json_pack("{s:o}", "text", json_string(text)));
	else
		mgmt_fail(r, ENOMEM, "out of memory", NULL);
	free(text);
}

const struct mgmt_op mgmt_config_ops[] = {
    {.mode = "config", .op = "update", .run = config_update},
    {.mode = "config", .op = "delete", .run = config_delete},
    {.mode = "config", .op = "show", .run = config_show},
    {.mode = NULL},
};

/* ---- without a client ---- */

static void reloaded(struct mgmt_request *request, json_t *response)
{
	void (*done)(bool ok) = state.reloaded;

	if (request->owner)
		done(json_integer_value(json_object_get(response, "rc")) == 0);
	json_decref(response);
}

void mgmt_config_reload(void (*done)(bool ok))
{
	static const char line[] = "{\"op\":\"update\",\"mode\":\"config\"}";

	if (done)
		state.reloaded = done;
	if (!mgmt_submit(line, strlen(line), reloaded, done ? &state : NULL) && done)
		done(false);
}
