/* SPDX-License-Identifier: MIT */
/*
 * TapeAlert (SSC-5): flags that tell initiators what has gone wrong.  Each I_T nexus reads a flag
 * once (LOG SENSE); it is active again for all when it happens again.
 */
#ifndef TGT_SCSI_TAPE_ALERT_H
#define TGT_SCSI_TAPE_ALERT_H

#include "scsi/log.h"
#include "scsi/tape.h"
#include "scsi/task.h"

/* Those that can happen here; named as in the standard. */
#define ALERT_HARD_ERROR 0x03
#define ALERT_MEDIUM 0x04
#define ALERT_READ_FAILURE 0x05
#define ALERT_WRITE_FAILURE 0x06
#define ALERT_WRITE_PROTECT 0x09
#define ALERT_NO_REMOVAL 0x0a
#define ALERT_CLEANING_MEDIUM 0x0b
#define ALERT_UNSUPPORTED_FORMAT 0x0c
#define ALERT_READ_ONLY_FORMAT 0x11
#define ALERT_HARDWARE_B 0x1f
#define ALERT_WORM_OVERWRITE 0x3c

#define ALERT_BYTES (TAPE_ALERTS / 8)

/* The flags that can be raised, flag 1 first. */
extern const uint8_t tape_alerts_supported[ALERT_BYTES];

/* A task has ended with CHECK CONDITION: what its sense data mean. */
void tape_alert_sense(const struct scsi_task *t);
/* By what cartridge is in the drive now. */
void tape_alert_medium(struct lu *lu);
/* A cartridge came or went: what was about the one before is over. */
void tape_alert_forget_medium(struct lu *lu);
/* LOG SELECT, or a logical unit reset. */
void tape_alert_clear(struct lu *lu);
bool tape_alert_is_raised(const struct lu *lu, unsigned flag);

/* The TapeAlert log page: the flags, and then what is different for the nexus that asks, for which
 * they are read by that. */
unsigned tape_alert_params(const struct lu *lu, struct log_param *out);
void tape_alert_for_nexus(const struct scsi_task *t, struct log_param *params, unsigned count);

#endif
