/* SPDX-License-Identifier: MIT */
/* READ, READ REVERSE and WRITE (SSC-5). */
#include "scsi/lbp.h"
#include "scsi/ssc.h"
#include "scsi/tape_codec.h"

#define BYTORD 0x04 /* READ REVERSE: the bytes of a block in the order of READ */

/* From prepare() on: bytes of a fixed block, 0 for a block of variable length.  MODE SELECT may
 * change it while the task waits. */
#define RECORD(t) ((uint32_t)(t)->work[0])
/* Bytes of protection information at the end of each block, as it is transferred: within its length
 * (SSC-5 logical block protection). */
#define GUARD(t) ((uint32_t)(t)->work[1])
/* WRITE: blocks that were damaged on their way, or stand behind one that was. */
#define BAD(t) ((int64_t)(t)->work[2])

static bool is_reverse(const struct scsi_task *t)
{
	return t->cdb[0] == 0x0f || t->cdb[0] == 0x81;
}

static uint32_t guard_of(const struct scsi_task *t)
{
	const struct tape_modes *modes = tape_modes(t->lu);
	bool wanted = t->row->direction == DATA_OUT ? modes->lbp_write : modes->lbp_read;

	return wanted ? LBP_LENGTH : 0;
}

/* Bytes of a block as it is transferred, and of what of it stands on the tape. */
static uint32_t block_length(const struct scsi_task *t)
{
	return RECORD(t) ? RECORD(t) : ssc_count(t);
}

static uint32_t plain_length(const struct scsi_task *t)
{
	return block_length(t) - GUARD(t);
}

/* False: the task has ended, since there is room for the protection information alone. */
static bool take_guard(struct scsi_task *t)
{
	t->work[1] = guard_of(t);
	if (!GUARD(t) || !t->transfer_length || block_length(t) > GUARD(t))
		return true;
	task_invalid_cdb(t, RECORD(t) ? 1 : ssc_count_byte(t), RECORD(t) ? 0 : 7);
	return false;
}

static bool prepare_transfer(struct scsi_task *t)
{
	uint64_t bytes = ssc_count(t);
	uint32_t record = ssc_is_fixed(t) ? t->lu->tape_block_length : 0;

	if (ssc_is_fixed(t)) {
		/* SSC-5: no fixed blocks without a block length, and no SILI with them */
		if (!record || t->cdb[1] & SSC_SILI) {
			task_invalid_cdb(t, 1, t->cdb[1] & SSC_SILI ? 1 : 0);
			return false;
		}
		bytes *= record;
	}
	if (bytes > BUF_MAX_BYTES || (!record && bytes > tape_max_block(t->lu))) {
		task_invalid_cdb(t, ssc_count_byte(t), 7);
		return false;
	}
	t->transfer_length = (uint32_t)bytes;
	t->work[0] = record;
	return take_guard(t) && ssc_prepare_place(t);
}

/* ---- READ, READ REVERSE ---- */

/* SSC-5 READ REVERSE: support for either value of BYTORD is optional. */
static bool prepare_reverse(struct scsi_task *t)
{
	if (!(t->cdb[1] & BYTORD)) {
		task_invalid_cdb(t, 1, 2);
		return false;
	}
	return prepare_transfer(t);
}

/* A record of another length than was asked for. */
static void end_incorrect_length(struct scsi_task *t, int64_t information)
{
	ssc_end_stream(t, &(struct stream_end){.key = KEY_NO_SENSE,
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
	uint64_t blocks = t->store.bs.actual / plain_length(t);
	int64_t residue = ssc_count(t) - (int64_t)blocks;

	if (GUARD(t))
		lbp_protect(&t->data, plain_length(t), blocks);
	trim_data(t, blocks * RECORD(t));
	if (t->store.bs.status == TGT_BS_ERR_RECORD_LENGTH)
		end_incorrect_length(t, residue);
	else
		ssc_end_of_movement(t, residue);
}

/* SSC-5: ILI tells the difference to what was asked for, negative when the record is longer. */
static void variable_read(struct scsi_task *t)
{
	int64_t asked = ssc_count(t), actual = (int64_t)t->store.bs.actual + GUARD(t);
	bool silent = t->cdb[1] & SSC_SILI && (actual <= asked || !t->lu->tape_block_length);

	if (t->store.bs.status != TGT_BS_OK) {
		trim_data(t, 0);
		ssc_end_of_movement(t, asked);
		return;
	}
	if (GUARD(t))
		lbp_protect(&t->data, (size_t)(actual < asked ? actual : asked) - GUARD(t), 1);
	trim_data(t, (uint64_t)actual);
	if (actual == asked || silent)
		task_good(t);
	else
		end_incorrect_length(t, asked - actual);
}

static void read_into_data(struct scsi_task *t)
{
	struct tgt_bs_request *bs = ssc_request(t, TGT_BS_TAPE_READ);
	uint32_t record = RECORD(t);

	bs->flags = is_reverse(t) ? TGT_BS_REQ_REVERSE : 0;
	bs->record_size = record ? plain_length(t) : 0;
	bs->iov = t->data.iov;
	bs->iovcnt = t->data.iovcnt;
	bs->length = record ? t->data.length / record * (uint64_t)plain_length(t)
			    : t->data.length - GUARD(t);
	bs->codec = tape_codec(t, false);
	task_submit_prepared(t, record ? fixed_read : variable_read);
}

static void get_data_and_read(struct scsi_task *t)
{
	/* the initiator takes less than it asks for: what it got couldn't be checked */
	if (GUARD(t) && t->expected_in < t->transfer_length)
		task_invalid_cdb(t, ssc_count_byte(t), -1);
	else if (t->transfer_length)
		task_get_data(t, t->transfer_length, read_into_data);
	else
		task_good(t);
}

static void ssc_read(struct scsi_task *t)
{
	if (!tape_codec_refused(t))
		ssc_at_place(t, get_data_and_read);
}

static bool reads_backwards(const struct lu *lu)
{
	return store_can(lu->store, TGT_BS_CAN_REVERSE);
}

/* ---- WRITE ---- */

/* SSC-5: the blocks before the damaged one are written, none from it on. */
static void end_guard(struct scsi_task *t)
{
	ssc_end_stream(
	    t, &(struct stream_end){.key = KEY_HARDWARE_ERROR,
				    .asc = ASC_LOGICAL_BLOCK_GUARD_CHECK_FAILED,
				    .information = RECORD(t) ? BAD(t) : (int64_t)ssc_count(t)});
}

static void written(struct scsi_task *t)
{
	int64_t left = t->store.bs.residue + (RECORD(t) ? BAD(t) : 0);

	if (BAD(t) &&
	    (t->store.bs.status == TGT_BS_OK || t->store.bs.status == TGT_BS_ERR_EARLY_WARNING))
		end_guard(t);
	else
		ssc_end_of_writing(t, RECORD(t) ? left : left * (int64_t)t->transfer_length);
}

/* How many of the blocks that were sent arrived as they were, up to the first that didn't. */
static size_t take_good(struct scsi_task *t, size_t blocks)
{
	size_t good = blocks;

	if (GUARD(t)) {
		good = lbp_check(&t->data, plain_length(t), blocks);
		lbp_strip(&t->data, plain_length(t), good);
	}
	t->work[2] = blocks - good;
	return good;
}

static void write_data(struct scsi_task *t)
{
	struct tgt_bs_request *bs;
	size_t good;

	if (!t->transfer_length) {
		task_good(t);
		return;
	}
	good = take_good(t, RECORD(t) ? t->transfer_length / RECORD(t) : 1);
	if (!good) {
		end_guard(t);
		return;
	}
	bs = ssc_write_request(t, TGT_BS_TAPE_WRITE);
	bs->record_size = RECORD(t) ? plain_length(t) : 0;
	bs->iov = t->data.iov;
	bs->iovcnt = t->data.iovcnt;
	bs->length = good * plain_length(t);
	bs->codec = tape_codec(t, true);
	task_submit_prepared(t, written);
}

static void ssc_write(struct scsi_task *t)
{
	/* a record can't be written in part */
	if (t->data.length < t->transfer_length)
		task_invalid_cdb(t, ssc_count_byte(t), -1);
	else if (!tape_codec_refused(t))
		ssc_at_place(t, write_data);
}

/* ---- rows ---- */

#define READ_BITS (SSC_SILI | SSC_FIXED)
#define REVERSE_BITS (BYTORD | SSC_SILI | SSC_FIXED)
#define WRITE_BITS (SSC_FCS | SSC_LCS | SSC_FIXED)

const struct opcode_row ssc_rw_rows[] = {
    {SSC_ROW(0x08, 6, DATA_IN, SSC_PR, SSC_MOVES, prepare_transfer, ssc_read, "READ(6)"),
     .counts = COUNTS_READ, .usage = {0x08, READ_BITS, 0xff, 0xff, 0xff}},
    {SSC_ROW(0x0a, 6, DATA_OUT, SSC_PR, SSC_WRITES, prepare_transfer, ssc_write, "WRITE(6)"),
     .counts = COUNTS_WRITE, .usage = {0x0a, SSC_FIXED, 0xff, 0xff, 0xff}},
    {SSC_ROW(0x0f, 6, DATA_IN, SSC_PR, SSC_MOVES, prepare_reverse, ssc_read, "READ REVERSE(6)"),
     .counts = COUNTS_READ, .usage = {0x0f, REVERSE_BITS, 0xff, 0xff, 0xff},
     .available = reads_backwards},
    {SSC_ROW(0x81, 16, DATA_IN, SSC_PR, SSC_MOVES, prepare_reverse, ssc_read, "READ REVERSE(16)"),
     .counts = COUNTS_READ, .usage = {0x81, REVERSE_BITS, SSC_PLACE_AND_COUNT_USAGE},
     .available = reads_backwards},
    {SSC_ROW(0x88, 16, DATA_IN, SSC_PR, SSC_MOVES, prepare_transfer, ssc_read, "READ(16)"),
     .counts = COUNTS_READ, .usage = {0x88, READ_BITS, SSC_PLACE_AND_COUNT_USAGE}},
    {SSC_ROW(0x8a, 16, DATA_OUT, SSC_PR, SSC_WRITES, prepare_transfer, ssc_write, "WRITE(16)"),
     .counts = COUNTS_WRITE, .usage = {0x8a, WRITE_BITS, SSC_PLACE_AND_COUNT_USAGE}},
    {.run = NULL},
};
