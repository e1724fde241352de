/* SPDX-License-Identifier: MIT */
/*
 * Commands for a real device behind a passthrough store: where each goes stands in the table of
 * passthrough_table.c, and here is the way to the device and back.
 */
#include "scsi/passthrough.h"

#include <string.h>

#include "scsi/commands.h"
#include "scsi/ua.h"
#include "util/bytes.h"

#define AGAIN_MAX 2
#define CONTROL_NACA 0x04

static void submit(struct scsi_task *t);

/* SPC-5 4.3.1: how long a CDB is by its group; groups 3 and 7 as sg does it. */
static uint32_t cdb_length(const uint8_t *cdb)
{
	static const uint8_t by_group[8] = {6, 10, 10, 12, 16, 12, 10, 10};
	uint32_t length = by_group[cdb[0] >> 5];

	if (cdb[0] == 0x7f)
		length = 8u + cdb[7];
	return length < SCSI_MAX_CDB ? length : SCSI_MAX_CDB;
}

/* The ACA is the core's: one at the device would be this machine's, and nobody would clear it. */
static void clear_naca(uint8_t *cdb)
{
	if (cdb[0] == 0x7f)
		cdb[1] &= (uint8_t)~CONTROL_NACA;
	else if (cdb[0] < 0xc0)
		cdb[cdb_length(cdb) - 1] &= (uint8_t)~CONTROL_NACA;
}

static unsigned flags_of(const struct scsi_task *t)
{
	return t->row->route ? t->row->route->flags : 0;
}

static uint32_t timeout_ms(const struct scsi_task *t)
{
	return t->lu->passthrough->timeout_ms[t->row->route ? t->row->route->time : PT_NORMAL];
}

/* ---- unit attentions ---- */

bool passthrough_parse_sense(const uint8_t *sense, uint32_t len, uint8_t *key, uint16_t *asc)
{
	if (len >= 4 && (sense[0] & 0x7f) == 0x72) {
		*key = sense[1] & 0x0f;
		*asc = get_be16(sense + 2);
		return true;
	}
	if (len < 3 || (sense[0] & 0x7f) != 0x70)
		return false;
	*key = sense[2] & 0x0f;
	*asc = len >= 14 ? get_be16(sense + 12) : 0;
	return true;
}

/* What is told of the device's own target, whose LUNs and ports are not those seen here. */
static bool is_of_its_target(uint16_t asc)
{
	return asc == ASC_REPORTED_LUNS_DATA_HAS_CHANGED || asc == 0x2a06 || asc == 0x2a07;
}

static bool may_be_another_medium(uint16_t asc)
{
	return asc >> 8 == 0x28 || asc >> 8 == 0x29 || asc >> 8 == 0x3f ||
	       asc == ASC_CAPACITY_DATA_HAS_CHANGED;
}

bool passthrough_tell(struct lu *lu, uint16_t asc, uint64_t except)
{
	if (is_of_its_target(asc))
		return false;
	lu_establish_ua(lu, asc, except);
	return true;
}

bool passthrough_attention(struct lu *lu, uint16_t asc, uint64_t except)
{
	if (!passthrough_tell(lu, asc, except))
		return false;
	if (may_be_another_medium(asc))
		passthrough_look_again(lu);
	return true;
}

/* The device tells this machine once.  True: the command goes again. */
static bool attention(struct scsi_task *t, const struct tgt_bs_request *bs)
{
	uint16_t asc;
	uint8_t key;

	if (bs->status != TGT_BS_ERR_SCSI || bs->scsi_status != STATUS_CHECK_CONDITION ||
	    !passthrough_parse_sense(bs->sense, bs->sense_len, &key, &asc) ||
	    key != KEY_UNIT_ATTENTION)
		return false;
	return !passthrough_attention(t->lu, asc, t->nexus->id);
}

/* ---- the answer ---- */

/* Nobody knows whether the device did it: harmless for what changes nothing; the others end, for
 * whoever sent them to decide. */
static bool worth_another_try(const struct scsi_task *t, const struct tgt_bs_request *bs)
{
	return (bs->status == TGT_BS_ERR_TRANSPORT || bs->status == TGT_BS_ERR_RESET) &&
	       flags_of(t) & PT_AGAIN;
}

/* What can be moved of the data: of a block in part only reading makes sense. */
static uint32_t to_move(const struct scsi_task *t)
{
	if (t->row->direction == DATA_OUT && passthrough_needs_parts(t))
		return passthrough_whole_blocks(t);
	return t->data.length;
}

static void end_with(struct scsi_task *t, const struct tgt_bs_request *bs)
{
	uint64_t moved = t->work[PT_WORK_PROGRESS] + bs->actual;

	if (moved < to_move(t))
		t->transfer_length = (uint32_t)moved;
	if (t->row->direction == DATA_IN && moved < t->data.length)
		t->data.length = (uint32_t)moved;
	if (bs->status == TGT_BS_ERR_TOO_LONG) {
		task_invalid_cdb(t, passthrough_length_field(t), -1);
		return;
	}
	/* SPC-5 5.14.1: to the device all nexuses are one, so it tells nobody */
	if (bs->status == TGT_BS_OK && flags_of(t) & PT_TELL)
		lu_establish_ua(t->lu, ASC_MODE_PARAMETERS_CHANGED, t->nexus->id);
	task_store_status(t, bs);
}

static bool sent_again(struct scsi_task *t, const struct tgt_bs_request *bs)
{
	if (!attention(t, bs) && !worth_another_try(t, bs))
		return false;
	return t->work[PT_WORK_TRIES]++ < AGAIN_MAX;
}

static void answered(struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;

	if (sent_again(t, bs)) {
		submit(t);
		return;
	}
	if (bs->status == TGT_BS_OK && bs->length && bs->actual == bs->length &&
	    t->work[PT_WORK_PROGRESS] + bs->actual < to_move(t)) {
		t->work[PT_WORK_PROGRESS] += bs->actual;
		submit(t);
		return;
	}
	end_with(t, bs);
}

/* ---- sending ---- */

static struct tgt_bs_request *init_request(struct scsi_task *t, const uint8_t *cdb)
{
	struct tgt_bs_request *bs = &t->store.bs;

	store_request_init(&t->store, TGT_BS_CDB, t->module_data, NULL);
	bs->cdb = cdb;
	bs->cdb_len = cdb_length(cdb);
	bs->timeout_ms = timeout_ms(t);
	bs->sense = t->sense;
	bs->sense_size = SENSE_MAX;
	return bs;
}

static void tail_answered(struct scsi_task *t)
{
	struct tgt_bs_request *bs = &t->store.bs;
	uint32_t left = t->data.length - (uint32_t)t->work[PT_WORK_PROGRESS];

	if (sent_again(t, bs)) {
		submit(t);
		return;
	}
	if (bs->status == TGT_BS_OK) /* at most BUF_MAX_PIECE, so in one piece */
		databuf_write(&t->data, t->work[PT_WORK_PROGRESS], t->scratch.iov[0].iov_base,
			      left);
	bs->actual = bs->actual < left ? bs->actual : left;
	end_with(t, bs);
}

static void send_tail(struct scsi_task *t)
{
	uint8_t *cdb = (uint8_t *)t->work;
	struct tgt_bs_request *bs;

	passthrough_tail(t, cdb);
	clear_naca(cdb);
	bs = init_request(t, cdb);
	bs->iov = t->scratch.iov;
	bs->iovcnt = t->scratch.iovcnt;
	bs->length = t->scratch.length;
	bs->flags = TGT_BS_REQ_DATA_IN;
	task_submit_prepared(t, tail_answered);
}

/* The block of which only the beginning is expected is read beside the data. */
static bool is_at_tail(const struct scsi_task *t)
{
	return t->row->direction == DATA_IN && passthrough_needs_parts(t) &&
	       t->work[PT_WORK_PROGRESS] < t->data.length &&
	       t->work[PT_WORK_PROGRESS] >= passthrough_whole_blocks(t);
}

static void submit(struct scsi_task *t)
{
	uint8_t *cdb = (uint8_t *)t->work;
	struct tgt_bs_request *bs;

	if (is_at_tail(t)) {
		if (t->scratch.length)
			send_tail(t);
		else
			task_get_scratch(t, passthrough_tail(t, cdb), send_tail);
		return;
	}
	memcpy(cdb, t->cdb, SCSI_MAX_CDB);
	bs = init_request(t, cdb);
	bs->iov = t->data.iov;
	bs->iovcnt = t->data.iovcnt;
	bs->length = t->data.length;
	if (passthrough_needs_parts(t)) {
		bs->length = passthrough_part(t, (uint32_t)t->work[PT_WORK_PROGRESS], cdb);
		bs->cdb_len = cdb_length(cdb);
		bs->iov = &t->piece;
		bs->iovcnt = 1;
	}
	clear_naca(cdb);
	if (bs->length)
		bs->flags = t->row->direction == DATA_IN ? TGT_BS_REQ_DATA_IN : TGT_BS_REQ_DATA_OUT;
	task_submit_prepared(t, answered);
}

static void start(struct scsi_task *t)
{
	t->work[PT_WORK_PROGRESS] = t->work[PT_WORK_TRIES] = 0;
	submit(t);
}

void passthrough_run(struct scsi_task *t)
{
	if (t->row->direction == DATA_IN && t->transfer_length)
		task_get_data(t, t->transfer_length, start);
	else
		start(t);
}

static void own_answered(struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;

	if (sent_again(t, bs)) {
		struct tgt_bs_request before = *bs;

		init_request(t, (const uint8_t *)t->work);
		t->store.bs.iov = before.iov;
		t->store.bs.iovcnt = before.iovcnt;
		t->store.bs.length = before.length;
		t->store.bs.flags = before.flags & TGT_BS_REQ_DATA_IN;
		task_submit_prepared(t, own_answered);
		return;
	}
	if (bs->status == TGT_BS_OK) {
		t->resume(t);
		return;
	}
	if (bs->actual < t->data.length)
		t->data.length = (uint32_t)bs->actual;
	t->transfer_length = t->data.length;
	task_store_status(t, bs);
}

void passthrough_send(struct scsi_task *t, const uint8_t *cdb, struct databuf *in,
		      void (*done)(struct scsi_task *t))
{
	struct tgt_bs_request *bs;

	memcpy(t->work, cdb, SCSI_MAX_CDB);
	clear_naca((uint8_t *)t->work);
	t->work[PT_WORK_PROGRESS] = t->work[PT_WORK_TRIES] = 0;
	t->resume = done;
	bs = init_request(t, (const uint8_t *)t->work);
	if (in) {
		bs->iov = in->iov;
		bs->iovcnt = in->iovcnt;
		bs->length = in->length;
		bs->flags = TGT_BS_REQ_DATA_IN;
	}
	task_submit_prepared(t, own_answered);
}

/* ---- at arrival ---- */

static bool refuse_length(struct scsi_task *t)
{
	task_invalid_cdb(t, passthrough_length_field(t), -1);
	return false;
}

/* How much will be moved only the device knows: what the initiator expects is the most.  For READ
 * and WRITE of blocks the CDB says it. */
bool passthrough_prepare(struct scsi_task *t)
{
	bool out = t->row->direction == DATA_OUT;
	uint32_t expected = out ? t->expected_out : t->expected_in;
	uint32_t max = passthrough_max_transfer(t->lu);
	uint64_t length;

	passthrough_take_limits(t);
	if (t->row->direction == DATA_NONE)
		return true;
	if (passthrough_length(t, &length)) {
		t->transfer_length = (uint32_t)(length < UINT32_MAX ? length : UINT32_MAX);
		if (length < expected)
			expected = (uint32_t)length;
		if (expected > BUF_MAX_BYTES)
			return refuse_length(t);
	} else {
		if (!out && expected > BUF_MAX_BYTES)
			expected = BUF_MAX_BYTES;
		t->transfer_length = expected;
	}
	return !max || expected <= max || passthrough_part_max(t) || refuse_length(t);
}

/* ---- what the table doesn't list ---- */

/* Which way the data of such a command go is known when it comes: from what the initiator expects.
 * The length is the longest, as the CONTROL byte is where the real one ends. */
#define ALL4 0xff, 0xff, 0xff, 0xff
#define ALL16 ALL4, ALL4, ALL4, ALL4
#define ANY_ROW(dir)                                                                               \
	{                                                                                          \
		.service_action = NO_SERVICE_ACTION, .cdb_len = 16, .direction = dir,              \
		.pr = PR_WRITE, .flags = ROW_MEDIUM | ROW_WRITES, .usage = {ALL16, ALL16},         \
		.prepare = passthrough_prepare_any, .run = passthrough_run,                        \
		.name = "(the device's)", .clause = "SAM-5 4.2"                                    \
	}
static const struct opcode_row any_in = ANY_ROW(DATA_IN);
static const struct opcode_row any_out = ANY_ROW(DATA_OUT);
const struct opcode_row passthrough_any_row = ANY_ROW(DATA_NONE);

bool passthrough_prepare_any(struct scsi_task *t)
{
	if (t->expected_in && t->expected_out) {
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
		return false;
	}
	if (!t->row->route && passthrough_is_cores(t->lu, t->cdb[0])) {
		task_invalid_cdb(t, 1, 4); /* a service action that the core doesn't have */
		return false;
	}
	if (t->row->route)
		t->row = passthrough_variant(t->row, t->expected_in    ? DATA_IN
						     : t->expected_out ? DATA_OUT
								       : DATA_NONE);
	else if (t->expected_in)
		t->row = &any_in;
	else if (t->expected_out)
		t->row = &any_out;
	return passthrough_prepare(t);
}
