/* SPDX-License-Identifier: MIT */
/*
 * Commands for a real device behind a passthrough store: all go there as they are but those that
 * the core answers itself.  That is: REPORT LUNS (the target's), REQUEST SENSE (sense data went
 * with the status, what is pending are the core's unit attentions), RESERVE, RELEASE and PERSISTENT
 * RESERVE (between the nexuses of this target); see passthrough_tables in command_sets.c.
 */
#include "scsi/commands.h"
#include "util/bytes.h"

#define TIMEOUT_MS 60000u
#define LONG_TIMEOUT_MS (4 * 3600 * 1000u) /* formatting, erasing, spacing over a tape */

/* SPC-5 4.3.1: how long a CDB is by its group; groups 3 and 7 as sg does it. */
static uint32_t cdb_length(const struct scsi_task *t)
{
	static const uint8_t by_group[8] = {6, 10, 10, 12, 16, 12, 10, 10};
	uint32_t length = by_group[t->cdb[0] >> 5];

	if (t->cdb[0] == 0x7f)
		length = 8u + t->cdb[7];
	return length < SCSI_MAX_CDB ? length : SCSI_MAX_CDB;
}

static uint32_t timeout_ms(const struct scsi_task *t)
{
	switch (t->cdb[0]) {
	case 0x01: /* REWIND, REZERO UNIT */
	case 0x04: /* FORMAT UNIT, FORMAT MEDIUM */
	case 0x11: /* SPACE */
	case 0x19: /* ERASE */
	case 0x1b: /* START STOP UNIT, LOAD UNLOAD */
	case 0x1d: /* SEND DIAGNOSTIC */
	case 0x2b: /* LOCATE */
	case 0x2f: /* VERIFY */
	case 0x35: /* SYNCHRONIZE CACHE */
	case 0x41: /* WRITE SAME */
	case 0x48: /* SANITIZE */
	case 0x8f:
	case 0x91:
	case 0x92: /* LOCATE(16) */
	case 0x93:
	case 0xa1: /* BLANK */
	case 0xa5: /* MOVE MEDIUM */
	case 0xaf:
		return LONG_TIMEOUT_MS;
	default:
		return TIMEOUT_MS;
	}
}

static void device_answered(struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;
	uint64_t moved = bs->actual;

	if (moved < t->transfer_length)
		t->transfer_length = (uint32_t)moved;
	if (t->row->direction == DATA_IN && moved < t->data.length)
		t->data.length = (uint32_t)moved;
	task_store_status(t, bs);
}

static void submit(struct scsi_task *t)
{
	struct tgt_bs_request *bs = &t->store.bs;

	store_request_init(&t->store, TGT_BS_CDB, t->module_data, NULL);
	if (t->data.length)
		bs->flags = t->row->direction == DATA_IN ? TGT_BS_REQ_DATA_IN : TGT_BS_REQ_DATA_OUT;
	bs->iov = t->data.iov;
	bs->iovcnt = t->data.iovcnt;
	bs->length = t->data.length;
	bs->cdb = t->cdb;
	bs->cdb_len = cdb_length(t);
	bs->timeout_ms = timeout_ms(t);
	bs->sense = t->sense;
	bs->sense_size = SENSE_MAX;
	task_submit_prepared(t, device_answered);
}

static void run(struct scsi_task *t)
{
	if (t->row->direction == DATA_IN && t->transfer_length)
		task_get_data(t, t->transfer_length, submit);
	else
		submit(t);
}

/* How much will be moved only the device knows: what the initiator expects is the most. */
static bool prepare(struct scsi_task *t)
{
	uint32_t expected = t->row->direction == DATA_OUT ? t->expected_out : t->expected_in;

	if (t->row->direction == DATA_IN && expected > BUF_MAX_BYTES)
		expected = BUF_MAX_BYTES;
	t->transfer_length = expected;
	return true;
}

/* ---- rows ---- */

#define ALL4 0xff, 0xff, 0xff, 0xff
#define ALL16 ALL4, ALL4, ALL4, ALL4

#define DEVICE_ROW(op, sa, len, dir, pr_, flags_, name_)                                           \
	{                                                                                          \
		.opcode = op, .service_action = sa, .cdb_len = len, .direction = dir, .pr = pr_,   \
		.flags = flags_, .usage = {ALL16, ALL16}, .prepare = prepare, .run = run,          \
		.name = name_, .clause = "SAM-5 4.2"                                               \
	}
#define ANY NO_SERVICE_ACTION

/* Commands that other nexuses' reservations don't keep from the device, or only some of them, or
 * that need no unit attention told first; anything else is held to write. */
const struct opcode_row passthrough_rows[] = {
    DEVICE_ROW(0x00, ANY, 6, DATA_NONE, PR_ALLOWED, 0, "TEST UNIT READY"),
    DEVICE_ROW(0x05, ANY, 6, DATA_IN, PR_ALLOWED, 0, "READ BLOCK LIMITS"),
    DEVICE_ROW(0x08, ANY, 6, DATA_IN, PR_READ, 0, "READ(6)"),
    DEVICE_ROW(0x12, ANY, 6, DATA_IN, PR_ALLOWED, ROW_SKIP_UA, "INQUIRY"),
    DEVICE_ROW(0x1a, ANY, 6, DATA_IN, PR_READ, 0, "MODE SENSE(6)"),
    DEVICE_ROW(0x25, ANY, 10, DATA_IN, PR_ALLOWED, 0, "READ CAPACITY(10)"),
    DEVICE_ROW(0x28, ANY, 10, DATA_IN, PR_READ, 0, "READ(10)"),
    DEVICE_ROW(0x34, ANY, 10, DATA_IN, PR_READ, 0, "READ POSITION"),
    DEVICE_ROW(0x4d, ANY, 10, DATA_IN, PR_ALLOWED, 0, "LOG SENSE"),
    DEVICE_ROW(0x5a, ANY, 10, DATA_IN, PR_READ, 0, "MODE SENSE(10)"),
    DEVICE_ROW(0x88, ANY, 16, DATA_IN, PR_READ, 0, "READ(16)"),
    DEVICE_ROW(0x9e, 0x10, 16, DATA_IN, PR_ALLOWED, 0, "READ CAPACITY(16)"),
    DEVICE_ROW(0xa3, 0x0a, 12, DATA_IN, PR_ALLOWED, 0, "REPORT TARGET PORT GROUPS"),
    DEVICE_ROW(0xa3, 0x0c, 12, DATA_IN, PR_READ, 0, "REPORT SUPPORTED OPERATION CODES"),
    DEVICE_ROW(0xa8, ANY, 12, DATA_IN, PR_READ, 0, "READ(12)"),
    DEVICE_ROW(0xbe, ANY, 12, DATA_IN, PR_READ, 0, "READ CD"),
    {.run = NULL},
};

static bool prepare_any(struct scsi_task *t);

/* Which way the data of a command go that is not listed is known when it comes: from what the
 * initiator expects.  The length is the longest, as the CONTROL byte is where the real one ends. */
#define ANY_ROW(dir)                                                                               \
	{                                                                                          \
		.service_action = ANY, .cdb_len = 16, .direction = dir, .pr = PR_WRITE,            \
		.flags = ROW_MEDIUM | ROW_WRITES, .usage = {ALL16, ALL16}, .prepare = prepare_any, \
		.run = run, .name = "(the device's)", .clause = "SAM-5 4.2"                        \
	}
static const struct opcode_row any_in = ANY_ROW(DATA_IN);
static const struct opcode_row any_out = ANY_ROW(DATA_OUT);
const struct opcode_row passthrough_any_row = ANY_ROW(DATA_NONE);

static bool prepare_any(struct scsi_task *t)
{
	if (t->expected_in && t->expected_out) {
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
		return false;
	}
	if (t->expected_in)
		t->row = &any_in;
	else if (t->expected_out)
		t->row = &any_out;
	return prepare(t);
}
