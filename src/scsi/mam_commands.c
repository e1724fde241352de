/* SPDX-License-Identifier: MIT */
/*
 * READ ATTRIBUTE and WRITE ATTRIBUTE (SPC-5), and what the drive notes in a cartridge's memory when
 * it comes and goes.  Stores read and write it on a worker.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reactor/workers.h"
#include "scsi/commands.h"
#include "scsi/mam.h"
#include "scsi/tape_alert.h"
#include "scsi/tape_log.h"
#include "util/bytes.h"
#include "util/log.h"

enum sa { SA_VALUES = 0, SA_LIST = 1, SA_VOLUMES = 2, SA_PARTITIONS = 3, SA_SUPPORTED = 5 };

#define LIST_MAX                                                                                   \
	65536u /* bytes of WRITE ATTRIBUTE's parameter list: more than there is room for           \
		*/

/* One errand to the cartridge's memory. */
struct mam_job {
	struct scsi_task *t; /* NULL: it is no command's */
	struct lu *lu;
	struct reactor *reactor;
	/* On the worker, with mam there: true, it is to be written back. */
	bool (*change)(struct mam_job *job);
	/* On the reactor. */
	void (*done)(struct mam_job *job);
	void (*noted)(void *arg);
	void *arg;
	struct work work;
	struct message message;
	int error;
	const char *failed; /* what could not be done */
	enum mam_result result;
	size_t field;
	uint64_t written, read; /* since the load */
	struct tgt_bs_tape_info tape;
	struct mam mam;
	size_t list_len;
	uint8_t *list;
	uint8_t blob[MAM_BLOB_MAX];
};

static bool keeps_mam(const struct lu *lu)
{
	return lu->store && store_module(lu->store)->descriptor.kind == TGT_BS_TAPE &&
	       store_module(lu->store)->descriptor.state;
}

/* ---- on the worker ---- */

static int fetch(struct mam_job *job, const struct tgt_bs_state_ops *ops, void *handle,
		 uint64_t *version)
{
	size_t len = sizeof(job->blob);
	int rc = ops->get(handle, MAM_KEY, job->blob, &len, version);

	if (rc == -ENOENT) {
		*version = 0;
		mam_init(&job->mam, job->tape.barcode);
		return 0;
	}
	if (!rc && (len > sizeof(job->blob) || !mam_decode(&job->mam, job->blob, len)))
		return -EBADMSG;
	return rc;
}

static int perform(struct mam_job *job)
{
	uint64_t version = 0;
	void *handle;
	const struct tgt_bs_state_ops *ops = store_state_ops(job->lu->store, &handle);
	int rc;

	job->failed = "read";
	if (!ops)
		return -ENOMEDIUM;
	rc = store_tape_info(job->lu->store, &job->tape);
	if (!rc)
		rc = fetch(job, ops, handle, &version);
	if (rc || !job->change || !job->change(job))
		return rc;
	job->failed = "written";
	return ops->cas(handle, MAM_KEY, job->blob, mam_encode(&job->mam, job->blob), version,
			&version);
}

static void on_worker(struct work *work)
{
	struct mam_job *job = container_of(work, struct mam_job, work);

	job->error = perform(job);
	reactor_send(job->reactor, &job->message);
}

/* ---- on the reactor ---- */

static void job_free(struct mam_job *job)
{
	free(job->list);
	free(job);
}

static void came_back(struct message *message)
{
	struct mam_job *job = container_of(message, struct mam_job, message);
	struct lu *lu = job->lu;

	if (job->error && job->error != -ENOMEDIUM)
		log_err("%s: the memory of its cartridge can't be %s: %s", lu_name(lu), job->failed,
			job->error == -EBADMSG ? "it is damaged" : strerror(-job->error));
	lu_store_put(lu);
	job->done(job);
	job_free(job);
}

/* Bytes that all I_T nexuses have read or written, ever. */
static uint64_t moved(const struct lu *lu, enum row_counts kind)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < reactors_count(); i++)
		sum +=
		    atomic_load_explicit(&lu->slices[i].log[kind][LOG_BYTES], memory_order_relaxed);
	return sum;
}

static struct mam_job *job_new(struct lu *lu, void (*done)(struct mam_job *job))
{
	struct mam_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->lu = lu;
	job->reactor = reactor_self();
	job->done = done;
	job->work.fn = on_worker;
	job->message.fn = came_back;
	job->written = moved(lu, COUNTS_WRITE) - lu->mam_written;
	job->read = moved(lu, COUNTS_READ) - lu->mam_read;
	return job;
}

static struct mam_job *job_of_task(struct scsi_task *t, void (*done)(struct mam_job *job))
{
	struct mam_job *job = job_new(t->lu, done);

	if (job)
		job->t = t;
	return job;
}

static void job_start(struct mam_job *job)
{
	lu_store_get(job->lu);
	workers_submit(workers_control_gate(), &job->work);
}

/* False: it has failed, and the task has ended. */
static bool job_ok(const struct mam_job *job)
{
	if (!job->error)
		return true;
	if (job->error == -ENOMEDIUM)
		task_sense(job->t, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
	else
		task_sense(job->t, KEY_MEDIUM_ERROR,
			   *job->failed == 'r' ? ASC_AUXILIARY_MEMORY_READ_ERROR
					       : ASC_AUXILIARY_MEMORY_WRITE_ERROR);
	return false;
}

/* SPC-5: a logical volume number that there isn't, a partition that there isn't. */
static bool partition_ok(const struct mam_job *job)
{
	if (job->t->cdb[7] < job->tape.nr_partitions)
		return true;
	task_invalid_cdb(job->t, 7, 7);
	return false;
}

/* ---- READ ATTRIBUTE ---- */

static uint64_t alerts(const struct lu *lu)
{
	uint64_t flags = 0;

	for (unsigned flag = 1; flag <= TAPE_ALERTS; flag++)
		if (tape_alert_is_raised(lu, flag))
			flags |= 1ull << (TAPE_ALERTS - flag);
	return flags;
}

static void reply(const struct mam_job *job)
{
	struct scsi_task *t = job->t;
	struct mam_view view = {&job->mam, &job->tape, job->written,
				job->read, t->cdb[7],  alerts(t->lu)};
	uint16_t first = get_be16(t->cdb + 8);
	uint8_t *data = calloc(1, MAM_REPLY_MAX);
	size_t len;

	if (!data) {
		task_status(t, STATUS_BUSY);
		return;
	}
	if (t->row->service_action == SA_VALUES)
		len = mam_put_values(&view, first, data + 4, MAM_REPLY_MAX - 4);
	else
		len = mam_put_list(&view, first, data + 4, MAM_REPLY_MAX - 4);
	put_be32(data, (uint32_t)len);
	task_reply(t, data, 4 + len, get_be32(t->cdb + 10));
	free(data);
}

static void read_done(struct mam_job *job)
{
	struct scsi_task *t = job->t;
	struct mam_view view = {&job->mam, &job->tape, 0, 0, t->cdb[7], 0};
	uint16_t first = get_be16(t->cdb + 8);

	if (!job_ok(job) || !partition_ok(job))
		return;
	/* SPC-5: the values are those from an attribute on that exists */
	if (t->row->service_action == SA_VALUES && first && !mam_exists(&view, first))
		task_invalid_cdb(t, 8, 7);
	else
		reply(job);
}

static bool volume_ok(struct scsi_task *t)
{
	if (!t->cdb[5])
		return true;
	task_invalid_cdb(t, 5, 7); /* there is logical volume 0 alone */
	return false;
}

static void read_attributes(struct scsi_task *t)
{
	struct mam_job *job;

	if (!volume_ok(t))
		return;
	job = job_of_task(t, read_done);
	if (job)
		job_start(job);
	else
		task_status(t, STATUS_BUSY);
}

static void reply_numbers(struct scsi_task *t, unsigned count)
{
	const uint8_t data[4] = {0, 2, 0, (uint8_t)count};

	task_reply(t, data, sizeof(data), get_be32(t->cdb + 10));
}

static void read_volumes(struct scsi_task *t)
{
	reply_numbers(t, 1);
}

static void read_partitions(struct scsi_task *t)
{
	struct tgt_bs_tape_info info;

	if (!volume_ok(t))
		return;
	if (store_tape_info(t->lu->store, &info))
		task_sense(t, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
	else
		reply_numbers(t, info.nr_partitions);
}

static void read_supported(struct scsi_task *t)
{
	uint8_t data[512] = {0};
	size_t len = mam_put_supported(get_be16(t->cdb + 8), data + 4, sizeof(data) - 4);

	put_be32(data, (uint32_t)len);
	task_reply(t, data, 4 + len, get_be32(t->cdb + 10));
}

/* ---- WRITE ATTRIBUTE ---- */

static bool prepare_write(struct scsi_task *t)
{
	uint32_t length = get_be32(t->cdb + 10);

	if (length > LIST_MAX) {
		task_invalid_cdb(t, 10, 7);
		return false;
	}
	t->transfer_length = length;
	return true;
}

static bool change_attributes(struct mam_job *job)
{
	if (job->t->cdb[7] >= job->tape.nr_partitions)
		return false;
	job->result =
	    mam_write(&job->mam, job->t->cdb[7], job->list + 4, job->list_len - 4, &job->field);
	return job->result == MAM_DONE;
}

static void write_done(struct mam_job *job)
{
	struct scsi_task *t = job->t;

	if (!job_ok(job) || !partition_ok(job))
		return;
	switch (job->result) {
	case MAM_DONE:
		task_good(t);
		break;
	case MAM_BAD_FIELD:
		task_invalid_parameter(t, (unsigned)job->field + 4, -1);
		break;
	case MAM_CUT_SHORT:
		task_parameter_list_length_error(t);
		break;
	case MAM_FULL:
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_AUXILIARY_MEMORY_OUT_OF_SPACE);
		break;
	}
}

/* False: the task has ended. */
static bool take_list(struct mam_job *job)
{
	struct scsi_task *t = job->t;
	uint32_t length = t->transfer_length;

	job->list = malloc(length);
	job->list_len = length;
	if (!job->list) {
		task_status(t, STATUS_BUSY);
		return false;
	}
	if (length < 4 || databuf_read(&t->data, 0, job->list, length) < length ||
	    get_be32(job->list) != length - 4) {
		task_parameter_list_length_error(t);
		return false;
	}
	return true;
}

static void write_attributes(struct scsi_task *t)
{
	struct mam_job *job;

	if (!volume_ok(t))
		return;
	if (!t->transfer_length) { /* SPC-5: no data is no error */
		task_good(t);
		return;
	}
	job = job_of_task(t, write_done);
	if (!job) {
		task_status(t, STATUS_BUSY);
		return;
	}
	job->change = change_attributes;
	if (take_list(job))
		job_start(job);
	else
		job_free(job);
}

/* ---- coming and going ---- */

static bool change_loaded(struct mam_job *job)
{
	mam_note_load(&job->mam, &job->lu->id);
	return true;
}

static bool change_unloaded(struct mam_job *job)
{
	mam_note_unload(&job->mam, job->written, job->read);
	return true;
}

void mam_restart_totals(struct lu *lu)
{
	lu->mam_written = moved(lu, COUNTS_WRITE);
	lu->mam_read = moved(lu, COUNTS_READ);
	lu->mam_before = (struct mam_totals){0};
	tape_log_restart_usage(lu);
}

static void noted(struct mam_job *job)
{
	job->noted(job->arg);
}

static void load_noted(struct mam_job *job)
{
	mam_restart_totals(job->lu);
	if (!job->error)
		job->lu->mam_before =
		    (struct mam_totals){job->mam.load_count, job->mam.written, job->mam.read};
	noted(job);
}

static void note(struct lu *lu, bool (*change)(struct mam_job *job),
		 void (*done)(struct mam_job *job), void (*next)(void *arg), void *arg)
{
	struct mam_job *job = keeps_mam(lu) ? job_new(lu, done) : NULL;

	if (!job) {
		mam_restart_totals(lu);
		next(arg);
		return;
	}
	/* what may not be written is read all the same */
	job->change = lu->readonly ? NULL : change;
	job->noted = next;
	job->arg = arg;
	job_start(job);
}

void mam_load(struct lu *lu, void (*next)(void *arg), void *arg)
{
	note(lu, change_loaded, load_noted, next, arg);
}

void mam_unload(struct lu *lu, void (*next)(void *arg), void *arg)
{
	note(lu, change_unloaded, noted, next, arg);
}

/* ---- rows ---- */

#define READ_ROW(action, flags_, run_)                                                             \
	{                                                                                          \
		.opcode = 0x8c, .service_action = action, .cdb_len = 16, .direction = DATA_IN,     \
		.pr = PR_READ, .flags = flags_,                                                    \
		.usage = {0x8c, action, 0,    0,    0,    0xff, 0,   0xff,                         \
			  0xff, 0xff,   0xff, 0xff, 0xff, 0xff, 0x01},                             \
		.run = run_, .available = keeps_mam, .name = "READ ATTRIBUTE",                     \
		.clause = "SPC-5 READ ATTRIBUTE"                                                   \
	}

const struct opcode_row mam_rows[] = {
    READ_ROW(SA_VALUES, ROW_MEDIUM, read_attributes),
    READ_ROW(SA_LIST, ROW_MEDIUM, read_attributes),
    READ_ROW(SA_VOLUMES, ROW_MEDIUM, read_volumes),
    READ_ROW(SA_PARTITIONS, ROW_MEDIUM, read_partitions),
    READ_ROW(SA_SUPPORTED, ROW_MEDIUM, read_supported),
    {
	.opcode = 0x8d,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 16,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_MEDIUM | ROW_WRITES | ROW_EXCLUSIVE,
	/* WTC: what is written is durable anyhow */
	.usage = {0x8d, 0x01, 0, 0, 0, 0xff, 0, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff},
	.prepare = prepare_write,
	.run = write_attributes,
	.available = keeps_mam,
	.name = "WRITE ATTRIBUTE",
	.clause = "SPC-5 WRITE ATTRIBUTE",
    },
    {.run = NULL},
};
