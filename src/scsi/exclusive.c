/* SPDX-License-Identifier: MIT */
/*
 * Exclusive operations.  The LU's home reactor orders them, one at a time:
 *
 *	origin        begin ->              (home queues it; when it is first:)
 *	home          announce -> every slice   which holds back what would be in the way, and
 *answers once what was in the way has drained home          granted -> origin         which runs
 *the operation, then sends origin        end -> home          release -> every slice    which lets
 *go what it held; all answered: the next one home          released -> origin
 */
#include <errno.h>
#include <stdlib.h>

#include "scsi/core.h"
#include "scsi/opcode.h"

struct lu_exclusive_part {
	struct message message;
	struct lu_slice *slice;
	struct lu_exclusive *exclusive;
};

int exclusive_init(struct lu *lu)
{
	lu->parts = calloc(reactors_count(), sizeof(*lu->parts));
	if (!lu->parts)
		return -ENOMEM;
	for (unsigned i = 0; i < reactors_count(); i++)
		lu->parts[i].slice = &lu->slices[i];
	list_init(&lu->exclusives);
	return 0;
}

static struct lu_exclusive_part *part_of(struct message *message)
{
	return container_of(message, struct lu_exclusive_part, message);
}

/* ---- on every slice ---- */

/* [a, a + n) and [b, b + m) have a block in common; by subtraction, so nothing wraps. */
static bool overlap(uint64_t a, uint64_t n, uint64_t b, uint64_t m)
{
	return a <= b ? b - a < n && m : a - b < m && n;
}

static bool in_the_way(const struct lu_exclusive *e, const struct scsi_task *t)
{
	if (e->all)
		return true;
	return t->row->flags & ROW_RANGE && overlap(e->lba, e->blocks, t->lba, t->blocks);
}

bool exclusive_holds(const struct lu_slice *slice, const struct scsi_task *t)
{
	return in_the_way(slice->exclusive, t);
}

static bool drained(const struct lu_slice *slice)
{
	if (slice->exclusive->all)
		return !slice->nr_running;
	list_for_each (t, &slice->running, struct scsi_task, run_link) {
		if (in_the_way(slice->exclusive, t))
			return false;
	}
	return true;
}

static void home_acknowledged(struct message *message);

static struct reactor *home_of(const struct lu *lu)
{
	return reactor_get(lu->home);
}

void exclusive_check(struct lu_slice *slice)
{
	struct lu_exclusive_part *part = &slice->lu->parts[reactor_id(slice->reactor)];

	if (slice->acknowledged || !drained(slice))
		return;
	slice->acknowledged = true;
	part->message.fn = home_acknowledged;
	reactor_send(home_of(slice->lu), &part->message);
}

static void slice_announced(struct message *message)
{
	struct lu_exclusive_part *part = part_of(message);

	part->slice->exclusive = part->exclusive;
	part->slice->acknowledged = false;
	exclusive_check(part->slice);
}

static void home_released(struct message *message);

static void slice_released(struct message *message)
{
	struct lu_exclusive_part *part = part_of(message);
	struct lu_slice *slice = part->slice;
	struct list held = LIST_INIT(held);

	slice->exclusive = NULL;
	part->message.fn = home_released;
	reactor_send(home_of(slice->lu), &part->message);
	list_splice_tail(&held, &slice->held);
	while (!list_empty(&held)) {
		struct scsi_task *t = list_pop(&held, struct scsi_task, run_link);

		t->parked = false;
		t->resume(t);
	}
}

/* ---- at home ---- */

static void send_parts(struct lu_exclusive *e, void (*fn)(struct message *message))
{
	struct lu *lu = e->lu;

	e->waiting = reactors_count();
	for (unsigned i = 0; i < reactors_count(); i++) {
		lu->parts[i].exclusive = e;
		lu->parts[i].message.fn = fn;
		reactor_send(reactor_get(i), &lu->parts[i].message);
	}
}

static void origin_granted(struct message *message)
{
	struct lu_exclusive *e = container_of(message, struct lu_exclusive, message);

	e->granted(e);
}

static void origin_released(struct message *message)
{
	struct lu_exclusive *e = container_of(message, struct lu_exclusive, message);
	struct lu *lu = e->lu;

	if (e->released)
		e->released(e);
	lu_unref(lu);
}

static void home_acknowledged(struct message *message)
{
	struct lu_exclusive *e = part_of(message)->exclusive;

	if (--e->waiting)
		return;
	e->message.fn = origin_granted;
	reactor_send(e->origin, &e->message);
}

static void home_next(struct lu *lu)
{
	if (!list_empty(&lu->exclusives))
		send_parts(list_first(&lu->exclusives, struct lu_exclusive, link), slice_announced);
}

static void home_released(struct message *message)
{
	struct lu_exclusive *e = part_of(message)->exclusive;
	struct lu *lu = e->lu;

	if (--e->waiting)
		return;
	list_del(&e->link);
	home_next(lu);
	e->message.fn = origin_released;
	reactor_send(e->origin, &e->message);
}

static void home_begin(struct message *message)
{
	struct lu_exclusive *e = container_of(message, struct lu_exclusive, message);
	bool idle = list_empty(&e->lu->exclusives);

	list_add_tail(&e->lu->exclusives, &e->link);
	if (idle)
		home_next(e->lu);
}

static void home_end(struct message *message)
{
	send_parts(container_of(message, struct lu_exclusive, message), slice_released);
}

/* ---- at the origin ---- */

void lu_exclusive_begin(struct lu_exclusive *e)
{
	lu_ref(e->lu);
	list_init(&e->link);
	e->origin = reactor_self();
	e->message.fn = home_begin;
	reactor_send(home_of(e->lu), &e->message);
}

void lu_exclusive_end(struct lu_exclusive *e, void (*released)(struct lu_exclusive *exclusive))
{
	if (e->all)
		atomic_fetch_add_explicit(&e->lu->state_generation, 1, memory_order_relaxed);
	e->released = released;
	e->message.fn = home_end;
	reactor_send(home_of(e->lu), &e->message);
}

/* ---- a task that runs alone ---- */

struct task_exclusive {
	struct lu_exclusive exclusive;
	struct scsi_task *task; /* until it ends; NULL: aborted before its turn had come */
	bool granted;
	void (*run)(struct scsi_task *t);
};

static void task_released(struct lu_exclusive *e)
{
	free(container_of(e, struct task_exclusive, exclusive));
}

static void task_granted(struct lu_exclusive *e)
{
	struct task_exclusive *x = container_of(e, struct task_exclusive, exclusive);

	x->granted = true;
	if (x->task)
		x->run(x->task);
	else
		lu_exclusive_end(e, task_released);
}

void exclusive_run(struct scsi_task *t, void (*run)(struct scsi_task *t))
{
	struct task_exclusive *x = calloc(1, sizeof(*x));

	if (!x) {
		task_status(t, STATUS_BUSY);
		return;
	}
	x->task = t;
	x->run = run;
	x->exclusive.lu = t->lu;
	x->exclusive.all = t->row->flags & ROW_EXCLUSIVE;
	x->exclusive.lba = t->lba;
	x->exclusive.blocks = t->blocks;
	x->exclusive.granted = task_granted;
	t->exclusive = &x->exclusive;
	lu_exclusive_begin(&x->exclusive);
}

void exclusive_finish(struct scsi_task *t)
{
	struct task_exclusive *x = container_of(t->exclusive, struct task_exclusive, exclusive);

	t->exclusive = NULL;
	x->task = NULL;
	/* before its turn it can't be taken off the line, which is at home: it ends when that comes
	 */
	if (x->granted)
		lu_exclusive_end(&x->exclusive, task_released);
}

/* ---- a task that waits for something else ---- */

/* It never gets as far as to begin: what ends the task early finds it as one that waits. */
struct task_aside {
	struct task_exclusive exclusive;
};

struct task_aside *task_step_aside(struct scsi_task *t)
{
	struct task_aside *aside = calloc(1, sizeof(*aside));

	if (!aside)
		return NULL;
	aside->exclusive.task = t;
	t->exclusive = &aside->exclusive.exclusive;
	t->state = TASK_QUEUED;
	if (t->counted)
		queue_uncount(t);
	return aside;
}

struct scsi_task *task_step_back(struct task_aside *aside)
{
	struct scsi_task *t = aside->exclusive.task;

	if (t) {
		t->exclusive = NULL;
		t->state = TASK_RUNNING;
	}
	free(aside);
	return t;
}

/* ---- a change by management ---- */

struct lu_changing {
	struct lu_exclusive exclusive;
	void (*change)(struct lu *lu, void *arg);
	void (*done)(void *arg);
	void *arg;
};

static void change_released(struct lu_exclusive *e)
{
	struct lu_changing *c = container_of(e, struct lu_changing, exclusive);

	if (c->done)
		c->done(c->arg);
	free(c);
}

static void change_granted(struct lu_exclusive *e)
{
	struct lu_changing *c = container_of(e, struct lu_changing, exclusive);

	if (c->change)
		c->change(e->lu, c->arg);
	lu_exclusive_end(e, change_released);
}

void lu_change(struct lu *lu, void (*change)(struct lu *lu, void *arg), void (*done)(void *arg),
	       void *arg)
{
	struct lu_changing *c = calloc(1, sizeof(*c));

	if (!c)
		abort(); /* a change that was promised can't be dropped */
	c->exclusive.lu = lu;
	c->exclusive.all = true;
	c->exclusive.granted = change_granted;
	c->change = change;
	c->done = done;
	c->arg = arg;
	lu_exclusive_begin(&c->exclusive);
}
