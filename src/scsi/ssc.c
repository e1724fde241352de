/* SPDX-License-Identifier: MIT */
/*
 * The tape commands (SSC-5) over the operations of a tape store.  Each is about where the tape
 * stands, so they run one at a time, in the order in which they came: each claims the same
 * one-block range.
 */
#include "scsi/commands.h"
#include "scsi/sbc.h"
#include "scsi/tape.h"
#include "scsi/ua.h"
#include "util/bytes.h"

#define FIXED 0x01 /* byte 1 of READ and WRITE */
#define SILI 0x02
#define IMMED 0x01 /* byte 1 of the others */

static bool prepare_serial(struct scsi_task *t)
{
	t->lba = 0;
	t->blocks = 1;
	return true;
}

/* What a stream command ends with beside the sense key: SSC-5 4.2.x, SPC-5 4.4.4. */
struct stream_end {
	enum sense_key key;
	uint16_t asc;
	bool filemark, eom, ili;
	int64_t information;
};

/* CHECK CONDITION; the data that are there are sent. */
static void end_stream(struct scsi_task *t, const struct stream_end *end)
{
	bool descriptor = mode_d_sense(t->lu);
	uint64_t information = (uint64_t)end->information;
	struct sense s = {
	    .key = end->key,
	    .asc = end->asc,
	    .info_valid = true,
	    /* two's complement, in as many bytes as the format has (SPC-5 4.4.2.2) */
	    .information = descriptor ? information : (uint32_t)information,
	    .bit = -1,
	    .filemark = end->filemark,
	    .eom = end->eom,
	    .ili = end->ili,
	};

	t->sense_len = sense_build(t->sense, &s, descriptor);
	task_check_condition(t);
}

/* The ends that moving and reading have in common; residue counts what the CDB counts. */
static void end_of_movement(struct scsi_task *t, int64_t residue)
{
	bool late = t->store.bs.pos_flags & TGT_BS_POS_EARLY_WARNING;

	switch (t->store.bs.status) {
	case TGT_BS_ERR_FILEMARK:
		end_stream(t, &(struct stream_end){.key = KEY_NO_SENSE,
						   .asc = ASC_FILEMARK_DETECTED,
						   .filemark = true,
						   .information = residue});
		break;
	case TGT_BS_ERR_END_OF_DATA:
		end_stream(t, &(struct stream_end){.key = KEY_BLANK_CHECK,
						   .asc = ASC_END_OF_DATA_DETECTED,
						   .eom = late,
						   .information = residue});
		break;
	case TGT_BS_ERR_BEGINNING:
		end_stream(t,
			   &(struct stream_end){.key = KEY_NO_SENSE,
						.asc = ASC_BEGINNING_OF_PARTITION_MEDIUM_DETECTED,
						.eom = true,
						.information = residue});
		break;
	case TGT_BS_ERR_EARLY_WARNING: /* all of it is written */
		end_stream(t, &(struct stream_end){.key = KEY_NO_SENSE,
						   .asc = ASC_END_OF_PARTITION_MEDIUM_DETECTED,
						   .eom = true,
						   .information = residue});
		break;
	case TGT_BS_ERR_END_OF_MEDIUM:
		end_stream(t, &(struct stream_end){.key = KEY_VOLUME_OVERFLOW,
						   .asc = ASC_END_OF_PARTITION_MEDIUM_DETECTED,
						   .eom = true,
						   .information = residue});
		break;
	default:
		task_store_status(t, &t->store.bs);
		break;
	}
}

static void moved(struct scsi_task *t)
{
	end_of_movement(t, t->store.bs.residue);
}

static struct tgt_bs_request *request(struct scsi_task *t, enum tgt_bs_op op)
{
	store_request_init(&t->store, op, t->module_data, NULL);
	return &t->store.bs;
}

/* ---- READ, WRITE ---- */

static bool is_fixed(const struct scsi_task *t)
{
	return t->cdb[1] & FIXED;
}

static uint32_t count_of(const struct scsi_task *t)
{
	return get_be24(t->cdb + 2);
}

static bool prepare_transfer(struct scsi_task *t)
{
	uint64_t bytes = count_of(t);

	if (is_fixed(t)) {
		/* SSC-5: no fixed blocks without a block length, and no SILI with them */
		if (!t->lu->tape_block_length || t->cdb[1] & SILI) {
			task_invalid_cdb(t, 1, t->cdb[1] & SILI ? 1 : 0);
			return false;
		}
		bytes *= t->lu->tape_block_length;
	}
	if (bytes > BUF_MAX_BYTES) {
		task_invalid_cdb(t, 2, 7);
		return false;
	}
	t->transfer_length = (uint32_t)bytes;
	return prepare_serial(t);
}

/* A record of another length than was asked for. */
static void end_incorrect_length(struct scsi_task *t, int64_t information)
{
	end_stream(t, &(struct stream_end){.key = KEY_NO_SENSE,
					   .asc = ASC_NO_ADDITIONAL_SENSE,
					   .ili = true,
					   .information = information});
}

/* Less is sent than there is room for. */
static void trim_data(struct scsi_task *t, uint64_t bytes)
{
	if (bytes < t->transfer_length)
		t->transfer_length = (uint32_t)bytes;
	if (bytes < t->data.length)
		t->data.length = (uint32_t)bytes;
}

static void fixed_read(struct scsi_task *t)
{
	uint32_t length = t->lu->tape_block_length;
	int64_t residue = count_of(t) - (int64_t)(t->store.bs.actual / length);

	trim_data(t, t->store.bs.actual);
	if (t->store.bs.status == TGT_BS_ERR_RECORD_LENGTH)
		end_incorrect_length(t, residue);
	else
		end_of_movement(t, residue);
}

/* SSC-5: ILI tells the difference to what was asked for, negative when the record is longer. */
static void variable_read(struct scsi_task *t)
{
	int64_t asked = count_of(t), actual = (int64_t)t->store.bs.actual;
	bool silent = t->cdb[1] & SILI && (actual <= asked || !t->lu->tape_block_length);

	if (t->store.bs.status != TGT_BS_OK) {
		trim_data(t, 0);
		end_of_movement(t, asked);
		return;
	}
	trim_data(t, t->store.bs.actual);
	if (actual == asked || silent)
		task_good(t);
	else
		end_incorrect_length(t, asked - actual);
}

static void read_into_data(struct scsi_task *t)
{
	struct tgt_bs_request *bs = request(t, TGT_BS_TAPE_READ);
	uint32_t record = is_fixed(t) ? t->lu->tape_block_length : 0;

	bs->record_size = record;
	bs->iov = t->data.iov;
	bs->iovcnt = t->data.iovcnt;
	bs->length = record ? t->data.length / record * record : t->data.length;
	task_submit_prepared(t, record ? fixed_read : variable_read);
}

static void ssc_read(struct scsi_task *t)
{
	if (t->transfer_length)
		task_get_data(t, t->transfer_length, read_into_data);
	else
		task_good(t);
}

static void written(struct scsi_task *t)
{
	uint32_t record = t->store.bs.record_size;

	end_of_movement(t, record ? t->store.bs.residue
				  : t->store.bs.residue * (int64_t)t->transfer_length);
}

static void ssc_write(struct scsi_task *t)
{
	struct tgt_bs_request *bs;
	uint32_t record = is_fixed(t) ? t->lu->tape_block_length : 0;

	if (!t->transfer_length) {
		task_good(t);
		return;
	}
	/* a record can't be written in part */
	if (t->data.length < t->transfer_length) {
		task_invalid_cdb(t, 2, -1);
		return;
	}
	bs = request(t, TGT_BS_TAPE_WRITE);
	bs->record_size = record;
	bs->iov = t->data.iov;
	bs->iovcnt = t->data.iovcnt;
	bs->length = t->data.length;
	task_submit_prepared(t, written);
}

static void write_filemarks(struct scsi_task *t)
{
	struct tgt_bs_request *bs = request(t, TGT_BS_TAPE_WRITE_FILEMARKS);

	bs->count = count_of(t);
	bs->flags = t->cdb[1] & IMMED ? TGT_BS_REQ_IMMED : 0;
	task_submit_prepared(t, moved);
}

static void erase(struct scsi_task *t)
{
	struct tgt_bs_request *bs = request(t, TGT_BS_TAPE_ERASE);

	bs->flags = t->cdb[1] & 0x01 ? TGT_BS_REQ_LONG : 0;
	task_submit_prepared(t, moved);
}

/* ---- moving ---- */

static void rewind_tape(struct scsi_task *t)
{
	request(t, TGT_BS_TAPE_REWIND);
	task_submit_prepared(t, moved);
}

#define SPACE_CODE(t) ((t)->cdb[1] & 0x0f)

static bool prepare_space(struct scsi_task *t)
{
	switch (SPACE_CODE(t)) {
	case TGT_BS_SPACE_RECORDS:
	case TGT_BS_SPACE_FILEMARKS:
	case TGT_BS_SPACE_END_OF_DATA:
		return prepare_serial(t);
	default:
		task_invalid_cdb(t, 1, 3);
		return false;
	}
}

static void space(struct scsi_task *t)
{
	struct tgt_bs_request *bs = request(t, TGT_BS_TAPE_SPACE);
	int64_t count = count_of(t);

	bs->space_code = SPACE_CODE(t);
	bs->count = count & 0x800000 ? count - 0x1000000 : count;
	task_submit_prepared(t, moved);
}

#define LOCATE_CP 0x02

static bool prepare_locate(struct scsi_task *t)
{
	if (t->cdb[1] & LOCATE_CP && t->cdb[8]) {
		task_invalid_cdb(t, 8, 7);
		return false;
	}
	return prepare_serial(t);
}

static void locate(struct scsi_task *t)
{
	struct tgt_bs_request *bs = request(t, TGT_BS_TAPE_LOCATE);

	bs->offset = get_be32(t->cdb + 3);
	task_submit_prepared(t, moved);
}

/* ---- where it stands ---- */

#define POSITION_SHORT 0x00
#define POSITION_LONG 0x06

static uint8_t position_flags(const struct tgt_bs_request *bs)
{
	uint8_t flags = 0;

	if (bs->pos_flags & TGT_BS_POS_BOP)
		flags |= 0x80;
	if (bs->pos_flags & TGT_BS_POS_EARLY_WARNING)
		flags |= 0x40; /* EOP */
	return flags;
}

static void reply_short_position(struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;
	uint8_t data[20] = {0};

	data[0] = position_flags(bs);
	data[1] = (uint8_t)bs->partition;
	if (bs->pos_object > UINT32_MAX)
		data[0] |= 0x02; /* PERR: it doesn't fit */
	else
		put_be32(data + 4, (uint32_t)bs->pos_object);
	memcpy(data + 8, data + 4, 4); /* nothing is in a buffer of the drive's */
	task_reply(t, data, sizeof(data), sizeof(data));
}

static void reply_long_position(struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;
	uint8_t data[32] = {0};

	data[0] = position_flags(bs);
	put_be32(data + 4, bs->partition);
	put_be64(data + 8, bs->pos_object);
	put_be64(data + 16, bs->pos_file);
	task_reply(t, data, sizeof(data), sizeof(data));
}

static void position_known(struct scsi_task *t)
{
	if (!sbc_store_ok(t))
		return;
	if (t->row->service_action == POSITION_LONG)
		reply_long_position(t);
	else
		reply_short_position(t);
}

static void read_position(struct scsi_task *t)
{
	request(t, TGT_BS_TAPE_POSITION);
	task_submit_prepared(t, position_known);
}

/* SSC-5 READ BLOCK LIMITS: any length from one byte on (GRANULARITY 0). */
static void read_block_limits(struct scsi_task *t)
{
	uint8_t data[6] = {0};

	put_be24(data + 1, tape_max_block(t->lu));
	put_be16(data + 4, 1);
	task_reply(t, data, sizeof(data), sizeof(data));
}

/* ---- LOAD UNLOAD ---- */

#define LOAD_EOT 0x04
#define LOAD_LOAD 0x01

static bool prepare_load(struct scsi_task *t)
{
	/* SSC-5: the end of the medium is no place to be loaded at */
	if (t->cdb[4] & LOAD_LOAD && t->cdb[4] & LOAD_EOT) {
		task_invalid_cdb(t, 4, 2);
		return false;
	}
	return true;
}

static void loaded(struct scsi_task *t)
{
	if (!sbc_store_ok(t))
		return;
	if (!t->lu->medium)
		lu_establish_ua(t->lu, ASC_NOT_READY_TO_READY_CHANGE, t->nexus->id);
	t->lu->medium = true;
	task_good(t);
}

static void unloaded(struct scsi_task *t)
{
	if (!sbc_store_ok(t))
		return;
	t->lu->medium = false;
	task_good(t);
}

static void load_unload(struct scsi_task *t)
{
	bool load = t->cdb[4] & LOAD_LOAD;

	if (!load && lu_removal_prevented(t->lu)) {
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_MEDIUM_REMOVAL_PREVENTED);
	} else if (!load && !t->lu->medium) {
		task_good(t);
	} else {
		request(t, load ? TGT_BS_TAPE_LOAD : TGT_BS_TAPE_UNLOAD);
		task_submit_prepared(t, load ? loaded : unloaded);
	}
}

/* ---- rows ---- */

#define MOVES (ROW_MEDIUM | ROW_EXCLUSIVE_RANGE | ROW_LONG)
#define WRITES (ROW_MEDIUM | ROW_EXCLUSIVE_RANGE | ROW_WRITES)

#define SSC_ROW(op, len, dir, pr_, flags_, prepare_, run_, name_)                                  \
	.opcode = op, .service_action = NO_SERVICE_ACTION, .cdb_len = len, .direction = dir,       \
	.pr = pr_, .flags = flags_, .prepare = prepare_, .run = run_, .name = name_,               \
	.clause = "SSC-5 " name_

const struct opcode_row ssc_rows[] = {
    {SSC_ROW(0x01, 6, DATA_NONE, PR_READ, MOVES, prepare_serial, rewind_tape, "REWIND"),
     .usage = {0x01, IMMED}},
    {SSC_ROW(0x05, 6, DATA_IN, PR_ALLOWED, 0, NULL, read_block_limits, "READ BLOCK LIMITS"),
     .usage = {0x05}},
    {SSC_ROW(0x08, 6, DATA_IN, PR_READ, MOVES, prepare_transfer, ssc_read, "READ(6)"),
     .counts = COUNTS_READ, .usage = {0x08, SILI | FIXED, 0xff, 0xff, 0xff}},
    {SSC_ROW(0x0a, 6, DATA_OUT, PR_WRITE, WRITES, prepare_transfer, ssc_write, "WRITE(6)"),
     .counts = COUNTS_WRITE, .usage = {0x0a, FIXED, 0xff, 0xff, 0xff}},
    {SSC_ROW(0x10, 6, DATA_NONE, PR_WRITE, WRITES, prepare_serial, write_filemarks,
	     "WRITE FILEMARKS(6)"),
     .usage = {0x10, IMMED, 0xff, 0xff, 0xff}},
    {SSC_ROW(0x11, 6, DATA_NONE, PR_READ, MOVES, prepare_space, space, "SPACE(6)"),
     .usage = {0x11, 0x0f, 0xff, 0xff, 0xff}},
    {SSC_ROW(0x19, 6, DATA_NONE, PR_WRITE, WRITES | ROW_LONG, prepare_serial, erase, "ERASE(6)"),
     .usage = {0x19, 0x03}},
    {SSC_ROW(0x1b, 6, DATA_NONE, PR_WRITE, ROW_EXCLUSIVE | ROW_LONG, prepare_load, load_unload,
	     "LOAD UNLOAD"),
     .usage = {0x1b, IMMED, 0, 0, 0x07}},
    {SSC_ROW(0x1e, 6, DATA_NONE, PR_SPECIAL, 0, NULL, sbc_prevent_allow,
	     "PREVENT ALLOW MEDIUM REMOVAL"),
     .usage = {0x1e, 0, 0, 0, 0x01}},
    {SSC_ROW(0x2b, 10, DATA_NONE, PR_READ, MOVES, prepare_locate, locate, "LOCATE(10)"),
     .usage = {0x2b, LOCATE_CP | IMMED, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff}},
    {
	.opcode = 0x34,
	.service_action = POSITION_SHORT,
	.cdb_len = 10,
	.direction = DATA_IN,
	.pr = PR_READ,
	.flags = ROW_MEDIUM | ROW_EXCLUSIVE_RANGE,
	.usage = {0x34},
	.prepare = prepare_serial,
	.run = read_position,
	.name = "READ POSITION",
	.clause = "SSC-5 READ POSITION",
    },
    {
	.opcode = 0x34,
	.service_action = POSITION_LONG,
	.cdb_len = 10,
	.direction = DATA_IN,
	.pr = PR_READ,
	.flags = ROW_MEDIUM | ROW_EXCLUSIVE_RANGE,
	.usage = {0x34},
	.prepare = prepare_serial,
	.run = read_position,
	.name = "READ POSITION",
	.clause = "SSC-5 READ POSITION",
    },
    {.run = NULL},
};
