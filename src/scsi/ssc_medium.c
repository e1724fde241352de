/* SPDX-License-Identifier: MIT */
/* Marks, erasing and the medium itself: WRITE FILEMARKS, ERASE, LOAD UNLOAD (SSC-5). */
#include "scsi/mam.h"
#include "scsi/sbc.h"
#include "scsi/security.h"
#include "scsi/ssc.h"
#include "scsi/ua.h"

static void write_filemarks(struct scsi_task *t)
{
	struct tgt_bs_request *bs = ssc_request(t, TGT_BS_TAPE_WRITE_FILEMARKS);

	bs->count = ssc_count(t);
	bs->flags = t->cdb[1] & SSC_IMMED ? TGT_BS_REQ_IMMED : 0;
	task_submit_prepared(t, ssc_moved);
}

static void erase(struct scsi_task *t)
{
	struct tgt_bs_request *bs = ssc_request(t, TGT_BS_TAPE_ERASE);

	bs->flags = t->cdb[1] & 0x01 ? TGT_BS_REQ_LONG : 0;
	task_submit_prepared(t, ssc_moved);
}

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
	if (t->lu->medium) {
		task_good(t);
		return;
	}
	lu_establish_ua(t->lu, ASC_NOT_READY_TO_READY_CHANGE, t->nexus->id);
	t->lu->medium = true;
	mam_load(t, task_good);
}

static void unloaded(struct scsi_task *t)
{
	if (!sbc_store_ok(t))
		return;
	t->lu->medium = false;
	security_unloaded(t->lu, t->nexus->id);
	task_good(t);
}

static void unload(struct scsi_task *t)
{
	ssc_request(t, TGT_BS_TAPE_UNLOAD);
	task_submit_prepared(t, unloaded);
}

static void load_unload(struct scsi_task *t)
{
	bool load = t->cdb[4] & LOAD_LOAD;

	if (!load && lu_removal_prevented(t->lu)) {
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_MEDIUM_REMOVAL_PREVENTED);
	} else if (!load && !t->lu->medium) {
		task_good(t);
	} else if (load) {
		ssc_request(t, TGT_BS_TAPE_LOAD);
		task_submit_prepared(t, loaded);
	} else {
		mam_unload(t, unload);
	}
}

const struct opcode_row ssc_medium_rows[] = {
    {SSC_ROW(0x10, 6, DATA_NONE, PR_WRITE, SSC_WRITES, ssc_prepare_serial, write_filemarks,
	     "WRITE FILEMARKS(6)"),
     .usage = {0x10, SSC_IMMED, 0xff, 0xff, 0xff}},
    {SSC_ROW(0x19, 6, DATA_NONE, PR_WRITE, SSC_WRITES | ROW_LONG, ssc_prepare_serial, erase,
	     "ERASE(6)"),
     .usage = {0x19, 0x03}},
    {SSC_ROW(0x1b, 6, DATA_NONE, PR_WRITE, ROW_EXCLUSIVE | ROW_LONG, prepare_load, load_unload,
	     "LOAD UNLOAD"),
     .usage = {0x1b, SSC_IMMED, 0, 0, 0x07}},
    {SSC_ROW(0x1e, 6, DATA_NONE, PR_SPECIAL, 0, NULL, sbc_prevent_allow,
	     "PREVENT ALLOW MEDIUM REMOVAL"),
     .usage = {0x1e, 0, 0, 0, 0x01}},
    {.run = NULL},
};
