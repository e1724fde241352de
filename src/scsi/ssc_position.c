/* SPDX-License-Identifier: MIT */
/* READ POSITION and READ BLOCK LIMITS (SSC-5). */
#include "scsi/sbc.h"
#include "scsi/ssc.h"

#define POSITION_SHORT 0x00
#define POSITION_SHORT_VENDOR 0x01 /* vendor-specific locations: here the same */
#define POSITION_LONG 0x06
#define POSITION_EXTENDED 0x08

#define BOP 0x80
#define EOP 0x40
#define LOLU 0x04 /* short and extended form: the location is unknown */
#define MPU 0x08  /* long form: the file identifier is */
#define LONU 0x04 /* long form: the logical object number and the partition are */
#define PERR 0x02 /* short form: the location doesn't fit */
#define BPEW 0x01

static uint8_t position_flags(const struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;
	uint8_t flags = 0;

	if (bs->pos_flags & TGT_BS_POS_BOP)
		flags |= BOP;
	if (bs->pos_flags & TGT_BS_POS_EARLY_WARNING)
		flags |= EOP;
	if (ssc_is_past_programmable(t->lu, bs))
		flags |= BPEW;
	return flags;
}

static bool is_unknown(const struct tgt_bs_request *bs)
{
	return bs->pos_flags & TGT_BS_POS_UNKNOWN;
}

static void reply_short_position(struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;
	uint8_t data[20] = {0};

	data[0] = position_flags(t);
	data[1] = (uint8_t)bs->partition;
	if (is_unknown(bs))
		data[0] |= LOLU;
	else if (bs->pos_object > UINT32_MAX)
		data[0] |= PERR;
	else
		put_be32(data + 4, (uint32_t)bs->pos_object);
	memcpy(data + 8, data + 4, 4); /* nothing is in a buffer of the drive's */
	task_reply(t, data, sizeof(data), sizeof(data));
}

static void reply_long_position(struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;
	uint8_t data[32] = {0};

	data[0] = position_flags(t);
	if (is_unknown(bs)) {
		data[0] |= MPU | LONU;
	} else {
		put_be32(data + 4, bs->partition);
		put_be64(data + 8, bs->pos_object);
		put_be64(data + 16, bs->pos_file);
	}
	task_reply(t, data, sizeof(data), sizeof(data));
}

static void reply_extended_position(struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;
	uint8_t data[32] = {0};

	data[0] = position_flags(t);
	data[1] = (uint8_t)bs->partition;
	put_be16(data + 2, sizeof(data) - 4);
	if (is_unknown(bs)) {
		data[0] |= LOLU;
	} else {
		put_be64(data + 8, bs->pos_object);
		put_be64(data + 16, bs->pos_object); /* as above */
	}
	task_reply(t, data, sizeof(data), get_be16(t->cdb + 7));
}

static void position_known(struct scsi_task *t)
{
	if (!sbc_store_ok(t))
		return;
	switch (t->row->service_action) {
	case POSITION_LONG:
		reply_long_position(t);
		break;
	case POSITION_EXTENDED:
		reply_extended_position(t);
		break;
	default:
		reply_short_position(t);
	}
}

static void read_position(struct scsi_task *t)
{
	ssc_request(t, TGT_BS_TAPE_POSITION);
	task_submit_prepared(t, position_known);
}

/* ---- READ BLOCK LIMITS ---- */

#define MLOI 0x01
#define MAX_OBJECT ((uint64_t)INT64_MAX)

/* Any length from one byte on (GRANULARITY 0); with MLOI the largest object identifier instead. */
static void read_block_limits(struct scsi_task *t)
{
	uint8_t data[20] = {0};

	if (t->cdb[1] & MLOI) {
		put_be64(data + 12, MAX_OBJECT);
		task_reply(t, data, sizeof(data), sizeof(data));
		return;
	}
	put_be24(data + 1, tape_max_block(t->lu));
	put_be16(data + 4, 1);
	task_reply(t, data, 6, 6);
}

/* ---- rows ---- */

#define POSITION_ROW(action)                                                                       \
	.opcode = 0x34, .service_action = action, .cdb_len = 10, .direction = DATA_IN,             \
	.pr = SSC_PR, .flags = ROW_MEDIUM | ROW_EXCLUSIVE_RANGE, .prepare = ssc_prepare_serial,    \
	.run = read_position, .name = "READ POSITION", .clause = "SSC-5 READ POSITION"

/* Only the extended form has an allocation length; elsewhere it has to be zero. */
const struct opcode_row ssc_position_rows[] = {
    {SSC_ROW(0x05, 6, DATA_IN, PR_ALLOWED, 0, NULL, read_block_limits, "READ BLOCK LIMITS"),
     .usage = {0x05, MLOI}},
    {POSITION_ROW(POSITION_SHORT), .usage = {0x34}},
    {POSITION_ROW(POSITION_SHORT_VENDOR), .usage = {0x34}},
    {POSITION_ROW(POSITION_LONG), .usage = {0x34}},
    {POSITION_ROW(POSITION_EXTENDED), .usage = {0x34, 0, 0, 0, 0, 0, 0, 0xff, 0xff}},
    {.run = NULL},
};
