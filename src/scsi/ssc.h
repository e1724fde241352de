/* SPDX-License-Identifier: MIT */
/*
 * What the files of the tape commands (SSC-5) share.  Each command is about where the tape stands,
 * so they run one at a time, in the order in which they came: each claims the same one-block range.
 * All of it runs on the task's reactor.
 */
#ifndef TGT_SCSI_SSC_H
#define TGT_SCSI_SSC_H

#include "scsi/commands.h"
#include "util/bytes.h"

#define SSC_FIXED 0x01 /* byte 1 of READ, WRITE and VERIFY */
#define SSC_SILI 0x02
#define SSC_IMMED 0x01 /* byte 1 of the others */

/* What a stream command ends with beside the sense key: SSC-5 4.2.x, SPC-5 4.4.4. */
struct stream_end {
	enum sense_key key;
	uint16_t asc;
	bool filemark, eom, ili;
	int64_t information;
};

/* CHECK CONDITION; the data that are there are sent. */
void ssc_end_stream(struct scsi_task *t, const struct stream_end *end);
/* Ends t as t->store.bs did: what moving, reading and writing have in common.  residue counts what
 * the CDB counts. */
void ssc_end_of_movement(struct scsi_task *t, int64_t residue);
/* The same with the store's residue: a done() of task_submit_prepared(). */
void ssc_moved(struct scsi_task *t);

/* A prepare(): claims the range that all of them claim. */
bool ssc_prepare_serial(struct scsi_task *t);
/* Sets up the task's store request. */
struct tgt_bs_request *ssc_request(struct scsi_task *t, enum tgt_bs_op op);

/* FIXED, and the count of the six-byte commands. */
static inline bool ssc_is_fixed(const struct scsi_task *t)
{
	return t->cdb[1] & SSC_FIXED;
}

static inline uint32_t ssc_count(const struct scsi_task *t)
{
	return get_be24(t->cdb + 2);
}

#define SSC_MOVES (ROW_MEDIUM | ROW_EXCLUSIVE_RANGE | ROW_LONG)
#define SSC_WRITES (ROW_MEDIUM | ROW_EXCLUSIVE_RANGE | ROW_WRITES)

#define SSC_ROW(op, len, dir, pr_, flags_, prepare_, run_, name_)                                  \
	.opcode = op, .service_action = NO_SERVICE_ACTION, .cdb_len = len, .direction = dir,       \
	.pr = pr_, .flags = flags_, .prepare = prepare_, .run = run_, .name = name_,               \
	.clause = "SSC-5 " name_

#endif
