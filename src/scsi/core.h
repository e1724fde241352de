/* SPDX-License-Identifier: MIT */
/* What the files of the SCSI core (task, queue, exclusive, lu, nexus, tmf, ua, target) share. */
#ifndef TGT_SCSI_CORE_H
#define TGT_SCSI_CORE_H

#include "scsi/lu.h"
#include "scsi/nexus.h"
#include "scsi/target.h"
#include "scsi/task.h"

/* ---- task.c ---- */
/* Ends the task: status and sense are set (or t->aborted); calls ops->done(). */
void task_finish(struct scsi_task *t);
/* scsi_task_abort(), as one of those that what is about: by whose action, and that the LU is gone,
 * decide how the task ends.  NULL: its own nexus's action, or the end of that. */
void task_abort_as(struct scsi_task *t, const struct lu_abort *what);
/* The checks of arrival again, after the LU's state changed: false when it has ended the task. */
bool task_recheck(struct scsi_task *t);

/* ---- queue.c ---- */
/* Into the task set, in order of arrival. */
void queue_enter(struct scsi_task *t);
/* Out of it; then lets go what waited for it. */
void queue_leave(struct scsi_task *t);
/* The task is ready: runs it when its turn has come. */
void queue_ready(struct scsi_task *t);
/* Looks again at tasks that wait for their turn. */
void queue_rescan(struct itl *itl);
/* Parks the task on the slice until the exclusive operation there ends, then calls resume. */
void queue_park(struct scsi_task *t, void (*resume)(struct scsi_task *t));
/* The task runs no more. */
void queue_uncount(struct scsi_task *t);

/* ---- exclusive.c ---- */
int exclusive_init(struct lu *lu);
/* Something ended on the slice: is the announced operation's way free now? */
void exclusive_check(struct lu_slice *slice);
/* Does the operation announced on the slice hold the task back? */
bool exclusive_holds(const struct lu_slice *slice, const struct scsi_task *t);
/* Runs a task alone: begins its operation, runs it when granted. */
void exclusive_run(struct scsi_task *t, void (*run)(struct scsi_task *t));
/* Ends the operation of a task that ends, or gives it up if it waits for its turn. */
void exclusive_finish(struct scsi_task *t);

/*
 * A task that waits for something else than its LU steps aside: it is in nobody's way, and free to
 * be ended.  NULL: out of memory.  Once it is back the handle is gone; NULL: the task is, too.
 */
struct task_aside *task_step_aside(struct scsi_task *t);
struct scsi_task *task_step_back(struct task_aside *aside);

/* ---- nexus.c ---- */
/* The I_T_L nexus, made on first use; NULL when out of memory. */
struct itl *itl_get(struct nexus *nexus, struct lu *lu);
void itl_free(struct itl *itl);
/* A task of a closing nexus ended. */
void nexus_task_ended(struct nexus *nexus);

/* ---- lu.c: for lu_reopen.c ---- */
extern const struct store_events lu_store_events;
/* A medium went that no initiator has unloaded.  Inside an exclusive operation. */
void lu_demounted(struct lu *lu);
/* Whole units of what the store can be asked for, or the last block could not be reached. */
uint64_t lu_blocks_of(const struct lu *lu, uint64_t bytes);
/* Sets what depends on the store of a disk; NULL, or why it can't be served. */
const char *lu_take_limits(struct lu *lu);

/* ---- lu_keep.c ---- */
/* Keeps what is kept of the LU (reservations with APTPL, saved mode pages, identifying information)
 * for the medium that it has now, then calls done(arg) on this reactor; never from within.  False:
 * there is nothing to keep, done isn't called.  Inside an exclusive operation on all of the LU,
 * which ends in done() at the earliest. */
bool lu_keep(struct lu *lu, void (*done)(void *arg), void *arg);

/* ---- tmf.c: waiting for aborted tasks ---- */
struct abort_wait {
	struct list link; /* lu_slice.waits */
	struct lu_abort what;
	const struct scsi_task *only; /* NULL: all that what says */
	void (*done)(struct abort_wait *wait);
};
/* How long a function waits for a store that hangs; unit tests shorten it. */
extern unsigned tmf_patience_ms;
/* What a logical unit reset does to the LU (SAM-5 6.3.3) when its tasks are aborted.  Inside an
 * exclusive operation on all of it. */
void lu_reset_state(struct lu *lu);
/* Aborts the tasks on this slice and calls wait->done() when they have ended, at once or later. */
void abort_on_slice(struct lu_slice *slice, struct abort_wait *wait);
/* An aborted task of the slice ended. */
void abort_check(struct lu_slice *slice);

#endif
