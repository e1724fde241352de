/* SPDX-License-Identifier: MIT */
/* A task from arrival to its end: checks, data, and the helpers that handlers end it with. */
#include <string.h>

#include "scsi/commands.h"
#include "scsi/core.h"
#include "scsi/log.h"
#include "scsi/opcode.h"
#include "scsi/tape.h"
#include "util/bytes.h"
#include "util/log.h"

#define CONTROL_NACA 0x04

static void arrive(struct scsi_task *t);

/* ---- ending ---- */

static bool naca(const struct scsi_task *t)
{
	/* SAM-5 5.2: the CONTROL byte is the last one, or byte 1 of variable length CDBs */
	uint8_t op = t->cdb[0];
	unsigned at = op == 0x7f  ? 1
		      : op < 0x20 ? 5
		      : op < 0x60 ? 9
		      : op < 0xa0 ? 15
		      : op < 0xc0 ? 11
				  : 0;

	return at && t->cdb[at] & CONTROL_NACA;
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	/* one writer: no locked instruction is needed */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static void count_submitted(struct scsi_task *t)
{
	struct lu_counters *c = &t->slice->counters;

	if (t->row->direction == DATA_IN) {
		add(&c->read_bytes, t->transfer_length);
		add(&c->read_cmds, 1);
	} else if (t->row->direction == DATA_OUT) {
		add(&c->write_bytes, t->transfer_length);
		add(&c->write_cmds, 1);
	}
}

static void count_done(struct scsi_task *t)
{
	struct lu_counters *c = &t->slice->counters;

	if (t->status != STATUS_GOOD && t->status != STATUS_CONDITION_MET)
		add(&c->errors, 1);
	if (!t->row)
		return;
	log_count(t);
	if (t->lu->tape)
		tape_ended(t);
	if (t->row->direction == DATA_IN) {
		add(&c->read_done_bytes, t->data.length);
		add(&c->read_done_cmds, 1);
	} else if (t->row->direction == DATA_OUT) {
		add(&c->write_done_bytes, t->data.length);
		add(&c->write_done_cmds, 1);
	}
}

static void leave_lu(struct scsi_task *t)
{
	struct lu_slice *slice = t->slice;
	struct itl *itl = t->itl;

	if (t->hung) {
		t->hung = false;
		atomic_fetch_sub(&t->lu->fences, 1);
	}
	count_done(t);
	if (t->counted)
		queue_uncount(t);
	if (t->exclusive)
		exclusive_finish(t);
	if (!--slice->nr_tasks)
		log_idle(slice);
	/* SAM-5 5.9: the ACA exists before any other task can see it gone; the failure of a command
	 * that belongs to one ends it, unless it begins the next */
	if (t->status == STATUS_CHECK_CONDITION && !t->aborted &&
	    (naca(t) || t->attribute == ATTR_ACA))
		itl->aca = naca(t);
	queue_leave(t);
	if (t->aborted)
		abort_check(slice);
}

static bool descriptor_format(const struct scsi_task *t)
{
	return t->lu && t->lu->mode && mode_d_sense(t->lu);
}

/* An ordinary end to the transport, without data. */
static void answer_abort(struct scsi_task *t)
{
	const struct sense gone = {.key = KEY_ILLEGAL_REQUEST,
				   .asc = ASC_LOGICAL_UNIT_NOT_SUPPORTED};

	t->aborted = false;
	t->status = STATUS_TASK_ABORTED; /* SAM-5 5.3.1 */
	t->sense_len = 0;
	if (t->told == TOLD_GONE) {
		t->status = STATUS_CHECK_CONDITION;
		t->sense_len = sense_build(t->sense, &gone, descriptor_format(t));
	}
	bufpool_put(reactor_bufpool(t->nexus->reactor), &t->data);
}

void task_finish(struct scsi_task *t)
{
	struct nexus *nexus = t->nexus;

	t->state = TASK_DONE;
	if (t->itl)
		leave_lu(t);
	if (t->aborted && t->told != TOLD_NOTHING)
		answer_abort(t);
	nexus->nr_tasks--;
	t->ops->done(t);
	if (nexus->closing)
		nexus_task_ended(nexus);
}

void task_good(struct scsi_task *t)
{
	t->status = STATUS_GOOD;
	task_finish(t);
}

void task_status(struct scsi_task *t, enum scsi_status status)
{
	t->status = (uint8_t)status;
	bufpool_put(reactor_bufpool(t->nexus->reactor), &t->data);
	task_finish(t);
}

void task_check_condition(struct scsi_task *t)
{
	t->status = STATUS_CHECK_CONDITION;
	task_finish(t);
}

void task_sense_data(struct scsi_task *t, const struct sense *s)
{
	/* what was read so far isn't worth sending; stream commands that send data with their sense
	 * use task_check_condition() */
	if (t->row && t->row->direction == DATA_IN) {
		bufpool_put(reactor_bufpool(t->nexus->reactor), &t->data);
		t->transfer_length = 0;
	}
	t->sense_len = sense_build(t->sense, s, descriptor_format(t));
	task_check_condition(t);
}

void task_sense(struct scsi_task *t, enum sense_key key, uint16_t asc)
{
	task_sense_data(t, &(struct sense){.key = key, .asc = asc});
}

void task_sense_info(struct scsi_task *t, enum sense_key key, uint16_t asc, uint64_t information)
{
	task_sense_data(
	    t, &(struct sense){
		   .key = key, .asc = asc, .info_valid = true, .information = information});
}

void task_invalid_cdb(struct scsi_task *t, unsigned byte, int bit)
{
	task_sense_data(t, &(struct sense){.key = KEY_ILLEGAL_REQUEST,
					   .asc = ASC_INVALID_FIELD_IN_CDB,
					   .sks_valid = true,
					   .in_cdb = true,
					   .bit = bit,
					   .field = (uint16_t)byte});
}

void task_invalid_parameter(struct scsi_task *t, unsigned byte, int bit)
{
	task_sense_data(t, &(struct sense){.key = KEY_ILLEGAL_REQUEST,
					   .asc = ASC_INVALID_FIELD_IN_PARAMETER_LIST,
					   .sks_valid = true,
					   .bit = bit,
					   .field = (uint16_t)byte});
}

void task_parameter_list_length_error(struct scsi_task *t)
{
	task_sense(t, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
}

/* ---- arrival ---- */

/* SPC-5 4.4.2.4: of a command that the LU doesn't have; a service action is a field of the CDB, as
 * long as there are others. */
static enum opcode_result unavailable(const struct scsi_task *t)
{
	unsigned count;
	const struct opcode_row *const *rows = opcode_rows_of(t->lu->commands, t->cdb[0], &count);

	for (unsigned i = 0; i < count; i++) {
		if (!rows[i]->available || rows[i]->available(t->lu))
			return OPCODE_BAD_SERVICE_ACTION;
	}
	return OPCODE_UNKNOWN;
}

static bool find_row(struct scsi_task *t)
{
	const struct command_set *set = t->lu ? t->lu->commands : &no_lu_commands;
	enum opcode_result result = opcode_find(set, t->cdb, &t->row);

	if (result == OPCODE_FOUND && t->row->available && t->lu && !t->row->available(t->lu))
		result = unavailable(t);
	if (result == OPCODE_FOUND)
		return true;
	t->row = NULL;
	if (!t->lu)
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_LOGICAL_UNIT_NOT_SUPPORTED);
	else if (ua_pending(&t->itl->ua))
		task_sense(t, KEY_UNIT_ATTENTION, ua_take(&t->itl->ua));
	else if (result == OPCODE_BAD_SERVICE_ACTION)
		task_invalid_cdb(t, 1, 4);
	else
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
	return false;
}

/* SAM-5 8.6.5: there shall be no more than one ACA task in a task set. */
static bool is_second_aca(const struct scsi_task *t)
{
	if (t->attribute != ATTR_ACA)
		return false;
	list_for_each (older, &t->itl->tasks, struct scsi_task, set_link) {
		if (older == t)
			return false;
		if (older->attribute == ATTR_ACA)
			return true;
	}
	return false;
}

/* SAM-5 5.3.3: these statuses come before any CHECK CONDITION. */
static bool check_conflicts(struct scsi_task *t)
{
	if (t->itl->aca != (t->attribute == ATTR_ACA)) {
		if (t->itl->aca)
			task_status(t, STATUS_ACA_ACTIVE);
		else /* SAM-5 8.6.5: no ACA, no task with that attribute */
			task_sense(t, KEY_ILLEGAL_REQUEST, 0x4900 /* INVALID MESSAGE ERROR */);
		return false;
	}
	if (is_second_aca(t)) {
		task_status(t, STATUS_ACA_ACTIVE);
		return false;
	}
	if (reserve_conflicts(t) || (t->lu->pr && pr_conflicts(t))) {
		task_status(t, STATUS_RESERVATION_CONFLICT);
		return false;
	}
	return true;
}

/* A tape drive reads and writes cartridges of some densities only. */
static bool check_cartridge(struct scsi_task *t)
{
	uint8_t access = atomic_load_explicit(&t->lu->tape->access, memory_order_relaxed);

	if (access == TAPE_NO_ACCESS)
		task_sense(t, KEY_NOT_READY, ASC_INCOMPATIBLE_MEDIUM_INSTALLED);
	else if (access == TAPE_READ_ONLY && t->row->flags & ROW_WRITES)
		task_sense(t, KEY_DATA_PROTECT, ASC_CANNOT_WRITE_MEDIUM_INCOMPATIBLE_FORMAT);
	else
		return true;
	return false;
}

static bool check_medium(struct scsi_task *t)
{
	struct lu *lu = t->lu;

	if (lu->failed)
		task_sense(t, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE);
	else if (!lu->medium)
		task_sense(t, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
	else if (!lu->started)
		task_sense(t, KEY_NOT_READY, ASC_LU_NOT_READY_INITIALIZING_COMMAND_REQUIRED);
	else if (lu->medium_fault && !(t->row->flags & ROW_MENDS))
		task_sense(t, KEY_MEDIUM_ERROR, lu->medium_fault);
	else if (lu->tape && !check_cartridge(t))
		return false;
	else if (t->row->flags & ROW_WRITES && lu->readonly)
		task_sense(t, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
	else if (t->row->flags & ROW_WRITES && mode_swp(lu))
		task_sense(t, KEY_DATA_PROTECT, ASC_SOFTWARE_WRITE_PROTECTED);
	else
		return true;
	return false;
}

/* SBC-4 FORMAT UNIT and SANITIZE: while one goes on, INQUIRY, REPORT LUNS and REQUEST SENSE are
 * all that runs. */
static bool check_medium_op(struct scsi_task *t)
{
	struct sense sense = {.key = KEY_NO_SENSE, .bit = -1};

	if (!t->lu->medium_op || t->row->flags & ROW_SKIP_UA)
		return true;
	medium_sense(t->lu, &sense);
	task_sense_data(t, &sense);
	return false;
}

static bool check_ready(struct scsi_task *t)
{
	struct lu *lu = t->lu;

	if (t->nexus->access_gate && !(t->row->flags & t->nexus->access_gate)) {
		task_sense(t, KEY_NOT_READY, access_refusal(t->nexus->access_state));
		return false;
	}
	if (!check_medium_op(t))
		return false;
	if (t->row->flags & ROW_OFFLINE)
		return true;
	if (!lu->online || !lu->store_online ||
	    atomic_load_explicit(&lu->target->offline, memory_order_relaxed)) {
		task_sense(t, KEY_NOT_READY, ASC_LU_NOT_READY_OFFLINE);
		return false;
	}
	if (atomic_load_explicit(&lu->fences, memory_order_relaxed)) {
		task_sense(t, KEY_NOT_READY, ASC_LU_NOT_READY_OPERATION_IN_PROGRESS);
		return false;
	}
	return !(t->row->flags & ROW_MEDIUM) || check_medium(t);
}

static bool check_lu(struct scsi_task *t)
{
	t->checked_generation =
	    atomic_load_explicit(&t->lu->state_generation, memory_order_relaxed);
	if (!check_conflicts(t))
		return false;
	if (ua_pending(&t->itl->ua) && !(t->row->flags & ROW_SKIP_UA)) {
		task_sense(t, KEY_UNIT_ATTENTION, ua_take(&t->itl->ua));
		return false;
	}
	return opcode_check_cdb(t) && check_ready(t);
}

bool task_recheck(struct scsi_task *t)
{
	uint32_t now = atomic_load_explicit(&t->lu->state_generation, memory_order_relaxed);

	if (t->checked_generation == now)
		return true;
	t->checked_generation = now;
	return check_conflicts(t) && check_ready(t);
}

static void data_granted(struct buf_waiter *waiter)
{
	struct scsi_task *t = container_of(waiter, struct scsi_task, waiter);

	t->ops->want_data(t);
}

static void collect_data(struct scsi_task *t, uint32_t len)
{
	struct bufpool *pool = reactor_bufpool(t->nexus->reactor);

	t->state = TASK_DATA;
	t->waiter.use = BUF_OUT;
	t->waiter.share = &t->nexus->buffers;
	t->waiter.buf = &t->data;
	t->waiter.length = len;
	t->waiter.granted = data_granted;
	if (bufpool_get_wait(pool, &t->waiter))
		t->ops->want_data(t);
}

static void checked(struct scsi_task *t)
{
	uint32_t len;

	if (t->itl)
		count_submitted(t);
	if (t->row->direction == DATA_OUT) {
		len = t->transfer_length < t->expected_out ? t->transfer_length : t->expected_out;
		if (len > BUF_MAX_BYTES) {
			task_invalid_cdb(t, 0, -1);
			return;
		}
		if (len) {
			collect_data(t, len);
			return;
		}
	}
	if (t->itl)
		queue_ready(t);
	else
		t->row->run(t);
}

/* Nothing is checked while an exclusive operation may be changing what the checks read. */
static void arrive(struct scsi_task *t)
{
	if (t->slice->exclusive && t->slice->exclusive->all) {
		queue_park(t, arrive);
		return;
	}
	if (!find_row(t) || !check_lu(t))
		return;
	if (t->row->prepare && !t->row->prepare(t))
		return;
	checked(t);
}

static void arrive_without_lu(struct scsi_task *t)
{
	if (!find_row(t) || !opcode_check_cdb(t))
		return;
	if (t->row->prepare && !t->row->prepare(t))
		return;
	checked(t);
}

static void reset(struct scsi_task *t)
{
	t->lu = NULL;
	t->slice = NULL;
	t->itl = NULL;
	t->row = NULL;
	t->state = TASK_NEW;
	t->aborted = t->counted = t->blocked = t->parked = t->in_store = t->hung = false;
	t->exclusive_range = false;
	t->told = TOLD_NOTHING;
	t->lba = t->blocks = 0;
	t->store.bs.op = 0; /* it has asked the store for nothing yet: see tape_ended() */
	t->transfer_length = 0;
	t->data = (struct databuf){0};
	t->scratch = (struct databuf){0};
	t->status = STATUS_GOOD;
	t->sense_len = 0;
	t->exclusive = NULL;
	t->abandon = NULL;
	list_init(&t->set_link);
	list_init(&t->run_link);
	list_init(&t->waiter.link);
	list_init(&t->deferred.link);
}

void scsi_task_submit(struct scsi_task *t)
{
	struct nexus *nexus = t->nexus;
	uint32_t number;

	reset(t);
	nexus->nr_tasks++;
	if (lun_decode(t->lun, &number))
		t->lu = target_lu(nexus->target, number);
	if (!t->lu) {
		arrive_without_lu(t);
		return;
	}
	t->itl = itl_get(nexus, t->lu);
	if (!t->itl) {
		t->lu = NULL;
		task_status(t, STATUS_BUSY);
		return;
	}
	t->slice = t->itl->slice;
	t->started_ms = reactor_now_ms(nexus->reactor);
	if (!t->slice->nr_tasks++)
		log_busy(t->slice, t->started_ms);
	if (t->lu->in_order && (t->attribute == ATTR_SIMPLE || t->attribute == ATTR_UNTAGGED))
		t->attribute = ATTR_ORDERED;
	queue_enter(t);
	arrive(t);
}

void scsi_task_data_in(struct scsi_task *t)
{
	if (t->state != TASK_DATA)
		return;
	if (t->itl)
		queue_ready(t);
	else
		t->row->run(t);
}

void scsi_task_data_failed(struct scsi_task *t, enum sense_key key, uint16_t asc)
{
	if (t->state == TASK_DATA)
		task_sense(t, key, asc);
}

void scsi_task_release(struct scsi_task *t)
{
	struct bufpool *pool = reactor_bufpool(t->nexus->reactor);

	bufpool_put(pool, &t->data);
	bufpool_put(pool, &t->scratch);
}

/* ---- aborting ---- */

static enum abort_told telling(const struct scsi_task *t, const struct lu_abort *what)
{
	if (what && what->gone)
		return TOLD_GONE;
	return what && what->by && what->by != t->nexus->id && mode_tas(t->lu) ? TOLD_ABORTED
									       : TOLD_NOTHING;
}

void task_abort_as(struct scsi_task *t, const struct lu_abort *what)
{
	if (t->state == TASK_DONE)
		return;
	if (t->aborted) {
		/* another nexus's reset was first, but who aborts a task himself gets no answer */
		if (!what || what->by == t->nexus->id)
			t->told = TOLD_NOTHING;
		return;
	}
	t->aborted = true;
	t->told = (uint8_t)telling(t, what);
	if (t->parked) {
		t->parked = false;
		list_del(&t->run_link);
		task_finish(t);
		return;
	}
	if (!list_empty(&t->waiter.link)) {
		bufpool_cancel(&t->waiter);
		task_finish(t);
	} else if (t->state == TASK_DATA || t->state == TASK_QUEUED) {
		/* also when it waits to run alone: who aborts it may be the one that does */
		task_finish(t);
	} else if (t->in_store) {
		store_cancel(&t->store); /* ends when the store has given the buffer back */
	} else if (t->abandon) {
		t->abandon(t);
	}
}

void scsi_task_abort(struct scsi_task *t)
{
	task_abort_as(t, NULL);
}

/* ---- helpers for handlers ---- */

static void run_resumed(struct buf_waiter *waiter)
{
	struct scsi_task *t = container_of(waiter, struct scsi_task, waiter);

	t->resume(t);
}

static void get_buffer(struct scsi_task *t, enum buf_use use, struct databuf *buf, uint32_t len,
		       void (*resume)(struct scsi_task *t))
{
	t->resume = resume;
	t->waiter.use = use;
	t->waiter.share = &t->nexus->buffers;
	t->waiter.buf = buf;
	t->waiter.length = len;
	t->waiter.granted = run_resumed;
	if (!len || bufpool_get_wait(reactor_bufpool(t->nexus->reactor), &t->waiter))
		resume(t);
}

void task_get_data(struct scsi_task *t, uint32_t len, void (*resume)(struct scsi_task *t))
{
	get_buffer(t, BUF_IN, &t->data, len < t->expected_in ? len : t->expected_in, resume);
}

void task_get_scratch(struct scsi_task *t, uint32_t len, void (*resume)(struct scsi_task *t))
{
	get_buffer(t, BUF_SCRATCH, &t->scratch, len, resume);
}

void task_get_read_back(struct scsi_task *t, uint32_t len, void (*resume)(struct scsi_task *t))
{
	get_buffer(t, BUF_IN, &t->scratch, len, resume);
}

static void reply_copied(struct scsi_task *t)
{
	databuf_write(&t->data, 0, t->work_ptr, t->data.length);
	task_good(t);
}

void task_reply(struct scsi_task *t, const void *data, size_t len, uint32_t allocation_length)
{
	uint32_t size = len < allocation_length ? (uint32_t)len : allocation_length;
	uint32_t sent = size < t->expected_in ? size : t->expected_in;

	t->transfer_length = size;
	if (!sent) {
		task_good(t);
		return;
	}
	t->work_ptr = (void *)(uintptr_t)data;
	/* the reply lives on the handler's stack, so it can't wait in line for a buffer */
	if (!bufpool_get(reactor_bufpool(t->nexus->reactor), BUF_REPLY, &t->nexus->buffers,
			 &t->data, sent)) {
		task_status(t, STATUS_BUSY);
		return;
	}
	reply_copied(t);
}

static void store_returned(struct store_request *request)
{
	struct scsi_task *t = container_of(request, struct scsi_task, store);

	t->in_store = false;
	if (t->aborted)
		task_finish(t);
	else
		t->store_done(t);
}

void task_submit_prepared(struct scsi_task *t, void (*done)(struct scsi_task *t))
{
	t->store_done = done;
	t->store.done = store_returned;
	t->in_store = true;
	store_submit(t->lu->store, &t->store);
}

void task_submit_store(struct scsi_task *t, enum tgt_bs_op op, uint32_t flags, uint64_t offset,
		       uint64_t length, const struct databuf *buf,
		       void (*done)(struct scsi_task *t))
{
	struct tgt_bs_request *bs = &t->store.bs;

	store_request_init(&t->store, op, t->module_data, store_returned);
	bs->flags = (uint16_t)flags;
	bs->offset = offset;
	bs->length = length;
	if (buf) {
		bs->iov = buf->iov;
		bs->iovcnt = buf->iovcnt;
	}
	task_submit_prepared(t, done);
}

static void continued(struct deferred *deferred)
{
	struct scsi_task *t = container_of(deferred, struct scsi_task, deferred);

	if (t->aborted)
		task_finish(t);
	else
		t->resume(t);
}

void task_continue(struct scsi_task *t, void (*fn)(struct scsi_task *t))
{
	t->resume = fn;
	t->deferred.fn = continued;
	reactor_defer(t->nexus->reactor, DEFER_WORK, &t->deferred);
}
