/* SPDX-License-Identifier: MIT */
/* READ and WRITE (SSC-5). */
#include "scsi/ssc.h"
#include "scsi/tape_codec.h"

static bool prepare_transfer(struct scsi_task *t)
{
	uint64_t bytes = ssc_count(t);

	if (ssc_is_fixed(t)) {
		/* SSC-5: no fixed blocks without a block length, and no SILI with them */
		if (!t->lu->tape_block_length || t->cdb[1] & SSC_SILI) {
			task_invalid_cdb(t, 1, t->cdb[1] & SSC_SILI ? 1 : 0);
			return false;
		}
		bytes *= t->lu->tape_block_length;
	}
	if (bytes > BUF_MAX_BYTES) {
		task_invalid_cdb(t, 2, 7);
		return false;
	}
	t->transfer_length = (uint32_t)bytes;
	return ssc_prepare_serial(t);
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
	uint32_t length = t->lu->tape_block_length;
	int64_t residue = ssc_count(t) - (int64_t)(t->store.bs.actual / length);

	trim_data(t, t->store.bs.actual);
	if (t->store.bs.status == TGT_BS_ERR_RECORD_LENGTH)
		end_incorrect_length(t, residue);
	else
		ssc_end_of_movement(t, residue);
}

/* SSC-5: ILI tells the difference to what was asked for, negative when the record is longer. */
static void variable_read(struct scsi_task *t)
{
	int64_t asked = ssc_count(t), actual = (int64_t)t->store.bs.actual;
	bool silent = t->cdb[1] & SSC_SILI && (actual <= asked || !t->lu->tape_block_length);

	if (t->store.bs.status != TGT_BS_OK) {
		trim_data(t, 0);
		ssc_end_of_movement(t, asked);
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
	struct tgt_bs_request *bs = ssc_request(t, TGT_BS_TAPE_READ);
	uint32_t record = ssc_is_fixed(t) ? t->lu->tape_block_length : 0;

	bs->record_size = record;
	bs->iov = t->data.iov;
	bs->iovcnt = t->data.iovcnt;
	bs->length = record ? t->data.length / record * record : t->data.length;
	bs->codec = tape_codec(t, false);
	task_submit_prepared(t, record ? fixed_read : variable_read);
}

static void ssc_read(struct scsi_task *t)
{
	if (tape_codec_refused(t))
		return;
	if (t->transfer_length)
		task_get_data(t, t->transfer_length, read_into_data);
	else
		task_good(t);
}

static void written(struct scsi_task *t)
{
	uint32_t record = t->store.bs.record_size;

	ssc_end_of_movement(t, record ? t->store.bs.residue
				      : t->store.bs.residue * (int64_t)t->transfer_length);
}

static void ssc_write(struct scsi_task *t)
{
	struct tgt_bs_request *bs;
	uint32_t record = ssc_is_fixed(t) ? t->lu->tape_block_length : 0;

	if (!t->transfer_length) {
		task_good(t);
		return;
	}
	if (tape_codec_refused(t))
		return;
	/* a record can't be written in part */
	if (t->data.length < t->transfer_length) {
		task_invalid_cdb(t, 2, -1);
		return;
	}
	bs = ssc_request(t, TGT_BS_TAPE_WRITE);
	bs->record_size = record;
	bs->iov = t->data.iov;
	bs->iovcnt = t->data.iovcnt;
	bs->length = t->data.length;
	bs->codec = tape_codec(t, true);
	task_submit_prepared(t, written);
}

const struct opcode_row ssc_rw_rows[] = {
    {SSC_ROW(0x08, 6, DATA_IN, PR_READ, SSC_MOVES, prepare_transfer, ssc_read, "READ(6)"),
     .counts = COUNTS_READ, .usage = {0x08, SSC_SILI | SSC_FIXED, 0xff, 0xff, 0xff}},
    {SSC_ROW(0x0a, 6, DATA_OUT, PR_WRITE, SSC_WRITES, prepare_transfer, ssc_write, "WRITE(6)"),
     .counts = COUNTS_WRITE, .usage = {0x0a, SSC_FIXED, 0xff, 0xff, 0xff}},
    {.run = NULL},
};
