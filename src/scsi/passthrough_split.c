/* SPDX-License-Identifier: MIT */
/*
 * Transfers longer than the device takes in one command.  READ and WRITE of blocks are sent in
 * parts: the standard promises nothing about blocks of one command that one doesn't get for blocks
 * of several (SBC-4 4.4 knows atomic commands, which are others), and as every part carries FUA and
 * DPO, and GOOD comes after the last, FUA holds for the whole.  Not so when the data hold
 * protection information, as a block is longer then, nor for block lengths that are no power of
 * two.  All other commands are refused.
 */
#include "scsi/commands.h"
#include "scsi/passthrough.h"
#include "util/bytes.h"

#define PROTECT 0xe0 /* RDPROTECT, WRPROTECT */

static bool is_split(const struct scsi_task *t)
{
	return t->row->route && t->row->route->flags & PT_SPLIT;
}

void passthrough_take_limits(struct scsi_task *t)
{
	uint32_t block =
	    atomic_load_explicit(&t->lu->passthrough->block_length, memory_order_relaxed);

	t->work[PT_WORK_LIMITS] = (uint64_t)passthrough_max_transfer(t->lu) << 32 | block;
}

static uint32_t block_length(const struct scsi_task *t)
{
	return (uint32_t)t->work[PT_WORK_LIMITS];
}

static uint32_t max_transfer(const struct scsi_task *t)
{
	return (uint32_t)(t->work[PT_WORK_LIMITS] >> 32);
}

/* SBC-4 5.10 to 5.14, 5.40 to 5.44 */
static void find_range(const uint8_t *cdb, uint64_t *lba, uint64_t *blocks)
{
	if (cdb[0] < 0x20) {
		*lba = get_be24(cdb + 1) & 0x1fffff;
		*blocks = cdb[4] ? cdb[4] : 256;
	} else if (cdb[0] < 0x60) {
		*lba = get_be32(cdb + 2);
		*blocks = get_be16(cdb + 7);
	} else if (cdb[0] < 0xa0) {
		*lba = get_be64(cdb + 2);
		*blocks = get_be32(cdb + 10);
	} else {
		*lba = get_be32(cdb + 2);
		*blocks = get_be32(cdb + 6);
	}
}

bool passthrough_length(const struct scsi_task *t, uint64_t *bytes)
{
	uint64_t lba, blocks;

	if (!is_split(t) || !block_length(t) || (t->cdb[0] >= 0x20 && t->cdb[1] & PROTECT))
		return false;
	find_range(t->cdb, &lba, &blocks);
	*bytes = blocks * block_length(t);
	return true;
}

unsigned passthrough_length_field(const struct scsi_task *t)
{
	bool tape = passthrough_group(t->lu->passthrough->device_type) == PT_TAPE;

	if (t->cdb[0] == 0x7f)
		return 28;
	switch (t->cdb[0] >> 5) {
	case 0:
		return tape ? 2 : 4;
	case 1:
	case 2:
		return 7;
	case 4:
		return tape ? 12 : 10;
	case 5:
		return 6;
	default:
		return 0;
	}
}

uint32_t passthrough_max_transfer(const struct lu *lu)
{
	return atomic_load_explicit(&lu->passthrough->max_transfer, memory_order_relaxed);
}

uint32_t passthrough_part_max(const struct scsi_task *t)
{
	uint32_t block = block_length(t), max = max_transfer(t);
	uint64_t length;

	if (!passthrough_length(t, &length) || block & (block - 1) || block > BUF_MAX_PIECE)
		return 0;
	if (!max)
		max = BUF_MAX_PIECE;
	return max - max % block;
}

/* An initiator that expects less than its CDB asks for gets that: a device would move all of it,
 * and an adapter take that for an error. */
bool passthrough_needs_parts(const struct scsi_task *t)
{
	uint32_t max = max_transfer(t);
	uint64_t length;

	if (!passthrough_part_max(t) || !passthrough_length(t, &length))
		return false;
	return (max && t->data.length > max) || t->data.length < length;
}

uint32_t passthrough_whole_blocks(const struct scsi_task *t)
{
	uint32_t block = block_length(t);

	return block ? t->data.length - t->data.length % block : 0;
}

/* One of the long forms, which every part fits in; DPO, FUA and RARC stand at the same place in
 * all but the shortest, which has none. */
static void put_cdb(uint8_t *cdb, const uint8_t *from, uint64_t lba, uint32_t blocks)
{
	uint8_t base = from[0] & 0x1f; /* the same in all lengths */
	uint8_t options = from[0] < 0x20 ? 0 : from[1];
	uint8_t control = from[0] < 0x20 ? from[5] : from[0] < 0x60 ? from[9] : 0;

	for (unsigned i = 0; i < SCSI_MAX_CDB; i++)
		cdb[i] = 0;
	cdb[1] = options;
	if (lba + blocks <= UINT32_MAX && blocks <= UINT16_MAX && from[0] < 0x60) {
		cdb[0] = 0x20 | base;
		put_be32(cdb + 2, (uint32_t)lba);
		put_be16(cdb + 7, (uint16_t)blocks);
		cdb[6] = from[0] < 0x20 ? 0 : from[6];
		cdb[9] = control;
	} else if (from[0] >= 0xa0 && lba + blocks <= UINT32_MAX) {
		cdb[0] = from[0];
		put_be32(cdb + 2, (uint32_t)lba);
		put_be32(cdb + 6, blocks);
		cdb[10] = from[10];
		cdb[11] = from[11];
	} else {
		cdb[0] = 0x80 | base;
		put_be64(cdb + 2, lba);
		put_be32(cdb + 10, blocks);
		cdb[14] = from[0] >= 0x80 && from[0] < 0xa0 ? from[14] : 0;
		cdb[15] = from[0] >= 0x80 && from[0] < 0xa0 ? from[15] : control;
	}
}

uint32_t passthrough_part(struct scsi_task *t, uint32_t progress, uint8_t cdb[SCSI_MAX_CDB])
{
	uint32_t block = block_length(t), len = passthrough_part_max(t);
	uint32_t left = passthrough_whole_blocks(t) - progress;
	uint64_t lba, blocks;
	size_t run;

	find_range(t->cdb, &lba, &blocks);
	if (!left) {
		put_cdb(cdb, t->cdb, lba, 0);
		return 0;
	}
	t->piece.iov_base = databuf_at(&t->data, progress, &run);
	if (len > run)
		len = (uint32_t)run;
	if (len > left)
		len = left;
	t->piece.iov_len = len;
	put_cdb(cdb, t->cdb, lba + progress / block, len / block);
	return len;
}

uint32_t passthrough_tail(struct scsi_task *t, uint8_t cdb[SCSI_MAX_CDB])
{
	uint32_t block = block_length(t);
	uint64_t lba, blocks;

	find_range(t->cdb, &lba, &blocks);
	put_cdb(cdb, t->cdb, lba + t->data.length / block, 1);
	return block;
}
