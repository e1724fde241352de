/* SPDX-License-Identifier: MIT */
/* VERIFY (SSC-5): reads what stands on the tape, and compares it with what was sent. */
#include "scsi/sbc.h"
#include "scsi/ssc.h"
#include "scsi/tape_codec.h"

#define VERIFY_IMMED 0x04
#define VERIFY_BYTCMP 0x02
#define READ_AT_ONCE (1u << 20) /* bytes, when nothing is compared */

/* In t->work: bytes of a fixed block or 0, blocks that are to be verified, and that have been. */
#define RECORD(t) ((uint32_t)(t)->work[0])
#define WANTED(t) ((t)->work[1])
#define VERIFIED(t) ((t)->work[2])

static bool compares(const struct scsi_task *t)
{
	return t->cdb[1] & VERIFY_BYTCMP;
}

static bool prepare_verify(struct scsi_task *t)
{
	uint32_t count = ssc_count(t);
	uint32_t record = ssc_is_fixed(t) ? t->lu->tape_block_length : 0;
	uint64_t bytes = record ? (uint64_t)count * record : count;

	/* SSC-5: who isn't to wait can't be told what compares */
	if (compares(t) && t->cdb[1] & VERIFY_IMMED) {
		task_invalid_cdb(t, 1, 2);
		return false;
	}
	if (ssc_is_fixed(t) && !record) {
		task_invalid_cdb(t, 1, 0);
		return false;
	}
	if ((record ? compares(t) && bytes > BUF_MAX_BYTES : bytes > tape_max_block(t->lu)) ||
	    record > BUF_MAX_BYTES) {
		task_invalid_cdb(t, ssc_count_byte(t), 7);
		return false;
	}
	t->transfer_length = compares(t) ? (uint32_t)bytes : 0;
	t->work[0] = record;
	t->work[1] = record ? count : count != 0;
	t->work[2] = 0;
	return ssc_prepare_place(t);
}

/* What isn't verified yet, as INFORMATION counts it. */
static int64_t residue(const struct scsi_task *t)
{
	return RECORD(t) ? (int64_t)(WANTED(t) - VERIFIED(t)) : (int64_t)ssc_count(t);
}

/* The first len bytes that were read against Data-Out from offset on. */
static bool is_same(const struct scsi_task *t, size_t offset, size_t len)
{
	for (size_t done = 0, run; done < len; done += run) {
		const void *read = databuf_at(&t->scratch, done, &run);

		if (run > len - done)
			run = len - done;
		if (sbc_compare(&t->data, offset + done, read, run) < run)
			return false;
	}
	return true;
}

static void end_miscompare(struct scsi_task *t)
{
	ssc_end_stream(t, &(struct stream_end){.key = KEY_MISCOMPARE,
					       .asc = ASC_MISCOMPARE_DURING_VERIFY,
					       .information = residue(t)});
}

static void end_incorrect_length(struct scsi_task *t, int64_t information)
{
	ssc_end_stream(t, &(struct stream_end){.ili = true, .information = information});
}

static void read_more(struct scsi_task *t);

static void fixed_read(struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;

	if (compares(t) && !is_same(t, VERIFIED(t) * RECORD(t), bs->actual)) {
		end_miscompare(t);
		return;
	}
	t->work[2] += bs->actual / RECORD(t);
	if (bs->status == TGT_BS_ERR_RECORD_LENGTH)
		end_incorrect_length(t, residue(t));
	else if (bs->status != TGT_BS_OK || VERIFIED(t) >= WANTED(t))
		ssc_end_of_movement(t, residue(t));
	else
		read_more(t);
}

static void variable_read(struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;

	if (bs->status != TGT_BS_OK)
		ssc_end_of_movement(t, residue(t));
	else if (bs->actual != ssc_count(t))
		end_incorrect_length(t, (int64_t)ssc_count(t) - (int64_t)bs->actual);
	else if (compares(t) && !is_same(t, 0, bs->actual))
		end_miscompare(t);
	else
		task_good(t);
}

static void read_more(struct scsi_task *t)
{
	struct tgt_bs_request *bs = ssc_request(t, TGT_BS_TAPE_READ);
	uint64_t left = (WANTED(t) - VERIFIED(t)) * RECORD(t);

	bs->codec = tape_codec(t, false);
	bs->record_size = RECORD(t);
	bs->iov = t->scratch.iov;
	bs->iovcnt = t->scratch.iovcnt;
	bs->length = t->scratch.length;
	if (RECORD(t) && bs->length > left)
		bs->length = left;
	task_submit_prepared(t, RECORD(t) ? fixed_read : variable_read);
}

/* What is compared is read block by block: the tape stops behind the one that differs. */
static void verify_here(struct scsi_task *t)
{
	uint64_t len = ssc_count(t);

	if (RECORD(t)) {
		uint64_t fit = compares(t) ? 1 : READ_AT_ONCE / RECORD(t);

		if (fit > WANTED(t))
			fit = WANTED(t);
		len = (fit ? fit : 1) * RECORD(t);
	}
	task_get_read_back(t, (uint32_t)len, read_more);
}

static void verify(struct scsi_task *t)
{
	if (!WANTED(t))
		task_good(t);
	else if (t->data.length < t->transfer_length)
		task_invalid_cdb(t, ssc_count_byte(t), -1);
	else if (!tape_codec_refused(t))
		ssc_at_place(t, verify_here);
}

#define VERIFY_BITS (VERIFY_IMMED | VERIFY_BYTCMP | SSC_FIXED)

const struct opcode_row ssc_verify_rows[] = {
    {SSC_ROW(0x13, 6, DATA_OUT, SSC_PR, SSC_MOVES, prepare_verify, verify, "VERIFY(6)"),
     .usage = {0x13, VERIFY_BITS, 0xff, 0xff, 0xff}},
    {SSC_ROW(0x8f, 16, DATA_OUT, SSC_PR, SSC_MOVES, prepare_verify, verify, "VERIFY(16)"),
     .usage = {0x8f, VERIFY_BITS, SSC_PLACE_AND_COUNT_USAGE}},
    {.run = NULL},
};
