/* SPDX-License-Identifier: MIT */
/* Moving: REWIND, SPACE, LOCATE (SSC-5). */
#include "scsi/ssc.h"

static void rewind_tape(struct scsi_task *t)
{
	ssc_request(t, TGT_BS_TAPE_REWIND);
	task_submit_prepared(t, ssc_moved);
}

#define SPACE_CODE(t) ((t)->cdb[1] & 0x0f)

static bool prepare_space(struct scsi_task *t)
{
	switch (SPACE_CODE(t)) {
	case TGT_BS_SPACE_RECORDS:
	case TGT_BS_SPACE_FILEMARKS:
	case TGT_BS_SPACE_END_OF_DATA:
		return ssc_prepare_serial(t);
	default:
		task_invalid_cdb(t, 1, 3);
		return false;
	}
}

static void space(struct scsi_task *t)
{
	struct tgt_bs_request *bs = ssc_request(t, TGT_BS_TAPE_SPACE);
	int64_t count = ssc_count(t);

	bs->space_code = SPACE_CODE(t);
	bs->count = count & 0x800000 ? count - 0x1000000 : count;
	task_submit_prepared(t, ssc_moved);
}

#define LOCATE_CP 0x02
#define LOCATE_BT 0x04 /* a vendor specific address: it is the object identifier here, too */

static bool prepare_locate(struct scsi_task *t)
{
	if (t->cdb[1] & LOCATE_CP && t->cdb[8]) {
		task_invalid_cdb(t, 8, 7);
		return false;
	}
	return ssc_prepare_serial(t);
}

static void locate(struct scsi_task *t)
{
	struct tgt_bs_request *bs = ssc_request(t, TGT_BS_TAPE_LOCATE);

	bs->offset = get_be32(t->cdb + 3);
	task_submit_prepared(t, ssc_moved);
}

const struct opcode_row ssc_space_rows[] = {
    {SSC_ROW(0x01, 6, DATA_NONE, PR_READ, SSC_MOVES, ssc_prepare_serial, rewind_tape, "REWIND"),
     .usage = {0x01, SSC_IMMED}},
    {SSC_ROW(0x11, 6, DATA_NONE, PR_READ, SSC_MOVES, prepare_space, space, "SPACE(6)"),
     .usage = {0x11, 0x0f, 0xff, 0xff, 0xff}},
    {SSC_ROW(0x2b, 10, DATA_NONE, PR_READ, SSC_MOVES, prepare_locate, locate, "LOCATE(10)"),
     .usage = {0x2b, LOCATE_BT | LOCATE_CP | SSC_IMMED, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff}},
    {.run = NULL},
};
