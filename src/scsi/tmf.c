/* SPDX-License-Identifier: MIT */
/* Task management (SAM-5 7).  A function is answered when the tasks it affects have ended; when a
 * store hangs, after tmf_patience_ms: the LU is then fenced until they do. */
#include <stdlib.h>
#include <string.h>

#include "scsi/commands.h"
#include "scsi/core.h"
#include "scsi/passthrough.h"
#include "scsi/pr_shared.h"
#include "scsi/security.h"
#include "scsi/tape_alert.h"
#include "util/bytes.h"
#include "util/log.h"

unsigned tmf_patience_ms = 10000;

/* ---- waiting on one slice ---- */

static bool affected(const struct abort_wait *w, const struct scsi_task *t)
{
	if (w->only)
		return t == w->only;
	return t != w->what.except && (!w->what.match || w->what.match(t->nexus, w->what.arg));
}

/* fn for each affected task of the slice, until it returns true. */
static bool each_affected(struct lu_slice *slice, const struct abort_wait *w,
			  bool (*fn)(struct scsi_task *t, void *arg), void *arg)
{
	list_for_each (itl, &slice->itls, struct itl, slice_link) {
		list_for_each (t, &itl->tasks, struct scsi_task, set_link) {
			if (affected(w, t) && fn(t, arg))
				return true;
		}
	}
	return false;
}

static bool was_aborted(struct scsi_task *t, void *arg)
{
	(void)arg;
	return t->aborted;
}

struct search {
	const struct lu_abort *what;
	struct scsi_task *found;
};

static bool to_abort(struct scsi_task *t, void *arg)
{
	struct search *s = arg;

	if (t->aborted) {
		task_abort_as(t, s->what); /* who asks may change what is told of it */
		return false;
	}
	s->found = t;
	return true;
}

/* One at a time: ending a task may start or end others. */
static void abort_affected(struct lu_slice *slice, const struct abort_wait *w)
{
	struct search s = {.what = &w->what};

	while (each_affected(slice, w, to_abort, &s)) {
		struct scsi_task *t = s.found;

		if (w->what.preempts && t->nexus->id != w->what.by && !mode_tas(slice->lu))
			ua_add(&t->itl->ua, ASC_COMMANDS_CLEARED_BY_ANOTHER_INITIATOR);
		task_abort_as(t, &w->what);
	}
}

static void end_conditions(struct lu_slice *slice, const struct lu_abort *what)
{
	list_for_each (itl, &slice->itls, struct itl, slice_link) {
		if (!what->match(itl->nexus, what->arg))
			continue;
		itl->aca = false;
		itl_lose_prevents(itl);
	}
}

void abort_on_slice(struct lu_slice *slice, struct abort_wait *w)
{
	abort_affected(slice, w);
	if (w->what.preempts)
		end_conditions(slice, &w->what);
	list_add_tail(&slice->waits, &w->link);
	abort_check(slice);
}

void abort_check(struct lu_slice *slice)
{
	list_for_each_safe (w, &slice->waits, struct abort_wait, link) {
		if (each_affected(slice, w, was_aborted, NULL))
			continue;
		list_del(&w->link);
		w->done(w);
	}
}

/* ---- on all slices of an LU ---- */

struct abort_all {
	struct lu *lu;
	struct reactor *origin;
	void (*done)(void *arg);
	void *arg;
	unsigned pending;
	struct abort_part {
		struct message message;
		struct abort_wait wait;
		struct abort_all *all;
		struct lu_slice *slice;
	} parts[];
};

static void part_returned(struct message *message)
{
	struct abort_all *all = container_of(message, struct abort_part, message)->all;

	if (--all->pending)
		return;
	all->done(all->arg);
	lu_unref(all->lu);
	free(all);
}

static void part_done(struct abort_wait *wait)
{
	struct abort_part *part = container_of(wait, struct abort_part, wait);

	part->message.fn = part_returned;
	reactor_send(part->all->origin, &part->message);
}

static void part_arrived(struct message *message)
{
	struct abort_part *part = container_of(message, struct abort_part, message);

	abort_on_slice(part->slice, &part->wait);
}

void lu_abort_matching(struct lu *lu, const struct lu_abort *what, void (*done)(void *done_arg),
		       void *done_arg)
{
	struct abort_all *all = calloc(1, sizeof(*all) + reactors_count() * sizeof(all->parts[0]));

	if (!all)
		abort(); /* neither GOOD nor a failure would be the truth */
	all->lu = lu;
	all->origin = reactor_self();
	all->done = done;
	all->arg = done_arg;
	all->pending = reactors_count();
	lu_ref(lu);
	for (unsigned i = 0; i < reactors_count(); i++) {
		struct abort_part *part = &all->parts[i];

		part->all = all;
		part->slice = &lu->slices[i];
		part->wait.what = *what;
		part->wait.done = part_done;
		part->message.fn = part_arrived;
		reactor_send(reactor_get(i), &part->message);
	}
}

/* ---- the functions ---- */

/* Lives until all is done; the caller's tmf only until it is answered. */
struct tmf_work {
	struct tmf *tmf; /* NULL: answered */
	struct nexus *nexus;
	struct lu *lu;
	struct timer timer;
	struct message answer;
	enum tmf_response response;
	unsigned pending;
	unsigned others; /* of pending: only other hosts have to reset it yet */
	uint64_t nexus_id;
	struct abort_wait wait;
	bool finished, answering;
};

static void work_release(struct tmf_work *w)
{
	if (!w->finished || w->tmf || w->answering)
		return;
	reactor_timer_cancel(&w->timer);
	free(w);
}

static void answer_now(struct message *message)
{
	struct tmf_work *w = container_of(message, struct tmf_work, answer);
	struct tmf *tmf = w->tmf;

	w->tmf = NULL;
	w->answering = false;
	tmf->done(tmf, w->response);
	work_release(w);
}

/* By a message, so that done() is never called from within tmf_submit(). */
static void answer(struct tmf_work *w)
{
	if (!w->tmf || w->answering)
		return;
	reactor_timer_cancel(&w->timer);
	w->answering = true;
	w->answer.fn = answer_now;
	reactor_send(reactor_self(), &w->answer);
}

static void finish(struct tmf_work *w)
{
	w->finished = true;
	answer(w);
	work_release(w);
}

static bool fence_task(struct scsi_task *t, void *arg)
{
	(void)arg;
	if (t->aborted && !t->hung) {
		t->hung = true;
		atomic_fetch_add(&t->lu->fences, 1);
	}
	return false;
}

static void fence_slice(void *arg, struct reactor *reactor)
{
	struct lu *lu = arg;
	struct abort_wait everything = {0};

	each_affected(&lu->slices[reactor_id(reactor)], &everything, fence_task, NULL);
}

static void fenced(void *arg)
{
	lu_unref(arg);
}

static void out_of_patience(struct timer *timer)
{
	struct tmf_work *w = container_of(timer, struct tmf_work, timer);

	if (w->others) { /* who doesn't answer is soon shut out */
		reactor_timer_arm(reactor_self(), &w->timer, tmf_patience_ms);
		return;
	}
	if (w->lu) {
		log_err("%s: its store has not given aborted commands back for %u s: not ready "
			"until it does",
			lu_name(w->lu), tmf_patience_ms / 1000);
		lu_ref(w->lu);
		reactors_visit(fence_slice, fenced, w->lu);
	}
	answer(w);
}

static struct tmf_work *work_create(struct tmf *tmf, struct lu *lu)
{
	struct tmf_work *w = calloc(1, sizeof(*w));

	if (!w)
		abort(); /* a reset that was not done can't be reported as anything */
	w->tmf = tmf;
	w->nexus = tmf->nexus;
	w->nexus_id = tmf->nexus->id;
	w->lu = lu;
	w->timer.fn = out_of_patience;
	w->response = TMF_COMPLETE;
	reactor_timer_arm(reactor_self(), &w->timer, tmf_patience_ms);
	return w;
}

static void slice_done(struct abort_wait *wait)
{
	finish(container_of(wait, struct tmf_work, wait));
}

static bool same_nexus(const struct nexus *nexus, void *arg)
{
	return nexus == arg;
}

static void abort_task(struct tmf_work *w, struct scsi_task *t)
{
	if (!t || t->state == TASK_DONE || !t->itl) {
		w->response = TMF_NO_SUCH_TASK;
		finish(w);
		return;
	}
	w->lu = t->lu;
	w->wait.only = t;
	w->wait.what.by = w->nexus_id;
	w->wait.done = slice_done;
	abort_on_slice(t->slice, &w->wait);
}

/* Its own tasks. */
static struct lu_abort of_nexus(struct tmf_work *w)
{
	return (struct lu_abort){.match = same_nexus, .arg = w->nexus, .by = w->nexus_id};
}

static void abort_task_set(struct tmf_work *w)
{
	w->wait.what = of_nexus(w);
	w->wait.done = slice_done;
	abort_on_slice(lu_slice_here(w->lu), &w->wait);
}

static void query(struct tmf_work *w, bool found)
{
	w->response = found ? TMF_SUCCEEDED : TMF_COMPLETE;
	finish(w);
}

static void query_set(struct tmf_work *w)
{
	struct itl *itl = itl_get(w->nexus, w->lu);

	query(w, itl && !list_empty(&itl->tasks));
}

/* SAM-5, QUERY ASYNCHRONOUS EVENT: UADE DEPTH in bits 5 and 4 of the first byte */
#define UADE_DEPTH_ONE 0x10
#define UADE_DEPTH_SEVERAL 0x20

/* The core keeps no deferred errors: what is pending are unit attentions. */
static void query_event(struct tmf_work *w)
{
	struct itl *itl = itl_get(w->nexus, w->lu);
	unsigned depth = itl ? itl->ua.count : 0;

	if (depth) {
		w->tmf->information[0] =
		    (depth > 1 ? UADE_DEPTH_SEVERAL : UADE_DEPTH_ONE) | KEY_UNIT_ATTENTION;
		put_be16(w->tmf->information + 1, itl->ua.asc[0]);
	}
	query(w, depth);
}

static void clear_aca(struct tmf_work *w)
{
	struct itl *itl = itl_get(w->nexus, w->lu);

	if (itl) {
		itl->aca = false;
		queue_rescan(itl);
	}
	finish(w);
}

/* ---- resets ---- */

static bool clear_slice_state(const struct nexus *nexus, void *arg)
{
	struct lu *lu = arg;
	struct itl *itl = lu->lun < nexus->nr_itls ? nexus->itls[lu->lun] : NULL;

	if (itl && itl->lu == lu) {
		itl->aca = false;
		itl_set_prevents(itl, false);
	}
	return true;
}

void lu_reset_state(struct lu *lu)
{
	reserve_reset(lu);
	mode_reset(lu);
	security_reset(lu);
	if (lu->tape)
		tape_alert_clear(lu);
	lu_establish_ua_matching(lu, ASC_BUS_DEVICE_RESET_FUNCTION_OCCURRED, clear_slice_state, lu);
}

struct resetting {
	struct lu *lu;
	struct tmf_work *w;
	unsigned pending; /* its tasks, and a device that is passed through */
	bool shared;      /* other hosts have the medium: it is reset there as well */
};

static void lu_was_reset(struct resetting *r, bool good)
{
	struct tmf_work *w = r->w;

	if (!good)
		w->response = TMF_REJECTED;
	lu_unref(r->lu);
	free(r);
	if (!--w->pending)
		finish(w);
}

static void others_reset(void *arg, bool good)
{
	struct resetting *r = arg;

	r->w->others--;
	lu_was_reset(r, good);
}

static void reset_here(struct lu *lu, void *arg)
{
	struct resetting *r = arg;

	lu_reset_state(lu);
	r->shared = lu->pr && lu->pr->shared;
}

static void was_reset_here(void *arg)
{
	struct resetting *r = arg;

	if (!r->shared) {
		lu_was_reset(r, true);
		return;
	}
	r->w->others++;
	pr_shared_reset(r->lu, others_reset, r);
}

static void part_of_reset_done(struct resetting *r)
{
	if (!--r->pending)
		lu_change(r->lu, reset_here, was_reset_here, r);
}

static void tasks_aborted(void *arg)
{
	part_of_reset_done(arg);
}

static void device_was_reset(void *arg, bool good)
{
	struct resetting *r = arg;

	if (!good)
		r->w->response = TMF_REJECTED;
	part_of_reset_done(r);
}

/* The tasks come back when the device is reset, if not before; so both at once. */
static void reset_lu(struct tmf_work *w, struct lu *lu)
{
	struct resetting *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->lu = lu;
	r->w = w;
	lu_ref(lu);
	w->pending++;
	r->pending = 1;
	lu_abort_matching(lu, &(struct lu_abort){.by = w->nexus_id}, tasks_aborted, r);
	if (!lu->passthrough || !store_can(lu->store, TGT_BS_CAN_RESET))
		return;
	r->pending++;
	passthrough_reset(lu, device_was_reset, r);
}

static void reset_target(struct tmf_work *w)
{
	const struct lun_map *map =
	    atomic_load_explicit(&w->nexus->target->map, memory_order_acquire);

	for (uint32_t i = 0; i < map->count; i++)
		reset_lu(w, map->lus[i]);
	if (!map->count)
		finish(w);
}

/* SAM-5 6.3.4 */
static void lose_nexus(struct tmf_work *w)
{
	list_for_each (itl, &w->nexus->itl_list, struct itl, nexus_link) {
		itl->aca = false;
		itl_lose_prevents(itl);
		reserve_release_nexus(itl->lu, w->nexus->id);
		ua_add(&itl->ua, ASC_I_T_NEXUS_LOSS_OCCURRED);
	}
	finish(w);
}

static void nexus_slice_done(struct abort_wait *wait);

/* Waits for one LU after the other, until none has aborted tasks of the nexus any more. */
static void wait_for_nexus(struct tmf_work *w)
{
	w->wait.what = of_nexus(w);
	w->wait.done = nexus_slice_done;
	list_for_each (itl, &w->nexus->itl_list, struct itl, nexus_link) {
		if (!each_affected(itl->slice, &w->wait, was_aborted, NULL))
			continue;
		w->lu = itl->lu;
		list_add_tail(&itl->slice->waits, &w->wait.link);
		return;
	}
	lose_nexus(w);
}

static void nexus_slice_done(struct abort_wait *wait)
{
	wait_for_nexus(container_of(wait, struct tmf_work, wait));
}

static void reset_nexus(struct tmf_work *w)
{
	struct abort_wait mine = {.what = of_nexus(w)};

	list_for_each (itl, &w->nexus->itl_list, struct itl, nexus_link)
		abort_affected(itl->slice, &mine);
	wait_for_nexus(w);
}

static void run_on_lu(struct tmf_work *w, enum tmf_function function)
{
	if (function == TMF_LOGICAL_UNIT_RESET)
		reset_lu(w, w->lu);
	else if (function == TMF_CLEAR_ACA)
		clear_aca(w);
	else if (function == TMF_QUERY_TASK_SET)
		query_set(w);
	else if (function == TMF_QUERY_ASYNC_EVENT)
		query_event(w);
	else /* TST = 001b: CLEAR TASK SET reaches this nexus's task set only (SAM-5 7.5) */
		abort_task_set(w);
}

void tmf_submit(struct tmf *tmf)
{
	struct tmf_work *w = work_create(tmf, NULL);
	uint32_t number;

	memset(tmf->information, 0, sizeof(tmf->information));
	switch (tmf->function) {
	case TMF_ABORT_TASK:
		abort_task(w, tmf->task);
		return;
	case TMF_QUERY_TASK:
		query(w, tmf->task && tmf->task->state != TASK_DONE && !tmf->task->aborted);
		return;
	case TMF_TARGET_RESET:
		reset_target(w);
		return;
	case TMF_I_T_NEXUS_RESET:
		reset_nexus(w);
		return;
	default:
		break;
	}
	if (lun_decode(tmf->lun, &number))
		w->lu = target_lu(tmf->nexus->target, number);
	if (!w->lu) {
		w->response = TMF_NO_SUCH_LUN;
		finish(w);
		return;
	}
	run_on_lu(w, tmf->function);
}
