/* SPDX-License-Identifier: MIT */
/*
 * The task set of an I_T_L nexus (SAM-5 8, TST = 001b: one for each nexus), and the gate of an LU's
 * slice, where exclusive operations hold tasks back.
 *
 *	may start with …           older SIMPLE   older ORDERED   any HEAD OF QUEUE   any ACA
 *	SIMPLE                     yes            no              no                  no
 *	ORDERED                    no             no              no                  no
 *	HEAD OF QUEUE              yes            yes             yes                 no
 *	ACA                        yes            yes             yes                 yes
 */
#include "scsi/core.h"
#include "scsi/opcode.h"

static bool blocks_others(const struct scsi_task *t)
{
	return t->attribute == ATTR_ORDERED || t->attribute == ATTR_HEAD;
}

void queue_enter(struct scsi_task *t)
{
	list_add_tail(&t->itl->tasks, &t->set_link);
	t->itl->nr_blocking += blocks_others(t);
	t->itl->nr_heads += t->attribute == ATTR_HEAD;
}

static bool may_start(const struct scsi_task *t)
{
	struct itl *itl = t->itl;

	if (t->attribute == ATTR_ACA)
		return true;
	if (itl->aca)
		return false;
	if (!itl->nr_blocking || t->attribute == ATTR_HEAD || t->row->flags & ROW_HEAD)
		return true;
	/* SAM-5 8.6: what is dormant waits for them, also for one that came later */
	if (itl->nr_heads)
		return false;
	list_for_each (older, &itl->tasks, struct scsi_task, set_link) {
		if (older == t)
			return true;
		if (t->attribute == ATTR_ORDERED || older->attribute == ATTR_ORDERED)
			return false;
	}
	return true;
}

static void count_running(struct scsi_task *t)
{
	list_add_tail(&t->slice->running, &t->run_link);
	t->slice->nr_running++;
	t->counted = true;
}

void queue_uncount(struct scsi_task *t)
{
	list_del(&t->run_link);
	t->slice->nr_running--;
	t->counted = false;
	if (t->slice->exclusive)
		exclusive_check(t->slice);
}

static void run_alone(struct scsi_task *t)
{
	t->state = TASK_RUNNING;
	if (task_recheck(t))
		t->row->run(t);
}

/* Past the task set: an exclusive operation may still hold it. */
static void gate(struct scsi_task *t)
{
	if (t->row->flags & (ROW_EXCLUSIVE | ROW_EXCLUSIVE_RANGE) || t->exclusive_range) {
		exclusive_run(t, run_alone);
		return;
	}
	if (t->slice->exclusive && exclusive_holds(t->slice, t)) {
		queue_park(t, gate);
		return;
	}
	count_running(t);
	t->state = TASK_RUNNING;
	if (task_recheck(t))
		t->row->run(t);
}

void queue_ready(struct scsi_task *t)
{
	t->state = TASK_QUEUED;
	if (may_start(t)) {
		gate(t);
		return;
	}
	t->blocked = true;
	t->itl->nr_blocked++;
}

static void unblock(struct scsi_task *t)
{
	t->blocked = false;
	t->itl->nr_blocked--;
}

static struct scsi_task *first_startable(struct itl *itl)
{
	list_for_each (t, &itl->tasks, struct scsi_task, set_link) {
		if (t->blocked && may_start(t))
			return t;
	}
	return NULL;
}

/* From the top each time: what a task does when it starts may change the set. */
void queue_rescan(struct itl *itl)
{
	struct scsi_task *t;

	/* a task that ends at once comes back here: the loop below goes on with the next one, so
	 * that the stack doesn't grow with the number of tasks that a peer queues */
	if (itl->rescanning)
		return;
	itl->rescanning = true;
	while (itl->nr_blocked && (t = first_startable(itl))) {
		unblock(t);
		gate(t);
	}
	itl->rescanning = false;
}

void queue_leave(struct scsi_task *t)
{
	struct itl *itl = t->itl;

	if (t->blocked)
		unblock(t);
	list_del(&t->set_link);
	itl->nr_blocking -= blocks_others(t);
	itl->nr_heads -= t->attribute == ATTR_HEAD;
	if (itl->nr_blocked)
		queue_rescan(itl);
}

void queue_park(struct scsi_task *t, void (*resume)(struct scsi_task *t))
{
	t->resume = resume;
	t->parked = true;
	list_add_tail(&t->slice->held, &t->run_link);
}
