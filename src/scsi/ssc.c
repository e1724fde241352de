/* SPDX-License-Identifier: MIT */
/* What the tape commands have in common: how they end. */
#include "scsi/ssc.h"

bool ssc_prepare_serial(struct scsi_task *t)
{
	t->lba = 0;
	t->blocks = 1;
	return true;
}

void ssc_end_stream(struct scsi_task *t, const struct stream_end *end)
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

void ssc_end_of_movement(struct scsi_task *t, int64_t residue)
{
	bool late = t->store.bs.pos_flags & TGT_BS_POS_EARLY_WARNING;

	switch (t->store.bs.status) {
	case TGT_BS_ERR_FILEMARK:
		ssc_end_stream(t, &(struct stream_end){.key = KEY_NO_SENSE,
						       .asc = ASC_FILEMARK_DETECTED,
						       .filemark = true,
						       .information = residue});
		break;
	case TGT_BS_ERR_END_OF_DATA:
		ssc_end_stream(t, &(struct stream_end){.key = KEY_BLANK_CHECK,
						       .asc = ASC_END_OF_DATA_DETECTED,
						       .eom = late,
						       .information = residue});
		break;
	case TGT_BS_ERR_BEGINNING:
		ssc_end_stream(
		    t, &(struct stream_end){.key = KEY_NO_SENSE,
					    .asc = ASC_BEGINNING_OF_PARTITION_MEDIUM_DETECTED,
					    .eom = true,
					    .information = residue});
		break;
	case TGT_BS_ERR_EARLY_WARNING: /* all of it is written */
		ssc_end_stream(t, &(struct stream_end){.key = KEY_NO_SENSE,
						       .asc = ASC_END_OF_PARTITION_MEDIUM_DETECTED,
						       .eom = true,
						       .information = residue});
		break;
	case TGT_BS_ERR_END_OF_MEDIUM:
		ssc_end_stream(t, &(struct stream_end){.key = KEY_VOLUME_OVERFLOW,
						       .asc = ASC_END_OF_PARTITION_MEDIUM_DETECTED,
						       .eom = true,
						       .information = residue});
		break;
	default:
		task_store_status(t, &t->store.bs);
		break;
	}
}

void ssc_moved(struct scsi_task *t)
{
	ssc_end_of_movement(t, t->store.bs.residue);
}

struct tgt_bs_request *ssc_request(struct scsi_task *t, enum tgt_bs_op op)
{
	store_request_init(&t->store, op, t->module_data, NULL);
	return &t->store.bs;
}
