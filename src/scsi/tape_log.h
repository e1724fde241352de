/* SPDX-License-Identifier: MIT */
/* The log pages that only tape drives have (SSC-5, and two of LTO drives); see struct log_page. */
#ifndef TGT_SCSI_TAPE_LOG_H
#define TGT_SCSI_TAPE_LOG_H

#include "scsi/log.h"

unsigned tape_log_sequential(const struct lu *lu, struct log_param *out);
void tape_log_reset_sequential(struct lu *lu, int code);
unsigned tape_log_volume(const struct lu *lu, struct log_param *out);
unsigned tape_log_compression(const struct lu *lu, struct log_param *out);
void tape_log_reset_compression(struct lu *lu, int code);
unsigned tape_log_usage(const struct lu *lu, struct log_param *out);
/* Another cartridge, or none. */
void tape_log_restart_usage(struct lu *lu);
unsigned tape_log_capacity(const struct lu *lu, struct log_param *out);

#endif
