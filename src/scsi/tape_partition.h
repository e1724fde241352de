/* SPDX-License-Identifier: MIT */
/* The Medium Partition mode page (SSC-5): what partitions there are, and are to be. */
#ifndef TGT_SCSI_TAPE_PARTITION_H
#define TGT_SCSI_TAPE_PARTITION_H

#include "scsi/mode.h"

void tape_partition_add_page(struct mode_state *state, const struct lu *lu);
/* See tape_mode_present() and tape_mode_check(). */
void tape_partition_present(const struct mode_page *page, const struct tgt_bs_tape_info *info,
			    enum mode_values kind, uint8_t *at);
int tape_partition_check(const struct lu *lu, const uint8_t *given, size_t length);

#endif
