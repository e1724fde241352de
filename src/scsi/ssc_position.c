/* SPDX-License-Identifier: MIT */
/* READ POSITION and READ BLOCK LIMITS (SSC-5). */
#include "scsi/sbc.h"
#include "scsi/ssc.h"
#include "scsi/tape.h"

#define POSITION_SHORT 0x00
#define POSITION_SHORT_VENDOR 0x01 /* Linux asks so, and for LOCATE with BT */
#define POSITION_LONG 0x06

static uint8_t position_flags(const struct tgt_bs_request *bs)
{
	uint8_t flags = 0;

	if (bs->pos_flags & TGT_BS_POS_BOP)
		flags |= 0x80;
	if (bs->pos_flags & TGT_BS_POS_EARLY_WARNING)
		flags |= 0x40; /* EOP */
	return flags;
}

static void reply_short_position(struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;
	uint8_t data[20] = {0};

	data[0] = position_flags(bs);
	data[1] = (uint8_t)bs->partition;
	if (bs->pos_object > UINT32_MAX)
		data[0] |= 0x02; /* PERR: it doesn't fit */
	else
		put_be32(data + 4, (uint32_t)bs->pos_object);
	memcpy(data + 8, data + 4, 4); /* nothing is in a buffer of the drive's */
	task_reply(t, data, sizeof(data), sizeof(data));
}

static void reply_long_position(struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;
	uint8_t data[32] = {0};

	data[0] = position_flags(bs);
	put_be32(data + 4, bs->partition);
	put_be64(data + 8, bs->pos_object);
	put_be64(data + 16, bs->pos_file);
	task_reply(t, data, sizeof(data), sizeof(data));
}

static void position_known(struct scsi_task *t)
{
	if (!sbc_store_ok(t))
		return;
	if (t->row->service_action == POSITION_LONG)
		reply_long_position(t);
	else
		reply_short_position(t);
}

static void read_position(struct scsi_task *t)
{
	ssc_request(t, TGT_BS_TAPE_POSITION);
	task_submit_prepared(t, position_known);
}

/* SSC-5 READ BLOCK LIMITS: any length from one byte on (GRANULARITY 0). */
static void read_block_limits(struct scsi_task *t)
{
	uint8_t data[6] = {0};

	put_be24(data + 1, tape_max_block(t->lu));
	put_be16(data + 4, 1);
	task_reply(t, data, sizeof(data), sizeof(data));
}

const struct opcode_row ssc_position_rows[] = {
    {SSC_ROW(0x05, 6, DATA_IN, PR_ALLOWED, 0, NULL, read_block_limits, "READ BLOCK LIMITS"),
     .usage = {0x05}},
    {
	.opcode = 0x34,
	.service_action = POSITION_SHORT,
	.cdb_len = 10,
	.direction = DATA_IN,
	.pr = PR_READ,
	.flags = ROW_MEDIUM | ROW_EXCLUSIVE_RANGE,
	.usage = {0x34},
	.prepare = ssc_prepare_serial,
	.run = read_position,
	.name = "READ POSITION",
	.clause = "SSC-5 READ POSITION",
    },
    {
	.opcode = 0x34,
	.service_action = POSITION_SHORT_VENDOR,
	.cdb_len = 10,
	.direction = DATA_IN,
	.pr = PR_READ,
	.flags = ROW_MEDIUM | ROW_EXCLUSIVE_RANGE,
	.usage = {0x34},
	.prepare = ssc_prepare_serial,
	.run = read_position,
	.name = "READ POSITION",
	.clause = "SSC-5 READ POSITION",
    },
    {
	.opcode = 0x34,
	.service_action = POSITION_LONG,
	.cdb_len = 10,
	.direction = DATA_IN,
	.pr = PR_READ,
	.flags = ROW_MEDIUM | ROW_EXCLUSIVE_RANGE,
	.usage = {0x34},
	.prepare = ssc_prepare_serial,
	.run = read_position,
	.name = "READ POSITION",
	.clause = "SSC-5 READ POSITION",
    },
    {.run = NULL},
};
