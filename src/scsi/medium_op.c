/* SPDX-License-Identifier: MIT */
/* An operation on all of the medium: one store request at a time, so that other LUNs get theirs. */
#include "scsi/medium_op.h"

#include <stdlib.h>
#include <string.h>

#include "scsi/core.h"
#include "util/log.h"

#define STEP_BYTES (64ull << 20) /* of one request that moves no data */
#define BUSY_MS 50               /* before a store that is busy is asked again */

/* How to zero, best first; what a store turns out not to support isn't tried again. */
enum { ZERO_DISCARD, ZERO_REQUEST_UNMAP, ZERO_REQUEST, ZERO_WRITE };

static const char *name_of(const struct medium_op *op)
{
	return op->kind == MEDIUM_FORMAT ? "FORMAT UNIT" : "SANITIZE";
}

static void set_zero_mode(struct medium_op *op, unsigned mode)
{
	const struct store *store = op->lu->store;

	if (mode == ZERO_DISCARD && !store_can(store, TGT_BS_CAN_DISCARD))
		mode = ZERO_REQUEST_UNMAP;
	if (mode != ZERO_DISCARD && !store_can(store, TGT_BS_CAN_WRITE_ZEROES))
		mode = ZERO_WRITE;
	op->zero_mode = (uint8_t)mode;
}

/* ---- the end ---- */

static void op_free(struct medium_op *op)
{
	free(op->buffer);
	free(op->module_data);
	free(op);
}

static void answer(struct scsi_task *t, const struct medium_op *op)
{
	t->abandon = NULL;
	if (op->status == TGT_BS_OK)
		task_good(t);
	else if (op->not_begun)
		task_sense(t, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE);
	else
		task_sense(t, KEY_MEDIUM_ERROR,
			   op->kind == MEDIUM_FORMAT ? ASC_FORMAT_COMMAND_FAILED
						     : ASC_SANITIZE_COMMAND_FAILED);
}

static void ended(void *arg)
{
	struct medium_op *op = arg;
	struct lu *lu = op->lu;

	if (op->status == TGT_BS_OK)
		log_info("%s: %s done", lu_name(lu), name_of(op));
	else if (op->not_begun)
		log_err("%s: %s refused", lu_name(lu), name_of(op));
	else if (op->interrupted)
		log_warning("%s: %s interrupted", lu_name(lu), name_of(op));
	else
		log_err("%s: %s failed (status %u)", lu_name(lu), name_of(op), op->status);
	if (op->task)
		answer(op->task, op);
	op_free(op);
	lu_store_put(lu);
	lu_unref(lu);
}

/* Inside an exclusive operation. */
static void set_outcome(struct lu *lu, void *arg)
{
	const struct medium_op *op = arg;

	lu->medium_op = NULL;
	if (op->not_begun)
		return;
	lu->medium_fault = 0;
	lu->fault_restricted = false;
	if (op->status == TGT_BS_OK)
		return;
	lu->medium_fault =
	    op->kind == MEDIUM_FORMAT ? ASC_MEDIUM_FORMAT_CORRUPTED : ASC_SANITIZE_COMMAND_FAILED;
	lu->fault_restricted = op->restricted;
	/* nothing is known about the medium any more, as after any failed flush */
	if (op->status == TGT_BS_ERR_FLUSH)
		lu->failed = true;
}

static void unmarked(struct medium_op *op)
{
	lu_change(op->lu, set_outcome, ended, op);
}

/* ---- the mark ---- */

static void mark_done(struct message *message)
{
	struct medium_op *op = container_of(message, struct medium_op, message);

	op->next(op);
}

static void mark_on_worker(struct work *work)
{
	struct medium_op *op = container_of(work, struct medium_op, work);

	op->mark_error =
	    op->keep_mark ? state_put(op->key, op->mark, op->mark_len) : state_remove(op->key);
	if (op->mark_error)
		log_err("%s: that a %s is under way can't be %s: %s", lu_name(op->lu), name_of(op),
			op->keep_mark ? "kept" : "forgotten", strerror(-op->mark_error));
	op->message.fn = mark_done;
	reactor_send(op->reactor, &op->message);
}

static void set_mark(struct medium_op *op, bool keep, void (*next)(struct medium_op *op))
{
	if (!op->mark_len) {
		next(op);
		return;
	}
	op->next = next;
	op->keep_mark = keep;
	op->work.fn = mark_on_worker;
	workers_submit(workers_control_gate(), &op->work);
}

/* ---- steps ---- */

static void step(struct medium_op *op);

/* A mark that stays would make the daemon's next start refuse the medium, after others have relied
 * on it: it is refused at once. */
static void mark_gone(struct medium_op *op)
{
	if (op->mark_error)
		op->status = TGT_BS_ERR_HARDWARE;
	unmarked(op);
}

static void finish(struct medium_op *op)
{
	if (op->status == TGT_BS_OK)
		set_mark(op, false, mark_gone);
	else
		unmarked(op);
}

static void submit(struct medium_op *op, enum tgt_bs_op what, uint32_t flags, uint64_t length,
		   void (*done)(struct store_request *request))
{
	struct tgt_bs_request *bs = &op->store.bs;

	store_request_init(&op->store, what, op->module_data, done);
	bs->flags = (uint16_t)flags;
	bs->offset = what == TGT_BS_FLUSH ? 0 : op->at;
	bs->length = length;
	if (what == TGT_BS_WRITE) {
		op->piece = (struct iovec){op->buffer, length};
		bs->iov = &op->piece;
		bs->iovcnt = 1;
	}
	store_submit(op->lu->store, &op->store);
}

static void flushed(struct store_request *request)
{
	struct medium_op *op = container_of(request, struct medium_op, store);

	op->status = request->bs.status;
	finish(op);
}

static void all_written(struct medium_op *op)
{
	if (op->lu->volatile_cache && store_can(op->lu->store, TGT_BS_CAN_FLUSH))
		submit(op, TGT_BS_FLUSH, 0, 0, flushed);
	else
		finish(op);
}

static void step_message(struct message *message)
{
	step(container_of(message, struct medium_op, message));
}

static void step_timer(struct timer *timer)
{
	step(container_of(timer, struct medium_op, timer));
}

/* In the next turn of the loop: a store that answers at once must not keep it for itself. */
static void step_later(struct medium_op *op)
{
	op->message.fn = step_message;
	reactor_send(op->reactor, &op->message);
}

static void stepped(struct store_request *request)
{
	struct medium_op *op = container_of(request, struct medium_op, store);
	const struct tgt_bs_request *bs = &request->bs;

	if (bs->status == TGT_BS_ERR_BUSY) {
		op->timer.fn = step_timer;
		reactor_timer_arm(op->reactor, &op->timer, BUSY_MS);
		return;
	}
	if (bs->status == TGT_BS_ERR_NOT_SUPPORTED && bs->op != TGT_BS_WRITE) {
		set_zero_mode(op, op->zero_mode + 1u);
	} else if (bs->status != TGT_BS_OK) {
		op->status = bs->status;
		finish(op);
		return;
	} else {
		op->at += bs->length;
		atomic_fetch_add_explicit(&op->done, bs->length, memory_order_relaxed);
	}
	step_later(op);
}

static void write_step(struct medium_op *op)
{
	uint64_t left = op->size - op->at;
	uint64_t most = (uint64_t)op->lu->max_transfer_blocks << op->lu->block_shift;
	uint64_t length = op->buffer_len < most ? op->buffer_len : most;

	submit(op, TGT_BS_WRITE, 0, length < left ? length : left, stepped);
}

static void zero_step(struct medium_op *op)
{
	uint64_t left = op->size - op->at;
	bool discard = op->zero_mode == ZERO_DISCARD;

	submit(op, discard ? TGT_BS_DISCARD : TGT_BS_WRITE_ZEROES,
	       op->zero_mode == ZERO_REQUEST_UNMAP ? TGT_BS_REQ_UNMAP : 0,
	       left < STEP_BYTES ? left : STEP_BYTES, stepped);
}

static void invert_buffer(struct medium_op *op)
{
	for (uint32_t i = 0; i < op->buffer_len; i++)
		op->buffer[i] ^= 0xff;
}

static void step(struct medium_op *op)
{
	if (atomic_load(&op->lu->removed)) {
		op->interrupted = true;
		op->status = TGT_BS_ERR_CANCELLED;
		finish(op);
	} else if (op->at == op->size && ++op->pass == op->passes) {
		all_written(op);
	} else if (op->at == op->size) {
		op->at = 0;
		if (op->invert)
			invert_buffer(op);
		step_later(op);
	} else if (op->zero_mode == ZERO_WRITE) {
		write_step(op);
	} else {
		zero_step(op);
	}
}

/* ---- the beginning ---- */

static void fill_buffer(struct medium_op *op, const struct medium_plan *plan)
{
	uint32_t block = op->lu->block_size;

	memset(op->buffer, 0, op->buffer_len);
	if (!plan->pattern)
		return;
	for (uint32_t i = 0; i < op->buffer_len; i++)
		op->buffer[i] = plan->pattern[i % block % plan->pattern_len];
	/* SBC-4 SANITIZE, INVERT: with an even number of passes the first one is the complement */
	if (plan->invert && plan->passes % 2 == 0)
		invert_buffer(op);
}

static struct medium_op *op_create(struct lu *lu, const struct medium_plan *plan)
{
	struct medium_op *op = calloc(1, sizeof(*op));

	if (!op)
		return NULL;
	op->lu = lu;
	op->kind = plan->kind;
	op->restricted = plan->restricted;
	op->invert = plan->invert;
	op->immed = plan->immed;
	op->passes = plan->passes;
	op->size = lu->blocks << lu->block_shift;
	op->total = op->size * plan->passes;
	op->reactor = reactor_self();
	op->buffer_len = BUF_MAX_PIECE;
	op->module_data = aligned_alloc(16, (store_max_request_size() + 15u) & ~(size_t)15);
	if (!op->module_data || posix_memalign((void **)&op->buffer, 4096, op->buffer_len)) {
		op_free(op);
		return NULL;
	}
	fill_buffer(op, plan);
	set_zero_mode(op, plan->pattern ? ZERO_WRITE : lu->thin ? ZERO_DISCARD : ZERO_REQUEST);
	medium_mark_key(lu, op->key, sizeof(op->key));
	op->mark_len = medium_mark(lu, op->kind, op->restricted, op->mark);
	return op;
}

/* ---- the way out of a failed one ---- */

struct forgetting {
	struct scsi_task *task;
	struct reactor *reactor;
	struct work work;
	struct message message;
	int error;
	char key[STATE_KEY_MAX];
};

static void forgotten(struct message *message)
{
	struct forgetting *f = container_of(message, struct forgetting, message);
	struct scsi_task *t = f->task;
	int error = f->error;

	free(f);
	if (error) {
		log_err("%s: its failed SANITIZE can't be forgotten: %s", lu_name(t->lu),
			strerror(-error));
		task_sense(t, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE);
		return;
	}
	t->lu->medium_fault = 0;
	task_good(t);
}

static void forget_on_worker(struct work *work)
{
	struct forgetting *f = container_of(work, struct forgetting, work);

	f->error = state_available() ? state_remove(f->key) : 0;
	reactor_send(f->reactor, &f->message);
}

void medium_fault_forget(struct scsi_task *t)
{
	struct forgetting *f = calloc(1, sizeof(*f));

	if (!f) {
		task_status(t, STATUS_BUSY);
		return;
	}
	f->task = t;
	f->reactor = reactor_self();
	f->message.fn = forgotten;
	f->work.fn = forget_on_worker;
	medium_mark_key(t->lu, f->key, sizeof(f->key));
	workers_submit(workers_control_gate(), &f->work);
}

/* ---- starting one ---- */

/* Its task was aborted; the operation goes on. */
static void abandoned(struct scsi_task *t)
{
	struct medium_op *op = (struct medium_op *)(uintptr_t)t->work_ptr;

	op->task = NULL;
	task_finish(t);
}

/* From here on it will be known of, whatever happens; if not, half of it would pass for all of it
 * after a crash. */
static void begun(struct medium_op *op)
{
	struct scsi_task *t = op->task;

	if (op->mark_error) {
		op->not_begun = true;
		op->status = TGT_BS_ERR_HARDWARE;
		unmarked(op);
		return;
	}
	if (op->immed && t) {
		op->task = NULL;
		t->abandon = NULL;
		task_good(t);
	}
	step(op);
}

void medium_op_start(struct scsi_task *t, const struct medium_plan *plan)
{
	struct lu *lu = t->lu;
	struct medium_op *op = op_create(lu, plan);

	if (!op) {
		task_status(t, STATUS_BUSY);
		return;
	}
	lu_ref(lu);
	lu_store_get(lu);
	lu->medium_op = op;
	log_info("%s: %s begins", lu_name(lu), name_of(op));
	op->task = t;
	t->work_ptr = op;
	t->abandon = abandoned;
	/* the task goes on, but the LU is no longer its alone: others are told how far it is */
	exclusive_finish(t);
	set_mark(op, true, begun);
}
