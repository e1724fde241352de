/* SPDX-License-Identifier: MIT */
/*
 * How a READ or WRITE on a tape wants its records kept: what the data encryption parameters (SSC-5)
 * and the Data Compression page of its I_T nexus say.
 */
#ifndef TGT_SCSI_TAPE_CODEC_H
#define TGT_SCSI_TAPE_CODEC_H

#include <stdbool.h>
#include <tgt/backing-store.h>

struct scsi_task;

/* The codec for the store's request, which lives until the task ends; NULL: records as they come.
 * The task's reactor, while it runs. */
const struct tgt_bs_codec *tape_codec(const struct scsi_task *t, bool writes);

/* True, and the task has ended, when the I_T nexus is locked to data encryption parameters (SSC-5
 * Set Data Encryption page, LOCK) that are no longer there: neither READ nor WRITE may go on. */
bool tape_codec_refused(struct scsi_task *t);

#endif
