/* SPDX-License-Identifier: MIT */
/* WRITE FILEMARKS, ERASE, and what may be overwritten in append-only mode (SSC-5). */
#include "scsi/sbc.h"
#include "scsi/ssc.h"

/* ---- WRITE FILEMARKS ---- */

static void marks_written(struct scsi_task *t)
{
	ssc_end_of_writing(t, t->store.bs.residue);
}

/* Without filemarks it still puts on the medium what was written before (SSC-5). */
static void write_filemarks_here(struct scsi_task *t)
{
	struct tgt_bs_request *bs = ssc_write_request(t, TGT_BS_TAPE_WRITE_FILEMARKS);

	bs->count = ssc_count(t);
	if (!bs->count) /* nothing is written, so anywhere */
		bs->flags = 0;
	if (t->cdb[1] & SSC_IMMED)
		bs->flags |= TGT_BS_REQ_IMMED;
	task_submit_prepared(t, marks_written);
}

static void write_filemarks(struct scsi_task *t)
{
	ssc_at_place(t, write_filemarks_here);
}

/* ---- ERASE ---- */

#define ERASE_LONG 0x01
#define ERASE_IMMED 0x02

static void erase_here(struct scsi_task *t)
{
	struct tgt_bs_request *bs = ssc_write_request(t, TGT_BS_TAPE_ERASE);

	if (t->cdb[1] & ERASE_LONG)
		bs->flags |= TGT_BS_REQ_LONG;
	task_submit_prepared(t, ssc_done);
}

static void erase(struct scsi_task *t)
{
	ssc_at_place(t, erase_here);
}

/* ---- ALLOW OVERWRITE ---- */

#define ALLOW(t) ((t)->cdb[2])

static bool prepare_allow(struct scsi_task *t)
{
	if (!tape_modes(t->lu)->append_only) {
		task_sense(t, KEY_ILLEGAL_REQUEST,
			   ASC_ILLEGAL_COMMAND_WHEN_NOT_IN_APPEND_ONLY_MODE);
		return false;
	}
	if (ALLOW(t) > TAPE_OVERWRITE_FORMAT) {
		task_invalid_cdb(t, 2, 3);
		return false;
	}
	return ssc_prepare_serial(t);
}

static void allow(struct scsi_task *t)
{
	atomic_store_explicit(&t->lu->tape->overwrite, ALLOW(t), memory_order_relaxed);
	task_good(t);
}

/* SSC-5: only where the tape stands, by what the initiator takes for that. */
static void allow_position(struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;

	if (!sbc_store_ok(t))
		return;
	if (bs->partition != t->cdb[3] || bs->pos_object != get_be64(t->cdb + 4))
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_SEQUENTIAL_POSITIONING_ERROR);
	else
		allow(t);
}

static void allow_overwrite(struct scsi_task *t)
{
	atomic_store_explicit(&t->lu->tape->overwrite, TAPE_OVERWRITE_NOT, memory_order_relaxed);
	if (ALLOW(t) != TAPE_OVERWRITE_POSITION) {
		allow(t);
		return;
	}
	ssc_request(t, TGT_BS_TAPE_POSITION);
	task_submit_prepared(t, allow_position);
}

static bool appends_only(const struct lu *lu)
{
	return store_can(lu->store, TGT_BS_CAN_APPEND_ONLY);
}

/* ---- rows ---- */

#define MARK_BITS (SSC_FCS | SSC_LCS | SSC_IMMED)
#define ERASE_BITS (ERASE_IMMED | ERASE_LONG)

const struct opcode_row ssc_mark_rows[] = {
    {SSC_ROW(0x10, 6, DATA_NONE, SSC_PR, SSC_WRITES, ssc_prepare_place, write_filemarks,
	     "WRITE FILEMARKS(6)"),
     .usage = {0x10, SSC_IMMED, 0xff, 0xff, 0xff}},
    {SSC_ROW(0x19, 6, DATA_NONE, SSC_PR, SSC_WRITES | ROW_LONG, ssc_prepare_place, erase,
	     "ERASE(6)"),
     .usage = {0x19, ERASE_BITS}},
    {SSC_ROW(0x80, 16, DATA_NONE, SSC_PR, SSC_WRITES, ssc_prepare_place, write_filemarks,
	     "WRITE FILEMARKS(16)"),
     .usage = {0x80, MARK_BITS, SSC_PLACE_AND_COUNT_USAGE}},
    {SSC_ROW(0x82, 16, DATA_NONE, SSC_PR, ROW_MEDIUM | ROW_EXCLUSIVE_RANGE, prepare_allow,
	     allow_overwrite, "ALLOW OVERWRITE"),
     .usage = {0x82, 0, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
     .available = appends_only},
    {SSC_ROW(0x93, 16, DATA_NONE, SSC_PR, SSC_WRITES | ROW_LONG, ssc_prepare_place, erase,
	     "ERASE(16)"),
     .usage = {0x93, SSC_FCS | SSC_LCS | ERASE_BITS, SSC_PLACE_USAGE}},
    {.run = NULL},
};
