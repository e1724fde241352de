/* SPDX-License-Identifier: MIT */
#include "scsi/tape_codec.h"

#include <stddef.h>

const struct tgt_bs_codec *tape_codec(const struct scsi_task *t, bool writes)
{
	(void)t;
	(void)writes;
	return NULL;
}

bool tape_codec_refused(struct scsi_task *t)
{
	(void)t;
	return false;
}
