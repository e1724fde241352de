/* SPDX-License-Identifier: MIT */
/* Moving: REWIND, SPACE, LOCATE (SSC-5). */
#include "scsi/ssc.h"

static void rewind_tape(struct scsi_task *t)
{
	ssc_request(t, TGT_BS_TAPE_REWIND);
	task_submit_prepared(t, ssc_done);
}

/* ---- SPACE ---- */

#define SPACE_CODE(t) ((t)->cdb[1] & 0x0f)

static bool prepare_space(struct scsi_task *t)
{
	if (SPACE_CODE(t) > TGT_BS_SPACE_END_OF_DATA) {
		task_invalid_cdb(t, 1, 3);
		return false;
	}
	return ssc_prepare_serial(t);
}

static int64_t space_count(const struct scsi_task *t)
{
	int64_t count;

	if (ssc_is_long(t)) {
		count = (int64_t)get_be64(t->cdb + 4);
		return count == INT64_MIN ? -INT64_MAX : count; /* it has no magnitude */
	}
	count = get_be24(t->cdb + 2);
	return count & 0x800000 ? count - 0x1000000 : count;
}

static void spaced(struct scsi_task *t)
{
	if (t->store.bs.status == TGT_BS_ERR_NOT_SUPPORTED) /* sequential filemarks are optional */
		task_invalid_cdb(t, 1, 3);
	else
		ssc_moved(t);
}

static void space(struct scsi_task *t)
{
	struct tgt_bs_request *bs = ssc_request(t, TGT_BS_TAPE_SPACE);

	bs->space_code = SPACE_CODE(t);
	bs->count = space_count(t);
	task_submit_prepared(t, bs->space_code == TGT_BS_SPACE_END_OF_DATA ? ssc_done : spaced);
}

/* ---- LOCATE ---- */

#define LOCATE_CP 0x02
#define LOCATE_BT 0x04  /* (10): a vendor-specific address: the object identifier here, too */
#define LOCATE_BAM 0x01 /* byte 2: which command set follows; both begin where the tape stands */
#define DEST_TYPE(t) (ssc_is_long(t) ? (t)->cdb[1] >> 3 & 0x07 : 0)
enum { DEST_OBJECT = 0, DEST_FILE = 1, DEST_END_OF_DATA = 3 };

static unsigned partition_byte(const struct scsi_task *t)
{
	return ssc_is_long(t) ? 3 : 8;
}

static bool offers_destination(const struct scsi_task *t)
{
	switch (DEST_TYPE(t)) {
	case DEST_OBJECT:
		return true;
	case DEST_FILE:
	case DEST_END_OF_DATA:
		return store_can(t->lu->store, TGT_BS_CAN_LOCATE_FILE);
	default:
		return false;
	}
}

static bool prepare_locate(struct scsi_task *t)
{
	if (!offers_destination(t)) {
		task_invalid_cdb(t, 1, 5);
		return false;
	}
	if (t->cdb[1] & LOCATE_CP && !ssc_check_partition(t, partition_byte(t)))
		return false;
	return ssc_prepare_serial(t);
}

static void locate(struct scsi_task *t)
{
	static const uint8_t codes[] = {[DEST_OBJECT] = TGT_BS_SPACE_RECORDS,
					[DEST_FILE] = TGT_BS_SPACE_FILEMARKS,
					[DEST_END_OF_DATA] = TGT_BS_SPACE_END_OF_DATA};
	struct tgt_bs_request *bs = ssc_request(t, TGT_BS_TAPE_LOCATE);

	bs->space_code = codes[DEST_TYPE(t)];
	bs->offset = ssc_is_long(t) ? get_be64(t->cdb + 4) : get_be32(t->cdb + 3);
	if (bs->space_code == TGT_BS_SPACE_END_OF_DATA)
		bs->offset = 0;
	bs->partition = t->cdb[partition_byte(t)];
	if (!(t->cdb[1] & LOCATE_CP))
		bs->partition = atomic_load_explicit(&t->lu->tape->partition, memory_order_relaxed);
	task_submit_prepared(t, ssc_done);
}

/* ---- rows ---- */

const struct opcode_row ssc_space_rows[] = {
    {SSC_ROW(0x01, 6, DATA_NONE, SSC_PR, SSC_MOVES, ssc_prepare_serial, rewind_tape, "REWIND"),
     .usage = {0x01, SSC_IMMED}},
    {SSC_ROW(0x11, 6, DATA_NONE, SSC_PR, SSC_MOVES, prepare_space, space, "SPACE(6)"),
     .usage = {0x11, 0x0f, 0xff, 0xff, 0xff}},
    {SSC_ROW(0x2b, 10, DATA_NONE, SSC_PR, SSC_MOVES, prepare_locate, locate, "LOCATE(10)"),
     .usage = {0x2b, LOCATE_BT | LOCATE_CP | SSC_IMMED, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff}},
    {SSC_ROW(0x91, 16, DATA_NONE, SSC_PR, SSC_MOVES, prepare_space, space, "SPACE(16)"),
     .usage = {0x91, 0x0f, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
    {SSC_ROW(0x92, 16, DATA_NONE, SSC_PR, SSC_MOVES, prepare_locate, locate, "LOCATE(16)"),
     .usage = {0x92, 0x38 | LOCATE_CP | SSC_IMMED, LOCATE_BAM, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	       0xff, 0xff, 0xff}},
    {.run = NULL},
};
