/* SPDX-License-Identifier: MIT */
/* Which blocks a disk command is about, and how many it may be about. */
#include "scsi/sbc.h"
#include "util/bytes.h"

/* They bound the time of one command. */
#define WRITE_SAME_BLOCKS 0xffffu
#define UNMAP_BLOCKS (1u << 20)

void sbc_set_limits(struct lu *lu)
{
	struct tgt_bs_geometry g = store_geometry(lu->store);
	uint64_t bytes = BUF_MAX_BYTES;

	if (g.max_transfer && g.max_transfer < bytes)
		bytes = g.max_transfer;
	lu->io_alignment = g.io_alignment ? g.io_alignment : 1;
	lu->max_transfer_blocks = (uint32_t)(bytes >> lu->block_shift);
	lu->volatile_cache = (g.flags & TGT_BS_GEO_VOLATILE_CACHE) != 0;
}

uint32_t lu_max_transfer_blocks(const struct lu *lu)
{
	return lu->max_transfer_blocks;
}

uint32_t lu_max_unmap_blocks(const struct lu *lu)
{
	(void)lu;
	return UNMAP_BLOCKS;
}

uint64_t lu_max_write_same_blocks(const struct lu *lu)
{
	(void)lu;
	return WRITE_SAME_BLOCKS;
}

bool lu_is_shared(const struct lu *lu)
{
	return lu->store && store_geometry(lu->store).flags & TGT_BS_GEO_SHARED;
}

bool lu_store_compares(const struct lu *lu, uint64_t offset, uint64_t length)
{
	uint64_t unit = store_geometry(lu->store).compare_and_write_unit;

	return store_can(lu->store, TGT_BS_CAN_COMPARE_AND_WRITE) &&
	       (!unit || (length <= unit && offset % unit <= unit - length));
}

/* One chunk, so that what is compared is written by one request.  On a medium that others write to,
 * only what the store does in one piece itself wherever it lies. */
uint32_t lu_max_caw_blocks(const struct lu *lu)
{
	uint32_t blocks = BUF_MAX_PIECE >> lu->block_shift;

	if (blocks > SBC_MAX_CAW_BLOCKS)
		blocks = SBC_MAX_CAW_BLOCKS;
	if (!lu_is_shared(lu))
		return blocks;
	if (!lu_store_compares(lu, 0, UINT64_C(1) << lu->block_shift))
		return 0;
	return store_geometry(lu->store).compare_and_write_unit ? 1 : blocks;
}

struct sbc_cdb_range sbc_cdb_range(const struct scsi_task *t)
{
	const uint8_t *cdb = t->cdb;

	switch (t->row->cdb_len) {
	case 6:
		/* SBC-2 5.5: 0 means 256 */
		return (struct sbc_cdb_range){get_be24(cdb + 1) & 0x1fffff, cdb[4] ? cdb[4] : 256,
					      4};
	case 10:
		return (struct sbc_cdb_range){get_be32(cdb + 2), get_be16(cdb + 7), 7};
	case 12:
		return (struct sbc_cdb_range){get_be32(cdb + 2), get_be32(cdb + 6), 6};
	default:
		return (struct sbc_cdb_range){get_be64(cdb + 2), get_be32(cdb + 10), 10};
	}
}

bool sbc_set_range(struct scsi_task *t, uint64_t lba, uint64_t blocks)
{
	const struct lu *lu = t->lu;

	if (lba > lu->blocks || blocks > lu->blocks - lba) {
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
		return false;
	}
	t->lba = lba;
	t->blocks = blocks;
	t->work[0] = lba << lu->block_shift;
	t->work[1] = blocks << lu->block_shift;
	/* what sbc_store_ok() and sbc_write_finished() go by when there is nothing to do */
	t->store.bs.status = TGT_BS_OK;
	t->store.bs.flags = 0;
	return true;
}

bool sbc_prepare_transfer(struct scsi_task *t)
{
	struct sbc_cdb_range r = sbc_cdb_range(t);

	if (r.blocks > t->lu->max_transfer_blocks) {
		task_invalid_cdb(t, r.blocks_byte, 7);
		return false;
	}
	t->transfer_length = r.blocks << t->lu->block_shift;
	return sbc_set_range(t, r.lba, r.blocks);
}

void sbc_widen_range(struct scsi_task *t)
{
	const struct lu *lu = t->lu;
	uint64_t align = lu->io_alignment;
	uint64_t end = t->work[0] + t->work[1];
	uint64_t first = t->work[0] & ~(align - 1);

	if (align <= lu->block_size || !t->work[1])
		return;
	end = (end + align - 1) & ~(align - 1);
	t->lba = first >> lu->block_shift;
	t->blocks = (end - first) >> lu->block_shift;
}

bool sbc_prepare_write(struct scsi_task *t)
{
	if (!sbc_prepare_transfer(t))
		return false;
	if (!sbc_is_aligned(t->lu, t->work[0], t->work[1])) {
		t->exclusive_range = true;
		sbc_widen_range(t);
	}
	return true;
}

bool sbc_prepare_to_end(struct scsi_task *t)
{
	struct sbc_cdb_range r = sbc_cdb_range(t);
	uint64_t blocks = r.blocks;

	if (!blocks && r.lba <= t->lu->blocks)
		blocks = t->lu->blocks - r.lba;
	t->transfer_length = 0;
	return sbc_set_range(t, r.lba, blocks);
}

bool sbc_check_data_out(struct scsi_task *t, unsigned blocks_byte)
{
	if (t->expected_out == t->transfer_length)
		return true;
	task_invalid_cdb(t, blocks_byte, 7);
	return false;
}

uint64_t sbc_whole_blocks(const struct scsi_task *t, uint64_t max)
{
	uint64_t there = t->data.length & ~(uint64_t)(t->lu->block_size - 1);

	return there < max ? there : max;
}
