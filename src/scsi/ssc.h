/* SPDX-License-Identifier: MIT */
/*
 * What the files of the tape commands (SSC-5) share.  Each command is about where the tape stands,
 * so they run one at a time, in the order in which they came: each claims the same one-block range.
 * All of it runs on the task's reactor.
 *
 * IMMED lets a device answer before it is done.  This one is done first: whoever comes next would
 * have to wait anyway, and an error is told to whom it concerns.
 *
 * The 16-byte commands of the explicit address command set (READ, WRITE, VERIFY …) name the place
 * where they begin; ssc_at_place() goes there first.  FCS and LCS of those that write delimit a
 * tagged write sequence: since each command is carried out in its turn, and only at its place, they
 * have nothing to add.
 */
#ifndef TGT_SCSI_SSC_H
#define TGT_SCSI_SSC_H

#include "scsi/commands.h"
#include "scsi/tape.h"
#include "util/bytes.h"

#define SSC_FIXED 0x01 /* byte 1 of READ, WRITE and VERIFY */
#define SSC_SILI 0x02
#define SSC_IMMED 0x01 /* byte 1 of the others */
#define SSC_FCS 0x08   /* byte 1 of those that write, explicit address command set */
#define SSC_LCS 0x04

/* What a stream command ends with beside the sense key: SSC-5 and SPC-5, sense data. */
struct stream_end {
	enum sense_key key;
	uint16_t asc;
	bool filemark, eom, ili;
	bool no_information;
	int64_t information;
};

/* CHECK CONDITION; the data that are there are sent. */
void ssc_end_stream(struct scsi_task *t, const struct stream_end *end);
/* Ends t as t->store.bs did: what moving, reading and writing have in common.  residue counts what
 * the CDB counts. */
void ssc_end_of_movement(struct scsi_task *t, int64_t residue);
/* The same with the store's residue, and for commands that count nothing: a done() of
 * task_submit_prepared(). */
void ssc_moved(struct scsi_task *t);
void ssc_done(struct scsi_task *t);

/* A prepare(): claims the range that all of them claim. */
bool ssc_prepare_serial(struct scsi_task *t);
/* The same of the explicit address command set; false: there is no such partition, and the task has
 * ended. */
bool ssc_prepare_place(struct scsi_task *t);
/* False: the medium in the drive has no such partition, and the task has ended. */
bool ssc_check_partition(struct scsi_task *t, unsigned byte);
/* Sets up the task's store request. */
struct tgt_bs_request *ssc_request(struct scsi_task *t, enum tgt_bs_op op);
/* The same of one that writes where the tape stands: with what the append-only mode asks for. */
struct tgt_bs_request *ssc_write_request(struct scsi_task *t, enum tgt_bs_op op);
/* Goes to PARTITION and LOGICAL OBJECT IDENTIFIER of the CDB, then run(t). */
void ssc_at_place(struct scsi_task *t, void (*run)(struct scsi_task *t));
/* True when bs left the tape within the zone of programmable early warning (SSC-5). */
bool ssc_is_past_programmable(const struct lu *lu, const struct tgt_bs_request *bs);
/* Ends t after objects were written; residue as in ssc_end_of_movement(). */
void ssc_end_of_writing(struct scsi_task *t, int64_t residue);

/* Explicit address command set, by the group code of its CDBs. */
static inline bool ssc_is_long(const struct scsi_task *t)
{
	return t->cdb[0] >= 0x80;
}

static inline bool ssc_is_fixed(const struct scsi_task *t)
{
	return t->cdb[1] & SSC_FIXED;
}

/* Where TRANSFER LENGTH, VERIFICATION LENGTH and FILEMARK COUNT stand, and what they say. */
static inline unsigned ssc_count_byte(const struct scsi_task *t)
{
	return ssc_is_long(t) ? 12 : 2;
}

static inline uint32_t ssc_count(const struct scsi_task *t)
{
	return get_be24(t->cdb + ssc_count_byte(t));
}

#define SSC_MOVES (ROW_MEDIUM | ROW_EXCLUSIVE_RANGE | ROW_LONG)
#define SSC_WRITES (ROW_MEDIUM | ROW_EXCLUSIVE_RANGE | ROW_WRITES)
/* Who moves the tape moves it for all: under a reservation of any type these conflict (SSC-5,
 * commands allowed in the presence of various reservations). */
#define SSC_PR PR_WRITE

#define SSC_ROW(op, len, dir, pr_, flags_, prepare_, run_, name_)                                  \
	.opcode = op, .service_action = NO_SERVICE_ACTION, .cdb_len = len, .direction = dir,       \
	.pr = pr_, .flags = flags_, .prepare = prepare_, .run = run_, .name = name_,               \
	.clause = "SSC-5 " name_
/* Bytes 3 to 14 of the usage data: PARTITION, LOGICAL OBJECT IDENTIFIER, a count. */
#define SSC_PLACE_USAGE 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
#define SSC_PLACE_AND_COUNT_USAGE SSC_PLACE_USAGE, 0xff, 0xff, 0xff

#endif
