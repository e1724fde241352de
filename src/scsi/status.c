/* SPDX-License-Identifier: MIT */
/* What a store said, as status and sense data: the only place that knows. */
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "scsi/commands.h"
#include "scsi/log.h"
#include "util/cleanup.h"
#include "util/log.h"

#define LOG_BURST 10u   /* lines */
#define LOG_INTERVAL 10 /* seconds */

/* How a status ends a command. */
enum outcome { SENSE, SENSE_LBA, SENSE_OFFSET, STATUS };

struct mapping {
	uint8_t outcome;
	uint8_t key; /* or the status */
	uint16_t asc;
	const char *why; /* for the operator; NULL: not his business */
};

static const struct mapping mappings[] = {
    [TGT_BS_ERR_MISCOMPARE] = {SENSE_OFFSET, KEY_MISCOMPARE, ASC_MISCOMPARE_DURING_VERIFY, NULL},
    [TGT_BS_ERR_NO_SPACE] = {SENSE, KEY_DATA_PROTECT, ASC_SPACE_ALLOCATION_FAILED_WRITE_PROTECT,
			     "the store is full"},
    [TGT_BS_ERR_READ] = {SENSE_LBA, KEY_MEDIUM_ERROR, ASC_UNRECOVERED_READ_ERROR, "read error"},
    [TGT_BS_ERR_WRITE] = {SENSE_LBA, KEY_MEDIUM_ERROR, ASC_WRITE_ERROR, "write error"},
    [TGT_BS_ERR_FLUSH] = {SENSE, KEY_MEDIUM_ERROR, ASC_WRITE_ERROR,
			  "flush failed: data written before may be lost; "
			  "the LUN refuses access until it is set online again"},
    [TGT_BS_ERR_HARDWARE] = {SENSE, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE,
			     "the store is broken"},
    [TGT_BS_ERR_NOT_READY] = {SENSE, KEY_NOT_READY, ASC_LU_NOT_READY_CAUSE_NOT_REPORTABLE,
			      "the store is not ready"},
    [TGT_BS_ERR_NO_MEDIUM] = {SENSE, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT, NULL},
    [TGT_BS_ERR_WRITE_PROTECTED] = {SENSE, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED, NULL},
    [TGT_BS_ERR_TIMED_OUT] = {SENSE, KEY_ABORTED_COMMAND, ASC_LU_COMMUNICATION_TIME_OUT,
			      "the store did not answer in time"},
    [TGT_BS_ERR_CANCELLED] = {SENSE, KEY_ABORTED_COMMAND, ASC_NO_ADDITIONAL_SENSE, NULL},
    [TGT_BS_ERR_NOT_SUPPORTED] = {SENSE, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE,
				  NULL},
    [TGT_BS_ERR_INVALID] = {SENSE, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE,
			    "the store refused the request as senseless"},
    [TGT_BS_ERR_OUT_OF_RANGE] = {SENSE_LBA, KEY_MEDIUM_ERROR, ASC_UNRECOVERED_READ_ERROR,
				 "beyond the end of the store, which has shrunk"},
    [TGT_BS_ERR_BUSY] = {STATUS, STATUS_BUSY, 0, NULL},
    [TGT_BS_ERR_FENCED] = {SENSE, KEY_NOT_READY, ASC_LU_NOT_READY_MANUAL_INTERVENTION_REQUIRED,
			   "another host has taken the store over"},
    [TGT_BS_ERR_TRANSPORT] = {SENSE, KEY_ABORTED_COMMAND, ASC_LU_COMMUNICATION_FAILURE,
			      "the device does not answer"},
    /* whoever sent it may send it again; that there was a reset, the device says itself */
    [TGT_BS_ERR_RESET] = {SENSE, KEY_ABORTED_COMMAND, ASC_NO_ADDITIONAL_SENSE,
			  "a reset of the device ended it"},
    /* SSC-5 data encryption */
    [TGT_BS_ERR_ENCRYPTED] = {SENSE, KEY_DATA_PROTECT, ASC_UNABLE_TO_DECRYPT_DATA, NULL},
    [TGT_BS_ERR_WRONG_KEY] = {SENSE, KEY_DATA_PROTECT, ASC_INCORRECT_DATA_ENCRYPTION_KEY, NULL},
    [TGT_BS_ERR_NOT_ENCRYPTED] = {SENSE, KEY_DATA_PROTECT,
				  ASC_UNENCRYPTED_DATA_ENCOUNTERED_WHILE_DECRYPTING, NULL},
    [TGT_BS_ERR_INTEGRITY] = {SENSE, KEY_DATA_PROTECT,
			      ASC_CRYPTOGRAPHIC_INTEGRITY_VALIDATION_FAILED,
			      "an encrypted record isn't what was written"},
    [TGT_BS_ERR_TOO_LONG] = {SENSE, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB, NULL},
    [TGT_BS_ERR_OVERWRITE] = {SENSE, KEY_DATA_PROTECT, ASC_WORM_MEDIUM_OVERWRITE_ATTEMPTED, NULL},
};

static const struct mapping unknown = {SENSE, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE,
				       "the store answered with a status that makes no sense here"};

/* One store that fails at every request must not flood the log; guards only text, so a race between
 * reactors costs a line at most. */
static bool log_allowed(void)
{
	static _Atomic long window;
	static atomic_uint lines;
	struct timespec now;
	long this_window;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	this_window = now.tv_sec / LOG_INTERVAL;
	if (atomic_exchange(&window, this_window) != this_window) {
		unsigned before = atomic_exchange(&lines, 0);

		if (before > LOG_BURST)
			log_warning("%u more store errors were not logged", before - LOG_BURST);
	}
	return atomic_fetch_add(&lines, 1) < LOG_BURST;
}

static bool is_tape(const struct tgt_bs_request *request)
{
	return request->op >= TGT_BS_TAPE_READ && request->op <= TGT_BS_TAPE_SET_CAPACITY;
}

static void tell(const struct scsi_task *t, const struct tgt_bs_request *request,
		 const struct mapping *m, bool has_lba)
{
	if (!m->why || !log_allowed())
		return;
	if (is_tape(request))
		log_err("%s: %s: partition %u, object %llu: %s (status %u)", lu_name(t->lu),
			t->row->name, request->partition, (unsigned long long)request->pos_object,
			m->why, request->status);
	else if (has_lba)
		log_err("%s: %s: LBA %llu: %s", lu_name(t->lu), t->row->name,
			(unsigned long long)(request->info >> t->lu->block_shift), m->why);
	else
		log_err("%s: %s: %s (status %u)", lu_name(t->lu), t->row->name, m->why,
			request->status);
}

static bool writes(const struct tgt_bs_request *request)
{
	switch (request->op) {
	case TGT_BS_WRITE:
	case TGT_BS_WRITE_ZEROES:
	case TGT_BS_WRITE_SAME:
	case TGT_BS_COMPARE_AND_WRITE:
	case TGT_BS_DISCARD:
		return true;
	default:
		return false;
	}
}

/* Passthrough: the device's own status and sense data. */
static void device_status(struct scsi_task *t, const struct tgt_bs_request *request)
{
	uint32_t len = request->sense_len;

	if (request->scsi_status != STATUS_CHECK_CONDITION) {
		task_status(t, (enum scsi_status)request->scsi_status);
		return;
	}
	if (!len) { /* it was lost on the way, and nobody could tell what happened */
		task_sense(t, KEY_ABORTED_COMMAND, ASC_LU_COMMUNICATION_FAILURE);
		return;
	}
	if (len > request->sense_size)
		len = request->sense_size;
	if (len > SENSE_MAX)
		len = SENSE_MAX;
	if (request->sense != t->sense)
		memmove(t->sense, request->sense, len);
	t->sense_len = (uint8_t)len;
	task_check_condition(t);
}

/* For the operator: the log, and the log page of the last errors. */
static void note(const struct scsi_task *t, const struct tgt_bs_request *request,
		 const struct mapping *m, uint16_t asc)
{
	tell(t, request, m, m->outcome == SENSE_LBA);
	if (m->why)
		log_store_error(t, request, (enum sense_key)m->key, asc, m->why);
}

static void end_by(struct scsi_task *t, const struct tgt_bs_request *request,
		   const struct mapping *m)
{
	uint16_t asc = m->asc;

	if (request->status == TGT_BS_ERR_OUT_OF_RANGE && writes(request))
		asc = ASC_WRITE_ERROR;
	note(t, request, m, asc);
	switch (m->outcome) {
	case STATUS:
		task_status(t, (enum scsi_status)m->key);
		break;
	case SENSE_LBA:
		if (is_tape(request)) /* its places are no LBAs */
			task_sense(t, (enum sense_key)m->key, asc);
		else
			task_sense_info(t, (enum sense_key)m->key, asc,
					request->info >> t->lu->block_shift);
		break;
	case SENSE_OFFSET:
		task_sense_info(t, (enum sense_key)m->key, asc, request->info);
		break;
	default:
		task_sense(t, (enum sense_key)m->key, asc);
		break;
	}
}

static const struct mapping *mapping_of(struct scsi_task *t, const struct tgt_bs_request *request)
{
	/* Linux reports a failed write-back once: from now on nothing is known about the medium. */
	if (request->status == TGT_BS_ERR_FLUSH)
		t->lu->failed = true;
	if (request->status < ARRAY_SIZE(mappings) &&
	    mappings[request->status].asc + mappings[request->status].key)
		return &mappings[request->status];
	return &unknown;
}

bool task_store_sense(struct scsi_task *t, const struct tgt_bs_request *request, struct sense *s)
{
	const struct mapping *m = mapping_of(t, request);

	if (m->outcome == STATUS) {
		end_by(t, request, m);
		return false;
	}
	note(t, request, m, m->asc);
	s->key = (enum sense_key)m->key;
	s->asc = m->asc;
	return true;
}

void task_store_status(struct scsi_task *t, const struct tgt_bs_request *request)
{
	if (request->status == TGT_BS_OK)
		task_good(t);
	else if (request->status == TGT_BS_ERR_SCSI && request->op == TGT_BS_CDB)
		device_status(t, request);
	else
		end_by(t, request, mapping_of(t, request));
}
